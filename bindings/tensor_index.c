/* Reading and writing parts of a tensor: t[i], t[{i, {first, last, step}}], t["2:5, -1"], t[mask],
 * t[places], and the same with = value.
 *
 * A selection has one pick for each axis: one element (the axis goes away), a range, or a list of
 * places. Numbers count from 1, or from the end when negative; int64 tensors hold places as argmax,
 * sort and labels give them, from 0; other tensors are masks. Elements or whole rows of the first
 * axis are views and share memory; every other selection is a copy. */
#include "node.h"
#include "tensor.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Elements first, first + step, ... of an axis, or those at `places`. */
typedef struct Pick {
  bool drops; /* one element: the axis goes away */
  bool full;  /* the axis as it is */
  int64_t first, count, step;
  const int64_t *places; /* from 0, checked; NULL: a range */
} Pick;

typedef struct Selection {
  int axes; /* of the tensor */
  Pick pick[MAX_DIMS];
  Shape shape; /* of the result */
} Selection;

static int out_of_axis(lua_State *L, int64_t index, int axis, const Shape *shape) {
  char text[SHAPE_TEXT_SIZE];
  return binding_raisef(L, "index %lld is outside axis %d of shape %s%s", (long long)index,
                        axis + 1, shape_text(shape, text),
                        index == 0 ? "; indices count from 1" : "");
}

/* ---- picks ---- */

static Pick pick_all(const Shape *shape, int axis) {
  return (Pick){.full = true, .count = shape->dims[axis], .step = 1};
}

int64_t tensor_check_place(lua_State *L, int64_t index, const Shape *shape, int axis) {
  int64_t size = shape->dims[axis], place = index < 0 ? index + size : index - 1;
  if (index == 0 || place < 0 || place >= size) out_of_axis(L, index, axis, shape);
  return place;
}

static Pick pick_one(lua_State *L, int64_t index, const Shape *shape, int axis) {
  int64_t place = tensor_check_place(L, index, shape, axis);
  return (Pick){.drops = true, .first = place, .count = 1, .step = 1};
}

/* {first, last, step}; a range may be empty, but it may not leave the axis. */
static Pick pick_range(lua_State *L, int64_t first, int64_t last, int64_t step, const Shape *shape,
                       int axis) {
  int64_t size = shape->dims[axis];
  int64_t begin = first < 0 ? first + size : first - 1, end = last < 0 ? last + size : last - 1;
  if (step == 0) binding_raisef(L, "a range cannot have the step 0");
  int64_t count = step > 0 ? (end - begin) / step + 1 : (begin - end) / -step + 1;
  if ((step > 0 && end < begin) || (step < 0 && end > begin)) count = 0;
  if (count > 0 && (first == 0 || begin < 0 || begin >= size)) out_of_axis(L, first, axis, shape);
  if (count > 0 && (last == 0 || end < 0 || end >= size)) out_of_axis(L, last, axis, shape);
  Pick pick = {.first = begin, .count = count, .step = step};
  pick.full = step == 1 && begin == 0 && count == size;
  return pick;
}

static int64_t list_entry(lua_State *L, int index, int at, int64_t fallback) {
  int exact = 1;
  lua_rawgeti(L, index, at);
  int64_t value = lua_isnil(L, -1) ? fallback : lua_tointegerx(L, -1, &exact);
  if (!exact) binding_raisef(L, "a range is { first, last, step } of whole numbers");
  lua_pop(L, 1);
  return value;
}

static Pick pick_table(lua_State *L, int index, const Shape *shape, int axis) {
  size_t length = lua_rawlen(L, index);
  if (length == 0) return pick_all(shape, axis);
  if (length == 1 || length > 3)
    binding_raisef(L, "a range is { first, last } or { first, last, step }; a list of places is a "
                      "tensor.new({...}, \"int64\"), counted from 0");
  return pick_range(L, list_entry(L, index, 1, 1), list_entry(L, index, 2, -1),
                    list_entry(L, index, 3, 1), shape, axis);
}

