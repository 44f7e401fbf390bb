/* Pooling over the axes after (n, c): one of them (1-D) or two (2-D).
 *
 * Windows follow PyTorch: out = floor((in + 2 padding - dilation (kernel - 1) - 1) / stride) + 1,
 * or ceil with ceil_mode, where no window may begin behind the input and its padding. Windows of
 * adaptive pooling go from floor(i in / out) to ceil((i + 1) in / out).
 * Max-pooling's second result says where the maxima were: of a window of at most POOL_MAX_COMPACT
 * elements a byte each, packed into int64; else an int64, the place in the plane. */
#include "op/pool.h"

#include "op/family.h"

enum { AVG_CEIL = 3, MAX_CEIL = 4 };

/* Elements of a padded plane: sizes of scratch must not overflow. */
#define LARGEST_FRAME 0x1p48

/* ---- geometry ---- */

/* Spell a list out for every pooled axis: one number stands for all; nothing given is `fallback`.
 */
static Status complete(OpShape *call, int slot, int axes, const Attr *fallback, int64_t least,
                       Err *err) {
  Attr *attr = &call->attrs->at[slot];
  AttrSpec spec;
  op_attr_spec(call->op, slot, &spec);
  if (attr->count < 0) {
    for (int i = 0; i < axes; i++)
      attr->list[i] = fallback ? fallback->list[i] : slot == POOL_DILATION ? 1 : 0;
    attr->count = axes;
  }
  if (attr->count == 1 && axes == 2) attr->list[attr->count++] = attr->list[0];
  if (attr->count != axes)
    return err_set(err, NN_BAD_ARGUMENT,
                   "%s: %s needs one number or one for each of %d axes, not %d",
                   op_info(call->op)->name, spec.name, axes, attr->count);
  for (int i = 0; i < axes; i++)
    if (attr->list[i] < least || attr->list[i] > INT32_MAX)
      return err_set(err, NN_BAD_ARGUMENT, "%s: %s must be at least %lld, not %lld",
                     op_info(call->op)->name, spec.name, (long long)least,
                     (long long)attr->list[i]);
  return NN_OK;
}

/* The number of windows along a pooled axis. */
static int64_t window_count(const Attrs *attrs, int i, int64_t in, bool dilated, bool ceil_mode) {
  int64_t kernel = attrs->at[POOL_KERNEL].list[i], stride = attrs->at[POOL_STRIDE].list[i];
  int64_t padding = attrs->at[POOL_PADDING].list[i];
  int64_t reach = (dilated ? attrs->at[POOL_DILATION].list[i] : 1) * (kernel - 1) + 1;
  int64_t room = in + 2 * padding - reach;
  if (room < 0 && !(ceil_mode && room > -stride)) return 0;
  int64_t out = (room < 0 ? 0 : (room + (ceil_mode ? stride - 1 : 0)) / stride) + 1;
  if (ceil_mode && (out - 1) * stride >= in + padding) out--;
  return out;
}

/* Complete the attributes and say how large the result is for an input (n, c, ...). */
static Status pool_shape(OpShape *call, const Shape *in, bool dilated, bool ceil_mode, Shape *out,
                         Err *err) {
  int axes = in->ndim - 2;
  TRY(family_planes(call->op, in, err));
  TRY(complete(call, POOL_KERNEL, axes, NULL, 1, err));
  TRY(complete(call, POOL_STRIDE, axes, &call->attrs->at[POOL_KERNEL], 1, err));
  TRY(complete(call, POOL_PADDING, axes, NULL, 0, err));
  if (dilated) TRY(complete(call, POOL_DILATION, axes, NULL, 1, err));
  *out = *in;
  double frame = 1;
  for (int i = 0; i < axes; i++) {
    int64_t kernel = call->attrs->at[POOL_KERNEL].list[i];
    if (call->attrs->at[POOL_PADDING].list[i] > kernel / 2)
      return err_set(err, NN_BAD_ARGUMENT,
                     "%s: padding %lld is more than half of kernel_size %lld: windows would see "
                     "nothing else",
                     op_info(call->op)->name, (long long)call->attrs->at[POOL_PADDING].list[i],
                     (long long)kernel);
    out->dims[2 + i] = window_count(call->attrs, i, in->dims[2 + i], dilated, ceil_mode);
    char text[SHAPE_TEXT_SIZE];
    if (out->dims[2 + i] < 1)
      return err_set(err, NN_SHAPE, "%s: a window of %lld does not fit into shape %s",
                     op_info(call->op)->name, (long long)kernel, shape_text(in, text));
    frame *= (double)in->dims[2 + i] + 2 * (double)kernel + /* at least a plane with its padding */
             (double)call->attrs->at[POOL_STRIDE].list[i];
  }
  if (frame > LARGEST_FRAME)
    return err_set(err, NN_TOO_LARGE,
                   "%s: windows of %lld elements an axis are too large to pad for",
                   op_info(call->op)->name, (long long)call->attrs->at[POOL_KERNEL].list[0]);
  return NN_OK;
}

