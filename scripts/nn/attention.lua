--- Layers made of attention: MultiheadAttention and the transformer's layers.
---
--- Names, defaults and starting values are PyTorch's; sequences are (N, T, E), batch first. The weights
--- of attention are never stored, in training neither: see the op `attention`.
local layers = require "nn.layers"
local op = require "core.op"
local graphs = require "core.graph"
local options = require "options"
local tensors = require "core.tensor"
local trace = require "nn.trace"

local M = {}

local function check_sequence(x, where)
  local shape = x:shape()
  if #shape ~= 3 then
    options.fail("%s: needs sequences (N, T, E), not (%s)", where, table.concat(shape, ", "))
  end
  return shape
end

-- A mask may be a tensor of any type, or a value of the graph.
local function mask_of(mask, dtype)
  return tensors.is_tensor(mask) and mask:dtype() ~= dtype and mask:to(dtype) or mask
end

-- ---- MultiheadAttention ----

local ATTENTION = {
  num_heads = { type = "integer", min = 1, required = true, help = "heads that share the columns of x" },
  dropout = { type = "number", min = 0, below = 1, default = 0, help = "of the attention weights, in training" },
  bias = { type = "boolean", default = true, help = "of the projections" },
  causal = { type = "boolean", default = false, help = "position t sees positions up to t only" },
  rotary = { type = "boolean", default = false, help = "turn queries and keys by angles that grow with the position" },
  name = { type = "string", help = "for messages and saved weights" },
}

local CALL = {
  attn_mask = { type = "any", help = "added to the scores, (T, S) or broadcasting to (N, heads, T, S); -inf hides" },
  key_padding_mask = { type = "any", help = "(N, S): not 0 where a key is to be ignored" },
  need_weights = { type = "boolean", default = false, help = "also return the weights (N, T, S), mean over heads" },
}

