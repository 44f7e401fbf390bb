/* Size arithmetic that says when it overflows. All return false, and leave *out alone, on overflow.
 */
#ifndef NNRUN_BASE_CHECKED_H
#define NNRUN_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool checked_add(size_t *out, size_t a, size_t b) {
  size_t result;
  if (__builtin_add_overflow(a, b, &result)) return false;
  *out = result;
  return true;
}

static inline bool checked_mul(size_t *out, size_t a, size_t b) {
  size_t result;
  if (__builtin_mul_overflow(a, b, &result)) return false;
  *out = result;
  return true;
}

/* Round up to a multiple of `unit`, a power of two. */
static inline bool checked_align(size_t *out, size_t size, size_t unit) {
  size_t sum;
  if (!checked_add(&sum, size, unit - 1)) return false;
  *out = sum & ~(unit - 1);
  return true;
}

#endif
