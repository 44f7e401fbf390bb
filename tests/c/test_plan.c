/* A plan gives the values and gradients of its graph, whichever of its optimisations are on. */
#include "graph/gradcheck.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 37, IN = 5, HIDDEN = 7, OUT = 3, PARAMS = 4 };

typedef struct Net {
  Graph *graph;
  Tensor param[PARAMS], x, labels;
  Ref ref[PARAMS], input, target, loss, grads[PARAMS], logits;
} Net;

static void check(Status status, const Err *err) {
  if (status != NN_OK) fail_msg("%s", err->message);
}

static Tensor random_tensor(DType dtype, int ndim, int64_t d0, int64_t d1, uint64_t stream) {
  Err err;
  Tensor tensor;
  Shape shape = {.ndim = ndim, .dims = {d0, d1}};
  check(tensor_new(&tensor, dtype, &shape, &err), &err);
  Rng rng = rng_make(1, RNG_USER, stream);
  for (int64_t i = 0; i < tensor_count(&tensor); i++)
    tensor_set(&tensor, i, rng_normal(&rng, (uint64_t)i));
  return tensor;
}

static Ref op2(Net *net, OpId op, Ref a, Ref b, bool trans_b) {
  Err err;
  Ref out, in[2] = {a, b};
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  if (op == OP_matmul) attrs.at[1].number = trans_b;
  check(graph_op(net->graph, &out, op, in, b == REF_NONE ? 1 : 2, &attrs, &err), &err);
  return out;
}

/* x -> linear -> activation -> linear -> softmax cross-entropy, plus a weight penalty */
static void net_make(Net *net, DType dtype, OpId activation, bool gradient) {
  Err err;
  check(graph_new(&net->graph, &err), &err);
  net->param[0] = random_tensor(dtype, 2, HIDDEN, IN, 1);
  net->param[1] = random_tensor(dtype, 1, HIDDEN, 0, 2);
  net->param[2] = random_tensor(dtype, 2, OUT, HIDDEN, 3);
  net->param[3] = random_tensor(dtype, 1, OUT, 0, 4);
  net->x = random_tensor(dtype, 2, ROWS, IN, 5);
  net->labels = random_tensor(DTYPE_I64, 1, ROWS, 0, 6);
  for (int i = 0; i < ROWS; i++) tensor_set(&net->labels, i, i % OUT);
  check(graph_input(net->graph, &net->input, dtype, &net->x.shape, true, "x", &err), &err);
  check(graph_input(net->graph, &net->target, DTYPE_I64, &net->labels.shape, true, "y", &err),
        &err);
  for (int i = 0; i < PARAMS; i++)
    check(graph_param(net->graph, &net->ref[i], &net->param[i], "w", &err), &err);
  Ref h = op2(net, OP_add, op2(net, OP_matmul, net->input, net->ref[0], true), net->ref[1], false);
  h = op2(net, activation, h, REF_NONE, false);
  net->logits = op2(net, OP_add, op2(net, OP_matmul, h, net->ref[2], true), net->ref[3], false);
  Ref rows = op2(net, OP_softmax_cross_entropy, net->logits, net->target, false);
  Ref penalty =
      op2(net, OP_sum, op2(net, OP_square, net->ref[2], REF_NONE, false), REF_NONE, false);
  Ref scale;
  check(graph_constant(net->graph, &scale, dtype, 0.01, &err), &err);
  net->loss = op2(net, OP_add, op2(net, OP_mean, rows, REF_NONE, false),
                  op2(net, OP_mul, penalty, scale, false), false);
  if (gradient)
    check(graph_gradient(net->graph, net->loss, net->ref, PARAMS, net->grads, &err), &err);
}

static void net_free(Net *net) {
  graph_free(net->graph);
  for (int i = 0; i < PARAMS; i++) tensor_release(&net->param[i]);
  tensor_release(&net->x);
  tensor_release(&net->labels);
}

/* Loss and all gradients of a plan with these options, as doubles behind one another. */
static int run_net(Net *net, PlanOptions options, double *values, PlanInfo *info) {
  Err err;
  PlanOutput outputs[PARAMS + 1] = {{.ref = net->loss}};
  for (int i = 0; i < PARAMS; i++) outputs[i + 1].ref = net->grads[i];
  Plan *plan;
  check(plan_new(&plan, net->graph, outputs, PARAMS + 1, &options, &err), &err);
  plan_bind(plan, net->input, net->x.data);
  plan_bind(plan, net->target, net->labels.data);
  OpRun run = {0};
  plan_run(plan, &run);
  plan_run(plan, &run); /* running twice changes nothing */
  int count = 0;
  for (int k = 0; k <= PARAMS; k++) {
    const Node *node = graph_node(net->graph, outputs[k].ref);
    for (int64_t i = 0; i < shape_count(&node->shape); i++)
      values[count++] = node->dtype == DTYPE_F32 ? (double)((const float *)plan_output(plan, k))[i]
                                                 : ((const double *)plan_output(plan, k))[i];
  }
  if (info) *info = plan_info(plan);
  plan_free(plan);
  return count;
}

