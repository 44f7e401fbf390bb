/* Normalisation. Statistics take two passes over a set: a first mean, rounded to `real`, and the
 * sums of the deviations from it and of their squares, which give the variance and what that mean
 * lost
 * (`rest`). So a large common offset costs no digits. Sums are kept by lane and added up in double.
 *
 * Three forms of sets: rows of memory with weights by element; runs of memory, which belong to one
 * channel each; and columns, the channels of (n, channels). Parts own rows, groups or channels;
 * what is summed over rows is owned by column, in blocks of rows that do not depend on the parts.
 */
#include "op/kernel/vector.h"

enum { PIECE = 1024 };                     /* elements whose sums stay in lanes */
enum { BLOCK = 64 };                       /* rows, in sums by column */
enum { TOGETHER = 8 };                     /* rows */
enum { TILE = 4 };                         /* vectors of columns at once */
enum { X, MEAN = 2, SCALE, REST, WEIGHT }; /* inputs of the gradients, g being 0 and x 1 */

/* ---- sums ---- */

/* What an element contributes to the two sums; d = x - shift, h = g weight. */
typedef enum Terms {
  TERMS_X,  /* x */
  TERMS_DD, /* d, d^2 */
  TERMS_HD, /* h, h d */
} Terms;

typedef struct Sums {
  Vec one[2], two[2];
  double first, second;
  int64_t pending; /* elements in the lanes */
} Sums;

INLINE void sums_flush(Sums *sums) {
  sums->first += (double)vec_sum(sums->one[0] + sums->one[1]);
  sums->second += (double)vec_sum(sums->two[0] + sums->two[1]);
  for (int k = 0; k < 2; k++) sums->one[k] = sums->two[k] = (Vec){0};
  sums->pending = 0;
}

/* Add a vector of terms; all lanes but the first `count` are left out. */
INLINE void sums_step(Sums *sums, int k, Terms terms, const real *x, real shift, const real *g,
                      const real *w, int64_t i, int64_t count) {
  Vec d = vec_load(x + i), h = d;
  if (terms != TERMS_X) h = d = d - shift;
  if (terms == TERMS_HD) h = w ? vec_load(g + i) * vec_load(w + i) : vec_load(g + i);
  if (count < WIDTH) {
    d = vec_first(d, count);
    h = vec_first(h, count);
  }
  sums->one[k] += h;
  if (terms != TERMS_X) sums->two[k] += h * d;
}

/* Add n neighbours. */
INLINE void sums_span(Sums *total, Terms terms, const real *x, real shift, const real *g,
                      const real *w, int64_t n) {
  Sums sums = *total;
  for (int64_t at = 0; at < n; at += PIECE) {
    int64_t end = at + PIECE < n ? at + PIECE : n, i = at;
    for (; i + 2 * WIDTH <= end; i += 2 * WIDTH) {
      sums_step(&sums, 0, terms, x, shift, g, w, i, WIDTH);
      sums_step(&sums, 1, terms, x, shift, g, w, i + WIDTH, WIDTH);
    }
    for (; i < end; i += WIDTH) sums_step(&sums, 0, terms, x, shift, g, w, i, end - i);
    sums.pending += end - at;
    if (sums.pending >= PIECE) sums_flush(&sums);
  }
  *total = sums;
}

/* `runs` of `length` neighbours, `stride` apart. */
typedef struct Set {
  int64_t runs, stride, length;
} Set;

INLINE Sums set_sums(const Set *set, Terms terms, const real *x, real shift, const real *g,
                     const real *w) {
  Sums sums = {0};
  for (int64_t run = 0; run < set->runs; run++)
    sums_span(&sums, terms, x + run * set->stride, shift, g ? g + run * set->stride : NULL, w,
              set->length);
  sums_flush(&sums);
  return sums;
}

typedef struct Moments {
  real mean;
  double rest, variance; /* the true mean is mean + rest */
} Moments;

static Moments moments_make(double deviations, double squares, double count, real mean) {
  double rest = deviations / count, variance = squares / count - rest * rest;
  return (Moments){mean, rest, variance < 0 ? 0 : variance};
}

