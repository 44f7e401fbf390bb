/* Recurrent layers forwards: lstm, gru, rnn.
 *
 * x of a step and h lie beside each other, so that a gate's sums are one product, but for the new
 * state of a GRU, which needs the parts of x and h apart. Sums of UNIT hidden units of all rows are
 * made, and the cell's new state from them, before the next units. A row whose sequence is over
 * keeps its state, and its output is 0. */
#include "recurrent.h"

typedef struct Forward Forward;

/* Makes the new h of UNIT units from their sums, in `next`; `now` is the one before. Both point to
 * the unit in the first row, and rows are forward->stride apart. */
typedef void Advance(const Forward *forward, const Walk *walk, int64_t step, int64_t unit,
                     const real *now, real *next);

/* What tells the cells apart. A panel is a product that makes a column of sums, UNIT wide. */
typedef struct Panel {
  int gate;        /* whose weights */
  bool of_x, of_h; /* which part of x and h beside each other it multiplies */
} Panel;

typedef struct Cell {
  int gates, panels;
  Panel panel[4];
  Advance *advance;
} Cell;

struct Forward {
  const OpCall *call;
  const Cell *cell;
  int64_t features, hidden, padded, stride; /* stride: of x and h */
  real *weights, *bias, *sums, *cells, *beside[2];
};

static const real *input(const Forward *forward, int index) {
  return arg_data(forward->call, index);
}

/* Without `h`, of x alone. */
static int64_t panel_depth(const Forward *f, const Panel *panel, bool h) {
  return (panel->of_x ? f->features : 0) + (h && panel->of_h ? f->hidden : 0);
}

/* Weights and biases in the order in which they are read. */
static void pack(const Forward *f) {
  const Cell *cell = f->cell;
  const real *w_ih = input(f, RNN_W_IH), *w_hh = input(f, RNN_W_HH);
  const real *b_ih = input(f, RNN_B_IH), *b_hh = input(f, RNN_B_HH);
  real *to = f->weights, *bias = f->bias;
  for (int64_t unit = 0; unit < f->hidden; unit += UNIT) {
    int64_t units = f->hidden - unit < UNIT ? f->hidden - unit : UNIT;
    for (const Panel *panel = cell->panel; panel < cell->panel + cell->panels; panel++) {
      int64_t row = panel->gate * f->hidden + unit;
      bool x = panel->of_x, h = panel->of_h;
      if (x) pack_units(to, w_ih + row * f->features, f->features, units, f->features);
      if (x) to += f->features * UNIT;
      if (h) pack_units(to, w_hh + row * f->hidden, f->hidden, units, f->hidden);
      if (h) to += f->hidden * UNIT;
      for (int64_t u = 0; u < UNIT; u++)
        *bias++ =
            u >= units ? 0 : (x && b_ih ? b_ih[row + u] : 0) + (h && b_hh ? b_hh[row + u] : 0);
    }
  }
}

/* sums (rows, panels * UNIT); returns the weights of the next units. A first h of 0 is left out. */
static const real *project(const Forward *f, const Walk *walk, int64_t step, const real *from,
                           const real *weights, const real *bias) {
  bool h = step > 0 || input(f, RNN_H0);
  const Cell *cell = f->cell;
  for (int i = 0; i < cell->panels; i++) {
    const Panel *panel = &cell->panel[i];
    run_product(&(Product){.rows = walk->rows,
                           .depth = panel_depth(f, panel, h),
                           .a = panel->of_x ? from : from + f->features,
                           .a_row = f->stride,
                           .b = weights,
                           .c = f->sums + i * UNIT,
                           .c_row = cell->panels * UNIT,
                           .bias = bias + i * UNIT});
    weights += panel_depth(f, panel, true) * UNIT;
  }
  return weights;
}

/* ---- cells ---- */

