/* The run store: what goes in comes out to the bit, one writer at a time, and clear words when a
 * file cannot be used. */
#include "test.h"

#include "store/store.h"

#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static char *path_of(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static int make_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/nnrun-store-XXXXXX");
  return mkdtemp(folder) && chmod(folder, 0755) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  char command[256];
  snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", folder, folder);
  return system(command);
}

static Store *open_store(const char *name, StoreMode mode) {
  Store *store;
  Err err = {0};
  if (store_open(&store, path_of(name), mode, &err) != NN_OK) fail_msg("%s", err.message);
  return store;
}

static StoreValue integer(int64_t value) {
  return (StoreValue){.type = STORE_INTEGER, .integer = value};
}

static StoreValue real(double value) { return (StoreValue){.type = STORE_REAL, .real = value}; }

static StoreValue text(const char *value) {
  return (StoreValue){.type = STORE_TEXT, .text = value, .length = strlen(value)};
}

static void add_metric(Store *store, int64_t trial, int64_t epoch, double value) {
  StoreValue values[] = {integer(trial), integer(epoch), integer(1), real(value)};
  Err err;
  if (store_do(store, STORE_metric_add, values, 4, NULL, &err) != NN_OK)
    fail_msg("%s", err.message);
}

static int64_t count_metrics(Store *store, int64_t trial) {
  StoreValue which = integer(trial);
  int64_t count = 0;
  bool found = true;
  assert_int_equal(store_query(store, STORE_metric_of_trial, &which, 1, NULL), NN_OK);
  while (store_row(store, STORE_metric_of_trial, &found, NULL) == NN_OK && found) count++;
  return count;
}

static void doubles_come_back_to_the_bit(void **state) {
  (void)state;
  static const double values[] = {
      0.1,      -0.0,      1e-308,  4.9e-324,          1.7976931348623157e308,
      INFINITY, -INFINITY, 1.0 / 3, 9007199254740993.0};
  enum { COUNT = sizeof values / sizeof *values };
  Store *store = open_store("bits.db", STORE_WRITE);
  for (int i = 0; i < COUNT; i++) add_metric(store, 1, i, values[i]);
  add_metric(store, 1, COUNT, NAN);
  StoreValue trial = integer(1);
  assert_int_equal(store_query(store, STORE_metric_of_trial, &trial, 1, NULL), NN_OK);
  bool found;
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(store_row(store, STORE_metric_of_trial, &found, NULL), NN_OK);
    assert_true(found);
    StoreValue value = store_column(store, STORE_metric_of_trial, 2);
    assert_int_equal(value.type, STORE_REAL);
    assert_memory_equal(&value.real, &values[i], sizeof value.real);
  }
  assert_int_equal(store_row(store, STORE_metric_of_trial, &found, NULL), NN_OK);
  assert_int_equal(store_column(store, STORE_metric_of_trial, 2).type, STORE_NULL);
  assert_int_equal(store_row(store, STORE_metric_of_trial, &found, NULL), NN_OK);
  assert_false(found);
  assert_int_equal(store_close(store, NULL), NN_OK);
}

static void texts_and_integers_come_back(void **state) {
  (void)state;
  Store *store = open_store("texts.db", STORE_WRITE);
  StoreValue values[] = {integer(1),
                         integer(INT64_MIN),
                         real(1.5),
                         text("it's; -- \"x\""),
                         {.type = STORE_TEXT, .text = "a\0b", .length = 3}};
  int64_t id = 0;
  assert_int_equal(store_do(store, STORE_event_add, values, 5, &id, NULL), NN_OK);
  assert_int_equal(id, 1);
  bool found;
  StoreValue study = integer(1);
  assert_int_equal(store_query(store, STORE_event_list, &study, 1, NULL), NN_OK);
  assert_int_equal(store_row(store, STORE_event_list, &found, NULL), NN_OK);
  assert_true(found);
  assert_string_equal(store_column_name(store, STORE_event_list, 2), "trial");
  assert_int_equal(store_column(store, STORE_event_list, 2).integer, INT64_MIN);
  assert_string_equal(store_column(store, STORE_event_list, 4).text, "it's; -- \"x\"");
  assert_int_equal(store_column(store, STORE_event_list, 5).length, 3);
  store_stop(store, STORE_event_list);
  assert_int_equal(store_close(store, NULL), NN_OK);
}

static void every_statement_can_be_prepared(void **state) {
  (void)state;
  Store *store = open_store("statements.db", STORE_WRITE);
  StoreValue nothing[32] = {0};
  for (int i = 0; i < STORE_STATEMENT_COUNT; i++) {
    Err err = {0};
    Status status = NN_BAD_ARGUMENT; /* how many values it takes is its own affair */
    for (int count = 0; count < 32 && status == NN_BAD_ARGUMENT; count++)
      status = store_query(store, (StoreStatement)i, nothing, count, &err);
    if (status != NN_OK) fail_msg("%s: %s", store_statement_name((StoreStatement)i), err.message);
    assert_int_equal(store_find(store_statement_name((StoreStatement)i)), i);
  }
  assert_int_equal(store_find("no such"), STORE_STATEMENT_COUNT);
  store_close(store, NULL);
}

