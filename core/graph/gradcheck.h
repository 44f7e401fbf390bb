/* Gradient check: graph_gradient against central differences.
 *
 * d loss / d w[i] is compared with (loss(w[i] + h) - loss(w[i] - h)) / 2h, h = step * max(1,
 * |w[i]|). Differences need float64; the error of one element is |a - n| / max(1, |a|, |n|). */
#ifndef NNRUN_GRAPH_GRADCHECK_H
#define NNRUN_GRAPH_GRADCHECK_H

#include "graph/plan.h"

typedef struct GradCheckInput {
  Ref input;
  const void *data;
} GradCheckInput;

typedef struct GradCheck {
  double error;  /* the worst one */
  int param;     /* where: index into `wrt` ... */
  int64_t index; /* ... and flat element index */
  double analytic, numeric;
} GradCheck;

/* `wrt` are float64 parameter nodes; their tensors are changed and restored. At most `per_param`
 * elements of each are tried, evenly spread (0: all). `step` 0 means 1e-5. */
Status gradcheck(GradCheck *out, Graph *graph, Ref loss, const Ref *wrt, int count,
                 const GradCheckInput *inputs, int input_count, int64_t per_param, double step,
                 const PlanOptions *options, Err *err);

#endif
