--- Is a run store whole? And what of a damaged one can be saved.
local store = require "core.store"

local M = {}

-- Trials whose numbers, states or epochs cannot be right.
local function check_study(opened, study, problems)
  local seen = {}
  for _, trial in ipairs(opened:rows("trial_list", study.id)) do
    local name = ("%s@%d trial %d"):format(study.name, study.version, trial.number)
    if trial.number > 0 and trial.number ~= (trial.config - 1) * study.seeds + trial["repeat"] then
      problems[#problems + 1] = ("%s: configuration %d, repeat %d do not belong to that number"):format(name,
        trial.config, trial["repeat"])
    end
    if seen[trial.number] then
      problems[#problems + 1] = name .. ": recorded twice"
    end
    seen[trial.number] = true
    if store.sha256(trial.params):sub(1, #trial.config_hash) ~= trial.config_hash then
      problems[#problems + 1] = name .. ": its parameters are not those it was run with"
    end
    if trial.state ~= "running" and trial.seconds == nil then
      problems[#problems + 1] = name .. ": has ended, but not when"
    end
  end
end

local function check_contents(opened, problems)
  for row in opened:each("integrity") do
    if row.integrity_check ~= "ok" then
      problems[#problems + 1] = (row.integrity_check:gsub("%*%*%* in database main %*%*%*\n", ""))
    end
  end
  if #problems > 0 then
    return 0, 0
  end
  for _, row in ipairs(opened:rows("foreign_keys")) do
    problems[#problems + 1] = ("table %s, row %s: what it belongs to is missing"):format(row.table,
      tostring(row.rowid))
  end
  local trials, studies = 0, opened:rows("study_list")
  for _, study in ipairs(studies) do
    check_study(opened, study, problems)
    trials = trials + study.done
  end
  return #studies, trials
end

-- All that is wrong with a store, and how much there is.
local function examine(file)
  local opened, message = store.open(file, "read")
  if not opened then
    return { message }, 0, 0
  end
  local problems = {}
  local fine, studies, trials = pcall(check_contents, opened, problems)
  if not fine then
    problems[#problems + 1], studies, trials = tostring(studies), 0, 0
  end
  opened:close()
  return problems, studies, trials
end

--- Check a store, and save what can be read of a damaged one into a new file.
---@param file string
---@param to? string the new file; default FILE with "-recovered" before its ending
---@param recover? boolean save even when nothing is wrong
---@return string? text nil when something is wrong and nothing could be saved
---@return string? message
function M.doctor(file, to, recover)
  local problems, studies, trials = examine(file)
  if #problems == 0 and not recover then
    return ("%s is whole: %d stud%s, %d trial%s\n"):format(file, studies, studies == 1 and "y" or "ies", trials,
      trials == 1 and "" or "s")
  end
  for i, problem in ipairs(problems) do
    problems[i] = problem:gsub("; 'nnrun doctor.*", "") -- that is this
  end
  local found = table.concat(problems, "\n")
  local text = #problems > 0 and ("%s is damaged:\n  %s\n"):format(file, table.concat(problems, "\n  ")) or ""
  to = to or (file:gsub("%.db$", "")) .. "-recovered.db"
  local saved, message = store.recover(file, to)
  if not saved then
    return nil, (found == message or found == "") and message or found .. "\n" .. message
  end
  local _, kept, finished = examine(to)
  return ("%ssaved %d rows into %s: %d stud%s, %d trial%s%s\n"):format(text, saved.rows, to, kept,
    kept == 1 and "y" or "ies", finished, finished == 1 and "" or "s", saved.damaged > 0
    and "; lost are rows of " .. saved.tables or "")
end

return M
