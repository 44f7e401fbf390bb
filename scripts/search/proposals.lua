--- Proposals: what stands between a sampler and the order of a sweep (search.order). Proposals the
--- constraint refuses are asked for again, and so are repetitions where parameters have only so many values;
--- after ATTEMPTS of them points are drawn at random. Values are turned into losses: smaller is better.
---
--- ask(k) follows known(1 .. k-1, params) and tell(1 .. k - lag, result), each in order, so that the
--- sampler can be told which proposals are pending.
local json = require "search.json"
local options = require "options"
local random = require "core.random"
local samplers = require "search.samplers"

local M = {}

local ATTEMPTS = 20      -- of a sampler for one configuration
local MAX_TRIES = 10000  -- random points of which one must be allowed
local LAST_TRIES = 65535 -- random points until one is allowed, once it is known that there are such
local REPETITIONS = 200  -- of which so many are tried to be new
local SHARE_TRIES = 1000 -- random points the feasible share is estimated from

local function copy(params)
  local result = {}
  for name, value in pairs(params) do
    result[name] = type(value) == "table" and copy(value) or value
  end
  return result
end

local function constraint_of(constraint)
  return function(params)
    if not constraint then
      return true
    end
    local fine, verdict = pcall(constraint, copy(params))
    if not fine then
      options.fail("constraint failed for %s: %s", json.encode(params), verdict)
    end
    return verdict
  end
end

-- A random configuration, by address.
local function draw(self, k, try, purpose)
  return self.space:fill(function(name, domain)
    return domain:at(random.uniform(self.seed, purpose .. " " .. name, (k << 16) + try))
  end)
end

-- The share of random points that are allowed; an error when none of MAX_TRIES is.
local function feasible_share(self)
  local allowed = 0
  for try = 1, MAX_TRIES do
    allowed = allowed + (self.allowed(draw(self, 0, try, "feasible")) and 1 or 0)
    if try >= SHARE_TRIES and allowed > 0 then
      return allowed / try
    end
  end
  options.fail("the constraint allows none of %d random configurations; is it ever true?", MAX_TRIES)
end

-- Whether a configuration was proposed before; only asked where that is likely to happen.
local function is_repetition(self, params)
  return self.discrete and self.seen[json.encode(params)] ~= nil
end

-- Random points until one is allowed, and new if there is such a one.
local function fall_back(self, k)
  local repetition
  for try = 0, LAST_TRIES do
    local params = draw(self, k, try, "instead")
    if self.allowed(params) then
      if not is_repetition(self, params) then
        return params
      end
      repetition = repetition or params
      if try >= REPETITIONS then
        break
      end
    end
  end
  return repetition or options.fail("the constraint allows none of %d random configurations", LAST_TRIES + 1)
end

local function ask(self, k)
  if self.sampler.count then
    return self.sampler.ask(k, {}, 0)
  end
  local pending = {}
  for number = self.told + 1, self.sampler.tell and k - 1 or 0 do
    pending[#pending + 1] = self.pending[number]
  end
  for attempt = 0, ATTEMPTS - 1 do
    local params = self.sampler.ask(k, pending, attempt)
    if params == nil then
      return nil
    elseif not is_repetition(self, params) and self.allowed(params) then
      return params
    end
    pending[#pending + 1] = params -- to be kept away from: refused, or there already
  end
  return fall_back(self, k)
end

-- How often the same configuration was proposed before.
local function known(self, k, params)
  if k > self.noted then
    local key = json.encode(params)
    self.noted, self.copies = k, self.seen[key] or 0
    self.seen[key] = self.copies + 1
  end
  if self.sampler.tell and k > self.told then
    self.pending[k] = params
  end
  return self.copies
end

-- A loss for a value; that of a trial which failed or diverged is infinite.
local function loss_of(goal, value)
  if not value or value ~= value or value == math.huge or value == -math.huge then
    return math.huge
  end
  return goal.direction == "max" and -value or value
end

local function losses_of(self, result)
  local losses = {}
  for i, goal in ipairs(self.goals) do
    local value = i == 1 and result.value or i > 1 and result.metrics and result.metrics[goal.metric]
    losses[i] = (result.state == "finished" or result.state == "pruned") and loss_of(goal, value)
      or math.huge
  end
  return losses
end

local function tell(self, k, result)
  local losses = losses_of(self, result)
  self.told, self.pending[k] = k, nil
  self.sampler.tell(k, { params = result.params, state = result.state, epochs = result.epochs,
    loss = losses[1], losses = losses })
end

--- What a sampler was given by, for the record: its name and the options that were set.
local function describe(sampler)
  local settings = sampler.settings
  return settings and next(settings) and sampler.name .. " " .. json.encode(settings) or sampler.name
end

--- Proposals for a sweep.
---@param given {space: table, seed: integer, sampler: any, goal: table, goals: table[]?,
--- constraint: function?} goals: all objectives, `goal` the first of them
---@return table proposals { name, count, share, ask(k), known(k, params) -> how often the same params were
--- known before, tell(k, result) }: tell is nil
--- when the sampler does not learn; share is that of the space the constraint allows, as estimated
--- (nil without one, and for a grid)
function M.new(given)
  local self = {
    space = given.space, seed = given.seed, allowed = constraint_of(given.constraint), told = 0,
    goals = given.goals or { given.goal }, pending = {}, seen = {}, noted = 0, discrete = given.space:is_discrete(),
  }
  self.sampler = samplers.make(given.sampler, { space = given.space, seed = given.seed,
    allowed = self.allowed })
  return {
    name = describe(self.sampler), count = self.sampler.count,
    share = given.constraint and not self.sampler.count and feasible_share(self) or nil,
    ask = function(k) return ask(self, k) end,
    known = function(k, params) return known(self, k, params) end,
    tell = self.sampler.tell and function(k, result) return tell(self, k, result) end or nil,
  }
end

return M
