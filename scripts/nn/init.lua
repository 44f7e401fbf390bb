--- Initialisers: starting values of weights, `nn.Linear(10, { weight_init = "he_normal" })` or
--- `nn.init.normal { std = 0.01 }`.
---
--- There is a constructor for every row of the engine's table (core.init.rows()): zeros, constant,
--- normal, uniform, glorot_*, he_*, lecun_*, torch_default, orthogonal, identity; and `values` for
--- numbers that are given. Random ones depend on the seed and the parameter alone, and float32
--- values are the float64 ones rounded.
local core = require "core.init"
local options = require "options"

---@class Initializer
---@field name string the engine's name, or "values"
---@field args number[]? arguments in the order of the engine's row
---@field values any? the tensor, with name "values"
local Initializer = { __name = "Initializer" }
Initializer.__index = Initializer

function Initializer:__tostring()
  return ("nn.init.%s%s"):format(self.name, self.values and "(...)" or next(self.given)
    and " " .. options.literal(self.given) or "()")
end

local M = {}

-- Rows by name.
local rows = {}

for _, row in ipairs(core.rows()) do
  rows[row.name] = row
  local spec = {}
  for _, arg in ipairs(row.args) do
    spec[arg.name] = { type = "number", default = arg.default, help = arg.help }
  end
  M[row.name] = function(given)
    -- A single argument may be given bare: nn.init.constant(0.1).
    if type(given) == "number" and #row.args == 1 then
      given = { [row.args[1].name] = given }
    end
    local checked = options.check(given, spec, "nn.init." .. row.name)
    local args = {}
    for i, arg in ipairs(row.args) do
      args[i] = checked[arg.name] + 0.0
    end
    return setmetatable({ name = row.name, args = args, given = given or {} }, Initializer)
  end
end

--- Given values: a tensor, or a `.npy` or `.npz` file.
---@param source any a tensor, a (nested) table of numbers, or a path
---@param name? string which array of the `.npz` file
---@return Initializer
function M.values(source, name)
  local values = source
  if type(source) == "string" then
    local data = require "data"
    if source:match("%.npz$") then
      local arrays = data.npz(source)
      values = name and arrays[name]
      if not values then
        options.fail("nn.init.values: %s holds no array %s; it holds %s", source, options.show(name),
          table.concat(options.keys(arrays), ", "))
      end
    else
      values = data.npy(source)
    end
  elseif source == nil or type(source) == "number" then
    options.fail("nn.init.values: expected a tensor, a table or the path of a .npy or .npz file, got %s",
      options.show(source))
  end
  return setmetatable({ name = "values", values = values, given = {} }, Initializer)
end

--- An initialiser from what a layer's option holds: an initialiser, a name, or given values (a tensor
--- or a table of numbers).
---@param value any
---@param where string what the option belongs to, for messages
---@return Initializer
function M.from(value, where)
  if getmetatable(value) == Initializer then
    return value
  elseif type(value) == "string" then
    if rows[value] then
      return M[value]()
    end
    options.fail("%s: unknown initializer %s%s", where, options.show(value),
      options.suggestion(value, options.keys(rows), "; there are " .. table.concat(options.keys(rows), ", ")))
  elseif type(value) == "table" or type(value) == "userdata" then
    return M.values(value)
  end
  options.fail("%s: expected an initializer, its name or a tensor, got %s", where, options.show(value))
end

return M
