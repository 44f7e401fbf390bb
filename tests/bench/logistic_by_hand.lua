-- The loop of experiments/course/from_scratch.lua: logistic regression in operations on tensors, with
-- gradients worked out on paper. 12288-1 from zeros, all 209 rows at once, 2000 iterations.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local tensor = require "tensor"

local ROWS, COLUMNS, ITERATIONS, LR = 209, 12288, 2000, 0.005
tensor.manual_seed(1234)
local x = tensor.rand { ROWS, COLUMNS } * 0.2
local z = x:matmul(tensor.randn { COLUMNS, 1 })
local y = z:greater(z:sort(1)[105])

bench.report("logistic_by_hand", ROWS * ITERATIONS, function()
  local w, b, cost = tensor.zeros { COLUMNS, 1 }, tensor.zeros {}, nil
  for _ = 1, ITERATIONS do
    local a = 1 / (1 + (-(x:matmul(w) + b)):exp())
    cost = -(y * a:log() + (1 - y) * (1 - a):log()):sum() / ROWS
    local dz = a - y
    w = w - x:matmul(dz, { trans_a = true }) / ROWS * LR
    b = b - dz:mean() * LR
  end
  return cost:item()
end)
