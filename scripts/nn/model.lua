--- Models: any layer can be built, trained, evaluated, asked for predictions, saved and loaded.
local core = require "core.train"
local core_data = require "core.data"
local graphs = require "core.graph"
local layers = require "nn.layers"
local losses = require "nn.loss"
local metric_module = require "nn.metrics"
local op = require "core.op"
local options = require "options"
local tensors = require "core.tensor"
local trace = require "nn.trace"

local M = {}

-- Flat vectors hold every parameter at a multiple of so many elements (see optim.h).
local ALIGN = 16
-- Rows per batch of evaluation: fixed, since bits depend on it.
local EVAL_ROWS = 500

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

local function with_rows(shape, rows)
  local copy = { table.unpack(shape) }
  copy[1] = rows
  return copy
end

--- Make the parameters, for inputs of a shape or like those of a data set. `fit` does it by itself.
---
--- Starting values depend on the seed and the order in which the layers are first used, alone.
---@param like any a data set, a tensor, or a shape with the batch first: { 1, 784 }
---@param given? { seed: integer?, dtype: string? } seed 0; dtype that of the data, or "float32"
---@return Layer self
function Layer:build(like, given)
  given = options.check(given, {
    seed = { type = "integer", default = 0, help = "of the starting values" },
    dtype = { type = "string", choices = { "float32", "float64" }, help = "of parameters and arithmetic" },
  }, "build")
  local x = type(like) == "table" and like.x or like
  local shape = tensors.is_tensor(x) and x:shape() or like
  local dtype = given.dtype or (tensors.is_tensor(x) and x:dtype()) or "float32"
  if type(shape) ~= "table" or #shape == 0 then
    options.fail("build: expected a data set, a tensor or a shape such as { 1, 784 }, got %s", options.show(like))
  end
  self.book = new_book { seed = given.seed, dtype = dtype }
  local _, summary = trace.run(self.book, false, function(current)
    local input = current.graph:input("x", dtype, with_rows(shape, 1), true)
    return self(input), current.layers
  end)
  flatten(self.book)
  self.summary, self.steps, self.input_shape = summary, {}, with_rows(shape, 1)
  return self
end

--- The parameters in order of first use: { name, tensor, decay, buffer }. Tensors are the model's own;
--- `buffer` marks state that is not trained, such as running statistics.
---@return table[]
function Layer:parameters()
  if not self.book then
    options.fail("parameters: the model has none yet; call model:build(data) or fit first")
  end
  local list = {}
  for i, param in ipairs(self.book.params) do
    list[i] = { name = param.name, tensor = param.tensor, decay = param.decay, buffer = param.buffer }
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

-- Why weights do not fit a model, or nil and them as tensors by name.
local function fit_weights(model, weights)
  local ready, known = {}, {}
  for i, param in ipairs(model:parameters()) do
    local given, name, tensor = weights[param.name], param.name, param.tensor
    if given == nil then
      return ("'%s' is missing"):format(name)
    end
    ready[name], known[i] = tensors.new(given, tensor:dtype()), name
    if shape_text(ready[name]:shape()) ~= shape_text(tensor:shape()) then
      return ("'%s' has shape %s; the model's is %s"):format(name, shape_text(ready[name]:shape()),
        shape_text(tensor:shape()))
    end
  end
  for _, name in ipairs(options.keys(weights)) do
    if not ready[name] then
      local near = options.nearest(name, known)
      return ("the model has no '%s'%s"):format(name, near and (" (did you mean '%s'?)"):format(near) or "")
    end
  end
  return nil, ready
end

local function copy_weights(model, ready)
  for _, param in ipairs(model:parameters()) do
    param.tensor:copy(ready[param.name])
  end
  return model
end

--- Set weights by name; all of the model's must be there, with their shapes, and no others.
---@param weights table<string, any> tensors, or tables of numbers
---@return Layer self
function Layer:set_weights(weights)
  if type(weights) ~= "table" then
    options.fail("set_weights: expected a table by name, as model:weights() gives, got %s", options.show(weights))
  end
  local problem, ready = fit_weights(self, weights)
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

