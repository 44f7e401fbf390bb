/* Pooling. A result's row is made by walking the window: its k-th element, for all columns of the
 * row at once. Windows of 2x2 that do not overlap, which most networks have, are done in vectors:
 * even and odd columns are taken apart, and put together again by the gradient, without a gather.
 * Windows too large for that, and those of adaptive pooling, are scanned one by one. Parts are
 * ranges of planes. */
#include "op/pool.h"
#include "op/kernel/family.h"

#define INLINE static inline __attribute__((always_inline))

enum { KERNEL_SIZE, STRIDE, PADDING, DILATION };
enum { AVG_INCLUDE_PAD = 4 };
enum { NOWHERE = 255 }; /* the place of a maximum, when the window saw nothing */
enum { PIECE = 4096 };  /* elements between two epilogues: they are still in cache */
enum { COLUMNS = 256 }; /* of a row at once, where it needs a buffer */

/* Windows along one axis; of adaptive pooling `kernel` is 0. */
typedef struct PoolAxis {
  int64_t in, out, kernel, stride, padding, dilation;
} PoolAxis;

typedef struct Pool {
  PoolAxis h, w;
  int64_t planes, in_plane, out_plane; /* elements of a plane */
} Pool;

static PoolAxis pool_axis(const OpCall *call, int i, int64_t in, int64_t out, bool dilated) {
  const Attr *at = call->attrs->at;
  PoolAxis axis = {.in = in, .out = out, .stride = 1, .dilation = 1};
  if (i < 0) {
    axis.kernel = 1;
    return axis;
  }
  axis.kernel = at[KERNEL_SIZE].list[i];
  axis.stride = at[STRIDE].list[i];
  axis.padding = at[PADDING].list[i];
  if (dilated) axis.dilation = at[DILATION].list[i];
  return axis;
}

/* The geometry of pooling `in` to `out`; 1-D is one row. */
static Pool pool_make(const OpCall *call, const Shape *in, const Shape *out, bool dilated,
                      bool adaptive) {
  int last = in->ndim - 1;
  bool flat = in->ndim == 3;
  int64_t height = flat ? 1 : in->dims[2], out_height = flat ? 1 : out->dims[2];
  Pool pool = {.planes = in->dims[0] * in->dims[1],
               .in_plane = height * in->dims[last],
               .out_plane = out_height * out->dims[last]};
  if (adaptive) {
    pool.h = (PoolAxis){.in = height, .out = out_height, .dilation = 1};
    pool.w = (PoolAxis){.in = in->dims[last], .out = out->dims[last], .dilation = 1};
    return pool;
  }
  pool.h = pool_axis(call, flat ? -1 : 0, height, out_height, dilated);
  pool.w = pool_axis(call, flat ? 0 : 1, in->dims[last], out->dims[last], dilated);
  return pool;
}

/* Does every window have two elements of its own, all inside? */
static bool axis_halves(const PoolAxis *axis) {
  return axis->kernel == 2 && axis->stride == 2 && axis->padding == 0 && axis->dilation == 1 &&
         2 * axis->out <= axis->in;
}

static bool pool_quarters(const Pool *pool) {
  return axis_halves(&pool->h) && axis_halves(&pool->w);
}

/* Where in the input the elements of window o are: from `begin` on, in steps of the dilation. */
static Range axis_window(const PoolAxis *axis, int64_t o) {
  if (axis->kernel == 0) /* adaptive */
    return (Range){o * axis->in / axis->out, ((o + 1) * axis->in + axis->out - 1) / axis->out};
  int64_t begin = o * axis->stride - axis->padding;
  int64_t end = begin + axis->dilation * (axis->kernel - 1) + 1;
  if (begin < 0) begin += (-begin + axis->dilation - 1) / axis->dilation * axis->dilation;
  return (Range){begin, end < axis->in ? end : axis->in};
}

/* The windows whose element k is inside the input. */
static Range axis_inside(const PoolAxis *axis, int64_t k) {
  int64_t offset = k * axis->dilation - axis->padding;
  Range range = {offset >= 0 ? 0 : (-offset + axis->stride - 1) / axis->stride, 0};
  if (offset < axis->in) range.end = (axis->in - 1 - offset) / axis->stride + 1;
  if (range.end > axis->out) range.end = axis->out;
  return range;
}

/* How many elements along this axis the average of window o divides by. */
static int64_t axis_divisor(const PoolAxis *axis, int64_t o, bool include_pad) {
  int64_t begin = o * axis->stride - axis->padding, end = begin + axis->kernel;
  if (end > axis->in + axis->padding) end = axis->in + axis->padding;
  if (include_pad) return end - begin;
  return (end < axis->in ? end : axis->in) - (begin > 0 ? begin : 0);
}

