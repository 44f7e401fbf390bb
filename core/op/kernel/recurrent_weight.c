/* Gradients of a recurrent layer's weights, biases and inputs, from D, the gradients of the gates'
 * sums of all steps (T, N, wide).
 *
 * A chunk of the T N rows gets its x, 1, the h before, 1 beside each other; the product of D's
 * transpose with that holds the gradients of all weights and biases, and is added up over chunks.
 */
#include "recurrent.h"

typedef struct WeightGrad {
  const OpCall *call;
  int gates; /* 3: D is n, r, z, h's part of n */
  int64_t rows, steps, features, hidden, wide, columns;
  Walk walk;
  real *beside, *sums; /* (RNN_CHUNK, columns), (wide, columns) */
} WeightGrad;

/* Rows [begin, end) of x and h beside each other. */
static void put_chunk(const WeightGrad *w, int64_t begin, int64_t end) {
  const real *x = w->call->in[WEIGHT_G_X].data, *y = w->call->in[WEIGHT_G_Y].data;
  const real *h0 = arg_data(w->call, WEIGHT_G_H0);
  real *to = w->beside;
  for (int64_t at = begin; at < end; at++, to += w->columns) {
    int64_t row = at % w->rows, time = at / w->rows, f = w->features, h = w->hidden;
    copy_or_zero(to, x + (row * w->steps + time) * f, f);
    to[f] = 1;
    copy_or_zero(to + f + 1, walk_before(&w->walk, y, h0, h, row, time), h);
    to[f + 1 + h] = 1;
    for (int64_t c = f + h + 2; c < w->columns; c++) to[c] = 0;
  }
}

/* So many columns of D at a time; not by the number of parts, on which bits would depend. */
enum { SEGMENT = 64 };

/* A piece of a block of D's columns, and which of x, 1, h, 1 it is multiplied with. */
typedef struct Segment {
  Range d;
  int block;
  int64_t first, count;
} Segment;

static Segment segment_at(const WeightGrad *w, int64_t index) {
  int64_t each = (w->hidden + SEGMENT - 1) / SEGMENT, block = index / each;
  int64_t begin = w->hidden * (index % each) / each, end = w->hidden * (index % each + 1) / each;
  bool of_x = w->gates != 3 || block < 3, of_h = w->gates != 3 || block > 0;
  Segment segment = {.d = {block * w->hidden + begin, block * w->hidden + end},
                     .block = (int)block,
                     .first = of_x ? 0 : w->features + 1,
                     .count = w->columns};
  if (!of_h) segment.count = w->features + 1;
  if (!of_x) segment.count = w->hidden + 1;
  return segment;
}

/* sums += D^T [x, 1, h, 1] for a segment and a chunk of `depth` rows */
static void add_product(const WeightGrad *w, const Segment *segment, int64_t at, int64_t depth) {
  Gemm gemm = {.trans_a = true,
               .accumulate = at > 0,
               .m = segment->d.end - segment->d.begin,
               .n = segment->count,
               .k = depth,
               .a = (const real *)w->call->in[WEIGHT_G_D].data + at * w->wide + segment->d.begin,
               .b = w->beside + segment->first,
               .c = w->sums + segment->d.begin * w->columns + segment->first,
               .lda = w->wide,
               .ldb = w->columns,
               .ldc = w->columns};
  gemm_runner(REAL_DTYPE, KERNEL_ISA)(&gemm, 0, 1);
}

/* Row `row` of weights (or a bias) = a row of the sums. */
static void take_row(const WeightGrad *w, int weights, int bias, int64_t row, int64_t from,
                     int64_t first, int64_t count) {
  const OpCall *call = w->call;
  const real *sums = w->sums + from * w->columns + first;
  real *to = weights == WEIGHT_G_W_IH ? call->out.data : call->more[weights - 1].data;
  real *to_bias = call->more[bias - 1].data;
  if (to) copy_or_zero(to + row * count, sums, count);
  if (to_bias) to_bias[row] = sums[count];
}

