/* Optimisers: update flat parameters from flat gradients, as rows of optims.def.
 *
 * All parameters of a model lie in one vector, each in its segment, segments starting at multiples
 * of OPTIM_ALIGN elements with zeros between them; an update is one pass over the vector. Order of
 * calls: optim_new, then optim_step as often as wanted, optim_free. What an optimiser remembers
 * (its states and the number of steps) can be read and written, for checkpoints. The result of a
 * step has the same bits for any number of threads. After the update come, where asked for, limits
 * on the norms of rows and a running mean of the parameters. */
#ifndef NNRUN_TRAIN_OPTIM_H
#define NNRUN_TRAIN_OPTIM_H

#include "base/isa.h"
#include "base/pool.h"
#include "tensor/tensor.h"

#define OPTIM(name, ...) OPTIM_##name,
typedef enum OptimId {
#include "train/optims.def"
  OPTIM_COUNT
} OptimId;

enum { OPTIM_MAX_HYPERS = 12, OPTIM_MAX_STATES = 4, OPTIM_ALIGN = 16 };

/* What values a hyper-parameter may take: name, words for messages. */
#define OPTIM_DOMAINS(X)                                                                           \
  X(AMOUNT, "0 or more")                                                                           \
  X(POSITIVE, "greater than 0")                                                                    \
  X(FRACTION, "at least 0 and less than 1")                                                        \
  X(GROWTH, "greater than 1")                                                                      \
  X(WHOLE, "a whole number, 1 or more")                                                            \
  X(FLAG, "true or false")

typedef enum OptimDomain {
#define X(name, words) OPTIM_##name,
  OPTIM_DOMAINS(X)
#undef X
} OptimDomain;

typedef struct OptimHyper {
  const char *name;
  OptimDomain domain;
  double fallback;
  const char *help;
} OptimHyper;

typedef struct OptimInfo {
  const char *name;                       /* "adam" */
  const char *title;                      /* "Adam", as people write it */
  const char *help;                       /* one line */
  OptimHyper hyper[OPTIM_MAX_HYPERS + 1]; /* ends with a name that is NULL */
  struct {
    const char *name;
    const char *needs;           /* the hyper-parameter that must not be zero, or "" */
  } state[OPTIM_MAX_STATES + 1]; /* likewise */
} OptimInfo;

const OptimInfo *optim_info(OptimId id);
/* Whether it evaluates the loss again within a step. */
bool optim_searches(OptimId id);
/* By name or title ("adam", "Adam"), or OPTIM_COUNT. */
OptimId optim_find(const char *name);
/* The index of a hyper-parameter by name, or -1. */
int optim_hyper_find(OptimId id, const char *name);
/* A hyper-parameter's value by name; 0 when the row has none of that name. */
double optim_hyper_value(OptimId id, const double *hyper, const char *name);
void optim_hyper_defaults(OptimId id, double hyper[OPTIM_MAX_HYPERS]);
/* Every value within its domain, and combinations that mean something. */
Status optim_hyper_check(OptimId id, const double *hyper, Err *err);

/* One parameter's place in the flat vectors. */
typedef struct OptimSegment {
  int64_t offset; /* a multiple of OPTIM_ALIGN; segments are in order and do not overlap */
  int64_t count;
  double lr_scale; /* times the learning rate of the step; 1 is usual */
  bool decay;      /* weight_decay and l1 apply */
  bool frozen;     /* never changes, does not count in the gradient's norm */
  bool own_decay;  /* weight_decay is the value below instead of the optimiser's */
  double weight_decay;
  int64_t rows;    /* the segment as so many rows of equal length, for ... */
  double max_norm; /* ... the largest Euclidean norm of each after a step; 0: no limit */
  bool sparse;     /* ... and to leave rows whose gradient is all zeros as they are, states too */
} OptimSegment;

typedef struct Optim Optim;

/* `params` and `grads` are float32 or float64 vectors of one length, shared and not copied.
 * `hyper` is in the order of the row. No segments (0) means one that is everything. */
Status optim_new(Optim **out, OptimId id, Isa isa, const double *hyper,
                 const OptimSegment *segments, int nsegments, const Tensor *params,
                 const Tensor *grads, Err *err);
void optim_free(Optim *optim);
/* Other segments for the steps that follow: rates, decay, frozen or not. States stay. Gradients in
 * frozen segments are cleared, since nobody will write them. */
