/* Random graphs: a few smooth ops over batches, parameters and labels, and, of odd seeds, layers:
 * convolutions, pooling, normalisation, recurrence, attention; a loss, its gradients, and some of
 * the values as outputs. All float64. */
#ifndef NNRUN_TESTS_RANDOM_GRAPH_H
#define NNRUN_TESTS_RANDOM_GRAPH_H

#include "test.h"

#include "base/rng.h"
#include "graph/plan.h"

#include <string.h>

enum { MAX_INPUTS = 3, MAX_PARAMS = 14, MAX_OUTPUTS = 32, TABLE = 5 };
typedef struct Case {
  uint64_t seed, drawn;
  Rng rng;
  Graph *graph;
  int64_t batch;
  Tensor input[MAX_INPUTS], param[MAX_PARAMS];
  Ref input_ref[MAX_INPUTS], param_ref[MAX_PARAMS], labels, loss;
  int inputs, params, values; /* values: nodes before the gradient's */
  PlanOutput outputs[MAX_OUTPUTS];
  int output_count,
      grad_of[MAX_PARAMS]; /* index of the output with a parameter's gradient, or -1 */
} Case;

static void must(const Case *c, Status status, const Err *err) {
  if (status != NN_OK) fail_msg("seed %llu: %s", (unsigned long long)c->seed, err->message);
}

static int64_t pick(Case *c, int64_t bound) {
  return (int64_t)rng_below(&c->rng, c->drawn++, (uint64_t)bound);
}

static bool chance(Case *c, int percent) { return pick(c, 100) < percent; }

/* ---- making a graph ---- */

static int64_t pick_size(Case *c) {
  static const int64_t sizes[] = {1, 2, 3, 5, 17};
  int64_t i = pick(c, 6);
  return i < 5 ? sizes[i] : c->batch > 64 ? 4 : c->batch;
}

static Tensor random_tensor(Case *c, DType dtype, const Shape *shape) {
  Err err;
  Tensor tensor;
  must(c, tensor_new(&tensor, dtype, shape, &err), &err);
  for (int64_t i = 0; i < tensor_count(&tensor); i++)
    tensor_set(&tensor, i,
               dtype == DTYPE_I64 ? (double)pick(c, TABLE)
                                  : 0.7 * rng_normal(&c->rng, 1000000 + c->drawn++));
  return tensor;
}

static void add_input(Case *c, DType dtype, Shape shape, bool batched) {
  Err err;
  int i = c->inputs++;
  c->input[i] = random_tensor(c, dtype, &shape);
  must(c, graph_input(c->graph, &c->input_ref[i], dtype, &shape, batched, "x", &err), &err);
}

static void add_param(Case *c, Shape shape) {
  Err err;
  int i = c->params++;
  c->param[i] = random_tensor(c, DTYPE_F64, &shape);
  must(c, graph_param(c->graph, &c->param_ref[i], &c->param[i], "w", &err), &err);
}

/* Any value; the later ones are likelier. */
static Ref any_value(Case *c) {
  int count = graph_count(c->graph);
  if (chance(c, 60)) return (Ref)(count - 1 - pick(c, count < 4 ? count : 4));
  return (Ref)pick(c, count);
}

static const Shape *shape_of(const Case *c, Ref ref) { return &graph_node(c->graph, ref)->shape; }

/* Add an op if its operands fit; what does not is another graph. */
static Ref try_inputs(Case *c, OpId op, const Ref *in, int count, const Attrs *attrs) {
  Err err;
  Ref out;
  return graph_op(c->graph, &out, op, in, count, attrs, &err) == NN_OK ? out : REF_NONE;
}

static Ref try_op(Case *c, OpId op, Ref a, Ref b, const Attrs *attrs) {
  if (shape_count(shape_of(c, a)) > 200000) return REF_NONE;
  return try_inputs(c, op, (Ref[]){a, b}, op_info(op)->arity - op_info(op)->optional, attrs);
}

