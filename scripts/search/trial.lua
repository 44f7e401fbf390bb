--- What a sweep's `run` is given: one configuration to train, from one seed; and what it reports.
local proc = require "core.proc"
local pruners = require "search.pruners"
local store = require "core.store"

local M = {}

--- What a sweep's `run` is given: one configuration to train, from one seed.
---@class search.Trial
---@field params table<string, any> by name; those of a choice's branch stand beside the others
---@field seed integer of this repeat; the same for all configurations
---@field number integer counts the sweep's trials from 1
---@field config integer counts its configurations from 1
---@field ["repeat"] integer counts the seeds of a configuration from 1
---@field threads integer what the sweep's `threads` says
---@field gradcheck boolean|string what the sweep's `gradcheck` says, for fit
---@field checked table<string, boolean> layers and losses whose gradients this worker has checked
local Trial = { __name = "search.trial" }
Trial.__index = Trial


local PACE = 0.05             -- seconds
local CHECKPOINT_SHARE = 0.02 -- of a trial's time that checkpoints may take
local HASH = 64               -- bytes in front of a checkpoint: its SHA-256

--- What ends a run in a pre-flight.
M.PROBED = setmetatable({}, { __tostring = function() return "the pre-flight ends here" end })

-- What a checkpoint kept of the trial: its rows, which are reported again, and the states of its fits.
local function take_up(self, text)
  local hash, body = text:sub(1, HASH), text:sub(HASH + 1)
  local fine, saved = pcall(proc.decode, body)
  if not fine or type(saved) ~= "table" or type(saved.rows) ~= "table" or type(saved.states) ~= "table"
    or store.sha256(body) ~= hash then
    return -- it is damaged: the trial begins anew
  end
  self.rows, self.states, self.samples = saved.rows, saved.states, saved.samples
  for _, row in ipairs(self.rows) do
    if row[self.metric] then
      self.curve[#self.curve + 1] = { row.epoch, row[self.metric] + 0.0 }
    end
  end
end

--- Make a trial of the coordinator's job.
---@param spec table objective, threads, gradcheck, checkpoints, checkpoint_every
---@param job table number, config, repeat, params, seed, rule, probe, to, saved, copied
---@param channel table with send(message)
---@return search.Trial
function M.new(spec, job, channel)
  local self = setmetatable({
    number = job.number, config = job.config, ["repeat"] = job["repeat"], params = job.params,
    seed = job.seed, threads = spec.threads, channel = channel, rows = {}, sent = 0,
    sent_at = proc.now(), rule = job.rule, probe = job.probe, curve = {}, metric = spec.objective.metric,
    objective = spec.objective, gradcheck = spec.gradcheck, checked = spec.checked, states = {}, fits = 0,
    keeps = spec.checkpoints, every = spec.checkpoint_every, to = job.to,
    copied = job.copied,
  }, Trial)
  self.due = self.sent_at + self.every
  if job.saved then
    take_up(self, job.saved)
  end
  return self
end

--- In a pre-flight: end the run with what was measured.
---@private
---@param measured {seconds: number?, columns: string[]?} of a whole trial, and what an epoch of it reports
function Trial:probed(measured)
  self.measured = measured
  error(M.PROBED, 0)
end

--- Whether the run ended where it was to pause, with or without a checkpoint. One that does not heed the
--- pause has reported more.
---@private
---@return boolean
function Trial:left()
  return self.left_at == #self.rows or self.paused_at == #self.rows
end

--- Record metrics of one epoch (or step); fit does it with `trial = trial`, and stops when this returns
--- "stop" (a pruner ended the trial) or "pause" (it goes on later). Loops of one's own should return then,
--- after trial:save in the second case: without it the trial begins anew.
---@param epoch integer counts up; a repeated epoch adds to or replaces what was recorded
---@param metrics table<string, number> values that are not numbers are left out
---@return string? verdict
function Trial:report(epoch, metrics)
  local number = math.tointeger(epoch)
  if not number then
    error(("trial:report: epoch must be a whole number, got %s"):format(tostring(epoch)), 2)
  elseif type(metrics) ~= "table" then
    error(("trial:report: metrics must be a table of numbers, got a %s"):format(type(metrics)), 2)
  end
  local row = { epoch = number }
  for name, value in pairs(metrics) do
    if type(value) == "number" and type(name) == "string" and name ~= "epoch" then
      row[name] = value
    end
  end
  if self.probe then -- a loop of one's own: how many epochs there will be, nobody knows
    self:probed {}
  end
  self.rows[#self.rows + 1] = row
  if self.rule and row[self.metric] and not self.pruned then
    self.curve[#self.curve + 1] = { number, row[self.metric] + 0.0 }
    self.pruned = pruners.verdict(self.rule, self.curve)
  end
  if proc.now() - self.sent_at >= PACE then
    self:send()
  end
  if self.pruned then
    return "stop"
  elseif proc.pause_asked() or self.to and number >= self.to then
    self.paused, self.paused_at = true, self.paused_at or #self.rows
    return "pause"
  end
end

--- Send the rows that have not been sent.
---@private
function Trial:send()
  if self.sent < #self.rows then
    local rows = table.move(self.rows, self.sent + 1, #self.rows, 1, {})
    self.channel:send { kind = "report", rows = rows }
    self.sent, self.sent_at = #self.rows, proc.now()
  end
end

--- Note that training diverged: for loops of one's own, whose history nobody returns.
---@param message string where, e.g. "diverged at step 812 in linear_2"
function Trial:diverged(message)
  self.lost = message
end


-- Send what is needed to go on from here.
local function send_checkpoint(self, kind)
  self:send()
  local began = proc.now()
  local last = self.rows[#self.rows]
  local body = proc.encode { rows = self.rows, states = self.states, samples = self.samples }
  self.channel:send { kind = "checkpoint", name = kind, epoch = last and last.epoch or 0,
    data = store.sha256(body) .. body }
  self.due = proc.now() + math.max(self.every, (proc.now() - began) / CHECKPOINT_SHARE)
end

-- Whether the newest row is the best so far.
local function improved(self)
  local last = self.rows[#self.rows]
  local value = last and last[self.metric]
  if value and self.objective:better(value, self.best_value) then
    self.best_value = value
    return true
  end
end

--- Between epochs of a fit: keep a checkpoint when it is time, when the trial pauses, when the sweep
--- keeps that of the best epoch, and at the end if it keeps the last.
--- `left_at` is then how many rows there were: a loop that does not heed the pause reports more.
---@private
---@param index integer which fit of the run it is
---@param take fun(): string
---@param ended boolean? the fit has ended
function Trial:keep(index, take, ended)
  local best = self.keeps == "best" and not ended and improved(self)
  if best or self.paused or proc.now() >= self.due or ended and (self.keeps == "last" or self.kept) then
    self.states[index] = take()
    if best then
      send_checkpoint(self, "best")
    end
    if not best or self.paused then
      self.kept, self.left_at = true, self.paused and #self.rows
      send_checkpoint(self, "last")
    end
  end
end

--- In a loop of one's own: keep what is needed to go on after this epoch, should the trial be interrupted.
--- Most calls only remember it; now and then it is sent to be recorded.
---@param text string any bytes
function Trial:save(text)
  if type(text) ~= "string" then
    error(("trial:save: expected a string, got a %s"):format(type(text)), 2)
  end
  self:keep(0, function() return text end)
end

--- In a loop of one's own: what `save` kept of this trial before it was interrupted, and the last epoch
--- that was reported then.
---@return string? text nil when the trial begins
---@return integer? epoch
function Trial:resume()
  local text = self.states[0]
  if text then
    return text, self.rows[#self.rows] and self.rows[#self.rows].epoch or 0
  end
end

return M
