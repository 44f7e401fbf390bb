--- Putting tensors together, taking them apart, counting and comparing: what is made of operations.
--- Functions whose first argument is a tensor are methods of tensors, too.
local core = require "core.tensor"
local graphs = require "core.graph"
local op = require "core.op"
local options = require "options"

local M = {}

local function is_value(value)
  return core.is_tensor(value) or graphs.is_node(value)
end

local function check(what, x)
  if not is_value(x) then
    options.fail("%s: expected a tensor, got %s", what, options.show(x))
  end
  return x
end

-- An axis from 1, possibly counted from the end, among `count`.
local function axis_of(what, axis, count)
  local from_start = math.tointeger(axis) or 0
  from_start = from_start < 0 and from_start + count + 1 or from_start
  if from_start < 1 or from_start > count then
    options.fail("%s: there is no axis %s among %d", what, tostring(axis), count)
  end
  return from_start
end

-- A whole number from `least` up.
local function count_of(what, name, value, least)
  if math.type(value) ~= "integer" or value < least then
    options.fail("%s: %s must be a whole number from %d, got %s", what, name, least, options.show(value))
  end
  return value
end

local function check_list(what, list)
  if type(list) ~= "table" or #list == 0 then
    options.fail("%s: expected a list of tensors, got %s", what, options.show(list))
  end
  for _, x in ipairs(list) do
    check(what, x)
  end
  return list
end

-- Halves first, so that long lists are not copied over and over.
local function concat_range(list, axis, first, last)
  if first == last then
    return list[first]
  end
  local middle = (first + last) // 2
  return op.concat(concat_range(list, axis, first, middle), concat_range(list, axis, middle + 1, last),
    { axis = axis })
end

