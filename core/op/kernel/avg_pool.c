/* Average pooling and its gradient. */
#include "op/kernel/pool.h"

enum { AVG_INCLUDE_PAD = 4 };

/* How many elements along this axis the average of window o divides by. */
static int64_t axis_divisor(const PoolAxis *axis, int64_t o, bool include_pad) {
  int64_t begin = o * axis->stride - axis->padding, end = begin + axis->kernel;
  if (end > axis->in + axis->padding) end = axis->in + axis->padding;
  if (include_pad) return end - begin;
  return (end < axis->in ? end : axis->in) - (begin > 0 ? begin : 0);
}

static void avg_quarters(const Pool *pool, const real *x, real *out, int64_t end) {
  int64_t width = pool->w.in, n = pool->w.out;
  for (int64_t row = 0; row < pool->h.out; row++) {
    const real *x0 = x + 2 * row * width, *x1 = x0 + width;
    for (int64_t i = 0; i < n; i = next_column(i, n)) {
      Vec a, b, c, d;
      vec_split(x0 + 2 * i, &a, &b);
      vec_split(x1 + 2 * i, &c, &d);
      vec_store(out + row * n + i, (a + b + c + d) * (real)0.25, end - row * n - i);
    }
  }
}

static void avg_quarters_grad(const Pool *pool, const real *g, real *dx, int64_t end) {
  int64_t width = pool->w.in, n = pool->w.out;
  for (int64_t row = 0; row < pool->h.out; row++)
    for (int64_t i = 0; i < n; i = next_column(i, n)) {
      Vec share = vec_load(g + row * n + i) * (real)0.25;
      int64_t at = 2 * row * width + 2 * i, room = end - at;
      vec_join(dx + at, share, share, room);
      vec_join(dx + at + width, share, share, room - width);
    }
  clear_rest(pool, dx);
}

/* Divide the sums of a row of windows; `columns` are the divisors along the row. */
static void avg_divide(const Pool *pool, bool include_pad, int64_t row, const real *columns,
                       const real *sums, real *out) {
  real rows = (real)axis_divisor(&pool->h, row, include_pad);
  for (int64_t i = 0; i < pool->w.out; i++) out[i] = sums[i] / (rows * columns[i]);
}

/* Sums of the windows of a row; x is the row of the first window's first element. */
INLINE void window_sums(const Pool *pool, const real *x, int64_t width, int64_t stride,
                        real *sums) {
  for (int64_t i = 0; i < pool->w.out; i += WIDTH) {
    Vec sum = {0};
    for (int64_t ky = 0; ky < pool->h.kernel; ky++)
      for (int64_t kx = 0; kx < pool->w.kernel; kx++)
        sum += load_columns(x + ky * width + i * stride + kx, stride, pool->w.out - i);
    vec_store(sums + i, sum, WIDTH);
  }
}

static void avg_rows(const Pool *pool, const Frame *frame, bool include_pad, const real *x,
                     real *out) {
  int64_t width, stride = pool->w.stride;
  x = frame_fill(frame, pool, x, &width);
  for (int64_t row = 0; row < pool->h.out; row++) {
    const real *from = x + row * pool->h.stride * width;
    if (stride == 1)
      window_sums(pool, from, width, 1, frame->row[1]);
    else if (stride == 2)
      window_sums(pool, from, width, 2, frame->row[1]);
    else
      window_sums(pool, from, width, stride, frame->row[1]);
    avg_divide(pool, include_pad, row, frame->row[0], frame->row[1], out + row * pool->w.out);
  }
}

/* Add the shares of a row of windows to what they see; behind the last share are zeros. */
INLINE void add_shares(const Pool *pool, const real *shares, real *x, int64_t width,
                       int64_t stride) {
  for (int64_t k = 0; k < pool->h.kernel * pool->w.kernel; k++) {
    real *to = x + k / pool->w.kernel * width + k % pool->w.kernel;
    for (int64_t i = 0; stride <= 2 && i < pool->w.out; i += WIDTH) {
      Vec share = vec_load(shares + i), low = share, high = {0}, zero = {0};
      if (stride == 2) {
        low = __builtin_shufflevector(share, zero, LOW);
        high = __builtin_shufflevector(share, zero, HIGH);
        vec_store(to + i * 2 + WIDTH, vec_load(to + i * 2 + WIDTH) + high, WIDTH);
      }
      vec_store(to + i * stride, vec_load(to + i * stride) + low, WIDTH);
    }
    for (int64_t i = 0; stride > 2 && i < pool->w.out; i++) to[i * stride] += shares[i];
  }
}

