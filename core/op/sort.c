/* Order and running totals along an axis: sort, cumsum, cumprod. They take int64 as well. */
#include "op/family.h"

enum { AXIS, DESCENDING, REVERSE = DESCENDING };

static Status infer_along(OpShape *call, Err *err) {
  TRY(family_axis(call, AXIS, call->shape[0], err));
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

static OpRows rows_along(const OpShape *call) {
  return call->attrs->at[AXIS].number == 0 ? OP_ROWS_MIX : OP_ROWS_KEEP;
}

Status infer_sort(OpShape *call, Err *err) {
  TRY(infer_along(call, err));
  call->more[0] = (OpMore){.shape = call->out, .dtype = DTYPE_I64};
  return NN_OK;
}

/* Two arrays of (key, place) along the axis: merging goes from one to the other. */
size_t scratch_sort(const OpShape *call) {
  const Shape *in = call->shape[0];
  return 2 * 16 * (size_t)in->dims[(int)call->attrs->at[AXIS].number];
}

OpRows rows_sort(const OpShape *call, const bool *batched) {
  (void)batched;
  return rows_along(call);
}

Status grad_sort(OpGrad *grad, Err *err) {
  (void)err;
  if (grad->out_grad == REF_NONE) return NN_OK;
  Ref places = grad->builder->result(grad->builder, grad->out, 1);
  grad->in_grads[0] = family_put_back(grad, places);
  return NN_OK;
}

Status infer_cumsum(OpShape *call, Err *err) { return infer_along(call, err); }
Status infer_cumprod(OpShape *call, Err *err) { return infer_along(call, err); }

OpRows rows_cumsum(const OpShape *call, const bool *batched) {
  (void)batched;
  return rows_along(call);
}

OpRows rows_cumprod(const OpShape *call, const bool *batched) {
  (void)batched;
  return rows_along(call);
}

static Ref cumsum_of(OpGrad *grad, Ref ref, bool reverse) {
  Attrs attrs;
  op_attr_defaults(OP_cumsum, &attrs);
  attrs.at[AXIS].number = grad->attrs->at[AXIS].number;
  attrs.at[REVERSE].number = reverse;
  return op_emit(grad->builder, OP_cumsum, ref, REF_NONE, &attrs);
}

/* An element is part of all sums from its place on. */
Status grad_cumsum(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] = cumsum_of(grad, grad->out_grad, grad->attrs->at[REVERSE].number == 0);
  return NN_OK;
}

/* dx_i = sum over j >= i of g_j y_j / x_i */
Status grad_cumprod(OpGrad *grad, Err *err) {
  (void)err;
  Ref each = op_emit(grad->builder, OP_mul, grad->out_grad, grad->out, NULL);
  Ref total = cumsum_of(grad, each, true);
  grad->in_grads[0] = op_emit(grad->builder, OP_div, total, grad->in[0], NULL);
  return NN_OK;
}
