/* conv_weight_grad: the gradient of a convolution in its weights, and of its bias.
 *
 *   sums[ky][kx][c][o] = sum over images, rows and columns of large[c][i + k] small[o][i]
 *
 * A tile holds the sums of up to 6 neighbouring elements of the large side (of one row of the
 * kernel, kx and c together) by two vectors of small channels, or 14 by one, and runs over the
 * pixels of a band, which both sides have copied with channels last. A job goes through the images
 * of its piece in their order, so the bits do not depend on the number of parts. */
#include "op/kernel/conv_tile.h"

typedef struct Plain {
  const WeightJob *of;
  const ConvShape *shape;
  ConvGradLayout layout;
  const ConvAxis *y, *x;
  bool depthwise;
  int64_t in, out;         /* large channels of a group, and small ones (depthwise: 1, and all) */
  int64_t first, channels; /* small channels of the slice ... */
  int64_t first_in, pixel; /* ... and the large ones they need, and how many */
  int64_t line;            /* elements of a small pixel in the copy: its blocks in whole vectors */
  real *large, *small, *sums;
  int64_t first_row; /* of the large side, in `large` */
} Plain;

/* ---- a band ---- */

/* Copy what rows [begin, end) of the small side read of the large one. */
static void copy_large(Plain *job, int64_t image, int64_t begin, int64_t end) {
  int64_t plane = job->y->large * job->x->large, pixel = job->pixel;
  int64_t low = begin * job->y->stride - job->y->before;
  int64_t high =
      (end - 1) * job->y->stride - job->y->before + (job->y->kernel - 1) * job->y->dilation;
  if (low < 0) low = 0;
  if (high >= job->y->large) high = job->y->large - 1;
  job->first_row = low;
  int64_t left = job->layout.left * pixel;
  int64_t row = job->layout.width * pixel;
  BandCopy copy = {.plane = plane,
                   .from_row = job->x->large,
                   .to = job->large + left,
                   .pixel = pixel,
                   .to_row = row,
                   .channels = pixel,
                   .rows = high - low + 1,
                   .width = job->x->large};
  copy.from = (const real *)job->of->call->in[0].data +
              (image * job->shape->large + job->first_in) * plane + low * job->x->large;
  K(conv_copy_band)(&copy);
}

/* Rows [begin, end) of the job's channels on the small side, each group in whole vectors. */
static void copy_small(Plain *job, int64_t image, int64_t begin, int64_t end) {
  int64_t plane = job->y->small * job->x->small;
  const real *from = (const real *)job->of->call->in[1].data +
                     (image * job->shape->small + job->first) * plane + begin * job->x->small;
  BandCopy copy = {.plane = plane,
                   .to = job->small,
                   .pixel = job->line,
                   .rows = 1,
                   .width = (end - begin) * job->x->small};
  for (int64_t c = 0; c < job->channels; c += copy.channels) {
    copy.channels = job->out - (job->first + c) % job->out;
    if (copy.channels > job->channels - c) copy.channels = job->channels - c;
    copy.from = from + c * plane;
    K(conv_copy_band)(&copy);
    copy.to += padded(copy.channels);
  }
}

