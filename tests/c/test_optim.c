/* Optimisers: segments, clipping, threads, non-finite gradients, saved states, searches along a
 * line, refusals. Their values are compared with PyTorch's in test_optim_golden.c. */
#include "optim_case.h"

#include "fail_alloc.h"

#include "base/pool.h"

#include <math.h>

#define SEGMENT(place, n, scale, decays, freezes)                                                  \
  { .offset = place, .count = n, .lr_scale = scale, .decay = decays, .frozen = freezes }

static bool take_step(Optim *optim, double lr, double clip_norm, double clip_value, Pool *pool) {
  const OptimUpdate update = {
      .lr = lr, .clip_norm = clip_norm, .clip_value = clip_value, .pool = pool};
  return optim_step(optim, &update);
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
    if (!optim_searches((OptimId)id)) {
      assert_true(optim_hyper_find((OptimId)id, "weight_decay") > 0);
      assert_true(optim_hyper_find((OptimId)id, "l1") > 0);
    }
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
  const OptimSegment segments[] = {SEGMENT(0, 16, 1, true, false), SEGMENT(16, 16, 1, false, false),
                                   SEGMENT(32, 16, 0.5, true, false),
                                   SEGMENT(48, 16, 1, true, true)};
  Case c = case_of("sgd weight_decay=0.5 l1=0.25", DTYPE_F64, 64, segments, 4);
  for (int i = 0; i < 64; i++) tensor_set(&c.params, i, 2), tensor_set(&c.grads, i, 1);
  assert_true(take_step(c.optim, 0.125, 0, 0, NULL));
  const double expected[] = {2 - 0.125 * 2.25, 2 - 0.125, 2 - 0.0625 * 2.25, 2};
  for (int i = 0; i < 64; i++) assert_true(tensor_get(&c.params, i) == expected[i / 16]);
  case_free(&c);
}

static void a_frozen_segment_does_not_count_in_the_norm(void **state) {
  (void)state;
  const OptimSegment segments[] = {SEGMENT(0, 2, 1, true, false), SEGMENT(16, 2, 1, true, true)};
  Case c = case_of("sgd", DTYPE_F32, 32, segments, 2);
  tensor_set(&c.grads, 0, 3), tensor_set(&c.grads, 1, 4), tensor_set(&c.grads, 16, 100);
  assert_true(optim_grad_norm(c.optim, NULL) == 5);
  case_free(&c);
}

static void clipping_leaves_small_gradients_alone(void **state) {
  (void)state;
  Case c = case_of("sgd", DTYPE_F64, 16, NULL, 0);
  tensor_set(&c.grads, 0, 0.3), tensor_set(&c.grads, 5, -0.4);
  assert_true(take_step(c.optim, 1, 0.6, 0.5, NULL));
  assert_true(tensor_get(&c.params, 0) == -0.3 && tensor_get(&c.params, 5) == 0.4);
  case_free(&c);
}

static double sample(int64_t i) { return sin(0.37 * (double)i) * (1 + (double)(i % 97)); }

/* The parameters' bytes after three steps with a pool of `threads`. */
static void run_threads(const char *text, DType dtype, int threads, Case *c) {
  enum { N = 200003 };
  Recipe recipe = recipe_read(text);
  const OptimSegment segments[] = {
      {.count = 69993, .lr_scale = 1, .decay = true, .rows = 7, .max_norm = recipe.max_norm},
      SEGMENT(70016, N - 70016, 2, false, false)};
  Pool *pool = NULL;
  Err err = {0};
  assert_int_equal(pool_new(&pool, threads, &err), NN_OK);
  vectors_new(c, dtype, N);
  for (int64_t i = 0; i < N; i++) tensor_set(&c->params, i, sample(i + 5));
  c->optim = optim_of(&recipe, isa_best(), segments, 2, c);
  Tensor mean = {0};
  if (recipe.mean > 0) {
    assert_int_equal(tensor_new(&mean, dtype, &c->params.shape, &err), NN_OK);
    assert_int_equal(optim_set_average(c->optim, &mean, recipe.mean, false, false, &err), NN_OK);
  }
  for (int step = 0; step < 3; step++) {
    for (int64_t i = 0; i < N; i++) tensor_set(&c->grads, i, sample(i * (step + 2)));
    assert_true(take_step(c->optim, 1e-2, 1, 0, pool));
  }
  if (mean.data) memcpy(c->params.data, mean.data, tensor_bytes(&mean));
  tensor_release(&mean);
  pool_free(pool);
}

