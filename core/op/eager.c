#include "op/eager.h"

#include "op/elementwise.h"
#include "op/integer.h"

#include <stdlib.h>
#include <string.h>

static bool is_float(DType dtype) { return dtype == DTYPE_F32 || dtype == DTYPE_F64; }

/* ---- one element type ---- */

static Status convert(Eager *eager, int i, DType dtype, Err *err) {
  Tensor *in = &eager->in[i];
  if (!in->data || in->dtype == dtype) return NN_OK;
  Tensor made;
  TRY(tensor_convert(&made, in, dtype, err));
  if (eager->converted & 1u << i) tensor_release(in);
  *in = made;
  eager->converted |= 1u << i;
  return NN_OK;
}

/* float64 before float32 before int64. */
static DType widest(const Eager *eager) {
  bool wide = false, narrow = false;
  int first = eager->op == OP_where ? 1 : 0; /* a condition is 0 or 1 in any type */
  for (int i = first; i < eager->inputs; i++) {
    if (!eager->in[i].data) continue;
    wide |= eager->in[i].dtype == DTYPE_F64;
    narrow |= eager->in[i].dtype == DTYPE_F32;
  }
  return wide ? DTYPE_F64 : narrow ? DTYPE_F32 : DTYPE_I64;
}

static Status convert_all(Eager *eager, DType dtype, Err *err) {
  for (int i = 0; i < eager->inputs; i++) TRY(convert(eager, i, dtype, err));
  return NN_OK;
}

/* ---- elementwise ops ---- */

/* `in` are g, a, b, c, y as for EwLoop, NULL where absent; `out` has its shape and type. */
typedef struct Elementwise {
  const Tensor *in[5];
  double attrs[4];
  EwLoop loop;
} Elementwise;

/* The whole vectors go straight to memory, the rest through a vector of its own when the elements
 * behind `out` belong to somebody else. */
static void run_flat(const Elementwise *e, Tensor *out, bool shared) {
  enum { SIZE = EW_BLOCK * sizeof(double) };
  _Alignas(64) char filled[5][SIZE], tail[EW_VECTOR * sizeof(double)];
  size_t size = dtype_size(out->dtype);
  int64_t count = tensor_count(out), step = count;
  bool scalar[5] = {false};
  const void *in[5] = {NULL};
  for (int i = 0; i < 5; i++) {
    if (!e->in[i]) continue;
    in[i] = e->in[i]->data;
    scalar[i] = count != 1 && tensor_count(e->in[i]) == 1;
    if (!scalar[i]) continue;
    step = EW_BLOCK;
    int fill = count < EW_BLOCK ? (int)count + EW_VECTOR : EW_BLOCK;
    if (fill > EW_BLOCK) fill = EW_BLOCK;
    if (out->dtype == DTYPE_F64)
      for (int k = 0; k < fill; k++) ((double *)filled[i])[k] = *(const double *)in[i];
    else
      for (int k = 0; k < fill; k++) ((float *)filled[i])[k] = *(const float *)in[i];
    in[i] = filled[i];
  }
  int64_t whole = shared ? count / EW_VECTOR * EW_VECTOR : count;
  for (int64_t done = 0; done < count;) {
    int64_t now = done < whole ? whole - done : count - done;
    if (now > step) now = step;
    char *to = (char *)out->data + (size_t)done * size;
    e->loop(done < whole ? to : tail, in, e->attrs, now);
    if (done >= whole) memcpy(to, tail, (size_t)now * size);
    for (int i = 0; i < 5; i++)
      if (in[i] && !scalar[i]) in[i] = (const char *)in[i] + (size_t)now * size;
    done += now;
  }
}

static void run_broadcast(const Elementwise *e, Tensor *out) {
  EwProgram program;
  int registers = 0;
  program.steps = program.results = 1;
  program.operands = 0;
  program.shape = out->shape;
  program.result[0] = out->data;
  EwStep *step = &program.step[0];
  step->loop = e->loop;
  step->out = EW_NONE;
  step->result = 0;
  memcpy(step->attrs, e->attrs, sizeof e->attrs);
  for (int i = 0; i < 5; i++) {
    step->in[i] = EW_NONE;
    if (!e->in[i]) continue;
    step->in[i] = (uint8_t)(EW_OPERAND | program.operands);
    EwOperand *operand = &program.operand[program.operands++];
    ew_operand(operand, &e->in[i]->shape, &out->shape);
    operand->data = e->in[i]->data;
    if (operand->mode == EW_FULL) continue;
    operand->reg = (uint8_t)registers;
    registers += operand->mode == EW_PERIODIC ? 2 : 1;
  }
  ew_runner(out->dtype, isa_best())(&program, 0, 1);
}

