/* Winograd's F(2 x 2, 3 x 3): see ConvWinograd in op/conv.h.
 *
 * With d a 4 x 4 piece of the source, w the 3 x 3 weights, g a 2 x 2 piece of a gradient:
 *   forward    y  = A' [(G w G') * (B' d B)] A        (2 x 2; * is by element, ' the transpose)
 *   weights    dw = G' [(A g A') * (B' d B)] G        (3 x 3), the transpose of the same map
 * Over channels and tiles each of the 16 elements is a matrix product, which the register tiles of
 * the plain kernels compute. All transforms work on vectors of channels. A pixel's bits depend on
 * its place in the image alone, not on the batch or the division of work. */
#include "op/kernel/conv_tile.h"

typedef struct Winograd {
  const OpCall *call;
  const ConvShape *shape;
  ConvWinograd layout;
  int64_t in, out;   /* channels */
  int64_t pixel;     /* elements between pixels of the copied source: `in` in whole vectors */
  int64_t top, left; /* zeros above and beside the source */
  int64_t source_height, source_width, height, width;
  real *source, *values, *made, *weights, *sums, *strip;
  int64_t value_step, made_step; /* from one of the 16 elements to the next */
} Winograd;

/* A unit's images and rows of tiles. */
typedef struct Unit {
  int64_t image, images, row, rows, tiles;
} Unit;

static Unit unit_at(const Winograd *job, int64_t index) {
  const ConvWinograd *layout = &job->layout;
  Unit unit = {.image = index / layout->bands, .images = 1};
  if (layout->bands == 1) {
    unit.image = index * layout->images;
    unit.images = job->shape->batch - unit.image;
    if (unit.images > layout->images) unit.images = layout->images;
  }
  unit.row = index % layout->bands * layout->band_rows;
  unit.rows = layout->rows - unit.row;
  if (unit.rows > layout->band_rows) unit.rows = layout->band_rows;
  unit.tiles = unit.images * unit.rows * layout->columns;
  return unit;
}

/* ---- transforms ---- */

/* B' d B, B' = (1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1), of one vector of channels. */
INLINE void transform_source(real *to, int64_t step, const real *from, int64_t line,
                             int64_t pixel) {
  Vec d1[4], d2[4], half[4];
  UNROLL for (int x = 0; x < 4; x++) {
    d1[x] = vec_load(from + line + x * pixel);
    d2[x] = vec_load(from + 2 * line + x * pixel);
  }
  UNROLL for (int y = 0; y < 4; y++) {
    UNROLL for (int x = 0; x < 4; x++) {
      if (y == 0) half[x] = vec_load(from + x * pixel) - d2[x];
      if (y == 1) half[x] = d1[x] + d2[x];
      if (y == 2) half[x] = d2[x] - d1[x];
      if (y == 3) half[x] = d1[x] - vec_load(from + 3 * line + x * pixel);
    }
    vec_store(to + (4 * y) * step, half[0] - half[2]);
    vec_store(to + (4 * y + 1) * step, half[1] + half[2]);
    vec_store(to + (4 * y + 2) * step, half[2] - half[1]);
    vec_store(to + (4 * y + 3) * step, half[1] - half[3]);
  }
}

/* A' m A, A' = (1 1 1 0; 0 1 -1 -1): a tile of the result, of one vector of channels. */
INLINE void transform_result(real *to, int64_t line, int64_t pixel, const real *from,
                             int64_t step) {
  Vec half[2][4];
  UNROLL for (int x = 0; x < 4; x++) {
    Vec m[4];
    UNROLL for (int y = 0; y < 4; y++) m[y] = vec_load(from + (4 * y + x) * step);
    half[0][x] = m[0] + m[1] + m[2];
    half[1][x] = m[1] - m[2] - m[3];
  }
  UNROLL for (int y = 0; y < 2; y++) {
    vec_store(to + y * line, half[y][0] + half[y][1] + half[y][2]);
    vec_store(to + y * line + pixel, half[y][1] - half[y][2] - half[y][3]);
  }
}

