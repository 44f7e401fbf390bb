/* The optimiser: segments merged into runs, one pass per step over all of them; then the limits on
 * rows and the running mean, where there are any. */
#include "train/optim.h"

#include "base/arena.h"
#include "base/kernel.h"
#include "train/lbfgs.h"

#include <stdlib.h>
#include <string.h>

enum {
  NORM_BLOCK = 8192,        /* elements summed at once; fixed, so that threads do not matter */
  ELEMENTS_PER_PART = 32768 /* about 10 us of work; waking a thread costs about 3 */
};

/* ---- construction ---- */

/* Neighbouring segments that are treated alike, padding included; or one sparse segment. */
typedef struct Run {
  int64_t offset, count;
  int64_t rows; /* of a sparse segment; else 0 */
  double lr_scale, weight_decay, l1;
} Run;

/* The running mean of the parameters. */
typedef struct Average {
  Tensor mean;
  double decay;
  bool warm_up, by_hand;
  int64_t count; /* updates so far */
} Average;

struct Optim {
  OptimId id;
  OptimKernel update;
  const OptimTools *tools;
  size_t element; /* bytes */
  Tensor params, grads, state[OPTIM_MAX_STATES];
  int64_t steps;
  double hyper[OPTIM_MAX_HYPERS];
  int momentum; /* which hyper-parameter a step may replace, or -1 */
  Run *runs;
  int nruns;
  int64_t elements; /* in all runs together */
  bool limited;     /* a segment has a max_norm */
  OptimSegment *segments;
  int nsegments;
  double *partials; /* sums of squares of the norm's blocks */
  Arena arena;      /* of the three lists */
  Average average;
  Lbfgs *lbfgs; /* of that row alone */
};

#define X(name, type, isa) extern const OptimTools name##_##type##_##isa;
KERNEL_COPIES(X, optim_tools)
#undef X

const OptimTools *optim_tools(DType dtype, Isa isa) {
  static const OptimTools *const tables[ISA_COUNT][2] = {
#define X(isa, words) [ISA_##isa] = {&optim_tools_f32_##isa, &optim_tools_f64_##isa},
      ISA_LIST(X)
#undef X
  };
  return tables[isa][dtype == DTYPE_F64];
}

static void *element_at(const Optim *optim, const Tensor *tensor, int64_t index) {
  return (char *)tensor->data + (size_t)index * optim->element;
}

static Status check_segments(const OptimSegment *segments, int nsegments, int64_t total, Err *err) {
  int64_t end = 0;
  for (int i = 0; i < nsegments; i++) {
    const OptimSegment *s = &segments[i];
    if (s->offset % OPTIM_ALIGN != 0 || s->offset < end || s->count < 0 || s->offset > total ||
        s->count > total - s->offset)
      return err_set(err, NN_BAD_ARGUMENT,
                     "segment %d (offset %lld, count %lld) does not fit: it must start at a "
                     "multiple of %d, at %lld or later, and end by %lld",
                     i, (long long)s->offset, (long long)s->count, OPTIM_ALIGN, (long long)end,
                     (long long)total);
    if (!isfinite(s->lr_scale) || s->lr_scale < 0)
      return err_set(err, NN_BAD_ARGUMENT, "segment %d: lr_scale must be 0 or more, got %g", i,
                     s->lr_scale);
    if (!(s->weight_decay >= 0 && s->weight_decay < INFINITY))
      return err_set(err, NN_BAD_ARGUMENT, "segment %d: weight_decay must be 0 or more, got %g", i,
                     s->weight_decay);
    bool by_rows = s->max_norm > 0 || s->sparse;
    if (!(s->max_norm >= 0) || (by_rows && (s->rows < 1 || s->count % s->rows != 0)))
      return err_set(err, NN_BAD_ARGUMENT,
                     "segment %d: max_norm %g%s needs rows that divide its %lld elements, not %lld",
                     i, s->max_norm, s->sparse ? ", sparse," : "", (long long)s->count,
                     (long long)s->rows);
    end = s->offset + s->count;
  }
  return NN_OK;
}

