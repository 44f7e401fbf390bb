/* Elementwise programs: a chain or small DAG of elementwise ops run in one pass over memory.
 *
 * The result shape is walked in blocks that stay in the first-level cache; each step is a
 * vectorised loop over one block, from operands in memory or in registers (scratch blocks) to a
 * register or to memory. Operands broadcast to the result shape. Blocks are rounded up to whole
 * vectors: operands may be over-read, and results over-written within their last, padded vector, so
 * that an element's bits never depend on where in the array it stands. */
#ifndef NNRUN_OP_ELEMENTWISE_H
#define NNRUN_OP_ELEMENTWISE_H

#include "base/isa.h"
#include "op/call.h"

enum {
  EW_BLOCK = 512,
  EW_VECTOR = 16,
  EW_MAX_REGISTERS = 16,
  EW_MAX_STEPS = 32,
  EW_MAX_OPERANDS = 16,
  EW_NONE = 255
};

/* Elementwise ops in order: the first EW_COUNT values of OpId (op.h). */
enum {
#define ELEMENTWISE1(name, ...) EW_##name,
#define ELEMENTWISE2(name, ...) EW_##name,
#define ELEMENTWISE3(name, ...) EW_##name,
#include "op/elementwise.def"
  EW_COUNT
};

/* One loop; `in` are g, a, b, c, y, NULL where not read. `count` is rounded up to EW_VECTOR. */
typedef void (*EwLoop)(void *out, const void *const in[5], const double *attrs, int64_t count);

/* How an operand is found for element i of the result. */
typedef enum EwMode {
  EW_FULL,     /* the result's own shape: data[i] */
  EW_SCALAR,   /* data[0] */
  EW_PERIODIC, /* the trailing axes: data[i % period] */
  EW_STRIDED,  /* any other broadcast */
} EwMode;

typedef struct EwOperand {
  EwMode mode;
  const void *data;
  int64_t period;
  Shape strides; /* EW_STRIDED: elements per step along each result axis; 0 where it broadcasts */
  uint8_t reg;   /* where its block goes; EW_NONE: read in place (EW_FULL) */
} EwOperand;

typedef struct EwStep {
  EwLoop loop;
  double attrs[4];
  uint8_t in[5];  /* g a b c y: EW_OPERAND | index, EW_RESULT | index, a register, or EW_NONE */
  uint8_t out;    /* register, unless `result` says memory */
  uint8_t result; /* index in results, or EW_NONE */
} EwStep;

/* What a number in EwStep.in stands for, besides a plain register. */
enum { EW_OPERAND = 64, EW_RESULT = 128 };

typedef struct EwProgram {
  int steps, operands, results;
  Shape shape;
  EwStep step[EW_MAX_STEPS];
  EwOperand operand[EW_MAX_OPERANDS];
  void *result[EW_MAX_OPERANDS];
} EwProgram;

typedef void (*EwRun)(const EwProgram *program, int part, int parts);

/* The loop of an elementwise op's value (slot -1) or of its gradient with respect to input `slot`.
 * `op` is an OpId: elementwise ops are the first of them. */
EwLoop ew_loop(int op, int slot, DType dtype, Isa isa);
EwRun ew_runner(DType dtype, Isa isa);
/* How an operand of shape `from` is found in a result of shape `to`. */
void ew_operand(EwOperand *operand, const Shape *from, const Shape *to);
/* Parts worth having for `count` elements on `threads` threads. */
int ew_parts(int64_t count, int steps, int threads);

#endif
