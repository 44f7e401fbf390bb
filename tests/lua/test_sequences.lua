-- What recurrent nets must be able to learn, shown by the experiments on sequences.
local testing = require "testing"

local tests = {}

local HERE = testing.here or "tests/lua/"

local function absolute(path)
  return path:sub(1, 1) == "/" and path or os.getenv("PWD") .. "/" .. path
end

-- Run an experiment in a folder of its own; returns what it printed.
local function run(name, arguments)
  local script = absolute(HERE .. "../../experiments/" .. name .. ".lua")
  local out, err, code = testing.sh(("cd %s && {nnrun} %s %s"):format(testing.quote(testing.folder()),
    testing.quote(script), arguments))
  testing.equal(code, 0, err)
  return out
end

-- Squared errors of the LSTM and of the plain net.
local function adding(steps, seed)
  if testing.reduced() then
    testing.skip "takes long; make check runs it"
  end
  local out = run("adding", ("%d %d"):format(steps, seed))
  local lstm = out:match("LSTM +%d+ steps: squared error ([%d.]+) after 1500 iterations")
  local plain = out:match("plain net +%d+ steps: squared error ([%d.]+) after 1500 iterations")
  return tonumber(testing.ok(lstm, out)), tonumber(testing.ok(plain, out))
end

local SEEDS = { 0, 1, 2 }

tests["an LSTM learns to add over 30 steps within 1500 iterations"] = function()
  for _, seed in ipairs(SEEDS) do
    local lstm = adding(30, seed)
    testing.ok(lstm < 0.01, ("seed %d: %.5f"):format(seed, lstm))
  end
end

tests["a plain net does not learn to add over 50 steps, an LSTM does"] = function()
  for _, seed in ipairs(SEEDS) do
    local lstm, plain = adding(50, seed)
    testing.ok(plain > 0.1, ("seed %d: plain net %.5f"):format(seed, plain))
    testing.ok(lstm < 0.05, ("seed %d: LSTM %.5f"):format(seed, lstm))
  end
end

tests["names.lua makes up names from the packaged list"] = function()
  local out = run("names", ("%q 12"):format(absolute(HERE .. "../../experiments/names.txt")))
  testing.contains(out, "400 names of at most 18 letters, 24 different ones")
  local held_back = tonumber(out:match("epoch +12 .-names held back ([%d.]+)"))
  testing.ok(held_back and held_back < 1.5, out)
  local careful = out:match("\n +0%.3 +(%a+, .-)\n")
  testing.matches(testing.ok(careful, out), "^%a+, %a+, %a+")
end

tests["names.lua reads any file of names"] = function()
  local path = testing.folder() .. "/names.txt"
  local file = assert(io.open(path, "w"))
  file:write(("Ada\nBab\n\n  Dab \nBada\nAbba\n"):rep(4))
  file:close()
  testing.contains(run("names", testing.quote(path) .. " 2"), "20 names of at most 4 letters, 3 different ones")
  local _, err, code = testing.sh(("{nnrun} %s /nowhere/names.txt"):format(
    testing.quote(absolute(HERE .. "../../experiments/names.lua"))))
  testing.equal(code, 2)
  testing.contains(err, "No such file")
end

return testing.run(tests)
