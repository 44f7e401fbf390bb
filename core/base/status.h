/* Status and error: how every function of the library that can fail says so.
 *
 * A function that can fail returns Status and takes `Err *err` as its last argument. The message
 * is written where the failure is found, with the names, shapes and the limit that was broken, into
 * the caller's Err: the error path never allocates. `err` may be NULL when only the code matters.
 * Constructors take their result `**out` first and leave it NULL when they fail. */
#ifndef NNRUN_BASE_STATUS_H
#define NNRUN_BASE_STATUS_H

/* One row per status: name, and the words a person reads. */
#define STATUS_LIST(X)                                                                             \
  X(OK, "ok")                                                                                      \
  X(BAD_ARGUMENT, "bad argument")                                                                  \
  X(SHAPE, "shapes do not fit")                                                                    \
  X(DTYPE, "wrong data type")                                                                      \
  X(NO_MEMORY, "out of memory")                                                                    \
  X(TOO_LARGE, "size too large")                                                                   \
  X(NOT_FOUND, "not found")                                                                        \
  X(IO, "input/output error")                                                                      \
  X(FORMAT, "malformed data")                                                                      \
  X(UNSUPPORTED, "not supported")                                                                  \
  X(DIVERGED, "training diverged")                                                                 \
  X(STORE, "run store error")                                                                      \
  X(PROCESS, "process error")                                                                      \
  X(TIMEOUT, "timed out")                                                                          \
  X(INTERRUPTED, "interrupted")                                                                    \
  X(INTERNAL, "internal error")

typedef enum Status {
#define X(name, words) NN_##name,
  STATUS_LIST(X)
#undef X
      NN_STATUS_COUNT
} Status;

enum { ERR_MESSAGE_SIZE = 512 };

typedef struct Err {
  Status status;
  char message[ERR_MESSAGE_SIZE];
} Err;

/* The words of a status ("shapes do not fit"); never NULL. */
const char *status_words(Status status);
/* The name of a status ("SHAPE"); never NULL. */
const char *status_name(Status status);

/* Write a printf-style message into `err` (if not NULL) and return `status`, so that a failure is
 * one line: `return err_set(err, NN_SHAPE, "..." , ...)`. Messages that do not fit are cut. */
Status err_set(Err *err, Status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Put "prefix: " before the message already in `err`; returns the status in `err`. */
Status err_prefix(Err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
#ifdef __clang_analyzer__
/* So that the analyser, which sees one file at a time, knows that a failure is never NN_OK. */
#define err_set(err, status, ...) ((void)err_set((err), (status), __VA_ARGS__), (status))
#endif

/* Return early with the status of a call that failed. */
#define TRY(call)                                                                                  \
  do {                                                                                             \
    Status try_status_ = (call);                                                                   \
    if (try_status_ != NN_OK) return try_status_;                                                  \
  } while (0)

#endif
