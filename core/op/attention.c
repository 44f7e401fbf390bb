/* Softmax attention of several heads, softmax(scale * Q K^T + mask) V, without the matrix of
 * scores.
 *
 * The kernels go through it in tiles and keep the maximum and the sum of exponentials of every row,
 * from which backward computes the tiles again (Dao et al. 2022, "FlashAttention"): memory is
 * linear in the length, in training too. Operands are rows (n, length, heads * size) as projections
 * make them, and may hold queries, keys and values side by side. A row whose keys are all masked is
 * zero and passes no gradient on. Only the gradient of a mask needs a matrix as large as the
 * scores. */
#include "op/attention.h"

#include "op/family.h"

enum { Q, K, V, MASK, PADDING, OPERANDS };
/* of attention_grad: what comes before the operands */
enum { G, OUT, STATS, BEFORE };

AttentionSizes attention_sizes(const Shape *q, const Shape *k, const Shape *v, int64_t heads) {
  const Shape *keys = k ? k : q, *values = v ? v : keys;
  int64_t size = q->dims[2] / (k ? 1 : 3);
  AttentionSizes sizes = {.batch = q->dims[0], .heads = heads};
  sizes.q = (AttentionRows){Q, q->dims[1], q->dims[2], 0, size / heads};
  sizes.k = (AttentionRows){k ? K : Q, keys->dims[1], keys->dims[2], k ? 0 : size, size / heads};
  sizes.v = v ? (AttentionRows){V, values->dims[1], values->dims[2], 0, values->dims[2] / heads}
              : sizes.k;
  if (!v) sizes.v.column += size;
  return sizes;
}

AttentionSizes attention_of(const OpArg *in, const Attrs *attrs) {
  const Shape *k = in[K].shape.ndim ? &in[K].shape : NULL;
  const Shape *v = in[V].shape.ndim ? &in[V].shape : NULL;
  return attention_sizes(&in[Q].shape, k, v, (int64_t)attrs->at[ATTENTION_HEADS].number);
}

/* ---- checks; operands begin at input `at` ---- */

static Status check_rows(const OpShape *call, int at, Err *err) {
  static const char *names[] = {"q", "k", "v"};
  const char *op = op_info(call->op)->name;
  const Shape *q = call->shape[at + Q], *k = call->shape[at + K], *v = call->shape[at + V];
  char text[SHAPE_TEXT_SIZE], other[SHAPE_TEXT_SIZE];
  int64_t heads = (int64_t)call->attrs->at[ATTENTION_HEADS].number;
  if (!q || (v && !k)) return err_set(err, NN_BAD_ARGUMENT, "%s: v needs k beside it", op);
  for (int i = Q; i <= V; i++) {
    const Shape *shape = call->shape[at + i];
    if (shape && shape->ndim != 3)
      return err_set(err, NN_SHAPE, "%s: %s must be (n, length, columns), not %s", op, names[i],
                     shape_text(shape, text));
    if (shape && shape->dims[0] != q->dims[0])
      return err_set(err, NN_SHAPE, "%s: q %s and %s %s are batches of different sizes", op,
                     shape_text(q, text), names[i], shape_text(shape, other));
  }
  int64_t size = k ? q->dims[2] : q->dims[2] / 3;
  if (heads < 1 || size < 1 || size % heads != 0)
    return err_set(err, NN_SHAPE, "%s: %lld columns of queries cannot be split into %lld heads", op,
                   (long long)size, (long long)heads);
  if (!k && q->dims[2] % 3 != 0)
    return err_set(err, NN_SHAPE, "%s: q %s alone must hold queries, keys and values side by side",
                   op, shape_text(q, text));
  if (k && k->dims[2] != (v ? size : 2 * size))
    return err_set(err, NN_SHAPE, "%s: k is %s; it needs %lld columns, %s", op, shape_text(k, text),
                   (long long)(v ? size : 2 * size), v ? "as q" : "of keys and values");
  if (v && (v->dims[1] != k->dims[1] || v->dims[2] < 1 || v->dims[2] % heads != 0))
    return err_set(err, NN_SHAPE, "%s: v %s needs the rows of k %s, and columns for %lld heads", op,
                   shape_text(v, text), shape_text(k, other), (long long)heads);
  return NN_OK;
}

