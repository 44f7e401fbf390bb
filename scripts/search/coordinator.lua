--- The coordinator's loop: hands trials to workers in the order of their numbers, records what they
--- send, replaces workers that end, and stops in good order when asked to.
local budgets = require "search.budget"
local control = require "search.control"
local deaths = require "search.death"
local orders = require "search.order"
local proc = require "core.proc"
local text_of = require "report.text"

local M = {}

local GRACE = 8          -- seconds that trials may still take after Ctrl-C
local SAME_SIGNAL = 0.2  -- seconds within which a second signal is the first: timeout(1) sends two
local LISTEN = 0.25      -- seconds from one look for acts from outside to the next
local KILL_AFTER = 1     -- seconds from SIGABRT (which reports the script line) to SIGKILL
local MAX_KILLS = 2      -- a trial whose worker is killed (SIGKILL) is tried again so often
local SAME_FAILURES = 4  -- so many first trials failing alike end the sweep

local LONGEST_OUTPUT = 65536 -- bytes kept of what a trial prints, from its end

local Loop = {}
Loop.__index = Loop

-- ---- trials ----

local function label(self, trial)
  return self.plan.label(trial.params)
end

local function note_best(self, trial)
  local value = trial[self.plan.select]
  if trial.state == "finished" and self.plan.goal:better(value, self.best and self.best.value) then
    self.best = { value = value, label = label(self, trial) }
  end
end

-- The message all of the first trials failed with, if they did.
local function same_failure(self)
  local first = self.trials[1]
  for number = 1, SAME_FAILURES do
    local trial = self.trials[number]
    if not trial or trial.state ~= "failed" or trial.message ~= first.message then
      return nil
    end
  end
  return first.message or first.reason
end

-- A worker has its trial no more.
local function take(self, slot)
  local worker = self.slots[slot]
  local trial = worker.trial
  worker.trial = nil
  self.running = self.running - 1
  return trial
end

local function run_again(self, slot, event, note)
  local trial = take(self, slot)
  self.order:again_with(trial)
  self.record:event(trial.id, "retry", event)
  self.progress:stopped(slot)
  self.progress:note(("trial %d%s"):format(trial.number, note))
end

-- SIGKILL comes from outside, from a person or for want of memory: that is no property of the trial,
-- so it is run again. Returns whether it will be.
local function try_again(self, slot)
  local worker = self.slots[slot]
  local trial = worker.trial
  trial.kills = (trial.kills or 0) + 1
  if worker.late or trial.kills > MAX_KILLS then
    return false
  end
  run_again(self, slot, "the worker was killed by SIGKILL", ": the worker was killed by SIGKILL; trying again")
  return true
end

local wake, assign

-- Failures of a trial are tried again `retries` times; each is recorded. Returns whether it will be.
local function retry(self, slot, result)
  local trial = self.slots[slot].trial
  trial.tries = (trial.tries or 0) + 1
  if result.state ~= "failed" or trial.tries > self.plan.retries then
    return false
  end
  local why = result.message or result.reason or "?"
  run_again(self, slot, ("attempt %d of %d failed: %s"):format(trial.tries, self.plan.retries + 1, why),
    " failed, trying again: " .. why:match("[^\n]*"))
  return true
end

