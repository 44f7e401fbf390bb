/* Gradients of hand-written expressions: x:requires_grad(), y = ..., y:backward(), x:grad(). */
#include "tape.h"

#include <stdlib.h>
#include <string.h>

static const char TAPE_TYPE[] = "nnrun.tape";

typedef struct TapeNode TapeNode;
struct TapeNode {
  uint64_t serial; /* later ops have larger ones */
  uint64_t visit;  /* the backward pass that has seen it */
  bool leaf;
  bool held;                            /* `past` owns its tensors */
  Eager past;                           /* of an op; shares the buffers */
  unsigned versions[OP_MAX_INPUTS + 1]; /* of operands and of result 0 when it was recorded */
  TapeNode *parent[OP_MAX_INPUTS];      /* NULL: no gradient wanted; user values keep them alive */
  int parent_result[OP_MAX_INPUTS];
  Tensor grad[OP_MAX_RESULTS]; /* of a leaf: collected so far; else during a backward pass */
};

/* Of the Lua state, in its registry. */
typedef struct TapeState {
  uint64_t serial, visits;
  bool off; /* inside tensor.no_grad */
} TapeState;

static TapeState *tape_state(lua_State *L) {
  static const char key;
  return binding_state(L, &key, sizeof(TapeState));
}

static TapeNode *new_node(lua_State *L, int values) {
  TapeNode *node = lua_newuserdatauv(L, sizeof *node, values);
  memset(node, 0, sizeof *node);
  node->serial = ++tape_state(L)->serial;
  luaL_setmetatable(L, TAPE_TYPE);
  return node;
}

static int node_gc(lua_State *L) {
  TapeNode *node = luaL_checkudata(L, 1, TAPE_TYPE);
  for (int k = 0; k < OP_MAX_RESULTS; k++) tensor_release(&node->grad[k]);
  if (!node->held) return 0;
  for (int i = 0; i < node->past.inputs; i++) tensor_release(&node->past.in[i]);
  for (int k = 0; k < node->past.results; k++) tensor_release(&node->past.out[k]);
  node->held = false;
  return 0;
}

/* The tape node of the tensor at `index`, pushed; NULL (and nothing pushed) when it has none. */
static TapeNode *push_node(lua_State *L, int index) {
  if (lua_getiuservalue(L, index, 1) == LUA_TUSERDATA) return lua_touserdata(L, -1);
  lua_pop(L, 1);
  return NULL;
}

/* ---- recording ---- */

bool tape_wants(lua_State *L, OpId op, const bool *tracked, int count) {
  const OpInfo *info = op_info(op);
  bool any = false;
  for (int i = 0; i < count; i++) any |= tracked[i] && (!info->elementwise || info->has_grad[i]);
  return any && info->grad && !tape_state(L)->off;
}

/* Hold what the op had. Numbers among the operands have no buffer: they get one. */
static Status hold(TapeNode *node, const Eager *eager, Err *err) {
  node->past.op = eager->op;
  node->past.attrs = eager->attrs;
  node->held = true;
  for (int i = 0; i < eager->inputs; i++) {
    node->past.in[i] = (Tensor){0};
    node->past.inputs = i + 1;
    const Tensor *in = &eager->in[i];
    if (in->buffer)
      node->past.in[i] = tensor_share(in);
    else if (in->data)
      TRY(tensor_convert(&node->past.in[i], in, in->dtype, err));
    node->versions[i] = tensor_version(&node->past.in[i]);
  }
  for (int k = 0; k < eager->results; k++) node->past.out[k] = tensor_share(&eager->out[k]);
  node->past.results = eager->results;
  node->versions[OP_MAX_INPUTS] = tensor_version(&eager->out[0]);
  return NN_OK;
}

void tape_record(lua_State *L, const Eager *eager, int first_result) {
  Err err;
  TapeNode *node = new_node(L, eager->inputs);
  if (hold(node, eager, &err) != NN_OK) binding_raise(L, &err);
  for (int i = 0; i < eager->inputs; i++) {
    if (!binding_test_tensor(L, i + 1)) continue;
    const TensorBox *box = lua_touserdata(L, i + 1);
    node->parent[i] = box->tracked ? push_node(L, i + 1) : NULL;
    if (!node->parent[i]) continue;
    node->parent_result[i] = box->result;
    lua_setiuservalue(L, -2, i + 1);
  }
  for (int k = 0; k < eager->results; k++) {
    TensorBox *box = lua_touserdata(L, first_result + k);
    if (box->tensor.dtype == DTYPE_I64) continue; /* places have no gradient */
    box->tracked = true;
    box->result = k;
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, first_result + k, 1);
  }
  lua_pop(L, 1);
}

