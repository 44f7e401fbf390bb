/* Convolution: shapes and gradients. conv.h tells what the sides are.
 *
 * The gradient of conv in its input is conv_transpose and the other way round; that in the weights
 * is conv_weight_grad for both, with the sides exchanged. */
#include "op/conv.h"

#include "op/family.h"

#include <string.h>

/* ---- attributes ---- */

/* One number stands for all axes; none for `fallback`. */
static Status complete_list(OpId op, const char *name, Attr *attr, int axes, int64_t least,
                            int64_t fallback, Err *err) {
  if (attr->count < 0) {
    attr->count = 1;
    attr->list[0] = fallback;
  }
  if (attr->count != 1 && attr->count != axes)
    return err_set(err, NN_BAD_ARGUMENT, "%s: %s has %d entries; give one number or %d",
                   op_info(op)->name, name, attr->count, axes);
  for (int i = attr->count; i < axes; i++) attr->list[i] = attr->list[0];
  attr->count = axes;
  for (int i = 0; i < axes; i++)
    if (attr->list[i] < least || attr->list[i] > INT32_MAX)
      return err_set(err, NN_BAD_ARGUMENT, "%s: %s must be at least %lld, not %lld",
                     op_info(op)->name, name, (long long)least, (long long)attr->list[i]);
  return NN_OK;
}

/* Padding becomes one number for the beginning of each axis, then one for the end of each. -1 is
 * "same": with stride 1 the result is as large as the input; an odd zero goes to the end. */
static Status complete_padding(OpId op, Attrs *attrs, const int64_t *kernel, int axes, Err *err) {
  Attr *padding = &attrs->at[CONV_PADDING];
  if (padding->count == 1 && padding->list[0] == -1) {
    padding->count = 2 * axes;
    for (int i = 0; i < axes; i++) {
      int64_t all = attrs->at[CONV_DILATION].list[i] * (kernel[i] - 1);
      if (attrs->at[CONV_STRIDE].list[i] != 1)
        return err_set(err, NN_BAD_ARGUMENT,
                       "%s: padding \"same\" needs stride 1, not %lld; give numbers",
                       op_info(op)->name, (long long)attrs->at[CONV_STRIDE].list[i]);
      padding->list[i] = all / 2;
      padding->list[axes + i] = all - all / 2;
    }
    return NN_OK;
  }
  if (padding->count == 2 * axes) return complete_list(op, "padding", padding, 2 * axes, 0, 0, err);
  TRY(complete_list(op, "padding", padding, axes, 0, 0, err));
  for (int i = 0; i < axes; i++) padding->list[axes + i] = padding->list[i];
  padding->count = 2 * axes;
  return NN_OK;
}

static Status complete_attrs(OpId op, Attrs *attrs, const int64_t *kernel, int axes, Err *err) {
  TRY(complete_list(op, "stride", &attrs->at[CONV_STRIDE], axes, 1, 1, err));
  TRY(complete_list(op, "dilation", &attrs->at[CONV_DILATION], axes, 1, 1, err));
  TRY(complete_padding(op, attrs, kernel, axes, err));
  int64_t groups = (int64_t)attrs->at[CONV_GROUPS].number;
  if (groups >= 1) return NN_OK;
  return err_set(err, NN_BAD_ARGUMENT, "%s: groups must be at least 1, not %lld", op_info(op)->name,
                 (long long)groups);
}

/* ---- shapes ---- */

/* Input (n, channels, ...) and weight of the same number of axes, 3 or 4, and of the same type. */
static Status check_operands(OpShape *call, Err *err) {
  const Shape *x = call->shape[0], *weight = call->shape[1];
  const char *name = op_info(call->op)->name;
  char tx[SHAPE_TEXT_SIZE], tw[SHAPE_TEXT_SIZE];
  TRY(family_floats(call, call->inputs, err));
  if (x->ndim != 3 && x->ndim != 4)
    return err_set(
        err, NN_SHAPE,
        "%s: needs images (n, channels, height, width) or signals (n, channels, length), "
        "not %s",
        name, shape_text(x, tx));
  if (weight->ndim != x->ndim)
    return err_set(err, NN_SHAPE, "%s: input %s and weight %s must have as many axes", name,
                   shape_text(x, tx), shape_text(weight, tw));
  return NN_OK;
}

static Status check_weight(const OpShape *call, Err *err) {
  const Shape *weight = call->shape[1];
  char text[SHAPE_TEXT_SIZE];
  for (int i = 0; i < weight->ndim; i++)
    if (weight->dims[i] < 1)
      return err_set(err, NN_SHAPE, "%s: the weight is empty: %s", op_info(call->op)->name,
                     shape_text(weight, text));
  return NN_OK;
}

