/* Tensors in Lua: userdata "nnrun.tensor" and its methods, and module core.tensor. Indices count
 * from 1. */
#include "tensor.h"

#include "base/hash.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>

static const char TENSOR_TYPE[] = "nnrun.tensor";

Tensor *binding_new_tensor(lua_State *L) {
  TensorBox *box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = (TensorBox){0};
  luaL_setmetatable(L, TENSOR_TYPE);
  return &box->tensor;
}

/* ---- memory ---- */

/* Lua's collector sees the userdata of a tensor and not its elements, and is slow to free what has
 * a finaliser. So what is made is counted here; when it is enough since the last full collection,
 * and at least as much as Lua's own heap so that the time spent stays in proportion, one is due. */
enum { PER_TENSOR = 2048, LEAST_LIMIT = 64 << 20 };
typedef struct Memory {
  size_t made, limit; /* a limit below LEAST_LIMIT counts as that */
} Memory;

static Memory *memory_of(lua_State *L) {
  static const char key;
  return binding_state(L, &key, sizeof(Memory));
}

/* A script that computes with large tensors makes and frees them over and over: memory that goes
 * back to the system in between has to be mapped and zeroed again, which takes as long as the
 * arithmetic. Called once that is seen; other programs keep the allocator's own limits. */
static void keep_freed_memory(void) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20); /* the largest that is allowed */
  mallopt(M_TRIM_THRESHOLD, 2 * LEAST_LIMIT);
#endif
}

void binding_count_memory(lua_State *L, int first, int count) {
  Memory *memory = memory_of(L);
  for (int i = 0; i < count; i++)
    memory->made += tensor_bytes(lua_touserdata(L, first + i)) + PER_TENSOR;
  if (memory->made <= memory->limit || memory->made <= LEAST_LIMIT) return;
  keep_freed_memory();
  lua_gc(L, LUA_GCCOLLECT, 0);
  size_t heap = (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024;
  *memory = (Memory){.limit = heap};
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

static int tensor_is(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, TENSOR_TYPE) != NULL);
  return 1;
}

/* ---- methods ---- */

void tensor_push_element(lua_State *L, const Tensor *tensor, int64_t index) {
  if (tensor->dtype == DTYPE_I64)
    lua_pushinteger(L, ((const int64_t *)tensor->data)[index]);
  else
    lua_pushnumber(L, tensor_get(tensor, index));
}

static void push_table(lua_State *L, const Tensor *tensor, int depth, int64_t *at) {
  if (depth == tensor->shape.ndim) {
    tensor_push_element(L, tensor, (*at)++);
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
  binding_push_shape(L, &tensor->shape);
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
  tensor_push_element(L, tensor, 0);
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
    int64_t place = tensor_check_place(L, luaL_checkinteger(L, 2 + i), &tensor->shape, i);
    flat = flat * tensor->shape.dims[i] + place;
  }
  return flat;
}

static int tensor_get_(lua_State *L) {
  const Tensor *tensor = binding_check_tensor(L, 1);
  tensor_push_element(L, tensor, flat_index(L, tensor, lua_gettop(L) - 1));
  return 1;
}

static int tensor_set_(lua_State *L) {
  Tensor *tensor = binding_check_tensor(L, 1);
  double value = luaL_checknumber(L, lua_gettop(L));
  int64_t at = flat_index(L, tensor, lua_gettop(L) - 2);
  tape_check_write(L, 1, "set");
  if (tensor->dtype == DTYPE_I64)
    ((int64_t *)tensor->data)[at] = (int64_t)luaL_checkinteger(L, lua_gettop(L));
  else
    tensor_set(tensor, at, value);
  tensor_touch(tensor);
  lua_settop(L, 1);
  return 1;
}

static bool is_tracked(lua_State *L, int index) {
  return ((const TensorBox *)lua_touserdata(L, index))->tracked;
}

/* The operation of that name, with as many arguments from the top of the stack. */
static int by_operation(lua_State *L, const char *name, int arguments) {
  luaL_getmetatable(L, TENSOR_TYPE);
  lua_getfield(L, -1, "__methods");
  lua_getfield(L, -1, name);
  lua_insert(L, -arguments - 3);
  lua_pop(L, 2);
  lua_call(L, arguments, 1);
  return 1;
}

