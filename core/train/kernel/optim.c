/* Updates of the optimisers, one function each over a flat vector; formulas in optims.def.
 *
 * Constants of the step are computed in float64 and rounded once. `bad` adds up g * 0, which is 0
 * unless a gradient is NaN or infinite, so the check costs no pass of its own. Vectors start at
 * multiples of 16 elements and hold zeros between segments: 0 must update to 0. */
#include "train/optim.h"

#include "base/kernel.h"

#include <string.h>

#define HYPER(name, ...) double name;
#define OPTIM_SEARCH(...)
#define OPTIM(name, title, help, states, ...)                                                      \
  typedef struct name##_hyper {                                                                    \
    __VA_ARGS__                                                                                    \
  } name##_hyper;
#include "train/optims.def"

#define OPTIM_SEARCH(...)
#define OPTIM(name, ...) OptimKernelBody K(optim_##name);
typedef double OptimKernelBody(void *, const void *, void *const *, const OptimStep *, int64_t);
#include "train/optims.def"

/* The start of every update: hyper-parameters by name, vectors and shared constants typed. */
#define ENTER(name)                                                                                \
  name##_hyper h;                                                                                  \
  memcpy(&h, step->hyper, sizeof h);                                                               \
  real *restrict w = weights;                                                                      \
  const real *restrict g = grads;                                                                  \
  const real lr = (real)step->lr, decay = (real)step->decay;                                       \
  real bad = 0;                                                                                    \
  (void)lr, (void)decay

#define EACH _Pragma("omp simd reduction(+ : bad)") for (int64_t i = 0; i < n; i++)

#if defined(REAL_F64)
#define REAL_TINY 2.2250738585072014e-308 /* the smallest normal number */
#else
#define REAL_TINY 1.17549435e-38F
#endif

/* A denominator's epsilon that does not vanish in float32, where it would make 0 / 0. */
static inline real epsilon(double eps) { return (real)eps > REAL_TINY ? (real)eps : REAL_TINY; }

/* Running means of gradients that stay 0 (a dead unit) would shrink into subnormal numbers, which
 * make this pass take twice as long (measured on Zen 3). They become 0 instead. */
static inline real settle(real x) { return R(fabs)(x) < REAL_TINY ? 0 : x; }

double K(optim_sgd)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                    int64_t n) {
  ENTER(sgd);
  if (h.momentum == 0) {
    EACH {
      w[i] -= lr * (g[i] + decay * w[i]);
      bad += g[i] * 0;
    }
    return bad;
  }
  real *restrict v = state[0];
  const real keep = (real)h.momentum;
  /* PyTorch starts the velocity at the whole first gradient, not at its damped part. */
  const real enter = (real)(h.ema != 0 ? 1 - h.momentum : step->t == 1 ? 1 : 1 - h.dampening);
  const real ahead = h.nesterov != 0 ? keep : 1, direct = h.nesterov != 0 ? 1 : 0;
  EACH {
    real gradient = g[i] + decay * w[i];
    v[i] = settle(keep * v[i] + enter * gradient);
    w[i] -= lr * (direct * gradient + ahead * v[i]);
    bad += g[i] * 0;
  }
  return bad;
}

double K(optim_adagrad)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                        int64_t n) {
  ENTER(adagrad);
  real *restrict sum = state[0];
  const real start = (real)(step->t == 1 ? h.initial_accumulator_value : 0);
  const real rate = (real)(step->lr / (1 + (double)(step->t - 1) * h.lr_decay));
  const real eps = epsilon(h.eps);
  EACH {
    real gradient = g[i] + decay * w[i];
    sum[i] = sum[i] + start + gradient * gradient;
    w[i] -= rate * gradient / (R(sqrt)(sum[i]) + eps);
    bad += g[i] * 0;
  }
  return bad;
}

/* RMSprop's update. `centered` and `moving` are constants where it is called: each of the four
 * forms is a loop of its own. */
