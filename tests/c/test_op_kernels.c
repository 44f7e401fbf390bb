/* Kernels beyond their values: split into parts, run by blocks of rows, on long inputs. */
#include "test.h"

#include "base/rng.h"
#include "op_case.h"

enum { GUARD = 64, GUARD_BYTE = 0x5A, MAX_PARTS = 5 };

/* A call of one kernel, its inputs in `dtype`. Results are followed by GUARD bytes. */
typedef struct Kernel {
  OpCall call;
  Attrs attrs;
  OpShape shape;
  Tensor in[OP_MAX_INPUTS], out, more[OP_MAX_RESULTS - 1], scratch;
  OpKernel run;
} Kernel;

/* Takes over `in`. */
static Kernel *kernel_new(OpId op, const Attrs *attrs, int inputs, const Tensor *in, DType dtype,
                          Isa isa) {
  Kernel *kernel = calloc(1, sizeof *kernel);
  Err err;
  kernel->attrs = *attrs;
  kernel->shape = (OpShape){.op = op, .inputs = inputs, .attrs = &kernel->attrs};
  kernel->call = (OpCall){.attrs = &kernel->attrs, .inputs = inputs, .run = &golden_run};
  for (int i = 0; i < inputs; i++) {
    kernel->in[i] = in[i];
    if (!in[i].buffer) continue; /* absent */
    kernel->shape.shape[i] = &kernel->in[i].shape;
    kernel->shape.dtype[i] = in[i].dtype;
    kernel->call.in[i] = (OpArg){in[i].data, in[i].dtype, in[i].shape};
  }
  must(op_info(op)->infer(&kernel->shape, &err), &err);
  Shape room = {.ndim = 1, .dims = {shape_count(&kernel->shape.out) + GUARD}};
  must(tensor_new(&kernel->out, kernel->shape.out_dtype, &room, &err), &err);
  kernel->call.out = (OpArg){kernel->out.data, kernel->shape.out_dtype, kernel->shape.out};
  for (int i = 0; i < op_info(op)->results - 1; i++) {
    const OpMore *more = &kernel->shape.more[i];
    must(tensor_new(&kernel->more[i], more->dtype, &more->shape, &err), &err);
    kernel->call.more[i] = (OpArg){kernel->more[i].data, more->dtype, more->shape};
  }
  size_t scratch = op_info(op)->scratch ? op_info(op)->scratch(&kernel->shape) : 0;
  room.dims[0] = (int64_t)(scratch * MAX_PARTS / sizeof(double)) + 1;
  must(tensor_new(&kernel->scratch, DTYPE_F64, &room, &err), &err);
  kernel->call.scratch = kernel->scratch.data;
  kernel->run = op_kernel(op, dtype, isa);
  return kernel;
}

static Kernel *case_kernel(const OpCase *c, const OpGolden *golden, DType dtype, Isa isa) {
  Tensor in[OP_MAX_INPUTS];
  Attrs attrs = case_attrs(c);
  for (int i = 0; i < golden->inputs; i++)
    in[i] = golden->in[i].buffer ? as_dtype(&golden->in[i], dtype) : (Tensor){0};
  return kernel_new(c->op, &attrs, golden->inputs, in, dtype, isa);
}

static void kernel_free(Kernel *kernel) {
  for (int i = 0; i < kernel->shape.inputs; i++) tensor_release(&kernel->in[i]);
  tensor_release(&kernel->out);
  for (int i = 0; i < OP_MAX_RESULTS - 1; i++) tensor_release(&kernel->more[i]);
  tensor_release(&kernel->scratch);
  free(kernel);
}

static size_t out_bytes(const Kernel *kernel) {
  return (size_t)shape_count(&kernel->shape.out) * dtype_size(kernel->shape.out_dtype);
}

/* Run all parts, last one first; nothing behind the result may change. */
static void kernel_run(Kernel *kernel, int parts) {
  unsigned char *end = (unsigned char *)kernel->out.data + out_bytes(kernel);
  memset(kernel->out.data, GUARD_BYTE, tensor_bytes(&kernel->out));
  for (int i = 0; i < op_info(kernel->shape.op)->results - 1; i++)
    memset(kernel->more[i].data, GUARD_BYTE, tensor_bytes(&kernel->more[i]));
  for (int part = parts - 1; part >= 0; part--) kernel->run(&kernel->call, part, parts);
  for (int i = 0; i < GUARD; i++)
    if (end[i] != GUARD_BYTE)
      fail_msg("%s wrote %d bytes behind its result", op_info(kernel->shape.op)->name, i + 1);
}

