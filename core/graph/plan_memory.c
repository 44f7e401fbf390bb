/* Third pass: where every value lives. Lifetimes in calls, results in place of operands that end
 * there, the rest packed by size or by time; then every pointer and shape of the calls. */
#include "graph/plan_internal.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

typedef struct Placement {
  int birth, death;
  size_t size, offset;
} Placement;

static Status no_memory(Err *err) { return err_set(err, NN_NO_MEMORY, "no memory for a plan"); }

static Value *root_of(const Plan *plan, Ref ref) { return &plan->values[plan->values[ref].root]; }

/* The op a call runs, less what is folded into it. */
static const Value *op_of(const Plan *plan, const PlanCall *call) {
  return &plan->values[plan->values[call->out].owner];
}

static void read_at(Value *value, int call) {
  if (call > value->death) value->death = call;
}

/* Is the value's memory the plan's to give? */
static bool in_arena(const Plan *plan, Ref ref) {
  const Value *value = &plan->values[ref];
  if (!value->needed || !value_computed(value) || value->root != ref || value->dest) return false;
  if (value->node->kind == NODE_RESULT) return true;
  const PlanCall *call = &plan->calls[value->call];
  return call->kind == CALL_PROGRAM ? value->stored : call->out == ref;
}

static void find_lifetimes(Plan *plan) {
  int end = plan->call_count;
  for (Ref ref = 0; ref < plan->value_count; ref++) {
    Value *value = &plan->values[ref];
    if (!value->needed) continue;
    if (value->output) read_at(root_of(plan, ref), end);
    if (!value_computed(value) || value->root != ref) continue;
    value->birth = value->call;
    read_at(value, value->call);
    for (int i = 0; i < value->inputs; i++)
      if (value->in[i] != REF_NONE) read_at(root_of(plan, value->in[i]), value->call);
  }
  int first = plan->phase_begin[1], last = plan->phase_begin[2] - 1;
  for (Ref ref = 0; plan->block_rows && ref < plan->value_count; ref++) {
    Value *value = &plan->values[ref];
    if (value->birth < 0) continue;
    if (value->birth < first && value->death >= first) read_at(value, last);
    if (value->phase != PHASE_SUM && !value->whole) continue;
    value->birth = first; /* lives through all blocks */
    read_at(value, last);
  }
}

/* ---- in place ---- */

/* May the result of this call take the memory of `from`, which it reads element by element? */
static bool may_take(const Plan *plan, int call, Ref from, const Value *result) {
  Ref root = plan->values[from].root;
  const Value *value = &plan->values[root];
  return in_arena(plan, root) && value->place >= 0 && value->death == call && !value->whole &&
         value->phase == result->phase && value->batched == result->batched &&
         value_bytes(value, 1) == value_bytes(result, 1) &&
         shape_count(&value->node->shape) == shape_count(&result->node->shape);
}

/* The last step of a program that reads operand `index`. */
static int last_reading_step(const EwProgram *program, int index) {
  int last = -1;
  for (int s = 0; s < program->steps; s++)
    for (int k = 0; k < 5; k++)
      if (program->step[s].in[k] == (EW_OPERAND | index)) last = s;
  return last;
}

static Ref taken_by_program(const Plan *plan, int index, const Value *result, Ref ref,
                            bool *taken) {
  const PlanCall *call = &plan->calls[index];
  const EwProgram *program = call->program;
  int made = 0;
  while (call->members[made] != ref) made++;
  for (int i = 0; i < program->operands; i++) {
    if (taken[i] || program->operand[i].mode != EW_FULL) continue;
    if (last_reading_step(program, i) > made) continue;
    bool shared = false; /* two operands may be one memory, under two shapes */
    for (int k = 0; k < program->operands; k++)
      shared |= k != i && plan->values[call->program_operand[k]].root ==
                              plan->values[call->program_operand[i]].root;
    if (shared || !may_take(plan, index, call->program_operand[i], result)) continue;
    taken[i] = true;
    return plan->values[call->program_operand[i]].root;
  }
  return REF_NONE;
}

