/* A training or evaluation step: a graph with a loss, run batch by batch over rows of data.
 *
 * step_new appends the gradient to the graph and plans it, gradients going straight to the flat
 * vector the optimiser reads; without parameters the step only evaluates. step_run then takes
 * batches of a fixed number of rows, gathers each one's rows (or, in file order, reads them where
 * they are), runs the plan and updates. It stops at the step in which the loss or a gradient stops
 * being finite, before anything else is computed from it. */
#ifndef NNRUN_TRAIN_STEP_H
#define NNRUN_TRAIN_STEP_H

#include "graph/plan.h"
#include "train/optim.h"

enum { STEP_MAX_INPUTS = 8, STEP_MAX_METRICS = 32, STEP_MAX_OUTPUTS = 64 };

/* A parameter of the graph, and where its gradient goes in the flat vector. */
typedef struct StepParam {
  Ref ref;
  int64_t offset;
} StepParam;

/* State that is not trained, such as running statistics: the value of `ref` goes to `to` after
 * every step. The tensor must outlive the step. */
typedef struct StepUpdated {
  Ref ref;
  const Tensor *to;
} StepUpdated;

typedef struct StepSpec {
  const Ref *inputs; /* batched; bound to the data's tensors in this order */
  int input_count;
  Ref loss;           /* one element, the mean over the batch */
  const Ref *metrics; /* one element each, sums over the batch's rows, of the loss's type */
  int metric_count;
  const StepParam *params;
  int param_count;            /* 0: evaluate only */
  const Tensor *grads;        /* flat; the type of the loss */
  const StepUpdated *updates; /* what else a step leaves behind */
  int update_count;
  const Ref *outputs; /* rows to keep (predictions) */
  int output_count;
} StepSpec;

typedef struct Step Step;

Status step_new(Step **out, Graph *graph, const StepSpec *spec, const PlanOptions *options,
                Err *err);
void step_free(Step *step);
PlanInfo step_info(const Step *step);
typedef struct StepData {
  const Tensor *inputs[STEP_MAX_INPUTS]; /* first axis: all rows there are */
  const int64_t *order; /* row numbers in the order to take them, or NULL: as they stand */
  int64_t order_count;  /* how many there are */
  int64_t first;        /* position in that order of the first batch's first row */
  int64_t batches;      /* how many to run; each has the rows the graph was traced with */
  int64_t repeat; /* go over the same batches so many times (full-batch training); 1 is usual */
  double *losses; /* the loss of each step goes here, `batches * repeat` of them; or NULL */
  Tensor *outputs[STEP_MAX_OUTPUTS]; /* rows of each output go here, at the position of their batch;
                                        or NULL */
} StepData;

typedef struct StepUpdate {
  Optim *optim;                 /* NULL: evaluate only */
  double clip_norm, clip_value; /* 0: none */
  const double *lr;             /* learning rate of each step, `batches * repeat` of them, or ... */
  double lr_all;                /* ... when NULL, of all */
  const double *momentum;       /* likewise, in place of the optimiser's own ... */
  double momentum_all;          /* ... or of all; 0: its own */
  uint64_t seed;
} StepUpdate;

typedef struct StepResult {
  double loss;                     /* sum over steps, each weighted by its rows */
  double metric[STEP_MAX_METRICS]; /* sums over steps: a count stays a whole number */
  double last_loss;                /* of the last step, before its update */
  int64_t steps;                   /* done */
  bool diverged;
  int bad_segment;   /* whose gradient (or new value) is not finite, or -1 */
  char message[256]; /* "diverged at step 812 in linear_2: ..."; empty for a gradient */
} StepResult;

/* Adds to `result`, which starts as zeros. Runs until done, diverged, or `seconds` have passed (0:
 * no limit), whichever is first: result->steps says how far it came. */
Status step_run(Step *step, const StepData *data, const StepUpdate *update, double seconds,
                StepResult *result, Err *err);

#endif