/* c = f c + i g,  h = o tanh(c) */
static void advance_lstm(const Forward *f, const Walk *walk, int64_t step, int64_t unit,
                         const real *now, real *next) {
  int64_t time = walk_time(walk, step), hidden = f->hidden;
  real *all_gates = f->call->more[RNN_GATES - 1].data;
  real *all_cells = f->call->more[RNN_CELLS - 1].data;
  for (int64_t r = 0; r < walk->rows; r++, now += f->stride, next += f->stride) {
    int64_t at = walk_step_at(walk, r, time);
    bool masked = walk_masked(walk, r, time);
    for (int64_t half = 0; half < UNIT && unit + half < hidden; half += VL) {
      int64_t u = unit + half, units = hidden - u;
      real *cell = f->cells + r * f->padded + u;
      const real *sums = f->sums + r * 4 * UNIT + half;
      Vec i = {0}, forget = {0}, g = {0}, o = {0}, c = vec_load(cell), h = vec_load(now + half);
      if (!masked) {
        i = gate_sigmoid(vec_load(sums)), forget = gate_sigmoid(vec_load(sums + UNIT));
        g = gate_tanh(vec_load(sums + 2 * UNIT)), o = gate_sigmoid(vec_load(sums + 3 * UNIT));
        c = forget * c + i * g;
        h = o * gate_tanh(c);
      }
      vec_store(cell, c);
      vec_store(next + half, h);
      if (all_cells) store_units(all_cells + at * hidden + u, c, units);
      if (!all_gates) continue;
      real *gates = all_gates + at * 4 * hidden + u;
      store_units(gates, i, units);
      store_units(gates + hidden, forget, units);
      store_units(gates + 2 * hidden, g, units);
      store_units(gates + 3 * hidden, o, units);
    }
  }
}

/* n = tanh(x's part + r h's part),  h = (1 - z) n + z h */
static void advance_gru(const Forward *f, const Walk *walk, int64_t step, int64_t unit,
                        const real *now, real *next) {
  int64_t time = walk_time(walk, step), hidden = f->hidden;
  real *all_gates = f->call->more[RNN_GATES - 1].data;
  for (int64_t row = 0; row < walk->rows; row++, now += f->stride, next += f->stride) {
    int64_t at = walk_step_at(walk, row, time);
    bool masked = walk_masked(walk, row, time);
    for (int64_t half = 0; half < UNIT && unit + half < hidden; half += VL) {
      int64_t u = unit + half, units = hidden - u;
      const real *sums = f->sums + row * 4 * UNIT + half;
      Vec r = {0}, z = {0}, n = {0}, of_h = {0}, h = vec_load(now + half);
      if (!masked) {
        of_h = vec_load(sums + 3 * UNIT);
        r = gate_sigmoid(vec_load(sums)), z = gate_sigmoid(vec_load(sums + UNIT));
        n = gate_tanh(vec_load(sums + 2 * UNIT) + r * of_h);
        h = n + z * (h - n);
      }
      vec_store(next + half, h);
      if (!all_gates) continue;
      real *gates = all_gates + at * 4 * hidden + u;
      store_units(gates, n, units);
      store_units(gates + hidden, r, units);
      store_units(gates + 2 * hidden, z, units);
      store_units(gates + 3 * hidden, of_h, units);
    }
  }
}

/* max(x, 0); NaN stays */
INLINE Vec gate_relu(Vec x) { return (Vec)((GateBits)x & ~(GateBits)(x <= 0)); }

static void advance_rnn(const Forward *f, const Walk *walk, int64_t step, int64_t unit,
                        const real *now, real *next) {
  int64_t time = walk_time(walk, step);
  bool relu = f->call->attrs->at[RNN_RELU].number != 0;
  for (int64_t r = 0; r < walk->rows; r++, now += f->stride, next += f->stride) {
    bool masked = walk_masked(walk, r, time);
    for (int64_t half = 0; half < UNIT && unit + half < f->hidden; half += VL) {
      Vec sum = vec_load(f->sums + r * UNIT + half);
      Vec h = masked ? vec_load(now + half) : relu ? gate_relu(sum) : gate_tanh(sum);
      vec_store(next + half, h);
    }
  }
}

static const Cell lstm_cell = {
    4, 4, {{0, true, true}, {1, true, true}, {2, true, true}, {3, true, true}}, advance_lstm};
static const Cell gru_cell = {
    3, 4, {{0, true, true}, {1, true, true}, {2, true, false}, {2, false, true}}, advance_gru};
static const Cell rnn_cell = {1, 1, {{0, true, true}}, advance_rnn};

/* ---- the walk ---- */

