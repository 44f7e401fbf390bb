--- Upsample: planes or lines made larger, or smaller.
local layers = require "nn.layers"
local op = require "core.op"
local options = require "options"

local M = {}

local UPSAMPLE = {
  scale_factor = { type = "number", help = "how many times as large; give this or size" },
  size = { type = "integer|table", help = "the size of the result: a number, or { height, width }" },
  mode = { type = "string", choices = { "nearest", "linear", "bilinear" }, default = "nearest",
    help = "linear for lines, bilinear for planes" },
  align_corners = { type = "boolean", default = false,
    help = "linear: the first and last elements stay where they are" },
  name = { type = "string", help = "for messages and saved weights" },
}

local upsample = layers.layer("Upsample", {
  init = function(self, o)
    self.o, self.name = o, o.name
  end,
  forward = function(self, x)
    local o, axes = self.o, #x:shape() - 2
    if o.mode ~= "nearest" and o.mode ~= (axes == 1 and "linear" or "bilinear") then
      options.fail("nn.Upsample: mode \"%s\" is for (n, channels, %s), not for shape (N, %s)", o.mode,
        o.mode == "linear" and "length" or "height, width", table.concat(x:shape(), ", ", 2))
    end
    return op.interpolate(x, { size = o.size, scale_factor = o.scale_factor, linear = o.mode ~= "nearest",
      align_corners = o.align_corners })
  end,
})

--- Resize (n, channels, length) or (n, channels, height, width) by a factor or to a size, with PyTorch's
--- coordinates: `nn.Upsample(2)`, `nn.Upsample { size = { 32, 32 }, mode = "bilinear" }`.
---@param scale_factor number|table how many times as large, or a table of options
---@param given? table
---@return Layer
---@options UPSAMPLE
function M.Upsample(scale_factor, given)
  local o = options.arguments({ "scale_factor" }, UPSAMPLE, "nn.Upsample", scale_factor, given)
  if (o.scale_factor == nil) == (o.size == nil) then
    options.fail("nn.Upsample: give scale_factor or size, one of the two")
  end
  return upsample(o)
end

return M
