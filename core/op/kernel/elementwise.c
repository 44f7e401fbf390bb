/* Loops of the elementwise rows of ops.def, and the runner of elementwise programs. */
#include "op/elementwise.h"
#include "base/kernel.h"

#include <string.h>

/* ---- words the rows use ---- */

#define SELU_ALPHA ((real)1.6732632423543772848170429916717)
#define SELU_SCALE ((real)1.0507009873554804934193349852946)
#define RELU(x) ((x) > 0 ? (x) : (real)0)
#define CLAMP(x, low, high) ((x) < (low) ? (low) : (x) > (high) ? (high) : (x))
#define NORMAL_CDF(x) ((real)0.5 * (1 + R(erf)((x) * (real)0.70710678118654752440)))
#define NORMAL_PDF(x) ((real)0.39894228040143267794 * R(exp)((real)-0.5 * (x) * (x)))
/* twice sqrt(2 / pi) (x + 0.044715 x^3): (1 + tanh(t)) / 2 is sigmoid(2 t) */
#define GELU_TANH(x) ((real)1.5957691216057307117 * ((x) + (real)0.044715 * (x) * (x) * (x)))
#define GELU_TANH_SLOPE(x) ((real)1.5957691216057307117 * (1 + (real)0.134145 * (x) * (x)))

/* exp(-|x|) never overflows; a NaN stays a NaN. */
static inline real sigmoid_(real x) {
  real e = R(exp)(-R(fabs)(x));
  return (x >= 0 ? 1 : e) / (1 + e);
}
static inline real softplus_(real x) { return RELU(x) + R(log1p)(R(exp)(-R(fabs)(x))); }
static inline real huber_(real d, real delta) {
  real a = R(fabs)(d);
  return a <= delta ? d * d / 2 : delta * (a - delta / 2);
}
/* fmod is exact; it has the sign of a, and the remainder that of b. */
static inline real remainder_(real x, real divisor) {
  real rest = R(fmod)(x, divisor);
  return rest != 0 && (rest < 0) != (divisor < 0) ? rest + divisor : rest;
}
#define REMAINDER(x, divisor) remainder_(x, divisor)
#define SIGMOID(x) sigmoid_(x)
#define SOFTPLUS(x) softplus_(x)
#define HUBER(d, delta) huber_(d, delta)

/* ---- one loop per value and gradient ---- */

/* Counts are rounded up to whole vectors, so no scalar tail is ever run. The operands are named by
 * macros, not variables: one that an expression does not use may be NULL. */
#define LOOP(loop_name, expression)                                                                \
  static void loop_name(void *out_, const void *const in[5], const double *attrs, int64_t count) { \
    real *out = out_;                                                                              \
    const real *pg = in[0], *pa = in[1], *pb = in[2], *pc = in[3], *py = in[4];                    \
    const real q[4] = {(real)attrs[0], (real)attrs[1], (real)attrs[2], (real)attrs[3]};            \
    (void)pg, (void)pa, (void)pb, (void)pc, (void)py, (void)q;                                     \
    count = (count + EW_VECTOR - 1) & ~(int64_t)(EW_VECTOR - 1);                                   \
    _Pragma("omp simd") for (int64_t i = 0; i < count; i++) out[i] = (expression);                 \
  }
#define NONE 0
#define a pa[i]
#define b pb[i]
#define c pc[i]
#define y py[i]
#define g pg[i]
#define p q

