/* What the benchmarks of kernels share: their options, processor time, and the order of rounds. */
#ifndef NNRUN_TESTS_BENCH_H
#define NNRUN_TESTS_BENCH_H

#include "base/isa.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* [f64] [base] [WORD] */
typedef struct BenchOptions {
  DType dtype;
  Isa isa;
  const char *word; /* only the cases whose name contains it */
} BenchOptions;

static inline BenchOptions bench_options(int argc, char **argv) {
  BenchOptions options = {DTYPE_F32, isa_best(), ""};
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "f64"))
      options.dtype = DTYPE_F64;
    else if (!strcmp(argv[i], "base"))
      options.isa = ISA_base;
    else
      options.word = argv[i];
  }
  return options;
}

/* This thread's processor time in seconds. */
static inline double bench_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Put what the rounds measured in ascending order. */
static inline void bench_sort(double *rounds, size_t count) {
  qsort(rounds, count, sizeof *rounds, bench_compare);
}

#endif
