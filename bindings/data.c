/* core.data: readers, generators and row operations for scripts/data.lua.
 *
 * Readers and writers return nil, message when the file is at fault. Row numbers are int64 tensors
 * that count from 0; scripts/data.lua turns them into what people write. */
#include "data.h"
#include "base/rng.h"
#include "binding.h"
#include "data/arrays.h"
#include "data/batch.h"
#include "data/file.h"
#include "data/generate.h"
#include "data/hdf5.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/npz.h"
#include "data/split.h"
#include "data/transform.h"

#include <stdlib.h>
#include <string.h>

#define ARRAYS_TYPE "nnrun.arrays"

/* A tensor made by a call that fails because of the world: nil, message; of the script: an error.
 */
static int answer(lua_State *L, Status status, const Err *err) {
  return status == NN_OK ? 1 : binding_fail(L, err);
}

static int answer_or_raise(lua_State *L, Status status, const Err *err) {
  return status == NN_OK ? 1 : binding_raise(L, err);
}

/* ---- files ---- */

/* read_idx(path, dtype) -> tensor; without a dtype the natural one */
static int read_idx(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  DType dtype = binding_opt_dtype(L, 2, DTYPE_COUNT);
  Err err;
  return answer(L, idx_read(binding_new_tensor(L), path, dtype, &err), &err);
}

/* read_text(path) -> string: a file's contents, gzip undone */
static int read_text(lua_State *L) {
  FileBytes file;
  Err err;
  if (file_read(&file, luaL_checkstring(L, 1), FILE_LIMIT, &err) != NN_OK)
    return binding_fail(L, &err);
  lua_pushlstring(L, (const char *)file.data, file.size);
  file_free(&file);
  return 1;
}

/* read_npy(path, dtype) -> tensor */
static int read_npy(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  DType dtype = binding_opt_dtype(L, 2, DTYPE_COUNT);
  Err err;
  return answer(L, npy_read(binding_new_tensor(L), path, dtype, &err), &err);
}

