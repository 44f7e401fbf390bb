--- Sweeps in stages: trials train to a rung, pause, and a rule decides who goes on from there.
---
--- An order like that of order.lua, for synchronous successive halving and for population-based training.
--- A group of configurations goes through the stages together: nobody is judged before all have come to
--- the rung (or ended), so decisions depend on no clock and no number of workers. While a group waits for
--- its last trial the next group may begin, unless the sampler learns: then it waits, too.
local options = require "options"
local orders = require "search.order"
local random = require "core.random"

local M = {}

local Stages = {}
Stages.__index = Stages

local function ended(trial)
  return trial ~= nil and trial.state ~= nil
end

-- The last value of a trial's curve at or before an epoch.
local function value_at(trial, epoch)
  local value
  for _, point in ipairs(trial.curve or {}) do
    if point[1] <= epoch then
      value = point[2]
    end
  end
  return value
end

-- Whether a trial paused at a rung. It is recorded, so that a decision can be made again after a crash as it
-- was made then, whatever became of the trial later.
local function paused_at(trial, rung)
  return trial.rungs ~= nil and trial.rungs[rung] == true
end

-- The mean of a unit's trials at a rung, larger being better; -inf when one of them has no value. How a trial
-- ended after the rung does not count: the decision comes out the same when it is taken again later.
local function score_of(self, unit, rung)
  local sum = 0
  for _, trial in ipairs(unit.trials) do
    local value = value_at(trial, rung)
    local good = value and value == value and (paused_at(trial, rung) or trial.state == "finished")
    if not good then
      return -math.huge
    end
    sum = sum + value
  end
  return (self.plan.goal.direction == "max" and 1 or -1) * sum / #unit.trials
end

-- Units of a group, best first; equal ones in order of configuration.
local function ranked(self, units, rung)
  local order, score = {}, {}
  for i, unit in ipairs(units) do
    order[i], score[unit] = unit, score_of(self, unit, rung)
  end
  table.sort(order, function(a, b)
    if score[a] ~= score[b] then
      return score[a] > score[b]
    end
    return a.config < b.config
  end)
  return order, score
end

-- ---- what the stages are ----

-- Make a trial's entry, or complete that of a recorded one.
local function entry(self, number, config, part, params)
  local trial = self.trials[number] or {}
  trial.number, trial.config, trial["repeat"] = number, config, part
  trial.params = params or trial.params
  trial.seed = self.plan.seed_of(part)
  self.trials[number] = trial
  return trial
end

local function tell_group(self, group)
  for _, unit in ipairs(group and self.plan.sampler.tell and group.all or {}) do
    self.plan.sampler.tell(unit.config, orders.result_of(self, unit.config))
  end
end

