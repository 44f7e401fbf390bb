/* Matrix times vector, for products with one column or one row: y (+)= M x (+ bias).
 *
 * Such a product reads M once and is as fast as memory. When the rows of M lie as stored, four of
 * them are multiplied with x together (dot products); when M is stored transposed, y is the sum of
 * its stored rows, a few rows at a time over a stretch of columns that stays in the first-level
 * cache. */
#include "gemm_vec.h"

enum {
  GATHER = 1024,       /* elements of a strided x or y copied together at a time */
  STRETCH_BYTES = 8192 /* of y: stays in the first-level cache while rows of M pass */
};

/* y[i] (+)= sum over p of M[i][p] x[p], (+ bias[i * bias_step]); x and y contiguous. */
typedef struct Product {
  bool transposed; /* M[i][p] is m[p * stride + i], else m[i * stride + p] */
  bool add;
  int64_t count, depth, stride; /* of y, of x, of M */
  const real *m, *x, *bias;
  int64_t bias_step;
  real *y;
} Product;

/* At least four elements, so that there is one way to add them up. */
#if VEC_BYTES == 32 && !defined(REAL_F64)
typedef Vec Wide;
typedef int32_t Mask4 __attribute__((vector_size(16)));
enum { WIDE = 8 };
#elif !defined(REAL_F64)
typedef Vec4 Wide;
typedef int32_t Mask4 __attribute__((vector_size(16)));
enum { WIDE = 4 };
#else
typedef Vec4 Wide;
typedef int64_t Mask4 __attribute__((vector_size(32)));
enum { WIDE = 4 };
#endif
#define WIDE_LOAD(p) (*(const Wide *)(p))
#define WIDE_STORE(p, v) (*(Wide *)(p) = (v))

/* Dot products of `rows` rows at m with x, both of length depth, into sums (rows). `rows` is 1
 * or 4. */
INLINE void dot_rows(const real *m, int64_t stride, const real *x, const int64_t depth, real *sums,
                     const int rows) {
  Wide even[4], odd[4];
  Vec4 totals[4];
  real rest[4] = {0, 0, 0, 0};
  int64_t p = 0;
  UNROLL for (int i = 0; i < rows; i++) even[i] = odd[i] = (Wide){0};
  for (; p + 2 * WIDE <= depth; p += 2 * WIDE) {
    Wide x0 = WIDE_LOAD(x + p), x1 = WIDE_LOAD(x + p + WIDE);
    UNROLL for (int i = 0; i < rows; i++) {
      even[i] += WIDE_LOAD(m + i * stride + p) * x0;
      odd[i] += WIDE_LOAD(m + i * stride + p + WIDE) * x1;
    }
  }
  if (p + WIDE <= depth) {
    Wide x0 = WIDE_LOAD(x + p);
    UNROLL for (int i = 0; i < rows; i++) even[i] += WIDE_LOAD(m + i * stride + p) * x0;
    p += WIDE;
  }
  UNROLL for (int i = 0; i < rows; i++) {
    Wide both = even[i] + odd[i];
#if VEC_BYTES == 32 && !defined(REAL_F64)
    Vec4 low = {both[0], both[1], both[2], both[3]}, high = {both[4], both[5], both[6], both[7]};
    totals[i] = low + high;
#else
    totals[i] = both;
#endif
  }
  if (WIDE > 4 && p + 4 <= depth) {
    Vec4 x0 = VEC4_LOAD(x + p);
    UNROLL for (int i = 0; i < rows; i++) totals[i] += VEC4_LOAD(m + i * stride + p) * x0;
    p += 4;
  }
  for (; p < depth; p++) {
    UNROLL for (int i = 0; i < rows; i++) rest[i] += m[i * stride + p] * x[p];
  }
  if (rows == 1) {
    sums[0] = (totals[0][0] + totals[0][1]) + (totals[0][2] + totals[0][3]) + rest[0];
    return;
  }
  const Mask4 low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, low2 = {0, 1, 4, 5}, high2 = {2, 3, 6, 7};
  Vec4 t0 = __builtin_shuffle(totals[0], totals[1], low);
  Vec4 t1 = __builtin_shuffle(totals[0], totals[1], high);
  Vec4 t2 = __builtin_shuffle(totals[2], totals[3], low);
  Vec4 t3 = __builtin_shuffle(totals[2], totals[3], high);
  Vec4 left = __builtin_shuffle(t0, t2, low2) + __builtin_shuffle(t0, t2, high2);
  Vec4 right = __builtin_shuffle(t1, t3, low2) + __builtin_shuffle(t1, t3, high2);
  Vec4 sum = left + right + (Vec4){rest[0], rest[1], rest[2], rest[3]};
  VEC4_STORE(sums, sum);
}

/* `depth` is q->depth, as a constant where that pays. */
INLINE void run_dots_of(const Product *q, const int64_t depth) {
  const int64_t stride = q->stride, count = q->count, bias_step = q->bias_step;
  const bool add = q->add;
  const real *m = q->m, *bias = q->bias;
  real *y = q->y;
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    Vec4 sum;
    dot_rows(m, stride, q->x, depth, (real *)&sum, 4);
    if (add) sum += VEC4_LOAD(y + i);
    if (bias && bias_step)
      sum += VEC4_LOAD(bias + i);
    else if (bias)
      sum += *bias;
    VEC4_STORE(y + i, sum);
    m += 4 * stride;
  }
  for (; i < count; i++, m += stride) {
    real sum;
    dot_rows(m, stride, q->x, depth, &sum, 1);
    if (add) sum += y[i];
    if (bias) sum += bias[i * bias_step];
    y[i] = sum;
  }
}

static void run_dots(const Product *q) {
  if (q->depth == 4)
    run_dots_of(q, 4);
  else
    run_dots_of(q, q->depth);
}

