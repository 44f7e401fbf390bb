-- Several layers: the pictures of logistic.lua again, now with three hidden layers, against one.
--
--   nnrun experiments/course/deep.lua                 sneakers or sandals? (Fashion-MNIST)
--   nnrun experiments/course/deep.lua DIR [WEIGHTS]   cats or not? DIR holds train_catvnoncat.h5 and
--       test_catvnoncat.h5 of A. Ng's course; the deep model starts from WEIGHTS (.npz with W1, b1 ...)
local data, nn, report = require "data", require "nn", require "report"

local train, test
if arg[1] then
  train, test = data.cats(arg[1], { dtype = "float64" })
else
  train, test = data.fashion_mnist()
  train = train:subset({ "Sandal", "Sneaker" }):rows(1, 1000)
  test = test:subset { "Sandal", "Sneaker" }
end
local weights = arg[2] and data.npz(arg[2])
print(train)
print(test)

-- Weights start with standard deviation sqrt(1 / inputs): the signal keeps its size from layer to
-- layer, and gradients reach the first one.
local function dense(size, activation, given)
  return nn.Linear(size, activation, {
    weight_init = given and given.weight or "lecun_normal", bias_init = given and given.bias or "zeros",
  })
end

-- Hidden layers of these sizes and one logit at the end, from random weights or from given ones.
local function new_model(sizes, given)
  local layers = { nn.Flatten() }
  for i = 1, #sizes + 1 do
    local start = given and { weight = given["W" .. i], bias = given["b" .. i]:view { sizes[i] or 1 } }
    layers[#layers + 1] = dense(sizes[i] or 1, sizes[i] and "relu", start)
  end
  return nn.Sequential(layers)
end

local curves = {}
for _, sizes in ipairs { { 7 }, { 20, 7, 5 } } do
  local model = new_model(sizes, #sizes == 3 and weights)
  local history = model:fit(train, {
    loss = "binary_cross_entropy", optimizer = nn.SGD { lr = 0.0075 },
    batch_size = "full", epochs = 2500, metrics = {}, seed = 2,
  })
  history.name = "hidden layers " .. table.concat(sizes, "-")
  print(("\n%s\n%s"):format(history.name, model))
  for i = 1, #history.epochs, 100 do
    print(("cost after iteration %4d: %.6f"):format(i - 1, history.epochs[i].loss))
  end
  print(("train accuracy %.2f %%"):format(100 * model:evaluate(train).accuracy))
  print(("test accuracy  %.2f %%"):format(100 * model:evaluate(test).accuracy))
  curves[#curves + 1] = history
end
report.curves(curves, { title = "One hidden layer or three", file = "results/deep", terminal = true })
print("curves: results/deep.png and .svg")
