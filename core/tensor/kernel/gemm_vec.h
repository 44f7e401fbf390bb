/* For the matrix-product kernels: the machine's vector, and what passes between tiles and loops. */
#ifndef NNRUN_TENSOR_KERNEL_GEMM_VEC_H
#define NNRUN_TENSOR_KERNEL_GEMM_VEC_H

#include "tensor/gemm_kernel.h"

#if defined(__AVX2__)
#define VEC_BYTES 32
#else
#define VEC_BYTES 16
#endif

/* Elements in a vector: 8 or 4 for f32, 4 or 2 for f64. */
#define VL ((int)(VEC_BYTES / sizeof(real)))
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

/* Compilers let a vector alias its element type, so these need no may_alias, which would make every
 * store reload the loop's variables. */
typedef real Vec __attribute__((vector_size(VEC_BYTES), aligned(sizeof(real))));
/* Always four elements, whatever the machine: for products with at most four columns. */
typedef real Vec4 __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real))));

INLINE Vec vec_load(const real *p) { return *(const Vec *)p; }
INLINE void vec_store(real *p, Vec v) { *(Vec *)p = v; }
/* Macros, as a Vec4 may be wider than the machine's vectors and then has no calling convention. */
#define VEC4_LOAD(p) (*(const Vec4 *)(p))
#define VEC4_STORE(p, v) (*(Vec4 *)(p) = (v))

/* Elements of two vectors by number, those of the second after those of the first. */
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

/* Copy 0 <= count < limit <= 8 elements in at most three moves. */
INLINE void tail_copy(real *to, const real *from, int64_t count, const int limit) {
  if (limit > 4 && count & 4) {
    __builtin_memcpy(to, from, 4 * sizeof(real));
    to += 4, from += 4;
  }
  if (limit > 2 && count & 2) {
    __builtin_memcpy(to, from, 2 * sizeof(real));
    to += 2, from += 2;
  }
  if (count & 1) *to = *from;
}

/* A panel is 1 to PANEL_MAX vectors wide; a tile is the part of C under one panel of B and
 * tile_rows(vectors) rows of A. With 16 vector registers, 12 hold the tile, the rest the panel's
 * row and one element of A; 8 independent sums cover the latency of two FMA units. */
enum { PANEL_MAX = 3, TILE_ROWS_MAX = 8 };
INLINE int tile_rows(int vectors) { return vectors == 1 ? 8 : vectors == 2 ? 6 : 4; }

/* C[rows][width] (+)= A[rows][depth] B[depth][vectors * VL]; the strides are in elements. */
typedef struct Tile {
  const real *a;
  int64_t a_row, a_col; /* element (i, p) of A is a[i * a_row + p * a_col] */
  const real *b;        /* row p of the panel is b[p * b_row ...], padded to whole vectors */
  int64_t b_row;
  real *c;
  int64_t c_row, width, depth;
  const real *bias; /* (width) or NULL */
  real *pack_a;     /* where a packing tile puts its part of A, as (depth, rows) */
  real *pack_b;     /* where a packing tile puts the panel, as (depth, vectors * VL) */
  bool add;         /* add to C */
} Tile;

enum { TILE_PACK_A = 1, TILE_PACK_B = 2, TILE_KINDS = 4 };
typedef void (*TileRun)(const Tile *tile);
/* [vectors - 1][rows - 1][which operands are copied while they are read] */
typedef const TileRun TileTable[PANEL_MAX][TILE_ROWS_MAX][TILE_KINDS];
extern TileTable K(gemm_tiles);

#endif
