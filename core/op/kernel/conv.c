/* conv and conv_transpose: every output pixel gathers the source pixels under the kernel.
 *
 * Both are the same sum with other offsets (see ConvPhase in op/conv.h). A tile of up to 6 pixels
 * of a row by two vectors of channels, or 14 by one, stays in registers while it runs over the
 * runs: a run is a stretch of the copied source that lies together, such as all channels under one
 * row of the kernel. Rows of zeros above and below the image are no runs. A pixel's bits do not
 * depend on the tile it is in. */
#include "op/kernel/conv_tile.h"

/* Taps of one phase along an axis: down, one each; across, as many as lie together. */
typedef struct Stretch {
  int64_t offset;       /* of the source: rows down, elements across */
  int64_t line, length; /* lines of weights before it, and its own */
} Stretch;

typedef struct Gather {
  const OpCall *call;
  ConvShape shape;
  ConvLayout layout;
  bool transposed, depthwise;
  int64_t groups;  /* depthwise: one, whose blocks each read channels of their own */
  int64_t in, out; /* channels that one output reads; outputs of one group */
  int64_t pixel;   /* elements between pixels of the copied source */
  const ConvAxis *y, *x;
  int64_t source_height, source_width, height, width;
  real *source, *weights, *strip;
  Run *runs;
  Stretch *down, *across; /* of the phase at hand */
  int64_t downs, acrosses;
  int64_t first_row; /* of the source, in `source` */
} Gather;

/* ---- a row ---- */

/* How the rows of a phase and block are made: in pieces of `least` pixels or, the first ones, one
 * more. */
typedef struct Row {
  const GatherKernel *tiles;
  int64_t pieces, least, larger;
  int64_t step;  /* from pixel to pixel of the source */
  int64_t width; /* of the block */
  int64_t runs;
} Row;

static Row row_of(const Gather *job, const ConvPhase *x, int64_t width) {
  int vectors = (int)(width / VL);
  Row row = {.tiles = K(conv_gather_tiles)[vectors - 1],
             .step = x->source_step * job->pixel,
             .width = width};
  if (job->depthwise) row.tiles = K(conv_gather_lanes)[vectors - 1];
  row.pieces = pieces_of(x->count, job->depthwise ? CONV_LANE_ROWS : tile_most(vectors));
  row.least = x->count / row.pieces;
  row.larger = x->count % row.pieces;
  return row;
}

/* A row of pixels of one block into strip (count, vectors * VL); the runs are `skip` elements
 * before those of the row. */
