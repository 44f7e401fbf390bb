#include "data/generate.h"

#include "base/rng.h"

#include <inttypes.h>
#include <math.h>

/* The streams of a generator: one per thing a random number is for. */
enum {
  STREAM_ANGLE,
  STREAM_RADIUS,
  STREAM_X,
  STREAM_Y,
  STREAM_CENTRE,
  STREAM_WEIGHT,
  STREAM_NOISE
};

/* A row's place: its class, and how far along its class it is. */
typedef struct Place {
  int64_t row, label;
  double along; /* 0 at the first row of the class, 1 at the last */
} Place;

typedef struct Maker {
  const Generate *options;
  Rng streams[STREAM_NOISE + 1];
} Maker;

typedef void (*MakePoint)(const Maker *maker, const Place *place, double point[2]);

static double normal(const Maker *maker, int stream, int64_t index) {
  return rng_normal(&maker->streams[stream], (uint64_t)index);
}

static double uniform(const Maker *maker, int stream, int64_t index) {
  return rng_uniform(&maker->streams[stream], (uint64_t)index);
}

static Maker maker_of(const Generate *options) {
  Maker maker = {.options = options};
  for (int i = 0; i <= STREAM_NOISE; i++)
    maker.streams[i] = rng_make(options->seed, RNG_GENERATE, (uint64_t)i);
  return maker;
}

static Status check(const Generate *options, int64_t classes, int64_t features, Err *err) {
  if (options->rows < 1 || options->rows < classes)
    return err_set(err, NN_BAD_ARGUMENT, "%" PRId64 " rows are too few for %" PRId64 " classes",
                   options->rows, classes);
  if (classes < 1 || features < 1)
    return err_set(err, NN_BAD_ARGUMENT, "a data set has at least 1 class and 1 feature");
  if (!(options->noise >= 0) || isinf(options->noise))
    return err_set(err, NN_BAD_ARGUMENT, "noise is a standard deviation, at least 0, not %g",
                   options->noise);
  if (options->dtype == DTYPE_I64)
    return err_set(err, NN_DTYPE, "points are float32 or float64, not int64");
  return NN_OK;
}

static Status make_tensors(Tensor *x, Tensor *y, const Generate *options, int64_t features,
                           const Shape *y_shape, DType y_dtype, Err *err) {
  *y = (Tensor){0};
  Shape shape = shape_make(2, (int64_t[]){options->rows, features});
  TRY(tensor_new(x, options->dtype, &shape, err));
  Status status = tensor_new(y, y_dtype, y_shape, err);
  if (status != NN_OK) tensor_release(x);
  return status;
}

/* Class by class; the first rows % classes classes have one row more. */
static Place place_of(int64_t row, int64_t rows, int64_t classes) {
  int64_t base = rows / classes, more = rows % classes;
  int64_t large = more * (base + 1);
  bool early = row < large;
  int64_t size = early ? base + 1 : base;
  int64_t label = early ? row / size : more + (row - large) / size;
  int64_t at = early ? row % size : (row - large) % size;
  return (Place){row, label, size > 1 ? (double)at / (double)(size - 1) : 0};
}

static Status make_points(Tensor *x, Tensor *y, const Generate *options, int64_t classes,
                          MakePoint make, Err *err) {
  *x = *y = (Tensor){0};
  TRY(check(options, classes, 2, err));
  Shape y_shape = shape_make(1, &options->rows);
  TRY(make_tensors(x, y, options, 2, &y_shape, DTYPE_I64, err));
  Maker maker = maker_of(options);
  for (int64_t row = 0; row < options->rows; row++) {
    Place place = place_of(row, options->rows, classes);
    double point[2];
    make(&maker, &place, point);
    tensor_set(x, row * 2, point[0]);
    tensor_set(x, row * 2 + 1, point[1]);
    ((int64_t *)y->data)[row] = place.label;
  }
  return NN_OK;
}

static void move(const Maker *maker, const Place *place, double point[2]) {
  point[0] += maker->options->noise * normal(maker, STREAM_X, place->row);
  point[1] += maker->options->noise * normal(maker, STREAM_Y, place->row);
}

/* 3.12 and 0.2 are the course's: not quite pi, so that neighbouring petals differ in class. */
static void flower_point(const Maker *maker, const Place *place, double point[2]) {
  const Generate *options = maker->options;
  double angle =
      3.12 * ((double)place->label + place->along) + 0.2 * normal(maker, STREAM_ANGLE, place->row);
  double radius =
      options->shape * sin(4 * angle) + options->noise * normal(maker, STREAM_RADIUS, place->row);
  point[0] = radius * sin(angle);
  point[1] = radius * cos(angle);
}

