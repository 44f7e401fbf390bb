/* Initialisers: laws from inits.def, numbers addressed by seed, stream and place. */
#include "layer/init.h"

#include "base/checked.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 }; /* numbers drawn at once */

typedef enum LawKind { CONSTANT, UNIFORM, NORMAL, ORTHOGONAL, IDENTITY } LawKind;

/* A distribution with its numbers filled in. */
typedef struct Law {
  LawKind kind;
  double centre, spread;
} Law;

#define ARG(arg_name, value, words) {#arg_name, value, words},
#define INIT(init_name, kind, centre, spread, words, ...)                                          \
  [INIT_##init_name] = {.name = #init_name, .help = words, .arg = {__VA_ARGS__}},
static const InitInfo INFOS[INIT_COUNT] = {
#include "layer/inits.def"
};

typedef Law LawOf(const double *a, double fan_in, double fan_out);

#define INIT(name, law, centre, spread, words, ...)                                                \
  static Law law_##name(const double *a, double fan_in, double fan_out) {                          \
    (void)a, (void)fan_in, (void)fan_out;                                                          \
    return (Law){law, centre, spread};                                                             \
  }
#include "layer/inits.def"

#define INIT(name, ...) [INIT_##name] = law_##name,
static LawOf *const LAWS[INIT_COUNT] = {
#include "layer/inits.def"
};

const InitInfo *init_info(InitId id) { return &INFOS[id]; }

InitId init_find(const char *name) {
  for (int id = 0; id < INIT_COUNT; id++)
    if (strcmp(INFOS[id].name, name) == 0) return (InitId)id;
  return INIT_COUNT;
}

void init_arg_defaults(InitId id, double args[INIT_MAX_ARGS]) {
  for (int i = 0; i < INIT_MAX_ARGS; i++) args[i] = 0;
  for (int i = 0; INFOS[id].arg[i].name; i++) args[i] = INFOS[id].arg[i].fallback;
}

void init_fans(const Shape *shape, int64_t *fan_in, int64_t *fan_out) {
  if (shape->ndim < 2) {
    *fan_in = *fan_out = shape->ndim == 1 ? shape->dims[0] : 1;
    return;
  }
  int64_t field = 1;
  for (int i = 2; i < shape->ndim; i++) field *= shape->dims[i];
  *fan_in = shape->dims[1] * field;
  *fan_out = shape->dims[0] * field;
}

static void store(Tensor *tensor, int64_t first, const double *values, int64_t count) {
  if (tensor->dtype == DTYPE_F64) {
    memcpy((double *)tensor->data + first, values, (size_t)count * sizeof *values);
    return;
  }
  float *out = (float *)tensor->data + first;
  for (int64_t i = 0; i < count; i++) out[i] = (float)values[i];
}

static void fill_independent(Tensor *tensor, const Law *law, const Rng *rng) {
  double values[CHUNK];
  int64_t total = tensor_count(tensor);
  for (int64_t first = 0; first < total; first += CHUNK) {
    int64_t count = total - first < CHUNK ? total - first : CHUNK;
    if (law->kind == NORMAL)
      rng_fill_normal(rng, (uint64_t)first, values, (size_t)count);
    else if (law->kind == UNIFORM)
      rng_fill_uniform(rng, (uint64_t)first, values, (size_t)count);
    else
      memset(values, 0, sizeof values);
    for (int64_t i = 0; i < count; i++) {
      double unit = law->kind == UNIFORM ? 2 * values[i] - 1 : values[i];
      values[i] = law->centre + law->spread * unit;
    }
    store(tensor, first, values, count);
  }
}

static void fill_identity(Tensor *tensor, double gain) {
  memset(tensor->data, 0, tensor_bytes(tensor));
  int64_t rows = tensor->shape.dims[0], cols = tensor->shape.dims[1];
  for (int64_t i = 0; i < rows && i < cols; i++) tensor_set(tensor, i * cols + i, gain);
}

