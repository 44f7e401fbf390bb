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
/* Their results: y (N, T, H); the states after the last step (N, S, H); and what the gradient
 * needs, steps first: gates (T, N, 4 H): i f g o; or n, r, z, h's part of n; cells (T, N, H) of
 * lstm. Number 0 is call->out. */
enum { RNN_Y, RNN_LAST, RNN_GATES, RNN_CELLS };

/* Inputs of lstm_grad: the gates, which the result may overwrite, cells, w_hh, lengths, c0, and the
 * gradients of y and of the last states; all from lengths on may be absent. Results: the gradient
 * before the gates' functions (T, N, 4 H), and that of the first states (N, 2, H). */
enum {
  LSTM_G_GATES,
  LSTM_G_CELLS,
  LSTM_G_W_HH,
  LSTM_G_LENGTHS,
  LSTM_G_C0,
  LSTM_G_DY,
  LSTM_G_DLAST
};
/* Of gru_grad: gates, y, w_hh, lengths, h0, dy, dlast. Results as lstm_grad's: n, r, z, h's part of
 * n, so that the gates of x and those of h are three blocks in a row each. */
enum { GRU_G_GATES, GRU_G_Y, GRU_G_W_HH, GRU_G_LENGTHS, GRU_G_H0, GRU_G_DY, GRU_G_DLAST };
/* Of rnn_grad: y, w_hh, lengths, dy, dlast. Results (T, N, H) and (N, 1, H). */
enum { RNN_G_Y, RNN_G_W_HH, RNN_G_LENGTHS, RNN_G_DY, RNN_G_DLAST };
/* Of recurrent_weight_grad: result 0 of those, x, y, lengths, h0. Results: the gradients of w_ih,
 * w_hh, b_ih, b_hh. Of recurrent_input_grad: result 0 of those, w_ih; the gradient of x. */
enum { WEIGHT_G_D, WEIGHT_G_X, WEIGHT_G_Y, WEIGHT_G_LENGTHS, WEIGHT_G_H0 };
enum { WEIGHT_G_W_IH, WEIGHT_G_W_HH, WEIGHT_G_B_IH, WEIGHT_G_B_HH };
enum { INPUT_G_D, INPUT_G_W_IH };

/* Attributes of all of them but recurrent_input_grad; and the second one. */
enum { RNN_REVERSE, RNN_RELU, WEIGHT_G_GATES = 1 };

enum { RNN_UNIT_MAX = 16, RNN_SLACK = 64 };

static inline int64_t rnn_padded(int64_t units) {
  return (units + RNN_UNIT_MAX - 1) / RNN_UNIT_MAX * RNN_UNIT_MAX;
}

/* How many rows of the batch go through the whole sequence together: as many as stay in the
 * second-level cache beside the weights, when each takes `row` elements; weights that are too large
 * for it are read from further away, which more rows share. */
static inline int64_t rnn_rows(int64_t rows, int64_t weights, int64_t row) {
  enum { CACHE = 448 * 1024 / 4, FEWEST = 32, MOST = 128 };
  int64_t fit = weights < CACHE ? (CACHE - weights) / row : MOST;
  fit = fit < FEWEST ? FEWEST : fit > MOST ? MOST : fit;
  return rows < fit ? rows : fit;
}
/* Elements between rows of x and h beside each other, or of a step's gate gradients: not a multiple
 * of 1 KB, which would put all rows on the same few sets of the cache. */
static inline int64_t rnn_stride(int64_t elements) {
  int64_t stride = rnn_padded(elements);
  return stride % 256 == 0 ? stride + RNN_UNIT_MAX : stride;
}

/* Elements of scratch of one part, with the padding that vectors of any instruction set need, in
 * the order in which the kernels lay them out. Forwards: packed weights and biases, and of every
 * row in the block: sums of a few units, x and h of two steps beside each other, c. */
static inline int64_t rnn_scratch_row(int64_t features, int64_t hidden) {
  return 4 * RNN_UNIT_MAX + 2 * rnn_stride(features + rnn_padded(hidden)) + rnn_padded(hidden);
}
static inline int64_t rnn_block(int64_t rows, int64_t features, int64_t hidden, int gates) {
  int64_t weights = (features + hidden) * gates * hidden, saved = 5 * hidden;
  return rnn_rows(rows, weights, rnn_scratch_row(features, hidden) + saved);
}
static inline int64_t rnn_scratch(int64_t rows, int64_t features, int64_t hidden, int gates) {
  int64_t weights = (features + hidden) * gates * rnn_padded(hidden);
  return weights + 4 * rnn_padded(hidden) + RNN_SLACK +
         rnn_block(rows, features, hidden, gates) * rnn_scratch_row(features, hidden);
}

/* Backwards: packed weights, and of every row: sums of a few units, h's gradient past the gates,
 * c's, a row of y. */
static inline int64_t rnn_grad_block(int64_t rows, int64_t hidden, int gates) {
  int64_t d_of_two_steps = 2 * (gates == 1 ? 1 : 4) * hidden, cells = 2 * hidden;
  return rnn_rows(rows, gates * hidden * hidden,
                  RNN_UNIT_MAX + 3 * rnn_padded(hidden) + d_of_two_steps + cells);
}
static inline int64_t rnn_grad_scratch(int64_t rows, int64_t hidden, int gates) {
  int64_t padded = rnn_padded(hidden);
  return gates * hidden * padded + RNN_SLACK +
         rnn_grad_block(rows, hidden, gates) * (RNN_UNIT_MAX + 3 * padded);
}

/* Weight gradients are added up over chunks of so many of the N * T rows (as deep as a matrix
 * product's own blocks), which hold x, 1, the h before, 1. */
enum { RNN_CHUNK = 352 };
static inline int64_t rnn_weight_columns(int64_t features, int64_t hidden) {
  return rnn_padded(features + hidden + 2);
}
static inline int64_t rnn_weight_scratch(int64_t features, int64_t hidden, int64_t wide) {
  return (RNN_CHUNK + wide) * rnn_weight_columns(features, hidden) + RNN_SLACK;
}

#endif
