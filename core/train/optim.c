/* The optimiser: rows made into OptimInfo, segments merged into runs, one pass per step. */
#include "train/optim.h"

#include "base/arena.h"
#include "base/kernel.h"

#include <stdlib.h>
#include <string.h>

enum {
  NORM_BLOCK = 8192,        /* elements summed at once; fixed, so that threads do not matter */
  ELEMENTS_PER_PART = 32768 /* about 10 us of work; waking a thread costs about 3 */
};

#define HYPER(hyper_name, kind, value, words) {#hyper_name, OPTIM_##kind, value, words},
#define STATE(state_name, needs) {#state_name, needs},
#define OPTIM(optim_name, optim_title, words, states, ...)                                         \
  [OPTIM_##optim_name] = {.name = #optim_name,                                                     \
                          .title = optim_title,                                                    \
                          .help = words,                                                           \
                          .hyper = {__VA_ARGS__},                                                  \
                          .state = {states}},
static const OptimInfo INFOS[OPTIM_COUNT] = {
#include "train/optims.def"
};

const OptimInfo *optim_info(OptimId id) { return &INFOS[id]; }

OptimId optim_find(const char *name) {
  for (int id = 0; id < OPTIM_COUNT; id++)
    if (strcmp(INFOS[id].name, name) == 0 || strcmp(INFOS[id].title, name) == 0) return (OptimId)id;
  return OPTIM_COUNT;
}

int optim_hyper_find(OptimId id, const char *name) {
  for (int i = 0; INFOS[id].hyper[i].name; i++)
    if (strcmp(INFOS[id].hyper[i].name, name) == 0) return i;
  return -1;
}

/* A hyper-parameter's value by name; 0 when the row has none of that name. */
static double hyper_value(OptimId id, const double *hyper, const char *name) {
  int index = optim_hyper_find(id, name);
  return index < 0 ? 0 : hyper[index];
}

void optim_hyper_defaults(OptimId id, double hyper[OPTIM_MAX_HYPERS]) {
  memset(hyper, 0, OPTIM_MAX_HYPERS * sizeof *hyper);
  for (int i = 0; INFOS[id].hyper[i].name; i++) hyper[i] = INFOS[id].hyper[i].fallback;
}

static bool in_domain(OptimDomain domain, double value) {
  if (!isfinite(value)) return false;
  switch (domain) {
  case OPTIM_AMOUNT: return value >= 0;
  case OPTIM_POSITIVE: return value > 0;
  case OPTIM_FRACTION: return value >= 0 && value < 1;
  case OPTIM_FLAG: return value == 0 || value == 1;
  }
  return false;
}

Status optim_hyper_check(OptimId id, const double *hyper, Err *err) {
  static const char *const words[] = {
#define X(name, text) [OPTIM_##name] = (text),
      OPTIM_DOMAINS(X)
#undef X
  };
  const OptimInfo *info = &INFOS[id];
  for (int i = 0; info->hyper[i].name; i++)
    if (!in_domain(info->hyper[i].domain, hyper[i]))
      return err_set(err, NN_BAD_ARGUMENT, "%s: %s must be %s, got %g", info->title,
                     info->hyper[i].name, words[info->hyper[i].domain], hyper[i]);
  double momentum = hyper_value(id, hyper, "momentum");
  double dampening = hyper_value(id, hyper, "dampening");
  if (hyper_value(id, hyper, "nesterov") != 0 && (momentum == 0 || dampening != 0))
    return err_set(
        err, NN_BAD_ARGUMENT,
        "%s: nesterov needs a momentum greater than 0 and dampening 0; they are %g and %g",
        info->title, momentum, dampening);
  if (hyper_value(id, hyper, "ema") != 0 && dampening != 0)
    return err_set(err, NN_BAD_ARGUMENT,
                   "%s: ema sets the gradient's share itself; leave out dampening", info->title);
  return NN_OK;
}

/* ---- construction ---- */

/* Neighbouring segments that are treated alike, padding included. */
typedef struct Run {
  int64_t offset, count;
  double lr_scale;
  bool decay;
} Run;

