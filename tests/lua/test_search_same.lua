--- Every sampler with every pruner: the same table for any number of workers, and after a kill.
local testing = require "testing"

local pruners = require "search.pruners"
local samplers = require "search.samplers"
local options = require "options"
local sweeping = require "sweeping"

local dump, folder = sweeping.trials, testing.folder()

local SPECIAL = {
  threshold = "search.pruner.threshold { low = -1.5 }",
  hyperband = "search.pruner.hyperband { max_epochs = 8 }",
  halving = "search.pruner.halving { size = 6, max_epochs = 8 }",
  population = "search.pruner.population { interval = 3, epochs = 8 }",
  patience = "search.pruner.patience { patience = 1, min_delta = 0.3 }",
  median = "search.pruner.median { startup = 3 }",
  percentile = "search.pruner.percentile { startup = 3 }",
}

-- All pairs in one script: a study each, in one store.
local BODY = [[
local search, random = require "search", require "core.random"
for _, pair in ipairs {
%s} do
  search.sweep {
    name = pair[1], objective = "max score", sampler = pair[2], pruner = pair[3], trials = 18, lag = 3,
    table = false, checkpoint_every = 0,
    space = { x = search.float(0, 1), y = search.float(1e-3, 1, { log = true }), z = search.choice { "a", "b" } },
    run = function(trial)
      local p, text, epoch = trial.params, trial:resume()
      local total = tonumber(text) or 0
      for e = (epoch or 0) + 1, 8 do
        total = total - ((p.x - 0.3) ^ 2 + (p.y - 0.1) ^ 2) / e + 0.1 * random.uniform(trial.number, "noise", e)
        local verdict = trial:report(e, { score = total })
        trial:save(("%%.17g"):format(total))
        if verdict then return end
      end
    end,
  }
end
]]

local function pairs_of(samplers_list)
  local lines = {}
  for _, sampler in ipairs(samplers_list) do
    for _, row in ipairs(pruners.rows()) do
      lines[#lines + 1] = ("  { %q, %q, %s },\n"):format(sampler .. "-" .. row.name, sampler,
        SPECIAL[row.name] or ("search.pruner.%s {}"):format(row.name))
    end
  end
  return table.concat(lines)
end

local function same(actual, expected, what)
  for i = 1, math.max(#actual, #expected) do
    testing.equal(actual[i], expected[i], what)
  end
end

local tests = {}
local names = {}
for _, name in ipairs(options.keys(samplers.table)) do
  if name ~= "grid" and name ~= "nsga2" then -- a grid is the space's; nsga2 wants several objectives
    names[#names + 1] = name
  end
end

tests["every sampler with every pruner gives the same table for 1, 2, 4 and 8 workers"] = function()
  local list = testing.reduced() and { "random", "tpe" } or names
  local script = testing.write(folder .. "/all.lua", BODY:format(pairs_of(list)))
  local first
  for _, workers in ipairs(testing.reduced() and { 1, 3 } or { 1, 2, 4, 8 }) do
    local path = ("%s/%d.db"):format(folder, workers)
    local _, err, status = testing.sh(("{nnrun} %s --quiet -j %d --store %s"):format(script, workers, path))
    testing.equal(status, 0, err)
    first = first or dump(path)
    same(dump(path), first, workers .. " workers")
  end
  local pruned = 0
  for _, line in ipairs(first) do
    pruned = pruned + (line:find(" pruned ", 1, true) and 1 or 0)
  end
  testing.ok(pruned > #first / 5, ("%d of %d trials were pruned"):format(pruned, #first))
  -- killed again and again, and continued
  local path, tries, status, _ = folder .. "/killed.db", 0
  repeat
    tries = tries + 1
    _, _, status = testing.sh(("%s{nnrun} %s --quiet -j %d --store %s"):format(
      tries <= 8 and "timeout -s KILL 0.4 " or "", script, tries % 3 + 1, path))
  until status == 0 or tries == 20
  testing.equal(status, 0)
  same(dump(path), first, "killed and continued")
end

-- Repeats, repeats of what was proposed before, races, and fresh seeds for the winner.
local CHOICE = [[
local search, random = require "search", require "core.random"
for _, case in ipairs {
  { "seeds", "tpe", 3, false }, { "grid", "grid", 4, false }, { "race", "random", 5, true },
  { "race-tpe", "tpe", 4, true },
} do
  local name, sampler, seeds, race = table.unpack(case)
  search.sweep {
    name = name, objective = "min loss", sampler = sampler, seeds = seeds, race = race, confirm = 3, lag = 2,
    trials = seeds * 8, table = false, space = { x = { 0.1, 0.4, 0.5, 0.9 }, y = { 1, 2, 3 } },
    run = function(trial)
      local noise = random.uniform(trial.seed, "noise", 1)
      return { loss = (trial.params.x - 0.45) ^ 2 * trial.params.y + 0.02 * noise }
    end,
  }
end
]]

tests["repeats, races and fresh seeds give the same table for 2 and 8 workers, and after kills"] = function()
  local script = testing.write(folder .. "/choice.lua", CHOICE)
  local function run(path, workers, before)
    local _, err, status = testing.sh(("%s{nnrun} %s --quiet -j %d --store %s"):format(before or "", script, workers,
      path))
    return status, err
  end
  local two, eight, killed = folder .. "/choice2.db", folder .. "/choice8.db", folder .. "/choice-killed.db"
  for path, workers in pairs { [two] = 2, [eight] = 8 } do
    local status, err = run(path, workers)
    testing.equal(status, 0, err)
  end
  local first = dump(two)
  local fresh, raced = 0, 0
  for _, line in ipairs(first) do
    fresh = fresh + (line:find("^%S+ %-%d") and 1 or 0)
    raced = raced + (line:find("^race %d") and 1 or 0)
  end
  testing.ok(fresh >= 4 * 3, ("%d trials on fresh seeds"):format(fresh))
  testing.ok(raced < 8 * 5, ("%d trials in the race of 8 configurations on 5 seeds"):format(raced))
  same(dump(eight), first, "8 workers")
  for i = 1, 4 do
    run(killed, i, "timeout -s KILL 0.05 ")
  end
  testing.equal((run(killed, 3)), 0)
  same(dump(killed), first, "killed and continued")
end

return testing.run(tests)
