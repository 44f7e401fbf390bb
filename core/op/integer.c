#include "op/integer.h"

#include <string.h>

/* ---- elementwise ---- */

/* Wrapping arithmetic: in C only unsigned numbers may overflow. */
#define U(x) ((uint64_t)(x))

/* Rounds down, as Lua and Python divide; the divisor is not 0. INT64_MIN // -1 wraps around. */
static int64_t floor_divide(int64_t a, int64_t b) {
  if (b == -1) return (int64_t)(0 - U(a));
  int64_t quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

static int64_t power(int64_t base, int64_t exponent) {
  uint64_t result = 1, factor = U(base);
  for (; exponent > 0; exponent >>= 1, factor *= factor)
    if (exponent & 1) result *= factor;
  return (int64_t)result;
}

/* A limit of clip as an integer: fractions are cut off, what does not fit is as far as it goes. */
static int64_t limit(double value) {
  return value >= 0x1p63 ? INT64_MAX : value <= -0x1p63 ? INT64_MIN : (int64_t)value;
}
static int64_t clip(int64_t a, double low, double high) {
  if ((double)a < low) return limit(low);
  return (double)a > high ? limit(high) : a;
}

/* name, type of the result, value; operands a, b, c, attributes p */
#define INTEGER_ROWS(X)                                                                            \
  X(add, I64, int64_t, (int64_t)(U(a) + U(b)))                                                     \
  X(sub, I64, int64_t, (int64_t)(U(a) - U(b)))                                                     \
  X(mul, I64, int64_t, (int64_t)(U(a) * U(b)))                                                     \
  X(floor_divide, I64, int64_t, floor_divide(a, b))                                                \
  X(remainder, I64, int64_t, (int64_t)(U(a) - U(b) * U(floor_divide(a, b))))                       \
  X(pow, I64, int64_t, power(a, b))                                                                \
  X(maximum, I64, int64_t, (a > b ? a : b))                                                        \
  X(minimum, I64, int64_t, (a < b ? a : b))                                                        \
  X(neg, I64, int64_t, (int64_t)(0 - U(a)))                                                        \
  X(abs, I64, int64_t, (int64_t)(a < 0 ? 0 - U(a) : U(a)))                                         \
  X(square, I64, int64_t, (int64_t)(U(a) * U(a)))                                                  \
  X(sign, I64, int64_t, (a > 0) - (a < 0))                                                         \
  X(floor, I64, int64_t, a)                                                                        \
  X(ceil, I64, int64_t, a)                                                                         \
  X(round, I64, int64_t, a)                                                                        \
  X(clip, I64, int64_t, clip(a, p[0], p[1]))                                                       \
  X(where, I64, int64_t, (a != 0 ? b : c))                                                         \
  X(equal, F32, float, (a == b))                                                                   \
  X(not_equal, F32, float, (a != b))                                                               \
  X(less, F32, float, (a < b))                                                                     \
  X(less_equal, F32, float, (a <= b))                                                              \
  X(greater, F32, float, (a > b))                                                                  \
  X(greater_equal, F32, float, (a >= b))                                                           \
  X(logical_and, F32, float, (a != 0 && b != 0))                                                   \
  X(logical_or, F32, float, (a != 0 || b != 0))                                                    \
  X(logical_not, F32, float, (a == 0))

/* One row of the result: operands step by 1, or by 0 where they broadcast. */
typedef void RowLoop(void *out, const int64_t *const in[3], const int64_t step[3], const double *p,
                     int64_t count);

#define X(name, dtype, type, value)                                                                \
  static void row_##name(void *out_, const int64_t *const in[3], const int64_t step[3],            \
                         const double *p, int64_t count) {                                         \
    type *out = out_;                                                                              \
    (void)p;                                                                                       \
    for (int64_t i = 0; i < count; i++) {                                                          \
      int64_t a = in[0][i * step[0]], b = in[1][i * step[1]], c = in[2][i * step[2]];              \
      (void)a, (void)b, (void)c;                                                                   \
      out[i] = (type)(value);                                                                      \
    }                                                                                              \
  }
INTEGER_ROWS(X)
#undef X

static const struct {
  RowLoop *loop;
  DType dtype;
} rows[OP_COUNT] = {
#define X(name, result, ...) [OP_##name] = {row_##name, DTYPE_##result},
    INTEGER_ROWS(X)
#undef X
};

