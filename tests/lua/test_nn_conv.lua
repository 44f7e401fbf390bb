-- Convolutional layers: shapes, starting values, activations folded in, and what is said about mistakes.
-- PyTorch's numbers for them are in test_nn_norm.lua.
local testing = require "testing"
local data = require "data"
local nn = require "nn"
local tensor = require "tensor"

local tests = {}

local function shape_after(layer, shape)
  return nn.Sequential { layer }:build(shape):predict(tensor.zeros(shape)):shape()
end

tests["sizes follow PyTorch's formulas"] = function()
  local image = { 2, 3, 11, 8 }
  testing.equal(shape_after(nn.Conv2d(5, 3), image), { 2, 5, 9, 6 })
  testing.equal(shape_after(nn.Conv2d(5, 3, { stride = 2, padding = 1 }), image), { 2, 5, 6, 4 })
  testing.equal(shape_after(nn.Conv2d(5, { kernel_size = { 1, 4 }, dilation = { 1, 2 } }), image), { 2, 5, 11, 2 })
  testing.equal(shape_after(nn.Conv2d(5, 4, { padding = "same" }), image), { 2, 5, 11, 8 })
  testing.equal(shape_after(nn.ConvTranspose2d(5, 3, { stride = 2 }), image), { 2, 5, 23, 17 })
  testing.equal(shape_after(nn.ConvTranspose2d(5, 3, { stride = 2, output_padding = 1 }), image), { 2, 5, 24, 18 })
  testing.equal(shape_after(nn.Conv1d(4, 3), { 2, 3, 11 }), { 2, 4, 9 })
  testing.equal(shape_after(nn.ConvTranspose1d(4, 3, { stride = 3 }), { 2, 3, 11 }), { 2, 4, 33 })
end

tests["weights are named and shaped as in PyTorch"] = function()
  local model = nn.Sequential {
    nn.Conv2d(6, { kernel_size = { 5, 3 }, groups = 2 }), nn.ConvTranspose2d(9, 2, { groups = 3, bias = false }),
  }
  local found = {}
  for _, param in ipairs(model:build { 1, 4, 9, 9 }:parameters()) do
    found[param.name] = table.concat(param.tensor:shape(), "x")
  end
  testing.equal(found, { ["conv2d_1.weight"] = "6x2x5x3", ["conv2d_1.bias"] = "6",
    ["convtranspose2d_1.weight"] = "6x3x2x2" })
end

-- Uniform within 1 / sqrt(fan in), which of a transposed convolution counts the weight's second axis.
tests["weights and biases start as PyTorch's do"] = function()
  for _, case in ipairs {
    { nn.Conv2d(50, 5), 4 * 25 }, { nn.Conv2d(50, 5, { groups = 2 }), 2 * 25 },
    { nn.ConvTranspose2d(50, 5), 50 * 25 }, { nn.Conv1d(400, 3), 4 * 3, 3 },
  } do
    local layer, fan, axes = table.unpack(case)
    local model = nn.Sequential { layer }:build(axes == 3 and { 1, 4, 9 } or { 1, 4, 9, 9 })
    local bound = 1 / math.sqrt(fan)
    for _, param in ipairs(model:parameters()) do
      local largest = tensor.abs(param.tensor):max():item()
      testing.ok(largest <= bound, param.name .. " beyond its bound")
      testing.ok(largest > 0.9 * bound, param.name .. " does not reach near its bound")
    end
  end
end

tests["an activation folded into a convolution changes nothing"] = function()
  local x = tensor.randn { 5, 3, 9, 7 }
  for _, channels in ipairs { 5, 20 } do
    local plain = nn.Sequential { nn.Conv2d(channels, 3, { padding = 1, name = "a" }) }:build { 1, 3, 9, 7 }
    local folded = nn.Sequential { nn.Conv2d(channels, 3, "tanh", { padding = 1, name = "a" }) }:build { 1, 3, 9, 7 }
    folded:set_weights { ["a.weight"] = plain:parameters()[1].tensor, ["a.bias"] = plain:parameters()[2].tensor }
    testing.near(folded:predict(x), tensor.tanh(plain:predict(x)), 1e-6)
  end
