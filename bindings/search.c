/* core.search: the arithmetic of samplers. See core/search.
 *
 *   table(columns) -> results so far; columns: {cells=, ordered=, parent=, from=, to=}
 *   t:add(row, loss); row: for each column a place in [0, 1], or false (not active); #t rows
 *   t:tpe(options, pending, address...) -> row; options: {below=, window=, candidates=, prior=}
 *   t:gp_fit(count) -> model of the first rows; t:gp(model, candidates, pending, address...) -> row
 *   t:best(n) -> numbers of the n best rows
 *   sobol(address..., width), halton(address..., width) -> point number `index`
 *   cmaes{mean=, sigma=, lambda=, least=} -> c; c:draw(address...), c:update(rows, address...),
 *   c:mean(), c:spread(), c:condition()
 * address...: seed, name, index, as in core.random. `pending`: rows whose results are not known. */
#include "random.h"

#include "search/cmaes.h"
#include "search/gp.h"
#include "search/sequence.h"
#include "search/tpe.h"

#include <math.h>
#include <stdlib.h>

#define TABLE_TYPE "nnrun.search_table"
#define MODEL_TYPE "nnrun.search_model"
#define CMAES_TYPE "nnrun.cmaes"

int luaopen_core_search(lua_State *L);

/* A list of numbers and false (NaN) at a stack index. */
static void read_row(lua_State *L, int index, double *row, int width) {
  luaL_checktype(L, index, LUA_TTABLE);
  index = lua_absindex(L, index);
  for (int c = 0; c < width; c++) {
    int type = lua_rawgeti(L, index, c + 1);
    if (type != LUA_TNUMBER && type != LUA_TBOOLEAN) {
      luaL_error(L, "a row needs %d numbers or false, number %d is a %s", width, c + 1,
                 lua_typename(L, type));
    }
    row[c] = type == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
    lua_pop(L, 1);
  }
}

static void push_row(lua_State *L, const double *row, int width) {
  lua_createtable(L, width, 0);
  for (int c = 0; c < width; c++) {
    if (isnan(row[c])) {
      lua_pushboolean(L, 0);
    } else {
      lua_pushnumber(L, row[c]);
    }
    lua_rawseti(L, -2, c + 1);
  }
}

/* A list of rows as one array, kept alive on the stack. */
static double *read_rows(lua_State *L, int index, int width, int *count) {
  luaL_checktype(L, index, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, index);
  luaL_argcheck(L, n <= 1 << 20, index, "too many rows");
  size_t size = (size_t)(n > 0 ? n : 1) * (size_t)width * sizeof(double);
  double *rows = lua_newuserdatauv(L, size, 0);
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, index, i + 1);
    read_row(L, -1, rows + i * width, width);
    lua_pop(L, 1);
  }
  *count = (int)n;
  return rows;
}

static double field_number(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  double value = luaL_checknumber(L, -1);
  lua_pop(L, 1);
  return value;
}

/* ---- results ---- */

