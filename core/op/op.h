/* Operations: what the engine can compute, as rows of ops.def.
 *
 * An op is either elementwise (its row holds the C expressions of its value and of its gradients)
 * or a row with three functions: shape inference and gradient in its family's file here, and a
 * kernel in kernel/ that is compiled per element type and instruction set. Shape inference has
 * checked everything before a kernel runs, so kernels cannot fail. A gradient is written in terms
 * of other ops: it emits the nodes that compute it, so planning treats both directions alike.
 *
 * Kernels read shapes from the Call, never from the attributes: a plan may run them on a block of
 * the rows at a time (see OpRows). */
#ifndef NNRUN_OP_OP_H
#define NNRUN_OP_OP_H

#include "base/isa.h"
#include "op/call.h"

typedef enum OpId {
#define ELEMENTWISE1(name, ...) OP_##name,
#define ELEMENTWISE2(name, ...) OP_##name,
#define ELEMENTWISE3(name, ...) OP_##name,
#define OP(name, ...) OP_##name,
#include "op/ops.def"
  OP_COUNT
} OpId;

typedef struct AttrSpec {
  char name[24];
  AttrType type;
  bool required;   /* no default in the row */
  double fallback; /* lists fall back to count -1 */
} AttrSpec;

/* A value in a graph: the index of its node. REF_NONE: no such value. */
typedef int32_t Ref;
enum { REF_NONE = -1 };

/* One of an op's results after the first. */
typedef struct OpMore {
  Shape shape;
  DType dtype;
} OpMore;

/* What shape inference sees and fills. Inputs that are absent have shape NULL. */
typedef struct OpShape {
  OpId op;
  int inputs;
  const Shape *shape[OP_MAX_INPUTS];
  DType dtype[OP_MAX_INPUTS];
  Attrs *attrs; /* may be completed: negative axes made positive, "all" spelled out */
  Shape out;
  DType out_dtype;
  OpMore more[OP_MAX_RESULTS - 1]; /* results 1 and up of a row with OP_RESULTS */
} OpShape;

/* How a gradient emits ops. Failures stick in the builder: emit then returns REF_NONE. */
typedef struct OpBuilder OpBuilder;
struct OpBuilder {
  Ref (*emit)(OpBuilder *builder, OpId op, const Ref *inputs, int count, const Attrs *attrs);
  /* the gradient form of an elementwise op with respect to input `slot`: inputs g, a, b, c, y */
  Ref (*emit_elementwise_grad)(OpBuilder *builder, OpId op, int slot, const Ref inputs[5],
                               const Attrs *attrs);
  Ref (*result)(OpBuilder *builder, Ref ref, int index); /* result `index` >= 1 of a node's op */
  Ref (*constant)(OpBuilder *builder, DType dtype, double value); /* a scalar */
  const Shape *(*shape)(OpBuilder *builder, Ref ref);
  DType (*dtype)(OpBuilder *builder, Ref ref);
};

/* What a gradient function sees: emit the gradient with respect to every input i with wants[i] and
 * put it in in_grads[i] (REF_NONE: it is zero). */
typedef struct OpGrad {
  OpBuilder *builder;
  OpId op;
  int inputs;
  Ref in[OP_MAX_INPUTS];
  bool wants[OP_MAX_INPUTS];
  const Attrs *attrs;
  Ref out;      /* the op's own value */
  Ref out_grad; /* the gradient that arrives; of an op of several results it may be REF_NONE */
  Ref more_grads[OP_MAX_RESULTS - 1]; /* those of its further results; REF_NONE: none arrives */
  Ref in_grads[OP_MAX_INPUTS];
} OpGrad;

/* How an op treats the first axis when the marked inputs are rows of a batch along it. */
typedef enum OpRows {
  OP_ROWS_MIX,    /* rows of the result depend on other rows: cannot run by blocks */
  OP_ROWS_KEEP,   /* row i of the result depends only on row i of the batched inputs */
  OP_ROWS_REDUCE, /* the result is a sum over rows; out may be accumulated block by block */
} OpRows;

typedef struct OpInfo {
  const char *name;
  int arity;    /* number of inputs; optional ones last */
  int optional; /* how many of them may be absent */
  int results;  /* values it makes: 1 to OP_MAX_RESULTS */
  bool elementwise;
  bool in_place;          /* the result may be written over input 0 (same shape and type) */
  bool epilogue;          /* a one-operand activation may be folded into the kernel */
  bool alias;             /* the result is input 0's memory under another shape; no kernel */
  const char *attr_text;  /* "axis:int=-1 keepdims:bool=false"; see op_attr_spec */
  const char *help;       /* one line */
  unsigned grad_reads[3]; /* elementwise: which of a b c y each gradient reads (OP_READS_*) */
  bool has_grad[3];       /* elementwise: is there a gradient with respect to input i */
  Status (*infer)(OpShape *call, Err *err);
  Status (*grad)(OpGrad *grad, Err *err);                   /* NULL: not differentiable */
  OpRows (*rows)(const OpShape *call, const bool *batched); /* NULL: OP_ROWS_MIX */
  size_t (*scratch)(const OpShape *call);                   /* NULL: none; bytes for one part */
  int64_t (*cost)(const OpShape *call);                     /* multiply-adds; NULL: not counted */
  int (*parts)(const OpCall *call, int threads);            /* NULL: by size; at most `threads` */
} OpInfo;

enum { OP_READS_A = 1, OP_READS_B = 2, OP_READS_C = 4, OP_READS_Y = 8 };

const OpInfo *op_info(OpId op);
/* The index-th attribute of an op; false past the last. */
bool op_attr_spec(OpId op, int index, AttrSpec *spec);
/* All attributes at their defaults. */
void op_attr_defaults(OpId op, Attrs *attrs);
/* The same for any text of that form (layers have one, too). */
bool attr_spec(const char *text, int index, AttrSpec *spec);
void attr_defaults(const char *text, Attrs *attrs);
/* The kernel of a non-elementwise op for the dtype of its arithmetic. */
OpKernel op_kernel(OpId op, DType dtype, Isa isa);
/* How many parts a call is worth splitting into; depends on shapes and `threads` alone. */
int op_parts(OpId op, const OpCall *call, int threads);

/* ---- helpers for families ---- */

/* The shape two operands broadcast to (NumPy's rule); the message names both and the op. */
Status op_broadcast(OpId op, const Shape *a, const Shape *b, Shape *out, Err *err);
/* Make a possibly negative axis (-1 is the last) non-negative; the message names op and shape. */
Status op_axis(OpId op, int64_t *axis, const Shape *shape, Err *err);
/* Emit with up to four inputs, attributes at their defaults when NULL. */
Ref op_emit(OpBuilder *builder, OpId op, Ref a, Ref b, const Attrs *attrs);
/* Attributes at their defaults, with attribute 0 the list of a shape's dims. */
Attrs op_shape_attrs(OpId op, const Shape *shape);
/* Emit reshape, expand or sum_to to `shape`; `ref` itself when it has that shape or is REF_NONE. */
Ref op_emit_shape(OpBuilder *builder, OpId op, Ref ref, const Shape *shape);
/* Rows rule of ops that never touch the first axis of input 0 and broadcast the rest. */
OpRows op_rows_keep(const OpShape *call, const bool *batched);

#endif
