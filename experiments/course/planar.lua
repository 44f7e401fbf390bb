-- One hidden layer: points on the petals of a flower, which no straight line can part. How many
-- hidden units does it take?
--
--   nnrun experiments/course/planar.lua             a flower of its own
--   nnrun experiments/course/planar.lua FILE.csv    columns x1, x2 and y, as data_planar.csv
local data, nn, report = require "data", require "nn", require "report"

local set = arg[1] and data.csv(arg[1], { target = "y" }) or data.planar_flower { n = 400, seed = 1 }
print(set)

local function fit(model)
  return model:fit(set, {
    loss = "binary_cross_entropy", optimizer = nn.SGD { lr = 1.2 },
    batch_size = "full", epochs = 5000, metrics = {}, seed = 1,
  })
end

-- No hidden layer at all: logistic regression, for comparison.
local line = nn.Sequential { nn.Linear(1) }
fit(line)
print(("no hidden layer     accuracy %5.1f %%"):format(100 * line:evaluate(set).accuracy))

local curves, models = {}, {}
for _, hidden in ipairs { 1, 2, 3, 4, 5, 20, 50 } do
  local model = nn.Sequential { nn.Linear(hidden, "tanh"), nn.Linear(1) }
  local history = fit(model)
  print(("%2d hidden units     accuracy %5.1f %%   cost %.6f"):format(hidden,
    100 * model:evaluate(set).accuracy, history.epochs[#history.epochs].loss))
  history.name = ("%d hidden"):format(hidden)
  curves[#curves + 1], models[hidden] = history, model
end

report.curves(curves, { title = "Planar data: cost and hidden units", file = "results/planar", terminal = true })
report.boundary(line, set, { title = "No hidden layer", file = "results/planar_line" })
report.boundary(models[4], set, { title = "4 hidden units", file = "results/planar_4_hidden" })
report.boundary(models[50], set, { title = "50 hidden units", file = "results/planar_50_hidden" })
print("curves and boundaries: results/planar*.png")
