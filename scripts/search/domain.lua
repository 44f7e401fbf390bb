--- Domains: the values one parameter of a sweep may have.
---
--- A domain maps places, numbers u in [0, 1), to its values (`at`) and back (`place`): evenly, or by
--- magnitude with `log`. What has a list of values, or steps, has `cells` of equal width; a value's place is
--- the middle of its own.
local options = require "options"
local json = require "search.json"

local M = {}

local Domain = { __name = "search.domain" }
Domain.__index = Domain

local MAX_LISTED = 1000 -- an integer range without `n` is a grid of at most so many values
local MAX_CELLS = 1024  -- a range of more steps counts as continuous for samplers

--- Whether a value is a domain.
function M.is(value)
  return getmetatable(value) == Domain
end
local is_domain = M.is

local function new(kind, fields)
  fields.kind = kind
  return setmetatable(fields, Domain)
end
M.new = new

-- Twelve significant digits: grids of ranges get 0.001, not 0.00099999999999999.
local function tidy(value)
  return tonumber(("%.12g"):format(value)) + 0.0
end

-- ---- numbers ----

local RANGE = {
  log = { type = "boolean", default = false, help = "spread evenly over magnitudes" },
  step = { type = "number", above = 0, help = "only low, low + step, ..." },
  n = { type = "integer", min = 1, help = "number of points in a grid" },
}

local function range(kind, low, high, given)
  local where = "search." .. kind
  for i = 1, 2 do
    local value = i == 1 and low or i == 2 and high
    local right = type(value) == "number" and value - value == 0 -- neither NaN nor infinite
    if not right or (kind == "int" and not math.tointeger(value)) then
      options.fail("%s: %s must be a %s, got %s", where, i == 1 and "low" or "high",
        kind == "int" and "whole number" or "finite number", options.show(value or nil))
    end
  end
  local chosen = options.check(given, RANGE, where)
  if high < low then
    options.fail("%s: high (%s) is below low (%s)", where, high, low)
  elseif chosen.log and low <= 0 then
    options.fail("%s: with log = true, low must be greater than 0, got %s", where, low)
  elseif chosen.log and chosen.step then
    options.fail("%s: give either log or step, not both", where)
  elseif kind == "int" and chosen.step and not math.tointeger(chosen.step) then
    options.fail("%s: step must be a whole number, got %s", where, chosen.step)
  end
  if kind == "int" then
    low, high = math.tointeger(low), math.tointeger(high)
    chosen.step = math.tointeger(chosen.step or 1)
  else
    low, high = low + 0.0, high + 0.0
  end
  return new(kind, { low = low, high = high, log = chosen.log, step = chosen.step, n = chosen.n })
end

--- A real parameter between `low` and `high`.
---@param low number
---@param high number
---@param given {log: boolean?, step: number?, n: integer?}? `log`: even over magnitudes; `step`: only
--- low + k * step; `n`: points in a grid
---@return table domain
function M.float(low, high, given)
  return range("float", low, high, given)
end

--- A whole-number parameter from `low` to `high`, both included.
---@param low integer
---@param high integer
---@param given {log: boolean?, step: integer?, n: integer?}? as for search.float; step 1
---@return table domain
function M.int(low, high, given)
  return range("int", low, high, given)
end

-- Number of values a stepped range has.
local function steps(domain)
  return math.floor((domain.high - domain.low) / domain.step + 1e-9) + 1
end

local function number_at(domain, u)
  local low, high = domain.low, domain.high
  if domain.log then
    local top = domain.kind == "int" and high + 1 or high
    local value = math.exp(math.log(low) + u * (math.log(top) - math.log(low)))
    value = math.min(math.max(value, low), high)
    return domain.kind == "int" and math.floor(value) or value
  elseif domain.step then
    local value = low + domain.step * math.min(math.floor(u * steps(domain)), steps(domain) - 1)
    return domain.kind == "int" and value or tidy(value)
  end
  return low + u * (high - low)
end

