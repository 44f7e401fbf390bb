/* What every binding file shares: errors, options, tensors on the Lua side.
 *
 * Bad arguments raise a Lua error that begins with the script's file:line (the first frame outside
 * the embedded library); the outside world (files, processes, the store) returns nil, message. No
 * Lua error may jump through core: core is called, and never calls back into Lua. A userdata holds
 * one pointer or one struct that is cleared before it is filled. */
#ifndef NNRUN_BINDING_H
#define NNRUN_BINDING_H

#include "base/status.h"
#include "tensor/tensor.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

/* Chunk names of the embedded library begin with this ("=[nnrun]nn/fit.lua"). */
#define BINDING_CHUNK_PREFIX "[nnrun]"

/* "file:line" of the first stack frame outside the embedded library, or "" when there is none. */
const char *binding_where(lua_State *L, char *text, size_t size);
/* Lua does not declare that lua_error never returns; the analyser should know it. */
#ifdef __clang_analyzer__
#define BINDING_RAISES __attribute__((analyzer_noreturn))
#else
#define BINDING_RAISES
#endif

/* Raise: the script's position, then the message. */
int binding_raise(lua_State *L, const Err *err) BINDING_RAISES;
int binding_raisef(lua_State *L, const char *format, ...)
    __attribute__((format(printf, 2, 3))) BINDING_RAISES;
/* Return nil, message. */
int binding_fail(lua_State *L, const Err *err);

/* Make the metatable of a userdata type: functions whose names begin with "__" are its metamethods,
 * the others the methods of its values. */
void binding_new_type(lua_State *L, const char *name, const luaL_Reg *functions);

/* A field of the table at `index` that is a number; `fallback` when it is absent. */
int64_t binding_integer_field(lua_State *L, int index, const char *name, int64_t fallback);
double binding_number_field(lua_State *L, int index, const char *name, double fallback);
/* Set a field of the table on top; a text that is NULL leaves it nil. */
void binding_set_integer(lua_State *L, const char *name, int64_t value);
void binding_set_number(lua_State *L, const char *name, double value);
void binding_set_text(lua_State *L, const char *name, const char *text);
void binding_set_flag(lua_State *L, const char *name, bool value);
/* Push the sizes of a shape as a list. */
void binding_push_shape(lua_State *L, const Shape *shape);

/* `size` bytes that belong to this Lua state, found by the address `key`; zeros at first. */
void *binding_state(lua_State *L, const void *key, size_t size);

/* Push a new tensor userdata holding no tensor yet; fill it, e.g.
 * tensor_new(binding_new_tensor(L)...). */
Tensor *binding_new_tensor(lua_State *L);
/* Tell the garbage collector of the memory behind `count` tensors from stack index `first` on:
 * their userdata are small, so without this a loop over large tensors would fill memory. */
void binding_count_memory(lua_State *L, int first, int count);
/* The tensor at a stack index, or a Lua error that says what is there instead. */
Tensor *binding_check_tensor(lua_State *L, int index);
/* NULL when the value is not a tensor. */
Tensor *binding_test_tensor(lua_State *L, int index);
/* A Lua number, or table of numbers (nested, rectangular), or a tensor, as a new tensor on the
 * stack. */
Tensor *binding_to_tensor(lua_State *L, int index, DType dtype);
/* A table {2, 3} or integers as a shape. */
Shape binding_check_shape(lua_State *L, int index);
/* A dtype name ("float32"), or `fallback` when absent. */
DType binding_opt_dtype(lua_State *L, int index, DType fallback);

#endif
