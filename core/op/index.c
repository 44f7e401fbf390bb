/* Elements by place: gather, scatter_add, flip, roll, tril, triu. They take int64 as well.
 *
 * Places count from 0. One outside the axis cannot fail in a kernel: gather reads NaN (for int64
 * the smallest number) there, and scatter_add drops it; whoever makes the places checks them. */
#include "op/family.h"

enum { AXIS };

static Status same_type(OpShape *call, Err *err) {
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  (void)err;
  return NN_OK;
}

/* Operands `x`, `places`: int64, of as many axes, equal in all but the axis. */
static Status check_places(OpShape *call, Err *err) {
  const char *name = op_info(call->op)->name;
  const Shape *x = call->shape[0], *places = call->shape[1];
  TRY(family_axis(call, AXIS, x, err));
  int64_t axis = (int64_t)call->attrs->at[AXIS].number;
  if (call->dtype[1] != DTYPE_I64)
    return err_set(err, NN_DTYPE, "%s: places must be int64, counted from 0, not %s", name,
                   dtype_name(call->dtype[1]));
  bool fits = x->ndim == places->ndim;
  for (int i = 0; fits && i < x->ndim; i++) fits = i == axis || x->dims[i] == places->dims[i];
  if (fits) return NN_OK;
  char tx[SHAPE_TEXT_SIZE], tp[SHAPE_TEXT_SIZE];
  return err_set(err, NN_SHAPE, "%s: shapes %s and %s of the places differ in more than axis %lld",
                 name, shape_text(x, tx), shape_text(places, tp), (long long)axis + 1);
}

static OpRows rows_places(const OpShape *call, const bool *batched) {
  for (int i = 0; i < call->inputs; i++)
    if (!batched[i]) return OP_ROWS_MIX;
  return call->attrs->at[AXIS].number == 0 ? OP_ROWS_MIX : OP_ROWS_KEEP;
}

/* ---- gather, scatter_add ---- */

Status infer_gather(OpShape *call, Err *err) {
  TRY(check_places(call, err));
  call->out = *call->shape[1];
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

OpRows rows_gather(const OpShape *call, const bool *batched) { return rows_places(call, batched); }

Status grad_gather(OpGrad *grad, Err *err) {
  (void)err;
  if (grad->wants[0]) grad->in_grads[0] = family_put_back(grad, grad->in[1]);
  return NN_OK;
}

Status infer_scatter_add(OpShape *call, Err *err) {
  char tp[SHAPE_TEXT_SIZE], tc[SHAPE_TEXT_SIZE];
  TRY(check_places(call, err));
  if (call->dtype[2] != call->dtype[0])
    return err_set(err, NN_DTYPE, "scatter_add: operands are %s and %s; convert one with :to(...)",
                   dtype_name(call->dtype[0]), dtype_name(call->dtype[2]));
  if (!shape_equal(call->shape[1], call->shape[2]))
    return err_set(err, NN_SHAPE, "scatter_add: %s elements need as many places, not %s",
                   shape_text(call->shape[2], tc), shape_text(call->shape[1], tp));
  return same_type(call, err);
}

OpRows rows_scatter_add(const OpShape *call, const bool *batched) {
  return rows_places(call, batched);
}

Status grad_scatter_add(OpGrad *grad, Err *err) {
  (void)err;
  if (grad->wants[0]) grad->in_grads[0] = grad->out_grad;
  if (grad->wants[2]) /* of the same attribute */
    grad->in_grads[2] = op_emit(grad->builder, OP_gather, grad->out_grad, grad->in[1], grad->attrs);
  return NN_OK;
}

/* ---- flip, roll ---- */

Status infer_flip(OpShape *call, Err *err) {
  TRY(family_axes(call->op, &call->attrs->at[0], call->shape[0], err));
  return same_type(call, err);
}

OpRows rows_flip(const OpShape *call, const bool *batched) {
  (void)batched;
  return family_has_axis(&call->attrs->at[0], 0) ? OP_ROWS_MIX : OP_ROWS_KEEP;
}

/* Its own inverse. */
Status grad_flip(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] = op_emit(grad->builder, OP_flip, grad->out_grad, REF_NONE, grad->attrs);
  return NN_OK;
}

enum { SHIFT, ROLL_AXIS };

Status infer_roll(OpShape *call, Err *err) {
  TRY(family_axis(call, ROLL_AXIS, call->shape[0], err));
  return same_type(call, err);
}

OpRows rows_roll(const OpShape *call, const bool *batched) {
  (void)batched;
  return call->attrs->at[ROLL_AXIS].number == 0 ? OP_ROWS_MIX : OP_ROWS_KEEP;
}

Status grad_roll(OpGrad *grad, Err *err) {
  (void)err;
  Attrs back = *grad->attrs;
  back.at[SHIFT].number = -back.at[SHIFT].number;
  grad->in_grads[0] = op_emit(grad->builder, OP_roll, grad->out_grad, REF_NONE, &back);
  return NN_OK;
}

/* ---- tril, triu ---- */

Status infer_tril(OpShape *call, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  if (call->shape[0]->ndim < 2)
    return err_set(err, NN_SHAPE, "%s: needs a matrix (..., m, n), not shape %s",
                   op_info(call->op)->name, shape_text(call->shape[0], text));
  return same_type(call, err);
}

Status infer_triu(OpShape *call, Err *err) { return infer_tril(call, err); }

OpRows rows_tril(const OpShape *call, const bool *batched) {
  (void)batched;
  return call->out.ndim > 2 ? OP_ROWS_KEEP : OP_ROWS_MIX;
}

OpRows rows_triu(const OpShape *call, const bool *batched) { return rows_tril(call, batched); }

/* What was kept has its gradient. */
Status grad_tril(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] = op_emit(grad->builder, grad->op, grad->out_grad, REF_NONE, grad->attrs);
  return NN_OK;
}

Status grad_triu(OpGrad *grad, Err *err) { return grad_tril(grad, err); }
