/* Every op as a Lua function, method and operator: module core.op, made from the op table.
 *
 * The same function serves two kinds of operands: values of a graph are traced, tensors are
 * computed at once (core/op/eager.h), and remembered when they take part in a gradient. Numbers
 * stand for scalars. After the operands come the attributes, by position in the row's order or in a
 * table by name. x:NAME_(...) writes the result of an elementwise op over x. */
#include "attrs.h"
#include "node.h"
#include "tape.h"

/* Upvalues of every op's function: the op, and the metatables of tensors and of nodes, by which
 * operands are told apart without a look-up by name. */
enum { UP_OP = 1, UP_TENSOR, UP_NODE, UP_COUNT = UP_NODE };

typedef enum OperandKind { OTHER, NUMBER, TENSOR, NODE } OperandKind;

typedef struct Operands {
  OpId op;
  int count;                       /* given */
  OperandKind kind[OP_MAX_INPUTS]; /* OTHER: absent */
  int first_attr;                  /* stack index behind the operands */
  int graph_index;                 /* of the graph userdata, absolute; 0: tensors only */
  Graph *graph;
  DType dtype; /* for numbers among the operands */
} Operands;

/* ---- operands ---- */

static OperandKind operand_kind(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TNUMBER) return NUMBER;
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return OTHER;
  const void *meta = lua_topointer(L, -1);
  lua_pop(L, 1);
  if (meta == lua_touserdata(L, lua_upvalueindex(UP_TENSOR))) return TENSOR;
  return meta == lua_touserdata(L, lua_upvalueindex(UP_NODE)) ? NODE : OTHER;
}

static DType operand_dtype(lua_State *L, const Operands *operands, int i) {
  if (operands->kind[i] == TENSOR) return ((const Tensor *)lua_touserdata(L, i + 1))->dtype;
  if (operands->kind[i] != NODE) return DTYPE_COUNT;
  const NodeBox *node = binding_check_node(L, i + 1);
  return graph_node(node->box->graph, node->ref)->dtype;
}

/* A number is of the type of the floats it meets, the wider one; with int64 alone a whole number is
 * int64 and any other makes the result float32. The condition of `where` has no say. */
static DType number_dtype(lua_State *L, const Operands *operands) {
  bool whole = true, floats = false, wide = false, integers = false, others = false;
  for (int i = 1; i < operands->count; i++) others |= operands->kind[i] >= TENSOR;
  for (int i = 0; i < operands->count; i++) {
    if (operands->kind[i] == NUMBER) whole &= lua_isinteger(L, i + 1);
    if (operands->op == OP_where && i == 0 && others) continue;
    DType dtype = operand_dtype(L, operands, i);
    wide |= dtype == DTYPE_F64;
    floats |= dtype == DTYPE_F32 || dtype == DTYPE_F64;
    integers |= dtype == DTYPE_I64;
  }
  if (floats || !integers) return wide ? DTYPE_F64 : DTYPE_F32;
  return whole && !operands->graph_index ? DTYPE_I64 : DTYPE_F32;
}

static void check_graphs(lua_State *L, const Operands *operands, const OpInfo *info) {
  const NodeBox *first = NULL;
  for (int i = 0; i < operands->count; i++) {
    if (operands->kind[i] != NODE) continue;
    const NodeBox *node = binding_check_node(L, i + 1);
    if (first && node->box != first->box)
      binding_raisef(L, "%s: the operands belong to different graphs", info->name);
    first = node;
  }
}

/* Count the operands (nil stands for an absent one; numbers behind a nil are attributes), find the
 * graph they belong to, and the dtype of numbers among them. */
static void find_operands(lua_State *L, Operands *operands) {
  const OpInfo *info = op_info(operands->op);
  bool absent = false, numbers = false;
  int top = lua_gettop(L), node_index = 0;
  operands->count = operands->graph_index = 0;
  operands->graph = NULL;
  operands->dtype = DTYPE_F32;
  for (int i = 1; i <= info->arity; i++) {
    OperandKind kind = i <= top ? operand_kind(L, i) : OTHER;
    if (kind == OTHER || (absent && kind == NUMBER)) {
      if (i <= info->arity - info->optional)
        binding_raisef(L, "%s: operand %d must be a tensor, a value of a graph or a number, got %s",
                       info->name, i, luaL_typename(L, i));
      if (i > top || !lua_isnil(L, i)) break;
      absent = true;
      kind = OTHER;
    }
    operands->kind[i - 1] = kind;
    operands->count = i;
    numbers |= kind == NUMBER;
    if (kind == TENSOR && !((const Tensor *)lua_touserdata(L, i))->buffer)
      binding_check_tensor(L, i);
    if (kind == NODE && !node_index) node_index = i;
  }
  operands->first_attr = operands->count + 1;
  if (node_index) {
    check_graphs(L, operands, info);
    binding_push_graph_of(L, node_index);
    operands->graph_index = lua_gettop(L);
    operands->graph = binding_check_graph(L, operands->graph_index);
  }
  if (numbers) operands->dtype = number_dtype(L, operands);
}

