--- What the tests of sweeps share: names of new files, two small sweeps, and what a run store holds as text that
--- can be compared, without all that depends on the clock or on which worker was first.
local recorded = require "search.recorded"
local search = require "search"
local store = require "core.store"
local testing = require "testing"

local M = {}

local folder, counter = testing.folder(), 0

--- A file name nobody has used.
---@param ending string
---@return string
function M.fresh(ending)
  counter = counter + 1
  return ("%s/%d%s"):format(folder, counter, ending)
end

--- Put fields of one table over those of another.
---@param given table changed
---@param more table?
---@return table given
function M.merged(given, more)
  for key, value in pairs(more or {}) do
    given[key] = value
  end
  return given
end

--- A small sweep in this process, without files and without words.
---@param more table? options
---@return table study
function M.small(more)
  local study = search.sweep(M.merged({
    name = "small", objective = "min loss", space = { x = { 1, 2, 3 } }, store = ":memory:",
    quiet = true, table = false, arguments = {}, workers = 2,
    run = function(trial)
      trial:report(1, { loss = trial.params.x + 0.5, accuracy = 0 })
      trial:report(2, { loss = trial.params.x + 0.0, accuracy = 0.5 })
    end,
  }, more))
  return study -- no tail call: messages name this line
end

local TOY = [[
local search = require "search"
local study = search.sweep {
  name = "toy", seeds = 2, objective = "max score",
  space = { lr = search.float(1e-4, 1, { log = true, n = 3 }), width = { 16, 32 } },
  run = function(trial)
    local score
    for epoch = 1, 4 do
      score = -trial.params.lr + trial.params.width + math.random() + trial.seed * 1e-12
      trial:report(epoch, { score = score, loss = -score })
      local stop = os.clock() + (tonumber(os.getenv "SLOW") or 0)
      repeat until os.clock() >= stop
    end
    %s
  end,
}
return study
]]

--- Write the script of a sweep of twelve trials, which last four epochs of SLOW seconds each.
---@param extra string? Lua to run at the end of a trial
---@param path string? default a new file
---@return string path
function M.toy(extra, path)
  return testing.write(path or M.fresh ".lua", TOY:format(extra or ""))
end

--- Run a script.
---@param file string
---@param words string arguments
---@param before string? variables of the environment
function M.run(file, words, before)
  return testing.sh(("%s {nnrun} %s %s"):format(before or "", file, words))
end

-- Numbers are compared to the bit.
local function exact(value)
  return value and ("%a"):format(value) or "-"
end

local function reading(file, read)
  local opened = assert(store.open(file, "read"))
  local result = read(opened)
  opened:close()
  return result
end

--- The trials of all studies of a store, a line each, in order.
---@param file string
---@param wanted? fun(row: table): boolean default: all
---@return string[]
function M.trials(file, wanted)
  return reading(file, function(opened)
    local lines = {}
    for _, study in ipairs(opened:rows("study_list")) do
      for _, row in ipairs(opened:rows("trial_list", study.id)) do
        if not wanted or wanted(row) then
          lines[#lines + 1] = table.concat({ study.name, row.number, row.config, row.params, row.seed, row.state,
            row.epochs or "-", exact(row.last), exact(row.best), row.weights or "-", row.parent or "-",
            row.message or "" }, " ")
        end
      end
    end
    return lines
  end)
end

-- Every metric of every epoch but the seconds it took.
local function metrics(file)
  return reading(file, function(opened)
    local lines = {}
    for _, study in ipairs(opened:rows("study_list")) do
      recorded.epochs(opened, "metric_of_study", study.id, function(number, row)
        for name, value in pairs(row) do
          if name ~= "seconds" then
            lines[#lines + 1] = ("%s %d %d %s %s"):format(study.name, number, row.epoch, name, exact(value))
          end
        end
      end)
    end
    table.sort(lines)
    return lines
  end)
end

--- Trials and metrics as one text.
---@param file string
---@return string
function M.dump(file)
  return table.concat(M.trials(file), "\n") .. "\n" .. table.concat(metrics(file), "\n")
end

--- How many checkpoints a store keeps.
---@param file string
---@return integer
function M.checkpoints(file)
  return reading(file, function(opened)
    return #opened:rows("checkpoint_list")
  end)
end

return M
