/* layer_norm and rms_norm: rows of memory, with weights by element. Parts own rows; what is summed
 * over rows is owned by column, in blocks of rows that do not depend on the parts. */
#include "op/kernel/norm.h"

enum { TOGETHER = 8 }; /* rows in flight */

typedef struct Rows {
  int64_t rows, n;
} Rows;

static Rows rows_of(const OpCall *call, const Shape *shape) {
  Rows rows = {1, 1};
  int kept = shape->ndim - (int)call->attrs->at[0].number;
  for (int i = 0; i < shape->ndim; i++) *(i < kept ? &rows.rows : &rows.n) *= shape->dims[i];
  return rows;
}

/* A few rows step by step: what one waits for, the others do. `centred` is false for rms_norm. */
INLINE void normalise_rows(const OpCall *call, const Rows *rows, bool centred, int64_t row,
                           int64_t count) {
  int64_t n = rows->n;
  const real *x = (const real *)call->in[0].data + row * n;
  const real *w = arg_data(call, 1);
  const real *b = arg_data(call, 2);
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
                   .weight = arg_data(call, 5),
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
                   .weight = arg_data(call, 3),
                   .dx = call->out.data,
                   .dweight = call->more[0].data};
  gradient_rows(&grad, part, parts);
}
