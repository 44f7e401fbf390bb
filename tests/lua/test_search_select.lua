--- Choosing honestly: several objectives, fresh seeds for the winner, races, sealed test data.
local testing = require "testing"

local configs = require "search.config"
local search = require "search"
local store = require "core.store"
local sweeping = require "sweeping"
local view = require "search.store_view"

local fresh, merged = sweeping.fresh, sweeping.merged

-- A sweep in this process: noisy values around x, the same noise for all configurations of a seed.
local function sweep(more)
  local study = search.sweep(merged({
    name = "select", objective = "min loss", space = { x = search.float(0, 1) }, sampler = "random",
    store = ":memory:", quiet = true, table = false, arguments = {}, workers = 2, trials = 8,
    run = function(trial)
      trial:report(1, { loss = trial.params.x + 0.1 * math.random() })
    end,
  }, more))
  return study -- no tail call: messages name the caller's line
end

local function two(more)
  return sweep(merged({
    objective = { "max gain", "min cost" }, trials = 40, sampler = { "nsga2", population = 8 },
    space = { x = search.float(0, 1), y = search.float(0, 1) },
    run = function(trial)
      local p = trial.params
      trial:report(1, { gain = 5 })
      trial:report(2, { gain = p.x - 0.5 * p.y })
      return nil, { cost = p.x + p.y }
    end,
  }, more))
end

local tests = {}

tests["several objectives: the front is what nothing beats, the same for any number of workers"] = function()
  local texts = {}
  for i, workers in ipairs { 1, 4 } do
    local study = two { workers = workers }
    texts[i] = study:text()
    local front, on = study:pareto(), {}
    for _, point in ipairs(front) do
      on[point.config] = point.values
    end
    for _, config in ipairs(study.configs) do
      local p, beaten = config.params, false
      local gain, cost = p.x - 0.5 * p.y, p.x + p.y
      for _, point in ipairs(front) do
        beaten = beaten or point.values[1] >= gain and point.values[2] <= cost
          and (point.values[1] > gain or point.values[2] < cost)
      end
      testing.equal(on[config.number] == nil, beaten, config.label)
    end
    for k = 2, #front do
      testing.ok(front[k].values[1] <= front[k - 1].values[1] and front[k].values[2] <= front[k - 1].values[2])
    end
  end
  testing.equal(texts[1], texts[2])
  testing.contains(texts[1], "max gain")
end

tests["a hypervolume counts from a point that is worse than all"] = function()
  local study = two { trials = 2, sampler = "grid", space = { x = { 1, 0.5 }, y = { 0 } } }
  testing.near((study:hypervolume { 0, 2 }), 1 * (2 - 1) + 0.5 * (1 - 0.5), 1e-12)
  local volume, reference = study:hypervolume()
  testing.equal({ volume, reference }, { 0, { 0.5, 1.0 } })
  testing.raises("must have 2 values, one for each objective; got 1", function() study:hypervolume { 1 } end)
end

tests["best prints the front of a store, show all"] = function()
  local file = fresh ".db"
  two { store = file }
  local text = assert(view.best(file))
  testing.contains(text, "the front of 'select' (max gain, min cost)")
  testing.contains(text, "hypervolume")
  testing.contains(assert(view.show(file)), "configurations on the front (*)")
end

tests["objectives that make no sense are refused"] = function()
  testing.raises("got \"most b\"", function() sweep { objective = { "max a", "most b" } } end)
  testing.raises("names 'a' twice", function() sweep { objective = { "max a", "min a" } } end)
  testing.raises("its last epoch", function() sweep { objective = { "max a", "min b" }, select = "best" } end)
end

tests["a report of several objectives draws the front"] = function()
  local dir = fresh ""
  local study = two()
  local result = assert(require("report").sweep(study, { dir = dir, quiet = true, formats = { "svg" } }))
  testing.contains(table.concat(result.files, " "), "select-front.svg")
  testing.contains(testing.read(dir .. "/select.html"), "on the Pareto front")
  testing.contains(testing.read(dir .. "/select-table.csv"), "front")
end

