/* A damaged SQLite file is read table by table, forwards until an error and then backwards until
 * another: what lies on readable pages before the first and after the last bad one is saved. */
#include "store/recover.h"

#include "store/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The tables of a store, parents first, and the columns that order their rows. */
static const struct {
  const char *name, *key;
} TABLES[] = {
    {"studies", "rowid"},
    {"files", "study, path"},
    {"data", "study, name"},
    {"sessions", "rowid"},
    {"trials", "rowid"},
    {"names", "rowid"},
    {"metrics", "trial, epoch, name"},
    {"outputs", "rowid"},
    {"events", "rowid"},
    {"checkpoints", "rowid"},
};

/* "a, b" in descending order: "a DESC, b DESC". */
static void descending(const char *key, char *text, size_t size) {
  size_t used = 0;
  for (const char *at = key; *at && used + 1 < size;) {
    size_t length = strcspn(at, ",");
    used += (size_t)snprintf(text + used, size - used, "%.*s DESC%s", (int)length, at,
                             at[length] ? "," : "");
    at += length + (at[length] != '\0');
  }
}

/* An INSERT with the columns the old table has. */
static sqlite3_stmt *inserter(sqlite3 *to, const char *table, sqlite3_stmt *rows) {
  sqlite3_str *sql = sqlite3_str_new(to);
  int columns = sqlite3_column_count(rows);
  sqlite3_str_appendf(sql, "INSERT OR IGNORE INTO %s(", table);
  for (int i = 0; i < columns; i++)
    sqlite3_str_appendf(sql, "%s\"%w\"", i ? "," : "", sqlite3_column_name(rows, i));
  sqlite3_str_appendall(sql, ") VALUES(");
  for (int i = 0; i < columns; i++) sqlite3_str_appendall(sql, i ? ",?" : "?");
  sqlite3_str_appendall(sql, ")");
  char *text = sqlite3_str_finish(sql);
  sqlite3_stmt *insert = NULL;
  if (text) sqlite3_prepare_v2(to, text, -1, &insert, NULL);
  sqlite3_free(text);
  return insert;
}

/* Copy rows in one direction until they end or an error; returns whether they ended. */
static bool copy_rows(sqlite3 *from, sqlite3 *to, const char *table, const char *order,
                      int64_t *saved) {
  char sql[256];
  snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY %s", table, order);
  sqlite3_stmt *rows = NULL;
  if (sqlite3_prepare_v2(from, sql, -1, &rows, NULL) != SQLITE_OK) return false;
  sqlite3_stmt *insert = inserter(to, table, rows);
  int code = insert ? SQLITE_ROW : SQLITE_ERROR;
  while (insert && (code = sqlite3_step(rows)) == SQLITE_ROW) {
    for (int i = 0; i < sqlite3_column_count(rows); i++)
      sqlite3_bind_value(insert, i + 1, sqlite3_column_value(rows, i));
    sqlite3_step(insert);
    *saved += sqlite3_changes(to);
    sqlite3_reset(insert);
  }
  sqlite3_finalize(insert);
  sqlite3_finalize(rows);
  return code == SQLITE_DONE;
}

static bool has_table(sqlite3 *db, const char *table) {
  sqlite3_stmt *statement = NULL;
  char sql[128];
  snprintf(sql, sizeof sql, "SELECT 1 FROM %s LIMIT 0", table);
  bool there = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK;
  sqlite3_finalize(statement);
  return there;
}

static bool copy_tables(sqlite3 *from, sqlite3 *to, StoreRecovery *recovery) {
  char backwards[64];
  sqlite3_exec(to, "BEGIN", NULL, NULL, NULL);
  for (size_t i = 0; i < sizeof TABLES / sizeof *TABLES; i++) {
    if (!has_table(from, TABLES[i].name)) continue; /* an older schema */
    if (copy_rows(from, to, TABLES[i].name, TABLES[i].key, &recovery->rows)) continue;
    descending(TABLES[i].key, backwards, sizeof backwards);
    copy_rows(from, to, TABLES[i].name, backwards, &recovery->rows);
    size_t used = strlen(recovery->tables);
    snprintf(recovery->tables + used, sizeof recovery->tables - used, "%s%s", used ? ", " : "",
             TABLES[i].name);
    recovery->damaged++;
  }
  /* Metrics whose names are lost can still be told apart, and trials without their study shown. */
  sqlite3_exec(to,
               "INSERT OR IGNORE INTO names(id, name) SELECT DISTINCT name, 'lost_' || name"
               " FROM metrics WHERE name NOT IN (SELECT id FROM names);"
               "INSERT OR IGNORE INTO studies(id, name, version, fingerprint, objective, space,"
               " sampler, settings, seed, seeds, threads, created)"
               " SELECT DISTINCT study, 'lost', study, '', 'max value', '{}', '?',"
               " '{\"objective\":\"max value best\"}', 0, max(repeat), 1, min(started) FROM trials"
               " WHERE study NOT IN (SELECT id FROM studies) GROUP BY study",
               NULL, NULL, NULL);
  return sqlite3_exec(to, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

Status store_recover(const char *from, const char *to, StoreRecovery *recovery, Err *err) {
  *recovery = (StoreRecovery){0};
  if (access(from, R_OK) != 0)
    return err_set(err, NN_NOT_FOUND, "cannot read run store '%s': %s", from, strerror(errno));
  if (access(to, F_OK) == 0)
    return err_set(err, NN_BAD_ARGUMENT, "'%s' exists already; name a new file", to);
  sqlite3 *old = NULL, *new = NULL;
  int code = sqlite3_open_v2(from, &old, SQLITE_OPEN_READONLY, NULL);
  if (code == SQLITE_OK) code = has_table(old, "studies") ? SQLITE_OK : SQLITE_NOTADB;
  if (code != SQLITE_OK) {
    int why = sqlite3_errcode(old);
    sqlite3_close(old);
    if (why == SQLITE_CANTOPEN || why == SQLITE_READONLY)
      return err_set(err, NN_STORE,
                     "cannot read '%s' where nothing can be written; copy it to another folder",
                     from);
    return err_set(err, NN_FORMAT,
                   "nothing can be saved of '%s': it is no run store, or its first page is lost",
                   from);
  }
  Store *store = NULL; /* makes the tables */
  Status status = store_open(&store, to, STORE_WRITE, err);
  if (status == NN_OK) status = store_close(store, err);
  if (status == NN_OK && sqlite3_open_v2(to, &new, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
    status = err_set(err, NN_STORE, "cannot write '%s'", to);
  if (status == NN_OK && !copy_tables(old, new, recovery))
    status = err_set(err, NN_STORE, "cannot write all of '%s'; is the disk full?", to);
  sqlite3_close(old);
  sqlite3_close(new);
  if (status != NN_OK) unlink(to); /* it was not there before, and may be asked for again */
  return status;
}
