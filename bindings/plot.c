/* Module "core.plot": what drawing needs of the system. Running the plot program, the size of the
 * terminal, folders and whole files.
 *
 *   run(argv, input, seconds)  -> {output=, errors=, status=, signal=} | nil, message, status name
 *   terminal_size()            -> columns, rows, whether standard output is a terminal
 *   make_folder(path)          -> true | nil, message      (and its parents)
 *   write_file(path, bytes)    -> true | nil, message      (whole or not at all) */
#include "binding.h"
#include "proc/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 32, PATH_SIZE = 4096 };

int luaopen_core_plot(lua_State *L);

static int fail(lua_State *L, const char *what, const char *path, int code) {
  lua_pushnil(L);
  lua_pushfstring(L, "cannot %s '%s': %s", what, path, strerror(code));
  return 2;
}

static void set_text(lua_State *L, const char *name, const CommandText *text) {
  lua_pushlstring(L, text->bytes ? text->bytes : "", text->length);
  lua_setfield(L, -2, name);
}

/* The result as a table; upvalue-free so that it can run protected: strings may not fit memory. */
static int push_result(lua_State *L) {
  const CommandResult *result = lua_touserdata(L, 1);
  lua_createtable(L, 0, 4);
  set_text(L, "output", &result->output);
  set_text(L, "errors", &result->errors);
  binding_set_integer(L, "status", result->exit_status);
  binding_set_integer(L, "signal", result->signal);
  return 1;
}

static int plot_run(lua_State *L) {
  const char *argv[MAX_ARGUMENTS + 1] = {0};
  size_t length;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
  luaL_argcheck(L, count >= 1 && count <= MAX_ARGUMENTS, 1, "1 to 32 arguments expected");
  const char *input = luaL_checklstring(L, 2, &length);
  double seconds = luaL_optnumber(L, 3, 30);
  luaL_argcheck(L, seconds > 0, 3, "a positive number of seconds expected");
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_rawgeti(L, 1, i) != LUA_TSTRING) return luaL_argerror(L, 1, "strings expected");
    argv[i - 1] = lua_tostring(L, -1);
    lua_pop(L, 1); /* the table keeps the string alive */
  }
  CommandResult result;
  Err err = {0};
  Status status = command_run(&result, argv, input, length, seconds, &err);
  if (status != NN_OK) {
    command_free(&result);
    lua_pushnil(L);
    lua_pushstring(L, err.message);
    lua_pushstring(L, status_name(status));
    return 3;
  }
  lua_pushcfunction(L, push_result);
  lua_pushlightuserdata(L, &result);
  int failed = lua_pcall(L, 1, 1, 0);
  command_free(&result);
  return failed ? lua_error(L) : 1;
}

static long positive_variable(const char *name) {
  const char *text = getenv(name);
  long value = text ? strtol(text, NULL, 10) : 0;
  return value > 0 && value < 10000 ? value : 0;
}

/* COLUMNS and LINES win, then what the terminal says, then 79 x 24. */
static int plot_terminal_size(lua_State *L) {
  struct winsize size = {0};
  bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  long columns = positive_variable("COLUMNS"), rows = positive_variable("LINES");
  if (!columns) columns = known && size.ws_col ? size.ws_col : 79;
  if (!rows) rows = known && size.ws_row ? size.ws_row : 24;
  lua_pushinteger(L, columns);
  lua_pushinteger(L, rows);
  lua_pushboolean(L, isatty(STDOUT_FILENO));
  return 3;
}

static int plot_make_folder(lua_State *L) {
  size_t length;
  const char *given = luaL_checklstring(L, 1, &length);
  char path[PATH_SIZE];
  if (length >= sizeof path) return fail(L, "make folder", given, ENAMETOOLONG);
  memcpy(path, given, length + 1);
  for (size_t i = 1; i <= length; i++) {
    if (path[i] != '/' && path[i] != 0) continue;
    path[i] = 0;
    struct stat info;
    int problem = mkdir(path, 0777) != 0 ? errno : 0; /* it may only be that the folder is there */
    if (stat(path, &info) != 0) return fail(L, "make folder", path, problem ? problem : errno);
    if (!S_ISDIR(info.st_mode)) return fail(L, "make folder", path, ENOTDIR);
    if (i < length) path[i] = '/';
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t done = write(fd, bytes, length);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return done < 0 ? errno : EIO;
    bytes += done;
    length -= (size_t)done;
  }
  return 0;
}

/* Written beside the target and renamed over it: a reader sees the old file or the new one. */
static int plot_write_file(lua_State *L) {
  size_t length;
  const char *path = luaL_checkstring(L, 1);
  const char *bytes = luaL_checklstring(L, 2, &length);
  char draft[PATH_SIZE];
  int size = snprintf(draft, sizeof draft, "%s.%ld.part", path, (long)getpid());
  if (size < 0 || (size_t)size >= sizeof draft) return fail(L, "write", path, ENAMETOOLONG);
  int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return fail(L, "write", path, errno);
  int code = write_all(fd, bytes, length);
  if (close(fd) != 0 && !code) code = errno;
  if (!code && rename(draft, path) != 0) code = errno;
  if (code) {
    unlink(draft);
    return fail(L, "write", path, code);
  }
  lua_pushboolean(L, 1);
  return 1;
}

int luaopen_core_plot(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"run", plot_run},
      {"terminal_size", plot_terminal_size},
      {"make_folder", plot_make_folder},
      {"write_file", plot_write_file},
      {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}
