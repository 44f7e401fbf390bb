--- A study: the trials of a sweep and what they say. Everything is in the order of trial numbers, and
--- nothing depends on how many workers ran them or when.
local configs = require "search.config"
local confirm = require "search.confirm"
local fronts = require "search.front"
local json = require "search.json"
local objectives = require "search.objective"
local proc = require "core.proc"
local recorded = require "search.recorded"
local store = require "core.store"
local text = require "report.text"

local M = {}

---@class search.Study
---@field name string
---@field version integer
---@field objective {direction: "max"|"min", metric: string} the first one
---@field objectives {direction: "max"|"min", metric: string}[] all of them
---@field select "last"|"best" which value of a trial ranks it
---@field trials table[] in order of number: number, config, repeat, params, seed, state ("finished",
--- "diverged", "failed"), last, best, best_epoch, value, message, epochs (list of rows of metrics)
---@field configs table[] in order: number, params, label, seeds, trials, n (finished), last {mean,
--- std}, best {mean, std}, status
---@field confirmed {winner: table, runner_up: table?, test: table?}? what the winner and the runner-up did on
--- fresh seeds, each with config, label, n, values, mean, std; and the paired t-test of their difference
---@field exit_status integer 0, or 3 when trials failed
local Study = { __name = "search.Study" }
Study.__index = Study

local LONG_TABLE = 60 -- configurations; a longer table shows the best of them only
local SHOWN = 20

-- Do something with the study's store.
local function with_store(study, mode, act)
  local file, message = study.store_handle, nil
  if not file then
    file, message = store.open(study.store, mode)
  end
  if not file then
    error(message, 0)
  end
  local result = act(file)
  if not study.store_handle then
    assert(file:close())
  end
  return result
end

-- Fill in the epochs of all trials from the store, at the first question for any of them.
local function load_epochs(study)
  local rows_of = {}
  with_store(study, "read", function(file)
    recorded.epochs(file, "metric_of_study", study.id, function(number, row)
      rows_of[number] = rows_of[number] or {}
      table.insert(rows_of[number], row)
    end)
  end)
  for _, trial in ipairs(study.trials) do
    rawset(trial, "epochs", rows_of[trial.number] or {})
  end
end

-- Parameters are recorded as text, and read when they are asked for: there may be very many trials.
local Recorded = {
  __index = function(trial, key)
    if key == "params" then
      local params = json.decode(rawget(trial, "params_text"))
      rawset(trial, "params", params)
      return params
    end
  end,
}

--- Make a trial of its row of "trial_brief".
---@param row table
---@return table trial the same table
function M.recorded(row)
  return setmetatable(row, Recorded)
end

--- Make a study of its trials.
---@param given {name: string, version: integer, id: integer, store: string, objective: table,
--- select: string, trials: table[], names: string[], store_handle: userdata?}
---@return search.Study
function M.new(given)
  local study = setmetatable(given, Study)
  study.objectives = study.objectives or { study.objective }
  local lazy = {}
  lazy.__index = function(trial, key)
    if key == "epochs" then
      load_epochs(study)
      return rawget(trial, "epochs")
    end
    return rawget(trial, "params_text") and Recorded.__index(trial, key)
  end
  local failed = 0
  for _, trial in ipairs(study.trials) do
    trial.value = trial[study.select]
    failed = failed + (trial.state == "failed" and 1 or 0)
    setmetatable(trial, lazy)
  end
  study.failed = failed
  study.exit_status = failed > 0 and 3 or 0
  study.configs = configs.of(study)
  return study
end

-- Names of the parameters that can vary, from the recorded description of a space.
local function varying(described, names, seen)
  for _, name in ipairs(text.keys(described)) do
    local domain = described[name]
    if domain.kind ~= "fixed" and not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
    for _, branch in ipairs(text.keys(domain.branches or {})) do
      varying(domain.branches[branch], names, seen)
    end
  end
  return names
end

