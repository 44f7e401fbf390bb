/* Worker processes: frames arrive whole, workers come from clean memory, answer, die and are
 * replaced, and nothing outlives the coordinator. */
#include "test.h"

#include "proc/crew.h"
#include "proc/frame.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LONG_WAIT = 20000 }; /* milliseconds; reached only when something is broken */

static int generation; /* changed in the coordinator after the fork: workers must not see it */

/* A worker: obeys one-letter commands, echoes everything else. */
static _Noreturn void work(int fd) {
  FrameBuffer frames = {0};
  const void *payload;
  size_t length;
  for (;;) {
    if (frame_read(&frames, fd, &payload, &length, NULL) != NN_OK || !payload) _exit(0);
    char command = length == 1 ? *(const char *)payload : 'e';
    if (command == 'x') _exit(7);
    if (command == 'k') raise(SIGKILL);
    if (command == 'g') (void)!write(fd, "\xff\xff\xff\xff", 4); /* a frame of four gigabytes */
    if (command == 'o') {
      puts("words");
      fflush(stdout);
      fputs("more", stderr);
    }
    char answer[64];
    int used = snprintf(answer, sizeof answer, "pid %d generation %d", (int)getpid(), generation);
    if (command == 'p')
      frame_write(fd, answer, (size_t)used, NULL);
    else
      frame_write(fd, payload, length, NULL);
  }
}

static Crew *new_crew(void) {
  Zygote zygote;
  ProcRole role;
  int channel;
  Err err;
  generation = 1;
  assert_int_equal(zygote_start(&zygote, &role, &channel, &err), NN_OK);
  if (role == PROC_WORKER) work(channel);
  generation = 2;
  Crew *crew;
  assert_int_equal(crew_new(&crew, zygote, &err), NN_OK);
  return crew;
}

static void say(Crew *crew, int slot, const char *text) {
  assert_int_equal(crew_send(crew, slot, text, strlen(text), NULL), NN_OK);
}

static CrewEvent next(Crew *crew) {
  CrewEvent event;
  Err err;
  assert_int_equal(crew_next(crew, LONG_WAIT, &event, &err), NN_OK);
  return event;
}

static void expect_message(Crew *crew, int slot, const char *text) {
  CrewEvent event = next(crew);
  assert_int_equal(event.kind, CREW_MESSAGE);
  assert_int_equal(event.slot, slot);
  assert_int_equal(event.length, strlen(text));
  assert_memory_equal(event.bytes, text, event.length);
}

