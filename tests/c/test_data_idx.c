/* IDX files and gzip: what is read, and how everything that is wrong with a file is refused. */
#include "test.h"

#include <zlib.h>

#include "data/file.h"
#include "data/idx.h"
#include "data_files.h"

#define BYTES(...) ((const unsigned char[]){__VA_ARGS__})
#define SIZE(...) sizeof((const unsigned char[]){__VA_ARGS__})
#define PARSE(out, dtype, err, ...)                                                                \
  idx_parse(out, BYTES(__VA_ARGS__), SIZE(__VA_ARGS__), dtype, "f.idx", err)

static void bytes_become_float32(void **state) {
  (void)state;
  Tensor x;
  assert_int_equal(
      PARSE(&x, DTYPE_F32, NULL, 0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 1, 2, 253, 254, 255),
      NN_OK);
  assert_int_equal(x.dtype, DTYPE_F32);
  assert_int_equal(x.shape.ndim, 2);
  assert_int_equal(x.shape.dims[0], 2);
  assert_int_equal(x.shape.dims[1], 3);
  const double expected[] = {0, 1, 2, 253, 254, 255};
  for (int i = 0; i < 6; i++) assert_true(tensor_get(&x, i) == expected[i]);
  tensor_release(&x);
}

static void every_element_type_is_read_big_endian(void **state) {
  (void)state;
  Tensor x;
  assert_int_equal(PARSE(&x, DTYPE_I64, NULL, 0, 0, 9, 1, 0, 0, 0, 1, 0xfe), NN_OK);
  assert_true(tensor_get(&x, 0) == -2);
  tensor_release(&x);
  assert_int_equal(PARSE(&x, DTYPE_COUNT, NULL, 0, 0, 0xB, 1, 0, 0, 0, 1, 0xfe, 0xff), NN_OK);
  assert_true(tensor_get(&x, 0) == -257 && x.dtype == DTYPE_I64);
  tensor_release(&x);
  assert_int_equal(PARSE(&x, DTYPE_F64, NULL, 0, 0, 0xC, 1, 0, 0, 0, 1, 0, 1, 0, 2), NN_OK);
  assert_true(tensor_get(&x, 0) == 65538);
  tensor_release(&x);
  assert_int_equal(PARSE(&x, DTYPE_COUNT, NULL, 0, 0, 0xD, 1, 0, 0, 0, 1, 0x3f, 0xc0, 0, 0), NN_OK);
  assert_true(tensor_get(&x, 0) == 1.5 && x.dtype == DTYPE_F32);
  tensor_release(&x);
  assert_int_equal(
      PARSE(&x, DTYPE_COUNT, NULL, 0, 0, 0xE, 1, 0, 0, 0, 1, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0), NN_OK);
  assert_true(tensor_get(&x, 0) == -1.5 && x.dtype == DTYPE_F64);
  tensor_release(&x);
}

static void wrong_magic_says_what_was_there(void **state) {
  (void)state;
  Tensor x;
  Err err;
  assert_int_equal(PARSE(&x, DTYPE_F32, &err, 0x89, 'P', 'N', 'G', 1, 2, 3, 4), NN_FORMAT);
  assert_null(x.buffer);
  assert_mentions(&err, "f.idx: not an IDX file");
  assert_mentions(&err, "89 50 4e 47");
  assert_int_equal(PARSE(&x, DTYPE_F32, &err, 0, 0, 7, 1, 0, 0, 0, 0), NN_FORMAT);
  assert_mentions(&err, "0x07");
  assert_int_equal(PARSE(&x, DTYPE_F32, &err, 0, 0, 8, 0), NN_FORMAT);
  assert_mentions(&err, "0 axes");
  assert_int_equal(PARSE(&x, DTYPE_F32, &err, 0, 0, 8, 9), NN_FORMAT);
  assert_mentions(&err, "9 axes");
}

