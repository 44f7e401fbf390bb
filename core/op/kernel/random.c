/* Dropout: Philox4x32-10 on many counters at once, the same numbers as rng_u32 (base/rng.h). */
#include "base/hash.h"
#include "base/rng.h"
#include "op/kernel/family.h"

/* Blocks of four numbers computed together. */
enum { WIDE = 16, NUMBERS = 4 * WIDE, ROUNDS = 10 };

/* out[4 i + lane]: lane of block first + i (Salmon et al. 2011; multipliers and Weyl steps). */
static void philox_wide(const Rng *rng, uint64_t first, uint32_t out[NUMBERS]) {
  uint32_t x0[WIDE], x1[WIDE], x2[WIDE], x3[WIDE];
  uint32_t k0 = rng->key[0], k1 = rng->key[1];
  for (int i = 0; i < WIDE; i++) {
    x0[i] = (uint32_t)(first + (uint64_t)i);
    x1[i] = (uint32_t)((first + (uint64_t)i) >> 32);
    x2[i] = rng->stream[0];
    x3[i] = rng->stream[1];
  }
  for (int round = 0; round < ROUNDS; round++) {
#pragma omp simd
    for (int i = 0; i < WIDE; i++) {
      uint64_t p0 = (uint64_t)UINT32_C(0xD2511F53) * x0[i];
      uint64_t p1 = (uint64_t)UINT32_C(0xCD9E8D57) * x2[i];
      x0[i] = (uint32_t)(p1 >> 32) ^ x1[i] ^ k0;
      x1[i] = (uint32_t)p1;
      x2[i] = (uint32_t)(p0 >> 32) ^ x3[i] ^ k1;
      x3[i] = (uint32_t)p0;
    }
    k0 += UINT32_C(0x9E3779B9);
    k1 += UINT32_C(0xBB67AE85);
  }
  for (int i = 0; i < WIDE; i++) {
    out[4 * i] = x0[i];
    out[4 * i + 1] = x1[i];
    out[4 * i + 2] = x2[i];
    out[4 * i + 3] = x3[i];
  }
}

/* y = x / (1 - p) where the number at the element's index is at least p, else 0. */
void K(run_dropout)(const OpCall *call, int part, int parts) {
  const Shape *shape = &call->in[0].shape;
  double p = call->attrs->at[0].number;
  int64_t count = 1, rows = shape->ndim > 0 ? shape->dims[0] : 1;
  for (int i = 0; i < shape->ndim; i++) count *= shape->dims[i];
  if (count == 0) return;
  uint64_t stream = hash_mix((uint64_t)call->attrs->at[1].number + 1) + call->run->step;
  Rng rng = rng_make(call->run->seed, RNG_DROPOUT, hash_mix(stream));
  uint64_t start = (uint64_t)(call->first_row * (count / rows));
  /* p = 1 drops all; p so near 1 that the scale overflows drops all but in name. */
  uint64_t threshold = (uint64_t)(p * 0x1p32);
  real scale = p < 1 ? (real)(1 / (1 - p)) : 0;
  Range range = part_range(count, part, parts);
  const real *x = call->in[0].data;
  real *out = call->out.data;
  uint32_t numbers[NUMBERS];
  for (int64_t i = range.begin; i < range.end;) {
    uint64_t index = start + (uint64_t)i;
    int lane = (int)(index % 4);
    int n = range.end - i < NUMBERS - lane ? (int)(range.end - i) : NUMBERS - lane;
    philox_wide(&rng, index / 4, numbers);
    for (int k = 0; k < n; k++) out[i + k] = numbers[lane + k] >= threshold ? x[i + k] * scale : 0;
    i += n;
  }
}
