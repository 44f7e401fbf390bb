/* The geometry of pooling, for shape inference and kernels. */
#ifndef NNRUN_OP_POOL_H
#define NNRUN_OP_POOL_H

#include "op/call.h"

/* The largest window whose maximum's place is kept in a byte; one value of a byte says "none". */
enum { POOL_MAX_COMPACT = 255 };

/* Attributes that all windowed ops begin with; POOL_SIZE is of gradients alone. */
enum { POOL_KERNEL, POOL_STRIDE, POOL_PADDING, POOL_DILATION, POOL_SIZE = 5 };

/* Windows along one axis; of adaptive pooling `kernel` is 0. */
typedef struct PoolAxis {
  int64_t in, out, kernel, stride, padding, dilation;
} PoolAxis;

typedef struct Pool {
  PoolAxis h, w;
  int64_t planes, in_plane, out_plane; /* elements of a plane */
} Pool;

/* Are the places of maxima bytes? `axes` are pooled; attribute 0 is kernel_size, if given. */
static inline bool pool_compact(const Attrs *attrs, int axes) {
  const Attr *kernel = &attrs->at[POOL_KERNEL];
  if (kernel->count < 1) return false;
  int64_t elements = kernel->list[0];
  if (axes == 2 && elements <= POOL_MAX_COMPACT) elements *= kernel->list[1];
  return elements <= POOL_MAX_COMPACT;
}

static inline PoolAxis pool_axis(const Attrs *attrs, int i, int64_t in, int64_t out, bool dilated) {
  if (i < 0) return (PoolAxis){.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1};
  return (PoolAxis){.in = in,
                    .out = out,
                    .kernel = attrs->at[POOL_KERNEL].list[i],
                    .stride = attrs->at[POOL_STRIDE].list[i],
                    .padding = attrs->at[POOL_PADDING].list[i],
                    .dilation = dilated ? attrs->at[POOL_DILATION].list[i] : 1};
}

/* The geometry of pooling `in` to `out`, with completed attributes, NULL for adaptive pooling; 1-D
 * is one row. */
static inline Pool pool_make(const Attrs *attrs, const Shape *in, const Shape *out, bool dilated) {
  int last = in->ndim - 1;
  bool flat = in->ndim == 3;
  int64_t height = flat ? 1 : in->dims[2], out_height = flat ? 1 : out->dims[2];
  Pool pool = {.planes = in->dims[0] * in->dims[1],
               .in_plane = height * in->dims[last],
               .out_plane = out_height * out->dims[last]};
  if (attrs) {
    pool.h = pool_axis(attrs, flat ? -1 : 0, height, out_height, dilated);
    pool.w = pool_axis(attrs, flat ? 0 : 1, in->dims[last], out->dims[last], dilated);
  } else {
    pool.h = (PoolAxis){.in = height, .out = out_height, .dilation = 1};
    pool.w = (PoolAxis){.in = in->dims[last], .out = out->dims[last], .dilation = 1};
  }
  return pool;
}

/* Elements along an axis from the first of the padding to the last that a window sees, or more. */
static inline int64_t pool_padded(const PoolAxis *axis) {
  int64_t reach = (axis->out - 1) * axis->stride + axis->dilation * (axis->kernel - 1) + 1;
  return reach > axis->padding + axis->in ? reach : axis->padding + axis->in;
}

/* Does some window see more than the input? */
static inline bool pool_needs_frame(const Pool *pool) {
  return pool_padded(&pool->h) > pool->h.in || pool_padded(&pool->w) > pool->w.in;
}

/* Elements of a part's scratch: a plane in its padding, and two rows of results, with room for
 * whole vectors behind each. */
enum { POOL_SLACK = 32 };
static inline int64_t pool_scratch(const Pool *pool) {
  int64_t frame = pool_padded(&pool->h) * pool_padded(&pool->w) + POOL_SLACK;
  int64_t count = frame + 2 * (pool->w.out + POOL_SLACK);
  return (count + POOL_SLACK - 1) / POOL_SLACK * POOL_SLACK;
}

#endif
