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
enum { CONV_TILE_ONE = 14, CONV_TILE_TWO = 6 };

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

/* One row with its channels last: to (width, stride) = from (channels, width), whose channels are
 * `plane` apart. May write up to 2 * VL elements behind the row. */
static inline void copy_row(real *to, int64_t stride, const real *from, int64_t plane,
                            int64_t channels, int64_t width) {
  if (channels == 1 && stride == 1)
    memcpy(to, from, (size_t)width * sizeof *to);
  else if (channels <= 6 && stride == channels)
    pack_tile(to, from, plane, channels, width);
  else
    pack_transposed(to, stride, from, plane, width, channels);
}

/* Up to VL channels as a column of vectors: to (width, VL) with rows `stride` apart, zeros in the
 * lanes without a channel. */
static inline void pack_columns(real *to, int64_t stride, const real *from, int64_t plane,
                                int64_t width, int64_t channels) {
  int64_t i = 0;
  for (; i + VL <= width && channels > 0; i += VL) {
    Vec x[VL];
    UNROLL for (int k = 0; k < VL; k++) {
      x[k] = k < channels ? vec_load(from + k * plane + i) : (Vec){0};
    }
    transpose_square(x);
    UNROLL for (int k = 0; k < VL; k++) vec_store(to + (i + k) * stride, x[k]);
  }
  for (; i < width; i++)
    for (int64_t k = 0; k < VL; k++) to[i * stride + k] = k < channels ? from[k * plane + i] : 0;
}

#endif
