/* For the pooling kernels: a result's row is made by walking the window, its k-th element for a
 * vector of columns at once.
 *
 * Where windows see padding, planes are copied into a frame of it first. Windows of 2x2 that do not
 * overlap, which most networks have, need no frame: even and odd columns are taken apart, and put
 * together again by the gradient, without a gather. Parts are ranges of planes. */
#ifndef NNRUN_OP_KERNEL_POOL_H
#define NNRUN_OP_KERNEL_POOL_H

#include "op/kernel/vector.h"
#include "op/pool.h"

/* Does every window have two elements of its own, all inside? */
static inline bool axis_halves(const PoolAxis *axis) {
  return axis->kernel == 2 && axis->stride == 2 && axis->padding == 0 && axis->dilation == 1 &&
         2 * axis->out <= axis->in;
}

static inline bool pool_quarters(const Pool *pool) {
  return axis_halves(&pool->h) && axis_halves(&pool->w);
}

/* Where in the input the elements of window o are: from `begin` on, in steps of the dilation. */
static inline Range axis_window(const PoolAxis *axis, int64_t o) {
  if (axis->kernel == 0) /* adaptive */
    return (Range){o * axis->in / axis->out, ((o + 1) * axis->in + axis->out - 1) / axis->out};
  int64_t begin = o * axis->stride - axis->padding;
  int64_t end = begin + axis->dilation * (axis->kernel - 1) + 1;
  if (begin < 0) begin += (-begin + axis->dilation - 1) / axis->dilation * axis->dilation;
  return (Range){begin, end < axis->in ? end : axis->in};
}

/* ---- planes in a frame of padding ---- */

typedef struct Frame {
  real *data;
  int64_t height, width;
  real *row[2]; /* behind it, w.out and more elements each */
} Frame;

/* A part's frame in the call's scratch, all `fill`. */
static inline Frame frame_make(const OpCall *call, const Pool *pool, int part, real fill) {
  Frame frame = {.height = pool_padded(&pool->h), .width = pool_padded(&pool->w)};
  int64_t count = frame.height * frame.width + POOL_SLACK;
  frame.data = (real *)call->scratch + part * pool_scratch(pool);
  for (int i = 0; i < 2; i++) frame.row[i] = frame.data + count + i * (pool->w.out + POOL_SLACK);
  for (int64_t i = 0; i < count; i++) frame.data[i] = fill;
  return frame;
}

/* The plane with its padding; `width` becomes the distance of rows. */
static inline const real *frame_fill(const Frame *frame, const Pool *pool, const real *x,
                                     int64_t *width) {
  *width = pool->w.in;
  if (!pool_needs_frame(pool)) return x;
  *width = frame->width;
  for (int64_t row = 0; row < pool->h.in; row++)
    memcpy(frame->data + (row + pool->h.padding) * frame->width + pool->w.padding,
           x + row * pool->w.in, (size_t)pool->w.in * sizeof *x);
  return frame->data;
}

/* Take a plane's gradient out of its frame. */
static inline void frame_empty(const Frame *frame, const Pool *pool, real *dx) {
  for (int64_t row = 0; row < pool->h.in; row++)
    memcpy(dx + row * pool->w.in,
           frame->data + (row + pool->h.padding) * frame->width + pool->w.padding,
           (size_t)pool->w.in * sizeof *dx);
}

/* ---- vectors of columns ---- */

#if defined(REAL_F64)
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#else
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#endif

INLINE void vec_split(const real *x, Vec *even, Vec *odd) {
  Vec a = vec_load(x), b = vec_load(x + WIDTH);
  *even = __builtin_shufflevector(a, b, EVEN);
  *odd = __builtin_shufflevector(a, b, ODD);
}

INLINE void vec_join(real *out, Vec even, Vec odd, int64_t room) {
  vec_store(out, __builtin_shufflevector(even, odd, LOW), room);
  vec_store(out + WIDTH, __builtin_shufflevector(even, odd, HIGH), room - WIDTH);
}

/* A vector of columns, `stride` apart; of strides above 2 the first `n` alone are read. */
INLINE Vec load_columns(const real *x, int64_t stride, int64_t n) {
  Vec even, odd;
  if (stride == 1) return vec_load(x);
  if (stride == 2) {
    vec_split(x, &even, &odd);
    return even;
  }
  even = (Vec){0};
  for (int64_t l = 0; l < WIDTH && l < n; l++) even[l] = x[l * stride];
  return even;
}

/* The next start of a vector in a row of n columns: the last one ends with the row, where that has
 * WIDTH columns at all; else it runs into the next row or plane, which is written later. */
INLINE int64_t next_column(int64_t i, int64_t n) {
  return i + WIDTH < n && i + 2 * WIDTH > n ? n - WIDTH : i + WIDTH;
}

/* Elements no 2x2 window sees: the last of an odd number of columns or rows. */
static inline void clear_rest(const Pool *pool, real *dx) {
  int64_t seen = 2 * pool->w.out, width = pool->w.in;
  if (seen < width)
    for (int64_t row = 0; row < 2 * pool->h.out; row++)
      memset(dx + row * width + seen, 0, (size_t)(width - seen) * sizeof *dx);
  int64_t last = 2 * pool->h.out * width;
  memset(dx + last, 0, (size_t)(pool->in_plane - last) * sizeof *dx);
}

#endif
