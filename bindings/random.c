/* core.random: numbers by address, for samplers and seeds. See core/base/rng.h.
 *
 * Every function takes (seed, name, index): `name` (a string) tells apart what the number is for,
 * `index` counts uses, so a new parameter never changes the numbers another one gets. */
#include "random.h"

#include "base/hash.h"

/* The arguments from `first` on; `name` is hashed. */
static uint64_t check_name(lua_State *L, int first, uint64_t *seed, uint64_t *index) {
  *seed = (uint64_t)luaL_checkinteger(L, first);
  size_t length;
  const char *name = luaL_checklstring(L, first + 1, &length);
  *index = (uint64_t)luaL_checkinteger(L, first + 2);
  return hash_mix(hash64(HASH64_START, name, length));
}

Rng binding_check_address(lua_State *L, int first, uint64_t *index) {
  uint64_t seed, name = check_name(L, first, &seed, index);
  return rng_make(seed, RNG_SAMPLE, name);
}

Rng binding_check_stream(lua_State *L, int first) {
  uint64_t seed, index, name = check_name(L, first, &seed, &index);
  return rng_make(seed, RNG_SAMPLE, hash_mix(name + index + 1));
}

/* random.uniform(seed, name, index) -> float in [0, 1) */
static int uniform(lua_State *L) {
  uint64_t index;
  Rng rng = binding_check_address(L, 1, &index);
  lua_pushnumber(L, rng_uniform(&rng, index));
  return 1;
}

/* random.normal(seed, name, index) -> standard normal */
static int normal(lua_State *L) {
  uint64_t index;
  Rng rng = binding_check_address(L, 1, &index);
  lua_pushnumber(L, rng_normal(&rng, index));
  return 1;
}

/* random.below(seed, name, index, bound) -> integer in [0, bound) */
static int below(lua_State *L) {
  uint64_t index;
  Rng rng = binding_check_address(L, 1, &index);
  lua_Integer bound = luaL_checkinteger(L, 4);
  if (bound < 1) return binding_raisef(L, "a bound must be at least 1, got %lld", (long long)bound);
  lua_pushinteger(L, (lua_Integer)rng_below(&rng, index, (uint64_t)bound));
  return 1;
}

int luaopen_core_random(lua_State *L);
int luaopen_core_random(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"uniform", uniform}, {"normal", normal}, {"below", below}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
