/* An optimiser over two vectors, parameters and gradients, made from a line such as
 * "sgd lr=0.1 momentum=0.9". */
#ifndef NNRUN_TESTS_OPTIM_CASE_H
#define NNRUN_TESTS_OPTIM_CASE_H

#include "test.h"

#include "train/optim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 1024 };

typedef struct Case {
  Tensor params, grads;
  Optim *optim;
} Case;

static inline void vectors_new(Case *c, DType dtype, int64_t count) {
  Shape shape = shape_make(1, &count);
  Err err = {0};
  assert_int_equal(tensor_new(&c->params, dtype, &shape, &err), NN_OK);
  assert_int_equal(tensor_new(&c->grads, dtype, &shape, &err), NN_OK);
}

static inline void case_free(Case *c) {
  optim_free(c->optim);
  tensor_release(&c->params);
  tensor_release(&c->grads);
}

/* "sgd lr=0.1 clip_norm=1" as id, hyper-parameters and what make_optim.py knows besides. */
typedef struct Recipe {
  OptimId id;
  double hyper[OPTIM_MAX_HYPERS];
  double clip_norm, clip_value, groups, max_norm, mean, warm_up, cycle, quartic, fixed;
} Recipe;

static inline double *recipe_extra(Recipe *recipe, const char *name) {
  const struct {
    const char *name;
    double *value;
  } extras[] = {{"clip_norm", &recipe->clip_norm}, {"clip_value", &recipe->clip_value},
                {"groups", &recipe->groups},       {"max_norm", &recipe->max_norm},
                {"mean", &recipe->mean},           {"warm_up", &recipe->warm_up},
                {"cycle", &recipe->cycle},         {"quartic", &recipe->quartic},
                {"fixed", &recipe->fixed}};
  for (size_t i = 0; i < sizeof extras / sizeof *extras; i++)
    if (strcmp(extras[i].name, name) == 0) return extras[i].value;
  return NULL;
}

static inline Recipe recipe_read(const char *text) {
  Recipe recipe = {0};
  char copy[LINE_SIZE], *rest = NULL;
  snprintf(copy, sizeof copy, "%s", text);
  recipe.id = optim_find(strtok_r(copy, " ", &rest));
  assert_true(recipe.id < OPTIM_COUNT);
  optim_hyper_defaults(recipe.id, recipe.hyper);
  for (char *word; (word = strtok_r(NULL, " ", &rest)) != NULL;) {
    char *equals = strchr(word, '=');
    *equals = '\0';
    double value = strtod(equals + 1, NULL);
    double *extra = recipe_extra(&recipe, word);
    int index = extra ? -1 : optim_hyper_find(recipe.id, word);
    if (!extra && index < 0) fail_msg("%s: no hyper-parameter %s", text, word);
    *(extra ? extra : &recipe.hyper[index]) = value;
  }
  return recipe;
}

static inline Optim *optim_of(const Recipe *recipe, Isa isa, const OptimSegment *segments,
                              int nsegments, const Case *c) {
  Err err = {0};
  Optim *optim = NULL;
  if (optim_new(&optim, recipe->id, isa, recipe->hyper, segments, nsegments, &c->params, &c->grads,
                &err) != NN_OK)
    fail_msg("%s", err.message);
  return optim;
}

/* Of the best kernels there are, over `count` zeros. */
static inline Case case_of(const char *text, DType dtype, int64_t count,
                           const OptimSegment *segments, int nsegments) {
  const Recipe recipe = recipe_read(text);
  Case c = {0};
  vectors_new(&c, dtype, count);
  c.optim = optim_of(&recipe, isa_best(), segments, nsegments, &c);
  return c;
}

#endif
