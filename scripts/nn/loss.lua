--- Losses: what training makes small. `fit(train, { loss = "cross_entropy" })`,
--- `loss = nn.loss.huber { delta = 2 }`, or a function `(prediction, target) -> value` of ops.
---
--- Each is the mean over the batch of a numerically safe form: classifiers give logits, not
--- probabilities.
local op = require "core.op"
local options = require "options"
local tensors = require "core.tensor"

local M = {}

---@class Loss
---@field name string
---@field target "labels"|"column"|"numbers"|"any" what fit makes of y
---@field options table
---@field apply fun(prediction: userdata, target: userdata, options: table): userdata
local Loss = { __name = "Loss" }
Loss.__index = Loss

function Loss:__tostring()
  return ("nn.loss.%s %s"):format(self.name, options.literal(self.options))
end

function Loss:__call(prediction, target)
  return self.apply(prediction, target, self.options)
end

local SPECS = {}

local function define(name, target, spec, apply)
  SPECS[name] = spec
  M[name] = function(given)
    return setmetatable({ name = name, target = target, apply = apply,
      options = options.check(given, spec, "nn.loss." .. name) }, Loss)
  end
end

local function mean_of(elementwise)
  return function(prediction, target, o)
    return op.mean(elementwise(prediction, target, o))
  end
end

--- Logits (N, ..., C) and labels (N, ...) as (M, C) and (M): every place of a sequence is a sample.
---@param prediction userdata
---@param target userdata
---@return userdata, userdata
function M.flat(prediction, target)
  local shape = prediction:shape()
  if #shape <= 2 or #target:shape() ~= #shape - 1 then
    return prediction, target
  end
  return op.reshape(prediction, { -1, shape[#shape] }), op.reshape(target, { -1 })
end

-- Mean over the batch; with class weights the weighted mean, as PyTorch's CrossEntropyLoss.
local function cross_entropy(prediction, target, o)
  prediction, target = M.flat(prediction, target)
  if not o.class_weights then
    return op.mean(op.softmax_cross_entropy(prediction, target, { label_smoothing = o.label_smoothing }))
  end
  local weights = tensors.new(o.class_weights, prediction:dtype())
  local rows = op.softmax_cross_entropy(prediction, target, weights, { label_smoothing = o.label_smoothing })
  return op.sum(rows) / op.sum(op.take(weights, target))
end

--- Cross-entropy of logits (N, C) and labels (N), or of sequences: (N, T, C) and (N, T). Options:
--- label_smoothing (0), class_weights (C).
---@param given? { label_smoothing: number?, class_weights: number[]? }
---@return Loss
M.cross_entropy = nil
define("cross_entropy", "labels", {
  label_smoothing = { type = "number", min = 0, max = 1, default = 0,
    help = "share of the target spread over all classes" },
  class_weights = { type = "table", help = "a weight for each class" },
}, cross_entropy)

--- Binary cross-entropy of logits (N, 1) and labels 0 or 1.
---@return Loss
M.binary_cross_entropy = nil
define("binary_cross_entropy", "column", {}, mean_of(function(prediction, target)
  return op.bce_with_logits(prediction, target)
end))

--- Mean squared error.
---@return Loss
M.mse = nil
define("mse", "numbers", {}, mean_of(function(prediction, target)
  return op.squared_error(prediction, target)
end))

--- Mean absolute error.
---@return Loss
M.mae = nil
define("mae", "numbers", {}, mean_of(function(prediction, target)
  return op.absolute_error(prediction, target)
end))

--- Huber's loss: quadratic up to `delta`, linear beyond (Huber 1964).
---@param given? { delta: number? } delta 1
---@return Loss
M.huber = nil
define("huber", "numbers", { delta = { type = "number", above = 0, default = 1, help = "where it turns linear" } },
  mean_of(function(prediction, target, o)
    return op.huber_error(prediction, target, { delta = o.delta })
  end))

--- Hinge loss of scores (N, 1) and labels 0 or 1 (taken as -1 and 1).
---@return Loss
M.hinge = nil
define("hinge", "column", {}, mean_of(function(prediction, target)
  return op.hinge_error(prediction, target * 2 - 1)
end))

--- Kullback-Leibler divergence of log-probabilities (N, C) from probabilities (N, C), per sample.
---@return Loss
M.kl = nil
define("kl", "numbers", {}, function(prediction, target)
  return op.sum(op.kl_error(prediction, target)) / prediction:shape()[1]
end)

--- Whether a value is a loss of this module.
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == Loss
end

--- A loss from what fit's option holds: a loss, its name, or a function of prediction and target.
---@param value any
---@return Loss
function M.from(value)
  if getmetatable(value) == Loss then
    return value
  elseif type(value) == "function" then
    return setmetatable({ name = "custom", target = "any", options = {}, apply = value }, Loss)
  elseif type(value) == "string" and SPECS[value] then
    return M[value]()
  end
  local names = options.keys(SPECS)
  options.fail("unknown loss %s%s", options.show(value),
    options.suggestion(value, names, "; there are " .. table.concat(names, ", ")))
end

return M
