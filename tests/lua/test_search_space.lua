--- Spaces, samplers, the command line of a sweep, and JSON.
local testing = require "testing"

local args = require "search.args"
local json = require "search.json"
local proposals = require "search.proposals"
local search = require "search"

local function grid(given)
  local points = {}
  search.space(given):each(function(params)
    points[#points + 1] = json.encode(params)
  end)
  return points
end

local function sampler(name, given, more)
  local problem = { space = search.space(given), seed = 1, sampler = name, goal = { direction = "min" } }
  for key, value in pairs(more or {}) do
    problem[key] = value
  end
  return proposals.new(problem)
end

local function apply(words, given)
  local line = testing.ok(args.parse(words))
  given.space = search.space(given.space)
  return args.apply(given, line, { seed = {}, trials = {} })
end

return testing.run {
  ["a grid runs through sorted names, the last one fastest"] = function()
    testing.equal(grid { b = { 1, 2 }, a = { "x", "y" } }, {
      '{"a":"x","b":1}', '{"a":"x","b":2}', '{"a":"y","b":1}', '{"a":"y","b":2}' })
  end,
  ["a branch carries parameters of its own"] = function()
    local choice = search.choice { sgd = { momentum = { 0.0, 0.9 } }, adam = {} }
    testing.equal(grid { opt = choice, z = 1 }, {
      '{"opt":"adam","z":1}', '{"momentum":0.0,"opt":"sgd","z":1}',
      '{"momentum":0.9,"opt":"sgd","z":1}' })
    testing.equal(search.space({ opt = choice, z = 1 }):size(), 3)
  end,
  ["ranges have points by n, by step, or by whole numbers"] = function()
    testing.equal(search.float(1e-4, 1e-1, { log = true, n = 4 }):points(), { 1e-4, 1e-3, 1e-2, 1e-1 })
    testing.equal(search.float(0, 1, { step = 0.25 }):points(), { 0, 0.25, 0.5, 0.75, 1 })
    testing.equal(search.int(2, 5):points(), { 2, 3, 4, 5 })
    testing.equal(search.int(1, 100, { log = true, n = 3 }):points(), { 1, 10, 100 })
    testing.equal(search.int(0, 10, { step = 4 }):points(), { 0, 4, 8 })
    testing.equal(search.bool():points(), { false, true })
    testing.equal(search.fixed(3):points(), { 3 })
    testing.equal(search.int(1, 3, { n = 9 }):points(), { 1, 2, 3 })
  end,
  ["a list has a length of its own, and entries of one domain"] = function()
    testing.equal(grid { h = search.list({ 8, 16 }, { max = 2 }) }, { '{"h":[8]}', '{"h":[16]}',
      '{"h":[8,8]}', '{"h":[8,16]}', '{"h":[16,8]}', '{"h":[16,16]}' })
    local list = search.list(search.int(1, 100), { min = 2, max = 3 })
    testing.ok(list:accepts { 1, 100 })
    testing.ok(list:accepts { 1, 2, 3 })
    for _, wrong in ipairs { { 1 }, { 1, 2, 3, 4 }, { 1, 101 }, 5 } do
      testing.ok(not list:accepts(wrong))
    end
    testing.equal(tostring(list), "list of 2 to 3: int 1 to 100")
    local lengths = {}
    local random = sampler("random", { h = list })
    for k = 1, 50 do
      local h = random.ask(k).h
      lengths[#h] = (lengths[#h] or 0) + 1
    end
    testing.ok(lengths[2] > 10 and lengths[3] > 10 and lengths[2] + lengths[3] == 50)
    testing.raises("a domain without branches", function() search.list(5, { max = 2 }) end)
    testing.raises("option 'max' is missing", function() search.list({ 1 }, {}) end)
  end,
  ["a value's place leads back to the value"] = function()
    for _, domain in ipairs { search.float(-2, 5), search.float(1e-5, 10, { log = true }),
      search.float(0, 1, { step = 0.05 }), search.int(-3, 8), search.int(1, 5000, { log = true }),
      search.int(0, 100, { step = 7 }), search.bool(), search.ordered { 4, 1, 9 },
      search.choice { "a", { 1, 2 }, 3.5 } } do
      for i = 0, 200 do
        local value = domain:at(i / 201)
        local place = domain:place(value)
        testing.ok(place >= 0 and place <= 1)
        if domain.kind == "float" and not domain.step then
          testing.near(domain:at(place), value, 1e-12)
        else
          testing.equal(domain:at(place), value)
        end
      end
      testing.equal(domain:place("nothing of it"), nil)
    end
  end,
  ["a grid over a range without points says what to give"] = function()
    testing.raises("parameter 'lr' has no list of values for a grid: give n", function()
      grid { lr = search.float(0, 1) }
    end)
  end,
  ["places run through a domain from end to end"] = function()
    local int = search.int(3, 7)
    testing.equal({ int:at(0), int:at(0.999999) }, { 3, 7 })
    local log = search.float(1e-4, 1, { log = true })
    testing.near({ log:at(0), log:at(0.5) }, { 1e-4, 1e-2 }, 1e-12)
    local logint = search.int(1, 1000, { log = true })
    testing.equal({ logint:at(0), logint:at(1 - 1e-12) }, { 1, 1000 })
    testing.equal(math.type(logint:at(0.3)), "integer")
    local choice = search.choice { "a", "b", "c" }
    testing.equal({ choice:at(0), choice:at(0.34), choice:at(0.99) }, { "a", "b", "c" })
  end,
  ["random points stay inside, and use all of the domain"] = function()
    local random = sampler("random", { x = search.float(-2, 3), k = search.int(1, 4), c = { "p", "q" } })
    local seen, low, high = {}, 9, -9
    for k = 1, 400 do
      local params = random.ask(k)
      low, high = math.min(low, params.x), math.max(high, params.x)
      seen[params.k], seen[params.c] = true, true
    end
    testing.ok(low >= -2 and low < -1.9 and high <= 3 and high > 2.9)
    testing.equal(seen, { true, true, true, true, p = true, q = true })
  end,
  ["a random point depends on its number only, and on no other parameter"] = function()
    local one = sampler("random", { lr = search.float(0, 1) })
    local two = sampler("random", { lr = search.float(0, 1), extra = search.int(1, 9), a = { 1, 2 } })
    for _, k in ipairs { 7, 1, 100 } do
      testing.equal(one.ask(k).lr, two.ask(k).lr)
      testing.equal(two.ask(k), two.ask(k))
    end
    testing.differ(one.ask(1), one.ask(2))
    testing.differ(one.ask(1), sampler("random", { lr = search.float(0, 1) }, { seed = 2 }).ask(1))
  end,
  ["a constraint is never broken, and one that is never met is an error"] = function()
    local function even(params) return params.k % 2 == 0 end
    local random = sampler("random", { k = search.int(1, 100) }, { constraint = even })
    for k = 1, 50 do
      testing.equal(random.ask(k).k % 2, 0)
    end
    testing.equal(sampler("grid", { k = search.int(1, 6) }, { constraint = even }).count, 3)
    local function never() return false end
    testing.raises("allows none", function()
      sampler("random", { k = search.int(1, 6) }, { constraint = never }).ask(1)
    end)
    testing.raises("allows none of the 6 points", function()
      sampler("grid", { k = search.int(1, 6) }, { constraint = never })
    end)
  end,
  ["the default is a grid when the space has one"] = function()
    testing.equal(sampler(nil, { a = { 1, 2 } }).name, "grid")
    testing.equal(sampler(nil, { a = search.float(0, 1) }).name, "random")
    local many = {} -- 2^64 points
    for i = 1, 16 do
      many["p" .. i] = search.int(1, 16)
    end
    testing.equal(sampler(nil, many).name, "random")
    testing.equal(search.space(many):size(), 2.0 ^ 64)
    testing.raises("the grid has 1.844674e+19 points", function() sampler("grid", many) end)
  end,
  ["mistakes in a space are named at the script's line"] = function()
    local function line(part, fn)
      testing.matches(testing.raises(part, fn), "^[^\n]*test_search_space%.lua:%d+: ")
    end
    line("high (0) is below low (1)", function() search.float(1, 0) end)
    line("low must be a finite number, got nil", function() search.float() end)
    line("low must be a whole number, got 1.5", function() search.int(1.5, 2) end)
    line("low must be greater than 0", function() search.float(0, 1, { log = true }) end)
    line("either log or step", function() search.int(1, 9, { log = true, step = 2 }) end)
    line("(did you mean 'log'?)", function() search.float(0, 1, { lgo = true }) end)
    line("the list of values is empty", function() search.choice {} end)
    line("listed twice", function() search.choice { 1, 2, 1 } end)
    line("cannot be recorded", function() search.choice { print } end)
    line("parameter 'lr' appears twice", function()
      search.space { lr = 1, o = search.choice { sgd = { lr = 2 } } }
    end)
    line("a parameter needs a name", function() search.space { 1, 2 } end)
  end,
  ["--set fixes a parameter, typed by its domain"] = function()
    local given = { space = { lr = search.float(0, 1), k = search.int(1, 9), act = { "relu", "tanh" },
      o = search.choice { sgd = { m = search.float(0, 1) }, adam = {} }, c = 0.5 } }
    testing.ok(apply({ "--set", "space.lr=1", "--set=space.k=3", "--set", "space.act=tanh", "--set",
      "space.o=sgd", "--set", "space.o.sgd.m=0.9", "--set", "space.c=2" }, given))
    local params = {}
    given.space:each(function(point) params = json.encode(point) end)
    testing.equal(params, '{"act":"tanh","c":2.0,"k":3,"lr":1.0,"m":0.9,"o":"sgd"}')
  end,
  ["--set finds a parameter by its own name, options first"] = function()
    local given = { space = { epochs = search.int(1, 9), seed = { 1, 2 } } }
    testing.ok(apply({ "--set", "epochs=3", "--set", "seed=2" }, given))
    testing.equal(given.space:find("epochs"):points(), { 3 })
    testing.equal({ given.seed, given.space:find("seed"):points() }, { 2, { 1, 2 } })
  end,
  ["--set takes a list of values"] = function()
    local given = { space = { lr = search.float(0, 1) } }
    testing.ok(apply({ "--set", "space.lr=0.1,0.2" }, given))
    testing.equal(given.space:size(), 2)
  end,
  ["--set takes a list for a list, and several"] = function()
    local given = { space = { h = search.list(search.int(1, 99), { max = 3 }) } }
    testing.ok(apply({ "--set", "h=[64,32]" }, given))
    testing.equal(given.space:find("h"):points(), { { 64, 32 } })
    given = { space = { h = search.list(search.int(1, 99), { max = 3 }) } }
    testing.ok(apply({ "--set", "space.h=[64,32],[5]" }, given))
    testing.equal(given.space:find("h"):points(), { { 64, 32 }, { 5 } })
    testing.contains(select(2, apply({ "--set", "space.h=[64,320]" },
      { space = { h = search.list(search.int(1, 99), { max = 3 }) } })), "expected a list of 1 to 3 entries")
  end,
  ["--set refuses what does not fit, with the nearest name"] = function()
    local function message(word)
      return select(2, apply({ "--set", word }, { space = { hidden = search.int(1, 9), act = { "relu" } } }))
    end
    testing.contains(select(2, apply({ "--set", "space.m=1" }, { space = { hidden = search.int(1, 9),
      o = search.choice { sgd = { m = search.float(0, 1) } } } })), "did you mean 'space.o.sgd.m'?")
    testing.contains(message "space.hiden=3", "did you mean 'space.hidden'?")
    testing.contains(message "space.hidden=30", "expected a whole number from 1 to 9, got '30'")
    testing.contains(message "space.hidden=1.5", "whole number")
    testing.contains(message "space.act=tanh", 'one of "relu"')
    testing.contains(message "trails=3", "did you mean 'trials'?")
    testing.contains(message "trials=x", "expected a whole number")
  end,
  ["the command line is read, and positional words are left alone"] = function()
    testing.equal(args.parse { "dir", "-j4", "--trials=20", "--seed", "7", "--fresh", "-q" }, {
      workers = 4, trials = 20, seed = 7, fresh = true, quiet = true, set = {} })
    testing.equal(args.parse { "--", "--what" }, { set = {} })
    local _, unknown = args.parse { "--trails", "3" }
    testing.contains(unknown, "did you mean '--trials'?")
    local _, missing = args.parse { "-j" }
    testing.contains(missing, "needs N")
    local _, bad = args.parse { "-j", "x" }
    testing.contains(bad, "whole number")
  end,
  ["a command line is recorded so that its words come back"] = function()
    for _, words in ipairs { {}, { "-j4", "--set", "x=a b" }, { "it's", "", "a\\b", "'", "--store=/a b/c.db" } } do
      testing.equal(args.split_words(args.join(words)), words)
    end
    testing.equal(args.split_words "-j 4  --seed=2", { "-j", "4", "--seed=2" })
  end,
  ["JSON is canonical and reads back"] = function()
    local value = { b = { 1, 2.5, "x" }, a = { t = true, f = false }, s = 'q"\\\n\1ü', n = -3, e = 1e300 }
    local text = json.encode(value)
    testing.equal(text,
      '{"a":{"f":false,"t":true},"b":[1,2.5,"x"],"e":1e+300,"n":-3,"s":"q\\"\\\\\\n\\u0001ü"}')
    testing.equal(json.decode(text), value)
    testing.equal(math.type(json.decode(json.encode(2.0))), "float")
    testing.equal(math.type(json.decode(json.encode(2))), "integer")
    for _, number in ipairs { 0.1, 1 / 3, 5e-324, 2 ^ 53 + 0.0, -0.0, math.mininteger, math.maxinteger } do
      testing.equal(json.decode(json.encode(number)), number)
    end
    testing.equal(json.decode ' [ null , "\\u00e4\\ud83d\\ude00" ] ', { [2] = nil, [1] = "ä😀" })
    testing.equal(json.encode {}, "{}")
  end,
  ["JSON that is none is an error with its place"] = function()
    for _, text in ipairs { "", "{", '{"a" 1}', "[1,]", '"x', "tru", "1 2", '{"a":1,}' } do
      testing.raises("JSON, line 1", json.decode, text)
    end
    testing.raises("no JSON form", json.encode, { print })
    testing.raises("no JSON form", json.encode, { 1, a = 2 })
    local loop = {}
    loop.loop = loop
    testing.raises("nested too deep", json.encode, loop)
  end,
  ["a space is described for the record"] = function()
    local described = search.space { lr = search.float(1e-3, 1, { log = true }),
      o = search.choice { sgd = { m = search.fixed(0.9) } } }:describe()
    testing.equal(json.encode(described), '{"lr":{"high":1.0,"kind":"float","log":true,"low":0.001},'
      .. '"o":{"branches":{"sgd":{"m":{"kind":"fixed","values":[0.9]}}},"kind":"choice","values":["sgd"]}}')
    testing.equal(tostring(search.int(1, 9, { log = true })), "int 1 to 9, log")
    testing.matches(tostring(search.space { k = search.int(1, 9), o = { "x", "y" } }),
      "^k +int 1 to 9\no +choice x | y$")
  end,
}
