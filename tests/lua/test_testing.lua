--- The test helpers themselves: a failing test is seen, named and counted.
local testing = require "testing"

local folder = testing.folder()
local here = arg[0]:match("^(.*)test_testing%.lua$") or ""
local run = (here:sub(1, 1) == "/" and here or os.getenv("PWD") .. "/" .. here) .. "run.lua"

local function write(name, text)
  return testing.write(folder .. "/" .. name, text)
end

local path = ("LUA_PATH='%s?.lua;;' "):format((run:gsub("run%.lua$", "")))

local MIXED = write("test_mixed.lua", [[
local t = require "testing"
return t.run {
  ["a passes"] = function() t.equal({ 1, { x = 2 } }, { 1, { x = 2 } }) t.near(1, 1 + 1e-9) t.differ(1, 2) end,
  ["b fails"] = function() t.equal(1, 2) end,
  ["c raises"] = function() local x = nil; return x.y end,
  ["d skips"] = function() t.skip "not here" end,
  ["e is not near"] = function() t.near({ 1, 0 / 0 }, { 1, 2 }) end,
  ["f does not raise"] = function() t.raises("x", function() end) end,
}]])
local DIES = write("test_dies.lua", "os.exit(0)")
local FINE = write("test_fine.lua", "return require('testing').run { one = function() end }")

return testing.run {
  ["failures name the test, the line and what was seen"] = function()
    local out, _, status = testing.sh(path .. "{nnrun} " .. MIXED)
    testing.equal(status, 1)
    testing.matches(out, "FAIL b fails\n  [^\n]*test_mixed.lua:4: expected 2, got 1\n")
    testing.matches(out, "FAIL c raises\n  [^\n]*test_mixed.lua:5: attempt to index a nil value")
    testing.matches(out, "SKIP d skips: not here\n")
    testing.matches(out, "FAIL e is not near\n  [^\n]*test_mixed.lua:7: expected 2 within")
    testing.matches(out, "FAIL f does not raise\n  [^\n]*test_mixed.lua:8: expected an error")
    testing.matches(out, "\n1 passed, 4 failed, 1 skipped\n$")
  end,
  ["one test can be run by part of its name"] = function()
    local out, _, status = testing.sh(path .. "{nnrun} " .. MIXED .. " passes")
    testing.equal({ out, status }, { "1 passed, 0 failed, 0 skipped\n", 0 })
  end,
  ["run.lua adds files up, and a file that dies counts as failed"] = function()
    local out, _, status = testing.sh(path .. ("{nnrun} %s %s %s"):format(run, FINE, DIES))
    testing.equal(status, 1)
    testing.contains(out, "test_dies.lua ended early")
    testing.matches(out, "\n1 passed, 1 failed, 0 skipped\n$")
    local _, _, fine = testing.sh(path .. ("{nnrun} %s %s"):format(run, FINE))
    testing.equal(fine, 0)
  end,
}
