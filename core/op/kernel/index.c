/* Elements by place. What only moves works on elements of 4 or 8 bytes whatever their type, so that
 * int64 runs in the copies compiled for floats. */
#include "op/kernel/family.h"

static inline bool is_i64(const OpCall *call) { return call->out.dtype == DTYPE_I64; }

static size_t element_size(const OpCall *call) { return is_i64(call) ? 8 : sizeof(real); }

/* ---- gather, scatter_add: units are (outer, inner) places, each walking the axis ---- */

#define GATHER(type, missing)                                                                      \
  static void gather_##type(const OpCall *call, AxisView from, AxisView to, Range range) {         \
    const int64_t *places = call->in[1].data;                                                      \
    for (int64_t unit = range.begin; unit < range.end; unit++) {                                   \
      int64_t outer = unit / to.inner, inner = unit % to.inner;                                    \
      const type *x = (const type *)call->in[0].data + outer * from.size * from.inner + inner;     \
      for (int64_t i = 0; i < to.size; i++) {                                                      \
        int64_t at = (outer * to.size + i) * to.inner + inner, place = places[at];                 \
        bool inside = place >= 0 && place < from.size;                                             \
        ((type *)call->out.data)[at] = inside ? x[place * from.inner] : (type)(missing);           \
      }                                                                                            \
    }                                                                                              \
  }
GATHER(real, NAN)
GATHER(int64_t, INT64_MIN)

KERNEL(gather) {
  int axis = (int)call->attrs->at[0].number;
  AxisView from = axis_view(&call->in[0].shape, axis), to = axis_view(&call->out.shape, axis);
  Range range = part_range(to.outer * to.inner, part, parts);
  if (is_i64(call))
    gather_int64_t(call, from, to, range);
  else
    gather_real(call, from, to, range);
}

#define SCATTER(type, sum)                                                                         \
  static void scatter_##type(const OpCall *call, AxisView to, AxisView from, Range range) {        \
    const int64_t *places = call->in[1].data;                                                      \
    const type *x = call->in[0].data, *add = call->in[2].data;                                     \
    for (int64_t unit = range.begin; unit < range.end; unit++) {                                   \
      int64_t outer = unit / to.inner, inner = unit % to.inner;                                    \
      int64_t first = outer * to.size * to.inner + inner;                                          \
      type *out = (type *)call->out.data + first;                                                  \
      for (int64_t i = 0; i < to.size; i++) out[i * to.inner] = x[first + i * to.inner];           \
      for (int64_t i = 0; i < from.size; i++) {                                                    \
        int64_t at = (outer * from.size + i) * from.inner + inner, place = places[at];             \
        if (place < 0 || place >= to.size) continue;                                               \
        type *slot = &out[place * to.inner];                                                       \
        *slot = (type)((sum)*slot + (sum)add[at]);                                                 \
      }                                                                                            \
    }                                                                                              \
  }
SCATTER(real, real)
SCATTER(int64_t, uint64_t)

KERNEL(scatter_add) {
  int axis = (int)call->attrs->at[0].number;
  AxisView to = axis_view(&call->out.shape, axis), from = axis_view(&call->in[1].shape, axis);
  Range range = part_range(to.outer * to.inner, part, parts);
  if (is_i64(call))
    scatter_int64_t(call, to, from, range);
  else
    scatter_real(call, to, from, range);
}

/* ---- flip, roll ---- */

#define FLIP(type)                                                                                 \
  static void flip_##type(const OpCall *call, const int64_t *step, int64_t start, Range range) {   \
    const Shape *shape = &call->out.shape;                                                         \
    int last = shape->ndim - 1;                                                                    \
    int64_t n = last >= 0 ? shape->dims[last] : 1, stride = last >= 0 ? step[last] : 1;            \
    for (int64_t row = range.begin; row < range.end; row++) {                                      \
      int64_t from = start, rest = row;                                                            \
      for (int i = last - 1; i >= 0; i--) {                                                        \
        from += rest % shape->dims[i] * step[i];                                                   \
        rest /= shape->dims[i];                                                                    \
      }                                                                                            \
      const type *x = (const type *)call->in[0].data + from;                                       \
      type *out = (type *)call->out.data + row * n;                                                \
      for (int64_t k = 0; k < n; k++) out[k] = x[k * stride];                                      \
    }                                                                                              \
  }
FLIP(real)
FLIP(int64_t)

KERNEL(flip) {
  const Shape *shape = &call->out.shape;
  const Attr *axes = &call->attrs->at[0];
  int64_t step[MAX_DIMS], stride = 1, start = 0;
  for (int i = shape->ndim - 1; i >= 0; i--) {
    bool flipped = false;
    for (int k = 0; k < axes->count; k++) flipped |= axes->list[k] == i;
    step[i] = flipped ? -stride : stride;
    if (flipped) start += (shape->dims[i] - 1) * stride;
    stride *= shape->dims[i];
  }
  if (stride == 0) return; /* no elements */
  int64_t last = shape->ndim > 0 ? shape->dims[shape->ndim - 1] : 1;
  Range range = part_range(stride / last, part, parts);
  if (is_i64(call))
    flip_int64_t(call, step, start, range);
  else
    flip_real(call, step, start, range);
}

KERNEL(roll) {
  AxisView view = axis_view(&call->out.shape, (int)call->attrs->at[1].number);
  if (view.size == 0) return;
  int64_t shift = (int64_t)call->attrs->at[0].number % view.size;
  if (shift < 0) shift += view.size;
  size_t unit = (size_t)view.inner * element_size(call), whole = unit * (size_t)view.size;
  size_t head = unit * (size_t)shift;
  Range range = part_range(view.outer, part, parts);
  for (int64_t i = range.begin; i < range.end; i++) {
    const char *x = (const char *)call->in[0].data + (size_t)i * whole;
    char *out = (char *)call->out.data + (size_t)i * whole;
    memcpy(out, x + whole - head, head);
    memcpy(out + head, x, whole - head);
  }
}

/* ---- tril, triu ---- */

/* Keep columns [from, to) of each row, zeros elsewhere; `lower`: up to the diagonal. */
static void triangle(const OpCall *call, bool lower, int part, int parts) {
  const Shape *shape = &call->out.shape;
  int64_t m = shape->dims[shape->ndim - 2], n = shape->dims[shape->ndim - 1];
  int64_t diagonal = (int64_t)call->attrs->at[0].number;
  size_t size = element_size(call);
  Range range = part_range(n == 0 ? 0 : shape_count(shape) / n, part, parts);
  for (int64_t row = range.begin; row < range.end; row++) {
    int64_t edge = row % m + diagonal + (lower ? 1 : 0); /* first column beyond, or kept */
    if (edge < 0) edge = 0;
    if (edge > n) edge = n;
    const char *x = (const char *)call->in[0].data + (size_t)(row * n) * size;
    char *out = (char *)call->out.data + (size_t)(row * n) * size;
    size_t split = (size_t)edge * size, whole = (size_t)n * size;
    if (out != x) memcpy(out, x, whole);
    if (lower)
      memset(out + split, 0, whole - split);
    else
      memset(out, 0, split);
  }
}

KERNEL(tril) { triangle(call, true, part, parts); }
KERNEL(triu) { triangle(call, false, part, parts); }
