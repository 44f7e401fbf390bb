/* Numbers by address on the Lua side; see core/base/rng.h. */
#ifndef NNRUN_BINDINGS_RANDOM_H
#define NNRUN_BINDINGS_RANDOM_H

#include "base/rng.h"
#include "binding.h"

/* The stream of (seed, name) at stack index `first` on, and the index for those who count on in
 * it. */
Rng binding_check_address(lua_State *L, int first, uint64_t *index);
/* A stream of its own for each index: for those who draw many numbers. */
Rng binding_check_stream(lua_State *L, int first);

#endif