void tape_check_write(lua_State *L, int index, const char *what) {
  const TensorBox *box = lua_touserdata(L, index);
  if (!box->tracked || tape_state(L)->off) return;
  binding_raisef(L,
                 "%s: the tensor takes part in a gradient and must not be written to; do it inside "
                 "tensor.no_grad(function() ... end), or on x:detach()",
                 what);
}

/* ---- going back ---- */

static int by_serial(const void *a, const void *b) {
  uint64_t left = (*(TapeNode *const *)a)->serial, right = (*(TapeNode *const *)b)->serial;
  return left < right ? 1 : left > right ? -1 : 0;
}

/* All nodes that `root` was made from, itself included, latest first; an array on the stack. */
static TapeNode **reachable(lua_State *L, TapeNode *root, int *count) {
  uint64_t visit = ++tape_state(L)->visits;
  int capacity = 64, top = lua_gettop(L) + 1;
  TapeNode **nodes = lua_newuserdatauv(L, (size_t)capacity * sizeof *nodes, 0);
  nodes[0] = root;
  root->visit = visit;
  *count = 1;
  for (int i = 0; i < *count; i++) {
    for (int k = 0; k < nodes[i]->past.inputs; k++) {
      TapeNode *parent = nodes[i]->parent[k];
      if (!parent || parent->visit == visit) continue;
      if (*count == capacity) {
        TapeNode **more = lua_newuserdatauv(L, 2 * (size_t)capacity * sizeof *nodes, 0);
        memcpy(more, nodes, (size_t)capacity * sizeof *nodes);
        lua_replace(L, top);
        nodes = more;
        capacity *= 2;
      }
      parent->visit = visit;
      nodes[(*count)++] = parent;
    }
  }
  qsort(nodes, (size_t)*count, sizeof *nodes, by_serial);
  return nodes;
}

/* Add `part` to `sum`, in the type that sum's value has. */
static Status accumulate(Tensor *sum, const Tensor *part, DType dtype, Err *err) {
  Tensor own;
  if (part->dtype == dtype)
    own = tensor_share(part);
  else
    TRY(tensor_convert(&own, part, dtype, err));
  if (!sum->data) {
    *sum = own;
    return NN_OK;
  }
  Eager eager = {.op = OP_add, .inputs = 2, .in = {*sum, own}};
  Status status = eager_run(&eager, err);
  tensor_release(&own);
  if (status != NN_OK) return status;
  tensor_release(sum);
  *sum = eager.out[0];
  return NN_OK;
}

static Status stale(const TapeNode *node, Err *err) {
  return err_set(err, NN_BAD_ARGUMENT,
                 "backward: a tensor that %s needs for its gradient was written to after it was "
                 "used; write to it after backward, or to a copy",
                 op_info(node->past.op)->name);
}

/* Are the values the gradient reads still there? */
static Status check_versions(const TapeNode *node, Err *err) {
  const OpInfo *info = op_info(node->past.op);
  unsigned reads = ~0u;
  if (info->elementwise) {
    reads = 0;
    for (int i = 0; i < node->past.inputs; i++)
      if (node->parent[i]) reads |= info->grad_reads[i];
    if (!reads) return NN_OK;
  }
  for (int i = 0; i < node->past.inputs; i++)
    if ((!info->elementwise || reads & 1u << i) &&
        tensor_version(&node->past.in[i]) != node->versions[i])
      return stale(node, err);
  if ((!info->elementwise || reads & OP_READS_Y) &&
      tensor_version(&node->past.out[0]) != node->versions[OP_MAX_INPUTS])
    return stale(node, err);
  return NN_OK;
}

static Status go_back(TapeNode *node, Err *err) {
  bool wants[OP_MAX_INPUTS];
  Tensor in_grad[OP_MAX_INPUTS];
  bool arrives = false;
  for (int k = 0; k < node->past.results; k++) arrives |= node->grad[k].data != NULL;
  if (!arrives) return NN_OK;
  TRY(check_versions(node, err));
  for (int i = 0; i < node->past.inputs; i++) wants[i] = node->parent[i] != NULL;
  TRY(eager_gradient(&node->past, node->grad, wants, in_grad, err));
  Status status = NN_OK;
  for (int i = 0; i < node->past.inputs; i++) {
    TapeNode *parent = node->parent[i];
    if (!in_grad[i].data || !parent) continue;
    DType dtype =
        parent->leaf ? parent->past.out[0].dtype : parent->past.out[node->parent_result[i]].dtype;
    if (status == NN_OK)
      status = accumulate(&parent->grad[node->parent_result[i]], &in_grad[i], dtype, err);
    tensor_release(&in_grad[i]);
  }
  return status;
}

