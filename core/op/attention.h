/* What shape inference and the kernels of attention agree on: where the rows of the operands are.
 */
#ifndef NNRUN_OP_ATTENTION_H
#define NNRUN_OP_ATTENTION_H

#include "op/call.h"

enum { ATTENTION_HEADS, ATTENTION_CAUSAL, ATTENTION_SCALE, ATTENTION_DROPOUT, ATTENTION_STREAM };

/* Head h of row i of sample n begins at element (n * rows + i) * stride + column + h * width of the
 * operand that holds it. */
typedef struct AttentionRows {
  int holder; /* 0, 1, 2: the operand q, k, v */
  int64_t rows, stride, column, width;
} AttentionRows;

typedef struct AttentionSizes {
  int64_t batch, heads;
  AttentionRows q, k, v;
} AttentionSizes;

/* Operands (n, length, columns). Without k and v (NULL), q holds queries, keys and values side by
 * side; without v alone, k holds keys and values. */
AttentionSizes attention_sizes(const Shape *q, const Shape *k, const Shape *v, int64_t heads);
/* Those of the operands of a call, q at `in`. */
AttentionSizes attention_of(const OpArg *in, const Attrs *attrs);

#endif
