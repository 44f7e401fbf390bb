/* Graph: an append-only list of nodes, each a value with its shape, in the order they were made.
 *
 * A node is an input (bound when a plan runs), a parameter (a tensor that stays), a scalar
 * constant, an op over earlier nodes, or a further result of an op that makes several. Shapes are
 * inferred, and wrong ones refused, as a node is added; the message begins with the layer and the
 * caller sets where in the script that was. Gradients are more nodes, appended by graph_gradient.
 * The graph owns one arena; nodes live as long as it. */
#ifndef NNRUN_GRAPH_GRAPH_H
#define NNRUN_GRAPH_GRAPH_H

#include "op/op.h"

typedef enum NodeKind { NODE_INPUT, NODE_PARAM, NODE_CONSTANT, NODE_OP, NODE_RESULT } NodeKind;

typedef struct Node {
  NodeKind kind;
  OpId op;    /* NODE_OP, and NODE_RESULT: of the op it is a result of, which is in[0] */
  int result; /* NODE_RESULT: which, from 1 */
  int slot;   /* NODE_OP: -1 for the value, else the elementwise gradient form for input `slot` */
  int inputs; /* of a gradient form always 5: g, a, b, c, y */
  Ref in[OP_MAX_INPUTS];
  const Attrs *attrs;
  DType dtype;
  Shape shape;
  const OpMore *more;              /* NODE_OP of several results: their shapes */
  Ref results[OP_MAX_RESULTS - 1]; /* and their nodes; REF_NONE: never asked for */
  bool batched;                    /* NODE_INPUT: the first axis is the batch */
  double value;                    /* NODE_CONSTANT */
  Tensor tensor;                   /* NODE_PARAM */
  const char *name;                /* of an input or parameter, or NULL */
  const char *layer;               /* whose forward made it, or NULL */
  const char *where;               /* script file:line, or NULL */
} Node;

typedef struct Graph Graph;

Status graph_new(Graph **out, Err *err);
void graph_free(Graph *graph);

/* Nodes added from now on carry these; either may be NULL. The texts are copied. */
Status graph_set_place(Graph *graph, const char *layer, const char *where, Err *err);

Status graph_input(Graph *graph, Ref *out, DType dtype, const Shape *shape, bool batched,
                   const char *name, Err *err);
/* The same tensor (same memory) always gives the same node: weights may be shared. */
Status graph_param(Graph *graph, Ref *out, const Tensor *tensor, const char *name, Err *err);
Status graph_constant(Graph *graph, Ref *out, DType dtype, double value, Err *err);
/* `attrs` NULL: all defaults. `inputs` may end in REF_NONE where the row says optional. */
Status graph_op(Graph *graph, Ref *out, OpId op, const Ref *inputs, int count, const Attrs *attrs,
                Err *err);

/* The value of result `index` (0 is `ref` itself) of the op that is node `ref`. */
Status graph_result(Graph *graph, Ref *out, Ref ref, int index, Err *err);

/* Append the gradient of `loss` (one element) with respect to each of `wrt`: grads[i] has the shape
 * of wrt[i], or is REF_NONE when the loss does not depend on it. */
Status graph_gradient(Graph *graph, Ref loss, const Ref *wrt, int count, Ref *grads, Err *err);

/* Multiply-adds of the nodes `first` to `end` - 1: of products, convolutions and the like, whose
 * ops say so. What works element by element counts nothing. */
int64_t graph_cost(const Graph *graph, Ref first, Ref end);

int graph_count(const Graph *graph);
const Node *graph_node(const Graph *graph, Ref ref);
/* "matmul of linear_2 (script.lua:12)": how messages name a node. Returns `text`. */
const char *graph_node_text(const Graph *graph, Ref ref, char *text, size_t size);

#endif
