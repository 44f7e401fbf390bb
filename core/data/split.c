#include "data/split.h"

#include "base/rng.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Quotas like 0.7 * 10 come out a little below the whole number they stand for. */
#define ROUNDING 1e-9

/* One count of a table being rounded: classes by parts. */
typedef struct Cell {
  double remainder;
  int64_t index; /* class * parts + part */
} Cell;

static double quota(const double *shares, int parts, int part, int64_t rows) {
  double total = 0;
  for (int i = 0; i < parts; i++) total += shares[i];
  return (double)rows * (shares[part] / total);
}

static int by_remainder(const void *a, const void *b) {
  const Cell *x = a, *y = b;
  if (x->remainder != y->remainder) return x->remainder > y->remainder ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

static Status check_shares(const double *shares, int parts, Err *err) {
  if (parts < 1 || parts > SPLIT_MAX_PARTS)
    return err_set(err, NN_BAD_ARGUMENT, "a split has 1 to %d parts, not %d", SPLIT_MAX_PARTS,
                   parts);
  for (int i = 0; i < parts; i++)
    if (!(shares[i] > 0) || isinf(shares[i]))
      return err_set(err, NN_BAD_ARGUMENT, "share %d of the split is %g; shares are positive",
                     i + 1, shares[i]);
  return NN_OK;
}

Status split_sizes(int64_t *sizes, const double *shares, int parts, int64_t rows, Err *err) {
  TRY(check_shares(shares, parts, err));
  Cell cells[SPLIT_MAX_PARTS];
  int64_t left = rows;
  for (int i = 0; i < parts; i++) {
    double exact = quota(shares, parts, i, rows);
    sizes[i] = (int64_t)floor(exact + ROUNDING);
    left -= sizes[i];
    cells[i] = (Cell){exact - (double)sizes[i], i};
  }
  qsort(cells, (size_t)parts, sizeof *cells, by_remainder);
  for (int i = 0; left > 0; i = (i + 1) % parts, left--) sizes[cells[i].index]++;
  return NN_OK;
}

/* Round the quotas of `counts[class]` rows so that rows and columns of the table keep their sums:
 * whole parts first, then one more where the remainder is largest and both the class and the part
 * still have some to give. */
static void round_table(int64_t *table, Cell *cells, int64_t *class_left, int64_t *part_left,
                        const double *shares, int parts, int64_t classes) {
  for (int64_t c = 0; c < classes; c++) {
    int64_t count = class_left[c];
    for (int p = 0; p < parts; p++) {
      double exact = quota(shares, parts, p, count);
      int64_t whole = (int64_t)floor(exact + ROUNDING);
      table[c * parts + p] = whole;
      cells[c * parts + p] = (Cell){exact - (double)whole, c * parts + p};
      class_left[c] -= whole;
      part_left[p] -= whole;
    }
  }
  qsort(cells, (size_t)(classes * parts), sizeof *cells, by_remainder);
  for (bool again = true; again;) {
    again = false;
    for (int64_t i = 0; i < classes * parts; i++) {
      int64_t *row = &class_left[cells[i].index / parts];
      int64_t *part = &part_left[cells[i].index % parts];
      if (*row <= 0 || *part <= 0) continue;
      table[cells[i].index]++;
      (*row)--;
      (*part)--;
      again = true;
    }
  }
}

/* Give the shuffled rows out: the first of a class to part 1 until its count is full, and so on.
 * The table's counts become 0; `next` is where each part's rows go. */
static void deal(int64_t *order, int64_t *next, int64_t *table, const int64_t *shuffled,
                 const int64_t *labels, int parts, int64_t rows) {
  for (int64_t i = 0; i < rows; i++) {
    int64_t *counts = &table[labels[shuffled[i]] * parts];
    int part = 0;
    while (part < parts - 1 && counts[part] == 0) part++;
    counts[part]--;
    order[next[part]++] = shuffled[i];
  }
}

static Status split_stratified(int64_t *order, int64_t *sizes, const double *shares, int parts,
                               int64_t rows, const int64_t *labels, int64_t classes,
                               const int64_t *shuffled, Err *err) {
  size_t cells_size = (size_t)classes * (size_t)parts;
  int64_t *table = calloc(cells_size + 1, sizeof *table);
  int64_t *class_left = calloc((size_t)classes + 1, sizeof *class_left);
  Cell *cells = calloc(cells_size + 1, sizeof *cells);
  int64_t part_left[SPLIT_MAX_PARTS], next[SPLIT_MAX_PARTS];
  Status status = NN_OK;
  if (!table || !class_left || !cells) {
    status = err_set(err, NN_NO_MEMORY, "no memory to split %" PRId64 " classes", classes);
  } else {
    for (int64_t i = 0; i < rows; i++) class_left[labels[i]]++;
    for (int p = 0; p < parts; p++) part_left[p] = sizes[p];
    round_table(table, cells, class_left, part_left, shares, parts, classes);
    for (int64_t p = 0, at = 0; p < parts; at += sizes[p++]) {
      sizes[p] = 0;
      for (int64_t c = 0; c < classes; c++) sizes[p] += table[c * parts + p];
      next[p] = at;
    }
    deal(order, next, table, shuffled, labels, parts, rows);
  }
  free(table);
  free(class_left);
  free(cells);
  return status;
}

Status split_rows(int64_t *order, int64_t *sizes, const double *shares, int parts, int64_t rows,
                  const int64_t *labels, int64_t classes, uint64_t seed, Err *err) {
  TRY(split_sizes(sizes, shares, parts, rows, err));
  for (int64_t i = 0; labels && i < rows; i++)
    if (labels[i] < 0 || labels[i] >= classes)
      return err_set(err, NN_BAD_ARGUMENT,
                     "label %" PRId64 " of row %" PRId64 " is outside the classes 0 to %" PRId64,
                     labels[i], i + 1, classes - 1);
  Rng rng = rng_make(seed, RNG_SPLIT, 0);
  rng_permutation(&rng, order, (size_t)rows);
  if (!labels) return NN_OK;
  int64_t *shuffled = malloc(((size_t)rows + 1) * sizeof *shuffled);
  if (!shuffled) return err_set(err, NN_NO_MEMORY, "no memory to split %" PRId64 " rows", rows);
  for (int64_t i = 0; i < rows; i++) shuffled[i] = order[i];
  Status status =
      split_stratified(order, sizes, shares, parts, rows, labels, classes, shuffled, err);
  free(shuffled);
  return status;
}
