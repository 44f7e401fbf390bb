#include "search/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static Status check_columns(const SearchColumn *columns, int width, Err *err) {
  if (width < 0 || width > SEARCH_MAX_COLUMNS) {
    return err_set(err, NN_TOO_LARGE, "a search of %d parameters; it can have up to %d", width,
                   SEARCH_MAX_COLUMNS);
  }
  for (int c = 0; c < width; c++) {
    const SearchColumn *column = &columns[c];
    if (column->cells < 0 || column->cells > SEARCH_MAX_CELLS ||
        (!column->ordered && column->cells == 0)) {
      return err_set(err, NN_BAD_ARGUMENT, "column %d has %d cells; it can have 0 (ordered) to %d",
                     c + 1, column->cells, SEARCH_MAX_CELLS);
    }
    if (column->parent >= c || (column->parent >= 0 && columns[column->parent].cells == 0)) {
      return err_set(err, NN_BAD_ARGUMENT,
                     "column %d: its parent must be an earlier one with cells", c + 1);
    }
  }
  return NN_OK;
}

Status search_table_new(SearchTable *table, const SearchColumn *columns, int width, Err *err) {
  *table = (SearchTable){0};
  TRY(check_columns(columns, width, err));
  table->columns = malloc((size_t)width * sizeof *columns + 1);
  if (!table->columns) return err_set(err, NN_NO_MEMORY, "no memory for %d columns", width);
  memcpy(table->columns, columns, (size_t)width * sizeof *columns);
  table->width = width;
  return NN_OK;
}

void search_table_free(SearchTable *table) {
  free(table->columns);
  free(table->places);
  free(table->losses);
  free(table->order);
  *table = (SearchTable){0};
}

static bool grow(void **array, size_t count, size_t size) {
  void *larger = realloc(*array, count * size);
  if (larger) *array = larger;
  return larger != NULL;
}

static Status make_room(SearchTable *table, Err *err) {
  if (table->count < table->capacity) return NN_OK;
  int capacity = table->capacity ? 2 * table->capacity : 64;
  size_t width = (size_t)table->width;
  if (!grow((void **)&table->places, (size_t)capacity, width * sizeof(double)) ||
      !grow((void **)&table->losses, (size_t)capacity, sizeof(double)) ||
      !grow((void **)&table->order, (size_t)capacity, sizeof(int))) {
    return err_set(err, NN_NO_MEMORY, "no memory for %d results of a search", capacity);
  }
  table->capacity = capacity;
  return NN_OK;
}

Status search_table_add(SearchTable *table, const double *places, double loss, Err *err) {
  TRY(make_room(table, err));
  int row = table->count++;
  memcpy(table->places + (size_t)row * (size_t)table->width, places,
         (size_t)table->width * sizeof(double));
  table->losses[row] = loss = isfinite(loss) ? loss : INFINITY;
  int low = 0, high = row; /* behind all that are not larger */
  while (low < high) {
    int middle = low + (high - low) / 2;
    if (table->losses[table->order[middle]] <= loss) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  memmove(table->order + low + 1, table->order + low, (size_t)(row - low) * sizeof(int));
  table->order[low] = row;
  return NN_OK;
}

bool search_active(const SearchColumn *columns, int c, const double *row) {
  const SearchColumn *column = &columns[c];
  if (column->parent < 0) return true;
  double place = row[column->parent];
  if (isnan(place)) return false;
  int cell = search_cell(columns[column->parent].cells, place);
  return cell >= column->from && cell <= column->to;
}
