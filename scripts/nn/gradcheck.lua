--- Gradient check of a model, a layer or a loss of one's own, in float64, against central differences.
local bundle = require "bundle"
local core_init = require "core.init"
local criterion = require "nn.criterion"
local init = require "nn.init"
local layers = require "nn.layers"
local losses = require "nn.loss"
local models = require "nn.model"
local op = require "core.op"
local options = require "options"
local steps = require "nn.step"
local tensors = require "core.tensor"
local trace = require "nn.trace"

local M = {}

---@class GradientCheck
---@field ok boolean whether the worst error is below the tolerance
---@field error number |analytic - numeric| / max(1, |analytic|, |numeric|), the worst one
---@field param string which parameter, or which input ("x", "x[2]", "x.image")
---@field index integer flat index in it, from 1
---@field analytic number
---@field numeric number
local Check = { __name = "GradientCheck" }
Check.__index = Check

function Check:__tostring()
  return ("gradient check %s: worst error %.3g in %s[%d] (analytic %.9g, numeric %.9g)"):format(
    self.ok and "passed" or "FAILED", self.error, self.param, self.index, self.analytic, self.numeric)
end

-- ---- inputs ----

-- Normal numbers, or whole ones from 0 to below - 1.
local function random_input(shape, seed, stream)
  if #shape == 0 or type(shape[1]) ~= "number" then
    options.fail("gradcheck: expected a shape such as { 3, 5 }, got %s", options.show(shape))
  end
  local x = tensors.zeros(table.move(shape, 1, #shape, 1, {}), "float64")
  core_init.fill(x, shape.below and init.uniform { low = 0, high = 1 } or "normal", 1, 1, seed, stream)
  if not shape.below then
    return x
  end
  local whole = tensors.zeros(x:shape(), "int64")
  local from, to = x:view { x:size() }, whole:view { x:size() }
  for i = 1, x:size() do
    to:set(i, math.floor(from:get(i) * shape.below))
  end
  return whole
end

-- What to check on: a data set's x and y, or tensors, or random ones of the shapes given.
local function data_of(like, seed)
  if tensors.is_tensor(like) then
    return like
  elseif type(like) ~= "table" then
    options.fail("gradcheck: expected a data set, a tensor or a shape such as { 3, 5 }, got %s", options.show(like))
  elseif like.x and like.y then
    return like.x, like.y
  elseif getmetatable(like) ~= nil then
    return like.x
  elseif type(like[1]) == "number" then
    return random_input(like, seed, 0)
  end
  local parts = {}
  for i, key in ipairs(options.keys(like)) do
    key = math.tointeger(tonumber(key)) or key
    local part = like[key]
    parts[key] = tensors.is_tensor(part) and part or random_input(part, seed, i == 1 and 0 or 1000000 + i)
  end
  return parts
end

-- Numbers become float64 nodes to differentiate by, whole numbers inputs of the graph.
local function bind_inputs(check, x)
  return bundle.map(x, function(part, key)
    local name = bundle.name("x", key)
    if part:dtype() == "int64" then
      local node = check.graph:input(name, "int64", part:shape(), true)
      check.inputs[#check.inputs + 1], check.data[#check.data + 1] = node, part
      return node
    end
    local node = check.graph:param(part:to("float64"), name)
    check.wrt[#check.wrt + 1], check.names[#check.names + 1] = node, name
    return node
  end)
end

local function new_check(current)
  return { graph = current.graph, inputs = {}, data = {}, wrt = {}, names = {} }
end

local function compare(check, loss, given)
  if #check.wrt == 0 then
    options.fail("gradcheck: there is nothing to differentiate by: no parameters, and whole numbers as input")
  end
  local worst = check.graph:gradcheck(loss, check.wrt, check.inputs, check.data, given.per_param)
  worst.param, worst.ok = check.names[worst.param], worst.error <= given.tolerance
  return setmetatable(worst, Check)
end

-- ---- models ----

-- Of outputs without targets: the sum of their mean squares.
local function square_loss(outputs)
  local loss
  for _, output in ipairs((bundle.list(outputs))) do
    if output:dtype() == "float64" then
      local term = op.mean(op.square(output))
      loss = loss and loss + term or term
    end
  end
  return loss
end

-- Build the model anew in float64, with the weights it has, and compare.
local function check_built(model, x, y, given)
  local weights = model.book and model:parameters()
  model:build(x, { seed = given.seed, dtype = "float64" })
  for i, param in ipairs(weights and model.book.params or {}) do
    param.tensor:copy(weights[i].tensor)
  end
  return trace.run(model.book, given.training, function(current)
    local check = new_check(current)
    local outputs = steps.call(model, bind_inputs(check, x))
    local loss
    if y then
      local emitted = criterion.emit(given.law or criterion.new(given.loss, given.loss_weights, outputs, y),
        { graph = current.graph, outputs = outputs, y = y, rows = bundle.rows(y), dtype = "float64" })
      table.move(emitted.inputs, 1, #emitted.inputs, #check.inputs + 1, check.inputs)
      table.move(emitted.targets, 1, #emitted.targets, #check.data + 1, check.data)
      loss = emitted.loss
    else
      loss = square_loss(outputs)
    end
    for _, param in ipairs(model.book.params) do
      if current.calls[param] and not param.buffer then
        check.wrt[#check.wrt + 1], check.names[#check.names + 1] = current.calls[param], param.name
      end
    end
    return compare(check, loss, given)
  end)
end

local function check_model(model, x, y, given)
  local ok, check = models.restoring(model, check_built, model, x, y, given)
  if not ok then
    error(check, 0)
  end
  return check
end

-- ---- losses ----

local function check_loss(loss, x, given)
  if not bundle.several(x) or not x[1] or not x[2] then
    options.fail("gradcheck: a loss needs two shapes, of a prediction and of targets: { { 4, 3 }, { 4, below = 3 } }")
  end
  return trace.run({ params = {}, by_layer = {} }, given.training, function(current)
    local check = new_check(current)
    local prediction = bind_inputs(check, { x[1] })[1]
    check.names[1] = "prediction"
    local target = current.graph:input("y", x[2]:dtype(), x[2]:shape(), true)
    check.inputs[1], check.data[1] = target, x[2]
    return compare(check, loss(prediction, target), given)
  end)
end

local OPTIONS = {
  loss = { type = "any", help = "what fit's loss takes" },
  loss_weights = { type = "table", help = "what fit's loss_weights takes" },
  training = { type = "boolean", default = false, help = "as in training: with dropout, statistics of the batch" },
  tolerance = { type = "number", above = 0, default = 1e-6, help = "largest error that passes" },
  per_param = { type = "integer", min = 0, default = 0, help = "elements tried of each; 0: all" },
  seed = { type = "integer", default = 0, help = "of starting values and random input" },
}

--- Check the gradients of a model or layer in all its parameters and inputs, or of a loss in its prediction.
---
--- With a data set the loss is a real one; with tensors or shapes, whose numbers are drawn at random, it is
--- the mean square of the output. A shape with `below = n` is one of whole numbers from 0 to n - 1, such as
--- words or labels; several inputs are a table of shapes: `nn.gradcheck(layer, { { 3, 5 }, { 3, below = 7 } })`.
--- Parameters are built anew, or taken over when the model is built. A loss takes the shapes of predictions
--- and targets: `nn.gradcheck(loss, { { 4, 3 }, { 4, below = 3 } })`.
---@param model any a model or layer; or a loss: nn.loss.NAME { ... }, or a function of prediction and target
---@param like any data set, tensor, shape with the batch first: { 3, 5 }, or a table of tensors and shapes
---@param given? table
---@return GradientCheck
---@options OPTIONS
function M.check(model, like, given)
  given = options.check(given, OPTIONS, "gradcheck")
  local is_loss = type(model) == "function" or losses.is(model)
  if not is_loss and not layers.is(model) then
    options.fail("gradcheck: expected a model, a layer or a loss, got %s", options.show(model))
  end
  local x, y = data_of(like, given.seed)
  if is_loss then
    return check_loss(losses.from(model), x, given)
  end
  return check_model(model, x, y, given)
end

-- ---- in a sweep ----

local ROWS = 3          -- of the data
local TOLERANCE = 1e-4  -- a wrong formula is off by far more; a kink of relu may be off by less
local MOST_COST = 1e9   -- multiply-adds in all: well under a second
local PER_PARAM = 8

-- The script's own layers and losses in a model, by name.
local function custom_parts(model, law)
  local names = {}
  for _, row in ipairs(model.summary) do
    names[row.layer.custom and row.layer.kind or false] = true
  end
  for _, loss in ipairs(law.joint and { law.joint } or law.parts) do
    names[(loss.loss or loss).name == "custom" and "loss" or false] = true
  end
  names[false] = nil
  return options.keys(names)
end

-- How many elements of each parameter can be tried; 0 when the model is too large for any.
local function affordable(model)
  local cost = 1
  for _, row in ipairs(model.summary) do
    cost = cost + row.own_cost
  end
  return math.min(PER_PARAM, math.floor(MOST_COST / (2 * ROWS * (#model.book.params + 1) * cost)))
end

--- Check the script's own layers and losses when a worker of a sweep first meets them: `gradcheck` of
--- search.sweep. With true a wrong gradient ends the trial, with "auto" it is printed.
---@param model Layer
---@param set table the training data
---@param law Criterion
---@param trial table of a sweep
function M.in_trial(model, set, law, trial)
  local names, new = custom_parts(model, law), {}
  for _, name in ipairs(names) do
    if not trial.checked[name] then
      trial.checked[name], new[#new + 1] = true, name
    end
  end
  local per_param = #new > 0 and affordable(model) or 0
  if per_param < 1 then
    return
  end
  local function first_rows(part)
    return part:rows(1, math.min(ROWS, part:shape()[1]))
  end
  local check = check_model(model, bundle.map(set.x, first_rows), bundle.map(set.y, first_rows),
    { law = law, seed = 0, training = false, tolerance = TOLERANCE, per_param = per_param })
  if not check.ok then
    local message = ("the gradient of %s does not agree with differences: %s"):format(table.concat(new, ", "),
      tostring(check))
    if trial.gradcheck == true then
      options.fail("%s", message)
    end
    print("warning: " .. message)
  end
end

return M
