#include "train/step.h"

#include "data/batch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct Step {
  Graph *graph;
  Plan *plan;
  int input_count, metric_count;
  Ref inputs[STEP_MAX_INPUTS];
  Tensor gathered[STEP_MAX_INPUTS]; /* the batch's rows, when they are not where they stand */
  const void *bound[STEP_MAX_INPUTS];
  int64_t rows;
  DType dtype;
  int output_count;
  Ref outputs[STEP_MAX_OUTPUTS]; /* the plan's outputs behind loss and metrics */
  Pool *pool;
};

static Status make_plan(Step *step, const StepSpec *spec, const PlanOptions *options, Err *err) {
  int count = 1 + spec->metric_count + spec->output_count + spec->param_count + spec->update_count;
  int used = 0;
  PlanOutput *outputs = calloc((size_t)count, sizeof *outputs);
  Ref *refs = calloc((size_t)count * 2, sizeof *refs), *grads = refs + count;
  Status status = outputs && refs ? NN_OK : err_set(err, NN_NO_MEMORY, "no memory for a step");
  for (int i = 0; status == NN_OK && i < spec->param_count; i++) refs[i] = spec->params[i].ref;
  if (status == NN_OK && spec->param_count)
    status = graph_gradient(step->graph, spec->loss, refs, spec->param_count, grads, err);
  if (status == NN_OK) {
    outputs[used++].ref = spec->loss;
    for (int i = 0; i < spec->metric_count; i++) outputs[used++].ref = spec->metrics[i];
    for (int i = 0; i < spec->output_count; i++) outputs[used++].ref = spec->outputs[i];
    for (int i = 0; i < spec->param_count; i++) {
      if (grads[i] == REF_NONE) continue; /* its place in the flat vector stays zero */
      void *dest = (char *)spec->grads->data +
                   (size_t)spec->params[i].offset * dtype_size(spec->grads->dtype);
      outputs[used++] = (PlanOutput){.ref = grads[i], .dest = dest};
    }
    for (int i = 0; i < spec->update_count; i++)
      outputs[used++] = (PlanOutput){
          .ref = spec->updates[i].ref, .dest = spec->updates[i].to->data, .late = true};
    status = plan_new(&step->plan, step->graph, outputs, used, options, err);
  }
  free(outputs);
  free(refs);
  return status;
}

/* Every input has the batch as its first axis. */
static Status check_inputs(const Graph *graph, const StepSpec *spec, Err *err) {
  if (spec->input_count < 1 || spec->input_count > STEP_MAX_INPUTS ||
      spec->metric_count > STEP_MAX_METRICS || spec->output_count > STEP_MAX_OUTPUTS)
    return err_set(err, NN_BAD_ARGUMENT,
                   "a step has 1 to %d inputs, at most %d metrics and at most %d outputs",
                   STEP_MAX_INPUTS, STEP_MAX_METRICS, STEP_MAX_OUTPUTS);
  int64_t rows = graph_node(graph, spec->inputs[0])->shape.dims[0];
  for (int i = 0; i < spec->input_count; i++) {
    const Node *node = graph_node(graph, spec->inputs[i]);
    char text[SHAPE_TEXT_SIZE];
    if (node->kind != NODE_INPUT || node->shape.ndim < 1 || node->shape.dims[0] != rows || rows < 1)
      return err_set(err, NN_SHAPE,
                     "input %d of a step must be an input of %" PRId64
                     " rows, at least 1; its shape is %s",
                     i + 1, rows, shape_text(&node->shape, text));
  }
  for (int i = 0; i < spec->output_count; i++) {
    const Shape *shape = &graph_node(graph, spec->outputs[i])->shape;
    if (shape->ndim < 1 || shape->dims[0] != rows)
      return err_set(err, NN_SHAPE, "the output of a step must have its %" PRId64 " rows", rows);
  }
  return NN_OK;
}

/* Every gradient has its place in the flat vector. */
static Status check_params(const Graph *graph, const StepSpec *spec, DType dtype, Err *err) {
  if (!spec->param_count) return NN_OK;
  if (!spec->grads || spec->grads->dtype != dtype)
    return err_set(err, NN_DTYPE, "the gradients are %s, the loss is %s",
                   spec->grads ? dtype_name(spec->grads->dtype) : "missing", dtype_name(dtype));
  for (int i = 0; i < spec->param_count; i++) {
    const Node *node = graph_node(graph, spec->params[i].ref);
    int64_t offset = spec->params[i].offset, room = tensor_count(spec->grads);
    if (node->kind != NODE_PARAM || node->dtype != dtype || offset < 0 || offset > room ||
        shape_count(&node->shape) > room - offset)
      return err_set(err, NN_BAD_ARGUMENT, "parameter %d does not fit the gradients", i + 1);
  }
  return NN_OK;
}

