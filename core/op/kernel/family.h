/* What the kernels of the op families share: their prototypes and the split into parts. */
#ifndef NNRUN_OP_KERNEL_FAMILY_H
#define NNRUN_OP_KERNEL_FAMILY_H

#include "base/kernel.h"
#include "op/op.h"

#define OP(name, ...) void K(run_##name)(const OpCall *call, int part, int parts);
#include "op/ops.def"

/* Elements of 64 bytes: how far an input may be read past its end, and the width loops are padded
 * to, so that an element's result never depends on where in the array it stands. */
enum { LANES = 64 / sizeof(real) };

typedef struct Range {
  int64_t begin, end;
} Range;

/* Which of `count` independent units belong to a part. */
static inline Range part_range(int64_t count, int part, int parts) {
  int64_t each = count / parts, extra = count % parts;
  int64_t begin = each * part + (part < extra ? part : extra);
  return (Range){begin, begin + each + (part < extra)};
}

/* A shape as (outer, size of axis, inner). */
typedef struct AxisView {
  int64_t outer, size, inner;
} AxisView;

static inline AxisView axis_view(const Shape *shape, int axis) {
  AxisView view = {1, shape->ndim > 0 ? shape->dims[axis] : 1, 1};
  for (int i = 0; i < axis; i++) view.outer *= shape->dims[i];
  for (int i = axis + 1; i < shape->ndim; i++) view.inner *= shape->dims[i];
  return view;
}

#endif
