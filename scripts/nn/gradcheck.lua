--- Gradient check of a model or a layer of one's own, in float64, against central differences.
local core_init = require "core.init"
local layers = require "nn.layers"
local losses = require "nn.loss"
local models = require "nn.model"
local op = require "core.op"
local options = require "options"
local tensors = require "core.tensor"
local trace = require "nn.trace"

local M = {}

---@class GradientCheck
---@field ok boolean whether the worst error is below the tolerance
---@field error number |analytic - numeric| / max(1, |analytic|, |numeric|), the worst one
---@field param string which parameter (or "x", the input)
---@field index integer flat index in it, from 1
---@field analytic number
---@field numeric number
local Check = { __name = "GradientCheck" }
Check.__index = Check

function Check:__tostring()
  return ("gradient check %s: worst error %.3g in %s[%d] (analytic %.9g, numeric %.9g)"):format(
    self.ok and "passed" or "FAILED", self.error, self.param, self.index, self.analytic, self.numeric)
end

local function input_of(like, given)
  if type(like) == "table" and tensors.is_tensor(like.x) then
    return like.x:to("float64"), like.y
  elseif tensors.is_tensor(like) then
    return like:to("float64"), nil
  elseif type(like) ~= "table" then
    options.fail("gradcheck: expected a data set, a tensor or a shape such as { 3, 5 }, got %s", options.show(like))
  end
  local x = tensors.zeros(like, "float64")
  core_init.fill(x, "normal", 1, 1, given.seed, 0)
  return x, nil
end

-- Build the model anew in float64, with the weights it has, and compare.
local function check_built(model, x, y, given)
  local weights = model.book and model:parameters()
  model:build(x, { seed = given.seed, dtype = "float64" })
  for i, param in ipairs(weights and model.book.params or {}) do
    param.tensor:copy(weights[i].tensor)
  end
  return trace.run(model.book, false, function(current)
    local node = current.graph:param(x, "x")
    local prediction = model(node)
    local inputs, data, loss = {}, {}
    if y then
      local law = given.loss and losses.from(given.loss) or models.default_loss(y, prediction:shape())
      data[1] = models.target_of(law, y, prediction:shape(), "float64")
      inputs[1] = current.graph:input("y", data[1]:dtype(), data[1]:shape(), true)
      loss = law(prediction, inputs[1])
    else
      loss = op.mean(op.square(prediction))
    end
    local wrt, names = { node }, { "x" }
    for _, param in ipairs(model.book.params) do
      if current.calls[param] and not param.buffer then
        wrt[#wrt + 1], names[#names + 1] = current.calls[param], param.name
      end
    end
    local worst = current.graph:gradcheck(loss, wrt, inputs, data, given.per_param)
    worst.param, worst.ok = names[worst.param], worst.error <= given.tolerance
    return setmetatable(worst, Check)
  end)
end

--- Check the gradients of a model (or layer) in all its parameters and its input.
---
--- With a data set the loss is a real one; with a tensor or a shape, whose input is drawn at random, it
--- is the mean square of the output. Parameters are built anew, or taken over when the model is built.
---@param model Layer
---@param like any data set, tensor, or shape with the batch first: { 3, 5 }
---@param given? { loss: any?, tolerance: number?, per_param: integer?, seed: integer? } tolerance 1e-6,
--- per_param 0 (all elements), seed 0
---@return GradientCheck
function M.check(model, like, given)
  if not layers.is(model) then
    options.fail("gradcheck: expected a model or a layer, got %s", options.show(model))
  end
  given = options.check(given, {
    loss = { type = "any", help = "what fit's loss takes" },
    tolerance = { type = "number", above = 0, default = 1e-6, help = "largest error that passes" },
    per_param = { type = "integer", min = 0, default = 0, help = "elements tried of each; 0: all" },
    seed = { type = "integer", default = 0, help = "of starting values and random input" },
  }, "gradcheck")
  local x, y = input_of(like, given)
  local saved = { book = model.book, summary = model.summary, steps = model.steps, input_shape = model.input_shape }
  local ok, check = pcall(check_built, model, x, y, given)
  model.book, model.summary, model.steps, model.input_shape = saved.book, saved.summary, saved.steps,
    saved.input_shape
  if not ok then
    error(check, 0)
  end
  return check
end

return M
