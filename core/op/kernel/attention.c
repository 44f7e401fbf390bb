/* Softmax attention in tiles of BLOCK queries by BLOCK keys (see op/attention.c).
 *
 * Forward keeps a running maximum and sum of every row (Milakov and Gimelshein 2018) and rescales
 * what it has of the result when the maximum grows. Backward computes the tile of scores again;
 * with P = exp(S - top) / sum, G the gradient of the result O, and D_i = G_i . O_i, dV = P^T G, dS
 * = P (G V^T - D),   dQ = scale dS K,   dK = scale dS^T Q. Products run in the matrix kernels.
 * Dropout multiplies P by a matrix of 0 and 1 / (1 - p) that is a function of the element's
 * address, as in dropout. */
#include "op/attention.h"

#include "op/kernel/family.h"
#include "op/kernel/gate.h"
#include "op/kernel/philox.h"
#include "tensor/gemm.h"

/* Two tiles of float32 are as large as the first-level cache; larger ones measured no faster. */
enum { BLOCK = 64 };

typedef real Scores[BLOCK * BLOCK];

/* One head of one sample. */
typedef struct Head {
  const real *q, *k, *v;
  real *out;
  int64_t queries, keys, size, value_size;
  int64_t q_row, k_row, v_row, out_row; /* elements between rows */
  real scale;
  bool causal;
  const real *mask; /* (queries, keys) with rows mask_row apart, or NULL */
  int64_t mask_row;
  const OpArg *padding; /* NULL: none */
  int64_t sample;
  real *stats; /* (queries, 2): maximum and sum; NULL: not wanted */
  /* dropout */
  double p;
  Rng rng;
  uint64_t first; /* address of the head's first score */
} Head;

static int64_t round_up(int64_t count) { return (count + VL - 1) / VL * VL; }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- finding a head ---- */

static int64_t place(const AttentionRows *rows, int64_t sample, int64_t head) {
  return sample * rows->rows * rows->stride + rows->column + head * rows->width;
}

/* The mask of a head, which broadcasts to (samples, heads, queries, keys). */
static void find_mask(Head *head, const OpArg *mask, int64_t sample, int64_t index) {
  if (mask->shape.ndim == 0) return;
  int64_t dims[4] = {1, 1, 1, 1}, step = 1, at[3];
  for (int i = 0; i < mask->shape.ndim; i++) dims[4 - mask->shape.ndim + i] = mask->shape.dims[i];
  for (int i = 3; i-- > 0;) {
    step *= dims[i + 1];
    at[i] = dims[i] > 1 ? step : 0;
  }
  head->mask = (const real *)mask->data + sample * at[0] + index * at[1];
  head->mask_row = at[2];
}

static void find_dropout(Head *head, const OpCall *call, int64_t unit) {
  head->p = call->attrs->at[ATTENTION_DROPOUT].number;
  if (head->p == 0) return;
  head->rng = philox_rng(call, RNG_DROPOUT, ATTENTION_STREAM);
  head->first = (uint64_t)unit * (uint64_t)head->queries * (uint64_t)head->keys;
}

/* Head number `unit` of all samples'; the operands q, k, v, mask, padding begin at `in`. */
static Head find_head(const OpCall *call, const OpArg *in, const AttentionSizes *sizes,
                      int64_t unit) {
  int64_t sample = unit / sizes->heads, index = unit % sizes->heads;
  Head head = {.queries = sizes->q.rows,
               .keys = sizes->k.rows,
               .size = sizes->k.width,
               .value_size = sizes->v.width,
               .q_row = sizes->q.stride,
               .k_row = sizes->k.stride,
               .v_row = sizes->v.stride,
               .out_row = sizes->heads * sizes->v.width,
               .causal = call->attrs->at[ATTENTION_CAUSAL].number != 0,
               .scale = (real)call->attrs->at[ATTENTION_SCALE].number,
               .padding = in[4].shape.ndim ? &in[4] : NULL,
               .sample = sample};
  head.q = (const real *)in[sizes->q.holder].data + place(&sizes->q, sample, index);
  head.k = (const real *)in[sizes->k.holder].data + place(&sizes->k, sample, index);
  head.v = (const real *)in[sizes->v.holder].data + place(&sizes->v, sample, index);
  if (head.scale == 0) head.scale = 1 / R(sqrt)((real)head.size);
  find_mask(&head, &in[3], sample, index);
  find_dropout(&head, call, unit + call->first_row * sizes->heads);
  return head;
}

