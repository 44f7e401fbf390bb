/* Rows split, gathered, scaled and checked; generated sets; HDF5 where the library is. */
#include "test.h"

#include "base/rng.h"
#include "data/batch.h"
#include "data/generate.h"
#include "data/hdf5.h"
#include "data/split.h"
#include "data/transform.h"
#include "data_files.h"

#include <math.h>

static void sizes_go_by_largest_remainder(void **state) {
  (void)state;
  int64_t sizes[4];
  const double tenths[] = {0.8, 0.1, 0.1};
  assert_int_equal(split_sizes(sizes, tenths, 3, 60000, NULL), NN_OK);
  assert_true(sizes[0] == 48000 && sizes[1] == 6000 && sizes[2] == 6000);
  assert_int_equal(split_sizes(sizes, tenths, 3, 11, NULL), NN_OK);
  assert_true(sizes[0] == 9 && sizes[1] == 1 && sizes[2] == 1);
  const double weights[] = {2, 2, 2, 1};
  assert_int_equal(split_sizes(sizes, weights, 4, 3, NULL), NN_OK);
  assert_true(sizes[0] == 1 && sizes[1] == 1 && sizes[2] == 1 && sizes[3] == 0);
  const double sevenths[] = {0.7, 0.3};
  assert_int_equal(split_sizes(sizes, sevenths, 2, 10, NULL), NN_OK);
  assert_true(sizes[0] == 7 && sizes[1] == 3);
}

static void shares_must_be_positive(void **state) {
  (void)state;
  int64_t sizes[2];
  Err err;
  assert_int_equal(split_sizes(sizes, (double[]){1, 0}, 2, 9, &err), NN_BAD_ARGUMENT);
  assert_mentions(&err, "share 2");
  assert_int_equal(split_sizes(sizes, (double[]){NAN, 1}, 2, 9, &err), NN_BAD_ARGUMENT);
  assert_int_equal(split_sizes(sizes, (double[]){1, INFINITY}, 2, 9, &err), NN_BAD_ARGUMENT);
  assert_int_equal(split_sizes(sizes, (double[]){1}, 0, 9, &err), NN_BAD_ARGUMENT);
}

enum { ROWS = 1003, CLASSES = 7 };

static void assert_every_row_once(const int64_t *order, const int64_t *sizes, int parts) {
  bool seen[ROWS] = {false};
  int64_t total = 0;
  for (int p = 0; p < parts; p++) total += sizes[p];
  assert_int_equal(total, ROWS);
  for (int i = 0; i < ROWS; i++) {
    assert_in_range(order[i], 0, ROWS - 1);
    assert_false(seen[order[i]]);
    seen[order[i]] = true;
  }
}

static void every_row_is_in_exactly_one_part(void **state) {
  (void)state;
  int64_t order[ROWS], again[ROWS], sizes[3];
  const double shares[] = {0.8, 0.1, 0.1};
  assert_int_equal(split_rows(order, sizes, shares, 3, ROWS, NULL, 0, 1, NULL), NN_OK);
  assert_every_row_once(order, sizes, 3);
  assert_int_equal(split_rows(again, sizes, shares, 3, ROWS, NULL, 0, 1, NULL), NN_OK);
  assert_memory_equal(order, again, sizeof order);
  assert_int_equal(split_rows(again, sizes, shares, 3, ROWS, NULL, 0, 2, NULL), NN_OK);
  assert_memory_not_equal(order, again, sizeof order);
}