static void avg_rows_grad(const Pool *pool, const Frame *frame, bool include_pad, const real *g,
                          real *dx) {
  memset(frame->data, 0, (size_t)(frame->height * frame->width) * sizeof *dx);
  for (int64_t row = 0; row < pool->h.out; row++) {
    real *to = frame->data + row * pool->h.stride * frame->width;
    avg_divide(pool, include_pad, row, frame->row[0], g + row * pool->w.out, frame->row[1]);
    if (pool->w.stride == 1)
      add_shares(pool, frame->row[1], to, frame->width, 1);
    else if (pool->w.stride == 2)
      add_shares(pool, frame->row[1], to, frame->width, 2);
    else
      add_shares(pool, frame->row[1], to, frame->width, pool->w.stride);
  }
  frame_empty(frame, pool, dx);
}

/* A frame with the divisors along a row in row[0], and row[1] zeros. */
static Frame avg_frame(const OpCall *call, const Pool *pool, int part) {
  Frame frame = frame_make(call, pool, part, 0);
  bool include_pad = call->attrs->at[AVG_INCLUDE_PAD].number != 0;
  for (int64_t i = 0; i < pool->w.out; i++)
    frame.row[0][i] = (real)axis_divisor(&pool->w, i, include_pad);
  memset(frame.row[1], 0, (size_t)(pool->w.out + WIDTH) * sizeof(real));
  return frame;
}

KERNEL(avg_pool) {
  Pool pool = pool_make(call->attrs, &call->in[0].shape, &call->out.shape, false);
  bool include_pad = call->attrs->at[AVG_INCLUDE_PAD].number != 0, quarters = pool_quarters(&pool);
  Range range = part_range(pool.planes, part, parts);
  Frame frame = {0};
  if (!quarters) frame = avg_frame(call, &pool, part);
  for (int64_t plane = range.begin; plane < range.end; plane++) {
    const real *x = (const real *)call->in[0].data + plane * pool.in_plane;
    real *out = (real *)call->out.data + plane * pool.out_plane;
    if (quarters)
      avg_quarters(&pool, x, out, (range.end - plane) * pool.out_plane);
    else
      avg_rows(&pool, &frame, include_pad, x, out);
  }
}

KERNEL(avg_pool_grad) {
  Pool pool = pool_make(call->attrs, &call->out.shape, &call->in[0].shape, false);
  bool include_pad = call->attrs->at[AVG_INCLUDE_PAD].number != 0, quarters = pool_quarters(&pool);
  Range range = part_range(pool.planes, part, parts);
  Frame frame = {0};
  if (!quarters) frame = avg_frame(call, &pool, part);
  for (int64_t plane = range.begin; plane < range.end; plane++) {
    const real *g = (const real *)call->in[0].data + plane * pool.out_plane;
    real *dx = (real *)call->out.data + plane * pool.in_plane;
    if (quarters)
      avg_quarters_grad(&pool, g, dx, (range.end - plane) * pool.in_plane);
    else
      avg_rows_grad(&pool, &frame, include_pad, g, dx);
  }
}

/* Windows of adaptive pooling: their averages, or, `back`, the share of each element added to x. */
static void avg_scan(const Pool *pool, real *x, real *out, bool back) {
  for (int64_t i = 0; i < pool->out_plane; i++) {
    Range rows = axis_window(&pool->h, i / pool->w.out);
    Range columns = axis_window(&pool->w, i % pool->w.out);
    double count = (double)((rows.end - rows.begin) * (columns.end - columns.begin)), sum = 0;
    real share = (real)((back ? out[i] : 0) / count);
    for (int64_t row = rows.begin; row < rows.end; row++)
      for (int64_t c = columns.begin; c < columns.end; c++) {
        if (back)
          x[row * pool->w.in + c] += share;
        else
          sum += x[row * pool->w.in + c];
      }
    if (!back) out[i] = (real)(sum / count);
  }
}

KERNEL(adaptive_avg_pool) {
  Pool pool = pool_make(NULL, &call->in[0].shape, &call->out.shape, false);
  Range range = part_range(pool.planes, part, parts);
  for (int64_t plane = range.begin; plane < range.end; plane++)
    avg_scan(&pool, (real *)call->in[0].data + plane * pool.in_plane,
             (real *)call->out.data + plane * pool.out_plane, false);
}

KERNEL(adaptive_avg_pool_grad) {
  Pool pool = pool_make(NULL, &call->out.shape, &call->in[0].shape, false);
  Range range = part_range(pool.planes, part, parts);
  for (int64_t plane = range.begin; plane < range.end; plane++) {
    real *dx = (real *)call->out.data + plane * pool.in_plane;
    memset(dx, 0, (size_t)pool.in_plane * sizeof *dx);
    avg_scan(&pool, dx, (real *)call->in[0].data + plane * pool.out_plane, true);
  }
}
