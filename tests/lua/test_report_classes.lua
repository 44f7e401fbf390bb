-- Pictures of classifiers: confusion matrix and decision boundary.
local testing = require "testing"
local report = require "report"

local tests = {}

-- Points left of zero are class 0.
local SET = { x = { { -1, 0 }, { 1, 0 }, { -2, 1 }, { 2, 1 } }, y = { 0, 1, 0, 1 }, classes = { "left", "right" },
  columns = { "across", "up" }, name = "sides" }

local function boundary(predict, set, options)
  options = options or {}
  options.file, options.steps = testing.folder() .. "/b.svg", 5
  local result, message = report.boundary(predict, set or SET, options)
  testing.ok(result, message)
  return testing.read(result.files[1])
end

tests["labels, logits and scores draw the same boundary"] = function()
  testing.need_gnuplot()
  local function each(value)
    return function(points)
      local list = {}
      for i, point in ipairs(points) do
        list[i] = value(point[1])
      end
      return list
    end
  end
  local logits = boundary(each(function(x) return x end))
  testing.equal(boundary(each(function(x) return { x } end)), logits)
  testing.equal(boundary(each(function(x) return { -x, x } end)), logits)
  testing.equal(boundary({ predict = function(_, points) return each(function(x) return x end)(points) end }), logits)
  testing.equal(boundary(each(function(x) return 1 / (1 + math.exp(-x)) end), nil, { threshold = 0.5 }), logits)
  testing.differ(boundary(each(function(x) return -x end)), logits)
  for _, word in ipairs { "left", "right", "across", "up" } do
    testing.contains(logits, ">" .. word .. "<")
  end
end

tests["a data set of tensors and a model of tensors work too"] = function()
  testing.need_gnuplot()
  local tensor = require "core.tensor"
  local set = { x = tensor.new(SET.x, "float32"), y = tensor.new(SET.y, "int64"), name = "sides" }
  local seen
  local svg = boundary(function(points)
    seen = points:shape()
    local labels = {}
    for i, point in ipairs(points:totable()) do
      labels[i] = point[1] > 0 and 1 or 0
    end
    return tensor.new(labels, "int64")
  end, set)
  testing.equal(seen, { 25, 2 })
  testing.contains(svg, ">class 1<")
end

tests["what does not fit is refused"] = function()
  local function zero(points)
    return { #points > 0 and 0 }
  end
  testing.raises("predict gave 1 results for 25 points", report.boundary, zero, SET, { steps = 5 })
  testing.raises("two coordinates", report.boundary, zero, { x = { { 1 } }, y = { 0 } })
  testing.raises("a data set with x and y", report.boundary, zero, { 1 })
  testing.raises("label 1 of the set", report.boundary, function(p)
    local list = {}
    for i in ipairs(p) do list[i] = 0 end
    return list
  end, { x = { { 1, 2 } }, y = { 0.5 } }, { steps = 3 })
end

tests["a confusion matrix takes counts, or what the metrics return"] = function()
  testing.need_gnuplot()
  local counts = { { 5, 1 }, { 2, 7 } }
  local folder = testing.folder()
  testing.ok(report.confusion(counts, { classes = { "cat", "dog" }, file = folder .. "/a.svg" }))
  testing.ok(report.confusion({ counts = counts, classes = { { name = "cat" }, { name = "dog" } } },
    { file = folder .. "/b.svg" }))
  local svg = testing.read(folder .. "/a.svg")
  testing.equal(testing.read(folder .. "/b.svg"), svg)
  for _, word in ipairs { "cat", "dog", "7", "true class", "predicted class" } do
    testing.contains(svg, ">" .. word .. "<")
  end
  testing.raises("row 2 has 1 counts", report.confusion, { { 1, 2 }, { 3 } })
  testing.raises("a square matrix of counts expected", report.confusion, 3)
end

return testing.run(tests)