/* Where in a result with rows like the output's the head begins. */
static int64_t out_place(const Head *head, int64_t unit, int64_t heads) {
  return unit / heads * head->queries * head->out_row + unit % heads * head->value_size;
}

/* ---- products ---- */

typedef struct Matrix {
  const real *data;
  int64_t row; /* elements between rows */
  bool turned; /* read transposed */
} Matrix;

/* C (+)= A B; nothing when C is not wanted. */
static void multiply(real *c, int64_t c_row, bool add, Matrix a, Matrix b, int64_t m, int64_t n,
                     int64_t k) {
  if (!c) return;
  Gemm gemm = {.trans_a = a.turned,
               .trans_b = b.turned,
               .accumulate = add,
               .m = m,
               .n = n,
               .k = k,
               .a = a.data,
               .b = b.data,
               .c = c,
               .lda = a.row,
               .ldb = b.row,
               .ldc = c_row};
  gemm_runner(REAL_DTYPE, KERNEL_ISA)(&gemm, 0, 1);
}

/* ---- vectors ---- */

INLINE Vec vec_all(real x) { return x - (Vec){0}; }

INLINE Vec vec_pick(GateBits where, Vec yes, Vec no) {
  return (Vec)((where & (GateBits)yes) | (~where & (GateBits)no));
}

/* The larger; b where a is NaN. */
INLINE Vec vec_max(Vec a, Vec b) {
#if defined(__AVX2__) && defined(REAL_F64)
  return _mm256_max_pd(a, b);
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#else
  return vec_pick(a > b, a, b);
#endif
}

/* Combine all lanes of a vector into one number. */
#if defined(REAL_F64) && VEC_BYTES == 16
#define FOLD(f, v) (v = f(v, SHUFFLE(v, v, 1, 0)), v[0])
#elif defined(REAL_F64) || VEC_BYTES == 16
#define FOLD(f, v) (v = f(v, SHUFFLE(v, v, 2, 3, 0, 1)), v = f(v, SHUFFLE(v, v, 1, 0, 3, 2)), v[0])
#else
#define FOLD(f, v)                                                                                 \
  (v = f(v, SHUFFLE(v, v, 4, 5, 6, 7, 0, 1, 2, 3)),                                                \
   v = f(v, SHUFFLE(v, v, 2, 3, 0, 1, 6, 7, 4, 5)),                                                \
   v = f(v, SHUFFLE(v, v, 1, 0, 3, 2, 5, 4, 7, 6)), v[0])
#endif
#define PLUS(a, b) ((a) + (b))

/* exp(x) for x <= 0; what has no normal number as its power counts as 0. */
INLINE Vec vec_exp(Vec x) {
  Vec lowest = vec_all(-GATE_SIGMOID_MAX), scale, part = gate_exp(vec_max(lowest, x), &scale);
  return vec_pick(x < lowest, (Vec){0}, scale + scale * part);
}

static const real lane_numbers[] = {0, 1, 2, 3, 4, 5, 6, 7};

/* ---- a tile of scores ---- */

/* Queries from i0, keys from j0. */
typedef struct Span {
  int64_t i0, rows, j0, cols;
} Span;

/* -inf for the keys of the tile that are to be ignored, else 0. */
static void find_penalties(const Head *head, const Span *span, real penalties[BLOCK]) {
  const OpArg *padding = head->padding;
  int64_t from = head->sample * head->keys + span->j0;
  for (int64_t j = 0; j < span->cols; j++) {
    bool ignored = padding->dtype == DTYPE_I64 ? ((const int64_t *)padding->data)[from + j] != 0
                                               : ((const real *)padding->data)[from + j] != 0;
    penalties[j] = ignored ? (real)-INFINITY : 0;
  }
}

