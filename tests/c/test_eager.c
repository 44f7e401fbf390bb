/* Ops run at once: the rows of op_cases.def against PyTorch, without a graph; int64, mixed types,
 * writing in place, failing allocations. */
#include "test.h"

#include "fail_alloc.h"
#include "op/eager.h"
#include "op/elementwise.h"
#include "op_case.h"

/* Random ops draw from the run of a plan; at once they have one of their own. */
static bool is_random(const OpCase *c) {
  return strstr(op_info(c->op)->attr_text, "stream:") != NULL;
}

static Eager eager_of(const OpCase *c, const OpGolden *golden, DType dtype) {
  Eager eager = {.op = c->op, .inputs = golden->inputs, .attrs = case_attrs(c)};
  for (int i = 0; i < golden->inputs; i++)
    if (golden->in[i].data) eager.in[i] = as_dtype(&golden->in[i], dtype);
  return eager;
}

static void eager_free(Eager *eager) {
  eager_release(eager);
  for (int k = 0; k < eager->results; k++) tensor_release(&eager->out[k]);
}

static void check_case(const OpCase *c, DType dtype) {
  OpGolden golden = golden_read(c);
  Eager eager = eager_of(c, &golden, dtype);
  Tensor given[OP_MAX_INPUTS], in_grad[OP_MAX_INPUTS], out_grad[OP_MAX_RESULTS] = {{0}};
  bool wants[OP_MAX_INPUTS] = {false}, any = false;
  Err err;
  memcpy(given, eager.in, sizeof given);
  if (eager_run(&eager, &err) != NN_OK)
    fail_msg("%s %s: %s", op_info(c->op)->name, c->label, err.message);
  assert_values(c, "value at once", eager.out[0].dtype, eager.out[0].data, &eager.out[0].shape,
                &golden.out);
  for (int i = 0; i < golden.inputs; i++) any |= wants[i] = case_wants(c, 'g', i);
  if (any) {
    out_grad[0] = as_dtype(&golden.g, dtype);
    if (eager_gradient(&eager, out_grad, wants, in_grad, &err) != NN_OK)
      fail_msg("%s %s: %s", op_info(c->op)->name, c->label, err.message);
    for (int i = 0; i < golden.inputs; i++) {
      if (!wants[i]) continue;
      if (!in_grad[i].data) fail_msg("%s %s: no gradient %d", op_info(c->op)->name, c->label, i);
      assert_values(c, "gradient at once", in_grad[i].dtype, in_grad[i].data, &in_grad[i].shape,
                    &golden.grad[i]);
      tensor_release(&in_grad[i]);
    }
    tensor_release(&out_grad[0]);
  }
  eager_free(&eager);
  for (int i = 0; i < golden.inputs; i++) tensor_release(&given[i]);
  array_list_free(&golden.list);
}

static void values_and_gradients_equal_those_of_pytorch(void **state) {
  (void)state;
  for (int k = 0; k < OP_CASES; k++) {
    if (is_random(&op_cases[k])) continue;
    check_case(&op_cases[k], DTYPE_F32);
    check_case(&op_cases[k], DTYPE_F64);
  }
}

/* `count` numbers from `first` on, in a tensor of one axis. */
static Tensor numbers(DType dtype, int64_t count, double first) {
  Err err;
  Tensor tensor;
  must(tensor_new(&tensor, dtype, &(Shape){.ndim = 1, .dims = {count}}, &err), &err);
  for (int64_t i = 0; i < count; i++) tensor_set(&tensor, i, first + (double)i);
  return tensor;
}

static void types_meet_in_the_wider_one(void **state) {
  (void)state;
  static const DType meet[3][3] = {{DTYPE_F32, DTYPE_F64, DTYPE_F32},
                                   {DTYPE_F64, DTYPE_F64, DTYPE_F64},
                                   {DTYPE_F32, DTYPE_F64, DTYPE_I64}};
  for (int a = 0; a < 3; a++)
    for (int b = 0; b < 3; b++) {
      Err err;
      Tensor left = numbers((DType)a, 5, 1), right = numbers((DType)b, 5, 2);
      Eager eager = {.op = OP_mul, .inputs = 2, .in = {left, right}};
      must(eager_run(&eager, &err), &err);
      assert_int_equal(eager.out[0].dtype, meet[a][b]);
      for (int i = 0; i < 5; i++) assert_true(tensor_get(&eager.out[0], i) == (1 + i) * (2 + i));
      eager_free(&eager);
      tensor_release(&left);
      tensor_release(&right);
    }
}

