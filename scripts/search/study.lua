--- A study: the trials of a sweep and what they say. Everything is in the order of trial numbers, and
--- nothing depends on how many workers ran them or when.
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

local NAN = 0 / 0
local LONG_TABLE = 60 -- configurations; a longer table shows the best of them only
local SHOWN = 20

--- "hidden=64 lr=0.01": the parameters that vary, by name.
---@param params table<string, any>
---@param names string[]
---@return string
function M.label(params, names)
  local words = {}
  for _, name in ipairs(names) do
    if params[name] ~= nil then
      words[#words + 1] = ("%s=%s"):format(name, text.value(params[name]))
    end
  end
  return #words > 0 and table.concat(words, " ") or "(nothing varies)"
end

-- Mean and sample standard deviation (n - 1); the spread of one value is NaN.
local function summary(values)
  local n, sum = #values, 0
  if n == 0 then
    return { mean = NAN, std = NAN }
  end
  for _, value in ipairs(values) do
    sum = sum + value
  end
  local mean, squares = sum / n, 0
  for _, value in ipairs(values) do
    squares = squares + (value - mean) ^ 2
  end
  return { mean = mean, std = n > 1 and (squares / (n - 1)) ^ 0.5 or NAN }
end

-- "ok", or what went wrong how often: "1 diverged, 2 failed".
local function status_of(trials)
  local counts, words = {}, {}
  for _, trial in ipairs(trials) do
    counts[trial.state] = (counts[trial.state] or 0) + 1
  end
  for _, state in ipairs { "pruned", "diverged", "failed", "running" } do
    if counts[state] then
      words[#words + 1] = counts[state] .. " " .. (state == "running" and "unfinished" or state)
    end
  end
  return #words > 0 and table.concat(words, ", ") or "ok"
end

local function make_configs(study, names)
  local configs, by_number = {}, {}
  local lazy = {
    __index = function(config, key)
      if key == "label" then -- made when asked for: there may be very many
        config.label = M.label(config.params, names)
        return config.label
      elseif key == "params" then
        config.params = config.trials[1].params
        return config.params
      end
    end,
  }
  local by_params = {}
  for _, trial in ipairs(study.trials) do
    local config = by_number[trial.config]
    if not config then
      local key = rawget(trial, "params_text") or json.encode(trial.params)
      config = by_params[key] -- proposed before: more seeds of that one
      if not config then
        config = setmetatable({ number = trial.config, seeds = {}, trials = {} }, lazy)
        by_params[key] = config
        configs[#configs + 1] = config
      end
      by_number[trial.config] = config
    end
    config.trials[#config.trials + 1] = trial
    config.seeds[#config.seeds + 1] = trial.seed
  end
  for _, config in ipairs(configs) do
    local only = config.trials[1]
    if #config.trials == 1 and only.state == "finished" then -- so it is with very many: make no lists
      config.n, config.status = 1, "ok"
      config.last, config.best = { mean = only.last or NAN, std = NAN }, { mean = only.best or NAN, std = NAN }
    else
      local last, best = {}, {}
      for _, trial in ipairs(config.trials) do
        if trial.state == "finished" then
          last[#last + 1], best[#best + 1] = trial.last, trial.best
        end
      end
      config.n, config.status = #last, status_of(config.trials)
      config.last, config.best = summary(last), summary(best)
    end
    config.raced = study.race and #config.trials < study.info.seeds or nil
    if config.raced and config.status == "ok" then
      config.status = "out of the race"
    end
  end
  return configs
end

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

-- Fields of a trial's row that a study shows.
local FIELDS = { "number", "config", "repeat", "seed", "state", "last", "best", "best_epoch", "reason",
  "message", "line", "signal", "seconds", "attempt", "started", "samples", "parent" }

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

--- A trial of its row in the store.
---@param row table
---@return table trial
function M.trial_of(row)
  local trial = { params_text = row.params, epoch_count = row.epochs }
  for _, key in ipairs(FIELDS) do
    trial[key] = row[key]
  end
  return setmetatable(trial, Recorded)
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
  study.configs = make_configs(study, study.names)
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
  for _, row in ipairs(assert(opened:rows("trial_brief", found.id))) do
    local list = row.number > 0 and trials or confirming
    list[#list + 1] = row
  end
  local script
  for _, row in ipairs(assert(opened:rows("file_list", found.id))) do
    script = row.path == found.script and row.text or script
  end
  local session = assert(opened:rows("session_list", found.id))
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

-- Better first: complete configurations before those with diverged or failed trials, then by mean,
-- then by number.
local function order_of(study)
  local select = study.select
  local sign = study.objective.direction == "max" and -1 or 1
  local function key(config)
    local mean = config[select].mean
    return mean == mean and sign * mean or math.huge
  end
  return function(a, b)
    local whole_a, whole_b = a.n == #a.trials and not a.raced, b.n == #b.trials and not b.raced
    if whole_a ~= whole_b then
      return whole_a
    end
    local x, y = key(a), key(b)
    if x ~= y then
      return x < y
    end
    return a.number < b.number
  end
end

local function ranked(study)
  if not study.ranking then
    study.ranking = table.move(study.configs, 1, #study.configs, 1, {})
    table.sort(study.ranking, order_of(study))
  end
  return study.ranking
end

--- The first few configurations, best first.
---@private
---@param count integer
---@return table[] configs
function Study:ranked(count)
  local before, list = order_of(self), {}
  for _, config in ipairs(self.configs) do -- there may be very many: they are not sorted for a few
    if #list < count or before(config, list[#list]) then
      local place = #list + 1
      while place > 1 and before(config, list[place - 1]) do
        place = place - 1
      end
      table.insert(list, place, config)
      list[count + 1] = nil
    end
  end
  return list
end

--- The configuration with the best mean over its seeds. One with a diverged or failed trial is taken
--- only when there is no other. `fresh` is what it did on seeds that it was not chosen by (see `confirm`).
---@return {config: integer, params: table, label: string, trials: integer[], n: integer, mean: number,
--- std: number, fresh: {n: integer, mean: number, std: number, values: number[]}?}? best nil when no trial finished
function Study:best()
  local config = self:ranked(1)[1]
  if not config or config.n == 0 then
    return nil
  end
  local numbers = {}
  for i, trial in ipairs(config.trials) do
    numbers[i] = trial.number
  end
  return {
    config = config.number, params = config.params, label = config.label, trials = numbers,
    n = config.n, mean = config[self.select].mean, std = config[self.select].std,
    fresh = self.confirmed and self.confirmed.winner or nil,
  }
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
    for _, event in ipairs(assert(file:rows("event_list", self.id))) do
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

local function row_of(config, names)
  local row = {
    config = config.number, seeds = #config.trials, n = config.n, label = config.label,
    last = config.last.mean, last_std = config.last.std, best = config.best.mean,
    best_std = config.best.std, status = config.status, params = config.params,
  }
  for _, name in ipairs(names) do
    local value = config.params[name]
    row["param." .. name] = type(value) == "table" and text.value(value) or value
  end
  return row
end

--- The results as a list of rows, one per configuration, in their order: config, label, params,
--- seeds, n (finished), last and best (means) with last_std and best_std, status.
---@return table[]
function Study:table()
  local rows = {}
  for i, config in ipairs(self.configs) do
    rows[i] = row_of(config, self.names)
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
    order = ranked(self)
    note = ("(the best %d of %d configurations)\n"):format(SHOWN, #order)
  end
  local best = self:best()
  local rows = {}
  for i = 1, math.min(#order, #order > LONG_TABLE and SHOWN or #order) do
    rows[i] = row_of(order[i], self.names)
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
      local both = summary(at[epoch])
      curve.mean[k], curve.std[k], curve.n[k] = both.mean, both.std, #at[epoch]
    end
    curves[i] = curve
  end
  return curves
end

return M