/* tile = scale Q K^T, masked; -inf up to whole vectors behind each row. */
static void find_scores(const Head *head, const Span *span, real *tile) {
  real penalties[BLOCK];
  int64_t padded = round_up(span->cols);
  Vec scale = vec_all(head->scale), hidden = vec_all((real)-INFINITY);
  if (head->padding) find_penalties(head, span, penalties);
  multiply(tile, BLOCK, false, (Matrix){head->q + span->i0 * head->q_row, head->q_row, false},
           (Matrix){head->k + span->j0 * head->k_row, head->k_row, true}, span->rows, span->cols,
           head->size);
  for (int64_t r = 0; r < span->rows; r++, tile += BLOCK) {
    int64_t i = span->i0 + r, seen = head->causal ? i + 1 - span->j0 : span->cols;
    const real *mask = head->mask ? head->mask + i * head->mask_row + span->j0 : NULL;
    Vec number = vec_load(lane_numbers), limit = vec_all((real)least(seen, span->cols));
    for (int64_t j = 0; j < padded; j += VL, number += VL) {
      Vec score = vec_load(tile + j) * scale;
      if (mask) score += vec_load(mask + j);
      if (head->padding) score += vec_load(penalties + j);
      vec_store(tile + j, vec_pick(number < limit, score, hidden));
    }
  }
}

static real row_max(const real *x, int64_t padded) {
  Vec top = vec_load(x);
  for (int64_t j = VL; j < padded; j += VL) top = vec_max(vec_load(x + j), top);
  return FOLD(vec_max, top);
}

/* What is subtracted from a row's scores: its maximum, but a row of -inf must not become NaN. */
static real row_base(real top) { return top == (real)-INFINITY ? 0 : top; }

/* x = exp(x - base) * factor; the sum of the exponentials. */
static real row_exp(real *x, int64_t padded, real base, real factor) {
  Vec sum = {0};
  for (int64_t j = 0; j < padded; j += VL) {
    Vec power = vec_exp(vec_load(x + j) - base);
    sum += power;
    vec_store(x + j, power * factor);
  }
  return FOLD(PLUS, sum);
}

/* to = x after dropout, for row i of the scores. */
static void drop_row(const Head *head, int64_t i, const Span *span, const real *x, real *to) {
  uint64_t index = head->first + (uint64_t)i * (uint64_t)head->keys + (uint64_t)span->j0;
  philox_drop(&head->rng, index, head->p, x, to, span->cols);
}

/* ---- forward ---- */

/* Is there anything to see for the queries of the span, from key j0 on? */
static bool in_sight(const Head *head, int64_t i_last, int64_t j0) {
  return j0 < head->keys && (!head->causal || j0 <= i_last);
}

static void clear_rows(real *x, int64_t row, int64_t rows, int64_t count) {
  for (int64_t i = 0; x && i < rows; i++) memset(x + i * row, 0, (size_t)count * sizeof *x);
}

static void scale_row(real *x, int64_t count, real factor) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) vec_store(x + i, vec_load(x + i) * factor);
  for (; i < count; i++) x[i] *= factor;
}

