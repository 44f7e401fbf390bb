-- 784-1024-1024-10, relu, SGD with momentum, batches of 128: one pass over 60000 samples.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local nn = require "nn"

local train = bench.classes(60000, 784)
bench.report("mlp_wide", 60000, function()
  local model = nn.Sequential { nn.Linear(1024, "relu"), nn.Linear(1024, "relu"), nn.Linear(10) }
  local history = model:fit(train, { optimizer = nn.SGD { lr = 0.01, momentum = 0.9 }, epochs = 1,
    batch_size = 128, metrics = {}, seed = 7, threads = bench.threads })
  return history.epochs[1].loss
end)
