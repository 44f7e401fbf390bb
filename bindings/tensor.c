/* Tensors in Lua: userdata "nnrun.tensor", and module core.tensor that makes them. Indices count
 * from 1. */
#include "binding.h"

#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char TENSOR_TYPE[] = "nnrun.tensor";

Tensor *binding_new_tensor(lua_State *L) {
  Tensor *tensor = lua_newuserdatauv(L, sizeof *tensor, 0);
  *tensor = (Tensor){0};
  luaL_setmetatable(L, TENSOR_TYPE);
  return tensor;
}

Tensor *binding_test_tensor(lua_State *L, int index) {
  Tensor *tensor = luaL_testudata(L, index, TENSOR_TYPE);
  return tensor && tensor->buffer ? tensor : NULL;
}

Tensor *binding_check_tensor(lua_State *L, int index) {
  Tensor *tensor = luaL_testudata(L, index, TENSOR_TYPE);
  if (!tensor)
    binding_raisef(L, "argument %d must be a tensor, got %s", index, luaL_typename(L, index));
  if (!tensor->buffer) binding_raisef(L, "argument %d is a tensor that was released", index);
  return tensor;
}

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
    if (tensor->dtype == DTYPE_I64)
      ((int64_t *)tensor->data)[at] = (int64_t)luaL_checkinteger(L, -1);
    else
      tensor_set(tensor, at, lua_tonumber(L, -1));
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

static int make_filled(lua_State *L, double value) {
  Err err;
  Shape shape = binding_check_shape(L, 1);
  DType dtype = binding_opt_dtype(L, lua_istable(L, 1) ? 2 : lua_gettop(L) + 1, DTYPE_F32);
  Tensor *tensor = binding_new_tensor(L);
  if (tensor_new(tensor, dtype, &shape, &err) != NN_OK) return binding_raise(L, &err);
  if (value != 0)
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
  return 1;
}

/* arange(first, last, step, dtype): first, first + step ... up to and including last. */
static int tensor_arange(lua_State *L) {
  Err err;
  double first = luaL_checknumber(L, 1), last = luaL_checknumber(L, 2);
  double step = luaL_optnumber(L, 3, 1);
  if (step == 0 || !isfinite((last - first) / step))
    return binding_raisef(L, "arange: the step must not be 0, and the ends finite");
  double count = floor((last - first) / step + 1e-9) + 1;
  Shape shape = {.ndim = 1, .dims = {count < 0 ? 0 : count > 1e15 ? INT64_MAX : (int64_t)count}};
  Tensor *tensor = binding_new_tensor(L);
  if (tensor_new(tensor, binding_opt_dtype(L, 4, DTYPE_F32), &shape, &err) != NN_OK)
    return binding_raise(L, &err);
  for (int64_t i = 0; i < shape.dims[0]; i++) tensor_set(tensor, i, first + step * (double)i);
  return 1;
}

static int tensor_is(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, TENSOR_TYPE) != NULL);
  return 1;
}

/* ---- methods ---- */

static void push_element(lua_State *L, const Tensor *tensor, int64_t index) {
  if (tensor->dtype == DTYPE_I64)
    lua_pushinteger(L, ((const int64_t *)tensor->data)[index]);
  else
    lua_pushnumber(L, tensor_get(tensor, index));
}

static void push_table(lua_State *L, const Tensor *tensor, int depth, int64_t *at) {
  if (depth == tensor->shape.ndim) {
    push_element(L, tensor, (*at)++);
    return;
  }
  luaL_checkstack(L, 3, "nested table");
  int64_t count = tensor->shape.dims[depth];
  lua_createtable(L, count < INT32_MAX ? (int)count : 0, 0);
  for (int64_t i = 1; i <= count; i++) {
    push_table(L, tensor, depth + 1, at);
    lua_rawseti(L, -2, i);
  }
}

static int tensor_totable(lua_State *L) {
  int64_t at = 0;
  push_table(L, binding_check_tensor(L, 1), 0, &at);
  return 1;
}

