#include "graph/graph.h"

#include "base/arena.h"
#include "op/elementwise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Graph {
  Arena arena;
  Node **nodes; /* each in the arena, so that pointers to nodes stay valid */
  int count, capacity;
  const char *layer, *where;
};

Status graph_new(Graph **out, Err *err) {
  *out = calloc(1, sizeof **out);
  return *out ? NN_OK : err_set(err, NN_NO_MEMORY, "no memory for a graph");
}

void graph_free(Graph *graph) {
  if (!graph) return;
  for (int i = 0; i < graph->count; i++) tensor_release(&graph->nodes[i]->tensor);
  arena_free(&graph->arena);
  free(graph->nodes);
  free(graph);
}

static Status no_memory(Err *err) {
  return err_set(err, NN_NO_MEMORY, "no memory for a graph node");
}

static Status intern(Graph *graph, const char **slot, const char *text, Err *err) {
  if (!text) {
    *slot = NULL;
    return NN_OK;
  }
  if (*slot && strcmp(*slot, text) == 0) return NN_OK;
  *slot = arena_strdup(&graph->arena, text);
  return *slot ? NN_OK : no_memory(err);
}

Status graph_set_place(Graph *graph, const char *layer, const char *where, Err *err) {
  TRY(intern(graph, &graph->layer, layer, err));
  return intern(graph, &graph->where, where, err);
}

static Status node_new(Graph *graph, Ref *out, Node **node, Err *err) {
  *out = REF_NONE;
  if (graph->count == graph->capacity) {
    int capacity = graph->capacity ? 2 * graph->capacity : 64;
    Node **nodes = realloc(graph->nodes, (size_t)capacity * sizeof(Node *));
    if (!nodes) return no_memory(err);
    graph->nodes = nodes;
    graph->capacity = capacity;
  }
  *node = ARENA_NEW(&graph->arena, Node);
  if (!*node) return no_memory(err);
  (*node)->slot = -1;
  for (int i = 0; i < OP_MAX_RESULTS - 1; i++) (*node)->results[i] = REF_NONE;
  (*node)->layer = graph->layer;
  (*node)->where = graph->where;
  graph->nodes[graph->count] = *node;
  *out = graph->count++;
  return NN_OK;
}

Status graph_input(Graph *graph, Ref *out, DType dtype, const Shape *shape, bool batched,
                   const char *name, Err *err) {
  TRY(shape_check(shape, dtype, err));
  Node *node;
  TRY(node_new(graph, out, &node, err));
  node->kind = NODE_INPUT;
  node->dtype = dtype;
  node->shape = *shape;
  node->batched = batched && shape->ndim > 0;
  return intern(graph, &node->name, name, err);
}

Status graph_param(Graph *graph, Ref *out, const Tensor *tensor, const char *name, Err *err) {
  for (int i = 0; i < graph->count; i++) {
    const Node *node = graph->nodes[i];
    if (node->kind == NODE_PARAM && node->tensor.data == tensor->data &&
        shape_equal(&node->shape, &tensor->shape)) {
      *out = i;
      return NN_OK;
    }
  }
  Node *node;
  TRY(node_new(graph, out, &node, err));
  node->kind = NODE_PARAM;
  node->dtype = tensor->dtype;
  node->shape = tensor->shape;
  node->tensor = tensor_share(tensor);
  return intern(graph, &node->name, name, err);
}

Status graph_constant(Graph *graph, Ref *out, DType dtype, double value, Err *err) {
  Node *node;
  TRY(node_new(graph, out, &node, err));
  node->kind = NODE_CONSTANT;
  node->dtype = dtype;
  node->value = value;
  return NN_OK;
}

/* The message gets the layer's name in front; the caller knows the script line. */
static Status in_layer(const Graph *graph, Status status, Err *err) {
  if (status != NN_OK && graph->layer) err_prefix(err, "%s", graph->layer);
  return status;
}

/* An elementwise op of constants alone is a constant. */
static bool fold(const Graph *graph, OpId op, int slot, const Ref *inputs, int count,
                 const Attrs *attrs, double *value) {
  double operands[5][EW_VECTOR], result[EW_VECTOR], numbers[4];
  const void *in[5] = {NULL};
  for (int i = 0; i < count; i++) {
    if (inputs[i] == REF_NONE) continue;
    const Node *node = graph->nodes[inputs[i]];
    if (node->kind != NODE_CONSTANT) return false;
    int at = slot < 0 ? i + 1 : i;
    for (int k = 0; k < EW_VECTOR; k++) operands[at][k] = node->value;
    in[at] = operands[at];
  }
  for (int i = 0; i < 4; i++) numbers[i] = attrs->at[i].number;
  ew_loop(op, slot, DTYPE_F64, ISA_base)(result, in, numbers, EW_VECTOR);
  *value = result[0];
  return true;
}