static void any_number_of_threads_gives_the_same_bits(void **state) {
  (void)state;
  const char *texts[] = {"adam weight_decay=0.1", "sgd momentum=0.9", "lion max_norm=30",
                         "nadam mean=0.9"};
  for (int k = 0; k < 4; k++)
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
  const OptimSegment segments[] = {SEGMENT(0, 20, 1, true, false), SEGMENT(32, 20, 1, true, false)};
  const double bad[] = {NAN, INFINITY, -INFINITY};
  const double norms[] = {0, 1};
  for (int id = 0; id < OPTIM_COUNT; id++)
    for (int k = 0; k < 6; k++) {
      Case c =
          case_of(optim_info((OptimId)id)->name, k % 2 ? DTYPE_F32 : DTYPE_F64, 64, segments, 2);
      assert_true(take_step(c.optim, 0.1, norms[k / 3], 0, NULL));
      assert_int_equal(optim_find_bad(c.optim), -1);
      tensor_set(&c.grads, 51, bad[k % 3]);
      assert_false(take_step(c.optim, 0.1, norms[k / 3], 0, NULL));
      assert_int_equal(optim_find_bad(c.optim), 1);
      case_free(&c);
    }
}

static void zero_gradients_change_nothing_even_with_a_tiny_epsilon(void **state) {
  (void)state;
  const char *texts[] = {"adagrad eps=1e-60",
                         "rmsprop eps=1e-60",
                         "adam eps=1e-60",
                         "adamax eps=1e-60",
                         "adadelta eps=1e-60",
                         "nadam eps=1e-60",
                         "radam eps=1e-60",
                         "adam amsgrad=1 eps=1e-60",
                         "lion",
                         "rprop"};
  for (int k = 0; k < 10; k++) {
    Case c = case_of(texts[k], DTYPE_F32, 16, NULL, 0);
    tensor_set(&c.params, 3, 1.5);
    assert_true(take_step(c.optim, 0.1, 0, 0, NULL));
    for (int i = 0; i < 16; i++) assert_true(tensor_get(&c.params, i) == (i == 3 ? 1.5 : 0));
    case_free(&c);
  }
}

/* What optim_visit comes by, copied there and back. */
typedef struct Saved {
  unsigned char bytes[1024];
  size_t size;
  int pieces;
} Saved;

static void save_piece(void *context, void *piece, size_t bytes) {
  Saved *saved = context;
  assert_true(saved->size + bytes <= sizeof saved->bytes);
  memcpy(saved->bytes + saved->size, piece, bytes);
  saved->size += bytes;
  saved->pieces++;
}

static void restore_piece(void *context, void *piece, size_t bytes) {
  Saved *saved = context;
  memcpy(piece, saved->bytes + saved->size, bytes);
  saved->size += bytes;
}