/* The shape of max-pooling's second result, for a result of shape `out`. */
static Shape places_shape(const Attrs *attrs, const Shape *out) {
  Shape places = *out;
  if (!pool_compact(attrs, out->ndim - 2)) return places;
  int64_t plane = out->dims[2] * (out->ndim == 4 ? out->dims[3] : 1);
  return (Shape){.ndim = 3, .dims = {out->dims[0], out->dims[1], (plane + 7) / 8}};
}

static OpRows rows_planes(const OpShape *call, const bool *batched) {
  for (int i = 0; i < call->inputs; i++)
    if (!batched[i]) return OP_ROWS_MIX;
  return OP_ROWS_KEEP;
}

/* Bytes a part needs to pool `in` to `out`. */
static size_t scratch_bytes(const OpShape *call, const Shape *in, const Shape *out, bool dilated) {
  Pool pool = pool_make(call->attrs, in, out, dilated);
  return (size_t)pool_scratch(&pool) * dtype_size(call->out_dtype);
}

/* The shape of a gradient's result: that of g with the pooled axes of the input, attribute
 * `slot`. */
static Status grad_shape(OpShape *call, int slot, Err *err) {
  const Shape *g = call->shape[0];
  const Attr *size = &call->attrs->at[slot];
  TRY(family_planes(call->op, g, err));
  if (size->count != g->ndim - 2)
    return err_set(err, NN_BAD_ARGUMENT, "%s: size needs %d numbers, not %d",
                   op_info(call->op)->name, g->ndim - 2, size->count);
  call->out = *g;
  for (int i = 0; i < size->count; i++) call->out.dims[2 + i] = size->list[i];
  call->out_dtype = call->dtype[0];
  TRY(shape_check(&call->out, call->out_dtype, err));
  return family_planes(call->op, &call->out, err);
}

static Status refuse_shapes(const OpShape *call, const Shape *want, Err *err) {
  char tg[SHAPE_TEXT_SIZE], tw[SHAPE_TEXT_SIZE];
  return err_set(err, NN_SHAPE, "%s: the gradient is %s, the pooled values %s",
                 op_info(call->op)->name, shape_text(call->shape[0], tg), shape_text(want, tw));
}

/* ---- max ---- */

Status infer_max_pool(OpShape *call, Err *err) {
  TRY(family_floats(call, 1, err));
  TRY(pool_shape(call, call->shape[0], true, call->attrs->at[MAX_CEIL].number != 0, &call->out,
                 err));
  call->out_dtype = call->dtype[0];
  call->more[0].shape = places_shape(call->attrs, &call->out);
  call->more[0].dtype = DTYPE_I64;
  return NN_OK;
}

OpRows rows_max_pool(const OpShape *call, const bool *batched) {
  return rows_planes(call, batched);
}

size_t scratch_max_pool(const OpShape *call) {
  if (!pool_compact(call->attrs, call->out.ndim - 2)) return 0;
  return scratch_bytes(call, call->shape[0], &call->out, true);
}

/* dx = g at the place of each window's maximum, the first of equal ones; 0 elsewhere. */
Status grad_max_pool(OpGrad *grad, Err *err) {
  (void)err;
  if (grad->out_grad == REF_NONE) return NN_OK;
  Attrs attrs = *grad->attrs;
  attrs.at[POOL_SIZE] = family_plane_size(grad);
  Ref places = grad->builder->result(grad->builder, grad->out, 1);
  grad->in_grads[0] = op_emit(grad->builder, OP_max_pool_grad, grad->out_grad, places, &attrs);
  return NN_OK;
}

/* Without kernel_size the places are positions in the planes, as of adaptive max-pooling. */
Status infer_max_pool_grad(OpShape *call, Err *err) {
  Shape pooled = *call->shape[0];
  TRY(family_floats(call, 1, err));
  if (call->dtype[1] != DTYPE_I64)
    return err_set(err, NN_DTYPE, "max_pool_grad: places are int64, not %s",
                   dtype_name(call->dtype[1]));
  TRY(grad_shape(call, POOL_SIZE, err));
  if (call->attrs->at[POOL_KERNEL].count >= 0)
    TRY(pool_shape(call, &call->out, true, call->attrs->at[MAX_CEIL].number != 0, &pooled, err));
  if (!shape_equal(&pooled, call->shape[0])) return refuse_shapes(call, &pooled, err);
  Shape places = places_shape(call->attrs, &pooled);
  if (!shape_equal(&places, call->shape[1])) return refuse_shapes(call, &places, err);
  return NN_OK;
}

