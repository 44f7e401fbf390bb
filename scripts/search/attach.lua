--- `nnrun attach FILE`: a prompt on a sweep that is running, or on its store.
local control = require "search.control"
local json = require "search.json"
local proc = require "core.proc"
local progress = require "search.progress"
local store = require "core.store"
local studies = require "search.study"

local M = {}

local HELP = [[
status()     how far the sweep is, and what runs now
results()    the table so far            best()       the best configuration so far
study()      the study, to look into     show(N)      trial N with its epochs
pause()      begin no more trials        resume()     go on
trials(N)    N trials in all             workers(N)   N at a time
stop()       end as Ctrl-C does; trials in flight leave a checkpoint
]]

-- The newest study of a store and its newest session.
local function look(file)
  local opened, message = store.open(file, "read")
  if not opened then
    return nil, message
  end
  local list = opened:rows("study_list")
  local study = list[#list]
  local sessions = study and opened:rows("session_list", study.id) or {}
  local trials = study and opened:rows("trial_list", study.id) or {}
  local session, paused = sessions[#sessions], false
  for _, event in ipairs(session and opened:rows("event_list", study.id) or {}) do
    local act = event.kind == "control" and event.at >= session.started and json.decode(event.detail).act
    paused = act == "pause" or paused and act ~= "resume"
  end
  opened:close()
  return { study = study, session = session, trials = trials, paused = paused }
end

local function running(session)
  return session and not session.ended and proc.alive(session.pid)
end

local function status_text(file)
  local seen = assert(look(file))
  if not seen.study then
    return "there is no study yet"
  end
  local lines, done = {}, 0
  for _, trial in ipairs(seen.trials) do
    done = done + (trial.number > 0 and trial.state ~= "running" and 1 or 0) -- below 0: fresh seeds for the winner
  end
  local live = running(seen.session)
  local how = "not running: " .. (seen.session and seen.session.outcome or "it ended without a word")
  if live then
    how = ("%srunning for %s as process %d"):format(seen.paused and "paused, " or "",
      progress.duration(proc.wall() - seen.session.started), seen.session.pid)
  end
  lines[1] = ("sweep '%s': %d of %s trials, %s"):format(seen.study.name, done, seen.study.trials or "?", how)
  for _, trial in ipairs(live and seen.trials or {}) do
    if trial.state == "running" then
      lines[#lines + 1] = ("  trial %d  %s  begun %s ago"):format(trial.number, trial.params,
        progress.duration(proc.wall() - (trial.started or proc.wall())))
    end
  end
  return table.concat(lines, "\n")
end

-- Ask, and wait until the sweep has written down that it did.
local function ask(file, act)
  local seen = assert(look(file))
  if not running(seen.session) then
    return "the sweep is not running; to go on with it: nnrun resume " .. file
  end
  local function count()
    local opened = assert(store.open(file, "read"))
    local n, last = 0, nil
    for _, event in ipairs(opened:rows("event_list", seen.study.id)) do
      if event.kind == "control" then
        n, last = n + 1, event.detail
      end
    end
    opened:close()
    return n, last
  end
  local before = count()
  assert(control.ask(file, act))
  local until_ = proc.now() + 3
  repeat
    proc.sleep(0.05)
  until count() > before or proc.now() > until_
  local now, answer = count()
  if now == before then
    return "asked; the sweep has not answered yet"
  end
  local refused = json.decode(answer).refused
  return refused and "refused: " .. refused or "done"
end

local function whole(value, name, most)
  local number = math.tointeger(value)
  if not number or number < 1 or number > (most or number) then
    error(("%s: a whole number from 1%s is needed, got %s"):format(name, most and " to " .. most or "",
      tostring(value)), 3)
  end
  return number
end

-- What a command of the same name prints, or why it cannot.
local function say(text, message)
  print(text or message)
end

--- The functions of the prompt, as globals.
---@param file string the store
---@return table<string, function>
function M.functions(file)
  local names = {
    status = function() print(status_text(file)) end,
    study = function() return assert(studies.load(file)) end,
    results = function() print(assert(studies.load(file)):text()) end,
    best = function() say(require("search.store_view").best(file)) end,
    show = function(number) say(require("search.store_view").show(file, tostring(whole(number, "show")))) end,
    trials = function(count) print(ask(file, { act = "trials", count = whole(count, "trials") })) end,
    workers = function(count)
      print(ask(file, { act = "workers", count = whole(count, "workers", control.MOST_WORKERS) }))
    end,
    commands = function() print(HELP) end,
  }
  for _, act in ipairs { "pause", "resume", "stop" } do
    names[act] = function() print(ask(file, { act = act })) end
  end
  return names
end

--- Open the prompt.
---@param file string
---@return string? text nil when the store cannot be read
---@return string? message
function M.attach(file)
  local seen, message = look(file)
  if not seen then
    return nil, message
  end
  for name, call in pairs(M.functions(file)) do
    _G[name] = call
  end
  print(status_text(file))
  print(HELP)
  require("core.prompt").run()
  return ""
end

return M
