/* Random numbers: the published known answers, and that a number depends on its address alone. */
#include "test.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

/* Known answers for philox4x32-10 as published with Random123. */
static void philox_gives_the_published_answers(void **state) {
  static const struct {
    uint32_t counter[4], key[2], expected[4];
  } cases[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint32_t out[4];
    philox4x32(cases[i].counter, cases[i].key, out);
    assert_memory_equal(out, cases[i].expected, sizeof out);
  }
}

static void every_part_of_the_address_changes_the_numbers(void **state) {
  (void)state;
  Rng rngs[] = {rng_make(1, RNG_INIT, 1), rng_make(2, RNG_INIT, 1), rng_make(1, RNG_SHUFFLE, 1),
                rng_make(1, RNG_INIT, 2), rng_make(1, RNG_INIT, (uint64_t)1 << 32 | 1)};
  enum { COUNT = sizeof rngs / sizeof rngs[0] };
  for (size_t i = 0; i < COUNT; i++) {
    assert_int_not_equal(rng_u64(&rngs[i], 0), rng_u64(&rngs[i], 1));
    for (size_t j = 0; j < i; j++) assert_int_not_equal(rng_u64(&rngs[i], 7), rng_u64(&rngs[j], 7));
  }
}

static void lanes_and_halves_come_from_the_block_at_the_address(void **state) {
  (void)state;
  Rng rng = rng_make(42, RNG_USER, 9);
  uint64_t block = (UINT64_C(1) << 40) + 3;
  uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 9, 0}, out[4];
  philox4x32(counter, rng.key, out);
  for (unsigned lane = 0; lane < 4; lane++)
    assert_int_equal(rng_u32(&rng, 4 * block + lane), out[lane]);
  assert_int_equal(rng_u64(&rng, 2 * block + 1), (uint64_t)out[3] << 32 | out[2]);
}

static void filling_in_pieces_gives_the_numbers_one_by_one(void **state) {
  (void)state;
  enum { COUNT = 301 };
  Rng rng = rng_make(5, RNG_GENERATE, 0);
  for (uint64_t first = 0; first < 3; first++) {
    uint64_t bits[COUNT];
    double uniform[COUNT], normal[COUNT];
    rng_fill_u64(&rng, first, bits, COUNT);
    rng_fill_uniform(&rng, first, uniform, COUNT);
    rng_fill_normal(&rng, first, normal, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
      assert_int_equal(bits[i], rng_u64(&rng, first + i));
      assert_true(uniform[i] == rng_uniform(&rng, first + i));
      assert_true(normal[i] == rng_normal(&rng, first + i));
    }
  }
  rng_fill_u64(&rng, 1, NULL, 0);
  rng_fill_normal(&rng, 1, NULL, 0);
}

/* Moments of 200000 numbers; the bounds are about five standard errors. */
static void uniform_and_normal_numbers_have_their_moments(void **state) {
  (void)state;
  enum { COUNT = 200000 };
  Rng rng = rng_make(2024, RNG_SAMPLE, 1);
  double uniform_sum = 0, uniform_square = 0, normal_sum = 0, normal_square = 0, fourth = 0;
  for (uint64_t i = 0; i < COUNT; i++) {
    double u = rng_uniform(&rng, i), z = rng_normal(&rng, i);
    assert_true(u >= 0 && u < 1 && isfinite(z));
    uniform_sum += u, uniform_square += u * u;
    normal_sum += z, normal_square += z * z, fourth += z * z * z * z;
  }
  assert_true(fabs(uniform_sum / COUNT - 0.5) < 0.0033);
  assert_true(fabs(uniform_square / COUNT - 1.0 / 3) < 0.0034);
  assert_true(fabs(normal_sum / COUNT) < 0.0112);
  assert_true(fabs(normal_square / COUNT - 1) < 0.0159);
  assert_true(fabs(fourth / COUNT - 3) < 0.11);
}

static void bounded_integers_stay_inside_and_are_even(void **state) {
  (void)state;
  enum { BOUND = 7, COUNT = 70000 };
  Rng rng = rng_make(3, RNG_SPLIT, 0);
  int counts[BOUND] = {0};
  for (uint64_t i = 0; i < COUNT; i++) {
    uint64_t value = rng_below(&rng, i, BOUND);
    assert_true(value < BOUND);
    counts[value]++;
    assert_int_equal(rng_below(&rng, i, 1), 0);
  }
  for (int i = 0; i < BOUND; i++) assert_in_range(counts[i], 9500, 10500);
}

static void a_permutation_holds_every_number_once(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 2, 127, 128, 129, 1000};
  int64_t out[1000], again[1000];
  unsigned char seen[1000];
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    Rng rng = rng_make(11, RNG_SHUFFLE, s);
    rng_permutation(&rng, out, sizes[s]);
    rng_permutation(&rng, again, sizes[s]);
    assert_memory_equal(out, again, sizes[s] * sizeof out[0]);
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < sizes[s]; i++) {
      assert_in_range(out[i], 0, sizes[s] - 1);
      assert_int_equal(seen[out[i]]++, 0);
    }
  }
}

static void a_permutation_swaps_by_the_number_at_each_position(void **state) {
  (void)state;
  enum { COUNT = 300 };
  Rng rng = rng_make(1, RNG_SHUFFLE, 77);
  int64_t out[COUNT], expected[COUNT];
  for (int i = 0; i < COUNT; i++) expected[i] = i;
  for (uint64_t i = COUNT - 1; i >= 1; i--) {
    uint64_t j = rng_below(&rng, i, i + 1);
    int64_t kept = expected[i];
    expected[i] = expected[j], expected[j] = kept;
  }
  rng_permutation(&rng, out, COUNT);
  assert_memory_equal(out, expected, sizeof out);
}

static void all_orders_of_three_are_equally_likely(void **state) {
  (void)state;
  int counts[27] = {0};
  for (uint64_t stream = 0; stream < 6000; stream++) {
    Rng rng = rng_make(8, RNG_SHUFFLE, stream);
    int64_t order[3];
    rng_permutation(&rng, order, 3);
    counts[order[0] * 9 + order[1] * 3 + order[2]]++;
  }
  int orders = 0;
  for (int i = 0; i < 27; i++) {
    if (counts[i] == 0) continue;
    orders++;
    assert_in_range(counts[i], 850, 1150);
  }
  assert_int_equal(orders, 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_gives_the_published_answers),
      cmocka_unit_test(every_part_of_the_address_changes_the_numbers),
      cmocka_unit_test(lanes_and_halves_come_from_the_block_at_the_address),
      cmocka_unit_test(filling_in_pieces_gives_the_numbers_one_by_one),
      cmocka_unit_test(uniform_and_normal_numbers_have_their_moments),
      cmocka_unit_test(bounded_integers_stay_inside_and_are_even),
      cmocka_unit_test(a_permutation_holds_every_number_once),
      cmocka_unit_test(a_permutation_swaps_by_the_number_at_each_position),
      cmocka_unit_test(all_orders_of_three_are_equally_likely),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
