/* Initialisers as the script describes them: a name, or a table made by nn.init (nn/init.lua). */
#ifndef NNRUN_BINDING_INIT_H
#define NNRUN_BINDING_INIT_H

#include "binding.h"
#include "layer/init.h"

/* The initialiser at a stack index, "he_normal" or nn.init.he_normal { gain = 2 }, and its
 * arguments in the order of its row. Raises a Lua error when the value is neither; given values
 * (nn.init.values) are not a law and must be handled before. */
InitId binding_check_init(lua_State *L, int index, double args[INIT_MAX_ARGS]);

#endif
