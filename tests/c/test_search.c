/* The arithmetic of samplers: matrices, sequences, and what CMA-ES, TPE and Gaussian processes do
 * on problems whose answer is known. */
#include "test.h"

#include "fail_alloc.h"
#include "search/cmaes.h"
#include "search/gp.h"
#include "search/matrix.h"
#include "search/sequence.h"
#include "search/tpe.h"

#include <math.h>
#include <string.h>

#define assert_near(value, wanted, within) assert_true(fabs((value) - (wanted)) <= (within))

static Rng stream(uint64_t number) { return rng_make(11, RNG_SAMPLE, number); }

static void a_factor_times_itself_is_the_matrix_and_solves_it(void **state) {
  (void)state;
  double a[9] = {4, 0, 0, 2, 5, 0, 1, 3, 6}, l[9], inverse[9], b[3] = {1, 2, 3};
  memcpy(l, a, sizeof l);
  assert_true(matrix_cholesky(l, 3));
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j <= i; j++) {
      double sum = 0;
      for (int k = 0; k <= j; k++) sum += l[i * 3 + k] * l[j * 3 + k];
      assert_near(sum, a[i * 3 + j], 1e-14);
    }
  }
  matrix_solve_lower(l, 3, b);
  matrix_solve_upper(l, 3, b);
  for (int i = 0; i < 3; i++) {
    double sum = 0;
    for (int j = 0; j < 3; j++) sum += (j <= i ? a[i * 3 + j] : a[j * 3 + i]) * b[j];
    assert_near(sum, i + 1, 1e-14);
  }
  matrix_invert_lower(l, 3, inverse);
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) {
      double sum = 0;
      for (int k = 0; k <= i; k++) sum += l[i * 3 + k] * inverse[k * 3 + j];
      assert_near(sum, i == j, 1e-14);
    }
  }
  double negative[4] = {1, 0, 2, 1};
  assert_false(matrix_cholesky(negative, 2));
}

static void eigenvectors_make_the_matrix_again(void **state) {
  (void)state;
  enum { N = 7 };
  double a[N * N], copy[N * N], vectors[N * N], values[N];
  Rng rng = stream(1);
  for (int i = 0; i < N; i++) {
    for (int j = 0; j <= i; j++)
      a[i * N + j] = a[j * N + i] = rng_normal(&rng, (uint64_t)(i * N + j));
  }
  memcpy(copy, a, sizeof a);
  matrix_eigen(copy, N, vectors, values);
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < N; j++) {
      double sum = 0, product = 0;
      for (int k = 0; k < N; k++) {
        sum += vectors[i * N + k] * values[k] * vectors[j * N + k];
        product += vectors[k * N + i] * vectors[k * N + j];
      }
      assert_near(sum, a[i * N + j], 1e-12);
      assert_near(product, i == j, 1e-12);
    }
  }
}

/* Values by SciPy 1.10: qmc.Sobol(128, scramble=False), whose point i is number i ^ i >> 1. */
static void sobol_numbers_are_those_of_joe_and_kuo(void **state) {
  static const int dimensions[7] = {0, 1, 2, 7, 31, 64, 127};
  static const uint32_t of_540[7] = {943718400, 415236096, 2227175424, 3862953984,
                                     624951296, 557842432, 2336227328},
                        of_653[7] = {2973761536, 4022337536, 700448768, 3275751424,
                                     3862953984, 4030726144, 507510784};
  (void)state;
  for (int i = 0; i < 7; i++) {
    assert_int_equal(sobol_digits(540, dimensions[i]), of_540[i]);
    assert_int_equal(sobol_digits(653, dimensions[i]), of_653[i]);
  }
}

static void scrambled_sequences_stay_even_in_every_dimension(void **state) {
  (void)state;
  Rng rng = stream(2);
  for (int dimension = 0; dimension < SOBOL_MAX_DIMENSIONS; dimension++) {
    bool seen[64] = {false};
    for (uint32_t index = 0; index < 64; index++) {
      double place = sobol_place(&rng, index, dimension);
      assert_true(place > 0 && place < 1);
      assert_false(seen[(int)(place * 64)]);
      seen[(int)(place * 64)] = true;
    }
  }
  for (int dimension = 0; dimension < HALTON_MAX_DIMENSIONS; dimension += 9) {
    double sum = 0;
    for (uint32_t index = 0; index < 1000; index++) sum += halton_place(&rng, index, dimension);
    assert_near(sum / 1000, 0.5, 0.03);
  }
}

static double ellipsoid(const double *x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += pow(100, (double)i / (n - 1)) * (x[i] - 0.3) * (x[i] - 0.3);
  return sum;
}

