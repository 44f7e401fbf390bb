/* Matrix products against a plain sum in long double, for every instruction set of this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/isa.h"
#include "base/status.h"
#include "tensor/gemm.h"

#include <math.h>
#include <stdio.h>

typedef struct Shape3 {
  int64_t m, n, k;
} Shape3;

/* What varies besides the shape. */
typedef struct Variant {
  bool trans_a, trans_b, accumulate, bias, epilogue;
  int parts;
  int64_t slack; /* extra elements between rows of every matrix */
} Variant;

static double get(DType dtype, const void *data, int64_t i) {
  return dtype == DTYPE_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static void put(DType dtype, void *data, int64_t i, double value) {
  if (dtype == DTYPE_F64)
    ((double *)data)[i] = value;
  else
    ((float *)data)[i] = (float)value;
}

/* Exactly `count` elements on the heap, so that the sanitizer sees a read beyond the end. */
static void *make(DType dtype, int64_t count, uint64_t seed) {
  void *data = malloc((size_t)(count > 0 ? count : 1) * dtype_size(dtype));
  assert_non_null(data);
  uint64_t state = seed * 2654435761U + 12345;
  for (int64_t i = 0; i < count; i++) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    put(dtype, data, i, (double)(int64_t)(state >> 40) / 8388608.0 - 1.0);
  }
  return data;
}

static int64_t extent(int64_t rows, int64_t cols, int64_t stride) {
  return rows > 0 && cols > 0 ? (rows - 1) * stride + cols : 0;
}

/* The epilogue adds 1000 to every element and counts them; each must be seen once, at its place. */
typedef struct Seen {
  DType dtype;
  const char *c;
  int64_t ldc, count;
  bool misplaced;
} Seen;

static void see(void *context, void *c, int64_t rows, int64_t cols, int64_t ldc, int64_t row,
                int64_t col) {
  Seen *seen = context;
  const char *expected = seen->c + (size_t)(row * seen->ldc + col) * dtype_size(seen->dtype);
  if (ldc != seen->ldc || (const char *)c != expected) seen->misplaced = true;
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < cols; j++)
      put(seen->dtype, c, i * ldc + j, get(seen->dtype, c, i * ldc + j) + 1000.0);
  }
  seen->count += rows * cols;
}

static void check(DType dtype, Isa isa, Shape3 s, Variant v) {
  int64_t a_rows = v.trans_a ? s.k : s.m, a_cols = v.trans_a ? s.m : s.k;
  int64_t b_rows = v.trans_b ? s.n : s.k, b_cols = v.trans_b ? s.k : s.n;
  Gemm g = {.trans_a = v.trans_a,
            .trans_b = v.trans_b,
            .accumulate = v.accumulate,
            .m = s.m,
            .n = s.n,
            .k = s.k,
            .lda = a_cols + v.slack,
            .ldb = b_cols + v.slack,
            .ldc = s.n + v.slack};
  int64_t c_count = extent(s.m, s.n, g.ldc);
  void *a = make(dtype, extent(a_rows, a_cols, g.lda), 1);
  void *b = make(dtype, extent(b_rows, b_cols, g.ldb), 2);
  void *c = make(dtype, c_count, 3), *before = make(dtype, c_count, 3);
  void *bias = make(dtype, s.n, 4);
  Seen seen = {.dtype = dtype, .c = c, .ldc = g.ldc};
  g.a = a, g.b = b, g.c = c;
  if (v.bias) g.bias = bias;
  if (v.epilogue) g.epilogue = see, g.context = &seen;
  GemmRun run = gemm_runner(dtype, isa);
  for (int part = 0; part < v.parts; part++) run(&g, part, v.parts);

  double unit = dtype == DTYPE_F64 ? 2.3e-16 : 1.2e-7;
  for (int64_t i = 0; i < s.m; i++) {
    for (int64_t j = 0; j < s.n; j++) {
      double sum = 0, size = 1;
      for (int64_t p = 0; p < s.k; p++) {
        double term = get(dtype, a, v.trans_a ? p * g.lda + i : i * g.lda + p) *
                      get(dtype, b, v.trans_b ? j * g.ldb + p : p * g.ldb + j);
        sum += term, size += fabs(term);
      }
      if (v.accumulate) sum += get(dtype, before, i * g.ldc + j);
      if (v.bias) sum += get(dtype, bias, j);
      if (v.epilogue) sum += 1000.0, size += 1000.0;
      double got = get(dtype, c, i * g.ldc + j);
      if (!(fabs(got - sum) <= 4 * unit * size))
        fail_msg("%s %s %ldx%ldx%ld %c%c accumulate %d bias %d epilogue %d part of %d slack %ld: "
                 "C[%ld][%ld] = %.9g, not %.9g",
                 dtype_name(dtype), isa_name(isa), (long)s.m, (long)s.n, (long)s.k,
                 v.trans_a ? 'T' : 'N', v.trans_b ? 'T' : 'N', v.accumulate, v.bias, v.epilogue,
                 v.parts, (long)v.slack, (long)i, (long)j, got, sum);
    }
  }
  /* Elements between the rows of C are not ours. */
  for (int64_t i = 0; i + 1 < s.m; i++) {
    for (int64_t j = s.n; j < g.ldc; j++)
      assert_true(get(dtype, c, i * g.ldc + j) == get(dtype, before, i * g.ldc + j));
  }
  if (v.epilogue) {
    assert_false(seen.misplaced);
    assert_int_equal(seen.count, s.m * s.n);
  }
  free(a), free(b), free(c), free(before), free(bias);
}

