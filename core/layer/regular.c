/* Layers against overfitting: active in training only. Masks that whole channels or rows share are
 * dropout of a tensor of ones of the smaller shape. */
#include "layer/family.h"

#include <math.h>

static Status check_p(const LayerCall *call, Err *err) {
  double p = call->options->at[0].number;
  if (p >= 0 && p < 1) return NN_OK;
  return err_set(err, NN_BAD_ARGUMENT, "%s: p must be at least 0 and less than 1, not %g",
                 layer_info(call->layer)->name, p);
}

static Ref dropped(LayerEmit *emit, const LayerCall *call, Ref x) {
  Attrs attrs;
  op_attr_defaults(OP_dropout, &attrs);
  attrs.at[0].number = call->options->at[0].number;
  attrs.at[1].number = (double)call->stream;
  return layer_emit(emit, OP_dropout, x, REF_NONE, &attrs);
}

Status forward_Dropout(LayerCall *call, Ref *out, Err *err) {
  TRY(check_p(call, err));
  *out = call->in;
  if (!call->training || call->options->at[0].number == 0) return NN_OK;
  LayerEmit emit = layer_emitter(call, err);
  *out = dropped(&emit, call, call->in);
  return emit.status;
}

/* x times a mask of the first `axes` axes, which the others share */
static Status drop_whole(LayerCall *call, int axes, Ref *out, Err *err) {
  TRY(check_p(call, err));
  *out = call->in;
  if (!call->training || call->options->at[0].number == 0) return NN_OK;
  Shape shape = graph_node(call->graph, call->in)->shape;
  for (int i = axes; i < shape.ndim; i++) shape.dims[i] = 1;
  LayerEmit emit = layer_emitter(call, err);
  Ref ones;
  TRY(graph_constant(call->graph, &ones, emit.dtype, 1, err));
  Ref mask = dropped(&emit, call, layer_emit_shape(&emit, OP_expand, ones, &shape));
  *out = layer_emit(&emit, OP_mul, call->in, mask, NULL);
  return emit.status;
}

static Status drop_channels(LayerCall *call, int axes, Ref *out, Err *err) {
  TRY(layer_check_planes(layer_info(call->layer)->name, &graph_node(call->graph, call->in)->shape,
                         axes, err));
  return drop_whole(call, 2, out, err);
}

Status forward_Dropout1d(LayerCall *call, Ref *out, Err *err) {
  return drop_channels(call, 1, out, err);
}

Status forward_Dropout2d(LayerCall *call, Ref *out, Err *err) {
  return drop_channels(call, 2, out, err);
}

Status forward_StochasticDepth(LayerCall *call, Ref *out, Err *err) {
  return drop_whole(call, 1, out, err);
}

/* y = a (x or, where dropped, s) + b, with s the least value of SELU, and a and b such that mean 0
 * and variance 1 stay: a = 1 / sqrt(q (1 + p s^2)), b = -a p s, q = 1 - p. Dropout makes
 * (x - s) / q or 0 of x - s, so y = a q dropout(x - s) + a s + b. */
Status forward_AlphaDropout(LayerCall *call, Ref *out, Err *err) {
  const double s = -1.7580993408473766; /* -SELU_SCALE * SELU_ALPHA */
  double p = call->options->at[0].number, q = 1 - p;
  TRY(check_p(call, err));
  *out = call->in;
  if (!call->training || p == 0) return NN_OK;
  double a = 1 / sqrt(q * (1 + p * s * s));
  LayerEmit emit = layer_emitter(call, err);
  Ref y = dropped(&emit, call, layer_emit_number(&emit, OP_sub, call->in, s));
  y = layer_emit_number(&emit, OP_mul, y, a * q);
  *out = layer_emit_number(&emit, OP_add, y, a * s - a * p * s);
  return emit.status;
}

Status forward_GaussianNoise(LayerCall *call, Ref *out, Err *err) {
  double std = call->options->at[0].number;
  if (!(std >= 0 && isfinite(std)))
    return err_set(err, NN_BAD_ARGUMENT, "GaussianNoise: std must be 0 or more, not %g", std);
  *out = call->in;
  if (!call->training || std == 0) return NN_OK;
  Attrs attrs;
  op_attr_defaults(OP_gaussian_noise, &attrs);
  attrs.at[0].number = std;
  attrs.at[1].number = (double)call->stream;
  return graph_op(call->graph, out, OP_gaussian_noise, &call->in, 1, &attrs, err);
}
