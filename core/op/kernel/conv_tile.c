/* Register tiles of the convolution kernels: the innermost loops, stamped out for every size. Each
 * sum is one chain of multiply-adds (or, where said, two), whatever the tile's size, so an
 * element's bits do not depend on how a row is cut into tiles. */
#include "op/kernel/conv_tile.h"

/* ---- copies ---- */

/* One vector of channels, of which `channels` are there. */
INLINE void copy_vector(const BandCopy *copy, int64_t first, int64_t channels, bool whole) {
  const real *from = copy->from + first * copy->plane;
  real *to = copy->to + first;
  for (int64_t y = 0; y < copy->rows; y++, from += copy->from_row, to += copy->to_row)
    for (int64_t p = 0; p < copy->width; p += VL) { /* reads up to a vector beyond the row */
      Vec x[VL];
      UNROLL for (int k = 0; k < VL; k++) {
        x[k] = whole || k < channels ? vec_load(from + k * copy->plane + p) : (Vec){0};
      }
      UNROLL for (int k = 0; k < VL; k++) { /* of the next vector */
        __builtin_prefetch(from + (k + VL) * copy->plane + p);
      }
      transpose_square(x);
      int64_t pixels = copy->width - p;
      if (pixels >= VL) {
        UNROLL for (int k = 0; k < VL; k++) vec_store(to + (p + k) * copy->pixel, x[k]);
      } else {
        for (int64_t k = 0; k < pixels; k++) vec_store(to + (p + k) * copy->pixel, x[k]);
      }
    }
}

void K(conv_copy_band)(const BandCopy *copy) {
  if (copy->channels == 1 && copy->pixel == 1) {
    for (int64_t y = 0; y < copy->rows; y++)
      memcpy(copy->to + y * copy->to_row, copy->from + y * copy->from_row,
             (size_t)copy->width * sizeof(real));
    return;
  }
  int64_t whole = copy->channels / VL * VL;
  /* First, as it may write over the next pixel's first channels. */
  if (whole < copy->channels) copy_vector(copy, whole, copy->channels - whole, false);
  for (int64_t c = 0; c < whole; c += VL) copy_vector(copy, c, VL, true);
}

/* ---- gathering ---- */

INLINE void gather_tile(const GatherTile *tile, const int rows, const int vectors) {
  Vec sums[CONV_TILE_ONE][2];
  const int64_t step = tile->step * (int64_t)sizeof(real);
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = (Vec){0};
  }
  for (int64_t i = 0; i < tile->count; i++) {
    /* A pointer for every fourth row: one for each would not fit the registers. */
    const char *a[4];
    UNROLL for (int k = 0; k < 4; k++) {
      a[k] = (const char *)(tile->runs[i].source + tile->skip) + 4 * k * step;
    }
    const real *w = tile->runs[i].weights;
    for (int64_t l = tile->runs[i].length; l > 0; l--) {
      Vec line[2];
      UNROLL for (int v = 0; v < vectors; v++) line[v] = vec_load(w + v * VL);
      UNROLL for (int r = 0; r < rows; r++) {
        const real element = *(const real *)(a[r / 4] + (r % 4) * step);
        UNROLL for (int v = 0; v < vectors; v++) sums[r][v] += element * line[v];
      }
      UNROLL for (int k = 0; k < 4; k++) {
        a[k] += sizeof(real);
        __asm__("" : "+r"(a[k])); /* or they are made of one again */
      }
      w += vectors * VL;
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++)
        vec_store(tile->out + (r * vectors + v) * VL, sums[r][v]);
  }
}

/* Depthwise: a vector of channels at a time, each with its own weight. Runs are single pixels. */
INLINE void gather_lanes(const GatherTile *tile, const int rows, const int vectors) {
  Vec sums[CONV_LANE_ROWS][2];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = (Vec){0};
  }
  for (int64_t i = 0; i < tile->count; i++) {
    const real *a = tile->runs[i].source + tile->skip, *w = tile->runs[i].weights;
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int v = 0; v < vectors; v++) sums[r][v] +=
          vec_load(a + r * tile->step + v * VL) * vec_load(w + v * VL);
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++)
        vec_store(tile->out + (r * vectors + v) * VL, sums[r][v]);
  }
}