enum { CHUNK = 8, ROWS_AT_A_TIME = 8 }; /* CHUNK vectors of y in registers */

/* Add `rows` stored rows of M, from row p, to y[from .. from + CHUNK * VL). */
INLINE void add_rows_chunk(const Product *q, int64_t from, int64_t p, int64_t rows) {
  Vec sums[CHUNK];
  real *y = q->y + from;
  const real *m = q->m + p * q->stride + from;
  if (q->add || p > 0) {
    UNROLL for (int v = 0; v < CHUNK; v++) sums[v] = vec_load(y + v * VL);
  } else {
    UNROLL for (int v = 0; v < CHUNK; v++) sums[v] = (Vec){0};
  }
  for (int64_t r = 0; r < rows; r++, m += q->stride) {
    const real x = q->x[p + r];
    UNROLL for (int v = 0; v < CHUNK; v++) sums[v] += x * vec_load(m + v * VL);
  }
  UNROLL for (int v = 0; v < CHUNK; v++) vec_store(y + v * VL, sums[v]);
}

/* One vector or one element of y over all of depth, in four sums so as not to wait for each. */
#define STRIP(name, Type, LOAD, STORE)                                                             \
  static void name(const Product *q, int64_t from) {                                               \
    const real *m = q->m + from, *x = q->x;                                                        \
    const int64_t stride = q->stride;                                                              \
    Type s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};                                                   \
    int64_t p = 0;                                                                                 \
    for (; p + 4 <= q->depth; p += 4, m += 4 * stride) {                                           \
      s0 += x[p] * LOAD(m);                                                                        \
      s1 += x[p + 1] * LOAD(m + stride);                                                           \
      s2 += x[p + 2] * LOAD(m + 2 * stride);                                                       \
      s3 += x[p + 3] * LOAD(m + 3 * stride);                                                       \
    }                                                                                              \
    for (; p < q->depth; p++, m += stride) s0 += x[p] * LOAD(m);                                   \
    s0 = (s0 + s1) + (s2 + s3);                                                                    \
    if (q->add) s0 += LOAD(q->y + from);                                                           \
    STORE(q->y + from, s0);                                                                        \
  }
#define ONE_LOAD(p) (*(p))
#define ONE_STORE(p, v) (*(p) = (v))
STRIP(strip_wide, Wide, WIDE_LOAD, WIDE_STORE)
STRIP(strip_four, Vec4, VEC4_LOAD, VEC4_STORE)
STRIP(strip_one, real, ONE_LOAD, ONE_STORE)

static void run_sums(const Product *q) {
  const int64_t stretch = STRETCH_BYTES / sizeof(real), chunk = CHUNK * VL;
  int64_t whole = q->count / chunk * chunk, i = whole;
  for (int64_t begin = 0; begin < whole; begin += stretch) {
    int64_t end = begin + stretch < whole ? begin + stretch : whole;
    for (int64_t p = 0; p < q->depth; p += ROWS_AT_A_TIME) {
      int64_t rows = q->depth - p < ROWS_AT_A_TIME ? q->depth - p : ROWS_AT_A_TIME;
      for (int64_t from = begin; from < end; from += chunk) add_rows_chunk(q, from, p, rows);
    }
  }
  for (; i + WIDE <= q->count; i += WIDE) strip_wide(q, i);
  for (; i + 4 <= q->count; i += 4) strip_four(q, i);
  for (; i < q->count; i++) strip_one(q, i);
  for (i = 0; q->bias && i < q->count; i++) q->y[i] += q->bias[i * q->bias_step];
}

/* Products whose x or y is strided: blocks of both, copied together. */
static void run_gathered(Product q, int64_t x_step, int64_t y_step) {
  real x[GATHER], y[GATHER];
  const real *x_from = q.x, *m = q.m, *bias = q.bias;
  real *y_to = q.y;
  const int64_t count = q.count, depth = q.depth;
  q.x = x, q.y = y;
  for (int64_t p = 0; p < depth; p += GATHER) {
    q.depth = depth - p < GATHER ? depth - p : GATHER;
    for (int64_t i = 0; i < q.depth; i++) x[i] = x_from[(p + i) * x_step];
    bool add = q.add || p > 0, last = p + q.depth == depth;
    for (int64_t i = 0; i < count; i += GATHER) {
      Product block = q;
      block.add = add;
      block.count = count - i < GATHER ? count - i : GATHER;
      block.m = m + (q.transposed ? p * q.stride + i : i * q.stride + p);
      block.bias = bias && last ? bias + i * q.bias_step : NULL;
      for (int64_t j = 0; add && j < block.count; j++) y[j] = y_to[(i + j) * y_step];
      if (block.transposed)
        run_sums(&block);
      else
        run_dots(&block);
      for (int64_t j = 0; j < block.count; j++) y_to[(i + j) * y_step] = y[j];
    }
  }
}

void K(gemm_vector)(const Gemm *g) {
  bool column = g->n == 1;
  Product q = {.transposed = column ? g->trans_a : !g->trans_b,
               .add = g->accumulate,
               .count = column ? g->m : g->n,
               .depth = g->k,
               .stride = column ? g->lda : g->ldb,
               .m = column ? g->a : g->b,
               .x = column ? g->b : g->a,
               .bias = g->bias,
               .bias_step = column ? 0 : 1,
               .y = g->c};
  int64_t x_step = column ? (g->trans_b ? 1 : g->ldb) : (g->trans_a ? g->lda : 1);
  int64_t y_step = column ? g->ldc : 1;
  if (x_step != 1 || y_step != 1)
    run_gathered(q, x_step, y_step);
  else if (q.transposed)
    run_sums(&q);
  else
    run_dots(&q);
}
