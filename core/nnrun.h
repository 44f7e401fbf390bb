/* nnrun as a C library: the one header to include.
 *
 *   cc train.c $(pkg-config --cflags --libs nnrun)
 *
 * Functions that can fail return Status and explain themselves in an Err (base/status.h). The
 * library prints nothing, never exits, and keeps no state between calls but the libraries it has
 * loaded. The order in which to read: tensor, graph, plan, optim. */
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

#include "op/op.h"

#include "graph/gradcheck.h"
#include "graph/graph.h"
#include "graph/plan.h"

#include "layer/init.h"

#include "train/optim.h"

#include "data/batch.h"
#include "data/csv.h"
#include "data/generate.h"
#include "data/hdf5.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/npz.h"
#include "data/split.h"
#include "data/table.h"
#include "data/transform.h"

#include "store/store.h"

#endif