static void frames_survive_any_cut(void **state) {
  (void)state;
  int pair[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const char wire[] = "\x03\x00\x00\x00one\x00\x00\x00\x00\x05\x00\x00\x00three";
  FrameBuffer frames = {0};
  char seen[64] = "";
  for (size_t i = 0; i + 1 < sizeof wire; i++) { /* one byte at a time */
    FrameFill found;
    assert_int_equal(write(pair[0], wire + i, 1), 1);
    assert_int_equal(frame_fill(&frames, pair[1], &found, NULL), NN_OK);
    assert_int_equal(found, FRAME_DATA);
    const void *payload;
    size_t length;
    assert_int_equal(frame_next(&frames, &payload, &length, NULL), NN_OK);
    if (payload) snprintf(seen + strlen(seen), 16, "<%.*s>", (int)length, (const char *)payload);
  }
  assert_string_equal(seen, "<one><><three>");
  close(pair[0]);
  FrameFill found;
  assert_int_equal(frame_fill(&frames, pair[1], &found, NULL), NN_OK);
  assert_int_equal(found, FRAME_EOF);
  frame_free(&frames);
  close(pair[1]);
}

static void a_frame_too_long_is_refused_at_both_ends(void **state) {
  (void)state;
  int pair[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  Err err;
  assert_int_equal(frame_write(pair[0], "", (size_t)FRAME_MAX + 1, &err), NN_TOO_LARGE);
  assert_int_equal(write(pair[0], "\x01\x00\x00\x7f", 4), 4);
  FrameBuffer frames = {0};
  const void *payload;
  size_t length;
  assert_int_equal(frame_read(&frames, pair[1], &payload, &length, &err), NN_FORMAT);
  frame_free(&frames);
  close(pair[0]);
  close(pair[1]);
}

static void a_long_frame_crosses_a_full_socket(void **state) {
  (void)state;
  Crew *crew = new_crew();
  assert_int_equal(crew_spawn(crew, 1, NULL), NN_OK);
  size_t length = 3 << 20;
  char *text = malloc(length);
  memset(text, 'a', length);
  assert_int_equal(crew_send(crew, 1, text, length, NULL), NN_OK);
  CrewEvent event = next(crew);
  assert_int_equal(event.kind, CREW_MESSAGE);
  assert_int_equal(event.length, length);
  assert_memory_equal(event.bytes, text, length);
  free(text);
  crew_free(crew);
}

static void workers_begin_with_the_memory_of_the_fork(void **state) {
  (void)state;
  Crew *crew = new_crew();
  pid_t pids[2];
  for (int i = 0; i < 2; i++) {
    assert_int_equal(crew_spawn(crew, 1, NULL), NN_OK);
    say(crew, 1, "p");
    CrewEvent event = next(crew);
    assert_int_equal(event.kind, CREW_MESSAGE);
    int pid, seen;
    char text[64] = "";
    memcpy(text, event.bytes, event.length);
    assert_int_equal(sscanf(text, "pid %d generation %d", &pid, &seen), 2);
    assert_int_equal(seen, 1);
    pids[i] = pid;
    say(crew, 1, "x");
    event = next(crew);
    assert_int_equal(event.kind, CREW_EXIT);
    assert_int_equal(event.pid, pid);
    assert_true(WIFEXITED(event.code));
    assert_int_equal(WEXITSTATUS(event.code), 7);
  }
  assert_int_not_equal(pids[0], pids[1]);
  crew_free(crew);
}

static void all_a_worker_wrote_comes_before_its_end(void **state) {
  (void)state;
  Crew *crew = new_crew();
  assert_int_equal(crew_spawn(crew, 3, NULL), NN_OK);
  say(crew, 3, "o");
  say(crew, 3, "k");
  char output[64] = "";
  bool answered = false;
  for (;;) {
    CrewEvent event = next(crew);
    if (event.kind == CREW_OUTPUT) {
      assert_false(answered); /* output comes before the message that followed it */
      strncat(output, event.bytes, event.length);
    } else if (event.kind == CREW_MESSAGE) {
      answered = true;
    } else {
      assert_int_equal(event.kind, CREW_EXIT);
      assert_true(WIFSIGNALED(event.code));
      assert_int_equal(WTERMSIG(event.code), SIGKILL);
      assert_true(event.max_rss_kb > 0);
      break;
    }
  }
  assert_true(answered);
  assert_string_equal(output, "words\nmore");
  crew_free(crew);
}

static void a_crash_of_one_leaves_the_others_alone(void **state) {
  (void)state;
  Crew *crew = new_crew();
  assert_int_equal(crew_spawn(crew, 1, NULL), NN_OK);
  assert_int_equal(crew_spawn(crew, 2, NULL), NN_OK);
  say(crew, 1, "k");
  assert_int_equal(next(crew).kind, CREW_EXIT);
  say(crew, 2, "hello");
  expect_message(crew, 2, "hello");
  Err err;
  assert_int_equal(crew_send(crew, 1, "x", 1, &err), NN_PROCESS);
  assert_int_equal(crew_spawn(crew, 1, NULL), NN_OK);
  say(crew, 1, "again");
  expect_message(crew, 1, "again");
  crew_free(crew);
}

static void a_worker_that_sends_rubbish_is_ended(void **state) {
  (void)state;
  Crew *crew = new_crew();
  assert_int_equal(crew_spawn(crew, 1, NULL), NN_OK);
  say(crew, 1, "p"); /* so that its process id is known */
  assert_int_equal(next(crew).kind, CREW_MESSAGE);
  say(crew, 1, "g");
  CrewEvent event = next(crew);
  assert_int_equal(event.kind, CREW_EXIT);
  crew_free(crew);
}

static void a_dismissed_worker_ends_well(void **state) {
  (void)state;
  Crew *crew = new_crew();
  assert_int_equal(crew_spawn(crew, 1, NULL), NN_OK);
  crew_dismiss(crew, 1);
  CrewEvent event = next(crew);
  assert_int_equal(event.kind, CREW_EXIT);
  assert_true(WIFEXITED(event.code));
  assert_int_equal(WEXITSTATUS(event.code), 0);
  crew_free(crew);
}

static void waiting_ends_at_the_time_out(void **state) {
  (void)state;
  Crew *crew = new_crew();
  CrewEvent event;
  assert_int_equal(crew_next(crew, 0, &event, NULL), NN_OK);
  assert_int_equal(event.kind, CREW_TIMEOUT);
  assert_int_equal(crew_next(crew, 20, &event, NULL), NN_OK);
  assert_int_equal(event.kind, CREW_TIMEOUT);
  crew_free(crew);
}

static void signals_are_events_and_old_handlers_return(void **state) {
  (void)state;
  struct sigaction before, after;
  struct sigaction own = {.sa_handler = SIG_IGN};
  sigaction(SIGINT, &own, &before);
  Crew *crew = new_crew();
  assert_int_equal(crew_spawn(crew, 1, NULL), NN_OK);
  say(crew, 1, "hello");
  expect_message(crew, 1, "hello");
  kill(getpid(), SIGINT);
  CrewEvent event = next(crew);
  assert_int_equal(event.kind, CREW_SIGNAL);
  assert_int_equal(event.code, SIGINT);
  crew_kill(crew, 1, SIGINT); /* workers take no notice: Ctrl-C reaches them too */
  crew_kill(crew, 1, SIGTERM);
  say(crew, 1, "still here");
  expect_message(crew, 1, "still here");
  crew_free(crew);
  sigaction(SIGINT, NULL, &after);
  assert_ptr_equal(after.sa_handler, SIG_IGN);
  sigaction(SIGINT, &before, NULL);
}

static void bad_slots_are_refused(void **state) {
  (void)state;
  Crew *crew = new_crew();
  Err err;
  assert_int_equal(crew_spawn(crew, 0, &err), NN_BAD_ARGUMENT);
  assert_int_equal(crew_spawn(crew, CREW_MAX_WORKERS + 1, &err), NN_BAD_ARGUMENT);
  assert_int_equal(crew_spawn(crew, 1, &err), NN_OK);
  assert_int_equal(crew_spawn(crew, 1, &err), NN_BAD_ARGUMENT);
  assert_int_equal(crew_send(crew, 2, "x", 1, &err), NN_PROCESS);
  crew_free(crew);
}

/* Whether a process is gone within the wait; zombies of others count as gone. */
static bool is_gone(pid_t pid) {
  for (int i = 0; i < LONG_WAIT / 10; i++) {
    char path[64], status[512] = "";
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file) return true;
    size_t got = fread(status, 1, sizeof status - 1, file);
    status[got] = '\0';
    fclose(file);
    if (strstr(status, "State:\tZ") || strstr(status, "State:\tX")) return true;
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
  return false;
}

static void workers_die_with_their_coordinator(void **state) {
  (void)state;
  int report[2];
  assert_int_equal(pipe(report), 0);
  pid_t coordinator = fork();
  if (coordinator == 0) {
    Crew *crew = new_crew();
    crew_spawn(crew, 1, NULL);
    crew_send(crew, 1, "p", 1, NULL);
    CrewEvent event = next(crew);
    pid_t pid = event.pid;
    if (pid == 0) sscanf(event.bytes, "pid %d", &pid);
    (void)!write(report[1], &pid, sizeof pid);
    for (;;) pause();
  }
  pid_t worker = 0;
  assert_int_equal(read(report[0], &worker, sizeof worker), sizeof worker);
  assert_true(worker > 0);
  kill(coordinator, SIGKILL);
  waitpid(coordinator, NULL, 0);
  assert_true(is_gone(worker));
  close(report[0]);
  close(report[1]);
}

static void a_killed_zygote_is_noticed(void **state) {
  (void)state;
  Zygote zygote;
  ProcRole role;
  int channel;
  assert_int_equal(zygote_start(&zygote, &role, &channel, NULL), NN_OK);
  if (role == PROC_WORKER) work(channel);
  Crew *crew;
  assert_int_equal(crew_new(&crew, zygote, NULL), NN_OK);
  kill(zygote.pid, SIGKILL);
  assert_int_equal(next(crew).kind, CREW_LOST);
  crew_free(crew);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_survive_any_cut),
      cmocka_unit_test(a_frame_too_long_is_refused_at_both_ends),
      cmocka_unit_test(a_long_frame_crosses_a_full_socket),
      cmocka_unit_test(workers_begin_with_the_memory_of_the_fork),
      cmocka_unit_test(all_a_worker_wrote_comes_before_its_end),
      cmocka_unit_test(a_crash_of_one_leaves_the_others_alone),
      cmocka_unit_test(a_worker_that_sends_rubbish_is_ended),
      cmocka_unit_test(a_dismissed_worker_ends_well),
      cmocka_unit_test(waiting_ends_at_the_time_out),
      cmocka_unit_test(signals_are_events_and_old_handlers_return),
      cmocka_unit_test(bad_slots_are_refused),
      cmocka_unit_test(workers_die_with_their_coordinator),
      cmocka_unit_test(a_killed_zygote_is_noticed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