static bool is_flat(const Elementwise *e, int64_t count) {
  for (int i = 0; i < 5; i++) {
    if (!e->in[i]) continue;
    int64_t own = tensor_count(e->in[i]);
    if (own != count && own != 1) return false;
  }
  return true;
}

static Elementwise elementwise(OpId op, int slot, DType dtype, const Attrs *attrs) {
  Elementwise e = {.loop = ew_loop(op, slot, dtype, isa_best())};
  for (int i = 0; i < 4; i++) e.attrs[i] = attrs->at[i].number;
  return e;
}

/* A new result of the shape that the operands, at least one, broadcast to. */
static Status run_elementwise(Tensor *out, OpId op, const Elementwise *e, Err *err) {
  const Tensor *first = NULL;
  Shape shape = {0};
  for (int i = 0; i < 5; i++) {
    if (!e->in[i]) continue;
    Shape left = shape;
    if (!first || shape_equal(&shape, &e->in[i]->shape))
      shape = e->in[i]->shape;
    else
      TRY(op_broadcast(op, &left, &e->in[i]->shape, &shape, err));
    if (!first) first = e->in[i];
  }
  TRY(tensor_new_raw(out, first->dtype, &shape, err));
  if (is_flat(e, shape_count(&shape)))
    run_flat(e, out, false);
  else
    run_broadcast(e, out);
  return NN_OK;
}

/* ---- kernels ---- */

static void shapes_of(OpShape *shape, Eager *eager) {
  *shape = (OpShape){.op = eager->op, .inputs = eager->inputs, .attrs = &eager->attrs};
  for (int i = 0; i < eager->inputs; i++) {
    shape->shape[i] = eager->in[i].data ? &eager->in[i].shape : NULL;
    shape->dtype[i] = eager->in[i].dtype;
  }
}

/* An op that wants numbers reads an int64 operand as float32. */
static Status infer(OpShape *shape, Eager *eager, Err *err) {
  Attrs given = eager->attrs;
  const OpInfo *info = op_info(eager->op);
  shapes_of(shape, eager);
  Status status = info->infer(shape, err);
  if (status != NN_DTYPE || eager->inputs == 0 || eager->in[0].dtype != DTYPE_I64) return status;
  TRY(convert(eager, 0, DTYPE_F32, err));
  eager->attrs = given;
  shapes_of(shape, eager);
  return info->infer(shape, err);
}

static void results_release(Eager *eager) {
  while (eager->results > 0) tensor_release(&eager->out[--eager->results]);
}

static Status results_new(Eager *eager, const OpShape *shape, Err *err) {
  Status status = tensor_new_raw(&eager->out[0], shape->out_dtype, &shape->out, err);
  eager->results = status == NN_OK;
  for (int k = 1; status == NN_OK && k < op_info(eager->op)->results; k++) {
    const OpMore *more = &shape->more[k - 1];
    status = tensor_new_raw(&eager->out[k], more->dtype, &more->shape, err);
    eager->results += status == NN_OK;
  }
  if (status != NN_OK) results_release(eager);
  return status;
}

static OpArg argument(const Tensor *tensor) {
  return (OpArg){.data = tensor->data, .dtype = tensor->dtype, .shape = tensor->shape};
}

static Status run_kernel(Eager *eager, Err *err) {
  const OpInfo *info = op_info(eager->op);
  OpShape shape;
  TRY(infer(&shape, eager, err));
  if (info->alias) {
    eager->out[0] = tensor_share(&eager->in[0]);
    eager->out[0].shape = shape.out;
    eager->results = 1;
    return NN_OK;
  }
  TRY(results_new(eager, &shape, err));
  size_t scratch = info->scratch ? info->scratch(&shape) : 0;
  void *space = scratch ? aligned_alloc(64, (scratch + 2 * TENSOR_PAD) / 64 * 64) : NULL;
  if (scratch && !space) {
    results_release(eager);
    return err_set(err, NN_NO_MEMORY, "%s: no memory for %zu bytes of work space", info->name,
                   scratch);
  }
  OpRun run = {0};
  OpCall call = {.attrs = &eager->attrs, .inputs = eager->inputs, .scratch = space, .run = &run};
  for (int i = 0; i < eager->inputs; i++)
    if (eager->in[i].data) call.in[i] = argument(&eager->in[i]);
  call.out = argument(&eager->out[0]);
  for (int k = 1; k < eager->results; k++) call.more[k - 1] = argument(&eager->out[k]);
  DType dtype =
      call.out.dtype == DTYPE_I64 && eager->inputs > 0 ? call.in[0].dtype : call.out.dtype;
  op_kernel(eager->op, dtype, isa_best())(&call, 0, 1);
  free(space);
  return NN_OK;
}

/* ---- public ---- */

static bool promotes(OpId op) {
  return op_info(op)->elementwise || op == OP_matmul || op == OP_concat;
}

