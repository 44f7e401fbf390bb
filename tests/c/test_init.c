/* Initialisers: moments, ranges, orthogonality, and that a value depends on its address alone. */
#include "test.h"

#include "layer/init.h"

#include <math.h>
#include <string.h>

static Tensor filled(InitId id, const double *args, DType dtype, int ndim, const int64_t *dims,
                     uint64_t seed, uint64_t stream) {
  Shape shape = shape_make(ndim, dims);
  Tensor tensor;
  Err err = {0};
  int64_t fan_in, fan_out;
  init_fans(&shape, &fan_in, &fan_out);
  assert_int_equal(tensor_new(&tensor, dtype, &shape, &err), NN_OK);
  if (init_fill(&tensor, id, args, fan_in, fan_out, seed, stream, &err) != NN_OK)
    fail_msg("%s", err.message);
  return tensor;
}

typedef struct Moments {
  double mean, std, low, high;
} Moments;

static Moments moments_of(const Tensor *tensor) {
  int64_t n = tensor_count(tensor);
  Moments m = {0, 0, INFINITY, -INFINITY};
  for (int64_t i = 0; i < n; i++) {
    double x = tensor_get(tensor, i);
    m.mean += x / (double)n;
    m.low = fmin(m.low, x), m.high = fmax(m.high, x);
  }
  for (int64_t i = 0; i < n; i++) m.std += pow(tensor_get(tensor, i) - m.mean, 2) / (double)n;
  m.std = sqrt(m.std);
  return m;
}

/* (200, 300): fan_in 300, fan_out 200. A bound of 0 means unbounded (normal). */
static void values_have_the_promised_mean_spread_and_range(void **state) {
  (void)state;
  const struct {
    const char *name;
    double args[2], mean, std, bound;
  } rows[] = {
      {"normal", {1.5, 0.25}, 1.5, 0.25, 0},
      {"uniform", {-1, 3}, 1, 4 / sqrt(12), 2},
      {"glorot_uniform", {1, 0}, 0, sqrt(2 / 500.0), sqrt(6 / 500.0)},
      {"glorot_normal", {2, 0}, 0, 2 * sqrt(2 / 500.0), 0},
      {"he_uniform", {1, 0}, 0, sqrt(2 / 300.0), sqrt(6 / 300.0)},
      {"he_normal", {1, 0}, 0, sqrt(2 / 300.0), 0},
      {"lecun_uniform", {1, 0}, 0, sqrt(1 / 300.0), sqrt(3 / 300.0)},
      {"lecun_normal", {1, 0}, 0, sqrt(1 / 300.0), 0},
      {"torch_default", {0, 0}, 0, sqrt(1 / 900.0), sqrt(1 / 300.0)},
  };
  const int64_t dims[] = {200, 300};
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
    Tensor t = filled(init_find(rows[k].name), rows[k].args, DTYPE_F64, 2, dims, 1, 2);
    Moments m = moments_of(&t);
    /* five standard errors of 60000 values */
    if (fabs(m.mean - rows[k].mean) > 5 * rows[k].std / sqrt(60000) ||
        fabs(m.std / rows[k].std - 1) > 5 / sqrt(120000))
      fail_msg("%s: mean %g, std %g; expected %g, %g", rows[k].name, m.mean, m.std, rows[k].mean,
               rows[k].std);
    if (rows[k].bound > 0) {
      assert_true(m.low >= rows[k].mean - rows[k].bound && m.high < rows[k].mean + rows[k].bound);
      assert_true(m.high - m.low > 1.99 * rows[k].bound);
    } else {
      assert_true(m.high > rows[k].mean + 3 * rows[k].std);
    }
    tensor_release(&t);
  }
}

static void constants_are_constant(void **state) {
  (void)state;
  const int64_t dims[] = {7, 3};
  const double value[] = {2.5};
  Tensor zeros = filled(INIT_zeros, NULL, DTYPE_F32, 2, dims, 1, 0);
  Tensor constant = filled(INIT_constant, value, DTYPE_F32, 2, dims, 1, 0);
  for (int64_t i = 0; i < 21; i++) {
    assert_true(tensor_get(&zeros, i) == 0);
    assert_true(tensor_get(&constant, i) == 2.5);
  }
  tensor_release(&zeros);
  tensor_release(&constant);
}

static void identity_has_its_gain_on_the_diagonal(void **state) {
  (void)state;
  const int64_t dims[] = {3, 5};
  const double gain[] = {0.5};
  Tensor t = filled(INIT_identity, gain, DTYPE_F32, 2, dims, 1, 0);
  for (int64_t i = 0; i < 15; i++) assert_true(tensor_get(&t, i) == (i % 6 == 0 ? 0.5 : 0));
  tensor_release(&t);
}

/* The fewer of rows and columns are orthogonal, of length `gain`. */
static void check_orthogonal(int ndim, const int64_t *dims, DType dtype, double gain,
                             double tolerance) {
  Tensor t = filled(INIT_orthogonal, &gain, dtype, ndim, dims, 3, 1);
  int64_t rows = dims[0], cols = tensor_count(&t) / rows;
  bool wide = rows <= cols;
  int64_t count = wide ? rows : cols, length = wide ? cols : rows;
  for (int64_t a = 0; a < count; a++)
    for (int64_t b = 0; b <= a; b++) {
      double sum = 0;
      for (int64_t i = 0; i < length; i++)
        sum += tensor_get(&t, wide ? a * cols + i : i * cols + a) *
               tensor_get(&t, wide ? b * cols + i : i * cols + b);
      assert_true(fabs(sum - (a == b ? gain * gain : 0)) <= tolerance);
    }
  tensor_release(&t);
}

