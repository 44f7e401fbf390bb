-- Four 3 x 3 convolutions and two Linear layers on 32 x 32 colour images, Adam, batches of 64 in
-- random order: one pass over 3200 samples.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local nn = require "nn"

local train = bench.images(3200, 3, 32, 32)
bench.report("cifarnet", 3200, function()
  local model = nn.Sequential {
    nn.Conv2d(32, 3, { padding = 1 }, "relu"), nn.Conv2d(32, 3, { padding = 1 }, "relu"), nn.MaxPool2d(2),
    nn.Conv2d(64, 3, { padding = 1 }, "relu"), nn.Conv2d(64, 3, { padding = 1 }, "relu"), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(128, "relu"), nn.Linear(10),
  }
  local history = model:fit(train, { optimizer = nn.Adam { lr = 1e-3 }, epochs = 1, batch_size = 64,
    metrics = {}, seed = 7, threads = bench.threads })
  return history.epochs[1].loss
end)