/* Places of an axis as a checked copy on the stack. */
static Pick pick_places(lua_State *L, const Tensor *list, const Shape *shape, int axis) {
  int64_t count = tensor_count(list), size = shape->dims[axis];
  int64_t *places = lua_newuserdatauv(L, (size_t)count * sizeof *places + 1, 0);
  for (int64_t i = 0; i < count; i++) {
    int64_t place = ((const int64_t *)list->data)[i];
    places[i] = place < 0 ? place + size : place;
    if (places[i] < 0 || places[i] >= size)
      binding_raisef(L, "place %lld is outside axis %d, which has the places 0 to %lld",
                     (long long)place, axis + 1, (long long)size - 1);
  }
  return (Pick){.count = count, .step = 1, .places = places};
}

static Pick pick_mask(lua_State *L, const Tensor *mask, int64_t size, int axis) {
  char text[SHAPE_TEXT_SIZE];
  if (tensor_count(mask) != size)
    binding_raisef(L, "a mask of shape %s does not fit axis %d, which has %lld elements",
                   shape_text(&mask->shape, text), axis + 1, (long long)size);
  int64_t *places = lua_newuserdatauv(L, (size_t)size * sizeof *places + 1, 0), count = 0;
  for (int64_t i = 0; i < size; i++)
    if (tensor_get(mask, i) != 0) places[count++] = i;
  return (Pick){.count = count, .step = 1, .places = places};
}

static Pick pick_tensor(lua_State *L, const Tensor *tensor, const Shape *shape, int axis) {
  if (tensor->shape.ndim > 1)
    binding_raisef(L,
                   "places or a mask of one axis among others must have one axis, not %d; for "
                   "one element of each row see gather",
                   tensor->shape.ndim);
  return tensor->dtype == DTYPE_I64 ? pick_places(L, tensor, shape, axis)
                                    : pick_mask(L, tensor, shape->dims[axis], axis);
}

/* "3", "2:5", ":", "::-1": one part of a text between commas, which ends at `end`. */
static Pick pick_text(lua_State *L, const char *text, const char *end, const Shape *shape,
                      int axis) {
  int64_t value[3] = {1, -1, 1};
  bool given[3] = {false};
  int parts = 1;
  while (text < end) {
    char *after;
    if (isspace((unsigned char)*text)) {
      text++;
    } else if (*text == ':' && parts < 3) {
      parts++;
      text++;
    } else {
      value[parts - 1] = strtoll(text, &after, 10);
      if (after == text || given[parts - 1])
        binding_raisef(L, "an index such as \"2:5, -1\" has numbers, colons and commas, not '%c'",
                       *text);
      given[parts - 1] = true;
      text = after;
    }
  }
  if (parts == 1 && given[0]) return pick_one(L, value[0], shape, axis);
  if (parts == 1) binding_raisef(L, "an index such as \"2:5, -1\" has a part for each axis");
  if (value[2] < 0 && !given[0]) value[0] = -1;
  if (value[2] < 0 && !given[1]) value[1] = 1;
  if (shape->dims[axis] == 0 && !given[0] && !given[1]) return pick_all(shape, axis);
  return pick_range(L, value[0], value[1], value[2], shape, axis);
}

static Pick pick_entry(lua_State *L, int index, const Shape *shape, int axis) {
  int exact = 0;
  int64_t number = lua_tointegerx(L, index, &exact);
  const Tensor *tensor = binding_test_tensor(L, index);
  switch (lua_type(L, index)) {
  case LUA_TNUMBER:
    if (!exact)
      binding_raisef(L, "an index must be a whole number, got %g", lua_tonumber(L, index));
    return pick_one(L, number, shape, axis);
  case LUA_TTABLE: return pick_table(L, index, shape, axis);
  case LUA_TSTRING: {
    const char *text = lua_tostring(L, index);
    return pick_text(L, text, text + strlen(text), shape, axis);
  }
  default:
    if (tensor) return pick_tensor(L, tensor, shape, axis);
    binding_raisef(L,
                   "an axis is indexed by a number, a range {first, last, step}, {} for all of "
                   "it, places or a mask; got %s",
                   luaL_typename(L, index));
    return (Pick){0};
  }
}