INLINE real set_mean(const Set *set, const real *x) {
  return (real)(set_sums(set, TERMS_X, x, 0, NULL, NULL).first / (double)(set->runs * set->length));
}

/* The moments, of a first mean. */
INLINE Moments set_moments(const Set *set, const real *x, real mean) {
  Sums sums = set_sums(set, TERMS_DD, x, mean, NULL, NULL);
  return moments_make(sums.first, sums.second, (double)(set->runs * set->length), mean);
}

/* dx = scale h + slope (x - mean) + offset, from the sums of h and h (x - mean) over `count`
 * elements: see grad_layer_norm. */
typedef struct Slope {
  real slope, offset;
  double gain; /* sum h xhat */
} Slope;

static Slope slope_make(double h, double hd, double count, double inv, double rest) {
  double gain = inv * (hd - rest * h), slope = -inv * inv * gain / count;
  return (Slope){(real)slope, (real)(-inv * h / count - slope * rest), gain};
}

/* ---- spans ---- */

/* out = (x - shift) scale + offset */
static void span_scale(real *out, const real *x, real shift, real scale, real offset, int64_t n) {
  for (int64_t i = 0; i < n; i += WIDTH)
    vec_store(out + i, (vec_load(x + i) - shift) * scale + offset, n - i);
}

/* out = ((x - shift) scale + offset) w + b, where there are such */
INLINE void span_affine(real *out, const real *x, real shift, real scale, real offset,
                        const real *w, const real *b, int64_t n) {
  for (int64_t i = 0; i < n; i += WIDTH) {
    Vec y = (vec_load(x + i) - shift) * scale + offset;
    if (w) y *= vec_load(w + i);
    if (b) y += vec_load(b + i);
    vec_store(out + i, y, n - i);
  }
}

/* dx = g w scale + (x - shift) slope + offset */
INLINE void span_gradient(real *dx, const real *g, const real *w, real scale, const real *x,
                          real shift, real slope, real offset, int64_t n) {
  for (int64_t i = 0; i < n; i += WIDTH) {
    Vec h = vec_load(g + i) * scale;
    if (w) h *= vec_load(w + i);
    vec_store(dx + i, h + (vec_load(x + i) - shift) * slope + offset, n - i);
  }
}

/* ---- rows ---- */

typedef struct Rows {
  int64_t rows, n;
} Rows;

static Rows rows_of(const OpCall *call, const Shape *shape) {
  Rows rows = {1, 1};
  int kept = shape->ndim - (int)call->attrs->at[0].number;
  for (int i = 0; i < shape->ndim; i++) *(i < kept ? &rows.rows : &rows.n) *= shape->dims[i];
  return rows;
}

static void put(const OpArg *result, int64_t at, double value) {
  if (result->data) ((real *)result->data)[at] = (real)value;
}

/* A few rows step by step: what one waits for, the others do. `centred` is false for rms_norm. */
INLINE void normalise_rows(const OpCall *call, const Rows *rows, bool centred, int64_t row,
                           int64_t count) {
  int64_t n = rows->n;
  const real *x = (const real *)call->in[0].data + row * n;
  const real *w = call->inputs > 1 ? call->in[1].data : NULL;
  const real *b = call->inputs > 2 ? call->in[2].data : NULL;
  real *out = (real *)call->out.data + row * n, mean[TOGETHER] = {0};
  double rest[TOGETHER], inv[TOGETHER], eps = call->attrs->at[1].number;
  Set set = {1, 0, n};
  if (centred)
    for (int64_t k = 0; k < count; k++) mean[k] = set_mean(&set, x + k * n);
  for (int64_t k = 0; k < count; k++) {
    Sums sums = set_sums(&set, TERMS_DD, x + k * n, mean[k], NULL, NULL);
    Moments moments = moments_make(sums.first, sums.second, (double)n, mean[k]);
    rest[k] = centred ? moments.rest : 0;
    inv[k] = centred ? moments.variance : sums.second / (double)n;
  }
  for (int64_t k = 0; k < count; k++) inv[k] = 1 / sqrt(inv[k] + eps);
  for (int64_t k = 0; k < count; k++) {
    span_affine(out + k * n, x + k * n, mean[k], (real)inv[k], (real)(-rest[k] * inv[k]), w, b, n);
    if (centred) put(&call->more[0], row + k, (double)mean[k]);
    put(&call->more[centred], row + k, inv[k]);
    if (centred) put(&call->more[2], row + k, rest[k]);
  }
  epilogue_apply(call->epilogue, out, count * n);
}