static void stratified_parts_keep_the_shares_of_classes(void **state) {
  (void)state;
  int64_t labels[ROWS], order[ROWS], sizes[3], plain[3], counts[CLASSES] = {0};
  Rng rng = rng_make(5, RNG_USER, 0);
  for (int i = 0; i < ROWS; i++) { /* classes of very different sizes, one of them empty */
    double u = rng_uniform(&rng, (uint64_t)i);
    labels[i] = u < 0.005 ? 5 : (int64_t)(u * u * 5);
    counts[labels[i]]++;
  }
  for (uint64_t seed = 0; seed < 20; seed++) {
    double shares[] = {0.61 + 0.01 * (double)seed, 0.2, 0.1};
    double total = shares[0] + shares[1] + shares[2];
    assert_int_equal(split_rows(order, sizes, shares, 3, ROWS, labels, CLASSES, seed, NULL), NN_OK);
    assert_every_row_once(order, sizes, 3);
    split_sizes(plain, shares, 3, ROWS, NULL);
    assert_memory_equal(sizes, plain, sizeof sizes);
    for (int64_t p = 0, at = 0; p < 3; at += sizes[p++]) {
      int64_t found[CLASSES] = {0};
      for (int64_t i = at; i < at + sizes[p]; i++) found[labels[order[i]]]++;
      for (int c = 0; c < CLASSES; c++) {
        double exact = (double)counts[c] * shares[p] / total;
        assert_true(fabs((double)found[c] - exact) < 2);
      }
    }
  }
}

static void labels_outside_the_classes_are_named(void **state) {
  (void)state;
  int64_t labels[] = {0, 1, 2}, order[3], sizes[1];
  Err err;
  assert_int_equal(split_rows(order, sizes, (double[]){1}, 1, 3, labels, 2, 0, &err),
                   NN_BAD_ARGUMENT);
  assert_mentions(&err, "label 2 of row 3");
}

static Tensor counting(DType dtype, int ndim, const int64_t *dims) {
  Tensor x;
  Shape shape = shape_make(ndim, dims);
  assert_int_equal(tensor_new(&x, dtype, &shape, NULL), NN_OK);
  for (int64_t i = 0; i < tensor_count(&x); i++) tensor_set(&x, i, (double)i);
  return x;
}

static void rows_are_gathered_whole_at_every_width(void **state) {
  (void)state;
  static const int64_t widths[] = {1, 2, 3, 5, 784, 5000};
  for (int dtype = 0; dtype < DTYPE_COUNT; dtype++)
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
      Tensor x = counting((DType)dtype, 2, (int64_t[]){40, widths[w]}), out;
      const int64_t rows[] = {39, 0, 7, 7, 12, 3, 38, 1, 2, 30, 21, 22, 23, 24, 5, 6, 8, 9, 10, 39};
      int64_t count = sizeof rows / sizeof *rows;
      assert_int_equal(batch_take(&out, &x, rows, count, NULL), NN_OK);
      for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < widths[w]; c++)
          assert_true(tensor_get(&out, i * widths[w] + c) ==
                      tensor_get(&x, rows[i] * widths[w] + c));
      tensor_release(&out);
      tensor_release(&x);
    }
  Tensor x = counting(DTYPE_F32, 1, (int64_t[]){3}), out;
  Err err;
  assert_int_equal(batch_take(&out, &x, (int64_t[]){0, 3}, 2, &err), NN_BAD_ARGUMENT);
  assert_mentions(&err, "row 4 is outside the 3 rows");
  assert_int_equal(batch_take(&out, &x, NULL, 0, NULL), NN_OK);
  assert_int_equal(out.shape.dims[0], 0);
  tensor_release(&out);
  tensor_release(&x);
}

static void statistics_leave_nans_out(void **state) {
  (void)state;
  Tensor x = counting(DTYPE_F32, 2, (int64_t[]){3, 3}), stats;
  tensor_set(&x, 4, NAN);
  for (int i = 0; i < 3; i++) tensor_set(&x, i * 3 + 2, NAN);
  assert_int_equal(transform_stats(&stats, &x, NULL), NN_OK);
  const double *s = stats.data;
  assert_true(s[STAT_MEAN * 3] == 3 && fabs(s[STAT_STD * 3] - sqrt(6)) < 1e-15);
  assert_true(s[STAT_MEAN * 3 + 1] == 4 && s[STAT_MIN * 3 + 1] == 1 && s[STAT_MAX * 3 + 1] == 7);
  assert_true(s[STAT_MISSING * 3 + 1] == 1 && s[STAT_MISSING * 3 + 2] == 3);
  assert_true(isnan(s[STAT_MEAN * 3 + 2]) && isnan(s[STAT_MIN * 3 + 2]));
  tensor_release(&stats);
  tensor_release(&x);
}

