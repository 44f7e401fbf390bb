/* Framed messages over a stream socket: a 32-bit little-endian length, then that many bytes.
 *
 * A FrameBuffer collects what arrives and hands out whole frames. It starts as all zeros; a payload
 * handed out stays valid until the next fill. Frames longer than FRAME_MAX are refused at both
 * ends, so a stray byte cannot make a reader allocate gigabytes. */
#ifndef NNRUN_PROC_FRAME_H
#define NNRUN_PROC_FRAME_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { FRAME_HEADER = 4, FRAME_MAX = 256 << 20 };

typedef struct FrameBuffer {
  unsigned char *bytes;
  size_t start, end, size; /* unread bytes are [start, end) */
} FrameBuffer;

/* What a fill found. */
typedef enum FrameFill { FRAME_DATA, FRAME_AGAIN, FRAME_EOF } FrameFill;

/* Read once from `fd` into the buffer. FRAME_AGAIN: nothing there yet (non-blocking `fd`). */
Status frame_fill(FrameBuffer *buffer, int fd, FrameFill *found, Err *err);
/* The next whole frame, if there is one: *payload is NULL when more bytes are needed. */
Status frame_next(FrameBuffer *buffer, const void **payload, size_t *length, Err *err);
/* Wait for a whole frame; *payload is NULL at the end of the stream. `fd` blocks. */
Status frame_read(FrameBuffer *buffer, int fd, const void **payload, size_t *length, Err *err);
/* Write a whole frame, waiting as needed. A peer that is gone is NN_PROCESS, never SIGPIPE. */
Status frame_write(int fd, const void *payload, size_t length, Err *err);
void frame_free(FrameBuffer *buffer);

#endif
