/* Thread pool: every part runs once, results do not depend on threads, and forks do no harm. */
#include "test.h"

#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PARTS = 200 };

typedef struct Counts {
  atomic_int runs[MOST_PARTS];
  atomic_int wrong_parts;
  int parts;
} Counts;

static void count_part(void *context, int part, int parts) {
  Counts *counts = context;
  if (parts != counts->parts || part < 0 || part >= parts) {
    atomic_fetch_add(&counts->wrong_parts, 1);
    return;
  }
  atomic_fetch_add(&counts->runs[part], 1);
}

/* 0 when every part ran exactly once. */
static int failures_of_a_run(Pool *pool, int parts) {
  Counts counts;
  memset(&counts, 0, sizeof counts);
  counts.parts = parts;
  pool_run(pool, count_part, &counts, parts);
  int failures = counts.wrong_parts;
  for (int part = 0; part < MOST_PARTS; part++) failures += counts.runs[part] != (part < parts);
  return failures;
}

static Pool *new_pool(int threads) {
  Pool *pool;
  Err err;
  assert_int_equal(pool_new(&pool, threads, &err), NN_OK);
  assert_int_equal(pool_threads(pool), threads);
  return pool;
}

static void every_part_runs_exactly_once(void **state) {
  static const int threads[] = {1, 2, 3, 4, 8}, parts[] = {0, 1, 2, 3, 4, 7, 8, 63, 64, 65, 200};
  (void)state;
  for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
    Pool *pool = new_pool(threads[t]);
    for (int repeat = 0; repeat < 20; repeat++) {
      for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
        assert_int_equal(failures_of_a_run(pool, parts[p]), 0);
    }
    pool_free(pool);
  }
}

static void no_pool_runs_all_parts_in_the_caller_in_order(void **state) {
  (void)state;
  assert_int_equal(pool_threads(NULL), 1);
  assert_int_equal(failures_of_a_run(NULL, 5), 0);
  pool_free(NULL);
}

static void a_bad_number_of_threads_is_refused(void **state) {
  static const int bad[] = {0, -1, POOL_MAX_THREADS + 1};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    Pool *pool = NULL;
    Err err;
    assert_int_equal(pool_new(&pool, bad[i], &err), NN_BAD_ARGUMENT);
    assert_null(pool);
    assert_non_null(strstr(err.message, "1 to 64"));
  }
}

typedef struct Meeting {
  atomic_int arrived;
  atomic_int met;
} Meeting;

/* Parts wait (a second at most) until both have begun: they can only meet on two threads. */
static void meet(void *context, int part, int parts) {
  Meeting *meeting = context;
  (void)part;
  atomic_fetch_add(&meeting->arrived, 1);
  for (int i = 0; i < 1000 && atomic_load(&meeting->arrived) < parts; i++) {
    struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, NULL);
  }
  if (atomic_load(&meeting->arrived) == parts) atomic_fetch_add(&meeting->met, 1);
}

static void parts_run_at_the_same_time(void **state) {
  (void)state;
  Pool *pool = new_pool(3);
  for (int repeat = 0; repeat < 3; repeat++) {
    Meeting meeting = {0};
    pool_run(pool, meet, &meeting, 3);
    assert_int_equal(meeting.met, 3);
  }
  pool_free(pool);
}

static void sleeping_helpers_wake_for_the_next_run(void **state) {
  (void)state;
  Pool *pool = new_pool(4);
  for (int pause = 0; pause < 12; pause++) {
    struct timespec wait = {0, pause * 20000L}; /* 0 to 220 us: around the end of spinning */
    nanosleep(&wait, NULL);
    assert_int_equal(failures_of_a_run(pool, 4), 0);
  }
  pool_free(pool);
}

typedef struct Chain {
  long values[8];
  int step;
} Chain;

static void add_neighbour(void *context, int part, int parts) {
  Chain *chain = context;
  int from = (chain->step & 1) * 4, to = 4 - from;
  chain->values[to + part] = chain->values[from + (part + 1) % parts] + part;
}

static void a_result_of_one_run_is_seen_by_the_next(void **state) {
  (void)state;
  Pool *pool = new_pool(4);
  Chain parallel = {{1, 2, 3, 4}, 0}, alone = parallel;
  for (int step = 0; step < 5000; step++) {
    parallel.step = alone.step = step;
    pool_run(pool, add_neighbour, &parallel, 4);
    pool_run(NULL, add_neighbour, &alone, 4);
  }
  assert_memory_equal(parallel.values, alone.values, sizeof alone.values);
  pool_free(pool);
}

/* The child's exit status; a child that hangs is ended by its alarm. */
static int status_of_child(Pool *pool, int runs) {
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    int failures = 0;
    for (int i = 0; i < runs; i++) failures += failures_of_a_run(pool, 8);
    pool_free(pool);
    _exit(failures ? 1 : 0);
  }
  assert_true(child > 0);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  return status;
}

static void a_child_can_use_an_inherited_pool(void **state) {
  (void)state;
  Pool *pool = new_pool(4);
  assert_int_equal(status_of_child(pool, 50), 0); /* before any helper was started */
  for (int repeat = 0; repeat < 10; repeat++) {
    assert_int_equal(failures_of_a_run(pool, 8), 0);
    assert_int_equal(status_of_child(pool, 50), 0);
    assert_int_equal(status_of_child(pool, 0), 0); /* frees without having run */
  }
  assert_int_equal(failures_of_a_run(pool, 8), 0);
  pool_free(pool);
}

static atomic_int signals_taken;
static void on_signal(int number) {
  (void)number;
  atomic_fetch_add(&signals_taken, 1);
}

static void signals_go_to_the_programs_own_thread(void **state) {
  struct sigaction action = {.sa_handler = on_signal}, before;
  sigset_t usr1;
  (void)state;
  assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
  Pool *pool = new_pool(4);
  assert_int_equal(failures_of_a_run(pool, 4), 0);
  /* While the program's thread does not want it, no helper takes it in its place. */
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, NULL);
  kill(getpid(), SIGUSR1);
  assert_int_equal(failures_of_a_run(pool, 4), 0);
  assert_int_equal(signals_taken, 0);
  pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
  assert_int_equal(signals_taken, 1);
  pool_free(pool);
  sigaction(SIGUSR1, &before, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_part_runs_exactly_once),
      cmocka_unit_test(no_pool_runs_all_parts_in_the_caller_in_order),
      cmocka_unit_test(a_bad_number_of_threads_is_refused),
      cmocka_unit_test(parts_run_at_the_same_time),
      cmocka_unit_test(sleeping_helpers_wake_for_the_next_run),
      cmocka_unit_test(a_result_of_one_run_is_seen_by_the_next),
      cmocka_unit_test(a_child_can_use_an_inherited_pool),
      cmocka_unit_test(signals_go_to_the_programs_own_thread),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
