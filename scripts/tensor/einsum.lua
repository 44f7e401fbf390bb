--- Sums of products by the names of axes, for one operand or two: `einsum("bij,bjk->bik", a, b)`.
---
--- Two operands become one matrix product: axes that only one of them has and the result lacks are
--- summed first, then each operand is brought into the order (shared with the result, own, summed).
local op = require "core.op"
local options = require "options"

local M = {}

-- "ij,jk->ik" as { "ij", "jk" } and "ik". Without an arrow: the letters that occur once, in order.
local function parse(spec, count)
  local text = spec:gsub("%s", "")
  local left, right = text:match("^([%a,]*)%->(%a*)$")
  left = left or text:match("^[%a,]*$")
  if not left then
    options.fail("einsum: %s is not understood; write axes as letters, e.g. \"ij,jk->ik\"", options.show(spec))
  end
  local terms = {}
  for term in (left .. ","):gmatch("(%a*),") do
    terms[#terms + 1] = term
    for letter in term:gmatch "%a" do
      if select(2, term:gsub(letter, "")) > 1 then
        options.fail("einsum: '%s' is twice in %s; diagonals are not supported", letter, term)
      end
    end
  end
  if #terms ~= count then
    options.fail("einsum: %s names %d operands, and %d are given", options.show(spec), #terms, count)
  end
  if not right then
    local letters = {}
    for letter in left:gmatch "%a" do
      if select(2, left:gsub(letter, "")) == 1 then
        letters[#letters + 1] = letter
      end
    end
    table.sort(letters)
    right = table.concat(letters)
  end
  for letter in right:gmatch "%a" do
    if not left:find(letter, 1, true) or select(2, right:gsub(letter, "")) > 1 then
      options.fail("einsum: '%s' of the result must be once there, and in an operand", letter)
    end
  end
  return terms, right
end

-- The size of every letter; operands must agree.
local function sizes_of(spec, terms, operands)
  local sizes = {}
  for i, term in ipairs(terms) do
    local shape = operands[i]:shape()
    if #shape ~= #term then
      options.fail("einsum: operand %d of %s has %d axes, not %d", i, options.show(spec), #shape, #term)
    end
    for axis, size in ipairs(shape) do
      local letter = term:sub(axis, axis)
      if sizes[letter] and sizes[letter] ~= size then
        options.fail("einsum: axis '%s' has %d elements in one operand and %d in the other", letter,
          sizes[letter], size)
      end
      sizes[letter] = size
    end
  end
  return sizes
end

-- The letters of `term` that are (or are not) in `other`.
local function common(term, other, wanted)
  return (term:gsub("%a", function(letter)
    return (other:find(letter, 1, true) ~= nil) == wanted and letter or ""
  end))
end

local function permute(x, from, to)
  if from == to then
    return x
  end
  local axes = {}
  for i = 1, #to do
    axes[i] = from:find(to:sub(i, i), 1, true)
  end
  return op.transpose(x, { axes = axes })
end

-- Sum over the axes of `term` that are not in `keep`; returns the rest and its letters.
local function sum_out(x, term, keep)
  local gone = common(term, keep, false)
  if gone == "" then
    return x, term
  end
  local axes = {}
  for i = 1, #gone do
    axes[i] = term:find(gone:sub(i, i), 1, true)
  end
  return op.sum(x, { axes = axes }), common(term, keep, true)
end

local function product(sizes, letters)
  local count = 1
  for letter in letters:gmatch "%a" do
    count = count * sizes[letter]
  end
  return count
end

local function shape_of(sizes, letters)
  local shape = {}
  for i = 1, #letters do
    shape[i] = sizes[letters:sub(i, i)]
  end
  return shape
end

--- Sum of products over named axes, of one or two tensors.
---
--- `"ij,jk->ik"` is a matrix product, `"bij,bjk->bik"` a stack of them, `"ij->ji"` a transpose,
--- `"i,j->ij"` an outer product, `"ij->"` a sum. Without `->` the result has the letters that occur
--- once, in order of the alphabet. Letters may not be repeated within one operand.
---@param spec string
---@param a Tensor
---@param b? Tensor
---@return Tensor
function M.einsum(spec, a, b)
  local operands = { a, b }
  local terms, out = parse(spec, #operands)
  local sizes = sizes_of(spec, terms, operands)
  if not b then
    local x, left = sum_out(a, terms[1], out)
    return permute(x, left, out)
  end
  local x, left = sum_out(a, terms[1], terms[2] .. out)
  local y, right = sum_out(b, terms[2], terms[1] .. out)
  local shared = common(left, right, true)
  local batch, summed = common(shared, out, true), common(shared, out, false)
  local rows, columns = common(left, right, false), common(right, left, false)
  x = permute(x, left, batch .. rows .. summed)
  y = permute(y, right, batch .. summed .. columns)
  local lead = batch ~= "" and { product(sizes, batch) } or {}
  local m, k, n = product(sizes, rows), product(sizes, summed), product(sizes, columns)
  local x_shape, y_shape = { table.unpack(lead) }, { table.unpack(lead) }
  table.move({ m, k }, 1, 2, #lead + 1, x_shape)
  table.move({ k, n }, 1, 2, #lead + 1, y_shape)
  local made = op.matmul(op.reshape(x, x_shape), op.reshape(y, y_shape))
  local letters = batch .. rows .. columns
  return permute(op.reshape(made, shape_of(sizes, letters)), letters, out)
end

return M
