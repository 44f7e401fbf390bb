/* Hashes: SHA-256 against FIPS 180-4's examples, by either set of instructions and in any pieces.
 */
#include "test.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static void sha256_of(const void *bytes, size_t length, bool plain, char hex[SHA256_HEX_SIZE]) {
  Sha256 sha;
  sha256_begin(&sha);
  if (plain) sha.fast = false;
  sha256_add(&sha, bytes, length);
  sha256_end(&sha, hex);
}

static void sha256_gives_the_published_answers(void **state) {
  static const struct {
    const char *message, *expected;
  } cases[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
  };
  char hex[SHA256_HEX_SIZE];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    for (int plain = 0; plain < 2; plain++) {
      sha256_of(cases[i].message, strlen(cases[i].message), plain, hex);
      assert_string_equal(hex, cases[i].expected);
    }
  }
}

static void sha256_of_a_million_letters(void **state) {
  enum { COUNT = 1000000 };
  char *letters = malloc(COUNT), hex[SHA256_HEX_SIZE];
  (void)state;
  assert_non_null(letters);
  memset(letters, 'a', COUNT);
  for (int plain = 0; plain < 2; plain++) {
    sha256_of(letters, COUNT, plain, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
  free(letters);
}

static void sha256_does_not_depend_on_the_pieces(void **state) {
  unsigned char bytes[300];
  char whole[SHA256_HEX_SIZE], pieces[SHA256_HEX_SIZE];
  (void)state;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 31);
  for (size_t length = 0; length <= sizeof bytes; length++) {
    sha256_of(bytes, length, true, whole);
    for (size_t piece = 1; piece <= 130; piece += 43) {
      Sha256 sha;
      sha256_begin(&sha);
      for (size_t at = 0; at < length; at += piece)
        sha256_add(&sha, bytes + at, length - at < piece ? length - at : piece);
      sha256_end(&sha, pieces);
      assert_string_equal(pieces, whole);
    }
  }
}

/* Answers published with FNV. */
static void hash64_gives_the_published_answers(void **state) {
  (void)state;
  assert_true(hash64(HASH64_START, "", 0) == HASH64_START);
  assert_true(hash64(HASH64_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
  assert_true(hash64(HASH64_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
  assert_true(hash64(hash64(HASH64_START, "foo", 3), "bar", 3) == UINT64_C(0x85944171f73967e8));
}

static void hash_mix_moves_half_of_the_bits(void **state) {
  (void)state;
  assert_true(hash_mix(0) == 0);
  for (int bit = 0; bit < 64; bit++) {
    int moved = 0;
    for (uint64_t value = 1; value <= 64; value++)
      moved += __builtin_popcountll(hash_mix(value) ^ hash_mix(value ^ UINT64_C(1) << bit));
    assert_in_range(moved, 64 * 28, 64 * 36);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sha256_gives_the_published_answers),
      cmocka_unit_test(sha256_of_a_million_letters),
      cmocka_unit_test(sha256_does_not_depend_on_the_pieces),
      cmocka_unit_test(hash64_gives_the_published_answers),
      cmocka_unit_test(hash_mix_moves_half_of_the_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
