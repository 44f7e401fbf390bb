/* GFLOP/s of the matrix products that training makes, ours and OpenBLAS's on one thread.
 *
 *   make build/bench/gemm && build/bench/gemm [f64] [base] [WORD]
 *
 * WORD: only the shapes whose name contains it. Rounds of about a millisecond of both alternate;
 * the median and the best are printed in processor time, because other programs share the machine.
 * One Zen 3 core of 3.2 GHz does at most 102 GFLOP/s in float32, 51 in float64. */
#include "bench.h"

#include "tensor/gemm.h"

#include <dlfcn.h>
#include <stdio.h>

typedef struct Case {
  const char *name;
  int64_t m, n, k;
  const char *form; /* NN, TN, NT; + accumulates */
} Case;

static const Case CASES[] = {
    {"mnist hidden", 64, 128, 784, "NN"},
    {"mnist hidden dW", 784, 128, 64, "TN"},
    {"mnist out", 64, 10, 128, "NN"},
    {"mnist out dW", 128, 10, 64, "TN"},
    {"mnist out dX", 64, 128, 10, "NT"},
    {"sweep 16", 32, 16, 64, "NN"},
    {"sweep 64", 32, 64, 64, "NN"},
    {"sweep 128", 32, 128, 64, "NN"},
    {"sweep out 16", 32, 10, 16, "NN"},
    {"sweep out 64", 32, 10, 64, "NN"},
    {"sweep 16 dW", 64, 16, 32, "TN"},
    {"sweep 64 dW", 64, 64, 32, "TN"},
    {"sweep 128 dW", 64, 128, 32, "TN"},
    {"sweep out dW", 64, 10, 32, "TN"},
    {"sweep out dX", 32, 64, 10, "NT"},
    {"wide in", 128, 1024, 784, "NN"},
    {"wide", 128, 1024, 1024, "NN"},
    {"wide dW", 1024, 1024, 128, "TN"},
    {"wide in dW", 784, 1024, 128, "TN"},
    {"wide dX", 128, 1024, 1024, "NT"},
    {"wide out", 128, 10, 1024, "NN"},
    {"wide out dW", 1024, 10, 128, "TN"},
    {"wide out dX", 128, 1024, 10, "NT"},
    {"planar in", 400, 4, 2, "NN"},
    {"planar out", 400, 1, 4, "NN"},
    {"planar out dW", 4, 1, 400, "TN"},
    {"planar in dW", 2, 4, 400, "TN"},
    {"planar out dX", 400, 4, 1, "NT"},
    {"logistic 8 rows", 8, 1, 12288, "NN"},
    {"logistic dW 8", 12288, 1, 8, "TN+"},
    {"logistic 209", 209, 1, 12288, "NN"},
    {"logistic dW 209", 12288, 1, 209, "TN"},
    {"cats in", 209, 20, 12288, "NN"},
    {"cats in dW", 12288, 20, 209, "TN"},
    {"lenet 1", 6, 784, 25, "NN"},
    {"lenet 2", 16, 100, 150, "NN"},
    {"lstm", 64, 512, 128, "NT"},
    {"lstm back", 64, 128, 512, "NN"},
    {"lstm dWhh", 512, 128, 1792, "TN"},
    {"lstm in", 1792, 512, 28, "NT"},
    {"lstm dWih", 512, 28, 1792, "TN"},
    {"gru", 64, 384, 128, "NT"},
    {"gru back", 64, 128, 384, "NN"},
    {"former qkv", 1024, 192, 64, "NT"},
    {"former qkv dX", 1024, 64, 192, "NN"},
    {"former qkv dW", 192, 64, 1024, "TN"},
    {"former up", 1024, 256, 64, "NT"},
    {"former up dX", 1024, 64, 256, "NN"},
    {"former up dW", 256, 64, 1024, "TN"},
    {"former down", 1024, 64, 256, "NT"},
    {"former down dX", 1024, 256, 64, "NN"},
    {"former down dW", 64, 256, 1024, "TN"},
    {"former out", 1024, 64, 64, "NT"},
    {"former out dW", 64, 64, 1024, "TN"},
    {"wide NT", 128, 1024, 784, "NT"},
    {"wide hidden NT", 128, 1024, 1024, "NT"},
    {"square 512", 512, 512, 512, "NN"},
    {"square 1000", 1000, 1000, 1000, "NN"},
};

