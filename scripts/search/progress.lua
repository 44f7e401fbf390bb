--- What a person sees while a sweep runs, on standard error: in a terminal one line per worker and a
--- bar, redrawn at most ten times a second; elsewhere plain lines, one per finished trial.
local proc = require "core.proc"
local text = require "report.text"

local M = {}

local Progress = { __name = "search.progress" }
Progress.__index = Progress

local REDRAW = 0.1      -- seconds between redraws
local MANY = 500        -- more trials than this get fewer plain lines
local BAR = 24          -- columns of the bar
local STDERR = 2

--- A duration in two units: "0.4 s", "42 s", "3:07", "1:02:40".
---@param seconds number
---@return string
function M.duration(seconds)
  if seconds < 10 then
    return ("%.1f s"):format(seconds)
  elseif seconds < 60 then
    return ("%d s"):format(seconds // 1)
  end
  local whole = math.floor(seconds)
  if whole < 3600 then
    return ("%d:%02d"):format(whole // 60, whole % 60)
  end
  return ("%d:%02d:%02d"):format(whole // 3600, whole // 60 % 60, whole % 60)
end

---@param setup {name: string, total: integer, done: integer, failed: integer, workers: integer,
--- quiet: boolean, objective: table, label: fun(params): string}
function M.new(setup)
  local self = setmetatable({
    setup = setup, done = setup.done, failed = setup.failed, begun = proc.now(), fresh = 0,
    slots = {}, drawn = 0, last_draw = 0, last_line = 0,
  }, Progress)
  self.live = not setup.quiet and proc.columns(STDERR) ~= nil and os.getenv("TERM") ~= "dumb"
  return self
end

local function write(...)
  io.stderr:write(...)
end

-- Take the live lines off the screen.
function Progress:erase()
  if self.drawn > 0 then
    write(("\27[%dA\r\27[J"):format(self.drawn))
    self.drawn = 0
  end
end

--- A line that stays.
---@param line string
function Progress:say(line)
  self:erase()
  write(line, "\n")
  self.last_draw = 0
end

--- A line that stays, unless the sweep is quiet.
function Progress:note(line)
  if not self.setup.quiet then
    self:say(line)
  end
end

function Progress:started(slot, trial)
  self.slots[slot] = { trial = trial, begun = proc.now() }
end

--- A worker's trial is not going on.
function Progress:stopped(slot)
  self.slots[slot] = nil
end

--- The newest row of metrics of a worker's trial.
function Progress:reported(slot, row)
  local state = self.slots[slot]
  if state then
    state.epoch, state.metrics = row.epoch, row
  end
end

local function value(number)
  return number and ("%.5g"):format(number) or "-"
end

-- "trial  3/24  hidden=64 lr=0.01 seed 2  val_accuracy 0.8712  1.2 s"
local function finished_line(self, trial, result)
  local setup = self.setup
  local width = #tostring(setup.total)
  local outcome = ("%s %s"):format(setup.objective.metric, value(result.last))
  if result.state ~= "finished" then
    outcome = ("%s: %s"):format(result.state, (result.message or result.reason or ""):match("[^\n]*"))
  end
  local place = trial.number < 0 and "fresh seed" or ("trial %" .. width .. "d/%d"):format(trial.number, setup.total)
  return ("%s  %s  repeat %d  %s  %s"):format(place,
    setup.label(trial.params), trial["repeat"], outcome, M.duration(result.seconds))
end

--- A trial has ended; `best` is the best so far: {value, label} or nil.
function Progress:finished(slot, trial, result, best)
  self.slots[slot] = nil
  self.done = self.done + 1
  self.fresh = self.fresh + 1
  self.best = best
  if result.state == "failed" then
    self.failed = self.failed + 1
  end
  local setup = self.setup
  if setup.quiet then
    return
  elseif self.live then
    if result.state == "failed" then
      self:say(finished_line(self, trial, result))
    end
    return
  end
  local share = setup.total <= MANY or result.state == "failed" or self.done == setup.total
    or proc.now() - self.last_line >= 1
  if share then
    self.last_line = proc.now()
    self:say(finished_line(self, trial, result))
  end
end

--- A trial was ended without a worker.
function Progress:ended(trial)
  self.done = self.done + 1
  self:note(("trial %d  %s  %s"):format(trial.number, self.setup.label(trial.params), trial.message))
end

-- Seconds until the end, by the pace so far; nil until something has finished here.
function Progress:left()
  if self.fresh == 0 then
    return nil
  end
  return (proc.now() - self.begun) / self.fresh * (self.setup.total - self.done)
end

local function bar(self)
  local setup = self.setup
  local share = setup.total > 0 and self.done / setup.total or 1
  local full = math.floor(share * BAR + 0.5)
  local parts = {
    setup.name, ("[%s%s]"):format(("#"):rep(full), ("."):rep(BAR - full)),
    ("%d/%d trials"):format(self.done, setup.total),
  }
  if self.failed > 0 then
    parts[#parts + 1] = self.failed .. " failed"
  end
  local left = self:left()
  parts[#parts + 1] = left and M.duration(left) .. " left" or nil
  if self.best then
    parts[#parts + 1] = ("best %s %s (%s)"):format(setup.objective.metric, value(self.best.value),
      self.best.label)
  end
  return table.concat(parts, "  ")
end

local function worker_line(self, slot)
  local state = self.slots[slot]
  if not state then
    return ("  %d  idle"):format(slot)
  end
  local parts = { ("  %d  trial %d"):format(slot, math.max(state.trial.number, 0)),
    self.setup.label(state.trial.params) }
  if state.epoch then
    parts[#parts + 1] = "epoch " .. state.epoch
    local metric = self.setup.objective.metric
    local names = {}
    for name in pairs(state.metrics) do
      if name == metric or name == "loss" then
        names[#names + 1] = name
      end
    end
    table.sort(names, function(a, b) return a == metric or (b ~= metric and a < b) end)
    for _, name in ipairs(names) do
      parts[#parts + 1] = name .. " " .. value(state.metrics[name])
    end
  end
  parts[#parts + 1] = M.duration(proc.now() - state.begun)
  return table.concat(parts, "  ")
end

--- Redraw when it is time. Costs nothing without a terminal.
function Progress:tick()
  if not self.live or proc.now() - self.last_draw < REDRAW then
    return
  end
  local width, height = proc.columns(STDERR)
  width, height = width or 80, height or 24
  local lines = { bar(self) }
  for slot = 1, math.min(self.setup.workers, height - 3) do
    lines[#lines + 1] = worker_line(self, slot)
  end
  for i, line in ipairs(lines) do
    lines[i] = text.cut(line, width - 1)
  end
  -- One write: no flicker. The cursor stays visible below, so nothing needs restoring.
  local back = self.drawn > 0 and ("\27[%dA"):format(self.drawn) or ""
  write(back, "\r\27[J", table.concat(lines, "\n"), "\n")
  self.drawn = #lines
  self.last_draw = proc.now()
end

--- Seconds until the next redraw is due, or nil.
function Progress:due()
  return self.live and math.max(0, self.last_draw + REDRAW - proc.now()) or nil
end

--- Take down what is live.
function Progress:close()
  self:erase()
end

return M
