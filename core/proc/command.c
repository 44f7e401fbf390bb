/* One loop over poll(): feed the input, drain both outputs, watch the clock.
 *
 * Standard input is a socket and not a pipe so that send(MSG_NOSIGNAL) can write to it: a program
 * that dies early must not bring SIGPIPE upon us, and the signal's disposition belongs to the
 * caller. Every descriptor is close-on-exec, so workers forked elsewhere hold none of them. */
#include "proc/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

typedef struct Running {
  pid_t pid;
  int in, out, err; /* our ends; -1 once closed */
  const char *input;
  size_t left;
  double deadline;
} Running;

static double clock_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* Room for `more` bytes and a NUL. */
static bool text_reserve(CommandText *text, size_t more) {
  size_t need = text->length + more + 1;
  if (need <= text->capacity) return true;
  size_t capacity = text->capacity ? text->capacity : 4096;
  while (capacity < need) capacity *= 2;
  char *bytes = realloc(text->bytes, capacity);
  if (!bytes) return false;
  text->bytes = bytes;
  text->capacity = capacity;
  return true;
}

/* Read what is there; closes *fd at the end of the stream. */
static Status drain(int *fd, CommandText *text, size_t limit, bool drop, Err *err) {
  char chunk[16384];
  ssize_t got = read(*fd, chunk, sizeof chunk);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return NN_OK;
  if (got <= 0) {
    close_fd(fd);
    return NN_OK;
  }
  size_t length = (size_t)got;
  if (text->length + length > limit) {
    if (!drop) return err_set(err, NN_TOO_LARGE, "more than %zu bytes of output", limit);
    length = limit - text->length;
  }
  if (!text_reserve(text, length)) return err_set(err, NN_NO_MEMORY, "no memory for its output");
  memcpy(text->bytes + text->length, chunk, length);
  text->length += length;
  text->bytes[text->length] = 0;
  return NN_OK;
}

static void feed(Running *run) {
  ssize_t sent = run->left ? send(run->in, run->input, run->left, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
  if (sent < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (sent > 0) {
    run->input += sent;
    run->left -= (size_t)sent;
  }
  if (sent < 0 || run->left == 0) close_fd(&run->in);
}

/* Milliseconds until the deadline, rounded up; 0 when it has passed. */
static int milliseconds_left(const Running *run) {
  double left = run->deadline - clock_seconds();
  if (left <= 0) return 0;
  return left > 1e6 ? 1000000000 : (int)(left * 1000) + 1;
}

static Status exchange(Running *run, CommandResult *result, Err *err) {
  while (run->out >= 0 || run->err >= 0) {
    struct pollfd fds[3] = {
        {.fd = run->in, .events = POLLOUT}, /* poll() skips negative descriptors */
        {.fd = run->out, .events = POLLIN},
        {.fd = run->err, .events = POLLIN},
    };
    int left = milliseconds_left(run);
    if (left == 0) return NN_TIMEOUT;
    int ready = poll(fds, 3, left);
    if (ready < 0 && errno != EINTR) return err_set(err, NN_PROCESS, "poll: %s", strerror(errno));
    if (ready <= 0) continue;
    if (fds[0].revents) feed(run);
    if (fds[1].revents) TRY(drain(&run->out, &result->output, COMMAND_OUTPUT_LIMIT, false, err));
    if (fds[2].revents) TRY(drain(&run->err, &result->errors, COMMAND_ERRORS_LIMIT, true, err));
  }
  return NN_OK;
}

/* The streams are closed; the program itself may still be busy. */
static Status wait_end(Running *run, CommandResult *result) {
  int status = 0;
  for (;;) {
    pid_t done = waitpid(run->pid, &status, WNOHANG);
    if (done == run->pid) break;
    if (done < 0 && errno != EINTR) return NN_OK; /* someone else reaped it: its output stands */
    if (milliseconds_left(run) == 0) return NN_TIMEOUT;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  run->pid = 0;
  result->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return NN_OK;
}

/* Descriptors: ours in run->in/out/err, the program's in theirs[0..2]. */
static Status open_streams(Running *run, int theirs[3], Err *err) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) goto failed;
  run->in = pair[0];
  theirs[0] = pair[1];
  if (pipe2(pair, O_CLOEXEC) != 0) goto failed;
  run->out = pair[0];
  theirs[1] = pair[1];
  if (pipe2(pair, O_CLOEXEC) != 0) goto failed;
  run->err = pair[0];
  theirs[2] = pair[1];
  return NN_OK;
failed:
  return err_set(err, NN_PROCESS, "cannot open a pipe: %s", strerror(errno));
}

/* Own process group, so that a time-out reaches the program's children; default signals, because
 * ignored ones would be inherited. Returns an errno. */
static int spawn(Running *run, const int theirs[3], const char *const argv[]) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int code = posix_spawn_file_actions_init(&files);
  if (code) return code;
  code = posix_spawnattr_init(&attributes);
  if (code) {
    posix_spawn_file_actions_destroy(&files);
    return code;
  }
  for (int i = 0; i < 3 && !code; i++)
    code = posix_spawn_file_actions_adddup2(&files, theirs[i], i);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  if (!code) /* posix_spawnp does not write through argv: the cast is the interface's */
    code = posix_spawnp(&run->pid, argv[0], &files, &attributes, (char *const *)argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return code;
}

Status command_run(CommandResult *result, const char *const argv[], const char *input,
                   size_t input_length, double seconds, Err *err) {
  *result = (CommandResult){0};
  Running run = {.in = -1, .out = -1, .err = -1, .input = input, .left = input_length};
  int theirs[3] = {-1, -1, -1};
  Status status = open_streams(&run, theirs, err);
  if (status == NN_OK && (!text_reserve(&result->output, 0) || !text_reserve(&result->errors, 0)))
    status = err_set(err, NN_NO_MEMORY, "no memory to run '%s'", argv[0]);
  if (status == NN_OK) {
    result->output.bytes[0] = result->errors.bytes[0] = 0;
    int code = spawn(&run, theirs, argv);
    if (code) {
      run.pid = 0;
      status = err_set(err, code == ENOENT ? NN_NOT_FOUND : NN_PROCESS, "cannot run '%s': %s",
                       argv[0], strerror(code));
    }
  }
  for (int i = 0; i < 3; i++) close_fd(&theirs[i]);
  if (status == NN_OK) {
    run.deadline = clock_seconds() + seconds;
    status = exchange(&run, result, err);
    if (status == NN_OK) status = wait_end(&run, result);
    if (status == NN_TIMEOUT)
      err_set(err, status, "'%s' did not end within %g s and was stopped", argv[0], seconds);
    else if (status != NN_OK)
      err_prefix(err, "'%s'", argv[0]);
  }
  if (run.pid > 0 && status != NN_OK) {
    kill(-run.pid, SIGKILL);
    while (waitpid(run.pid, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  close_fd(&run.in);
  close_fd(&run.out);
  close_fd(&run.err);
  return status;
}

void command_free(CommandResult *result) {
  free(result->output.bytes);
  free(result->errors.bytes);
  *result = (CommandResult){0};
}
