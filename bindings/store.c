/* core.store: the run store for Lua. Statements are named in core/store/statements.def.
 *
 * store.open(path, "read"|"write") -> store; store:run(name, values...) -> id of the row inserted;
 * store:begin(), store:commit(), store:close() (which commits), store:discard();
 * store.recover(from, to) -> {rows, damaged, tables}. All return nil, message when the store cannot
 * do it. store:rows(name, values...) -> list of rows by column name, and store:each(name,
 * values...), which gives them to a loop one at a time, raise it. */
#include "store/store.h"
#include "base/hash.h"
#include "binding.h"
#include "store/recover.h"

#include <math.h>
#include <string.h>

#define STORE_TYPE "nnrun.store"
#define CURSOR_TYPE "nnrun.store.cursor"

enum { MAX_VALUES = 32 };

static Store *check_store(lua_State *L) {
  Store *store = *(Store **)luaL_checkudata(L, 1, STORE_TYPE);
  if (!store) binding_raisef(L, "the run store has been closed");
  return store;
}

/* store.open(path, mode) */
static int open_store(lua_State *L) {
  static const char *const modes[] = {"read", "write", NULL};
  const char *path = luaL_checkstring(L, 1);
  StoreMode mode = luaL_checkoption(L, 2, "read", modes) == 0 ? STORE_READ : STORE_WRITE;
  Store **store = lua_newuserdatauv(L, sizeof *store, 0);
  *store = NULL;
  luaL_setmetatable(L, STORE_TYPE);
  Err err;
  if (store_open(store, path, mode, &err) != NN_OK) return binding_fail(L, &err);
  return 1;
}

