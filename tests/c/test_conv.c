/* Convolutions against plain loops, over many shapes drawn at random: each kernel's fast paths, on
 * all instruction sets, in parts and by blocks of rows. */
#include "test.h"

#include "base/rng.h"
#include "op/conv.h"
#include "op_case.h"

enum { SHAPES = 60, MAX_PARTS = 3 };

/* One convolution: sizes of both sides along both axes. */
typedef struct Conv {
  int64_t n, groups, in, out; /* channels of a group */
  int64_t large[2], small[2], kernel[2], stride[2], dilation[2], before[2], after[2];
} Conv;

static int64_t draw(Rng *rng, uint64_t *at, int64_t low, int64_t high) {
  return low + (int64_t)(rng_uniform(rng, (*at)++) * (double)(high - low + 1));
}

/* A third of them suit Winograd's tiles; of the others, a fifth have channels apart. */
static Conv draw_conv(int number) {
  Rng rng = rng_make(11, RNG_USER, (uint64_t)number);
  uint64_t at = 0;
  bool tiles = number % 3 == 0, plain = number % 3 == 1;
  Conv c = {.n = draw(&rng, &at, 1, 5), .groups = 1};
  c.in = tiles ? draw(&rng, &at, 12, 37) : draw(&rng, &at, 1, 19);
  c.out = tiles ? draw(&rng, &at, 12, 37) : draw(&rng, &at, 1, 37);
  if (!tiles && !plain && number % 2) c.groups = draw(&rng, &at, 2, 3);
  if (!tiles && number % 5 == 0) c.groups = draw(&rng, &at, 2, 41), c.in = c.out = 1;
  for (int i = 0; i < 2; i++) {
    c.kernel[i] = tiles ? 3 : draw(&rng, &at, 1, 5);
    c.stride[i] = tiles || plain ? 1 : draw(&rng, &at, 1, 3);
    c.dilation[i] = tiles || plain ? 1 : draw(&rng, &at, 1, 3);
    c.before[i] = draw(&rng, &at, 0, tiles ? 2 : 4);
    c.after[i] = draw(&rng, &at, 0, tiles ? 2 : 4);
    int64_t reach = c.dilation[i] * (c.kernel[i] - 1) + 1;
    int64_t least = reach - c.before[i] - c.after[i];
    if (least < 1) least = 1;
    if (tiles && least < 6) least = 6;
    c.large[i] = least + draw(&rng, &at, 0, i == 1 && number % 4 == 0 ? 40 : 15);
    c.small[i] = (c.large[i] + c.before[i] + c.after[i] - reach) / c.stride[i] + 1;
  }
  return c;
}

static Tensor random_tensor(DType dtype, Shape shape, uint64_t stream) {
  Tensor tensor;
  Err err;
  Rng rng = rng_make(12, RNG_USER, stream);
  must(tensor_new(&tensor, dtype, &shape, &err), &err);
  for (int64_t i = 0; i < tensor_count(&tensor); i++)
    tensor_set(&tensor, i, 2 * rng_uniform(&rng, (uint64_t)i) - 1);
  return tensor;
}

typedef struct Sides {
  Tensor large, small, weight, bias; /* bias: of the small side */
} Sides;

static Sides sides_of(const Conv *c, DType dtype) {
  Shape large = {4, {c->n, c->in * c->groups, c->large[0], c->large[1]}};
  Shape small = {4, {c->n, c->out * c->groups, c->small[0], c->small[1]}};
  Shape weight = {4, {c->out * c->groups, c->in, c->kernel[0], c->kernel[1]}};
  return (Sides){random_tensor(dtype, large, 1), random_tensor(dtype, small, 2),
                 random_tensor(dtype, weight, 3),
                 random_tensor(dtype, (Shape){1, {small.dims[1]}}, 4)};
}

static void sides_free(Sides *sides) {
  tensor_release(&sides->large);
  tensor_release(&sides->small);
  tensor_release(&sides->weight);
  tensor_release(&sides->bias);
}

/* Visit every product of the convolution: which elements of the three arrays meet. */
typedef void Meet(void *context, int64_t large, int64_t small, int64_t weight);

