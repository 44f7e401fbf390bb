/* Recurrent layers over whole sequences: shapes and gradients of lstm, gru, rnn and what their
 * gradients are made of.
 *
 * One op is one direction of one layer. Gates are in PyTorch's order: i f g o; r z n, where n adds
 * r (h W_hn^T + b_hn). With lengths, steps from lengths[n] on leave the state of row n as it is and
 * their outputs are 0; in reverse a row begins at its own last step. Gradients of weights are
 * products over all N * T steps at once. */
#include "op/recurrent.h"

#include "op/family.h"

typedef struct RnnKind {
  int gates, states;
  int saved; /* result whose last axis is 4 H, or 0 */
} RnnKind;

static RnnKind kind_of(OpId op) {
  if (op == OP_lstm || op == OP_lstm_grad) return (RnnKind){4, 2, RNN_LSTM_GATES};
  if (op == OP_gru || op == OP_gru_grad) return (RnnKind){3, 1, RNN_GRU_GATES};
  return (RnnKind){1, 1, 0};
}

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

/* A sequence (N, T, *) with at least one step and one feature. */
static Status check_sequence(const OpShape *call, int index, const char *what, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  const Shape *shape = call->shape[index];
  if (shape->ndim == 3 && shape->dims[1] > 0 && shape->dims[2] > 0) return NN_OK;
  return err_set(err, NN_SHAPE, "%s: %s must be sequences (n, steps, features), not of shape %s",
                 op_info(call->op)->name, what, shape_text(shape, text));
}

static Status infer_recurrent(OpShape *call, Err *err) {
  RnnKind kind = kind_of(call->op);
  const Shape *x = call->shape[RNN_X], *w_hh = call->shape[RNN_W_HH];
  DType dtype = call->dtype[RNN_X];
  TRY(family_floats(call, 1, err));
  TRY(check_sequence(call, RNN_X, "x", err));
  int64_t hidden = w_hh->ndim == 2 ? w_hh->dims[1] : 0, wide = kind.gates * hidden;
  Shape square = shape2(wide, hidden), of_x = shape2(wide, x->dims[2]);
  Shape bias = {.ndim = 1, .dims = {wide}}, rows = {.ndim = 1, .dims = {x->dims[0]}};
  Shape state = shape2(x->dims[0], hidden);
  if (hidden < 1) square = shape2(kind.gates, 1); /* for the message */
  TRY(check_operand(call, RNN_W_HH, "w_hh", &square, dtype, err));
  TRY(check_operand(call, RNN_W_IH, "w_ih", &of_x, dtype, err));
  TRY(check_operand(call, RNN_B_IH, "b_ih", &bias, dtype, err));
  TRY(check_operand(call, RNN_B_HH, "b_hh", &bias, dtype, err));
  TRY(check_operand(call, RNN_LENGTHS, "lengths", &rows, DTYPE_I64, err));
  TRY(check_operand(call, RNN_H0, "h0", &state, dtype, err));
  TRY(check_operand(call, RNN_C0, "c0", &state, dtype, err));
  call->out = shape3(x->dims[0], x->dims[1], hidden);
  call->out_dtype = dtype;
  for (int i = 0; i < OP_MAX_RESULTS - 1; i++) call->more[i] = (OpMore){call->out, dtype};
  call->more[RNN_LAST - 1].shape = shape3(x->dims[0], kind.states, hidden);
  if (kind.saved) call->more[kind.saved - 1].shape.dims[2] = 4 * hidden;
  return NN_OK;
}

Status infer_lstm(OpShape *call, Err *err) { return infer_recurrent(call, err); }
Status infer_gru(OpShape *call, Err *err) { return infer_recurrent(call, err); }
Status infer_rnn(OpShape *call, Err *err) { return infer_recurrent(call, err); }

/* Of the gradient ops: operand 0 is (N, T, blocks * H); w_hh stands at `weight`, lengths behind it.
 */
