/* Tensors: shapes that are checked, buffers that are shared, conversions. */
#include "test.h"

#include "fail_alloc.h"

#include "tensor/tensor.h"

#include <string.h>

#define SHAPE(...)                                                                                 \
  shape_make((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

/* A tensor whose elements are their flat index. */
static Tensor counting(DType dtype, Shape shape) {
  Tensor tensor;
  assert_int_equal(tensor_new(&tensor, dtype, &shape, NULL), NN_OK);
  for (int64_t i = 0; i < tensor_count(&tensor); i++) tensor_set(&tensor, i, (double)i);
  return tensor;
}

static void element_types_have_names_and_sizes(void **state) {
  (void)state;
  assert_string_equal(dtype_name(DTYPE_F32), "float32");
  assert_string_equal(dtype_name(DTYPE_COUNT), "unknown");
  assert_int_equal(dtype_size(DTYPE_F32), 4);
  assert_int_equal(dtype_size(DTYPE_F64), 8);
  assert_int_equal(dtype_size(DTYPE_I64), 8);
}

static void shapes_are_written_as_people_write_them(void **state) {
  (void)state;
  char text[SHAPE_TEXT_SIZE];
  Shape scalar = {0}, vector = SHAPE(5), matrix = SHAPE(64, 784), largest = {.ndim = MAX_DIMS};
  assert_string_equal(shape_text(&scalar, text), "()");
  assert_string_equal(shape_text(&vector, text), "(5,)");
  assert_string_equal(shape_text(&matrix, text), "(64, 784)");
  for (int i = 0; i < MAX_DIMS; i++) largest.dims[i] = INT64_MIN;
  assert_in_range(strlen(shape_text(&largest, text)), 176, SHAPE_TEXT_SIZE - 1);
}

static void shapes_are_equal_when_all_axes_are(void **state) {
  (void)state;
  Shape a = SHAPE(2, 3), b = SHAPE(2, 3), c = SHAPE(3, 2), d = SHAPE(2, 3, 1);
  assert_true(shape_equal(&a, &b));
  assert_false(shape_equal(&a, &c));
  assert_false(shape_equal(&a, &d));
  assert_int_equal(shape_count(&a), 6);
}

static void impossible_shapes_are_refused(void **state) {
  (void)state;
  static const struct {
    int ndim;
    int64_t dims[MAX_DIMS];
    Status status;
    const char *says;
  } cases[] = {
      {2, {3, -1}, NN_SHAPE, "axis 2 of (3, -1) is negative"},
      {MAX_DIMS + 1, {0}, NN_SHAPE, "0 to 8 axes, not 9"},
      {-1, {0}, NN_SHAPE, "0 to 8 axes, not -1"},
      {1, {INT64_MAX}, NN_TOO_LARGE, "does not fit in memory"},
      {3, {1 << 30, 1 << 30, 1 << 30}, NN_TOO_LARGE, "(1073741824, 1073741824, 1073741824)"},
      {3, {0, INT64_MAX, INT64_MAX}, NN_TOO_LARGE, "does not fit"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    Shape shape = {.ndim = cases[i].ndim};
    memcpy(shape.dims, cases[i].dims, sizeof shape.dims);
    Tensor tensor;
    Err err;
    assert_int_equal(tensor_new(&tensor, DTYPE_F32, &shape, &err), cases[i].status);
    assert_int_equal(err.status, cases[i].status);
    assert_non_null(strstr(err.message, cases[i].says));
    assert_null(tensor.buffer);
  }
}

static void a_new_tensor_is_zero_and_aligned(void **state) {
  (void)state;
  for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
    Tensor tensor;
    Shape shape = SHAPE(3, 5, 7);
    assert_int_equal(tensor_new(&tensor, (DType)dtype, &shape, NULL), NN_OK);
    assert_int_equal((uintptr_t)tensor.data % TENSOR_ALIGN, 0);
    assert_int_equal(tensor_bytes(&tensor), 105 * dtype_size((DType)dtype));
    for (int64_t i = 0; i < 105; i++) assert_true(tensor_get(&tensor, i) == 0);
    tensor_release(&tensor);
  }
}

static void large_tensors_are_zero_and_aligned_too(void **state) {
  (void)state;
  Tensor tensor;
  Shape shape = SHAPE(1100, 1024);
  assert_int_equal(tensor_new(&tensor, DTYPE_F64, &shape, NULL), NN_OK);
  assert_int_equal((uintptr_t)tensor.data % TENSOR_ALIGN, 0);
  assert_true(tensor_get(&tensor, 0) == 0 && tensor_get(&tensor, 1100 * 1024 - 1) == 0);
  tensor_release(&tensor);
}

static void scalars_and_empty_tensors_exist(void **state) {
  (void)state;
  Shape scalar = {0}, empty = SHAPE(0, 4);
  Tensor tensor;
  assert_int_equal(tensor_new(&tensor, DTYPE_F32, &scalar, NULL), NN_OK);
  assert_int_equal(tensor_count(&tensor), 1);
  tensor_set(&tensor, 0, 2.5);
  assert_true(tensor_get(&tensor, 0) == 2.5);
  tensor_release(&tensor);
  assert_int_equal(tensor_new(&tensor, DTYPE_F32, &empty, NULL), NN_OK);
  assert_int_equal(tensor_count(&tensor), 0);
  tensor_release(&tensor);
  tensor_release(&tensor); /* harmless */
}

static void a_shared_buffer_lives_until_the_last_release(void **state) {
  (void)state;
  Tensor first = counting(DTYPE_F32, SHAPE(4)), second = tensor_share(&first);
  tensor_set(&first, 2, 20);
  tensor_release(&first);
  assert_null(first.data);
  assert_true(tensor_get(&second, 2) == 20);
  tensor_release(&second);
}

static void reshaping_shares_the_elements(void **state) {
  (void)state;
  Tensor tensor = counting(DTYPE_F64, SHAPE(2, 6)), other;
  Shape fits = SHAPE(3, 4), does_not = SHAPE(5);
  Err err;
  assert_int_equal(tensor_reshape(&other, &tensor, &fits, &err), NN_OK);
  assert_ptr_equal(other.data, tensor.data);
  assert_true(shape_equal(&other.shape, &fits));
  tensor_release(&other);
  assert_int_equal(tensor_reshape(&other, &tensor, &does_not, &err), NN_SHAPE);
  assert_string_equal(err.message, "cannot reshape (2, 6) to (5,): 12 elements against 5");
  assert_null(other.buffer);
  tensor_release(&tensor);
}

static void rows_are_a_window_on_the_same_elements(void **state) {
  (void)state;
  Tensor tensor = counting(DTYPE_I64, SHAPE(5, 2, 3)), rows;
  assert_int_equal(tensor_rows(&rows, &tensor, 1, 4, NULL), NN_OK);
  Shape expected = SHAPE(3, 2, 3);
  assert_true(shape_equal(&rows.shape, &expected));
  for (int64_t i = 0; i < 18; i++) assert_true(tensor_get(&rows, i) == (double)(6 + i));
  tensor_release(&tensor);
  assert_true(tensor_get(&rows, 17) == 23);
  tensor_release(&rows);
}

static void rows_outside_are_refused(void **state) {
  (void)state;
  static const int64_t bad[][2] = {{-1, 2}, {0, 6}, {3, 2}, {-5, 100}};
  Tensor tensor = counting(DTYPE_F32, SHAPE(5, 2)), rows, scalar;
  Err err;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(tensor_rows(&rows, &tensor, bad[i][0], bad[i][1], &err), NN_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "outside the 5 rows"));
    assert_null(rows.buffer);
  }
  assert_int_equal(tensor_rows(&rows, &tensor, 5, 5, &err), NN_OK); /* none */
  assert_int_equal(tensor_count(&rows), 0);
  tensor_release(&rows);
  scalar = counting(DTYPE_F32, (Shape){0});
  assert_int_equal(tensor_rows(&rows, &scalar, 0, 1, &err), NN_SHAPE);
  tensor_release(&scalar);
  tensor_release(&tensor);
}

