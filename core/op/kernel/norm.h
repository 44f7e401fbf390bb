/* For the normalisation kernels: sums over a set of elements, its statistics, and the spans that
 * are scaled by them.
 *
 * Statistics take two passes over a set: a first mean, rounded to `real`, and the sums of the
 * deviations from it and of their squares, which give the variance and what that mean lost
 * (`rest`). So a large common offset costs no digits. Sums are kept by lane and added up in double.
 */
#ifndef NNRUN_OP_KERNEL_NORM_H
#define NNRUN_OP_KERNEL_NORM_H

#include "op/kernel/vector.h"

enum { PIECE = 1024 }; /* elements whose sums stay in lanes */
enum { BLOCK = 64 };   /* rows, in sums by column */
enum { TILE = 4 };     /* vectors of columns at once */

/* ---- sums ---- */

/* What an element contributes to the two sums; d = x - shift, h = g weight. */
typedef enum Terms {
  TERMS_X,  /* x */
  TERMS_DD, /* d, d^2 */
  TERMS_HD, /* h, h d */
} Terms;

typedef struct Sums {
  Vec one[2], two[2];
  double first, second;
  int64_t pending; /* elements in the lanes */
} Sums;

INLINE void sums_flush(Sums *sums) {
  sums->first += (double)vec_sum(sums->one[0] + sums->one[1]);
  sums->second += (double)vec_sum(sums->two[0] + sums->two[1]);
  for (int k = 0; k < 2; k++) sums->one[k] = sums->two[k] = (Vec){0};
  sums->pending = 0;
}

/* Add a vector of terms; all lanes but the first `count` are left out. */
INLINE void sums_step(Sums *sums, int k, Terms terms, const real *x, real shift, const real *g,
                      const real *w, int64_t i, int64_t count) {
  Vec d = vec_load(x + i), h = d;
  if (terms != TERMS_X) h = d = d - shift;
  if (terms == TERMS_HD) h = w ? vec_load(g + i) * vec_load(w + i) : vec_load(g + i);
  if (count < WIDTH) {
    d = vec_first(d, count);
    h = vec_first(h, count);
  }
  sums->one[k] += h;
  if (terms != TERMS_X) sums->two[k] += h * d;
}

/* Add n neighbours. */
INLINE void sums_span(Sums *total, Terms terms, const real *x, real shift, const real *g,
                      const real *w, int64_t n) {
  Sums sums = *total;
  for (int64_t at = 0; at < n; at += PIECE) {
    int64_t end = at + PIECE < n ? at + PIECE : n, i = at;
    for (; i + 2 * WIDTH <= end; i += 2 * WIDTH) {
      sums_step(&sums, 0, terms, x, shift, g, w, i, WIDTH);
      sums_step(&sums, 1, terms, x, shift, g, w, i + WIDTH, WIDTH);
    }
    for (; i < end; i += WIDTH) sums_step(&sums, 0, terms, x, shift, g, w, i, end - i);
    sums.pending += end - at;
    if (sums.pending >= PIECE) sums_flush(&sums);
  }
  *total = sums;
}

/* `runs` of `length` neighbours, `stride` apart. */
typedef struct Set {
  int64_t runs, stride, length;
} Set;

INLINE Sums set_sums(const Set *set, Terms terms, const real *x, real shift, const real *g,
                     const real *w) {
  Sums sums = {0};
  for (int64_t run = 0; run < set->runs; run++)
    sums_span(&sums, terms, x + run * set->stride, shift,
              terms == TERMS_HD ? g + run * set->stride : NULL, w, set->length);
  sums_flush(&sums);
  return sums;
}

typedef struct Moments {
  real mean;
  double rest, variance; /* the true mean is mean + rest */
} Moments;

INLINE Moments moments_make(double deviations, double squares, double count, real mean) {
  double rest = deviations / count, variance = squares / count - rest * rest;
  return (Moments){mean, rest, variance < 0 ? 0 : variance};
}

INLINE real set_mean(const Set *set, const real *x) {
  return (real)(set_sums(set, TERMS_X, x, 0, NULL, NULL).first / (double)(set->runs * set->length));
}

/* The moments, of a first mean. */
INLINE Moments set_moments(const Set *set, const real *x, real mean) {
  Sums sums = set_sums(set, TERMS_DD, x, mean, NULL, NULL);
  return moments_make(sums.first, sums.second, (double)(set->runs * set->length), mean);
}

/* dx = scale h + slope (x - mean) + offset, from the sums of h and h (x - mean) over `count`
 * elements: see grad_layer_norm. */
typedef struct Slope {
  real slope, offset;
  double gain; /* sum h xhat */
} Slope;

INLINE Slope slope_make(double h, double hd, double count, double inv, double rest) {
  double gain = inv * (hd - rest * h), slope = -inv * inv * gain / count;
  return (Slope){(real)slope, (real)(-inv * h / count - slope * rest), gain};
}

/* ---- spans ---- */

/* out = (x - shift) scale + offset */
INLINE void span_scale(real *out, const real *x, real shift, real scale, real offset, int64_t n) {
  for (int64_t i = 0; i < n; i += WIDTH)
    vec_store(out + i, (vec_load(x + i) - shift) * scale + offset, n - i);
}

/* out = ((x - shift) scale + offset) w + b, where there are such */
INLINE void span_affine(real *out, const real *x, real shift, real scale, real offset,
                        const real *w, const real *b, int64_t n) {
  for (int64_t i = 0; i < n; i += WIDTH) {
    Vec y = (vec_load(x + i) - shift) * scale + offset;
    if (w) y *= vec_load(w + i);
    if (b) y += vec_load(b + i);
    vec_store(out + i, y, n - i);
  }
}

/* dx = g w scale + (x - shift) slope + offset */
INLINE void span_gradient(real *dx, const real *g, const real *w, real scale, const real *x,
                          real shift, real slope, real offset, int64_t n) {
  for (int64_t i = 0; i < n; i += WIDTH) {
    Vec h = vec_load(g + i) * scale;
    if (w) h *= vec_load(w + i);
    vec_store(dx + i, h + (vec_load(x + i) - shift) * slope + offset, n - i);
  }
}

/* Write down a statistic that somebody reads. */
INLINE void put(const OpArg *result, int64_t at, double value) {
  if (result->data) ((real *)result->data)[at] = (real)value;
}

#endif
