/* Made-up data sets with known answers: two-dimensional points in classes, and a linear relation.
 *
 * Every number is addressed by (seed, row, what it is for), so row i is the same whatever the order
 * of work. Rows come class by class; shuffle them with a split or in batches. */
#ifndef NNRUN_DATA_GENERATE_H
#define NNRUN_DATA_GENERATE_H

#include "tensor/tensor.h"

typedef struct Generate {
  int64_t rows;     /* at least 1; classes share them as evenly as can be, the first get more */
  int64_t classes;  /* spiral, blobs: at least 2; the others have 2 */
  int64_t features; /* blobs, regression: at least 1; the others have 2 */
  double noise;     /* standard deviation, at least 0; see each generator */
  double shape;     /* see each generator */
  uint64_t seed;
  DType dtype; /* of x: float32 or float64 */
} Generate;

/* x is (rows, features), y is (rows) int64 class labels, but (rows, 1) of dtype for regression. */
typedef Status (*Generator)(Tensor *x, Tensor *y, const Generate *options, Err *err);

/* Two classes on the petals of a flower: radius shape * sin(4 t) + noise * normal at an angle t
 * that runs over half a turn per class with 0.2 * normal of jitter; shape is the petals' length.
 * After the planar data of A. Ng's "Neural Networks and Deep Learning". */
Status generate_planar_flower(Tensor *x, Tensor *y, const Generate *options, Err *err);
/* Two interleaved half circles of radius 1, the second moved by (1, -0.5). */
Status generate_moons(Tensor *x, Tensor *y, const Generate *options, Err *err);
/* A circle of radius 1 (class 0) and one of radius `shape` inside it. */
Status generate_circles(Tensor *x, Tensor *y, const Generate *options, Err *err);
/* Arms of radius 0 to 1 that turn by `shape` radians on their way; noise is in radians. */
Status generate_spiral(Tensor *x, Tensor *y, const Generate *options, Err *err);
/* Normal clouds of standard deviation `noise` around centres uniform in [-shape, shape]. */
Status generate_blobs(Tensor *x, Tensor *y, const Generate *options, Err *err);
/* Uniform in the square [-1, 1]^2, class 1 where the signs differ; noise moves points afterwards.
 */
Status generate_xor(Tensor *x, Tensor *y, const Generate *options, Err *err);
/* Standard normal features; y = x w + noise * normal, w standard normal times `shape`. */
Status generate_regression(Tensor *x, Tensor *y, const Generate *options, Err *err);

#endif
