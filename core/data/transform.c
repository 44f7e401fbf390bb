#include "data/transform.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Rows and columns of a tensor seen as a matrix. */
static Status matrix_size(const Tensor *x, int64_t *rows, int64_t *columns, Err *err) {
  if (x->shape.ndim == 0) return err_set(err, NN_SHAPE, "a scalar has no rows and columns");
  *rows = x->shape.dims[0];
  *columns = 1;
  for (int i = 1; i < x->shape.ndim; i++) *columns *= x->shape.dims[i];
  return NN_OK;
}

static Status need_float(const Tensor *x, Err *err) {
  if (x->dtype != DTYPE_I64) return NN_OK;
  return err_set(err, NN_DTYPE, "whole numbers (int64) cannot be scaled; convert to float32 first");
}

/* Two passes: the mean first, then the squares around it, so that large means cost no digits. */
#define DEFINE_STATS(name, type)                                                                   \
  static void stats_##name(const type *x, int64_t rows, int64_t columns, double *stats) {          \
    double *mean = stats + STAT_MEAN * columns, *std = stats + STAT_STD * columns;                 \
    double *min = stats + STAT_MIN * columns, *max = stats + STAT_MAX * columns;                   \
    double *missing = stats + STAT_MISSING * columns;                                              \
    for (int64_t c = 0; c < columns; c++) {                                                        \
      min[c] = INFINITY;                                                                           \
      max[c] = -INFINITY;                                                                          \
    }                                                                                              \
    for (int64_t r = 0; r < rows; r++)                                                             \
      for (int64_t c = 0; c < columns; c++) {                                                      \
        double value = (double)x[r * columns + c];                                                 \
        bool there = value == value;                                                               \
        missing[c] += !there;                                                                      \
        mean[c] += there ? value : 0;                                                              \
        min[c] = value < min[c] ? value : min[c];                                                  \
        max[c] = value > max[c] ? value : max[c];                                                  \
      }                                                                                            \
    for (int64_t c = 0; c < columns; c++) mean[c] /= (double)rows - missing[c];                    \
    for (int64_t r = 0; r < rows; r++)                                                             \
      for (int64_t c = 0; c < columns; c++) {                                                      \
        double value = (double)x[r * columns + c] - mean[c];                                       \
        std[c] += value == value ? value * value : 0;                                              \
      }                                                                                            \
    for (int64_t c = 0; c < columns; c++) {                                                        \
      bool empty = (double)rows == missing[c];                                                     \
      std[c] = sqrt(std[c] / ((double)rows - missing[c]));                                         \
      if (empty) mean[c] = std[c] = min[c] = max[c] = NAN;                                         \
    }                                                                                              \
  }
DEFINE_STATS(f32, float)
DEFINE_STATS(f64, double)
DEFINE_STATS(i64, int64_t)

Status transform_stats(Tensor *out, const Tensor *x, Err *err) {
  *out = (Tensor){0};
  int64_t rows = 0, columns = 0;
  TRY(matrix_size(x, &rows, &columns, err));
  Shape shape = shape_make(2, (int64_t[]){STAT_COUNT, columns});
  TRY(tensor_new(out, DTYPE_F64, &shape, err));
  if (x->dtype == DTYPE_F32)
    stats_f32(x->data, rows, columns, out->data);
  else if (x->dtype == DTYPE_F64)
    stats_f64(x->data, rows, columns, out->data);
  else
    stats_i64(x->data, rows, columns, out->data);
  return NN_OK;
}

Status transform_scale(Tensor *out, const Tensor *x, const Tensor *shift, const Tensor *scale,
                       Err *err) {
  *out = (Tensor){0};
  int64_t rows = 0, columns = 0;
  TRY(matrix_size(x, &rows, &columns, err));
  TRY(need_float(x, err));
  if (shift->dtype != DTYPE_F64 || scale->dtype != DTYPE_F64)
    return err_set(err, NN_DTYPE, "shift and scale are float64");
  if (tensor_count(shift) != columns || tensor_count(scale) != columns)
    return err_set(err, NN_SHAPE, "scaling made for %" PRId64 " columns is applied to %" PRId64,
                   tensor_count(shift), columns);
  TRY(tensor_new(out, x->dtype, &x->shape, err));
  const double *a = shift->data, *b = scale->data;
  for (int64_t r = 0; r < rows; r++) {
    const float *from32 = (const float *)x->data + r * columns;
    const double *from64 = (const double *)x->data + r * columns;
    float *to32 = (float *)out->data + r * columns;
    double *to64 = (double *)out->data + r * columns;
    if (x->dtype == DTYPE_F32)
      for (int64_t c = 0; c < columns; c++) to32[c] = (float)(((double)from32[c] - a[c]) / b[c]);
    else
      for (int64_t c = 0; c < columns; c++) to64[c] = (from64[c] - a[c]) / b[c];
  }
  return NN_OK;
}

Status transform_fill(Tensor *out, const Tensor *x, const Tensor *values, Err *err) {
  *out = (Tensor){0};
  int64_t rows = 0, columns = 0;
  TRY(matrix_size(x, &rows, &columns, err));
  TRY(need_float(x, err));
  if (values->dtype != DTYPE_F64 || tensor_count(values) != columns)
    return err_set(err, NN_SHAPE, "%" PRId64 " fill values for %" PRId64 " columns",
                   tensor_count(values), columns);
  TRY(tensor_convert(out, x, x->dtype, err));
  for (int64_t i = 0; i < rows * columns; i++)
    if (isnan(tensor_get(out, i))) tensor_set(out, i, tensor_get(values, i % columns));
  return NN_OK;
}