--- Read weights that `save` wrote. The model must have been built.
---@param path string
---@return Layer? self nil and a message when the file cannot be read or holds other weights
---@return string? message
function Layer:load(path)
  local weights, message = core_data.read_npz(path)
  if not weights then
    return nil, message
  end
  local problem, ready = fit_weights(self, weights)
  if problem then
    return nil, ("%s: %s"):format(path, problem)
  end
  return copy_weights(self, ready)
end

-- ---- steps ----

-- Sum over the batch's rows of the mean over each row's numbers.
local function row_sum(values)
  local per_row = 1
  for i = 2, #values:shape() do
    per_row = per_row * values:shape()[i]
  end
  local sum = op.sum(values)
  return per_row == 1 and sum or sum / per_row
end

-- Metrics that the engine adds up as it goes. Sums, not means: a count of right answers is exact.
local GRAPH_METRICS = {
  accuracy = function(prediction, target)
    if target:dtype() == "int64" then
      return row_sum(op.correct(prediction, target))
    end
    return row_sum(op.equal(op.greater(prediction, 0), target))
  end,
  mse = function(prediction, target)
    return row_sum(op.squared_error(prediction, target))
  end,
  mae = function(prediction, target)
    return row_sum(op.absolute_error(prediction, target))
  end,
}

--- Whether the engine adds a metric up during training.
---@param name string
---@return boolean
function M.in_graph(name)
  return GRAPH_METRICS[name] ~= nil
end

