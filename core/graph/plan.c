#include "graph/plan.h"

#include "graph/plan_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

Status plan_new(Plan **out, const Graph *graph, const PlanOutput *outputs, int count,
                const PlanOptions *options, Err *err) {
  *out = NULL;
  Plan *plan = calloc(1, sizeof *plan);
  if (!plan) return err_set(err, NN_NO_MEMORY, "no memory for a plan");
  plan->graph = graph;
  plan->options = *options;
  plan->output_count = count;
  plan->outputs = ARENA_ARRAY(&plan->memory, PlanOutput, (size_t)count + 1);
  Status status = plan->outputs ? NN_OK : err_set(err, NN_NO_MEMORY, "no memory for a plan");
  if (status == NN_OK) {
    memcpy(plan->outputs, outputs, (size_t)count * sizeof *outputs);
    status = plan_values(plan, err);
  }
  if (status == NN_OK) status = plan_calls(plan, err);
  if (status == NN_OK) status = plan_memory(plan, err);
  if (status != NN_OK) {
    plan_free(plan);
    return status;
  }
  *out = plan;
  return NN_OK;
}

void plan_free(Plan *plan) {
  if (!plan) return;
  tensor_release(&plan->arena);
  tensor_release(&plan->scratch);
  arena_free(&plan->memory);
  free(plan);
}

void plan_bind(Plan *plan, Ref input, const void *data) {
  plan->values[input].data = (void *)data;
  for (int i = 0; i < plan->patch_count; i++)
    if (plan->patches[i].value == input) *plan->patches[i].slot = (void *)data;
}

/* ---- running ---- */

static void run_kernel_part(void *context, int part, int parts) {
  const PlanCall *call = context;
  call->kernel(&call->call, part, parts);
}

typedef struct ProgramTask {
  EwRun run;
  const EwProgram *program;
} ProgramTask;

static void run_program_part(void *context, int part, int parts) {
  const ProgramTask *task = context;
  task->run(task->program, part, parts);
}

static void run_call(const Plan *plan, PlanCall *call) {
  if (call->kind == CALL_KERNEL) {
    if (call->parts == 1)
      call->kernel(&call->call, 0, 1);
    else
      pool_run(plan->options.pool, run_kernel_part, call, call->parts);
  } else if (call->kind == CALL_PROGRAM) {
    EwRun run = ew_runner(plan->values[call->out].node->dtype, plan->options.isa);
    ProgramTask task = {run, call->program};
    if (call->parts == 1)
      run(call->program, 0, 1);
    else
      pool_run(plan->options.pool, run_program_part, &task, call->parts);
  } else {
    memcpy(call->call.out.data, call->call.in[0].data,
           (size_t)shape_count(&call->call.in[0].shape) * dtype_size(call->call.in[0].dtype));
  }
}

static void set_rows(Plan *plan, int64_t rows) {
  for (int i = 0; i < plan->row_count_count; i++) *plan->row_counts[i] = rows;
}

static void run_blocks(Plan *plan) {
  int begin = plan->phase_begin[1], end = plan->phase_begin[2];
  for (int64_t row = 0; row < plan->batch; row += plan->block_rows) {
    int64_t rows = plan->batch - row < plan->block_rows ? plan->batch - row : plan->block_rows;
    if (rows != plan->block_rows) set_rows(plan, rows);
    for (int i = 0; i < plan->patch_count; i++) {
      const Patch *patch = &plan->patches[i];
      if (patch->row_bytes)
        *patch->slot = (char *)plan->values[patch->value].data + (size_t)row * patch->row_bytes;
    }
    for (int i = begin; i < end; i++) {
      PlanCall *call = &plan->calls[i];
      call->call.first_row = row;
      call->call.accumulate = call->phase == PHASE_SUM && row > 0;
      run_call(plan, call);
    }
    if (rows != plan->block_rows) set_rows(plan, plan->block_rows);
  }
}

void plan_run(Plan *plan, const OpRun *run) {
  plan->run = *run;
  int begin = plan->phase_begin[1], end = plan->phase_begin[2];
  for (int i = 0; i < begin; i++) run_call(plan, &plan->calls[i]);
  if (plan->block_rows) run_blocks(plan);
  for (int i = end; i < plan->call_count; i++) run_call(plan, &plan->calls[i]);
}

const void *plan_output(const Plan *plan, int index) {
  const PlanOutput *output = &plan->outputs[index];
  if (output->dest) return output->dest;
  return plan->values[plan->values[output->ref].root].data;
}

PlanInfo plan_info(const Plan *plan) {
  PlanInfo info = {.calls = plan->call_count,
                   .folded = plan->folded,
                   .bytes = plan->arena_bytes,
                   .block_rows = plan->block_rows};
  for (int i = 0; i < plan->call_count; i++) info.programs += plan->calls[i].kind == CALL_PROGRAM;
  return info;
}

/* ---- the first NaN or infinity ---- */

/* In what is given, and in statistics, -inf is no accident: masks are made of it. */
static bool all_finite(const Value *value) {
  DType dtype = value->node->dtype;
  int64_t count = shape_count(&value->node->shape);
  bool mask = value->node->kind != NODE_OP;
  for (int64_t i = 0; i < count; i++) {
    double at = dtype == DTYPE_F32 ? (double)((const float *)value->data)[i]
                                   : ((const double *)value->data)[i];
    if (!isfinite(at) && !(mask && at == -INFINITY)) return false;
  }
  return true;
}

Status plan_find_nonfinite(const Plan *plan, const OpRun *run, Ref *out, Err *err) {
  *out = REF_NONE;
  PlanOutput *outputs = calloc((size_t)plan->output_count + 1, sizeof *outputs);
  if (!outputs) return err_set(err, NN_NO_MEMORY, "no memory for a plan");
  for (int i = 0; i < plan->output_count; i++) outputs[i].ref = plan->outputs[i].ref;
  PlanOptions options = plan->options;
  options.off = PLAN_NO_FOLD | PLAN_NO_FUSION | PLAN_NO_IN_PLACE | PLAN_NO_REUSE | PLAN_NO_BLOCKS;
  Plan *plain;
  Status status = plan_new(&plain, plan->graph, outputs, plan->output_count, &options, err);
  free(outputs);
  TRY(status);
  for (Ref ref = 0; ref < plan->value_count; ref++)
    if (plan->values[ref].node->kind == NODE_INPUT) plan_bind(plain, ref, plan->values[ref].data);
  plan_run(plain, run);
  for (Ref ref = 0; ref < plain->value_count && *out == REF_NONE; ref++) {
    const Value *value = &plain->values[ref];
    if (!value->needed || !value->data || value->node->dtype == DTYPE_I64) continue;
    if (!all_finite(value)) *out = ref;
  }
  plan_free(plain);
  return NN_OK;
}
