#include "search/tpe.h"

#include "base/arena.h"
#include "search/draws.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
  TABLE_CELLS = 64, /* columns of up to so many cells have a table of kernel values */
  FULL_WEIGHT = 25, /* the newest so many of g weigh 1, older ones less: Optuna's ramp */
  MAX_DRAWS = 64    /* of a truncated normal, which takes two on average at most */
};

/* Chosen on the functions of tests/quality: kernels of more than WIDEST of a domain blur what l
 * says, and counting the best result FAVOUR times the last one sharpens it. */
static const double WIDEST = 0.12, NARROWEST = 100, FAVOUR = 10;
static const double LOG_SQRT_2PI = 0.91893853320467274178;

/* A mixture: component i < count is the kernel at rows[i], component `count` is uniform. */
typedef struct Parzen {
  const SearchColumn *columns;
  int width, count;
  const double **rows;      /* (count) */
  const double *log_weight; /* (count + 1), weights add up to 1 */
  const double *bandwidth;  /* (width) */
  const double *log_norm;   /* (count, width): log of the kernel's constant factor */
  double **tables; /* (width): NULL or log mass (cells, cells) of a cell given the center's */
} Parzen;

static double normal_cdf(double z) { return 0.5 * erfc(-z * M_SQRT1_2); }

/* Mass of a normal distribution between two places; exact in both tails. */
static double normal_mass(double low, double high, double mean, double deviation) {
  double a = (low - mean) / deviation, b = (high - mean) / deviation;
  return a > 0 ? normal_cdf(-a) - normal_cdf(-b) : normal_cdf(b) - normal_cdf(a);
}

static bool has_table(const SearchColumn *column) {
  return column->cells > 0 && (column->cells <= TABLE_CELLS || !column->ordered);
}

/* Widths by Scott's rule, 1.06 deviations / n^(1 / (columns + 4)), at most WIDEST, and not below a
 * floor that sinks as results come in ("magic clipping" of the first paper). Categories: the share
 * that is spread over all of them. */
static double bandwidth_of(const SearchTable *table, const double **rows, int count, int c) {
  double sum = 0, squares = 0;
  int n = 0;
  for (int i = 0; i < count; i++) {
    double place = rows[i][c];
    if (isnan(place)) continue;
    sum += place;
    squares += place * place;
    n++;
  }
  if (n == 0) return 1;
  if (!table->columns[c].ordered) return 1.0 / (n + 1);
  double mean = sum / n, deviation = sqrt(fmax(0, squares / n - mean * mean));
  double scott = 1.06 * deviation * pow(n, -1.0 / (table->width + 4));
  return fmax(fmin(scott, WIDEST), 1.0 / fmin(NARROWEST, 1 + n));
}

static double *cell_table(Arena *arena, const SearchColumn *column, double bandwidth) {
  int cells = column->cells;
  double *log_mass = ARENA_ARRAY(arena, double, (size_t)cells *(size_t)cells);
  if (!log_mass) return NULL;
  for (int center = 0; center < cells; center++) {
    double *row = log_mass + (size_t)center * (size_t)cells;
    double mean = search_middle(cells, center), total = normal_mass(0, 1, mean, bandwidth);
    for (int cell = 0; cell < cells; cell++) {
      double mass;
      if (column->ordered) {
        mass = normal_mass((double)cell / cells, (cell + 1.0) / cells, mean, bandwidth) / total;
      } else { /* the kernel of Aitchison and Aitken, 1976 */
        mass = cells == 1 ? 1 : bandwidth / cells + (cell == center ? 1 - bandwidth : 0);
      }
      row[cell] = log(fmax(mass, DBL_MIN));
    }
  }
  return log_mass;
}

static bool parzen_kernels(Parzen *parzen, const SearchTable *table, Arena *arena) {
  size_t width = (size_t)table->width;
  double *bandwidth = ARENA_ARRAY(arena, double, width);
  double *log_norm = ARENA_ARRAY(arena, double, (size_t)parzen->count *width + 1);
  parzen->tables = ARENA_ARRAY(arena, double *, width);
  if (!bandwidth || !log_norm || !parzen->tables) return false;
  for (int c = 0; c < table->width; c++) {
    bandwidth[c] = bandwidth_of(table, parzen->rows, parzen->count, c);
    if (has_table(&table->columns[c])) {
      parzen->tables[c] = cell_table(arena, &table->columns[c], bandwidth[c]);
      if (!parzen->tables[c]) return false;
      continue;
    }
    for (int i = 0; i < parzen->count; i++) {
      double mean = parzen->rows[i][c];
      if (isnan(mean)) continue;
      double mass = normal_mass(0, 1, mean, bandwidth[c]);
      log_norm[(size_t)i * width + (size_t)c] = -log(bandwidth[c] * mass) - LOG_SQRT_2PI;
    }
  }
  parzen->bandwidth = bandwidth;
  parzen->log_norm = log_norm;
  return true;
}

