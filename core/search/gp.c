#include "search/gp.h"

#include "base/arena.h"
#include "search/draws.h"
#include "search/matrix.h"

#include <math.h>
#include <string.h>

enum {
  FIT_STEPS = 60,   /* of the search for the model's parameters */
  CLIMBS = 5,       /* candidates that are improved */
  CLIMB_STEPS = 120 /* tries for each */
};

/* Priors of the logarithms, mean and deviation: lengths of about 0.7 of a domain, little noise.
 * Chosen on the functions of tests/quality. */
static const double LENGTH_PRIOR[2] = {-0.35, 0.6}, SCALE_PRIOR[2] = {0.0, 1.0},
                    NOISE_PRIOR[2] = {-9.0, 2.5};
static const double LOG_LIMITS[2] = {-6, 5}, NOISE_LIMITS[2] = {-13.8, 0};

typedef struct Gp {
  const SearchTable *table;
  int width, count, room;
  double *x;                       /* (room, width) */
  double *y;                       /* (room), transformed */
  double *factor;                  /* (count, count) */
  double *alpha;                   /* (room) */
  double *inverse;                 /* (room, room) */
  double *k;                       /* (room, room) */
  double *vector;                  /* (room) */
  double rate[SEARCH_MAX_COLUMNS]; /* 1 / length^2 */
  double scale, noise;
  double best; /* smallest mean at a row */
} Gp;

/* ---- losses ---- */

/* Yeo and Johnson's transform with exponent lambda, at most 2. Below 0 it has an upper end, which
 * tames losses that differ by magnitudes. */
static double yeo_johnson(double y, double lambda) {
  if (y >= 0) return fabs(lambda) < 1e-6 ? log1p(y) : expm1(lambda * log1p(y)) / lambda;
  return lambda > 2 - 1e-6 ? -log1p(-y) : -expm1((2 - lambda) * log1p(-y)) / (2 - lambda);
}

/* Twice the negative log likelihood of the transformed losses as normal ones, per loss. */
static double badness(const double *y, int count, double lambda) {
  double sum = 0, squares = 0, jacobian = 0;
  for (int i = 0; i < count; i++) {
    double t = yeo_johnson(y[i], lambda);
    sum += t;
    squares += t * t;
    jacobian += (lambda - 1) * copysign(log1p(fabs(y[i])), y[i]);
  }
  double variance = squares / count - sum / count * (sum / count);
  return log(fmax(variance, 1e-300)) - 2 * jacobian / count;
}

static void standardise(double *y, int count) {
  double sum = 0, squares = 0;
  for (int i = 0; i < count; i++) sum += y[i];
  for (int i = 0; i < count; i++) squares += (y[i] - sum / count) * (y[i] - sum / count);
  double deviation = sqrt(squares / count);
  for (int i = 0; i < count; i++) y[i] = deviation > 0 ? (y[i] - sum / count) / deviation : 0;
}

/* Losses of failed trials become the worst that was seen; then mean 0, deviation 1, and normal. */
static void transform(double *y, int count) {
  double worst = -INFINITY;
  for (int i = 0; i < count; i++) worst = isfinite(y[i]) ? fmax(worst, y[i]) : worst;
  for (int i = 0; i < count; i++) y[i] = isfinite(y[i]) ? y[i] : isfinite(worst) ? worst : 0;
  standardise(y, count);
  double chosen = 1, least = INFINITY;
  for (int step = -40; step <= 40; step++) {
    double lambda = step * 0.05, value = badness(y, count, lambda);
    if (value < least) least = value, chosen = lambda;
  }
  for (int i = 0; i < count; i++) y[i] = yeo_johnson(y[i], chosen);
  standardise(y, count);
}

/* ---- the model ---- */

