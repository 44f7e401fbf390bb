-- Logistic regression: one unit that looks at all pixels of a picture and says yes or no. The smallest
-- neural network, trained by gradient descent on all pictures at once.
--
--   nnrun experiments/course/logistic.lua         sneakers or sandals? (Fashion-MNIST)
--   nnrun experiments/course/logistic.lua DIR     cats or not? DIR holds train_catvnoncat.h5 and
--                                                 test_catvnoncat.h5 of A. Ng's course
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

-- A picture becomes a row of numbers; the unit gives a logit, above 0 for "yes".
local function new_model()
  return nn.Sequential { nn.Flatten(), nn.Linear(1, { weight_init = "zeros", bias_init = "zeros" }) }
end

local ITERATIONS = 2000
local function fit(lr)
  local model = new_model()
  local history = model:fit(train, {
    loss = "binary_cross_entropy", optimizer = nn.SGD { lr = lr },
    batch_size = "full", epochs = ITERATIONS, metrics = {}, -- an epoch is one step
  })
  history.name = ("learning rate %g"):format(lr)
  return model, history
end

-- Costs are those before the step of their iteration.
local model, history = fit(0.005)
for i = 1, ITERATIONS, 100 do
  print(("cost after iteration %4d: %.6f"):format(i - 1, history.epochs[i].loss))
end
print(("train accuracy %.2f %%"):format(100 * model:evaluate(train).accuracy))
print(("test accuracy  %.2f %%"):format(100 * model:evaluate(test).accuracy))

-- How large should a step be?
local curves = { history }
for _, lr in ipairs { 0.001, 0.0001 } do
  local _, slower = fit(lr)
  curves[#curves + 1] = slower
end
local plot = report.curves(curves, {
  title = "Logistic regression: cost and learning rate", file = "results/logistic", terminal = true,
})
print(plot and table.concat(plot.files, "\n") or "")
