/* Vectors of 32 bytes for kernels that go element by element: one register with AVX2, two without.
 * Loads may read past the end of an operand (TENSOR_PAD), stores never write there. */
#ifndef NNRUN_OP_KERNEL_VECTOR_H
#define NNRUN_OP_KERNEL_VECTOR_H

#include "op/kernel/family.h"

#define INLINE static inline __attribute__((always_inline))

typedef real Vec __attribute__((vector_size(32)));
enum { WIDTH = sizeof(Vec) / sizeof(real) };
#if defined(REAL_F64)
typedef int64_t Mask __attribute__((vector_size(32)));
#define VEC_LANES ((Mask){0, 1, 2, 3})
#else
typedef int32_t Mask __attribute__((vector_size(32)));
#define VEC_LANES ((Mask){0, 1, 2, 3, 4, 5, 6, 7})
#endif

INLINE Vec vec_load(const real *x) {
  Vec v;
  memcpy(&v, x, sizeof v);
  return v;
}

INLINE Vec vec_all(real x) { return (Vec){0} + x; }

/* Store the first `room` elements, or all. */
INLINE void vec_store(real *out, Vec v, int64_t room) {
  if (room >= WIDTH)
    memcpy(out, &v, sizeof v);
  else
    for (int64_t l = 0; l < room; l++) out[l] = v[l];
}

/* The first `count` lanes; zeros, not what was there, in the others. */
INLINE Vec vec_first(Vec v, int64_t count) {
#if defined(REAL_F64)
  Mask keep = VEC_LANES < count;
#else
  Mask keep = VEC_LANES < (int32_t)count;
#endif
  return (Vec)((Mask)v & keep);
}

/* The sum of the lanes, halves first. */
INLINE real vec_sum(Vec v) {
#if defined(REAL_F64)
  typedef real Half __attribute__((vector_size(16)));
  Half two = __builtin_shufflevector(v, v, 0, 1) + __builtin_shufflevector(v, v, 2, 3);
  return two[0] + two[1];
#else
  typedef real Half __attribute__((vector_size(16)));
  Half four = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
  Half two = four + __builtin_shufflevector(four, four, 2, 3, 2, 3);
  return two[0] + two[1];
#endif
}

#endif
