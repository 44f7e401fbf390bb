/* Matrix product on this machine: which kernel runs, and the loops around the register tiles.
 *
 * gemm_tiled cuts k into blocks and m into blocks so that a block of A stays in the second-level
 * cache; within a block it takes one panel of B (depth x 8 to 24 columns, first-level cache) after
 * the other and runs down the rows. A panel is copied while its first tile computes, A (when
 * transposed, or with rows that fall on the same cache lines) while the first panel does.
 * After Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008. */
#include "gemm_pack.h"

#define ISA_PASTE_(isa) ISA_##isa
#define ISA_PASTE(isa) ISA_PASTE_(isa)

#ifndef GEMM_DEPTH
#define GEMM_DEPTH 256
#endif
#ifndef GEMM_A
#define GEMM_A 196608
#endif
enum {
  DEPTH_MAX = GEMM_DEPTH,                /* panel of 16 f32: 16 KB of a 32 KB first-level cache */
  A_ELEMENTS = GEMM_A / sizeof(real),    /* of a 512 KB second-level cache */
  ROW_PAD = 64 / sizeof(real),           /* keeps copied rows from falling on the same lines */
  FINISH_ELEMENTS = 65536 / sizeof(real) /* the epilogue gets pieces of C of about this size */
};

/* How a block of A is read. */
typedef enum Reading {
  IN_PLACE,
  COPIED_ROWS,  /* rows copied together, before */
  COPIED_TILES, /* (depth, rows) of each tile, copied while the first panel computes */
} Reading;

/* One block of A against all of B. */
typedef struct Block {
  const GemmPiece *piece;
  int64_t row, rows, p, depth; /* A[row ...][p ...] */
  Reading reading;
  real *a_copy, *panel_copy;
} Block;

/* Vectors in the next panel, when `left` columns are left. Three only at the end: it needs tiles
 * of another height, which copied tiles do not have. */
static int panel_vectors(int64_t left, Reading reading) {
  int64_t vectors = (left + VL - 1) / VL;
  if (vectors == 3 && reading != COPIED_TILES) return 3;
  return vectors < 2 ? 1 : 2;
}

/* Bring the panel into a form that tiles can read. True when its first tile shall copy it. */
static bool prepare_panel(const Block *block, Tile *tile, int64_t col, int vectors, int64_t tiles) {
  const Gemm *g = &block->piece->gemm;
  const real *b = g->b;
  int64_t width = vectors * VL;
  if (g->trans_b || tile->width < width) {
    if (g->trans_b)
      pack_transposed(block->panel_copy, width, b + col * g->ldb + block->p, g->ldb, block->depth,
                      tile->width);
    else
      pack_padded(block->panel_copy, width, b + block->p * g->ldb + col, g->ldb, block->depth,
                  tile->width);
    tile->b = block->panel_copy, tile->b_row = width;
    return false;
  }
  tile->b = b + block->p * g->ldb + col, tile->b_row = g->ldb;
  return tiles > 2 && g->ldb != width;
}

static void run_panel(const Block *block, int64_t col, int vectors) {
  const Gemm *g = &block->piece->gemm;
  int64_t left = g->n - col, width = vectors * VL;
  bool last = block->p + block->depth == g->k;
  Tile tile = {.width = left < width ? left : width, .depth = block->depth};
  tile.c = (real *)g->c + block->row * g->ldc + col, tile.c_row = g->ldc;
  tile.add = g->accumulate || block->p > 0;
  tile.bias = g->bias && last ? (const real *)g->bias + col : NULL;
  int most = tile_rows(block->reading == COPIED_TILES ? 2 : vectors);
  int64_t tiles = (block->rows + most - 1) / most;
  int64_t fewest = block->rows / tiles, more = block->rows % tiles;
  bool pack_b = prepare_panel(block, &tile, col, vectors, tiles);
  int kind = 0;
  tile.a = (const real *)g->a +
           (g->trans_a ? block->p * g->lda + block->row : block->row * g->lda + block->p);
  tile.a_row = g->trans_a ? 1 : g->lda, tile.a_col = g->trans_a ? g->lda : 1;
  if (block->reading == COPIED_ROWS) {
    tile.a = block->a_copy, tile.a_row = block->depth + ROW_PAD;
  } else if (block->reading == COPIED_TILES && col == 0) {
    tile.pack_a = block->a_copy, kind = TILE_PACK_A;
  } else if (block->reading == COPIED_TILES) {
    tile.a = block->a_copy;
  }
  bool from_tiles = block->reading == COPIED_TILES && col > 0;
  const TileRun(*runs)[TILE_KINDS] = K(gemm_tiles)[vectors - 1];
  for (int64_t t = 0; t < tiles; t++) {
    int64_t rows = fewest + (t < more);
    if (from_tiles) tile.a_row = 1, tile.a_col = rows;
    if (t == 0 && pack_b) {
      tile.pack_b = block->panel_copy;
      runs[rows - 1][kind | TILE_PACK_B](&tile);
      tile.b = block->panel_copy, tile.b_row = width;
    } else {
      runs[rows - 1][kind](&tile);
    }
    tile.a += from_tiles ? rows * block->depth : rows * tile.a_row;
    if (kind) tile.pack_a += rows * block->depth;
    tile.c += rows * g->ldc;
  }
}