static void training_continues_from_saved_states(void **state) {
  (void)state;
  const char *texts[] = {"sgd momentum=0.9 dampening=0.5",
                         "rmsprop momentum=0.9 centered=1",
                         "adagrad lr_decay=0.1",
                         "adamw amsgrad=1",
                         "nadam",
                         "rprop"};
  for (int k = 0; k < 6; k++) {
    Case whole = case_of(texts[k], DTYPE_F64, 16, NULL, 0);
    Case half = case_of(texts[k], DTYPE_F64, 16, NULL, 0);
    for (int i = 0; i < 16; i++)
      tensor_set(&whole.grads, i, sample(i)), tensor_set(&half.grads, i, sample(i));
    for (int i = 0; i < 3; i++) take_step(whole.optim, 0.1, 0, 0, NULL);
    memcpy(half.params.data, whole.params.data, tensor_bytes(&half.params));
    Saved saved = {.size = 0};
    assert_true(optim_visit(whole.optim, save_piece, &saved));
    saved.size = 0;
    assert_true(optim_visit(half.optim, restore_piece, &saved));
    take_step(whole.optim, 0.1, 0, 0, NULL);
    take_step(half.optim, 0.1, 0, 0, NULL);
    assert_memory_equal(half.params.data, whole.params.data, tensor_bytes(&half.params));
    case_free(&whole);
    case_free(&half);
  }
}

static void states_exist_only_where_they_are_used(void **state) {
  (void)state;
  const struct {
    const char *text;
    int states;
  } rows[] = {{"sgd", 0}, {"sgd momentum=0.5", 1}, {"rmsprop momentum=0.5", 2}, {"adam", 2}};
  for (int k = 0; k < 4; k++) {
    Case c = case_of(rows[k].text, DTYPE_F32, 16, NULL, 0);
    Saved saved = {.size = 0};
    assert_true(optim_visit(c.optim, save_piece, &saved));
    assert_int_equal(saved.pieces, 2 + rows[k].states); /* beside two counts */
    case_free(&c);
  }
}

/* Rows of 5 that do not begin where vectors do; every third has a gradient, then every fourth. */
static void rows_without_a_gradient_stay_when_sparse(void **state) {
  (void)state;
  enum { ROWS = 40000, LENGTH = 5 };
  Recipe recipe = recipe_read("adamw weight_decay=0.1");
  OptimSegment segment = SEGMENT(0, ROWS * LENGTH, 1, true, false);
  segment.rows = ROWS;
  segment.sparse = true;
  Case cases[2] = {0};
  Pool *pool;
  Err err = {0};
  assert_int_equal(pool_new(&pool, 3, &err), NN_OK);
  for (int k = 0; k < 2; k++) {
    Case *c = &cases[k];
    vectors_new(c, DTYPE_F32, ROWS * LENGTH);
    c->optim = optim_of(&recipe, isa_best(), &segment, 1, c);
    for (int64_t i = 0; i < ROWS * LENGTH; i++) tensor_set(&c->params, i, 1);
    for (int step = 0; step < 2; step++) {
      for (int64_t i = 0; i < ROWS * LENGTH; i++)
        tensor_set(&c->grads, i, i / LENGTH % (3 + step) == 0 && i % 2 ? 1 : 0);
      assert_true(take_step(c->optim, 0.1, 0, 0, k ? pool : NULL));
    }
    for (int64_t row = 0; row < ROWS; row++)
      assert_int_equal(tensor_get(&c->params, row * LENGTH) == 1, row % 3 != 0 && row % 4 != 0);
  }
  assert_memory_equal(cases[0].params.data, cases[1].params.data, ROWS * LENGTH * sizeof(float));
  case_free(&cases[0]);
  case_free(&cases[1]);
  pool_free(pool);
}

static void reset_starts_over(void **state) {
  (void)state;
  Case c = case_of("adam", DTYPE_F64, 16, NULL, 0);
  tensor_set(&c.grads, 0, 1);
  take_step(c.optim, 0.1, 0, 0, NULL);
  double first = tensor_get(&c.params, 0);
  take_step(c.optim, 0.1, 0, 0, NULL);
  optim_reset(c.optim);
  assert_int_equal(optim_steps(c.optim), 0);
  tensor_set(&c.params, 0, 0);
  take_step(c.optim, 0.1, 0, 0, NULL);
  assert_true(tensor_get(&c.params, 0) == first);
  case_free(&c);
}

