/* Every op against PyTorch: values in both precisions and on all instruction sets, gradients
 * against PyTorch's and against differences. The cases are the rows of op_cases.def. */
#include "test.h"

#include "graph/gradcheck.h"
#include "op_case.h"

/* A graph of one op over parameters, with loss = sum(op * g). */
typedef struct OpGraph {
  Graph *graph;
  Tensor in[OP_MAX_INPUTS], g;
  Ref ref[OP_MAX_INPUTS], out, loss;
} OpGraph;

static OpGraph op_graph(const OpCase *c, const OpGolden *golden, DType dtype) {
  OpGraph made = {0};
  Err err;
  Attrs attrs = case_attrs(c);
  must(graph_new(&made.graph, &err), &err);
  for (int i = 0; i < golden->inputs; i++) {
    made.ref[i] = REF_NONE;
    if (!golden->in[i].buffer) continue;
    made.in[i] = as_dtype(&golden->in[i], dtype);
    must(graph_param(made.graph, &made.ref[i], &made.in[i], "x", &err), &err);
  }
  if (graph_op(made.graph, &made.out, c->op, made.ref, golden->inputs, &attrs, &err) != NN_OK)
    fail_msg("%s %s: %s", op_info(c->op)->name, c->label, err.message);
  if (!golden->g.data) return made;
  Ref product, in[2] = {made.out, REF_NONE};
  made.g = as_dtype(&golden->g, dtype);
  must(graph_param(made.graph, &in[1], &made.g, "g", &err), &err);
  must(graph_op(made.graph, &product, OP_mul, in, 2, NULL, &err), &err);
  must(graph_op(made.graph, &made.loss, OP_sum, &product, 1, NULL, &err), &err);
  return made;
}

static void op_graph_free(OpGraph *made) {
  graph_free(made->graph);
  for (int i = 0; i < OP_MAX_INPUTS; i++) tensor_release(&made->in[i]);
  tensor_release(&made->g);
}

static void check_value(const OpCase *c, const OpGolden *golden, DType dtype,
                        const PlanOptions *options) {
  OpGraph made = op_graph(c, golden, dtype);
  Err err;
  Plan *plan;
  PlanOutput output = {.ref = made.out};
  must(plan_new(&plan, made.graph, &output, 1, options, &err), &err);
  plan_run(plan, &golden_run);
  const Node *node = graph_node(made.graph, made.out);
  assert_values(c, "value", node->dtype, plan_output(plan, 0), &node->shape, &golden->out);
  plan_free(plan);
  op_graph_free(&made);
}

static void check_gradients(const OpCase *c, const OpGolden *golden, DType dtype,
                            const PlanOptions *options) {
  OpGraph made = op_graph(c, golden, dtype);
  Err err;
  Plan *plan;
  Ref wrt[OP_MAX_INPUTS], grads[OP_MAX_INPUTS];
  int which[OP_MAX_INPUTS], count = 0;
  PlanOutput outputs[OP_MAX_INPUTS];
  for (int i = 0; i < golden->inputs; i++)
    if (case_wants(c, 'g', i)) wrt[which[count++] = i, count - 1] = made.ref[i];
  must(graph_gradient(made.graph, made.loss, wrt, count, grads, &err), &err);
  for (int k = 0; k < count; k++) {
    if (grads[k] == REF_NONE)
      fail_msg("%s %s: no gradient %d", op_info(c->op)->name, c->label, which[k]);
    outputs[k] = (PlanOutput){.ref = grads[k]};
  }
  must(plan_new(&plan, made.graph, outputs, count, options, &err), &err);
  plan_run(plan, &golden_run);
  for (int k = 0; k < count; k++) {
    char what[32];
    snprintf(what, sizeof what, "gradient %d", which[k]);
    const Node *node = graph_node(made.graph, grads[k]);
    assert_values(c, what, node->dtype, plan_output(plan, k), &node->shape,
                  &golden->grad[which[k]]);
  }
  plan_free(plan);
  op_graph_free(&made);
}

typedef void CaseCheck(const OpCase *c, const OpGolden *golden, DType dtype,
                       const PlanOptions *options);

static void check_all(CaseCheck *check, bool gradients, Pool *pool) {
  for (int k = 0; k < OP_CASES; k++) {
    OpGolden golden = golden_read(&op_cases[k]);
    for (int isa = 0; isa <= (int)isa_best(); isa++) {
      PlanOptions options = {.isa = (Isa)isa, .pool = pool};
      if (gradients && !golden.g.data) continue;
      check(&op_cases[k], &golden, DTYPE_F32, &options);
      check(&op_cases[k], &golden, DTYPE_F64, &options);
    }
    array_list_free(&golden.list);
  }
}

static void every_op_has_a_case(void **state) {
  (void)state;
  for (int op = 0; op < OP_COUNT; op++) {
    bool tried = false, differentiated = false;
    bool differentiable = op_info((OpId)op)->grad != NULL;
    if (op_info((OpId)op)->elementwise) {
      const bool *has = op_info((OpId)op)->has_grad;
      differentiable = has[0] || has[1] || has[2];
    }
    for (int k = 0; k < OP_CASES; k++) {
      if (op_cases[k].op != (OpId)op) continue;
      tried = true;
      if (strchr(op_cases[k].checks, 'g')) differentiated = true;
    }
    if (!tried) fail_msg("%s has no row in op_cases.def", op_info((OpId)op)->name);
    if (differentiable && !differentiated)
      fail_msg("%s has a gradient and no row that checks it", op_info((OpId)op)->name);
  }
}

static void values_equal_those_of_pytorch(void **state) {
  (void)state;
  check_all(check_value, false, NULL);
}

static void values_equal_those_of_pytorch_on_three_threads(void **state) {
  Err err;
  Pool *pool;
  (void)state;
  must(pool_new(&pool, 3, &err), &err);
  check_all(check_value, false, pool);
  pool_free(pool);
}

static void gradients_equal_those_of_pytorch(void **state) {
  (void)state;
  check_all(check_gradients, true, NULL);
}

static void gradients_equal_differences(void **state) {
  (void)state;
  for (int k = 0; k < OP_CASES; k++) {
    const OpCase *c = &op_cases[k];
    if (!strchr(c->checks, 'd')) continue;
    OpGolden golden = golden_read(c);
    OpGraph made = op_graph(c, &golden, DTYPE_F64);
    Err err;
    GradCheck worst;
    Ref wrt[OP_MAX_INPUTS];
    int count = 0;
    for (int i = 0; i < golden.inputs; i++)
      if (case_wants(c, 'd', i)) wrt[count++] = made.ref[i];
    PlanOptions options = {.isa = isa_best()};
    must(gradcheck(&worst, made.graph, made.loss, wrt, count, NULL, 0, 0, 0, &options, &err), &err);
    if (worst.error > 1e-7)
      fail_msg("%s %s: gradient %d, element %lld: %.12g, differences say %.12g",
               op_info(c->op)->name, c->label, worst.param, (long long)worst.index, worst.analytic,
               worst.numeric);
    op_graph_free(&made);
    array_list_free(&golden.list);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_op_has_a_case),
      cmocka_unit_test(values_equal_those_of_pytorch),
      cmocka_unit_test(values_equal_those_of_pytorch_on_three_threads),
      cmocka_unit_test(gradients_equal_those_of_pytorch),
      cmocka_unit_test(gradients_equal_differences),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
