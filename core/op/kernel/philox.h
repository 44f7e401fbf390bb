/* Random numbers by address: Philox4x32-10 on many counters at once, the same numbers as rng_u32
 * (base/rng.h). */
#ifndef NNRUN_OP_KERNEL_PHILOX_H
#define NNRUN_OP_KERNEL_PHILOX_H

#include "base/hash.h"
#include "base/kernel.h"
#include "base/rng.h"
#include "op/call.h"

#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* The numbers of an op in this step; attribute `slot` is its stream. */
static inline Rng philox_rng(const OpCall *call, RngPurpose purpose, int slot) {
  uint64_t stream = hash_mix((uint64_t)call->attrs->at[slot].number + 1) + call->run->step;
  return rng_make(call->run->seed, purpose, hash_mix(stream));
}

/* Four counters side by side. PhiloxWords are the low halves of the elements; what is in the high
 * halves never gets out, so no instruction is spent on clearing them. */
typedef uint64_t PhiloxWords __attribute__((vector_size(32)));

enum { PHILOX_CHAINS = 2, PHILOX_NUMBERS = 16 * PHILOX_CHAINS, PHILOX_ROUNDS = 10 };

static inline PhiloxWords philox_words(uint64_t value) {
  return (PhiloxWords){value, value, value, value};
}

/* Products of the low halves. */
static inline PhiloxWords philox_multiply(PhiloxWords a, PhiloxWords b) {
#if defined(__AVX2__)
  return (PhiloxWords)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#else
  return (a & philox_words(UINT32_MAX)) * (b & philox_words(UINT32_MAX));
#endif
}

/* The numbers of 4 * PHILOX_CHAINS blocks from block `first` on (Salmon et al. 2011; multipliers
 * and Weyl steps from there): those of one block lie side by side. */
static inline void philox_numbers(const Rng *rng, uint64_t first, uint32_t out[PHILOX_NUMBERS]) {
  PhiloxWords x0[PHILOX_CHAINS], x1[PHILOX_CHAINS], x2[PHILOX_CHAINS], x3[PHILOX_CHAINS];
  uint32_t k0 = rng->key[0], k1 = rng->key[1];
  for (int c = 0; c < PHILOX_CHAINS; c++) {
    x0[c] = philox_words(first + 4 * (uint64_t)c) + (PhiloxWords){0, 1, 2, 3};
    x1[c] = x0[c] >> 32;
    x2[c] = philox_words(rng->stream[0]);
    x3[c] = philox_words(rng->stream[1]);
  }
  for (int round = 0; round < PHILOX_ROUNDS; round++) {
    for (int c = 0; c < PHILOX_CHAINS; c++) {
      PhiloxWords p0 = philox_multiply(x0[c], philox_words(0xD2511F53)),
                  p1 = philox_multiply(x2[c], philox_words(0xCD9E8D57));
      x0[c] = (p1 >> 32) ^ x1[c] ^ philox_words(k0);
      x1[c] = p1;
      x2[c] = (p0 >> 32) ^ x3[c] ^ philox_words(k1);
      x3[c] = p0;
    }
    k0 += UINT32_C(0x9E3779B9);
    k1 += UINT32_C(0xBB67AE85);
  }
  for (int c = 0; c < PHILOX_CHAINS; c++) {
    PhiloxWords left = (x0[c] & philox_words(UINT32_MAX)) | x1[c] << 32;
    PhiloxWords right = (x2[c] & philox_words(UINT32_MAX)) | x3[c] << 32;
    PhiloxWords low = __builtin_shufflevector(left, right, 0, 4, 1, 5);
    PhiloxWords high = __builtin_shufflevector(left, right, 2, 6, 3, 7);
    memcpy(out + 16 * c, &low, sizeof low);
    memcpy(out + 16 * c + 8, &high, sizeof high);
  }
}

/* out = x / (1 - p) where the number at the element's address, `index` and up, is at least p, else
 * 0; 0 <= p < 1. `out` may be x. */
static inline void philox_drop(const Rng *rng, uint64_t index, double p, const real *x, real *out,
                               int64_t count) {
  uint32_t threshold = (uint32_t)(p * 0x1p32), numbers[PHILOX_NUMBERS];
  real scale = (real)(1 / (1 - p));
  for (int64_t i = 0; i < count;) {
    int lane = (int)((index + (uint64_t)i) % 4);
    int n = count - i < PHILOX_NUMBERS - lane ? (int)(count - i) : PHILOX_NUMBERS - lane;
    philox_numbers(rng, (index + (uint64_t)i) / 4, numbers);
#pragma omp simd
    for (int k = 0; k < n; k++) out[i + k] = numbers[lane + k] >= threshold ? x[i + k] * scale : 0;
    i += n;
  }
}

#endif