static Ref taken_by_kernel(const Plan *plan, int index, const Value *result) {
  const Value *value = &plan->values[plan->calls[index].out];
  if (plan->calls[index].kind != CALL_KERNEL || !op_info(value->node->op)->in_place)
    return REF_NONE;
  /* folded into a product, which reads its bias after it has written */
  if (value->owner != plan->calls[index].out) return REF_NONE;
  Ref root = plan->values[value->in[0]].root;
  for (int i = 1; i < value->inputs; i++)
    if (value->in[i] != REF_NONE && plan->values[value->in[i]].root == root) return REF_NONE;
  return may_take(plan, index, value->in[0], result) ? root : REF_NONE;
}

/* ---- placement ---- */

/* Give the value memory of its own, or that of `from`, which it takes over. */
static Status place(Plan *plan, Value *value, Ref from, Placement *placements, int *count,
                    Err *err) {
  if (from != REF_NONE) {
    value->place = plan->values[from].place;
    Placement *taken = &placements[value->place];
    if (value->death > taken->death) taken->death = value->death;
    return NN_OK;
  }
  value->place = *count;
  Placement *own = &placements[(*count)++];
  *own = (Placement){.birth = value->birth, .death = value->death};
  int64_t rows = value->whole || !plan->block_rows ? plan->batch : plan->block_rows;
  if (!checked_add(&own->size, value_bytes(value, rows), TENSOR_PAD) ||
      !checked_align(&own->size, own->size, TENSOR_ALIGN))
    return err_set(err, NN_TOO_LARGE, "a value of the plan is too large");
  return NN_OK;
}

static Status place_program(Plan *plan, int index, Placement *placements, int *count, Err *err) {
  const PlanCall *call = &plan->calls[index];
  bool taken[EW_MAX_OPERANDS] = {false};
  for (int m = 0; m < call->member_count; m++) {
    Ref ref = call->members[m], from = REF_NONE;
    Value *value = &plan->values[ref];
    if (!in_arena(plan, ref)) continue;
    if (!(plan->options.off & PLAN_NO_IN_PLACE) && !value->whole)
      from = taken_by_program(plan, index, value, ref, taken);
    TRY(place(plan, value, from, placements, count, err));
  }
  return NN_OK;
}

static Status place_kernel(Plan *plan, int index, Placement *placements, int *count, Err *err) {
  const PlanCall *call = &plan->calls[index];
  Value *value = &plan->values[call->out];
  if (in_arena(plan, call->out)) {
    Ref from = REF_NONE;
    if (!(plan->options.off & PLAN_NO_IN_PLACE) && !value->whole)
      from = taken_by_kernel(plan, index, value);
    TRY(place(plan, value, from, placements, count, err));
  }
  const Node *node = op_of(plan, call)->node;
  for (int i = 0; i < op_info(node->op)->results - 1; i++) {
    Ref result = node->results[i];
    if (result == REF_NONE || !in_arena(plan, result)) continue;
    TRY(place(plan, &plan->values[result], REF_NONE, placements, count, err));
  }
  return NN_OK;
}

static Status make_placements(Plan *plan, Placement *placements, int *count, Err *err) {
  for (int c = 0; c < plan->call_count; c++) {
    CallKind kind = plan->calls[c].kind;
    if (kind == CALL_PROGRAM) TRY(place_program(plan, c, placements, count, err));
    if (kind == CALL_KERNEL) TRY(place_kernel(plan, c, placements, count, err));
  }
  return NN_OK;
}

static int larger_first(const void *a, const void *b) {
  const Placement *x = *(Placement *const *)a, *y = *(Placement *const *)b;
  if (x->size != y->size) return x->size < y->size ? 1 : -1;
  return x->birth - y->birth;
}

