/* Rows by index, and their gradient added up. */
#include "op/kernel/family.h"

#include <string.h>

static int64_t row_size(const Shape *table) {
  int64_t size = 1;
  for (int i = 1; i < table->ndim; i++) size *= table->dims[i];
  return size;
}

KERNEL(take) {
  const real *table = call->in[0].data;
  const int64_t *indices = call->in[1].data;
  int64_t rows = call->in[0].shape.dims[0], size = row_size(&call->in[0].shape);
  Range range = part_range(shape_count(&call->in[1].shape), part, parts);
  for (int64_t i = range.begin; i < range.end; i++) {
    real *out = (real *)call->out.data + i * size;
    if (indices[i] >= 0 && indices[i] < rows) {
      memcpy(out, table + indices[i] * size, (size_t)size * sizeof *out);
    } else {
      for (int64_t k = 0; k < size; k++) out[k] = (real)NAN;
    }
  }
}

/* Each part owns a range of the table's rows and adds what belongs there, in the order of indices.
 */
KERNEL(take_grad) {
  const real *g = call->in[0].data;
  const int64_t *indices = call->in[1].data;
  real *out = call->out.data;
  int64_t count = shape_count(&call->in[1].shape), size = row_size(&call->out.shape);
  int64_t padding = (int64_t)call->attrs->at[1].number;
  Range range = part_range(call->out.shape.dims[0], part, parts);
  if (!call->accumulate && range.end > range.begin)
    memset(out + range.begin * size, 0, (size_t)((range.end - range.begin) * size) * sizeof *out);
  for (int64_t i = 0; i < count; i++) {
    if (indices[i] < range.begin || indices[i] >= range.end || indices[i] == padding) continue;
    real *row = out + indices[i] * size;
    for (int64_t k = 0; k < size; k++) row[k] += g[i * size + k];
  }
}
