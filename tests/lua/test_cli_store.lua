--- The commands on a run store, after a small sweep.
local testing = require "testing"

local folder = testing.folder()
local store = folder .. "/small.db"

local script = testing.write(folder .. "/small.lua", [[
local search = require "search"
return search.sweep {
  name = "small", objective = "max score", seeds = 2, sampler = "grid",
  space = { size = { 1, 2, 3 } },
  run = function(trial)
    for epoch = 1, 2 do
      trial:report(epoch, { score = trial.params.size * epoch })
    end
    if trial.params.size == 3 and os.getenv "TOO_BIG" then error "too big" end
    return { score = trial.params.size * 2 }
  end,
}]])

local function sweep(before)
  return testing.sh(("cd %s && %s {nnrun} %s --store %s --quiet --fresh"):format(folder, before or "", script, store))
end

local done = false
local function nnrun(words)
  if not done then
    local _, err, status = sweep()
    testing.equal(status, 0, err)
    done = true
  end
  return testing.sh(("cd %s && {nnrun} %s"):format(folder, words))
end

return testing.run {
  ["list names the studies of a store"] = function()
    local out, err, status = nnrun "list small.db"
    testing.contains(out, "small")
    testing.contains(out, "max score")
    testing.equal({ err, status }, { "", 0 })
  end,
  ["list looks into results/ when no store is named"] = function()
    nnrun "list small.db"
    testing.sh(("mkdir -p %s/results && cp %s %s/results/"):format(folder, store, folder))
    testing.contains(nnrun "list", "results/small.db")
    testing.contains(nnrun "best", "size = 3")
  end,
  ["show prints a study, or one trial with its epochs"] = function()
    testing.contains(nnrun "show small.db", "study 'small'")
    testing.contains(nnrun "show small.db small", "study 'small'")
    testing.matches(nnrun "show small.db 1", "trial 1 of 'small'.*epoch")
  end,
  ["best prints the winning parameters"] = function()
    testing.contains(nnrun "best small.db", "size = 3")
  end,
  ["export writes one line per trial as CSV, or JSON"] = function()
    local _, lines = nnrun("export small.db"):gsub("\n", "\n")
    testing.equal(lines, 1 + 6)
    testing.matches(nnrun "export small.db --format json", '^{"study":"small"')
  end,
  ["what is not there is said in one message"] = function()
    local out, err, status = nnrun "show missing.db"
    testing.contains(err, "missing.db")
    testing.equal({ out, status }, { "", 1 })
    local _, study = nnrun "best small.db other"
    testing.contains(study, "no study 'other'")
    local _, trial = nnrun "show small.db 99"
    testing.contains(trial, "no trial 99")
  end,
  ["wrong use is a usage error that helps"] = function()
    for words, message in pairs {
      ["lsit"] = "did you mean 'list'?",
      ["export small.db --fromat csv"] = "did you mean '--format'?",
      ["export small.db --format"] = "needs a value",
      ["best a.db b c"] = "unexpected argument 'c'",
      ["nonsense"] = "the commands are",
    } do
      local _, err, status = nnrun(words)
      testing.contains(err, message)
      testing.equal(status, 2, words)
    end
  end,
  ["every command explains itself and stands in -h"] = function()
    local usage = testing.sh "{nnrun} -h"
    for line in require("cli").usage():gmatch("[^\n]+") do
      local name = line:match("^  (%l+)")
      if name then
        testing.contains(usage, name)
        testing.matches(nnrun(name .. " -h"), "^usage: nnrun " .. name)
      end
    end
  end,
  ["a sweep of which some trials failed exits with 3"] = function()
    local _, _, status = sweep "TOO_BIG=1"
    testing.equal(status, 3)
    done = false
  end,
}
