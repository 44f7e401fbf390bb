/* Random numbers with an address: Philox4x32-10, a counter-based generator.
 *
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11. Every number is
 * a pure function of (seed, purpose, stream, index), so it does not matter who asks, in which order
 * or in how many pieces: the value at an index is the same. All kinds of numbers are made from the
 * same bits, so take only one kind from one stream. */
#ifndef NNRUN_BASE_RNG_H
#define NNRUN_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What a random number is for. New purposes go at the end: the order is part of every result. */
#define RNG_PURPOSES(X)                                                                            \
  X(INIT) X(SHUFFLE) X(DROPOUT) X(SPLIT) X(GENERATE) X(SAMPLE) X(AUGMENT) X(USER) X(NOISE)

typedef enum RngPurpose {
#define X(name) RNG_##name,
  RNG_PURPOSES(X)
#undef X
} RngPurpose;

/* A stream of numbers: the address less the index. Copy it freely; it holds no position. */
typedef struct Rng {
  uint32_t key[2];
  uint32_t stream[2]; /* the high half of the counter; the low half is the block's number */
} Rng;

/* The raw block function: ten rounds over counter and key. */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* `stream` tells apart the uses of one purpose: a layer, an epoch, a step. */
Rng rng_make(uint64_t seed, RngPurpose purpose, uint64_t stream);

/* The number at `index`: a lane of block index / 4, or a half of block index / 2. */
uint32_t rng_u32(const Rng *rng, uint64_t index);
uint64_t rng_u64(const Rng *rng, uint64_t index);
/* Uniform in [0, 1), a multiple of 2^-53; from rng_u64 at the index. */
double rng_uniform(const Rng *rng, uint64_t index);
/* Standard normal by Box-Muller: block index / 2 gives the cosine (even) and sine (odd) value. */
double rng_normal(const Rng *rng, uint64_t index);
/* Uniform integer in [0, bound), each value's chance right to 2^-64; bound > 0. */
uint64_t rng_below(const Rng *rng, uint64_t index, uint64_t bound);

/* Many at once, the same values as one by one but each block computed once:
 * out[i] is the number at first + i. */
void rng_fill_u64(const Rng *rng, uint64_t first, uint64_t *out, size_t count);
void rng_fill_uniform(const Rng *rng, uint64_t first, double *out, size_t count);
void rng_fill_normal(const Rng *rng, uint64_t first, double *out, size_t count);

/* A permutation of 0 .. count-1 (Fisher-Yates). */
void rng_permutation(const Rng *rng, int64_t *out, size_t count);

#endif
