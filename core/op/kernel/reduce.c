/* Reductions. Neighbouring axes that are both reduced or both kept are merged, which leaves two
 * forms: the innermost axes are reduced (fold a row of memory) or kept (fold columns, a tile of
 * them at a time). Elements are folded lane by lane in `real` over a chunk, chunks in double, so a
 * float32 sum of millions keeps its last digits. */
#include "op/kernel/family.h"

#define INLINE static inline __attribute__((always_inline))

enum { TILE = 4 * LANES, ROW_CHUNK = 32 * LANES, COLUMN_CHUNK = 256 };

/* name, value at no elements, what an element x contributes, how two contributions join */
#define FOLDS(X)                                                                                   \
  X(SUM, 0, x, a + b)                                                                              \
  X(SUM_ABS, 0, R(fabs)(x), a + b)                                                                 \
  X(SUM_SQUARE, 0, x *x, a + b)                                                                    \
  X(SUM_POWER, 0, R(pow)(R(fabs)(x), parameter), a + b)                                            \
  X(SUM_DEVIATION, 0, (x - parameter) * (x - parameter), a + b)                                    \
  X(PRODUCT, 1, x, a *b)                                                                           \
  X(MAX, -INFINITY, x, (b > a || b != b ? b : a))                                                  \
  X(MIN, INFINITY, x, (b < a || b != b ? b : a))                                                   \
  X(MAX_ABS, 0, R(fabs)(x), (b > a || b != b ? b : a))

typedef enum Fold {
#define X(name, ...) FOLD_##name,
  FOLDS(X)
#undef X
} Fold;