/* One generation; returns the best value. */
static double generation(Cmaes *cmaes, int number, int width, int lambda) {
  double points[16 * 5], sorted[16 * 5], values[16], best;
  Rng rng = stream(3), unused = stream(4);
  for (int k = 0; k < lambda; k++) {
    cmaes_draw(cmaes, &rng, (uint64_t)(number * lambda + k), points + k * width);
    values[k] = ellipsoid(points + k * width, width);
  }
  best = values[0];
  for (int place = 0; place < lambda; place++) {
    int least = 0;
    for (int k = 1; k < lambda; k++) least = values[k] < values[least] ? k : least;
    memcpy(sorted + place * width, points + least * width, (size_t)width * sizeof(double));
    best = fmin(best, values[least]);
    values[least] = INFINITY;
  }
  assert_int_equal(cmaes_update(cmaes, sorted, &unused, NULL), NN_OK);
  return best;
}

static void cmaes_finds_the_bottom_of_a_narrow_valley(void **state) {
  (void)state;
  enum { WIDTH = 5, LAMBDA = 8 };
  double mean[WIDTH] = {0.5, 0.5, 0.5, 0.5, 0.5}, least[WIDTH] = {0}, best = INFINITY;
  Cmaes *cmaes;
  assert_int_equal(cmaes_new(&cmaes, WIDTH, LAMBDA, mean, 0.2, least, NULL), NN_OK);
  for (int i = 0; i < 150; i++) best = fmin(best, generation(cmaes, i, WIDTH, LAMBDA));
  assert_true(best < 1e-9);
  assert_true(cmaes_spread(cmaes) < 1e-3);
  assert_true(cmaes_condition(cmaes) > 3); /* 10 are right: the valley's axes */
  cmaes_free(cmaes);
}

static void cmaes_keeps_deviations_wide_enough_to_leave_a_cell(void **state) {
  (void)state;
  enum { WIDTH = 2, LAMBDA = 6 };
  double mean[WIDTH] = {0.5, 0.5}, least[WIDTH] = {0.05, 0}, sum = 0, squares = 0, point[WIDTH];
  Cmaes *cmaes;
  assert_int_equal(cmaes_new(&cmaes, WIDTH, LAMBDA, mean, 0.2, least, NULL), NN_OK);
  for (int i = 0; i < 100; i++) generation(cmaes, i, WIDTH, LAMBDA);
  Rng rng = stream(5);
  for (uint64_t i = 0; i < 1000; i++) {
    cmaes_draw(cmaes, &rng, i, point);
    sum += point[0], squares += point[0] * point[0];
  }
  assert_true(sqrt(squares / 1000 - sum / 1000 * sum / 1000) > 0.04);
  cmaes_free(cmaes);
}

/* The first `count` of 40 places 1 / 41 ... of a column and a category; the loss is least at 0.7 in
 * category 1. */
static void fill_table(SearchTable *table, int count) {
  static const SearchColumn columns[2] = {{0, true, -1, 0, 0}, {3, false, -1, 0, 0}};
  assert_int_equal(search_table_new(table, columns, 2, NULL), NN_OK);
  for (int i = 0; i < count; i++) {
    double row[2] = {(i * 17 % 40 + 1) / 41.0, search_middle(3, i % 3)};
    double loss = i == 39 ? NAN : (row[0] - 0.7) * (row[0] - 0.7) + (i % 3 == 1 ? 0 : 0.5);
    assert_int_equal(search_table_add(table, row, loss, NULL), NN_OK);
  }
}

static void results_are_in_order_of_loss_ties_by_age(void **state) {
  static const SearchColumn column = {0, true, -1, 0, 0};
  static const double losses[6] = {3, 1, NAN, 1, -2, INFINITY};
  static const int order[6] = {4, 1, 3, 0, 2, 5};
  (void)state;
  SearchTable table;
  assert_int_equal(search_table_new(&table, &column, 1, NULL), NN_OK);
  for (int i = 0; i < 6; i++) search_table_add(&table, &(double){0.5}, losses[i], NULL);
  assert_memory_equal(table.order, order, sizeof order);
  search_table_free(&table);
}

static void tpe_and_gp_propose_near_the_best_in_its_category(void **state) {
  (void)state;
  SearchTable table;
  fill_table(&table, 40);
  TpeOptions options = {.below = 7, .window = 100, .candidates = 64, .prior = 1};
  GpModel model;
  assert_int_equal(gp_fit(&table, table.count, &model, NULL), NN_OK);
  int tpe_right = 0;
  for (uint64_t i = 0; i < 20; i++) {
    Rng rng = stream(100 + i);
    double row[2], again[2];
    assert_int_equal(tpe_propose(&table, &options, NULL, 0, &rng, row, NULL), NN_OK);
    assert_int_equal(tpe_propose(&table, &options, NULL, 0, &rng, again, NULL), NN_OK);
    assert_memory_equal(row, again, sizeof row);
    tpe_right += fabs(row[0] - 0.7) < 0.15 && search_cell(3, row[1]) == 1;
  }
  assert_true(tpe_right >= 17);
  Rng rng = stream(200);
  double row[2];
  assert_int_equal(gp_propose(&table, &model, NULL, 0, 500, &rng, row, NULL), NN_OK);
  assert_near(row[0], 0.7, 0.05);
  assert_int_equal(search_cell(3, row[1]), 1);
  search_table_free(&table);
}