/* A g A' */
INLINE void transform_gradient(real *to, int64_t step, const real *from, int64_t line,
                               int64_t pixel) {
  Vec half[4][2];
  UNROLL for (int x = 0; x < 2; x++) {
    Vec g0 = vec_load(from + x * pixel), g1 = vec_load(from + line + x * pixel);
    half[0][x] = g0;
    half[1][x] = g0 + g1;
    half[2][x] = g0 - g1;
    half[3][x] = -g1;
  }
  UNROLL for (int y = 0; y < 4; y++) {
    vec_store(to + (4 * y) * step, half[y][0]);
    vec_store(to + (4 * y + 1) * step, half[y][0] + half[y][1]);
    vec_store(to + (4 * y + 2) * step, half[y][0] - half[y][1]);
    vec_store(to + (4 * y + 3) * step, -half[y][1]);
  }
}

/* G w G', G = (1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1); from (taps) apart by `tap`. */
INLINE void transform_weights(real *to, int64_t step, const real *from, int64_t tap) {
  const real half = (real)0.5;
  Vec rows[4][3];
  UNROLL for (int x = 0; x < 3; x++) {
    Vec w0 = vec_load(from + x * tap), w1 = vec_load(from + (3 + x) * tap),
        w2 = vec_load(from + (6 + x) * tap);
    rows[0][x] = w0;
    rows[1][x] = half * (w0 + w2) + half * w1;
    rows[2][x] = half * (w0 + w2) - half * w1;
    rows[3][x] = w2;
  }
  UNROLL for (int y = 0; y < 4; y++) {
    Vec ends = half * (rows[y][0] + rows[y][2]), middle = half * rows[y][1];
    vec_store(to + (4 * y) * step, rows[y][0]);
    vec_store(to + (4 * y + 1) * step, ends + middle);
    vec_store(to + (4 * y + 2) * step, ends - middle);
    vec_store(to + (4 * y + 3) * step, rows[y][2]);
  }
}

/* G' u G, of one vector of channels, to (taps) apart by `tap`. */
INLINE void transform_sums(real *to, int64_t tap, const real *from, int64_t step) {
  const real half = (real)0.5;
  Vec rows[3][4];
  UNROLL for (int x = 0; x < 4; x++) {
    Vec u[4];
    UNROLL for (int y = 0; y < 4; y++) u[y] = vec_load(from + (4 * y + x) * step);
    rows[0][x] = u[0] + half * (u[1] + u[2]);
    rows[1][x] = half * (u[1] - u[2]);
    rows[2][x] = half * (u[1] + u[2]) + u[3];
  }
  UNROLL for (int y = 0; y < 3; y++) {
    vec_store(to + (3 * y) * tap, rows[y][0] + half * (rows[y][1] + rows[y][2]));
    vec_store(to + (3 * y + 1) * tap, half * (rows[y][1] - rows[y][2]));
    vec_store(to + (3 * y + 2) * tap, half * (rows[y][1] + rows[y][2]) + rows[y][3]);
  }
}

/* ---- the source ---- */

/* Copy what a band of an image reads: (2 rows + 2, 2 columns + 2, pixel), zeros outside. */
static void copy_source(const Winograd *job, int64_t image, int64_t row, int64_t rows) {
  int64_t plane = job->source_height * job->source_width, width = 2 * job->layout.columns + 2;
  const real *from = (const real *)job->call->in[0].data + image * job->in * plane;
  int64_t inner = job->source_width < width - job->left ? job->source_width : width - job->left;
  int64_t line = width * job->pixel, first = 2 * row - job->top, last = first + 2 * rows + 2;
  int64_t begin = first < 0 ? 0 : first;
  int64_t end = last > job->source_height ? job->source_height : last;
  if (begin > end) begin = end;
  real *to = job->source + (begin - first) * line;
  BandCopy copy = {.from = from + begin * job->source_width,
                   .plane = plane,
                   .from_row = job->source_width,
                   .to = to + job->left * job->pixel,
                   .pixel = job->pixel,
                   .to_row = line,
                   .channels = job->in,
                   .rows = end - begin,
                   .width = inner};
  K(conv_copy_band)(&copy);
  memset(job->source, 0, (size_t)(to - job->source) * sizeof *to);
  to += (end - begin) * line;
  memset(to, 0, (size_t)((last - end) * line) * sizeof *to);
}

/* values[element][tile][channel] of a unit */
static void transform_unit(const Winograd *job, const Unit *unit) {
  int64_t line = (2 * job->layout.columns + 2) * job->pixel;
  real *to = job->values;
  for (int64_t image = 0; image < unit->images; image++) {
    copy_source(job, unit->image + image, unit->row, unit->rows);
    for (int64_t row = 0; row < unit->rows; row++)
      for (int64_t column = 0; column < job->layout.columns; column++, to += job->pixel) {
        const real *from = job->source + 2 * row * line + 2 * column * job->pixel;
        for (int64_t c = 0; c < job->pixel; c += VL)
          transform_source(to + c, job->value_step, from + c, line, job->pixel);
      }
  }
}