static Status check_bias(const OpShape *call, int64_t channels, Err *err) {
  const Shape *bias = call->inputs > 2 ? call->shape[2] : NULL;
  char text[SHAPE_TEXT_SIZE];
  if (!bias || (bias->ndim == 1 && bias->dims[0] == channels)) return NN_OK;
  return err_set(err, NN_SHAPE, "%s: the bias needs one number an output channel, (%lld,), not %s",
                 op_info(call->op)->name, (long long)channels, shape_text(bias, text));
}

/* Size of the small side of one axis; not positive when the kernel does not fit. */
static int64_t small_size(const Attrs *attrs, int axis, int axes, int64_t large, int64_t kernel) {
  const int64_t *padding = attrs->at[CONV_PADDING].list;
  int64_t reach = attrs->at[CONV_DILATION].list[axis] * (kernel - 1) + 1;
  int64_t room = large + padding[axis] + padding[axes + axis] - reach;
  return room < 0 ? 0 : room / attrs->at[CONV_STRIDE].list[axis] + 1;
}

Status infer_conv(OpShape *call, Err *err) {
  TRY(check_operands(call, err));
  TRY(check_weight(call, err));
  const Shape *x = call->shape[0], *weight = call->shape[1];
  char tx[SHAPE_TEXT_SIZE], tw[SHAPE_TEXT_SIZE];
  int axes = x->ndim - 2;
  TRY(complete_attrs(call->op, call->attrs, weight->dims + 2, axes, err));
  int64_t groups = (int64_t)call->attrs->at[CONV_GROUPS].number;
  if (x->dims[1] != weight->dims[1] * groups || weight->dims[0] % groups != 0)
    return err_set(err, NN_SHAPE,
                   "conv: %lld channels of %s in %lld groups need a weight (out, in / groups, "
                   "...), out a multiple of %lld, not %s",
                   (long long)x->dims[1], shape_text(x, tx), (long long)groups, (long long)groups,
                   shape_text(weight, tw));
  TRY(check_bias(call, weight->dims[0], err));
  call->out = *x;
  call->out.dims[1] = weight->dims[0];
  call->out_dtype = call->dtype[0];
  for (int i = 0; i < axes; i++) {
    call->out.dims[2 + i] = small_size(call->attrs, i, axes, x->dims[2 + i], weight->dims[2 + i]);
    if (call->out.dims[2 + i] < 1)
      return err_set(
          err, NN_SHAPE,
          "conv: the kernel of %s reaches over %lld, but with padding the input %s is "
          "only %lld there",
          shape_text(weight, tw),
          (long long)(call->attrs->at[CONV_DILATION].list[i] * (weight->dims[2 + i] - 1) + 1),
          shape_text(x, tx),
          (long long)(x->dims[2 + i] + call->attrs->at[CONV_PADDING].list[i] +
                      call->attrs->at[CONV_PADDING].list[axes + i]));
  }
  return NN_OK;
}

Status infer_conv_transpose(OpShape *call, Err *err) {
  TRY(check_operands(call, err));
  TRY(check_weight(call, err));
  const Shape *x = call->shape[0], *weight = call->shape[1];
  Attrs *attrs = call->attrs;
  char tx[SHAPE_TEXT_SIZE], tw[SHAPE_TEXT_SIZE];
  int axes = x->ndim - 2;
  TRY(complete_attrs(call->op, attrs, weight->dims + 2, axes, err));
  TRY(complete_list(call->op, "output_padding", &attrs->at[CONV_OUTPUT_PADDING], axes, 0, 0, err));
  int64_t groups = (int64_t)attrs->at[CONV_GROUPS].number;
  if (x->dims[1] != weight->dims[0] || weight->dims[0] % groups != 0)
    return err_set(err, NN_SHAPE,
                   "conv_transpose: %lld channels of %s in %lld groups need a weight "
                   "(in, out / groups, ...), in a multiple of %lld, not %s",
                   (long long)x->dims[1], shape_text(x, tx), (long long)groups, (long long)groups,
                   shape_text(weight, tw));
  TRY(check_bias(call, weight->dims[1] * groups, err));
  call->out = *x;
  call->out.dims[1] = weight->dims[1] * groups;
  call->out_dtype = call->dtype[0];
  for (int i = 0; i < axes; i++) {
    int64_t stride = attrs->at[CONV_STRIDE].list[i], dilation = attrs->at[CONV_DILATION].list[i];
    int64_t more = attrs->at[CONV_OUTPUT_PADDING].list[i];
    const int64_t *padding = attrs->at[CONV_PADDING].list;
    if (more >= stride && more >= dilation)
      return err_set(err, NN_BAD_ARGUMENT,
                     "conv_transpose: output_padding %lld must be less than the stride, %lld, or "
                     "the dilation, %lld",
                     (long long)more, (long long)stride, (long long)dilation);
    call->out.dims[2 + i] = (x->dims[2 + i] - 1) * stride - padding[i] - padding[axes + i] +
                            dilation * (weight->dims[2 + i] - 1) + 1 + more;
    if (x->dims[2 + i] < 1 || call->out.dims[2 + i] < 1)
      return err_set(err, NN_SHAPE, "conv_transpose: nothing is left of %s with weight %s",
                     shape_text(x, tx), shape_text(weight, tw));
  }
  return NN_OK;
}

