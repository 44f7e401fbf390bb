/* Optimisers beside PyTorch's: the weights after some steps on a small problem, for every
 * optimiser, element type and instruction set. */
#include "optim_case.h"

#include <math.h>

enum { COUNT = 10, ROOM = 64 };

/* The golden problem; see make_optim.py. Element i stands at PLACE[i] of the vectors. */
static const int PLACE[COUNT] = {0, 1, 2, 16, 17, 32, 33, 34, 35, 48};

typedef struct Problem {
  Case *c;
  double quartic;
  int step;
} Problem;

/* Fills the gradients, and returns the loss. */
static double golden_evaluate(void *context) {
  const Problem *problem = context;
  Case *c = problem->c;
  bool single = c->params.dtype == DTYPE_F32;
  double q = problem->quartic, loss = 0;
  for (int i = 0; i < COUNT; i++) {
    double w = tensor_get(&c->params, PLACE[i]), noise = 0.1 * sin(problem->step + i);
    double centre = sin(2.0 * i), slope = 0.1 + 0.3 * i / COUNT, d = w - centre;
    double g = d * slope + noise + q * d * d * d;
    if (single) {
      float e = (float)w - (float)centre;
      g = e * (float)slope + (float)noise + (float)q * e * e * e;
    }
    tensor_set(&c->grads, PLACE[i], g);
    loss += d * d * slope / 2 + noise * w + q * d * d * d * d / 4;
  }
  return loss;
}

static Optim *golden_optim(const Recipe *recipe, Isa isa, const Case *c) {
  OptimSegment segments[] = {{.count = 3},
                             {.offset = 16, .count = 2},
                             {.offset = 32, .count = 4},
                             {.offset = 48, .count = 1}};
  for (int i = 0; i < 4; i++) segments[i].lr_scale = segments[i].decay = true;
  segments[1].rows = 1, segments[2].rows = 2;
  segments[1].max_norm = segments[2].max_norm = recipe->max_norm;
  if (recipe->groups != 0) {
    segments[0].lr_scale = 1.0 / 5;
    segments[0].own_decay = true;
    segments[0].weight_decay = 10 * optim_hyper_value(recipe->id, recipe->hyper, "weight_decay");
    segments[1].frozen = true;
  }
  return optim_of(recipe, isa, segments, 4, c);
}

/* Run a recipe and compare with the weights in `numbers` after `steps`. */
static void check_golden(DType dtype, int steps, const char *text, const char *numbers, Isa isa) {
  Recipe recipe = recipe_read(text);
  Case c = {0};
  Tensor mean = {0};
  Err err = {0};
  vectors_new(&c, dtype, ROOM);
  for (int i = 0; i < COUNT; i++) tensor_set(&c.params, PLACE[i], cos(i + 1.0));
  c.optim = golden_optim(&recipe, isa, &c);
  if (recipe.mean > 0) {
    assert_int_equal(tensor_new(&mean, dtype, &c.params.shape, &err), NN_OK);
    assert_int_equal(
        optim_set_average(c.optim, &mean, recipe.mean, recipe.warm_up != 0, false, &err), NN_OK);
  }
  OptimUpdate update = {.lr = optim_hyper_value(recipe.id, recipe.hyper, "lr"),
                        .clip_norm = recipe.clip_norm,
                        .clip_value = recipe.clip_value,
                        .evaluate = golden_evaluate};
  for (int step = 1; step <= steps; step++) {
    Problem problem = {&c, recipe.quartic, recipe.fixed != 0 ? 1 : step};
    update.context = &problem;
    update.loss = golden_evaluate(&problem);
    if (recipe.groups != 0)
      for (int i = 3; i < 5; i++) tensor_set(&c.grads, PLACE[i], 0);
    if (recipe.cycle != 0) update.momentum = 0.85 + 0.1 * cos(step);
    assert_true(optim_step(c.optim, &update));
  }
  double tolerance = dtype == DTYPE_F32 ? 1e-5 : 1e-12;
  const Tensor *reached = recipe.mean > 0 ? &mean : &c.params;
  for (int i = 0; i < COUNT; i++) {
    char *end;
    double expected = strtod(numbers, &end), actual = tensor_get(reached, PLACE[i]);
    numbers = end + 1;
    if (!(fabs(actual - expected) <= tolerance * fmax(1, fabs(expected))))
      fail_msg("%s, %s, %s, step %d: weight %d is %.17g, expected %.17g", text, dtype_name(dtype),
               isa_name(isa), steps, i, actual, expected);
  }
  for (int i = 0, k = 0; i < ROOM; i++)
    if (k < COUNT && PLACE[k] == i)
      k++;
    else
      assert_true(tensor_get(&c.params, i) == 0);
  tensor_release(&mean);
  case_free(&c);
}

static void follows_the_trajectories_of_pytorch(void **state) {
  (void)state;
  FILE *file = fopen("tests/golden/optim.csv", "r");
  assert_non_null(file);
  bool seen[OPTIM_COUNT] = {false};
  char line[LINE_SIZE];
  while (fgets(line, sizeof line, file)) {
    char *rest = NULL, *type = strtok_r(line, ",", &rest), *step = strtok_r(NULL, ",", &rest);
    char *text = strtok_r(NULL, ",", &rest);
    DType dtype = strcmp(type, "float32") == 0 ? DTYPE_F32 : DTYPE_F64;
    for (int isa = 0; isa <= (int)isa_best(); isa++)
      check_golden(dtype, atoi(step), text, rest, (Isa)isa);
    seen[recipe_read(text).id] = true;
  }
  fclose(file);
  for (int id = 0; id < OPTIM_COUNT; id++)
    if (!seen[id]) fail_msg("%s has no golden trajectory", optim_info((OptimId)id)->name);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(follows_the_trajectories_of_pytorch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
