-- Models: predictions, evaluation, weights in and out, gradient checks.
local testing = require "testing"
local data = require "data"
local nn = require "nn"
local tensor = require "tensor"

local tests = {}

local blobs = data.blobs { n = 1203, features = 5, classes = 3, noise = 3, seed = 1 }

local function trained()
  local model = nn.Sequential { nn.Linear(16, "relu"), nn.Linear(3) }
  model:fit(blobs, { epochs = 2, optimizer = nn.Adam { lr = 0.01 } })
  return model
end

-- ---- predictions and evaluation ----

tests["a prediction does not depend on the rows around it"] = function()
  local model = trained()
  local all = model:predict(blobs)
  testing.equal(all:shape(), { 1203, 3 })
  for _, part in ipairs { { 1, 1 }, { 7, 13 }, { 400, 1100 }, { 1203, 1203 } } do
    testing.near(model:predict(blobs:rows(part[1], part[2])), all:rows(part[1], part[2]), 1e-5)
  end
end

tests["a model is called like a function"] = function()
  local model = trained()
  testing.equal(model(blobs.x):totable(), model:predict(blobs):totable())
end

tests["evaluation agrees with predictions, whatever the batch"] = function()
  local model = trained()
  local scores, right, loss = model:predict(blobs), 0, 0
  for i = 1, #blobs do
    local row, sum, best = {}, 0, 1
    for class = 1, 3 do
      row[class] = scores:get(i, class)
      sum = sum + math.exp(row[class])
      best = row[class] > row[best] and class or best
    end
    right = right + (best - 1 == blobs.y:get(i) and 1 or 0)
    loss = loss + math.log(sum) - row[blobs.y:get(i) + 1]
  end
  for _, size in ipairs { 1, 100, 500, 5000 } do
    local result = model:evaluate(blobs, { batch_size = size })
    testing.equal(result.accuracy, right / 1203)
    testing.near(result.loss, loss / 1203, 1e-5)
    testing.equal(result.rows, 1203)
  end
end

tests["evaluation gives the metrics it is asked for"] = function()
  local result = trained():evaluate(blobs, { metrics = { "accuracy", "f1", "recall" } })
  testing.ok(result.accuracy > 0.5 and result.f1 > 0.5 and result.recall > 0.5)
  local set = data.regression { n = 100, features = 2, noise = 0, seed = 2 }
  local line = nn.Sequential { nn.Linear(1, { weight_init = "zeros", bias_init = "zeros" }) }
  local numbers = line:build(set):evaluate(set, { metrics = { "mse", "mae", "rmse", "r2" } })
  testing.near(numbers.rmse ^ 2, numbers.mse, 1e-5)
  testing.near(numbers.loss, numbers.mse, 1e-6)
end

tests["several numbers per row are averaged"] = function()
  local set = data.set { x = { { 1, 2 }, { 3, 4 } }, y = tensor.new { { 0, 2 }, { 3, 0 } } }
  local model = nn.Sequential { function(x) return x * 1 end }
  local result = model:build(set):evaluate(set, { metrics = { "mse", "mae" } })
  testing.near(result.mse, (1 + 0 + 0 + 16) / 4)
  testing.near(result.mae, (1 + 0 + 0 + 4) / 4)
end

tests["a confusion matrix comes from predictions"] = function()
  local model = trained()
  local matrix = nn.metrics.confusion_matrix(model:predict(blobs), blobs.y)
  testing.near(matrix.accuracy, model:evaluate(blobs).accuracy, 1e-12)
end

tests["no rows to predict, or no parameters yet, is said"] = function()
  testing.raises("there are no rows", function() trained():predict(blobs:rows(1, 0)) end)
  testing.raises("has no parameters yet", function() nn.Sequential { nn.Linear(1) }:predict(blobs) end)
  testing.raises("the model has no parameters yet", function() nn.Sequential { nn.Linear(1) }:parameters() end)
  testing.raises("has no targets", function() trained():evaluate(data.set { x = blobs.x }) end)
  testing.raises("expected a data set or a tensor", function() trained():predict(3) end)
end

