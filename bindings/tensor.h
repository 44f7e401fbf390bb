/* Between the files that make up core.tensor. */
#ifndef NNRUN_BINDINGS_TENSOR_H
#define NNRUN_BINDINGS_TENSOR_H

#include "tape.h"

/* Push one element, a flat index from 0, as a Lua number. */
void tensor_push_element(lua_State *L, const Tensor *tensor, int64_t index);
/* __index and __newindex: t[i], t[{i, j}], t["2:5, 1"], t[mask]; see tensor_index.c. Upvalue 1 of
 * the first is the table of methods. */
int tensor_index(lua_State *L);
/* The __index of a value of a graph, in the same way. */
int tensor_index_node(lua_State *L);
int tensor_newindex(lua_State *L);
/* The place, from 0, of an index that counts from 1, or from the end when negative. */
int64_t tensor_check_place(lua_State *L, int64_t index, const Shape *shape, int axis);
/* __tostring: elements in aligned columns, long axes cut, then dtype and shape. */
int tensor_tostring(lua_State *L);
/* A new tensor of the shape at `index` (a table, and then perhaps a dtype, or all arguments from
 * there on), pushed; nobody has set its elements. */
Tensor *tensor_of_shape(lua_State *L, int index, DType dtype);
/* zeros, ones, full, new, arange, linspace, eye into the table on top. */
void tensor_make(lua_State *L);
/* manual_seed, rand, randn, randint, randperm into the table on top. */
void tensor_random(lua_State *L);

#endif
