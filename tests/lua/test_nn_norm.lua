-- Layers that convolve, normalise, pool, resize and drop: PyTorch's numbers in training and evaluation, running
-- statistics, masks, extreme inputs, mistakes.
local testing = require "testing"
local data = require "data"
local nn = require "nn"
local op = require "core.op"
local tensor = require "tensor"

local tests = {}

local golden = data.npz "tests/golden/layers.npz"

local function named(options)
  options.name = "layer"
  return options
end

-- The layers of tests/golden/make_layers.py.
local LAYERS = {
  batch_rows = { nn.BatchNorm1d(named {}) },
  batch_lines = { nn.BatchNorm1d(named {}) },
  batch = { nn.BatchNorm2d(named {}) },
  batch_options = { nn.BatchNorm2d(named { eps = 1e-2, momentum = 0.3 }) },
  batch_plain = { nn.BatchNorm2d(named { affine = false }) },
  batch_untracked = { nn.BatchNorm2d(named { track_running_stats = false }) },
  batch_cumulative = { nn.BatchNorm2d(named { cumulative = true }) },
  batch_offset = { nn.BatchNorm1d(named {}) },
  batch_one_row = { nn.BatchNorm2d(named {}) },
  layer = { nn.LayerNorm(named {}) },
  layer_two = { nn.LayerNorm(named { dims = 2, eps = 1e-3 }) },
  layer_plain = { nn.LayerNorm(named { elementwise_affine = false }) },
  group = { nn.GroupNorm(2, named {}) },
  group_plain = { nn.GroupNorm(named { num_groups = 3, affine = false }) },
  instance_lines = { nn.InstanceNorm1d(named { affine = true }) },
  instance = { nn.InstanceNorm2d() },
  instance_tracked = { nn.InstanceNorm2d(named { eps = 1e-3, momentum = 0.3, affine = true,
    track_running_stats = true }) },
  instance_tracked_lines = { nn.InstanceNorm1d(named { track_running_stats = true }) },
  ["local"] = { nn.LocalResponseNorm { size = 3, alpha = 0.5, beta = 0.6, k = 2 } },
  prelu = { nn.PReLU(named {}) },
  prelu_channels = { nn.PReLU(3, named {}) },
  glu = { nn.GLU { axis = 2 } },
  max = { nn.ReLU(), nn.MaxPool2d(2) },
  max_overlap = { nn.Tanh(), nn.MaxPool2d(3, 2, 1) },
  max_lines = { nn.MaxPool1d { kernel_size = 3, stride = 2, padding = 1, ceil_mode = true } },
  avg = { nn.AvgPool2d { kernel_size = { 3, 3 }, stride = 2, padding = 1, count_include_pad = false } },
  avg_lines = { nn.AvgPool1d(2) },
  adaptive_avg = { nn.AdaptiveAvgPool2d { 2, 3 } },
  adaptive_avg_uneven = { nn.AdaptiveAvgPool2d { 4, 3 } },
  adaptive_avg_one = { nn.AdaptiveAvgPool2d(1) },
  adaptive_avg_lines = { nn.AdaptiveAvgPool1d(3) },
  adaptive_max = { nn.AdaptiveMaxPool2d { 2, 3 } },
  adaptive_max_uneven = { nn.AdaptiveMaxPool2d { 4, 3 } },
  adaptive_max_lines = { nn.AdaptiveMaxPool1d(1) },
  upsample = { nn.Upsample(2) },
  upsample_bilinear = { nn.Upsample { size = { 5, 7 }, mode = "bilinear" } },
  upsample_corners = { nn.Upsample(2, { mode = "bilinear", align_corners = true }) },
  upsample_lines = { nn.Upsample { size = 7, mode = "linear" } },
  zero_pad = { nn.ZeroPad2d { 1, 2, 0, 3 } },
  zero_pad_lines = { nn.ZeroPad1d { 2, 1 } },
  conv = { nn.Conv2d(5, 3, named {}) },
  conv_padded = { nn.Conv2d(4, named { kernel_size = { 3, 5 }, padding = { 1, 2 }, bias = false }) },
  conv_same = { nn.Conv2d(3, named { kernel_size = { 4, 3 }, padding = "same", dilation = { 1, 2 } }) },
  conv_stride = { nn.Conv2d(5, 3, named { stride = { 2, 3 }, padding = 1 }) },
  conv_groups = { nn.Conv2d(6, 3, named { groups = 2, padding = 1 }) },
  conv_depthwise = { nn.Conv2d(5, 3, named { groups = 5, padding = 1 }) },
  conv_winograd = { nn.Conv2d(14, 3, named { padding = 1 }) },
  conv_lines = { nn.Conv1d(4, 3, 2, 2, 2, named {}) }, -- stride, padding, dilation
  conv_lines_same = { nn.Conv1d(4, 4, named { padding = "same" }) },
  deconv = { nn.ConvTranspose2d(4, 3, 2, 1, 1, named {}) }, -- stride, padding, output_padding
  deconv_groups = { nn.ConvTranspose2d(6, 2, named { stride = 3, groups = 2, dilation = 2, bias = false }) },
  deconv_lines = { nn.ConvTranspose1d(2, 4, named { stride = 2, padding = 1 }) },
}