struct Optim {
  OptimId id;
  OptimKernel update;
  const OptimTools *tools;
  size_t element; /* bytes */
  Tensor params, grads, state[OPTIM_MAX_STATES];
  int64_t steps;
  double hyper[OPTIM_MAX_HYPERS];
  double weight_decay, l1;
  Run *runs;
  int nruns;
  int64_t elements; /* in all runs together */
  OptimSegment *segments;
  int nsegments;
  double *partials; /* sums of squares of the norm's blocks */
  Arena arena;      /* of the three lists */
};

#define X(name, type, isa) extern const OptimTools name##_##type##_##isa;
KERNEL_COPIES(X, optim_tools)
#undef X

static const OptimTools *tools_of(DType dtype, Isa isa) {
  static const OptimTools *const tables[ISA_COUNT][2] = {
#define X(isa, words) [ISA_##isa] = {&optim_tools_f32_##isa, &optim_tools_f64_##isa},
      ISA_LIST(X)
#undef X
  };
  return tables[isa][dtype == DTYPE_F64];
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
    end = s->offset + s->count;
  }
  return NN_OK;
}

static void merge_segments(Optim *optim, int64_t total) {
  bool decays = optim->weight_decay != 0 || optim->l1 != 0;
  Run *run = NULL;
  for (int i = 0; i < optim->nsegments; i++) {
    const OptimSegment *s = &optim->segments[i];
    if (s->frozen || s->count == 0) continue;
    int64_t end = (s->offset + s->count + OPTIM_ALIGN - 1) / OPTIM_ALIGN * OPTIM_ALIGN;
    if (end > total) end = total;
    bool decay = s->decay && decays;
    if (run && run->offset + run->count == s->offset && run->lr_scale == s->lr_scale &&
        run->decay == decay) {
      run->count = end - run->offset;
    } else {
      run = &optim->runs[optim->nruns++];
      *run = (Run){s->offset, end - s->offset, s->lr_scale, decay};
    }
  }
  for (int i = 0; i < optim->nruns; i++) optim->elements += optim->runs[i].count;
}

static Status allocate(Optim *optim, const OptimSegment *segments, int nsegments, Err *err) {
  int64_t total = tensor_count(&optim->params);
  int count = nsegments > 0 ? nsegments : 1;
  optim->segments = ARENA_ARRAY(&optim->arena, OptimSegment, (size_t)count);
  optim->runs = ARENA_ARRAY(&optim->arena, Run, (size_t)count);
  optim->partials =
      ARENA_ARRAY(&optim->arena, double, (size_t)(total / NORM_BLOCK) + (size_t)count);
  if (!optim->segments || !optim->runs || !optim->partials)
    return err_set(err, NN_NO_MEMORY, "no memory for an optimiser of %d segments", count);
  optim->nsegments = count;
  optim->segments[0] = (OptimSegment){.count = total, .lr_scale = 1, .decay = true};
  if (nsegments > 0) memcpy(optim->segments, segments, (size_t)nsegments * sizeof *segments);
  merge_segments(optim, total);
  const OptimInfo *info = &INFOS[optim->id];
  for (int i = 0; info->state[i].name; i++) {
    const char *needs = info->state[i].needs;
    if (*needs && hyper_value(optim->id, optim->hyper, needs) == 0) continue;
    TRY(tensor_new(&optim->state[i], optim->params.dtype, &optim->params.shape, err));
  }
  return NN_OK;
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
  TRY(check_segments(segments, nsegments, tensor_count(params), err));
  Optim *optim = calloc(1, sizeof *optim);
  if (!optim) return err_set(err, NN_NO_MEMORY, "no memory for an optimiser");
  optim->id = id;
  optim->tools = tools_of(params->dtype, isa);
  optim->update = optim->tools->update[id];
  optim->element = dtype_size(params->dtype);
  optim->params = tensor_share(params);
  optim->grads = tensor_share(grads);
  for (int i = 0; INFOS[id].hyper[i].name; i++) optim->hyper[i] = hyper[i];
  optim->weight_decay = hyper_value(id, hyper, "weight_decay");
  optim->l1 = hyper_value(id, hyper, "l1");
  Status status = allocate(optim, segments, nsegments, err);
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
  for (int i = 0; i < OPTIM_MAX_STATES; i++) tensor_release(&optim->state[i]);
  arena_free(&optim->arena);
  free(optim);
}

