/* Lua values as bytes, for messages between processes of one machine and one program.
 *
 * nil, booleans, integers, floats (every bit kept), strings, and tables of these up to
 * CODEC_MAX_DEPTH deep. Nothing else can be sent. The order of a table's keys is not kept. */
#ifndef NNRUN_CODEC_H
#define NNRUN_CODEC_H

#include <lua.h>
#include <stddef.h>

enum { CODEC_MAX_DEPTH = 100 };

/* Push the value at `index` as a string; raises an error that says what cannot be sent. */
void codec_encode(lua_State *L, int index);
/* Push the value; raises an error when the bytes are not what codec_encode makes. */
void codec_decode(lua_State *L, const void *bytes, size_t length);

#endif