/* What the two directions share. Values of one element begin a cache line beyond a multiple of the
 * tiles' size, which may be a power of two: 16 streams would share one set of the cache. */
static void prepare(Winograd *job, bool transposed) {
  const ConvAxis *y = &job->shape->y, *x = &job->shape->x;
  job->in = transposed ? job->shape->small : job->shape->large;
  job->out = transposed ? job->shape->large : job->shape->small;
  job->pixel = padded(job->in);
  job->top = transposed ? 2 - y->before : y->before;
  job->left = transposed ? 2 - x->before : x->before;
  job->source_height = transposed ? y->small : y->large;
  job->source_width = transposed ? x->small : x->large;
  job->height = transposed ? y->large : y->small;
  job->width = transposed ? x->large : x->small;
  job->value_step = job->layout.tiles * job->pixel + CONV_BLOCK;
}

/* ---- conv and conv_transpose ---- */

/* By block of output channels: (16, in, block). */
static void prepare_weights(const Winograd *job, bool transposed) {
  const real *weight = job->call->in[1].data;
  real *to = job->weights, *taps = job->strip;
  int64_t out_step = transposed ? 9 : job->in * 9, in_step = transposed ? job->out * 9 : 9;
  for (int64_t o = 0; o < job->out; o += 2 * VL) {
    int64_t width = block_width(job->out - o), step = job->in * width;
    memset(taps, 0, (size_t)(9 * step) * sizeof *taps);
    for (int64_t k = 0; k < width && o + k < job->out; k++)
      for (int64_t c = 0; c < job->in; c++) {
        const real *from = weight + (o + k) * out_step + c * in_step;
        for (int t = 0; t < 9; t++) taps[t * step + c * width + k] = from[transposed ? 8 - t : t];
      }
    for (int64_t i = 0; i < step; i += VL) transform_weights(to + i, step, taps + i, step);
    to += 16 * step;
  }
}

/* made[tile][block] = values[element] weights, those of one element and block */
static void multiply(const Winograd *job, int element, const real *weights, int64_t tiles,
                     int vectors, real *made) {
  int64_t pieces = pieces_of(tiles, tile_most(vectors));
  Run run = {job->values + element * job->value_step, weights, job->in};
  GatherTile tile = {.runs = &run, .count = 1, .step = job->pixel, .out = made};
  for (int64_t i = 0, at = 0; i < pieces; i++) {
    int64_t rows = tiles * (i + 1) / pieces - at;
    K(conv_gather_tiles)[vectors - 1][rows - 1](&tile);
    tile.skip += rows * tile.step;
    tile.out += rows * vectors * VL;
    at += rows;
  }
}

/* One block of channels of a unit's results, from `made`. */
static void store_block(const Winograd *job, const Unit *unit, const real *from, int64_t channel,
                        int64_t width) {
  const OpCall *call = job->call;
  int64_t plane = job->height * job->width, columns = job->layout.columns;
  int64_t channels = job->out - channel < width ? job->out - channel : width;
  const real *bias = arg_data(call, 2);
  if (bias) bias += channel;
  int64_t step = (job->layout.tiles + 1) * width;
  for (int64_t image = 0; image < unit->images; image++) {
    real *out = (real *)call->out.data + ((unit->image + image) * job->out + channel) * plane;
    int64_t first = 2 * unit->row, last = 2 * (unit->row + unit->rows);
    if (last > job->height) last = job->height;
    for (int64_t y = first; y < last; y += 2) {
      int64_t line = 2 * columns * width;
      for (int64_t column = 0; column < columns; column++, from += width)
        for (int64_t c = 0; c < width; c += VL)
          transform_result(job->strip + 2 * column * width + c, line, width, from + c, step);
      for (int64_t i = 0; i < 2 && y + i < last; i++)
        scatter_row(out + (y + i) * job->width, plane, 1, job->strip + i * line, width, job->width,
                    channels, bias);
    }
    for (int64_t k = 0; call->epilogue && k < channels; k++)
      epilogue_apply(call->epilogue, out + k * plane + first * job->width,
                     (last - first) * job->width);
  }
}

/* Products of the block that begins at channel o: (16, tiles + 1, block), alone or after those of
 * the blocks before, which all have two vectors. */
