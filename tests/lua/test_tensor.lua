--- Tensors at the prompt: element types, indexing, what shares memory, gradients, printing, messages.
--- Values against NumPy are in test_tensor_numpy.lua.
local testing = require "testing"
local tensor = require "tensor"

local tests = {}
local equal, raises = testing.equal, testing.raises

-- ---- creation ----

tests["tensors are made from tables, ranges and values"] = function()
  equal(tensor.new({ { 1, 2 }, { 3, 4 } }):totable(), { { 1, 2 }, { 3, 4 } })
  equal(tensor.new(5):totable(), 5)
  equal(tensor.new({ 1, 2 }, "int64"):dtype(), "int64")
  equal(tensor.arange(2, 8, 3):totable(), { 2, 5, 8 })
  equal(tensor.arange(1, 0):size(), 0)
  equal(tensor.linspace(0, 1, 5):totable(), { 0, 0.25, 0.5, 0.75, 1 })
  equal(tensor.linspace(3, 4, 1, "float64"):totable(), { 3 })
  equal(tensor.linspace(0, 1, 0):size(), 0)
  equal(tensor.eye(2):totable(), { { 1, 0 }, { 0, 1 } })
  equal(tensor.eye(2, "int64"):dtype(), "int64")
  equal(tensor.full({ 2 }, 7, "int64"):totable(), { 7, 7 })
  raises("the table is ragged", function() tensor.new { { 1, 2 }, { 3 } } end)
  raises('unknown dtype "float16"', function() tensor.zeros({ 2 }, "float16") end)
end

tests["random tensors follow the seed and nothing else"] = function()
  tensor.manual_seed(3)
  local a, b = tensor.rand { 5 }, tensor.randn { 5 }
  testing.differ(a:hash(), b:hash())
  tensor.manual_seed(3)
  equal(tensor.rand({ 5 }):hash(), a:hash())
  testing.differ(tensor.rand({ 5 }):hash(), a:hash())
  tensor.manual_seed(4)
  testing.differ(tensor.rand({ 5 }):hash(), a:hash())
  local many = tensor.rand({ 100000 })
  testing.near(many:mean():item(), 0.5, 0.01)
  testing.ok(many:max():item() < 1 and many:min():item() >= 0)
  local normal = tensor.randn({ 100000 }, "float64")
  testing.near({ normal:mean():item(), normal:std():item() }, { 0, 1 }, 0.02)
  local dice = tensor.randint(1, 7, { 6000 })
  equal({ dice:min():item(), dice:max():item(), dice:dtype() }, { 1, 6, "int64" })
  equal(tensor.randperm(50):sort():totable(), tensor.arange(0, 49):totable())
  raises("there are none", function() tensor.randint(3, 3, { 1 }) end)
  raises("see randint", function() tensor.rand({ 1 }, "int64") end)
end

-- ---- element types ----

tests["types meet in the wider one, numbers take the tensor's"] = function()
  local f32, f64, i64 = tensor.ones { 2 }, tensor.ones({ 2 }, "float64"), tensor.ones({ 2 }, "int64")
  equal((f32 + f64):dtype(), "float64")
  equal((i64 + f32):dtype(), "float32")
  equal((i64 * f64):dtype(), "float64")
  equal((i64 + 1):dtype(), "int64")
  equal((i64 + 1.5):totable(), { 2.5, 2.5 })
  equal((f64 * 2):dtype(), "float64")
  equal((i64 / 2):dtype(), "float32")
  equal(i64:mean():dtype(), "float32")
  equal(i64:sum():dtype(), "int64")
  equal(i64:equal(1):dtype(), "float32")
  equal(tensor.where(f32, i64, 0):dtype(), "int64")
end