Status generate_planar_flower(Tensor *x, Tensor *y, const Generate *options, Err *err) {
  return make_points(x, y, options, 2, flower_point, err);
}

static void moon_point(const Maker *maker, const Place *place, double point[2]) {
  double angle = M_PI * place->along;
  point[0] = place->label == 0 ? cos(angle) : 1 - cos(angle);
  point[1] = place->label == 0 ? sin(angle) : 0.5 - sin(angle);
  move(maker, place, point);
}

Status generate_moons(Tensor *x, Tensor *y, const Generate *options, Err *err) {
  return make_points(x, y, options, 2, moon_point, err);
}

static void circle_point(const Maker *maker, const Place *place, double point[2]) {
  double angle = 2 * M_PI * uniform(maker, STREAM_ANGLE, place->row);
  double radius = place->label == 0 ? 1 : maker->options->shape;
  point[0] = radius * cos(angle);
  point[1] = radius * sin(angle);
  move(maker, place, point);
}

Status generate_circles(Tensor *x, Tensor *y, const Generate *options, Err *err) {
  return make_points(x, y, options, 2, circle_point, err);
}

static void spiral_point(const Maker *maker, const Place *place, double point[2]) {
  const Generate *options = maker->options;
  double start = 2 * M_PI * (double)place->label / (double)options->classes;
  double angle = start + options->shape * place->along +
                 options->noise * normal(maker, STREAM_ANGLE, place->row);
  point[0] = place->along * sin(angle);
  point[1] = place->along * cos(angle);
}

Status generate_spiral(Tensor *x, Tensor *y, const Generate *options, Err *err) {
  return make_points(x, y, options, options->classes, spiral_point, err);
}

static void xor_point(const Maker *maker, const Place *place, double point[2]) {
  double a = uniform(maker, STREAM_X, place->row), b = uniform(maker, STREAM_Y, place->row);
  bool right = uniform(maker, STREAM_ANGLE, place->row) < 0.5;
  point[0] = right ? a : -a;
  point[1] = right == (place->label == 0) ? b : -b;
  point[0] += maker->options->noise * normal(maker, STREAM_CENTRE, place->row);
  point[1] += maker->options->noise * normal(maker, STREAM_NOISE, place->row);
}

Status generate_xor(Tensor *x, Tensor *y, const Generate *options, Err *err) {
  return make_points(x, y, options, 2, xor_point, err);
}

Status generate_blobs(Tensor *x, Tensor *y, const Generate *options, Err *err) {
  *x = *y = (Tensor){0};
  TRY(check(options, options->classes, options->features, err));
  Shape y_shape = shape_make(1, &options->rows);
  int64_t features = options->features;
  TRY(make_tensors(x, y, options, features, &y_shape, DTYPE_I64, err));
  Maker maker = maker_of(options);
  for (int64_t row = 0; row < options->rows; row++) {
    Place place = place_of(row, options->rows, options->classes);
    ((int64_t *)y->data)[row] = place.label;
    for (int64_t i = 0; i < features; i++) {
      double centre = uniform(&maker, STREAM_CENTRE, place.label * features + i) * 2 - 1;
      double cloud = normal(&maker, STREAM_X, row * features + i);
      tensor_set(x, row * features + i, centre * options->shape + cloud * options->noise);
    }
  }
  return NN_OK;
}

Status generate_regression(Tensor *x, Tensor *y, const Generate *options, Err *err) {
  *x = *y = (Tensor){0};
  TRY(check(options, 1, options->features, err));
  Shape y_shape = shape_make(2, (int64_t[]){options->rows, 1});
  int64_t features = options->features;
  TRY(make_tensors(x, y, options, features, &y_shape, options->dtype, err));
  Maker maker = maker_of(options);
  for (int64_t row = 0; row < options->rows; row++) {
    double sum = 0;
    for (int64_t i = 0; i < features; i++) {
      double value = normal(&maker, STREAM_X, row * features + i);
      tensor_set(x, row * features + i, value);
      sum += value * options->shape * normal(&maker, STREAM_WEIGHT, i);
    }
    tensor_set(y, row, sum + options->noise * normal(&maker, STREAM_NOISE, row));
  }
  return NN_OK;
}
