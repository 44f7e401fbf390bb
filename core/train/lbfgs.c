/* L-BFGS, iteration by iteration as PyTorch's LBFGS and minFunc (Schmidt 2005) before it.
 *
 * lbfgs_step: direction (two loops over the past steps), length (line_search, or lr), checks,
 * again. Sums are in float64 and in a fixed order. A value that is not finite counts as too high in
 * the line search, which PyTorch's lacks: the trial then is halved. */
#include "train/lbfgs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The hyper-parameters by name, in the order of the row. */
#define HYPER(name, ...) double name;
#define OPTIM(...)
#define OPTIM_SEARCH(name, title, help, states, ...)                                               \
  typedef struct Hyper {                                                                           \
    __VA_ARGS__                                                                                    \
  } Hyper;
#include "train/optims.def"

/* Of the line search: sufficient decrease, curvature, trials (Nocedal, Wright 2006, chapter 3). */
#define WOLFE_DECREASE 1e-4
#define WOLFE_CURVATURE 0.9
enum { WOLFE_TRIALS = 25 };
#define SMALLEST_CURVATURE 1e-10 /* a step with less is not remembered */

/* A past step: how far (s), the gradient's change (y), 1 / (y s), and the loop's coefficient. */
typedef struct Past {
  void *s, *y;
  double rho, alpha;
} Past;

struct Lbfgs {
  const OptimTools *tools;
  size_t bytes; /* of a vector */
  int64_t count;
  Hyper h;
  int size, used; /* of the past, oldest first */
  Past *past;
  void *direction, *start, *grad, *last_grad, *spare[2]; /* vectors in one block, `vectors` */
  void *vectors;
  double scale; /* of the first guess at the inverse Hessian */
  double length;
  int64_t iterations; /* since the beginning */
};

enum { VECTORS = 6 };

Status lbfgs_new(Lbfgs **out, const double *hyper, const OptimTools *tools, size_t element,
                 int64_t count, Err *err) {
  *out = NULL;
  Lbfgs *l = calloc(1, sizeof *l);
  if (!l) return err_set(err, NN_NO_MEMORY, "no memory for L-BFGS");
  memcpy(&l->h, hyper, sizeof l->h);
  l->tools = tools;
  l->count = count;
  l->bytes = (size_t)count * element;
  l->size = l->h.history_size < 1e6 ? (int)l->h.history_size : 1000000;
  if (l->h.max_eval == 0) l->h.max_eval = floor(l->h.max_iter * 5 / 4);
  l->past = calloc((size_t)l->size, sizeof *l->past);
  l->vectors = calloc(VECTORS, l->bytes ? l->bytes : 1);
  if (!l->past || !l->vectors) {
    lbfgs_free(l);
    return err_set(err, NN_NO_MEMORY, "no memory for L-BFGS");
  }
  char *at = l->vectors;
  void **const vectors[VECTORS] = {&l->direction, &l->start,    &l->grad,
                                   &l->last_grad, &l->spare[0], &l->spare[1]};
  for (int i = 0; i < VECTORS; i++) *vectors[i] = at + (size_t)i * l->bytes;
  *out = l;
  return NN_OK;
}

void lbfgs_free(Lbfgs *l) {
  if (!l) return;
  for (int i = 0; l->past && i < l->size; i++) free(l->past[i].s);
  free(l->past);
  free(l->vectors);
  free(l);
}

void lbfgs_reset(Lbfgs *l) {
  l->used = 0;
  l->iterations = 0;
}

bool lbfgs_visit(Lbfgs *l, OptimVisitor *visit, void *context) {
  int64_t used = l->used;
  visit(context, &used, sizeof used);
  visit(context, &l->iterations, sizeof l->iterations);
  visit(context, &l->scale, sizeof l->scale);
  visit(context, &l->length, sizeof l->length);
  visit(context, l->vectors, VECTORS * l->bytes);
  l->used = used < 0 ? 0 : used > l->size ? l->size : (int)used;
  for (int i = 0; i < l->used; i++) {
    Past *past = &l->past[i];
    if (!past->s) past->s = malloc(2 * l->bytes);
    if (!past->s) {
      l->used = i;
      return false;
    }
    past->y = (char *)past->s + l->bytes;
    visit(context, past->s, 2 * l->bytes);
    visit(context, &past->rho, sizeof past->rho);
  }
  return true;
}

/* ---- vectors ---- */

static double dot(const Lbfgs *l, const void *x, const void *y) {
  return l->tools->dot(x, y, l->count);
}

/* out = a x + b y */
static void combine(const Lbfgs *l, void *out, double a, const void *x, double b, const void *y) {
  l->tools->combine(out, a, x, b, y, l->count);
}

