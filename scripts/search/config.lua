--- The configurations of a study: which trials are of the same one, what these came to together, and which
--- configuration is better.
local json = require "search.json"
local stats = require "report.stats"
local text = require "report.text"

local M = {}

local NAN = 0 / 0

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

--- Mean and sample standard deviation (n - 1); the spread of one value is NaN.
---@param values number[]
---@return {mean: number, std: number}
function M.summary(values)
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

--- The configurations of a study's trials, in the order of their first trials.
---@param study search.Study
---@return table[]
function M.of(study)
  local configs, by_number = {}, {}
  local lazy = {
    __index = function(config, key)
      if key == "label" then -- made when asked for: there may be very many
        config.label = M.label(config.params, study.names)
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
      local key = trial.parent and trial or rawget(trial, "params_text") or json.encode(trial.params)
      config = by_params[key] -- proposed before: more seeds of that one; a copy stands alone
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
      config.last, config.best = M.summary(last), M.summary(best)
    end
    config.raced = study.race and #config.trials < study.info.seeds or nil
    if config.raced and config.status == "ok" then
      config.status = "out of the race"
    end
  end
  return configs
end

--- Better first: complete configurations before those with diverged or failed trials, then by mean,
--- then by number.
---@param study search.Study
---@return fun(a: table, b: table): boolean
function M.order(study)
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

--- The first few configurations, best first.
---@param study search.Study
---@param count integer
---@return table[] configs
function M.first(study, count)
  local before, list = M.order(study), {}
  for _, config in ipairs(study.configs) do -- there may be very many: they are not sorted for a few
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

--- Are values better than others? Paired over the seeds that both have, by t-test.
---@param ours table<integer, number> by seed
---@param theirs table<integer, number>
---@param least integer
---@return table? test see stats.paired_t_test; nil with fewer than `least` shared seeds
function M.paired_test(ours, theirs, least)
  local a, b = {}, {}
  for _, seed in ipairs(text.keys(ours)) do
    if theirs[seed] then
      a[#a + 1], b[#b + 1] = ours[seed], theirs[seed]
    end
  end
  return #a >= least and stats.paired_t_test(a, b) or nil
end

--- A configuration as a row of a table.
---@param config table
---@param names string[] of the parameters to have columns
---@return table
function M.row(config, names)
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

return M
