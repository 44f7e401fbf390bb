/* core.metrics: rows() of the metric table, and new(names, threshold), an object that adds up
 * batches: add(predicted, target), value(name), confusion(), classes(), reset(). */
#include "train/metrics.h"
#include "binding.h"

static const char METRICS_TYPE[] = "nnrun.metrics";

static Metrics *check_metrics(lua_State *L) {
  Metrics **box = luaL_checkudata(L, 1, METRICS_TYPE);
  if (!*box) binding_raisef(L, "these metrics were released");
  return *box;
}

static MetricId check_id(lua_State *L, int index) {
  const char *name = luaL_checkstring(L, index);
  MetricId id = metric_find(name);
  if (id == METRIC_COUNT) binding_raisef(L, "there is no metric '%s'", name);
  return id;
}

static int metrics_make(lua_State *L) {
  MetricId ids[METRIC_COUNT];
  luaL_checktype(L, 1, LUA_TTABLE);
  double threshold = luaL_optnumber(L, 2, 0);
  int count = 0;
  for (lua_Integer i = 1, n = luaL_len(L, 1); i <= n && count < METRIC_COUNT; i++) {
    lua_rawgeti(L, 1, i);
    ids[count++] = check_id(L, -1);
    lua_pop(L, 1);
  }
  Metrics **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, METRICS_TYPE);
  Err err;
  if (metrics_new(box, ids, count, threshold, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

static int metrics_release(lua_State *L) {
  Metrics **box = luaL_checkudata(L, 1, METRICS_TYPE);
  metrics_free(*box);
  *box = NULL;
  return 0;
}

static int add(lua_State *L) {
  Metrics *metrics = check_metrics(L);
  const Tensor *predicted = binding_check_tensor(L, 2), *target = binding_check_tensor(L, 3);
  Err err;
  if (metrics_add(metrics, predicted, target, &err) != NN_OK) return binding_raise(L, &err);
  lua_settop(L, 1);
  return 1;
}

static int value(lua_State *L) {
  Metrics *metrics = check_metrics(L);
  lua_pushnumber(L, metrics_value(metrics, check_id(L, 2)));
  return 1;
}

/* confusion() -> rows of counts by true class, or nil before any batch */
static int confusion(lua_State *L) {
  Metrics *metrics = check_metrics(L);
  int64_t classes;
  const int64_t *counts = metrics_confusion(metrics, &classes);
  if (!counts) return 0;
  lua_createtable(L, (int)classes, 0);
  for (int64_t i = 0; i < classes; i++) {
    lua_createtable(L, (int)classes, 0);
    for (int64_t k = 0; k < classes; k++) {
      lua_pushinteger(L, counts[i * classes + k]);
      lua_rawseti(L, -2, k + 1);
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* classes() -> list of { precision, recall, f1, support } by class, or nil before any batch */
static int classes_of(lua_State *L) {
  Metrics *metrics = check_metrics(L);
  int64_t classes;
  if (!metrics_confusion(metrics, &classes)) return 0;
  lua_createtable(L, (int)classes, 0);
  for (int64_t i = 0; i < classes; i++) {
    ClassScore score = metrics_class_score(metrics, i);
    lua_createtable(L, 0, 4);
    binding_set_number(L, "precision", score.precision);
    binding_set_number(L, "recall", score.recall);
    binding_set_number(L, "f1", score.f1);
    binding_set_integer(L, "support", score.support);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int reset(lua_State *L) {
  metrics_reset(check_metrics(L));
  lua_settop(L, 1);
  return 1;
}

/* metrics.rows() -> list of { name, help, better = "max"|"min", reads = "classes"|"numbers" } */
static int rows(lua_State *L) {
  lua_createtable(L, METRIC_COUNT, 0);
  for (int id = 0; id < METRIC_COUNT; id++) {
    const MetricInfo *info = metric_info((MetricId)id);
    lua_createtable(L, 0, 4);
    binding_set_text(L, "name", info->name);
    binding_set_text(L, "help", info->help);
    binding_set_text(L, "better", info->larger_is_better ? "max" : "min");
    binding_set_text(L, "reads", info->reads == METRIC_READS_CLASSES ? "classes" : "numbers");
    lua_rawseti(L, -2, id + 1);
  }
  return 1;
}

int luaopen_core_metrics(lua_State *L);
int luaopen_core_metrics(lua_State *L) {
  static const luaL_Reg methods[] = {{"add", add},
                                     {"value", value},
                                     {"confusion", confusion},
                                     {"classes", classes_of},
                                     {"reset", reset},
                                     {"__gc", metrics_release},
                                     {"__close", metrics_release},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"new", metrics_make}, {"rows", rows}, {NULL, NULL}};
  binding_new_type(L, METRICS_TYPE, methods);
  luaL_newlib(L, functions);
  return 1;
}
