/* Arena: many small allocations with one lifetime, freed together.
 *
 * Memory comes back zeroed and aligned to 16 bytes. Nothing is freed singly. An arena belongs to
 * one thread at a time. */
#ifndef NNRUN_BASE_ARENA_H
#define NNRUN_BASE_ARENA_H

#include <stddef.h>

typedef struct ArenaBlock ArenaBlock;
typedef struct Arena {
  ArenaBlock *blocks; /* newest first */
  size_t used, size;  /* of the newest block */
  size_t total;       /* bytes handed out, for reports */
} Arena;

/* An arena starts as all zeros: `Arena arena = {0}`. */

/* `count * size` zeroed bytes, or NULL when memory is out or the product overflows. */
void *arena_alloc(Arena *arena, size_t count, size_t size);
/* A copy of `length` bytes plus a final NUL; NULL when memory is out. */
char *arena_strndup(Arena *arena, const char *text, size_t length);
char *arena_strdup(Arena *arena, const char *text);
/* Free all of it; the arena is empty and usable again. */
void arena_free(Arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), 1, sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc((arena), (count), sizeof(type)))

#endif
