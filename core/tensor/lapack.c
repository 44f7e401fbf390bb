/* LAPACK's routines take addresses of everything and matrices column by column, so one function
 * type serves both element types, and a matrix is transposed on its way in and out. */
#include "tensor/lapack.h"

#include "tensor/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*Routine)(void *, ...);

/* Fortran takes the length of every text behind the other arguments. */
static const size_t TEXT = 1;

static Status routine(Routine *out, DType dtype, const char *name, Err *err) {
  char symbol[24];
  TRY(gemm_blas_load(err));
  snprintf(symbol, sizeof symbol, "%c%s_", dtype == DTYPE_F64 ? 'd' : 's', name);
  *out = (Routine)gemm_blas_symbol(symbol);
  if (*out) return NN_OK;
  return err_set(err, NN_UNSUPPORTED, "OpenBLAS was built without LAPACK: it has no %s", symbol);
}

/* ---- checks ---- */

/* A stack of matrices. */
typedef struct Stack {
  int64_t count, m, n;
  size_t element;
} Stack;

static Status check_matrix(const char *what, const Tensor *a, bool square, Stack *stack, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  const Shape *shape = &a->shape;
  if (a->dtype != DTYPE_F32 && a->dtype != DTYPE_F64)
    return err_set(err, NN_DTYPE, "%s: needs float32 or float64, not %s; convert with :to(...)",
                   what, dtype_name(a->dtype));
  if (shape->ndim < 2)
    return err_set(err, NN_SHAPE, "%s: needs a matrix (..., m, n), not shape %s", what,
                   shape_text(shape, text));
  *stack = (Stack){.count = 1,
                   .m = shape->dims[shape->ndim - 2],
                   .n = shape->dims[shape->ndim - 1],
                   .element = dtype_size(a->dtype)};
  if (stack->m > INT32_MAX || stack->n > INT32_MAX)
    return err_set(err, NN_TOO_LARGE, "%s: a matrix of shape %s is too large for LAPACK", what,
                   shape_text(shape, text));
  for (int i = 0; i < shape->ndim - 2; i++) stack->count *= shape->dims[i];
  if (square && stack->m != stack->n)
    return err_set(err, NN_SHAPE, "%s: needs square matrices (..., n, n), not shape %s", what,
                   shape_text(shape, text));
  return NN_OK;
}

/* The leading axes of a, then `tail` more. */
static Shape stack_shape(const Tensor *a, int tail, int64_t first, int64_t second) {
  Shape shape = a->shape;
  shape.ndim -= 2;
  if (tail > 0) shape.dims[shape.ndim++] = first;
  if (tail > 1) shape.dims[shape.ndim++] = second;
  for (int i = shape.ndim; i < MAX_DIMS; i++) shape.dims[i] = 0;
  return shape;
}

/* ---- matrices by columns ---- */

/* to (n, m) = from (m, n) transposed; rows of `from` are `from_step` elements apart, of `to`
 * `to_step`. */
static void transpose(void *to, int64_t to_step, const void *from, int64_t from_step, int64_t m,
                      int64_t n, size_t element) {
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++)
      if (element == sizeof(double))
        ((double *)to)[j * to_step + i] = ((const double *)from)[i * from_step + j];
      else
        ((float *)to)[j * to_step + i] = ((const float *)from)[i * from_step + j];
}

static const void *matrix_at(const Tensor *tensor, int64_t i, int64_t size) {
  return (const char *)tensor->data + (size_t)(i * size) * dtype_size(tensor->dtype);
}

/* Room for LAPACK's arrays, one after another, all from one allocation. */
typedef struct Work {
  char *bytes, *next;
} Work;

static Status work_new(Work *work, size_t bytes, Err *err) {
  work->bytes = work->next = malloc(bytes + 1024);
  if (work->bytes) return NN_OK;
  return err_set(err, NN_NO_MEMORY, "no memory for %zu bytes of LAPACK's work space", bytes);
}

