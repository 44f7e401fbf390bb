/* Training in Lua: module core.train. The fit loop in nn/fit.lua is its user.
 *
 * step{...} plans a traced graph; optim{...} holds what an optimiser remembers of flat parameters;
 * step:run{...} trains or evaluates whole batches in C and comes back for signals now and then. */
#include "node.h"
#include "optim.h"

#include "base/rng.h"
#include "data/batch.h"
#include "tensor/gemm.h"
#include "train/step.h"

#include <stdlib.h>
#include <string.h>

static const char STEP_TYPE[] = "nnrun.step";
static const char OPTIM_TYPE[] = "nnrun.optim";
static const char POOL_TYPE[] = "nnrun.pool";

/* What the step points into lives as long as it, whatever becomes of the table it was made from:
 * the graph is user value 1, the pool 2, the gradients 3. */
typedef struct StepBox {
  Step *step;
  const GraphBox *graph;
} StepBox;
typedef struct OptimBox {
  Optim *optim;
} OptimBox;
typedef struct PoolBox {
  Pool *pool;
} PoolBox;

/* A field that is a tensor, or NULL. The table keeps it alive. */
static Tensor *tensor_field(lua_State *L, int index, const char *name) {
  Tensor *tensor = lua_getfield(L, index, name) == LUA_TNIL ? NULL : binding_check_tensor(L, -1);
  lua_pop(L, 1);
  return tensor;
}

