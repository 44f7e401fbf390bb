-- Gradient checks of losses and of any inputs, and by themselves when a sweep meets a custom layer.
local testing = require "testing"
local data = require "data"
local nn = require "nn"
local search = require "search"
local tensor = require "tensor"

local tests = {}

local blobs = data.blobs { n = 60, features = 5, classes = 3, noise = 1, seed = 1 }

tests["gradients of losses are right"] = function()
  for name, shapes in pairs {
    cross_entropy = { { 4, 3 }, { 4, below = 3 } }, mse = { { 4, 2 }, { 4, 2 } }, huber = { { 5, 1 }, { 5, 1 } },
    mae = { { 3, 7 }, { 3, 7 } },
  } do
    local check = nn.gradcheck(nn.loss[name](), shapes)
    testing.ok(check.ok, name .. ": " .. tostring(check))
    testing.equal(check.param, "prediction")
  end
  testing.ok(nn.gradcheck(nn.loss.cross_entropy(), { { 2, 5, 3 }, { 2, 5, below = 3 } }).ok) -- sequences
  testing.ok(nn.gradcheck(function(p, t) return nn.op.mean(nn.op.exp(p - t)) end, { { 3, 2 }, { 3, 2 } }).ok)
  local wrong = nn.gradcheck(function(p, t)
    return nn.op.mean(nn.op.kl_error(t * 0, nn.op.softplus(p)))
  end, { { 3, 2 }, { 3, 2 } })
  testing.equal(wrong.ok, false)
  testing.raises("a loss needs two shapes", function() nn.gradcheck(nn.loss.mse(), { 3, 2 }) end)
end

tests["whole numbers are drawn from a range"] = function()
  local Look = nn.layer("Look", { forward = function(self, x)
    return nn.op.take(self:param("table", { 7, 2 }), x)
  end })
  local check = nn.gradcheck(Look(), { 30, below = 7 })
  testing.ok(check.ok, tostring(check))
  testing.equal(check.param, "look_1.table")
  testing.ok(nn.gradcheck(Look(), tensor.new({ 0, 6, 3 }, "int64")).ok)
  local Fixed = nn.layer("Fixed", { forward = function(_, x)
    return nn.op.take(tensor.ones({ 7, 2 }, "float64"), x)
  end })
  testing.raises("nothing to differentiate by", function() nn.gradcheck(Fixed(), { 3, below = 7 }) end)
end

tests["a check may be one of training"] = function()
  local model = nn.Sequential { nn.Linear(4, "tanh"), nn.Dropout(0.5), nn.Linear(2) }
  local check = nn.gradcheck(model, { 6, 3 }, { training = true })
  testing.ok(check.ok, tostring(check))
end

-- kl_error has no gradient for its target: a formula that is wrong on purpose.
local Wrong = nn.layer("Wrong", { forward = function(_, x)
  return x + nn.op.kl_error(x * 0, nn.op.softplus(x))
end })
local Right = nn.layer("Right", { forward = function(_, x)
  return x * x
end })

local function sweep(gradcheck, layer, given)
  return search.sweep {
    name = "checked", objective = "max accuracy", space = { lr = { 0.01 } }, store = ":memory:", quiet = true,
    table = false, arguments = {}, workers = 1, gradcheck = gradcheck,
    run = function(trial)
      local all = { trial = trial, epochs = 1 }
      for key, value in pairs(given or {}) do
        all[key] = value
      end
      return nn.Sequential({ nn.Linear(4), layer(), nn.Linear(3) }):fit(blobs, all)
    end,
  }.trials[1]
end

tests["a sweep checks custom layers and losses where they are first used"] = function()
  local trial = sweep(true, Wrong)
  testing.equal(trial.state, "failed")
  testing.matches(trial.message, "the gradient of Wrong does not agree with differences: .* in linear_1%.%l+%[%d+%]")
  testing.equal(sweep(true, Right).state, "finished")
  testing.equal(sweep("auto", Wrong).state, "finished") -- prints a warning
  testing.equal(sweep(false, Wrong).state, "finished")
  local loss = { loss = function(p, y)
    return nn.loss.cross_entropy()(nn.op.kl_error(p * 0, nn.op.softplus(p)), y)
  end }
  testing.matches(sweep(true, Right, loss).message, "the gradient of Right, loss does not agree")
  testing.raises('must be true, false or "auto"', function() sweep("maybe", Right) end)
end

tests["constants of a layer follow the type of its values"] = function()
  local Scaled = nn.layer("Scaled", { forward = function(_, x) return x * tensor.new { 0.5, 2, 3 } end })
  local result = nn.gradcheck(Scaled(), { 2, 3 })
  testing.ok(result.ok, tostring(result))
end

return testing.run(tests)
