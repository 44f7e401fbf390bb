/* Tensors as people read them: columns aligned, one format for all numbers, long axes cut to their
 * ends, and dtype and shape behind, as in {{1, 2}, {3, 4}}  tensor float32 (2, 2). */
#include "tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Tensors of more than MOST elements are cut: EDGE elements at either end of an axis are shown. */
enum { EDGE = 3, MOST = 1000, LINE = 80, NUMBER_SIZE = 40, DIGITS = 4 };

typedef struct Format {
  bool whole;      /* all numbers are: no decimal point */
  bool scientific; /* too large or too far apart for fixed digits */
  bool cut;
  int digits; /* behind the point */
  int width;
} Format;

typedef struct Writer {
  luaL_Buffer *out;
  const Tensor *tensor;
  Format format;
  int column; /* where the line is */
} Writer;

static void number_text(const Format *format, const Tensor *tensor, int64_t at,
                        char text[NUMBER_SIZE]) {
  double value = tensor_get(tensor, at);
  if (tensor->dtype == DTYPE_I64)
    snprintf(text, NUMBER_SIZE, "%lld", (long long)((const int64_t *)tensor->data)[at]);
  else if (isnan(value))
    snprintf(text, NUMBER_SIZE, "nan");
  else if (isinf(value))
    snprintf(text, NUMBER_SIZE, value > 0 ? "inf" : "-inf");
  else if (format->scientific)
    snprintf(text, NUMBER_SIZE, "%.*e", DIGITS, value);
  else
    snprintf(text, NUMBER_SIZE, "%.*f", format->digits, value);
}

/* Visit the flat indices that are shown. */
typedef void Visit(void *context, int64_t at);

static int64_t inner_count(const Shape *shape, int depth) {
  int64_t count = 1;
  for (int i = depth + 1; i < shape->ndim; i++) count *= shape->dims[i];
  return count;
}

static bool skips(const Format *format, const Shape *shape, int depth, int64_t i) {
  int64_t count = shape->dims[depth];
  return format->cut && count > 2 * EDGE + 1 && i >= EDGE && i < count - EDGE;
}

static void each_shown(const Format *format, const Tensor *tensor, int depth, int64_t at,
                       Visit *visit, void *context) {
  const Shape *shape = &tensor->shape;
  if (depth == shape->ndim) {
    visit(context, at);
    return;
  }
  int64_t inner = inner_count(shape, depth), count = shape->dims[depth];
  for (int64_t i = 0; i < count; i++) {
    if (skips(format, shape, depth, i)) {
      i = count - EDGE - 1;
      continue;
    }
    each_shown(format, tensor, depth + 1, at + i * inner, visit, context);
  }
}

/* ---- one format for all ---- */

typedef struct Span {
  const Tensor *tensor;
  Format *format;
  bool whole;
  double largest, smallest; /* magnitudes, of finite numbers that are not 0 */
} Span;

static void measure(void *context, int64_t at) {
  Span *span = context;
  double value = fabs(tensor_get(span->tensor, at));
  if (!isfinite(value)) return;
  if (value != floor(value)) span->whole = false;
  if (value > span->largest) span->largest = value;
  if (value > 0 && value < span->smallest) span->smallest = value;
}

/* Digits that a number needs behind the point, up to DIGITS. */
static void count_digits(void *context, int64_t at) {
  Span *span = context;
  char text[NUMBER_SIZE];
  double value = tensor_get(span->tensor, at);
  if (!isfinite(value)) return;
  snprintf(text, sizeof text, "%.*f", DIGITS, value);
  int length = (int)strlen(text), zeros = 0;
  while (zeros < DIGITS && text[length - 1 - zeros] == '0') zeros++;
  if (DIGITS - zeros > span->format->digits) span->format->digits = DIGITS - zeros;
}

static void widen(void *context, int64_t at) {
  Span *span = context;
  char text[NUMBER_SIZE];
  number_text(span->format, span->tensor, at, text);
  int width = (int)strlen(text);
  if (width > span->format->width) span->format->width = width;
}

static Format choose_format(const Tensor *tensor) {
  Format format = {.cut = tensor_count(tensor) > MOST};
  Span span = {.tensor = tensor, .format = &format, .whole = true, .smallest = INFINITY};
  each_shown(&format, tensor, 0, 0, measure, &span);
  format.whole = span.whole;
  format.scientific = tensor->dtype != DTYPE_I64 &&
                      (span.largest >= (span.whole ? 1e15 : 1e6) || span.smallest < 1e-4);
  if (!format.scientific && !format.whole) each_shown(&format, tensor, 0, 0, count_digits, &span);
  each_shown(&format, tensor, 0, 0, widen, &span);
  return format;
}

/* ---- writing ---- */

static void put(Writer *writer, const char *text) {
  luaL_addstring(writer->out, text);
  writer->column += (int)strlen(text);
}

static void new_line(Writer *writer, int indent) {
  luaL_addchar(writer->out, '\n');
  for (int i = 0; i < indent; i++) luaL_addchar(writer->out, ' ');
  writer->column = indent;
}

static void write_axis(Writer *writer, int depth, int64_t at);

static void write_element(Writer *writer, int depth, int64_t at) {
  const Tensor *tensor = writer->tensor;
  if (depth < tensor->shape.ndim) {
    write_axis(writer, depth, at);
    return;
  }
  char text[NUMBER_SIZE];
  number_text(&writer->format, tensor, at, text);
  for (int pad = (int)strlen(text); pad < writer->format.width; pad++) put(writer, " ");
  put(writer, text);
}

static void write_axis(Writer *writer, int depth, int64_t at) {
  const Shape *shape = &writer->tensor->shape;
  int64_t count = shape->dims[depth], inner = inner_count(shape, depth);
  bool leaf = depth == shape->ndim - 1;
  put(writer, "{");
  for (int64_t i = 0; i < count; i++) {
    bool skipped = skips(&writer->format, shape, depth, i);
    if (i) put(writer, ",");
    if (i && !leaf) new_line(writer, depth + 1);
    if (i && leaf) {
      int width = skipped ? 3 : writer->format.width;
      if (writer->column + 1 + width >= LINE)
        new_line(writer, depth + 1);
      else
        put(writer, " ");
    }
    if (skipped) {
      put(writer, "...");
      i = count - EDGE - 1;
      continue;
    }
    write_element(writer, depth + 1, at + i * inner);
  }
  put(writer, "}");
}

int tensor_tostring(lua_State *L) {
  const Tensor *tensor = lua_touserdata(L, 1);
  if (!tensor->buffer) {
    lua_pushliteral(L, "tensor (released)");
    return 1;
  }
  char shape[SHAPE_TEXT_SIZE];
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  Writer writer = {.out = &out, .tensor = tensor, .format = choose_format(tensor)};
  write_element(&writer, 0, 0);
  luaL_addstring(&out, "  tensor ");
  luaL_addstring(&out, dtype_name(tensor->dtype));
  luaL_addchar(&out, ' ');
  luaL_addstring(&out, shape_text(&tensor->shape, shape));
  if (((const TensorBox *)lua_touserdata(L, 1))->tracked) luaL_addstring(&out, " with gradient");
  luaL_pushresult(&out);
  return 1;
}
