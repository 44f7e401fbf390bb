/* core.init: the rows of the initialiser table, and reading an initialiser a script describes.
 *
 * rows() is the list nn/init.lua makes the constructors, their options and their help from. */
#include "init.h"

InitId binding_check_init(lua_State *L, int index, double args[INIT_MAX_ARGS]) {
  index = lua_absindex(L, index);
  bool table = lua_istable(L, index);
  if (table)
    lua_getfield(L, index, "name");
  else
    lua_pushvalue(L, index);
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  InitId id = name ? init_find(name) : INIT_COUNT;
  if (id == INIT_COUNT)
    binding_raisef(L,
                   "expected an initializer, a name such as \"he_normal\" or nn.init.normal { std "
                   "= 0.01 }, got %s",
                   name ? name : luaL_typename(L, index));
  init_arg_defaults(id, args);
  if (table && lua_getfield(L, index, "args") == LUA_TTABLE)
    for (int i = 0; init_info(id)->arg[i].name; i++) {
      if (lua_rawgeti(L, -1, i + 1) == LUA_TNUMBER) args[i] = lua_tonumber(L, -1);
      lua_pop(L, 1);
    }
  lua_pop(L, table ? 2 : 1);
  return id;
}

/* init.rows() -> list of { name, help, args = { { name, default, help } ... } } */
static int rows(lua_State *L) {
  lua_createtable(L, INIT_COUNT, 0);
  for (int id = 0; id < INIT_COUNT; id++) {
    const InitInfo *info = init_info((InitId)id);
    lua_createtable(L, 0, 3);
    binding_set_text(L, "name", info->name);
    binding_set_text(L, "help", info->help);
    lua_newtable(L);
    for (int i = 0; info->arg[i].name; i++) {
      lua_createtable(L, 0, 3);
      binding_set_text(L, "name", info->arg[i].name);
      binding_set_text(L, "help", info->arg[i].help);
      binding_set_number(L, "default", info->arg[i].fallback);
      lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "args");
    lua_rawseti(L, -2, id + 1);
  }
  return 1;
}

/* init.fill(tensor, initializer, fan_in, fan_out, seed, stream) */
static int fill(lua_State *L) {
  double args[INIT_MAX_ARGS];
  Tensor *tensor = binding_check_tensor(L, 1);
  InitId id = binding_check_init(L, 2, args);
  Err err;
  if (init_fill(tensor, id, args, luaL_checkinteger(L, 3), luaL_checkinteger(L, 4),
                (uint64_t)luaL_checkinteger(L, 5), (uint64_t)luaL_checkinteger(L, 6),
                &err) != NN_OK)
    return binding_raise(L, &err);
  return 0;
}

int luaopen_core_init(lua_State *L);
int luaopen_core_init(lua_State *L) {
  static const luaL_Reg functions[] = {{"rows", rows}, {"fill", fill}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