-- What a decision ended between stages, and what it made of others.
local function settle(self)
  for _, birth in ipairs(self.order.born or {}) do -- a copy: it goes on from its parent's state
    self.record:adopt(birth.child, birth.parent)
  end
  self.order.born = self.order.born and {}
  for _, trial in ipairs(self.order:take_pruned()) do
    local rows = {}
    for i, point in ipairs(trial.curve) do
      rows[i] = { epoch = point[1], [self.plan.goal.metric] = point[2] }
    end
    trial.last, trial.best, trial.best_epoch = self.plan.goal:value_of(rows)
    trial.epoch_count = rows[#rows] and rows[#rows].epoch
    self.record:finish(trial, { state = "pruned", epochs = trial.epoch_count, last = trial.last, best = trial.best,
      best_epoch = trial.best_epoch, reason = trial.reason, message = trial.message, seconds = trial.spent or 0,
      samples = trial.samples })
    self.record:forget(trial, "last")
    self.progress:ended(trial)
  end
end

-- A trial has come to its rung.
local function arrive(self, trial)
  trial.at_rung, trial.rungs = true, trial.rungs or {}
  trial.rungs[trial.to] = true
  self.record:event(trial.id, "rung", tostring(trial.to))
  self.order:stopped(trial)
  settle(self)
end

-- A trial has left a checkpoint: because the sweep is ending, or at a rung, where it goes on later if at all.
local function pause(self, slot)
  local worker, trial = self.slots[slot], take(self, slot)
  trial.spent = (trial.spent or 0) + proc.now() - worker.begun
  self.progress:stopped(slot)
  if self.stopping then
    self.record:event(trial.id, "paused", nil)
    worker.leaving = true
    self.crew:dismiss(slot)
    return
  end
  arrive(self, trial)
  assign(self, slot)
  wake(self)
end

local function output_of(worker)
  return table.concat(worker.output):sub(-LONGEST_OUTPUT)
end

local function finish(self, slot, result)
  result.message = result.message and text_of.lines(result.message) -- a script may raise any bytes
  if retry(self, slot, result) then
    wake(self)
    return
  end
  local worker, trial = self.slots[slot], take(self, slot)
  result.seconds = (trial.spent or 0) + proc.now() - worker.begun
  result.output = output_of(worker)
  self.ended, self.seconds = self.ended + 1, self.seconds + result.seconds
  self.record:finish(trial, result)
  if trial.kept and (self.plan.checkpoints ~= "last" or result.state == "failed") then
    self.record:forget(trial, "last")
  end
  trial.epoch_count = result.epochs -- `epochs` of a study's trial are the rows themselves
  for _, name in ipairs { "samples", "state", "last", "best", "best_epoch", "reason", "message", "line",
    "signal" } do
    trial[name] = result[name]
  end
  self.order:stopped(trial)
  settle(self)
  note_best(self, trial)
  self.progress:finished(slot, trial, result, self.best)
  if trial.state == "failed" and trial.number <= SAME_FAILURES then
    self.hopeless = same_failure(self)
  end
  wake(self)
end

-- ---- workers ----

-- Start no more trials when the next would not end in time, by the mean of those that have ended.
local function keep_budget(self)
  local budget = self.plan.budget
  if not budget or budget.kind ~= "seconds" or self.order:exhausted() then
    return
  end
  local left = self.deadline_at - proc.now()
  local needed = self.ended > 0 and self.seconds / self.ended or 0
  if needed > left or left <= 0 then
    local total = self.order:cut()
    if self.cut_at == total then
      return -- what has begun together ends together
    end
    self.cut_at = total
    self.record:event(nil, "decision", budgets.decision(budget, total, left, needed))
    self.progress:note(("budget of %s: no more than %d trials; %.3g s are left, one takes %.3g s"):format(budget.text,
      total, math.max(left, 0), needed))
  end
end

-- Give an idle worker its next trial, let it wait for one, or let it go.
assign = function(self, slot)
  local worker = self.slots[slot]
  keep_budget(self)
  if self.held and not self.stopping then
    worker.waiting = true
    return
  elseif slot > self.plan.workers then
    worker.waiting, worker.leaving = false, true
    self.crew:dismiss(slot)
    return
  end
  local trial = not self.stopping and not self.hopeless and self.order:next() or nil
  settle(self) -- in a sweep that is continued, all may have come to their rung before
  self.progress.setup.total = self.order.expected or self.order.total
  worker.waiting = trial == orders.WAIT
  if worker.waiting then
    return
  elseif not trial then
    worker.leaving = true
    self.crew:dismiss(slot)
    return
  end
  local saved, epoch = self.record:recall(trial, "last")
  if trial.to and epoch and epoch >= trial.to then -- it was killed between its checkpoint and the word of it
    arrive(self, trial)
    return assign(self, slot)
  end
  worker.trial, worker.begun, worker.output, worker.size = trial, proc.now(), {}, 0
  worker.heard = worker.begun
  trial.kept = saved ~= nil
  trial.curve, trial.final = {}, nil -- what is kept is reported again
  worker.epochs, worker.crash, worker.exit, worker.late = 0, nil, nil, nil
  self.running = self.running + 1
  self.record:start(trial, slot)
  self.progress:started(slot, trial)
  -- A worker that cannot hear any more is about to be reported as ended.
  self.crew:send(slot, {
    number = trial.number, config = trial.config, ["repeat"] = trial["repeat"],
    params = trial.params, seed = trial.seed, rule = trial.rule, saved = saved, to = trial.to,
    copied = trial.parent ~= nil,
  })
end

-- Something has ended: who waits may have a trial now.
wake = function(self)
  for slot = 1, self.most do
    if self.slots[slot] and self.slots[slot].waiting then
      assign(self, slot)
    end
  end
end

local function hire(self, slot)
  local fine, message = self.crew:spawn(slot)
  if not fine then
    error(message, 0)
  end
  self.slots[slot] = { output = {}, size = 0 }
  assign(self, slot)
end

-- Places without a worker get one, as long as there is something to do.
local function fill(self)
  for slot = 1, self.plan.workers do
    if not self.slots[slot] and not (self.stopping or self.hopeless or self.order:exhausted()) then
      hire(self, slot)
    end
  end
end

-- ---- events ----

local on = {}

function on.message(self, slot, value)
  local worker = self.slots[slot]
  local trial = worker.trial
  if value == nil then -- not a message: the worker is damaged
    self.crew:kill(slot, "SIGKILL")
  elseif not trial then
    return
  elseif value.kind == "report" then
    worker.heard = proc.now()
    worker.epochs = worker.epochs + #value.rows
    for _, row in ipairs(value.rows) do
      self.record:metrics(trial, row)
      orders.learn(trial, row, self.plan.goal.metric)
    end
    self.progress:reported(slot, value.rows[#value.rows])
  elseif value.kind == "checkpoint" then
    worker.heard = proc.now()
    trial.kept = true
    self.record:checkpoint(trial, value.name, value.epoch, value.data)
  elseif value.kind == "done" and value.state == "paused" then
    pause(self, slot)
  elseif value.kind == "look" then
    self.record:event(trial.id, "test data", value.what .. " at " .. value.where)
  elseif value.kind == "exit" then
    worker.exit = value
  elseif value.kind == "done" then
    finish(self, slot, value)
    if value.leaving then
      worker.leaving = true -- it ends by itself; a clean one takes its place
    else
      assign(self, slot)
    end
  end
end

function on.output(self, slot, text)
  local worker = self.slots[slot]
  worker.output[#worker.output + 1] = text
  worker.size = worker.size + #text
  if worker.size > 2 * LONGEST_OUTPUT then -- a trial may print for hours
    worker.output, worker.size = { output_of(worker) }, LONGEST_OUTPUT
  end
  if self.plan.quiet or not worker.trial then
    return
  end
  for line in text:gmatch("[^\n]+") do
    self.progress:say(("[trial %d] %s"):format(worker.trial.number, line))
  end
end

function on.crash(self, slot, line)
  self.slots[slot].crash = line
end

function on.exit(self, slot, death)
  local worker = self.slots[slot]
  if worker.trial and not (death.signal == "SIGKILL" and try_again(self, slot)) then
    finish(self, slot, deaths.of(worker, death))
  end
  self.slots[slot] = nil
  fill(self)
  wake(self) -- the trial of a place that is gone goes to another
end

function on.refused(self, slot, reason)
  local trial = self.slots[slot].trial and take(self, slot)
  self.slots[slot] = nil
  if trial then -- not tried at all: it stays to be run
    self.order:again_with(trial)
    wake(self)
  end
  if not next(self.slots) then
    error(("no worker process can be started: %s"):format(reason), 0)
  end
  self.progress:say(("worker %d cannot be started: %s"):format(slot, reason))
end

function on.signal(self, _, name)
  if self.stopping and proc.now() - self.stopped_at < SAME_SIGNAL then
    return
  end
  self.record:event(nil, "signal", name)
  if self.stopping then
    self.deadline = proc.now()
    return
  end
  self.stopping, self.stopped_at, self.deadline = name, proc.now(), proc.now() + GRACE
  for slot in pairs(self.slots) do -- in any order: each pauses after its epoch
    self.crew:kill(slot, "SIGUSR1")
  end
  self.progress:say(("%s: %d running trial%s may end an epoch, at most %d s (again: stop at once)")
    :format(name == "SIGINT" and "interrupted" or "terminated", self.running,
      self.running == 1 and "" or "s", GRACE))
end

-- ---- acts from outside ----

-- Do what has been asked, and let who waits or is missing begin.
local function obey(self)
  self.listened = proc.now()
  for _, asked in ipairs(self.listener and control.take(self.listener) or {}) do
    if control.act(self, asked) then
      if asked.act == "stop" then
        on.signal(self, nil, "SIGINT")
      end
      wake(self)
      fill(self)
      self.record:commit(true)
    end
  end
end

function on.lost()
  error(deaths.LOST, 0)
end

function on.timeout()
end

-- ---- time ----

-- When a worker's trial is too late: by its time-out, or because nothing is heard of it; and why.
local function due_of(self, worker)
  local limit, stall = self.plan.timeout, self.plan.stall
  local due = limit and worker.begun + limit
  if stall and (not due or worker.heard + stall < due) then
    return worker.heard + stall, ("no epoch was reported for %g s"):format(stall)
  end
  return due, due and ("no result within %g s"):format(limit)
end

-- End trials that take too long, politely first: SIGABRT lets the worker name its line.
local function watch_time(self)
  local now, wait = proc.now(), nil
  for slot, worker in pairs(self.slots) do -- in any order: each is judged alone
    local due, why
    if worker.trial then
      due, why = due_of(self, worker)
      due = worker.late and worker.late + KILL_AFTER or due
    end
    if due then
      if due > now then
        wait = math.min(wait or due - now, due - now)
      elseif not worker.late then
        worker.late, worker.overdue = now, why
        wait = math.min(wait or KILL_AFTER, KILL_AFTER)
        self.record:event(worker.trial.id, "time-out", why)
        self.crew:kill(slot, "SIGABRT")
      else
        self.crew:kill(slot, "SIGKILL")
      end
    end
  end
  return wait
end

local function shortest(a, b)
  return a and b and math.min(a, b) or a or b
end

local function wait_time(self)
  local wait = shortest(self.record:due(), self.progress:due())
  wait = shortest(wait, watch_time(self))
  if self.listener then
    wait = shortest(wait, math.max(0, self.listened + LISTEN - proc.now()))
  end
  if self.deadline then
    wait = shortest(wait, math.max(0, self.deadline - proc.now()))
  end
  return wait or -1
end

--- Run all trials that are not done.
---@param crew userdata from core.proc.start
---@param plan table total, workers, seeds, seed_of, label, goal, select, timeout, quiet, sampler, pruner, lag
---@param trials table<integer, table> by number: those with a state are done; filled in here
---@param record table
---@param progress table
---@return {stopped: string?, hopeless: string?, total: integer}
function M.run(crew, plan, trials, record, progress)
  local self = setmetatable({
    crew = crew, plan = plan, trials = trials, record = record, progress = progress,
    order = (plan.order or plan.pruner and plan.pruner.order or orders.new)(plan, trials),
    running = 0, slots = {}, ended = 0, seconds = 0, cut_at = plan.decided,
    most = plan.workers, listener = control.listen(plan.store), listened = proc.now(),
    deadline_at = proc.now() + (plan.budget and plan.budget.amount or 0) - (plan.used or 0),
  }, Loop)
  for number = 1, plan.total do
    if trials[number] and trials[number].state then
      note_best(self, trials[number])
    end
  end
  progress.best = self.best
  self.hopeless = same_failure(self)
  for slot = 1, math.min(plan.workers, plan.total) do
    if not self.hopeless and not self.order:exhausted() then
      hire(self, slot)
    end
  end
  record:note_repository(plan.script)
  progress:tick()
  while self.running > 0 or (next(self.slots) and not self.stopping) do
    local kind, slot, value = crew:next(wait_time(self))
    if not kind then
      error(slot, 0)
    end
    on[kind](self, slot, value)
    record:commit()
    progress:tick()
    if self.listener and proc.now() >= self.listened + LISTEN then
      obey(self)
    end
    if self.deadline and proc.now() >= self.deadline then
      break
    end
  end
  control.close(self.listener)
  if self.order.full then
    progress:note(("budget of %s: no more than %d trial%s"):format(plan.budget.text, self.order.total,
      self.order.total == 1 and "" or "s"))
  end
  return { stopped = self.stopping, hopeless = self.hopeless, total = self.order.total }
end

return M
