/* Recurrent layers backwards: the gradients before the gates' functions, step by step from the
 * last.
 *
 * With D the gradients of a step's sums, the gradient of h before it is D W_hh, plus what reaches h
 * past the gates (`past`: through z of a GRU, over masked steps, and the last state's). Weight and
 * input gradients are products over all steps at once, which the gradient function emits. */
#include "recurrent.h"

enum { VECTORS = 2, UNIT = VECTORS * VEC_BYTES / sizeof(real) };

typedef struct Backward {
  const OpCall *call;
  int gates;
  int64_t hidden, padded, stride; /* stride: between rows of `beside` */
  const real *w_hh, *dy, *dlast, *c0, *saved, *also;
  int64_t states;
  real *dfirst;
  real *weights, *sums, *past, *cells, *beside[2];
  void (*retreat)(const struct Backward *backward, const Walk *walk, int64_t step, int64_t unit,
                  real *to);
} Backward;

/* What reaches h of (row, time) from later steps and from y. `r` counts in the block. */
INLINE Vec gradient_of_h(const Backward *b, const Walk *walk, int64_t r, int64_t at, int64_t unit,
                         int64_t half, bool masked) {
  Vec dh = vec_load(b->sums + r * UNIT + half) + vec_load(b->past + r * b->padded + unit + half);
  (void)walk;
  return masked || !b->dy ? dh : dh + vec_load(b->dy + at * b->hidden + unit + half);
}

/* One gate's gradient to the result and beside the other gates of the row. */
INLINE void store_gate(real *out, real *to, Vec value, int64_t units) {
  store_units(out, value, units);
  store_units(to, value, units);
}

/* do = dh tanh(c),  dc += dh o (1 - tanh(c)^2),  di = dc g,  df = dc c_before,  dg = dc i; each
 * times the slope of its gate's function */
static void retreat_lstm(const Backward *b, const Walk *walk, int64_t step, int64_t unit,
                         real *to) {
  const int64_t hidden = b->hidden, time = walk_time(walk, step);
  const int64_t before = walk->reverse ? hidden : -hidden;
  for (int64_t r = 0; r < walk->rows; r++, to += b->stride) {
    int64_t at = walk_at(walk, r, time);
    bool masked = walk_masked(walk, r, time);
    for (int64_t half = 0; half < UNIT && unit + half < hidden; half += VL) {
      int64_t u = unit + half, units = hidden - u;
      const real *gates = b->saved + at * 4 * hidden + u, *cell = b->also + at * hidden + u;
      real *out = (real *)b->call->out.data + at * 4 * hidden + u;
      real *dcell = b->cells + r * b->padded + u, *past = b->past + r * b->padded + u;
      Vec dh = gradient_of_h(b, walk, r, at, unit, half, masked);
      Vec di = {0}, df = {0}, dg = {0}, dout = {0};
      if (masked) {
        vec_store(past, dh);
      } else {
        Vec i = vec_load(gates), f = vec_load(gates + hidden), g = vec_load(gates + 2 * hidden);
        Vec o = vec_load(gates + 3 * hidden), tanh_c = gate_tanh(vec_load(cell)), c_before = {0};
        if (step > 0)
          c_before = vec_load(cell + before);
        else if (b->c0)
          c_before = vec_load(b->c0 + (walk->first + r) * hidden + u);
        Vec dc = vec_load(dcell) + dh * o * (1 - tanh_c * tanh_c);
        dout = dh * tanh_c * o * (1 - o);
        di = dc * g * i * (1 - i);
        df = dc * c_before * f * (1 - f);
        dg = dc * i * (1 - g * g);
        vec_store(dcell, dc * f);
        vec_store(past, (Vec){0});
      }
      store_gate(out, to + u, di, units);
      store_gate(out + hidden, to + hidden + u, df, units);
      store_gate(out + 2 * hidden, to + 2 * hidden + u, dg, units);
      store_gate(out + 3 * hidden, to + 3 * hidden + u, dout, units);
    }
  }
}