static inline __attribute__((always_inline)) double
rmsprop(void *weights, const void *grads, void *const *state, const OptimStep *step, int64_t n,
        const bool centered, const bool moving) {
  ENTER(rmsprop);
  real *restrict square = state[0], *restrict mean = state[1], *restrict velocity = state[2];
  const real alpha = (real)h.alpha, rest = (real)(1 - h.alpha), momentum = (real)h.momentum;
  const real eps = epsilon(h.eps);
  EACH {
    real gradient = g[i] + decay * w[i];
    square[i] = settle(alpha * square[i] + rest * gradient * gradient);
    real variance = square[i];
    if (centered) {
      mean[i] = settle(alpha * mean[i] + rest * gradient);
      variance -= mean[i] * mean[i];
      variance = variance > 0 ? variance : 0; /* rounding; PyTorch's root is NaN there */
    }
    real move = gradient / (R(sqrt)(variance) + eps);
    if (moving) move = velocity[i] = settle(momentum * velocity[i] + move);
    w[i] -= lr * move;
    bad += g[i] * 0;
  }
  return bad;
}

double K(optim_rmsprop)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                        int64_t n) {
  if (state[1] && state[2]) return rmsprop(weights, grads, state, step, n, true, true);
  if (state[1]) return rmsprop(weights, grads, state, step, n, true, false);
  if (state[2]) return rmsprop(weights, grads, state, step, n, false, true);
  return rmsprop(weights, grads, state, step, n, false, false);
}

/* Adam's update; `shrink` multiplies the weight first (AdamW), `decay` enters the gradient;
 * `amsgrad` is a constant where it is called. */
static inline __attribute__((always_inline)) double
adam_form(real *restrict w, const real *restrict g, void *const *state, const OptimStep *step,
          const adam_hyper *h, real shrink, real decay, const bool amsgrad, int64_t n) {
  real *restrict m = state[0], *restrict v = state[1], *restrict largest = state[2];
  const real beta1 = (real)h->beta1, rest1 = (real)(1 - h->beta1);
  const real beta2 = (real)h->beta2, rest2 = (real)(1 - h->beta2);
  const double t = (double)step->t;
  const real rate = (real)(step->lr / (1 - pow(h->beta1, t)));
  const real correction = (real)(1 / sqrt(1 - pow(h->beta2, t)));
  const real eps = epsilon(h->eps);
  real bad = 0;
  EACH {
    real gradient = g[i] + decay * w[i];
    m[i] = settle(beta1 * m[i] + rest1 * gradient);
    v[i] = settle(beta2 * v[i] + rest2 * gradient * gradient);
    real square = v[i];
    if (amsgrad) square = largest[i] = square > largest[i] ? square : largest[i];
    w[i] = shrink * w[i] - rate * m[i] / (R(sqrt)(square) * correction + eps);
    bad += g[i] * 0;
  }
  return bad;
}

static double adam(void *w, const void *g, void *const *state, const OptimStep *step,
                   const adam_hyper *h, real shrink, real decay, int64_t n) {
  return state[2] ? adam_form(w, g, state, step, h, shrink, decay, true, n)
                  : adam_form(w, g, state, step, h, shrink, decay, false, n);
}

double K(optim_adam)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                     int64_t n) {
  adam_hyper h;
  memcpy(&h, step->hyper, sizeof h);
  return adam(weights, grads, state, step, &h, 1, (real)step->decay, n);
}

double K(optim_adamw)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                      int64_t n) {
  /* The row has adam's hyper-parameters in adam's order. */
  _Static_assert(sizeof(adamw_hyper) == sizeof(adam_hyper), "adamw's row differs from adam's");
  adam_hyper h;
  memcpy(&h, step->hyper, sizeof h);
  return adam(weights, grads, state, step, &h, (real)(1 - step->lr * step->decay), 0, n);
}

double K(optim_adadelta)(void *weights, const void *grads, void *const *state,
                         const OptimStep *step, int64_t n) {
  ENTER(adadelta);
  real *restrict square = state[0], *restrict moved = state[1];
  const real rho = (real)h.rho, rest = (real)(1 - h.rho), eps = epsilon(h.eps);
  EACH {
    real gradient = g[i] + decay * w[i];
    square[i] = settle(rho * square[i] + rest * gradient * gradient);
    real move = R(sqrt)(moved[i] + eps) / R(sqrt)(square[i] + eps) * gradient;
    moved[i] = settle(rho * moved[i] + rest * move * move);
    w[i] -= lr * move;
    bad += g[i] * 0;
  }
  return bad;
}

