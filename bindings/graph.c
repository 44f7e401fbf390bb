/* Graphs in Lua: module core.graph. Models are traced into one; scripts rarely see it. */
#include "node.h"
#include "tensor.h"

#include "graph/gradcheck.h"

#include <string.h>

static const char GRAPH_TYPE[] = "nnrun.graph";
static const char NODE_TYPE[] = "nnrun.node";

Graph *binding_check_graph(lua_State *L, int index) {
  GraphBox *box = luaL_checkudata(L, index, GRAPH_TYPE);
  if (!box->graph) binding_raisef(L, "the graph was closed");
  return box->graph;
}

NodeBox *binding_test_node(lua_State *L, int index) { return luaL_testudata(L, index, NODE_TYPE); }

NodeBox *binding_check_node(lua_State *L, int index) {
  NodeBox *node = binding_test_node(L, index);
  if (!node)
    binding_raisef(L, "argument %d must be a value of a graph, got %s", index,
                   luaL_typename(L, index));
  if (!node->box->graph) binding_raisef(L, "the graph was closed");
  return node;
}

Ref binding_check_ref(lua_State *L, int index, const Graph *graph, const char *what) {
  NodeBox *node = binding_test_node(L, index);
  if (!node || node->box->graph != graph)
    binding_raisef(L, "%s must be a value of this graph, not %s", what,
                   node ? "of another" : luaL_typename(L, index));
  return node->ref;
}

void binding_push_node(lua_State *L, int graph_index, Ref ref) {
  graph_index = lua_absindex(L, graph_index);
  NodeBox *node = lua_newuserdatauv(L, sizeof *node, 1);
  *node = (NodeBox){lua_touserdata(L, graph_index), ref};
  luaL_setmetatable(L, NODE_TYPE);
  lua_pushvalue(L, graph_index);
  lua_setiuservalue(L, -2, 1);
}

void binding_push_graph_of(lua_State *L, int index) { lua_getiuservalue(L, index, 1); }

Ref *binding_check_nodes(lua_State *L, int index, const Graph *graph, int *count) {
  luaL_checktype(L, index, LUA_TTABLE);
  lua_Integer length = (lua_Integer)lua_rawlen(L, index);
  if (length > 100000) binding_raisef(L, "too many nodes: %lld", (long long)length);
  Ref *refs = lua_newuserdatauv(L, ((size_t)length + 1) * sizeof *refs, 0);
  *count = (int)length;
  for (int i = 0; i < *count; i++) {
    lua_rawgeti(L, index, i + 1);
    NodeBox *node = luaL_testudata(L, -1, NODE_TYPE);
    if (!node || node->box->graph != graph)
      binding_raisef(L, "element %d of the list is no value of this graph", i + 1);
    refs[i] = node->ref;
    lua_pop(L, 1);
  }
  return refs;
}

void binding_set_place(lua_State *L, Graph *graph, const char *layer, const char *place) {
  Err err;
  char where[LUA_IDSIZE + 32];
  if (!place) place = binding_where(L, where, sizeof where);
  if (graph_set_place(graph, layer, place, &err) != NN_OK) binding_raise(L, &err);
}

/* ---- functions and methods ---- */

