/* Matrix product: the choice of kernel, the division into parts, and OpenBLAS.
 *
 * OpenBLAS is loaded at run time, once per process, on first use (36 MB of library that most runs
 * never need). What was found is kept in one static table that is written once under
 * pthread_once and only read afterwards: the library's one exception to holding no state. */
#include "tensor/gemm.h"

#include "tensor/gemm_kernel.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

/* cblas.h's enumerators, so that the header is not needed to build. */
enum { CBLAS_ROW_MAJOR = 101, CBLAS_NO_TRANS = 111, CBLAS_TRANS = 112 };

typedef void (*Sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                      const float *a, int lda, const float *b, int ldb, float beta, float *c,
                      int ldc);
typedef void (*Dgemm)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                      const double *a, int lda, const double *b, int ldb, double beta, double *c,
                      int ldc);

typedef struct Blas {
  void *library;
  Sgemm sgemm;
  Dgemm dgemm;
  const char *name;
  const char *problem;
} Blas;

static Blas blas = {.name = "none", .problem = "not loaded"};
static pthread_once_t blas_once = PTHREAD_ONCE_INIT;

static void *blas_symbol(void *library, const char *name) {
  void *symbol = dlsym(library, name);
  if (!symbol) blas.problem = "a function is missing from libopenblas.so.0";
  return symbol;
}

static void blas_open(void) {
  /* OpenBLAS starts its threads while it loads; they would not survive a fork. */
  setenv("OPENBLAS_NUM_THREADS", "1", 0);
  void *library = dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_LOCAL);
  if (!library) {
    blas.problem = "libopenblas.so.0 was not found";
    return;
  }
  Sgemm sgemm = (Sgemm)blas_symbol(library, "cblas_sgemm");
  Dgemm dgemm = (Dgemm)blas_symbol(library, "cblas_dgemm");
  void (*set_threads)(int) = (void (*)(int))blas_symbol(library, "openblas_set_num_threads");
  char *(*core_name)(void) = (char *(*)(void))blas_symbol(library, "openblas_get_corename");
  if (!sgemm || !dgemm || !set_threads || !core_name) {
    dlclose(library);
    return;
  }
  set_threads(1);
  blas.library = library;
  blas.name = core_name();
  blas.problem = NULL;
  blas.sgemm = sgemm;
  blas.dgemm = dgemm;
}

Status gemm_blas_load(Err *err) {
  pthread_once(&blas_once, blas_open);
  if (blas.sgemm) return NN_OK;
  return err_set(err, NN_UNSUPPORTED, "OpenBLAS cannot be used: %s (Debian: libopenblas0-pthread)",
                 blas.problem);
}

void (*gemm_blas_symbol(const char *name))(void) {
  return blas.library ? (void (*)(void))dlsym(blas.library, name) : NULL;
}

const char *gemm_blas_name(void) {
  pthread_once(&blas_once, blas_open);
  return blas.name;
}

/* One call of cblas_?gemm; sizes and leading dimensions fit an int (see gemm_blas_wanted). */
static void blas_call(const Gemm *g, DType dtype) {
  int ta = g->trans_a ? CBLAS_TRANS : CBLAS_NO_TRANS,
      tb = g->trans_b ? CBLAS_TRANS : CBLAS_NO_TRANS;
  int m = (int)g->m, n = (int)g->n, k = (int)g->k;
  int lda = (int)g->lda, ldb = (int)g->ldb, ldc = (int)g->ldc;
  if (dtype == DTYPE_F64)
    blas.dgemm(CBLAS_ROW_MAJOR, ta, tb, m, n, k, 1.0, g->a, lda, g->b, ldb,
               g->accumulate ? 1.0 : 0.0, g->c, ldc);
  else
    blas.sgemm(CBLAS_ROW_MAJOR, ta, tb, m, n, k, 1.0F, g->a, lda, g->b, ldb,
               g->accumulate ? 1.0F : 0.0F, g->c, ldc);
}

static void add_bias(const Gemm *g, DType dtype) {
  for (int64_t i = 0; i < g->m; i++) {
    if (dtype == DTYPE_F64) {
      const double *bias = g->bias;
      double *row = (double *)g->c + i * g->ldc;
      for (int64_t j = 0; j < g->n; j++) row[j] += bias[j];
    } else {
      const float *bias = g->bias;
      float *row = (float *)g->c + i * g->ldc;
      for (int64_t j = 0; j < g->n; j++) row[j] += bias[j];
    }
  }
}

