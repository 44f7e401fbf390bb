-- The numbers nnrun must reproduce: training curves that were computed with numpy (see the README of
-- the shared data) and, on Fashion-MNIST, an accuracy known to be reached.
local testing = require "testing"
local data = require "data"
local json = require "search.json"
local nn = require "nn"

local tests = {}

-- Where tests are shortened, a curve is followed over its first points only, and what is reached at its
-- end is not looked at.
local reduced = testing.reduced()

-- Reference costs have a tolerance in absolute terms.
local TOLERANCE = 1e-6

local function expected(name)
  return json.decode(testing.read(testing.shared("data/course/expected.json")))[name]
end

-- Costs are those before the update of their iteration; curves hold every `step`-th of them.
local function check_costs(history, costs, step, count)
  testing.equal(history.status, "ok")
  for i = 1, count or #costs do
    local iteration = (i - 1) * step
    local cost = history.epochs[iteration + 1].loss
    if not (math.abs(cost - costs[i]) <= TOLERANCE) then
      testing.fail("cost at iteration %d: expected %.8f, got %.8f", iteration, costs[i], cost)
    end
  end
end

local function folder_of(file)
  return testing.shared(file):match("^(.*)/[^/]*$")
end

local function cats(dtype)
  return data.cats(folder_of "data/cats/train_catvnoncat.h5", { dtype = dtype })
end

local function logistic_curve(dtype, reference)
  local train, test = cats(dtype)
  local model = nn.Sequential { nn.Flatten(), nn.Linear(1, { weight_init = "zeros", bias_init = "zeros" }) }
  local history = model:fit(train, {
    optimizer = nn.SGD { lr = 0.005 }, batch_size = "full", epochs = reduced and 101 or 2000, metrics = {},
  })
  check_costs(history, reference.costs, 100, reduced and 2)
  if reduced then
    return
  end
  testing.near(model:evaluate(train).accuracy, 207 / 209, 1e-12)
  testing.near(model:evaluate(test).accuracy, 0.7, 1e-12)
end

tests["cats: logistic regression follows the reference in float64"] = function()
  logistic_curve("float64", expected("cats_logistic").f64)
end

tests["cats: logistic regression follows the reference in float32"] = function()
  logistic_curve("float32", expected("cats_logistic").f32)
end

-- Layers with given weights. Biases of the reference are columns (out, 1).
local function given(weights, i, size, activation)
  local bias = weights["b" .. i]
  return nn.Linear(size, activation, { weight_init = weights["W" .. i], bias_init = bias:view { bias:size() } })
end

