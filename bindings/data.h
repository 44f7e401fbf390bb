/* Between the two files that make up core.data. */
#ifndef NNRUN_BINDINGS_DATA_H
#define NNRUN_BINDINGS_DATA_H

#include <lua.h>

/* read_csv(path, options) -> table userdata, or nil and a message; see bindings/data_table.c. */
int data_read_csv(lua_State *L);
/* Make the metatable of such tables. */
void data_open_table(lua_State *L);

#endif
