/* Metrics: a confusion matrix and running sums of errors, and the values made from them. */
#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A confusion matrix of more classes would take more than 2 GB. */
enum { MAX_CLASSES = 16384 };

#define METRIC_IS_MAX true
#define METRIC_IS_MIN false
#define METRIC(metric_name, better, kind, words)                                                   \
  [METRIC_##metric_name] = {#metric_name, words, METRIC_READS_##kind, METRIC_IS_##better},
static const MetricInfo INFOS[METRIC_COUNT] = {
#include "train/metrics.def"
};

const MetricInfo *metric_info(MetricId id) { return &INFOS[id]; }

MetricId metric_find(const char *name) {
  for (int id = 0; id < METRIC_COUNT; id++)
    if (strcmp(INFOS[id].name, name) == 0) return (MetricId)id;
  return METRIC_COUNT;
}

/* Of one output: the target's mean and squared deviations (Welford 1962), and squared errors. */
typedef struct Column {
  double mean, deviations, errors;
} Column;

struct Metrics {
  bool wants_classes, wants_numbers;
  double threshold;
  int64_t classes;
  int64_t *confusion; /* (classes, classes) */
  int64_t outputs, rows;
  Column *columns; /* (outputs) */
  double squared, absolute;
  int64_t elements;
};

Status metrics_new(Metrics **out, const MetricId *ids, int count, double threshold, Err *err) {
  *out = calloc(1, sizeof **out);
  if (!*out) return err_set(err, NN_NO_MEMORY, "no memory for metrics");
  (*out)->threshold = threshold;
  for (int i = 0; i < count; i++)
    if (INFOS[ids[i]].reads == METRIC_READS_CLASSES)
      (*out)->wants_classes = true;
    else
      (*out)->wants_numbers = true;
  return NN_OK;
}

void metrics_reset(Metrics *metrics) {
  free(metrics->confusion);
  free(metrics->columns);
  *metrics = (Metrics){.wants_classes = metrics->wants_classes,
                       .wants_numbers = metrics->wants_numbers,
                       .threshold = metrics->threshold};
}

void metrics_free(Metrics *metrics) {
  if (!metrics) return;
  metrics_reset(metrics);
  free(metrics);
}

/* ---- classes ---- */

static Status misfit(const Tensor *predicted, const Tensor *target, const char *what, Err *err) {
  char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];
  return err_set(err, NN_SHAPE, "predictions %s and targets %s %s",
                 shape_text(&predicted->shape, a), shape_text(&target->shape, b), what);
}

/* How predictions and targets are laid out for classes: `samples` rows of `width` scores. */
typedef struct Layout {
  int64_t samples, width;
  bool labels; /* one int64 or 0/1 value a sample, rather than a row of shares */
} Layout;

static Status layout_of(const Tensor *predicted, const Tensor *target, Layout *layout, Err *err) {
  int64_t scores = tensor_count(predicted), targets = tensor_count(target);
  const Shape *shape = &predicted->shape;
  layout->width = shape->ndim < 2 ? 1 : shape->dims[shape->ndim - 1];
  if (layout->width < 1) return misfit(predicted, target, "hold no scores", err);
  layout->samples = scores / layout->width;
  layout->labels = target->dtype == DTYPE_I64 || layout->width == 1;
  int64_t expected = layout->labels ? layout->samples : scores;
  if (targets != expected)
    return misfit(predicted, target,
                  layout->labels ? "do not fit: one label for each row of scores is needed"
                                 : "do not fit: float targets need as many values as there are "
                                   "scores, int64 labels one for each row",
                  err);
  return NN_OK;
}

/* The first of the largest; NaN is larger than anything, as in PyTorch. */
#define LARGEST(name, type)                                                                        \
  static int64_t name(const type *values, int64_t count) {                                         \
    int64_t best = 0;                                                                              \
    for (int64_t i = 1; i < count && !isnan(values[best]); i++)                                    \
      if (!(values[i] <= values[best])) best = i;                                                  \
    return best;                                                                                   \
  }
