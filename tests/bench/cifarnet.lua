-- Four 3 x 3 convolutions and two Linear layers on 32 x 32 colour images, Adam, batches of 64 in
-- random order: one pass over 3200 samples.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local nn = require "nn"

local train = bench.images(3200, 3, 32, 32)
bench.pass("cifarnet", train, 64, function()
  return nn.Sequential {
    nn.Conv2d(32, 3, { padding = 1 }, "relu"), nn.Conv2d(32, 3, { padding = 1 }, "relu"), nn.MaxPool2d(2),
    nn.Conv2d(64, 3, { padding = 1 }, "relu"), nn.Conv2d(64, 3, { padding = 1 }, "relu"), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(128, "relu"), nn.Linear(10),
  }
end)
