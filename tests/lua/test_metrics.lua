local testing = require "testing"
local metrics = require "nn.metrics"
local core = require "core.tensor"

local tests = {}

local function floats(t)
  return core.new(t, "float32")
end

local function labels(t)
  return core.new(t, "int64")
end

-- Scores whose largest is at the given class (from 0) of three.
local function scores(classes)
  local rows = {}
  for i, class in ipairs(classes) do
    rows[i] = { 0.1 * i, 0.2, -1 }
    rows[i][class + 1] = 5 + i
  end
  return floats(rows)
end

local TRUE, GUESS = { 0, 0, 1, 1, 2, 2, 2, 0 }, { 0, 1, 1, 1, 2, 0, 2, 2 }

tests["class metrics agree with scikit-learn"] = function()
  local predicted, target = scores(GUESS), labels(TRUE)
  testing.equal(metrics.accuracy(predicted, target), 0.625)
  testing.near(metrics.precision(predicted, target), 0.611111111111111, 1e-12)
  testing.near(metrics.recall(predicted, target), 0.6666666666666666, 1e-12)
  testing.near(metrics.f1(predicted, target), 0.6222222222222222, 1e-12)
end

tests["number metrics agree with scikit-learn"] = function()
  local target = floats { { 1, 10 }, { 2, 20 }, { 4, 0 }, { 8, 5 } }
  local predicted = floats { { 1.5, 11 }, { 1, 18 }, { 5, 1 }, { 7, 6.5 } }
  testing.equal(metrics.mse(predicted, target), 1.4375)
  testing.near(metrics.rmse(predicted, target), math.sqrt(1.4375), 1e-12)
  testing.equal(metrics.mae(predicted, target), 1.125)
  testing.near(metrics.r2(predicted, target), 0.9246211180124224, 1e-12)
end

tests["R squared survives large offsets and constant targets"] = function()
  local target = core.new({ 1e9 + 1, 1e9 + 2, 1e9 + 3 }, "float64")
  local predicted = core.new({ 1e9 + 1, 1e9 + 2, 1e9 + 4 }, "float64")
  testing.near(metrics.r2(predicted, target), 0.5, 1e-9)
  testing.equal(metrics.r2(floats { 3, 3 }, floats { 3, 3 }), 1)
  testing.equal(metrics.r2(floats { 3, 4 }, floats { 3, 3 }), 0)
end

tests["a confusion matrix counts the true class by row"] = function()
  local matrix = metrics.confusion_matrix(scores(GUESS), labels(TRUE), { classes = { "cat", "dog", "größe" } })
  testing.equal(matrix.counts, { { 1, 1, 1 }, { 0, 2, 0 }, { 1, 0, 2 } })
  testing.equal(matrix.accuracy, 0.625)
  testing.near(matrix.classes[3].precision, 2 / 3)
  testing.equal(matrix.classes[2].support, 2)
  local text = tostring(matrix)
  testing.contains(text, "größe")
  testing.contains(text, "cat      1      1      1   0.333      0.500")
  for line in text:gmatch("[^\n]+") do
    testing.equal(utf8.len(line), utf8.len(text:match("[^\n]+")))
  end
end

tests["one output per sample is a binary classifier"] = function()
  local logits, target = floats { { 2 }, { -1 }, { 0.3 }, { -2 } }, { 1, 0, 0, 1 }
  testing.equal(metrics.accuracy(logits, labels(target)), 0.5)
  testing.equal(metrics.accuracy(logits, floats { { 1 }, { 0 }, { 0 }, { 1 } }), 0.5)
  testing.equal(metrics.accuracy(logits, labels(target), { threshold = 0.5 }), 0.75)
  testing.equal(metrics.accuracy(floats { 2, -1, 0.3, -2 }, labels(target)), 0.5)
end

tests["targets may be rows of class shares"] = function()
  testing.equal(metrics.accuracy(scores { 0, 2 }, floats { { 1, 0, 0 }, { 0, 1, 0 } }), 0.5)
end

tests["scores of every step of a sequence count as samples"] = function()
  local predicted = floats { { { 1, 0 }, { 0, 1 } }, { { 1, 0 }, { 1, 0 } } }
  testing.equal(metrics.accuracy(predicted, labels { { 0, 1 }, { 1, 0 } }), 0.75)
end

tests["batches add up to the whole"] = function()
  local set = metrics.set { "accuracy", "f1" }
  for i = 1, #TRUE, 3 do
    local guess, truth = {}, {}
    for k = i, math.min(i + 2, #TRUE) do
      guess[#guess + 1], truth[#truth + 1] = GUESS[k], TRUE[k]
    end
    set:add(scores(guess), labels(truth))
  end
  testing.equal(set:values(), { accuracy = 0.625, f1 = metrics.f1(scores(GUESS), labels(TRUE)) })
  local empty = set:reset():values().accuracy
  testing.ok(empty ~= empty, "NaN without samples")
end

tests["a class that neither occurs nor is predicted does not enter the means"] = function()
  testing.equal(metrics.recall(scores { 0, 1 }, labels { 0, 1 }), 1)
end

tests["NaN among the scores is taken as the largest"] = function()
  testing.equal(metrics.accuracy(floats { { 1, 0 / 0, 3 } }, labels { 2 }), 0)
  testing.equal(metrics.accuracy(floats { { 1, 0 / 0, 3 } }, labels { 1 }), 1)
end

tests["the direction of a metric is known, with a prefix too"] = function()
  testing.equal(metrics.better("val_accuracy"), "max")
  testing.equal(metrics.better("mse"), "min")
  testing.equal(metrics.better("val_mse"), "min")
  testing.equal(metrics.better("val_loss"), "min")
  testing.equal(metrics.better("something"), "max")
end

tests["mistakes name row, shape or the nearest metric"] = function()
  testing.raises("label of row 2 is 3; with 3 classes labels are 0 to 2", function()
    metrics.accuracy(scores { 0, 1 }, labels { 0, 3 })
  end)
  testing.raises("label of row 1 is -1", function() metrics.accuracy(scores { 0 }, labels { -1 }) end)
  testing.raises("(2, 3) and targets (3,) do not fit", function()
    metrics.accuracy(scores { 0, 1 }, labels { 0, 1, 2 })
  end)
  testing.raises("as many targets as outputs", function() metrics.mse(scores { 0, 1 }, labels { 0, 1 }) end)
  testing.raises("of 2 classes after one of 3", function()
    metrics.set { "accuracy" }:add(scores { 0 }, labels { 0 }):add(floats { { 1, 2 } }, labels { 0 })
  end)
  testing.raises("did you mean 'accuracy'", function() metrics.set { "acuracy" } end)
  testing.raises("predictions are int64", function() metrics.mse(labels { 1 }, labels { 1 }) end)
  testing.raises("did you mean 'threshold'", function()
    metrics.accuracy(scores { 0 }, labels { 0 }, { treshold = 1 })
  end)
end

tests["every metric has help and a function"] = function()
  local names = {}
  for _, row in ipairs(require("core.metrics").rows()) do
    testing.ok(row.help ~= "" and metrics[row.name])
    names[#names + 1] = row.name
  end
  table.sort(names)
  testing.equal(metrics.names(), names)
end

return testing.run(tests)
