/* Pooling layers. max(f(x)) = f(max(x)) for every f that never falls, so an activation just before
 * max-pooling is done after it, on fewer elements; the values are the same, and so is the gradient
 * but where f is flat, whose gradient is 0 there. */
#include "layer/family.h"

#include <string.h>

/* Is the node the value of an elementwise op that never falls? */
static bool never_falls(const Node *node) {
  static const OpId always[] = {OP_relu,  OP_sigmoid,  OP_tanh,        OP_selu,     OP_softplus,
                                OP_relu6, OP_hardtanh, OP_hardsigmoid, OP_softsign, OP_logsigmoid};
  static const OpId unless_negative[] = {OP_leaky_relu, OP_elu}; /* slope or alpha */
  if (node->kind != NODE_OP || node->slot >= 0) return false;
  for (size_t i = 0; i < sizeof always / sizeof *always; i++)
    if (node->op == always[i]) return true;
  for (size_t i = 0; i < sizeof unless_negative / sizeof *unless_negative; i++)
    if (node->op == unless_negative[i]) return node->attrs->at[0].number >= 0;
  return false;
}

static Status check_axes(const LayerCall *call, int axes, Err *err) {
  return layer_check_planes(layer_info(call->layer)->name,
                            &graph_node(call->graph, call->in)->shape, axes, err);
}

static Status max_pool(LayerCall *call, OpId op, const Attrs *attrs, int axes, Ref *out, Err *err) {
  TRY(check_axes(call, axes, err));
  const Node *in = graph_node(call->graph, call->in);
  if (!never_falls(in)) return graph_op(call->graph, out, op, &call->in, 1, attrs, err);
  Ref pooled;
  TRY(graph_op(call->graph, &pooled, op, &in->in[0], 1, attrs, err));
  return graph_op(call->graph, out, in->op, &pooled, 1, in->attrs, err);
}

Status forward_MaxPool1d(LayerCall *call, Ref *out, Err *err) {
  return max_pool(call, OP_max_pool, call->options, 1, out, err);
}

Status forward_MaxPool2d(LayerCall *call, Ref *out, Err *err) {
  return max_pool(call, OP_max_pool, call->options, 2, out, err);
}

static Status avg_pool(LayerCall *call, int axes, Ref *out, Err *err) {
  TRY(check_axes(call, axes, err));
  return graph_op(call->graph, out, OP_avg_pool, &call->in, 1, call->options, err);
}

Status forward_AvgPool1d(LayerCall *call, Ref *out, Err *err) {
  return avg_pool(call, 1, out, err);
}

Status forward_AvgPool2d(LayerCall *call, Ref *out, Err *err) {
  return avg_pool(call, 2, out, err);
}

/* ---- adaptive ---- */

/* Windows of adaptive pooling that do not overlap and are alike are windows of plain pooling, with
 * kernel_size in `attrs`. */
static bool alike(const LayerCall *call, int axes, OpId op, Attrs *attrs) {
  const Shape *in = &graph_node(call->graph, call->in)->shape;
  const Attr *size = &call->options->at[0];
  op_attr_defaults(op, attrs);
  attrs->at[0].count = axes;
  for (int i = 0; i < axes; i++) {
    int64_t out = size->list[size->count == 1 ? 0 : i];
    if (out < 1 || in->dims[2 + i] < out || in->dims[2 + i] % out != 0) return false;
    attrs->at[0].list[i] = in->dims[2 + i] / out;
  }
  return size->count == 1 || size->count == axes;
}

static Status adaptive_max(LayerCall *call, int axes, Ref *out, Err *err) {
  Attrs attrs;
  TRY(check_axes(call, axes, err));
  if (alike(call, axes, OP_max_pool, &attrs))
    return max_pool(call, OP_max_pool, &attrs, axes, out, err);
  return max_pool(call, OP_adaptive_max_pool, call->options, axes, out, err);
}

Status forward_AdaptiveMaxPool1d(LayerCall *call, Ref *out, Err *err) {
  return adaptive_max(call, 1, out, err);
}

Status forward_AdaptiveMaxPool2d(LayerCall *call, Ref *out, Err *err) {
  return adaptive_max(call, 2, out, err);
}

/* The mean of whole planes. */
static Status global_avg(LayerCall *call, int axes, Ref *out, Err *err) {
  Attrs attrs;
  op_attr_defaults(OP_mean, &attrs);
  attrs.at[0].count = axes;
  for (int i = 0; i < axes; i++) attrs.at[0].list[i] = 2 + i;
  attrs.at[1].number = true;
  return graph_op(call->graph, out, OP_mean, &call->in, 1, &attrs, err);
}

static Status adaptive_avg(LayerCall *call, int axes, Ref *out, Err *err) {
  Attrs attrs;
  TRY(check_axes(call, axes, err));
  const Shape *in = &graph_node(call->graph, call->in)->shape;
  if (!alike(call, axes, OP_avg_pool, &attrs))
    return graph_op(call->graph, out, OP_adaptive_avg_pool, &call->in, 1, call->options, err);
  if (memcmp(attrs.at[0].list, in->dims + 2, (size_t)axes * sizeof *in->dims) == 0)
    return global_avg(call, axes, out, err);
  return graph_op(call->graph, out, OP_avg_pool, &call->in, 1, &attrs, err);
}

Status forward_AdaptiveAvgPool1d(LayerCall *call, Ref *out, Err *err) {
  return adaptive_avg(call, 1, out, err);
}

Status forward_AdaptiveAvgPool2d(LayerCall *call, Ref *out, Err *err) {
  return adaptive_avg(call, 2, out, err);
}