static void merge_segments(Optim *optim, int64_t total) {
  const double decay = optim_hyper_value(optim->id, optim->hyper, "weight_decay");
  const double l1 = optim_hyper_value(optim->id, optim->hyper, "l1");
  Run *run = NULL;
  for (int i = 0; i < optim->nsegments; i++) {
    const OptimSegment *s = &optim->segments[i];
    if (s->frozen || s->count == 0) continue;
    optim->limited |= s->max_norm > 0;
    int64_t end = (s->offset + s->count + OPTIM_ALIGN - 1) / OPTIM_ALIGN * OPTIM_ALIGN;
    if (end > total) end = total;
    Run this = {.offset = s->offset,
                .count = s->sparse ? s->count : end - s->offset,
                .rows = s->sparse ? s->rows : 0,
                .lr_scale = s->lr_scale,
                .weight_decay = s->own_decay ? s->weight_decay
                                : s->decay   ? decay
                                             : 0,
                .l1 = s->decay ? l1 : 0};
    if (run && !run->rows && !this.rows && run->offset + run->count == this.offset &&
        run->lr_scale == this.lr_scale && run->weight_decay == this.weight_decay &&
        run->l1 == this.l1) {
      run->count = end - run->offset;
    } else {
      run = &optim->runs[optim->nruns++];
      *run = this;
    }
  }
  for (int i = 0; i < optim->nruns; i++) optim->elements += optim->runs[i].count;
}

/* A search has one direction, and one length of it, for all that is not frozen. */
static Status check_search(const OptimSegment *segments, int nsegments, Err *err) {
  for (int i = 0; i < nsegments; i++)
    if (!segments[i].frozen &&
        (segments[i].lr_scale != 1 || (segments[i].own_decay && segments[i].weight_decay != 0) ||
         segments[i].max_norm > 0 || segments[i].sparse))
      return err_set(err, NN_BAD_ARGUMENT,
                     "LBFGS: parameters have no learning rate, weight decay or max_norm of their "
                     "own, and are not sparse; freeze them, or take another optimizer");
  return NN_OK;
}

Status optim_set_segments(Optim *optim, const OptimSegment *segments, int nsegments, Err *err) {
  int64_t total = tensor_count(&optim->params);
  TRY(check_segments(segments, nsegments, total, err));
  if (optim_searches(optim->id)) TRY(check_search(segments, nsegments, err));
  int count = nsegments > 0 ? nsegments : 1;
  Arena arena = {0};
  OptimSegment *list = ARENA_ARRAY(&arena, OptimSegment, (size_t)count);
  Run *runs = ARENA_ARRAY(&arena, Run, (size_t)count);
  double *partials = ARENA_ARRAY(&arena, double, (size_t)(total / NORM_BLOCK) + (size_t)count);
  if (!list || !runs || !partials) {
    arena_free(&arena);
    return err_set(err, NN_NO_MEMORY, "no memory for an optimiser of %d segments", count);
  }
  list[0] = (OptimSegment){.count = total, .lr_scale = 1, .decay = true};
  if (nsegments > 0) memcpy(list, segments, (size_t)nsegments * sizeof *segments);
  arena_free(&optim->arena);
  optim->arena = arena;
  optim->segments = list;
  optim->nsegments = count;
  optim->runs = runs;
  optim->partials = partials;
  optim->nruns = 0;
  optim->elements = 0;
  optim->limited = false;
  merge_segments(optim, total);
  for (int i = 0; i < count; i++)
    if (list[i].frozen)
      memset(element_at(optim, &optim->grads, list[i].offset), 0,
             (size_t)list[i].count * optim->element);
  return NN_OK;
}

static Status make_states(Optim *optim, Err *err) {
  const OptimInfo *info = optim_info(optim->id);
  for (int i = 0; info->state[i].name; i++) {
    const char *needs = info->state[i].needs;
    if (*needs && optim_hyper_value(optim->id, optim->hyper, needs) == 0) continue;
    TRY(tensor_new(&optim->state[i], optim->params.dtype, &optim->params.shape, err));
  }
  if (!optim_searches(optim->id)) return NN_OK;
  return lbfgs_new(&optim->lbfgs, optim->hyper, optim->tools, optim->element,
                   tensor_count(&optim->params), err);
}

