#include "search/sequence.h"

enum { BITS = 32, MAX_DEGREE = 18, MAX_BASE = 1024 };

typedef struct Directions {
  uint32_t polynomial;
  uint16_t first[MAX_DEGREE];
} Directions;

static const Directions DIRECTION_TABLE[SOBOL_MAX_DIMENSIONS - 1] = {
#define DIRECTIONS(polynomial, ...) {polynomial, {__VA_ARGS__}},
#include "search/sobol.def"
#undef DIRECTIONS
};

/* v[j] = m_j 2^(32-j), by the recurrence of the primitive polynomial (Bratley and Fox, 1988). */
static void direction_numbers(int dimension, uint32_t v[BITS]) {
  if (dimension == 0) {
    for (int j = 0; j < BITS; j++) v[j] = UINT32_C(1) << (BITS - 1 - j);
    return;
  }
  const Directions *row = &DIRECTION_TABLE[dimension - 1];
  int degree = 31 - __builtin_clz(row->polynomial);
  for (int j = 0; j < BITS; j++) {
    if (j < degree) {
      v[j] = (uint32_t)row->first[j] << (BITS - 1 - j);
      continue;
    }
    v[j] = v[j - degree] ^ (v[j - degree] >> degree);
    for (int k = 1; k < degree; k++) {
      if (row->polynomial >> (degree - k) & 1) v[j] ^= v[j - k];
    }
  }
}

/* Owen's scrambling: digit b is flipped by a coin that belongs to the digits before it. */
static uint32_t owen_scramble(const Rng *rng, uint32_t x, int dimension) {
  uint32_t result = 0;
  for (int b = 0; b < BITS; b++) {
    uint64_t prefix = b ? x >> (BITS - b) : 0;
    /* The address: a one before the prefix tells prefixes of different lengths apart. */
    uint64_t node = (UINT64_C(1) << b | prefix) + ((uint64_t)dimension << 33);
    uint32_t coin = rng_u32(rng, node) >> 31;
    result |= ((x >> (BITS - 1 - b) & 1) ^ coin) << (BITS - 1 - b);
  }
  return result;
}

uint32_t sobol_digits(uint32_t index, int dimension) {
  uint32_t v[BITS], x = 0;
  direction_numbers(dimension, v);
  for (int j = 0; j < BITS; j++) {
    if (index >> j & 1) x ^= v[j];
  }
  return x;
}

double sobol_place(const Rng *rng, uint32_t index, int dimension) {
  return (owen_scramble(rng, sobol_digits(index, dimension), dimension) + 0.5) * 0x1p-32;
}

static int prime(int n) {
  for (int candidate = 2;; candidate++) {
    int factor = 2;
    while (factor * factor <= candidate && candidate % factor) factor++;
    if (factor * factor > candidate && n-- == 0) return candidate;
  }
}

double halton_place(const Rng *rng, uint32_t index, int dimension) {
  int base = prime(dimension);
  double place = 0, unit = 1;
  uint32_t rest = index;
  /* Leading zeros are digits, too, and are permuted: go on until they no longer matter. */
  for (int digit = 0; unit > 0x1p-53; digit++) {
    int permuted[MAX_BASE];
    for (int i = 0; i < base; i++) permuted[i] = i;
    uint64_t address = ((uint64_t)dimension << 40) + ((uint64_t)digit << 20);
    for (int i = base - 1; i > 0; i--) {
      int other = (int)rng_below(rng, address + (uint64_t)i, (uint64_t)i + 1);
      int kept = permuted[i];
      permuted[i] = permuted[other];
      permuted[other] = kept;
    }
    unit /= base;
    place += unit * permuted[rest % (uint32_t)base];
    rest /= (uint32_t)base;
  }
  return place < 1 ? place : 1 - 0x1p-53;
}
