#include "search/cmaes.h"

#include "base/arena.h"
#include "search/matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REDRAWS = 100 };

struct Cmaes {
  Arena arena;
  int width, lambda, mu, generation;
  double *weights; /* (lambda), positive ones add up to 1 */
  double mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, expected_norm;
  double sigma;
  double *mean, *path_sigma, *path_c; /* (width) */
  double *covariance, *axes;          /* (width, width); axes: eigenvectors as columns */
  double *lengths;                    /* (width): square roots of eigenvalues */
  double *least;                      /* (width) */
  double *steps, *scratch;            /* (lambda, width), (width, width) */
  double *move, *white;               /* (width) */
};

/* Table 1 of the tutorial. */
static void set_weights(Cmaes *cmaes) {
  int lambda = cmaes->lambda, n = cmaes->width;
  double sum = 0, squares = 0, negative = 0, negative_squares = 0;
  cmaes->mu = lambda / 2;
  for (int i = 0; i < lambda; i++) {
    double w = log((lambda + 1) / 2.0) - log(i + 1);
    cmaes->weights[i] = w;
    *(i < cmaes->mu ? &sum : &negative) += w;
    *(i < cmaes->mu ? &squares : &negative_squares) += w * w;
  }
  double mu_eff = cmaes->mu_eff = sum * sum / squares;
  double mu_eff_negative = negative_squares > 0 ? negative * negative / negative_squares : 0;
  cmaes->c_sigma = (mu_eff + 2) / (n + mu_eff + 5);
  cmaes->d_sigma = 1 + 2 * fmax(0, sqrt((mu_eff - 1) / (n + 1)) - 1) + cmaes->c_sigma;
  cmaes->c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n);
  cmaes->c_1 = 2 / ((n + 1.3) * (n + 1.3) + mu_eff);
  cmaes->c_mu =
      fmin(1 - cmaes->c_1, 2 * (mu_eff - 2 + 1 / mu_eff) / ((n + 2.0) * (n + 2) + mu_eff));
  cmaes->expected_norm = sqrt(n) * (1 - 1 / (4.0 * n) + 1 / (21.0 * n * n));
  double limit = fmin(1 + cmaes->c_1 / cmaes->c_mu, 1 + 2 * mu_eff_negative / (mu_eff + 2));
  limit = fmin(limit, (1 - cmaes->c_1 - cmaes->c_mu) / (n * cmaes->c_mu));
  for (int i = 0; i < lambda; i++) {
    double w = cmaes->weights[i];
    cmaes->weights[i] = i < cmaes->mu ? w / sum : negative < 0 ? w * limit / -negative : 0;
  }
}

static bool allocate(Cmaes *cmaes) {
  size_t n = (size_t)cmaes->width, lambda = (size_t)cmaes->lambda;
  struct {
    double **array;
    size_t count;
  } list[] = {
      {&cmaes->weights, lambda},   {&cmaes->mean, n},     {&cmaes->path_sigma, n},
      {&cmaes->path_c, n},         {&cmaes->lengths, n},  {&cmaes->least, n},
      {&cmaes->covariance, n * n}, {&cmaes->axes, n * n}, {&cmaes->scratch, n * n},
      {&cmaes->steps, lambda * n}, {&cmaes->move, n},     {&cmaes->white, n},
  };
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    *list[i].array = ARENA_ARRAY(&cmaes->arena, double, list[i].count);
    if (!*list[i].array) return false;
  }
  return true;
}

Status cmaes_new(Cmaes **out, int width, int lambda, const double *mean, double sigma,
                 const double *least, Err *err) {
  *out = NULL;
  if (width < 1 || width > 1024 || lambda < 2 || lambda > 1 << 16 || !(sigma > 0)) {
    return err_set(err, NN_BAD_ARGUMENT,
                   "CMA-ES needs 1 to 1024 parameters, a population of 2 to 65536 and sigma > 0, "
                   "got %d, %d and %g",
                   width, lambda, sigma);
  }
  Cmaes *cmaes = calloc(1, sizeof *cmaes);
  if (!cmaes) return err_set(err, NN_NO_MEMORY, "no memory for CMA-ES");
  cmaes->width = width;
  cmaes->lambda = lambda;
  cmaes->sigma = sigma;
  if (!allocate(cmaes)) {
    cmaes_free(cmaes);
    return err_set(err, NN_NO_MEMORY, "no memory for CMA-ES of %d parameters", width);
  }
  set_weights(cmaes);
  for (int i = 0; i < width; i++) {
    cmaes->mean[i] = mean[i];
    cmaes->least[i] = least[i];
    cmaes->lengths[i] = 1;
    cmaes->covariance[i * width + i] = cmaes->axes[i * width + i] = 1;
  }
  *out = cmaes;
  return NN_OK;
}