static void conversion_copies_and_truncates_towards_zero(void **state) {
  (void)state;
  static const double from[] = {-1.75, -0.5, 0.5, 16777217, 3e9};
  static const double as_float[] = {-1.75, -0.5, 0.5, 16777216, 3e9};
  static const double as_int[] = {-1, 0, 0, 16777217, 3e9};
  Tensor tensor = counting(DTYPE_F64, SHAPE(5)), other;
  for (int64_t i = 0; i < 5; i++) tensor_set(&tensor, i, from[i]);
  for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
    assert_int_equal(tensor_convert(&other, &tensor, (DType)dtype, NULL), NN_OK);
    assert_int_equal(other.dtype, dtype);
    assert_ptr_not_equal(other.data, tensor.data);
    const double *expected = dtype == DTYPE_F32 ? as_float : dtype == DTYPE_I64 ? as_int : from;
    for (int64_t i = 0; i < 5; i++) assert_true(tensor_get(&other, i) == expected[i]);
    tensor_release(&other);
  }
  tensor_release(&tensor);
}

static void running_out_of_memory_is_reported_and_leaves_nothing(void **state) {
  (void)state;
  /* A small tensor is one allocation; a large one has its elements in huge pages of their own. */
  for (int large = 0; large <= 1; large++) {
    Shape shape = SHAPE(10, large ? 1 << 20 : 10);
    int failures = 0;
    for (int n = 1;; n++) {
      Tensor tensor;
      Err err;
      fail_alloc_at(n);
      Status status = tensor_new(&tensor, DTYPE_F32, &shape, &err);
      fail_alloc_off();
      if (status == NN_OK) {
        tensor_release(&tensor);
        break;
      }
      failures++;
      assert_int_equal(status, NN_NO_MEMORY);
      if (!large)
        assert_string_equal(err.message,
                            "no memory for a float32 tensor of shape (10, 10) (400 bytes)");
      assert_null(tensor.buffer);
    }
    assert_int_equal(failures, 1 + large);
  }
}

