/* Softmax and its logarithm along an axis, cross-entropy of logits with class labels, accuracy.
 *
 * Labels are int64 and count from 0. A label outside the classes cannot fail in a kernel: its loss
 * and gradient are NaN; the data layer checks labels before they get here. */
#include "op/family.h"

enum { AXIS };
enum { SMOOTHING };

/* ---- softmax, log_softmax ---- */

Status infer_softmax(OpShape *call, Err *err) {
  TRY(family_floats(call, call->inputs, err));
  TRY(family_axis(call, AXIS, call->shape[0], err));
  if (call->inputs == 2 && !shape_equal(call->shape[0], call->shape[1])) {
    char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];
    return err_set(err, NN_SHAPE, "%s: the gradient is %s and the value %s: they must be equal",
                   op_info(call->op)->name, shape_text(call->shape[0], a),
                   shape_text(call->shape[1], b));
  }
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

Status infer_log_softmax(OpShape *call, Err *err) { return infer_softmax(call, err); }
Status infer_softmax_grad(OpShape *call, Err *err) { return infer_softmax(call, err); }
Status infer_log_softmax_grad(OpShape *call, Err *err) { return infer_softmax(call, err); }

OpRows rows_softmax(const OpShape *call, const bool *batched) {
  for (int i = 0; i < call->inputs; i++)
    if (!batched[i]) return OP_ROWS_MIX;
  return call->attrs->at[AXIS].number == 0 ? OP_ROWS_MIX : OP_ROWS_KEEP;
}

OpRows rows_log_softmax(const OpShape *call, const bool *batched) {
  return rows_softmax(call, batched);
}
OpRows rows_softmax_grad(const OpShape *call, const bool *batched) {
  return rows_softmax(call, batched);
}
OpRows rows_log_softmax_grad(const OpShape *call, const bool *batched) {
  return rows_softmax(call, batched);
}

/* dx = y (g - sum g y) */
Status grad_softmax(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] =
      op_emit(grad->builder, OP_softmax_grad, grad->out_grad, grad->out, grad->attrs);
  return NN_OK;
}

/* dx = g - exp(y) sum g */
Status grad_log_softmax(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] =
      op_emit(grad->builder, OP_log_softmax_grad, grad->out_grad, grad->out, grad->attrs);
  return NN_OK;
}

/* ---- cross-entropy ---- */

/* Check logits (..., c), labels (...) and class weights (c), which start at input `at`. */
static Status check_labelled(const OpShape *call, int at, Err *err) {
  const char *name = op_info(call->op)->name;
  const Shape *logits = call->shape[at], *labels = call->shape[at + 1];
  const Shape *weights = call->inputs > at + 2 ? call->shape[at + 2] : NULL;
  char tl[SHAPE_TEXT_SIZE], tb[SHAPE_TEXT_SIZE];
  if (call->dtype[at] != DTYPE_F32 && call->dtype[at] != DTYPE_F64)
    return err_set(err, NN_DTYPE, "%s: logits must be float32 or float64, not %s", name,
                   dtype_name(call->dtype[at]));
  if (call->dtype[at + 1] != DTYPE_I64)
    return err_set(err, NN_DTYPE, "%s: labels must be int64 class numbers from 0, not %s", name,
                   dtype_name(call->dtype[at + 1]));
  bool fits = logits->ndim >= 1 && labels->ndim == logits->ndim - 1;
  for (int i = 0; fits && i < labels->ndim; i++) fits = labels->dims[i] == logits->dims[i];
  if (!fits || logits->dims[logits->ndim - 1] == 0)
    return err_set(err, NN_SHAPE,
                   "%s: logits %s need a label a row: (n, c) and (n); labels are %s%s", name,
                   shape_text(logits, tl), shape_text(labels, tb),
                   labels->ndim == 1 && logits->ndim > 2 ? " (is a Flatten layer missing?)" : "");
  if (!weights) return NN_OK;
  if (call->dtype[at + 2] != call->dtype[at])
    return err_set(err, NN_DTYPE, "%s: class weights are %s and logits %s; convert one", name,
                   dtype_name(call->dtype[at + 2]), dtype_name(call->dtype[at]));
  if (weights->ndim != 1 || weights->dims[0] != logits->dims[logits->ndim - 1])
    return err_set(err, NN_SHAPE, "%s: logits %s need one weight a class; weights are %s", name,
                   shape_text(logits, tl), shape_text(weights, tb));
  return NN_OK;
}