tests["int64 is exact, and division rounds down as Lua's"] = function()
  local big = tensor.new({ 2 ^ 53 // 1 | 0, math.maxinteger }, "int64")
  equal((big + 1):totable(), { 9007199254740993, math.mininteger })
  local a = tensor.new({ 7, -7, 7, -7 }, "int64")
  local b = tensor.new({ 2, 2, -2, -2 }, "int64")
  equal((a // b):totable(), { 3, -4, -4, 3 })
  equal((a % b):totable(), { 1, 1, -1, -1 })
  raises("division of int64 by zero", function() return a // 0 end)
  raises("int64 to the power -1 is no integer", function() return a ^ -1 end)
end

-- ---- indexing ----

local function grid()
  return tensor.arange(1, 12):view { 3, 4 }
end

tests["rows and ranges of rows are views, everything else is a copy"] = function()
  local x = grid()
  x[2][3] = 70
  equal(x:get(2, 3), 70)
  local rows = x[{ { 2, 3 } }]
  rows[1] = 0
  equal(x[2]:totable(), { 0, 0, 0, 0 })
  local column = x[{ {}, 1 }]
  column[1] = 99
  equal(x:get(1, 1), 1)
  x:view({ 12 })[12] = 5
  x:reshape({ 2, -1 })[2] = tensor.zeros { 6 }
  equal(x:view({ 6, -1 })[6]:totable(), { 0, 0 })
  x:flatten()[12] = 5
  equal(x:get(3, 4), 5)
  x:detach()[1] = 8
  equal(x[1]:totable(), { 8, 8, 8, 8 })
end

tests["elements are numbers, of int64 whole ones"] = function()
  local x = tensor.new({ 4, 5, 6 }, "int64")
  equal(math.type(x[2]), "integer")
  equal({ x[1], x[-1] }, { 4, 6 })
  equal(grid()[{ 2, -1 }], 8)
  equal(grid()["3, 1"], 9)
  equal(#grid(), 3)
end

tests["ranges may be written as text"] = function()
  local x = tensor.arange(1, 6)
  equal(x["2:4"]:totable(), { 2, 3, 4 })
  equal(x["::2"]:totable(), { 1, 3, 5 })
  equal(x["::-1"]:totable(), { 6, 5, 4, 3, 2, 1 })
  equal(x["-2:"]:totable(), { 5, 6 })
  equal(x[":-5"]:totable(), { 1, 2 })
  equal(grid()[" 1:2 , -1 "]:totable(), { 4, 8 })
  raises("not 'x'", function() return x["1:x"] end)
end

tests["masks and places select, and write"] = function()
  local x = grid()
  equal(x[x:greater(10)]:totable(), { 11, 12 })
  x[x:greater(10) | x:less(2)] = 0
  equal({ x:get(1, 1), x:get(3, 3), x:get(2, 2) }, { 0, 0, 6 })
  x[x:equal(0)] = tensor.new { 7, 8, 9 }
  equal({ x:get(1, 1), x:get(3, 3), x:get(3, 4) }, { 7, 8, 9 })
  local order = tensor.new { 3, 1, 2 }
  equal(order[order:argsort()]:totable(), { 1, 2, 3 })
  equal(x[x:greater(100)]:size(), 0)
end

tests["writing converts and broadcasts the value, and copes with itself"] = function()
  local x = tensor.zeros { 2, 3 }
  x[":"] = tensor.new({ 1, 2, 3 }, "int64")
  equal(x:totable(), { { 1, 2, 3 }, { 1, 2, 3 } })
  x[{ {}, 1 }] = { 5, 6 }
  equal(x:totable(), { { 5, 2, 3 }, { 6, 2, 3 } })
  local line = tensor.arange(1, 6)
  line["2:6"] = line["1:5"]
  equal(line:totable(), { 1, 1, 2, 3, 4, 5 })
  local whole = tensor.zeros({ 2 }, "int64")
  whole[1] = 3.0
  equal(whole:totable(), { 3, 0 })
  raises("3.7 is no whole number, and an int64 tensor has only those", function() whole[1] = 3.7 end)
end

tests["wrong indices are refused with the shape"] = function()
  local x = grid()
  raises("index 4 is outside axis 1 of shape (3, 4)", function() return x[4] end)
  raises("index 0 is outside axis 1 of shape (3, 4); indices count from 1", function() return x[0] end)
  raises("index 5 is outside axis 2", function() return x[{ 1, { 2, 5 } }] end)
  raises("3 indices for a tensor of shape (3, 4)", function() return x[{ 1, 1, 1 }] end)
  raises("a range is t[{ { first, last } }]", function() return tensor.ones({ 3 })[{ 1, 2 }] end)
  raises("must be a whole number, got 1.5", function() return x[1.5] end)
  raises("does not fit", function() return x[tensor.ones { 2 }] end)
  raises("place 3 is outside axis 1, which has the places 0 to 2", function()
    return x[tensor.new({ 3 }, "int64")]
  end)
  raises("a value of shape (2,) does not fit into a part of shape (4,)", function() x[1] = { 1, 2 } end)
  raises("a tensor has no field 'shape' to set", function() x.shape = 3 end)
  raises("has no elements to index", function() return tensor.new(1)[1] end)
  equal(x.no_such_method, nil)
end

-- ---- operators ----

tests["operators work on elements, on truth, and put rows together"] = function()
  local x = tensor.new { -3, 0, 5 }
  equal((x % 4):totable(), { 1, 0, 1 })
  equal((x // 2):totable(), { -2, 0, 2 })
  equal((x:less(0) | x:greater(3)):totable(), { 1, 0, 1 })
  equal((~x:equal(0) & x:less(1)):totable(), { 1, 0, 0 })
  equal((x .. tensor.new { 1 }):totable(), { -3, 0, 5, 1 })
  equal("x = " .. tensor.new(3), "x = 3  tensor float32 ()")
  equal((2 ^ tensor.new { 1, 3 }):totable(), { 2, 8 })
  equal((-x):totable(), { 3, 0, -5 })
end

tests["NAME_ writes over its operand, and only that"] = function()
  local all = tensor.arange(1, 10)
  local part = all["2:4"]
  equal(rawequal(part:add_(10), part), true)
  part:mul_(tensor.new { 1, 2, 3 })
  equal(all:totable(), { 1, 12, 26, 42, 5, 6, 7, 8, 9, 10 })
  all:clip_(0, 9)
  equal(all[4], 9)
  equal(tensor.new({ 1, 2 }, "int64"):add_(1):totable(), { 2, 3 })
  raises("add_: the result has shape (2, 3) and does not fit into (3,)", function()
    tensor.ones({ 3 }):add_(tensor.ones { 2, 3 })
  end)
  raises("add_: the result is float64 and cannot be written into a tensor of float32", function()
    tensor.ones({ 3 }):add_(tensor.ones({ 3 }, "float64"))
  end)
end

tests["all and any are true or false, with axes tensors"] = function()
  local x = tensor.new { { 1, 0 }, { 1, 1 } }
  equal({ x:all(), x:any(), tensor.zeros({ 2 }):any(), tensor.zeros({ 0 }):all() }, { false, true, false, true })
  equal(x:all(1):totable(), { 1, 0 })
  testing.ok(tensor.new({ 1, 2 }):allclose(tensor.new { 1, 2 + 1e-7 }))
  testing.ok(not tensor.new({ 1, 2 }):allclose(2))
end

tests["axes, sizes and lists that do not fit are refused by name"] = function()
  local x = grid()
  raises("compared element by element with x:less(y)", function() return x < x end)
  raises("topk: k must be a whole number from 1", function() x:topk(0) end)
  raises("squeeze: there is no axis", function() x:squeeze(x) end)
  raises("split: the sizes sum to 2", function() x:split { 1, 1 } end)
  raises("squeeze: there is no axis 3", function() x:squeeze(3) end)
  raises("stack: tensor 2 has shape (2), the first (3)", function() tensor.stack { x["1:3,1"], x["1:2,1"] } end)
  raises("expected a list of tensors", function() tensor.stack {} end)
  raises("bincount: -1 is negative", function() tensor.new({ 0, -1 }, "int64"):bincount() end)
  raises("one_hot: labels go from 0 to 1", function() tensor.new({ 0, 2 }, "int64"):one_hot(2) end)
  raises("einsum: axis 'j' has 4 elements in one operand and 3", function() tensor.einsum("ij,jk->ik", x, x) end)
  raises("names 1 operands, and 2", function() tensor.einsum("ij->i", x, x) end)
  raises("diagonals are not supported", function() tensor.einsum("ii->i", tensor.eye(2)) end)
end

-- ---- linear algebra ----

tests["matrices that have no solution are refused"] = function()
  local flat = tensor.new { { 1, 2 }, { 2, 4 } }
  raises("solve: the matrix is singular", function() flat:solve(tensor.ones { 2 }) end)
  raises("inv: the matrix is singular", function() flat:inv() end)
  raises("not positive definite", function() tensor.new({ { 1, 2 }, { 2, 1 } }):cholesky() end)
  raises("needs square matrices (..., n, n), not shape (2, 3)", function() tensor.ones({ 2, 3 }):det() end)
  raises("needs a matrix", function() tensor.ones({ 2 }):svd() end)
  raises("has no gradient; take it of x:detach()", function() tensor.eye(2):requires_grad():qr() end)
  local x, rank = tensor.lstsq(flat, tensor.new { 1, 2 })
  testing.near(x, { 0.2, 0.4 }, 1e-6)
  equal(rank, 1)
end

-- ---- gradients ----

tests["backward adds gradients up in leaves"] = function()
  local w = tensor.new({ 1, 2, 3 }, "float64"):requires_grad()
  local b = tensor.new(2, "float64"):requires_grad()
  equal(w:grad(), nil)
  local y = ((w * w + b) * tensor.new { 1, 0, 2 }):sum()
  y:backward()
  equal(w:grad():totable(), { 2, 0, 12 })
  equal(b:grad():item(), 3)
  equal(w:grad():dtype(), "float64")
  y:backward()
  equal(b:grad():item(), 6)
  equal(w:zero_grad():grad(), nil)
  testing.ok(y:is_tracked() and not y:detach():is_tracked())
end

tests["gradients go through indexing, shapes, mixed types and several results"] = function()
  local x = tensor.arange(1, 6):view({ 2, 3 }):requires_grad()
  local picked = x[1] * 2 + x[{ 2, { 3, 1, -1 } }] + x[{ {}, -1 }]:sum()
  local sorted = x:view({ 6 }):sort(1, true)
  local masked = x[x:greater(4)] * tensor.new({ 10, 20 }, "float64")
  local total = picked:sum():to "float64" + sorted[1] * 100 + masked:sum() + x:rows(2, 2):transpose():mean()
  total:backward()
  testing.near(x:grad(), { { 2, 2, 5 }, { 1 + 1 / 3, 11 + 1 / 3, 1 + 3 + 100 + 20 + 1 / 3 } })
  equal(x:grad():dtype(), "float32")
end

tests["functions of the module pass gradients on"] = function()
  local a = tensor.randn({ 2, 3 }, "float64"):requires_grad()
  local b = tensor.randn({ 3, 2 }, "float64")
  local parts = tensor.stack { a, a * 2 }
  local y = tensor.einsum("ij,jk->", a, b) + parts[2]:sum() + tensor.concat({ a, a }, 1):std()
    + a:tile({ 2, 1 }):flip():cumsum(1):sum() + a:topk(1):sum()
  y:backward()
  local h = 1e-6
  for i = 1, 2 do
    for j = 1, 3 do
      local function value(by)
        local x = tensor.new(a:detach())
        x:set(i, j, x:get(i, j) + by)
        return (tensor.einsum("ij,jk->", x, b) + (x * 2):sum() + tensor.concat({ x, x }, 1):std()
          + x:tile({ 2, 1 }):flip():cumsum(1):sum() + x:topk(1):sum()):item()
      end
      testing.near(a:grad():get(i, j), (value(h) - value(-h)) / (2 * h), 1e-6)
    end
  end
end

-- The gradient of f at x, element by element, against differences; f makes one number.
local function check_gradient(f, x, what)
  local got, h, flat = tensor.grad(f)(x), 1e-6, x:size()
  for i = 1, flat do
    local function value(by)
      local moved = tensor.new(x):view { flat }
      moved:set(i, moved:get(i) + by)
      return f(moved:view(x:shape())):item()
    end
    testing.near(got:view({ flat }):get(i), (value(h) - value(-h)) / (2 * h), 1e-6, what)
  end
end

tests["solve, inv, det and cholesky pass gradients on"] = function()
  for _, shape in ipairs { { 1, 1 }, { 3, 3 }, { 2, 3, 3 } } do
    local n = shape[#shape]
    local rows = { table.unpack(shape, 1, #shape - 1) }
    local a = tensor.randn(shape, "float64") + tensor.eye(n, n, "float64") * 3
    local b, weights = tensor.randn(shape, "float64"), tensor.randn(shape, "float64")
    local column = tensor.randn(rows, "float64")
    local text = table.concat(shape, "x")
    check_gradient(function(x) return (x:solve(b) * weights):sum() end, a, "solve of a " .. text)
    check_gradient(function(x) return (a:solve(x) * weights):sum() end, b, "solve of b " .. text)
    check_gradient(function(x) return (x:solve(column) * column):sum() end, a, "solve of a vector " .. text)
    check_gradient(function(x) return (x:inv() * weights):sum() end, a, "inv " .. text)
    check_gradient(function(x) return x:det():sum() end, a, "det " .. text)
    check_gradient(function(x)
      return (x:matmul(x, { trans_b = true }):cholesky() * weights):sum()
    end, a, "cholesky " .. text)
    equal(tensor.solve(tensor.new(a):requires_grad(), b):detach():totable(), a:solve(b):totable())
  end
  -- PyTorch's gradient of a Cholesky factor is symmetric: torch.linalg.cholesky([[4, 2], [2, 5]])[1, 0]
  local x = tensor.new({ { 4, 2 }, { 2, 5 } }, "float64")
  testing.near(tensor.grad(function(m) return m:cholesky()[2][1] end)(x), { -0.125, 0.25, 0.25, 0 }, 1e-12)
end

tests["shapes and axes may be given one by one"] = function()
  local x = tensor.arange(1, 6)
  equal(x:reshape(3, 2):totable(), { { 1, 2 }, { 3, 4 }, { 5, 6 } })
  equal(x:reshape(3, 2):transpose(2, 1):totable(), { { 1, 3, 5 }, { 2, 4, 6 } })
  equal(x:reshape(2, -1):requires_grad():reshape(3, 2):flip(1, 2):shape(), { 3, 2 })
  raises("sum: too many arguments", function() x:sum(1, true, 2) end)
end

tests["a gradient that arrives may be given"] = function()
  local x = tensor.new({ 1, 2 }):requires_grad()
  local y = x * x
  raises("needs a value of one element", function() y:backward() end)
  raises("the value has shape (2,) and the gradient given (3,)", function() y:backward(tensor.ones { 3 }) end)
  y:backward(tensor.new { 10, 1 })
  equal(x:grad():totable(), { 20, 4 })
end

tests["grad and value_and_grad differentiate functions"] = function()
  local function f(x, y)
    local total = (x * y):sum()
    for _ = 1, 2 do
      total = total * 2
    end
    return total
  end
  local x, y = tensor.new { 1, 2 }, tensor.new { 3, 4 }
  equal(tensor.grad(f)(x, y):totable(), { 12, 16 })
  equal(tensor.grad(f, 2)(x, y):totable(), { 4, 8 })
  local value, dy, dx = tensor.value_and_grad(f, { 2, 1 })(x, y)
  equal({ value:item(), dx:totable(), dy:totable() }, { 44, { 12, 16 }, { 4, 8 } })
  equal(x:is_tracked(), false)
  equal(tensor.grad(function(t) return t * t * t end)(2):item(), 12)
  equal(tensor.grad(function() return tensor.ones {} end)(x):totable(), { 0, 0 })
  raises("must return a tensor of one element, got shape (2)", function() tensor.grad(function(t) return t end)(x) end)
  raises("gradients have none of their own", function() tensor.grad(tensor.grad(function(t) return t * t end))(2) end)
  raises("argnums is a number", function() tensor.grad(f, "x") end)
  raises("argument 1 must be a tensor or a number", function() tensor.grad(f)({}) end)
end

tests["what a gradient needs may not be written over unseen"] = function()
  local w = tensor.new({ 1, 2 }):requires_grad()
  raises("takes part in a gradient", function() w[1] = 3 end)
  raises("takes part in a gradient", function() w:add_(1) end)
  raises("takes part in a gradient", function() w:copy(tensor.ones { 2 }) end)
  local y = (w * w):sum()
  tensor.no_grad(function() w:sub_(1) end)
  equal(w:detach():totable(), { 0, 1 })
  raises("a tensor that mul needs for its gradient was written to", function() y:backward() end)
  local z = (w + 1):sum() -- a sum reads no values on the way back
  w:detach():mul_(2)
  z:backward()
  equal(w:grad():totable(), { 1, 1 })
end

tests["no_grad remembers nothing and passes on results and errors"] = function()
  local w = tensor.new({ 1, 2 }):requires_grad()
  local a, b = tensor.no_grad(function(k) return w * k, "x" end, 3)
  equal({ a:is_tracked(), a:totable(), b }, { false, { 3, 6 }, "x" })
  raises("boom", function() tensor.no_grad(function() error "boom" end) end)
  testing.ok((w * 2):is_tracked())
end

tests["what has no gradient says so"] = function()
  raises("nothing to go back to", function() tensor.ones({}):backward() end)
  raises("int64 tensors have no gradient", function() tensor.ones({ 2 }, "int64"):requires_grad() end)
  local x = tensor.new({ 3, 1 }):requires_grad()
  equal(x:argmax():is_tracked(), false)
  equal(x:greater(2):is_tracked(), false)
  equal(x:requires_grad(false):is_tracked(), false)
end

tests["gradient descent on a hand-written loss finds the line"] = function()
  local x = tensor.linspace(-1, 1, 21):view { 21, 1 }
  local y = x * 3 - 0.5
  local w, b = tensor.zeros({ 1, 1 }):requires_grad(), tensor.zeros({ 1 }):requires_grad()
  for _ = 1, 300 do
    w:zero_grad()
    b:zero_grad()
    local loss = (x:matmul(w) + b - y):square():mean()
    loss:backward()
    tensor.no_grad(function()
      w:sub_(w:grad() * 0.3)
      b:sub_(b:grad() * 0.3)
    end)
  end
  testing.near({ w:item(), b:item() }, { 3, -0.5 }, 1e-4)
end

-- ---- printing, memory ----

tests["numbers are printed in columns with one format"] = function()
  equal(tostring(tensor.new { { 1, -20 }, { 3, 4 } }), "{{  1, -20},\n {  3,   4}}  tensor float32 (2, 2)")
  equal(tostring(tensor.new { 0.5, 1, 1.25 }), "{0.50, 1.00, 1.25}  tensor float32 (3,)")
  equal(tostring(tensor.new { 1e-9, 1 }), "{1.0000e-09, 1.0000e+00}  tensor float32 (2,)")
  equal(tostring(tensor.new { 0 / 0, 1 / 0, -1 / 0 }):gsub("%-nan", "nan"), "{ nan,  inf, -inf}  tensor float32 (3,)")
  equal(tostring(tensor.new(2.5)), "2.5  tensor float32 ()")
  equal(tostring(tensor.zeros { 0, 3 }), "{}  tensor float32 (0, 3)")
  equal(tostring(tensor.new({ math.maxinteger }, "int64")), "{9223372036854775807}  tensor int64 (1,)")
  equal(tostring(tensor.new({ 1 }):requires_grad()), "{1}  tensor float32 (1,) with gradient")
end

tests["long axes are cut, long rows are wrapped"] = function()
  local text = tostring(tensor.arange(1, 2000))
  equal(text, "{   1,    2,    3, ..., 1998, 1999, 2000}  tensor float32 (2000,)")
  local square = tostring(tensor.zeros { 50, 50 })
  equal(select(2, square:gsub("\n", "")), 6)
  testing.contains(square, "{0, 0, 0, ..., 0, 0, 0}")
  for line in tostring(tensor.rand { 200 }):gmatch "[^\n]+" do
    testing.ok(#line <= 105, line)
  end
end

tests["a loop over large tensors does not fill memory"] = function()
  local x = tensor.ones { 1000, 1000 }
  for _ = 1, 300 do
    x = x * 1
  end
  local peak = io.open("/proc/self/status"):read("a"):match "VmHWM:%s*(%d+)"
  testing.ok(tonumber(peak) < 600 * 1024, peak .. " KB; all of it would be 1.2 GB")
end

tests["methods complete and have help"] = function()
  local repl, help = require "repl", require "help"
  _G.given = tensor.ones { 2 } -- luacheck: ignore
  equal(repl.complete("given:argm", 1), { "given:argmax(", "given:argmin(" })
  equal(repl.complete("given:requires", 1), { "given:requires_grad(" })
  equal(repl.complete("tensor.lins", 1), { "tensor.linspace(" })
  local text = help.text(_G.given)
  _G.given = nil -- luacheck: ignore
  testing.contains(text, ":backward")
  testing.contains(text, ":topk")
  testing.contains(help.text(tensor.svd), "tensor.svd(x, full?)")
  testing.contains(help.text "einsum", "tensor.einsum(spec, a, b?)")
end

tests["a gradient through statistics is refused, not lost"] = function()
  for _, name in ipairs { "layer_norm", "rms_norm", "batch_norm", "local_response_norm" } do
    local x = tensor.ones { 2, 3, 4 }:requires_grad()
    local y, statistics = x[name](x, name == "local_response_norm" and { size = 2 } or {})
    testing.raises(name .. ": only its value has a gradient", function()
      (y:sum() + statistics:sum()):backward()
    end)
  end
end

tests["windows too large to pad for are refused"] = function()
  local x, large = tensor.ones { 1, 1, 5, 5 }, 2 ^ 31 - 1
  for _, name in ipairs { "max_pool", "avg_pool" } do
    testing.raises(name .. ": windows of 2147483647 elements an axis are too large", function()
      x[name](x, { kernel_size = { large }, stride = { 1 }, padding = { large // 2 } })
    end)
  end
end

return testing.run(tests)
