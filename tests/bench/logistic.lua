-- Logistic regression 12288-1 from zeros, full batch of 209, 2000 iterations of gradient descent.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local core_init = require "core.init"
local data = require "data"
local nn = require "nn"
local op = require "core.op"
local tensors = require "core.tensor"

local x = tensors.zeros { 209, 12288 }
core_init.fill(x, nn.init.uniform { low = 0, high = 0.2 }, 1, 1, 1234, 1)
local z = op.matmul(x, bench.normal({ 12288, 1 }, 2))
local sorted = z:totable()
for i, row in ipairs(sorted) do
  sorted[i] = row[1]
end
table.sort(sorted)
local train = data.set { x = x, y = op.greater(z, sorted[105]), name = "random" }
bench.report("logistic", 209 * 2000, function()
  local model = nn.Sequential { nn.Linear(1, { weight_init = "zeros", bias_init = "zeros" }) }
  local history = model:fit(train, { loss = "binary_cross_entropy", optimizer = nn.SGD { lr = 0.005 },
    epochs = 2000, batch_size = "full", metrics = {}, threads = bench.threads })
  return history.epochs[#history.epochs].loss
end)