/* ---- values of a graph ---- */

/* A constant of the other float type is converted to that of the graph's values, so that a layer
 * with constants works in float64, too. */
static const Tensor *constant_operand(lua_State *L, const Operands *operands, int index) {
  const Tensor *tensor = binding_check_tensor(L, index);
  for (int i = 0; i < operands->count && tensor->dtype != DTYPE_I64; i++) {
    if (operands->kind[i] != NODE) continue;
    DType dtype = graph_node(operands->graph, binding_test_node(L, i + 1)->ref)->dtype;
    if (dtype == DTYPE_I64) continue;
    return dtype == tensor->dtype ? tensor : binding_to_tensor(L, index, dtype);
  }
  return tensor;
}

static void operand_refs(lua_State *L, const Operands *operands, Graph *graph, Ref *refs) {
  Err err;
  Status status = NN_OK;
  for (int i = 0; i < operands->count; i++) {
    refs[i] = REF_NONE;
    if (operands->kind[i] == NODE)
      refs[i] = binding_test_node(L, i + 1)->ref;
    else if (operands->kind[i] == TENSOR)
      status = graph_param(graph, &refs[i], constant_operand(L, operands, i + 1), NULL, &err);
    else if (operands->kind[i] == NUMBER)
      status = graph_constant(graph, &refs[i], operands->dtype, lua_tonumber(L, i + 1), &err);
    if (status != NN_OK) binding_raise(L, &err);
  }
}

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

/* ---- tensors ---- */

/* Numbers among the operands become scalars here, with room to be read past their end. */
typedef struct Scalars {
  _Alignas(64) char data[3][TENSOR_PAD + 64];
} Scalars;

static void scalar_operand(lua_State *L, int index, DType dtype, void *data, Tensor *out) {
  *out = (Tensor){.dtype = dtype, .data = data};
  if (dtype == DTYPE_I64)
    *(int64_t *)data = lua_tointeger(L, index);
  else
    tensor_set(out, 0, lua_tonumber(L, index));
}

/* Only elementwise ops (three operands at most) read numbers; others refuse scalars. Returns
 * whether the op is to be recorded. */
static bool eager_operands(lua_State *L, const Operands *operands, Eager *eager, Scalars *scalars) {
  bool tracked[OP_MAX_INPUTS], any = false;
  eager->op = operands->op;
  eager->inputs = operands->count;
  eager->converted = 0;
  for (int i = 0; i < operands->count; i++) {
    tracked[i] = false;
    if (operands->kind[i] == TENSOR) {
      const TensorBox *box = lua_touserdata(L, i + 1);
      eager->in[i] = box->tensor;
      any |= tracked[i] = box->tracked;
    } else if (operands->kind[i] == OTHER) {
      eager->in[i] = (Tensor){0};
    } else if (i < 3) {
      scalar_operand(L, i + 1, operands->dtype, scalars->data[i], &eager->in[i]);
    } else {
      binding_raisef(L, "%s: operand %d must be a tensor, got a number",
                     op_info(operands->op)->name, i + 1);
    }
  }
  return any && tape_wants(L, operands->op, tracked, operands->count);
}

static int compute(lua_State *L, const Operands *operands, Eager *eager) {
  Err err;
  Scalars scalars;
  bool record = eager_operands(L, operands, eager, &scalars);
  int results = op_info(operands->op)->results, first = lua_gettop(L) + 1;
  Tensor *out[OP_MAX_RESULTS];
  for (int k = 0; k < results; k++) out[k] = binding_new_tensor(L);
  Status status = eager_run(eager, &err);
  for (int k = 0; k < results && status == NN_OK; k++) *out[k] = eager->out[k];
  if (status == NN_OK && record) tape_record(L, eager, first);
  eager_release(eager);
  if (status != NN_OK) return binding_raise(L, &err);
  binding_count_memory(L, first, results);
  return results;
}