static Status prepare(Eager *eager, Err *err) {
  eager->results = 0;
  if (!promotes(eager->op)) return NN_OK;
  DType dtype = widest(eager);
  bool keeps = integer_has(eager->op) || eager->op == OP_concat;
  if (dtype == DTYPE_I64 && !keeps) dtype = DTYPE_F32;
  return convert_all(eager, dtype, err);
}

static Elementwise elementwise_of(const Eager *eager) {
  Elementwise e = elementwise(eager->op, -1, eager->in[0].dtype, &eager->attrs);
  for (int i = 0; i < eager->inputs; i++) e.in[1 + i] = &eager->in[i];
  return e;
}

Status eager_run(Eager *eager, Err *err) {
  TRY(prepare(eager, err));
  if (eager->inputs > 0 && eager->in[0].dtype == DTYPE_I64 && integer_has(eager->op)) {
    TRY(integer_run(&eager->out[0], eager->op, eager->in, eager->inputs, &eager->attrs, err));
    eager->results = 1;
    return NN_OK;
  }
  if (!op_info(eager->op)->elementwise) return run_kernel(eager, err);
  Elementwise e = elementwise_of(eager);
  TRY(run_elementwise(&eager->out[0], eager->op, &e, err));
  eager->results = 1;
  return NN_OK;
}

/* Would writing dest from its beginning change an operand before it is read? */
static bool overlaps(const Eager *eager, const Tensor *dest) {
  for (int i = 0; i < eager->inputs; i++)
    if (eager->in[i].buffer == dest->buffer && eager->in[i].data != dest->data) return true;
  return false;
}

Status eager_run_into(Eager *eager, Tensor *dest, Err *err) {
  char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];
  TRY(prepare(eager, err));
  Elementwise e = elementwise_of(eager);
  bool direct = is_float(dest->dtype) && eager->in[0].dtype == dest->dtype &&
                is_flat(&e, tensor_count(dest)) && !overlaps(eager, dest);
  if (direct) {
    run_flat(&e, dest, true);
    tensor_touch(dest);
    return NN_OK;
  }
  TRY(eager_run(eager, err));
  Tensor *made = &eager->out[0];
  Status status = NN_OK;
  if (!shape_equal(&made->shape, &dest->shape))
    status =
        err_set(err, NN_SHAPE, "%s_: the result has shape %s and does not fit into %s",
                op_info(eager->op)->name, shape_text(&made->shape, a), shape_text(&dest->shape, b));
  else if (made->dtype != dest->dtype)
    status =
        err_set(err, NN_DTYPE, "%s_: the result is %s and cannot be written into a tensor of %s",
                op_info(eager->op)->name, dtype_name(made->dtype), dtype_name(dest->dtype));
  else
    memmove(dest->data, made->data, tensor_bytes(made));
  results_release(eager);
  if (status == NN_OK) tensor_touch(dest);
  return status;
}

void eager_release(Eager *eager) {
  for (int i = 0; i < eager->inputs; i++)
    if (eager->converted & 1u << i) tensor_release(&eager->in[i]);
  eager->converted = 0;
}

/* ---- gradients ---- */

/* Gradient rules emit ops; here each is computed as it is emitted. A Ref is an index into values;
 * the results of an op follow one another. */
typedef struct EagerBuilder {
  OpBuilder base; /* first: a builder is cast back */
  Tensor *values;
  int count, capacity;
  Status status;
  Err *err;
} EagerBuilder;

static Ref builder_add(EagerBuilder *builder, Tensor value) {
  if (builder->count == builder->capacity) {
    int capacity = builder->capacity ? 2 * builder->capacity : 32;
    Tensor *values = realloc(builder->values, (size_t)capacity * sizeof *values);
    if (!values) {
      tensor_release(&value);
      builder->status = err_set(builder->err, NN_NO_MEMORY, "no memory for a gradient");
      return REF_NONE;
    }
    builder->values = values;
    builder->capacity = capacity;
  }
  builder->values[builder->count] = value;
  return builder->count++;
}

static Ref builder_emit(OpBuilder *base, OpId op, const Ref *inputs, int count,
                        const Attrs *attrs) {
  EagerBuilder *builder = (EagerBuilder *)base;
  if (builder->status != NN_OK) return REF_NONE;
  Eager eager = {.op = op, .inputs = count};
  if (attrs)
    eager.attrs = *attrs;
  else
    op_attr_defaults(op, &eager.attrs);
  for (int i = 0; i < count; i++)
    if (inputs[i] != REF_NONE) eager.in[i] = builder->values[inputs[i]];
  builder->status = eager_run(&eager, builder->err);
  eager_release(&eager);
  if (builder->status != NN_OK) return REF_NONE;
  Ref first = builder_add(builder, eager.out[0]);
  for (int k = 1; k < eager.results; k++) builder_add(builder, eager.out[k]);
  return builder->status == NN_OK ? first : REF_NONE;
}