static void assert_close(const double *a, const double *b, int count, double tolerance) {
  for (int i = 0; i < count; i++)
    if (fabs(a[i] - b[i]) > tolerance * fmax(1, fabs(a[i])))
      fail_msg("element %d: %.17g against %.17g", i, a[i], b[i]);
}

enum { VALUES = 1 + HIDDEN * IN + HIDDEN + OUT * HIDDEN + OUT };
static const OpId activations[] = {OP_relu, OP_tanh, OP_sigmoid, OP_gelu, OP_silu, OP_elu};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };
static const unsigned ALL_OFF =
    PLAN_NO_FOLD | PLAN_NO_FUSION | PLAN_NO_IN_PLACE | PLAN_NO_REUSE | PLAN_NO_BLOCKS;

static void every_switch_gives_the_same_result(void **state) {
  (void)state;
  static const unsigned switches[] = {
      0, PLAN_NO_FOLD, PLAN_NO_FUSION, PLAN_NO_IN_PLACE, PLAN_NO_REUSE, PLAN_NO_BLOCKS};
  for (int a = 0; a < ACTIVATIONS; a++)
    for (int dtype = DTYPE_F32; dtype <= DTYPE_F64; dtype++) {
      double plain[VALUES], other[VALUES], tolerance = dtype == DTYPE_F32 ? 2e-6 : 1e-13;
      Net net;
      net_make(&net, (DType)dtype, activations[a], true);
      PlanOptions options = {.isa = isa_best(), .off = ALL_OFF};
      assert_int_equal(run_net(&net, options, plain, NULL), VALUES);
      for (size_t s = 0; s < sizeof switches / sizeof *switches; s++) {
        options.off = switches[s];
        run_net(&net, options, other, NULL);
        assert_close(plain, other, VALUES, tolerance);
        options.off = ALL_OFF & ~switches[s];
        run_net(&net, options, other, NULL);
        assert_close(plain, other, VALUES, tolerance);
      }
      net_free(&net);
    }
}

static void blocks_of_any_size_give_the_same_result(void **state) {
  (void)state;
  Net net;
  net_make(&net, DTYPE_F64, OP_tanh, true);
  double plain[VALUES], blocked[VALUES];
  PlanOptions options = {.isa = isa_best(), .off = PLAN_NO_BLOCKS};
  run_net(&net, options, plain, NULL);
  options.off = 0;
  static const int64_t sizes[] = {1, 2, 5, 16, 36};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    PlanInfo info;
    options.block_rows = sizes[i];
    run_net(&net, options, blocked, &info);
    assert_int_equal(info.block_rows, sizes[i]);
    assert_close(plain, blocked, VALUES, 1e-13);
  }
  net_free(&net);
}

static void optimisations_do_take_place(void **state) {
  (void)state;
  Net net;
  net_make(&net, DTYPE_F32, OP_relu, true);
  double values[VALUES];
  PlanInfo on, off;
  run_net(&net, (PlanOptions){.isa = isa_best()}, values, &on);
  run_net(&net, (PlanOptions){.isa = isa_best(), .off = ALL_OFF}, values, &off);
  assert_int_equal(on.folded, 3); /* two biases and one activation */
  assert_int_equal(off.folded, 0);
  assert_true(on.programs < off.programs);
  assert_true(on.calls < off.calls);
  assert_true(on.bytes < off.bytes);
  net_free(&net);
}

static void threads_agree_with_one_thread(void **state) {
  (void)state;
  Err err;
  Pool *pool;
  check(pool_new(&pool, 3, &err), &err);
  Net net;
  net_make(&net, DTYPE_F64, OP_tanh, true);
  double one[VALUES], three[VALUES];
  run_net(&net, (PlanOptions){.isa = isa_best()}, one, NULL);
  run_net(&net, (PlanOptions){.isa = isa_best(), .pool = pool}, three, NULL);
  assert_close(one, three, VALUES, 1e-12);
  net_free(&net);
  pool_free(pool);
}

static void gradients_agree_with_differences(void **state) {
  (void)state;
  for (int a = 0; a < ACTIVATIONS; a++) {
    Err err;
    Net net;
    net_make(&net, DTYPE_F64, activations[a], false);
    GradCheckInput inputs[] = {{net.input, net.x.data}, {net.target, net.labels.data}};
    GradCheck worst;
    PlanOptions options = {.isa = isa_best()};
    check(gradcheck(&worst, net.graph, net.loss, net.ref, PARAMS, inputs, 2, 0, 0, &options, &err),
          &err);
    if (worst.error > 1e-8)
      fail_msg("%s: parameter %d element %lld: %g against %g", op_info(activations[a])->name,
               worst.param, (long long)worst.index, worst.analytic, worst.numeric);
    net_free(&net);
  }
}

