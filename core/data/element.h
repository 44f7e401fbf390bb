/* Numbers as files store them, turned into tensor elements. */
#ifndef NNRUN_DATA_ELEMENT_H
#define NNRUN_DATA_ELEMENT_H

#include "tensor/tensor.h"

/* name, C type, the tensor type that holds it naturally */
#define ELEMENT_LIST(X)                                                                            \
  X(U8, uint8_t, DTYPE_I64)                                                                        \
  X(I8, int8_t, DTYPE_I64)                                                                         \
  X(U16, uint16_t, DTYPE_I64)                                                                      \
  X(I16, int16_t, DTYPE_I64)                                                                       \
  X(U32, uint32_t, DTYPE_I64)                                                                      \
  X(I32, int32_t, DTYPE_I64)                                                                       \
  X(U64, uint64_t, DTYPE_I64)                                                                      \
  X(I64, int64_t, DTYPE_I64)                                                                       \
  X(F32, float, DTYPE_F32)                                                                         \
  X(F64, double, DTYPE_F64)

typedef enum Element {
#define X(name, type, natural) ELEMENT_##name,
  ELEMENT_LIST(X)
#undef X
      ELEMENT_COUNT
} Element;

/* DTYPE_COUNT given as a wanted type means the natural one. */
#define DTYPE_NATURAL DTYPE_COUNT

/* An array as a file holds it: `size` bytes from `data` to the file's end, which must be what the
 * shape takes. */
typedef struct ElementArray {
  Element element;
  Shape shape;
  bool big_endian;
  const void *data;
  size_t size;
} ElementArray;

/* Read it into a new tensor. NN_TOO_LARGE, before anything is allocated, when it takes more bytes
 * than a size can say; an int64 tensor takes whole numbers within its range only: NN_DTYPE names
 * the first other element (counted from 1). `name` begins the messages. */
Status element_read(Tensor *out, const ElementArray *array, DType dtype, const char *name,
                    Err *err);

#endif