INLINE void normalise(const OpCall *call, bool centred, int part, int parts) {
  Rows rows = rows_of(call, &call->in[0].shape);
  Range range = part_range(rows.rows, part, parts);
  for (int64_t row = range.begin; row < range.end; row += TOGETHER) {
    int64_t count = range.end - row < TOGETHER ? range.end - row : TOGETHER;
    normalise_rows(call, &rows, centred, row, count);
  }
}

KERNEL(layer_norm) { normalise(call, true, part, parts); }

KERNEL(rms_norm) { normalise(call, false, part, parts); }

/* Operands of a gradient over rows; mean and rest are NULL where nothing was subtracted. */
typedef struct RowsGrad {
  Rows rows;
  const real *g, *x, *mean, *inv, *rest, *weight;
  real *dx, *dweight, *dbias;
} RowsGrad;

/* dx of a few rows, step by step. */
static void row_gradients(const RowsGrad *grad, int64_t row, int64_t count) {
  int64_t n = grad->rows.n;
  const real *x = grad->x + row * n, *g = grad->g + row * n;
  Slope slope[TOGETHER];
  for (int64_t k = 0; k < count; k++) {
    Sums sums = {0};
    sums_span(&sums, TERMS_HD, x + k * n, grad->mean ? grad->mean[row + k] : 0, g + k * n,
              grad->weight, n);
    sums_flush(&sums);
    slope[k] = slope_make(grad->mean ? sums.first : 0, sums.second, (double)n,
                          (double)grad->inv[row + k], grad->rest ? (double)grad->rest[row + k] : 0);
  }
  for (int64_t k = 0; k < count; k++)
    span_gradient(grad->dx + (row + k) * n, g + k * n, grad->weight, grad->inv[row + k], x + k * n,
                  grad->mean ? grad->mean[row + k] : 0, slope[k].slope, slope[k].offset, n);
}

/* Add `count` rows to columns c and up of dweight and dbias. */
INLINE void add_rows(const RowsGrad *grad, int64_t first, int64_t count, int64_t c,
                     const int vectors, const bool centred) {
  int64_t n = grad->rows.n;
  Vec weight[TILE] = {0}, bias[TILE] = {0};
  for (int64_t row = first; row < first + count; row++) {
    real inv = grad->inv[row], mean = centred ? grad->mean[row] : 0;
    real offset = centred ? -grad->rest[row] * inv : 0;
    for (int v = 0; v < vectors; v++) {
      int64_t at = row * n + c + v * WIDTH;
      Vec g = vec_load(grad->g + at);
      weight[v] += g * ((vec_load(grad->x + at) - mean) * inv + offset);
      bias[v] += g;
    }
  }
  for (int v = 0; v < vectors; v++) {
    int64_t at = c + v * WIDTH;
    if (grad->dweight)
      vec_store(grad->dweight + at, vec_load(grad->dweight + at) + weight[v], n - at);
    if (grad->dbias) vec_store(grad->dbias + at, vec_load(grad->dbias + at) + bias[v], n - at);
  }
}

INLINE void add_block(const RowsGrad *grad, int64_t first, int64_t count, int64_t c,
                      const bool centred) {
  if (grad->rows.n - c >= TILE * WIDTH)
    add_rows(grad, first, count, c, TILE, centred);
  else
    for (; c < grad->rows.n; c += WIDTH) add_rows(grad, first, count, c, 1, centred);
}

/* A part does its rows of dx, and its columns of dweight and dbias for all rows, while they are in
 * cache. */
