/* core.random: numbers by address, for samplers and seeds. See core/base/rng.h.
 *
 * Every function takes (seed, name, index): `name` (a string) tells apart what the number is for,
 * `index` counts uses, so a new parameter never changes the numbers another one gets. */
#include "base/hash.h"
#include "base/rng.h"
#include "binding.h"

static Rng address(lua_State *L, uint64_t *index) {
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
  size_t length;
  const char *name = luaL_checklstring(L, 2, &length);
  *index = (uint64_t)luaL_checkinteger(L, 3);
  return rng_make(seed, RNG_SAMPLE, hash_mix(hash64(HASH64_START, name, length)));
}

/* random.uniform(seed, name, index) -> float in [0, 1) */
static int uniform(lua_State *L) {
  uint64_t index;
  Rng rng = address(L, &index);
  lua_pushnumber(L, rng_uniform(&rng, index));
  return 1;
}

/* random.normal(seed, name, index) -> standard normal */
static int normal(lua_State *L) {
  uint64_t index;
  Rng rng = address(L, &index);
  lua_pushnumber(L, rng_normal(&rng, index));
  return 1;
}

/* random.below(seed, name, index, bound) -> integer in [0, bound) */
static int below(lua_State *L) {
  uint64_t index;
  Rng rng = address(L, &index);
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