/* The mask broadcasts to (n, heads, queries, keys), but for its last axis. */
static Status check_masks(const OpShape *call, int at, const AttentionSizes *sizes, Err *err) {
  const char *op = op_info(call->op)->name;
  const Shape *mask = call->shape[at + MASK], *padding = call->shape[at + PADDING];
  const int64_t full[4] = {sizes->batch, sizes->heads, sizes->q.rows, sizes->k.rows};
  char text[SHAPE_TEXT_SIZE], want[SHAPE_TEXT_SIZE];
  Shape scores = shape_make(4, full), keys = {.ndim = 2, .dims = {sizes->batch, sizes->k.rows}};
  bool fits = !mask || (mask->ndim >= 1 && mask->ndim <= 4);
  for (int i = 1; mask && fits && i <= mask->ndim; i++) {
    int64_t dim = mask->dims[mask->ndim - i];
    fits = dim == full[4 - i] || (dim == 1 && i > 1);
  }
  if (!fits)
    return err_set(err, NN_SHAPE, "%s: the mask %s does not fit scores %s", op,
                   shape_text(mask, text), shape_text(&scores, want));
  if (padding && !shape_equal(padding, &keys))
    return err_set(err, NN_SHAPE, "%s: the padding mask must be %s, not %s", op,
                   shape_text(&keys, want), shape_text(padding, text));
  if (padding && call->dtype[at + PADDING] != call->dtype[at] &&
      call->dtype[at + PADDING] != DTYPE_I64)
    return err_set(err, NN_DTYPE, "%s: the padding mask must be int64 or %s, not %s", op,
                   dtype_name(call->dtype[at]), dtype_name(call->dtype[at + PADDING]));
  return NN_OK;
}

static Status check_numbers(const OpShape *call, Err *err) {
  const char *op = op_info(call->op)->name;
  double p = call->attrs->at[ATTENTION_DROPOUT].number;
  double scale = call->attrs->at[ATTENTION_SCALE].number;
  if (!(p >= 0 && p < 1))
    return err_set(err, NN_BAD_ARGUMENT, "%s: dropout must be at least 0 and less than 1, not %g",
                   op, p);
  if (!(scale >= 0 && scale <= 1e30))
    return err_set(err, NN_BAD_ARGUMENT, "%s: scale must be positive, or 0 for 1 / sqrt(size)", op);
  return family_stream(call, ATTENTION_STREAM, err);
}

static Status check_attention(const OpShape *call, int at, AttentionSizes *sizes, Err *err) {
  TRY(family_floats(call, call->inputs < at + PADDING ? call->inputs : at + PADDING, err));
  TRY(check_rows(call, at, err));
  TRY(check_numbers(call, err));
  *sizes = attention_sizes(call->shape[at + Q], call->shape[at + K], call->shape[at + V],
                           (int64_t)call->attrs->at[ATTENTION_HEADS].number);
  return check_masks(call, at, sizes, err);
}

/* ---- attention ---- */

static Shape out_shape(const AttentionSizes *sizes) {
  const int64_t dims[3] = {sizes->batch, sizes->q.rows, sizes->heads * sizes->v.width};
  return shape_make(3, dims);
}

/* For each row of scores its maximum and the sum of exp(score - maximum). */
static Shape stats_shape(const AttentionSizes *sizes) {
  const int64_t dims[4] = {sizes->batch, sizes->heads, sizes->q.rows, 2};
  return shape_make(4, dims);
}

Status infer_attention(OpShape *call, Err *err) {
  AttentionSizes sizes;
  TRY(check_attention(call, 0, &sizes, err));
  call->out = out_shape(&sizes);
  call->more[0].shape = stats_shape(&sizes);
  call->out_dtype = call->more[0].dtype = call->dtype[Q];
  return NN_OK;
}

/* Samples are independent; a mask is the same for all of them or has a row for each. */
static OpRows rows_from(const OpShape *call, const bool *batched, int at) {
  for (int i = 0; i < call->inputs; i++) {
    if (!call->shape[i]) continue;
    bool sample = i != at + MASK || (call->shape[i]->ndim == 4 && call->shape[i]->dims[0] > 1);
    if (batched[i] != sample) return OP_ROWS_MIX;
  }
  return OP_ROWS_KEEP;
}