/* ---- selections ---- */

static void too_many(lua_State *L, int given, const Shape *shape) {
  char text[SHAPE_TEXT_SIZE];
  if (given > shape->ndim)
    binding_raisef(L, "%d indices for a tensor of shape %s%s", given, shape_text(shape, text),
                   shape->ndim == 1 ? "; a range is t[{ { first, last } }]" : "");
}

static void select_table(lua_State *L, int key, const Shape *shape, Selection *selection) {
  int given = (int)lua_rawlen(L, key);
  too_many(L, given, shape);
  for (int i = 0; i < given; i++) {
    lua_rawgeti(L, key, i + 1);
    selection->pick[i] = pick_entry(L, lua_gettop(L), shape, i);
  }
}

static void select_text(lua_State *L, const char *text, const Shape *shape, Selection *selection) {
  int given = 1;
  for (const char *c = text; *c; c++) given += *c == ',';
  too_many(L, given, shape);
  for (int i = 0; i < given; i++) {
    const char *end = text + strcspn(text, ",");
    selection->pick[i] = pick_text(L, text, end, shape, i);
    text = end + 1;
  }
}

/* The selection that the key at `key` makes of a tensor of this shape. A mask of the whole shape
 * changes `shape` to what it selects from. */
static void select_key(lua_State *L, int key, Shape *shape, Selection *selection) {
  const Tensor *by = binding_test_tensor(L, key);
  luaL_checkstack(L, 2 * MAX_DIMS, "index");
  bool flat = by && by->dtype != DTYPE_I64 && by->shape.ndim > 1;
  if (flat) {
    char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];
    if (!shape_equal(&by->shape, shape))
      binding_raisef(L, "a mask of shape %s does not fit a tensor of shape %s",
                     shape_text(&by->shape, a), shape_text(shape, b));
    *shape = (Shape){.ndim = 1, .dims = {tensor_count(by)}};
  }
  if (shape->ndim == 0)
    binding_raisef(L, "a tensor without axes has no elements to index; see item");
  selection->axes = shape->ndim;
  for (int i = 0; i < shape->ndim; i++) selection->pick[i] = pick_all(shape, i);
  if (lua_type(L, key) == LUA_TTABLE)
    select_table(L, key, shape, selection);
  else if (lua_type(L, key) == LUA_TSTRING)
    select_text(L, lua_tostring(L, key), shape, selection);
  else if (flat)
    selection->pick[0] = pick_mask(L, by, shape->dims[0], 0);
  else if (by && by->dtype == DTYPE_I64)
    selection->pick[0] = pick_places(L, by, shape, 0);
  else
    selection->pick[0] = pick_entry(L, key, shape, 0);
  selection->shape = (Shape){0};
  bool wide = by && by->dtype == DTYPE_I64; /* its axes take the place of the first */
  if (wide) selection->shape = by->shape;
  if (selection->shape.ndim + selection->axes - 1 > MAX_DIMS)
    binding_raisef(L, "the result would have more than %d axes", MAX_DIMS);
  for (int i = wide ? 1 : 0; i < selection->axes; i++)
    if (!selection->pick[i].drops)
      selection->shape.dims[selection->shape.ndim++] = selection->pick[i].count;
}

/* ---- copying ---- */

static int64_t pick_place(const Pick *pick, int64_t i) {
  return pick->places ? pick->places[i] : pick->first + i * pick->step;
}

