/* Convolution: geometry, and how the kernels divide their work and memory (see conv.h). */
#include "op/conv.h"

#include "op/family.h"

#include <string.h>

/* ---- geometry ---- */

ConvShape conv_shape(const Shape *large, const Shape *small, const Shape *weight,
                     const Attrs *attrs) {
  ConvShape shape = {.batch = large->dims[0],
                     .groups = (int64_t)attrs->at[CONV_GROUPS].number,
                     .large = large->dims[1],
                     .small = small->dims[1],
                     .y = {1, 1, 1, 1, 1, 0}};
  int axes = large->ndim - 2;
  for (int i = 0; i < axes; i++) {
    ConvAxis *axis = i == axes - 1 ? &shape.x : &shape.y;
    *axis = (ConvAxis){.large = large->dims[2 + i],
                       .small = small->dims[2 + i],
                       .kernel = weight->dims[2 + i],
                       .stride = attrs->at[CONV_STRIDE].list[i],
                       .dilation = attrs->at[CONV_DILATION].list[i],
                       .before = attrs->at[CONV_PADDING].list[i]};
  }
  return shape;
}

int conv_phases(const ConvAxis *axis, bool transposed) {
  if (!transposed) return 1;
  return (int)(axis->stride < axis->large ? axis->stride : axis->large);
}

ConvPhase conv_phase(const ConvAxis *axis, bool transposed, int index) {
  if (!transposed) return (ConvPhase){0, 1, axis->small, axis->stride};
  return (ConvPhase){index, axis->stride, (axis->large - index + axis->stride - 1) / axis->stride,
                     1};
}

bool conv_tap(const ConvAxis *axis, bool transposed, int phase, int64_t tap, int64_t *offset) {
  if (!transposed) {
    *offset = tap * axis->dilation - axis->before;
    return true;
  }
  int64_t reach = phase + axis->before - (axis->kernel - 1 - tap) * axis->dilation;
  *offset = reach / axis->stride;
  return reach % axis->stride == 0;
}

/* The lowest and highest source position that output positions [0, rows) of all phases read; false
 * when they read none. */
static bool source_reach(const ConvAxis *axis, bool transposed, int64_t rows, int64_t *low,
                         int64_t *high) {
  bool any = false;
  for (int p = 0; p < conv_phases(axis, transposed); p++) {
    ConvPhase phase = conv_phase(axis, transposed, p);
    int64_t count = phase.count < rows ? phase.count : rows;
    for (int64_t t = 0; t < axis->kernel; t++) {
      int64_t offset;
      if (!conv_tap(axis, transposed, p, t, &offset)) continue;
      int64_t last = offset + (count - 1) * phase.source_step;
      *low = any && *low < offset ? *low : offset;
      *high = any && *high > last ? *high : last;
      any = true;
    }
  }
  return any;
}

static int64_t round_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

/* Copied rows of a band should stay in the first-level cache together with the weights of a tile,
 * or at least, as the weights of many channels do, well within the second. */
enum { BAND_BYTES = 96 * 1024 };

/* Pixels of results that are gathered before they are put in place. */
enum { STRIP = 128 };

