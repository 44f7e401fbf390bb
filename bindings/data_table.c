/* core.data's tables: what a CSV file held, as userdata "nnrun.table". Columns count from 1. */
#include "binding.h"
#include "data.h"
#include "data/csv.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_TYPE "nnrun.table"

static Table *check_table(lua_State *L) { return luaL_checkudata(L, 1, TABLE_TYPE); }

static int check_column(lua_State *L, const Table *table, int index) {
  lua_Integer column = luaL_checkinteger(L, index);
  if (column < 1 || column > table->columns)
    binding_raisef(L, "column %lld is outside the %d there are", (long long)column, table->columns);
  return (int)column - 1;
}

static int free_table(lua_State *L) {
  table_free(check_table(L));
  return 0;
}

/* ---- options ---- */

static const char *string_at(lua_State *L, int table, int64_t index) {
  if (lua_rawgeti(L, table, index) != LUA_TSTRING) binding_raisef(L, "expected a list of strings");
  const char *text = lua_tostring(L, -1); /* the table keeps it alive */
  lua_pop(L, 1);
  return text;
}

/* options.missing = {"?", ...}, as a list that ends in NULL; the userdata stays on the stack. */
static void read_missing(lua_State *L, CsvOptions *options) {
  if (lua_getfield(L, 2, "missing") != LUA_TTABLE) return;
  int list = lua_gettop(L);
  size_t count = (size_t)lua_rawlen(L, list);
  const char **words = lua_newuserdatauv(L, (count + 1) * sizeof *words, 0);
  for (size_t i = 0; i < count; i++) words[i] = string_at(L, list, (int64_t)i + 1);
  words[count] = NULL;
  options->missing = words;
}

/* options.types = {{name or position, "text" or "number"}, ...} */
static void read_types(lua_State *L, CsvOptions *options) {
  if (lua_getfield(L, 2, "types") != LUA_TTABLE) return;
  int list = lua_gettop(L);
  size_t count = (size_t)lua_rawlen(L, list);
  luaL_argcheck(L, count < 1000000, 2, "too many types");
  CsvType *types = lua_newuserdatauv(L, (count + 1) * sizeof *types, 0);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    int pair = lua_gettop(L);
    types[i] = (CsvType){.text = strcmp(string_at(L, pair, 2), "text") == 0};
    if (lua_rawgeti(L, pair, 1) == LUA_TNUMBER)
      types[i].position = (int)lua_tointeger(L, -1);
    else
      types[i].name = string_at(L, pair, 1);
    lua_settop(L, pair - 1);
  }
  options->types = types;
  options->type_count = (int)count;
}

static void read_options(lua_State *L, CsvOptions *options) {
  if (lua_getfield(L, 2, "separator") == LUA_TSTRING) options->separator = *lua_tostring(L, -1);
  if (lua_getfield(L, 2, "header") == LUA_TBOOLEAN)
    options->header = lua_toboolean(L, -1) ? CSV_HEADER_YES : CSV_HEADER_NO;
  lua_getfield(L, 2, "skip");
  options->skip = luaL_optinteger(L, -1, 0);
  read_missing(L, options);
  read_types(L, options);
}

/* read_csv(path, {separator =, header =, skip =, missing =, types =}) */
int data_read_csv(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  CsvOptions options = {0};
  luaL_checktype(L, 2, LUA_TTABLE);
  read_options(L, &options);
  Table *table = lua_newuserdatauv(L, sizeof *table, 0);
  *table = (Table){0};
  luaL_setmetatable(L, TABLE_TYPE);
  Err err;
  if (csv_read(table, path, &options, &err) != NN_OK) return binding_fail(L, &err);
  return 1;
}

/* ---- methods ---- */

/* table:rows() -> count */
static int table_rows(lua_State *L) {
  lua_pushinteger(L, check_table(L)->rows);
  return 1;
}

