--- Pruners: rules made of earlier trials, verdicts made of rules alone, the same for any number of workers.
local testing = require "testing"

local objectives = require "search.objective"
local orders = require "search.order"
local pruners = require "search.pruners"
local search = require "search"
local sweeping = require "sweeping"

local folder = testing.folder()
local dump = sweeping.dump
local MAX = objectives.parse "max score"

local function trial(number, values, state)
  local curve = {}
  for epoch, value in ipairs(values) do
    curve[epoch] = { epoch, value }
  end
  return { number = number, config = number, state = state or "finished", curve = curve }
end

-- The epoch at which a rule ends a curve, or nil.
local function ends(rule, values)
  local curve = {}
  for epoch, value in ipairs(values) do
    curve[epoch] = { epoch, value }
    if rule and pruners.verdict(rule, curve) then
      return epoch
    end
  end
end

local function told(pruner, curves)
  for number, values in ipairs(curves) do
    pruner.tell(trial(number, values))
  end
  return pruner
end

local BODY = [[
local search, random = require "search", require "core.random"
local study = search.sweep {
  name = "pruned", objective = "max score", sampler = "random", trials = 36, table = false,
  pruner = %s, lag = 4, space = { x = search.float(0, 1) },
  run = function(trial)
    for epoch = 1, 9 do
      local noise = random.uniform(trial.number, "noise", epoch)
      local pause = os.clock() + noise * 0.01
      repeat until os.clock() > pause
      local score = 1 - (trial.params.x - 0.3) ^ 2 * (1 + 3 / epoch) - 1 / epoch + 0.02 * noise
      if trial:report(epoch, { score = score }) == "stop" then return end
    end
  end,
}
]]

local PRUNERS = { '"median"', '"asha"', "search.pruner.hyperband { max_epochs = 9 }", "search.pruner.percentile {}" }

