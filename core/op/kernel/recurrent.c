/* Recurrent layers forwards: lstm, gru, rnn, and the outputs one step late.
 *
 * x of a step and h lie beside each other, so that the sums of an LSTM or plain cell are one
 * product; a GRU needs the two parts of its new state apart. A row whose sequence is over keeps its
 * state, and its output is 0. */
#include "recurrent.h"

typedef struct Forward Forward;

/* What tells the cells apart. A unit block is `vectors` * VL units; its sums have `columns` * VL.
 */
typedef struct Cell {
  int vectors, columns;
  void (*pack)(const Forward *forward, int64_t unit, real *to);
  /* the sums of all rows of the block */
  void (*project)(const Forward *forward, const Walk *walk, const real *from, const real *weights,
                  const real *bias);
  /* new states and outputs of the units from the sums; `now` and `next`: x and h of a row */
  void (*advance)(const Forward *forward, const Walk *walk, int64_t step, int64_t unit,
                  const real *now, real *next);
} Cell;

struct Forward {
  const OpCall *call;
  const Cell *cell;
  int64_t features, hidden, padded, stride; /* stride: of x and h */
  int64_t block_weights;                    /* elements of packed weights of a unit block */
  int gates;
  real *weights, *bias, *sums, *cells, *beside[2];
};

static const real *input(const Forward *forward, int index) {
  return arg_data(forward->call, index);
}

/* ---- packing ---- */

/* Gate `gate` of the units into columns of a panel: x part, then h part where `both`. */
static void pack_gate(const Forward *f, int64_t unit, int gate, real *to, int64_t stride, bool x,
                      bool h) {
  int64_t row = gate * f->hidden + unit, units = f->hidden - unit;
  if (units < 0) units = 0;
  if (units > VL) units = VL;
  if (x)
    pack_units(to, stride, input(f, RNN_W_IH) + row * f->features, f->features, units, f->features);
  if (h)
    pack_units(to + (x ? f->features * stride : 0), stride, input(f, RNN_W_HH) + row * f->hidden,
               f->hidden, units, f->hidden);
}

/* VL biases of a gate, of either or both. */
static void pack_bias(const Forward *f, int64_t unit, int gate, real *to, bool ih, bool hh) {
  const real *b_ih = ih ? input(f, RNN_B_IH) : NULL, *b_hh = hh ? input(f, RNN_B_HH) : NULL;
  for (int64_t u = 0; u < VL; u++) {
    int64_t at = gate * f->hidden + unit + u;
    bool there = unit + u < f->hidden;
    to[u] = (there && b_ih ? b_ih[at] : 0) + (there && b_hh ? b_hh[at] : 0);
  }
}

/* ---- LSTM: i f g o ---- */

static void pack_lstm(const Forward *f, int64_t unit, real *to) {
  int64_t depth = f->features + f->hidden;
  real *bias = f->bias + 4 * unit;
  for (int gate = 0; gate < 4; gate++) {
    real *panel = to + gate / 2 * depth * 2 * VL + gate % 2 * VL;
    pack_gate(f, unit, gate, panel, 2 * VL, true, true);
    pack_bias(f, unit, gate, bias + gate * VL, true, true);
  }
}

static void project_lstm(const Forward *f, const Walk *walk, const real *from, const real *weights,
                         const real *bias) {
  Product product = {.rows = walk->rows,
                     .depth = f->features + f->hidden,
                     .vectors = 2,
                     .a = from,
                     .a_row = f->stride,
                     .b = weights,
                     .c = f->sums,
                     .c_row = 4 * VL,
                     .bias = bias};
  run_product(&product);
  product.b += product.depth * 2 * VL, product.c += 2 * VL, product.bias += 2 * VL;
  run_product(&product);
}

