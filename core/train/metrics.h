/* Metrics: how good predictions are, as rows of metrics.def, added up batch by batch.
 *
 * Order of calls: metrics_new with the metrics wanted, metrics_add for every batch, metrics_value,
 * metrics_free. Sums are float64 and in order of the samples, so the result does not depend on how
 * they are split into batches beyond rounding. */
#ifndef NNRUN_TRAIN_METRICS_H
#define NNRUN_TRAIN_METRICS_H

#include "tensor/tensor.h"

#define METRIC(name, ...) METRIC_##name,
typedef enum MetricId {
#include "train/metrics.def"
  METRIC_COUNT
} MetricId;

typedef enum MetricReads { METRIC_READS_CLASSES, METRIC_READS_NUMBERS } MetricReads;

typedef struct MetricInfo {
  const char *name;
  const char *help; /* one line */
  MetricReads reads;
  bool larger_is_better;
} MetricInfo;

const MetricInfo *metric_info(MetricId id);
/* The metric of that name, or METRIC_COUNT. */
MetricId metric_find(const char *name);

typedef struct Metrics Metrics;

/* Several metrics over one set of predictions. A binary classifier with one output per sample says
 * class 1 where the output is greater than `threshold`: 0 for logits, 0.5 for probabilities. */
Status metrics_new(Metrics **out, const MetricId *ids, int count, double threshold, Err *err);
void metrics_free(Metrics *metrics);

/* Add a batch. `predicted` is float, (N, C) or (N, ...). For CLASSES `target` holds int64 labels
 * (N) or (N, 1), or float values: rows of class shares (N, C) of which the largest counts, or 0 and
 * 1 where there is one output. More axes count as more samples when the labels have them too:
 * scores (N, T, C) with labels (N, T). For NUMBERS it has as many elements as `predicted`, of any
 * type. Refuses labels outside the classes, naming the row, and shapes that do not fit. */
Status metrics_add(Metrics *metrics, const Tensor *predicted, const Tensor *target, Err *err);
/* The value over all that was added; NaN when nothing was. Only for metrics that were asked for. */
double metrics_value(const Metrics *metrics, MetricId id);
/* Counts (classes, classes): row the true class, column the predicted one. NULL before any batch.
 */
const int64_t *metrics_confusion(const Metrics *metrics, int64_t *classes);
/* Forget what was added. */
void metrics_reset(Metrics *metrics);

/* A class's precision, recall, F1 and number of samples, from the confusion counts. Precision and
 * recall of nothing are 0. */
typedef struct ClassScore {
  double precision, recall, f1;
  int64_t support;
} ClassScore;
ClassScore metrics_class_score(const Metrics *metrics, int64_t class_index);

#endif