static Status check_smoothing(const OpShape *call, Err *err) {
  double smoothing = call->attrs->at[SMOOTHING].number;
  if (smoothing >= 0 && smoothing <= 1) return NN_OK;
  return err_set(err, NN_BAD_ARGUMENT, "%s: label_smoothing goes from 0 to 1, not %g",
                 op_info(call->op)->name, smoothing);
}

Status infer_softmax_cross_entropy(OpShape *call, Err *err) {
  TRY(check_labelled(call, 0, err));
  TRY(check_smoothing(call, err));
  call->out = *call->shape[1];
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

Status infer_softmax_cross_entropy_grad(OpShape *call, Err *err) {
  char tg[SHAPE_TEXT_SIZE], tb[SHAPE_TEXT_SIZE];
  TRY(check_labelled(call, 1, err));
  TRY(check_smoothing(call, err));
  if (!shape_equal(call->shape[0], call->shape[2]) || call->dtype[0] != call->dtype[1])
    return err_set(err, NN_SHAPE,
                   "softmax_cross_entropy_grad: gradient %s %s, labels %s, %s logits",
                   dtype_name(call->dtype[0]), shape_text(call->shape[0], tg),
                   shape_text(call->shape[2], tb), dtype_name(call->dtype[1]));
  call->out = *call->shape[1];
  call->out_dtype = call->dtype[1];
  return NN_OK;
}

/* Logits and labels are rows, weights are not; a lone row of logits (c) has no batch axis. */
static OpRows rows_labelled(const OpShape *call, const bool *batched, int rows) {
  if (call->shape[rows - 1]->ndim == 0) return OP_ROWS_MIX;
  for (int i = 0; i < call->inputs; i++)
    if (call->shape[i] && batched[i] != (i < rows)) return OP_ROWS_MIX;
  return OP_ROWS_KEEP;
}

OpRows rows_softmax_cross_entropy(const OpShape *call, const bool *batched) {
  return rows_labelled(call, batched, 2);
}

OpRows rows_softmax_cross_entropy_grad(const OpShape *call, const bool *batched) {
  return rows_labelled(call, batched, 3);
}

/* d logits = g (softmax * sum t - t), t the smoothed and weighted target of the row. */
Status grad_softmax_cross_entropy(OpGrad *grad, Err *err) {
  (void)err;
  if (!grad->wants[0]) return NN_OK;
  bool weighted = grad->inputs > 2 && grad->in[2] != REF_NONE;
  Ref inputs[4] = {grad->out_grad, grad->in[0], grad->in[1], weighted ? grad->in[2] : REF_NONE};
  grad->in_grads[0] = grad->builder->emit(grad->builder, OP_softmax_cross_entropy_grad, inputs,
                                          weighted ? 4 : 3, grad->attrs);
  return NN_OK;
}

/* ---- accuracy ---- */

Status infer_correct(OpShape *call, Err *err) {
  const Shape *logits = call->shape[0], *labels = call->shape[1];
  TRY(family_floats(call, 1, err));
  bool column = labels->ndim == logits->ndim && labels->ndim > 0 &&
                labels->dims[labels->ndim - 1] == 1; /* targets (n, 1) as for bce */
  bool fits = logits->ndim >= 1 && (column || labels->ndim == logits->ndim - 1);
  for (int i = 0; fits && i < logits->ndim - 1; i++) fits = labels->dims[i] == logits->dims[i];
  if (!fits || logits->dims[logits->ndim - 1] == 0) {
    char tl[SHAPE_TEXT_SIZE], tb[SHAPE_TEXT_SIZE];
    return err_set(err, NN_SHAPE, "correct: logits %s need a label a row: (n, c) and (n), not %s",
                   shape_text(logits, tl), shape_text(labels, tb));
  }
  call->out = *logits;
  call->out.ndim--;
  call->out.dims[call->out.ndim] = 0;
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

OpRows rows_correct(const OpShape *call, const bool *batched) {
  return call->out.ndim > 0 && batched[0] && batched[1] ? OP_ROWS_KEEP : OP_ROWS_MIX;
}