static void scaling_is_by_column(void **state) {
  (void)state;
  Tensor shift = counting(DTYPE_F64, 1, (int64_t[]){2}),
         scale = counting(DTYPE_F64, 1, (int64_t[]){2});
  tensor_set(&scale, 0, 2);
  tensor_set(&scale, 1, 4);
  for (int dtype = 0; dtype <= DTYPE_F64; dtype++) {
    Tensor x = counting((DType)dtype, 2, (int64_t[]){2, 2}), out;
    assert_int_equal(transform_scale(&out, &x, &shift, &scale, NULL), NN_OK);
    const double expected[] = {0, 0, 1, 0.5};
    for (int i = 0; i < 4; i++) assert_true(tensor_get(&out, i) == expected[i]);
    assert_int_equal(transform_divide(&out, 0.5, NULL), NN_OK);
    assert_true(tensor_get(&out, 3) == 1);
    tensor_release(&out);
    tensor_release(&x);
  }
  Tensor y = counting(DTYPE_I64, 2, (int64_t[]){2, 2}),
         wide = counting(DTYPE_F32, 2, (int64_t[]){2, 3}), out;
  Err err;
  assert_int_equal(transform_scale(&out, &y, &shift, &scale, &err), NN_DTYPE);
  assert_int_equal(transform_scale(&out, &wide, &shift, &scale, &err), NN_SHAPE);
  assert_mentions(&err, "2 columns is applied to 3");
  assert_int_equal(transform_divide(&wide, 0, &err), NN_BAD_ARGUMENT);
  tensor_release(&y);
  tensor_release(&wide);
  tensor_release(&shift);
  tensor_release(&scale);
}

static void one_hot_rows_have_a_single_one(void **state) {
  (void)state;
  Tensor y = counting(DTYPE_I64, 1, (int64_t[]){3}), out;
  Err err;
  assert_int_equal(transform_one_hot(&out, &y, 3, DTYPE_F32, NULL), NN_OK);
  for (int i = 0; i < 9; i++) assert_true(tensor_get(&out, i) == (i % 4 == 0));
  tensor_release(&out);
  assert_int_equal(transform_one_hot(&out, &y, 2, DTYPE_F32, &err), NN_FORMAT);
  assert_mentions(&err, "the label of row 3 is 2, outside the 2 classes 0 to 1");
  ((int64_t *)y.data)[1] = -1;
  assert_int_equal(check_labels(&y, 3, &err), NN_FORMAT);
  assert_mentions(&err, "row 2 is -1");
  tensor_release(&y);
}

static void the_first_nan_is_named_by_row_and_column(void **state) {
  (void)state;
  for (int dtype = 0; dtype <= DTYPE_F64; dtype++) {
    Tensor x = counting((DType)dtype, 3, (int64_t[]){500, 2, 3});
    Err err;
    assert_int_equal(check_finite(&x, NULL, NULL), NN_OK);
    tensor_set(&x, 2999, -INFINITY);
    assert_int_equal(check_finite(&x, NULL, &err), NN_FORMAT);
    assert_mentions(&err, "row 500, column 6 is -infinity");
    tensor_set(&x, 1201, NAN);
    const char *const names[] = {"a", "age", "c", "d", "e", "f"};
    assert_int_equal(check_finite(&x, names, &err), NN_FORMAT);
    assert_mentions(&err, "row 201, column 2 ('age') is NaN");
    tensor_release(&x);
  }
}

