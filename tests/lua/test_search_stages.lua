--- Sweeps in stages: synchronous halving and population-based training.
local testing = require "testing"

local search = require "search"
local store = require "core.store"
local sweeping = require "sweeping"

local folder, trials_of = testing.folder(), sweeping.trials

local BODY = [[
local search, nn, tensor, init = require "search", require "nn", require "tensor", require "core.init"
local x, y = tensor.zeros { 64, 6 }, tensor.zeros { 64, 1 }
init.fill(x, "normal", 1, 1, 1, 0)
init.fill(y, "normal", 1, 1, 2, 0)
return search.sweep {
  name = "staged", objective = "min loss", table = false, checkpoint_every = 0, preflight = false,
  sampler = "random", trials = %d, seeds = %d, pruner = %s, space = { rate = search.float(1e-4, 1, { log = true }) },
  run = function(trial)
    local model = nn.Sequential { nn.Linear(4, "tanh"), nn.Dropout(0.2), nn.Linear(1) }
    local log = io.open(os.getenv "LOG" or "/dev/null", "a")
    return model:fit({ x = x, y = y }, { trial = trial, epochs = 12, batch_size = 16,
      optimizer = nn.Adam { lr = trial.params.rate }, callback = function(row)
        log:write(trial.number, " ", row.epoch, "\n")
        log:flush()
        local stop = os.clock() + (tonumber(os.getenv "SLOW") or 0)
        repeat until os.clock() > stop
      end })
  end,
}
]]

local counter = 0

-- Run with 1, 2, 4 and 8 workers, and killed in between; returns the trials and how many epochs were trained.
local function everywhere(trials, seeds, pruner)
  counter = counter + 1
  local script = testing.write(("%s/%d.lua"):format(folder, counter), BODY:format(trials, seeds, pruner))
  local first, epochs
  for _, workers in ipairs(testing.reduced() and { 1, 4 } or { 1, 2, 4, 8 }) do
    local path = ("%s/%d-%d.db"):format(folder, counter, workers)
    local log = ("%s/%d-%d.log"):format(folder, counter, workers)
    local _, err, status = testing.sh(("LOG=%s {nnrun} %s --quiet -j %d --store %s"):format(log, script, workers, path))
    testing.equal(status, 0, err)
    first = first or trials_of(path)
    testing.equal(trials_of(path), first, workers .. " workers")
    testing.equal(sweeping.checkpoints(path), 0)
    local seen
    epochs, seen = 0, {}
    for line in io.lines(log) do
      testing.ok(not seen[line], "trained twice: " .. line)
      seen[line], epochs = true, epochs + 1
    end
  end
  local path = ("%s/%d-killed.db"):format(folder, counter)
  for _ = 1, 3 do
    testing.sh(("SLOW=0.01 timeout -s KILL 0.4 {nnrun} %s --quiet -j 3 --store %s"):format(script, path))
  end
  local _, err, status = testing.sh(("{nnrun} %s --quiet -j 2 --store %s"):format(script, path))
  testing.equal(status, 0, err)
  testing.equal(trials_of(path), first, "killed and continued")
  return search.load(path).trials, epochs
end

-- A loop of one's own that saves, or begins anew after each pause.
local OWN = [[
local search = require "search"
return search.sweep {
  name = "own", objective = "min loss", table = false, checkpoint_every = 0, preflight = false,
  sampler = "random", trials = 8, pruner = %s, space = { rate = search.float(1e-4, 1, { log = true }) },
  run = function(trial)
    local text, epoch = trial:resume()
    local state = tonumber(text or 1)
    for k = (epoch or 0) + 1, 16 do
      state = state * 0.9 + trial.params.rate * ((k * 7919) %% 13)
      if trial.number == 5 and k > 5 then
        error "fails after its first rungs"
      end
      local stop = os.clock() + (tonumber(os.getenv "SLOW") or 0)
      repeat until os.clock() > stop
      local verdict = trial:report(k, { loss = state })
      %s
      if verdict then return end
    end
  end,
}
]]