/* Input 0 is the large side, input 1 the small one. */
Status infer_conv_weight_grad(OpShape *call, Err *err) {
  TRY(check_operands(call, err));
  const Shape *large = call->shape[0], *small = call->shape[1];
  Attrs *attrs = call->attrs;
  int axes = large->ndim - 2;
  TRY(complete_list(call->op, "kernel", &attrs->at[CONV_KERNEL], axes, 1, 1, err));
  const int64_t *kernel = attrs->at[CONV_KERNEL].list;
  TRY(complete_attrs(call->op, attrs, kernel, axes, err));
  int64_t groups = (int64_t)attrs->at[CONV_GROUPS].number;
  bool fits = large->dims[0] == small->dims[0] && large->dims[1] % groups == 0 &&
              small->dims[1] % groups == 0;
  for (int i = 0; fits && i < axes; i++)
    fits = small_size(attrs, i, axes, large->dims[2 + i], kernel[i]) == small->dims[2 + i];
  if (!fits) {
    char tl[SHAPE_TEXT_SIZE], ts[SHAPE_TEXT_SIZE];
    return err_set(err, NN_SHAPE, "conv_weight_grad: %s and %s are not sides of one convolution",
                   shape_text(large, tl), shape_text(small, ts));
  }
  int64_t pieces = (int64_t)attrs->at[CONV_PIECES].number;
  if (pieces < 1 || pieces > INT32_MAX)
    return err_set(err, NN_BAD_ARGUMENT, "conv_weight_grad: pieces must be at least 1, not %lld",
                   (long long)pieces);
  Shape *weight = &call->out, *bias = &call->more[0].shape;
  weight->ndim = bias->ndim = 0;
  if (pieces > 1) weight->dims[weight->ndim++] = bias->dims[bias->ndim++] = pieces;
  weight->dims[weight->ndim++] = bias->dims[bias->ndim++] = small->dims[1];
  weight->dims[weight->ndim++] = large->dims[1] / groups;
  for (int i = 0; i < axes; i++) weight->dims[weight->ndim++] = kernel[i];
  call->out_dtype = call->more[0].dtype = call->dtype[0];
  return NN_OK;
}

/* Each element of the small side reads, or adds to, all under the kernel. */
static int64_t cost_of(const Shape *small, const Shape *weight) {
  return shape_count(small) * (shape_count(weight) / weight->dims[0]);
}

int64_t cost_conv(const OpShape *call) { return cost_of(&call->out, call->shape[1]); }

int64_t cost_conv_transpose(const OpShape *call) { return cost_of(call->shape[0], call->shape[1]); }

/* ---- running by blocks of rows ---- */

static OpRows keeps_images(const OpShape *call, const bool *batched) {
  for (int i = 0; i < call->inputs; i++)
    if (call->shape[i] && batched[i] != (i == 0)) return OP_ROWS_MIX;
  return OP_ROWS_KEEP;
}

OpRows rows_conv(const OpShape *call, const bool *batched) { return keeps_images(call, batched); }

OpRows rows_conv_transpose(const OpShape *call, const bool *batched) {
  return keeps_images(call, batched);
}

/* ---- gradients ---- */

/* The transpose of a convolution has its stride, padding, dilation and groups. */
static Attrs common_attrs(OpId op, const Attrs *from) {
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  memcpy(attrs.at, from->at, (CONV_GROUPS + 1) * sizeof *attrs.at);
  return attrs;
}

/* g summed over the first of its axes, or over all but that of the channels */
static Ref emit_sum(OpBuilder *build, Ref g, int axes) {
  Attrs attrs;
  op_attr_defaults(OP_sum, &attrs);
  attrs.at[0].count = axes;
  for (int i = 0; i < axes; i++) attrs.at[0].list[i] = i == 0 ? 0 : i + 1;
  return op_emit(build, OP_sum, g, REF_NONE, &attrs);
}

