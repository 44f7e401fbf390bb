/* Shape inference: completed attributes stay as they are, and what is refused is named. */
#include "test.h"

#include "op_case.h"

static void inferring_twice_changes_nothing(void **state) {
  (void)state;
  for (int k = 0; k < OP_CASES; k++) {
    OpGolden golden = golden_read(&op_cases[k]);
    Err err;
    Attrs attrs = case_attrs(&op_cases[k]);
    OpShape shape = {.op = op_cases[k].op, .inputs = golden.inputs, .attrs = &attrs};
    for (int i = 0; i < golden.inputs; i++) {
      if (!golden.in[i].buffer) continue; /* absent */
      shape.shape[i] = &golden.in[i].shape;
      shape.dtype[i] = golden.in[i].dtype;
    }
    must(op_info(shape.op)->infer(&shape, &err), &err);
    Attrs completed = attrs;
    Shape out = shape.out;
    must(op_info(shape.op)->infer(&shape, &err), &err);
    assert_true(shape_equal(&out, &shape.out));
    for (int i = 0; i < OP_MAX_ATTRS; i++) {
      assert_true(attrs.at[i].number == completed.at[i].number);
      assert_int_equal(attrs.at[i].count, completed.at[i].count);
      for (int d = 0; d < attrs.at[i].count; d++)
        assert_int_equal(attrs.at[i].list[d], completed.at[i].list[d]);
    }
    array_list_free(&golden.list);
  }
}

