/* Making tensors: from numbers and tables, filled with one value, evenly spaced, the identity. */
#include "tensor.h"

#include <math.h>
#include <string.h>

/* ---- from tables ---- */

/* The shape of a nested table, judged by its first elements. */
static Shape table_shape(lua_State *L, int index) {
  Shape shape = {0};
  lua_pushvalue(L, index);
  int pushed = 1;
  while (lua_istable(L, -1)) {
    if (shape.ndim == MAX_DIMS)
      binding_raisef(L, "a table nested more than %d deep cannot be a tensor", MAX_DIMS);
    shape.dims[shape.ndim++] = (int64_t)lua_rawlen(L, -1);
    luaL_checkstack(L, 2, "nested table");
    lua_rawgeti(L, -1, 1);
    pushed++;
  }
  lua_pop(L, pushed);
  return shape;
}

static int64_t fill_from_table(lua_State *L, Tensor *tensor, int depth, int64_t at) {
  if (depth == tensor->shape.ndim) {
    if (lua_type(L, -1) != LUA_TNUMBER)
      binding_raisef(L, "element %lld of the table is a %s, not a number", (long long)at + 1,
                     luaL_typename(L, -1));
    int whole = 1;
    if (tensor->dtype == DTYPE_I64)
      ((int64_t *)tensor->data)[at] = (int64_t)lua_tointegerx(L, -1, &whole);
    if (!whole)
      binding_raisef(L, "%.15g is no whole number, and an int64 tensor has only those",
                     lua_tonumber(L, -1));
    if (tensor->dtype != DTYPE_I64) tensor_set(tensor, at, lua_tonumber(L, -1));
    return at + 1;
  }
  int64_t expected = tensor->shape.dims[depth];
  if (!lua_istable(L, -1) || (int64_t)lua_rawlen(L, -1) != expected)
    binding_raisef(
        L, "the table is ragged: at depth %d there are %lld elements where %lld are expected",
        depth + 1, lua_istable(L, -1) ? (long long)lua_rawlen(L, -1) : 1LL, (long long)expected);
  for (int64_t i = 1; i <= expected; i++) {
    lua_rawgeti(L, -1, i);
    at = fill_from_table(L, tensor, depth + 1, at);
    lua_pop(L, 1);
  }
  return at;
}

Tensor *binding_to_tensor(lua_State *L, int index, DType dtype) {
  Err err;
  index = lua_absindex(L, index);
  Tensor *given = binding_test_tensor(L, index);
  Shape shape = {0};
  if (!given && lua_istable(L, index))
    shape = table_shape(L, index);
  else if (!given && lua_type(L, index) != LUA_TNUMBER)
    binding_raisef(L, "a number, a table of numbers or a tensor is needed, got %s",
                   luaL_typename(L, index));
  Tensor *tensor = binding_new_tensor(L);
  Status status =
      given ? tensor_convert(tensor, given, dtype, &err) : tensor_new(tensor, dtype, &shape, &err);
  if (status != NN_OK) binding_raise(L, &err);
  if (given) return tensor;
  luaL_checkstack(L, MAX_DIMS + 2, "nested table");
  lua_pushvalue(L, index);
  fill_from_table(L, tensor, 0, 0);
  lua_pop(L, 1);
  return tensor;
}

/* ---- constructors ---- */

Tensor *tensor_of_shape(lua_State *L, int index, DType dtype) {
  Err err;
  Shape shape = binding_check_shape(L, index);
  if (lua_istable(L, index)) dtype = binding_opt_dtype(L, index + 1, dtype);
  Tensor *tensor = binding_new_tensor(L);
  if (tensor_new_raw(tensor, dtype, &shape, &err) != NN_OK) binding_raise(L, &err);
  binding_count_memory(L, lua_gettop(L), 1);
  return tensor;
}

static int make_filled(lua_State *L, double value) {
  Tensor *tensor = tensor_of_shape(L, 1, DTYPE_F32);
  if (value == 0)
    memset(tensor->data, 0, tensor_bytes(tensor));
  else
    for (int64_t i = 0, count = tensor_count(tensor); i < count; i++) tensor_set(tensor, i, value);
  return 1;
}

