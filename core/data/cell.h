/* What one cell of a table is. */
#ifndef NNRUN_DATA_CELL_H
#define NNRUN_DATA_CELL_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum CellClass {
  CELL_MISSING,
  CELL_INTEGER,
  CELL_NUMBER,
  CELL_BOOLEAN,
  CELL_TEXT,
  CELL_CLASS_COUNT
} CellClass;

/* Decimal numbers are [+-]digits[.digits][e[+-]digits], with digits on at least one side of the
 * point; true, True, TRUE and their opposites are booleans; all else is text. Missing is for the
 * caller to tell. */
CellClass cell_classify(const char *text, size_t length);
/* The nearest double to a cell of class INTEGER, NUMBER or BOOLEAN. `c_locale` has a decimal point.
 */
double cell_value(const char *text, size_t length, locale_t c_locale);

#endif