static void assert_same(const Kernel *kernel, const char *label, const char *what, const void *want,
                        double tolerance) {
  if (tolerance == 0 && memcmp(kernel->out.data, want, out_bytes(kernel)) == 0) return;
  DType dtype = kernel->shape.out_dtype;
  for (int64_t i = 0; i < shape_count(&kernel->shape.out); i++) {
    double a = element(dtype, kernel->out.data, i), b = element(dtype, want, i);
    if (!is_close(a, b, tolerance))
      fail_msg("%s %s %s: element %lld is %.17g, not %.17g", op_info(kernel->shape.op)->name, label,
               what, (long long)i, a, b);
  }
}

static size_t more_bytes(const Kernel *kernel) {
  size_t bytes = 0;
  for (int i = 0; i < op_info(kernel->shape.op)->results - 1; i++)
    bytes += tensor_bytes(&kernel->more[i]);
  return bytes;
}

/* The further results, one after the other. */
static void *more_copy(const Kernel *kernel) {
  char *copy = malloc(more_bytes(kernel) + 1), *to = copy;
  for (int i = 0; i < op_info(kernel->shape.op)->results - 1; i++) {
    memcpy(to, kernel->more[i].data, tensor_bytes(&kernel->more[i]));
    to += tensor_bytes(&kernel->more[i]);
  }
  return copy;
}

static void assert_same_more(const Kernel *kernel, const char *label, const char *what,
                             const void *want) {
  void *got = more_copy(kernel);
  if (memcmp(got, want, more_bytes(kernel)) != 0)
    fail_msg("%s %s %s: a further result differs", op_info(kernel->shape.op)->name, label, what);
  free(got);
}

typedef void KernelCheck(Kernel *kernel, const char *label);

static void each_kernel(KernelCheck *check) {
  for (int k = 0; k < OP_CASES; k++) {
    const OpCase *c = &op_cases[k];
    if (op_info(c->op)->elementwise) continue;
    OpGolden golden = golden_read(c);
    for (int isa = 0; isa <= (int)isa_best(); isa++)
      for (int wide = 0; wide < 2; wide++) {
        Kernel *kernel = case_kernel(c, &golden, wide ? DTYPE_F64 : DTYPE_F32, (Isa)isa);
        check(kernel, c->label);
        kernel_free(kernel);
      }
    array_list_free(&golden.list);
  }
}

/* ---- parts ---- */

static void check_parts(Kernel *kernel, const char *label) {
  /* A product's bits depend on the number of parts; all others are the same for any. */
  double tolerance = kernel->shape.op == OP_matmul ? tolerance_of(kernel->shape.out_dtype) : 0;
  void *whole = malloc(out_bytes(kernel) + 1);
  kernel_run(kernel, 1);
  memcpy(whole, kernel->out.data, out_bytes(kernel));
  void *more = more_copy(kernel);
  for (int parts = 2; parts <= MAX_PARTS; parts++) {
    kernel_run(kernel, parts);
    assert_same(kernel, label, "in parts", whole, tolerance);
    assert_same_more(kernel, label, "in parts", more);
  }
  free(more);
  free(whole);
}

static void parts_give_the_bits_of_the_whole(void **state) {
  (void)state;
  each_kernel(check_parts);
}

/* ---- blocks of rows ---- */

