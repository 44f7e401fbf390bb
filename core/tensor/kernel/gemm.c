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

/* Measured on Zen 3, with caches of 32 KB, 512 KB and 32 MB. */
enum {
  DEPTH_MAX = sizeof(real) == 4 ? 352 : 256,  /* panel and tile of A: 30 KB of the first level */
  A_ELEMENTS = 256 * 1024 / sizeof(real),     /* block of A: of the second level */
  GROUP = 16,                                 /* vectors of B copied together: likewise */
  FINISH_ELEMENTS = 64 * 1024 / sizeof(real), /* pieces of C that the epilogue gets, about */
  AGAIN_ELEMENTS = 128 * 1024 / sizeof(real)  /* B that may be copied for every block of rows */
};

/* How a block of A is read. */
typedef enum Reading {
  IN_PLACE,
  COPIED_TILES, /* (depth, rows) of each tile; transposed A while the first panel computes */
} Reading;

/* One block of A against all of B. */
typedef struct Block {
  const GemmPiece *piece;
  int64_t row, rows, p, depth; /* A[row ...][p ...] */
  Reading reading;
  bool groups;  /* copy B by groups of panels, not panel by panel */
  real *a_copy; /* when A is copied */
  real *b_copy; /* a panel, or a group of panels, each (depth, its columns) */
} Block;

/* Vectors in the next panel, when `left` columns are left. Three only at the end: it needs tiles
 * of another height, which copied tiles do not have. */
static int panel_vectors(int64_t left, Reading reading) {
  int64_t vectors = (left + VL - 1) / VL;
  if (vectors == 3 && reading != COPIED_TILES) return 3;
  return vectors < 2 ? 1 : 2;
}

/* A panel of B: `width` columns from `col`, padded to whole vectors in its copy. */
typedef struct Panel {
  int64_t col, width;
  int vectors;
  bool copied;
  real *copy; /* (depth, vectors * VL) */
} Panel;

static Panel panel_at(const Block *block, int64_t col, real *copy) {
  int64_t left = block->piece->gemm.n - col;
  int vectors = panel_vectors(left, block->reading);
  return (Panel){col, left < vectors * VL ? left : vectors * VL, vectors, false, copy};
}

static void copy_panel(const Block *block, Panel *panel) {
  const Gemm *g = &block->piece->gemm;
  const real *b = g->b;
  int64_t stride = panel->vectors * VL;
  panel->copied = true;
  if (g->trans_b)
    pack_transposed(panel->copy, stride, b + panel->col * g->ldb + block->p, g->ldb, block->depth,
                    panel->width);
  else
    pack_padded(panel->copy, stride, b + block->p * g->ldb + panel->col, g->ldb, block->depth,
                panel->width);
}

/* Copy the whole panels of two vectors among the next GROUP vectors: long pieces of each row of B
 * at a time, as single panels of rows that lie far apart wait for memory at every row. */
static int64_t copy_group(const Block *block, int64_t col) {
  const Gemm *g = &block->piece->gemm;
  const real *b = (const real *)g->b + block->p * g->ldb + col;
  int64_t left = g->n - col, panels = 0;
  while (panels < GROUP / 2 && left >= 2 * VL && panel_vectors(left, block->reading) == 2)
    panels++, left -= 2 * VL;
  pack_panels(block->b_copy, panels, b, g->ldb, block->depth);
  return col + panels * 2 * VL;
}

/* Where the tiles of the panel read A and how; returns the kind of tile. */
static int place_a(const Block *block, const Panel *panel, Tile *tile) {
  const Gemm *g = &block->piece->gemm;
  tile->a = (const real *)g->a +
            (g->trans_a ? block->p * g->lda + block->row : block->row * g->lda + block->p);
  tile->a_row = g->trans_a ? 1 : g->lda, tile->a_col = g->trans_a ? g->lda : 1;
  if (block->reading == IN_PLACE) return 0;
  if (g->trans_a && panel->col == 0) {
    tile->pack_a = block->a_copy;
    return TILE_PACK_A;
  }
  tile->a = block->a_copy, tile->a_row = 1;
  return 0;
}

/* Where the first tile of the panel reads B; returns the kind of that tile. */
static int place_b(const Block *block, Panel *panel, Tile *tile, int64_t tiles) {
  const Gemm *g = &block->piece->gemm;
  int64_t stride = panel->vectors * VL;
  tile->b = panel->copy, tile->b_row = stride, tile->pack_b = panel->copy;
  if (!panel->copied && (g->trans_b || panel->width < stride)) copy_panel(block, panel);
  if (panel->copied) return 0;
  tile->b = (const real *)g->b + block->p * g->ldb + panel->col, tile->b_row = g->ldb;
  return tiles > 2 && g->ldb != stride ? TILE_PACK_B : 0;
}

static void run_panel(const Block *block, Panel *panel) {
  const Gemm *g = &block->piece->gemm;
  const int64_t depth = block->depth;
  Tile tile = {.width = panel->width, .depth = depth, .c_row = g->ldc};
  tile.c = (real *)g->c + block->row * g->ldc + panel->col;
  tile.add = g->accumulate || block->p > 0;
  tile.bias = g->bias && block->p + depth == g->k ? (const real *)g->bias + panel->col : NULL;
  int most = tile_rows(block->reading == COPIED_TILES ? 2 : panel->vectors);
  int64_t tiles = (block->rows + most - 1) / most;
  int64_t fewest = block->rows / tiles, more = block->rows % tiles;
  int kind = place_a(block, panel, &tile), first = place_b(block, panel, &tile, tiles);
  bool from_tiles = block->reading == COPIED_TILES && !kind;
  const TileRun(*runs)[TILE_KINDS] = K(gemm_tiles)[panel->vectors - 1];
  for (int64_t t = 0; t < tiles; t++) {
    int64_t rows = fewest + (t < more);
    if (from_tiles) tile.a_col = rows;
    runs[rows - 1][kind | first](&tile);
    if (first) tile.b = panel->copy, tile.b_row = panel->vectors * VL, first = 0;
    tile.a += from_tiles ? rows * depth : rows * tile.a_row;
    if (kind) tile.pack_a += rows * depth;
    tile.c += rows * g->ldc;
  }
}

