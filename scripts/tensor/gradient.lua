--- Gradients of hand-written functions of tensors.
local core = require "core.tensor"
local options = require "options"

local M = {}

-- Which arguments: a number or a list of them, from 1.
local function positions(what, argnums)
  local list = type(argnums) == "table" and argnums or { argnums or 1 }
  for _, position in ipairs(list) do
    if math.type(position) ~= "integer" or position < 1 then
      options.fail("%s: argnums is a number or a list of numbers from 1, got %s", what, options.show(argnums))
    end
  end
  return list
end

-- Call f with the chosen arguments tracked; its value and their gradients.
local function differentiate(what, f, list, ...)
  local arguments, leaves = table.pack(...), {}
  for i, position in ipairs(list) do
    local given = arguments[position]
    if type(given) == "number" then
      given = core.new(given, "float64")
    elseif not core.is_tensor(given) then
      options.fail("%s: argument %d must be a tensor or a number, got %s", what, position, options.show(given))
    end
    if given:is_tracked() then
      options.fail("%s: argument %d takes part in a gradient already, and gradients have none of their own; "
        .. "pass x:detach()", what, position)
    end
    leaves[i] = given:detach():requires_grad()
    arguments[position] = leaves[i]
  end
  local value = f(table.unpack(arguments, 1, arguments.n))
  if not core.is_tensor(value) or value:size() ~= 1 then
    options.fail("%s: the function must return a tensor of one element, got %s", what,
      core.is_tensor(value) and "shape (" .. table.concat(value:shape(), ", ") .. ")" or options.show(value))
  end
  if value:is_tracked() then
    value:backward()
  end
  local grads = {}
  for i, leaf in ipairs(leaves) do
    grads[i] = leaf:grad() or core.zeros(leaf:shape(), leaf:dtype())
  end
  return value:detach(), grads
end

--- The function that gives df/dx of a function with one number as its value.
---
--- `tensor.grad(function(x) return (x * x):sum() end)(x)` is 2 x. With several argnums there are as many
--- results. f may hold any Lua code; what it does with its argument is remembered as it runs.
---@param f fun(...): Tensor must return a tensor of one element
---@param argnums? integer|integer[] which arguments, from 1; default 1
---@return fun(...): Tensor
function M.grad(f, argnums)
  local list = positions("grad", argnums)
  return function(...)
    local _, grads = differentiate("grad", f, list, ...)
    return table.unpack(grads, 1, #list)
  end
end

--- As grad, but the function gives f(x) and then df/dx.
---@param f fun(...): Tensor must return a tensor of one element
---@param argnums? integer|integer[] which arguments, from 1; default 1
---@return fun(...): Tensor, Tensor
function M.value_and_grad(f, argnums)
  local list = positions("value_and_grad", argnums)
  return function(...)
    local value, grads = differentiate("value_and_grad", f, list, ...)
    return value, table.unpack(grads, 1, #list)
  end
end

return M
