/* Copies of operands in the order in which tiles read them. */
#ifndef NNRUN_TENSOR_KERNEL_GEMM_PACK_H
#define NNRUN_TENSOR_KERNEL_GEMM_PACK_H

#include "gemm_vec.h"

/* Transpose VL x VL elements. Shuffles within the
 * 128-bit lanes first: only the last step, if there are two lanes, crosses them. */
INLINE void transpose_square(Vec x[VL]) {
  Vec y[VL];
#if defined(REAL_F64) && VEC_BYTES == 32
  UNROLL for (int i = 0; i < 4; i += 2) {
    y[i] = SHUFFLE(x[i], x[i + 1], 0, 4, 2, 6);
    y[i + 1] = SHUFFLE(x[i], x[i + 1], 1, 5, 3, 7);
  }
  UNROLL for (int i = 0; i < 2; i++) {
    x[i] = SHUFFLE(y[i], y[i + 2], 0, 1, 4, 5);
    x[i + 2] = SHUFFLE(y[i], y[i + 2], 2, 3, 6, 7);
  }
#elif defined(REAL_F64)
  y[0] = SHUFFLE(x[0], x[1], 0, 2);
  y[1] = SHUFFLE(x[0], x[1], 1, 3);
  x[0] = y[0], x[1] = y[1];
#elif VEC_BYTES == 32
  UNROLL for (int i = 0; i < 8; i += 2) {
    y[i] = SHUFFLE(x[i], x[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    y[i + 1] = SHUFFLE(x[i], x[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  UNROLL for (int i = 0; i < 8; i += 4) {
    x[i] = SHUFFLE(y[i], y[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    x[i + 1] = SHUFFLE(y[i], y[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    x[i + 2] = SHUFFLE(y[i + 1], y[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    x[i + 3] = SHUFFLE(y[i + 1], y[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  UNROLL for (int i = 0; i < 4; i++) {
    y[i] = SHUFFLE(x[i], x[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    y[i + 4] = SHUFFLE(x[i], x[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  UNROLL for (int i = 0; i < 8; i++) x[i] = y[i];
#else
  UNROLL for (int i = 0; i < 4; i += 2) {
    y[i] = SHUFFLE(x[i], x[i + 1], 0, 4, 1, 5);
    y[i + 1] = SHUFFLE(x[i], x[i + 1], 2, 6, 3, 7);
  }
  x[0] = SHUFFLE(y[0], y[2], 0, 1, 4, 5);
  x[1] = SHUFFLE(y[0], y[2], 2, 3, 6, 7);
  x[2] = SHUFFLE(y[1], y[3], 0, 1, 4, 5);
  x[3] = SHUFFLE(y[1], y[3], 2, 3, 6, 7);
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