-- The next group of configurations; nil when there are no more, WAIT when the sampler must learn first.
local function new_group(self)
  local last = self.groups[#self.groups]
  local first = last and last.last + 1 or 1
  local seeds = self.plan.seeds
  local configs = self.total_of_configs
  if first > configs then
    return nil
  elseif last and self.plan.sampler.tell then
    if not last.done then
      return orders.WAIT
    end
    tell_group(self, last)
  end
  local group = { stage = 1, all = {}, last = math.min(first + self.policy.size - 1, configs) }
  for config = first, group.last do
    local recorded = self.plan.recorded[config]
    local params = recorded and recorded.params or self.plan.sampler.ask(config)
    if not params then -- the sampler has no more
      self.total_of_configs, group.last = config - 1, config - 1
      self.total = group.last * seeds
      break
    end
    if self.plan.sampler.known then
      self.plan.sampler.known(config, params)
    end
    local unit = { config = config, trials = {} }
    for part = 1, seeds do
      unit.trials[part] = entry(self, (config - 1) * seeds + part, config, part, params)
    end
    group.all[#group.all + 1] = unit
  end
  group.units = table.move(group.all, 1, #group.all, 1, {})
  self.groups[#self.groups + 1] = group
  return #group.all > 0 and group or nil
end

-- Whether an earlier run of the program began the group after so many configurations.
local function begun(self, configs)
  return configs < self.total_of_configs and self.trials[configs * self.plan.seeds + 1] ~= nil
end

local function configs_of(self)
  local last = self.groups[#self.groups]
  return last and last.last or 0
end

-- Where a trial stands in its group's stage: "there", "running" or "to run".
local function standing(self, group, trial)
  if self.running[trial] then
    return "running"
  end
  local rung = self.policy.rung(group.stage)
  return (ended(trial) or rung and paused_at(trial, rung)) and "there" or "to run"
end

-- Decide as long as all of a group have come to their rung.
local function advance(self, group)
  while not group.done do
    for _, unit in ipairs(group.units) do
      for _, trial in ipairs(unit.trials) do
        if standing(self, group, trial) ~= "there" then
          return
        end
      end
    end
    local rung = self.policy.rung(group.stage)
    if not rung then
      group.done = true
      return
    end
    self.policy.decide(self, group, rung)
    group.stage = group.stage + 1
  end
end

-- A trial that does not go on.
local function prune(self, trial, message)
  if not ended(trial) then
    trial.state, trial.message, trial.reason = "pruned", message, "pruned"
    self.pruned[#self.pruned + 1] = trial
  end
end

-- ---- the order ----

local function find(self)
  for g = self.first, #self.groups do
    local group = self.groups[g]
    advance(self, group)
    if group.done and g == self.first then
      self.first = g + 1
    end
    for _, unit in ipairs(group.done and {} or group.units) do
      for _, trial in ipairs(unit.trials) do
        if standing(self, group, trial) == "to run" then
          trial.to = self.policy.rung(group.stage)
          return trial
        end
      end
    end
  end
end

--- The next trial to run, to the epoch `to`, or to its end when that is nil.
---@return table? trial WAIT when none can go on before others have come to their rung; nil at the end
function Stages:next()
  if #self.again > 0 then
    local trial = table.remove(self.again, 1)
    self.running[trial] = true
    return trial
  end
  local trial = find(self)
  while not trial do
    local group = (not self.closed or begun(self, configs_of(self))) and new_group(self) or nil
    if group == orders.WAIT or not group then
      local waiting = self.first <= #self.groups
      return waiting and orders.WAIT or nil
    end
    trial = find(self)
  end
  self.running[trial] = true
  return trial
end

--- A trial has come to its rung, or has ended.
function Stages:stopped(trial)
  self.running[trial] = nil
  for g = self.first, #self.groups do
    advance(self, self.groups[g])
  end
end

--- Trials that were ended by a decision since the last call.
---@return table[]
function Stages:take_pruned()
  local list = self.pruned
  self.pruned = {}
  return list
end

function Stages:again_with(trial)
  self.running[trial] = nil
  self.again[#self.again + 1] = trial
end

function Stages:exhausted()
  local configs = configs_of(self)
  return self.first > #self.groups and #self.again == 0
    and (self.closed and not begun(self, configs) or configs >= self.total_of_configs)
end

--- Begin no more groups than have been begun.
function Stages:cut()
  self.closed = true
  local last = configs_of(self)
  while begun(self, last) do
    last = math.min(last + self.policy.size, self.total_of_configs)
  end
  self.total = math.max(last * self.plan.seeds, self.newest or 0)
  return self.total
end

-- An order with a policy: size (configurations a group), rung(stage) -> epoch or nil for the last, and
-- decide(self, group, rung), which sets group.units to those that go on.
local function new(plan, trials, policy)
  return setmetatable({
    plan = plan, trials = trials, policy = policy, total = plan.total, groups = {}, first = 1, again = {},
    running = {}, pruned = {}, total_of_configs = policy.configs or (plan.total + plan.seeds - 1) // plan.seeds,
  }, Stages)
end

-- ---- successive halving ----

M.HALVING = {
  min_epochs = { type = "integer", min = 1, default = 1, help = "epochs every trial gets" },
  max_epochs = { type = "integer", min = 1, help = "of a whole trial: no rung at or after it" },
  reduction = { type = "integer", min = 2, default = 3, help = "one in so many goes on from each rung" },
  size = { type = "integer", min = 2, default = 27, help = "configurations that are judged together" },
}

--- Synchronous successive halving (Jamieson, Talwalkar 2016): of `size` configurations the best
--- 1/reduction go on from each rung; those that pause and go on are not trained again.
---@param given table checked options
---@return table pruner
function M.halving(given)
  local rungs, epoch, left = {}, given.min_epochs, given.size
  while left > 1 and epoch < (given.max_epochs or math.huge) do
    rungs[#rungs + 1] = epoch
    epoch, left = epoch * given.reduction, left // given.reduction
  end
  local policy = {
    size = given.size,
    rung = function(stage)
      return rungs[stage]
    end,
    decide = function(self, group, rung)
      local order = ranked(self, group.units, rung)
      local keep = math.max(1, #order // given.reduction)
      group.units = table.move(order, 1, keep, 1, {})
      for i = keep + 1, #order do
        for _, trial in ipairs(order[i].trials) do
          prune(self, trial, ("halving: not among the best %d of %d at epoch %d"):format(keep, #order, rung))
        end
      end
    end,
  }
  return { order = function(plan, trials)
    return new(plan, trials, policy)
  end }
end

-- ---- population-based training ----

local GONE = { failed = true, diverged = true } -- a copy takes the place of such a trial

M.POPULATION = {
  interval = { type = "integer", min = 1, required = true, help = "epochs from one exchange to the next" },
  epochs = { type = "integer", min = 1, required = true, help = "of a whole trial" },
  share = { type = "number", above = 0, max = 0.5, default = 0.25,
    help = "of the population that is replaced by copies of as many of the best" },
  mutate = { type = "table", help = "names of parameters that copies change; default: all float ones" },
  factor = { type = "number", above = 1, default = 1.2, help = "a number is multiplied or divided by it" },
}

-- A trial's curve up to an epoch.
local function curve_to(trial, epoch)
  local curve = {}
  for _, point in ipairs(trial.curve) do
    curve[#curve + 1] = point[1] <= epoch and point or nil
  end
  return curve
end

-- A copy's parameters: floats a little more or less, within their domains.
local function explore(self, params, mutated, factor, number)
  return self.plan.space:fill(function(name, domain)
    local list, part = name:match("^(.-)%.(.+)$")
    if list then
      return part == "length" and #params[list] or params[list][tonumber(part)]
    elseif not mutated[name] or domain.kind ~= "float" then
      return params[name]
    end
    local up = random.uniform(self.plan.seed, "mutate " .. name, number) < 0.5
    local value = math.max(domain.low, math.min(domain.high, params[name] * (up and factor or 1 / factor)))
    return domain.step and domain:at(domain:place(value)) or value
  end)
end

-- The float parameters of a space, those of branches too: name -> true.
local function floats_of(space)
  local names = {}
  for _, path in ipairs(space:paths()) do
    local name = path:match("[^.]+$")
    names[name] = names[name] or space:find(path).kind == "float" or nil
  end
  return names
end

-- The parameters that copies change: name -> true.
local function mutated_of(space, given)
  local floats, mutated = floats_of(space), {}
  for _, name in ipairs(given or {}) do
    if not floats[name] then
      options.fail("pruner 'population': '%s' is no float parameter of the space", tostring(name))
    end
    mutated[name] = true
  end
  return given and mutated or floats
end

--- Population-based training (Jaderberg et al. 2017): every `interval` epochs the worst `share` of the trials
--- end, those that failed or diverged first, and copies of the best take their places, going on from their
--- weights with changed parameters. A copy is a trial of its own that records its parent.
---@param given table checked options
---@return table pruner
function M.population(given)
  return { order = function(plan, trials)
    if plan.seeds ~= 1 then
      options.fail("pruner 'population': repeats (seeds) make no sense here; the population is `trials`")
    end
    if plan.retry then
      options.fail("pruner 'population': --retry makes no sense here; copies of others took the places of what failed")
    end
    local mutated = mutated_of(plan.space, given.mutate)
    local size, rounds = plan.total, math.max(0, (given.epochs - 1) // given.interval)
    local replaced = math.floor(size * given.share)
    local policy = { size = size, configs = size }
    function policy.rung(stage)
      return stage <= rounds and stage * given.interval or nil
    end
    function policy.decide(self, group, rung)
      local order = ranked(self, group.units, rung)
      for i = 1, replaced do
        local worst, best = order[#order + 1 - i], order[i]
        local parent, loser = best.trials[1], worst.trials[1]
        if not paused_at(parent, rung) or not (paused_at(loser, rung) or GONE[loser.state]) then
          goto continue -- who has ended well leaves nothing to go on from, and nothing to replace
        end
        self.newest = (self.newest or size) + 1
        local number = self.newest
        local known = self.trials[number]
        local child = entry(self, number, number, 1, known and known.params
          or explore(self, parent.params, mutated, given.factor, number))
        child.parent, child.seed = parent.number, parent.seed
        child.curve = child.curve or curve_to(parent, rung)
        child.rungs, child.at_rung = child.rungs or {}, true
        child.rungs[rung] = true
        if not child.id then
          self.born[#self.born + 1] = { child = child, parent = parent }
        end
        prune(self, loser, ("population: replaced at epoch %d by trial %d, a copy of trial %d"):format(rung, number,
          parent.number))
        worst.trials, worst.config = { child }, number
        ::continue::
      end
      self.total = math.max(self.total, self.newest or 0)
    end
    local self = new(plan, trials, policy)
    self.total = size
    self.born = {}
    self.most = size + rounds * replaced
    return self
  end, most = function(total)
    return total + math.max(0, (given.epochs - 1) // given.interval) * math.floor(total * given.share)
  end }
end

return M