/* The rows [i0, i0 + rows) of one head's result. */
static void attend(const Head *head, int64_t i0, int64_t rows) {
  Scores tile __attribute__((aligned(64)));
  real top[BLOCK], sum[BLOCK];
  real *out = head->out + i0 * head->out_row;
  for (int64_t r = 0; r < rows; r++) top[r] = (real)-INFINITY, sum[r] = 0;
  for (int64_t j0 = 0; in_sight(head, i0 + rows - 1, j0); j0 += BLOCK) {
    Span span = {i0, rows, j0, least(BLOCK, head->keys - j0)};
    int64_t padded = round_up(span.cols);
    find_scores(head, &span, tile);
    for (int64_t r = 0; r < rows; r++) {
      real *scores = tile + r * BLOCK, here = row_max(scores, padded);
      here = here > top[r] || here != here ? here : top[r];
      if (j0 > 0 && here != top[r]) {
        real keep = R(exp)(top[r] - row_base(here));
        scale_row(out + r * head->out_row, head->value_size, keep);
        sum[r] *= keep;
      }
      sum[r] += row_exp(scores, padded, row_base(here), 1);
      if (head->p > 0) drop_row(head, i0 + r, &span, scores, scores);
      top[r] = here;
    }
    multiply(out, head->out_row, j0 > 0, (Matrix){tile, BLOCK, false},
             (Matrix){head->v + j0 * head->v_row, head->v_row, false}, rows, head->value_size,
             span.cols);
  }
  for (int64_t r = 0; r < rows; r++) {
    if (sum[r] == 0)
      clear_rows(out + r * head->out_row, head->out_row, 1, head->value_size);
    else
      scale_row(out + r * head->out_row, head->value_size, 1 / sum[r]);
    if (!head->stats) continue;
    head->stats[2 * (i0 + r)] = top[r];
    head->stats[2 * (i0 + r) + 1] = sum[r];
  }
}

KERNEL(attention) {
  AttentionSizes sizes = attention_of(call->in, call->attrs);
  Range units = part_range(sizes.batch * sizes.heads, part, parts);
  for (int64_t unit = units.begin; unit < units.end; unit++) {
    Head head = find_head(call, call->in, &sizes, unit);
    head.out = (real *)call->out.data + out_place(&head, unit, sizes.heads);
    if (call->more[0].data) head.stats = (real *)call->more[0].data + 2 * unit * head.queries;
    for (int64_t i0 = 0; i0 < head.queries; i0 += BLOCK)
      attend(&head, i0, least(BLOCK, head.queries - i0));
  }
}

/* ---- backward ---- */

/* Where the gradients go: NULL when not wanted. They lie as the operands do. */
typedef struct Gradients {
  const real *g;
  real *q, *k, *v;
  real *scores; /* (queries, keys) of the head */
} Gradients;

static real dot(const real *a, const real *b, int64_t count) {
  Vec sums = {0};
  int64_t i = 0;
  for (; i + VL <= count; i += VL) sums += vec_load(a + i) * vec_load(b + i);
  real sum = FOLD(PLUS, sums);
  for (; i < count; i++) sum += a[i] * b[i];
  return sum;
}

/* From the scores of a tile: `weights` P, `dropped` P after dropout (may be the same memory), and
 * `slopes` scale dS; dS itself where it is wanted. */
static void find_slopes(const Head *head, const Gradients *to, const Span *span, real *weights,
                        real *dropped, real *slopes) {
  const real *g = to->g + span->i0 * head->out_row, *out = head->out + span->i0 * head->out_row;
  multiply(slopes, BLOCK, false, (Matrix){g, head->out_row, false},
           (Matrix){head->v + span->j0 * head->v_row, head->v_row, true}, span->rows, span->cols,
           head->value_size);
  int64_t padded = round_up(span->cols);
  for (int64_t r = 0; r < span->rows; r++) {
    const real *stats = head->stats + 2 * (span->i0 + r);
    real *p = weights + r * BLOCK, *d = dropped + r * BLOCK, *s = slopes + r * BLOCK;
    real mean = dot(g + r * head->out_row, out + r * head->out_row, head->value_size);
    row_exp(p, padded, row_base(stats[0]), stats[1] == 0 ? 0 : 1 / stats[1]);
    if (d != p) drop_row(head, span->i0 + r, span, p, d);
    for (int64_t j = 0; j < padded; j += VL) {
      Vec slope = vec_load(d + j) * vec_load(s + j) - vec_load(p + j) * mean;
      vec_store(s + j, slope * head->scale);
    }
    real *kept = to->scores ? to->scores + (span->i0 + r) * head->keys + span->j0 : NULL;
    for (int64_t j = 0; kept && j < span->cols; j++) kept[j] = s[j] / head->scale;
  }
}

