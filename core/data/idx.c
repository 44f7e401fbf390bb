#include "data/idx.h"

#include "data/element.h"
#include "data/file.h"

typedef struct IdxHeader {
  Element element;
  Shape shape;
  size_t size; /* bytes of the header */
} IdxHeader;

static Status element_of_code(Element *out, unsigned code, const char *name, Err *err) {
  switch (code) {
  case 0x08: *out = ELEMENT_U8; return NN_OK;
  case 0x09: *out = ELEMENT_I8; return NN_OK;
  case 0x0B: *out = ELEMENT_I16; return NN_OK;
  case 0x0C: *out = ELEMENT_I32; return NN_OK;
  case 0x0D: *out = ELEMENT_F32; return NN_OK;
  case 0x0E: *out = ELEMENT_F64; return NN_OK;
  default:
    return err_set(err, NN_FORMAT,
                   "%s: byte 3: element type 0x%02x is not one of IDX's (0x08 unsigned byte, 0x09 "
                   "byte, 0x0B short, 0x0C int, 0x0D float, 0x0E double)",
                   name, code);
  }
}

static Status parse_header(IdxHeader *header, const unsigned char *bytes, size_t size,
                           const char *name, Err *err) {
  if (size < 4)
    return err_set(err, NN_FORMAT, "%s: %zu bytes are too few for an IDX header of at least 4",
                   name, size);
  if (bytes[0] != 0 || bytes[1] != 0)
    return err_set(err, NN_FORMAT,
                   "%s: not an IDX file: it begins with bytes %02x %02x %02x %02x, expected 00 00 "
                   "and then an element type and a number of axes",
                   name, bytes[0], bytes[1], bytes[2], bytes[3]);
  TRY(element_of_code(&header->element, bytes[2], name, err));
  int ndim = bytes[3];
  if (ndim < 1 || ndim > MAX_DIMS)
    return err_set(err, NN_FORMAT, "%s: byte 4: %d axes, expected 1 to %d", name, ndim, MAX_DIMS);
  header->size = 4 + 4 * (size_t)ndim;
  if (size < header->size)
    return err_set(err, NN_FORMAT, "%s: cut off at byte %zu, inside the header of %zu bytes", name,
                   size, header->size);
  header->shape.ndim = ndim;
  for (int i = 0; i < ndim; i++) {
    const unsigned char *dim = bytes + 4 + 4 * i;
    header->shape.dims[i] = (int64_t)((uint32_t)dim[0] << 24 | (uint32_t)dim[1] << 16 |
                                      (uint32_t)dim[2] << 8 | (uint32_t)dim[3]);
  }
  return NN_OK;
}

Status idx_parse(Tensor *out, const void *bytes, size_t size, DType dtype, const char *name,
                 Err *err) {
  *out = (Tensor){0};
  IdxHeader header = {0};
  TRY(parse_header(&header, bytes, size, name, err));
  const ElementArray array = {header.element, header.shape, true,
                              (const unsigned char *)bytes + header.size, size - header.size};
  return element_read(out, &array, dtype, name, err);
}

Status idx_read(Tensor *out, const char *path, DType dtype, Err *err) {
  *out = (Tensor){0};
  FileBytes file;
  TRY(file_read(&file, path, FILE_LIMIT, err));
  Status status = idx_parse(out, file.data, file.size, dtype, path, err);
  file_free(&file);
  return status;
}