typedef void (*Sgemm)(int, int, int, int, int, int, float, const float *, int, const float *, int,
                      float, float *, int);
typedef void (*Dgemm)(int, int, int, int, int, int, double, const double *, int, const double *,
                      int, double, double *, int);

static void *blas;

static void run_blas(const Gemm *g, DType dtype) {
  int ta = g->trans_a ? 112 : 111, tb = g->trans_b ? 112 : 111;
  if (dtype == DTYPE_F32)
    ((Sgemm)blas)(101, ta, tb, (int)g->m, (int)g->n, (int)g->k, 1, g->a, (int)g->lda, g->b,
                  (int)g->ldb, g->accumulate ? 1 : 0, g->c, (int)g->ldc);
  else
    ((Dgemm)blas)(101, ta, tb, (int)g->m, (int)g->n, (int)g->k, 1, g->a, (int)g->lda, g->b,
                  (int)g->ldb, g->accumulate ? 1 : 0, g->c, (int)g->ldc);
}

static double time_one(const Gemm *g, DType dtype, GemmRun run, int repeats) {
  double start = bench_now();
  for (int r = 0; r < repeats; r++) {
    if (run)
      run(g, 0, 1);
    else
      run_blas(g, dtype);
  }
  return (bench_now() - start) / repeats;
}

enum { ROUNDS = 31 };

static void measure(const Case *c, DType dtype, GemmRun run) {
  size_t size = dtype_size(dtype);
  Gemm g = {.m = c->m,
            .n = c->n,
            .k = c->k,
            .trans_a = c->form[0] == 'T',
            .trans_b = c->form[1] == 'T',
            .accumulate = c->form[2] == '+'};
  g.lda = g.trans_a ? g.m : g.k, g.ldb = g.trans_b ? g.k : g.n, g.ldc = g.n;
  size_t counts[3] = {(size_t)(g.m * g.k), (size_t)(g.k * g.n), (size_t)(g.m * g.n)};
  void *data[3];
  for (int i = 0; i < 3; i++) {
    data[i] = aligned_alloc(64, (counts[i] * size + 63) / 64 * 64);
    for (size_t j = 0; j < counts[i]; j++) {
      if (dtype == DTYPE_F32)
        ((float *)data[i])[j] = (float)(j % 17) * 0.1F - 0.8F;
      else
        ((double *)data[i])[j] = (double)(j % 17) * 0.1 - 0.8;
    }
  }
  g.a = data[0], g.b = data[1], g.c = data[2];
  double flops = 2.0 * (double)g.m * (double)g.n * (double)g.k;
  int repeats = (int)(1e8 / (flops + 2e4)) + 1; /* about a millisecond */
  double ours[ROUNDS], theirs[ROUNDS];
  for (int r = 0; r < ROUNDS; r++) {
    ours[r] = time_one(&g, dtype, run, repeats);
    theirs[r] = blas ? time_one(&g, dtype, NULL, repeats) : 1;
  }
  bench_sort(ours, ROUNDS);
  bench_sort(theirs, ROUNDS);
  double us = ours[ROUNDS / 2] * 1e6, them = theirs[ROUNDS / 2] * 1e6;
  printf("%-16s %5lldx%4lldx%5lld %-3s %9.2f us %6.1f (%5.1f) GF  OpenBLAS %5.1f (%5.1f)  %5.2fx\n",
         c->name, (long long)g.m, (long long)g.n, (long long)g.k, c->form, us, flops / us * 1e-3,
         flops / ours[0] * 1e-9, flops / them * 1e-3, flops / theirs[0] * 1e-9, them / us);
  for (int i = 0; i < 3; i++) free(data[i]);
}

int main(int argc, char **argv) {
  BenchOptions options = bench_options(argc, argv);
  Err err;
  if (gemm_blas_load(&err) == NN_OK) {
    void *library = dlopen("libopenblas.so.0", RTLD_LAZY);
    blas = dlsym(library, options.dtype == DTYPE_F32 ? "cblas_sgemm" : "cblas_dgemm");
  }
  printf("%s, %s kernels; OpenBLAS: %s\n", dtype_name(options.dtype), isa_name(options.isa),
         gemm_blas_name());
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    if (strstr(CASES[i].name, options.word))
      measure(&CASES[i], options.dtype, gemm_runner(options.dtype, options.isa));
  }
  return 0;
}