INLINE real fold_map(Fold fold, real x, real parameter) {
#define X(name, start, map, join)                                                                  \
  if (fold == FOLD_##name) return map;
  FOLDS(X)
#undef X
  return parameter;
}

INLINE real fold_join(Fold fold, real a, real b) {
#define X(name, start, map, join)                                                                  \
  if (fold == FOLD_##name) return join;
  FOLDS(X)
#undef X
  return a;
}

INLINE double fold_join_wide(Fold fold, double a, double b) {
#define X(name, start, map, join)                                                                  \
  if (fold == FOLD_##name) return join;
  FOLDS(X)
#undef X
  return a;
}

static const double fold_start[] = {
#define X(name, start, map, join) [FOLD_##name] = (start),
    FOLDS(X)
#undef X
};

/* Fold n neighbours into total. */
INLINE double fold_row(Fold fold, double start, const real *x, int64_t n, real parameter,
                       double total) {
  if (n < LANES && fold != FOLD_SUM_POWER) { /* a power's bits would depend on the loop's form */
    for (int64_t i = 0; i < n; i++)
      total = fold_join_wide(fold, total, fold_map(fold, x[i], parameter));
    return total;
  }
  for (; n > 0; n -= ROW_CHUNK, x += ROW_CHUNK) {
    int64_t count = n < ROW_CHUNK ? n : ROW_CHUNK, i = 0;
    real lanes[LANES], last[LANES];
    for (int l = 0; l < LANES; l++) lanes[l] = (real)start;
    for (; i + LANES <= count; i += LANES)
#pragma omp simd
      for (int l = 0; l < LANES; l++)
        lanes[l] = fold_join(fold, lanes[l], fold_map(fold, x[i + l], parameter));
    if (i < count) {
#pragma omp simd
      for (int l = 0; l < LANES; l++) last[l] = fold_map(fold, x[i + l], parameter);
      for (int l = 0; l < count - i; l++) lanes[l] = fold_join(fold, lanes[l], last[l]);
    }
    for (int half = LANES / 2; half > 0; half /= 2)
      for (int l = 0; l < half; l++) lanes[l] = fold_join(fold, lanes[l], lanes[l + half]);
    total = fold_join_wide(fold, total, lanes[0]);
  }
  return total;
}

/* Fold n rows, `stride` apart, of `width` columns into total[width]. */
INLINE void fold_columns(Fold fold, double start, const real *x, int64_t n, int64_t stride,
                         const real *parameter, double *total, int width) {
  for (; n > 0; n -= COLUMN_CHUNK, x += COLUMN_CHUNK * stride) {
    int64_t count = n < COLUMN_CHUNK ? n : COLUMN_CHUNK, row = 0;
    real lanes[TILE];
    for (int l = 0; l < width; l++) lanes[l] = (real)start;
    for (; row + 4 <= count; row += 4) {
      const real *x0 = x + row * stride, *x1 = x0 + stride, *x2 = x1 + stride, *x3 = x2 + stride;
#pragma omp simd
      for (int l = 0; l < width; l++) {
        real left = fold_join(fold, fold_map(fold, x0[l], parameter[l]),
                              fold_map(fold, x1[l], parameter[l]));
        real right = fold_join(fold, fold_map(fold, x2[l], parameter[l]),
                               fold_map(fold, x3[l], parameter[l]));
        lanes[l] = fold_join(fold, lanes[l], fold_join(fold, left, right));
      }
    }
    for (; row < count; row++) {
      const real *x0 = x + row * stride;
#pragma omp simd
      for (int l = 0; l < width; l++)
        lanes[l] = fold_join(fold, lanes[l], fold_map(fold, x0[l], parameter[l]));
    }
    for (int l = 0; l < width; l++) total[l] = fold_join_wide(fold, total[l], lanes[l]);
  }
}

typedef double RowFold(const real *x, int64_t n, real parameter, double total);
typedef void ColumnFold(const real *x, int64_t n, int64_t stride, const real *parameter,
                        double *total, bool wide);

#define X(name, start, map, join)                                                                  \
  static double row_##name(const real *x, int64_t n, real parameter, double total) {               \
    return fold_row(FOLD_##name, start, x, n, parameter, total);                                   \
  }                                                                                                \
  static void columns_##name(const real *x, int64_t n, int64_t stride, const real *parameter,      \
                             double *total, bool wide) {                                           \
    if (wide)                                                                                      \
      fold_columns(FOLD_##name, start, x, n, stride, parameter, total, TILE);                      \
    else                                                                                           \
      fold_columns(FOLD_##name, start, x, n, stride, parameter, total, LANES);                     \
  }
FOLDS(X)
#undef X

static RowFold *const row_folds[] = {
#define X(name, ...) [FOLD_##name] = row_##name,
    FOLDS(X)
#undef X
};
static ColumnFold *const column_folds[] = {
#define X(name, ...) [FOLD_##name] = columns_##name,
    FOLDS(X)
#undef X
};

/* ---- walking the axes ---- */

/* Merged axes, outermost first. */
typedef struct Walk {
  int count;
  int64_t size[MAX_DIMS], stride[MAX_DIMS];
} Walk;

/* An input seen as its results see it: result (position, column) folds `n` elements, `stride`
 * apart, at every step of `again`. stride 1: rows, columns == 1. */
typedef struct Reduction {
  Walk kept, again;
  int64_t positions, repeats;
  int64_t n, stride, columns;
} Reduction;

static void walk_add(Walk *walk, int64_t size, int64_t stride) {
  walk->size[walk->count] = size;
  walk->stride[walk->count++] = stride;
}

static int64_t walk_count(const Walk *walk) {
  int64_t count = 1;
  for (int i = 0; i < walk->count; i++) count *= walk->size[i];
  return count;
}

static inline int64_t walk_offset(const Walk *walk, int64_t position) {
  int64_t offset = 0;
  for (int i = walk->count - 1; i > 0; i--) {
    offset += position % walk->size[i] * walk->stride[i];
    position /= walk->size[i];
  }
  return walk->count > 0 ? offset + position * walk->stride[0] : 0;
}

static Reduction reduction_make(const Shape *in, const bool *reduced) {
  int64_t size[MAX_DIMS];
  bool folds[MAX_DIMS];
  int groups = 0;
  for (int i = 0; i < in->ndim; i++) {
    if (in->dims[i] == 1) continue;
    if (groups > 0 && folds[groups - 1] == reduced[i]) {
      size[groups - 1] *= in->dims[i];
    } else {
      size[groups] = in->dims[i];
      folds[groups++] = reduced[i];
    }
  }
  Reduction plan = {.n = 1, .stride = 1, .columns = 1};
  int64_t stride = 1;
  if (groups > 0 && !folds[groups - 1]) {
    plan.columns = size[--groups];
    plan.stride = stride = plan.columns;
  }
  if (groups > 0) { /* groups alternate: the next one is reduced */
    plan.n = size[--groups];
    stride *= plan.n;
  }
  int64_t strides[MAX_DIMS];
  for (int i = groups - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= size[i];
  }
  for (int i = 0; i < groups; i++)
    walk_add(folds[i] ? &plan.again : &plan.kept, size[i], strides[i]);
  plan.positions = walk_count(&plan.kept);
  plan.repeats = walk_count(&plan.again);
  return plan;
}

/* Fold all that belongs to `width` results from (position, column) on into total[]. `width` is 1
 * for rows, else whole LANES. */
static void reduction_fold(const Reduction *plan, Fold fold, const real *x, const real *parameter,
                           int width, double *total) {
  for (int l = 0; l < width; l++) total[l] = fold_start[fold];
  for (int64_t repeat = 0; repeat < plan->repeats; repeat++) {
    const real *from = x + walk_offset(&plan->again, repeat);
    if (plan->columns == 1) {
      total[0] = row_folds[fold](from, plan->n, parameter[0], total[0]);
    } else if (width == TILE) {
      column_folds[fold](from, plan->n, plan->stride, parameter, total, true);
    } else {
      for (int l = 0; l < width; l += LANES)
        column_folds[fold](from + l, plan->n, plan->stride, parameter + l, total + l, false);
    }
  }
}

/* How the folded elements become the result. */
typedef struct Finish {
  double divisor;  /* of the sum */
  double root;     /* then this root of it; 1: none */
  bool deviations; /* fold the squared deviations from the mean of `count` elements instead */
  double count;
} Finish;

static double finish_root(double value, double root) {
  return root == 1 ? value : root == 2 ? sqrt(value) : pow(value, 1 / root);
}

static void reduce(const OpCall *call, const bool *reduced, Fold fold, real parameter,
                   const Finish *finish, int part, int parts) {
  Reduction plan = reduction_make(&call->in[0].shape, reduced);
  int64_t tiles = plan.columns / TILE + (plan.columns % TILE != 0);
  Range range = part_range(plan.positions * tiles, part, parts);
  for (int64_t unit = range.begin; unit < range.end; unit++) {
    int64_t position = unit / tiles, column = unit % tiles * TILE;
    int width = plan.columns - column < TILE ? (int)(plan.columns - column) : TILE;
    const real *x = (const real *)call->in[0].data + walk_offset(&plan.kept, position) + column;
    real *out = (real *)call->out.data + position * plan.columns + column;
    int whole = plan.columns == 1 ? 1 : (width + LANES - 1) / LANES * LANES;
    real parameters[TILE];
    double total[TILE];
    for (int l = 0; l < whole; l++) parameters[l] = parameter;
    if (finish->deviations) {
      reduction_fold(&plan, FOLD_SUM, x, parameters, whole, total);
      for (int l = 0; l < whole; l++) parameters[l] = (real)(total[l] / finish->count);
    }
    reduction_fold(&plan, fold, x, parameters, whole, total);
    for (int l = 0; l < width; l++) {
      real value = (real)finish_root(total[l] / finish->divisor, finish->root);
      out[l] = call->accumulate ? out[l] + value : value;
    }
  }
}

/* ---- the ops ---- */

enum { AXES, KEEPDIMS, EXTRA, COUNT }; /* as core/op/reduce.c leaves the attributes */

static void reduce_axes(const OpCall *call, Fold fold, real parameter, const Finish *finish,
                        int part, int parts) {
  bool reduced[MAX_DIMS] = {false};
  const Attr *axes = &call->attrs->at[AXES];
  for (int i = 0; i < axes->count; i++) reduced[axes->list[i]] = true;
  reduce(call, reduced, fold, parameter, finish, part, parts);
}

static const Finish as_it_is = {.divisor = 1, .root = 1};

KERNEL(sum) { reduce_axes(call, FOLD_SUM, 0, &as_it_is, part, parts); }

KERNEL(mean) {
  Finish finish = {.divisor = call->attrs->at[EXTRA].number, .root = 1};
  reduce_axes(call, FOLD_SUM, 0, &finish, part, parts);
}

KERNEL(max) { reduce_axes(call, FOLD_MAX, 0, &as_it_is, part, parts); }

KERNEL(min) { reduce_axes(call, FOLD_MIN, 0, &as_it_is, part, parts); }

KERNEL(variance) {
  double count = call->attrs->at[COUNT].number, divisor = count - call->attrs->at[EXTRA].number;
  Finish finish = {
      .divisor = divisor > 0 ? divisor : 0, .root = 1, .deviations = true, .count = count};
  reduce_axes(call, FOLD_SUM_DEVIATION, 0, &finish, part, parts);
}

KERNEL(norm) {
  double p = call->attrs->at[EXTRA].number;
  Fold fold = p == 1     ? FOLD_SUM_ABS
              : p == 2   ? FOLD_SUM_SQUARE
              : isinf(p) ? FOLD_MAX_ABS
                         : FOLD_SUM_POWER;
  Finish finish = {.divisor = 1, .root = isinf(p) ? 1 : p};
  reduce_axes(call, fold, (real)p, &finish, part, parts);
}

/* Sum over the axes that the result lacks or has once. */
KERNEL(sum_to) {
  bool reduced[MAX_DIMS] = {false};
  const Shape *in = &call->in[0].shape, *out = &call->out.shape;
  int missing = in->ndim - out->ndim;
  for (int i = 0; i < in->ndim; i++)
    reduced[i] = i < missing || (out->dims[i - missing] == 1 && in->dims[i] != 1);
  reduce(call, reduced, FOLD_SUM, 0, &as_it_is, part, parts);
}

KERNEL(prod) { reduce_axes(call, FOLD_PRODUCT, 0, &as_it_is, part, parts); }

/* The first extreme element along the axis; the first NaN counts as one. */
static void find_extreme(const OpCall *call, bool smallest, int part, int parts) {
  AxisView view = axis_view(&call->in[0].shape, (int)call->attrs->at[0].number);
  Range range = part_range(view.outer, part, parts);
  for (int64_t outer = range.begin; outer < range.end; outer++) {
    for (int64_t inner = 0; inner < view.inner; inner++) {
      const real *x = (const real *)call->in[0].data + outer * view.size * view.inner + inner;
      int64_t best = 0;
      for (int64_t i = 1; i < view.size; i++) {
        real now = x[i * view.inner], top = x[best * view.inner];
        bool better = smallest ? now < top : now > top;
        if (better || (now != now && top == top)) best = i;
      }
      ((int64_t *)call->out.data)[outer * view.inner + inner] = best;
    }
  }
}

KERNEL(argmax) { find_extreme(call, false, part, parts); }
KERNEL(argmin) { find_extreme(call, true, part, parts); }
