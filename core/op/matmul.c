/* Matrix product: shapes and gradient. C (..., m, n) = op(A) op(B), where op transposes the last
 * two axes when asked. B is a matrix shared by all leading axes of A, or has the same leading axes.
 */
#include "op/matmul.h"

#include "op/family.h"

Status infer_matmul(OpShape *call, Err *err) {
  const Shape *a = call->shape[0], *b = call->shape[1];
  bool trans_a = call->attrs->at[MATMUL_TRANS_A].number != 0;
  bool trans_b = call->attrs->at[MATMUL_TRANS_B].number != 0;
  char ta[SHAPE_TEXT_SIZE], tb[SHAPE_TEXT_SIZE];
  if (call->dtype[0] != call->dtype[1] || call->dtype[0] == DTYPE_I64)
    return err_set(err, NN_DTYPE,
                   "matmul: needs two float32 or two float64 operands, not %s and %s",
                   dtype_name(call->dtype[0]), dtype_name(call->dtype[1]));
  if (a->ndim < 2 || b->ndim < 2)
    return err_set(err, NN_SHAPE,
                   "matmul: needs matrices; the shapes are %s and %s (for vectors see dot)",
                   shape_text(a, ta), shape_text(b, tb));
  bool shared = b->ndim == 2 && !(trans_a && a->ndim > 2);
  bool fits = shared || a->ndim == b->ndim;
  for (int i = 0; fits && !shared && i < a->ndim - 2; i++) fits = a->dims[i] == b->dims[i];
  if (!fits)
    return err_set(err, NN_SHAPE, "matmul: the leading axes of %s and %s differ", shape_text(a, ta),
                   shape_text(b, tb));
  int64_t m = a->dims[a->ndim - (trans_a ? 1 : 2)], k = a->dims[a->ndim - (trans_a ? 2 : 1)];
  int64_t k2 = b->dims[b->ndim - (trans_b ? 1 : 2)], n = b->dims[b->ndim - (trans_b ? 2 : 1)];
  if (k != k2)
    return err_set(err, NN_SHAPE, "matmul: inner sizes differ: %lld of %s%s against %lld of %s%s",
                   (long long)k, shape_text(a, ta), trans_a ? " transposed" : "", (long long)k2,
                   shape_text(b, tb), trans_b ? " transposed" : "");
  call->out = *a;
  call->out.dims[a->ndim - 2] = m;
  call->out.dims[a->ndim - 1] = n;
  call->out_dtype = call->dtype[0];
  return NN_OK;
}

int64_t cost_matmul(const OpShape *call) {
  const Shape *a = call->shape[0];
  bool trans_a = call->attrs->at[MATMUL_TRANS_A].number != 0;
  return shape_count(&call->out) * a->dims[a->ndim - (trans_a ? 2 : 1)];
}

/* The last two axes merged with all before: (..., m, k) as (rows, k). */
static Ref emit_flat(OpBuilder *builder, Ref ref) {
  const Shape *shape = builder->shape(builder, ref);
  if (shape->ndim == 2) return ref;
  Attrs attrs;
  op_attr_defaults(OP_reshape, &attrs);
  int64_t last = shape->dims[shape->ndim - 1];
  attrs.at[0].count = 2;
  attrs.at[0].list[1] = last;
  attrs.at[0].list[0] = 1;
  for (int i = 0; i < shape->ndim - 1; i++) attrs.at[0].list[0] *= shape->dims[i];
  return op_emit(builder, OP_reshape, ref, REF_NONE, &attrs);
}

static Ref emit_product(OpBuilder *builder, Ref a, Ref b, bool trans_a, bool trans_b) {
  Attrs attrs;
  op_attr_defaults(OP_matmul, &attrs);
  attrs.at[MATMUL_TRANS_A].number = trans_a;
  attrs.at[MATMUL_TRANS_B].number = trans_b;
  return op_emit(builder, OP_matmul, a, b, &attrs);
}

/* With G the gradient of C = op(A) op(B):  dop(A) = G op(B)^T,  dop(B) = op(A)^T G. */
Status grad_matmul(OpGrad *grad, Err *err) {
  (void)err;
  OpBuilder *build = grad->builder;
  Ref a = grad->in[0], b = grad->in[1], g = grad->out_grad;
  bool trans_a = grad->attrs->at[MATMUL_TRANS_A].number != 0;
  bool trans_b = grad->attrs->at[MATMUL_TRANS_B].number != 0;
  if (grad->wants[0])
    grad->in_grads[0] = trans_a ? emit_product(build, b, g, trans_b, true)
                                : emit_product(build, g, b, false, !trans_b);
  if (!grad->wants[1]) return NN_OK;
  if (build->shape(build, b)->ndim == 2 && build->shape(build, a)->ndim > 2) {
    a = emit_flat(build, a); /* B is shared: sum over the leading axes, too */
    g = emit_flat(build, g);
  }
  grad->in_grads[1] = trans_b ? emit_product(build, g, a, true, trans_a)
                              : emit_product(build, a, g, !trans_a, false);
  return NN_OK;
}

OpRows rows_matmul(const OpShape *call, const bool *batched) {
  const Shape *a = call->shape[0];
  bool trans_a = call->attrs->at[MATMUL_TRANS_A].number != 0;
  bool trans_b = call->attrs->at[MATMUL_TRANS_B].number != 0;
  if (a->ndim > 2) {
    bool shared = call->shape[1]->ndim == 2;
    return batched[0] && batched[1] != shared ? OP_ROWS_KEEP : OP_ROWS_MIX;
  }
  if (batched[0] && !batched[1] && !trans_a) return OP_ROWS_KEEP;
  if (batched[0] && batched[1] && trans_a && !trans_b) return OP_ROWS_REDUCE;
  return OP_ROWS_MIX;
}

Gemm matmul_gemm(const OpCall *call, int64_t *products) {
  const OpArg *a = &call->in[0], *b = &call->in[1];
  int da = a->shape.ndim, db = b->shape.ndim;
  Gemm gemm = {.trans_a = call->attrs->at[MATMUL_TRANS_A].number != 0,
               .trans_b = call->attrs->at[MATMUL_TRANS_B].number != 0,
               .accumulate = call->accumulate,
               .a = a->data,
               .b = b->data,
               .c = call->out.data,
               .lda = a->shape.dims[da - 1],
               .ldb = b->shape.dims[db - 1],
               .ldc = call->out.shape.dims[da - 1]};
  gemm.m = call->out.shape.dims[da - 2];
  gemm.n = gemm.ldc;
  gemm.k = gemm.trans_a ? a->shape.dims[da - 2] : a->shape.dims[da - 1];
  *products = 1;
  for (int i = 0; i < da - 2; i++) *products *= a->shape.dims[i];
  if (db == 2) { /* B is shared: the leading axes are more rows */
    gemm.m *= *products;
    *products = 1;
  }
  return gemm;
}

int parts_matmul(const OpCall *call, int threads) {
  int64_t products;
  Gemm gemm = matmul_gemm(call, &products);
  if (products == 1) return gemm_parts(&gemm, threads);
  return products < threads ? (int)(products ? products : 1) : threads;
}
