/* Optimisers as the script describes them: tables made by nn.SGD, nn.Adam ... (nn/optim.lua). */
#ifndef NNRUN_BINDING_OPTIM_H
#define NNRUN_BINDING_OPTIM_H

#include "binding.h"
#include "train/optim.h"

/* The optimiser at a stack index and its hyper-parameters in the order of its row, checked. Raises
 * a Lua error when the value is no optimiser. */
OptimId binding_check_optim(lua_State *L, int index, double hyper[OPTIM_MAX_HYPERS]);

#endif