/* ---- vectors of columns ---- */

typedef real Vec __attribute__((vector_size(32)));
enum { WIDTH = sizeof(Vec) / sizeof(real) };
typedef uint8_t Bytes __attribute__((vector_size(WIDTH)));
#if defined(REAL_F64)
typedef int64_t Mask __attribute__((vector_size(32)));
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#else
typedef int32_t Mask __attribute__((vector_size(32)));
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#endif

INLINE Vec vec_load(const real *x) {
  Vec v;
  memcpy(&v, x, sizeof v);
  return v;
}

/* Store the first `room` elements, or all. */
INLINE void vec_store(real *out, Vec v, int64_t room) {
  if (room >= WIDTH)
    memcpy(out, &v, sizeof v);
  else
    for (int64_t l = 0; l < room; l++) out[l] = v[l];
}

INLINE Vec vec_pick(Mask mask, Vec a, Vec b) { return (Vec)((mask & (Mask)a) | (~mask & (Mask)b)); }

INLINE void vec_split(const real *x, Vec *even, Vec *odd) {
  Vec a = vec_load(x), b = vec_load(x + WIDTH);
  *even = __builtin_shufflevector(a, b, EVEN);
  *odd = __builtin_shufflevector(a, b, ODD);
}

INLINE void vec_join(real *out, Vec even, Vec odd, int64_t room) {
  vec_store(out, __builtin_shufflevector(even, odd, LOW), room);
  vec_store(out + WIDTH, __builtin_shufflevector(even, odd, HIGH), room - WIDTH);
}

/* The next start of a vector in a row of n columns: the last one ends with the row, where that has
 * WIDTH columns at all; else it runs into the next row, which is written later. */
INLINE int64_t next_column(int64_t i, int64_t n) {
  return i + WIDTH < n && i + 2 * WIDTH > n ? n - WIDTH : i + WIDTH;
}

/* ---- max ---- */

/* The maxima of 2x2 windows of a plane and, unless NULL, their places in the windows, row by row.
 */
INLINE void max_quarters(const Pool *pool, const real *x, real *out, uint8_t *places) {
  int64_t width = pool->w.in, n = pool->w.out;
  for (int64_t row = 0; row < pool->h.out; row++) {
    const real *x0 = x + 2 * row * width, *x1 = x0 + width;
    for (int64_t i = 0; i < n; i = next_column(i, n)) {
      Vec top, b, c, d;
      Mask place = {0};
      vec_split(x0 + 2 * i, &top, &b);
      vec_split(x1 + 2 * i, &c, &d);
#define TAKE(v, k)                                                                                 \
  do {                                                                                             \
    Mask better = (v > top) | (v != v);                                                            \
    top = vec_pick(better, v, top);                                                                \
    place = (place & ~better) | (better & (k));                                                    \
  } while (0)
      TAKE(b, 1);
      TAKE(c, 2);
      TAKE(d, 3);
#undef TAKE
      int64_t at = row * n + i, room = pool->out_plane - at;
      vec_store(out + at, top, room);
      if (!places) continue;
      Bytes bytes = __builtin_convertvector(place, Bytes);
      if (room >= WIDTH)
        memcpy(places + at, &bytes, sizeof bytes);
      else
        for (int64_t l = 0; l < room; l++) places[at + l] = bytes[l];
    }
  }
}

/* Element k of the windows of n columns: take over what is larger, or NaN, or the first. */
INLINE void take_max(real *out, uint8_t *places, const real *x, int64_t stride, int64_t n,
                     uint8_t k) {
  if (!places) {
    for (int64_t i = 0; i < n; i++) {
      real v = x[i * stride];
      out[i] = v > out[i] || v != v ? v : out[i];
    }
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    real v = x[i * stride];
    bool better = (v > out[i]) | (v != v) | (places[i] == NOWHERE);
    out[i] = better ? v : out[i];
    places[i] = better ? k : places[i];
  }
}