OpRows rows_max_pool_grad(const OpShape *call, const bool *batched) {
  return rows_planes(call, batched);
}

size_t scratch_max_pool_grad(const OpShape *call) {
  if (!pool_compact(call->attrs, call->out.ndim - 2)) return 0;
  return scratch_bytes(call, &call->out, call->shape[0], true);
}

/* ---- average ---- */

Status infer_avg_pool(OpShape *call, Err *err) {
  TRY(family_floats(call, 1, err));
  call->out_dtype = call->dtype[0];
  return pool_shape(call, call->shape[0], false, call->attrs->at[AVG_CEIL].number != 0, &call->out,
                    err);
}

OpRows rows_avg_pool(const OpShape *call, const bool *batched) {
  return rows_planes(call, batched);
}

size_t scratch_avg_pool(const OpShape *call) {
  return scratch_bytes(call, call->shape[0], &call->out, false);
}

/* dx = the sum of g / (elements of the window) over the windows that see x. */
Status grad_avg_pool(OpGrad *grad, Err *err) {
  (void)err;
  Attrs attrs = *grad->attrs;
  attrs.at[POOL_SIZE] = family_plane_size(grad);
  grad->in_grads[0] = op_emit(grad->builder, OP_avg_pool_grad, grad->out_grad, REF_NONE, &attrs);
  return NN_OK;
}

Status infer_avg_pool_grad(OpShape *call, Err *err) {
  Shape pooled;
  TRY(family_floats(call, 1, err));
  TRY(grad_shape(call, POOL_SIZE, err));
  TRY(pool_shape(call, &call->out, false, call->attrs->at[AVG_CEIL].number != 0, &pooled, err));
  return shape_equal(&pooled, call->shape[0]) ? NN_OK : refuse_shapes(call, &pooled, err);
}

OpRows rows_avg_pool_grad(const OpShape *call, const bool *batched) {
  return rows_planes(call, batched);
}

size_t scratch_avg_pool_grad(const OpShape *call) {
  return scratch_bytes(call, &call->out, call->shape[0], false);
}

/* ---- adaptive ---- */

static Status adaptive_shape(OpShape *call, Err *err) {
  Attr *size = &call->attrs->at[0];
  int axes = call->shape[0]->ndim - 2;
  TRY(family_floats(call, 1, err));
  TRY(family_planes(call->op, call->shape[0], err));
  TRY(complete(call, 0, axes, NULL, 1, err));
  call->out = *call->shape[0];
  for (int i = 0; i < axes; i++) call->out.dims[2 + i] = size->list[i];
  call->out_dtype = call->dtype[0];
  return shape_check(&call->out, call->out_dtype, err);
}

Status infer_adaptive_max_pool(OpShape *call, Err *err) {
  TRY(adaptive_shape(call, err));
  call->more[0].shape = call->out;
  call->more[0].dtype = DTYPE_I64;
  return NN_OK;
}

OpRows rows_adaptive_max_pool(const OpShape *call, const bool *batched) {
  return rows_planes(call, batched);
}

Status grad_adaptive_max_pool(OpGrad *grad, Err *err) {
  (void)err;
  if (grad->out_grad == REF_NONE) return NN_OK;
  Attrs attrs;
  op_attr_defaults(OP_max_pool_grad, &attrs);
  attrs.at[POOL_SIZE] = family_plane_size(grad);
  Ref places = grad->builder->result(grad->builder, grad->out, 1);
  grad->in_grads[0] = op_emit(grad->builder, OP_max_pool_grad, grad->out_grad, places, &attrs);
  return NN_OK;
}

Status infer_adaptive_avg_pool(OpShape *call, Err *err) { return adaptive_shape(call, err); }

OpRows rows_adaptive_avg_pool(const OpShape *call, const bool *batched) {
  return rows_planes(call, batched);
}

Status grad_adaptive_avg_pool(OpGrad *grad, Err *err) {
  (void)err;
  Attrs attrs;
  op_attr_defaults(OP_adaptive_avg_pool_grad, &attrs);
  attrs.at[0] = family_plane_size(grad);
  grad->in_grads[0] =
      op_emit(grad->builder, OP_adaptive_avg_pool_grad, grad->out_grad, REF_NONE, &attrs);
  return NN_OK;
}

Status infer_adaptive_avg_pool_grad(OpShape *call, Err *err) {
  TRY(family_floats(call, 1, err));
  return grad_shape(call, 0, err);
}

OpRows rows_adaptive_avg_pool_grad(const OpShape *call, const bool *batched) {
  return rows_planes(call, batched);
}
