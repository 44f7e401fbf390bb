--- Containers for models that branch: nn.Residual and nn.Parallel. Anything else is a layer of one's own
--- (nn.layer), whose forward calls other layers.
local layers = require "nn.layers"
local op = require "core.op"
local options = require "options"

local M = {}

-- What both take: a list of layers, one or more.
local function check_list(given, kind)
  if type(given) ~= "table" or layers.is(given) or #given == 0 then
    options.fail("nn.%s: expected a list of layers, got %s", kind, options.show(given))
  end
  layers.check_list(given, kind)
end

local function same_shape(a, b)
  return table.concat(a:shape(), "x", 2) == table.concat(b:shape(), "x", 2)
end

local new_residual = layers.layer("Residual", {
  init = function(self, given)
    self.body, self.shortcut, self.activation, self.name = given, given.shortcut, given.activation, given.name
  end,
  forward = function(self, x)
    local y = x
    for _, child in ipairs(self.body) do
      y = child(y)
    end
    local short = self.shortcut and self.shortcut(x) or x
    if not same_shape(y, short) then
      options.fail("nn.Residual: the layers make (N, %s) of (N, %s); make them equal, or give a shortcut layer",
        table.concat(y:shape(), ", ", 2), table.concat(short:shape(), ", ", 2))
    end
    return self.activation and self.activation(y + short) or y + short
  end,
})

--- A residual block: activation(shortcut(x) + layers(x)), the layers one after the other. He et al. 2016.
---
--- `nn.Residual { nn.Linear(64, "relu"), nn.Linear(64), activation = "relu" }`. Without a `shortcut` layer
--- x itself is added; the shapes must agree.
---@param given table a list of layers; with shortcut (a layer), activation (a name) and name
---@return Layer
function M.residual(given)
  check_list(given, "Residual")
  if given.shortcut ~= nil and not layers.is(given.shortcut) and type(given.shortcut) ~= "function" then
    options.fail("nn.Residual: shortcut is %s, not a layer", options.show(given.shortcut))
  end
  local copy = {}
  for key, value in pairs(given) do
    copy[key] = value
  end
  copy.activation = layers.activation(given.activation, "nn.Residual")
  return new_residual(copy)
end

local JOIN = {
  concat = function(values, axis)
    local joined = values[1]
    for i = 2, #values do
      joined = op.concat(joined, values[i], axis)
    end
    return joined
  end,
  add = function(values)
    local sum = values[1]
    for i = 2, #values do
      sum = sum + values[i]
    end
    return sum
  end,
  none = function(values)
    return values
  end,
}

local new_parallel = layers.layer("Parallel", {
  init = function(self, given)
    self.branches, self.join, self.axis, self.name = given, given.join or "concat", given.axis or 2, given.name
  end,
  forward = function(self, ...)
    local inputs, values = { ... }, {}
    for i, branch in ipairs(self.branches) do
      values[i] = branch(inputs[#inputs == 1 and 1 or i])
    end
    return JOIN[self.join](values, self.axis)
  end,
})

--- Branches side by side: each gets the input (or, of several inputs, its own), and their results are joined.
---
--- `nn.Parallel { nn.Linear(8), nn.Linear(8, "tanh") }` gives 16 features; `join = "none"` leaves several
--- outputs, one for each branch.
---@param given table a list of layers; with join ("concat", "add" or "none"; default "concat"), axis (of concat,
--- default 2: features or channels) and name
---@return Layer
function M.parallel(given)
  check_list(given, "Parallel")
  if given.join and not JOIN[given.join] then
    options.fail("nn.Parallel: join is %s; it can be \"concat\", \"add\" or \"none\"", options.show(given.join))
  end
  return new_parallel(given)
end

return M
