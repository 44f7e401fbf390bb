--- Parameters by name: freezing them, and giving them options of their own.
---
--- A pattern is a name with `*` for any characters and `?` for one: "conv*", "*.bias", "linear_2.weight".
--- It is compared with a parameter's whole name and with those of its layer and the layers that one is part
--- of: "transformer_1" means all in it. In place of a pattern there may be a layer, which stands for all
--- parameters in it, or a list of both.
local options = require "options"

local M = {}

-- Parameters a layer has made, in whatever models: layer -> list. Freezing a layer reaches them.
local made = setmetatable({}, { __mode = "k" })
-- What was frozen by name: layer -> { [key] = boolean, all = boolean }.
local states = setmetatable({}, { __mode = "k" })

local function is_layer(value)
  local layers = require "nn.layers"
  return layers.is(value)
end

--- Note a new parameter, and say whether it starts frozen.
---@param layer Layer
---@param param table
---@return boolean?
function M.register(layer, param)
  made[layer] = made[layer] or setmetatable({}, { __mode = "v" })
  table.insert(made[layer], param)
  local state = states[layer] or {}
  local own = state[param.key]
  if own == nil then
    own = state.all
  end
  return own or nil
end

-- Fields of a layer that lead to others that are not in it.
local OUTSIDE = { owner = true, extra = true, book = true, summary = true, steps = true, criterion = true }

-- All layers in a layer, itself included: those in its fields, and in tables there.
local function layers_in(value, found)
  if found[value] then
    return found
  end
  found[value] = true
  if is_layer(value) then
    found[#found + 1] = value
  elseif getmetatable(value) then
    return found
  end
  for key, field in pairs(value) do
    if type(field) == "table" and not OUTSIDE[key] then
      layers_in(field, found)
    end
  end
  return found
end

local function as_pattern(glob)
  return "^" .. glob:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*", ".*"):gsub("%?", ".") .. "$"
end

--- Whether a parameter is meant by a pattern, a layer or a list of them.
---@param match string|Layer|table
---@param param table of a model's book
---@return boolean
function M.matches(match, param)
  if type(match) == "string" then
    local pattern, name = as_pattern(match), param.name
    while name and not name:find(pattern) do
      name = name:match("^(.*)%.[^.]*$") -- the layer's, then that of the layer it is part of
    end
    return name ~= nil
  elseif is_layer(match) then
    local found = layers_in(match, {})
    return found[param.layer] == true
  end
  for _, entry in ipairs(match) do
    if M.matches(entry, param) then
      return true
    end
  end
  return false
end

local function match_complaint(value)
  if type(value) == "string" or is_layer(value) then
    return nil
  end
  for _, entry in ipairs(type(value) == "table" and value or { false }) do
    if type(entry) ~= "string" and not is_layer(entry) then
      return "must be a pattern such as \"conv*\", a layer or a list of them"
    end
  end
end

-- The book's trained parameters that are meant; an error when there are none.
local function find(book, match, where)
  local found, names = {}, {}
  for _, param in ipairs(book.params) do
    if not param.buffer then
      names[#names + 1] = param.name
      names[#names + 1] = param.name:match("^(.*)%.[^.]*$")
      if M.matches(match, param) then
        found[#found + 1] = param
      end
    end
  end
  if #found == 0 then
    options.fail("%s: no parameter is called %s%s", where, options.show(match),
      options.suggestion(match, names, "; there are " .. table.concat(names, ", ")))
  end
  return found
end

-- ---- freezing ----

local function mark(layer, key, value)
  local state = key and states[layer] or {}
  state[key or "all"] = value
  states[layer] = state
  for _, param in pairs(made[layer] or {}) do
    if not param.buffer and (key == nil or param.key == key) then
      param.frozen = value or nil
    end
  end
end

--- Freeze parameters, or let them be trained again.
---@param self Layer
---@param match? string|Layer|table which; default all
---@param value boolean whether they shall be frozen
---@param where string the method, for messages
---@return Layer self
function M.set_frozen(self, match, value, where)
  if match == nil then
    for _, layer in ipairs(layers_in(self, {})) do
      mark(layer, nil, value)
    end
    return self
  end
  local problem = match_complaint(match)
  if problem then
    options.fail("%s: a name %s, got %s", where, problem, options.show(match))
  elseif not self.book then
    options.fail("%s: the model has no parameters yet; call model:build(data) or fit first", where)
  end
  for _, param in ipairs(find(self.book, match, where)) do
    mark(param.layer, param.key, value)
  end
  return self
end

--- Which parameters of a model are frozen, as a text to compare.
---@param book table
---@return string
function M.frozen_text(book)
  local flags = {}
  for i, param in ipairs(book.params) do
    flags[i] = param.frozen and "1" or "0"
  end
  return table.concat(flags)
end

-- ---- groups and segments ----

--- Check an optimiser's groups.
---@param list? table[] as written
---@param where string "nn.Adam"
---@param lr number the optimiser's
---@return table[] groups of match, lr_scale, weight_decay
function M.check(list, where, lr)
  local checked = {}
  for i, given in ipairs(list or {}) do
    local group = options.check(given, {
      match = { type = "string|table", required = true, check = match_complaint, help = "which parameters" },
      lr = { type = "number", min = 0, help = "learning rate" },
      weight_decay = { type = "number", min = 0, help = "weight decay, of biases too" },
    }, ("%s: group %d"):format(where, i))
    if group.lr and lr == 0 then
      options.fail("%s: group %d has a learning rate, but the optimizer's own is 0", where, i)
    end
    checked[i] = { match = group.match, lr_scale = group.lr and group.lr / lr or 1, weight_decay = group.weight_decay }
  end
  return checked
end

--- What the engine's optimiser is told of each parameter.
---@param book table
---@param optimizer Optimizer
---@param max_norm? number largest norm of rows of all weights
---@return table[] segments
function M.segments(book, optimizer, max_norm)
  local own = {}
  for i, group in ipairs(optimizer.groups) do
    for _, param in ipairs(find(book, group.match, ("nn.%s: group %d"):format(optimizer.title, i))) do
      own[param] = own[param] or group
    end
  end
  local segments = {}
  for i, param in ipairs(book.params) do
    local group, layer = own[param] or {}, param.layer
    local rows = param.tensor:shape()
    segments[i] = {
      offset = param.offset, count = param.count, decay = param.decay, frozen = param.frozen,
      lr_scale = param.lr_scale * (group.lr_scale or 1),
      weight_decay = group.weight_decay or layer.weight_decay and param.decay and layer.weight_decay or nil,
      rows = rows[1], max_norm = param.decay and #rows >= 2 and (layer.max_norm or max_norm) or nil,
      sparse = layer.sparse,
    }
  end
  return segments
end

return M
