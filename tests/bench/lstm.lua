-- 28 steps of 28 features, LSTM of 128, last output to 10 classes, Adam, batches of 64 in random order:
-- one pass over 12800 samples.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local nn = require "nn"

local train = bench.classes(12800, 784)
train.x = train.x:view { 12800, 28, 28 }
bench.pass("lstm", train, 64, function()
  return nn.Sequential { nn.LSTM(128, { last = true }), nn.Linear(10) }
end)
