-- Ways downhill: gradient descent, momentum and Adam, on the same network, data, batches and
-- learning rate.
--
--   nnrun experiments/course/optimizers.lua
local data, nn, report = require "data", require "nn", require "report"

local set = data.moons { n = 300, noise = 0.2, seed = 3 }

local OPTIMIZERS = {
  { name = "gradient descent", optimizer = nn.SGD { lr = 0.001 } },
  -- Each step goes on with 0.9 of the last one: in a steady direction ten times as far. (With
  -- dampening = 0.9 it is the course's form, a running mean of gradients.)
  { name = "momentum", optimizer = nn.SGD { lr = 0.001, momentum = 0.9 } },
  -- Every weight has steps of its own, about lr long, the longer the steadier its gradients are.
  { name = "Adam", optimizer = nn.Adam { lr = 0.001 } },
}

local curves = {}
for _, entry in ipairs(OPTIMIZERS) do
  local model = nn.Sequential {
    nn.Linear(5, "relu", { weight_init = "he_normal", bias_init = "zeros" }),
    nn.Linear(2, "relu", { weight_init = "he_normal", bias_init = "zeros" }),
    nn.Linear(1, { weight_init = "he_normal", bias_init = "zeros" }),
  }
  local history = model:fit(set, {
    loss = "binary_cross_entropy", optimizer = entry.optimizer, batch_size = 64, epochs = 2000, seed = 3,
  })
  history.name = entry.name
  print(("%-17s"):format(entry.name))
  for _, epoch in ipairs { 1, 250, 500, 1000, 2000 } do
    local row = history.epochs[epoch]
    print(("  epoch %4d: cost %.6f, accuracy %5.1f %%"):format(epoch, row.loss, 100 * row.accuracy))
  end
  curves[#curves + 1] = history
  report.boundary(model, set, {
    title = entry.name, file = "results/optimizers_" .. entry.name:gsub(" ", "_"):lower(),
  })
end
report.curves(curves, { title = "Three optimisers", file = "results/optimizers", terminal = true })
print("curves and boundaries: results/optimizers*.png")
