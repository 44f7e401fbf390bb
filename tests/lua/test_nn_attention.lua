-- Attention, the transformer's layers and Embedding: PyTorch's numbers, masks, memory, dropout, mistakes.
local testing = require "testing"
local data = require "data"
local nn = require "nn"
local op = require "core.op"
local tensor = require "tensor"

local tests = {}

local golden = data.npz "tests/golden/attention.npz"

-- The arrays CASE.KIND.NAME by NAME.
local function arrays(case, kind)
  local found, prefix = {}, case .. "." .. kind .. "."
  for name, array in pairs(golden) do
    if name:sub(1, #prefix) == prefix then
      found[name:sub(#prefix + 1)] = array
    end
  end
  return found
end

-- A model without data: the inputs of a case are parameters, so that one step of SGD with rate 1 shows their
-- gradients, too.
local function case_model(case, layer, call)
  local Case = nn.layer("Case", {
    forward = function(self)
      local inputs = {}
      for name, array in pairs(arrays(case, "in")) do
        inputs[name] = self:param("in." .. name, array:shape(), "zeros")
      end
      return call(layer, inputs)
    end,
  })
  return Case()
end

-- Values and all gradients of a case are PyTorch's.
local function check_case(case, layer, call, dtype, tolerance)
  local model = case_model(case, layer, call)
  local set = data.set { x = tensor.zeros({ golden[case .. ".out"]:shape()[1], 1 }, dtype),
    y = golden[case .. ".g"]:to(dtype) }
  local given = {}
  for name, array in pairs(arrays(case, "in")) do
    given["case_1.in." .. name] = array
  end
  for name, array in pairs(arrays(case, "weight")) do
    given["layer." .. name] = array
  end
  model:build(set):set_weights(given)
  testing.near(model:predict(set), golden[case .. ".out"], tolerance, case .. " " .. dtype)
  local history = model:fit(set, { optimizer = nn.SGD { lr = 1 }, epochs = 1, batch_size = "full", metrics = {},
    loss = function(prediction, target)
      return op.sum(prediction * target)
    end })
  testing.equal(history.status, "ok", history.message)
  for _, param in ipairs(model:parameters()) do
    local name = param.name:gsub("^case_1%.in%.", ""):gsub("^layer%.", "")
    testing.near(given[param.name]:to(dtype) - param.tensor, golden[case .. ".grad." .. name], tolerance,
      ("%s %s, gradient of %s"):format(case, dtype, name))
  end
end

local function check(case, make, call)
  check_case(case, make(), call, "float32", 1e-5)
  check_case(case, make(), call, "float64", 1e-6)
end

local function itself(layer, inputs)
  return layer(inputs.x)
end

local function attention(given)
  return function()
    local o = { num_heads = 3, name = "layer" }
    for key, value in pairs(given or {}) do
      o[key] = value
    end
    return nn.MultiheadAttention(o)
  end
end

tests["self-attention is PyTorch's"] = function()
  check("plain", attention(), itself)
  check("no_bias", attention { bias = false }, itself)
  check("causal", attention { causal = true }, itself)
  check("one", attention(), itself)
end

tests["masks are added to the scores, and padding is left out"] = function()
  check("masks", attention(), function(layer, inputs)
    return layer(inputs.x, { attn_mask = golden["masks.mask"], key_padding_mask = golden["masks.padding"] })
  end)
end

tests["attention to other sequences is PyTorch's"] = function()
  check("cross", attention(), function(layer, inputs)
    return layer(inputs.x, inputs.memory)
  end)
  local function three(layer, inputs)
    return layer(inputs.x, inputs.key, inputs.value)
  end
  check("three", attention(), three)
  check("widths", attention(), three)
end

tests["rotary positions turn queries and keys"] = function()
  check("rotary_self", attention { rotary = true }, itself)
  check("rotary", attention { rotary = true }, function(layer, inputs)
    return layer(inputs.x, inputs.memory)
  end)
  testing.raises("rotary needs heads of an even size, not 3", function()
    nn.MultiheadAttention(2, { rotary = true }):build { 1, 3, 6 }
  end)
end

tests["the weights of attention are given when they are asked for"] = function()
  local triangle = tensor.zeros { 5, 7 }
  for i = 1, 5 do
    for j = i + 1, 7 do
      triangle:set(i, j, -math.huge)
    end
  end
  check("weights", attention(), function(layer, inputs)
    return (select(2, layer(inputs.x, inputs.memory, { need_weights = true, attn_mask = triangle })))
  end)
  check("weights", attention { causal = true }, function(layer, inputs)
    return (select(2, layer(inputs.x, inputs.memory, { need_weights = true })))
  end)
end

local function coder(kind, given)
  return function()
    local o = { num_heads = 3, dim_feedforward = 17, dropout = 0, name = "layer" }
    for key, value in pairs(given or {}) do
      o[key] = value
    end
    return nn[kind](o)
  end
end

tests["the transformer's layers are PyTorch's"] = function()
  check("encoder", coder "TransformerEncoderLayer", itself)
  check("encoder_first", coder("TransformerEncoderLayer", { norm_first = true, activation = "gelu" }),
    function(layer, inputs)
      return layer(inputs.x, { src_key_padding_mask = golden["masks.padding"] })
    end)
  check("encoder_causal", coder("TransformerEncoderLayer", { causal = true, layer_norm_eps = 1e-3 }), itself)
  check("encoders", coder("TransformerEncoder", { num_layers = 2, norm_first = true, norm = true }), itself)
  local function decode(layer, inputs)
    return layer(inputs.x, inputs.memory)
  end
  check("decoder", coder("TransformerDecoderLayer", { causal = true }), decode)
  check("decoder_first", coder("TransformerDecoderLayer", { causal = true, norm_first = true }), decode)
end

tests["the weights of attention sum to one, and causal ones look back"] = function()
  local Weights = nn.layer("Weights", {
    init = function(self)
      self.inner = nn.MultiheadAttention(2, { causal = true })
    end,
    forward = function(self, x)
      return (select(2, self.inner(x, { need_weights = true })))
    end,
  })
  local weights = Weights():build({ 1, 5, 6 }):predict(tensor.ones { 3, 5, 6 })
  testing.equal(weights:shape(), { 3, 5, 5 })
  testing.near(weights:sum { axes = { 3 } }, tensor.ones { 3, 5 }, 1e-6)
  testing.near(weights:rows(1, 1), { 1, 0, 0, 0, 0, 1 / 2, 1 / 2, 0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0,
    1 / 4, 1 / 4, 1 / 4, 1 / 4, 0, 0.2, 0.2, 0.2, 0.2, 0.2 })
end

tests["a row without keys gives the bias of the output, and trains"] = function()
  local set = data.set { x = tensor.ones { 2, 3, 4 }, y = tensor.zeros { 2, 3, 4 } }
  local Masked = nn.layer("Masked", {
    forward = function(self, x)
      self.inner = self.inner or nn.MultiheadAttention(2)
      return self.inner(x, { attn_mask = tensor.new { { -math.huge, -math.huge, -math.huge } } })
    end,
  })
  local model = Masked():build(set)
  model:set_weights(model:weights())
  local weights = model:weights()
  weights["multiheadattention_1.out_proj.bias"] = { 1, 2, 3, 4 }
  model:set_weights(weights)
  testing.near(model:predict(set):rows(1, 1), { 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4 })
  testing.equal(model:fit(set, { epochs = 2, loss = "mse" }).status, "ok")
end

tests["gradients of the layers are right in float64"] = function()
  local function ok(...)
    local result = nn.gradcheck(...)
    testing.ok(result.ok, tostring(result))
  end
  local small = { num_heads = 2, dim_feedforward = 5, activation = "tanh", dropout = 0 }
  ok(nn.MultiheadAttention(1), { 1, 1, 1 })
  ok(nn.MultiheadAttention(3, { causal = true }), { 2, 7, 9 })
  local given = { tolerance = 1e-5 }
  ok(nn.TransformerEncoderLayer(small), { 2, 5, 6 }, given)
  ok(nn.Sequential { nn.PositionalEmbedding(6), nn.TransformerEncoderLayer(small) }, { 1, 5, 4 }, given)
  ok(nn.Sequential { nn.Embedding(11, 4), nn.PositionalEncoding(), nn.TransformerEncoder(2, small) },
    { 3, 5, below = 11 }, given)
end

tests["dropout acts in training alone, anew in each step, by the seed"] = function()
  local set = data.set { x = tensor.ones { 8, 6, 8 }, y = tensor.zeros { 8, 6, 8 } }
  local function run(seed, p)
    local given = { dim_feedforward = 8, dropout = p, norm_first = true }
    local model = nn.Sequential { nn.TransformerEncoderLayer(2, given) }
    model:build(set, { seed = 1 })
    local history = model:fit(set, { epochs = 2, seed = seed, optimizer = nn.SGD { lr = 1e-30 }, loss = "mse" })
    return history:column "loss", model:evaluate(set, { loss = "mse" }).loss
  end
  local dropped, evaluated = run(1, 0.3)
  local plain, same = run(1, 0)
  testing.near(evaluated, same)
  testing.near(plain[1], plain[2])
  testing.differ(dropped[1], dropped[2])
  testing.equal((run(1, 0.3)), dropped)
  testing.differ((run(2, 0.3)), dropped)
end

-- ---- indices and positions ----

local function embedding_case(case, given)
  local layer = nn.Embedding(7, 3, given)
  local set = data.set { x = golden["embedding.index"], y = golden[case .. ".g"] }
  local model = nn.Sequential { layer }
  local weight = golden[case .. ".weight.weight"]
  model:build(set):set_weights { ["embedding_1.weight"] = weight }
  testing.near(model:predict(set), golden[case .. ".out"])
  model:fit(set, { optimizer = nn.SGD { lr = 1 }, epochs = 1, batch_size = "full", metrics = {},
    loss = function(prediction, target)
      return op.sum(prediction * target)
    end })
  testing.near(weight - model:parameters()[1].tensor, golden[case .. ".grad.weight"], 1e-6)
end

tests["Embedding is PyTorch's, with a row for padding, too"] = function()
  embedding_case "embedding"
  embedding_case("embedding_padding", { padding_idx = 2 })
  local model = nn.Embedding(5, 3, { padding_idx = 4 }):build(tensor.zeros({ 1, 2 }, "int64"))
  testing.near(model:weights()["embedding_1.weight"]:rows(5, 5), { 0, 0, 0 })
  testing.ok(model:weights()["embedding_1.weight"]:rows(4, 4):norm():item() > 0)
end

tests["a sparse Embedding changes only vectors that occur, as SparseAdam does"] = function()
  local set = data.set { x = golden["sparse.index"], y = golden["sparse.g"] }
  local function trained(given, threads)
    local model = nn.Sequential { nn.Embedding(6, 3, given) }
    model:build(set):set_weights { ["embedding_1.weight"] = golden["sparse.before"] }
    model:fit(set, { optimizer = nn.Adam { lr = 0.1 }, epochs = 1, batch_size = 1, shuffle = false, metrics = {},
      threads = threads, loss = function(prediction, target)
        return op.sum(prediction * target)
      end })
    return model:parameters()[1].tensor
  end
  testing.near(trained { sparse = true }, golden["sparse.after"], 1e-5)
  testing.equal(trained({ sparse = true }, 2):totable(), trained({ sparse = true }):totable())
  testing.equal(trained({ sparse = true }):rows(3, 3):totable(), golden["sparse.before"]:rows(3, 3):totable())
  testing.ok((trained {} - golden["sparse.after"]):norm():item() > 0.1)
end

tests["an index outside the table is named before training"] = function()
  local model = nn.Sequential { nn.Embedding(4, 2), nn.Flatten(), nn.Linear(1) }
  local function set(last)
    return data.set { x = tensor.new({ { 0, 3 }, { 1, 2 }, { 2, last } }, "int64"), y = tensor.zeros { 3, 1 } }
  end
  testing.raises("embedding_1: row 3 holds the index 4; they go from 0 to 3", model.fit, model, set(4))
  testing.raises("row 3 holds the index -1", model.fit, model, set(-1))
  testing.equal(model:fit(set(0), { epochs = 1 }).status, "ok")
  testing.equal(model:predict(set(1)):shape(), { 3, 1 })
  testing.raises("row 3 holds the index 9", model.predict, model, set(9))
  testing.raises("needs int64 indices, not float32", function()
    nn.Embedding(3, 2):build { 1, 4 }
  end)
end

tests["positions have sines and cosines, or a vector that is learned"] = function()
  local model = nn.PositionalEncoding():build { 1, 3, 4 }
  local s, c = math.sin, math.cos
  testing.near(model:predict(tensor.zeros { 1, 3, 4 }),
    { 0, 1, 0, 1, s(1), c(1), s(0.01), c(0.01), s(2), c(2), s(0.02), c(0.02) })
  local learned = nn.PositionalEmbedding(5, { weight_init = "ones" }):build { 1, 3, 2 }
  testing.near(learned:predict(tensor.zeros { 2, 3, 2 }), tensor.ones { 2, 3, 2 })
  testing.raises("the sequence has 6 positions, max_len is 5", function()
    learned:predict(tensor.zeros { 1, 6, 2 })
  end)
end

tests["mistakes are named"] = function()
  testing.raises("option 'num_heads' is missing", nn.MultiheadAttention)
  testing.raises("attention has no option 'head'", function()
    op.attention(tensor.ones { 1, 2, 6 }, { head = 2 })
  end)
  testing.raises("unknown option 'causl' (did you mean 'causal'?)", nn.MultiheadAttention, 2, { causl = true })
  testing.raises("5 columns cannot be shared by 2 heads", function()
    nn.MultiheadAttention(2):build { 1, 3, 5 }
  end)
  testing.raises("needs sequences (N, T, E), not (1, 5)", function()
    nn.TransformerEncoderLayer(1):build { 1, 5 }
  end)
  testing.raises("call it as decoder(x, memory)", function()
    nn.TransformerDecoderLayer(1):build { 1, 5, 4 }
  end)
end

return testing.run(tests)