static void truncated_and_over_long_files_are_refused(void **state) {
  (void)state;
  Tensor x;
  Err err;
  assert_int_equal(idx_parse(&x, "", 0, DTYPE_F32, "f.idx", &err), NN_FORMAT);
  assert_int_equal(PARSE(&x, DTYPE_F32, &err, 0, 0, 8, 2, 0, 0, 0, 2, 0, 0), NN_FORMAT);
  assert_mentions(&err, "cut off");
  assert_int_equal(PARSE(&x, DTYPE_F32, &err, 0, 0, 8, 1, 0, 0, 0, 2, 7), NN_FORMAT);
  assert_mentions(&err, "cut off");
  assert_mentions(&err, "(2,)");
  assert_int_equal(PARSE(&x, DTYPE_F32, &err, 0, 0, 8, 1, 0, 0, 0, 2, 7, 7, 7), NN_FORMAT);
  assert_mentions(&err, "too long");
}

static void a_header_that_claims_terabytes_allocates_nothing(void **state) {
  (void)state;
  Tensor x;
  Err err;
  assert_int_equal(PARSE(&x, DTYPE_F32, &err, 0, 0, 8, 2, 0, 16, 0, 0, 0, 16, 0, 0, 1), NN_FORMAT);
  assert_mentions(&err, "1099511627776 bytes");
  assert_int_equal(PARSE(&x, DTYPE_F32, &err, 0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255,
                         255, 255, 255, 255, 1),
                   NN_TOO_LARGE);
  assert_mentions(&err, "f.idx");
}

static void labels_must_be_whole_numbers(void **state) {
  (void)state;
  Tensor x;
  Err err;
  assert_int_equal(PARSE(&x, DTYPE_I64, &err, 0, 0, 0xD, 1, 0, 0, 0, 1, 0x3f, 0xc0, 0, 0),
                   NN_DTYPE);
  assert_mentions(&err, "element 1");
  assert_int_equal(PARSE(&x, DTYPE_I64, &err, 0, 0, 0xD, 1, 0, 0, 0, 1, 0x7f, 0xc0, 0, 0),
                   NN_DTYPE);
  assert_null(x.buffer);
}

static size_t gzip(unsigned char *out, size_t room, const void *bytes, size_t size) {
  z_stream stream = {0};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = (z_const Bytef *)(uintptr_t)bytes;
  stream.avail_in = (uInt)size;
  stream.next_out = out;
  stream.avail_out = (uInt)room;
  assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
  size_t used = room - stream.avail_out;
  deflateEnd(&stream);
  return used;
}

enum { PACKED_ROOM = 4096, PLAIN_SIZE = 1008 };

static size_t packed_example(unsigned char packed[PACKED_ROOM]) {
  unsigned char plain[PLAIN_SIZE] = {0, 0, 8, 1, 0, 0, 3, 0xe8};
  for (int i = 8; i < PLAIN_SIZE; i++) plain[i] = (unsigned char)(i * i);
  return gzip(packed, PACKED_ROOM, plain, sizeof plain);
}

static void gzip_is_undone_whatever_the_name(void **state) {
  (void)state;
  unsigned char packed[PACKED_ROOM];
  size_t size = packed_example(packed);
  char path[TEST_PATH_SIZE];
  test_file(path, packed, size);
  Tensor x;
  assert_int_equal(idx_read(&x, path, DTYPE_F32, NULL), NN_OK);
  assert_int_equal(x.shape.dims[0], 1000);
  assert_true(tensor_get(&x, 999) == (1007 * 1007) % 256);
  tensor_release(&x);
  unlink(path);
}

