/* The prompt: read a line, or several until they make a statement, run it, show its values.
 *
 * A line that is an expression shows its values. What values look like, which names complete and
 * which modules are at hand as globals is the business of scripts/repl.lua. */
#include "binding.h"
#include "lineedit.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Push the prompt text; a script may set _PROMPT and _PROMPT2 to anything. */
static const char *push_prompt(lua_State *L, bool first) {
  if (lua_getglobal(L, first ? "_PROMPT" : "_PROMPT2") == LUA_TNIL) {
    lua_pop(L, 1);
    return lua_pushstring(L, first ? "> " : ">> ");
  }
  const char *prompt = luaL_tolstring(L, -1, NULL);
  lua_remove(L, -2);
  return prompt;
}

/* Push a line read; false at the end of input. An interrupted line is pushed as nil. */
static bool push_line(lua_State *L, bool first) {
  const char *prompt = push_prompt(L, first);
  char *line = NULL;
  size_t length = 0;
  LineStatus status = lineedit_read(prompt, &line, &length);
  lua_pop(L, 1);
  if (status == LINE_END) return false;
  if (status == LINE_INTERRUPTED) {
    putchar('\n');
    lua_pushnil(L);
    return true;
  }
  if (first && line[0] == '=') /* Lua 5.2's "= expression" */
    lua_pushfstring(L, "return %s", line + 1);
  else
    lua_pushlstring(L, line, length);
  lineedit_remember(line);
  free(line);
  return true;
}

/* Whether a syntax error says that more lines may come: it ends in "<eof>". */
static bool is_incomplete(lua_State *L, int status) {
  size_t length = 0;
  const char *message = lua_tolstring(L, -1, &length);
  return status == LUA_ERRSYNTAX && length >= 5 && strcmp(message + length - 5, "<eof>") == 0;
}

/* The line at index 1 as an expression; on success replaces the stack's line by the function. */
static bool load_expression(lua_State *L) {
  const char *text = lua_pushfstring(L, "return %s;", lua_tostring(L, 1));
  bool ok = luaL_loadbufferx(L, text, strlen(text), "=stdin", "t") == LUA_OK;
  if (ok) lua_replace(L, 1);
  lua_settop(L, 1);
  return ok;
}

/* Leave the loaded function, or a syntax error, at index 1. -1: end of input; -2: interrupted. */
static int load_statement(lua_State *L) {
  lua_settop(L, 0);
  if (!push_line(L, true)) return -1;
  if (lua_isnil(L, 1)) return -2;
  if (load_expression(L)) return LUA_OK;
  for (;;) {
    size_t length = 0;
    const char *text = lua_tolstring(L, 1, &length);
    int status = luaL_loadbufferx(L, text, length, "=stdin", "t");
    if (!is_incomplete(L, status)) {
      lua_remove(L, 1);
      return status;
    }
    lua_settop(L, 1);
    if (!push_line(L, false)) { /* end of input inside a statement: say what is missing */
      luaL_loadbufferx(L, lua_tostring(L, 1), length, "=stdin", "t");
      lua_remove(L, 1);
      return LUA_ERRSYNTAX;
    }
    if (lua_isnil(L, -1)) return -2;
    lua_pushliteral(L, "\n");
    lua_insert(L, -2);
    lua_concat(L, 3);
  }
}

/* Call a function of scripts/repl.lua with the `arguments` on top of the stack. */
static int call_script(lua_State *L, const char *function, int arguments, int results) {
  int base = lua_gettop(L) - arguments;
  lua_getglobal(L, "require");
  if (!lua_isfunction(L, -1))
    lua_pushnil(L);
  else {
    lua_pushliteral(L, "repl");
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) return LUA_ERRRUN;
    lua_getfield(L, -1, function);
    lua_remove(L, -2);
  }
  lua_insert(L, base + 1);
  return lua_pcall(L, arguments, results, 0);
}

static void show_values(lua_State *L) {
  int count = lua_gettop(L);
  if (count == 0) return;
  luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
  if (call_script(L, "print", count, 0) != LUA_OK) {
    const char *problem = lua_tostring(L, -1);
    program_message(
        lua_pushfstring(L, "error calling 'print' (%s)", problem != NULL ? problem : "?"));
  }
}

/* LineCompleter: candidates from repl.complete(line, begin, end), nil for file names. */
static bool complete_line(void *context, const char *line, size_t begin, size_t end,
                          LineMatches *matches) {
  lua_State *L = context;
  int top = lua_gettop(L);
  lua_pushlstring(L, line, end);
  lua_pushinteger(L, (lua_Integer)begin + 1);
  bool ours = call_script(L, "complete", 2, 1) == LUA_OK && lua_istable(L, -1);
  for (lua_Integer i = 1; ours && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
    lineedit_add(matches, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return ours;
}

/* In a frame of its own, so that statements find their values from index 1 on. */
static int run_session(lua_State *L) {
  bool terminal = isatty(STDIN_FILENO);
  lineedit_open(terminal, complete_line, L);
  program_set_name(NULL);
  if (terminal) puts("Type help() for help, Ctrl-D to leave.");
  if (call_script(L, "open", 0, 0) != LUA_OK) program_report(L, LUA_ERRRUN);
  for (;;) {
    int status = load_statement(L);
    if (status == -1) break;
    if (status == -2) continue;
    if (status == LUA_OK) status = program_call(L, 0, LUA_MULTRET);
    if (status == LUA_OK)
      show_values(L);
    else
      program_report(L, status);
  }
  if (terminal) putchar('\n');
  fflush(stdout);
  return 0;
}

void repl_run(lua_State *L) {
  lua_pushcfunction(L, run_session);
  lua_call(L, 0, 0);
}

/* core.prompt: run() opens the prompt from a script, until the end of input. */
static int prompt_run(lua_State *L) {
  lua_settop(L, 0);
  repl_run(L);
  return 0;
}

int luaopen_core_prompt(lua_State *L);
int luaopen_core_prompt(lua_State *L) {
  static const luaL_Reg functions[] = {{"run", prompt_run}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
