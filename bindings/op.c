/* Every op as a Lua function, method and operator: module core.op, made from the op table.
 *
 * The same function serves two kinds of operands: values of a graph are traced, tensors are
 * computed at once (as a graph of one op). Numbers stand for scalars. After the operands come the
 * attributes, by position in the row's order or in a table by name. */
#include "node.h"

#include "graph/plan.h"

#include <math.h>
#include <string.h>

typedef struct Operands {
  OpId op;
  int count;       /* given */
  int first_attr;  /* stack index behind the operands */
  int graph_index; /* of the graph userdata, absolute; 0: tensors only */
  Graph *graph;
  DType dtype; /* for numbers among the operands */
} Operands;

/* ---- attributes ---- */

static double check_number(lua_State *L, int index, OpId op, const AttrSpec *spec) {
  if (spec->type == ATTR_BOOL) {
    if (!lua_isboolean(L, index))
      binding_raisef(L, "%s: %s must be true or false, got %s", op_info(op)->name, spec->name,
                     luaL_typename(L, index));
    return lua_toboolean(L, index);
  }
  if (lua_type(L, index) != LUA_TNUMBER)
    binding_raisef(L, "%s: %s must be a number, got %s", op_info(op)->name, spec->name,
                   luaL_typename(L, index));
  double number = lua_tonumber(L, index);
  if (spec->type != ATTR_NUMBER && (number != floor(number) || fabs(number) > 9e15))
    binding_raisef(L, "%s: %s must be a whole number, got %f", op_info(op)->name, spec->name,
                   number);
  bool counted = spec->type == ATTR_AXIS || spec->type == ATTR_AXES || spec->type == ATTR_INDEX;
  if (counted && number == 0)
    binding_raisef(L, "%s: %s counts from 1 (or from the end with -1), 0 is neither",
                   op_info(op)->name, spec->name);
  return counted && number > 0 ? number - 1 : number;
}

static void read_attr(lua_State *L, int index, OpId op, const AttrSpec *spec, Attr *attr) {
  index = lua_absindex(L, index);
  bool list = spec->type == ATTR_INTS || spec->type == ATTR_AXES;
  if (!list) {
    attr->number = check_number(L, index, op, spec);
    return;
  }
  if (!lua_istable(L, index)) {
    attr->count = 1;
    attr->list[0] = (int64_t)check_number(L, index, op, spec);
    return;
  }
  lua_Integer count = (lua_Integer)lua_rawlen(L, index);
  if (count > MAX_DIMS)
    binding_raisef(L, "%s: %s has %lld entries; at most %d are supported", op_info(op)->name,
                   spec->name, (long long)count, MAX_DIMS);
  attr->count = (int)count;
  for (int i = 0; i < attr->count; i++) {
    lua_rawgeti(L, index, i + 1);
    attr->list[i] = (int64_t)check_number(L, -1, op, spec);
    lua_pop(L, 1);
  }
}

static bool named_table(lua_State *L, int index) {
  if (!lua_istable(L, index) || lua_rawlen(L, index) > 0) return false;
  lua_pushnil(L);
  if (!lua_next(L, index)) return false;
  bool named = lua_type(L, -2) == LUA_TSTRING;
  lua_pop(L, 2);
  return named;
}

static void read_named(lua_State *L, int index, OpId op, Attrs *attrs, bool *given) {
  AttrSpec spec;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    int i = 0;
    while (op_attr_spec(op, i, &spec) && strcmp(spec.name, key) != 0) i++;
    if (!op_attr_spec(op, i, &spec))
      binding_raisef(L, "%s has no option '%s'; it has: %s", op_info(op)->name, key,
                     *op_info(op)->attr_text ? op_info(op)->attr_text : "none");
    read_attr(L, -1, op, &spec, &attrs->at[i]);
    given[i] = true;
    lua_pop(L, 1);
  }
}

static void read_attrs(lua_State *L, const Operands *operands, Attrs *attrs) {
  OpId op = operands->op;
  bool given[OP_MAX_ATTRS] = {false};
  AttrSpec spec;
  op_attr_defaults(op, attrs);
  int top = operands->graph_index ? operands->graph_index - 1 : lua_gettop(L);
  int index = operands->first_attr;
  if (index <= top && named_table(L, index)) {
    read_named(L, index, op, attrs, given);
    index++;
  } else {
    for (int i = 0; index <= top && op_attr_spec(op, i, &spec); i++, index++) {
      if (lua_isnil(L, index)) continue;
      read_attr(L, index, op, &spec, &attrs->at[i]);
      given[i] = true;
    }
  }
  if (index <= top)
    binding_raisef(L, "%s: too many arguments; it takes %d operands and the options: %s",
                   op_info(op)->name, op_info(op)->arity,
                   *op_info(op)->attr_text ? op_info(op)->attr_text : "none");
  for (int i = 0; i < OP_MAX_ATTRS && op_attr_spec(op, i, &spec); i++)
    if (spec.required && !given[i])
      binding_raisef(L, "%s: %s must be given", op_info(op)->name, spec.name);
}

