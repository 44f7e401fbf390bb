--- Steps: a model traced for batches of some rows, with losses and metrics, and planned by the engine.
---
--- Inputs and outputs are bundles: one tensor, or several by place or name. A model gets inputs by place as
--- arguments, forward(self, a, b), and inputs by name as one table. Its outputs are what forward returns:
--- a value, several, or a table of values.
local bundle = require "bundle"
local core = require "core.train"
local core_data = require "core.data"
local criterion = require "nn.criterion"
local graphs = require "core.graph"
local op = require "core.op"
local options = require "options"
local trace = require "nn.trace"

local M = {}

-- The tables that inputs are read into directly: which input, how many rows the table has, whose it is.
local function lookups_of(current, inputs)
  local lookups = {}
  for _, lookup in ipairs(current.lookups) do
    for i, input in ipairs(inputs) do
      if rawequal(lookup.value, input) then
        lookups[#lookups + 1] = { input = i, limit = lookup.limit, layer = lookup.layer }
      end
    end
  end
  return lookups
end

--- Refuse inputs with an index outside the table it is read into; the message names row and index. Indices
--- that are computed in the model are not known here, and give NaN.
---@param made table as M.make gives it
---@param x any bundle of tensors
function M.check_indices(made, x)
  local parts = bundle.list(x)
  for _, lookup in ipairs(made.lookups) do
    local ok, message = core_data.check_indices(parts[lookup.input], lookup.limit)
    if not ok then
      options.fail("%s: %s", lookup.layer, message)
    end
  end
end

local function with_rows(shape, rows)
  local copy = { table.unpack(shape) }
  copy[1] = rows
  return copy
end
M.with_rows = with_rows

local function output_of(value, what)
  if not graphs.is_node(value) then
    options.fail("the model's %s is %s, not a value of the graph", what, options.show(value))
  end
  return value
end

-- What a model returned as a bundle. A layer that returns its state besides says so by `returns_state`.
local function outputs_of(model, results)
  local first = results[1]
  if type(first) == "table" and getmetatable(first) == nil then
    if next(first) == nil then
      options.fail("the model returns an empty table, not values")
    end
    return bundle.map(first, function(value, key)
      return output_of(value, "output " .. tostring(key))
    end)
  elseif results.n == 1 or model.returns_state then
    return output_of(first, "output")
  end
  for i = 1, results.n do
    output_of(results[i], "output " .. i)
  end
  return table.move(results, 1, results.n, 1, {})
end

--- Call a model on inputs of the graph.
---@param model Layer
---@param inputs any bundle of values
---@return any outputs bundle of values
function M.call(model, inputs)
  local results
  if bundle.several(inputs) and #inputs > 0 then
    results = table.pack(model(table.unpack(inputs)))
  else
    results = table.pack(model(inputs))
  end
  return outputs_of(model, results)
end

--- Inputs of a graph like some tensors (or { shape =, dtype = }), for batches of `rows` rows.
---@param graph userdata
---@param x any bundle of tensors
---@param rows integer
---@return any inputs bundle of values
function M.inputs(graph, x, rows)
  return bundle.map(x, function(part, key)
    return graph:input(bundle.name("x", key), part:dtype(), with_rows(part:shape(), rows), true)
  end)
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

-- What a training step changes: gradients of trained parameters, and new values of buffers.
local function trained(current, book)
  local params, offsets, updates, updated = {}, {}, {}, {}
  for i, param in ipairs(current.updates) do
    updates[i], updated[i] = current.updates[param], param.tensor
  end
  for _, param in ipairs(book.params) do
    if current.calls[param] and not param.frozen then
      params[#params + 1], offsets[#offsets + 1] = current.calls[param], param.offset
    end
  end
  return params, offsets, updates, updated
end

-- A step has a loss; of predictions nobody reads it.
local function no_loss(outputs)
  for _, output in ipairs((bundle.list(outputs))) do
    if output:dtype() ~= "int64" then
      return op.mean(output)
    end
  end
  options.fail("all of the model's outputs are int64; one must be of its own type")
end

--- Trace the model for batches of `rows` rows and plan it.
---
--- The result has `step` (userdata), `rows`, `keys` of the outputs, `out` (their { shape, dtype }) and,
--- with targets, `criterion`, `targets` (as the step reads them, behind the inputs) and `names` (of its
--- metrics).
---@param model Layer
---@param spec table x, y, rows, criterion or loss and loss_weights, metrics, training, grads, predict,
--- pool, off, l1, l2, block_rows
---@return table
function M.make(model, spec)
  local book = model.book
  return trace.run(book, spec.training, function(current)
    local graph, made = current.graph, { rows = spec.rows, targets = {}, names = {} }
    local inputs = M.inputs(graph, spec.x, spec.rows)
    local outputs = M.call(model, inputs)
    local data = bundle.list(inputs)
    made.lookups = lookups_of(current, data)
    M.check_indices(made, spec.x)
    local loss, metrics
    graph:layer("loss")
    if spec.y then
      made.criterion = spec.criterion or criterion.new(spec.loss, spec.loss_weights, outputs, spec.y)
      local emitted = criterion.emit(made.criterion, { graph = graph, outputs = outputs, y = spec.y, rows = spec.rows,
        dtype = book.dtype, metrics = criterion.split_metrics(spec.metrics, bundle.keys(outputs), spec.y) })
      table.move(emitted.inputs, 1, #emitted.inputs, #data + 1, data)
      made.targets, made.names, metrics = emitted.targets, emitted.names, emitted.metrics
      loss = spec.training and add_penalty(current, emitted.loss, spec) or emitted.loss
    else
      loss = no_loss(outputs)
    end
    local params, offsets, updates, updated
    if spec.grads then
      params, offsets, updates, updated = trained(current, book)
    end
    made.out, made.keys = bundle.list(outputs)
    for i, output in ipairs(made.out) do
      made.out[i] = { shape = output:shape(), dtype = output:dtype() }
    end
    made.step = core.step {
      graph = graph, inputs = data, loss = loss, metrics = metrics, params = params, offsets = offsets,
      grads = spec.grads, updates = updates, updated = updated,
      outputs = spec.predict and bundle.list(outputs) or nil, pool = spec.pool, off = spec.off,
      block_rows = spec.block_rows,
    }
    return made
  end)
end

return M