-- Adds a parameter to the input: what the layer hands back shows in it.
local Shift = nn.layer("Shift", { forward = function(self, x)
  local shape = x:shape()
  table.remove(shape, 1)
  return x + self:param("shift", shape, "zeros")
end })

local function weighed_sum(prediction, weights)
  return op.sum(prediction * weights)
end

-- The arrays CASE.KIND.NAME by the names of the model's parameters.
local function arrays(case, kind)
  local found, prefix = {}, case .. "." .. kind .. "."
  for name, array in pairs(golden) do
    if name:sub(1, #prefix) == prefix then
      local key = name:sub(#prefix + 1)
      found[(key == "shift" and "shift_1." or "layer.") .. key] = array
    end
  end
  return found
end

local function check_case(case, dtype, tolerance)
  local layers = { Shift(), table.unpack(LAYERS[case]) }
  local model = nn.Sequential(layers)
  local set = data.set { x = golden[case .. ".x"]:to(dtype), y = golden[case .. ".g"]:to(dtype) }
  model:build(set):set_weights(arrays(case, "before"))
  testing.near(model:predict(set), golden[case .. ".out"], tolerance, case .. " before")
  local history = model:fit(set, { optimizer = nn.SGD { lr = 0.01 }, epochs = 1, shuffle = false, metrics = {},
    batch_size = golden[case .. ".x"]:shape()[1] // 3, loss = weighed_sum })
  testing.equal(history.status, "ok", history.message)
  local want = arrays(case, "after")
  for _, param in ipairs(model:parameters()) do
    testing.near(param.tensor, want[param.name], tolerance, ("%s %s %s"):format(case, dtype, param.name))
  end
  testing.near(model:predict(set), golden[case .. ".out_after"], tolerance, case .. " after")
end

tests["training and evaluation give PyTorch's numbers"] = function()
  for case in pairs(LAYERS) do
    check_case(case, "float32", 1e-5)
    check_case(case, "float64", 1e-6)
  end
end

tests["gradients are right in training, too"] = function()
  for _, layers in ipairs {
    { nn.Linear(6), nn.BatchNorm1d(), nn.Linear(2) }, { nn.Linear(6), nn.LayerNorm(), nn.RMSNorm() },
    { nn.Linear(6), nn.Dropout(0.3), nn.AlphaDropout(0.3), nn.GaussianNoise(0.5), nn.StochasticDepth(0.5) },
  } do
    local check = nn.gradcheck(nn.Sequential(layers), { 7, 3 }, { training = true })
    testing.ok(check.ok, tostring(check))
  end
  for _, layers in ipairs {
    { nn.BatchNorm2d(), nn.Dropout2d(0.4), nn.PReLU(2) }, { nn.GroupNorm(1), nn.LocalResponseNorm(2) },
    { nn.InstanceNorm2d { affine = true }, nn.MaxPool2d { 2, 3 }, nn.Upsample(2) },
  } do
    local check = nn.gradcheck(nn.Sequential(layers), { 3, 2, 5, 7 }, { training = true })
    testing.ok(check.ok, tostring(check))
  end
end

-- ---- against overfitting ----

-- Keeps what it sees in the last step of training.
local Keep = nn.layer("Keep", {
  init = function(self, shape)
    self.shape = shape
  end,
  forward = function(self, x)
    self:buffer("kept", self.shape)
    if x:shape()[1] == self.shape[1] then
      self:update("kept", x)
    end
    return x
  end,
})

-- What layers make of x in one step of training with a seed.
local function in_training(x, seed, ...)
  local layers = { ... }
  layers[#layers + 1] = Keep(x:shape())
  layers[#layers + 1] = nn.Flatten()
  layers[#layers + 1] = nn.Linear(1)
  local model = nn.Sequential(layers)
  model:fit(data.set { x = x, y = tensor.zeros { x:shape()[1], 1 } },
    { epochs = 1, batch_size = "full", shuffle = false, loss = "mse", seed = seed, optimizer = nn.SGD { lr = 0 } })
  return model:weights()["keep_1.kept"]
end

local function ones(...)
  return tensor.zeros { ... } + 1
end

-- Of numbers that are 0 or one value: how many are not 0, and that every run of `length` is alike.
local function count_runs(y, length, value)
  local numbers, kept = y:reshape { -1 }:totable(), 0
  for i = 1, #numbers, length do
    for k = i, i + length - 1 do
      testing.ok(numbers[k] == numbers[i], "one run has one mask")
    end
    if numbers[i] ~= 0 then
      testing.near(numbers[i], value)
      kept = kept + 1
    end
  end
  return kept
end

tests["channels and rows are dropped as a whole"] = function()
  local kept = count_runs(in_training(ones(50, 20, 3, 2), 1, nn.Dropout2d(0.3)), 6, 1 / 0.7)
  testing.ok(math.abs(kept - 700) < 75, kept) -- 5 standard deviations of 1000 draws
  kept = count_runs(in_training(ones(50, 20, 7), 1, nn.Dropout1d(0.6)), 7, 1 / 0.4)
  testing.ok(math.abs(kept - 400) < 80, kept)
  kept = count_runs(in_training(ones(400, 5, 2), 1, nn.StochasticDepth(0.2)), 10, 1 / 0.8)
  testing.ok(math.abs(kept - 320) < 40, kept)
end

tests["a layer called twice drops other elements; its first call those of a single one"] = function()
  local function dropped(calls, place)
    local shared = nn.Dropout(0.5)
    local layers = {}
    for i = 1, calls do
      layers[i] = function(x)
        local y = shared(x)
        return i == place and y or x
      end
    end
    return in_training(ones(20, 20), 3, table.unpack(layers)):reshape { -1 }:totable()
  end
  testing.equal(dropped(2, 1), dropped(1, 1))
  local first, second, same = dropped(2, 1), dropped(2, 2), 0
  for i = 1, #first do
    same = same + (first[i] == second[i] and 1 or 0)
  end
  testing.ok(same > 150 and same < 250, same)
end

local function moments(y)
  local mean = y:mean():item()
  return mean, ((y - mean) * (y - mean)):mean():item()
end

-- Independent standard normal numbers: what GaussianNoise adds to nothing.
local function normal(...)
  return in_training(tensor.zeros { ... }, 5, nn.GaussianNoise(1))
end

tests["noise has its standard deviation, and another seed has other noise"] = function()
  local mean, variance = moments(in_training(ones(100, 200), 1, nn.GaussianNoise(0.5)))
  testing.near(mean, 1, 0.02)
  testing.near(variance, 0.25, 0.015)
  local function numbers(seed)
    return in_training(ones(3, 4), seed, nn.GaussianNoise(0.5)):totable()
  end
  testing.equal(numbers(1), numbers(1))
  testing.differ(numbers(1), numbers(2))
end

tests["AlphaDropout keeps mean and variance"] = function()
  local x = normal(100, 200)
  local mean, variance = moments(in_training(x, 2, nn.AlphaDropout(0.2)))
  testing.near(mean, 0, 0.04)
  testing.near(variance, 1, 0.06)
  local s = -1.7580993408473766
  local a = 1 / math.sqrt(0.8 * (1 + 0.2 * s * s))
  local low = a * s - a * 0.2 * s
  local dropped = 0
  for _, value in ipairs(in_training(ones(50, 50), 2, nn.AlphaDropout(0.2)):reshape({ -1 }):totable()) do
    local is_low = math.abs(value - low) < 1e-5
    dropped = dropped + (is_low and 1 or 0)
    testing.ok(is_low or math.abs(value - (a - a * 0.2 * s)) < 1e-5, value)
  end
  testing.ok(math.abs(dropped - 500) < 100, dropped)
end

tests["evaluation drops nothing and adds nothing"] = function()
  local x = normal(4, 3, 2, 2)
  local model = nn.Sequential { nn.Dropout2d(0.5), nn.AlphaDropout(0.5), nn.GaussianNoise(1), nn.StochasticDepth(0.5) }
  model:build { 1, 3, 2, 2 }
  testing.equal(model:predict(x):totable(), x:totable())
end

-- ---- extremes and mistakes ----

tests["constant and far-away batches are normalised to zeros and ones"] = function()
  local model = nn.Sequential { nn.BatchNorm1d() }
  local far = ones(64, 3) * 10000
  model:fit(data.set { x = far, y = tensor.zeros { 64, 3 } },
    { epochs = 200, batch_size = "full", loss = "mse", optimizer = nn.SGD { lr = 0 } })
  testing.near(model:weights()["batchnorm1d_1.running_mean"], { 10000, 10000, 10000 }, 1e-6)
  testing.near(model:weights()["batchnorm1d_1.running_var"], { 0, 0, 0 }, 1e-6)
  local norm = nn.Sequential { nn.LayerNorm() }
  testing.near(norm:build({ 1, 5 }):predict(ones(2, 5) * 10000), tensor.zeros { 2, 5 }, 1e-6)
  local x = normal(50, 40) + 10000
  local mean, variance = moments(nn.Sequential({ nn.LayerNorm() }):build({ 1, 40 }):predict(x))
  testing.near(mean, 0, 1e-5)
  testing.near(variance, 1, 1e-3)
end

local function message(layers, shape, given)
  local ok, said = pcall(function()
    local model = nn.Sequential(layers):build(shape)
    if given then
      model:fit(data.set { x = tensor.zeros(shape), y = tensor.zeros(shape) },
        { epochs = 1, loss = "mse", batch_size = 1, optimizer = nn.SGD { lr = 0.1 } })
    end
  end)
  testing.ok(not ok, "was accepted")
  return said
end

tests["mistakes are named where they were made"] = function()
  for part, said in pairs {
    ["BatchNorm2d: needs an input (n, channels, height, width), not of shape (1, 3)"] =
      message({ nn.BatchNorm2d() }, { 1, 3 }),
    ["training needs more than one value a channel, and shape (1, 3) has one"] =
      message({ nn.BatchNorm1d() }, { 1, 3 }, true),
    ["InstanceNorm1d: training needs more than one value in a plane, and shape (1, 3, 1) has one"] =
      message({ nn.InstanceNorm1d() }, { 1, 3, 1 }, true),
    ["group_norm: 6 channels do not divide into 4 groups"] = message({ nn.GroupNorm(4) }, { 1, 6, 2 }),
    ["LayerNorm: dims is how many of the last axes"] = message({ nn.LayerNorm { dims = 2 } }, { 1, 3 }),
    ["momentum is the share of the new batch"] = message({ nn.BatchNorm1d { momentum = 2 } }, { 1, 3 }),
    ["MaxPool2d: needs an input (n, channels, height, width), not of shape (1, 28, 28)"] =
      message({ nn.MaxPool2d(2) }, { 1, 28, 28 }),
    ["a window of 5 does not fit into shape (1, 1, 4, 4)"] = message({ nn.MaxPool2d(5) }, { 1, 1, 4, 4 }),
    ["padding 2 is more than half of kernel_size 2"] =
      message({ nn.AvgPool2d { kernel_size = 2, padding = 2 } }, { 1, 1, 4, 4 }),
    ["GLU: axis 2 of shape (1, 5) does not divide into halves"] = message({ nn.GLU() }, { 1, 5 }),
    ["PReLU: num_parameters is 1 or the number of channels, here 4, not 3"] = message({ nn.PReLU(3) }, { 1, 4 }),
    ["ZeroPad2d: padding is a number or { left, right, top, bottom }, not 2 numbers"] =
      message({ nn.ZeroPad2d { 1, 2 } }, { 1, 1, 4, 4 }),
    ["Dropout2d: p must be at least 0 and less than 1, not 1"] = message({ nn.Dropout2d(1) }, { 1, 2, 3, 3 }),
    ["mode \"bilinear\" is for (n, channels, height, width)"] =
      message({ nn.Upsample(2, { mode = "bilinear" }) }, { 1, 2, 3 }),
  } do
    testing.contains(said, part)
    testing.contains(said, "test_nn_norm.lua:")
  end
  testing.raises("give scale_factor or size, one of the two", nn.Upsample, {})
end

return testing.run(tests)
