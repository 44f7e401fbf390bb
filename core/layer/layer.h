/* Layers: parameters with starting values, and the ops that use them, as rows of layers.def.
 *
 * A layer here is a description; it owns nothing. Order of calls: layer_params tells which
 * parameters an input shape needs, the caller makes and fills them (init.h), and layer_forward
 * emits the layer's ops into a graph, as often as it is traced. */
#ifndef NNRUN_LAYER_LAYER_H
#define NNRUN_LAYER_LAYER_H

#include "graph/graph.h"
#include "layer/init.h"

typedef enum LayerId {
#define LAYER(name, ...) LAYER_##name,
#define ACTIVATION(name, ...) LAYER_##name,
#include "layer/layers.def"
  LAYER_COUNT
} LayerId;

enum { LAYER_MAX_PARAMS = 8 };

typedef struct LayerParam {
  const char *name; /* "weight" */
  Shape shape;
  InitId init; /* unless the user says otherwise */
  int64_t fan_in, fan_out;
  bool decay;   /* weight decay and penalties apply (not to biases) */
  bool buffer;  /* state that is not trained, such as running statistics */
  double value; /* what INIT_constant starts with */
} LayerParam;

/* The last member is for forward to fill: the new value of a buffer after a training step, or
 * REF_NONE, as it comes. */
typedef struct LayerCall {
  LayerId layer;
  const Attrs *options;
  Graph *graph;
  Ref in;
  Ref params[LAYER_MAX_PARAMS]; /* in the order of layer_params */
  bool training;
  int64_t stream; /* of random numbers; tells the layers of a model apart */
  Ref updates[LAYER_MAX_PARAMS];
} LayerCall;

typedef struct LayerInfo {
  const char *name;
  const char *option_text;
  const char *help;
  OpId activation; /* of an ACTIVATION row, else OP_COUNT */
  Status (*params)(const Attrs *options, const Shape *in, LayerParam *params, int *count, Err *err);
  Status (*forward)(LayerCall *call, Ref *out, Err *err);
} LayerInfo;

const LayerInfo *layer_info(LayerId id);
/* The layer of that name ("Linear"), or LAYER_COUNT. */
LayerId layer_find(const char *name);

/* The parameters for an input of shape `in`, batch first. */
Status layer_params(LayerId id, const Attrs *options, const Shape *in, LayerParam *params,
                    int *count, Err *err);
Status layer_forward(LayerCall *call, Ref *out, Err *err);

#endif