/* Rosenbrock's valley in two dimensions: f = (1 - x)^2 + 100 (y - x^2)^2. */
static double valley(void *context) {
  Case *c = context;
  double x = tensor_get(&c->params, 0), y = tensor_get(&c->params, 1), d = y - x * x;
  tensor_set(&c->grads, 0, -2 * (1 - x) - 400 * x * d);
  tensor_set(&c->grads, 1, 200 * d);
  return (1 - x) * (1 - x) + 100 * d * d;
}

/* Where PyTorch's ends up after 20 iterations at most, and after 100. */
static void lbfgs_goes_down_a_curved_valley_as_pytorch_does(void **state) {
  (void)state;
  const char *texts[] = {"lbfgs", "lbfgs max_iter=100"};
  const double ends[][2] = {{0.38062264334648777, 0.12491013187293636},
                            {0.9999814210791366, 0.9999619651810989}};
  for (int k = 0; k < 2; k++) {
    Case c = case_of(texts[k], DTYPE_F64, 16, NULL, 0);
    tensor_set(&c.params, 0, -1.2), tensor_set(&c.params, 1, 1);
    const OptimUpdate update = {.lr = 1, .loss = valley(&c), .evaluate = valley, .context = &c};
    assert_true(optim_step(c.optim, &update));
    for (int i = 0; i < 2; i++) assert_true(fabs(tensor_get(&c.params, i) - ends[k][i]) < 1e-10);
    case_free(&c);
  }
}

/* f = -log(x) + x is not a number left of 0, where a first step of that length leads. */
static double cliff(void *context) {
  Case *c = context;
  double x = tensor_get(&c->params, 0);
  tensor_set(&c->grads, 0, 1 - 1 / x);
  return x - log(x);
}

static void the_line_search_turns_back_from_what_is_no_number(void **state) {
  (void)state;
  Case c = case_of("lbfgs", DTYPE_F64, 16, NULL, 0);
  tensor_set(&c.params, 0, 5);
  const OptimUpdate update = {.lr = 16, .loss = cliff(&c), .evaluate = cliff, .context = &c};
  assert_true(optim_step(c.optim, &update));
  assert_true(fabs(tensor_get(&c.params, 0) - 1) < 1e-6);
  case_free(&c);
}

static void other_segments_may_be_set_and_states_stay(void **state) {
  (void)state;
  OptimSegment segments[] = {SEGMENT(0, 16, 1, true, false), SEGMENT(16, 16, 1, true, false)};
  Case c = case_of("sgd momentum=0.5", DTYPE_F64, 32, segments, 2);
  Err err = {0};
  for (int i = 0; i < 32; i++) tensor_set(&c.grads, i, 1);
  assert_true(take_step(c.optim, 1, 0, 0, NULL)); /* velocity 1 */
  segments[1].frozen = true;
  assert_int_equal(optim_set_segments(c.optim, segments, 2, &err), NN_OK);
  assert_true(tensor_get(&c.grads, 16) == 0 && tensor_get(&c.grads, 15) == 1);
  assert_true(take_step(c.optim, 1, 0, 0, NULL));
  assert_true(tensor_get(&c.params, 0) == -2.5 && tensor_get(&c.params, 16) == -1);
  segments[1].frozen = false;
  assert_int_equal(optim_set_segments(c.optim, segments, 2, &err), NN_OK);
  assert_true(take_step(c.optim, 1, 0, 0, NULL));
  assert_true(tensor_get(&c.params, 16) == -1.5); /* velocity 1, halved; gradient cleared */
  segments[1].offset = 8;
  assert_int_equal(optim_set_segments(c.optim, segments, 2, &err), NN_BAD_ARGUMENT);
  assert_true(take_step(c.optim, 1, 0, 0, NULL)); /* the old ones are still there */
  case_free(&c);
}

