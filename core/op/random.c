/* Random ops: dropout, noise. The number that decides over an element is a function of (trial seed,
 * the op's stream, optimiser step, index of the element in the whole batch), so forward and
 * backward see the same mask without storing it, and splitting the batch changes nothing. */
#include "op/family.h"

enum { P, STREAM };
enum { STD };

Status infer_dropout(OpShape *call, Err *err) {
  double p = call->attrs->at[P].number;
  TRY(family_floats(call, 1, err));
  if (!(p >= 0 && p <= 1))
    return err_set(err, NN_BAD_ARGUMENT, "dropout: p is a probability, 0 to 1, not %g", p);
  TRY(family_stream(call, STREAM, err));
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

OpRows rows_dropout(const OpShape *call, const bool *batched) {
  (void)call, (void)batched;
  return OP_ROWS_KEEP;
}

Status grad_dropout(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] = op_emit(grad->builder, OP_dropout, grad->out_grad, REF_NONE, grad->attrs);
  return NN_OK;
}

Status infer_gaussian_noise(OpShape *call, Err *err) {
  TRY(family_floats(call, 1, err));
  TRY(family_stream(call, STREAM, err));
  if (!(call->attrs->at[STD].number >= 0))
    return err_set(err, NN_BAD_ARGUMENT, "gaussian_noise: std must be 0 or more, not %g",
                   call->attrs->at[STD].number);
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

OpRows rows_gaussian_noise(const OpShape *call, const bool *batched) {
  (void)call, (void)batched;
  return OP_ROWS_KEEP;
}

Status grad_gaussian_noise(OpGrad *grad, Err *err) {
  (void)err;
  grad->in_grads[0] = grad->out_grad;
  return NN_OK;
}
