/* What the kernels of the op families share: how they are declared, the split into parts, and what
 * the plan folds into a kernel. */
#ifndef NNRUN_OP_KERNEL_FAMILY_H
#define NNRUN_OP_KERNEL_FAMILY_H

#include "base/kernel.h"
#include "op/call.h"

#include <string.h>

/* Opens the kernel of an op: KERNEL(softmax) { ... }, with `call`, `part` and `parts`. */
#define KERNEL(name)                                                                               \
  void K(run_##name)(const OpCall *call, int part, int parts);                                     \
  void K(run_##name)(const OpCall *call, int part, int parts)

/* Elements of 64 bytes: how far an input may be read past its end, and the width loops are padded
 * to, so that an element's result never depends on where in the array it stands. */
enum { LANES = 64 / sizeof(real) };

/* The elements of an input; NULL when it is absent. */
static inline const void *arg_data(const OpCall *call, int input) {
  return input < call->inputs ? call->in[input].data : NULL;
}

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

/* Apply the folded activation, if there is one, to finished elements in place. The last, partial
 * vector goes through a scratch vector: what is behind it may be another piece, being computed. */
static inline void epilogue_apply(const OpEpilogue *epilogue, real *data, int64_t count) {
  enum { VECTOR = 16 };
  if (!epilogue || !epilogue->activation) return;
  int64_t whole = count & ~(int64_t)(VECTOR - 1);
  const void *in[5] = {NULL, data, NULL, NULL, NULL};
  if (whole) epilogue->activation(data, in, epilogue->attrs, whole);
  if (whole == count) return;
  _Alignas(64) real tail[VECTOR] = {0};
  memcpy(tail, data + whole, (size_t)(count - whole) * sizeof *tail);
  in[1] = tail;
  epilogue->activation(tail, in, epilogue->attrs, VECTOR);
  memcpy(data + whole, tail, (size_t)(count - whole) * sizeof *tail);
}

#endif
