-- A tour of samplers: how fast do they find the bottom of three test functions, and where do they look?
-- Branin (two parameters, three equal bottoms), Rosenbrock (four, a long bent valley), Ackley (five, a
-- bumpy plain with one deep hole).
--
--   nnrun experiments/samplers.lua [trials, default 60] [seeds, default 5]
local report, search = require "report", require "search"

local TRIALS, SEEDS = tonumber(arg[1]) or 60, tonumber(arg[2]) or 5
local SAMPLERS = { "random", "sobol", "evolution", "tpe", "cmaes", "gp" }

local function branin(x)
  local a, b = x[1], x[2]
  return (b - 5.1 / (4 * math.pi ^ 2) * a ^ 2 + 5 / math.pi * a - 6) ^ 2
    + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10
end

local function rosenbrock(x)
  local sum = 0
  for i = 1, #x - 1 do
    sum = sum + 100 * (x[i + 1] - x[i] ^ 2) ^ 2 + (1 - x[i]) ^ 2
  end
  return sum
end

local function ackley(x)
  local squares, waves = 0, 0
  for _, value in ipairs(x) do
    squares, waves = squares + value ^ 2 / #x, waves + math.cos(2 * math.pi * value) / #x
  end
  return 20 - 20 * math.exp(-0.2 * squares ^ 0.5) + math.exp(1) - math.exp(waves)
end

-- name, function, ranges of the parameters, its least value
local FUNCTIONS = {
  { "Branin", branin, { { -5, 10 }, { 0, 15 } }, 0.39788735772974 },
  { "Rosenbrock", rosenbrock, { { -5, 10 }, { -5, 10 }, { -5, 10 }, { -5, 10 } }, 0 },
  { "Ackley", ackley, { { -33, 33 }, { -33, 33 }, { -33, 33 }, { -33, 33 }, { -33, 33 } }, 0 },
}

-- One search: regret (best value so far, above the least) after each trial, and where it looked.
local function run(problem, sampler, seed)
  local space, f = {}, problem[2]
  for i, range in ipairs(problem[3]) do
    space["x" .. i] = search.float(range[1], range[2])
  end
  local function point(params)
    local x = {}
    for i in ipairs(problem[3]) do
      x[i] = params["x" .. i]
    end
    return x
  end
  local study = search.sweep {
    name = "tour", objective = "min value", space = space, sampler = sampler, trials = TRIALS, seed = seed, lag = 1,
    workers = 1, store = ":memory:", quiet = true, table = false, confirm = 0, preflight = false, arguments = {},
    run = function(trial)
      return f(point(trial.params))
    end,
  }
  local regret, points, best = {}, {}, math.huge
  for i, trial in ipairs(study.trials) do
    best = math.min(best, trial.best)
    regret[i], points[i] = math.max(best - problem[4], 1e-6), point(trial.params)
  end
  return regret, points
end

local panels, looked = {}, {}
print(("median regret of %d searches after %d trials"):format(SEEDS, TRIALS))
print(("%-12s%s"):format("", (("%12s"):rep(#SAMPLERS)):format(table.unpack(SAMPLERS))))
for p, problem in ipairs(FUNCTIONS) do
  local series, last = {}, {}
  for s, sampler in ipairs(SAMPLERS) do
    local columns, line = {}, {}
    for seed = 1, SEEDS do
      local regret, points = run(problem, sampler, seed)
      for i, value in ipairs(regret) do
        columns[i] = columns[i] or {}
        columns[i][seed] = value
      end
      if p == 1 and seed == 1 then
        looked[sampler] = points
      end
    end
    for i, values in ipairs(columns) do
      line[i] = report.stats.median(values)
    end
    series[s], last[s] = { name = sampler, y = line }, line[#line]
  end
  print(("%-12s%s"):format(problem[1], (("%12.4g"):rep(#last)):format(table.unpack(last))))
  panels[p] = { title = ("%s, %d parameters"):format(problem[1], #problem[3]), log_y = true,
    x = { label = "trial", integer = true }, y = { label = "median regret" }, series = series }
end
report.plot { panels = panels, columns = 3, size = { 470, 400 }, file = "results/samplers" }

-- Where they looked on Branin: bright is low.
local GRID = 60
local z, xs, ys = {}, {}, {}
for row = 1, GRID do
  z[row], ys[row] = {}, 15 * (row - 1) / (GRID - 1)
  for column = 1, GRID do
    xs[column] = -5 + 15 * (column - 1) / (GRID - 1)
    z[row][column] = math.log(branin { xs[column], ys[row] } + 0.1)
  end
end
local maps = {}
for s, sampler in ipairs(SAMPLERS) do
  local x, y = {}, {}
  for i, at in ipairs(looked[sampler]) do
    x[i], y[i] = at[1], at[2]
  end
  maps[s] = { title = sampler, x = { label = "x1", min = -5, max = 10 }, y = { label = "x2", min = 0, max = 15 },
    series = { { style = "image", x = xs, y = ys, z = z, palette = "grey" },
      { x = x, y = y, style = "points", color = 2, marker = 7, size = 0.7 } } }
end
report.plot { panels = maps, columns = 3, size = { 360, 320 }, legend = false, file = "results/samplers-where" }
print "\nplots: results/samplers.png, results/samplers-where.png (and .svg)"
