/* For files in a `kernel` folder: they are compiled once per element type and instruction set.
 *
 * The build defines REAL_F32 or REAL_F64, and ISA (a name in ISA_LIST). `real` is the element type,
 * K(name) the name of this compilation's copy (name_f32_avx2), and the maths functions below have
 * vector forms in glibc's libmvec, which loops marked `#pragma omp simd` use. Kernels cannot fail
 * and allocate nothing. */
#ifndef NNRUN_BASE_KERNEL_H
#define NNRUN_BASE_KERNEL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_PASTE_(name, type, isa) name##_##type##_##isa
#define KERNEL_PASTE(name, type, isa) KERNEL_PASTE_(name, type, isa)

/* This compilation's Isa value. */
#define KERNEL_CAT_(a, b) a##b
#define KERNEL_CAT(a, b) KERNEL_CAT_(a, b)
#define KERNEL_ISA KERNEL_CAT(ISA_, ISA)

#if defined(REAL_F64)
typedef double real;
#define REAL_DTYPE DTYPE_F64
#define K(name) KERNEL_PASTE(name, f64, ISA)
#define R(function) function
#define REAL_MAX 1.7976931348623157e308
#define REAL_EPSILON 2.220446049250313e-16
#else
typedef float real;
#define REAL_DTYPE DTYPE_F32
#define K(name) KERNEL_PASTE(name, f32, ISA)
#define R(function) function##f
#define REAL_MAX 3.402823466e38F
#define REAL_EPSILON 1.1920929e-7F
#endif

/* Every copy of a kernel table is declared by this: one name per type and instruction set. */
#define KERNEL_COPIES(X, name) X(name, f32, base) X(name, f64, base) KERNEL_COPIES_WIDE(X, name)
#if defined(__x86_64__)
#define KERNEL_COPIES_WIDE(X, name) X(name, f32, avx2) X(name, f64, avx2)
#else
#define KERNEL_COPIES_WIDE(X, name)
#endif

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
/* glibc declares these only under -ffast-math; the vector forms exist regardless (glibc 2.35). */
#define KERNEL_SIMD __attribute__((simd("notinbranch")))
KERNEL_SIMD float expf(float);
KERNEL_SIMD double exp(double);
KERNEL_SIMD float logf(float);
KERNEL_SIMD double log(double);
KERNEL_SIMD float log1pf(float);
KERNEL_SIMD double log1p(double);
KERNEL_SIMD float expm1f(float);
KERNEL_SIMD double expm1(double);
KERNEL_SIMD float tanhf(float);
KERNEL_SIMD double tanh(double);
KERNEL_SIMD float powf(float, float);
KERNEL_SIMD double pow(double, double);
KERNEL_SIMD float erff(float);
KERNEL_SIMD double erf(double);
KERNEL_SIMD float sinf(float);
KERNEL_SIMD double sin(double);
KERNEL_SIMD float cosf(float);
KERNEL_SIMD double cos(double);
#endif

#endif
