/* Reductions over axes: sum, mean, max, min, variance, norm, prod, argmax, argmin, sum_to.
 *
 * Attributes after inference: axes spelled out, ascending. A hidden attribute after the visible
 * ones holds the number of elements that make one result, so that a mean over the batch can be
 * added up from blocks of rows, each divided by the whole count. */
#include "op/family.h"

#include <math.h>
#include <string.h>

enum { AXES, KEEPDIMS, EXTRA, VARIANCE_COUNT };
enum { MEAN_COUNT = 2, CORRECTION = EXTRA, NORM_P = EXTRA };

/* ---- shapes ---- */

static Shape reduced_shape(const Shape *in, const Attr *axes, bool keepdims) {
  Shape out = {0};
  for (int i = 0; i < in->ndim; i++) {
    bool reduced = family_has_axis(axes, i);
    if (!reduced || keepdims) out.dims[out.ndim++] = reduced ? 1 : in->dims[i];
  }
  return out;
}

static double reduced_count(const Shape *in, const Attr *axes) {
  double count = 1;
  for (int i = 0; i < axes->count; i++) count *= (double)in->dims[axes->list[i]];
  return count;
}

static Status infer_reduction(OpShape *call, Err *err) {
  Attr *axes = &call->attrs->at[AXES];
  TRY(family_floats(call, 1, err));
  TRY(family_axes(call->op, axes, call->shape[0], err));
  call->out = reduced_shape(call->shape[0], axes, call->attrs->at[KEEPDIMS].number != 0);
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

/* The largest of no elements does not exist. */
static Status refuse_empty(const OpShape *call, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  const Attr *axes = &call->attrs->at[AXES];
  for (int i = 0; i < axes->count; i++)
    if (call->shape[0]->dims[axes->list[i]] == 0)
      return err_set(err, NN_SHAPE, "%s: axis %lld of shape %s has no elements",
                     op_info(call->op)->name, (long long)axes->list[i] + 1,
                     shape_text(call->shape[0], text));
  return NN_OK;
}

Status infer_sum(OpShape *call, Err *err) { return infer_reduction(call, err); }

Status infer_mean(OpShape *call, Err *err) {
  TRY(infer_reduction(call, err));
  call->attrs->at[MEAN_COUNT].number = reduced_count(call->shape[0], &call->attrs->at[AXES]);
  return NN_OK;
}

Status infer_max(OpShape *call, Err *err) {
  TRY(infer_reduction(call, err));
  return refuse_empty(call, err);
}

Status infer_min(OpShape *call, Err *err) { return infer_max(call, err); }

Status infer_variance(OpShape *call, Err *err) {
  TRY(infer_reduction(call, err));
  if (!(call->attrs->at[CORRECTION].number >= 0))
    return err_set(err, NN_BAD_ARGUMENT, "variance: correction must be 0 or more, not %g",
                   call->attrs->at[CORRECTION].number);
  call->attrs->at[VARIANCE_COUNT].number = reduced_count(call->shape[0], &call->attrs->at[AXES]);
  return NN_OK;
}

Status infer_norm(OpShape *call, Err *err) {
  TRY(infer_reduction(call, err));
  if (!(call->attrs->at[NORM_P].number >= 1))
    return err_set(err, NN_BAD_ARGUMENT, "norm: p must be 1 or more, not %g",
                   call->attrs->at[NORM_P].number);
  return NN_OK;
}

Status infer_prod(OpShape *call, Err *err) { return infer_reduction(call, err); }

Status infer_argmin(OpShape *call, Err *err) { return infer_argmax(call, err); }

Status infer_argmax(OpShape *call, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  TRY(family_floats(call, 1, err));
  TRY(family_axis(call, 0, call->shape[0], err));
  int64_t axis = (int64_t)call->attrs->at[0].number;
  if (call->shape[0]->dims[axis] == 0)
    return err_set(err, NN_SHAPE, "%s: axis %lld of shape %s has no elements",
                   op_info(call->op)->name, (long long)axis + 1, shape_text(call->shape[0], text));
  call->out = (Shape){0};
  for (int i = 0; i < call->shape[0]->ndim; i++)
    if (i != axis) call->out.dims[call->out.ndim++] = call->shape[0]->dims[i];
  call->out_dtype = DTYPE_I64;
  return NN_OK;
}

Status infer_sum_to(OpShape *call, Err *err) {
  const Attr *to = &call->attrs->at[0];
  const Shape *in = call->shape[0];
  TRY(family_floats(call, 1, err));
  bool fits = to->count <= in->ndim;
  for (int i = 1; fits && i <= to->count; i++) {
    int64_t size = to->list[to->count - i];
    fits = size == 1 || size == in->dims[in->ndim - i];
  }
  call->out = shape_make(to->count, to->list);
  call->out_dtype = call->dtype[0];
  if (fits) return NN_OK;
  char from[SHAPE_TEXT_SIZE], text[SHAPE_TEXT_SIZE];
  return err_set(err, NN_SHAPE, "sum_to: shape %s does not broadcast to %s, so %s cannot sum to it",
                 shape_text(&call->out, text), shape_text(in, from), from);
}

/* ---- running by blocks of rows ---- */

static OpRows rows_additive(const OpShape *call, const bool *batched) {
  (void)batched;
  return family_has_axis(&call->attrs->at[AXES], 0) ? OP_ROWS_REDUCE : OP_ROWS_KEEP;
}

static OpRows rows_whole(const OpShape *call, const bool *batched) {
  (void)batched;
  return family_has_axis(&call->attrs->at[AXES], 0) ? OP_ROWS_MIX : OP_ROWS_KEEP;
}

OpRows rows_sum(const OpShape *call, const bool *batched) { return rows_additive(call, batched); }
OpRows rows_mean(const OpShape *call, const bool *batched) { return rows_additive(call, batched); }
OpRows rows_max(const OpShape *call, const bool *batched) { return rows_whole(call, batched); }
OpRows rows_min(const OpShape *call, const bool *batched) { return rows_whole(call, batched); }
OpRows rows_variance(const OpShape *call, const bool *batched) { return rows_whole(call, batched); }
OpRows rows_norm(const OpShape *call, const bool *batched) { return rows_whole(call, batched); }

OpRows rows_prod(const OpShape *call, const bool *batched) { return rows_whole(call, batched); }

OpRows rows_argmin(const OpShape *call, const bool *batched) { return rows_argmax(call, batched); }

OpRows rows_argmax(const OpShape *call, const bool *batched) {
  (void)batched;
  return call->attrs->at[0].number == 0 ? OP_ROWS_MIX : OP_ROWS_KEEP;
}

OpRows rows_sum_to(const OpShape *call, const bool *batched) {
  (void)batched;
  const Shape *in = call->shape[0];
  bool kept = call->out.ndim == in->ndim && call->out.dims[0] == in->dims[0];
  return kept ? OP_ROWS_KEEP : OP_ROWS_REDUCE;
}

/* ---- gradients ---- */

/* A result of the reduction in the shape it would have with keepdims, which broadcasts to x. */
static Ref keep_dims(OpGrad *grad, Ref ref) {
  const Shape *in = grad->builder->shape(grad->builder, grad->in[0]);
  Shape kept = reduced_shape(in, &grad->attrs->at[AXES], true);
  return op_emit_shape(grad->builder, OP_reshape, ref, &kept);
}

static Ref multiply(OpGrad *grad, Ref a, Ref b) {
  return op_emit(grad->builder, OP_mul, a, b, NULL);
}

static Ref scale(OpGrad *grad, Ref ref, double factor) {
  DType dtype = grad->builder->dtype(grad->builder, grad->in[0]);
  return multiply(grad, ref, grad->builder->constant(grad->builder, dtype, factor));
}

static Ref expand_like_input(OpGrad *grad, Ref ref) {
  const Shape *in = grad->builder->shape(grad->builder, grad->in[0]);
  if (ref == REF_NONE || shape_equal(grad->builder->shape(grad->builder, ref), in)) return ref;
  Attrs attrs = op_shape_attrs(OP_expand, in);
  return op_emit(grad->builder, OP_expand, ref, REF_NONE, &attrs);
}

/* dx = g, repeated. */
Status grad_sum(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] = expand_like_input(grad, keep_dims(grad, grad->out_grad));
  return NN_OK;
}

