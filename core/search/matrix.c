#include "search/matrix.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { MAX_SWEEPS = 60 };

static double dot(const double *a, const double *b, int n) {
  /* Four sums: a single one would wait for itself. */
  double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  int i = 0;
  for (; i + 4 <= n; i += 4) {
    s0 += a[i] * b[i], s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2], s3 += a[i + 3] * b[i + 3];
  }
  for (; i < n; i++) s0 += a[i] * b[i];
  return (s0 + s1) + (s2 + s3);
}

bool matrix_cholesky(double *a, int n) {
  for (int i = 0; i < n; i++) {
    double *row = a + (size_t)i * (size_t)n;
    for (int j = 0; j < i; j++) {
      const double *other = a + (size_t)j * (size_t)n;
      row[j] = (row[j] - dot(row, other, j)) / other[j];
    }
    double rest = row[i] - dot(row, row, i);
    if (!(rest > 0)) return false;
    row[i] = sqrt(rest);
  }
  return true;
}

void matrix_solve_lower(const double *l, int n, double *b) {
  for (int i = 0; i < n; i++) {
    const double *row = l + (size_t)i * (size_t)n;
    b[i] = (b[i] - dot(row, b, i)) / row[i];
  }
}

void matrix_solve_upper(const double *l, int n, double *b) {
  for (int i = n - 1; i >= 0; i--) {
    const double *row = l + (size_t)i * (size_t)n;
    b[i] /= row[i];
    for (int j = 0; j < i; j++) b[j] -= row[j] * b[i];
  }
}

void matrix_invert_lower(const double *l, int n, double *inverse) {
  memset(inverse, 0, (size_t)n * (size_t)n * sizeof *inverse);
  for (int i = 0; i < n; i++) {
    const double *row = l + (size_t)i * (size_t)n;
    double *out = inverse + (size_t)i * (size_t)n;
    for (int k = 0; k < i; k++) {
      const double *above = inverse + (size_t)k * (size_t)n;
      for (int j = 0; j <= k; j++) out[j] -= row[k] * above[j];
    }
    for (int j = 0; j < i; j++) out[j] /= row[i];
    out[i] = 1 / row[i];
  }
}

/* Columns p and q of a (n, n), turned by an angle of cosine c and sine s. */
static void rotate_columns(double *a, int n, int p, int q, double c, double s) {
  for (int k = 0; k < n; k++) {
    double *row = a + (size_t)k * (size_t)n;
    double x = row[p], y = row[q];
    row[p] = c * x - s * y;
    row[q] = s * x + c * y;
  }
}

/* Rotate rows and columns p, q so that a[p][q] becomes 0. */
static void rotate(double *a, double *vectors, int n, int p, int q) {
  size_t width = (size_t)n;
  double off = a[(size_t)p * width + (size_t)q];
  double theta = (a[(size_t)q * width + (size_t)q] - a[(size_t)p * width + (size_t)p]) / (2 * off);
  double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
  double c = 1 / sqrt(t * t + 1), s = t * c;
  rotate_columns(a, n, p, q, c, s);
  double *first = a + (size_t)p * width, *second = a + (size_t)q * width;
  for (int k = 0; k < n; k++) {
    double x = first[k], y = second[k];
    first[k] = c * x - s * y;
    second[k] = s * x + c * y;
  }
  rotate_columns(vectors, n, p, q, c, s);
}

void matrix_eigen(double *a, int n, double *vectors, double *values) {
  size_t width = (size_t)n;
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) vectors[(size_t)i * width + (size_t)j] = i == j;
  }
  for (int sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    double off = 0, diagonal = 0;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        double square = a[(size_t)i * width + (size_t)j] * a[(size_t)i * width + (size_t)j];
        *(i == j ? &diagonal : &off) += square;
      }
    }
    if (off <= 1e-28 * diagonal) break;
    for (int p = 0; p < n; p++) {
      for (int q = p + 1; q < n; q++) {
        if (a[(size_t)p * width + (size_t)q] != 0) rotate(a, vectors, n, p, q);
      }
    }
  }
  for (int i = 0; i < n; i++) values[i] = a[(size_t)i * width + (size_t)i];
}
