/* IDX, the format of the MNIST family, plain or gzip.
 *
 * Layout (Y. LeCun, "The MNIST database"): two zero bytes, a type, the number of axes, each axis
 * as a big-endian 32-bit size, then the elements, big-endian. The data must be exactly as long as
 * the sizes say; that is checked before anything is allocated. */
#ifndef NNRUN_DATA_IDX_H
#define NNRUN_DATA_IDX_H

#include "tensor/tensor.h"

/* Read into `dtype`: float32 or float64 for pictures (no scaling), int64 for labels; DTYPE_COUNT
 * for the natural type (int64 of integers). Messages begin with the path or `name`. */
Status idx_read(Tensor *out, const char *path, DType dtype, Err *err);
Status idx_parse(Tensor *out, const void *bytes, size_t size, DType dtype, const char *name,
                 Err *err);

#endif
