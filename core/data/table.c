#include "data/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *column_kind_name(ColumnKind kind) {
  static const char *const names[] = {
#define X(name, words) [COLUMN_##name] = (words),
      COLUMN_KINDS(X)
#undef X
  };
  return (unsigned)kind < COLUMN_KIND_COUNT ? names[kind] : "unknown";
}

int table_find(const Table *table, const char *name) {
  for (int i = 0; i < table->columns; i++)
    if (strcmp(table->column[i].name, name) == 0) return i;
  return -1;
}

void table_free(Table *table) {
  arena_free(&table->arena);
  *table = (Table){0};
}

static bool row_complete(const Table *table, const int *columns, int count, int64_t row) {
  for (int i = 0; i < count; i++)
    if (isnan(table->column[columns[i]].values[row])) return false;
  return true;
}

void table_drop_missing(Table *table, const int *columns, int count) {
  int64_t kept = 0;
  for (int64_t row = 0; row < table->rows; row++) {
    if (!row_complete(table, columns, count, row)) {
      for (int i = 0; i < table->columns; i++)
        table->column[i].missing -= isnan(table->column[i].values[row]);
      continue;
    }
    if (kept != row)
      for (int i = 0; i < table->columns; i++)
        table->column[i].values[kept] = table->column[i].values[row];
    kept++;
  }
  table->rows = kept;
}

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The present cells in rising order; free() them. */
static Status sorted_cells(double **out, int64_t *count, const Table *table, int column, Err *err) {
  const Column *cells = &table->column[column];
  double *sorted = malloc(((size_t)table->rows + 1) * sizeof *sorted);
  *out = sorted;
  *count = 0;
  if (!sorted) return err_set(err, NN_NO_MEMORY, "no memory to sort column '%s'", cells->name);
  for (int64_t i = 0; i < table->rows; i++)
    if (!isnan(cells->values[i])) sorted[(*count)++] = cells->values[i];
  qsort(sorted, (size_t)*count, sizeof *sorted, compare_doubles);
  return NN_OK;
}

Status table_summary(ColumnSummary *out, const Table *table, int column, Err *err) {
  *out =
      (ColumnSummary){.mean = NAN, .std = NAN, .min = NAN, .median = NAN, .max = NAN, .mode = NAN};
  double *cells;
  int64_t n;
  TRY(sorted_cells(&cells, &n, table, column, err));
  out->present = n;
  double sum = 0, squares = 0;
  int64_t run = 0, best = 0;
  for (int64_t i = 0; i < n; i++) {
    sum += cells[i];
    run = i > 0 && cells[i] == cells[i - 1] ? run + 1 : 1;
    out->distinct += run == 1;
    if (run > best) {
      best = run;
      out->mode = cells[i];
    }
  }
  if (n > 0) {
    out->mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += (cells[i] - out->mean) * (cells[i] - out->mean);
    out->std = sqrt(squares / (double)n);
    out->min = cells[0];
    out->max = cells[n - 1];
    out->median = n % 2 ? cells[n / 2] : cells[n / 2 - 1] / 2 + cells[n / 2] / 2;
  }
  free(cells);
  return NN_OK;
}

Status table_matrix(Tensor *out, const Table *table, const TableField *fields, int64_t count,
                    DType dtype, Err *err) {
  Shape shape = shape_make(2, (int64_t[]){table->rows, count});
  TRY(tensor_new(out, dtype, &shape, err));
  for (int64_t f = 0; f < count; f++) {
    const double *values = table->column[fields[f].column].values;
    for (int64_t row = 0; row < table->rows; row++) {
      double value = values[row];
      if (isnan(value))
        value = fields[f].fill;
      else if (fields[f].code >= 0)
        value = value == (double)fields[f].code;
      tensor_set(out, row * count + f, value);
    }
  }
  return NN_OK;
}

static Status distinct_cells(double **out, int64_t *count, const Table *table, int column,
                             Err *err) {
  int64_t n, distinct = 0;
  TRY(sorted_cells(out, &n, table, column, err));
  for (int64_t i = 0; i < n; i++)
    if (i == 0 || (*out)[i] != (*out)[i - 1]) (*out)[distinct++] = (*out)[i];
  *count = distinct;
  return NN_OK;
}

static Status number_labels(Tensor *out, double **classes, int64_t *class_count, const Table *table,
                            int column, Err *err) {
  TRY(distinct_cells(classes, class_count, table, column, err));
  const double *values = table->column[column].values;
  for (int64_t row = 0; row < table->rows; row++) {
    const double *found =
        bsearch(&values[row], *classes, (size_t)*class_count, sizeof **classes, compare_doubles);
    ((int64_t *)out->data)[row] = found - *classes;
  }
  return NN_OK;
}

Status table_labels(Tensor *out, double **classes, int64_t *class_count, const Table *table,
                    int column, Err *err) {
  *out = (Tensor){0};
  *classes = NULL;
  const Column *cells = &table->column[column];
  for (int64_t row = 0; row < table->rows; row++)
    if (isnan(cells->values[row]))
      return err_set(err, NN_FORMAT, "the target '%s' of row %" PRId64 " is missing", cells->name,
                     row + 1);
  Shape shape = shape_make(1, &table->rows);
  TRY(tensor_new(out, DTYPE_I64, &shape, err));
  Status status = NN_OK;
  if (cells->kind == COLUMN_TEXT || cells->kind == COLUMN_BOOLEAN) {
    *class_count = cells->kind == COLUMN_TEXT ? cells->text_count : 2;
    for (int64_t row = 0; row < table->rows; row++)
      ((int64_t *)out->data)[row] = (int64_t)cells->values[row];
  } else {
    status = number_labels(out, classes, class_count, table, column, err);
  }
  if (status != NN_OK) tensor_release(out);
  return status;
}
