#include "data/element.h"

#include "base/checked.h"

#include <inttypes.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HOST_BIG_ENDIAN true
#else
#define HOST_BIG_ENDIAN false
#endif

static size_t element_size(Element element) {
  static const size_t sizes[] = {
#define X(name, type, natural) [ELEMENT_##name] = sizeof(type),
      ELEMENT_LIST(X)
#undef X
  };
  return sizes[element];
}

static DType element_natural(Element element) {
  static const DType natural[] = {
#define X(name, type, dtype) [ELEMENT_##name] = (dtype),
      ELEMENT_LIST(X)
#undef X
  };
  return natural[element];
}

static Status element_bytes(size_t *out, Element element, const Shape *shape, DType dtype,
                            const char *name, Err *err) {
  Status status = shape_check(shape, dtype, err);
  if (status != NN_OK) {
    err_prefix(err, "%s", name);
    return status;
  }
  size_t bytes = element_size(element);
  for (int i = 0; i < shape->ndim; i++)
    if (!checked_mul(&bytes, bytes, (size_t)shape->dims[i])) {
      char text[SHAPE_TEXT_SIZE];
      return err_set(err, NN_TOO_LARGE, "%s: shape %s is more than any file holds", name,
                     shape_text(shape, text));
    }
  *out = bytes;
  return NN_OK;
}

/* Elements in a file need not be aligned; memcpy of a fixed size compiles to one load. */
static void swap_bytes(unsigned char *bytes, size_t size) {
  for (size_t i = 0; i < size / 2; i++) {
    unsigned char byte = bytes[i];
    bytes[i] = bytes[size - 1 - i];
    bytes[size - 1 - i] = byte;
  }
}

#define LOAD(type, value, bytes, index, swap)                                                      \
  type value;                                                                                      \
  memcpy(&value, (const unsigned char *)(bytes) + (size_t)(index) * sizeof value, sizeof value);   \
  if (swap) swap_bytes((unsigned char *)&value, sizeof value)

/* Every source type to each of the three tensor types. The swap test is constant in each call, so
 * the common loops are free of it and vectorise. Integers: the first element that an int64 cannot
 * hold exactly is returned, or -1. */
#define X(name, type, natural)                                                                     \
  static inline void to_f32_##name(float *out, const void *bytes, int64_t n, bool swap) {          \
    for (int64_t i = 0; i < n; i++) {                                                              \
      LOAD(type, value, bytes, i, swap);                                                           \
      out[i] = (float)value;                                                                       \
    }                                                                                              \
  }                                                                                                \
  static inline void to_f64_##name(double *out, const void *bytes, int64_t n, bool swap) {         \
    for (int64_t i = 0; i < n; i++) {                                                              \
      LOAD(type, value, bytes, i, swap);                                                           \
      out[i] = (double)value;                                                                      \
    }                                                                                              \
  }                                                                                                \
  static inline int64_t to_i64_##name(int64_t *out, const void *bytes, int64_t n, bool swap) {     \
    for (int64_t i = 0; i < n; i++) {                                                              \
      LOAD(type, value, bytes, i, swap);                                                           \
      double real = (double)value;                                                                 \
      if (ELEMENT_##name >= ELEMENT_U64 && ELEMENT_##name != ELEMENT_I64 &&                        \
          !(real >= -9223372036854775808.0 && real < 9223372036854775808.0))                       \
        return i;                                                                                  \
      out[i] = (int64_t)value;                                                                     \
      if (ELEMENT_##name >= ELEMENT_F32 && (double)out[i] != real) return i;                       \
    }                                                                                              \
    return -1;                                                                                     \
  }                                                                                                \
  static int64_t convert_##name(Tensor *out, const void *bytes, int64_t n, bool swap) {            \
    if (out->dtype == DTYPE_I64)                                                                   \
      return swap ? to_i64_##name(out->data, bytes, n, true)                                       \
                  : to_i64_##name(out->data, bytes, n, false);                                     \
    if (out->dtype == DTYPE_F64) {                                                                 \
      if (swap)                                                                                    \
        to_f64_##name(out->data, bytes, n, true);                                                  \
      else                                                                                         \
        to_f64_##name(out->data, bytes, n, false);                                                 \
    } else {                                                                                       \
      if (swap)                                                                                    \
        to_f32_##name(out->data, bytes, n, true);                                                  \
      else                                                                                         \
        to_f32_##name(out->data, bytes, n, false);                                                 \
    }                                                                                              \
    return -1;                                                                                     \
  }
ELEMENT_LIST(X)
#undef X

static Status element_convert(Tensor *out, const void *bytes, Element element, bool big_endian,
                              const char *name, Err *err) {
  typedef int64_t (*Convert)(Tensor *, const void *, int64_t, bool);
  static const Convert converts[] = {
#define X(type_name, type, natural) [ELEMENT_##type_name] = convert_##type_name,
      ELEMENT_LIST(X)
#undef X
  };
  bool swap = big_endian != HOST_BIG_ENDIAN && element_size(element) > 1;
  int64_t bad = converts[element](out, bytes, tensor_count(out), swap);
  if (bad >= 0)
    return err_set(err, NN_DTYPE, "%s: element %" PRId64 " is not a whole number within int64",
                   name, bad + 1);
  return NN_OK;
}

Status element_read(Tensor *out, const ElementArray *array, DType dtype, const char *name,
                    Err *err) {
  *out = (Tensor){0};
  if (dtype == DTYPE_NATURAL) dtype = element_natural(array->element);
  size_t wanted = 0;
  char text[SHAPE_TEXT_SIZE];
  TRY(element_bytes(&wanted, array->element, &array->shape, dtype, name, err));
  if (wanted != array->size)
    return err_set(err, NN_FORMAT,
                   "%s: %s: the header says shape %s, that is %zu bytes of data, but %zu are there",
                   name, wanted > array->size ? "cut off" : "too long",
                   shape_text(&array->shape, text), wanted, array->size);
  TRY(tensor_new(out, dtype, &array->shape, err));
  Status status = element_convert(out, array->data, array->element, array->big_endian, name, err);
  if (status != NN_OK) tensor_release(out);
  return status;
}
