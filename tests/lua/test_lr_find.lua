-- The learning-rate range test: what it finds, and that it leaves no trace.
local testing = require "testing"
local data = require "data"
local nn = require "nn"

local tests = {}
local moons = data.moons { n = 400, noise = 0.2, seed = 1 }

local function network()
  -- A layer with running statistics, and dropout: both must come back as they were.
  local Meter = nn.layer("Meter", { forward = function(self, x)
    local mean = self:buffer("mean", { 1 })
    self:update("mean", mean * 0.9 + nn.op.mean(x) * 0.1)
    return x - mean
  end })
  return nn.Sequential { nn.Linear(16, "tanh"), Meter(), nn.BatchNorm1d(), nn.Dropout(0.1), nn.Linear(1) }
end

tests["weights and statistics are left as they were, to the bit"] = function()
  local model = network()
  model:fit(moons, { epochs = 2 })
  local before, loss = testing.weights(model), model:evaluate(moons).loss
  local range = nn.lr_find(model, moons, { stop = 100 })
  testing.ok(range.raw[#range.raw] ~= range.raw[1])
  testing.equal(testing.weights(model), before)
  testing.equal(model:evaluate(moons).loss, loss)
end

tests["training after the test is as without it, built or not"] = function()
  for _, built in ipairs { false, true } do
    local function train(with)
      local model = network()
      if built then
        model:build(moons, { seed = 5 })
      end
      if with then
        nn.lr_find(model, moons, { steps = 20, optimizer = "sgd" })
        testing.equal(model.book ~= nil, built)
      end
      model:fit(moons, { epochs = 2, seed = 9, optimizer = nn.Adam { lr = 0.01 } })
      return testing.weights(model)
    end
    testing.equal(train(true), train(false))
  end
end

tests["the model is given back when the test fails, too"] = function()
  local model = network():build(moons)
  local before = testing.weights(model)
  testing.raises("did you mean 'adam'", function() nn.lr_find(model, moons, { optimizer = "adm" }) end)
  testing.raises("unknown loss", function() nn.lr_find(model, moons, { loss = "mss" }) end)
  testing.equal(testing.weights(model), before)
end

tests["rates grow by one factor, and the loss is smoothed as documented"] = function()
  local range = nn.lr_find(network(), moons, { start = 1e-4, stop = 1e-2, steps = 21, smoothing = 0.5 })
  testing.near(range.lr[1], 1e-4)
  testing.near(range.lr[11], 1e-3)
  testing.near(range.lr[21], 1e-2)
  testing.near(range.loss[1], range.raw[1])
  testing.near(range.loss[2], (0.25 * range.raw[1] + 0.5 * range.raw[2]) / 0.75)
  testing.equal(range.stopped, false)
end

tests["the suggestion trains, and the test ends where the loss explodes"] = function()
  local set = data.regression { n = 400, features = 5, noise = 0.1, seed = 2 }
  local model = nn.Sequential { nn.Linear(1) }
  local range = nn.lr_find(model, set, { optimizer = "sgd", start = 1e-5, stop = 100, steps = 200, batch_size = 32,
    smoothing = 0.8 })
  testing.ok(range.stopped and #range.lr < 200)
  -- Gradient descent on this problem is stable below about 1; without noise the loss falls from 1e-2 on.
  testing.ok(range.suggestion > 1e-3 and range.suggestion < range.lowest and range.lowest < 2, tostring(range))
  local start = range.raw[1]
  model:fit(set, { optimizer = nn.SGD { lr = range.suggestion }, epochs = 10, batch_size = 32 })
  testing.ok(model:evaluate(set).loss < start / 10)
end

tests["a loss that is not finite ends the test"] = function()
  local set = data.regression { n = 40, features = 3, seed = 1 }
  local range = nn.lr_find(nn.Sequential { nn.Linear(8), nn.Linear(1) }, set, { optimizer = "sgd", start = 1e10,
    stop = 1e30, diverge = 1e300, steps = 50 })
  testing.ok(range.stopped and #range.lr >= 1)
  testing.contains(tostring(range), "then it grew")
end

tests["the result draws itself"] = function()
  local range = nn.lr_find(network(), moons, { steps = 10, start = 1e-3, stop = 1 })
  local dir = testing.folder()
  local result, message = range:plot { file = dir .. "/range", formats = { "svg" } }
  testing.ok(result or message)
end

tests["mistakes are named"] = function()
  testing.raises("did you mean 'steps'", function() nn.lr_find(network(), moons, { step = 3 }) end)
  testing.raises("must be greater than start", function() nn.lr_find(network(), moons, { start = 1, stop = 0.1 }) end)
  testing.raises("expected a data set", function() nn.lr_find(network(), 3) end)
end

return testing.run(tests)
