/* Kernels that move elements. They work on elements of 4 or 8 bytes whatever their type, so that
 * int64 tensors can use the copies compiled for floats. */
#include "op/kernel/family.h"

#include <string.h>

enum { BLOCK = 16 }; /* transposing goes by squares of BLOCK elements: 16 cache lines each way */

static size_t element_size(const OpCall *call) {
  return call->out.dtype == DTYPE_F32 ? sizeof(float) : sizeof(double);
}

KERNEL(reshape) {
  size_t size = element_size(call);
  Range range = part_range(shape_count(&call->out.shape), part, parts);
  if (range.end > range.begin && call->out.data != call->in[0].data)
    memcpy((char *)call->out.data + (size_t)range.begin * size,
           (const char *)call->in[0].data + (size_t)range.begin * size,
           (size_t)(range.end - range.begin) * size);
}

/* ---- transpose, expand: the result walked in order, the input by strides ---- */

/* The axes of the result, outermost first, with the input's stride along each (0: repeated). Axes
 * of size 1 are gone and axes that follow each other in the input are merged. */
typedef struct Gather {
  int ndim;
  int64_t size[MAX_DIMS], stride[MAX_DIMS];
} Gather;

static void gather_add(Gather *gather, int64_t size, int64_t stride) {
  int last = gather->ndim - 1;
  if (size == 1) return;
  if (last >= 0 && gather->stride[last] == stride * size) {
    gather->size[last] *= size;
    gather->stride[last] = stride;
    return;
  }
  gather->size[gather->ndim] = size;
  gather->stride[gather->ndim++] = stride;
}

static int64_t gather_count(const Gather *gather, int axes) {
  int64_t count = 1;
  for (int i = 0; i < axes; i++) count *= gather->size[i];
  return count;
}

/* Where the input stands at the position-th step of the first `axes` axes. */
static int64_t gather_offset(const Gather *gather, int axes, int64_t position) {
  int64_t offset = 0;
  for (int i = axes - 1; i >= 0; i--) {
    offset += position % gather->size[i] * gather->stride[i];
    position /= gather->size[i];
  }
  return offset;
}

#define GATHER(type)                                                                               \
  static void gather_row_##type(type *out, const type *in, int64_t n, int64_t stride) {            \
    if (stride == 1) {                                                                             \
      memcpy(out, in, (size_t)n * sizeof *out);                                                    \
    } else if (stride == 0) {                                                                      \
      type value = *in;                                                                            \
      for (int64_t i = 0; i < n; i++) out[i] = value;                                              \
    } else {                                                                                       \
      for (int64_t i = 0; i < n; i++) out[i] = in[i * stride];                                     \
    }                                                                                              \
  }                                                                                                \
  /* out (rows, n) from columns of in: element (i, j) is in[i + j * stride] */                     \
  static void gather_square_##type(type *out, const type *in, int64_t rows, int64_t n,             \
                                   int64_t stride) {                                               \
    for (int64_t i0 = 0; i0 < rows; i0 += BLOCK)                                                   \
      for (int64_t j0 = 0; j0 < n; j0 += BLOCK) {                                                  \
        int64_t i1 = i0 + BLOCK < rows ? i0 + BLOCK : rows;                                        \
        int64_t j1 = j0 + BLOCK < n ? j0 + BLOCK : n;                                              \
        for (int64_t i = i0; i < i1; i++)                                                          \
          for (int64_t j = j0; j < j1; j++) out[i * n + j] = in[i + j * stride];                   \
      }                                                                                            \
  }                                                                                                \
  static void gather_##type(const Gather *gather, type *out, const type *in, int part,             \
                            int parts) {                                                           \
    int last = gather->ndim - 1;                                                                   \
    int64_t n = last >= 0 ? gather->size[last] : 1, stride = last >= 0 ? gather->stride[last] : 1; \
    bool square = last >= 1 && stride > 1 && gather->stride[last - 1] == 1;                        \
    int outer = square ? last - 1 : last > 0 ? last : 0;                                           \
    int64_t rows = square ? gather->size[last - 1] : 1;                                            \
    Range range = part_range(gather_count(gather, outer), part, parts);                            \
    for (int64_t i = range.begin; i < range.end; i++) {                                            \
      const type *from = in + gather_offset(gather, outer, i);                                     \
      if (square)                                                                                  \
        gather_square_##type(out + i * rows * n, from, rows, n, stride);                           \
      else                                                                                         \
        gather_row_##type(out + i * n, from, n, stride);                                           \
    }                                                                                              \
  }
