#include "data/cell.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_SIZE = 400, MAX_FAST_DIGITS = 15, MAX_FAST_POWER = 22 };

static bool digit(char c) { return c >= '0' && c <= '9'; }

static bool same(const char *text, size_t length, const char *word) {
  return strlen(word) == length && memcmp(text, word, length) == 0;
}

static bool is_true(const char *text, size_t length) {
  return same(text, length, "true") || same(text, length, "True") || same(text, length, "TRUE");
}

static bool is_false(const char *text, size_t length) {
  return same(text, length, "false") || same(text, length, "False") || same(text, length, "FALSE");
}

CellClass cell_classify(const char *text, size_t length) {
  const char *at = text, *end = text + length;
  if (at < end && (*at == '+' || *at == '-')) at++;
  const char *digits = at;
  while (at < end && digit(*at)) at++;
  size_t count = (size_t)(at - digits);
  if (at == end && count > 0 && length < NUMBER_SIZE) return CELL_INTEGER;
  if (at < end && *at == '.') {
    digits = ++at;
    while (at < end && digit(*at)) at++;
    count += (size_t)(at - digits);
  }
  if (count > 0 && at < end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    digits = at;
    while (at < end && digit(*at)) at++;
    if (at == digits) return CELL_TEXT;
  }
  if (count > 0 && at == end && length < NUMBER_SIZE) return CELL_NUMBER;
  return is_true(text, length) || is_false(text, length) ? CELL_BOOLEAN : CELL_TEXT;
}

/* Up to 15 digits and a power of ten up to 22 are exact doubles, so one multiplication or division
 * rounds rightly (W. D. Clinger, "How to read floating point numbers accurately", 1990). */
static bool fast_value(double *out, const char *text, size_t length) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  const char *at = text, *end = text + length;
  bool negative = *at == '-';
  if (*at == '-' || *at == '+') at++;
  uint64_t mantissa = 0;
  int digits = 0, decimals = 0;
  bool point = false;
  for (; at < end; at++) {
    if (*at == '.') {
      point = true;
      continue;
    }
    if (!digit(*at) || digits == MAX_FAST_DIGITS || decimals == MAX_FAST_POWER) return false;
    mantissa = mantissa * 10 + (uint64_t)(*at - '0');
    digits += mantissa > 0;
    decimals += point;
  }
  double value = (double)mantissa / powers[decimals];
  *out = negative ? -value : value;
  return true;
}

double cell_value(const char *text, size_t length, locale_t c_locale) {
  double value;
  if (fast_value(&value, text, length)) return value;
  if (is_true(text, length)) return 1;
  if (is_false(text, length)) return 0;
  char copy[NUMBER_SIZE];
  if (length >= sizeof copy) return 0; /* cell_classify calls those text */
  memcpy(copy, text, length);
  copy[length] = '\0';
  return strtod_l(copy, NULL, c_locale);
}
