#include "data/npz.h"

#include "data/element.h"
#include "data/npy.h"
#include "data/zip.h"

#include <stdio.h>
#include <string.h>

enum { LABEL_SIZE = 256, SUFFIX_LENGTH = 4 };

static Status parse_entry(ArrayList *out, const ZipArchive *archive, const ZipEntry *entry,
                          Err *err) {
  size_t length = entry->name_length;
  if (length <= SUFFIX_LENGTH || memcmp(entry->name + length - SUFFIX_LENGTH, ".npy", 4) != 0)
    return err_set(err, NN_FORMAT, "%s: entry '%.*s' is not an .npy array", archive->path,
                   (int)length, entry->name);
  FileBytes bytes;
  TRY(zip_extract(&bytes, archive, entry, err));
  char label[LABEL_SIZE];
  snprintf(label, sizeof label, "%s: %.*s", archive->path, (int)length, entry->name);
  NamedArray *item;
  Status status = array_list_add(&item, out, entry->name, length - SUFFIX_LENGTH, err);
  if (status == NN_OK)
    status = npy_parse(&item->tensor, bytes.data, bytes.size, DTYPE_NATURAL, label, err);
  file_free(&bytes);
  return status;
}

Status npz_parse(ArrayList *out, const void *bytes, size_t size, const char *name, Err *err) {
  *out = (ArrayList){0};
  Arena arena = {0};
  ZipArchive archive;
  Status status = zip_list(&archive, &arena, bytes, size, name, err);
  for (size_t i = 0; status == NN_OK && i < archive.count; i++)
    status = parse_entry(out, &archive, &archive.entries[i], err);
  arena_free(&arena);
  if (status != NN_OK) array_list_free(out);
  return status;
}

Status npz_read(ArrayList *out, const char *path, Err *err) {
  *out = (ArrayList){0};
  FileBytes file;
  TRY(file_read(&file, path, FILE_LIMIT, err));
  Status status = npz_parse(out, file.data, file.size, path, err);
  file_free(&file);
  return status;
}

static Status add_array(ZipWriter *writer, const char *name, const Tensor *tensor, Err *err) {
  char entry[LABEL_SIZE];
  int length = snprintf(entry, sizeof entry, "%s.npy", name);
  if (length < 0 || (size_t)length >= sizeof entry)
    return err_set(err, NN_BAD_ARGUMENT, "'%.40s...': a name longer than %d bytes", name,
                   LABEL_SIZE - 1 - SUFFIX_LENGTH);
  FileBytes bytes;
  TRY(npy_encode(&bytes, tensor, err));
  Status status = zip_writer_add(writer, entry, bytes.data, bytes.size, err);
  file_free(&bytes);
  return status;
}

Status npz_write(const char *path, const char *const names[], const Tensor *const tensors[],
                 size_t count, Err *err) {
  ZipWriter writer = {0};
  Status status = NN_OK;
  for (size_t i = 0; status == NN_OK && i < count; i++)
    status = add_array(&writer, names[i], tensors[i], err);
  if (status == NN_OK) status = zip_writer_end(&writer, err);
  if (status == NN_OK) status = file_write(path, writer.bytes.data, writer.bytes.size, err);
  zip_writer_free(&writer);
  return status;
}
