--- What a model's outputs are compared with: a loss and metrics; with several outputs a loss for each, and
--- their weighted sum; or one function of all outputs and targets.
---
--- Columns of several outputs are called after them: "class_loss", "class_accuracy"; of outputs without
--- names "output1_loss".
local bundle = require "bundle"
local core_data = require "core.data"
local graphs = require "core.graph"
local losses = require "nn.loss"
local metric_module = require "nn.metrics"
local op = require "core.op"
local options = require "options"

local M = {}

---@class Criterion
---@field parts { key: any, loss: Loss, weight: number }[] a loss for each output that has one
---@field joint? Loss instead of parts: a function of all outputs and all targets

--- What stands before the names of an output's columns.
---@param key any
---@return string
function M.prefix(key)
  return key == "" and "" or type(key) == "string" and key .. "_" or ("output%d_"):format(key)
end

local function names_of(keys)
  local names = {}
  for i, key in ipairs(keys) do
    names[i] = key == "" and "one" or tostring(key)
  end
  return table.concat(names, ", ")
end

-- ---- losses ----

local function default_loss(y, out)
  if y:dtype() ~= "int64" then
    return losses.mse()
  end
  return out[#out] == 1 and losses.binary_cross_entropy() or losses.cross_entropy()
end

-- A table by output has no keys but the outputs'.
local function check_keys(given, keys, what)
  local known = {}
  for _, key in ipairs(keys) do
    known[key] = true
  end
  for _, key in ipairs(bundle.several(given) and bundle.keys(given) or {}) do
    if not known[key] then
      options.fail("%s: the model has no output %s%s", what, options.show(key),
        options.suggestion(tostring(key), options.keys(known), "; its outputs are " .. names_of(keys)))
    end
  end
end

-- The targets of an output: those of its name or place; single ones belong to the only output or loss.
local function target_for(y, key, alone)
  if bundle.several(y) then
    return key ~= "" and y[key] or nil
  end
  return (key == "" or alone) and y or nil
end

local function weight_of(weights, key)
  local weight = weights and (weights[key] or 1) or 1
  if type(weight) ~= "number" or not (weight >= 0 and weight < math.huge) then
    options.fail("loss_weights: expected a number that is 0 or more for output %s, got %s", tostring(key),
      options.show(weight))
  end
  return weight
end

local function parts_of(given, weights, outputs, keys, y)
  local by_output = bundle.several(given)
  local parts, count = {}, by_output and #bundle.keys(given) or #keys
  for _, key in ipairs(keys) do
    local target = target_for(y, key, count == 1)
    local chosen = given
    if by_output then
      chosen = given[key] or false
    elseif not target then
      chosen = false -- nothing to compare with: an output to look at
    end
    if chosen ~= false then
      if not target then
        options.fail("there is a loss for output %s, but no targets: y holds %s", tostring(key),
          bundle.several(y) and names_of(bundle.keys(y)) or "a single tensor")
      end
      local shape = bundle.at(outputs, key):shape()
      parts[#parts + 1] = { key = key, weight = weight_of(weights, key),
        loss = chosen and losses.from(chosen) or default_loss(target, shape) }
    end
  end
  return parts
end

--- The losses for a model's outputs and the targets of a data set.
---@param given any what fit's `loss` takes
---@param weights? table fit's `loss_weights`
---@param outputs any bundle of values
---@param y any bundle of tensors
---@return Criterion
function M.new(given, weights, outputs, y)
  local keys = bundle.keys(outputs)
  local several = keys[1] ~= ""
  check_keys(given, keys, "loss")
  check_keys(weights, keys, "loss_weights")
  if weights and not several then
    options.fail("loss_weights: the model has one output only")
  end
  if (several or bundle.several(y)) and type(given) == "function" then
    if weights then
      options.fail("loss_weights: a function gives the whole loss; weigh its parts there")
    end
    return { joint = losses.from(given), parts = {} }
  end
  local parts = parts_of(given, weights, outputs, keys, y)
  if #parts == 0 then
    options.fail("no loss: the model's outputs are %s, the targets %s", names_of(keys), names_of(bundle.keys(y)))
  end
  return { parts = parts }
end

-- Targets of another shape would be broadcast: a loss of all pairs, which nobody wants.
local function check_sizes(loss, shape, out, labels)
  local function rows_of(sizes)
    return "(N" .. (#sizes > 1 and ", " .. table.concat(sizes, ", ", 2) or "") .. ")"
  end
  if rows_of(shape) ~= rows_of(out) then
    options.fail("loss %s: the targets' shape %s is not that of the model's output, %s%s", loss.name, rows_of(shape),
      rows_of(out), labels and "; for class labels take cross_entropy" or "")
  end
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
  if loss.target ~= "any" then
    check_sizes(loss, target:shape(), out, y:dtype() == "int64")
  end
  return target
end

-- ---- metrics ----

-- Sum over the batch's rows of the mean over each row's numbers.
local function row_sum(values, rows)
  local per_row = 1
  for _, size in ipairs(values:shape()) do
    per_row = per_row * size
  end
  per_row = per_row // rows
  local sum = op.sum(values)
  return per_row == 1 and sum or sum / per_row
end

-- Metrics that the engine adds up as it goes. Sums, not means: a count of right answers is exact.
local GRAPH_METRICS = {
  accuracy = function(prediction, target, rows)
    if target:dtype() == "int64" then
      return row_sum(op.correct(losses.flat(prediction, target)), rows)
    end
    return row_sum(op.equal(op.greater(prediction, 0), target), rows)
  end,
  mse = function(prediction, target, rows)
    return row_sum(op.squared_error(prediction, target), rows)
  end,
  mae = function(prediction, target, rows)
    return row_sum(op.absolute_error(prediction, target), rows)
  end,
}

-- A list of names is for every output with targets; a table of lists by output for those.
local function metrics_for(given, key, target)
  if given == nil then
    return target:dtype() == "int64" and { "accuracy" } or {}
  elseif type(next(given)) == "number" and type(given[1]) ~= "table" then
    return given
  end
  return given[key] or {}
end

--- Names of metrics by output, split into those the engine adds up and those computed from all
--- predictions.
---@param given? table fit's `metrics`
---@param keys any[] of the outputs
---@param y any bundle of targets
---@return table inside key -> names, table others key -> names
function M.split_metrics(given, keys, y)
  local inside, others = {}, {}
  if given and type(given[1]) ~= "string" then
    check_keys(given, keys, "metrics")
  end
  for _, key in ipairs(keys) do
    inside[key], others[key] = {}, {}
    local target = target_for(y, key, #keys == 1)
    for _, name in ipairs(target and metrics_for(given, key, target) or {}) do
      local list = GRAPH_METRICS[name] and inside[key] or others[key]
      list[#list + 1] = name
    end
    metric_module.set(others[key])
  end
  return inside, others
end

--- Metrics of predictions that the engine does not add up.
---@param others table key -> names
---@param outputs any bundle of tensors
---@param y any bundle of targets
---@param into table gets the values by column
function M.add_others(others, outputs, y, into)
  local keys = bundle.keys(outputs)
  for _, key in ipairs(keys) do
    if #(others[key] or {}) > 0 then
      local set = metric_module.set(others[key])
      set:add(losses.flat(bundle.at(outputs, key), target_for(y, key, #keys == 1)))
      for name, value in pairs(set:values()) do
        into[M.prefix(key) .. name] = value
      end
    end
  end
end

-- ---- into the graph ----

local function checked(value, loss)
  if not graphs.is_node(value) then
    options.fail("loss %s must return a value of the graph, not %s", loss.name, options.show(value))
  end
  return value
end

--- Emit losses and metrics into the graph of a trace.
---@param criterion Criterion
---@param spec table graph, outputs (bundle of values), y, rows, dtype, metrics (key -> names in the graph)
---@return table emitted loss (value), metrics (values), names (of their columns), inputs and targets
function M.emit(criterion, spec)
  local emitted = { metrics = {}, names = {}, inputs = {}, targets = {} }
  local nodes, keys = {}, bundle.keys(spec.outputs)
  local function target_node(loss, key, y, out)
    local name = bundle.name("y", key)
    local target = M.target_of(loss, y, out, spec.dtype)
    local shape = target:shape()
    shape[1] = spec.rows
    nodes[key] = spec.graph:input(name, target:dtype(), shape, true)
    emitted.inputs[#emitted.inputs + 1], emitted.targets[#emitted.targets + 1] = nodes[key], target
    return nodes[key]
  end
  local function add(key, name, value)
    emitted.names[#emitted.names + 1], emitted.metrics[#emitted.metrics + 1] = M.prefix(key) .. name, value
  end
  if criterion.joint then
    local targets = bundle.map(spec.y, function(part, key)
      local output = bundle.several(spec.outputs) and spec.outputs[key]
      return target_node(criterion.joint, key, part, output and output:shape() or {})
    end)
    emitted.loss = checked(criterion.joint(spec.outputs, targets), criterion.joint)
  end
  for _, part in ipairs(criterion.parts) do
    local output = bundle.at(spec.outputs, part.key)
    local target = target_node(part.loss, part.key, target_for(spec.y, part.key, true), output:shape())
    local value = checked(part.loss(output, target), part.loss)
    if #criterion.parts > 1 then
      add(part.key, "loss", value * spec.rows)
    end
    value = part.weight == 1 and value or value * part.weight
    emitted.loss = emitted.loss and emitted.loss + value or value
  end
  for _, key in ipairs(keys) do
    for _, name in ipairs(nodes[key] and spec.metrics and spec.metrics[key] or {}) do
      add(key, name, GRAPH_METRICS[name](bundle.at(spec.outputs, key), nodes[key], spec.rows))
    end
  end
  return emitted
end

return M
