--- Studies of several run stores in one.
---
--- A study that both have (same name and fingerprint) gets the trials it lacks; any other is copied as a new
--- version of its name. Nothing that is there is changed.
local store = require "core.store"

local M = {}

local TRIAL = { "number", "config", "repeat", "config_hash", "params", "seed", "state", "epochs", "last", "best",
  "best_epoch", "started", "seconds", "session", "worker", "attempt", "reason", "message", "line", "signal",
  "rss_kb", "parent", "weights", "samples" }
local SESSION = { "started", "ended", "outcome", "pid", "host", "workers", "threads", "nnrun", "lua", "kernel", "isa",
  "arguments", "git", "git_diff", "folder" }
local STUDY = { "fingerprint", "script", "objective", "space", "sampler", "settings", "seed", "seeds", "trials",
  "threads", "created", "pruner" }

local function check(result, message)
  if result == nil then
    error(message, 0)
  end
  return result
end

-- The values of a row in the order of the names, nil where it has none.
local function values(row, names)
  local list = { n = #names }
  for i, name in ipairs(names) do
    list[i] = row[name]
  end
  return table.unpack(list, 1, list.n)
end

local function name_ids(into, from)
  local here, map = {}, {}
  local there = from:rows("name_list")
  for _, row in ipairs(there) do
    check(into:run("name_add", row.name))
  end
  for _, row in ipairs(into:rows("name_list")) do
    here[row.name] = row.id
  end
  for _, row in ipairs(there) do
    map[row.id] = here[row.name]
  end
  return map
end

local function copy_trial(into, from, study, trial, maps)
  local row = {}
  for key, value in pairs(trial) do
    row[key] = value
  end
  row.session = trial.session and maps.session[trial.session]
  local id = check(into:run("trial_copy", study, values(row, TRIAL)))
  for _, metric in ipairs(from:rows("metric_of_trial", trial.id)) do
    check(into:run("metric_add", id, metric.epoch, maps.name[metric.name], metric.value))
  end
  for _, output in ipairs(from:rows("output_of_trial", trial.id)) do
    check(into:run("output_set", id, output.text))
  end
  for _, kind in ipairs { "best", "last", "pause" } do
    local found = from:rows("checkpoint_get", trial.id, kind) -- an older store has none
    for _, checkpoint in ipairs(found or {}) do
      check(into:run("checkpoint_set", id, kind, checkpoint.epoch, checkpoint.data))
    end
  end
  return id
end

-- A study of `into` with the same name and fingerprint, if possible of the same version, that no other
-- study of the source goes to.
local function same_study(into, study, taken)
  local found
  for _, row in ipairs(into:rows("study_list")) do
    if row.name == study.name and row.fingerprint == study.fingerprint and not taken[row.id]
      and (not found or row.version == study.version) then
      found = row
    end
  end
  return found
end

-- The study of `into` to add to; a new one if need be.
local function target_of(into, from, study, taken)
  local same = same_study(into, study, taken)
  if same then
    return same.id, same.version
  end
  local latest = into:rows("study_latest", study.name)[1]
  local version = latest and latest.version + 1 or study.version
  local id = check(into:run("study_add", study.name, version, values(study, STUDY)))
  for _, file in ipairs(from:rows("file_list", study.id)) do
    check(into:run("file_add", id, file.path, file.sha256, file.text))
  end
  for _, set in ipairs(from:rows("data_list", study.id)) do
    check(into:run("data_add", id, set.name, set.sha256, set.detail))
  end
  return id, version
end

local function merge_study(into, from, study, names, taken)
  local id, version = target_of(into, from, study, taken)
  taken[id] = true
  local have, maps, added = {}, { session = {}, name = names, trial = {} }, 0
  for _, trial in ipairs(into:rows("trial_list", id)) do
    have[trial.number] = trial
  end
  local wanted = {}
  for _, trial in ipairs(from:rows("trial_list", study.id)) do
    local known = have[trial.number]
    if trial.state ~= "running" and (not known or known.state == "running") then
      wanted[#wanted + 1] = trial
    end
  end
  for _, session in ipairs(#wanted > 0 and from:rows("session_list", study.id) or {}) do
    maps.session[session.id] = check(into:run("session_copy", id, values(session, SESSION)))
  end
  for _, trial in ipairs(wanted) do
    local known = have[trial.number]
    if known then -- begun here, finished there
      check(into:run("metric_clear", known.id))
      check(into:run("output_clear", known.id))
      check(into:run("checkpoint_clear_all", known.id))
      check(into:run("trial_clear", known.id))
    end
    maps.trial[trial.id] = copy_trial(into, from, id, trial, maps)
    added = added + 1
  end
  for _, event in ipairs(added > 0 and from:rows("event_list", study.id) or {}) do
    check(into:run("event_add", id, event.trial and maps.trial[event.trial], event.at, event.kind, event.detail))
  end
  if study.trials then
    local here = into:rows("study_get", id)[1]
    if (here.trials or 0) < study.trials then
      check(into:run("study_set_trials", study.trials, id))
    end
  end
  return ("%s@%d: %d trial%s added as %s@%d\n"):format(study.name, study.version, added, added == 1 and "" or "s",
    study.name, version)
end

local function merge_all(into, from)
  check(into:begin())
  local names, lines, taken = name_ids(into, from), {}, {}
  for i, study in ipairs(from:rows("study_list")) do
    lines[i] = merge_study(into, from, study, names, taken)
  end
  check(into:commit())
  return table.concat(lines)
end

--- Add the studies of one store to another.
---@param target string the store to add to; made when it does not exist
---@param source string the store to read
---@return string? text what was added; nil when it cannot be done, and then nothing is
---@return string? message
function M.merge(target, source)
  local from, message = store.open(source, "read")
  if not from then
    return nil, message
  end
  local into
  into, message = store.open(target, "write")
  if not into then
    from:close()
    return nil, message
  end
  local fine, text = pcall(merge_all, into, from)
  from:close()
  if not fine then
    into:discard()
    return nil, text
  end
  local closed
  closed, message = into:close()
  return closed and text, message
end

return M
