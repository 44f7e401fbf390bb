/* Normalising layers, with PyTorch's options and starting values. Those over the batch, and on
 * demand those over planes, keep running averages of mean and variance (unbiased) for evaluation,
 * which then is x * scale + shift. */
#include "layer/family.h"

/* A weight of ones and a bias of zeros; weight decay leaves both alone. */
static int affine_params(LayerParam *params, const Shape *shape, bool weight, bool bias) {
  int count = 0;
  if (weight)
    params[count++] = (LayerParam){
        .name = "weight", .shape = *shape, .init = INIT_ones, .fan_in = 1, .fan_out = 1};
  if (bias)
    params[count++] = (LayerParam){
        .name = "bias", .shape = *shape, .init = INIT_zeros, .fan_in = 1, .fan_out = 1};
  return count;
}

static Status check_ndim(const char *name, const Shape *in, int least, int most, Err *err) {
  char text[SHAPE_TEXT_SIZE];
  if (least == most) return layer_check_planes(name, in, most - 2, err);
  if (in->ndim >= least && in->ndim <= most) return NN_OK;
  const char *wanted =
      most == MAX_DIMS ? "(n, channels, ...)" : "(n, channels) or (n, channels, length)";
  return err_set(err, NN_SHAPE, "%s: needs an input %s, not of shape %s", name, wanted,
                 shape_text(in, text));
}

static Shape channels_of(const Shape *in) { return (Shape){.ndim = 1, .dims = {in->dims[1]}}; }

/* ---- over trailing axes ---- */

enum { ROW_DIMS, ROW_EPS, ROW_AFFINE, ROW_BIAS };

static Status row_params(const char *name, const Attrs *options, const Shape *in, bool bias,
                         LayerParam *params, int *count, Err *err) {
  int dims = (int)options->at[ROW_DIMS].number;
  char text[SHAPE_TEXT_SIZE];
  if (dims < 1 || dims >= in->ndim)
    return err_set(
        err, NN_BAD_ARGUMENT,
        "%s: dims is how many of the last axes are normalised over, 1 to %d for an input "
        "of shape %s, not %.0f",
        name, in->ndim - 1, shape_text(in, text), options->at[ROW_DIMS].number);
  Shape shape = shape_make(dims, in->dims + in->ndim - dims);
  bool affine = options->at[ROW_AFFINE].number != 0;
  *count = affine_params(params, &shape, affine, affine && bias);
  return NN_OK;
}

static Status row_forward(LayerCall *call, OpId op, int params, Ref *out, Err *err) {
  Attrs attrs;
  op_attr_defaults(op, &attrs);
  attrs.at[0] = call->options->at[ROW_DIMS];
  attrs.at[1] = call->options->at[ROW_EPS];
  Ref inputs[3] = {call->in, call->params[0], call->params[1]};
  return graph_op(call->graph, out, op, inputs, 1 + params, &attrs, err);
}

Status params_LayerNorm(const Attrs *options, const Shape *in, LayerParam *params, int *count,
                        Err *err) {
  return row_params("LayerNorm", options, in, options->at[ROW_BIAS].number != 0, params, count,
                    err);
}

Status forward_LayerNorm(LayerCall *call, Ref *out, Err *err) {
  bool affine = call->options->at[ROW_AFFINE].number != 0;
  bool bias = affine && call->options->at[ROW_BIAS].number != 0;
  return row_forward(call, OP_layer_norm, affine + bias, out, err);
}

Status params_RMSNorm(const Attrs *options, const Shape *in, LayerParam *params, int *count,
                      Err *err) {
  return row_params("RMSNorm", options, in, false, params, count, err);
}

Status forward_RMSNorm(LayerCall *call, Ref *out, Err *err) {
  return row_forward(call, OP_rms_norm, call->options->at[ROW_AFFINE].number != 0, out, err);
}

/* ---- over groups of channels ---- */

enum { GROUP_COUNT, GROUP_EPS, GROUP_AFFINE };

static Status group_forward(LayerCall *call, double groups, const Attr *eps, bool affine, Ref *out,
                            Err *err) {
  Attrs attrs;
  op_attr_defaults(OP_group_norm, &attrs);
  attrs.at[0].number = groups;
  attrs.at[1] = *eps;
  Ref inputs[3] = {call->in, call->params[0], call->params[1]};
  return graph_op(call->graph, out, OP_group_norm, inputs, affine ? 3 : 1, &attrs, err);
}

Status params_GroupNorm(const Attrs *options, const Shape *in, LayerParam *params, int *count,
                        Err *err) {
  TRY(check_ndim("GroupNorm", in, 2, MAX_DIMS, err));
  Shape channels = channels_of(in);
  bool affine = options->at[GROUP_AFFINE].number != 0;
  *count = affine_params(params, &channels, affine, affine);
  return NN_OK;
}

