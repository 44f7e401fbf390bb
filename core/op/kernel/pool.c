/* Pooling: a result's row is made by walking the window, its k-th element for a vector of columns
 * at once. Where windows see padding, planes are copied into a frame of it first. Windows of 2x2
 * that do not overlap, which most networks have, need no frame: even and odd columns are taken
 * apart, and put together again by the gradient, without a gather. Larger windows than a byte can
 * number, and those of adaptive pooling, are scanned one by one. Parts are ranges of planes. */
#include "op/pool.h"
#include "op/kernel/vector.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum { AVG_INCLUDE_PAD = 4 };
enum { NOWHERE = POOL_MAX_COMPACT }; /* the place of a maximum, when the window saw nothing */
enum { PIECE = 4096 };               /* elements between two epilogues: they are still in cache */

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

/* How many elements along this axis the average of window o divides by. */
static int64_t axis_divisor(const PoolAxis *axis, int64_t o, bool include_pad) {
  int64_t begin = o * axis->stride - axis->padding, end = begin + axis->kernel;
  if (end > axis->in + axis->padding) end = axis->in + axis->padding;
  if (include_pad) return end - begin;
  return (end < axis->in ? end : axis->in) - (begin > 0 ? begin : 0);
}

/* ---- planes in a frame of padding ---- */

typedef struct Frame {
  real *data;
  int64_t height, width;
  real *row[2]; /* behind it, w.out and more elements each */
} Frame;

/* A part's frame in the call's scratch, all `fill`. */
static Frame frame_make(const OpCall *call, const Pool *pool, int part, real fill) {
  Frame frame = {.height = pool_padded(&pool->h), .width = pool_padded(&pool->w)};
  int64_t count = frame.height * frame.width + POOL_SLACK;
  frame.data = (real *)call->scratch + part * pool_scratch(pool);
  for (int i = 0; i < 2; i++) frame.row[i] = frame.data + count + i * (pool->w.out + POOL_SLACK);
  for (int64_t i = 0; i < count; i++) frame.data[i] = fill;
  return frame;
}

/* The plane with its padding; `width` becomes the distance of rows. */
static const real *frame_fill(const Frame *frame, const Pool *pool, const real *x, int64_t *width) {
  *width = pool->w.in;
  if (!pool_needs_frame(pool)) return x;
  *width = frame->width;
  for (int64_t row = 0; row < pool->h.in; row++)
    memcpy(frame->data + (row + pool->h.padding) * frame->width + pool->w.padding,
           x + row * pool->w.in, (size_t)pool->w.in * sizeof *x);
  return frame->data;
}

/* Take a plane's gradient out of its frame. */
static void frame_empty(const Frame *frame, const Pool *pool, real *dx) {
  for (int64_t row = 0; row < pool->h.in; row++)
    memcpy(dx + row * pool->w.in,
           frame->data + (row + pool->h.padding) * frame->width + pool->w.padding,
           (size_t)pool->w.in * sizeof *dx);
}

/* ---- vectors of columns ---- */

typedef uint8_t Bytes __attribute__((vector_size(WIDTH)));
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

INLINE Vec vec_pick(Mask mask, Vec a, Vec b) {
#if defined(__AVX2__) && defined(REAL_F64)
  return (Vec)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)mask);
#elif defined(__AVX2__)
  return (Vec)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
#else
  return (Vec)((mask & (Mask)a) | (~mask & (Mask)b));
#endif
}

INLINE void vec_split(const real *x, Vec *even, Vec *odd) {
  Vec a = vec_load(x), b = vec_load(x + WIDTH);
  *even = __builtin_shufflevector(a, b, EVEN);
  *odd = __builtin_shufflevector(a, b, ODD);
}

INLINE void vec_join(real *out, Vec even, Vec odd, int64_t room) {
  vec_store(out, __builtin_shufflevector(even, odd, LOW), room);
  vec_store(out + WIDTH, __builtin_shufflevector(even, odd, HIGH), room - WIDTH);
}

/* Numbers up to 255 as bytes. */
INLINE Bytes vec_bytes(Mask numbers) {
#if defined(__AVX2__)
  Bytes bytes;
  __m128i low = _mm256_castsi256_si128((__m256i)numbers);
  __m128i high = _mm256_extracti128_si256((__m256i)numbers, 1);
#if defined(REAL_F64)
  low = (__m128i)_mm_shuffle_ps((__m128)low, (__m128)high, 0x88); /* the low halves */
  high = low;
#endif
  __m128i words = _mm_packus_epi32(low, high), packed = _mm_packus_epi16(words, words);
  memcpy(&bytes, &packed, sizeof bytes);
  return bytes;
#else
  return __builtin_convertvector(numbers, Bytes);
#endif
}

