-- The main job: which small network reads clothes best? A random search over shape, activation,
-- optimiser and learning rate on Fashion-MNIST, two seeds each, every core busy.
--
--   nnrun experiments/sweep.lua             run it, or continue where it stopped
--   nnrun experiments/sweep.lua --help      what can be set: -j 4, --trials 64, --set epochs=10 ...
local data, nn, report, search = require "data", require "nn", require "report", require "search"

local set, test = data.fashion_mnist()
local train, validation = set:split { 50000, 10000, stratify = true, seed = 1 }

-- The network a configuration describes.
local function build(p)
  local layers = { nn.Flatten() }
  for i = 1, p.depth do
    layers[i + 1] = nn.Linear(p.hidden, p.activation, { weight_init = "he_normal", bias_init = "zeros" })
  end
  layers[#layers + 1] = nn.Linear(10)
  return nn.Sequential(layers)
end

local function fit(p, given)
  local model = build(p)
  local history = model:fit(train, {
    optimizer = nn.optimizer(p.optimizer, { lr = p.lr }), batch_size = 100, epochs = p.epochs,
    validation = validation, seed = given.seed, trial = given.trial,
  })
  return history, model
end

local study = search.sweep {
  name = "fashion-mlp",
  objective = "max val_accuracy",
  space = {
    hidden = search.choice { 32, 64, 128, 192 },
    depth = search.int(1, 3),
    activation = search.choice { "relu", "tanh", "elu" },
    optimizer = search.choice { "adam", "rmsprop" },
    lr = search.float(3e-4, 1e-2, { log = true }),
    epochs = search.fixed(6),
  },
  sampler = "random", trials = 32, seeds = 2, confirm = 3,
  data = { train, validation }, test = test, -- sealed: who looks at it is counted
  run = function(trial)
    return fit(trial.params, { seed = trial.seed, trial = trial })
  end,
}

report.sweep(study, { dir = "results" })

-- Only now the test data is looked at, by the winner alone, trained again from its recorded seeds.
local best = study:best()
print(("\nThe winner, %s, on the test data:"):format(best.label))
for _, number in ipairs(best.trials) do
  local seed = study.trials[number].seed
  local _, model = fit(best.params, { seed = seed })
  local result = model:evaluate(test)
  print(("  seed %-20d accuracy %.2f %%, loss %.4f"):format(seed, 100 * result.accuracy, result.loss))
end
print(study:looks_text())

return study
