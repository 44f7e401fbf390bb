/* Layers that take values apart or put something around them: GLU, zero padding, PReLU's slopes. */
#include "layer/family.h"

/* ---- PReLU ---- */

Status params_PReLU(const Attrs *options, const Shape *in, LayerParam *params, int *count,
                    Err *err) {
  double wanted = options->at[0].number;
  int64_t channels = in->ndim > 1 ? in->dims[1] : 1;
  if (wanted != 1 && wanted != (double)channels)
    return err_set(err, NN_BAD_ARGUMENT,
                   "PReLU: num_parameters is 1 or the number of channels, here %lld, not %.0f",
                   (long long)channels, wanted);
  params[0] = (LayerParam){.name = "weight",
                           .shape = {.ndim = 1, .dims = {(int64_t)wanted}},
                           .init = INIT_constant,
                           .value = 0.25,
                           .fan_in = 1,
                           .fan_out = 1};
  *count = 1;
  return NN_OK;
}

Status forward_PReLU(LayerCall *call, Ref *out, Err *err) {
  const Shape *in = &graph_node(call->graph, call->in)->shape;
  LayerEmit emit = layer_emitter(call, err);
  Ref slope = call->params[0];
  Shape shape = {.ndim = in->ndim - 1, .dims = {in->dims[1], 1, 1, 1, 1, 1, 1}};
  if (call->options->at[0].number != 1) slope = layer_emit_shape(&emit, OP_reshape, slope, &shape);
  *out = layer_emit(&emit, OP_prelu, call->in, slope, NULL);
  return emit.status;
}

/* ---- GLU ---- */

static Ref half(LayerEmit *emit, Ref x, int64_t axis, int64_t first, int64_t size) {
  Attrs attrs;
  op_attr_defaults(OP_slice, &attrs);
  attrs.at[0].number = (double)axis;
  attrs.at[1].number = (double)first;
  attrs.at[2].number = (double)(first + size - 1);
  return layer_emit(emit, OP_slice, x, REF_NONE, &attrs);
}

Status forward_GLU(LayerCall *call, Ref *out, Err *err) {
  const Shape *in = &graph_node(call->graph, call->in)->shape;
  int64_t axis = (int64_t)call->options->at[0].number;
  char text[SHAPE_TEXT_SIZE];
  TRY(op_axis(OP_slice, &axis, in, err));
  int64_t size = in->dims[axis] / 2;
  if (in->dims[axis] % 2 != 0 || size == 0)
    return err_set(err, NN_SHAPE, "GLU: axis %lld of shape %s does not divide into halves",
                   (long long)axis + 1, shape_text(in, text));
  LayerEmit emit = layer_emitter(call, err);
  Ref gate = layer_emit(&emit, OP_sigmoid, half(&emit, call->in, axis, size, size), REF_NONE, NULL);
  *out = layer_emit(&emit, OP_mul, half(&emit, call->in, axis, 0, size), gate, NULL);
  return emit.status;
}

/* ---- zero padding ---- */

/* PyTorch's order: the last axis first, before and after; one number stands for all. */
static Status zero_pad(LayerCall *call, int axes, Ref *out, Err *err) {
  const Shape *in = &graph_node(call->graph, call->in)->shape;
  const Attr *padding = &call->options->at[0];
  const char *name = layer_info(call->layer)->name;
  TRY(layer_check_planes(name, in, axes, err));
  if (padding->count != 1 && padding->count != 2 * axes)
    return err_set(err, NN_BAD_ARGUMENT, "%s: padding is a number or %s, not %d numbers", name,
                   axes == 1 ? "{ left, right }" : "{ left, right, top, bottom }", padding->count);
  LayerEmit emit = layer_emitter(call, err);
  *out = call->in;
  for (int i = 0; i < axes; i++) {
    int64_t before = padding->list[padding->count == 1 ? 0 : 2 * i];
    int64_t after = padding->list[padding->count == 1 ? 0 : 2 * i + 1];
    if (before == 0 && after == 0) continue;
    Attrs attrs;
    op_attr_defaults(OP_pad, &attrs);
    attrs.at[0].number = axes + 1 - i;
    attrs.at[1].number = (double)before;
    attrs.at[2].number = (double)after;
    *out = layer_emit(&emit, OP_pad, *out, REF_NONE, &attrs);
  }
  return emit.status;
}

Status forward_ZeroPad1d(LayerCall *call, Ref *out, Err *err) {
  return zero_pad(call, 1, out, err);
}

Status forward_ZeroPad2d(LayerCall *call, Ref *out, Err *err) {
  return zero_pad(call, 2, out, err);
}
