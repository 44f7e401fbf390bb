-- Several layers: the pictures of logistic.lua again, now with three hidden layers, against one.
--
--   nnrun experiments/course/deep.lua         sneakers or sandals? (Fashion-MNIST)
--   nnrun experiments/course/deep.lua DIR     cats or not? DIR holds train_catvnoncat.h5 and
--                                             test_catvnoncat.h5 of A. Ng's course
local data, nn, report = require "data", require "nn", require "report"

local train, test
if arg[1] then
  train, test = data.cats(arg[1])
else
  train, test = data.fashion_mnist()
  train = train:subset({ "Sandal", "Sneaker" }):rows(1, 1000)
  test = test:subset { "Sandal", "Sneaker" }
end
print(train)
print(test)

-- Weights start with standard deviation sqrt(1 / inputs): the signal keeps its size from layer to
-- layer, and gradients reach the first one.
local function dense(size, activation)
  return nn.Linear(size, activation, { weight_init = "lecun_normal", bias_init = "zeros" })
end

-- A model of hidden layers of these sizes, and one logit at the end.
local function new_model(sizes)
  local layers = { nn.Flatten() }
  for _, size in ipairs(sizes) do
    layers[#layers + 1] = dense(size, "relu")
  end
  layers[#layers + 1] = dense(1)
  return nn.Sequential(layers)
end

local curves = {}
for _, sizes in ipairs { { 7 }, { 20, 7, 5 } } do
  local model = new_model(sizes)
  local history = model:fit(train, {
    loss = "binary_cross_entropy", optimizer = nn.SGD { lr = 0.0075 },
    batch_size = "full", epochs = 2500, metrics = {}, seed = 2,
  })
  history.name = ("hidden layers %s"):format(table.concat(sizes, "-"))
  print("\n" .. history.name)
  print(model)
  for i = 1, #history.epochs, 100 do
    print(("cost after iteration %4d: %.6f"):format(i - 1, history.epochs[i].loss))
  end
  print(("train accuracy %.2f %%"):format(100 * model:evaluate(train).accuracy))
  print(("test accuracy  %.2f %%"):format(100 * model:evaluate(test).accuracy))
  curves[#curves + 1] = history
end
report.curves(curves, { title = "One hidden layer or three", file = "results/deep", terminal = true })
print("curves: results/deep.png and .svg")
