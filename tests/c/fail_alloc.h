/* Make the n-th allocation fail. A test file that includes this is linked (see the Makefile) so
 * that the library's calls of the allocator come here; include it in one file of a program only.
 *
 *   for (int n = 1; fail_alloc_at(n), work(...) == NN_NO_MEMORY; n++) check_nothing_is_left();
 *   fail_alloc_off();
 */
#ifndef NNRUN_TEST_FAIL_ALLOC_H
#define NNRUN_TEST_FAIL_ALLOC_H

#include <stddef.h>

static int fail_alloc_countdown; /* 0: none fails */

/* The n-th allocation from now on fails, once. */
static inline void fail_alloc_at(int n) { fail_alloc_countdown = n; }
static inline void fail_alloc_off(void) { fail_alloc_countdown = 0; }
static inline int fail_alloc_now(void) {
  return fail_alloc_countdown > 0 && --fail_alloc_countdown == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size) { return fail_alloc_now() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) {
  return fail_alloc_now() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *pointer, size_t size) {
  return fail_alloc_now() ? NULL : __real_realloc(pointer, size);
}
void *__wrap_aligned_alloc(size_t align, size_t size) {
  return fail_alloc_now() ? NULL : __real_aligned_alloc(align, size);
}
char *__wrap_strdup(const char *text) { return fail_alloc_now() ? NULL : __real_strdup(text); }

#endif
