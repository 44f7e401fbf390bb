/* How a task gets from the caller to the helpers.
 *
 * A run has up to POOL_MAX_THREADS slots, slot s standing for the parts s, s + slots, ... The
 * caller writes the task, opens the slots, and raises `generation`, which idle helpers watch. A
 * thread claims a slot by swapping OPEN for CLOSED, takes the slots that are its own by number
 * first (so the same rows tend to stay in the same core's cache), then those nobody has claimed
 * yet. The task is written before any slot opens and not again before all are done, so whoever
 * holds a claim may read it, however late it woke. The caller claims what the helpers leave: a run
 * ends even if no helper ever gets the processor. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SLOT_CLOSED, SLOT_OPEN };

/* Spin this long for a task (or for the last part), then sleep. Waking a sleeper costs about 5 to
 * 50 us; the gaps between the parallel kernels of one training step are shorter. */
enum { SPIN_NANOSECONDS = 200 * 1000, SPINS_PER_LOOK = 32, CACHE_LINE = 64 };

typedef struct Slot {
  atomic_int state;
  char pad[CACHE_LINE - sizeof(atomic_int)]; /* threads claim without sharing lines */
} Slot;

typedef struct Helper {
  Pool *pool;
  int number; /* 1 .. threads - 1; the caller is 0 */
  pthread_t thread;
} Helper;

struct Pool {
  int threads, started; /* helpers that run; threads - 1 unless the system refused some */
  pid_t process;        /* in which they run; 0 before the first start */
  bool spin;            /* whether there are processors enough to spin */
  PoolTask task;
  void *context;
  int parts;
  atomic_int slots;
  atomic_bool stop;
  pthread_mutex_t lock; /* held only to sleep and to wake */
  pthread_cond_t work, done;
  Helper helpers[POOL_MAX_THREADS];
  _Alignas(CACHE_LINE) atomic_uint generation;
  atomic_int sleepers;
  _Alignas(CACHE_LINE) atomic_int unfinished; /* slots of this run */
  atomic_bool caller_sleeps;
  _Alignas(CACHE_LINE) Slot slot[POOL_MAX_THREADS];
};

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t now_nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Spin while `waiting` says so; false when the time is up. */
static bool spin_while(const Pool *pool, bool (*waiting)(const Pool *, unsigned), unsigned value) {
  if (!waiting(pool, value)) return true;
  if (!pool->spin) return false;
  int64_t end = now_nanoseconds() + SPIN_NANOSECONDS;
  do {
    for (int i = 0; i < SPINS_PER_LOOK; i++) {
      if (!waiting(pool, value)) return true;
      relax();
    }
  } while (now_nanoseconds() < end);
  return false;
}

static bool no_new_work(const Pool *pool, unsigned seen) {
  return atomic_load(&pool->generation) == seen && !atomic_load(&pool->stop);
}

static bool parts_unfinished(const Pool *pool, unsigned unused) {
  (void)unused;
  return atomic_load(&pool->unfinished) > 0;
}

static void run_slot(Pool *pool, int slot) {
  Slot *claim = &pool->slot[slot];
  if (atomic_load_explicit(&claim->state, memory_order_relaxed) != SLOT_OPEN) return;
  if (atomic_exchange(&claim->state, SLOT_CLOSED) != SLOT_OPEN) return;
  int slots = pool->parts < POOL_MAX_THREADS ? pool->parts : POOL_MAX_THREADS;
  for (int part = slot; part < pool->parts; part += slots)
    pool->task(pool->context, part, pool->parts);
  if (atomic_fetch_sub(&pool->unfinished, 1) == 1 && atomic_load(&pool->caller_sleeps)) {
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->done);
    pthread_mutex_unlock(&pool->lock);
  }
}

/* Own slots first, then what is left. For a helper `slots` may be of a run that is over: harmless,
 * only an open slot can be claimed. */
static void run_slots(Pool *pool, int number) {
  int slots = atomic_load(&pool->slots);
  for (int slot = number; slot < slots; slot += pool->threads) run_slot(pool, slot);
  for (int slot = 0; slot < slots; slot++) run_slot(pool, slot);
}

