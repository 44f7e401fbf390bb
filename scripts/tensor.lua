--- Tensors: arrays of numbers, and arithmetic on them, `tensor.new {{1, 2}, {3, 4}}:matmul(x) + 1`.
---
--- A tensor has a dtype ("float32", the default, "float64" or "int64"), a shape, and elements in row
--- order. Operators and operations broadcast as numpy's do; every operation of the engine is also a
--- function here (`tensor.exp(x)`) and a method (`x:exp()`). Indices count from 1.
local core = require "core.tensor"
local op = require "core.op"

local M = {}

--- A tensor of zeros.
---@param shape integer[] e.g. {2, 3}
---@param dtype? string default "float32"
---@return Tensor
M.zeros = core.zeros

--- A tensor of ones.
---@param shape integer[]
---@param dtype? string default "float32"
---@return Tensor
M.ones = core.ones

--- A tensor of one value.
---@param shape integer[]
---@param value number
---@param dtype? string default "float32"
---@return Tensor
M.full = core.full

--- A tensor of given numbers: a number, a nested table, or a copy of a tensor.
---@param values number|table|Tensor nested tables must be rectangular
---@param dtype? string default "float32", or that of the tensor
---@return Tensor
M.new = core.new

--- first, first + step, ... up to and including last.
---@param first number
---@param last number
---@param step? number default 1
---@param dtype? string default "float32"
---@return Tensor
M.arange = core.arange

--- Whether a value is a tensor.
---@param value any
---@return boolean
M.is_tensor = core.is_tensor

for _, row in ipairs(op.rows()) do
  if not row.name:find("_grad$") then
    M[row.name] = op[row.name]
  end
end

return M