/* One block of small channels, `small` and `sums` being its own, over a band. */
static void add_block(const Plain *job, const real *small, real *sums, int64_t channel, int vectors,
                      int64_t begin, int64_t end) {
  WeightTile tile = {.large_pixel = job->x->stride * job->pixel,
                     .small_line = job->x->small * job->line,
                     .small_pixel = job->line,
                     .pixels = job->x->small};
  int64_t row = job->layout.width * job->pixel, stride = job->y->stride;
  int64_t kw = job->x->kernel, in = job->in;
  bool joined = !job->depthwise && job->x->dilation == 1 && job->shape->groups == 1;
  int64_t runs = joined ? 1 : kw, length = joined ? kw * in : in;
  if (job->depthwise) runs = 1, length = kw;
  int64_t pieces = pieces_of(length, job->depthwise ? CONV_LANE_ROWS : tile_most(vectors));
  const WeightKernel *tiles = K(conv_weight_tiles)[vectors - 1];
  if (job->depthwise) tiles = K(conv_weight_lanes)[vectors - 1];
  tile.large_row = job->x->dilation * job->pixel;
  tile.large_line = stride * row;
  for (int64_t ky = 0; ky < job->y->kernel; ky++) {
    int64_t shift = ky * job->y->dilation - job->y->before;
    int64_t i = begin, last = end;
    while (i < last && i * stride + shift < 0) i++;
    while (i < last && (last - 1) * stride + shift >= job->y->large) last--;
    tile.lines = last - i;
    if (tile.lines == 0) continue;
    tile.small = small + (i - begin) * tile.small_line;
    for (int64_t run = 0; run < runs; run++) {
      const real *large = job->large + (i * stride + shift - job->first_row) * row + channel +
                          (joined ? 0 : run * job->x->dilation * job->pixel);
      real *to = sums + (ky * kw + run) * in * vectors * VL;
      for (int64_t piece = 0, at = 0; piece < pieces; piece++) {
        int64_t rows = length * (piece + 1) / pieces - at;
        tile.large = large + (job->depthwise ? at * tile.large_row : at);
        tile.sums = to + at * vectors * VL;
        tiles[rows - 1](&tile);
        at += rows;
      }
    }
  }
}

/* ---- blocks ---- */

typedef struct Block {
  int64_t channel, count; /* small channels: the first and how many */
  int64_t group;
  int vectors;
  real *small, *sums;
} Block;

/* The block that begins at small channel c; its buffers follow those of the one before. */
static Block block_at(const Plain *job, int64_t c, const Block *before) {
  int64_t group = c / job->out, rest = (group + 1) * job->out - c;
  int64_t depth = job->y->kernel * job->x->kernel * job->in;
  Block block = {.channel = c, .group = group, .vectors = block_vectors(rest)};
  int64_t width = block.vectors * VL;
  block.count = rest < width ? rest : width;
  block.small = before ? before->small + before->vectors * VL : job->small;
  block.sums = before ? before->sums + before->vectors * VL * depth : job->sums;
  return block;
}

static int64_t next_block(const Plain *job, int64_t c) {
  Block block = block_at(job, c, NULL);
  return c + block.count;
}

/* sums[tap][c][o] to out[o][c][tap] */
static void store_block(const Plain *job, const Block *block) {
  int64_t taps = job->y->kernel * job->x->kernel, in = job->in;
  int64_t width = block->vectors * VL;
  real *out = job->of->weight + block->channel * in * taps;
  for (int64_t k = 0; k < block->count; k++)
    for (int64_t c = 0; c < in; c++, out += taps)
      for (int64_t t = 0; t < taps; t++) out[t] = block->sums[(t * in + c) * width + k];
}

/* Sums of the small side over pixels, for the gradient of the bias: after the sums of the block. */
static void add_bias(const Block *block, real *bias, int64_t line, int64_t pixels) {
  for (int v = 0; v < block->vectors; v++) {
    Vec even = {0}, odd = {0};
    const real *g = block->small + v * VL;
    for (int64_t p = 0; p + 1 < pixels; p += 2) {
      even += vec_load(g + p * line);
      odd += vec_load(g + (p + 1) * line);
    }
    if (pixels % 2) even += vec_load(g + (pixels - 1) * line);
    even += odd;
    for (int64_t k = 0; k < VL && v * VL + k < block->count; k++)
      bias[block->channel + v * VL + k] += even[k];
  }
}

/* The job's small channels: whole blocks, so that slices share no vector. */
static void choose_channels(Plain *job, int slice, int slices) {
  int64_t blocks = 0, c = 0;
  for (; c < job->shape->small; c = next_block(job, c)) blocks++;
  Range range = part_range(blocks, slice, slices);
  int64_t index = 0;
  for (c = 0; index < range.begin; index++) c = next_block(job, c);
  job->first = c;
  job->line = 0;
  for (; index < range.end; index++) {
    job->line += block_at(job, c, NULL).vectors * VL;
    c = next_block(job, c);
  }
  job->channels = c - job->first;
  if (job->channels == 0) return;
  int64_t first = job->first / job->out, last = (c - 1) / job->out;
  job->first_in = job->depthwise ? job->first : first * job->in;
  job->pixel = job->depthwise ? job->channels : (last - first + 1) * job->in;
}

