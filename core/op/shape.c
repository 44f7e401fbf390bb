/* Ops that move elements and compute nothing: reshape, transpose, slice, pad, concat, expand.
 * They take any element type. */
#include "op/family.h"

#include <string.h>

enum { AXIS, FIRST, LAST };
enum { BEFORE = 1, AFTER = 2 };

static Status complete_axis(OpShape *call, int64_t *axis, Err *err) {
  TRY(family_axis(call, AXIS, call->shape[0], err));
  *axis = (int64_t)call->attrs->at[AXIS].number;
  return NN_OK;
}

/* The first axis of the result is that of input 0, unless `axis` is it. */
static OpRows rows_off_axis(const OpShape *call) {
  return call->attrs->at[AXIS].number == 0 ? OP_ROWS_MIX : OP_ROWS_KEEP;
}

/* ---- reshape ---- */

Status infer_reshape(OpShape *call, Err *err) {
  Attr *to = &call->attrs->at[0];
  const Shape *in = call->shape[0];
  char from[SHAPE_TEXT_SIZE], text[SHAPE_TEXT_SIZE];
  int64_t count = shape_count(in), known = 1;
  int open = -1;
  call->out = shape_make(to->count, to->list);
  call->out_dtype = call->dtype[0];
  for (int i = 0; i < to->count; i++) {
    if (to->list[i] == -1 && open < 0) {
      open = i;
    } else if (to->list[i] < 0) {
      return err_set(err, NN_SHAPE, "reshape: %s is no shape: at most one size may be -1",
                     shape_text(&call->out, text));
    } else if (__builtin_mul_overflow(known, to->list[i], &known)) {
      return err_set(err, NN_TOO_LARGE, "reshape: %s has too many elements",
                     shape_text(&call->out, text));
    }
  }
  if (open >= 0 ? known == 0 || count % known != 0 : known != count)
    return err_set(err, NN_SHAPE, "reshape: %s has %lld elements and does not fit %s",
                   shape_text(in, from), (long long)count, shape_text(&call->out, text));
  if (open >= 0) call->out.dims[open] = to->list[open] = count / known;
  return NN_OK;
}

OpRows rows_reshape(const OpShape *call, const bool *batched) {
  (void)batched;
  return call->out.ndim > 0 && call->out.dims[0] == call->shape[0]->dims[0] ? OP_ROWS_KEEP
                                                                            : OP_ROWS_MIX;
}

Status grad_reshape(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] = op_emit_shape(grad->builder, OP_reshape, grad->out_grad,
                                    grad->builder->shape(grad->builder, grad->in[0]));
  return NN_OK;
}

/* ---- transpose ---- */

Status infer_transpose(OpShape *call, Err *err) {
  Attr *axes = &call->attrs->at[0];
  const Shape *in = call->shape[0];
  char text[SHAPE_TEXT_SIZE];
  unsigned seen = 0;
  if (axes->count < 0)
    for (axes->count = 0; axes->count < in->ndim; axes->count++)
      axes->list[axes->count] = in->ndim - 1 - axes->count;
  if (axes->count != in->ndim)
    return err_set(err, NN_SHAPE, "transpose: %d axes given for shape %s, which has %d",
                   axes->count, shape_text(in, text), in->ndim);
  call->out = (Shape){.ndim = in->ndim};
  call->out_dtype = call->dtype[0];
  for (int i = 0; i < in->ndim; i++) {
    TRY(op_axis(call->op, &axes->list[i], in, err));
    if (seen & 1u << axes->list[i])
      return err_set(err, NN_BAD_ARGUMENT, "transpose: axis %lld is given twice",
                     (long long)axes->list[i] + 1);
    seen |= 1u << axes->list[i];
    call->out.dims[i] = in->dims[axes->list[i]];
  }
  return NN_OK;
}

OpRows rows_transpose(const OpShape *call, const bool *batched) {
  (void)batched;
  return call->attrs->at[0].list[0] == 0 ? OP_ROWS_KEEP : OP_ROWS_MIX;
}

/* The gradient goes back by the inverse order. */
Status grad_transpose(OpGrad *grad, Err *err) {
  (void)err;
  const Attr *axes = &grad->attrs->at[0];
  Attrs inverse = *grad->attrs;
  for (int i = 0; i < axes->count; i++) inverse.at[0].list[axes->list[i]] = i;
  grad->in_grads[0] = op_emit(grad->builder, OP_transpose, grad->out_grad, REF_NONE, &inverse);
  return NN_OK;
}

/* ---- slice and pad: each is the other's gradient ---- */