static void check_all_isas(Shape3 shape, Variant variant) {
  for (int isa = 0; isa <= (int)isa_best(); isa++) {
    check(DTYPE_F32, (Isa)isa, shape, variant);
    check(DTYPE_F64, (Isa)isa, shape, variant);
  }
}

/* Bits of `code` choose the variant. */
static Variant variant_of(unsigned code) {
  return (Variant){.trans_a = code & 1,
                   .trans_b = code & 2,
                   .accumulate = code & 4,
                   .bias = code & 8,
                   .epilogue = code & 16,
                   .parts = code & 32 ? 3 : 1,
                   .slack = code & 64 ? 5 : 0};
}
enum { VARIANTS = 128 };

static void every_small_size_is_right(void **state) {
  (void)state;
  static const int64_t depths[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 20};
  unsigned code = 0;
  for (int64_t m = 1; m <= 20; m++) {
    for (int64_t n = 1; n <= 20; n++) {
      for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
        int64_t k = depths[d];
        /* All four transpositions of each size; the other options rotate through. */
        code += 37;
        for (unsigned t = 0; t < 4; t++)
          check_all_isas((Shape3){m, n, k}, variant_of((code & ~3U & (VARIANTS - 1)) | t));
      }
    }
  }
}

static const Shape3 SHAPES[] = {
    {64, 10, 128}, {33, 70, 65},  {7, 130, 300}, {130, 7, 300}, {65, 257, 31}, {400, 4, 2},
    {400, 1, 4},   {4, 1, 400},   {2, 4, 400},   {400, 4, 1},   {3, 3, 1000},  {1, 300, 77},
    {300, 1, 77},  {1, 1, 3000},  {5, 1, 3000},  {1, 5, 3000},  {2, 200, 600}, {50, 128, 33},
    {27, 256, 40}, {100, 24, 17}, {100, 20, 50}, {209, 3, 700},
};

static void every_variant_is_right(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++) {
    for (unsigned code = 0; code < VARIANTS; code++) check_all_isas(SHAPES[i], variant_of(code));
  }
}

/* Several blocks of rows and of depth, copied rows (row length a multiple of 1 KB), long vectors.
 */
static void blocked_products_are_right(void **state) {
  (void)state;
  static const Shape3 shapes[] = {{431, 150, 530}, {130, 140, 512}, {450, 66, 256},
                                  {50, 20, 800},   {20, 520, 100},  {17, 600, 37},
                                  {800, 34, 70},   {9, 300, 256},   {12, 1, 5000},
                                  {5000, 1, 12},   {1, 5000, 12},   {1000, 2, 1100}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (unsigned code = 0; code < 4; code++) {
      check_all_isas(shapes[i], variant_of(code));
      check_all_isas(shapes[i], variant_of(code | 4 | 8 | 16 | 32));
    }
  }
}