static Status check_inputs(const Graph *graph, OpId op, const Ref *inputs, int count, Err *err) {
  const OpInfo *info = op_info(op);
  if (count > info->arity || count < info->arity - info->optional)
    return err_set(err, NN_BAD_ARGUMENT, "%s takes %d operands, not %d", info->name, info->arity,
                   count);
  for (int i = 0; i < count; i++) {
    bool may_miss = i >= info->arity - info->optional;
    if (inputs[i] >= graph->count || inputs[i] < (may_miss ? REF_NONE : 0))
      return err_set(err, NN_BAD_ARGUMENT, "%s: operand %d is no value of this graph", info->name,
                     i + 1);
  }
  return NN_OK;
}

/* Shapes of results 1 to `count`, for the node. */
static Status keep_more(Graph *graph, const OpMore **out, const OpShape *call, int count,
                        Err *err) {
  OpMore *more = ARENA_ARRAY(&graph->arena, OpMore, (size_t)count);
  if (!more) return no_memory(err);
  for (int i = 0; i < count; i++) {
    more[i] = call->more[i];
    TRY(in_layer(graph, shape_check(&more[i].shape, more[i].dtype, err), err));
  }
  *out = more;
  return NN_OK;
}

/* Append an op or an elementwise gradient form (slot >= 0) whose inputs are checked. */
static Status append(Graph *graph, Ref *out, OpId op, int slot, const Ref *inputs, int count,
                     const Attrs *attrs, Err *err) {
  const OpInfo *info = op_info(op);
  Attrs *own = ARENA_NEW(&graph->arena, Attrs);
  if (!own) return no_memory(err);
  if (attrs)
    *own = *attrs;
  else
    op_attr_defaults(op, own);
  OpShape call = {.op = op, .inputs = count, .attrs = own};
  int first = 0;
  while (slot >= 0 && inputs[first] == REF_NONE) first++;
  for (int i = first; i < count; i++) {
    if (inputs[i] == REF_NONE) continue;
    call.shape[i] = &graph->nodes[inputs[i]]->shape;
    call.dtype[i] = graph->nodes[inputs[i]]->dtype;
  }
  if (slot < 0) {
    TRY(in_layer(graph, info->infer(&call, err), err));
  } else { /* broadcast of what is there: shapes were checked forwards */
    call.out = *call.shape[first];
    call.out_dtype = call.dtype[first];
    for (int i = first + 1; i < count; i++) {
      Shape left = call.out;
      if (call.shape[i]) TRY(op_broadcast(op, &left, call.shape[i], &call.out, err));
    }
  }
  double value;
  if (info->elementwise && fold(graph, op, slot, inputs, count, own, &value))
    return graph_constant(graph, out, call.out_dtype, value, err);
  TRY(in_layer(graph, shape_check(&call.out, call.out_dtype, err), err));
  const OpMore *more = NULL;
  if (slot < 0 && info->results > 1) TRY(keep_more(graph, &more, &call, info->results - 1, err));
  Node *node;
  TRY(node_new(graph, out, &node, err));
  node->kind = NODE_OP;
  node->op = op;
  node->slot = slot;
  node->inputs = count;
  for (int i = 0; i < OP_MAX_INPUTS; i++) node->in[i] = i < count ? inputs[i] : REF_NONE;
  node->attrs = own;
  node->dtype = call.out_dtype;
  node->shape = call.out;
  node->more = more;
  return NN_OK;
}

Status graph_op(Graph *graph, Ref *out, OpId op, const Ref *inputs, int count, const Attrs *attrs,
                Err *err) {
  *out = REF_NONE;
  TRY(in_layer(graph, check_inputs(graph, op, inputs, count, err), err));
  return append(graph, out, op, -1, inputs, count, attrs, err);
}