/* Elements between neighbours along each axis of `to`; 0 where `from` broadcasts. */
static void broadcast_steps(const Shape *from, const Shape *to, int64_t steps[MAX_DIMS]) {
  int64_t stride = 1;
  for (int i = 1; i <= to->ndim; i++) {
    int64_t dim = i <= from->ndim ? from->dims[from->ndim - i] : 1;
    steps[to->ndim - i] = dim == 1 ? 0 : stride;
    stride *= dim;
  }
}

static Status check_operands(OpId op, const Tensor *in, Err *err) {
  const int64_t *b = in[1].data;
  bool divides = op == OP_floor_divide || op == OP_remainder;
  if (!divides && op != OP_pow) return NN_OK;
  for (int64_t i = 0, count = tensor_count(&in[1]); i < count; i++) {
    if (divides && b[i] == 0)
      return err_set(err, NN_BAD_ARGUMENT, "%s: division of int64 by zero", op_info(op)->name);
    if (!divides && b[i] < 0)
      return err_set(err, NN_BAD_ARGUMENT,
                     "pow: int64 to the power %lld is no integer; convert with :to(\"float32\")",
                     (long long)b[i]);
  }
  return NN_OK;
}

static Status run_elementwise(Tensor *out, OpId op, const Tensor *in, int inputs,
                              const Attrs *attrs, Err *err) {
  Shape shape = in[0].shape;
  TRY(check_operands(op, in, err));
  for (int i = 1; i < inputs; i++) {
    Shape left = shape;
    TRY(op_broadcast(op, &left, &in[i].shape, &shape, err));
  }
  TRY(tensor_new_raw(out, rows[op].dtype, &shape, err));
  int last = shape.ndim - 1;
  int64_t n = last >= 0 ? shape.dims[last] : 1, count = shape_count(&shape);
  int64_t steps[3][MAX_DIMS] = {{0}}, step[3] = {0};
  const int64_t *data[3];
  double p[2] = {attrs->at[0].number, attrs->at[1].number};
  for (int i = 0; i < 3; i++) {
    const Tensor *operand = &in[i < inputs ? i : 0];
    broadcast_steps(&operand->shape, &shape, steps[i]);
    if (last >= 0) step[i] = steps[i][last];
  }
  for (int64_t row = 0; n > 0 && row < count / n; row++) {
    for (int i = 0; i < 3; i++) {
      int64_t offset = 0, rest = row;
      for (int axis = last - 1; axis >= 0; axis--) {
        offset += rest % shape.dims[axis] * steps[i][axis];
        rest /= shape.dims[axis];
      }
      data[i] = (const int64_t *)in[i < inputs ? i : 0].data + offset;
    }
    rows[op].loop((char *)out->data + (size_t)(row * n) * dtype_size(out->dtype), data, step, p, n);
  }
  return NN_OK;
}

/* ---- reductions and products ---- */

/* name, value of no elements, how the total takes in x; INT64_MIN and INT64_MAX need elements */
#define FOLD_ROWS(X)                                                                               \
  X(sum, 0, (int64_t)(U(total) + U(x)))                                                            \
  X(sum_to, 0, (int64_t)(U(total) + U(x)))                                                         \
  X(prod, 1, (int64_t)(U(total) * U(x)))                                                           \
  X(max, INT64_MIN, (x > total ? x : total))                                                       \
  X(min, INT64_MAX, (x < total ? x : total))

typedef struct Fold {
  int64_t start;
  int64_t (*join)(int64_t total, int64_t x);
} Fold;

#define X(name, start, join)                                                                       \
  static int64_t join_##name(int64_t total, int64_t x) { return join; }
FOLD_ROWS(X)
#undef X
static const Fold folds[OP_COUNT] = {
#define X(name, start, join) [OP_##name] = {start, join_##name},
    FOLD_ROWS(X)
#undef X
};

/* The float op's rule gives the shape: an int64 operand passes for float32 there. */
static Status infer_as_float(OpShape *shape, OpId op, const Tensor *in, int inputs, Attrs *attrs,
                             Err *err) {
  *shape = (OpShape){.op = op, .inputs = inputs, .attrs = attrs};
  for (int i = 0; i < inputs; i++) {
    shape->shape[i] = &in[i].shape;
    shape->dtype[i] = DTYPE_F32;
  }
  return op_info(op)->infer(shape, err);
}

