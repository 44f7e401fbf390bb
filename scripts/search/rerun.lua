--- Running a recorded trial again, and whether it comes to the same.
---
--- The script and the modules it required are those the store holds, not those in the folder; files it reads, such
--- as data, are looked for in the folder the sweep ran in. The script runs up to its sweep of the study's name,
--- and there the one trial is run, in this process.
local args = require "search.args"
local json = require "search.json"
local options = require "options"
local proc = require "core.proc"
local recorded = require "search.recorded"
local store = require "core.store"
local worker = require "search.worker"

local M = {}

-- What the store has of a trial: its row, study, session, files, metrics by epoch.
local function load_trial(file, number, name)
  local opened, message = store.open(file, "read")
  if not opened then
    return nil, message
  end
  local trial, study = recorded.trial(opened, number, name)
  if not trial then
    opened:close()
    return nil, study
  end
  local found = { study = study, trial = trial, files = {}, rows = {}, data = {} }
  for _, row in ipairs(opened:rows("session_list", study.id)) do
    if row.id == trial.session or not found.session then
      found.session = row
    end
  end
  for _, row in ipairs(opened:rows("file_list", study.id)) do
    found.files[row.path] = row.text
  end
  for _, row in ipairs(opened:rows("data_list", study.id)) do
    found.data[row.name] = row.sha256
  end
  recorded.epochs(opened, "metric_of_trial", trial.id, function(_, row)
    found.rows[row.epoch] = row
  end)
  opened:close()
  return found
end

-- ---- differences ----

local function exact(value)
  return type(value) == "number" and ("%.17g"):format(value) or "nothing"
end

local function same(a, b)
  return a == b or a ~= a and b ~= b and a ~= nil and b ~= nil
end

-- Metrics that tell of the clock, not of training.
local CLOCK = { seconds = true, epoch = true }