Status optim_set_segments(Optim *optim, const OptimSegment *segments, int nsegments, Err *err);
/* Keep `mean` (as the parameters; shared) a running mean of all parameters, frozen ones included:
 * the first update copies them, the n-th (from 0) after it does mean = d mean + (1 - d) params with
 * d = decay, or min(decay, (1 + n) / (10 + n)) when `warm_up`. A decay of 1 is the plain mean of
 * all. Every step updates it, unless `by_hand`: then optim_average does. */
Status optim_set_average(Optim *optim, const Tensor *mean, double decay, bool warm_up, bool by_hand,
                         Err *err);
void optim_average(Optim *optim, Pool *pool);

/* What a step is told. Zeros mean: none, or as constructed. */
typedef struct OptimUpdate {
  double lr;
  double clip_norm; /* > 0: gradients are first scaled to a common Euclidean norm of at most this */
  double clip_value; /* > 0: each is then limited to +- this */
  double momentum;   /* > 0: in place of the row's momentum or beta1, for this step */
  Pool *pool;
  /* For optimisers that search: the loss where the parameters are, and a function that says what
   * it is, and fills the gradients, where they have been moved to. */
  double loss;
  double (*evaluate)(void *context);
  void *context;
} OptimUpdate;

/* One update. Clipping and l1 change `grads`. Returns false if a gradient was NaN or infinite:
 * parameters and states are then numbers of no meaning (possibly NaN), and nothing else is harmed.
 */
bool optim_step(Optim *optim, const OptimUpdate *update);
/* Euclidean norm of the gradients as they are now, frozen ones left out. */
double optim_grad_norm(Optim *optim, Pool *pool);
/* The first segment whose gradient (or, if all gradients are finite, parameter) holds NaN or an
 * infinity, or -1: who diverged. */
int optim_find_bad(const Optim *optim);

/* The number of updates so far. */
int64_t optim_steps(const Optim *optim);
/* Forget everything: states zero, no steps. */
void optim_reset(Optim *optim);

/* Everything an optimiser remembers, for checkpoints: `visit` is called with each piece of it, in
 * an order and of sizes that depend on the row, its hyper-parameters, and what the pieces before
 * say (L-BFGS has as many past steps as it had). Whoever restores writes the pieces. The average's
 * vector is its owner's; how many updates it has had is here. False: no memory for a piece. */
typedef void OptimVisitor(void *context, void *piece, size_t bytes);
bool optim_visit(Optim *optim, OptimVisitor *visit, void *context);

/* ---- for kernels ---- */

typedef struct OptimStep {
  double hyper[OPTIM_MAX_HYPERS];
  double lr;    /* of this step and these parameters */
  double decay; /* weight_decay, or 0 where it does not apply */
  int64_t t;    /* the number of this step, from 1 */
} OptimStep;

/* Update n elements; returns 0, or NaN if a gradient was not finite. Each optimiser has one. */
typedef double (*OptimKernel)(void *w, const void *g, void *const *state, const OptimStep *step,
                              int64_t n);
/* What all share. */
typedef struct OptimTools {
  OptimKernel update[OPTIM_COUNT];
  double (*sum_squares)(const void *g, int64_t n); /* in float64 */
  /* g *= scale, then limited to +- limit (> 0, may be infinite); NaN stays NaN */
  void (*clip)(void *g, double scale, double limit, int64_t n);
  void (*penalise)(void *g, const void *w, double l1, int64_t n);  /* g += l1 sign(w) */
  double (*finite)(const void *x, int64_t n);                      /* 0, or NaN */
  void (*mix)(void *mean, const void *x, double share, int64_t n); /* mean += share (x - mean) */
  /* each of `rows` rows of n elements: scaled to a norm of at most `limit` */
  void (*limit_rows)(void *w, int64_t rows, int64_t n, double limit);
  void (*combine)(void *out, double a, const void *x, double b, const void *y,
                  int64_t n); /* out = a x + b y; may be in place; y NULL: out = a x */
  double (*dot)(const void *x, const void *y, int64_t n); /* in float64 */
  double (*abs_sum)(const void *x, int64_t n);            /* likewise */
  double (*abs_max)(const void *x, int64_t n);
} OptimTools;

const OptimTools *optim_tools(DType dtype, Isa isa);

#endif
