/* Copies of operands in the order in which tiles read them. */
#ifndef NNRUN_TENSOR_KERNEL_GEMM_PACK_H
#define NNRUN_TENSOR_KERNEL_GEMM_PACK_H

#include "gemm_vec.h"

typedef int32_t Mask32 __attribute__((vector_size(VEC_BYTES)));
typedef int64_t Mask64 __attribute__((vector_size(VEC_BYTES)));

/* Transpose VL x VL elements. Shuffles within the
 * 128-bit lanes first: only the last step, if there are two lanes, crosses them. */
INLINE void transpose_square(Vec x[VL]) {
  Vec y[VL];
#if defined(REAL_F64)
#if VEC_BYTES == 32
  const Mask64 low = {0, 4, 2, 6}, high = {1, 5, 3, 7};
  const Mask64 first = {0, 1, 4, 5}, second = {2, 3, 6, 7};
  UNROLL for (int i = 0; i < 4; i += 2) {
    y[i] = __builtin_shuffle(x[i], x[i + 1], low);
    y[i + 1] = __builtin_shuffle(x[i], x[i + 1], high);
  }
  UNROLL for (int i = 0; i < 2; i++) {
    x[i] = __builtin_shuffle(y[i], y[i + 2], first);
    x[i + 2] = __builtin_shuffle(y[i], y[i + 2], second);
  }
#else
  const Mask64 low = {0, 2}, high = {1, 3};
  y[0] = __builtin_shuffle(x[0], x[1], low);
  y[1] = __builtin_shuffle(x[0], x[1], high);
  x[0] = y[0], x[1] = y[1];
#endif
#else
#if VEC_BYTES == 32
  const Mask32 low = {0, 8, 1, 9, 4, 12, 5, 13}, high = {2, 10, 3, 11, 6, 14, 7, 15};
  const Mask32 low2 = {0, 1, 8, 9, 4, 5, 12, 13}, high2 = {2, 3, 10, 11, 6, 7, 14, 15};
  const Mask32 first = {0, 1, 2, 3, 8, 9, 10, 11}, second = {4, 5, 6, 7, 12, 13, 14, 15};
#else
  const Mask32 low = {0, 4, 1, 5}, high = {2, 6, 3, 7};
  const Mask32 low2 = {0, 1, 4, 5}, high2 = {2, 3, 6, 7};
#endif
  UNROLL for (int i = 0; i < VL; i += 2) {
    y[i] = __builtin_shuffle(x[i], x[i + 1], low);
    y[i + 1] = __builtin_shuffle(x[i], x[i + 1], high);
  }
  UNROLL for (int i = 0; i < VL; i += 4) {
    x[i] = __builtin_shuffle(y[i], y[i + 2], low2);
    x[i + 1] = __builtin_shuffle(y[i], y[i + 2], high2);
    x[i + 2] = __builtin_shuffle(y[i + 1], y[i + 3], low2);
    x[i + 3] = __builtin_shuffle(y[i + 1], y[i + 3], high2);
  }
#if VEC_BYTES == 32
  UNROLL for (int i = 0; i < 4; i++) {
    y[i] = __builtin_shuffle(x[i], x[i + 4], first);
    y[i + 4] = __builtin_shuffle(x[i], x[i + 4], second);
  }
  UNROLL for (int i = 0; i < 8; i++) x[i] = y[i];
#endif
#endif
}

INLINE void transpose_block(real *to, int64_t to_row, const real *from, int64_t from_row) {
  Vec x[VL];
  UNROLL for (int i = 0; i < VL; i++) x[i] = vec_load(from + i * from_row);
  transpose_square(x);
  UNROLL for (int i = 0; i < VL; i++) vec_store(to + i * to_row, x[i]);
}

/* to (depth, stride) = the transpose of from (width, depth), zeros in columns width .. stride. */
static inline void pack_transposed(real *to, int64_t stride, const real *from, int64_t from_row,
                                   int64_t depth, int64_t width) {
  int64_t whole = width / VL * VL, deep = depth / VL * VL;
  for (int64_t j = 0; j < whole; j += VL) {
    for (int64_t p = 0; p < deep; p += VL)
      transpose_block(to + p * stride + j, stride, from + j * from_row + p, from_row);
  }
  for (int64_t p = deep; p < depth; p++) {
    for (int64_t j = 0; j < whole; j++) to[p * stride + j] = from[j * from_row + p];
  }
  if (whole == stride) return;
  for (int64_t p = 0; p < depth; p++) {
    for (int64_t j = whole; j < width; j++) to[p * stride + j] = from[j * from_row + p];
    for (int64_t j = width; j < stride; j++) to[p * stride + j] = 0;
  }
}

/* to (panels, depth, 2 * VL) = from (depth, panels * 2 * VL) */
static inline void pack_panels(real *to, int64_t panels, const real *from, int64_t from_row,
                               int64_t depth) {
  for (int64_t p = 0; p < depth; p++, to += 2 * VL, from += from_row) {
    for (int64_t i = 0; i < panels; i++) {
      Vec left = vec_load(from + i * 2 * VL), right = vec_load(from + i * 2 * VL + VL);
      vec_store(to + i * depth * 2 * VL, left);
      vec_store(to + i * depth * 2 * VL + VL, right);
    }
  }
}

/* to (depth, stride) = from (depth, width), zeros in columns width .. stride. */
static inline void pack_padded(real *to, int64_t stride, const real *from, int64_t from_row,
                               int64_t depth, int64_t width) {
  int64_t whole = width / VL * VL, rest = width - whole;
  for (int64_t p = 0; p < depth; p++, to += stride, from += from_row) {
    for (int64_t j = 0; j < whole; j += VL) vec_store(to + j, vec_load(from + j));
    for (int64_t j = whole; j < stride; j += VL) vec_store(to + j, (Vec){0});
    tail_copy(to + whole, from + whole, rest, VL);
  }
}

/* to (depth, rows) = the transpose of from (rows, depth), rows <= 6. Whole vectors are stored in
 * order, so that each overwrites what the one before put beyond its row; the last puts up to VL
 * elements beyond the end of `to`. */
static inline void pack_tile(real *to, const real *from, int64_t from_row, int64_t rows,
                             int64_t depth) {
  enum { SQUARES = (6 + VEC_BYTES / sizeof(real) - 1) / (VEC_BYTES / sizeof(real)) };
  Vec x[SQUARES][VL];
  int64_t p = 0;
  for (; p + VL <= depth; p += VL) {
    UNROLL for (int i = 0; i < SQUARES * VL; i++) {
      x[i / VL][i % VL] = vec_load(from + (i < rows ? i : rows - 1) * from_row + p);
    }
    UNROLL for (int s = 0; s < SQUARES; s++) transpose_square(x[s]);
    UNROLL for (int q = 0; q < VL; q++) {
      UNROLL for (int s = 0; s < SQUARES; s++) {
        if (s * VL < rows) vec_store(to + (p + q) * rows + s * VL, x[s][q]);
      }
    }
  }
  for (; p < depth; p++) {
    for (int64_t i = 0; i < rows; i++) to[p * rows + i] = from[i * from_row + p];
  }
}

#endif