static int earlier_first(const void *a, const void *b) {
  const Placement *x = *(Placement *const *)a, *y = *(Placement *const *)b;
  return x->birth != y->birth ? x->birth - y->birth : larger_first(a, b);
}

/* A placed value that lives at the same time as `place` and is in its way at `offset`, or NULL. */
static const Placement *in_the_way(Placement *const *placed, int count, const Placement *place,
                                   size_t offset) {
  for (int i = 0; i < count; i++) {
    const Placement *other = placed[i];
    if (place->birth <= other->death && other->birth <= place->death &&
        offset + place->size > other->offset && other->offset + other->size > offset)
      return other;
  }
  return NULL;
}

static size_t lowest_offset(Placement *const *placed, int count, const Placement *place) {
  size_t offset = 0;
  for (const Placement *other; (other = in_the_way(placed, count, place, offset));)
    offset = other->offset + other->size;
  return offset;
}

/* The highest offset below `capacity`; SIZE_MAX when there is none. */
static size_t highest_offset(Placement *const *placed, int count, const Placement *place,
                             size_t capacity) {
  size_t end = capacity;
  while (end >= place->size) {
    const Placement *other = in_the_way(placed, count, place, end - place->size);
    if (!other) return end - place->size;
    end = other->offset;
  }
  return SIZE_MAX;
}

/* Both packings return the end of what they placed. */
static size_t pack_by_size(Placement **order, int count) {
  size_t end = 0;
  qsort(order, (size_t)count, sizeof(Placement *), larger_first);
  for (int i = 0; i < count; i++) {
    order[i]->offset = lowest_offset(order, i, order[i]);
    if (order[i]->offset + order[i]->size > end) end = order[i]->offset + order[i]->size;
  }
  return end;
}

/* In order of time, against one end of the arena or the other: a chain of layers, each value read
 * by the next call alone, so needs no more than the largest two neighbours. */
static size_t pack_by_time(Placement **order, int count, size_t capacity) {
  size_t end = 0;
  qsort(order, (size_t)count, sizeof(Placement *), earlier_first);
  for (int i = 0; i < count; i++) {
    size_t low = lowest_offset(order, i, order[i]);
    size_t high = low ? highest_offset(order, i, order[i], capacity) : SIZE_MAX;
    bool fits = low + order[i]->size <= capacity;
    bool at_top = high != SIZE_MAX && (high + order[i]->size == capacity || !fits);
    order[i]->offset = at_top ? high : low;
    if (order[i]->offset + order[i]->size > end) end = order[i]->offset + order[i]->size;
  }
  return end;
}

/* No packing takes less than what lives at the same time. */
static size_t most_alive(Placement *const *order, int count) {
  size_t most = 0;
  for (int i = 0; i < count; i++) {
    size_t alive = 0;
    for (int k = 0; k < count; k++)
      if (order[k]->birth <= order[i]->birth && order[k]->death >= order[i]->birth)
        alive += order[k]->size;
    if (alive > most) most = alive;
  }
  return most;
}

/* The smaller of two packings. */
static size_t pack_best(Placement **order, int count) {
  size_t least = most_alive(order, count), by_size = pack_by_size(order, count);
  if (by_size == least) return by_size;
  size_t by_time = pack_by_time(order, count, least);
  return by_time < by_size ? by_time : pack_by_size(order, count);
}

static Status pack(Plan *plan, Placement *placements, int count, Err *err) {
  Placement **order = malloc(((size_t)count + 1) * sizeof(Placement *));
  if (!order) return no_memory(err);
  for (int i = 0; i < count; i++) {
    order[i] = &placements[i];
    if (!(plan->options.off & PLAN_NO_REUSE)) continue;
    order[i]->birth = 0;
    order[i]->death = plan->call_count;
  }
  plan->arena_bytes = pack_best(order, count);
  free(order);
  Tensor *arena = &plan->arena;
  Shape shape = {.ndim = 1, .dims = {(int64_t)(plan->arena_bytes / sizeof(double)) + 1}};
  return tensor_new(arena, DTYPE_F64, &shape, err);
}

