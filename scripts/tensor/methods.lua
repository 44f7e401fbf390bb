--- What a tensor can do. The methods are the engine's; these are their comments, for help and editors.
---@meta
-- luacheck: ignore 212

--- An array of numbers. Operations and the functions of the module that take a tensor first are methods,
--- too. NAME_, as in `x:add_(y)`, writes the result of the elementwise operation NAME over x.
---@class Tensor
local Tensor = {}

--- The elements as nested tables; a number for a tensor without dimensions.
---@return table|number
function Tensor:totable() end

--- The sizes, outermost first.
---@return integer[]
function Tensor:shape() end

--- The element type: "float32", "float64" or "int64".
---@return string
function Tensor:dtype() end

--- The number of elements.
---@return integer
function Tensor:size() end

--- The only element, as a number.
---@return number
function Tensor:item() end

--- The element at some indices.
---@param ... integer one for each dimension, from 1; negative ones count from the end
---@return number
function Tensor:get(...) end

--- Change the element at some indices: `x:set(i, j, value)`.
---@param ... number one index for each dimension, then the value
---@return Tensor self
function Tensor:set(...) end

--- Rows first to last of the first dimension, both included. The memory is shared.
---@param first integer
---@param last integer
---@return Tensor
function Tensor:rows(first, last) end

--- A copy with another element type; to int64 fractions are cut off.
---@param dtype string
---@return Tensor
function Tensor:to(dtype) end

--- The same elements in another shape. The memory is shared.
---@param shape integer[] one size may be -1: what is left
---@return Tensor
function Tensor:view(shape) end

--- The memory of the elements as a string, as this machine has it.
---@return string
function Tensor:bytes() end

--- Overwrite the elements with what `bytes` gave, of a tensor of this size and type.
---@param bytes string
---@return Tensor self
function Tensor:set_bytes(bytes) end

--- Overwrite the elements with those of a tensor of the same shape, of any dtype.
---@param source Tensor
---@return Tensor self
function Tensor:copy(source) end

--- Become a view of another tensor's memory, keeping the elements: how a model packs its parameters.
---@param flat Tensor of the same dtype
---@param offset integer in elements, from 0
function Tensor:adopt(flat, offset) end

--- Collect gradients in this tensor from now on: operations on it are remembered, and `y:backward()`
--- goes back over them. The tensor itself must not be written to, except in tensor.no_grad.
---@param wanted? boolean default true; false: no more
---@return Tensor self
function Tensor:requires_grad(wanted) end

--- Whether a gradient will reach this tensor or go through it.
---@return boolean
function Tensor:is_tracked() end

--- The same elements, in the same memory, without a past: no gradient goes through it.
---@return Tensor
function Tensor:detach() end

--- Add d self / d x to `x:grad()` of every x that requires a gradient and that this value was made from.
--- A value of more than one element needs the gradient that arrives.
---@param gradient? Tensor of this tensor's shape; default 1
function Tensor:backward(gradient) end

--- The gradient that backward has added up; nil before the first, and for tensors that require none.
---@return Tensor?
function Tensor:grad() end

--- Forget the gradient.
---@return Tensor self
function Tensor:zero_grad() end

--- The SHA-256 of dtype, shape and elements, as hex digits.
---@return string
function Tensor:hash() end

return Tensor
