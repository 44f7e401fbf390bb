/* Where resized elements come from, for shape inference and kernels of interpolate. */
#ifndef NNRUN_OP_RESIZE_H
#define NNRUN_OP_RESIZE_H

#include "op/call.h"

enum { RESIZE_SIZE, RESIZE_FACTOR, RESIZE_LINEAR, RESIZE_CORNERS, RESIZE_INPUT };

/* An element of the result along one axis: (1 - share) x[low] + share x[high]. */
typedef struct ResizeTap {
  int64_t low, high;
  double share;
} ResizeTap;

#endif
