/* Dropout and noise. */
#include "op/kernel/family.h"
#include "op/kernel/philox.h"

#include <string.h>

enum { STREAM = 1 };

/* Where in the whole batch the first of the call's `count` > 0 elements is. */
static uint64_t first_index(const OpCall *call, int64_t count) {
  const Shape *shape = &call->in[0].shape;
  return (uint64_t)(call->first_row * (count / (shape->ndim > 0 ? shape->dims[0] : 1)));
}

/* y = x / (1 - p) where the number at the element's index is at least p, else 0. */
KERNEL(dropout) {
  double p = call->attrs->at[0].number;
  int64_t count = shape_count(&call->in[0].shape);
  if (count == 0) return;
  Rng rng = philox_rng(call, RNG_DROPOUT, STREAM);
  uint64_t start = first_index(call, count);
  Range range = part_range(count, part, parts);
  const real *x = call->in[0].data;
  real *out = call->out.data;
  if (p == 1) {
    memset(out + range.begin, 0, (size_t)(range.end - range.begin) * sizeof *out);
    return;
  }
  philox_drop(&rng, start + (uint64_t)range.begin, p, x + range.begin, out + range.begin,
              range.end - range.begin);
}

/* y = x + std times the normal number at the element's index. */
KERNEL(gaussian_noise) {
  enum { PIECE = 256 };
  double std = call->attrs->at[0].number, noise[PIECE];
  int64_t count = shape_count(&call->in[0].shape);
  if (count == 0) return;
  Rng rng = philox_rng(call, RNG_NOISE, STREAM);
  uint64_t start = first_index(call, count);
  Range range = part_range(count, part, parts);
  const real *x = call->in[0].data;
  real *out = call->out.data;
  for (int64_t first = range.begin; first < range.end; first += PIECE) {
    int64_t n = range.end - first < PIECE ? range.end - first : PIECE;
    rng_fill_normal(&rng, start + (uint64_t)first, noise, (size_t)n);
    for (int64_t i = 0; i < n; i++) out[first + i] = (real)((double)x[first + i] + std * noise[i]);
  }
}