static void each_product(const Conv *c, Meet *meet, void *context) {
  int64_t in = c->in * c->groups, out = c->out * c->groups;
  for (int64_t n = 0; n < c->n; n++)
    for (int64_t o = 0; o < out; o++)
      for (int64_t k = 0; k < c->in * c->kernel[0] * c->kernel[1]; k++) {
        int64_t kx = k % c->kernel[1], ky = k / c->kernel[1] % c->kernel[0];
        int64_t channel = o / c->out * c->in + k / c->kernel[1] / c->kernel[0];
        for (int64_t i = 0; i < c->small[0] * c->small[1]; i++) {
          int64_t y = i / c->small[1] * c->stride[0] - c->before[0] + ky * c->dilation[0];
          int64_t x = i % c->small[1] * c->stride[1] - c->before[1] + kx * c->dilation[1];
          if (y < 0 || y >= c->large[0] || x < 0 || x >= c->large[1]) continue;
          meet(context, ((n * in + channel) * c->large[0] + y) * c->large[1] + x,
               (n * out + o) * c->small[0] * c->small[1] + i,
               o * c->in * c->kernel[0] * c->kernel[1] + k);
        }
      }
}

/* What plain loops make of the three ops, in double. */
typedef struct Expected {
  const Sides *sides;
  double *small, *large, *weight, *bias;
} Expected;

static void add_products(void *context, int64_t large, int64_t small, int64_t weight) {
  Expected *e = context;
  double w = tensor_get(&e->sides->weight, weight);
  e->small[small] += tensor_get(&e->sides->large, large) * w;
  e->large[large] += tensor_get(&e->sides->small, small) * w;
  e->weight[weight] += tensor_get(&e->sides->large, large) * tensor_get(&e->sides->small, small);
}

static Expected expect(const Conv *c, const Sides *sides) {
  Expected e = {.sides = sides};
  int64_t plane = c->small[0] * c->small[1], out = c->out * c->groups;
  e.small = calloc((size_t)tensor_count(&sides->small), sizeof(double));
  e.large = calloc((size_t)tensor_count(&sides->large), sizeof(double));
  e.weight = calloc((size_t)tensor_count(&sides->weight), sizeof(double));
  e.bias = calloc((size_t)out, sizeof(double));
  each_product(c, add_products, &e);
  for (int64_t i = 0; i < tensor_count(&sides->small); i++) {
    e.small[i] += tensor_get(&sides->bias, i / plane % out);
    e.bias[i / plane % out] += tensor_get(&sides->small, i);
  }
  return e;
}

static void expected_free(Expected *e) {
  free(e->small);
  free(e->large);
  free(e->weight);
  free(e->bias);
}

static Attrs attrs_of(const Conv *c, OpId op) {
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  for (int i = 0; i < 5; i++) attrs.at[i].count = i == 1 ? 4 : 2;
  attrs.at[3].number = (double)c->groups;
  for (int i = 0; i < 2; i++) {
    attrs.at[0].list[i] = c->stride[i];
    attrs.at[1].list[i] = c->before[i];
    attrs.at[1].list[2 + i] = c->after[i];
    attrs.at[2].list[i] = c->dilation[i];
    int64_t reach = c->dilation[i] * (c->kernel[i] - 1) + 1;
    attrs.at[4].list[i] = op == OP_conv_weight_grad ? c->kernel[i]
                                                    : c->large[i] + c->before[i] + c->after[i] -
                                                          reach - (c->small[i] - 1) * c->stride[i];
  }
  return attrs;
}

/* One kernel's run over rows [begin, end) of the batch, in parts. */
typedef struct Try {
  OpId op;
  const Tensor *in[3];
  int inputs;
  Attrs attrs;
  Isa isa;
  int parts;
  int64_t begin, end;
} Try;

static OpArg rows_of(const Tensor *tensor, int64_t begin, int64_t end) {
  OpArg arg = {tensor->data, tensor->dtype, tensor->shape};
  size_t row = tensor_bytes(tensor) / (size_t)tensor->shape.dims[0];
  arg.data = (char *)tensor->data + (size_t)begin * row;
  arg.shape.dims[0] = end - begin;
  return arg;
}

/* The result in `out`, and of conv_weight_grad its second one in `more`. Scratch is filled with
 * NaN: what is read must have been written. */
