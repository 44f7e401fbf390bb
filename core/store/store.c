/* The run store on SQLite: see store.h. Write-ahead log, so that readers never wait for the writer;
 * prepared statements are kept for the life of the store. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  APPLICATION_ID = 0x6e6e7275, /* "nnru", in the file's header */
  BUSY_MS = 10000,             /* a reader that checkpoints may hold the lock for a moment */
  PATH_SIZE = 4096
};

struct Store {
  sqlite3 *db;
  sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
  int lock; /* held by the one writer; -1 */
  bool writing;
  char path[PATH_SIZE];
};

static const char *const STATEMENT_NAMES[] = {
#define STATEMENT(name, sql) #name,
#include "store/statements.def"
#undef STATEMENT
};

static const char *const STATEMENT_SQL[] = {
#define STATEMENT(name, sql) sql,
#include "store/statements.def"
#undef STATEMENT
};

static const struct {
  int number;
  const char *sql;
} MIGRATIONS[] = {
#define MIGRATION(number, sql) {number, sql},
#include "store/schema.def"
#undef MIGRATION
};
enum { SCHEMA_VERSION = sizeof MIGRATIONS / sizeof *MIGRATIONS };

/* ---- messages ---- */

static Status store_fail(const Store *store, int code, const char *doing, Err *err) {
  const char *path = store->path;
  switch (code & 0xff) {
  case SQLITE_FULL:
    return err_set(err, NN_STORE,
                   "run store '%s': the disk is full while %s; free some space and "
                   "run the same command again, what is recorded is kept",
                   path, doing);
  case SQLITE_IOERR:
    return err_set(err, NN_STORE,
                   "run store '%s': the system failed while %s (%s); what is recorded is kept, run "
                   "the same command again when that is solved",
                   path, doing,
                   sqlite3_system_errno(store->db) ? strerror(sqlite3_system_errno(store->db))
                                                   : sqlite3_errmsg(store->db));
  case SQLITE_READONLY:
    return err_set(err, NN_STORE,
                   "run store '%s' cannot be written: the file or its folder is "
                   "read-only; change that, or choose another with --store FILE",
                   path);
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return err_set(err, NN_STORE, "run store '%s' is locked by another program (waited %d s)", path,
                   BUSY_MS / 1000);
  case SQLITE_NOTADB:
    return err_set(err, NN_FORMAT, "'%s' is not a run store: it is no SQLite file", path);
  case SQLITE_CORRUPT:
    return err_set(
        err, NN_FORMAT,
        "run store '%s' is damaged (%s while %s); 'nnrun doctor FILE' saves what can be read", path,
        sqlite3_errmsg(store->db), doing);
  case SQLITE_NOMEM: return err_set(err, NN_NO_MEMORY, "run store '%s': out of memory", path);
  case SQLITE_CANTOPEN:
    return err_set(
        err, NN_STORE,
        "cannot open run store '%s': %s; check the folder, or choose "
        "another with --store FILE",
        path, strerror(sqlite3_system_errno(store->db) ? sqlite3_system_errno(store->db) : ENOENT));
  default:
    return err_set(err, NN_STORE, "run store '%s': %s while %s", path,
                   store->db ? sqlite3_errmsg(store->db) : "no memory", doing);
  }
}

static Status run_sql(Store *store, const char *sql, const char *doing, Err *err) {
  int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
  return code == SQLITE_OK ? NN_OK : store_fail(store, code, doing, err);
}

/* The integer a pragma answers. */
static Status read_pragma(Store *store, const char *sql, int *value, Err *err) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  if (code == SQLITE_ROW) *value = sqlite3_column_int(statement, 0);
  sqlite3_finalize(statement);
  return code == SQLITE_ROW ? NN_OK : store_fail(store, code, "reading its header", err);
}

/* ---- opening ---- */

