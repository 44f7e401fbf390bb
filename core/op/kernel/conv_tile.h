/* For the convolution kernels: copies with channels last, and buffers in a part's scratch.
 *
 * All of them copy a band of rows of an image so that the channels of a pixel lie together, with
 * zeros where the kernel reaches beyond the left and right end. Output channels are taken in blocks
 * of one or two vectors; a pixel's neighbours in the copy then serve all of them from registers. */
#ifndef NNRUN_OP_KERNEL_CONV_TILE_H
#define NNRUN_OP_KERNEL_CONV_TILE_H

#include "op/conv.h"
#include "op/kernel/family.h"
#include "tensor/kernel/gemm_pack.h"

/* Rows of a register tile: 12 to 14 sums, the rest for a line of weights and a pixel. */
enum { CONV_TILE_ONE = 14, CONV_TILE_TWO = 6, CONV_LANE_ROWS = 5 };
INLINE int64_t tile_most(int vectors) { return vectors == 1 ? CONV_TILE_ONE : CONV_TILE_TWO; }

/* A stretch of the source that lies together, and the weights of one block that go with it, a line
 * of the block for each element. */
typedef struct Run {
  const real *source, *weights; /* the source of the first pixel of a row */
  int64_t length;
} Run;

/* out[r][...] = the sum over runs and l of source[l + r * step] weights[l][...] */
typedef struct GatherTile {
  const Run *runs;
  int64_t count;
  int64_t skip, step; /* elements to the first pixel of the tile, and from pixel to pixel */
  real *out;          /* (rows, vectors * VL) */
} GatherTile;

/* sums[r][...] += the sum over lines and pixels of large[r] small[...]; in the lanes form large,
 * too, is a vector, and rows of the tile are large_row apart. */
typedef struct WeightTile {
  const real *large, *small;
  int64_t large_row, large_line, large_pixel;
  int64_t small_line, small_pixel;
  int64_t lines, pixels;
  real *sums; /* (rows, vectors * VL) */
} WeightTile;

/* [vectors - 1][rows - 1] */
typedef void (*GatherKernel)(const GatherTile *tile);
typedef void (*WeightKernel)(const WeightTile *tile);
typedef const GatherKernel GatherTable[2][CONV_TILE_ONE];
typedef const WeightKernel WeightTable[2][CONV_TILE_ONE];
extern GatherTable K(conv_gather_tiles), K(conv_gather_lanes);
extern WeightTable K(conv_weight_tiles), K(conv_weight_lanes);

/* A block of output channels: two vectors, or one when that is enough for the rest. */
INLINE int block_vectors(int64_t rest) { return rest > VL ? 2 : 1; }
INLINE int64_t block_width(int64_t rest) { return block_vectors(rest) * VL; }
/* Channels in whole vectors, as blocks hold them. */
INLINE int64_t padded(int64_t channels) { return (channels + VL - 1) / VL * VL; }

/* Take `bytes` of a part's scratch. */
INLINE void *take_scratch(char **scratch, size_t bytes) {
  char *taken = *scratch;
  *scratch += (bytes + TENSOR_ALIGN - 1) / TENSOR_ALIGN * TENSOR_ALIGN;
  return taken;
}

/* Pieces of `total` as even as can be, none above `most`. */
INLINE int64_t pieces_of(int64_t total, int64_t most) { return (total + most - 1) / most; }

/* Rows of planes, with the channels of a pixel together and rows apart as the copy wants them. */
typedef struct BandCopy {
  const real *from; /* (channels, rows, width), channels `plane` and rows `from_row` apart */
  int64_t plane, from_row;
  real *to; /* (rows, width, channels), pixels `pixel` and rows `to_row` apart */
  int64_t pixel, to_row;
  int64_t channels, rows, width;
} BandCopy;

/* Copy the band. Channels come in whole vectors: what the last one has beyond them is zero, and, if
 * pixels are nearer than that, overwritten by the next pixel: only zeros get beyond a row. Channels
 * are the outer loop, as only long stretches of a plane are fetched ahead. */
void K(conv_copy_band)(const BandCopy *copy);

/* out[channel][i * step] = strip[i][channel] + bias[channel] for a row of `count` pixels; channels
 * `plane` apart. The last whole vector of pixels may overlap the one before. */
static inline void scatter_row(real *out, int64_t plane, int64_t step, const real *strip,
                               int64_t width, int64_t count, int64_t channels, const real *bias) {
  bool vectors = step == 1 && count >= VL;
  for (int64_t c = 0; c < channels; c += VL) {
    int64_t lanes = channels - c < VL ? channels - c : VL;
    real *to = out + c * plane;
    for (int64_t i = 0; vectors && i < count; i += VL) {
      Vec x[VL];
      if (i + VL > count) i = count - VL;
      UNROLL for (int k = 0; k < VL; k++) x[k] = vec_load(strip + (i + k) * width + c);
      transpose_square(x);
      if (bias) {
        UNROLL for (int k = 0; k < VL; k++) x[k] += k < lanes ? bias[c + k] : 0;
      }
      if (lanes == VL) {
        UNROLL for (int k = 0; k < VL; k++) vec_store(to + k * plane + i, x[k]);
      } else {
        UNROLL for (int k = 0; k < VL; k++) {
          if (k < lanes) vec_store(to + k * plane + i, x[k]);
        }
      }
    }
    for (int64_t k = 0; !vectors && k < lanes; k++) {
      real add = bias ? bias[c + k] : 0;
      for (int64_t i = 0; i < count; i++) to[k * plane + i * step] = strip[i * width + c + k] + add;
    }
  }
}

/* The 3 x 3 forms in conv_winograd.c, where conv_is_winograd says so. */
void K(conv_winograd)(const OpCall *call, const ConvShape *shape, bool transposed, int part,
                      int parts);

/* A job of conv_weight_grad: see ConvJobs. */
typedef struct WeightJob {
  const OpCall *call;
  const ConvShape *shape;
  int piece, pieces, slice, slices;
  real *weight, *bias; /* of the piece; the bias NULL when nobody reads it */
  char *scratch;
} WeightJob;
void K(conv_winograd_weight)(const WeightJob *job);

#endif
