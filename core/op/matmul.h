/* What the matrix product's shape rules and its kernel share. */
#ifndef NNRUN_OP_MATMUL_H
#define NNRUN_OP_MATMUL_H

#include "op/call.h"
#include "tensor/gemm.h"

enum { MATMUL_TRANS_A, MATMUL_TRANS_B };

/* The call as one product, or as `products` of that size, one behind another in memory. */
Gemm matmul_gemm(const OpCall *call, int64_t *products);

#endif
