-- Losses: their values against the formulas, as fit and evaluate see them.
local testing = require "testing"
local data = require "data"
local nn = require "nn"
local tensor = require "tensor"

local tests = {}

-- A model that gives back its input, so that x holds predictions.
local function loss_of(predictions, y, loss)
  local set = data.set { x = tensor.new(predictions, "float64"), y = y }
  local model = nn.Sequential { function(x) return x * 1 end }
  return model:build(set):evaluate(set, { loss = loss, metrics = {} }).loss
end

-- -log softmax(scores)[label + 1]
local function surprise(scores, label)
  local sum = 0
  for _, score in ipairs(scores) do
    sum = sum + math.exp(score)
  end
  return math.log(sum) - scores[label + 1]
end

local SCORES = { { 1, 2, 0.5 }, { -1, 0.25, 3 }, { 0, 0, 0 } }
local LABELS = tensor.new({ 1, 2, 0 }, "int64")

tests["cross-entropy is the mean surprise"] = function()
  local want = (surprise(SCORES[1], 1) + surprise(SCORES[2], 2) + surprise(SCORES[3], 0)) / 3
  testing.near(loss_of(SCORES, LABELS, "cross_entropy"), want, 1e-12)
  testing.near(loss_of(SCORES, LABELS), want, 1e-12, "it is the default for labels")
end

tests["class weights make a weighted mean"] = function()
  local want = (5 * surprise(SCORES[1], 1) + 0.5 * surprise(SCORES[2], 2) + 2 * surprise(SCORES[3], 0)) / 7.5
  testing.near(loss_of(SCORES, LABELS, nn.loss.cross_entropy { class_weights = { 2, 5, 0.5 } }), want, 1e-12)
end

tests["label smoothing spreads the target"] = function()
  local want, share = 0, 0.1
  for i, scores in ipairs(SCORES) do
    for class = 0, 2 do
      local target = share / 3 + (class == LABELS:get(i) and 1 - share or 0)
      want = want + target * surprise(scores, class) / 3
    end
  end
  testing.near(loss_of(SCORES, LABELS, nn.loss.cross_entropy { label_smoothing = share }), want, 1e-12)
end

tests["binary cross-entropy takes logits, however large"] = function()
  local y = tensor.new({ 1, 0, 0, 1 }, "int64")
  local want = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-3)) + 1000 + 0) / 4
  testing.near(loss_of({ { 2 }, { -3 }, { 1000 }, { 800 } }, y, "binary_cross_entropy"), want, 1e-12)
end

tests["losses of numbers are means over elements"] = function()
  local p, y = { { 1, 2 }, { 3, -1 } }, tensor.new({ { 0, 2.5 }, { 5, -1 } }, "float64")
  testing.near(loss_of(p, y), (1 + 0.25 + 4) / 4, 1e-12, "mse is the default")
  testing.near(loss_of(p, y, "mse"), (1 + 0.25 + 4) / 4, 1e-12)
  testing.near(loss_of(p, y, "mae"), (1 + 0.5 + 2) / 4, 1e-12)
  testing.near(loss_of(p, y, "huber"), (0.5 + 0.125 + 1.5) / 4, 1e-12)
  testing.near(loss_of(p, y, nn.loss.huber { delta = 0.5 }), (0.375 + 0.125 + 0.875) / 4, 1e-12)
end

tests["hinge loss takes labels as signs"] = function()
  local y = tensor.new({ 1, 0, 1 }, "int64")
  testing.near(loss_of({ { 0.5 }, { -2 }, { -1 } }, y, "hinge"), (0.5 + 0 + 2) / 3, 1e-12)
end

tests["Kullback-Leibler divergence is per sample"] = function()
  local log = math.log
  local p = { { log(0.5), log(0.5) }, { log(0.25), log(0.75) } }
  local y = tensor.new({ { 0.75, 0.25 }, { 0, 1 } }, "float64")
  local want = (0.75 * log(1.5) + 0.25 * log(0.5) + log(1 / 0.75)) / 2
  testing.near(loss_of(p, y, "kl"), want, 1e-12)
