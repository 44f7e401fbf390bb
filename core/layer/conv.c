/* Convolutional layers: one op each, with PyTorch's options and starting values. */
#include "layer/family.h"

/* Options of the transposed ones have output_padding before groups, as PyTorch's constructors. */
enum { OUT_CHANNELS, KERNEL_SIZE, STRIDE, PADDING, DILATION, GROUPS, BIAS };
enum { OUTPUT_PADDING = DILATION, TRANSPOSED_GROUPS, TRANSPOSED_BIAS, TRANSPOSED_DILATION };

typedef struct Kind {
  const char *name;
  int axes;
  bool transposed;
} Kind;

static const Kind conv1d = {"Conv1d", 1, false}, conv2d = {"Conv2d", 2, false},
                  conv_transpose1d = {"ConvTranspose1d", 1, true},
                  conv_transpose2d = {"ConvTranspose2d", 2, true};

static const Attr *groups_of(const Kind *kind, const Attrs *options) {
  return &options->at[kind->transposed ? TRANSPOSED_GROUPS : GROUPS];
}

static bool has_bias(const Kind *kind, const Attrs *options) {
  return options->at[kind->transposed ? TRANSPOSED_BIAS : BIAS].number != 0;
}

static Status check_channels(const Kind *kind, int64_t in, int64_t out, int64_t groups, Err *err) {
  if (out < 1)
    return err_set(err, NN_BAD_ARGUMENT, "%s: out_channels must be at least 1, not %lld",
                   kind->name, (long long)out);
  if (groups < 1 || in % groups != 0 || out % groups != 0)
    return err_set(err, NN_BAD_ARGUMENT,
                   "%s: groups must divide the input's %lld channels and out_channels, %lld; %lld "
                   "does not",
                   kind->name, (long long)in, (long long)out, (long long)groups);
  return NN_OK;
}

/* weight (out, in / groups, kernel ...), transposed (in, out / groups, kernel ...); bias (out).
 * Fans are those PyTorch counts: of axes 1 and 0 of the weight, times the kernel's size. */
static Status conv_params(const Kind *kind, const Attrs *options, const Shape *in,
                          LayerParam *params, int *count, Err *err) {
  TRY(layer_check_planes(kind->name, in, kind->axes, err));
  int64_t out = (int64_t)options->at[OUT_CHANNELS].number, channels = in->dims[1];
  int64_t groups = (int64_t)groups_of(kind, options)->number;
  TRY(check_channels(kind, channels, out, groups, err));
  Shape weight = {.ndim = 2 + kind->axes, .dims = {out, channels / groups}};
  if (kind->transposed) weight.dims[0] = channels, weight.dims[1] = out / groups;
  const Attr *kernel = &options->at[KERNEL_SIZE];
  if (kernel->count != 1 && kernel->count != kind->axes)
    return err_set(err, NN_BAD_ARGUMENT, "%s: kernel_size has %d entries; give a number%s",
                   kind->name, kernel->count, kind->axes == 1 ? "" : " or { height, width }");
  for (int i = 0; i < kind->axes; i++) {
    int64_t size = weight.dims[2 + i] = kernel->list[kernel->count == 1 ? 0 : i];
    if (size < 1 || size > INT32_MAX)
      return err_set(err, NN_BAD_ARGUMENT, "%s: kernel_size must be at least 1, not %lld",
                     kind->name, (long long)size);
  }
  int64_t fan_in, fan_out;
  init_fans(&weight, &fan_in, &fan_out);
  params[0] = (LayerParam){.name = "weight",
                           .shape = weight,
                           .init = INIT_torch_default,
                           .fan_in = fan_in,
                           .fan_out = fan_out,
                           .decay = true};
  params[1] = (LayerParam){.name = "bias",
                           .shape = {.ndim = 1, .dims = {out}},
                           .init = INIT_torch_default,
                           .fan_in = fan_in,
                           .fan_out = fan_out};
  *count = has_bias(kind, options) ? 2 : 1;
  return NN_OK;
}

/* The ops have their attributes in another order: stride padding dilation groups (output_padding).
 */
static Status conv_forward(const Kind *kind, const LayerCall *call, Ref *out, Err *err) {
  OpId op = kind->transposed ? OP_conv_transpose : OP_conv;
  const Attrs *options = call->options;
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  attrs.at[0] = options->at[STRIDE];
  attrs.at[1] = options->at[PADDING];
  attrs.at[2] = options->at[kind->transposed ? TRANSPOSED_DILATION : DILATION];
  attrs.at[3] = *groups_of(kind, options);
  if (kind->transposed) attrs.at[4] = options->at[OUTPUT_PADDING];
  Ref in[3] = {call->in, call->params[0], call->params[1]};
  return graph_op(call->graph, out, op, in, has_bias(kind, options) ? 3 : 2, &attrs, err);
}

#define CONV_LAYER(layer, kind)                                                                    \
  Status params_##layer(const Attrs *options, const Shape *in, LayerParam *params, int *count,     \
                        Err *err) {                                                                \
    return conv_params(&(kind), options, in, params, count, err);                                  \
  }                                                                                                \
  Status forward_##layer(LayerCall *call, Ref *out, Err *err) {                                    \
    return conv_forward(&(kind), call, out, err);                                                  \
  }
CONV_LAYER(Conv1d, conv1d)
CONV_LAYER(Conv2d, conv2d)
CONV_LAYER(ConvTranspose1d, conv_transpose1d)
CONV_LAYER(ConvTranspose2d, conv_transpose2d)
