#include "data/npy.h"

#include "data/element.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC_SIZE = 6, HEADER_ALIGN = 64, DESCR_SIZE = 16 };

typedef struct NpyHeader {
  Element element;
  bool big_endian, fortran_order;
  bool has_descr, has_order, has_shape;
  Shape shape;
  size_t size; /* bytes before the data */
} NpyHeader;

/* A reader of the header's text: a Python dict literal of three known keys. */
typedef struct Cursor {
  const char *at, *end;
  const char *start; /* of the file, for offsets in messages */
  const char *name;
  Err *err;
} Cursor;

static Status expected(const Cursor *cursor, const char *what) {
  return err_set(cursor->err, NN_FORMAT, "%s: byte %td of the NPY header: expected %s",
                 cursor->name, cursor->at - cursor->start + 1, what);
}

static void skip_space(Cursor *cursor) {
  while (cursor->at < cursor->end &&
         (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\t' || *cursor->at == '\r'))
    cursor->at++;
}

static bool accept(Cursor *cursor, const char *text) {
  skip_space(cursor);
  size_t length = strlen(text);
  if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, text, length) != 0)
    return false;
  cursor->at += length;
  return true;
}

static Status parse_quoted(Cursor *cursor, char out[DESCR_SIZE]) {
  skip_space(cursor);
  if (cursor->at >= cursor->end || (*cursor->at != '\'' && *cursor->at != '"'))
    return expected(cursor, "a quoted name (structured types are not supported)");
  char quote = *cursor->at;
  const char *begin = ++cursor->at;
  while (cursor->at < cursor->end && *cursor->at != quote) cursor->at++;
  size_t length = (size_t)(cursor->at - begin);
  if (cursor->at >= cursor->end) return expected(cursor, "a closing quote");
  cursor->at++;
  if (length >= DESCR_SIZE) length = DESCR_SIZE - 1; /* longer than anything known: no match */
  memcpy(out, begin, length);
  out[length] = '\0';
  return NN_OK;
}

static Status parse_descr(Cursor *cursor, NpyHeader *header) {
  static const struct {
    const char *letters;
    Element element;
  } types[] = {{"b1", ELEMENT_U8},  {"u1", ELEMENT_U8},  {"i1", ELEMENT_I8},  {"u2", ELEMENT_U16},
               {"i2", ELEMENT_I16}, {"u4", ELEMENT_U32}, {"i4", ELEMENT_I32}, {"u8", ELEMENT_U64},
               {"i8", ELEMENT_I64}, {"f4", ELEMENT_F32}, {"f8", ELEMENT_F64}};
  char descr[DESCR_SIZE];
  TRY(parse_quoted(cursor, descr));
  if (strchr("<>|=", descr[0]) && descr[0])
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
      if (strcmp(descr + 1, types[i].letters) == 0) {
        header->element = types[i].element;
        header->big_endian = descr[0] == '>';
        header->has_descr = true;
        return NN_OK;
      }
  return err_set(cursor->err, NN_UNSUPPORTED,
                 "%s: elements of NumPy type '%s' cannot be read; save the array as float32, "
                 "float64, bool or an integer type",
                 cursor->name, descr);
}

static Status parse_shape(Cursor *cursor, NpyHeader *header) {
  if (!accept(cursor, "(")) return expected(cursor, "'(' before the shape");
  while (!accept(cursor, ")")) {
    skip_space(cursor);
    if (header->shape.ndim == MAX_DIMS)
      return err_set(cursor->err, NN_UNSUPPORTED, "%s: more than %d axes", cursor->name, MAX_DIMS);
    const char *begin = cursor->at;
    int64_t dim = 0;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++)
      if (__builtin_mul_overflow(dim, 10, &dim) ||
          __builtin_add_overflow(dim, *cursor->at - '0', &dim))
        return err_set(cursor->err, NN_TOO_LARGE, "%s: axis %d of the shape is beyond 2^63",
                       cursor->name, header->shape.ndim + 1);
    if (cursor->at == begin) return expected(cursor, "a whole number in the shape");
    header->shape.dims[header->shape.ndim++] = dim;
    accept(cursor, "L"); /* written by Python 2 */
    if (accept(cursor, ",")) continue;
    skip_space(cursor);
    if (cursor->at >= cursor->end || *cursor->at != ')')
      return expected(cursor, "',' or ')' in the shape");
  }
  header->has_shape = true;
  return NN_OK;
}

static Status parse_dict(Cursor *cursor, NpyHeader *header) {
  if (!accept(cursor, "{")) return expected(cursor, "'{'");
  while (!accept(cursor, "}")) {
    char key[DESCR_SIZE];
    TRY(parse_quoted(cursor, key));
    if (!accept(cursor, ":")) return expected(cursor, "':'");
    if (strcmp(key, "descr") == 0 && !header->has_descr) {
      TRY(parse_descr(cursor, header));
    } else if (strcmp(key, "fortran_order") == 0 && !header->has_order) {
      header->has_order = true;
      if (accept(cursor, "True"))
        header->fortran_order = true;
      else if (!accept(cursor, "False"))
        return expected(cursor, "True or False");
    } else if (strcmp(key, "shape") == 0 && !header->has_shape) {
      TRY(parse_shape(cursor, header));
    } else {
      return expected(cursor, "the keys 'descr', 'fortran_order' and 'shape', each once");
    }
    if (!accept(cursor, ",") &&
        (skip_space(cursor), cursor->at >= cursor->end || *cursor->at != '}'))
      return expected(cursor, "',' or '}'");
  }
  if (!header->has_descr || !header->has_order || !header->has_shape)
    return expected(cursor, "the keys 'descr', 'fortran_order' and 'shape'");
  return NN_OK;
}

