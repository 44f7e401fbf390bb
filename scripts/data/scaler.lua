--- Scalers: measured on the training part, then applied to every part, so that nothing is learnt from
--- data that is meant for testing.
local core = require "core.data"
local options = require "options"
local sets = require "data.set"

local M = {}

---@class data.Scaler
---@field kind string "standard", "min_max" or "imputer"
---@field shift userdata? float64 tensor, one value per column
---@field scale userdata? float64 tensor, one value per column
local Scaler = { __name = "data.Scaler" }
Scaler.__index = Scaler

local OPTIONS = {
  per = { type = "string", choices = { "column", "all" }, default = "column",
    help = "one scale for each column, or one for all (pictures)" },
}

-- Rows of core.stats.
local MEAN, STD, MIN, MAX = 1, 2, 3, 4

local function check_set(set, where)
  if getmetatable(set) ~= sets.Set then
    options.fail("%s: expected a data set, got %s", where, options.show(set))
  elseif #set == 0 then
    options.fail("%s: there are no rows to measure", where)
  elseif set.x:dtype() == "int64" then
    options.fail("%s: x holds whole numbers (int64); convert it first with set:to(\"float32\")", where)
  end
end

local function fill(count, value)
  local list = {}
  for i = 1, count do
    list[i] = value
  end
  return list
end

-- Mean and standard deviation of all columns together.
local function pool(stats)
  local mean, squares, n = 0, 0, #stats[MEAN]
  for i = 1, n do
    mean = mean + stats[MEAN][i] / n
  end
  for i = 1, n do
    squares = squares + (stats[STD][i] ^ 2 + (stats[MEAN][i] - mean) ^ 2) / n
  end
  local low, high = math.huge, -math.huge
  for i = 1, n do
    low, high = math.min(low, stats[MIN][i]), math.max(high, stats[MAX][i])
  end
  return { fill(n, mean), fill(n, squares ^ 0.5), fill(n, low), fill(n, high) }
end

-- Columns that do not vary are shifted but not stretched.
local function make(kind, set, given)
  local where = "data.scaler." .. kind
  check_set(set, where)
  local o = options.check(given, OPTIONS, where)
  local stats = core.stats(set.x):totable()
  if o.per == "all" then
    stats = pool(stats)
  end
  local shift, scale = {}, {}
  for i, mean in ipairs(stats[MEAN]) do
    shift[i] = kind == "standard" and mean or stats[MIN][i]
    local width = kind == "standard" and stats[STD][i] or stats[MAX][i] - stats[MIN][i]
    scale[i] = width > 0 and width or 1
    if shift[i] ~= shift[i] then
      options.fail("%s: column %d of %s has no values", where, i, set.name)
    end
  end
  return setmetatable({
    kind = kind, columns = #shift,
    shift = core.tensor(shift, "float64"), scale = core.tensor(scale, "float64"),
  }, Scaler)
end

--- Measure mean and standard deviation (dividing by N); applying it gives columns of mean 0 and
--- standard deviation 1. NaN cells are left out and stay.
---@param set data.Set the training part
---@param given? table
---@options OPTIONS
---@return data.Scaler
function M.standard(set, given)
  return make("standard", set, given)
end

--- Measure minimum and maximum; applying it brings each column to the range 0 to 1.
---@param set data.Set the training part
---@param given? table
---@options OPTIONS
---@return data.Scaler
function M.min_max(set, given)
  return make("min_max", set, given)
end

--- Measure what to put in place of missing cells (NaN in x): the mean of each column.
---@param set data.Set the training part, read with `missing = "keep"`
---@return data.Scaler
function M.imputer(set)
  check_set(set, "data.scaler.imputer")
  local means = core.stats(set.x):totable()[MEAN]
  for i, mean in ipairs(means) do
    if mean ~= mean then
      options.fail("data.scaler.imputer: column %d of %s has no values", i, set.name)
    end
  end
  return setmetatable({ kind = "imputer", columns = #means, values = core.tensor(means, "float64") }, Scaler)
end

--- A set scaled with what was measured; the one given stays as it is.
---@param set data.Set with the same number of columns
---@return data.Set
function Scaler:apply(set)
  check_set(set, "apply")
  local columns = set.x:size() // #set
  if columns ~= self.columns then
    options.fail("apply: the %s scaler was made for %d columns, but %s has %d", self.kind, self.columns,
      set.name, columns)
  end
  if self.kind == "imputer" then
    return sets.with(set, { x = core.fill(set.x, self.values) })
  end
  return sets.with(set, { x = core.scale(set.x, self.shift, self.scale) })
end

function Scaler:__tostring()
  return ("%s scaler of %d columns"):format(self.kind, self.columns)
end

return M
