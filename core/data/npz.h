/* NPZ: several NPY arrays in a ZIP archive, as numpy.savez and savez_compressed write. */
#ifndef NNRUN_DATA_NPZ_H
#define NNRUN_DATA_NPZ_H

#include "data/arrays.h"

/* All arrays, in the archive's order, named without ".npy", in their natural types; an entry that
 * is not an .npy array is an error. `out` starts as zeros or is overwritten. */
Status npz_read(ArrayList *out, const char *path, Err *err);
Status npz_parse(ArrayList *out, const void *bytes, size_t size, const char *name, Err *err);

/* Write `count` arrays, stored, in the given order. */
Status npz_write(const char *path, const char *const names[], const Tensor *const tensors[],
                 size_t count, Err *err);

#endif
