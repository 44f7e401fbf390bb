--- Reading studies from an open run store.
local proc = require "core.proc"

local M = {}

--- A path that holds in any folder.
---@param path string
---@return string
function M.absolute(path)
  return path:sub(1, 1) == "/" and path or (proc.folder() or ".") .. "/" .. path
end

--- A study by its name or "name@version"; the newest of those, or of all when there is no name.
---@param opened userdata from core.store.open
---@param name string?
---@return table? study its row; nil when there is none
---@return table[] studies all rows
function M.study(opened, name)
  local studies, found = opened:rows("study_list"), nil
  for _, row in ipairs(studies) do
    if not name or row.name == name or ("%s@%d"):format(row.name, row.version) == name then
      found = row
    end
  end
  return found, studies
end

--- A trial's row, and its study's.
---@param opened userdata
---@param number integer
---@param name string? of the study, as for `study`
---@return table? trial
---@return table|string study or why there is no such trial
function M.trial(opened, number, name)
  local study = M.study(opened, name)
  local trial = study and opened:rows("trial_get", study.id, number)[1]
  if trial then
    return trial, study
  end
  return nil, study and ("study '%s' has no trial %d; %d of %s have ended"):format(study.name, number, study.done,
    study.trials or "the grid") or ("run store '%s' has no study%s"):format(opened:path(),
    name and (" '%s'"):format(name) or "")
end

--- Call `visit(number, row)` for every epoch that was reported, in order; `row` has `epoch` and the metrics
--- by name.
---@param opened userdata
---@param statement "metric_of_study"|"metric_of_trial" of a trial alone there is no number
---@param id integer of the study or trial in the store
---@param visit fun(number: integer?, row: table<string, number>)
function M.epochs(opened, statement, id, visit)
  local names, number, row = {}, nil, nil
  for _, name in ipairs(opened:rows("name_list")) do
    names[name.id] = name.name
  end
  for metric in opened:each(statement, id) do -- one at a time: there may be very many
    if not row or number ~= metric.number or row.epoch ~= metric.epoch then
      if row then
        visit(number, row)
      end
      number, row = metric.number, { epoch = metric.epoch }
    end
    row[names[metric.name] or "lost_" .. metric.name] = metric.value or 0 / 0 -- NaN is stored as NULL
  end
  if row then
    visit(number, row)
  end
end

return M
