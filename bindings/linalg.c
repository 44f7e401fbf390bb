/* Linear algebra on tensors: module core.linalg, by core/tensor/lapack.h. int64 is read as float32.
 * Gradients do not go through these: a tensor that takes part in one is refused. (Some have one in
 * scripts/tensor/linalg.lua.) */
#include "tape.h"

#include "tensor/lapack.h"

/* The matrix at `index`, as floats; of the wider type when `other` is float64. */
static const Tensor *check_matrix(lua_State *L, int index, const char *what, DType other) {
  const Tensor *tensor = binding_check_tensor(L, index);
  if (((const TensorBox *)lua_touserdata(L, index))->tracked)
    binding_raisef(L, "%s has no gradient; take it of x:detach()", what);
  bool wider = other == DTYPE_F64 && tensor->dtype != DTYPE_F64;
  if (!wider && tensor->dtype != DTYPE_I64) return tensor;
  return binding_to_tensor(L, index, other == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32);
}

static DType dtype_at(lua_State *L, int index) {
  const Tensor *tensor = binding_test_tensor(L, index);
  return tensor ? tensor->dtype : DTYPE_F32;
}

/* Two operands of one type. */
static void check_pair(lua_State *L, const char *what, const Tensor **a, const Tensor **b) {
  lua_settop(L, 3);
  *a = check_matrix(L, 1, what, dtype_at(L, 2));
  *b = check_matrix(L, 2, what, dtype_at(L, 1));
}

static int solve(lua_State *L) {
  Err err;
  const Tensor *a, *b;
  check_pair(L, "solve", &a, &b);
  if (lapack_solve(binding_new_tensor(L), a, b, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

typedef Status OneResult(Tensor *out, const Tensor *a, Err *err);

static int one_result(lua_State *L, const char *what, OneResult *compute) {
  Err err;
  const Tensor *a = check_matrix(L, 1, what, DTYPE_F32);
  if (compute(binding_new_tensor(L), a, &err) != NN_OK) return binding_raise(L, &err);
  return 1;
}

static int inv(lua_State *L) { return one_result(L, "inv", lapack_inv); }
static int det(lua_State *L) { return one_result(L, "det", lapack_det); }
static int cholesky(lua_State *L) { return one_result(L, "cholesky", lapack_cholesky); }

typedef Status TwoResults(Tensor *first, Tensor *second, const Tensor *a, Err *err);

static int two_results(lua_State *L, const char *what, TwoResults *compute) {
  Err err;
  const Tensor *a = check_matrix(L, 1, what, DTYPE_F32);
  Tensor *first = binding_new_tensor(L), *second = binding_new_tensor(L);
  if (compute(first, second, a, &err) != NN_OK) return binding_raise(L, &err);
  return 2;
}

static int qr(lua_State *L) { return two_results(L, "qr", lapack_qr); }
static int eigh(lua_State *L) { return two_results(L, "eigh", lapack_eigh); }

/* svd(a, full): u, s, vh; full nil means true */
static int svd(lua_State *L) {
  Err err;
  bool full = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
  const Tensor *a = check_matrix(L, 1, "svd", DTYPE_F32);
  Tensor *u = binding_new_tensor(L), *s = binding_new_tensor(L), *vh = binding_new_tensor(L);
  if (lapack_svd(u, s, vh, a, full, &err) != NN_OK) return binding_raise(L, &err);
  return 3;
}

/* lstsq(a, b, rcond): x, rank, singular values */
static int lstsq(lua_State *L) {
  Err err;
  int64_t rank;
  const Tensor *a, *b;
  check_pair(L, "lstsq", &a, &b);
  double rcond = luaL_optnumber(L, 3, -1);
  Tensor *x = binding_new_tensor(L);
  lua_pushnil(L);
  Tensor *s = binding_new_tensor(L);
  if (lapack_lstsq(x, &rank, s, a, b, rcond, &err) != NN_OK) return binding_raise(L, &err);
  lua_pushinteger(L, rank);
  lua_replace(L, -3);
  return 3;
}

int luaopen_core_linalg(lua_State *L);
int luaopen_core_linalg(lua_State *L) {
  static const luaL_Reg functions[] = {{"solve", solve},       {"inv", inv},     {"det", det},
                                       {"cholesky", cholesky}, {"qr", qr},       {"svd", svd},
                                       {"eigh", eigh},         {"lstsq", lstsq}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