ConvLayout conv_gather_layout(const ConvShape *shape, bool transposed, size_t element) {
  const ConvAxis *x = &shape->x, *y = &shape->y;
  int64_t in = transposed ? shape->small : shape->large;
  int64_t out = transposed ? shape->large : shape->small;
  int64_t source_width = transposed ? x->small : x->large;
  int64_t source_height = transposed ? y->small : y->large;
  int64_t low = 0, high = 0;
  source_reach(x, transposed, INT64_MAX, &low, &high);
  ConvLayout layout = {.left = low < 0 ? -low : 0};
  layout.width = layout.left + source_width;
  if (high >= source_width) layout.width += high - source_width + 1;
  int64_t row = layout.width * in;
  int64_t rows = transposed ? (y->large + y->stride - 1) / y->stride : y->small;
  for (layout.band_rows = rows;; layout.band_rows = (layout.band_rows + 1) / 2) {
    low = high = 0;
    source_reach(y, transposed, layout.band_rows, &low, &high);
    layout.source_rows = high - low + 1 < source_height ? high - low + 1 : source_height;
    if (layout.band_rows == 1 || layout.source_rows * row * (int64_t)element <= BAND_BYTES) break;
  }
  layout.bands = (rows + layout.band_rows - 1) / layout.band_rows;
  layout.source = round_up(layout.source_rows * row + 2 * CONV_BLOCK, CONV_BLOCK);
  int64_t per_group = round_up(out / shape->groups, CONV_BLOCK);
  int64_t depth = in / shape->groups * y->kernel * x->kernel;
  layout.weights = conv_depthwise(shape) ? round_up(out, CONV_BLOCK) * y->kernel * x->kernel
                                         : shape->groups * per_group * depth;
  int64_t result_width = transposed ? x->large : x->small;
  layout.strip_rows = result_width < STRIP ? STRIP / result_width : 1;
  layout.strip = layout.strip_rows * result_width * CONV_BLOCK;
  layout.bytes = (size_t)(layout.source + layout.weights + layout.strip) * element +
                 (size_t)(y->kernel + 1) * (size_t)(x->kernel + 1) * 4 * sizeof(int64_t) +
                 6 * TENSOR_ALIGN;
  layout.bytes = (size_t)round_up((int64_t)layout.bytes, TENSOR_ALIGN);
  return layout;
}

ConvGradLayout conv_grad_layout(const ConvShape *shape, size_t element) {
  const ConvAxis *x = &shape->x, *y = &shape->y;
  ConvGradLayout layout = {.left = x->before};
  int64_t reach = (x->small - 1) * x->stride + (x->kernel - 1) * x->dilation + 1;
  layout.width = reach > x->before + x->large ? reach : x->before + x->large;
  int64_t row = layout.width * shape->large;
  int64_t small = round_up(shape->small, CONV_BLOCK) + shape->groups * CONV_BLOCK;
  for (layout.band_rows = y->small;; layout.band_rows = (layout.band_rows + 1) / 2) {
    layout.large_rows = (layout.band_rows - 1) * y->stride + (y->kernel - 1) * y->dilation + 1;
    if (layout.large_rows > y->large) layout.large_rows = y->large;
    int64_t elements = layout.large_rows * row + layout.band_rows * x->small * small;
    if (layout.band_rows == 1 || elements * (int64_t)element <= 2 * BAND_BYTES) break;
  }
  layout.bands = (y->small + layout.band_rows - 1) / layout.band_rows;
  layout.large = round_up(layout.large_rows * row + 2 * CONV_BLOCK, CONV_BLOCK);
  layout.small = layout.band_rows * x->small * small + CONV_BLOCK;
  layout.sums = (small * (shape->large / shape->groups) + CONV_BLOCK) * y->kernel * x->kernel;
  layout.bytes = (size_t)(layout.large + layout.small + layout.sums) * element + 4 * TENSOR_ALIGN;
  layout.bytes = (size_t)round_up((int64_t)layout.bytes, TENSOR_ALIGN);
  return layout;
}

/* Measured: the transforms pay from here on. */
enum { WINOGRAD_CHANNELS = 12, WINOGRAD_TILES = 4, WINOGRAD_VALUES = 160 * 1024 };
enum { WINOGRAD_WEIGHTS = 320 * 1024 };

bool conv_is_winograd(const ConvShape *shape) {
  const ConvAxis *y = &shape->y, *x = &shape->x;
  return y->kernel == 3 && x->kernel == 3 && y->stride == 1 && x->stride == 1 && y->dilation == 1 &&
         x->dilation == 1 && shape->groups == 1 && shape->large >= WINOGRAD_CHANNELS &&
         shape->small >= WINOGRAD_CHANNELS && y->small >= WINOGRAD_TILES &&
         x->small >= WINOGRAD_TILES;
}

