/* The rows of op_cases.def with their golden arrays, for tests of ops. Include after test.h. */
#ifndef NNRUN_TESTS_OP_CASE_H
#define NNRUN_TESTS_OP_CASE_H

#include "data/npz.h"
#include "op/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct OpCase {
  OpId op;
  const char *label, *attrs, *checks;
} OpCase;

static const OpCase op_cases[] = {
#define CASE(op, label, inputs, attrs, checks) {OP_##op, label, attrs, checks},
#include "op_cases.def"
#undef CASE
};
enum { OP_CASES = sizeof op_cases / sizeof *op_cases };

/* The random address of the golden dropout. */
static const OpRun golden_run = {.seed = 7, .step = 3};

/* A case's arrays; absent ones have data NULL. Inputs are as stored: float32 or int64. */
typedef struct OpGolden {
  ArrayList list;
  int inputs;
  Tensor in[OP_MAX_INPUTS], grad[OP_MAX_INPUTS], out, g;
} OpGolden;

static inline void must(Status status, const Err *err) {
  if (status != NN_OK) fail_msg("%s", err->message);
}

static inline Tensor golden_array(const OpGolden *golden, const OpCase *c, const char *name,
                                  int i) {
  char text[64], suffix[16] = "";
  if (i >= 0) snprintf(suffix, sizeof suffix, "%d", i);
  snprintf(text, sizeof text, "%s.%s%s", c->label, name, suffix);
  for (size_t k = 0; k < golden->list.count; k++)
    if (strcmp(golden->list.items[k].name, text) == 0) return golden->list.items[k].tensor;
  return (Tensor){0};
}

static inline OpGolden golden_read(const OpCase *c) {
  OpGolden golden = {0};
  Err err;
  char path[128];
  snprintf(path, sizeof path, "tests/golden/ops/%s.npz", op_info(c->op)->name);
  must(npz_read(&golden.list, path, &err), &err);
  for (int i = 0; i < OP_MAX_INPUTS; i++) {
    golden.in[i] = golden_array(&golden, c, "in", i);
    golden.grad[i] = golden_array(&golden, c, "grad", i);
    if (golden.in[i].data) golden.inputs = i + 1;
  }
  golden.out = golden_array(&golden, c, "out", -1);
  golden.g = golden_array(&golden, c, "g", -1);
  if (!golden.out.data) fail_msg("%s has no %s: run make_ops.py", path, c->label);
  return golden;
}

/* "axis=1 shape=2,-1" as attributes of the op. */
static inline Attrs case_attrs(const OpCase *c) {
  Attrs attrs;
  op_attr_defaults(c->op, &attrs);
  for (const char *text = c->attrs; *text;) {
    AttrSpec spec;
    int index = 0;
    size_t length = strcspn(text, "=");
    while (op_attr_spec(c->op, index, &spec) &&
           (strlen(spec.name) != length || memcmp(spec.name, text, length) != 0))
      index++;
    if (index == OP_MAX_ATTRS || !op_attr_spec(c->op, index, &spec))
      fail_msg("%s has no attribute as in '%s'", op_info(c->op)->name, text);
    text += length + 1;
    Attr *attr = &attrs.at[index];
    if (spec.type == ATTR_INTS || spec.type == ATTR_AXES) {
      for (attr->count = 0; *text && *text != ' '; text += *text == ',')
        attr->list[attr->count++] = strtol(text, (char **)&text, 10);
    } else {
      attr->number = strtod(text, (char **)&text);
    }
    text += strspn(text, " ");
  }
  return attrs;
}

/* Does the case ask for check `kind` ('g' or 'd') of input i? */
static inline bool case_wants(const OpCase *c, char kind, int i) {
  const char *list = strchr(c->checks, kind);
  if (!list) return false;
  for (list++; *list >= '0' && *list <= '9'; list++)
    if (*list - '0' == i) return true;
  return false;
}

static inline bool is_close(double got, double want, double tolerance) {
  if (isnan(got) || isnan(want)) return isnan(got) && isnan(want);
  if (isinf(got) || isinf(want)) return got == want;
  return fabs(got - want) <= tolerance * fmax(1, fabs(want));
}

/* Relative to the larger of 1 and the value; PyTorch's own float32 is no better. */
static inline double tolerance_of(DType dtype) { return dtype == DTYPE_F32 ? 1e-5 : 1e-12; }

static inline double element(DType dtype, const void *data, int64_t i) {
  if (dtype == DTYPE_I64) return (double)((const int64_t *)data)[i];
  return dtype == DTYPE_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

static inline void assert_values(const OpCase *c, const char *what, DType dtype, const void *got,
                                 const Shape *shape, const Tensor *want) {
  char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];
  if (!shape_equal(shape, &want->shape))
    fail_msg("%s %s: %s has shape %s, not %s", op_info(c->op)->name, c->label, what,
             shape_text(shape, a), shape_text(&want->shape, b));
  for (int64_t i = 0; i < tensor_count(want); i++)
    if (!is_close(element(dtype, got, i), tensor_get(want, i), tolerance_of(dtype)))
      fail_msg("%s %s: %s[%lld] is %.17g, not %.17g (%s)", op_info(c->op)->name, c->label, what,
               (long long)i, element(dtype, got, i), tensor_get(want, i), dtype_name(dtype));
}

/* Float tensors converted to `dtype`, others as they are. */
static inline Tensor as_dtype(const Tensor *tensor, DType dtype) {
  Tensor out;
  Err err;
  must(tensor_convert(&out, tensor, tensor->dtype == DTYPE_I64 ? DTYPE_I64 : dtype, &err), &err);
  return out;
}

#endif
