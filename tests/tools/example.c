/* What a C program that uses the installed library looks like; compiled by check_install.sh. */
#include <nnrun.h>

#include <stdio.h>

int main(void) {
  Err err;
  Tensor tensor;
  Shape shape = shape_make(2, (int64_t[]){2, 3});
  char text[SHAPE_TEXT_SIZE];
  if (tensor_new(&tensor, DTYPE_F32, &shape, &err) != NN_OK) {
    fprintf(stderr, "%s: %s\n", status_words(err.status), err.message);
    return 1;
  }
  Rng rng = rng_make(1, RNG_INIT, 0);
  for (int64_t i = 0; i < tensor_count(&tensor); i++)
    tensor_set(&tensor, i, rng_normal(&rng, (uint64_t)i));
  printf("nnrun " NNRUN_VERSION ": %s tensor of shape %s\n", dtype_name(tensor.dtype),
         shape_text(&tensor.shape, text));
  tensor_release(&tensor);
  return 0;
}