Status infer_slice(OpShape *call, Err *err) {
  const Shape *in = call->shape[0];
  Attr *first = &call->attrs->at[FIRST], *last = &call->attrs->at[LAST];
  int64_t axis;
  TRY(complete_axis(call, &axis, err));
  double size = (double)in->dims[axis];
  double begin = first->number < 0 ? first->number + size : first->number;
  double end = last->number < 0 ? last->number + size : last->number;
  if (!(begin >= 0 && begin <= end && end < size)) {
    char text[SHAPE_TEXT_SIZE];
    return err_set(err, NN_SHAPE, "slice: elements %.0f to %.0f are not in axis %lld of shape %s",
                   first->number < 0 ? first->number : begin + 1,
                   last->number < 0 ? last->number : end + 1, (long long)axis + 1,
                   shape_text(in, text));
  }
  first->number = begin;
  last->number = end;
  call->out = *in;
  call->out.dims[axis] = (int64_t)(end - begin) + 1;
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

OpRows rows_slice(const OpShape *call, const bool *batched) {
  (void)batched;
  return rows_off_axis(call);
}

Status grad_slice(OpGrad *grad, Err *err) {
  (void)err;
  int axis = (int)grad->attrs->at[AXIS].number;
  const Shape *in = grad->builder->shape(grad->builder, grad->in[0]);
  Attrs attrs;
  op_attr_defaults(OP_pad, &attrs);
  attrs.at[AXIS].number = axis;
  attrs.at[BEFORE].number = grad->attrs->at[FIRST].number;
  attrs.at[AFTER].number = (double)in->dims[axis] - 1 - grad->attrs->at[LAST].number;
  grad->in_grads[0] = op_emit(grad->builder, OP_pad, grad->out_grad, REF_NONE, &attrs);
  return NN_OK;
}

Status infer_pad(OpShape *call, Err *err) {
  double before = call->attrs->at[BEFORE].number, after = call->attrs->at[AFTER].number;
  int64_t axis;
  TRY(complete_axis(call, &axis, err));
  if (!(before >= 0 && after >= 0))
    return err_set(err, NN_BAD_ARGUMENT,
                   "pad: before and after must be 0 or more, not %.0f and %.0f", before, after);
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  if (before + after > 0x1p53)
    return err_set(err, NN_TOO_LARGE, "pad: %.0f zeros are too many", before + after);
  call->out.dims[axis] += (int64_t)before + (int64_t)after;
  return shape_check(&call->out, call->out_dtype, err);
}

OpRows rows_pad(const OpShape *call, const bool *batched) {
  (void)batched;
  return rows_off_axis(call);
}

Status grad_pad(OpGrad *grad, Err *err) {
  (void)err;
  int axis = (int)grad->attrs->at[AXIS].number;
  const Shape *in = grad->builder->shape(grad->builder, grad->in[0]);
  grad->in_grads[0] = family_slice(grad->builder, grad->out_grad, axis,
                                   (int64_t)grad->attrs->at[BEFORE].number, in->dims[axis]);
  return NN_OK;
}

/* ---- concat ---- */

Status infer_concat(OpShape *call, Err *err) {
  const Shape *a = call->shape[0], *b = call->shape[1];
  int64_t axis;
  TRY(complete_axis(call, &axis, err));
  if (call->dtype[0] != call->dtype[1])
    return err_set(err, NN_DTYPE, "concat: operands are %s and %s; convert one with :to(...)",
                   dtype_name(call->dtype[0]), dtype_name(call->dtype[1]));
  bool fits = a->ndim == b->ndim;
  for (int i = 0; fits && i < a->ndim; i++) fits = i == axis || a->dims[i] == b->dims[i];
  if (!fits) {
    char ta[SHAPE_TEXT_SIZE], tb[SHAPE_TEXT_SIZE];
    return err_set(err, NN_SHAPE, "concat: shapes %s and %s differ in more than axis %lld",
                   shape_text(a, ta), shape_text(b, tb), (long long)axis + 1);
  }
  call->out = *a;
  call->out.dims[axis] += b->dims[axis];
  call->out_dtype = call->dtype[0];
  return shape_check(&call->out, call->out_dtype, err);
}

OpRows rows_concat(const OpShape *call, const bool *batched) {
  return batched[0] && batched[1] ? rows_off_axis(call) : OP_ROWS_MIX;
}

Status grad_concat(OpGrad *grad, Err *err) {
  (void)err;
  int axis = (int)grad->attrs->at[AXIS].number;
  int64_t split = grad->builder->shape(grad->builder, grad->in[0])->dims[axis];
  int64_t rest = grad->builder->shape(grad->builder, grad->in[1])->dims[axis];
  if (grad->wants[0])
    grad->in_grads[0] = family_slice(grad->builder, grad->out_grad, axis, 0, split);
  if (grad->wants[1])
    grad->in_grads[1] = family_slice(grad->builder, grad->out_grad, axis, split, rest);
  return NN_OK;
}

/* ---- expand ---- */

Status infer_expand(OpShape *call, Err *err) {
  Attr *to = &call->attrs->at[0];
  const Shape *in = call->shape[0];
  bool fits = to->count >= in->ndim;
  for (int i = 1; fits && i <= to->count; i++) {
    int64_t *size = &to->list[to->count - i];
    int64_t own = i <= in->ndim ? in->dims[in->ndim - i] : 1;
    if (*size == -1 && i <= in->ndim) *size = own; /* -1: as it is */
    fits = *size >= 0 && (own == 1 || own == *size);
  }
  call->out = shape_make(to->count, to->list);
  call->out_dtype = call->dtype[0];
  if (fits) return shape_check(&call->out, call->out_dtype, err);
  char from[SHAPE_TEXT_SIZE], text[SHAPE_TEXT_SIZE];
  return err_set(err, NN_SHAPE, "expand: shape %s does not broadcast to %s", shape_text(in, from),
                 shape_text(&call->out, text));
}

/* Also called for an input that is no batch but is expanded to one: every row is the same. */
OpRows rows_expand(const OpShape *call, const bool *batched) {
  const Shape *in = call->shape[0];
  bool has_rows = in->ndim == call->out.ndim && in->ndim > 0;
  if (batched[0]) return has_rows && in->dims[0] == call->out.dims[0] ? OP_ROWS_KEEP : OP_ROWS_MIX;
  return has_rows && in->dims[0] != 1 ? OP_ROWS_MIX : OP_ROWS_KEEP;
}

Status grad_expand(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] = op_emit_shape(grad->builder, OP_sum_to, grad->out_grad,
                                    grad->builder->shape(grad->builder, grad->in[0]));
  return NN_OK;
}