static int graph_new_(lua_State *L) {
  Err err;
  GraphBox *box = lua_newuserdatauv(L, sizeof *box, 2);
  box->graph = NULL;
  luaL_setmetatable(L, GRAPH_TYPE);
  if (graph_new(&box->graph, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

/* graph:input(name, dtype, shape, batched) */
static int graph_input_(lua_State *L) {
  Err err;
  Ref ref;
  Graph *graph = binding_check_graph(L, 1);
  const char *name = luaL_checkstring(L, 2);
  DType dtype = binding_opt_dtype(L, 3, DTYPE_F32);
  Shape shape = binding_check_shape(L, 4);
  if (graph_input(graph, &ref, dtype, &shape, lua_toboolean(L, 5), name, &err) != NN_OK)
    return binding_raise(L, &err);
  binding_push_node(L, 1, ref);
  return 1;
}

/* graph:param(tensor, name) */
static int graph_param_(lua_State *L) {
  Err err;
  Ref ref;
  Graph *graph = binding_check_graph(L, 1);
  if (graph_param(graph, &ref, binding_check_tensor(L, 2), luaL_optstring(L, 3, NULL), &err) !=
      NN_OK)
    return binding_raise(L, &err);
  binding_push_node(L, 1, ref);
  return 1;
}

/* graph:layer(name or nil, place): nodes made from now on belong to it, and to this line of the
 * script
 * ("file:line"; nil: wherever the script is when it makes them). Returns nothing. */
static int graph_layer_(lua_State *L) {
  Err err;
  Graph *graph = binding_check_graph(L, 1);
  if (graph_set_place(graph, luaL_optstring(L, 2, NULL), NULL, &err) != NN_OK)
    return binding_raise(L, &err);
  lua_settop(L, 3);
  luaL_optstring(L, 3, NULL);
  lua_setiuservalue(L, 1, 2);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

/* graph:gradcheck(loss, {params}, {[input node] = tensor ...} as two lists, per_param) */
static int graph_gradcheck_(lua_State *L) {
  Graph *graph = binding_check_graph(L, 1);
  Ref loss = binding_check_ref(L, 2, graph, "the loss");
  int count, inputs;
  Ref *wrt = binding_check_nodes(L, 3, graph, &count);
  Ref *refs = binding_check_nodes(L, 4, graph, &inputs);
  luaL_checktype(L, 5, LUA_TTABLE);
  GradCheckInput *bound = lua_newuserdatauv(L, ((size_t)inputs + 1) * sizeof *bound, 0);
  for (int i = 0; i < inputs; i++) {
    lua_rawgeti(L, 5, i + 1);
    const Tensor *tensor = binding_check_tensor(L, -1);
    const Node *node = graph_node(graph, refs[i]);
    if (node->kind != NODE_INPUT || node->dtype != tensor->dtype ||
        !shape_equal(&node->shape, &tensor->shape))
      binding_raisef(L, "input %d and its data differ in shape or type", i + 1);
    bound[i] = (GradCheckInput){refs[i], tensor->data};
    lua_pop(L, 1);
  }
  GradCheck worst;
  Err err;
  PlanOptions options = {.isa = isa_best()};
  if (gradcheck(&worst, graph, loss, wrt, count, bound, inputs, luaL_optinteger(L, 6, 0), 0,
                &options, &err) != NN_OK)
    return binding_raise(L, &err);
  lua_createtable(L, 0, 5);
  binding_set_number(L, "error", worst.error);
  binding_set_integer(L, "param", worst.param + 1);
  binding_set_integer(L, "index", worst.index + 1);
  binding_set_number(L, "analytic", worst.analytic);
  binding_set_number(L, "numeric", worst.numeric);
  return 1;
}

static int graph_gc(lua_State *L) {
  GraphBox *box = luaL_checkudata(L, 1, GRAPH_TYPE);
  graph_free(box->graph);
  box->graph = NULL;
  return 0;
}

static int graph_size(lua_State *L) {
  lua_pushinteger(L, graph_count(binding_check_graph(L, 1)));
  return 1;
}

/* graph:cost(first, last) -> multiply-adds of the nodes with these numbers, from 1 */
static int graph_cost_(lua_State *L) {
  const Graph *graph = binding_check_graph(L, 1);
  lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
  if (first < 1 || last > graph_count(graph)) binding_raisef(L, "there are no such nodes");
  lua_pushinteger(L, graph_cost(graph, (Ref)first - 1, (Ref)last));
  return 1;
}

static const Node *node_of(lua_State *L) {
  NodeBox *box = binding_check_node(L, 1);
  return graph_node(box->box->graph, box->ref);
}

static int node_shape(lua_State *L) {
  binding_push_shape(L, &node_of(L)->shape);
  return 1;
}

static int node_dtype(lua_State *L) {
  lua_pushstring(L, dtype_name(node_of(L)->dtype));
  return 1;
}

static int node_size(lua_State *L) {
  lua_pushinteger(L, shape_count(&node_of(L)->shape));
  return 1;
}

static int node_newindex(lua_State *L) {
  return binding_raisef(L, "a value of a model that is being built cannot be written to; make "
                           "another from its parts, with where, concat or scatter_add");
}

/* node:is_view() -> whether it is another value's memory under another shape */
static int node_is_view(lua_State *L) {
  const Node *node = node_of(L);
  lua_pushboolean(L, node->kind == NODE_OP && op_info(node->op)->alias);
  return 1;
}

static int node_graph(lua_State *L) {
  binding_check_node(L, 1);
  binding_push_graph_of(L, 1);
  return 1;
}

static int node_tostring(lua_State *L) {
  const NodeBox *box = luaL_checkudata(L, 1, NODE_TYPE);
  const Graph *graph = box->box->graph;
  if (!graph) {
    lua_pushliteral(L, "value (of a closed graph)");
    return 1;
  }
  char text[200], shape[SHAPE_TEXT_SIZE];
  const Node *node = graph_node(graph, box->ref);
  lua_pushfstring(L, "value %s %s %s", graph_node_text(graph, box->ref, text, sizeof text),
                  dtype_name(node->dtype), shape_text(&node->shape, shape));
  return 1;
}

static int graph_is_node(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, NODE_TYPE) != NULL);
  return 1;
}

static const luaL_Reg graph_methods[] = {
    {"input", graph_input_}, {"param", graph_param_},
    {"layer", graph_layer_}, {"gradcheck", graph_gradcheck_},
    {"close", graph_gc},     {"cost", graph_cost_},
    {"__gc", graph_gc},      {"__close", graph_gc},
    {"__len", graph_size},   {NULL, NULL},
};
static const luaL_Reg node_methods[] = {
    {"shape", node_shape},         {"dtype", node_dtype}, {"graph", node_graph},
    {"is_view", node_is_view},     {"size", node_size},   {"__newindex", node_newindex},
    {"__tostring", node_tostring}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"new", graph_new_}, {"is_node", graph_is_node}, {NULL, NULL}};

int luaopen_core_graph(lua_State *L) {
  binding_new_type(L, GRAPH_TYPE, graph_methods);
  binding_new_type(L, NODE_TYPE, node_methods);
  luaL_newlib(L, functions);
  luaL_getmetatable(L, NODE_TYPE); /* methods as tensors have them: core.op adds the ops */
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__methods");
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "methods");
  lua_pushcclosure(L, tensor_index_node, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  return 1;
}
