-- What the sweep engine itself costs: trials of a function that does nothing, and proposals of TPE late in a
-- sweep. --trials N (default 100000) of them; a line each for the sweep, for `list` and `best` on its store,
-- and for ask and tell.
local proc = require "core.proc"
local proposals = require "search.proposals"
local random = require "core.random"
local run = require("core.plot").run
local samplers = require "search.samplers"
local search = require "search"

local count, workers = 100000, 2
for i = 1, #arg do
  count = arg[i] == "--trials" and math.tointeger(arg[i + 1]) or count
  workers = arg[i] == "-j" and math.tointeger(arg[i + 1]) or workers
end

local folder = os.tmpname()
os.remove(folder)
local store = folder .. ".db"

local function size(path)
  local file = io.open(path, "rb")
  local bytes = file and file:seek "end" or 0
  if file then
    file:close()
  end
  return bytes
end

local began = proc.now()
search.sweep {
  name = "trials", objective = "max score", sampler = "random", trials = count, store = store, arguments = {},
  confirm = 0, -- as many trials as said
  workers = workers, quiet = true, table = false, space = { x = search.float(0, 1), y = search.float(0, 1) },
  run = function(trial)
    return { score = trial.params.x - trial.params.y }
  end,
}
local seconds = proc.now() - began
print(('{"workload": "trials", "peer": "nnrun", "workers": %d, "trials": %d, "seconds": %.2f, "trials_per_s": %.0f, '
  .. '"coordinator_rss_mb": %.0f, "store_mb": %.1f}'):format(workers, count, seconds, count / seconds,
  proc.resident() / 1024, size(store) / 1e6))

local program = arg[-1] or "nnrun"
for _, command in ipairs { "list", "best" } do
  began = proc.now()
  local result = assert(run({ program, command, store }, "", 60))
  assert(result.status == 0, result.errors)
  print(('{"workload": "%s", "peer": "nnrun", "trials": %d, "seconds": %.2f}'):format(command, count,
    proc.now() - began))
end
for _, ending in ipairs { "", "-wal", "-shm" } do
  os.remove(store .. ending)
end

-- Ask and tell in trial order, as a sweep does; `at` trials have been told before the timed ones.
local function propose(name, at, timed)
  local space = search.space { x = search.float(0, 1), y = search.float(1e-4, 1, { log = true }),
    z = search.int(1, 100), w = search.choice { "a", "b", "c" } }
  local sampler = proposals.new { sampler = name, space = space, seed = 1,
    goal = require("search.objective").parse "min loss" }
  local times = {}
  for k = 1, at + timed do
    local params
    if k <= at then
      params = space:fill(function(key, domain) return domain:at(random.uniform(1, key, k)) end)
    else
      local start = proc.now()
      params = sampler.ask(k)
      times[#times + 1] = proc.now() - start
    end
    local value = (params.x - 0.3) ^ 2 + params.y + params.z / 100
    local start = proc.now()
    if sampler.known then
      sampler.known(k, params)
    end
    local tell = sampler.tell or function() end
    tell(k, { params = params, state = "finished", value = value, values = { value }, states = { "finished" },
      metrics = { loss = value }, epochs = 1 })
    if k > at then
      times[#times] = times[#times] + proc.now() - start
    end
  end
  table.sort(times)
  local sum = 0
  for _, time in ipairs(times) do
    sum = sum + time
  end
  print(('{"workload": "ask_tell", "sampler": "%s", "at": %d, "per_s": %.0f, "p99_ms": %.2f}'):format(name, at,
    #times / sum, times[math.ceil(#times * 0.99)] * 1000))
end

for _, at in ipairs { 10000, count } do
  propose("tpe", at, 300)
end
for _, name in ipairs(require("options").keys(samplers.table)) do
  if name == "random" or name == "sobol" or name == "cmaes" then
    propose(name, 10000, 300)
  end
end
