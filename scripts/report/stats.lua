--- Statistics for comparing trained models: summaries, intervals, tests, corrections.
--
-- Every function takes plain lists of numbers and is deterministic: resampling draws from its own
-- seeded generator, never from math.random. NaN in the input gives NaN out, except where said.
local special = require "report.special"

local M = {}

local NAN = 0 / 0
-- Beyond this many pairs or observations a rank test uses the normal approximation (the exact
-- distribution costs the cube of the size).
local EXACT_PAIRS, EXACT_PRODUCT = 50, 2500

local function sorted_copy(values)
  local copy = table.move(values, 1, #values, 1, {})
  for _, value in ipairs(copy) do
    if value ~= value then
      return nil -- NaN has no order
    end
  end
  table.sort(copy)
  return copy
end

--- Sum of a list, by Neumaier's compensated summation.
---@param values number[]
---@return number
function M.sum(values)
  local sum, lost = 0.0, 0.0
  for _, value in ipairs(values) do
    local total = sum + value
    if math.abs(sum) >= math.abs(value) then
      lost = lost + (sum - total + value)
    else
      lost = lost + (value - total + sum)
    end
    sum = total
  end
  return lost == lost and sum + lost or sum -- infinities make the correction NaN
end

--- Arithmetic mean; NaN of an empty list.
---@param values number[]
---@return number
function M.mean(values)
  return #values > 0 and M.sum(values) / #values or NAN
end

--- Sample variance with n - 1 in the denominator; NaN for fewer than two values.
---@param values number[]
---@return number
function M.variance(values)
  if #values < 2 then
    return NAN
  end
  local mean, squares = M.mean(values), {}
  for i, value in ipairs(values) do
    squares[i] = (value - mean) ^ 2
  end
  return M.sum(squares) / (#values - 1)
end

--- Sample standard deviation (n - 1); NaN for fewer than two values.
---@param values number[]
---@return number
function M.std(values)
  return math.sqrt(M.variance(values))
end

--- Standard error of the mean: std / sqrt(n).
---@param values number[]
---@return number
function M.standard_error(values)
  return M.std(values) / math.sqrt(#values)
end

--- Quantile by linear interpolation between order statistics (R's type 7, numpy's default).
---@param values number[]
---@param p number 0 <= p <= 1
---@return number quantile NaN of an empty list
function M.quantile(values, p)
  assert(p >= 0 and p <= 1, "quantile: p must be between 0 and 1")
  local sorted = sorted_copy(values)
  if not sorted or #sorted == 0 then
    return NAN
  end
  local place = 1 + (#sorted - 1) * p
  local below = math.floor(place)
  local above = math.min(below + 1, #sorted)
  if sorted[below] == sorted[above] then
    return sorted[below] -- also keeps infinities from becoming NaN
  end
  return sorted[below] + (place - below) * (sorted[above] - sorted[below])
end

--- Median; the mean of the two middle values when their number is even.
---@param values number[]
---@return number
function M.median(values)
  return M.quantile(values, 0.5)
end

--- The usual numbers of a list at once.
---@param values number[]
---@return {n: integer, mean: number, std: number, median: number, min: number, max: number}
function M.summary(values)
  local sorted = sorted_copy(values)
  return {
    n = #values, mean = M.mean(values), std = M.std(values), median = M.median(values),
    min = sorted and sorted[1] or NAN, max = sorted and sorted[#sorted] or NAN,
  }
end

--- Confidence interval of the mean, from Student's t distribution.
---@param values number[] at least two
---@param level number? confidence, default 0.95
---@return number low NaN for fewer than two values
---@return number high
function M.t_interval(values, level)
  if #values < 2 then
    return NAN, NAN
  end
  local mean = M.mean(values)
  local reach = M.standard_error(values) * special.t_quantile(0.5 + (level or 0.95) / 2, #values - 1)
  return mean - reach, mean + reach
end

-- splitmix64 (Steele, Lea, Flood 2014), as a function that returns integers from 1 to `bound`.
local function generator(seed)
  local state = seed * 2654435761
  return function(bound)
    state = state + 0x9E3779B97F4A7C15
    local z = state
    z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ~ (z >> 27)) * 0x94D049BB133111EB
    z = z ~ (z >> 31)
    return (z >> 11) % bound + 1
  end
end

-- The values of `statistic` with each observation left out in turn give the acceleration of BCa.
local function acceleration(values, statistic)
  local left_out = {}
  for skip = 1, #values do
    local rest = {}
    for i, value in ipairs(values) do
      if i ~= skip then
        rest[#rest + 1] = value
      end
    end
    left_out[skip] = statistic(rest)
  end
  local mean, squares, cubes = M.mean(left_out), 0, 0
  for _, value in ipairs(left_out) do
    squares = squares + (mean - value) ^ 2
    cubes = cubes + (mean - value) ^ 3
  end
  return squares > 0 and cubes / (6 * squares ^ 1.5) or 0
end

-- Bias correction and acceleration (Efron 1987): which quantiles of the resampled values to read.
local function corrected_levels(values, statistic, resampled, alpha)
  local observed, below = statistic(values), 0
  for _, value in ipairs(resampled) do
    below = below + (value < observed and 1 or value == observed and 0.5 or 0)
  end
  local share = below / #resampled
  if share <= 0 or share >= 1 then
    return alpha, 1 - alpha
  end
  local bias, bend = special.normal_quantile(share), acceleration(values, statistic)
  local function level(p)
    local z = bias + special.normal_quantile(p)
    return special.normal_cdf(bias + z / (1 - bend * z))
  end
  return level(alpha), level(1 - alpha)
end

--- Bootstrap confidence interval of any statistic, bias-corrected and accelerated (BCa, Efron 1987).
---@param values number[] at least two
---@param options {statistic: function?, level: number?, resamples: integer?, seed: integer?, method: string?}?
---statistic default mean, level default 0.95, resamples default 2000, seed default 1, method "bca"
---(default) or "percentile"
---@return number low NaN for fewer than two values
---@return number high
function M.bootstrap_interval(values, options)
  options = require("options").check(options, {
    statistic = { type = "callable", default = M.mean }, method = { type = "string", default = "bca",
      choices = { "bca", "percentile" } },
    level = { type = "number", default = 0.95, above = 0, below = 1 },
    resamples = { type = "integer", default = 2000, min = 10 },
    seed = { type = "integer", default = 1 },
  }, "stats.bootstrap_interval")
  if #values < 2 then
    return NAN, NAN
  end
  local pick, resampled, sample = generator(options.seed), {}, {}
  for r = 1, options.resamples do
    for i = 1, #values do
      sample[i] = values[pick(#values)]
    end
    resampled[r] = options.statistic(sample)
  end
  local alpha = (1 - options.level) / 2
  local low, high = alpha, 1 - alpha
  if options.method == "bca" then
    low, high = corrected_levels(values, options.statistic, resampled, alpha)
  end
  return M.quantile(resampled, low), M.quantile(resampled, high)
end

local function differences(a, b, where)
  if #a ~= #b then
    require("options").fail("%s: paired lists must be of one length, got %d and %d", where, #a, #b)
  end
  local result = {}
  for i, value in ipairs(a) do
    result[i] = value - b[i]
  end
  return result
end

--- Paired t-test, two-sided: do a and b differ on average, pair by pair (one pair per seed)?
---@param a number[]
---@param b number[] as long as a
---@return {statistic: number, p: number, df: integer, mean: number, low: number, high: number, n: integer}
---mean difference a - b with its 95 % interval; p is NaN for fewer than two pairs
function M.paired_t_test(a, b)
  local difference = differences(a, b, "stats.paired_t_test")
  local n, mean, error_of_mean = #difference, M.mean(difference), M.standard_error(difference)
  local low, high = M.t_interval(difference)
  local t = mean / error_of_mean
  if n >= 2 and error_of_mean == 0 then
    t = mean == 0 and NAN or mean / 0
  end
  local p = NAN
  if n >= 2 then
    p = mean == 0 and error_of_mean == 0 and 1 or 2 * special.t_cdf(-math.abs(t), n - 1)
  end
  return { statistic = t, p = p, df = n - 1, mean = mean, low = low, high = high, n = n }
end

--- Ranks from 1, ties sharing the mean of their ranks, and the sum of t^3 - t over groups of ties.
---@param values number[]
---@return number[] ranks
---@return number ties
function M.ranks(values)
  local order, ranks, ties = {}, {}, 0
  for i = 1, #values do
    order[i] = i
  end
  table.sort(order, function(i, j)
    return values[i] < values[j] or values[i] == values[j] and i < j
  end)
  local first = 1
  while first <= #order do
    local last = first
    while last < #order and values[order[last + 1]] == values[order[first]] do
      last = last + 1
    end
    for place = first, last do
      ranks[order[place]] = (first + last) / 2
    end
    local count = last - first + 1
    ties = ties + count ^ 3 - count
    first = last + 1
  end
  return ranks, ties
end

-- In how many ways `take` of the doubled ranks (integers) add up to each sum: ways[taken][sum].
-- take = nil: any number of them, ways[sum].
local function count_sums(doubled, take)
  local total = 0
  for _, rank in ipairs(doubled) do
    total = total + rank
  end
  local ways = {}
  for taken = 0, take or 0 do
    ways[taken] = {}
    for sum = 0, total do
      ways[taken][sum] = 0.0
    end
  end
  ways[0][0] = 1.0
  for _, rank in ipairs(doubled) do
    for taken = take or 0, take and 1 or 0, -1 do
      local to, from = ways[taken], ways[take and taken - 1 or 0]
      for sum = total, rank, -1 do
        to[sum] = to[sum] + from[sum - rank]
      end
    end
  end
  return ways[take or 0]
end

-- Two-sided p of an observed doubled rank sum: twice the smaller tail, at most 1.
local function two_sided(ways, observed)
  local below, above, all = 0.0, 0.0, 0.0
  for sum = 0, #ways do
    all = all + ways[sum]
    below = below + (sum <= observed and ways[sum] or 0)
    above = above + (sum >= observed and ways[sum] or 0)
  end
  return math.min(1, 2 * math.min(below, above) / all)
end

local function doubled_ranks(ranks)
  local result = {}
  for i, rank in ipairs(ranks) do
    result[i] = math.tointeger(2 * rank)
  end
  return result
end

local function has_nan(values)
  for _, value in ipairs(values) do
    if value ~= value then
      return true
    end
  end
  return false
end

--- Mann-Whitney U test, two-sided: does one of two independent groups tend to larger values?
---
--- Exact when #a * #b <= 2500 and no more than 100 values (ties included, by counting all splits of
--- the ranks), else the normal approximation with tie and continuity correction.
---@param a number[]
---@param b number[]
---@return {statistic: number, p: number, method: string} statistic is U of a: pairs with a > b, ties 1/2
function M.mann_whitney(a, b)
  local n, m = #a, #b
  local all = table.move(b, 1, m, n + 1, table.move(a, 1, n, 1, {}))
  if n == 0 or m == 0 or has_nan(all) then
    return { statistic = NAN, p = NAN, method = "none" }
  end
  local ranks, ties = M.ranks(all)
  local rank_sum = 0
  for i = 1, n do
    rank_sum = rank_sum + ranks[i]
  end
  local u = rank_sum - n * (n + 1) / 2
  if n * m <= EXACT_PRODUCT and n + m <= 2 * EXACT_PAIRS then
    local p = two_sided(count_sums(doubled_ranks(ranks), n), math.tointeger(2 * rank_sum))
    return { statistic = u, p = p, method = "exact" }
  end
  local total = n + m
  local spread = math.sqrt(n * m / 12 * (total + 1 - ties / (total * (total - 1))))
  local z = (math.max(u, n * m - u) - n * m / 2 - 0.5) / spread
  local p = spread > 0 and math.min(1, 2 * special.normal_cdf(-z)) or 1
  return { statistic = u, p = p, method = "normal" }
end

--- Wilcoxon signed-rank test, two-sided, for pairs: are differences a - b symmetric about zero?
---
--- Zero differences are dropped. Exact up to 50 pairs (ties included), else the normal approximation
--- with tie correction.
---@param a number[]
---@param b number[] as long as a
---@return {statistic: number, p: number, n: integer, method: string} statistic is the smaller rank sum
function M.wilcoxon(a, b)
  local sizes, positive = {}, {}
  local difference = differences(a, b, "stats.wilcoxon")
  if has_nan(difference) then
    return { statistic = NAN, p = NAN, n = #difference, method = "none" }
  end
  for _, value in ipairs(difference) do
    if value ~= 0 then
      sizes[#sizes + 1] = math.abs(value)
      positive[#sizes] = value > 0
    end
  end
  local n = #sizes
  if n == 0 then
    return { statistic = 0, p = 1, n = 0, method = "exact" }
  end
  local ranks, ties = M.ranks(sizes)
  local plus, total = 0, n * (n + 1) / 2
  for i, rank in ipairs(ranks) do
    plus = plus + (positive[i] and rank or 0)
  end
  local statistic = math.min(plus, total - plus)
  if n <= EXACT_PAIRS then
    local p = two_sided(count_sums(doubled_ranks(ranks)), math.tointeger(2 * plus))
    return { statistic = statistic, p = p, n = n, method = "exact" }
  end
  local spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24 - ties / 48)
  local p = math.min(1, 2 * special.normal_cdf((statistic - total / 2) / spread))
  return { statistic = statistic, p = p, n = n, method = "normal" }
end

--- Holm's step-down correction (Holm 1979) of several p-values: compare the results with the level.
---@param p number[]
---@return number[] adjusted in the order given, each at most 1
function M.holm(p)
  local order, adjusted, largest = {}, {}, 0
  for i = 1, #p do
    order[i] = i
  end
  table.sort(order, function(i, j)
    return p[i] < p[j] or p[i] == p[j] and i < j
  end)
  for place, i in ipairs(order) do
    largest = math.max(largest, math.min(1, (#p - place + 1) * p[i]))
    adjusted[i] = largest
  end
  return adjusted
end

return M
