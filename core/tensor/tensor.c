#include "tensor/tensor.h"

#include "base/checked.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct Buffer {
  int references; /* a buffer belongs to one thread at a time; workers are processes */
  unsigned version;
  bool apart;  /* the bytes are an allocation of their own; else they lie behind this struct */
  void *bytes; /* aligned to TENSOR_ALIGN */
};

/* Large buffers ask for huge pages: fewer TLB misses in training and a much cheaper fork. */
enum { HUGE_PAGE = 2 * 1024 * 1024 };

const char *dtype_name(DType dtype) {
  static const char *const names[] = {
#define X(name, type, words) [DTYPE_##name] = (words),
      DTYPE_LIST(X)
#undef X
  };
  return (unsigned)dtype < DTYPE_COUNT ? names[dtype] : "unknown";
}

size_t dtype_size(DType dtype) {
  static const size_t sizes[] = {
#define X(name, type, words) [DTYPE_##name] = sizeof(type),
      DTYPE_LIST(X)
#undef X
  };
  return sizes[dtype];
}

Shape shape_make(int ndim, const int64_t *dims) {
  Shape shape = {.ndim = ndim};
  for (int i = 0; i < ndim && i < MAX_DIMS; i++) shape.dims[i] = dims[i];
  return shape;
}

int64_t shape_count(const Shape *shape) {
  int64_t count = 1;
  for (int i = 0; i < shape->ndim; i++) count *= shape->dims[i];
  return count;
}

bool shape_equal(const Shape *a, const Shape *b) {
  if (a->ndim != b->ndim) return false;
  for (int i = 0; i < a->ndim; i++)
    if (a->dims[i] != b->dims[i]) return false;
  return true;
}

Status shape_check(const Shape *shape, DType dtype, Err *err) {
  if (shape->ndim < 0 || shape->ndim > MAX_DIMS)
    return err_set(err, NN_SHAPE, "a tensor has 0 to %d axes, not %d", MAX_DIMS, shape->ndim);
  size_t bytes = dtype_size(dtype);
  char text[SHAPE_TEXT_SIZE];
  for (int i = 0; i < shape->ndim; i++)
    if (shape->dims[i] < 0)
      return err_set(err, NN_SHAPE, "axis %d of %s is negative", i + 1, shape_text(shape, text));
  for (int i = 0; i < shape->ndim; i++) {
    size_t dim = shape->dims[i] ? (size_t)shape->dims[i] : 1;
    if (!checked_mul(&bytes, bytes, dim) || bytes > (size_t)PTRDIFF_MAX / 2)
      return err_set(err, NN_TOO_LARGE, "a %s tensor of shape %s does not fit in memory",
                     dtype_name(dtype), shape_text(shape, text));
  }
  return NN_OK;
}

const char *shape_text(const Shape *shape, char text[SHAPE_TEXT_SIZE]) {
  size_t used = 0;
  text[used++] = '(';
  for (int i = 0; i < shape->ndim && i < MAX_DIMS; i++)
    used += (size_t)snprintf(text + used, SHAPE_TEXT_SIZE - used, "%s%" PRId64, i ? ", " : "",
                             shape->dims[i]);
  snprintf(text + used, SHAPE_TEXT_SIZE - used, shape->ndim == 1 ? ",)" : ")");
  return text;
}

/* One plain malloc, aligned by hand: the allocator is fastest at those. */
static Buffer *buffer_small(size_t bytes) {
  size_t whole;
  if (!checked_add(&whole, bytes, TENSOR_PAD + TENSOR_ALIGN + sizeof(Buffer))) return NULL;
  Buffer *buffer = malloc(whole);
  if (!buffer) return NULL;
  uintptr_t behind = (uintptr_t)(buffer + 1);
  behind = (behind + TENSOR_ALIGN - 1) & ~(uintptr_t)(TENSOR_ALIGN - 1);
  *buffer = (Buffer){.references = 1, .bytes = (void *)behind};
  return buffer;
}

static Buffer *buffer_huge(size_t bytes) {
  size_t whole;
  if (!checked_add(&whole, bytes, TENSOR_PAD) || !checked_align(&whole, whole, HUGE_PAGE))
    return NULL;
  Buffer *buffer = malloc(sizeof *buffer);
  if (!buffer) return NULL;
  *buffer = (Buffer){.references = 1, .apart = true, .bytes = aligned_alloc(HUGE_PAGE, whole)};
  if (buffer->bytes) {
    madvise(buffer->bytes, whole, MADV_HUGEPAGE);
    return buffer;
  }
  free(buffer);
  return NULL;
}

