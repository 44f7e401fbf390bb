/* Max-pooling and its gradient. The places of maxima are bytes; windows larger than a byte can
 * number, and those of adaptive pooling, are scanned one by one, and their places are int64. */
#include "op/kernel/pool.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum { NOWHERE = POOL_MAX_COMPACT }; /* the place of a maximum, when the window saw nothing */
enum { PIECE = 4096 };               /* elements between two epilogues: they are still in cache */

typedef uint8_t Bytes __attribute__((vector_size(WIDTH)));

INLINE Vec vec_pick(Mask mask, Vec a, Vec b) {
#if defined(__AVX2__) && defined(REAL_F64)
  return (Vec)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)mask);
#elif defined(__AVX2__)
  return (Vec)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
#else
  return (Vec)((mask & (Mask)a) | (~mask & (Mask)b));
#endif
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