static Status parse_header(NpyHeader *header, const unsigned char *bytes, size_t size,
                           const char *name, Err *err) {
  if (size < MAGIC_SIZE + 4 || memcmp(bytes, "\x93NUMPY", MAGIC_SIZE) != 0)
    return err_set(err, NN_FORMAT, "%s: not an NPY file: it does not begin with \\x93NUMPY", name);
  unsigned major = bytes[6];
  size_t length, prefix;
  if (major == 1) {
    prefix = 10;
    length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
  } else if (major == 2 || major == 3) {
    prefix = 12;
    if (size < prefix) return err_set(err, NN_FORMAT, "%s: cut off at byte %zu", name, size);
    length = (size_t)bytes[8] | (size_t)bytes[9] << 8 | (size_t)bytes[10] << 16 |
             (size_t)bytes[11] << 24;
  } else {
    return err_set(err, NN_UNSUPPORTED, "%s: NPY version %u.%u is not known (1 to 3 are)", name,
                   major, bytes[7]);
  }
  if (length > size - prefix)
    return err_set(err, NN_FORMAT,
                   "%s: cut off: the header says it is %zu bytes long, but %zu are there", name,
                   length, size - prefix);
  header->size = prefix + length;
  const char *start = (const char *)bytes;
  Cursor cursor = {start + prefix, start + header->size, start, name, err};
  return parse_dict(&cursor, header);
}

/* Fortran order: the first axis varies fastest. Convert as if reversed, then move the elements. */
static Status from_fortran(Tensor *out, Err *err) {
  Tensor reversed = *out, result;
  TRY(tensor_new(&result, out->dtype, &out->shape, err));
  int ndim = out->shape.ndim;
  int64_t stride[MAX_DIMS] = {0}, index[MAX_DIMS] = {0}, step = 1;
  for (int i = 0; i < ndim; i++) {
    stride[i] = step;
    step *= out->shape.dims[i];
  }
  size_t width = dtype_size(out->dtype);
  int64_t count = tensor_count(&result), from = 0;
  for (int64_t to = 0; to < count; to++) {
    memcpy((char *)result.data + (size_t)to * width, (char *)reversed.data + (size_t)from * width,
           width);
    for (int axis = ndim - 1; axis >= 0; axis--) {
      from += stride[axis]; /* NOLINT(clang-analyzer-core.uninitialized.Assign): axis < ndim */
      if (++index[axis] < result.shape.dims[axis]) break;
      from -= stride[axis] * index[axis];
      index[axis] = 0;
    }
  }
  tensor_release(out);
  *out = result;
  return NN_OK;
}

Status npy_parse(Tensor *out, const void *bytes, size_t size, DType dtype, const char *name,
                 Err *err) {
  *out = (Tensor){0};
  NpyHeader header = {0};
  TRY(parse_header(&header, bytes, size, name, err));
  const ElementArray array = {header.element, header.shape, header.big_endian,
                              (const unsigned char *)bytes + header.size, size - header.size};
  TRY(element_read(out, &array, dtype, name, err));
  Status status = NN_OK;
  if (header.fortran_order && header.shape.ndim > 1) status = from_fortran(out, err);
  if (status != NN_OK) tensor_release(out);
  return status;
}

Status npy_read(Tensor *out, const char *path, DType dtype, Err *err) {
  *out = (Tensor){0};
  FileBytes file;
  TRY(file_read(&file, path, FILE_LIMIT, err));
  Status status = npy_parse(out, file.data, file.size, dtype, path, err);
  file_free(&file);
  return status;
}

/* "{'descr': '<f4', ..., }" padded with spaces so that the data begins at a multiple of 64. */
static size_t write_header(char *out, size_t room, const Tensor *tensor) {
  static const char *const descr[] = {
      [DTYPE_F32] = "<f4", [DTYPE_F64] = "<f8", [DTYPE_I64] = "<i8"};
  size_t used = (size_t)snprintf(out, room, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                                 descr[tensor->dtype]);
  for (int i = 0; i < tensor->shape.ndim; i++)
    used += (size_t)snprintf(out + used, room - used, "%" PRId64 ", ", tensor->shape.dims[i]);
  if (tensor->shape.ndim > 1)
    used -= 2; /* (3,) needs its comma, (3, 4) has none at the end */
  else if (tensor->shape.ndim == 1)
    used -= 1;
  used += (size_t)snprintf(out + used, room - used, "), }");
  while ((10 + used + 1) % HEADER_ALIGN != 0) out[used++] = ' ';
  out[used++] = '\n';
  return used;
}

Status npy_encode(FileBytes *out, const Tensor *tensor, Err *err) {
  *out = (FileBytes){0};
  char header[SHAPE_TEXT_SIZE + 2 * HEADER_ALIGN + 64];
  size_t length = write_header(header, sizeof header, tensor), bytes = tensor_bytes(tensor);
  out->size = 10 + length + bytes;
  out->data = malloc(out->size);
  if (!out->data) {
    size_t size = out->size;
    *out = (FileBytes){0};
    return err_set(err, NN_NO_MEMORY, "no memory for %zu bytes of NPY", size);
  }
  memcpy(out->data, "\x93NUMPY\x01", 8); /* the closing NUL is the minor version */
  out->data[8] = (unsigned char)(length & 0xff);
  out->data[9] = (unsigned char)(length >> 8);
  memcpy(out->data + 10, header, length);
  if (bytes > 0) memcpy(out->data + 10 + length, tensor->data, bytes);
  return NN_OK;
}

Status npy_write(const char *path, const Tensor *tensor, Err *err) {
  FileBytes file;
  TRY(npy_encode(&file, tensor, err));
  Status status = file_write(path, file.data, file.size, err);
  file_free(&file);
  return status;
}