-- Bytes of the plan that evaluates `rows` rows, and of the outputs of the two largest layers.
local function memory(model, set, rows)
  local made = require("nn.step").make(model:build(set), { x = set.x, y = set.y, rows = rows, training = false })
  local sizes = {}
  for i, row in ipairs(model.summary) do
    sizes[i] = not row.calls and row.bytes or 0
  end
  table.sort(sizes)
  return made.step:info().bytes, (sizes[#sizes] + sizes[#sizes - 1]) * rows
end

tests["evaluation needs no more memory than its two largest layers"] = function()
  local SLACK = 8192 -- room behind each value, and one number a row for loss and accuracy
  local images = data.set { x = tensor.zeros { 500, 1, 28, 28 }, y = tensor.zeros({ 500 }, "int64") }
  local used, largest = memory(nn.Sequential {
    nn.Conv2d(6, 5, { padding = 2 }, "relu"), nn.MaxPool2d(2), nn.Conv2d(16, 5, "relu"), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(120, "relu"), nn.Linear(84, "relu"), nn.Linear(10),
  }, images, 500)
  testing.ok(used <= largest + SLACK, ("LeNet: %d bytes, layers %d"):format(used, largest))
  for _, activation in ipairs { "relu", "tanh", "gelu" } do
    local layers = {}
    for i = 1, 20 do
      layers[i] = nn.Linear(i % 3 == 0 and 130 or 90 + i, activation)
    end
    layers[21] = nn.Linear(3)
    used, largest = memory(nn.Sequential(layers), blobs, 500)
    testing.ok(used <= largest + SLACK, ("%s: %d bytes, layers %d"):format(activation, used, largest))
  end
end

-- ---- weights ----

tests["weights are copies, and can be set again"] = function()
  local model = trained()
  local weights, before = model:weights(), model:predict(blobs):totable()
  model:fit(blobs, { epochs = 1 })
  testing.differ(model:predict(blobs):totable(), before)
  model:set_weights(weights)
  testing.equal(model:predict(blobs):totable(), before)
end

tests["saved weights give the same predictions in another model"] = function()
  local model, path = trained(), testing.folder() .. "/weights.npz"
  testing.ok(model:save(path))
  local other = nn.Sequential { nn.Linear(16, "relu"), nn.Linear(3) }
  other:build(blobs, { seed = 99 })
  testing.ok(other:load(path))
  testing.equal(other:predict(blobs):totable(), model:predict(blobs):totable())
  local arrays, names = data.npz(path)
  testing.equal(#names, 4)
  testing.equal(arrays["linear_1.weight"]:shape(), { 16, 5 })
end

tests["weights can be tables of numbers"] = function()
  local model = nn.Sequential { nn.Linear(1) }:build { 1, 2 }
  model:set_weights { ["linear_1.weight"] = { { 2, 3 } }, ["linear_1.bias"] = { 1 } }
  testing.near(model:predict(tensor.new { { 1, 1 } }), { 6 })
end

tests["weights that do not fit are refused"] = function()
  local model = nn.Sequential { nn.Linear(1) }:build { 1, 2 }
  testing.raises("'linear_1.weight' is missing", function() model:set_weights {} end)
  testing.raises("'linear_1.weight' has shape (1, 3); the model's is (1, 2)", function()
    model:set_weights { ["linear_1.weight"] = { { 2, 3, 4 } }, ["linear_1.bias"] = { 1 } }
  end)
  testing.raises("did you mean 'linear_1.bias'?", function()
    model:set_weights { ["linear_1.weight"] = { { 2, 3 } }, ["linear_1.bias"] = { 1 }, ["linear_1.biass"] = { 1 } }
  end)
end

tests["a new last layer keeps its start when the others are loaded"] = function()
  local model, path = trained(), testing.folder() .. "/body.npz"
  testing.ok(model:save(path))
  local other = nn.Sequential { nn.Linear(16, "relu"), nn.Linear(2) }
  other:build(blobs, { seed = 99 })
  local start = other:weights()
  testing.contains(select(2, other:load(path)), "'linear_2.weight' has shape (3, 16); the model's is (2, 16)")
  testing.equal(other:weights()["linear_1.bias"]:totable(), start["linear_1.bias"]:totable())
  local loaded, kept = other:load(path, { strict = false })
  testing.equal(loaded, other)
  testing.equal(kept, { "linear_2.weight", "linear_2.bias" })
  testing.equal(other:weights()["linear_1.weight"]:totable(), model:weights()["linear_1.weight"]:totable())
  testing.equal(other:weights()["linear_2.weight"]:totable(), start["linear_2.weight"]:totable())
  testing.equal(select(2, other:set_weights({}, { strict = false })),
    { "linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias" })
end

tests["a file that cannot be read or written is nil and a message"] = function()
  local model = nn.Sequential { nn.Linear(1) }:build { 1, 2 }
  local ok, message = model:load "/nonexistent.npz"
  testing.equal(ok, nil)
  testing.contains(message, "/nonexistent.npz")
  ok, message = model:save "/nonexistent/x.npz"
  testing.equal(ok, nil)
  testing.contains(message, "/nonexistent/x.npz")
  local path = testing.folder() .. "/other.npz"
  nn.Sequential({ nn.Linear(2) }):build({ 1, 2 }):save(path)
  ok, message = model:load(path)
  testing.equal(ok, nil)
  testing.contains(message, path .. ": 'linear_1.weight' has shape (2, 2); the model's is (1, 2)")
end

-- ---- gradient checks ----

local function check(layers, like, given)
  local result = nn.gradcheck(nn.Sequential(layers), like, given)
  testing.ok(result.ok, tostring(result))
  return result
end

tests["gradients of every activation and of dropout are right"] = function()
  local given = { Dropout = { 0.5 }, Threshold = { 0.3, -0.1 } }
  for _, row in ipairs(require("core.layer").rows()) do
    local made = (row.activation or row.name == "Dropout") and nn[row.name](table.unpack(given[row.name] or {}))
    if made then
      check({ nn.Linear(4), made, nn.Linear(2) }, { 5, 3 })
      check({ nn.Linear(4), made, nn.Linear(2) }, { 5, 3 }, { training = true })
      check({ made }, { 4, 6 }) -- nothing to learn: the input alone
    end
  end
end

tests["gradients of real losses and shapes are right"] = function()
  check({ nn.Linear(6, "tanh"), nn.Linear(3) }, blobs:rows(1, 8))
  check({ nn.Flatten(), nn.Linear(4, "gelu"), nn.Linear(1) }, { 3, 2, 2 })
  check({ nn.Linear(4, "elu") }, { 2, 3, 5 })
end

-- kl_error has no gradient for its target: a formula that is wrong on purpose.
local Wrong = nn.layer("Wrong", { forward = function(_, x)
  return nn.op.kl_error(x * 0, nn.op.softplus(x))
end })

tests["a wrong gradient is found, with the place of the worst"] = function()
  local result = nn.gradcheck(nn.Sequential { nn.Linear(3), Wrong() }, { 4, 2 })
  testing.equal(result.ok, false)
  testing.ok(result.error > 1e-3)
  testing.ok(result.param == "x" or result.param:find "^linear_1%.", result.param)
  testing.contains(tostring(result), "FAILED")
  testing.differ(result.analytic, result.numeric)
end

tests["a gradient check leaves a trained model as it was"] = function()
  local model = trained()
  local before = model:predict(blobs):totable()
  testing.ok(nn.gradcheck(model, blobs:rows(1, 5), { per_param = 7 }).ok)
  testing.equal(model:predict(blobs):totable(), before)
  testing.equal(model:parameters()[1].tensor:dtype(), "float32")
end

tests["a gradient check asks for what it needs"] = function()
  testing.raises("expected a model, a layer or a loss", function() nn.gradcheck(3, { 1, 2 }) end)
  testing.raises("expected a data set, a tensor or a shape", function() nn.gradcheck(nn.ReLU(), 3) end)
  testing.raises("did you mean 'tolerance'?", function() nn.gradcheck(nn.ReLU(), { 1, 2 }, { tolerence = 1 }) end)
end

return testing.run(tests)