static Status make_folders(const char *path, Err *err) {
  char folder[PATH_SIZE];
  snprintf(folder, sizeof folder, "%s", path);
  for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
      return err_set(err, NN_STORE,
                     "cannot make folder '%s' for run store '%s': %s; choose "
                     "another with --store FILE",
                     folder, path, strerror(errno));
    *slash = '/';
  }
  return NN_OK;
}

/* One writer at a time: an flock(2) on the file itself, which SQLite does not use. It is held until
 * after the database is closed and ends with the process, however that ends. */
static Status take_lock(Store *store, Err *err) {
  store->lock = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (store->lock < 0)
    return err_set(err, NN_STORE,
                   "cannot write run store '%s': %s; choose another with "
                   "--store FILE",
                   store->path, strerror(errno));
  if (flock(store->lock, LOCK_EX | LOCK_NB) == 0) return NN_OK;
  if (errno != EWOULDBLOCK) return NN_OK; /* a file system without locks: SQLite's own remain */
  return err_set(err, NN_STORE,
                 "run store '%s' is being written by another sweep; wait for it, or "
                 "choose another with --store FILE",
                 store->path);
}

static Status check_owner(Store *store, int *version, Err *err) {
  int application = 0, tables = 0;
  TRY(read_pragma(store, "PRAGMA application_id", &application, err));
  TRY(read_pragma(store, "PRAGMA user_version", version, err));
  TRY(read_pragma(store, "SELECT count(*) FROM sqlite_master", &tables, err));
  if (application != APPLICATION_ID && (tables > 0 || *version > 0))
    return err_set(err, NN_FORMAT, "'%s' is an SQLite file of another program, not a run store",
                   store->path);
  if (*version > SCHEMA_VERSION)
    return err_set(err, NN_UNSUPPORTED,
                   "run store '%s' was written by a newer nnrun (its schema "
                   "is %d, this program knows %d); update nnrun",
                   store->path, *version, SCHEMA_VERSION);
  return NN_OK;
}

static Status migrate(Store *store, int version, Err *err) {
  char sql[96];
  TRY(store_begin(store, err));
  for (int i = version; i < SCHEMA_VERSION; i++)
    TRY(run_sql(store, MIGRATIONS[i].sql, "making its tables", err));
  snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID,
           SCHEMA_VERSION);
  TRY(run_sql(store, sql, "making its tables", err));
  return store_commit(store, err);
}