static Ref builder_emit_grad(OpBuilder *base, OpId op, int slot, const Ref inputs[5],
                             const Attrs *attrs) {
  EagerBuilder *builder = (EagerBuilder *)base;
  if (builder->status != NN_OK) return REF_NONE;
  DType dtype = DTYPE_F32;
  for (int i = 4; i >= 0; i--)
    if (inputs[i] != REF_NONE) dtype = builder->values[inputs[i]].dtype;
  Elementwise e = elementwise(op, slot, dtype, attrs);
  for (int i = 0; i < 5; i++)
    if (inputs[i] != REF_NONE) e.in[i] = &builder->values[inputs[i]];
  Tensor out;
  builder->status = run_elementwise(&out, op, &e, builder->err);
  return builder->status == NN_OK ? builder_add(builder, out) : REF_NONE;
}

static Ref builder_constant(OpBuilder *base, DType dtype, double value) {
  EagerBuilder *builder = (EagerBuilder *)base;
  Tensor tensor;
  if (builder->status != NN_OK) return REF_NONE;
  builder->status = tensor_new(&tensor, dtype, &(Shape){0}, builder->err);
  if (builder->status != NN_OK) return REF_NONE;
  tensor_set(&tensor, 0, value);
  return builder_add(builder, tensor);
}

static const Shape *builder_shape(OpBuilder *base, Ref ref) {
  static const Shape scalar = {0};
  return ref == REF_NONE ? &scalar : &((EagerBuilder *)base)->values[ref].shape;
}

static DType builder_dtype(OpBuilder *base, Ref ref) {
  return ref == REF_NONE ? DTYPE_F32 : ((EagerBuilder *)base)->values[ref].dtype;
}

static Ref builder_result(OpBuilder *base, Ref ref, int index) {
  (void)base;
  return ref == REF_NONE ? REF_NONE : ref + index;
}

static Ref add_value(EagerBuilder *builder, const Tensor *tensor) {
  return tensor->data ? builder_add(builder, tensor_share(tensor)) : REF_NONE;
}

/* The gradient of `in`, in full shape and in_grad's own type. */
static Status take_gradient(EagerBuilder *builder, Ref ref, const Tensor *in, Tensor *grad) {
  *grad = (Tensor){0};
  if (ref == REF_NONE) return NN_OK;
  ref = op_emit_shape(&builder->base, OP_expand, ref, &in->shape);
  if (builder->status == NN_OK) *grad = tensor_share(&builder->values[ref]);
  return builder->status;
}

Status eager_gradient(const Eager *past, const Tensor *out_grad, const bool *wants, Tensor *in_grad,
                      Err *err) {
  const OpInfo *info = op_info(past->op);
  for (int i = 0; i < past->inputs; i++) in_grad[i] = (Tensor){0};
  if (!info->grad) return err_set(err, NN_UNSUPPORTED, "%s has no gradient", info->name);
  EagerBuilder builder = {.base = {.emit = builder_emit,
                                   .emit_elementwise_grad = builder_emit_grad,
                                   .constant = builder_constant,
                                   .shape = builder_shape,
                                   .dtype = builder_dtype,
                                   .result = builder_result},
                          .status = NN_OK,
                          .err = err};
  OpGrad grad = {
      .builder = &builder.base, .op = past->op, .inputs = past->inputs, .attrs = &past->attrs};
  for (int i = 0; i < past->inputs; i++) {
    grad.in[i] = add_value(&builder, &past->in[i]);
    grad.wants[i] = wants[i];
    grad.in_grads[i] = REF_NONE;
  }
  grad.out = add_value(&builder, &past->out[0]);
  for (int k = 1; k < past->results; k++) add_value(&builder, &past->out[k]);
  grad.out_grad = add_value(&builder, &out_grad[0]);
  for (int k = 1; k < OP_MAX_RESULTS; k++)
    grad.more_grads[k - 1] = k < past->results ? add_value(&builder, &out_grad[k]) : REF_NONE;
  Status status = builder.status == NN_OK ? info->grad(&grad, err) : builder.status;
  if (status == NN_OK) status = builder.status;
  for (int i = 0; i < past->inputs && status == NN_OK; i++)
    if (wants[i]) status = take_gradient(&builder, grad.in_grads[i], &past->in[i], &in_grad[i]);
  for (int i = 0; i < builder.count; i++) tensor_release(&builder.values[i]);
  free(builder.values);
  if (status != NN_OK)
    for (int i = 0; i < past->inputs; i++) tensor_release(&in_grad[i]);
  return status;
}
