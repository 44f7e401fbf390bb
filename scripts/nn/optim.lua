--- Optimisers for `fit` and training loops of one's own: `nn.Adam { lr = 1e-3 }`.
---
--- There is a constructor for every row of the engine's table (core.optim.rows()); options, defaults
--- and help come from there. Semantics and defaults are PyTorch's, with these differences: every
--- optimiser has `lr` with a default and, LBFGS excepted, an L1 penalty `l1`; SGD has `ema`; Rprop has
--- `weight_decay`; LBFGS searches along its line unless `strong_wolfe = false`; ASGD's average is fit's
--- `ema = 1`; an `eps` of 0 is refused; RMSprop's centred variance is never negative; weight decay
--- leaves biases alone unless a group says otherwise; there is no `maximize`.
---
--- `groups` give parameters options of their own, the first that matches counts:
--- `nn.AdamW { lr = 1e-3, groups = { { match = "conv*", lr = 1e-4 }, { match = "*.bias", weight_decay = 0.01 } } }`
--- Names are matched as in a file browser, of layers or parameters; see help(model.freeze). Schedules
--- scale the rates of all groups alike.
local core = require "core.optim"
local groups = require "nn.groups"
local options = require "options"

local M = {}

---@class Optimizer
---@field name string the engine's name, "adam"
---@field title string as written, "Adam"
---@field lr number learning rate before any schedule
---@field momentum number? SGD's, RMSprop's momentum, or the first of betas
---@field searches boolean whether it evaluates the loss again within a step
---@field groups table[] parameters with options of their own
---@field hyper number[] all hyper-parameters, in the order of the engine's row
---@field options table the options with defaults filled in
local Optimizer = { __name = "Optimizer" }
Optimizer.__index = Optimizer

--- The optimiser as one would write it, with the options that were given.
function Optimizer:__tostring()
  local parts = { ("lr = %.14g"):format(self.lr) }
  for _, key in ipairs(options.keys(self.given)) do
    if key ~= "lr" then
      parts[#parts + 1] = key .. " = " .. options.literal(self.given[key])
    end
  end
  return ("nn.%s { %s }"):format(self.title, table.concat(parts, ", "))
end

-- What options.check asks of a hyper-parameter of each domain.
local DOMAINS = {
  AMOUNT = { type = "number", min = 0 },
  POSITIVE = { type = "number", above = 0 },
  FRACTION = { type = "number", min = 0, below = 1 },
  GROWTH = { type = "number", above = 1 },
  WHOLE = { type = "integer", min = 1 },
  FLAG = { type = "boolean" },
}

-- Hyper-parameters that end in 1 and 2 are written together: beta1 and beta2 as betas.
local function pair_of(hyper)
  local stem, which = hyper.name:match("^(%l[%l_]+)([12])$")
  return stem and stem .. "s", tonumber(which)
end

-- What is wrong with a number for a domain, in words; nil when nothing is.
local function domain_complaint(value, domain)
  local row = DOMAINS[domain]
  if type(value) == "number" and value >= (row.min or -math.huge) and value > (row.above or -math.huge)
    and value < (row.below or math.huge) then
    return nil
  end
  local parts = {}
  parts[#parts + 1] = row.min and ("at least %g"):format(row.min)
  parts[#parts + 1] = row.above and ("greater than %g"):format(row.above)
  parts[#parts + 1] = row.below and ("less than %g"):format(row.below)
  return table.concat(parts, " and ")
end

-- The option that holds a pair of hyper-parameters.
local function pair_option()
  local entry = { type = "table", default = {}, help = "", domains = {} }
  function entry.check(value)
    for i = 1, 2 do
      local wanted = domain_complaint(value[i], entry.domains[i])
      if wanted then
        return ("must be two numbers, the %s %s; it is %s"):format(i == 1 and "first" or "second", wanted,
          options.show(value[i]))
      end
    end
    return #value ~= 2 and ("must be two numbers, e.g. { %g, %g }"):format(table.unpack(entry.default)) or nil
  end
  return entry
end

-- The options of a row.
local function spec_of(row)
  local spec = {}
  for _, hyper in ipairs(row.hypers) do
    local pair, which = pair_of(hyper)
    if pair then
      local entry = spec[pair] or pair_option()
      spec[pair], entry.default[which], entry.domains[which] = entry, hyper.default, hyper.domain
      entry.help = entry.help .. (which == 2 and "; " or "") .. hyper.help
    else
      local entry = { help = hyper.help }
      for key, value in pairs(DOMAINS[hyper.domain]) do
        entry[key] = value
      end
      entry.default = hyper.default
      if hyper.domain == "FLAG" then
        entry.default = hyper.default ~= 0
      elseif hyper.domain == "WHOLE" then
        entry.default = math.tointeger(hyper.default)
      end
      spec[hyper.name] = entry
    end
  end
  if not row.searches then
    spec.groups = { type = "table", help = "own rates and decay, the first match counts: "
      .. "{ { match = \"conv*\", lr = 1e-4, weight_decay = 0 }, ... }; match as freeze takes it" }
  end
  return spec
end

local function hyper_values(row, checked)
  local values = {}
  for i, hyper in ipairs(row.hypers) do
    local pair, which = pair_of(hyper)
    local value = pair and checked[pair][which] or checked[hyper.name]
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
      hyper = hyper_values(row, checked), searches = row.searches,
      groups = groups.check(checked.groups, "nn." .. row.title, checked.lr),
      momentum = checked.betas and checked.betas[1] or checked.momentum,
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
    local items, seen, spec = {}, {}, rows[row.name].spec
    for _, hyper in ipairs(row.hypers) do
      local pair = pair_of(hyper)
      local entry = spec[pair or hyper.name]
      if not pair then
        items[#items + 1] = { name = hyper.name, type = entry.type, help = hyper.help,
          default = entry.type == "boolean" and tostring(entry.default) or ("%.6g"):format(hyper.default) }
      elseif not seen[pair] then
        seen[pair] = true
        items[#items + 1] = { name = pair, type = "two numbers", help = entry.help,
          default = ("{ %.6g, %.6g }"):format(table.unpack(entry.default)) }
      end
    end
    if spec.groups then
      items[#items + 1] = { name = "groups", type = "table", help = spec.groups.help, default = "{}" }
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
    options.fail("unknown optimizer %s%s", options.show(name),
      options.suggestion(name, names, "; there are " .. table.concat(names, ", ")))
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