Status tensor_new_raw(Tensor *out, DType dtype, const Shape *shape, Err *err) {
  *out = (Tensor){0};
  TRY(shape_check(shape, dtype, err));
  size_t bytes = (size_t)shape_count(shape) * dtype_size(dtype);
  Buffer *buffer = bytes < 2 * (size_t)HUGE_PAGE ? buffer_small(bytes) : buffer_huge(bytes);
  char text[SHAPE_TEXT_SIZE];
  if (!buffer)
    return err_set(err, NN_NO_MEMORY, "no memory for a %s tensor of shape %s (%zu bytes)",
                   dtype_name(dtype), shape_text(shape, text), bytes);
  *out = (Tensor){.dtype = dtype, .shape = *shape, .buffer = buffer, .data = buffer->bytes};
  memset((char *)out->data + bytes, 0, TENSOR_PAD);
  return NN_OK;
}

Status tensor_new(Tensor *out, DType dtype, const Shape *shape, Err *err) {
  TRY(tensor_new_raw(out, dtype, shape, err));
  memset(out->data, 0, tensor_bytes(out));
  return NN_OK;
}

Tensor tensor_share(const Tensor *tensor) {
  if (tensor->buffer) tensor->buffer->references++;
  return *tensor;
}

void tensor_release(Tensor *tensor) {
  Buffer *buffer = tensor->buffer;
  if (buffer && --buffer->references == 0) {
    if (buffer->apart) free(buffer->bytes);
    free(buffer);
  }
  *tensor = (Tensor){0};
}

unsigned tensor_version(const Tensor *tensor) {
  return tensor->buffer ? tensor->buffer->version : 0;
}

void tensor_touch(Tensor *tensor) {
  if (tensor->buffer) tensor->buffer->version++;
}

Status tensor_reshape(Tensor *out, const Tensor *tensor, const Shape *shape, Err *err) {
  *out = (Tensor){0};
  TRY(shape_check(shape, tensor->dtype, err));
  char from[SHAPE_TEXT_SIZE], to[SHAPE_TEXT_SIZE];
  if (shape_count(shape) != tensor_count(tensor))
    return err_set(err, NN_SHAPE, "cannot reshape %s to %s: %" PRId64 " elements against %" PRId64,
                   shape_text(&tensor->shape, from), shape_text(shape, to), tensor_count(tensor),
                   shape_count(shape));
  *out = tensor_share(tensor);
  out->shape = *shape;
  return NN_OK;
}

Status tensor_rows(Tensor *out, const Tensor *tensor, int64_t begin, int64_t end, Err *err) {
  *out = (Tensor){0};
  if (tensor->shape.ndim == 0) return err_set(err, NN_SHAPE, "a scalar has no rows");
  if (begin < 0 || begin > end || end > tensor->shape.dims[0])
    return err_set(err, NN_BAD_ARGUMENT,
                   "rows %" PRId64 " to %" PRId64 " are outside the %" PRId64 " rows there are",
                   begin + 1, end, tensor->shape.dims[0]);
  *out = tensor_share(tensor);
  int64_t row = 1;
  for (int i = 1; i < tensor->shape.ndim; i++) row *= tensor->shape.dims[i];
  out->shape.dims[0] = end - begin;
  out->data = (char *)tensor->data + (size_t)(begin * row) * dtype_size(tensor->dtype);
  return NN_OK;
}

int64_t tensor_count(const Tensor *tensor) { return shape_count(&tensor->shape); }

size_t tensor_bytes(const Tensor *tensor) {
  return (size_t)tensor_count(tensor) * dtype_size(tensor->dtype);
}

double tensor_get(const Tensor *tensor, int64_t index) {
  switch (tensor->dtype) {
  case DTYPE_F32: return ((const float *)tensor->data)[index];
  case DTYPE_F64: return ((const double *)tensor->data)[index];
  case DTYPE_I64: return (double)((const int64_t *)tensor->data)[index];
  case DTYPE_COUNT: break;
  }
  return 0;
}

void tensor_set(Tensor *tensor, int64_t index, double value) {
  switch (tensor->dtype) {
  case DTYPE_F32: ((float *)tensor->data)[index] = (float)value; break;
  case DTYPE_F64: ((double *)tensor->data)[index] = value; break;
  case DTYPE_I64: ((int64_t *)tensor->data)[index] = (int64_t)value; break;
  case DTYPE_COUNT: break;
  }
}

Status tensor_convert(Tensor *out, const Tensor *tensor, DType dtype, Err *err) {
  TRY(tensor_new_raw(out, dtype, &tensor->shape, err));
  if (dtype == tensor->dtype) {
    memcpy(out->data, tensor->data, tensor_bytes(tensor));
    return NN_OK;
  }
  int64_t count = tensor_count(tensor);
  if (dtype == DTYPE_F64 && tensor->dtype == DTYPE_F32)
    for (int64_t i = 0; i < count; i++) ((double *)out->data)[i] = ((float *)tensor->data)[i];
  else if (dtype == DTYPE_F32 && tensor->dtype == DTYPE_F64)
    for (int64_t i = 0; i < count; i++)
      ((float *)out->data)[i] = (float)((double *)tensor->data)[i];
  else
    for (int64_t i = 0; i < count; i++) tensor_set(out, i, tensor_get(tensor, i));
  return NN_OK;
}
