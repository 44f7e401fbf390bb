/* A C program that uses the installed library: logistic regression on two clouds of points, from
 * building the graph to the accuracy. Compiled and run by check_install.sh. */
#include <nnrun.h>

#include <stdio.h>

enum { POINTS = 200, STEPS = 300 };

/* Points around (1, 2) with label 1, around (-1, -1) with label 0; the third column is 1. */
static void make_points(Tensor *x, Tensor *y) {
  Rng rng = rng_make(1, RNG_GENERATE, 0);
  for (int64_t i = 0; i < POINTS; i++) {
    double label = (double)(i % 2);
    tensor_set(x, 3 * i, (label ? 1 : -1) + rng_normal(&rng, (uint64_t)(2 * i)));
    tensor_set(x, 3 * i + 1, (label ? 2 : -1) + rng_normal(&rng, (uint64_t)(2 * i + 1)));
    tensor_set(x, 3 * i + 2, 1);
    tensor_set(y, i, label);
  }
}

static Status new_tensor(Tensor *out, int64_t rows, int64_t columns, Err *err) {
  Shape shape = shape_make(2, (int64_t[]){rows, columns});
  return tensor_new(out, DTYPE_F64, &shape, err);
}

/* logits = x w, loss = mean binary cross-entropy; and the gradient of the loss. */
static Status build(Graph *graph, const Tensor *w, Ref inputs[2], Ref *loss, Ref *grad, Err *err) {
  Shape x_shape = shape_make(2, (int64_t[]){POINTS, 3});
  Shape y_shape = shape_make(2, (int64_t[]){POINTS, 1});
  Ref weights, logits, losses;
  TRY(graph_input(graph, &inputs[0], DTYPE_F64, &x_shape, true, "x", err));
  TRY(graph_input(graph, &inputs[1], DTYPE_F64, &y_shape, true, "y", err));
  TRY(graph_param(graph, &weights, w, "w", err));
  TRY(graph_op(graph, &logits, OP_matmul, (Ref[]){inputs[0], weights}, 2, NULL, err));
  TRY(graph_op(graph, &losses, OP_bce_with_logits, (Ref[]){logits, inputs[1]}, 2, NULL, err));
  TRY(graph_op(graph, loss, OP_mean, &losses, 1, NULL, err));
  return graph_gradient(graph, *loss, &weights, 1, grad, err);
}

static Status train(Graph *graph, const Tensor *x, const Tensor *y, const Tensor *w,
                    const Tensor *dw, Err *err) {
  Ref inputs[2], loss, grad;
  TRY(build(graph, w, inputs, &loss, &grad, err));
  Plan *plan;
  PlanOutput outputs[] = {{loss, NULL}, {grad, dw->data}};
  TRY(plan_new(&plan, graph, outputs, 2, &(PlanOptions){.isa = isa_best()}, err));
  plan_bind(plan, inputs[0], x->data);
  plan_bind(plan, inputs[1], y->data);

  Optim *optim = NULL;
  double hyper[OPTIM_MAX_HYPERS];
  Tensor params = {0}, grads = {0}; /* the same memory as vectors, as an optimiser wants them */
  Shape vector = shape_make(1, (int64_t[]){3});
  optim_hyper_defaults(OPTIM_adam, hyper);
  Status status = tensor_reshape(&params, w, &vector, err);
  if (status == NN_OK) status = tensor_reshape(&grads, dw, &vector, err);
  if (status == NN_OK)
    status = optim_new(&optim, OPTIM_adam, isa_best(), hyper, NULL, 0, &params, &grads, err);
  for (uint64_t step = 0; status == NN_OK && step < STEPS; step++) {
    plan_run(plan, &(OpRun){.seed = 1, .step = step});
    if (step % 100 == 0)
      printf("step %3d  loss %.6f\n", (int)step, *(const double *)plan_output(plan, 0));
    if (!optim_step(optim, &(OptimUpdate){.lr = 0.05}))
      status = err_set(err, NN_DIVERGED, "not a number");
  }
  optim_free(optim);
  tensor_release(&params), tensor_release(&grads);
  plan_free(plan);
  return status;
}

static double accuracy(const Tensor *x, const Tensor *y, const Tensor *w) {
  int right = 0;
  for (int64_t i = 0; i < POINTS; i++) {
    double z = 0;
    for (int64_t k = 0; k < 3; k++) z += tensor_get(x, 3 * i + k) * tensor_get(w, k);
    right += (z > 0) == (tensor_get(y, i) > 0.5);
  }
  return right / (double)POINTS;
}

int main(void) {
  Err err;
  Graph *graph = NULL;
  Tensor x = {0}, y = {0}, w = {0}, dw = {0};
  Status status = graph_new(&graph, &err);
  if (status == NN_OK) status = new_tensor(&x, POINTS, 3, &err);
  if (status == NN_OK) status = new_tensor(&y, POINTS, 1, &err);
  if (status == NN_OK) status = new_tensor(&w, 3, 1, &err);
  if (status == NN_OK) status = new_tensor(&dw, 3, 1, &err);
  if (status == NN_OK) {
    make_points(&x, &y);
    status = train(graph, &x, &y, &w, &dw, &err);
  }
  if (status != NN_OK) fprintf(stderr, "%s: %s\n", status_words(status), err.message);
  double score = status == NN_OK ? accuracy(&x, &y, &w) : 0;
  printf("nnrun " NNRUN_VERSION ", accuracy %.3f\n", score);
  tensor_release(&x), tensor_release(&y), tensor_release(&w), tensor_release(&dw);
  graph_free(graph);
  return score > 0.95 ? 0 : 1;
}