ConvWinograd conv_winograd_layout(const ConvShape *shape, bool transposed, bool weight_grad,
                                  size_t element) {
  int64_t height = transposed ? shape->y.large : shape->y.small;
  int64_t width = transposed ? shape->x.large : shape->x.small;
  int64_t in = round_up(transposed ? shape->small : shape->large, CONV_BLOCK);
  int64_t out = round_up(transposed ? shape->large : shape->small, CONV_BLOCK);
  ConvWinograd layout = {.columns = (width + 1) / 2, .rows = (height + 1) / 2, .images = 1};
  int64_t row_bytes = 16 * layout.columns * in * (int64_t)element;
  /* Weights that leave no room in the second-level cache are read once for many tiles, so that one
   * element's values and products fill it instead; else one block's weights serve all elements. */
  layout.by_element = 16 * in * out * (int64_t)element > WINOGRAD_WEIGHTS;
  if (layout.by_element) row_bytes = layout.columns * (in + out) * (int64_t)element;
  layout.bands = (layout.rows * row_bytes + WINOGRAD_VALUES - 1) / WINOGRAD_VALUES;
  if (layout.bands > layout.rows) layout.bands = layout.rows;
  layout.band_rows = (layout.rows + layout.bands - 1) / layout.bands;
  layout.bands = (layout.rows + layout.band_rows - 1) / layout.band_rows;
  if (layout.bands == 1) layout.images = WINOGRAD_VALUES / (layout.rows * row_bytes);
  if (layout.images > shape->batch) layout.images = shape->batch;
  if (layout.images < 1) layout.images = 1;
  layout.units = layout.bands > 1 ? shape->batch * layout.bands
                                  : (shape->batch + layout.images - 1) / layout.images;
  layout.tiles = layout.images * layout.band_rows * layout.columns;
  layout.source = (2 * layout.band_rows + 2) * (2 * layout.columns + 2) * in + CONV_BLOCK;
  layout.values = 16 * (layout.tiles * in + CONV_BLOCK);
  if (weight_grad) {
    layout.made = 16 * (layout.tiles * out + out);
    layout.sums = 16 * in * out;
    layout.strip = 2 * layout.band_rows * 2 * layout.columns * out;
  } else {
    layout.made = 16 * (layout.tiles + 1) * (layout.by_element ? out : CONV_BLOCK);
    layout.weights = 16 * in * out;
    layout.strip = 4 * layout.columns * CONV_BLOCK + 9 * in * CONV_BLOCK;
  }
  layout.bytes = (size_t)(layout.source + layout.values + layout.made + layout.weights +
                          layout.sums + layout.strip) *
                     element +
                 6 * TENSOR_ALIGN;
  layout.bytes = (size_t)round_up((int64_t)layout.bytes, TENSOR_ALIGN);
  return layout;
}

/* ---- scratch and parts ---- */

size_t scratch_conv(const OpShape *call) {
  ConvShape shape = conv_shape(call->shape[0], &call->out, call->shape[1], call->attrs);
  if (conv_is_winograd(&shape))
    return conv_winograd_layout(&shape, false, false, dtype_size(call->out_dtype)).bytes;
  return conv_gather_layout(&shape, false, dtype_size(call->out_dtype)).bytes;
}

size_t scratch_conv_transpose(const OpShape *call) {
  ConvShape shape = conv_shape(&call->out, call->shape[0], call->shape[1], call->attrs);
  if (conv_is_winograd(&shape))
    return conv_winograd_layout(&shape, true, false, dtype_size(call->out_dtype)).bytes;
  return conv_gather_layout(&shape, true, dtype_size(call->out_dtype)).bytes;
}

size_t scratch_conv_weight_grad(const OpShape *call) {
  Shape weight = conv_weight_shape(&call->out, call->attrs);
  ConvShape shape = conv_shape(call->shape[0], call->shape[1], &weight, call->attrs);
  if (conv_is_winograd(&shape))
    return conv_winograd_layout(&shape, false, true, dtype_size(call->out_dtype)).bytes;
  return conv_grad_layout(&shape, dtype_size(call->out_dtype)).bytes;
}

