/* group_norm and batch_norm: sets of whole channels, with weights by channel. A channel is a run of
 * memory in every row or, of (n, channels), a column. Parts own groups and channels, so that each
 * sum is made by one of them. */
#include "op/kernel/norm.h"

enum { MEAN = 2, SCALE, REST, WEIGHT }; /* inputs of the gradients after g and x */

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
  const real *w = arg_data(call, 1);
  const real *b = arg_data(call, 2);
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
                       .weight = arg_data(call, WEIGHT),
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
                    .weight = arg_data(call, 1),
                    .bias = arg_data(call, 2),
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
