/* local_response_norm: windows of channels around each, piece by piece of a plane. */
#include "op/kernel/family.h"

enum { PIECE = 256 };

/* total[i] = the sum of `count` rows of f, `plane` apart */
#define SUM_ROWS(total, first, last, expression)                                                   \
  do {                                                                                             \
    for (int64_t i = 0; i < PIECE; i++) (total)[i] = 0;                                            \
    for (int64_t j = (first); j < (last); j++)                                                     \
      for (int64_t i = 0; i < count; i++) (total)[i] += (expression);                              \
  } while (0)

/* total = total^exponent, in whole vectors */
static void powers(real *total, int64_t count, real exponent) {
  for (int64_t i = count; i < PIECE; i++) total[i] = 1;
  for (int64_t i = 0; i < count; i += LANES)
#pragma omp simd
    for (int l = 0; l < LANES; l++) total[i + l] = R(pow)(total[i + l], exponent);
}

/* Channels [c - before, c + after] that there are. */
static Range around(int64_t c, int64_t before, int64_t after, int64_t channels) {
  return (Range){c > before ? c - before : 0, c + after < channels ? c + after + 1 : channels};
}

KERNEL(local_response_norm) {
  AxisView view = axis_view(&call->in[0].shape, 1);
  const Attr *at = call->attrs->at;
  int64_t window = (int64_t)at[0].number, plane = view.inner;
  real factor = (real)(at[1].number / at[0].number), k = (real)at[3].number;
  Range range = part_range(view.outer * view.size, part, parts);
  real total[PIECE];
  for (int64_t unit = range.begin; unit < range.end; unit++) {
    int64_t channel = unit % view.size;
    Range near = around(channel, window / 2, (window - 1) / 2, view.size);
    for (int64_t first = 0; first < plane; first += PIECE) {
      int64_t count = plane - first < PIECE ? plane - first : PIECE;
      const real *x = (const real *)call->in[0].data + unit * plane + first;
      SUM_ROWS(total, near.begin - channel, near.end - channel,
               x[j * plane + i] * x[j * plane + i]);
      for (int64_t i = 0; i < count; i++) total[i] = k + factor * total[i];
      if (call->more[0].data)
        memcpy((real *)call->more[0].data + unit * plane + first, total,
               (size_t)count * sizeof *total);
      powers(total, count, (real)-at[2].number);
      real *out = (real *)call->out.data + unit * plane + first;
      for (int64_t i = 0; i < count; i++) out[i] = x[i] * total[i];
    }
  }
}

KERNEL(local_response_norm_grad) {
  AxisView view = axis_view(&call->in[0].shape, 1);
  const Attr *at = call->attrs->at;
  int64_t window = (int64_t)at[0].number, plane = view.inner;
  real factor = (real)(2 * at[1].number * at[2].number / at[0].number);
  Range range = part_range(view.outer * view.size, part, parts);
  real total[PIECE], power[PIECE];
  for (int64_t unit = range.begin; unit < range.end; unit++) {
    int64_t channel = unit % view.size;
    Range near = around(channel, (window - 1) / 2, window / 2, view.size);
    for (int64_t first = 0; first < plane; first += PIECE) {
      int64_t count = plane - first < PIECE ? plane - first : PIECE;
      int64_t start = unit * plane + first;
      const real *g = (const real *)call->in[0].data + start, *x = (const real *)call->in[1].data;
      const real *y = (const real *)call->in[2].data + start;
      const real *s = (const real *)call->in[3].data + start;
      SUM_ROWS(total, near.begin - channel, near.end - channel,
               g[j * plane + i] * y[j * plane + i] / s[j * plane + i]);
      memcpy(power, s, (size_t)count * sizeof *power);
      powers(power, count, (real)-at[2].number);
      real *out = (real *)call->out.data + start;
      for (int64_t i = 0; i < count; i++)
        out[i] = g[i] * power[i] - factor * x[start + i] * total[i];
    }
  }
}
