/* Reading lines from a person: through readline or libedit when one is installed, else plainly.
 *
 * The libraries are opened when the first prompt is shown, so a script that never prompts does not
 * pay for them, and the program runs where neither exists. */
#ifndef NNRUN_LINEEDIT_H
#define NNRUN_LINEEDIT_H

#include <stdbool.h>
#include <stddef.h>

/* Fills `list` (a growing array of malloc'd strings, see lineedit_add) with what may complete the
 * word at [begin, end) of the line. Returns false to let file names complete it instead. */
typedef struct LineMatches LineMatches;
typedef bool (*LineCompleter)(void *context, const char *line, size_t begin, size_t end,
                              LineMatches *matches);

/* Start: `editing` asks for a line editor (standard input is a terminal). */
void lineedit_open(bool editing, LineCompleter complete, void *context);
/* Add a candidate; copies the text. */
void lineedit_add(LineMatches *matches, const char *text);

typedef enum LineStatus { LINE_READ, LINE_END, LINE_INTERRUPTED } LineStatus;
/* Prompt and read; on LINE_READ *line is malloc'd and has no newline. Ctrl-C abandons the line. */
LineStatus lineedit_read(const char *prompt, char **line, size_t *length);
/* Remember a line; empty ones and repetitions of the last are not kept. */
void lineedit_remember(const char *line);

#endif