/* ---- a step ---- */

/* What the parts of a pass share. */
typedef struct Pass {
  Optim *optim;
  double lr, scale, limit;
  double bad[POOL_MAX_THREADS];
} Pass;

static void *element_at(const Optim *optim, const Tensor *tensor, int64_t index) {
  return (char *)tensor->data + (size_t)index * optim->element;
}

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

static double update_range(Optim *optim, const Run *run, double lr, int64_t begin, int64_t end) {
  OptimStep step = {
      .lr = lr * run->lr_scale, .decay = run->decay ? optim->weight_decay : 0, .t = optim->steps};
  memcpy(step.hyper, optim->hyper, sizeof step.hyper);
  void *state[OPTIM_MAX_STATES];
  for (int i = 0; i < OPTIM_MAX_STATES; i++)
    state[i] = optim->state[i].data ? element_at(optim, &optim->state[i], begin) : NULL;
  void *w = element_at(optim, &optim->params, begin), *g = element_at(optim, &optim->grads, begin);
  if (optim->l1 != 0 && run->decay) optim->tools->penalise(g, w, optim->l1, end - begin);
  return optim->update(w, g, state, &step, end - begin);
}

static void update_part(void *context, int part, int parts) {
  Pass *pass = context;
  pass->bad[part] = 0;
  for (int i = 0; i < pass->optim->nruns; i++) {
    int64_t begin, end;
    share_of(&pass->optim->runs[i], part, parts, &begin, &end);
    if (begin < end)
      pass->bad[part] += update_range(pass->optim, &pass->optim->runs[i], pass->lr, begin, end);
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

bool optim_step(Optim *optim, double lr, double clip_norm, double clip_value, Pool *pool) {
  optim->steps++;
  Pass pass; /* not cleared: a step of a small model takes tens of nanoseconds */
  pass.optim = optim;
  pass.lr = lr;
  int parts = parts_for(optim, pool);
  if (clip_norm > 0 || clip_value > 0) {
    pass.scale = 1;
    if (clip_norm > 0) {
      double norm = optim_grad_norm(optim, pool);
      if (!isfinite(norm)) return false;
      pass.scale = clip_norm / (norm + 1e-6); /* the 1e-6 is PyTorch's */
      if (pass.scale > 1) pass.scale = 1;
    }
    pass.limit = clip_value > 0 ? clip_value : INFINITY;
    if (pass.scale != 1 || clip_value > 0) pool_run(pool, clip_part, &pass, parts);
  }
  if (parts == 1) {
    update_part(&pass, 0, 1);
    return pass.bad[0] == 0;
  }
  pool_run(pool, update_part, &pass, parts);
  double bad = 0;
  for (int i = 0; i < parts; i++) bad += pass.bad[i];
  return bad == 0;
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

OptimId optim_id(const Optim *optim) { return optim->id; }

int64_t optim_steps(const Optim *optim) { return optim->steps; }

void optim_set_steps(Optim *optim, int64_t steps) { optim->steps = steps; }

const Tensor *optim_state(const Optim *optim, int place, const char **name) {
  for (int i = 0; i < OPTIM_MAX_STATES; i++) {
    if (!optim->state[i].data || place-- > 0) continue;
    if (name) *name = INFOS[optim->id].state[i].name;
    return &optim->state[i];
  }
  return NULL;
}

void optim_reset(Optim *optim) {
  optim->steps = 0;
  for (int i = 0; i < OPTIM_MAX_STATES; i++)
    if (optim->state[i].data) memset(optim->state[i].data, 0, tensor_bytes(&optim->state[i]));
}