end

tests["a picture's result does not depend on its batch, nor on threads"] = function()
  local x = tensor.randn { 7, 13, 9, 10 }
  local model = nn.Sequential { nn.Conv2d(16, 3, "relu", { padding = 1 }), nn.Conv2d(3, 3) }:build { 1, 13, 9, 10 }
  local all = model:predict(x)
  for i = 1, 7 do
    testing.equal(model:predict(x[{ { i, i } }]):totable(), all[{ { i, i } }]:totable())
  end
  local set = data.set { x = x, y = tensor.zeros { 7, 3, 7, 8 } }
  local losses = {}
  for threads = 1, 2 do
    local again = nn.Sequential { nn.Conv2d(40, 3, "relu", { padding = 1 }), nn.Conv2d(3, 3) }
    local history = again:fit(set, { loss = "mse", epochs = 3, batch_size = 7, seed = 1, threads = threads })
    losses[threads] = history.epochs[3].loss
  end
  testing.equal(losses[1], losses[2])
end

-- Large batches are divided into pieces (conv_pieces in core/op/conv_layout.c), single pictures are not.
tests["a large batch's gradients are the sums of its pictures'"] = function()
  local x, g = tensor.randn { 32, 3, 16, 16 }, tensor.randn { 32, 32, 16, 16 }
  local weight, bias = tensor.randn { 32, 3, 3, 3 }, tensor.zeros { 32 }
  for argument = 1, 2 do
    local function gradient(first, last)
      local part, part_g = x[{ { first, last } }], g[{ { first, last } }]
      return tensor.grad(function(w, b)
        return (tensor.conv(part, w, b, { padding = 1 }) * part_g):sum()
      end, argument)(weight, bias)
    end
    local sum = gradient(1, 1)
    for i = 2, 32 do
      sum = sum + gradient(i, i)
    end
    testing.near(gradient(1, 32), sum, 1e-3)
  end
end

tests["mistakes name sizes"] = function()
  local function build(layer, shape)
    return function() nn.Sequential { layer }:build(shape) end
  end
  testing.raises("Conv2d: needs an input (n, channels, height, width), not of shape (1, 3)",
    build(nn.Conv2d(4, 3), { 2, 3 }))
  testing.raises("Conv1d: needs an input (n, channels, length)", build(nn.Conv1d(4, 3), { 2, 3, 4, 5 }))
  testing.raises("the kernel of (4, 3, 5, 5) reaches over 5, but with padding the input (1, 3, 4, 9) is only 4 there",
    build(nn.Conv2d(4, 5), { 2, 3, 4, 9 }))
  testing.raises("groups must divide the input's 3 channels and out_channels, 4; 2 does not",
    build(nn.Conv2d(4, 3, { groups = 2 }), { 2, 3, 9, 9 }))
  testing.raises('padding "same" needs stride 1, not 2', build(nn.Conv2d(4, 3, { padding = "same", stride = 2 }),
    { 2, 3, 9, 9 }))
  testing.raises("kernel_size has 3 entries; give a number or { height, width }",
    build(nn.Conv2d(4, { kernel_size = { 1, 2, 3 } }), { 2, 3, 9, 9 }))
  testing.raises("kernel_size must be at least 1, not 0", build(nn.Conv2d(4, 0), { 2, 3, 9, 9 }))
  testing.raises("out_channels must be at least 1, not 0", build(nn.Conv2d(0, 3), { 2, 3, 9, 9 }))
  testing.raises("stride must be at least 1, not 0", build(nn.Conv2d(4, 3, { stride = 0 }), { 2, 3, 9, 9 }))
  testing.raises("padding must be at least 0, not -2", build(nn.Conv2d(4, 3, { padding = -2 }), { 2, 3, 9, 9 }))
  testing.raises("output_padding 2 must be less than the stride, 2, or the dilation, 1",
    build(nn.ConvTranspose2d(4, 3, { stride = 2, output_padding = 2 }), { 2, 3, 9, 9 }))
end

return testing.run(tests)