LARGEST(largest_f32, float)
LARGEST(largest_f64, double)

/* Of a row of a float tensor. */
static int64_t largest(const Tensor *tensor, int64_t first, int64_t width) {
  if (tensor->dtype == DTYPE_F32) return largest_f32((const float *)tensor->data + first, width);
  return largest_f64((const double *)tensor->data + first, width);
}

static Status true_class(const Tensor *target, const Layout *layout, int64_t row, int64_t classes,
                         int64_t *out, Err *err) {
  if (!layout->labels) {
    *out = largest(target, row * layout->width, layout->width);
    return NN_OK;
  }
  double value = tensor_get(target, row);
  if (target->dtype != DTYPE_I64 && layout->width == 1) value = value >= 0.5;
  if (!(value >= 0 && value < (double)classes))
    return err_set(err, NN_BAD_ARGUMENT,
                   "the label of row %lld is %g; with %lld classes labels are 0 to %lld",
                   (long long)row + 1, value, (long long)classes, (long long)classes - 1);
  *out = (int64_t)value;
  return NN_OK;
}

static Status add_classes(Metrics *metrics, const Tensor *predicted, const Tensor *target,
                          Err *err) {
  Layout layout = {0};
  TRY(layout_of(predicted, target, &layout, err));
  int64_t classes = layout.width == 1 ? 2 : layout.width;
  if (classes > MAX_CLASSES)
    return err_set(err, NN_TOO_LARGE, "a confusion matrix of %lld classes is too large",
                   (long long)classes);
  if (!metrics->confusion) {
    metrics->confusion = calloc((size_t)(classes * classes), sizeof *metrics->confusion);
    if (!metrics->confusion)
      return err_set(err, NN_NO_MEMORY, "no memory for a confusion matrix of %lld classes",
                     (long long)classes);
    metrics->classes = classes;
  }
  if (metrics->classes != classes)
    return err_set(err, NN_SHAPE, "a batch of %lld classes after one of %lld", (long long)classes,
                   (long long)metrics->classes);
  for (int64_t row = 0; row < layout.samples; row++) {
    int64_t truth = 0;
    TRY(true_class(target, &layout, row, classes, &truth, err));
    int64_t guess = layout.width == 1 ? tensor_get(predicted, row) > metrics->threshold
                                      : largest(predicted, row * layout.width, layout.width);
    metrics->confusion[truth * classes + guess]++;
  }
  return NN_OK;
}

/* ---- numbers ---- */

static Status add_numbers(Metrics *metrics, const Tensor *predicted, const Tensor *target,
                          Err *err) {
  int64_t count = tensor_count(predicted);
  if (tensor_count(target) != count)
    return misfit(predicted, target, "do not fit: as many targets as outputs are needed", err);
  if (count == 0) return NN_OK;
  int64_t rows = predicted->shape.ndim < 1 ? 1 : predicted->shape.dims[0];
  int64_t outputs = count / rows;
  if (!metrics->columns) {
    metrics->columns = calloc((size_t)outputs, sizeof *metrics->columns);
    if (!metrics->columns)
      return err_set(err, NN_NO_MEMORY, "no memory for metrics of %lld outputs",
                     (long long)outputs);
    metrics->outputs = outputs;
  }
  if (metrics->outputs != outputs)
    return err_set(err, NN_SHAPE, "a batch of %lld outputs after one of %lld", (long long)outputs,
                   (long long)metrics->outputs);
  for (int64_t i = 0; i < count; i++) {
    if (i % outputs == 0) metrics->rows++;
    Column *column = &metrics->columns[i % outputs];
    double value = tensor_get(target, i), error = tensor_get(predicted, i) - value;
    double before = value - column->mean;
    column->mean += before / (double)metrics->rows;
    column->deviations += before * (value - column->mean);
    column->errors += error * error;
    metrics->squared += error * error;
    metrics->absolute += fabs(error);
  }
  metrics->elements += count;
  return NN_OK;
}

