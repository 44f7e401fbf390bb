/* Whole files in memory, gzip undone.
 *
 * Readers parse memory, so that one parser serves plain files, compressed files and fuzzers. A file
 * is recognised as gzip by its first two bytes, whatever its name. What a gzip file claims about
 * its size is only a first guess: the stream itself decides, up to a limit. Empty, truncated and
 * over-long streams are errors, as are checksums that do not match. */
#ifndef NNRUN_DATA_FILE_H
#define NNRUN_DATA_FILE_H

#include "base/status.h"

#include <stddef.h>

/* No file this library reads whole may be larger, packed or unpacked. */
#define FILE_LIMIT ((size_t)16 << 30)

typedef struct FileBytes {
  unsigned char *data; /* NULL for an empty file */
  size_t size;
} FileBytes;

/* The contents of a file; at most `limit` bytes, before and after unpacking. Messages begin with
 * the path. NN_NOT_FOUND, NN_IO, NN_FORMAT, NN_TOO_LARGE or NN_NO_MEMORY. */
Status file_read(FileBytes *out, const char *path, size_t limit, Err *err);
/* Undo gzip (one or more members) in memory. `name` begins the messages. */
Status file_gunzip(FileBytes *out, const void *bytes, size_t size, size_t limit, const char *name,
                   Err *err);
/* Write to a temporary file beside `path` and rename it: a reader never sees half a file, and a
 * failure leaves what was there before. */
Status file_write(const char *path, const void *bytes, size_t size, Err *err);
void file_free(FileBytes *file);

#endif
