--- Sweeps: what a study says, the same whatever the number of workers, and what is asked on the command line.
local testing = require "testing"

local budgets = require "search.budget"
local search = require "search"
local store = require "core.store"
local sweeping = require "sweeping"

local dump, fresh, run, script, sweep = sweeping.dump, sweeping.fresh, sweeping.run, sweeping.toy, sweeping.small

return testing.run {
  ["every configuration is run on every seed, and the study says what came out"] = function()
    local study = sweep { seeds = 2 }
    testing.equal(#study.trials, 6)
    testing.equal(#study.configs, 3)
    testing.equal(study.exit_status, 0)
    local second = study.configs[2]
    testing.equal({ second.label, second.n, second.last.mean, second.last.std, second.status },
      { "x=2", 2, 2.0, 0.0, "ok" })
    testing.equal(study.trials[3].epochs,
      { { epoch = 1, loss = 2.5, accuracy = 0 }, { epoch = 2, loss = 2, accuracy = 0.5 } })
    local best = study:best()
    testing.equal({ best.params, best.mean, best.trials, best.n }, { { x = 1 }, 1.0, { 1, 2 }, 2 })
    testing.equal(tostring(best), "x=1: loss 1 ± 0 over 2 seeds, trials 1, 2")
    testing.equal(study:curves("loss")[3].mean, { 3.5, 3 })
  end,
  ["a budget of epochs ends the sweep at the same trial for any number of workers"] = function()
    local counts = {}
    for i, workers in ipairs { 1, 2, 5 } do
      local study = sweep { trials = 100, sampler = "random", space = { x = search.int(1, 4) }, workers = workers,
        lag = 5, budget = { epochs = 60 }, run = function(trial)
          for epoch = 1, trial.params.x do
            trial:report(epoch, { loss = 1 })
          end
        end }
      local epochs = 0
      for _, trial in ipairs(study.trials) do
        epochs = epochs + #trial.epochs
      end
      testing.ok(epochs > 45 and epochs <= 66, ("%d epochs"):format(epochs))
      counts[i] = #study.trials
    end
    testing.equal(counts, { counts[1], counts[1], counts[1] })
  end,
  ["a budget of epochs starts nothing beside the first trial before it is known what one takes"] = function()
    for _, workers in ipairs { 1, 4 } do
      local study = sweep { trials = 30, seeds = 2, sampler = "random", space = { x = search.float(0, 1) },
        workers = workers, budget = { epochs = 13 }, run = function(trial)
          for epoch = 1, 3 do
            trial:report(epoch, { loss = trial.params.x })
          end
        end }
      testing.equal(#study.trials, 4)
    end
  end,
  ["budgets of time are read, and what is none is refused"] = function()
    for text, seconds in pairs {
      ["90"] = 90, ["10m"] = 600, ["1h30m"] = 5400, ["2 hours 5 min"] = 7500,
      ["10 seconds"] = 10, ["1.5d"] = 129600,
    } do
      testing.equal(budgets.parse(text).amount, seconds + 0.0, text)
    end
    for _, text in ipairs { "10ms", "soon", "10 parsecs", "0s", "", "m", "-5" } do
      testing.equal(budgets.parse(text), nil, text)
    end
  end,
  ["a budget of seconds starts no trial that cannot end in it, and writes that down"] = function()
    local path = fresh ".db"
    local file = testing.write(fresh ".lua", [[
local search = require "search"
return search.sweep { name = "timed", objective = "min loss", trials = 1000, sampler = "random", budget = "0.5s",
  space = { x = search.int(1, 4) }, table = false, run = function(trial)
    local socket = require "core.proc"
    local stop = socket.now() + 0.04
    repeat until socket.now() > stop
    return { loss = 1 }
  end }
]])
    local _, err, status = run(file, "-j 2 --store " .. path)
    testing.equal(status, 0)
    testing.matches(err, "budget of 0.5 s: no more than %d+ trials")
    local before = dump(path)
    local _, again = run(file, "-j 2 --store " .. path)
    testing.equal(dump(path), before) -- the decision stands
    testing.contains(again, "done already")
    testing.raises('must be "10m"', function() sweep { budget = "soon" } end)
  end,
  ["--dry-run tries the corners of the space, says what fails and how long it takes, and trains nothing"] = function()
    local file = testing.write(fresh ".lua", [[
local search, nn, tensor = require "search", require "nn", require "tensor"
local set = { x = tensor.ones { 60, 3 }, y = tensor.ones { 60, 1 } }
return search.sweep { name = "dry", objective = "min loss", trials = 20, sampler = "random",
  space = { size = search.int(1, 9), act = { "tanh", "rleu", "sigmoid" } },
  run = function(trial)
    return nn.Sequential { nn.Linear(trial.params.size, trial.params.act), nn.Linear(1) }:fit(set, { trial = trial })
  end }
]])
    local _, err, status = run(file, "--dry-run --store " .. fresh ".db")
    testing.matches(err, "pre%-flight: act=rleu size=%d fails: .-:6: nn.Linear: unknown activation")
    testing.matches(err, "%d+ configurations tried, %d fails?; the sweep takes about")
    testing.equal(status, 3)
    testing.ok(not err:find("fit reports", 1, true), err)
    local misspelt = testing.read(file):gsub('"min loss"', '"min lost"')
    local _, doubt = run(testing.write(fresh ".lua", misspelt), "--dry-run --store " .. fresh ".db")
    testing.contains(doubt, "fit reports loss, and not the objective 'lost' (did you mean 'loss'?)")
    local none = testing.read(file):gsub('"tanh", "rleu", "sigmoid"', '"rleu"')
    local _, whole, code = run(testing.write(fresh ".lua", none), "--dry-run --store " .. fresh ".db")
    testing.contains(whole, "none of")
    testing.contains(whole, "did you mean 'relu'?")
    testing.equal(code, 1)
  end,
  ["a pre-flight leaves the results as they are"] = function()
    local function trained(preflight)
      local study = sweep { trials = 4, sampler = "random", preflight = preflight, run = function(trial)
        local nn, tensor = require "nn", require "tensor"
        local set = { x = tensor.ones { 20, 3 }, y = tensor.ones { 20, 1 } }
        return nn.Sequential { nn.Dropout(0.5), nn.Linear(1) }:fit(set, { trial = trial, epochs = 2 })
      end }
      local losses = {}
      for i, trial in ipairs(study.trials) do
        losses[i] = trial.last
      end
      return losses
    end
    testing.equal(trained(true), trained(false))
  end,
  ["seeds are shared by configurations and differ between repeats"] = function()
    local study = sweep { seeds = 2, run = function(trial)
      return { loss = math.random(), seed = trial.seed }
    end }
    local trials = study.trials
    testing.equal(trials[1].seed, trials[3].seed)
    testing.differ(trials[1].seed, trials[2].seed)
    testing.equal(trials[1].last, trials[3].last)
    testing.differ(trials[1].last, trials[2].last)
    testing.differ(sweep({ seed = 2 }).trials[1].seed, trials[1].seed)
  end,
  ["a run may return a number, metrics, or a history"] = function()
    local returns = {
      function() return 3 end,
      function() return { loss = 3, other = 4, name = "x" } end,
      function() return { epochs = { { epoch = 1, loss = 5 }, { epoch = 2, loss = 3 } }, status = "ok" } end,
      function(trial) trial:report(1, { loss = 3 }) return { epochs = { { epoch = 1, loss = 3 } } } end,
    }
    for i, body in ipairs(returns) do
      local trial = sweep({ run = body, space = { x = { 1 } } }).trials[1]
      testing.equal({ trial.state, trial.last, trial.best }, { "finished", 3.0, 3.0 }, "return " .. i)
      testing.equal(#trial.epochs, i == 3 and 2 or 1)
    end
  end,
  ["metrics that are returned after reports stand with the last of them, and are no epoch"] = function()
    local trial = sweep({ space = { x = { 1 } }, run = function(trial)
      trial:report(10, { loss = 5 })
      trial:report(20, { loss = 4 })
      return { loss = 3, accuracy = 1 }, { size = 7 }
    end }).trials[1]
    testing.equal(trial.epochs, { { epoch = 10, loss = 5 }, { epoch = 20, loss = 3, accuracy = 1, size = 7 } })
    testing.equal({ trial.last, trial.best_epoch, trial.epoch_count }, { 3.0, 20, 2 })
  end,
  ["best and last of a trial follow the objective"] = function()
    local function zigzag(trial)
      for epoch, value in ipairs { 3, 1, 2, 0 / 0, 2.5 } do
        trial:report(epoch, { loss = value })
      end
    end
    local low = sweep({ run = zigzag }).trials[1]
    testing.equal({ low.best, low.best_epoch, low.last, low.value }, { 1.0, 2, 2.5, 1.0 })
    local high = sweep({ run = zigzag, objective = "max loss", select = "last" }).trials[1]
    testing.equal({ high.best, high.best_epoch, high.last, high.value }, { 3.0, 1, 2.5, 2.5 })
  end,
  ["a diverged trial is a result, not a failure"] = function()
    local study = sweep { run = function(trial)
      if trial.params.x == 2 then
        return { status = "diverged", message = "diverged at step 8 in linear_2", epochs = {} }
      elseif trial.params.x == 3 then
        return 0 / 0
      end
      return 1
    end }
    testing.equal({ study.trials[2].state, study.trials[2].message },
      { "diverged", "diverged at step 8 in linear_2" })
    testing.contains(study.trials[3].message, "loss is not a number")
    testing.equal({ study.configs[2].status, study.configs[2].n, study.exit_status },
      { "1 diverged", 0, 0 })
    testing.equal(study:best().params.x, 1)
  end,
  ["an objective that is not reported is named with what is"] = function()
    local study = sweep { objective = "max val_acuracy", run = function()
      return { val_accuracy = 1, loss = 2 }
    end, space = { x = { 1 } } }
    testing.contains(study.trials[1].message, "(loss, val_accuracy); did you mean 'val_accuracy'?")
    local nothing = sweep { run = function() end, space = { x = { 1 } } }
    testing.contains(nothing.trials[1].message, "reported nothing")
  end,
  ["mistakes are found before anything is trained, at the script's line"] = function()
    local function line(part, more)
      local message = testing.raises(part, sweep, more)
      testing.contains(message, "sweeping.lua:")
    end
    line("option 'run' must be a function", { run = 3 })
    line("did you mean 'trials'", { trails = 3 })
    line("the space is empty", { space = {} })
    line("must be \"max METRIC\"", { objective = "best" })
    line("did you mean \"grid\"", { sampler = "gird" })
    line("needs trials = N", { space = { x = search.float(0, 1) } })
    line("letters, digits", { name = "a/b" })
    line("cannot make folder", { store = "/proc/none/x.db" })
    line("must be at least 1", { workers = 0 })
  end,
  ["a sweep inside a trial is refused"] = function()
    local study = sweep { space = { x = { 1 } }, run = function() return sweep() end }
    testing.contains(study.trials[1].message, "cannot run inside a trial")
  end,
  ["trials is a total over all runs of the command"] = function()
    local file, calls = fresh ".db", fresh ".txt"
    local function go(trials)
      return sweep { store = file, trials = trials, sampler = "random", space = { x = search.float(0, 1) },
        run = function(trial)
          local log = io.open(calls, "a")
          log:write "x"
          log:close()
          return trial.params.x
        end }
    end
    testing.equal(#go(3).trials, 3)
    local more = go(5)
    testing.equal(#more.trials, 5)
    testing.equal(#testing.read(calls), 5)
    testing.equal(#go(2).trials, 2)
    testing.equal(#testing.read(calls), 5)
    testing.equal(more.trials[4].epochs, { { epoch = 1, loss = more.trials[4].last } })
  end,
  ["the results table is the same for 1, 2 and 4 workers, byte for byte"] = function()
    local file = script "if trial.number == 5 then error 'five' end"
    local first, all
    for _, workers in ipairs { 1, 2, 4 } do
      local db = fresh ".db"
      local out, err, status = run(file, ("-j %d --store %s"):format(workers, db))
      testing.equal(status, 3, err)
      first, all = first or out, all or dump(db)
      testing.equal(out, first)
      testing.equal(dump(db), all)
    end
    testing.contains(first, "1 failed")
  end,
  ["a changed script begins a new version, and --resume continues the old one"] = function()
    local file, db = script(), fresh ".db"
    run(file, "--store " .. db)
    local _, again = run(file, "--store " .. db)
    testing.contains(again, "12 of them are done already")
    testing.write(file, testing.read(file) .. "-- changed\n")
    local _, resumed = run(file, "--resume --store " .. db)
    testing.contains(resumed, "12 of them are done already")
    local _, changed = run(file, "--store " .. db)
    testing.contains(changed, "The script changed since version 1 of 'toy': beginning version 2")
    local _, reseeded = run(file, "--seed 5 --store " .. db)
    testing.contains(reseeded, "seed changed since version 2")
    local _, fresh_one = run(file, "--fresh --store " .. db)
    testing.contains(fresh_one, "version 4")
  end,
  ["a session records the commit of the script's folder, and what was not committed"] = function()
    local here = fresh ".repository"
    local git = ("git -C %s -c user.name=n -c user.email=e@x -c core.hooksPath=/dev/null"):format(here)
    testing.sh(("mkdir %s && echo one > %s/file"):format(here, here))
    local _, _, missing = testing.sh(("%s init -q && %s add file && %s commit -q -m first"):format(git, git, git))
    if missing ~= 0 then
      testing.skip "there is no git"
    end
    local commit = testing.sh(git .. " rev-parse HEAD"):match("%x+")
    local file, db = script(nil, here .. "/toy.lua"), fresh ".db"
    local function session()
      testing.equal(select(3, run(file, "--quiet --fresh --store " .. db)), 0)
      local opened = assert(store.open(db, "read"))
      local list = opened:rows("study_list")
      local row = opened:rows("session_list", list[#list].id)[1]
      opened:close()
      return row
    end
    local clean = session()
    testing.equal({ clean.git, clean.git_diff }, { commit, nil })
    testing.write(here .. "/file", "two\n")
    local changed = session()
    testing.equal(changed.git, commit)
    testing.contains(changed.git_diff, "-one\n+two\n")
  end,
  ["usage errors have status 2, and --help lists what can be set"] = function()
    local _, err, status = run(script(), "--trails 3")
    testing.equal(status, 2)
    testing.contains(err, "did you mean '--trials'?")
    local _, value, bad = run(script(), "--set space.width=17")
    testing.equal(bad, 2)
    testing.contains(value, "one of 16, 32")
    for words, message in pairs {
      ["-j 0"] = "option '-j' must be at least 1, got 0",
      ["--set seeds=0"] = "--set seeds: must be at least 1, got 0",
      ["--set sampler=tpee"] = 'did you mean "tpe"?',
      ["--set pruner=medain"] = 'did you mean "median"?',
      ["--set budget=soon"] = '--set budget: must be "10m"',
      ["--set checkpoints=first"] = "--set checkpoints: is",
    } do
      local _, said, code = run(script(), words)
      testing.equal(code, 2, words)
      testing.contains(said, message)
    end
    local out, _, fine = run(script(), "--help")
    testing.equal(fine, 0)
    testing.contains(out, "space.lr")
    testing.contains(out, "float 0.0001 to 1.0, log")
  end,
  ["fewer trials than the grid has are said to be its first"] = function()
    local _, err = run(script(), "--seeds 1 --trials 1 --store " .. fresh ".db")
    testing.matches(err, "= 1 trial, .*only the first of %d+ points of the grid")
    local _, whole = run(script(), "--store " .. fresh ".db")
    testing.ok(not whole:find("only the first", 1, true), whole)
  end,
  ["--set narrows the space"] = function()
    local out = run(script(), "--set space.lr=0.01 --set space.width=32 --seeds 1 --store " .. fresh ".db")
    testing.equal(select(2, out:gsub("\n", "")), 3)
  end,
  ["what trials print is kept, and shown as it comes"] = function()
    local db = fresh ".db"
    local _, err = run(script "print('number', trial.number)", "--store " .. db)
    testing.contains(err, "[trial 3] number\t3")
    local text = testing.ok(require("search.store_view").show(db, "3"))
    testing.contains(text, "output:\nnumber\t3")
  end,
  ["a study can be read back from its store"] = function()
    local db = fresh ".db"
    local study = sweep { store = db, seeds = 2, space = { x = search.float(0, 1, { n = 3 }) },
      run = function(trial) return trial.params.x + math.random() end }
    local loaded = testing.ok(search.load(db))
    testing.equal(loaded:text(), study:text())
    testing.equal(loaded:best(), study:best())
    testing.equal(loaded.trials[4].epochs, study.trials[4].epochs)
    local _, message = search.load(db, "other")
    testing.contains(message, "it has small@1")
    local view = require "search.store_view"
    testing.contains(view.list(db), "6/6")
    testing.contains(view.best(db), "best of 'small'")
    testing.matches(view.export(db), "^number,config,")
    local json = require("search.json").decode(view.export(db, "json"))
    testing.equal(json.trials[6].last, study.trials[6].last)
  end,
  ["a sampler of one's own that proposes what is no configuration is told so"] = function()
    local space = { x = search.float(0, 1),
      o = search.choice { a = { h = search.list({ 1, 2 }, { max = 2 }) }, b = {} } }
    local function propose(params)
      return function()
        sweep { trials = 2, space = space, sampler = function() return params end }
      end
    end
    testing.raises("a table of parameters for configuration 1, or nil to end; got 3", propose(3))
    testing.raises("sampler 'custom' returned no 'x' for configuration 1", propose { o = "b" })
    testing.raises("returned no 'h'", propose { x = 0.5, o = "a" })
    propose { x = 0.5, o = "b" }()
    propose { x = 0.5, o = "a", h = { 1, 2 } }()
  end,
  ["a sampler of one's own is asked by number"] = function()
    local study = sweep { space = { x = search.float(0, 100) }, sampler = function(k)
      return k <= 4 and { x = k * k + 0.0 } or nil
    end, trials = 10, run = function(trial) return trial.params.x end }
    testing.equal(#study.trials, 4)
    testing.equal(study.trials[4].last, 16.0)
  end,
}