static void copy_tiles(const Block *block) {
  const Gemm *g = &block->piece->gemm;
  const real *a = (const real *)g->a + block->row * g->lda + block->p;
  real *to = block->a_copy;
  int64_t tiles = (block->rows + tile_rows(2) - 1) / tile_rows(2);
  int64_t fewest = block->rows / tiles, more = block->rows % tiles;
  for (int64_t t = 0; t < tiles; t++) {
    int64_t rows = fewest + (t < more);
    pack_tile(to, a, g->lda, rows, block->depth);
    a += rows * g->lda, to += rows * block->depth;
  }
}

static void run_block(const Block *block) {
  const Gemm *g = &block->piece->gemm;
  bool finish = g->epilogue && block->p + block->depth == g->k;
  if (block->reading == COPIED_TILES && !g->trans_a) copy_tiles(block);
  int64_t finished = 0, group = 0, group_end = 0, end;
  for (int64_t col = 0; col < g->n; col = end) {
    if (block->groups && col == group_end) group = col, group_end = copy_group(block, col);
    bool in_group = col < group_end;
    Panel panel = panel_at(block, col, block->b_copy + (in_group ? col - group : 0) * block->depth);
    panel.copied = in_group;
    run_panel(block, &panel);
    end = col + panel.width;
    if (!finish || (end < g->n && (end - finished) * block->rows < FINISH_ELEMENTS)) continue;
    gemm_finish(block->piece, sizeof(real), block->row, finished, block->rows, end - finished);
    finished = end;
  }
}

/* Rows whose distance is a multiple of BAD_STRIDE bytes fall on a quarter or less of the cache's
 * sets; rows FAR_STRIDE apart cost a page each. A copy of A pays when more than SOME vectors of
 * columns use it, or MANY if nothing is wrong with its stride. */
enum { BAD_STRIDE = 1024, FAR_STRIDE = 2048, SOME = 16, MANY = 32, FEW_ROWS = 16 };

static Reading choose_reading(const Gemm *g) {
  if (g->trans_a) return g->n > 4 * VL ? COPIED_TILES : IN_PLACE;
  bool bad = g->lda * (int64_t)sizeof(real) % BAD_STRIDE == 0;
  return g->m > 8 && g->n >= (bad ? SOME : MANY) * VL ? COPIED_TILES : IN_PLACE;
}

static bool choose_groups(const Gemm *g) {
  return !g->trans_b && g->ldb * (int64_t)sizeof(real) >= FAR_STRIDE && g->n >= GROUP * VL &&
         g->m >= FEW_ROWS;
}

/* Rows of A in a block. Where an epilogue follows and B is small, so few that their C is still in
 * the second-level cache then, and the pieces are more than a vector wide. */
static int64_t block_rows(const Gemm *g, int64_t depth) {
  int64_t rows = A_ELEMENTS / depth, wide = AGAIN_ELEMENTS / g->n;
  if (!g->epilogue || depth * g->n > AGAIN_ELEMENTS || wide > rows) return rows;
  return wide > FEW_ROWS ? wide : FEW_ROWS;
}

/* Call run_block for every block. */
static void run_blocks(const GemmPiece *piece, Block block) {
  const Gemm *g = &piece->gemm;
  int64_t depths = (g->k + DEPTH_MAX - 1) / DEPTH_MAX;
  block.piece = piece;
  for (int64_t d = 0; d < depths; d++) {
    block.p = g->k * d / depths, block.depth = g->k * (d + 1) / depths - block.p;
    int64_t rows_max = block_rows(g, block.depth);
    int64_t blocks = (g->m + rows_max - 1) / rows_max;
    for (int64_t i = 0; i < blocks; i++) {
      block.row = g->m * i / blocks, block.rows = g->m * (i + 1) / blocks - block.row;
      run_block(&block);
    }
  }
}

/* The copies live on the stack; the large ones only where they are used. */
static __attribute__((noinline)) void run_copying_all(const GemmPiece *piece, Block block) {
  real a_copy[A_ELEMENTS + VL] __attribute__((aligned(64)));
  real b_copy[DEPTH_MAX * GROUP * VL] __attribute__((aligned(64)));
  block.a_copy = a_copy, block.b_copy = b_copy;
  run_blocks(piece, block);
}

static __attribute__((noinline)) void run_copying_panels(const GemmPiece *piece, Block block) {
  real b_copy[DEPTH_MAX * PANEL_MAX * VL] __attribute__((aligned(64)));
  block.b_copy = b_copy;
  run_blocks(piece, block);
}

void K(gemm_tiled)(const GemmPiece *piece) {
  Block block = {.reading = choose_reading(&piece->gemm), .groups = choose_groups(&piece->gemm)};
  if (block.reading == IN_PLACE && !block.groups)
    run_copying_panels(piece, block);
  else
    run_copying_all(piece, block);
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
    if (K(gemm_is_thin)(g))
      K(gemm_thin)(&piece);
    else
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