return testing.run {
  ["median lets pass who is as good as half of the others, and nobody before there are enough"] = function()
    local median = pruners.make(search.pruner.median { startup = 3, noise = 0, smooth = 1 }, MAX)
    median.tell(trial(1, { 1, 2, 3 }))
    median.tell(trial(2, { 2, 3, 4 }))
    testing.equal(median.rule(3), nil)
    median.tell(trial(3, { 3, 4, 5 }))
    local rule = median.rule(4)
    testing.equal(rule.at, { 2, 3, 4 })
    testing.equal(ends(rule, { 2, 3, 4 }), nil)
    testing.equal(ends(rule, { 2, 2.5, 9 }), 2)
    testing.equal(ends(rule, { 1.9 }), 1)
    testing.equal(ends(rule, { 9, 0 / 0 }), 2)
  end,
  ["where smaller is better, larger is pruned"] = function()
    local median = pruners.make(search.pruner.median { startup = 1, noise = 0, smooth = 1 },
      objectives.parse "min loss")
    local rule = told(median, { { 1 }, { 2 }, { 3 } }).rule(4)
    testing.equal({ ends(rule, { 1 }), ends(rule, { 3 }) }, { nil, 1 })
  end,
  ["percentile keeps the share it is asked to keep"] = function()
    local percentile = pruners.make(search.pruner.percentile { keep = 0.25, noise = 0, smooth = 1 }, MAX)
    local rule = told(percentile, { { 1 }, { 2 }, { 3 }, { 4 }, { 5 }, { 6 }, { 7 }, { 8 } }).rule(9)
    testing.equal({ ends(rule, { 5.9 }), ends(rule, { 6 }) }, { 1, nil })
  end,
  ["noise of the curves widens what is let pass"] = function()
    local curves = {}
    for number = 1, 20 do
      curves[number] = {}
      for epoch = 1, 10 do
        curves[number][epoch] = number / 100 + (epoch % 2) -- saw teeth of height 1
      end
    end
    local strict = told(pruners.make(search.pruner.median { noise = 0, smooth = 1 }, MAX), curves).rule(21)
    local mild = told(pruners.make(search.pruner.median { noise = 1, smooth = 1 }, MAX), curves).rule(21)
    testing.ok(strict.at[5] - mild.at[5] > 0.5)
    -- a straight line is no noise
    local lines = told(pruners.make(search.pruner.median { startup = 1, noise = 1, smooth = 1 }, MAX),
      { { 1, 2, 3, 4 }, { 2, 4, 6, 8 } }).rule(3)
    testing.equal(lines.at[2], 2.0)
  end,
  ["patience and thresholds judge a trial by itself"] = function()
    local patience = pruners.make(search.pruner.patience { patience = 2, min_delta = 0.1 }, MAX).rule(1)
    testing.equal(ends(patience, { 1, 1.05, 1.09, 1.02, 5 }), 4)
    testing.equal(ends(patience, { 1, 1.05, 1.2, 1.2, 1.2 }), nil)
    local threshold = pruners.make(search.pruner.threshold { low = 0, high = 10 }, MAX).rule(1)
    testing.equal({ ends(threshold, { 5, 11 }), ends(threshold, { 5, -1 }), ends(threshold, { 0 / 0 }) }, { 2, 2, 1 })
  end,
  ["successive halving judges at rungs only, by the best of those that came there"] = function()
    local asha = pruners.make(search.pruner.asha { min_epochs = 1, reduction = 2, max_epochs = 8 }, MAX)
    asha.tell(trial(1, { 1, 1, 1, 1 }))
    testing.equal(asha.rule(2).at, {})
    told(asha, { { 2, 2, 2, 2 }, { 3, 3, 3, 3 }, { 4 } }) -- 1 2 3 4 at epoch 1
    local rule = asha.rule(6)
    testing.equal({ rule.at[1], rule.at[2], rule.at[3], rule.at[4], rule.at[8] }, { 3, 3, nil, 3, nil })
  end,
  ["hyperband deals configurations out to brackets that judge later and later"] = function()
    local hyperband = pruners.make(search.pruner.hyperband { min_epochs = 1, max_epochs = 9, reduction = 3 }, MAX)
    local first = {}
    for config = 1, 17 do
      local values = {}
      for epoch = 1, 9 do
        values[epoch] = config + epoch / 10
      end
      hyperband.tell(trial(config, values))
    end
    for config = 18, 18 + 16 do
      local rule = hyperband.rule(config)
      first[rule.name] = math.min(9, table.unpack((function()
        local list = {}
        for epoch in pairs(rule.at) do
          list[#list + 1] = epoch
        end
        return list
      end)()))
    end
    testing.equal(first, { ["hyperband bracket 2"] = 1, ["hyperband bracket 1"] = 3, ["hyperband bracket 0"] = 9 })
  end,
  ["what is proposed knows the configurations up to k - lag, all of them and in order"] = function()
    local heard, asked, trials = {}, {}, {}
    local order = orders.new({
      total = 12, seeds = 2, lag = 2, select = "best", recorded = {}, seed_of = function(part) return part end,
      sampler = {
        ask = function(k) asked[k] = #heard return { x = k } end,
        tell = function(k, result) heard[#heard + 1] = ("%d:%g"):format(k, result.value) end,
      },
    }, trials)
    local begun = {}
    for _ = 1, 4 do
      begun[#begun + 1] = order:next()
    end
    testing.equal(order:next(), orders.WAIT)
    for _, number in ipairs { 2, 4, 3 } do -- in another order
      begun[number].state, begun[number].best = "finished", number + 0.0
      testing.equal(order:next(), orders.WAIT)
    end
    begun[1].state, begun[1].best = "finished", 1.0
    testing.equal(order:next().number, 5)
    testing.equal(heard, { "1:1.5" }) -- configuration 2 has ended, but belongs to later proposals
    testing.equal(order:next().number, 6)
    testing.equal(order:next().number, 7)
    testing.equal(heard, { "1:1.5", "2:3.5" })
    testing.equal(asked, { 0, 0, 1, 2 })
  end,
  ["the same trials are pruned at the same epochs for 1, 2, 4 and 8 workers"] = function()
    for i, pruner in ipairs(PRUNERS) do
      local file = testing.write(("%s/p%d.lua"):format(folder, i), BODY:format(pruner))
      local first
      for _, workers in ipairs(testing.reduced() and { 1, 4 } or { 1, 2, 4, 8 }) do
        local path = ("%s/p%d-%d.db"):format(folder, i, workers)
        local _, err, status = testing.sh(("{nnrun} %s --quiet -j %d --store %s"):format(file, workers, path))
        testing.equal(status, 0, err)
        local text = dump(path)
        first = first or text
        testing.equal(text, first, pruner .. " with " .. workers .. " workers")
      end
      testing.contains(first, " pruned ")
      testing.contains(first, " finished 9 ")
    end
  end,
  ["a killed sweep goes on to the same prunings"] = function()
    local file = testing.write(folder .. "/k.lua", BODY:format('"asha"'))
    testing.sh(("{nnrun} %s --quiet -j 2 --store %s/whole.db"):format(file, folder))
    for _ = 1, 3 do
      testing.sh(("timeout -s KILL 0.25 {nnrun} %s --quiet -j 3 --store %s/killed.db"):format(file, folder))
    end
    local _, err, status = testing.sh(("{nnrun} %s --quiet -j 2 --store %s/killed.db"):format(file, folder))
    testing.equal(status, 0, err)
    testing.equal(dump(folder .. "/killed.db"), dump(folder .. "/whole.db"))
  end,
  ["a curve that was reported twice, or backwards, is learnt as the store has it"] = function()
    local got, learn = {}, require("search.order").learn
    for _, row in ipairs { { 1, 5 }, { 2, 4 }, { 3, 3 }, { 1, 9 }, { 2, 8 }, { 5, 1 }, { 4, 2 } } do
      learn(got, { epoch = row[1], loss = row[2] }, "loss")
    end
    learn(got, { epoch = 5, size = 7 }, "loss")
    testing.equal(got.curve, { { 1, 9 }, { 2, 8 }, { 3, 3 }, { 4, 2 }, { 5, 1 } })
    testing.equal(got.final, { epoch = 5, loss = 1, size = 7 })
  end,
  ["options are given to a pruner's name as to its function"] = function()
    testing.equal(pruners.make({ "hyperband", max_epochs = 27 }, MAX).name,
      pruners.make(search.pruner.hyperband { max_epochs = 27 }, MAX).name)
  end,
  ["an unknown pruner is an error that suggests"] = function()
    testing.raises("did you mean 'median'?", function() pruners.make({ "medain" }, MAX) end)
    testing.raises("did you mean 'median'?", function() pruners.make("medain", MAX) end)
    testing.raises("unknown option", function() search.pruner.asha { reductoin = 3 } end)
    testing.raises("tell(trial) and rule", function() pruners.make({}, MAX) end)
  end,
}