/* c = f c + i g,  h = o tanh(c) */
static void advance_lstm(const Forward *f, const Walk *walk, int64_t step, int64_t unit,
                         const real *now, real *next) {
  int64_t time = walk_time(walk, step), units = f->hidden - unit, hidden = f->hidden;
  real *y = f->call->out.data, *cells = f->call->more[RNN_CELLS - 1].data;
  real *gates = f->call->more[RNN_LSTM_GATES - 1].data;
  now += f->features + unit, next += f->features + unit;
  for (int64_t r = 0; r < walk->rows; r++, now += f->stride, next += f->stride) {
    int64_t at = walk_at(walk, r, time);
    real *state = f->cells + r * f->padded + unit;
    const real *sums = f->sums + r * 4 * VL;
    Vec i, forget, g, o, c = vec_load(state), h, out;
    if (walk_masked(walk, r, time)) {
      i = forget = g = o = out = (Vec){0};
      h = vec_load(now);
    } else {
      i = gate_sigmoid(vec_load(sums)), forget = gate_sigmoid(vec_load(sums + VL));
      g = gate_tanh(vec_load(sums + 2 * VL)), o = gate_sigmoid(vec_load(sums + 3 * VL));
      c = forget * c + i * g;
      out = h = o * gate_tanh(c);
    }
    vec_store(state, c);
    vec_store(next, h);
    store_units(y + at * hidden + unit, out, units);
    if (cells) store_units(cells + at * hidden + unit, c, units);
    if (!gates) continue;
    real *gate = gates + at * 4 * hidden + unit;
    store_units(gate, i, units);
    store_units(gate + hidden, forget, units);
    store_units(gate + 2 * hidden, g, units);
    store_units(gate + 3 * hidden, o, units);
  }
}

static const Cell lstm_cell = {1, 4, pack_lstm, project_lstm, advance_lstm};

/* ---- GRU: r z n, where n takes r (h W_hn + b_hn); sums are [x part of n, r, z, h part of n] ----
 */

static void pack_gru(const Forward *f, int64_t unit, real *to) {
  enum { R, Z, N };
  static const int of_x[3] = {N, R, Z}, of_h[3] = {R, Z, N};
  real *bias = f->bias + 4 * unit, *h_part = to + f->features * 3 * VL;
  for (int i = 0; i < 3; i++) {
    pack_gate(f, unit, of_x[i], to + i * VL, 3 * VL, true, false);
    pack_gate(f, unit, of_h[i], h_part + i * VL, 3 * VL, false, true);
    pack_bias(f, unit, of_x[i], bias + i * VL, true, of_x[i] != N);
  }
  pack_bias(f, unit, N, bias + 3 * VL, false, true);
}

static void project_gru(const Forward *f, const Walk *walk, const real *from, const real *weights,
                        const real *bias) {
  Vec of_h = vec_load(bias + 3 * VL);
  for (int64_t r = 0; r < walk->rows; r++) vec_store(f->sums + r * 4 * VL + 3 * VL, of_h);
  Product product = {.rows = walk->rows,
                     .depth = f->features,
                     .vectors = 3,
                     .a = from,
                     .a_row = f->stride,
                     .b = weights,
                     .c = f->sums,
                     .c_row = 4 * VL,
                     .bias = bias};
  run_product(&product);
  product.a += f->features, product.b += product.depth * 3 * VL, product.depth = f->hidden;
  product.c += VL, product.bias = NULL, product.add = true;
  run_product(&product);
}

/* n = tanh(xn + r hn),  h = (1 - z) n + z h */
static void advance_gru(const Forward *f, const Walk *walk, int64_t step, int64_t unit,
                        const real *now, real *next) {
  int64_t time = walk_time(walk, step), units = f->hidden - unit, hidden = f->hidden;
  real *y = f->call->out.data, *gates = f->call->more[RNN_GRU_GATES - 1].data;
  now += f->features + unit, next += f->features + unit;
  for (int64_t row = 0; row < walk->rows; row++, now += f->stride, next += f->stride) {
    int64_t at = walk_at(walk, row, time);
    const real *sums = f->sums + row * 4 * VL;
    Vec r, z, n, of_h, h = vec_load(now), out;
    if (walk_masked(walk, row, time)) {
      r = z = n = of_h = out = (Vec){0};
    } else {
      of_h = vec_load(sums + 3 * VL);
      r = gate_sigmoid(vec_load(sums + VL)), z = gate_sigmoid(vec_load(sums + 2 * VL));
      n = gate_tanh(vec_load(sums) + r * of_h);
      out = h = n + z * (h - n);
    }
    vec_store(next, h);
    store_units(y + at * hidden + unit, out, units);
    if (!gates) continue;
    real *gate = gates + at * 4 * hidden + unit;
    store_units(gate, r, units);
    store_units(gate + hidden, z, units);
    store_units(gate + 2 * hidden, n, units);
    store_units(gate + 3 * hidden, of_h, units);
  }
}