static void int64_is_exact_and_wraps_around(void **state) {
  (void)state;
  Err err;
  Tensor a = numbers(DTYPE_I64, 1, 0), b = numbers(DTYPE_I64, 1, 0);
  int64_t *left = a.data, *right = b.data;
  static const struct {
    OpId op;
    int64_t a, b, result;
  } rows[] = {{OP_add, INT64_MAX, 1, INT64_MIN},
              {OP_mul, 3037000501, 3037000501, 0},
              {OP_sub, (INT64_C(1) << 53) + 1, 1, INT64_C(1) << 53},
              {OP_floor_divide, -7, 2, -4},
              {OP_floor_divide, INT64_MIN, -1, INT64_MIN},
              {OP_remainder, -7, 2, 1},
              {OP_remainder, 7, -2, -1},
              {OP_remainder, INT64_MIN, -1, 0},
              {OP_pow, 3, 4, 81},
              {OP_pow, 2, 64, 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    *left = rows[i].a;
    *right = rows[i].b;
    int64_t wanted = rows[i].result;
    if (rows[i].op == OP_mul) wanted = (int64_t)((uint64_t)rows[i].a * (uint64_t)rows[i].b);
    Eager eager = {.op = rows[i].op, .inputs = 2, .in = {a, b}};
    must(eager_run(&eager, &err), &err);
    assert_true(*(int64_t *)eager.out[0].data == wanted);
    eager_free(&eager);
  }
  *right = 0;
  Eager eager = {.op = OP_floor_divide, .inputs = 2, .in = {a, b}};
  assert_int_equal(eager_run(&eager, &err), NN_BAD_ARGUMENT);
  assert_string_equal(err.message, "floor_divide: division of int64 by zero");
  eager.op = OP_pow;
  *right = -1;
  assert_int_equal(eager_run(&eager, &err), NN_BAD_ARGUMENT);
  tensor_release(&a);
  tensor_release(&b);
}

/* Rows of one tensor: what lies behind the row that is written must stay. */
static void writing_in_place_stays_inside(void **state) {
  (void)state;
  for (int count = 1; count <= 40; count++) {
    Err err;
    Tensor all = numbers(DTYPE_F32, 64, 0), one = numbers(DTYPE_F32, 1, 1), row = all;
    row.shape.dims[0] = count;
    row.data = (float *)all.data + 3;
    unsigned version = tensor_version(&all);
    Eager eager = {.op = OP_add, .inputs = 2, .in = {row, one}};
    must(eager_run_into(&eager, &row, &err), &err);
    assert_int_equal(tensor_version(&all), version + 1);
    for (int i = 0; i < 64; i++)
      assert_true(tensor_get(&all, i) == i + (i >= 3 && i < 3 + count ? 1 : 0));
    tensor_release(&all);
    tensor_release(&one);
  }
}

static void overlapping_operands_are_read_before_they_are_written(void **state) {
  (void)state;
  for (int shift = -1; shift <= 1; shift += 2) {
    Err err;
    Tensor all = numbers(DTYPE_F64, 50, 0), to = all, from = all;
    to.shape.dims[0] = from.shape.dims[0] = 40;
    to.data = (double *)all.data + 5;
    from.data = (double *)all.data + 5 + shift;
    Eager eager = {.op = OP_add, .inputs = 2, .in = {to, from}};
    must(eager_run_into(&eager, &to, &err), &err);
    for (int i = 0; i < 40; i++) assert_true(tensor_get(&to, i) == 2 * (5 + i) + shift);
    tensor_release(&all);
  }
}

static void failing_allocations_leave_nothing_behind(void **state) {
  (void)state;
  for (int k = 0; k < OP_CASES; k++) {
    const OpCase *c = &op_cases[k];
    bool tried = k > 0 && op_cases[k - 1].op == c->op;
    if (tried || is_random(c)) continue;
    OpGolden golden = golden_read(c);
    Eager eager = eager_of(c, &golden, DTYPE_F64);
    Status status = NN_NO_MEMORY;
    for (int n = 1; status != NN_OK && n < 100; n++) {
      Eager again = eager;
      Err err;
      fail_alloc_at(n);
      status = eager_run(&again, &err);
      fail_alloc_off();
      if (status != NN_OK) assert_int_equal(status, NN_NO_MEMORY);
      eager_free(&again);
    }
    assert_int_equal(status, NN_OK);
    for (int i = 0; i < golden.inputs; i++) tensor_release(&eager.in[i]);
    array_list_free(&golden.list);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_and_gradients_equal_those_of_pytorch),
      cmocka_unit_test(types_meet_in_the_wider_one),
      cmocka_unit_test(int64_is_exact_and_wraps_around),
      cmocka_unit_test(writing_in_place_stays_inside),
      cmocka_unit_test(overlapping_operands_are_read_before_they_are_written),
      cmocka_unit_test(failing_allocations_leave_nothing_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
