#include "data/hdf5.h"

#include "base/checked.h"
#include "data/element.h"
#include "data/file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is used of HDF5's interface, as hdf5.h 1.10 and later declare it. */
typedef int64_t Hid;
typedef int Herr;
enum { H5_READ_ONLY = 0, H5_DEFAULT = 0, H5_ALL = 0, H5_OBJECT_GROUP = 0, H5_OBJECT_DATASET = 1 };
enum { H5_CLASS_INTEGER = 0, H5_CLASS_FLOAT = 1, H5_CLASS_STRING = 3, H5_CLASS_ENUM = 8 };
enum { H5_MAX_RANK = 32 };

/* result, name, parameters */
#define HDF5_FUNCTIONS(X)                                                                          \
  X(Herr, H5open, (void))                                                                          \
  X(Herr, H5Eset_auto2, (Hid, void *, void *))                                                     \
  X(Hid, H5Fopen, (const char *, unsigned, Hid))                                                   \
  X(Herr, H5Fclose, (Hid))                                                                         \
  X(Hid, H5Gopen2, (Hid, const char *, Hid))                                                       \
  X(Herr, H5Gclose, (Hid))                                                                         \
  X(Herr, H5Gget_num_objs, (Hid, uint64_t *))                                                      \
  X(ssize_t, H5Gget_objname_by_idx, (Hid, uint64_t, char *, size_t))                               \
  X(int, H5Gget_objtype_by_idx, (Hid, uint64_t))                                                   \
  X(Hid, H5Dopen2, (Hid, const char *, Hid))                                                       \
  X(Herr, H5Dclose, (Hid))                                                                         \
  X(Hid, H5Dget_space, (Hid))                                                                      \
  X(Hid, H5Dget_type, (Hid))                                                                       \
  X(uint64_t, H5Dget_storage_size, (Hid))                                                          \
  X(Herr, H5Dread, (Hid, Hid, Hid, Hid, Hid, void *))                                              \
  X(Herr, H5Dvlen_reclaim, (Hid, Hid, Hid, void *))                                                \
  X(int, H5Sget_simple_extent_ndims, (Hid))                                                        \
  X(int, H5Sget_simple_extent_dims, (Hid, uint64_t *, uint64_t *))                                 \
  X(Herr, H5Sclose, (Hid))                                                                         \
  X(int, H5Tget_class, (Hid))                                                                      \
  X(size_t, H5Tget_size, (Hid))                                                                    \
  X(int, H5Tis_variable_str, (Hid))                                                                \
  X(Herr, H5Tclose, (Hid))

typedef struct Hdf5 {
#define X(result, name, parameters) result(*name) parameters;
  HDF5_FUNCTIONS(X)
#undef X
  Hid native[DTYPE_COUNT]; /* memory types of the tensor types */
} Hdf5;

enum { MAX_DEPTH = 32, PATH_SIZE = 1024 };
/* A deflated chunk unpacks to at most 1032 times its size; the rest allows for small files whose
 * fill values were never stored. */
#define MAX_RATIO 1032
#define UNSTORED_BYTES ((size_t)1 << 20)

typedef struct Reader {
  Hdf5 api;
  ArrayList *list;
  const char *file;
  char path[PATH_SIZE]; /* of the object at hand, for names */
  Err *err;
} Reader;

