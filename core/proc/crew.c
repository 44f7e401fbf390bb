/* Crew: see crew.h. libuv callbacks only note events in a queue; crew_next() hands them out, so no
 * caller's code ever runs inside a callback. */
#include "proc/crew.h"

#include "proc/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum { OUTPUT_PIECE = 16 << 10 };

/* Note an event: an item of the queue owns its bytes. */
typedef struct Noted {
  CrewEvent event;
  struct Noted *next;
  char bytes[];
} Noted;

/* A descriptor the loop watches. The handle is the first member and closes in its own time. */
typedef struct Watch {
  uv_poll_t handle;
  int fd;
} Watch;

typedef struct Slot {
  Crew *crew;
  int number;
  bool used;
  pid_t pid;               /* 0 until the zygote has reported it */
  int signal;              /* to be sent then; 0 */
  Watch *channel, *output; /* NULL when closed */
  FrameBuffer frames;
} Slot;

struct Crew {
  uv_loop_t loop;
  uv_timer_t timer;
  uv_signal_t on_int, on_term;
  struct sigaction old_int, old_term;
  Zygote zygote;
  Watch *control;
  Slot *slots[CREW_MAX_WORKERS + 1];
  Noted *first, *last, *handed; /* queue, and the event handed out last */
  bool timed_out;
  Err failure; /* what went wrong inside a callback */
};

/* ---- queue ---- */

static void note(Crew *crew, CrewEvent event) {
  Noted *item = malloc(sizeof *item + event.length);
  if (!item) {
    err_set(&crew->failure, NN_NO_MEMORY, "no memory for a message of %zu bytes", event.length);
    return;
  }
  if (event.length) memcpy(item->bytes, event.bytes, event.length);
  event.bytes = item->bytes;
  item->event = event;
  item->next = NULL;
  if (crew->last)
    crew->last->next = item;
  else
    crew->first = item;
  crew->last = item;
}

static bool take(Crew *crew, CrewEvent *event) {
  free(crew->handed);
  Noted *item = crew->handed = crew->first;
  if (!item) return false;
  crew->first = item->next;
  if (!crew->first) crew->last = NULL;
  *event = item->event;
  return true;
}

/* ---- watched descriptors ---- */

static void on_watch_closed(uv_handle_t *handle) {
  Watch *watch = (Watch *)handle;
  close(watch->fd);
  free(watch);
}

static void watch_close(Watch **watch) {
  if (!*watch) return;
  uv_close((uv_handle_t *)&(*watch)->handle, on_watch_closed);
  *watch = NULL;
}

/* Watch `fd` for input; on failure it is left open. */
static Status watch_new(Watch **out, Crew *crew, int fd, void *data, uv_poll_cb callback,
                        Err *err) {
  *out = NULL;
  Watch *watch = calloc(1, sizeof *watch);
  if (!watch) return err_set(err, NN_NO_MEMORY, "no memory for a worker");
  watch->fd = fd;
  int failed = uv_poll_init(&crew->loop, &watch->handle, fd);
  if (failed) {
    free(watch);
    return err_set(err, NN_PROCESS, "cannot watch a worker: %s", uv_strerror(failed));
  }
  watch->handle.data = data;
  uv_poll_start(&watch->handle, UV_READABLE | UV_DISCONNECT, callback);
  *out = watch;
  return NN_OK;
}

/* ---- what workers send ---- */

/* Note all output that is there now. */
static void drain_output(Slot *slot) {
  char piece[OUTPUT_PIECE];
  while (slot->output) {
    ssize_t got = read(slot->output->fd, piece, sizeof piece);
    if (got > 0) {
      note(slot->crew, (CrewEvent){.kind = CREW_OUTPUT,
                                   .slot = slot->number,
                                   .pid = slot->pid,
                                   .bytes = piece,
                                   .length = (size_t)got});
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      if (got == 0) watch_close(&slot->output);
      return;
    }
  }
}

/* A worker that sends what is no message is out of its mind: end it. */
static void give_up(Slot *slot) {
  watch_close(&slot->channel);
  if (slot->pid > 0) kill(slot->pid, SIGKILL);
}

/* Note all messages that are there now. Output first: what was printed before a message was sent
 * is already in the pipe. */