static Status run_fold(Tensor *out, OpId op, const Tensor *in, Attrs *attrs, Err *err) {
  OpShape shape;
  TRY(infer_as_float(&shape, op, in, 1, attrs, err));
  TRY(tensor_new_raw(out, DTYPE_I64, &shape.out, err));
  const Shape *from = &in->shape;
  Shape kept = shape.out; /* with the reduced axes as 1, so that it broadcasts to the operand */
  if (op != OP_sum_to) {
    kept = *from;
    for (int i = 0; i < attrs->at[0].count; i++) kept.dims[attrs->at[0].list[i]] = 1;
  }
  int64_t steps[MAX_DIMS] = {0}, index[MAX_DIMS] = {0}, at = 0;
  broadcast_steps(&kept, from, steps);
  int64_t *totals = out->data;
  for (int64_t i = 0, count = shape_count(&shape.out); i < count; i++) totals[i] = folds[op].start;
  for (int64_t i = 0, count = shape_count(from); i < count; i++) {
    totals[at] = folds[op].join(totals[at], ((const int64_t *)in->data)[i]);
    for (int axis = from->ndim - 1; axis >= 0; axis--) {
      at += steps[axis];
      if (++index[axis] < from->dims[axis]) break;
      at -= steps[axis] * index[axis];
      index[axis] = 0;
    }
  }
  return NN_OK;
}

static Status run_extreme(Tensor *out, OpId op, const Tensor *in, Attrs *attrs, Err *err) {
  OpShape shape;
  TRY(infer_as_float(&shape, op, in, 1, attrs, err));
  TRY(tensor_new_raw(out, DTYPE_I64, &shape.out, err));
  int axis = (int)attrs->at[0].number;
  int64_t n = in->shape.dims[axis], inner = 1;
  for (int i = axis + 1; i < in->shape.ndim; i++) inner *= in->shape.dims[i];
  for (int64_t unit = 0, units = shape_count(&shape.out); unit < units; unit++) {
    const int64_t *x = (const int64_t *)in->data + unit / inner * n * inner + unit % inner;
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
      int64_t now = x[i * inner], top = x[best * inner];
      if (op == OP_argmax ? now > top : now < top) best = i;
    }
    ((int64_t *)out->data)[unit] = best;
  }
  return NN_OK;
}

static Status run_matmul(Tensor *out, const Tensor *in, Attrs *attrs, Err *err) {
  OpShape shape;
  TRY(infer_as_float(&shape, OP_matmul, in, 2, attrs, err));
  TRY(tensor_new(out, DTYPE_I64, &shape.out, err));
  const Shape *a = &in[0].shape, *b = &in[1].shape, *c = &shape.out;
  bool ta = attrs->at[0].number != 0, tb = attrs->at[1].number != 0;
  int64_t m = c->dims[c->ndim - 2], n = c->dims[c->ndim - 1];
  int64_t k = a->dims[a->ndim - (ta ? 2 : 1)],
          products = m > 0 && n > 0 ? shape_count(c) / (m * n) : 0;
  int64_t b_step = b->ndim == 2 ? 0 : k * n;
  for (int64_t product = 0; product < products; product++) {
    const int64_t *x = (const int64_t *)in[0].data + product * m * k;
    const int64_t *y = (const int64_t *)in[1].data + product * b_step;
    uint64_t *z = (uint64_t *)out->data + product * m * n;
    for (int64_t i = 0; i < m; i++)
      for (int64_t l = 0; l < k; l++)
        for (int64_t j = 0; j < n; j++)
          z[i * n + j] += U(x[ta ? l * m + i : i * k + l]) * U(y[tb ? j * k + l : l * n + j]);
  }
  return NN_OK;
}

/* ---- public ---- */

bool integer_has(OpId op) {
  return rows[op].loop || folds[op].join || op == OP_argmax || op == OP_argmin || op == OP_matmul;
}

Status integer_run(Tensor *out, OpId op, const Tensor *in, int inputs, Attrs *attrs, Err *err) {
  if (rows[op].loop) return run_elementwise(out, op, in, inputs, attrs, err);
  if (folds[op].join) return run_fold(out, op, in, attrs, err);
  if (op == OP_matmul) return run_matmul(out, in, attrs, err);
  return run_extreme(out, op, in, attrs, err);
}
