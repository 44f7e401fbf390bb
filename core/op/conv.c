/* Convolution: shapes, gradients, division into parts. conv.h tells what the sides are.
 *
 * The gradient of conv in its input is conv_transpose and the other way round; that in the weights
 * is conv_weight_grad for both, with the sides exchanged. */
#include "op/conv.h"

#include "base/checked.h"
#include "op/family.h"

#include <string.h>

int parts_conv(const OpCall *call, int threads);
int parts_conv_transpose(const OpCall *call, int threads);
int parts_conv_weight_grad(const OpCall *call, int threads);
int64_t cost_conv(const OpShape *call);
int64_t cost_conv_transpose(const OpShape *call);

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
  call->out = *large;
  call->out.dims[0] = small->dims[1];
  call->out.dims[1] = large->dims[1] / groups;
  for (int i = 0; i < axes; i++) call->out.dims[2 + i] = kernel[i];
  call->out_dtype = call->dtype[0];
  call->more[0].shape = (Shape){.ndim = 1, .dims = {small->dims[1]}};
  call->more[0].dtype = call->dtype[0];
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

/* g summed over all axes but that of the channels */
static Ref emit_bias_grad(OpBuilder *build, Ref g) {
  Attrs attrs;
  op_attr_defaults(OP_sum, &attrs);
  int axes = build->shape(build, g)->ndim - 1;
  attrs.at[0].count = axes;
  for (int i = 0; i < axes; i++) attrs.at[0].list[i] = i == 0 ? 0 : i + 1;
  return op_emit(build, OP_sum, g, REF_NONE, &attrs);
}

static Ref emit_weight_grad(OpGrad *grad, Ref large, Ref small) {
  OpBuilder *build = grad->builder;
  const Shape *weight = build->shape(build, grad->in[1]);
  Attrs attrs = common_attrs(OP_conv_weight_grad, grad->attrs);
  attrs.at[CONV_KERNEL].count = weight->ndim - 2;
  memcpy(attrs.at[CONV_KERNEL].list, weight->dims + 2, 2 * sizeof(int64_t));
  return op_emit(build, OP_conv_weight_grad, large, small, &attrs);
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
    Ref made = grad->in_grads[1] = emit_weight_grad(grad, x, g);
    if (bias) grad->in_grads[2] = build->result(build, made, 1);
  } else if (bias) {
    grad->in_grads[2] = emit_bias_grad(build, g);
  }
  return NN_OK;
}

/* With G the gradient of y = conv_transpose(x, W):  dx = conv(G, W), and dW as of that conv. */
Status grad_conv_transpose(OpGrad *grad, Err *err) {
  (void)err;
  OpBuilder *build = grad->builder;
  Ref x = grad->in[0], g = grad->out_grad;
  if (grad->wants[0]) {
    Attrs attrs = common_attrs(OP_conv, grad->attrs);
    grad->in_grads[0] = op_emit(build, OP_conv, g, grad->in[1], &attrs);
  }
  if (grad->wants[1]) grad->in_grads[1] = emit_weight_grad(grad, g, x);
  if (grad->inputs > 2 && grad->wants[2]) grad->in_grads[2] = emit_bias_grad(build, g);
  return NN_OK;
}

/* ---- geometry ---- */

ConvShape conv_shape(const Shape *large, const Shape *small, const Shape *weight,
                     const Attrs *attrs) {
  ConvShape shape = {.batch = large->dims[0],
                     .groups = (int64_t)attrs->at[CONV_GROUPS].number,
                     .large = large->dims[1],
                     .small = small->dims[1],
                     .y = {1, 1, 1, 1, 1, 0}};
  int axes = large->ndim - 2;
  for (int i = 0; i < axes; i++) {
    ConvAxis *axis = i == axes - 1 ? &shape.x : &shape.y;
    *axis = (ConvAxis){.large = large->dims[2 + i],
                       .small = small->dims[2 + i],
                       .kernel = weight->dims[2 + i],
                       .stride = attrs->at[CONV_STRIDE].list[i],
                       .dilation = attrs->at[CONV_DILATION].list[i],
                       .before = attrs->at[CONV_PADDING].list[i]};
  }
  return shape;
}

