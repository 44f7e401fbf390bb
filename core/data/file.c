#include "data/file.h"

#include "base/checked.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { FIRST_GUESS = 1 << 16, DEFLATE_MAX_RATIO = 1032, GZIP_MIN_SIZE = 18 };

static Status too_large(const char *name, size_t limit, Err *err) {
  return err_set(err, NN_TOO_LARGE, "%s: larger than the limit of %zu bytes", name, limit);
}

static Status out_of_memory(const char *name, size_t size, Err *err) {
  return err_set(err, NN_NO_MEMORY, "%s: no memory for %zu bytes", name, size);
}

/* Make room for at least one more byte, doubling up to `limit` + 1 so that the limit is noticed. */
static Status grow(FileBytes *file, size_t *capacity, size_t limit, const char *name, Err *err) {
  if (file->size < *capacity) return NN_OK;
  if (*capacity > limit) return too_large(name, limit, err);
  size_t wanted = *capacity ? *capacity : FIRST_GUESS / 2;
  wanted = wanted <= limit / 2 ? wanted * 2 : limit + 1;
  void *bytes = realloc(file->data, wanted);
  if (!bytes) return out_of_memory(name, wanted, err);
  file->data = bytes;
  *capacity = wanted;
  return NN_OK;
}

static Status read_all(FileBytes *out, int fd, size_t size_hint, size_t limit, const char *path,
                       Err *err) {
  size_t capacity = 0;
  if (size_hint > 0) {
    out->data = malloc(size_hint + 1); /* one more, to see the end without growing */
    if (!out->data) return out_of_memory(path, size_hint + 1, err);
    capacity = size_hint + 1;
  }
  for (;;) {
    TRY(grow(out, &capacity, limit, path, err));
    ssize_t got = read(fd, out->data + out->size, capacity - out->size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return err_set(err, NN_IO, "%s: cannot read: %s", path, strerror(errno));
    if (got == 0) break;
    out->size += (size_t)got;
  }
  return out->size > limit ? too_large(path, limit, err) : NN_OK;
}

static Status read_plain(FileBytes *out, const char *path, size_t limit, Err *err) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return err_set(err, errno == ENOENT || errno == ENOTDIR ? NN_NOT_FOUND : NN_IO,
                   "%s: cannot open: %s", path, strerror(errno));
  struct stat info = {0};
  Status status = NN_OK;
  if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode))
    status = err_set(err, NN_IO, "%s: this is a folder, not a file", path);
  else if (S_ISREG(info.st_mode) && (uintmax_t)info.st_size > limit)
    status = too_large(path, limit, err);
  else
    status = read_all(out, fd, S_ISREG(info.st_mode) ? (size_t)info.st_size : 0, limit, path, err);
  close(fd);
  return status;
}

static bool is_gzip(const void *bytes, size_t size) {
  return size >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0;
}

/* The last four bytes of a gzip file are the unpacked size modulo 2^32, if it is to be believed:
 * deflate cannot unpack to more than DEFLATE_MAX_RATIO times its input. */
static size_t gzip_size_guess(const unsigned char *bytes, size_t size, size_t limit) {
  if (size < GZIP_MIN_SIZE) return 0;
  const unsigned char *last = bytes + size - 4;
  size_t guess =
      (size_t)last[0] | (size_t)last[1] << 8 | (size_t)last[2] << 16 | (size_t)last[3] << 24;
  if (guess / DEFLATE_MAX_RATIO > size || guess > limit) return 0;
  return guess;
}

/* zlib counts in unsigned int, so both sides are handed over in pieces. */
static uInt piece(size_t left) {
  return left > UINT32_MAX / 2 ? (uInt)(UINT32_MAX / 2) : (uInt)left;
}

static Status inflate_members(FileBytes *out, z_stream *stream, const unsigned char *bytes,
                              size_t size, size_t limit, const char *name, Err *err) {
  size_t capacity = gzip_size_guess(bytes, size, limit), taken = 0;
  if (capacity > 0) {
    out->data = malloc(++capacity);
    if (!out->data) return out_of_memory(name, capacity, err);
  }
  for (;;) {
    TRY(grow(out, &capacity, limit, name, err));
    stream->next_in = (z_const Bytef *)(uintptr_t)(bytes + taken);
    stream->avail_in = piece(size - taken);
    stream->next_out = out->data + out->size;
    stream->avail_out = piece(capacity - out->size);
    uInt in = stream->avail_in, room = stream->avail_out;
    int code = inflate(stream, Z_NO_FLUSH);
    taken += in - stream->avail_in;
    out->size += room - stream->avail_out;
    if (out->size > limit) return too_large(name, limit, err);
    if (code == Z_STREAM_END) {
      if (taken == size) return NN_OK;
      if (!is_gzip(bytes + taken, size - taken))
        return err_set(err, NN_FORMAT, "%s: %zu bytes follow the end of the gzip data at byte %zu",
                       name, size - taken, taken);
      if (inflateReset(stream) != Z_OK) return out_of_memory(name, sizeof *stream, err);
    } else if (code == Z_MEM_ERROR) {
      return out_of_memory(name, capacity, err);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      return err_set(err, NN_FORMAT, "%s: damaged gzip data near byte %zu: %s", name, taken,
                     stream->msg ? stream->msg : "unknown error");
    } else if (taken == size && stream->avail_out > 0) {
      return err_set(err, NN_FORMAT,
                     "%s: the gzip data is cut off: it ends at byte %zu, after %zu unpacked bytes",
                     name, size, out->size);
    }
  }
}

Status file_gunzip(FileBytes *out, const void *bytes, size_t size, size_t limit, const char *name,
                   Err *err) {
  *out = (FileBytes){0};
  z_stream stream = {0};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return out_of_memory(name, sizeof stream, err);
  Status status = inflate_members(out, &stream, bytes, size, limit, name, err);
  inflateEnd(&stream);
  if (status != NN_OK) file_free(out);
  return status;
}

Status file_read(FileBytes *out, const char *path, size_t limit, Err *err) {
  *out = (FileBytes){0};
  Status status = read_plain(out, path, limit, err);
  if (status == NN_OK && is_gzip(out->data, out->size)) {
    FileBytes packed = *out;
    status = file_gunzip(out, packed.data, packed.size, limit, path, err);
    file_free(&packed);
  }
  if (status != NN_OK) file_free(out);
  return status;
}

static Status write_bytes(int fd, const unsigned char *bytes, size_t size, const char *path,
                          Err *err) {
  for (size_t done = 0; done < size;) {
    ssize_t got = write(fd, bytes + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return err_set(err, NN_IO, "%s: cannot write: %s", path, strerror(errno));
    done += (size_t)got;
  }
  return NN_OK;
}

Status file_write(const char *path, const void *bytes, size_t size, Err *err) {
  char temporary[PATH_MAX];
  int length = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
  if (length < 0 || (size_t)length >= sizeof temporary)
    return err_set(err, NN_BAD_ARGUMENT, "%.64s...: the path is too long", path);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return err_set(err, NN_IO, "%s: cannot create: %s", path, strerror(errno));
  Status status = write_bytes(fd, bytes, size, path, err);
  if (close(fd) != 0 && status == NN_OK)
    status = err_set(err, NN_IO, "%s: cannot write: %s", path, strerror(errno));
  if (status == NN_OK && rename(temporary, path) != 0)
    status = err_set(err, NN_IO, "%s: cannot replace: %s", path, strerror(errno));
  if (status != NN_OK) unlink(temporary);
  return status;
}

void file_free(FileBytes *file) {
  free(file->data);
  *file = (FileBytes){0};
}
