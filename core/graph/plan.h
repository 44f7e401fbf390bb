/* Plan: a graph made ready to run, as a straight list of kernel calls over one allocation.
 *
 * plan_new keeps only the nodes its outputs need, folds bias and activation into matrix products,
 * joins elementwise ops into programs of one pass, places every value in one arena by lifetime, in
 * place where it may, and, when all work is row by row over a large batch, runs it in blocks of
 * rows that stay in cache, adding up what is summed over the batch. Each of these has an off
 * switch, and gives the same result as without, up to rounding.
 *
 * Order of calls: plan_new, plan_bind for every input, plan_run as often as wanted. The graph must
 * outlive the plan. A plan belongs to one thread at a time; it uses its pool from there. */
#ifndef NNRUN_GRAPH_PLAN_H
#define NNRUN_GRAPH_PLAN_H

#include "base/pool.h"
#include "graph/graph.h"

typedef enum PlanOff {
  PLAN_NO_FOLD = 1,     /* bias and activation stay their own passes */
  PLAN_NO_FUSION = 2,   /* one pass per elementwise op */
  PLAN_NO_IN_PLACE = 4, /* results never take an operand's place */
  PLAN_NO_REUSE = 8,    /* every value has its own memory */
  PLAN_NO_BLOCKS = 16,  /* the whole batch at once */
} PlanOff;

typedef struct PlanOptions {
  Isa isa;
  Pool *pool;         /* NULL: one thread */
  unsigned off;       /* PlanOff bits */
  int64_t block_rows; /* force blocks of so many rows where they are possible; 0: by cache size */
} PlanOptions;

/* A value wanted after a run. `dest` gets it (shape of the node; nothing is written behind its
 * end), or NULL: it stays in the plan's arena until the next run. */
typedef struct PlanOutput {
  Ref ref;
  void *dest;
  bool late; /* write dest only when all else has run: somebody may read what is there */
} PlanOutput;

typedef struct Plan Plan;

Status plan_new(Plan **out, const Graph *graph, const PlanOutput *outputs, int count,
                const PlanOptions *options, Err *err);
void plan_free(Plan *plan);

/* Where an input's data is from now on: its shape, readable TENSOR_PAD bytes past its end. */
void plan_bind(Plan *plan, Ref input, const void *data);
void plan_run(Plan *plan, const OpRun *run);
/* The value of the index-th output after plan_run. */
const void *plan_output(const Plan *plan, int index);

typedef struct PlanInfo {
  int calls;          /* kernel calls in one run (of one block) */
  int programs;       /* of them elementwise programs */
  int folded;         /* nodes folded into other ops */
  size_t bytes;       /* of the arena */
  int64_t block_rows; /* 0: not run by blocks */
} PlanInfo;
PlanInfo plan_info(const Plan *plan);

/* Run again with nothing fused or reused and return the first node, in order of the graph, whose
 * value is NaN or infinite; REF_NONE when all are finite. For reporting, not for speed. The inputs
 * are those bound to `plan`. */
Status plan_find_nonfinite(const Plan *plan, const OpRun *run, Ref *out, Err *err);

#endif
