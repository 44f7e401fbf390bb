/* For the tests of the readers: temporary files, example data, messages. Include after test.h. */
#ifndef NNRUN_TESTS_DATA_FILES_H
#define NNRUN_TESTS_DATA_FILES_H

#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEST_PATH_SIZE = 256 };

/* A new file with these bytes; its name goes to `path`. The caller removes it. */
static inline void test_file(char path[TEST_PATH_SIZE], const void *bytes, size_t size) {
  const char *folder = getenv("TMPDIR");
  snprintf(path, TEST_PATH_SIZE, "%s/nnrun-test-XXXXXX", folder ? folder : "/tmp");
  int fd = mkstemp(path);
  if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) abort();
  close(fd);
}

/* The path of a file of the example data, or NULL (and a message) when it is not there. */
static inline const char *test_shared(char path[TEST_PATH_SIZE], const char *name) {
  const char *folder = getenv("NNRUN_SHARED");
  snprintf(path, TEST_PATH_SIZE, "%s/data/%s", folder ? folder : "../shared", name);
  if (access(path, R_OK) == 0) return path;
  printf("[  SKIP    ] %s is not there\n", path);
  return NULL;
}

/* The message contains these words. */
static inline void assert_mentions(const Err *err, const char *words) {
  if (!strstr(err->message, words)) fail_msg("'%s' is not in '%s'", words, err->message);
}

#endif
