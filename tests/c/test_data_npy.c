/* NPY and NPZ: every element type and order numpy writes, what is refused, and writing. */
#include "test.h"

#include "base/arena.h"
#include "data/npy.h"
#include "data/npz.h"
#include "data/zip.h"
#include "data_files.h"

enum { FILE_ROOM = 1024 };

/* A version 1 or 2 file around a header text and raw data. */
static size_t make_npy(unsigned char *out, int major, const char *header, const void *data,
                       size_t size) {
  size_t length = strlen(header), prefix = major == 1 ? 10 : 12;
  memcpy(out, "\x93NUMPY", 6);
  out[6] = (unsigned char)major;
  out[7] = 0;
  memset(out + 8, 0, 4);
  out[8] = (unsigned char)length;
  memcpy(out + prefix, header, length);
  if (size > 0) memcpy(out + prefix + length, data, size);
  return prefix + length + size;
}

static Status parse(Tensor *out, int major, const char *header, const void *data, size_t size,
                    Err *err) {
  unsigned char bytes[FILE_ROOM];
  size_t whole = make_npy(bytes, major, header, data, size);
  return npy_parse(out, bytes, whole, DTYPE_COUNT, "f.npy", err);
}

#define HEADER(descr, order, shape)                                                                \
  "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }"

static void every_element_type_has_its_natural_tensor_type(void **state) {
  (void)state;
  static const struct {
    const char *header;
    const char *data;
    size_t size;
    DType dtype;
    double value;
  } cases[] = {
      {HEADER("<f4", "False", "(1,)"), "\0\0\xc0\x3f", 4, DTYPE_F32, 1.5},
      {HEADER(">f4", "False", "(1,)"), "\x3f\xc0\0\0", 4, DTYPE_F32, 1.5},
      {HEADER("<f8", "False", "(1,)"), "\0\0\0\0\0\0\xf8\xbf", 8, DTYPE_F64, -1.5},
      {HEADER(">f8", "False", "(1,)"), "\xbf\xf8\0\0\0\0\0\0", 8, DTYPE_F64, -1.5},
      {HEADER("<i4", "False", "(1,)"), "\xfe\xff\xff\xff", 4, DTYPE_I64, -2},
      {HEADER(">i8", "False", "(1,)"), "\xff\xff\xff\xff\xff\xff\xff\xfe", 8, DTYPE_I64, -2},
      {HEADER("|u1", "False", "(1,)"), "\xff", 1, DTYPE_I64, 255},
      {HEADER("|i1", "False", "(1,)"), "\xff", 1, DTYPE_I64, -1},
      {HEADER("|b1", "False", "(1,)"), "\x01", 1, DTYPE_I64, 1},
      {HEADER("<u2", "False", "(1,)"), "\x01\x02", 2, DTYPE_I64, 513},
      {HEADER("<u4", "False", "(1,)"), "\xff\xff\xff\xff", 4, DTYPE_I64, 4294967295.0},
      {HEADER("<u8", "False", "(1,)"), "\x07\0\0\0\0\0\0\0", 8, DTYPE_I64, 7},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Tensor x;
    assert_int_equal(
        parse(&x, 1 + (int)(i % 3), cases[i].header, cases[i].data, cases[i].size, NULL), NN_OK);
    assert_int_equal(x.dtype, cases[i].dtype);
    assert_true(tensor_get(&x, 0) == cases[i].value);
    tensor_release(&x);
  }
}

static void fortran_order_becomes_row_major(void **state) {
  (void)state;
  Tensor x;
  /* shape (2, 3, 2), element (i, j, k) holds 100 i + 10 j + k */
  unsigned char data[12];
  size_t n = 0;
  for (int k = 0; k < 2; k++)
    for (int j = 0; j < 3; j++)
      for (int i = 0; i < 2; i++) data[n++] = (unsigned char)(100 * i + 10 * j + k);
  assert_int_equal(parse(&x, 1, HEADER("|u1", "True", "(2, 3, 2)"), data, n, NULL), NN_OK);
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 3; j++)
      for (int k = 0; k < 2; k++)
        assert_true(tensor_get(&x, (i * 3 + j) * 2 + k) == 100 * i + 10 * j + k);
  tensor_release(&x);
}

static void scalars_and_empty_arrays_are_arrays(void **state) {
  (void)state;
  Tensor x;
  assert_int_equal(parse(&x, 1, HEADER("|u1", "False", "()"), "\x05", 1, NULL), NN_OK);
  assert_int_equal(x.shape.ndim, 0);
  assert_true(tensor_get(&x, 0) == 5);
  tensor_release(&x);
  assert_int_equal(parse(&x, 1, HEADER("<f8", "True", "(0, 4)"), "", 0, NULL), NN_OK);
  assert_int_equal(x.shape.dims[1], 4);
  tensor_release(&x);
}

