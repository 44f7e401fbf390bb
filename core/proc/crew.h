/* Crew: the coordinator's side of a set of worker processes, one per slot.
 *
 * crew_new() takes over a zygote. crew_spawn() fills a slot with a new worker, crew_send() hands it
 * a message, and crew_next() waits for whatever happens first: a message, output, the end of a
 * worker, a signal or the time-out. What a worker wrote before it ended is always delivered before
 * CREW_EXIT, output before the message that followed it. Slots count from 1.
 * A Crew belongs to one thread, and only one may exist at a time while it watches signals. */
#ifndef NNRUN_PROC_CREW_H
#define NNRUN_PROC_CREW_H

#include "proc/zygote.h"

#include <stddef.h>

typedef struct Crew Crew;

typedef enum CrewKind {
  CREW_TIMEOUT, /* nothing happened in time */
  CREW_MESSAGE, /* bytes: one frame from the worker in `slot` */
  CREW_OUTPUT,  /* bytes: standard output or error of the worker in `slot` */
  CREW_EXIT,    /* the worker in `slot` is gone: pid, code as waitpid() gives it, max_rss_kb */
  CREW_REFUSED, /* no worker could be started for `slot`: code is errno */
  CREW_SIGNAL,  /* code: SIGINT or SIGTERM, once per arrival */
  CREW_LOST     /* the zygote is gone, and with it all workers */
} CrewKind;

typedef struct CrewEvent {
  CrewKind kind;
  int slot;
  int code;
  pid_t pid;
  long max_rss_kb;
  const char *bytes; /* valid until the next crew_next() */
  size_t length;
} CrewEvent;

enum { CREW_MAX_WORKERS = 512 };

/* On failure the zygote is stopped. */
Status crew_new(Crew **out, Zygote zygote, Err *err);
/* Start a worker for an empty slot, 1 <= slot <= CREW_MAX_WORKERS. */
Status crew_spawn(Crew *crew, int slot, Err *err);
/* NN_PROCESS when that worker can no longer hear; its CREW_EXIT follows. */
Status crew_send(Crew *crew, int slot, const void *bytes, size_t length, Err *err);
/* End of messages for this slot: a worker waiting for its next message ends. */
void crew_dismiss(Crew *crew, int slot);
/* Send a signal to the worker in `slot`, if there is one. */
void crew_kill(Crew *crew, int slot, int number);
/* Wait at most `timeout_ms` (negative: as long as it takes). */
Status crew_next(Crew *crew, int timeout_ms, CrewEvent *event, Err *err);
/* Ends every worker and the zygote, and gives SIGINT and SIGTERM their former handlers back. */
void crew_free(Crew *crew);

#endif
