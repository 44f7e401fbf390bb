/* core.proc: worker processes for search. See core/proc/crew.h for what the pieces mean.
 *
 * proc.start() forks the zygote and returns "coordinator", crew here and "worker", channel in every
 * worker. Only this file keeps state of its own: a crash handler in a worker needs to find the Lua
 * state and the channel to say which script line was running. */
#include "binding.h"
#include "codec.h"
#include "nnrun.h"
#include "proc/crew.h"
#include "proc/frame.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define CREW_TYPE "nnrun.crew"
#define CHANNEL_TYPE "nnrun.channel"

enum { CRASH_MARK = 0x01 }; /* first byte of a crash report; no encoded value begins with it */
enum { CRASH_STACK = 64 << 10 };

/* ---- the worker's channel ---- */

typedef struct Channel {
  int fd;
  FrameBuffer frames;
} Channel;

static lua_State *crash_state; /* of this worker; NULL in any other process */
static int crash_channel = -1;

/* Best effort: the state may be damaged, but looking at its frames allocates nothing. */
static void on_crash(int number) {
  signal(number, SIG_DFL);
  char report[LUA_IDSIZE + 64] = {CRASH_MARK};
  int used = 1;
  lua_Debug frame;
  for (int level = 0; lua_getstack(crash_state, level, &frame); level++) {
    if (!lua_getinfo(crash_state, "Sl", &frame) || frame.currentline <= 0) continue;
    if (strncmp(frame.short_src, BINDING_CHUNK_PREFIX, sizeof BINDING_CHUNK_PREFIX - 1) == 0)
      continue;
    used += snprintf(report + used, sizeof report - 1, "%s:%d", frame.short_src, frame.currentline);
    break;
  }
  frame_write(crash_channel, report, (size_t)used, NULL);
  raise(number);
}

static volatile sig_atomic_t pause_asked;

static void on_pause(int number) {
  (void)number;
  pause_asked = 1;
}

/* A stack of its own, so that a C stack overflow is reported too. */
static void catch_crashes(lua_State *L, int fd) {
  static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  crash_state = lua_tothread(L, -1);
  lua_pop(L, 1);
  crash_channel = fd;
  stack_t stack = {.ss_sp = malloc(CRASH_STACK), .ss_size = CRASH_STACK};
  if (stack.ss_sp) sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    sigaction(numbers[i], &action, NULL);
  struct sigaction pause = {.sa_handler = on_pause, .sa_flags = SA_RESTART};
  sigemptyset(&pause.sa_mask);
  sigaction(SIGUSR1, &pause, NULL);
  sigset_t ready; /* one that came since the fork is delivered now */
  sigemptyset(&ready);
  sigaddset(&ready, SIGUSR1);
  sigprocmask(SIG_UNBLOCK, &ready, NULL);
}

/* channel:receive() -> value, or nothing when the coordinator wants no more. */
static int channel_receive(lua_State *L) {
  Channel *channel = luaL_checkudata(L, 1, CHANNEL_TYPE);
  const void *payload;
  size_t length;
  Err err;
  if (frame_read(&channel->frames, channel->fd, &payload, &length, &err) != NN_OK)
    return binding_fail(L, &err);
  if (!payload) return 0;
  codec_decode(L, payload, length);
  return 1;
}

/* channel:send(value); without a coordinator the worker ends. */
static int channel_send(lua_State *L) {
  Channel *channel = luaL_checkudata(L, 1, CHANNEL_TYPE);
  luaL_checkany(L, 2);
  codec_encode(L, 2);
  size_t length;
  const char *bytes = lua_tolstring(L, -1, &length);
  fflush(stdout);
  Err err;
  Status status = frame_write(channel->fd, bytes, length, &err);
  if (status == NN_PROCESS) _exit(1);
  if (status != NN_OK) return binding_raise(L, &err);
  return 0;
}

/* channel:exit(code): end this worker, leaving the script's state as it is. */
static int channel_exit(lua_State *L) {
  luaL_checkudata(L, 1, CHANNEL_TYPE);
  fflush(stdout);
  _exit((int)luaL_optinteger(L, 2, 0));
}

/* ---- the coordinator's crew ---- */

static Crew *check_crew(lua_State *L) {
  Crew *crew = *(Crew **)luaL_checkudata(L, 1, CREW_TYPE);
  if (!crew) binding_raisef(L, "the workers have been ended");
  return crew;
}

