--- Several objectives in pictures: every configuration as a dot, the Pareto front as a line.
local fronts = require "search.front"
local text = require "report.text"

local M = {}

-- Numbers that span two decades or more, all positive, are drawn on a logarithmic axis.
local function axis(goal, values)
  local low, high = math.huge, -math.huge
  for _, value in ipairs(values) do
    low, high = math.min(low, value), math.max(high, value)
  end
  return { label = ("%s (%s is better)"):format(goal.metric, goal.direction == "max" and "larger" or "smaller"),
    log = low > 0 and high / low >= 100 }
end

-- The first objective against another one.
local function panel(study, points, other)
  local x, y, front = {}, {}, {}
  for i, point in ipairs(points) do
    x[i], y[i] = point.values[other], point.values[1]
    front[#front + 1] = point.front and point or nil
  end
  table.sort(front, function(a, b)
    if a.values[other] ~= b.values[other] then
      return a.values[other] < b.values[other]
    end
    return a.config.number < b.config.number
  end)
  local fx, fy = {}, {}
  for i, point in ipairs(front) do
    fx[i], fy[i] = point.values[other], point.values[1]
  end
  local plane = #study.objectives == 2
  return {
    x = axis(study.objectives[other], x), y = axis(study.objectives[1], y),
    series = {
      { name = "all configurations", x = x, y = y, style = "points", marker = 6, muted = true },
      { name = "Pareto front", x = fx, y = fy, style = plane and "linepoints" or "points", color = 1, width = 1.5 },
    },
  }
end

--- The front of a study: a panel for each objective after the first.
---@param study search.Study
---@return table? spec for report.plot; nil with one objective, or when nothing finished
function M.spec(study)
  local goals = study.objectives or {}
  local points = #goals > 1 and fronts.points(study) or {}
  if #points == 0 then
    return nil
  end
  local panels = {}
  for other = 2, #goals do
    panels[other - 1] = panel(study, points, other)
  end
  return { title = (study.name or "sweep") .. ": what is best in one respect or another", panels = panels,
    columns = math.min(#panels, 3), size = #panels == 1 and { 760, 480 } or { 520, 400 } }
end

--- The front in a sentence.
---@param study search.Study
---@return string? nil with one objective, or when nothing finished
function M.sentence(study)
  local goals = study.objectives or {}
  local front = #goals > 1 and study:pareto() or {}
  if #front == 0 then
    return nil
  end
  local volume, reference = study:hypervolume()
  local words = {}
  for i, value in ipairs(reference) do
    words[i] = text.value(value)
  end
  return ("%d of %d settings are on the Pareto front: none is better than they are in one objective without being "
    .. "worse in another. The hypervolume they cover, from (%s), is %.6g."):format(#front, #study.configs,
    table.concat(words, ", "), volume)
end

return M
