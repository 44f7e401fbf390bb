/* L-BFGS with an optional line search for the strong Wolfe conditions: the search of row `lbfgs`.
 *
 * It works on a flat vector of parameters and one of gradients that an `evaluate` function fills;
 * everything it remembers (past steps, the last direction) is its own. */
#ifndef NNRUN_TRAIN_LBFGS_H
#define NNRUN_TRAIN_LBFGS_H

#include "train/optim.h"

typedef struct Lbfgs Lbfgs;

/* `hyper` is in the order of the row. The vectors have `count` elements. */
Status lbfgs_new(Lbfgs **out, const double *hyper, const OptimTools *tools, size_t element,
                 int64_t count, Err *err);
void lbfgs_free(Lbfgs *lbfgs);
void lbfgs_reset(Lbfgs *lbfgs);
/* See optim_visit. */
bool lbfgs_visit(Lbfgs *lbfgs, OptimVisitor *visit, void *context);

/* Up to max_iter iterations from `params`, where update->loss and `grads` are known. Without a line
 * search returns false when loss or gradient stop being finite; the search refuses such points. */
bool lbfgs_step(Lbfgs *lbfgs, void *params, void *grads, const OptimUpdate *update);

#endif
