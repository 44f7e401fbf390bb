/* Recurrent layers backwards: the gradients before the gates' functions, step by step from the
 * last.
 *
 * With D the gradients of a step's sums, the gradient of h before it is D W_hh, plus what reaches h
 * past the gates (`past`: from y, through z of a GRU, over masked steps, from the last state).
 * Gradients of weights and inputs are made afterwards, of all steps at once. */
#include "recurrent.h"

typedef struct Backward Backward;

/* Makes D of UNIT units of a step. */
typedef void Retreat(const Backward *backward, const Walk *walk, int64_t step, int64_t unit);

struct Backward {
  const OpCall *call;
  int gates;                            /* of w_hh; D has 4 for a GRU */
  int64_t states, hidden, wide, padded; /* wide: elements of a row of D */
  const real *w_hh, *dy, *dlast;
  const real *gates_saved, *cells_saved, *y, *first; /* first: c0 of an LSTM, h0 of a GRU */
  real *d, *dfirst;
  real *weights, *sums, *past, *cells, *rows;
  Retreat *retreat;
};

/* What reaches h from later steps, and from y. */
INLINE Vec gradient_of_h(const Backward *b, int64_t row, int64_t unit, int64_t half) {
  return vec_load(b->sums + row * UNIT + half) + vec_load(b->past + row * b->padded + unit + half);
}

/* do = dh tanh(c),  dc += dh o (1 - tanh(c)^2),  di = dc g,  df = dc c_before,  dg = dc i; each
 * times the slope of its gate's function */
static void retreat_lstm(const Backward *b, const Walk *walk, int64_t step, int64_t unit) {
  const int64_t hidden = b->hidden, time = walk_time(walk, step);
  const int64_t before = walk->reverse ? walk->all_rows : -walk->all_rows;
  for (int64_t r = 0; r < walk->rows; r++) {
    int64_t at = walk_step_at(walk, r, time);
    bool masked = walk_masked(walk, r, time);
    for (int64_t half = 0; half < UNIT && unit + half < hidden; half += VL) {
      int64_t u = unit + half, units = hidden - u;
      const real *gates = b->gates_saved + at * b->wide + u;
      const real *cell = b->cells_saved + at * hidden + u;
      real *d = b->d + at * b->wide + u, *dcell = b->cells + r * b->padded + u;
      Vec past = gradient_of_h(b, r, unit, half), dc = vec_load(dcell);
      Vec di = {0}, df = {0}, dg = {0}, dout = {0};
      if (!masked) {
        Vec i = vec_load(gates), f = vec_load(gates + hidden), g = vec_load(gates + 2 * hidden);
        Vec o = vec_load(gates + 3 * hidden), tanh_c = gate_tanh(vec_load(cell)), c_before = {0};
        if (step > 0)
          c_before = vec_load(cell + before * hidden);
        else if (b->first)
          c_before = vec_load(b->first + (walk->first + r) * hidden + u);
        dc += past * o * (1 - tanh_c * tanh_c);
        dout = past * tanh_c * o * (1 - o);
        di = dc * g * i * (1 - i);
        df = dc * c_before * f * (1 - f);
        dg = dc * i * (1 - g * g);
        dc *= f;
        past = (Vec){0};
      }
      vec_store(dcell, dc);
      vec_store(b->past + r * b->padded + u, past);
      store_units(d, di, units);
      store_units(d + hidden, df, units);
      store_units(d + 2 * hidden, dg, units);
      store_units(d + 3 * hidden, dout, units);
    }
  }
}

/* dn = dh (1 - z),  dz = dh (h_before - n),  dr = dn hn, each times its slope,  dhn = dn r;
 * past: dh z */