double K(optim_adamax)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                       int64_t n) {
  ENTER(adamax);
  real *restrict m = state[0], *restrict u = state[1];
  const real beta1 = (real)h.beta1, rest1 = (real)(1 - h.beta1), beta2 = (real)h.beta2;
  const real rate = (real)(step->lr / (1 - pow(h.beta1, (double)step->t)));
  const real eps = epsilon(h.eps);
  EACH {
    real gradient = g[i] + decay * w[i];
    m[i] = settle(beta1 * m[i] + rest1 * gradient);
    real before = beta2 * u[i], size = R(fabs)(gradient) + eps;
    u[i] = before > size ? before : size;
    w[i] -= rate * m[i] / u[i];
    bad += g[i] * 0;
  }
  return bad;
}

/* NAdam's mu(t), and P(t) = mu(1) ... mu(t): no state but t, so that training can continue from any
 * step. The product soon is too small to matter: with the defaults after 60 factors. */
static double nadam_mu(const nadam_hyper *h, double t) {
  return h->beta1 * (1 - 0.5 * pow(0.96, t * h->momentum_decay));
}

static double nadam_product(const nadam_hyper *h, int64_t t) {
  double product = 1;
  for (int64_t k = 1; k <= t && product > 1e-20; k++) product *= nadam_mu(h, (double)k);
  return product;
}

double K(optim_nadam)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                      int64_t n) {
  ENTER(nadam);
  real *restrict m = state[0], *restrict v = state[1];
  const real beta1 = (real)h.beta1, rest1 = (real)(1 - h.beta1);
  const real beta2 = (real)h.beta2, rest2 = (real)(1 - h.beta2);
  const double t = (double)step->t, next = nadam_mu(&h, t + 1), past = nadam_product(&h, step->t);
  const real direct = (real)(step->lr * (1 - nadam_mu(&h, t)) / (1 - past));
  const real ahead = (real)(step->lr * next / (1 - past * next));
  const real correction = (real)(1 / sqrt(1 - pow(h.beta2, t)));
  const real eps = epsilon(h.eps);
  EACH {
    real gradient = g[i] + decay * w[i];
    m[i] = settle(beta1 * m[i] + rest1 * gradient);
    v[i] = settle(beta2 * v[i] + rest2 * gradient * gradient);
    w[i] -= (direct * gradient + ahead * m[i]) / (R(sqrt)(v[i]) * correction + eps);
    bad += g[i] * 0;
  }
  return bad;
}

double K(optim_radam)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                      int64_t n) {
  ENTER(radam);
  real *restrict m = state[0], *restrict v = state[1];
  const real beta1 = (real)h.beta1, rest1 = (real)(1 - h.beta1);
  const real beta2 = (real)h.beta2, rest2 = (real)(1 - h.beta2);
  const double t = (double)step->t, power = pow(h.beta2, t);
  const double limit = 2 / (1 - h.beta2) - 1, length = limit - 2 * t * power / (1 - power);
  double rate = step->lr / (1 - pow(h.beta1, t));
  const bool certain = length > 5;
  if (certain)
    rate *= sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) *
            sqrt(1 - power);
  const real factor = (real)rate, eps = certain ? epsilon(h.eps) : 1, root = certain;
  EACH {
    real gradient = g[i] + decay * w[i];
    m[i] = settle(beta1 * m[i] + rest1 * gradient);
    v[i] = settle(beta2 * v[i] + rest2 * gradient * gradient);
    w[i] -= factor * m[i] / (root * R(sqrt)(v[i]) + eps);
    bad += g[i] * 0;
  }
  return bad;
}

static inline real sign(real x) { return x > 0 ? (real)1 : x < 0 ? (real)-1 : (real)0; }

double K(optim_lion)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                     int64_t n) {
  ENTER(lion);
  real *restrict m = state[0];
  const real beta1 = (real)h.beta1, rest1 = (real)(1 - h.beta1);
  const real beta2 = (real)h.beta2, rest2 = (real)(1 - h.beta2);
  const real shrink = (real)(1 - step->lr * step->decay);
  EACH {
    w[i] = shrink * w[i] - lr * sign(beta1 * m[i] + rest1 * g[i]);
    m[i] = settle(beta2 * m[i] + rest2 * g[i]);
    bad += g[i] * 0;
  }
  return bad;
}