static void running_out_of_memory_leaves_nothing_behind(void **state) {
  (void)state;
  const char *texts[] = {"rmsprop centered=1 momentum=0.5", "lbfgs history_size=3"};
  for (int k = 0; k < 2; k++) {
    Recipe recipe = recipe_read(texts[k]);
    Case c = {0};
    Err err = {0};
    Status status;
    vectors_new(&c, DTYPE_F32, 16);
    int failures = 0;
    do {
      fail_alloc_at(++failures);
      status = optim_new(&c.optim, recipe.id, ISA_base, recipe.hyper, NULL, 0, &c.params, &c.grads,
                         &err);
      assert_true(status == NN_OK || (status == NN_NO_MEMORY && !c.optim));
    } while (status != NN_OK);
    fail_alloc_off();
    assert_true(failures > 3);
    case_free(&c);
  }
}

/* Past steps are kept as far as memory goes. */
static void lbfgs_goes_on_with_less_memory(void **state) {
  (void)state;
  for (int fails_at = 1; fails_at <= 4; fails_at++) {
    Case c = case_of("lbfgs", DTYPE_F64, 16, NULL, 0);
    tensor_set(&c.params, 0, -1.2), tensor_set(&c.params, 1, 1);
    double before = valley(&c);
    const OptimUpdate update = {.lr = 1, .loss = before, .evaluate = valley, .context = &c};
    fail_alloc_at(fails_at);
    assert_true(optim_step(c.optim, &update));
    fail_alloc_off();
    assert_true(valley(&c) < before / 2);
    case_free(&c);
  }
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
  const OptimSegment crooked[] = {SEGMENT(8, 8, 1, true, false)};
  const OptimSegment overlap[] = {SEGMENT(0, 20, 1, true, false), SEGMENT(16, 2, 1, true, false)};
  const OptimSegment beyond[] = {SEGMENT(32, 17, 1, true, false)};
  expect_refusal("sgd", crooked, 1, NN_BAD_ARGUMENT, "segment 0");
  expect_refusal("sgd", overlap, 2, NN_BAD_ARGUMENT, "segment 1");
  expect_refusal("sgd", beyond, 1, NN_BAD_ARGUMENT, "end by 48");
  expect_refusal("rprop eta2=1", NULL, 0, NN_BAD_ARGUMENT, "eta2 must be greater than 1");
  expect_refusal("rprop step_size1=2 step_size2=1", NULL, 0, NN_BAD_ARGUMENT, "step_sizes");
  expect_refusal("lbfgs max_iter=1.5", NULL, 0, NN_BAD_ARGUMENT, "a whole number");
  const OptimSegment uneven[] = {{.count = 7, .lr_scale = 1, .rows = 2, .max_norm = 1}};
  const OptimSegment slow[] = {{.count = 7, .lr_scale = 0.5}};
  expect_refusal("sgd", uneven, 1, NN_BAD_ARGUMENT, "rows that divide its 7");
  expect_refusal("lbfgs", slow, 1, NN_BAD_ARGUMENT, "of their own");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_row_is_complete),
      cmocka_unit_test(lbfgs_goes_down_a_curved_valley_as_pytorch_does),
      cmocka_unit_test(the_line_search_turns_back_from_what_is_no_number),
      cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
      cmocka_unit_test(lbfgs_goes_on_with_less_memory),
      cmocka_unit_test(other_segments_may_be_set_and_states_stay),
      cmocka_unit_test(segments_scale_freeze_and_spare_from_decay),
      cmocka_unit_test(a_frozen_segment_does_not_count_in_the_norm),
      cmocka_unit_test(clipping_leaves_small_gradients_alone),
      cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
      cmocka_unit_test(a_gradient_that_is_not_finite_is_reported),
      cmocka_unit_test(zero_gradients_change_nothing_even_with_a_tiny_epsilon),
      cmocka_unit_test(training_continues_from_saved_states),
      cmocka_unit_test(states_exist_only_where_they_are_used),
      cmocka_unit_test(rows_without_a_gradient_stay_when_sparse),
      cmocka_unit_test(reset_starts_over),
      cmocka_unit_test(refuses_what_makes_no_sense),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
