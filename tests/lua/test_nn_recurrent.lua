-- Recurrent layers: against PyTorch's, against their own cells, options, lengths and states.
local testing = require "testing"
local core = require "core.train"
local data = require "data"
local nn = require "nn"
local op = require "core.op"
local tensor = require "tensor"
local trace = require "nn.trace"

local tests = {}

-- The numbers of tests/golden/make_recurrent.py: 0.6 sin(1.3 stream + 0.37 i).
local function wave(stream, shape, dtype)
  local count, values = 1, {}
  for _, size in ipairs(shape) do
    count = count * size
  end
  for i = 1, count do
    values[i] = 0.6 * math.sin(1.3 * stream + 0.37 * (i - 1))
  end
  return tensor.new(values, dtype):view(shape)
end

local function count_of(shape)
  local count = 1
  for _, size in ipairs(shape) do
    count = count * size
  end
  return count
end

-- Outputs and last states of a net, row by row: (N, everything).
local function everything(y, state)
  local shape = y:shape()
  local out = op.reshape(y, { shape[1], count_of(shape) // shape[1] })
  for _, one in ipairs(type(state) == "table" and state or { state }) do
    local wide = one:shape()
    local rows = op.reshape(op.transpose(one, { axes = { 2, 1, 3 } }), { wide[2], wide[1] * wide[3] })
    out = op.concat(out, rows, { axis = 2 })
  end
  return out
end

-- What `forward(x, states)` makes of waves, and the gradients of x, the states and the parameters, as
-- one list of numbers in the order of the golden file. `shapes`: of x and of the states.
local function run(net, forward, shapes, dtype, options)
  local rows = shapes[1][1]
  net.book = nil
  net:build(wave(0, { 1, table.unpack(shapes[1], 2) }, dtype), { dtype = dtype })
  for i, param in ipairs(net:parameters()) do
    param.tensor:copy(wave(9 + i, param.tensor:shape(), dtype))
  end
  return trace.run(net.book, options and options.training or false, function(current)
    local wrt, kept = {}, {}
    for i, shape in ipairs(shapes) do
      kept[i] = wave(i - 1, shape, dtype)
      wrt[i] = current.graph:param(kept[i], "x")
    end
    local dummy = current.graph:input("rows", dtype, { rows, 1 }, true)
    local out = forward(wrt[1], { table.unpack(wrt, 2) })
    local loss = op.sum(op.mul(out, wave(3, out:shape(), dtype)))
    for _, param in ipairs(net.book.params) do
      wrt[#wrt + 1] = current.calls[param]
    end
    local offsets, total = {}, 0
    for i, node in ipairs(wrt) do
      offsets[i] = total
      total = total + (count_of(node:shape()) + 15) // 16 * 16
    end
    local grads = tensor.zeros({ total }, dtype)
    local width = out:shape()[2]
    local value = tensor.zeros({ rows, width }, dtype)
    local pool = options and options.threads and core.pool(options.threads)
    core.step { graph = current.graph, inputs = { dummy }, loss = loss, params = wrt, offsets = offsets,
      grads = grads, outputs = { out }, pool = pool }
      :run { data = { tensor.zeros({ rows, 1 }, dtype) }, outputs = { value }, batches = 1 }
    local numbers = value:view({ rows * width }):totable()
    local flat = grads:totable()
    for i, node in ipairs(wrt) do
      table.move(flat, offsets[i] + 1, offsets[i] + count_of(node:shape()), #numbers + 1, numbers)
    end
    return numbers
  end)
end

local function assert_close(got, want, tolerance, what)
  testing.equal(#got, #want, what)
  for i, value in ipairs(want) do
    if not (math.abs(got[i] - value) <= tolerance * math.max(1, math.abs(value))) then
      testing.near(got[i], value, tolerance, ("%s, number %d of %d"):format(what, i, #want))
    end
  end
end

tests["outputs, states and all gradients equal PyTorch's"] = function()
  local golden, cases = data.npz "tests/golden/recurrent.npz", 0
  for name, want in pairs(golden) do
    local kind, layers = name:match("^([A-Z]+).-_(%d)")
    local bi, states = name:find("_bi") ~= nil, name:find("_states") ~= nil
    local lengths = name:find("_lengths") and tensor.new({ 4, 1, 3 }, "int64") or nil
    local options = { num_layers = math.tointeger(layers), bidirectional = bi,
      nonlinearity = kind == "RNN" and name:match("^RNN_(%a+)") or nil }
    local net = nn[kind](3, options)
    local shapes = { { 3, 4, 2 } }
    local count = options.num_layers * (bi and 2 or 1)
    for _ = 1, states and (kind == "LSTM" and 2 or 1) or 0 do
      shapes[#shapes + 1] = { count, 3, 3 }
    end
    local function forward(x, first)
      return everything(net(x, { state = first[1] and first or nil, lengths = lengths }))
    end
    for _, dtype in ipairs { "float32", "float64" } do
      assert_close(run(net, forward, shapes, dtype), want:totable(), 1e-5, name .. " " .. dtype)
    end
    cases = cases + 1
  end
  testing.equal(cases, 64)
end

-- A cell called step by step, outputs and states as a net's.
local function unroll(cell, x, first)
  local steps, outputs, state = x:shape()[2], nil, nil
  local function one_layer(value)
    local shape = value:shape()
    return op.reshape(value, #shape == 3 and { shape[2], shape[3] } or { 1, shape[1], shape[2] })
  end
  if first[1] then
    state = {}
    for i, value in ipairs(first) do
      state[i] = one_layer(value)
    end
  end
  for t = 1, steps do
    local shape = x:shape()
    local step = op.reshape(op.slice(x, { axis = 2, first = t, last = t }), { shape[1], shape[3] })
    local h, c = cell(step, state)
    state = { h, c }
    h = op.reshape(h, { shape[1], 1, cell.hidden })
    outputs = outputs and op.concat(outputs, h, { axis = 2 }) or h
  end
  for i, value in ipairs(state) do
    state[i] = one_layer(value)
  end
  return everything(outputs, state)
end

tests["cells spelled in ops give the numbers of the fused layers"] = function()
  for _, kind in ipairs { "LSTM", "GRU", "RNN" } do
    for _, options in ipairs { { bias = true }, { bias = false } } do
      for _, states in ipairs { 0, kind == "LSTM" and 2 or 1 } do
        local shapes = { { 5, 3, 7 } }
        for _ = 1, states do
          shapes[#shapes + 1] = { 1, 5, 9 }
        end
        local net, cell = nn[kind](9, options), nn[kind .. "Cell"](9, options)
        local fused = run(net, function(x, first)
          return everything(net(x, { state = first[1] and first or nil }))
        end, shapes, "float64")
        -- A cell is built for one step; its unrolling is traced.
        local Unrolled = nn.layer("Unrolled", { forward = function(_, x, first)
          return unroll(cell, x, first or {})
        end })()
        local spelled = run(Unrolled, Unrolled, shapes, "float64")
        assert_close(spelled, fused, 1e-12, ("%s, bias %s, %d states"):format(kind, options.bias, states))
      end
    end
  end
end

tests["gradients equal differences, whatever the options"] = function()
  for _, kind in ipairs { "LSTM", "GRU", "RNN" } do
    for _, options in ipairs { {}, { last = true }, { num_layers = 2, bidirectional = true, last = true },
      { bias = false, num_layers = 2, dropout = 0.5 } } do
      for _, hidden in ipairs { 1, 7 } do
        local check = nn.gradcheck(nn[kind](hidden, options), { 3, 5, 2 })
        testing.ok(check.ok, kind .. ": " .. tostring(check))
      end
    end
    testing.ok(nn.gradcheck(nn[kind](2), { 1, 1, 1 }).ok, kind)
  end
end

tests["a sequence in two parts, with the state handed on, gives the numbers of the whole"] = function()
  for _, kind in ipairs { "LSTM", "GRU", "RNN" } do
    local net = nn[kind](5, { num_layers = 2 })
    local whole = run(net, function(x) return everything(net(x)) end, { { 3, 7, 2 } }, "float64")
    local parts = run(net, function(x)
      local y, state = net(op.slice(x, { axis = 2, first = 1, last = 3 }))
      local rest, last = net(op.slice(x, { axis = 2, first = 4, last = 7 }), { state = state })
      return everything(op.concat(y, rest, { axis = 2 }), last)
    end, { { 3, 7, 2 } }, "float64")
    assert_close(parts, whole, 1e-12, kind)
  end
end

tests["lengths may be an input of the model"] = function()
  local Reader = nn.layer("Reader", {
    init = function(self) self.gru, self.out = nn.GRU(8, { bidirectional = true, last = true }), nn.Linear(1) end,
    forward = function(self, x) return self.out((self.gru(x.steps, { lengths = x.lengths }))) end,
  })
  tensor.manual_seed(3)
  local lengths = tensor.randint(1, 7, { 60 })
  local steps = tensor.randn { 60, 6, 2 }
  local set = data.set { x = { steps = steps, lengths = lengths }, y = lengths:to("float32"):view { 60, 1 } }
  local model = Reader()
  local history = model:fit(set, { epochs = 40, batch_size = 20, optimizer = nn.Adam { lr = 0.02 }, seed = 1 })
  testing.ok(history.epochs[40].loss < 0.2, tostring(history.epochs[40].loss)) -- 2.9 by a constant
  -- What stands behind a row's end does not matter.
  local mask = tensor.arange(0, 5):view({ 1, 6, 1 }):to("float32"):less(lengths:to("float32"):view { 60, 1, 1 })
  local changed = model:predict { steps = tensor.where(mask, steps, 1e3), lengths = lengths }
  local before = model:predict { steps = steps, lengths = lengths }
  testing.equal((changed - before):abs():max():item(), 0.0)
end

tests["last gives each row's output at its own last step"] = function()
  local lengths = tensor.new({ 4, 1, 3 }, "int64")
  for _, kind in ipairs { "LSTM", "GRU", "RNN" } do
    local net = nn[kind](5)
    local ends = nn[kind](5, { last = true })
    local shapes = { { 3, 4, 2 } }
    local all = run(net, function(x) return (everything(net(x, { lengths = lengths }), {})) end, shapes, "float32")
    local some = run(ends, function(x) return (ends(x, { lengths = lengths })) end, shapes, "float32")
    for row, steps in ipairs { 4, 1, 3 } do
      for unit = 1, 5 do
        testing.equal(some[(row - 1) * 5 + unit], all[((row - 1) * 4 + steps - 1) * 5 + unit], kind)
      end
      for i = steps * 5 + 1, 4 * 5 do
        testing.equal(all[(row - 1) * 20 + i], 0.0, "behind the end")
      end
    end
  end
end

tests["a bidirectional last is the end of one direction and the beginning of the other"] = function()
  local net, ends = nn.GRU(4, { bidirectional = true }), nn.GRU(4, { bidirectional = true, last = true })
  local all = run(net, function(x) return (everything(net(x), {})) end, { { 2, 3, 2 } }, "float64")
  local some = run(ends, function(x) return (ends(x)) end, { { 2, 3, 2 } }, "float64")
  for row = 0, 1 do
    for unit = 1, 4 do
      testing.equal(some[row * 8 + unit], all[row * 24 + 16 + unit])
      testing.equal(some[row * 8 + 4 + unit], all[row * 24 + 4 + unit])
    end
  end
end

tests["any number of threads gives the same bits"] = function()
  for _, kind in ipairs { "LSTM", "GRU", "RNN" } do
    local net = nn[kind](70, { last = true })
    local shapes = { { 131, 12, 5 } }
    local function forward(x) return (net(x)) end
    local one = run(net, forward, shapes, "float32")
    local three = run(net, forward, shapes, "float32", { threads = 3 })
    for i = 1, 131 * 70 + 131 * 12 * 5 do -- values and the gradient of x; products over time may differ
      if one[i] ~= three[i] then
        testing.equal(three[i], one[i], ("%s %d"):format(kind, i))
      end
    end
  end
end

tests["inputs of any size give finite outputs and gradients"] = function()
  for _, kind in ipairs { "LSTM", "GRU", "RNN" } do
    local net = nn[kind](3)
    local numbers = run(net, function(x) return everything(net(x * 1e4)) end, { { 3, 5, 2 } }, "float32")
    for _, number in ipairs(numbers) do
      testing.ok(number == number and math.abs(number) < 1e30, kind)
    end
  end
end

tests["in Sequential the outputs go on"] = function()
  local set = data.set { x = wave(0, { 12, 5, 3 }, "float32"), y = wave(1, { 12, 1 }, "float32") }
  local model = nn.Sequential {
    nn.LSTM(6, { num_layers = 2, dropout = 0.2 }), nn.GRU(4, { last = true }), nn.Linear(1),
  }
  local history = model:fit(set, { epochs = 30, batch_size = 4, optimizer = nn.Adam { lr = 0.02 }, seed = 1 })
  testing.ok(history.epochs[30].loss < history.epochs[1].loss)
  testing.equal(model:predict(set.x):shape(), { 12, 1 })
  local names = {}
  for i, param in ipairs(model:parameters()) do
    names[i] = param.name
  end
  testing.contains(table.concat(names, " "), "lstm_1.weight_ih_l0 lstm_1.weight_hh_l0 lstm_1.bias_ih_l0 "
    .. "lstm_1.bias_hh_l0 lstm_1.weight_ih_l1")
end

tests["parameters start as PyTorch's, or as told"] = function()
  local model = nn.LSTM(16, { bias_init = "zeros", weight_hh_init = "orthogonal" })
  model:build { 1, 3, 4 }
  local weights = model:weights()
  testing.equal(weights["lstm_1.weight_ih_l0"]:shape(), { 64, 4 })
  testing.equal(weights["lstm_1.weight_hh_l0"]:shape(), { 64, 16 })
  testing.ok(op.max(weights["lstm_1.weight_ih_l0"]):item() <= 0.25)
  testing.ok(op.max(weights["lstm_1.weight_ih_l0"]):item() > 0.2)
  testing.equal(op.max(op.abs(weights["lstm_1.bias_hh_l0"])):item(), 0.0)
  local hh = weights["lstm_1.weight_hh_l0"]
  testing.near(op.sum(op.square(hh)):item(), 16, 1e-4)
end

tests["what does not fit is refused with the layer's name and line"] = function()
  local line = debug.getinfo(1, "l").currentline + 1
  local model = nn.Sequential { nn.LSTM(3) }
  local message = testing.raises("needs sequences (N, steps, features), not an input of shape (1, 4)",
    function() model:build { 1, 4 } end)
  testing.contains(message, "LSTM")
  testing.ok(line > 0)
  testing.raises("nn.GRU: option 'hidden' must be at least 1, got 0", function() nn.GRU(0) end)
  testing.raises("nn.LSTM: option 'hidden' is missing", function() nn.LSTM {} end)
  testing.raises("unknown option 'bidirectinal' (did you mean 'bidirectional'?)", function()
    nn.LSTM(3, { bidirectinal = true })
  end)
  testing.raises("option 'nonlinearity' is \"relo\"", function() nn.RNN(3, { nonlinearity = "relo" }) end)
  local Stateful = nn.layer("Stateful", {
    init = function(self, state) self.lstm, self.state = nn.LSTM(3), state end,
    forward = function(self, x) return (self.lstm(x, { state = self.state })) end,
  })
  testing.raises("state must be { h, c }", function()
    Stateful(tensor.zeros { 1, 2, 3 }):build { 2, 4, 2 }
  end)
  testing.raises("a state must have shape (1, 1, 3), which is (layers * directions, N, hidden), not (1, 2, 3)",
    function() Stateful({ tensor.zeros { 1, 2, 3 }, tensor.zeros { 1, 2, 3 } }):build { 2, 4, 2 } end)
  testing.raises("lstm: lengths must be int64, not float32", function()
    op.lstm(tensor.zeros { 2, 3, 1 }, tensor.zeros { 4, 1 }, tensor.zeros { 4, 1 }, nil, nil, tensor.ones { 2 })
  end)
  testing.raises("lstm: w_ih must have shape (8, 1), not (8, 2)", function()
    op.lstm(tensor.zeros { 2, 3, 1 }, tensor.zeros { 8, 2 }, tensor.zeros { 8, 2 })
  end)
  testing.raises("gru: w_hh must have shape (3, 1), not (3,)", function()
    op.gru(tensor.zeros { 2, 3, 1 }, tensor.zeros { 3, 1 }, tensor.zeros { 3 })
  end)
  testing.raises("lstm_grad: cells must have shape (3, 2, 1), not (2, 3, 1)", function()
    op.lstm_grad(tensor.zeros { 3, 2, 4 }, tensor.zeros { 2, 3, 1 }, tensor.zeros { 4, 1 })
  end)
  testing.raises("recurrent_weight_grad: gates must be 1, 3 or 4, not 2", function()
    local d, x = tensor.zeros { 3, 2, 4 }, tensor.zeros { 2, 3, 1 }
    op.recurrent_weight_grad(d, x, x, { gates = 2 })
  end)
  testing.raises("recurrent_input_grad: d (3, 2, 4) and w_ih (2, 1) do not belong together", function()
    op.recurrent_input_grad(tensor.zeros { 3, 2, 4 }, tensor.zeros { 2, 1 })
  end)
  testing.raises("rnn: x must be sequences (n, steps, features), not of shape (2, 0, 1)", function()
    op.rnn(tensor.zeros { 2, 0, 1 }, tensor.zeros { 1, 1 }, tensor.zeros { 1, 1 })
  end)
end

tests["a batch of no rows has gradients of zero"] = function()
  for name, gates in pairs { lstm = 4, gru = 3, rnn = 1 } do
    local x = tensor.zeros { 0, 3, 5 }:requires_grad()
    local w_ih, w_hh = tensor.ones { 2 * gates, 5 }:requires_grad(), tensor.ones { 2 * gates, 2 }:requires_grad()
    local y = op[name](x, w_ih, w_hh)
    y:sum():backward()
    testing.equal(table.concat(x:grad():shape(), " "), "0 3 5")
    testing.equal(w_ih:grad():abs():sum():item() + w_hh:grad():abs():sum():item(), 0)
  end
end

return testing.run(tests)