void cmaes_free(Cmaes *cmaes) {
  if (!cmaes) return;
  arena_free(&cmaes->arena);
  free(cmaes);
}

int cmaes_width(const Cmaes *cmaes) { return cmaes->width; }
int cmaes_lambda(const Cmaes *cmaes) { return cmaes->lambda; }
const double *cmaes_mean(const Cmaes *cmaes) { return cmaes->mean; }

static void extremes(const Cmaes *cmaes, double *shortest, double *longest) {
  *shortest = *longest = cmaes->lengths[0];
  for (int i = 1; i < cmaes->width; i++) {
    *shortest = fmin(*shortest, cmaes->lengths[i]);
    *longest = fmax(*longest, cmaes->lengths[i]);
  }
}

double cmaes_spread(const Cmaes *cmaes) {
  double shortest, longest;
  extremes(cmaes, &shortest, &longest);
  return cmaes->sigma * longest;
}

double cmaes_condition(const Cmaes *cmaes) {
  double shortest, longest;
  extremes(cmaes, &shortest, &longest);
  return longest / shortest;
}

void cmaes_draw(const Cmaes *cmaes, const Rng *rng, uint64_t index, double *point) {
  int n = cmaes->width;
  for (int redraw = 0; redraw < MAX_REDRAWS; redraw++) {
    uint64_t first = (index * MAX_REDRAWS + (uint64_t)redraw) * (uint64_t)n;
    bool inside = true;
    memcpy(point, cmaes->mean, (size_t)n * sizeof *point);
    for (int k = 0; k < n; k++) {
      double z = cmaes->sigma * cmaes->lengths[k] * rng_normal(rng, first + (uint64_t)k);
      for (int i = 0; i < n; i++) point[i] += cmaes->axes[i * n + k] * z;
    }
    for (int i = 0; i < n; i++) inside = inside && point[i] >= 0 && point[i] <= 1;
    if (inside) return;
  }
  for (int i = 0; i < n; i++) point[i] = fmin(fmax(point[i], 0), 1);
}

/* out = axes diag(1 / lengths) axes' y: what y is to a distribution without correlations. */
static void whiten(const Cmaes *cmaes, const double *y, double *out) {
  int n = cmaes->width;
  memset(out, 0, (size_t)n * sizeof *out);
  for (int k = 0; k < n; k++) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += cmaes->axes[i * n + k] * y[i];
    sum /= cmaes->lengths[k];
    for (int i = 0; i < n; i++) out[i] += cmaes->axes[i * n + k] * sum;
  }
}

static double norm(const double *a, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += a[i] * a[i];
  return sqrt(sum);
}

/* Steps y = (x - mean) / sigma. Unused coordinates get a draw of their own, since the mean in their
 * place would shrink the distribution; steps that are too long are cut. */
static void take_steps(Cmaes *cmaes, const double *points, const Rng *rng) {
  int n = cmaes->width;
  double longest = sqrt(n) + 2.0 * n / (n + 2);
  for (int k = 0; k < cmaes->lambda; k++) {
    double *y = cmaes->steps + (size_t)k * (size_t)n;
    for (int i = 0; i < n; i++) {
      double x = points[(size_t)k * (size_t)n + (size_t)i];
      uint64_t address = (uint64_t)cmaes->generation << 32 | (uint64_t)(k * n + i);
      y[i] = isnan(x) ? sqrt(cmaes->covariance[i * n + i]) * rng_normal(rng, address)
                      : (x - cmaes->mean[i]) / cmaes->sigma;
    }
    whiten(cmaes, y, cmaes->white);
    double cut = longest / norm(cmaes->white, n);
    for (int i = 0; i < n && cut < 1; i++) y[i] *= cut;
  }
}