static Status check_vectors(const Tensor *params, const Tensor *grads, Err *err) {
  char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];
  if (params->dtype == DTYPE_I64 || params->dtype != grads->dtype)
    return err_set(err, NN_DTYPE, "parameters are %s and gradients %s; both must be the same float",
                   dtype_name(params->dtype), dtype_name(grads->dtype));
  if (params->shape.ndim != 1 || !shape_equal(&params->shape, &grads->shape))
    return err_set(err, NN_SHAPE, "parameters %s and gradients %s must be vectors of one length",
                   shape_text(&params->shape, a), shape_text(&grads->shape, b));
  return NN_OK;
}

Status optim_new(Optim **out, OptimId id, Isa isa, const double *hyper,
                 const OptimSegment *segments, int nsegments, const Tensor *params,
                 const Tensor *grads, Err *err) {
  *out = NULL;
  TRY(optim_hyper_check(id, hyper, err));
  TRY(check_vectors(params, grads, err));
  Optim *optim = calloc(1, sizeof *optim);
  if (!optim) return err_set(err, NN_NO_MEMORY, "no memory for an optimiser");
  optim->id = id;
  optim->tools = optim_tools(params->dtype, isa);
  optim->update = optim->tools->update[id];
  optim->element = dtype_size(params->dtype);
  optim->params = tensor_share(params);
  optim->grads = tensor_share(grads);
  for (int i = 0; optim_info(id)->hyper[i].name; i++) optim->hyper[i] = hyper[i];
  optim->momentum = optim_hyper_find(id, "momentum");
  if (optim->momentum < 0) optim->momentum = optim_hyper_find(id, "beta1");
  Status status = optim_set_segments(optim, segments, nsegments, err);
  if (status == NN_OK) status = make_states(optim, err);
  if (status != NN_OK) {
    optim_free(optim);
    return status;
  }
  *out = optim;
  return NN_OK;
}

void optim_free(Optim *optim) {
  if (!optim) return;
  tensor_release(&optim->params);
  tensor_release(&optim->grads);
  tensor_release(&optim->average.mean);
  for (int i = 0; i < OPTIM_MAX_STATES; i++) tensor_release(&optim->state[i]);
  lbfgs_free(optim->lbfgs);
  arena_free(&optim->arena);
  free(optim);
}

/* ---- a step ---- */

/* What the parts of a pass share. */
typedef struct Pass {
  Optim *optim;
  double lr, momentum, scale, limit;
  double share; /* of the parameters in the running mean */
  double bad[POOL_MAX_THREADS];
} Pass;

static int parts_for(const Optim *optim, Pool *pool) {
  int64_t worth = optim->elements / ELEMENTS_PER_PART;
  int threads = pool_threads(pool);
  if (worth < threads) threads = (int)worth;
  return threads > 1 ? threads : 1;
}

/* The share of part `part` in a run: [*begin, *end) within the flat vector, in whole vectors. */
static void share_of(const Run *run, int part, int parts, int64_t *begin, int64_t *end) {
  int64_t units = (run->count + OPTIM_ALIGN - 1) / OPTIM_ALIGN;
  int64_t first = units * part / parts * OPTIM_ALIGN;
  int64_t last = units * (part + 1) / parts * OPTIM_ALIGN;
  *begin = run->offset + first;
  *end = run->offset + (last < run->count ? last : run->count);
}

static double update_range(const Pass *pass, const Run *run, int64_t begin, int64_t end) {
  Optim *optim = pass->optim;
  OptimStep step = {.lr = pass->lr * run->lr_scale, .decay = run->weight_decay, .t = optim->steps};
  memcpy(step.hyper, optim->hyper, sizeof step.hyper);
  if (pass->momentum > 0 && optim->momentum >= 0) step.hyper[optim->momentum] = pass->momentum;
  void *state[OPTIM_MAX_STATES];
  for (int i = 0; i < OPTIM_MAX_STATES; i++)
    state[i] = optim->state[i].data ? element_at(optim, &optim->state[i], begin) : NULL;
  void *w = element_at(optim, &optim->params, begin), *g = element_at(optim, &optim->grads, begin);
  if (run->l1 != 0) optim->tools->penalise(g, w, run->l1, end - begin);
  return optim->update(w, g, state, &step, end - begin);
}

