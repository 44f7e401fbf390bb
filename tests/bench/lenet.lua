-- LeNet-5 on 28 x 28 images, Adam, batches of 64 in random order: one pass over 12800 samples.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local nn = require "nn"

local train = bench.images(12800, 1, 28, 28)
bench.report("lenet", 12800, function()
  local model = nn.Sequential {
    nn.Conv2d(6, 5, { padding = 2 }, "relu"), nn.MaxPool2d(2), nn.Conv2d(16, 5, "relu"), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(120, "relu"), nn.Linear(84, "relu"), nn.Linear(10),
  }
  local history = model:fit(train, { optimizer = nn.Adam { lr = 1e-3 }, epochs = 1, batch_size = 64,
    metrics = {}, seed = 7, threads = bench.threads })
  return history.epochs[1].loss
end)
