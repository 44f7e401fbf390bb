-- Graphs, values and steps refuse what they cannot do: they are used by the library, and by scripts
-- that look inside.
local testing = require "testing"
local core = require "core.train"
local graphs = require "core.graph"
local nn = require "nn"
local op = require "core.op"
local tensor = require "tensor"

local tests = {}

-- A step for mean((x w)^2) over batches of two rows.
local function make(changes)
  local made = { graph = graphs.new(), w = tensor.ones { 3, 1 }, grads = tensor.zeros { 16 } }
  made.x = made.graph:input("x", "float32", { 2, 3 }, true)
  made.w_node = made.graph:param(made.w, "w")
  made.y = op.matmul(made.x, made.w_node)
  local spec = { graph = made.graph, inputs = { made.x }, loss = op.mean(op.square(made.y)),
    params = { made.w_node }, offsets = { 0 }, grads = made.grads, outputs = { made.y } }
  for key, value in pairs(changes and changes(made) or {}) do
    spec[key] = value
  end
  made.spec = spec
  made.step = core.step(spec)
  return made
end

tests["a value of a closed graph says so"] = function()
  local graph = graphs.new()
  local x = graph:input("x", "float32", { 2, 3 }, true)
  graph:close()
  testing.raises("graph was closed", function() return x:shape() end)
  testing.raises("graph was closed", function() return x + 1 end)
  testing.raises("graph was closed", function() return op.matmul(tensor.ones { 2, 2 }, x) end)
  testing.equal(tostring(x), "value (of a closed graph)")
end

tests["a step of a closed graph says so"] = function()
  local made = make()
  made.graph:close()
  testing.raises("graph of this step was closed", function()
    made.step:run { data = { tensor.ones { 4, 3 } } }
  end)
end

tests["a step keeps what it was made from"] = function()
  local made = make(function() return { pool = core.pool(2) } end)
  local step, spec = made.step, made.spec
  for key in pairs(spec) do
    spec[key] = nil
  end
  made, spec = nil, nil -- luacheck: ignore
  collectgarbage()
  collectgarbage()
  testing.equal(step:run { data = { tensor.ones { 4, 3 } }, batches = 2 }.loss, 9.0 * 4)
end

tests["what a step cannot run is refused"] = function()
  testing.raises("does not fit the gradients", function() make(function() return { offsets = { 14 } } end) end)
  testing.raises("gradients are missing", function()
    local made = make(function(m) return { loss = op.mean(m.x), params = {}, offsets = {} } end)
    made.spec.grads, made.spec.params, made.spec.offsets = nil, { made.w_node }, { 0 }
    core.step(made.spec)
  end)
  testing.raises("input 1 of a step must be an input", function() make(function(m) return { inputs = { m.y } } end) end)
  testing.raises("loss must be a value of this graph", function()
    make(function() return { loss = graphs.new():input("x", "float32", { 1 }, false) } end)
  end)
  testing.raises("block_rows", function() make(function() return { block_rows = -1 } end) end)
end

tests["data that are not there are refused"] = function()
  local step, x = make().step, tensor.ones { 5, 3 }
  local function refused(message, run)
    testing.raises(message, function() step:run(run) end)
  end
  refused("input 1 has no data", { data = {} })
  refused("3 batches of 2 rows", { data = { x }, batches = 3 })
  refused("from row 0 on", { data = { x }, first = -1 })
  refused("row 6 is outside the 5", { data = { x }, order = tensor.new({ 0, 5 }, "int64") })
  refused("2 batches of 2 rows", { data = { x }, batches = 2, order = tensor.new({ 0, 1, 2 }, "int64") })
  refused("rates need a float64", { data = { x }, rates = tensor.ones { 1 } })
  refused("no room for the output", { data = { x }, batches = 2, outputs = { tensor.zeros { 3, 1 } } })
  testing.raises("threads must be 1 to", function() core.pool(2 ^ 32 + 1 | 0) end)
end

tests["options by name are read, and not among a list"] = function()
  local x = tensor.ones { 2, 3 }
  testing.equal(x:relu({}):shape(), { 2, 3 })
  testing.equal(x:softmax({}):shape(), { 2, 3 })
  testing.equal(x:sum({ axes = { 1 }, keepdims = true }):shape(), { 1, 3 })
  testing.raises("axes is a list, 'keepdims'", function() return x:sum { 1, keepdims = true } end)
end

tests["targets must have a row for each of the data's"] = function()
  local model = nn.Sequential { nn.Linear(1) }
  testing.raises("fit: the data set has 64 rows, but targets for 60", function()
    model:fit({ x = tensor.ones { 64, 2 }, y = tensor.ones { 60, 1 } }, { epochs = 1, batch_size = 8 })
  end)
end

tests["a gradient check that fails leaves the model as it was"] = function()
  local model = nn.Sequential { nn.Linear(2) }:build { 1, 3 }
  local before = model:parameters()[1].tensor:hash()
  testing.raises("no such loss", function()
    nn.gradcheck(model, { x = tensor.ones { 4, 3 }, y = tensor.ones { 4, 2 } },
      { loss = function() error("no such loss") end })
  end)
  testing.equal(model:parameters()[1].tensor:dtype(), "float32")
  testing.equal(model:parameters()[1].tensor:hash(), before)
end

return testing.run(tests)
