/* nnrun: the program. Reads the command line, opens the libraries, runs scripts or the REPL.
 *
 * Everything that touches Lua happens inside a protected call of pmain. Options are those of the
 * standalone Lua interpreter, with -h added; the words list, show, ... are commands of
 * scripts/cli.lua. Exit status: 0 done, 1 error, 2 usage, 130 interrupted, or what the script says
 * (os.exit, or the `exit_status` of the value it returns). */
#include "binding.h"
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The command line, taken apart. `script` is the index in argv of the script, or argc. */
typedef struct Options {
  int script;
  bool interactive, version, help, execute, no_environment;
} Options;

static const char *const USAGE =
    "usage: nnrun [options] [script [args]]\n"
    "       nnrun COMMAND [arguments]\n"
    "Without a script: the interactive prompt.\n"
    "\n"
    "Options:\n"
    "  -e CODE   run the code\n"
    "  -i        enter the prompt after running\n"
    "  -l NAME   require the module NAME into a global of that name; -l g=NAME into global g\n"
    "  -v        show version information\n"
    "  -E        ignore environment variables (LUA_INIT, LUA_PATH, ...)\n"
    "  -W        turn warnings on\n"
    "  -h        show this help\n"
    "  --        stop handling options\n"
    "  -         run standard input as a script\n"
    "\n"
    "Commands, on the run stores that sweeps write (nnrun COMMAND -h says more):\n"
    "  list, show, best, report, export, diff, rerun, resume, attach, merge, doctor; and help "
    "[NAME]\n";

static void print_version(void) {
  printf("nnrun " NNRUN_VERSION "  Copyright (C) the nnrun authors\n" LUA_COPYRIGHT "\n");
  fflush(stdout);
}

/* The long names of options, for people who type them. */
static const struct {
  const char *word;
  char letter;
} LONG_OPTIONS[] = {{"--help", 'h'},          {"--version", 'v'}, {"--interactive", 'i'},
                    {"--execute", 'e'},       {"--require", 'l'}, {"--warnings", 'W'},
                    {"--no-environment", 'E'}};

enum { LONG_OPTION_COUNT = sizeof LONG_OPTIONS / sizeof LONG_OPTIONS[0] };

/* Length of the common beginning of two words. */
static size_t common_prefix(const char *a, const char *b) {
  size_t length = 0;
  while (a[length] != '\0' && a[length] == b[length]) length++;
  return length;
}

/* Report "PROBLEM 'OPTION'REST" and the usage. */
static int bad_option(const char *problem, const char *option, const char *rest) {
  const char *nearest = NULL;
  size_t best = 2; /* the two dashes alone say nothing */
  for (int i = 0; i < LONG_OPTION_COUNT && strncmp(option, "--", 2) == 0; i++) {
    size_t common = common_prefix(option, LONG_OPTIONS[i].word);
    if (common > best) {
      best = common;
      nearest = LONG_OPTIONS[i].word;
    }
  }
  fprintf(stderr, "nnrun: %s'%s'%s", problem, option, rest);
  if (nearest != NULL) fprintf(stderr, " (did you mean '%s'?)", nearest);
  fprintf(stderr, "\n%s", USAGE);
  return EXIT_USAGE;
}

/* The letter of an option word, '\0' when there is none such. -e and -l may carry their argument
 * ("-e1"); the others stand alone. */
static char option_letter(const char *word) {
  for (int i = 0; i < LONG_OPTION_COUNT; i++)
    if (strcmp(word, LONG_OPTIONS[i].word) == 0) return LONG_OPTIONS[i].letter;
  if (word[1] == '\0' || word[1] == '-' || strchr("eilvEWh", word[1]) == NULL) return '\0';
  if (strchr("el", word[1]) == NULL && word[2] != '\0') return '\0';
  return word[1];
}

/* The argument of -e or -l at argv[*i], advancing *i when it is the next word. */
static const char *option_argument(char **argv, int *i) {
  bool is_long = argv[*i][1] == '-';
  if (!is_long && argv[*i][2] != '\0') return argv[*i] + 2;
  if (argv[*i + 1] == NULL || argv[*i + 1][0] == '-') return NULL;
  return argv[++*i];
}