bool gemm_blas_run(const GemmPiece *piece, DType dtype) {
  const Gemm *gemm = &piece->gemm;
  pthread_once(&blas_once, blas_open);
  if (!blas.sgemm) return false;
  blas_call(gemm, dtype);
  if (gemm->bias) add_bias(gemm, dtype);
  gemm_finish(piece, dtype_size(dtype), 0, 0, gemm->m, gemm->n);
  return true;
}

/* OpenBLAS has kernels for more machines than we have; where ours are compiled for the machine,
 * they are as fast. Products below this size are too small for a general library everywhere. */
enum { BLAS_LEAST_VOLUME = 128 * 128 * 128, BLAS_LEAST_SIDE = 16 };

static bool blas_preferred(Isa isa) { return isa == ISA_base; }

bool gemm_blas_wanted(const Gemm *gemm, Isa isa) {
  if (!blas_preferred(isa)) return false;
  const int64_t limit = INT32_MAX;
  if (gemm->m > limit || gemm->n > limit || gemm->k > limit) return false;
  if (gemm->lda > limit || gemm->ldb > limit || gemm->ldc > limit) return false;
  if (gemm->m < BLAS_LEAST_SIDE || gemm->n < BLAS_LEAST_SIDE || gemm->k < BLAS_LEAST_SIDE)
    return false;
  return (double)gemm->m * (double)gemm->n * (double)gemm->k >= BLAS_LEAST_VOLUME;
}

const char *gemm_kernel_name(Isa isa) {
  if (!blas_preferred(isa) || gemm_blas_load(NULL) != NN_OK) return "own";
  return gemm_blas_name();
}

/* Parts begin at multiples of these, so that tiles are whole and no cache line of C is shared. */
enum { PART_ROWS = 24, PART_COLS = 16 };

GemmPiece gemm_piece(const Gemm *gemm, int part, int parts, size_t element) {
  GemmPiece piece = {.gemm = *gemm};
  if (parts <= 1) return piece;
  Gemm *g = &piece.gemm;
  bool by_rows = g->n < 2 * PART_COLS || g->m >= 2 * g->n;
  int64_t unit = by_rows ? PART_ROWS : PART_COLS;
  int64_t size = by_rows ? g->m : g->n;
  int64_t units = (size + unit - 1) / unit;
  int64_t begin = units * part / parts * unit, end = units * (part + 1) / parts * unit;
  if (end > size) end = size;
  size_t skip = (size_t)begin * element;
  if (by_rows) {
    piece.row = begin;
    g->m = end - begin;
    g->a = (const char *)g->a + skip * (g->trans_a ? 1 : (size_t)g->lda);
    g->c = (char *)g->c + skip * (size_t)g->ldc;
    return piece;
  }
  piece.col = begin;
  g->n = end - begin;
  g->b = (const char *)g->b + skip * (g->trans_b ? (size_t)g->ldb : 1);
  g->c = (char *)g->c + skip;
  if (g->bias) g->bias = (const char *)g->bias + skip;
  return piece;
}

void gemm_finish(const GemmPiece *piece, size_t element, int64_t row, int64_t col, int64_t rows,
                 int64_t cols) {
  const Gemm *g = &piece->gemm;
  if (!g->epilogue) return;
  char *c = (char *)g->c + (size_t)(row * g->ldc + col) * element;
  g->epilogue(g->context, c, rows, cols, g->ldc, piece->row + row, piece->col + col);
}

int gemm_parts(const Gemm *gemm, int threads) {
  /* 25 microseconds of one core each: handing out a part costs about three. */
  const double flops_per_part = 2e6;
  double parts = 2.0 * (double)gemm->m * (double)gemm->n * (double)gemm->k / flops_per_part;
  if (parts < 2.0) return 1;
  return parts < threads ? (int)parts : threads;
}

GemmRun gemm_runner(DType dtype, Isa isa) {
  bool wide = dtype == DTYPE_F64;
#if defined(__x86_64__)
  if (isa == ISA_avx2) return wide ? gemm_run_f64_avx2 : gemm_run_f32_avx2;
#endif
  (void)isa;
  return wide ? gemm_run_f64_base : gemm_run_f32_base;
}
