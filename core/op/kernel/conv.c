/* conv and conv_transpose: every output pixel gathers the source pixels under the kernel.
 *
 * Both are the same sum with other offsets (see ConvPhase in op/conv.h). A tile of up to 6 pixels
 * of a row by two vectors of channels, or 14 by one, stays in registers while it runs over the
 * runs: a run is a stretch of the copied source that lies together, such as all channels under one
 * row of the kernel. Rows of zeros above and below the image are no runs. A pixel's bits do not
 * depend on the tile it is in. */
#include "op/kernel/conv_tile.h"

typedef struct Gather {
  const OpCall *call;
  ConvShape shape;
  ConvLayout layout;
  bool transposed, depthwise;
  int64_t in, out; /* channels of one group */
  int64_t pixel;   /* elements between pixels of the copied source */
  const ConvAxis *y, *x;
  int64_t source_height, source_width, height, width;
  real *source, *weights, *strip;
  Run *runs;
  int64_t first_row; /* of the source, in `source` */
} Gather;

/* ---- a row ---- */

/* A row of `count` pixels of one block into `strip` (count, vectors * VL). */
static void gather_row(const Gather *job, int64_t runs, int64_t count, int64_t step, int vectors) {
  GatherTile tile = {.runs = job->runs, .count = runs, .step = step, .out = job->strip};
  const GatherKernel *tiles = K(conv_gather_tiles)[vectors - 1];
  if (job->depthwise) tiles = K(conv_gather_lanes)[vectors - 1];
  int64_t pieces = pieces_of(count, job->depthwise ? CONV_LANE_ROWS : tile_most(vectors));
  for (int64_t i = 0, at = 0; i < pieces; i++) {
    int64_t rows = count * (i + 1) / pieces - at;
    tiles[rows - 1](&tile);
    tile.skip += rows * step;
    tile.out += rows * vectors * VL;
    at += rows;
  }
}

/* ---- weights ---- */

/* The weight between output channel `out` and input channel `in` of a group, at a tap. */
static real weight_at(const Gather *job, int64_t group, int64_t out, int64_t in, int64_t ty,
                      int64_t tx) {
  const real *weight = job->call->in[1].data;
  int64_t kh = job->y->kernel, kw = job->x->kernel;
  if (job->transposed) {
    ty = kh - 1 - ty;
    tx = kw - 1 - tx;
    return weight[(((group * job->in + in) * job->out + out) * kh + ty) * kw + tx];
  }
  return weight[(((group * job->out + out) * job->in + in) * kh + ty) * kw + tx];
}

/* By group and block: (taps, channels in, block). Depthwise: by block (taps, block). */
static void pack_weights(Gather *job) {
  real *to = job->weights;
  int64_t taps = job->y->kernel * job->x->kernel;
  int64_t groups = job->depthwise ? 1 : job->shape.groups;
  int64_t out = job->depthwise ? job->shape.groups : job->out;
  for (int64_t group = 0; group < groups; group++)
    for (int64_t block = 0; block < out; block += 2 * VL) {
      int64_t width = block_width(out - block);
      for (int64_t t = 0; t < taps; t++)
        for (int64_t c = 0; c < job->in; c++, to += width)
          for (int64_t k = 0; k < width; k++) {
            int64_t ty = t / job->x->kernel, tx = t % job->x->kernel, o = block + k;
            to[k] = o >= out         ? 0
                    : job->depthwise ? weight_at(job, o, 0, 0, ty, tx)
                                     : weight_at(job, group, o, c, ty, tx);
          }
    }
}

/* ---- bands ---- */

/* Copy the source rows that rows [begin, end) of all phases read. */
static void copy_band(Gather *job, int64_t image, int64_t begin, int64_t end) {
  int64_t low = job->source_height, high = -1;
  for (int p = 0; p < conv_phases(job->y, job->transposed); p++) {
    ConvPhase phase = conv_phase(job->y, job->transposed, p);
    int64_t last = (end < phase.count ? end : phase.count) - 1;
    for (int64_t t = 0; last >= begin && t < job->y->kernel; t++) {
      int64_t offset;
      if (!conv_tap(job->y, job->transposed, p, t, &offset)) continue;
      if (begin * phase.source_step + offset < low) low = begin * phase.source_step + offset;
      if (last * phase.source_step + offset > high) high = last * phase.source_step + offset;
    }
  }
  if (low < 0) low = 0;
  if (high >= job->source_height) high = job->source_height - 1;
  job->first_row = low;
  int64_t channels = job->pixel, plane = job->source_height * job->source_width;
  int64_t left = job->layout.left * channels, inner = job->source_width * channels;
  int64_t row = job->layout.width * channels;
  BandCopy copy = {.plane = plane,
                   .from_row = job->source_width,
                   .to = job->source + left,
                   .pixel = channels,
                   .to_row = row,
                   .channels = channels,
                   .rows = high - low + 1,
                   .width = job->source_width};
  copy.from =
      (const real *)job->call->in[0].data + image * channels * plane + low * job->source_width;
  K(conv_copy_band)(&copy);
  for (real *to = job->source; to < job->source + copy.rows * row; to += row) {
    memset(to, 0, (size_t)left * sizeof *to);
    memset(to + left + inner, 0, (size_t)(row - left - inner) * sizeof *to);
  }
}

