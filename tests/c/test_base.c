/* Status and error, arena, checked arithmetic, instruction sets. */
#include "test.h"

#include "fail_alloc.h"

#include "base/arena.h"
#include "base/checked.h"
#include "base/isa.h"
#include "base/status.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void every_status_has_a_name_and_words(void **state) {
  (void)state;
  for (int s = 0; s < NN_STATUS_COUNT; s++) {
    assert_true(strlen(status_words((Status)s)) > 1);
    assert_true(strlen(status_name((Status)s)) > 1);
    for (int t = 0; t < s; t++)
      assert_string_not_equal(status_name((Status)s), status_name((Status)t));
  }
  assert_string_equal(status_name(NN_SHAPE), "SHAPE");
  assert_string_equal(status_words(NN_SHAPE), "shapes do not fit");
}

static void an_unknown_status_has_words_too(void **state) {
  (void)state;
  assert_string_equal(status_words((Status)INT_MAX), "unknown status");
  assert_string_equal(status_words(NN_STATUS_COUNT), "unknown status");
  assert_string_equal(status_name(NN_STATUS_COUNT), "UNKNOWN");
}

static void an_error_keeps_status_and_message(void **state) {
  (void)state;
  Err err;
  assert_int_equal(err_set(&err, NN_SHAPE, "%s has %d axes", "x", 3), NN_SHAPE);
  assert_int_equal(err.status, NN_SHAPE);
  assert_string_equal(err.message, "x has 3 axes");
  assert_int_equal(err_prefix(&err, "layer %d", 2), NN_SHAPE);
  assert_string_equal(err.message, "layer 2: x has 3 axes");
}

static void an_error_may_go_nowhere(void **state) {
  (void)state;
  assert_int_equal(err_set(NULL, NN_IO, "lost"), NN_IO);
  assert_int_not_equal(err_prefix(NULL, "lost"), NN_OK);
}

static void a_message_too_long_is_cut(void **state) {
  (void)state;
  char text[2 * ERR_MESSAGE_SIZE];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  Err err;
  err_set(&err, NN_IO, "%s", text);
  assert_int_equal(strlen(err.message), ERR_MESSAGE_SIZE - 1);
  err_prefix(&err, "before");
  assert_int_equal(strlen(err.message), ERR_MESSAGE_SIZE - 1);
  assert_int_equal(strncmp(err.message, "before: xxx", 11), 0);
  err_prefix(&err, "%s", text);
  assert_int_equal(strlen(err.message), ERR_MESSAGE_SIZE - 1);
}

static Status fails_with(Status status) {
  TRY(status);
  return NN_OK;
}

static void try_hands_a_failure_on(void **state) {
  (void)state;
  assert_int_equal(fails_with(NN_OK), NN_OK);
  assert_int_equal(fails_with(NN_FORMAT), NN_FORMAT);
}

static void arena_memory_is_zero_aligned_and_apart(void **state) {
  static const size_t sizes[] = {1, 15, 16, 17, 1000, 16 * 1024, 100 * 1024, 3};
  enum { COUNT = sizeof sizes / sizeof sizes[0] };
  (void)state;
  Arena arena = {0};
  unsigned char *got[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    got[i] = arena_alloc(&arena, sizes[i], 1);
    assert_non_null(got[i]);
    assert_int_equal((uintptr_t)got[i] % 16, 0);
    for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(got[i][k], 0);
    memset(got[i], (int)i + 1, sizes[i]);
  }
  for (size_t i = 0; i < COUNT; i++)
    for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(got[i][k], i + 1);
  assert_true(arena.total >= 117 * 1024);
  arena_free(&arena);
  assert_int_equal(arena.total, 0);
  assert_non_null(ARENA_NEW(&arena, double)); /* usable again */
  arena_free(&arena);
}

