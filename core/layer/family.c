#include "layer/family.h"

Status layer_check_planes(const char *name, const Shape *in, int axes, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  if (in->ndim == axes + 2) return NN_OK;
  return err_set(err, NN_SHAPE, "%s: needs an input (n, channels, %s), not of shape %s", name,
                 axes == 1 ? "length" : "height, width", shape_text(in, text));
}

LayerEmit layer_emitter(const LayerCall *call, Err *err) {
  return (LayerEmit){.graph = call->graph,
                     .dtype = graph_node(call->graph, call->in)->dtype,
                     .status = NN_OK,
                     .err = err};
}

Ref layer_emit(LayerEmit *emit, OpId op, Ref a, Ref b, const Attrs *attrs) {
  Ref out = REF_NONE, inputs[2] = {a, b};
  if (emit->status == NN_OK)
    emit->status = graph_op(emit->graph, &out, op, inputs, b == REF_NONE ? 1 : 2, attrs, emit->err);
  return out;
}

Ref layer_emit_number(LayerEmit *emit, OpId op, Ref a, double b) {
  Ref number = REF_NONE;
  if (emit->status == NN_OK)
    emit->status = graph_constant(emit->graph, &number, emit->dtype, b, emit->err);
  return layer_emit(emit, op, a, number, NULL);
}

Ref layer_emit_shape(LayerEmit *emit, OpId op, Ref a, const Shape *shape) {
  Attrs attrs = op_shape_attrs(op, shape);
  return layer_emit(emit, op, a, REF_NONE, &attrs);
}
