/* Recurrent layers over whole sequences: shapes and gradients of lstm, gru, rnn and what their
 * gradients are made of.
 *
 * One op is one direction of one layer. Gates are in PyTorch's order: i f g o; r z n, where n adds
 * r (h W_hn^T + b_hn). With lengths, steps from lengths[n] on leave the state of row n as it is and
 * their outputs are 0; in reverse a row begins at its own last step. Gradients of weights are
 * products over all N * T steps at once. */
#include "op/recurrent.h"

#include "op/family.h"

static int gates_of(OpId op) {
  if (op == OP_lstm || op == OP_lstm_grad) return 4;
  return op == OP_gru || op == OP_gru_grad ? 3 : 1;
}

static int states_of(OpId op) { return op == OP_lstm || op == OP_lstm_grad ? 2 : 1; }

/* ---- shapes ---- */

static Shape shape2(int64_t a, int64_t b) { return (Shape){.ndim = 2, .dims = {a, b}}; }
static Shape shape3(int64_t a, int64_t b, int64_t c) {
  return (Shape){.ndim = 3, .dims = {a, b, c}};
}

/* Operand `index`, if it is there, has this shape and the type of the first (lengths: int64). */
static Status check_operand(const OpShape *call, int index, const char *what, const Shape *shape,
                            DType dtype, Err *err) {
  char got[SHAPE_TEXT_SIZE], want[SHAPE_TEXT_SIZE];
  if (index >= call->inputs || !call->shape[index]) return NN_OK;
  if (call->dtype[index] != dtype)
    return err_set(err, NN_DTYPE, "%s: %s must be %s, not %s", op_info(call->op)->name, what,
                   dtype_name(dtype), dtype_name(call->dtype[index]));
  if (!shape_equal(call->shape[index], shape))
    return err_set(err, NN_SHAPE, "%s: %s must have shape %s, not %s", op_info(call->op)->name,
                   what, shape_text(shape, want), shape_text(call->shape[index], got));
  return NN_OK;
}

/* A sequence (N, T, *), or steps first (T, N, *), with at least one step and one feature. */
static Status check_sequence(const OpShape *call, int index, const char *what, bool steps_first,
                             Err *err) {
  char text[SHAPE_TEXT_SIZE];
  const Shape *shape = call->shape[index];
  if (shape->ndim == 3 && shape->dims[!steps_first] > 0 && shape->dims[2] > 0) return NN_OK;
  return err_set(err, NN_SHAPE, "%s: %s must be sequences (%s, features), not of shape %s",
                 op_info(call->op)->name, what, steps_first ? "steps, n" : "n, steps",
                 shape_text(shape, text));
}

static Status infer_recurrent(OpShape *call, Err *err) {
  int gates = gates_of(call->op), results = op_info(call->op)->results;
  const Shape *x = call->shape[RNN_X], *w_hh = call->shape[RNN_W_HH];
  DType dtype = call->dtype[RNN_X];
  TRY(family_floats(call, 1, err));
  TRY(check_sequence(call, RNN_X, "x", false, err));
  int64_t hidden = w_hh->ndim == 2 ? w_hh->dims[1] : 0, wide = gates * hidden;
  Shape square = shape2(wide, hidden), of_x = shape2(wide, x->dims[2]);
  Shape bias = {.ndim = 1, .dims = {wide}}, rows = {.ndim = 1, .dims = {x->dims[0]}};
  Shape state = shape2(x->dims[0], hidden);
  if (hidden < 1) square = shape2(gates, 1); /* for the message */
  TRY(check_operand(call, RNN_W_HH, "w_hh", &square, dtype, err));
  TRY(check_operand(call, RNN_W_IH, "w_ih", &of_x, dtype, err));
  TRY(check_operand(call, RNN_B_IH, "b_ih", &bias, dtype, err));
  TRY(check_operand(call, RNN_B_HH, "b_hh", &bias, dtype, err));
  TRY(check_operand(call, RNN_LENGTHS, "lengths", &rows, DTYPE_I64, err));
  TRY(check_operand(call, RNN_H0, "h0", &state, dtype, err));
  TRY(check_operand(call, RNN_C0, "c0", &state, dtype, err));
  call->out = shape3(x->dims[0], x->dims[1], hidden);
  call->out_dtype = dtype;
  for (int i = 1; i < results; i++)
    call->more[i - 1] = (OpMore){shape3(x->dims[1], x->dims[0], hidden), dtype};
  call->more[RNN_LAST - 1].shape = shape3(x->dims[0], states_of(call->op), hidden);
  if (results > RNN_GATES) call->more[RNN_GATES - 1].shape.dims[2] = 4 * hidden;
  return NN_OK;
}

