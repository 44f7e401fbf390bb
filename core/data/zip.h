/* ZIP archives in memory, as much of the format as NPZ needs (PKWARE's APPNOTE 6.3).
 *
 * Read: stored and deflated entries, ZIP64 sizes, any archive comment. Refused: encryption, other
 * methods, archives in several parts. Nothing in a header is believed: offsets lie within the
 * archive, entries do not overlap, an entry unpacks to exactly the size and checksum it states, and
 * a stated size beyond what deflate can reach is refused before it is allocated. Written: stored
 * entries, without times, so equal contents give equal bytes. */
#ifndef NNRUN_DATA_ZIP_H
#define NNRUN_DATA_ZIP_H

#include "base/arena.h"
#include "data/file.h"

#include <stdint.h>

typedef struct ZipEntry {
  const char *name; /* not terminated; points into the archive */
  size_t name_length;
  const unsigned char *data; /* packed, within the archive */
  size_t packed, size;
  uint32_t crc;
  uint16_t method;
} ZipEntry;

typedef struct ZipArchive {
  const char *path; /* begins messages */
  ZipEntry *entries;
  size_t count;
} ZipArchive;

/* List an archive's entries, in its directory's order; they live in `arena` and point into `bytes`.
 */
Status zip_list(ZipArchive *out, Arena *arena, const void *bytes, size_t size, const char *path,
                Err *err);
/* Unpack one entry into memory; free with file_free. */
Status zip_extract(FileBytes *out, const ZipArchive *archive, const ZipEntry *entry, Err *err);

/* An archive being written; starts as all zeros. */
typedef struct ZipWriter {
  FileBytes bytes;
  size_t room;
  unsigned char *directory;
  size_t directory_size, directory_room;
  unsigned count;
} ZipWriter;

Status zip_writer_add(ZipWriter *writer, const char *name, const void *bytes, size_t size,
                      Err *err);
/* Append the directory: writer->bytes is then a whole archive. */
Status zip_writer_end(ZipWriter *writer, Err *err);
void zip_writer_free(ZipWriter *writer);

#endif
