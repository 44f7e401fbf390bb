-- Why deep networks did not learn, and what helped: the deviation of each layer's output and of the gradient
-- that comes back to it, before training, for four ways to start. After Glorot and Bengio (2010),
-- "Understanding the difficulty of training deep feedforward neural networks".
--
--   nnrun experiments/gradient_flow.lua [HIDDEN LAYERS] [PICTURES]     default 8, 10000
local data, nn, report = require "data", require "nn", require "report"

local depth = tonumber(arg[1]) or 8
local train, test = data.fashion_mnist()
train, test = train:rows(1, tonumber(arg[2]) or 10000):flatten(), test:rows(1, 2000):flatten()
train, test = train:standardize(test)

local STARTS = {
  { name = "sigmoid, small", activation = "sigmoid", init = nn.init.normal { std = 0.01 } },
  -- What was common: uniform in 1 / sqrt(inputs). Output and gradient shrink by about 1 / sqrt(3) a layer.
  { name = "tanh, 1/sqrt(n)", activation = "tanh", init = "torch_default" },
  -- Glorot's: variance 2 / (inputs + outputs), a compromise between both directions.
  { name = "tanh, Glorot", activation = "tanh", init = "glorot_uniform" },
  -- ReLU zeroes half of what comes in, so He et al. (2015) start with twice the variance.
  { name = "relu, He", activation = "relu", init = "he_normal" },
}

local outputs, gradients, curves = {}, {}, {}
for _, start in ipairs(STARTS) do
  local layers = {}
  for i = 1, depth do
    layers[i] = nn.Linear(100, start.activation, { weight_init = start.init, bias_init = "zeros" })
  end
  layers[depth + 1] = nn.Linear(10, { weight_init = start.init, bias_init = "zeros" })
  local model = nn.Sequential(layers):build(train, { seed = 1 })

  local seen = model:inspect(train, { loss = "cross_entropy" })
  print(("\n%s\n%s"):format(start.name, seen))
  local x, output, gradient = {}, {}, {}
  for i = 1, depth do
    x[i], output[i], gradient[i] = i, seen[i].std, seen[i].gradient_std
  end
  outputs[#outputs + 1] = { name = start.name, x = x, y = output, style = "linepoints" }
  gradients[#gradients + 1] = { name = start.name, x = x, y = gradient, style = "linepoints" }

  local history = model:fit(train, { optimizer = nn.SGD { lr = 0.02 }, epochs = 6, batch_size = 50, validation = test })
  print(("after %d epochs: loss %.4f, test accuracy %.1f %%"):format(#history.epochs,
    history.epochs[#history.epochs].loss, 100 * model:evaluate(test).accuracy))
  curves[#curves + 1] = { name = start.name, y = history:column "loss" }
end

local layer = { label = "hidden layer", integer = true }
report.plot {
  panels = {
    { title = "Output of each layer", x = layer, y = { label = "standard deviation" }, series = outputs, log_y = true },
    { title = "Gradient by its output", x = layer, y = { label = "standard deviation" }, series = gradients,
      log_y = true },
    { title = "Training", x = { label = "epoch", integer = true }, y = { label = "loss" }, series = curves },
  },
  columns = 3, file = "results/gradient_flow",
}
print("\nplots: results/gradient_flow.png and .svg")