static Ref add_product(Case *c) {
  Attrs attrs;
  op_attr_defaults(OP_matmul, &attrs);
  attrs.at[0].number = chance(c, 25);
  attrs.at[1].number = chance(c, 50);
  Ref out = REF_NONE;
  for (int tries = 0; tries < 20 && out == REF_NONE; tries++)
    out = try_op(c, OP_matmul, any_value(c), any_value(c), &attrs);
  if (out == REF_NONE || shape_of(c, out)->ndim == 0) return out;
  Ref other = chance(c, 50) ? c->param_ref[pick(c, c->params)] : any_value(c);
  Ref sum =
      chance(c, 50) ? try_op(c, OP_add, out, other, NULL) : try_op(c, OP_add, other, out, NULL);
  return sum == REF_NONE ? out : sum;
}

static void add_reshape(Case *c) {
  Ref from = any_value(c);
  Shape shape = *shape_of(c, from), to = {0};
  int axis = shape.ndim ? (int)pick(c, shape.ndim + 1) : 0;
  if (chance(c, 40) && shape.ndim < MAX_DIMS) { /* a new axis of size 1 */
    to = shape;
    memmove(to.dims + axis + 1, to.dims + axis, (size_t)(shape.ndim - axis) * sizeof *to.dims);
    to.dims[axis] = 1;
    to.ndim++;
  } else { /* all axes from `axis` on as one */
    to.ndim = axis;
    memcpy(to.dims, shape.dims, (size_t)axis * sizeof *to.dims);
    to.dims[to.ndim++] = 1;
    for (int i = axis; i < shape.ndim; i++) to.dims[axis] *= shape.dims[i];
  }
  Attrs attrs = op_shape_attrs(OP_reshape, &to);
  try_op(c, OP_reshape, from, REF_NONE, &attrs);
}

static Ref add_expand(Case *c) {
  Ref from = any_value(c);
  Shape shape = *shape_of(c, from), to = shape;
  for (int i = 0; i < shape.ndim; i++)
    if (shape.dims[i] == 1 && chance(c, 70)) to.dims[i] = chance(c, 50) ? c->batch : pick_size(c);
  if (shape.ndim < 3 && chance(c, 50)) {
    memmove(to.dims + 1, to.dims, (size_t)shape.ndim * sizeof *to.dims);
    to.dims[0] = chance(c, 60) ? c->batch : pick_size(c);
    to.ndim++;
  }
  if (shape_count(&to) > 100000) return REF_NONE;
  Attrs attrs = op_shape_attrs(OP_expand, &to);
  return try_op(c, OP_expand, from, REF_NONE, &attrs);
}

static void add_reduction(Case *c) {
  static const OpId ops[] = {OP_sum, OP_mean, OP_mean, OP_variance, OP_argmax};
  OpId op = ops[pick(c, 5)];
  Ref from = op == OP_argmax ? c->param_ref[pick(c, c->params)] : any_value(c);
  int ndim = shape_of(c, from)->ndim;
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  if (op == OP_argmax) {
    attrs.at[0].number = ndim ? (double)pick(c, ndim) : 0;
  } else {
    if (chance(c, 80))
      for (attrs.at[0].count = 0; attrs.at[0].count < ndim && chance(c, 60);)
        attrs.at[0].list[attrs.at[0].count++] = pick(c, ndim);
    attrs.at[1].number = chance(c, 40);
    attrs.at[2].number = 0; /* variance of one element is 0, not NaN */
  }
  try_op(c, op, from, REF_NONE, &attrs);
}