/* Column `at` of D is row `at` of the gates; but a GRU's n stands first in D, and last among the
 * gates, and h's part of it behind all others. */
static void take_segment(const WeightGrad *w, const Segment *segment) {
  int64_t h = w->hidden, f = w->features, block = segment->block;
  int64_t of_x = w->gates != 3 ? 0 : block == 0 ? 2 * h : -h, of_h = w->gates != 3 ? 0 : -h;
  for (int64_t at = segment->d.begin; at < segment->d.end; at++) {
    if (segment->first == 0) take_row(w, WEIGHT_G_W_IH, WEIGHT_G_B_IH, at + of_x, at, 0, f);
    if (segment->first > 0 || segment->count > f + 1)
      take_row(w, WEIGHT_G_W_HH, WEIGHT_G_B_HH, at + of_h, at, f + 1, h);
  }
}

KERNEL(recurrent_weight_grad) {
  const Shape *d = &call->in[WEIGHT_G_D].shape;
  WeightGrad w = {.call = call,
                  .gates = (int)call->attrs->at[WEIGHT_G_GATES].number,
                  .steps = d->dims[0],
                  .rows = d->dims[1],
                  .wide = d->dims[2],
                  .features = call->in[WEIGHT_G_X].shape.dims[2],
                  .hidden = call->in[WEIGHT_G_Y].shape.dims[2]};
  w.columns = rnn_weight_columns(w.features, w.hidden);
  w.walk = (Walk){.all_rows = w.rows,
                  .steps = w.steps,
                  .reverse = call->attrs->at[RNN_REVERSE].number != 0,
                  .lengths = arg_data(call, WEIGHT_G_LENGTHS)};
  w.beside = (real *)call->scratch + part * rnn_weight_scratch(w.features, w.hidden, w.wide);
  w.sums = w.beside + RNN_CHUNK * w.columns;
  int64_t all = w.rows * w.steps, chunks = (all + RNN_CHUNK - 1) / RNN_CHUNK;
  int64_t segments = w.wide / w.hidden * ((w.hidden + SEGMENT - 1) / SEGMENT);
  if (all == 0) memset(w.sums, 0, (size_t)(w.wide * w.columns) * sizeof *w.sums);
  for (int64_t c = 0; c < chunks; c++) {
    int64_t begin = all * c / chunks, end = all * (c + 1) / chunks;
    put_chunk(&w, begin, end);
    for (int64_t s = part; s < segments; s += parts) {
      Segment segment = segment_at(&w, s);
      add_product(&w, &segment, begin, end - begin);
    }
  }
  for (int64_t s = part; s < segments; s += parts) {
    Segment segment = segment_at(&w, s);
    take_segment(&w, &segment);
  }
}

/* dx = Dx W_ih, step by step, as dx is batch first */
KERNEL(recurrent_input_grad) {
  const OpArg *d = &call->in[INPUT_G_D], *w_ih = &call->in[INPUT_G_W_IH];
  int64_t rows = d->shape.dims[1], steps = d->shape.dims[0], wide = d->shape.dims[2];
  int64_t features = w_ih->shape.dims[1], depth = w_ih->shape.dims[0];
  int64_t hidden = depth < wide ? wide - depth : 0; /* a GRU: n stands first, and last in w_ih */
  GemmRun run = gemm_runner(REAL_DTYPE, KERNEL_ISA);
  Range range = part_range(steps, part, parts);
  for (int64_t time = range.begin; time < range.end; time++) {
    Gemm gemm = {.m = rows,
                 .n = features,
                 .k = depth - hidden,
                 .a = (const real *)d->data + time * rows * wide + hidden,
                 .b = w_ih->data,
                 .c = (real *)call->out.data + time * features,
                 .lda = wide,
                 .ldb = features,
                 .ldc = steps * features};
    run(&gemm, 0, 1);
    if (!hidden) continue;
    gemm.k = hidden, gemm.accumulate = true;
    gemm.a = (const real *)gemm.a - hidden;
    gemm.b = (const real *)w_ih->data + 2 * hidden * features;
    run(&gemm, 0, 1);
  }
}