--- A study as the store has it.
---@param file string the store
---@param name string? of the study, or "name@version"; default the newest of the file
---@return search.Study? study nil, and why, when there is none
---@return string? message
function M.load(file, name)
  local opened, message = store.open(file, "read")
  if not opened then
    return nil, message
  end
  local found, studies = recorded.study(opened, name)
  if not found then
    opened:close()
    local known = {}
    for i, row in ipairs(studies) do
      known[i] = ("%s@%d"):format(row.name, row.version)
    end
    return nil, ("run store '%s' has no study%s; it has %s"):format(file,
      name and (" '%s'"):format(name) or "", #known > 0 and table.concat(known, ", ") or "none")
  end
  local trials, confirming = {}, {}
  for row in opened:each("trial_brief", found.id) do
    local list = row.number > 0 and trials or confirming
    list[#list + 1] = row
  end
  local script
  for _, row in ipairs(opened:rows("file_list", found.id)) do
    script = row.path == found.script and row.text or script
  end
  local session = opened:rows("session_list", found.id)
  session = session[#session] or {}
  opened:close()
  local settings, goals = json.decode(found.settings), objectives.read(found.objective)
  local study = M.new {
    name = found.name, version = found.version, id = found.id, store = file, trials = trials,
    objective = goals[1], objectives = goals, script = script, created = found.created,
    select = settings.objective:match("(%a+)$"),
    names = varying(json.decode(found.space), {}, {}), outcome = found.outcome,
    planned = found.trials, race = settings.race,
    info = {
      script = found.script, objective = found.objective, sampler = found.sampler,
      seed = found.seed, seeds = found.seeds, threads = found.threads, kernel = session.kernel,
      isa = session.isa, store = file,
    },
  }
  study.confirmed = #confirming > 0 and confirm.summary(study, confirming) or nil
  return study
end

--- The configuration with the best mean over its seeds. One with a diverged or failed trial is taken
--- only when there is no other. `fresh` is what it did on seeds that it was not chosen by (see `confirm`).
---@return {config: integer, params: table, label: string, trials: integer[], n: integer, mean: number,
--- std: number, fresh: {n: integer, mean: number, std: number, values: number[]}?}? best nil when no trial finished
function Study:best()
  local config = configs.first(self, 1)[1]
  if not config or config.n == 0 then
    return nil
  end
  local numbers = {}
  for i, trial in ipairs(config.trials) do
    numbers[i] = trial.number
  end
  local value = config[self.select]
  return setmetatable({
    config = config.number, params = config.params, label = config.label, trials = numbers,
    n = config.n, mean = value.mean, std = value.std,
    fresh = self.confirmed and self.confirmed.winner or nil,
  }, { __tostring = function(best)
    return ("%s: %s %.6g%s over %d seed%s, trials %s"):format(best.label, self.objective.metric, best.mean,
      best.std == best.std and (" ± %.2g"):format(best.std) or "", best.n, best.n == 1 and "" or "s",
      table.concat(best.trials, ", "))
  end })
end

--- With several objectives: the Pareto front, the configurations no other one is better than in one
--- objective without being worse in another; the best by the first objective first.
---@return {config: integer, params: table, label: string, trials: integer[], n: integer, values: number[]}[] front
--- values are means over seeds, in the order of the objectives
function Study:pareto()
  return fronts.front(self)
end

--- How much of the space of objectives the front covers, from a reference point.
---@param reference number[]? a value for each objective that is worse than all of interest; default the worst
--- of all configurations that finished
---@return number volume
---@return number[] reference
function Study:hypervolume(reference)
  return fronts.hypervolume(self, reference)
end

--- Record a look at sealed data after the sweep, by the script.
---@private
---@param seen {what: string, where: string}
function Study:looked(seen)
  with_store(self, "write", function(file)
    assert(file:begin())
    assert(file:run("event_add", self.id, nil, proc.wall(), "test data", seen.what .. " at " .. seen.where))
    return assert(file:commit())
  end)
end

--- Who has looked at sealed test data (see data.seal), in this run and in earlier ones.
---@return {trials: integer, script: integer, looks: string[]}? counts nil when no data was sealed
function Study:looks()
  return with_store(self, "read", function(file)
    local counts, sealed = { trials = 0, script = 0, looks = {} }, false
    for _, event in ipairs(file:rows("event_list", self.id)) do
      if event.kind == "test data" then
        local who = event.trial and "trials" or "script"
        counts[who] = counts[who] + 1
        counts.looks[#counts.looks + 1] = event.detail
      end
      sealed = sealed or event.kind == "sealed" or event.kind == "test data"
    end
    return sealed and counts or nil
  end)
end

--- The same in a sentence.
---@return string? nil when no data was sealed
function Study:looks_text()
  local counts = self:looks()
  if not counts then
    return nil
  end
  local function times(count)
    return count == 1 and "once" or count .. " times"
  end
  local all = counts.trials + counts.script
  return all == 0 and "The sealed test data has not been looked at."
    or ("The sealed test data was looked at %s%s."):format(times(all), counts.trials > 0
      and (": %s by trials (choosing by it would flatter the winner) and %s by the script"):format(
        times(counts.trials), times(counts.script)) or " by the script, and by no trial")
end

--- The results as a list of rows, one per configuration, in their order: config, label, params,
--- seeds, n (finished), last and best (means) with last_std and best_std, status.
---@return table[]
function Study:table()
  local rows = {}
  for i, config in ipairs(self.configs) do
    rows[i] = configs.row(config, self.names)
  end
  return rows
end

--- The results as text: a line per configuration, the best marked with "*". Of many configurations
--- only the best are listed, best first.
---@return string
function Study:text()
  if #self.objectives > 1 then
    return fronts.text(self)
  end
  local order, note = self.configs, ""
  if #order > LONG_TABLE then
    order = configs.first(self, SHOWN)
    note = ("(the best %d of %d configurations)\n"):format(SHOWN, #self.configs)
  end
  local best = self:best()
  local rows = {}
  for i, config in ipairs(order) do
    rows[i] = configs.row(config, self.names)
    rows[i].mark = best and rows[i].config == best.config and "*" or ""
  end
  local columns = { { key = "mark", title = "" }, { key = "config", title = "config" } }
  for _, name in ipairs(self.names) do
    columns[#columns + 1] = { key = "param." .. name, title = name }
  end
  local metric = self.objective.metric
  columns[#columns + 1] = { key = "n", title = "seeds" }
  columns[#columns + 1] = { key = "last", title = "last " .. metric, spread = "last_std" }
  columns[#columns + 1] = { key = "best", title = "best " .. metric, spread = "best_std" }
  columns[#columns + 1] = { key = "status", title = "status" }
  local fresh = confirm.sentence(self)
  return require("report.table").new(rows, columns):text() .. note
    .. (fresh and "\n" .. text.wrap(fresh, 100) .. "\n" or "")
end

Study.__tostring = Study.text

--- The learning curves of one metric: for each configuration the mean and spread over its seeds at
--- every epoch.
---@param metric string? default the objective's
---@return {config: integer, label: string, params: table, epoch: integer[], mean: number[],
--- std: number[], n: integer[]}[]
function Study:curves(metric)
  metric = metric or self.objective.metric
  local curves = {}
  for i, config in ipairs(self.configs) do
    local at, order = {}, {}
    for _, trial in ipairs(config.trials) do
      for _, row in ipairs(trial.epochs) do
        local value = row[metric]
        if value and not at[row.epoch] then
          at[row.epoch] = {}
          order[#order + 1] = row.epoch
        end
        if value and value == value then
          table.insert(at[row.epoch], value)
        end
      end
    end
    table.sort(order)
    local curve = {
      config = config.number, label = config.label, params = config.params, epoch = order,
      mean = {}, std = {}, n = {},
    }
    for k, epoch in ipairs(order) do
      local both = configs.summary(at[epoch])
      curve.mean[k], curve.std[k], curve.n[k] = both.mean, both.std, #at[epoch]
    end
    curves[i] = curve
  end
  return curves
end

return M