static void add_along_axis(Case *c) {
  static const OpId ops[] = {OP_softmax, OP_log_softmax, OP_slice, OP_pad, OP_concat};
  OpId op = ops[pick(c, 5)];
  Ref from = any_value(c);
  const Shape *shape = shape_of(c, from);
  if (shape->ndim == 0) return;
  int axis = (int)pick(c, shape->ndim);
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  attrs.at[0].number = axis;
  if (op == OP_slice)
    attrs.at[2].number = (double)pick(c, shape->dims[axis] ? shape->dims[axis] : 1);
  if (op == OP_pad)
    attrs.at[1].number = (double)pick(c, 2), attrs.at[2].number = (double)pick(c, 3);
  try_op(c, op, from, op == OP_concat ? (chance(c, 50) ? from : any_value(c)) : REF_NONE, &attrs);
}

/* ---- families with several results, with an epilogue, or with much geometry ---- */

static bool is_real(const Case *c, Ref ref) {
  return graph_node(c->graph, ref)->dtype != DTYPE_I64;
}

static Ref new_param(Case *c, Shape shape) {
  if (c->params == MAX_PARAMS) return REF_NONE;
  add_param(c, shape);
  return c->param_ref[c->params - 1];
}

/* Any value as (n, channels, length) or (n, channels, height, width), or REF_NONE. */
static Ref any_planes(Case *c) {
  Ref from = any_value(c);
  for (int tries = 0; tries < 10 && (!is_real(c, from) || shape_of(c, from)->ndim < 2); tries++)
    from = any_value(c);
  Shape shape = *shape_of(c, from);
  if (!is_real(c, from) || shape.ndim < 2 || shape.ndim > 4) return REF_NONE;
  if (shape_count(&shape) > 20000 || shape_count(&shape) == 0) return REF_NONE;
  if (shape.ndim > 2) return from;
  Shape to = {3, {shape.dims[0], 1, shape.dims[1]}};
  if (chance(c, 40)) to = (Shape){3, {shape.dims[0], shape.dims[1], 1}};
  if (chance(c, 40)) to = (Shape){4, {to.dims[0], to.dims[1], 1, to.dims[2]}};
  Attrs attrs = op_shape_attrs(OP_reshape, &to);
  return try_op(c, OP_reshape, from, REF_NONE, &attrs);
}

static void set_list(Case *c, Attr *attr, int64_t least, int64_t bound) {
  attr->count = 1;
  attr->list[0] = least + pick(c, bound);
}

static Ref add_conv(Case *c) {
  Ref x = any_planes(c);
  if (x == REF_NONE) return REF_NONE;
  OpId op = chance(c, 60) ? OP_conv : OP_conv_transpose;
  const Shape *shape = shape_of(c, x);
  int64_t channels = shape->dims[1], groups = chance(c, 30) ? channels : 1;
  int64_t made = groups * (1 + pick(c, chance(c, 30) ? 20 : 3)), kernel = 1 + pick(c, 3);
  if (channels > 20 || made > 40) return REF_NONE;
  Shape weight = {shape->ndim, {made, channels / groups, kernel, kernel}};
  if (op == OP_conv_transpose) weight = (Shape){shape->ndim, {channels, made / groups, kernel, 1}};
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  set_list(c, &attrs.at[0], 1, 3);
  set_list(c, &attrs.at[1], 0, 3);
  set_list(c, &attrs.at[2], 1, 2);
  attrs.at[3].number = (double)groups;
  Ref in[3] = {x, new_param(c, weight), REF_NONE};
  if (chance(c, 50)) in[2] = new_param(c, (Shape){1, {made}});
  return in[1] == REF_NONE ? REF_NONE : try_inputs(c, op, in, 3, &attrs);
}

