-- The adding problem: a sequence of numbers, two of them marked, one in each half; the answer is their sum.
-- A plain net forgets the first mark long before the end, an LSTM does not. After Hochreiter and Schmidhuber
-- (1997), "Long short-term memory", as Le, Jaitly and Hinton (2015) pose it. Answering 1 always costs 0.167.
--
--   nnrun experiments/adding.lua [STEPS] [SEED]     default 30 steps, seed 0; try 50
local data, nn, report, tensor = require "data", require "nn", require "report", require "tensor"

local steps, seed = math.tointeger(arg[1] or 30), math.tointeger(arg[2] or 0)
if not steps or steps < 2 or not seed then
  io.stderr:write("usage: adding.lua [STEPS] [SEED]: whole numbers, at least 2 steps\n")
  os.exit(2)
end

-- Sequences (n, steps, 2) of numbers from 0 to 1 and marks; their answers (n, 1).
local function sequences(n, from)
  tensor.manual_seed(from)
  local half = steps // 2
  local numbers = tensor.rand { n, steps }
  local marks = tensor.one_hot(tensor.randint(0, half, { n }), steps, "float32")
    + tensor.one_hot(tensor.randint(half, steps, { n }), steps, "float32")
  return data.set { x = tensor.stack({ numbers, marks }, 3), y = (numbers * marks):sum(2, true), name = "adding" }
end

-- 10 epochs of 150 batches: 1500 steps of the optimiser.
local train, test = sequences(150 * 64, 2 * seed + 1), sequences(2000, 2 * seed + 2)
local curves = {}
for _, net in ipairs { { "LSTM", nn.LSTM(32, { last = true }) }, { "plain net", nn.RNN(32, { last = true }) } } do
  local name, layer = table.unpack(net)
  local model = nn.Sequential { layer, nn.Linear(1) }
  local history = model:fit(train, { optimizer = nn.Adam { lr = 0.01 }, epochs = 10, batch_size = 64, clip_norm = 1,
    validation = test, seed = seed })
  local last = history.epochs[#history.epochs]
  print(("%-9s  %d steps: squared error %.5f after %d iterations"):format(name, steps,
    last.val_loss, 150 * #history.epochs))
  curves[#curves + 1] = { name = name, y = history:column "val_loss" }
end
report.plot {
  title = ("Adding two of %d numbers"):format(steps), file = "results/adding", log_y = true, series = curves,
  x = { label = "epoch of 150 iterations", integer = true }, y = { label = "squared error of the test" },
}
print("plot: results/adding.png and .svg")