-- The first epoch whose metrics are not the same bits: a line about it, or nil.
local function first_difference(found, rows)
  local now, epochs = {}, {}
  for _, row in ipairs(rows) do
    now[row.epoch] = now[row.epoch] or {}
    for name, value in pairs(row) do
      now[row.epoch][name] = value
    end
  end
  for _, side in ipairs { found.rows, now } do
    for epoch in pairs(side) do
      epochs[epoch] = true
    end
  end
  local order = {}
  for epoch in pairs(epochs) do
    order[#order + 1] = epoch
  end
  table.sort(order)
  for _, epoch in ipairs(order) do
    local before, after = found.rows[epoch] or {}, now[epoch] or {}
    local names = {}
    for _, row in ipairs { before, after } do
      for name in pairs(row) do
        names[name] = not CLOCK[name] or nil
      end
    end
    for _, name in ipairs(options.keys(names)) do
      if not same(before[name], after[name]) then
        return ("epoch %d: %s was %s, is %s"):format(epoch, name, exact(before[name]), exact(after[name]))
      end
    end
  end
end

-- What is not as it was, and may explain a difference.
local function circumstances(found, plan)
  local notes, session = {}, found.session or {}
  local function compare(what, before, after)
    if before and before ~= after then
      notes[#notes + 1] = ("note: %s was %s, is %s"):format(what, before, after or "unknown")
    end
  end
  compare("nnrun", session.nnrun, proc.version)
  compare("the kernels", session.kernel, plan.engine.kernel)
  compare("the instruction set", session.isa, plan.engine.isa)
  for _, set in ipairs(plan.data) do
    compare("the hash of data set " .. set.name, found.data[set.name], set.sha256)
  end
  return notes
end

local function print_rows(rows)
  for _, row in ipairs(rows) do
    local words = { ("epoch %d"):format(row.epoch) }
    for _, name in ipairs(options.keys(row)) do
      if not CLOCK[name] then
        words[#words + 1] = ("%s %.6g"):format(name, row[name])
      end
    end
    print(table.concat(words, "  "))
  end
end

local FAILED, ERROR = 3, 1 -- exit status

-- In place of the sweep: run the trial, compare, end the program.
local function perform(found, plan, verify)
  local trial, rows = found.trial, {}
  for _, note in ipairs(circumstances(found, plan)) do
    print(note)
  end
  local channel = { send = function(_, message)
    table.move(message.rows or {}, 1, #(message.rows or {}), #rows + 1, rows)
  end }
  local done = worker.perform({ run = plan.run, objective = plan.goal, threads = plan.threads, checked = {},
    checkpoints = "none", checkpoint_every = math.huge }, {
    number = trial.number, config = trial.config, ["repeat"] = trial["repeat"],
    params = json.decode(trial.params), seed = trial.seed,
  }, channel)
  print_rows(rows)
  print(("trial %d %s%s"):format(trial.number, done.state, done.message and ": " .. done.message or ""))
  if not verify then
    os.exit(done.state == "failed" and FAILED or 0, true)
  end
  if trial.state == "pruned" then -- its end depends on the others; what it did until then does not
    while #rows > 0 and rows[#rows].epoch > (trial.epochs or 0) do
      rows[#rows] = nil
    end
    done.state, done.weights = "pruned", trial.weights
  end
  local difference = first_difference(found, rows)
    or done.state ~= trial.state and ("it %s, is now %s"):format(trial.state, done.state)
    or trial.weights and done.weights ~= trial.weights and ("the final weights have hash %s, recorded is %s"):format(
      done.weights or "none", trial.weights)
  if difference then
    print("differs from what is recorded: " .. difference)
    os.exit(ERROR, true)
  end
  print(("verified: %d epoch%s%s the same to the bit"):format(trial.epochs or 0, trial.epochs == 1 and "" or "s",
    trial.weights and " and the final weights" or ""))
  os.exit(0, true)
end

-- ---- the script ----

-- Modules come from the recorded files first.
local function search_recorded(files)
  table.insert(package.searchers, 2, function(name)
    for template in package.path:gmatch("[^;]+") do
      local path = template:gsub("%?", (name:gsub("%.", "/")))
      if files[path] then
        return assert(load(files[path], "@" .. path, "t")), path
      end
    end
    return ("no file for '%s' is recorded"):format(name)
  end)
end

-- Relative paths of the script mean the folder it was run in; where that is gone, this one.
local function enter_folder(session)
  local folder, here = session and session.folder, proc.folder()
  if folder and folder ~= here then
    print(proc.enter(folder) and ("note: in the folder of the sweep, %s"):format(folder)
      or ("note: the folder of the sweep, %s, is not there; in %s"):format(folder, here))
  end
end

--- Run a recorded trial again. Ends the program: with status 0 when all is the same (or nothing was to
--- be compared), 1 when something differs, 3 when the trial fails.
---@param file string the store
---@param number integer the trial
---@param given {study: string?, verify: boolean?}
---@return nil result when it cannot be run
---@return string? message
function M.rerun(file, number, given)
  local found, message = load_trial(file, number, given.study)
  if not found then
    return nil, message
  end
  local path = found.study.script
  local text = found.files[path]
  if not text then
    return nil, ("the store does not hold the script '%s'"):format(path)
  end
  local words = { [0] = path }
  for i, word in ipairs(args.split_words(found.session and found.session.arguments or "")) do
    words[i] = word
  end
  _G.arg = words
  file = recorded.absolute(file)
  enter_folder(found.session)
  search_recorded(found.files)
  require("search.sweep").instead = function(plan)
    if plan.name == found.study.name then
      perform(found, plan, given.verify)
    end
    return assert(require("search.study").load(file, plan.name))
  end
  local chunk
  chunk, message = load(text, "@" .. path, "t")
  if not chunk then
    return nil, message
  end
  chunk(table.unpack(words))
  return nil, ("the script ended without its sweep '%s'"):format(found.study.name)
end

return M
