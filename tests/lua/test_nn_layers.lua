-- Layers: shapes, parameters, sharing, layers written in Lua, and what is said about mistakes.
local testing = require "testing"
local data = require "data"
local nn = require "nn"
local tensor = require "tensor"

local tests = {}

local function shapes(model)
  local found = {}
  for _, param in ipairs(model:parameters()) do
    found[param.name] = table.concat(param.tensor:shape(), "x")
  end
  return found
end

tests["input sizes are inferred, and parameters are named after layers"] = function()
  local model = nn.Sequential { nn.Flatten(), nn.Linear(5, "relu"), nn.Dropout(0.2), nn.Linear(2) }
  model:build { 1, 3, 4 }
  testing.equal(shapes(model), {
    ["linear_1.weight"] = "5x12", ["linear_1.bias"] = "5", ["linear_2.weight"] = "2x5", ["linear_2.bias"] = "2",
  })
  testing.equal(model:predict(tensor.zeros { 7, 3, 4 }):shape(), { 7, 2 })
end

tests["a layer may have a name, and no bias"] = function()
  local model = nn.Sequential { nn.Linear { out = 3, bias = false, name = "first" }, nn.Linear(1, { name = "last" }) }
  testing.equal(shapes(model:build { 1, 2 }),
    { ["first.weight"] = "3x2", ["last.weight"] = "1x3", ["last.bias"] = "1" })
  testing.raises("two layers of the model are called 'a'", function()
    nn.Sequential { nn.Linear(2, { name = "a" }), nn.Linear(2, { name = "a" }) }:build { 1, 2 }
  end)
end

tests["Linear computes x W^T + b"] = function()
  local model = nn.Sequential { nn.Linear(2, { weight_init = { { 1, 2, 3 }, { 4, 5, 6 } }, bias_init = { 10, 20 } }) }
  model:build { 1, 3 }
  testing.near(model:predict(tensor.new { { 1, 0, -1 }, { 1, 1, 1 } }), { 8, 18, 16, 35 })
end

tests["Linear works on the last axis of sequences"] = function()
  local model = nn.Sequential { nn.Linear(2, { weight_init = { { 1, 1 }, { 1, -1 } }, bias_init = "zeros" }) }
  model:build { 1, 3, 2 }
  local y = model:predict(tensor.new { { { 1, 2 }, { 3, 4 }, { 5, 6 } } })
  testing.equal(y:shape(), { 1, 3, 2 })
  testing.near(y, { 3, -1, 7, -1, 11, -1 })
end

