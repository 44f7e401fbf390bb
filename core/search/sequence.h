/* Sequences that fill a cube more evenly than random points do: Sobol's and Halton's, scrambled.
 *
 * Point `index` (0, 1, ...) of a sequence is a function of (rng, index, dimension) alone.
 * Scrambling makes every point uniform by itself and keeps the evenness of the first n; for Sobol's
 * sequence that is best for n a power of two. */
#ifndef NNRUN_SEARCH_SEQUENCE_H
#define NNRUN_SEARCH_SEQUENCE_H

#include "base/rng.h"

enum { SOBOL_MAX_DIMENSIONS = 128, HALTON_MAX_DIMENSIONS = 128 };

/* The 32 digits of point `index` as they come from Joe and Kuo's directions, not scrambled. */
uint32_t sobol_digits(uint32_t index, int dimension);
/* Those with Owen's nested scrambling of all 32 digits (Owen: "Randomly permuted
 * (t,m,s)-nets and (t,s)-sequences", 1995). dimension < SOBOL_MAX_DIMENSIONS. */
double sobol_place(const Rng *rng, uint32_t index, int dimension);
/* Halton's sequence with a random permutation for each digit (Owen: "A randomized Halton algorithm
 * in R", 2017). dimension < HALTON_MAX_DIMENSIONS. */
double halton_place(const Rng *rng, uint32_t index, int dimension);

#endif