static void run_block(const Block *block) {
  const Gemm *g = &block->piece->gemm;
  bool finish = g->epilogue && block->p + block->depth == g->k;
  if (block->reading == COPIED_ROWS)
    pack_rows(block->a_copy, block->depth + ROW_PAD,
              (const real *)g->a + block->row * g->lda + block->p, g->lda, block->rows,
              block->depth);
  int64_t finished = 0;
  for (int64_t col = 0; col < g->n;) {
    int vectors = panel_vectors(g->n - col, block->reading);
    run_panel(block, col, vectors);
    col += vectors * VL;
    if (!finish) continue;
    int64_t end = col < g->n ? col : g->n;
    if (end < g->n && (end - finished) * block->rows < FINISH_ELEMENTS) continue;
    gemm_finish(block->piece, sizeof(real), block->row, finished, block->rows, end - finished);
    finished = end;
  }
}

/* Rows whose distance is a multiple of this fall on a quarter or less of the cache's sets. */
enum { BAD_STRIDE = 1024 };

static Reading choose_reading(const Gemm *g) {
  if (g->n <= 4 * VL) return IN_PLACE;
  if (g->trans_a) return COPIED_TILES;
  bool bad = g->lda * (int64_t)sizeof(real) % BAD_STRIDE == 0;
  return bad && g->n >= 16 * VL && g->m > 8 ? COPIED_ROWS : IN_PLACE;
}

/* Call run_block for every block; the copies live here, on the stack. */
static void run_blocks(const GemmPiece *piece, Reading reading, real *a_copy) {
  const Gemm *g = &piece->gemm;
  real panel_copy[DEPTH_MAX * PANEL_MAX * VL] __attribute__((aligned(64)));
  int64_t depths = (g->k + DEPTH_MAX - 1) / DEPTH_MAX;
  for (int64_t d = 0; d < depths; d++) {
    int64_t p = g->k * d / depths, depth = g->k * (d + 1) / depths - p;
    int64_t rows_max = A_ELEMENTS / (depth + ROW_PAD);
    int64_t blocks = (g->m + rows_max - 1) / rows_max;
    for (int64_t i = 0; i < blocks; i++) {
      int64_t row = g->m * i / blocks, rows = g->m * (i + 1) / blocks - row;
      Block block = {piece, row, rows, p, depth, reading, a_copy, panel_copy};
      run_block(&block);
    }
  }
}

static __attribute__((noinline)) void run_copying(const GemmPiece *piece, Reading reading) {
  real a_copy[A_ELEMENTS] __attribute__((aligned(64)));
  run_blocks(piece, reading, a_copy);
}

void K(gemm_tiled)(const GemmPiece *piece) {
  Reading reading = choose_reading(&piece->gemm);
  if (reading == IN_PLACE)
    run_blocks(piece, reading, NULL);
  else
    run_copying(piece, reading);
}

/* k = 0: zeros, or what C held, and the bias. */
static void fill(const Gemm *g) {
  const real *bias = g->bias;
  for (int64_t i = 0; i < g->m; i++) {
    real *c = (real *)g->c + i * g->ldc;
    for (int64_t j = 0; j < g->n; j++) c[j] = (g->accumulate ? c[j] : 0) + (bias ? bias[j] : 0);
  }
}

void K(gemm_run)(const Gemm *gemm, int part, int parts) {
  GemmPiece piece = gemm_piece(gemm, part, parts, sizeof(real));
  const Gemm *g = &piece.gemm;
  if (g->m <= 0 || g->n <= 0) return;
  if (gemm_blas_wanted(gemm, ISA_PASTE(ISA)) && gemm_blas_run(&piece, REAL_DTYPE)) return;
  if (g->k > 0 && g->n > 4 && g->m > 1) {
    K(gemm_tiled)(&piece);
    return;
  }
  if (g->k <= 0)
    fill(g);
  else if (g->n == 1 || g->m == 1)
    K(gemm_vector)(g);
  else
    K(gemm_narrow)(g);
  gemm_finish(&piece, sizeof(real), 0, 0, g->m, g->n);
}