static void drain_channel(Slot *slot) {
  Crew *crew = slot->crew;
  while (slot->channel) {
    FrameFill found;
    if (frame_fill(&slot->frames, slot->channel->fd, &found, NULL) != NN_OK) return give_up(slot);
    if (found == FRAME_AGAIN) return;
    drain_output(slot);
    for (;;) {
      CrewEvent event = {.kind = CREW_MESSAGE, .slot = slot->number, .pid = slot->pid};
      const void *payload;
      if (frame_next(&slot->frames, &payload, &event.length, NULL) != NN_OK) return give_up(slot);
      if (!payload) break;
      event.bytes = payload;
      note(crew, event);
    }
    if (found == FRAME_EOF) watch_close(&slot->channel);
  }
}

static void on_output(uv_poll_t *handle, int status, int events) {
  (void)status, (void)events;
  drain_output(handle->data);
}

static void on_channel(uv_poll_t *handle, int status, int events) {
  (void)status, (void)events;
  drain_channel(handle->data);
}

/* ---- what the zygote says ---- */

static void slot_clear(Slot *slot) {
  watch_close(&slot->channel);
  watch_close(&slot->output);
  frame_free(&slot->frames);
  slot->used = false;
  slot->pid = 0;
}

static Slot *slot_of_pid(Crew *crew, pid_t pid) {
  for (int i = 1; i <= CREW_MAX_WORKERS; i++)
    if (crew->slots[i] && crew->slots[i]->used && crew->slots[i]->pid == pid) return crew->slots[i];
  return NULL;
}

static void on_report(Crew *crew, const ZygoteReport *report) {
  if (report->kind == ZYGOTE_SPAWNED) {
    Slot *begun = crew->slots[report->slot];
    begun->pid = report->pid;
    if (begun->signal) kill(begun->pid, begun->signal);
    begun->signal = 0;
    return;
  }
  Slot *slot =
      report->kind == ZYGOTE_REFUSED ? crew->slots[report->slot] : slot_of_pid(crew, report->pid);
  if (!slot) return;
  drain_channel(slot);
  drain_output(slot);
  note(crew, (CrewEvent){.kind = report->kind == ZYGOTE_REFUSED ? CREW_REFUSED : CREW_EXIT,
                         .slot = slot->number,
                         .code = report->code,
                         .pid = report->pid,
                         .max_rss_kb = report->max_rss_kb});
  slot_clear(slot);
}

static void on_control(uv_poll_t *handle, int status, int events) {
  (void)status, (void)events;
  Crew *crew = handle->data;
  for (;;) {
    ZygoteReport report;
    bool found, gone;
    zygote_receive(&crew->zygote, &report, &found, &gone, NULL);
    if (gone) {
      uv_poll_stop(&crew->control->handle);
      note(crew, (CrewEvent){.kind = CREW_LOST});
      return;
    }
    if (!found) return;
    on_report(crew, &report);
  }
}

static void on_signal(uv_signal_t *handle, int number) {
  note(handle->data, (CrewEvent){.kind = CREW_SIGNAL, .code = number});
}

static void on_timer(uv_timer_t *handle) { ((Crew *)handle->data)->timed_out = true; }

/* ---- the interface ---- */

static Status crew_watch(Crew *crew, Err *err) {
  int failed = uv_loop_init(&crew->loop);
  if (failed)
    return err_set(err, NN_PROCESS, "cannot start an event loop: %s", uv_strerror(failed));
  sigaction(SIGINT, NULL, &crew->old_int); /* libuv would leave the default behind */
  sigaction(SIGTERM, NULL, &crew->old_term);
  uv_timer_init(&crew->loop, &crew->timer);
  uv_signal_init(&crew->loop, &crew->on_int);
  uv_signal_init(&crew->loop, &crew->on_term);
  crew->timer.data = crew->on_int.data = crew->on_term.data = crew;
  uv_signal_start(&crew->on_int, on_signal, SIGINT);
  uv_signal_start(&crew->on_term, on_signal, SIGTERM);
  return watch_new(&crew->control, crew, crew->zygote.control, crew, on_control, err);
}

static void loop_close(Crew *crew) {
  uv_close((uv_handle_t *)&crew->timer, NULL);
  uv_close((uv_handle_t *)&crew->on_int, NULL);
  uv_close((uv_handle_t *)&crew->on_term, NULL);
  uv_run(&crew->loop, UV_RUN_DEFAULT);
  uv_loop_close(&crew->loop);
  sigaction(SIGINT, &crew->old_int, NULL);
  sigaction(SIGTERM, &crew->old_term, NULL);
}

Status crew_new(Crew **out, Zygote zygote, Err *err) {
  *out = NULL;
  Crew *crew = calloc(1, sizeof *crew);
  if (!crew) {
    zygote_stop(&zygote);
    return err_set(err, NN_NO_MEMORY, "no memory for the workers");
  }
  crew->zygote = zygote;
  Status status = crew_watch(crew, err);
  if (status != NN_OK) {
    if (crew->timer.data) loop_close(crew);
    zygote_stop(&crew->zygote);
    free(crew);
    return status;
  }
  *out = crew;
  return NN_OK;
}

