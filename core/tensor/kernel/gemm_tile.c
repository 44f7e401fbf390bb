/* Register tiles: the innermost part of a large matrix product.
 *
 * A tile of C stays in registers while it runs down `depth` of A and B. One body is stamped out for
 * every size, so that all loops over rows and vectors unroll. The kinds that pack copy what they
 * read on the way, for the tiles that come after: the copy hides behind the arithmetic.
 * Each element of C is one chain of multiply-adds in order of p, whatever the tile's size, so the
 * bits do not depend on how C is cut into tiles. */
#include "gemm_vec.h"

/* How many rows of B ahead to ask for, when B is read where it lies. Measured: 8 to 24 alike. */
enum { PREFETCH_ROWS = 12 };

/* Put a tile with fewer columns than its vectors hold into C. */
static __attribute__((noinline)) void store_narrow(const Tile *tile, const real *sums, int rows,
                                                   int stride) {
  int64_t whole = tile->width / VL, rest = tile->width % VL;
  real padded[VL] __attribute__((aligned(VEC_BYTES)));
  for (int i = 0; i < rows; i++) {
    real *c = tile->c + i * tile->c_row;
    const real *sum = sums + i * stride, *bias = tile->bias;
    for (int64_t v = 0; v < whole; v++, c += VL, sum += VL) {
      Vec value = vec_load(sum);
      if (tile->add) value += vec_load(c);
      if (bias) {
        value += vec_load(bias);
        bias += VL;
      }
      vec_store(c, value);
    }
    if (!rest) continue;
    Vec value = vec_load(sum);
    if (tile->add) {
      tail_copy(padded, c, rest, VL);
      value += vec_load(padded);
    }
    if (bias) {
      tail_copy(padded, bias, rest, VL);
      value += vec_load(padded);
    }
    vec_store(padded, value);
    tail_copy(c, padded, rest, VL);
  }
}

INLINE void store_whole(const Tile *tile, Vec sums[TILE_ROWS_MAX][PANEL_MAX], const int rows,
                        const int vectors) {
  real *c = tile->c;
  if (tile->add) {
    UNROLL for (int i = 0; i < rows; i++) {
      UNROLL for (int v = 0; v < vectors; v++) sums[i][v] += vec_load(c + i * tile->c_row + v * VL);
    }
  }
  if (tile->bias) {
    UNROLL for (int v = 0; v < vectors; v++) {
      Vec bias = vec_load(tile->bias + v * VL);
      UNROLL for (int i = 0; i < rows; i++) sums[i][v] += bias;
    }
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < vectors; v++) vec_store(c + i * tile->c_row + v * VL, sums[i][v]);
  }
}

INLINE void tile_body(const Tile *tile, const int rows, const int vectors, const int kind) {
  Vec sums[TILE_ROWS_MAX][PANEL_MAX];
  UNROLL for (int i = 0; i < rows; i++) {
    __builtin_prefetch(tile->c + i * tile->c_row, 1);
    UNROLL for (int v = 0; v < vectors; v++) sums[i][v] = (Vec){0};
  }
  /* In bytes, or the compiler makes a second loop for a stride of one. */
  const char *a = (const char *)tile->a, *b = (const char *)tile->b;
  const int64_t a_row = tile->a_row * (int64_t)sizeof(real);
  const int64_t a_col = tile->a_col * (int64_t)sizeof(real);
  const int64_t b_row = tile->b_row * (int64_t)sizeof(real);
  real *pack_a = tile->pack_a, *pack_b = tile->pack_b;
  for (int64_t p = tile->depth; p > 0; p--) {
    Vec line[PANEL_MAX];
    UNROLL for (int v = 0; v < vectors; v++) line[v] = vec_load((const real *)b + v * VL);
    if (kind & TILE_PACK_B) {
      __builtin_prefetch(b + PREFETCH_ROWS * b_row);
      UNROLL for (int v = 0; v < vectors; v++) vec_store(pack_b + v * VL, line[v]);
      pack_b += vectors * VL;
    }
    if (kind & TILE_PACK_A) {
      __builtin_memcpy(pack_a, a, (size_t)rows * sizeof(real));
      pack_a += rows;
    }
    UNROLL for (int i = 0; i < rows; i++) {
      const real element = *(const real *)(a + i * a_row);
      UNROLL for (int v = 0; v < vectors; v++) sums[i][v] += element * line[v];
    }
    a += a_col;
    b += b_row;
  }
  if (tile->width == vectors * VL) {
    store_whole(tile, sums, rows, vectors);
    return;
  }
  real spilled[TILE_ROWS_MAX * PANEL_MAX * VL] __attribute__((aligned(VEC_BYTES)));
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < vectors; v++)
        vec_store(spilled + (i * vectors + v) * VL, sums[i][v]);
  }
  store_narrow(tile, spilled, rows, vectors * VL);
}

#define TILE(vectors, rows, kind)                                                                  \
  static void tile_##vectors##_##rows##_##kind(const Tile *tile) {                                 \
    tile_body(tile, rows, vectors, kind);                                                          \
  }
#define TILE_KINDS_OF(vectors, rows)                                                               \
  TILE(vectors, rows, 0)                                                                           \
  TILE(vectors, rows, 1) TILE(vectors, rows, 2) TILE(vectors, rows, 3)
/* The sizes tile_rows allows. */
TILE_KINDS_OF(1, 1)
TILE_KINDS_OF(1, 2)
TILE_KINDS_OF(1, 3)
TILE_KINDS_OF(1, 4)
TILE_KINDS_OF(1, 5)
TILE_KINDS_OF(1, 6)
TILE_KINDS_OF(1, 7)
TILE_KINDS_OF(1, 8)
TILE_KINDS_OF(2, 1)
TILE_KINDS_OF(2, 2)
TILE_KINDS_OF(2, 3)
TILE_KINDS_OF(2, 4)
TILE_KINDS_OF(2, 5)
TILE_KINDS_OF(2, 6)
TILE_KINDS_OF(3, 1)
TILE_KINDS_OF(3, 2)
TILE_KINDS_OF(3, 3)
TILE_KINDS_OF(3, 4)

#define ROW(vectors, rows)                                                                         \
  {                                                                                                \
    tile_##vectors##_##rows##_0, tile_##vectors##_##rows##_1, tile_##vectors##_##rows##_2,         \
        tile_##vectors##_##rows##_3                                                                \
  }
TileTable K(gemm_tiles) = {
    {ROW(1, 1), ROW(1, 2), ROW(1, 3), ROW(1, 4), ROW(1, 5), ROW(1, 6), ROW(1, 7), ROW(1, 8)},
    {ROW(2, 1), ROW(2, 2), ROW(2, 3), ROW(2, 4), ROW(2, 5), ROW(2, 6)},
    {ROW(3, 1), ROW(3, 2), ROW(3, 3), ROW(3, 4)},
};
