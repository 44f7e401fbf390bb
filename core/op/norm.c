/* Normalisation: y = (x - mean) / sqrt(variance + eps) weight + bias over a set of elements, with
 * weights by element (layer_norm) or by channel (group_norm, batch_norm).
 *
 * The statistics are further results, for the gradient: mean, 1 / sqrt(variance + eps) (of
 * batch_norm the variance itself, for running averages), and what the mean lost in rounding, which
 * matters where the mean is large beside the deviations. Nothing is differentiated through them. */
#include "op/family.h"

static const char *name_of(const OpShape *call) { return op_info(call->op)->name; }

static Status check_eps(const OpShape *call, int slot, Err *err) {
  double eps = call->attrs->at[slot].number;
  if (eps >= 0) return NN_OK;
  return err_set(err, NN_BAD_ARGUMENT, "%s: eps must be 0 or more, not %g", name_of(call), eps);
}

/* Weight and bias, inputs `first` and up, are absent or of shape `want`. */
static Status check_affine(const OpShape *call, int first, const Shape *want, Err *err) {
  char tw[SHAPE_TEXT_SIZE], tx[SHAPE_TEXT_SIZE];
  for (int i = first; i < call->inputs; i++)
    if (call->shape[i] && !shape_equal(call->shape[i], want))
      return err_set(err, NN_SHAPE, "%s: %s has shape %s, and %s is needed", name_of(call),
                     i == first ? "the weight" : "the bias", shape_text(call->shape[i], tw),
                     shape_text(want, tx));
  return NN_OK;
}

static Status same_shape(const OpShape *call, int a, int b, Err *err) {
  char ta[SHAPE_TEXT_SIZE], tb[SHAPE_TEXT_SIZE];
  if (shape_equal(call->shape[a], call->shape[b])) return NN_OK;
  return err_set(err, NN_SHAPE, "%s: operands %d and %d have shapes %s and %s, and must be equal",
                 name_of(call), a + 1, b + 1, shape_text(call->shape[a], ta),
                 shape_text(call->shape[b], tb));
}

static Status check_statistics(const OpShape *call, int first, int count, const Shape *want,
                               Err *err) {
  char ts[SHAPE_TEXT_SIZE], tw[SHAPE_TEXT_SIZE];
  for (int i = first; i < first + count; i++)
    if (!shape_equal(call->shape[i], want))
      return err_set(err, NN_SHAPE, "%s: statistics have shape %s, and %s is needed", name_of(call),
                     shape_text(call->shape[i], ts), shape_text(want, tw));
  return NN_OK;
}

static void more_results(OpShape *call, int count, const Shape *shape) {
  for (int i = 0; i < count; i++) call->more[i] = (OpMore){*shape, call->out_dtype};
}

/* A gradient that arrives at statistics would be lost: refuse it. */
static Status check_reached(const OpGrad *grad, Err *err) {
  const OpInfo *info = op_info(grad->op);
  for (int i = 0; i < info->results - 1; i++)
    if (grad->more_grads[i] != REF_NONE)
      return err_set(err, NN_UNSUPPORTED,
                     "%s: only its value has a gradient; for one through statistics use mean and "
                     "variance",
                     info->name);
  return NN_OK;
}

/* Emit the gradient op of g, x, the statistics and the weight, and hand out what it makes: dx,
 * dweight and, where there is a bias, dbias. Its attribute is the first one of the op. */
static Status emit_gradients(OpGrad *grad, OpId op, Err *err) {
  OpBuilder *builder = grad->builder;
  const OpInfo *info = op_info(grad->op);
  TRY(check_reached(grad, err));
  if (grad->out_grad == REF_NONE) return NN_OK;
  Ref inputs[6] = {grad->out_grad, grad->in[0]};
  int count = 2;
  for (int i = 1; i < info->results; i++) inputs[count++] = builder->result(builder, grad->out, i);
  if (grad->inputs > 1 && grad->in[1] != REF_NONE) inputs[count++] = grad->in[1];
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  attrs.at[0] = grad->attrs->at[0];
  Ref out = builder->emit(builder, op, inputs, count, &attrs);
  grad->in_grads[0] = out;
  for (int i = 1; i < grad->inputs; i++)
    if (grad->wants[i] && out != REF_NONE) grad->in_grads[i] = builder->result(builder, out, i);
  return NN_OK;
}

/* ---- over trailing axes ---- */

enum { DIMS, ROWS_EPS };

