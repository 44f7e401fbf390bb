#include "graph/gradcheck.h"

#include <math.h>
#include <stdlib.h>

static Status check_types(const Graph *graph, Ref loss, const Ref *wrt, int count, Err *err) {
  char text[160];
  if (graph_node(graph, loss)->dtype != DTYPE_F64)
    return err_set(err, NN_DTYPE, "a gradient check needs float64");
  for (int i = 0; i < count; i++) {
    const Node *node = graph_node(graph, wrt[i]);
    if (node->kind != NODE_PARAM || node->dtype != DTYPE_F64)
      return err_set(err, NN_DTYPE, "a gradient check needs float64 parameters; %s is not one",
                     graph_node_text(graph, wrt[i], text, sizeof text));
  }
  return NN_OK;
}

static double loss_at(Plan *plan, const OpRun *run, double *element, double value) {
  *element = value;
  plan_run(plan, run);
  return *(const double *)plan_output(plan, 0);
}

/* Compare one parameter's gradient; `analytic` has its values before any change. */
static void check_param(GradCheck *out, Plan *plan, const OpRun *run, const Node *node, int param,
                        const double *analytic, int64_t per_param, double step) {
  double *data = node->tensor.data;
  int64_t total = shape_count(&node->shape);
  int64_t tries = per_param > 0 && per_param < total ? per_param : total;
  for (int64_t i = 0; i < tries; i++) {
    int64_t index = (int64_t)((double)i / (double)tries * (double)total);
    double value = data[index], h = step * fmax(1, fabs(value));
    double above = loss_at(plan, run, &data[index], value + h);
    double below = loss_at(plan, run, &data[index], value - h);
    data[index] = value;
    double a = analytic ? analytic[index] : 0, n = (above - below) / (2 * h);
    double error = fabs(a - n) / fmax(1, fmax(fabs(a), fabs(n)));
    if (error <= out->error) continue; /* a NaN counts as worst */
    *out = (GradCheck){isnan(error) ? INFINITY : error, param, index, a, n};
  }
}

Status gradcheck(GradCheck *out, Graph *graph, Ref loss, const Ref *wrt, int count,
                 const GradCheckInput *inputs, int input_count, int64_t per_param, double step,
                 const PlanOptions *options, Err *err) {
  *out = (GradCheck){0};
  TRY(check_types(graph, loss, wrt, count, err));
  Ref *grads = malloc(((size_t)count + 1) * sizeof *grads);
  PlanOutput *outputs = calloc((size_t)count + 1, sizeof *outputs);
  Plan *forward = NULL, *backward = NULL;
  int wanted = 0;
  Status status = grads && outputs ? NN_OK : err_set(err, NN_NO_MEMORY, "no memory for a check");
  if (status == NN_OK) status = graph_gradient(graph, loss, wrt, count, grads, err);
  for (int i = 0; i < count && status == NN_OK; i++)
    if (grads[i] != REF_NONE) outputs[wanted++].ref = grads[i];
  if (status == NN_OK) status = plan_new(&backward, graph, outputs, wanted, options, err);
  if (status == NN_OK)
    status = plan_new(&forward, graph, &(PlanOutput){.ref = loss}, 1, options, err);
  if (status == NN_OK) {
    for (int i = 0; i < input_count; i++) {
      plan_bind(backward, inputs[i].input, inputs[i].data);
      plan_bind(forward, inputs[i].input, inputs[i].data);
    }
    OpRun run = {.seed = 1, .step = 1};
    plan_run(backward, &run);
    for (int i = 0, k = 0; i < count; i++) {
      const double *analytic = grads[i] != REF_NONE ? plan_output(backward, k++) : NULL;
      check_param(out, forward, &run, graph_node(graph, wrt[i]), i, analytic, per_param,
                  step > 0 ? step : 1e-5);
    }
  }
  plan_free(forward);
  plan_free(backward);
  free(outputs);
  free(grads);
  return status;
}