/* 0, or the exit status of a usage error that has been reported. */
static int read_options(int argc, char **argv, Options *options) {
  int i = 1;
  for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    if (strcmp(argv[i], "--") == 0) {
      i++;
      break;
    }
    switch (option_letter(argv[i])) {
    case 'e': options->execute = true; /* fall through */
    case 'l': {
      const char *word = argv[i];
      if (option_argument(argv, &i) == NULL) return bad_option("", word, " needs argument");
      break;
    }
    case 'i': options->interactive = true; /* fall through */
    case 'v': options->version = true; break;
    case 'E': options->no_environment = true; break;
    case 'h': options->help = true; break;
    case 'W': break;
    default: return bad_option("unrecognized option ", argv[i], "");
    }
  }
  options->script = i;
  return 0;
}

/* The global `arg`: the script at 0, its arguments from 1, what came before it below 0. */
static void set_arg_table(lua_State *L, char **argv, int argc, int script) {
  if (script >= argc) script = 0;
  int after = argc - script - 1;
  lua_createtable(L, after > 0 ? after : 0, script + 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

static int run_text(lua_State *L, const char *text, const char *name) {
  int status = luaL_loadbufferx(L, text, strlen(text), name, "t");
  if (status == LUA_OK) status = program_call(L, 0, 0);
  return program_report(L, status);
}

/* LUA_INIT, as every Lua interpreter honours it: code, or "@file". */
static int run_lua_init(lua_State *L) {
  const char *name = "=LUA_INIT" LUA_VERSUFFIX;
  const char *code = getenv(name + 1);
  if (code == NULL) code = getenv((name = "=LUA_INIT") + 1);
  if (code == NULL) return LUA_OK;
  if (code[0] != '@') return run_text(L, code, name);
  int status = luaL_loadfilex(L, code + 1, "t");
  if (status == LUA_OK) status = program_call(L, 0, 0);
  return program_report(L, status);
}

/* "name" or "global=name". */
static int require_library(lua_State *L, const char *word) {
  const char *equals = strchr(word, '=');
  const char *module = equals != NULL ? equals + 1 : word;
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  int status = program_call(L, 1, 1);
  if (status == LUA_OK) {
    lua_pushlstring(L, word, equals != NULL ? (size_t)(equals - word) : strlen(word));
    lua_insert(L, -2);
    lua_pushglobaltable(L);
    lua_insert(L, -3);
    lua_settable(L, -3);
    lua_pop(L, 1);
  }
  return program_report(L, status);
}

/* -e, -l and -W, in their order. */
static int run_options(lua_State *L, char **argv, int end) {
  for (int i = 1; i < end; i++) {
    char letter = argv[i][0] == '-' ? option_letter(argv[i]) : '\0';
    int status = LUA_OK;
    if (letter == 'W') lua_warning(L, "@on", 0);
    if (letter == 'e') status = run_text(L, option_argument(argv, &i), "=(command line)");
    if (letter == 'l') status = require_library(L, option_argument(argv, &i));
    if (status != LUA_OK) return status;
  }
  return LUA_OK;
}

/* The exit status a script's value asks for: a number, or what it returns, in `exit_status`. */
static int get_exit_status(lua_State *L) {
  int status = 0;
  if (lua_istable(L, 1)) {
    if (lua_getfield(L, 1, "exit_status") == LUA_TFUNCTION) {
      lua_pushvalue(L, 1);
      lua_call(L, 1, 1);
    }
    status = lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : 0;
  }
  lua_pushinteger(L, status);
  return 1;
}

/* Push the loaded script's arguments. */
static int push_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE) luaL_error(L, "'arg' is not a table");
  int count = (int)luaL_len(L, -1);
  luaL_checkstack(L, count + 3, "too many arguments to script");
  int table = lua_gettop(L);
  for (int i = 1; i <= count; i++) lua_rawgeti(L, table, i);
  lua_remove(L, table);
  return count;
}

/* Run argv[0] with what follows; returns the exit status. */
static int run_script(lua_State *L, char **argv) {
  const char *name = argv[0];
  if (strcmp(name, "-") == 0 && strcmp(argv[-1], "--") != 0) name = NULL; /* standard input */
  int base = lua_gettop(L);
  int status = luaL_loadfilex(L, name, "t");
  if (status == LUA_OK) {
    int count = push_arguments(L);
    status = program_call(L, count, 1);
  }
  int result = EXIT_FAILURE;
  if (status == LUA_OK) {
    lua_pushcfunction(L, get_exit_status);
    lua_insert(L, -2);
    status = program_call(L, 1, 1);
    if (status == LUA_OK) result = (int)lua_tointeger(L, -1);
  }
  if (program_report(L, status) != LUA_OK && program_interrupted()) result = EXIT_INTERRUPTED;
  lua_settop(L, base);
  return result;
}

/* A bare word that is no file may be a command of scripts/cli.lua: run it, set *result and return
 * true. Commands come first; ./list runs a script of that name. */
