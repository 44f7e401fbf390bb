--- Indexing a tensor that takes part in a gradient: the selection as operations, so that the gradient
--- finds its way back. Every other tensor is indexed by the engine (bindings/tensor_index.c).
local core = require "core.tensor"
local op = require "core.op"

-- The elements at `places`, an int64 list, along an axis.
local function take(x, places, axis)
  local shape, column = x:shape(), {}
  for i = 1, #shape do
    column[i] = i == axis and places:size() or 1
  end
  shape[axis] = places:size()
  return op.gather(x, op.expand(places:view(column), shape), { axis = axis })
end

---@param x Tensor
---@param picks table[] for each axis { first =, last =, full = } or { places = int64 }
---@param shape integer[] of the result
---@return Tensor
return function(x, picks, shape)
  if #shape > 0 and #picks == 1 and #x:shape() > 1 then -- a mask of the whole shape
    x = op.reshape(x, { x:size() })
  end
  for axis, pick in ipairs(picks) do
    if pick.places then
      x = take(x, core.new(pick.places), axis)
    elseif not pick.full then
      x = op.slice(x, axis, pick.first, pick.last)
    end
  end
  return op.reshape(x, shape)
end
