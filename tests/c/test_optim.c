/* Optimisers: PyTorch's trajectories, segments, clipping, threads, non-finite gradients. */
#include "test.h"

#include "base/pool.h"
#include "train/optim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 10, LINE_SIZE = 1024 };

/* Two float vectors and an optimiser over them. */
typedef struct Case {
  Tensor params, grads;
  Optim *optim;
} Case;

static void vectors_new(Case *c, DType dtype, int64_t count) {
  Shape shape = shape_make(1, &count);
  Err err = {0};
  assert_int_equal(tensor_new(&c->params, dtype, &shape, &err), NN_OK);
  assert_int_equal(tensor_new(&c->grads, dtype, &shape, &err), NN_OK);
}

static void case_free(Case *c) {
  optim_free(c->optim);
  tensor_release(&c->params);
  tensor_release(&c->grads);
}

/* "sgd lr=0.1 clip_norm=1" as id, hyper-parameters and the clips. */
typedef struct Recipe {
  OptimId id;
  double hyper[OPTIM_MAX_HYPERS];
  double clip_norm, clip_value;
} Recipe;

static Recipe recipe_read(const char *text) {
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
    if (strcmp(word, "clip_norm") == 0) {
      recipe.clip_norm = value;
    } else if (strcmp(word, "clip_value") == 0) {
      recipe.clip_value = value;
    } else {
      int index = optim_hyper_find(recipe.id, word);
      if (index < 0) fail_msg("%s: no hyper-parameter %s", text, word);
      recipe.hyper[index] = value;
    }
  }
  return recipe;
}

static Optim *optim_of(const Recipe *recipe, Isa isa, const OptimSegment *segments, int nsegments,
                       const Case *c) {
  Err err = {0};
  Optim *optim = NULL;
  if (optim_new(&optim, recipe->id, isa, recipe->hyper, segments, nsegments, &c->params, &c->grads,
                &err) != NN_OK)
    fail_msg("%s", err.message);
  return optim;
}

/* The golden problem; see make_optim.py. `at` maps element i to its place in the vectors. */
static void golden_gradient(Case *c, int step, const int *at) {
  bool single = c->params.dtype == DTYPE_F32;
  for (int i = 0; i < COUNT; i++) {
    double w = tensor_get(&c->params, at[i]);
    double centre = sin(2.0 * i), slope = 0.1 + 0.3 * i / COUNT, noise = sin(step + i);
    double g = (w - centre) * slope + 0.1 * noise;
    if (single) g = ((float)w - (float)centre) * (float)slope + 0.1F * (float)noise;
    tensor_set(&c->grads, at[i], g);
  }
}

