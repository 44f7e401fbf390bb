--- Learning-rate schedules: `fit(train, { schedule = nn.schedule.cosine { total = 20 } })`.
---
--- A schedule is called as `schedule(n, base_lr, history)` and returns the learning rate of epoch n,
--- counted from 1 (of step n, when its `per` is "step"); `base_lr` is the optimiser's, `history` what
--- fit has recorded of the epochs before. A plain function of these three is a schedule too.
--- Schedules hold no position: asking for any n in any order gives the same answers, so training that
--- is resumed continues as if it had not stopped. Values are PyTorch's unless stated.
---
--- one_cycle and cyclic drive the optimiser's momentum, too.
local cyclic = require "nn.cyclic"
local options = require "options"
local plateau = require "nn.plateau"

local M = {}

---@class Schedule
---@field name string
---@field per "epoch"|"step" what n counts
---@field options table the options with defaults filled in
---@field momentum_value function? of options, k, history, per: the momentum it drives
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

--- The momentum of epoch (or step) n, if the schedule drives it.
---@param n integer from 1
---@param history? table
---@return number? momentum
function Schedule:momentum(n, history)
  return self.momentum_value and self.momentum_value(self.options, n - 1, history, self.per)
end

function Schedule:__tostring()
  return ("nn.schedule.%s %s"):format(self.name, options.literal(self.options))
end

local PER = { type = "string", choices = { "epoch", "step" }, default = "epoch",
  help = "whether it counts epochs or optimiser steps" }

-- A schedule of `value(options, k, base_lr, history, per)`, k counting from 0; `momentum(options, k,
-- history, per)` if it drives that, unless its option cycle_momentum is false.
local function make(name, given, spec, value, momentum)
  spec.per = spec.per or PER
  local checked = options.check(given, spec, "nn.schedule." .. name)
  if checked.cycle_momentum == false then
    momentum = nil
  end
  return setmetatable({ name = name, per = checked.per, options = checked, value = value,
    momentum_value = momentum }, Schedule)
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

cyclic.install(M, make, total_of)
plateau.install(M, make)

--- The optimiser's learning rate throughout; or `factor` times it for the first `total` epochs (PyTorch's
--- ConstantLR).
---@param given? { factor: number?, total: integer?, per: string? } factor 1; total: always
---@return Schedule
function M.constant(given)
  local spec = {
    factor = { type = "number", min = 0, default = 1, help = "share of the rate" },
    total = { type = "integer", min = 1, help = "epochs it holds; default all" },
  }
  return make("constant", given, spec, function(o, k, base_lr)
    return (o.total and k >= o.total) and base_lr or base_lr * o.factor
  end)
end

