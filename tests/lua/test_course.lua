-- The scripts of experiments/course run, print what they promise, and draw.
local testing = require "testing"

local tests = {}

local FASHION = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"

local function absolute(path)
  return path:sub(1, 1) == "/" and path or os.getenv("PWD") .. "/" .. path
end

-- Run a script in a folder of its own; returns what it printed and the folder with the pictures.
local function run(name, arguments)
  local folder = testing.folder()
  local script = absolute((testing.here or "tests/lua/") .. "../../experiments/course/" .. name .. ".lua")
  local out, err, code = testing.sh(("cd %s && {nnrun} %s %s"):format(testing.quote(folder), testing.quote(script),
    arguments or ""))
  testing.equal(code, 0, err)
  return out, folder .. "/results/"
end

local function check_pictures(folder, ...)
  if os.execute("command -v gnuplot >/dev/null") then
    for _, name in ipairs { ... } do
      for _, format in ipairs { ".png", ".svg" } do
        testing.ok(testing.exists(folder .. name .. format), name .. format)
      end
    end
  end
end

-- The number after a word, e.g. of "test accuracy  70.00 %".
local function number_after(out, words)
  local value = out:match(words:gsub("%p", "%%%0") .. "%s*(%-?[%d.]+)")
  return tonumber(testing.ok(value, ("no number after '%s' in:\n%s"):format(words, out)))
end

local function need_fashion()
  if not testing.exists(FASHION) then
    testing.skip("Debian's package dataset-fashion-mnist is not installed")
  end
end

tests["logistic.lua tells sandals from sneakers"] = function()
  need_fashion()
  local out, folder = run "logistic"
  testing.contains(out, "cost after iteration    0: 0.693147\n")
  testing.ok(number_after(out, "test accuracy") > 85)
  check_pictures(folder, "logistic")
end

tests["logistic.lua prints the reference costs of the cats"] = function()
  local out = run("logistic", testing.quote(absolute(testing.shared("data/cats/train_catvnoncat.h5")):match("^(.*)/")))
  testing.contains(out, "cost after iteration    0: 0.693147\ncost after iteration  100: 0.584508\n")
  testing.contains(out, "cost after iteration 1900: 0.140872\n")
  testing.contains(out, "train accuracy 99.04 %\ntest accuracy  70.00 %\n")
end

tests["from_scratch.lua works out the same costs and gradients by hand"] = function()
  local out = run "from_scratch"
  testing.contains(out, "cost after iteration    0: 0.693147\n")
  testing.equal(number_after(out, "train accuracy"), 100)
  testing.ok(tonumber(out:match "tensor.grad: dw (%S+),") < 1e-12, out)
end

tests["from_scratch.lua prints the reference costs of the cats"] = function()
  local folder = testing.quote(absolute(testing.shared("data/cats/train_catvnoncat.h5")):match("^(.*)/"))
  local out = run("from_scratch", folder)
  testing.contains(out, "cost after iteration    0: 0.693147\ncost after iteration  100: 0.584508\n")
  testing.contains(out, "cost after iteration 1900: 0.140872\n")
  testing.contains(out, "train accuracy 99.04 %\ntest accuracy  70.00 %\n")
end

tests["deep.lua does better with more layers, on sandals and sneakers"] = function()
  need_fashion()
  local out, folder = run "deep"
  local shallow, deep = out:match("hidden layers 7\nlayer(.*)hidden layers 20%-7%-5\nlayer(.*)")
  testing.ok(number_after(deep, "train accuracy") > number_after(shallow, "train accuracy"))
  check_pictures(folder, "deep")
end

-- deep.lua with the cats and their given weights is test_reference_curves.lua's case; it takes long.

tests["planar.lua shows that a line is not enough"] = function()
  local out, folder = run "planar"
  testing.ok(number_after(out, "no hidden layer     accuracy") < 70)
  testing.ok(number_after(out, " 4 hidden units     accuracy") > 85)
  check_pictures(folder, "planar", "planar_line", "planar_4_hidden", "planar_50_hidden")
end

tests["initialization.lua shows that zeros do not learn"] = function()
  local out, folder = run "initialization"
  testing.matches(out, "zeros%s+cost%s+0.693147 at first,%s+0.693147 at last")
  testing.ok(tonumber(out:match("He%s+cost.-([%d.]+) %% test")) > 90)
  check_pictures(folder, "initialization", "initialization_he", "initialization_zeros", "initialization_large_random")
end

tests["regularization.lua shows lower costs on new points"] = function()
  local out, folder = run "regularization"
  local function cost(name)
    return tonumber(testing.ok(out:match(name .. "%s+train.-test: cost ([%d.]+)"), out))
  end
  testing.ok(cost "L2 0.01" < cost "plain")
  testing.ok(cost "dropout 0.5" < cost "plain")
  check_pictures(folder, "regularization", "regularization_plain", "regularization_l2", "regularization_dropout")
end

tests["optimizers.lua shows momentum and Adam ahead"] = function()
  local out, folder = run "optimizers"
  local costs = {}
  for cost in out:gmatch("epoch  500: cost ([%d.]+)") do
    costs[#costs + 1] = tonumber(cost)
  end
  testing.equal(#costs, 3)
  testing.ok(costs[2] < costs[1] and costs[3] < costs[1])
  check_pictures(folder, "optimizers", "optimizers_gradient_descent", "optimizers_momentum", "optimizers_adam")
end

tests["gradient_check.lua passes the right formula and finds the wrong one"] = function()
  local out, folder = run "gradient_check"
  testing.contains(out, "gradient check passed")
  testing.ok(tonumber(out:match("right formula: difference (%S+)")) < 1e-7)
  testing.ok(tonumber(out:match("wrong formula: difference (%S+)")) > 1e-2)
  check_pictures(folder, "gradient_check")
end

if testing.reduced() then
  for name in pairs(tests) do
    tests[name] = not name:find "^gradient_check" and function()
      testing.skip("takes long; make check runs it")
    end or tests[name]
  end
end

return testing.run(tests)