/* Run rows [begin, end) of the batch; the result is a block of rows, or is added to. */
static void run_block(Kernel *kernel, const bool *batched, OpRows rows, int64_t begin,
                      int64_t end) {
  OpCall call = kernel->call;
  int64_t all = kernel->call.out.shape.dims[0];
  for (int i = 0; i < call.inputs; i++) {
    if (!batched[i] || !kernel->in[i].buffer) continue;
    size_t row = tensor_bytes(&kernel->in[i]) / (size_t)kernel->in[i].shape.dims[0];
    call.in[i].data = (char *)call.in[i].data + (size_t)begin * row;
    call.in[i].shape.dims[0] = end - begin;
  }
  if (rows == OP_ROWS_KEEP) {
    call.out.data = (char *)call.out.data + (size_t)begin * (out_bytes(kernel) / (size_t)all);
    call.out.shape.dims[0] = end - begin;
    for (int i = 0; i < op_info(kernel->shape.op)->results - 1; i++) {
      size_t bytes = tensor_bytes(&kernel->more[i]) / (size_t)all;
      call.more[i].data = (char *)call.more[i].data + (size_t)begin * bytes;
      call.more[i].shape.dims[0] = end - begin;
    }
  }
  call.first_row = begin;
  call.accumulate = rows == OP_ROWS_REDUCE && begin > 0;
  kernel->run(&call, 0, 1);
}

static bool same_batch(const Kernel *kernel, const bool *batched, int64_t *rows) {
  *rows = -1;
  for (int i = 0; i < kernel->shape.inputs; i++) {
    if (!batched[i] || !kernel->in[i].buffer) continue;
    const Shape *shape = &kernel->in[i].shape;
    if (shape->ndim == 0 || shape->dims[0] < 2) return false;
    if (*rows >= 0 && *rows != shape->dims[0]) return false;
    *rows = shape->dims[0];
  }
  return *rows >= 0;
}

static void check_blocks(Kernel *kernel, const char *label) {
  const OpInfo *info = op_info(kernel->shape.op);
  void *whole = malloc(out_bytes(kernel) + 1);
  kernel_run(kernel, 1);
  memcpy(whole, kernel->out.data, out_bytes(kernel));
  void *more = more_copy(kernel);
  for (int mask = 1; info->rows && mask < 1 << kernel->shape.inputs; mask++) {
    bool batched[OP_MAX_INPUTS];
    int64_t count;
    for (int i = 0; i < OP_MAX_INPUTS; i++) batched[i] = mask >> i & 1;
    if (!same_batch(kernel, batched, &count)) continue;
    OpRows rows = info->rows(&kernel->shape, batched);
    if (rows == OP_ROWS_MIX) continue;
    if (rows == OP_ROWS_KEEP && (kernel->shape.out.ndim == 0 || kernel->shape.out.dims[0] != count))
      fail_msg("%s %s says rows are kept, and they are not", info->name, label);
    bool exact = rows == OP_ROWS_KEEP && kernel->shape.op != OP_matmul;
    memset(kernel->out.data, GUARD_BYTE, tensor_bytes(&kernel->out));
    for (int64_t begin = 0, step = count / 2; begin < count; begin += step)
      run_block(kernel, batched, rows, begin, begin + step < count ? begin + step : count);
    assert_same(kernel, label, "by blocks", whole,
                exact ? 0 : tolerance_of(kernel->shape.out_dtype));
    if (exact) assert_same_more(kernel, label, "by blocks", more);
  }
  free(more);
  free(whole);
}

static void blocks_of_rows_give_the_whole(void **state) {
  (void)state;
  each_kernel(check_blocks);
}

static OpRows rows_of(OpId op, const char *label, unsigned mask) {
  for (int k = 0; k < OP_CASES; k++) {
    const OpCase *c = &op_cases[k];
    if (c->op != op || strcmp(c->label, label) != 0) continue;
    OpGolden golden = golden_read(c);
    Kernel *kernel = case_kernel(c, &golden, DTYPE_F32, ISA_base);
    bool batched[OP_MAX_INPUTS];
    for (int i = 0; i < OP_MAX_INPUTS; i++) batched[i] = mask >> i & 1;
    OpRows rows = op_info(op)->rows(&kernel->shape, batched);
    kernel_free(kernel);
    array_list_free(&golden.list);
    return rows;
  }
  fail_msg("no case %s %s", op_info(op)->name, label);
  return OP_ROWS_MIX;
}