static const Cell gru_cell = {1, 4, pack_gru, project_gru, advance_gru};

/* ---- plain ---- */

static void pack_rnn(const Forward *f, int64_t unit, real *to) {
  for (int half = 0; half < 2; half++) {
    pack_gate(f, unit + half * VL, 0, to + half * VL, 2 * VL, true, true);
    pack_bias(f, unit + half * VL, 0, f->bias + unit + half * VL, true, true);
  }
}

static void project_rnn(const Forward *f, const Walk *walk, const real *from, const real *weights,
                        const real *bias) {
  run_product(&(Product){.rows = walk->rows,
                         .depth = f->features + f->hidden,
                         .vectors = 2,
                         .a = from,
                         .a_row = f->stride,
                         .b = weights,
                         .c = f->sums,
                         .c_row = 2 * VL,
                         .bias = bias});
}

/* max(x, 0); NaN stays */
INLINE Vec gate_relu(Vec x) { return (Vec)((GateBits)x & ~(GateBits)(x <= 0)); }

static void advance_rnn(const Forward *f, const Walk *walk, int64_t step, int64_t unit,
                        const real *now, real *next) {
  int64_t time = walk_time(walk, step);
  bool relu = f->call->attrs->at[RNN_RELU].number != 0;
  real *y = f->call->out.data;
  now += f->features + unit, next += f->features + unit;
  for (int64_t r = 0; r < walk->rows; r++, now += f->stride, next += f->stride) {
    int64_t at = walk_at(walk, r, time);
    bool masked = walk_masked(walk, r, time);
    for (int64_t half = 0; half < 2 * VL && unit + half < f->hidden; half += VL) {
      Vec sum = vec_load(f->sums + r * 2 * VL + half);
      Vec h = masked ? vec_load(now + half) : relu ? gate_relu(sum) : gate_tanh(sum);
      vec_store(next + half, h);
      store_units(y + at * f->hidden + unit + half, masked ? (Vec){0} : h, f->hidden - unit - half);
    }
  }
}

static const Cell rnn_cell = {2, 2, pack_rnn, project_rnn, advance_rnn};

/* ---- the walk ---- */

/* x of this step beside h, for every row of the block. */
static void put_x(const Forward *f, const Walk *walk, int64_t step, real *to) {
  int64_t time = walk_time(walk, step);
  const real *x = input(f, RNN_X);
  for (int64_t r = 0; r < walk->rows; r++)
    memcpy(to + r * f->stride, x + walk_at(walk, r, time) * f->features,
           (size_t)f->features * sizeof *x);
}

/* Rows of a state (N, H), or zeros. */
static void put_state(const Forward *f, const Walk *walk, const real *state, real *to,
                      int64_t stride) {
  for (int64_t r = 0; r < walk->rows; r++) {
    if (state)
      memcpy(to + r * stride, state + (walk->first + r) * f->hidden,
             (size_t)f->hidden * sizeof *state);
    else
      memset(to + r * stride, 0, (size_t)f->hidden * sizeof *to);
  }
}

static void take_last(const Forward *f, const Walk *walk, const real *h) {
  const OpArg *last = &f->call->more[RNN_LAST - 1];
  if (!last->data) return;
  int64_t states = last->shape.dims[1];
  for (int64_t r = 0; r < walk->rows; r++) {
    real *to = (real *)last->data + (walk->first + r) * states * f->hidden;
    memcpy(to, h + r * f->stride, (size_t)f->hidden * sizeof *to);
    if (states > 1)
      memcpy(to + f->hidden, f->cells + r * f->padded, (size_t)f->hidden * sizeof *to);
  }
}