Status graph_result(Graph *graph, Ref *out, Ref ref, int index, Err *err) {
  *out = ref;
  if (index == 0) return NN_OK;
  Node *main = graph->nodes[ref];
  if (main->kind != NODE_OP || index < 0 || index >= op_info(main->op)->results)
    return err_set(err, NN_BAD_ARGUMENT, "a node has no result %d", index);
  *out = main->results[index - 1];
  if (*out != REF_NONE) return NN_OK;
  Node *node;
  TRY(node_new(graph, out, &node, err));
  node->kind = NODE_RESULT;
  node->op = main->op;
  node->result = index;
  node->inputs = 1;
  for (int i = 0; i < OP_MAX_INPUTS; i++) node->in[i] = i == 0 ? ref : REF_NONE;
  node->attrs = main->attrs;
  node->dtype = main->more[index - 1].dtype;
  node->shape = main->more[index - 1].shape;
  node->layer = main->layer;
  node->where = main->where;
  main->results[index - 1] = *out;
  return NN_OK;
}

static int64_t node_cost(const Graph *graph, const Node *node) {
  const OpInfo *info = op_info(node->op);
  if (!info->cost) return 0;
  Attrs attrs = *node->attrs;
  OpShape shape = {.op = node->op,
                   .inputs = node->inputs,
                   .attrs = &attrs,
                   .out = node->shape,
                   .out_dtype = node->dtype};
  for (int i = 0; i < node->inputs; i++) {
    if (node->in[i] == REF_NONE) continue;
    shape.shape[i] = &graph->nodes[node->in[i]]->shape;
    shape.dtype[i] = graph->nodes[node->in[i]]->dtype;
  }
  return info->cost(&shape);
}

int64_t graph_cost(const Graph *graph, Ref first, Ref end) {
  int64_t cost = 0;
  for (Ref ref = first; ref < end; ref++) {
    const Node *node = graph->nodes[ref];
    if (node->kind == NODE_OP && node->slot < 0) cost += node_cost(graph, node);
  }
  return cost;
}

int graph_count(const Graph *graph) { return graph->count; }

const Node *graph_node(const Graph *graph, Ref ref) { return graph->nodes[ref]; }

const char *graph_node_text(const Graph *graph, Ref ref, char *text, size_t size) {
  const Node *node = graph->nodes[ref];
  bool of_op = node->kind == NODE_OP || node->kind == NODE_RESULT;
  const char *what = of_op ? op_info(node->op)->name : node->name ? node->name : "constant";
  snprintf(text, size, "%s%s%s%s%s%s%s", node->slot >= 0 ? "gradient of " : "", what,
           node->layer ? " in " : "", node->layer ? node->layer : "", node->where ? " (" : "",
           node->where ? node->where : "", node->where ? ")" : "");
  return text;
}

/* ---- gradient ---- */

typedef struct GraphBuilder {
  OpBuilder base; /* first: a builder is cast back */
  Graph *graph;
  Status status;
  Err *err;
} GraphBuilder;

static Ref builder_emit(OpBuilder *base, OpId op, const Ref *inputs, int count,
                        const Attrs *attrs) {
  GraphBuilder *builder = (GraphBuilder *)base;
  Ref out = REF_NONE;
  if (builder->status == NN_OK)
    builder->status = graph_op(builder->graph, &out, op, inputs, count, attrs, builder->err);
  return out;
}

static Ref builder_emit_grad(OpBuilder *base, OpId op, int slot, const Ref inputs[5],
                             const Attrs *attrs) {
  GraphBuilder *builder = (GraphBuilder *)base;
  Ref out = REF_NONE;
  if (builder->status == NN_OK)
    builder->status = append(builder->graph, &out, op, slot, inputs, 5, attrs, builder->err);
  return out;
}

static Ref builder_result(OpBuilder *base, Ref ref, int index) {
  GraphBuilder *builder = (GraphBuilder *)base;
  Ref out = REF_NONE;
  if (builder->status == NN_OK && ref != REF_NONE)
    builder->status = graph_result(builder->graph, &out, ref, index, builder->err);
  return out;
}

static Ref builder_constant(OpBuilder *base, DType dtype, double value) {
  GraphBuilder *builder = (GraphBuilder *)base;
  Ref out = REF_NONE;
  if (builder->status == NN_OK)
    builder->status = graph_constant(builder->graph, &out, dtype, value, builder->err);
  return out;
}

/* After a failure every ref is REF_NONE; a scalar stands in so that rules need no checks. */
static const Shape *builder_shape(OpBuilder *base, Ref ref) {
  static const Shape scalar = {0};
  return ref == REF_NONE ? &scalar : &((GraphBuilder *)base)->graph->nodes[ref]->shape;
}

static DType builder_dtype(OpBuilder *base, Ref ref) {
  return ref == REF_NONE ? DTYPE_F32 : ((GraphBuilder *)base)->graph->nodes[ref]->dtype;
}