int conv_phases(const ConvAxis *axis, bool transposed) {
  if (!transposed) return 1;
  return (int)(axis->stride < axis->large ? axis->stride : axis->large);
}

ConvPhase conv_phase(const ConvAxis *axis, bool transposed, int index) {
  if (!transposed) return (ConvPhase){0, 1, axis->small, axis->stride};
  return (ConvPhase){index, axis->stride, (axis->large - index + axis->stride - 1) / axis->stride,
                     1};
}

bool conv_tap(const ConvAxis *axis, bool transposed, int phase, int64_t tap, int64_t *offset) {
  if (!transposed) {
    *offset = tap * axis->dilation - axis->before;
    return true;
  }
  int64_t reach = phase + axis->before - (axis->kernel - 1 - tap) * axis->dilation;
  *offset = reach / axis->stride;
  return reach % axis->stride == 0;
}

/* The lowest and highest source position that output positions [0, rows) of all phases read; false
 * when they read none. */
static bool source_reach(const ConvAxis *axis, bool transposed, int64_t rows, int64_t *low,
                         int64_t *high) {
  bool any = false;
  for (int p = 0; p < conv_phases(axis, transposed); p++) {
    ConvPhase phase = conv_phase(axis, transposed, p);
    int64_t count = phase.count < rows ? phase.count : rows;
    for (int64_t t = 0; t < axis->kernel; t++) {
      int64_t offset;
      if (!conv_tap(axis, transposed, p, t, &offset)) continue;
      int64_t last = offset + (count - 1) * phase.source_step;
      *low = any && *low < offset ? *low : offset;
      *high = any && *high > last ? *high : last;
      any = true;
    }
  }
  return any;
}

static int64_t round_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

/* Copied rows of a band should stay in the first-level cache together with the weights of a tile,
 * or at least, as the weights of many channels do, well within the second. */
enum { BAND_BYTES = 96 * 1024 };

/* Pixels of results that are gathered before they are put in place. */
enum { STRIP = 128 };

ConvLayout conv_gather_layout(const ConvShape *shape, bool transposed, size_t element) {
  const ConvAxis *x = &shape->x, *y = &shape->y;
  int64_t in = transposed ? shape->small : shape->large;
  int64_t out = transposed ? shape->large : shape->small;
  int64_t source_width = transposed ? x->small : x->large;
  int64_t source_height = transposed ? y->small : y->large;
  int64_t low = 0, high = 0;
  source_reach(x, transposed, INT64_MAX, &low, &high);
  ConvLayout layout = {.left = low < 0 ? -low : 0};
  layout.width = layout.left + source_width;
  if (high >= source_width) layout.width += high - source_width + 1;
  int64_t row = layout.width * in;
  int64_t rows = transposed ? (y->large + y->stride - 1) / y->stride : y->small;
  for (layout.band_rows = rows;; layout.band_rows = (layout.band_rows + 1) / 2) {
    low = high = 0;
    source_reach(y, transposed, layout.band_rows, &low, &high);
    layout.source_rows = high - low + 1 < source_height ? high - low + 1 : source_height;
    if (layout.band_rows == 1 || layout.source_rows * row * (int64_t)element <= BAND_BYTES) break;
  }
  layout.bands = (rows + layout.band_rows - 1) / layout.band_rows;
  layout.source = round_up(layout.source_rows * row + 2 * CONV_BLOCK, CONV_BLOCK);
  int64_t per_group = round_up(out / shape->groups, CONV_BLOCK);
  int64_t depth = in / shape->groups * y->kernel * x->kernel;
  layout.weights = conv_depthwise(shape) ? round_up(out, CONV_BLOCK) * y->kernel * x->kernel
                                         : shape->groups * per_group * depth;
  int64_t result_width = transposed ? x->large : x->small;
  layout.strip_rows = result_width < STRIP ? STRIP / result_width : 1;
  layout.strip = layout.strip_rows * result_width * CONV_BLOCK;
  layout.bytes = (size_t)(layout.source + layout.weights + layout.strip) * element +
                 (size_t)(y->kernel + 1) * (size_t)(x->kernel + 1) * 4 * sizeof(int64_t) +
                 6 * TENSOR_ALIGN;
  layout.bytes = (size_t)round_up((int64_t)layout.bytes, TENSOR_ALIGN);
  return layout;
}

