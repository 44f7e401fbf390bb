/* A list of named arrays, as files with several of them hold. */
#ifndef NNRUN_DATA_ARRAYS_H
#define NNRUN_DATA_ARRAYS_H

#include "base/arena.h"
#include "tensor/tensor.h"

/* Numbers in `tensor`, or else `text_count` strings in `texts` (and tensor.buffer NULL). */
typedef struct NamedArray {
  char *name; /* in the arena, as are the texts */
  Tensor tensor;
  char **texts;
  int64_t text_count;
} NamedArray;

/* Starts as all zeros; owns everything in it. */
typedef struct ArrayList {
  NamedArray *items;
  size_t count, room;
  Arena arena;
} ArrayList;

/* Append an empty array under a copy of the name. The pointer holds until the next append. */
Status array_list_add(NamedArray **out, ArrayList *list, const char *name, size_t name_length,
                      Err *err);
void array_list_free(ArrayList *list);

#endif