--- The loss for targets and a prediction's shape, when none is named.
---@param y userdata
---@param out integer[] shape of the prediction
---@return table
function M.default_loss(y, out)
  if y:dtype() ~= "int64" then
    return losses.mse()
  end
  return out[#out] == 1 and losses.binary_cross_entropy() or losses.cross_entropy()
end

--- The target as the loss wants it: (N) labels, or numbers of the prediction's shape and type.
---@param loss Loss
---@param y userdata
---@param out integer[] shape of a prediction
---@param dtype string
---@return userdata
function M.target_of(loss, y, out, dtype)
  if loss.target == "column" and y:dtype() == "int64" then
    local ok, message = core_data.check_labels(y, 2)
    if not ok then
      options.fail("%s: loss %s knows two classes only", message, loss.name)
    end
  elseif loss.target == "labels" or loss.target == "any" and y:dtype() == "int64" then
    if y:dtype() ~= "int64" then
      options.fail("loss %s: needs int64 class labels, not %s targets", loss.name, y:dtype())
    end
    if loss.target == "labels" then
      local ok, message = core_data.check_labels(y, out[#out])
      if not ok then
        options.fail("%s; the model's last layer has %d outputs", message, out[#out])
      end
    end
    return y
  end
  local target = y:dtype() == dtype and y or y:to(dtype)
  local shape = target:shape()
  if #shape == 1 and #out == 2 and out[2] == 1 then
    target = target:view { shape[1], 1 }
  end
  return target
end

-- Penalties on weights as part of the loss: l2/2 sum w^2, l1 sum |w|.
local function add_penalty(current, loss, spec)
  for _, param in ipairs(current.book.params) do
    local node = current.calls[param]
    if param.decay and node and spec.l2 and spec.l2 > 0 then
      loss = loss + op.sum(op.square(node)) * (spec.l2 / 2)
    end
    if param.decay and node and spec.l1 and spec.l1 > 0 then
      loss = loss + op.sum(op.abs(node)) * spec.l1
    end
  end
  return loss
end

--- Trace the model for batches of `rows` rows and plan it.
---
--- The result has `step` (userdata), `target` (y as the step reads it), `out` (shape of a prediction).
---@param model Layer
---@param spec table x, y, rows, loss, metrics, training, grads, pool, off, l1, l2, output
---@return table
function M.make_step(model, spec)
  local book = model.book
  return trace.run(book, spec.training, function(current)
    local graph, shape = current.graph, spec.x:shape()
    local x = graph:input("x", spec.x:dtype(), with_rows(shape, spec.rows), true)
    local prediction = model(x)
    local out, made = prediction:shape(), { out = nil }
    local inputs, metrics, loss = { x }, {}
    graph:layer("loss")
    if spec.y then
      made.loss = spec.loss or M.default_loss(spec.y, out)
      made.target = M.target_of(made.loss, spec.y, out, book.dtype)
      inputs[2] = graph:input("y", made.target:dtype(), with_rows(made.target:shape(), spec.rows), true)
      loss = made.loss(prediction, inputs[2])
      if not graphs.is_node(loss) then
        options.fail("loss %s must return a value of the graph, not %s", made.loss.name, options.show(loss))
      end
      if spec.training then
        loss = add_penalty(current, loss, spec)
      end
      for i, name in ipairs(spec.metrics or {}) do
        metrics[i] = GRAPH_METRICS[name](prediction, inputs[2])
      end
    else
      loss = op.mean(prediction) -- a step has a loss; nobody reads this one
    end
    local params, offsets, updates, updated
    if spec.grads then
      params, offsets, updates, updated = {}, {}, {}, {}
      for i, param in ipairs(current.updates) do
        updates[i], updated[i] = current.updates[param], param.tensor
      end
      for _, param in ipairs(book.params) do
        if current.calls[param] and not param.frozen then
          params[#params + 1], offsets[#offsets + 1] = current.calls[param], param.offset
        end
      end
    end
    made.out = out
    made.rows = spec.rows
    made.step = core.step {
      graph = graph, inputs = inputs, loss = loss, metrics = metrics, params = params, offsets = offsets,
      grads = spec.grads, updates = updates, updated = updated, outputs = spec.output and { prediction } or nil,
      pool = spec.pool, off = spec.off,
      block_rows = spec.block_rows,
    }
    return made
  end)
end

-- ---- evaluation ----

local function input_of(model, source, what)
  local x = type(source) == "table" and source.x or source
  if not tensors.is_tensor(x) then
    options.fail("%s: expected a data set or a tensor, got %s", what, options.show(source))
  end
  if not model.book then
    options.fail("%s: the model has no parameters yet; call model:build(data) or fit first", what)
  end
  return x:dtype() == model.book.dtype and x or x:to(model.book.dtype)
end

-- Run over all rows in file order, in batches of EVAL_ROWS and one shorter; `each(made, first,
-- batches)` gets a planned step.
local function over_batches(model, x, spec, each)
  local total, first = x:shape()[1], 0
  local rows = math.min(spec.batch_size or EVAL_ROWS, math.max(total, 1))
  for _, size in ipairs { rows, total % rows } do
    local batches = size == rows and total // rows or 1
    if size > 0 and batches > 0 then
      local key = ("%s %d %s"):format(spec.key, size, table.concat(x:shape(), "x", 2))
      local made = spec.y == nil and model.steps[key]
      if not made then
        made = M.make_step(model, {
          x = x, y = spec.y, rows = size, loss = spec.loss, metrics = spec.metrics, training = false,
          output = spec.y == nil, pool = spec.pool,
        })
        if spec.y == nil then
          model.steps[key] = made
        end
      end
      each(made, first, batches)
      first = first + size * batches
    end
  end
end

--- The model's output for every row.
---@param source any a data set or a tensor (N, ...)
---@return userdata tensor (N, outputs)
function Layer:predict(source)
  local x = input_of(self, source, "predict")
  local output
  over_batches(self, x, { key = "predict" }, function(made, first, batches)
    output = output or tensors.zeros(with_rows(made.out, x:shape()[1]), self.book.dtype)
    made.step:run { data = { x }, first = first, batches = batches,
      outputs = { output:rows(first + 1, first + batches * made.rows) } }
  end)
  if not output then
    options.fail("predict: there are no rows")
  end
  return output
end

--- Names of metrics, split into those the engine adds up and those computed from all predictions.
---@param names? string[]
---@param y userdata
---@return string[] graph, string[] others
function M.split_metrics(names, y)
  local inside, others = {}, {}
  for _, name in ipairs(names or (y:dtype() == "int64" and { "accuracy" } or {})) do
    local list = GRAPH_METRICS[name] and inside or others
    list[#list + 1] = name
  end
  metric_module.set(others)
  return inside, others
end

--- An evaluator that can be run again and again at the cost of the arithmetic alone.
---@param model Layer
---@param set table
---@param spec table loss, metrics, batch_size, pool
---@return fun(): table
function M.evaluator(model, set, spec)
  local x = input_of(model, set, "evaluate")
  if not set.y then
    options.fail("evaluate: the data set has no targets")
  end
  local inside, others = M.split_metrics(spec.metrics, set.y)
  local parts = {}
  over_batches(model, x, { key = "evaluate", y = set.y, loss = spec.loss, metrics = inside,
    batch_size = spec.batch_size, pool = spec.pool }, function(made, first, batches)
    parts[#parts + 1] = { made = made, run = { data = { x, made.target }, first = first, batches = batches } }
  end)
  local total = x:shape()[1]
  return function()
    local result, sums = { rows = total, loss = 0 }, {}
    for _, part in ipairs(parts) do
      local sum = part.made.step:run(part.run)
      result.loss = result.loss + sum.loss
      for i in ipairs(inside) do
        sums[i] = (sums[i] or 0) + sum.metrics[i]
      end
    end
    result.loss = result.loss / total
    for i, name in ipairs(inside) do
      result[name] = (sums[i] or 0) / total
    end
    if #others > 0 then
      for name, value in pairs(metric_module.set(others):add(model:predict(x), set.y):values()) do
        result[name] = value
      end
    end
    return result
  end
end

--- Loss and metrics on a data set, without dropout and the like.
---@param set table a data set
---@param given? { loss: any?, metrics: string[]?, batch_size: integer? } loss: that of the last fit;
--- metrics { "accuracy" } for class labels; batch_size 500
---@return table { loss, rows, accuracy ... }
function Layer:evaluate(set, given)
  given = options.check(given, {
    loss = { type = "any", help = "what fit's loss takes" },
    metrics = { type = "table", help = "names of metrics" },
    batch_size = { type = "integer", min = 1, default = EVAL_ROWS, help = "rows at a time" },
  }, "evaluate")
  local loss = given.loss and losses.from(given.loss) or self.loss
  return M.evaluator(self, set, { loss = loss, metrics = given.metrics, batch_size = given.batch_size })()
end

-- ---- as text ----

local function grouped(number)
  local text = tostring(number):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end

--- The model as a table: layer, output shape, parameters.
function Layer:__tostring()
  if not self.book then
    return ("nn.%s (not built yet)"):format(self.kind)
  end
  local rows = { { "layer", "output", "parameters" } }
  for _, layer in ipairs(self.summary) do
    local shape = {}
    for i = 2, #layer.shape do
      shape[#shape + 1] = layer.shape[i]
    end
    rows[#rows + 1] = { layer.name, "(N" .. (#shape > 0 and ", " or "") .. table.concat(shape, ", ") .. ")",
      grouped(layer.params) }
  end
  local widths = { 0, 0, 0 }
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i], #cell)
    end
  end
  local lines = {}
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ("%-" .. widths[1] .. "s  %-" .. widths[2] .. "s  %" .. widths[3] .. "s"):format(
      table.unpack(row))
  end
  lines[#lines + 1] = ("%s parameters, %s"):format(grouped(self.book.count), self.book.dtype)
  return table.concat(lines, "\n")
end

return M
