/* Softmax, its logarithm, cross-entropy and accuracy.
 *
 * Along the last axis, short rows (c <= BLOCK) are taken several at a time: the row maxima are
 * subtracted into a flat buffer padded with zeros, and one exp loop runs over all of it. Long rows
 * go in pieces of BLOCK. Along another axis, LANES columns are taken at a time. A row that is all
 * -inf or holds +inf or NaN gives NaN. */
#include "op/kernel/family.h"

#include <string.h>

enum { BLOCK = 1024 };

static int64_t round_up(int64_t count) { return (count + LANES - 1) / LANES * LANES; }

/* e[i] = exp(e[i]) for `count` elements of a buffer, in whole vectors. */
static void exp_flat(real *e, int64_t count) {
  for (int64_t i = count; i < round_up(count); i++) e[i] = 0;
  for (int64_t i = 0; i < count; i += LANES)
#pragma omp simd
    for (int l = 0; l < LANES; l++) e[i + l] = R(exp)(e[i + l]);
}

static void log_flat(real *e, int64_t count) {
  for (int64_t i = count; i < round_up(count); i++) e[i] = 1;
  for (int64_t i = 0; i < count; i += LANES)
#pragma omp simd
    for (int l = 0; l < LANES; l++) e[i + l] = R(log)(e[i + l]);
}

static real row_max(const real *x, int64_t n) {
  real top = (real)-INFINITY;
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
  return top;
}

static real row_sum(const real *x, int64_t n) {
  real lanes[LANES] = {0};
  int64_t i = 0;
  if (n >= LANES) {
    for (; i + LANES <= n; i += LANES)
#pragma omp simd
      for (int l = 0; l < LANES; l++) lanes[l] += x[i + l];
    for (int half = LANES / 2; half > 0; half /= 2)
      for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  }
  for (; i < n; i++) lanes[0] += x[i];
  return lanes[0];
}

/* What is known of a row of logits: exp(x - top) add up to sum. */
typedef struct RowStats {
  real top[BLOCK], sum[BLOCK];
  real exps[BLOCK]; /* of short rows, row after row */
} RowStats;

static int64_t rows_at_once(int64_t n) { return n > 0 && n <= BLOCK ? BLOCK / n : 1; }

/* Statistics of `rows` short rows, at most rows_at_once(n). */
static void short_rows(const real *x, int64_t rows, int64_t n, RowStats *stats) {
  for (int64_t row = 0; row < rows; row++) {
    real top = stats->top[row] = row_max(x + row * n, n);
    for (int64_t i = row * n; i < (row + 1) * n; i++) stats->exps[i] = x[i] - top;
  }
  exp_flat(stats->exps, rows * n);
  for (int64_t row = 0; row < rows; row++) stats->sum[row] = row_sum(stats->exps + row * n, n);
}

/* The same of one long row; the exponentials go to `out` when it is not NULL. */
static void long_row(const real *x, int64_t n, RowStats *stats, real *out) {
  real top = stats->top[0] = row_max(x, n);
  double sum = 0;
  for (int64_t at = 0; at < n; at += BLOCK) {
    int64_t count = n - at < BLOCK ? n - at : BLOCK;
    for (int64_t i = 0; i < count; i++) stats->exps[i] = x[at + i] - top;
    exp_flat(stats->exps, count);
    sum += row_sum(stats->exps, count);
    if (out) memcpy(out + at, stats->exps, (size_t)count * sizeof *out);
  }
  stats->sum[0] = (real)sum;
}

static void row_stats(const real *x, int64_t rows, int64_t n, RowStats *stats) {
  if (n <= BLOCK)
    short_rows(x, rows, n, stats);
  else
    long_row(x, n, stats, NULL);
}

/* ---- along the last axis ---- */

static void softmax_rows(const real *x, real *out, int64_t rows, int64_t n) {
  RowStats stats;
  int64_t step = rows_at_once(n);
  for (int64_t row = 0; row < rows; row += step) {
    int64_t count = rows - row < step ? rows - row : step;
    const real *e = stats.exps;
    if (n <= BLOCK)
      short_rows(x + row * n, count, n, &stats);
    else
      long_row(x + row * n, n, &stats, out + row * n), e = out + row * n;
    for (int64_t k = 0; k < count; k++)
      for (int64_t i = 0; i < n; i++) out[(row + k) * n + i] = e[k * n + i] / stats.sum[k];
  }
}