static Ref emit_bias_grad(OpBuilder *build, Ref g) {
  return emit_sum(build, g, build->shape(build, g)->ndim - 1);
}

/* The gradient in the weights, and unless `bias` is NULL that in the bias. */
static Ref emit_weight_grad(OpGrad *grad, Ref large, Ref small, Ref *bias) {
  OpBuilder *build = grad->builder;
  const Shape *weight = build->shape(build, grad->in[1]);
  Attrs attrs = common_attrs(OP_conv_weight_grad, grad->attrs);
  attrs.at[CONV_KERNEL].count = weight->ndim - 2;
  memcpy(attrs.at[CONV_KERNEL].list, weight->dims + 2, 2 * sizeof(int64_t));
  ConvShape shape =
      conv_shape(build->shape(build, large), build->shape(build, small), weight, &attrs);
  int64_t pieces = conv_pieces(&shape);
  attrs.at[CONV_PIECES].number = (double)pieces;
  Ref made = op_emit(build, OP_conv_weight_grad, large, small, &attrs);
  if (bias) *bias = build->result(build, made, 1);
  if (pieces == 1) return made;
  if (bias) *bias = emit_sum(build, *bias, 1);
  return emit_sum(build, made, 1);
}

/* With G the gradient of y = conv(x, W) + b:  dx = conv_transpose(G, W), dW[o][c][k] = the sum of
 * G[o][i] x[c][i * stride - before + k * dilation] over images and i, db = the sum of G. */
Status grad_conv(OpGrad *grad, Err *err) {
  (void)err;
  OpBuilder *build = grad->builder;
  Ref x = grad->in[0], g = grad->out_grad;
  bool bias = grad->inputs > 2 && grad->wants[2];
  if (grad->wants[0]) {
    const Shape *large = build->shape(build, x), *small = build->shape(build, g);
    const Shape *weight = build->shape(build, grad->in[1]);
    Attrs attrs = common_attrs(OP_conv_transpose, grad->attrs);
    int axes = large->ndim - 2;
    attrs.at[CONV_OUTPUT_PADDING].count = axes;
    for (int i = 0; i < axes; i++) { /* what the stride leaves over at the end */
      const int64_t *padding = attrs.at[CONV_PADDING].list;
      int64_t reach = attrs.at[CONV_DILATION].list[i] * (weight->dims[2 + i] - 1) + 1;
      attrs.at[CONV_OUTPUT_PADDING].list[i] =
          large->dims[2 + i] + padding[i] + padding[axes + i] - reach -
          (small->dims[2 + i] - 1) * attrs.at[CONV_STRIDE].list[i];
    }
    grad->in_grads[0] = op_emit(build, OP_conv_transpose, g, grad->in[1], &attrs);
  }
  if (grad->wants[1]) {
    grad->in_grads[1] = emit_weight_grad(grad, x, g, bias ? &grad->in_grads[2] : NULL);
  } else if (bias) {
    grad->in_grads[2] = emit_bias_grad(build, g);
  }
  return NN_OK;
}

/* The part of conv_transpose's result that x reaches: without the strides that output_padding
 * added. */
static Ref emit_reached(const OpGrad *grad, Ref large) {
  OpBuilder *build = grad->builder;
  const Attrs *attrs = grad->attrs;
  for (int i = 0; i < attrs->at[CONV_OUTPUT_PADDING].count; i++) {
    int64_t more = attrs->at[CONV_OUTPUT_PADDING].list[i];
    more -= more % attrs->at[CONV_STRIDE].list[i];
    int64_t size = build->shape(build, large)->dims[2 + i];
    if (more > 0) large = family_slice(build, large, 2 + i, 0, size - more);
  }
  return large;
}

/* With G the gradient of y = conv_transpose(x, W):  dx = conv(G, W), and dW as of that conv. */
Status grad_conv_transpose(OpGrad *grad, Err *err) {
  (void)err;
  OpBuilder *build = grad->builder;
  Ref x = grad->in[0], g = grad->out_grad, reached = emit_reached(grad, g);
  if (grad->wants[0]) {
    Attrs attrs = common_attrs(OP_conv, grad->attrs);
    grad->in_grads[0] = op_emit(build, OP_conv, reached, grad->in[1], &attrs);
  }
  if (grad->wants[1]) grad->in_grads[1] = emit_weight_grad(grad, reached, x, NULL);
  if (grad->inputs > 2 && grad->wants[2]) grad->in_grads[2] = emit_bias_grad(build, g);
  return NN_OK;
}
