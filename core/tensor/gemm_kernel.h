/* Between gemm.c and the matrix-product kernels; nobody else includes this. */
#ifndef NNRUN_TENSOR_GEMM_KERNEL_H
#define NNRUN_TENSOR_GEMM_KERNEL_H

#include "base/kernel.h"
#include "tensor/gemm.h"

/* The piece of C that one part of a product computes: a product of its own. */
typedef struct GemmPiece {
  Gemm gemm;        /* pointers and sizes of the piece */
  int64_t row, col; /* of the piece's first element in the whole C */
} GemmPiece;

GemmPiece gemm_piece(const Gemm *gemm, int part, int parts, size_t element);
/* Call the epilogue, if there is one, on rows x cols elements of the piece from (row, col). */
void gemm_finish(const GemmPiece *piece, size_t element, int64_t row, int64_t col, int64_t rows,
                 int64_t cols);

/* The piece by OpenBLAS, epilogue included; false when OpenBLAS is not there. */
bool gemm_blas_run(const GemmPiece *piece, DType dtype);
/* Does this product go to OpenBLAS when that is there? Depends on the shape and `isa` alone. */
bool gemm_blas_wanted(const Gemm *gemm, Isa isa);

/* gemm_run: one part of a product. gemm_vector: n = 1 or m = 1. gemm_narrow: n <= 4.
 * gemm_thin: those that gemm_is_thin picks. gemm_tiled: any shape. All but the first need k > 0;
 * gemm_vector and gemm_narrow leave the epilogue to the caller. */
#define GEMM_KERNELS(name, type, isa)                                                              \
  void gemm_run_##type##_##isa(const Gemm *gemm, int part, int parts);                             \
  void gemm_vector_##type##_##isa(const Gemm *gemm);                                               \
  void gemm_narrow_##type##_##isa(const Gemm *gemm);                                               \
  bool gemm_is_thin_##type##_##isa(const Gemm *gemm);                                              \
  void gemm_thin_##type##_##isa(const GemmPiece *piece);                                           \
  void gemm_tiled_##type##_##isa(const GemmPiece *piece);
KERNEL_COPIES(GEMM_KERNELS, )
#undef GEMM_KERNELS

#endif
