--- The learning-rate range test: `nn.lr_find(model, train):plot { file = "results/range" }`.
local fit = require "nn.fit"
local models = require "nn.model"
local options = require "options"

local M = {}

---@class LrRange
---@field lr number[] learning rate of each step
---@field loss number[] smoothed loss of each step, before its update
---@field raw number[] loss of each step's batch
---@field suggestion? number the learning rate where the loss falls fastest
---@field lowest? number the learning rate of the lowest smoothed loss: training should stay below
---@field stopped boolean whether the loss grew beyond the limit, or stopped being a number
local Range = { __name = "LrRange" }
Range.__index = Range

--- Draw loss over learning rate.
---@param given? table file, formats, terminal, title, size, as report.plot takes them
---@return table? result
---@return string? message
function Range:plot(given)
  if #self.lr == 0 then
    options.fail("lr_find: not one step ended with a number; there is nothing to draw")
  end
  local low, high = math.huge, -math.huge
  for i, loss in ipairs(self.raw) do
    low, high = math.min(low, loss), math.max(high, self.loss[i])
  end
  high = math.min(high, self.loss[1] + (self.loss[1] - low) / 2) -- the explosion would flatten the rest
  local series = {
    { name = "batch", x = self.lr, y = self.raw, muted = true },
    { name = "smoothed", x = self.lr, y = self.loss, style = "line", color = 1 },
  }
  if self.suggestion then
    series[3] = { name = ("suggestion %.2g"):format(self.suggestion), x = { self.suggestion, self.suggestion },
      y = { low, high }, style = "line", dash = "dashed", color = 2 }
  end
  local spec = { title = "learning-rate range test", x = { label = "learning rate", log = true },
    y = { label = "loss", min = low, max = high }, series = series }
  for key, value in pairs(given or {}) do
    spec[key] = value
  end
  return require("report").plot(spec)
end

function Range:__tostring()
  local function shown(value)
    return value and ("%.3g"):format(value) or "none"
  end
  return ("learning-rate range test, %d steps to %s: suggestion %s, lowest loss at %s%s"):format(#self.lr,
    shown(self.lr[#self.lr]), shown(self.suggestion), shown(self.lowest),
    self.stopped and ", then it grew" or "")
end

local SPEC = {
  start = { type = "number", above = 0, default = 1e-7, help = "learning rate of the first step" },
  stop = { type = "number", above = 0, default = 10, help = "learning rate of the last step" },
  steps = { type = "integer", min = 3, default = 100, help = "how many" },
  smoothing = { type = "number", min = 0, below = 1, default = 0.9, help = "share of the mean loss kept" },
  diverge = { type = "number", above = 1, default = 4, help = "end at so many times the lowest smoothed loss" },
  optimizer = { type = "any", default = "adam", help = "as in fit; its lr does not matter" },
  loss = { type = "any", help = "as in fit" },
  loss_weights = { type = "table", help = "as in fit" },
  batch_size = { type = "integer|string", default = 64, help = "as in fit" },
  shuffle = { type = "boolean", default = true, help = "as in fit" },
  seed = { type = "integer", help = "as in fit" },
  dtype = { type = "string", choices = { "float32", "float64" }, help = "as in fit" },
  clip_norm = { type = "number", above = 0, help = "as in fit" },
  clip_value = { type = "number", above = 0, help = "as in fit" },
  max_norm = { type = "number", above = 0, help = "as in fit" },
  l1 = { type = "number", min = 0, default = 0, help = "as in fit" },
  l2 = { type = "number", min = 0, default = 0, help = "as in fit" },
  threads = { type = "integer", min = 1, max = 64, help = "as in fit" },
}
local OWN = { start = true, stop = true, steps = true, smoothing = true, diverge = true }

-- Take the steps; fills lr, raw and loss.
local function ramp(range, run, o)
  local mean, best = 0, math.huge
  for i = 1, o.steps do
    local lr = o.start * (o.stop / o.start) ^ ((i - 1) / (o.steps - 1))
    local loss = run:single(i, lr)
    if not loss then
      range.stopped = true
      return
    end
    mean = o.smoothing * mean + (1 - o.smoothing) * loss
    local smoothed = mean / (1 - o.smoothing ^ i) -- as in Adam: the mean begins at 0
    range.lr[i], range.raw[i], range.loss[i] = lr, loss, smoothed
    if i > 1 and smoothed > o.diverge * best then
      range.stopped = true
      return
    end
    if smoothed < best then
      best, range.lowest = smoothed, lr
    end
  end
end

-- Slope of the batches' losses per step around step i: that of the line through 2 width + 1 of them. The
-- smoothed loss would lag behind, and make the answer too large.
local function slope_at(raw, i, width)
  local sum, squares = 0, 0
  for k = -width, width do
    sum, squares = sum + k * raw[i + k], squares + k * k
  end
  return sum / squares
end

-- The learning rate where the loss falls fastest per decade, before the lowest smoothed one.
local function steepest(range, steps)
  local found, slope = nil, 0
  local width = math.max(1, steps // 12)
  for i = width + 1, #range.raw - width do
    local fall = slope_at(range.raw, i, width)
    if fall < slope and range.lr[i] <= range.lowest then
      found, slope = range.lr[i], fall
    end
  end
  return found
end

--- Learning-rate range test (Smith 2017): train with a rate that grows from step to step, and see where
--- the loss falls fastest. The model is left as it was, to the bit: weights, running statistics, and
--- whether it had been built.
---
--- The loss is smoothed, and the test ends when it has grown to `diverge` times the lowest or is no number.
--- `suggestion` is where the batches' loss falls fastest per decade; a tenth of `lowest` is another
--- rule. The result draws itself: `range:plot { file = "results/range" }`.
---@param model Layer
---@param set table a data set
---@param given? table
---@return LrRange
---@options SPEC
function M.lr_find(model, set, given)
  local o = options.check(given, SPEC, "lr_find")
  if o.stop <= o.start then
    options.fail("lr_find: stop, %g, must be greater than start, %g", o.stop, o.start)
  end
  local for_fit = { epochs = 1, metrics = {} }
  for key, value in pairs(o) do
    if not OWN[key] then
      for_fit[key] = value
    end
  end
  local flat = model.book and model.book.flat:to(model.book.dtype)
  local range = setmetatable({ lr = {}, loss = {}, raw = {}, stopped = false }, Range)
  local ok, message = models.restoring(model, function()
    ramp(range, fit.new_run(model, set, for_fit), o)
  end)
  if flat then
    model.book.flat:copy(flat)
  end
  if not ok then
    error(message, 0)
  end
  range.suggestion = range.lowest and steepest(range, o.steps)
  return range
end

return M