end

tests["a function of ops is a loss"] = function()
  local y = tensor.new({ { 1 }, { 2 } }, "float64")
  local function quartic(prediction, target)
    return nn.op.mean(nn.op.square(nn.op.square(prediction - target)))
  end
  testing.near(loss_of({ { 3 }, { 3 } }, y, quartic), (16 + 1) / 2, 1e-12)
  local set = data.regression { n = 12, features = 2, seed = 1 }
  testing.ok(nn.gradcheck(nn.Sequential { nn.Linear(1) }, set, { loss = quartic }).ok)
end

tests["gradients of all losses are right"] = function()
  local classes = data.blobs { n = 12, classes = 3, seed = 1 }
  local binary = data.moons { n = 12, seed = 1 }
  local numbers = data.regression { n = 12, features = 2, seed = 1 }
  local cases = {
    { "cross_entropy", classes, 3 }, { nn.loss.cross_entropy { label_smoothing = 0.2 }, classes, 3 },
    { nn.loss.cross_entropy { class_weights = { 1, 2, 3 } }, classes, 3 },
    { "binary_cross_entropy", binary, 1 }, { "hinge", binary, 1 },
    { "mse", numbers, 1 }, { "mae", numbers, 1 }, { nn.loss.huber { delta = 0.3 }, numbers, 1 },
  }
  for i, case in ipairs(cases) do
    local model = nn.Sequential { nn.Linear(4, "tanh"), nn.Linear(case[3]) }
    local check = nn.gradcheck(model, case[2], { loss = case[1] })
    testing.ok(check.ok, ("case %d: %s"):format(i, tostring(check)))
  end
end

tests["labels outside the classes are refused with their row"] = function()
  local set = data.set { x = { { 1, 2 }, { 3, 4 } }, y = { 0, 5 } }
  testing.raises("the label of row 2 is 5, outside the 3 classes", function()
    nn.Sequential { nn.Linear(3) }:fit(set, { epochs = 1 })
  end)
  testing.raises("binary_cross_entropy knows two classes only", function()
    nn.Sequential { nn.Linear(1) }:fit(set, { epochs = 1 })
  end)
end

tests["a loss prints as one writes it"] = function()
  testing.equal(tostring(nn.loss.huber { delta = 2 }), "nn.loss.huber { delta = 2 }")
  testing.equal(tostring(nn.loss.mse()), "nn.loss.mse {}")
end

tests["mistakes in a loss are met with an answer"] = function()
  local function fit(loss)
    return function() nn.Sequential { nn.Linear(1) }:fit(data.moons(), { loss = loss, epochs = 1 }) end
  end
  testing.raises("did you mean 'hinge'?", fit "hing")
  testing.raises("must return a value of the graph, not 3", fit(function() return 3 end))
  testing.raises("the loss must be one number; its shape is (64, 1)", fit(function(p) return p end))
  testing.raises("needs int64 class labels", function()
    nn.Sequential { nn.Linear(3) }:fit(data.regression(), { loss = "cross_entropy", epochs = 1 })
  end)
end

tests["targets of another shape than the output are refused, not broadcast"] = function()
  local x = tensor.ones { 8, 2 }
  local function fit(y)
    return function() nn.Sequential { nn.Linear(2) }:fit({ x = x, y = y }, { loss = "mse", epochs = 1 }) end
  end
  testing.raises("loss mse: the targets' shape (N, 1) is not that of the model's output, (N, 2)",
    fit(tensor.ones { 8, 1 }))
  testing.raises("(N, 2); for class labels take cross_entropy", fit(tensor.zeros({ 8 }, "int64")))
  fit(tensor.ones { 8, 2 })()
end

return testing.run(tests)
