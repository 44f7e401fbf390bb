/* Layers in Lua: module core.layer, made from the layer table. nn/layers.lua builds on it. */
#include "attrs.h"
#include "node.h"

#include "layer/layer.h"

static LayerId check_layer(lua_State *L, int index) {
  LayerId id = layer_find(luaL_checkstring(L, index));
  if (id == LAYER_COUNT) binding_raisef(L, "there is no layer %s", lua_tostring(L, index));
  return id;
}

/* rows() -> list of { name, help, options, activation } */
static int layer_rows(lua_State *L) {
  lua_createtable(L, LAYER_COUNT, 0);
  for (int id = 0; id < LAYER_COUNT; id++) {
    const LayerInfo *info = layer_info((LayerId)id);
    lua_createtable(L, 0, 4);
    binding_set_text(L, "name", info->name);
    binding_set_text(L, "help", info->help);
    binding_push_attrs(L, info->option_text);
    lua_setfield(L, -2, "options");
    if (info->activation != OP_COUNT) {
      binding_set_text(L, "activation", op_info(info->activation)->name);
    }
    lua_rawseti(L, -2, id + 1);
  }
  return 1;
}

/* params(name, options, shape) -> list of { name, shape, init, fan_in, fan_out, decay, buffer,
 * value of init "constant" } */
static int layer_params_(lua_State *L) {
  LayerId id = check_layer(L, 1);
  Attrs options;
  binding_read_attrs(L, 2, 2, layer_info(id)->name, layer_info(id)->option_text, &options);
  Shape shape = binding_check_shape(L, 3);
  LayerParam params[LAYER_MAX_PARAMS];
  int count;
  Err err;
  if (layer_params(id, &options, &shape, params, &count, &err) != NN_OK)
    return binding_raise(L, &err);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_createtable(L, 0, 6);
    binding_set_text(L, "name", params[i].name);
    binding_push_shape(L, &params[i].shape);
    lua_setfield(L, -2, "shape");
    binding_set_text(L, "init", init_info(params[i].init)->name);
    binding_set_integer(L, "fan_in", params[i].fan_in);
    binding_set_integer(L, "fan_out", params[i].fan_out);
    binding_set_flag(L, "decay", params[i].decay);
    binding_set_flag(L, "buffer", params[i].buffer);
    if (params[i].init == INIT_constant) {
      binding_set_number(L, "value", params[i].value);
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* forward(name, options, input node, {parameter nodes}, training, stream, layer label, its
 * line) -> node, { [parameter's place] = node of its new value } or nothing */
static int layer_forward_(lua_State *L) {
  LayerCall call = {.layer = check_layer(L, 1)};
  Attrs options;
  const LayerInfo *info = layer_info(call.layer);
  binding_read_attrs(L, 2, 2, info->name, info->option_text, &options);
  Graph *graph = binding_check_node(L, 3)->box->graph;
  int count;
  const Ref *params = binding_check_nodes(L, 4, graph, &count);
  call.options = &options;
  call.graph = graph;
  call.in = binding_check_node(L, 3)->ref;
  for (int i = 0; i < count && i < LAYER_MAX_PARAMS; i++) call.params[i] = params[i];
  call.training = lua_toboolean(L, 5);
  call.stream = luaL_checkinteger(L, 6);
  binding_set_place(L, graph, luaL_optstring(L, 7, NULL), luaL_optstring(L, 8, NULL));
  Err err;
  Ref out;
  if (layer_forward(&call, &out, &err) != NN_OK) return binding_raise(L, &err);
  binding_push_graph_of(L, 3);
  int graph_index = lua_gettop(L);
  binding_push_node(L, graph_index, out);
  bool updated = false;
  for (int i = 0; i < LAYER_MAX_PARAMS; i++) updated |= call.updates[i] != REF_NONE;
  if (!updated) return 1;
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    if (call.updates[i] == REF_NONE) continue;
    binding_push_node(L, graph_index, call.updates[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 2;
}

int luaopen_core_layer(lua_State *L);
int luaopen_core_layer(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"rows", layer_rows}, {"params", layer_params_}, {"forward", layer_forward_}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