static void the_batch_may_run_by_blocks_where_rows_are_apart(void **state) {
  static const struct {
    OpId op;
    const char *label;
    unsigned batched;
    OpRows rows;
  } expected[] = {
      {OP_sum, "first", 1, OP_ROWS_REDUCE},
      {OP_sum, "last", 1, OP_ROWS_KEEP},
      {OP_mean, "all", 1, OP_ROWS_REDUCE},
      {OP_mean, "ends", 1, OP_ROWS_REDUCE},
      {OP_max, "first", 1, OP_ROWS_MIX},
      {OP_max, "last", 1, OP_ROWS_KEEP},
      {OP_variance, "all", 1, OP_ROWS_MIX},
      {OP_argmax, "first", 1, OP_ROWS_MIX},
      {OP_argmax, "last", 1, OP_ROWS_KEEP},
      {OP_reshape, "guess", 1, OP_ROWS_KEEP},
      {OP_reshape, "flat", 1, OP_ROWS_MIX},
      {OP_transpose, "rows", 1, OP_ROWS_KEEP},
      {OP_transpose, "matrix", 1, OP_ROWS_MIX},
      {OP_slice, "columns", 1, OP_ROWS_KEEP},
      {OP_slice, "rows", 1, OP_ROWS_MIX},
      {OP_pad, "columns", 1, OP_ROWS_KEEP},
      {OP_concat, "columns", 3, OP_ROWS_KEEP},
      {OP_concat, "columns", 1, OP_ROWS_MIX},
      {OP_expand, "column", 1, OP_ROWS_KEEP},
      {OP_expand, "row", 1, OP_ROWS_MIX},
      {OP_expand, "row", 0, OP_ROWS_KEEP}, /* every row is the same */
      {OP_sum_to, "row", 1, OP_ROWS_REDUCE},
      {OP_sum_to, "column", 1, OP_ROWS_KEEP},
      {OP_take, "rows", 2, OP_ROWS_KEEP},
      {OP_take, "rows", 1, OP_ROWS_MIX},
      {OP_take_grad, "rows", 3, OP_ROWS_REDUCE},
      {OP_softmax, "rows", 1, OP_ROWS_KEEP},
      {OP_softmax, "first", 1, OP_ROWS_MIX},
      {OP_softmax_grad, "rows", 3, OP_ROWS_KEEP},
      {OP_softmax_cross_entropy, "rows", 3, OP_ROWS_KEEP},
      {OP_softmax_cross_entropy, "both", 3, OP_ROWS_KEEP},
      {OP_softmax_cross_entropy, "rows", 1, OP_ROWS_MIX},
      {OP_softmax_cross_entropy_grad, "both", 7, OP_ROWS_KEEP},
      {OP_correct, "rows", 3, OP_ROWS_KEEP},
      {OP_conv, "plain", 1, OP_ROWS_KEEP},
      {OP_conv, "plain", 3, OP_ROWS_MIX},
      {OP_conv_transpose, "plain", 1, OP_ROWS_KEEP},
      {OP_dropout, "half", 1, OP_ROWS_KEEP},
      {OP_attention, "packed", 1, OP_ROWS_KEEP},
      {OP_attention, "pair", 3, OP_ROWS_KEEP},
      {OP_attention, "pair", 1, OP_ROWS_MIX},
      {OP_attention, "mask", 1, OP_ROWS_KEEP},
      {OP_attention, "mask_sample", 1, OP_ROWS_MIX},
      {OP_attention, "mask_sample", 9, OP_ROWS_KEEP},
      {OP_attention_grad, "pair", 31, OP_ROWS_KEEP},
  };
  (void)state;
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    OpRows rows = rows_of(expected[i].op, expected[i].label, expected[i].batched);
    if (rows != expected[i].rows)
      fail_msg("%s %s: %d, not %d", op_info(expected[i].op)->name, expected[i].label, rows,
               expected[i].rows);
  }
}

/* ---- long inputs, against plain loops in long double ---- */

static Tensor filled(DType dtype, int64_t rows, int64_t columns, double low, double high) {
  Tensor tensor;
  Err err;
  Shape shape = {.ndim = 2, .dims = {rows, columns}};
  Rng rng = rng_make(5, RNG_USER, 0);
  must(tensor_new(&tensor, dtype, &shape, &err), &err);
  for (int64_t i = 0; i < rows * columns; i++)
    tensor_set(&tensor, i, low + (high - low) * rng_uniform(&rng, (uint64_t)i));
  return tensor;
}

static Attrs axis_attrs(OpId op, int64_t axis) {
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  attrs.at[0].count = 1;
  attrs.at[0].list[0] = axis;
  return attrs;
}