static int tensor_zeros(lua_State *L) { return make_filled(L, 0); }
static int tensor_ones(lua_State *L) { return make_filled(L, 1); }

/* full(shape, value, dtype) */
static int tensor_full(lua_State *L) {
  double value = luaL_checknumber(L, 2);
  lua_remove(L, 2);
  return make_filled(L, value);
}

/* new(table or number or tensor, dtype) */
static int tensor_from(lua_State *L) {
  const Tensor *given = binding_test_tensor(L, 1);
  binding_to_tensor(L, 1, binding_opt_dtype(L, 2, given ? given->dtype : DTYPE_F32));
  binding_count_memory(L, lua_gettop(L), 1);
  return 1;
}

/* arange(first, last, step, dtype): first, first + step ... up to and including last. */
static int tensor_arange(lua_State *L) {
  Err err;
  double first = luaL_checknumber(L, 1), last = luaL_checknumber(L, 2);
  double step = luaL_optnumber(L, 3, 1);
  DType dtype = binding_opt_dtype(L, 4, DTYPE_F32);
  if (step == 0 || !isfinite((last - first) / step))
    return binding_raisef(L, "arange: the step must not be 0, and the ends finite");
  double count = floor((last - first) / step + 1e-9) + 1;
  Shape shape = {.ndim = 1, .dims = {count < 0 ? 0 : count > 1e15 ? INT64_MAX : (int64_t)count}};
  Tensor *tensor = binding_new_tensor(L);
  if (tensor_new(tensor, dtype, &shape, &err) != NN_OK) return binding_raise(L, &err);
  for (int64_t i = 0; i < shape.dims[0]; i++) tensor_set(tensor, i, first + step * (double)i);
  return 1;
}

/* linspace(first, last, count, dtype): `count` numbers evenly spread, both ends included. */
static int tensor_linspace(lua_State *L) {
  Err err;
  double first = luaL_checknumber(L, 1), last = luaL_checknumber(L, 2);
  lua_Integer count = luaL_optinteger(L, 3, 50);
  DType dtype = binding_opt_dtype(L, 4, DTYPE_F32);
  if (count < 0) return binding_raisef(L, "linspace: %lld numbers", (long long)count);
  Shape shape = {.ndim = 1, .dims = {count}};
  Tensor *tensor = binding_new_tensor(L);
  if (tensor_new(tensor, dtype, &shape, &err) != NN_OK) return binding_raise(L, &err);
  for (int64_t i = 0; i < count; i++) {
    double value = first + (last - first) * ((double)i / (double)(count > 1 ? count - 1 : 1));
    tensor_set(tensor, i, i > 0 && i == count - 1 ? last : value);
  }
  return 1;
}

/* eye(n, m, dtype): ones on the main diagonal of (n, m). */
static int tensor_eye(lua_State *L) {
  Err err;
  lua_Integer n = luaL_checkinteger(L, 1);
  lua_Integer m = lua_type(L, 2) == LUA_TSTRING ? n : luaL_optinteger(L, 2, n);
  DType dtype = binding_opt_dtype(L, lua_type(L, 2) == LUA_TSTRING ? 2 : 3, DTYPE_F32);
  Shape shape = {.ndim = 2, .dims = {n, m}};
  Tensor *tensor = binding_new_tensor(L);
  if (tensor_new(tensor, dtype, &shape, &err) != NN_OK) return binding_raise(L, &err);
  for (int64_t i = 0; i < n && i < m; i++) tensor_set(tensor, i * m + i, 1);
  return 1;
}

void tensor_make(lua_State *L) {
  static const luaL_Reg functions[] = {{"zeros", tensor_zeros},   {"ones", tensor_ones},
                                       {"full", tensor_full},     {"new", tensor_from},
                                       {"arange", tensor_arange}, {"linspace", tensor_linspace},
                                       {"eye", tensor_eye},       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
