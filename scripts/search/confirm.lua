--- The winner of a sweep on fresh seeds. It was chosen because it looked best, so what it was chosen by
--- flatters it; what it does on seeds that had no part in the choice is what to expect of it.
---
--- Winner and runner-up are run on the same `confirm` fresh seeds. These trials are no part of the table:
--- nothing is chosen by them. In the store they have numbers below 0, by configuration and seed, so that
--- a sweep that is continued finds them again.
local configs = require "search.config"
local coordinator = require "search.coordinator"
local stats = require "report.stats"
local text = require "report.text"

local M = {}

M.MOST = 999     -- seeds; numbers have three digits for them
local USUAL = 5  -- seeds by default,
local SHARE = 8  -- and winner and runner-up together a quarter of the sweep at most,
local LEAST = 3  -- or none: fewer say nothing about the spread

local function number_of(config, part)
  return -(config * (M.MOST + 1) + part)
end

-- How many fresh seeds a sweep of so many trials has: those asked for, or the default.
local function seeds_of(plan, total)
  if plan.confirm then
    return plan.confirm
  elseif #plan.goals > 1 or plan.budget or plan.pruner and plan.pruner.most then
    return 0 -- no single winner; no time for it; a copy in a population is not trained from its start
  end
  local seeds = math.min(USUAL, total // SHARE)
  return seeds >= LEAST and seeds or 0
end

-- An order (see order.lua) of trials that are known beforehand.
local Fixed = {}
Fixed.__index = Fixed

function Fixed:next()
  if #self.again > 0 then
    return table.remove(self.again, 1)
  end
  while self.position < #self.list do
    self.position = self.position + 1
    if not self.list[self.position].state then
      return self.list[self.position]
    end
  end
end

function Fixed:stopped() -- luacheck: no unused args
end

function Fixed:take_pruned() -- luacheck: no unused args
  return {}
end

function Fixed:cut()
  return self.total
end

function Fixed:again_with(trial)
  self.again[#self.again + 1] = trial
end

function Fixed:exhausted()
  return self.position >= #self.list and #self.again == 0
end

-- Entries for the fresh seeds of winner and runner-up, seed by seed; those the store has are complete.
local function entries(plan, contenders, seeds)
  local list = {}
  for part = 1, seeds do
    for _, config in ipairs(contenders) do
      local number = number_of(config.number, part)
      local known = plan.confirmed[number]
      list[#list + 1] = known and known.state and known or {
        number = number, config = config.number, ["repeat"] = plan.seeds + part, params = config.params,
        seed = plan.fresh_seed_of(part), id = known and known.id,
      }
    end
  end
  return list
end

--- Run winner and runner-up on fresh seeds, as far as that is not done.
---@param crew userdata
---@param plan table of the sweep
---@param journal table its record
---@param view table its progress
---@param study search.Study
---@param total integer trials of the search
---@return string? stopped by a signal: its name
function M.run(crew, plan, journal, view, study, total)
  local contenders, seeds = M.contenders(study), seeds_of(plan, total)
  if seeds == 0 or #contenders == 0 then
    return nil
  end
  local list = entries(plan, contenders, seeds)
  local missing = 0
  for _, trial in ipairs(list) do
    missing = missing + (trial.state and 0 or 1)
  end
  local outcome = {}
  if missing > 0 then
    view:note(("the winner%s on %d fresh seed%s: %d more trial%s"):format(
      #contenders > 1 and " and the runner-up" or "", seeds, seeds == 1 and "" or "s",
      missing, missing == 1 and "" or "s"))
    local order = setmetatable({ list = list, again = {}, position = 0, total = view.setup.total + missing }, Fixed)
    outcome = coordinator.run(crew, setmetatable({ total = #list, pruner = false, budget = false,
      order = function() return order end }, { __index = plan }), list, journal, view)
  end
  study.confirmed = M.summary(study, list)
  return outcome.stopped
end

--- The winner of the search and who came next: configurations all of whose trials finished.
---@param study search.Study
---@return table[] contenders at most two
function M.contenders(study)
  local list = {}
  for _, config in ipairs(configs.first(study, 2)) do
    list[#list + 1] = config.n > 0 and config.n == #config.trials and not config.raced and config or nil
  end
  return list
end

local function side(config, trials, select)
  local values, by_seed = {}, {}
  for _, trial in ipairs(trials) do
    local value = trial.config == config.number and trial.state == "finished" and trial[select]
    if value and value == value then
      values[#values + 1], by_seed[trial.seed] = value, value
    end
  end
  return { config = config.number, label = config.label, params = config.params, n = #values, values = values,
    mean = stats.mean(values), std = stats.std(values) }, by_seed
end

--- What the fresh seeds say.
---@param study search.Study
---@param trials table[] with numbers below 0
---@return {winner: table, runner_up: table?, test: table?}? confirmed both with config, label, params, n, values,
--- mean, std; the paired t-test of their difference on the seeds both finished. nil when none finished
function M.summary(study, trials)
  local contenders = M.contenders(study)
  if #contenders == 0 then
    return nil
  end
  local winner, ours = side(contenders[1], trials, study.select)
  if winner.n == 0 then
    return nil
  end
  local confirmed = { winner = winner }
  local runner_up, theirs = {}, {}
  if contenders[2] then
    runner_up, theirs = side(contenders[2], trials, study.select)
  end
  if (runner_up.n or 0) > 0 then
    confirmed.runner_up = runner_up
    confirmed.test = configs.paired_test(ours, theirs, 2)
  end
  return confirmed
end

-- "better" or "worse" by the objective's direction.
local function comparison(study, test)
  local ahead = study.objective.direction == "max" and test.mean > 0 or study.objective.direction == "min"
    and test.mean < 0
  return test.mean == 0 and "no different" or ahead and "better" or "worse"
end

--- The same in sentences; nil when there were no fresh seeds.
---@param study search.Study
---@return string?
function M.sentence(study)
  local confirmed = study.confirmed
  if not confirmed then
    return nil
  end
  local winner, test = confirmed.winner, confirmed.test
  local decimals = text.decimals({ winner.mean }, { winner.std })
  local searched = study:best()
  local words = { ("On %d fresh seed%s the winner (configuration %d, %s) has %s %s; the seeds it was chosen on "
    .. "gave %s."):format(winner.n, winner.n == 1 and "" or "s", winner.config, winner.label, study.objective.metric,
    text.with_spread(winner.mean, winner.std, decimals), text.number(searched.mean, decimals)) }
  if test then
    decimals = text.decimals({ test.mean }, { (test.high - test.low) / 4 })
    local low, high = math.min(math.abs(test.low), math.abs(test.high)), math.max(math.abs(test.low),
      math.abs(test.high))
    local sure = test.p < 0.05
    if test.low == test.high then
      words[2] = ("It is %s than the runner-up (configuration %d) by %s on every one of them."):format(
        comparison(study, test), confirmed.runner_up.config, text.number(math.abs(test.mean), decimals))
    elseif sure then
      words[2] = ("It is %s than the runner-up (configuration %d) by %s, 95 %% interval %s to %s, p = %.2g."):format(
        comparison(study, test), confirmed.runner_up.config, text.number(math.abs(test.mean), decimals),
        text.number(low, decimals), text.number(high, decimals), test.p)
    else
      words[2] = ("These seeds do not tell it from the runner-up (configuration %d): a difference of %s, 95 %% "
        .. "interval %s to %s, p = %.2g."):format(confirmed.runner_up.config, text.number(test.mean, decimals),
        text.number(test.low, decimals), text.number(test.high, decimals), test.p)
    end
    words[3] = "This is the only comparison made on these seeds, so there is nothing to correct it for."
  end
  return table.concat(words, " ")
end

return M