return testing.run {
  ["decisions are the same when a sweep is killed or interrupted again and again, between any two of them"] = function()
    local save = "trial:save(('%.17g'):format(state))"
    for i, case in ipairs { { "search.pruner.population { interval = 4, epochs = 16, share = 0.5 }", save },
      { "search.pruner.population { interval = 4, epochs = 16 }", "" },
      { "search.pruner.halving { size = 8, max_epochs = 16, reduction = 2 }", save },
      { "search.pruner.halving { size = 8, max_epochs = 16 }", "" } } do
      local script = testing.write(("%s/own%d.lua"):format(folder, i), OWN:format(case[1], case[2]))
      local calm, chaos = ("%s/calm%d.db"):format(folder, i), ("%s/chaos%d.db"):format(folder, i)
      local _, err, status = testing.sh(("{nnrun} %s --quiet -j 4 --store %s"):format(script, calm))
      testing.equal(status, 3, err)
      for k, seconds in ipairs { 0.2, 0.3, 0.25, 0.33, 0.22, 0.28 } do
        testing.sh(("SLOW=0.01 timeout -s %s %g {nnrun} %s --quiet -j 3 --store %s"):format(
          k % 3 == 0 and "INT" or "KILL", seconds, script, chaos))
      end
      testing.sh(("{nnrun} %s --quiet -j 2 --store %s"):format(script, chaos))
      testing.equal(trials_of(chaos), trials_of(calm), case[1])
    end
  end,
  ["halving trains each rung once, and the best third of a group goes on"] = function()
    local trials, epochs = everywhere(18, 1, "search.pruner.halving { size = 9, max_epochs = 9 }")
    testing.equal(epochs, 2 * (9 * 1 + 3 * 2 + 1 * 9))
    local at = { 0, 0, 0 }
    for _, trial in ipairs(trials) do
      local place = trial.state == "finished" and 3 or trial.epoch_count == 1 and 1 or 2
      at[place] = at[place] + 1
    end
    testing.equal(at, { 12, 4, 2 })
    -- who went on had the least loss of its nine
    local nine = {}
    for i = 1, 9 do
      nine[i] = trials[i]
    end
    table.sort(nine, function(a, b) return a.epochs[1].loss < b.epochs[1].loss end)
    for i, trial in ipairs(nine) do
      testing.equal(#trial.epochs > 1, i <= 3)
    end
  end,
  ["a loop that breaks at a pause and returns its metrics goes on from there"] = function()
    local study = search.sweep { name = "breaks", objective = "min loss", store = ":memory:", quiet = true,
      table = false, arguments = {}, trials = 4, space = { x = { 1, 2, 3, 4 } },
      pruner = search.pruner.halving { size = 4, reduction = 2 },
      run = function(trial)
        local _, from = trial:resume()
        local loss
        for epoch = (from or 0) + 1, 8 do
          loss = trial.params.x + 1 / epoch
          trial:save(tostring(loss))
          if trial:report(epoch, { loss = loss }) then
            break
          end
        end
        return { loss = loss }
      end }
    local counts = {}
    for i, trial in ipairs(study.trials) do
      counts[i] = trial.epoch_count
    end
    testing.equal(counts, { 8, 2, 1, 1 })
  end,
  ["halving judges repeats of a configuration together"] = function()
    local trials = everywhere(12, 2, "search.pruner.halving { size = 6, max_epochs = 9 }")
    for i = 1, 12, 2 do
      testing.equal(trials[i].state, trials[i + 1].state)
      testing.equal(#trials[i].epochs, #trials[i + 1].epochs)
    end
  end,
  ["a population's copies go on from their parents' weights with other parameters"] = function()
    local trials, epochs = everywhere(8, 1, "search.pruner.population { interval = 4, epochs = 12 }")
    testing.equal({ #trials, epochs }, { 8 + 2 * 2, 8 * 12 })
    local copies = 0
    for _, trial in ipairs(trials) do
      local parent = trials[trial.parent]
      if parent then
        copies = copies + 1
        local factor = trial.params.rate / parent.params.rate
        testing.ok(math.abs(factor - 1.2) < 1e-9 or math.abs(factor - 1 / 1.2) < 1e-9 or trial.params.rate == 1)
        local shared = trial.number <= 10 and 4 or 8
        testing.equal(trial.epochs[shared].loss, parent.epochs[shared].loss)
        testing.differ(trial.epochs[shared + 1].loss, parent.epochs[shared + 1] and parent.epochs[shared + 1].loss)
      end
    end
    testing.equal(copies, 4)
  end,
  ["copies take the places of trials that failed, stand alone, and change parameters of branches"] = function()
    local study = search.sweep { name = "lineage", objective = "min loss", store = folder .. "/lineage.db",
      quiet = true, table = false, arguments = {}, workers = 2, trials = 8, sampler = "random",
      space = { step = search.float(0, 1, { step = 0.25 }), sizes = search.list(search.int(1, 9), { max = 3 }),
        optimizer = search.choice { sgd = { momentum = search.float(0.1, 0.9) } } },
      pruner = search.pruner.population { interval = 2, epochs = 8, factor = 2 },
      run = function(trial)
        for epoch = 1, 8 do
          if trial.number == 3 and epoch == 2 then
            error "fails before it comes to a rung"
          elseif trial:report(epoch, { loss = trial.params.momentum }) then
            return
          end
        end
      end }
    testing.equal({ #study.trials, #study.configs, study.trials[3].state }, { 8 + 3 * 2, 8 + 3 * 2, "failed" })
    local moved, pruned = 0, 0
    for _, trial in ipairs(study.trials) do
      local parent = study.trials[trial.parent]
      moved = moved + (parent and parent.params.momentum ~= trial.params.momentum and 1 or 0)
      pruned = pruned + (trial.state == "pruned" and 1 or 0)
      testing.equal(trial.params.step % 0.25, 0.0)
      testing.equal(parent and trial.params.sizes, parent and parent.params.sizes)
    end
    testing.equal({ moved, pruned }, { 6, 5 })
    local shown = testing.sh("{nnrun} show " .. folder .. "/lineage.db 9")
    testing.contains(shown, ("a copy of trial %d"):format(study.trials[9].parent))
    testing.contains(testing.sh("{nnrun} export " .. folder .. "/lineage.db"), "best_epoch,parent,")
  end,
  ["a budget in seconds begins no more groups, and what has begun is there when the command comes again"] = function()
    local body = OWN:gsub("trials = 8", "trials = 900, budget = 0.4"):gsub("table = false", "table = true")
    local pruner = "search.pruner.halving { size = 4, max_epochs = 8 }"
    local script = testing.write(folder .. "/budget.lua", body:format(pruner, ""))
    local path = folder .. "/budget.db"
    testing.sh(("SLOW=0.01 timeout -s KILL 0.3 {nnrun} %s --quiet -j 2 --store %s"):format(script, path))
    local first = testing.sh(("SLOW=0.01 {nnrun} %s --quiet -j 2 --store %s"):format(script, path))
    testing.contains(first, "pruned")
    testing.equal(testing.sh(("SLOW=0.01 {nnrun} %s --quiet -j 2 --store %s"):format(script, path)), first)
    local opened, decisions = assert(store.open(path, "read")), 0
    for _, event in ipairs(opened:rows("event_list", 1)) do
      decisions = decisions + (event.kind == "decision" and 1 or 0)
    end
    local trials = opened:rows("trial_list", 1)
    opened:close()
    testing.equal(decisions, 1)
    testing.equal(#trials % 4, 0)
    for _, trial in ipairs(trials) do
      testing.differ(trial.state, "running")
    end
  end,
  ["what makes no sense is said"] = function()
    testing.raises("'size' is no float parameter", function()
      search.sweep { name = "x", objective = "min loss", space = { size = { 1, 2 } }, store = ":memory:", quiet = true,
        pruner = search.pruner.population { interval = 1, epochs = 2, mutate = { "size" } }, arguments = {},
        run = function() return 1 end }
    end)
    testing.raises("budget of epochs", function()
      search.sweep { name = "x", objective = "min loss", space = { rate = search.float(0, 1) }, store = ":memory:",
        arguments = {}, pruner = "halving", trials = 9, budget = { epochs = 9 }, quiet = true,
        run = function() return 1 end }
    end)
    testing.raises("'interval'", function() search.pruner.population { epochs = 3 } end)
  end,
}
