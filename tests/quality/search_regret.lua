--- The samplers of nnrun on test functions, for docs/search.md.
---
---   nnrun tests/quality/search_regret.lua [SEEDS] [TRIALS] [SAMPLER,...] [LAG] > nnrun.csv
---
--- One line a run: library,sampler,function,seed and the smallest regret after 40 and after all trials.
--- Samplers have their defaults; LAG 1, the default, is one trial after another. optuna_regret.py
--- does the same with Optuna, compare.py makes the table.
local proposals = require "search.proposals"
local search = require "search"

local HARTMANN_A = { { 10, 3, 17, 3.5, 1.7, 8 }, { 0.05, 10, 17, 0.1, 8, 14 },
  { 3, 3.5, 1.7, 10, 17, 8 }, { 17, 8, 0.05, 10, 0.1, 14 } }
local HARTMANN_P = { { 1312, 1696, 5569, 124, 8283, 5886 }, { 2329, 4135, 8307, 3736, 1004, 9991 },
  { 2348, 1451, 3522, 2883, 3047, 6650 }, { 4047, 8828, 8732, 5743, 1091, 381 } }
local HARTMANN_ALPHA = { 1, 1.2, 3, 3.2 }
local cos, exp, pi, sin, sqrt = math.cos, math.exp, math.pi, math.sin, math.sqrt

local function branin(x)
  local a = x[2] - 5.1 / (4 * pi * pi) * x[1] ^ 2 + 5 / pi * x[1] - 6
  return a * a + 10 * (1 - 1 / (8 * pi)) * cos(x[1]) + 10 - 0.397887357729739
end

local function hartmann6(x)
  local total = 0
  for i, alpha in ipairs(HARTMANN_ALPHA) do
    local sum = 0
    for j, value in ipairs(x) do
      sum = sum + HARTMANN_A[i][j] * (value - HARTMANN_P[i][j] / 1e4) ^ 2
    end
    total = total + alpha * exp(-sum)
  end
  return 3.322368011415511 - total
end

local function ackley5(x)
  local squares, cosines = 0, 0
  for _, value in ipairs(x) do
    squares, cosines = squares + value * value, cosines + cos(2 * pi * value)
  end
  return 20 + exp(1) - 20 * exp(-0.2 * sqrt(squares / #x)) - exp(cosines / #x)
end

local function rosenbrock4(x)
  local sum = 0
  for i = 1, #x - 1 do
    sum = sum + 100 * (x[i + 1] - x[i] ^ 2) ^ 2 + (1 - x[i]) ^ 2
  end
  return sum
end

local function levy4(x)
  local w = {}
  for i, value in ipairs(x) do
    w[i] = 1 + (value - 1) / 4
  end
  local last = w[#w]
  local sum = sin(pi * w[1]) ^ 2 + (last - 1) ^ 2 * (1 + sin(2 * pi * last) ^ 2)
  for i = 1, #w - 1 do
    sum = sum + (w[i] - 1) ^ 2 * (1 + 10 * sin(pi * w[i] + 1) ^ 2)
  end
  return sum
end

-- Of the next three no constant of ours was chosen on.
local SHIFT = { 12, -20, 7, -15, 24 }
local SHEKEL_BETA = { 1, 2, 2, 4, 4, 6, 3, 7, 5, 5 }
local SHEKEL_C = { { 4, 4, 4, 4 }, { 1, 1, 1, 1 }, { 8, 8, 8, 8 }, { 6, 6, 6, 6 }, { 3, 7, 3, 7 },
  { 2, 9, 2, 9 }, { 5, 3, 5, 3 }, { 8, 1, 8, 1 }, { 6, 2, 6, 2 }, { 7, 3.6, 7, 3.6 } }

local function shifted5(x)
  local moved = {}
  for i, value in ipairs(x) do
    moved[i] = value - SHIFT[i]
  end
  return ackley5(moved)
end

local function styblinski5(x)
  local sum = 0
  for _, value in ipairs(x) do
    sum = sum + value ^ 4 - 16 * value * value + 5 * value
  end
  return sum / 2 + 5 * 39.16616570377142
end

local function shekel4(x)
  local sum = 0
  for i, beta in ipairs(SHEKEL_BETA) do
    local squares = 0
    for j, value in ipairs(x) do
      squares = squares + (value - SHEKEL_C[i][j]) ^ 2
    end
    sum = sum + 1 / (beta / 10 + squares)
  end
  return 10.536443153483533 - sum
end

local function cube(low, high, width)
  local ranges = {}
  for i = 1, width do
    ranges[i] = { low, high }
  end
  return ranges
end

local FUNCTIONS = {
  { "branin", branin, { { -5, 10 }, { 0, 15 } } },
  { "hartmann6", hartmann6, cube(0, 1, 6) },
  { "ackley5", ackley5, cube(-32.768, 32.768, 5) },
  { "rosenbrock4", rosenbrock4, cube(-5, 10, 4) },
  { "levy4", levy4, cube(-10, 10, 4) },
  { "shifted5", shifted5, cube(-32.768, 32.768, 5) },
  { "styblinski5", styblinski5, cube(-5, 5, 5) },
  { "shekel4", shekel4, cube(0, 10, 4) },
}

local GOAL = { direction = "min" }

local function run(row, sampler, seed, trials, lag)
  local space, results = {}, {}
  for i, range in ipairs(row[3]) do
    space["x" .. i] = search.float(range[1], range[2])
  end
  local asked = proposals.new { space = search.space(space), seed = seed, sampler = sampler, goal = GOAL }
  local best, early = math.huge, nil
  for k = 1, trials do
    if asked.tell and k > lag then
      asked.tell(k - lag, results[k - lag])
    end
    local params, x = asked.ask(k), {}
    asked.known(k, params)
    for i = 1, #row[3] do
      x[i] = params["x" .. i]
    end
    local value = row[2](x)
    results[k] = { params = params, state = "finished", value = value }
    best = math.min(best, value)
    early = k == 40 and best or early
  end
  return early or best, best
end

local seeds, trials = tonumber(arg[1]) or 30, tonumber(arg[2]) or 100
local lag = tonumber(arg[4]) or 1
for name in (arg[3] or "random,sobol,halton,tpe,gp,cmaes,de,evolution"):gmatch("[^,]+") do
  for _, row in ipairs(FUNCTIONS) do
    for seed = 1, seeds do
      local early, best = run(row, name, seed, trials, lag)
      print(("nnrun,%s,%s,%d,%.9g,%.9g"):format(name, row[1], seed, early, best))
      io.stdout:flush()
    end
  end
end