static void gradient_rows(const RowsGrad *grad, int part, int parts) {
  int64_t n = grad->rows.n, width = TILE * WIDTH;
  Range rows = part_range(grad->rows.rows, part, parts);
  Range tiles = part_range((n + width - 1) / width, part, parts);
  int64_t begin = tiles.begin * width, end = tiles.end * width < n ? tiles.end * width : n;
  if (!grad->dweight && !grad->dbias) end = begin;
  if (grad->dweight && end > begin)
    memset(grad->dweight + begin, 0, (size_t)(end - begin) * sizeof *grad->dweight);
  if (grad->dbias && end > begin)
    memset(grad->dbias + begin, 0, (size_t)(end - begin) * sizeof *grad->dbias);
  for (int64_t first = 0; first < grad->rows.rows; first += BLOCK) {
    int64_t last = first + BLOCK < grad->rows.rows ? first + BLOCK : grad->rows.rows;
    int64_t stop = last < rows.end ? last : rows.end;
    for (int64_t row = first > rows.begin ? first : rows.begin; row < stop; row += TOGETHER)
      row_gradients(grad, row, stop - row < TOGETHER ? stop - row : TOGETHER);
    for (int64_t c = begin; c < end; c += width) {
      if (grad->mean)
        add_block(grad, first, last - first, c, true);
      else
        add_block(grad, first, last - first, c, false);
    }
  }
}

KERNEL(layer_norm_grad) {
  RowsGrad grad = {.rows = rows_of(call, &call->in[1].shape),
                   .g = call->in[0].data,
                   .x = call->in[1].data,
                   .mean = call->in[2].data,
                   .inv = call->in[3].data,
                   .rest = call->in[4].data,
                   .weight = call->inputs > 5 ? call->in[5].data : NULL,
                   .dx = call->out.data,
                   .dweight = call->more[0].data,
                   .dbias = call->more[1].data};
  gradient_rows(&grad, part, parts);
}

KERNEL(rms_norm_grad) {
  RowsGrad grad = {.rows = rows_of(call, &call->in[1].shape),
                   .g = call->in[0].data,
                   .x = call->in[1].data,
                   .inv = call->in[2].data,
                   .weight = call->inputs > 3 ? call->in[3].data : NULL,
                   .dx = call->out.data,
                   .dweight = call->more[0].data};
  gradient_rows(&grad, part, parts);
}

/* ---- groups of channels ---- */

typedef struct Channels {
  int64_t n, channels, plane; /* elements of one channel of one row */
} Channels;

static Channels channels_of(const Shape *shape) {
  AxisView view = axis_view(shape, 1);
  return (Channels){view.outer, view.size, view.inner};
}

static real entry(const real *values, int64_t at, real absent) {
  return values ? values[at] : absent;
}

KERNEL(group_norm) {
  Channels size = channels_of(&call->in[0].shape);
  int64_t groups = (int64_t)call->attrs->at[0].number, members = size.channels / groups;
  double eps = call->attrs->at[1].number;
  const real *w = call->inputs > 1 ? call->in[1].data : NULL;
  const real *b = call->inputs > 2 ? call->in[2].data : NULL;
  Set set = {1, 0, members * size.plane};
  Range range = part_range(size.n * groups, part, parts);
  for (int64_t group = range.begin; group < range.end; group++) {
    const real *x = (const real *)call->in[0].data + group * set.length;
    real *out = (real *)call->out.data + group * set.length;
    Moments moments = set_moments(&set, x, set_mean(&set, x));
    double inv = 1 / sqrt(moments.variance + eps);
    put(&call->more[0], group, (double)moments.mean);
    put(&call->more[1], group, inv);
    put(&call->more[2], group, moments.rest);
    for (int64_t k = 0; k < members; k++) {
      int64_t channel = group % groups * members + k;
      double scale = inv * (double)entry(w, channel, 1);
      span_scale(out + k * size.plane, x + k * size.plane, moments.mean, (real)scale,
                 (real)((double)entry(b, channel, 0) - moments.rest * scale), size.plane);
    }
    epilogue_apply(call->epilogue, out, set.length);
  }
}

typedef struct ChannelGrad {
  Channels size;
  const real *g, *x, *mean, *scale, *rest, *weight;
  real *dx, *dweight, *dbias;
} ChannelGrad;

