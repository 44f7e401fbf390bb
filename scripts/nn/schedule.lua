--- Learning-rate schedules: `fit(train, { schedule = nn.schedule.cosine { total = 20 } })`.
---
--- A schedule is called as `schedule(n, base_lr, history)` and returns the learning rate of epoch n,
--- counted from 1 (of step n, when its `per` is "step"); `base_lr` is the optimiser's, `history` what
--- fit has recorded of the epochs before. A plain function of these three is a schedule too.
--- Schedules hold no position: asking for any n in any order gives the same answers, so training that
--- is resumed continues as if it had not stopped. Values are PyTorch's unless stated.
local options = require "options"

local M = {}

---@class Schedule
---@field name string
---@field per "epoch"|"step" what n counts
---@field options table the options with defaults filled in
---@field adaptive boolean? whether it looks at the epochs in `history`, or may
---@operator call: number
local Schedule = { __name = "Schedule" }
Schedule.__index = Schedule

function Schedule:__call(n, base_lr, history)
  local lr = self.value(self.options, n - 1, base_lr, history, self.per)
  if type(lr) ~= "number" or not (lr >= 0 and lr < math.huge) then
    options.fail("the schedule gave %s as the learning rate of %s %d; it must be a number, 0 or more",
      options.show(lr), self.per, n)
  end
  return lr
end