Status forward_GroupNorm(LayerCall *call, Ref *out, Err *err) {
  const Attr *at = call->options->at;
  return group_forward(call, at[GROUP_COUNT].number, &at[GROUP_EPS], at[GROUP_AFFINE].number != 0,
                       out, err);
}

/* ---- over the batch, or over each plane of a row, with running averages ---- */

enum { BATCH_EPS, BATCH_MOMENTUM, BATCH_AFFINE, BATCH_TRACK, BATCH_CUMULATIVE };

/* Where the parameters are; -1: there is none. */
typedef struct BatchParams {
  int weight, bias, mean, variance, batches, count;
} BatchParams;

static BatchParams batch_places(const Attrs *options) {
  BatchParams at = {-1, -1, -1, -1, -1, 0};
  if (options->at[BATCH_AFFINE].number != 0) at.weight = at.count++, at.bias = at.count++;
  if (options->at[BATCH_TRACK].number == 0) return at;
  at.mean = at.count++;
  at.variance = at.count++;
  if (options->at[BATCH_CUMULATIVE].number != 0) at.batches = at.count++;
  return at;
}

static LayerParam buffer_of(const char *name, int64_t size, InitId init) {
  return (LayerParam){.name = name,
                      .shape = {.ndim = 1, .dims = {size}},
                      .init = init,
                      .fan_in = 1,
                      .fan_out = 1,
                      .buffer = true};
}

static Status batch_params(const char *name, int least, int most, const Attrs *options,
                           const Shape *in, LayerParam *params, int *count, Err *err) {
  double momentum = options->at[BATCH_MOMENTUM].number;
  TRY(check_ndim(name, in, least, most, err));
  if (!(momentum >= 0 && momentum <= 1))
    return err_set(
        err, NN_BAD_ARGUMENT,
        "%s: momentum is the share of the new batch in the running averages, 0 to 1, not "
        "%g",
        name, momentum);
  BatchParams at = batch_places(options);
  Shape channels = channels_of(in);
  affine_params(params, &channels, at.weight >= 0, at.bias >= 0);
  if (at.mean >= 0) {
    params[at.mean] = buffer_of("running_mean", in->dims[1], INIT_zeros);
    params[at.variance] = buffer_of("running_var", in->dims[1], INIT_ones);
  }
  if (at.batches >= 0) params[at.batches] = buffer_of("num_batches_tracked", 1, INIT_zeros);
  *count = at.count;
  return NN_OK;
}

/* running + share (value factor - running) */
static Ref moved(LayerEmit *emit, Ref running, Ref value, double factor, Ref share) {
  Ref step = factor == 1 ? value : layer_emit_number(emit, OP_mul, value, factor);
  step = layer_emit(emit, OP_sub, step, running, NULL);
  return layer_emit(emit, OP_add, running, layer_emit(emit, OP_mul, step, share, NULL), NULL);
}

/* The mean over rows of what every plane has, (n, channels) to (channels). */
static Ref mean_of_rows(LayerEmit *emit, Ref planes) {
  Attrs attrs;
  op_attr_defaults(OP_mean, &attrs);
  attrs.at[0].count = 1;
  attrs.at[0].list[0] = 0;
  return layer_emit(emit, OP_mean, planes, REF_NONE, &attrs);
}

/* Of group_norm, whose second statistic is 1 / sqrt(variance + eps), the mean over rows. */
static Status update_averages(LayerCall *call, const BatchParams *at, bool planes, Ref value,
                              Err *err) {
  const Shape *in = &graph_node(call->graph, call->in)->shape;
  double count = (double)shape_count(in) / (double)in->dims[1];
  LayerEmit emit = layer_emitter(call, err);
  Ref mean, variance, rest, share;
  TRY(graph_result(call->graph, &mean, value, 1, err));
  TRY(graph_result(call->graph, &variance, value, 2, err));
  TRY(graph_result(call->graph, &rest, value, 3, err));
  TRY(graph_constant(call->graph, &share, emit.dtype, call->options->at[BATCH_MOMENTUM].number,
                     err));
  if (at->batches >= 0) { /* the mean over all batches so far */
    Ref batches = layer_emit_number(&emit, OP_add, call->params[at->batches], 1);
    call->updates[at->batches] = batches;
    share = layer_emit(&emit, OP_reciprocal, batches, REF_NONE, NULL);
  }
  mean = layer_emit(&emit, OP_add, mean, rest, NULL);
  if (planes) {
    count /= (double)in->dims[0];
    variance = layer_emit(&emit, OP_square, variance, REF_NONE, NULL);
    variance = mean_of_rows(&emit, layer_emit(&emit, OP_reciprocal, variance, REF_NONE, NULL));
    variance = layer_emit_number(&emit, OP_sub, variance, call->options->at[BATCH_EPS].number);
    mean = mean_of_rows(&emit, mean);
  }
  call->updates[at->mean] = moved(&emit, call->params[at->mean], mean, 1, share);
  call->updates[at->variance] =
      moved(&emit, call->params[at->variance], variance, count / (count - 1), share);
  return emit.status;
}