static void headers_are_checked_to_the_byte(void **state) {
  (void)state;
  static const struct {
    const char *header, *words;
    Status status;
  } cases[] = {
      {HEADER("|O", "False", "(1,)"), "'|O'", NN_UNSUPPORTED},
      {HEADER("<c8", "False", "(1,)"), "'<c8'", NN_UNSUPPORTED},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "structured",
       NN_FORMAT},
      {HEADER("|u1", "Maybe", "(1,)"), "True or False", NN_FORMAT},
      {HEADER("|u1", "False", "(x,)"), "whole number", NN_FORMAT},
      {HEADER("|u1", "False", "(-1,)"), "whole number", NN_FORMAT},
      {HEADER("|u1", "False", "(1 2)"), "',' or ')'", NN_FORMAT},
      {HEADER("|u1", "False", "(1,1,1,1,1,1,1,1,1)"), "more than 8 axes", NN_UNSUPPORTED},
      {HEADER("|u1", "False", "(99999999999999999999,)"), "beyond 2^63", NN_TOO_LARGE},
      {HEADER("|u1", "False", "(9223372036854775807, 9223372036854775807)"), "f.npy", NN_TOO_LARGE},
      {"{'descr': '|u1', 'shape': (1,), }", "fortran_order", NN_FORMAT},
      {"{'descr': '|u1', 'descr': '|u1'}", "each once", NN_FORMAT},
      {"{'descr': '|u1", "closing quote", NN_FORMAT},
      {"", "'{'", NN_FORMAT},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Tensor x;
    Err err;
    assert_int_equal(parse(&x, 1, cases[i].header, "\x01", 1, &err), cases[i].status);
    assert_mentions(&err, cases[i].words);
    assert_null(x.buffer);
  }
}

static void data_must_be_as_long_as_the_header_says(void **state) {
  (void)state;
  Tensor x;
  Err err;
  assert_int_equal(parse(&x, 1, HEADER("|u1", "False", "(3,)"), "ab", 2, &err), NN_FORMAT);
  assert_mentions(&err, "cut off");
  assert_int_equal(parse(&x, 1, HEADER("|u1", "False", "(1,)"), "ab", 2, &err), NN_FORMAT);
  assert_mentions(&err, "too long");
  assert_int_equal(parse(&x, 1, HEADER("<f8", "False", "(1099511627776, 2)"), "ab", 2, &err),
                   NN_FORMAT);
  assert_mentions(&err, "17592186044416 bytes");
  unsigned char bytes[FILE_ROOM];
  size_t size = make_npy(bytes, 1, HEADER("|u1", "False", "(3,)"), "abc", 3);
  for (size_t cut = 0; cut < size; cut++)
    assert_int_not_equal(npy_parse(&x, bytes, cut, DTYPE_COUNT, "f.npy", &err), NN_OK);
  bytes[6] = 9;
  assert_int_equal(npy_parse(&x, bytes, size, DTYPE_COUNT, "f.npy", &err), NN_UNSUPPORTED);
}

static Tensor example(DType dtype, int ndim, int64_t seed) {
  Tensor x;
  Shape shape = shape_make(ndim, (int64_t[]){2, 3, 1, 1, 1, 1, 1, 2});
  assert_int_equal(tensor_new(&x, dtype, &shape, NULL), NN_OK);
  for (int64_t i = 0; i < tensor_count(&x); i++) tensor_set(&x, i, (double)(i * 7 + seed) / 4);
  return x;
}

static void assert_same(const Tensor *a, const Tensor *b) {
  assert_int_equal(a->dtype, b->dtype);
  assert_true(shape_equal(&a->shape, &b->shape));
  assert_memory_equal(a->data, b->data, tensor_bytes(a));
}

static void what_is_written_is_read_back_for_every_type_and_rank(void **state) {
  (void)state;
  for (int dtype = 0; dtype < DTYPE_COUNT; dtype++)
    for (int ndim = 0; ndim <= MAX_DIMS; ndim++) {
      Tensor x = example((DType)dtype, ndim, 1), y;
      FileBytes bytes;
      assert_int_equal(npy_encode(&bytes, &x, NULL), NN_OK);
      assert_int_equal((bytes.size - tensor_bytes(&x)) % 64, 0);
      assert_int_equal(npy_parse(&y, bytes.data, bytes.size, DTYPE_COUNT, "f", NULL), NN_OK);
      assert_same(&x, &y);
      file_free(&bytes);
      tensor_release(&x);
      tensor_release(&y);
    }
}

static void an_archive_is_written_and_read_back_in_order(void **state) {
  (void)state;
  Tensor w = example(DTYPE_F32, 2, 3), b = example(DTYPE_F64, 1, 4);
  char path[TEST_PATH_SIZE];
  test_file(path, "old", 3);
  assert_int_equal(
      npz_write(path, (const char *const[]){"W1", "b1"}, (const Tensor *const[]){&w, &b}, 2, NULL),
      NN_OK);
  ArrayList list;
  assert_int_equal(npz_read(&list, path, NULL), NN_OK);
  assert_int_equal(list.count, 2);
  assert_string_equal(list.items[0].name, "W1");
  assert_string_equal(list.items[1].name, "b1");
  assert_same(&list.items[0].tensor, &w);
  assert_same(&list.items[1].tensor, &b);
  array_list_free(&list);
  tensor_release(&w);
  tensor_release(&b);
  unlink(path);
}

