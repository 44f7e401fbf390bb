#include "tensor/gemm_kernel.h"

#define ISA_PASTE_(isa) ISA_##isa
#define ISA_PASTE(isa) ISA_PASTE_(isa)

void K(gemm_run)(const Gemm *gemm, int part, int parts) {
  GemmPiece piece = gemm_piece(gemm, part, parts, sizeof(real));
  Gemm g = piece.gemm;
  if (g.m <= 0 || g.n <= 0) return;
  if (gemm_blas_wanted(&g, ISA_PASTE(ISA)) && gemm_blas_run(&piece, REAL_DTYPE)) return;
  const real *a = g.a, *b = g.b, *bias = g.bias;
  int64_t ar = g.trans_a ? 1 : g.lda, ac = g.trans_a ? g.lda : 1;
  int64_t br = g.trans_b ? 1 : g.ldb, bc = g.trans_b ? g.ldb : 1;
  for (int64_t i = 0; i < g.m; i++) {
    real *c = (real *)g.c + i * g.ldc;
    for (int64_t j = 0; j < g.n; j++) {
      real sum = 0;
      for (int64_t p = 0; p < g.k; p++) sum += a[i * ar + p * ac] * b[p * br + j * bc];
      c[j] = (g.accumulate ? c[j] : 0) + sum + (bias ? bias[j] : 0);
    }
  }
  gemm_finish(&piece, sizeof(real), 0, 0, g.m, g.n);
}