static Status gp_allocate(Gp *gp, const SearchTable *table, int room, Arena *arena, Err *err) {
  size_t rows = (size_t)room, width = (size_t)table->width;
  *gp = (Gp){.table = table, .width = table->width, .room = room};
  gp->x = ARENA_ARRAY(arena, double, rows *width);
  gp->y = ARENA_ARRAY(arena, double, rows);
  gp->alpha = ARENA_ARRAY(arena, double, rows);
  gp->vector = ARENA_ARRAY(arena, double, rows);
  gp->factor = ARENA_ARRAY(arena, double, rows *rows);
  gp->inverse = ARENA_ARRAY(arena, double, rows *rows);
  gp->k = ARENA_ARRAY(arena, double, rows *rows);
  if (!gp->x || !gp->y || !gp->alpha || !gp->vector || !gp->factor || !gp->inverse || !gp->k) {
    return err_set(err, NN_NO_MEMORY, "no memory for a Gaussian process of %d rows", room);
  }
  return NN_OK;
}

static void gp_add(Gp *gp, const double *row, double y) {
  double *x = gp->x + (size_t)gp->count * (size_t)gp->width;
  for (int c = 0; c < gp->width; c++) x[c] = isnan(row[c]) ? 0.5 : row[c];
  gp->y[gp->count++] = y;
}

/* Rows looked at, of the first `count` of the table: all, or half the best and then the newest. */
static void gp_take_rows(Gp *gp, int count) {
  const SearchTable *table = gp->table;
  size_t width = (size_t)gp->width;
  int most = count < GP_MAX_ROWS ? count : GP_MAX_ROWS, best = count > most ? most / 2 : 0;
  int last = -1; /* the last in order of loss that was taken */
  for (int i = 0; i < table->count && gp->count < best; i++) {
    int row = table->order[i];
    if (row >= count) continue;
    gp_add(gp, table->places + (size_t)row * width, table->losses[row]);
    last = row;
  }
  for (int row = count - 1; row >= 0 && gp->count < most; row--) {
    if (search_up_to(table, last, row)) continue;
    gp_add(gp, table->places + (size_t)row * width, table->losses[row]);
  }
  transform(gp->y, gp->count);
}

/* The scaled difference of two rows in a column, squared. */
static inline double square_in(const Gp *gp, int c, const double *a, const double *b) {
  if (!gp->table->columns[c].ordered) return a[c] == b[c] ? 0 : gp->rate[c];
  return (a[c] - b[c]) * (a[c] - b[c]) * gp->rate[c];
}

static double distance(const Gp *gp, const double *a, const double *b) {
  double sum = 0;
  for (int c = 0; c < gp->width; c++) sum += square_in(gp, c, a, b);
  return sqrt(5 * sum);
}

static double matern(double r) { return (1 + r + r * r / 3) * exp(-r); }

static void gp_set(Gp *gp, const GpModel *model) {
  for (int c = 0; c < gp->width; c++) gp->rate[c] = exp(-2 * model->length[c]);
  gp->scale = exp(model->scale);
  gp->noise = exp(model->noise);
}

/* k, its factor, and alpha = k^-1 y. More noise is added until the factor exists. */
static void gp_factor(Gp *gp) {
  int n = gp->count;
  size_t width = (size_t)gp->width;
  for (double extra = 0;; extra = extra > 0 ? 10 * extra : 1e-8) {
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        double r = distance(gp, gp->x + (size_t)i * width, gp->x + (size_t)j * width);
        gp->k[i * n + j] = gp->factor[i * n + j] = gp->scale * matern(r);
      }
      gp->k[i * n + i] = gp->scale;
      gp->factor[i * n + i] = gp->scale * (1 + extra) + gp->noise;
    }
    if (matrix_cholesky(gp->factor, n) || extra > 1) break;
  }
  memcpy(gp->alpha, gp->y, (size_t)n * sizeof *gp->alpha);
  matrix_solve_lower(gp->factor, n, gp->alpha);
  matrix_solve_upper(gp->factor, n, gp->alpha);
}

