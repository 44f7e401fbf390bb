/* The zygote: a quiet copy of the script process from which workers are forked.
 *
 * zygote_start() forks it from the template, the process in which the script has run so far: single
 * threaded, no store open. It waits for requests, so every worker, also one that replaces a crashed
 * one hours later, begins from the same clean memory. zygote_start() thus returns once in the
 * coordinator, and once in every worker; in the zygote itself it never returns.
 * Death travels down: the kernel kills the zygote with the coordinator, and workers with the
 * zygote. Order of calls (coordinator): zygote_start, zygote_spawn ..., zygote_receive ...,
 * zygote_stop. */
#ifndef NNRUN_PROC_ZYGOTE_H
#define NNRUN_PROC_ZYGOTE_H

#include "base/status.h"

#include <stdbool.h>
#include <sys/types.h>

typedef enum ProcRole { PROC_COORDINATOR, PROC_WORKER } ProcRole;

typedef struct Zygote {
  pid_t pid;
  int control; /* packet socket to the zygote; -1 when stopped */
} Zygote;

/* What the zygote tells the coordinator. */
typedef enum ZygoteKind { ZYGOTE_SPAWNED, ZYGOTE_REFUSED, ZYGOTE_EXITED } ZygoteKind;
typedef struct ZygoteReport {
  ZygoteKind kind;
  int slot;        /* SPAWNED, REFUSED: the slot asked for */
  pid_t pid;       /* SPAWNED, EXITED */
  int code;        /* REFUSED: errno; EXITED: as waitpid() gives it */
  long max_rss_kb; /* EXITED: peak memory */
} ZygoteReport;

/* Fork the zygote. In the coordinator: *role = PROC_COORDINATOR and *out is ready. In a worker:
 * *role = PROC_WORKER and *channel is its stream to the coordinator; its standard output and error
 * go to the coordinator too, its standard input is empty, and SIGINT and SIGTERM do nothing. */
Status zygote_start(Zygote *out, ProcRole *role, int *channel, Err *err);
/* Ask for a worker for `slot`; it gets `channel` and writes its output to `output`. Both remain
 * open here and may be closed at once. */
Status zygote_spawn(const Zygote *zygote, int slot, int channel, int output, Err *err);
/* The next report, without waiting. *found is false when there is none; *gone when the zygote died.
 */
Status zygote_receive(const Zygote *zygote, ZygoteReport *report, bool *found, bool *gone,
                      Err *err);
/* Let the zygote and every worker that still lives end now, and wait for the zygote. */
void zygote_stop(Zygote *zygote);

#endif
