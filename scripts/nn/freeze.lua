--- Freezing: parameters that training leaves as they are.
local groups = require "nn.groups"
local layers = require "nn.layers"

---@class Layer
local Layer = layers.Layer

--- Leave parameters as they are in training: they get no gradient, no update, no decay, and cost no time.
--- Running statistics of frozen layers still change, as in PyTorch.
---
--- `model:freeze("conv*")` takes names of layers or parameters, `*` standing for anything and `?` for one
--- character; of a layer `layer:freeze()` means all parameters in it, also those that are made later. It
--- works between epochs, in fit's callback, too: what the optimiser remembers of a parameter is kept.
---@param match? string|Layer|table pattern, layer, or a list of them; default all
---@return Layer self
function Layer:freeze(match)
  return groups.set_frozen(self, match, true, "freeze")
end

--- Train parameters again that were frozen.
---@param match? string|Layer|table as freeze takes it; default all
---@return Layer self
function Layer:unfreeze(match)
  return groups.set_frozen(self, match, false, "unfreeze")
end