/* ---- sums over pixels ---- */

typedef Vec WeightSums[CONV_TILE_ONE][2];

INLINE void add_pixel(WeightSums sums, const real *a, const real *g, int64_t row, const int rows,
                      const int vectors, const bool lanes) {
  Vec value[2];
  UNROLL for (int v = 0; v < vectors; v++) value[v] = vec_load(g + v * VL);
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      if (lanes)
        sums[r][v] += vec_load(a + r * row + v * VL) * value[v];
      else
        sums[r][v] += a[r] * value[v];
    }
  }
}

/* With few sums, odd pixels add to sums of their own, to hide the latency of multiply-add. */
INLINE void weight_tile(const WeightTile *tile, const int rows, const int vectors,
                        const bool lanes) {
  const int chains = rows * vectors < 6 ? 2 : 1;
  WeightSums sums[2];
  UNROLL for (int k = 0; k < chains; k++) {
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int v = 0; v < vectors; v++) sums[k][r][v] = (Vec){0};
    }
  }
  for (int64_t line = 0; line < tile->lines; line++) {
    const real *a = tile->large + line * tile->large_line;
    const real *g = tile->small + line * tile->small_line;
    for (int64_t left = tile->pixels; left > 0; left -= chains) {
      UNROLL for (int k = 0; k < chains; k++) {
        if (k >= left) break;
        add_pixel(sums[k], a, g, tile->large_row, rows, vectors, lanes);
        a += tile->large_pixel;
        g += tile->small_pixel;
      }
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      real *to = tile->sums + (r * vectors + v) * VL;
      Vec sum = sums[0][r][v];
      if (chains == 2) sum += sums[1][r][v];
      vec_store(to, vec_load(to) + sum);
    }
  }
}

/* ---- every size ---- */

#define TILES_LOW(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1)
#define TILES_HIGH(X) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1) X(13, 1) X(14, 1)
#define TILES_WIDE(X) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2)
#define TILES(X) TILES_LOW(X) TILES_HIGH(X) TILES_WIDE(X)
#define LANE_TILES(X)                                                                              \
  X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2)

#define STAMP(rows, vectors)                                                                       \
  static void gather_##rows##_##vectors(const GatherTile *tile) {                                  \
    gather_tile(tile, rows, vectors);                                                              \
  }                                                                                                \
  static void weight_##rows##_##vectors(const WeightTile *tile) {                                  \
    weight_tile(tile, rows, vectors, false);                                                       \
  }
#define STAMP_LANES(rows, vectors)                                                                 \
  static void gather_lanes_##rows##_##vectors(const GatherTile *tile) {                            \
    gather_lanes(tile, rows, vectors);                                                             \
  }                                                                                                \
  static void weight_lanes_##rows##_##vectors(const WeightTile *tile) {                            \
    weight_tile(tile, rows, vectors, true);                                                        \
  }
TILES(STAMP)
LANE_TILES(STAMP_LANES)

#define GATHER(rows, vectors) [vectors - 1][rows - 1] = gather_##rows##_##vectors,
#define WEIGHT(rows, vectors) [vectors - 1][rows - 1] = weight_##rows##_##vectors,
#define GATHER_LANES(rows, vectors) [vectors - 1][rows - 1] = gather_lanes_##rows##_##vectors,
#define WEIGHT_LANES(rows, vectors) [vectors - 1][rows - 1] = weight_lanes_##rows##_##vectors,
GatherTable K(conv_gather_tiles) = {TILES(GATHER)};
WeightTable K(conv_weight_tiles) = {TILES(WEIGHT)};
GatherTable K(conv_gather_lanes) = {LANE_TILES(GATHER_LANES)};
WeightTable K(conv_weight_lanes) = {LANE_TILES(WEIGHT_LANES)};