/* `weights` (count) are of the rows; the uniform component gets `prior`. */
static Status parzen_new(Parzen *parzen, const SearchTable *table, const double **rows,
                         const double *weights, int count, double prior, Arena *arena, Err *err) {
  *parzen =
      (Parzen){.columns = table->columns, .width = table->width, .count = count, .rows = rows};
  double *log_weight = ARENA_ARRAY(arena, double, (size_t)count + 1);
  if (!log_weight || !parzen_kernels(parzen, table, arena)) {
    return err_set(err, NN_NO_MEMORY, "no memory for %d kernels", count);
  }
  double total = prior;
  for (int i = 0; i < count; i++) total += weights[i];
  for (int i = 0; i < count; i++) log_weight[i] = log(weights[i] / total);
  log_weight[count] = log(prior / total);
  parzen->log_weight = log_weight;
  return NN_OK;
}

/* log of the kernel at rows[i], over the columns that are active in `row`. Where the component has
 * no place it is uniform: density 1, or 1 / cells. `cells` (width): the row's cells. */
static double log_kernel(const Parzen *parzen, int i, const double *row, const int *cells) {
  const double *center = parzen->rows[i];
  const double *log_norm = parzen->log_norm + (size_t)i * (size_t)parzen->width;
  double sum = 0;
  for (int c = 0; c < parzen->width; c++) {
    if (isnan(row[c])) continue;
    const double *log_mass = parzen->tables[c];
    int count = parzen->columns[c].cells;
    if (isnan(center[c])) {
      sum -= log_mass ? log(count) : 0;
    } else if (log_mass) {
      sum += log_mass[search_cell(count, center[c]) * count + cells[c]];
    } else {
      double z = (row[c] - center[c]) / parzen->bandwidth[c];
      sum += log_norm[c] - 0.5 * z * z;
    }
  }
  return sum;
}

static double log_uniform(const Parzen *parzen, const double *row) {
  double sum = 0;
  for (int c = 0; c < parzen->width; c++) {
    if (!isnan(row[c]) && parzen->tables[c]) sum -= log(parzen->columns[c].cells);
  }
  return sum;
}

/* log of the mixture's density at a row; `terms` (count + 1) is scratch. */
static double log_density(const Parzen *parzen, const double *row, double *terms) {
  int cells[SEARCH_MAX_COLUMNS];
  for (int c = 0; c < parzen->width; c++) {
    cells[c] =
        isnan(row[c]) || !parzen->tables[c] ? 0 : search_cell(parzen->columns[c].cells, row[c]);
  }
  double largest = terms[parzen->count] =
      parzen->log_weight[parzen->count] + log_uniform(parzen, row);
  for (int i = 0; i < parzen->count; i++) {
    terms[i] = parzen->log_weight[i] + log_kernel(parzen, i, row, cells);
    largest = fmax(largest, terms[i]);
  }
  double sum = 0;
  for (int i = 0; i <= parzen->count; i++) sum += exp(terms[i] - largest);
  return largest + log(sum);
}

/* ---- drawing ---- */

static double draw_truncated(Draws *draws, double mean, double deviation) {
  for (int i = 0; i < MAX_DRAWS; i++) {
    double place = mean + deviation * draw_normal(draws);
    if (place >= 0 && place < 1) return place;
  }
  return draw_uniform(draws);
}

static int draw_cell(Draws *draws, const double *log_mass, int cells) {
  double left = draw_uniform(draws);
  for (int cell = 0; cell < cells - 1; cell++) {
    left -= exp(log_mass[cell]);
    if (left < 0) return cell;
  }
  return cells - 1;
}

static int draw_component(Draws *draws, const Parzen *parzen) {
  double left = draw_uniform(draws);
  for (int i = 0; i < parzen->count; i++) {
    left -= exp(parzen->log_weight[i]);
    if (left < 0) return i;
  }
  return parzen->count;
}

