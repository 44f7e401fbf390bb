/* Sigmoid and tanh of whole vectors, for gates: one exponential and one division each, inlined, so
 * that the chains of several gates overlap.
 *
 * exp(x) = 2^n exp(r) with n = round(x / ln 2), |r| <= ln 2 / 2, exp(r) - 1 by its Taylor series,
 * to the last bit but one. NaN stays NaN, infinities saturate. */
#ifndef NNRUN_OP_KERNEL_GATE_H
#define NNRUN_OP_KERNEL_GATE_H

#include "tensor/kernel/gemm_vec.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(REAL_F64)
typedef int64_t GateBits __attribute__((vector_size(VEC_BYTES)));
enum { GATE_MANTISSA = 52, GATE_TERMS = 13 };
#define GATE_ROUND 6755399441055744.0 /* 1.5 * 2^52; adding it leaves n in the low bits */
#define GATE_LN2_HIGH 6.93147180369123816490e-01
#define GATE_LN2_LOW 1.90821492927058770002e-10
#define GATE_SIGMOID_MAX 708 /* exp of it is finite, and so is its reciprocal */
#define GATE_TANH_MAX 40     /* of 2 x: beyond it tanh is 1 in this type */
#else
typedef int32_t GateBits __attribute__((vector_size(VEC_BYTES)));
enum { GATE_MANTISSA = 23, GATE_TERMS = 7 };
#define GATE_ROUND 12582912.0F
#define GATE_LN2_HIGH 0.693145751953125F
#define GATE_LN2_LOW 1.42860682030941723212e-6F
#define GATE_SIGMOID_MAX 87
#define GATE_TANH_MAX 20
#endif

/* x within [-limit, limit]; NaN stays. */
INLINE Vec gate_clamp(Vec x, real limit) {
  Vec high = limit - (Vec){0}, low = -high;
#if defined(__AVX2__) && defined(REAL_F64)
  return _mm256_max_pd(low, _mm256_min_pd(high, x));
#elif defined(__AVX2__)
  return _mm256_max_ps(low, _mm256_min_ps(high, x));
#else
  GateBits over = x > high, under = x < low;
  return (Vec)((over & (GateBits)high) | (under & (GateBits)low) | (~(over | under) & (GateBits)x));
#endif
}

/* exp(x) - 1 = (scale - 1) + scale * part; for |x| within the limits above. */
INLINE Vec gate_exp(Vec x, Vec *scale) {
  /* 1 / 13! to 1 / 2!, of which GATE_TERMS - 1 are used */
  static const double series[] = {
      1.6059043836821613e-10, 2.0876756987868099e-09, 2.5052108385441720e-08,
      2.7557319223985893e-07, 2.7557319223985888e-06, 2.4801587301587302e-05,
      1.9841269841269841e-04, 1.3888888888888889e-03, 8.3333333333333332e-03,
      4.1666666666666664e-02, 1.6666666666666666e-01, 0.5};
  Vec shifted = x * (real)1.4426950408889634 + (real)GATE_ROUND;
  Vec n = shifted - (real)GATE_ROUND;
  Vec r = x - n * (real)GATE_LN2_HIGH;
  r -= n * (real)GATE_LN2_LOW;
  *scale = (Vec)(((GateBits)shifted << GATE_MANTISSA) + (GateBits)((real)1 - (Vec){0}));
  Vec sum = (real)series[13 - GATE_TERMS] - (Vec){0};
  UNROLL for (int k = 14 - GATE_TERMS; k < 12; k++) sum = sum * r + (real)series[k];
  return r + r * r * sum;
}

INLINE Vec gate_sigmoid(Vec x) {
  Vec scale, part = gate_exp(-gate_clamp(x, GATE_SIGMOID_MAX), &scale);
  return 1 / (1 + (scale + scale * part));
}

/* (e - 1) / (e + 1) with e = exp(2 x): exact to the last bits near 0, too */
INLINE Vec gate_tanh(Vec x) {
  Vec scale, part = gate_exp(gate_clamp(2 * x, GATE_TANH_MAX), &scale);
  Vec less = (scale - 1) + scale * part;
  return less / (less + 2);
}

#endif
