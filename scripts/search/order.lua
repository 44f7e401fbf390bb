--- The logical order of a sweep: which trial comes next, and what its proposal may know.
---
--- Trial n is repeat (n-1) % seeds + 1 of configuration (n-1) // seeds + 1. What a sampler or a pruner
--- learns before configuration k are the results of configurations 1 to k - lag, all of them, in order,
--- and nothing else. So proposals and prunings are the same for any number of workers and after any
--- interruption; a worker that would be ahead of that waits. Samplers that learn nothing never wait.
local budgets = require "search.budget"

local M = {}

local Order = {}
Order.__index = Order

--- `next` returns this when a trial will come, but only after others have ended.
M.WAIT = {}

--- Begin, or begin again: what is recorded in `trials` is not proposed anew.
---@param plan table total, seeds, seed_of, sampler, pruner?, lag, select, recorded
---@param trials table<integer, table> by number; those with a state are done
---@return table order
function M.new(plan, trials)
  local counts = plan.budget and plan.budget.kind ~= "seconds" and plan.budget or nil
  local learns = plan.sampler.tell ~= nil or plan.pruner ~= nil or counts ~= nil
  return setmetatable({
    plan = plan, trials = trials, total = plan.total, position = 1, again = {}, told = 0,
    counts = counts, spent = 0, known = 0,
    lag = learns and plan.lag or math.huge,
  }, Order)
end

local function ended(trial)
  return trial and trial.state ~= nil
end

-- The trials of a configuration that belong to the sweep.
local function numbers_of(self, config)
  local first = (config - 1) * self.plan.seeds + 1
  return first, math.min(first + self.plan.seeds - 1, self.total)
end

local function complete(self, config)
  local first, last = numbers_of(self, config)
  for number = first, last do
    if not ended(self.trials[number]) then
      return false
    end
  end
  return true
end

--- Keep of a row of metrics what samplers and pruners learn from: the objective's curve and the last row, each
--- epoch once and in order, as the store has them.
---@param trial table
---@param row table
---@param metric string
function M.learn(trial, row, metric)
  local final = trial.final
  if final and final.epoch == row.epoch then -- added to what is known of the epoch
    for name, value in pairs(row) do
      final[name] = value
    end
  elseif not final or row.epoch > final.epoch then
    trial.final = row
  end
  trial.curve = trial.curve or {}
  if type(row[metric]) == "number" then
    local curve, place = trial.curve, #trial.curve
    while place > 0 and curve[place][1] > row.epoch do
      place = place - 1
    end
    if place == 0 or curve[place][1] < row.epoch then
      place = place + 1
      table.insert(curve, place, {})
    end
    curve[place] = { row.epoch, row[metric] + 0.0 }
  end
end