/* ---- pointers ---- */

static Status constant_data(Plan *plan, Value *value, Err *err) {
  enum { WIDE = TENSOR_PAD / sizeof(float) };
  value->data = arena_alloc(&plan->memory, WIDE + EW_VECTOR, sizeof(double));
  if (!value->data) return no_memory(err);
  for (int i = 0; i < WIDE; i++) {
    if (value->node->dtype == DTYPE_F32) ((float *)value->data)[i] = (float)value->node->value;
    if (value->node->dtype == DTYPE_F64) ((double *)value->data)[i] = value->node->value;
    if (value->node->dtype == DTYPE_I64) ((int64_t *)value->data)[i] = (int64_t)value->node->value;
  }
  return NN_OK;
}

static Status resolve(Plan *plan, const Placement *placements, Err *err) {
  for (Ref ref = 0; ref < plan->value_count; ref++) {
    Value *value = &plan->values[ref];
    if (!value->needed || value->root != ref) continue;
    if (value->node->kind == NODE_CONSTANT) TRY(constant_data(plan, value, err));
    if (value->node->kind == NODE_PARAM) value->data = value->node->tensor.data;
    if (value_computed(value))
      value->data = value->dest         ? value->dest
                    : value->place >= 0 ? (char *)plan->arena.data + placements[value->place].offset
                                        : NULL;
  }
  return NN_OK;
}

static void set_pointer(Plan *plan, void **slot, Ref ref) {
  Ref root = plan->values[ref].root;
  const Value *value = &plan->values[root];
  *slot = value->data;
  bool moves = plan->block_rows && value->batched && value->whole;
  if (value->node->kind != NODE_INPUT && !moves) return;
  plan->patches[plan->patch_count++] =
      (Patch){.slot = slot, .value = root, .row_bytes = moves ? value_bytes(value, 1) : 0};
}

static void set_arg(Plan *plan, OpArg *arg, Ref ref) {
  const Value *value = &plan->values[ref];
  arg->dtype = value->node->dtype;
  arg->shape = value->node->shape;
  set_pointer(plan, &arg->data, ref);
  if (!plan->block_rows || !value->batched) return;
  arg->shape.dims[0] = plan->block_rows;
  plan->row_counts[plan->row_count_count++] = &arg->shape.dims[0];
}

static size_t call_scratch(const Plan *plan, const PlanCall *call) {
  const Value *value = op_of(plan, call);
  const OpInfo *info = op_info(value->node->op);
  if (!info->scratch) return 0;
  Attrs attrs = *call->call.attrs;
  OpShape shape = {.op = value->node->op,
                   .inputs = call->call.inputs,
                   .attrs = &attrs,
                   .out = call->call.out.shape,
                   .out_dtype = call->call.out.dtype};
  for (int i = 0; i < info->results - 1; i++)
    shape.more[i] = (OpMore){call->call.more[i].shape, call->call.more[i].dtype};
  for (int i = 0; i < call->call.inputs; i++) {
    if (value->in[i] == REF_NONE) continue;
    shape.shape[i] = &call->call.in[i].shape;
    shape.dtype[i] = call->call.in[i].dtype;
  }
  return info->scratch(&shape);
}

