/* The parts of the nnrun program that are not modules: embedded files, protected calls, the REPL.
 *
 * main.c reads the command line; everything it runs goes through program_call, which handles
 * Ctrl-C and tracebacks. Only these files keep state of their own: a signal handler needs it. */
#ifndef NNRUN_PROGRAM_H
#define NNRUN_PROGRAM_H

#include "nnrun.h" /* NNRUN_VERSION */

#include <lua.h>
#include <stdbool.h>

/* Exit statuses beside 0 and 1; a script's own status may be any other. */
enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* Make every embedded module known to `require` (package.preload). */
void embedded_preload(lua_State *L);

/* lua_pcall with a traceback and Ctrl-C as a Lua error; returns its status. */
int program_call(lua_State *L, int arguments, int results);
/* Print the error on top of the stack, pop it, and return `status`. */
int program_report(lua_State *L, int status);
/* Print "program: message" to stderr. */
void program_message(const char *message);
/* Names the program in messages; NULL (inside the REPL) names none. */
void program_set_name(const char *name);
/* Whether the last error was an interrupt. */
bool program_interrupted(void);

/* Read, run and print until end of input. */
void repl_run(lua_State *L);

#endif
