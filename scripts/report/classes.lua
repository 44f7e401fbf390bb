--- Pictures of a classifier: its confusion matrix, and its decision boundary in the plane.
local options = require "options"
local plot = require "report.plot"
local render = require "report.render"
local tables = require "report.table"
local text = require "report.text"

local M = {}

local CONFUSION = {
  classes = { type = "table", help = "names of the classes" },
  title = { type = "string", default = "confusion matrix" }, file = { type = "string" },
  formats = { type = "table" }, terminal = { type = "boolean", default = false },
}

-- Counts as rows of numbers, and names of the classes.
local function read_matrix(matrix, classes)
  local counts = plot.list(type(matrix) == "table" and matrix.counts or matrix)
  if type(counts) ~= "table" or type(counts[1]) ~= "table" then
    options.fail("report.confusion: a square matrix of counts expected, got %s", options.show(matrix))
  end
  local names = {}
  for i, row in ipairs(counts) do
    if #row ~= #counts then
      options.fail("report.confusion: row %d has %d counts, but there are %d rows", i, #row, #counts)
    end
    local known = type(matrix) == "table" and matrix.classes and matrix.classes[i]
    names[i] = text.clean(classes and classes[i] or known and (known.name or known) or i - 1)
  end
  return counts, names
end

local function print_matrix(counts, names)
  local lines, columns = {}, { { key = 0, title = "true \\ predicted" } }
  for i, name in ipairs(names) do
    columns[i + 1] = { key = i, title = name }
    lines[i] = table.move(counts[i], 1, #names, 1, { [0] = name })
  end
  io.stdout:write(tables.new(lines, columns):text())
end

--- See report.confusion.
function M.confusion(matrix, given)
  local chosen = options.check(given, CONFUSION, "report.confusion")
  local counts, names = read_matrix(matrix, chosen.classes)
  if chosen.terminal then
    print_matrix(counts, names)
  end
  local side = math.max(420, math.min(900, 56 * #counts + 200))
  return render.draw {
    title = chosen.title, file = chosen.file, formats = chosen.formats, size = { side + 100, side },
    color_label = "samples", x = { label = "predicted class", tics = names },
    y = { label = "true class", tics = names, reverse = true },
    series = { { style = "image", labels = #counts <= 20, z = counts } },
  }
end

local BOUNDARY = {
  title = { type = "string", default = "decision boundary" }, file = { type = "string" },
  formats = { type = "table" }, labels = { type = "table", help = "of the two axes" },
  steps = { type = "integer", default = 160, min = 2, max = 1000 },
  threshold = { type = "number", default = 0 }, margin = { type = "number", default = 0.1, min = 0 },
}

-- `steps` places from below the least to above the greatest value of a column.
local function places(points, column, chosen)
  local low, high = math.huge, -math.huge
  for _, point in ipairs(points) do
    low, high = math.min(low, point[column]), math.max(high, point[column])
  end
  local margin = math.max((high - low) * chosen.margin, 1e-6)
  low, high = low - margin, high + margin
  local list = {}
  for i = 1, chosen.steps do
    list[i] = low + (high - low) * (i - 1) / (chosen.steps - 1)
  end
  return list
end

-- Predictions as 0-based labels: labels as they are, scores by the largest, one number by threshold.
local function as_labels(predicted, threshold, where)
  local integers = type(predicted) == "userdata" and predicted:dtype() == "int64"
  local values, labels = plot.list(predicted), {}
  if type(values) ~= "table" then
    options.fail("%s: predict must return a tensor or a list, got %s", where, options.show(predicted))
  end
  for i, value in ipairs(values) do
    if type(value) == "table" and #value > 1 then
      local best = 1
      for c = 2, #value do
        best = value[c] > value[best] and c or best
      end
      labels[i] = best - 1
    else
      value = type(value) == "table" and value[1] or value
      labels[i] = integers and value or value > threshold and 1 or 0
    end
  end
  return labels
end

-- The data, one series for each class.
local function series_of(points, labels, set)
  local by_class, order = {}, {}
  for i, point in ipairs(points) do
    local label = math.tointeger(type(labels[i]) == "table" and labels[i][1] or labels[i])
    if not label then
      options.fail("report.boundary: label %d of the set is no whole number", i)
    end
    local series = by_class[label]
    if not series then
      series = { name = set.classes and set.classes[label + 1] or "class " .. label, style = "points", x = {},
        y = {}, color = label + 1, size = 0.9 }
      by_class[label] = series
      order[#order + 1] = label
    end
    table.insert(series.x, point[1])
    table.insert(series.y, point[2])
  end
  table.sort(order)
  local list = {}
  for i, label in ipairs(order) do
    list[i] = by_class[label]
  end
  return list
end

--- See report.boundary.
function M.boundary(predict, set, given)
  local chosen = options.check(given, BOUNDARY, "report.boundary")
  if type(set) ~= "table" or set.x == nil or set.y == nil then
    options.fail("report.boundary: a data set with x and y expected, got %s", options.show(set))
  end
  local points = plot.list(set.x)
  if type(points[1]) ~= "table" or #points[1] ~= 2 then
    options.fail("report.boundary: the points of '%s' must have two coordinates", tostring(set.name or "the set"))
  end
  local xs, ys, grid = places(points, 1, chosen), places(points, 2, chosen), {}
  for _, y in ipairs(ys) do
    for _, x in ipairs(xs) do
      grid[#grid + 1] = { x, y }
    end
  end
  local inputs = type(set.x) == "userdata" and require("core.tensor").new(grid, set.x:dtype()) or grid
  local predicted
  if type(predict) == "function" then
    predicted = predict(inputs)
  else
    predicted = predict:predict(inputs)
  end
  local labels, z = as_labels(predicted, chosen.threshold, "report.boundary"), {}
  if #labels ~= #grid then
    options.fail("report.boundary: predict gave %d results for %d points", #labels, #grid)
  end
  for r = 1, #ys do
    z[r] = table.move(labels, (r - 1) * #xs + 1, r * #xs, 1, {})
  end
  local series = series_of(points, plot.list(set.y), set)
  series[#series + 1] = { style = "classes", x = xs, y = ys, z = z }
  local names = chosen.labels or set.columns or {}
  return render.draw {
    title = chosen.title, file = chosen.file, formats = chosen.formats, series = series, size = { 620, 520 },
    x = { label = names[1] or "x1" }, y = { label = names[2] or "x2" },
  }
end

return M
