-- LeNet-5 on 28 x 28 images, Adam, batches of 64 in random order: one pass over 12800 samples.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local nn = require "nn"

local train = bench.images(12800, 1, 28, 28)
bench.pass("lenet", train, 64, function()
  return nn.Sequential {
    nn.Conv2d(6, 5, { padding = 2 }, "relu"), nn.MaxPool2d(2), nn.Conv2d(16, 5, "relu"), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(120, "relu"), nn.Linear(84, "relu"), nn.Linear(10),
  }
end)
