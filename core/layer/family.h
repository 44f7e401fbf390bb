/* What the layer families share: the prototypes of their functions, and how they emit several ops.
 */
#ifndef NNRUN_LAYER_FAMILY_H
#define NNRUN_LAYER_FAMILY_H

#include "layer/layer.h"

/* forward_NAME of every row, and params_NAME of those that have parameters (see layer.h). */
#define LAYER(name, ...)                                                                           \
  Status params_##name(const Attrs *options, const Shape *in, LayerParam *params, int *count,      \
                       Err *err);                                                                  \
  Status forward_##name(LayerCall *call, Ref *out, Err *err);
#include "layer/layers.def"

/* The input has `axes` axes, 1 or 2, after (n, channels). */
Status layer_check_planes(const char *name, const Shape *in, int axes, Err *err);

/* For a forward of several ops: the first failure sticks, and everything after it is REF_NONE. */
typedef struct LayerEmit {
  Graph *graph;
  DType dtype; /* of constants */
  Status status;
  Err *err;
} LayerEmit;

LayerEmit layer_emitter(const LayerCall *call, Err *err);
/* One operand where b is REF_NONE; attributes at their defaults where NULL. */
Ref layer_emit(LayerEmit *emit, OpId op, Ref a, Ref b, const Attrs *attrs);
/* The same with a number as the second operand. */
Ref layer_emit_number(LayerEmit *emit, OpId op, Ref a, double b);
/* Reshape or expand. */
Ref layer_emit_shape(LayerEmit *emit, OpId op, Ref a, const Shape *shape);

#endif
