/* Rows of a tensor gathered into a batch. */
#ifndef NNRUN_DATA_BATCH_H
#define NNRUN_DATA_BATCH_H

#include "tensor/tensor.h"

/* Copy source's rows `rows[0 .. count-1]` (0-based, along the first axis) to the first `count` rows
 * of `out`. Both have the same dtype and the same axes after the first; every row number is within
 * the source (batch_check_rows) and `out` has at least `count` rows. While one row is copied the
 * following ones are on their way from memory. */
void batch_gather(Tensor *out, const Tensor *source, const int64_t *rows, int64_t count);

/* All row numbers within 0 .. limit-1; NN_BAD_ARGUMENT names the first that is not. */
Status batch_check_rows(const int64_t *rows, int64_t count, int64_t limit, Err *err);

/* A new tensor of the given rows, checked. */
Status batch_take(Tensor *out, const Tensor *source, const int64_t *rows, int64_t count, Err *err);

#endif
