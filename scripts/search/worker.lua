--- A worker process: takes trials from the coordinator, calls the script's `run`, sends back metrics
--- as they come and the result. It ends when there are no more, or after a trial that raised: its
--- successor starts from clean memory.
---
--- Messages out: {kind="report", rows}, {kind="exit", code, line} before os.exit, and {kind="done",
--- state, last, best, best_epoch, epochs, message, line, reason, leaving}, of which the last says that the worker
--- ends; search/trial.lua sends the rest. Rows of metrics wait up to PACE seconds for company: a message an epoch
--- would cost short trials a tenth of their time.
local proc = require "core.proc"
local seals = require "data.seal"
local trials = require "search.trial"

local M = {}

local LONGEST_MESSAGE = 4000 -- bytes of an error with its traceback

-- "file:line" of the innermost frame that belongs to the script.
local function script_line()
  local level = 2
  while true do
    local frame = debug.getinfo(level, "Sl")
    if not frame then
      return nil
    elseif frame.currentline > 0 and frame.short_src:sub(1, 7) ~= "[nnrun]" then
      return ("%s:%d"):format(frame.short_src, frame.currentline)
    end
    level = level + 1
  end
end

-- Metrics that `run` returned are of the whole trial, and stand with its last epoch.
local function take_metrics(trial, metrics)
  if type(metrics) == "table" and not trial:left() then
    local last = trial.rows[#trial.rows]
    trial:report(math.tointeger(metrics.epoch) or last and last.epoch or 1, metrics)
  end
end

-- A history that `run` returned, reported unless `fit` has done so already, or metrics.
local function take_result(trial, result)
  if type(result.epochs) ~= "table" then
    return take_metrics(trial, result)
  end
  for i, row in ipairs(#trial.rows == 0 and result.epochs or {}) do
    trial:report(math.tointeger(row.epoch) or i, row)
  end
end

-- The message that ends a trial whose `run` returned.
local function conclude(trial, objective, result, more)
  local done = { kind = "done", state = "finished" }
  local reported = #trial.rows
  if type(result) == "number" then
    done.last = result + 0.0
    done.best = done.last
    if #trial.rows == 0 then
      trial:report(1, { [objective.metric] = done.last })
    end
  else
    if type(result) == "table" then
      take_result(trial, result)
      done.message = type(result.message) == "string" and result.message or nil
    end
    done.last, done.best, done.best_epoch = objective:value_of(trial.rows)
  end
  done.epochs, done.weights = reported > 0 and reported or #trial.rows, trial.weights
  take_metrics(trial, more)
  done.samples = trial.samples
  if trial:left() then
    return { kind = "done", state = "paused", epochs = #trial.rows, last = done.last, best = done.best }
  elseif trial.pruned and done.last then
    done.state, done.reason, done.message = "pruned", "pruned", trial.pruned
  elseif trial.lost or (type(result) == "table" and result.status == "diverged") then
    done.state, done.message = "diverged", trial.lost or done.message
  elseif not done.last then
    done.state, done.reason, done.message = "failed", "no value", objective:missing(trial.rows)
  elseif done.last - done.last ~= 0 then -- NaN or infinite
    done.state = "diverged"
    done.message = done.message or ("%s is %s"):format(objective.metric,
      done.last ~= done.last and "not a number (NaN)" or "infinite")
  end
  return done
end

local function on_error(message)
  if message == trials.PROBED then
    return message
  end
  local line = script_line()
  if type(message) ~= "string" then
    message = (getmetatable(message) or {}).__tostring and tostring(message)
      or ("%s(error object is a %s value)"):format(line and line .. ": " or "", type(message))
  end
  local frames = {}
  for frame in debug.traceback("", 2):gmatch("[^\n]+") do
    if not frame:find("^\t%[nnrun%]") and not frame:find("^\t%[C%]") and frame:find("^\t") then
      frames[#frames + 1] = frame
    end
  end
  frames = table.concat(frames, "\n"):sub(1, LONGEST_MESSAGE)
  return { message = message:sub(1, LONGEST_MESSAGE), line = line, frames = frames }
end

-- os.exit in `run` must not end the worker silently.
local function watch_exit(channel, current)
  local exit = os.exit
  os.exit = function(code, ...) -- luacheck: ignore 122
    local number = (code == nil or code == true) and 0 or code == false and 1 or code
    if current.trial then
      current.trial:send()
    end
    channel:send { kind = "exit", code = number, line = script_line() }
    return exit(code, ...)
  end
end

--- Run one trial: call `run`, and make of what it returns or raises the message that ends a trial.
---@param spec {run: function, objective: table, threads: integer}
---@param job table number, config, repeat, params, seed, rule, saved
---@param channel table with send(message), for rows of metrics
---@param current? table gets the trial as `trial`
---@return table done as sent to the coordinator
---@return boolean clean false when `run` raised
function M.perform(spec, job, channel, current)
  local trial = trials.new(spec, job, channel)
  if current then
    current.trial = trial
  end
  math.randomseed(job.seed) -- the same for every configuration: they are compared in pairs
  local fine, result, more = xpcall(spec.run, on_error, trial)
  if trial.probe and (fine or result == trials.PROBED) then
    local measured = trial.measured or { seconds = proc.now() - trial.sent_at }
    return { kind = "done", state = "probed", seconds = measured.seconds, kilobytes = proc.resident(),
      doubt = measured.columns and spec.objective:doubt(measured.columns) }, true
  end
  if fine then
    fine, result = xpcall(conclude, on_error, trial, spec.objective, result, more)
  end
  trial:send()
  if fine then
    return result, true
  end
  local text = type(result) == "table" and result.message or tostring(result)
  if spec.memory and (text:find("not enough memory", 1, true) or text:find("no memory", 1, true)) then
    result = { message = ("%s (the sweep's limit is %s per trial)"):format(text, spec.memory_text),
      line = type(result) == "table" and result.line or nil }
    trial.out_of_memory = true
  end
  if type(result) ~= "table" then -- no memory for the handler
    result = { message = tostring(result) }
  end
  return { kind = "done", state = "failed", reason = trial.out_of_memory and "memory" or "error",
    message = result.message, line = result.line, detail = result.frames, epochs = #trial.rows }, false
end

--- Serve trials until there are no more. Does not return.
---@param channel userdata from core.proc.start
---@param spec {run: function, objective: table, threads: integer, memory: integer?, memory_text: string?,
--- gradcheck: any, checkpoints: string, checkpoint_every: number}
function M.serve(channel, spec)
  local current = {}
  spec.checked = {}
  watch_exit(channel, current)
  seals.listen(function(seen)
    channel:send { kind = "look", what = seen.what, where = seen.where }
  end)
  if spec.memory then
    assert(proc.limit_memory(spec.memory))
  end
  while true do
    local job = channel:receive()
    if job == nil then
      channel:exit(0)
    end
    local done, clean = M.perform(spec, job, channel, current)
    done.leaving = not clean
    channel:send(done)
    if not clean then
      channel:exit(0)
    end
  end
end

return M