/* Split x into the axes that are kept and those normalised over. */
static Status split_axes(const OpShape *call, const Shape *x, Shape *kept, Shape *normed,
                         Err *err) {
  char text[SHAPE_TEXT_SIZE];
  int axes = (int)call->attrs->at[DIMS].number;
  bool fits = axes >= 1 && axes <= x->ndim;
  for (int i = 0; fits && i < axes; i++) fits = x->dims[x->ndim - 1 - i] > 0;
  if (!fits)
    return err_set(err, NN_SHAPE, "%s: cannot normalise over the last %.0f axes of shape %s",
                   name_of(call), call->attrs->at[DIMS].number, shape_text(x, text));
  *kept = shape_make(x->ndim - axes, x->dims);
  *normed = shape_make(axes, x->dims + x->ndim - axes);
  return NN_OK;
}

static Status infer_rows(OpShape *call, Err *err) {
  Shape kept, normed;
  TRY(family_floats(call, call->inputs, err));
  TRY(check_eps(call, ROWS_EPS, err));
  TRY(split_axes(call, call->shape[0], &kept, &normed, err));
  TRY(check_affine(call, 1, &normed, err));
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  more_results(call, op_info(call->op)->results - 1, &kept);
  return NN_OK;
}

/* Inputs g, x, `statistics` of them, and the weight if there is one. */
static Status infer_rows_grad(OpShape *call, int statistics, Err *err) {
  Shape kept, normed;
  TRY(family_floats(call, call->inputs, err));
  TRY(same_shape(call, 0, 1, err));
  TRY(split_axes(call, call->shape[1], &kept, &normed, err));
  TRY(check_statistics(call, 2, statistics, &kept, err));
  TRY(check_affine(call, 2 + statistics, &normed, err));
  call->out = *call->shape[1];
  call->out_dtype = call->dtype[0];
  more_results(call, op_info(call->op)->results - 1, &normed);
  return NN_OK;
}

static OpRows rows_of_first(const OpShape *call, const bool *batched, int axes) {
  for (int i = 1; i < call->inputs; i++)
    if (batched[i]) return OP_ROWS_MIX;
  return batched[0] && call->shape[0]->ndim > axes ? OP_ROWS_KEEP : OP_ROWS_MIX;
}

Status infer_layer_norm(OpShape *call, Err *err) { return infer_rows(call, err); }

OpRows rows_layer_norm(const OpShape *call, const bool *batched) {
  return rows_of_first(call, batched, (int)call->attrs->at[DIMS].number);
}

/* With xhat = (x - mean) inv_std and h = g weight, over the n elements of a row:
 * dx = inv_std (h - sum h / n - xhat sum(h xhat) / n);  dweight = sum g xhat, dbias = sum g. */
Status grad_layer_norm(OpGrad *grad, Err *err) {
  return emit_gradients(grad, OP_layer_norm_grad, err);
}

Status infer_layer_norm_grad(OpShape *call, Err *err) { return infer_rows_grad(call, 3, err); }

Status infer_rms_norm(OpShape *call, Err *err) { return infer_rows(call, err); }

OpRows rows_rms_norm(const OpShape *call, const bool *batched) {
  return rows_layer_norm(call, batched);
}

/* With r = 1 / sqrt(mean x^2 + eps) and h = g weight: dx = r (h - x r^2 sum(h x) / n);
 * dweight = sum g x r. */
Status grad_rms_norm(OpGrad *grad, Err *err) { return emit_gradients(grad, OP_rms_norm_grad, err); }

Status infer_rms_norm_grad(OpShape *call, Err *err) { return infer_rows_grad(call, 1, err); }

/* ---- over channels ---- */

enum { GROUPS, GROUPS_EPS };
enum { BATCH_EPS };

static Status check_channels(const OpShape *call, const Shape *x, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  bool fits = x->ndim >= 2;
  for (int i = 1; fits && i < x->ndim; i++) fits = x->dims[i] > 0;
  if (fits) return NN_OK;
  return err_set(err, NN_SHAPE, "%s: needs (n, channels, ...) without empty axes, not %s",
                 name_of(call), shape_text(x, text));
}

static Status check_groups(const OpShape *call, const Shape *x, Shape *statistics, Err *err) {
  double groups = call->attrs->at[GROUPS].number;
  TRY(check_channels(call, x, err));
  if (!(groups >= 1 && groups <= (double)x->dims[1]) || x->dims[1] % (int64_t)groups != 0)
    return err_set(err, NN_BAD_ARGUMENT, "%s: %lld channels do not divide into %.0f groups",
                   name_of(call), (long long)x->dims[1], groups);
  *statistics = (Shape){.ndim = 2, .dims = {x->dims[0], (int64_t)groups}};
  return NN_OK;
}

static Shape channel_shape(const Shape *x) { return (Shape){.ndim = 1, .dims = {x->dims[1]}}; }

Status infer_group_norm(OpShape *call, Err *err) {
  Shape statistics;
  TRY(family_floats(call, call->inputs, err));
  TRY(check_eps(call, GROUPS_EPS, err));
  TRY(check_groups(call, call->shape[0], &statistics, err));
  Shape channels = channel_shape(call->shape[0]);
  TRY(check_affine(call, 1, &channels, err));
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  more_results(call, 3, &statistics);
  return NN_OK;
}

