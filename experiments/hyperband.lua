-- Do not train what will not win: Hyperband (Li et al. 2018) against plain random search with as many epochs
-- in all. Small networks for Fashion-MNIST with eight parameters to choose, up to 27 epochs a trial.
--
--   nnrun experiments/hyperband.lua            run both, or continue where they stopped
--   nnrun experiments/hyperband.lua --help     what can be set: -j 4, --trials 120 ...
local data, nn, report, search = require "data", require "nn", require "report", require "search"

local EPOCHS = 27
local all = data.fashion_mnist():rows(1, 6000)
local train, validation = all:split { 4000, 2000, stratify = true, seed = 1 }

local function run(trial)
  local p = trial.params
  local layers = { nn.Flatten() }
  for _, width in ipairs(p.widths) do
    layers[#layers + 1] = nn.Linear(width, p.activation)
    layers[#layers + 1] = p.dropout > 0 and nn.Dropout(p.dropout) or nil
  end
  layers[#layers + 1] = nn.Linear(10)
  return nn.Sequential(layers):fit(train, {
    optimizer = nn.optimizer(p.optimizer, { lr = p.lr, momentum = p.momentum, weight_decay = p.weight_decay }),
    batch_size = p.batch_size, epochs = EPOCHS, validation = validation, trial = trial,
  })
end

local function sweep(more)
  local given = {
    objective = "max val_accuracy",
    space = {
      widths = search.list(search.int(16, 128, { log = true }), { min = 1, max = 3 }),
      activation = { "relu", "tanh", "elu" },
      dropout = search.float(0, 0.5),
      optimizer = search.choice { sgd = { momentum = search.float(0, 0.99) }, adam = {} },
      lr = search.float(1e-4, 3e-1, { log = true }),
      weight_decay = search.float(1e-7, 1e-2, { log = true }),
      batch_size = search.ordered { 25, 50, 100, 200 },
    },
    constraint = function(p) return p.optimizer == "sgd" or p.lr < 0.03 end, -- Adam's steps do not shrink
    sampler = "random", confirm = 3, data = { train, validation }, run = run, table = false,
  }
  for key, value in pairs(more) do
    given[key] = value
  end
  return search.sweep(given)
end

-- Best value so far against the epochs trained so far, in the order of trials.
local function progress(study)
  local epochs, x, y, best = 0, {}, {}, -math.huge
  for _, trial in ipairs(study.trials) do
    epochs = epochs + #trial.epochs
    best = math.max(best, trial.best or -math.huge)
    x[#x + 1], y[#y + 1] = epochs, best
  end
  return x, y, epochs
end

local hyperband = sweep { name = "hyperband", pruner = search.pruner.hyperband { max_epochs = EPOCHS }, trials = 80 }
local x, y, epochs = progress(hyperband)
local plain = sweep { name = "no-pruner", trials = 80, budget = { epochs = epochs } }
local px, py, plain_epochs = progress(plain)

for _, study in ipairs { hyperband, plain } do
  local best = study:best()
  print(("%-10s  %3d trials, %4d epochs: best %.2f %%, on fresh seeds %.2f ± %.2f %%  %s"):format(study.name,
    #study.trials, study == plain and plain_epochs or epochs, 100 * best.mean, 100 * best.fresh.mean,
    100 * best.fresh.std, best.label))
end
report.sweep(hyperband, { table = false })
report.plot {
  title = "What as many epochs find", x = { label = "epochs trained, all trials together" },
  y = { label = "best validation accuracy so far", min = 0.8 },
  series = { { name = "Hyperband", x = x, y = y, style = "steps" },
    { name = "every trial to its end", x = px, y = py, style = "steps", dash = "dashed" } },
  file = "results/hyperband-progress",
}
print "\nplot: results/hyperband-progress.png (and .svg)"

return hyperband