--- Tensors one after the other along an axis: `concat({a, b, c}, 1)`, or `concat(a, b, 1)`.
---@param list Tensor[]|Tensor
---@param ... any a second tensor when the first argument is one; then the axis, default 1
---@return Tensor
function M.concat(list, ...)
  if is_value(list) then
    return op.concat(list, ...)
  end
  local axis = ...
  return concat_range(check_list("concat", list), type(axis) == "table" and axis.axis or axis or 1, 1, #list)
end

--- Tensors of one shape side by side along a new axis.
---@param list Tensor[]
---@param axis? integer where the new axis is to be; default 1
---@return Tensor
function M.stack(list, axis)
  local first = check_list("stack", list)[1]:shape()
  local at = axis_of("stack", axis or 1, #first + 1)
  local made = {}
  for i, x in ipairs(list) do
    local shape = x:shape()
    if table.concat(shape, ",") ~= table.concat(first, ",") then
      options.fail("stack: tensor %d has shape (%s), the first (%s)", i, table.concat(shape, ", "),
        table.concat(first, ", "))
    end
    table.insert(shape, at, 1)
    made[i] = op.reshape(x, shape)
  end
  return M.concat(made, at)
end

--- The pieces of a tensor along an axis.
---@param x Tensor
---@param sizes integer|integer[] of every piece, or one for all (the last piece may be smaller)
---@param axis? integer default 1
---@return Tensor[]
function M.split(x, sizes, axis)
  local shape = check("split", x):shape()
  axis = axis_of("split", axis or 1, #shape)
  local count, pieces, first = shape[axis], {}, 1
  if type(sizes) ~= "table" then
    local size = count_of("split", "a size", sizes, 1)
    sizes = {}
    for at = 1, count, size do
      sizes[#sizes + 1] = math.min(size, count - at + 1)
    end
  end
  local total = 0
  for _, size in ipairs(sizes) do
    total = total + count_of("split", "a size", size, 0)
  end
  if total ~= count then
    options.fail("split: the sizes sum to %d, and axis %d has %d elements", total, axis, count)
  end
  for i, size in ipairs(sizes) do
    if size == 0 then
      local empty = x:shape()
      empty[axis] = 0
      pieces[i] = core.zeros(empty, x:dtype())
    else
      pieces[i] = op.slice(x, axis, first, first + size - 1)
    end
    first = first + size
  end
  return pieces
end

--- At most `count` pieces of one size (the last may be smaller) along an axis.
---@param x Tensor
---@param count integer
---@param axis? integer default 1
---@return Tensor[]
function M.chunk(x, count, axis)
  local shape = check("chunk", x):shape()
  count_of("chunk", "the number of pieces", count, 1)
  local size = shape[axis_of("chunk", axis or 1, #shape)]
  return M.split(x, math.max(1, (size + count - 1) // count), axis)
end

--- Without axes of size 1: all of them, or one.
---@param x Tensor
---@param axis? integer
---@return Tensor
function M.squeeze(x, axis)
  local shape, kept = check("squeeze", x):shape(), {}
  local only = axis and axis_of("squeeze", axis, #shape)
  for i, size in ipairs(shape) do
    if size ~= 1 or (only and i ~= only) then
      kept[#kept + 1] = size
    end
  end
  return op.reshape(x, kept)
end

--- With a new axis of size 1.
---@param x Tensor
---@param axis integer where it is to be; -1: last
---@return Tensor
function M.unsqueeze(x, axis)
  local shape = check("unsqueeze", x):shape()
  table.insert(shape, axis_of("unsqueeze", axis, #shape + 1), 1)
  return op.reshape(x, shape)
end

--- All elements as one axis.
---@param x Tensor
---@return Tensor
function M.flatten(x)
  return op.reshape(check("flatten", x), { -1 })
end

--- The whole tensor repeated: `tile(x, {2, 3})` twice down and three times across.
---@param x Tensor
---@param counts integer|integer[] for each axis; new axes come in front
---@return Tensor
function M.tile(x, counts)
  local shape = check("tile", x):shape()
  counts = type(counts) == "table" and { table.unpack(counts) } or { counts }
  while #counts < #shape do
    table.insert(counts, 1, 1)
  end
  while #shape < #counts do
    table.insert(shape, 1, 1)
  end
  local apart, whole, out = {}, {}, {}
  for i, size in ipairs(shape) do
    count_of("tile", "a count", counts[i], 0)
    table.move({ 1, size }, 1, 2, 2 * i - 1, apart)
    table.move({ counts[i], size }, 1, 2, 2 * i - 1, whole)
    out[i] = counts[i] * size
  end
  if #apart > 8 then -- more axes than a tensor has: one at a time
    for i, count in ipairs(counts) do
      local list = {}
      for k = 1, count do
        list[k] = x
      end
      x = count > 0 and M.concat(list, i) or op.slice(x, i, 1, 1)
    end
    return x
  end
  return op.reshape(op.expand(op.reshape(x, apart), whole), out)
end

--- Every element repeated in place: 1, 2 becomes 1, 1, 2, 2. (NumPy's repeat, a word Lua keeps.)
---@param x Tensor
---@param count integer
---@param axis? integer default: of all elements as one axis
---@return Tensor
function M.repeat_interleave(x, count, axis)
  count_of("repeat_interleave", "the count", count, 0)
  if not axis then
    x, axis = M.flatten(x), 1
  end
  local shape = check("repeat_interleave", x):shape()
  axis = axis_of("repeat_interleave", axis, #shape)
  local wide, out = { table.unpack(shape) }, { table.unpack(shape) }
  table.insert(wide, axis + 1, count)
  out[axis] = shape[axis] * count
  return op.reshape(op.expand(M.unsqueeze(x, axis + 1), wide), out)
end

--- A grid from the marks on its axes: as many tensors as axes, each with the coordinate along one.
---@param ... Tensor of one axis each
---@return Tensor ...
function M.meshgrid(...)
  local marks, shape, grids = { ... }, {}, {}
  for i, x in ipairs(check_list("meshgrid", marks)) do
    shape[i] = x:size()
  end
  for i, x in ipairs(marks) do
    local along = {}
    for k = 1, #marks do
      along[k] = k == i and shape[i] or 1
    end
    grids[i] = op.expand(op.reshape(x, along), shape)
  end
  return table.unpack(grids)
end

--- A square matrix with x on its diagonal or, for a matrix, its diagonal.
---@param x Tensor (n) or (m, n)
---@return Tensor
function M.diag(x)
  local shape = check("diag", x):shape()
  if #shape == 1 then
    return core.eye(shape[1], shape[1], x:dtype()) * x
  elseif #shape ~= 2 then
    options.fail("diag: expected a tensor of one or two axes, got %d", #shape)
  end
  local count = math.min(shape[1], shape[2])
  if count == 0 then
    return core.zeros({ 0 }, x:dtype())
  end
  local places = core.arange(0, count - 1, 1, "int64"):view { count, 1 }
  return op.reshape(op.gather(op.slice(x, 1, 1, count), places, { axis = 2 }), { count })
end

-- ---- products ----

--- The product as NumPy's dot: of two vectors their inner product, of a matrix and a vector one number a
--- row, of matrices the matrix product.
---@param a Tensor
---@param b Tensor
---@return Tensor
function M.dot(a, b)
  local m, n = #check("dot", a):shape(), #check("dot", b):shape()
  if m == 0 or n == 0 then
    return a * b
  elseif m > 1 and n > 1 then
    return op.matmul(a, b)
  end
  local left = m == 1 and op.reshape(a, { 1, -1 }) or a
  local right = n == 1 and op.reshape(b, { -1, 1 }) or b
  local out = op.matmul(left, right)
  local shape = out:shape()
  if n == 1 then
    table.remove(shape)
  end
  if m == 1 then
    table.remove(shape, #shape - (n == 1 and 0 or 1))
  end
  return op.reshape(out, shape)
end

--- Every element of a times every element of b, (m, n).
---@param a Tensor
---@param b Tensor
---@return Tensor
function M.outer(a, b)
  return op.reshape(check("outer", a), { -1, 1 }) * op.reshape(check("outer", b), { 1, -1 })
end

-- ---- order ----

--- The 0-based places that would put x in order along an axis, int64.
---@param x Tensor
---@param axis? integer default -1
---@param descending? boolean
---@return Tensor
function M.argsort(x, axis, descending)
  local _, places = op.sort(check("argsort", x), axis or -1, descending or false)
  return places
end

--- The k largest elements along an axis, largest first, and their 0-based places.
---@param x Tensor
---@param k integer
---@param axis? integer default -1
---@param largest? boolean false: the smallest, smallest first
---@return Tensor values
---@return Tensor places int64
function M.topk(x, k, axis, largest)
  count_of("topk", "k", k, 1)
  axis = axis_of("topk", axis or -1, #check("topk", x):shape())
  local values, places = op.sort(x, axis, largest ~= false)
  return op.slice(values, axis, 1, k), op.slice(places, axis, 1, k)
end

--- The different elements in order, how often each occurs, and which of them (0-based) every element is.
---@param x Tensor
---@return Tensor values
---@return Tensor counts int64
---@return Tensor inverse int64, of x's shape
function M.unique(x)
  local flat = core.new(check("unique", x)):view { x:size() }
  local count = flat:size()
  if count == 0 then
    return flat, core.zeros({ 0 }, "int64"), core.zeros(x:shape(), "int64")
  end
  local sorted, places = op.sort(flat)
  local new = core.ones { count }
  if count > 1 then
    new[{ { 2, count } }] = op.not_equal(sorted[{ { 2, count } }], sorted[{ { 1, count - 1 } }])
  end
  local group = op.cumsum(new:to "int64") - 1
  local inverse = core.zeros({ count }, "int64")
  inverse[places] = group
  return sorted[new], M.bincount(group), inverse:view(x:shape())
end

--- How often each of 0, 1, 2 ... occurs.
---@param x Tensor int64, none negative
---@param weights? Tensor what every element counts, instead of 1
---@param minlength? integer at least so many numbers
---@return Tensor int64, or of the type of the weights
function M.bincount(x, weights, minlength)
  local flat = core.new(check("bincount", x), "int64"):view { x:size() }
  local length = count_of("bincount", "minlength", minlength or 0, 0)
  if flat:size() > 0 then
    if op.min(flat):item() < 0 then
      options.fail("bincount: %d is negative", op.min(flat):item())
    end
    length = math.max(length, op.max(flat):item() + 1)
  end
  local each = weights and op.reshape(weights, { flat:size() }) or core.ones({ flat:size() }, "int64")
  return op.scatter_add(core.zeros({ length }, each:dtype()), flat, each)
end

--- A 1 at the place each label names, 0 elsewhere: (..., classes).
---@param labels Tensor int64 from 0
---@param classes? integer default: the largest label and 1
---@param dtype? string default "float32"
---@return Tensor
function M.one_hot(labels, classes, dtype)
  local flat = core.new(check("one_hot", labels), "int64"):view { labels:size(), 1 }
  local count = count_of("one_hot", "classes", classes or (flat:size() > 0 and op.max(flat):item() + 1 or 0), 0)
  if flat:size() > 0 and (op.min(flat):item() < 0 or op.max(flat):item() >= count) then
    options.fail("one_hot: labels go from 0 to %d, not from %d to %d", count - 1, op.min(flat):item(),
      op.max(flat):item())
  end
  local shape = labels:shape()
  shape[#shape + 1] = count
  local out = core.zeros({ flat:size(), count }, dtype or "float32")
  return op.scatter_add(out, flat, core.ones({ flat:size(), 1 }, dtype or "float32")):view(shape)
end

--- The 0-based places of elements that are not 0, one row for each and a column for each axis.
---@param x Tensor
---@return Tensor int64 (n, axes)
function M.nonzero(x)
  local shape = check("nonzero", x):shape()
  local flat = core.arange(0, x:size() - 1, 1, "int64")[op.not_equal(core.new(x):view { x:size() }, 0)]
  local columns = {}
  for axis = #shape, 1, -1 do
    local size = math.max(shape[axis], 1)
    columns[axis], flat = flat % size, flat // size
  end
  return #shape > 0 and M.stack(columns, 2) or core.zeros({ flat:size(), 0 }, "int64")
end

-- ---- truth and spread ----

local function truth(what, x, reduce, axes, keepdims)
  local set = op.not_equal(check(what, x), 0)
  if axes then
    return reduce(set, axes, keepdims or false)
  elseif x:size() == 0 then
    return what == "all"
  end
  return reduce(set):item() == 1
end

--- Whether all elements are not 0: true or false, or with axes a tensor of 1 and 0.
---@param x Tensor
---@param axes? integer|integer[]
---@param keepdims? boolean
---@return boolean|Tensor
function M.all(x, axes, keepdims)
  return truth("all", x, op.min, axes, keepdims)
end

--- Whether any element is not 0: true or false, or with axes a tensor of 1 and 0.
---@param x Tensor
---@param axes? integer|integer[]
---@param keepdims? boolean
---@return boolean|Tensor
function M.any(x, axes, keepdims)
  return truth("any", x, op.max, axes, keepdims)
end

--- Standard deviation: the root of the variance, with the variance's options.
---@param x Tensor
---@param ... any axes, keepdims, correction (1)
---@return Tensor
function M.std(x, ...)
  return op.sqrt(op.variance(check("std", x), ...))
end

--- Whether two tensors are equal up to rounding: |a - b| <= atol + rtol |b| everywhere.
---@param a Tensor
---@param b Tensor|number
---@param rtol? number default 1e-5
---@param atol? number default 1e-8
---@return boolean
function M.allclose(a, b, rtol, atol)
  b = is_value(b) and b or core.full({}, b, a:dtype())
  local limit = op.abs(b) * (rtol or 1e-5) + (atol or 1e-8)
  return M.all(op.logical_or(op.equal(a, b), op.less_equal(op.abs(a - b), limit)))
end

return M
