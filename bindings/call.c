/* Protected calls: tracebacks a person can use, Ctrl-C as a Lua error, messages on stderr.
 *
 * A traceback leaves out the frames of the embedded library, and is left out itself when it would
 * only repeat the line the message begins with. An error raised inside the library by mistake is
 * given the script's line in front, and its full traceback. */
#include "binding.h"
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static lua_State *running;                 /* the state a signal interrupts */
static const char *program_name = "nnrun"; /* NULL: messages carry no name */
static volatile sig_atomic_t interrupted;

void program_set_name(const char *name) { program_name = name; }

bool program_interrupted(void) { return interrupted != 0; }

void program_message(const char *message) {
  fflush(stdout);
  if (program_name != NULL) fprintf(stderr, "%s: ", program_name);
  fprintf(stderr, "%s\n", message);
  fflush(stderr);
}

/* Runs at the next Lua instruction after Ctrl-C. */
static void interrupt_hook(lua_State *L, lua_Debug *info) {
  (void)info;
  lua_sethook(L, NULL, 0, 0);
  interrupted = 1;
  luaL_error(L, "interrupted!");
}

/* Only sets a hook, which Lua allows in a signal handler and nothing else. A second Ctrl-C kills
 * the process. NOLINTBEGIN(bugprone-signal-handler) */
static void on_interrupt(int number) {
  signal(number, SIG_DFL);
  lua_sethook(running, interrupt_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
              1);
}
/* NOLINTEND(bugprone-signal-handler) */

static bool starts_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Append the traceback's lines to the buffer, less those of the library; returns how many
 * frames of scripts there were. */
static int add_frames(luaL_Buffer *buffer, const char *traceback, bool full) {
  int frames = 0;
  for (const char *line = traceback; *line != '\0';) {
    size_t length = strcspn(line, "\n");
    size_t whole = length + (line[length] == '\n');
    bool library = starts_with(line, "\t" BINDING_CHUNK_PREFIX);
    bool outermost =
        starts_with(line, "\t[C]: in ?") || starts_with(line, "\t[C]: in function 'error'");
    if (full || (!library && !outermost)) {
      luaL_addchar(buffer, '\n');
      luaL_addlstring(buffer, line, length);
      if (line[0] == '\t' && !starts_with(line, "\t[C]") && !starts_with(line, "\t(...")) frames++;
    }
    line += whole;
  }
  return frames;
}

/* Message handler. The calls it makes keep their depth: an error object's __tostring may look at
 * the stack. */
static int add_traceback(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  if (message == NULL) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return 1;
    message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  bool library = starts_with(message, BINDING_CHUNK_PREFIX);
  if (library) {
    char where[LUA_IDSIZE + 32];
    if (*binding_where(L, where, sizeof where) != '\0')
      message = lua_pushfstring(L, "%s: %s", where, message);
  }
  luaL_traceback(L, L, NULL, 1);
  const char *traceback = lua_tostring(L, -1);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  int frames = add_frames(&buffer, traceback, library);
  luaL_pushresult(&buffer);
  if (frames > 1 || library)
    lua_pushfstring(L, "%s%s", message, lua_tostring(L, -1));
  else
    lua_pushstring(L, message);
  return 1;
}

int program_call(lua_State *L, int arguments, int results) {
  int base = lua_gettop(L) - arguments;
  lua_pushcfunction(L, add_traceback);
  lua_insert(L, base);
  running = L;
  interrupted = 0;
  void (*before)(int) = signal(SIGINT, on_interrupt);
  int status = lua_pcall(L, arguments, results, base);
  signal(SIGINT, before == SIG_ERR ? SIG_DFL : before);
  if (status == LUA_OK) interrupted = 0;
  lua_remove(L, base);
  return status;
}

int program_report(lua_State *L, int status) {
  if (status == LUA_OK) return status;
  const char *message = lua_tostring(L, -1);
  program_message(message != NULL ? message : "(error message not a string)");
  lua_pop(L, 1);
  return status;
}