static Status infer_gradient(OpShape *call, int weight, int blocks, int dy, Err *err) {
  RnnKind kind = kind_of(call->op);
  const Shape *saved = call->shape[0];
  DType dtype = call->dtype[0];
  TRY(family_floats(call, 1, err));
  TRY(check_sequence(call, 0, "operand 1", err));
  int64_t rows = saved->dims[0], steps = saved->dims[1], hidden = saved->dims[2] / blocks;
  Shape full = shape3(rows, steps, blocks * hidden), y = shape3(rows, steps, hidden);
  Shape weights = shape2(kind.gates * hidden, hidden), lengths = {.ndim = 1, .dims = {rows}};
  Shape last = shape3(rows, kind.states, hidden), first = shape2(rows, hidden);
  TRY(check_operand(call, 0, "operand 1", &full, dtype, err));
  if (weight > 1) TRY(check_operand(call, 1, "operand 2", &y, dtype, err));
  TRY(check_operand(call, weight, "w_hh", &weights, dtype, err));
  TRY(check_operand(call, weight + 1, "lengths", &lengths, DTYPE_I64, err));
  if (dy > weight + 2) TRY(check_operand(call, weight + 2, "c0", &first, dtype, err));
  TRY(check_operand(call, dy, "dy", &y, dtype, err));
  TRY(check_operand(call, dy + 1, "dlast", &last, dtype, err));
  call->out = shape3(rows, steps, kind.gates * hidden);
  call->out_dtype = dtype;
  int results = op_info(call->op)->results;
  for (int i = 1; i < results; i++) call->more[i - 1] = (OpMore){call->out, dtype};
  call->more[results - 2].shape = last;
  return NN_OK;
}

Status infer_lstm_grad(OpShape *call, Err *err) {
  return infer_gradient(call, LSTM_G_W_HH, 4, LSTM_G_DY, err);
}
Status infer_gru_grad(OpShape *call, Err *err) {
  return infer_gradient(call, GRU_G_W_HH, 4, GRU_G_DY, err);
}
Status infer_rnn_grad(OpShape *call, Err *err) {
  return infer_gradient(call, RNN_G_W_HH, 1, RNN_G_DY, err);
}