/* proc.start() -> "coordinator", crew | "worker", channel | nil, message */
static int proc_start(lua_State *L) {
  Crew **crew = lua_newuserdatauv(L, sizeof *crew, 0);
  *crew = NULL;
  luaL_setmetatable(L, CREW_TYPE);
  Channel *channel = lua_newuserdatauv(L, sizeof *channel, 0);
  *channel = (Channel){.fd = -1};
  luaL_setmetatable(L, CHANNEL_TYPE);
  Zygote zygote;
  ProcRole role;
  Err err;
  if (zygote_start(&zygote, &role, &channel->fd, &err) != NN_OK) return binding_fail(L, &err);
  if (role == PROC_WORKER) {
    catch_crashes(L, channel->fd);
    lua_pushliteral(L, "worker");
    lua_pushvalue(L, -2);
    return 2;
  }
  if (crew_new(crew, zygote, &err) != NN_OK) return binding_fail(L, &err);
  lua_pushliteral(L, "coordinator");
  lua_pushvalue(L, -3);
  return 2;
}

/* crew:spawn(slot) -> true | nil, message */
static int crew_spawn_lua(lua_State *L) {
  Err err;
  if (crew_spawn(check_crew(L), (int)luaL_checkinteger(L, 2), &err) != NN_OK)
    return binding_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* crew:send(slot, value) -> true | nil, message */
static int crew_send_lua(lua_State *L) {
  Crew *crew = check_crew(L);
  int slot = (int)luaL_checkinteger(L, 2);
  luaL_checkany(L, 3);
  codec_encode(L, 3);
  size_t length;
  const char *bytes = lua_tolstring(L, -1, &length);
  Err err;
  if (crew_send(crew, slot, bytes, length, &err) != NN_OK) return binding_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

static int crew_dismiss_lua(lua_State *L) {
  crew_dismiss(check_crew(L), (int)luaL_checkinteger(L, 2));
  return 0;
}

/* The signals scripts speak of by name. */
static const struct {
  const char *name;
  int number;
} SIGNALS[] = {
    {"SIGABRT", SIGABRT}, {"SIGALRM", SIGALRM}, {"SIGBUS", SIGBUS},   {"SIGFPE", SIGFPE},
    {"SIGHUP", SIGHUP},   {"SIGILL", SIGILL},   {"SIGINT", SIGINT},   {"SIGKILL", SIGKILL},
    {"SIGPIPE", SIGPIPE}, {"SIGQUIT", SIGQUIT}, {"SIGSEGV", SIGSEGV}, {"SIGSYS", SIGSYS},
    {"SIGTERM", SIGTERM}, {"SIGTRAP", SIGTRAP}, {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2},
    {"SIGXCPU", SIGXCPU}, {"SIGXFSZ", SIGXFSZ},
};
enum { SIGNAL_COUNT = sizeof SIGNALS / sizeof *SIGNALS };

static void push_signal(lua_State *L, int number) {
  for (int i = 0; i < SIGNAL_COUNT; i++) {
    if (SIGNALS[i].number != number) continue;
    lua_pushstring(L, SIGNALS[i].name);
    return;
  }
  lua_pushfstring(L, "signal %d", number);
}

/* crew:kill(slot, "SIGKILL") */
static int crew_kill_lua(lua_State *L) {
  Crew *crew = check_crew(L);
  int slot = (int)luaL_checkinteger(L, 2);
  const char *name = luaL_checkstring(L, 3);
  for (int i = 0; i < SIGNAL_COUNT; i++)
    if (strcmp(SIGNALS[i].name, name) == 0) {
      crew_kill(crew, slot, SIGNALS[i].number);
      return 0;
    }
  return binding_raisef(L, "unknown signal \"%s\"", name);
}

/* {pid=, rss_kb=, code= | signal=} */
static void push_exit(lua_State *L, const CrewEvent *event) {
  lua_createtable(L, 0, 4);
  binding_set_integer(L, "pid", event->pid);
  binding_set_integer(L, "rss_kb", event->max_rss_kb);
  if (WIFSIGNALED(event->code)) {
    push_signal(L, WTERMSIG(event->code));
    lua_setfield(L, -2, "signal");
  } else {
    binding_set_integer(L, "code", WEXITSTATUS(event->code));
  }
}

static int proc_decode(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  codec_decode(L, bytes, length);
  return 1;
}

static int push_message(lua_State *L, const CrewEvent *event) {
  bool crash = event->length > 0 && event->bytes[0] == CRASH_MARK;
  lua_pushstring(L, crash ? "crash" : "message");
  lua_pushinteger(L, event->slot);
  if (crash) {
    lua_pushlstring(L, event->bytes + 1, event->length - 1);
    return 3;
  }
  /* A damaged worker may send anything: that is its end, not ours. */
  lua_pushcfunction(L, proc_decode);
  lua_pushlstring(L, event->bytes, event->length);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) lua_pop(L, 1), lua_pushnil(L);
  return 3;
}

/* crew:next(seconds) -> "timeout" | "message", slot, value (nil: not a message) | "output", slot,
 * text | "crash", slot, "file:line" | "exit", slot, {pid=, rss_kb=, code= | signal=} | "refused",
 * slot, reason | "signal", nil, name | "lost" | nil, message */
static int crew_next_lua(lua_State *L) {
  Crew *crew = check_crew(L);
  double seconds = luaL_optnumber(L, 2, -1);
  int timeout = seconds < 0 ? -1 : seconds > 1e6 ? 1000000000 : (int)(seconds * 1000 + 0.999);
  CrewEvent event;
  Err err;
  if (crew_next(crew, timeout, &event, &err) != NN_OK) return binding_fail(L, &err);
  switch (event.kind) {
  case CREW_MESSAGE: return push_message(L, &event);
  case CREW_OUTPUT:
    lua_pushliteral(L, "output");
    lua_pushinteger(L, event.slot);
    lua_pushlstring(L, event.bytes, event.length);
    return 3;
  case CREW_EXIT:
    lua_pushliteral(L, "exit");
    lua_pushinteger(L, event.slot);
    push_exit(L, &event);
    return 3;
  case CREW_REFUSED:
    lua_pushliteral(L, "refused");
    lua_pushinteger(L, event.slot);
    lua_pushstring(L, strerror(event.code));
    return 3;
  case CREW_SIGNAL:
    lua_pushliteral(L, "signal");
    lua_pushnil(L);
    push_signal(L, event.code);
    return 3;
  case CREW_LOST: lua_pushliteral(L, "lost"); return 1;
  default: lua_pushliteral(L, "timeout"); return 1;
  }
}

static int crew_close_lua(lua_State *L) {
  Crew **crew = luaL_checkudata(L, 1, CREW_TYPE);
  crew_free(*crew);
  *crew = NULL;
  return 0;
}

/* ---- the machine ---- */

static double clock_seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* proc.now() -> seconds of a clock that only goes forward */
static int proc_now(lua_State *L) {
  lua_pushnumber(L, clock_seconds(CLOCK_MONOTONIC));
  return 1;
}

/* proc.wall() -> seconds since 1970, with fraction */
static int proc_wall(lua_State *L) {
  lua_pushnumber(L, clock_seconds(CLOCK_REALTIME));
  return 1;
}

/* proc.cores() -> processors this process may use */
static int proc_cores(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)uv_available_parallelism());
  return 1;
}

