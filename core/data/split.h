/* Rows dealt out to the parts of a data set. */
#ifndef NNRUN_DATA_SPLIT_H
#define NNRUN_DATA_SPLIT_H

#include "base/status.h"

#include <stdint.h>

enum { SPLIT_MAX_PARTS = 64 };

/* Sizes of parts in proportion to `shares`, summing to `rows`: each part has the whole number below
 * its quota, and the largest remainders (the first of equals) get one more (Hamilton's method).
 * Shares are positive and finite, 1 to SPLIT_MAX_PARTS of them. */
Status split_sizes(int64_t *sizes, const double *shares, int parts, int64_t rows, Err *err);

/* Every row 0 .. rows-1 once into `order`: the first sizes[0] entries are part 1, and so on.
 *
 * Without labels the rows are shuffled (address: seed, SPLIT) and cut. With labels (0-based, below
 * `classes`) each class is dealt out in proportion: a part's count of a class differs from its
 * exact quota by less than one, or two where the parts' sizes leave no better way. Part sizes are
 * those of split_sizes either way. Within a part rows are in shuffled order. */
Status split_rows(int64_t *order, int64_t *sizes, const double *shares, int parts, int64_t rows,
                  const int64_t *labels, int64_t classes, uint64_t seed, Err *err);

#endif