static int answer(lua_State *L, Status status, const Err *err) {
  if (status != NN_OK) return binding_fail(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int begin_store(lua_State *L) {
  Err err;
  return answer(L, store_begin(check_store(L), &err), &err);
}

static int commit_store(lua_State *L) {
  Err err;
  return answer(L, store_commit(check_store(L), &err), &err);
}

static int close_store(lua_State *L) {
  Store **slot = luaL_checkudata(L, 1, STORE_TYPE);
  Store *store = *slot;
  *slot = NULL;
  Err err;
  return answer(L, store_close(store, &err), &err);
}

/* What nobody closed has failed midway: nothing of an open transaction is kept. */
static int discard_store(lua_State *L) {
  Store **slot = luaL_checkudata(L, 1, STORE_TYPE);
  store_discard(*slot);
  *slot = NULL;
  return 0;
}

static int path_store(lua_State *L) {
  lua_pushstring(L, store_path(check_store(L)));
  return 1;
}

/* The statement at index 2 and the values after it. */
static StoreStatement read_call(lua_State *L, StoreValue values[MAX_VALUES], int *count) {
  const char *name = luaL_checkstring(L, 2);
  StoreStatement which = store_find(name);
  if (which == STORE_STATEMENT_COUNT) binding_raisef(L, "no store statement is named \"%s\"", name);
  *count = lua_gettop(L) - 2;
  if (*count > MAX_VALUES) binding_raisef(L, "too many values for store statement %s", name);
  for (int i = 0; i < *count; i++) {
    int index = i + 3;
    StoreValue *value = &values[i];
    *value = (StoreValue){STORE_NULL, 0, 0, NULL, 0};
    switch (lua_type(L, index)) {
    case LUA_TNIL: break;
    case LUA_TBOOLEAN:
      value->type = STORE_INTEGER;
      value->integer = lua_toboolean(L, index);
      break;
    case LUA_TNUMBER:
      value->type = lua_isinteger(L, index) ? STORE_INTEGER : STORE_REAL;
      value->integer = lua_tointeger(L, index);
      value->real = lua_tonumber(L, index);
      break;
    case LUA_TSTRING:
      value->type = STORE_TEXT;
      value->text = lua_tolstring(L, index, &value->length);
      break;
    default: binding_raisef(L, "a store holds no %s", luaL_typename(L, index));
    }
  }
  return which;
}

static int run_store(lua_State *L) {
  Store *store = check_store(L);
  StoreValue values[MAX_VALUES];
  int count;
  StoreStatement which = read_call(L, values, &count);
  int64_t id;
  Err err;
  if (store_do(store, which, values, count, &id, &err) != NN_OK) return binding_fail(L, &err);
  lua_pushinteger(L, id);
  return 1;
}

static void push_value(lua_State *L, const StoreValue *value) {
  switch (value->type) {
  case STORE_INTEGER: lua_pushinteger(L, value->integer); return;
  case STORE_REAL: lua_pushnumber(L, value->real); return;
  case STORE_TEXT: lua_pushlstring(L, value->text, value->length); return;
  default: lua_pushnil(L);
  }
}

/* The row a statement has come to, as a table with no more room than it needs: there may be very
 * many. */
static void push_row(lua_State *L, const Store *store, StoreStatement which) {
  int columns = store_columns(store, which), used = 0;
  for (int i = 0; i < columns; i++) used += store_column(store, which, i).type != STORE_NULL;
  lua_createtable(L, 0, used);
  for (int i = 0; i < columns; i++) {
    StoreValue value = store_column(store, which, i);
    if (value.type == STORE_NULL) continue;
    push_value(L, &value);
    lua_setfield(L, -2, store_column_name(store, which, i));
  }
}

static int rows_store(lua_State *L) {
  Store *store = check_store(L);
  StoreValue values[MAX_VALUES];
  int count;
  StoreStatement which = read_call(L, values, &count);
  Err err;
  if (store_query(store, which, values, count, &err) != NN_OK) binding_raisef(L, "%s", err.message);
  lua_newtable(L);
  for (lua_Integer n = 1;; n++) {
    bool found;
    if (store_row(store, which, &found, &err) != NN_OK) binding_raisef(L, "%s", err.message);
    if (!found) return 1;
    push_row(L, store, which);
    lua_rawseti(L, -2, n);
  }
}

/* A statement that is giving rows; its user value is the store. */
typedef struct {
  StoreStatement which;
} Cursor;

static Store *store_of_cursor(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  Store *store = *(Store **)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return store;
}

static int next_row(lua_State *L) {
  Cursor *cursor = luaL_checkudata(L, 1, CURSOR_TYPE);
  Store *store = store_of_cursor(L);
  if (!store) binding_raisef(L, "the run store has been closed");
  bool found;
  Err err;
  if (store_row(store, cursor->which, &found, &err) != NN_OK) binding_raisef(L, "%s", err.message);
  if (!found) return 0;
  push_row(L, store, cursor->which);
  return 1;
}

static int close_cursor(lua_State *L) {
  Cursor *cursor = luaL_checkudata(L, 1, CURSOR_TYPE);
  Store *store = store_of_cursor(L);
  if (store) store_stop(store, cursor->which);
  return 0;
}

/* for row in store:each(name, values...): one row at a time. */
static int each_store(lua_State *L) {
  Store *store = check_store(L);
  StoreValue values[MAX_VALUES];
  int count;
  StoreStatement which = read_call(L, values, &count);
  Cursor *cursor = lua_newuserdatauv(L, sizeof *cursor, 1);
  cursor->which = which;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  Err err;
  if (store_query(store, which, values, count, &err) != NN_OK) binding_raisef(L, "%s", err.message);
  luaL_setmetatable(L, CURSOR_TYPE);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, -3); /* the loop closes it, however it ends */
  return 4;
}

/* store.recover(from, to) */
static int recover_store(lua_State *L) {
  StoreRecovery recovery;
  Err err;
  const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
  if (store_recover(from, to, &recovery, &err) != NN_OK) return binding_fail(L, &err);
  lua_createtable(L, 0, 3);
  binding_set_integer(L, "rows", recovery.rows);
  binding_set_integer(L, "damaged", recovery.damaged);
  binding_set_text(L, "tables", recovery.tables);
  return 1;
}

/* store.sha256(text) -> 64 hexadecimal digits */
static int sha256(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  Sha256 sha;
  char hex[SHA256_HEX_SIZE];
  sha256_begin(&sha);
  sha256_add(&sha, text, length);
  sha256_end(&sha, hex);
  lua_pushstring(L, hex);
  return 1;
}

int luaopen_core_store(lua_State *L);
int luaopen_core_store(lua_State *L) {
  static const luaL_Reg methods[] = {{"begin", begin_store},     {"commit", commit_store},
                                     {"run", run_store},         {"rows", rows_store},
                                     {"each", each_store},       {"path", path_store},
                                     {"close", close_store},     {"__gc", discard_store},
                                     {"discard", discard_store}, {NULL, NULL}};
  static const luaL_Reg cursor[] = {{"__call", next_row}, {"__close", close_cursor}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"open", open_store}, {"recover", recover_store}, {"sha256", sha256}, {NULL, NULL}};
  binding_new_type(L, STORE_TYPE, methods);
  binding_new_type(L, CURSOR_TYPE, cursor);
  luaL_newlib(L, functions);
  return 1;
}