static void orthogonal_rows_or_columns_are_orthonormal(void **state) {
  (void)state;
  check_orthogonal(2, (int64_t[]){31, 31}, DTYPE_F64, 1, 1e-14);
  check_orthogonal(2, (int64_t[]){17, 64}, DTYPE_F64, 2, 1e-14);
  check_orthogonal(2, (int64_t[]){64, 17}, DTYPE_F64, 1, 1e-14);
  check_orthogonal(4, (int64_t[]){8, 3, 5, 5}, DTYPE_F64, 1, 1e-14);
  check_orthogonal(2, (int64_t[]){40, 40}, DTYPE_F32, 1, 1e-6);
  check_orthogonal(2, (int64_t[]){1, 1}, DTYPE_F64, 1, 1e-14);
}

static void values_depend_on_seed_stream_and_place_alone(void **state) {
  (void)state;
  for (int id = INIT_normal; id <= INIT_torch_default; id++) {
    const double args[] = {1, 2};
    Tensor a = filled((InitId)id, args, DTYPE_F64, 2, (int64_t[]){30, 20}, 5, 6);
    Tensor single = filled((InitId)id, args, DTYPE_F32, 2, (int64_t[]){30, 20}, 5, 6);
    Tensor seed = filled((InitId)id, args, DTYPE_F64, 2, (int64_t[]){30, 20}, 6, 6);
    Tensor stream = filled((InitId)id, args, DTYPE_F64, 2, (int64_t[]){30, 20}, 5, 7);
    int same_seed = 0, same_stream = 0;
    for (int64_t i = 0; i < 600; i++) {
      assert_true((float)tensor_get(&a, i) == (float)tensor_get(&single, i));
      same_seed += tensor_get(&a, i) == tensor_get(&seed, i);
      same_stream += tensor_get(&a, i) == tensor_get(&stream, i);
    }
    assert_int_equal(same_seed + same_stream, 0);
    tensor_release(&a), tensor_release(&single);
    tensor_release(&seed), tensor_release(&stream);
  }
  /* a longer tensor begins with the shorter one's values */
  Tensor less = filled(INIT_normal, NULL, DTYPE_F64, 1, (int64_t[]){300}, 1, 1);
  Tensor more = filled(INIT_normal, NULL, DTYPE_F64, 1, (int64_t[]){1000}, 1, 1);
  assert_memory_equal(less.data, more.data, tensor_bytes(&less));
  tensor_release(&less), tensor_release(&more);
}

static void fans_follow_the_weight_layout(void **state) {
  (void)state;
  int64_t in, out;
  init_fans(&(Shape){4, {16, 3, 5, 7}}, &in, &out);
  assert_int_equal(in, 3 * 35);
  assert_int_equal(out, 16 * 35);
  init_fans(&(Shape){1, {9}}, &in, &out);
  assert_true(in == 9 && out == 9);
  init_fans(&(Shape){0, {0}}, &in, &out);
  assert_true(in == 1 && out == 1);
}

static void expect_refusal(InitId id, const double *args, DType dtype, Shape shape, int64_t fan,
                           Status status, const char *part) {
  Tensor tensor;
  Err err = {0};
  assert_int_equal(tensor_new(&tensor, dtype, &shape, &err), NN_OK);
  assert_int_equal(init_fill(&tensor, id, args, fan, fan, 1, 1, &err), status);
  if (status != NN_OK && !strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
  tensor_release(&tensor);
}

static void refuses_what_makes_no_sense(void **state) {
  (void)state;
  Shape vector = {1, {4}}, matrix = {2, {4, 4}}, cube = {3, {2, 2, 2}}, empty = {2, {4, 0}};
  expect_refusal(INIT_orthogonal, NULL, DTYPE_F32, vector, 4, NN_SHAPE, "two axes, got shape (4,)");
  expect_refusal(INIT_identity, NULL, DTYPE_F32, cube, 4, NN_SHAPE, "a matrix");
  expect_refusal(INIT_he_normal, NULL, DTYPE_F32, matrix, 0, NN_SHAPE, "fan_in 0");
  expect_refusal(INIT_he_normal, NULL, DTYPE_F32, empty, 0, NN_OK, "");
  expect_refusal(INIT_orthogonal, NULL, DTYPE_F32, empty, 0, NN_OK, "");
  expect_refusal(INIT_normal, NULL, DTYPE_I64, matrix, 4, NN_DTYPE, "int64");
  expect_refusal(INIT_normal, (double[]){0, -1}, DTYPE_F32, matrix, 4, NN_BAD_ARGUMENT, "-1");
  expect_refusal(INIT_uniform, (double[]){2, 1}, DTYPE_F32, matrix, 4, NN_BAD_ARGUMENT, "uniform");
  expect_refusal(INIT_constant, (double[]){NAN}, DTYPE_F32, matrix, 4, NN_BAD_ARGUMENT, "value");
}

static void every_row_has_help_and_is_found_by_name(void **state) {
  (void)state;
  for (int id = 0; id < INIT_COUNT; id++) {
    const InitInfo *info = init_info((InitId)id);
    assert_true(strlen(info->help) > 0);
    assert_int_equal(init_find(info->name), id);
  }
  assert_int_equal(init_find("he"), INIT_COUNT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_have_the_promised_mean_spread_and_range),
      cmocka_unit_test(constants_are_constant),
      cmocka_unit_test(identity_has_its_gain_on_the_diagonal),
      cmocka_unit_test(orthogonal_rows_or_columns_are_orthonormal),
      cmocka_unit_test(values_depend_on_seed_stream_and_place_alone),
      cmocka_unit_test(fans_follow_the_weight_layout),
      cmocka_unit_test(refuses_what_makes_no_sense),
      cmocka_unit_test(every_row_has_help_and_is_found_by_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
