--- Layers that read indices and positions: Embedding, PositionalEncoding, PositionalEmbedding.
local layers = require "nn.layers"
local op = require "core.op"
local options = require "options"
local tensors = require "core.tensor"
local trace = require "nn.trace"

local M = {}

local EMBEDDING = {
  num = { type = "integer", min = 1, required = true, help = "rows of the table: indices go from 0 to num - 1" },
  dim = { type = "integer", min = 1, required = true, help = "size of a vector" },
  padding_idx = { type = "integer", min = 0, help = "index whose vector starts as zeros and is not trained" },
  max_norm = { type = "number", above = 0, help = "longer vectors are shortened to this after each training step "
    .. "(PyTorch does so when they are read)" },
  sparse = { type = "boolean", default = false,
    help = "vectors whose index is not in a batch stay as they are: no decay, no momentum, as with SparseAdam" },
  weight_init = { type = "any", help = "initializer or values; default normal, mean 0, std 1" },
  name = { type = "string", help = "for messages and saved weights" },
}

local Embedding = layers.layer("Embedding", {
  init = function(self, o)
    self.name, self.o, self.max_norm = o.name, o, o.max_norm
    self.sparse = o.sparse or nil
    if o.padding_idx and o.padding_idx >= o.num then
      options.fail("nn.Embedding: padding_idx %d is no index of a table of %d rows", o.padding_idx, o.num)
    end
  end,
  forward = function(self, x)
    local o, current = self.o, trace.current("Embedding")
    if x:dtype() ~= "int64" then
      options.fail("nn.Embedding: needs int64 indices, not %s: make x with tensor.new(..., \"int64\")", x:dtype())
    end
    local known = current.book.by_layer[self]
    local weight = self:param("weight", { o.num, o.dim }, o.weight_init or "normal")
    if o.padding_idx and not known and not o.weight_init then
      local row = o.padding_idx + 1
      current.book.by_layer[self].weight.tensor:rows(row, row):copy(tensors.zeros { 1, o.dim })
    end
    current.lookups[#current.lookups + 1] = { value = x, limit = o.num, layer = current.layer }
    return op.take(weight, x, o.padding_idx or -1)
  end,
})

--- A table of vectors, read at indices: int64 x (N, ...) to (N, ..., dim). Indices are data and count
--- from 0; one outside the table is refused before training when x is the model's input, and gives NaN
--- otherwise.
---@param num integer|table rows of the table, or a table of options
---@param dim? integer size of a vector
---@param given? table
---@return Layer
---@options EMBEDDING
function M.Embedding(num, dim, given)
  return Embedding(options.arguments({ "num", "dim" }, EMBEDDING, "nn.Embedding", num, dim, given))
end

-- (length, dim): sines and cosines of wavelengths from 2 pi to 10000 * 2 pi.
local function sinusoids(length, dim, dtype)
  local rows = {}
  for t = 1, length do
    local row = {}
    for i = 1, dim do
      local angle = (t - 1) / 10000 ^ ((i - 1) // 2 * 2 / dim)
      row[i] = i % 2 == 1 and math.sin(angle) or math.cos(angle)
    end
    rows[t] = row
  end
  return tensors.new(rows, dtype)
end

local PositionalEncoding = layers.layer("PositionalEncoding", {
  forward = function(_, x)
    local shape = x:shape()
    return x + sinusoids(shape[2], shape[3], x:dtype())
  end,
})

--- Adds sines and cosines of the position to x (N, T, E), in wavelengths from 2 pi to 10000 * 2 pi
--- (Vaswani et al. 2017). Nothing is learned.
---@return Layer
function M.PositionalEncoding()
  return PositionalEncoding()
end

local POSITIONS = {
  max_len = { type = "integer", min = 1, required = true, help = "the longest sequence" },
  weight_init = { type = "any", help = "initializer or values; default normal, std 0.02" },
  name = { type = "string", help = "for messages and saved weights" },
}

local PositionalEmbedding = layers.layer("PositionalEmbedding", {
  init = function(self, o)
    self.name, self.o = o.name, o
  end,
  forward = function(self, x)
    local shape, o = x:shape(), self.o
    if shape[2] > o.max_len then
      options.fail("nn.PositionalEmbedding: the sequence has %d positions, max_len is %d", shape[2], o.max_len)
    end
    local init = o.weight_init or require("nn.init").normal { std = 0.02 }
    local weight = self:param("weight", { o.max_len, shape[3] }, init)
    return x + (shape[2] < o.max_len and op.slice(weight, { first = 1, last = shape[2] }) or weight)
  end,
})

--- Adds a learned vector for each position to x (N, T, E), T <= max_len.
---@param max_len integer|table the longest sequence, or a table of options
---@param given? table
---@return Layer
---@options POSITIONS
function M.PositionalEmbedding(max_len, given)
  return PositionalEmbedding(options.arguments({ "max_len" }, POSITIONS, "nn.PositionalEmbedding", max_len, given))
end

return M