/* A field that is a list of tensors, at most `most` of them; may be absent. */
static void tensor_list(lua_State *L, int index, const char *name, Tensor **list, int most) {
  if (lua_getfield(L, index, name) != LUA_TNIL) luaL_checktype(L, -1, LUA_TTABLE);
  for (int i = 0; i < most && lua_istable(L, -1); i++) {
    if (lua_rawgeti(L, -1, i + 1) != LUA_TNIL) list[i] = binding_check_tensor(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* ---- threads ---- */

/* pool(threads) */
static int train_pool(lua_State *L) {
  lua_Integer threads = luaL_checkinteger(L, 1);
  if (threads < 1 || threads > POOL_MAX_THREADS)
    binding_raisef(L, "threads must be 1 to %d, not %lld", POOL_MAX_THREADS, (long long)threads);
  PoolBox *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->pool = NULL;
  luaL_setmetatable(L, POOL_TYPE);
  Err err;
  if (pool_new(&box->pool, (int)threads, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

static int pool_gc(lua_State *L) {
  PoolBox *box = luaL_checkudata(L, 1, POOL_TYPE);
  pool_free(box->pool);
  box->pool = NULL;
  return 0;
}

/* ---- optimisers ---- */

static OptimSegment *check_segments(lua_State *L, int index, int *count) {
  luaL_checktype(L, index, LUA_TTABLE);
  *count = (int)lua_rawlen(L, index);
  OptimSegment *segments = lua_newuserdatauv(L, ((size_t)*count + 1) * sizeof *segments, 0);
  for (int i = 0; i < *count; i++) {
    lua_rawgeti(L, index, i + 1);
    int at = lua_gettop(L);
    segments[i] = (OptimSegment){.offset = binding_integer_field(L, at, "offset", 0),
                                 .count = binding_integer_field(L, at, "count", 0),
                                 .lr_scale = binding_number_field(L, at, "lr_scale", 1),
                                 .weight_decay = binding_number_field(L, at, "weight_decay", 0),
                                 .rows = binding_integer_field(L, at, "rows", 1),
                                 .max_norm = binding_number_field(L, at, "max_norm", 0)};
    segments[i].own_decay = lua_getfield(L, at, "weight_decay") != LUA_TNIL;
    lua_getfield(L, at, "decay");
    segments[i].decay = lua_toboolean(L, -1);
    lua_getfield(L, at, "frozen");
    segments[i].frozen = lua_toboolean(L, -1);
    lua_getfield(L, at, "sparse");
    segments[i].sparse = lua_toboolean(L, -1);
    lua_settop(L, at - 1);
  }
  return segments;
}

/* optim(optimizer, segments, params, grads) */
static int train_optim(lua_State *L) {
  double hyper[OPTIM_MAX_HYPERS];
  OptimId id = binding_check_optim(L, 1, hyper);
  Tensor *params = binding_check_tensor(L, 3), *grads = binding_check_tensor(L, 4);
  int count;
  OptimSegment *segments = check_segments(L, 2, &count);
  OptimBox *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->optim = NULL;
  luaL_setmetatable(L, OPTIM_TYPE);
  Err err;
  if (optim_new(&box->optim, id, isa_best(), hyper, segments, count, params, grads, &err) != NN_OK)
    return binding_raise(L, &err);
  return 1;
}

static Optim *check_optim(lua_State *L, int index) {
  return ((OptimBox *)luaL_checkudata(L, index, OPTIM_TYPE))->optim;
}

static int optim_gc(lua_State *L) {
  OptimBox *box = luaL_checkudata(L, 1, OPTIM_TYPE);
  optim_free(box->optim);
  box->optim = NULL;
  return 0;
}

/* optim:steps() */
static int optim_steps_(lua_State *L) {
  lua_pushinteger(L, optim_steps(check_optim(L, 1)));
  return 1;
}

/* optim:segments(list): from now on other rates, decay, frozen or not */
static int optim_segments_(lua_State *L) {
  Optim *optim = check_optim(L, 1);
  int count;
  const OptimSegment *segments = check_segments(L, 2, &count);
  Err err;
  if (optim_set_segments(optim, segments, count, &err) != NN_OK) return binding_raise(L, &err);
  return 0;
}

/* optim:keep_average(mean, decay, warm_up, by_hand), optim:average(): see optim_set_average */
static int optim_keep_average_(lua_State *L) {
  Optim *optim = check_optim(L, 1);
  Tensor *mean = binding_check_tensor(L, 2);
  Err err;
  if (optim_set_average(optim, mean, luaL_checknumber(L, 3), lua_toboolean(L, 4),
                        lua_toboolean(L, 5), &err) != NN_OK)
    return binding_raise(L, &err);
  return 0;
}

static int optim_average_(lua_State *L) {
  optim_average(check_optim(L, 1), NULL);
  return 0;
}

/* ---- checkpoints of an optimiser ---- */

static void add_piece(void *context, void *piece, size_t bytes) {
  luaL_addlstring(context, piece, bytes);
}

/* optim:save() -> a string of all it remembers */
static int optim_save_(lua_State *L) {
  Optim *optim = check_optim(L, 1);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  if (!optim_visit(optim, add_piece, &buffer)) binding_raisef(L, "no memory to save the optimiser");
  luaL_pushresult(&buffer);
  return 1;
}

/* What is left of the text; `at` is NULL when it was too short. */
typedef struct Pieces {
  const char *at, *end;
} Pieces;

static void take_piece(void *context, void *piece, size_t bytes) {
  Pieces *pieces = context;
  if (pieces->at && (size_t)(pieces->end - pieces->at) < bytes) pieces->at = NULL;
  if (!pieces->at) {
    memset(piece, 0, bytes);
    return;
  }
  memcpy(piece, pieces->at, bytes);
  pieces->at += bytes;
}

/* optim:restore(string) -> true; nil and a message when it is of another optimiser, which then is
 * as new */
static int optim_restore_(lua_State *L) {
  Optim *optim = check_optim(L, 1);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  Pieces pieces = {text, text + length};
  bool enough = optim_visit(optim, take_piece, &pieces);
  if (enough && pieces.at == pieces.end) {
    lua_pushboolean(L, 1);
    return 1;
  }
  optim_reset(optim);
  lua_pushnil(L);
  lua_pushstring(L, enough ? "it was saved by another optimiser, or of another model"
                           : "there is no memory for it");
  return 2;
}

/* ---- steps ---- */

static const StepParam *check_params(lua_State *L, int index, const Graph *graph, int *count) {
  lua_getfield(L, index, "params");
  if (lua_isnil(L, -1)) {
    *count = 0;
    return NULL;
  }
  Ref *refs = binding_check_nodes(L, lua_gettop(L), graph, count);
  lua_getfield(L, index, "offsets");
  luaL_checktype(L, -1, LUA_TTABLE);
  StepParam *params = lua_newuserdatauv(L, ((size_t)*count + 1) * sizeof *params, 0);
  for (int i = 0; i < *count; i++) {
    lua_rawgeti(L, -2, i + 1);
    params[i] = (StepParam){refs[i], luaL_checkinteger(L, -1)};
    lua_pop(L, 1);
  }
  return params;
}

/* What a step leaves in tensors: lists `updates` of nodes and `updated` of tensors. The script
 * keeps the tensors alive. */
static const StepUpdated *check_updates(lua_State *L, int index, const Graph *graph, int *count) {
  if (lua_getfield(L, index, "updates") == LUA_TNIL) return NULL;
  Ref *refs = binding_check_nodes(L, lua_gettop(L), graph, count);
  lua_getfield(L, index, "updated");
  luaL_checktype(L, -1, LUA_TTABLE);
  StepUpdated *updates = lua_newuserdatauv(L, ((size_t)*count + 1) * sizeof *updates, 0);
  for (int i = 0; i < *count; i++) {
    lua_rawgeti(L, -2, i + 1);
    updates[i] = (StepUpdated){refs[i], binding_check_tensor(L, -1)};
    lua_pop(L, 1);
  }
  return updates;
}

/* step{ graph, inputs, loss, metrics, params, offsets, grads, updates, updated, outputs, pool, off,
 * block_rows } */
static int train_step(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "graph");
  Graph *graph = binding_check_graph(L, 2);
  StepSpec spec = {.grads = tensor_field(L, 1, "grads")};
  lua_getfield(L, 1, "inputs");
  spec.inputs = binding_check_nodes(L, lua_gettop(L), graph, &spec.input_count);
  lua_getfield(L, 1, "loss");
  spec.loss = binding_check_ref(L, -1, graph, "the loss");
  if (lua_getfield(L, 1, "metrics") != LUA_TNIL)
    spec.metrics = binding_check_nodes(L, lua_gettop(L), graph, &spec.metric_count);
  if (lua_getfield(L, 1, "outputs") != LUA_TNIL)
    spec.outputs = binding_check_nodes(L, lua_gettop(L), graph, &spec.output_count);
  spec.params = check_params(L, 1, graph, &spec.param_count);
  spec.updates = check_updates(L, 1, graph, &spec.update_count);
  PlanOptions options = {.isa = isa_best(),
                         .off = (unsigned)binding_integer_field(L, 1, "off", 0),
                         .block_rows = binding_integer_field(L, 1, "block_rows", 0)};
  if (options.block_rows < 0) binding_raisef(L, "block_rows must be 0 or more");
  StepBox *box = lua_newuserdatauv(L, sizeof *box, 3);
  *box = (StepBox){.graph = lua_touserdata(L, 2)};
  luaL_setmetatable(L, STEP_TYPE);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  if (lua_getfield(L, 1, "pool") != LUA_TNIL)
    options.pool = ((PoolBox *)luaL_checkudata(L, -1, POOL_TYPE))->pool;
  lua_setiuservalue(L, -2, 2);
  lua_getfield(L, 1, "grads");
  lua_setiuservalue(L, -2, 3);
  Err err;
  if (step_new(&box->step, graph, &spec, &options, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

static int step_gc(lua_State *L) {
  StepBox *box = luaL_checkudata(L, 1, STEP_TYPE);
  step_free(box->step);
  box->step = NULL;
  return 0;
}

static Step *check_step(lua_State *L) {
  const StepBox *box = luaL_checkudata(L, 1, STEP_TYPE);
  if (!box->graph->graph) binding_raisef(L, "the graph of this step was closed");
  return box->step;
}

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

static StepData check_step_data(lua_State *L, int index) {
  StepData data = {.first = binding_integer_field(L, index, "first", 0),
                   .batches = binding_integer_field(L, index, "batches", 1),
                   .repeat = binding_integer_field(L, index, "repeated", 1)};
  int64_t total = 0;
  if (data.batches < 0 || data.repeat < 0 ||
      __builtin_mul_overflow(data.batches, data.repeat, &total))
    binding_raisef(L, "batches and repeated must be 0 or more");
  Tensor *inputs[STEP_MAX_INPUTS] = {NULL};
  tensor_list(L, index, "data", inputs, STEP_MAX_INPUTS);
  for (int i = 0; i < STEP_MAX_INPUTS; i++) data.inputs[i] = inputs[i];
  tensor_list(L, index, "outputs", data.outputs, STEP_MAX_OUTPUTS);
  Tensor *order = tensor_field(L, index, "order");
  if (order) {
    if (order->dtype != DTYPE_I64) binding_raisef(L, "the order must be int64");
    data.order = order->data;
    data.order_count = tensor_count(order);
  }
  Tensor *losses = tensor_field(L, index, "losses");
  if (losses) {
    if (losses->dtype != DTYPE_F64 || tensor_count(losses) < total)
      binding_raisef(L, "the losses need a float64 tensor with room for all steps");
    data.losses = losses->data;
  }
  return data;
}

/* A float64 tensor with a number for each step, or NULL. */
static const double *per_step_field(lua_State *L, int index, const char *name, int64_t steps) {
  const Tensor *tensor = tensor_field(L, index, name);
  if (!tensor) return NULL;
  if (tensor->dtype != DTYPE_F64 || tensor_count(tensor) < steps)
    binding_raisef(L, "the %s need a float64 tensor with one for each step", name);
  return tensor->data;
}

/* step:run{ data, order, first, batches, repeated, optim, lr or rates, momentum or momenta,
 * clip_norm, clip_value, seed, outputs, losses } -> { loss, metrics = {}, steps, last_loss,
 * diverged, message or segment }: loss and metrics are sums over rows */
static int step_run_(lua_State *L) {
  enum { CHECK_MS = 50 };
  Step *step = check_step(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  StepData data = check_step_data(L, 2);
  StepUpdate update = {.clip_norm = binding_number_field(L, 2, "clip_norm", 0),
                       .clip_value = binding_number_field(L, 2, "clip_value", 0),
                       .lr_all = binding_number_field(L, 2, "lr", 0),
                       .momentum_all = binding_number_field(L, 2, "momentum", 0),
                       .seed = (uint64_t)binding_integer_field(L, 2, "seed", 0)};
  update.lr = per_step_field(L, 2, "rates", data.batches * data.repeat);
  update.momentum = per_step_field(L, 2, "momenta", data.batches * data.repeat);
  if (lua_getfield(L, 2, "optim") != LUA_TNIL) update.optim = check_optim(L, -1);
  StepResult result = {0};
  while (!result.diverged && result.steps < data.batches * data.repeat) {
    Err err;
    if (step_run(step, &data, &update, CHECK_MS * 1e-3, &result, &err) != NN_OK)
      return binding_raise(L, &err);
    lua_pushcfunction(L, nothing); /* a call, so that an interrupt's hook gets its turn */
    lua_call(L, 0, 0);
  }
  lua_createtable(L, 0, 5);
  binding_set_number(L, "loss", result.loss);
  binding_set_number(L, "last_loss", result.last_loss);
  binding_set_integer(L, "steps", result.steps);
  lua_createtable(L, STEP_MAX_METRICS, 0);
  for (int i = 0; i < STEP_MAX_METRICS; i++) {
    lua_pushnumber(L, result.metric[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "metrics");
  binding_set_flag(L, "diverged", result.diverged);
  if (result.diverged && result.bad_segment >= 0) {
    binding_set_integer(L, "segment", result.bad_segment + 1);
  } else if (result.diverged) {
    binding_set_text(L, "message", result.message);
  }
  return 1;
}

/* step:info() -> { calls, programs, folded, bytes, block_rows } */
static int step_info_(lua_State *L) {
  PlanInfo info = step_info(check_step(L));
  lua_createtable(L, 0, 5);
  binding_set_integer(L, "calls", info.calls);
  binding_set_integer(L, "programs", info.programs);
  binding_set_integer(L, "folded", info.folded);
  binding_set_integer(L, "bytes", (int64_t)info.bytes);
  binding_set_integer(L, "block_rows", info.block_rows);
  return 1;
}

/* ---- order ---- */

/* permute(order, seed, epoch): fill an int64 tensor with a permutation of 0 ... n-1 */
static int train_permute(lua_State *L) {
  Tensor *order = binding_check_tensor(L, 1);
  if (order->dtype != DTYPE_I64) return binding_raisef(L, "the order must be int64");
  Rng rng =
      rng_make((uint64_t)luaL_checkinteger(L, 2), RNG_SHUFFLE, (uint64_t)luaL_checkinteger(L, 3));
  rng_permutation(&rng, order->data, (size_t)tensor_count(order));
  lua_settop(L, 1);
  return 1;
}

/* kernel() -> instruction set, matrix kernel: what, besides the seed, the bits of a result depend
 * on */
static int train_kernel(lua_State *L) {
  lua_pushstring(L, isa_name(isa_best()));
  lua_pushstring(L, gemm_kernel_name(isa_best()));
  return 2;
}

int luaopen_core_train(lua_State *L);
int luaopen_core_train(lua_State *L) {
  static const luaL_Reg step_methods[] = {
      {"run", step_run_}, {"info", step_info_}, {"__gc", step_gc}, {NULL, NULL}};
  static const luaL_Reg optim_methods[] = {{"steps", optim_steps_},
                                           {"save", optim_save_},
                                           {"restore", optim_restore_},
                                           {"segments", optim_segments_},
                                           {"keep_average", optim_keep_average_},
                                           {"average", optim_average_},
                                           {"__gc", optim_gc},
                                           {NULL, NULL}};
  static const luaL_Reg pool_methods[] = {{"__gc", pool_gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"pool", train_pool},     {"optim", train_optim},
                                       {"step", train_step},     {"permute", train_permute},
                                       {"kernel", train_kernel}, {NULL, NULL}};
  binding_new_type(L, STEP_TYPE, step_methods);
  binding_new_type(L, OPTIM_TYPE, optim_methods);
  binding_new_type(L, POOL_TYPE, pool_methods);
  luaL_newlib(L, functions);
  return 1;
}
