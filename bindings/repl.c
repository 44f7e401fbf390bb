/* The interactive prompt. */
#include "binding.h"
#include "program.h"

#include <stdio.h>
#include <string.h>

void repl_run(lua_State *L) {
  char line[1024];
  while (fputs("> ", stdout), fflush(stdout), fgets(line, sizeof line, stdin) != NULL) {
    int status = luaL_loadbufferx(L, line, strlen(line), "=stdin", "t");
    if (status == LUA_OK) status = program_call(L, 0, 0);
    program_report(L, status);
  }
}
