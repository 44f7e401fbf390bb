-- 2-4-1, tanh, full batch of 400 points, 10000 iterations of gradient descent.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local data = require "data"
local nn = require "nn"

local train = data.planar_flower { n = 400, seed = 1 }
bench.report("planar", 400 * 10000, function()
  local model = nn.Sequential { nn.Linear(4, "tanh"), nn.Linear(1) }
  local history = model:fit(train, { loss = "binary_cross_entropy", optimizer = nn.SGD { lr = 1.2 },
    epochs = 10000, batch_size = "full", metrics = {}, seed = 7, threads = bench.threads })
  return history.epochs[#history.epochs].loss
end)