static void gather_row(const Gather *job, const Row *row, real *strip, int64_t skip) {
  GatherTile tile = {
      .runs = job->runs, .count = row->runs, .skip = skip, .step = row->step, .out = strip};
  for (int64_t i = 0; i < row->pieces; i++) {
    int64_t pixels = row->least + (i < row->larger);
    row->tiles[pixels - 1](&tile);
    tile.skip += pixels * row->step;
    tile.out += pixels * row->width;
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

/* By group and block: (taps, channels in, block). */
static void pack_weights(Gather *job) {
  real *to = job->weights;
  int64_t taps = job->y->kernel * job->x->kernel;
  for (int64_t group = 0; group < job->groups; group++)
    for (int64_t block = 0; block < job->out; block += 2 * VL) {
      int64_t width = block_width(job->out - block);
      for (int64_t t = 0; t < taps; t++)
        for (int64_t c = 0; c < job->in; c++, to += width)
          for (int64_t k = 0; k < width; k++) {
            int64_t ty = t / job->x->kernel, tx = t % job->x->kernel, o = block + k;
            to[k] = o < job->out ? weight_at(job, group, o, c, ty, tx) : 0;
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
  int64_t left = job->layout.left * channels, row = job->layout.width * channels;
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
}

/* ---- blocks of output channels ---- */

/* Fill job->down and job->across for a phase. */
static void find_taps(Gather *job, int py, int px) {
  int64_t kw = job->x->kernel, offset;
  job->downs = job->acrosses = 0;
  for (int64_t t = 0; t < job->y->kernel; t++)
    if (conv_tap(job->y, job->transposed, py, t, &offset))
      job->down[job->downs++] = (Stretch){offset, t * kw * job->in, 0};
  for (int64_t t = 0; t < kw; t++) {
    if (!conv_tap(job->x, job->transposed, px, t, &offset)) continue;
    Stretch next = {(job->layout.left + offset) * job->pixel, t * job->in, job->in};
    Stretch *last = job->acrosses ? &job->across[job->acrosses - 1] : NULL;
    if (last && !job->depthwise && last->offset + last->length == next.offset &&
        last->line + last->length == next.line)
      last->length += next.length;
    else
      job->across[job->acrosses++] = next;
  }
}

/* The runs of the output row that reads source row `row` at offset 0; returns how many. */
static int64_t find_runs(const Gather *job, int64_t row, const real *weights, int64_t width,
                         int64_t channel) {
  Run *run = job->runs;
  for (int64_t t = 0; t < job->downs; t++) {
    int64_t y = row + job->down[t].offset;
    if (y < 0 || y >= job->source_height) continue;
    const real *source =
        job->source + (y - job->first_row) * job->layout.width * job->pixel + channel;
    for (int64_t k = 0; k < job->acrosses; k++) {
      const Stretch *stretch = &job->across[k];
      *run++ = (Run){source + stretch->offset,
                     weights + (job->down[t].line + stretch->line) * width, stretch->length};
    }
  }
  return run - job->runs;
}

/* Is all under the kernel inside the image, up and down? */
static bool reads_all(const Gather *job, int64_t row) {
  return job->downs > 0 && row + job->down[0].offset >= 0 &&
         row + job->down[job->downs - 1].offset < job->source_height;
}

typedef struct Target {
  real *out; /* of the block's first channel */
  const real *bias, *weights;
  int64_t channels; /* from this block on */
  int64_t channel;  /* the source's first */
} Target;

/* One block of output channels over a band: rows [begin, end) of every phase. Rows that lie
 * together are scattered together. */
static void gather_block(Gather *job, const Target *target, int64_t begin, int64_t end) {
  int64_t width = block_width(target->channels), plane = job->height * job->width;
  int64_t channels = target->channels < width ? target->channels : width;
  for (int py = 0; py < conv_phases(job->y, job->transposed); py++)
    for (int px = 0; px < conv_phases(job->x, job->transposed); px++) {
      ConvPhase y = conv_phase(job->y, job->transposed, py);
      ConvPhase x = conv_phase(job->x, job->transposed, px);
      int64_t last = end < y.count ? end : y.count;
      int64_t together = x.step == 1 && y.step == 1 ? job->layout.strip_rows : 1;
      int64_t step = y.source_step * job->layout.width * job->pixel, inner = -1;
      Row row = row_of(job, &x, width);
      find_taps(job, py, px);
      for (int64_t i = begin; i < last; i += together) {
        int64_t rows = last - i < together ? last - i : together;
        for (int64_t k = 0; k < rows; k++) {
          /* between rows that read all taps, only the place differs */
          bool all = reads_all(job, (i + k) * y.source_step);
          if (!all || inner < 0) {
            row.runs =
                find_runs(job, (i + k) * y.source_step, target->weights, width, target->channel);
            inner = all ? i + k : -1;
          }
          gather_row(job, &row, job->strip + k * x.count * width, all ? (i + k - inner) * step : 0);
        }
        scatter_row(target->out + (y.first + i * y.step) * job->width + x.first, plane, x.step,
                    job->strip, width, rows * x.count, channels, target->bias);
      }
    }
}

static void gather_unit(Gather *job, int64_t unit) {
  const OpCall *call = job->call;
  int64_t image = unit / job->layout.bands, band = unit % job->layout.bands;
  int64_t begin = band * job->layout.band_rows, end = begin + job->layout.band_rows;
  int64_t plane = job->height * job->width, taps = job->y->kernel * job->x->kernel;
  int64_t groups = job->groups, count = job->out;
  real *out = (real *)call->out.data + image * groups * count * plane;
  const real *bias = arg_data(call, 2), *weights = job->weights;
  copy_band(job, image, begin, end);
  for (int64_t group = 0; group < groups; group++)
    for (int64_t o = 0; o < count; o += 2 * VL) {
      int64_t channel = group * count + o;
      Target target = {.out = out + channel * plane,
                       .bias = bias ? bias + channel : NULL,
                       .weights = weights,
                       .channels = count - o,
                       .channel = job->depthwise ? o : group * job->in};
      gather_block(job, &target, begin, end);
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
  job.groups = job.depthwise ? 1 : job.shape.groups;
  job.out = out->dims[1] / job.groups;
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
  job.runs = take_scratch(&scratch, (size_t)(job.y->kernel * job.x->kernel) * sizeof(Run));
  job.down = take_scratch(&scratch, (size_t)job.y->kernel * sizeof(Stretch));
  job.across = take_scratch(&scratch, (size_t)job.x->kernel * sizeof(Stretch));
  memset(job.source, 0, (size_t)job.layout.source * sizeof(real)); /* beside rows it stays */
  pack_weights(&job);
  for (int64_t unit = range.begin; unit < range.end; unit++) gather_unit(&job, unit);
}

KERNEL(conv) { gather(call, false, part, parts); }
KERNEL(conv_transpose) { gather(call, true, part, parts); }