ConvGradLayout conv_grad_layout(const ConvShape *shape, size_t element) {
  const ConvAxis *x = &shape->x, *y = &shape->y;
  ConvGradLayout layout = {.left = x->before};
  int64_t reach = (x->small - 1) * x->stride + (x->kernel - 1) * x->dilation + 1;
  layout.width = reach > x->before + x->large ? reach : x->before + x->large;
  int64_t row = layout.width * shape->large;
  int64_t small = round_up(shape->small, CONV_BLOCK) + shape->groups * CONV_BLOCK;
  for (layout.band_rows = y->small;; layout.band_rows = (layout.band_rows + 1) / 2) {
    layout.large_rows = (layout.band_rows - 1) * y->stride + (y->kernel - 1) * y->dilation + 1;
    if (layout.large_rows > y->large) layout.large_rows = y->large;
    int64_t elements = layout.large_rows * row + layout.band_rows * x->small * small;
    if (layout.band_rows == 1 || elements * (int64_t)element <= 2 * BAND_BYTES) break;
  }
  layout.bands = (y->small + layout.band_rows - 1) / layout.band_rows;
  layout.large = round_up(layout.large_rows * row + 2 * CONV_BLOCK, CONV_BLOCK);
  layout.small = layout.band_rows * x->small * small + CONV_BLOCK;
  int64_t per_group = conv_depthwise(shape) ? 1 : shape->large / shape->groups;
  layout.sums = (small * per_group + CONV_BLOCK) * y->kernel * x->kernel;
  layout.bytes = (size_t)(layout.large + layout.small + layout.sums) * element + 4 * TENSOR_ALIGN;
  layout.bytes = (size_t)round_up((int64_t)layout.bytes, TENSOR_ALIGN);
  return layout;
}

/* Measured: the transforms pay from here on. */
enum { WINOGRAD_CHANNELS = 12, WINOGRAD_TILES = 4, WINOGRAD_VALUES = 160 * 1024 };

bool conv_is_winograd(const ConvShape *shape) {
  const ConvAxis *y = &shape->y, *x = &shape->x;
  return y->kernel == 3 && x->kernel == 3 && y->stride == 1 && x->stride == 1 && y->dilation == 1 &&
         x->dilation == 1 && shape->groups == 1 && shape->large >= WINOGRAD_CHANNELS &&
         shape->small >= WINOGRAD_CHANNELS && y->small >= WINOGRAD_TILES &&
         x->small >= WINOGRAD_TILES;
}

ConvWinograd conv_winograd_layout(const ConvShape *shape, bool transposed, bool weight_grad,
                                  size_t element) {
  int64_t height = transposed ? shape->y.large : shape->y.small;
  int64_t width = transposed ? shape->x.large : shape->x.small;
  int64_t in = round_up(transposed ? shape->small : shape->large, CONV_BLOCK);
  int64_t out = round_up(transposed ? shape->large : shape->small, CONV_BLOCK);
  ConvWinograd layout = {.columns = (width + 1) / 2, .rows = (height + 1) / 2, .images = 1};
  int64_t row_bytes = 16 * layout.columns * in * (int64_t)element;
  layout.bands = (layout.rows * row_bytes + WINOGRAD_VALUES - 1) / WINOGRAD_VALUES;
  if (layout.bands > layout.rows) layout.bands = layout.rows;
  layout.band_rows = (layout.rows + layout.bands - 1) / layout.bands;
  layout.bands = (layout.rows + layout.band_rows - 1) / layout.band_rows;
  if (layout.bands == 1) layout.images = WINOGRAD_VALUES / (layout.rows * row_bytes);
  if (layout.images > shape->batch) layout.images = shape->batch;
  if (layout.images < 1) layout.images = 1;
  layout.units = layout.bands > 1 ? shape->batch * layout.bands
                                  : (shape->batch + layout.images - 1) / layout.images;
  layout.tiles = layout.images * layout.band_rows * layout.columns;
  layout.source = (2 * layout.band_rows + 2) * (2 * layout.columns + 2) * in + CONV_BLOCK;
  layout.values = 16 * (layout.tiles * in + CONV_BLOCK);
  if (weight_grad) {
    layout.made = 16 * (layout.tiles * out + out);
    layout.sums = 16 * in * out;
    layout.strip = 2 * layout.band_rows * 2 * layout.columns * out;
  } else {
    layout.made = 16 * (layout.tiles + 1) * CONV_BLOCK;
    layout.weights = 16 * in * out;
    layout.strip = 4 * layout.columns * CONV_BLOCK + 9 * in * CONV_BLOCK;
  }
  layout.bytes = (size_t)(layout.source + layout.values + layout.made + layout.weights +
                          layout.sums + layout.strip) *
                     element +
                 6 * TENSOR_ALIGN;
  layout.bytes = (size_t)round_up((int64_t)layout.bytes, TENSOR_ALIGN);
  return layout;
}

