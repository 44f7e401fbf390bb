#include "base/rng.h"

#include "base/hash.h"

#include <math.h>

enum { PHILOX_ROUNDS = 10, FILL_CHUNK = 128 };

/* Multipliers and Weyl steps of Philox4x32 (Salmon et al. 2011, table 2 and section 3). */
#define PHILOX_M0 UINT32_C(0xD2511F53)
#define PHILOX_M1 UINT32_C(0xCD9E8D57)
#define PHILOX_W0 UINT32_C(0x9E3779B9)
#define PHILOX_W1 UINT32_C(0xBB67AE85)

#define GOLDEN_RATIO_64 UINT64_C(0x9E3779B97F4A7C15) /* 2^64 / golden ratio, odd */
#define TWO_PI 6.283185307179586476925286766559
#define UNIT_53 0x1p-53

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < PHILOX_ROUNDS; round++) {
    uint64_t p0 = (uint64_t)PHILOX_M0 * x0, p1 = (uint64_t)PHILOX_M1 * x2;
    x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
    x1 = (uint32_t)p1;
    x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
    x3 = (uint32_t)p0;
    k0 += PHILOX_W0;
    k1 += PHILOX_W1;
  }
  out[0] = x0, out[1] = x1, out[2] = x2, out[3] = x3;
}

Rng rng_make(uint64_t seed, RngPurpose purpose, uint64_t stream) {
  /* For one purpose a bijection of the seed, so two seeds never share a stream. */
  uint64_t key = hash_mix(seed + GOLDEN_RATIO_64 * ((uint64_t)purpose + 1));
  return (Rng){.key = {(uint32_t)key, (uint32_t)(key >> 32)},
               .stream = {(uint32_t)stream, (uint32_t)(stream >> 32)}};
}

static void rng_block(const Rng *rng, uint64_t block, uint32_t out[4]) {
  const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), rng->stream[0],
                               rng->stream[1]};
  philox4x32(counter, rng->key, out);
}

static void rng_halves(const Rng *rng, uint64_t block, uint64_t halves[2]) {
  uint32_t lanes[4];
  rng_block(rng, block, lanes);
  halves[0] = (uint64_t)lanes[1] << 32 | lanes[0];
  halves[1] = (uint64_t)lanes[3] << 32 | lanes[2];
}

static double unit_from(uint64_t bits) { return (double)(bits >> 11) * UNIT_53; }

static void normal_pair(const uint64_t halves[2], double out[2]) {
  /* The radius takes 1 - u, in (0, 1], so that the logarithm is finite. */
  double radius = sqrt(-2.0 * log(1.0 - unit_from(halves[0])));
  double angle = TWO_PI * unit_from(halves[1]);
  out[0] = radius * cos(angle);
  out[1] = radius * sin(angle);
}

static uint64_t scale_below(uint64_t bits, uint64_t bound) {
  return (uint64_t)((unsigned __int128)bits * bound >> 64);
}

uint32_t rng_u32(const Rng *rng, uint64_t index) {
  uint32_t lanes[4];
  rng_block(rng, index / 4, lanes);
  return lanes[index % 4];
}

uint64_t rng_u64(const Rng *rng, uint64_t index) {
  uint64_t halves[2];
  rng_halves(rng, index / 2, halves);
  return halves[index % 2];
}

double rng_uniform(const Rng *rng, uint64_t index) { return unit_from(rng_u64(rng, index)); }

double rng_normal(const Rng *rng, uint64_t index) {
  uint64_t halves[2];
  double pair[2];
  rng_halves(rng, index / 2, halves);
  normal_pair(halves, pair);
  return pair[index % 2];
}

uint64_t rng_below(const Rng *rng, uint64_t index, uint64_t bound) {
  return scale_below(rng_u64(rng, index), bound);
}

void rng_fill_u64(const Rng *rng, uint64_t first, uint64_t *out, size_t count) {
  size_t i = 0;
  if (count > 0 && first % 2 == 1) out[i++] = rng_u64(rng, first);
  for (; i + 2 <= count; i += 2) rng_halves(rng, (first + i) / 2, out + i);
  if (i < count) out[i] = rng_u64(rng, first + i);
}

void rng_fill_uniform(const Rng *rng, uint64_t first, double *out, size_t count) {
  uint64_t bits[FILL_CHUNK];
  for (size_t done = 0; done < count;) {
    size_t now = count - done < FILL_CHUNK ? count - done : FILL_CHUNK;
    rng_fill_u64(rng, first + done, bits, now);
    for (size_t i = 0; i < now; i++) out[done + i] = unit_from(bits[i]);
    done += now;
  }
}

void rng_fill_normal(const Rng *rng, uint64_t first, double *out, size_t count) {
  size_t i = 0;
  if (count > 0 && first % 2 == 1) out[i++] = rng_normal(rng, first);
  for (; i + 2 <= count; i += 2) {
    uint64_t halves[2];
    rng_halves(rng, (first + i) / 2, halves);
    normal_pair(halves, out + i);
  }
  if (i < count) out[i] = rng_normal(rng, first + i);
}

void rng_permutation(const Rng *rng, int64_t *out, size_t count) {
  uint64_t bits[FILL_CHUNK];
  for (size_t i = 0; i < count; i++) out[i] = (int64_t)i;
  /* Position i (from the last) changes places with one of 0 .. i, chosen by the number at i. */
  size_t chunk = count; /* bits[] holds the numbers from this index on */
  for (size_t i = count; i-- > 1;) {
    if (i < chunk) {
      chunk = i / FILL_CHUNK * FILL_CHUNK;
      rng_fill_u64(rng, chunk, bits, i - chunk + 1);
    }
    size_t j = (size_t)scale_below(bits[i - chunk], (uint64_t)i + 1);
    int64_t swapped = out[i];
    out[i] = out[j];
    out[j] = swapped;
  }
}
