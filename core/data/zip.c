#include "data/zip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Sizes of the fixed parts of records, and their signatures ("PK" and two bytes, little-endian). */
enum { LOCAL_SIZE = 30, CENTRAL_SIZE = 46, END_SIZE = 22, END64_SIZE = 56, LOCATOR64_SIZE = 20 };
enum { MAX_COMMENT = 65535, STORED = 0, DEFLATED = 8, ENCRYPTED_FLAG = 1, EXTRA_ZIP64 = 1 };
enum { DEFLATE_MAX_RATIO = 1032 };
#define SIGN_LOCAL UINT32_C(0x04034b50)
#define SIGN_CENTRAL UINT32_C(0x02014b50)
#define SIGN_END UINT32_C(0x06054b50)
#define SIGN_END64 UINT32_C(0x06064b50)
#define SIGN_LOCATOR64 UINT32_C(0x07064b50)
#define NONE32 UINT32_C(0xffffffff) /* "see the ZIP64 record" */
#define NONE16 UINT32_C(0xffff)
#define WRITE_LIMIT ((size_t)NONE32 - 1)

static uint32_t get16(const unsigned char *at) { return (uint32_t)at[0] | (uint32_t)at[1] << 8; }

static uint32_t get32(const unsigned char *at) { return get16(at) | get16(at + 2) << 16; }

static uint64_t get64(const unsigned char *at) { return get32(at) | (uint64_t)get32(at + 4) << 32; }

typedef struct Directory {
  const unsigned char *bytes;
  size_t size; /* of the archive */
  uint64_t at, length, count;
  const char *path;
  Err *err;
} Directory;

static Status damaged(const Directory *directory, const char *what) {
  return err_set(directory->err, NN_FORMAT, "%s: damaged or cut off ZIP archive: %s",
                 directory->path, what);
}

/* The end record is the last thing in the file but for a comment whose length it states. */
static const unsigned char *find_end(const unsigned char *bytes, size_t size) {
  if (size < END_SIZE) return NULL;
  size_t furthest = size - END_SIZE > MAX_COMMENT ? size - END_SIZE - MAX_COMMENT : 0;
  for (size_t at = size - END_SIZE + 1; at-- > furthest;)
    if (get32(bytes + at) == SIGN_END && at + END_SIZE + get16(bytes + at + 20) == size)
      return bytes + at;
  return NULL;
}

static Status read_end64(Directory *directory, size_t end_at) {
  if (end_at < LOCATOR64_SIZE) return damaged(directory, "no ZIP64 locator");
  const unsigned char *locator = directory->bytes + end_at - LOCATOR64_SIZE;
  if (get32(locator) != SIGN_LOCATOR64) return damaged(directory, "no ZIP64 locator");
  uint64_t at = get64(locator + 8);
  if (at > end_at || end_at - at < END64_SIZE || get32(directory->bytes + at) != SIGN_END64)
    return damaged(directory, "no ZIP64 end record");
  const unsigned char *end = directory->bytes + at;
  directory->count = get64(end + 32);
  directory->length = get64(end + 40);
  directory->at = get64(end + 48);
  return NN_OK;
}

static Status find_directory(Directory *directory) {
  const unsigned char *end = find_end(directory->bytes, directory->size);
  if (!end)
    return err_set(directory->err, NN_FORMAT,
                   "%s: not a ZIP archive, or cut off: it has no end record", directory->path);
  size_t end_at = (size_t)(end - directory->bytes);
  directory->count = get16(end + 10);
  directory->length = get32(end + 12);
  directory->at = get32(end + 16);
  if (get16(end + 4) != get16(end + 6)) return damaged(directory, "it has several parts");
  if (directory->count == NONE16 || directory->length == NONE32 || directory->at == NONE32)
    TRY(read_end64(directory, end_at));
  if (directory->at > end_at || directory->length > end_at - directory->at)
    return damaged(directory, "its directory lies outside the file");
  if (directory->count > directory->length / CENTRAL_SIZE)
    return damaged(directory, "its directory is too short for its entries");
  return NN_OK;
}

/* 64-bit sizes are in an extra field, only those that are NONE32 in the record, in this order. */
static Status read_extra64(const Directory *directory, const unsigned char *extra, size_t length,
                           uint64_t *values[], int count) {
  while (length >= 4) {
    size_t id = get16(extra), field = get16(extra + 2);
    if (field > length - 4) break;
    if (id == EXTRA_ZIP64) {
      for (int i = 0; i < count; i++) {
        if (*values[i] != NONE32) continue;
        if (field < 8) return damaged(directory, "a ZIP64 field is too short");
        *values[i] = get64(extra + 4);
        extra += 8;
        field -= 8;
      }
      return NN_OK;
    }
    extra += 4 + field;
    length -= 4 + field;
  }
  return NN_OK;
}

