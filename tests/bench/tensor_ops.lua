-- What one operation on tensors costs beside its arithmetic: 300000 additions of three numbers each, as
-- samples_per_s, with the collection of what they make. large_us: processor time of an addition of a
-- million numbers.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local tensor = require "tensor"

local CALLS, LARGE_CALLS = 300000, 200
local a, b = tensor.randn { 3 }, tensor.randn { 3 }
local x, y = tensor.randn { 1000, 1000 }, tensor.randn { 1000, 1000 }

local started = os.clock()
for _ = 1, LARGE_CALLS do
  local _ = x + y
end
local large = (os.clock() - started) / LARGE_CALLS

bench.report("tensor_ops", CALLS, function()
  local sum
  for _ = 1, CALLS do
    sum = a + b
  end
  return sum:sum():item()
end, (', "large_us": %.0f'):format(large * 1e6))
