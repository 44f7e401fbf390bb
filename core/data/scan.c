#include "data/scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_ROWS = 10 };

static Status encoding_error(const Scan *scan, const char *what) {
  return err_set(scan->err, NN_FORMAT, "%s: %s; a text file in UTF-8 or ASCII is expected",
                 scan->name, what);
}

/* Just after a line end at `at` ("\n", "\r\n" or "\r"). */
static void next_line(Scan *scan) {
  if (scan->at < scan->end && *scan->at == '\r') {
    scan->at++;
    if (scan->at < scan->end && *scan->at == '\n') scan->at++;
  } else if (scan->at < scan->end) {
    scan->at++;
  }
  scan->line++;
  scan->line_start = scan->at;
}

static bool line_end(char c) { return c == '\n' || c == '\r'; }

Status scan_begin(Scan *scan, const void *bytes, size_t size, int64_t skip, const char *name,
                  Err *err) {
  const char *text = size > 0 ? bytes : "";
  *scan = (Scan){.at = text,
                 .end = text + size,
                 .line_start = text,
                 .line = 1,
                 .separator = ',',
                 .name = name,
                 .err = err};
  if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
    return encoding_error(scan, "this is UTF-16");
  if (size > 0 && memchr(text, '\0', size)) return encoding_error(scan, "this has NUL bytes");
  if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) scan->line_start = scan->at += 3;
  for (; skip > 0 && scan->at < scan->end; skip--) {
    while (scan->at < scan->end && !line_end(*scan->at)) scan->at++;
    next_line(scan);
  }
  return NN_OK;
}

static bool blank(const Scan *scan, char c) {
  return c == ' ' || (c == '\t' && scan->separator != '\t');
}

static const char *skip_blanks(const Scan *scan, const char *at) {
  while (at < scan->end && blank(scan, *at)) at++;
  return at;
}

bool scan_row(Scan *scan) {
  while (scan->at < scan->end) {
    const char *at = skip_blanks(scan, scan->at);
    if (at < scan->end && !line_end(*at)) {
      if (scan->separator == ' ') scan->at = at;
      return true;
    }
    scan->at = at;
    if (at < scan->end) next_line(scan);
  }
  return false;
}

/* From a quote to the end of the quoted text. Doubled quotes are rare, so the text is used where it
 * lies unless there are some. */
static Status quoted_cell(Scan *scan, ScanCell *cell) {
  const char *begin = ++scan->at, *at = begin;
  size_t doubled = 0;
  for (;; at++) {
    at = memchr(at, '"', (size_t)(scan->end - at));
    if (!at)
      return err_set(scan->err, NN_FORMAT,
                     "%s:%" PRId64 ":%" PRId64 ": the quote that begins here is never closed",
                     scan->name, cell->line, cell->column);
    if (at + 1 >= scan->end || at[1] != '"') break;
    at++;
    doubled++;
  }
  cell->text = begin;
  cell->length = (size_t)(at - begin) - doubled;
  for (scan->at = begin; scan->at < at;)
    if (line_end(*scan->at))
      next_line(scan);
    else
      scan->at++;
  scan->at = at + 1;
  if (doubled == 0) return NN_OK;
  if (!scan->unquoted || cell->length > scan->unquoted_room) {
    char *room = realloc(scan->unquoted, cell->length);
    if (!room) return err_set(scan->err, NN_NO_MEMORY, "%s: no memory for a cell", scan->name);
    scan->unquoted = room;
    scan->unquoted_room = cell->length;
  }
  char *to = scan->unquoted;
  for (const char *from = begin; from < at; from++) {
    *to++ = *from; /* NOLINT(clang-analyzer-core.NullDereference): there is room for the length */
    if (*from == '"') from++;
  }
  cell->text = scan->unquoted;
  return NN_OK;
}

Status scan_cell(Scan *scan, ScanCell *cell) {
  scan->at = skip_blanks(scan, scan->at);
  *cell =
      (ScanCell){.text = scan->at, .line = scan->line, .column = scan->at - scan->line_start + 1};
  if (scan->at < scan->end && *scan->at == '"') {
    cell->quoted = true;
    TRY(quoted_cell(scan, cell));
    const char *after = skip_blanks(scan, scan->at);
    bool space_ends = scan->separator == ' ' && after > scan->at;
    scan->at = after;
    if (after < scan->end && *after != scan->separator && !line_end(*after) && !space_ends)
      return err_set(scan->err, NN_FORMAT,
                     "%s:%" PRId64 ":%td: expected a separator or the end of the line after the "
                     "closing quote (a quote inside quotes is written twice)",
                     scan->name, scan->line, after - scan->line_start + 1);
  } else {
    const char *at = scan->at;
    while (at < scan->end && *at != scan->separator && !line_end(*at)) at++;
    scan->at = at;
    while (at > cell->text && blank(scan, at[-1])) at--;
    cell->length = (size_t)(at - cell->text);
  }
  if (scan->separator == ' ') scan->at = skip_blanks(scan, scan->at);
  if (scan->at >= scan->end || line_end(*scan->at)) {
    cell->last = true;
    if (scan->at < scan->end) next_line(scan);
  } else if (scan->separator != ' ') {
    scan->at++;
  }
  return NN_OK;
}

/* Cells in the first `limit` rows, if the same in each, else 0. */
static int64_t even_columns(const Scan *start, char separator, int limit) {
  Scan scan = *start;
  scan.separator = separator;
  scan.err = NULL;
  scan.unquoted = NULL;
  scan.unquoted_room = 0;
  int64_t columns = -1;
  for (int row = 0; row < limit && columns != 0 && scan_row(&scan); row++) {
    int64_t cells = 0;
    ScanCell cell = {0};
    while (!cell.last && scan_cell(&scan, &cell) == NN_OK) cells++;
    if (!cell.last || (columns >= 0 && columns != cells))
      columns = 0;
    else
      columns = cells;
  }
  free(scan.unquoted);
  return columns < 0 ? 0 : columns;
}

/* The first separator that cuts all sampled rows alike; the comma comes last since it also stands
 * in numbers and text. Where rows differ, the one that cuts the first row most. */
void scan_find_separator(Scan *scan) {
  static const char candidates[] = {'\t', ';', '|', ','};
  int64_t most = 1;
  scan->separator = ',';
  for (size_t i = 0; i < sizeof candidates; i++)
    if (even_columns(scan, candidates[i], SAMPLE_ROWS) > 1) {
      scan->separator = candidates[i];
      return;
    }
  for (size_t i = 0; i < sizeof candidates; i++) {
    int64_t columns = even_columns(scan, candidates[i], 1);
    if (columns <= most) continue;
    most = columns;
    scan->separator = candidates[i];
  }
}

void scan_end(Scan *scan) {
  free(scan->unquoted);
  scan->unquoted = NULL;
  scan->unquoted_room = 0;
}