Status metrics_add(Metrics *metrics, const Tensor *predicted, const Tensor *target, Err *err) {
  if (predicted->dtype == DTYPE_I64)
    return err_set(err, NN_DTYPE, "predictions are int64; scores or numbers in float are needed");
  if (metrics->wants_classes) TRY(add_classes(metrics, predicted, target, err));
  if (metrics->wants_numbers) TRY(add_numbers(metrics, predicted, target, err));
  return NN_OK;
}

const int64_t *metrics_confusion(const Metrics *metrics, int64_t *classes) {
  *classes = metrics->classes;
  return metrics->confusion;
}

/* ---- values ---- */

ClassScore metrics_class_score(const Metrics *metrics, int64_t class_index) {
  int64_t n = metrics->classes, support = 0, predicted = 0;
  int64_t right = metrics->confusion[class_index * n + class_index];
  for (int64_t i = 0; i < n; i++) {
    support += metrics->confusion[class_index * n + i];
    predicted += metrics->confusion[i * n + class_index];
  }
  return (ClassScore){
      .precision = predicted > 0 ? (double)right / (double)predicted : 0,
      .recall = support > 0 ? (double)right / (double)support : 0,
      .f1 = support + predicted > 0 ? 2 * (double)right / (double)(support + predicted) : 0,
      .support = support,
  };
}

/* The means of the class scores, over classes that occur or are predicted. */
static ClassScore mean_score(const Metrics *metrics) {
  ClassScore mean = {0};
  int64_t seen = 0;
  for (int64_t c = 0; c < metrics->classes; c++) {
    bool occurs = false;
    for (int64_t i = 0; i < metrics->classes && !occurs; i++)
      occurs = metrics->confusion[c * metrics->classes + i] > 0 ||
               metrics->confusion[i * metrics->classes + c] > 0;
    if (!occurs) continue;
    ClassScore score = metrics_class_score(metrics, c);
    mean.precision += score.precision, mean.recall += score.recall, mean.f1 += score.f1;
    seen++;
  }
  mean.precision /= (double)seen, mean.recall /= (double)seen, mean.f1 /= (double)seen;
  return mean;
}

static double metric_accuracy(const Metrics *metrics) {
  int64_t right = 0, all = 0;
  for (int64_t i = 0; i < metrics->classes * metrics->classes; i++) all += metrics->confusion[i];
  for (int64_t c = 0; c < metrics->classes; c++)
    right += metrics->confusion[c * metrics->classes + c];
  return (double)right / (double)all;
}

static double metric_precision(const Metrics *metrics) { return mean_score(metrics).precision; }
static double metric_recall(const Metrics *metrics) { return mean_score(metrics).recall; }
static double metric_f1(const Metrics *metrics) { return mean_score(metrics).f1; }

static double metric_mse(const Metrics *metrics) {
  return metrics->squared / (double)metrics->elements;
}

static double metric_rmse(const Metrics *metrics) { return sqrt(metric_mse(metrics)); }

static double metric_mae(const Metrics *metrics) {
  return metrics->absolute / (double)metrics->elements;
}

/* 1 - squared errors / squared deviations from the mean. Of a constant target: 1 if it is met, else
 * 0, as scikit-learn has it. */
static double metric_r2(const Metrics *metrics) {
  double sum = 0;
  for (int64_t i = 0; i < metrics->outputs; i++) {
    const Column *column = &metrics->columns[i];
    if (column->deviations > 0)
      sum += 1 - column->errors / column->deviations;
    else
      sum += column->errors == 0;
  }
  return sum / (double)metrics->outputs;
}

double metrics_value(const Metrics *metrics, MetricId id) {
  typedef double Value(const Metrics *);
  static Value *const values[METRIC_COUNT] = {
#define METRIC(name, ...) [METRIC_##name] = metric_##name,
#include "train/metrics.def"
  };
  bool empty =
      INFOS[id].reads == METRIC_READS_CLASSES ? metrics->classes == 0 : metrics->elements == 0;
  return empty ? NAN : values[id](metrics);
}