static void connect_kernel(Plan *plan, PlanCall *call) {
  const Value *value = op_of(plan, call);
  for (int i = 0; i < value->inputs; i++)
    if (value->in[i] != REF_NONE) set_arg(plan, &call->call.in[i], value->in[i]);
  set_arg(plan, &call->call.out, call->out);
  for (int i = 0; i < op_info(value->node->op)->results - 1; i++) {
    call->call.more[i].shape = value->node->more[i].shape;
    call->call.more[i].dtype = value->node->more[i].dtype;
    Ref result = value->node->results[i];
    if (result != REF_NONE && plan->values[result].needed)
      set_arg(plan, &call->call.more[i], result);
  }
  call->call.run = &plan->run;
  if (call->bias != REF_NONE) set_pointer(plan, (void **)&call->epilogue.bias, call->bias);
  if (call->activation != REF_NONE) {
    const Node *node = plan->values[call->activation].node;
    call->epilogue.activation = ew_loop(node->op, -1, node->dtype, plan->options.isa);
    for (int i = 0; i < 4; i++) call->epilogue.attrs[i] = node->attrs->at[i].number;
  }
  if (call->bias != REF_NONE || call->activation != REF_NONE) call->call.epilogue = &call->epilogue;
  call->parts = op_parts(value->node->op, &call->call, pool_threads(plan->options.pool));
  size_t scratch = call_scratch(plan, call) * (size_t)call->parts;
  if (scratch > plan->scratch_bytes) plan->scratch_bytes = scratch;
}

static void connect_program(Plan *plan, PlanCall *call) {
  EwProgram *program = call->program;
  for (int i = 0; i < program->operands; i++)
    set_pointer(plan, (void **)&program->operand[i].data, call->program_operand[i]);
  for (int i = 0; i < program->results; i++)
    set_pointer(plan, &program->result[i], call->program_result[i]);
  if (plan->block_rows && plan->values[call->out].batched) {
    program->shape.dims[0] = plan->block_rows;
    plan->row_counts[plan->row_count_count++] = &program->shape.dims[0];
  }
  call->parts =
      ew_parts(shape_count(&program->shape), program->steps, pool_threads(plan->options.pool));
}

static Status connect(Plan *plan, Err *err) {
  size_t slots = 1;
  for (int i = 0; i < plan->call_count; i++)
    slots +=
        OP_MAX_INPUTS + OP_MAX_RESULTS + 2 + (plan->calls[i].program ? 2 * EW_MAX_OPERANDS : 0);
  plan->patches = ARENA_ARRAY(&plan->memory, Patch, slots);
  plan->row_counts = ARENA_ARRAY(&plan->memory, int64_t *, slots);
  if (!plan->patches || !plan->row_counts) return no_memory(err);
  for (int i = 0; i < plan->call_count; i++) {
    PlanCall *call = &plan->calls[i];
    if (call->kind == CALL_KERNEL) connect_kernel(plan, call);
    if (call->kind == CALL_PROGRAM) connect_program(plan, call);
    if (call->kind == CALL_COPY) {
      void *dest = call->call.out.data;
      call->call.in[0].shape = plan->values[call->out].node->shape;
      call->call.in[0].dtype = plan->values[call->out].node->dtype;
      set_pointer(plan, &call->call.in[0].data, call->out);
      if (plan->patch_count && plan->patches[plan->patch_count - 1].slot == &call->call.in[0].data)
        plan->patches[plan->patch_count - 1].row_bytes = 0; /* after all blocks: from the start */
      call->call.out.data = dest;
    }
  }
  if (!plan->scratch_bytes) return NN_OK;
  Shape shape = {.ndim = 1, .dims = {(int64_t)(plan->scratch_bytes / sizeof(double)) + 1}};
  TRY(tensor_new(&plan->scratch, DTYPE_F64, &shape, err));
  for (int i = 0; i < plan->call_count; i++) plan->calls[i].call.scratch = plan->scratch.data;
  return NN_OK;
}

Status plan_memory(Plan *plan, Err *err) {
  find_lifetimes(plan);
  Placement *placements = ARENA_ARRAY(&plan->memory, Placement, (size_t)plan->value_count + 1);
  if (!placements) return no_memory(err);
  int count = 0;
  TRY(make_placements(plan, placements, &count, err));
  TRY(pack(plan, placements, count, err));
  TRY(resolve(plan, placements, err));
  return connect(plan, err);
}