static real *made_at(const Winograd *job, int64_t o) {
  return job->made + (job->layout.by_element ? 16 * (job->layout.tiles + 1) * o : 0);
}

static void multiply_block(const Winograd *job, const Unit *unit, int element, int64_t o) {
  int64_t width = block_width(job->out - o);
  multiply(job, element, job->weights + 16 * job->in * o + element * job->in * width, unit->tiles,
           (int)(width / VL), made_at(job, o) + element * (job->layout.tiles + 1) * width);
}

void K(conv_winograd)(const OpCall *call, const ConvShape *shape, bool transposed, int part,
                      int parts) {
  Winograd job = {.call = call, .shape = shape};
  job.layout = conv_winograd_layout(shape, transposed, false, sizeof(real));
  Range range = part_range(job.layout.units, part, parts);
  if (range.begin == range.end) return;
  prepare(&job, transposed);
  char *scratch = (char *)call->scratch + (size_t)part * job.layout.bytes;
  job.source = take_scratch(&scratch, (size_t)job.layout.source * sizeof(real));
  job.values = take_scratch(&scratch, (size_t)job.layout.values * sizeof(real));
  job.made = take_scratch(&scratch, (size_t)job.layout.made * sizeof(real));
  job.weights = take_scratch(&scratch, (size_t)job.layout.weights * sizeof(real));
  job.strip = take_scratch(&scratch, (size_t)job.layout.strip * sizeof(real));
  memset(job.source, 0, (size_t)job.layout.source * sizeof(real)); /* beside rows it stays */
  prepare_weights(&job, transposed);
  for (int64_t index = range.begin; index < range.end; index++) {
    Unit unit = unit_at(&job, index);
    transform_unit(&job, &unit);
    if (job.layout.by_element)
      for (int element = 0; element < 16; element++)
        for (int64_t o = 0; o < job.out; o += 2 * VL) multiply_block(&job, &unit, element, o);
    for (int64_t o = 0; o < job.out; o += 2 * VL) {
      for (int element = 0; element < 16 && !job.layout.by_element; element++)
        multiply_block(&job, &unit, element, o);
      store_block(&job, &unit, made_at(&job, o), o, block_width(job.out - o));
    }
  }
}

/* ---- conv_weight_grad ---- */

/* Small channels: [first, first + count), in whole blocks. */
typedef struct Slice {
  int64_t first, count, line; /* line: in whole vectors */
} Slice;

static Slice slice_of(int64_t channels, int slice, int slices) {
  Range range = part_range((channels + 2 * VL - 1) / (2 * VL), slice, slices);
  int64_t first = range.begin * 2 * VL, end = range.end * 2 * VL;
  if (end > channels) end = channels;
  if (first > end) first = end;
  return (Slice){first, end - first, end > first ? padded(end - first) : 0};
}

/* Copy a band of the small side, channels last, with zeros for the odd row and column:
 * (2 rows, 2 columns, line). Adds its sums to `bias`, unless that is NULL. */
static void copy_small(const Winograd *job, const Slice *slice, int64_t image, int64_t row,
                       int64_t rows, real *bias) {
  int64_t plane = job->height * job->width, width = 2 * job->layout.columns;
  const real *from =
      (const real *)job->call->in[1].data + (image * job->out + slice->first) * plane;
  int64_t line = slice->line, first = 2 * row, last = 2 * (row + rows);
  int64_t end = last < job->height ? last : job->height;
  BandCopy copy = {.from = from + first * job->width,
                   .plane = plane,
                   .from_row = job->width,
                   .to = job->strip,
                   .pixel = line,
                   .to_row = width * line,
                   .channels = slice->count,
                   .rows = end - first,
                   .width = job->width};
  K(conv_copy_band)(&copy);
  if (width > job->width)
    for (int64_t y = 0; y < copy.rows; y++)
      memset(job->strip + (y * width + job->width) * line, 0, (size_t)line * sizeof(real));
  if (end < last)
    memset(job->strip + copy.rows * width * line, 0, (size_t)(width * line) * sizeof(real));
  for (int64_t c = 0; bias && c < slice->count; c += VL) {
    Vec sum[2] = {{0}, {0}};
    for (int64_t p = 0; p < (last - first) * width; p += 2) {
      sum[0] += vec_load(job->strip + p * line + c);
      sum[1] += vec_load(job->strip + (p + 1) * line + c);
    }
    sum[0] += sum[1];
    for (int64_t k = 0; k < VL && c + k < slice->count; k++) bias[c + k] += sum[0][k];
  }
}

