--- What every sampler promises, a user's own included: one suite, run for each row of the table.
local testing = require "testing"

local codecs = require "search.codec"
local core = require "core.search"
local json = require "search.json"
local orders = require "search.order"
local pareto = require "search.pareto"
local proposals = require "search.proposals"
local samplers = require "search.samplers"
local search = require "search"

-- One parameter of each kind, two branches with parameters of their own, one of them of the same name.
local function mixed()
  return search.space {
    lr = search.float(1e-4, 1, { log = true }), momentum = search.float(0, 1),
    drop = search.float(0, 0.5, { step = 0.1 }), width = search.int(8, 256, { log = true }),
    depth = search.int(1, 5), bias = search.bool(), size = search.ordered { 16, 32, 64 },
    act = { "relu", "tanh", "gelu" }, epochs = 3,
    optimizer = search.choice { sgd = { nesterov = search.bool(), decay = search.float(0, 1) },
      adam = { beta = search.float(0.8, 1), decay = search.float(0, 0.1) }, plain = {} },
    hidden = search.list(search.int(4, 64, { log = true }), { max = 3 }),
  }
end

-- A smooth loss over all of them; some trials fail.
local function loss_of(params, k)
  if k % 11 == 0 then
    return math.huge
  end
  local loss = (math.log(params.lr) + 4) ^ 2 / 10 + (params.momentum - 0.8) ^ 2 + params.drop
    + math.abs(params.width - 40) / 100 + (params.depth - 3) ^ 2 / 5 + (params.bias and 0 or 0.3)
    + params.size / 100 + (params.act == "tanh" and 0 or 0.5) + #params.hidden / 4
  if params.optimizer == "sgd" then
    loss = loss + params.decay
  elseif params.optimizer == "adam" then
    loss = loss + (params.beta - 0.9) ^ 2 * 50 + params.decay * 5
  end
  return loss + (params.optimizer == "plain" and 1 or 0)
end

local own = { name = "own" }
function own.new()
  local best, loss
  return {
    ask = function(_, k, space, _, attempt)
      if best and k % 2 == 0 and attempt == 0 then
        return best
      end
      return space:fill(function(name, domain)
        return domain:at(require("core.random").uniform(7, name, 1000 * k + attempt))
      end)
    end,
    tell = function(_, _, result)
      if not loss or result.loss < loss then
        best, loss = result.params, result.loss
      end
    end,
  }
end