function Schedule:__tostring()
  local parts = {}
  for _, key in ipairs(options.keys(self.options)) do
    local value = self.options[key]
    if type(value) == "table" and getmetatable(value) ~= Schedule then
      value = "{ " .. table.concat(value, ", ") .. " }"
    elseif math.type(value) == "float" then
      value = ("%.14g"):format(value)
    end
    parts[#parts + 1] = ("%s = %s"):format(key, tostring(value))
  end
  return ("nn.schedule.%s { %s }"):format(self.name, table.concat(parts, ", "))
end

local PER = { type = "string", choices = { "epoch", "step" }, default = "epoch",
  help = "whether it counts epochs or optimiser steps" }

-- A schedule of `value(options, k, base_lr, history, per)`, k counting from 0.
local function make(name, given, spec, value)
  spec.per = spec.per or PER
  local checked = options.check(given, spec, "nn.schedule." .. name)
  return setmetatable({ name = name, per = checked.per, options = checked, value = value }, Schedule)
end

local function count(help)
  return { type = "integer", min = 1, required = true, help = help }
end

local function gamma(default)
  return { type = "number", above = 0, default = default, required = default == nil,
    help = "factor of each reduction" }
end

-- The length a schedule was given, or that of the whole training as fit has noted it.
local function total_of(o, history, per, name)
  local total = o.total or (history and history["planned_" .. per .. "s"])
  if not total then
    options.fail("nn.schedule.%s: option 'total' is missing (number of %ss)", name, per)
  end
  return total
end

--- The optimiser's learning rate throughout.
---@param given? { per: string? }
---@return Schedule
function M.constant(given)
  return make("constant", given, {}, function(_, _, base_lr)
    return base_lr
  end)
end

--- Multiplied by `gamma` every `every` epochs (PyTorch's StepLR).
---@param given { every: integer, gamma: number?, per: string? } gamma 0.1
---@return Schedule
function M.step(given)
  local spec = { every = count("epochs between reductions"), gamma = gamma(0.1) }
  return make("step", given, spec, function(o, k, base_lr)
    return base_lr * o.gamma ^ (k // o.every)
  end)
end

--- Multiplied by `gamma` after each of the epochs in `at` (PyTorch's MultiStepLR).
---@param given { at: integer[], gamma: number?, per: string? } gamma 0.1
---@return Schedule
function M.milestones(given)
  local spec = { gamma = gamma(0.1), at = { type = "table", required = true,
    help = "after which epochs", check = function(list)
      for i, milestone in ipairs(list) do
        if math.type(milestone) ~= "integer" or milestone < 1 then
          return ("must be a list of epochs, but entry %d is %s"):format(i, options.show(milestone))
        end
      end
    end } }
  return make("milestones", given, spec, function(o, k, base_lr)
    local passed = 0
    for _, milestone in ipairs(o.at) do
      if milestone <= k then
        passed = passed + 1
      end
    end
    return base_lr * o.gamma ^ passed
  end)
end

--- Multiplied by `gamma` every epoch (PyTorch's ExponentialLR).
---@param given { gamma: number, per: string? }
---@return Schedule
function M.exponential(given)
  return make("exponential", given, { gamma = gamma() }, function(o, k, base_lr)
    return base_lr * o.gamma ^ k
  end)
end

--- Divided by 1 + decay * k, where k counts the epochs done, or every `every`-th of them. (PyTorch has
--- none of this form.)
---@param given { decay: number, every: integer?, per: string? } every 1
---@return Schedule
function M.inverse_time(given)
  local spec = {
    decay = { type = "number", min = 0, required = true, help = "how fast it falls" },
    every = { type = "integer", min = 1, default = 1, help = "epochs between reductions" },
  }
  return make("inverse_time", given, spec, function(o, k, base_lr)
    return base_lr / (1 + o.decay * (k // o.every))
  end)
end

--- Half a cosine from the base rate down to `min` over `total` epochs, then `min` (Loshchilov, Hutter
--- 2017). PyTorch's CosineAnnealingLR, which rises again after `total`.
---@param given? { total: integer?, min: number?, per: string? } total: the whole training; min 0
---@return Schedule
function M.cosine(given)
  local spec = {
    total = { type = "integer", min = 1, help = "epochs until the minimum; default all of fit's" },
    min = { type = "number", min = 0, default = 0, help = "lowest learning rate" },
  }
  return make("cosine", given, spec, function(o, k, base_lr, history, per)
    local share = math.min(k / total_of(o, history, per, "cosine"), 1)
    return o.min + (base_lr - o.min) * (1 + math.cos(math.pi * share)) / 2
  end)
end

--- A straight line from `start` times the base rate up to the whole of it over `total` epochs, then
--- the schedule `next` from its beginning. (PyTorch's LinearLR and SequentialLR.)
---@param given { total: integer, start: number?, next: Schedule|function?, per: string? } start 1/3;
--- next constant; per that of `next`
---@return Schedule
function M.warmup(given)
  local spec = {
    total = count("epochs until the full rate"),
    start = { type = "number", min = 0, max = 1, default = 1 / 3, help = "share it begins with" },
    next = { type = "callable", help = "the schedule that follows" },
  }
  local inner = type(given) == "table" and given.next and M.from(given.next)
  spec.per = { type = "string", choices = PER.choices, default = inner and inner.per or "epoch" }
  local schedule = make("warmup", given, spec, function(o, k, base_lr, history)
    if k < o.total then
      return base_lr * (o.start + (1 - o.start) * k / o.total)
    end
    return inner and inner(k - o.total + 1, base_lr, history) or base_lr
  end)
  if inner and inner.per ~= schedule.per then
    options.fail("nn.schedule.warmup: counts in %ss, but %s in %ss", schedule.per, inner.name, inner.per)
  end
  schedule.adaptive = inner and inner.adaptive
  return schedule
end

-- ---- plateau ----

-- What a plateau has seen of a history: history -> { [options] = state }. Only speeds things up: the
-- state is a function of history.epochs.
local seen = setmetatable({}, { __mode = "k" })

local function plateau_state(o, history, base_lr)
  local states = seen[history] or setmetatable({}, { __mode = "k" })
  seen[history] = states
  local state = states[o]
  if not state or state.base_lr ~= base_lr or state.done > #history.epochs then
    state = { base_lr = base_lr, lr = base_lr, done = 0, bad = 0, cooldown = 0 }
    states[o] = state
  end
  return state
end

local function metric_of(o, row)
  local name = o.metric or (row.val_loss and "val_loss" or "loss")
  if type(row[name]) ~= "number" then
    local known = {}
    for _, key in ipairs(options.keys(row)) do
      if type(row[key]) == "number" then
        known[#known + 1] = key
      end
    end
    local near = options.nearest(name, known)
    options.fail("nn.schedule.plateau: epochs have no metric '%s'%s", name,
      near and (" (did you mean '%s'?)"):format(near) or "; they have " .. table.concat(known, ", "))
  end
  return name, row[name]
end

local function is_better(o, name, value, best)
  local mode = o.mode or require("nn.metrics").better(name)
  if mode == "max" then
    return value > best * (1 + (best < 0 and -o.threshold or o.threshold))
  end
  return value < best * (1 - (best < 0 and -o.threshold or o.threshold))
end

-- One epoch, as PyTorch's ReduceLROnPlateau.step takes it.
local function plateau_epoch(o, state, row)
  local name, value = metric_of(o, row)
  if state.best == nil and value == value or state.best and is_better(o, name, value, state.best) then
    state.best, state.bad = value, 0
  else
    state.bad = state.bad + 1
  end
  if state.cooldown > 0 then
    state.cooldown, state.bad = state.cooldown - 1, 0
  end
  if state.bad > o.patience then
    state.lr = math.max(state.lr * o.factor, math.min(o.min, state.lr))
    state.cooldown, state.bad = o.cooldown, 0
  end
end

--- Multiplied by `factor` whenever a metric has not become better for more than `patience` epochs
--- (PyTorch's ReduceLROnPlateau, threshold relative; for a negative metric, too, better means better:
--- PyTorch's threshold there points the wrong way).
---@param given? table metric: string (val_loss, or loss without validation); mode: "min" or "max" (the
--- metric's own); factor: number (0.1); patience: epochs (10); threshold: number (1e-4); cooldown:
--- epochs (0); min: number (0)
---@return Schedule
function M.plateau(given)
  local spec = {
    metric = { type = "string", help = "the metric that should become better" },
    mode = { type = "string", choices = { "min", "max" }, help = "which way is better" },
    factor = { type = "number", above = 0, below = 1, default = 0.1, help = "factor of each reduction" },
    patience = { type = "integer", min = 0, default = 10, help = "epochs to wait" },
    threshold = { type = "number", min = 0, default = 1e-4, help = "smallest relative change that counts" },
    cooldown = { type = "integer", min = 0, default = 0, help = "epochs after a reduction that do not count" },
    min = { type = "number", min = 0, default = 0, help = "lowest learning rate" },
    per = { type = "string", choices = { "epoch" }, default = "epoch" },
  }
  local schedule = make("plateau", given, spec, function(o, k, base_lr, history)
    if k == 0 or not history then
      return base_lr
    end
    local state = plateau_state(o, history, base_lr)
    if state.done > k then
      state = { base_lr = base_lr, lr = base_lr, done = 0, bad = 0, cooldown = 0 }
    end
    while state.done < k and history.epochs[state.done + 1] do
      state.done = state.done + 1
      plateau_epoch(o, state, history.epochs[state.done])
    end
    return state.lr
  end)
  schedule.adaptive = true
  return schedule
end

-- ---- use ----

--- A schedule from what fit's option holds: a schedule, a function (n, base_lr, history) -> lr, or the
--- name of one that needs no options ("cosine").
---@param value Schedule|function|string|nil nil: constant
---@return Schedule
function M.from(value)
  if value == nil then
    return M.constant()
  elseif getmetatable(value) == Schedule then
    return value
  elseif type(value) == "function" then
    local schedule = make("function", nil, {}, function(_, k, base_lr, history)
      return value(k + 1, base_lr, history)
    end)
    schedule.adaptive = true
    return schedule
  end
  local names = { "constant", "cosine", "plateau" }
  for _, name in ipairs(names) do
    if name == value then
      return M[name]()
    end
  end
  options.fail("a schedule is nn.schedule.cosine { ... } or the like, a function or one of %s; got %s",
    table.concat(names, ", "), options.show(value))
end

--- The learning rates of `length` epochs (or steps) from `first` on.
---@param schedule Schedule
---@param first integer from 1
---@param length integer
---@param base_lr number
---@param history? table
---@return number[]
function M.values(schedule, first, length, base_lr, history)
  local list = {}
  local same = schedule.name == "constant" and schedule(first, base_lr, history)
  for i = 1, length do
    list[i] = same or schedule(first + i - 1, base_lr, history)
  end
  return list
end

return M
