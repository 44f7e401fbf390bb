#include "data/batch.h"

#include <inttypes.h>
#include <string.h>

/* Bytes asked for ahead of the copy: covers the latency of memory at the speed of one core, and is
 * small enough to stay in the first-level cache. */
enum { CACHE_LINE = 64, AHEAD_BYTES = 4096 };

static size_t row_bytes(const Tensor *tensor) {
  size_t bytes = dtype_size(tensor->dtype);
  for (int i = 1; i < tensor->shape.ndim; i++) bytes *= (size_t)tensor->shape.dims[i];
  return bytes;
}

/* Rows of one word (labels, single features): a copy of fixed size is one load and one store. */
static void gather_words(char *out, const char *source, const int64_t *rows, int64_t count) {
  for (int64_t i = 0; i < count; i++) memcpy(out + i * 8, source + rows[i] * 8, 8);
}

static void gather_half_words(char *out, const char *source, const int64_t *rows, int64_t count) {
  for (int64_t i = 0; i < count; i++) memcpy(out + i * 4, source + rows[i] * 4, 4);
}

static void prefetch_row(const char *row, size_t bytes) {
  size_t span = bytes < AHEAD_BYTES ? bytes : AHEAD_BYTES;
  for (size_t at = 0; at < span; at += CACHE_LINE) __builtin_prefetch(row + at, 0, 3);
}

void batch_gather(Tensor *out, const Tensor *source, const int64_t *rows, int64_t count) {
  size_t bytes = row_bytes(source);
  if (bytes == 0) return;
  if (bytes == 8) {
    gather_words(out->data, source->data, rows, count);
    return;
  }
  if (bytes == 4) {
    gather_half_words(out->data, source->data, rows, count);
    return;
  }
  const char *from = source->data;
  char *to = out->data;
  int64_t ahead = bytes >= AHEAD_BYTES ? 1 : (int64_t)(AHEAD_BYTES / bytes);
  if (ahead > 16) ahead = 16;
  for (int64_t i = 0; i < ahead && i < count; i++)
    prefetch_row(from + (size_t)rows[i] * bytes, bytes);
  for (int64_t i = 0; i < count; i++) {
    if (i + ahead < count) prefetch_row(from + (size_t)rows[i + ahead] * bytes, bytes);
    memcpy(to + (size_t)i * bytes, from + (size_t)rows[i] * bytes, bytes);
  }
}

Status batch_check_rows(const int64_t *rows, int64_t count, int64_t limit, Err *err) {
  for (int64_t i = 0; i < count; i++)
    if (rows[i] < 0 || rows[i] >= limit)
      return err_set(err, NN_BAD_ARGUMENT,
                     "row %" PRId64 " is outside the %" PRId64 " rows there are", rows[i] + 1,
                     limit);
  return NN_OK;
}

Status batch_take(Tensor *out, const Tensor *source, const int64_t *rows, int64_t count, Err *err) {
  *out = (Tensor){0};
  if (source->shape.ndim == 0) return err_set(err, NN_SHAPE, "a scalar has no rows");
  TRY(batch_check_rows(rows, count, source->shape.dims[0], err));
  Shape shape = source->shape;
  shape.dims[0] = count;
  TRY(tensor_new(out, source->dtype, &shape, err));
  batch_gather(out, source, rows, count);
  return NN_OK;
}