/* Long only as expanded. NOLINTNEXTLINE(readability-function-size) */
static Status load_symbols(Hdf5 *api, void *library, Err *err) {
  static const struct {
    const char *name;
    size_t offset;
  } functions[] = {
#define X(result, name, parameters) {#name, offsetof(Hdf5, name)},
      HDF5_FUNCTIONS(X)
#undef X
  };
  static const char *const types[] = {[DTYPE_F32] = "H5T_NATIVE_FLOAT_g",
                                      [DTYPE_F64] = "H5T_NATIVE_DOUBLE_g",
                                      [DTYPE_I64] = "H5T_NATIVE_INT64_g"};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *symbol = dlsym(library, functions[i].name);
    if (!symbol)
      return err_set(err, NN_UNSUPPORTED, "libhdf5 has no %s: its version is too old",
                     functions[i].name);
    memcpy((char *)api + functions[i].offset, &symbol, sizeof symbol);
  }
  if (api->H5open() < 0) return err_set(err, NN_UNSUPPORTED, "libhdf5 does not start");
  for (int i = 0; i < DTYPE_COUNT; i++) {
    const Hid *type = dlsym(library, types[i]);
    if (!type) return err_set(err, NN_UNSUPPORTED, "libhdf5 has no %s", types[i]);
    api->native[i] = *type;
  }
  api->H5Eset_auto2(H5_DEFAULT, NULL, NULL); /* errors are ours to report */
  return NN_OK;
}

/* The library stays loaded: it is not made to be unloaded. Serial builds, newest first; 103 is
 * Debian 12's and 310 Debian 13's. */
static Status load_library(Hdf5 *api, Err *err) {
  static const char *const names[] = {
      "libhdf5_serial.so.310", "libhdf5_serial.so.103", "libhdf5_serial.so", "libhdf5.so.310",
      "libhdf5.so.200",        "libhdf5.so.103",        "libhdf5.so"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library) return load_symbols(api, library, err);
  }
  return err_set(err, NN_UNSUPPORTED,
                 "reading HDF5 needs its library, which is not installed; install Debian's package "
                 "libhdf5-103 (or libhdf5-dev)");
}

static Status fail(const Reader *reader, const char *what) {
  return err_set(reader->err, NN_FORMAT, "%s: dataset '%s': %s", reader->file, reader->path, what);
}

static Status dataset_shape(const Reader *reader, Hid space, Shape *shape) {
  uint64_t dims[H5_MAX_RANK];
  int ndim = reader->api.H5Sget_simple_extent_ndims(space);
  if (ndim < 0 || ndim > MAX_DIMS)
    return err_set(reader->err, NN_UNSUPPORTED, "%s: dataset '%s' has %d axes, expected 0 to %d",
                   reader->file, reader->path, ndim, MAX_DIMS);
  if (reader->api.H5Sget_simple_extent_dims(space, dims, NULL) < 0)
    return fail(reader, "its shape cannot be read");
  *shape = (Shape){.ndim = ndim};
  for (int i = 0; i < ndim; i++) {
    if (dims[i] > INT64_MAX) return fail(reader, "its shape is beyond 2^63");
    shape->dims[i] = (int64_t)dims[i];
  }
  return NN_OK;
}

/* A stated shape that the stored bytes cannot hold is refused before anything is allocated. */
static Status check_storage(const Reader *reader, Hid dataset, const Shape *shape, size_t size) {
  uint64_t stored = reader->api.H5Dget_storage_size(dataset);
  size_t bytes = size, limit = FILE_LIMIT;
  if (stored < FILE_LIMIT / MAX_RATIO) limit = (size_t)stored * MAX_RATIO + UNSTORED_BYTES;
  for (int i = 0; i < shape->ndim; i++)
    if (!checked_mul(&bytes, bytes, (size_t)shape->dims[i])) bytes = SIZE_MAX;
  char text[SHAPE_TEXT_SIZE];
  if (bytes > limit)
    return err_set(reader->err, NN_TOO_LARGE,
                   "%s: dataset '%s' states shape %s, which its %llu stored bytes cannot hold",
                   reader->file, reader->path, shape_text(shape, text), (unsigned long long)stored);
  return NN_OK;
}

static Status read_numbers(const Reader *reader, NamedArray *item, Hid dataset, const Shape *shape,
                           DType dtype) {
  TRY(tensor_new(&item->tensor, dtype, shape, reader->err));
  if (tensor_count(&item->tensor) == 0) return NN_OK;
  if (reader->api.H5Dread(dataset, reader->api.native[dtype], H5_ALL, H5_ALL, H5_DEFAULT,
                          item->tensor.data) < 0)
    return fail(reader, "its data cannot be read; the file may be cut off");
  return NN_OK;
}