static void log_softmax_rows(const real *x, real *out, int64_t rows, int64_t n) {
  RowStats stats;
  int64_t step = rows_at_once(n);
  for (int64_t row = 0; row < rows; row += step) {
    int64_t count = rows - row < step ? rows - row : step;
    row_stats(x + row * n, count, n, &stats);
    log_flat(stats.sum, count);
    for (int64_t k = 0; k < count; k++)
      for (int64_t i = (row + k) * n; i < (row + k + 1) * n; i++)
        out[i] = (x[i] - stats.top[k]) - stats.sum[k];
  }
}

static void softmax_grad_rows(const real *g, const real *y, real *out, int64_t rows, int64_t n) {
  for (int64_t row = 0; row < rows; row++, g += n, y += n, out += n) {
    double dot = 0;
    for (int64_t at = 0; at < n; at += BLOCK) {
      real product[BLOCK];
      int64_t count = n - at < BLOCK ? n - at : BLOCK;
      for (int64_t i = 0; i < count; i++) product[i] = g[at + i] * y[at + i];
      dot += row_sum(product, count);
    }
    for (int64_t i = 0; i < n; i++) out[i] = y[i] * (g[i] - (real)dot);
  }
}

static void log_softmax_grad_rows(const real *g, const real *y, real *out, int64_t rows,
                                  int64_t n) {
  for (int64_t row = 0; row < rows; row++, g += n, y += n, out += n) {
    real sum = row_sum(g, n);
    for (int64_t at = 0; at < n; at += BLOCK) {
      real e[BLOCK];
      int64_t count = n - at < BLOCK ? n - at : BLOCK;
      memcpy(e, y + at, (size_t)count * sizeof *e);
      exp_flat(e, count);
      for (int64_t i = 0; i < count; i++) out[at + i] = g[at + i] - e[i] * sum;
    }
  }
}

/* ---- along another axis: `width` of LANES columns, rows `inner` apart ---- */

static void load(real lanes[LANES], const real *x, int width) {
  for (int l = 0; l < LANES; l++) lanes[l] = l < width ? x[l] : 0;
}

static void store(real *out, const real lanes[LANES], int width) {
  for (int l = 0; l < width; l++) out[l] = lanes[l];
}

static void softmax_columns(const real *x, real *out, int64_t n, int64_t inner, int width,
                            bool logarithm) {
  real top[LANES], sum[LANES] = {0}, lanes[LANES];
  for (int l = 0; l < LANES; l++) top[l] = (real)-INFINITY;
  for (int64_t i = 0; i < n; i++) {
    load(lanes, x + i * inner, width);
    for (int l = 0; l < LANES; l++) top[l] = lanes[l] > top[l] ? lanes[l] : top[l];
  }
  for (int64_t i = 0; i < n; i++) {
    load(lanes, x + i * inner, width);
    for (int l = 0; l < LANES; l++) lanes[l] -= top[l];
    exp_flat(lanes, LANES);
    for (int l = 0; l < LANES; l++) sum[l] += lanes[l];
  }
  if (logarithm) log_flat(sum, LANES);
  for (int64_t i = 0; i < n; i++) {
    load(lanes, x + i * inner, width);
    for (int l = 0; l < LANES; l++) lanes[l] -= top[l];
    if (!logarithm) exp_flat(lanes, LANES);
    for (int l = 0; l < LANES; l++) lanes[l] = logarithm ? lanes[l] - sum[l] : lanes[l] / sum[l];
    store(out + i * inner, lanes, width);
  }
}

static void grad_columns(const real *g, const real *y, real *out, int64_t n, int64_t inner,
                         int width, bool logarithm) {
  real sum[LANES] = {0}, a[LANES], b[LANES];
  for (int64_t i = 0; i < n; i++) {
    load(a, g + i * inner, width);
    load(b, y + i * inner, width);
    for (int l = 0; l < LANES; l++) sum[l] += logarithm ? a[l] : a[l] * b[l];
  }
  for (int64_t i = 0; i < n; i++) {
    load(a, g + i * inner, width);
    load(b, y + i * inner, width);
    if (logarithm) exp_flat(b, LANES);
    for (int l = 0; l < LANES; l++)
      a[l] = logarithm ? a[l] - b[l] * sum[l] : b[l] * (a[l] - sum[l]);
    store(out + i * inner, a, width);
  }
}