static void hashes_tell_type_shape_and_contents_apart(void **state) {
  (void)state;
  Tensor tensors[] = {
      counting(DTYPE_F32, 2, (int64_t[]){2, 3}), counting(DTYPE_F32, 2, (int64_t[]){3, 2}),
      counting(DTYPE_F64, 2, (int64_t[]){2, 3}), counting(DTYPE_F32, 2, (int64_t[]){2, 3})};
  char hex[4][SHA256_HEX_SIZE];
  for (int i = 0; i < 4; i++) {
    Sha256 sha;
    sha256_begin(&sha);
    tensor_hash(&sha, &tensors[i]);
    sha256_end(&sha, hex[i]);
    tensor_release(&tensors[i]);
  }
  assert_string_equal(hex[0], hex[3]);
  assert_string_not_equal(hex[0], hex[1]);
  assert_string_not_equal(hex[0], hex[2]);
}

static const struct {
  const char *name;
  Generator make;
  double shape;
} generators[] = {
    {"planar flower", generate_planar_flower, 4},
    {"moons", generate_moons, 1},
    {"circles", generate_circles, 0.5},
    {"spiral", generate_spiral, 4},
    {"blobs", generate_blobs, 10},
    {"xor", generate_xor, 1},
    {"regression", generate_regression, 1},
};
enum { GENERATORS = sizeof generators / sizeof *generators };

static void generated_sets_depend_on_the_seed_alone(void **state) {
  (void)state;
  for (int g = 0; g < GENERATORS; g++) {
    Generate options = {.rows = 101,
                        .classes = 2,
                        .features = 2,
                        .noise = 0.1,
                        .shape = generators[g].shape,
                        .seed = 3,
                        .dtype = DTYPE_F64};
    Tensor x[3], y[3];
    for (int i = 0; i < 3; i++) {
      options.seed = i == 2 ? 4 : 3;
      assert_int_equal(generators[g].make(&x[i], &y[i], &options, NULL), NN_OK);
      assert_int_equal(check_finite(&x[i], NULL, NULL), NN_OK);
    }
    assert_memory_equal(x[0].data, x[1].data, tensor_bytes(&x[0]));
    assert_memory_equal(y[0].data, y[1].data, tensor_bytes(&y[0]));
    assert_memory_not_equal(x[0].data, x[2].data, tensor_bytes(&x[0]));
    for (int i = 0; i < 3; i++) {
      tensor_release(&x[i]);
      tensor_release(&y[i]);
    }
  }
}

static void classes_share_the_rows_evenly(void **state) {
  (void)state;
  for (int g = 0; g < GENERATORS - 1; g++) {
    Generate options = {.rows = 101,
                        .classes = 2,
                        .features = 2,
                        .noise = 0.1,
                        .shape = generators[g].shape,
                        .dtype = DTYPE_F32};
    Tensor x, y;
    assert_int_equal(generators[g].make(&x, &y, &options, NULL), NN_OK);
    int64_t ones = 0;
    for (int i = 0; i < 101; i++) ones += (int64_t)tensor_get(&y, i);
    assert_int_equal(ones, 50);
    tensor_release(&x);
    tensor_release(&y);
  }
}

static void noiseless_points_lie_where_they_should(void **state) {
  (void)state;
  Generate options = {.rows = 200, .classes = 3, .features = 4, .shape = 0.5, .dtype = DTYPE_F64};
  Tensor x, y;
  assert_int_equal(generate_circles(&x, &y, &options, NULL), NN_OK);
  for (int i = 0; i < 200; i++) {
    double radius = hypot(tensor_get(&x, 2 * i), tensor_get(&x, 2 * i + 1));
    assert_true(fabs(radius - (tensor_get(&y, i) == 0 ? 1 : 0.5)) < 1e-12);
  }
  tensor_release(&x);
  tensor_release(&y);
  assert_int_equal(generate_xor(&x, &y, &options, NULL), NN_OK);
  for (int i = 0; i < 200; i++)
    assert_true((tensor_get(&x, 2 * i) * tensor_get(&x, 2 * i + 1) < 0) ==
                (tensor_get(&y, i) == 1));
  tensor_release(&x);
  tensor_release(&y);
  assert_int_equal(generate_blobs(&x, &y, &options, NULL), NN_OK);
  assert_int_equal(x.shape.dims[1], 4);
  assert_true(tensor_get(&y, 199) == 2);
  assert_memory_equal(x.data, (double *)x.data + 4, 4 * sizeof(double)); /* all at the centre */
  tensor_release(&x);
  tensor_release(&y);
}

