--- Races: repeats are run round by round, and configurations that are shown to be worse drop out.
---
--- Round r runs repeat r of every configuration still in the race, all on the same seed. From round FIRST
--- on the best mean so far is compared with each of the others by a paired t-test over the seeds, with Holm's
--- correction (the "t-test-holm" of irace: López-Ibáñez et al. 2016; races: Maron, Moore 1994, Birattari et
--- al. 2002); whoever is worse at the 5 % level has no further repeats. A failed or diverged repeat ends a
--- configuration's race at once. A round is judged when all of it has ended, so nothing depends on the clock
--- or the number of workers. If the sampler learns, `lag` configurations race at a time, with the best of
--- the earlier ones; else all do.
local orders = require "search.order"
local stats = require "report.stats"

local M = {}

M.FIRST = 3        -- rounds before anyone can drop out
local LEVEL = 0.05

local Race = {}
Race.__index = Race

local function number_of(self, config, round)
  return (config - 1) * self.plan.seeds + round
end

-- Values of a configuration's first rounds; nil when one of them has not finished.
local function values_of(self, config, rounds)
  local values = {}
  for round = 1, rounds do
    local trial = self.trials[number_of(self, config, round)]
    local value = trial and trial.state == "finished" and trial[self.plan.select]
    if not value or value ~= value then
      return nil
    end
    values[round] = value
  end
  return values
end

-- The best of some configurations by their mean over the first rounds, the earlier of equal ones.
local function leader_of(self, configs, values)
  local best, mean
  for _, config in ipairs(configs) do
    local its = values[config] and stats.mean(values[config])
    if its and self.plan.goal:better(its, mean) then
      best, mean = config, its
    end
  end
  return best, mean
end

-- Who goes on after a round.
local function judge(self, group)
  local values, sound, contenders = {}, {}, {}
  for _, config in ipairs(group.alive) do
    values[config] = values_of(self, config, group.round)
    sound[#sound + 1] = values[config] and config or nil
  end
  if group.round >= M.FIRST then
    table.move(sound, 1, #sound, 1, contenders)
    if self.champion then
      values[self.champion] = values_of(self, self.champion, group.round)
      table.insert(contenders, 1, self.champion)
    end
    local leader, mean = leader_of(self, contenders, values)
    local p, tested = {}, {}
    for _, config in ipairs(sound) do
      if config ~= leader then
        tested[#tested + 1] = config
        p[#p + 1] = stats.paired_t_test(values[leader], values[config]).p
      end
    end
    local worse = {}
    for i, adjusted in ipairs(stats.holm(p)) do
      worse[tested[i]] = adjusted < LEVEL and stats.mean(values[tested[i]]) ~= mean
    end
    local left = {}
    for _, config in ipairs(sound) do
      left[#left + 1] = not worse[config] and config or nil
    end
    sound = left
  end
  self.expected = self.expected - (#group.alive - #sound) * (self.plan.seeds - group.round)
  group.alive, group.round, group.at = sound, group.round + 1, 0
end

local function ended(trial)
  return trial ~= nil and trial.state ~= nil
end

local function all_ended(self, group)
  for _, config in ipairs(group.alive) do
    if not ended(self.trials[number_of(self, config, group.round)]) then
      return false
    end
  end
  return true
end

-- The race is over: who won meets the next, and the sampler hears of all.
local function conclude(self, group)
  local values = {}
  local finishers = self.champion and { self.champion } or {}
  table.move(group.alive, 1, #group.alive, #finishers + 1, finishers)
  for _, config in ipairs(finishers) do
    values[config] = values_of(self, config, self.plan.seeds)
  end
  self.champion = leader_of(self, finishers, values)
  for config = group.first, group.last do
    if self.plan.sampler.tell then
      self.plan.sampler.tell(config, orders.result_of(self, config))
    end
  end
end

local function new_group(self)
  local first = self.last + 1
  if self.closed or first > self.configs then
    return nil
  end
  local last = math.min(first + self.size - 1, self.configs)
  local group = { first = first, last = last, round = 1, at = 0, alive = {} }
  for config = first, last do
    local recorded = self.plan.recorded[config]
    local params = recorded and recorded.params or self.plan.sampler.ask(config)
    if not params then -- the sampler has no more
      self.configs, group.last = config - 1, config - 1
      self.total = math.min(self.total, group.last * self.plan.seeds)
      break
    end
    local earlier = self.plan.sampler.known and self.plan.sampler.known(config, params) or 0
    self.params[config], self.earlier[config] = params, earlier
    group.alive[#group.alive + 1] = config
  end
  self.last = group.last
  return #group.alive > 0 and group or nil
end

-- Begin a trial of the present round, or nil when all have been begun.
local function from_round(self, group)
  while group.at < #group.alive do
    group.at = group.at + 1
    local config, part = group.alive[group.at], group.round
    local number = number_of(self, config, part)
    local trial = self.trials[number]
    if not ended(trial) then
      trial = trial or {}
      trial.number, trial.config, trial["repeat"], trial.params = number, config, part, self.params[config]
      trial.seed = self.plan.seed_of(part + self.earlier[config] * self.plan.seeds)
      self.trials[number] = trial
      return trial
    end
  end
end

--- The next trial to run.
---@return table? trial WAIT when none can start before a round has ended; nil when there are no more
function Race:next()
  if #self.again > 0 then
    return table.remove(self.again, 1)
  end
  while true do
    self.group = self.group or new_group(self)
    local group = self.group
    if not group then
      self.finished = true
      return nil
    end
    local trial = from_round(self, group)
    if trial then
      return trial
    elseif not all_ended(self, group) then
      return orders.WAIT
    end
    judge(self, group)
    if group.round > self.plan.seeds or #group.alive == 0 then
      conclude(self, group)
      self.group = nil
    end
  end
end

function Race:stopped() -- luacheck: no unused args
end

function Race:take_pruned() -- luacheck: no unused args
  return {}
end

--- Begin no more races; the present one ends.
function Race:cut()
  self.closed = true
  self.total = self.last * self.plan.seeds
  return self.total
end

function Race:again_with(trial)
  self.again[#self.again + 1] = trial
end

function Race:exhausted()
  return self.finished and #self.again == 0
end

--- An order (see order.lua) that races.
---@param plan table total, seeds, seed_of, sampler, goal, select, lag, recorded
---@param trials table<integer, table> by number; those with a state are done
---@return table order
function M.new(plan, trials)
  local configs = plan.total // plan.seeds
  return setmetatable({
    plan = plan, trials = trials, total = configs * plan.seeds, configs = configs, expected = configs * plan.seeds,
    last = 0, again = {}, params = {}, earlier = {}, size = plan.sampler.tell and plan.lag or configs,
  }, Race)
end

--- Why a sweep cannot race, or nil.
---@param asked table options of the sweep
---@return string?
function M.problem(asked)
  if asked.seeds <= M.FIRST then
    return ("race = true needs more than %d seeds (nobody drops out before round %d); seeds is %d"):format(M.FIRST,
      M.FIRST, asked.seeds)
  elseif asked.pruner then
    return "race = true and a pruner do not go together: one compares seeds, the other epochs"
  elseif asked.budget then
    return "race = true and a budget do not go together: it could end a race in the middle"
  elseif #asked.goals > 1 then
    return "race = true needs one objective"
  end
end

return M