static void check_long(OpId op, int64_t rows, int64_t columns, int axis, Isa isa, DType dtype) {
  Tensor x = filled(dtype, rows, columns, 0, 2);
  Attrs attrs = axis_attrs(op, axis);
  Kernel *kernel = kernel_new(op, &attrs, 1, &x, dtype, isa);
  kernel_run(kernel, 1);
  int64_t results = axis == 0 ? columns : rows, count = axis == 0 ? rows : columns;
  int64_t step = axis == 0 ? columns : 1, start = axis == 0 ? 1 : columns;
  for (int64_t r = 0; r < results; r++) {
    long double sum = 0, deviations = 0;
    for (int64_t i = 0; i < count; i++) sum += tensor_get(&x, r * start + i * step);
    for (int64_t i = 0; i < count; i++) {
      long double d = tensor_get(&x, r * start + i * step) - sum / count;
      deviations += d * d;
    }
    double want = (double)(op == OP_sum    ? sum
                           : op == OP_mean ? sum / count
                                           : deviations / (count - 1));
    double got = element(dtype, kernel->out.data, r);
    if (fabs(got - want) > (dtype == DTYPE_F32 ? 5e-7 : 1e-14) * fabs(want))
      fail_msg("%s of %lld numbers is %.9g, not %.9g", op_info(op)->name, (long long)count, got,
               want);
  }
  kernel_free(kernel);
}

static void long_sums_keep_their_digits(void **state) {
  (void)state;
  for (int isa = 0; isa <= (int)isa_best(); isa++)
    for (int wide = 0; wide < 2; wide++) {
      DType dtype = wide ? DTYPE_F64 : DTYPE_F32;
      check_long(OP_sum, 1, 300007, 1, (Isa)isa, dtype);
      check_long(OP_sum, 30011, 3, 0, (Isa)isa, dtype);
      check_long(OP_mean, 515, 211, 0, (Isa)isa, dtype);
      check_long(OP_mean, 13, 5003, 1, (Isa)isa, dtype);
      check_long(OP_variance, 2003, 70, 0, (Isa)isa, dtype);
      check_long(OP_variance, 3, 2003, 1, (Isa)isa, dtype);
    }
}

/* Rows longer than the kernel's buffer, and many short ones. */
static void check_long_softmax(int64_t rows, int64_t n, Isa isa, DType dtype) {
  Tensor x = filled(dtype, rows, n, -3, 3), share = tensor_share(&x), labels;
  Err err;
  Attrs attrs;
  Shape shape = {.ndim = 1, .dims = {rows}};
  must(tensor_new(&labels, DTYPE_I64, &shape, &err), &err);
  for (int64_t i = 0; i < rows; i++) tensor_set(&labels, i, (double)(i * 7 % n));
  op_attr_defaults(OP_softmax, &attrs);
  Kernel *softmax = kernel_new(OP_softmax, &attrs, 1, &share, dtype, isa);
  op_attr_defaults(OP_softmax_cross_entropy, &attrs);
  Kernel *loss = kernel_new(OP_softmax_cross_entropy, &attrs, 2, (Tensor[]){x, labels}, dtype, isa);
  kernel_run(softmax, 1);
  kernel_run(loss, 1);
  for (int64_t row = 0; row < rows; row++) {
    long double sum = 0;
    int64_t label = row * 7 % n;
    for (int64_t i = 0; i < n; i++) sum += expl(tensor_get(&x, row * n + i));
    for (int64_t i = 0; i < n; i++) {
      double want = (double)(expl(tensor_get(&x, row * n + i)) / sum);
      double got = element(dtype, softmax->out.data, row * n + i);
      if (fabs(got - want) > (dtype == DTYPE_F32 ? 1e-6 : 1e-14) * want)
        fail_msg("softmax (%lld, %lld): %.9g, not %.9g", (long long)rows, (long long)n, got, want);
    }
    double want = (double)(logl(sum) - tensor_get(&x, row * n + label));
    if (!is_close(element(dtype, loss->out.data, row), want, dtype == DTYPE_F32 ? 1e-6 : 1e-14))
      fail_msg("loss of %lld classes: %.9g, not %.9g", (long long)n,
               element(dtype, loss->out.data, row), want);
  }
  kernel_free(softmax);
  kernel_free(loss);
}

