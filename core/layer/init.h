/* Initialisers: starting values of parameters, as rows of inits.def.
 *
 * Every value is a function of (seed, stream, place in the tensor), drawn in float64 and rounded to
 * the tensor's type: float32 and float64 models start alike, and no parameter's values depend on
 * another's. Give each parameter of a model a stream of its own. */
#ifndef NNRUN_LAYER_INIT_H
#define NNRUN_LAYER_INIT_H

#include "tensor/tensor.h"

#define INIT(name, ...) INIT_##name,
typedef enum InitId {
#include "layer/inits.def"
  INIT_COUNT
} InitId;

enum { INIT_MAX_ARGS = 2 };

typedef struct InitInfo {
  const char *name;
  const char *help; /* one line */
  struct {
    const char *name;
    double fallback;
    const char *help;
  } arg[INIT_MAX_ARGS + 1]; /* ends with a name that is NULL */
} InitInfo;

const InitInfo *init_info(InitId id);
/* The initialiser of that name, or INIT_COUNT. */
InitId init_find(const char *name);
void init_arg_defaults(InitId id, double args[INIT_MAX_ARGS]);

/* Fans of a weight (out, in, kernel...): fan_in = in * kernel, fan_out = out * kernel; both are the
 * length of a vector, and 1 for a scalar. */
void init_fans(const Shape *shape, int64_t *fan_in, int64_t *fan_out);

/* Fill a float tensor. `args` in the order of the row; NULL: the defaults. Refuses arguments that
 * are not finite, a fan of 0 where the law divides by it, and shapes the law has no meaning for. */
Status init_fill(Tensor *tensor, InitId id, const double *args, int64_t fan_in, int64_t fan_out,
                 uint64_t seed, uint64_t stream, Err *err);

#endif