Status transform_divide(Tensor *x, double divisor, Err *err) {
  TRY(need_float(x, err));
  if (divisor == 0 || isnan(divisor))
    return err_set(err, NN_BAD_ARGUMENT, "the divisor is %g; give a number other than 0", divisor);
  int64_t count = tensor_count(x);
  if (x->dtype == DTYPE_F32)
    for (int64_t i = 0; i < count; i++) ((float *)x->data)[i] /= (float)divisor;
  else
    for (int64_t i = 0; i < count; i++) ((double *)x->data)[i] /= divisor;
  return NN_OK;
}

Status transform_one_hot(Tensor *out, const Tensor *labels, int64_t classes, DType dtype,
                         Err *err) {
  *out = (Tensor){0};
  TRY(check_labels(labels, classes, err));
  int64_t rows = tensor_count(labels);
  Shape shape = shape_make(2, (int64_t[]){rows, classes});
  TRY(tensor_new(out, dtype, &shape, err));
  for (int64_t i = 0; i < rows; i++)
    tensor_set(out, i * classes + ((const int64_t *)labels->data)[i], 1);
  return NN_OK;
}

/* 0 * x is 0 for every finite x and NaN for all others, which a sum keeps. */
static int64_t first_not_finite(const Tensor *x) {
  int64_t count = tensor_count(x);
  enum { CHUNK = 1024 };
  for (int64_t begin = 0; begin < count; begin += CHUNK) {
    int64_t end = begin + CHUNK < count ? begin + CHUNK : count;
    double bad = 0;
    if (x->dtype == DTYPE_F32)
      for (int64_t i = begin; i < end; i++) bad += (double)((const float *)x->data)[i] * 0;
    else
      for (int64_t i = begin; i < end; i++) bad += ((const double *)x->data)[i] * 0;
    if (bad == 0) continue;
    for (int64_t i = begin; i < end; i++)
      if (!isfinite(tensor_get(x, i))) return i;
  }
  return -1;
}

Status check_finite(const Tensor *x, const char *const *names, Err *err) {
  if (x->dtype == DTYPE_I64) return NN_OK;
  int64_t rows = 0, columns = 0, bad = first_not_finite(x);
  if (bad < 0) return NN_OK;
  TRY(matrix_size(x, &rows, &columns, err));
  int64_t row = bad / columns + 1, column = bad % columns + 1;
  double value = tensor_get(x, bad);
  const char *what = isnan(value) ? "NaN" : value > 0 ? "infinity" : "-infinity";
  if (names)
    return err_set(err, NN_FORMAT, "row %" PRId64 ", column %" PRId64 " ('%.60s') is %s", row,
                   column, names[column - 1], what);
  return err_set(err, NN_FORMAT, "row %" PRId64 ", column %" PRId64 " is %s", row, column, what);
}

/* Where the first number outside 0 .. limit - 1 stands; -1 when there is none. */
static int64_t find_outside(const Tensor *tensor, int64_t limit) {
  const int64_t *values = tensor->data;
  for (int64_t i = 0; i < tensor_count(tensor); i++)
    if (values[i] < 0 || values[i] >= limit) return i;
  return -1;
}

/* The row, from 1, of the element at a flat index. */
static int64_t row_of(const Tensor *tensor, int64_t index) {
  if (tensor->shape.ndim == 0) return 1;
  return index / (tensor_count(tensor) / tensor->shape.dims[0]) + 1;
}

Status check_labels(const Tensor *labels, int64_t classes, Err *err) {
  if (labels->dtype != DTYPE_I64)
    return err_set(err, NN_DTYPE, "class labels are int64, not %s", dtype_name(labels->dtype));
  int64_t at = find_outside(labels, classes);
  if (at < 0) return NN_OK;
  return err_set(err, NN_FORMAT,
                 "the label of row %" PRId64 " is %" PRId64 ", outside the %" PRId64
                 " classes 0 to %" PRId64,
                 row_of(labels, at), ((const int64_t *)labels->data)[at], classes, classes - 1);
}

Status check_indices(const Tensor *indices, int64_t limit, Err *err) {
  if (indices->dtype != DTYPE_I64)
    return err_set(err, NN_DTYPE, "indices are int64, not %s", dtype_name(indices->dtype));
  int64_t at = find_outside(indices, limit);
  if (at < 0) return NN_OK;
  return err_set(err, NN_FORMAT,
                 "row %" PRId64 " holds the index %" PRId64 "; they go from 0 to %" PRId64,
                 row_of(indices, at), ((const int64_t *)indices->data)[at], limit - 1);
}

void tensor_hash(Sha256 *sha, const Tensor *tensor) {
  const char *type = dtype_name(tensor->dtype);
  char shape[SHAPE_TEXT_SIZE];
  shape_text(&tensor->shape, shape);
  sha256_add(sha, type, strlen(type));
  sha256_add(sha, shape, strlen(shape));
  sha256_add(sha, tensor->data, tensor_bytes(tensor));
}
