/* GFLOP/s of convolutions and their gradients, one thread, over the layers of the benchmarks.
 *
 *   make build/bench/conv && build/bench/conv [f64] [base] [WORD]
 *
 * WORD: only the layers whose name contains it. Two floating-point operations are counted for each
 * weight of each output, whatever a kernel really does; so a kernel that needs fewer products can
 * show more than the processor's peak, and zeros at borders count. The best of the rounds in
 * processor time, and the median share of the peak that was measured just before and after. */
#include "bench.h"

#include "op/op.h"

#include <stdio.h>

typedef struct Case {
  const char *name;
  int64_t batch, channels, height, width, out, kernel, padding, stride, groups;
} Case;

static const Case CASES[] = {
    {"lenet 1", 64, 1, 28, 28, 6, 5, 2, 1, 1},
    {"lenet 2", 64, 6, 14, 14, 16, 5, 0, 1, 1},
    {"cifarnet 1", 16, 3, 32, 32, 32, 3, 1, 1, 1},
    {"cifarnet 2", 16, 32, 32, 32, 32, 3, 1, 1, 1},
    {"cifarnet 3", 16, 32, 16, 16, 64, 3, 1, 1, 1},
    {"cifarnet 4", 16, 64, 16, 16, 64, 3, 1, 1, 1},
    {"small 7x7", 16, 128, 7, 7, 128, 3, 1, 1, 1},
    {"deep 14x14", 4, 256, 14, 14, 256, 3, 1, 1, 1},
    {"strided", 16, 32, 32, 32, 64, 3, 1, 2, 1},
    {"pointwise", 16, 64, 16, 16, 128, 1, 0, 1, 1},
    {"depthwise", 16, 64, 32, 32, 64, 3, 1, 1, 64},
    {"groups of 16", 16, 64, 32, 32, 64, 3, 1, 1, 4},
};

enum { ROUNDS = 21 };

static Tensor filled(DType dtype, const Shape *shape) {
  Tensor tensor;
  Err err;
  if (tensor_new(&tensor, dtype, shape, &err) != NN_OK) exit(1);
  for (int64_t i = 0; i < tensor_count(&tensor); i++)
    tensor_set(&tensor, i, (double)(i * 7919 % 1009) * 1e-3 - 0.5);
  return tensor;
}

/* What the processor can do just now, as other programs slow it down: the rate of independent
 * multiply-adds in registers, for about half a millisecond. */
#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static double peak(void) {
  typedef float Vec __attribute__((vector_size(32)));
  enum { STEPS = 60000 };
  Vec a0 = {0}, a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0, a8 = a0, a9 = a0;
  Vec b = {0.5F}, c = {0.25F};
  __asm__ volatile("" : "+x"(a0), "+x"(a1), "+x"(a2), "+x"(a3), "+x"(a4)); /* not all the same */
  __asm__ volatile("" : "+x"(a5), "+x"(a6), "+x"(a7), "+x"(a8), "+x"(a9), "+x"(b), "+x"(c));
  double start = bench_now();
  for (int i = 0; i < STEPS; i++) {
    a0 = a0 * b + c, a1 = a1 * b + c, a2 = a2 * b + c, a3 = a3 * b + c, a4 = a4 * b + c;
    a5 = a5 * b + c, a6 = a6 * b + c, a7 = a7 * b + c, a8 = a8 * b + c, a9 = a9 * b + c;
    __asm__ volatile("" : "+x"(a0));
  }
  double seconds = bench_now() - start;
  volatile Vec used = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9;
  (void)used;
  return STEPS * 160.0 / seconds;
}
#else
static double peak(void) { return 1e9; }
#endif

