/* Run one program to its end: text in, text out, a time limit, never a shell.
 *
 * command_run() starts argv[0] (looked up in PATH) in its own process group, writes `input` to its
 * standard input, collects its standard output and error apart, and waits. When the time limit
 * passes the whole group is killed. A program that closes its input early is no error: what it
 * wrote and how it ended tell. Call command_free() on the result, also after a failure. */
#ifndef NNRUN_PROC_COMMAND_H
#define NNRUN_PROC_COMMAND_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes of one stream, followed by a NUL that is not counted. */
typedef struct CommandText {
  char *bytes;
  size_t length, capacity;
} CommandText;

typedef struct CommandResult {
  CommandText output, errors;
  int exit_status; /* 0..255, or -1 when a signal ended the program */
  int signal;      /* the signal that ended it, or 0 */
} CommandResult;

enum { COMMAND_OUTPUT_LIMIT = 256 << 20, COMMAND_ERRORS_LIMIT = 1 << 20 };

/* argv ends with NULL. `seconds` > 0. NN_NOT_FOUND: no such program; NN_TIMEOUT: killed after
 * `seconds`; NN_TOO_LARGE: more output than COMMAND_OUTPUT_LIMIT; NN_PROCESS: anything else the
 * system refused. Error text beyond COMMAND_ERRORS_LIMIT is dropped. */
Status command_run(CommandResult *result, const char *const argv[], const char *input,
                   size_t input_length, double seconds, Err *err);
void command_free(CommandResult *result);

#endif