static void many_small_allocations_share_blocks(void **state) {
  (void)state;
  Arena arena = {0};
  for (int i = 0; i < 10000; i++) {
    int *number = ARENA_NEW(&arena, int);
    assert_non_null(number);
    *number = i;
  }
  arena_free(&arena);
  arena_free(&arena); /* harmless */
}

static void arena_copies_text(void **state) {
  (void)state;
  Arena arena = {0};
  char original[] = "weights";
  const char *copy = arena_strdup(&arena, original), *part = arena_strndup(&arena, original, 3);
  original[0] = 'W';
  assert_string_equal(copy, "weights");
  assert_string_equal(part, "wei");
  arena_free(&arena);
}

static void arena_refuses_what_does_not_fit(void **state) {
  (void)state;
  Arena arena = {0};
  assert_null(arena_alloc(&arena, SIZE_MAX / 2, 3));
  assert_null(arena_alloc(&arena, SIZE_MAX, 1));
  assert_null(arena_alloc(&arena, SIZE_MAX - 16, 1));
  assert_non_null(ARENA_ARRAY(&arena, double, 3));
  arena_free(&arena);
}

static void arena_survives_a_failed_allocation(void **state) {
  (void)state;
  Arena arena = {0};
  fail_alloc_at(1);
  assert_null(ARENA_NEW(&arena, int));
  assert_non_null(ARENA_NEW(&arena, int));
  fail_alloc_at(1);
  assert_null(ARENA_ARRAY(&arena, char, 1 << 20));
  fail_alloc_off();
  assert_non_null(ARENA_NEW(&arena, int));
  arena_free(&arena);
}

static void sums_and_products_that_overflow_are_noticed(void **state) {
  (void)state;
  size_t out = 7;
  assert_true(checked_add(&out, SIZE_MAX - 1, 1));
  assert_true(out == SIZE_MAX);
  assert_false(checked_add(&out, SIZE_MAX, 1));
  assert_true(out == SIZE_MAX); /* left alone */
  assert_true(checked_mul(&out, (size_t)1 << 31, (size_t)1 << 32));
  assert_true(out == (size_t)1 << 63);
  assert_false(checked_mul(&out, (size_t)1 << 32, (size_t)1 << 32));
  assert_true(checked_mul(&out, 0, SIZE_MAX));
  assert_int_equal(out, 0);
}

static void alignment_rounds_up(void **state) {
  static const struct {
    size_t size, unit, expected;
  } cases[] = {{0, 16, 0}, {1, 16, 16}, {16, 16, 16}, {17, 64, 64}, {65, 64, 128}, {5, 1, 5}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t out;
    assert_true(checked_align(&out, cases[i].size, cases[i].unit));
    assert_int_equal(out, cases[i].expected);
  }
  size_t kept = 3;
  assert_false(checked_align(&kept, SIZE_MAX - 3, 16));
  assert_int_equal(kept, 3);
}

static void every_instruction_set_has_a_name(void **state) {
  (void)state;
  assert_in_range(isa_best(), 0, ISA_COUNT - 1);
  assert_string_equal(isa_name(ISA_base), "base");
  assert_string_equal(isa_name(ISA_COUNT), "unknown");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_status_has_a_name_and_words),
      cmocka_unit_test(an_unknown_status_has_words_too),
      cmocka_unit_test(an_error_keeps_status_and_message),
      cmocka_unit_test(an_error_may_go_nowhere),
      cmocka_unit_test(a_message_too_long_is_cut),
      cmocka_unit_test(try_hands_a_failure_on),
      cmocka_unit_test(arena_memory_is_zero_aligned_and_apart),
      cmocka_unit_test(many_small_allocations_share_blocks),
      cmocka_unit_test(arena_copies_text),
      cmocka_unit_test(arena_refuses_what_does_not_fit),
      cmocka_unit_test(arena_survives_a_failed_allocation),
      cmocka_unit_test(sums_and_products_that_overflow_are_noticed),
      cmocka_unit_test(alignment_rounds_up),
      cmocka_unit_test(every_instruction_set_has_a_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
