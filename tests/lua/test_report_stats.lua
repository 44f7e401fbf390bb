-- Statistics of reports, against values made with scipy (tests/golden/make_stats.py).
local testing = require "testing"
local special = require "report.special"
local stats = require "report.stats"

local folder = testing.here or "tests/lua/"
local golden = dofile(folder .. "../golden/stats.lua")
local NAN = 0 / 0
local tests = {}

-- Relative to the value itself: tail probabilities are small.
local function close(actual, expected, tolerance, what)
  local limit = tolerance * math.max(math.abs(expected), 1e-280)
  testing.ok(actual == expected or math.abs(actual - expected) <= limit,
    ("%s: %.17g expected, got %.17g"):format(what, expected, actual))
end

tests["distribution functions agree with scipy"] = function()
  for _, row in ipairs(golden.t_cdf) do
    close(special.t_cdf(row.t, row.df), row.p, 1e-11, ("t_cdf(%g, %g)"):format(row.t, row.df))
  end
  for _, row in ipairs(golden.t_quantile) do
    -- scipy's quantile is good to nine digits; the round trip holds ours to more.
    local t = special.t_quantile(row.p, row.df)
    close(t, row.t, 1e-8, ("t_quantile(%g, %g)"):format(row.p, row.df))
    close(special.t_cdf(t, row.df), row.p, 1e-12, ("t_cdf(t_quantile(%g, %g))"):format(row.p, row.df))
  end
  for _, row in ipairs(golden.normal) do
    close(special.normal_cdf(row.z), row.p, 1e-12, ("normal_cdf(%g)"):format(row.z))
    if row.z > -10 and row.z < 3 then
      testing.near(special.normal_quantile(row.p), row.z, 1e-11)
    end
  end
  for _, row in ipairs(golden.log_gamma) do
    close(special.log_gamma(row.x), row.value, 1e-13, ("log_gamma(%g)"):format(row.x))
  end
end

tests["summaries and t intervals agree with scipy"] = function()
  for _, row in ipairs(golden.summary) do
    close(stats.mean(row.x), row.mean, 1e-14, "mean")
    close(stats.std(row.x), row.std, 1e-12, "std")
    close(stats.median(row.x), row.median, 1e-14, "median")
    close(stats.quantile(row.x, 0.1), row.q10, 1e-13, "quantile 0.1")
    close(stats.quantile(row.x, 0.75), row.q75, 1e-13, "quantile 0.75")
    close(stats.standard_error(row.x), row.error, 1e-12, "standard error")
    local low, high = stats.t_interval(row.x, 0.9)
    testing.near({ low, high }, { row.low, row.high }, 1e-8)
  end
end

tests["the paired t-test agrees with scipy"] = function()
  for _, row in ipairs(golden.paired) do
    local result = stats.paired_t_test(row.a, row.b)
    close(result.statistic, row.statistic, 1e-12, "t")
    close(result.p, row.p, 1e-10, "p")
    testing.near({ result.low, result.high }, { row.low, row.high }, 1e-8)
  end
end

local function check_ranks(name, method, test)
  for i, row in ipairs(golden[name]) do
    local result = test(row.a, row.b)
    testing.equal(result.statistic, row.statistic, name .. " " .. i)
    testing.equal(result.method, method, name .. " " .. i)
    close(result.p, row.p, 1e-11, name .. " " .. i)
  end
end

tests["Mann-Whitney agrees with scipy, and with enumeration where values tie"] = function()
  check_ranks("mann_whitney", "exact", stats.mann_whitney)
  check_ranks("mann_whitney_ties", "exact", stats.mann_whitney)
  check_ranks("mann_whitney_large", "normal", stats.mann_whitney)
end

tests["Wilcoxon agrees with scipy, and with enumeration where values tie"] = function()
  check_ranks("wilcoxon", "exact", stats.wilcoxon)
  check_ranks("wilcoxon_ties", "exact", stats.wilcoxon)
  check_ranks("wilcoxon_large", "normal", stats.wilcoxon)
end

tests["bootstrap intervals are near scipy's and repeat exactly"] = function()
  for _, row in ipairs(golden.bootstrap) do
    local options = { method = row.method, resamples = 20000, seed = 3 }
    local low, high = stats.bootstrap_interval(row.x, options)
    testing.near({ low, high }, { row.low, row.high }, 0.05 * (row.high - row.low))
    local again, same = stats.bootstrap_interval(row.x, options)
    testing.equal({ again, same }, { low, high })
  end
  math.randomseed(1)
  local first = math.random()
  math.randomseed(1)
  stats.bootstrap_interval({ 1, 2, 3 })
  testing.equal(math.random(), first, "math.random is left alone")
end

tests["bootstrap takes any statistic and refuses unknown options"] = function()
  local low, high = stats.bootstrap_interval({ 1, 2, 3, 4, 100 }, { statistic = stats.median })
  testing.ok(low >= 1 and high <= 100 and low <= 3 and high >= 3)
  testing.raises("did you mean 'level'", stats.bootstrap_interval, { 1, 2 }, { levl = 0.9 })
end

tests["Holm's correction steps down and keeps the order given"] = function()
  testing.near(stats.holm { 0.01, 0.04, 0.03, 0.005 }, { 0.03, 0.06, 0.06, 0.02 }, 1e-12)
  testing.near(stats.holm { 0.9, 0.8 }, { 1, 1 })
  testing.equal(stats.holm {}, {})
end

tests["small, constant and undefined inputs have defined results"] = function()
  testing.near({ stats.mean {}, stats.std { 1 }, stats.median {} }, { NAN, NAN, NAN })
  testing.near({ stats.t_interval { 1 } }, { NAN, NAN })
  testing.near({ stats.t_interval { 2, 2, 2 } }, { 2, 2 })
  testing.near(stats.quantile({ 1, NAN }, 0.5), NAN)
  testing.near(stats.quantile({ 1, math.huge, math.huge }, 0.75), math.huge)
  testing.equal(stats.paired_t_test({ 1, 2 }, { 1, 2 }).p, 1)
  testing.equal(stats.paired_t_test({ 2, 3 }, { 1, 2 }).p, 0)
  testing.near(stats.paired_t_test({ 2 }, { 1 }).p, NAN)
  testing.equal(stats.wilcoxon({ 1, 2 }, { 1, 2 }).p, 1)
  testing.equal(stats.mann_whitney({ 1, 1 }, { 1, 1, 1 }).p, 1)
  testing.near(stats.mann_whitney({ NAN }, { 1 }).p, NAN)
  testing.equal(stats.sum { 1e100, 1, -1e100 }, 1)
  testing.raises("got 2 and 1", stats.paired_t_test, { 1, 2 }, { 1 })
end

return testing.run(tests)
