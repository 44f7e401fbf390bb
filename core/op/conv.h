/* Convolution: the geometry that the shape rules and the kernels share.
 *
 * A convolution has a large side, of shape (N, C, H, W), and a small side (N, O, H', W'):
 *   small[o][i] = sum over c, k of large[c][i * stride - before + k * dilation] weight[o][c][k]
 * conv goes from large to small, conv_transpose from small to large, and conv_weight_grad reads
 * both. Signals (N, C, L) are images of one row. Weights are (O, C / groups, KH, KW). */
#ifndef NNRUN_OP_CONV_H
#define NNRUN_OP_CONV_H

#include "op/call.h"

/* Attributes; the last one is output_padding of conv_transpose, kernel of conv_weight_grad. */
enum { CONV_STRIDE, CONV_PADDING, CONV_DILATION, CONV_GROUPS, CONV_OUTPUT_PADDING };
enum { CONV_KERNEL = CONV_OUTPUT_PADDING, CONV_PIECES };

typedef struct ConvAxis {
  int64_t large, small, kernel; /* sizes */
  int64_t stride, dilation, before;
} ConvAxis;

typedef struct ConvShape {
  int64_t batch, groups;
  int64_t large, small; /* channels of the sides, all groups together */
  ConvAxis y, x;
} ConvShape;

/* From shapes that have been checked, and attributes that inference has completed. */
ConvShape conv_shape(const Shape *large, const Shape *small, const Shape *weight,
                     const Attrs *attrs);

/* Output positions along an axis that read the same taps: first, first + step, ... Position number
 * i of them reads, through a tap, the source at i * source_step + the tap's offset. There is one
 * such phase for conv, and one for each remainder by the stride for conv_transpose. */
typedef struct ConvPhase {
  int64_t first, step, count, source_step;
} ConvPhase;

/* Tap numbers are in order of offsets: tap t is the kernel's element t, or of a transposed
 * convolution the t-th from its end. */
int conv_phases(const ConvAxis *axis, bool transposed);
ConvPhase conv_phase(const ConvAxis *axis, bool transposed, int index);
/* Does tap t belong to the phase? Then its offset. */
bool conv_tap(const ConvAxis *axis, bool transposed, int phase, int64_t tap, int64_t *offset);

/* How the gathering kernels (conv, conv_transpose) divide their work and memory. The unit of work
 * is a band of rows of one image, which is copied, channels last and with zeros beside it. */
typedef struct ConvLayout {
  int64_t left, width;            /* columns of zeros before a source row; of a copied row */
  int64_t band_rows, bands;       /* rows of a phase in a band; bands of an image */
  int64_t source_rows;            /* at most, in a band */
  int64_t source, weights, strip; /* elements of each buffer */
  int64_t strip_rows; /* rows of results that are gathered before they are put in place */
  size_t bytes;       /* of scratch for one part */
} ConvLayout;
ConvLayout conv_gather_layout(const ConvShape *shape, bool transposed, size_t element);

/* conv_weight_grad works in jobs, each the sums over one piece of the images for a slice of the
 * small channels. What it copies of the large side it copies for every slice, so there are more
 * slices than one only where there are more threads than pieces. */
typedef struct ConvJobs {
  int64_t pieces, slices;
} ConvJobs;
ConvJobs conv_jobs(const Attrs *attrs, int parts);
/* The shape of the weights: that of the result without the axis of several pieces. */
Shape conv_weight_shape(const Shape *out, const Attrs *attrs);
/* Pieces that are worth a sum of their own; by the shapes alone, so that bits do not depend on the
 * number of threads. */
int64_t conv_pieces(const ConvShape *shape);

/* The same as ConvLayout for conv_weight_grad. */
typedef struct ConvGradLayout {
  int64_t left, width;        /* of a copied row of the large side */
  int64_t band_rows, bands;   /* rows of the small side */
  int64_t large_rows;         /* copied for a band */
  int64_t large, small, sums; /* elements */
  size_t bytes;
} ConvGradLayout;
ConvGradLayout conv_grad_layout(const ConvShape *shape, size_t element);

/* Winograd's minimal filtering F(2 x 2, 3 x 3) makes 3 x 3 kernels, at stride 1 and with enough
 * channels to pay for its transforms, of 16 products a tile of 2 x 2 instead of 36, for all three
 * ops (Winograd 1980; Lavin and Gray 2016). A unit of work is a band of rows of tiles of one image,
 * or several whole small images. */
typedef struct ConvWinograd {
  bool by_element;          /* the order of products; see the layout's comment */
  int64_t columns, rows;    /* tiles of an image */
  int64_t band_rows, bands; /* rows of tiles in a band, bands of an image */
  int64_t images, units;    /* whole images in a unit (1 when there are bands) */
  int64_t tiles;            /* of a unit, at most */
  int64_t source, values, made, weights, sums, strip; /* elements of buffers */
  size_t bytes;                                       /* of scratch for one part */
} ConvWinograd;
bool conv_is_winograd(const ConvShape *shape);
/* For conv_weight_grad the tiles are those of the small side, as for conv. */
ConvWinograd conv_winograd_layout(const ConvShape *shape, bool transposed, bool weight_grad,
                                  size_t element);

/* Channels apart: every output channel reads one input channel, its own. */
static inline bool conv_depthwise(const ConvShape *shape) {
  return shape->groups > 1 && shape->groups == shape->large && shape->groups == shape->small;
}

/* Buffers are sized for blocks of so many channels, the widest any kernel takes. */
enum { CONV_BLOCK = 16 };

#endif
