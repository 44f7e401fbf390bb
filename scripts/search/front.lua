--- A study of several objectives: what each configuration is worth, and which ones are on the Pareto
--- front. A configuration counts when all its trials finished, with the means of their last epochs.
local options = require "options"
local pareto = require "search.pareto"
local text = require "report.text"

local M = {}

local SHOWN = 30 -- lines of the table that are not on the front

-- Means over the trials of a configuration, one for each objective; nil when one is missing.
local function values_of(study, config)
  local values = {}
  for i, goal in ipairs(study.objectives) do
    local sum = 0
    for _, trial in ipairs(config.trials) do
      local value = trial.state == "finished" and goal:value_of(trial.epochs)
      if not value or value ~= value then
        return nil
      end
      sum = sum + value
    end
    values[i] = sum / #config.trials
  end
  return values
end

local function losses_of(study, values)
  local losses = {}
  for i, goal in ipairs(study.objectives) do
    losses[i] = goal.direction == "max" and -values[i] or values[i]
  end
  return losses
end

--- The configurations that count, in order, with their values and losses; `front` tells those of the front.
---@param study search.Study
---@return {config: table, values: number[], losses: number[], front: boolean}[]
function M.points(study)
  if not study.front_points then
    local points, losses = {}, {}
    for _, config in ipairs(study.configs) do
      local values = values_of(study, config)
      if values then
        losses[#losses + 1] = losses_of(study, values)
        points[#points + 1] = { config = config, values = values, losses = losses[#losses], front = false }
      end
    end
    for _, i in ipairs(pareto.front(losses)) do
      points[i].front = true
    end
    study.front_points = points
  end
  return study.front_points
end

-- Those of the front, the best by the first objective first.
local function sorted(study)
  local list = {}
  for _, point in ipairs(M.points(study)) do
    list[#list + 1] = point.front and point or nil
  end
  table.sort(list, function(a, b)
    for i = 1, #a.losses do
      if a.losses[i] ~= b.losses[i] then
        return a.losses[i] < b.losses[i]
      end
    end
    return a.config.number < b.config.number
  end)
  return list
end

--- See Study:pareto.
---@param study search.Study
---@return table[]
function M.front(study)
  local list = sorted(study)
  for i, point in ipairs(list) do
    local numbers = {}
    for t, trial in ipairs(point.config.trials) do
      numbers[t] = trial.number
    end
    list[i] = { config = point.config.number, params = point.config.params, label = point.config.label,
      trials = numbers, n = point.config.n, values = point.values }
  end
  return list
end

--- See Study:hypervolume.
---@param study search.Study
---@param reference number[]?
---@return number volume
---@return number[] reference
function M.hypervolume(study, reference)
  local points, losses = M.points(study), {}
  for i, point in ipairs(points) do
    losses[i] = point.losses
  end
  if reference and #reference ~= #study.objectives then
    options.fail("study:hypervolume: the reference must have %d values, one for each objective; got %d",
      #study.objectives, #reference)
  elseif not reference then
    reference = {}
    for i, goal in ipairs(study.objectives) do
      for _, point in ipairs(points) do
        local value = point.values[i]
        reference[i] = (reference[i] == nil or goal:better(reference[i], value)) and value or reference[i]
      end
    end
  end
  return #points > 0 and pareto.hypervolume(losses, losses_of(study, reference)) or 0, reference
end

-- A table of points; the front is marked with "*".
local function table_of(study, points, names)
  local rows, columns = {}, { { key = "mark", title = "" }, { key = "config", title = "config" } }
  for i, point in ipairs(points) do
    rows[i] = { mark = point.front and "*" or "", config = point.config.number, n = point.config.n }
    for _, name in ipairs(names) do
      local value = point.config.params[name]
      rows[i]["param " .. name] = type(value) == "table" and text.value(value) or value
    end
    for k, value in ipairs(point.values) do
      rows[i]["value " .. k] = value
    end
  end
  for _, name in ipairs(names) do
    columns[#columns + 1] = { key = "param " .. name, title = name }
  end
  columns[#columns + 1] = { key = "n", title = "seeds" }
  for k, goal in ipairs(study.objectives) do
    columns[#columns + 1] = { key = "value " .. k, title = tostring(goal) }
  end
  return require("report.table").new(rows, columns):text()
end

--- The front as text, and after it the rest, as far as that is short.
---@param study search.Study
---@param front_only boolean?
---@return string
function M.text(study, front_only)
  local points, left = sorted(study), 0
  local count = #points
  for _, point in ipairs(not front_only and M.points(study) or {}) do
    if not point.front and #points - count < SHOWN then
      points[#points + 1] = point
    elseif not point.front then
      left = left + 1
    end
  end
  local missing = #study.configs - #M.points(study)
  return table_of(study, points, study.names)
    .. ("%d configuration%s on the front (*)%s%s\n"):format(count, count == 1 and "" or "s",
      left > 0 and (", %d others not shown"):format(left) or "",
      missing > 0 and (", %d without a result"):format(missing) or "")
end

return M