--- What a sampler is told of a configuration: the mean over its repeats that finished.
---@param self table with plan, trials and total
---@param config integer
---@return table result params, value, values, state, states, epochs, metrics
function M.result_of(self, config)
  local first, last = numbers_of(self, config)
  local result = { values = {}, states = {}, epochs = 0, metrics = {} }
  local sum, counts = 0, {}
  for number = first, last do
    local trial = self.trials[number] or {} -- out of a race: it was not run
    result.params = result.params or trial.params
    result.states[#result.states + 1] = trial.state
    result.epochs = math.max(result.epochs, trial.final and trial.final.epoch or 0)
    local value = trial[self.plan.select]
    if (trial.state == "finished" or trial.state == "pruned") and value then
      result.values[#result.values + 1], sum = value, sum + value
    end
    for name, number_of in pairs(trial.state == "finished" and trial.final or {}) do
      result.metrics[name] = (result.metrics[name] or 0) + number_of
      counts[name] = (counts[name] or 0) + 1
    end
  end
  for name, count in pairs(counts) do
    result.metrics[name] = result.metrics[name] / count
  end
  result.value = #result.values > 0 and sum / #result.values or nil
  result.state = "finished"
  for _, state in ipairs(result.states) do -- one repeat that fails tells against the configuration
    result.state = state ~= "finished" and state or result.state
  end
  return result
end

-- What the trials of a configuration took of a budget, and how many those were.
local function cost_of(self, config)
  local first, last = numbers_of(self, config)
  local sum = 0
  for number = first, last do
    local trial = self.trials[number]
    sum = sum + ((self.counts.kind == "epochs" and trial.epoch_count or trial.samples) or 0)
  end
  return sum, last - first + 1
end

-- Whether one more configuration fits a budget of epochs or samples; WAIT while nothing says what one takes.
local function fits(self, config)
  if not self.counts or config == 1 then
    return true
  elseif self.told > 0 then
    return budgets.fits(self.counts, self.spent, self.known, (config - self.told) * self.plan.seeds)
  elseif not complete(self, 1) then
    return M.WAIT
  end
  local spent, known = cost_of(self, 1)
  return budgets.fits(self.counts, spent, known, (config - 1) * self.plan.seeds)
end

-- Tell sampler and pruner of all configurations up to `config`; false when one has not ended.
local function tell_up_to(self, config)
  while self.told < config do
    local k = self.told + 1
    if not complete(self, k) then
      return false
    end
    if self.plan.sampler.tell then
      self.plan.sampler.tell(k, M.result_of(self, k))
    end
    if self.counts then
      local cost, count = cost_of(self, k)
      self.spent, self.known = self.spent + cost, self.known + count
    end
    if self.plan.pruner then
      local first, last = numbers_of(self, k)
      for number = first, last do
        self.plan.pruner.tell(self.trials[number])
      end
    end
    self.told = k
  end
  return true
end

-- A sampler hears of all configurations before the one it is asked for, those that were recorded, too.
-- Returns how often the same parameters came before: then these are more seeds of theirs.
local function note(self, config, params)
  return self.plan.sampler.known and self.plan.sampler.known(config, params) or 0
end

-- Parameters of a configuration: recorded, or proposed now; WAIT, or nil when there are no more.
local function params_of(self, config)
  if self.config == config then
    return self.params
  end
  if not tell_up_to(self, config - self.lag) then
    return M.WAIT
  end
  local room = fits(self, config)
  if room == M.WAIT then
    return M.WAIT
  elseif not room then
    self.full = true
    return nil
  end
  local recorded = self.plan.recorded[config]
  local params = recorded and recorded.params or self.plan.sampler.ask(config)
  if params then
    self.earlier = note(self, config, params)
    self.config, self.params = config, params
    self.rule = self.plan.pruner and self.plan.pruner.rule(config, params)
  end
  return params
end

--- The next trial to run: { number, config, repeat, params, seed, rule }.
---@return table? trial WAIT when none can start before another ends; nil when there are no more
function Order:next()
  if #self.again > 0 then
    return table.remove(self.again, 1)
  end
  while self.position <= self.total do
    local number = self.position
    local trial = self.trials[number]
    if not ended(trial) then
      local seeds = self.plan.seeds
      local config = (number - 1) // seeds + 1
      local params = params_of(self, config)
      if params == M.WAIT then
        return M.WAIT
      elseif not params then -- the sampler has no more
        self.total = number - 1
        return nil
      end
      trial = trial or {}
      local part = (number - 1) % seeds + 1
      trial.number, trial.config, trial["repeat"] = number, config, part
      trial.params, trial.seed, trial.rule = params, self.plan.seed_of(part + self.earlier * seeds), self.rule
      self.trials[number] = trial
      self.position = number + 1
      return trial
    end
    if (number - 1) % self.plan.seeds == 0 then
      note(self, (number - 1) // self.plan.seeds + 1, trial.params)
    end
    self.position = number + 1
  end
end

--- A trial has ended, or paused: nothing to be done here.
function Order:stopped() -- luacheck: no unused args
end

--- Trials that were ended by a decision: none in this order.
function Order:take_pruned() -- luacheck: no unused args
  return {}
end

--- There are to be so many trials in all.
---@param total integer
function Order:extend(total)
  self.total = math.max(total, self.position - 1)
end

--- Hand out no more new trials; those that an earlier run of the program began are not new.
---@return integer total how many there are then
function Order:cut()
  local last = self.position - 1
  while last < self.total and self.trials[last + 1] do
    last = last + 1
  end
  self.total = math.min(self.total, last)
  return self.total
end

--- Run a trial again that was begun.
function Order:again_with(trial)
  self.again[#self.again + 1] = trial
end

--- Whether all trials have been handed out.
function Order:exhausted()
  return self.position > self.total and #self.again == 0
end

return M
