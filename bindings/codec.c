/* Lua values as bytes: see codec.h. A tag byte, then the value in the machine's own byte order. */
#include "codec.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

enum {
  TAG_NIL = 'n',
  TAG_FALSE = 'f',
  TAG_TRUE = 't',
  TAG_INTEGER = 'i',
  TAG_FLOAT = 'd',
  TAG_STRING = 's', /* 64-bit length, bytes */
  TAG_TABLE = 'T',  /* key, value, ... */
  TAG_END = 'e'
};

enum { SMALL_MESSAGE = 1024 };

/* Grows into a userdata kept at stack index `home`, so that an error leaks nothing. */
typedef struct Bytes {
  lua_State *L;
  int home;
  char *data;
  size_t used, size;
  char small[SMALL_MESSAGE];
} Bytes;

static void add(Bytes *out, const void *data, size_t size) {
  if (out->size - out->used < size) {
    size_t grown = out->size * 2;
    while (grown - out->used < size) grown *= 2;
    char *moved = lua_newuserdatauv(out->L, grown, 0);
    memcpy(moved, out->data, out->used);
    lua_replace(out->L, out->home);
    out->data = moved;
    out->size = grown;
  }
  memcpy(out->data + out->used, data, size);
  out->used += size;
}

static void add_tag(Bytes *out, char tag) { add(out, &tag, 1); }

static void add_value(Bytes *out, int index, int depth);

static void add_table(Bytes *out, int index, int depth) {
  lua_State *L = out->L;
  if (depth == CODEC_MAX_DEPTH)
    luaL_error(L, "cannot send a table nested more than %d deep (does it contain itself?)",
               CODEC_MAX_DEPTH);
  luaL_checkstack(L, 3, "cannot send a table");
  add_tag(out, TAG_TABLE);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    int value = lua_gettop(L);
    add_value(out, value - 1, depth + 1);
    add_value(out, value, depth + 1);
    lua_pop(L, 1);
  }
  add_tag(out, TAG_END);
}

static void add_value(Bytes *out, int index, int depth) {
  lua_State *L = out->L;
  switch (lua_type(L, index)) {
  case LUA_TNIL: add_tag(out, TAG_NIL); return;
  case LUA_TBOOLEAN: add_tag(out, lua_toboolean(L, index) ? TAG_TRUE : TAG_FALSE); return;
  case LUA_TNUMBER:
    if (lua_isinteger(L, index)) {
      int64_t integer = lua_tointeger(L, index);
      add_tag(out, TAG_INTEGER);
      add(out, &integer, sizeof integer);
    } else {
      double number = lua_tonumber(L, index);
      add_tag(out, TAG_FLOAT);
      add(out, &number, sizeof number);
    }
    return;
  case LUA_TSTRING: {
    size_t length;
    const char *text = lua_tolstring(L, index, &length);
    uint64_t size = length;
    add_tag(out, TAG_STRING);
    add(out, &size, sizeof size);
    add(out, text, length);
    return;
  }
  case LUA_TTABLE: add_table(out, index, depth); return;
  default: luaL_error(L, "cannot send a %s to another process", luaL_typename(L, index));
  }
}

void codec_encode(lua_State *L, int index) {
  Bytes out = {.L = L, .size = SMALL_MESSAGE};
  out.data = out.small;
  index = lua_absindex(L, index);
  lua_pushnil(L);
  out.home = lua_gettop(L);
  add_value(&out, index, 0);
  lua_pushlstring(L, out.data, out.used);
  lua_replace(L, out.home);
}

/* ---- decoding ---- */

typedef struct Reader {
  lua_State *L;
  const char *at, *end;
} Reader;

static void take(Reader *in, void *out, size_t size) {
  if ((size_t)(in->end - in->at) < size) luaL_error(in->L, "a message from a process is cut short");
  memcpy(out, in->at, size);
  in->at += size;
}

static void read_value(Reader *in, int depth);

/* After TAG_TABLE. */
static void read_table(Reader *in, int depth) {
  lua_State *L = in->L;
  if (depth == CODEC_MAX_DEPTH) luaL_error(L, "a message from a process is nested too deep");
  luaL_checkstack(L, 4, "cannot read a message");
  lua_newtable(L);
  while (in->at < in->end && *in->at != TAG_END) {
    read_value(in, depth + 1);
    if (lua_isnil(L, -1) || lua_compare(L, -1, -1, LUA_OPEQ) == 0)
      luaL_error(L, "a message from a process has a bad table key");
    read_value(in, depth + 1);
    lua_rawset(L, -3);
  }
  char end;
  take(in, &end, 1);
}

static void read_value(Reader *in, int depth) {
  lua_State *L = in->L;
  char tag;
  take(in, &tag, 1);
  switch (tag) {
  case TAG_NIL: lua_pushnil(L); return;
  case TAG_FALSE: lua_pushboolean(L, 0); return;
  case TAG_TRUE: lua_pushboolean(L, 1); return;
  case TAG_INTEGER: {
    int64_t integer;
    take(in, &integer, sizeof integer);
    lua_pushinteger(L, integer);
    return;
  }
  case TAG_FLOAT: {
    double number;
    take(in, &number, sizeof number);
    lua_pushnumber(L, number);
    return;
  }
  case TAG_STRING: {
    uint64_t size;
    take(in, &size, sizeof size);
    if ((uint64_t)(in->end - in->at) < size) luaL_error(L, "a message from a process is cut short");
    lua_pushlstring(L, in->at, (size_t)size);
    in->at += size;
    return;
  }
  case TAG_TABLE: read_table(in, depth); return;
  default: luaL_error(L, "a message from a process is malformed (tag %d)", tag);
  }
}

void codec_decode(lua_State *L, const void *bytes, size_t length) {
  Reader in = {.L = L, .at = bytes, .end = (const char *)bytes + length};
  read_value(&in, 0);
  if (in.at != in.end) luaL_error(L, "a message from a process is too long");
}
