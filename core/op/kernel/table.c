/* The kernels of this element type and instruction set, by op. */
#include "base/kernel.h"
#include "op/op.h"

/* An alias (reshape) has no kernel. */
#define OP(name, inputs, optionals, flags, ...)                                                    \
  void K(run_##name)(const OpCall *call, int part, int parts);
#include "op/ops.def"

extern const OpKernel K(op_kernels)[OP_COUNT];
const OpKernel K(op_kernels)[OP_COUNT] = {
#define OP(name, ...) [OP_##name] = K(run_##name),
#include "op/ops.def"
};