/* What one tile adds to the gradients of its queries, keys and values. */
static void add_tile(const Head *head, const Gradients *to, const Span *span, bool add_keys) {
  Scores weights __attribute__((aligned(64))), dropped __attribute__((aligned(64)));
  Scores slopes __attribute__((aligned(64)));
  real *used = head->p > 0 ? dropped : weights;
  real *dq = to->q ? to->q + span->i0 * head->q_row : NULL;
  real *dk = to->k ? to->k + span->j0 * head->k_row : NULL;
  real *dv = to->v ? to->v + span->j0 * head->v_row : NULL;
  find_scores(head, span, weights);
  find_slopes(head, to, span, weights, used, slopes);
  multiply(dv, head->v_row, add_keys, (Matrix){used, BLOCK, true},
           (Matrix){to->g + span->i0 * head->out_row, head->out_row, false}, span->cols,
           head->value_size, span->rows);
  multiply(dq, head->q_row, span->j0 > 0, (Matrix){slopes, BLOCK, false},
           (Matrix){head->k + span->j0 * head->k_row, head->k_row, false}, span->rows, head->size,
           span->cols);
  multiply(dk, head->k_row, add_keys, (Matrix){slopes, BLOCK, true},
           (Matrix){head->q + span->i0 * head->q_row, head->q_row, false}, span->cols, head->size,
           span->rows);
}

static void attend_back(const Head *head, const Gradients *to) {
  if (head->keys == 0) clear_rows(to->q, head->q_row, head->queries, head->size);
  clear_rows(to->scores, 0, 1, head->queries * head->keys);
  for (int64_t j0 = 0; j0 < head->keys; j0 += BLOCK) {
    int64_t cols = least(BLOCK, head->keys - j0);
    bool met = false;
    for (int64_t i0 = 0; i0 < head->queries; i0 += BLOCK) {
      Span span = {i0, least(BLOCK, head->queries - i0), j0, cols};
      if (!in_sight(head, i0 + span.rows - 1, j0)) continue;
      add_tile(head, to, &span, met);
      met = true;
    }
    if (met) continue;
    if (to->k) clear_rows(to->k + j0 * head->k_row, head->k_row, cols, head->size);
    if (to->v) clear_rows(to->v + j0 * head->v_row, head->v_row, cols, head->value_size);
  }
}

/* Operands g, out, stats, then those of attention. */
KERNEL(attention_grad) {
  enum { BEFORE = 3 };
  const OpArg *in = call->in + BEFORE;
  AttentionSizes sizes = attention_of(in, call->attrs);
  real *results[3] = {call->out.data, call->more[0].data, call->more[1].data};
  Range units = part_range(sizes.batch * sizes.heads, part, parts);
  for (int64_t unit = units.begin; unit < units.end; unit++) {
    int64_t sample = unit / sizes.heads, index = unit % sizes.heads;
    Head head = find_head(call, in, &sizes, unit);
    int64_t at = out_place(&head, unit, sizes.heads);
    head.out = (real *)call->in[1].data + at;
    head.stats = (real *)call->in[2].data + 2 * unit * head.queries;
    Gradients to = {.g = (const real *)call->in[0].data + at};
    if (results[sizes.q.holder]) to.q = results[sizes.q.holder] + place(&sizes.q, sample, index);
    if (results[sizes.k.holder]) to.k = results[sizes.k.holder] + place(&sizes.k, sample, index);
    if (results[sizes.v.holder]) to.v = results[sizes.v.holder] + place(&sizes.v, sample, index);
    if (call->in[BEFORE + 3].shape.ndim && call->more[2].data)
      to.scores = (real *)call->more[2].data + unit * head.queries * head.keys;
    attend_back(&head, &to);
  }
}