static ChannelGrad channel_grad(const OpCall *call) {
  return (ChannelGrad){.size = channels_of(&call->in[1].shape),
                       .g = call->in[0].data,
                       .x = call->in[1].data,
                       .mean = call->in[MEAN].data,
                       .scale = call->in[SCALE].data,
                       .rest = call->in[REST].data,
                       .weight = call->inputs > WEIGHT ? call->in[WEIGHT].data : NULL,
                       .dx = call->out.data,
                       .dweight = call->more[0].data,
                       .dbias = call->more[1].data};
}

/* The gradient of one group of one row; adds to dweight and dbias of its channels. */
static void group_gradient(const ChannelGrad *grad, int64_t row, int64_t group, int64_t groups) {
  int64_t members = grad->size.channels / groups, plane = grad->size.plane;
  int64_t set = row * groups + group, start = set * members * plane;
  const real *x = grad->x + start, *g = grad->g + start;
  real mean = grad->mean[set];
  double inv = (double)grad->scale[set], rest = (double)grad->rest[set], h = 0, hd = 0;
  Set run = {1, 0, plane};
  for (int64_t k = 0; k < members; k++) {
    int64_t channel = group * members + k;
    Sums sums = set_sums(&run, TERMS_HD, x + k * plane, mean, g + k * plane, NULL);
    double w = (double)entry(grad->weight, channel, 1);
    h += w * sums.first;
    hd += w * sums.second;
    if (grad->dweight) grad->dweight[channel] += (real)(inv * (sums.second - rest * sums.first));
    if (grad->dbias) grad->dbias[channel] += (real)sums.first;
  }
  Slope slope = slope_make(h, hd, (double)(members * plane), inv, rest);
  for (int64_t k = 0; k < members; k++) {
    real scale = (real)(inv * (double)entry(grad->weight, group * members + k, 1));
    span_gradient(grad->dx + start + k * plane, g + k * plane, NULL, scale, x + k * plane, mean,
                  slope.slope, slope.offset, plane);
  }
}

/* Parts own groups: a channel's sums over the rows are in one part. */
KERNEL(group_norm_grad) {
  ChannelGrad grad = channel_grad(call);
  int64_t groups = (int64_t)call->attrs->at[0].number, members = grad.size.channels / groups;
  Range range = part_range(groups, part, parts);
  for (int64_t c = range.begin * members; c < range.end * members; c++) {
    if (grad.dweight) grad.dweight[c] = 0;
    if (grad.dbias) grad.dbias[c] = 0;
  }
  for (int64_t row = 0; row < grad.size.n; row++)
    for (int64_t group = range.begin; group < range.end; group++)
      group_gradient(&grad, row, group, groups);
}

/* ---- channels of a batch: runs ---- */

static Set channel_set(const Channels *size) {
  return (Set){size->n, size->channels * size->plane, size->plane};
}

typedef struct BatchNorm {
  Channels size;
  const real *x, *weight, *bias;
  real *out;
  double eps;
  const OpCall *call;
} BatchNorm;

/* Write down the statistics of a channel and return what its elements are scaled by. */
static double batch_scale(const BatchNorm *norm, int64_t channel, const Moments *moments,
                          real *offset) {
  double scale = (double)entry(norm->weight, channel, 1) / sqrt(moments->variance + norm->eps);
  put(&norm->call->more[0], channel, (double)moments->mean);
  put(&norm->call->more[1], channel, moments->variance);
  put(&norm->call->more[2], channel, moments->rest);
  *offset = (real)((double)entry(norm->bias, channel, 0) - moments->rest * scale);
  return scale;
}

static void batch_runs(const BatchNorm *norm, Range range) {
  Set set = channel_set(&norm->size);
  for (int64_t channel = range.begin; channel < range.end; channel++) {
    int64_t start = channel * set.length;
    Moments moments = set_moments(&set, norm->x + start, set_mean(&set, norm->x + start));
    real offset, scale = (real)batch_scale(norm, channel, &moments, &offset);
    for (int64_t run = 0; run < set.runs; run++) {
      real *out = norm->out + start + run * set.stride;
      span_scale(out, norm->x + start + run * set.stride, moments.mean, scale, offset, set.length);
      epilogue_apply(norm->call->epilogue, out, set.length);
    }
  }
}

