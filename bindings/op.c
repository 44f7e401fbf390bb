/* Every op as a Lua function, method and operator: module core.op, made from the op table.
 *
 * The same function serves two kinds of operands: values of a graph are traced, tensors are
 * computed at once (as a graph of one op). Numbers stand for scalars. After the operands come the
 * attributes, by position in the row's order or in a table by name. */
#include "attrs.h"
#include "node.h"

#include "graph/plan.h"

typedef struct Operands {
  OpId op;
  int count;       /* given */
  int first_attr;  /* stack index behind the operands */
  int graph_index; /* of the graph userdata, absolute; 0: tensors only */
  Graph *graph;
  DType dtype; /* for numbers among the operands */
} Operands;

/* ---- operands ---- */

static bool operand_like(lua_State *L, int index) {
  return binding_test_node(L, index) || binding_test_tensor(L, index) ||
         lua_type(L, index) == LUA_TNUMBER;
}

/* Count the operands (nil stands for an absent one; numbers behind a nil are attributes), find the
 * graph they belong to, and the dtype of numbers among them. */
static void find_operands(lua_State *L, Operands *operands) {
  const OpInfo *info = op_info(operands->op);
  bool typed = false, absent = false;
  int top = lua_gettop(L), node_index = 0;
  operands->dtype = DTYPE_F32;
  for (int i = 1; i <= info->arity; i++) {
    bool optional = i > info->arity - info->optional;
    if (i > top || !operand_like(L, i) || (absent && lua_type(L, i) == LUA_TNUMBER)) {
      if (!optional)
        binding_raisef(L, "%s: operand %d must be a tensor, a value of a graph or a number, got %s",
                       info->name, i, luaL_typename(L, i));
      if (i > top || !lua_isnil(L, i)) break;
      operands->count = i;
      absent = true;
      continue;
    }
    operands->count = i;
    const NodeBox *node = binding_test_node(L, i) ? binding_check_node(L, i) : NULL;
    const Tensor *tensor = binding_test_tensor(L, i);
    DType dtype = node     ? graph_node(node->box->graph, node->ref)->dtype
                  : tensor ? tensor->dtype
                           : DTYPE_COUNT;
    if (node && node_index && node->box != binding_test_node(L, node_index)->box)
      binding_raisef(L, "%s: the operands belong to different graphs", info->name);
    if (node && !node_index) node_index = i;
    if (dtype != DTYPE_COUNT && dtype != DTYPE_I64 && !typed) {
      operands->dtype = dtype;
      typed = true;
    }
  }
  operands->first_attr = operands->count + 1;
  if (!node_index) return;
  binding_push_graph_of(L, node_index);
  operands->graph_index = lua_gettop(L);
  operands->graph = binding_check_graph(L, operands->graph_index);
}

static void operand_refs(lua_State *L, const Operands *operands, Graph *graph, Ref *refs) {
  Err err;
  Status status = NN_OK;
  for (int i = 0; i < operands->count; i++) {
    const NodeBox *node = binding_test_node(L, i + 1);
    const Tensor *tensor = binding_test_tensor(L, i + 1);
    if (node)
      refs[i] = node->ref;
    else if (tensor)
      status = graph_param(graph, &refs[i], tensor, NULL, &err);
    else if (lua_type(L, i + 1) == LUA_TNUMBER)
      status = graph_constant(graph, &refs[i], operands->dtype, lua_tonumber(L, i + 1), &err);
    else
      refs[i] = REF_NONE;
    if (status != NN_OK) binding_raise(L, &err);
  }
}

/* ---- calls ---- */

static int trace(lua_State *L, const Operands *operands, const Attrs *attrs) {
  Err err;
  Ref refs[OP_MAX_INPUTS], out;
  lua_getiuservalue(L, operands->graph_index, 1);
  lua_getiuservalue(L, operands->graph_index, 2);
  binding_set_place(L, operands->graph, lua_tostring(L, -2), lua_tostring(L, -1));
  lua_pop(L, 2);
  operand_refs(L, operands, operands->graph, refs);
  if (graph_op(operands->graph, &out, operands->op, refs, operands->count, attrs, &err) != NN_OK)
    return binding_raise(L, &err);
  int results = op_info(operands->op)->results;
  for (int i = 0; i < results; i++) {
    Ref result;
    if (graph_result(operands->graph, &result, out, i, &err) != NN_OK)
      return binding_raise(L, &err);
    binding_push_node(L, operands->graph_index, result);
  }
  return results;
}

