/* Tensor: a dense array in row-major order, and the buffer it looks into.
 *
 * A tensor is a small value: dtype, shape, and a window into a refcounted buffer. Tensors are
 * always contiguous; slices along the first axis and reshapes share the buffer, everything else
 * copies. Copying the struct does not count a reference: use tensor_share / tensor_release. */
#ifndef NNRUN_TENSOR_TENSOR_H
#define NNRUN_TENSOR_TENSOR_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, C type, NumPy letter */
#define DTYPE_LIST(X) X(F32, float, "float32") X(F64, double, "float64") X(I64, int64_t, "int64")

typedef enum DType {
#define X(name, type, words) DTYPE_##name,
  DTYPE_LIST(X)
#undef X
      DTYPE_COUNT
} DType;

/* Every buffer is followed by TENSOR_PAD readable bytes, so vector loops may over-read. */
enum { MAX_DIMS = 8, TENSOR_ALIGN = 64, TENSOR_PAD = 128, SHAPE_TEXT_SIZE = 192 };

/* dims[0] is the outermost; a scalar has ndim 0. */
typedef struct Shape {
  int ndim;
  int64_t dims[MAX_DIMS];
} Shape;

typedef struct Buffer Buffer;

typedef struct Tensor {
  DType dtype;
  Shape shape;
  Buffer *buffer;
  void *data; /* first element; inside the buffer, which is aligned to TENSOR_ALIGN */
} Tensor;

const char *dtype_name(DType dtype);
size_t dtype_size(DType dtype);

Shape shape_make(int ndim, const int64_t *dims);
/* Product of the dims; 1 for a scalar. The shape is one that shape_check accepted. */
int64_t shape_count(const Shape *shape);
bool shape_equal(const Shape *a, const Shape *b);
/* ndim within MAX_DIMS, no negative dim, and count * element size within half the address space. */
Status shape_check(const Shape *shape, DType dtype, Err *err);
/* "(64, 784)"; returns `text`. */
const char *shape_text(const Shape *shape, char text[SHAPE_TEXT_SIZE]);

/* A new tensor of zeros. */
Status tensor_new(Tensor *out, DType dtype, const Shape *shape, Err *err);
/* The same with elements nobody has set; the padding behind them is zero. */
Status tensor_new_raw(Tensor *out, DType dtype, const Shape *shape, Err *err);
/* How often the buffer was written over since it was made, as far as writers say so by
 * tensor_touch: whoever remembers a tensor's values can see that they are not there any more. */
unsigned tensor_version(const Tensor *tensor);
void tensor_touch(Tensor *tensor);
/* Another reference to the same buffer. */
Tensor tensor_share(const Tensor *tensor);
/* Drop the reference and clear the struct; harmless on a cleared one. */
void tensor_release(Tensor *tensor);
/* Same elements, other shape; shares the buffer. NN_SHAPE when the counts differ. */
Status tensor_reshape(Tensor *out, const Tensor *tensor, const Shape *shape, Err *err);
/* Rows [begin, end) along the first axis; shares the buffer. 0 <= begin <= end <= dims[0]. */
Status tensor_rows(Tensor *out, const Tensor *tensor, int64_t begin, int64_t end, Err *err);
/* A fresh copy, converted to `dtype` (int64 from a float truncates towards zero). */
Status tensor_convert(Tensor *out, const Tensor *tensor, DType dtype, Err *err);
int64_t tensor_count(const Tensor *tensor);
size_t tensor_bytes(const Tensor *tensor);
/* The element at a flat index, as a double. */
double tensor_get(const Tensor *tensor, int64_t index);
void tensor_set(Tensor *tensor, int64_t index, double value);

#endif