static int call_op(lua_State *L) {
  Operands operands = {.op = (OpId)lua_tointeger(L, lua_upvalueindex(UP_OP))};
  Eager eager;
  find_operands(L, &operands);
  int top = operands.graph_index ? operands.graph_index - 1 : lua_gettop(L);
  const OpInfo *info = op_info(operands.op);
  binding_read_attrs(L, operands.first_attr, top, info->name, info->attr_text, &eager.attrs);
  return operands.graph ? trace(L, &operands, &eager.attrs) : compute(L, &operands, &eager);
}

/* Lua passes unary minus its operand twice. */
static int call_unary(lua_State *L) {
  lua_settop(L, 1);
  return call_op(L);
}

/* x:add_(y) and the like: the result is written over x, which is returned. */
static int call_in_place(lua_State *L) {
  Operands operands = {.op = (OpId)lua_tointeger(L, lua_upvalueindex(UP_OP))};
  Err err;
  Eager eager;
  Scalars scalars;
  const OpInfo *info = op_info(operands.op);
  find_operands(L, &operands);
  if (operands.graph || operands.kind[0] != TENSOR)
    return binding_raisef(L,
                          "%s_: only a tensor can be written over, not a value of a model that "
                          "is being built",
                          info->name);
  tape_check_write(L, 1, info->name);
  binding_read_attrs(L, operands.first_attr, lua_gettop(L), info->name, info->attr_text,
                     &eager.attrs);
  eager_operands(L, &operands, &eager, &scalars);
  Tensor *dest = lua_touserdata(L, 1);
  Status status = eager_run_into(&eager, dest, &err);
  eager_release(&eager);
  if (status != NN_OK) return binding_raise(L, &err);
  lua_settop(L, 1);
  return 1;
}

/* ---- describing the table ---- */

static int op_rows(lua_State *L) {
  lua_createtable(L, OP_COUNT, 0);
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *info = op_info((OpId)op);
    lua_createtable(L, 0, 6);
    binding_set_text(L, "name", info->name);
    binding_set_text(L, "help", info->help);
    binding_set_integer(L, "operands", info->arity);
    binding_set_integer(L, "optional", info->optional);
    binding_set_flag(L, "elementwise", info->elementwise);
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
    {"__add", OP_add, call_op},
    {"__sub", OP_sub, call_op},
    {"__mul", OP_mul, call_op},
    {"__div", OP_div, call_op},
    {"__pow", OP_pow, call_op},
    {"__unm", OP_neg, call_unary},
    {"__mod", OP_remainder, call_op},
    {"__idiv", OP_floor_divide, call_op},
    {"__bor", OP_logical_or, call_op},
    {"__band", OP_logical_and, call_op},
    {"__bnot", OP_logical_not, call_unary},
};

static void push_op(lua_State *L, int op, lua_CFunction function) {
  lua_pushinteger(L, op);
  luaL_getmetatable(L, "nnrun.tensor");
  lua_pushlightuserdata(L, (void *)lua_topointer(L, -1));
  lua_remove(L, -2);
  luaL_getmetatable(L, "nnrun.node");
  lua_pushlightuserdata(L, (void *)lua_topointer(L, -1));
  lua_remove(L, -2);
  lua_pushcclosure(L, function, UP_COUNT);
}

/* Operators and methods of a type, whose methods are in the field `__methods` or `__index`. */
static void install(lua_State *L, const char *type, bool in_place) {
  luaL_getmetatable(L, type);
  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
    push_op(L, operators[i].op, operators[i].function);
    lua_setfield(L, -2, operators[i].event);
  }
  if (lua_getfield(L, -1, "__methods") != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_getfield(L, -1, "__index");
  }
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *info = op_info((OpId)op);
    if (lua_getfield(L, -1, info->name) == LUA_TNIL) {
      push_op(L, op, call_op);
      lua_setfield(L, -3, info->name);
    }
    lua_pop(L, 1);
    if (!in_place || !info->elementwise) continue;
    lua_pushfstring(L, "%s_", info->name);
    push_op(L, op, call_in_place);
    lua_rawset(L, -3);
  }
  lua_pop(L, 2);
}

int luaopen_core_op(lua_State *L) {
  luaL_requiref(L, "core.tensor", luaopen_core_tensor, 0);
  luaL_requiref(L, "core.graph", luaopen_core_graph, 0);
  lua_pop(L, 2);
  install(L, "nnrun.tensor", true);
  install(L, "nnrun.node", false);
  lua_createtable(L, 0, OP_COUNT + 1);
  for (int op = 0; op < OP_COUNT; op++) {
    push_op(L, op, call_op);
    lua_setfield(L, -2, op_info((OpId)op)->name);
  }
  lua_pushcfunction(L, op_rows);
  lua_setfield(L, -2, "rows");
  return 1;
}