-- x W^T + b for rows first .. last of the packed projection, or a matrix of its own.
local function project(self, x, first, last, size)
  local width = x:shape()[3]
  local weight
  if self.packed then
    weight = self:param("in_proj_weight", { 3 * size, size }, "glorot_uniform")
    if last - first + 1 < 3 * size then
      weight = op.slice(weight, { first = first, last = last })
    end
  else
    local name = ({ "q", "k", "v" })[(first - 1) // size + 1] .. "_proj_weight"
    weight = self:param(name, { size, width }, "glorot_uniform")
  end
  local y = op.matmul(x, weight, { trans_b = true })
  if not self.o.bias then
    return y
  end
  local bias = self:param("in_proj_bias", { 3 * size }, "zeros", { decay = false })
  if last - first + 1 < 3 * size then
    bias = op.slice(bias, { first = first, last = last })
  end
  return y + bias
end

-- Rows of queries, keys and values, as few matrices as there are different inputs.
local function projections(self, query, key, value, size)
  if self.packed and rawequal(query, key) and rawequal(key, value) then
    return project(self, query, 1, 3 * size, size)
  elseif self.packed and rawequal(key, value) then
    return project(self, query, 1, size, size), project(self, key, size + 1, 3 * size, size)
  end
  return project(self, query, 1, size, size), project(self, key, size + 1, 2 * size, size),
    project(self, value, 2 * size + 1, 3 * size, size)
end

-- cos and sin of t / 10000^(2 i / size): two tensors (length, 1, size / 2)
local function angles(length, size, dtype)
  local cosines, sines = {}, {}
  for t = 1, length do
    cosines[t], sines[t] = { {} }, { {} }
    for i = 1, size // 2 do
      local angle = (t - 1) / 10000 ^ (2 * (i - 1) / size)
      cosines[t][1][i], sines[t][1][i] = math.cos(angle), math.sin(angle)
    end
  end
  return tensors.new(cosines, dtype), tensors.new(sines, dtype)
end

-- Turn the pairs (i, i + size / 2) of each head of x (N, T, heads * size) by angles that grow with t, so that the
-- product of a query and a key depends on how far apart they are (Su et al. 2021).
local function rotate(x, heads)
  local shape = x:shape()
  local size = shape[3] // heads
  if size % 2 ~= 0 then
    options.fail("nn.MultiheadAttention: rotary needs heads of an even size, not %d", size)
  end
  local cosines, sines = angles(shape[2], size, x:dtype())
  local split = op.reshape(x, { shape[1], shape[2], heads, size })
  local a = op.slice(split, { axis = 4, first = 1, last = size // 2 })
  local b = op.slice(split, { axis = 4, first = size // 2 + 1, last = size })
  local turned = op.concat(a * cosines - b * sines, a * sines + b * cosines, { axis = 4 })
  return op.reshape(turned, shape)
end

local function rotated(q, k, v, size, heads)
  local function columns(x, at)
    return op.slice(x, { axis = 3, first = at * size + 1, last = (at + 1) * size })
  end
  if not k then
    q, k, v = columns(q, 0), columns(q, 1), columns(q, 2)
  elseif not v then
    k, v = columns(k, 0), columns(k, 1)
  end
  return rotate(q, heads), rotate(k, heads), v
end

-- (N, T, columns first .. last) as (N, heads, T, size)
local function heads_of(x, first, last, heads)
  local shape = x:shape()
  if last - first + 1 < shape[3] then
    x = op.slice(x, { axis = 3, first = first, last = last })
  end
  local split = op.reshape(x, { shape[1], shape[2], heads, (last - first + 1) // heads })
  return op.transpose(split, { 1, 3, 2, 4 })
end

-- The weights themselves, averaged over the heads: (N, T, S). Without dropout.
local function weights_of(self, q, k, size, o)
  local heads, at = self.o.num_heads, k and 0 or size
  local queries, keys = heads_of(q, 1, size, heads), heads_of(k or q, at + 1, at + size, heads)
  local scores = op.matmul(queries, keys, { trans_b = true }) * (size // heads) ^ -0.5
  local shape = scores:shape()
  if o.attn_mask then
    scores = scores + o.attn_mask
  end
  if self.o.causal then
    local rows = {}
    for i = 1, shape[3] do
      rows[i] = {}
      for j = 1, shape[4] do
        rows[i][j] = j > i and -math.huge or 0
      end
    end
    scores = scores + tensors.new(rows, scores:dtype())
  end
  if o.key_padding_mask then
    local hidden = op.reshape(o.key_padding_mask, { shape[1], 1, 1, shape[4] })
    scores = op.where(hidden, -math.huge, scores)
  end
  return op.mean(op.softmax(scores), { axes = { 2 } })
end

local function attend(self, query, key, value, given)
  if type(key) == "table" then
    key, given = nil, key
  elseif type(value) == "table" then
    value, given = nil, value
  end
  local where = "nn.MultiheadAttention"
  local o, current = options.check(given, CALL, where), trace.current(where)
  key = key or query
  value = value or key
  local size, heads = check_sequence(query, where)[3], self.o.num_heads
  if size % heads ~= 0 then
    options.fail("%s: %d columns cannot be shared by %d heads", where, size, heads)
  end
  self.packed = check_sequence(key, where)[3] == size and check_sequence(value, where)[3] == size
  o.attn_mask = mask_of(o.attn_mask, query:dtype())
  o.key_padding_mask = mask_of(o.key_padding_mask, query:dtype())
  local q, k, v = projections(self, query, key, value, size)
  if self.o.rotary then
    q, k, v = rotated(q, k, v, size, heads)
  end
  local drops = current.training and self.o.dropout > 0
  local y = op.attention(q, k, v, o.attn_mask, o.key_padding_mask, {
    heads = heads, causal = self.o.causal, dropout = drops and self.o.dropout or 0,
    stream = drops and trace.stream(current, self) or 0,
  })
  y = op.matmul(y, self:param("out_proj.weight", { size, size }), { trans_b = true })
  if self.o.bias then
    y = y + self:param("out_proj.bias", { size }, "zeros", { decay = false })
  end
  if o.need_weights then
    return y, weights_of(self, q, k, size, o)
  end
  return y
end

local MultiheadAttention = layers.layer("MultiheadAttention", {
  init = function(self, o)
    self.name, self.o = o.name, o
  end,
  forward = attend,
})

--- Attention of several heads (Vaswani et al. 2017): queries from one sequence (N, T, E), keys and values
--- from the same or another one (N, S, ...).
---
--- In a forward: `attention(x)`, `attention(x, memory)` or `attention(query, key, value, { ... })`; the last
--- table holds attn_mask, key_padding_mask and need_weights. A row whose keys are all hidden gives the
--- bias of the output projection.
---@param num_heads integer|table heads, which share the columns of x, or a table of options
---@param given? table
---@return Layer
---@options ATTENTION
function M.MultiheadAttention(num_heads, given)
  return MultiheadAttention(options.arguments({ "num_heads" }, ATTENTION, "nn.MultiheadAttention", num_heads, given))
end

-- ---- the transformer's layers ----

local TRANSFORMER = {
  num_heads = { type = "integer", min = 1, required = true, help = "heads of attention" },
  dim_feedforward = { type = "integer", min = 1, default = 2048, help = "width between the two linear layers" },
  dropout = { type = "number", min = 0, below = 1, default = 0.1, help = "of attention weights and of each part" },
  activation = { type = "string|function", default = "relu", help = "between the two linear layers" },
  norm_first = { type = "boolean", default = false, help = "normalise before each part instead of after it" },
  layer_norm_eps = { type = "number", above = 0, default = 1e-5, help = "eps of the normalisations" },
  causal = { type = "boolean", default = false, help = "position t sees positions up to t only" },
  rotary = { type = "boolean", default = false, help = "of self-attention: positions as angles" },
  name = { type = "string", help = "for messages and saved weights" },
}

-- A part made on first use, when sizes are known.
local function part(self, key, make)
  self.parts[key] = self.parts[key] or self:part(key, make())
  return self.parts[key]
end

local function norm(self, number, x)
  return part(self, "norm" .. number, function()
    return layers.constructors.LayerNorm { eps = self.o.layer_norm_eps }
  end)(x)
end

local function dropout(self, number, x)
  return part(self, "dropout" .. number, function()
    return layers.constructors.Dropout(self.o.dropout)
  end)(x)
end

local function attention(self, key, x, memory, o, causal)
  local layer = part(self, key, function()
    return M.MultiheadAttention { num_heads = self.o.num_heads, dropout = self.o.dropout, causal = causal,
      rotary = key == "self_attn" and self.o.rotary }
  end)
  return layer(x, memory, o)
end

local function feed_forward(self, x)
  local size = x:shape()[3]
  local hidden = part(self, "linear1", function()
    return layers.constructors.Linear(self.o.dim_feedforward, self.o.activation)
  end)(x)
  return part(self, "linear2", function()
    return layers.constructors.Linear(size)
  end)(dropout(self, "", hidden))
end

-- x + dropout(f(x)), normalised before f or after the sum.
local function residual(self, number, x, f)
  if self.o.norm_first then
    return x + dropout(self, number, f(norm(self, number, x)))
  end
  return norm(self, number, x + dropout(self, number, f(x)))
end

local function init(self, o)
  self.name, self.o, self.parts = o.name, o, {}
end

local ENCODER_CALL = {
  src_mask = { type = "any", help = "added to the scores, (T, T) or broadcasting to (N, heads, T, T)" },
  src_key_padding_mask = { type = "any", help = "(N, T): not 0 where a position is to be ignored" },
}

local TransformerEncoderLayer = layers.layer("TransformerEncoderLayer", {
  init = init,
  forward = function(self, x, given)
    local o = options.check(given, ENCODER_CALL, "nn.TransformerEncoderLayer")
    local masks = { attn_mask = o.src_mask, key_padding_mask = o.src_key_padding_mask }
    x = residual(self, 1, x, function(y)
      return attention(self, "self_attn", y, y, masks, self.o.causal)
    end)
    return residual(self, 2, x, function(y)
      return feed_forward(self, y)
    end)
  end,
})

--- Self-attention, then two linear layers, each with a residual sum and LayerNorm (Vaswani et al. 2017).
---
--- In a forward: `encoder(x)` or `encoder(x, { src_mask =, src_key_padding_mask = })`.
---@param num_heads integer|table heads, which share the columns of x, or a table of options
---@param given? table
---@return Layer
---@options TRANSFORMER
function M.TransformerEncoderLayer(num_heads, given)
  return TransformerEncoderLayer(options.arguments({ "num_heads" }, TRANSFORMER, "nn.TransformerEncoderLayer",
    num_heads, given))
end

local DECODER_CALL = {
  tgt_mask = { type = "any", help = "added to the scores of self-attention" },
  memory_mask = { type = "any", help = "added to the scores of attention to memory, (T, S)" },
  tgt_key_padding_mask = { type = "any", help = "(N, T): not 0 where a position is to be ignored" },
  memory_key_padding_mask = { type = "any", help = "(N, S): the same of memory" },
}

local TransformerDecoderLayer = layers.layer("TransformerDecoderLayer", {
  init = init,
  forward = function(self, x, memory, given)
    local o = options.check(given, DECODER_CALL, "nn.TransformerDecoderLayer")
    if not graphs.is_node(memory) then
      options.fail("nn.TransformerDecoderLayer: call it as decoder(x, memory), with the encoder's output")
    end
    x = residual(self, 1, x, function(y)
      return attention(self, "self_attn", y, y,
        { attn_mask = o.tgt_mask, key_padding_mask = o.tgt_key_padding_mask }, self.o.causal)
    end)
    x = residual(self, 2, x, function(y)
      return attention(self, "multihead_attn", y, memory,
        { attn_mask = o.memory_mask, key_padding_mask = o.memory_key_padding_mask }, false)
    end)
    return residual(self, 3, x, function(y)
      return feed_forward(self, y)
    end)
  end,
})

--- Self-attention, attention to an encoder's output, then two linear layers, each with a residual sum and
--- LayerNorm (Vaswani et al. 2017). Give `causal = true` to predict the next element.
---
--- In a forward: `decoder(x, memory)` or `decoder(x, memory, { tgt_mask =, memory_mask =,
--- tgt_key_padding_mask =, memory_key_padding_mask = })`.
---@param num_heads integer|table heads, which share the columns of x, or a table of options
---@param given? table
---@return Layer
---@options TRANSFORMER
function M.TransformerDecoderLayer(num_heads, given)
  return TransformerDecoderLayer(options.arguments({ "num_heads" }, TRANSFORMER, "nn.TransformerDecoderLayer",
    num_heads, given))
end

local TransformerEncoder = layers.layer("TransformerEncoder", {
  init = function(self, o)
    init(self, o)
    self.layers = {}
    for i = 1, o.num_layers do
      local rest = {}
      for key in pairs(TRANSFORMER) do
        rest[key] = o[key]
      end
      rest.name = nil
      self.layers[i] = self:part("layers." .. i - 1, M.TransformerEncoderLayer(rest))
    end
  end,
  forward = function(self, x, given)
    for _, layer in ipairs(self.layers) do
      x = layer(x, given)
    end
    return self.o.norm and norm(self, "", x) or x
  end,
})

local ENCODER = {
  num_layers = { type = "integer", min = 1, required = true, help = "TransformerEncoderLayers" },
  norm = { type = "boolean", default = false, help = "a last LayerNorm, as norm_first wants" },
}
for key, row in pairs(TRANSFORMER) do
  ENCODER[key] = row
end

--- TransformerEncoderLayers one after the other, each with weights of its own. Takes their options as well, and is
--- called as they are.
---@param num_layers integer|table how many, or a table of options
---@param num_heads? integer
---@param given? table
---@return Layer
---@options ENCODER
function M.TransformerEncoder(num_layers, num_heads, given)
  return TransformerEncoder(options.arguments({ "num_layers", "num_heads" }, ENCODER, "nn.TransformerEncoder",
    num_layers, num_heads, given))
end

return M
