#include "layer/family.h"

#include <string.h>

/* What a row does not define is NULL: no parameters. */
#define LAYER(name, ...)                                                                           \
  __attribute__((weak)) Status params_##name(const Attrs *options, const Shape *in,                \
                                             LayerParam *params, int *count, Err *err);
#include "layer/layers.def"

static Status forward_activation(LayerCall *call, Ref *out, Err *err);

static const LayerInfo infos[LAYER_COUNT] = {
#define LAYER(layer_name, options, words)                                                          \
  [LAYER_##layer_name] = {#layer_name,         options, words, OP_COUNT, params_##layer_name,      \
                          forward_##layer_name},
#define ACTIVATION(layer_name, op, options, words)                                                 \
  [LAYER_##layer_name] = {#layer_name, options, words, OP_##op, NULL, forward_activation},
#include "layer/layers.def"
};

const LayerInfo *layer_info(LayerId id) { return &infos[id]; }

LayerId layer_find(const char *name) {
  for (int id = 0; id < LAYER_COUNT; id++)
    if (strcmp(infos[id].name, name) == 0) return (LayerId)id;
  return LAYER_COUNT;
}

Status layer_params(LayerId id, const Attrs *options, const Shape *in, LayerParam *params,
                    int *count, Err *err) {
  *count = 0;
  return infos[id].params ? infos[id].params(options, in, params, count, err) : NN_OK;
}

Status layer_forward(LayerCall *call, Ref *out, Err *err) {
  for (int i = 0; i < LAYER_MAX_PARAMS; i++) call->updates[i] = REF_NONE;
  return infos[call->layer].forward(call, out, err);
}

static Status forward_activation(LayerCall *call, Ref *out, Err *err) {
  return graph_op(call->graph, out, infos[call->layer].activation, &call->in, 1, call->options,
                  err);
}

/* ---- Linear ---- */

enum { LINEAR_OUT, LINEAR_BIAS };

Status params_Linear(const Attrs *options, const Shape *in, LayerParam *params, int *count,
                     Err *err) {
  int64_t out_size = (int64_t)options->at[LINEAR_OUT].number;
  char text[SHAPE_TEXT_SIZE];
  if (out_size < 1)
    return err_set(err, NN_BAD_ARGUMENT, "Linear: the output size must be at least 1, not %lld",
                   (long long)out_size);
  if (in->ndim < 2)
    return err_set(err, NN_SHAPE, "Linear: needs an input (n, ..., in), not of shape %s",
                   shape_text(in, text));
  int64_t in_size = in->dims[in->ndim - 1];
  params[0] = (LayerParam){.name = "weight",
                           .shape = {.ndim = 2, .dims = {out_size, in_size}},
                           .init = INIT_torch_default,
                           .fan_in = in_size,
                           .fan_out = out_size,
                           .decay = true};
  params[1] = (LayerParam){.name = "bias",
                           .shape = {.ndim = 1, .dims = {out_size}},
                           .init = INIT_torch_default,
                           .fan_in = in_size,
                           .fan_out = out_size};
  *count = options->at[LINEAR_BIAS].number != 0 ? 2 : 1;
  return NN_OK;
}

Status forward_Linear(LayerCall *call, Ref *out, Err *err) {
  Attrs attrs;
  op_attr_defaults(OP_matmul, &attrs);
  attrs.at[1].number = true; /* trans_b: the weight is (out, in) */
  Ref product[2] = {call->in, call->params[0]};
  TRY(graph_op(call->graph, out, OP_matmul, product, 2, &attrs, err));
  if (call->options->at[LINEAR_BIAS].number == 0) return NN_OK;
  Ref sum[2] = {*out, call->params[1]};
  return graph_op(call->graph, out, OP_add, sum, 2, NULL, err);
}

/* ---- Flatten ---- */

Status forward_Flatten(LayerCall *call, Ref *out, Err *err) {
  const Shape *in = &graph_node(call->graph, call->in)->shape;
  if (in->ndim < 1) return err_set(err, NN_SHAPE, "Flatten: needs a batch, not a single number");
  Attrs attrs;
  op_attr_defaults(OP_reshape, &attrs);
  attrs.at[0].count = 2;
  attrs.at[0].list[0] = in->dims[0];
  attrs.at[0].list[1] = 1;
  for (int i = 1; i < in->ndim; i++) attrs.at[0].list[1] *= in->dims[i];
  return graph_op(call->graph, out, OP_reshape, &call->in, 1, &attrs, err);
}