static Status open_to_write(Store *store, Err *err) {
  bool memory = strcmp(store->path, ":memory:") == 0;
  if (!memory) {
    TRY(make_folders(store->path, err));
    TRY(take_lock(store, err));
  }
  int code =
      sqlite3_open_v2(store->path, &store->db,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
  if (code != SQLITE_OK) return store_fail(store, code, "opening it", err);
  sqlite3_busy_timeout(store->db, BUSY_MS);
  int version = 0;
  TRY(check_owner(store, &version, err));
  /* NORMAL: no commit waits for the disk; a power cut may undo the last ones, a crash never. */
  TRY(run_sql(store, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL", "opening it", err));
  /* Also when nothing is to be done: this is where a store that cannot be written is found out. */
  return migrate(store, version, err);
}

/* Where neither file nor folder can be written SQLite cannot share the log with a writer; without a
 * log there is none, and the file may be read as it lies. */
static int open_as_it_lies(Store *store) {
  char log[PATH_SIZE + 8], uri[3 * PATH_SIZE + 32] = "file:";
  snprintf(log, sizeof log, "%s-wal", store->path);
  if (access(log, F_OK) == 0) return SQLITE_CANTOPEN;
  size_t used = strlen(uri);
  for (const char *at = store->path; *at; at++) {
    bool plain = !strchr("?#%", *at);
    used += (size_t)snprintf(uri + used, sizeof uri - used, plain ? "%c" : "%%%02x", *at);
  }
  snprintf(uri + used, sizeof uri - used, "?immutable=1");
  sqlite3_close(store->db);
  store->db = NULL;
  return sqlite3_open_v2(uri, &store->db,
                         SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
}

/* Reading changes no file: a store of an older schema is read as a copy in memory, with the tables
 * of now. */
static Status read_copy(Store *store, int version, Err *err) {
  sqlite3 *copy = NULL;
  int code = sqlite3_open_v2(":memory:", &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
  sqlite3_backup *backup =
      code == SQLITE_OK ? sqlite3_backup_init(copy, "main", store->db, "main") : NULL;
  if (backup) code = sqlite3_backup_step(backup, -1);
  sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) {
    sqlite3_close(copy);
    return store_fail(store, code == SQLITE_OK ? SQLITE_NOMEM : code, "reading it", err);
  }
  sqlite3_close(store->db);
  store->db = copy;
  return migrate(store, version, err);
}

static Status open_to_read(Store *store, Err *err) {
  if (access(store->path, R_OK) != 0)
    return err_set(err, NN_NOT_FOUND, "cannot read run store '%s': %s", store->path,
                   strerror(errno));
  /* Not read-only where it can be helped: only a connection that may write clears the log away. */
  int code =
      sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
  /* the first question may meet a writer that is just closing */
  if (code == SQLITE_OK) {
    sqlite3_busy_timeout(store->db, BUSY_MS);
    code = sqlite3_exec(store->db, "PRAGMA query_only=1; PRAGMA user_version", NULL, NULL, NULL);
  }
  if (code == SQLITE_CANTOPEN || code == SQLITE_READONLY) code = open_as_it_lies(store);
  if (code != SQLITE_OK) return store_fail(store, code, "opening it", err);
  sqlite3_busy_timeout(store->db, BUSY_MS);
  int version = 0;
  TRY(check_owner(store, &version, err));
  if (version == 0) return err_set(err, NN_FORMAT, "'%s' is empty, no run store yet", store->path);
  return version < SCHEMA_VERSION ? read_copy(store, version, err) : NN_OK;
}

void store_discard(Store *store) {
  if (!store) return;
  for (int i = 0; i < STORE_STATEMENT_COUNT; i++) sqlite3_finalize(store->statements[i]);
  sqlite3_close(store->db);
  if (store->lock >= 0) close(store->lock);
  free(store);
}

Status store_open(Store **out, const char *path, StoreMode mode, Err *err) {
  *out = NULL;
  struct stat about;
  if (strlen(path) >= PATH_SIZE)
    return err_set(err, NN_BAD_ARGUMENT, "the path of the run store is too long");
  if (stat(path, &about) == 0 && S_ISDIR(about.st_mode))
    return err_set(err, NN_BAD_ARGUMENT, "'%s' is a folder, not a run store; name a file in it",
                   path);
  Store *store = calloc(1, sizeof *store);
  if (!store) return err_set(err, NN_NO_MEMORY, "no memory for the run store");
  store->lock = -1;
  strcpy(store->path, path);
  Status status = mode == STORE_WRITE ? open_to_write(store, err) : open_to_read(store, err);
  if (status == NN_OK)
    *out = store;
  else
    store_discard(store);
  return status;
}

const char *store_path(const Store *store) { return store->path; }

Status store_close(Store *store, Err *err) {
  if (!store) return NN_OK;
  Status status = store_commit(store, err);
  store_discard(store);
  return status;
}

/* ---- transactions ---- */

Status store_begin(Store *store, Err *err) {
  if (store->writing) return NN_OK;
  TRY(run_sql(store, "BEGIN IMMEDIATE", "starting to write", err));
  store->writing = true;
  return NN_OK;
}

Status store_commit(Store *store, Err *err) {
  if (!store->writing) return NN_OK;
  TRY(run_sql(store, "COMMIT", "writing results", err));
  store->writing = false;
  return NN_OK;
}

/* ---- statements ---- */

StoreStatement store_find(const char *name) {
  for (int i = 0; i < STORE_STATEMENT_COUNT; i++)
    if (strcmp(STATEMENT_NAMES[i], name) == 0) return (StoreStatement)i;
  return STORE_STATEMENT_COUNT;
}

const char *store_statement_name(StoreStatement which) { return STATEMENT_NAMES[which]; }

static int bind(sqlite3_stmt *statement, int place, const StoreValue *value) {
  switch (value->type) {
  case STORE_INTEGER: return sqlite3_bind_int64(statement, place, value->integer);
  case STORE_REAL: return sqlite3_bind_double(statement, place, value->real);
  case STORE_TEXT:
    return sqlite3_bind_text64(statement, place, value->text, value->length, SQLITE_TRANSIENT,
                               SQLITE_UTF8);
  default: return sqlite3_bind_null(statement, place);
  }
}

Status store_query(Store *store, StoreStatement which, const StoreValue *values, int count,
                   Err *err) {
  const char *name = STATEMENT_NAMES[which];
  sqlite3_stmt *statement = store->statements[which];
  if (!statement) {
    int code = sqlite3_prepare_v3(store->db, STATEMENT_SQL[which], -1, SQLITE_PREPARE_PERSISTENT,
                                  &statement, NULL);
    if (code != SQLITE_OK) return store_fail(store, code, name, err);
    store->statements[which] = statement;
  }
  if (sqlite3_stmt_busy(statement))
    return err_set(err, NN_STORE, "store statement %s is still giving rows", name);
  if (sqlite3_bind_parameter_count(statement) != count)
    return err_set(err, NN_BAD_ARGUMENT, "store statement %s takes %d values, not %d", name,
                   sqlite3_bind_parameter_count(statement), count);
  for (int i = 0; i < count; i++) {
    int code = bind(statement, i + 1, &values[i]);
    if (code != SQLITE_OK) return store_fail(store, code, name, err);
  }
  return NN_OK;
}

Status store_row(Store *store, StoreStatement which, bool *found, Err *err) {
  sqlite3_stmt *statement = store->statements[which];
  int code = sqlite3_step(statement);
  *found = code == SQLITE_ROW;
  if (*found) return NN_OK;
  Status status =
      code == SQLITE_DONE ? NN_OK : store_fail(store, code, STATEMENT_NAMES[which], err);
  sqlite3_reset(statement);
  return status;
}

void store_stop(Store *store, StoreStatement which) {
  if (store->statements[which]) sqlite3_reset(store->statements[which]);
}

Status store_do(Store *store, StoreStatement which, const StoreValue *values, int count,
                int64_t *id, Err *err) {
  TRY(store_query(store, which, values, count, err));
  bool found = true;
  while (found) TRY(store_row(store, which, &found, err));
  if (id) *id = sqlite3_last_insert_rowid(store->db);
  return NN_OK;
}

int store_columns(const Store *store, StoreStatement which) {
  return sqlite3_column_count(store->statements[which]);
}

const char *store_column_name(const Store *store, StoreStatement which, int column) {
  return sqlite3_column_name(store->statements[which], column);
}

StoreValue store_column(const Store *store, StoreStatement which, int column) {
  sqlite3_stmt *statement = store->statements[which];
  StoreValue value = {0};
  switch (sqlite3_column_type(statement, column)) {
  case SQLITE_INTEGER:
    value.type = STORE_INTEGER;
    value.integer = sqlite3_column_int64(statement, column);
    break;
  case SQLITE_FLOAT:
    value.type = STORE_REAL;
    value.real = sqlite3_column_double(statement, column);
    break;
  case SQLITE_TEXT:
  case SQLITE_BLOB:
    value.type = STORE_TEXT;
    value.text = (const char *)sqlite3_column_blob(statement, column);
    if (!value.text) value.text = ""; /* no bytes */
    value.length = (size_t)sqlite3_column_bytes(statement, column);
    break;
  default: break;
  }
  return value;
}