static Status read_entry(ZipEntry *entry, const Directory *directory, const unsigned char *at,
                         size_t left, size_t *used) {
  if (left < CENTRAL_SIZE || get32(at) != SIGN_CENTRAL)
    return damaged(directory, "its directory ends early");
  size_t name = get16(at + 28), extra = get16(at + 30), comment = get16(at + 32);
  *used = CENTRAL_SIZE + name + extra + comment;
  if (*used > left) return damaged(directory, "its directory ends early");
  uint64_t size = get32(at + 24), packed = get32(at + 20), offset = get32(at + 42);
  uint64_t *values[] = {&size, &packed, &offset};
  TRY(read_extra64(directory, at + CENTRAL_SIZE + name, extra, values, 3));
  if (get16(at + 8) & ENCRYPTED_FLAG)
    return err_set(directory->err, NN_UNSUPPORTED, "%s: entry '%.*s' is encrypted", directory->path,
                   (int)name, (const char *)at + CENTRAL_SIZE);
  uint64_t limit = directory->at; /* entries come before the directory */
  if (offset > limit || limit - offset < LOCAL_SIZE ||
      get32(directory->bytes + offset) != SIGN_LOCAL)
    return damaged(directory, "an entry lies outside the file");
  const unsigned char *local = directory->bytes + offset;
  uint64_t data = offset + LOCAL_SIZE + get16(local + 26) + get16(local + 28);
  if (data > limit || packed > limit - data)
    return damaged(directory, "an entry lies outside the file");
  *entry = (ZipEntry){.name = (const char *)at + CENTRAL_SIZE,
                      .name_length = name,
                      .data = directory->bytes + data,
                      .packed = (size_t)packed,
                      .size = (size_t)size,
                      .crc = get32(at + 16),
                      .method = (uint16_t)get16(at + 10)};
  return NN_OK;
}

/* What the headers state together: no more packed bytes than there are, so no entry is used twice,
 * and no more unpacked ones than deflate can make of them. */
static Status check_sizes(const ZipArchive *archive, const Directory *directory) {
  size_t packed = 0, whole = 0;
  for (size_t i = 0; i < archive->count; i++) {
    const ZipEntry *entry = &archive->entries[i];
    if (entry->method != STORED && entry->method != DEFLATED)
      return err_set(directory->err, NN_UNSUPPORTED,
                     "%s: entry '%.*s' uses compression method %u; stored and deflated are read",
                     directory->path, (int)entry->name_length, entry->name, entry->method);
    bool fits = entry->method == STORED ? entry->size == entry->packed
                                        : entry->size / DEFLATE_MAX_RATIO <= entry->packed;
    if (!fits || entry->packed > directory->size - packed)
      return err_set(directory->err, NN_FORMAT,
                     "%s: entry '%.*s' states %zu bytes, which its %zu packed bytes cannot hold",
                     directory->path, (int)entry->name_length, entry->name, entry->size,
                     entry->packed);
    packed += entry->packed;
    if (entry->size > FILE_LIMIT - whole)
      return err_set(directory->err, NN_TOO_LARGE, "%s: larger than the limit of %zu bytes",
                     directory->path, FILE_LIMIT);
    whole += entry->size;
  }
  return NN_OK;
}

Status zip_list(ZipArchive *out, Arena *arena, const void *bytes, size_t size, const char *path,
                Err *err) {
  *out = (ZipArchive){.path = path};
  Directory directory = {.bytes = bytes, .size = size, .path = path, .err = err};
  TRY(find_directory(&directory));
  out->entries = ARENA_ARRAY(arena, ZipEntry, directory.count ? (size_t)directory.count : 1);
  if (!out->entries) return err_set(err, NN_NO_MEMORY, "%s: no memory for its directory", path);
  const unsigned char *at = directory.bytes + directory.at;
  size_t left = (size_t)directory.length, used = 0;
  for (; out->count < directory.count; out->count++, at += used, left -= used)
    TRY(read_entry(&out->entries[out->count], &directory, at, left, &used));
  return check_sizes(out, &directory);
}

static Status inflate_entry(FileBytes *out, const ZipArchive *archive, const ZipEntry *entry,
                            Err *err) {
  z_stream stream = {0};
  if (inflateInit2(&stream, -15) != Z_OK)
    return err_set(err, NN_NO_MEMORY, "%s: no memory to unpack", archive->path);
  size_t taken = 0;
  int code = Z_OK;
  while (code == Z_OK) {
    size_t in = entry->packed - taken, room = entry->size - out->size;
    stream.next_in = (z_const Bytef *)(uintptr_t)(entry->data + taken);
    stream.avail_in = in > UINT32_MAX / 2 ? (uInt)(UINT32_MAX / 2) : (uInt)in;
    stream.next_out = out->data + out->size;
    stream.avail_out = room > UINT32_MAX / 2 ? (uInt)(UINT32_MAX / 2) : (uInt)room;
    uInt before_in = stream.avail_in, before_out = stream.avail_out;
    code = inflate(&stream, Z_NO_FLUSH);
    taken += before_in - stream.avail_in;
    out->size += before_out - stream.avail_out;
  }
  inflateEnd(&stream);
  if (code == Z_STREAM_END && out->size == entry->size && taken == entry->packed) return NN_OK;
  return err_set(err, NN_FORMAT, "%s: entry '%.*s' is damaged: it does not unpack to %zu bytes",
                 archive->path, (int)entry->name_length, entry->name, entry->size);
}

