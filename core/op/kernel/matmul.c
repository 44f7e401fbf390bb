/* The matrix product's kernel: hands the work to gemm, with what the plan folded into it. */
#include "op/matmul.h"
#include "op/kernel/family.h"

static void finish(void *context, void *c, int64_t rows, int64_t cols, int64_t ldc, int64_t row,
                   int64_t col) {
  (void)row;
  (void)col;
  if (cols == ldc) {
    epilogue_apply(context, c, rows * cols);
    return;
  }
  for (int64_t i = 0; i < rows; i++) epilogue_apply(context, (real *)c + i * ldc, cols);
}

KERNEL(matmul) {
  GemmRun run = gemm_runner(REAL_DTYPE, KERNEL_ISA);
  int64_t products;
  Gemm gemm = matmul_gemm(call, &products);
  OpEpilogue epilogue;
  if (call->epilogue) {
    epilogue = *call->epilogue;
    gemm.bias = epilogue.bias;
    gemm.epilogue = epilogue.activation ? finish : NULL;
    gemm.context = &epilogue;
  }
  if (products == 1) {
    run(&gemm, part, parts);
    return;
  }
  int64_t size_a = gemm.m * gemm.k, size_b = gemm.k * gemm.n, size_c = gemm.m * gemm.n;
  const real *a = gemm.a, *b = gemm.b;
  real *c = gemm.c;
  for (int64_t i = products * part / parts; i < products * (part + 1) / parts; i++) {
    gemm.a = a + i * size_a;
    gemm.b = b + i * size_b;
    gemm.c = c + i * size_c;
    run(&gemm, 0, 1);
  }
}
