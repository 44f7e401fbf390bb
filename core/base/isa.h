/* Which vector instructions the kernels may use.
 *
 * Kernels are compiled once per row of ISA_LIST; the best one this machine can run is chosen at run
 * time. A level is the name kernels are suffixed with and the words shown to people. */
#ifndef NNRUN_BASE_ISA_H
#define NNRUN_BASE_ISA_H

#if defined(__x86_64__)
#define ISA_LIST(X) X(base, "baseline") X(avx2, "AVX2 and FMA")
#else
#define ISA_LIST(X) X(base, "baseline")
#endif

typedef enum Isa {
#define X(name, words) ISA_##name,
  ISA_LIST(X)
#undef X
      ISA_COUNT
} Isa;

/* The best level this processor supports. */
Isa isa_best(void);
const char *isa_name(Isa isa);

#endif
