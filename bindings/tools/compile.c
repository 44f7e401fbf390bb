/* compile SCRIPT FILE: what Lua's compiler makes of a script of the embedded library, with the
 * names and lines that messages show. Run while the program is built. */
#include "binding.h"

#include <stdio.h>

static const char PROGRAM[] =
    "local script, to, prefix = ...\n"
    "local from = assert(io.open(script, 'rb'))\n"
    "local compiled = assert(load(from:read 'a', '=' .. prefix .. script:match 'scripts/(.*)', "
    "'t'))\n"
    "assert(assert(io.open(to, 'wb')):write(string.dump(compiled)):close())\n";

int main(int count, char **words) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  int status = luaL_loadstring(L, PROGRAM);
  for (int i = 1; i < count; i++) lua_pushstring(L, words[i]);
  lua_pushstring(L, BINDING_CHUNK_PREFIX);
  if (status == LUA_OK) status = lua_pcall(L, count, 0, 0);
  if (status != LUA_OK) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  return status;
}
