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

return testing.run(tests)