static void long_rows_of_logits_are_as_exact_as_short_ones(void **state) {
  (void)state;
  for (int isa = 0; isa <= (int)isa_best(); isa++)
    for (int wide = 0; wide < 2; wide++) {
      DType dtype = wide ? DTYPE_F64 : DTYPE_F32;
      check_long_softmax(3, 5003, (Isa)isa, dtype);
      check_long_softmax(2, 1024, (Isa)isa, dtype);
      check_long_softmax(2, 1025, (Isa)isa, dtype);
      check_long_softmax(317, 10, (Isa)isa, dtype);
    }
}

/* ---- dropout ---- */

static Kernel *dropout_kernel(const OpRun *run, double p, double stream, int64_t first_row) {
  Tensor x = filled(DTYPE_F32, 300, 101, 1, 2);
  Attrs attrs;
  op_attr_defaults(OP_dropout, &attrs);
  attrs.at[0].number = p;
  attrs.at[1].number = stream;
  Kernel *kernel = kernel_new(OP_dropout, &attrs, 1, &x, DTYPE_F32, isa_best());
  kernel->call.run = run;
  kernel->call.first_row = first_row;
  kernel_run(kernel, 1);
  return kernel;
}

/* How many elements two masks agree on, of 30300. */
static int64_t agreement(const OpRun *a, double stream_a, const OpRun *b, double stream_b) {
  Kernel *left = dropout_kernel(a, 0.5, stream_a, 0), *right = dropout_kernel(b, 0.5, stream_b, 0);
  int64_t count = shape_count(&left->shape.out), same = 0;
  for (int64_t i = 0; i < count; i++)
    same += (tensor_get(&left->out, i) == 0) == (tensor_get(&right->out, i) == 0);
  kernel_free(left);
  kernel_free(right);
  return same;
}

static void masks_of_other_seeds_steps_and_layers_are_unrelated(void **state) {
  const OpRun run = {.seed = 1, .step = 1}, seed = {.seed = 2, .step = 1},
              step = {.seed = 1, .step = 2};
  const int64_t half = 30300 / 2, five_sigma = 436;
  (void)state;
  assert_int_equal(agreement(&run, 0, &run, 0), 30300);
  assert_in_range(agreement(&run, 0, &seed, 0), half - five_sigma, half + five_sigma);
  assert_in_range(agreement(&run, 0, &step, 0), half - five_sigma, half + five_sigma);
  assert_in_range(agreement(&run, 0, &run, 1), half - five_sigma, half + five_sigma);
  assert_in_range(agreement(&run, 1, &step, 0), half - five_sigma, half + five_sigma);
}

static void dropout_keeps_its_share_and_its_scale(void **state) {
  static const double shares[] = {0.1, 0.25, 0.9};
  (void)state;
  for (int k = 0; k < 3; k++) {
    Kernel *kernel = dropout_kernel(&golden_run, shares[k], 0, 0);
    int64_t count = shape_count(&kernel->shape.out), kept = 0;
    for (int64_t i = 0; i < count; i++) {
      double y = tensor_get(&kernel->out, i), x = tensor_get(&kernel->in[0], i);
      if (y == 0) continue;
      kept++;
      if (!is_close(y, x / (1 - shares[k]), 1e-6)) fail_msg("%.9g from %.9g", y, x);
    }
    double sigma = sqrt(shares[k] * (1 - shares[k]) * (double)count);
    if (fabs((double)kept - (1 - shares[k]) * (double)count) > 5 * sigma)
      fail_msg("%lld of %lld kept at p = %g", (long long)kept, (long long)count, shares[k]);
    kernel_free(kernel);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_give_the_bits_of_the_whole),
      cmocka_unit_test(blocks_of_rows_give_the_whole),
      cmocka_unit_test(the_batch_may_run_by_blocks_where_rows_are_apart),
      cmocka_unit_test(long_sums_keep_their_digits),
      cmocka_unit_test(long_rows_of_logits_are_as_exact_as_short_ones),
      cmocka_unit_test(masks_of_other_seeds_steps_and_layers_are_unrelated),
      cmocka_unit_test(dropout_keeps_its_share_and_its_scale),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