/* Go through the selected elements in order, in runs of `bytes` that are neighbours in both. */
typedef struct Walk {
  const Selection *selection;
  int outer; /* axes before the runs */
  size_t bytes;
  size_t step[MAX_DIMS]; /* of the tensor, in bytes */
} Walk;

static Walk walk_make(const Selection *selection, const Tensor *tensor) {
  Walk walk = {.selection = selection, .outer = selection->axes};
  size_t step = dtype_size(tensor->dtype);
  for (int i = selection->axes - 1; i >= 0; i--) {
    walk.step[i] = step;
    step *= (size_t)tensor->shape.dims[i];
  }
  walk.bytes = dtype_size(tensor->dtype);
  while (walk.outer > 0 && selection->pick[walk.outer - 1].full)
    walk.bytes *= (size_t)tensor->shape.dims[--walk.outer];
  return walk;
}

/* `writes`: from packed to the tensor; a step of 0 writes the same run everywhere. */
static void walk_copy(const Walk *walk, int axis, char *at, char **packed, size_t packed_step,
                      bool writes) {
  if (axis == walk->outer) {
    memcpy(writes ? at : *packed, writes ? *packed : at, walk->bytes);
    *packed += packed_step;
    return;
  }
  const Pick *pick = &walk->selection->pick[axis];
  for (int64_t i = 0; i < pick->count; i++)
    walk_copy(walk, axis + 1, at + (size_t)pick_place(pick, i) * walk->step[axis], packed,
              packed_step, writes);
}

/* Rows of the first axis that follow one another, or one of them: no copy is needed. */
static bool is_view(const Selection *selection) {
  const Pick *first = &selection->pick[0];
  if (first->places || first->step != 1) return false;
  for (int i = 1; i < selection->axes; i++)
    if (!selection->pick[i].full) return false;
  return true;
}

/* A selection of a tensor that takes part in a gradient, or of a value of a graph, is made of
 * operations, in Lua. */
static int select_by_ops(lua_State *L, const Selection *selection) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "tensor.select");
  lua_call(L, 1, 1);
  lua_pushvalue(L, 1);
  lua_createtable(L, selection->axes, 0);
  for (int i = 0; i < selection->axes; i++) {
    const Pick *pick = &selection->pick[i];
    bool run = !pick->places && pick->step == 1 && pick->count > 0;
    lua_createtable(L, 0, 3);
    if (run) {
      binding_set_integer(L, "first", pick->first + 1);
      binding_set_integer(L, "last", pick->first + pick->count);
      binding_set_flag(L, "full", pick->full);
    } else {
      Err err;
      Tensor *places = binding_new_tensor(L);
      Shape shape = {.ndim = 1, .dims = {pick->count}};
      if (tensor_new(places, DTYPE_I64, &shape, &err) != NN_OK) return binding_raise(L, &err);
      for (int64_t k = 0; k < pick->count; k++) ((int64_t *)places->data)[k] = pick_place(pick, k);
      lua_setfield(L, -2, "places");
    }
    lua_rawseti(L, -2, i + 1);
  }
  binding_push_shape(L, &selection->shape);
  lua_call(L, 3, 1);
  return 1;
}

static int index_selection(lua_State *L) {
  Err err;
  Selection selection;
  Tensor tensor = *binding_check_tensor(L, 1);
  bool tracked = ((const TensorBox *)lua_touserdata(L, 1))->tracked;
  select_key(L, 2, &tensor.shape, &selection);
  if (tracked) return select_by_ops(L, &selection);
  if (selection.shape.ndim == 0 && is_view(&selection)) {
    tensor_push_element(L, &tensor, selection.pick[0].first);
    return 1;
  }
  Tensor *out = binding_new_tensor(L);
  if (is_view(&selection)) {
    const Pick *first = &selection.pick[0];
    if (tensor_rows(out, &tensor, first->first, first->first + first->count, &err) != NN_OK)
      return binding_raise(L, &err);
    out->shape = selection.shape;
    return 1;
  }
  if (tensor_new_raw(out, tensor.dtype, &selection.shape, &err) != NN_OK)
    return binding_raise(L, &err);
  binding_count_memory(L, lua_gettop(L), 1);
  Walk walk = walk_make(&selection, &tensor);
  char *packed = out->data;
  if (tensor_count(out) > 0) walk_copy(&walk, 0, tensor.data, &packed, walk.bytes, false);
  if (selection.shape.ndim == 0) {
    bool places = binding_test_tensor(L, 2) != NULL;
    if (!places) tensor_push_element(L, out, 0);
  }
  return 1;
}