static void wrong_operands_are_refused_by_name(void **state) {
  static const Shape s34 = {2, {3, 4}}, s43 = {2, {4, 3}}, s3 = {1, {3}}, s03 = {2, {0, 3}},
                     s4 = {1, {4}}, s = {0, {0}}, s236 = {3, {2, 3, 6}}, s238 = {3, {2, 3, 8}},
                     s254 = {3, {2, 5, 4}};
  enum { F = DTYPE_F32, D = DTYPE_F64, I = DTYPE_I64 };
  static const struct {
    OpId op;
    const char *attrs;
    const Shape *a, *b, *c;
    int ta, tb, tc;
    const char *message;
  } wrong[] = {
      {OP_sum, "axes=2", &s34, NULL, NULL, F, F, F, "sum: there is no axis 3 in shape (3, 4)"},
      {OP_sum, "axes=-3", &s34, NULL, NULL, F, F, F, "sum: there is no axis -3 in shape (3, 4)"},
      {OP_sum, "axes=0,-2", &s34, NULL, NULL, F, F, F, "sum: axis 1 is given twice"},
      {OP_mean, "", &s34, NULL, NULL, I, F, F, "mean: needs float32 or float64, not int64"},
      {OP_max, "axes=0", &s03, NULL, NULL, F, F, F, "max: axis 1 of shape (0, 3) has no elements"},
      {OP_argmax, "axis=0", &s03, NULL, NULL, F, F, F, "argmax: axis 1 of shape (0, 3) has no"},
      {OP_argmax, "", &s, NULL, NULL, F, F, F, "argmax: there is no axis -1 in shape ()"},
      {OP_variance, "correction=-1", &s34, NULL, NULL, F, F, F, "correction must be 0 or more"},
      {OP_norm, "p=0.5", &s34, NULL, NULL, F, F, F, "norm: p must be 1 or more, not 0.5"},
      {OP_norm, "p=nan", &s34, NULL, NULL, F, F, F, "norm: p must be 1 or more"},
      {OP_sum_to, "shape=3", &s34, NULL, NULL, F, F, F, "sum_to: shape (3,) does not broadcast"},
      {OP_reshape, "shape=5,-1", &s34, NULL, NULL, F, F, F, "(3, 4) has 12 elements and does not"},
      {OP_reshape, "shape=-1,-1", &s34, NULL, NULL, F, F, F, "at most one size may be -1"},
      {OP_reshape, "shape=0,-1", &s03, NULL, NULL, F, F, F, "has 0 elements and does not fit"},
      {OP_transpose, "axes=0", &s34, NULL, NULL, F, F, F, "1 axes given for shape (3, 4), which"},
      {OP_transpose, "axes=0,0", &s34, NULL, NULL, F, F, F, "transpose: axis 1 is given twice"},
      {OP_slice, "first=3", &s34, NULL, NULL, F, F, F, "elements 4 to -1 are not in axis 1 of"},
      {OP_slice, "first=2 last=1", &s34, NULL, NULL, F, F, F, "elements 3 to 2 are not in axis 1"},
      {OP_slice, "first=nan", &s34, NULL, NULL, F, F, F, "are not in axis 1"},
      {OP_slice, "axis=1 first=-5", &s34, NULL, NULL, F, F, F, "elements -5 to -1 are not in axis"},
      {OP_pad, "before=-1", &s34, NULL, NULL, F, F, F, "before and after must be 0 or more"},
      {OP_pad, "before=1e300", &s34, NULL, NULL, F, F, F, "zeros are too many"},
      {OP_concat, "", &s34, &s43, NULL, F, F, F, "concat: shapes (3, 4) and (4, 3) differ in more"},
      {OP_concat, "", &s34, &s34, NULL, F, D, F, "concat: operands are float32 and float64"},
      {OP_concat, "", &s34, &s3, NULL, F, F, F, "concat: shapes (3, 4) and (3,)"},
      {OP_expand, "shape=2,3,5", &s34, NULL, NULL, F, F, F,
       "(3, 4) does not broadcast to (2, 3, 5"},
      {OP_expand, "shape=4", &s34, NULL, NULL, F, F, F, "expand: shape (3, 4) does not broadcast"},
      {OP_expand, "shape=2000000000,2000000000,4", &s4, NULL, NULL, F, F, F,
       "does not fit in memory"},
      {OP_take, "", &s34, &s3, NULL, F, F, F, "take: indices must be int64, not float32"},
      {OP_take, "", &s, &s3, NULL, F, I, F, "take: the table has no rows: its shape is ()"},
      {OP_take_grad, "shape=5,3", &s34, &s3, NULL, F, I, F, "gradient (3, 4) does not fit indices"},
      {OP_softmax, "axis=2", &s34, NULL, NULL, F, F, F, "softmax: there is no axis 3 in shape"},
      {OP_softmax, "", &s34, NULL, NULL, I, F, F, "softmax: needs float32 or float64, not int64"},
      {OP_softmax_grad, "", &s34, &s43, NULL, F, F, F,
       "the gradient is (3, 4) and the value (4, 3"},
      {OP_softmax_cross_entropy, "", &s34, &s4, NULL, F, I, F, "logits (3, 4) need a label a row"},
      {OP_softmax_cross_entropy, "", &s34, &s3, NULL, F, F, F,
       "labels must be int64 class numbers"},
      {OP_softmax_cross_entropy, "", &s34, &s3, &s3, F, I, F,
       "need one weight a class; weights are"},
      {OP_softmax_cross_entropy, "", &s34, &s3, &s4, F, I, D,
       "class weights are float64 and logits"},
      {OP_softmax_cross_entropy, "label_smoothing=2", &s34, &s3, NULL, F, I, F,
       "from 0 to 1, not 2"},
      {OP_correct, "", &s34, &s4, NULL, F, I, F, "correct: logits (3, 4) need a label a row"},
      {OP_attention, "", &s34, NULL, NULL, F, F, F, "q must be (n, length, columns), not (3, 4)"},
      {OP_attention, "", &s238, NULL, NULL, F, F, F, "q (2, 3, 8) alone must hold queries, keys"},
      {OP_attention, "heads=4", &s236, NULL, NULL, F, F, F, "2 columns of queries cannot be split"},
      {OP_attention, "", &s236, &s238, NULL, F, F, F, "k is (2, 3, 8); it needs 12 columns"},
      {OP_attention, "", &s236, &s236, &s254, F, F, F, "v (2, 5, 4) needs the rows of k (2, 3, 6)"},
      {OP_attention, "", &s236, NULL, &s236, F, F, F, "v needs k beside it"},
      {OP_attention, "dropout=1", &s236, NULL, NULL, F, F, F, "at least 0 and less than 1, not 1"},
      {OP_attention, "scale=-1", &s236, NULL, NULL, F, F, F, "scale must be positive"},
      {OP_conv, "", &s34, &s34, NULL, F, F, F,
       "conv: needs images (n, channels, height, width) or"},
      {OP_conv, "", &s236, &s34, NULL, F, F, F, "input (2, 3, 6) and weight (3, 4) must have as"},
      {OP_conv, "", &s236, &s254, NULL, F, F, F,
       "3 channels of (2, 3, 6) in 1 groups need a weight"},
      {OP_conv, "", &s236, &s238, NULL, F, F, F,
       "reaches over 8, but with padding the input (2, 3, 6)"},
      {OP_conv, "padding=1", &s236, &s238, &s34, F, F, F,
       "the bias needs one number an output channel"},
      {OP_conv, "stride=0", &s236, &s236, NULL, F, F, F, "conv: stride must be at least 1, not 0"},
      {OP_conv, "dilation=1,2", &s236, &s236, NULL, F, F, F,
       "dilation has 2 entries; give one number"},
      {OP_conv, "groups=0", &s236, &s236, NULL, F, F, F, "groups must be at least 1, not 0"},
      {OP_conv, "padding=-1 stride=2", &s236, &s236, NULL, F, F, F,
       "\"same\" needs stride 1, not 2"},
      {OP_conv, "", &s236, &s236, NULL, F, D, F, "operands are float32 and float64"},
      {OP_conv_transpose, "", &s236, &s236, NULL, F, F, F,
       "3 channels of (2, 3, 6) in 1 groups need"},
      {OP_conv_transpose, "padding=9", &s238, &s3, NULL, F, F, F, "must have as many axes"},
      {OP_conv_weight_grad, "kernel=2", &s236, &s254, NULL, F, F, F,
       "are not sides of one convolution"},
      {OP_dropout, "p=1.5", &s34, NULL, NULL, F, F, F, "dropout: p is a probability, 0 to 1, not"},
      {OP_dropout, "p=nan", &s34, NULL, NULL, F, F, F, "dropout: p is a probability"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    OpCase c = {wrong[i].op, "", wrong[i].attrs, ""};
    Attrs attrs = case_attrs(&c);
    OpShape shape = {.op = wrong[i].op,
                     .inputs = wrong[i].c   ? 3
                               : wrong[i].b ? 2
                                            : 1,
                     .shape = {wrong[i].a, wrong[i].b, wrong[i].c},
                     .dtype = {(DType)wrong[i].ta, (DType)wrong[i].tb, (DType)wrong[i].tc},
                     .attrs = &attrs};
    Err err = {0};
    if (op_info(shape.op)->infer(&shape, &err) == NN_OK)
      fail_msg("%s %s was accepted", op_info(shape.op)->name, wrong[i].attrs);
    if (!strstr(err.message, wrong[i].message))
      fail_msg("'%s' is not in '%s'", wrong[i].message, err.message);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(inferring_twice_changes_nothing),
      cmocka_unit_test(wrong_operands_are_refused_by_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
