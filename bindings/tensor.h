/* Between the files that make up core.tensor. */
#ifndef NNRUN_BINDINGS_TENSOR_H
#define NNRUN_BINDINGS_TENSOR_H

#include "tape.h"

/* Push one element, a flat index from 0, as a Lua number. */
void tensor_push_element(lua_State *L, const Tensor *tensor, int64_t index);
/* __index and __newindex: t[i], t[{i, j}], t["2:5, 1"], t[mask]; see tensor_index.c. Upvalue 1 of
 * the first is the table of methods. */
int tensor_index(lua_State *L);
int tensor_newindex(lua_State *L);
/* __tostring: elements in aligned columns, long axes cut, then dtype and shape. */
int tensor_tostring(lua_State *L);
/* manual_seed, rand, randn, randint, randperm into the table on top. */
void tensor_random(lua_State *L);

#endif