/* dx = g / count, repeated. */
Status grad_mean(OpGrad *grad, Err *err) {
  (void)err;
  Ref g = scale(grad, grad->out_grad, 1 / grad->attrs->at[MEAN_COUNT].number);
  grad->in_grads[0] = expand_like_input(grad, keep_dims(grad, g));
  return NN_OK;
}

/* dx = g y / x */
Status grad_prod(OpGrad *grad, Err *err) {
  (void)err;
  Ref product = keep_dims(grad, multiply(grad, grad->out_grad, grad->out));
  grad->in_grads[0] = op_emit(grad->builder, OP_div, product, grad->in[0], NULL);
  return NN_OK;
}

/* dx = (x == y) g / (number of x that equal y), with `value` what was compared: x or |x|. */
static Ref share_among_ties(OpGrad *grad, Ref value) {
  Attrs attrs;
  op_attr_defaults(OP_sum, &attrs);
  attrs.at[AXES] = grad->attrs->at[AXES];
  attrs.at[KEEPDIMS].number = 1;
  Ref hit = op_emit(grad->builder, OP_equal, value, keep_dims(grad, grad->out), NULL);
  Ref ties = op_emit(grad->builder, OP_sum, hit, REF_NONE, &attrs);
  Ref share = op_emit(grad->builder, OP_div, keep_dims(grad, grad->out_grad), ties, NULL);
  return multiply(grad, hit, share);
}