Status infer_lstm(OpShape *call, Err *err) { return infer_recurrent(call, err); }
Status infer_gru(OpShape *call, Err *err) { return infer_recurrent(call, err); }
Status infer_rnn(OpShape *call, Err *err) { return infer_recurrent(call, err); }

/* Sizes of a gradient op, by its weights and its saved operand: steps first, or y. */
typedef struct GradSizes {
  int64_t rows, steps, hidden;
} GradSizes;

/* What the gradient ops share: weights at `weight`, lengths behind, dy and dlast at `dy`. */
static Status infer_gradient(OpShape *call, GradSizes *sizes, bool steps_first, int weight, int dy,
                             Err *err) {
  const Shape *saved = call->shape[0], *w_hh = call->shape[weight];
  DType dtype = call->dtype[0];
  int gates = gates_of(call->op);
  TRY(family_floats(call, 1, err));
  TRY(check_sequence(call, 0, "operand 1", steps_first, err));
  *sizes = (GradSizes){saved->dims[steps_first], saved->dims[!steps_first],
                       w_hh->ndim == 2 ? w_hh->dims[1] : 1};
  Shape weights = shape2(gates * sizes->hidden, sizes->hidden);
  Shape lengths = {.ndim = 1, .dims = {sizes->rows}};
  Shape y = shape3(sizes->rows, sizes->steps, sizes->hidden);
  Shape last = shape3(sizes->rows, states_of(call->op), sizes->hidden);
  TRY(check_operand(call, weight, "w_hh", &weights, dtype, err));
  TRY(check_operand(call, weight + 1, "lengths", &lengths, DTYPE_I64, err));
  TRY(check_operand(call, dy, "dy", &y, dtype, err));
  TRY(check_operand(call, dy + 1, "dlast", &last, dtype, err));
  call->out = shape3(sizes->steps, sizes->rows, (gates == 1 ? 1 : 4) * sizes->hidden);
  call->out_dtype = dtype;
  call->more[0] = (OpMore){last, dtype};
  return NN_OK;
}

Status infer_lstm_grad(OpShape *call, Err *err) {
  GradSizes sizes;
  TRY(infer_gradient(call, &sizes, true, LSTM_G_W_HH, LSTM_G_DY, err));
  Shape cells = shape3(sizes.steps, sizes.rows, sizes.hidden),
        c0 = shape2(sizes.rows, sizes.hidden);
  TRY(check_operand(call, LSTM_G_GATES, "gates", &call->out, call->dtype[0], err));
  TRY(check_operand(call, LSTM_G_CELLS, "cells", &cells, call->dtype[0], err));
  return check_operand(call, LSTM_G_C0, "c0", &c0, call->dtype[0], err);
}

Status infer_gru_grad(OpShape *call, Err *err) {
  GradSizes sizes;
  TRY(infer_gradient(call, &sizes, true, GRU_G_W_HH, GRU_G_DY, err));
  Shape y = shape3(sizes.rows, sizes.steps, sizes.hidden), h0 = shape2(sizes.rows, sizes.hidden);
  TRY(check_operand(call, GRU_G_GATES, "gates", &call->out, call->dtype[0], err));
  TRY(check_operand(call, GRU_G_Y, "y", &y, call->dtype[0], err));
  return check_operand(call, GRU_G_H0, "h0", &h0, call->dtype[0], err);
}

Status infer_rnn_grad(OpShape *call, Err *err) {
  GradSizes sizes;
  TRY(infer_gradient(call, &sizes, false, RNN_G_W_HH, RNN_G_DY, err));
  Shape y = shape3(sizes.rows, sizes.steps, sizes.hidden);
  return check_operand(call, RNN_G_Y, "y", &y, call->dtype[0], err);
}

