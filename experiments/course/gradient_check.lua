-- Is the gradient right? A slope can also be measured: move a weight a little and see how the cost
-- changes. nn.gradcheck does so for a model; for formulas of one's own, once wrong, it is done by hand.
--
--   nnrun experiments/course/gradient_check.lua
local data, nn, report, tensor = require "data", require "nn", require "report", require "tensor"

local set = data.moons { n = 20, seed = 1, dtype = "float64" }

-- 1. A model: the engine's gradients of every weight against measured slopes.
local model = nn.Sequential { nn.Linear(5, "tanh"), nn.Linear(3, "tanh"), nn.Linear(1) }
print(nn.gradcheck(model, set))

-- 2. Formulas of one's own: logistic regression, p = sigmoid(x w), cost = mean cross-entropy.
local x, y = set.x, set.y:to("float64"):view { #set, 1 }

local function cost(w)
  local p = x:matmul(w):sigmoid()
  return -(y * p:log() + (1 - y) * (1 - p):log()):mean():item()
end
local function gradient(w)
  return x:matmul(x:matmul(w):sigmoid() - y, { trans_a = true }) / #set
end
local function wrong_gradient(w)
  return x:matmul(x:matmul(w):sigmoid() + y, { trans_a = true }) / #set -- the sign of y is wrong
end

-- The slope between two points at a distance of h on both sides of each weight.
local function measured(w, h)
  local slopes = {}
  for i = 1, w:size() do
    local step = tensor.zeros(w:shape(), "float64")
    step:set(i, 1, h)
    slopes[i] = { (cost(w + step) - cost(w - step)) / (2 * h) }
  end
  return tensor.new(slopes, "float64")
end

-- |a - b| / (|a| + |b|) with Euclidean norms: about 1e-7 or less is right, 1e-3 and more is wrong.
local function difference(a, b)
  return ((a - b):norm() / (a:norm() + b:norm())):item()
end
local w = tensor.new({ { 0.5 }, { -0.25 } }, "float64")
print(("right formula: difference %.3e"):format(difference(gradient(w), measured(w, 1e-5))))
print(("wrong formula: difference %.3e"):format(difference(wrong_gradient(w), measured(w, 1e-5))))

-- How small should h be? Too large is inexact, too small drowns in rounding.
local right, wrong, steps = {}, {}, {}
for power = 0, -12, -1 do
  local h = 10.0 ^ power
  table.insert(steps, h)
  table.insert(right, difference(gradient(w), measured(w, h)))
  table.insert(wrong, difference(wrong_gradient(w), measured(w, h)))
end
report.plot {
  title = "Gradient check: difference and step", file = "results/gradient_check", terminal = true,
  log_x = true, log_y = true,
  series = { { name = "right formula", x = steps, y = right }, { name = "wrong formula", x = steps, y = wrong } },
  x = { label = "step h (units of the weight)" }, y = { label = "relative difference (fraction)" },
}
print("curve: results/gradient_check.png and .svg")
