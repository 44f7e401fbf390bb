/* Helpers of every binding: errors that name the script's line, shapes and dtypes as arguments. */
#include "binding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *binding_where(lua_State *L, char *text, size_t size) {
  lua_Debug frame;
  for (int level = 0; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sl", &frame);
    if (frame.currentline <= 0) continue; /* a C function */
    if (strncmp(frame.short_src, BINDING_CHUNK_PREFIX, sizeof BINDING_CHUNK_PREFIX - 1) == 0)
      continue;
    snprintf(text, size, "%s:%d", frame.short_src, frame.currentline);
    return text;
  }
  text[0] = '\0';
  return text;
}

static int raise_at_script(lua_State *L, const char *message) {
  char where[LUA_IDSIZE + 32];
  if (*binding_where(L, where, sizeof where) != '\0')
    lua_pushfstring(L, "%s: %s", where, message);
  else
    lua_pushstring(L, message);
  return lua_error(L);
}

int binding_raise(lua_State *L, const Err *err) { return raise_at_script(L, err->message); }

int binding_raisef(lua_State *L, const char *format, ...) {
  char message[ERR_MESSAGE_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return raise_at_script(L, message);
}

int binding_fail(lua_State *L, const Err *err) {
  lua_pushnil(L);
  lua_pushstring(L, err->message);
  return 2;
}

void binding_new_type(lua_State *L, const char *name, const luaL_Reg *functions) {
  if (luaL_newmetatable(L, name)) {
    lua_newtable(L);
    for (const luaL_Reg *function = functions; function->name; function++) {
      lua_pushcfunction(L, function->func);
      lua_setfield(L, strncmp(function->name, "__", 2) == 0 ? -3 : -2, function->name);
    }
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
}

void *binding_state(lua_State *L, const void *key, size_t size) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) != LUA_TUSERDATA) {
    lua_pop(L, 1);
    memset(lua_newuserdatauv(L, size, 0), 0, size);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  }
  void *state = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return state;
}

int64_t binding_integer_field(lua_State *L, int index, const char *name, int64_t fallback) {
  lua_getfield(L, index, name);
  int64_t value = luaL_optinteger(L, -1, fallback);
  lua_pop(L, 1);
  return value;
}

double binding_number_field(lua_State *L, int index, const char *name, double fallback) {
  lua_getfield(L, index, name);
  double value = luaL_optnumber(L, -1, fallback);
  lua_pop(L, 1);
  return value;
}

void binding_set_integer(lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

void binding_set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

void binding_set_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

void binding_set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

void binding_push_shape(lua_State *L, const Shape *shape) {
  lua_createtable(L, shape->ndim, 0);
  for (int i = 0; i < shape->ndim; i++) {
    lua_pushinteger(L, shape->dims[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

/* One dim; `place` counts from 1. */
static int64_t check_dim(lua_State *L, int index, int place) {
  int exact = 0;
  lua_Integer dim = lua_tointegerx(L, index, &exact);
  if (!exact || lua_type(L, index) != LUA_TNUMBER)
    binding_raisef(L, "size %d of a shape must be a whole number, got %s", place,
                   lua_type(L, index) == LUA_TNUMBER ? "a fraction" : luaL_typename(L, index));
  if (dim < 0)
    binding_raisef(L, "size %d of a shape is %lld; sizes are 0 or more", place, (long long)dim);
  return dim;
}

Shape binding_check_shape(lua_State *L, int index) {
  Shape shape = {0};
  index = lua_absindex(L, index);
  bool table = lua_istable(L, index);
  lua_Integer count = table ? (lua_Integer)lua_rawlen(L, index) : lua_gettop(L) - index + 1;
  if (!table && count == 0) binding_raisef(L, "a shape is missing: give sizes, e.g. {2, 3}");
  if (count > MAX_DIMS)
    binding_raisef(L, "a shape of %lld dimensions; at most %d are supported", (long long)count,
                   MAX_DIMS);
  shape.ndim = (int)count;
  for (int i = 0; i < shape.ndim; i++) {
    if (table) lua_rawgeti(L, index, i + 1);
    shape.dims[i] = check_dim(L, table ? -1 : index + i, i + 1);
    if (table) lua_pop(L, 1);
  }
  return shape;
}

DType binding_opt_dtype(lua_State *L, int index, DType fallback) {
  if (lua_isnoneornil(L, index)) return fallback;
  const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : NULL;
  if (name == NULL)
    binding_raisef(L, "a dtype is a name such as \"float32\", got %s", luaL_typename(L, index));
  for (int dtype = 0; dtype < DTYPE_COUNT; dtype++)
    if (strcmp(name, dtype_name((DType)dtype)) == 0) return (DType)dtype;
  binding_raisef(L, "unknown dtype \"%s\"; the dtypes are float32, float64 and int64", name);
  return fallback;
}