static void batch_runs_grad(const ChannelGrad *grad, double eps, Range range) {
  Set set = channel_set(&grad->size);
  for (int64_t channel = range.begin; channel < range.end; channel++) {
    const real *x = grad->x + channel * set.length, *g = grad->g + channel * set.length;
    real mean = grad->mean[channel], w = entry(grad->weight, channel, 1);
    double inv = 1 / sqrt((double)grad->scale[channel] + eps);
    Sums sums = set_sums(&set, TERMS_HD, x, mean, g, NULL);
    Slope slope = slope_make(sums.first, sums.second, (double)(set.runs * set.length), inv,
                             (double)grad->rest[channel]);
    for (int64_t run = 0; run < set.runs; run++) {
      int64_t at = run * set.stride;
      span_gradient(grad->dx + channel * set.length + at, g + at, NULL, (real)(inv * (double)w),
                    x + at, mean, slope.slope * w, slope.offset * w, set.length);
    }
    if (grad->dweight) grad->dweight[channel] = (real)slope.gain;
    if (grad->dbias) grad->dbias[channel] = (real)sums.first;
  }
}

/* ---- channels of a batch: columns ---- */

/* Sums by column of a tile of (n, channels). */
typedef struct Columns {
  double first[TILE * WIDTH], second[TILE * WIDTH];
} Columns;

INLINE Columns column_sums(Terms terms, const real *x, const real *shift, const real *g, int64_t n,
                           int64_t stride, const int vectors) {
  Columns sums = {0};
  for (int64_t first = 0; first < n; first += BLOCK) {
    int64_t end = first + BLOCK < n ? first + BLOCK : n;
    Vec one[TILE] = {0}, two[TILE] = {0};
    for (int64_t row = first; row < end; row++)
      for (int v = 0; v < vectors; v++) {
        Vec d = vec_load(x + row * stride + v * WIDTH), h = d;
        if (terms != TERMS_X) h = d = d - vec_load(shift + v * WIDTH);
        if (terms == TERMS_HD) h = vec_load(g + row * stride + v * WIDTH);
        one[v] += h;
        if (terms != TERMS_X) two[v] += h * d;
      }
    for (int v = 0; v < vectors; v++)
      for (int l = 0; l < WIDTH; l++) {
        sums.first[v * WIDTH + l] += (double)one[v][l];
        sums.second[v * WIDTH + l] += (double)two[v][l];
      }
  }
  return sums;
}

/* What the columns of a tile are shifted and scaled by. */
typedef struct Lines {
  real mean[TILE * WIDTH], scale[TILE * WIDTH], slope[TILE * WIDTH], offset[TILE * WIDTH];
} Lines;

/* `width` columns from c on, in so many vectors. */
INLINE void batch_columns(const BatchNorm *norm, int64_t c, int64_t width, const int vectors) {
  int64_t n = norm->size.n, stride = norm->size.channels;
  const real *x = norm->x + c;
  Lines lines = {{0}, {0}, {0}, {0}};
  Columns sums = column_sums(TERMS_X, x, NULL, NULL, n, stride, vectors);
  for (int64_t l = 0; l < width; l++) lines.mean[l] = (real)(sums.first[l] / (double)n);
  sums = column_sums(TERMS_DD, x, lines.mean, NULL, n, stride, vectors);
  for (int64_t l = 0; l < width; l++) {
    Moments moments = moments_make(sums.first[l], sums.second[l], (double)n, lines.mean[l]);
    lines.scale[l] = (real)batch_scale(norm, c + l, &moments, &lines.offset[l]);
  }
  for (int v = 0; v < vectors; v++) {
    Vec mean = vec_load(lines.mean + v * WIDTH), scale = vec_load(lines.scale + v * WIDTH);
    Vec offset = vec_load(lines.offset + v * WIDTH);
    for (int64_t row = 0; row < n; row++) {
      int64_t at = row * stride + v * WIDTH;
      vec_store(norm->out + c + at, (vec_load(x + at) - mean) * scale + offset, width - v * WIDTH);
    }
  }
}