static void retreat_gru(const Backward *b, const Walk *walk, int64_t step, int64_t unit) {
  const int64_t hidden = b->hidden, time = walk_time(walk, step);
  for (int64_t row = 0; row < walk->rows; row++) {
    int64_t at = walk_step_at(walk, row, time);
    bool masked = walk_masked(walk, row, time);
    for (int64_t half = 0; half < UNIT && unit + half < hidden; half += VL) {
      int64_t u = unit + half, units = hidden - u;
      const real *gates = b->gates_saved + at * b->wide + u;
      real *d = b->d + at * b->wide + u;
      Vec past = gradient_of_h(b, row, unit, half), dr = {0}, dz = {0}, dn = {0}, dhn = {0};
      if (!masked) {
        Vec n = vec_load(gates), r = vec_load(gates + hidden), z = vec_load(gates + 2 * hidden);
        Vec hn = vec_load(gates + 3 * hidden), h_before = vec_load(b->rows + row * b->padded + u);
        dn = past * (1 - z) * (1 - n * n);
        dz = past * (h_before - n) * z * (1 - z);
        dr = dn * hn * r * (1 - r);
        dhn = dn * r;
        past *= z;
      }
      vec_store(b->past + row * b->padded + u, past);
      store_units(d, dn, units);
      store_units(d + hidden, dr, units);
      store_units(d + 2 * hidden, dz, units);
      store_units(d + 3 * hidden, dhn, units);
    }
  }
}

/* D = dh (1 - y^2), or dh where y > 0 */
static void retreat_rnn(const Backward *b, const Walk *walk, int64_t step, int64_t unit) {
  const int64_t hidden = b->hidden, time = walk_time(walk, step);
  bool relu = b->call->attrs->at[RNN_RELU].number != 0;
  for (int64_t r = 0; r < walk->rows; r++) {
    int64_t at = walk_step_at(walk, r, time);
    bool masked = walk_masked(walk, r, time);
    for (int64_t half = 0; half < UNIT && unit + half < hidden; half += VL) {
      int64_t u = unit + half;
      Vec dh = gradient_of_h(b, r, unit, half), d = {0};
      Vec y = vec_load(b->rows + r * b->padded + u);
      if (!masked) d = relu ? (Vec)((GateBits)dh & (GateBits)(y > 0)) : dh * (1 - y * y);
      vec_store(b->past + r * b->padded + u, masked ? dh : (Vec){0});
      store_units(b->d + at * hidden + u, d, hidden - u);
    }
  }
}

/* ---- the walk ---- */

/* Columns of W_hh as panels (gates * hidden, UNIT). */
static void pack_back(const Backward *b) {
  real *to = b->weights;
  int64_t depth = b->gates * b->hidden;
  for (int64_t unit = 0; unit < b->hidden; unit += UNIT)
    for (int64_t p = 0; p < depth; p++, to += UNIT) {
      int64_t units = b->hidden - unit < UNIT ? b->hidden - unit : UNIT;
      memcpy(to, b->w_hh + p * b->hidden + unit, (size_t)units * sizeof *to);
      memset(to + units, 0, (size_t)(UNIT - units) * sizeof *to);
    }
}

/* sums = D W_hh for some units, D that of a step. The gates of h are the last ones of D. */
static void project_back(const Backward *b, const Walk *walk, int64_t step, int64_t unit) {
  int64_t depth = b->gates * b->hidden, at = walk_step_at(walk, 0, walk_time(walk, step));
  run_product(&(Product){.rows = walk->rows,
                         .depth = depth,
                         .a = b->d + at * b->wide + (b->wide - depth),
                         .a_row = b->wide,
                         .b = b->weights + unit * depth,
                         .c = b->sums,
                         .c_row = UNIT});
}

/* Gradients of the last states, or zeros, into `past` (state 0) or `cells` (state 1). */
static void put_last(const Backward *b, const Walk *walk, int state, real *to) {
  for (int64_t r = 0; r < walk->rows; r++) {
    int64_t at = ((walk->first + r) * b->states + state) * b->hidden;
    copy_or_zero(to + r * b->padded, b->dlast ? b->dlast + at : NULL, b->hidden);
  }
}

/* What the step takes row by row: the gradient of y to `past`; y, or the one before, to `rows`. */
static void put_step(const Backward *b, const Walk *walk, int64_t step) {
  int64_t time = walk_time(walk, step), hidden = b->hidden;
  for (int64_t r = 0; r < walk->rows; r++) {
    int64_t row = walk->first + r, at = walk_at(walk, r, time) * hidden;
    real *past = b->past + r * b->padded;
    if (b->dy && !walk_masked(walk, r, time))
      for (int64_t u = 0; u < hidden; u++) past[u] += b->dy[at + u];
    if (b->gates == 3)
      copy_or_zero(b->rows + r * b->padded, walk_before(walk, b->y, b->first, hidden, row, time),
                   hidden);
    else if (b->y)
      copy_or_zero(b->rows + r * b->padded, b->y + at, hidden);
  }
}

