--- Optimisers for `fit` and training loops of one's own: `nn.Adam { lr = 1e-3 }`.
---
--- There is a constructor for every row of the engine's table (core.optim.rows()); options, defaults
--- and help come from there. Semantics and defaults are PyTorch's, with these differences: every
--- optimiser has `lr` with a default and an L1 penalty `l1`; SGD has `ema`; an `eps` of 0 is refused;
--- RMSprop's centred variance is never negative; there is no `maximize`.
local core = require "core.optim"
local options = require "options"

local M = {}

---@class Optimizer
---@field name string the engine's name, "adam"
---@field title string as written, "Adam"
---@field lr number learning rate before any schedule
---@field hyper number[] all hyper-parameters, in the order of the engine's row
---@field options table the options with defaults filled in
local Optimizer = { __name = "Optimizer" }
Optimizer.__index = Optimizer

--- The optimiser as one would write it, with the options that were given.
function Optimizer:__tostring()
  local parts = { ("lr = %.14g"):format(self.lr) }
  for _, key in ipairs(options.keys(self.given)) do
    local value = self.given[key]
    if type(value) == "table" then
      parts[#parts + 1] = ("%s = { %.14g, %.14g }"):format(key, value[1], value[2])
    elseif key ~= "lr" then
      local text = type(value) == "number" and ("%.14g"):format(value) or tostring(value)
      parts[#parts + 1] = key .. " = " .. text
    end
  end
  return ("nn.%s { %s }"):format(self.title, table.concat(parts, ", "))
end

-- What options.check asks of a hyper-parameter of each domain.
local DOMAINS = {
  AMOUNT = { type = "number", min = 0 },
  POSITIVE = { type = "number", above = 0 },
  FRACTION = { type = "number", min = 0, below = 1 },
  FLAG = { type = "boolean" },
}

local function check_betas(value)
  for i = 1, 2 do
    local beta = value[i]
    if type(beta) ~= "number" or not (beta >= 0 and beta < 1) then
      return ("must be two numbers, at least 0 and less than 1; the %s is %s"):format(
        i == 1 and "first" or "second", options.show(beta))
    end
  end
  return #value ~= 2 and "must be two numbers, e.g. { 0.9, 0.999 }" or nil
end

-- The options of a row; beta1 and beta2 are written together, as betas.
local function spec_of(row)
  local spec = {}
  for _, hyper in ipairs(row.hypers) do
    local which = hyper.name:match("^beta([12])$")
    if which then
      spec.betas = spec.betas or { type = "table", default = {}, check = check_betas, help = "" }
      spec.betas.default[tonumber(which)] = hyper.default
      spec.betas.help = spec.betas.help .. (which == "2" and "; " or "") .. hyper.help
    else
      local entry = { help = hyper.help }
      for key, value in pairs(DOMAINS[hyper.domain]) do
        entry[key] = value
      end
      entry.default = hyper.default
      if hyper.domain == "FLAG" then
        entry.default = hyper.default ~= 0
      end
      spec[hyper.name] = entry
    end
  end
  return spec
end

local function hyper_values(row, checked)
  local values = {}
  for i, hyper in ipairs(row.hypers) do
    local which = hyper.name:match("^beta([12])$")
    local value = which and checked.betas[tonumber(which)] or checked[hyper.name]
    if value == true or value == false then
      value = value and 1 or 0
    end
    values[i] = value + 0.0
  end
  return values
end

--- Constructors by title: M.constructors.Adam. nn takes them over: nn.Adam.
---@type table<string, fun(given?: table): Optimizer>
M.constructors = {}
-- Rows by the engine's name and by title.
local rows = {}

for _, row in ipairs(core.rows()) do
  row.spec = spec_of(row)
  rows[row.name], rows[row.title] = row, row
  M.constructors[row.title] = function(given)
    local checked = options.check(given, row.spec, "nn." .. row.title)
    local copy = {}
    for key, value in pairs(given or {}) do
      copy[key] = value
    end
    local optimizer = setmetatable({
      name = row.name, title = row.title, lr = checked.lr, options = checked, given = copy,
      hyper = hyper_values(row, checked),
    }, Optimizer)
    core.check(optimizer)
    return optimizer
  end
end

--- The engine's rows with their options as one writes them here, for help and the reference.
---@return table[] rows of name, title, help, options = { { name, type, default (text), help } ... }
function M.rows()
  local list = {}
  for _, row in ipairs(core.rows()) do
    local items, betas = {}, nil
    for _, hyper in ipairs(row.hypers) do
      local entry = rows[row.name].spec[hyper.name]
      if entry then
        items[#items + 1] = { name = hyper.name, type = entry.type, help = hyper.help,
          default = entry.type == "boolean" and tostring(entry.default) or ("%.6g"):format(hyper.default) }
      elseif not betas then
        betas = rows[row.name].spec.betas
        items[#items + 1] = { name = "betas", type = "two numbers", help = betas.help,
          default = ("{ %.6g, %.6g }"):format(betas.default[1], betas.default[2]) }
      end
    end
    list[#list + 1] = { name = row.name, title = row.title, help = row.help, options = items }
  end
  return list
end

--- An optimiser by name, for sweeps: `nn.optimizer(p.optimizer, { lr = p.lr })`.
---@param name string|Optimizer "adam" or "Adam"; an optimiser is returned as it is
---@param given? table its options
---@return Optimizer
function M.optimizer(name, given)
  if getmetatable(name) == Optimizer then
    return name
  end
  local row = type(name) == "string" and (rows[name] or rows[name:lower()])
  if not row then
    local names = {}
    for _, known in ipairs(options.keys(rows)) do
      if rows[known].name == known then
        names[#names + 1] = known
      end
    end
    local near = type(name) == "string" and options.nearest(name, names)
    options.fail("unknown optimizer %s%s", options.show(name),
      near and (" (did you mean '%s'?)"):format(near) or "; there are " .. table.concat(names, ", "))
  end
  return M.constructors[row.title](given)
end

--- Whether a value is an optimiser.
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == Optimizer
end

return M
