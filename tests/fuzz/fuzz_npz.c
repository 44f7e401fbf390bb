/* Any bytes as an NPZ archive, and as a gzip stream. */
#include "data/file.h"
#include "data/npz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  ArrayList list;
  FileBytes file;
  Err err;
  if (npz_parse(&list, bytes, size, "fuzz", &err) == NN_OK) array_list_free(&list);
  if (file_gunzip(&file, bytes, size, 1 << 20, "fuzz", &err) == NN_OK) file_free(&file);
  return 0;
}
