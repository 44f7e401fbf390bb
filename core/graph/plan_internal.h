/* What the plan's passes share. Order: plan_values -> plan_calls -> plan_memory -> plan_run. */
#ifndef NNRUN_GRAPH_PLAN_INTERNAL_H
#define NNRUN_GRAPH_PLAN_INTERNAL_H

#include "base/arena.h"
#include "graph/plan.h"
#include "op/elementwise.h"

/* When a value is computed, in a plan that runs by blocks; otherwise all is PHASE_ONCE. */
typedef enum Phase { PHASE_ONCE, PHASE_ROWS, PHASE_SUM, PHASE_AFTER } Phase;

typedef struct Value {
  const Node *node;
  int inputs;
  Ref in[OP_MAX_INPUTS]; /* the node's, less expansions that elementwise readers do without */
  bool needed;
  Phase phase;
  bool batched; /* the first axis is the batch, in blocks */
  int uses;     /* needed readers, plus one per output */
  bool output;
  Ref root;    /* whose memory this is: itself, or what an alias looks at */
  Ref owner;   /* the node whose call makes it: itself, or the product it is folded into */
  int call;    /* index of that call; -1: not computed (inputs, parameters, inside programs) */
  bool stored; /* has memory: read outside the program that makes it */
  /* memory; of roots only */
  void *dest;       /* given by the caller */
  bool whole;       /* batched, but stored for all rows, not a block */
  int birth, death; /* calls */
  int place;        /* index of its placement; -1 none */
  void *data;
} Value;

typedef enum CallKind { CALL_KERNEL, CALL_PROGRAM, CALL_COPY } CallKind;

typedef struct PlanCall {
  CallKind kind;
  Phase phase;
  Ref out; /* the value made; of a program the first member */
  OpKernel kernel;
  OpCall call;
  OpEpilogue epilogue;
  Ref bias, activation; /* folded nodes, or REF_NONE */
  EwProgram *program;
  Ref *members; /* of a program, in order */
  int member_count;
  Ref program_operand[EW_MAX_OPERANDS];
  Ref program_result[EW_MAX_OPERANDS];
  int parts;
} PlanCall;

/* A pointer to fill when an input is bound or a block begins: *slot = base of value + row offset.
 */
typedef struct Patch {
  void **slot;
  Ref value;
  size_t row_bytes; /* 0: not moved by blocks */
} Patch;

struct Plan {
  Arena memory; /* of the plan's own structures */
  const Graph *graph;
  PlanOptions options;
  PlanOutput *outputs;
  int output_count;
  Value *values;
  int value_count;
  PlanCall *calls;
  int call_count;
  int phase_begin[4];        /* calls run once before, block by block, once after; and their end */
  int64_t batch, block_rows; /* rows in all, rows in a block; block_rows 0: no blocks */
  Patch *patches;
  int patch_count;
  OpRun run;
  int64_t **row_counts; /* dims[0] of every batched operand, to set for the last, shorter block */
  int row_count_count;
  Tensor arena, scratch;
  size_t arena_bytes, scratch_bytes;
  int folded;
};

Status plan_values(Plan *plan, Err *err);
Status plan_calls(Plan *plan, Err *err);
Status plan_memory(Plan *plan, Err *err);
/* Is the value made by a call: an op's, or a further result of one? */
static inline bool value_computed(const Value *value) {
  return value->node->kind == NODE_OP || value->node->kind == NODE_RESULT;
}
/* Is the value computed by an elementwise op? */
static inline bool value_elementwise(const Value *value) {
  return value->node->kind == NODE_OP && op_info(value->node->op)->elementwise;
}
/* Bytes of the value as the plan stores it: `rows` of it when batched. */
size_t value_bytes(const Value *value, int64_t rows);

#endif
