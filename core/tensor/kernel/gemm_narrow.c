/* Products with two to four columns: a row of C is one short vector.
 *
 * Eight rows run down k together, one sum each. Fewer rows would wait for the latency of their
 * sums, so they get several sums each, over interleaved p, added at the end. */
#include "gemm_vec.h"

enum {
  NARROW = 4,          /* columns of the copy of B */
  NARROW_ROWS = 8,     /* rows that run together */
  NARROW_DEPTH = 1024, /* rows of B copied at a time, 16 KB of f32 */
  COLUMN_DEPTH = 16,   /* the same when A is read down far apart rows */
  FAR_BYTES = 2048     /* rows of A this far apart are far */
};

/* c[0 .. width) (+)= sum */
INLINE void store_row(real *c, const Vec4 *row, int64_t width, bool add) {
  Vec4 sum = *row;
  if (width == NARROW) {
    if (add) sum += VEC4_LOAD(c);
    VEC4_STORE(c, sum);
    return;
  }
  real padded[NARROW];
  VEC4_STORE(padded, sum);
  for (int64_t j = 0; add && j < width; j++) padded[j] += c[j];
  tail_copy(c, padded, width, NARROW);
}

/* `groups` times `rows` rows of C; each row has `splits` sums. tile->bias is (4), or NULL.
 * `depth` is tile->depth, as a constant where that pays. */
INLINE void run_rows(Tile *tile, int64_t groups, const int rows, const int splits,
                     const int64_t depth) {
  const int64_t element = sizeof(real), b_row = tile->b_row;
  const int64_t a_col = tile->a_col * element, a_row = tile->a_row * element;
  const int64_t c_row = tile->c_row, width = tile->width;
  const bool add = tile->add;
  const Vec4 bias = tile->bias ? VEC4_LOAD(tile->bias) : (Vec4){0};
  const bool biased = tile->bias;
  const char *next = (const char *)tile->a;
  real *c = tile->c;
  for (; groups > 0; groups--) {
    Vec4 sums[NARROW_ROWS];
    UNROLL for (int i = 0; i < rows * splits; i++) sums[i] = (Vec4){0};
    const char *a = next;
    const real *b = tile->b;
    int64_t p = 0;
    for (; p + splits <= depth; p += splits) {
      UNROLL for (int s = 0; s < splits; s++) {
        Vec4 line = VEC4_LOAD(b + s * b_row);
        UNROLL for (int i = 0; i < rows; i++) sums[i * splits + s] +=
            *(const real *)(a + i * a_row + s * a_col) * line;
      }
      a += splits * a_col, b += splits * b_row;
    }
    for (; splits > 1 && p < depth; p++) {
      Vec4 line = VEC4_LOAD(b);
      UNROLL for (int i = 0; i < rows; i++) sums[i * splits] +=
          *(const real *)(a + i * a_row) * line;
      a += a_col, b += b_row;
    }
    UNROLL for (int i = 0; i < rows; i++) {
      Vec4 sum = sums[i * splits];
      UNROLL for (int s = 1; s < splits; s++) sum += sums[i * splits + s];
      if (biased) sum += bias;
      store_row(c + i * c_row, &sum, width, add);
    }
    next += rows * a_row;
    c += rows * c_row;
  }
  tile->a = (const real *)next;
  tile->c = c;
}

static void run_depth(Tile *tile, int64_t m) {
  int64_t groups = m / NARROW_ROWS, depth = tile->depth;
  if (depth == 1)
    run_rows(tile, groups, NARROW_ROWS, 1, 1);
  else if (depth == 2)
    run_rows(tile, groups, NARROW_ROWS, 1, 2);
  else
    run_rows(tile, groups, NARROW_ROWS, 1, depth);
  switch (m % NARROW_ROWS) {
  case 1: run_rows(tile, 1, 1, 8, depth); break;
  case 2: run_rows(tile, 1, 2, 4, depth); break;
  case 3: run_rows(tile, 1, 3, 2, depth); break;
  case 4: run_rows(tile, 1, 4, 2, depth); break;
  case 5: run_rows(tile, 1, 5, 1, depth); break;
  case 6: run_rows(tile, 1, 6, 1, depth); break;
  case 7: run_rows(tile, 1, 7, 1, depth); break;
  default: break;
  }
}

void K(gemm_narrow)(const Gemm *g) {
  real copy[NARROW_DEPTH * NARROW] __attribute__((aligned(64)));
  real bias[NARROW] = {0};
  const real *a = g->a, *b = g->b;
  bool in_place = g->n == NARROW && !g->trans_b;
  bool far = g->trans_a && g->m > NARROW_ROWS && g->lda * (int64_t)sizeof(real) >= FAR_BYTES;
  int64_t step = far ? COLUMN_DEPTH : NARROW_DEPTH;
  for (int64_t j = 0; g->bias && j < g->n; j++) bias[j] = ((const real *)g->bias)[j];
  for (int64_t p = 0; p < g->k; p += step) {
    int64_t depth = g->k - p < step ? g->k - p : step;
    Tile tile = {.c = g->c, .c_row = g->ldc, .width = g->n, .depth = depth};
    tile.a = a + (g->trans_a ? p * g->lda : p);
    tile.a_row = g->trans_a ? 1 : g->lda, tile.a_col = g->trans_a ? g->lda : 1;
    tile.add = g->accumulate || p > 0;
    tile.bias = g->bias && p + depth == g->k ? bias : NULL;
    tile.b = in_place ? b + p * g->ldb : copy;
    tile.b_row = in_place ? g->ldb : NARROW;
    if (!in_place) {
      int64_t row = g->trans_b ? 1 : g->ldb, col = g->trans_b ? g->ldb : 1;
      const real *from = b + p * row;
      for (int64_t i = 0; i < depth; i++, from += row) {
        for (int64_t j = 0; j < NARROW; j++) copy[i * NARROW + j] = j < g->n ? from[j * col] : 0;
      }
    }
    run_depth(&tile, g->m);
  }
}