static void *work_take(Work *work, int64_t count, size_t element) {
  char *taken = work->next;
  work->next += ((size_t)count * element + 63) / 64 * 64;
  return taken;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* What LAPACK asks for in its answer to a work space of size -1. */
static int asked(const void *answer, size_t element) {
  double size = element == sizeof(double) ? *(const double *)answer : *(const float *)answer;
  return (int)size + 1;
}

/* ---- systems ---- */

static Status singular(const char *what, int64_t i, int64_t count, Err *err) {
  if (count == 1) return err_set(err, NN_BAD_ARGUMENT, "%s: the matrix is singular", what);
  return err_set(err, NN_BAD_ARGUMENT, "%s: matrix %lld of the stack is singular", what,
                 (long long)i + 1);
}

/* x = a^-1 b for the whole stack; b NULL: the identity. x has its shape already. */
static Status solve_stack(const char *what, Tensor *x, const Tensor *a, const Tensor *b,
                          const Stack *stack, int64_t k, Err *err) {
  Routine gesv;
  Work work;
  int64_t n = stack->n;
  size_t element = stack->element;
  TRY(routine(&gesv, a->dtype, "gesv", err));
  TRY(work_new(&work, (size_t)(n * n + n * k) * element + (size_t)n * sizeof(int), err));
  void *left = work_take(&work, n * n, element), *right = work_take(&work, n * k, element);
  int *pivots = work_take(&work, n, sizeof(int));
  Status status = NN_OK;
  for (int64_t i = 0; i < stack->count && n > 0 && status == NN_OK; i++) {
    int size = (int)n, columns = (int)k, info = 0;
    transpose(left, n, matrix_at(a, i, n * n), n, n, n, element);
    if (b) {
      transpose(right, n, matrix_at(b, i, n * k), k, n, k, element);
    } else {
      Tensor identity = {.dtype = a->dtype, .data = right};
      memset(right, 0, (size_t)(n * n) * element);
      for (int64_t d = 0; d < n; d++) tensor_set(&identity, d * n + d, 1);
    }
    gesv(&size, &columns, left, &size, pivots, right, &size, &info);
    if (info != 0)
      status = singular(what, i, stack->count, err);
    else
      transpose((void *)matrix_at(x, i, n * k), k, right, n, k, n, element);
  }
  free(work.bytes);
  return status;
}

Status lapack_solve(Tensor *x, const Tensor *a, const Tensor *b, Err *err) {
  char ta[SHAPE_TEXT_SIZE], tb[SHAPE_TEXT_SIZE];
  Stack stack;
  TRY(check_matrix("solve", a, true, &stack, err));
  if (a->dtype != b->dtype)
    return err_set(err, NN_DTYPE, "solve: the matrix is %s and the right side %s",
                   dtype_name(a->dtype), dtype_name(b->dtype));
  int lead = a->shape.ndim - 2;
  bool vector = b->shape.ndim == lead + 1;
  bool fits = (vector || b->shape.ndim == lead + 2) && b->shape.dims[lead] == stack.n;
  for (int i = 0; fits && i < lead; i++) fits = a->shape.dims[i] == b->shape.dims[i];
  if (!fits)
    return err_set(err, NN_SHAPE, "solve: a %s needs a right side (..., n) or (..., n, k), not %s",
                   shape_text(&a->shape, ta), shape_text(&b->shape, tb));
  TRY(tensor_new(x, a->dtype, &b->shape, err));
  int64_t k = vector ? 1 : b->shape.dims[lead + 1];
  Status status = solve_stack("solve", x, a, b, &stack, k, err);
  if (status != NN_OK) tensor_release(x);
  return status;
}

Status lapack_inv(Tensor *out, const Tensor *a, Err *err) {
  Stack stack;
  TRY(check_matrix("inv", a, true, &stack, err));
  TRY(tensor_new(out, a->dtype, &a->shape, err));
  Status status = solve_stack("inv", out, a, NULL, &stack, stack.n, err);
  if (status != NN_OK) tensor_release(out);
  return status;
}

/* The product of the diagonal of the LU factors; every exchange of rows changes the sign. */
Status lapack_det(Tensor *out, const Tensor *a, Err *err) {
  Stack stack;
  Routine getrf;
  Work work;
  TRY(check_matrix("det", a, true, &stack, err));
  TRY(routine(&getrf, a->dtype, "getrf", err));
  Shape shape = stack_shape(a, 0, 0, 0);
  int64_t n = stack.n;
  TRY(work_new(&work, (size_t)(n * n) * stack.element + (size_t)n * sizeof(int), err));
  Status status = tensor_new(out, a->dtype, &shape, err);
  void *lu = work_take(&work, n * n, stack.element);
  int *pivots = work_take(&work, n, sizeof(int));
  Tensor factors = {.dtype = a->dtype, .data = lu};
  for (int64_t i = 0; i < stack.count && status == NN_OK; i++) {
    int size = (int)n, info = 0;
    double det = 1;
    memcpy(lu, matrix_at(a, i, n * n), (size_t)(n * n) * stack.element);
    if (n > 0) getrf(&size, &size, lu, &size, pivots, &info);
    for (int64_t d = 0; d < n; d++)
      det *= tensor_get(&factors, d * n + d) * (pivots[d] == d + 1 ? 1 : -1);
    tensor_set(out, i, det);
  }
  free(work.bytes);
  return status;
}

Status lapack_cholesky(Tensor *out, const Tensor *a, Err *err) {
  Stack stack;
  Routine potrf;
  TRY(check_matrix("cholesky", a, true, &stack, err));
  TRY(routine(&potrf, a->dtype, "potrf", err));
  TRY(tensor_convert(out, a, a->dtype, err));
  int64_t n = stack.n;
  for (int64_t i = 0; i < stack.count && n > 0; i++) {
    int size = (int)n, info = 0;
    void *matrix = (void *)matrix_at(out, i, n * n);
    potrf("U", &size, matrix, &size, &info,
          TEXT); /* the upper triangle by columns is the lower by rows */
    if (info != 0) {
      tensor_release(out);
      return err_set(err, NN_BAD_ARGUMENT, "cholesky: the matrix is not positive definite");
    }
    for (int64_t row = 0; row < n; row++)
      memset((char *)matrix + (size_t)(row * n + row + 1) * stack.element, 0,
             (size_t)(n - row - 1) * stack.element);
  }
  return NN_OK;
}

/* ---- factors ---- */

Status lapack_qr(Tensor *q, Tensor *r, const Tensor *a, Err *err) {
  Stack stack;
  Routine geqrf, orgqr;
  Work work;
  TRY(check_matrix("qr", a, false, &stack, err));
  TRY(routine(&geqrf, a->dtype, "geqrf", err));
  TRY(routine(&orgqr, a->dtype, "orgqr", err));
  int64_t m = stack.m, n = stack.n, k = least(m, n), room = 64 * most(n, 1);
  size_t element = stack.element;
  Shape q_shape = stack_shape(a, 2, m, k), r_shape = stack_shape(a, 2, k, n);
  TRY(work_new(&work, (size_t)(m * n + k + room) * element, err));
  *r = (Tensor){0};
  Status status = tensor_new(q, a->dtype, &q_shape, err);
  if (status == NN_OK) status = tensor_new(r, a->dtype, &r_shape, err);
  void *matrix = work_take(&work, m * n, element), *tau = work_take(&work, k, element);
  void *space = work_take(&work, room, element);
  for (int64_t i = 0; i < stack.count && k > 0 && status == NN_OK; i++) {
    int rows = (int)m, columns = (int)n, factors = (int)k, size = (int)room, info;
    transpose(matrix, m, matrix_at(a, i, m * n), n, m, n, element);
    geqrf(&rows, &columns, matrix, &rows, tau, space, &size, &info);
    Tensor out = {.dtype = a->dtype, .data = (void *)matrix_at(r, i, k * n)};
    Tensor from = {.dtype = a->dtype, .data = matrix};
    for (int64_t row = 0; row < k; row++)
      for (int64_t column = row; column < n; column++)
        tensor_set(&out, row * n + column, tensor_get(&from, column * m + row));
    orgqr(&rows, &factors, &factors, matrix, &rows, tau, space, &size, &info);
    transpose((void *)matrix_at(q, i, m * k), k, matrix, m, k, m, element);
  }
  free(work.bytes);
  if (status != NN_OK) tensor_release(q);
  return status;
}

/* a by rows is its transpose by columns: a^T = v s u^T, so LAPACK's u is our vh and its vt our u,
 * each by rows as we want them, and nothing is transposed. */
static Status svd_stack(Tensor *u, Tensor *s, Tensor *vh, const Tensor *a, const Stack *stack,
                        bool full, Err *err) {
  Routine gesdd;
  Work work;
  int64_t m = stack->m, n = stack->n, k = least(m, n);
  size_t element = stack->element;
  TRY(routine(&gesdd, a->dtype, "gesdd", err));
  int rows = (int)n, columns = (int)m, ldu = rows, ldvt = full ? columns : (int)k, size = -1;
  int info = 0, query_int[1];
  double answer[1] = {0};
  const char *job = full ? "A" : "S";
  gesdd((void *)job, &rows, &columns, answer, &rows, answer, answer, &ldu, answer, &ldvt, answer,
        &size, query_int, &info, TEXT);
  size = asked(answer, element);
  TRY(work_new(&work, (size_t)(m * n + size) * element + 8 * (size_t)k * sizeof(int), err));
  void *matrix = work_take(&work, m * n, element), *space = work_take(&work, size, element);
  int *integers = work_take(&work, 8 * k, sizeof(int));
  int64_t u_size = shape_count(&u->shape) / stack->count;
  int64_t v_size = shape_count(&vh->shape) / stack->count;
  for (int64_t i = 0; i < stack->count && info == 0; i++) {
    memcpy(matrix, matrix_at(a, i, m * n), (size_t)(m * n) * element);
    gesdd((void *)job, &rows, &columns, matrix, &rows, (void *)matrix_at(s, i, k),
          (void *)matrix_at(vh, i, v_size), &ldu, (void *)matrix_at(u, i, u_size), &ldvt, space,
          &size, integers, &info, TEXT);
  }
  free(work.bytes);
  if (info == 0) return NN_OK;
  return err_set(err, NN_BAD_ARGUMENT, "svd: does not converge; are all elements finite?");
}

Status lapack_svd(Tensor *u, Tensor *s, Tensor *vh, const Tensor *a, bool full, Err *err) {
  Stack stack;
  TRY(check_matrix("svd", a, false, &stack, err));
  int64_t m = stack.m, n = stack.n, k = least(m, n);
  Shape u_shape = stack_shape(a, 2, m, full ? m : k), s_shape = stack_shape(a, 1, k, 0);
  Shape v_shape = stack_shape(a, 2, full ? n : k, n);
  *u = *s = *vh = (Tensor){0};
  Status status = tensor_new(u, a->dtype, &u_shape, err);
  if (status == NN_OK) status = tensor_new(s, a->dtype, &s_shape, err);
  if (status == NN_OK) status = tensor_new(vh, a->dtype, &v_shape, err);
  if (status == NN_OK && k > 0 && stack.count > 0)
    status = svd_stack(u, s, vh, a, &stack, full, err);
  for (int64_t i = 0; status == NN_OK && k == 0 && full && i < m; i++) tensor_set(u, i * m + i, 1);
  for (int64_t i = 0; status == NN_OK && k == 0 && full && i < n; i++) tensor_set(vh, i * n + i, 1);
  if (status == NN_OK) return NN_OK;
  tensor_release(u);
  tensor_release(s);
  tensor_release(vh);
  return status;
}

Status lapack_eigh(Tensor *w, Tensor *v, const Tensor *a, Err *err) {
  Stack stack;
  Routine syevd;
  Work work;
  TRY(check_matrix("eigh", a, true, &stack, err));
  TRY(routine(&syevd, a->dtype, "syevd", err));
  int64_t n = stack.n;
  size_t element = stack.element;
  Shape w_shape = stack_shape(a, 1, n, 0);
  int order = (int)n, size = (int)(1 + 6 * n + 2 * n * n), integers = (int)(3 + 5 * n), info = 0;
  *w = (Tensor){0};
  TRY(work_new(&work, (size_t)(n * n + size) * element + (size_t)integers * sizeof(int), err));
  void *matrix = work_take(&work, n * n, element), *space = work_take(&work, size, element);
  int *ints = work_take(&work, integers, sizeof(int));
  Status status = tensor_new(v, a->dtype, &a->shape, err);
  if (status == NN_OK) status = tensor_new(w, a->dtype, &w_shape, err);
  for (int64_t i = 0; i < stack.count && n > 0 && status == NN_OK; i++) {
    memcpy(matrix, matrix_at(a, i, n * n), (size_t)(n * n) * element);
    syevd("V", "U", &order, matrix, &order, (void *)matrix_at(w, i, n), space, &size, ints,
          &integers, &info, TEXT, TEXT); /* "U" by columns is the lower triangle by rows */
    if (info != 0)
      status = err_set(err, NN_BAD_ARGUMENT, "eigh: does not converge; are all elements finite?");
    else
      transpose((void *)matrix_at(v, i, n * n), n, matrix, n, n, n, element);
  }
  free(work.bytes);
  if (status == NN_OK) return NN_OK;
  tensor_release(v);
  tensor_release(w);
  return status;
}

/* ---- least squares ---- */

static Status lstsq_run(Tensor *x, int64_t *rank, Tensor *s, const Tensor *a, const Tensor *b,
                        int64_t k, double rcond, Err *err) {
  Routine gelsd;
  Work work;
  int64_t m = a->shape.dims[0], n = a->shape.dims[1], longer = most(most(m, n), 1);
  size_t element = dtype_size(a->dtype);
  TRY(routine(&gelsd, a->dtype, "gelsd", err));
  int rows = (int)m, columns = (int)n, right = (int)k, lda = (int)most(m, 1), ldb = (int)longer;
  int size = -1, info = 0, found = 0, integer = 0;
  double answer[1] = {0}, limit[1];
  Tensor condition = {.dtype = a->dtype, .data = limit};
  tensor_set(&condition, 0, rcond);
  gelsd(&rows, &columns, &right, answer, &lda, answer, &ldb, answer, limit, &found, answer, &size,
        &integer, &info);
  size = asked(answer, element);
  TRY(work_new(&work,
               (size_t)(m * n + longer * k + size) * element + (size_t)integer * sizeof(int) + 512,
               err));
  void *matrix = work_take(&work, m * n, element), *sides = work_take(&work, longer * k, element);
  void *space = work_take(&work, size, element);
  int *integers = work_take(&work, integer, sizeof(int));
  transpose(matrix, m, a->data, n, m, n, element);
  transpose(sides, longer, b->data, k, m, k, element);
  gelsd(&rows, &columns, &right, matrix, &lda, sides, &ldb, s->data, limit, &found, space, &size,
        integers, &info);
  transpose(x->data, k, sides, longer, k, n, element);
  free(work.bytes);
  *rank = found;
  if (info == 0) return NN_OK;
  return err_set(err, NN_BAD_ARGUMENT, "lstsq: does not converge; are all elements finite?");
}

Status lapack_lstsq(Tensor *x, int64_t *rank, Tensor *s, const Tensor *a, const Tensor *b,
                    double rcond, Err *err) {
  char ta[SHAPE_TEXT_SIZE], tb[SHAPE_TEXT_SIZE];
  Stack stack = {0};
  TRY(check_matrix("lstsq", a, false, &stack, err));
  bool fits = a->shape.ndim == 2 && (b->shape.ndim == 1 || b->shape.ndim == 2) &&
              b->shape.dims[0] == stack.m && a->dtype == b->dtype;
  if (!fits)
    return err_set(err, NN_SHAPE,
                   "lstsq: needs a (m, n) and b (m) or (m, k) of one type, not %s and %s",
                   shape_text(&a->shape, ta), shape_text(&b->shape, tb));
  Shape x_shape = b->shape, s_shape = {.ndim = 1, .dims = {least(stack.m, stack.n)}};
  x_shape.dims[0] = stack.n;
  int64_t k = b->shape.ndim == 1 ? 1 : b->shape.dims[1];
  *s = (Tensor){0};
  *rank = 0;
  Status status = tensor_new(x, a->dtype, &x_shape, err);
  if (status == NN_OK) status = tensor_new(s, a->dtype, &s_shape, err);
  if (status == NN_OK && stack.m > 0 && stack.n > 0 && k > 0)
    status = lstsq_run(x, rank, s, a, b, k, rcond, err);
  if (status == NN_OK) return NN_OK;
  tensor_release(x);
  tensor_release(s);
  return status;
}