Status infer_recurrent_weight_grad(OpShape *call, Err *err) {
  int64_t gates = (int64_t)call->attrs->at[WEIGHT_G_GATES].number;
  const Shape *x = call->shape[WEIGHT_G_X], *y = call->shape[WEIGHT_G_Y];
  DType dtype = call->dtype[0];
  TRY(family_floats(call, 1, err));
  TRY(check_sequence(call, WEIGHT_G_X, "x", false, err));
  TRY(check_sequence(call, WEIGHT_G_Y, "y", false, err));
  int64_t rows = x->dims[0], steps = x->dims[1], features = x->dims[2], hidden = y->dims[2];
  if (gates != 1 && gates != 3 && gates != 4)
    return err_set(err, NN_BAD_ARGUMENT, "%s: gates must be 1, 3 or 4, not %lld",
                   op_info(call->op)->name, (long long)gates);
  Shape d = shape3(steps, rows, (gates == 1 ? 1 : 4) * hidden),
        outputs = shape3(rows, steps, hidden);
  Shape lengths = {.ndim = 1, .dims = {rows}}, h0 = shape2(rows, hidden);
  TRY(check_operand(call, WEIGHT_G_D, "d", &d, dtype, err));
  TRY(check_operand(call, WEIGHT_G_X, "x", x, dtype, err));
  TRY(check_operand(call, WEIGHT_G_Y, "y", &outputs, dtype, err));
  TRY(check_operand(call, WEIGHT_G_LENGTHS, "lengths", &lengths, DTYPE_I64, err));
  TRY(check_operand(call, WEIGHT_G_H0, "h0", &h0, dtype, err));
  Shape bias = {.ndim = 1, .dims = {gates * hidden}};
  call->out = shape2(gates * hidden, features);
  call->out_dtype = dtype;
  call->more[WEIGHT_G_W_HH - 1] = (OpMore){shape2(gates * hidden, hidden), dtype};
  call->more[WEIGHT_G_B_IH - 1] = call->more[WEIGHT_G_B_HH - 1] = (OpMore){bias, dtype};
  return NN_OK;
}