static Status seed(Tensor *grad, const Tensor *value, const Tensor *given, Err *err) {
  char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];
  if (!given && tensor_count(value) != 1)
    return err_set(err, NN_SHAPE,
                   "backward: needs a value of one element, such as a sum or mean, or the gradient "
                   "that arrives; the shape is %s",
                   shape_text(&value->shape, a));
  if (given && !shape_equal(&given->shape, &value->shape))
    return err_set(err, NN_SHAPE, "backward: the value has shape %s and the gradient given %s",
                   shape_text(&value->shape, a), shape_text(&given->shape, b));
  if (given) return accumulate(grad, given, value->dtype, err);
  Tensor one;
  TRY(tensor_new(&one, value->dtype, &value->shape, err));
  tensor_set(&one, 0, 1);
  Status status = accumulate(grad, &one, value->dtype, err);
  tensor_release(&one);
  return status;
}

/* y:backward(gradient) */
static int backward(lua_State *L) {
  Err err;
  int count;
  const Tensor *value = binding_check_tensor(L, 1);
  const Tensor *given = lua_isnoneornil(L, 2) ? NULL : binding_check_tensor(L, 2);
  const TensorBox *box = lua_touserdata(L, 1);
  TapeNode *root = box->tracked ? push_node(L, 1) : NULL;
  if (!root)
    return binding_raisef(L, "backward: nothing to go back to: no tensor this value was computed "
                             "from has x:requires_grad()");
  TapeNode **nodes = reachable(L, root, &count);
  Status status = seed(&root->grad[box->result], value, given, &err);
  for (int i = 0; i < count; i++) {
    if (nodes[i]->leaf) continue;
    if (status == NN_OK) status = go_back(nodes[i], &err);
    for (int k = 0; k < OP_MAX_RESULTS; k++) tensor_release(&nodes[i]->grad[k]);
  }
  if (status != NN_OK) return binding_raise(L, &err);
  return 0;
}

/* ---- leaves ---- */

/* x:requires_grad(flag): collect gradients in x from now on, or (false) no more. Returns x. */
static int requires_grad(lua_State *L) {
  const Tensor *tensor = binding_check_tensor(L, 1);
  TensorBox *box = lua_touserdata(L, 1);
  bool wanted = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
  lua_settop(L, 1);
  if (wanted && tensor->dtype == DTYPE_I64)
    return binding_raisef(L, "requires_grad: int64 tensors have no gradient; convert with "
                             ":to(\"float32\")");
  if (wanted && box->tracked) return 1;
  box->tracked = wanted;
  box->result = 0;
  if (wanted) {
    TapeNode *node = new_node(L, 0);
    node->leaf = true;
    node->past.out[0].dtype = tensor->dtype; /* the type of its gradient */
  } else {
    lua_pushnil(L);
  }
  lua_setiuservalue(L, 1, 1);
  return 1;
}

static int is_tracked(lua_State *L) {
  binding_check_tensor(L, 1);
  lua_pushboolean(L, ((const TensorBox *)lua_touserdata(L, 1))->tracked);
  return 1;
}

static int detach(lua_State *L) {
  const Tensor *tensor = binding_check_tensor(L, 1);
  Tensor *out = binding_new_tensor(L);
  *out = tensor_share(tensor);
  return 1;
}

static TapeNode *leaf_of(lua_State *L) {
  binding_check_tensor(L, 1);
  TapeNode *node = push_node(L, 1);
  return node && node->leaf ? node : NULL;
}

/* x:grad(): what backward passes have added up; nil before the first. */
static int grad(lua_State *L) {
  TapeNode *node = leaf_of(L);
  if (!node || !node->grad[0].data) return 0;
  Tensor *out = binding_new_tensor(L);
  *out = tensor_share(&node->grad[0]);
  return 1;
}

static int zero_grad(lua_State *L) {
  TapeNode *node = leaf_of(L);
  if (node) tensor_release(&node->grad[0]);
  lua_settop(L, 1);
  return 1;
}

/* no_grad(f, ...): call f with recording off, whatever happens in it. */
static int no_grad(lua_State *L) {
  TapeState *state = tape_state(L);
  bool before = state->off;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  state->off = true;
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  state->off = before;
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

void tape_methods(lua_State *L) {
  static const luaL_Reg methods[] = {{"requires_grad", requires_grad},
                                     {"is_tracked", is_tracked},
                                     {"detach", detach},
                                     {"grad", grad},
                                     {"zero_grad", zero_grad},
                                     {"backward", backward},
                                     {NULL, NULL}};
  static const luaL_Reg node_methods[] = {{"__gc", node_gc}, {NULL, NULL}};
  binding_new_type(L, TAPE_TYPE, node_methods);
  luaL_setfuncs(L, methods, 0);
}

int luaopen_core_tape(lua_State *L);
int luaopen_core_tape(lua_State *L) {
  static const luaL_Reg functions[] = {{"no_grad", no_grad}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