static void damaged_gzip_is_refused_at_every_length(void **state) {
  (void)state;
  unsigned char packed[PACKED_ROOM];
  size_t size = packed_example(packed);
  FileBytes file;
  Err err;
  for (size_t cut = 0; cut < size; cut++) {
    assert_int_equal(file_gunzip(&file, packed, cut, FILE_LIMIT, "f.gz", &err), NN_FORMAT);
    assert_null(file.data);
  }
  assert_mentions(&err, "cut off");
  packed[size] = 'x';
  assert_int_equal(file_gunzip(&file, packed, size + 1, FILE_LIMIT, "f.gz", &err), NN_FORMAT);
  assert_mentions(&err, "follow the end");
  packed[size - 6] ^= 1; /* the checksum */
  assert_int_equal(file_gunzip(&file, packed, size, FILE_LIMIT, "f.gz", &err), NN_FORMAT);
  assert_mentions(&err, "damaged");
}

static void gzip_members_follow_each_other(void **state) {
  (void)state;
  unsigned char packed[PACKED_ROOM];
  size_t size = gzip(packed, PACKED_ROOM, "ab", 2);
  size += gzip(packed + size, PACKED_ROOM - size, "cd", 2);
  FileBytes file;
  assert_int_equal(file_gunzip(&file, packed, size, FILE_LIMIT, "f.gz", NULL), NN_OK);
  assert_int_equal(file.size, 4);
  assert_memory_equal(file.data, "abcd", 4);
  file_free(&file);
}

static void a_stream_beyond_the_limit_is_refused(void **state) {
  (void)state;
  unsigned char packed[PACKED_ROOM];
  size_t size = packed_example(packed);
  FileBytes file;
  Err err;
  assert_int_equal(file_gunzip(&file, packed, size, PLAIN_SIZE - 1, "f.gz", &err), NN_TOO_LARGE);
  assert_mentions(&err, "limit of 1007 bytes");
  assert_int_equal(file_gunzip(&file, packed, size, PLAIN_SIZE, "f.gz", &err), NN_OK);
  file_free(&file);
}

static void missing_files_folders_and_endless_files_are_refused(void **state) {
  (void)state;
  Tensor x;
  Err err;
  FileBytes file;
  assert_int_equal(idx_read(&x, "/nowhere/x.idx", DTYPE_F32, &err), NN_NOT_FOUND);
  assert_mentions(&err, "/nowhere/x.idx: cannot open");
  assert_int_equal(idx_read(&x, "/tmp", DTYPE_F32, &err), NN_IO);
  assert_mentions(&err, "folder");
  assert_int_equal(file_read(&file, "/dev/zero", 100000, &err), NN_TOO_LARGE);
  assert_null(file.data);
  assert_int_equal(idx_read(&x, "/dev/null", DTYPE_F32, &err), NN_FORMAT);
}

static void fashion_mnist_is_read_where_installed(void **state) {
  (void)state;
  const char *path = "/usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz";
  if (access(path, R_OK) != 0) skip();
  Tensor y;
  assert_int_equal(idx_read(&y, path, DTYPE_I64, NULL), NN_OK);
  assert_int_equal(y.shape.dims[0], 10000);
  int64_t counts[10] = {0};
  for (int i = 0; i < 10000; i++) counts[((int64_t *)y.data)[i]]++;
  for (int i = 0; i < 10; i++) assert_int_equal(counts[i], 1000);
  tensor_release(&y);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_become_float32),
      cmocka_unit_test(every_element_type_is_read_big_endian),
      cmocka_unit_test(wrong_magic_says_what_was_there),
      cmocka_unit_test(truncated_and_over_long_files_are_refused),
      cmocka_unit_test(a_header_that_claims_terabytes_allocates_nothing),
      cmocka_unit_test(labels_must_be_whole_numbers),
      cmocka_unit_test(gzip_is_undone_whatever_the_name),
      cmocka_unit_test(damaged_gzip_is_refused_at_every_length),
      cmocka_unit_test(gzip_members_follow_each_other),
      cmocka_unit_test(a_stream_beyond_the_limit_is_refused),
      cmocka_unit_test(missing_files_folders_and_endless_files_are_refused),
      cmocka_unit_test(fashion_mnist_is_read_where_installed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