tests["cats: four layers from given weights follow the reference in float64"] = function()
  local reference = expected("cats_deep")
  local train, test = cats("float64")
  local weights = data.npz(testing.shared("data/course/init_cats_Llayer.npz"))
  local model = nn.Sequential {
    nn.Flatten(), given(weights, 1, 20, "relu"), given(weights, 2, 7, "relu"), given(weights, 3, 5, "relu"),
    given(weights, 4, 1),
  }
  local history = model:fit(train, {
    optimizer = nn.SGD { lr = 0.0075 }, batch_size = "full", epochs = reduced and 101 or 2500, metrics = {},
  })
  testing.equal(#reference.f64.costs, 25)
  check_costs(history, reference.f64.costs, 100, reduced and 2)
  if reduced then
    return
  end
  testing.near(model:evaluate(train).accuracy, reference.f64.train_acc, 1e-12)
  testing.near(model:evaluate(test).accuracy, 0.8, 1e-12)
end

tests["planar: four hidden units from given weights follow the reference in float64"] = function()
  local reference = expected("planar_h4")
  local set = data.csv(testing.shared("data/course/data_planar.csv"), { dtype = "float64", target = "y" })
  local weights = data.npz(testing.shared("data/course/init_planar_h4.npz"))
  local model = nn.Sequential { given(weights, 1, 4, "tanh"), given(weights, 2, 1) }
  local history = model:fit(set, {
    optimizer = nn.SGD { lr = 1.2 }, batch_size = "full", epochs = 7001, metrics = {},
  })
  check_costs(history, reference.f64.costs, 1000, 8) -- the reference is chaotic from there on
  testing.near(model:evaluate(set).accuracy, 0.905, 0.02)
end

-- Softmax regression from zeros, batches of 100 in file order, one epoch. Every 50 updates training
-- stops to look at the loss of the batch that comes next.
local function softmax_curve(train, test, reference)
  local model = nn.Sequential { nn.Flatten(), nn.Linear(10, { weight_init = "zeros", bias_init = "zeros" }) }
  model:build(train)
  for i, loss in ipairs(reference.f32.loss) do
    if reduced and i > 3 then
      return
    end
    local first = (i - 1) * 5000
    local seen = model:evaluate(train:rows(first + 1, first + 100)).loss
    if not (math.abs(seen - loss) <= TOLERANCE) then
      testing.fail("loss at update %d: expected %.8f, got %.8f", (i - 1) * 50, loss, seen)
    end
    model:fit(train:rows(first + 1, first + 5000), {
      optimizer = nn.SGD { lr = 0.1 }, batch_size = 100, shuffle = false, epochs = 1,
    })
  end
  testing.equal(model:evaluate(test).accuracy, reference.f32.test_acc)
end

local function fashion()
  if not testing.exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz") then
    testing.skip("Debian's package dataset-fashion-mnist is not installed")
  end
  return data.fashion_mnist()
end

tests["Fashion-MNIST: softmax regression follows the reference in float32"] = function()
  local reference = expected("fashion_softmax")
  local train, test = fashion()
  testing.near(reference.f32.loss[2], 0.939948, TOLERANCE)
  testing.equal(reference.f32.test_acc, 0.8142)
  softmax_curve(train, test, reference)
end

tests["MNIST: softmax regression follows the reference in float32"] = function()
  local reference = expected("mnist_softmax")
  local train, test = data.mnist(folder_of "data/mnist/train-images-idx3-ubyte.gz")
  testing.equal(reference.f32.test_acc, 0.9024)
  softmax_curve(train, test, reference)
end

tests["Fashion-MNIST: a hidden layer of 100 reaches 87 % over five seeds"] = function()
  if reduced then
    testing.skip("takes long; make check runs it")
  end
  local train, test = fashion()
  local sum, seeds = 0, 5
  for seed = 1, seeds do
    local start = { weight_init = "glorot_uniform", bias_init = "zeros" } -- as scikit-learn's MLPClassifier
    local model = nn.Sequential { nn.Flatten(), nn.Linear(100, "relu", start), nn.Linear(10, start) }
    model:fit(train, { optimizer = nn.Adam { lr = 1e-3 }, batch_size = 200, epochs = 10, seed = seed, metrics = {} })
    sum = sum + model:evaluate(test).accuracy
  end
  if not (sum / seeds >= 0.87) then
    testing.fail("the mean test accuracy is %.4f", sum / seeds)
  end
end

-- As in experiments/lenet.lua. PyTorch reaches the same with the same settings, give or take a seed.
tests["Fashion-MNIST: LeNet-5 reaches 87.6 % after 3 epochs and 89.5 % after 10"] = function()
  if reduced then
    testing.skip("takes long; make check runs it")
  end
  local train, test = fashion()
  local mean, deviation = train.x:mean():item(), math.sqrt(train.x:variance():item())
  local function images(set)
    return data.set { x = ((set.x - mean) / deviation):view { #set, 1, 28, 28 }, y = set.y }
  end
  local model = nn.Sequential {
    nn.Conv2d(6, 5, { padding = 2 }, "relu"), nn.MaxPool2d(2), nn.Conv2d(16, 5, "relu"), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(120, "relu"), nn.Linear(84, "relu"), nn.Linear(10),
  }
  local history = model:fit(images(train), { optimizer = nn.Adam { lr = 1e-3 }, batch_size = 64, epochs = 10,
    validation = images(test), seed = 1 })
  for epoch, least in pairs { [3] = 0.876, [10] = 0.895 } do
    local accuracy = history.epochs[epoch].val_accuracy
    if not (accuracy >= least) then
      testing.fail("the test accuracy after %d epochs is %.4f", epoch, accuracy)
    end
  end
end

return testing.run(tests)
