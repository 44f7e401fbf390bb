/* Dense linear algebra on matrices (..., m, n), by the LAPACK inside OpenBLAS (see gemm.h), which
 * is loaded on first use; NN_UNSUPPORTED where it is absent. float32 or float64; leading axes are a
 * stack of independent matrices. Results have the shapes and conventions of numpy.linalg. What
 * cannot be computed (a singular system, a matrix that is not positive definite) is refused with
 * NN_BAD_ARGUMENT. Every function makes its results: the caller owns them when it succeeds. */
#ifndef NNRUN_TENSOR_LAPACK_H
#define NNRUN_TENSOR_LAPACK_H

#include "tensor/tensor.h"

/* x with a x = b: a (..., n, n), b (..., n) with as many axes less one, or (..., n, k). */
Status lapack_solve(Tensor *x, const Tensor *a, const Tensor *b, Err *err);
Status lapack_inv(Tensor *out, const Tensor *a, Err *err);
/* (...); 0 for a singular matrix, 1 for an empty one. */
Status lapack_det(Tensor *out, const Tensor *a, Err *err);
/* The lower triangle l with a = l l^T; only the lower triangle of a is read. */
Status lapack_cholesky(Tensor *out, const Tensor *a, Err *err);
/* q (..., m, k), r (..., k, n), k = min(m, n). */
Status lapack_qr(Tensor *q, Tensor *r, const Tensor *a, Err *err);
/* u, s descending, vh; u (..., m, m) and vh (..., n, n) when `full`, else with k = min(m, n). */
Status lapack_svd(Tensor *u, Tensor *s, Tensor *vh, const Tensor *a, bool full, Err *err);
/* Eigenvalues w ascending, eigenvectors the columns of v; the lower triangle of a is read. */
Status lapack_eigh(Tensor *w, Tensor *v, const Tensor *a, Err *err);
/* The x of least norm with |a x - b| least, for one a (m, n) and b (m) or (m, k); the rank of a,
 * singular values below rcond times the largest counting as 0 (rcond < 0: machine precision). */
Status lapack_lstsq(Tensor *x, int64_t *rank, Tensor *s, const Tensor *a, const Tensor *b,
                    double rcond, Err *err);

#endif