/* x of this step beside h, for every row of the block. */
static void put_x(const Forward *f, const Walk *walk, int64_t step, real *to) {
  int64_t time = walk_time(walk, step);
  const real *x = input(f, RNN_X);
  for (int64_t r = 0; r < walk->rows; r++)
    memcpy(to + r * f->stride, x + walk_at(walk, r, time) * f->features,
           (size_t)f->features * sizeof *x);
}

/* The new h to the outputs. */
static void take_y(const Forward *f, const Walk *walk, int64_t step, const real *h) {
  int64_t time = walk_time(walk, step);
  real *y = f->call->out.data;
  for (int64_t r = 0; r < walk->rows; r++)
    copy_or_zero(y + walk_at(walk, r, time) * f->hidden,
                 walk_masked(walk, r, time) ? NULL : h + r * f->stride, f->hidden);
}

/* Rows of a state (N, H), or zeros. */
static void put_state(const Forward *f, const Walk *walk, const real *state, real *to,
                      int64_t stride) {
  for (int64_t r = 0; r < walk->rows; r++)
    copy_or_zero(to + r * stride, state ? state + (walk->first + r) * f->hidden : NULL, f->hidden);
}

static void take_last(const Forward *f, const Walk *walk, const real *h) {
  const OpArg *last = &f->call->more[RNN_LAST - 1];
  if (!last->data) return;
  int64_t states = last->shape.dims[1];
  for (int64_t r = 0; r < walk->rows; r++) {
    real *to = (real *)last->data + (walk->first + r) * states * f->hidden;
    copy_or_zero(to, h + r * f->stride, f->hidden);
    if (states > 1) copy_or_zero(to + f->hidden, f->cells + r * f->padded, f->hidden);
  }
}

static void forward_block(Walk *walk, void *context) {
  const Forward *f = context;
  real *now = f->beside[0], *next = f->beside[1];
  put_state(f, walk, input(f, RNN_H0), now + f->features, f->stride);
  if (f->cell == &lstm_cell) put_state(f, walk, input(f, RNN_C0), f->cells, f->padded);
  for (int64_t step = 0; step < walk->steps; step++) {
    const real *weights = f->weights;
    put_x(f, walk, step, now);
    for (int64_t unit = 0; unit < f->hidden; unit += UNIT) {
      weights = project(f, walk, step, now, weights, f->bias + unit * f->cell->panels);
      int64_t at = f->features + unit;
      f->cell->advance(f, walk, step, unit, now + at, next + at);
    }
    take_y(f, walk, step, next + f->features);
    real *swap = now;
    now = next, next = swap;
  }
  take_last(f, walk, now + f->features);
}

static void run_forward(const OpCall *call, const Cell *cell, int part, int parts) {
  const Shape *x = &call->in[RNN_X].shape, *out = &call->out.shape;
  Walk walk = {.most = rnn_block(x->dims[0], x->dims[2], out->dims[2], cell->gates),
               .all_rows = x->dims[0],
               .steps = x->dims[1],
               .reverse = call->attrs->at[RNN_REVERSE].number != 0,
               .lengths = arg_data(call, RNN_LENGTHS)};
  Forward f = {.call = call, .cell = cell, .features = x->dims[2], .hidden = out->dims[2]};
  f.padded = rnn_padded(f.hidden);
  f.stride = rnn_stride(f.features + f.padded);
  f.weights =
      (real *)call->scratch + part * rnn_scratch(x->dims[0], f.features, f.hidden, cell->gates);
  f.bias = f.weights + (f.features + f.hidden) * cell->gates * f.padded;
  f.sums = f.bias + 4 * f.padded;
  f.beside[0] = f.sums + walk.most * 4 * RNN_UNIT_MAX;
  f.beside[1] = f.beside[0] + walk.most * f.stride;
  f.cells = f.beside[1] + walk.most * f.stride;
  Range range = part_range(x->dims[0], part, parts);
  if (range.begin == range.end) return;
  pack(&f);
  walk_blocks(&walk, range, forward_block, &f);
}

KERNEL(lstm) { run_forward(call, &lstm_cell, part, parts); }
KERNEL(gru) { run_forward(call, &gru_cell, part, parts); }
KERNEL(rnn) { run_forward(call, &rnn_cell, part, parts); }
