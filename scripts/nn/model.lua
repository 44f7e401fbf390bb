--- Models: any layer can be built, trained, evaluated, asked for predictions, saved and loaded.
local bundle = require "bundle"
local core_data = require "core.data"
local criterion = require "nn.criterion"
local history = require "nn.history"
local layers = require "nn.layers"
local options = require "options"
local seals = require "data.seal"
local steps = require "nn.step"
local summary = require "nn.summary"
local tensors = require "core.tensor"
local trace = require "nn.trace"

local M = {}

-- Flat vectors hold every parameter at a multiple of so many elements (see optim.h).
local ALIGN = 16
-- Rows per batch of evaluation: fixed, since bits depend on it.
local EVAL_ROWS = 500
-- What an evaluation gives is printed as its numbers.
local SCORES = { __tostring = history.row_text }

---@class Layer
local Layer = layers.Layer

-- ---- parameters ----

local function new_book(given)
  return {
    seed = given.seed or 0, dtype = given.dtype or "float32",
    names = {}, counts = {}, taken = {}, params = {}, by_layer = {}, streams = {},
  }
end

-- Move all parameters into one vector, so that an optimiser's update is one pass.
local function flatten(book)
  local total = 0
  for _, param in ipairs(book.params) do
    param.offset, param.count = total, param.tensor:size()
    total = total + (param.count + ALIGN - 1) // ALIGN * ALIGN
  end
  book.flat = tensors.zeros({ total }, book.dtype)
  for _, param in ipairs(book.params) do
    param.tensor:adopt(book.flat, param.offset)
  end
  book.count = 0
  for _, param in ipairs(book.params) do
    book.count = book.count + (param.buffer and 0 or param.count)
  end
end

-- A shape given in place of a tensor: { 1, 784 }, of labels { 1, 12, dtype = "int64" }.
local Like = { __index = {} }

function Like.__index:shape()
  return self.sizes
end

function Like.__index:dtype()
  return self.kind
end