static double largest(const Lbfgs *l, const void *x) { return l->tools->abs_max(x, l->count); }

/* ---- direction ---- */

/* Memory for one more past step, the oldest one's when there are `size` of them or no more memory;
 * NULL when there is none at all. */
static Past *next_past(Lbfgs *l) {
  Past *past = &l->past[l->used < l->size ? l->used : l->size - 1];
  if (l->used < l->size && !past->s) past->s = malloc(2 * l->bytes);
  if (l->used < l->size && past->s) {
    past->y = (char *)past->s + l->bytes;
    l->used++;
    return past;
  }
  if (l->used == 0) return NULL;
  Past oldest = l->past[0];
  memmove(&l->past[0], &l->past[1], (size_t)(l->used - 1) * sizeof oldest);
  l->past[l->used - 1] = oldest;
  return &l->past[l->used - 1];
}

/* The step just made, from start to where `grad` is. */
static void remember(Lbfgs *l) {
  void *y = l->spare[0];
  combine(l, y, 1, l->grad, -1, l->last_grad);
  double curvature = dot(l, y, l->direction) * l->length;
  if (!(curvature > SMALLEST_CURVATURE)) return;
  Past *past = next_past(l);
  if (!past) return;
  memcpy(past->y, y, l->bytes);
  combine(l, past->s, l->length, l->direction, 0, NULL);
  past->rho = 1 / curvature;
  l->scale = curvature / dot(l, y, y);
}

/* direction = -H grad, H from the past steps: the two loops of Nocedal 1980. */
static void find_direction(Lbfgs *l) {
  void *d = l->direction;
  if (l->iterations == 1) {
    l->used = 0;
    l->scale = 1;
    combine(l, d, -1, l->grad, 0, NULL);
    return;
  }
  remember(l);
  combine(l, d, -1, l->grad, 0, NULL);
  for (int i = l->used - 1; i >= 0; i--) {
    Past *past = &l->past[i];
    past->alpha = dot(l, past->s, d) * past->rho;
    combine(l, d, 1, d, -past->alpha, past->y);
  }
  combine(l, d, l->scale, d, 0, NULL);
  for (int i = 0; i < l->used; i++) {
    const Past *past = &l->past[i];
    combine(l, d, 1, d, past->alpha - dot(l, past->y, d) * past->rho, past->s);
  }
}

/* ---- length ---- */

/* A point on the line: position, loss, slope along the direction, gradient. */
typedef struct Point {
  double t, loss, slope;
  void *grad;
} Point;

typedef struct Search {
  Lbfgs *l;
  void *params, *grads;
  const OptimUpdate *update;
  int evaluations;
} Search;

/* Move to `start` + t direction and look. The gradient stays where evaluate leaves it. */
static Point look(Search *search, double t) {
  Lbfgs *l = search->l;
  combine(l, search->params, 1, l->start, t, l->direction);
  double loss = search->update->evaluate(search->update->context);
  search->evaluations++;
  return (Point){t, loss, dot(l, search->grads, l->direction), search->grads};
}

/* `point` with its gradient copied to `to`. */
static Point keep(const Lbfgs *l, Point point, void *to) {
  memcpy(to, point.grad, l->bytes);
  point.grad = to;
  return point;
}

/* The minimum, within [low, high], of the cubic with the values and slopes of two points. */
static double cubic_minimum(Point a, Point b, double low, double high) {
  double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t);
  double square = d1 * d1 - a.slope * b.slope, middle = (low + high) / 2;
  if (!(square >= 0)) return middle;
  double d2 = sqrt(square), at;
  if (a.t <= b.t)
    at = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
  else
    at = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2));
  if (!isfinite(at)) return middle;
  return fmin(fmax(at, low), high);
}

static bool too_high(Point point, Point origin) {
  return !(point.loss <= origin.loss + WOLFE_DECREASE * point.t * origin.slope);
}

static bool flat_enough(Point point, Point origin) {
  return fabs(point.slope) <= -WOLFE_CURVATURE * origin.slope;
}

/* Go out from the origin until two points bracket a good one, or a good one is met (then
 * *done). Returns how many trials it took. */
static int bracket_minimum(Search *search, Point origin, double t, Point bracket[2], bool *done) {
  const Lbfgs *l = search->l;
  Point last = keep(l, origin, l->spare[0]), point = look(search, t);
  int trials = 0;
  *done = false;
  for (; trials < WOLFE_TRIALS; trials++) {
    *done = !too_high(point, origin) && !(trials > 1 && point.loss >= last.loss) &&
            flat_enough(point, origin);
    bool around =
        too_high(point, origin) || (trials > 1 && point.loss >= last.loss) || !(point.slope < 0);
    if (*done || around) break;
    double next = cubic_minimum(last, point, point.t + 0.01 * (point.t - last.t), 10 * point.t);
    last = keep(l, point, l->spare[0]);
    point = look(search, next);
  }
  if (trials == WOLFE_TRIALS) last = keep(l, origin, l->spare[0]);
  bracket[0] = last;
  bracket[1] = keep(l, point, l->spare[1]);
  return trials;
}