static void push_column(lua_State *L, const Column *column) {
  lua_createtable(L, 0, 6);
  binding_set_text(L, "name", column->name);
  binding_set_text(L, "kind", column_kind_name(column->kind));
  binding_set_integer(L, "missing", column->missing);
  binding_set_integer(L, "missing_line", column->missing_line);
  binding_set_integer(L, "missing_at", column->missing_at);
  if (!column->texts) return;
  lua_createtable(L, (int)column->text_count, 0);
  for (int64_t i = 0; i < column->text_count; i++) {
    lua_pushstring(L, column->texts[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "texts");
}

/* table:columns() -> {{name =, kind =, missing =, missing_line =, missing_at =, texts =}, ...} */
static int table_columns(lua_State *L) {
  const Table *table = check_table(L);
  lua_createtable(L, table->columns, 0);
  for (int i = 0; i < table->columns; i++) {
    push_column(L, &table->column[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* table:summary(column) -> {present =, distinct =, mean =, std =, min =, median =, max =, mode =}
 */
static int summary(lua_State *L) {
  const Table *table = check_table(L);
  ColumnSummary found;
  Err err;
  if (table_summary(&found, table, check_column(L, table, 2), &err) != NN_OK)
    return binding_raise(L, &err);
  lua_createtable(L, 0, 8);
  binding_set_integer(L, "present", found.present);
  binding_set_integer(L, "distinct", found.distinct);
  binding_set_number(L, "mean", found.mean);
  binding_set_number(L, "std", found.std);
  binding_set_number(L, "min", found.min);
  binding_set_number(L, "median", found.median);
  binding_set_number(L, "max", found.max);
  binding_set_number(L, "mode", found.mode);
  return 1;
}

/* table:drop{column, ...}: leave out the rows in which one of these is missing */
static int drop(lua_State *L) {
  Table *table = check_table(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  int count = (int)lua_rawlen(L, 2);
  int *columns = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *columns, 0);
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, 2, i + 1);
    columns[i] = check_column(L, table, -1);
    lua_pop(L, 1);
  }
  table_drop_missing(table, columns, count);
  return 0;
}

/* table:matrix({{column, code or -1, fill}, ...}, dtype) -> tensor */
static int matrix(lua_State *L) {
  const Table *table = check_table(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  DType dtype = binding_opt_dtype(L, 3, DTYPE_F32);
  int64_t count = (int64_t)lua_rawlen(L, 2);
  TableField *fields = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *fields, 0);
  for (int64_t i = 0; i < count; i++) {
    lua_rawgeti(L, 2, i + 1);
    int field = lua_gettop(L);
    luaL_checktype(L, field, LUA_TTABLE);
    lua_rawgeti(L, field, 1);
    lua_rawgeti(L, field, 2);
    lua_rawgeti(L, field, 3);
    fields[i] = (TableField){check_column(L, table, field + 1), luaL_checkinteger(L, field + 2),
                             luaL_checknumber(L, field + 3)};
    lua_settop(L, field - 1);
  }
  Tensor *out = binding_new_tensor(L);
  Err err;
  if (table_matrix(out, table, fields, count, dtype, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

/* table:labels(column) -> int64 tensor, number of classes, their values if the column is numeric;
 * or nil and a message */
static int labels(lua_State *L) {
  const Table *table = check_table(L);
  int column = check_column(L, table, 2);
  double *values = NULL;
  int64_t count = 0;
  Err err;
  if (table_labels(binding_new_tensor(L), &values, &count, table, column, &err) != NN_OK)
    return binding_fail(L, &err);
  lua_pushinteger(L, count);
  if (!values) return 2;
  /* The list goes to memory of Lua's first, so that a failing table leaks nothing. */
  double *copy =
      count < 1000000 ? lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *copy, 0) : NULL;
  if (copy) memcpy(copy, values, (size_t)count * sizeof *copy);
  free(values);
  if (!copy)
    return binding_raisef(L, "column '%s' has too many classes", table->column[column].name);
  lua_createtable(L, (int)count, 0);
  for (int64_t i = 0; i < count; i++) {
    lua_pushnumber(L, copy[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_remove(L, -2);
  return 3;
}

void data_open_table(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"rows", table_rows}, {"columns", table_columns}, {"summary", summary}, {"drop", drop},
      {"matrix", matrix},   {"labels", labels},         {"__gc", free_table}, {NULL, NULL}};
  binding_new_type(L, TABLE_TYPE, methods);
}