/* The runs of output row i of a phase, for the weights of one block; returns how many. */
static int64_t find_runs(const Gather *job, int py, int px, int64_t i, const real *weights,
                         int64_t width, int64_t channel) {
  ConvPhase phase = conv_phase(job->y, job->transposed, py);
  int64_t row = job->layout.width * job->pixel, count = 0, at, offset;
  for (int64_t ty = 0; ty < job->y->kernel; ty++) {
    if (!conv_tap(job->y, job->transposed, py, ty, &at)) continue;
    int64_t y = i * phase.source_step + at;
    if (y < 0 || y >= job->source_height) continue;
    for (int64_t tx = 0; tx < job->x->kernel; tx++) {
      if (!conv_tap(job->x, job->transposed, px, tx, &offset)) continue;
      Run run = {.source = job->source + (y - job->first_row) * row +
                           (job->layout.left + offset) * job->pixel + channel,
                 .weights = weights + (ty * job->x->kernel + tx) * job->in * width,
                 .length = job->in};
      Run *last = count ? &job->runs[count - 1] : NULL;
      if (last && !job->depthwise && last->source + last->length == run.source &&
          last->weights + last->length * width == run.weights)
        last->length += run.length;
      else
        job->runs[count++] = run;
    }
  }
  return count;
}

/* One block of output channels over a band: rows [begin, end) of every phase. */
static void gather_block(Gather *job, real *out, const real *bias, const real *weights,
                         int64_t channels, int64_t channel, int64_t begin, int64_t end) {
  int64_t width = block_width(channels), plane = job->height * job->width;
  if (channels > width) channels = width;
  for (int py = 0; py < conv_phases(job->y, job->transposed); py++)
    for (int px = 0; px < conv_phases(job->x, job->transposed); px++) {
      ConvPhase y = conv_phase(job->y, job->transposed, py);
      ConvPhase x = conv_phase(job->x, job->transposed, px);
      for (int64_t i = begin; i < end && i < y.count; i++) {
        int64_t runs = find_runs(job, py, px, i, weights, width, channel);
        gather_row(job, runs, x.count, x.source_step * job->pixel, (int)(width / VL));
        scatter_row(out + (y.first + i * y.step) * job->width + x.first, plane, x.step, job->strip,
                    width, x.count, channels, bias);
      }
    }
}

static void gather_unit(Gather *job, int64_t unit) {
  const OpCall *call = job->call;
  int64_t image = unit / job->layout.bands, band = unit % job->layout.bands;
  int64_t begin = band * job->layout.band_rows, end = begin + job->layout.band_rows;
  int64_t plane = job->height * job->width, taps = job->y->kernel * job->x->kernel;
  int64_t groups = job->depthwise ? 1 : job->shape.groups;
  int64_t count = job->depthwise ? job->shape.groups : job->out;
  real *out = (real *)call->out.data + image * groups * count * plane;
  const real *bias = call->inputs > 2 ? call->in[2].data : NULL, *weights = job->weights;
  copy_band(job, image, begin, end);
  for (int64_t group = 0; group < groups; group++)
    for (int64_t o = 0; o < count; o += 2 * VL) {
      int64_t channel = group * count + o;
      gather_block(job, out + channel * plane, bias ? bias + channel : NULL, weights, count - o,
                   job->depthwise ? o : group * job->in, begin, end);
      weights += block_width(count - o) * taps * job->in;
    }
  if (!call->epilogue) return;
  int64_t step = job->transposed ? job->y->stride : 1;
  int64_t first = begin * step, last = end * step < job->height ? end * step : job->height;
  for (int64_t o = 0; o < groups * count && first < last; o++)
    epilogue_apply(call->epilogue, out + o * plane + first * job->width,
                   (last - first) * job->width);
}

static void gather(const OpCall *call, bool transposed, int part, int parts) {
  Gather job = {.call = call, .transposed = transposed};
  const Shape *in = &call->in[0].shape, *out = &call->out.shape;
  job.shape =
      conv_shape(transposed ? out : in, transposed ? in : out, &call->in[1].shape, call->attrs);
  if (conv_is_winograd(&job.shape)) {
    K(conv_winograd)(call, &job.shape, transposed, part, parts);
    return;
  }
  job.layout = conv_gather_layout(&job.shape, transposed, sizeof(real));
  job.depthwise = conv_depthwise(&job.shape);
  job.y = &job.shape.y, job.x = &job.shape.x;
  job.pixel = in->dims[1];
  job.in = job.pixel / job.shape.groups;
  job.out = out->dims[1] / job.shape.groups;
  job.source_height = transposed ? job.y->small : job.y->large;
  job.source_width = transposed ? job.x->small : job.x->large;
  job.height = transposed ? job.y->large : job.y->small;
  job.width = transposed ? job.x->large : job.x->small;
  Range range = part_range(job.shape.batch * job.layout.bands, part, parts);
  if (range.begin == range.end) return;
  char *scratch = (char *)call->scratch + (size_t)part * job.layout.bytes;
  job.source = take_scratch(&scratch, (size_t)job.layout.source * sizeof(real));
  job.weights = take_scratch(&scratch, (size_t)job.layout.weights * sizeof(real));
  job.strip = take_scratch(&scratch, (size_t)job.layout.strip * sizeof(real));
  job.runs = take_scratch(&scratch, (size_t)job.layout.taps * sizeof(Run));
  pack_weights(&job);
  for (int64_t unit = range.begin; unit < range.end; unit++) gather_unit(&job, unit);
}

KERNEL(conv) { gather(call, false, part, parts); }
KERNEL(conv_transpose) { gather(call, true, part, parts); }
