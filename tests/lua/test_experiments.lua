-- The scripts of experiments/ run, made small, and all are listed.
local testing = require "testing"

local tests = {}

local HERE = testing.here or "tests/lua/"
local FASHION = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"

local function absolute(path)
  return path:sub(1, 1) == "/" and path or os.getenv("PWD") .. "/" .. path
end

-- Run a script in a folder of its own; returns what it printed, having looked for its pictures.
local function run(name, arguments, pictures, packaged)
  if testing.reduced() then
    testing.skip "takes long; make check runs it"
  elseif not packaged and not testing.exists(FASHION) then
    testing.skip("Debian's package dataset-fashion-mnist is not installed")
  end
  local folder = testing.folder()
  local script = absolute(HERE .. "../../experiments/" .. name .. ".lua")
  local out, err, code = testing.sh(("cd %s && {nnrun} %s %s"):format(testing.quote(folder), testing.quote(script),
    arguments))
  testing.equal(code, 0, err)
  if os.execute("command -v gnuplot >/dev/null") then
    for _, picture in ipairs(pictures) do
      testing.ok(testing.exists(("%s/results/%s.png"):format(folder, picture)), picture)
    end
  end
  return out
end

tests["lenet.lua learns to read clothes"] = function()
  local out = run("lenet", "1 3000", { "lenet" })
  local accuracy = tonumber(out:match("epoch  1: loss %S+, test accuracy (%S+)"))
  testing.ok(accuracy and accuracy > 45, out)
end

tests["gradient_flow.lua shows which starts let gradients through"] = function()
  local out = run("gradient_flow", "6 1000", { "gradient_flow" })
  local found = {}
  for gradient in out:gmatch("\nlinear_1 +%S+ +%S+ +%S+ +(%S+)") do
    found[#found + 1] = tonumber(gradient)
  end
  testing.equal(#found, 4)
  testing.ok(found[1] < 1e-6 and found[3] > 3 * found[2] and found[4] > 0.05, out)
end

tests["autoencoder.lua draws better than the mean picture"] = function()
  local out = run("autoencoder", "8 1500", { "autoencoder", "autoencoder_curve" })
  local drawn, mean = out:match("test pixel: ([%d.]+) drawn from 8 numbers; ([%d.]+) by the mean picture")
  testing.ok(tonumber(drawn) < 0.6 * tonumber(mean), out)
end

tests["resnet.lua prints its layers and learns"] = function()
  local out = run("resnet", "1 500 2", { "resnet" })
  testing.contains(out, "with shortcuts: 8 layers of weights")
  testing.contains(out, "without: 8 layers of weights")
  testing.matches(out, "residual_3 +%(N, 32, 4, 4%)")
end

tests["transfer.lua compares four ways"] = function()
  local out = run("transfer", "2 2000", { "transfer" })
  for _, way in ipairs { "from scratch", "body frozen", "filters frozen", "body slower" } do
    testing.matches(out, way .. " +test accuracy %d+%.%d %%")
  end
  testing.contains(out, "29,413 parameters, float32, 29,088 of them frozen")
end

tests["tiny_gpt.lua learns from its grammar, and from a file"] = function()
  local out = run("tiny_gpt", "2", { "tiny_gpt" }, true)
  testing.matches(out, "epoch  2  loss 1%.%d+  of unseen text 1%.%d+, [45]%d%.%d %% of its characters right")
  testing.contains(out, "asked for the likeliest end:\n  two and three make ")
  local file = testing.write(testing.folder() .. "/t.txt", ("no more than ten words make up this text. "):rep(60))
  out = run("tiny_gpt", "1 " .. testing.quote(file), { "tiny_gpt" }, true)
  testing.contains(out, "2520 characters")
  testing.contains(out, "written freely:")
end

tests["samplers.lua compares samplers, and those that learn win"] = function()
  local out = run("samplers", "40 3", { "samplers", "samplers-where" })
  local random, gp = out:match("\nBranin +(%S+) .* (%S+)\nRosenbrock")
  testing.ok(tonumber(gp) < tonumber(random), out)
end

tests["pareto.lua draws a front of small networks"] = function()
  local out = run("pareto", "--quiet --trials 16 --set epochs=1", { "small-and-good-front" })
  testing.matches(out, "the front:\n +%d+%.%d+ %% +%d+ parameters")
end

tests["hyperband.lua compares at equal epochs"] = function()
  local out = run("hyperband", "--quiet --trials 4 --set confirm=1 --set space.batch_size=200",
    { "hyperband-progress" })
  testing.matches(out, "hyperband +%d+ trials, +%d+ epochs: best %d+")
  testing.matches(out, "no%-pruner +%d+ trials, +%d+ epochs: best %d+")
end

tests["every script is listed"] = function()
  local list = testing.read(HERE .. "../../experiments/README.md")
  local files = io.popen(("cd %s && ls *.lua course/*.lua"):format(testing.quote(HERE .. "../../experiments")))
  for file in files:lines() do
    testing.contains(list, ("[%s](%s)"):format(file, file))
  end
  files:close()
end

return testing.run(tests)
