--- What a sweep varies: domains (the values one parameter may have) and the space they form.
---
--- A space is walked in the order of sorted names, never in the order of pairs(). A choice may have
--- branches that carry parameters of their own; a configuration holds only those of the branch it
--- took, beside all others, by their plain names.
local options = require "options"
local json = require "search.json"

local M = {}

local Domain = { __name = "search.domain" }
Domain.__index = Domain

local MAX_LISTED = 1000 -- an integer range without `n` is a grid of at most so many values

local function is_domain(value)
  return getmetatable(value) == Domain
end

local function new(kind, fields)
  fields.kind = kind
  return setmetatable(fields, Domain)
end

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
      domain.branches[key] = M.new(given[key], where .. " " .. key)
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

--- true or false.
---@return table domain
function M.bool()
  return new("bool", { values = { false, true } })
end

--- A constant: recorded with every trial, and settable from the command line.
---@param value any string, number, boolean, or a table of these
---@return table domain
function M.fixed(value)
  return new("fixed", { values = { check_value(value, "search.fixed") } })
end

-- ---- one domain ----

--- The values of this domain in a grid, or nil and why it has none.
function Domain:points()
  if self.values then
    return self.values
  end
  return number_points(self)
end

--- The value at a place: `u` in [0, 1) runs through the domain, evenly or by magnitude.
---@param u number
function Domain:at(u)
  if self.values then
    return self.values[math.min(math.floor(u * #self.values) + 1, #self.values)]
  end
  return number_at(self, u)
end

--- Whether a value belongs to the domain; if not, what it should be.
function Domain:accepts(value)
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
  }
end

--- The domain in a few words.
function Domain:__tostring()
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

-- ---- the space ----

local Space = { __name = "search.space" }
Space.__index = Space

-- Names below branches must not hide others, except between branches of one choice.
local function check_names(space, where)
  local owner = {}
  local function visit(part, by)
    for _, name in ipairs(part.names) do
      if owner[name] and owner[name] ~= by then
        options.fail("%s: parameter '%s' appears twice, as %s and as %s", where, name,
          owner[name], by)
      end
      owner[name] = by
    end
    for _, name in ipairs(part.names) do
      for _, value in ipairs(part.domains[name].values or {}) do
        local branch = part.domains[name].branches and part.domains[name].branches[value]
        if branch then
          visit(branch, ("part of '%s'"):format(name))
        end
      end
    end
  end
  visit(space, "a parameter of its own")
end

--- The space of a table of parameters: name -> domain, list of values (a choice) or constant.
---@param given table<string, any>
---@param where string? for messages
---@return table space
function M.new(given, where)
  where = where or "space"
  if getmetatable(given) == Space then
    return given
  elseif type(given) ~= "table" then
    options.fail("%s must be a table of parameters, got %s", where, options.show(given))
  end
  local space = setmetatable({ names = {}, domains = {} }, Space)
  for name, value in pairs(given) do
    if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
      options.fail("%s: a parameter needs a name of letters, digits and '_', got %s", where,
        options.show(name))
    end
    if type(value) == "table" and not is_domain(value) then
      value = make_choice(("%s: %s"):format(where, name), value, false)
    elseif not is_domain(value) then
      value = new("fixed", { values = { check_value(value, ("%s: %s"):format(where, name)) } })
    end
    space.names[#space.names + 1] = name
    space.domains[name] = value
  end
  table.sort(space.names)
  check_names(space, where)
  return space
end

--- One configuration: `value(name, domain)` is asked for each parameter that is active.
---@param value fun(name: string, domain: table): any
---@return table<string, any> params
function Space:fill(value, params)
  params = params or {}
  for _, name in ipairs(self.names) do
    local domain = self.domains[name]
    params[name] = value(name, domain)
    local branch = domain.branches and domain.branches[params[name]]
    if branch then
      branch:fill(value, params)
    end
  end
  return params
end

-- Calls visit(params) for every point of the grid below parameter number `i`.
local function each_point(space, i, params, visit)
  local name = space.names[i]
  if not name then
    return visit(params)
  end
  local domain = space.domains[name]
  local points, why = domain:points()
  if not points then
    options.fail("space: parameter '%s' %s", name, why)
  end
  for _, value in ipairs(points) do
    params[name] = value
    local branch = domain.branches and domain.branches[value]
    if branch then
      each_point(branch, 1, params, function()
        each_point(space, i + 1, params, visit)
      end)
      for _, inner in ipairs(branch.names) do
        params[inner] = nil
      end
    else
      each_point(space, i + 1, params, visit)
    end
  end
  params[name] = nil
end

--- Calls visit(params) for every point of the grid, the last name varying fastest. `params` is
--- reused between calls: copy what is kept.
---@param visit fun(params: table)
function Space:each(visit)
  each_point(self, 1, {}, visit)
end

--- Number of points of the grid, or nil when some parameter has no list of values.
---@return integer?
function Space:size()
  local size = 1
  for _, name in ipairs(self.names) do
    local domain = self.domains[name]
    local points = domain:points()
    if not points then
      return nil
    end
    local sum = 0
    for _, value in ipairs(points) do
      local branch = domain.branches and domain.branches[value]
      local inner = branch and branch:size() or 1
      if branch and not branch:size() then
        return nil
      end
      sum = sum + inner
    end
    size = size * sum
  end
  return size
end

--- Whether a grid needs no `n` anywhere.
function Space:is_finite()
  return self:size() ~= nil
end

--- A plain table that says what the space is, for the record.
function Space:describe()
  local described = {}
  for _, name in ipairs(self.names) do
    described[name] = self.domains[name]:describe()
  end
  return described
end

--- The space with one parameter replaced; the name may lead through branches: "optimizer.sgd.momentum".
--- Returns nil and the known names when there is no such parameter.
---@param path string
---@param domain table
function Space:replace(path, domain)
  local copy = setmetatable({ names = self.names, domains = {} }, Space)
  for name, old in pairs(self.domains) do
    copy.domains[name] = old
  end
  if self.domains[path] then
    copy.domains[path] = domain
    return copy
  end
  local name, branch, rest = path:match("^([^.]+)%.([^.]+)%.(.+)$")
  local old = name and self.domains[name]
  local inner = old and old.branches and old.branches[branch]
  local changed = inner and inner:replace(rest, domain)
  if not changed then
    return nil, self:paths()
  end
  local branches = {}
  for key, value in pairs(old.branches) do
    branches[key] = value
  end
  branches[branch] = changed
  copy.domains[name] = new(old.kind, { values = old.values, branches = branches })
  return copy
end

--- The domain at a path, as for Space:replace.
function Space:find(path)
  local name, branch, rest = path:match("^([^.]+)%.([^.]+)%.(.+)$")
  if not name then
    return self.domains[path]
  end
  local domain = self.domains[name]
  local inner = domain and domain.branches and domain.branches[branch]
  return inner and inner:find(rest)
end

--- The paths of all parameters, sorted, branches after their choice.
---@return string[]
function Space:paths()
  local paths = {}
  for _, name in ipairs(self.names) do
    paths[#paths + 1] = name
    local domain = self.domains[name]
    for _, value in ipairs(domain.values or {}) do
      local branch = domain.branches and domain.branches[value]
      for _, inner in ipairs(branch and branch:paths() or {}) do
        paths[#paths + 1] = ("%s.%s.%s"):format(name, value, inner)
      end
    end
  end
  return paths
end

--- Names of the parameters that can differ between configurations, sorted.
---@return string[]
function Space:varying()
  local names, seen = {}, {}
  for _, path in ipairs(self:paths()) do
    local name = path:match("[^.]+$")
    if self:find(path).kind ~= "fixed" and not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  return names
end

return M
