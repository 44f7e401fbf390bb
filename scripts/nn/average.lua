--- Averages of weights over training: `fit { ema = 0.999 }` and `fit { swa = { start = 8 } }`.
---
--- A running mean of all parameters and buffers is kept beside those that train. Between epochs the model
--- holds the averages, so that evaluation, callbacks, best weights and the end of training see them; the
--- next epoch goes on from where training was.
---
--- Exponential (ema): after every step, mean = decay * mean + (1 - decay) * weights; running statistics
--- are averaged in the same way. A decay of 1 is the plain mean over all steps (Polyak, Juditsky 1992).
--- Stochastic weight averaging (swa, Izmailov et al. 2018): the plain mean of the weights after every
--- `every`-th epoch from epoch `start` on; running statistics do not belong to such a mean, so they are
--- computed anew in a pass over the training data.
local options = require "options"
local tensors = require "core.tensor"

local M = {}

-- Steps a pass for running statistics has at least: with the usual momentum 0.1 all but 0.5 % of what they
-- were is forgotten. (PyTorch's update_bn takes the plain mean over one pass instead.)
local STATISTICS_STEPS = 50

local EMA = {
  decay = { type = "number", required = true, min = 0, max = 1, help = "share of the mean that is kept each step" },
  warm_up = { type = "boolean", default = false, help = "begin with less: (1 + n) / (10 + n) in step n" },
}

local SWA = {
  start = { type = "integer", min = 1, help = "first epoch that counts; default after three quarters" },
  every = { type = "integer", min = 1, default = 1, help = "epochs from one to the next" },
}

--- What fit's options ask for, checked.
---@param given table fit's options
---@return table? settings of kind, and of EMA or SWA; nil when there is nothing to average
function M.settings(given)
  if given.ema and given.swa then
    options.fail("fit: ema and swa are two ways of averaging weights; choose one")
  elseif given.ema then
    local settings = options.check(type(given.ema) == "table" and given.ema or { decay = given.ema }, EMA, "fit: ema")
    settings.kind = "ema"
    return settings
  elseif given.swa then
    local settings = options.check(given.swa, SWA, "fit: swa")
    settings.kind = "swa"
    settings.start = settings.start or given.epochs * 3 // 4 + 1
    return settings
  end
end

---@class Average
---@field settings table
---@field mean userdata the averages, as the model's flat vector
local Average = {}
Average.__index = Average

--- Begin to average.
---@param settings table what settings() gave
---@param flat userdata all parameters and buffers of a model
---@param optim userdata the engine's optimiser of them
---@return Average
function M.new(settings, flat, optim)
  local self = setmetatable({ settings = settings, flat = flat, optim = optim, count = 0 }, Average)
  self.mean, self.training = tensors.zeros(flat:shape(), flat:dtype()), tensors.zeros(flat:shape(), flat:dtype())
  if settings.kind == "ema" then
    optim:keep_average(self.mean, settings.decay, settings.warm_up, false)
  else
    optim:keep_average(self.mean, 1, false, true)
  end
  return self
end

--- Before an epoch: the model gets the weights that train.
function Average:enter()
  if self.shown then
    self.flat:copy(self.training)
    self.shown = false
  end
end

--- After an epoch: the model gets the averages.
---@param epoch integer from 1
---@param refresh fun(steps: integer) runs at least so many steps that compute running statistics
function Average:leave(epoch, refresh)
  local s = self.settings
  if s.kind == "swa" then
    if epoch >= s.start and (epoch - s.start) % s.every == 0 then
      self.optim:average()
      self.count = self.count + 1
    end
    if self.count == 0 then
      return
    end
  end
  self.training:copy(self.flat)
  self.flat:copy(self.mean)
  self.shown = true
  if s.kind == "swa" then
    refresh(STATISTICS_STEPS)
  end
end

return M
