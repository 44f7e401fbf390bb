/* Attributes of ops and options of layers as Lua arguments. Axes and indices count from 1 in Lua.
 */
#ifndef NNRUN_BINDING_ATTRS_H
#define NNRUN_BINDING_ATTRS_H

#include "binding.h"
#include "op/op.h"

/* Read the arguments at stack indices index .. top: one table by name, or values in the order of
 * `text` (see op.h). `what` is the op or layer, for messages. */
void binding_read_attrs(lua_State *L, int index, int top, const char *what, const char *text,
                        Attrs *attrs);
/* Push a list of { name, type, required, default } of `text`. */
void binding_push_attrs(lua_State *L, const char *text);

#endif
