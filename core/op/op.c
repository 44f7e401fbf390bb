/* The op table: rows of ops.def made into OpInfo, and what all families share. */
#include "op/op.h"

#include "base/kernel.h"

#include <stdlib.h>
#include <string.h>

/* Flags of a row: the result is input 0's memory; it may be written over input 0; a one-operand
 * activation may be folded in; how many values the op makes, when more than one. */
enum { OP_ALIAS = 1, OP_IN_PLACE = 2, OP_EPILOGUE = 4, OP_RESULT_UNIT = 16 };
#define OP_RESULTS(count) ((count)*OP_RESULT_UNIT)

/* What a row's family does not define is NULL: no gradient, no running by blocks, no scratch. */
#define OPTIONAL __attribute__((weak))
#define OP(name, ...)                                                                              \
  Status infer_##name(OpShape *call, Err *err);                                                    \
  OPTIONAL Status grad_##name(OpGrad *grad, Err *err);                                             \
  OPTIONAL OpRows rows_##name(const OpShape *call, const bool *batched);                           \
  OPTIONAL size_t scratch_##name(const OpShape *call);                                             \
  OPTIONAL int64_t cost_##name(const OpShape *call);                                               \
  OPTIONAL int parts_##name(const OpCall *call, int threads);
#include "op/ops.def"

static Status infer_elementwise(OpShape *call, Err *err);
static Status grad_elementwise(OpGrad *grad, Err *err);

/* A gradient expression NONE becomes the text "NONE": that input has no gradient. */
#define HAS(...) (sizeof(#__VA_ARGS__) != sizeof("NONE") || #__VA_ARGS__[0] != 'N')
#define COMMON_ELEMENTWISE(op_name, inputs, attributes, words)                                     \
  .name = #op_name, .arity = (inputs), .results = 1, .elementwise = true, .in_place = true,        \
  .attr_text = (attributes), .help = (words), .infer = infer_elementwise,                          \
  .grad = grad_elementwise, .rows = op_rows_keep

enum { A = OP_READS_A, B = OP_READS_B, C = OP_READS_C, Y = OP_READS_Y };