local function number_points(domain)
  local low, high, n = domain.low, domain.high, domain.n
  local points = {}
  if not n then
    local count = domain.step and not domain.log and steps(domain)
    if not count or count > MAX_LISTED then
      return nil, "has no list of values for a grid: give n = number of points, e.g. { n = 4 }"
    end
    for k = 0, count - 1 do
      points[k + 1] = domain.kind == "int" and low + k * domain.step or tidy(low + k * domain.step)
    end
    return points
  end
  for k = 0, n - 1 do
    local share = n == 1 and 0.5 or k / (n - 1)
    local value = domain.log and low * (high / low) ^ share or low + (high - low) * share
    value = domain.kind == "int" and math.floor(value + 0.5) or tidy(value)
    if value ~= points[#points] then
      points[#points + 1] = value
    end
  end
  return points
end

-- ---- choices ----

-- A value that can be recorded, or the complaint.
local function check_value(value, where)
  local fine, text = pcall(json.encode, value)
  if not fine or type(value) == "nil" then
    options.fail("%s: %s cannot be recorded as a value (%s); use names and look them up in run",
      where, options.show(value), text)
  end
  return value
end

local function make_choice(where, given, ordered)
  if type(given) ~= "table" or is_domain(given) then
    options.fail("%s: expected a list of values, got %s", where, options.show(given))
  end
  local domain = new(ordered and "ordered" or "choice", { values = {}, branches = {} })
  for i, value in ipairs(given) do
    domain.values[i] = check_value(value, where)
  end
  for _, key in ipairs(options.keys(given)) do
    if given[key] ~= nil then -- a name: a branch
      if ordered or type(given[key]) ~= "table" or is_domain(given[key]) then
        options.fail("%s: '%s' must be a table of the parameters of that branch, e.g. %s = {}",
          where, key, key)
      end
      domain.values[#domain.values + 1] = key
      domain.branches[key] = require("search.space").new(given[key], where .. " " .. key)
    end
  end
  if #domain.values == 0 then
    options.fail("%s: the list of values is empty", where)
  end
  local seen = {}
  for _, value in ipairs(domain.values) do
    local text = json.encode(value)
    if seen[text] then
      options.fail("%s: the value %s is listed twice", where, text)
    end
    seen[text] = true
  end
  return domain
end

--- One of several values, without an order. `search.choice { "relu", "tanh" }` lists values (strings,
--- numbers, booleans, tables of these); `search.choice { sgd = { momentum = ... }, adam = {} }` names
--- branches that carry parameters of their own: `params.momentum` is there when sgd was chosen, beside
--- `params.optimizer == "sgd"`, and nil otherwise.
---@param values table
---@return table domain
function M.choice(values)
  return make_choice("search.choice", values, false)
end

--- One of several values that have an order, e.g. `search.ordered { 16, 32, 64 }`.
---@param values any[]
---@return table domain
function M.ordered(values)
  return make_choice("search.ordered", values, true)
end

local LIST = {
  min = { type = "integer", default = 1, min = 0, help = "entries at least" },
  max = { type = "integer", required = true, min = 1, max = 32, help = "entries at most" },
}

--- A list of `min` to `max` entries from one domain; the length is a parameter, too. For layer sizes:
--- `hidden = search.list(search.int(16, 256, { log = true }), { max = 3 })` gives
--- `params.hidden`, e.g. { 128, 32 }.
---@param item table a domain, or a list of values
---@param given {min: integer?, max: integer} entries; min 1, max up to 32
---@return table domain
function M.list(item, given)
  if type(item) == "table" and not is_domain(item) then
    item = M.choice(item)
  end
  if not is_domain(item) or item.branches and next(item.branches) or item.kind == "list" then
    options.fail("search.list: expected a domain without branches for the entries, e.g. "
      .. "search.int(16, 256), got %s", options.show(item))
  end
  local chosen = options.check(given, LIST, "search.list")
  if chosen.min > chosen.max then
    options.fail("search.list: max (%d) is below min (%d)", chosen.max, chosen.min)
  end
  return new("list", { item = item, length = M.int(chosen.min, chosen.max) })
end

--- true or false.
---@return table domain
function M.bool()
  return new("bool", { values = { false, true } })
end

--- A constant: recorded with every trial, and settable from the command line.
---@param value any string, number, boolean, or a table of these
---@return table domain
function M.fixed(value, where)
  return new("fixed", { values = { check_value(value, where or "search.fixed") } })
end

-- ---- one domain ----

-- All lists of a list domain, shorter ones first.
local function list_points(domain)
  local items, why = domain.item:points()
  if not items then
    return nil, why
  end
  local points, from = { {} }, 1
  for length = 1, domain.length.high do
    local last = #points
    if (last - from + 1) * #items > MAX_LISTED then
      return nil, ("has more than %d lists; use another sampler than a grid"):format(MAX_LISTED)
    end
    for i = from, last do
      for _, item in ipairs(items) do
        local point = table.move(points[i], 1, length - 1, 1, {})
        point[length] = item
        points[#points + 1] = point
      end
    end
    from = last + 1
  end
  local kept = {}
  for _, point in ipairs(points) do
    if #point >= domain.length.low then
      kept[#kept + 1] = point
    end
  end
  return kept
end

--- The values of this domain in a grid, or nil and why it has none.
function Domain:points()
  if self.values then
    return self.values
  end
  return (self.kind == "list" and list_points or number_points)(self)
end

--- The number of values that are told apart, as cells of equal width; 0 when places are continuous.
---@return integer
function Domain:cells()
  if self.values then
    if #self.values > MAX_CELLS then
      options.fail("a choice of %d values; samplers that learn take at most %d", #self.values, MAX_CELLS)
    end
    return #self.values
  end
  local count = self.step and not self.log and steps(self) or 0
  return count <= MAX_CELLS and count or 0
end

--- The value at a place: `u` in [0, 1) runs through the domain, evenly or by magnitude.
---@param u number
function Domain:at(u)
  if self.values then
    return self.values[math.min(math.floor(u * #self.values) + 1, #self.values)]
  end
  return number_at(self, u)
end

-- Place of a number in its range; for whole numbers that of the middle of what at() maps to them.
local function number_place(domain, value)
  local low, high = domain.low, domain.high
  if domain.log then
    local whole = domain.kind == "int"
    local span = math.log(whole and high + 1 or high) - math.log(low)
    local middle = whole and (math.log(value) + math.log(value + 1)) / 2 or math.log(value)
    return span > 0 and (middle - math.log(low)) / span or 0.5
  elseif domain.step then
    return (math.floor((value - low) / domain.step + 0.5) + 0.5) / steps(domain)
  end
  return high > low and (value - low) / (high - low) or 0.5
end

--- Where in [0, 1] a value stands, or nil when it is not in the domain: at(place(value)) is the value.
---@param value any
---@return number? place
function Domain:place(value)
  if self.values then
    for i, known in ipairs(self.values) do
      if known == value or type(known) == "table" and type(value) == "table"
        and json.encode(known) == json.encode(value) then
        return (i - 0.5) / #self.values
      end
    end
    return nil
  elseif type(value) ~= "number" or not (value >= self.low and value <= self.high) then
    return nil
  end
  return math.min(math.max(number_place(self, value), 0), 1)
end

--- Whether a value belongs to the domain; if not, what it should be.
function Domain:accepts(value)
  if self.kind == "list" then
    local wanted = ("a list of %d to %d entries, each %s"):format(self.length.low, self.length.high,
      self.item)
    local right = type(value) == "table" and self.length:accepts(#value)
    for _, item in ipairs(right and value or {}) do
      right = right and self.item:accepts(item)
    end
    return right, wanted
  end
  if self.values then
    local text, listed = json.encode(value), {}
    for i, known in ipairs(self.values) do
      listed[i] = json.encode(known)
      if listed[i] == text or (type(value) == "number" and value == known) then
        return true
      end
    end
    return self.kind == "fixed", "one of " .. table.concat(listed, ", ")
  end
  local kind = self.kind == "int" and "a whole number" or "a number"
  local right = type(value) == "number" and (self.kind == "float" or math.tointeger(value))
  return right and value >= self.low and value <= self.high,
    ("%s from %s to %s"):format(kind, self.low, self.high)
end

--- The domain with only some of its values: what `--set` makes. Branches of those values remain.
---@param values any[] each accepted by the domain
function Domain:only(values)
  local kind = #values == 1 and not self.branches and "fixed" or "choice"
  return new(kind, { values = values, branches = self.branches })
end

--- A plain table that says what the domain is, for the record.
function Domain:describe()
  local branches
  for name, branch in pairs(self.branches or {}) do
    branches = branches or {}
    branches[name] = branch:describe()
  end
  return {
    kind = self.kind, low = self.low, high = self.high, log = self.log or nil, step = self.step,
    n = self.n, values = self.values, branches = branches,
    item = self.item and self.item:describe(), length = self.length and self.length:describe(),
  }
end

--- The domain in a few words.
function Domain:__tostring()
  if self.kind == "list" then
    return ("list of %d to %d: %s"):format(self.length.low, self.length.high, self.item)
  end
  if not self.values then
    return ("%s %s to %s%s%s"):format(self.kind, self.low, self.high, self.log and ", log" or "",
      self.step and self.step ~= 1 and ", step " .. self.step or "")
  end
  local words = {}
  for i, value in ipairs(self.values) do
    words[i] = type(value) == "string" and value or json.encode(value)
  end
  return self.kind .. " " .. table.concat(words, " | ")
end

--- A choice of listed values, or of branches: what a plain table in a space means.
---@param where string for messages
---@param given table
M.choice_of = make_choice

return M
