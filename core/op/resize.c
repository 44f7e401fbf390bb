/* Resizing the axes after (n, c), one or two: interpolate. Coordinates are PyTorch's: an element is
 * a cell around its centre, or, with align_corners, a point, the first and last of which stay. */
#include "op/resize.h"

#include "op/family.h"

/* What an input of shape `in` is resized to; the attributes are completed. */
static Status resized(OpShape *call, const Shape *in, Shape *out, Err *err) {
  Attr *size = &call->attrs->at[RESIZE_SIZE];
  double factor = call->attrs->at[RESIZE_FACTOR].number;
  int axes = in->ndim - 2;
  if ((size->count >= 0) == (factor != 0))
    return err_set(err, NN_BAD_ARGUMENT, "%s: give size or scale_factor, one of the two",
                   op_info(call->op)->name);
  if (size->count == 1 && axes == 2) size->list[size->count++] = size->list[0];
  if (size->count >= 0 && size->count != axes)
    return err_set(err, NN_BAD_ARGUMENT, "%s: size needs one number or one for each of %d axes",
                   op_info(call->op)->name, axes);
  *out = *in;
  for (int i = 0; i < axes; i++) {
    double wanted = factor != 0 ? (double)in->dims[2 + i] * factor : (double)size->list[i];
    if (!(wanted >= 1 && wanted <= 0x1p31))
      return err_set(err, NN_BAD_ARGUMENT, "%s: a size of %g is not possible",
                     op_info(call->op)->name, wanted);
    out->dims[2 + i] = (int64_t)wanted;
  }
  return shape_check(out, call->dtype[0], err);
}

static size_t taps_bytes(const Shape *out) {
  int64_t count = 0;
  for (int i = 2; i < out->ndim; i++) count += out->dims[i];
  return (size_t)(count + 1) * sizeof(ResizeTap);
}

Status infer_interpolate(OpShape *call, Err *err) {
  TRY(family_floats(call, 1, err));
  TRY(family_planes(call->op, call->shape[0], err));
  call->out_dtype = call->dtype[0];
  return resized(call, call->shape[0], &call->out, err);
}

OpRows rows_interpolate(const OpShape *call, const bool *batched) {
  (void)call;
  return batched[0] ? OP_ROWS_KEEP : OP_ROWS_MIX;
}

size_t scratch_interpolate(const OpShape *call) { return taps_bytes(&call->out); }

/* dx: every g handed out by the shares its element was made with. */
Status grad_interpolate(OpGrad *grad, Err *err) {
  (void)err;
  Attrs attrs = *grad->attrs;
  attrs.at[RESIZE_INPUT] = family_plane_size(grad);
  grad->in_grads[0] = op_emit(grad->builder, OP_interpolate_grad, grad->out_grad, REF_NONE, &attrs);
  return NN_OK;
}

Status infer_interpolate_grad(OpShape *call, Err *err) {
  const Shape *g = call->shape[0];
  const Attr *input = &call->attrs->at[RESIZE_INPUT];
  Shape out;
  TRY(family_floats(call, 1, err));
  TRY(family_planes(call->op, g, err));
  call->out = *g;
  call->out_dtype = call->dtype[0];
  for (int i = 0; i < g->ndim - 2 && i < input->count; i++) call->out.dims[2 + i] = input->list[i];
  TRY(shape_check(&call->out, call->out_dtype, err));
  TRY(family_planes(call->op, &call->out, err));
  TRY(resized(call, &call->out, &out, err));
  char tg[SHAPE_TEXT_SIZE], to[SHAPE_TEXT_SIZE];
  if (input->count == g->ndim - 2 && shape_equal(&out, g)) return NN_OK;
  return err_set(err, NN_SHAPE, "interpolate_grad: the gradient is %s, the resized values %s",
                 shape_text(g, tg), shape_text(&out, to));
}

OpRows rows_interpolate_grad(const OpShape *call, const bool *batched) {
  return rows_interpolate(call, batched);
}

size_t scratch_interpolate_grad(const OpShape *call) { return taps_bytes(call->shape[0]); }