static int proc_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

static int proc_hostname(lua_State *L) {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  lua_pushstring(L, name);
  return 1;
}

/* proc.columns(fd) -> width and height when `fd` is a terminal, else nothing */
static int proc_columns(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  struct winsize size;
  if (!isatty(fd)) return 0;
  bool known = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  lua_pushinteger(L, known ? size.ws_col : 80);
  lua_pushinteger(L, known ? size.ws_row : 24);
  return 2;
}

/* proc.list(folder) -> sorted names in it | nil, message */
static int proc_list(lua_State *L) {
  const char *folder = luaL_checkstring(L, 1);
  uv_fs_t request; /* without a callback libuv answers at once and starts no thread */
  int found = uv_fs_scandir(NULL, &request, folder, 0, NULL);
  if (found < 0) {
    uv_fs_req_cleanup(&request);
    lua_pushnil(L);
    lua_pushfstring(L, "cannot list folder '%s': %s", folder, uv_strerror(found));
    return 2;
  }
  lua_createtable(L, found, 0);
  uv_dirent_t entry;
  for (lua_Integer i = 1; uv_fs_scandir_next(&request, &entry) != UV_EOF; i++) {
    lua_pushstring(L, entry.name);
    lua_rawseti(L, -2, i);
  }
  uv_fs_req_cleanup(&request);
  return 1;
}

