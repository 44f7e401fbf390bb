/* Matrix product: C = op(A) op(B) (+ C) (+ bias), then an optional activation while C is in cache.
 *
 * All matrices are row-major. This is the only caller of BLAS. With AVX2 all products run in
 * kernels of our own: on one core they match OpenBLAS on large products and are up to ten times as
 * fast on small and narrow ones (tests/bench/gemm.c). On other machines large products go to
 * OpenBLAS, if it is there, on one thread; it is loaded on first use. Which kernel runs depends
 * only on the shape, the transpositions, the element type and the instruction set. */
#ifndef NNRUN_TENSOR_GEMM_H
#define NNRUN_TENSOR_GEMM_H

#include "base/isa.h"
#include "tensor/tensor.h"

/* Called on finished pieces of C while they are in cache: `rows` x `cols` elements at `c`, rows
 * `ldc` apart, the piece's first element being C[row][col]. */
typedef void (*GemmEpilogue)(void *context, void *c, int64_t rows, int64_t cols, int64_t ldc,
                             int64_t row, int64_t col);

typedef struct Gemm {
  bool trans_a, trans_b; /* op(A) is (m, k): A is (m, k), or (k, m) when transposed; B likewise */
  bool accumulate;       /* add to what C holds */
  int64_t m, n, k;       /* k = 0 gives zeros (or C unchanged when accumulating) */
  const void *a, *b;
  void *c;
  int64_t lda, ldb, ldc; /* elements between rows as stored */
  const void *bias;      /* (n) or NULL, added to every row */
  GemmEpilogue epilogue; /* or NULL */
  void *context;
} Gemm;

/* Run part `part` of `parts` of the product. The parts write disjoint pieces of C and may run at
 * the same time on different threads. */
typedef void (*GemmRun)(const Gemm *gemm, int part, int parts);
/* The runner for F32 or F64. */
GemmRun gemm_runner(DType dtype, Isa isa);
/* How many parts are worth having, at most `threads`; depends on the shape alone. */
int gemm_parts(const Gemm *gemm, int threads);

/* What the bits of a product depend on besides `isa`: the kernel set OpenBLAS chose for this
 * processor ("Zen") where `isa` uses it, else "own". Loads OpenBLAS only in the first case. */
const char *gemm_kernel_name(Isa isa);
/* The kernel set of OpenBLAS, or "none" when it is not there. */
const char *gemm_blas_name(void);
/* Load OpenBLAS now, on one thread; NN_UNSUPPORTED when it cannot be loaded (own kernels serve). */
Status gemm_blas_load(Err *err);
/* A function of the loaded OpenBLAS by name, or NULL: its LAPACK (see lapack.h). */
void (*gemm_blas_symbol(const char *name))(void);

#endif
