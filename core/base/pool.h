/* Thread pool: one task split into parts, run by the caller and its helper threads.
 *
 * pool_run(pool, fn, context, parts) calls fn(context, part, parts) once for every part and returns
 * when all are done; part p always has the same meaning, so which thread runs it does not matter to
 * the result. A pool of n threads starts n-1 helpers on first use; they spin briefly for the next
 * task and then sleep. After fork() a child has no helpers: the pool notices (by process id) and
 * starts its own on next use, never waiting for threads that did not survive the fork.
 * pool_run is not reentrant: a task must not call pool_run on the pool that runs it. */
#ifndef NNRUN_BASE_POOL_H
#define NNRUN_BASE_POOL_H

#include "base/status.h"

typedef struct Pool Pool;
typedef void (*PoolTask)(void *context, int part, int parts);

enum { POOL_MAX_THREADS = 64 };

/* 1 <= threads <= POOL_MAX_THREADS. No thread is started yet. */
Status pool_new(Pool **out, int threads, Err *err);
/* NULL is a pool of one thread: pool_run(NULL, ...) runs all parts in the caller. */
void pool_run(Pool *pool, PoolTask task, void *context, int parts);
int pool_threads(const Pool *pool);
void pool_free(Pool *pool);

#endif