static void a_second_writer_is_refused_and_readers_are_not(void **state) {
  (void)state;
  Store *writer = open_store("one.db", STORE_WRITE);
  add_metric(writer, 1, 1, 0.5);
  Store *second;
  Err err;
  assert_int_equal(store_open(&second, path_of("one.db"), STORE_WRITE, &err), NN_STORE);
  assert_null(second);
  assert_non_null(strstr(err.message, "another sweep"));
  Store *reader = open_store("one.db", STORE_READ);
  assert_int_equal(store_begin(writer, NULL), NN_OK);
  add_metric(writer, 1, 2, 0.5);
  assert_int_equal(count_metrics(reader, 1), 1); /* not yet committed */
  assert_int_equal(store_commit(writer, NULL), NN_OK);
  assert_int_equal(count_metrics(reader, 1), 2);
  store_close(reader, NULL);
  store_close(writer, NULL);
  store_close(open_store("one.db", STORE_WRITE), NULL);
}

static void a_killed_writer_loses_only_what_was_not_committed(void **state) {
  (void)state;
  int ready[2];
  assert_int_equal(pipe(ready), 0);
  pid_t pid = fork();
  if (pid == 0) {
    Store *store = open_store("killed.db", STORE_WRITE);
    store_begin(store, NULL);
    for (int i = 0; i < 100; i++) add_metric(store, 1, i, i);
    store_commit(store, NULL);
    store_begin(store, NULL);
    for (int i = 100; i < 5000; i++) add_metric(store, 1, i, i);
    (void)!write(ready[1], "x", 1);
    for (;;) pause();
  }
  char byte;
  assert_int_equal(read(ready[0], &byte, 1), 1);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  close(ready[0]);
  close(ready[1]);
  Store *store = open_store("killed.db", STORE_WRITE);
  assert_int_equal(count_metrics(store, 1), 100);
  store_close(store, NULL);
}

static void expect_failure(const char *path, StoreMode mode, Status wanted, const char *words) {
  Store *store;
  Err err = {0};
  assert_int_equal(store_open(&store, path, mode, &err), wanted);
  assert_null(store);
  if (!strstr(err.message, words)) fail_msg("'%s' is not in: %s", words, err.message);
}

static void files_that_are_no_store_are_refused_and_kept(void **state) {
  (void)state;
  FILE *file = fopen(path_of("letter.txt"), "w");
  for (int i = 0; i < 200; i++) fputs("Dear reader, this is no data base. ", file);
  fclose(file);
  expect_failure(path_of("letter.txt"), STORE_WRITE, NN_FORMAT, "not a run store");
  expect_failure(path_of("letter.txt"), STORE_READ, NN_FORMAT, "not a run store");
  struct stat info;
  assert_int_equal(stat(path_of("letter.txt"), &info), 0);
  assert_int_equal(info.st_size, 7000);

  sqlite3 *db;
  sqlite3_open(path_of("other.db"), &db);
  sqlite3_exec(db, "CREATE TABLE cooks(name); PRAGMA user_version=1", NULL, NULL, NULL);
  sqlite3_close(db);
  expect_failure(path_of("other.db"), STORE_WRITE, NN_FORMAT, "another program");
  expect_failure(path_of("other.db"), STORE_READ, NN_FORMAT, "another program");
  expect_failure(path_of("absent.db"), STORE_READ, NN_NOT_FOUND, "cannot read");
  expect_failure("/proc/no/such.db", STORE_WRITE, NN_STORE, "--store");
  expect_failure(folder, STORE_WRITE, NN_BAD_ARGUMENT, "is a folder");
  expect_failure(folder, STORE_READ, NN_BAD_ARGUMENT, "is a folder");
}

/* The first schema, as it was released. */
static const char *const FIRST =
#define MIGRATION(number, sql) number == 1 ? sql:
#include "store/schema.def"
#undef MIGRATION
    "";

static void a_store_of_the_first_schema_is_read_as_it_is_and_migrated_to_write(void **state) {
  (void)state;
  sqlite3 *db;
  sqlite3_open(path_of("first.db"), &db);
  assert_int_equal(SQLITE_OK, sqlite3_exec(db, FIRST, NULL, NULL, NULL));
  sqlite3_exec(db,
               "INSERT INTO studies(id, name, version, fingerprint, objective, space, sampler,"
               " settings, seed, seeds, threads, created) VALUES(1,'s',1,'','','','','',1,1,1,0);"
               "INSERT INTO trials(study, number, config, repeat, config_hash, params, seed, state)"
               " VALUES(1,1,1,1,'','{}',7,'finished');"
               "PRAGMA application_id=1852732021; PRAGMA user_version=1",
               NULL, NULL, NULL);
  sqlite3_close(db);
  for (int round = 0; round < 2; round++) { /* twice: reading changes nothing */
    Store *store = open_store("first.db", STORE_READ);
    StoreValue study = integer(1);
    bool found = false;
    assert_int_equal(NN_OK, store_query(store, store_find("trial_brief"), &study, 1, NULL));
    assert_int_equal(NN_OK, store_row(store, store_find("trial_brief"), &found, NULL));
    assert_true(found);
    assert_int_equal(7, store_column(store, store_find("trial_brief"), 4).integer);
    store_close(store, NULL);
  }
  store_close(open_store("first.db", STORE_WRITE), NULL);
  int version = 0;
  sqlite3_stmt *statement;
  sqlite3_open(path_of("first.db"), &db);
  sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);
  if (sqlite3_step(statement) == SQLITE_ROW) version = sqlite3_column_int(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(db);
  assert_true(version >= 2);
}

