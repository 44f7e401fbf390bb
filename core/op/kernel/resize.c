/* Resizing by nearest or linear interpolation: where elements come from is found once a call, for
 * each axis. Parts are ranges of planes. */
#include "op/resize.h"
#include "op/kernel/family.h"

/* The planes of a call: x is what is resized, y the result. */
typedef struct Resize {
  int64_t planes, height, width, to_height, to_width;
  ResizeTap *rows, *columns;
  bool linear;
} Resize;

/* PyTorch's coordinates: with a factor, `scale` is one over it, whatever the sizes are. */
static void find_taps(const Attr *at, int64_t in, int64_t out, ResizeTap *taps) {
  double factor = at[RESIZE_FACTOR].number;
  bool corners = at[RESIZE_CORNERS].number != 0, linear = at[RESIZE_LINEAR].number != 0;
  double scale = factor != 0 ? 1 / factor : (double)in / (double)out;
  if (linear && corners) scale = out > 1 ? (double)(in - 1) / (double)(out - 1) : 0;
  for (int64_t i = 0; i < out; i++) {
    double from = (double)i * scale;
    if (linear && !corners) from = ((double)i + 0.5) * scale - 0.5;
    if (from < 0) from = 0;
    int64_t low = (int64_t)from < in ? (int64_t)from : in - 1;
    taps[i] = (ResizeTap){low, low, 0};
    if (!linear) continue;
    taps[i].high = low + 1 < in ? low + 1 : low;
    taps[i].share = from - (double)low;
  }
}

static Resize resize_make(const OpCall *call, const Shape *x, const Shape *y, int part) {
  bool flat = x->ndim == 3;
  int last = x->ndim - 1;
  Resize resize = {.planes = x->dims[0] * x->dims[1],
                   .height = flat ? 1 : x->dims[2],
                   .width = x->dims[last],
                   .to_height = flat ? 1 : y->dims[2],
                   .to_width = y->dims[last],
                   .linear = call->attrs->at[RESIZE_LINEAR].number != 0};
  int64_t taps = resize.to_width + (flat ? 0 : resize.to_height) + 1;
  resize.rows = (ResizeTap *)call->scratch + part * taps;
  resize.columns = resize.rows + (flat ? 1 : resize.to_height);
  resize.rows[0] = (ResizeTap){0, 0, 0};
  if (!flat) find_taps(call->attrs->at, resize.height, resize.to_height, resize.rows);
  find_taps(call->attrs->at, resize.width, resize.to_width, resize.columns);
  return resize;
}

static void resize_plane(const Resize *resize, const real *x, real *y) {
  for (int64_t i = 0; i < resize->to_height; i++, y += resize->to_width) {
    const ResizeTap *row = &resize->rows[i], *columns = resize->columns;
    const real *low = x + row->low * resize->width, *high = x + row->high * resize->width;
    if (!resize->linear) {
      for (int64_t j = 0; j < resize->to_width; j++) y[j] = low[columns[j].low];
      continue;
    }
    real below = (real)row->share, above = 1 - below;
    for (int64_t j = 0; j < resize->to_width; j++) {
      real right = (real)columns[j].share, left = 1 - right;
      y[j] = above * (left * low[columns[j].low] + right * low[columns[j].high]) +
             below * (left * high[columns[j].low] + right * high[columns[j].high]);
    }
  }
}

static void resize_plane_grad(const Resize *resize, const real *g, real *dx) {
  memset(dx, 0, (size_t)(resize->height * resize->width) * sizeof *dx);
  for (int64_t i = 0; i < resize->to_height; i++, g += resize->to_width) {
    const ResizeTap *row = &resize->rows[i], *columns = resize->columns;
    real *low = dx + row->low * resize->width, *high = dx + row->high * resize->width;
    if (!resize->linear) {
      for (int64_t j = 0; j < resize->to_width; j++) low[columns[j].low] += g[j];
      continue;
    }
    real below = (real)row->share, above = 1 - below;
    for (int64_t j = 0; j < resize->to_width; j++) {
      real right = (real)columns[j].share, left = 1 - right;
      low[columns[j].low] += above * left * g[j];
      low[columns[j].high] += above * right * g[j];
      high[columns[j].low] += below * left * g[j];
      high[columns[j].high] += below * right * g[j];
    }
  }
}

KERNEL(interpolate) {
  Resize resize = resize_make(call, &call->in[0].shape, &call->out.shape, part);
  int64_t from = resize.height * resize.width, to = resize.to_height * resize.to_width;
  Range range = part_range(resize.planes, part, parts);
  for (int64_t plane = range.begin; plane < range.end; plane++)
    resize_plane(&resize, (const real *)call->in[0].data + plane * from,
                 (real *)call->out.data + plane * to);
}

KERNEL(interpolate_grad) {
  Resize resize = resize_make(call, &call->out.shape, &call->in[0].shape, part);
  int64_t from = resize.height * resize.width, to = resize.to_height * resize.to_width;
  Range range = part_range(resize.planes, part, parts);
  for (int64_t plane = range.begin; plane < range.end; plane++)
    resize_plane_grad(&resize, (const real *)call->in[0].data + plane * to,
                      (real *)call->out.data + plane * from);
}