static void wrong_generator_options_are_named(void **state) {
  (void)state;
  Tensor x, y;
  Err err;
  Generate options = {.rows = 0, .classes = 2, .features = 2, .dtype = DTYPE_F32};
  assert_int_equal(generate_moons(&x, &y, &options, &err), NN_BAD_ARGUMENT);
  options.rows = 10;
  options.noise = NAN;
  assert_int_equal(generate_moons(&x, &y, &options, &err), NN_BAD_ARGUMENT);
  assert_mentions(&err, "noise");
  options.noise = 0;
  options.classes = 11;
  assert_int_equal(generate_blobs(&x, &y, &options, &err), NN_BAD_ARGUMENT);
  assert_mentions(&err, "10 rows are too few for 11 classes");
}

static void hdf5_numbers_and_text_are_read(void **state) {
  (void)state;
  char path[TEST_PATH_SIZE];
  ArrayList list;
  Err err;
  if (!test_shared(path, "cats/test_catvnoncat.h5")) skip();
  Status status = hdf5_read(&list, path, &err);
  if (status == NN_UNSUPPORTED) {
    printf("[  SKIP    ] %s\n", err.message);
    skip();
  }
  assert_int_equal(status, NN_OK);
  assert_int_equal(list.count, 3);
  assert_string_equal(list.items[0].name, "list_classes");
  assert_string_equal(list.items[0].texts[1], "cat");
  assert_int_equal(list.items[1].tensor.shape.dims[3], 3);
  array_list_free(&list);
}

static void files_that_are_not_hdf5_are_refused(void **state) {
  (void)state;
  char path[TEST_PATH_SIZE];
  ArrayList list;
  Err err;
  test_file(path, "hello", 5);
  assert_int_equal(hdf5_read(&list, path, &err), NN_FORMAT);
  assert_mentions(&err, "not an HDF5 file");
  unlink(path);
  test_file(path, "\x89HDF\r\n\x1a\n cut", 12);
  Status status = hdf5_read(&list, path, &err);
  assert_true(status == NN_FORMAT || status == NN_UNSUPPORTED);
  unlink(path);
  assert_int_equal(hdf5_read(&list, path, &err), NN_NOT_FOUND);
  assert_int_equal(hdf5_read(&list, "/tmp", &err), NN_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_go_by_largest_remainder),
      cmocka_unit_test(shares_must_be_positive),
      cmocka_unit_test(every_row_is_in_exactly_one_part),
      cmocka_unit_test(stratified_parts_keep_the_shares_of_classes),
      cmocka_unit_test(labels_outside_the_classes_are_named),
      cmocka_unit_test(rows_are_gathered_whole_at_every_width),
      cmocka_unit_test(statistics_leave_nans_out),
      cmocka_unit_test(scaling_is_by_column),
      cmocka_unit_test(one_hot_rows_have_a_single_one),
      cmocka_unit_test(the_first_nan_is_named_by_row_and_column),
      cmocka_unit_test(hashes_tell_type_shape_and_contents_apart),
      cmocka_unit_test(generated_sets_depend_on_the_seed_alone),
      cmocka_unit_test(classes_share_the_rows_evenly),
      cmocka_unit_test(noiseless_points_lie_where_they_should),
      cmocka_unit_test(wrong_generator_options_are_named),
      cmocka_unit_test(hdf5_numbers_and_text_are_read),
      cmocka_unit_test(files_that_are_not_hdf5_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