/* A trial within the bracket, not too near to its ends twice in a row. */
static double trial_between(const Point bracket[2], bool *slow) {
  double low = fmin(bracket[0].t, bracket[1].t), high = fmax(bracket[0].t, bracket[1].t);
  double t = cubic_minimum(bracket[0], bracket[1], low, high), margin = 0.1 * (high - low);
  if (fmin(high - t, t - low) >= margin) {
    *slow = false;
    return t;
  }
  if (!*slow && t < high && t > low) {
    *slow = true;
    return t;
  }
  *slow = false;
  return fabs(t - high) < fabs(t - low) ? high - margin : low + margin;
}

static int lower_of(const Point bracket[2]) { return bracket[1].loss < bracket[0].loss ? 1 : 0; }

/* A point that fulfils the strong Wolfe conditions, or the lowest met. `origin` has the gradient of
 * the iteration's start. The parameters are left at the last trial. */
static Point line_search(Search *search, Point origin, double t) {
  const Lbfgs *l = search->l;
  double reach = largest(l, l->direction);
  Point bracket[2];
  bool done, slow = false;
  int trials = bracket_minimum(search, origin, t, bracket, &done);
  if (done) return bracket[1];
  int low = lower_of(bracket);
  while (!done && trials < WOLFE_TRIALS) {
    if (fabs(bracket[1].t - bracket[0].t) * reach < l->h.tolerance_change) break;
    Point point = look(search, trial_between(bracket, &slow));
    int high = 1 - low;
    trials++;
    if (too_high(point, origin) || point.loss >= bracket[low].loss) {
      bracket[high] = keep(l, point, bracket[high].grad);
      low = lower_of(bracket);
      continue;
    }
    if (flat_enough(point, origin)) {
      done = true;
    } else if (point.slope * (bracket[high].t - bracket[low].t) >= 0) {
      Point old = bracket[high]; /* the old low becomes the high, its place takes the new */
      bracket[high] = bracket[low];
      bracket[low] = old;
    }
    bracket[low] = keep(l, point, bracket[low].grad);
  }
  return bracket[low];
}

/* ---- a step ---- */

/* One iteration along the direction; false when there is nothing to be found there. Updates
 * *loss. */
static void advance(Search *search, double slope, bool last, double *loss) {
  Lbfgs *l = search->l;
  if (l->h.strong_wolfe != 0) {
    Point found = line_search(search, (Point){0, *loss, slope, l->grad}, l->length);
    l->length = found.t;
    *loss = found.loss;
    if (found.grad != l->grad) memcpy(l->grad, found.grad, l->bytes);
    combine(l, search->params, 1, l->start, l->length, l->direction);
  } else if (last) { /* nobody asks what the loss there is */
    combine(l, search->params, 1, l->start, l->length, l->direction);
  } else {
    Point point = look(search, l->length);
    *loss = point.loss;
    memcpy(l->grad, search->grads, l->bytes);
  }
}

static bool is_finite(const Lbfgs *l, double loss) {
  return isfinite(loss) && l->tools->finite(l->grad, l->count) == 0;
}

bool lbfgs_step(Lbfgs *l, void *params, void *grads, const OptimUpdate *update) {
  Search search = {.l = l, .params = params, .grads = grads, .update = update, .evaluations = 1};
  double loss = update->loss;
  memcpy(l->grad, grads, l->bytes);
  if (!is_finite(l, loss)) return false;
  if (largest(l, l->grad) <= l->h.tolerance_grad) return true;
  for (int i = 1; i <= l->h.max_iter; i++) {
    l->iterations++;
    find_direction(l);
    memcpy(l->last_grad, l->grad, l->bytes);
    double before = loss, slope = dot(l, l->grad, l->direction);
    l->length = update->lr;
    if (l->iterations == 1) l->length *= fmin(1, 1 / l->tools->abs_sum(l->grad, l->count));
    if (!(slope <= -l->h.tolerance_change)) break;
    memcpy(l->start, params, l->bytes);
    advance(&search, slope, i == l->h.max_iter, &loss);
    if (!is_finite(l, loss)) return false;
    if (i == l->h.max_iter || search.evaluations >= l->h.max_eval) break;
    if (largest(l, l->grad) <= l->h.tolerance_grad) break;
    if (l->length * largest(l, l->direction) <= l->h.tolerance_change) break;
    if (fabs(loss - before) < l->h.tolerance_change) break;
  }
  return true;
}
