/* nnrun as a C library: the one header to include.
 *
 *   cc train.c $(pkg-config --cflags --libs nnrun)
 *
 * Functions that can fail return Status and explain themselves in an Err (base/status.h). The
 * library prints nothing, never exits, and keeps no state of its own between calls. */
#ifndef NNRUN_H
#define NNRUN_H

#define NNRUN_VERSION "0.1.0"

#include "base/hash.h"
#include "base/isa.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/status.h"
#include "tensor/gemm.h"
#include "tensor/tensor.h"

#endif