static Ref add_pool(Case *c) {
  static const OpId ops[] = {OP_max_pool,          OP_avg_pool,    OP_adaptive_max_pool,
                             OP_adaptive_avg_pool, OP_interpolate, OP_local_response_norm};
  OpId op = ops[pick(c, 6)];
  Ref x = any_planes(c);
  if (x == REF_NONE) return REF_NONE;
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  if (op == OP_local_response_norm) {
    attrs.at[0].number = 1 + (double)pick(c, 4);
    attrs.at[1].number = 0.5;
  } else {
    set_list(c, &attrs.at[0], 1, 4);
  }
  if (op == OP_max_pool || op == OP_avg_pool) {
    set_list(c, &attrs.at[1], 1, 4);
    set_list(c, &attrs.at[2], 0, 2);
    attrs.at[op == OP_max_pool ? 4 : 3].number = chance(c, 50);
    if (op == OP_avg_pool) attrs.at[4].number = chance(c, 50);
  }
  if (op == OP_interpolate) attrs.at[2].number = chance(c, 50);
  return try_op(c, op, x, REF_NONE, &attrs);
}

/* A large eps, or differences do not agree where an input is nearly constant. */
static Ref add_norm(Case *c) {
  static const OpId ops[] = {OP_layer_norm, OP_rms_norm, OP_group_norm, OP_batch_norm};
  OpId op = ops[pick(c, 4)];
  Ref x = op == OP_batch_norm || op == OP_group_norm ? any_planes(c) : any_value(c);
  if (x == REF_NONE || !is_real(c, x) || shape_of(c, x)->ndim == 0) return REF_NONE;
  const Shape *shape = shape_of(c, x);
  int dims = 1 + (int)pick(c, shape->ndim);
  Shape affine = shape_make(dims, shape->dims + shape->ndim - dims);
  if (op == OP_group_norm || op == OP_batch_norm) affine = (Shape){1, {shape->dims[1]}};
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  attrs.at[0].number = op == OP_group_norm ? (double)(chance(c, 50) ? affine.dims[0] : 1) : dims;
  attrs.at[op == OP_batch_norm ? 0 : 1].number = 0.3;
  Ref in[3] = {x, REF_NONE, REF_NONE};
  if (shape_count(&affine) > 500 || shape_count(shape) > 20000) return REF_NONE;
  if (chance(c, 70)) in[1] = new_param(c, affine);
  if (chance(c, 50)) in[2] = new_param(c, affine);
  return try_inputs(c, op, in, op == OP_rms_norm ? 2 : 3, &attrs);
}

/* A recurrent layer; sometimes only its last states are read on. */
static Ref add_recurrent(Case *c) {
  static const OpId ops[] = {OP_lstm, OP_gru, OP_rnn};
  int kind = (int)pick(c, 3);
  Ref x = any_planes(c), out, last;
  if (x == REF_NONE || shape_of(c, x)->ndim != 3) return REF_NONE;
  Shape shape = *shape_of(c, x);
  int64_t gates = kind == 0 ? 4 : kind == 1 ? 3 : 1, hidden = 1 + pick(c, 9);
  Attrs attrs;
  Err err;
  op_attr_defaults(ops[kind], &attrs);
  attrs.at[0].number = chance(c, 50);
  Ref in[8] = {x, new_param(c, (Shape){2, {gates * hidden, shape.dims[2]}}),
               new_param(c, (Shape){2, {gates * hidden, hidden}})};
  for (int i = 3; i < 8; i++) in[i] = REF_NONE;
  if (chance(c, 50)) in[3] = new_param(c, (Shape){1, {gates * hidden}});
  if (chance(c, 50)) in[4] = new_param(c, (Shape){1, {gates * hidden}});
  if (chance(c, 50) && shape.dims[0] == c->batch) in[5] = c->labels;
  if (chance(c, 40)) in[6] = new_param(c, (Shape){2, {shape.dims[0], hidden}});
  if (chance(c, 40) && kind == 0) in[7] = new_param(c, (Shape){2, {shape.dims[0], hidden}});
  if (shape.dims[1] > 40 || shape.dims[2] > 40) return REF_NONE;
  out = try_inputs(c, ops[kind], in, kind ? 7 : 8, &attrs);
  if (out == REF_NONE || !chance(c, 50)) return out;
  must(c, graph_result(c->graph, &last, out, 1, &err), &err);
  return chance(c, 50) ? last : out;
}

