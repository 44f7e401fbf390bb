/* Running a program: its streams, its end, its absence and its time limit. */
#include "proc/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void output_and_errors_are_kept_apart(void **state) {
  (void)state;
  const char *argv[] = {"sh", "-c", "cat; echo oops >&2; exit 7", NULL};
  CommandResult result;
  Err err = {0};
  assert_int_equal(command_run(&result, argv, "hello", 5, 10, &err), NN_OK);
  assert_string_equal(result.output.bytes, "hello");
  assert_string_equal(result.errors.bytes, "oops\n");
  assert_int_equal(result.exit_status, 7);
  assert_int_equal(result.signal, 0);
  command_free(&result);
}

static void text_larger_than_a_pipe_passes_both_ways(void **state) {
  (void)state;
  size_t size = 3 << 20;
  char *text = malloc(size);
  assert_non_null(text);
  memset(text, 'x', size);
  const char *argv[] = {"cat", NULL};
  CommandResult result;
  assert_int_equal(command_run(&result, argv, text, size, 30, NULL), NN_OK);
  assert_int_equal(result.output.length, size);
  assert_memory_equal(result.output.bytes, text, size);
  command_free(&result);
  free(text);
}

static void a_program_that_ignores_its_input_is_no_error(void **state) {
  (void)state;
  size_t size = 3 << 20;
  char *text = calloc(size, 1);
  assert_non_null(text);
  const char *argv[] = {"true", NULL};
  CommandResult result;
  assert_int_equal(command_run(&result, argv, text, size, 30, NULL), NN_OK);
  assert_int_equal(result.exit_status, 0);
  assert_int_equal(result.output.length, 0);
  command_free(&result);
  free(text);
}

static void a_missing_program_is_named(void **state) {
  (void)state;
  const char *argv[] = {"no-such-program-here", NULL};
  CommandResult result;
  Err err = {0};
  assert_int_equal(command_run(&result, argv, "", 0, 10, &err), NN_NOT_FOUND);
  assert_non_null(strstr(err.message, "'no-such-program-here'"));
  command_free(&result);
}

static void a_signal_is_reported(void **state) {
  (void)state;
  const char *argv[] = {"sh", "-c", "kill -9 $$", NULL};
  CommandResult result;
  assert_int_equal(command_run(&result, argv, "", 0, 10, NULL), NN_OK);
  assert_int_equal(result.signal, SIGKILL);
  assert_int_equal(result.exit_status, -1);
  command_free(&result);
}

/* The grandchild holds the output open: only killing the whole group ends this before 60 s. */
static void the_time_limit_reaches_the_children_of_the_program(void **state) {
  (void)state;
  const char *argv[] = {"sh", "-c", "sleep 60 & echo started; wait", NULL};
  CommandResult result;
  Err err = {0};
  assert_int_equal(command_run(&result, argv, "", 0, 0.3, &err), NN_TIMEOUT);
  assert_non_null(strstr(err.message, "0.3 s"));
  command_free(&result);
}

static void closing_the_streams_does_not_escape_the_time_limit(void **state) {
  (void)state;
  const char *argv[] = {"sh", "-c", "exec sleep 60 >&- 2>&-", NULL};
  CommandResult result;
  assert_int_equal(command_run(&result, argv, "", 0, 0.3, NULL), NN_TIMEOUT);
  command_free(&result);
}

static void arguments_meet_no_shell(void **state) {
  (void)state;
  const char *argv[] = {"printf", "%s", "`id` $HOME ;'\"", NULL};
  CommandResult result;
  assert_int_equal(command_run(&result, argv, "", 0, 10, NULL), NN_OK);
  assert_string_equal(result.output.bytes, "`id` $HOME ;'\"");
  command_free(&result);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(output_and_errors_are_kept_apart),
      cmocka_unit_test(text_larger_than_a_pipe_passes_both_ways),
      cmocka_unit_test(a_program_that_ignores_its_input_is_no_error),
      cmocka_unit_test(a_missing_program_is_named),
      cmocka_unit_test(a_signal_is_reported),
      cmocka_unit_test(the_time_limit_reaches_the_children_of_the_program),
      cmocka_unit_test(closing_the_streams_does_not_escape_the_time_limit),
      cmocka_unit_test(arguments_meet_no_shell),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
