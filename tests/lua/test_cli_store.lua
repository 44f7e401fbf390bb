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
  ["a folder stands for the stores in it, where that is clear"] = function()
    nnrun "list small.db"
    testing.sh(("cd %s && mkdir -p one two none size && cp %s one/a.db && cp %s two/a.db && cp %s two/b.db"):format(
      folder, store, store, store))
    testing.contains(nnrun "list two", "two/b.db")
    testing.equal(nnrun "best one", nnrun "best one/a.db")
    testing.equal(nnrun "show one/ 2", nnrun "show one/a.db 2")
    local function refuses(words, message)
      local _, err, status = nnrun(words)
      testing.equal({ err, status }, { "nnrun: " .. message .. "\n", 1 })
    end
    refuses("list ./none", "list: no run store (*.db) in folder './none'; name one: nnrun list FILE")
    refuses("show ./none", "show: no run store (*.db) in folder './none': name the file")
    refuses("best two", "best: there are several run stores, name one: two/a.db, two/b.db")
    refuses("show one/a.db none", "show: run store 'one/a.db' has no study 'none'; it has small@1")
    refuses("merge two one/a.db", "merge: 'two' is a folder, not a run store; name a file in it")
    refuses("doctor gone.db", "doctor: cannot read run store 'gone.db': No such file or directory")
    local _, err = testing.sh(("cd %s && {nnrun} %s --store one"):format(folder, script))
    testing.contains(err, "'one' is a folder, not a run store; name a file in it")
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
  ["export writes TensorBoard events whose checksums hold"] = function()
    nnrun "export small.db --format tensorboard --dir tb"
    local path = testing.sh(("ls %s/tb/small/trial-0002/events.out.tfevents.*"):format(folder)):match("%S+")
    local file = assert(io.open(path, "rb"))
    local bytes = file:read("a")
    file:close()
    local at, records = 1, 0
    while at <= #bytes do
      local length = ("<I8"):unpack(bytes, at)
      at, records = at + 8 + 4 + length + 4, records + 1
    end
    testing.equal({ at, records }, { #bytes + 1, 2 + 2 }) -- version, parameters, score twice
    -- the length 24 and its masked CRC-32C, as TensorFlow writes them
    testing.equal(bytes:sub(1, 12), "\24\0\0\0\0\0\0\0\163\127\75\34")
  end,
  ["export writes an MLflow folder"] = function()
    nnrun "export small.db --format mlflow --dir ml"
    local out = testing.sh(("cd %s/ml && for f in */*/params/size; do cat $f; echo; done | sort | tr -d '\\n'; "
      .. "cat */*/metrics/score | wc -l"):format(folder))
    testing.matches(out, "^112233%s*12%s*$")
  end,
  ["diff tells parameters, code and the first epoch that differs"] = function()
    local text = nnrun "diff small.db 1 5"
    testing.matches(text, "size%s+1%s+3")
    testing.matches(text, "score%s+1%s")
    testing.contains(text, "code: the same")
    local other = testing.write(folder .. "/other.lua", (testing.read(script):gsub("size %* 2 }", "size * 7 }")))
    testing.sh(("cd %s && {nnrun} %s --store other.db --quiet"):format(folder, other))
    local studies = nnrun "diff small.db small small --other other.db"
    testing.matches(studies, "%- +return { score = trial.params.size %* 2 }")
    testing.matches(studies, "%+ +return { score = trial.params.size %* 7 }")
  end,
  ["rerun --verify finds a trial the same to the bit, and the first epoch that is not"] = function()
    local trained = testing.write(folder .. "/trained.lua", [[
local search, nn, tensor = require "search", require "nn", require "tensor"
local x, y = tensor.ones { 40, 3 }, tensor.ones { 40, 1 }
return search.sweep { name = "trained", objective = "min loss", table = false, confirm = 1, space = { size = { 2, 3 } },
  run = function(trial)
    return nn.Sequential { nn.Linear(trial.params.size, "tanh"), nn.Linear(1) }:fit({ x = x, y = y },
      { epochs = 4, batch_size = 8, trial = trial })
  end }
]])
    testing.sh(("cd %s && {nnrun} %s --quiet --store trained.db"):format(folder, trained))
    testing.sh(("rm %s"):format(trained)) -- the store holds the script
    local out, err, status = nnrun "rerun trained.db 2 --verify"
    testing.contains(out, "verified: 4 epochs and the final weights the same to the bit", err)
    testing.equal(status, 0)
    local opened = assert(require("core.store").open(folder .. "/trained.db", "write"))
    local trial = opened:rows("trial_get", 1, 2)[1]
    local fresh = opened:rows("trial_list", 1)[1].number
    testing.ok(fresh < 0, "the winner was not run on a fresh seed")
    local loss, metric
    for _, row in ipairs(opened:rows("name_list")) do
      loss = row.name == "loss" and row.id or loss
    end
    for _, row in ipairs(opened:rows("metric_of_trial", trial.id)) do
      metric = row.epoch == 3 and row.name == loss and row or metric
    end
    opened:run("metric_add", trial.id, 3, metric.name, metric.value * (1 + 1e-15))
    opened:close()
    local changed, _, code = nnrun "rerun trained.db 2 --verify"
    testing.matches(changed, "differs from what is recorded: epoch 3: ")
    testing.contains(nnrun(("rerun trained.db %d --verify"):format(fresh)), "verified: 4 epochs")
    testing.equal(code, 1)
  end,
  ["rerun reads files where the sweep did, from any folder, and here when that one is gone"] = function()
    local home, new = folder .. "/home", folder .. "/new"
    testing.sh(("mkdir -p %s/sub && echo 3 > %s/rate.txt && echo 'return { rate = 5 }' > %s/sub/more.lua"):format(home,
      home, home))
    testing.write(home .. "/reads.lua", [[
local search = require "search"
local file = assert(io.open("rate.txt"))
local rate = file:read("n")
file:close()
return search.sweep { name = "reads", objective = "max score", table = false, space = { x = { 1, 2 } },
  run = function(trial) return { score = rate * trial.params.x * require("sub.more").rate } end }
]])
    local _, err, status = testing.sh(("cd %s && {nnrun} reads.lua --quiet --store reads.db"):format(home))
    testing.equal(status, 0, err)
    for _, place in ipairs { home, folder, "/" } do
      local out
      out, err, status = testing.sh(("cd %s && {nnrun} rerun %s/reads.db 2 --verify"):format(place, home))
      testing.contains(out, "the same to the bit", err)
      testing.equal(out:find("note: in the folder of the sweep, " .. home, 1, true) ~= nil, place ~= home)
      testing.equal(status, 0)
    end
    testing.sh(("mv %s %s"):format(home, new))
    local moved = testing.sh(("cd %s && {nnrun} rerun reads.db 2 --verify"):format(new))
    testing.contains(moved, ("note: the folder of the sweep, %s, is not there; in %s"):format(home, new))
    testing.contains(moved, "the same to the bit")
    _, err, status = testing.sh(("cd %s && {nnrun} resume reads.db"):format(new))
    testing.equal(status, 1)
    testing.contains(err, "where the sweep ran; if its script is elsewhere now, run that with --store " .. new)
  end,
  ["resume gives the command again, from any folder"] = function()
    testing.sh(("cd %s && TOO_BIG=1 {nnrun} %s --store again.db --quiet"):format(folder, script))
    local out, err, status = testing.sh(("cd / && {nnrun} resume %s/again.db"):format(folder))
    testing.equal(status, 3, err) -- done already; two trials had failed
    testing.contains(out, "2 failed")
  end,
  ["attach looks at a running sweep and acts on it; acts are recorded and stand"] = function()
    local slow = testing.write(folder .. "/slow.lua", [[
local search, proc = require "search", require "core.proc"
return search.sweep { name = "slow", objective = "max score", sampler = "random", trials = 500, table = false,
  space = { x = search.float(0, 1) }, run = function(trial)
    for epoch = 1, 3 do
      proc.sleep(0.03)
      trial:report(epoch, { score = trial.params.x * epoch })
    end
  end }
]])
    testing.sh(("cd %s && ({nnrun} %s --quiet -j 2 --store slow.db > slow.out 2>&1; echo $? > slow.status) &"):format(
      folder, slow))
    local tries = 0
    repeat -- until a trial has ended
      tries = tries + 1
      testing.sh "sleep 0.1"
    until tries > 100 or (nnrun "list slow.db"):find("[1-9]%d*/500")
    local out = testing.sh(("cd %s && {nnrun} attach slow.db"):format(folder),
      "status()\npause()\nstatus()\nworkers(3)\ntrials(12)\nworkers(0)\nresume()\n")
    testing.matches(out, "sweep 'slow': %d+ of 500 trials, running for .- as process %d+")
    testing.matches(out, "sweep 'slow': %d+ of 500 trials, paused, running for ")
    testing.equal(select(2, out:gsub("> done", "")), 4)
    tries = 0
    repeat
      tries = tries + 1
      testing.sh "sleep 0.1"
    until tries > 100 or testing.exists(folder .. "/slow.status")
    testing.equal(testing.read(folder .. "/slow.status"), "0\n")
    local opened = assert(require("core.store").open(folder .. "/slow.db", "read"))
    local acts = {}
    for _, event in ipairs(opened:rows("event_list", 1)) do
      acts[#acts + 1] = event.kind == "control" and event.detail or nil
    end
    local trials = #opened:rows("trial_list", 1)
    opened:close()
    testing.equal(acts, { '{"act":"pause"}', '{"act":"workers","count":3}', '{"act":"trials","count":12,"of":500}',
      '{"act":"resume"}' })
    testing.equal(trials, 12)
    local _, _, status = testing.sh(("cd %s && {nnrun} %s --quiet --store slow.db"):format(folder, slow))
    testing.equal(status, 0)
    testing.contains(nnrun "list slow.db", "12/12")
    testing.contains(testing.sh(("cd %s && {nnrun} attach slow.db"):format(folder), "pause()\n"), "nnrun resume")
  end,
  ["trials that attach added are known to the same command again, until it asks for another number"] = function()
    local more = testing.write(folder .. "/more.lua", [[
local search, proc = require "search", require "core.proc"
return search.sweep { name = "more", objective = "max score", sampler = "random", trials = 6, table = false,
  space = { x = search.float(0, 1) }, confirm = 0, run = function(trial)
    proc.sleep(trial.number <= 6 and 0.2 or 0)
    return { score = trial.params.x }
  end }
]])
    testing.sh(("cd %s && ({nnrun} %s --quiet -j 1 --store more.db > more.out 2>&1; echo $? > more.status) &"):format(
      folder, more))
    local tries = 0
    repeat
      tries = tries + 1
      testing.sh "sleep 0.1"
    until tries > 100 or (nnrun "list more.db"):find("[1-9]%d*/6")
    local out, complaint = testing.sh(("cd %s && {nnrun} attach more.db"):format(folder),
      "trials(9)\nworkers(1000000)\nshow(77)\n")
    testing.contains(out, "> done")
    testing.contains(complaint, "workers: a whole number from 1 to 512 is needed, got 1000000")
    testing.contains(out, "> study 'more' has no trial 77")
    repeat
      tries = tries + 1
      testing.sh "sleep 0.1"
    until tries > 200 or testing.exists(folder .. "/more.status")
    testing.contains(nnrun "list more.db", "9/9")
    for _, words in ipairs { "resume more.db", more .. " --quiet --store more.db" } do
      local _, err, status = nnrun(words)
      testing.equal({ err, status }, { words:find "quiet" and "" or err, 0 })
      testing.contains(nnrun "list more.db", "9/9")
    end
    nnrun(more .. " --quiet --store more.db --trials 11")
    testing.contains(nnrun "list more.db", "11/11")
  end,
  ["merge copies studies whole, and adds only what is missing"] = function()
    nnrun "list small.db"
    testing.contains(nnrun "merge all.db small.db", "6 trials added")
    testing.contains(nnrun "merge all.db small.db", "0 trials added")
    testing.equal(nnrun "export all.db --format json", nnrun "export small.db --format json")
  end,
  ["doctor finds a store whole, and saves what it can of a damaged one"] = function()
    testing.contains(nnrun "doctor small.db", "small.db is whole: ")
    local file = assert(io.open(store, "rb"))
    local bytes = file:read("a")
    file:close()
    -- the page of a metric's table is lost: every page but the first is tried
    local saved = 0
    for page = 1, #bytes // 4096 - 1 do
      testing.write(folder .. "/bad.db", bytes:sub(1, page * 4096) .. ("\xAA"):rep(4096)
        .. bytes:sub((page + 1) * 4096 + 1))
      testing.sh(("rm -f %s/bad-recovered.db*"):format(folder))
      for _, words in ipairs { "list bad.db", "show bad.db", "best bad.db", "export bad.db --format json" } do
        local _, err, status = nnrun(words)
        testing.matches(err, status == 0 and "^$" or "^%S*nnrun: [^\n]+\n$") -- one line, no traceback
        testing.ok(not err:find "is damaged" or err:find "'nnrun doctor FILE' saves what can be read", err)
      end
      local text = nnrun "doctor bad.db"
      saved = saved + (text:find("saved %d+ rows") and 1 or 0)
      local out, err = nnrun "doctor bad-recovered.db"
      testing.contains(out .. err, "bad-recovered.db is ")
    end
    testing.ok(saved > 5, ("saved something of %d damaged copies"):format(saved))
    testing.write(folder .. "/bad.db", (bytes:gsub('{"size":3}', '{"size":8}')))
    testing.sh(("rm -f %s/bad-recovered.db*"):format(folder))
    testing.contains(nnrun "doctor bad.db", "small@1 trial 5: its parameters are not those it was run with")
  end,
  ["a disk that is full is no success, and leaves no half of a store"] = function()
    nnrun "list small.db"
    local _, err, status = nnrun "export small.db > /dev/full"
    testing.equal({ err, status }, { "nnrun: export: cannot write the output: No space left on device\n", 1 })
    _, err, status = testing.sh(("cd %s && ulimit -f 70 && {nnrun} doctor small.db --to none.db"):format(folder))
    testing.matches(err, "^nnrun: doctor: [^\n]*none.db[^\n]*\n$")
    testing.equal({ status, testing.exists(folder .. "/none.db") }, { 1, false })
    testing.contains(nnrun "doctor small.db --to none.db", "saved")
  end,
  ["an error says what failed, without a trace of nnrun itself"] = function()
    local file = testing.write(folder .. "/gone.lua", [[
if os.getenv "GONE" then return error("gone", 0) end
return require("search").sweep { name = "gone", objective = "min x", space = { x = { 1 } }, table = false,
  run = function(trial) return trial.params end }
]])
    testing.sh(("cd %s && {nnrun} %s --quiet --store gone.db"):format(folder, file))
    local _, err, status = testing.sh(("cd %s && GONE=1 {nnrun} resume gone.db"):format(folder))
    testing.equal(status, 1)
    testing.matches(err, "^%S+: gone\n$")
    local _, folder_error = nnrun "export gone.db --format mlflow --dir /sys/none"
    testing.contains(folder_error, "cannot make folder '/sys/none'")
    testing.equal(folder_error:find("No such file", 1, true), nil)
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