/* Text of fixed width: cells padded with NULs or spaces, read as the file stores them. */
static Status read_fixed_texts(const Reader *reader, NamedArray *item, Hid dataset, Hid type,
                               size_t width) {
  size_t count = (size_t)item->text_count;
  char *cells = malloc(count * width + 1);
  if (!cells) return err_set(reader->err, NN_NO_MEMORY, "%s: no memory for texts", reader->file);
  Status status = NN_OK;
  if (reader->api.H5Dread(dataset, type, H5_ALL, H5_ALL, H5_DEFAULT, cells) < 0)
    status = fail(reader, "its text cannot be read");
  for (size_t i = 0; status == NN_OK && i < count; i++) {
    size_t length = strnlen(cells + i * width, width);
    while (length > 0 && cells[i * width + length - 1] == ' ') length--;
    item->texts[i] = arena_strndup(&reader->list->arena, cells + i * width, length);
    if (!item->texts[i]) status = err_set(reader->err, NN_NO_MEMORY, "no memory for texts");
  }
  free(cells);
  return status;
}

static Status read_variable_texts(const Reader *reader, NamedArray *item, Hid dataset, Hid type,
                                  Hid space) {
  size_t count = (size_t)item->text_count;
  char **cells = calloc(count + 1, sizeof *cells);
  if (!cells) return err_set(reader->err, NN_NO_MEMORY, "%s: no memory for texts", reader->file);
  Status status = NN_OK;
  if (reader->api.H5Dread(dataset, type, H5_ALL, H5_ALL, H5_DEFAULT, cells) < 0)
    status = fail(reader, "its text cannot be read");
  for (size_t i = 0; status == NN_OK && i < count; i++) {
    item->texts[i] = arena_strdup(&reader->list->arena, cells[i] ? cells[i] : "");
    if (!item->texts[i]) status = err_set(reader->err, NN_NO_MEMORY, "no memory for texts");
  }
  reader->api.H5Dvlen_reclaim(type, space, H5_DEFAULT, cells);
  free(cells);
  return status;
}

static Status read_texts(const Reader *reader, NamedArray *item, Hid dataset, Hid type, Hid space,
                         const Shape *shape) {
  size_t count = (size_t)shape_count(shape);
  item->texts = ARENA_ARRAY(&reader->list->arena, char *, count + 1);
  if (!item->texts) return err_set(reader->err, NN_NO_MEMORY, "no memory for texts");
  item->text_count = (int64_t)count;
  if (reader->api.H5Tis_variable_str(type) > 0)
    return read_variable_texts(reader, item, dataset, type, space);
  return read_fixed_texts(reader, item, dataset, type, reader->api.H5Tget_size(type));
}

static Status read_typed(Reader *reader, Hid dataset, Hid type, Hid space) {
  int class = reader->api.H5Tget_class(type);
  size_t size = reader->api.H5Tget_size(type);
  bool whole = class == H5_CLASS_INTEGER || class == H5_CLASS_ENUM;
  if (!whole && class != H5_CLASS_FLOAT && class != H5_CLASS_STRING) return NN_OK;
  Shape shape;
  TRY(dataset_shape(reader, space, &shape));
  TRY(check_storage(reader, dataset, &shape, size));
  NamedArray *item;
  TRY(array_list_add(&item, reader->list, reader->path, strlen(reader->path), reader->err));
  if (class == H5_CLASS_STRING) return read_texts(reader, item, dataset, type, space, &shape);
  DType dtype = whole ? DTYPE_I64 : size <= sizeof(float) ? DTYPE_F32 : DTYPE_F64;
  return read_numbers(reader, item, dataset, &shape, dtype);
}