Status zip_extract(FileBytes *out, const ZipArchive *archive, const ZipEntry *entry, Err *err) {
  *out = (FileBytes){0};
  out->data = malloc(entry->size + 1); /* never zero, so that NULL means no memory */
  if (!out->data)
    return err_set(err, NN_NO_MEMORY, "%s: no memory for %zu bytes", archive->path, entry->size);
  Status status = NN_OK;
  if (entry->method == STORED) {
    memcpy(out->data, entry->data, entry->size);
    out->size = entry->size;
  } else {
    status = inflate_entry(out, archive, entry, err);
  }
  if (status == NN_OK && crc32_z(0, out->data, out->size) != entry->crc)
    status = err_set(err, NN_FORMAT, "%s: entry '%.*s' is damaged: its checksum does not match",
                     archive->path, (int)entry->name_length, entry->name);
  if (status != NN_OK) file_free(out);
  return status;
}

static void put16(unsigned char *at, uint32_t value) {
  at[0] = (unsigned char)(value & 0xff);
  at[1] = (unsigned char)(value >> 8 & 0xff);
}

static void put32(unsigned char *at, uint32_t value) {
  put16(at, value & 0xffff);
  put16(at + 2, value >> 16);
}

static Status reserve(unsigned char **bytes, size_t *room, size_t wanted, Err *err) {
  if (wanted <= *room) return NN_OK;
  size_t grown = *room * 2 > wanted ? *room * 2 : wanted;
  void *moved = realloc(*bytes, grown);
  if (!moved) return err_set(err, NN_NO_MEMORY, "no memory for a ZIP archive of %zu bytes", grown);
  *bytes = moved;
  *room = grown;
  return NN_OK;
}

/* Version 2.0, no flags, stored, and the earliest time the format can say (1 January 1980). The
 * same ten fields open both kinds of header. */
static void put_common(unsigned char *at, uint32_t crc, size_t size, size_t name_length) {
  put16(at, 20);
  put16(at + 2, 0);
  put16(at + 4, STORED);
  put16(at + 6, 0);
  put16(at + 8, 0x21);
  put32(at + 10, crc);
  put32(at + 14, (uint32_t)size);
  put32(at + 18, (uint32_t)size);
  put16(at + 22, (uint32_t)name_length);
  put16(at + 24, 0);
}

Status zip_writer_add(ZipWriter *writer, const char *name, const void *bytes, size_t size,
                      Err *err) {
  size_t name_length = strlen(name), at = writer->bytes.size;
  if (name_length > NONE16 - 1 || writer->count >= NONE16 - 1 ||
      size > WRITE_LIMIT - LOCAL_SIZE - name_length ||
      at > WRITE_LIMIT - LOCAL_SIZE - name_length - size)
    return err_set(err, NN_TOO_LARGE,
                   "'%.80s': a ZIP archive is written with at most 65534 entries and 4 GiB", name);
  TRY(reserve(&writer->bytes.data, &writer->room, at + LOCAL_SIZE + name_length + size, err));
  size_t record = CENTRAL_SIZE + name_length;
  TRY(reserve(&writer->directory, &writer->directory_room, writer->directory_size + record, err));
  uint32_t crc = (uint32_t)crc32_z(0, bytes, size);
  unsigned char *local = writer->bytes.data + at;
  put32(local, SIGN_LOCAL);
  put_common(local + 4, crc, size, name_length);
  memcpy(local + LOCAL_SIZE, name, name_length);
  if (size > 0) memcpy(local + LOCAL_SIZE + name_length, bytes, size);
  unsigned char *central = writer->directory + writer->directory_size;
  memset(central, 0, CENTRAL_SIZE);
  put32(central, SIGN_CENTRAL);
  put16(central + 4, 20);
  put_common(central + 6, crc, size, name_length);
  put32(central + 42, (uint32_t)at);
  memcpy(central + CENTRAL_SIZE, name, name_length);
  writer->bytes.size = at + LOCAL_SIZE + name_length + size;
  writer->directory_size += record;
  writer->count++;
  return NN_OK;
}

Status zip_writer_end(ZipWriter *writer, Err *err) {
  size_t at = writer->bytes.size;
  TRY(reserve(&writer->bytes.data, &writer->room, at + writer->directory_size + END_SIZE, err));
  if (writer->directory_size > 0)
    memcpy(writer->bytes.data + at, writer->directory, writer->directory_size);
  unsigned char *end = writer->bytes.data + at + writer->directory_size;
  memset(end, 0, END_SIZE);
  put32(end, SIGN_END);
  put16(end + 8, writer->count);
  put16(end + 10, writer->count);
  put32(end + 12, (uint32_t)writer->directory_size);
  put32(end + 16, (uint32_t)at);
  writer->bytes.size = at + writer->directory_size + END_SIZE;
  return NN_OK;
}

void zip_writer_free(ZipWriter *writer) {
  file_free(&writer->bytes);
  free(writer->directory);
  *writer = (ZipWriter){0};
}
