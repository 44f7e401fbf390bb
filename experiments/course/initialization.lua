-- How weights start decides whether a network learns at all. The same network on two circles, from
-- zeros, from large random numbers, and from He's: normal with variance 2 / inputs.
--
--   nnrun experiments/course/initialization.lua
local data, nn, report = require "data", require "nn", require "report"

local train = data.circles { n = 300, factor = 0.8, noise = 0.05, seed = 1 }
local test = data.circles { n = 100, factor = 0.8, noise = 0.05, seed = 2 }

local STARTS = {
  -- All units of a layer stay equal for ever: nothing tells them apart.
  { name = "zeros", init = "zeros" },
  -- Confident and wrong: the cost starts high, and units hardly get away from where they began.
  { name = "large random", init = nn.init.normal { std = 10 } },
  -- Values keep their size from layer to layer.
  { name = "He", init = "he_normal" },
}

local curves = {}
for _, start in ipairs(STARTS) do
  local function dense(size, activation)
    return nn.Linear(size, activation, { weight_init = start.init, bias_init = "zeros" })
  end
  local model = nn.Sequential { dense(10, "relu"), dense(5, "relu"), dense(1) }
  local history = model:fit(train, {
    loss = "binary_cross_entropy", optimizer = nn.SGD { lr = 0.01 },
    batch_size = "full", epochs = 15000, metrics = {}, seed = 3,
  })
  print(("%-13s cost %9.6f at first, %9.6f at last; accuracy %5.1f %% train, %5.1f %% test"):format(start.name,
    history.epochs[1].loss, history.epochs[#history.epochs].loss, 100 * model:evaluate(train).accuracy,
    100 * model:evaluate(test).accuracy))
  history.name = start.name
  curves[#curves + 1] = history
  report.boundary(model, train, {
    title = "Start: " .. start.name, file = "results/initialization_" .. start.name:gsub(" ", "_"):lower(),
  })
end
report.curves(curves, {
  title = "Cost from three starts", file = "results/initialization", terminal = true, log_y = true,
})
print("curves and boundaries: results/initialization*.png")