static int tensor_shape_(lua_State *L) {
  const Tensor *tensor = binding_check_tensor(L, 1);
  lua_createtable(L, tensor->shape.ndim, 0);
  for (int i = 0; i < tensor->shape.ndim; i++) {
    lua_pushinteger(L, tensor->shape.dims[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int tensor_dtype_(lua_State *L) {
  lua_pushstring(L, dtype_name(binding_check_tensor(L, 1)->dtype));
  return 1;
}

static int tensor_size(lua_State *L) {
  lua_pushinteger(L, tensor_count(binding_check_tensor(L, 1)));
  return 1;
}

static int tensor_item(lua_State *L) {
  const Tensor *tensor = binding_check_tensor(L, 1);
  char text[SHAPE_TEXT_SIZE];
  if (tensor_count(tensor) != 1)
    return binding_raisef(L, "item: needs a tensor of one element, not of shape %s",
                          shape_text(&tensor->shape, text));
  push_element(L, tensor, 0);
  return 1;
}

/* Flat position of the indices at stack 2 .. 1 + count. */
static int64_t flat_index(lua_State *L, const Tensor *tensor, int count) {
  char text[SHAPE_TEXT_SIZE];
  if (count != tensor->shape.ndim)
    binding_raisef(L, "%d indices for a tensor of shape %s", count,
                   shape_text(&tensor->shape, text));
  int64_t flat = 0;
  for (int i = 0; i < count; i++) {
    int64_t index = luaL_checkinteger(L, 2 + i), dim = tensor->shape.dims[i];
    if (index < 0) index += dim + 1;
    if (index < 1 || index > dim)
      binding_raisef(L, "index %lld is outside axis %d of shape %s",
                     (long long)luaL_checkinteger(L, 2 + i), i + 1,
                     shape_text(&tensor->shape, text));
    flat = flat * dim + index - 1;
  }
  return flat;
}

static int tensor_get_(lua_State *L) {
  const Tensor *tensor = binding_check_tensor(L, 1);
  push_element(L, tensor, flat_index(L, tensor, lua_gettop(L) - 1));
  return 1;
}

static int tensor_set_(lua_State *L) {
  Tensor *tensor = binding_check_tensor(L, 1);
  double value = luaL_checknumber(L, lua_gettop(L));
  tensor_set(tensor, flat_index(L, tensor, lua_gettop(L) - 2), value);
  lua_settop(L, 1);
  return 1;
}

/* rows(first, last): 1-based, inclusive; shares memory. */
static int tensor_rows_(lua_State *L) {
  Err err;
  Tensor *tensor = binding_check_tensor(L, 1);
  int64_t first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
  Tensor *out = binding_new_tensor(L);
  if (tensor_rows(out, tensor, first - 1, last, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

static int tensor_to(lua_State *L) {
  Tensor *tensor = binding_check_tensor(L, 1);
  DType dtype = binding_opt_dtype(L, 2, tensor->dtype);
  Tensor *out = binding_new_tensor(L);
  Err err;
  if (tensor_convert(out, tensor, dtype, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

/* view(shape): shares memory. */
static int tensor_view(lua_State *L) {
  Tensor *tensor = binding_check_tensor(L, 1);
  Shape shape = binding_check_shape(L, 2);
  Tensor *out = binding_new_tensor(L);
  Err err;
  if (tensor_reshape(out, tensor, &shape, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

/* copy(source): overwrite the elements with those of a tensor of the same count. */
static int tensor_copy(lua_State *L) {
  Tensor *tensor = binding_check_tensor(L, 1);
  const Tensor *source = binding_check_tensor(L, 2);
  char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];
  if (!shape_equal(&tensor->shape, &source->shape))
    return binding_raisef(L, "copy: the shapes are %s and %s", shape_text(&tensor->shape, a),
                          shape_text(&source->shape, b));
  if (tensor->dtype == source->dtype)
    memmove(tensor->data, source->data, tensor_bytes(tensor));
  else
    for (int64_t i = 0, count = tensor_count(tensor); i < count; i++)
      tensor_set(tensor, i, tensor_get(source, i));
  lua_settop(L, 1);
  return 1;
}

/* adopt(other): become another view of `other`'s memory, keeping this tensor's elements there. */
static int tensor_adopt(lua_State *L) {
  Tensor *tensor = binding_check_tensor(L, 1);
  Tensor *flat = binding_check_tensor(L, 2);
  int64_t offset = luaL_checkinteger(L, 3), count = tensor_count(tensor);
  if (flat->dtype != tensor->dtype || offset < 0 || offset + count > tensor_count(flat))
    return binding_raisef(L, "adopt: the memory does not fit");
  Tensor view = tensor_share(flat);
  view.shape = tensor->shape;
  view.data = (char *)flat->data + (size_t)offset * dtype_size(flat->dtype);
  memmove(view.data, tensor->data, tensor_bytes(tensor));
  tensor_release(tensor);
  *tensor = view;
  return 0;
}

static int tensor_hash(lua_State *L) {
  const Tensor *tensor = binding_check_tensor(L, 1);
  Sha256 sha;
  char text[SHAPE_TEXT_SIZE], hex[SHA256_HEX_SIZE];
  sha256_begin(&sha);
  sha256_add(&sha, dtype_name(tensor->dtype), strlen(dtype_name(tensor->dtype)));
  shape_text(&tensor->shape, text);
  sha256_add(&sha, text, strlen(text));
  sha256_add(&sha, tensor->data, tensor_bytes(tensor));
  sha256_end(&sha, hex);
  lua_pushstring(L, hex);
  return 1;
}

/* ---- as text ---- */

static void add_elements(luaL_Buffer *out, const Tensor *tensor, int depth, int64_t *at) {
  enum { EDGE = 3, MOST = 8 };
  char text[40];
  if (depth == tensor->shape.ndim) {
    if (tensor->dtype == DTYPE_I64)
      snprintf(text, sizeof text, "%lld", (long long)((const int64_t *)tensor->data)[*at]);
    else
      snprintf(text, sizeof text, "%.4g", tensor_get(tensor, *at));
    luaL_addstring(out, text);
    (*at)++;
    return;
  }
  int64_t count = tensor->shape.dims[depth], inner = 1;
  for (int i = depth + 1; i < tensor->shape.ndim; i++) inner *= tensor->shape.dims[i];
  bool leaf = depth == tensor->shape.ndim - 1;
  luaL_addchar(out, '{');
  for (int64_t i = 0; i < count; i++) {
    if (i) luaL_addstring(out, leaf ? ", " : ",\n ");
    for (int k = 0; i && !leaf && k < depth; k++) luaL_addchar(out, ' ');
    if (count > MOST && i == EDGE) {
      luaL_addstring(out, "...");
      *at += inner * (count - 2 * EDGE);
      i = count - EDGE - 1;
      continue;
    }
    add_elements(out, tensor, depth + 1, at);
  }
  luaL_addchar(out, '}');
}

static int tensor_tostring(lua_State *L) {
  const Tensor *tensor = luaL_checkudata(L, 1, TENSOR_TYPE);
  if (!tensor->buffer) {
    lua_pushliteral(L, "tensor (released)");
    return 1;
  }
  char shape[SHAPE_TEXT_SIZE];
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  int64_t at = 0;
  add_elements(&out, tensor, 0, &at);
  luaL_addstring(&out, "  tensor ");
  luaL_addstring(&out, dtype_name(tensor->dtype));
  luaL_addchar(&out, ' ');
  luaL_addstring(&out, shape_text(&tensor->shape, shape));
  luaL_pushresult(&out);
  return 1;
}

static int tensor_length(lua_State *L) {
  const Tensor *tensor = binding_check_tensor(L, 1);
  lua_pushinteger(L, tensor->shape.ndim ? tensor->shape.dims[0] : 1);
  return 1;
}

static int tensor_gc(lua_State *L) {
  tensor_release(luaL_checkudata(L, 1, TENSOR_TYPE));
  return 0;
}

static const luaL_Reg methods[] = {
    {"totable", tensor_totable}, {"shape", tensor_shape_},
    {"dtype", tensor_dtype_},    {"size", tensor_size},
    {"item", tensor_item},       {"get", tensor_get_},
    {"set", tensor_set_},        {"rows", tensor_rows_},
    {"to", tensor_to},           {"view", tensor_view},
    {"copy", tensor_copy},       {"adopt", tensor_adopt},
    {"hash", tensor_hash},       {NULL, NULL},
};
static const luaL_Reg metamethods[] = {
    {"__tostring", tensor_tostring},
    {"__len", tensor_length},
    {"__gc", tensor_gc},
    {"__close", tensor_gc},
    {NULL, NULL},
};
static const luaL_Reg functions[] = {
    {"zeros", tensor_zeros},
    {"ones", tensor_ones},
    {"full", tensor_full},
    {"new", tensor_from},
    {"arange", tensor_arange},
    {"is_tensor", tensor_is},
    {NULL, NULL},
};

int luaopen_core_tensor(lua_State *L);
int luaopen_core_tensor(lua_State *L) {
  if (luaL_newmetatable(L, TENSOR_TYPE)) {
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods); /* core.op adds the ops as methods */
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