static double dot(const double *a, const double *b, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* Make `count` rows of `length` >= count normal numbers orthonormal: modified Gram-Schmidt, each
 * row cleaned of those before it twice, which leaves them orthogonal to rounding (Giraud et al.
 * 2005). This is the Q of a QR decomposition whose R has a positive diagonal, so Q is uniformly
 * distributed over orthogonal matrices (Mezzadri 2007). */
static void orthonormalise(double *rows, int64_t count, int64_t length) {
  for (int64_t i = 0; i < count; i++) {
    double *row = rows + i * length;
    for (int twice = 0; twice < 2; twice++)
      for (int64_t k = 0; k < i; k++) {
        const double *other = rows + k * length;
        double along = dot(row, other, length);
#pragma omp simd
        for (int64_t j = 0; j < length; j++) row[j] -= along * other[j];
      }
    double scale = 1 / sqrt(dot(row, row, length));
    for (int64_t j = 0; j < length; j++) row[j] *= scale;
  }
}

static Status fill_orthogonal(Tensor *tensor, double gain, const Rng *rng, Err *err) {
  int64_t rows = tensor->shape.dims[0], total = tensor_count(tensor);
  if (total == 0) return NN_OK;
  int64_t cols = total / rows;
  bool wide = rows <= cols;
  size_t bytes = 0;
  double *basis = checked_mul(&bytes, (size_t)total, sizeof *basis) ? malloc(bytes) : NULL;
  if (!basis)
    return err_set(err, NN_NO_MEMORY, "no memory to make a %lld x %lld matrix orthogonal",
                   (long long)rows, (long long)cols);
  rng_fill_normal(rng, 0, basis, (size_t)total);
  orthonormalise(basis, wide ? rows : cols, wide ? cols : rows);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) {
      double value = gain * basis[wide ? i * cols + j : j * rows + i];
      store(tensor, i * cols + j, &value, 1);
    }
  free(basis);
  return NN_OK;
}

Status init_fill(Tensor *tensor, InitId id, const double *args, int64_t fan_in, int64_t fan_out,
                 uint64_t seed, uint64_t stream, Err *err) {
  const InitInfo *info = &INFOS[id];
  char text[SHAPE_TEXT_SIZE];
  if (tensor->dtype == DTYPE_I64)
    return err_set(err, NN_DTYPE, "%s: needs float32 or float64, not %s", info->name,
                   dtype_name(tensor->dtype));
  double given[INIT_MAX_ARGS];
  init_arg_defaults(id, given);
  for (int i = 0; args && info->arg[i].name; i++) {
    given[i] = args[i];
    if (!isfinite(args[i]))
      return err_set(err, NN_BAD_ARGUMENT, "%s: %s must be a finite number, got %g", info->name,
                     info->arg[i].name, args[i]);
  }
  Law law = LAWS[id](given, (double)fan_in, (double)fan_out);
  if (!isfinite(law.centre) || !isfinite(law.spread)) {
    if (tensor_count(tensor) == 0) return NN_OK;
    return err_set(err, NN_SHAPE,
                   "%s: the spread cannot be computed from fan_in %lld, fan_out %lld", info->name,
                   (long long)fan_in, (long long)fan_out);
  }
  if (law.spread < 0 && (law.kind == NORMAL || law.kind == UNIFORM))
    return err_set(err, NN_BAD_ARGUMENT, "%s: the spread of the values would be %g, below 0",
                   info->name, law.spread);
  int least = law.kind == ORTHOGONAL || law.kind == IDENTITY ? 2 : 0;
  if (tensor->shape.ndim < least || (law.kind == IDENTITY && tensor->shape.ndim > 2))
    return err_set(err, NN_SHAPE, "%s: needs %s, got shape %s", info->name,
                   law.kind == IDENTITY ? "a matrix" : "at least two axes",
                   shape_text(&tensor->shape, text));
  Rng rng = rng_make(seed, RNG_INIT, stream);
  if (law.kind == ORTHOGONAL) return fill_orthogonal(tensor, law.spread, &rng, err);
  if (law.kind == IDENTITY)
    fill_identity(tensor, law.spread);
  else
    fill_independent(tensor, &law, &rng);
  return NN_OK;
}
