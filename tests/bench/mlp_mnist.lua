-- 784-128-10, relu, Adam, batches of 64 in random order: one pass over 60000 samples.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local nn = require "nn"

local train = bench.classes(60000, 784)
bench.pass("mlp_mnist", train, 64, function()
  return nn.Sequential { nn.Linear(128, "relu"), nn.Linear(10) }
end)
