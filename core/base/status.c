#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *status_words(Status status) {
  static const char *const words[] = {
#define X(name, text) [NN_##name] = (text),
      STATUS_LIST(X)
#undef X
  };
  return (unsigned)status < NN_STATUS_COUNT ? words[status] : "unknown status";
}

const char *status_name(Status status) {
  static const char *const names[] = {
#define X(name, text) [NN_##name] = #name,
      STATUS_LIST(X)
#undef X
  };
  return (unsigned)status < NN_STATUS_COUNT ? names[status] : "UNKNOWN";
}

#undef err_set
Status err_set(Err *err, Status status, const char *format, ...) {
  if (!err) return status;
  err->status = status;
  va_list args;
  va_start(args, format);
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  return status;
}

Status err_prefix(Err *err, const char *format, ...) {
  if (!err) return NN_INTERNAL;
  char old[ERR_MESSAGE_SIZE];
  memcpy(old, err->message, sizeof old);
  va_list args;
  va_start(args, format);
  int used = vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  if (used >= 0 && used < ERR_MESSAGE_SIZE)
    snprintf(err->message + used, sizeof err->message - (size_t)used, ": %s", old);
  return err->status;
}
