/* Columns of a data set: measured, scaled, checked. A tensor (N, ...) counts as N rows of as many
 * columns as the other axes hold together. */
#ifndef NNRUN_DATA_TRANSFORM_H
#define NNRUN_DATA_TRANSFORM_H

#include "base/hash.h"
#include "tensor/tensor.h"

/* Rows of the statistics tensor. */
typedef enum ColumnStat {
  STAT_MEAN,
  STAT_STD, /* divides by the number of values (population) */
  STAT_MIN,
  STAT_MAX,
  STAT_MISSING, /* NaNs, which the others leave out */
  STAT_COUNT
} ColumnStat;

/* A (STAT_COUNT, columns) float64 tensor; sums are taken in double, in row order. Statistics of a
 * column without values are NaN. NN_SHAPE for a scalar. */
Status transform_stats(Tensor *out, const Tensor *x, Err *err);

/* A new tensor of x's shape and dtype (floats only) with (x - shift[c]) / scale[c] in column c;
 * `shift` and `scale` are float64 with one value per column, scale nowhere 0. */
Status transform_scale(Tensor *out, const Tensor *x, const Tensor *shift, const Tensor *scale,
                       Err *err);
/* A new tensor in which the NaNs of column c of a float tensor are values[c] (float64). */
Status transform_fill(Tensor *out, const Tensor *x, const Tensor *values, Err *err);
/* Divide every element of a float tensor, in place. */
Status transform_divide(Tensor *x, double divisor, Err *err);

/* (N, classes) of dtype, 1 in each row at its label. */
Status transform_one_hot(Tensor *out, const Tensor *labels, int64_t classes, DType dtype, Err *err);

/* No NaN or infinity: NN_FORMAT names the first place by row and column (from 1), and the column's
 * name when `names` (columns of them) is not NULL. */
Status check_finite(const Tensor *x, const char *const *names, Err *err);
/* Every label of an int64 tensor within 0 .. classes-1; NN_FORMAT names the first row where not. */
Status check_labels(const Tensor *labels, int64_t classes, Err *err);
/* int64 indices all within 0 .. limit - 1; the message names the row and the index. */
Status check_indices(const Tensor *indices, int64_t limit, Err *err);

/* Add dtype, shape and contents to a hash. */
void tensor_hash(Sha256 *sha, const Tensor *tensor);

#endif
