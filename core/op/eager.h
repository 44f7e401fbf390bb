/* Ops run at once on tensors: shape inference, one allocation, one kernel call; no graph, no plan.
 *
 * Operands of elementwise ops, products and concatenations are first brought to one element type:
 * float64 if any of them is, else float32 if any is, else int64. What op/integer.h has a form for
 * stays int64; any other op reads an int64 operand as float32 when it wants numbers.
 *
 * Order of calls: fill op, inputs, in and attrs of an Eager; eager_run; take or release `out`;
 * eager_release for the operands that had to be converted. */
#ifndef NNRUN_OP_EAGER_H
#define NNRUN_OP_EAGER_H

#include "op/op.h"

typedef struct Eager {
  OpId op;
  int inputs;
  unsigned converted;       /* begins as 0; bit i: in[i] is a converted copy, to be released */
  int results;              /* after eager_run */
  Tensor in[OP_MAX_INPUTS]; /* borrowed; absent ones have data NULL */
  Tensor out[OP_MAX_RESULTS];
  Attrs attrs; /* completed by inference */
} Eager;

/* Compute. On failure no result is held. */
Status eager_run(Eager *eager, Err *err);
/* Compute an elementwise op into `dest`, which has the shape and type of the result and may be an
 * operand. Elements behind dest's last one are left alone. */
Status eager_run_into(Eager *eager, Tensor *dest, Err *err);
void eager_release(Eager *eager);

/* The gradients of a past op: `in` and `out` as they were, out_grad[k] that of result k (data NULL:
 * none arrives). in_grad[i] is made for every i with wants[i]; data NULL: it is zero. */
Status eager_gradient(const Eager *past, const Tensor *out_grad, const bool *wants, Tensor *in_grad,
                      Err *err);

#endif
