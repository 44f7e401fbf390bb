/* Hashes for names, contents and checks; none is for secrets. */
#ifndef NNRUN_BASE_HASH_H
#define NNRUN_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SHA-256 (FIPS 180-4), for contents that are recorded: scripts, data, weights. */
typedef struct Sha256 {
  uint32_t state[8];
  uint64_t length;
  unsigned char block[64]; /* of the bytes, those that do not fill a block yet */
  bool fast;               /* the processor has SHA instructions; clear it to do without */
} Sha256;

enum { SHA256_HEX_SIZE = 65 };

void sha256_begin(Sha256 *sha);
void sha256_add(Sha256 *sha, const void *bytes, size_t length);
/* Finish and write 64 lowercase hex digits and a NUL. */
void sha256_end(Sha256 *sha, char hex[SHA256_HEX_SIZE]);

/* 64-bit FNV-1a over bytes, continued from `hash`; start with HASH64_START. For tables. */
#define HASH64_START UINT64_C(0xcbf29ce484222325)
uint64_t hash64(uint64_t hash, const void *bytes, size_t length);
/* Mix a 64-bit integer well (the finaliser of MurmurHash3); a bijection. */
uint64_t hash_mix(uint64_t value);

#endif
