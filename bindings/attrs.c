#include "attrs.h"

#include <math.h>
#include <string.h>

static double check_number(lua_State *L, int index, const char *what, const AttrSpec *spec) {
  if (spec->type == ATTR_BOOL) {
    if (!lua_isboolean(L, index))
      binding_raisef(L, "%s: %s must be true or false, got %s", what, spec->name,
                     luaL_typename(L, index));
    return lua_toboolean(L, index);
  }
  if (lua_type(L, index) != LUA_TNUMBER)
    binding_raisef(L, "%s: %s must be a number, got %s", what, spec->name, luaL_typename(L, index));
  double number = lua_tonumber(L, index);
  if (spec->type != ATTR_NUMBER && (number != floor(number) || fabs(number) > 9e15))
    binding_raisef(L, "%s: %s must be a whole number, got %.15g", what, spec->name, number);
  bool counted = spec->type == ATTR_AXIS || spec->type == ATTR_AXES || spec->type == ATTR_INDEX;
  if (counted && number == 0)
    binding_raisef(L, "%s: %s counts from 1 (or from the end with -1), 0 is neither", what,
                   spec->name);
  return counted && number > 0 ? number - 1 : number;
}

/* A list with names in it is a mistake: they would be ignored. */
static void refuse_names(lua_State *L, int index, const char *what, const AttrSpec *spec) {
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING)
      binding_raisef(
          L, "%s: %s is a list, '%s' in it has no meaning; write { %s = { ... }, %s = ... }", what,
          spec->name, lua_tostring(L, -2), spec->name, lua_tostring(L, -2));
}

static void read_attr(lua_State *L, int index, const char *what, const AttrSpec *spec, Attr *attr) {
  index = lua_absindex(L, index);
  bool list = spec->type == ATTR_INTS || spec->type == ATTR_AXES;
  if (!list) {
    attr->number = check_number(L, index, what, spec);
    return;
  }
  if (strcmp(spec->name, "padding") == 0 && lua_type(L, index) == LUA_TSTRING &&
      strcmp(lua_tostring(L, index), "same") == 0) {
    attr->count = 1;
    attr->list[0] = -1; /* how convolutions write it */
    return;
  }
  if (!lua_istable(L, index)) {
    attr->count = 1;
    attr->list[0] = (int64_t)check_number(L, index, what, spec);
    return;
  }
  refuse_names(L, index, what, spec);
  lua_Integer count = (lua_Integer)lua_rawlen(L, index);
  if (count > MAX_DIMS)
    binding_raisef(L, "%s: %s has %lld entries; at most %d are supported", what, spec->name,
                   (long long)count, MAX_DIMS);
  attr->count = (int)count;
  for (int i = 0; i < attr->count; i++) {
    lua_rawgeti(L, index, i + 1);
    attr->list[i] = (int64_t)check_number(L, -1, what, spec);
    lua_pop(L, 1);
  }
}

/* Options by name? An empty table is, unless it may be the list that comes first. */
static bool named_table(lua_State *L, int index, const char *text) {
  if (!lua_istable(L, index) || lua_rawlen(L, index) > 0) return false;
  AttrSpec first;
  bool list = attr_spec(text, 0, &first) && (first.type == ATTR_INTS || first.type == ATTR_AXES);
  lua_pushnil(L);
  if (!lua_next(L, index)) return !list;
  bool named = lua_type(L, -2) == LUA_TSTRING;
  lua_pop(L, 2);
  return named;
}

static void read_named(lua_State *L, int index, const char *what, const char *text, Attrs *attrs,
                       bool *given) {
  AttrSpec spec;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    int i = 0;
    while (attr_spec(text, i, &spec) && strcmp(spec.name, key) != 0) i++;
    if (!attr_spec(text, i, &spec))
      binding_raisef(L, "%s has no option '%s'; it has: %s", what, key, *text ? text : "none");
    read_attr(L, -1, what, &spec, &attrs->at[i]);
    given[i] = true;
    lua_pop(L, 1);
  }
}

/* Is there an option without a default? */
static bool has_required(const char *text) {
  int options = 0, defaults = 0;
  for (; *text; text++) {
    options += *text == ':';
    defaults += *text == '=';
  }
  return defaults < options;
}

/* x:reshape(3, 2): numbers from `index` to `top` are the entries of a list that is the only option;
 * one table. */
static int gather_list(lua_State *L, int index, int top, const char *text) {
  AttrSpec first, second;
  bool only = attr_spec(text, 0, &first) && !attr_spec(text, 1, &second) &&
              (first.type == ATTR_INTS || first.type == ATTR_AXES);
  for (int i = index; only && i <= top; i++) only = lua_type(L, i) == LUA_TNUMBER;
  if (!only || top <= index) return top;
  lua_createtable(L, top - index + 1, 0);
  for (int i = index; i <= top; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i - index + 1);
  }
  lua_replace(L, index);
  return index;
}

void binding_read_attrs(lua_State *L, int index, int top, const char *what, const char *text,
                        Attrs *attrs) {
  bool given[OP_MAX_ATTRS] = {false};
  AttrSpec spec;
  attr_defaults(text, attrs);
  while (top >= index && lua_isnil(L, top)) top--;
  top = gather_list(L, index, top, text);
  if (index <= top && named_table(L, index, text)) {
    read_named(L, index, what, text, attrs, given);
    index++;
  } else {
    for (int i = 0; index <= top && attr_spec(text, i, &spec); i++, index++) {
      if (lua_isnil(L, index)) continue;
      read_attr(L, index, what, &spec, &attrs->at[i]);
      given[i] = true;
    }
  }
  if (index <= top)
    binding_raisef(L, "%s: too many arguments; its options are: %s", what, *text ? text : "none");
  if (!has_required(text)) return;
  for (int i = 0; i < OP_MAX_ATTRS && attr_spec(text, i, &spec); i++)
    if (spec.required && !given[i]) binding_raisef(L, "%s: %s must be given", what, spec.name);
}

static void push_default(lua_State *L, const AttrSpec *spec) {
  bool counted = spec->type == ATTR_AXIS || spec->type == ATTR_INDEX;
  if (spec->required || spec->type == ATTR_INTS || spec->type == ATTR_AXES)
    lua_pushnil(L);
  else if (spec->type == ATTR_BOOL)
    lua_pushboolean(L, spec->fallback != 0);
  else
    lua_pushnumber(L, counted && spec->fallback >= 0 ? spec->fallback + 1 : spec->fallback);
}

void binding_push_attrs(lua_State *L, const char *text) {
  static const char *const types[] = {
#define X(name, word) [ATTR_##name] = (word),
      ATTR_TYPES(X)
#undef X
  };
  AttrSpec spec;
  lua_newtable(L);
  for (int i = 0; i < OP_MAX_ATTRS && attr_spec(text, i, &spec); i++) {
    lua_createtable(L, 0, 4);
    binding_set_text(L, "name", spec.name);
    binding_set_text(L, "type", types[spec.type]);
    binding_set_flag(L, "required", spec.required);
    push_default(L, &spec);
    lua_setfield(L, -2, "default");
    lua_rawseti(L, -2, i + 1);
  }
}
