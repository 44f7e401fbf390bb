-- Logistic regression written out by hand: forward, cost, gradients and the loop, on tensors alone, as
-- A. Ng's course does it in NumPy. The derivative worked out on paper is compared with tensor.grad.
--
--   nnrun experiments/course/from_scratch.lua         on made-up pictures of the cats' sizes
--   nnrun experiments/course/from_scratch.lua DIR     cats or not? DIR holds train_catvnoncat.h5 and
--                                                     test_catvnoncat.h5
--
-- tests/bench/logistic_by_hand.lua times the loop; NumPy's takes about twice as long.
local tensor = require "tensor"

local ITERATIONS, LR = 2000, 0.005

-- (m, 64, 64, 3) pictures as rows (m, 12288), labels as a column (m, 1) of 0 and 1.
local function as_matrix(set)
  local m = set.x:shape()[1]
  return set.x:view { m, set.x:size() // m }, set.y:to("float32"):view { m, 1 }
end

-- Random pictures, labelled by a random linear function of their pixels and some noise.
local function made_up()
  tensor.manual_seed(1)
  local x, truth = tensor.rand { 259, 12288 } * 0.2, tensor.randn { 12288, 1 }
  local score = x:matmul(truth) + tensor.randn { 259, 1 }
  local y = score:greater(score:mean())
  return x[{ { 1, 209 } }], y[{ { 1, 209 } }], x[{ { 210, 259 } }], y[{ { 210, 259 } }]
end

local train_x, train_y, test_x, test_y
if arg[1] then
  local train, test = require("data").cats(arg[1])
  train_x, train_y = as_matrix(train)
  test_x, test_y = as_matrix(test)
else
  train_x, train_y, test_x, test_y = made_up()
end

local function sigmoid(z)
  return 1 / (1 + (-z):exp())
end

-- Cross-entropy cost, averaged over the rows of x.
local function cost_of(w, b, x, y)
  local a = sigmoid(x:matmul(w) + b)
  return -(y * a:log() + (1 - y) * (1 - a):log()):mean()
end

-- The cost and its gradients: dz = a - y, dw = x^T dz / m, db = mean of dz.
local function propagate(w, b, x, y)
  local m = #x
  local a = sigmoid(x:matmul(w) + b)
  local cost = -(y * a:log() + (1 - y) * (1 - a):log()):sum() / m
  local dz = a - y
  return cost, x:matmul(dz, { trans_a = true }) / m, dz:mean()
end

local function optimize(x, y)
  local w, b = tensor.zeros { x:shape()[2], 1 }, tensor.zeros {}
  for i = 0, ITERATIONS - 1 do
    local cost, dw, db = propagate(w, b, x, y)
    w = w - dw * LR
    b = b - db * LR
    if i % 100 == 0 then
      print(("cost after iteration %4d: %.6f"):format(i, cost:item()))
    end
  end
  return w, b
end

local function accuracy(w, b, x, y)
  local said = sigmoid(x:matmul(w) + b):greater(0.5)
  return 100 * said:equal(y):mean():item()
end

-- Are the gradients on paper those of the cost? Both are computed at a random place, in float64.
local w, b = tensor.randn({ train_x:shape()[2], 1 }, "float64") * 0.001, tensor.zeros({}, "float64")
local x, y = train_x:to "float64", train_y:to "float64"
local _, dw, db = propagate(w, b, x, y)
local auto_dw, auto_db = tensor.grad(cost_of, { 1, 2 })(w, b, x, y)
print(("largest difference to tensor.grad: dw %.1e, db %.1e"):format((dw - auto_dw):abs():max():item(),
  (db - auto_db):abs():item()))

local started = os.clock()
w, b = optimize(train_x, train_y)
print(("%d iterations in %.2f s of processor time"):format(ITERATIONS, os.clock() - started))
print(("train accuracy %.2f %%"):format(accuracy(w, b, train_x, train_y)))
print(("test accuracy  %.2f %%"):format(accuracy(w, b, test_x, test_y)))