INLINE Mask vec_numbers(Bytes bytes) {
#if defined(__AVX2__)
  __m128i packed = {0};
  memcpy(&packed, &bytes, sizeof bytes);
#if defined(REAL_F64)
  return (Mask)_mm256_cvtepu8_epi64(packed);
#else
  return (Mask)_mm256_cvtepu8_epi32(packed);
#endif
#else
  return __builtin_convertvector(bytes, Mask);
#endif
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

/* ---- max ---- */

/* What is larger, or NaN, takes the place. */
INLINE void take_max(Vec v, int k, Vec *top, Mask *place) {
  Mask better = (v > *top) | (v != v);
  *top = vec_pick(better, v, *top);
  *place = (Mask)vec_pick(better, (Vec)((Mask){0} + k), (Vec)*place);
}

/* Store maxima and, unless NULL, their places; what has no room is left out. */
INLINE void store_max(real *out, uint8_t *places, Vec top, Mask place, int64_t room) {
  vec_store(out, top, room);
  if (!places) return;
  Bytes bytes = vec_bytes(place);
  if (room >= WIDTH)
    memcpy(places, &bytes, sizeof bytes);
  else
    for (int64_t l = 0; l < room; l++) places[l] = bytes[l];
}

/* The maxima of 2x2 windows of a plane, row by row; `end`: of the part's results, from here. */
INLINE void max_quarters(const Pool *pool, const real *x, real *out, uint8_t *places, int64_t end) {
  int64_t width = pool->w.in, n = pool->w.out;
  for (int64_t row = 0; row < pool->h.out; row++) {
    const real *x0 = x + 2 * row * width, *x1 = x0 + width;
    for (int64_t i = 0; i < n; i = next_column(i, n)) {
      Vec top, b, c, d;
      Mask place = {0};
      vec_split(x0 + 2 * i, &top, &b);
      vec_split(x1 + 2 * i, &c, &d);
      take_max(b, 1, &top, &place);
      take_max(c, 2, &top, &place);
      take_max(d, 3, &top, &place);
      int64_t at = row * n + i;
      store_max(out + at, places ? places + at : NULL, top, place, end - at);
    }
  }
}

/* A window of nothing but -inf: its first element that is no padding is the maximum. */
static void first_places(const Pool *pool, int64_t row, int64_t n, uint8_t *places) {
  const PoolAxis *h = &pool->h, *w = &pool->w;
  for (int64_t i = 0; i < n; i++) {
    if (places[i] != NOWHERE) continue;
    Range y = axis_window(h, row), x = axis_window(w, i);
    if (y.begin >= y.end || x.begin >= x.end) continue;
    int64_t k = (y.begin - (row * h->stride - h->padding)) / h->dilation * w->kernel;
    places[i] = (uint8_t)(k + (x.begin - (i * w->stride - w->padding)) / w->dilation);
  }
}

/* Any windows; x has rows of `width` and its padding is -inf. */
INLINE void max_windows(const Pool *pool, const real *x, int64_t width, int64_t stride, real *out,
                        uint8_t *places, int64_t end) {
  const PoolAxis *h = &pool->h, *w = &pool->w;
  for (int64_t row = 0; row < h->out; row++) {
    for (int64_t i = 0; i < w->out; i = next_column(i, w->out)) {
      Vec top = (Vec){0} - (real)INFINITY;
      Mask place = (Mask){0} + NOWHERE;
      for (int64_t ky = 0, k = 0; ky < h->kernel; ky++) {
        const real *from = x + (row * h->stride + ky * h->dilation) * width + i * stride;
        for (int64_t kx = 0; kx < w->kernel; kx++, k++, from += w->dilation)
          take_max(load_columns(from, stride, w->out - i), (int)k, &top, &place);
      }
      int64_t at = row * w->out + i;
      store_max(out + at, places ? places + at : NULL, top, place, end - at);
    }
    if (places) first_places(pool, row, w->out, places + row * w->out);
  }
}

static void max_rows(const Pool *pool, const Frame *frame, const real *x, real *out,
                     uint8_t *places, int64_t end) {
  int64_t width;
  x = frame_fill(frame, pool, x, &width);
  if (pool->w.stride == 1)
    max_windows(pool, x, width, 1, out, places, end);
  else if (pool->w.stride == 2)
    max_windows(pool, x, width, 2, out, places, end);
  else
    max_windows(pool, x, width, pool->w.stride, out, places, end);
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

static void run_max(const OpCall *call, const Pool *pool, bool compact, int part, int parts) {
  Range range = part_range(pool->planes, part, parts);
  int64_t step = PIECE / pool->out_plane + 1, words = (pool->out_plane + 7) / 8;
  int64_t place_plane = compact ? words : pool->out_plane;
  size_t padding = (size_t)(8 * words - pool->out_plane); /* bytes */
  bool quarters = compact && pool_quarters(pool);
  Frame frame = {0};
  if (compact && !quarters) frame = frame_make(call, pool, part, (real)-INFINITY);
  for (int64_t first = range.begin; first < range.end; first += step) {
    int64_t end = first + step < range.end ? first + step : range.end;
    for (int64_t plane = first; plane < end; plane++) {
      const real *x = (const real *)call->in[0].data + plane * pool->in_plane;
      real *out = (real *)call->out.data + plane * pool->out_plane;
      int64_t *places = call->more[0].data;
      if (places) places += plane * place_plane;
      int64_t room = (range.end - plane) * pool->out_plane;
      if (!compact)
        max_scan(pool, x, out, places);
      else if (!quarters)
        max_rows(pool, &frame, x, out, (uint8_t *)places, room);
      else if (places)
        max_quarters(pool, x, out, (uint8_t *)places, room);
      else
        max_quarters(pool, x, out, NULL, room);
      if (places && compact) memset((uint8_t *)places + pool->out_plane, 0, padding);
    }
    epilogue_apply(call->epilogue, (real *)call->out.data + first * pool->out_plane,
                   (end - first) * pool->out_plane);
  }
}

KERNEL(max_pool) {
  Pool pool = pool_make(call->attrs, &call->in[0].shape, &call->out.shape, true);
  run_max(call, &pool, pool_compact(call->attrs, call->out.shape.ndim - 2), part, parts);
}

KERNEL(adaptive_max_pool) {
  Pool pool = pool_make(NULL, &call->in[0].shape, &call->out.shape, false);
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

static void max_quarters_grad(const Pool *pool, const real *g, const uint8_t *places, real *dx,
                              int64_t end) {
  int64_t width = pool->w.in, n = pool->w.out;
  for (int64_t row = 0; row < pool->h.out; row++)
    for (int64_t i = 0; i < n; i = next_column(i, n)) {
      Bytes bytes;
      memcpy(&bytes, places + row * n + i, sizeof bytes);
      Mask place = vec_numbers(bytes), grad = (Mask)vec_load(g + row * n + i);
      int64_t at = 2 * row * width + 2 * i, room = end - at;
      vec_join(dx + at, (Vec)(grad & (place == 0)), (Vec)(grad & (place == 1)), room);
      vec_join(dx + at + width, (Vec)(grad & (place == 2)), (Vec)(grad & (place == 3)),
               room - width);
    }
  clear_rest(pool, dx);
}

/* offsets[k]: from a window's first element to its k-th; of no element -1. */
static void window_offsets(const Pool *pool, int64_t width, int64_t offsets[256]) {
  for (int64_t k = 0; k < 256; k++)
    offsets[k] =
        k >= pool->h.kernel * pool->w.kernel
            ? -1
            : k / pool->w.kernel * pool->h.dilation * width + k % pool->w.kernel * pool->w.dilation;
}

static void max_rows_grad(const Pool *pool, const Frame *frame, const int64_t offsets[256],
                          const real *g, const uint8_t *places, real *dx) {
  memset(frame->data, 0, (size_t)(frame->height * frame->width) * sizeof *dx);
  for (int64_t row = 0; row < pool->h.out; row++) {
    real *to = frame->data + row * pool->h.stride * frame->width;
    for (int64_t i = 0; i < pool->w.out; i++, to += pool->w.stride, g++, places++)
      if (offsets[*places] >= 0) to[offsets[*places]] += *g;
  }
  frame_empty(frame, pool, dx);
}

static void max_scan_grad(const Pool *pool, const real *g, const int64_t *places, real *dx) {
  memset(dx, 0, (size_t)pool->in_plane * sizeof *dx);
  for (int64_t i = 0; i < pool->out_plane; i++)
    if (places[i] >= 0 && places[i] < pool->in_plane) dx[places[i]] += g[i];
}

KERNEL(max_pool_grad) {
  bool compact = pool_compact(call->attrs, call->out.shape.ndim - 2);
  Pool pool = pool_make(compact ? call->attrs : NULL, &call->out.shape, &call->in[0].shape, true);
  int64_t place_plane = compact ? (pool.out_plane + 7) / 8 : pool.out_plane, offsets[256];
  bool quarters = compact && pool_quarters(&pool);
  Range range = part_range(pool.planes, part, parts);
  Frame frame = {0};
  if (compact && !quarters) {
    frame = frame_make(call, &pool, part, 0);
    window_offsets(&pool, frame.width, offsets);
  }
  for (int64_t plane = range.begin; plane < range.end; plane++) {
    const real *g = (const real *)call->in[0].data + plane * pool.out_plane;
    const int64_t *places = (const int64_t *)call->in[1].data + plane * place_plane;
    real *dx = (real *)call->out.data + plane * pool.in_plane;
    if (!compact)
      max_scan_grad(&pool, g, places, dx);
    else if (quarters)
      max_quarters_grad(&pool, g, (const uint8_t *)places, dx, (range.end - plane) * pool.in_plane);
    else
      max_rows_grad(&pool, &frame, offsets, g, (const uint8_t *)places, dx);
  }
}

/* ---- average ---- */

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