/* All results of node `out` into new tensors. */
static Status compute(Tensor *const *results, int count, Graph *graph, Ref out, Err *err) {
  PlanOutput outputs[OP_MAX_RESULTS];
  for (int i = 0; i < count; i++) {
    outputs[i] = (PlanOutput){0};
    TRY(graph_result(graph, &outputs[i].ref, out, i, err));
    const Node *node = graph_node(graph, outputs[i].ref);
    TRY(tensor_new(results[i], node->dtype, &node->shape, err));
    outputs[i].dest = results[i]->data;
  }
  if (graph_node(graph, out)->kind == NODE_CONSTANT) { /* an op of numbers alone */
    tensor_set(results[0], 0, graph_node(graph, out)->value);
    return NN_OK;
  }
  Plan *plan;
  PlanOptions options = {.isa = isa_best()};
  TRY(plan_new(&plan, graph, outputs, count, &options, err));
  plan_run(plan, &(OpRun){0});
  plan_free(plan);
  return NN_OK;
}

static int compute_now(lua_State *L, const Operands *operands, const Attrs *attrs) {
  Err err;
  Ref refs[OP_MAX_INPUTS], out;
  lua_getfield(L, LUA_REGISTRYINDEX, "nnrun.graph.new");
  lua_call(L, 0, 1); /* a graph userdata: collected if anything raises */
  Graph *graph = binding_check_graph(L, -1);
  operand_refs(L, operands, graph, refs);
  int graph_index = lua_gettop(L), count = op_info(operands->op)->results;
  Tensor *results[OP_MAX_RESULTS];
  for (int i = 0; i < count; i++) results[i] = binding_new_tensor(L);
  Status status = graph_op(graph, &out, operands->op, refs, operands->count, attrs, &err);
  if (status == NN_OK) status = compute(results, count, graph, out, &err);
  if (status != NN_OK) return binding_raise(L, &err);
  lua_getfield(L, graph_index, "close");
  lua_pushvalue(L, graph_index);
  lua_call(L, 1, 0);
  return count;
}

static int call_op(lua_State *L) {
  Operands operands = {.op = (OpId)lua_tointeger(L, lua_upvalueindex(1))};
  Attrs attrs;
  find_operands(L, &operands);
  int top = operands.graph_index ? operands.graph_index - 1 : lua_gettop(L);
  const OpInfo *info = op_info(operands.op);
  binding_read_attrs(L, operands.first_attr, top, info->name, info->attr_text, &attrs);
  return operands.graph ? trace(L, &operands, &attrs) : compute_now(L, &operands, &attrs);
}

/* Lua passes unary minus its operand twice. */
static int call_unary(lua_State *L) {
  lua_settop(L, 1);
  return call_op(L);
}

/* ---- describing the table ---- */

static int op_rows(lua_State *L) {
  lua_createtable(L, OP_COUNT, 0);
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *info = op_info((OpId)op);
    lua_createtable(L, 0, 6);
    lua_pushstring(L, info->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, info->help);
    lua_setfield(L, -2, "help");
    lua_pushinteger(L, info->arity);
    lua_setfield(L, -2, "operands");
    lua_pushinteger(L, info->optional);
    lua_setfield(L, -2, "optional");
    lua_pushboolean(L, info->elementwise);
    lua_setfield(L, -2, "elementwise");
    binding_push_attrs(L, info->attr_text);
    lua_setfield(L, -2, "options");
    lua_rawseti(L, -2, op + 1);
  }
  return 1;
}

/* ---- installing ---- */

static const struct {
  const char *event;
  OpId op;
  lua_CFunction function;
} operators[] = {
    {"__add", OP_add, call_op}, {"__sub", OP_sub, call_op}, {"__mul", OP_mul, call_op},
    {"__div", OP_div, call_op}, {"__pow", OP_pow, call_op}, {"__unm", OP_neg, call_unary},
};

static void install(lua_State *L, const char *type) {
  luaL_getmetatable(L, type);
  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
    lua_pushinteger(L, operators[i].op);
    lua_pushcclosure(L, operators[i].function, 1);
    lua_setfield(L, -2, operators[i].event);
  }
  lua_getfield(L, -1, "__index");
  for (int op = 0; op < OP_COUNT; op++) {
    if (lua_getfield(L, -1, op_info((OpId)op)->name) == LUA_TNIL) {
      lua_pushinteger(L, op);
      lua_pushcclosure(L, call_op, 1);
      lua_setfield(L, -3, op_info((OpId)op)->name);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

int luaopen_core_op(lua_State *L) {
  luaL_requiref(L, "core.tensor", luaopen_core_tensor, 0);
  luaL_requiref(L, "core.graph", luaopen_core_graph, 0);
  lua_getfield(L, -1, "new");
  lua_setfield(L, LUA_REGISTRYINDEX, "nnrun.graph.new");
  lua_pop(L, 2);
  install(L, "nnrun.tensor");
  install(L, "nnrun.node");
  lua_createtable(L, 0, OP_COUNT + 1);
  for (int op = 0; op < OP_COUNT; op++) {
    lua_pushinteger(L, op);
    lua_pushcclosure(L, call_op, 1);
    lua_setfield(L, -2, op_info((OpId)op)->name);
  }
  lua_pushcfunction(L, op_rows);
  lua_setfield(L, -2, "rows");
  return 1;
}