static Status read_dataset(Reader *reader, Hid group, const char *name) {
  const Hdf5 *api = &reader->api;
  Hid dataset = api->H5Dopen2(group, name, H5_DEFAULT);
  if (dataset < 0) return fail(reader, "it cannot be opened");
  Hid type = api->H5Dget_type(dataset), space = api->H5Dget_space(dataset);
  Status status = type < 0 || space < 0 ? fail(reader, "its type or shape cannot be read")
                                        : read_typed(reader, dataset, type, space);
  if (type >= 0) api->H5Tclose(type);
  if (space >= 0) api->H5Sclose(space);
  api->H5Dclose(dataset);
  return status;
}

/* Add "/name" to the path at hand (or "name" at the top). */
static Status enter(Reader *reader, const char *name) {
  size_t used = strlen(reader->path);
  int length = snprintf(reader->path + used, PATH_SIZE - used, "%s%s", used ? "/" : "", name);
  if (length < 0 || (size_t)length >= PATH_SIZE - used)
    return err_set(reader->err, NN_TOO_LARGE, "%s: names nested longer than %d bytes", reader->file,
                   PATH_SIZE);
  return NN_OK;
}

static Status read_group(Reader *reader, Hid group, int depth) {
  const Hdf5 *api = &reader->api;
  uint64_t count = 0;
  if (api->H5Gget_num_objs(group, &count) < 0) return fail(reader, "it cannot be listed");
  size_t length = strlen(reader->path);
  for (uint64_t i = 0; i < count; i++) {
    char name[PATH_SIZE];
    if (api->H5Gget_objname_by_idx(group, i, name, sizeof name) < 0)
      return fail(reader, "a name cannot be read");
    TRY(enter(reader, name));
    int kind = api->H5Gget_objtype_by_idx(group, i);
    if (kind == H5_OBJECT_DATASET) {
      TRY(read_dataset(reader, group, name));
    } else if (kind == H5_OBJECT_GROUP) {
      if (depth == MAX_DEPTH) return fail(reader, "groups are nested too deeply, or in a circle");
      Hid inner = api->H5Gopen2(group, name, H5_DEFAULT);
      if (inner < 0) return fail(reader, "it cannot be opened");
      Status status = read_group(reader, inner, depth + 1);
      api->H5Gclose(inner);
      TRY(status);
    }
    reader->path[length] = '\0';
  }
  return NN_OK;
}

/* HDF5's own words do not say these. */
static Status check_readable(const char *path, Err *err) {
  static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  unsigned char begin[8] = {0};
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    FileBytes file; /* says why, as for every other file */
    Status status = file_read(&file, path, sizeof begin, err);
    file_free(&file);
    return status == NN_OK ? err_set(err, NN_IO, "%s: cannot open", path) : status;
  }
  ssize_t got = read(fd, begin, sizeof begin);
  int code = errno;
  close(fd);
  if (got < 0) return err_set(err, NN_IO, "%s: cannot read: %s", path, strerror(code));
  if (got == (ssize_t)sizeof begin && memcmp(begin, signature, sizeof begin) == 0) return NN_OK;
  return err_set(err, NN_FORMAT, "%s: not an HDF5 file: it does not begin with \\x89HDF", path);
}

Status hdf5_read(ArrayList *out, const char *path, Err *err) {
  *out = (ArrayList){0};
  TRY(check_readable(path, err));
  Reader reader = {.list = out, .file = path, .err = err};
  TRY(load_library(&reader.api, err));
  Hid file = reader.api.H5Fopen(path, H5_READ_ONLY, H5_DEFAULT);
  if (file < 0)
    return err_set(err, NN_FORMAT, "%s: damaged or cut off HDF5 file (or in use by a writer)",
                   path);
  Hid root = reader.api.H5Gopen2(file, "/", H5_DEFAULT);
  Status status = root < 0 ? fail(&reader, "it cannot be opened") : read_group(&reader, root, 0);
  if (root >= 0) reader.api.H5Gclose(root);
  reader.api.H5Fclose(file);
  if (status != NN_OK) array_list_free(out);
  return status;
}