static void max_rows(const Pool *pool, const real *x, real *out, uint8_t *places) {
  const PoolAxis *h = &pool->h, *w = &pool->w;
  for (int64_t i = 0; i < pool->out_plane; i++) out[i] = (real)-INFINITY;
  if (places) memset(places, NOWHERE, (size_t)pool->out_plane);
  for (int64_t row = 0; row < h->out; row++)
    for (int64_t k = 0; k < h->kernel * w->kernel; k++) {
      int64_t y = row * h->stride - h->padding + k / w->kernel * h->dilation;
      if (y < 0 || y >= h->in) continue;
      Range range = axis_inside(w, k % w->kernel);
      int64_t n = range.end - range.begin, at = row * w->out + range.begin;
      const real *from =
          x + y * w->in + range.begin * w->stride + k % w->kernel * w->dilation - w->padding;
      uint8_t *place = places ? places + at : NULL;
      if (w->stride == 1)
        take_max(out + at, place, from, 1, n, (uint8_t)k);
      else if (w->stride == 2)
        take_max(out + at, place, from, 2, n, (uint8_t)k);
      else
        take_max(out + at, place, from, w->stride, n, (uint8_t)k);
    }
}

/* One window after the other; places are positions in the plane. */
static void max_scan(const Pool *pool, const real *x, real *out, int64_t *places) {
  for (int64_t i = 0; i < pool->out_plane; i++) {
    Range rows = axis_window(&pool->h, i / pool->w.out);
    Range columns = axis_window(&pool->w, i % pool->w.out);
    real top = (real)-INFINITY;
    int64_t place = -1;
    for (int64_t row = rows.begin; row < rows.end; row += pool->h.dilation)
      for (int64_t c = columns.begin; c < columns.end; c += pool->w.dilation) {
        real v = x[row * pool->w.in + c];
        if (!(v > top || v != v || place < 0)) continue;
        top = v;
        place = row * pool->w.in + c;
      }
    out[i] = top;
    if (places) places[i] = place;
  }
}

static void max_plane(const Pool *pool, bool compact, const real *x, real *out, int64_t *places) {
  int64_t words = (pool->out_plane + 7) / 8;
  if (places && compact) places[words - 1] = 0; /* the bytes that pad the last one */
  if (!compact)
    max_scan(pool, x, out, places);
  else if (!pool_quarters(pool))
    max_rows(pool, x, out, (uint8_t *)places);
  else if (places)
    max_quarters(pool, x, out, (uint8_t *)places);
  else
    max_quarters(pool, x, out, NULL);
}

static void run_max(const OpCall *call, const Pool *pool, bool compact, int part, int parts) {
  Range range = part_range(pool->planes, part, parts);
  int64_t step = PIECE / pool->out_plane + 1;
  int64_t place_plane = compact ? (pool->out_plane + 7) / 8 : pool->out_plane;
  int64_t *places = call->more[0].data;
  for (int64_t first = range.begin; first < range.end; first += step) {
    int64_t end = first + step < range.end ? first + step : range.end;
    real *out = (real *)call->out.data + first * pool->out_plane;
    for (int64_t plane = first; plane < end; plane++)
      max_plane(pool, compact, (const real *)call->in[0].data + plane * pool->in_plane,
                out + (plane - first) * pool->out_plane,
                places ? places + plane * place_plane : NULL);
    epilogue_apply(call->epilogue, out, (end - first) * pool->out_plane);
  }
}

KERNEL(max_pool) {
  Pool pool = pool_make(call, &call->in[0].shape, &call->out.shape, true, false);
  run_max(call, &pool, pool_compact(call->attrs, call->out.shape.ndim - 2), part, parts);
}

KERNEL(adaptive_max_pool) {
  Pool pool = pool_make(call, &call->in[0].shape, &call->out.shape, false, true);
  run_max(call, &pool, false, part, parts);
}

/* ---- gradient of max ---- */

/* Elements no 2x2 window sees: the last of an odd number of columns or rows. */
static void clear_rest(const Pool *pool, real *dx) {
  int64_t seen = 2 * pool->w.out, width = pool->w.in;
  if (seen < width)
    for (int64_t row = 0; row < 2 * pool->h.out; row++)
      memset(dx + row * width + seen, 0, (size_t)(width - seen) * sizeof *dx);
  int64_t last = 2 * pool->h.out * width;
  memset(dx + last, 0, (size_t)(pool->in_plane - last) * sizeof *dx);
}

static void max_quarters_grad(const Pool *pool, const real *g, const uint8_t *places, real *dx) {
  int64_t width = pool->w.in, n = pool->w.out;
  for (int64_t row = 0; row < pool->h.out; row++)
    for (int64_t i = 0; i < n; i = next_column(i, n)) {
      Bytes bytes;
      memcpy(&bytes, places + row * n + i, sizeof bytes);
      Mask place = __builtin_convertvector(bytes, Mask), grad = (Mask)vec_load(g + row * n + i);
      int64_t at = 2 * row * width + 2 * i, room = pool->in_plane - at;
      vec_join(dx + at, (Vec)(grad & (place == 0)), (Vec)(grad & (place == 1)), room);
      vec_join(dx + at + width, (Vec)(grad & (place == 2)), (Vec)(grad & (place == 3)),
               room - width);
    }
  clear_rest(pool, dx);
}