static Status check_updates(const Graph *graph, const StepSpec *spec, Err *err) {
  for (int i = 0; i < spec->update_count; i++) {
    const Node *node = graph_node(graph, spec->updates[i].ref);
    const Tensor *to = spec->updates[i].to;
    char have[SHAPE_TEXT_SIZE], want[SHAPE_TEXT_SIZE];
    if (!shape_equal(&node->shape, &to->shape) || node->dtype != to->dtype)
      return err_set(err, NN_SHAPE, "state %d is %s %s, its new value %s %s", i + 1,
                     dtype_name(to->dtype), shape_text(&to->shape, want), dtype_name(node->dtype),
                     shape_text(&node->shape, have));
  }
  return NN_OK;
}

static Status check_spec(const Graph *graph, const StepSpec *spec, Err *err) {
  const Node *loss = graph_node(graph, spec->loss);
  char text[SHAPE_TEXT_SIZE];
  if (shape_count(&loss->shape) != 1)
    return err_set(err, NN_SHAPE, "the loss must be one number; its shape is %s",
                   shape_text(&loss->shape, text));
  if (loss->dtype == DTYPE_I64) return err_set(err, NN_DTYPE, "the loss must not be int64");
  TRY(check_inputs(graph, spec, err));
  for (int i = 0; i < spec->metric_count; i++) {
    const Node *metric = graph_node(graph, spec->metrics[i]);
    if (shape_count(&metric->shape) != 1 || metric->dtype != loss->dtype)
      return err_set(err, NN_SHAPE, "metric %d must be one %s number", i + 1,
                     dtype_name(loss->dtype));
  }
  TRY(check_updates(graph, spec, err));
  return check_params(graph, spec, loss->dtype, err);
}

Status step_new(Step **out, Graph *graph, const StepSpec *spec, const PlanOptions *options,
                Err *err) {
  *out = NULL;
  TRY(check_spec(graph, spec, err));
  Step *step = calloc(1, sizeof *step);
  if (!step) return err_set(err, NN_NO_MEMORY, "no memory for a step");
  step->graph = graph;
  step->input_count = spec->input_count;
  step->metric_count = spec->metric_count;
  step->dtype = graph_node(graph, spec->loss)->dtype;
  step->rows = graph_node(graph, spec->inputs[0])->shape.dims[0];
  step->output_count = spec->output_count;
  step->pool = options->pool;
  for (int i = 0; i < spec->input_count; i++) step->inputs[i] = spec->inputs[i];
  for (int i = 0; i < spec->output_count; i++) step->outputs[i] = spec->outputs[i];
  Status status = make_plan(step, spec, options, err);
  if (status != NN_OK) {
    step_free(step);
    return status;
  }
  *out = step;
  return NN_OK;
}

void step_free(Step *step) {
  if (!step) return;
  plan_free(step->plan);
  for (int i = 0; i < STEP_MAX_INPUTS; i++) tensor_release(&step->gathered[i]);
  free(step);
}

PlanInfo step_info(const Step *step) { return plan_info(step->plan); }

/* ---- binding a batch ---- */

/* The rows that will be read are there, and there is room for those that are kept. */
static Status check_rows(const Step *step, const StepData *data, int64_t limit, Err *err) {
  int64_t count, last;
  if (data->first < 0 || data->batches < 0 ||
      __builtin_mul_overflow(data->batches, step->rows, &count) ||
      __builtin_add_overflow(data->first, count, &last) ||
      last > (data->order ? data->order_count : limit))
    return err_set(err, NN_BAD_ARGUMENT,
                   "%" PRId64 " batches of %" PRId64 " rows from row %" PRId64 " on, of %" PRId64,
                   data->batches, step->rows, data->first + 1,
                   data->order ? data->order_count : limit);
  if (data->order) TRY(batch_check_rows(data->order + data->first, count, limit, err));
  for (int i = 0; i < step->output_count; i++) {
    const Tensor *room = data->outputs[i];
    const Node *node = graph_node(step->graph, step->outputs[i]);
    if (room && (room->dtype != node->dtype ||
                 shape_count(&node->shape) / step->rows * count > tensor_count(room)))
      return err_set(err, NN_SHAPE, "there is no room for the output of %" PRId64 " rows", count);
  }
  return NN_OK;
}

static Status check_data(const Step *step, const StepData *data, Err *err) {
  int64_t limit = INT64_MAX;
  for (int i = 0; i < step->input_count; i++) {
    const Node *node = graph_node(step->graph, step->inputs[i]);
    const Tensor *tensor = data->inputs[i];
    if (!tensor) return err_set(err, NN_BAD_ARGUMENT, "input %d has no data", i + 1);
    bool fits = tensor->dtype == node->dtype && tensor->shape.ndim == node->shape.ndim;
    for (int k = 1; fits && k < node->shape.ndim; k++)
      fits = tensor->shape.dims[k] == node->shape.dims[k];
    char have[SHAPE_TEXT_SIZE], want[SHAPE_TEXT_SIZE];
    if (!fits)
      return err_set(err, NN_SHAPE, "input %d is %s %s; the model was built for batches %s %s",
                     i + 1, dtype_name(tensor->dtype), shape_text(&tensor->shape, have),
                     dtype_name(node->dtype), shape_text(&node->shape, want));
    if (tensor->shape.dims[0] < limit) limit = tensor->shape.dims[0];
  }
  return check_rows(step, data, limit, err);
}