static int write_npy(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  const Tensor *tensor = binding_check_tensor(L, 2);
  Err err;
  if (npy_write(path, tensor, &err) != NN_OK) return binding_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

static int free_arrays(lua_State *L) {
  array_list_free(luaL_checkudata(L, 1, ARRAYS_TYPE));
  return 0;
}

static void push_texts(lua_State *L, const NamedArray *item) {
  lua_createtable(L, (int)item->text_count, 0);
  for (int64_t i = 0; i < item->text_count; i++) {
    lua_pushstring(L, item->texts[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

/* Two tables: name -> tensor or list of strings, and the names in the file's order. */
static void push_arrays(lua_State *L, ArrayList *list) {
  lua_createtable(L, 0, (int)list->count);
  lua_createtable(L, (int)list->count, 0);
  for (size_t i = 0; i < list->count; i++) {
    NamedArray *item = &list->items[i];
    lua_pushstring(L, item->name);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, (lua_Integer)i + 1);
    if (item->texts) {
      push_texts(L, item);
    } else {
      Tensor *tensor = binding_new_tensor(L);
      *tensor = item->tensor;
      item->tensor = (Tensor){0};
    }
    lua_rawset(L, -4);
  }
}

static int read_arrays(lua_State *L, Status (*reader)(ArrayList *, const char *, Err *)) {
  const char *path = luaL_checkstring(L, 1);
  ArrayList *list = lua_newuserdatauv(L, sizeof *list, 0);
  *list = (ArrayList){0};
  luaL_setmetatable(L, ARRAYS_TYPE);
  Err err;
  if (reader(list, path, &err) != NN_OK) return binding_fail(L, &err);
  push_arrays(L, list);
  array_list_free(list);
  return 2;
}

/* read_npz(path) -> {name = tensor, ...}, {name, ...} in the file's order */
static int read_npz(lua_State *L) { return read_arrays(L, npz_read); }

/* read_hdf5(path) -> {name = tensor or list of strings, ...}, {name, ...} in the file's order */
static int read_hdf5(lua_State *L) { return read_arrays(L, hdf5_read); }

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of the table at index 2, sorted; a userdata on the stack. */
static const char **sorted_names(lua_State *L, size_t *count) {
  *count = 0;
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) binding_raisef(L, "names of arrays are strings");
    ++*count;
  }
  const char **names = lua_newuserdatauv(L, (*count + 1) * sizeof *names, 0);
  size_t i = 0;
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) names[i++] = lua_tostring(L, -2);
  qsort(names, *count, sizeof *names, compare_names);
  return names;
}

/* write_npz(path, {name = tensor, ...}), in the order of the names */
static int write_npz(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  size_t count;
  const char **names = sorted_names(L, &count);
  const Tensor **tensors = lua_newuserdatauv(L, (count + 1) * sizeof *tensors, 0);
  for (size_t i = 0; i < count; i++) {
    lua_getfield(L, 2, names[i]); /* the table keeps what is popped here alive */
    tensors[i] = binding_test_tensor(L, -1);
    if (!tensors[i])
      return binding_raisef(L, "array '%s' must be a tensor, got %s", names[i],
                            luaL_typename(L, -1));
    lua_pop(L, 1);
  }
  Err err;
  if (npz_write(path, names, tensors, count, &err) != NN_OK) return binding_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- generators ---- */

static double number_field(lua_State *L, const char *name, double fallback) {
  lua_getfield(L, 2, name);
  double value = luaL_optnumber(L, -1, fallback);
  lua_pop(L, 1);
  return value;
}

static int64_t integer_field(lua_State *L, const char *name, int64_t fallback) {
  lua_getfield(L, 2, name);
  int64_t value = luaL_optinteger(L, -1, fallback);
  lua_pop(L, 1);
  return value;
}

/* generate(kind, {n =, classes =, features =, noise =, shape =, seed =, dtype =}) -> x, y */
static int generate(lua_State *L) {
  static const char *const names[] = {"planar_flower", "moons", "circles",    "spiral",
                                      "blobs",         "xor",   "regression", NULL};
  static const Generator makers[] = {generate_planar_flower, generate_moons, generate_circles,
                                     generate_spiral,        generate_blobs, generate_xor,
                                     generate_regression};
  int which = luaL_checkoption(L, 1, NULL, names);
  luaL_checktype(L, 2, LUA_TTABLE);
  Generate options = {.rows = integer_field(L, "n", 400),
                      .classes = integer_field(L, "classes", 2),
                      .features = integer_field(L, "features", 2),
                      .noise = number_field(L, "noise", 0),
                      .shape = number_field(L, "shape", 1),
                      .seed = (uint64_t)integer_field(L, "seed", 0)};
  lua_getfield(L, 2, "dtype");
  options.dtype = binding_opt_dtype(L, -1, DTYPE_F32);
  Tensor *x = binding_new_tensor(L), *y = binding_new_tensor(L);
  Err err;
  if (makers[which](x, y, &options, &err) != NN_OK) return binding_raise(L, &err);
  return 2;
}

/* ---- rows ---- */

static const Tensor *check_rows(lua_State *L, int index) {
  const Tensor *rows = binding_check_tensor(L, index);
  if (rows->dtype != DTYPE_I64) binding_raisef(L, "row numbers are int64");
  return rows;
}

/* take(tensor, rows) -> tensor of these rows */
static int take(lua_State *L) {
  const Tensor *source = binding_check_tensor(L, 1), *rows = check_rows(L, 2);
  Tensor *out = binding_new_tensor(L);
  Err err;
  return answer_or_raise(L, batch_take(out, source, rows->data, tensor_count(rows), &err), &err);
}

/* permutation(count, seed, stream) -> the row numbers 0 .. count-1 in shuffled order */
static int permutation(lua_State *L) {
  int64_t count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count >= 0, 1, "a count is at least 0");
  Rng rng =
      rng_make((uint64_t)luaL_checkinteger(L, 2), RNG_SHUFFLE, (uint64_t)luaL_checkinteger(L, 3));
  Tensor *out = binding_new_tensor(L);
  Shape shape = shape_make(1, &count);
  Err err;
  if (tensor_new(out, DTYPE_I64, &shape, &err) != NN_OK) return binding_raise(L, &err);
  rng_permutation(&rng, out->data, (size_t)count);
  return 1;
}

/* split_rows(count, {share, ...}, seed, labels or nil, classes) -> rows of each part, in turn */
static int split(lua_State *L) {
  int64_t rows = luaL_checkinteger(L, 1), classes = luaL_optinteger(L, 5, 0);
  luaL_argcheck(L, rows >= 0, 1, "a count is at least 0");
  luaL_checktype(L, 2, LUA_TTABLE);
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 3);
  const Tensor *labels = lua_isnoneornil(L, 4) ? NULL : check_rows(L, 4);
  double shares[SPLIT_MAX_PARTS];
  int64_t sizes[SPLIT_MAX_PARTS];
  size_t parts = (size_t)lua_rawlen(L, 2);
  if (parts > SPLIT_MAX_PARTS)
    return binding_raisef(L, "a split has at most %d parts", SPLIT_MAX_PARTS);
  for (size_t i = 0; i < parts; i++) {
    lua_rawgeti(L, 2, (lua_Integer)i + 1);
    shares[i] = luaL_checknumber(L, -1);
    lua_pop(L, 1);
  }
  if (labels && tensor_count(labels) != rows)
    return binding_raisef(L, "%lld labels for %lld rows", (long long)tensor_count(labels),
                          (long long)rows);
  luaL_checkstack(L, (int)parts + 2, "split");
  Tensor *order = binding_new_tensor(L);
  Shape shape = shape_make(1, &rows);
  Err err;
  if (tensor_new(order, DTYPE_I64, &shape, &err) != NN_OK ||
      split_rows(order->data, sizes, shares, (int)parts, rows, labels ? labels->data : NULL,
                 classes, seed, &err) != NN_OK)
    return binding_raise(L, &err);
  int64_t at = 0;
  for (size_t i = 0; i < parts; at += sizes[i++])
    if (tensor_rows(binding_new_tensor(L), order, at, at + sizes[i], &err) != NN_OK)
      return binding_raise(L, &err);
  return (int)parts;
}

