/* Sorting and running totals along an axis. An axis is walked with its stride; every (outer, inner)
 * place is one unit of work. int64 runs in the copies compiled for float32. */
#include "op/kernel/family.h"

enum { RUN = 8 }; /* neighbours put in order by insertion before merging begins */

#define SORT(type, is_nan)                                                                         \
  typedef struct Item_##type {                                                                     \
    type key;                                                                                      \
    int64_t place;                                                                                 \
  } Item_##type;                                                                                   \
  /* Must `b` come before `a`, which stood before it? Equal elements stay as they are. */          \
  static inline bool before_##type(type b, type a, bool descending) {                              \
    if (descending) return b > a || (is_nan(b) && !is_nan(a));                                     \
    return b < a || (is_nan(a) && !is_nan(b));                                                     \
  }                                                                                                \
  static void insert_##type(Item_##type *items, int64_t count, bool descending) {                  \
    for (int64_t i = 1; i < count; i++) {                                                          \
      Item_##type item = items[i];                                                                 \
      int64_t k = i;                                                                               \
      for (; k > 0 && before_##type(item.key, items[k - 1].key, descending); k--)                  \
        items[k] = items[k - 1];                                                                   \
      items[k] = item;                                                                             \
    }                                                                                              \
  }                                                                                                \
  static Item_##type *order_##type(Item_##type *from, Item_##type *to, int64_t n,                  \
                                   bool descending) {                                              \
    for (int64_t i = 0; i < n; i += RUN)                                                           \
      insert_##type(from + i, n - i < RUN ? n - i : RUN, descending);                              \
    for (int64_t width = RUN; width < n; width *= 2) {                                             \
      for (int64_t begin = 0; begin < n; begin += 2 * width) {                                     \
        int64_t middle = begin + width < n ? begin + width : n;                                    \
        int64_t end = middle + width < n ? middle + width : n;                                     \
        int64_t left = begin, right = middle;                                                      \
        for (int64_t k = begin; k < end; k++) {                                                    \
          bool take = left == middle ||                                                            \
                      (right < end && before_##type(from[right].key, from[left].key, descending)); \
          to[k] = take ? from[right++] : from[left++];                                             \
        }                                                                                          \
      }                                                                                            \
      Item_##type *swapped = from;                                                                 \
      from = to;                                                                                   \
      to = swapped;                                                                                \
    }                                                                                              \
    return from;                                                                                   \
  }                                                                                                \
  static void sort_##type(const OpCall *call, AxisView view, Range range, int part) {              \
    bool descending = call->attrs->at[1].number != 0;                                              \
    int64_t n = view.size;                                                                         \
    Item_##type *items = (void *)((char *)call->scratch + (size_t)part * 32 * (size_t)n);          \
    for (int64_t unit = range.begin; unit < range.end; unit++) {                                   \
      int64_t first = unit / view.inner * n * view.inner + unit % view.inner;                      \
      const type *x = (const type *)call->in[0].data + first;                                      \
      for (int64_t i = 0; i < n; i++) items[i] = (Item_##type){x[i * view.inner], i};              \
      const Item_##type *sorted = order_##type(items, items + n, n, descending);                   \
      type *out = (type *)call->out.data + first;                                                  \
      for (int64_t i = 0; i < n; i++) out[i * view.inner] = sorted[i].key;                         \
      int64_t *places = call->more[0].data;                                                        \
      for (int64_t i = 0; places && i < n; i++) places[first + i * view.inner] = sorted[i].place;  \
    }                                                                                              \
  }
#define REAL_NAN(x) ((x) != (x))
#define NEVER(x) false
SORT(real, REAL_NAN)
SORT(int64_t, NEVER)

KERNEL(sort) {
  AxisView view = axis_view(&call->in[0].shape, (int)call->attrs->at[0].number);
  Range range = part_range(view.outer * view.inner, part, parts);
  if (call->in[0].dtype == DTYPE_I64)
    sort_int64_t(call, view, range, part);
  else
    sort_real(call, view, range, part);
}

/* Sums are kept in `wide`: double for floats, so that float32 totals keep their last digits, and
 * unsigned for int64, which wraps around. */
#define RUNNING(name, type, wide, start, join)                                                     \
  static void name(const OpCall *call, AxisView view, Range range, bool reverse) {                 \
    int64_t n = view.size, step = reverse ? -view.inner : view.inner;                              \
    for (int64_t unit = range.begin; unit < range.end && n > 0; unit++) {                          \
      int64_t at = unit / view.inner * n * view.inner + unit % view.inner;                         \
      if (reverse) at += (n - 1) * view.inner;                                                     \
      const type *x = (const type *)call->in[0].data + at;                                         \
      type *out = (type *)call->out.data + at;                                                     \
      wide total = start;                                                                          \
      for (int64_t i = 0; i < n; i++) {                                                            \
        total = total join(wide) x[i * step];                                                      \
        out[i * step] = (type)total;                                                               \
      }                                                                                            \
    }                                                                                              \
  }
RUNNING(sums_real, real, double, 0, +)
RUNNING(sums_int64, int64_t, uint64_t, 0, +)
RUNNING(products_real, real, double, 1, *)
RUNNING(products_int64, int64_t, uint64_t, 1, *)

KERNEL(cumsum) {
  AxisView view = axis_view(&call->in[0].shape, (int)call->attrs->at[0].number);
  Range range = part_range(view.outer * view.inner, part, parts);
  bool reverse = call->attrs->at[1].number != 0;
  if (call->in[0].dtype == DTYPE_I64)
    sums_int64(call, view, range, reverse);
  else
    sums_real(call, view, range, reverse);
}

KERNEL(cumprod) {
  AxisView view = axis_view(&call->in[0].shape, (int)call->attrs->at[0].number);
  Range range = part_range(view.outer * view.inner, part, parts);
  if (call->in[0].dtype == DTYPE_I64)
    products_int64(call, view, range, false);
  else
    products_real(call, view, range, false);
}
