--- Recurrent layers: RNN, LSTM, GRU over whole sequences (N, T, F), and their cells, one step at a time.
---
--- Batch first (PyTorch's batch_first = true). Gates, names, shapes and starting values of parameters are
--- PyTorch's: weight_ih_l0 (gates * hidden, F), weight_hh_l0, bias_ih_l0, bias_hh_l0, then _l1 ..., the
--- reverse direction with _reverse behind; all uniform within 1 / sqrt(hidden). Gates stand in the order
--- i f g o (LSTM) and r z n (GRU, n = tanh(W_in x + b_in + r (W_hn h + b_hn))).
local graphs = require "core.graph"
local initializers = require "nn.init"
local layers = require "nn.layers"
local op = require "core.op"
local options = require "options"

local M = {}

-- The nets: their op, how many gates and states, and what the op is told besides its direction.
local KINDS = {
  LSTM = { op = op.lstm, gates = 4, states = 2 },
  GRU = { op = op.gru, gates = 3, states = 1 },
  RNN = { op = op.rnn, gates = 1, states = 1 },
}

local NET = {
  hidden = { type = "integer", min = 1, required = true, help = "hidden units of a direction" },
  num_layers = { type = "integer", min = 1, default = 1, help = "layers, each over the outputs of the one before" },
  bidirectional = { type = "boolean", default = false, help = "a second direction; outputs (N, T, 2 hidden)" },
  dropout = { type = "number", min = 0, below = 1, default = 0, help = "probability of zeros between layers" },
  bias = { type = "boolean", default = true, help = "whether there are biases" },
  last = { type = "boolean", default = false, help = "give the last step's outputs (N, hidden) instead of all" },
  weight_ih_init = { type = "any", help = "initializer of the weights of inputs" },
  weight_hh_init = { type = "any", help = "initializer of the weights of states" },
  bias_init = { type = "any", help = "initializer of the biases" },
  name = { type = "string", help = "for messages and saved weights" },
}
local RNN_NET = {
  hidden = NET.hidden, num_layers = NET.num_layers, bidirectional = NET.bidirectional, dropout = NET.dropout,
  bias = NET.bias, last = NET.last, weight_ih_init = NET.weight_ih_init, weight_hh_init = NET.weight_hh_init,
  bias_init = NET.bias_init, name = NET.name,
  nonlinearity = { type = "string", choices = { "tanh", "relu" }, default = "tanh", help = "function of a step" },
}
local CELL = {
  hidden = NET.hidden, bias = NET.bias, weight_ih_init = NET.weight_ih_init, weight_hh_init = NET.weight_hh_init,
  bias_init = NET.bias_init, name = NET.name,
}
local RNN_CELL = {
  hidden = NET.hidden, bias = NET.bias, weight_ih_init = NET.weight_ih_init, weight_hh_init = NET.weight_hh_init,
  bias_init = NET.bias_init, name = NET.name, nonlinearity = RNN_NET.nonlinearity,
}
-- What a net's forward takes besides x.
local CALL = {
  state = { type = "any", help = "first states" },
  lengths = { type = "any", help = "(N) int64: steps of each row" },
}

-- ---- parameters ----

-- The four parameters of one direction of one layer (or of a cell, whose suffix is "").
local function parameters(self, suffix, features)
  local rows = KINDS[self.net].gates * self.hidden
  local bound = 1 / math.sqrt(self.hidden)
  local start = initializers.uniform { low = -bound, high = bound }
  local given = self.o
  local made = {
    w_ih = self:param("weight_ih" .. suffix, { rows, features }, given.weight_ih_init or start),
    w_hh = self:param("weight_hh" .. suffix, { rows, self.hidden }, given.weight_hh_init or start),
  }
  if given.bias then
    made.b_ih = self:param("bias_ih" .. suffix, { rows }, given.bias_init or start, { decay = false })
    made.b_hh = self:param("bias_hh" .. suffix, { rows }, given.bias_init or start, { decay = false })
  end
  return made
end

-- ---- states ----

local function shape_text(shape)
  return "(" .. table.concat(shape, ", ") .. ")"
end

-- Elements `index` of an axis as a value without it.
local function pick(x, axis, index)
  local shape = x:shape()
  table.remove(shape, axis)
  return op.reshape(op.slice(x, { axis = axis, first = index, last = index }), shape)
end

-- The states given for the first step, as { h, c } of (layers * directions, N, hidden) each, or {}.
local function first_states(self, given, count, rows)
  if given == nil then
    return {}
  end
  local states = KINDS[self.net].states
  local list = states == 1 and not (type(given) == "table" and given[1]) and { given } or given
  if type(list) ~= "table" or #list ~= states then
    options.fail("%s: state must be %s", self.kind, states == 2 and "{ h, c }" or "h, as the layer returns it")
  end
  for _, state in ipairs(list) do
    local shape = state:shape()
    if #shape ~= 3 or shape[1] ~= count or shape[2] ~= rows or shape[3] ~= self.hidden then
      options.fail("%s: a state must have shape (%d, %d, %d), which is (layers * directions, N, hidden), not %s",
        self.kind, count, rows, self.hidden, shape_text(shape))
    end
  end
  return list
end

-- Join the last states of all layers and directions, each (N, states, hidden), as PyTorch does:
-- (layers * directions, N, hidden).
local function join_states(self, lasts)
  local joined = {}
  for state = 1, KINDS[self.net].states do
    for _, last in ipairs(lasts) do
      local rows = last:shape()[1]
      local one = op.reshape(op.slice(last, { axis = 2, first = state, last = state }), { 1, rows, self.hidden })
      joined[state] = joined[state] and op.concat(joined[state], one, { axis = 1 }) or one
    end
  end
  return KINDS[self.net].states == 2 and joined or joined[1]
end

-- ---- layers ----

-- One direction of one layer: outputs (N, T, hidden), last states (N, states, hidden).
local function run_direction(self, x, number, reverse, lengths, first)
  local suffix = ("_l%d%s"):format(number - 1, reverse and "_reverse" or "")
  local p = parameters(self, suffix, x:shape()[3])
  local attributes = { reverse = reverse }
  if self.net == "LSTM" then
    return op.lstm(x, p.w_ih, p.w_hh, p.b_ih, p.b_hh, lengths, first[1], first[2], attributes)
  elseif self.net == "RNN" then
    attributes.relu = self.o.nonlinearity == "relu"
  end
  return KINDS[self.net].op(x, p.w_ih, p.w_hh, p.b_ih, p.b_hh, lengths, first[1], attributes)
end

local function forward_net(self, x, given)
  given = options.check(given, CALL, "nn." .. self.kind)
  local shape = x:shape()
  if #shape ~= 3 then
    options.fail("%s: needs sequences (N, steps, features), not an input of shape %s", self.kind, shape_text(shape))
  end
  local directions = self.o.bidirectional and 2 or 1
  local first = first_states(self, given.state, self.o.num_layers * directions, shape[1])
  local lasts, y, ends = {}, x, nil
  for number = 1, self.o.num_layers do
    local outputs = {}
    if number > 1 and self.dropout then
      y = self.dropout[number - 1](y)
    end
    for direction = 1, directions do
      local at, states = #lasts + 1, {}
      for i, state in ipairs(first) do
        states[i] = pick(state, 1, at)
      end
      outputs[direction], lasts[at] = run_direction(self, y, number, direction == 2, given.lengths, states)
    end
    y = directions == 2 and op.concat(outputs[1], outputs[2], { axis = 3 }) or outputs[1]
  end
  if self.o.last then
    for at = #lasts - directions + 1, #lasts do
      local h = pick(lasts[at], 2, 1)
      ends = ends and op.concat(ends, h, { axis = 2 }) or h
    end
  end
  return ends or y, join_states(self, lasts)
end

local function init(self, o)
  self.net, self.place = self.kind:gsub("Cell$", ""), options.where()
  self.hidden, self.o, self.name = math.tointeger(o.hidden), o, o.name
  if (o.dropout or 0) > 0 and o.num_layers > 1 then
    self.dropout = {}
    for i = 1, o.num_layers - 1 do
      self.dropout[i] = layers.constructors.Dropout(o.dropout)
    end
  end
end

-- `returns_state`: a model that is such a layer alone puts out the first value it returns.
local function net(kind)
  return layers.layer(kind, { init = init, forward = forward_net, returns_state = true })
end

local LSTM, GRU, RNN = net "LSTM", net "GRU", net "RNN"

--- Long short-term memory over sequences (N, T, F): outputs (N, T, hidden), or (N, hidden) with `last`.
---
--- `local y, state = lstm(x, { state = { h, c }, lengths = lengths })` in a forward of one's own; in
--- Sequential y goes on. States are (num_layers * directions, N, hidden), 0 when none are given. With lengths
--- (N) int64, a row's steps behind its length leave its state as it is and give outputs of 0, and the
--- reverse direction begins at the row's own last step, as PyTorch's packed sequences do. `last` gives
--- each row's output at its last step, that of the reverse direction at the first. Gates i f g o.
--- Hochreiter and Schmidhuber 1997; with forget gate: Gers et al. 2000.
---@param hidden integer|table units of a direction, or a table of options
---@param given? table
---@return Layer
---@options NET
function M.LSTM(hidden, given)
  return LSTM(options.arguments({ "hidden" }, NET, "nn.LSTM", hidden, given))
end

--- Gated recurrent unit over sequences (N, T, F), used as nn.LSTM; its state is h alone.
---
--- PyTorch's form: n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h = (1 - z) n + z h. Gates r z n.
--- Cho et al. 2014.
---@param hidden integer|table units of a direction, or a table of options
---@param given? table
---@return Layer
---@options NET
function M.GRU(hidden, given)
  return GRU(options.arguments({ "hidden" }, NET, "nn.GRU", hidden, given))
end

--- Plain recurrent net over sequences (N, T, F): h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu.
---
--- Used as nn.LSTM; its state is h alone. Elman 1990.
---@param hidden integer|table units of a direction, or a table of options
---@param given? table
---@return Layer
---@options RNN_NET
function M.RNN(hidden, given)
  return RNN(options.arguments({ "hidden" }, RNN_NET, "nn.RNN", hidden, given))
end

-- ---- cells: one step, spelled in ops ----

local function linear(x, weight, bias)
  local y = op.matmul(x, weight, { trans_b = true })
  return bias and op.add(y, bias) or y
end

-- Columns of gate `index`, counted from 1.
local function gate(self, sums, index)
  return op.slice(sums, { axis = 2, first = (index - 1) * self.hidden + 1, last = index * self.hidden })
end

local STEPS = {
  LSTM = function(self, p, x, h, c)
    local sums = op.add(linear(x, p.w_ih, p.b_ih), linear(h, p.w_hh, p.b_hh))
    local i, f = op.sigmoid(gate(self, sums, 1)), op.sigmoid(gate(self, sums, 2))
    local g, o = op.tanh(gate(self, sums, 3)), op.sigmoid(gate(self, sums, 4))
    local cell = f * c + i * g
    return o * op.tanh(cell), cell
  end,
  GRU = function(self, p, x, h)
    local of_x, of_h = linear(x, p.w_ih, p.b_ih), linear(h, p.w_hh, p.b_hh)
    local r = op.sigmoid(gate(self, of_x, 1) + gate(self, of_h, 1))
    local z = op.sigmoid(gate(self, of_x, 2) + gate(self, of_h, 2))
    local n = op.tanh(gate(self, of_x, 3) + r * gate(self, of_h, 3))
    return n + z * (h - n)
  end,
  RNN = function(self, p, x, h)
    return op[self.o.nonlinearity](op.add(linear(x, p.w_ih, p.b_ih), linear(h, p.w_hh, p.b_hh)))
  end,
}

local function forward_cell(self, x, state)
  local shape = x:shape()
  if #shape ~= 2 then
    options.fail("%s: needs one step (N, features), not an input of shape %s", self.kind, shape_text(shape))
  end
  local given = graphs.is_node(state) and { state } or state or {}
  if state ~= nil and #given ~= KINDS[self.net].states then
    options.fail("%s: state must be %s", self.kind, KINDS[self.net].states == 2 and "{ h, c }" or "h")
  end
  local states = {}
  for i = 1, KINDS[self.net].states do
    states[i] = given[i] or op.expand(op.mul(op.slice(x, { axis = 2, first = 1, last = 1 }), 0),
      { shape[1], self.hidden })
  end
  return STEPS[self.net](self, parameters(self, "", shape[2]), x, table.unpack(states))
end

local function cell(kind)
  return layers.layer(kind, { init = init, forward = forward_cell, returns_state = true })
end

local LSTMCell, GRUCell, RNNCell = cell "LSTMCell", cell "GRUCell", cell "RNNCell"

--- One step of an LSTM: `h, c = cell(x, { h, c })` with x (N, F), states (N, hidden), 0 when absent.
--- Parameters weight_ih (4 hidden, F), weight_hh, bias_ih, bias_hh, as nn.LSTM's. Over whole sequences
--- nn.LSTM gives the same numbers and is faster.
---@param hidden integer|table units, or a table of options
---@param given? table
---@return Layer
---@options CELL
function M.LSTMCell(hidden, given)
  return LSTMCell(options.arguments({ "hidden" }, CELL, "nn.LSTMCell", hidden, given))
end

--- One step of a GRU: `h = cell(x, h)` with x (N, F), h (N, hidden), 0 when absent.
---@param hidden integer|table units, or a table of options
---@param given? table
---@return Layer
---@options CELL
function M.GRUCell(hidden, given)
  return GRUCell(options.arguments({ "hidden" }, CELL, "nn.GRUCell", hidden, given))
end

--- One step of a plain recurrent net: `h = cell(x, h)` with x (N, F), h (N, hidden), 0 when absent.
---@param hidden integer|table units, or a table of options
---@param given? table
---@return Layer
---@options RNN_CELL
function M.RNNCell(hidden, given)
  return RNNCell(options.arguments({ "hidden" }, RNN_CELL, "nn.RNNCell", hidden, given))
end

return M
