/* The run store: studies, trials, metrics and events in one file, through named statements.
 *
 * store_open() creates or upgrades the file; statements.def lists what can be asked. A statement is
 * started by store_query() and read row by row with store_row(); store_do() runs one without rows.
 * Writes are grouped by store_begin() and store_commit(): a crash loses at most what was not
 * committed, and never damages what was. One program at a time may write; any number may read.
 * A store must not be carried over a fork(). */
#ifndef NNRUN_STORE_STORE_H
#define NNRUN_STORE_STORE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Store Store;

typedef enum StoreMode { STORE_READ, STORE_WRITE } StoreMode;

typedef enum StoreStatement {
#define STATEMENT(name, sql) STORE_##name,
#include "store/statements.def"
#undef STATEMENT
  STORE_STATEMENT_COUNT
} StoreStatement;

typedef enum StoreType { STORE_NULL, STORE_INTEGER, STORE_REAL, STORE_TEXT } StoreType;

typedef struct StoreValue {
  StoreType type;
  int64_t integer;
  double real;      /* NaN becomes NULL */
  const char *text; /* of a row: valid until the next store_row() of that statement */
  size_t length;
} StoreValue;

/* STORE_WRITE creates the file and its folders when missing, and refuses a store another program is
 * writing. ":memory:" is a store without a file. */
Status store_open(Store **out, const char *path, StoreMode mode, Err *err);
const char *store_path(const Store *store);
/* Commits what is open. NULL is allowed. */
Status store_close(Store *store, Err *err);
/* The same, but of an open transaction nothing is written. */
void store_discard(Store *store);

/* Begin is for writers and may be repeated; commit without begin does nothing. */
Status store_begin(Store *store, Err *err);
Status store_commit(Store *store, Err *err);

/* The statement of that name, or STORE_STATEMENT_COUNT. */
StoreStatement store_find(const char *name);
const char *store_statement_name(StoreStatement which);
/* Run a statement to its end; *id (may be NULL) is the row it inserted. */
Status store_do(Store *store, StoreStatement which, const StoreValue *values, int count,
                int64_t *id, Err *err);
/* Start a statement; the same one must not still be giving rows. */
Status store_query(Store *store, StoreStatement which, const StoreValue *values, int count,
                   Err *err);
/* The next row; *found is false after the last, and the statement is then free again. */
Status store_row(Store *store, StoreStatement which, bool *found, Err *err);
/* Stop reading rows early. */
void store_stop(Store *store, StoreStatement which);
int store_columns(const Store *store, StoreStatement which);
const char *store_column_name(const Store *store, StoreStatement which, int column);
StoreValue store_column(const Store *store, StoreStatement which, int column);

#endif