static Status make_gathered(Step *step, Err *err) {
  for (int i = 0; i < step->input_count; i++) {
    const Node *node = graph_node(step->graph, step->inputs[i]);
    if (!step->gathered[i].buffer)
      TRY(tensor_new(&step->gathered[i], node->dtype, &node->shape, err));
  }
  return NN_OK;
}

static void bind_batch(Step *step, const StepData *data, int64_t position) {
  for (int i = 0; i < step->input_count; i++) {
    const Tensor *source = data->inputs[i];
    const void *from = step->gathered[i].data;
    if (data->order)
      batch_gather(&step->gathered[i], source, data->order + position, step->rows);
    else
      from = (const char *)source->data +
             (source->shape.dims[0] ? tensor_bytes(source) / (size_t)source->shape.dims[0] : 0) *
                 (size_t)position;
    if (from == step->bound[i]) continue;
    step->bound[i] = from;
    plan_bind(step->plan, step->inputs[i], from);
  }
}

/* ---- running ---- */

static double scalar(const Step *step, int output) {
  const void *value = plan_output(step->plan, output);
  return step->dtype == DTYPE_F32 ? (double)*(const float *)value : *(const double *)value;
}

static Status explain_loss(Step *step, const OpRun *run, StepResult *result, Err *err) {
  Ref bad;
  TRY(plan_find_nonfinite(step->plan, run, &bad, err));
  char text[200];
  const char *layer = bad != REF_NONE ? graph_node(step->graph, bad)->layer : NULL;
  result->diverged = true;
  snprintf(result->message, sizeof result->message,
           "diverged at step %" PRIu64 "%s%s: %s is not finite", run->step + 1, layer ? " in " : "",
           layer ? layer : "",
           bad == REF_NONE ? "the loss" : graph_node_text(step->graph, bad, text, sizeof text));
  return NN_OK;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void keep_outputs(const Step *step, const StepData *data, int64_t position) {
  for (int i = 0; i < step->output_count; i++) {
    if (!data->outputs[i]) continue;
    const Node *node = graph_node(step->graph, step->outputs[i]);
    size_t bytes = (size_t)shape_count(&node->shape) * dtype_size(node->dtype);
    char *to = (char *)data->outputs[i]->data + bytes / (size_t)step->rows * (size_t)position;
    __builtin_memcpy(to, plan_output(step->plan, 1 + step->metric_count + i), bytes);
  }
}

/* The same batch again, for an optimiser that has moved the parameters. */
typedef struct Again {
  Step *step;
  const OpRun *run;
} Again;

static double evaluate_again(void *context) {
  const Again *again = context;
  plan_run(again->step->plan, again->run);
  return scalar(again->step, 0);
}

static bool update_parameters(Step *step, const StepUpdate *update, const OpRun *run, int64_t i,
                              double loss) {
  Again again = {step, run};
  const OptimUpdate told = {.lr = update->lr ? update->lr[i] : update->lr_all,
                            .clip_norm = update->clip_norm,
                            .clip_value = update->clip_value,
                            .momentum =
                                update->momentum ? update->momentum[i] : update->momentum_all,
                            .pool = step->pool,
                            .loss = loss,
                            .evaluate = evaluate_again,
                            .context = &again};
  return optim_step(update->optim, &told);
}

Status step_run(Step *step, const StepData *data, const StepUpdate *update, double seconds,
                StepResult *result, Err *err) {
  result->bad_segment = -1;
  if (result->steps == 0) TRY(check_data(step, data, err)); /* later calls go on with the same */
  if (data->order) TRY(make_gathered(step, err));
  /* Looking at the clock costs as much as a tiny step: look now and then. */
  enum { CLOCK_EVERY = 16 };
  double until = seconds > 0 ? now() + seconds : INFINITY;
  double rows = (double)step->rows;
  int64_t total = data->batches * data->repeat;
  for (int64_t i = result->steps; i < total; i++) {
    if (i % CLOCK_EVERY == CLOCK_EVERY - 1 && now() > until) break;
    int64_t position = data->first + i % data->batches * step->rows;
    bind_batch(step, data, position);
    OpRun run = {update->seed, update->optim ? (uint64_t)optim_steps(update->optim) : 0};
    plan_run(step->plan, &run);
    double loss = scalar(step, 0);
    if (!isfinite(loss) && update->optim) return explain_loss(step, &run, result, err);
    result->loss += loss * rows;
    if (data->losses) data->losses[i] = loss;
    result->last_loss = loss;
    for (int k = 0; k < step->metric_count; k++) result->metric[k] += scalar(step, 1 + k);
    keep_outputs(step, data, position - data->first);
    result->steps = i + 1;
    if (!update->optim) continue;
    if (update_parameters(step, update, &run, i, loss)) continue;
    result->diverged = true;
    result->bad_segment = optim_find_bad(update->optim);
    /* A search that ran away: the loss where it ended. */
    return result->bad_segment < 0 ? explain_loss(step, &run, result, err) : NN_OK;
  }
  return NN_OK;
}
