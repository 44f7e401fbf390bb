-- Accurate and small: a sweep for two objectives. NSGA-II looks for small convolutional networks for
-- Fashion-MNIST that no other one beats in both validation accuracy and number of parameters.
--
--   nnrun experiments/pareto.lua            run it, or continue where it stopped
--   nnrun experiments/pareto.lua --help     what can be set: -j 4, --trials 120, --set epochs=4 ...
local data, nn, report, search = require "data", require "nn", require "report", require "search"

local all = data.fashion_mnist():rows(1, 10000)
local images = data.set { x = all.x:view { #all, 1, 28, 28 }, y = all.y, classes = all.classes }
local train, validation = images:split { 8000, 2000, stratify = true, seed = 1 }

local function build(p)
  local layers = { nn.Conv2d(p.channels, 3, { activation = "relu", stride = 2, padding = 1 }) }
  if p.second then
    layers[#layers + 1] = nn.Conv2d(2 * p.channels, 3, { activation = "relu", stride = 2, padding = 1 })
  end
  layers[#layers + 1] = nn.MaxPool2d(2)
  layers[#layers + 1] = nn.Flatten()
  if p.hidden > 0 then
    layers[#layers + 1] = nn.Linear(p.hidden, "relu")
  end
  layers[#layers + 1] = nn.Linear(10)
  return nn.Sequential(layers)
end

local function count(model)
  local numbers = 0
  for _, parameter in ipairs(model:parameters()) do
    numbers = numbers + parameter.tensor:size()
  end
  return numbers
end

local study = search.sweep {
  name = "small-and-good",
  objective = { "max val_accuracy", "min parameters" },
  space = {
    channels = search.int(1, 16, { log = true }),
    second = search.bool(),
    hidden = search.ordered { 0, 8, 16, 32, 64 },
    lr = search.float(1e-3, 2e-2, { log = true }),
    epochs = search.fixed(3),
  },
  sampler = { "nsga2", population = 16 }, lag = 4, trials = 80, data = { train, validation },
  run = function(trial)
    local p = trial.params
    local model = build(p)
    local history = model:fit(train, { optimizer = nn.Adam { lr = p.lr }, batch_size = 50, epochs = p.epochs,
      validation = validation, trial = trial })
    return history, { parameters = count(model) } -- the second: what holds for the whole trial
  end,
}

report.sweep(study)
print "\nthe front:"
for _, point in ipairs(study:pareto()) do
  print(("  %5.2f %%  %6d parameters  %s"):format(100 * point.values[1], point.values[2], point.label))
end

return study
