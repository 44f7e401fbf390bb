/* HDF5 files, through the system's library.
 *
 * libhdf5 is loaded on first use (linking it would cost every start 50 ms) and nothing of it is
 * needed to build. Read: numbers, booleans (enumerations over integers) and text, in datasets of
 * any group; a dataset's name is its path without the first "/". Passed over: datasets of other
 * types (compound, references, ...) and empty ones. */
#ifndef NNRUN_DATA_HDF5_H
#define NNRUN_DATA_HDF5_H

#include "data/arrays.h"

/* All datasets, groups in the file's name order: integers as int64, 4-byte floats as float32, other
 * floats as float64, text as texts. NN_UNSUPPORTED names the package when libhdf5 is missing. */
Status hdf5_read(ArrayList *out, const char *path, Err *err);

#endif
