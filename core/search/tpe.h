/* The tree-structured Parzen estimator: where are good results dense, and bad ones not?
 *
 * Bergstra, Bardenet, Bengio, Kegl: "Algorithms for hyper-parameter optimization", NIPS 2011; with
 * one kernel over all parameters together as in BOHB (Falkner, Klein, Hutter, ICML 2018). Results
 * are split into the best and the rest; each group is a mixture l(x), g(x) of one product kernel a
 * result and a uniform distribution. Candidates are drawn from l, and the one with the largest l /
 * g is proposed. A component is a distribution over the whole tree: below a branch its own result
 * did not take it is uniform, so results of all branches are used together. */
#ifndef NNRUN_SEARCH_TPE_H
#define NNRUN_SEARCH_TPE_H

#include "base/rng.h"
#include "search/table.h"

typedef struct TpeOptions {
  int below;      /* the best so many rows make l; at least 1 */
  int window;     /* of the others the newest so many make g */
  int candidates; /* drawn from l */
  double prior;   /* weight of the uniform distribution; the worst good result weighs 1 */
} TpeOptions;

/* Propose a row: places (width), NaN where a column is not active, the middle of a cell where it
 * has cells. `pending` (pending_count, width) are rows whose results are not known yet: they count
 * to g, so that they are not proposed again. A function of its arguments alone. */
Status tpe_propose(const SearchTable *table, const TpeOptions *options, const double *pending,
                   int pending_count, const Rng *rng, double *row, Err *err);

#endif
