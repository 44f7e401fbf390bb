#include "data/arrays.h"

#include <stdlib.h>

enum { FIRST_ROOM = 8 };

Status array_list_add(NamedArray **out, ArrayList *list, const char *name, size_t name_length,
                      Err *err) {
  *out = NULL;
  if (list->count == list->room) {
    size_t room = list->room ? list->room * 2 : FIRST_ROOM;
    NamedArray *items = reallocarray(list->items, room, sizeof *items);
    if (!items) return err_set(err, NN_NO_MEMORY, "no memory for a list of %zu arrays", room);
    list->items = items;
    list->room = room;
  }
  char *copy = arena_strndup(&list->arena, name, name_length);
  if (!copy) return err_set(err, NN_NO_MEMORY, "no memory for the name of an array");
  list->items[list->count] = (NamedArray){.name = copy};
  *out = &list->items[list->count++];
  return NN_OK;
}

void array_list_free(ArrayList *list) {
  for (size_t i = 0; i < list->count; i++) tensor_release(&list->items[i].tensor);
  free(list->items);
  arena_free(&list->arena);
  *list = (ArrayList){0};
}