/* Both ends of a worker's channel and output; [0] stays here, [1] goes to the worker. */
static Status make_pipes(int channel[2], int output[2], Err *err) {
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
    return err_set(err, NN_PROCESS, "cannot make a socket for a worker: %s", strerror(errno));
  if (pipe2(output, O_CLOEXEC) == 0) return NN_OK;
  int code = errno;
  close(channel[0]);
  close(channel[1]);
  return err_set(err, NN_PROCESS, "cannot make a pipe for a worker: %s", strerror(code));
}

Status crew_spawn(Crew *crew, int number, Err *err) {
  if (number < 1 || number > CREW_MAX_WORKERS)
    return err_set(err, NN_BAD_ARGUMENT, "worker %d; there can be 1 to %d", number,
                   CREW_MAX_WORKERS);
  Slot *slot = crew->slots[number];
  if (!slot) slot = crew->slots[number] = calloc(1, sizeof *slot);
  if (!slot) return err_set(err, NN_NO_MEMORY, "no memory for a worker");
  if (slot->used) return err_set(err, NN_BAD_ARGUMENT, "worker %d is already there", number);
  *slot = (Slot){.crew = crew, .number = number};
  int channel[2], output[2];
  TRY(make_pipes(channel, output, err));
  Status status = watch_new(&slot->channel, crew, channel[0], slot, on_channel, err);
  if (status != NN_OK) close(channel[0]), close(output[0]);
  if (status == NN_OK) {
    status = watch_new(&slot->output, crew, output[0], slot, on_output, err);
    if (status != NN_OK) close(output[0]);
  }
  if (status == NN_OK) status = zygote_spawn(&crew->zygote, number, channel[1], output[1], err);
  close(channel[1]);
  close(output[1]);
  if (status != NN_OK)
    slot_clear(slot);
  else
    slot->used = true;
  return status;
}

static Slot *slot_at(Crew *crew, int number) {
  if (number < 1 || number > CREW_MAX_WORKERS) return NULL;
  Slot *slot = crew->slots[number];
  return slot && slot->used ? slot : NULL;
}

Status crew_send(Crew *crew, int number, const void *bytes, size_t length, Err *err) {
  Slot *slot = slot_at(crew, number);
  if (!slot || !slot->channel) return err_set(err, NN_PROCESS, "worker %d is gone", number);
  return frame_write(slot->channel->fd, bytes, length, err);
}

void crew_dismiss(Crew *crew, int number) {
  Slot *slot = slot_at(crew, number);
  if (slot && slot->channel) shutdown(slot->channel->fd, SHUT_WR);
}

void crew_kill(Crew *crew, int number, int signal_number) {
  Slot *slot = slot_at(crew, number);
  if (!slot) return;
  if (slot->pid > 0)
    kill(slot->pid, signal_number);
  else
    slot->signal = signal_number;
}

Status crew_next(Crew *crew, int timeout_ms, CrewEvent *event, Err *err) {
  *event = (CrewEvent){.kind = CREW_TIMEOUT};
  crew->timed_out = false;
  if (take(crew, event)) return NN_OK;
  if (timeout_ms > 0) {
    uv_update_time(&crew->loop);
    uv_timer_start(&crew->timer, on_timer, (uint64_t)timeout_ms, 0);
  }
  do {
    uv_run(&crew->loop, timeout_ms == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
  } while (!crew->first && !crew->timed_out && timeout_ms != 0 && crew->failure.status == NN_OK);
  uv_timer_stop(&crew->timer);
  if (crew->failure.status != NN_OK)
    return err_set(err, crew->failure.status, "%s", crew->failure.message);
  take(crew, event);
  return NN_OK;
}

void crew_free(Crew *crew) {
  if (!crew) return;
  for (int i = 1; i <= CREW_MAX_WORKERS; i++)
    if (crew->slots[i]) slot_clear(crew->slots[i]);
  uv_close((uv_handle_t *)&crew->control->handle, NULL);
  Watch *control = crew->control;
  loop_close(crew);
  free(control); /* its descriptor is the zygote's to close */
  zygote_stop(&crew->zygote);
  for (int i = 1; i <= CREW_MAX_WORKERS; i++) free(crew->slots[i]);
  while (crew->first) {
    Noted *item = crew->first;
    crew->first = item->next;
    free(item);
  }
  free(crew->handed);
  free(crew);
}
