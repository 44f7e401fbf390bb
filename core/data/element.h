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

size_t element_size(Element element);
DType element_natural(Element element);

/* Bytes that `shape` takes on file; NN_TOO_LARGE, before anything is allocated, when they are more
 * than a size can say or when the tensor would not fit. `name` begins the messages. */
Status element_bytes(size_t *out, Element element, const Shape *shape, DType dtype,
                     const char *name, Err *err);
/* Fill `out`, which has its shape and dtype, from as many packed elements. An int64 tensor takes
 * whole numbers within its range only: NN_DTYPE names the first other element (counted from 1). */
Status element_convert(Tensor *out, const void *bytes, Element element, bool big_endian,
                       const char *name, Err *err);

#endif