/* The rows of a part that have a gradient, side by side ones together. */
static double update_rows(const Pass *pass, const Run *run, int part, int parts) {
  const Optim *optim = pass->optim;
  int64_t length = run->count / run->rows, last = run->rows * (part + 1) / parts;
  double bad = 0;
  for (int64_t row = run->rows * part / parts; row < last;) {
    int64_t begin = row;
    for (; row < last; row++) {
      const void *g = element_at(optim, &optim->grads, run->offset + row * length);
      if (optim->tools->sum_squares(g, length) == 0) break;
    }
    if (row > begin)
      bad += update_range(pass, run, run->offset + begin * length, run->offset + row * length);
    row++; /* has none */
  }
  return bad;
}

static void update_part(void *context, int part, int parts) {
  Pass *pass = context;
  pass->bad[part] = 0;
  for (int i = 0; i < pass->optim->nruns; i++) {
    int64_t begin, end;
    if (pass->optim->runs[i].rows) {
      pass->bad[part] += update_rows(pass, &pass->optim->runs[i], part, parts);
      continue;
    }
    share_of(&pass->optim->runs[i], part, parts, &begin, &end);
    if (begin < end) pass->bad[part] += update_range(pass, &pass->optim->runs[i], begin, end);
  }
}

static void clip_part(void *context, int part, int parts) {
  Pass *pass = context;
  Optim *optim = pass->optim;
  for (int i = 0; i < optim->nruns; i++) {
    int64_t begin, end;
    share_of(&optim->runs[i], part, parts, &begin, &end);
    optim->tools->clip(element_at(optim, &optim->grads, begin), pass->scale, pass->limit,
                       end - begin);
  }
}

/* Blocks of NORM_BLOCK elements are counted through the runs; each part sums every parts-th. */
static void norm_part(void *context, int part, int parts) {
  Optim *optim = ((Pass *)context)->optim;
  int64_t block = 0;
  for (int i = 0; i < optim->nruns; i++) {
    const Run *run = &optim->runs[i];
    for (int64_t done = 0; done < run->count; done += NORM_BLOCK, block++) {
      if (block % parts != part) continue;
      int64_t count = run->count - done < NORM_BLOCK ? run->count - done : NORM_BLOCK;
      optim->partials[block] =
          optim->tools->sum_squares(element_at(optim, &optim->grads, run->offset + done), count);
    }
  }
}

double optim_grad_norm(Optim *optim, Pool *pool) {
  Pass pass = {.optim = optim};
  pool_run(pool, norm_part, &pass, parts_for(optim, pool));
  int64_t blocks = 0;
  for (int i = 0; i < optim->nruns; i++)
    blocks += (optim->runs[i].count + NORM_BLOCK - 1) / NORM_BLOCK;
  double sum = 0;
  for (int64_t i = 0; i < blocks; i++) sum += optim->partials[i];
  return sqrt(sum);
}

static void limit_part(void *context, int part, int parts) {
  const Optim *optim = ((Pass *)context)->optim;
  for (int i = 0; i < optim->nsegments; i++) {
    const OptimSegment *s = &optim->segments[i];
    if (s->frozen || s->max_norm == 0 || s->count == 0) continue;
    int64_t first = s->rows * part / parts, last = s->rows * (part + 1) / parts;
    int64_t length = s->count / s->rows;
    optim->tools->limit_rows(element_at(optim, &optim->params, s->offset + first * length),
                             last - first, length, s->max_norm);
  }
}

static void average_part(void *context, int part, int parts) {
  const Pass *pass = context;
  Optim *optim = pass->optim;
  const Run all = {.count = tensor_count(&optim->params)};
  int64_t begin, end;
  share_of(&all, part, parts, &begin, &end);
  if (begin < end)
    optim->tools->mix(element_at(optim, &optim->average.mean, begin),
                      element_at(optim, &optim->params, begin), pass->share, end - begin);
}

void optim_average(Optim *optim, Pool *pool) {
  Average *average = &optim->average;
  double n = (double)average->count++, decay = average->decay;
  if (average->warm_up) decay = fmin(decay, (1 + n) / (10 + n));
  if (average->decay == 1) decay = n / (n + 1);
  if (n == 0) {
    memcpy(average->mean.data, optim->params.data, tensor_bytes(&optim->params));
    return;
  }
  Pass pass;
  pass.optim = optim;
  pass.share = 1 - decay;
  pool_run(pool, average_part, &pass, parts_for(optim, pool));
}