static void outputs_go_where_they_are_asked(void **state) {
  (void)state;
  Err err;
  Net net;
  net_make(&net, DTYPE_F32, OP_relu, false);
  float rows[ROWS * OUT + TENSOR_PAD], blocked[ROWS * OUT + TENSOR_PAD];
  for (int64_t block = 0; block < 8; block += 7) {
    float *dest = block ? blocked : rows;
    PlanOptions options = {.isa = isa_best(), .block_rows = block};
    Plan *plan;
    check(plan_new(&plan, net.graph, &(PlanOutput){.ref = net.logits, .dest = dest}, 1, &options,
                   &err),
          &err);
    plan_bind(plan, net.input, net.x.data);
    plan_run(plan, &(OpRun){0});
    assert_ptr_equal(plan_output(plan, 0), dest);
    plan_free(plan);
  }
  for (int i = 0; i < ROWS * OUT; i++) assert_true(fabsf(rows[i] - blocked[i]) < 1e-5F);
  net_free(&net);
}

/* An optimiser takes the norm of all gradients in one pass over their vector, the gaps included. */
static void nothing_is_written_behind_an_output(void **state) {
  (void)state;
  Err err;
  Net net;
  float dest[16], infinities[TENSOR_PAD / sizeof(float) + HIDDEN];
  net_make(&net, DTYPE_F32, OP_relu, false);
  for (size_t i = 0; i < sizeof infinities / sizeof *infinities; i++) infinities[i] = INFINITY;
  Shape shape = {.ndim = 1, .dims = {HIDDEN}};
  Ref input;
  check(graph_input(net.graph, &input, DTYPE_F32, &shape, false, "x", &err), &err);
  Ref product = op2(&net, OP_mul, input, net.ref[1], false);
  for (unsigned off = 0; off <= PLAN_NO_FUSION; off += PLAN_NO_FUSION) {
    PlanOptions options = {.isa = isa_best(), .off = off};
    Plan *plan;
    memset(dest, 0, sizeof dest);
    check(
        plan_new(&plan, net.graph, &(PlanOutput){.ref = product, .dest = dest}, 1, &options, &err),
        &err);
    plan_bind(plan, input, infinities);
    plan_run(plan, &(OpRun){0});
    assert_true(isinf(dest[HIDDEN - 1]));
    for (int i = HIDDEN; i < 16; i++) assert_true(dest[i] == 0);
    plan_free(plan);
  }
  net_free(&net);
}

static void the_first_nonfinite_value_is_found(void **state) {
  (void)state;
  Err err;
  Net net;
  net_make(&net, DTYPE_F32, OP_relu, false);
  tensor_set(&net.param[2], 0, INFINITY);
  PlanOptions options = {.isa = isa_best()};
  Plan *plan;
  check(plan_new(&plan, net.graph, &(PlanOutput){.ref = net.loss}, 1, &options, &err), &err);
  plan_bind(plan, net.input, net.x.data);
  plan_bind(plan, net.target, net.labels.data);
  Ref bad;
  check(plan_find_nonfinite(plan, &(OpRun){0}, &bad, &err), &err);
  assert_int_equal(bad, net.ref[2]);
  tensor_set(&net.param[2], 0, -INFINITY); /* as masks are: what comes of it counts */
  check(plan_find_nonfinite(plan, &(OpRun){0}, &bad, &err), &err);
  assert_true(bad > net.ref[2]);
  assert_int_equal(graph_node(net.graph, bad)->kind, NODE_OP);
  plan_free(plan);
  net_free(&net);
}

static void wrong_shapes_are_refused_with_both_named(void **state) {
  (void)state;
  Err err;
  Net net;
  net_make(&net, DTYPE_F32, OP_relu, false);
  Ref out, in[2] = {net.input, net.ref[2]};
  check(graph_set_place(net.graph, "linear_2", "script.lua:3", &err), &err);
  assert_int_equal(graph_op(net.graph, &out, OP_matmul, in, 2, NULL, &err), NN_SHAPE);
  assert_non_null(strstr(err.message, "linear_2"));
  assert_non_null(strstr(err.message, "(37, 5)"));
  assert_non_null(strstr(err.message, "(3, 7)"));
  in[1] = net.ref[1];
  assert_int_equal(graph_op(net.graph, &out, OP_add, in, 2, NULL, &err), NN_SHAPE);
  assert_int_equal(out, REF_NONE);
  net_free(&net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_switch_gives_the_same_result),
      cmocka_unit_test(blocks_of_any_size_give_the_same_result),
      cmocka_unit_test(optimisations_do_take_place),
      cmocka_unit_test(threads_agree_with_one_thread),
      cmocka_unit_test(gradients_agree_with_differences),
      cmocka_unit_test(outputs_go_where_they_are_asked),
      cmocka_unit_test(nothing_is_written_behind_an_output),
      cmocka_unit_test(the_first_nonfinite_value_is_found),
      cmocka_unit_test(wrong_shapes_are_refused_with_both_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
