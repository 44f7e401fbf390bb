/* The tape: which ops made a tensor, so that y:backward() can go back over them.
 *
 * A tensor that takes part in a gradient (TensorBox.tracked) has a userdata "nnrun.tape" as user
 * value 1: a leaf (x:requires_grad()), which collects the gradient, or a past op with the operands
 * and results it had. Ops on tracked tensors append to the tape unless tensor.no_grad is on. */
#ifndef NNRUN_TAPE_H
#define NNRUN_TAPE_H

#include "binding.h"
#include "op/eager.h"

/* What a tensor's userdata holds. */
typedef struct TensorBox {
  Tensor tensor;
  bool tracked;
  int result; /* which result of the past op it is */
} TensorBox;

/* Should an op whose operands are at stack 1 .. count be recorded? */
bool tape_wants(lua_State *L, OpId op, const bool *tracked, int count);
/* Remember a computed op: operands at stack 1 .. inputs, results at `first_result` and above. */
void tape_record(lua_State *L, const Eager *eager, int first_result);
/* Raise when the tensor at `index` must not be written to: it takes part in a gradient. */
void tape_check_write(lua_State *L, int index, const char *what);
/* Methods requires_grad, is_tracked, detach, grad, zero_grad, backward into the table on top. */
void tape_methods(lua_State *L);

#endif
