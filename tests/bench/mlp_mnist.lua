-- 784-128-10, relu, Adam, batches of 64 in random order: one pass over 60000 samples.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local nn = require "nn"

local train = bench.classes(60000, 784)
bench.report("mlp_mnist", 60000, function()
  local model = nn.Sequential { nn.Linear(128, "relu"), nn.Linear(10) }
  local history = model:fit(train, { optimizer = nn.Adam { lr = 1e-3 }, epochs = 1, batch_size = 64,
    metrics = {}, seed = 7, threads = bench.threads })
  return history.epochs[1].loss
end)