static double prior(double value, const double *about, double *slope) {
  double z = (value - about[0]) / about[1];
  *slope -= z / about[1];
  return -0.5 * z * z;
}

/* The log posterior of the model and its gradient: 1/2 tr((alpha alpha' - k^-1) dk). */
static double gp_evidence(Gp *gp, const GpModel *model, GpModel *slope) {
  int n = gp->count, width = gp->width;
  gp_set(gp, model);
  gp_factor(gp);
  double value = 0;
  for (int i = 0; i < n; i++) value -= 0.5 * gp->y[i] * gp->alpha[i] + log(gp->factor[i * n + i]);
  *slope = (GpModel){0};
  /* w = k^-1 from the factor's inverse, row by row. */
  matrix_invert_lower(gp->factor, n, gp->inverse);
  for (int i = 0; i < n; i++) {
    double *w = gp->vector;
    memset(w, 0, (size_t)n * sizeof *w);
    for (int k = i; k < n; k++) {
      const double *row = gp->inverse + (size_t)k * (size_t)n;
      for (int j = 0; j <= i; j++) w[j] += row[i] * row[j];
    }
    const double *a = gp->x + (size_t)i * (size_t)width;
    for (int j = 0; j < i; j++) {
      double g = gp->alpha[i] * gp->alpha[j] - w[j];
      const double *b = gp->x + (size_t)j * (size_t)width;
      double r = distance(gp, a, b), common = g * gp->scale * 5 / 3 * (1 + r) * exp(-r);
      slope->scale += g * gp->k[i * n + j];
      for (int c = 0; c < width; c++) slope->length[c] += common * square_in(gp, c, a, b);
    }
    double g = 0.5 * (gp->alpha[i] * gp->alpha[i] - w[i]);
    slope->scale += g * gp->scale;
    slope->noise += g * gp->noise;
  }
  for (int c = 0; c < width; c++) value += prior(model->length[c], LENGTH_PRIOR, &slope->length[c]);
  value += prior(model->scale, SCALE_PRIOR, &slope->scale);
  return value + prior(model->noise, NOISE_PRIOR, &slope->noise);
}

/* One parameter's step by the sign of its slope (iRprop-, Igel and Huesken, 2003). */
static void climb(double *value, double slope, double *before, double *step, const double *limits) {
  if (slope * *before < 0) {
    *step *= 0.5;
    slope = 0;
  } else if (slope * *before > 0) {
    *step = fmin(1.2 * *step, 1);
  }
  *before = slope;
  *value += slope > 0 ? *step : slope < 0 ? -*step : 0;
  *value = fmin(fmax(*value, limits[0]), limits[1]);
}

static void gp_search(Gp *gp, GpModel *model) {
  GpModel now = {0}, before = {0}, step = {.scale = 0.2, .noise = 0.5}, slope;
  for (int c = 0; c < gp->width; c++) now.length[c] = LENGTH_PRIOR[0], step.length[c] = 0.2;
  now.noise = -7;
  double best = -INFINITY;
  for (int i = 0; i < FIT_STEPS; i++) {
    double value = gp_evidence(gp, &now, &slope);
    if (value > best || i == 0) best = value, *model = now;
    for (int c = 0; c < gp->width; c++) {
      climb(&now.length[c], slope.length[c], &before.length[c], &step.length[c], LOG_LIMITS);
    }
    climb(&now.scale, slope.scale, &before.scale, &step.scale, LOG_LIMITS);
    climb(&now.noise, slope.noise, &before.noise, &step.noise, NOISE_LIMITS);
  }
}

Status gp_fit(const SearchTable *table, int count, GpModel *model, Err *err) {
  if (count < 1 || count > table->count) {
    return err_set(err, NN_BAD_ARGUMENT, "a model of %d rows; there are %d", count, table->count);
  }
  Arena arena = {0};
  Gp gp;
  int room = count < GP_MAX_ROWS ? count : GP_MAX_ROWS;
  Status status = gp_allocate(&gp, table, room, &arena, err);
  if (status == NN_OK) {
    gp_take_rows(&gp, count);
    gp_search(&gp, model);
  }
  arena_free(&arena);
  return status;
}