/* ---- operands ---- */

static bool operand_like(lua_State *L, int index) {
  return binding_test_node(L, index) || binding_test_tensor(L, index) ||
         lua_type(L, index) == LUA_TNUMBER;
}

/* Count the operands, find the graph they belong to, and the dtype of numbers among them. */
static void find_operands(lua_State *L, Operands *operands) {
  const OpInfo *info = op_info(operands->op);
  bool typed = false;
  int top = lua_gettop(L), node_index = 0;
  operands->dtype = DTYPE_F32;
  for (int i = 1; i <= info->arity; i++) {
    bool optional = i > info->arity - info->optional;
    if (i > top || !operand_like(L, i)) {
      if (!optional)
        binding_raisef(L, "%s: operand %d must be a tensor, a value of a graph or a number, got %s",
                       info->name, i, luaL_typename(L, i));
      if (i <= top && lua_isnil(L, i)) operands->count = i;
      break;
    }
    operands->count = i;
    const NodeBox *node = binding_test_node(L, i);
    const Tensor *tensor = binding_test_tensor(L, i);
    DType dtype = node     ? graph_node(node->graph, node->ref)->dtype
                  : tensor ? tensor->dtype
                           : DTYPE_COUNT;
    if (node && node_index && node->graph != binding_test_node(L, node_index)->graph)
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
  binding_set_place(L, operands->graph, lua_tostring(L, -1));
  lua_pop(L, 1);
  operand_refs(L, operands, operands->graph, refs);
  if (graph_op(operands->graph, &out, operands->op, refs, operands->count, attrs, &err) != NN_OK)
    return binding_raise(L, &err);
  binding_push_node(L, operands->graph_index, out);
  return 1;
}

static Status compute(Tensor *result, Graph *graph, Ref out, Err *err) {
  const Node *node = graph_node(graph, out);
  TRY(tensor_new(result, node->dtype, &node->shape, err));
  if (node->kind == NODE_CONSTANT) { /* an op of numbers alone */
    tensor_set(result, 0, node->value);
    return NN_OK;
  }
  Plan *plan;
  PlanOptions options = {.isa = isa_best()};
  TRY(plan_new(&plan, graph, &(PlanOutput){out, result->data}, 1, &options, err));
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
  Tensor *result = binding_new_tensor(L);
  Status status = graph_op(graph, &out, operands->op, refs, operands->count, attrs, &err);
  if (status == NN_OK) status = compute(result, graph, out, &err);
  if (status != NN_OK) return binding_raise(L, &err);
  lua_getfield(L, -2, "close");
  lua_pushvalue(L, -3);
  lua_call(L, 1, 0);
  return 1;
}

static int call_op(lua_State *L) {
  Operands operands = {.op = (OpId)lua_tointeger(L, lua_upvalueindex(1))};
  Attrs attrs;
  find_operands(L, &operands);
  read_attrs(L, &operands, &attrs);
  return operands.graph ? trace(L, &operands, &attrs) : compute_now(L, &operands, &attrs);
}

/* Lua passes unary minus its operand twice. */
static int call_unary(lua_State *L) {
  lua_settop(L, 1);
  return call_op(L);
}

/* ---- describing the table ---- */

static void push_default(lua_State *L, const AttrSpec *spec) {
  bool counted = spec->type == ATTR_AXIS || spec->type == ATTR_INDEX;
  if (spec->required || spec->type == ATTR_INTS || spec->type == ATTR_AXES)
    lua_pushnil(L);
  else if (spec->type == ATTR_BOOL)
    lua_pushboolean(L, spec->fallback != 0);
  else
    lua_pushnumber(L, counted && spec->fallback >= 0 ? spec->fallback + 1 : spec->fallback);
}

static int describe(lua_State *L) {
  static const char *const types[] = {
#define X(name, word) [ATTR_##name] = (word),
      ATTR_TYPES(X)
#undef X
  };
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
    lua_newtable(L);
    AttrSpec spec;
    for (int i = 0; i < OP_MAX_ATTRS && op_attr_spec((OpId)op, i, &spec); i++) {
      lua_createtable(L, 0, 4);
      lua_pushstring(L, spec.name);
      lua_setfield(L, -2, "name");
      lua_pushstring(L, types[spec.type]);
      lua_setfield(L, -2, "type");
      lua_pushboolean(L, spec.required);
      lua_setfield(L, -2, "required");
      push_default(L, &spec);
      lua_setfield(L, -2, "default");
      lua_rawseti(L, -2, i + 1);
    }
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
  lua_pushcfunction(L, describe);
  lua_setfield(L, -2, "describe");
  return 1;
}