--- A straight line from `start` to `stop` times the base rate over `total` epochs, then constant
--- (PyTorch's LinearLR).
---@param given? { total: integer?, start: number?, stop: number?, per: string? } total: the whole training;
--- start 1/3; stop 1
---@return Schedule
function M.linear(given)
  local spec = {
    total = { type = "integer", min = 1, help = "epochs until `stop`; default all of fit's" },
    start = { type = "number", min = 0, default = 1 / 3, help = "share it begins with" },
    stop = { type = "number", min = 0, default = 1, help = "share it ends with" },
  }
  return make("linear", given, spec, function(o, k, base_lr, history, per)
    local share = math.min(k / total_of(o, history, per, "linear"), 1)
    return base_lr * (o.start + (o.stop - o.start) * share)
  end)
end

--- The base rate times (1 - k / total)^power, down to 0 after `total` epochs (PyTorch's PolynomialLR).
---@param given? { total: integer?, power: number?, per: string? } total: the whole training; power 1
---@return Schedule
function M.polynomial(given)
  local spec = {
    total = { type = "integer", min = 1, help = "epochs until 0; default all of fit's" },
    power = { type = "number", above = 0, default = 1, help = "how it bends" },
  }
  return make("polynomial", given, spec, function(o, k, base_lr, history, per)
    return base_lr * (1 - math.min(k / total_of(o, history, per, "polynomial"), 1)) ^ o.power
  end)
end

--- Multiplied every epoch by what a function of the epoch (2, 3, ...) returns (PyTorch's
--- MultiplicativeLR, whose function counts from 1 there). A plain function as a schedule is PyTorch's
--- LambdaLR.
---@param given { factor: fun(n: integer): number, per: string? }
---@return Schedule
function M.multiplicative(given)
  local products = { [0] = 1 } -- of the first k factors; a function of k alone
  local spec = { factor = { type = "callable", required = true, help = "gives the factor of an epoch" } }
  return make("multiplicative", given, spec, function(o, k, base_lr)
    for i = #products + 1, k do
      products[i] = products[i - 1] * o.factor(i + 1)
    end
    return base_lr * products[k]
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

--- Half cosines down to `min`, each cycle `factor` times as long as the one before (Loshchilov, Hutter 2017;
--- PyTorch's CosineAnnealingWarmRestarts).
---@param given { first: integer, factor: integer?, min: number?, per: string? } first: epochs of the first
--- cycle; factor 1; min 0
---@return Schedule
function M.cosine_restarts(given)
  local spec = {
    first = count("epochs of the first cycle"),
    factor = { type = "integer", min = 1, default = 1, help = "length of a cycle over that of the one before" },
    min = { type = "number", min = 0, default = 0, help = "lowest learning rate" },
  }
  return make("cosine_restarts", given, spec, function(o, k, base_lr)
    local length = o.first
    if o.factor == 1 then
      k = k % length
    end
    while k >= length do
      k, length = k - length, length * o.factor
    end
    return o.min + (base_lr - o.min) * (1 + math.cos(math.pi * k / length)) / 2
  end)
end

-- ---- of several ----

-- The schedules in a list, all counting the same; sets spec.per to that.
local function inner_schedules(given, spec, name)
  local inner = {}
  for i, value in ipairs(type(given) == "table" and given or {}) do
    inner[i] = M.from(value)
    if inner[i].per ~= inner[1].per then
      options.fail("nn.schedule.%s: %s counts in %ss, but %s in %ss", name, inner[1].name, inner[1].per,
        inner[i].name, inner[i].per)
    end
  end
  if #inner < 2 then
    options.fail("nn.schedule.%s: needs a list of schedules, two or more", name)
  end
  spec[1] = { type = "any" }
  spec.per = { type = "string", choices = PER.choices, default = inner[1].per }
  return inner
end

local function any_adaptive(inner)
  for _, schedule in ipairs(inner) do
    if schedule.adaptive then
      return true
    end
  end
end

--- One schedule after the other, each from its beginning: the second after `at[1]` epochs, and so on
--- (PyTorch's SequentialLR).
---@param given table a list of schedules; at: integer[], after how many epochs the next one begins; per: that
--- of the schedules
---@return Schedule
function M.sequence(given)
  local spec = { at = { type = "table", required = true, help = "after how many epochs the next one begins" } }
  local inner = inner_schedules(given, spec, "sequence")
  function spec.at.check(list)
    for i = 1, math.max(#list, #inner - 1) do
      if math.type(list[i]) ~= "integer" or list[i] <= (list[i - 1] or 0) or #list ~= #inner - 1 then
        return ("must be %d growing numbers of epochs for %d schedules"):format(#inner - 1, #inner)
      end
    end
  end
  local function current(o, k)
    local i = 1
    while o.at[i] and k >= o.at[i] do
      i = i + 1
    end
    return inner[i], k - (o.at[i - 1] or 0) + 1
  end
  local schedule = make("sequence", given, spec, function(o, k, base_lr, history)
    local one, n = current(o, k)
    return one(n, base_lr, history)
  end, function(o, k, history)
    local one, n = current(o, k)
    return one:momentum(n, history)
  end)
  schedule.adaptive = any_adaptive(inner)
  return schedule
end

--- Several at once: their factors multiplied (PyTorch's ChainedScheduler).
---@param given table a list of schedules
---@return Schedule
function M.chain(given)
  local spec = {}
  local inner = inner_schedules(given, spec, "chain")
  local schedule = make("chain", given, spec, function(_, k, base_lr, history)
    local lr = base_lr
    for _, one in ipairs(inner) do
      lr = base_lr == 0 and 0 or lr * (one(k + 1, base_lr, history) / base_lr)
    end
    return lr
  end, function(_, k, history)
    local momentum
    for _, one in ipairs(inner) do
      momentum = one:momentum(k + 1, history) or momentum
    end
    return momentum
  end)
  schedule.adaptive = any_adaptive(inner)
  return schedule
end

--- A straight line from `start` times the base rate up to the whole of it over `total` epochs, then
--- the schedule `next` from its beginning. (PyTorch's LinearLR and SequentialLR.)
---@param given { total: integer, start: number?, next: Schedule|function|string?, per: string? } start 1/3;
--- next constant; per that of `next`
---@return Schedule
function M.warmup(given)
  local spec = {
    total = count("epochs until the full rate"),
    start = { type = "number", min = 0, max = 1, default = 1 / 3, help = "share it begins with" },
    next = { type = "callable|string", help = "the schedule that follows" },
  }
  local inner = type(given) == "table" and given.next and M.from(given.next)
  spec.per = { type = "string", choices = PER.choices, default = inner and inner.per or "epoch" }
  local schedule = make("warmup", given, spec, function(o, k, base_lr, history)
    if k < o.total then
      return base_lr * (o.start + (1 - o.start) * k / o.total)
    end
    return inner and inner(k - o.total + 1, base_lr, history) or base_lr
  end, function(o, k, history)
    return inner and k >= o.total and inner:momentum(k - o.total + 1, history) or nil
  end)
  if inner and inner.per ~= schedule.per then
    options.fail("nn.schedule.warmup: counts in %ss, but %s in %ss", schedule.per, inner.name, inner.per)
  end
  schedule.adaptive = inner and inner.adaptive
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
  local names = { "constant", "cosine", "linear", "one_cycle", "plateau", "polynomial" }
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
  local same = schedule.name == "constant" and not schedule.options.total and schedule(first, base_lr, history)
  for i = 1, length do
    list[i] = same or schedule(first + i - 1, base_lr, history)
  end
  return list
end

--- The momenta of `length` epochs (or steps) from `first` on, 0 where the optimiser's own counts.
---@private
---@param schedule Schedule
---@param first integer from 1
---@param length integer
---@param history? table
---@return number[]? momenta nil when the schedule drives none
function M.momenta(schedule, first, length, history)
  if not schedule.momentum_value then
    return nil
  end
  local list, any = {}, false
  for i = 1, length do
    list[i] = schedule:momentum(first + i - 1, history) or 0
    any = any or list[i] > 0
  end
  return any and list or nil
end

--- Refuse a schedule that drives momentum for an optimiser that has none.
---@private
---@param schedule Schedule
---@param optimizer Optimizer
---@param history? table
function M.check_momentum(schedule, optimizer, history)
  local drives = (optimizer.momentum or 0) == 0 and M.momenta(schedule, 1, 2, history)
  if drives then
    options.fail("nn.schedule.%s drives the momentum, but nn.%s %s; set cycle_momentum = false", schedule.name,
      optimizer.title, optimizer.momentum and "has momentum 0" or "has none")
  end
end

return M
