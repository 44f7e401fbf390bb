/* What shape inference and kernels of pooling agree on. */
#ifndef NNRUN_OP_POOL_H
#define NNRUN_OP_POOL_H

#include "op/call.h"

/* The largest window whose maximum's place is kept in a byte; one value of a byte says "none". */
enum { MAX_COMPACT = 255 };

/* Are the places of maxima bytes? `axes` are pooled; attribute 0 is kernel_size, if given. */
static inline bool pool_compact(const Attrs *attrs, int axes) {
  const Attr *kernel = &attrs->at[0];
  if (kernel->count < 1) return false;
  int64_t elements = kernel->list[0];
  if (axes == 2 && elements <= MAX_COMPACT) elements *= kernel->list[1];
  return elements <= MAX_COMPACT;
}

#endif
