/* The embedded library: scripts/ as bytes of the program, and the table of C modules.
 *
 * Both come from modules.def. A script becomes a pair of labels around an .incbin, named after its
 * line in that file, so rows must stay on lines of their own. */
#include "binding.h"
#include "program.h"

#include <string.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#define C(name, open) int open(lua_State *L);
#define LUA(name, path)                                                                            \
  __asm__(".pushsection .rodata\n"                                                                 \
          "embedded_begin_" TEXT(__LINE__) ":\n.incbin \"" path "\"\n"                             \
                                           "embedded_end_" TEXT(                                   \
                                               __LINE__) ":\n.byte 0\n.popsection\n");             \
  extern const char JOIN(embedded_begin_, __LINE__)[], JOIN(embedded_end_, __LINE__)[];
#include "modules.def"
#undef C
#undef LUA

typedef struct Module {
  const char *name;
  lua_CFunction open;      /* of a C module, else NULL */
  const char *begin, *end; /* of a script */
  const char *file;        /* below scripts/ */
} Module;

#define C(name, open) {name, open, NULL, NULL, NULL},
#define LUA(name, path)                                                                            \
  {name, NULL, JOIN(embedded_begin_, __LINE__), JOIN(embedded_end_, __LINE__),                     \
   path + sizeof "scripts/" - 1},
static const Module MODULES[] = {
#include "modules.def"
    {NULL, NULL, NULL, NULL, NULL},
};
#undef C
#undef LUA

const char *embedded_find(const char *module, size_t *size, const char **file) {
  for (const Module *m = MODULES; m->name != NULL; m++) {
    if (m->begin == NULL || strcmp(m->name, module) != 0) continue;
    *size = (size_t)(m->end - m->begin);
    if (file != NULL) *file = m->file;
    return m->begin;
  }
  return NULL;
}

const char *embedded_file(const char *file, size_t *size) {
  for (const Module *m = MODULES; m->name != NULL; m++) {
    if (m->begin == NULL || strcmp(m->file, file) != 0) continue;
    *size = (size_t)(m->end - m->begin);
    return m->begin;
  }
  return NULL;
}

/* The loader `require` calls with (name, ":preload:"): runs the script of that name. */
static int load_script(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const char *file = NULL;
  size_t size = 0;
  const char *text = embedded_find(name, &size, &file);
  if (text == NULL) return luaL_error(L, "no embedded module '%s'", name);
  const char *chunk = lua_pushfstring(L, "=" BINDING_CHUNK_PREFIX "%s", file);
  if (luaL_loadbufferx(L, text, size, chunk, "t") != LUA_OK) return lua_error(L);
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

/* core.embedded: what help and the reference page read.
 * modules() -> list of {name=, file=, text=} of scripts, and {name=} of C modules;
 * text(file) -> the script of that file name, or nil. */
static int embedded_modules(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; MODULES[i].name != NULL; i++) {
    const Module *m = &MODULES[i];
    lua_createtable(L, 0, 3);
    binding_set_text(L, "name", m->name);
    if (m->begin != NULL) {
      binding_set_text(L, "file", m->file);
      lua_pushlstring(L, m->begin, (size_t)(m->end - m->begin));
      lua_setfield(L, -2, "text");
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int embedded_text(lua_State *L) {
  size_t size = 0;
  const char *text = embedded_file(luaL_checkstring(L, 1), &size);
  if (text == NULL) return 0;
  lua_pushlstring(L, text, size);
  return 1;
}

int luaopen_core_embedded(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"modules", embedded_modules}, {"text", embedded_text}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