Status infer_recurrent_input_grad(OpShape *call, Err *err) {
  const Shape *d = call->shape[INPUT_G_D], *w_ih = call->shape[INPUT_G_W_IH];
  char td[SHAPE_TEXT_SIZE], tw[SHAPE_TEXT_SIZE];
  TRY(family_floats(call, 2, err));
  TRY(check_sequence(call, INPUT_G_D, "d", true, err));
  if (w_ih->ndim != 2 || (w_ih->dims[0] != d->dims[2] && w_ih->dims[0] * 4 != d->dims[2] * 3))
    return err_set(err, NN_SHAPE, "%s: d %s and w_ih %s do not belong together",
                   op_info(call->op)->name, shape_text(d, td), shape_text(w_ih, tw));
  call->out = shape3(d->dims[1], d->dims[0], w_ih->dims[1]);
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

/* ---- scratch and parts ---- */

static size_t bytes(const OpShape *call, int64_t elements) {
  return (size_t)elements * dtype_size(call->dtype[0]);
}

static size_t scratch_forward(const OpShape *call) {
  const Shape *x = call->shape[RNN_X], *w_hh = call->shape[RNN_W_HH];
  return bytes(call, rnn_scratch(x->dims[0], x->dims[2], w_hh->dims[1], gates_of(call->op)));
}

size_t scratch_lstm(const OpShape *call) { return scratch_forward(call); }
size_t scratch_gru(const OpShape *call) { return scratch_forward(call); }
size_t scratch_rnn(const OpShape *call) { return scratch_forward(call); }

static size_t scratch_backward(const OpShape *call, int weight) {
  int64_t rows = call->out.dims[1], hidden = call->shape[weight]->dims[1];
  return bytes(call, rnn_grad_scratch(rows, hidden, gates_of(call->op)));
}

size_t scratch_lstm_grad(const OpShape *call) { return scratch_backward(call, LSTM_G_W_HH); }
size_t scratch_gru_grad(const OpShape *call) { return scratch_backward(call, GRU_G_W_HH); }
size_t scratch_rnn_grad(const OpShape *call) { return scratch_backward(call, RNN_G_W_HH); }

size_t scratch_recurrent_weight_grad(const OpShape *call) {
  int64_t features = call->shape[WEIGHT_G_X]->dims[2], hidden = call->shape[WEIGHT_G_Y]->dims[2];
  return bytes(call, rnn_weight_scratch(features, hidden, call->shape[WEIGHT_G_D]->dims[2]));
}

/* A part packs the weights for itself, so it should have several rows, and enough work besides. */
static int parts_by_rows(int64_t rows, int64_t steps, const Shape *w_hh, int threads) {
  enum { LEAST_ROWS = 8 };
  const double least_flops = 1e7; /* 0.1 milliseconds */
  double flops = 2 * (double)rows * (double)steps * (double)shape_count(w_hh);
  return family_parts(flops, least_flops, rows / LEAST_ROWS, threads);
}

static int parts_forward(const OpCall *call, int threads) {
  const Shape *x = &call->in[RNN_X].shape;
  return parts_by_rows(x->dims[0], x->dims[1], &call->in[RNN_W_HH].shape, threads);
}

int parts_lstm(const OpCall *call, int threads) { return parts_forward(call, threads); }
int parts_gru(const OpCall *call, int threads) { return parts_forward(call, threads); }
int parts_rnn(const OpCall *call, int threads) { return parts_forward(call, threads); }

static int parts_backward(const OpCall *call, int weight, int threads) {
  const Shape *d = &call->out.shape;
  return parts_by_rows(d->dims[1], d->dims[0], &call->in[weight].shape, threads);
}

int parts_lstm_grad(const OpCall *call, int threads) {
  return parts_backward(call, LSTM_G_W_HH, threads);
}
int parts_gru_grad(const OpCall *call, int threads) {
  return parts_backward(call, GRU_G_W_HH, threads);
}
int parts_rnn_grad(const OpCall *call, int threads) {
  return parts_backward(call, RNN_G_W_HH, threads);
}

static int parts_of_product(const OpCall *call, double columns, int threads) {
  const double flops_per_part = 4e6;
  double flops = 2 * (double)shape_count(&call->in[0].shape) * columns;
  return family_parts(flops, flops_per_part, threads, threads);
}

int parts_recurrent_weight_grad(const OpCall *call, int threads) {
  double features = (double)call->in[WEIGHT_G_X].shape.dims[2];
  return parts_of_product(call, features + (double)call->in[WEIGHT_G_Y].shape.dims[2], threads);
}

int parts_recurrent_input_grad(const OpCall *call, int threads) {
  return parts_of_product(call, (double)call->out.shape.dims[2], threads);
}

/* Multiply-adds of the products with the weights, or of D W_hh. */
static int64_t cost_forward(const OpShape *call) {
  const Shape *x = call->shape[RNN_X];
  return x->dims[0] * x->dims[1] *
         (shape_count(call->shape[RNN_W_IH]) + shape_count(call->shape[RNN_W_HH]));
}

int64_t cost_lstm(const OpShape *call) { return cost_forward(call); }
int64_t cost_gru(const OpShape *call) { return cost_forward(call); }
int64_t cost_rnn(const OpShape *call) { return cost_forward(call); }

static int64_t cost_backward(const OpShape *call, int weight) {
  return call->out.dims[0] * call->out.dims[1] * shape_count(call->shape[weight]);
}

int64_t cost_lstm_grad(const OpShape *call) { return cost_backward(call, LSTM_G_W_HH); }
int64_t cost_gru_grad(const OpShape *call) { return cost_backward(call, GRU_G_W_HH); }
int64_t cost_rnn_grad(const OpShape *call) { return cost_backward(call, RNN_G_W_HH); }
int64_t cost_recurrent_weight_grad(const OpShape *call) {
  const Shape *d = call->shape[WEIGHT_G_D];
  return d->dims[0] * d->dims[1] *
         (shape_count(&call->out) + shape_count(&call->more[WEIGHT_G_W_HH - 1].shape));
}
int64_t cost_recurrent_input_grad(const OpShape *call) {
  const Shape *d = call->shape[INPUT_G_D];
  return d->dims[0] * d->dims[1] * shape_count(call->shape[INPUT_G_W_IH]);
}

/* ---- gradients ---- */

/* `reverse` and `relu` stand at the same places in all these ops. */
static Ref emit(const OpGrad *grad, OpId op, const Ref *inputs, int count) {
  return grad->builder->emit(grad->builder, op, inputs, count, grad->attrs);
}

static Ref operand(const OpGrad *grad, int index) {
  return index < grad->inputs ? grad->in[index] : REF_NONE;
}

static Ref result(const OpGrad *grad, Ref ref, int index) {
  return index == 0 ? ref : grad->builder->result(grad->builder, ref, index);
}

/* State `index` (N, H) of the states (N, S, H). */
static Ref state_of(const OpGrad *grad, Ref states, int index) {
  Shape shape = *grad->builder->shape(grad->builder, states);
  if (shape.dims[1] > 1) states = family_slice(grad->builder, states, 1, index, 1);
  shape = shape2(shape.dims[0], shape.dims[2]);
  return op_emit_shape(grad->builder, OP_reshape, states, &shape);
}

/* What only the gradient reads has none itself. */
static Status check_reached(const OpGrad *grad, Err *err) {
  for (int i = RNN_LAST; i < op_info(grad->op)->results - 1; i++)
    if (grad->more_grads[i] != REF_NONE)
      return err_set(err, NN_UNSUPPORTED,
                     "%s: results after the last states have no gradient; use y or the states",
                     op_info(grad->op)->name);
  return NN_OK;
}

/* With D the gradients of the gates' sums, of all steps:  dx = D W_ih,  dW_ih = D^T x,
 * dW_hh = D^T h before,  db = sums of D. */
static Status emit_rest(OpGrad *grad, Ref d) {
  static const int of_weights[4] = {RNN_W_IH, RNN_W_HH, RNN_B_IH, RNN_B_HH};
  OpBuilder *builder = grad->builder;
  Ref first = result(grad, d, 1), weights = REF_NONE;
  if (grad->wants[RNN_X])
    grad->in_grads[RNN_X] = op_emit(builder, OP_recurrent_input_grad, d, grad->in[RNN_W_IH], NULL);
  if (grad->wants[RNN_H0]) grad->in_grads[RNN_H0] = state_of(grad, first, 0);
  if (states_of(grad->op) > 1 && grad->wants[RNN_C0])
    grad->in_grads[RNN_C0] = state_of(grad, first, 1);
  for (int i = 0; i < 4; i++) {
    if (!grad->wants[of_weights[i]]) continue;
    if (weights == REF_NONE) {
      Ref inputs[5] = {[WEIGHT_G_D] = d,
                       [WEIGHT_G_X] = grad->in[RNN_X],
                       [WEIGHT_G_Y] = grad->out,
                       [WEIGHT_G_LENGTHS] = operand(grad, RNN_LENGTHS),
                       [WEIGHT_G_H0] = operand(grad, RNN_H0)};
      Attrs attrs = *grad->attrs;
      attrs.at[WEIGHT_G_GATES].number = gates_of(grad->op);
      weights = builder->emit(builder, OP_recurrent_weight_grad, inputs, 5, &attrs);
    }
    grad->in_grads[of_weights[i]] = result(grad, weights, i);
  }
  return NN_OK;
}

Status grad_lstm(OpGrad *grad, Err *err) {
  TRY(check_reached(grad, err));
  Ref inputs[7] = {[LSTM_G_GATES] = result(grad, grad->out, RNN_GATES),
                   [LSTM_G_CELLS] = result(grad, grad->out, RNN_CELLS),
                   [LSTM_G_W_HH] = grad->in[RNN_W_HH],
                   [LSTM_G_LENGTHS] = operand(grad, RNN_LENGTHS),
                   [LSTM_G_C0] = operand(grad, RNN_C0),
                   [LSTM_G_DY] = grad->out_grad,
                   [LSTM_G_DLAST] = grad->more_grads[RNN_LAST - 1]};
  return emit_rest(grad, emit(grad, OP_lstm_grad, inputs, 7));
}

Status grad_gru(OpGrad *grad, Err *err) {
  TRY(check_reached(grad, err));
  Ref inputs[7] = {[GRU_G_GATES] = result(grad, grad->out, RNN_GATES),
                   [GRU_G_Y] = grad->out,
                   [GRU_G_W_HH] = grad->in[RNN_W_HH],
                   [GRU_G_LENGTHS] = operand(grad, RNN_LENGTHS),
                   [GRU_G_H0] = operand(grad, RNN_H0),
                   [GRU_G_DY] = grad->out_grad,
                   [GRU_G_DLAST] = grad->more_grads[RNN_LAST - 1]};
  return emit_rest(grad, emit(grad, OP_gru_grad, inputs, 7));
}

Status grad_rnn(OpGrad *grad, Err *err) {
  TRY(check_reached(grad, err));
  Ref inputs[5] = {[RNN_G_Y] = grad->out,
                   [RNN_G_W_HH] = grad->in[RNN_W_HH],
                   [RNN_G_LENGTHS] = operand(grad, RNN_LENGTHS),
                   [RNN_G_DY] = grad->out_grad,
                   [RNN_G_DLAST] = grad->more_grads[RNN_LAST - 1]};
  return emit_rest(grad, emit(grad, OP_rnn_grad, inputs, 5));
}
