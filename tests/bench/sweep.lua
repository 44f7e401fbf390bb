-- 64 trials of 64-H-10 on 8x8 digits (20 epochs, batches of 32, Adam): 4 sizes x 4 rates x 4 seeds.
-- The digits are scikit-learn's where they are installed; else random numbers of the same shape.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local data = require "data"
local nn = require "nn"
local search = require "search"

local DIGITS = "/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz"
local file = io.open(DIGITS)
local set = file and data.csv(DIGITS, { header = false, target = -1 }) or bench.classes(1797, 64)
if file then
  file:close()
  set = data.set { x = set.x / 16, y = set.y, name = "digits" }
end
local train, validation = set:split { 1437, 360, seed = 0 }

table.move({}, 1, #arg, 1, arg) -- the sweep reads options of its own
local number = 0
bench.report("sweep", 64, function()
  number = number + 1
  local store = os.tmpname()
  os.remove(store)
  local study = search.sweep {
    name = "bench", store = store, objective = "max val_accuracy", seeds = 4, quiet = true, table = false,
    workers = bench.threads,
    space = { hidden = search.choice { 16, 32, 64, 128 }, lr = search.choice { 1e-4, 3e-4, 1e-3, 3e-3 } },
    sampler = "grid", confirm = 0,
    run = function(trial)
      local model = nn.Sequential { nn.Linear(trial.params.hidden, "relu"), nn.Linear(10) }
      local history = model:fit(train, { optimizer = nn.Adam { lr = trial.params.lr }, epochs = 20,
        batch_size = 32, metrics = {}, seed = trial.seed })
      return { val_accuracy = model:evaluate(validation).accuracy, loss = history.epochs[20].loss }
    end,
  }
  for _, ending in ipairs { "", "-wal", "-shm" } do
    os.remove(store .. ending)
  end
  return study:best().mean
end)