OpRows rows_group_norm(const OpShape *call, const bool *batched) {
  return rows_of_first(call, batched, 1);
}

/* As of layer_norm, a row being a group, with the weight of the channel. */
Status grad_group_norm(OpGrad *grad, Err *err) {
  return emit_gradients(grad, OP_group_norm_grad, err);
}

Status infer_group_norm_grad(OpShape *call, Err *err) {
  Shape statistics;
  TRY(family_floats(call, call->inputs, err));
  TRY(same_shape(call, 0, 1, err));
  TRY(check_groups(call, call->shape[1], &statistics, err));
  TRY(check_statistics(call, 2, 3, &statistics, err));
  Shape channels = channel_shape(call->shape[1]);
  TRY(check_affine(call, 5, &channels, err));
  call->out = *call->shape[1];
  call->out_dtype = call->dtype[0];
  more_results(call, 2, &channels);
  return NN_OK;
}

Status infer_batch_norm(OpShape *call, Err *err) {
  const Shape *x = call->shape[0];
  char text[SHAPE_TEXT_SIZE];
  TRY(family_floats(call, call->inputs, err));
  TRY(check_eps(call, BATCH_EPS, err));
  TRY(check_channels(call, x, err));
  if (shape_count(x) == x->dims[1])
    return err_set(err, NN_SHAPE,
                   "%s: training needs more than one value a channel, and shape %s has one; take "
                   "larger batches, or leave the last, smaller one out",
                   name_of(call), shape_text(x, text));
  Shape channels = channel_shape(x);
  TRY(check_affine(call, 1, &channels, err));
  call->out = *x;
  call->out_dtype = call->dtype[0];
  more_results(call, 3, &channels);
  return NN_OK;
}

/* As of layer_norm, a row being a channel of the whole batch. */
Status grad_batch_norm(OpGrad *grad, Err *err) {
  return emit_gradients(grad, OP_batch_norm_grad, err);
}

Status infer_batch_norm_grad(OpShape *call, Err *err) {
  TRY(family_floats(call, call->inputs, err));
  TRY(same_shape(call, 0, 1, err));
  TRY(check_channels(call, call->shape[1], err));
  Shape channels = channel_shape(call->shape[1]);
  TRY(check_statistics(call, 2, 3, &channels, err));
  TRY(check_affine(call, 5, &channels, err));
  call->out = *call->shape[1];
  call->out_dtype = call->dtype[0];
  more_results(call, 2, &channels);
  return NN_OK;
}

/* ---- local response ---- */

enum { LOCAL_SIZE, LOCAL_ALPHA, LOCAL_BETA, LOCAL_K };

static Status check_local(const OpShape *call, const Shape *x, Err *err) {
  const Attr *at = call->attrs->at;
  TRY(family_floats(call, call->inputs, err));
  TRY(check_channels(call, x, err));
  if (!(at[LOCAL_SIZE].number >= 1))
    return err_set(err, NN_BAD_ARGUMENT, "%s: size must be at least 1, not %.0f", name_of(call),
                   at[LOCAL_SIZE].number);
  return NN_OK;
}

Status infer_local_response_norm(OpShape *call, Err *err) {
  TRY(check_local(call, call->shape[0], err));
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  more_results(call, 1, &call->out);
  return NN_OK;
}

OpRows rows_local_response_norm(const OpShape *call, const bool *batched) {
  return rows_of_first(call, batched, 1);
}

/* With s = k + alpha / size sum of the window's x^2, the second result, and y = x s^-beta:
 * dx = g s^-beta - 2 alpha beta / size x sum over the windows that see x of g y / s. */
Status grad_local_response_norm(OpGrad *grad, Err *err) {
  TRY(check_reached(grad, err));
  if (grad->out_grad == REF_NONE) return NN_OK;
  Ref inputs[4] = {grad->out_grad, grad->in[0], grad->out,
                   grad->builder->result(grad->builder, grad->out, 1)};
  grad->in_grads[0] =
      grad->builder->emit(grad->builder, OP_local_response_norm_grad, inputs, 4, grad->attrs);
  return NN_OK;
}

Status infer_local_response_norm_grad(OpShape *call, Err *err) {
  TRY(check_local(call, call->shape[0], err));
  for (int i = 1; i < 4; i++) TRY(same_shape(call, 0, i, err));
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

OpRows rows_local_response_norm_grad(const OpShape *call, const bool *batched) {
  (void)call;
  return batched[0] && batched[1] && batched[2] && batched[3] ? OP_ROWS_KEEP : OP_ROWS_MIX;
}