/* dn = dh (1 - z),  dz = dh (h_before - n),  dr = dn hn, each times its slope;  past: dh z */
static void retreat_gru(const Backward *b, const Walk *walk, int64_t step, int64_t unit, real *to) {
  const int64_t hidden = b->hidden, time = walk_time(walk, step);
  real *of_x = b->call->out.data, *of_h = b->call->more[0].data;
  for (int64_t row = 0; row < walk->rows; row++, to += b->stride) {
    int64_t at = walk_at(walk, row, time);
    bool masked = walk_masked(walk, row, time);
    for (int64_t half = 0; half < UNIT && unit + half < hidden; half += VL) {
      int64_t u = unit + half, units = hidden - u, place = at * 3 * hidden + u;
      const real *gates = b->saved + at * 4 * hidden + u;
      Vec dh = gradient_of_h(b, walk, row, at, unit, half, masked);
      Vec dr = {0}, dz = {0}, dn = {0}, dhn = {0}, past = dh;
      if (!masked) {
        Vec r = vec_load(gates), z = vec_load(gates + hidden), n = vec_load(gates + 2 * hidden);
        Vec hn = vec_load(gates + 3 * hidden), h_before = vec_load(b->also + at * hidden + u);
        dn = dh * (1 - z) * (1 - n * n);
        dz = dh * (h_before - n) * z * (1 - z);
        dr = dn * hn * r * (1 - r);
        dhn = dn * r;
        past = dh * z;
      }
      vec_store(b->past + row * b->padded + u, past);
      store_units(of_x + place, dr, units);
      store_units(of_x + place + hidden, dz, units);
      store_units(of_x + place + 2 * hidden, dn, units);
      store_units(to + u, dr, units);
      store_units(to + hidden + u, dz, units);
      store_units(to + 2 * hidden + u, dhn, units);
      if (!of_h) continue;
      store_units(of_h + place, dr, units);
      store_units(of_h + place + hidden, dz, units);
      store_units(of_h + place + 2 * hidden, dhn, units);
    }
  }
}