/* Multiply-adds of a convolution. */
static double products_of(const ConvShape *shape) {
  return (double)shape->batch * (double)shape->small * (double)shape->large /
         (double)shape->groups * (double)shape->y.small * (double)shape->x.small *
         (double)shape->y.kernel * (double)shape->x.kernel;
}

/* 25 microseconds of one core (see gemm_parts). */
static const double products_per_part = 1e6;

/* Parts of a gathering op, at most one a unit. Each prepares the weights for itself; but where that
 * is little, there are several for each thread, and a thread that was held up takes fewer. */
static int parts_for(const ConvShape *shape, int64_t units, int threads) {
  enum { FINER = 4, MOST_FINE = 16 };
  const double products_per_fine_part = 3e7;
  double products = products_of(shape);
  int parts = family_parts(products, products_per_part, units, threads);
  int most = FINER * threads < MOST_FINE ? FINER * threads : MOST_FINE;
  int fine = threads > 1 ? family_parts(products, products_per_fine_part, units, most) : 1;
  return fine > parts ? fine : parts;
}

/* Units of a gathering op. */
static int64_t units_of(const ConvShape *shape, bool transposed, size_t element) {
  if (conv_is_winograd(shape)) return conv_winograd_layout(shape, transposed, false, element).units;
  return shape->batch * conv_gather_layout(shape, transposed, element).bands;
}

int parts_conv(const OpCall *call, int threads) {
  ConvShape shape =
      conv_shape(&call->in[0].shape, &call->out.shape, &call->in[1].shape, call->attrs);
  return parts_for(&shape, units_of(&shape, false, dtype_size(call->out.dtype)), threads);
}

int parts_conv_transpose(const OpCall *call, int threads) {
  ConvShape shape =
      conv_shape(&call->out.shape, &call->in[0].shape, &call->in[1].shape, call->attrs);
  return parts_for(&shape, units_of(&shape, true, dtype_size(call->out.dtype)), threads);
}

/* ---- pieces of conv_weight_grad ---- */

int64_t conv_pieces(const ConvShape *shape) {
  enum { MOST = 8, PIXELS = 512 }; /* with fewer pixels to a weight its sums cost more than that */
  double most = products_of(shape) / (2 * products_per_part);
  double pixels = (double)shape->batch * (double)shape->y.small * (double)shape->x.small;
  if (most > pixels / PIXELS) most = pixels / PIXELS;
  if (most > (double)shape->batch) most = (double)shape->batch;
  return most < 2 ? 1 : most > MOST ? MOST : (int64_t)most;
}

ConvJobs conv_jobs(const Attrs *attrs, int parts) {
  ConvJobs jobs = {.pieces = (int64_t)attrs->at[CONV_PIECES].number, .slices = 1};
  if (parts > jobs.pieces) jobs.slices = parts / jobs.pieces;
  return jobs;
}

Shape conv_weight_shape(const Shape *out, const Attrs *attrs) {
  Shape weight = *out;
  if (attrs->at[CONV_PIECES].number == 1) return weight;
  weight.ndim--;
  memmove(weight.dims, weight.dims + 1, (size_t)weight.ndim * sizeof *weight.dims);
  return weight;
}

int parts_conv_weight_grad(const OpCall *call, int threads) {
  Shape weight = conv_weight_shape(&call->out.shape, call->attrs);
  ConvShape shape = conv_shape(&call->in[0].shape, &call->in[1].shape, &weight, call->attrs);
  int64_t blocks = (shape.small + CONV_BLOCK - 1) / CONV_BLOCK;
  ConvJobs jobs = conv_jobs(call->attrs, threads);
  if (threads == 1) return 1;
  if (jobs.slices > blocks) jobs.slices = blocks;
  int most = (int)(jobs.pieces * jobs.slices);
  return family_parts(products_of(&shape), products_per_part, most, most);
}
