/* What the op families share: the prototypes of their functions, and checks of attributes. */
#ifndef NNRUN_OP_FAMILY_H
#define NNRUN_OP_FAMILY_H

#include "op/op.h"

/* infer_NAME of every row, and the grad_, rows_, scratch_, cost_ and parts_NAME that some define
 * (see op.h). */
#define OP(name, ...)                                                                              \
  Status infer_##name(OpShape *call, Err *err);                                                    \
  Status grad_##name(OpGrad *grad, Err *err);                                                      \
  OpRows rows_##name(const OpShape *call, const bool *batched);                                    \
  size_t scratch_##name(const OpShape *call);                                                      \
  int64_t cost_##name(const OpShape *call);                                                        \
  int parts_##name(const OpCall *call, int threads);
#include "op/ops.def"

/* Input 0 is float32 or float64, and inputs 1 .. count-1 are of the same type. */
Status family_floats(const OpShape *call, int count, Err *err);
/* `shape` is (n, channels, length) or (n, channels, height, width), n alone may be 0. */
Status family_planes(OpId op, const Shape *shape, Err *err);
/* Complete a list of axes: "all" spelled out, negative ones counted from the end, ascending.
 * Refuses axes that are not there or come twice. */
Status family_axes(OpId op, Attr *axes, const Shape *shape, Err *err);
/* Attribute `slot` is a stream of random numbers. */
Status family_stream(const OpShape *call, int slot, Err *err);
/* Make the axis in attribute `slot` non-negative, an axis of `shape`. */
Status family_axis(OpShape *call, int slot, const Shape *shape, Err *err);
bool family_has_axis(const Attr *axes, int64_t axis);

/* As many parts as have `least` of `work` each, at most `threads` and `units`, which cannot be
 * divided. */
int family_parts(double work, double least, int64_t units, int threads);
/* `count` elements along an axis, from `first`; none when there are none. */
Ref family_slice(OpBuilder *builder, Ref ref, int axis, int64_t first, int64_t count);
/* A list of the sizes of input 0's axes after (n, channels). */
Attr family_plane_size(const OpGrad *grad);
/* The gradient of input 0 of an op that read its elements at `places` along the axis in attribute
 * 0: zeros, with out_grad added there. */
Ref family_put_back(const OpGrad *grad, Ref places);

#endif