-- The trials on fresh seeds, which have numbers below 0.
local function fresh_rows(file)
  return sweeping.trials(file, function(row)
    return row.number < 0
  end)
end

tests["winner and runner-up are run on fresh seeds, which are no part of the table"] = function()
  local files, tables = {}, {}
  for i, workers in ipairs { 1, 4 } do
    files[i] = fresh ".db"
    local study = sweep { confirm = 4, workers = workers, store = files[i] }
    local confirmed, order = study.confirmed, configs.first(study, 2)
    testing.equal({ confirmed.winner.config, confirmed.runner_up.config }, { order[1].number, order[2].number })
    testing.equal({ confirmed.winner.n, #study.trials, #study.configs }, { 4, 8, 8 })
    testing.near(confirmed.test.mean, order[1].params.x - order[2].params.x, 1e-12)
    testing.equal(study:best().fresh.mean, confirmed.winner.mean)
    for _, trial in ipairs(study.trials) do
      for _, value in ipairs(confirmed.winner.values) do
        testing.differ(trial.last, value) -- another seed
      end
    end
    tables[i] = study:text()
    local text = search.load(files[i]):text()
    testing.equal(text, tables[i])
    testing.contains(text, "On 4 fresh seeds the winner")
    testing.contains(assert(view.best(files[i])), "On 4 fresh seeds the winner")
    testing.contains(assert(view.list(files[i])), "8/8")
  end
  testing.equal(fresh_rows(files[1]), fresh_rows(files[2]))
  local opened = assert(store.open(files[2], "write")) -- as if it had been killed on the fresh seeds
  for i, row in ipairs(opened:rows("trial_list", 1)) do
    if i % 2 == 0 and row.number < 0 then
      assert(opened:run("metric_clear", row.id))
      assert(opened:run("trial_clear", row.id))
    end
  end
  assert(opened:close())
  testing.differ(fresh_rows(files[1]), fresh_rows(files[2]))
  testing.equal(sweep({ confirm = 4, workers = 3, store = files[2] }):text(), tables[1])
  testing.equal(fresh_rows(files[1]), fresh_rows(files[2]))
  testing.equal(tables[1], tables[2])
end

tests["a sweep that goes on confirms its new winner, and runs no seed twice"] = function()
  local file, marks = fresh ".db", fresh ".txt"
  local function go(trials)
    return sweep { confirm = 2, store = file, trials = trials, run = function(trial)
      io.open(marks, "a"):write(trial.number, "\n"):close()
      return trial.params.x + 0.001 * math.random()
    end }
  end
  go(4)
  local study = go(30)
  local seen = {}
  for number in io.lines(marks) do
    testing.ok(not seen[number], number)
    seen[number] = true
  end
  testing.equal(study.confirmed.winner.config, study:best().config)
  testing.equal(study.confirmed.winner.n, 2)
end

tests["small sweeps have no fresh seeds unless asked, larger ones have, and no more than a quarter"] = function()
  local function fresh_of(more)
    local confirmed = sweep(more).confirmed
    return confirmed and confirmed.winner.n or 0
  end
  testing.equal(fresh_of { trials = 23 }, 0)
  testing.equal(fresh_of { trials = 24 }, 3)
  testing.equal(fresh_of { trials = 80 }, 5)
  testing.equal(fresh_of { trials = 80, confirm = 0 }, 0)
  testing.equal(fresh_of { trials = 80, budget = { epochs = 1000 } }, 0)
end

tests["parameters that are proposed again are more seeds of the first"] = function()
  local function go(workers)
    return sweep { workers = workers, seeds = 2, trials = 12, confirm = 0,
      sampler = function(k) return { x = k == 2 and 0.75 or 0.25 } end }
  end
  local study = go(1)
  testing.equal(#study.configs, 2)
  local first, seen = study.configs[1], {}
  testing.equal({ first.number, #first.trials, first.n }, { 1, 10, 10 })
  for _, trial in ipairs(first.trials) do
    testing.ok(not seen[trial.seed] and not seen[trial.last], "twice the same")
    seen[trial.seed], seen[trial.last] = true, true
  end
  testing.equal(study.configs[2].trials[1].seed, first.trials[1].seed)
  testing.equal(go(4):text(), study:text())
end

tests["sealed test data counts every look, by trials and by the script"] = function()
  local data, file = require "data", fresh ".db"
  local set = data.set { x = { { 1, 2 }, { 3, 4 } }, y = { 0, 1 }, classes = { "a", "b" }, name = "secret" }
  local study = sweep { trials = 4, store = file, test = set, run = function(trial)
    if trial.number % 2 == 0 then
      return set:rows(1, 1).x:totable()[1][1] * trial.params.x
    end
    return trial.params.x
  end }
  testing.equal({ study:looks().trials, study:looks().script }, { 2, 0 })
  testing.equal({ #set, set.name, set:class_count(), #set:hash() }, { 2, "secret", 2, 64 }) -- no looks
  testing.equal(#set:looks(), 0)
  testing.equal(set.x:shape(), { 2, 2 })
  local looks = study:looks()
  testing.equal({ looks.trials, looks.script, #set:looks() }, { 2, 1, 1 })
  testing.matches(looks.looks[3], "^x at .*test_search_select.lua:%d+$")
  testing.contains(assert(view.show(file)), "looked at 3 times: 2 times by trials")
  testing.contains(tostring(set), "sealed secret")
  require("data.seal").listen(nil)
end

tests["an evaluation or a fit is one look"] = function()
  local data, nn = require "data", require "nn"
  local set = data.seal(data.set { x = { { 1, 2 }, { 3, 4 } }, y = { 0, 1 } })
  local model = nn.Sequential { nn.Linear(2) }
  model:fit(set, { epochs = 1 })
  model:evaluate(set)
  model:predict(set)
  local whats = {}
  for i, seen in ipairs(set:looks()) do
    whats[i] = seen.what
  end
  testing.equal(whats, { "fit", "evaluate", "predict" })
  testing.raises("expected a data set", data.seal, 3)
end

tests["a race drops who is worse, the same for any number of workers and after a stop"] = function()
  for _, sampler in ipairs { "random", "tpe" } do
    local texts = {}
    local function go(more)
      return sweep(merged({ race = true, seeds = 8, trials = 96, sampler = sampler, lag = 4, confirm = 0,
        run = function(trial)
          if trial.config == 5 and trial["repeat"] == 2 then
            error "lost"
          end
          return trial.params.x + 0.05 * math.random() + 0.01 * ((trial.number * 7919) % 13) / 13
        end }, more))
    end
    for i, workers in ipairs { 1, 4 } do
      local study = go { workers = workers }
      texts[i] = study:text()
      testing.ok(#study.trials < 80 and #study.trials >= 36, #study.trials)
      local best = study:best()
      testing.equal(best.n, 8)
      for _, config in ipairs(study.configs) do
        if config.number == 5 then
          testing.equal(#config.trials, 2) -- its second repeat failed
        elseif config.raced then
          testing.ok(#config.trials >= 3 and config.last.mean > best.mean - 0.01, config.label)
        end
      end
    end
    testing.equal(texts[1], texts[2])
    local file = fresh ".db"
    go { store = file, workers = 3 }
    testing.equal(search.load(file):text(), texts[1])
    local opened = assert(store.open(file, "write")) -- as if it had been killed: some trials are missing
    for i, row in ipairs(opened:rows("trial_list", 1)) do
      if i % 3 == 0 or i > 30 then
        assert(opened:run("metric_clear", row.id))
        assert(opened:run("trial_clear", row.id))
      end
    end
    assert(opened:close())
    testing.equal(go({ store = file, workers = 3 }):text(), texts[1])
  end
end

tests["a race that cannot be is refused"] = function()
  testing.raises("needs more than 3 seeds", function() sweep { race = true, seeds = 3 } end)
  testing.raises("do not go together", function() sweep { race = true, seeds = 5, pruner = "median" } end)
  testing.raises("do not go together", function() sweep { race = true, seeds = 5, budget = "1m" } end)
end

return testing.run(tests)
