/* A kernel's side of an op: attributes, operands and the call. Knows no table of ops, so kernels
 * are compiled anew only when this changes.
 *
 * Kernels read shapes from the Call, never from the attributes: a plan may run them on a block of
 * the rows at a time (see OpRows in op.h). */
#ifndef NNRUN_OP_CALL_H
#define NNRUN_OP_CALL_H

#include "tensor/tensor.h"

enum { OP_MAX_INPUTS = 12, OP_MAX_ATTRS = 12, OP_MAX_RESULTS = 4 };

/* One attribute's value. Numbers, integers and booleans are in `number`; lists in `list`. */
typedef struct Attr {
  double number;
  int count; /* of list; -1 when a list attribute was not given (means "all" or "default") */
  int64_t list[MAX_DIMS];
} Attr;

typedef struct Attrs {
  Attr at[OP_MAX_ATTRS];
} Attrs;

/* In C, axes and indices count from 0; in Lua from 1, and the binding converts by type. Negative
 * ones count from the end in both. */
#define ATTR_TYPES(X)                                                                              \
  X(NUMBER, "number")                                                                              \
  X(INT, "int")                                                                                    \
  X(BOOL, "bool")                                                                                  \
  X(INTS, "ints")                                                                                  \
  X(AXIS, "axis")                                                                                  \
  X(AXES, "axes")                                                                                  \
  X(INDEX, "index")

typedef enum AttrType {
#define X(name, word) ATTR_##name,
  ATTR_TYPES(X)
#undef X
      ATTR_TYPE_COUNT
} AttrType;

/* One operand of a kernel call. Data may be over-read by up to TENSOR_PAD bytes past its end. */
typedef struct OpArg {
  void *data;
  DType dtype;
  Shape shape;
} OpArg;

/* What varies from run to run. */
typedef struct OpRun {
  uint64_t seed; /* of the trial */
  uint64_t step; /* optimiser steps so far: the address of random numbers */
} OpRun;

/* What a plan folded into a kernel: done to each piece of the result while it is in cache. */
typedef struct OpEpilogue {
  const void *bias; /* matmul only: (n), added to every row, or NULL */
  void (*activation)(void *out, const void *const in[5], const double *attrs, int64_t count);
  double attrs[4];
} OpEpilogue;

typedef struct OpCall {
  const Attrs *attrs;
  int inputs;
  OpArg in[OP_MAX_INPUTS]; /* absent inputs have data NULL */
  OpArg out;
  OpArg more[OP_MAX_RESULTS - 1]; /* further results; data NULL: nobody reads it, do not store */
  void *scratch;                  /* op_scratch bytes, aligned */
  const OpRun *run;
  int64_t first_row;          /* of the block this call computes: 0 unless a plan runs by blocks */
  bool accumulate;            /* OP_ROWS_REDUCE in block mode: add to out instead of writing it */
  const OpEpilogue *epilogue; /* NULL: none */
} OpCall;

/* Run part `part` of `parts`; parts write disjoint pieces of out. */
typedef void (*OpKernel)(const OpCall *call, int part, int parts);

#endif
