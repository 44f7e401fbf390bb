/* Rows of a table by index, and the gradient that adds them up: take, take_grad.
 *
 * Indices count from 0. An index outside the table cannot fail in a kernel: its rows read as NaN
 * and its gradient is dropped; whoever makes the indices checks them. */
#include "op/family.h"

enum { TAKE_PADDING };
enum { GRAD_SHAPE, GRAD_PADDING };

Status infer_take(OpShape *call, Err *err) {
  const Shape *table = call->shape[0], *indices = call->shape[1];
  char text[SHAPE_TEXT_SIZE];
  TRY(family_floats(call, 1, err));
  if (call->dtype[1] != DTYPE_I64)
    return err_set(err, NN_DTYPE, "take: indices must be int64, not %s",
                   dtype_name(call->dtype[1]));
  if (table->ndim == 0)
    return err_set(err, NN_SHAPE, "take: the table has no rows: its shape is %s",
                   shape_text(table, text));
  if (indices->ndim + table->ndim - 1 > MAX_DIMS)
    return err_set(err, NN_SHAPE, "take: the result would have more than %d axes", MAX_DIMS);
  call->out = *indices;
  for (int i = 1; i < table->ndim; i++) call->out.dims[call->out.ndim++] = table->dims[i];
  call->out_dtype = call->dtype[0];
  return shape_check(&call->out, call->out_dtype, err);
}

OpRows rows_take(const OpShape *call, const bool *batched) {
  (void)call;
  return batched[1] && !batched[0] ? OP_ROWS_KEEP : OP_ROWS_MIX;
}

Status grad_take(OpGrad *grad, Err *err) {
  (void)err;
  if (!grad->wants[0]) return NN_OK;
  Attrs attrs = op_shape_attrs(OP_take_grad, grad->builder->shape(grad->builder, grad->in[0]));
  attrs.at[GRAD_PADDING] = grad->attrs->at[TAKE_PADDING];
  grad->in_grads[0] = op_emit(grad->builder, OP_take_grad, grad->out_grad, grad->in[1], &attrs);
  return NN_OK;
}

Status infer_take_grad(OpShape *call, Err *err) {
  const Shape *g = call->shape[0], *indices = call->shape[1];
  const Attr *to = &call->attrs->at[GRAD_SHAPE];
  TRY(family_floats(call, 1, err));
  if (call->dtype[1] != DTYPE_I64)
    return err_set(err, NN_DTYPE, "take_grad: indices must be int64, not %s",
                   dtype_name(call->dtype[1]));
  call->out = shape_make(to->count, to->list);
  call->out_dtype = call->dtype[0];
  bool fits = to->count > 0 && g->ndim == indices->ndim + to->count - 1;
  for (int i = 0; fits && i < g->ndim; i++)
    fits = g->dims[i] ==
           (i < indices->ndim ? indices->dims[i] : call->out.dims[i - indices->ndim + 1]);
  if (fits) return shape_check(&call->out, call->out_dtype, err);
  char tg[SHAPE_TEXT_SIZE], ti[SHAPE_TEXT_SIZE], to_text[SHAPE_TEXT_SIZE];
  return err_set(err, NN_SHAPE, "take_grad: gradient %s does not fit indices %s and table %s",
                 shape_text(g, tg), shape_text(indices, ti), shape_text(&call->out, to_text));
}

OpRows rows_take_grad(const OpShape *call, const bool *batched) {
  (void)call;
  return batched[0] && batched[1] ? OP_ROWS_REDUCE : OP_ROWS_MIX;
}

Status grad_take_grad(OpGrad *grad, Err *err) {
  if (!grad->wants[0]) return NN_OK;
  if (grad->attrs->at[GRAD_PADDING].number >= 0)
    return err_set(err, NN_UNSUPPORTED, "take_grad: no gradient with padding_idx");
  grad->in_grads[0] = op_emit(grad->builder, OP_take, grad->out_grad, grad->in[1], NULL);
  return NN_OK;
}