local function like_shape(sizes, dtype)
  if #sizes == 0 then
    options.fail("build: a shape needs sizes, for example { 1, 784 }")
  end
  return setmetatable({ sizes = table.move(sizes, 1, #sizes, 1, {}), kind = sizes.dtype or dtype }, Like)
end

-- Inputs, of which shape and type count: tensors as they are, shapes as Like.
local function inputs_like(like, dtype)
  local x = type(like) == "table" and like.x or like
  if tensors.is_tensor(x) then
    return x
  elseif type(x) ~= "table" or next(x) == nil then
    options.fail("build: expected a data set, a tensor or a shape such as { 1, 784 }, got %s", options.show(like))
  elseif type(x[1]) == "number" then
    return like_shape(x, dtype)
  end
  local parts = {}
  for key, part in pairs(x) do
    parts[key] = tensors.is_tensor(part) and part or type(part) == "table" and like_shape(part, dtype)
      or options.fail("build: input %s must be a tensor or a shape, not %s", tostring(key), options.show(part))
  end
  return parts
end

-- The type of a model's numbers: that of its first input that is not of whole numbers.
local function dtype_of(x)
  for _, part in ipairs((bundle.list(x))) do
    if part:dtype() ~= "int64" then
      return part:dtype()
    end
  end
  return "float32"
end
M.dtype_of = dtype_of

-- Inputs in the model's type; those of whole numbers (words, classes) stay.
local function inputs_as(x, dtype)
  return bundle.map(x, function(part)
    local kind = part:dtype()
    if getmetatable(part) == Like then
      return kind == "int64" and part or like_shape(part.sizes, dtype)
    end
    return (kind == dtype or kind == "int64") and part or part:to(dtype)
  end)
end
M.inputs_as = inputs_as

--- Make the parameters, for inputs of a shape or like those of a data set. `fit` does it by itself.
---
--- Starting values depend on the seed and the order in which the layers are first used, alone.
---@param like any a data set, a tensor, or a shape with the batch first: { 1, 784 }, of whole numbers
--- { 1, 12, dtype = "int64" }; of several inputs a table of them
---@param given? { seed: integer?, dtype: string? } seed 0; dtype that of the data, or "float32"
---@return Layer self
function Layer:build(like, given)
  given = options.check(given, {
    seed = { type = "integer", default = 0, help = "of the starting values" },
    dtype = { type = "string", choices = { "float32", "float64" }, help = "of parameters and arithmetic" },
  }, "build")
  local x = inputs_like(like, given.dtype or "float32")
  local dtype = given.dtype or dtype_of(x)
  self.book = new_book { seed = given.seed, dtype = dtype }
  self.summary = trace.run(self.book, false, function(current)
    steps.call(self, steps.inputs(current.graph, inputs_as(x, dtype), 1))
    return summary.rows(current)
  end)
  flatten(self.book)
  self.steps = {}
  return self
end

-- What of a model depends on its having been built, or trained.
local BUILT = { "book", "summary", "steps", "criterion" }

--- As pcall, but the model is left as built or not as it was, whatever f does. Its weights are f's to keep.
---@param model Layer
---@param f function
---@param ... any what f gets
---@return boolean ok
---@return any ... results of f, or the message
function M.restoring(model, f, ...)
  local saved = {}
  for _, key in ipairs(BUILT) do
    saved[key] = model[key]
  end
  local results = table.pack(pcall(f, ...))
  for _, key in ipairs(BUILT) do
    model[key] = saved[key]
  end
  return table.unpack(results, 1, results.n)
end

--- The parameters in order of first use: { name, tensor, decay, buffer, frozen }. Tensors are the model's
--- own; `buffer` marks state that is not trained, such as running statistics.
---@return table[]
function Layer:parameters()
  if not self.book then
    options.fail("the model has no parameters yet; call model:build(data) or fit first")
  end
  local list = {}
  for i, param in ipairs(self.book.params) do
    list[i] = { name = param.name, tensor = param.tensor, decay = param.decay, buffer = param.buffer,
      frozen = param.frozen and not param.buffer or nil }
  end
  return list
end

--- The weights as copies by name: { ["linear_1.weight"] = tensor, ... }.
---@return table<string, userdata>
function Layer:weights()
  local weights = {}
  for _, param in ipairs(self:parameters()) do
    weights[param.name] = param.tensor:to(param.tensor:dtype())
  end
  return weights
end

local function shape_text(shape)
  return "(" .. table.concat(shape, ", ") .. ")"
end

-- Why weights do not fit a model, or nil and them as tensors by name. If not `strict`, what does not fit
-- is left out.
local function fit_weights(model, weights, strict)
  local ready, known = {}, {}
  for i, param in ipairs(model:parameters()) do
    local given, name, tensor = weights[param.name], param.name, param.tensor
    local value = given ~= nil and tensors.new(given, tensor:dtype()) or nil
    local fits = value and shape_text(value:shape()) == shape_text(tensor:shape())
    if strict and not value then
      return ("'%s' is missing"):format(name)
    elseif strict and not fits then
      return ("'%s' has shape %s; the model's is %s"):format(name, shape_text(value:shape()),
        shape_text(tensor:shape()))
    end
    ready[name], known[i] = fits and value or nil, name
  end
  for _, name in ipairs(strict and options.keys(weights) or {}) do
    if not ready[name] then
      return ("the model has no '%s'%s"):format(name, options.suggestion(name, known))
    end
  end
  return nil, ready
end

-- Returns the model and the names of the weights that stayed as they were.
local function copy_weights(model, ready)
  local kept = {}
  for _, param in ipairs(model:parameters()) do
    if ready[param.name] then
      param.tensor:copy(ready[param.name])
    else
      kept[#kept + 1] = param.name
    end
  end
  return model, kept
end

local STRICT = {
  strict = { type = "boolean", default = true,
    help = "all weights must be there and fit; else those that fit are taken" },
}

--- Set weights by name; all of the model's must be there, with their shapes, and no others. With
--- `strict = false` those that fit are taken: a new last layer keeps its starting values.
---@param weights table<string, any> tensors, or tables of numbers
---@param given? table
---@return Layer self
---@return string[] kept names of weights that stayed as they were
---@options STRICT
function Layer:set_weights(weights, given)
  given = options.check(given, STRICT, "set_weights")
  if type(weights) ~= "table" then
    options.fail("set_weights: expected a table by name, as model:weights() gives, got %s", options.show(weights))
  end
  local problem, ready = fit_weights(self, weights, given.strict)
  if problem then
    options.fail("set_weights: %s", problem)
  end
  return copy_weights(self, ready)
end

--- Write the weights to a `.npz` file, by name.
---@param path string
---@return boolean? ok nil and a message when the file cannot be written
---@return string? message
function Layer:save(path)
  return core_data.write_npz(path, self:weights())
end

--- Read weights that `save` wrote. The model must have been built. With `strict = false` those that fit
--- by name and shape are taken, as when a trained body gets a new last layer.
---@param path string
---@param given? table
---@return Layer? self nil and a message when the file cannot be read or holds other weights
---@return any kept names of weights that stayed as they were; or the message
---@options STRICT
function Layer:load(path, given)
  given = options.check(given, STRICT, "load")
  local weights, message = core_data.read_npz(path)
  if not weights then
    return nil, message
  end
  local problem, ready = fit_weights(self, weights, given.strict)
  if problem then
    return nil, ("%s: %s"):format(path, problem)
  end
  return copy_weights(self, ready)
end

-- ---- evaluation ----

local function input_of(model, source, what)
  source = seals.open(source, what)
  local x = type(source) == "table" and source.x or source
  local fits = x ~= nil and (tensors.is_tensor(x) or bundle.several(x))
  for _, part in ipairs(fits and bundle.list(x) or {}) do
    fits = fits and tensors.is_tensor(part)
  end
  if not fits then
    options.fail("%s: expected a data set or a tensor, got %s", what, options.show(source))
  end
  if not model.book then
    options.fail("%s: the model has no parameters yet; call model:build(data) or fit first", what)
  end
  return inputs_as(x, model.book.dtype)
end

local function key_of(x, kind, rows)
  local parts = { kind, tostring(rows) }
  for _, part in ipairs((bundle.list(x))) do
    parts[#parts + 1] = table.concat(part:shape(), "x", 2)
  end
  return table.concat(parts, " ")
end

-- Run over all rows in file order, in batches of EVAL_ROWS and one shorter; `each(made, first,
-- batches)` gets a planned step. Steps for predictions are kept.
local function over_batches(model, x, spec, each)
  local total, first = bundle.rows(x), 0
  local rows = math.min(spec.batch_size or EVAL_ROWS, math.max(total, 1))
  local resolved = spec.criterion
  for _, size in ipairs { rows, total % rows } do
    local batches = size == rows and total // rows or 1
    if size > 0 and batches > 0 then
      local key = key_of(x, "predict", size)
      local made = spec.y == nil and model.steps[key]
      if not made then
        made = steps.make(model, {
          x = x, y = spec.y, rows = size, criterion = resolved, loss = spec.loss, loss_weights = spec.loss_weights,
          metrics = spec.metrics, training = false, predict = spec.y == nil, pool = spec.pool,
        })
        resolved = made.criterion
        if spec.y == nil then
          model.steps[key] = made
        end
      else
        steps.check_indices(made, x)
      end
      each(made, first, batches)
      first = first + size * batches
    end
  end
end

local function predict(model, x)
  local outputs, keys
  local data, total = bundle.list(x), bundle.rows(x)
  over_batches(model, x, {}, function(made, first, batches)
    if not outputs then
      outputs, keys = {}, made.keys
      for i, out in ipairs(made.out) do
        outputs[i] = tensors.zeros(steps.with_rows(out.shape, total), out.dtype)
      end
    end
    local rows = {}
    for i, output in ipairs(outputs) do
      rows[i] = output:rows(first + 1, first + batches * made.rows)
    end
    made.step:run { data = data, first = first, batches = batches, outputs = rows }
  end)
  if not outputs then
    options.fail("predict: there are no rows")
  end
  return bundle.form(outputs, keys)
end

--- The model's output for every row.
---@param source any a data set, a tensor (N, ...), or a table of them for a model of several inputs
---@return any tensor (N, outputs); of a model of several outputs several, or a table by name
function Layer:predict(source)
  local outputs = predict(self, input_of(self, source, "predict"))
  if bundle.several(outputs) and #outputs > 0 then
    return table.unpack(outputs)
  end
  return outputs
end

--- An evaluator that can be run again and again at the cost of the arithmetic alone.
---@param model Layer
---@param set table
---@param spec table criterion or loss and loss_weights, metrics, batch_size, pool
---@return fun(): table
function M.evaluator(model, set, spec)
  set = seals.open(set, "evaluate")
  local x = input_of(model, set, "evaluate")
  if not set.y then
    options.fail("evaluate: the data set has no targets")
  end
  local parts, data, others = {}, bundle.list(x), {}
  local total = bundle.rows(x)
  over_batches(model, x, {
    y = set.y, criterion = spec.criterion, loss = spec.loss, loss_weights = spec.loss_weights,
    metrics = spec.metrics, batch_size = spec.batch_size, pool = spec.pool,
  }, function(made, first, batches)
    local bound = table.move(data, 1, #data, 1, {})
    table.move(made.targets, 1, #made.targets, #bound + 1, bound)
    parts[#parts + 1] = { made = made, run = { data = bound, first = first, batches = batches } }
    others = select(2, criterion.split_metrics(spec.metrics, made.keys, set.y))
  end)
  return function()
    local result = { rows = total, loss = 0 }
    for _, part in ipairs(parts) do
      local sum = part.made.step:run(part.run)
      result.loss = result.loss + sum.loss
      for i, name in ipairs(part.made.names) do
        result[name] = (result[name] or 0) + sum.metrics[i]
      end
    end
    for name, value in pairs(result) do
      result[name] = name == "rows" and value or value / total
    end
    for _, names in pairs(others) do
      if #names > 0 then
        criterion.add_others(others, predict(model, x), set.y, result)
        break
      end
    end
    return setmetatable(result, SCORES)
  end
end

--- Loss and metrics on a data set, without dropout and the like. Of several outputs also the loss of each.
---@param set table a data set
---@param given? { loss: any?, loss_weights: table?, metrics: table?, batch_size: integer? } loss: that of
--- the last fit; metrics { "accuracy" } for class labels; batch_size 500
---@return table { loss, rows, accuracy ... }
function Layer:evaluate(set, given)
  given = options.check(given, {
    loss = { type = "any", help = "what fit's loss takes" },
    loss_weights = { type = "table", help = "what fit's loss_weights takes" },
    metrics = { type = "table", help = "names of metrics; or a table of lists by output" },
    batch_size = { type = "integer", min = 1, default = EVAL_ROWS, help = "rows at a time" },
  }, "evaluate")
  local last = given.loss == nil and given.loss_weights == nil and self.criterion or nil
  return M.evaluator(self, set, { criterion = last, loss = given.loss, loss_weights = given.loss_weights,
    metrics = given.metrics, batch_size = given.batch_size })()
end

--- The model as a table: layer, output shape, parameters, multiply-adds, memory.
function Layer:__tostring()
  return summary.text(self)
end

return M