static void max_rows_grad(const Pool *pool, const real *g, const uint8_t *places, real *dx) {
  const PoolAxis *h = &pool->h, *w = &pool->w;
  memset(dx, 0, (size_t)pool->in_plane * sizeof *dx);
  for (int64_t row = 0; row < h->out; row++)
    for (int64_t column = 0; column < w->out; column++, g++, places++) {
      int64_t y = row * h->stride - h->padding + *places / w->kernel * h->dilation;
      int64_t x = column * w->stride - w->padding + *places % w->kernel * w->dilation;
      if (y >= 0 && y < h->in && x >= 0 && x < w->in) dx[y * w->in + x] += *g;
    }
}

static void max_scan_grad(const Pool *pool, const real *g, const int64_t *places, real *dx) {
  memset(dx, 0, (size_t)pool->in_plane * sizeof *dx);
  for (int64_t i = 0; i < pool->out_plane; i++)
    if (places[i] >= 0 && places[i] < pool->in_plane) dx[places[i]] += g[i];
}

KERNEL(max_pool_grad) {
  bool compact = pool_compact(call->attrs, call->out.shape.ndim - 2);
  Pool pool = pool_make(call, &call->out.shape, &call->in[0].shape, compact, !compact);
  int64_t place_plane = compact ? (pool.out_plane + 7) / 8 : pool.out_plane;
  Range range = part_range(pool.planes, part, parts);
  for (int64_t plane = range.begin; plane < range.end; plane++) {
    const real *g = (const real *)call->in[0].data + plane * pool.out_plane;
    const int64_t *places = (const int64_t *)call->in[1].data + plane * place_plane;
    real *dx = (real *)call->out.data + plane * pool.in_plane;
    if (!compact)
      max_scan_grad(&pool, g, places, dx);
    else if (pool_quarters(&pool))
      max_quarters_grad(&pool, g, (const uint8_t *)places, dx);
    else
      max_rows_grad(&pool, g, (const uint8_t *)places, dx);
  }
}

/* ---- average ---- */

static void avg_quarters(const Pool *pool, const real *x, real *out) {
  int64_t width = pool->w.in, n = pool->w.out;
  for (int64_t row = 0; row < pool->h.out; row++) {
    const real *x0 = x + 2 * row * width, *x1 = x0 + width;
    for (int64_t i = 0; i < n; i = next_column(i, n)) {
      Vec a, b, c, d;
      vec_split(x0 + 2 * i, &a, &b);
      vec_split(x1 + 2 * i, &c, &d);
      vec_store(out + row * n + i, (a + b + c + d) * (real)0.25, pool->out_plane - row * n - i);
    }
  }
}

static void avg_quarters_grad(const Pool *pool, const real *g, real *dx) {
  int64_t width = pool->w.in, n = pool->w.out;
  for (int64_t row = 0; row < pool->h.out; row++)
    for (int64_t i = 0; i < n; i = next_column(i, n)) {
      Vec share = vec_load(g + row * n + i) * (real)0.25;
      int64_t at = 2 * row * width + 2 * i, room = pool->in_plane - at;
      vec_join(dx + at, share, share, room);
      vec_join(dx + at + width, share, share, room - width);
    }
  clear_rest(pool, dx);
}

/* factors[i]: one over the elements that the averages of window (row, first + i) divide by */
static void avg_factors(const Pool *pool, bool include_pad, int64_t row, int64_t first, int64_t n,
                        real *factors) {
  int64_t rows = axis_divisor(&pool->h, row, include_pad);
  for (int64_t i = 0; i < n; i++)
    factors[i] = 1 / (real)(rows * axis_divisor(&pool->w, first + i, include_pad));
}

/* Add the strided x to out, or out to the strided x. */
INLINE void add_columns(real *out, real *x, int64_t stride, int64_t n, bool back) {
  if (back)
    for (int64_t i = 0; i < n; i++) x[i * stride] += out[i];
  else
    for (int64_t i = 0; i < n; i++) out[i] += x[i * stride];
}

/* Sums of the windows of row `row`, columns [first, first + n), into sums; or, `back`, the sums
 * handed out to the elements. */
