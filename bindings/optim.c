/* core.optim: the rows of the optimiser table, and reading an optimiser a script describes.
 *
 * rows() is the list nn/optim.lua makes the constructors, their options and their help from. */
#include "optim.h"

OptimId binding_check_optim(lua_State *L, int index, double hyper[OPTIM_MAX_HYPERS]) {
  index = lua_absindex(L, index);
  bool table = lua_istable(L, index);
  if (table) lua_getfield(L, index, "name");
  OptimId id = table && lua_isstring(L, -1) ? optim_find(lua_tostring(L, -1)) : OPTIM_COUNT;
  if (id == OPTIM_COUNT || lua_getfield(L, index, "hyper") != LUA_TTABLE)
    binding_raisef(L, "expected an optimizer such as nn.Adam { lr = 1e-3 }, got %s",
                   luaL_typename(L, index));
  optim_hyper_defaults(id, hyper);
  for (int i = 0; optim_info(id)->hyper[i].name; i++) {
    if (lua_rawgeti(L, -1, i + 1) == LUA_TNUMBER) hyper[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  Err err;
  if (optim_hyper_check(id, hyper, &err) != NN_OK) binding_raise(L, &err);
  return id;
}

static void push_hyper(lua_State *L, const OptimHyper *hyper) {
  static const char *const domains[] = {
#define X(name, words) [OPTIM_##name] = #name,
      OPTIM_DOMAINS(X)
#undef X
  };
  lua_createtable(L, 0, 4);
  binding_set_text(L, "name", hyper->name);
  binding_set_text(L, "domain", domains[hyper->domain]);
  binding_set_text(L, "help", hyper->help);
  binding_set_number(L, "default", hyper->fallback);
}

/* optim.rows() -> list of { name, title, help, searches, hypers = { { name, domain, default, help }
 * ... } } */
static int rows(lua_State *L) {
  lua_createtable(L, OPTIM_COUNT, 0);
  for (int id = 0; id < OPTIM_COUNT; id++) {
    const OptimInfo *info = optim_info((OptimId)id);
    lua_createtable(L, 0, 5);
    binding_set_text(L, "name", info->name);
    binding_set_text(L, "title", info->title);
    binding_set_text(L, "help", info->help);
    binding_set_flag(L, "searches", optim_searches((OptimId)id));
    lua_newtable(L);
    for (int i = 0; info->hyper[i].name; i++) {
      push_hyper(L, &info->hyper[i]);
      lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "hypers");
    lua_rawseti(L, -2, id + 1);
  }
  return 1;
}

/* optim.check(optimizer): raise, at the script's line, when its options do not go together. */
static int check(lua_State *L) {
  double hyper[OPTIM_MAX_HYPERS];
  binding_check_optim(L, 1, hyper);
  return 0;
}

int luaopen_core_optim(lua_State *L);
int luaopen_core_optim(lua_State *L) {
  static const luaL_Reg functions[] = {{"rows", rows}, {"check", check}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
