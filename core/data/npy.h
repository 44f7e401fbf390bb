/* NPY, NumPy's format for one array (versions 1, 2 and 3; numpy.lib.format).
 *
 * Read: whole numbers of 1 to 8 bytes, booleans, float32 and float64, either byte order, C or
 * Fortran order (turned to row-major). Refused with a message: objects, structures, text, complex,
 * float16. The data must be exactly as long as the header says, checked before allocation. */
#ifndef NNRUN_DATA_NPY_H
#define NNRUN_DATA_NPY_H

#include "data/file.h"
#include "tensor/tensor.h"

/* Read into `dtype`, or DTYPE_COUNT for the natural one: float32 and float64 as they are, whole
 * numbers and booleans as int64. A .gz file is unpacked first. */
Status npy_read(Tensor *out, const char *path, DType dtype, Err *err);
Status npy_parse(Tensor *out, const void *bytes, size_t size, DType dtype, const char *name,
                 Err *err);

/* The bytes of a version 1 file, little-endian; free with file_free. */
Status npy_encode(FileBytes *out, const Tensor *tensor, Err *err);
/* Writes as file_write does: a reader never sees half a file. */
Status npy_write(const char *path, const Tensor *tensor, Err *err);

#endif
