/* Dropout: Philox4x32-10 on many counters at once, the same numbers as rng_u32 (base/rng.h). */
#include "base/hash.h"
#include "base/rng.h"
#include "op/kernel/family.h"

#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* Four counters side by side. Words are the low halves of the elements; what is in the high halves
 * never gets out, so no instruction is spent on clearing them. */
typedef uint64_t Words __attribute__((vector_size(32)));

enum { CHAINS = 2, NUMBERS = 16 * CHAINS, ROUNDS = 10 };

static inline Words words(uint64_t value) { return (Words){value, value, value, value}; }

/* Products of the low halves. */
static inline Words multiply(Words a, Words b) {
#if defined(__AVX2__)
  return (Words)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#else
  return (a & words(UINT32_MAX)) * (b & words(UINT32_MAX));
#endif
}

/* The numbers of 4 * CHAINS blocks from block `first` on (Salmon et al. 2011; multipliers and Weyl
 * steps from there): those of one block lie side by side. */
static inline void philox_wide(const Rng *rng, uint64_t first, uint32_t out[NUMBERS]) {
  Words x0[CHAINS], x1[CHAINS], x2[CHAINS], x3[CHAINS];
  uint32_t k0 = rng->key[0], k1 = rng->key[1];
  for (int c = 0; c < CHAINS; c++) {
    x0[c] = words(first + 4 * (uint64_t)c) + (Words){0, 1, 2, 3};
    x1[c] = x0[c] >> 32;
    x2[c] = words(rng->stream[0]);
    x3[c] = words(rng->stream[1]);
  }
  for (int round = 0; round < ROUNDS; round++) {
    for (int c = 0; c < CHAINS; c++) {
      Words p0 = multiply(x0[c], words(0xD2511F53)), p1 = multiply(x2[c], words(0xCD9E8D57));
      x0[c] = (p1 >> 32) ^ x1[c] ^ words(k0);
      x1[c] = p1;
      x2[c] = (p0 >> 32) ^ x3[c] ^ words(k1);
      x3[c] = p0;
    }
    k0 += UINT32_C(0x9E3779B9);
    k1 += UINT32_C(0xBB67AE85);
  }
  for (int c = 0; c < CHAINS; c++) {
    Words left = (x0[c] & words(UINT32_MAX)) | x1[c] << 32;
    Words right = (x2[c] & words(UINT32_MAX)) | x3[c] << 32;
    Words low = __builtin_shufflevector(left, right, 0, 4, 1, 5);
    Words high = __builtin_shufflevector(left, right, 2, 6, 3, 7);
    memcpy(out + 16 * c, &low, sizeof low);
    memcpy(out + 16 * c + 8, &high, sizeof high);
  }
}

/* y = x / (1 - p) where the number at the element's index is at least p, else 0. */
KERNEL(dropout) {
  const Shape *shape = &call->in[0].shape;
  double p = call->attrs->at[0].number;
  int64_t count = shape_count(shape), rows = shape->ndim > 0 ? shape->dims[0] : 1;
  if (count == 0) return;
  uint64_t stream = hash_mix((uint64_t)call->attrs->at[1].number + 1) + call->run->step;
  Rng rng = rng_make(call->run->seed, RNG_DROPOUT, hash_mix(stream));
  uint64_t start = (uint64_t)(call->first_row * (count / rows));
  Range range = part_range(count, part, parts);
  const real *x = call->in[0].data;
  real *out = call->out.data;
  if (p == 1) {
    memset(out + range.begin, 0, (size_t)(range.end - range.begin) * sizeof *out);
    return;
  }
  uint32_t threshold = (uint32_t)(p * 0x1p32);
  real scale = (real)(1 / (1 - p));
  uint32_t numbers[NUMBERS];
  for (int64_t i = range.begin; i < range.end;) {
    uint64_t index = start + (uint64_t)i;
    int lane = (int)(index % 4);
    int n = range.end - i < NUMBERS - lane ? (int)(range.end - i) : NUMBERS - lane;
    philox_wide(&rng, index / 4, numbers);
#pragma omp simd
    for (int k = 0; k < n; k++) out[i + k] = numbers[lane + k] >= threshold ? x[i + k] * scale : 0;
    i += n;
  }
}
