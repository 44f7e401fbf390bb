/* Saving what can be read of a damaged run store into a new one. */
#ifndef NNRUN_STORE_RECOVER_H
#define NNRUN_STORE_RECOVER_H

#include "base/status.h"

#include <stdint.h>

typedef struct StoreRecovery {
  int64_t rows;     /* saved */
  int damaged;      /* tables that could not be read to their end */
  char tables[200]; /* their names, separated by ", " */
} StoreRecovery;

/* Copies every row that can be read, from both ends of each table, to a new store `to`, which must
 * not exist. Fails when the file is no store at all, or its first page is lost. */
Status store_recover(const char *from, const char *to, StoreRecovery *recovery, Err *err);

#endif