static bool run_command(lua_State *L, char **argv, int *result) {
  const char *word = argv[0];
  if (word[0] == '\0' || strspn(word, "abcdefghijklmnopqrstuvwxyz-") != strlen(word) ||
      word[0] == '-')
    return false;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "cli");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "run");
  lua_pushboolean(L, access(word, R_OK) == 0);
  lua_pushstring(L, word);
  int count = 2 + push_arguments(L);
  int status = program_call(L, count, 1);
  if (program_report(L, status) != LUA_OK) {
    *result = program_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILURE;
    return true;
  }
  bool known = !lua_isnil(L, -1);
  *result = (int)lua_tointeger(L, -1);
  lua_pop(L, 2);
  return known;
}

/* The last of package.searchers: a module that lies beside the script, whatever folder the program
 * was started in. Says nothing when there is none, so that require's message is the usual one. */
static int search_beside_script(lua_State *L) {
  const char *pattern = lua_tostring(L, lua_upvalueindex(1));
  lua_getglobal(L, "package");
  if (!lua_istable(L, -1) || lua_getfield(L, -1, "searchpath") != LUA_TFUNCTION) return 0;
  lua_pushvalue(L, 1);
  lua_pushstring(L, pattern);
  lua_call(L, 2, 1);
  const char *path = lua_tostring(L, -1);
  if (path == NULL) return 0;
  if (luaL_loadfilex(L, path, "t") != LUA_OK)
    return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", lua_tostring(L, 1),
                      path, lua_tostring(L, -1));
  lua_insert(L, -2);
  return 2;
}

static void add_script_searcher(lua_State *L, const char *script) {
  const char *slash = strrchr(script, '/');
  if (slash == NULL) return; /* package.path has the current folder */
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_pushlstring(L, script, (size_t)(slash - script + 1));
  lua_pushfstring(L, "%s?.lua;%s?/init.lua", lua_tostring(L, -1), lua_tostring(L, -1));
  lua_pushcclosure(L, search_beside_script, 1);
  lua_rawseti(L, -3, (lua_Integer)lua_rawlen(L, -3) + 1);
  lua_pop(L, 3);
}

static void open_libraries(lua_State *L, const Options *options) {
  if (options->no_environment) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  luaL_openlibs(L);
  embedded_preload(L);
}

/* pmain(argc, argv, options) -> exit status */
static int pmain(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  const Options *options = lua_touserdata(L, 3);
  int result = EXIT_FAILURE;
  luaL_checkversion(L);
  if (options->version) print_version();
  open_libraries(L, options);
  set_arg_table(L, argv, argc, options->script);
  if (options->script < argc) add_script_searcher(L, argv[options->script]);
  bool ok = options->no_environment || run_lua_init(L) == LUA_OK;
  ok = ok && run_options(L, argv, options->script) == LUA_OK;
  if (!ok) {
    result = program_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILURE;
  } else if (options->script < argc) {
    char **script = argv + options->script;
    if (!run_command(L, script, &result)) result = run_script(L, script);
  } else {
    result = EXIT_SUCCESS;
  }
  bool bare = options->script >= argc && !options->execute && !options->version;
  if (ok && options->interactive && !(options->script < argc && result != EXIT_SUCCESS)) {
    repl_run(L);
  } else if (ok && bare && isatty(STDIN_FILENO)) {
    print_version();
    repl_run(L);
  } else if (ok && bare) {
    char *standard_input[] = {"", "-", NULL};
    result = run_script(L, standard_input + 1);
  }
  lua_pushinteger(L, result);
  return 1;
}

int main(int argc, char **argv) {
  /* Before BLAS can be loaded: its own threads are never wanted, parallel work is ours. */
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  /* A file that may not grow is an error to report, as a full disk is. */
  signal(SIGXFSZ, SIG_IGN);
  Options options = {0};
  if (argc > 0 && argv[0][0] != '\0') program_set_name(argv[0]);
  int usage = read_options(argc, argv, &options);
  if (usage != 0) return usage;
  if (options.help) {
    fputs(USAGE, stdout);
    return EXIT_SUCCESS;
  }
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    program_message("cannot create Lua state: out of memory");
    return EXIT_FAILURE;
  }
  lua_pushcfunction(L, pmain);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  lua_pushlightuserdata(L, &options);
  int status = lua_pcall(L, 3, 1, 0);
  int result = status == LUA_OK ? (int)lua_tointeger(L, -1) : EXIT_FAILURE;
  program_report(L, status);
  lua_close(L);
  return result;
}
