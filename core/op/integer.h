/* Ops on int64 tensors, for tensors outside of graphs: arithmetic that wraps around, comparisons
 * (float32 0 or 1, as masks are), reductions. Kernels are compiled for floats only; models compute
 * with floats, and int64 holds labels and indices. */
#ifndef NNRUN_OP_INTEGER_H
#define NNRUN_OP_INTEGER_H

#include "op/op.h"

/* Has the op a form for int64 operands? */
bool integer_has(OpId op);
/* Compute it; the caller owns `out`. Refuses division by zero and negative exponents. */
Status integer_run(Tensor *out, OpId op, const Tensor *in, int inputs, Attrs *attrs, Err *err);

#endif
