-- What a sweep costs beside the training: 64 trials on the digits as plain fits in a loop and as a sweep of one
-- worker, in turns; the time from one trial's end to the next one's start; and the memory of 8 workers that
-- train on 500 MB of data (proportional set sizes, all processes together). --data N: megabytes.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bench = require "bench"
local nn = require "nn"
local proc = require "core.proc"
local search = require "search"

local megabytes = 500
for i = 1, #arg do
  megabytes = arg[i] == "--data" and math.tointeger(arg[i + 1]) or megabytes
end

local train, validation = bench.classes(1437, 64), bench.classes(360, 64)
local configs = {}
for _, hidden in ipairs { 16, 32, 64, 128 } do
  for _, lr in ipairs { 1e-4, 3e-4, 1e-3, 3e-3 } do
    for seed = 1, 4 do
      configs[#configs + 1] = { hidden = hidden, lr = lr, seed = seed }
    end
  end
end

local function fit(config, trial)
  local model = nn.Sequential { nn.Linear(config.hidden, "relu"), nn.Linear(10) }
  return model:fit(train, { optimizer = nn.Adam { lr = config.lr }, epochs = 20, batch_size = 32,
    validation = validation, seed = config.seed, trial = trial })
end

local function plain()
  for _, config in ipairs(configs) do
    fit(config)
  end
end

local function sweep(count)
  search.sweep { name = "digits", objective = "max val_accuracy", store = os.tmpname() .. ".db", arguments = {},
    workers = 1, quiet = true, table = false, space = { index = search.int(1, count or #configs) },
    confirm = 0, trials = count or #configs, sampler = function(k) return { index = k } end,
    run = function(trial)
      return count and 1 or fit(configs[trial.params.index], trial)
    end }
end

local function seconds(body, ...)
  local began = proc.now()
  body(...)
  return proc.now() - began
end

local ratios = {}
for i = 1, 9 do
  local alone = seconds(plain)
  ratios[i] = seconds(sweep) / alone
end
table.sort(ratios)
print(('{"workload": "sweep_overhead", "trials": %d, "ratio_to_plain": %.3f, "lowest": %.3f, "highest": %.3f}')
  :format(#configs, ratios[5], ratios[1], ratios[9]))
local many = 2000
print(('{"workload": "trial_start", "ms": %.3f}'):format(seconds(sweep, many) / many * 1000))

-- ---- memory ----

local function pss_kb(pid)
  local file = io.open(("/proc/%s/smaps_rollup"):format(pid)) -- gone when the process has ended
  local text = file and file:read("a") or ""
  if file then
    file:close()
  end
  return tonumber(text:match("\nPss:%s+(%d+)")) or 0
end

local function children(pid)
  local file = io.open(("/proc/%s/task/%s/children"):format(pid, pid))
  local text = file and file:read("a") or ""
  if file then
    file:close()
  end
  return text:gmatch("%d+")
end

-- This process, the one that forks, and the workers.
local function all_kb(coordinator)
  local sum = pss_kb(coordinator)
  for zygote in children(coordinator) do
    sum = sum + pss_kb(zygote)
    for worker in children(zygote) do
      sum = sum + pss_kb(worker)
    end
  end
  return sum
end

local rows = megabytes * 1000000 // (64 * 4)
local large = bench.classes(rows, 64)
local coordinator = proc.pid()
local study = search.sweep { name = "memory", objective = "max score", store = os.tmpname() .. ".db", arguments = {},
  workers = 8, quiet = true, table = false, preflight = false, space = { index = search.int(1, 8) }, trials = 8,
  sampler = function(k) return { index = k } end,
  run = function(trial)
    local model = nn.Sequential { nn.Linear(32, "relu"), nn.Linear(10) }
    model:fit(large, { epochs = 1, batch_size = 256, seed = trial.seed })
    return { score = all_kb(coordinator) / 1000 } -- while the others still train
  end }
local most = 0
for _, trial in ipairs(study.trials) do
  most = math.max(most, trial.last)
end
print(('{"workload": "shared_data", "data_mb": %d, "workers": 8, "all_processes_mb": %.0f}'):format(megabytes, most))