static void forward_block(Walk *walk, void *context) {
  const Forward *f = context;
  const Cell *cell = f->cell;
  real *now = f->beside[0], *next = f->beside[1];
  put_state(f, walk, input(f, RNN_H0), now + f->features, f->stride);
  if (f->cells) put_state(f, walk, input(f, RNN_C0), f->cells, f->padded);
  for (int64_t step = 0; step < walk->steps; step++) {
    put_x(f, walk, step, now);
    const real *weights = f->weights;
    for (int64_t unit = 0; unit < f->hidden; unit += cell->vectors * VL) {
      cell->project(f, walk, now, weights, f->bias + unit * (cell->columns / cell->vectors));
      cell->advance(f, walk, step, unit, now, next);
      weights += f->block_weights;
    }
    real *swap = now;
    now = next, next = swap;
  }
  take_last(f, walk, now + f->features);
}

static void run_forward(const OpCall *call, const Cell *cell, int gates, int part, int parts) {
  const Shape *x = &call->in[RNN_X].shape, *out = &call->out.shape;
  Walk walk = {.call = call,
               .steps = x->dims[1],
               .reverse = call->attrs->at[RNN_REVERSE].number != 0,
               .lengths = arg_data(call, RNN_LENGTHS)};
  Forward f = {.call = call,
               .cell = cell,
               .features = x->dims[2],
               .hidden = out->dims[2],
               .padded = rnn_padded(out->dims[2]),
               .gates = gates};
  int64_t rows = rnn_rows(x->dims[0]), unit = cell->vectors * VL;
  f.stride = rnn_stride(f.features + f.padded);
  f.block_weights = (f.features + f.hidden) * gates * unit;
  f.weights = (real *)call->scratch + part * rnn_scratch(x->dims[0], f.features, f.hidden, gates);
  f.bias = f.weights + (f.features + f.hidden) * gates * f.padded;
  f.sums = f.bias + 4 * f.padded;
  f.beside[0] = f.sums + rows * 4 * RNN_UNIT_MAX;
  f.beside[1] = f.beside[0] + rows * f.stride;
  f.cells = cell == &lstm_cell ? f.beside[1] + rows * f.stride : NULL;
  Range range = part_range(x->dims[0], part, parts);
  if (range.begin == range.end) return;
  real *to = f.weights;
  for (int64_t at = 0; at < f.hidden; at += unit, to += f.block_weights) cell->pack(&f, at, to);
  walk_blocks(&walk, range, forward_block, &f);
}

KERNEL(lstm) { run_forward(call, &lstm_cell, 4, part, parts); }
KERNEL(gru) { run_forward(call, &gru_cell, 3, part, parts); }
KERNEL(rnn) { run_forward(call, &rnn_cell, 1, part, parts); }

/* ---- outputs one step late ---- */

KERNEL(recurrent_before) {
  const Shape *shape = &call->out.shape;
  int64_t steps = shape->dims[1], hidden = shape->dims[2];
  bool reverse = call->attrs->at[RNN_REVERSE].number != 0;
  const real *y = call->in[0].data, *first = arg_data(call, 1);
  const int64_t *lengths = arg_data(call, 2);
  Range range = part_range(shape->dims[0], part, parts);
  size_t bytes = (size_t)hidden * sizeof(real);
  for (int64_t row = range.begin; row < range.end; row++) {
    real *to = (real *)call->out.data + row * steps * hidden;
    const real *from = y + row * steps * hidden;
    int64_t begin = !reverse ? 0 : lengths && lengths[row] < steps ? lengths[row] - 1 : steps - 1;
    if (reverse)
      memcpy(to, from + hidden, bytes * (size_t)(steps - 1));
    else
      memcpy(to + hidden, from, bytes * (size_t)(steps - 1));
    memset(to + (reverse ? steps - 1 : 0) * hidden, 0, bytes);
    if (first && begin >= 0) memcpy(to + begin * hidden, first + row * hidden, bytes);
  }
}
