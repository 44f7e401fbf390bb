--- What the benchmarks share: options of the command line, data, timing, the JSON line.
local core_init = require "core.init"
local data = require "data"
local op = require "core.op"
local tensors = require "core.tensor"

local M = { threads = 1, repeats = 3 }

for i = 1, #arg do
  if arg[i] == "--threads" then
    M.threads = math.tointeger(arg[i + 1]) or error "--threads takes a number"
  elseif arg[i] == "--repeat" then
    M.repeats = math.tointeger(arg[i + 1]) or error "--repeat takes a number"
  end
end

--- Standard normal numbers.
function M.normal(shape, stream)
  local tensor = tensors.zeros(shape)
  core_init.fill(tensor, "normal", 1, 1, 1234, stream)
  return tensor
end

--- Normal inputs whose class is the largest of ten random linear functions of them.
function M.classes(rows, columns)
  local x = M.normal({ rows, columns }, 1)
  local y = op.argmax(op.matmul(x, M.normal({ columns, 10 }, 2)))
  return data.set { x = x, y = y, name = "random" }
end

--- The same with images (channels, height, width) as inputs.
function M.images(rows, channels, height, width)
  local set = M.classes(rows, channels * height * width)
  return data.set { x = set.x:view { rows, channels, height, width }, y = set.y, name = "random images" }
end

local function peak_rss_mb()
  for line in io.lines("/proc/self/status") do
    local kb = line:match("^VmHWM:%s+(%d+)")
    if kb then
      return tonumber(kb) / 1024
    end
  end
  return 0
end

--- Time `body` (which returns the final loss) and print one JSON line. The median of the repeats
--- counts; the fastest is given beside it, and the least processor time of all threads.
function M.report(workload, samples, body, extra)
  local clock = require("core.proc").now
  local times, cpu, loss = {}, math.huge, nil
  for i = 1, M.repeats do
    local started, used = clock(), os.clock()
    loss = body()
    times[i] = clock() - started
    cpu = math.min(cpu, os.clock() - used)
  end
  table.sort(times)
  local seconds = times[(#times + 1) // 2]
  print(('{"workload": "%s", "peer": "nnrun", "threads": %d, "seconds": %.4f, "seconds_min": %.4f, '
    .. '"cpu_s_min": %.4f, "samples_per_s": %.0f, "final_loss": %.5f, "peak_rss_mb": %.1f%s}'):format(
    workload, M.threads, seconds, times[1], cpu, samples / times[1], loss, peak_rss_mb(), extra or ""))
end

--- Time one pass of training with Adam, shuffled, of a new model each time.
---@param workload string
---@param train table data set
---@param batch_size integer
---@param model fun(): table makes it
function M.pass(workload, train, batch_size, model)
  local nn = require "nn"
  M.report(workload, #train, function()
    local history = model():fit(train, { optimizer = nn.Adam { lr = 1e-3 }, epochs = 1, batch_size = batch_size,
      metrics = {}, seed = 7, threads = M.threads })
    return history.epochs[1].loss
  end)
end

return M