#define ELEMENTWISE1(name, value, ra, ga, ...)                                                     \
  LOOP(value_##name, value)                                                                        \
  LOOP(grad_a_##name, ga)
#define ELEMENTWISE2(name, value, ra, ga, rb, gb, ...)                                             \
  LOOP(value_##name, value)                                                                        \
  LOOP(grad_a_##name, ga)                                                                          \
  LOOP(grad_b_##name, gb)
#define ELEMENTWISE3(name, value, ra, ga, rb, gb, rc, gc, ...)                                     \
  LOOP(value_##name, value)                                                                        \
  LOOP(grad_a_##name, ga)                                                                          \
  LOOP(grad_b_##name, gb)                                                                          \
  LOOP(grad_c_##name, gc)
#include "op/elementwise.def"
#undef a
#undef b
#undef c
#undef y
#undef g
#undef p

extern const EwLoop K(ew_loops)[EW_COUNT][4];
const EwLoop K(ew_loops)[EW_COUNT][4] = {
#define ELEMENTWISE1(name, ...) [EW_##name] = {value_##name, grad_a_##name},
#define ELEMENTWISE2(name, ...) [EW_##name] = {value_##name, grad_a_##name, grad_b_##name},
#define ELEMENTWISE3(name, ...)                                                                    \
  [EW_##name] = {value_##name, grad_a_##name, grad_b_##name, grad_c_##name},
#include "op/elementwise.def"
};

/* ---- the runner ---- */

/* Elements [first, first + count) of a strided operand, walked row by row of the last axis. */
static void gather_strided(real *to, const EwOperand *operand, const Shape *shape, int64_t first,
                           int64_t count) {
  int64_t index[MAX_DIMS] = {0}, offset = 0;
  int last = shape->ndim - 1;
  for (int64_t axis = last, rest = first; axis >= 0; axis--) {
    index[axis] = rest % shape->dims[axis];
    rest /= shape->dims[axis];
    offset += index[axis] * operand->strides.dims[axis];
  }
  const real *data = operand->data;
  int64_t step = operand->strides.dims[last];
  while (count > 0) {
    int64_t run = shape->dims[last] - index[last];
    if (run > count) run = count;
    if (step == 0)
      for (int64_t i = 0; i < run; i++) to[i] = data[offset];
    else
      for (int64_t i = 0; i < run; i++) to[i] = data[offset + i * step];
    to += run;
    count -= run;
    offset += run * step;
    index[last] += run;
    for (int axis = last; axis > 0 && index[axis] == shape->dims[axis]; axis--) {
      offset += operand->strides.dims[axis - 1] - index[axis] * operand->strides.dims[axis];
      index[axis] = 0;
      index[axis - 1]++;
    }
  }
}

/* A long period: copy the piece of it that this block needs, wrapping around. */
static void gather_periodic(real *to, const EwOperand *operand, int64_t first, int64_t count) {
  const real *data = operand->data;
  int64_t at = first % operand->period;
  while (count > 0) {
    int64_t run = operand->period - at;
    if (run > count) run = count;
    memcpy(to, data + at, (size_t)run * sizeof *to);
    to += run;
    count -= run;
    at = 0;
  }
}

/* Fill what stays the same for all blocks: scalars, and short periods (two blocks' worth, so that
 * any phase can be read in one piece; such an operand owns two registers). */
static void fill_constant(real *to, const EwOperand *operand, int64_t count) {
  const real *data = operand->data;
  int64_t whole = (count + EW_VECTOR - 1) & ~(int64_t)(EW_VECTOR - 1);
  if (whole > EW_BLOCK) whole = EW_BLOCK;
  if (operand->mode == EW_SCALAR) {
    for (int64_t i = 0; i < whole; i++) to[i] = data[0];
    return;
  }
  int64_t period = operand->period, total = whole + period;
  memcpy(to, data, (size_t)period * sizeof *to);
  for (int64_t done = period; done < total; done *= 2) {
    int64_t more = total - done < done ? total - done : done;
    memcpy(to + done, to, (size_t)more * sizeof *to);
  }
}

static const real *operand_block(const EwProgram *program, const EwOperand *operand,
                                 real *registers, int64_t first, int64_t count) {
  if (operand->mode == EW_FULL) return (const real *)operand->data + first;
  real *to = registers + operand->reg * EW_BLOCK;
  if (operand->mode == EW_SCALAR) return to;
  if (operand->mode == EW_PERIODIC) {
    if (operand->period <= EW_BLOCK) return to + first % operand->period;
    gather_periodic(to, operand, first, count);
  } else {
    gather_strided(to, operand, &program->shape, first, count);
  }
  return to;
}

void K(ew_run)(const EwProgram *program, int part, int parts);
void K(ew_run)(const EwProgram *program, int part, int parts) {
  _Alignas(64) real registers[(EW_MAX_REGISTERS + 2) * EW_BLOCK];
  int64_t total = shape_count(&program->shape);
  int64_t blocks = (total + EW_BLOCK - 1) / EW_BLOCK;
  int64_t begin = blocks * part / parts * EW_BLOCK, end = blocks * (part + 1) / parts * EW_BLOCK;
  if (end > total) end = total;
  if (begin >= end) return;
  const real *operands[EW_MAX_OPERANDS];
  for (int i = 0; i < program->operands; i++) {
    const EwOperand *operand = &program->operand[i];
    if (operand->mode == EW_SCALAR || (operand->mode == EW_PERIODIC && operand->period <= EW_BLOCK))
      fill_constant(registers + operand->reg * EW_BLOCK, operand, end - begin);
  }
  for (int64_t first = begin; first < end; first += EW_BLOCK) {
    int64_t count = end - first < EW_BLOCK ? end - first : EW_BLOCK;
    for (int i = 0; i < program->operands; i++)
      operands[i] = operand_block(program, &program->operand[i], registers, first, count);
    for (int s = 0; s < program->steps; s++) {
      const EwStep *step = &program->step[s];
      const void *in[5] = {NULL};
      for (int k = 0; k < 5; k++) {
        uint8_t where = step->in[k];
        if (where == EW_NONE) continue;
        if (where & EW_RESULT)
          in[k] = (const real *)program->result[where & ~EW_RESULT] + first;
        else if (where & EW_OPERAND)
          in[k] = operands[where & ~EW_OPERAND];
        else
          in[k] = registers + where * EW_BLOCK;
      }
      void *out = step->result != EW_NONE ? (real *)program->result[step->result] + first
                                          : registers + step->out * EW_BLOCK;
      step->loop(out, in, step->attrs, count);
    }
  }
}
