/* Recurrent layers: the operands of their ops, for the op functions and the kernels alike.
 *
 * N rows, T steps, F features, H hidden units; G gates: 4 of an LSTM, 3 of a GRU, 1 of a plain
 * net; S states: 2 of an LSTM (h, c), else 1 (h). Sequences are (N, T, F), batch first. */
#ifndef NNRUN_OP_RECURRENT_H
#define NNRUN_OP_RECURRENT_H

#include "op/call.h"

/* Inputs of lstm, gru and rnn: x (N, T, F), weights (G H, F) and (G H, H), biases (G H), lengths
 * (N) int64, first states (N, H). All after the weights may be absent; only lstm has C0. */
enum { RNN_X, RNN_W_IH, RNN_W_HH, RNN_B_IH, RNN_B_HH, RNN_LENGTHS, RNN_H0, RNN_C0 };
/* Their results: y (N, T, H); the states after the last step (N, S, H); what the gradient needs:
 * cells (N, T, H) and gates (N, T, 4 H) of an LSTM, gates of a GRU. Number 0 is call->out. */
enum { RNN_Y, RNN_LAST, RNN_CELLS, RNN_LSTM_GATES, RNN_GRU_GATES = RNN_CELLS };

/* Inputs of lstm_grad: the gates, which the result may overwrite, cells, w_hh, lengths, c0, and the
 * gradients of y and of the last states; all from lengths on may be absent. Results: the gradient
 * before the gates' functions (N, T, 4 H), and that of the first states (N, 2, H). */
enum {
  LSTM_G_GATES,
  LSTM_G_CELLS,
  LSTM_G_W_HH,
  LSTM_G_LENGTHS,
  LSTM_G_C0,
  LSTM_G_DY,
  LSTM_G_DLAST
};
/* Of gru_grad: gates, h before each step (N, T, H), w_hh, lengths, dy, dlast. Results: the
 * gradients of x W_ih^T + b_ih and of h W_hh^T + b_hh, (N, T, 3 H) both, and of the first state (N,
 * 1, H). */
enum { GRU_G_GATES, GRU_G_BEFORE, GRU_G_W_HH, GRU_G_LENGTHS, GRU_G_DY, GRU_G_DLAST };
/* Of rnn_grad: y, w_hh, lengths, dy, dlast. Results as lstm_grad's. */
enum { RNN_G_Y, RNN_G_W_HH, RNN_G_LENGTHS, RNN_G_DY, RNN_G_DLAST };

/* Attributes of all of them; only rnn and rnn_grad have RELU. */
enum { RNN_REVERSE, RNN_RELU };

/* So many rows of the batch go through the whole sequence together: their state and one step's
 * gates stay in the second-level cache beside the weights. */
enum { RNN_BLOCK_ROWS = 64, RNN_UNIT_MAX = 16, RNN_SLACK = 64 };

static inline int64_t rnn_padded(int64_t units) {
  return (units + RNN_UNIT_MAX - 1) / RNN_UNIT_MAX * RNN_UNIT_MAX;
}
static inline int64_t rnn_rows(int64_t rows) {
  return rows < RNN_BLOCK_ROWS ? rows : RNN_BLOCK_ROWS;
}
/* Elements between rows of x and h beside each other, or of a step's gate gradients: not a multiple
 * of 1 KB, which would put all rows on the same few sets of the cache. */
static inline int64_t rnn_stride(int64_t elements) {
  int64_t stride = rnn_padded(elements);
  return stride % 256 == 0 ? stride + RNN_UNIT_MAX : stride;
}

/* Elements of scratch of one part, with the padding that vectors of any instruction set need:
 * packed weights and biases, and of every row in the block: sums of a few units, x and h of two
 * steps beside each other, c; backwards: weights, sums, h's gradient past the gates, that of c, the
 * gates' gradients of two steps. The kernels lay them out in this order. */
static inline int64_t rnn_scratch(int64_t rows, int64_t features, int64_t hidden, int gates) {
  int64_t padded = rnn_padded(hidden);
  int64_t row = 4 * RNN_UNIT_MAX + 2 * rnn_stride(features + padded) + padded;
  return (features + hidden) * gates * padded + 4 * padded + rnn_rows(rows) * row + RNN_SLACK;
}
static inline int64_t rnn_grad_scratch(int64_t rows, int64_t hidden, int gates) {
  int64_t padded = rnn_padded(hidden);
  int64_t row = RNN_UNIT_MAX + 2 * padded + 2 * rnn_stride(gates * hidden);
  return gates * hidden * padded + rnn_rows(rows) * row + RNN_SLACK;
}

#endif