local NAMES = {}
for name in pairs(samplers.table) do
  if name ~= "grid" then
    NAMES[#NAMES + 1] = name
  end
end
table.sort(NAMES)
NAMES[#NAMES + 1] = "own"

local GOAL = { direction = "min", metric = "loss" }

local function asker(name, more)
  local given = { space = mixed(), seed = 3, sampler = name == "own" and own.new() or name, goal = GOAL,
    goals = { GOAL, { direction = "min", metric = "width" } } }
  for key, value in pairs(more or {}) do
    given[key] = value
  end
  return proposals.new(given)
end

local function finish(trial, loss)
  trial.state = loss < math.huge and "finished" or "failed"
  trial.last, trial.final = loss < math.huge and loss or nil, { epoch = 1, width = trial.params.width }
end

-- Run `total` trials with `workers`, whose trials end in an order of their own, beside those in
-- `trials`, which are done; returns the text of each one's params, and the params.
local function run(asked, total, workers, value, trials)
  trials = trials or {}
  local order = orders.new({ total = total, seeds = 1, lag = 4, select = "last", recorded = {},
    sampler = asked, seed_of = function(part) return part end }, trials)
  local running, turn = {}, 0
  repeat
    local trial = #running < workers and order:next() or nil
    if trial and trial ~= orders.WAIT then
      running[#running + 1] = trial
    elseif #running > 0 then
      turn = turn * 5 + 3
      local done = table.remove(running, turn % #running + 1)
      finish(done, (value or loss_of)(done.params, done.number))
    end
  until #running == 0 and order:exhausted()
  local list, params = {}, {}
  for k = 1, total do
    list[k], params[k] = json.encode(trials[k].params), trials[k].params
  end
  return list, params
end

local tests = {}

-- A test for every sampler.
local function each(behaviour, fn)
  for _, name in ipairs(NAMES) do
    tests[("%s: %s"):format(name, behaviour)] = function()
      fn(name)
    end
  end
end

each("proposals are the same for any number of workers", function(name)
  local one = run(asker(name), 60, 1)
  for _, workers in ipairs { 2, 3, 8 } do
    testing.equal(run(asker(name), 60, workers), one)
  end
end)

each("proposals are the same when a search is continued", function(name)
  local whole = run(asker(name), 60, 2)
  for _, known in ipairs { 1, 17, 43 } do
    local trials = {}
    for k = 1, known do -- all are recorded, except one that was in flight
      if k ~= known - 2 then
        trials[k] = { number = k, params = json.decode(whole[k]) }
        finish(trials[k], loss_of(trials[k].params, k))
      end
    end
    testing.equal(run(asker(name), 60, 3, nil, trials), whole)
  end
end)

each("proposals depend on the seed", function(name)
  if name ~= "own" then
    testing.differ(run(asker(name), 40, 1)[30], run(asker(name, { seed = 4 }), 40, 1)[30])
  end
end)

each("values are in their domains, branches have their own parameters", function(name)
  local space = mixed()
  local _, all = run(asker(name, { space = space }), 60, 2)
  local codec = codecs.new(space)
  for _, params in ipairs(all) do
    testing.equal(params.epochs, 3)
    testing.equal(params.beta ~= nil, params.optimizer == "adam")
    testing.equal(params.nesterov ~= nil, params.optimizer == "sgd")
    testing.equal(params.decay ~= nil, params.optimizer ~= "plain")
    testing.equal(math.type(params.width), "integer")
    space:fill(function(path, domain)
      local list, i = path:match("^(%a+)%.(%w+)$")
      local value = params[path]
      if list then
        value = i == "length" and #params[list] or params[list][tonumber(i)]
      end
      testing.ok(domain:accepts(value), path)
      return value
    end)
    testing.equal(codec:decode(codec:encode(params)).hidden, params.hidden)
  end
end)

each("a constraint is never broken", function(name)
  local function narrow(params)
    return params.width < 32 and params.momentum > 0.5
  end
  local asked = asker(name, { constraint = narrow })
  local _, all = run(asked, 40, 2)
  for _, params in ipairs(all) do
    testing.ok(narrow(params))
  end
  testing.ok(asked.share > 0.1 and asked.share < 0.3, asked.share)
end)

each("a small space is used up before anything is repeated", function(name)
  local space = search.space { a = search.int(1, 3), b = { "x", "y" }, c = search.bool() }
  local asked = asker(name, { space = space })
  local list = run(asked, 15, 3, function(params, k) return k % 5 == 0 and math.huge or params.a end)
  local seen = {}
  for k = 1, 12 do
    testing.ok(not seen[list[k]], list[k])
    seen[list[k]] = true
  end
end)

each("a space of constants, failures alone and equal losses are survived", function(name)
  local fixed = asker(name, { space = search.space { a = 1, b = "x" } })
  testing.equal(run(fixed, 20, 2, function() return 1 end)[20], '{"a":1,"b":"x"}')
  testing.equal(#run(asker(name), 40, 2, function() return math.huge end), 40)
  testing.equal(#run(asker(name), 40, 2, function() return 0 end), 40)
  testing.equal(#run(asker(name), 40, 2, function(_, k) return k % 2 == 0 and 1e300 or -1e300 end), 40)
end)

each("what it learns leads to better trials than random ones", function(name)
  local function best(asked)
    local least = math.huge
    run(asked, 150, 4, function(params)
      local loss = loss_of(params, 1)
      least = math.min(least, loss)
      return loss
    end)
    return least
  end
  if asker(name).tell and name ~= "nsga2" and name ~= "own" then
    local found, random = best(asker(name)), best(asker("random"))
    testing.ok(found < 0.8 * random, ("%g, random %g"):format(found, random))
  end
end)

tests["a result of a configuration of one's own is learned from"] = function()
  local space = search.space { x = search.float(0, 1), y = search.float(0, 1) }
  for _, name in ipairs { "tpe", "gp", "cmaes", "de", "evolution" } do
    local trials = { { number = 1, params = { x = 0.25, y = 0.75 } } }
    finish(trials[1], 0)
    local list = run(asker(name, { space = space }), 30, 2, function() return 1 end, trials)
    testing.equal(list[1], '{"x":0.25,"y":0.75}')
  end
end

tests["a sampler hears which proposals are pending, and losses that are to be small"] = function()
  local heard, told = {}, {}
  local sampler = {
    ask = function(_, k, _, pending)
      heard[k] = #pending
      return { x = k }
    end,
    tell = function(_, k, result) told[k] = result.loss end,
  }
  local space = search.space { x = search.int(1, 12) }
  run(asker(sampler, { goal = { direction = "max" }, goals = false, space = space }), 12, 8,
    function(_, k) return k == 2 and math.huge or k end)
  testing.equal(heard, { 0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3 })
  testing.equal(told, { -1, math.huge, -3, -4, -5, -6, -7, -8 })
end

tests["options of a sampler are checked, and part of what is recorded"] = function()
  testing.equal(asker({ "tpe", startup = 20 }).name, 'tpe {"startup":20}')
  testing.equal(asker("random").name, "random")
  testing.raises("did you mean 'startup'", function() asker { "tpe", starup = 20 } end)
  testing.raises("did you mean 'cmaes'", function() asker "cmeas" end)
end

tests["a constraint that is rarely met is met again and again"] = function()
  local rare = asker("tpe", { constraint = function(params) return params.x > 0.98 and params.y > 0.99 end,
    space = search.space { x = search.float(0, 1), y = search.float(0, 1) } })
  for k = 1, 20 do
    testing.ok(rare.ask(k).y > 0.99)
  end
end

tests["a Gaussian process follows the edge of a constraint"] = function()
  local gp = asker("gp", { constraint = function(params) return params.x ^ 2 + params.y ^ 2 < 1 end,
    space = search.space { x = search.float(-2, 2), y = search.float(-2, 2) } })
  local best = 0
  for k = 1, 50 do
    local params = gp.ask(k)
    best = math.max(best, params.x + params.y)
    gp.known(k, params)
    gp.tell(k, { params = params, state = "finished", value = -params.x - params.y })
  end
  testing.ok(best > 1.4 and best <= math.sqrt(2), best)
end

tests["a constraint that is never met is an error before anything runs"] = function()
  testing.raises("allows none of 10000", function()
    asker("tpe", { constraint = function() return false end })
  end)
end

tests["sequences are even: each half, quarter, ... holds its share of points"] = function()
  for _, kind in ipairs { "sobol", "halton" } do
    for dimension = 1, 3 do
      local base = kind == "sobol" and 2 or ({ 2, 3, 5 })[dimension]
      local cells = base ^ (kind == "sobol" and 5 or 2)
      local counts = {}
      for index = 0, cells - 1 do
        local place = core[kind](9, "test", index, dimension)[dimension]
        testing.ok(place >= 0 and place < 1)
        local cell = math.floor(place * cells)
        counts[cell] = (counts[cell] or 0) + 1
      end
      for cell = 0, cells - 1 do
        testing.equal(counts[cell], 1, kind .. " " .. dimension)
      end
    end
  end
end

tests["Sobol's points are even in two directions at once"] = function()
  local counts = {}
  for index = 0, 15 do -- a (0, 4, 2)-net: one point in each of 4 x 4 squares
    local point = core.sobol(5, "net", index, 2)
    local cell = math.floor(point[1] * 4) * 4 + math.floor(point[2] * 4)
    counts[cell] = (counts[cell] or 0) + 1
  end
  for cell = 0, 15 do
    testing.equal(counts[cell], 1)
  end
end

tests["fronts, ranks and crowding of points by hand"] = function()
  local points = { { 1, 4 }, { 2, 2 }, { 4, 1 }, { 3, 3 }, { 5, 5 }, { 2, 2 } }
  testing.equal(pareto.front(points), { 1, 2, 3, 6 })
  testing.equal(pareto.ranks(points), { 1, 1, 1, 2, 3, 1 })
  testing.equal(pareto.crowding { { 0, 4 }, { 1, 2 }, { 4, 0 } }, { math.huge, 2, math.huge })
end

tests["points that are none are refused"] = function()
  testing.raises("hypervolume: point 2 must be a list of 2 losses, got 3 of them", search.hypervolume,
    { { 1, 2 }, { 1, 2, 3 } }, { 4, 4 })
  testing.raises("hypervolume: needs lists of losses, got 4", search.hypervolume, { { 1, 2 } }, 4)
  testing.raises("hypervolume: needs lists of losses, got nil", search.hypervolume, { { 1, 2 } })
  testing.raises("pareto_front: point 2 must be a list of 2 losses, got 7", search.pareto_front, { { 1, 2 }, 7 })
end

tests["hypervolumes in two and three dimensions"] = function()
  testing.near(pareto.hypervolume({ { 1, 3 }, { 2, 2 }, { 3, 1 } }, { 4, 4 }), 6, 1e-12)
  testing.equal(pareto.hypervolume({ { 5, 1 } }, { 4, 4 }), 0)
  testing.equal(pareto.hypervolume({}, { 4, 4 }), 0)
  testing.near(pareto.hypervolume({ { 0, 0, 0 } }, { 1, 2, 3 }), 6, 1e-12)
  testing.near(pareto.hypervolume({ { 0, 1, 1 }, { 1, 0, 1 }, { 1, 1, 0 }, { 1, 1, 1 } }, { 2, 2, 2 }), 4,
    1e-12)
end

tests["NSGA-II finds the front of two objectives"] = function()
  local space = search.space { x = search.float(0, 1), y = search.float(0, 1), z = search.float(0, 1) }
  local function volume(name)
    local asked, points = asker(name, { space = space }), {}
    for k = 1, 300 do -- ZDT1 of three parameters
      local p = asked.ask(k)
      local g = 1 + 4.5 * (p.y + p.z)
      points[k] = { p.x, g * (1 - math.sqrt(p.x / g)) }
      if asked.tell then
        asked.tell(k, { params = p, state = "finished", value = points[k][1],
          metrics = { width = points[k][2] } })
      end
    end
    return pareto.hypervolume(points, { 1, 4 })
  end
  local found, random = volume "nsga2", volume "random"
  testing.ok(found > 3.3 and found > random + 0.3, ("%g, random %g"):format(found, random)) -- of 3.67
end

return testing.run(tests)