static void proposals_that_are_pending_are_not_made_again(void **state) {
  (void)state;
  SearchTable table;
  fill_table(&table, 6);
  GpModel model;
  assert_int_equal(gp_fit(&table, table.count, &model, NULL), NN_OK);
  Rng rng = stream(300);
  double rows[2 * 4];
  for (int i = 0; i < 4; i++) {
    assert_int_equal(gp_propose(&table, &model, rows, i, 500, &rng, rows + i * 2L, NULL), NN_OK);
    for (int j = 0; j < i; j++) {
      double apart = fabs(rows[i * 2] - rows[j * 2]);
      assert_true(apart > 1e-4 || rows[i * 2 + 1] != rows[j * 2 + 1]);
    }
  }
  search_table_free(&table);
}

static void branches_have_places_only_where_they_were_taken(void **state) {
  static const SearchColumn columns[3] = {
      {2, false, -1, 0, 0}, {0, true, 0, 0, 0}, {4, true, 0, 1, 1}};
  (void)state;
  SearchTable table;
  assert_int_equal(search_table_new(&table, columns, 3, NULL), NN_OK);
  for (int i = 0; i < 30; i++) {
    double row[3] = {i % 2 ? 0.75 : 0.25, i % 2 ? NAN : (i + 0.5) / 30,
                     i % 2 ? search_middle(4, i / 2 % 4) : NAN};
    search_table_add(&table, row, i % 7, NULL);
  }
  TpeOptions options = {.below = 6, .window = 10, .candidates = 4, .prior = 1};
  GpModel model;
  assert_int_equal(gp_fit(&table, 30, &model, NULL), NN_OK);
  for (uint64_t i = 0; i < 40; i++) {
    Rng rng = stream(400 + i);
    double row[3];
    if (i % 8) {
      assert_int_equal(tpe_propose(&table, &options, NULL, 0, &rng, row, NULL), NN_OK);
    } else {
      assert_int_equal(gp_propose(&table, &model, NULL, 0, 50, &rng, row, NULL), NN_OK);
    }
    assert_int_equal(isnan(row[1]), row[0] > 0.5);
    assert_int_equal(isnan(row[2]), row[0] < 0.5);
    if (!isnan(row[2])) assert_near(row[2], search_middle(4, search_cell(4, row[2])), 0);
  }
  search_table_free(&table);
}

static void columns_that_make_no_sense_are_refused(void **state) {
  static const SearchColumn wrong[3] = {
      {0, false, -1, 0, 0}, {2000, true, -1, 0, 0}, {2, true, 0, 0, 0}};
  (void)state;
  SearchTable table;
  Err err;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(search_table_new(&table, &wrong[i], 1, &err), NN_BAD_ARGUMENT);
  }
  assert_int_equal(search_table_new(&table, wrong, 129, &err), NN_TOO_LARGE);
}

static Status all_of_it(void) {
  static const SearchColumn columns[2] = {{0, true, -1, 0, 0}, {3, false, -1, 0, 0}};
  SearchTable table;
  Cmaes *cmaes = NULL;
  GpModel model;
  TpeOptions options = {.below = 2, .window = 10, .candidates = 2, .prior = 1};
  double row[2] = {0.5, 0.5}, least[2] = {0};
  Rng rng = stream(9);
  Status status = search_table_new(&table, columns, 2, NULL);
  for (int i = 0; i < 70 && status == NN_OK; i++) status = search_table_add(&table, row, i, NULL);
  if (status == NN_OK) status = tpe_propose(&table, &options, row, 1, &rng, row, NULL);
  if (status == NN_OK) status = gp_fit(&table, 5, &model, NULL);
  if (status == NN_OK) status = gp_propose(&table, &model, row, 1, 10, &rng, row, NULL);
  if (status == NN_OK) status = cmaes_new(&cmaes, 2, 4, row, 0.1, least, NULL);
  cmaes_free(cmaes);
  search_table_free(&table);
  return status;
}

static void any_allocation_may_fail(void **state) {
  (void)state;
  int n = 1;
  for (; fail_alloc_at(n), all_of_it() == NN_NO_MEMORY; n++) continue;
  fail_alloc_off();
  assert_true(n > 8);
  assert_int_equal(all_of_it(), NN_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_factor_times_itself_is_the_matrix_and_solves_it),
      cmocka_unit_test(eigenvectors_make_the_matrix_again),
      cmocka_unit_test(sobol_numbers_are_those_of_joe_and_kuo),
      cmocka_unit_test(scrambled_sequences_stay_even_in_every_dimension),
      cmocka_unit_test(cmaes_finds_the_bottom_of_a_narrow_valley),
      cmocka_unit_test(cmaes_keeps_deviations_wide_enough_to_leave_a_cell),
      cmocka_unit_test(results_are_in_order_of_loss_ties_by_age),
      cmocka_unit_test(tpe_and_gp_propose_near_the_best_in_its_category),
      cmocka_unit_test(proposals_that_are_pending_are_not_made_again),
      cmocka_unit_test(branches_have_places_only_where_they_were_taken),
      cmocka_unit_test(columns_that_make_no_sense_are_refused),
      cmocka_unit_test(any_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