/* Queries, keys and values side by side, or the same rows as all three. */
static Ref add_attention(Case *c) {
  Ref x = any_planes(c);
  if (x == REF_NONE || shape_of(c, x)->ndim != 3 || shape_of(c, x)->dims[1] > 40) return REF_NONE;
  Attrs attrs;
  int64_t columns = shape_of(c, x)->dims[2];
  op_attr_defaults(OP_attention, &attrs);
  attrs.at[0].number = columns % 3 == 0 && chance(c, 30) ? 3 : 1;
  attrs.at[1].number = chance(c, 50);
  attrs.at[3].number = chance(c, 30) ? 0.3 : 0;
  Ref in[3] = {x, x, x};
  int count = columns % 3 == 0 && chance(c, 60) ? 1 : 3;
  return try_inputs(c, OP_attention, in, count, &attrs);
}

static Ref add_order(Case *c) {
  static const OpId ops[] = {OP_sort, OP_cumsum, OP_cumsum, OP_flip, OP_roll,
                             OP_tril, OP_triu,   OP_max,    OP_min};
  OpId op = ops[pick(c, 9)];
  Ref x = any_value(c);
  if (!is_real(c, x) || shape_of(c, x)->ndim == 0) return REF_NONE;
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  int64_t axis = pick(c, shape_of(c, x)->ndim);
  if (op == OP_sort || op == OP_cumsum) {
    attrs.at[0].number = (double)axis;
    attrs.at[1].number = chance(c, 50);
  } else if (op == OP_roll) {
    attrs.at[0].number = (double)pick(c, 9) - 4;
    attrs.at[1].number = (double)axis;
  } else if (op == OP_tril || op == OP_triu) {
    attrs.at[0].number = (double)pick(c, 5) - 2;
  } else if (chance(c, 70)) {
    attrs.at[0].count = 1;
    attrs.at[0].list[0] = axis;
  }
  return try_op(c, op, x, REF_NONE, &attrs);
}

static void try_unary(Case *c, Ref a) {
  static const OpId unary[] = {OP_tanh, OP_sigmoid, OP_sin, OP_neg, OP_softplus, OP_gelu, OP_silu};
  try_op(c, unary[pick(c, 7)], a, REF_NONE, NULL);
}

static void add_family(Case *c) {
  static Ref (*const makers[])(Case *) = {add_conv,      add_pool,      add_norm,
                                          add_recurrent, add_attention, add_order};
  Ref made = makers[pick(c, 6)](c);
  if (made != REF_NONE && chance(c, 50)) try_unary(c, made);
}

static void add_node(Case *c) {
  static const OpId binary[] = {OP_add, OP_mul, OP_sub, OP_squared_error};
  int64_t kind = pick(c, 100);
  Ref a = any_value(c), b = any_value(c), made;
  Attrs attrs;
  if (c->seed % 2 && chance(c, 40)) {
    add_family(c);
  } else if (kind < 20) {
    try_unary(c, a);
  } else if (kind < 45) {
    for (int tries = 0; tries < 10; tries++, b = any_value(c))
      if (try_op(c, binary[pick(c, 4)], a, chance(c, 15) ? a : b, NULL) != REF_NONE) break;
  } else if (kind < 60) {
    made = add_product(c);
    if (made != REF_NONE && chance(c, 70)) try_op(c, OP_tanh, made, REF_NONE, NULL);
  } else if (kind < 70) {
    add_reshape(c);
  } else if (kind < 78) {
    made = add_expand(c);
    if (made != REF_NONE && chance(c, 50)) try_op(c, OP_tanh, made, REF_NONE, NULL);
  } else if (kind < 86) {
    add_reduction(c);
  } else if (kind < 94) {
    add_along_axis(c);
  } else if (kind < 96) {
    op_attr_defaults(OP_dropout, &attrs);
    attrs.at[0].number = 0.3;
    try_op(c, OP_dropout, a, REF_NONE, &attrs);
  } else if (kind < 98) {
    try_op(c, OP_take, c->param_ref[0], c->labels, NULL);
  } else {
    for (int tries = 0; tries < 10; tries++)
      if (try_op(c, OP_softmax_cross_entropy, any_value(c), c->labels, NULL) != REF_NONE) break;
  }
}