/* ---- the acquisition ---- */

static double gp_mean(const Gp *gp, const double *x) {
  double sum = 0;
  for (int i = 0; i < gp->count; i++) {
    sum +=
        gp->alpha[i] * gp->scale * matern(distance(gp, x, gp->x + (size_t)i * (size_t)gp->width));
  }
  return sum;
}

/* log(phi(z) + z Phi(z)), z = how many deviations the mean is better than the best. */
static double log_improvement(double z) {
  const double log_sqrt_2pi = 0.91893853320467274178;
  if (z > -10) {
    double value = exp(-0.5 * z * z - log_sqrt_2pi) + z * 0.5 * erfc(-z * M_SQRT1_2);
    if (value > 0) return log(value);
  }
  return -0.5 * z * z - log_sqrt_2pi - 2 * log(-z); /* the leading term of the tail */
}

static double log_ei(Gp *gp, const double *row) {
  double x[SEARCH_MAX_COLUMNS], mean = 0;
  for (int c = 0; c < gp->width; c++) x[c] = isnan(row[c]) ? 0.5 : row[c];
  for (int i = 0; i < gp->count; i++) {
    double r = distance(gp, x, gp->x + (size_t)i * (size_t)gp->width);
    gp->vector[i] = gp->scale * matern(r);
    mean += gp->vector[i] * gp->alpha[i];
  }
  matrix_solve_lower(gp->factor, gp->count, gp->vector);
  double variance = gp->scale;
  for (int i = 0; i < gp->count; i++) variance -= gp->vector[i] * gp->vector[i];
  double deviation = sqrt(fmax(variance, 1e-12 * gp->scale));
  return log(deviation) + log_improvement((gp->best - mean) / deviation);
}

/* A row near `from`, or anywhere when it is NULL: columns follow their parents. */
static void draw_near(const SearchTable *table, Draws *draws, const double *from, double step,
                      double share, double *row) {
  for (int c = 0; c < table->width; c++) {
    const SearchColumn *column = &table->columns[c];
    double u = draw_uniform(draws);
    bool keep = from && !isnan(from[c]) && draw_uniform(draws) >= share;
    if (!search_active(table->columns, c, row)) {
      row[c] = NAN;
      continue;
    } else if (keep) {
      row[c] = from[c];
    } else if (!from || isnan(from[c]) || !column->ordered) {
      row[c] = u;
    } else {
      double z = draw_normal(draws);
      /* At least a cell of its own width is in reach. */
      double reach = column->cells ? fmax(step, 0.5 / column->cells) : step;
      row[c] = fmin(fmax(from[c] + reach * z, 0), 1 - 0x1p-53);
    }
    if (column->cells) row[c] = search_middle(column->cells, search_cell(column->cells, row[c]));
  }
}

typedef struct Candidate {
  double score;
  double *row;
} Candidate;

/* Keep the CLIMBS best, sorted. */
static void keep_best(Candidate *kept, const double *row, double score, int width) {
  int i = CLIMBS;
  if (!(score > kept[i - 1].score)) return;
  double *place = kept[i - 1].row;
  for (i--; i > 0 && score > kept[i - 1].score; i--) kept[i] = kept[i - 1];
  kept[i] = (Candidate){score, place};
  memcpy(place, row, (size_t)width * sizeof *row);
}

