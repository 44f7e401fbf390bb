-- A TransformerEncoderLayer of 4 heads on sequences (32, 64), then the mean over time and 10 classes; Adam,
-- batches of 32: one pass over 3200 samples.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local data = require "data"
local nn = require "nn"
local op = require "core.op"

local length, size = 32, 64
local x = bench.normal({ 3200, length, size }, 1)
local y = op.argmax(op.matmul(op.mean(x, { axes = { 2 } }), bench.normal({ size, 10 }, 2)))
local train = data.set { x = x, y = y, name = "random" }

bench.pass("transformer", train, 32, function()
  return nn.Sequential {
    nn.TransformerEncoderLayer(4, { dim_feedforward = 256, dropout = 0 }),
    function(values)
      return op.mean(values, { axes = { 2 } })
    end,
    nn.Linear(10),
  }
end)
