-- Looking inside a model: outputs and gradients of its layers.
local testing = require "testing"
local data = require "data"
local nn = require "nn"

local tests = {}

local blobs = data.blobs { n = 40, features = 5, classes = 3, noise = 2, seed = 1, dtype = "float64" }

local function model()
  return nn.Sequential { nn.Linear(6, "relu"), nn.Residual { nn.Linear(6, "tanh") }, nn.Linear(3) }
end

tests["every layer's output and gradient is seen"] = function()
  local net = model():build(blobs)
  local seen = net:inspect(blobs)
  local names = {}
  for i, view in ipairs(seen) do
    names[i] = view.layer
    testing.equal(view.gradient:shape(), view.output:shape())
    testing.equal(view.output:shape()[1], 40)
  end
  testing.equal(names, { "linear_1", "linear_2", "residual_1", "linear_3" })
  testing.equal(seen[4].output:totable(), net:predict(blobs):totable())
  testing.near(seen.loss, net:evaluate(blobs).loss, 1e-12)
  testing.ok(seen[1].zeros > 0.2 and seen[1].zeros < 0.8 and seen[2].zeros == 0)
  testing.near(seen[2].std ^ 2, seen[2].output:variance({ correction = 0 }):item(), 1e-12)
  testing.matches(tostring(seen), "linear_3 +[-%d.e]+ +[%d.]+ +0.0%% +[%d.]+ +[%d.]+")
end

tests["the gradient of the logits is probability less truth, of each row's loss"] = function()
  local net = model():build(blobs)
  local seen = net:inspect(blobs, { rows = 7 })
  local want = nn.op.softmax(net:predict(blobs:rows(1, 7))) - blobs:one_hot().y:rows(1, 7)
  testing.near(seen[4].gradient, want, 1e-12)
  local function weight_gradient(i) -- of the mean loss: hidden^T gradient / rows
    local inputs = i == 1 and blobs.x:rows(1, 7) or seen[i - 1].output
    return nn.op.matmul(seen[i].gradient, inputs, { trans_a = true }) / 7
  end
  testing.near(seen[4].weight_gradient_std, weight_gradient(4):variance({ correction = 0 }):item() ^ 0.5, 1e-12)
end

tests["looking changes nothing"] = function()
  local net = model()
  net:fit(blobs, { epochs = 1, loss = "cross_entropy" })
  local before = net:predict(blobs):totable()
  net:inspect(blobs)
  testing.equal(net:predict(blobs):totable(), before)
  testing.raises("no parameters yet", function() model():inspect(blobs) end)
  testing.raises("expected a data set with targets", function() net:inspect(data.set { x = blobs.x }) end)
end

return testing.run(tests)