INLINE void batch_columns_grad(const ChannelGrad *grad, double eps, int64_t c, int64_t width,
                               const int vectors) {
  int64_t n = grad->size.n, stride = grad->size.channels;
  const real *x = grad->x + c, *g = grad->g + c;
  Lines lines = {{0}, {0}, {0}, {0}};
  memcpy(lines.mean, grad->mean + c, (size_t)width * sizeof *lines.mean);
  Columns sums = column_sums(TERMS_HD, x, lines.mean, g, n, stride, vectors);
  for (int64_t l = 0; l < width; l++) {
    real w = entry(grad->weight, c + l, 1);
    double inv = 1 / sqrt((double)grad->scale[c + l] + eps);
    Slope slope =
        slope_make(sums.first[l], sums.second[l], (double)n, inv, (double)grad->rest[c + l]);
    lines.scale[l] = (real)(inv * (double)w);
    lines.slope[l] = slope.slope * w;
    lines.offset[l] = slope.offset * w;
    if (grad->dweight) grad->dweight[c + l] = (real)slope.gain;
    if (grad->dbias) grad->dbias[c + l] = (real)sums.first[l];
  }
  for (int v = 0; v < vectors; v++) {
    Vec mean = vec_load(lines.mean + v * WIDTH), scale = vec_load(lines.scale + v * WIDTH);
    Vec slope = vec_load(lines.slope + v * WIDTH), offset = vec_load(lines.offset + v * WIDTH);
    for (int64_t row = 0; row < n; row++) {
      int64_t at = row * stride + v * WIDTH;
      vec_store(grad->dx + c + at,
                vec_load(g + at) * scale + (vec_load(x + at) - mean) * slope + offset,
                width - v * WIDTH);
    }
  }
}

/* Columns [begin, end), whole tiles first. */
#define EACH_TILE(begin, end, call_tile)                                                           \
  do {                                                                                             \
    int64_t c = (begin), width;                                                                    \
    for (; c + TILE * WIDTH <= (end); c += TILE * WIDTH) {                                         \
      enum { VECTORS = TILE };                                                                     \
      width = TILE * WIDTH;                                                                        \
      call_tile;                                                                                   \
    }                                                                                              \
    for (; c < (end); c += WIDTH) {                                                                \
      enum { VECTORS = 1 };                                                                        \
      width = (end)-c < WIDTH ? (end)-c : WIDTH;                                                   \
      call_tile;                                                                                   \
    }                                                                                              \
  } while (0)

/* A part's columns: whole tiles but for the last. */
static Range column_range(int64_t channels, int part, int parts) {
  int64_t width = TILE * WIDTH;
  Range range = part_range((channels + width - 1) / width, part, parts);
  range.begin *= width;
  range.end = range.end * width < channels ? range.end * width : channels;
  return range;
}

KERNEL(batch_norm) {
  BatchNorm norm = {.size = channels_of(&call->in[0].shape),
                    .x = call->in[0].data,
                    .weight = call->inputs > 1 ? call->in[1].data : NULL,
                    .bias = call->inputs > 2 ? call->in[2].data : NULL,
                    .out = call->out.data,
                    .eps = call->attrs->at[0].number,
                    .call = call};
  if (norm.size.plane > 1) {
    batch_runs(&norm, part_range(norm.size.channels, part, parts));
    return;
  }
  Range range = column_range(norm.size.channels, part, parts);
  EACH_TILE(range.begin, range.end, batch_columns(&norm, c, width, VECTORS));
  if (!call->epilogue || range.end <= range.begin) return;
  for (int64_t row = 0; row < norm.size.n; row++)
    epilogue_apply(call->epilogue, norm.out + row * norm.size.channels + range.begin,
                   range.end - range.begin);
}

KERNEL(batch_norm_grad) {
  ChannelGrad grad = channel_grad(call);
  double eps = call->attrs->at[0].number;
  if (grad.size.plane > 1) {
    batch_runs_grad(&grad, eps, part_range(grad.size.channels, part, parts));
    return;
  }
  Range range = column_range(grad.size.channels, part, parts);
  EACH_TILE(range.begin, range.end, batch_columns_grad(&grad, eps, c, width, VECTORS));
}

