/* Random graphs give the same values and gradients whichever optimisations of the plan are on, in
 * blocks of any size, and on several threads; and the gradients agree with differences.
 *
 * Each seed makes a graph (random_graph.h), wants some of its values (some twice, some at a place
 * of the caller's), and runs it under many options. A failure names the seed; NNRUN_SEED=n runs
 * that one alone. */
#include "random_graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEEDS = 6000 };
enum {
  ALL_OFF = PLAN_NO_FOLD | PLAN_NO_FUSION | PLAN_NO_IN_PLACE | PLAN_NO_REUSE | PLAN_NO_BLOCKS
};
static const OpRun RUN = {.seed = 11, .step = 4};

typedef struct Results {
  double *at[MAX_OUTPUTS];
} Results;

static void results_free(const Case *c, Results *results) {
  for (int i = 0; i < c->output_count; i++) free(results->at[i]);
}

static double element(DType dtype, const void *data, int64_t i) {
  return dtype == DTYPE_I64 ? (double)((const int64_t *)data)[i] : ((const double *)data)[i];
}

/* Nothing is written behind the end of a place that was given. */
static void check_untouched(const Case *c, int output, const char *end) {
  char text[160];
  Ref ref = c->outputs[output].ref;
  for (int i = 0; i < TENSOR_PAD; i++)
    if (end[i] != 'x')
      fail_msg("seed %llu: output %d, %s (node %d), is written beyond its end",
               (unsigned long long)c->seed, output,
               graph_node_text(c->graph, ref, text, sizeof text), ref);
}

/* All outputs under some options; those with a bit in `placed` go to memory of ours. */
static int64_t run_case(const Case *c, const PlanOptions *options, unsigned placed,
                        Results *results) {
  Err err;
  PlanOutput outputs[MAX_OUTPUTS];
  Plan *plan;
  for (int i = 0; i < c->output_count; i++) {
    size_t bytes = (size_t)shape_count(shape_of(c, c->outputs[i].ref)) * sizeof(double);
    outputs[i] = c->outputs[i];
    if (!(placed & 1u << i)) continue;
    outputs[i].dest = malloc(bytes + TENSOR_PAD);
    memset((char *)outputs[i].dest + bytes, 'x', TENSOR_PAD);
  }
  must(c, plan_new(&plan, c->graph, outputs, c->output_count, options, &err), &err);
  Tensor wrong[MAX_INPUTS];
  for (int i = 0; i < c->inputs; i++) { /* first on other rows, from elsewhere */
    must(c, tensor_new(&wrong[i], c->input[i].dtype, &c->input[i].shape, &err), &err);
    plan_bind(plan, c->input_ref[i], wrong[i].data);
  }
  plan_run(plan, &(OpRun){0});
  for (int i = 0; i < c->inputs; i++) {
    plan_bind(plan, c->input_ref[i], c->input[i].data);
    tensor_release(&wrong[i]);
  }
  plan_run(plan, &RUN);
  for (int i = 0; i < c->output_count; i++) {
    const Node *node = graph_node(c->graph, outputs[i].ref);
    int64_t count = shape_count(&node->shape);
    results->at[i] = malloc(((size_t)count + 1) * sizeof(double));
    for (int64_t k = 0; k < count; k++)
      results->at[i][k] = element(node->dtype, plan_output(plan, i), k);
    if (outputs[i].dest) check_untouched(c, i, (const char *)outputs[i].dest + count * 8);
  }
  int64_t block_rows = plan_info(plan).block_rows;
  plan_free(plan);
  for (int i = 0; i < c->output_count; i++) free(outputs[i].dest);
  return block_rows;
}