/* Time one op over two operands; `out` gets its value's shape. */
static void measure(OpId op, const Tensor *a, const Tensor *b, const Attrs *given, Isa isa,
                    double flops, Shape *out) {
  Attrs attrs = *given;
  OpShape shape = {.op = op, .inputs = 2, .attrs = &attrs};
  shape.shape[0] = &a->shape, shape.shape[1] = &b->shape;
  shape.dtype[0] = shape.dtype[1] = a->dtype;
  Err err;
  if (op_info(op)->infer(&shape, &err) != NN_OK) {
    fprintf(stderr, "%s\n", err.message);
    exit(1);
  }
  *out = shape.out;
  if (flops == 0) return;
  Tensor result = filled(a->dtype, &shape.out), scratch;
  Shape room = {.ndim = 1, .dims = {(int64_t)op_info(op)->scratch(&shape) / 8 + 1}};
  if (tensor_new(&scratch, DTYPE_F64, &room, &err) != NN_OK) exit(1);
  OpCall call = {.attrs = &attrs, .inputs = 2, .scratch = scratch.data};
  call.in[0] = (OpArg){a->data, a->dtype, a->shape};
  call.in[1] = (OpArg){b->data, b->dtype, b->shape};
  call.out = (OpArg){result.data, a->dtype, shape.out};
  OpKernel run = op_kernel(op, a->dtype, isa);
  double seconds[ROUNDS], share[ROUNDS];
  int repeats = (int)(3e8 / flops) + 1;
  run(&call, 0, 1);
  for (int r = 0; r < ROUNDS; r++) {
    double before = peak(), start = bench_now();
    for (int k = 0; k < repeats; k++) run(&call, 0, 1);
    seconds[r] = (bench_now() - start) / repeats;
    share[r] = flops / seconds[r] / ((before + peak()) / 2);
  }
  bench_sort(seconds, ROUNDS);
  bench_sort(share, ROUNDS);
  printf("  %6.1f  %4.2f", flops / seconds[0] * 1e-9, share[ROUNDS / 2]);
  fflush(stdout);
  tensor_release(&result);
  tensor_release(&scratch);
}

static void set_list(Attr *attr, int64_t value) {
  attr->count = 1;
  attr->list[0] = value;
}

static void measure_case(const Case *c, DType dtype, Isa isa) {
  Shape x_shape = {.ndim = 4, .dims = {c->batch, c->channels, c->height, c->width}}, y_shape, shape;
  Shape w_shape = {.ndim = 4, .dims = {c->out, c->channels / c->groups, c->kernel, c->kernel}};
  Tensor x = filled(dtype, &x_shape), w = filled(dtype, &w_shape);
  Attrs attrs;
  op_attr_defaults(OP_conv, &attrs);
  set_list(&attrs.at[0], c->stride);
  set_list(&attrs.at[1], c->padding);
  attrs.at[3].number = (double)c->groups;
  measure(OP_conv, &x, &w, &attrs, isa, 0, &y_shape);
  double flops = 2.0 * (double)shape_count(&y_shape) * (double)(shape_count(&w_shape) / c->out);
  Tensor y = filled(dtype, &y_shape);
  printf("%-14s", c->name);
  measure(OP_conv, &x, &w, &attrs, isa, flops, &shape);
  Attrs back = attrs;
  set_list(&back.at[4], c->stride - 1); /* the sizes are even */
  measure(OP_conv_transpose, &y, &w, &back, isa, flops, &shape);
  set_list(&attrs.at[4], c->kernel);
  measure(OP_conv_weight_grad, &x, &y, &attrs, isa, flops, &shape);
  printf("\n");
  tensor_release(&x);
  tensor_release(&w);
  tensor_release(&y);
}

int main(int argc, char **argv) {
  BenchOptions options = bench_options(argc, argv);
  printf("%s, %s kernels; GFLOP/s, share of peak\n%-14s  %-12s  %-12s  %-12s\n",
         dtype_name(options.dtype), isa_name(options.isa), "", "forward", "gradient x", "weights");
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
    if (strstr(CASES[i].name, options.word)) measure_case(&CASES[i], options.dtype, options.isa);
  return 0;
}
