#include "base/arena.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGN = 16, ARENA_BLOCK = 16 * 1024 };

struct ArenaBlock {
  ArenaBlock *next;
  char pad[ARENA_ALIGN - sizeof(ArenaBlock *)];
  char bytes[];
};

void *arena_alloc(Arena *arena, size_t count, size_t size) {
  size_t bytes;
  if (!checked_mul(&bytes, count, size) || !checked_align(&bytes, bytes, ARENA_ALIGN)) return NULL;
  if (bytes > arena->size - arena->used || !arena->blocks) {
    size_t capacity = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK, whole;
    if (!checked_add(&whole, capacity, sizeof(ArenaBlock))) return NULL;
    ArenaBlock *block = calloc(1, whole);
    if (!block) return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->used = 0;
    arena->size = capacity;
  }
  void *result = arena->blocks->bytes + arena->used;
  arena->used += bytes;
  arena->total += bytes;
  return result;
}

char *arena_strndup(Arena *arena, const char *text, size_t length) {
  char *copy = arena_alloc(arena, length + 1, 1);
  if (copy) memcpy(copy, text, length);
  return copy;
}

char *arena_strdup(Arena *arena, const char *text) {
  return arena_strndup(arena, text, strlen(text));
}

void arena_free(Arena *arena) {
  while (arena->blocks) {
    ArenaBlock *next = arena->blocks->next;
    free(arena->blocks);
    arena->blocks = next;
  }
  *arena = (Arena){0};
}