static void compare(const Case *c, const PlanOptions *options, const Results *plain,
                    const Results *other) {
  char text[160];
  for (int i = 0; i < c->output_count; i++) {
    Ref ref = c->outputs[i].ref;
    int64_t count = shape_count(shape_of(c, ref));
    for (int64_t k = 0; k < count; k++) {
      double a = plain->at[i][k], b = other->at[i][k];
      bool same = isfinite(a) ? fabs(a - b) <= 1e-8 * fmax(1, fabs(a)) : isnan(a) == isnan(b);
      if (!same)
        fail_msg("seed %llu: output %d, %s (node %d), element %lld: %.17g, but with off %u, blocks "
                 "of %lld, %d threads %.17g",
                 (unsigned long long)c->seed, i, graph_node_text(c->graph, ref, text, sizeof text),
                 ref, (long long)k, a, options->off, (long long)options->block_rows,
                 pool_threads(options->pool), b);
    }
  }
}

/* Move the parameters by `h` along a random direction; the slope the gradients promise there. */
static double move_params(Case *c, const Results *plain, double h) {
  double slope = 0;
  uint64_t drawn = 2000000;
  for (int i = 0; i < c->params; i++)
    for (int64_t k = 0; k < tensor_count(&c->param[i]); k++) {
      double d = rng_normal(&c->rng, drawn++);
      ((double *)c->param[i].data)[k] += h * d;
      if (c->grad_of[i] >= 0) slope += d * plain->at[c->grad_of[i]][k];
    }
  return slope;
}

/* The gradients give the slope of the loss. Some graphs are very curved: then in small steps,
 * or not to be measured at all. */
static void check_slope(Case *c, const Results *plain) {
  static const double steps[] = {1e-6, 1e-8, 1e-9};
  const PlanOptions options = {.isa = isa_best(), .off = ALL_OFF};
  double slope = 0, measured = 0;
  for (int i = 0; i < 3; i++) {
    Results above, below;
    slope = move_params(c, plain, steps[i]);
    run_case(c, &options, 0, &above);
    move_params(c, plain, -2 * steps[i]);
    run_case(c, &options, 0, &below);
    move_params(c, plain, steps[i]);
    measured = (above.at[0][0] - below.at[0][0]) / (2 * steps[i]);
    results_free(c, &above);
    results_free(c, &below);
    if (fabs(slope) > 1000 || fabs(measured - slope) <= 1e-4 * fmax(1, fabs(slope))) return;
  }
  fail_msg("seed %llu: the gradients say %.9g, differences %.9g", (unsigned long long)c->seed,
           slope, measured);
}

static int check_seed(uint64_t seed, Pool *pool) {
  Case c;
  Results plain, other;
  int blocked = 0;
  case_make(&c, seed);
  PlanOptions options = {.isa = isa_best(), .off = ALL_OFF};
  run_case(&c, &options, 0, &plain);
  const PlanOptions variants[] = {
      {.off = 0},
      {.off = (unsigned)pick(&c, ALL_OFF + 1)},
      {.block_rows = 1},
      {.block_rows = 1 + pick(&c, 16), .off = (unsigned)pick(&c, PLAN_NO_BLOCKS)},
      {.block_rows = 1 + pick(&c, c.batch), .pool = pool},
      {.pool = pool},
  };
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
    if (c.batch > 64 && variants[i].block_rows == 1) continue; /* slow, and seen with few rows */
    options = variants[i];
    options.isa = i == 1 ? ISA_base : isa_best();
    blocked += run_case(&c, &options, (unsigned)pick(&c, 1 << 16), &other) > 0;
    compare(&c, &options, &plain, &other);
    results_free(&c, &other);
  }
  if (c.batch <= 64 && isfinite(plain.at[0][0])) check_slope(&c, &plain);
  results_free(&c, &plain);
  case_free(&c);
  return blocked;
}

static void random_graphs_agree_under_all_options(void **state) {
  (void)state;
  Err err;
  Pool *pool;
  const char *only = getenv("NNRUN_SEED");
  assert_int_equal(pool_new(&pool, 3, &err), NN_OK);
  int blocked = 0;
  for (uint64_t seed = 0; seed < SEEDS; seed++)
    if (!only || seed == strtoull(only, NULL, 10)) blocked += check_seed(seed, pool);
  if (!only) assert_true(blocked > SEEDS / 4); /* or the test does not see blocks */
  pool_free(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_graphs_agree_under_all_options)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
