-- Overfitting, and two ways against it. A network large enough to learn the noise of few points by
-- heart is trained plain, with an L2 penalty on its weights, and with dropout; new points tell what
-- it is worth.
--
--   nnrun experiments/course/regularization.lua
local data, nn, report = require "data", require "nn", require "report"

local train = data.moons { n = 100, noise = 0.35, seed = 1 }
local test = data.moons { n = 2000, noise = 0.35, seed = 2 } -- the same law, other points

local WAYS = {
  { name = "plain" },
  { name = "L2 0.01", l2 = 0.01 }, -- adds 0.005 times the sum of squared weights to the cost
  { name = "dropout 0.5", dropout = 0.5 }, -- in training each hidden value is zeroed half of the time
}

local function new_model(dropout)
  local layers = {}
  for _, size in ipairs { 40, 20 } do
    layers[#layers + 1] = nn.Linear(size, "relu", { weight_init = "he_normal", bias_init = "zeros" })
    if dropout then
      layers[#layers + 1] = nn.Dropout(dropout)
    end
  end
  layers[#layers + 1] = nn.Linear(1)
  return nn.Sequential(layers)
end

local curves = {}
for _, way in ipairs(WAYS) do
  local model = new_model(way.dropout)
  local history = model:fit(train, {
    loss = "binary_cross_entropy", optimizer = nn.SGD { lr = 0.005, momentum = 0.9 }, l2 = way.l2,
    batch_size = "full", epochs = 6000, validation = test, seed = 1,
  })
  local on_train, on_test = model:evaluate(train), model:evaluate(test)
  print(("%-12s train: cost %.6f, accuracy %5.1f %%   test: cost %.6f, accuracy %5.1f %%"):format(way.name,
    on_train.loss, 100 * on_train.accuracy, on_test.loss, 100 * on_test.accuracy))
  curves[#curves + 1] = { name = way.name, y = history:column "val_loss" }
  report.boundary(model, train, {
    title = way.name, file = "results/regularization_" .. way.name:match("^%w+"):lower(),
  })
end
report.plot {
  title = "Cost on new points while learning", file = "results/regularization", terminal = true, series = curves,
  x = { label = "epoch", integer = true }, y = { label = "cost on new points" },
}
print("curves and boundaries: results/regularization*.png")
