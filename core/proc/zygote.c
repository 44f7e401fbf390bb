/* The zygote: see zygote.h. */
#include "proc/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKER_FDS = 2 };

/* Handlers, not SIG_IGN: an ignored signal would stay ignored in programs a worker starts. */
static void on_signal(int number) { (void)number; }

static void install(int number, int flags) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

/* Die with the parent. The parent may have died before the request: then end at once. */
static void die_with(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
}

static void zygote_tell(int control, const ZygoteReport *report) {
  ssize_t sent;
  do {
    sent = send(control, report, sizeof *report, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) _exit(0); /* the coordinator is gone */
}

static void zygote_reap(int control) {
  int status;
  struct rusage usage;
  for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
    ZygoteReport report = {
        .kind = ZYGOTE_EXITED, .pid = pid, .code = status, .max_rss_kb = usage.ru_maxrss};
    zygote_tell(control, &report);
  }
}

/* In the new worker: keep the channel, send both outputs to the coordinator. */
static void become_worker(pid_t parent, int control, const int fds[WORKER_FDS],
                          const sigset_t *mask) {
  die_with(parent);
  close(control);
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_SETMASK, mask, NULL);
  int empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (empty >= 0) dup2(empty, STDIN_FILENO);
  dup2(fds[1], STDOUT_FILENO);
  dup2(fds[1], STDERR_FILENO);
  if (empty > STDERR_FILENO) close(empty);
  if (fds[1] > STDERR_FILENO) close(fds[1]);
}

/* One request: slot and two descriptors. Returns false when the coordinator is gone. */
static bool read_request(int control, int *slot, int fds[WORKER_FDS]) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * WORKER_FDS)];
  } extra;
  struct iovec part = {slot, sizeof *slot};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = extra.bytes,
                           .msg_controllen = sizeof extra.bytes};
  ssize_t got;
  do {
    got = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof *slot) return false;
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  if (!rights || rights->cmsg_len != CMSG_LEN(sizeof(int) * WORKER_FDS)) return false;
  memcpy(fds, CMSG_DATA(rights), sizeof(int) * WORKER_FDS);
  return true;
}

/* Serve requests for ever. Returns only in a worker, with its channel. */
static int zygote_serve(int control) {
  sigset_t waiting, mask;
  sigemptyset(&waiting);
  sigaddset(&waiting, SIGCHLD);
  sigaddset(&waiting, SIGUSR1); /* workers unblock it when they are ready for it */
  sigprocmask(SIG_BLOCK, &waiting, &mask);
  sigaddset(&mask, SIGUSR1);
  sigdelset(&mask, SIGCHLD); /* SIGCHLD comes only inside ppoll: none is missed */
  install(SIGCHLD, SA_NOCLDSTOP);
  const pid_t self = getpid();
  for (;;) {
    zygote_reap(control);
    struct pollfd readable = {.fd = control, .events = POLLIN};
    int ready = ppoll(&readable, 1, NULL, &mask);
    if (ready <= 0) continue;
    int slot, fds[WORKER_FDS];
    if (!read_request(control, &slot, fds)) _exit(0);
    pid_t pid = fork();
    if (pid == 0) {
      become_worker(self, control, fds, &mask);
      return fds[0];
    }
    ZygoteReport report = {.kind = ZYGOTE_SPAWNED, .slot = slot, .pid = pid};
    if (pid < 0) report = (ZygoteReport){.kind = ZYGOTE_REFUSED, .slot = slot, .code = errno};
    close(fds[0]);
    close(fds[1]);
    zygote_tell(control, &report);
  }
}

Status zygote_start(Zygote *out, ProcRole *role, int *channel, Err *err) {
  *out = (Zygote){.control = -1};
  *role = PROC_COORDINATOR;
  *channel = -1;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return err_set(err, NN_PROCESS, "cannot make a socket for workers: %s", strerror(errno));
  fflush(NULL); /* or every worker would print what is still buffered */
  const pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) {
    close(pair[0]);
    close(pair[1]);
    return err_set(err, NN_PROCESS, "cannot start a process: %s", strerror(errno));
  }
  if (pid == 0) {
    die_with(parent);
    close(pair[0]);
    install(SIGINT, SA_RESTART);
    install(SIGTERM, SA_RESTART);
    *role = PROC_WORKER;
    *channel = zygote_serve(pair[1]);
    return NN_OK;
  }
  close(pair[1]);
  *out = (Zygote){.pid = pid, .control = pair[0]};
  return NN_OK;
}

Status zygote_spawn(const Zygote *zygote, int slot, int channel, int output, Err *err) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * WORKER_FDS)];
  } extra = {0};
  struct iovec part = {&slot, sizeof slot};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = extra.bytes,
                           .msg_controllen = sizeof extra.bytes};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int) * WORKER_FDS);
  int fds[WORKER_FDS] = {channel, output};
  memcpy(CMSG_DATA(rights), fds, sizeof fds);
  for (;;) {
    if (sendmsg(zygote->control, &message, MSG_NOSIGNAL) >= 0) return NN_OK;
    if (errno == EAGAIN) {
      struct pollfd writable = {.fd = zygote->control, .events = POLLOUT};
      poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return err_set(err, NN_PROCESS, "cannot ask for a worker: %s", strerror(errno));
    }
  }
}

Status zygote_receive(const Zygote *zygote, ZygoteReport *report, bool *found, bool *gone,
                      Err *err) {
  *found = *gone = false;
  ssize_t got;
  do {
    got = recv(zygote->control, report, sizeof *report, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got == (ssize_t)sizeof *report) {
    *found = true;
    return NN_OK;
  }
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return NN_OK;
  *gone = true;
  if (got == 0 || errno == ECONNRESET) return NN_OK;
  return err_set(err, NN_PROCESS, "cannot hear from the worker process: %s", strerror(errno));
}

void zygote_stop(Zygote *zygote) {
  if (zygote->control < 0) return;
  close(zygote->control);
  zygote->control = -1;
  while (waitpid(zygote->pid, NULL, 0) < 0 && errno == EINTR) {
  }
}
