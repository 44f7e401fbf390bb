/* Second pass: the list of calls. Bias and activation fold into products, elementwise ops join into
 * programs. */
#include "graph/plan_internal.h"

#include <string.h>

static Status no_memory(Err *err) { return err_set(err, NN_NO_MEMORY, "no memory for a plan"); }

static bool on(const Plan *plan, PlanOff feature) { return !(plan->options.off & feature); }

/* ---- folding into products ---- */

/* The only reader of `ref`, or REF_NONE when there are several or it is an output. */
static Ref only_reader(const Plan *plan, Ref ref) {
  if (plan->values[ref].uses != 1 || plan->values[ref].output) return REF_NONE;
  for (Ref reader = ref + 1; reader < plan->value_count; reader++) {
    const Value *value = &plan->values[reader];
    for (int i = 0; value->needed && i < value->inputs; i++)
      if (value->in[i] == ref) return reader;
  }
  return REF_NONE;
}

/* Is `ref` a row (n) that can be a product's bias, there before the product runs? */
static bool bias_like(const Plan *plan, Ref ref, Ref product) {
  const Value *value = &plan->values[ref];
  const Shape *shape = &value->node->shape, *out = &plan->values[product].node->shape;
  int64_t n = out->dims[out->ndim - 1];
  bool row = shape->ndim > 0 && shape->dims[shape->ndim - 1] == n && shape_count(shape) == n;
  Ref made = value->node->kind == NODE_RESULT ? value->in[0] : ref;
  return row && !value->batched && (!value_computed(value) || made < product) &&
         value->node->dtype == plan->values[product].node->dtype;
}

/* Can the only reader of a call's value be computed with it? It must be an elementwise value of
 * the same shape (an expansion may stand between the two), wanted at the same time. */
static bool foldable(const Plan *plan, Ref reader, Ref product) {
  if (reader == REF_NONE) return false;
  const Value *value = &plan->values[reader], *made = &plan->values[product];
  return value_elementwise(value) && value->node->slot < 0 && value->phase == made->phase &&
         shape_equal(&value->node->shape, &made->node->shape);
}

/* Fold add(product, bias) and then a one-operand activation into a matrix product's call, or the
 * activation alone into that of another op whose row allows it. */
static void fold_into(Plan *plan, PlanCall *call, Ref product) {
  if (!on(plan, PLAN_NO_FOLD)) return;
  Ref last = product, reader = only_reader(plan, product);
  if (plan->values[product].node->op == OP_matmul && foldable(plan, reader, product) &&
      plan->values[reader].node->op == OP_add) {
    const Ref *in = plan->values[reader].in;
    Ref other = in[0] == product ? in[1] : in[0];
    if (other != product && bias_like(plan, other, product)) {
      call->bias = other;
      plan->values[reader].owner = product;
      plan->folded++;
      last = reader;
      reader = only_reader(plan, last);
    }
  }
  if (foldable(plan, reader, product) && plan->values[reader].inputs == 1) {
    call->activation = reader;
    plan->values[reader].owner = product;
    plan->folded++;
    last = reader;
  }
  call->out = last;
}

/* ---- joining elementwise ops ---- */

/* The call that must come before `value`: the latest that makes one of its operands. */
static int latest_call(const Plan *plan, const Value *value) {
  int latest = -1;
  for (int i = 0; i < value->inputs; i++) {
    if (value->in[i] == REF_NONE) continue;
    Ref owner = plan->values[plan->values[value->in[i]].root].owner;
    int call = plan->values[owner].call;
    if (call > latest) latest = call;
  }
  return latest;
}

static bool contains(const PlanCall *call, Ref ref) {
  for (int i = 0; i < call->member_count; i++)
    if (call->members[i] == ref) return true;
  return false;
}

/* Would the members fit one program's tables and registers, counting every value as a register? */
static bool fits(const Plan *plan, const PlanCall *call, Ref extra) {
  int operands = 0, registers = 0;
  Ref seen[EW_MAX_OPERANDS];
  for (int m = 0; m <= call->member_count; m++) {
    Ref member = m < call->member_count ? call->members[m] : extra;
    const Value *value = &plan->values[member];
    registers++;
    for (int i = 0; i < value->inputs; i++) {
      Ref in = value->in[i];
      if (in == REF_NONE || contains(call, in)) continue;
      int k = 0;
      while (k < operands && seen[k] != in) k++;
      if (k < operands) continue;
      if (operands == EW_MAX_OPERANDS) return false;
      seen[operands++] = in;
      if (!shape_equal(&plan->values[in].node->shape, &value->node->shape)) registers += 2;
    }
  }
  return registers <= EW_MAX_REGISTERS && call->member_count + 1 <= EW_MAX_STEPS &&
         call->member_count + 1 <= EW_MAX_OPERANDS;
}