/* Scale and limit the gradients; false when they are not finite. */
static bool clip(Pass *pass, const OptimUpdate *update, int parts) {
  pass->scale = 1;
  if (update->clip_norm > 0) {
    double norm = optim_grad_norm(pass->optim, update->pool);
    if (!isfinite(norm)) return false;
    pass->scale = update->clip_norm / (norm + 1e-6); /* the 1e-6 is PyTorch's */
    if (pass->scale > 1) pass->scale = 1;
  }
  pass->limit = update->clip_value > 0 ? update->clip_value : INFINITY;
  if (pass->scale != 1 || update->clip_value > 0) pool_run(update->pool, clip_part, pass, parts);
  return true;
}

/* Every parameter by its row's update; false when a gradient is not finite. */
static bool update_all(Pass *pass, Pool *pool, int parts) {
  if (parts == 1) {
    update_part(pass, 0, 1);
    return pass->bad[0] == 0;
  }
  pool_run(pool, update_part, pass, parts);
  double bad = 0;
  for (int i = 0; i < parts; i++) bad += pass->bad[i];
  return bad == 0;
}

bool optim_step(Optim *optim, const OptimUpdate *update) {
  optim->steps++;
  Pass pass; /* not cleared: a step of a small model takes tens of nanoseconds */
  pass.optim = optim;
  pass.lr = update->lr;
  pass.momentum = update->momentum;
  int parts = parts_for(optim, update->pool);
  if (optim->lbfgs) {
    if (!lbfgs_step(optim->lbfgs, optim->params.data, optim->grads.data, update)) return false;
  } else {
    if ((update->clip_norm > 0 || update->clip_value > 0) && !clip(&pass, update, parts))
      return false;
    if (!update_all(&pass, update->pool, parts)) return false;
  }
  if (optim->limited) pool_run(update->pool, limit_part, &pass, parts);
  if (optim->average.mean.data && !optim->average.by_hand) optim_average(optim, update->pool);
  return true;
}

Status optim_set_average(Optim *optim, const Tensor *mean, double decay, bool warm_up, bool by_hand,
                         Err *err) {
  if (mean->dtype != optim->params.dtype || !shape_equal(&mean->shape, &optim->params.shape))
    return err_set(err, NN_SHAPE, "the running mean must be as the parameters");
  if (!(decay >= 0 && decay <= 1))
    return err_set(err, NN_BAD_ARGUMENT, "the decay of a running mean is 0 to 1, not %g", decay);
  Tensor shared = tensor_share(mean);
  tensor_release(&optim->average.mean);
  optim->average =
      (Average){.mean = shared, .decay = decay, .warm_up = warm_up, .by_hand = by_hand};
  return NN_OK;
}

int optim_find_bad(const Optim *optim) {
  const Tensor *vectors[] = {&optim->grads, &optim->params};
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < optim->nsegments; i++) {
      const OptimSegment *s = &optim->segments[i];
      if (s->frozen && k == 0) continue;
      if (optim->tools->finite(element_at(optim, vectors[k], s->offset), s->count) != 0) return i;
    }
  return -1;
}

/* ---- what it remembers ---- */

int64_t optim_steps(const Optim *optim) { return optim->steps; }

bool optim_visit(Optim *optim, OptimVisitor *visit, void *context) {
  visit(context, &optim->steps, sizeof optim->steps);
  visit(context, &optim->average.count, sizeof optim->average.count);
  for (int i = 0; i < OPTIM_MAX_STATES; i++)
    if (optim->state[i].data) visit(context, optim->state[i].data, tensor_bytes(&optim->state[i]));
  return !optim->lbfgs || lbfgs_visit(optim->lbfgs, visit, context);
}

void optim_reset(Optim *optim) {
  optim->steps = 0;
  optim->average.count = 0;
  if (optim->lbfgs) lbfgs_reset(optim->lbfgs);
  for (int i = 0; i < OPTIM_MAX_STATES; i++)
    if (optim->state[i].data) memset(optim->state[i].data, 0, tensor_bytes(&optim->state[i]));
}
