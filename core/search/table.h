/* What has been tried: the columns of a space and a row for each result.
 *
 * A place is a number in [0, 1]: where a value stands in its domain, evenly or by magnitude; in a
 * column of n cells, the middle of one. A parameter of a branch that was not taken has no place:
 * NaN. Rows are kept in the order they were added, and `order` lists them from the smallest loss to
 * the largest, ties by age. Losses that are not finite (trials that failed) count as infinite. */
#ifndef NNRUN_SEARCH_TABLE_H
#define NNRUN_SEARCH_TABLE_H

#include "base/status.h"

#include <stdbool.h>

enum { SEARCH_MAX_COLUMNS = 128, SEARCH_MAX_CELLS = 1024 };

typedef struct SearchColumn {
  int cells;    /* 0: every place is a value; n: n cells of equal width */
  bool ordered; /* neighbouring places are alike; false: categories */
  /* Active when the column `parent` (before this one) is in cell `from` to `to`; -1: always. */
  int parent, from, to;
} SearchColumn;

typedef struct SearchTable {
  SearchColumn *columns;
  int width; /* number of columns */
  int count, capacity;
  double *places; /* (count, width) */
  double *losses; /* (count) */
  int *order;     /* (count) */
} SearchTable;

Status search_table_new(SearchTable *table, const SearchColumn *columns, int width, Err *err);
Status search_table_add(SearchTable *table, const double *places, double loss, Err *err);
void search_table_free(SearchTable *table);

/* Whether `row` is `last` or comes before it in order of loss; no row does when `last` is -1. */
static inline bool search_up_to(const SearchTable *table, int last, int row) {
  if (last < 0) return false;
  double loss = table->losses[row], limit = table->losses[last];
  return loss < limit || (loss == limit && row <= last);
}

/* The cell of a place, 0 .. cells-1. */
static inline int search_cell(int cells, double place) {
  int cell = (int)(place * cells);
  return cell < 0 ? 0 : cell >= cells ? cells - 1 : cell;
}

static inline double search_middle(int cells, int cell) { return (cell + 0.5) / cells; }

/* Whether column `c` has a place in a row whose earlier columns are filled in. */
bool search_active(const SearchColumn *columns, int c, const double *row);

#endif
