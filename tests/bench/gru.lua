-- 28 steps of 28 features, GRU of 128, last output to 10 classes, Adam, batches of 64 in random order:
-- one pass over 12800 samples.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local nn = require "nn"

local train = bench.classes(12800, 784)
train.x = train.x:view { 12800, 28, 28 }
bench.report("gru", 12800, function()
  local model = nn.Sequential { nn.GRU(128, { last = true }), nn.Linear(10) }
  local history = model:fit(train, { optimizer = nn.Adam { lr = 1e-3 }, epochs = 1, batch_size = 64,
    metrics = {}, seed = 7, threads = bench.threads })
  return history.epochs[1].loss
end)