/* The program `ref` may join: the latest call among its operands' makers, so that everything else
 * it reads is there by then. */
static PlanCall *joinable(Plan *plan, Ref ref) {
  const Value *value = &plan->values[ref];
  int latest = latest_call(plan, value);
  if (latest < 0 || !on(plan, PLAN_NO_FUSION)) return NULL;
  PlanCall *call = &plan->calls[latest];
  if (call->kind != CALL_PROGRAM) return NULL;
  const Value *first = &plan->values[call->out];
  bool same = shape_equal(&first->node->shape, &value->node->shape) &&
              first->node->dtype == value->node->dtype && first->phase == value->phase &&
              first->batched == value->batched;
  for (int i = 0; same && i < value->inputs; i++) /* an alias of a member is read as memory */
    if (value->in[i] != REF_NONE && !contains(call, value->in[i]) &&
        contains(call, plan->values[value->in[i]].root))
      same = false;
  return same && fits(plan, call, ref) ? call : NULL;
}

static Status add_elementwise(Plan *plan, Ref ref, Err *err) {
  PlanCall *call = joinable(plan, ref);
  if (!call) {
    call = &plan->calls[plan->call_count++];
    *call = (PlanCall){.kind = CALL_PROGRAM, .out = ref, .phase = plan->values[ref].phase};
    call->members = ARENA_ARRAY(&plan->memory, Ref, EW_MAX_STEPS);
    call->program = ARENA_NEW(&plan->memory, EwProgram);
    if (!call->members || !call->program) return no_memory(err);
  }
  call->members[call->member_count++] = ref;
  plan->values[ref].call = (int)(call - plan->calls);
  return NN_OK;
}

/* ---- making programs ---- */

/* Is member `ref` read by anything outside its program, or wanted as an output? */
static void mark_stored(Plan *plan) {
  for (Ref ref = 0; ref < plan->value_count; ref++) {
    Value *value = &plan->values[ref];
    if (!value->needed) continue;
    if (value->output) plan->values[value->root].stored = true;
    for (int i = 0; i < value->inputs; i++) {
      if (value->in[i] == REF_NONE) continue;
      const PlanCall *call = value->call >= 0 ? &plan->calls[value->call] : NULL;
      bool inside = call && call->kind == CALL_PROGRAM && contains(call, value->in[i]);
      if (value->owner != ref) inside = plan->values[value->in[i]].owner == value->owner;
      if (!inside) plan->values[plan->values[value->in[i]].root].stored = true;
    }
  }
}

static uint8_t program_operand(Plan *plan, PlanCall *call, Ref ref, int *registers) {
  EwProgram *program = call->program;
  for (int i = 0; i < program->operands; i++)
    if (call->program_operand[i] == ref) return (uint8_t)(EW_OPERAND | i);
  int index = program->operands++;
  EwOperand *operand = &program->operand[index];
  call->program_operand[index] = ref;
  ew_operand(operand, &plan->values[ref].node->shape, &program->shape);
  if (operand->mode != EW_FULL) {
    operand->reg = (uint8_t)*registers;
    *registers += operand->mode == EW_PERIODIC ? 2 : 1;
  }
  return (uint8_t)(EW_OPERAND | index);
}

/* Lay out the steps of a program. Registers are not reused: `fits` has counted them. */
static void make_program(Plan *plan, PlanCall *call) {
  EwProgram *program = call->program;
  program->shape = plan->values[call->out].node->shape;
  DType dtype = plan->values[call->out].node->dtype;
  int registers = 0;
  uint8_t where[EW_MAX_STEPS];
  for (int m = 0; m < call->member_count; m++) {
    const Value *value = &plan->values[call->members[m]];
    EwStep *step = &program->step[program->steps++];
    *step = (EwStep){.loop = ew_loop(value->node->op, value->node->slot, dtype, plan->options.isa),
                     .result = EW_NONE};
    memset(step->in, EW_NONE, sizeof step->in);
    for (int i = 0; i < 4; i++) step->attrs[i] = value->node->attrs->at[i].number;
    for (int i = 0; i < value->inputs; i++) {
      Ref in = value->in[i];
      if (in == REF_NONE) continue;
      int slot = value->node->slot < 0 ? i + 1 : i, member = 0;
      while (member < m && call->members[member] != in) member++;
      step->in[slot] = member < m ? where[member] : program_operand(plan, call, in, &registers);
    }
    if (value->stored) {
      step->result = (uint8_t)program->results;
      call->program_result[program->results++] = call->members[m];
      where[m] = (uint8_t)(EW_RESULT | step->result);
    } else {
      where[m] = step->out = (uint8_t)registers++;
    }
  }
}