static void draw_row(Draws *draws, const Parzen *parzen, double *row) {
  int component = draw_component(draws, parzen);
  const double *center = component < parzen->count ? parzen->rows[component] : NULL;
  for (int c = 0; c < parzen->width; c++) {
    const SearchColumn *column = &parzen->columns[c];
    if (!search_active(parzen->columns, c, row)) {
      row[c] = NAN;
    } else if (!center || isnan(center[c])) {
      row[c] = draw_uniform(draws);
    } else if (parzen->tables[c]) {
      int from = search_cell(column->cells, center[c]);
      int cell = draw_cell(draws, parzen->tables[c] + from * column->cells, column->cells);
      row[c] = search_middle(column->cells, cell);
    } else {
      row[c] = draw_truncated(draws, center[c], parzen->bandwidth[c]);
    }
    if (column->cells && !isnan(row[c])) {
      row[c] = search_middle(column->cells, search_cell(column->cells, row[c]));
    }
  }
}

/* ---- the proposal ---- */

/* The best rows, with weights from FAVOUR falling to 1. */
static int pick_below(const SearchTable *table, int count, const double **rows, double *weights) {
  int n = 0;
  while (n < count && n < table->count && isfinite(table->losses[table->order[n]])) {
    rows[n] = table->places + (size_t)table->order[n] * (size_t)table->width;
    n++;
  }
  for (int i = 0; i < n; i++) weights[i] = n > 1 ? FAVOUR - (FAVOUR - 1) * i / (n - 1) : 1;
  return n;
}

/* The newest of the others and those that are pending, old ones with less weight. */
static int pick_above(const SearchTable *table, int below, int window, const double *pending,
                      int pending_count, const double **rows, double *weights) {
  size_t width = (size_t)table->width;
  int n = 0, most = window + pending_count, last = below > 0 ? table->order[below - 1] : -1;
  for (int i = 0; i < pending_count; i++) rows[n++] = pending + (size_t)i * width;
  for (int i = table->count - 1; i >= 0 && n < most; i--) {
    if (!search_up_to(table, last, i)) rows[n++] = table->places + (size_t)i * width;
  }
  for (int i = 0; i < n; i++) {
    int rank = i - FULL_WEIGHT, older = n - FULL_WEIGHT;
    weights[i] = rank < 0 ? 1 : 1 - (double)rank / older * (1 - 1.0 / n);
  }
  return n;
}

static Status propose(const SearchTable *table, const TpeOptions *options, const double *pending,
                      int pending_count, Arena *arena, Draws *draws, double *row, Err *err) {
  int window = options->window < table->count ? options->window : table->count;
  int best_count = options->below < table->count ? options->below : table->count;
  size_t most = (size_t)window + (size_t)best_count + (size_t)pending_count + 1;
  const double **rows = ARENA_ARRAY(arena, const double *, 2 * most);
  double *weights = ARENA_ARRAY(arena, double, most), *terms = ARENA_ARRAY(arena, double, most);
  double *candidate = ARENA_ARRAY(arena, double, (size_t)table->width);
  if (!rows || !weights || !terms || !candidate) {
    return err_set(err, NN_NO_MEMORY, "no memory for a proposal from %d results", table->count);
  }
  Parzen good, bad;
  int below = pick_below(table, best_count, rows, weights);
  TRY(parzen_new(&good, table, rows, weights, below, options->prior, arena, err));
  int above = pick_above(table, below, window, pending, pending_count, rows + most, weights);
  TRY(parzen_new(&bad, table, rows + most, weights, above, options->prior, arena, err));
  double best = -INFINITY;
  for (int i = 0; i < options->candidates; i++) {
    draw_row(draws, &good, candidate);
    double score = log_density(&good, candidate, terms) - log_density(&bad, candidate, terms);
    if (i == 0 || score > best) {
      best = score;
      memcpy(row, candidate, (size_t)table->width * sizeof *row);
    }
  }
  return NN_OK;
}

Status tpe_propose(const SearchTable *table, const TpeOptions *options, const double *pending,
                   int pending_count, const Rng *rng, double *row, Err *err) {
  Arena arena = {0};
  Draws draws = draws_from(rng);
  Status status = propose(table, options, pending, pending_count, &arena, &draws, row, err);
  arena_free(&arena);
  return status;
}
