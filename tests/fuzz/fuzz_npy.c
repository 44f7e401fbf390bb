/* Any bytes as an NPY file; what is read is written and read again to the same bits. */
#include "data/npy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Tensor x, y;
  FileBytes file;
  Err err;
  if (npy_parse(&x, bytes, size, DTYPE_COUNT, "fuzz", &err) != NN_OK) return 0;
  if (npy_encode(&file, &x, &err) != NN_OK) abort();
  if (npy_parse(&y, file.data, file.size, DTYPE_COUNT, "again", &err) != NN_OK) abort();
  if (x.dtype != y.dtype || !shape_equal(&x.shape, &y.shape)) abort();
  if (tensor_bytes(&x) > 0 && memcmp(x.data, y.data, tensor_bytes(&x)) != 0) abort();
  file_free(&file);
  tensor_release(&x);
  tensor_release(&y);
  return 0;
}