static int table_make(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  SearchColumn columns[SEARCH_MAX_COLUMNS];
  int width = (int)lua_rawlen(L, 1);
  for (int c = 0; c < width && c < SEARCH_MAX_COLUMNS; c++) {
    lua_rawgeti(L, 1, c + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    int at = lua_gettop(L);
    lua_getfield(L, at, "ordered");
    columns[c] = (SearchColumn){
        .cells = (int)binding_integer_field(L, at, "cells", 0),
        .ordered = lua_toboolean(L, -1),
        .parent = (int)binding_integer_field(L, at, "parent", 0) - 1,
        .from = (int)binding_integer_field(L, at, "from", 1) - 1,
        .to = (int)binding_integer_field(L, at, "to", 1) - 1,
    };
    lua_settop(L, at - 1);
  }
  SearchTable *table = lua_newuserdatauv(L, sizeof *table, 0);
  *table = (SearchTable){0};
  luaL_setmetatable(L, TABLE_TYPE);
  Err err;
  if (search_table_new(table, columns, width, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

static SearchTable *check_table(lua_State *L) { return luaL_checkudata(L, 1, TABLE_TYPE); }

static int table_release(lua_State *L) {
  search_table_free(check_table(L));
  return 0;
}

static int table_count(lua_State *L) {
  lua_pushinteger(L, check_table(L)->count);
  return 1;
}

static int table_add(lua_State *L) {
  SearchTable *table = check_table(L);
  double row[SEARCH_MAX_COLUMNS];
  read_row(L, 2, row, table->width);
  Err err;
  if (search_table_add(table, row, luaL_checknumber(L, 3), &err) != NN_OK) {
    return binding_raise(L, &err);
  }
  return 0;
}

static int table_best(lua_State *L) {
  SearchTable *table = check_table(L);
  lua_Integer count = luaL_checkinteger(L, 2);
  lua_newtable(L);
  for (int i = 0; i < count && i < table->count; i++) {
    lua_pushinteger(L, table->order[i] + 1);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int table_tpe(lua_State *L) {
  SearchTable *table = check_table(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  TpeOptions options = {
      .below = (int)binding_integer_field(L, 2, "below", 1),
      .window = (int)binding_integer_field(L, 2, "window", 1),
      .candidates = (int)binding_integer_field(L, 2, "candidates", 1),
      .prior = field_number(L, 2, "prior"),
  };
  int pending_count;
  double row[SEARCH_MAX_COLUMNS];
  Rng rng = binding_check_stream(L, 4);
  const double *pending = read_rows(L, 3, table->width, &pending_count);
  Err err;
  if (tpe_propose(table, &options, pending, pending_count, &rng, row, &err) != NN_OK) {
    return binding_raise(L, &err);
  }
  push_row(L, row, table->width);
  return 1;
}

static int table_gp_fit(lua_State *L) {
  SearchTable *table = check_table(L);
  int count = (int)luaL_checkinteger(L, 2);
  GpModel *model = lua_newuserdatauv(L, sizeof *model, 0);
  luaL_setmetatable(L, MODEL_TYPE);
  Err err;
  if (gp_fit(table, count, model, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

static int table_gp(lua_State *L) {
  SearchTable *table = check_table(L);
  const GpModel *model = luaL_checkudata(L, 2, MODEL_TYPE);
  int candidates = (int)luaL_checkinteger(L, 3), pending_count;
  Rng rng = binding_check_stream(L, 5);
  const double *pending = read_rows(L, 4, table->width, &pending_count);
  double row[SEARCH_MAX_COLUMNS];
  Err err;
  if (gp_propose(table, model, pending, pending_count, candidates, &rng, row, &err) != NN_OK) {
    return binding_raise(L, &err);
  }
  push_row(L, row, table->width);
  return 1;
}

/* ---- sequences ---- */

static int point_of(lua_State *L, double (*place)(const Rng *, uint32_t, int), int most) {
  uint64_t index;
  Rng rng = binding_check_address(L, 1, &index);
  lua_Integer width = luaL_checkinteger(L, 4);
  if (width < 0 || width > most) {
    return binding_raisef(L, "a point of %lld places; there are sequences for up to %d",
                          (long long)width, most);
  }
  lua_createtable(L, (int)width, 0);
  for (int i = 0; i < width; i++) {
    lua_pushnumber(L, place(&rng, (uint32_t)index, i));
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int sobol(lua_State *L) { return point_of(L, sobol_place, SOBOL_MAX_DIMENSIONS); }
static int halton(lua_State *L) { return point_of(L, halton_place, HALTON_MAX_DIMENSIONS); }

/* ---- CMA-ES ---- */

static Cmaes *check_cmaes(lua_State *L) { return *(Cmaes **)luaL_checkudata(L, 1, CMAES_TYPE); }

static int cmaes_make(lua_State *L) {
  double mean[SEARCH_MAX_COLUMNS], least[SEARCH_MAX_COLUMNS];
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "mean");
  lua_getfield(L, 1, "least");
  int width = (int)lua_rawlen(L, 2);
  luaL_argcheck(L, width >= 1 && width <= SEARCH_MAX_COLUMNS, 1, "1 to 128 parameters expected");
  read_row(L, 2, mean, width);
  read_row(L, 3, least, width);
  int lambda = (int)binding_integer_field(L, 1, "lambda", 0);
  double sigma = field_number(L, 1, "sigma");
  Cmaes **cmaes = lua_newuserdatauv(L, sizeof *cmaes, 0);
  *cmaes = NULL;
  luaL_setmetatable(L, CMAES_TYPE);
  Err err;
  if (cmaes_new(cmaes, width, lambda, mean, sigma, least, &err) != NN_OK) {
    return binding_raise(L, &err);
  }
  return 1;
}

static int cmaes_release(lua_State *L) {
  Cmaes **cmaes = luaL_checkudata(L, 1, CMAES_TYPE);
  cmaes_free(*cmaes);
  *cmaes = NULL;
  return 0;
}

static int draw(lua_State *L) {
  Cmaes *cmaes = check_cmaes(L);
  double point[SEARCH_MAX_COLUMNS];
  uint64_t index;
  Rng rng = binding_check_address(L, 2, &index);
  cmaes_draw(cmaes, &rng, index, point);
  push_row(L, point, cmaes_width(cmaes));
  return 1;
}

static int update(lua_State *L) {
  Cmaes *cmaes = check_cmaes(L);
  Rng rng = binding_check_stream(L, 3);
  int count;
  const double *points = read_rows(L, 2, cmaes_width(cmaes), &count);
  luaL_argcheck(L, count == cmaes_lambda(cmaes), 2, "a whole generation expected");
  Err err;
  if (cmaes_update(cmaes, points, &rng, &err) != NN_OK) return binding_raise(L, &err);
  return 0;
}

static int mean_of(lua_State *L) {
  Cmaes *cmaes = check_cmaes(L);
  push_row(L, cmaes_mean(cmaes), cmaes_width(cmaes));
  return 1;
}

static int spread_of(lua_State *L) {
  lua_pushnumber(L, cmaes_spread(check_cmaes(L)));
  return 1;
}

static int condition_of(lua_State *L) {
  lua_pushnumber(L, cmaes_condition(check_cmaes(L)));
  return 1;
}

int luaopen_core_search(lua_State *L) {
  static const luaL_Reg table_methods[] = {
      {"add", table_add}, {"best", table_best},   {"tpe", table_tpe},      {"gp_fit", table_gp_fit},
      {"gp", table_gp},   {"__len", table_count}, {"__gc", table_release}, {NULL, NULL}};
  static const luaL_Reg cmaes_methods[] = {
      {"draw", draw},        {"update", update},          {"mean", mean_of},
      {"spread", spread_of}, {"condition", condition_of}, {"__gc", cmaes_release},
      {NULL, NULL}};
  static const luaL_Reg functions[] = {{"table", table_make},
                                       {"sobol", sobol},
                                       {"halton", halton},
                                       {"cmaes", cmaes_make},
                                       {NULL, NULL}};
  static const luaL_Reg none[] = {{NULL, NULL}};
  binding_new_type(L, TABLE_TYPE, table_methods);
  binding_new_type(L, MODEL_TYPE, none);
  binding_new_type(L, CMAES_TYPE, cmaes_methods);
  luaL_newlib(L, functions);
  return 1;
}
