/* What the layer families share: the prototypes of their functions. */
#ifndef NNRUN_LAYER_FAMILY_H
#define NNRUN_LAYER_FAMILY_H

#include "layer/layer.h"

/* forward_NAME of every row, and params_NAME of those that have parameters (see layer.h). */
#define LAYER(name, ...)                                                                           \
  Status params_##name(const Attrs *options, const Shape *in, LayerParam *params, int *count,      \
                       Err *err);                                                                  \
  Status forward_##name(LayerCall *call, Ref *out, Err *err);
#include "layer/layers.def"

#endif