/* Mean and the two evolution paths (equations 42 to 45). Returns h_sigma, which stalls path_c. */
static bool move_mean(Cmaes *cmaes) {
  int n = cmaes->width;
  double *move = cmaes->move;
  memset(move, 0, (size_t)n * sizeof *move);
  for (int k = 0; k < cmaes->mu; k++) {
    for (int i = 0; i < n; i++) move[i] += cmaes->weights[k] * cmaes->steps[k * n + i];
  }
  for (int i = 0; i < n; i++) cmaes->mean[i] += cmaes->sigma * move[i];
  whiten(cmaes, move, cmaes->white);
  double cs = cmaes->c_sigma, cc = cmaes->c_c;
  for (int i = 0; i < n; i++) {
    cmaes->path_sigma[i] =
        (1 - cs) * cmaes->path_sigma[i] + sqrt(cs * (2 - cs) * cmaes->mu_eff) * cmaes->white[i];
  }
  double length = norm(cmaes->path_sigma, n);
  double settled = sqrt(1 - pow(1 - cs, 2.0 * (cmaes->generation + 1)));
  bool short_enough = length / settled < (1.4 + 2.0 / (n + 1)) * cmaes->expected_norm;
  for (int i = 0; i < n; i++) {
    cmaes->path_c[i] = (1 - cc) * cmaes->path_c[i] +
                       (short_enough ? sqrt(cc * (2 - cc) * cmaes->mu_eff) * move[i] : 0);
  }
  cmaes->sigma *= exp(fmin(1, cs / cmaes->d_sigma * (length / cmaes->expected_norm - 1)));
  return short_enough;
}

/* Equation 47. Weights of bad steps are scaled so that the matrix stays positive (46). */
static void adapt_covariance(Cmaes *cmaes, bool short_enough) {
  int n = cmaes->width;
  double c_1 = cmaes->c_1, c_mu = cmaes->c_mu, cc = cmaes->c_c, sum = 0;
  memset(cmaes->scratch, 0, (size_t)n * (size_t)n * sizeof(double));
  for (int k = 0; k < cmaes->lambda; k++) {
    const double *y = cmaes->steps + (size_t)k * (size_t)n;
    double w = cmaes->weights[k];
    sum += w;
    if (w < 0) {
      whiten(cmaes, y, cmaes->white);
      double length = norm(cmaes->white, n);
      w *= n / fmax(length * length, 1e-8);
    }
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) cmaes->scratch[i * n + j] += c_mu * w * y[i] * y[j];
    }
  }
  double stall = short_enough ? 0 : c_1 * cc * (2 - cc);
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) {
      double *c = &cmaes->covariance[i * n + j];
      *c = (1 + stall - c_1 - c_mu * sum) * *c + c_1 * cmaes->path_c[i] * cmaes->path_c[j] +
           cmaes->scratch[i * n + j];
    }
  }
}

/* Marginal deviations of parameters with cells stay wide enough to leave a cell. */
static void keep_margin(Cmaes *cmaes) {
  int n = cmaes->width;
  for (int i = 0; i < n; i++) {
    double deviation = cmaes->sigma * sqrt(cmaes->covariance[i * n + i]);
    if (deviation >= cmaes->least[i]) continue;
    double factor = cmaes->least[i] / deviation;
    for (int j = 0; j < n; j++) {
      cmaes->covariance[i * n + j] *= factor;
      cmaes->covariance[j * n + i] *= factor;
    }
  }
}

Status cmaes_update(Cmaes *cmaes, const double *points, const Rng *rng, Err *err) {
  int n = cmaes->width;
  take_steps(cmaes, points, rng);
  bool short_enough = move_mean(cmaes);
  adapt_covariance(cmaes, short_enough);
  keep_margin(cmaes);
  memcpy(cmaes->scratch, cmaes->covariance, (size_t)n * (size_t)n * sizeof(double));
  matrix_eigen(cmaes->scratch, n, cmaes->axes, cmaes->lengths);
  for (int i = 0; i < n; i++) {
    if (!isfinite(cmaes->lengths[i])) {
      return err_set(err, NN_INTERNAL, "the covariance of CMA-ES is no longer finite");
    }
    cmaes->lengths[i] = sqrt(fmax(cmaes->lengths[i], 1e-20));
    cmaes->mean[i] = fmin(fmax(cmaes->mean[i], 0), 1);
  }
  cmaes->generation++;
  return NN_OK;
}