/* The sum of some values' means, which no op can make large. */
static void add_loss(Case *c) {
  int terms = 1 + (int)pick(c, 3);
  c->loss = REF_NONE;
  for (int tries = 0; tries < 50 && terms > 0; tries++) {
    Ref ref = any_value(c);
    if (!is_real(c, ref)) continue;
    ref = try_op(c, OP_tanh, ref, REF_NONE, NULL);
    if (ref != REF_NONE) ref = try_op(c, OP_mean, ref, REF_NONE, NULL);
    if (ref == REF_NONE) continue;
    c->loss = c->loss == REF_NONE ? ref : try_op(c, OP_add, c->loss, ref, NULL);
    terms--;
  }
}

/* The loss, all gradients, and a few of the other values. */
static void choose_outputs(Case *c) {
  Err err;
  Ref grads[MAX_PARAMS];
  c->values = graph_count(c->graph);
  must(c, graph_gradient(c->graph, c->loss, c->param_ref, c->params, grads, &err), &err);
  c->outputs[c->output_count++].ref = c->loss;
  for (int i = 0; i < c->params; i++) {
    c->grad_of[i] = grads[i] == REF_NONE ? -1 : c->output_count;
    if (grads[i] != REF_NONE) c->outputs[c->output_count++].ref = grads[i];
  }
  for (int i = (int)pick(c, 6); i > 0; i--)
    c->outputs[c->output_count++].ref = (Ref)pick(c, graph_count(c->graph));
  if (!chance(c, 30)) return;
  Ref again = c->outputs[pick(c, c->output_count)].ref;
  c->outputs[c->output_count++].ref = again;
}

static void case_make(Case *c, uint64_t seed) {
  static const int64_t batches[] = {1, 2, 3, 4, 5, 16, 17, 37};
  Err err;
  *c = (Case){.seed = seed, .rng = rng_make(seed, RNG_USER, 77)};
  must(c, graph_new(&c->graph, &err), &err);
  c->batch = seed % 40 == 0 || seed % 40 == 21 ? 1500 : batches[pick(c, 8)];
  add_input(c, DTYPE_F64, (Shape){2, {c->batch, pick_size(c)}}, true);
  add_input(c, DTYPE_I64, (Shape){1, {c->batch}}, true);
  c->labels = c->input_ref[1];
  Shape other = {.ndim = 1 + (int)pick(c, 2), .dims = {pick_size(c), pick_size(c)}};
  if (chance(c, 50)) add_input(c, DTYPE_F64, other, chance(c, 50) && other.dims[0] == c->batch);
  add_param(c, (Shape){2, {TABLE, pick_size(c)}});
  add_param(c, (Shape){2, {pick_size(c), c->input[0].shape.dims[1]}});
  add_param(c, (Shape){1, {c->param[1].shape.dims[0]}});
  add_param(c, (Shape){(int)pick(c, 4), {pick_size(c), pick_size(c), pick_size(c)}});
  Ref constant;
  must(c, graph_constant(c->graph, &constant, DTYPE_F64, 0.5, &err), &err);
  for (int i = 4 + (int)pick(c, 14); i > 0; i--) add_node(c);
  add_loss(c);
  choose_outputs(c);
}

static void case_free(Case *c) {
  graph_free(c->graph);
  for (int i = 0; i < c->inputs; i++) tensor_release(&c->input[i]);
  for (int i = 0; i < c->params; i++) tensor_release(&c->param[i]);
}

#endif
