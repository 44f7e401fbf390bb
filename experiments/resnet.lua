-- A small residual network (He et al. 2016) on Fashion-MNIST, and the same layers without the shortcuts.
-- Each stage halves the picture and doubles the channels; the last features are averaged over the picture.
--
--   nnrun experiments/resnet.lua [BLOCKS] [PICTURES] [EPOCHS]     default 3 blocks a stage, 6000, 4
local data, nn, report = require "data", require "nn", require "report"

local blocks, pictures, epochs = tonumber(arg[1]) or 3, tonumber(arg[2]) or 6000, tonumber(arg[3]) or 4

local function images(set)
  return data.set { x = set.x:view { #set, 1, 28, 28 }, y = set.y, classes = set.classes }
end
local train, test = data.fashion_mnist()
train, test = images(train:rows(1, pictures)), images(test:rows(1, 2000))

-- Convolutions of a block have no bias: the normalisation behind them has its own.
local function conv(channels, size, stride)
  return nn.Conv2d(channels, size, { stride = stride, padding = size // 2, bias = false, weight_init = "he_normal" })
end

-- Two convolutions; the shortcut is x, or where the shape changes a 1 x 1 convolution of it.
local function block(channels, stride, residual)
  local layers = {
    conv(channels, 3, stride), nn.BatchNorm2d("relu"), conv(channels, 3, 1), nn.BatchNorm2d(),
    activation = "relu",
  }
  if not residual then
    layers[#layers + 1] = nn.ReLU()
    return nn.Sequential(layers)
  end
  if stride > 1 then
    layers.shortcut = nn.Sequential { conv(channels, 1, stride), nn.BatchNorm2d() }
  end
  return nn.Residual(layers)
end

local function network(residual)
  local layers = { conv(8, 3, 1), nn.BatchNorm2d("relu"), nn.MaxPool2d(2) }
  for stage, channels in ipairs { 8, 16, 32 } do
    for i = 1, blocks do
      layers[#layers + 1] = block(channels, stage > 1 and i == 1 and 2 or 1, residual)
    end
  end
  layers[#layers + 1] = nn.AdaptiveAvgPool2d(1)
  layers[#layers + 1] = nn.Flatten()
  layers[#layers + 1] = nn.Linear(10)
  return nn.Sequential(layers)
end

local curves = {}
for _, residual in ipairs { true, false } do
  local model = network(residual)
  local history = model:fit(train, {
    optimizer = nn.SGD { lr = 0.1, momentum = 0.9, weight_decay = 1e-4 }, schedule = "cosine",
    epochs = epochs, batch_size = 64, validation = test, seed = 1, verbose = true,
  })
  history.name = residual and "with shortcuts" or "without"
  if residual then
    print(model)
  end
  print(("%s: %d layers of weights, test accuracy %.1f %%\n"):format(history.name, 2 * 3 * blocks + 2,
    100 * model:evaluate(test).accuracy))
  curves[#curves + 1] = history
end
report.curves(curves, { title = "A residual network on Fashion-MNIST", file = "results/resnet" })
print("curves: results/resnet.png and .svg")