/* ---- local response ---- */

enum { LOCAL_PIECE = 256 };

/* total[i] = the sum of `count` rows of f, `plane` apart */
#define SUM_ROWS(total, first, last, expression)                                                   \
  do {                                                                                             \
    for (int64_t i = 0; i < LOCAL_PIECE; i++) (total)[i] = 0;                                      \
    for (int64_t j = (first); j < (last); j++)                                                     \
      for (int64_t i = 0; i < count; i++) (total)[i] += (expression);                              \
  } while (0)

/* total = total^exponent, in whole vectors */
static void powers(real *total, int64_t count, real exponent) {
  for (int64_t i = count; i < LOCAL_PIECE; i++) total[i] = 1;
  for (int64_t i = 0; i < count; i += LANES)
#pragma omp simd
    for (int l = 0; l < LANES; l++) total[i + l] = R(pow)(total[i + l], exponent);
}

/* Channels [c - before, c + after] that there are. */
static Range around(int64_t c, int64_t before, int64_t after, int64_t channels) {
  return (Range){c > before ? c - before : 0, c + after < channels ? c + after + 1 : channels};
}

KERNEL(local_response_norm) {
  Channels size = channels_of(&call->in[0].shape);
  const Attr *at = call->attrs->at;
  int64_t window = (int64_t)at[0].number, plane = size.plane;
  real factor = (real)(at[1].number / at[0].number), k = (real)at[3].number;
  Range range = part_range(size.n * size.channels, part, parts);
  real total[LOCAL_PIECE];
  for (int64_t unit = range.begin; unit < range.end; unit++) {
    int64_t channel = unit % size.channels;
    Range near = around(channel, window / 2, (window - 1) / 2, size.channels);
    for (int64_t first = 0; first < plane; first += LOCAL_PIECE) {
      int64_t count = plane - first < LOCAL_PIECE ? plane - first : LOCAL_PIECE;
      const real *x = (const real *)call->in[0].data + unit * plane + first;
      SUM_ROWS(total, near.begin - channel, near.end - channel,
               x[j * plane + i] * x[j * plane + i]);
      for (int64_t i = 0; i < count; i++) total[i] = k + factor * total[i];
      if (call->more[0].data)
        memcpy((real *)call->more[0].data + unit * plane + first, total,
               (size_t)count * sizeof *total);
      powers(total, count, (real)-at[2].number);
      real *out = (real *)call->out.data + unit * plane + first;
      for (int64_t i = 0; i < count; i++) out[i] = x[i] * total[i];
    }
  }
}

KERNEL(local_response_norm_grad) {
  Channels size = channels_of(&call->in[0].shape);
  const Attr *at = call->attrs->at;
  int64_t window = (int64_t)at[0].number, plane = size.plane;
  real factor = (real)(2 * at[1].number * at[2].number / at[0].number);
  Range range = part_range(size.n * size.channels, part, parts);
  real total[LOCAL_PIECE], power[LOCAL_PIECE];
  for (int64_t unit = range.begin; unit < range.end; unit++) {
    int64_t channel = unit % size.channels;
    Range near = around(channel, (window - 1) / 2, window / 2, size.channels);
    for (int64_t first = 0; first < plane; first += LOCAL_PIECE) {
      int64_t count = plane - first < LOCAL_PIECE ? plane - first : LOCAL_PIECE;
      int64_t start = unit * plane + first;
      const real *g = (const real *)call->in[0].data + start, *x = (const real *)call->in[1].data;
      const real *y = (const real *)call->in[2].data + start;
      const real *s = (const real *)call->in[3].data + start;
      SUM_ROWS(total, near.begin - channel, near.end - channel,
               g[j * plane + i] * y[j * plane + i] / s[j * plane + i]);
      memcpy(power, s, (size_t)count * sizeof *power);
      powers(power, count, (real)-at[2].number);
      real *out = (real *)call->out.data + start;
      for (int64_t i = 0; i < count; i++)
        out[i] = g[i] * power[i] - factor * x[start + i] * total[i];
    }
  }
}
