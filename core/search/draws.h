/* Random numbers one after another; uniform and normal ones come from streams of their own. */
#ifndef NNRUN_SEARCH_DRAWS_H
#define NNRUN_SEARCH_DRAWS_H

#include "base/rng.h"

typedef struct Draws {
  Rng uniform, normal;
  uint64_t next;
} Draws;

static inline Draws draws_from(const Rng *rng) {
  Draws draws = {.uniform = *rng, .normal = *rng};
  draws.normal.stream[1] ^= UINT32_C(0x80000000);
  return draws;
}

static inline double draw_uniform(Draws *draws) {
  return rng_uniform(&draws->uniform, draws->next++);
}

static inline double draw_normal(Draws *draws) { return rng_normal(&draws->normal, draws->next++); }

#endif