static void a_buffer_counts_its_writers(void **state) {
  (void)state;
  Err err;
  Tensor tensor;
  Shape shape = SHAPE(3);
  assert_int_equal(tensor_new(&tensor, DTYPE_F32, &shape, &err), NN_OK);
  Tensor other = tensor_share(&tensor);
  unsigned before = tensor_version(&tensor);
  tensor_touch(&other);
  assert_int_equal(tensor_version(&tensor), before + 1);
  tensor_release(&other);
  tensor_release(&tensor);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(element_types_have_names_and_sizes),
      cmocka_unit_test(shapes_are_written_as_people_write_them),
      cmocka_unit_test(shapes_are_equal_when_all_axes_are),
      cmocka_unit_test(impossible_shapes_are_refused),
      cmocka_unit_test(a_new_tensor_is_zero_and_aligned),
      cmocka_unit_test(large_tensors_are_zero_and_aligned_too),
      cmocka_unit_test(scalars_and_empty_tensors_exist),
      cmocka_unit_test(a_shared_buffer_lives_until_the_last_release),
      cmocka_unit_test(reshaping_shares_the_elements),
      cmocka_unit_test(rows_are_a_window_on_the_same_elements),
      cmocka_unit_test(rows_outside_are_refused),
      cmocka_unit_test(conversion_copies_and_truncates_towards_zero),
      cmocka_unit_test(running_out_of_memory_is_reported_and_leaves_nothing),
      cmocka_unit_test(a_buffer_counts_its_writers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
