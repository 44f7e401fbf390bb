/* CSV and its relatives (RFC 4180, and what is met in practice), plain or gzip.
 *
 * Cells may be quoted, with separators, line ends and doubled quotes inside; unquoted cells lose
 * the blanks around them. Lines end in LF, CRLF or CR; the last may lack its end; blank lines and a
 * UTF-8 byte order mark are passed over. Every row has as many cells as the first. The file is
 * scanned twice: first for its size and what each column is, then for the values. A column is
 * numbers, booleans or text; when most of its cells are numbers and one is not, that cell is an
 * error. Messages begin with file:line:column, the column counted in bytes from 1. */
#ifndef NNRUN_DATA_CSV_H
#define NNRUN_DATA_CSV_H

#include "data/table.h"

enum { CSV_MAX_COLUMNS = 1 << 20 };

/* Says of one column, by name or by 1-based position (name NULL), what it is. */
typedef struct CsvType {
  const char *name;
  int position;
  bool text; /* else numbers */
} CsvType;

typedef enum CsvHeader { CSV_HEADER_FIND_OUT, CSV_HEADER_YES, CSV_HEADER_NO } CsvHeader;

typedef struct CsvOptions {
  char separator; /* 0: found out: tab ; | or comma. A blank means any run of blanks. */
  CsvHeader header;
  int64_t skip;               /* lines passed over at the beginning */
  const char *const *missing; /* cells that mean "missing", besides the empty one; ends in NULL */
  const CsvType *types;
  int type_count;
} CsvOptions;

/* ? NA N/A NaN nan null NULL; used when options or options->missing is NULL */
extern const char *const csv_missing_default[];

/* `options` may be NULL for the defaults (all zeros). */
Status csv_read(Table *out, const char *path, const CsvOptions *options, Err *err);
Status csv_parse(Table *out, const void *bytes, size_t size, const CsvOptions *options,
                 const char *name, Err *err);

#endif