/* Run a recipe and compare with the weights in `numbers` after `steps`. */
static void check_golden(DType dtype, int steps, const char *text, const char *numbers, Isa isa) {
  const OptimSegment segments[] = {{.offset = 0, .count = 3, .lr_scale = 1, .decay = true},
                                   {.offset = 16, .count = 7, .lr_scale = 1, .decay = true}};
  int at[COUNT];
  for (int i = 0; i < COUNT; i++) at[i] = i < 3 ? i : 13 + i;
  Recipe recipe = recipe_read(text);
  Case c = {0};
  vectors_new(&c, dtype, 32);
  for (int i = 0; i < COUNT; i++) tensor_set(&c.params, at[i], cos(i + 1.0));
  c.optim = optim_of(&recipe, isa, segments, 2, &c);
  double lr = recipe.hyper[optim_hyper_find(recipe.id, "lr")];
  for (int step = 1; step <= steps; step++) {
    golden_gradient(&c, step, at);
    assert_true(optim_step(c.optim, lr, recipe.clip_norm, recipe.clip_value, NULL));
  }
  double tolerance = dtype == DTYPE_F32 ? 1e-5 : 1e-12;
  for (int i = 0; i < COUNT; i++) {
    char *end;
    double expected = strtod(numbers, &end), actual = tensor_get(&c.params, at[i]);
    numbers = end + 1;
    if (!(fabs(actual - expected) <= tolerance * fmax(1, fabs(expected))))
      fail_msg("%s, %s, %s, step %d: weight %d is %.17g, expected %.17g", text, dtype_name(dtype),
               isa_name(isa), steps, i, actual, expected);
  }
  for (int i = 3; i < 16; i++) assert_true(tensor_get(&c.params, i) == 0);
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

static void every_row_is_complete(void **state) {
  (void)state;
  for (int id = 0; id < OPTIM_COUNT; id++) {
    const OptimInfo *info = optim_info((OptimId)id);
    double hyper[OPTIM_MAX_HYPERS];
    Err err = {0};
    optim_hyper_defaults((OptimId)id, hyper);
    assert_int_equal(optim_hyper_check((OptimId)id, hyper, &err), NN_OK);
    assert_int_equal(optim_hyper_find((OptimId)id, "lr"), 0);
    assert_true(optim_hyper_find((OptimId)id, "weight_decay") > 0);
    assert_true(optim_hyper_find((OptimId)id, "l1") > 0);
    assert_int_equal(optim_find(info->name), id);
    assert_int_equal(optim_find(info->title), id);
    for (int i = 0; info->hyper[i].name; i++) assert_true(strlen(info->hyper[i].help) > 0);
    for (int i = 0; info->state[i].name; i++)
      if (*info->state[i].needs)
        assert_true(optim_hyper_find((OptimId)id, info->state[i].needs) > 0);
  }
  assert_int_equal(optim_find("adm"), OPTIM_COUNT);
}

static void segments_scale_freeze_and_spare_from_decay(void **state) {
  (void)state;
  const OptimSegment segments[] = {{0, 16, 1, true, false},
                                   {16, 16, 1, false, false},
                                   {32, 16, 0.5, true, false},
                                   {48, 16, 1, true, true}};
  Recipe recipe = recipe_read("sgd weight_decay=0.5 l1=0.25");
  Case c = {0};
  vectors_new(&c, DTYPE_F64, 64);
  for (int i = 0; i < 64; i++) tensor_set(&c.params, i, 2), tensor_set(&c.grads, i, 1);
  c.optim = optim_of(&recipe, ISA_base, segments, 4, &c);
  assert_true(optim_step(c.optim, 0.125, 0, 0, NULL));
  const double expected[] = {2 - 0.125 * 2.25, 2 - 0.125, 2 - 0.0625 * 2.25, 2};
  for (int i = 0; i < 64; i++) assert_true(tensor_get(&c.params, i) == expected[i / 16]);
  case_free(&c);
}

static void a_frozen_segment_does_not_count_in_the_norm(void **state) {
  (void)state;
  const OptimSegment segments[] = {{0, 2, 1, true, false}, {16, 2, 1, true, true}};
  Recipe recipe = recipe_read("sgd");
  Case c = {0};
  vectors_new(&c, DTYPE_F32, 32);
  tensor_set(&c.grads, 0, 3), tensor_set(&c.grads, 1, 4), tensor_set(&c.grads, 16, 100);
  c.optim = optim_of(&recipe, ISA_base, segments, 2, &c);
  assert_true(optim_grad_norm(c.optim, NULL) == 5);
  case_free(&c);
}

static void clipping_leaves_small_gradients_alone(void **state) {
  (void)state;
  Recipe recipe = recipe_read("sgd");
  Case c = {0};
  vectors_new(&c, DTYPE_F64, 16);
  tensor_set(&c.grads, 0, 0.3), tensor_set(&c.grads, 5, -0.4);
  c.optim = optim_of(&recipe, ISA_base, NULL, 0, &c);
  assert_true(optim_step(c.optim, 1, 0.6, 0.5, NULL));
  assert_true(tensor_get(&c.params, 0) == -0.3 && tensor_get(&c.params, 5) == 0.4);
  case_free(&c);
}

static double sample(int64_t i) { return sin(0.37 * (double)i) * (1 + (double)(i % 97)); }

/* The parameters' bytes after three steps with a pool of `threads`. */
static void run_threads(const char *text, DType dtype, int threads, Case *c) {
  enum { N = 200003 };
  const OptimSegment segments[] = {{0, 70001, 1, true, false}, {70016, N - 70016, 2, false, false}};
  Recipe recipe = recipe_read(text);
  Pool *pool = NULL;
  Err err = {0};
  assert_int_equal(pool_new(&pool, threads, &err), NN_OK);
  vectors_new(c, dtype, N);
  for (int64_t i = 0; i < N; i++) tensor_set(&c->params, i, sample(i + 5));
  c->optim = optim_of(&recipe, isa_best(), segments, 2, c);
  for (int step = 0; step < 3; step++) {
    for (int64_t i = 0; i < N; i++) tensor_set(&c->grads, i, sample(i * (step + 2)));
    assert_true(optim_step(c->optim, 1e-2, 1, 0, pool));
  }
  pool_free(pool);
}

static void any_number_of_threads_gives_the_same_bits(void **state) {
  (void)state;
  const char *texts[] = {"adam weight_decay=0.1", "sgd momentum=0.9"};
  for (int k = 0; k < 2; k++)
    for (int dtype = DTYPE_F32; dtype <= DTYPE_F64; dtype++) {
      Case one = {0}, three = {0};
      run_threads(texts[k], (DType)dtype, 1, &one);
      run_threads(texts[k], (DType)dtype, 3, &three);
      assert_memory_equal(one.params.data, three.params.data, tensor_bytes(&one.params));
      case_free(&one);
      case_free(&three);
    }
}

static void a_gradient_that_is_not_finite_is_reported(void **state) {
  (void)state;
  const OptimSegment segments[] = {{0, 20, 1, true, false}, {32, 20, 1, true, false}};
  const double bad[] = {NAN, INFINITY, -INFINITY};
  const double norms[] = {0, 1};
  for (int id = 0; id < OPTIM_COUNT; id++)
    for (int k = 0; k < 6; k++) {
      Recipe recipe = recipe_read(optim_info((OptimId)id)->name);
      Case c = {0};
      vectors_new(&c, k % 2 ? DTYPE_F32 : DTYPE_F64, 64);
      c.optim = optim_of(&recipe, isa_best(), segments, 2, &c);
      assert_true(optim_step(c.optim, 0.1, norms[k / 3], 0, NULL));
      assert_int_equal(optim_find_bad(c.optim), -1);
      tensor_set(&c.grads, 51, bad[k % 3]);
      assert_false(optim_step(c.optim, 0.1, norms[k / 3], 0, NULL));
      assert_int_equal(optim_find_bad(c.optim), 1);
      case_free(&c);
    }
}

static void zero_gradients_change_nothing_even_with_a_tiny_epsilon(void **state) {
  (void)state;
  const char *texts[] = {"adagrad eps=1e-60", "rmsprop eps=1e-60", "adam eps=1e-60"};
  for (int k = 0; k < 3; k++) {
    Recipe recipe = recipe_read(texts[k]);
    Case c = {0};
    vectors_new(&c, DTYPE_F32, 16);
    tensor_set(&c.params, 3, 1.5);
    c.optim = optim_of(&recipe, isa_best(), NULL, 0, &c);
    assert_true(optim_step(c.optim, 0.1, 0, 0, NULL));
    for (int i = 0; i < 16; i++) assert_true(tensor_get(&c.params, i) == (i == 3 ? 1.5 : 0));
    case_free(&c);
  }
}

static void training_continues_from_saved_states(void **state) {
  (void)state;
  const char *texts[] = {"sgd momentum=0.9 dampening=0.5", "rmsprop momentum=0.9 centered=1",
                         "adagrad lr_decay=0.1", "adamw"};
  for (int k = 0; k < 4; k++) {
    Recipe recipe = recipe_read(texts[k]);
    Case whole = {0}, half = {0};
    vectors_new(&whole, DTYPE_F64, 16);
    vectors_new(&half, DTYPE_F64, 16);
    for (int i = 0; i < 16; i++)
      tensor_set(&whole.grads, i, sample(i)), tensor_set(&half.grads, i, sample(i));
    whole.optim = optim_of(&recipe, ISA_base, NULL, 0, &whole);
    half.optim = optim_of(&recipe, ISA_base, NULL, 0, &half);
    for (int i = 0; i < 3; i++) optim_step(whole.optim, 0.1, 0, 0, NULL);
    memcpy(half.params.data, whole.params.data, tensor_bytes(&half.params));
    optim_set_steps(half.optim, optim_steps(whole.optim));
    const Tensor *from;
    for (int place = 0; (from = optim_state(whole.optim, place, NULL)) != NULL; place++)
      memcpy(optim_state(half.optim, place, NULL)->data, from->data, tensor_bytes(from));
    optim_step(whole.optim, 0.1, 0, 0, NULL);
    optim_step(half.optim, 0.1, 0, 0, NULL);
    assert_memory_equal(half.params.data, whole.params.data, tensor_bytes(&half.params));
    case_free(&whole);
    case_free(&half);
  }
}

static void states_exist_only_where_they_are_used(void **state) {
  (void)state;
  const struct {
    const char *text, *names[3];
  } rows[] = {{"sgd", {NULL}},
              {"sgd momentum=0.5", {"momentum_buffer"}},
              {"rmsprop momentum=0.5", {"square_avg", "momentum_buffer"}},
              {"adam", {"exp_avg", "exp_avg_sq"}}};
  for (int k = 0; k < 4; k++) {
    Recipe recipe = recipe_read(rows[k].text);
    Case c = {0};
    vectors_new(&c, DTYPE_F32, 16);
    c.optim = optim_of(&recipe, ISA_base, NULL, 0, &c);
    const char *name = NULL;
    int place = 0;
    for (; optim_state(c.optim, place, &name); place++)
      assert_string_equal(name, rows[k].names[place]);
    assert_null(place < 3 ? rows[k].names[place] : NULL);
    case_free(&c);
  }
}

static void reset_starts_over(void **state) {
  (void)state;
  Recipe recipe = recipe_read("adam");
  Case c = {0};
  vectors_new(&c, DTYPE_F64, 16);
  tensor_set(&c.grads, 0, 1);
  c.optim = optim_of(&recipe, ISA_base, NULL, 0, &c);
  optim_step(c.optim, 0.1, 0, 0, NULL);
  double first = tensor_get(&c.params, 0);
  optim_step(c.optim, 0.1, 0, 0, NULL);
  optim_reset(c.optim);
  assert_int_equal(optim_steps(c.optim), 0);
  tensor_set(&c.params, 0, 0);
  optim_step(c.optim, 0.1, 0, 0, NULL);
  assert_true(tensor_get(&c.params, 0) == first);
  case_free(&c);
}

static void expect_refusal(const char *text, const OptimSegment *segments, int nsegments,
                           Status status, const char *part) {
  Recipe recipe = recipe_read(text);
  Case c = {0};
  Err err = {0};
  vectors_new(&c, DTYPE_F32, 48);
  assert_int_equal(optim_new(&c.optim, recipe.id, ISA_base, recipe.hyper, segments, nsegments,
                             &c.params, &c.grads, &err),
                   status);
  assert_null(c.optim);
  if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
  case_free(&c);
}

static void refuses_what_makes_no_sense(void **state) {
  (void)state;
  expect_refusal("adam beta1=1", NULL, 0, NN_BAD_ARGUMENT, "Adam: beta1");
  expect_refusal("adam eps=0", NULL, 0, NN_BAD_ARGUMENT, "greater than 0");
  expect_refusal("sgd lr=-1", NULL, 0, NN_BAD_ARGUMENT, "lr must be 0 or more");
  expect_refusal("sgd lr=nan", NULL, 0, NN_BAD_ARGUMENT, "lr");
  expect_refusal("sgd nesterov=1", NULL, 0, NN_BAD_ARGUMENT, "nesterov needs a momentum");
  expect_refusal("sgd momentum=0.5 ema=1 dampening=0.5", NULL, 0, NN_BAD_ARGUMENT, "dampening");
  const OptimSegment crooked[] = {{8, 8, 1, true, false}};
  const OptimSegment overlap[] = {{0, 20, 1, true, false}, {16, 2, 1, true, false}};
  const OptimSegment beyond[] = {{32, 17, 1, true, false}};
  expect_refusal("sgd", crooked, 1, NN_BAD_ARGUMENT, "segment 0");
  expect_refusal("sgd", overlap, 2, NN_BAD_ARGUMENT, "segment 1");
  expect_refusal("sgd", beyond, 1, NN_BAD_ARGUMENT, "end by 48");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(follows_the_trajectories_of_pytorch),
      cmocka_unit_test(every_row_is_complete),
      cmocka_unit_test(segments_scale_freeze_and_spare_from_decay),
      cmocka_unit_test(a_frozen_segment_does_not_count_in_the_norm),
      cmocka_unit_test(clipping_leaves_small_gradients_alone),
      cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
      cmocka_unit_test(a_gradient_that_is_not_finite_is_reported),
      cmocka_unit_test(zero_gradients_change_nothing_even_with_a_tiny_epsilon),
      cmocka_unit_test(training_continues_from_saved_states),
      cmocka_unit_test(states_exist_only_where_they_are_used),
      cmocka_unit_test(reset_starts_over),
      cmocka_unit_test(refuses_what_makes_no_sense),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