/* ---- the ops ---- */

typedef void ColumnTask(const OpCall *call, int64_t at, int64_t n, int64_t inner, int width);

static void each_column_block(const OpCall *call, const AxisView *view, ColumnTask *task, int part,
                              int parts) {
  Range range = part_range(view->outer, part, parts);
  for (int64_t outer = range.begin; outer < range.end; outer++)
    for (int64_t inner = 0; inner < view->inner; inner += LANES) {
      int width = view->inner - inner < LANES ? (int)(view->inner - inner) : LANES;
      task(call, outer * view->size * view->inner + inner, view->size, view->inner, width);
    }
}

static void softmax_task(const OpCall *call, int64_t at, int64_t n, int64_t inner, int width) {
  softmax_columns((const real *)call->in[0].data + at, (real *)call->out.data + at, n, inner, width,
                  false);
}

static void log_softmax_task(const OpCall *call, int64_t at, int64_t n, int64_t inner, int width) {
  softmax_columns((const real *)call->in[0].data + at, (real *)call->out.data + at, n, inner, width,
                  true);
}

static void softmax_grad_task(const OpCall *call, int64_t at, int64_t n, int64_t inner, int width) {
  grad_columns((const real *)call->in[0].data + at, (const real *)call->in[1].data + at,
               (real *)call->out.data + at, n, inner, width, false);
}

static void log_softmax_grad_task(const OpCall *call, int64_t at, int64_t n, int64_t inner,
                                  int width) {
  grad_columns((const real *)call->in[0].data + at, (const real *)call->in[1].data + at,
               (real *)call->out.data + at, n, inner, width, true);
}

#define SOFTMAX_OP(name)                                                                           \
  KERNEL(name) {                                                                                   \
    AxisView view = axis_view(&call->in[0].shape, (int)call->attrs->at[0].number);                 \
    if (view.inner > 1) {                                                                          \
      each_column_block(call, &view, name##_task, part, parts);                                    \
      return;                                                                                      \
    }                                                                                              \
    Range range = part_range(view.size > 0 ? view.outer : 0, part, parts);                         \
    int64_t at = range.begin * view.size, rows = range.end - range.begin;                          \
    SOFTMAX_ROWS(name, rows, view.size, at)                                                        \
  }
#define SOFTMAX_ROWS(name, rows, n, at)                                                            \
  name##_rows((const real *)call->in[0].data + (at), (real *)call->out.data + (at), rows, n);
SOFTMAX_OP(softmax)
SOFTMAX_OP(log_softmax)
#undef SOFTMAX_ROWS
#define SOFTMAX_ROWS(name, rows, n, at)                                                            \
  name##_rows((const real *)call->in[0].data + (at), (const real *)call->in[1].data + (at),        \
              (real *)call->out.data + (at), rows, n);
SOFTMAX_OP(softmax_grad)
SOFTMAX_OP(log_softmax_grad)

/* ---- cross-entropy ----
 * The target of a row with label k, classes j of c and smoothing s is
 *   t_j = w_j ((1 - s) [j = k] + s / c),   the loss  sum_j t_j (log sum exp x - x_j). */

typedef struct Labelled {
  int64_t rows, classes;
  const real *logits, *weights; /* weights NULL: all 1 */
  const int64_t *labels;
  real smoothing;
} Labelled;

static Labelled labelled(const OpCall *call, int at) {
  const Shape *shape = &call->in[at].shape;
  AxisView view = axis_view(shape, shape->ndim - 1);
  return (Labelled){.rows = view.outer,
                    .classes = view.size,
                    .logits = call->in[at].data,
                    .labels = call->in[at + 1].data,
                    .weights = call->inputs > at + 2 ? call->in[at + 2].data : NULL,
                    .smoothing = (real)call->attrs->at[0].number};
}

static bool is_class(int64_t label, int64_t classes) { return label >= 0 && label < classes; }

static real weight_of(const Labelled *set, int64_t label) {
  return set->weights ? set->weights[label] : 1;
}