static const OpInfo infos[OP_COUNT] = {
#define ELEMENTWISE1(name, value, ra, ga, attributes, words)                                       \
  [OP_##name] = {COMMON_ELEMENTWISE(name, 1, attributes, words), .grad_reads = {ra},               \
                 .has_grad = {HAS(ga)}},
#define ELEMENTWISE2(name, value, ra, ga, rb, gb, attributes, words)                               \
  [OP_##name] = {COMMON_ELEMENTWISE(name, 2, attributes, words), .grad_reads = {ra, rb},           \
                 .has_grad = {HAS(ga), HAS(gb)}},
#define ELEMENTWISE3(name, value, ra, ga, rb, gb, rc, gc, attributes, words)                       \
  [OP_##name] = {COMMON_ELEMENTWISE(name, 3, attributes, words), .grad_reads = {ra, rb, rc},       \
                 .has_grad = {HAS(ga), HAS(gb), HAS(gc)}},
#define OP(op_name, inputs, optionals, flags, attributes, words)                                   \
  [OP_##op_name] = {.name = #op_name,                                                              \
                    .arity = (inputs),                                                             \
                    .optional = (optionals),                                                       \
                    .in_place = ((flags)&OP_IN_PLACE) != 0,                                        \
                    .alias = ((flags)&OP_ALIAS) != 0,                                              \
                    .epilogue = ((flags)&OP_EPILOGUE) != 0,                                        \
                    .results = (flags) < OP_RESULT_UNIT ? 1 : (flags) / OP_RESULT_UNIT,            \
                    .attr_text = (attributes),                                                     \
                    .help = (words),                                                               \
                    .infer = infer_##op_name,                                                      \
                    .grad = grad_##op_name,                                                        \
                    .rows = rows_##op_name,                                                        \
                    .scratch = scratch_##op_name,                                                  \
                    .cost = cost_##op_name,                                                        \
                    .parts = parts_##op_name},
#include "op/ops.def"
};

const OpInfo *op_info(OpId op) { return &infos[op]; }

static AttrType attr_type(const char *word, size_t length) {
  static const char *const words[] = {
#define X(name, text) [ATTR_##name] = (text),
      ATTR_TYPES(X)
#undef X
  };
  for (int type = 0; type < ATTR_TYPE_COUNT; type++)
    if (strlen(words[type]) == length && memcmp(words[type], word, length) == 0)
      return (AttrType)type;
  return ATTR_NUMBER;
}

bool op_attr_spec(OpId op, int index, AttrSpec *spec) {
  return attr_spec(infos[op].attr_text, index, spec);
}

bool attr_spec(const char *text, int index, AttrSpec *spec) {
  for (int skip = 0; skip < index && *text; skip++) {
    text += strcspn(text, " ");
    text += strspn(text, " ");
  }
  if (!*text) return false;
  *spec = (AttrSpec){0};
  size_t length = strcspn(text, ":");
  memcpy(spec->name, text, length < sizeof spec->name ? length : sizeof spec->name - 1);
  text += length + 1;
  length = strcspn(text, "= ");
  spec->type = attr_type(text, length);
  text += length;
  spec->required = *text != '=';
  if (*text == '=') {
    text++;
    spec->fallback = strncmp(text, "true", 4) == 0 ? 1 : strtod(text, NULL);
  }
  return true;
}

void op_attr_defaults(OpId op, Attrs *attrs) { attr_defaults(infos[op].attr_text, attrs); }

void attr_defaults(const char *text, Attrs *attrs) {
  *attrs = (Attrs){0};
  AttrSpec spec;
  for (int i = 0; i < OP_MAX_ATTRS && attr_spec(text, i, &spec); i++) {
    attrs->at[i].number = spec.fallback;
    attrs->at[i].count = -1;
  }
}

/* ---- kernels ---- */

#define X(name, type, isa) extern const OpKernel name##_##type##_##isa[OP_COUNT];
KERNEL_COPIES(X, op_kernels)
#undef X

OpKernel op_kernel(OpId op, DType dtype, Isa isa) {
  static const OpKernel *const tables[ISA_COUNT][2] = {
#define X(isa, words) [ISA_##isa] = {op_kernels_f32_##isa, op_kernels_f64_##isa},
      ISA_LIST(X)
#undef X
  };
  return tables[isa][dtype == DTYPE_F64][op];
}

int op_parts(OpId op, const OpCall *call, int threads) {
  enum { WORTH = 1 << 14 }; /* elements a thread should have */
  if (infos[op].parts) return infos[op].parts(call, threads);
  int64_t most = shape_count(&call->out.shape);
  for (int i = 0; i < call->inputs; i++)
    if (call->in[i].data && shape_count(&call->in[i].shape) > most)
      most = shape_count(&call->in[i].shape);
  int64_t parts = most / WORTH;
  return parts < 1 ? 1 : parts > threads ? threads : (int)parts;
}

/* ---- what families share ---- */

Status op_broadcast(OpId op, const Shape *a, const Shape *b, Shape *out, Err *err) {
  int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
  *out = (Shape){.ndim = ndim};
  for (int i = 1; i <= ndim; i++) {
    int64_t da = i <= a->ndim ? a->dims[a->ndim - i] : 1;
    int64_t db = i <= b->ndim ? b->dims[b->ndim - i] : 1;
    if (da != db && da != 1 && db != 1) {
      char ta[SHAPE_TEXT_SIZE], tb[SHAPE_TEXT_SIZE];
      return err_set(err, NN_SHAPE,
                     "%s: shapes %s and %s do not broadcast: axis %d is %lld and %lld",
                     infos[op].name, shape_text(a, ta), shape_text(b, tb), ndim - i + 1,
                     (long long)da, (long long)db);
    }
    out->dims[ndim - i] = da == 1 ? db : da;
  }
  return NN_OK;
}

Status op_axis(OpId op, int64_t *axis, const Shape *shape, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  if (*axis < -shape->ndim || *axis >= shape->ndim)
    return err_set(err, NN_SHAPE, "%s: there is no axis %lld in shape %s", infos[op].name,
                   (long long)(*axis < 0 ? *axis : *axis + 1), shape_text(shape, text));
  if (*axis < 0) *axis += shape->ndim;
  return NN_OK;
}

Ref op_emit(OpBuilder *builder, OpId op, Ref a, Ref b, const Attrs *attrs) {
  Attrs defaults;
  if (!attrs) {
    op_attr_defaults(op, &defaults);
    attrs = &defaults;
  }
  Ref inputs[2] = {a, b};
  return builder->emit(builder, op, inputs, b == REF_NONE ? 1 : 2, attrs);
}

Attrs op_shape_attrs(OpId op, const Shape *shape) {
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  attrs.at[0].count = shape->ndim;
  memcpy(attrs.at[0].list, shape->dims, sizeof shape->dims);
  return attrs;
}

Ref op_emit_shape(OpBuilder *builder, OpId op, Ref ref, const Shape *shape) {
  if (ref == REF_NONE || shape_equal(builder->shape(builder, ref), shape)) return ref;
  Attrs attrs = op_shape_attrs(op, shape);
  return op_emit(builder, op, ref, REF_NONE, &attrs);
}

OpRows op_rows_keep(const OpShape *call, const bool *batched) {
  /* Inputs that are not batched must broadcast along the first axis of the result. */
  for (int i = 0; i < call->inputs; i++) {
    const Shape *shape = call->shape[i];
    if (!shape) continue;
    if (batched[i] && (shape->ndim != call->out.ndim || shape->dims[0] != call->out.dims[0]))
      return OP_ROWS_MIX;
    if (!batched[i] && shape->ndim == call->out.ndim && shape->ndim > 0 && shape->dims[0] != 1)
      return OP_ROWS_MIX;
  }
  return OP_ROWS_KEEP;
}

/* ---- elementwise ops ---- */

static Status infer_elementwise(OpShape *call, Err *err) {
  call->out = *call->shape[0];
  call->out_dtype = call->dtype[0];
  for (int i = 1; i < call->inputs; i++) {
    if (call->dtype[i] != call->out_dtype)
      return err_set(err, NN_DTYPE, "%s: operands are %s and %s; convert one with :to(...)",
                     infos[call->op].name, dtype_name(call->out_dtype), dtype_name(call->dtype[i]));
    Shape left = call->out;
    TRY(op_broadcast(call->op, &left, call->shape[i], &call->out, err));
  }
  if (call->out_dtype != DTYPE_F32 && call->out_dtype != DTYPE_F64)
    return err_set(err, NN_DTYPE, "%s: needs float32 or float64, not %s", infos[call->op].name,
                   dtype_name(call->out_dtype));
  return NN_OK;
}

static Status grad_elementwise(OpGrad *grad, Err *err) {
  (void)err;
  const OpInfo *info = &infos[grad->op];
  for (int i = 0; i < grad->inputs; i++) {
    if (!grad->wants[i] || !info->has_grad[i]) continue;
    unsigned reads = info->grad_reads[i];
    Ref inputs[5] = {grad->out_grad, REF_NONE, REF_NONE, REF_NONE, REF_NONE};
    for (int k = 0; k < grad->inputs; k++)
      if (reads & (1u << k)) inputs[1 + k] = grad->in[k];
    if (reads & OP_READS_Y) inputs[4] = grad->out;
    Ref full =
        reads == 0 && (grad->op == OP_add || (grad->op == OP_sub && i == 0))
            ? grad->out_grad
            : grad->builder->emit_elementwise_grad(grad->builder, grad->op, i, inputs, grad->attrs);
    grad->in_grads[i] = op_emit_shape(grad->builder, OP_sum_to, full,
                                      grad->builder->shape(grad->builder, grad->in[i]));
  }
  return NN_OK;
}