double K(optim_rprop)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                      int64_t n) {
  ENTER(rprop);
  real *restrict before = state[0], *restrict size = state[1];
  const real minus = (real)h.eta1, plus = (real)h.eta2;
  const real low = (real)h.step_size1, high = (real)h.step_size2;
  const real start = step->t == 1 ? lr : 0; /* the states are zero then */
  EACH {
    real gradient = g[i] + decay * w[i], turn = sign(gradient) * sign(before[i]);
    real s = (size[i] + start) * (turn > 0 ? plus : turn < 0 ? minus : 1);
    s = s < low ? low : s > high ? high : s;
    gradient = turn < 0 ? 0 : gradient;
    size[i] = s;
    before[i] = gradient;
    w[i] -= s * sign(gradient);
    bad += g[i] * 0;
  }
  return bad;
}

double K(optim_asgd)(void *weights, const void *grads, void *const *state, const OptimStep *step,
                     int64_t n) {
  ENTER(asgd);
  (void)state;
  const double eta = step->lr / pow(1 + h.lambd * step->lr * (double)(step->t - 1), h.alpha);
  const real rate = (real)eta, shrink = (real)(1 - h.lambd * eta);
  EACH {
    real gradient = g[i] + decay * w[i];
    w[i] = shrink * w[i] - rate * gradient;
    bad += g[i] * 0;
  }
  return bad;
}

/* ---- what all share ---- */

static double sum_squares(const void *grads, int64_t n) {
  const real *g = grads;
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += (double)g[i] * (double)g[i];
  return sum;
}

static void clip(void *grads, double scale, double limit, int64_t n) {
  real *g = grads;
  const real factor = (real)scale, high = (real)limit;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    real x = g[i] * factor;
    x = x > high ? high : x;
    g[i] = x < -high ? -high : x;
  }
}

static void penalise(void *grads, const void *weights, double l1, int64_t n) {
  real *restrict g = grads;
  const real *restrict w = weights;
  const real amount = (real)l1;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) g[i] += w[i] > 0 ? amount : w[i] < 0 ? -amount : 0;
}

static double sum_zeros(const void *values, int64_t n) {
  const real *x = values;
  real bad = 0;
#pragma omp simd reduction(+ : bad)
  for (int64_t i = 0; i < n; i++) bad += x[i] * 0;
  return bad;
}

static void mix(void *mean, const void *values, double share, int64_t n) {
  real *restrict m = mean;
  const real *restrict x = values;
  const real part = (real)share;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) m[i] += part * (x[i] - m[i]);
}

static void limit_rows(void *weights, int64_t rows, int64_t n, double limit) {
  real *w = weights;
  for (int64_t r = 0; r < rows; r++, w += n) {
    double norm = sqrt(sum_squares(w, n));
    if (!(norm > limit)) continue;
    const real factor = (real)(limit / (norm + 1e-7)); /* the 1e-7 is that of torch.renorm */
#pragma omp simd
    for (int64_t i = 0; i < n; i++) w[i] *= factor;
  }
}

static void combine(void *out, double a, const void *x, double b, const void *y, int64_t n) {
  real *o = out;
  const real *u = x, *v = y;
  const real p = (real)a, q = (real)b;
  if (!y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) o[i] = p * u[i];
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < n; i++) o[i] = p * u[i] + q * v[i];
}

static double dot(const void *x, const void *y, int64_t n) {
  const real *u = x, *v = y;
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += (double)u[i] * (double)v[i];
  return sum;
}

static double abs_sum(const void *x, int64_t n) {
  const real *u = x;
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += (double)R(fabs)(u[i]);
  return sum;
}

static double abs_max(const void *x, int64_t n) {
  const real *u = x;
  real most = 0;
#pragma omp simd reduction(max : most)
  for (int64_t i = 0; i < n; i++) most = R(fabs)(u[i]) > most ? R(fabs)(u[i]) : most;
  return (double)most;
}

extern const OptimTools K(optim_tools);
const OptimTools K(optim_tools) = {
#define OPTIM_SEARCH(...)
#define OPTIM(name, ...) .update[OPTIM_##name] = K(optim_##name),
#include "train/optims.def"
    .sum_squares = sum_squares,
    .clip = clip,
    .penalise = penalise,
    .finite = sum_zeros,
    .mix = mix,
    .limit_rows = limit_rows,
    .combine = combine,
    .dot = dot,
    .abs_sum = abs_sum,
    .abs_max = abs_max,
};
