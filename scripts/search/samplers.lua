--- Samplers: which configuration comes next. A sampler is an object with
---   ask(k) -> params of configuration k (1, 2, ...), or nil when there are no more
--- and may have `tell(k, results)`. ask(k) depends on k and the seed only, or on results told in
--- trial order, never on who asks or when.
local options = require "options"
local random = require "core.random"

local M = {}

local MAX_POINTS = 1000000 -- of a grid, kept in memory
local MAX_TRIES = 10000    -- of random points until one meets the constraint

local function copy(params)
  local result = {}
  for name, value in pairs(params) do
    result[name] = value
  end
  return result
end

local function allowed(problem, params)
  if not problem.constraint then
    return true
  end
  local fine, verdict = pcall(problem.constraint, copy(params))
  if not fine then
    options.fail("constraint failed for %s: %s", problem.label(params), verdict)
  end
  return verdict
end

--- Every point of the space's grid, in the order of sorted names, the last varying fastest.
function M.grid(problem)
  local size = problem.space:size()
  if size and size > MAX_POINTS then
    options.fail("the grid has %d points, more than %d; use sampler = \"random\"", size, MAX_POINTS)
  end
  local points = {}
  problem.space:each(function(params)
    if allowed(problem, params) then
      points[#points + 1] = copy(params)
    end
  end)
  if #points == 0 then
    options.fail("the constraint allows none of the %d points of the grid", size)
  end
  return {
    name = "grid",
    count = #points,
    ask = function(k)
      return points[k]
    end,
  }
end

--- Independent points: each parameter uniform over its domain, or over its magnitude with `log`.
function M.random(problem)
  local function draw(k, try)
    -- The address of a number holds the parameter's name: a new parameter changes no other.
    return problem.space:fill(function(name, domain)
      return domain:at(random.uniform(problem.seed, name, (k << 16) + try))
    end)
  end
  return {
    name = "random",
    ask = function(k)
      for try = 0, MAX_TRIES - 1 do
        local params = draw(k, try)
        if allowed(problem, params) then
          return params
        end
      end
      options.fail("the constraint allows none of %d random configurations; "
        .. "is it ever true?", MAX_TRIES)
    end,
  }
end

local NAMES = { "grid", "random" }

--- The sampler for a sweep: by name, or a user's own (a table with `ask`, or a function of k and the
--- space).
---@param given string|table|function|nil nil: a grid when the space has one, else random
---@param problem {space: table, seed: integer, constraint: function?, label: fun(params): string}
function M.make(given, problem)
  if given == nil then
    given = problem.space:is_finite() and "grid" or "random"
  end
  if type(given) == "string" then
    local make = (given == "grid" or given == "random") and M[given]
    if not make then
      local near = options.nearest(given, NAMES)
      options.fail("unknown sampler '%s'%s", given,
        near and (" (did you mean '%s'?)"):format(near) or "; the samplers are grid and random")
    end
    return make(problem)
  elseif type(given) == "function" then
    return { name = "custom", ask = function(k) return given(k, problem.space) end }
  elseif type(given) == "table" and type(given.ask) == "function" then
    return {
      name = given.name or "custom",
      ask = function(k) return given:ask(k, problem.space) end,
    }
  end
  options.fail("sampler must be a name, a function or a table with ask, got %s", options.show(given))
end

return M