/* ---- scratch and parts ---- */

size_t scratch_conv(const OpShape *call) {
  ConvShape shape = conv_shape(call->shape[0], &call->out, call->shape[1], call->attrs);
  if (conv_is_winograd(&shape))
    return conv_winograd_layout(&shape, false, false, dtype_size(call->out_dtype)).bytes;
  return conv_gather_layout(&shape, false, dtype_size(call->out_dtype)).bytes;
}

size_t scratch_conv_transpose(const OpShape *call) {
  ConvShape shape = conv_shape(&call->out, call->shape[0], call->shape[1], call->attrs);
  if (conv_is_winograd(&shape))
    return conv_winograd_layout(&shape, true, false, dtype_size(call->out_dtype)).bytes;
  return conv_gather_layout(&shape, true, dtype_size(call->out_dtype)).bytes;
}

size_t scratch_conv_weight_grad(const OpShape *call) {
  ConvShape shape = conv_shape(call->shape[0], call->shape[1], &call->out, call->attrs);
  if (conv_is_winograd(&shape))
    return conv_winograd_layout(&shape, false, true, dtype_size(call->out_dtype)).bytes;
  return conv_grad_layout(&shape, dtype_size(call->out_dtype)).bytes;
}

/* As many parts as have 25 microseconds of work each (see gemm_parts), at most `units`. */
static int parts_for(const ConvShape *shape, int64_t units, int threads) {
  const double products_per_part = 1e6;
  double products = (double)shape->batch * (double)shape->small * (double)shape->large /
                    (double)shape->groups * (double)shape->y.small * (double)shape->x.small *
                    (double)shape->y.kernel * (double)shape->x.kernel;
  int64_t parts = threads < units ? threads : units;
  if (products / products_per_part < (double)parts) parts = (int64_t)(products / products_per_part);
  return parts < 1 ? 1 : (int)parts;
}

/* Units of a gathering op. */
static int64_t units_of(const ConvShape *shape, bool transposed, size_t element) {
  if (conv_is_winograd(shape)) return conv_winograd_layout(shape, transposed, false, element).units;
  return shape->batch * conv_gather_layout(shape, transposed, element).bands;
}

int parts_conv(const OpCall *call, int threads) {
  ConvShape shape =
      conv_shape(&call->in[0].shape, &call->out.shape, &call->in[1].shape, call->attrs);
  return parts_for(&shape, units_of(&shape, false, dtype_size(call->out.dtype)), threads);
}

int parts_conv_transpose(const OpCall *call, int threads) {
  ConvShape shape =
      conv_shape(&call->out.shape, &call->in[0].shape, &call->in[1].shape, call->attrs);
  return parts_for(&shape, units_of(&shape, true, dtype_size(call->out.dtype)), threads);
}

int parts_conv_weight_grad(const OpCall *call, int threads) {
  ConvShape shape =
      conv_shape(&call->in[0].shape, &call->in[1].shape, &call->out.shape, call->attrs);
  int64_t blocks = (shape.small + CONV_BLOCK - 1) / CONV_BLOCK;
  return parts_for(&shape, blocks, threads);
}