/* A step that finds a better row is lengthened, one that does not is shortened (the 1/5 rule). */
static void improve(Gp *gp, Draws *draws, Candidate *candidate, double *row) {
  double step = 0.1, few = fmin(1, 2.0 / gp->width);
  for (int i = 0; i < CLIMB_STEPS; i++) {
    draw_near(gp->table, draws, candidate->row, step, i % 2 ? few : 1, row);
    double score = log_ei(gp, row);
    if (score > candidate->score) {
      candidate->score = score;
      memcpy(candidate->row, row, (size_t)gp->width * sizeof *row);
      step = fmin(step * 1.5, 0.3);
    } else {
      step = fmax(step * 0.9, 1e-5);
    }
  }
}

static void maximise(Gp *gp, int candidates, Draws *draws, Candidate *kept, double *row) {
  const SearchTable *table = gp->table;
  double few = fmin(1, 2.0 / gp->width);
  for (int i = 0; i < candidates; i++) {
    /* Half of them anywhere, half near one of the best results, from far to close. */
    int near = i / 2 % 8;
    bool local = i % 2 && near < table->count;
    const double *from =
        local ? table->places + (size_t)table->order[near] * (size_t)table->width : NULL;
    draw_near(table, draws, from, pow(10, -1 - (double)(i / 16 % 4) * 0.75), i / 64 % 2 ? few : 1,
              row);
    keep_best(kept, row, log_ei(gp, row), gp->width);
  }
  for (int i = 0; i < CLIMBS; i++) {
    if (kept[i].score > -INFINITY) improve(gp, draws, &kept[i], row);
  }
}

static Status propose(const SearchTable *table, const GpModel *model, const double *pending,
                      int pending_count, int candidates, Draws *draws, double *row, Arena *arena,
                      Err *err) {
  Gp gp;
  int room = (table->count < GP_MAX_ROWS ? table->count : GP_MAX_ROWS) + pending_count;
  TRY(gp_allocate(&gp, table, room, arena, err));
  double *scratch = ARENA_ARRAY(arena, double, (size_t)table->width);
  Candidate kept[CLIMBS];
  for (int i = 0; i < CLIMBS; i++) {
    kept[i] = (Candidate){-INFINITY, ARENA_ARRAY(arena, double, (size_t)table->width)};
    if (!kept[i].row) return err_set(err, NN_NO_MEMORY, "no memory for %d columns", table->width);
  }
  if (!scratch) return err_set(err, NN_NO_MEMORY, "no memory for %d columns", table->width);
  gp_take_rows(&gp, table->count);
  gp_set(&gp, model);
  gp_factor(&gp);
  gp.best = INFINITY;
  for (int i = 0; i < gp.count; i++) {
    gp.best = fmin(gp.best, gp_mean(&gp, gp.x + (size_t)i * (size_t)gp.width));
  }
  /* Results that are not known yet are taken to be what the model expects ("kriging believer",
   * Ginsbourger, Le Riche, Carraro, 2010), which leaves its mean as it is. */
  int known = gp.count;
  for (int i = 0; i < pending_count; i++) gp_add(&gp, pending + (size_t)i * (size_t)gp.width, 0);
  gp.count = known;
  for (int i = known; i < room; i++) {
    gp.y[i] = gp_mean(&gp, gp.x + (size_t)i * (size_t)gp.width);
  }
  gp.count = room;
  if (pending_count > 0) gp_factor(&gp);
  maximise(&gp, candidates, draws, kept, scratch);
  int best = 0;
  for (int i = 1; i < CLIMBS; i++) best = kept[i].score > kept[best].score ? i : best;
  memcpy(row, kept[best].row, (size_t)gp.width * sizeof *row);
  return NN_OK;
}

Status gp_propose(const SearchTable *table, const GpModel *model, const double *pending,
                  int pending_count, int candidates, const Rng *rng, double *row, Err *err) {
  if (table->count < 1) return err_set(err, NN_BAD_ARGUMENT, "a proposal needs a result");
  Arena arena = {0};
  Draws draws = draws_from(rng);
  Status status =
      propose(table, model, pending, pending_count, candidates, &draws, row, &arena, err);
  arena_free(&arena);
  return status;
}