Status grad_max(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] = share_among_ties(grad, grad->in[0]);
  return NN_OK;
}

Status grad_min(OpGrad *grad, Err *err) { return grad_max(grad, err); }

/* dx = 2 g (x - mean x) / (count - correction). The mean's own share of dx sums to 0. */
Status grad_variance(OpGrad *grad, Err *err) {
  (void)err;
  double divisor = grad->attrs->at[VARIANCE_COUNT].number - grad->attrs->at[CORRECTION].number;
  Attrs attrs;
  op_attr_defaults(OP_mean, &attrs);
  attrs.at[AXES] = grad->attrs->at[AXES];
  attrs.at[KEEPDIMS].number = 1;
  Ref mean = op_emit(grad->builder, OP_mean, grad->in[0], REF_NONE, &attrs);
  Ref deviation = op_emit(grad->builder, OP_sub, grad->in[0], mean, NULL);
  Ref g = scale(grad, grad->out_grad, 2 / (divisor > 0 ? divisor : 0));
  grad->in_grads[0] = multiply(grad, deviation, keep_dims(grad, g));
  return NN_OK;
}

/* dx = g sign(x) |x|^(p-1) / y^(p-1); 0 where the norm y is 0. p = 2: g x / y. */
Status grad_norm(OpGrad *grad, Err *err) {
  (void)err;
  OpBuilder *builder = grad->builder;
  DType dtype = builder->dtype(builder, grad->in[0]);
  double p = grad->attrs->at[NORM_P].number;
  Ref x = grad->in[0], sign = op_emit(builder, OP_sign, x, REF_NONE, NULL);
  if (p == 1) {
    grad->in_grads[0] = multiply(grad, sign, keep_dims(grad, grad->out_grad));
    return NN_OK;
  }
  Ref size = op_emit(builder, OP_abs, x, REF_NONE, NULL);
  if (isinf(p)) {
    grad->in_grads[0] = multiply(grad, sign, share_among_ties(grad, size));
    return NN_OK;
  }
  /* Where y is 0 so is x: dividing by 1 there keeps infinities and NaN out of the graph. */
  Ref choice[3] = {grad->out, grad->out, builder->constant(builder, dtype, 1)};
  Attrs none = {0};
  Ref y = keep_dims(grad, builder->emit(builder, OP_where, choice, 3, &none));
  Ref g = keep_dims(grad, grad->out_grad);
  if (p == 2) {
    grad->in_grads[0] = multiply(grad, x, op_emit(builder, OP_div, g, y, NULL));
    return NN_OK;
  }
  /* The ratio is at most 1, so its power cannot overflow. */
  Ref ratio = op_emit(builder, OP_div, size, y, NULL);
  Ref power = op_emit(builder, OP_pow, ratio, builder->constant(builder, dtype, p - 1), NULL);
  grad->in_grads[0] = multiply(grad, multiply(grad, sign, power), g);
  return NN_OK;
}

Status grad_sum_to(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] = expand_like_input(grad, grad->out_grad);
  return NN_OK;
}