GATHER(uint32_t)
GATHER(uint64_t)

static void gather_run(const OpCall *call, const Gather *gather, int part, int parts) {
  if (element_size(call) == sizeof(uint32_t))
    gather_uint32_t(gather, call->out.data, call->in[0].data, part, parts);
  else
    gather_uint64_t(gather, call->out.data, call->in[0].data, part, parts);
}

static void strides_of(const Shape *shape, int64_t strides[MAX_DIMS]) {
  int64_t stride = 1;
  for (int i = shape->ndim - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape->dims[i];
  }
}

KERNEL(transpose) {
  int64_t strides[MAX_DIMS];
  Gather gather = {0};
  strides_of(&call->in[0].shape, strides);
  for (int i = 0; i < call->out.shape.ndim; i++)
    gather_add(&gather, call->out.shape.dims[i], strides[call->attrs->at[0].list[i]]);
  gather_run(call, &gather, part, parts);
}

KERNEL(expand) {
  const Shape *in = &call->in[0].shape, *out = &call->out.shape;
  int missing = out->ndim - in->ndim;
  int64_t strides[MAX_DIMS];
  Gather gather = {0};
  strides_of(in, strides);
  for (int i = 0; i < out->ndim; i++) {
    bool repeated = i < missing || in->dims[i - missing] == 1;
    gather_add(&gather, out->dims[i], repeated ? 0 : strides[i - missing]);
  }
  gather_run(call, &gather, part, parts);
}

/* ---- slice, pad, concat: runs of bytes ---- */

/* Copy `outer` runs of `bytes`, which lie `to_step` and `from_step` bytes apart. */
static void copy_runs(char *to, size_t to_step, const char *from, size_t from_step, size_t bytes,
                      Range range) {
  for (int64_t i = range.begin; i < range.end && bytes > 0; i++)
    memcpy(to + (size_t)i * to_step, from + (size_t)i * from_step, bytes);
}

KERNEL(slice) {
  int axis = (int)call->attrs->at[0].number;
  AxisView in = axis_view(&call->in[0].shape, axis), out = axis_view(&call->out.shape, axis);
  size_t unit = (size_t)in.inner * element_size(call);
  size_t skip = (size_t)call->attrs->at[1].number * unit, bytes = (size_t)out.size * unit;
  Range range = part_range(out.outer, part, parts);
  copy_runs(call->out.data, bytes, (const char *)call->in[0].data + skip, (size_t)in.size * unit,
            bytes, range);
}

KERNEL(pad) {
  int axis = (int)call->attrs->at[0].number;
  AxisView in = axis_view(&call->in[0].shape, axis), out = axis_view(&call->out.shape, axis);
  size_t unit = (size_t)in.inner * element_size(call), whole = (size_t)out.size * unit;
  size_t before = (size_t)call->attrs->at[1].number * unit, bytes = (size_t)in.size * unit;
  Range range = part_range(out.outer, part, parts);
  if (range.end == range.begin || whole == 0) return;
  memset((char *)call->out.data + (size_t)range.begin * whole, 0,
         (size_t)(range.end - range.begin) * whole);
  copy_runs((char *)call->out.data + before, whole, call->in[0].data, bytes, bytes, range);
}

KERNEL(concat) {
  int axis = (int)call->attrs->at[0].number;
  AxisView a = axis_view(&call->in[0].shape, axis), b = axis_view(&call->in[1].shape, axis);
  size_t unit = (size_t)a.inner * element_size(call);
  size_t first = (size_t)a.size * unit, second = (size_t)b.size * unit;
  Range range = part_range(a.outer, part, parts);
  copy_runs(call->out.data, first + second, call->in[0].data, first, first, range);
  copy_runs((char *)call->out.data + first, first + second, call->in[1].data, second, second,
            range);
}