static void run_try(const Try *try, Tensor *out, Tensor *more) {
  OpShape shape = {.op = try->op, .inputs = try->inputs};
  Attrs attrs = try->attrs;
  OpCall call = {.attrs = &attrs, .inputs = try->inputs};
  Err err;
  bool both = try->op == OP_conv_weight_grad;
  shape.attrs = &attrs;
  for (int i = 0; i < try->inputs; i++) {
    bool rows = i == 0 || (both && i == 1);
    call.in[i] = rows ? rows_of(try->in[i], try->begin, try->end)
                      : (OpArg){try->in[i]->data, try->in[i]->dtype, try->in[i]->shape};
    shape.shape[i] = &call.in[i].shape;
    shape.dtype[i] = call.in[i].dtype;
  }
  must(op_info(try->op)->infer(&shape, &err), &err);
  call.out = both ? (OpArg){out->data, out->dtype, out->shape} : rows_of(out, try->begin, try->end);
  assert_true(shape_equal(&shape.out, &call.out.shape));
  if (both) call.more[0] = (OpArg){more->data, more->dtype, more->shape};
  size_t scratch = op_info(try->op)->scratch(&shape) * (size_t)try->parts;
  call.scratch = aligned_alloc(64, (scratch + 63) / 64 * 64);
  memset(call.scratch, 0xFF, scratch);
  OpKernel kernel = op_kernel(try->op, out->dtype, try->isa);
  for (int part = try->parts - 1; part >= 0; part--) kernel(&call, part, try->parts);
  free(call.scratch);
}

/* Rounding grows with the root of what is added up. */
static void assert_close(const Conv *c, int number, const Try *try, const Tensor *got,
                         const double *want) {
  double size = (double)(c->in * c->kernel[0] * c->kernel[1] + c->n * c->small[0] * c->small[1]);
  double pieces = try->op == OP_conv_weight_grad ? try->attrs.at[CONV_PIECES].number : 1;
  double tolerance = (got->dtype == DTYPE_F32 ? 1e-6 : 1e-15) * (4 + sqrt(size * pieces));
  for (int64_t i = 0; i < tensor_count(got); i++)
    if (!is_close(tensor_get(got, i), want[i], tolerance))
      fail_msg("%s of shape %d, %s, %s, %d parts: element %lld is %.9g, not %.9g",
               op_info(try->op)->name, number, dtype_name(got->dtype), isa_name(try->isa),
               try->parts, (long long)i, tensor_get(got, i), want[i]);
}

static Tensor like(const Tensor *tensor) {
  Tensor made;
  Err err;
  must(tensor_new(&made, tensor->dtype, &tensor->shape, &err), &err);
  memset(made.data, 0xFF, tensor_bytes(&made));
  return made;
}

/* In one piece, in parts and in two blocks of rows: close to the plain loops, and the same bits. */
static void check_op(const Conv *c, int number, Try try, const Tensor *shape, const double *want,
                     const Tensor *bias, const double *want_bias) {
  Tensor whole = like(shape), other = like(shape), sums = like(bias);
  try.parts = 1, try.begin = 0, try.end = c->n;
  run_try(&try, &whole, &sums);
  assert_close(c, number, &try, &whole, want);
  if (want_bias) assert_close(c, number, &try, &sums, want_bias);
  try.parts = MAX_PARTS;
  run_try(&try, &other, &sums);
  assert_memory_equal(whole.data, other.data, tensor_bytes(&whole));
  if (want_bias) assert_close(c, number, &try, &sums, want_bias);
  if (!want_bias && c->n > 1) {
    memset(other.data, 0xFF, tensor_bytes(&other));
    try.end = c->n / 2;
    run_try(&try, &other, NULL);
    try.begin = try.end, try.end = c->n;
    run_try(&try, &other, NULL);
    assert_memory_equal(whole.data, other.data, tensor_bytes(&whole));
  }
  tensor_release(&whole);
  tensor_release(&other);
  tensor_release(&sums);
}

static Tensor pieces_like(const Tensor *tensor, int64_t pieces) {
  Tensor made, shape = *tensor;
  shape.shape.ndim = tensor->shape.ndim + 1;
  shape.shape.dims[0] = pieces;
  memcpy(shape.shape.dims + 1, tensor->shape.dims, (size_t)tensor->shape.ndim * sizeof(int64_t));
  made = like(&shape);
  return made;
}