/* Does a gradient arrive at the node, or at one of its further results? */
static bool reached(const Graph *graph, Ref ref, const Ref *adjoint, int nodes) {
  const Node *node = graph->nodes[ref];
  bool any = adjoint[ref] != REF_NONE;
  for (int i = 0; i < OP_MAX_RESULTS - 1; i++)
    any |= node->results[i] != REF_NONE && node->results[i] < nodes &&
           adjoint[node->results[i]] != REF_NONE;
  return any;
}

/* Send the gradient of node `ref` on to its inputs. */
static Status send_back(GraphBuilder *builder, Ref ref, Ref *adjoint, const bool *wanted,
                        int nodes) {
  Graph *graph = builder->graph;
  const Node *node = graph->nodes[ref];
  const OpInfo *info = op_info(node->op);
  OpGrad grad = {.builder = &builder->base,
                 .op = node->op,
                 .inputs = node->inputs,
                 .attrs = node->attrs,
                 .out = ref,
                 .out_grad = adjoint[ref]};
  for (int i = 0; i < node->inputs; i++) {
    grad.in[i] = node->in[i];
    grad.wants[i] = node->in[i] != REF_NONE && wanted[node->in[i]];
    grad.in_grads[i] = REF_NONE;
  }
  for (int i = 0; i < OP_MAX_RESULTS - 1; i++) {
    bool there = node->results[i] != REF_NONE && node->results[i] < nodes;
    grad.more_grads[i] = there ? adjoint[node->results[i]] : REF_NONE;
  }
  graph->layer = node->layer;
  graph->where = node->where;
  char text[160];
  if (!info->grad || node->slot >= 0)
    return err_set(builder->err, NN_UNSUPPORTED, "%s has no gradient",
                   graph_node_text(graph, ref, text, sizeof text));
  TRY(info->grad(&grad, builder->err));
  TRY(builder->status);
  for (int i = 0; i < node->inputs; i++) {
    Ref part = grad.in_grads[i];
    if (part == REF_NONE || !grad.wants[i]) continue;
    Ref *sum = &adjoint[node->in[i]];
    *sum = *sum == REF_NONE ? part : op_emit(&builder->base, OP_add, *sum, part, NULL);
  }
  return builder->status;
}

Status graph_gradient(Graph *graph, Ref loss, const Ref *wrt, int count, Ref *grads, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  if (shape_count(&graph->nodes[loss]->shape) != 1)
    return err_set(err, NN_SHAPE, "a gradient needs a loss of one element; its shape is %s",
                   shape_text(&graph->nodes[loss]->shape, text));
  int nodes = loss + 1;
  bool *wanted = calloc((size_t)nodes, sizeof *wanted);
  Ref *adjoint = calloc((size_t)nodes, sizeof *adjoint);
  if (!wanted || !adjoint) {
    free(wanted);
    free(adjoint);
    return no_memory(err);
  }
  for (int i = 0; i < count; i++)
    if (wrt[i] < nodes) wanted[wrt[i]] = true;
  for (Ref ref = 0; ref < nodes; ref++) {
    adjoint[ref] = REF_NONE;
    const Node *node = graph->nodes[ref];
    for (int i = 0; i < node->inputs; i++)
      if (node->in[i] != REF_NONE && wanted[node->in[i]]) wanted[ref] = true;
  }
  const char *layer = graph->layer, *where = graph->where;
  GraphBuilder builder = {.base = {builder_emit, builder_emit_grad, builder_result,
                                   builder_constant, builder_shape, builder_dtype},
                          .graph = graph,
                          .err = err};
  adjoint[loss] = op_emit_shape(&builder.base, OP_expand,
                                builder_constant(&builder.base, graph->nodes[loss]->dtype, 1),
                                &graph->nodes[loss]->shape);
  Status status = builder.status;
  for (Ref ref = loss; ref >= 0 && status == NN_OK; ref--)
    if (graph->nodes[ref]->kind == NODE_OP && wanted[ref] && reached(graph, ref, adjoint, nodes))
      status = send_back(&builder, ref, adjoint, wanted, nodes);
  for (int i = 0; i < count && status == NN_OK; i++) {
    Ref grad = wrt[i] < nodes ? adjoint[wrt[i]] : REF_NONE;
    /* It may be smaller than its variable when it is the same all over: spell it out. */
    grads[i] = op_emit_shape(&builder.base, OP_expand, grad, &graph->nodes[wrt[i]]->shape);
    status = builder.status;
  }
  graph->layer = layer;
  graph->where = where;
  free(wanted);
  free(adjoint);
  return status;
}
