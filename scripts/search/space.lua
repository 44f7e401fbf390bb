--- The space a sweep varies: parameters by name, each with its domain (search.domain).
---
--- A space is walked in the order of sorted names, never in the order of pairs(). A choice may have
--- branches that carry parameters of their own; a configuration holds only those of the branch it
--- took, beside all others, by their plain names.
local domains = require "search.domain"
local options = require "options"

local M = {}

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
    if type(value) == "table" and not domains.is(value) then
      value = domains.choice_of(("%s: %s"):format(where, name), value, false)
    elseif not domains.is(value) then
      value = domains.fixed(value, ("%s: %s"):format(where, name))
    end
    space.names[#space.names + 1] = name
    space.domains[name] = value
  end
  table.sort(space.names)
  check_names(space, where)
  return space
end

--- One configuration: `value(name, domain)` is asked for each parameter that is active; for a list it
--- is asked for "NAME.length", "NAME.1", ...
---@param value fun(name: string, domain: table): any
---@return table<string, any> params
function Space:fill(value, params)
  params = params or {}
  for _, name in ipairs(self.names) do
    local domain = self.domains[name]
    if domain.kind == "list" then
      params[name] = {}
      for i = 1, value(name .. ".length", domain.length) do
        params[name][i] = value(name .. "." .. i, domain.item)
      end
    else
      params[name] = value(name, domain)
    end
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

--- Number of points of the grid, or nil when some parameter has no list of values. A float when it is beyond
--- what an integer holds.
---@return number?
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
    size = size > math.maxinteger // sum and size * (sum + 0.0) or size * sum
  end
  return size
end

--- Whether all parameters have only so many values, so that random configurations may repeat.
function Space:is_discrete()
  for _, path in ipairs(self:paths()) do
    local domain = self:find(path)
    domain = domain.item or domain
    if domain.kind == "float" and not domain.step then
      return false
    end
  end
  return true
end

--- A plain table that says what the space is, for the record.
function Space:describe()
  local described = {}
  for _, name in ipairs(self.names) do
    described[name] = self.domains[name]:describe()
  end
  return described
end

--- One line a parameter: its path and its domain.
function Space:__tostring()
  local lines = {}
  for i, path in ipairs(self:paths()) do
    lines[i] = ("%-24s %s"):format(path, self:find(path))
  end
  return table.concat(lines, "\n")
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
  copy.domains[name] = domains.new(old.kind, { values = old.values, branches = branches })
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
