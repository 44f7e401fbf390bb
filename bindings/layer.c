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
    lua_pushstring(L, info->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, info->help);
    lua_setfield(L, -2, "help");
    binding_push_attrs(L, info->option_text);
    lua_setfield(L, -2, "options");
    if (info->activation != OP_COUNT) {
      lua_pushstring(L, op_info(info->activation)->name);
      lua_setfield(L, -2, "activation");
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
    lua_pushstring(L, params[i].name);
    lua_setfield(L, -2, "name");
    lua_createtable(L, params[i].shape.ndim, 0);
    for (int k = 0; k < params[i].shape.ndim; k++) {
      lua_pushinteger(L, params[i].shape.dims[k]);
      lua_rawseti(L, -2, k + 1);
    }
    lua_setfield(L, -2, "shape");
    lua_pushstring(L, init_info(params[i].init)->name);
    lua_setfield(L, -2, "init");
    lua_pushinteger(L, params[i].fan_in);
    lua_setfield(L, -2, "fan_in");
    lua_pushinteger(L, params[i].fan_out);
    lua_setfield(L, -2, "fan_out");
    lua_pushboolean(L, params[i].decay);
    lua_setfield(L, -2, "decay");
    lua_pushboolean(L, params[i].buffer);
    lua_setfield(L, -2, "buffer");
    if (params[i].init == INIT_constant) {
      lua_pushnumber(L, params[i].value);
      lua_setfield(L, -2, "value");
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
