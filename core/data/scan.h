/* Cells of separated text, one after another: the lower half of the CSV reader. */
#ifndef NNRUN_DATA_SCAN_H
#define NNRUN_DATA_SCAN_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Scan {
  const char *at, *end;
  const char *line_start;
  int64_t line; /* from 1 */
  char separator;
  char *unquoted; /* holds the last cell that had doubled quotes; room for the longest */
  size_t unquoted_room;
  const char *name;
  Err *err;
} Scan;

typedef struct ScanCell {
  const char *text; /* until the next cell is read */
  size_t length;
  int64_t line, column; /* where it begins; the column in bytes from 1 */
  bool quoted;
  bool last; /* of its row */
} ScanCell;

/* Begin at the first line after `skip` lines. Passes over a byte order mark; NN_FORMAT when the
 * bytes are no text (UTF-16, NUL bytes). */
Status scan_begin(Scan *scan, const void *bytes, size_t size, int64_t skip, const char *name,
                  Err *err);
/* Go past blank lines; false at the end of the text. Call it before each row. */
bool scan_row(Scan *scan);
/* The next cell of the row. */
Status scan_cell(Scan *scan, ScanCell *cell);
/* Find out the separator from the first rows, leaving the scan where it is. */
void scan_find_separator(Scan *scan);
void scan_end(Scan *scan);

#endif