/* made[element][tile][channel] of the small side of a unit */
static void transform_small(const Winograd *job, const Slice *slice, const Unit *unit, real *bias) {
  int64_t line = 2 * job->layout.columns * slice->line;
  real *to = job->made;
  for (int64_t image = 0; image < unit->images; image++) {
    copy_small(job, slice, unit->image + image, unit->row, unit->rows, bias);
    for (int64_t row = 0; row < unit->rows; row++)
      for (int64_t column = 0; column < job->layout.columns; column++, to += slice->line) {
        const real *from = job->strip + 2 * row * line + 2 * column * slice->line;
        for (int64_t c = 0; c < slice->line; c += VL)
          transform_gradient(to + c, job->made_step, from + c, line, slice->line);
      }
  }
}

/* sums[element][block][in][width] += values[element]' made[element] */
static void add_products(const Winograd *job, const Slice *slice, int64_t tiles) {
  for (int element = 0; element < 16; element++) {
    real *sums = job->sums + element * job->in * slice->line;
    for (int64_t o = 0; o < slice->line; o += 2 * VL) {
      int vectors = block_vectors(slice->line - o);
      int64_t pieces = pieces_of(job->in, tile_most(vectors));
      WeightTile tile = {.large = job->values + element * job->value_step,
                         .small = job->made + element * job->made_step + o,
                         .large_pixel = job->pixel,
                         .small_pixel = slice->line,
                         .lines = 1,
                         .pixels = tiles};
      for (int64_t i = 0, at = 0; i < pieces; i++) {
        int64_t rows = job->in * (i + 1) / pieces - at;
        tile.sums = sums;
        K(conv_weight_tiles)[vectors - 1][rows - 1](&tile);
        tile.large += rows;
        sums += rows * vectors * VL;
        at += rows;
      }
    }
  }
}

/* The weights' gradient from the sums. */
static void store_weights(const Winograd *job, const Slice *slice, real *out) {
  out += slice->first * job->in * 9;
  int64_t step = job->in * slice->line;
  for (int64_t o = 0, at = 0; o < slice->line; o += 2 * VL) {
    int64_t width = block_width(slice->line - o);
    for (int64_t c = 0; c < job->in; c++)
      for (int64_t v = 0; v < width; v += VL, at += VL) {
        real taps[9 * VL] __attribute__((aligned(VEC_BYTES)));
        transform_sums(taps, VL, job->sums + at, step);
        for (int64_t k = 0; k < VL && o + v + k < slice->count; k++)
          for (int t = 0; t < 9; t++) out[((o + v + k) * job->in + c) * 9 + t] = taps[t * VL + k];
      }
  }
}

void K(conv_winograd_weight)(const WeightJob *weight) {
  Winograd job = {.call = weight->call, .shape = weight->shape};
  job.layout = conv_winograd_layout(weight->shape, false, true, sizeof(real));
  prepare(&job, false);
  Slice slice = slice_of(job.out, weight->slice, weight->slices);
  if (slice.count == 0) return;
  job.made_step = job.layout.tiles * slice.line + CONV_BLOCK;
  char *scratch = weight->scratch;
  job.source = take_scratch(&scratch, (size_t)job.layout.source * sizeof(real));
  job.values = take_scratch(&scratch, (size_t)job.layout.values * sizeof(real));
  job.made = take_scratch(&scratch, (size_t)job.layout.made * sizeof(real));
  job.sums = take_scratch(&scratch, (size_t)job.layout.sums * sizeof(real));
  job.strip = take_scratch(&scratch, (size_t)job.layout.strip * sizeof(real));
  memset(job.source, 0, (size_t)job.layout.source * sizeof(real)); /* beside rows it stays */
  real *bias = weight->bias;
  if (bias) bias = memset(bias + slice.first, 0, (size_t)slice.count * sizeof *bias);
  memset(job.sums, 0, (size_t)(16 * job.in * slice.line) * sizeof *job.sums);
  Range units = part_range(job.layout.units, weight->piece, weight->pieces);
  for (int64_t index = units.begin; index < units.end; index++) {
    Unit unit = unit_at(&job, index);
    transform_unit(&job, &unit);
    transform_small(&job, &slice, &unit, bias);
    add_products(&job, &slice, unit.tiles);
  }
  store_weights(&job, &slice, weight->weight);
}