static int proc_encode(lua_State *L) {
  luaL_checkany(L, 1);
  codec_encode(L, 1);
  return 1;
}

/* folder() -> the current folder; nil and a message when it is gone */
static int proc_folder(lua_State *L) {
  char path[4096];
  if (getcwd(path, sizeof path) == NULL) {
    lua_pushnil(L);
    lua_pushfstring(L, "the current folder cannot be found: %s", strerror(errno));
    return 2;
  }
  lua_pushstring(L, path);
  return 1;
}

/* enter(path) -> true: make it the current folder; nil and a message when it cannot be */
static int proc_enter(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  if (chdir(path) != 0) {
    lua_pushnil(L);
    lua_pushfstring(L, "cannot enter folder '%s': %s", path, strerror(errno));
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* What the process has of memory of its own: VmData of /proc/self/status, in bytes; 0 if unknown.
 */
static uint64_t data_bytes(void) {
  FILE *file = fopen("/proc/self/status", "r");
  if (!file) return 0;
  char line[256];
  unsigned long long kilobytes = 0;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "VmData: %llu", &kilobytes) == 1) break;
  fclose(file);
  return (uint64_t)kilobytes * 1024;
}

/* pause_asked() -> whether this worker has been asked to pause its trial */
static int proc_pause_asked(lua_State *L) {
  lua_pushboolean(L, pause_asked != 0);
  return 1;
}

/* alive(pid) -> whether there is such a process */
static int proc_alive(lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  lua_pushboolean(L, pid > 0 && (kill(pid, 0) == 0 || errno == EPERM));
  return 1;
}

/* sleep(seconds) */
static int proc_sleep(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0 && seconds < 1e6, 1, "a number of seconds expected");
  struct timespec time = {.tv_sec = (time_t)seconds};
  time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
  nanosleep(&time, NULL);
  return 0;
}

/* resident() -> kilobytes of memory this process has at most had; 0 if unknown */
static int proc_resident(lua_State *L) {
  struct rusage usage;
  lua_pushinteger(L, getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0);
  return 1;
}

/* limit_memory(bytes) -> true: let this process have so much more than it has now; requests beyond
 * fail as "not enough memory". nil and a message when the system refuses. */
static int proc_limit_memory(lua_State *L) {
  lua_Integer bytes = luaL_checkinteger(L, 1);
  luaL_argcheck(L, bytes > 0, 1, "a number of bytes expected");
  struct rlimit limit;
  if (getrlimit(RLIMIT_DATA, &limit) == 0) {
    rlim_t wanted = (rlim_t)(data_bytes() + (uint64_t)bytes);
    if (limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max) limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_DATA, &limit) == 0) {
      lua_pushboolean(L, 1);
      return 1;
    }
  }
  lua_pushnil(L);
  lua_pushfstring(L, "memory cannot be limited: %s", strerror(errno));
  return 2;
}

int luaopen_core_proc(lua_State *L);
int luaopen_core_proc(lua_State *L) {
  static const luaL_Reg crew_methods[] = {
      {"spawn", crew_spawn_lua}, {"send", crew_send_lua},     {"dismiss", crew_dismiss_lua},
      {"kill", crew_kill_lua},   {"next", crew_next_lua},     {"close", crew_close_lua},
      {"__gc", crew_close_lua},  {"__close", crew_close_lua}, {NULL, NULL}};
  static const luaL_Reg channel_methods[] = {
      {"receive", channel_receive}, {"send", channel_send}, {"exit", channel_exit}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"start", proc_start},
                                       {"now", proc_now},
                                       {"wall", proc_wall},
                                       {"cores", proc_cores},
                                       {"pid", proc_pid},
                                       {"hostname", proc_hostname},
                                       {"columns", proc_columns},
                                       {"list", proc_list},
                                       {"encode", proc_encode},
                                       {"decode", proc_decode},
                                       {"folder", proc_folder},
                                       {"enter", proc_enter},
                                       {"limit_memory", proc_limit_memory},
                                       {"resident", proc_resident},
                                       {"alive", proc_alive},
                                       {"sleep", proc_sleep},
                                       {"pause_asked", proc_pause_asked},
                                       {NULL, NULL}};
  binding_new_type(L, CREW_TYPE, crew_methods);
  binding_new_type(L, CHANNEL_TYPE, channel_methods);
  luaL_newlib(L, functions);
  binding_set_text(L, "version", NNRUN_VERSION);
  return 1;
}
