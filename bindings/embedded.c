/* The embedded library: scripts/ as bytes of the program, and the table of C modules.
 *
 * Both come from modules.def. A script is there twice: its text, which help reads, and what Lua's
 * compiler made of it when the program was built (tools/compile.c), which loads seven times as
 * fast. Each is a pair of labels around an .incbin, named after the row's line in that file, so
 * rows must stay on lines of their own. */
#include "binding.h"
#include "program.h"

#include <string.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#define BYTES(label, path)                                                                         \
  __asm__(".pushsection .rodata\n" label                                                           \
          "_begin_" TEXT(__LINE__) ":\n.incbin \"" path "\"\n" label                               \
                                   "_end_" TEXT(__LINE__) ":\n.byte 0\n.popsection\n");
#define C(name, open) int open(lua_State *L);
#define LUA(name, path)                                                                            \
  BYTES("text", path)                                                                              \
  BYTES("compiled", path "c")                                                                      \
  extern const char JOIN(text_begin_, __LINE__)[], JOIN(text_end_, __LINE__)[];                    \
  extern const char JOIN(compiled_begin_, __LINE__)[], JOIN(compiled_end_, __LINE__)[];
#include "modules.def"
#undef C
#undef LUA

typedef struct Bytes {
  const char *begin, *end;
} Bytes;

typedef struct Module {
  const char *name;
  lua_CFunction open; /* of a C module, else NULL */
  Bytes text, compiled;
  const char *file; /* below scripts/; NULL of a C module */
} Module;

#define C(title, opener) {.name = title, .open = opener},
#define LUA(title, path)                                                                           \
  {.name = title,                                                                                  \
   .text = {JOIN(text_begin_, __LINE__), JOIN(text_end_, __LINE__)},                               \
   .compiled = {JOIN(compiled_begin_, __LINE__), JOIN(compiled_end_, __LINE__)},                   \
   .file = path + sizeof "scripts/" - 1},
static const Module MODULES[] = {
#include "modules.def"
    {.name = NULL},
};
#undef C
#undef LUA

/* The loader `require` calls with (name, ":preload:"): runs the script of that name. Compiled code
 * is of one release of Lua, and the shared library may have become another since. */
static int load_script(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const Module *m = MODULES;
  while (m->name != NULL && (m->file == NULL || strcmp(m->name, name) != 0)) m++;
  if (m->name == NULL) return luaL_error(L, "no embedded module '%s'", name);
  const Bytes code = strstr(lua_ident, LUA_RELEASE " ") != NULL ? m->compiled : m->text;
  const char *chunk = lua_pushfstring(L, "=" BINDING_CHUNK_PREFIX "%s", m->file);
  if (luaL_loadbufferx(L, code.begin, (size_t)(code.end - code.begin), chunk, "bt") != LUA_OK)
    return lua_error(L);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

void embedded_preload(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (const Module *m = MODULES; m->name != NULL; m++) {
    lua_pushcfunction(L, m->open != NULL ? m->open : load_script);
    lua_setfield(L, -2, m->name);
  }
  lua_pop(L, 1);
}

static int push_text(lua_State *L, const Module *m) {
  lua_pushlstring(L, m->text.begin, (size_t)(m->text.end - m->text.begin));
  return 1;
}

/* core.embedded: what help and the reference page read.
 * modules() -> list of {name=, file=, text=} of scripts, and {name=} of C modules;
 * text(file) -> the script of that file name, or nil. */
static int embedded_modules(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; MODULES[i].name != NULL; i++) {
    const Module *m = &MODULES[i];
    lua_createtable(L, 0, 3);
    binding_set_text(L, "name", m->name);
    if (m->file != NULL) {
      binding_set_text(L, "file", m->file);
      push_text(L, m);
      lua_setfield(L, -2, "text");
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int embedded_text(lua_State *L) {
  const char *file = luaL_checkstring(L, 1);
  for (const Module *m = MODULES; m->name != NULL; m++)
    if (m->file != NULL && strcmp(m->file, file) == 0) return push_text(L, m);
  return 0;
}

int luaopen_core_embedded(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"modules", embedded_modules}, {"text", embedded_text}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
