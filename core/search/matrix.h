/* Small dense matrices in float64, row by row: what Gaussian processes and CMA-ES need. */
#ifndef NNRUN_SEARCH_MATRIX_H
#define NNRUN_SEARCH_MATRIX_H

#include <stdbool.h>

/* The lower factor L of a = L L' (n, n), in place of the lower triangle; what is above it is left
 * alone. False when `a` is not positive definite. */
bool matrix_cholesky(double *a, int n);
/* Solve L x = b in place of b (n). */
void matrix_solve_lower(const double *l, int n, double *b);
/* Solve L' x = b in place of b (n). */
void matrix_solve_upper(const double *l, int n, double *b);
/* inverse (n, n) = the inverse of L, lower triangle; above it zeros. */
void matrix_invert_lower(const double *l, int n, double *inverse);
/* Eigenvectors (columns of `vectors`) and eigenvalues of a symmetric matrix, which is destroyed:
 * cyclic rotations of Jacobi. */
void matrix_eigen(double *a, int n, double *vectors, double *values);

#endif
