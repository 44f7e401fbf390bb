--- The samplers of a sweep: which configuration comes next.
---
--- A sampler is a table with
---   ask(k, pending, attempt) -> params of configuration k (1, 2, ...), or nil when there are no more
---   tell(k, result)             optional: it learns from results
--- tell is called for 1, 2, 3, ... in this order, and ask(k) when exactly the first k - lag results have
--- been told; `pending` lists the params of those between. result is {params, state, loss, losses}: the
--- loss is smaller for better trials whatever the objective, and infinite for a trial that failed or
--- diverged; `losses` has one for each objective. An ask must depend on nothing but its arguments, the seed
--- and what was told: then a sweep gives the same table on any number of workers and when it was
--- killed and continued. `attempt` counts from 0 how often a proposal for k was refused, for the
--- constraint or because it was a repetition. What a sampler learns it takes from result.params: they
--- need not be what it proposed.
local options = require "options"
local sequence = require "search.sampler.sequence"

local M = {}

--- name -> { help, options: for options.check, new(problem, options) -> sampler }
M.table = {
  grid = require "search.sampler.grid",
  random = require "search.sampler.random",
  sobol = sequence.sobol,
  halton = sequence.halton,
  tpe = require "search.sampler.tpe",
  gp = require "search.sampler.gp",
  cmaes = require "search.sampler.cmaes",
  de = require "search.sampler.de",
  evolution = require "search.sampler.evolution",
  nsga2 = require "search.sampler.nsga2",
}

local function named(name, given, problem)
  local row = M.table[name]
  if not row then
    local names = options.keys(M.table)
    options.fail("unknown sampler '%s'%s", name, options.suggestion(name, names,
      "; the samplers are " .. table.concat(names, ", ")))
  end
  local chosen = options.check(given, row.options, ("sampler '%s'"):format(name))
  local sampler = row.new(problem, chosen)
  sampler.name = name
  sampler.settings = given
  return sampler
end

-- What a user's own proposes for a configuration, complete, or an error.
local function check_params(params, k, name, space)
  if type(params) ~= "table" then
    options.fail("sampler '%s' must return a table of parameters for configuration %d, or nil to end; got %s", name, k,
      options.show(params))
  end
  space:fill(function(path)
    local list, part = path:match("^(.-)%.(.+)$")
    local value = params[list or path]
    if value == nil or list and type(value) ~= "table" then
      options.fail("sampler '%s' returned no '%s' for configuration %d", name, list or path, k)
    elseif list then
      return part == "length" and #value or value[tonumber(part)]
    end
    return value
  end)
  return params
end

-- A user's own: its functions are methods and get the space at the end.
local function own(given, problem)
  local name = given.name or "custom"
  return {
    name = name, count = given.count,
    ask = function(k, pending, attempt)
      local params = given:ask(k, problem.space, pending, attempt)
      return params ~= nil and check_params(params, k, name, problem.space) or nil
    end,
    tell = given.tell and function(k, result)
      given:tell(k, result, problem.space)
    end,
  }
end

--- The sampler for a sweep.
---@param given string|table|function|nil a name; a name and options, { "tpe", startup = 20 }; a table with
--- the methods ask(k, space, pending, attempt) and, if it learns, tell(k, result, space); a function of k
--- and the space. nil: a grid when the space has one that is not too large, else random
---@param problem {space: table, seed: integer, allowed: function} allowed(params): the constraint
---@return table sampler {name, ask, tell, count: number of its configurations if there is an end}
function M.make(given, problem)
  if given == nil then
    local size = problem.space:size()
    given = size and size <= M.table.grid.most and "grid" or "random"
  end
  if type(given) == "string" then
    return named(given, {}, problem)
  elseif type(given) == "function" then
    return own({ ask = function(_, k, space) return given(k, space) end }, problem)
  elseif type(given) == "table" and type(given.ask) == "function" then
    return own(given, problem)
  elseif type(given) == "table" and type(given[1]) == "string" then
    local chosen = {}
    for key, value in pairs(given) do
      chosen[key] = key ~= 1 and value or nil
    end
    return named(given[1], chosen, problem)
  end
  options.fail("sampler must be a name, a name with options, a function or a table with ask, got %s",
    options.show(given))
end

return M
