/* Attention beyond its values (op_cases.def has those): memory, threads, blocks of the batch,
 * extremes.
 */
#include "test.h"

#include "base/rng.h"
#include "graph/plan.h"

#include <math.h>

enum { BATCH = 3, HEADS = 2, SIZE = 5 };

static void must(Status status, const Err *err) {
  if (status != NN_OK) fail_msg("%s", err->message);
}

typedef struct Net {
  Graph *graph;
  Tensor x, weight;
  Ref input, scaled, out, loss, grad;
} Net;

/* x (BATCH, length, 3 * HEADS * SIZE) -> times a weight -> attention -> mean of squares */
static Net net_new(DType dtype, int64_t length, bool causal, double dropout, double spread) {
  Net net = {0};
  Err err;
  const int64_t dims[3] = {BATCH, length, 3 * HEADS * SIZE};
  Shape shape = shape_make(3, dims), columns = shape_make(1, dims + 2);
  Attrs attrs;
  Ref mul[2], square;
  must(tensor_new(&net.x, dtype, &shape, &err), &err);
  must(tensor_new(&net.weight, dtype, &columns, &err), &err);
  Rng rng = rng_make(5, RNG_USER, 1);
  for (int64_t i = 0; i < tensor_count(&net.x); i++)
    tensor_set(&net.x, i, spread * rng_normal(&rng, (uint64_t)i));
  for (int64_t i = 0; i < tensor_count(&net.weight); i++) tensor_set(&net.weight, i, 1);
  must(graph_new(&net.graph, &err), &err);
  must(graph_input(net.graph, &mul[0], dtype, &shape, true, "x", &err), &err);
  must(graph_param(net.graph, &mul[1], &net.weight, "w", &err), &err);
  net.input = mul[0];
  must(graph_op(net.graph, &net.scaled, OP_mul, mul, 2, NULL, &err), &err);
  op_attr_defaults(OP_attention, &attrs);
  attrs.at[0].number = HEADS;
  attrs.at[1].number = causal;
  attrs.at[3].number = dropout;
  must(graph_op(net.graph, &net.out, OP_attention, &net.scaled, 1, &attrs, &err), &err);
  must(graph_op(net.graph, &square, OP_square, &net.out, 1, NULL, &err), &err);
  must(graph_op(net.graph, &net.loss, OP_mean, &square, 1, NULL, &err), &err);
  must(graph_gradient(net.graph, net.loss, &mul[1], 1, &net.grad, &err), &err);
  return net;
}

static void net_free(Net *net) {
  graph_free(net->graph);
  tensor_release(&net->x);
  tensor_release(&net->weight);
}

static Plan *plan_of(const Net *net, Ref wanted, const PlanOptions *options) {
  Err err;
  Plan *plan;
  must(plan_new(&plan, net->graph, &(PlanOutput){.ref = wanted}, 1, options, &err), &err);
  plan_bind(plan, net->input, net->x.data);
  return plan;
}

static size_t bytes_of(int64_t length, bool training) {
  Net net = net_new(DTYPE_F32, length, false, 0, 1);
  PlanOptions options = {.isa = isa_best(), .off = PLAN_NO_BLOCKS};
  Plan *plan = plan_of(&net, training ? net.grad : net.loss, &options);
  size_t bytes = plan_info(plan).bytes;
  plan_free(plan);
  net_free(&net);
  return bytes;
}

static void memory_grows_with_the_length_not_its_square(void **state) {
  (void)state;
  for (int training = 0; training < 2; training++) {
    size_t small = bytes_of(128, training), large = bytes_of(1024, training);
    size_t values = BATCH * 1024 * HEADS * SIZE * sizeof(float);
    if (large > 9 * small) fail_msg("%zu bytes for 128 positions, %zu for 1024", small, large);
    /* x scaled, the result and its square; in training their gradients and the statistics */
    assert_true(large < (training ? 12 : 6) * values);
  }
}

/* The gradient with the given options, as doubles. */
static void gradient_of(const Net *net, const PlanOptions *options, double *to) {
  Plan *plan = plan_of(net, net->grad, options);
  plan_run(plan, &(OpRun){.seed = 3, .step = 9});
  Tensor tensor = net->weight;
  tensor.data = (void *)plan_output(plan, 0);
  for (int i = 0; i < 3 * HEADS * SIZE; i++) to[i] = tensor_get(&tensor, i);
  plan_free(plan);
}

static void threads_and_blocks_agree(void **state) {
  (void)state;
  enum { COUNT = 3 * HEADS * SIZE };
  Err err;
  Pool *pool;
  must(pool_new(&pool, 3, &err), &err);
  for (int dropout = 0; dropout < 2; dropout++) {
    Net net = net_new(DTYPE_F64, 140, true, dropout ? 0.25 : 0, 1);
    double plain[COUNT], other[COUNT];
    gradient_of(&net, &(PlanOptions){.isa = isa_best(), .off = PLAN_NO_BLOCKS}, plain);
    gradient_of(&net, &(PlanOptions){.isa = isa_best(), .off = PLAN_NO_BLOCKS, .pool = pool},
                other);
    for (int i = 0; i < COUNT; i++) assert_true(fabs(plain[i] - other[i]) < 1e-12);
    gradient_of(&net, &(PlanOptions){.isa = isa_best(), .block_rows = 1}, other);
    for (int i = 0; i < COUNT; i++) assert_true(fabs(plain[i] - other[i]) < 1e-12);
    gradient_of(&net, &(PlanOptions){.isa = ISA_base}, other);
    for (int i = 0; i < COUNT; i++) assert_true(fabs(plain[i] - other[i]) < 1e-10);
    net_free(&net);
  }
  pool_free(pool);
}

static void scores_of_ten_thousands_stay_finite(void **state) {
  (void)state;
  double grad[3 * HEADS * SIZE];
  for (int causal = 0; causal < 2; causal++) {
    Net net = net_new(DTYPE_F32, 70, causal, 0, 100);
    gradient_of(&net, &(PlanOptions){.isa = isa_best()}, grad);
    for (int i = 0; i < 3 * HEADS * SIZE; i++) assert_true(isfinite(grad[i]));
    net_free(&net);
  }
}

/* With all values 1 a row of the result is the sum of its weights: dropout keeps the mean. */
static void dropout_of_the_weights_keeps_their_sum_on_average(void **state) {
  (void)state;
  Net net = net_new(DTYPE_F64, 96, false, 0.5, 1);
  for (int64_t i = 0; i < tensor_count(&net.x); i++)
    tensor_set(&net.x, i, i % (3 * HEADS * SIZE) >= 2 * HEADS * SIZE ? 1 : 0);
  Plan *plan = plan_of(&net, net.out, &(PlanOptions){.isa = isa_best()});
  double means[2];
  for (uint64_t step = 0; step < 2; step++) {
    plan_run(plan, &(OpRun){.seed = 3, .step = step});
    const double *out = plan_output(plan, 0);
    means[step] = 0;
    for (int i = 0; i < BATCH * 96 * HEADS; i++)
      means[step] += out[i * SIZE] / (BATCH * 96 * HEADS);
    /* 96 weights of 2/96 or 0: a row's sum has deviation 0.1, the mean of 576 rows 0.0043 */
    assert_true(fabs(means[step] - 1) < 0.02);
  }
  assert_true(means[0] != means[1]);
  plan_free(plan);
  net_free(&net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_grows_with_the_length_not_its_square),
      cmocka_unit_test(threads_and_blocks_agree),
      cmocka_unit_test(scores_of_ten_thousands_stay_finite),
      cmocka_unit_test(dropout_of_the_weights_keeps_their_sum_on_average),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
