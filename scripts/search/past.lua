--- What the store has of a sweep that is continued: its trials, and what was decided.
local budgets = require "search.budget"
local json = require "search.json"
local orders = require "search.order"
local recorded = require "search.recorded"
local studies = require "search.study"

local M = {}

-- Trials the store knows: finished ones with their results, others with their row only. There may be very
-- many, so a row is the trial.
local function known_trials(plan, journal)
  local trials = {}
  for row in journal.store:each("trial_brief", journal.id) do
    local done = row.state ~= "running" and not (plan.retry and row.state == "failed")
    local trial = done and studies.recorded(row) or { id = row.id }
    if row.number < 0 then
      plan.confirmed[row.number] = trial
    elseif row.number <= plan.most then
      trials[row.number] = trial
      plan.recorded[row.config] = plan.recorded[row.config] or done and trial or nil
    end
  end
  return trials
end

-- The curves of recorded trials, which samplers and pruners learn from, and where trials have paused.
local function recall(journal, trials, metric)
  recorded.epochs(journal.store, "metric_of_study", journal.id, function(number, row)
    if trials[number] then
      orders.learn(trials[number], row, metric)
    end
  end)
  local by_id = {}
  for _, trial in pairs(trials) do
    by_id[trial.id] = trial
  end
  for _, event in ipairs(journal.store:rows("event_list", journal.id)) do
    local trial = event.kind == "rung" and by_id[event.trial]
    if trial then
      trial.rungs, trial.at_rung = trial.rungs or {}, true -- its metrics stay when it goes on
      trial.rungs[math.tointeger(tonumber(event.detail))] = true
    end
  end
end

-- A trial in flight has come no farther than it can go on from: an epoch that was reported after its last
-- checkpoint is trained again, or who is judged at a rung would go on from before it.
local function forget_unkept(journal, trials)
  local kept = journal:resumable()
  for _, trial in pairs(trials) do
    local flying, far = not trial.state, kept[trial.id] or 0
    local curve = flying and trial.curve or {}
    while #curve > 0 and curve[#curve][1] > far do
      curve[#curve] = nil
    end
    for rung in pairs(flying and trial.rungs or {}) do
      trial.rungs[rung] = rung <= far or nil
    end
    if flying and trial.rungs and not next(trial.rungs) then
      trial.rungs, trial.at_rung = nil, nil -- it begins anew
    end
  end
end

--- The trials by number: finished ones with their results, with curves when somebody learns from them.
---@param plan table of the sweep; `recorded` and `confirmed` are filled in
---@param journal table its record
---@return table<integer, table> trials
function M.trials(plan, journal)
  local trials = known_trials(plan, journal)
  if plan.pruner or plan.sampler.tell then
    recall(journal, trials, plan.goal.metric)
    forget_unkept(journal, trials)
  end
  return trials
end

--- What earlier runs have used of a budget of seconds, and decided by it.
---@param plan table
---@param journal table
function M.honour(plan, journal)
  plan.asked = plan.total
  for _, event in ipairs(journal.store:rows("event_list", journal.id)) do
    local fine, act = pcall(json.decode, event.kind == "control" and event.detail or "{}")
    if fine and act.act == "trials" and math.tointeger(act.count) and not act.refused
      and (act.of or plan.asked) == plan.asked then -- the command asks for as many as then
      plan.total, plan.most = act.count, math.max(plan.most, act.count)
      journal:set_trials(plan.total)
    end
  end
  if plan.budget and plan.budget.kind == "seconds" then
    plan.used = budgets.used(journal.store, journal.id)
    local decided = budgets.decided(plan.budget, journal.store:rows("event_list", journal.id))
    plan.total, plan.decided = math.min(plan.total, decided or plan.total), decided
  end
end

return M
