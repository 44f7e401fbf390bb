/* What the kernels of recurrent layers share: the walk over the steps and the products with packed
 * weights.
 *
 * Rows of a batch do not depend on each other: a block of them goes through the whole sequence. At
 * each step, for a few hidden units at a time, the register tiles of the matrix product give the
 * units' sums for all rows, and the cell makes the new state of them while they are in the first
 * cache. Weights are packed once a call, in the order in which tiles read them. */
#ifndef NNRUN_OP_KERNEL_RECURRENT_H
#define NNRUN_OP_KERNEL_RECURRENT_H

#include "family.h"
#include "gate.h"
#include "op/recurrent.h"
#include "tensor/kernel/gemm_pack.h"

/* Depth of a panel of packed weights that stays in the first-level cache. */
enum { RNN_DEPTH = sizeof(real) == 4 ? 352 : 256 };

/* Hidden units that a step goes through at a time: a cache line of float32. */
enum { UNIT = 2 * VEC_BYTES / sizeof(real) };

/* C (rows, UNIT) = A (rows, depth) B (depth, UNIT) + bias; depth may be 0 */
typedef struct Product {
  int64_t rows, depth;
  const real *a;
  int64_t a_row;
  const real *b;
  real *c;
  int64_t c_row;
  const real *bias; /* (UNIT) or NULL */
} Product;

static inline void run_product(const Product *p) {
  const TileRun(*runs)[TILE_KINDS] = K(gemm_tiles)[1];
  int most = tile_rows(2);
  int64_t chunks = (p->depth + RNN_DEPTH - 1) / RNN_DEPTH;
  if (chunks == 0) chunks = 1;
  int64_t tiles = (p->rows + most - 1) / most, fewest = p->rows / tiles, more = p->rows % tiles;
  for (int64_t d = 0; d < chunks; d++) {
    int64_t begin = p->depth * d / chunks, end = p->depth * (d + 1) / chunks;
    Tile tile = {.a = p->a + begin,
                 .a_row = p->a_row,
                 .a_col = 1,
                 .b = p->b + begin * UNIT,
                 .b_row = UNIT,
                 .c = p->c,
                 .c_row = p->c_row,
                 .width = UNIT,
                 .depth = end - begin,
                 .bias = d == 0 ? p->bias : NULL,
                 .add = d > 0};
    for (int64_t t = 0; t < tiles; t++) {
      int64_t rows = fewest + (t < more);
      runs[rows - 1][0](&tile);
      tile.a += rows * p->a_row;
      tile.c += rows * p->c_row;
    }
  }
}

/* to (depth, UNIT) = the transpose of `units` <= UNIT rows of w, zeros in the columns behind them
 */
static inline void pack_units(real *to, const real *w, int64_t w_row, int64_t units,
                              int64_t depth) {
  for (int64_t half = 0; half < UNIT; half += VL) {
    const real *rows = w + half * w_row;
    int64_t squares = units - half < VL ? 0 : depth / VL * VL;
    for (int64_t p = 0; p < squares; p += VL)
      transpose_block(to + p * UNIT + half, UNIT, rows + p, w_row);
    for (int64_t p = squares; p < depth; p++)
      for (int64_t u = 0; u < VL; u++)
        to[p * UNIT + half + u] = half + u < units ? rows[u * w_row + p] : 0;
  }
}

/* Some rows of the batch, on their way through the sequence. */
typedef struct Walk {
  int64_t rows, first; /* of the block, and its first row in the batch */
  int64_t most;        /* rows of a block */
  int64_t all_rows, steps;
  bool reverse;
  const int64_t *lengths; /* of the batch, or NULL */
} Walk;

static inline int64_t walk_time(const Walk *walk, int64_t step) {
  return walk->reverse ? walk->steps - 1 - step : step;
}

/* Is the row's sequence over, or with `reverse` not begun, at this time? */
static inline bool walk_masked(const Walk *walk, int64_t row, int64_t time) {
  return walk->lengths && time >= walk->lengths[walk->first + row];
}

/* Where (row, time) stands among all N * T, batch first as x and y, or steps first. */
static inline int64_t walk_at(const Walk *walk, int64_t row, int64_t time) {
  return (walk->first + row) * walk->steps + time;
}
static inline int64_t walk_step_at(const Walk *walk, int64_t row, int64_t time) {
  return time * walk->all_rows + walk->first + row;
}

/* The output before (row, time), which is of the batch: y's, h0 (N, H) where the row's own sequence
 * begins, or NULL: 0. */
static inline const real *walk_before(const Walk *walk, const real *y, const real *h0,
                                      int64_t hidden, int64_t row, int64_t time) {
  int64_t before = walk->reverse ? time + 1 : time - 1;
  bool begins = before < 0 || before >= walk->steps ||
                (walk->reverse && walk->lengths && before >= walk->lengths[row]);
  if (begins) return h0 ? h0 + row * hidden : NULL;
  return y + (row * walk->steps + before) * hidden;
}

/* to = from, or zeros when that is NULL */
static inline void copy_or_zero(real *to, const real *from, int64_t count) {
  if (from)
    memcpy(to, from, (size_t)count * sizeof *to);
  else
    memset(to, 0, (size_t)count * sizeof *to);
}

/* Store the first `units` elements of a vector. */
INLINE void store_units(real *to, Vec value, int64_t units) {
  if (units >= VL) {
    vec_store(to, value);
    return;
  }
  real whole[VL];
  vec_store(whole, value);
  for (int64_t u = 0; u < units; u++) to[u] = whole[u];
}

/* Blocks of rows of a part, about equal. */
typedef void WalkBlock(Walk *walk, void *context);
static inline void walk_blocks(Walk *walk, Range part, WalkBlock *block, void *context) {
  int64_t rows = part.end - part.begin;
  int64_t blocks = (rows + walk->most - 1) / walk->most;
  for (int64_t b = 0; b < blocks; b++) {
    walk->first = part.begin + rows * b / blocks;
    walk->rows = part.begin + rows * (b + 1) / blocks - walk->first;
    block(walk, context);
  }
}

#endif