/* Push the method the key names (nil when there is none); false, and nothing, when the key is an
 * index: a text with a digit, a colon or a minus in front, or no text. */
static bool push_method(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) return false;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return true;
  const char *name = lua_tostring(L, 2);
  if (*name == ':' || *name == '-' || *name == ' ' || isdigit((unsigned char)*name)) return false;
  lua_getglobal(L, "require"); /* methods written in Lua come with the module */
  if (lua_isfunction(L, -1)) {
    lua_pushliteral(L, "tensor");
    lua_call(L, 1, 0);
  }
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return true;
}

int tensor_index(lua_State *L) { return push_method(L) ? 1 : index_selection(L); }

int tensor_index_node(lua_State *L) {
  if (push_method(L)) return 1;
  const NodeBox *node = binding_check_node(L, 1);
  Shape shape = graph_node(node->box->graph, node->ref)->shape;
  Selection selection;
  select_key(L, 2, &shape, &selection);
  return select_by_ops(L, &selection);
}

/* ---- writing ---- */

/* The value at stack 3 in the tensor's type, and, if it has several elements, in `shape`; on the
 * stack. */
static const Tensor *value_for(lua_State *L, DType dtype, const Shape *shape) {
  Err err;
  const Tensor *value = binding_test_tensor(L, 3);
  if (!value || value->dtype != dtype) value = binding_to_tensor(L, 3, dtype);
  if (tensor_count(value) == 1 || shape_equal(&value->shape, shape)) return value;
  Eager eager = {.op = OP_expand, .inputs = 1, .in = {*value}};
  eager.attrs = op_shape_attrs(OP_expand, shape);
  Tensor *out = binding_new_tensor(L);
  if (eager_run(&eager, &err) != NN_OK) {
    char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];
    binding_raisef(L, "a value of shape %s does not fit into a part of shape %s",
                   shape_text(&value->shape, a), shape_text(shape, b));
  }
  *out = eager.out[0];
  return out;
}

int tensor_newindex(lua_State *L) {
  Tensor *tensor = binding_check_tensor(L, 1), view = *tensor;
  Selection selection;
  int key = lua_type(L, 2);
  const char *name = key == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
  if (name && (isalpha((unsigned char)*name) || *name == '_' || *name == '\0'))
    return binding_raisef(L, "a tensor has no field '%s' to set", name);
  tape_check_write(L, 1, "writing to an element");
  select_key(L, 2, &view.shape, &selection);
  const Tensor *value = value_for(L, tensor->dtype, &selection.shape);
  Walk walk = walk_make(&selection, &view);
  size_t element = dtype_size(tensor->dtype);
  bool one = tensor_count(value) == 1;
  if (shape_count(&selection.shape) == 0) return 0;
  if (one) { /* element by element */
    walk.outer = selection.axes;
    walk.bytes = element;
  }
  char *packed = value->data;
  if (!one && value->buffer == tensor->buffer) { /* parts of itself: read before writing */
    size_t bytes = tensor_bytes(value);
    packed = memcpy(lua_newuserdatauv(L, bytes, 0), value->data, bytes);
  }
  walk_copy(&walk, 0, view.data, &packed, one ? 0 : walk.bytes, true);
  tensor_touch(tensor);
  return 0;
}
