/* First pass: which values are needed, what reads them, and whether all can run by blocks of rows.
 */
#include "graph/plan_internal.h"

#include <string.h>

/* An elementwise op reads what an expansion expands: its operands broadcast anyway. */
static Ref unexpanded(const Plan *plan, Ref ref) {
  while (ref != REF_NONE && plan->values[ref].node->kind == NODE_OP &&
         plan->values[ref].node->op == OP_expand &&
         plan->values[plan->values[ref].in[0]].node->shape.ndim <=
             plan->values[ref].node->shape.ndim)
    ref = plan->values[ref].in[0];
  return ref;
}

static void fill_values(Plan *plan) {
  for (Ref ref = 0; ref < plan->value_count; ref++) {
    Value *value = &plan->values[ref];
    const Node *node = graph_node(plan->graph, ref);
    *value = (Value){.node = node,
                     .inputs = node->inputs,
                     .root = ref,
                     .owner = ref,
                     .call = -1,
                     .place = -1,
                     .birth = -1,
                     .death = -1};
    memcpy(value->in, node->in, sizeof value->in);
    if (value_elementwise(value) && !(plan->options.off & PLAN_NO_FUSION))
      for (int i = 0; i < value->inputs; i++) value->in[i] = unexpanded(plan, value->in[i]);
    if (node->kind == NODE_OP && op_info(node->op)->alias)
      value->root = plan->values[value->in[0]].root;
  }
}

static void mark_needed(Plan *plan) {
  for (int i = 0; i < plan->output_count; i++) {
    Value *value = &plan->values[plan->outputs[i].ref];
    value->needed = value->output = true;
    value->uses++;
  }
  for (Ref ref = plan->value_count - 1; ref >= 0; ref--) {
    const Value *value = &plan->values[ref];
    for (int i = 0; value->needed && i < value->inputs; i++) {
      if (value->in[i] == REF_NONE) continue;
      plan->values[value->in[i]].needed = true;
      plan->values[value->in[i]].uses++;
    }
  }
}

/* Does the op repeat something along the batch? Then its rows, too, can be made block by block.
 * Other ops of values that are no batch may happen to make as many rows; those differ. */
static bool repeats_rows(const OpShape *call, int64_t batch) {
  if (call->op != OP_expand && !op_info(call->op)->elementwise) return false;
  if (call->out.ndim == 0 || call->out.dims[0] != batch) return false;
  for (int i = 0; i < call->inputs; i++)
    if (call->shape[i] && call->shape[i]->ndim == call->out.ndim && call->shape[i]->dims[0] != 1)
      return false;
  return true;
}

/* A further result goes with its op; it is a batch when the op's rows are. */
static bool place_result(const Plan *plan, Value *value) {
  const Value *main = &plan->values[value->in[0]];
  value->phase = main->phase;
  value->batched = main->batched;
  if (main->phase == PHASE_SUM) return false;
  return !value->batched ||
         (value->node->shape.ndim > 0 && value->node->shape.dims[0] == plan->batch);
}

/* The phase of one op's value, from those of its operands; false when blocks are impossible. */
static bool place_in_phase(Plan *plan, Value *value) {
  if (value->node->kind == NODE_RESULT) return place_result(plan, value);
  bool batched[OP_MAX_INPUTS] = {false}, any = false, after = false;
  OpShape call = {.op = value->node->op, .inputs = value->inputs, .out = value->node->shape};
  Attrs attrs = *value->node->attrs;
  call.attrs = &attrs;
  for (int i = 0; i < value->inputs; i++) {
    if (value->in[i] == REF_NONE) continue;
    const Value *input = &plan->values[value->in[i]];
    batched[i] = input->batched;
    any |= input->batched;
    after |= input->phase == PHASE_SUM || input->phase == PHASE_AFTER;
    call.shape[i] = &input->node->shape;
    call.dtype[i] = input->node->dtype;
  }
  if (any && after) return false;
  value->phase = after ? PHASE_AFTER : PHASE_ONCE;
  const OpInfo *info = op_info(value->node->op);
  OpRows rows = info->rows ? info->rows(&call, batched) : OP_ROWS_MIX;
  bool repeats = !after && rows == OP_ROWS_KEEP && repeats_rows(&call, plan->batch);
  if (!any && !repeats) return true;
  if (rows == OP_ROWS_MIX) return false;
  value->phase = rows == OP_ROWS_KEEP ? PHASE_ROWS : PHASE_SUM;
  value->batched = rows == OP_ROWS_KEEP;
  return !value->batched ||
         (value->node->shape.ndim > 0 && value->node->shape.dims[0] == plan->batch);
}

/* Decide on blocks. A block should stay in the second-level cache, and be at least as large as what
 * every block reads and adds to (weights and their gradients): else those cost more than is saved.
 */
static void choose_blocks(Plan *plan) {
  enum { CACHE = 400 * 1024, WORTH = 1024 * 1024 }; /* bytes; a common L2 cache has 512 K */
  plan->block_rows = plan->options.block_rows;
  if (!plan->block_rows) {
    size_t row = 0, shared = 0;
    for (Ref ref = 0; ref < plan->value_count; ref++) {
      const Value *value = &plan->values[ref];
      if (!value->needed || value->root != ref) continue;
      if (value->batched)
        row += value_bytes(value, 1);
      else
        shared += value_bytes(value, 1);
    }
    if (row == 0 || row * (size_t)plan->batch < WORTH || 2 * shared > CACHE) return;
    plan->block_rows = CACHE / (int64_t)row;
    /* kernels take four rows together, or more */
    plan->block_rows &= ~(int64_t)(plan->block_rows >= 16 ? 15 : 3);
    if (plan->block_rows < 4) plan->block_rows = 4;
  }
  if (plan->block_rows >= plan->batch) plan->block_rows = 0;
}

static bool find_phases(Plan *plan) {
  for (Ref ref = 0; ref < plan->value_count; ref++) {
    Value *value = &plan->values[ref];
    if (!value->needed) continue;
    if (value->node->kind == NODE_INPUT && value->node->batched) {
      if (plan->batch && plan->batch != value->node->shape.dims[0]) return false;
      plan->batch = value->node->shape.dims[0];
      value->batched = value->whole = true;
      value->phase = PHASE_ROWS;
    }
  }
  if (plan->batch < 2) return false;
  for (Ref ref = 0; ref < plan->value_count; ref++) {
    Value *value = &plan->values[ref];
    if (!value->needed || !value_computed(value)) continue;
    if (!place_in_phase(plan, value)) return false;
    /* a sum over rows is added up in place: it must own its memory */
    if (value->phase == PHASE_SUM && value->root != ref) return false;
  }
  return true;
}

Status plan_values(Plan *plan, Err *err) {
  plan->value_count = graph_count(plan->graph);
  plan->values = ARENA_ARRAY(&plan->memory, Value, (size_t)plan->value_count);
  if (!plan->values) return err_set(err, NN_NO_MEMORY, "no memory for a plan");
  fill_values(plan);
  mark_needed(plan);
  if (!(plan->options.off & PLAN_NO_BLOCKS) && find_phases(plan)) choose_blocks(plan);
  if (plan->block_rows) return NN_OK;
  for (Ref ref = 0; ref < plan->value_count; ref++) {
    plan->values[ref].phase = PHASE_ONCE;
    plan->values[ref].batched = plan->values[ref].whole = false;
  }
  return NN_OK;
}

size_t value_bytes(const Value *value, int64_t rows) {
  Shape shape = value->node->shape;
  if (value->batched) shape.dims[0] = rows;
  return (size_t)shape_count(&shape) * dtype_size(value->node->dtype);
}
