/* The table of optimisers as OptimInfo: looking rows up, checking hyper-parameters. */
#include "train/optim.h"

#include <math.h>
#include <string.h>

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

bool optim_searches(OptimId id) {
  static const bool search[OPTIM_COUNT] = {
#define OPTIM(...)
#define OPTIM_SEARCH(name, ...) [OPTIM_##name] = true,
#include "train/optims.def"
  };
  return search[id];
}

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

double optim_hyper_value(OptimId id, const double *hyper, const char *name) {
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
  case OPTIM_GROWTH: return value > 1;
  case OPTIM_WHOLE: return value >= 1 && value == floor(value);
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
  if (optim_hyper_value(id, hyper, "step_size1") > optim_hyper_value(id, hyper, "step_size2"))
    return err_set(err, NN_BAD_ARGUMENT, "%s: the first of step_sizes must not be the larger one",
                   info->title);
  if (optim_hyper_value(id, hyper, "eta1") == 0 && optim_hyper_find(id, "eta1") >= 0)
    return err_set(err, NN_BAD_ARGUMENT, "%s: the first of etas must be greater than 0",
                   info->title);
  double momentum = optim_hyper_value(id, hyper, "momentum");
  double dampening = optim_hyper_value(id, hyper, "dampening");
  if (optim_hyper_value(id, hyper, "nesterov") != 0 && (momentum == 0 || dampening != 0))
    return err_set(
        err, NN_BAD_ARGUMENT,
        "%s: nesterov needs a momentum greater than 0 and dampening 0; they are %g and %g",
        info->title, momentum, dampening);
  if (optim_hyper_value(id, hyper, "ema") != 0 && dampening != 0)
    return err_set(err, NN_BAD_ARGUMENT,
                   "%s: ema sets the gradient's share itself; leave out dampening", info->title);
  return NN_OK;
}
