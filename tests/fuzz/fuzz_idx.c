/* Any bytes as an IDX file, into each tensor type. */
#include "data/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Tensor x;
  Err err;
  for (int dtype = 0; dtype <= DTYPE_COUNT; dtype++)
    if (idx_parse(&x, bytes, size, (DType)dtype, "fuzz", &err) == NN_OK) tensor_release(&x);
  return 0;
}
