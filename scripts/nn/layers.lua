--- Layers: the engine's (one for every row of its table) and those written in Lua.
---
--- A layer has a `forward(self, x)` that makes values from values with ops and other layers. Its
--- parameters come into being when it is first called, so input sizes are never given. The same layer
--- called twice shares its parameters.
local core = require "core.layer"
local core_init = require "core.init"
local tensors = require "core.tensor"
local graphs = require "core.graph"
local groups = require "nn.groups"
local op = require "core.op"
local init = require "nn.init"
local options = require "options"
local trace = require "nn.trace"

local M = {
  --- Constructors by name: M.constructors.Linear. nn takes them over: nn.Linear.
  constructors = {},
}

-- Rows of the engine's table.
local rows = core.rows()

---@class Layer
---@field kind string "Linear"
---@field name? string how messages and saved weights call it; default kind and number: linear_1
---@field custom? boolean written by the script with nn.layer
---@field returns_state? boolean what forward returns after its first value is no output of a model
local Layer = {}
Layer.__index = Layer
Layer.__name = "Layer"
M.Layer = Layer

--- Whether a value is a layer (or a model, which is one).
---@param value any
---@return boolean
function M.is(value)
  local class = getmetatable(value)
  return type(class) == "table" and (class == Layer or class.parent == Layer)
end

-- The name of a layer in a model: given, or its owner's and its own, or its kind and number in order of
-- first use.
local function name_of(book, layer)
  if not book.names[layer] then
    local name = layer.name
    if layer.owner then
      name = name_of(book, layer.owner) .. "." .. layer.key
    elseif not name then
      local kind = layer.kind:lower()
      book.counts[kind] = (book.counts[kind] or 0) + 1
      name = ("%s_%d"):format(kind, book.counts[kind])
    end
    if book.taken[name] then
      options.fail("two layers of the model are called '%s'", name)
    end
    book.names[layer], book.taken[name] = name, true
  end
  return book.names[layer]
end