/* Sums over the pieces, in the first of them. */
static void add_pieces(Tensor *tensor, int64_t pieces) {
  int64_t count = tensor_count(tensor) / pieces;
  for (int64_t i = 0; i < count; i++) {
    double sum = 0;
    for (int64_t p = 0; p < pieces; p++) sum += tensor_get(tensor, p * count + i);
    tensor_set(tensor, i, sum);
  }
}

/* The pieces add up to the whole, and are the same to the bit for any number of parts. */
static void check_pieces(const Conv *c, int number, Try try, const Sides *sides,
                         const Expected *want) {
  enum { PIECES = 3 };
  Tensor out = pieces_like(&sides->weight, PIECES), bias = pieces_like(&sides->bias, PIECES);
  Tensor out_parts = like(&out), bias_parts = like(&bias);
  try.attrs.at[CONV_PIECES].number = PIECES;
  try.parts = 1, try.begin = 0, try.end = c->n;
  run_try(&try, &out, &bias);
  for (try.parts = 2; try.parts <= 3 * PIECES; try.parts++) {
    run_try(&try, &out_parts, &bias_parts);
    assert_memory_equal(out.data, out_parts.data, tensor_bytes(&out));
    assert_memory_equal(bias.data, bias_parts.data, tensor_bytes(&bias));
  }
  add_pieces(&out, PIECES);
  add_pieces(&bias, PIECES);
  Tensor sum = out, sum_bias = bias;
  sum.shape = sides->weight.shape, sum_bias.shape = sides->bias.shape;
  assert_close(c, number, &try, &sum, want->weight);
  assert_close(c, number, &try, &sum_bias, want->bias);
  tensor_release(&out);
  tensor_release(&bias);
  tensor_release(&out_parts);
  tensor_release(&bias_parts);
}

static void check_conv(const Conv *c, int number, DType dtype, Isa isa) {
  Sides sides = sides_of(c, dtype);
  Expected want = expect(c, &sides);
  Try forward = {.op = OP_conv, .in = {&sides.large, &sides.weight, &sides.bias}, .inputs = 3};
  Try back = {.op = OP_conv_transpose, .in = {&sides.small, &sides.weight}, .inputs = 2};
  Try weight = {.op = OP_conv_weight_grad, .in = {&sides.large, &sides.small}, .inputs = 2};
  forward.isa = back.isa = weight.isa = isa;
  forward.attrs = attrs_of(c, OP_conv);
  back.attrs = attrs_of(c, OP_conv_transpose);
  weight.attrs = attrs_of(c, OP_conv_weight_grad);
  check_op(c, number, forward, &sides.small, want.small, &sides.bias, NULL);
  check_op(c, number, back, &sides.large, want.large, &sides.bias, NULL);
  check_op(c, number, weight, &sides.weight, want.weight, &sides.bias, want.bias);
  check_pieces(c, number, weight, &sides, &want);
  expected_free(&want);
  sides_free(&sides);
}

static void convolutions_equal_plain_loops(void **state) {
  (void)state;
  for (int number = 0; number < SHAPES; number++) {
    Conv c = draw_conv(number);
    for (int isa = 0; isa <= (int)isa_best(); isa++)
      check_conv(&c, number, number % 2 ? DTYPE_F64 : DTYPE_F32, (Isa)isa);
  }
}

/* Large enough that a band is not the whole image, a unit not one image, and weights do not fit the
 * second-level cache. */
static void large_and_many_small_images_are_divided(void **state) {
  static const Conv cases[] = {
      {1, 1, 40, 20, {37, 66}, {37, 66}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
      {13, 1, 16, 33, {5, 4}, {5, 4}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
      {3, 1, 75, 70, {8, 9}, {8, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
      {1, 1, 40, 3, {50, 67}, {50, 67}, {5, 1}, {1, 1}, {1, 1}, {2, 0}, {2, 0}},
      {1, 1, 3, 40, {99, 67}, {50, 34}, {5, 1}, {2, 2}, {1, 1}, {2, 0}, {2, 0}},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check_conv(&cases[i], -(int)i, DTYPE_F32, isa_best());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(convolutions_equal_plain_loops),
      cmocka_unit_test(large_and_many_small_images_are_divided),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