static void run_images(Plain *job) {
  int64_t depth = job->y->kernel * job->x->kernel * job->in;
  int64_t end = job->first + job->channels;
  int64_t bands = job->layout.bands;
  Range images = part_range(job->shape->batch, job->of->piece, job->of->pieces);
  real *bias = job->of->bias;
  memset(job->sums, 0, (size_t)(job->line * depth) * sizeof(real));
  if (bias) memset(bias + job->first, 0, (size_t)job->channels * sizeof(real));
  for (int64_t unit = images.begin * bands; unit < images.end * bands; unit++) {
    int64_t begin = unit % bands * job->layout.band_rows;
    int64_t stop = begin + job->layout.band_rows;
    if (stop > job->y->small) stop = job->y->small;
    copy_large(job, unit / bands, begin, stop);
    copy_small(job, unit / bands, begin, stop);
    Block block = block_at(job, job->first, NULL);
    for (;;) {
      int64_t channel =
          job->depthwise ? block.channel - job->first : block.group * job->in - job->first_in;
      add_block(job, block.small, block.sums, channel, block.vectors, begin, stop);
      if (bias) add_bias(&block, bias, job->line, (stop - begin) * job->x->small);
      if (block.channel + block.count >= end) break;
      block = block_at(job, block.channel + block.count, &block);
    }
  }
  for (Block block = block_at(job, job->first, NULL);;) {
    store_block(job, &block);
    if (block.channel + block.count >= end) break;
    block = block_at(job, block.channel + block.count, &block);
  }
}

static void run_plain(const WeightJob *of) {
  const ConvShape *shape = of->shape;
  Plain job = {.of = of, .shape = shape, .y = &shape->y, .x = &shape->x};
  job.layout = conv_grad_layout(shape, sizeof(real));
  job.depthwise = conv_depthwise(shape);
  job.in = shape->large / shape->groups;
  job.out = job.depthwise ? shape->small : shape->small / shape->groups;
  choose_channels(&job, of->slice, of->slices);
  if (job.channels == 0) return;
  char *scratch = of->scratch;
  job.large = take_scratch(&scratch, (size_t)job.layout.large * sizeof(real));
  job.small = take_scratch(&scratch, (size_t)job.layout.small * sizeof(real));
  job.sums = take_scratch(&scratch, (size_t)job.layout.sums * sizeof(real));
  memset(job.large, 0, (size_t)job.layout.large * sizeof(real)); /* beside rows it stays */
  run_images(&job);
}

KERNEL(conv_weight_grad) {
  Shape weight = conv_weight_shape(&call->out.shape, call->attrs);
  ConvShape shape = conv_shape(&call->in[0].shape, &call->in[1].shape, &weight, call->attrs);
  bool winograd = conv_is_winograd(&shape);
  ConvJobs jobs = conv_jobs(call->attrs, parts);
  Range range = part_range(jobs.pieces * jobs.slices, part, parts);
  size_t bytes = winograd ? conv_winograd_layout(&shape, false, true, sizeof(real)).bytes
                          : conv_grad_layout(&shape, sizeof(real)).bytes;
  WeightJob job = {.call = call,
                   .shape = &shape,
                   .pieces = (int)jobs.pieces,
                   .slices = (int)jobs.slices,
                   .scratch = (char *)call->scratch + (size_t)part * bytes};
  for (int64_t i = range.begin; i < range.end; i++) {
    job.piece = (int)(i / jobs.slices), job.slice = (int)(i % jobs.slices);
    job.weight = (real *)call->out.data + job.piece * shape_count(&weight);
    job.bias = call->more[0].data;
    if (job.bias) job.bias += job.piece * shape.small;
    if (winograd)
      K(conv_winograd_weight)(&job);
    else
      run_plain(&job);
  }
}
