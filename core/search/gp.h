/* A Gaussian process as a model of the loss, and where it expects to improve.
 *
 * Kernel: Matern 5/2 with a length for each column (ARD), a scale and noise, at the maximum of the
 * posterior (Rasmussen, Williams: "Gaussian processes for machine learning", 2006). Losses are made
 * normal by Yeo and Johnson's transform (2000). Acquisition: the logarithm of expected improvement
 * (Jones, Schonlau, Welch, 1998; Ament et al., NeurIPS 2023). Where a column is not active its
 * place counts as the middle. Costs grow with the cube of the rows, so at most GP_MAX_ROWS are
 * looked at: the better half by loss, the others by age. */
#ifndef NNRUN_SEARCH_GP_H
#define NNRUN_SEARCH_GP_H

#include "base/rng.h"
#include "search/table.h"

enum { GP_MAX_ROWS = 128 };

/* Logarithms, in units of the transformed and standardised loss. */
typedef struct GpModel {
  double length[SEARCH_MAX_COLUMNS];
  double scale, noise; /* variances */
} GpModel;

/* The model of the first `count` rows (1 <= count <= table->count). */
Status gp_fit(const SearchTable *table, int count, GpModel *model, Err *err);
/* The row (width) with the largest expected improvement, given all rows and the mean of the model
 * at `pending` (pending_count, width) ones. `candidates` random rows are looked at, and the best of
 * them improved. */
Status gp_propose(const SearchTable *table, const GpModel *model, const double *pending,
                  int pending_count, int candidates, const Rng *rng, double *row, Err *err);

#endif