/* ---- the list ---- */

static void add_kernel(Plan *plan, Ref ref) {
  Value *value = &plan->values[ref];
  PlanCall *call = &plan->calls[plan->call_count];
  *call = (PlanCall){.kind = CALL_KERNEL, .out = ref, .bias = REF_NONE, .activation = REF_NONE};
  if (op_info(value->node->op)->epilogue && value->phase != PHASE_SUM) fold_into(plan, call, ref);
  call->phase = value->phase;
  call->call.attrs = value->node->attrs;
  call->call.inputs = value->inputs;
  DType dtype = value->node->dtype; /* of the arithmetic: argmax makes integers from numbers */
  if (value->in[0] != REF_NONE && dtype == DTYPE_I64)
    dtype = plan->values[value->in[0]].node->dtype;
  call->kernel = op_kernel(value->node->op, dtype, plan->options.isa);
  value->call = plan->call_count++;
}

/* Does the call that makes the value write whole vectors, beyond its end? By blocks of rows the
 * last block decides. */
static bool overwrites(const Plan *plan, const Value *root) {
  if (plan->calls[root->call].kind != CALL_PROGRAM) return false;
  int64_t count = shape_count(&root->node->shape);
  if (plan->block_rows && root->batched) {
    int64_t left = plan->batch % plan->block_rows;
    count = count / plan->batch * (left ? left : plan->block_rows);
  }
  return count % EW_VECTOR != 0;
}

/* An output that is some other value's memory, that already has a destination, whose destination
 * must not be written before all has run, or not behind its end, is copied at the end. */
static void add_outputs(Plan *plan) {
  for (int i = 0; i < plan->output_count; i++) {
    PlanOutput *output = &plan->outputs[i];
    Value *root = &plan->values[plan->values[output->ref].root];
    root->whole = root->batched;
    if (!output->dest) continue;
    if (value_computed(root) && !root->dest && !output->late && !overwrites(plan, root)) {
      root->dest = output->dest;
      continue;
    }
    PlanCall *call = &plan->calls[plan->call_count++];
    *call = (PlanCall){.kind = CALL_COPY, .phase = PHASE_AFTER, .out = output->ref};
    call->call.out.data = output->dest;
    call->parts = 1;
  }
}

/* Calls in order of phase (a stable sort), so that rows and sums stand together. */
static Status sort_calls(Plan *plan, Err *err) {
  PlanCall *sorted = ARENA_ARRAY(&plan->memory, PlanCall, (size_t)plan->call_count + 1);
  int *moved = ARENA_ARRAY(&plan->memory, int, (size_t)plan->call_count + 1);
  if (!sorted || !moved) return no_memory(err);
  static const Phase order[3][2] = {
      {PHASE_ONCE, PHASE_ONCE}, {PHASE_ROWS, PHASE_SUM}, {PHASE_AFTER, PHASE_AFTER}};
  int next = 0;
  for (int group = 0; group < 3; group++) {
    plan->phase_begin[group] = next; /* ONCE, ROWS with SUM, AFTER */
    for (int i = 0; i < plan->call_count; i++)
      if (plan->calls[i].phase == order[group][0] || plan->calls[i].phase == order[group][1]) {
        moved[i] = next;
        sorted[next++] = plan->calls[i];
      }
  }
  plan->phase_begin[3] = next;
  plan->calls = sorted;
  for (Ref ref = 0; ref < plan->value_count; ref++)
    if (plan->values[ref].call >= 0) plan->values[ref].call = moved[plan->values[ref].call];
  return NN_OK;
}

Status plan_calls(Plan *plan, Err *err) {
  plan->calls =
      ARENA_ARRAY(&plan->memory, PlanCall, (size_t)(plan->value_count + plan->output_count));
  if (!plan->calls) return no_memory(err);
  for (Ref ref = 0; ref < plan->value_count; ref++) {
    Value *value = &plan->values[ref];
    if (!value->needed || !value_computed(value) || value->root != ref) continue;
    if (value->node->kind == NODE_RESULT) {
      value->call = plan->values[value->in[0]].call;
      continue;
    }
    if (value->owner != ref) {
      value->call = plan->values[value->owner].call;
      continue;
    }
    if (value_elementwise(value))
      TRY(add_elementwise(plan, ref, err));
    else
      add_kernel(plan, ref);
  }
  mark_stored(plan);
  for (int i = 0; i < plan->call_count; i++)
    if (plan->calls[i].kind == CALL_PROGRAM) make_program(plan, &plan->calls[i]);
  add_outputs(plan);
  return sort_calls(plan, err);
}