static void take_first(const Backward *b, const Walk *walk) {
  for (int64_t unit = 0; unit < b->hidden; unit += UNIT) {
    int64_t units = b->hidden - unit < UNIT ? b->hidden - unit : UNIT;
    project_back(b, walk, 0, unit);
    for (int64_t r = 0; r < walk->rows; r++) {
      real *to = b->dfirst + (walk->first + r) * b->states * b->hidden + unit;
      const real *past = b->past + r * b->padded + unit, *cells = b->cells + r * b->padded + unit;
      for (int64_t u = 0; u < units; u++) to[u] = b->sums[r * UNIT + u] + past[u];
      for (int64_t u = 0; u < units && b->states > 1; u++) to[b->hidden + u] = cells[u];
    }
  }
}

static void backward_block(Walk *walk, void *context) {
  const Backward *b = context;
  put_last(b, walk, 0, b->past);
  if (b->states > 1) put_last(b, walk, 1, b->cells);
  memset(b->sums, 0, (size_t)(walk->rows * UNIT) * sizeof *b->sums);
  for (int64_t step = walk->steps - 1; step >= 0; step--) {
    put_step(b, walk, step);
    for (int64_t unit = 0; unit < b->hidden; unit += UNIT) {
      if (step < walk->steps - 1) project_back(b, walk, step + 1, unit);
      b->retreat(b, walk, step, unit);
    }
  }
  if (b->dfirst) take_first(b, walk);
}

/* `lengths` and `dy` are places of inputs; dlast stands behind dy. */
static void run_backward(Backward *b, int lengths, int dy, int part, int parts) {
  const OpCall *call = b->call;
  const Shape *shape = &call->out.shape;
  int64_t most = rnn_grad_block(shape->dims[1], b->hidden, b->gates);
  b->d = call->out.data, b->wide = shape->dims[2];
  b->dfirst = call->more[0].data;
  b->dy = arg_data(call, dy), b->dlast = arg_data(call, dy + 1);
  b->padded = rnn_padded(b->hidden);
  b->weights = (real *)call->scratch + part * rnn_grad_scratch(shape->dims[1], b->hidden, b->gates);
  b->sums = b->weights + b->gates * b->hidden * b->padded;
  b->past = b->sums + most * RNN_UNIT_MAX;
  b->cells = b->past + most * b->padded;
  b->rows = b->cells + most * b->padded;
  Range range = part_range(shape->dims[1], part, parts);
  if (range.begin == range.end) return;
  pack_back(b);
  Walk walk = {.most = most,
               .all_rows = shape->dims[1],
               .steps = shape->dims[0],
               .reverse = call->attrs->at[RNN_REVERSE].number != 0,
               .lengths = arg_data(call, lengths)};
  walk_blocks(&walk, range, backward_block, b);
}

KERNEL(lstm_grad) {
  Backward b = {.call = call,
                .gates = 4,
                .states = 2,
                .hidden = call->in[LSTM_G_W_HH].shape.dims[1],
                .gates_saved = call->in[LSTM_G_GATES].data,
                .cells_saved = call->in[LSTM_G_CELLS].data,
                .w_hh = call->in[LSTM_G_W_HH].data,
                .first = arg_data(call, LSTM_G_C0),
                .retreat = retreat_lstm};
  run_backward(&b, LSTM_G_LENGTHS, LSTM_G_DY, part, parts);
}

KERNEL(gru_grad) {
  Backward b = {.call = call,
                .gates = 3,
                .states = 1,
                .hidden = call->in[GRU_G_W_HH].shape.dims[1],
                .gates_saved = call->in[GRU_G_GATES].data,
                .y = call->in[GRU_G_Y].data,
                .w_hh = call->in[GRU_G_W_HH].data,
                .first = arg_data(call, GRU_G_H0),
                .retreat = retreat_gru};
  run_backward(&b, GRU_G_LENGTHS, GRU_G_DY, part, parts);
}

KERNEL(rnn_grad) {
  Backward b = {.call = call,
                .gates = 1,
                .states = 1,
                .hidden = call->in[RNN_G_W_HH].shape.dims[1],
                .y = call->in[RNN_G_Y].data,
                .w_hh = call->in[RNN_G_W_HH].data,
                .retreat = retreat_rnn};
  run_backward(&b, RNN_G_LENGTHS, RNN_G_DY, part, parts);
}
