/* Line editing over dlopen'ed readline or libedit (both offer these names), see lineedit.h.
 *
 * Both keep state of the process, so this file does too. Ctrl-C leaves the reading call by a jump,
 * as psql does: the library has restored the terminal when the handler runs. */
#include "lineedit.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HISTORY_LINES = 2000, PATH_SIZE = 1024 };

struct LineMatches {
  char **list; /* list[0] is the common beginning, as the library wants it; NULL-terminated */
  size_t count, capacity;
};

typedef char **(*CompletionFunction)(const char *text, int start, int end);

static struct {
  void *library;
  char *(*readline)(const char *prompt);
  void (*add_history)(const char *line);
  int (*read_history)(const char *file);
  int (*write_history)(const char *file);
  void (*stifle_history)(int lines);
  char **line_buffer;
  int *attempted_over, *append_character;
  LineCompleter complete;
  void *context;
  char history[PATH_SIZE];
  char *last;
} editor;

static sigjmp_buf interrupt_jump;
static volatile sig_atomic_t reading;

void lineedit_add(LineMatches *matches, const char *text) {
  if (matches->count + 3 > matches->capacity) {
    size_t capacity = matches->capacity * 2 + 16;
    char **list = realloc(matches->list, capacity * sizeof *list);
    if (list == NULL) return;
    matches->list = list;
    matches->capacity = capacity;
  }
  char *copy = strdup(text);
  if (copy == NULL) return;
  matches->list[++matches->count] = copy;
  matches->list[matches->count + 1] = NULL;
}

/* Put the longest common beginning first; NULL and everything freed when there is no match. */
static char **finish_matches(LineMatches *matches) {
  if (matches->count == 0) {
    free(matches->list);
    return NULL;
  }
  size_t common = strlen(matches->list[1]);
  for (size_t i = 2; i <= matches->count; i++) {
    size_t k = 0;
    while (k < common && matches->list[i][k] == matches->list[1][k]) k++;
    common = k;
  }
  matches->list[0] = strndup(matches->list[1], common);
  if (matches->count == 1) { /* the single match stands at 0 alone */
    free(matches->list[1]);
    matches->list[1] = NULL;
  }
  return matches->list;
}

static char **complete_word(const char *text, int start, int end) {
  (void)text;
  LineMatches matches = {0};
  reading = 0; /* Ctrl-C must not jump out of Lua */
  bool ours =
      editor.complete(editor.context, *editor.line_buffer, (size_t)start, (size_t)end, &matches);
  reading = 1;
  *editor.attempted_over = ours;
  *editor.append_character = '\0';
  return finish_matches(&matches);
}

/* $XDG_STATE_HOME/nnrun_history, else ~/.nnrun_history; empty when there is no home. */
static void find_history(char *path, size_t size) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  struct stat info;
  path[0] = '\0';
  if (state != NULL && state[0] == '/' && stat(state, &info) == 0)
    snprintf(path, size, "%s/nnrun_history", state);
  else if (home != NULL && home[0] == '/')
    snprintf(path, size, "%s/.nnrun_history", home);
}

static void save_history(void) {
  mode_t before = umask(077); /* what a person types is theirs */
  editor.write_history(editor.history);
  umask(before);
}

static bool open_library(const char *file) {
  void *library = dlopen(file, RTLD_LAZY | RTLD_LOCAL);
  if (library == NULL) return false;
  CompletionFunction *attempted = dlsym(library, "rl_attempted_completion_function");
  const char **program = dlsym(library, "rl_readline_name");
  const char **breaks = dlsym(library, "rl_completer_word_break_characters");
  const char **quotes = dlsym(library, "rl_completer_quote_characters");
  *(void **)&editor.readline = dlsym(library, "readline");
  *(void **)&editor.add_history = dlsym(library, "add_history");
  *(void **)&editor.read_history = dlsym(library, "read_history");
  *(void **)&editor.write_history = dlsym(library, "write_history");
  *(void **)&editor.stifle_history = dlsym(library, "stifle_history");
  editor.line_buffer = dlsym(library, "rl_line_buffer");
  editor.attempted_over = dlsym(library, "rl_attempted_completion_over");
  editor.append_character = dlsym(library, "rl_completion_append_character");
  if (attempted == NULL || program == NULL || breaks == NULL || editor.readline == NULL ||
      editor.add_history == NULL || editor.read_history == NULL || editor.write_history == NULL ||
      editor.stifle_history == NULL || editor.line_buffer == NULL ||
      editor.attempted_over == NULL || editor.append_character == NULL) {
    dlclose(library);
    return false;
  }
  *attempted = complete_word;
  *program = "nnrun";
  /* Without "/": it would cut the first one off a quoted path. */
  *breaks = " \t\n\"'<>=~;+-*%^#{}()[],|&!";
  if (quotes != NULL) *quotes = "\"'"; /* file names are completed whole */
  editor.library = library;
  return true;
}

void lineedit_open(bool editing, LineCompleter complete, void *context) {
  editor.complete = complete;
  editor.context = context;
  if (!editing || editor.library != NULL) return;
  if (!open_library("libreadline.so.8") && !open_library("libedit.so.2")) return;
  find_history(editor.history, sizeof editor.history);
  if (editor.history[0] == '\0') return;
  editor.read_history(editor.history);
  editor.stifle_history(HISTORY_LINES);
  atexit(save_history); /* also after os.exit() */
}

void lineedit_remember(const char *line) {
  if (editor.library == NULL || line[strspn(line, " \t")] == '\0') return;
  if (editor.last != NULL && strcmp(editor.last, line) == 0) return;
  free(editor.last);
  editor.last = strdup(line);
  editor.add_history(line);
}

static void on_interrupt(int number) {
  (void)number;
  if (reading) siglongjmp(interrupt_jump, 1);
}

static LineStatus read_plain(const char *prompt, char **line, size_t *length) {
  size_t capacity = 0;
  *line = NULL;
  fputs(prompt, stdout);
  fflush(stdout);
  ssize_t count = getline(line, &capacity, stdin);
  if (count < 0) {
    free(*line);
    *line = NULL;
    return LINE_END;
  }
  if (count > 0 && (*line)[count - 1] == '\n') (*line)[--count] = '\0';
  *length = (size_t)count;
  return LINE_READ;
}

LineStatus lineedit_read(const char *prompt, char **line, size_t *length) {
  if (editor.library == NULL) return read_plain(prompt, line, length);
  struct sigaction ours = {.sa_handler = on_interrupt}, before;
  sigemptyset(&ours.sa_mask);
  sigaction(SIGINT, &ours, &before);
  LineStatus status = LINE_INTERRUPTED;
  if (sigsetjmp(interrupt_jump, 1) == 0) {
    reading = 1;
    *line = editor.readline(prompt);
    status = *line == NULL ? LINE_END : LINE_READ;
  }
  reading = 0;
  sigaction(SIGINT, &before, NULL);
  if (status == LINE_READ) *length = strlen(*line);
  return status;
}