static const unsigned char deflated[] = {
#include "data_deflated.inc"
};

static void deflated_entries_are_unpacked(void **state) {
  (void)state;
  ArrayList list;
  assert_int_equal(npz_parse(&list, deflated, sizeof deflated, "f.npz", NULL), NN_OK);
  assert_int_equal(list.count, 1);
  assert_string_equal(list.items[0].name, "a");
  for (int i = 0; i < 3; i++) assert_true(tensor_get(&list.items[0].tensor, i) == i);
  array_list_free(&list);
}

static void damage_anywhere_in_an_archive_never_goes_unseen_or_crashes(void **state) {
  (void)state;
  unsigned char bytes[sizeof deflated];
  ArrayList list;
  Err err;
  for (size_t cut = 0; cut < sizeof deflated; cut++)
    assert_int_not_equal(npz_parse(&list, deflated, cut, "f.npz", &err), NN_OK);
  for (size_t at = 0; at < sizeof deflated; at++) {
    memcpy(bytes, deflated, sizeof bytes);
    bytes[at] ^= 0xff;
    if (npz_parse(&list, bytes, sizeof bytes, "f.npz", &err) != NN_OK) continue;
    /* what nobody needs may differ (times, versions, attributes), the numbers may not */
    for (int i = 0; i < 3; i++) assert_true(tensor_get(&list.items[0].tensor, i) == i);
    array_list_free(&list);
  }
}

static void an_entry_that_claims_terabytes_allocates_nothing(void **state) {
  (void)state;
  unsigned char bytes[sizeof deflated];
  memcpy(bytes, deflated, sizeof bytes);
  for (size_t at = 0; at + 28 < sizeof bytes; at++)
    if (memcmp(bytes + at, "PK\x01\x02", 4) == 0) memset(bytes + at + 24, 0xfe, 4);
  ArrayList list;
  Err err;
  assert_int_equal(npz_parse(&list, bytes, sizeof bytes, "f.npz", &err), NN_FORMAT);
  assert_mentions(&err, "cannot hold");
}

static void other_archives_and_files_say_what_they_are_not(void **state) {
  (void)state;
  ArrayList list;
  Err err;
  assert_int_equal(npz_parse(&list, "hello", 5, "f.npz", &err), NN_FORMAT);
  assert_mentions(&err, "f.npz: not a ZIP archive");
  ZipWriter writer = {0};
  assert_int_equal(zip_writer_add(&writer, "data.pkl", "x", 1, NULL), NN_OK);
  assert_int_equal(zip_writer_end(&writer, NULL), NN_OK);
  assert_int_equal(npz_parse(&list, writer.bytes.data, writer.bytes.size, "f.npz", &err),
                   NN_FORMAT);
  assert_mentions(&err, "'data.pkl' is not an .npy array");
  zip_writer_free(&writer);
}

static void weights_written_by_numpy_are_read(void **state) {
  (void)state;
  char path[TEST_PATH_SIZE];
  if (!test_shared(path, "course/init_cats_Llayer.npz")) skip();
  ArrayList list;
  assert_int_equal(npz_read(&list, path, NULL), NN_OK);
  assert_int_equal(list.count, 8);
  assert_string_equal(list.items[0].name, "W1");
  assert_int_equal(list.items[0].tensor.dtype, DTYPE_F64);
  assert_int_equal(list.items[0].tensor.shape.dims[0], 20);
  assert_int_equal(list.items[0].tensor.shape.dims[1], 12288);
  array_list_free(&list);
}

static void unwritable_places_are_named(void **state) {
  (void)state;
  Tensor x = example(DTYPE_F32, 1, 0);
  Err err;
  assert_int_equal(npy_write("/nowhere/x.npy", &x, &err), NN_IO);
  assert_mentions(&err, "/nowhere/x.npy: cannot create");
  tensor_release(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_element_type_has_its_natural_tensor_type),
      cmocka_unit_test(fortran_order_becomes_row_major),
      cmocka_unit_test(scalars_and_empty_arrays_are_arrays),
      cmocka_unit_test(headers_are_checked_to_the_byte),
      cmocka_unit_test(data_must_be_as_long_as_the_header_says),
      cmocka_unit_test(what_is_written_is_read_back_for_every_type_and_rank),
      cmocka_unit_test(an_archive_is_written_and_read_back_in_order),
      cmocka_unit_test(deflated_entries_are_unpacked),
      cmocka_unit_test(damage_anywhere_in_an_archive_never_goes_unseen_or_crashes),
      cmocka_unit_test(an_entry_that_claims_terabytes_allocates_nothing),
      cmocka_unit_test(other_archives_and_files_say_what_they_are_not),
      cmocka_unit_test(weights_written_by_numpy_are_read),
      cmocka_unit_test(unwritable_places_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