Status infer_recurrent_before(OpShape *call, Err *err) {
  TRY(family_floats(call, 1, err));
  TRY(check_sequence(call, 0, "y", err));
  const Shape *y = call->shape[0];
  Shape state = shape2(y->dims[0], y->dims[2]), lengths = {.ndim = 1, .dims = {y->dims[0]}};
  TRY(check_operand(call, 1, "h0", &state, call->dtype[0], err));
  TRY(check_operand(call, 2, "lengths", &lengths, DTYPE_I64, err));
  call->out = *y;
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

/* ---- scratch and parts ---- */

static size_t scratch_forward(const OpShape *call) {
  const Shape *x = call->shape[RNN_X];
  int64_t elements =
      rnn_scratch(x->dims[0], x->dims[2], call->shape[RNN_W_HH]->dims[1], kind_of(call->op).gates);
  return (size_t)elements * dtype_size(call->dtype[0]);
}

size_t scratch_lstm(const OpShape *call) { return scratch_forward(call); }
size_t scratch_gru(const OpShape *call) { return scratch_forward(call); }
size_t scratch_rnn(const OpShape *call) { return scratch_forward(call); }

static size_t scratch_backward(const OpShape *call, int weight) {
  int64_t elements = rnn_grad_scratch(call->shape[0]->dims[0], call->shape[weight]->dims[1],
                                      kind_of(call->op).gates);
  return (size_t)elements * dtype_size(call->dtype[0]);
}

size_t scratch_lstm_grad(const OpShape *call) { return scratch_backward(call, LSTM_G_W_HH); }
size_t scratch_gru_grad(const OpShape *call) { return scratch_backward(call, GRU_G_W_HH); }
size_t scratch_rnn_grad(const OpShape *call) { return scratch_backward(call, RNN_G_W_HH); }

/* A part packs the weights for itself, so it should have several rows; and half a millisecond of
 * work for one thread, as sequences seldom end just when a part does. */
static int parts_by_rows(const OpCall *call, int sequence, int weight, int threads) {
  enum { LEAST_ROWS = 8 };
  const Shape *shape = &call->in[sequence].shape, *w_hh = &call->in[weight].shape;
  double work = 2.0 * (double)(shape->dims[0] * shape->dims[1]) * (double)shape_count(w_hh) / 1e7;
  int64_t parts = shape->dims[0] / LEAST_ROWS;
  if (work < (double)parts) parts = (int64_t)work;
  return parts < 1 ? 1 : parts > threads ? threads : (int)parts;
}

int parts_lstm(const OpCall *call, int threads) {
  return parts_by_rows(call, RNN_X, RNN_W_HH, threads);
}
int parts_gru(const OpCall *call, int threads) { return parts_lstm(call, threads); }
int parts_rnn(const OpCall *call, int threads) { return parts_lstm(call, threads); }
int parts_lstm_grad(const OpCall *call, int threads) {
  return parts_by_rows(call, LSTM_G_CELLS, LSTM_G_W_HH, threads);
}
int parts_gru_grad(const OpCall *call, int threads) {
  return parts_by_rows(call, GRU_G_BEFORE, GRU_G_W_HH, threads);
}
int parts_rnn_grad(const OpCall *call, int threads) {
  return parts_by_rows(call, RNN_G_Y, RNN_G_W_HH, threads);
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
  return call->shape[0]->dims[0] * call->shape[0]->dims[1] * shape_count(call->shape[weight]);
}

int64_t cost_lstm_grad(const OpShape *call) { return cost_backward(call, LSTM_G_W_HH); }
int64_t cost_gru_grad(const OpShape *call) { return cost_backward(call, GRU_G_W_HH); }
int64_t cost_rnn_grad(const OpShape *call) { return cost_backward(call, RNN_G_W_HH); }

/* ---- gradients ---- */

/* `reverse` and `relu` stand at the same places in all these ops. */
static Ref emit(const OpGrad *grad, OpId op, const Ref *inputs, int count) {
  return grad->builder->emit(grad->builder, op, inputs, count, grad->attrs);
}

static Ref operand(const OpGrad *grad, int index) {
  return index < grad->inputs ? grad->in[index] : REF_NONE;
}

/* (N, T, a) as (N T, a) */
static Ref flat(const OpGrad *grad, Ref ref) {
  const Shape *shape = grad->builder->shape(grad->builder, ref);
  Shape rows = shape2(shape->dims[0] * shape->dims[1], shape->dims[2]);
  return family_reshape(grad->builder, ref, &rows);
}

static Ref product(const OpGrad *grad, Ref a, Ref b, bool trans_a) {
  Attrs attrs;
  op_attr_defaults(OP_matmul, &attrs);
  attrs.at[0].number = trans_a;
  return op_emit(grad->builder, OP_matmul, a, b, &attrs);
}

static Ref sum_rows(const OpGrad *grad, Ref ref) {
  Attrs attrs;
  op_attr_defaults(OP_sum, &attrs);
  attrs.at[0].count = 1;
  attrs.at[0].list[0] = 0;
  return op_emit(grad->builder, OP_sum, ref, REF_NONE, &attrs);
}

/* State `index` (N, H) of the states (N, S, H). */
static Ref state_of(const OpGrad *grad, Ref states, int index) {
  Shape shape = *grad->builder->shape(grad->builder, states);
  Attrs attrs;
  op_attr_defaults(OP_slice, &attrs);
  attrs.at[0].number = 1;
  attrs.at[1].number = attrs.at[2].number = index;
  if (shape.dims[1] > 1) states = op_emit(grad->builder, OP_slice, states, REF_NONE, &attrs);
  shape = shape2(shape.dims[0], shape.dims[2]);
  return family_reshape(grad->builder, states, &shape);
}

/* With Dx and Dh the gradients of x W_ih^T + b_ih and of h W_hh^T + b_hh over all steps, h the
 * outputs before each step:  dx = Dx W_ih,  dW_ih = Dx^T x,  dW_hh = Dh^T h,  db = sums of rows. */
static void emit_products(OpGrad *grad, Ref of_x, Ref of_h, Ref before) {
  const bool *wants = grad->wants;
  Shape x_shape = *grad->builder->shape(grad->builder, grad->in[RNN_X]);
  of_x = flat(grad, of_x), of_h = flat(grad, of_h);
  if (wants[RNN_X])
    grad->in_grads[RNN_X] =
        family_reshape(grad->builder, product(grad, of_x, grad->in[RNN_W_IH], false), &x_shape);
  if (wants[RNN_W_IH])
    grad->in_grads[RNN_W_IH] = product(grad, of_x, flat(grad, grad->in[RNN_X]), true);
  if (wants[RNN_W_HH]) grad->in_grads[RNN_W_HH] = product(grad, of_h, flat(grad, before), true);
  if (wants[RNN_B_IH]) grad->in_grads[RNN_B_IH] = sum_rows(grad, of_x);
  if (wants[RNN_B_HH])
    grad->in_grads[RNN_B_HH] =
        of_h == of_x && wants[RNN_B_IH] ? grad->in_grads[RNN_B_IH] : sum_rows(grad, of_h);
}

static Ref emit_before(const OpGrad *grad) {
  Ref inputs[3] = {grad->out, operand(grad, RNN_H0), operand(grad, RNN_LENGTHS)};
  return emit(grad, OP_recurrent_before, inputs, 3);
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

static void emit_first_states(OpGrad *grad, Ref first) {
  if (grad->wants[RNN_H0]) grad->in_grads[RNN_H0] = state_of(grad, first, 0);
  if (grad->op == OP_lstm && grad->wants[RNN_C0]) grad->in_grads[RNN_C0] = state_of(grad, first, 1);
}

Status grad_lstm(OpGrad *grad, Err *err) {
  OpBuilder *builder = grad->builder;
  TRY(check_reached(grad, err));
  Ref inputs[7] = {[LSTM_G_GATES] = builder->result(builder, grad->out, RNN_LSTM_GATES),
                   [LSTM_G_CELLS] = builder->result(builder, grad->out, RNN_CELLS),
                   [LSTM_G_W_HH] = grad->in[RNN_W_HH],
                   [LSTM_G_LENGTHS] = operand(grad, RNN_LENGTHS),
                   [LSTM_G_C0] = operand(grad, RNN_C0),
                   [LSTM_G_DY] = grad->out_grad,
                   [LSTM_G_DLAST] = grad->more_grads[RNN_LAST - 1]};
  Ref d = emit(grad, OP_lstm_grad, inputs, 7);
  emit_products(grad, d, d, emit_before(grad));
  if (grad->wants[RNN_H0] || grad->wants[RNN_C0])
    emit_first_states(grad, builder->result(builder, d, 1));
  return NN_OK;
}

Status grad_gru(OpGrad *grad, Err *err) {
  OpBuilder *builder = grad->builder;
  TRY(check_reached(grad, err));
  Ref before = emit_before(grad);
  Ref inputs[6] = {[GRU_G_GATES] = builder->result(builder, grad->out, RNN_GRU_GATES),
                   [GRU_G_BEFORE] = before,
                   [GRU_G_W_HH] = grad->in[RNN_W_HH],
                   [GRU_G_LENGTHS] = operand(grad, RNN_LENGTHS),
                   [GRU_G_DY] = grad->out_grad,
                   [GRU_G_DLAST] = grad->more_grads[RNN_LAST - 1]};
  Ref d = emit(grad, OP_gru_grad, inputs, 6);
  emit_products(grad, d, builder->result(builder, d, 1), before);
  if (grad->wants[RNN_H0]) emit_first_states(grad, builder->result(builder, d, 2));
  return NN_OK;
}

Status grad_rnn(OpGrad *grad, Err *err) {
  OpBuilder *builder = grad->builder;
  TRY(check_reached(grad, err));
  Ref inputs[5] = {[RNN_G_Y] = grad->out,
                   [RNN_G_W_HH] = grad->in[RNN_W_HH],
                   [RNN_G_LENGTHS] = operand(grad, RNN_LENGTHS),
                   [RNN_G_DY] = grad->out_grad,
                   [RNN_G_DLAST] = grad->more_grads[RNN_LAST - 1]};
  Ref d = emit(grad, OP_rnn_grad, inputs, 5);
  emit_products(grad, d, d, emit_before(grad));
  if (grad->wants[RNN_H0]) emit_first_states(grad, builder->result(builder, d, 1));
  return NN_OK;
}
