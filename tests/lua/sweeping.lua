--- What the tests of sweeps share: names of new files, and what a run store holds as text that can be
--- compared, without all that depends on the clock or on which worker was first.
local recorded = require "search.recorded"
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
