#include "op/elementwise.h"

#include "base/kernel.h"

typedef EwLoop EwLoops[4];

#define X(name, type, isa) extern const EwLoops name##_##type##_##isa[EW_COUNT];
KERNEL_COPIES(X, ew_loops)
#undef X
#define X(name, type, isa)                                                                         \
  void name##_##type##_##isa(const EwProgram *program, int part, int parts);
KERNEL_COPIES(X, ew_run)
#undef X

EwLoop ew_loop(int op, int slot, DType dtype, Isa isa) {
  static const EwLoops *const tables[ISA_COUNT][2] = {
#define X(isa, words) [ISA_##isa] = {ew_loops_f32_##isa, ew_loops_f64_##isa},
      ISA_LIST(X)
#undef X
  };
  return tables[isa][dtype == DTYPE_F64][op][slot + 1];
}

EwRun ew_runner(DType dtype, Isa isa) {
  static const EwRun runners[ISA_COUNT][2] = {
#define X(isa, words) [ISA_##isa] = {ew_run_f32_##isa, ew_run_f64_##isa},
      ISA_LIST(X)
#undef X
  };
  return runners[isa][dtype == DTYPE_F64];
}

void ew_operand(EwOperand *operand, const Shape *from, const Shape *to) {
  operand->reg = EW_NONE;
  int64_t count = shape_count(from);
  if (count == 1) {
    operand->mode = EW_SCALAR;
    if (shape_count(to) == 1) operand->mode = EW_FULL;
    return;
  }
  if (count == shape_count(to)) {
    operand->mode = EW_FULL;
    return;
  }
  /* Trailing axes equal and all before them 1: the operand repeats. */
  int same = 0;
  while (same < from->ndim && from->dims[from->ndim - 1 - same] == to->dims[to->ndim - 1 - same])
    same++;
  int64_t period = 1;
  for (int i = 1; i <= same; i++) period *= from->dims[from->ndim - i];
  if (period == count) {
    operand->mode = EW_PERIODIC;
    operand->period = period;
    return;
  }
  operand->mode = EW_STRIDED;
  operand->strides = (Shape){.ndim = to->ndim};
  int64_t stride = 1;
  for (int i = 1; i <= from->ndim; i++) {
    int64_t dim = from->dims[from->ndim - i];
    operand->strides.dims[to->ndim - i] = dim == 1 ? 0 : stride;
    stride *= dim;
  }
}

int ew_parts(int64_t count, int steps, int threads) {
  enum { WORTH = 1 << 15 }; /* element-steps a thread should have: about 10 us */
  int64_t parts = count * (steps + 1) / WORTH;
  if (parts > threads) parts = threads;
  return parts < 1 ? 1 : (int)parts;
}
