#include "base/isa.h"

Isa isa_best(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return ISA_avx2;
#endif
  return ISA_base;
}

const char *isa_name(Isa isa) {
  static const char *const names[] = {
#define X(name, words) [ISA_##name] = #name,
      ISA_LIST(X)
#undef X
  };
  return (unsigned)isa < ISA_COUNT ? names[isa] : "unknown";
}
