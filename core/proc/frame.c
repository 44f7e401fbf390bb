/* Framed messages: see frame.h. */
#include "proc/frame.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILL_MIN = 16 << 10 };

/* Make room for at least `need` bytes after `end`, moving unread bytes to the front first. */
static Status make_room(FrameBuffer *buffer, size_t need, Err *err) {
  if (buffer->bytes && buffer->start > 0) {
    memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->end - buffer->start);
    buffer->end -= buffer->start;
    buffer->start = 0;
  }
  if (buffer->size - buffer->end >= need) return NN_OK;
  size_t size = buffer->size ? buffer->size : FILL_MIN;
  while (size - buffer->end < need) size *= 2; /* need <= FRAME_MAX + header: cannot overflow */
  unsigned char *bytes = realloc(buffer->bytes, size);
  if (!bytes) return err_set(err, NN_NO_MEMORY, "no memory for a message of %zu bytes", need);
  buffer->bytes = bytes;
  buffer->size = size;
  return NN_OK;
}

/* Length of the frame that begins at `start`, header excluded; false before its header is here. */
static bool header_length(const FrameBuffer *buffer, uint32_t *length) {
  if (!buffer->bytes || buffer->end - buffer->start < FRAME_HEADER) return false;
  const unsigned char *p = buffer->bytes + buffer->start;
  *length = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
  return true;
}

Status frame_fill(FrameBuffer *buffer, int fd, FrameFill *found, Err *err) {
  size_t need = FILL_MIN, have = buffer->end - buffer->start;
  uint32_t length;
  if (header_length(buffer, &length)) {
    size_t whole = (size_t)length + FRAME_HEADER;
    if (whole > have && whole - have > need) need = whole - have;
    if (need > FRAME_MAX) need = FILL_MIN; /* frame_next refuses it */
  }
  TRY(make_room(buffer, need, err));
  ssize_t got;
  do {
    got = read(fd, buffer->bytes + buffer->end, buffer->size - buffer->end);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    buffer->end += (size_t)got;
    *found = FRAME_DATA;
    return NN_OK;
  }
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    *found = FRAME_AGAIN;
    return NN_OK;
  }
  /* A reset connection is a peer that died with unread input: the end, as far as we care. */
  if (got == 0 || errno == ECONNRESET) {
    *found = FRAME_EOF;
    return NN_OK;
  }
  return err_set(err, NN_PROCESS, "cannot read from a worker: %s", strerror(errno));
}

Status frame_next(FrameBuffer *buffer, const void **payload, size_t *length, Err *err) {
  *payload = NULL;
  *length = 0;
  size_t have = buffer->end - buffer->start;
  uint32_t size;
  if (!header_length(buffer, &size)) return NN_OK;
  if (size > FRAME_MAX)
    return err_set(err, NN_FORMAT, "a message of %lu bytes; at most %d are allowed",
                   (unsigned long)size, FRAME_MAX);
  if (have < FRAME_HEADER + (size_t)size) return NN_OK;
  *payload = buffer->bytes + buffer->start + FRAME_HEADER;
  *length = size;
  buffer->start += FRAME_HEADER + (size_t)size;
  return NN_OK;
}

Status frame_read(FrameBuffer *buffer, int fd, const void **payload, size_t *length, Err *err) {
  for (;;) {
    TRY(frame_next(buffer, payload, length, err));
    if (*payload) return NN_OK;
    FrameFill found;
    TRY(frame_fill(buffer, fd, &found, err));
    if (found == FRAME_EOF) return NN_OK;
    if (found == FRAME_AGAIN) {
      struct pollfd waiting = {.fd = fd, .events = POLLIN};
      poll(&waiting, 1, -1);
    }
  }
}

Status frame_write(int fd, const void *payload, size_t length, Err *err) {
  if (length > FRAME_MAX)
    return err_set(err, NN_TOO_LARGE, "a message of %zu bytes; at most %d are allowed", length,
                   FRAME_MAX);
  unsigned char header[FRAME_HEADER] = {(unsigned char)length, (unsigned char)(length >> 8),
                                        (unsigned char)(length >> 16),
                                        (unsigned char)(length >> 24)};
  struct iovec parts[2] = {{header, FRAME_HEADER}, {(void *)(uintptr_t)payload, length}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  while (parts[0].iov_len + parts[1].iov_len > 0) {
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK)
        return err_set(err, NN_PROCESS, "cannot send a message: %s", strerror(errno));
      struct pollfd waiting = {.fd = fd, .events = POLLOUT};
      poll(&waiting, 1, -1);
      continue;
    }
    for (int i = 0; i < 2; i++) {
      size_t step = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
      parts[i].iov_base = (char *)parts[i].iov_base + step;
      parts[i].iov_len -= step;
      sent -= (ssize_t)step;
    }
  }
  return NN_OK;
}

void frame_free(FrameBuffer *buffer) {
  free(buffer->bytes);
  *buffer = (FrameBuffer){0};
}
