--- Choosing honestly: several objectives, fresh seeds for the winner, races, sealed test data.
local testing = require "testing"

local search = require "search"
local view = require "search.store_view"

local folder = testing.folder()
local counter = 0

-- A file name nobody has used.
local function fresh(ending)
  counter = counter + 1
  return ("%s/%d%s"):format(folder, counter, ending)
end

-- A sweep in this process: noisy values around x, the same noise for all configurations of a seed.
local function sweep(more)
  local given = {
    name = "select", objective = "min loss", space = { x = search.float(0, 1) }, sampler = "random",
    store = ":memory:", quiet = true, table = false, arguments = {}, workers = 2, trials = 8,
    run = function(trial)
      trial:report(1, { loss = trial.params.x + 0.1 * math.random() })
    end,
  }
  for key, value in pairs(more or {}) do
    given[key] = value
  end
  local study = search.sweep(given)
  return study -- no tail call: messages name the caller's line
end

local function two(more)
  local given = {
    objective = { "max gain", "min cost" }, trials = 40, sampler = { "nsga2", population = 8 },
    space = { x = search.float(0, 1), y = search.float(0, 1) },
    run = function(trial)
      local p = trial.params
      trial:report(1, { gain = 5 })
      trial:report(2, { gain = p.x - 0.5 * p.y })
      return nil, { cost = p.x + p.y }
    end,
  }
  for key, value in pairs(more or {}) do
    given[key] = value
  end
  return sweep(given)
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

return testing.run(tests)