/* y = x scale + shift, scale = weight / sqrt(running_var + eps), shift = bias - running_mean scale
 */
static Status batch_evaluate(LayerCall *call, const BatchParams *at, Ref *out, Err *err) {
  const Shape *in = &graph_node(call->graph, call->in)->shape;
  LayerEmit emit = layer_emitter(call, err);
  Ref variance = call->params[at->variance];
  Ref scale = layer_emit_number(&emit, OP_add, variance, call->options->at[BATCH_EPS].number);
  scale = layer_emit(&emit, OP_sqrt, scale, REF_NONE, NULL);
  scale = layer_emit(&emit, OP_reciprocal, scale, REF_NONE, NULL);
  if (at->weight >= 0) scale = layer_emit(&emit, OP_mul, scale, call->params[at->weight], NULL);
  Ref shift = layer_emit(&emit, OP_mul, call->params[at->mean], scale, NULL);
  shift = at->bias >= 0 ? layer_emit(&emit, OP_sub, call->params[at->bias], shift, NULL)
                        : layer_emit(&emit, OP_neg, shift, REF_NONE, NULL);
  Shape shape = {.ndim = in->ndim - 1, .dims = {in->dims[1], 1, 1}};
  scale = layer_emit_shape(&emit, OP_reshape, scale, &shape);
  shift = layer_emit_shape(&emit, OP_reshape, shift, &shape);
  *out = layer_emit(&emit, OP_add, layer_emit(&emit, OP_mul, call->in, scale, NULL), shift, NULL);
  return emit.status;
}

static Status normalise(LayerCall *call, bool planes, bool affine, Ref *out, Err *err) {
  const Shape *in = &graph_node(call->graph, call->in)->shape;
  const Attr *eps = &call->options->at[BATCH_EPS];
  char text[SHAPE_TEXT_SIZE];
  if (planes && call->training && shape_count(in) == in->dims[0] * in->dims[1])
    return err_set(err, NN_SHAPE,
                   "%s: training needs more than one value in a plane, and shape %s has one",
                   layer_info(call->layer)->name, shape_text(in, text));
  if (planes) return group_forward(call, (double)in->dims[1], eps, affine, out, err);
  Attrs attrs;
  op_attr_defaults(OP_batch_norm, &attrs);
  attrs.at[0] = *eps;
  Ref inputs[3] = {call->in, call->params[0], call->params[1]};
  return graph_op(call->graph, out, OP_batch_norm, inputs, affine ? 3 : 1, &attrs, err);
}

static Status batch_forward(LayerCall *call, bool planes, Ref *out, Err *err) {
  BatchParams at = batch_places(call->options);
  if (!call->training && at.mean >= 0) return batch_evaluate(call, &at, out, err);
  TRY(normalise(call, planes, at.weight >= 0, out, err));
  return call->training && at.mean >= 0 ? update_averages(call, &at, planes, *out, err) : NN_OK;
}

Status params_BatchNorm1d(const Attrs *options, const Shape *in, LayerParam *params, int *count,
                          Err *err) {
  return batch_params("BatchNorm1d", 2, 3, options, in, params, count, err);
}

Status forward_BatchNorm1d(LayerCall *call, Ref *out, Err *err) {
  return batch_forward(call, false, out, err);
}

Status params_BatchNorm2d(const Attrs *options, const Shape *in, LayerParam *params, int *count,
                          Err *err) {
  return batch_params("BatchNorm2d", 4, 4, options, in, params, count, err);
}

Status forward_BatchNorm2d(LayerCall *call, Ref *out, Err *err) {
  return batch_forward(call, false, out, err);
}

Status params_InstanceNorm1d(const Attrs *options, const Shape *in, LayerParam *params, int *count,
                             Err *err) {
  return batch_params("InstanceNorm1d", 3, 3, options, in, params, count, err);
}

Status forward_InstanceNorm1d(LayerCall *call, Ref *out, Err *err) {
  return batch_forward(call, true, out, err);
}

Status params_InstanceNorm2d(const Attrs *options, const Shape *in, LayerParam *params, int *count,
                             Err *err) {
  return batch_params("InstanceNorm2d", 4, 4, options, in, params, count, err);
}

Status forward_InstanceNorm2d(LayerCall *call, Ref *out, Err *err) {
  return batch_forward(call, true, out, err);
}

Status forward_LocalResponseNorm(LayerCall *call, Ref *out, Err *err) {
  return graph_op(call->graph, out, OP_local_response_norm, &call->in, 1, call->options, err);
}