/* sum_j w_j (log sum - (x_j - top)) / c: the loss against the uniform part of the target */
static real uniform_loss(const Labelled *set, const real *x, real top, real log_sum) {
  double loss = 0;
  for (int64_t j = 0; j < set->classes; j++) loss += weight_of(set, j) * (log_sum - (x[j] - top));
  return (real)(loss / (double)set->classes);
}

KERNEL(softmax_cross_entropy) {
  Labelled set = labelled(call, 0);
  Range range = part_range(set.rows, part, parts);
  RowStats stats;
  int64_t step = rows_at_once(set.classes);
  for (int64_t row = range.begin; row < range.end; row += step) {
    int64_t count = range.end - row < step ? range.end - row : step;
    row_stats(set.logits + row * set.classes, count, set.classes, &stats);
    log_flat(stats.sum, count);
    for (int64_t k = 0; k < count; k++) {
      const real *x = set.logits + (row + k) * set.classes;
      int64_t label = set.labels[row + k];
      real loss = (real)NAN;
      if (is_class(label, set.classes))
        loss = weight_of(&set, label) * (stats.sum[k] - (x[label] - stats.top[k]));
      if (set.smoothing > 0) /* else an infinite logit would make 0 * inf */
        loss = (1 - set.smoothing) * loss +
               set.smoothing * uniform_loss(&set, x, stats.top[k], stats.sum[k]);
      ((real *)call->out.data)[row + k] = loss;
    }
  }
}

/* out_j = g (e_j / sum * total - t_j), where total = sum_j t_j and e the exponentials of the row */
static void cross_entropy_grad_row(const Labelled *set, const real *e, real sum, int64_t label,
                                   real g, double weight_total, real *out) {
  real uniform = set->smoothing / (real)set->classes;
  bool known = is_class(label, set->classes);
  real target = known ? (1 - set->smoothing) * weight_of(set, label) : (real)NAN;
  real factor = (target + uniform * (real)weight_total) * g / sum;
  if (set->smoothing == 0) {
    for (int64_t j = 0; j < set->classes; j++) out[j] = e[j] * factor;
  } else {
    for (int64_t j = 0; j < set->classes; j++)
      out[j] = e[j] * factor - g * uniform * weight_of(set, j);
  }
  if (known) out[label] -= g * target;
}

KERNEL(softmax_cross_entropy_grad) {
  Labelled set = labelled(call, 1);
  const real *g = call->in[0].data;
  Range range = part_range(set.rows, part, parts);
  RowStats stats;
  double weight_total = 0;
  for (int64_t j = 0; j < set.classes && set.smoothing > 0; j++) weight_total += weight_of(&set, j);
  int64_t n = set.classes, step = rows_at_once(n);
  for (int64_t row = range.begin; row < range.end; row += step) {
    int64_t count = range.end - row < step ? range.end - row : step;
    real *out = (real *)call->out.data + row * n;
    const real *e = n <= BLOCK ? stats.exps : out;
    if (n <= BLOCK)
      short_rows(set.logits + row * n, count, n, &stats);
    else
      long_row(set.logits + row * n, n, &stats, out);
    for (int64_t k = 0; k < count; k++)
      cross_entropy_grad_row(&set, e + k * n, stats.sum[k], set.labels[row + k], g[row + k],
                             weight_total, out + k * n);
  }
}

/* ---- accuracy ---- */

static real label_at(const OpArg *labels, int64_t row) {
  if (labels->dtype == DTYPE_I64) return (real)((const int64_t *)labels->data)[row];
  return ((const real *)labels->data)[row];
}

KERNEL(correct) {
  const Shape *shape = &call->in[0].shape;
  AxisView view = axis_view(shape, shape->ndim - 1);
  Range range = part_range(view.outer, part, parts);
  for (int64_t row = range.begin; row < range.end; row++) {
    const real *x = (const real *)call->in[0].data + row * view.size;
    int64_t best = view.size == 1 ? x[0] > 0 : 0;
    for (int64_t i = 1; i < view.size; i++)
      if (x[i] > x[best] || (x[i] != x[i] && x[best] == x[best])) best = i;
    ((real *)call->out.data)[row] = label_at(&call->in[1], row) == (real)best;
  }
}