static void a_store_of_a_newer_program_is_refused(void **state) {
  (void)state;
  store_close(open_store("newer.db", STORE_WRITE), NULL);
  sqlite3 *db;
  sqlite3_open(path_of("newer.db"), &db);
  sqlite3_exec(db, "PRAGMA user_version=999", NULL, NULL, NULL);
  sqlite3_close(db);
  expect_failure(path_of("newer.db"), STORE_WRITE, NN_UNSUPPORTED, "newer nnrun");
  expect_failure(path_of("newer.db"), STORE_READ, NN_UNSUPPORTED, "newer nnrun");
}

static void a_read_only_store_is_reported_before_work(void **state) {
  (void)state;
  store_close(open_store("fixed.db", STORE_WRITE), NULL);
  chmod(path_of("fixed.db"), 0444);
  pid_t pid = fork();
  if (pid == 0) {
    if (geteuid() == 0 && setuid(65534) != 0) _exit(2); /* root may write everywhere */
    Store *store;
    Err err = {0};
    Status status = store_open(&store, path_of("fixed.db"), STORE_WRITE, &err);
    bool said = strstr(err.message, "cannot write") && strstr(err.message, "--store");
    if (status != NN_STORE || !said) _exit(1);
    status = store_open(&store, path_of("fixed.db"), STORE_READ, &err);
    if (status != NN_OK || count_metrics(store, 1) != 0) _exit(3);
    store_close(store, NULL);
    _exit(0);
  }
  int code;
  waitpid(pid, &code, 0);
  assert_int_equal(code, 0);
}

static void a_full_disk_keeps_what_was_committed(void **state) {
  (void)state;
  int pid = fork();
  if (pid == 0) { /* a limit on file size stands for a full disk */
    Store *store = open_store("full.db", STORE_WRITE);
    store_begin(store, NULL);
    add_metric(store, 1, 1, 1.0);
    store_commit(store, NULL);
    signal(SIGXFSZ, SIG_IGN);
    char command[64];
    snprintf(command, sizeof command, "prlimit --pid %d --fsize=200000", (int)getpid());
    if (system(command) != 0) _exit(77);
    Err err = {0};
    Status status = store_begin(store, &err);
    for (int i = 0; i < 100000 && status == NN_OK; i++) {
      StoreValue values[] = {integer(2), integer(i), integer(1), real(i)};
      status = store_do(store, STORE_metric_add, values, 4, NULL, &err);
    }
    if (status == NN_OK) status = store_commit(store, &err);
    _exit(status == NN_STORE && strstr(err.message, "full.db") ? 0 : 1);
  }
  int code;
  waitpid(pid, &code, 0);
  if (WIFEXITED(code) && WEXITSTATUS(code) == 77) skip();
  assert_int_equal(code, 0);
  Store *store = open_store("full.db", STORE_READ);
  assert_int_equal(count_metrics(store, 1), 1);
  assert_int_equal(count_metrics(store, 2), 0);
  store_close(store, NULL);
}

static void a_store_in_memory_needs_no_file(void **state) {
  (void)state;
  Store *store;
  assert_int_equal(store_open(&store, ":memory:", STORE_WRITE, NULL), NN_OK);
  add_metric(store, 1, 1, 2.0);
  assert_int_equal(count_metrics(store, 1), 1);
  assert_int_equal(store_close(store, NULL), NN_OK);
}

static void missing_folders_are_made(void **state) {
  (void)state;
  store_close(open_store("a/b/c.db", STORE_WRITE), NULL);
  assert_int_equal(access(path_of("a/b/c.db"), R_OK), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(doubles_come_back_to_the_bit),
      cmocka_unit_test(texts_and_integers_come_back),
      cmocka_unit_test(every_statement_can_be_prepared),
      cmocka_unit_test(a_second_writer_is_refused_and_readers_are_not),
      cmocka_unit_test(a_killed_writer_loses_only_what_was_not_committed),
      cmocka_unit_test(files_that_are_no_store_are_refused_and_kept),
      cmocka_unit_test(a_store_of_the_first_schema_is_read_as_it_is_and_migrated_to_write),
      cmocka_unit_test(a_store_of_a_newer_program_is_refused),
      cmocka_unit_test(a_read_only_store_is_reported_before_work),
      cmocka_unit_test(a_full_disk_keeps_what_was_committed),
      cmocka_unit_test(a_store_in_memory_needs_no_file),
      cmocka_unit_test(missing_folders_are_made),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
