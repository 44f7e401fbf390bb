--- Pruners: which trials end early.
---
--- A pruner learns the curves of the trials that came long enough before (search/order.lua) and makes of
--- them a rule for the next: a table of plain data that goes with the trial to its worker. There the rule
--- alone decides, at epochs the rule names, so a verdict depends on no clock and no other worker.
---
---   pruner.tell(trial)         trials in order; `trial.curve` is a list of { epoch, value }
---   pruner.rule(config, params) -> rule or nil
---   M.verdict(rule, curve)     in the worker, after each epoch: a reason to stop, or nil
---
--- A rule may hold: `at`, by epoch the value that must be reached; `low` and `high`, outside of which the
--- last value must not be; `patience` with `min_delta`; `sign`, 1 where larger is better, else -1;
--- `smooth`, over how many of the last values the mean is judged.
---
--- A pruner with `order(plan, trials)` decides between stages instead: see search/stages.lua.
local options = require "options"
local stages = require "search.stages"

local M = {}

-- ---- in the worker ----

-- The mean of the last `count` values of a curve.
local function recent(curve, count)
  local first, sum = math.max(1, #curve - count + 1), 0
  for i = first, #curve do
    sum = sum + curve[i][2]
  end
  return sum / (#curve - first + 1)
end

local function missed(rule, curve)
  local last = curve[#curve]
  local wanted = rule.at and rule.at[last[1]]
  if wanted == nil then
    return nil
  end
  local value = recent(curve, rule.smooth or 1)
  if not (rule.sign * value >= rule.sign * wanted) then
    return ("%s: %.6g at epoch %d, others had %.6g"):format(rule.name, value, last[1], wanted)
  end
end

local function outside(rule, curve)
  local value = curve[#curve][2]
  if rule.low and not (value >= rule.low) or rule.high and not (value <= rule.high) then
    return ("%s: %.6g is outside %s to %s"):format(rule.name, value, rule.low and ("%.6g"):format(rule.low) or "-inf",
      rule.high and ("%.6g"):format(rule.high) or "inf")
  end
end

local function out_of_patience(rule, curve)
  if not rule.patience then
    return nil
  end
  local best, waited
  for _, point in ipairs(curve) do
    local value = rule.sign * point[2]
    if best == nil or value > best + rule.min_delta then
      best, waited = value, 0
    else
      waited = waited + 1
    end
  end
  if waited > rule.patience then
    return ("%s: nothing better for %d epochs"):format(rule.name, waited)
  end
end

--- Whether a trial ends here, and why.
---@param rule table
---@param curve table list of { epoch, value } of the objective, the newest last
---@return string? reason
function M.verdict(rule, curve)
  return missed(rule, curve) or outside(rule, curve) or out_of_patience(rule, curve)
end

-- ---- what is known of other trials ----

-- Insert into a sorted list.
local function insert_sorted(list, value)
  local low, high = 1, #list + 1
  while low < high do
    local middle = (low + high) // 2
    if list[middle] < value then
      low = middle + 1
    else
      high = middle
    end
  end
  table.insert(list, low, value)
end

-- By epoch, the sorted values (times sign: larger is better) of all trials that came so far.
local function collect(at, curve, sign, smooth)
  local partial = {}
  for i, point in ipairs(curve) do
    partial[i] = point
    local epoch = point[1]
    at[epoch] = at[epoch] or {}
    local value = sign * recent(partial, smooth)
    if value == value then
      insert_sorted(at[epoch], value)
    end
  end
end

-- Noise of curves from epoch to epoch: the median of |second differences| / sqrt(6), which a smooth
-- trend leaves near 0 (von Neumann 1941), as a standard deviation. Needs curves of three epochs.
local function note_noise(differences, curve)
  for i = 3, #curve do
    local d = curve[i][2] - 2 * curve[i - 1][2] + curve[i - 2][2]
    if d == d then
      insert_sorted(differences, math.abs(d))
    end
  end
end

local function noise_of(differences)
  return #differences > 0 and differences[(#differences + 1) // 2] * 1.4826 / 6 ^ 0.5 or 0
end

-- ---- the pruners ----

local SPECS, MAKERS = {}, {}

SPECS.percentile = {
  keep = { type = "number", above = 0, below = 1, default = 0.25, help = "share of trials that may go on" },
  startup = { type = "integer", min = 1, default = 5, help = "trials that run in full before any is judged" },
  warmup = { type = "integer", min = 0, default = 0, help = "epochs before the first judgement" },
  interval = { type = "integer", min = 1, default = 1, help = "epochs from one judgement to the next" },
  smooth = { type = "integer", min = 1, default = 3, help = "epochs over whose mean a trial is judged" },
  noise = { type = "number", min = 0, default = 1,
    help = "how many standard deviations of the curves' noise a trial may be worse" },
}

function MAKERS.percentile(given, sign, name)
  local at, differences, count = {}, {}, 0
  local curves_kept = 0
  return {
    tell = function(trial)
      local curve = trial.curve or {}
      if trial.state == "finished" or trial.state == "pruned" then
        collect(at, curve, sign, given.smooth)
        if curves_kept < 200 then -- enough to know the noise
          note_noise(differences, curve)
          curves_kept = curves_kept + 1
        end
        count = count + 1
      end
    end,
    rule = function()
      if count < given.startup then
        return nil
      end
      local rule = { name = name, sign = sign, at = {}, smooth = given.smooth }
      local margin = given.noise * noise_of(differences) / given.smooth ^ 0.5
      for epoch, values in pairs(at) do
        local judged = epoch > given.warmup and (epoch - given.warmup - 1) % given.interval == 0
        if judged and #values >= given.startup then
          local place = math.max(1, math.ceil(#values * (1 - given.keep)))
          rule.at[epoch] = sign * (values[place] - margin)
        end
      end
      return rule
    end,
  }
end

SPECS.median = {}
for key, row in pairs(SPECS.percentile) do
  SPECS.median[key] = key ~= "keep" and row or nil
end

function MAKERS.median(given, sign, name)
  given.keep = 0.5
  return MAKERS.percentile(given, sign, name)
end

SPECS.patience = {
  patience = { type = "integer", min = 0, default = 5, help = "epochs without anything better" },
  min_delta = { type = "number", min = 0, default = 0, help = "smallest difference that is better" },
}

function MAKERS.patience(given, sign, name)
  local rule = { name = name, sign = sign, patience = given.patience, min_delta = given.min_delta }
  return { tell = function() end, rule = function() return rule end }
end

SPECS.threshold = {
  low = { type = "number", help = "the objective must not be below" },
  high = { type = "number", help = "the objective must not be above" },
}

function MAKERS.threshold(given, sign, name)
  if not given.low and not given.high then
    options.fail("pruner 'threshold': give low, high or both")
  end
  local rule = { name = name, sign = sign, low = given.low, high = given.high }
  return { tell = function() end, rule = function() return rule end }
end

SPECS.asha = {
  min_epochs = { type = "integer", min = 1, default = 1, help = "epochs every trial gets" },
  max_epochs = { type = "integer", min = 1, help = "of a whole trial; default: judged at any rung" },
  reduction = { type = "integer", min = 2, default = 3, help = "one in so many goes on from each rung" },
}

-- The rungs of successive halving: min, min * reduction, ... below max.
local function rungs_of(first, reduction, most)
  local rungs, epoch = {}, first
  while epoch < (most or 1 << 20) do
    rungs[#rungs + 1] = epoch
    epoch = epoch * reduction
  end
  return rungs
end

-- One bracket of successive halving: at each rung a trial must be among the best 1/reduction of those
-- that got there before it; as long as those are fewer than `reduction`, it goes on.
local function bracket_of(first, reduction, most, sign, name)
  local rungs, reached = rungs_of(first, reduction, most), {}
  for _, rung in ipairs(rungs) do
    reached[rung] = {}
  end
  return {
    tell = function(trial)
      for _, point in ipairs(trial.curve or {}) do
        if reached[point[1]] and point[2] == point[2] then
          insert_sorted(reached[point[1]], sign * point[2])
        end
      end
    end,
    rule = function()
      local rule = { name = name, sign = sign, at = {} }
      for _, rung in ipairs(rungs) do
        local values = reached[rung]
        if #values >= reduction then
          rule.at[rung] = sign * values[#values - #values // reduction + 1]
        end
      end
      return rule
    end,
  }
end

function MAKERS.asha(given, sign, name)
  return bracket_of(given.min_epochs, given.reduction, given.max_epochs, sign, name)
end

SPECS.hyperband = {
  min_epochs = { type = "integer", min = 1, default = 1, help = "epochs every trial gets in the strictest bracket" },
  max_epochs = { type = "integer", min = 1, required = true, help = "epochs of a whole trial" },
  reduction = { type = "integer", min = 2, default = 3, help = "one in so many goes on from each rung" },
}

function MAKERS.hyperband(given, sign, name)
  local most = 0
  while given.min_epochs * given.reduction ^ (most + 1) <= given.max_epochs do
    most = most + 1
  end
  local brackets, deal = {}, {}
  for s = most, 0, -1 do
    local first = math.floor(given.min_epochs * given.reduction ^ (most - s))
    brackets[s] = bracket_of(first, given.reduction, given.max_epochs, sign, ("%s bracket %d"):format(name, s))
    -- trials that the bracket starts with, as the paper's algorithm 1 has them
    local starts = math.ceil((most + 1) / (s + 1) * given.reduction ^ s)
    for _ = 1, starts do
      deal[#deal + 1] = s
    end
  end
  return {
    tell = function(trial)
      brackets[deal[(trial.config - 1) % #deal + 1]].tell(trial)
    end,
    rule = function(config)
      return brackets[deal[(config - 1) % #deal + 1]].rule()
    end,
  }
end

-- ---- making one ----

SPECS.halving, SPECS.population = stages.HALVING, stages.POPULATION

function MAKERS.halving(given)
  return stages.halving(given)
end

function MAKERS.population(given)
  return stages.population(given)
end

--- A pruner by name, with options: `{ "asha", min_epochs = 2 }` or `search.pruner.asha { min_epochs = 2 }`, or
--- one's own: a table with `tell` and `rule`.
---@param given string|table|nil
---@param objective table of the sweep
---@return table? pruner with name, tell, rule
function M.make(given, objective)
  if given == nil then
    return nil
  end
  given = type(given) == "string" and { given } or given
  if type(given) == "table" and type(given[1]) == "string" then
    local name, chosen = given[1], {}
    if not MAKERS[name] then
      local names = options.keys(MAKERS)
      options.fail("unknown pruner '%s'%s", name, options.suggestion(name, names,
        "; the pruners are " .. table.concat(names, ", ")))
    end
    for key, value in pairs(given) do
      chosen[key] = key ~= 1 and value or nil
    end
    given = M.constructors[name](chosen)
  end
  if type(given) ~= "table" then
    options.fail("pruner must be a name, a name with options, search.pruner.NAME { ... }, or a table with tell and "
      .. "rule; got %s", options.show(given))
  elseif given.make then
    local pruner = given.make(objective.direction == "max" and 1 or -1)
    pruner.name = given.text
    return pruner
  elseif type(given.order) == "function" then
    return { name = given.name or "custom", order = given.order }
  elseif type(given.tell) ~= "function" or type(given.rule) ~= "function" then
    options.fail("a pruner of one's own needs the functions tell(trial) and rule(config, params)")
  end
  return { name = given.name or "custom", tell = given.tell, rule = given.rule }
end

-- A line of help for each, and the source of its method.
local HELP = {
  asha = "Successive halving without waiting for a rung to fill: judged against those that came there before. "
    .. "Li et al. 2020.",
  halving = "Successive halving in step: a group pauses at a rung, and the best of it go on. "
    .. "Jamieson and Talwalkar 2016.",
  hyperband = "Brackets of successive halving that begin to judge at different epochs; with sampler \"tpe\" this is "
    .. "BOHB. Li et al. 2018, Falkner et al. 2018.",
  median = "Ends a trial whose last values are worse than those of half of the others at that epoch.",
  patience = "Ends a trial that has stopped getting better.",
  percentile = "Ends a trial whose last values are not among the best share of the others at that epoch.",
  population = "Population-based training: the worst end, and copies of the best go on with other parameters. "
    .. "Jaderberg et al. 2017.",
  threshold = "Ends a trial whose objective leaves a range; NaN is outside of any.",
}

--- All pruners with their options, for help and the reference.
---@return table[] rows of name, help, options = { { name, type, default (text), help } ... }
function M.rows()
  local rows = {}
  for i, name in ipairs(options.keys(MAKERS)) do
    local items = {}
    for k, option in ipairs(options.keys(SPECS[name])) do
      local row = SPECS[name][option]
      items[k] = { name = option, type = row.type, help = row.help,
        required = row.required,
        default = row.default ~= nil and tostring(row.default) or nil }
    end
    rows[i] = { name = name, help = HELP[name], options = items }
  end
  return rows
end

--- Constructors by name, for search.pruner: each takes a table of its options.
---@type table<string, fun(given?: table): table>
M.constructors = {}

for name, make in pairs(MAKERS) do
  M.constructors[name] = function(given)
    local checked = options.check(given or {}, SPECS[name], "search.pruner." .. name)
    local words = {}
    for _, key in ipairs(options.keys(checked)) do
      words[#words + 1] = ("%s = %s"):format(key, tostring(checked[key]))
    end
    return {
      text = ("%s { %s }"):format(name, table.concat(words, ", ")),
      make = function(sign)
        return make(checked, sign, name)
      end,
    }
  end
end

return M
