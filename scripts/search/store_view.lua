--- What a run store says, for the commands list, show, best and export: each returns text to print,
--- or nil and a message.
local confirm = require "search.confirm"
local json = require "search.json"
local options = require "options"
local proc = require "core.proc"
local progress = require "search.progress"
local recorded = require "search.recorded"
local store = require "core.store"
local studies = require "search.study"
local tables = require "report.table"
local text = require "report.text"

local M = {}

M.FOLDER = "results" -- where sweeps put their stores

local LONGEST_STATE = 40 -- columns; the state may be the message a sweep ended with

local function when(seconds)
  return seconds and os.date("%Y-%m-%d %H:%M", math.floor(seconds)) or ""
end

--- The stores of a folder, sorted.
---@param folder string
---@return string[]? files nil when it is no folder
function M.files(folder)
  local names = proc.list(folder)
  if not names then
    return nil
  end
  local files = {}
  for _, name in ipairs(names) do
    if name:find("%.db$") then
      files[#files + 1] = folder:gsub("/+$", "") .. "/" .. name
    end
  end
  table.sort(files)
  return files
end

--- The studies of one or all stores.
---@param file string? or a folder: every *.db in it; default "results"
---@return string? text
---@return string? message
function M.list(file)
  local files = M.files(file or M.FOLDER) or { file }
  if #files == 0 then
    return nil, ("no run store (*.db) in folder '%s'; name one: nnrun list FILE"):format(file or M.FOLDER)
  end
  local rows = {}
  for _, path in ipairs(files) do
    local opened, message = store.open(path, "read")
    if not opened then
      return nil, message
    end
    for _, study in ipairs(opened:rows("study_list")) do
      rows[#rows + 1] = {
        store = path, study = study.name, version = study.version, objective = study.objective,
        trials = study.trials and ("%d/%d"):format(study.done, study.trials) or study.done,
        failed = study.failed, sampler = study.sampler, seeds = study.seeds,
        created = when(study.created), state = text.cut(study.outcome or "not ended", LONGEST_STATE),
      }
    end
    opened:close()
  end
  if #rows == 0 then
    return ("run store '%s' has no studies yet\n"):format(files[1])
  end
  return tables.new(rows, { "store", "study", "version", "objective", "sampler",
    { key = "trials", title = "trials done", align = "right" }, "failed", "seeds", "created", "state",
  }):text()
end

-- Everything that is known about one trial.
local function show_trial(file, number)
  local opened, message = store.open(file, "read")
  if not opened then
    return nil, message
  end
  local trial, study = recorded.trial(opened, number)
  if not trial then
    opened:close()
    return nil, study
  end
  local epochs = {}
  recorded.epochs(opened, "metric_of_trial", trial.id, function(_, row)
    epochs[#epochs + 1] = row
  end)
  local output = opened:rows("output_of_trial", trial.id)[1]
  opened:close()
  local params = json.decode(trial.params)
  local lines = { ("trial %d of '%s': configuration %d, repeat %d, seed %d, %s%s%s"):format(number,
    study.name, trial.config, trial["repeat"], trial.seed,
    trial.parent and ("a copy of trial %d, "):format(trial.parent) or "", trial.state,
    trial.seconds and " after " .. progress.duration(trial.seconds) or "") }
  for _, name in ipairs(options.keys(params)) do
    lines[#lines + 1] = ("  %s = %s"):format(name, json.encode(params[name]))
  end
  if trial.message then
    lines[#lines + 1] = trial.message
  end
  local result = table.concat(lines, "\n") .. "\n"
  if #epochs > 0 then
    local seen = {}
    for _, epoch in ipairs(epochs) do
      for name in pairs(epoch) do
        seen[name] = name ~= "epoch" or nil
      end
    end
    local columns = { "epoch" }
    for _, name in ipairs(options.keys(seen)) do
      columns[#columns + 1] = name
    end
    result = result .. tables.new(epochs, columns):text()
  end
  return result .. (output and "output:\n" .. output.text .. "\n" or "")
end

--- A study with its results, or one trial with its epochs.
---@param file string the store
---@param id string? a trial's number, a study's name or "name@version"
---@return string? text
---@return string? message
function M.show(file, id)
  local number = math.tointeger(tonumber(id))
  if number then
    return show_trial(file, number)
  end
  local study, message = studies.load(file, id)
  if not study then
    return nil, message
  end
  local info, looks = study.info, study:looks_text()
  local failure = (study.outcome or ""):match("^error: .*")
  return ("study '%s' version %d: %s, sampler %s, seed %d, %d trial%s of %s, script %s, %s\n"):format(
    study.name, study.version, info.objective, info.sampler, info.seed, #study.trials,
    #study.trials == 1 and "" or "s", study.planned or "the grid", info.script,
    when(study.created)) .. study:text() .. (looks and looks .. "\n" or "")
    .. (failure and "the last run ended with an " .. failure .. "\n" or "")
end

--- The best configuration of a study.
---@param file string the store
---@param name string? of the study
---@return string? text
---@return string? message
function M.best(file, name)
  local study, message = studies.load(file, name)
  if not study then
    return nil, message
  end
  local best = study:best()
  if #study.objectives > 1 and best then
    local volume, reference = study:hypervolume()
    for i, value in ipairs(reference) do
      reference[i] = text.value(value)
    end
    return ("the front of '%s' (%s):\n%shypervolume %.6g, from (%s)\n"):format(study.name, study.info.objective,
      require("search.front").text(study, true), volume, table.concat(reference, ", "))
  elseif not best then
    return nil, ("no trial of study '%s' has finished"):format(study.name)
  end
  local lines = {
    ("best of '%s' (%s, %s epoch):"):format(study.name, study.info.objective, study.select),
    "  " .. tostring(best),
  }
  for _, key in ipairs(options.keys(best.params)) do
    lines[#lines + 1] = ("  %s = %s"):format(key, json.encode(best.params[key]))
  end
  local fresh = confirm.sentence(study)
  lines[#lines + 1] = fresh and text.wrap(fresh, 100)
  return table.concat(lines, "\n") .. "\n"
end

local FORMATS = { "csv", "json", "mlflow", "tensorboard" }
local FOLDERS = { mlflow = "mlruns", tensorboard = "runs" } -- where those programs look

-- One flat record per trial; parameters are prefixed, so that none hides a field.
local function records(study)
  local rows, columns = {}, { "number", "config", "repeat", "seed", "state", "last", "best",
    "best_epoch" }
  local seen = {}
  for _, trial in ipairs(study.trials) do
    if trial.parent then -- of a population
      columns[#columns + 1] = "parent"
      break
    end
  end
  for i, trial in ipairs(study.trials) do
    local row = {}
    for _, key in ipairs(columns) do
      row[key] = trial[key]
    end
    for name, value in pairs(trial.params) do
      row["param." .. name] = type(value) == "table" and json.encode(value) or value
      seen["param." .. name] = true
    end
    row.message = trial.message
    rows[i] = row
  end
  for _, name in ipairs(options.keys(seen)) do
    columns[#columns + 1] = name
  end
  columns[#columns + 1] = "message"
  return rows, columns
end

local function known_format(format)
  for _, known in ipairs(FORMATS) do
    if known == format then
      return true
    end
  end
  return false
end

--- All trials of a study: "csv", one line per trial, or "json", with every epoch, as text; "tensorboard" or
--- "mlflow" as files in a folder.
---@param file string the store
---@param format string? default "csv"
---@param name string? of the study
---@param dir string? of "tensorboard" (default "runs") and "mlflow" (default "mlruns")
---@return string? text
---@return string? message
function M.export(file, format, name, dir)
  format = format or "csv"
  if not known_format(format) then
    local near = options.nearest(format, FORMATS)
    return nil, ("unknown export format '%s'%s"):format(format,
      near and (" (did you mean '%s'?)"):format(near) or "; it can be " .. table.concat(FORMATS, ", "))
  end
  local study, message = studies.load(file, name)
  if not study then
    return nil, message
  end
  if FOLDERS[format] then
    dir = dir or FOLDERS[format]
    local done
    done, message = require("search.export")[format](study, dir)
    return done and ("%d trials written to %s\n"):format(#study.trials, dir), message
  elseif format == "csv" then
    return tables.new(records(study)):csv()
  end
  local trials = {}
  for i, trial in ipairs(study.trials) do
    local record = { epochs = trial.epochs, params = trial.params, message = trial.message }
    for _, key in ipairs { "number", "config", "repeat", "seed", "state", "last", "best",
      "best_epoch" } do
      record[key] = trial[key]
    end
    trials[i] = json.encode(record)
  end
  return ('{"study":%s,"version":%d,"objective":%s,"trials":[\n%s\n]}\n'):format(
    json.encode(study.name), study.version, json.encode(study.info.objective),
    table.concat(trials, ",\n"))
end

return M