/* D = dh (1 - y^2), or dh where y > 0 */
static void retreat_rnn(const Backward *b, const Walk *walk, int64_t step, int64_t unit, real *to) {
  const int64_t hidden = b->hidden, time = walk_time(walk, step);
  bool relu = b->call->attrs->at[RNN_RELU].number != 0;
  for (int64_t r = 0; r < walk->rows; r++, to += b->stride) {
    int64_t at = walk_at(walk, r, time);
    bool masked = walk_masked(walk, r, time);
    for (int64_t half = 0; half < UNIT && unit + half < hidden; half += VL) {
      int64_t u = unit + half;
      Vec dh = gradient_of_h(b, walk, r, at, unit, half, masked), d = {0};
      Vec y = vec_load(b->saved + at * hidden + u);
      if (!masked) d = relu ? (Vec)((GateBits)dh & (GateBits)(y > 0)) : dh * (1 - y * y);
      vec_store(b->past + r * b->padded + u, masked ? dh : (Vec){0});
      store_gate((real *)b->call->out.data + at * hidden + u, to + u, d, hidden - u);
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

/* sums = D W_hh for the units of a panel */
static void project_back(const Backward *b, const Walk *walk, const real *d, int64_t unit) {
  run_product(&(Product){.rows = walk->rows,
                         .depth = b->gates * b->hidden,
                         .vectors = VECTORS,
                         .a = d,
                         .a_row = b->stride,
                         .b = b->weights + unit * b->gates * b->hidden,
                         .c = b->sums,
                         .c_row = UNIT});
}

/* Gradients of the last states, or zeros, into `past` (state 0) or `cells` (state 1). */
static void put_last(const Backward *b, const Walk *walk, int state, real *to) {
  for (int64_t r = 0; r < walk->rows; r++, to += b->padded) {
    if (b->dlast)
      memcpy(to, b->dlast + ((walk->first + r) * b->states + state) * b->hidden,
             (size_t)b->hidden * sizeof *to);
    else
      memset(to, 0, (size_t)b->hidden * sizeof *to);
  }
}

static void take_first(const Backward *b, const Walk *walk, const real *d) {
  for (int64_t unit = 0; unit < b->hidden; unit += UNIT) {
    int64_t units = b->hidden - unit < UNIT ? b->hidden - unit : UNIT;
    project_back(b, walk, d, unit);
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
  real *to = b->beside[0], *later = b->beside[1];
  put_last(b, walk, 0, b->past);
  if (b->states > 1) put_last(b, walk, 1, b->cells);
  memset(b->sums, 0, (size_t)(walk->rows * UNIT) * sizeof *b->sums);
  for (int64_t step = walk->steps - 1; step >= 0; step--) {
    for (int64_t unit = 0; unit < b->hidden; unit += UNIT) {
      if (step < walk->steps - 1) project_back(b, walk, later, unit);
      b->retreat(b, walk, step, unit, to);
    }
    real *swap = to;
    to = later, later = swap;
  }
  if (b->dfirst) take_first(b, walk, later);
}

/* `lengths` and `dy` are places of inputs; dlast stands behind dy. */
static void run_backward(Backward *b, int lengths, int dy, int part, int parts) {
  const OpCall *call = b->call;
  const Shape *shape = &call->out.shape;
  b->gates = (int)(shape->dims[2] / b->hidden);
  b->dy = arg_data(call, dy), b->dlast = arg_data(call, dy + 1);
  b->padded = rnn_padded(b->hidden), b->stride = rnn_stride(b->gates * b->hidden);
  int64_t rows = rnn_rows(shape->dims[0]);
  b->weights = (real *)call->scratch + part * rnn_grad_scratch(shape->dims[0], b->hidden, b->gates);
  b->sums = b->weights + b->gates * b->hidden * b->padded;
  b->past = b->sums + rows * RNN_UNIT_MAX;
  b->cells = b->past + rows * b->padded;
  b->beside[0] = b->cells + rows * b->padded;
  b->beside[1] = b->beside[0] + rows * b->stride;
  Range range = part_range(shape->dims[0], part, parts);
  if (range.begin == range.end) return;
  pack_back(b);
  Walk walk = {.call = call,
               .steps = shape->dims[1],
               .reverse = call->attrs->at[RNN_REVERSE].number != 0,
               .lengths = arg_data(call, lengths)};
  walk_blocks(&walk, range, backward_block, b);
}

KERNEL(lstm_grad) {
  Backward b = {.call = call,
                .hidden = call->in[LSTM_G_W_HH].shape.dims[1],
                .saved = call->in[LSTM_G_GATES].data,
                .also = call->in[LSTM_G_CELLS].data,
                .w_hh = call->in[LSTM_G_W_HH].data,
                .c0 = arg_data(call, LSTM_G_C0),
                .states = 2,
                .dfirst = call->more[0].data,
                .retreat = retreat_lstm};
  run_backward(&b, LSTM_G_LENGTHS, LSTM_G_DY, part, parts);
}

KERNEL(gru_grad) {
  Backward b = {.call = call,
                .hidden = call->in[GRU_G_W_HH].shape.dims[1],
                .saved = call->in[GRU_G_GATES].data,
                .also = call->in[GRU_G_BEFORE].data,
                .w_hh = call->in[GRU_G_W_HH].data,
                .states = 1,
                .dfirst = call->more[1].data,
                .retreat = retreat_gru};
  run_backward(&b, GRU_G_LENGTHS, GRU_G_DY, part, parts);
}

KERNEL(rnn_grad) {
  Backward b = {.call = call,
                .hidden = call->in[RNN_G_W_HH].shape.dims[1],
                .saved = call->in[RNN_G_Y].data,
                .w_hh = call->in[RNN_G_W_HH].data,
                .states = 1,
                .dfirst = call->more[0].data,
                .retreat = retreat_rnn};
  run_backward(&b, RNN_G_LENGTHS, RNN_G_DY, part, parts);
}