static void bits_do_not_depend_on_alignment(void **state) {
  (void)state;
  static const Shape3 shapes[] = {{37, 29, 83}, {37, 1, 83}, {37, 3, 83}, {1, 29, 83}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    Shape3 s = shapes[i];
    float *a = make(DTYPE_F32, s.m * s.k + 8, 1), *b = make(DTYPE_F32, s.k * s.n + 8, 2);
    float *c = make(DTYPE_F32, s.m * s.n + 8, 3),
          *first = malloc(sizeof(float) * (size_t)(s.m * s.n));
    assert_non_null(first);
    for (int shift = 0; shift < 8; shift++) {
      float *a2 = make(DTYPE_F32, s.m * s.k + 8, 5), *b2 = make(DTYPE_F32, s.k * s.n + 8, 6);
      memcpy(a2 + shift, a, sizeof(float) * (size_t)(s.m * s.k));
      memcpy(b2 + (shift * 3) % 8, b, sizeof(float) * (size_t)(s.k * s.n));
      Gemm g = {.m = s.m,
                .n = s.n,
                .k = s.k,
                .a = a2 + shift,
                .b = b2 + (shift * 3) % 8,
                .c = c + (shift * 5) % 8,
                .lda = s.k,
                .ldb = s.n,
                .ldc = s.n};
      gemm_runner(DTYPE_F32, isa_best())(&g, 0, 1);
      if (shift == 0) memcpy(first, g.c, sizeof(float) * (size_t)(s.m * s.n));
      assert_memory_equal(first, g.c, sizeof(float) * (size_t)(s.m * s.n));
      free(a2), free(b2);
    }
    free(a), free(b), free(c), free(first);
  }
}

static void not_a_number_is_not_lost(void **state) {
  (void)state;
  static const Shape3 shapes[] = {{9, 20, 5}, {9, 1, 5}, {1, 9, 5}, {9, 3, 5}, {2, 2, 50}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    Shape3 s = shapes[i];
    for (int isa = 0; isa <= (int)isa_best(); isa++) {
      double *a = calloc((size_t)(s.m * s.k), sizeof *a),
             *b = calloc((size_t)(s.k * s.n), sizeof *b);
      double *c = calloc((size_t)(s.m * s.n), sizeof *c);
      assert_true(a && b && c);
      a[(s.m - 1) * s.k + 2] = NAN; /* meets a zero of B */
      b[3 * s.n] = INFINITY;        /* meets a zero of A: not a number */
      Gemm g = {
          .m = s.m, .n = s.n, .k = s.k, .a = a, .b = b, .c = c, .lda = s.k, .ldb = s.n, .ldc = s.n};
      gemm_runner(DTYPE_F64, (Isa)isa)(&g, 0, 1);
      assert_true(isnan(c[s.m * s.n - 1]));
      assert_true(isnan(c[0]));
      free(a), free(b), free(c);
    }
  }
}

static void small_products_are_not_divided(void **state) {
  (void)state;
  Gemm small = {.m = 32, .n = 64, .k = 64}, large = {.m = 128, .n = 1024, .k = 1024};
  assert_int_equal(gemm_parts(&small, 8), 1);
  assert_int_equal(gemm_parts(&large, 1), 1);
  assert_int_equal(gemm_parts(&large, 2), 2);
}

static void openblas_is_named_or_refused(void **state) {
  (void)state;
  Err err;
  Status status = gemm_blas_load(&err);
  if (status == NN_OK)
    assert_string_not_equal(gemm_blas_name(), "none");
  else
    assert_string_equal(gemm_blas_name(), "none");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_small_size_is_right),
      cmocka_unit_test(every_variant_is_right),
      cmocka_unit_test(blocked_products_are_right),
      cmocka_unit_test(bits_do_not_depend_on_alignment),
      cmocka_unit_test(not_a_number_is_not_lost),
      cmocka_unit_test(small_products_are_not_divided),
      cmocka_unit_test(openblas_is_named_or_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