tests["a layer called twice shares its weights"] = function()
  local shared = nn.Linear(3, "tanh")
  local model = nn.Sequential { nn.Linear(3), shared, shared, nn.Linear(1) }
  model:build { 1, 2 }
  testing.equal(#model:parameters(), 6)
  local set = data.regression { n = 20, features = 2, seed = 1, dtype = "float64" }
  testing.ok(nn.gradcheck(model, set).ok)
end

tests["activations are the same as names, layers and functions"] = function()
  local x = tensor.new { { -1.5, 0.25, 2 } }
  local function apply(...)
    local model = nn.Sequential { ... }
    return model:build({ 1, 3 }):predict(x)
  end
  local plain = { weight_init = "identity", bias_init = "zeros" }
  for layer, name in pairs {
    ReLU = "relu", Sigmoid = "sigmoid", Tanh = "tanh", ELU = "elu", SELU = "selu", GELU = "gelu", SiLU = "silu",
    Softplus = "softplus", LeakyReLU = "leaky_relu", Softmax = "softmax", LogSoftmax = "log_softmax",
  } do
    local want = nn.op[name](x)
    testing.near(apply(nn[layer]()), want, 1e-6, layer)
    testing.near(apply(nn.Linear(3, name, plain)), want, 1e-6, layer)
    testing.near(apply(nn.Linear(3, nn.op[name], plain)), want, 1e-6, layer)
    testing.near(apply(nn.op[name], nn.Linear(3, plain)), want, 1e-6, layer)
  end
  testing.near(apply(nn.LeakyReLU { slope = 0.5 }), { -0.75, 0.25, 2 })
end

tests["initialisers fill weights, given values included"] = function()
  local model = nn.Sequential {
    nn.Linear(400, { weight_init = nn.init.normal { std = 0.5 }, bias_init = nn.init.constant(0.25) }),
    nn.Linear(2, { weight_init = "zeros", bias_init = { 1, 2 } }),
  }
  local weights = model:build({ 1, 100 }):weights()
  local first = weights["linear_1.weight"]
  testing.near(first:mean():item(), 0, 0.02)
  testing.near((first * first):mean():item() ^ 0.5, 0.5, 0.02)
  testing.near(weights["linear_1.bias"]:get(7), 0.25)
  testing.near(weights["linear_2.bias"], { 1, 2 })
  testing.equal(weights["linear_2.weight"]:norm():item(), 0)
end

tests["starting values depend on the seed alone"] = function()
  local function bits(seed, dtype)
    local model = nn.Sequential { nn.Linear(5, "relu"), nn.Linear(3) }
    return model:build({ 1, 4 }, { seed = seed, dtype = dtype }):weights()["linear_2.weight"]:totable()
  end
  testing.equal(bits(3), bits(3))
  testing.differ(bits(3), bits(4))
  testing.near(bits(3, "float64"), bits(3), 1e-6)
end

local Residual = nn.layer("Residual", {
  init = function(self, size)
    self.inner = nn.Linear(size, "relu")
    self.outer = nn.Linear(size)
  end,
  forward = function(self, x)
    return nn.op.relu(x + self.outer(self.inner(x)))
  end,
})

tests["a residual block is written in Lua, and its gradient is right"] = function()
  local model = nn.Sequential { nn.Linear(6), Residual(6), Residual(6), nn.Linear(1) }
  local check = nn.gradcheck(model, data.regression { n = 9, features = 3, seed = 2 })
  testing.ok(check.ok, tostring(check))
  local history = model:fit(data.regression { n = 200, features = 3, seed = 2 },
    { optimizer = nn.Adam { lr = 0.01 }, epochs = 30 })
  testing.ok(history.epochs[30].loss < 0.1 * history.epochs[1].loss, tostring(history))
  testing.equal(#model:parameters(), 2 * 2 + 2 * 4)
end

tests["Residual adds what its layers make to their input"] = function()
  local weights = { weight_init = "identity", bias_init = "zeros" }
  local x = tensor.new { { -1, 2 } }
  local function apply(layer, width)
    return nn.Sequential({ layer }):build({ 1, width or 2 }):predict(x)
  end
  testing.near(apply(nn.Residual { nn.Linear(2, weights), nn.op.square }), { 0, 6 })
  testing.near(apply(nn.Residual { nn.Linear(2, weights), activation = "relu" }), { 0, 4 })
  testing.near(apply(nn.Residual { nn.Linear(3, weights), shortcut = nn.Linear(3, weights) }), { -2, 4, 0 })
  local model = nn.Sequential { nn.Linear(4), nn.Residual { nn.Linear(5, "tanh"), nn.Linear(4) } }
  testing.ok(nn.gradcheck(model, { 3, 7 }).ok)
  testing.matches(tostring(model:build { 1, 7 }), "residual_1 +%(N, 4%)\n  linear_2 +%(N, 5%) +25")
  testing.raises("nn.Residual: the layers make (N, 3) of (N, 2)", function() apply(nn.Residual { nn.Linear(3) }) end)
  testing.raises("entry 1 is 3, not a layer", function() nn.Residual { 3 } end)
  testing.raises("expected a list of layers", function() nn.Residual(nn.Linear(3)) end)
end

tests["Parallel joins what its branches make"] = function()
  local weights = { weight_init = "identity", bias_init = "zeros" }
  local function parallel(join)
    return nn.Parallel { nn.Linear(2, weights), nn.op.square, join = join }
  end
  local x = tensor.new { { -1, 2 } }
  testing.near(parallel():build({ 1, 2 }):predict(x), { -1, 2, 1, 4 })
  testing.near(parallel("add"):build({ 1, 2 }):predict(x), { 0, 6 })
  local first, second = parallel("none"):build({ 1, 2 }):predict(x)
  testing.near(first, { -1, 2 })
  testing.near(second, { 1, 4 })
  testing.ok(nn.gradcheck(nn.Parallel { nn.Linear(2), nn.Linear(3, "tanh") }, { { 4, 3 }, { 4, 5 } }).ok)
  testing.raises("join is \"stack\"", function() parallel "stack" end)
end

tests["a layer may share another one's weight"] = function()
  local inner = nn.Linear(3, { bias = false, name = "inner" })
  local Tied = nn.layer("Tied", { forward = function(_, x)
    return nn.op.matmul(nn.op.tanh(inner(x)), inner:weight())
  end })
  local model = Tied()
  testing.equal(shapes(model:build { 1, 5 }), { ["inner.weight"] = "3x5" })
  testing.ok(nn.gradcheck(model, { 4, 5 }).ok)
  local square = nn.Linear(4, { name = "first" })
  model = nn.Sequential { square, nn.ReLU(), nn.Linear(4, { weight = square, name = "second" }) }
  testing.equal(shapes(model:build { 1, 4 }), { ["first.weight"] = "4x4", ["first.bias"] = "4", ["second.bias"] = "4" })
  testing.ok(nn.gradcheck(model, { 3, 4 }).ok)
  testing.raises("weight is shared with Linear, whose shape is (4, 4); (2, 4) is needed", function()
    nn.Sequential({ square, nn.Linear(2, { weight = square }) }):build { 1, 4 }
  end)
  testing.raises("call the layer first", function()
    nn.Sequential({ nn.Linear(4, { weight = square }), square }):build { 1, 4 }
  end)
  testing.raises("it has no such parameter", function()
    nn.Sequential({ square, nn.Linear(4, { wieght = square }) }):build { 1, 4 }
  end)
end

local Scale = nn.layer("Scale", {
  init = function(self, start) self.start = start end,
  forward = function(self, x)
    local gain = self:param("gain", { x:shape()[2] }, nn.init.constant(self.start), { decay = false })
    return x * gain
  end,
})

tests["a custom layer owns parameters"] = function()
  local model = nn.Sequential { Scale(2), nn.Linear(1) }
  model:build { 1, 3 }
  local first = model:parameters()[1]
  testing.equal(first.name, "scale_1.gain")
  testing.equal(first.decay, false)
  testing.near(first.tensor, { 2, 2, 2 })
  testing.near(nn.Sequential({ Scale(3) }):build({ 1, 2 }):predict(tensor.new { { 1, 2 } }), { 3, 6 })
  testing.ok(nn.gradcheck(model, { 4, 3 }).ok)
  testing.contains(tostring(model), "scale_1")
end

tests["a model is a layer"] = function()
  local inner = nn.Sequential { nn.Linear(4, "tanh"), nn.Linear(4) }
  local model = nn.Sequential { inner, nn.ReLU(), nn.Linear(2) }
  testing.equal(#model:build({ 1, 3 }):parameters(), 6)
  testing.equal(model:predict(tensor.zeros { 5, 3 }):shape(), { 5, 2 })
end

tests["Sequential takes functions of values between its layers"] = function()
  local model = nn.Sequential { function(x) return x * 2 + 1 end, nn.op.square }
  testing.near(model:build({ 1, 2 }):predict(tensor.new { { 1, -1 } }), { 9, 1 })
end

tests["dropout acts in training only, and keeps the mean"] = function()
  local model = nn.Sequential { nn.Dropout(0.4) }
  local x = tensor.ones { 10, 50 }
  testing.equal(model:build(x):predict(x):totable(), x:totable())
  -- A weight of zero that cannot move shows the training loss: mean of squares, 1 / (1 - p).
  local frozen = nn.Sequential { nn.Dropout(0.5), nn.Linear(1, { weight_init = "zeros", bias_init = "zeros" }) }
  local set = data.set { x = tensor.ones { 400, 30 }, y = tensor.ones { 400, 1 } }
  local history = frozen:fit(set, { optimizer = nn.SGD { lr = 0.01 }, epochs = 20, batch_size = 50 })
  testing.ok(frozen:evaluate(set).loss < history.epochs[20].loss) -- noise of dropout is in the latter
end

tests["a built model shows its layers and parameters"] = function()
  local model = nn.Sequential { nn.Flatten(), nn.Linear(128, "relu"), nn.Linear(10) }
  testing.contains(tostring(model), "not built yet")
  model:build { 1, 28, 28 }
  testing.contains(tostring(model), "101,770 parameters, float32")
  testing.matches(tostring(model), "linear_1%s+%(N, 128%)%s+100,480")
end

tests["Linear keeps all axes but the last"] = function()
  local model, x = nn.Sequential { nn.Linear(3) }, tensor.randn { 2, 5, 4, 7 }
  local y = model:build(x):predict(x)
  testing.equal(y:shape(), { 2, 5, 4, 3 })
  testing.near(y:view { 40, 3 }, model:predict(x:view { 40, 7 }), 1e-6)
end

tests["a layer takes a tensor in a forward as a constant"] = function()
  local Positions = nn.layer("Positions", {
    init = function(self)
      self.table = nn.Embedding(4, 3)
    end,
    forward = function(self, x)
      return x + self.table(tensor.arange(0, 3, 1, "int64"))
    end,
  })
  local model = Positions():build { 1, 4, 3 }
  local table_ = model:weights()["embedding_1.weight"]
  testing.near(model:predict(tensor.zeros { 2, 4, 3 })[2], table_)
  local result = nn.gradcheck(Positions(), { 2, 4, 3 })
  testing.ok(result.ok, tostring(result))
end

tests["values of a model are indexed and reshaped as tensors are"] = function()
  local x = tensor.randn { 4, 3, 5 }
  local picks = { ":, 2", ":, -1, 2:4", ":, ::-1", { {}, { 1, 3, 2 } }, { {}, {}, tensor.new({ 4, 0, 4 }, "int64") } }
  for _, key in ipairs(picks) do
    local Pick = nn.layer("Pick", { forward = function(_, value) return value[key] * 1 end })
    local want = x[key]
    testing.near(Pick():build(x):predict(x), want)
    local result = nn.gradcheck(Pick(), { 4, 3, 5 })
    testing.ok(result.ok, tostring(result))
  end
  local Shapes = nn.layer("Shapes", {
    forward = function(_, value)
      testing.equal(value:size(), 15 * value:shape()[1])
      local left, right = table.unpack(value:split({ 2, 3 }, 3))
      return tensor.stack({ left:unsqueeze(2):squeeze(2), right[":, :, 2:3"] }, 2):view { -1, 12 }
    end,
  })
  local want = tensor.stack({ x[":, :, 1:2"], x[":, :, 4:5"] }, 2):view { 4, 12 }
  testing.near(Shapes():build(x):predict(x), want)
  testing.raises("cannot be written to; make another", function()
    nn.layer("Write", { forward = function(_, value) value[1] = 0 end })():build(x)
  end)
end

tests["mistakes name layer and line"] = function()
  local line = debug.getinfo(1, "l").currentline + 1
  local model = nn.Sequential { nn.Linear(4), nn.Linear(2) }
  model:build { 1, 3 }
  local message = testing.raises("linear_1.weight has shape (4, 3), but (4, 5) is needed", function()
    model:predict(tensor.zeros { 2, 5 })
  end)
  testing.contains(message, ("(layer linear_1, tests/lua/test_nn_layers.lua:%d)"):format(line))
  testing.raises("labels are (2,) (is a Flatten layer missing?)", function()
    nn.Sequential { nn.Linear(3) }:fit(data.set { x = tensor.zeros { 2, 1, 4, 4 }, y = tensor.new({ 0, 2 }, "int64") },
      { epochs = 1 })
  end)
  testing.raises("must be at least 1, not 0", function() nn.Sequential { nn.Linear(0) }:build { 1, 2 } end)
  testing.raises("Dropout: p must be", function()
    nn.Sequential { nn.Dropout(1), nn.Linear(1) }:fit(data.moons(), { epochs = 1 })
  end)
end

tests["unknown options and names get a suggestion"] = function()
  testing.raises("did you mean 'bias'?", function() nn.Linear { out = 3, bais = false } end)
  testing.raises("'out' must be given", function() nn.Linear() end)
  testing.raises("did you mean 'relu'?", function() nn.Linear(3, "rely") end)
  testing.raises("did you mean 'weight_init'?", function()
    nn.Sequential { nn.Linear(3, { wieght_init = "zeros" }) }:build { 1, 2 }
  end)
  testing.raises("did you mean 'he_normal'?", function()
    nn.Sequential { nn.Linear(3, { weight_init = "he_norml" }) }:build { 1, 2 }
  end)
  testing.raises("have shape (1, 3); the parameter has (2, 2)", function()
    nn.Sequential { nn.Linear(2, { weight_init = { { 1, 2, 3 } } }) }:build { 1, 2 }
  end)
  testing.raises("entry 2 is 3, not a layer", function() nn.Sequential { nn.Linear(2), 3 } end)
  testing.raises("a name and a table with a function `forward`", function() nn.layer("X", {}) end)
end

tests["init does not take the names that layers need"] = function()
  for _, field in ipairs { "kind", "param", "place" } do
    local Odd = nn.layer("Odd", { init = function(self) self[field] = nn.Linear(3) end, forward = function() end })
    testing.raises(("Odd: init sets self.%s, which every layer has"):format(field), Odd)
  end
end

tests["a layer that returns no value, or is used outside a model, says so"] = function()
  local Silent = nn.layer("Silent", { forward = function() end })
  testing.raises("silent_1: forward must return a value of the graph", function()
    nn.Sequential { Silent() }:build { 1, 2 }
  end)
  testing.raises("has no parameters yet", function() nn.Linear(2)(tensor.zeros { 1, 2 }) end)
end

tests["an error in forward leaves no trace behind"] = function()
  local Broken = nn.layer("Broken", { forward = function() error("on purpose") end })
  testing.raises("on purpose", function() nn.Sequential { Broken() }:build { 1, 2 } end)
  testing.equal(require("nn.trace").active(), false)
  testing.equal(nn.Sequential({ nn.ReLU() }):build({ 1, 2 }):predict(tensor.new { { -1, 1 } }):totable(), { { 0, 1 } })
end

return testing.run(tests)