INLINE void avg_piece(const Pool *pool, real *x, int64_t row, int64_t first, int64_t n, real *sums,
                      bool back) {
  const PoolAxis *h = &pool->h, *w = &pool->w;
  for (int64_t k = 0; k < h->kernel * w->kernel; k++) {
    int64_t y = row * h->stride - h->padding + k / w->kernel;
    if (y < 0 || y >= h->in) continue;
    Range range = axis_inside(w, k % w->kernel);
    if (range.begin < first) range.begin = first;
    if (range.end > first + n) range.end = first + n;
    real *from = x + y * w->in + range.begin * w->stride + k % w->kernel - w->padding;
    real *to = sums + range.begin - first;
    if (w->stride == 1)
      add_columns(to, from, 1, range.end - range.begin, back);
    else
      add_columns(to, from, w->stride, range.end - range.begin, back);
  }
}

static void avg_rows(const Pool *pool, bool include_pad, const real *x, real *out) {
  real factors[COLUMNS];
  for (int64_t row = 0; row < pool->h.out; row++)
    for (int64_t first = 0; first < pool->w.out; first += COLUMNS) {
      int64_t n = pool->w.out - first < COLUMNS ? pool->w.out - first : COLUMNS;
      real *sums = out + row * pool->w.out + first;
      memset(sums, 0, (size_t)n * sizeof *sums);
      avg_piece(pool, (real *)x, row, first, n, sums, false);
      /* without padding, rows but the last (ceil_mode) are alike */
      if (row == 0 || pool->h.padding > 0 || pool->w.out > COLUMNS || row == pool->h.out - 1)
        avg_factors(pool, include_pad, row, first, n, factors);
      for (int64_t i = 0; i < n; i++) sums[i] *= factors[i];
    }
}

static void avg_rows_grad(const Pool *pool, bool include_pad, const real *g, real *dx) {
  real factors[COLUMNS];
  memset(dx, 0, (size_t)pool->in_plane * sizeof *dx);
  for (int64_t row = 0; row < pool->h.out; row++)
    for (int64_t first = 0; first < pool->w.out; first += COLUMNS) {
      int64_t n = pool->w.out - first < COLUMNS ? pool->w.out - first : COLUMNS;
      avg_factors(pool, include_pad, row, first, n, factors);
      for (int64_t i = 0; i < n; i++) factors[i] *= g[row * pool->w.out + first + i];
      avg_piece(pool, dx, row, first, n, factors, true);
    }
}

KERNEL(avg_pool) {
  Pool pool = pool_make(call, &call->in[0].shape, &call->out.shape, false, false);
  bool include_pad = call->attrs->at[AVG_INCLUDE_PAD].number != 0;
  Range range = part_range(pool.planes, part, parts);
  for (int64_t plane = range.begin; plane < range.end; plane++) {
    const real *x = (const real *)call->in[0].data + plane * pool.in_plane;
    real *out = (real *)call->out.data + plane * pool.out_plane;
    if (pool_quarters(&pool))
      avg_quarters(&pool, x, out);
    else
      avg_rows(&pool, include_pad, x, out);
  }
}

KERNEL(avg_pool_grad) {
  Pool pool = pool_make(call, &call->out.shape, &call->in[0].shape, false, false);
  bool include_pad = call->attrs->at[AVG_INCLUDE_PAD].number != 0;
  Range range = part_range(pool.planes, part, parts);
  for (int64_t plane = range.begin; plane < range.end; plane++) {
    const real *g = (const real *)call->in[0].data + plane * pool.out_plane;
    real *dx = (real *)call->out.data + plane * pool.in_plane;
    if (pool_quarters(&pool))
      avg_quarters_grad(&pool, g, dx);
    else
      avg_rows_grad(&pool, include_pad, g, dx);
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
  Pool pool = pool_make(call, &call->in[0].shape, &call->out.shape, false, true);
  Range range = part_range(pool.planes, part, parts);
  for (int64_t plane = range.begin; plane < range.end; plane++)
    avg_scan(&pool, (real *)call->in[0].data + plane * pool.in_plane,
             (real *)call->out.data + plane * pool.out_plane, false);
}

KERNEL(adaptive_avg_pool_grad) {
  Pool pool = pool_make(call, &call->out.shape, &call->in[0].shape, false, true);
  Range range = part_range(pool.planes, part, parts);
  for (int64_t plane = range.begin; plane < range.end; plane++) {
    real *dx = (real *)call->out.data + plane * pool.in_plane;
    memset(dx, 0, (size_t)pool.in_plane * sizeof *dx);
    avg_scan(&pool, dx, (real *)call->in[0].data + plane * pool.out_plane, true);
  }
}
