-- Every layer of nn goes through the same checks: gradients against differences in evaluation and in training,
-- rows that do not touch each other in evaluation, weights that are saved and found again, the same numbers in
-- float32 and float64. A layer without a line here fails by name.
local testing = require "testing"
local nn = require "nn"
local optim = require "nn.optim"
local tensor = require "tensor"

local tests = {}

-- name -> { a function that makes it, the shape of its input }, or several of them. Shapes are odd on purpose:
-- sizes of 1, primes, nothing that is a multiple of 8.
local VECTORS, SIGNALS, IMAGES = { 5, 7 }, { 3, 4, 7 }, { 2, 4, 5, 7 }
local function all(...)
  local made = {}
  for i = 1, select("#", ...), 2 do
    local make, shape = select(i, ...)
    made[#made + 1] = { make, shape }
  end
  return made
end
local function of(name, ...)
  local arguments = table.pack(...)
  return function()
    return nn[name](table.unpack(arguments, 1, arguments.n))
  end
end

local SAMPLES = {
  Linear = all(of("Linear", 3), VECTORS, of("Linear", 1, "tanh"), { 1, 1 }, of("Linear", 2, { bias = false }), SIGNALS),
  Flatten = all(of("Flatten"), IMAGES, of("Flatten"), { 1, 1 }),
  Dropout = all(of("Dropout", 0.3), VECTORS),
  Threshold = all(of("Threshold", 0.1, 0.5), VECTORS), GLU = all(of("GLU"), { 5, 6 }),
  PReLU = all(of("PReLU"), IMAGES), Upsample = all(of("Upsample", { scale_factor = 2 }), IMAGES),
  ZeroPad1d = all(of("ZeroPad1d", 1), SIGNALS), ZeroPad2d = all(of("ZeroPad2d", 1), IMAGES),
  Conv1d = all(of("Conv1d", 3, 3), SIGNALS, of("Conv1d", 2, 1, { bias = false }), { 1, 1, 1 }),
  Conv2d = all(of("Conv2d", 3, 3, { padding = 1, stride = 2 }), IMAGES, of("Conv2d", 4, 2, { groups = 2 }), IMAGES,
    of("Conv2d", 1, 1), { 1, 1, 1, 1 }),
  ConvTranspose1d = all(of("ConvTranspose1d", 3, 3, { stride = 2 }), SIGNALS),
  ConvTranspose2d = all(of("ConvTranspose2d", 3, 3, { stride = 2, padding = 1 }), IMAGES),
  MaxPool1d = all(of("MaxPool1d", 2), SIGNALS),
  MaxPool2d = all(of("MaxPool2d", 3, { stride = 2, padding = 1 }), IMAGES),
  AvgPool1d = all(of("AvgPool1d", 3), SIGNALS), AvgPool2d = all(of("AvgPool2d", 2), IMAGES),
  AdaptiveMaxPool1d = all(of("AdaptiveMaxPool1d", 3), SIGNALS),
  AdaptiveMaxPool2d = all(of("AdaptiveMaxPool2d", 2), IMAGES),
  AdaptiveAvgPool1d = all(of("AdaptiveAvgPool1d", 3), SIGNALS),
  AdaptiveAvgPool2d = all(of("AdaptiveAvgPool2d", 1), IMAGES),
  BatchNorm1d = all(of("BatchNorm1d"), VECTORS, of("BatchNorm1d"), SIGNALS),
  BatchNorm2d = all(of("BatchNorm2d"), IMAGES),
  LayerNorm = all(of("LayerNorm"), VECTORS, of("LayerNorm"), SIGNALS),
  RMSNorm = all(of("RMSNorm"), VECTORS), GroupNorm = all(of("GroupNorm", 2), IMAGES),
  InstanceNorm1d = all(of("InstanceNorm1d"), SIGNALS), InstanceNorm2d = all(of("InstanceNorm2d"), IMAGES),
  LocalResponseNorm = all(of("LocalResponseNorm", 3), IMAGES),
  Embedding = all(of("Embedding", 7, 3), { 3, 5, below = 7 }),
  RNN = all(of("RNN", 3), SIGNALS), LSTM = all(of("LSTM", 3, { bidirectional = true }), SIGNALS),
  GRU = all(of("GRU", 3, { num_layers = 2, last = true }), SIGNALS),
  RNNCell = all(of("RNNCell", 3), VECTORS), LSTMCell = all(of("LSTMCell", 3), VECTORS),
  GRUCell = all(of("GRUCell", 3), VECTORS),
  MultiheadAttention = all(of("MultiheadAttention", 2), { 2, 3, 6 }),
  TransformerEncoderLayer = all(of("TransformerEncoderLayer", 2, { dim_feedforward = 5 }), { 2, 3, 6 }),
  TransformerEncoder = all(of("TransformerEncoder", 2, 3, { dim_feedforward = 5 }), { 2, 3, 6 }),
  Dropout1d = all(of("Dropout1d", 0.3), SIGNALS), Dropout2d = all(of("Dropout2d", 0.3), IMAGES),
  AlphaDropout = all(of("AlphaDropout", 0.3), VECTORS), GaussianNoise = all(of("GaussianNoise", 0.2), VECTORS),
  StochasticDepth = all(of("StochasticDepth", 0.3), VECTORS),
  PositionalEncoding = all(of("PositionalEncoding"), SIGNALS),
  PositionalEmbedding = all(of("PositionalEmbedding", 9), SIGNALS),
  Sequential = all(function() return nn.Sequential { nn.Linear(3), nn.Tanh() } end, VECTORS),
  Residual = all(function() return nn.Residual { nn.Linear(7, "tanh") } end, VECTORS),
  Parallel = all(function() return nn.Parallel { nn.Linear(3), nn.Tanh() } end, VECTORS),
}
-- Checked with several inputs in their own tests.
local ELSEWHERE = { TransformerDecoderLayer = true }

for _, row in ipairs(require("core.layer").rows()) do
  if row.activation and not SAMPLES[row.name] then
    SAMPLES[row.name] = all(of(row.name), VECTORS, of(row.name), IMAGES)
  end
end

-- Every layer's name, sorted.
local function names()
  local list = {}
  for name, value in pairs(nn) do
    if name:find "^%u" and not optim.constructors[name] and type(value) == "function" and not ELSEWHERE[name] then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

local function each(check)
  for _, name in ipairs(names()) do
    for i, sample in ipairs(SAMPLES[name] or {}) do
      check(("%s, sample %d"):format(name, i), sample[1], sample[2])
    end
  end
end

-- Numbers to feed: normal ones, or whole ones below a limit.
local function input(shape, dtype)
  local count, values = 1, {}
  for _, size in ipairs(shape) do
    count = count * size
  end
  for i = 1, count do
    values[i] = shape.below and (i * i) % shape.below or math.sin(i * 1.7) + math.cos(i * i * 0.3)
  end
  local sizes = table.move(shape, 1, #shape, 1, {})
  return tensor.new(values, shape.below and "int64" or dtype or "float32"):view(sizes)
end

tests["every layer has a sample"] = function()
  for _, name in ipairs(names()) do
    testing.ok(SAMPLES[name], ("nn.%s has no line in tests/lua/test_layers_all.lua"):format(name))
  end
  for name in pairs(SAMPLES) do
    testing.ok(nn[name], ("there is no nn.%s"):format(name))
  end
end

tests["gradients agree with differences, in evaluation and in training"] = function()
  each(function(what, make, shape)
    for _, training in ipairs { false, true } do
      if not (training and shape[1] == 1) then -- statistics of one row are refused
        local check = nn.gradcheck(make(), shape, { training = training })
        testing.ok(check.ok, ("%s, training %s: %s"):format(what, training, tostring(check)))
      end
    end
  end)
end

tests["in evaluation a row's output does not depend on other rows"] = function()
  each(function(what, make, shape)
    local x = input(shape)
    local model = make():build(x)
    local whole = model:predict(x)
    for row = 1, shape[1] do
      testing.near(model:predict(x:rows(row, row)), whole:rows(row, row), 1e-5, what)
    end
  end)
end

tests["float32 and float64 agree"] = function()
  each(function(what, make, shape)
    local single, double = make():build(input(shape)), make():build(input(shape, "float64"), { dtype = "float64" })
    testing.near(single:predict(input(shape)), double:predict(input(shape, "float64")), 2e-5, what)
  end)
end

tests["weights and buffers are saved and found again"] = function()
  local path = testing.folder() .. "/layer.npz"
  each(function(what, make, shape)
    local x = input(shape)
    local model, other = make():build(x, { seed = 1 }), make():build(x, { seed = 2 })
    if #model:parameters() > 0 then
      testing.ok(model:save(path), what)
      testing.ok(other:load(path))
    end
    testing.equal(other:predict(x):totable(), model:predict(x):totable(), what)
  end)
end

tests["every layer prints a line, and names its kind"] = function()
  each(function(what, make, shape)
    local text = tostring(nn.Sequential({ make() }):build(input(shape)))
    testing.contains(text, "parameters, float32", what)
    testing.contains(text:lower(), what:match("^%w+"):lower(), what)
  end)
end

return testing.run(tests)