OpRows rows_attention(const OpShape *call, const bool *batched) {
  return rows_from(call, batched, 0);
}

Status grad_attention(OpGrad *grad, Err *err) {
  OpBuilder *build = grad->builder;
  if (grad->more_grads[0] != REF_NONE)
    return err_set(err, NN_UNSUPPORTED, "attention: its row statistics have no gradient");
  Ref inputs[BEFORE + OPERANDS] = {grad->out_grad, grad->out, build->result(build, grad->out, 1)};
  for (int i = 0; i < grad->inputs; i++) inputs[BEFORE + i] = grad->in[i];
  Ref made = build->emit(build, OP_attention_grad, inputs, BEFORE + grad->inputs, grad->attrs);
  for (int i = Q; i <= V && i < grad->inputs; i++)
    if (grad->wants[i]) grad->in_grads[i] = i == Q ? made : build->result(build, made, i);
  if (grad->inputs <= MASK || !grad->wants[MASK]) return NN_OK;
  Attrs to = op_shape_attrs(OP_sum_to, build->shape(build, grad->in[MASK]));
  Ref scores = build->result(build, made, MASK);
  grad->in_grads[MASK] = op_emit(build, OP_sum_to, scores, REF_NONE, &to);
  return NN_OK;
}

/* ---- attention_grad: results like q, k and v, and like the scores where there is a mask ---- */

Status infer_attention_grad(OpShape *call, Err *err) {
  AttentionSizes sizes;
  char have[SHAPE_TEXT_SIZE], want[SHAPE_TEXT_SIZE];
  TRY(check_attention(call, BEFORE, &sizes, err));
  Shape out = out_shape(&sizes), stats = stats_shape(&sizes);
  const Shape *expected[BEFORE] = {&out, &out, &stats};
  for (int i = 0; i < BEFORE; i++)
    if (!shape_equal(call->shape[i], expected[i]))
      return err_set(err, NN_SHAPE, "attention_grad: operand %d must be %s, not %s", i + 1,
                     shape_text(expected[i], want), shape_text(call->shape[i], have));
  call->out = *call->shape[BEFORE + Q];
  call->out_dtype = call->dtype[BEFORE + Q];
  for (int i = K; i <= V; i++) {
    const Shape *shape = call->shape[BEFORE + i];
    call->more[i - 1].shape = shape ? *shape : (Shape){.ndim = 3, .dims = {call->out.dims[0]}};
    call->more[i - 1].dtype = call->out_dtype;
  }
  bool masked = call->inputs > BEFORE + MASK && call->shape[BEFORE + MASK];
  const int64_t scores[4] = {sizes.batch, sizes.heads, sizes.q.rows, masked ? sizes.k.rows : 0};
  call->more[MASK - 1].shape = shape_make(4, scores);
  call->more[MASK - 1].dtype = call->out_dtype;
  return NN_OK;
}

OpRows rows_attention_grad(const OpShape *call, const bool *batched) {
  return rows_from(call, batched, BEFORE);
}

/* ---- work; parts are whole heads ---- */

/* Of one product with the scores. */
static int64_t cost_of(const AttentionSizes *sizes) {
  return sizes->batch * sizes->heads * sizes->q.rows * sizes->k.rows * sizes->k.width;
}

static int64_t cost_from(const OpShape *call, int at, int64_t products) {
  AttentionSizes sizes =
      attention_sizes(call->shape[at + Q], call->shape[at + K], call->shape[at + V],
                      (int64_t)call->attrs->at[ATTENTION_HEADS].number);
  return products * cost_of(&sizes);
}

int64_t cost_attention(const OpShape *call) { return cost_from(call, 0, 2); }

int64_t cost_attention_grad(const OpShape *call) { return cost_from(call, BEFORE, 5); }

static int parts_of(const OpCall *call, int at, double products, int threads) {
  AttentionSizes sizes = attention_of(call->in + at, call->attrs);
  const double flops_per_part = 2e6; /* as for matrix products */
  double flops = 2 * products * (double)cost_of(&sizes);
  return family_parts(flops, flops_per_part, sizes.batch * sizes.heads, threads);
}

int parts_attention(const OpCall *call, int threads) { return parts_of(call, 0, 2, threads); }

int parts_attention_grad(const OpCall *call, int threads) {
  return parts_of(call, BEFORE, 5, threads);
}
