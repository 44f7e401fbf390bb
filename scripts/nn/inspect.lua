--- Looking inside a model: what its layers put out, and which gradients come back to them.
---
--- Glorot and Bengio (2010) show with these numbers why deep networks do not learn from a bad start.
local bundle = require "bundle"
local core = require "core.train"
local criterion = require "nn.criterion"
local layers = require "nn.layers"
local models = require "nn.model"
local op = require "core.op"
local options = require "options"
local steps = require "nn.step"
local tensors = require "core.tensor"
local trace = require "nn.trace"

---@class Layer
local Layer = layers.Layer

---@class LayerView
---@field layer string
---@field output userdata tensor (rows, ...): what the layer put out
---@field gradient userdata its shape: how the loss of a row changes with it
---@field mean number of the output
---@field std number of the output
---@field zeros number share of zeros in the output, as of units that do not fire
---@field gradient_std number of the gradient
---@field weight_gradient_std? number of the mean loss by the layer's own weights (not biases)
local LayerView = { __name = "LayerView" }

---@class Inspection
---@field [integer] LayerView in the order of the calls
---@field loss number
local Inspection = { __name = "Inspection" }
Inspection.__index = Inspection

function Inspection:__tostring()
  local lines = { ("%-16s %10s %10s %7s %13s %18s"):format("layer", "mean", "std", "zeros", "gradient std",
    "weight gradient std") }
  for _, view in ipairs(self) do
    lines[#lines + 1] = ("%-16s %10.3g %10.3g %6.1f%% %13.3g %18s"):format(view.layer, view.mean, view.std,
      100 * view.zeros, view.gradient_std,
      view.weight_gradient_std and ("%.3g"):format(view.weight_gradient_std) or "")
  end
  return table.concat(lines, "\n")
end

local function std_of(tensor)
  return tensor:variance({ correction = 0 }):item() ^ 0.5
end

-- Where gradients of the mean loss go: a piece of one flat vector for each parameter.
local function add_room(room, node, count)
  room.params[#room.params + 1], room.offsets[#room.offsets + 1] = node, room.total
  room.total = room.total + (count + 15) // 16 * 16
  return room.offsets[#room.offsets]
end

-- To see the gradient of a value, zeros are added to it, and the loss differentiated by these.
local function probe_into(current, room, probes)
  return function(record)
    local value = record.output
    local seen = #probes > 0 and rawequal(probes[#probes].value, value) -- a container gives its last layer's
    if seen or type(value) ~= "userdata" or value:dtype() == "int64" then
      return value
    end
    local zeros = tensors.zeros(value:shape(), value:dtype())
    local node = current.graph:param(zeros, record.name .. ".probe")
    probes[#probes + 1] = { record = record, value = value + node, like = zeros,
      output = tensors.zeros(value:shape(), value:dtype()), offset = add_room(room, node, zeros:size()) }
    return probes[#probes].value
  end
end

-- Weights the loss is differentiated by as well; biases are left out.
local function add_weights(current, room)
  local weights = {}
  for _, param in ipairs(current.book.params) do
    if current.calls[param] and param.decay then
      weights[param.layer] = { like = param.tensor,
        offset = add_room(room, current.calls[param], param.tensor:size()) }
    end
  end
  return weights
end

-- Run one step over all rows of x; returns the loss, what was seen, and gradients.
local function run_probed(model, x, y, given)
  local rows = bundle.rows(x)
  local dtype = model.book.dtype
  return trace.run(model.book, false, function(current)
    local room, probes = { params = {}, offsets = {}, total = 0 }, {}
    local inputs = steps.inputs(current.graph, x, rows)
    current.probe = probe_into(current, room, probes)
    local outputs = steps.call(model, inputs)
    local law = given.loss == nil and model.criterion or criterion.new(given.loss, given.loss_weights, outputs, y)
    local emitted = criterion.emit(law, { graph = current.graph, outputs = outputs, y = y, rows = rows, dtype = dtype })
    local weights = add_weights(current, room)
    local nodes, data, values, kept = bundle.list(inputs), bundle.list(x), {}, {}
    table.move(emitted.inputs, 1, #emitted.inputs, #nodes + 1, nodes)
    table.move(emitted.targets, 1, #emitted.targets, #data + 1, data)
    for i, probe in ipairs(probes) do
      values[i], kept[i] = probe.value, probe.output
    end
    local grads = tensors.zeros({ room.total }, dtype)
    local step = core.step { graph = current.graph, inputs = nodes, loss = emitted.loss, params = room.params,
      offsets = room.offsets, grads = grads, outputs = values }
    local sums = step:run { data = data, batches = 1, outputs = kept }
    return sums.loss / rows, probes, grads, weights
  end)
end

local function piece(grads, place)
  return grads:rows(place.offset + 1, place.offset + place.like:size()):view(place.like:shape())
end

local OPTIONS = {
  rows = { type = "integer", min = 1, default = 300, help = "how many rows of the data, from the first" },
  loss = { type = "any", help = "what fit's loss takes; default that of the last fit" },
  loss_weights = { type = "table", help = "what fit's loss_weights takes" },
}

--- What the layers of a built model put out for some rows, and the gradients that reach them.
---
--- `print(model:inspect(train))` shows a line for each call of a layer: mean and deviation of its output, the
--- share of zeros, and the deviation of the loss's gradient by its output (of a row's loss) and its weights (of
--- the mean loss). Entries hold the tensors `output` and `gradient` for histograms.
---@param set table a data set
---@param given? table
---@return Inspection
---@options OPTIONS
function Layer:inspect(set, given)
  given = options.check(given, OPTIONS, "inspect")
  if not self.book then
    options.fail("inspect: the model has no parameters yet; call model:build(data) or fit first")
  elseif type(set) ~= "table" or set.x == nil or set.y == nil then
    options.fail("inspect: expected a data set with targets, got %s", options.show(set))
  end
  local function first_rows(part)
    return part:rows(1, math.min(given.rows, part:shape()[1]))
  end
  local x = models.inputs_as(bundle.map(set.x, first_rows), self.book.dtype)
  local y = bundle.map(set.y, first_rows)
  local loss, probes, grads, weights = run_probed(self, x, y, given)
  local inspection = setmetatable({ loss = loss }, Inspection)
  for i, probe in ipairs(probes) do
    local output, weight = probe.output, weights[probe.record.layer]
    local gradient = piece(grads, probe) * bundle.rows(x)
    inspection[i] = setmetatable({
      layer = probe.record.name, output = output, gradient = gradient, mean = output:mean():item(),
      std = std_of(output), zeros = op.equal(output, 0):mean():item(), gradient_std = std_of(gradient),
      weight_gradient_std = weight and std_of(piece(grads, weight)),
    }, LayerView)
  end
  return inspection
end

return Layer
