/* Random tensors: tensor.rand, randn, randint, randperm. The numbers of a call are a function of
 * the seed and of how many random tensors were made since it was set, so a script draws the same
 * ones every time; models and data sets have streams of their own. */
#include "tensor.h"

#include "base/rng.h"

typedef struct Generator {
  uint64_t seed, calls;
} Generator;

static Generator *generator(lua_State *L) {
  static const char key;
  return binding_state(L, &key, sizeof(Generator));
}

static Rng next_stream(lua_State *L) {
  Generator *source = generator(L);
  return rng_make(source->seed, RNG_USER, source->calls++);
}

static int manual_seed(lua_State *L) {
  *generator(L) = (Generator){.seed = (uint64_t)luaL_checkinteger(L, 1)};
  return 0;
}

static Tensor *new_floats(lua_State *L, const char *what) {
  Tensor *tensor = tensor_of_shape(L, 1, DTYPE_F32);
  if (tensor->dtype == DTYPE_I64)
    binding_raisef(L, "%s: makes float32 or float64, not int64; see randint", what);
  return tensor;
}

typedef void Numbers(const Rng *rng, uint64_t first, double *out, size_t count);

static void fill(Tensor *tensor, Rng rng, Numbers *numbers) {
  enum { CHUNK = 256 };
  double values[CHUNK];
  for (int64_t done = 0, count = tensor_count(tensor); done < count; done += CHUNK) {
    int64_t now = count - done < CHUNK ? count - done : CHUNK;
    numbers(&rng, (uint64_t)done, values, (size_t)now);
    for (int64_t i = 0; i < now; i++)
      if (tensor->dtype == DTYPE_F32)
        ((float *)tensor->data)[done + i] = (float)values[i];
      else
        ((double *)tensor->data)[done + i] = values[i];
  }
}

/* Multiples of 2^-24, so that none is rounded up to 1 in float32. */
static void fill_uniform_f32(const Rng *rng, uint64_t first, double *out, size_t count) {
  rng_fill_uniform(rng, first, out, count);
  for (size_t i = 0; i < count; i++) out[i] = (double)(int32_t)(out[i] * 0x1p24) * 0x1p-24;
}

/* rand(shape, dtype): in [0, 1) */
static int uniform(lua_State *L) {
  Tensor *tensor = new_floats(L, "rand");
  fill(tensor, next_stream(L), tensor->dtype == DTYPE_F32 ? fill_uniform_f32 : rng_fill_uniform);
  return 1;
}

/* randn(shape, dtype) */
static int normal(lua_State *L) {
  Tensor *tensor = new_floats(L, "randn");
  fill(tensor, next_stream(L), rng_fill_normal);
  return 1;
}

/* randint(low, high, shape): int64, low <= n < high */
static int integers(lua_State *L) {
  lua_Integer low = luaL_checkinteger(L, 1), high = luaL_checkinteger(L, 2);
  if (high <= low)
    return binding_raisef(L,
                          "randint: numbers from %lld up to, but less than, %lld: there are none",
                          (long long)low, (long long)high);
  Tensor *tensor = tensor_of_shape(L, 3, DTYPE_I64);
  Rng rng = next_stream(L);
  uint64_t range = (uint64_t)high - (uint64_t)low;
  for (int64_t i = 0, count = tensor_count(tensor); i < count; i++) {
    uint64_t drawn = (uint64_t)low + rng_below(&rng, (uint64_t)i, range);
    if (tensor->dtype == DTYPE_I64)
      ((int64_t *)tensor->data)[i] = (int64_t)drawn;
    else
      tensor_set(tensor, i, (double)(int64_t)drawn);
  }
  return 1;
}

/* randperm(n): 0 .. n-1 in random order, int64 */
static int permutation(lua_State *L) {
  Err err;
  lua_Integer count = luaL_checkinteger(L, 1);
  if (count < 0) return binding_raisef(L, "randperm: %lld elements", (long long)count);
  Shape shape = {.ndim = 1, .dims = {count}};
  Tensor *tensor = binding_new_tensor(L);
  if (tensor_new_raw(tensor, DTYPE_I64, &shape, &err) != NN_OK) return binding_raise(L, &err);
  Rng rng = next_stream(L);
  rng_permutation(&rng, tensor->data, (size_t)count);
  return 1;
}

void tensor_random(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"manual_seed", manual_seed}, {"rand", uniform},         {"randn", normal},
      {"randint", integers},        {"randperm", permutation}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