static void *helper_main(void *argument) {
  const Helper *helper = argument;
  Pool *pool = helper->pool;
  unsigned seen = 0;
  for (;;) {
    if (!spin_while(pool, no_new_work, seen)) {
      pthread_mutex_lock(&pool->lock);
      atomic_fetch_add(&pool->sleepers, 1);
      while (no_new_work(pool, seen)) pthread_cond_wait(&pool->work, &pool->lock);
      atomic_fetch_sub(&pool->sleepers, 1);
      pthread_mutex_unlock(&pool->lock);
    }
    if (atomic_load(&pool->stop)) return NULL;
    seen = atomic_load(&pool->generation);
    run_slots(pool, helper->number);
  }
}

/* Everything the helpers share, as new: in a child process it is as the fork caught it. */
static void pool_reset(Pool *pool) {
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->work, NULL);
  pthread_cond_init(&pool->done, NULL);
  atomic_store(&pool->generation, 0);
  atomic_store(&pool->sleepers, 0);
  atomic_store(&pool->unfinished, 0);
  atomic_store(&pool->caller_sleeps, false);
  atomic_store(&pool->stop, false);
  for (int i = 0; i < POOL_MAX_THREADS; i++) atomic_store(&pool->slot[i].state, SLOT_CLOSED);
  pool->started = 0;
  pool->process = getpid();
}

/* Helpers take no signals, those are for the program's own thread; only faults stay theirs. */
static void block_signals(sigset_t *before) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  sigset_t blocked;
  sigfillset(&blocked);
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) sigdelset(&blocked, faults[i]);
  pthread_sigmask(SIG_SETMASK, &blocked, before);
}

static void pool_start(Pool *pool) {
  cpu_set_t usable;
  sigset_t before;
  pool_reset(pool);
  pool->spin =
      sched_getaffinity(0, sizeof usable, &usable) == 0 && CPU_COUNT(&usable) >= pool->threads;
  block_signals(&before);
  for (int i = 1; i < pool->threads; i++) {
    Helper *helper = &pool->helpers[i];
    *helper = (Helper){.pool = pool, .number = i};
    if (pthread_create(&helper->thread, NULL, helper_main, helper) != 0) break;
    pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

Status pool_new(Pool **out, int threads, Err *err) {
  *out = NULL;
  if (threads < 1 || threads > POOL_MAX_THREADS)
    return err_set(err, NN_BAD_ARGUMENT, "threads must be 1 to %d, not %d", POOL_MAX_THREADS,
                   threads);
  Pool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
  if (!pool) return err_set(err, NN_NO_MEMORY, "out of memory for a pool of %d threads", threads);
  *pool = (Pool){.threads = threads};
  *out = pool;
  return NN_OK;
}

static void open_run(Pool *pool, PoolTask task, void *context, int parts) {
  int slots = parts < POOL_MAX_THREADS ? parts : POOL_MAX_THREADS;
  pool->task = task, pool->context = context, pool->parts = parts;
  atomic_store(&pool->unfinished, slots);
  atomic_store(&pool->slots, slots);
  for (int slot = 0; slot < slots; slot++) atomic_store(&pool->slot[slot].state, SLOT_OPEN);
  atomic_fetch_add(&pool->generation, 1);
  /* A helper counts itself asleep before it looks at the generation a last time, so one of the two
   * sees the other. */
  int wake = atomic_load(&pool->sleepers);
  if (wake == 0) return;
  if (wake > slots - 1) wake = slots - 1;
  pthread_mutex_lock(&pool->lock);
  for (int i = 0; i < wake; i++) pthread_cond_signal(&pool->work);
  pthread_mutex_unlock(&pool->lock);
}

void pool_run(Pool *pool, PoolTask task, void *context, int parts) {
  if (!pool || pool->threads == 1 || parts <= 1) {
    for (int part = 0; part < parts; part++) task(context, part, parts);
    return;
  }
  if (pool->process != getpid()) pool_start(pool);
  open_run(pool, task, context, parts);
  run_slots(pool, 0);
  if (spin_while(pool, parts_unfinished, 0)) return;
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->caller_sleeps, true);
  while (parts_unfinished(pool, 0)) pthread_cond_wait(&pool->done, &pool->lock);
  atomic_store(&pool->caller_sleeps, false);
  pthread_mutex_unlock(&pool->lock);
}

int pool_threads(const Pool *pool) { return pool ? pool->threads : 1; }

void pool_free(Pool *pool) {
  if (!pool) return;
  if (pool->process == getpid()) {
    atomic_store(&pool->stop, true);
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i <= pool->started; i++) pthread_join(pool->helpers[i].thread, NULL);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
  }
  free(pool);
}
