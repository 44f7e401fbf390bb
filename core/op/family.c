/* Checks and emitters that op families share. */
#include "op/family.h"

Status family_floats(const OpShape *call, int count, Err *err) {
  const char *name = op_info(call->op)->name;
  if (call->dtype[0] != DTYPE_F32 && call->dtype[0] != DTYPE_F64)
    return err_set(err, NN_DTYPE, "%s: needs float32 or float64, not %s; convert with :to(...)",
                   name, dtype_name(call->dtype[0]));
  for (int i = 1; i < count; i++)
    if (call->shape[i] && call->dtype[i] != call->dtype[0])
      return err_set(err, NN_DTYPE, "%s: operands are %s and %s; convert one with :to(...)", name,
                     dtype_name(call->dtype[0]), dtype_name(call->dtype[i]));
  return NN_OK;
}

Status family_planes(OpId op, const Shape *shape, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  bool planes = shape->ndim == 3 || shape->ndim == 4;
  for (int i = 1; planes && i < shape->ndim; i++) planes = shape->dims[i] > 0;
  if (planes) return NN_OK;
  return err_set(err, NN_SHAPE,
                 "%s: needs (n, channels, length) or (n, channels, height, width) without empty "
                 "axes, not %s",
                 op_info(op)->name, shape_text(shape, text));
}

Status family_stream(const OpShape *call, int slot, Err *err) {
  double stream = call->attrs->at[slot].number;
  if (stream >= 0 && stream <= 0x1p53) return NN_OK;
  return err_set(err, NN_BAD_ARGUMENT, "%s: stream must be 0 to 2^53, not %.0f",
                 op_info(call->op)->name, stream);
}

bool family_has_axis(const Attr *axes, int64_t axis) {
  for (int i = 0; i < axes->count; i++)
    if (axes->list[i] == axis) return true;
  return false;
}

Status family_axis(OpShape *call, int slot, const Shape *shape, Err *err) {
  int64_t axis = (int64_t)call->attrs->at[slot].number;
  TRY(op_axis(call->op, &axis, shape, err));
  call->attrs->at[slot].number = (double)axis;
  return NN_OK;
}

Status family_axes(OpId op, Attr *axes, const Shape *shape, Err *err) {
  bool chosen[MAX_DIMS] = {false};
  if (axes->count < 0) {
    axes->count = shape->ndim;
    for (int i = 0; i < shape->ndim; i++) axes->list[i] = i;
    return NN_OK;
  }
  for (int i = 0; i < axes->count; i++) {
    TRY(op_axis(op, &axes->list[i], shape, err));
    if (chosen[axes->list[i]])
      return err_set(err, NN_BAD_ARGUMENT, "%s: axis %lld is given twice", op_info(op)->name,
                     (long long)axes->list[i] + 1);
    chosen[axes->list[i]] = true;
  }
  axes->count = 0;
  for (int i = 0; i < shape->ndim; i++)
    if (chosen[i]) axes->list[axes->count++] = i;
  return NN_OK;
}

Attr family_plane_size(const OpGrad *grad) {
  const Shape *in = grad->builder->shape(grad->builder, grad->in[0]);
  Attr size = {.count = in->ndim - 2};
  for (int i = 2; i < in->ndim; i++) size.list[i - 2] = in->dims[i];
  return size;
}

Ref family_put_back(const OpGrad *grad, Ref places) {
  OpBuilder *builder = grad->builder;
  Attrs attrs;
  op_attr_defaults(OP_scatter_add, &attrs);
  attrs.at[0].number = grad->attrs->at[0].number;
  Ref zero = builder->constant(builder, builder->dtype(builder, grad->in[0]), 0);
  const Shape *shape = builder->shape(builder, grad->in[0]);
  Ref inputs[3] = {op_emit_shape(builder, OP_expand, zero, shape), places, grad->out_grad};
  return builder->emit(builder, OP_scatter_add, inputs, 3, &attrs);
}

int family_parts(double work, double least, int64_t units, int threads) {
  double parts = work / least;
  if (parts > (double)units) parts = (double)units;
  return parts < 2 ? 1 : parts < threads ? (int)parts : threads;
}

Ref family_slice(OpBuilder *builder, Ref ref, int axis, int64_t first, int64_t count) {
  if (count == 0) return REF_NONE;
  Attrs attrs;
  op_attr_defaults(OP_slice, &attrs);
  attrs.at[0].number = axis;
  attrs.at[1].number = (double)first;
  attrs.at[2].number = (double)(first + count - 1);
  return op_emit(builder, OP_slice, ref, REF_NONE, &attrs);
}
