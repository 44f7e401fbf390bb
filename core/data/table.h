/* Table: a table of named columns, as a CSV file gives it.
 *
 * Every cell is one double: a number, 0 or 1 for a boolean, the 0-based code of a text in its
 * column's sorted list, or NaN where the cell is missing. A table owns one arena. */
#ifndef NNRUN_DATA_TABLE_H
#define NNRUN_DATA_TABLE_H

#include "base/arena.h"
#include "tensor/tensor.h"

/* name, words */
#define COLUMN_KINDS(X)                                                                            \
  X(NUMBER, "number") X(INTEGER, "integer") X(BOOLEAN, "boolean") X(TEXT, "text")

typedef enum ColumnKind {
#define X(name, words) COLUMN_##name,
  COLUMN_KINDS(X)
#undef X
      COLUMN_KIND_COUNT
} ColumnKind;

typedef struct Column {
  const char *name;
  ColumnKind kind;
  double *values;     /* (rows) */
  const char **texts; /* (text_count), in byte order; NULL unless the kind is TEXT */
  int64_t text_count;
  int64_t missing;                  /* cells */
  int64_t missing_line, missing_at; /* line and byte of the first missing cell, from 1 */
} Column;

typedef struct Table {
  int64_t rows;
  int columns;
  Column *column;
  bool header; /* names come from the file; otherwise they are x1, x2, ... */
  Arena arena;
} Table;

/* "number", "text", ...; never NULL. */
const char *column_kind_name(ColumnKind kind);
/* The column of that name, or -1. */
int table_find(const Table *table, const char *name);
void table_free(Table *table);

/* Keep only the rows in which none of the given columns is missing. */
void table_drop_missing(Table *table, const int *columns, int count);

/* What is known of a column's present cells. Statistics are NaN when there are none. */
typedef struct ColumnSummary {
  int64_t present, distinct;
  double mean, std; /* std divides by the number of cells (population) */
  double min, median, max;
  double mode; /* the most frequent value, the smallest of several; a code for text */
} ColumnSummary;
Status table_summary(ColumnSummary *out, const Table *table, int column, Err *err);

/* One column of a matrix. */
typedef struct TableField {
  int column;
  int64_t code; /* -1: the number itself; else 1 where the cell has this code or value, else 0 */
  double fill;  /* in place of a missing cell */
} TableField;
/* A (rows, count) tensor of float32 or float64. */
Status table_matrix(Tensor *out, const Table *table, const TableField *fields, int64_t count,
                    DType dtype, Err *err);

/* Class labels (rows) int64: codes of texts and booleans; of numbers, the place among the column's
 * distinct values in rising order. No cell may be missing (NN_FORMAT names the first row). The
 * distinct values of a numeric column go to `classes` (free()d by the caller; NULL for texts), and
 * the number of classes to `class_count`. */
Status table_labels(Tensor *out, double **classes, int64_t *class_count, const Table *table,
                    int column, Err *err);

#endif