local function shape_of(shape)
  return "(" .. table.concat(shape, ", ") .. (#shape == 1 and ",)" or ")")
end

-- Make a parameter: a tensor with starting values, written down in the model's book.
local function make_param(book, layer, spec, given)
  local from = given ~= nil and init.from(given, layer.kind .. ": " .. spec.name .. "_init")
    or spec.value and init.constant(spec.value) or init.from(spec.init, layer.kind)
  local tensor = tensors.zeros(spec.shape, book.dtype)
  if from.values then
    local values = tensors.new(from.values, book.dtype)
    if shape_of(values:shape()) ~= shape_of(spec.shape) then
      options.fail("%s: the given values for %s have shape %s; the parameter has %s", name_of(book, layer),
        spec.name, shape_of(values:shape()), shape_of(spec.shape))
    end
    tensor:copy(values)
  else
    core_init.fill(tensor, from, spec.fan_in, spec.fan_out, book.seed, #book.params + 1)
  end
  local param = {
    name = name_of(book, layer) .. "." .. spec.name, layer = layer, key = spec.name, tensor = tensor,
    decay = spec.decay ~= false, lr_scale = layer.lr_scale or 1,
    buffer = spec.buffer or nil,
  }
  param.frozen = groups.register(layer, param) or param.buffer
  book.params[#book.params + 1] = param
  book.by_layer[layer] = book.by_layer[layer] or {}
  book.by_layer[layer][spec.name] = param
  return param
end

local function param_value(current, layer, spec, given)
  local book = current.book
  local param = book.by_layer[layer] and book.by_layer[layer][spec.name] or make_param(book, layer, spec, given)
  if param.tensor:dtype() ~= book.dtype or shape_of(param.tensor:shape()) ~= shape_of(spec.shape) then
    options.fail("%s has shape %s, but %s is needed here: the input's size has changed", param.name,
      shape_of(param.tensor:shape()), shape_of(spec.shape))
  end
  if current.updates[param] then
    return current.updates[param], param -- the layer's second call goes on from there
  end
  local node = current.graph:param(param.tensor, param.name)
  current.calls[param] = node
  return node, param
end

-- From here on in this trace a buffer has a new value; a training step ends by writing it.
local function update_buffer(current, param, node)
  if not current.updates[param] then
    current.updates[#current.updates + 1] = param
  end
  current.updates[param] = node
end

--- Make a layer a part of this one, under a name: its parameters are called "owner.key.weight" instead
--- of having a number of their own.
---@param key string e.g. "norm1"
---@param layer Layer
---@return Layer layer
function Layer:part(key, layer)
  layer.owner, layer.key = self, key
  return layer
end

--- In a custom layer's forward: a parameter of this layer, made on first use.
---@param name string e.g. "weight"
---@param shape integer[]
---@param initializer? any an initializer, its name or values; default "torch_default"
---@param given? { decay: boolean? } decay (default true): weight decay and penalties apply
---@return userdata value
function Layer:param(name, shape, initializer, given)
  local current = trace.current("param")
  local weight = #shape >= 2
  local spec = {
    name = name, shape = shape, init = initializer or "torch_default",
    fan_in = weight and shape[2] or shape[1] or 1, fan_out = shape[1] or 1,
  }
  for i = 3, #shape do
    spec.fan_in, spec.fan_out = spec.fan_in * shape[i], spec.fan_out * shape[i]
  end
  spec.decay = not given or given.decay ~= false
  return (param_value(current, self, spec, initializer))
end

--- In a custom layer's forward: state that is not trained, such as a running mean. It is saved with the
--- weights, and changes by `update`.
---@param name string e.g. "running_mean"
---@param shape integer[]
---@param initializer? any an initializer, its name or values; default "zeros"
---@return userdata value
function Layer:buffer(name, shape, initializer)
  local spec = { name = name, shape = shape, init = initializer or "zeros", fan_in = 1, fan_out = 1,
    decay = false, buffer = true }
  return (param_value(trace.current("buffer"), self, spec, initializer))
end

--- In a custom layer's forward: the value a buffer has after this training step. Evaluation leaves
--- buffers as they are.
---@param name string of a buffer this layer has
---@param value userdata
function Layer:update(name, value)
  local current = trace.current("update")
  local param = (current.book.by_layer[self] or {})[name]
  if not param or not param.buffer then
    options.fail("update: the layer has no buffer '%s'; make it with self:buffer(name, shape)", name)
  end
  if shape_of(value:shape()) ~= shape_of(param.tensor:shape()) then
    options.fail("update: buffer %s has shape %s, the new value %s", param.name, shape_of(param.tensor:shape()),
      shape_of(value:shape()))
  end
  if current.training then
    update_buffer(current, param, value)
  end
end

--- In a forward: a parameter of this layer for another one to use, such as the table of an embedding for the
--- last layer (tied weights). The layer must have been called before in this forward.
---@param name? string default "weight"
---@return userdata value
function Layer:weight(name)
  local current = trace.current("weight")
  local param = (current.book.by_layer[self] or {})[name or "weight"]
  if not param then
    options.fail("weight: %s has no '%s' yet; call the layer first", current.book.names[self] or self.kind,
      name or "weight")
  end
  local node = current.graph:param(param.tensor, param.name)
  current.calls[param] = node
  return node
end

-- Whether an argument makes a call a forward: a value of a graph, or a table of them.
local function traced(value)
  if type(value) == "table" and getmetatable(value) == nil then
    local _, part = next(value)
    return graphs.is_node(part)
  end
  return graphs.is_node(value)
end

-- Call a layer on values of a graph: its forward, with nodes and messages in its name. For the summary a
-- record is kept of each call, before those of the layers it calls.
local function apply(layer, ...)
  local current = trace.current(layer.kind)
  local name = name_of(current.book, layer)
  local parent, parent_place = current.layer, current.place
  current.layer, current.place = name, layer.place
  current.graph:layer(name, layer.place)
  local record = { name = name, layer = layer, depth = current.depth or 0, first = #current.graph + 1 }
  current.layers[#current.layers + 1] = record
  current.depth = record.depth + 1
  local results = table.pack(layer:forward(...))
  current.depth = record.depth
  current.layer, current.place = parent, parent_place
  current.graph:layer(parent, parent_place)
  if not traced(results[1]) then
    options.fail("%s: forward must return a value of the graph, not %s", name, options.show(results[1]))
  end
  record.last, record.output = #current.graph, results[1]
  if current.probe then
    results[1] = current.probe(record)
  end
  return table.unpack(results, 1, results.n)
end

-- In a forward a tensor is a constant, as for ops: positions for an embedding, for example.
function Layer:__call(x, ...)
  if traced(x) then
    return apply(self, x, ...)
  elseif trace.active() and tensors.is_tensor(x) then
    return apply(self, trace.current(self.kind).graph:param(x), ...)
  end
  return self:predict(select("#", ...) == 0 and x or { x, ... })
end

-- ---- layers of the engine ----

-- Is a value the list for the next option, as in nn.MaxPool2d({ 2, 3 })?
local function is_list(row, position, value)
  local option = row.options[position + 1]
  return option and (option.type == "ints" or option.type == "axes") and type(value) == "table"
    and type(value[1]) == "number" and #options.keys(value) == #value
end

-- Split constructor arguments: numbers, booleans and lists are options in the row's order, a string is an
-- activation, a table holds named options, NAME_init, activation, name, lr_scale, weight_decay, max_norm
-- (see nn.groups), and layers whose parameter NAME is to be this one's, too.
local EXTRA = { activation = "any", name = "any", lr_scale = "number", weight_decay = "number", max_norm = "number" }

local function read_arguments(row, ...)
  local named, extra, position = {}, { tied = {} }, 0
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if type(value) == "string" or type(value) == "function" then
      extra.activation = value
    elseif type(value) == "table" and not is_list(row, position, value) then
      for key, entry in pairs(value) do
        if type(key) == "string" and not row.by_name[key] and (EXTRA[key] or key:find("_init$")) then
          if EXTRA[key] == "number" and not (type(entry) == "number" and entry >= 0) then
            options.fail("nn.%s: %s must be a number, 0 or more, got %s", row.name, key, options.show(entry))
          end
          extra[key] = entry
        elseif M.is(entry) and not row.by_name[key] then
          extra.tied[key] = entry
        else
          named[key] = entry
        end
      end
    elseif value ~= nil then
      position = position + 1
      local option = row.options[position]
      if not option then
        options.fail("nn.%s: too many arguments", row.name)
      end
      named[option.name] = value
    end
  end
  for key in pairs(named) do
    if not row.by_name[key] then
      options.fail("nn.%s: unknown option %s%s", row.name, options.show(key),
        options.suggestion(key, row.known, "; it has " .. table.concat(row.known, ", ")))
    end
  end
  for _, option in ipairs(row.options) do
    if option.required and named[option.name] == nil then
      options.fail("nn.%s: '%s' must be given", row.name, option.name)
    end
  end
  return named, extra
end

--- The function of an activation given by name or as a function; nil stays nil.
---@param value? string|function
---@param where string who asks, for the message
---@return function?
function M.activation(value, where)
  if value == nil or type(value) == "function" then
    return value
  end
  local known = {}
  for _, row in ipairs(rows) do
    known[#known + 1] = row.activation
    if row.activation == value or row.name == value then
      return op[row.activation]
    end
  end
  options.fail("%s: unknown activation '%s'%s", where, value,
    options.suggestion(value, known, "; there are " .. table.concat(known, ", ")))
end

-- The parameter of the layer this one shares it with.
local function tied_value(self, spec)
  local other = self.extra.tied[spec.name]
  local node = other:weight(spec.name)
  if shape_of(node:shape()) ~= shape_of(spec.shape) then
    options.fail("nn.%s: %s is shared with %s, whose shape is %s; %s is needed here", self.kind, spec.name, other.kind,
      shape_of(node:shape()), shape_of(spec.shape))
  end
  return node
end

-- Starting values are known to be misspelt when the parameters are known.
local function check_inits(self, specs)
  local known = {}
  for i, spec in ipairs(specs) do
    known[i] = spec.name .. "_init"
    known[known[i]], known[spec.name] = true, true
  end
  for _, key in ipairs(options.keys(self.extra.tied)) do
    if not known[key] then
      options.fail("nn.%s: unknown option '%s'; it has no such parameter to share", self.kind, key)
    end
  end
  for _, key in ipairs(options.keys(self.extra)) do
    if key:find("_init$") and not known[key] then
      options.fail("nn.%s: unknown option '%s'%s", self.kind, key, options.suggestion(key, known))
    end
  end
end

local function emit_row(self, current, x)
  if not graphs.is_node(x) then
    options.fail("nn.%s takes one value, got %s", self.kind, type(x) == "table" and
      "several by name: " .. table.concat(options.keys(x), ", ") or options.show(x))
  end
  local specs, nodes, params = core.params(self.kind, self.options, x:shape()), {}, {}
  check_inits(self, specs)
  for i, spec in ipairs(specs) do
    if self.extra.tied[spec.name] then
      nodes[i] = tied_value(self, spec)
    else
      nodes[i], params[i] = param_value(current, self, spec, self.extra[spec.name .. "_init"])
    end
  end
  local y, updates = core.forward(self.kind, self.options, x, nodes, current.training,
    trace.stream(current, self), current.layer, self.place)
  for i = 1, #specs do
    if params[i] and updates and updates[i] and current.training then
      update_buffer(current, params[i], updates[i])
    end
  end
  return y
end

-- A layer meets its input long after it was written: messages say where that was.
local function forward_row(self, x)
  local current = trace.current(self.kind)
  local ok, y = pcall(emit_row, self, current, x)
  if not ok then
    error(type(y) == "string" and ("%s (layer %s, %s)"):format(y, current.layer, self.place) or y, 0)
  end
  return self.activation and self.activation(y) or y
end

for _, row in ipairs(rows) do
  row.by_name, row.known = {}, {}
  for _, option in ipairs(row.options) do
    row.by_name[option.name] = option
    row.known[#row.known + 1] = option.name
  end
  M.constructors[row.name] = function(...)
    local named, extra = read_arguments(row, ...)
    return setmetatable({
      kind = row.name, options = next(named) and named or nil, extra = extra, name = extra.name,
      lr_scale = extra.lr_scale, weight_decay = extra.weight_decay, max_norm = extra.max_norm,
      activation = M.activation(extra.activation, "nn." .. row.name), forward = forward_row,
      place = options.where(),
    }, Layer)
  end
end

-- ---- layers in Lua ----

local function forward_sequential(self, x, ...)
  for i, child in ipairs(self) do
    if i == 1 then
      x = child(x, ...)
    else
      x = child(x) -- of several values the first goes on
    end
  end
  return x
end

--- Refuse a list in which something is neither a layer nor a function of values.
---@param list any[]
---@param kind string of the layer they are for
function M.check_list(list, kind)
  for i, child in ipairs(list) do
    if not M.is(child) and type(child) ~= "function" then
      options.fail("nn.%s: entry %d is %s, not a layer", kind, i, options.show(child))
    end
  end
end

--- Layers one after the other. A function of values may stand between them.
---@param layers table a list of layers; may have a `name`
---@return Layer
function M.sequential(layers)
  if type(layers) ~= "table" or M.is(layers) then
    options.fail("nn.Sequential: expected a list of layers, e.g. nn.Sequential { nn.Linear(10) }; got %s",
      M.is(layers) and "a single layer" or options.show(layers))
  end
  M.check_list(layers, "Sequential")
  local self = setmetatable({ kind = "Sequential", name = layers.name, forward = forward_sequential }, Layer)
  for i, child in ipairs(layers) do
    self[i] = child
  end
  return self
end

-- What a layer keeps in its own table, besides what its init puts there.
local OWN = { kind = "string", place = "string", forward = "function", param = "function", buffer = "function",
  update = "function", part = "function" }

local function check_fields(self, kind)
  for _, field in ipairs(options.keys(OWN)) do
    if type(self[field]) ~= OWN[field] and self[field] ~= nil or field == "kind" and self.kind ~= kind then
      options.fail("%s: init sets self.%s, which every layer has for itself; take another name", kind, field)
    end
  end
end

--- A new kind of layer, written in Lua.
---
--- `local Residual = nn.layer("Residual", { init = function(self, size) ... end,
--- forward = function(self, x) ... end })`
--- makes a constructor: `Residual(64)` calls init, and the layer's forward runs when the model is
--- built. Ops, operators, other layers, indices (`x[":, 1"]`) and a tensor's ways with shapes (`x:unsqueeze(2)`,
--- `x:split(4, 2)`, tensor.stack) work on x; `self:param(name, shape, initializer)` is a parameter. What
--- forward does is traced once and as fast as a layer of the engine. It may take several values,
--- forward(self, a, b), or a table of them by name, and return several or a table: as a model these are its
--- inputs and outputs.
---@param kind string its name, e.g. "Residual"
---@param methods { init: function?, forward: function }
---@return fun(...): Layer
function M.layer(kind, methods)
  if type(kind) ~= "string" or type(methods) ~= "table" or type(methods.forward) ~= "function" then
    options.fail("nn.layer: expected a name and a table with a function `forward`")
  end
  local source = debug.getinfo(methods.forward, "S").short_src
  local class = { parent = Layer, __name = kind, __call = Layer.__call, custom = source:sub(1, 7) ~= "[nnrun]" }
  function class:__tostring()
    return Layer.__tostring(self) -- which is defined later than the library's own layers
  end
  class.__index = class
  for key, value in pairs(methods) do
    class[key] = value
  end
  setmetatable(class, Layer)
  return function(...)
    local self = setmetatable({ kind = kind }, class)
    if methods.init then
      methods.init(self, ...)
      check_fields(self, kind)
    end
    return self
  end
end

return M