/* rows(first, last): 1-based, inclusive; shares memory. */
static int tensor_rows_(lua_State *L) {
  Err err;
  Tensor *tensor = binding_check_tensor(L, 1);
  if (is_tracked(L, 1)) {
    lua_settop(L, 3);
    lua_pushinteger(L, 1);
    lua_insert(L, 2); /* the axis */
    return by_operation(L, "slice", 4);
  }
  int64_t first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
  Tensor *out = binding_new_tensor(L);
  if (tensor_rows(out, tensor, first - 1, last, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

/* Reshaping to the shape it has stands for the conversion on the tape: the gradient goes back in
 * the operand's own type. */
static void record_conversion(lua_State *L, const Tensor *from, const Tensor *to) {
  bool tracked = is_tracked(L, 1);
  if (!tracked || to->dtype == DTYPE_I64 || !tape_wants(L, OP_reshape, &tracked, 1)) return;
  Eager eager = {.op = OP_reshape, .inputs = 1, .results = 1, .in = {*from}, .out = {*to}};
  eager.attrs = op_shape_attrs(OP_reshape, &from->shape);
  tape_record(L, &eager, lua_gettop(L));
}

static int tensor_to(lua_State *L) {
  Tensor *tensor = binding_check_tensor(L, 1);
  DType dtype = binding_opt_dtype(L, 2, tensor->dtype);
  Tensor *out = binding_new_tensor(L);
  Err err;
  if (tensor_convert(out, tensor, dtype, &err) != NN_OK) return binding_raise(L, &err);
  record_conversion(L, tensor, out);
  binding_count_memory(L, lua_gettop(L), 1);
  return 1;
}

/* view(shape): shares memory. */
static int tensor_view(lua_State *L) {
  Tensor *tensor = binding_check_tensor(L, 1);
  bool open = false; /* one size may be -1: whatever is left */
  for (lua_Integer i = 1; lua_istable(L, 2) && i <= (lua_Integer)lua_rawlen(L, 2); i++) {
    open |= lua_rawgeti(L, 2, i) == LUA_TNUMBER && lua_tonumber(L, -1) == -1;
    lua_pop(L, 1);
  }
  if (open || (lua_istable(L, 2) && is_tracked(L, 1))) {
    lua_settop(L, 2);
    return by_operation(L, "reshape", 2);
  }
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
  tape_check_write(L, 1, "copy");
  tensor_touch(tensor);
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

/* bytes() -> the elements as they lie in memory, as a string */
static int tensor_bytes_(lua_State *L) {
  const Tensor *tensor = binding_check_tensor(L, 1);
  lua_pushlstring(L, tensor->data ? tensor->data : "", tensor_bytes(tensor));
  return 1;
}

/* set_bytes(string) -> self: what bytes() gave, of a tensor of this size and type */
static int tensor_set_bytes(lua_State *L) {
  Tensor *tensor = binding_check_tensor(L, 1);
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  tape_check_write(L, 1, "set_bytes");
  if (length != tensor_bytes(tensor))
    binding_raisef(L, "set_bytes: %d bytes expected, got %d", (int)tensor_bytes(tensor),
                   (int)length);
  memcpy(tensor->data, bytes, length);
  tensor_touch(tensor);
  lua_settop(L, 1);
  return 1;
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

static int tensor_length(lua_State *L) {
  const Tensor *tensor = binding_check_tensor(L, 1);
  lua_pushinteger(L, tensor->shape.ndim ? tensor->shape.dims[0] : 1);
  return 1;
}

/* a .. b: rows of tensors together; with a string or number on one side, text. */
static int tensor_concat(lua_State *L) {
  bool text = lua_isstring(L, 1) || lua_isstring(L, 2);
  if (text) {
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
  }
  lua_settop(L, 2);
  return by_operation(L, "concat", 2);
}

/* Lua makes true or false of what a comparison operator returns. */
static int refuse_order(lua_State *L) {
  return binding_raisef(L,
                        "tensors are compared element by element with x:less(y), x:less_equal(y), "
                        "x:greater(y), x:equal(y), not with operators");
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
    {"bytes", tensor_bytes_},    {"set_bytes", tensor_set_bytes},
    {"copy", tensor_copy},       {"adopt", tensor_adopt},
    {"hash", tensor_hash},       {NULL, NULL},
};
static const luaL_Reg metamethods[] = {
    {"__tostring", tensor_tostring},
    {"__newindex", tensor_newindex},
    {"__concat", tensor_concat},
    {"__lt", refuse_order},
    {"__le", refuse_order},
    {"__len", tensor_length},
    {"__gc", tensor_gc},
    {"__close", tensor_gc},
    {NULL, NULL},
};
static const luaL_Reg functions[] = {{"is_tensor", tensor_is}, {NULL, NULL}};

int luaopen_core_tensor(lua_State *L);
int luaopen_core_tensor(lua_State *L) {
  if (luaL_newmetatable(L, TENSOR_TYPE)) {
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods); /* core.op adds the ops as methods, the module tensor those in Lua */
    tape_methods(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__methods");
    lua_pushcclosure(L, tensor_index, 1);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  tensor_make(L);
  tensor_random(L);
  luaL_getmetatable(L, TENSOR_TYPE);
  lua_getfield(L, -1, "__methods");
  lua_setfield(L, -3, "methods");
  lua_pop(L, 1);
  return 1;
}