/* rows_in(labels, {label, ...}) -> rows with one of these labels; their labels by place in the list
 */
static int rows_in(lua_State *L) {
  const Tensor *labels = check_rows(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  int64_t wanted = (int64_t)lua_rawlen(L, 2), count = tensor_count(labels), found = 0;
  Tensor *rows = binding_new_tensor(L), *places = binding_new_tensor(L);
  Err err;
  for (int pass = 0; pass < 2; pass++) {
    int64_t at = 0;
    for (int64_t i = 0; i < count; i++)
      for (int64_t k = 0; k < wanted; k++) {
        lua_rawgeti(L, 2, k + 1);
        bool same = luaL_checkinteger(L, -1) == ((const int64_t *)labels->data)[i];
        lua_pop(L, 1);
        if (!same) continue;
        if (pass == 1) {
          ((int64_t *)rows->data)[at] = i;
          ((int64_t *)places->data)[at] = k;
        }
        at++;
        break;
      }
    found = at;
    Shape shape = shape_make(1, &found);
    if (pass == 0 && (tensor_new(rows, DTYPE_I64, &shape, &err) != NN_OK ||
                      tensor_new(places, DTYPE_I64, &shape, &err) != NN_OK))
      return binding_raise(L, &err);
  }
  return 2;
}

/* count_labels(labels, classes) -> {count of class 0, of class 1, ...} */
static int count_labels(lua_State *L) {
  const Tensor *labels = check_rows(L, 1);
  int64_t classes = luaL_checkinteger(L, 2);
  Err err;
  if (check_labels(labels, classes, &err) != NN_OK) return binding_raise(L, &err);
  int64_t *counts = lua_newuserdatauv(L, ((size_t)classes + 1) * sizeof *counts, 0);
  memset(counts, 0, ((size_t)classes + 1) * sizeof *counts);
  for (int64_t i = 0; i < tensor_count(labels); i++) counts[((const int64_t *)labels->data)[i]]++;
  lua_createtable(L, (int)classes, 0);
  for (int64_t i = 0; i < classes; i++) {
    lua_pushinteger(L, counts[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* ---- columns ---- */

/* stats(x) -> float64 tensor, rows mean, std, min, max, missing; one column per column of x */
static int stats(lua_State *L) {
  const Tensor *x = binding_check_tensor(L, 1);
  Tensor *out = binding_new_tensor(L);
  Err err;
  return answer_or_raise(L, transform_stats(out, x, &err), &err);
}

/* scale(x, shift, scale) -> (x - shift) / scale by column */
static int scale(lua_State *L) {
  const Tensor *x = binding_check_tensor(L, 1), *shift = binding_check_tensor(L, 2);
  const Tensor *by = binding_check_tensor(L, 3);
  Tensor *out = binding_new_tensor(L);
  Err err;
  return answer_or_raise(L, transform_scale(out, x, shift, by, &err), &err);
}

/* fill(x, values) -> x with the NaNs of each column replaced */
static int fill(lua_State *L) {
  const Tensor *x = binding_check_tensor(L, 1), *values = binding_check_tensor(L, 2);
  Tensor *out = binding_new_tensor(L);
  Err err;
  return answer_or_raise(L, transform_fill(out, x, values, &err), &err);
}

/* divide(x, divisor): in place */
static int divide(lua_State *L) {
  Err err;
  Status status = transform_divide(binding_check_tensor(L, 1), luaL_checknumber(L, 2), &err);
  if (status != NN_OK) return binding_raise(L, &err);
  lua_settop(L, 1);
  return 1;
}

/* one_hot(labels, classes, dtype) */
static int one_hot(lua_State *L) {
  const Tensor *labels = binding_check_tensor(L, 1);
  int64_t classes = luaL_checkinteger(L, 2);
  DType dtype = binding_opt_dtype(L, 3, DTYPE_F32);
  Tensor *out = binding_new_tensor(L);
  Err err;
  return answer_or_raise(L, transform_one_hot(out, labels, classes, dtype, &err), &err);
}

/* check_finite(x, {column name, ...} or nil) -> true, or nil and what is where */
static int finite_everywhere(lua_State *L) {
  const Tensor *x = binding_check_tensor(L, 1);
  const char **names = NULL;
  int64_t columns = 1;
  for (int i = 1; i < x->shape.ndim; i++) columns *= x->shape.dims[i];
  if (lua_istable(L, 2) && (int64_t)lua_rawlen(L, 2) == columns) {
    names = lua_newuserdatauv(L, (size_t)columns * sizeof *names, 0);
    for (int64_t i = 0; i < columns; i++) {
      if (lua_rawgeti(L, 2, i + 1) != LUA_TSTRING)
        return binding_raisef(L, "names of columns are strings");
      names[i] = lua_tostring(L, -1); /* the table keeps it alive */
      lua_pop(L, 1);
    }
  }
  Err err;
  if (check_finite(x, names, &err) != NN_OK) return binding_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* check_labels(y, classes) -> true, or nil and which row */
static int labels_within(lua_State *L) {
  Err err;
  if (check_labels(binding_check_tensor(L, 1), luaL_checkinteger(L, 2), &err) != NN_OK)
    return binding_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* check_indices(x, limit) -> true, or nil and which row */
static int indices_within(lua_State *L) {
  Err err;
  if (check_indices(binding_check_tensor(L, 1), luaL_checkinteger(L, 2), &err) != NN_OK)
    return binding_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* hash{tensor or string, ...} -> SHA-256 as hex digits */
static int hash(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  Sha256 sha;
  char hex[SHA256_HEX_SIZE];
  sha256_begin(&sha);
  for (lua_Integer i = 1; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
    const Tensor *tensor = binding_test_tensor(L, -1);
    size_t length;
    const char *text = tensor ? NULL : luaL_checklstring(L, -1, &length);
    if (tensor)
      tensor_hash(&sha, tensor);
    else
      sha256_add(&sha, text, length + 1); /* the NUL ends it */
    lua_pop(L, 1);
  }
  sha256_end(&sha, hex);
  lua_pushstring(L, hex);
  return 1;
}

/* tensor(value, dtype): a tensor as it is or converted, or a table as a new tensor */
static int to_tensor(lua_State *L) {
  const Tensor *given = binding_test_tensor(L, 1);
  DType dtype = binding_opt_dtype(L, 2, given ? given->dtype : DTYPE_F32);
  if (given && given->dtype == dtype)
    lua_settop(L, 1);
  else
    binding_to_tensor(L, 1, dtype);
  return 1;
}

int luaopen_core_tensor(lua_State *L);
int luaopen_core_data(lua_State *L);
int luaopen_core_data(lua_State *L) {
  static const luaL_Reg functions[] = {{"read_idx", read_idx},
                                       {"read_text", read_text},
                                       {"read_npy", read_npy},
                                       {"write_npy", write_npy},
                                       {"read_npz", read_npz},
                                       {"write_npz", write_npz},
                                       {"read_hdf5", read_hdf5},
                                       {"read_csv", data_read_csv},
                                       {"generate", generate},
                                       {"take", take},
                                       {"permutation", permutation},
                                       {"split_rows", split},
                                       {"rows_in", rows_in},
                                       {"count_labels", count_labels},
                                       {"stats", stats},
                                       {"scale", scale},
                                       {"fill", fill},
                                       {"divide", divide},
                                       {"one_hot", one_hot},
                                       {"check_finite", finite_everywhere},
                                       {"check_labels", labels_within},
                                       {"check_indices", indices_within},
                                       {"hash", hash},
                                       {"tensor", to_tensor},
                                       {NULL, NULL}};
  static const luaL_Reg arrays_methods[] = {{"__gc", free_arrays}, {NULL, NULL}};
  luaL_requiref(L, "core.tensor", luaopen_core_tensor, 0); /* gives tensors their methods */
  lua_pop(L, 1);
  binding_new_type(L, ARRAYS_TYPE, arrays_methods);
  data_open_table(L);
  luaL_newlib(L, functions);
  return 1;
}
