/* CMA-ES: a normal distribution that learns its mean, step size and covariance from ranks.
 *
 * Hansen: "The CMA evolution strategy: a tutorial" (arXiv:1604.00772, version of 2023), with its
 * negative weights. Points need not have been drawn from the present distribution: those farther
 * away than its own points are shortened (Hansen: "Injecting external solutions into CMA-ES",
 * 2011), so results that come late can be used, too. Places are in [0, 1]; what lies outside is
 * drawn again. */
#ifndef NNRUN_SEARCH_CMAES_H
#define NNRUN_SEARCH_CMAES_H

#include "base/rng.h"
#include "base/status.h"

typedef struct Cmaes Cmaes;

/* lambda >= 2 points a generation; `least` (width): standard deviations that are never fallen
 * below, 0 where there is no limit ("margin" for parameters with cells). */
Status cmaes_new(Cmaes **out, int width, int lambda, const double *mean, double sigma,
                 const double *least, Err *err);
/* Point (width) for address `index` of rng. */
void cmaes_draw(const Cmaes *cmaes, const Rng *rng, uint64_t index, double *point);
/* Learn from a generation: points (lambda, width), the best first; NaN stands for a coordinate that
 * was not used, and says nothing about it. */
Status cmaes_update(Cmaes *cmaes, const double *points, const Rng *rng, Err *err);
int cmaes_width(const Cmaes *cmaes);
int cmaes_lambda(const Cmaes *cmaes);
/* The mean (width), and the longest axis of the distribution as a standard deviation. */
const double *cmaes_mean(const Cmaes *cmaes);
double cmaes_spread(const Cmaes *cmaes);
/* Longest axis of the covariance over its shortest. */
double cmaes_condition(const Cmaes *cmaes);
void cmaes_free(Cmaes *cmaes);

#endif
