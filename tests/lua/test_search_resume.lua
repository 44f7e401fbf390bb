--- Sweeps that are killed or interrupted in the middle of trials: what was trained is not trained again,
--- and the results are the same to the bit.
local testing = require "testing"
local store = require "core.store"
local sweeping = require "sweeping"

local dump, folder = sweeping.dump, testing.folder()

local FIT = [[
local search, nn, tensor, init = require "search", require "nn", require "tensor", require "core.init"
local x, y = tensor.zeros { 64, 6 }, tensor.zeros { 64, 1 }
init.fill(x, "normal", 1, 1, 1, 0)
init.fill(y, "normal", 1, 1, 2, 0)
return search.sweep {
  name = "long", objective = "min loss", table = false, checkpoint_every = 0, preflight = false,
  space = { size = { 3, 5 }, rate = { 0.1, 0.01 } },
  run = function(trial)
    local model = nn.Sequential { nn.Linear(trial.params.size, "tanh"), nn.Dropout(0.2), nn.Linear(1) }
    local log = io.open(os.getenv "LOG" or "/dev/null", "a")
    return model:fit({ x = x, y = y }, { trial = trial, epochs = 12, batch_size = 16,
      optimizer = nn.Adam { lr = trial.params.rate }, early_stopping = { metric = "loss", patience = 11 },
      callback = function(row)
        log:write(trial.number, " ", row.epoch, "\n")
        log:flush()
        local stop = os.clock() + (tonumber(os.getenv "SLOW") or 0)
        repeat until os.clock() > stop
      end })
  end,
}
]]

local OWN = [[
local search, random = require "search", require "core.random"
return search.sweep {
  name = "own", objective = "max score", table = false, checkpoint_every = 0, space = { x = { 1, 2, 3 } },
  run = function(trial)
    local log = io.open(os.getenv "LOG" or "/dev/null", "a")
    local text, epoch = trial:resume()
    local total = text and tonumber(text) or 0
    for e = (epoch or 0) + 1, 10 do
      total = total + random.uniform(trial.seed, "step", e) * trial.params.x
      log:write(trial.number, " ", e, "\n")
      log:flush()
      local stop = os.clock() + (tonumber(os.getenv "SLOW") or 0)
      repeat until os.clock() > stop
      local verdict = trial:report(e, { score = total })
      trial:save(("%.17g"):format(total))
      if verdict then return end
    end
  end,
}
]]

local function lines_of(path)
  local count, seen, twice = 0, {}, 0
  for line in io.lines(path) do
    count = count + 1
    twice = twice + (seen[line] and 1 or 0)
    seen[line] = true
  end
  return count, twice
end

-- The three kills meet 2 + 3 + 1 trials in flight; each loses the epoch it is in, and those of the tenth of a
-- second that results may wait for their commit.
local MOST_TWICE = (2 + 3 + 1) * 3

local function killed(body, name, signal, pause)
  local script = testing.write(("%s/%s.lua"):format(folder, name), body)
  local whole, broken = ("%s/%s-whole.db"):format(folder, name), ("%s/%s-broken.db"):format(folder, name)
  local log = ("%s/%s.log"):format(folder, name)
  local _, err, status = testing.sh(("{nnrun} %s --quiet -j 2 --store %s"):format(script, whole))
  testing.equal(status, 0, err)
  local runs = 0
  repeat
    runs = runs + 1
    local kill = runs <= 3 and ("timeout -s %s %g "):format(signal, pause) or ""
    _, err, status = testing.sh(("SLOW=%s LOG=%s %s{nnrun} %s --quiet -j %d --store %s"):format(
      runs <= 3 and "0.05" or "0", log, kill, script, runs % 3 + 1, broken))
  until status == 0 or runs == 10
  testing.equal(status, 0, err)
  testing.equal(dump(broken), dump(whole))
  testing.equal({ sweeping.checkpoints(whole), sweeping.checkpoints(broken) }, { 0, 0 }) -- they end with their trials
  return lines_of(log)
end

return testing.run {
  ["fit goes on in the epoch after its checkpoint when all processes are killed"] = function()
    local count, twice = killed(FIT, "kill", "KILL", 0.5)
    testing.equal(count - twice, 4 * 12)
    testing.ok(twice <= MOST_TWICE, ("%d epochs were trained twice"):format(twice))
  end,
  ["a loop of one's own goes on with what it saved"] = function()
    local count, twice = killed(OWN, "own", "KILL", 0.4)
    testing.equal(count - twice, 3 * 10)
    testing.ok(twice <= MOST_TWICE, ("%d epochs were trained twice"):format(twice))
  end,
  ["an interrupt pauses trials after their epoch, and nothing is trained twice"] = function()
    local count, twice = killed(FIT, "interrupt", "INT", 0.5)
    testing.equal({ count, twice }, { 4 * 12, 0 })
    local _, twice_own = killed(OWN, "own-interrupt", "TERM", 0.4)
    testing.equal(twice_own, 0)
  end,
  ["a trial whose checkpoint is damaged begins anew"] = function()
    local script = testing.write(folder .. "/damaged.lua", FIT)
    local whole, broken = folder .. "/damaged-whole.db", folder .. "/damaged.db"
    testing.sh(("{nnrun} %s --quiet --store %s"):format(script, whole))
    testing.sh(("SLOW=0.05 timeout -s INT 0.4 {nnrun} %s --quiet -j 2 --store %s"):format(script, broken))
    local opened, damaged = assert(store.open(broken, "write")), 0
    for i, row in ipairs(opened:rows("checkpoint_list")) do
      local data = opened:rows("checkpoint_get", row.trial, row.kind)[1].data
      local place = #data * (i + 2) // 6 -- one bit
      data = data:sub(1, place - 1) .. string.char(data:byte(place) ~ 4) .. data:sub(place + 1)
      assert(opened:run("checkpoint_set", row.trial, row.kind, row.epoch, data))
      damaged = damaged + 1
    end
    opened:close()
    testing.ok(damaged > 0)
    local _, err, status = testing.sh(("{nnrun} %s --quiet --store %s"):format(script, broken))
    testing.equal(status, 0, err)
    testing.equal(dump(broken), dump(whole))
  end,
  ["checkpoints = \"last\" and \"best\" keep a trial's state after its end"] = function()
    for _, policy in ipairs { "last", "best" } do
      local body = FIT:gsub("checkpoint_every = 0", ("checkpoint_every = 100, checkpoints = %q"):format(policy))
      local script = testing.write(("%s/%s.lua"):format(folder, policy), body)
      local path = ("%s/%s.db"):format(folder, policy)
      testing.sh(("{nnrun} %s --quiet --store %s"):format(script, path))
      local opened = assert(store.open(path, "read"))
      local kept = opened:rows("checkpoint_list")
      local trials = opened:rows("trial_list", 1)
      opened:close()
      testing.equal(#kept, 4)
      for i, row in ipairs(kept) do
        local epoch = policy == "last" and 12 or trials[i].best_epoch
        testing.equal({ row.trial, row.kind, row.epoch }, { i, policy, epoch })
      end
    end
  end,
  ["a sweep that is continued holds a recorded trial once: a hundred thousand are no burden"] = function()
    local opened = assert(store.open(":memory:", "write"))
    local study = opened:run("study_add", "many", 1, "", "s.lua", "max score", "{}", "random", "{}", 1, 1, 2000,
      1, 0.0, nil)
    for number = 1, 2000 do
      local id = opened:run("trial_start", study, number, number, 1, ("%016x"):format(number),
        ('{"x":%.17g,"y":%.17g}'):format(number / 7, number / 3), number, 0.0, 1, 1)
      opened:run("trial_finish", "finished", 1, 0.5, 0.5, 1, 0.01, nil, nil, nil, nil, 9000, nil, nil, id)
    end
    collectgarbage()
    collectgarbage("stop")
    local before = collectgarbage("count")
    local trials = require("search.past").trials({ most = 2000, recorded = {}, confirmed = {}, sampler = {} },
      { store = opened, id = study })
    local bytes = (collectgarbage("count") - before) * 1024 / #trials
    collectgarbage("restart")
    testing.equal(trials[2000].params, { x = 2000 / 7, y = 2000 / 3 })
    testing.ok(bytes < 800, ("%.0f bytes for a trial"):format(bytes))
    opened:close()
  end,
  ["what was begun in a store and not closed is not written, so that a merge that fails adds nothing"] = function()
    local path = folder .. "/begun.db"
    for _, ending in ipairs { "close", "discard", "__gc" } do
      local opened = assert(store.open(path, "write"))
      assert(opened:begin())
      opened:run("name_add", ending)
      if opened[ending] then
        opened[ending](opened)
      end
      opened = nil -- luacheck: ignore 311
      collectgarbage()
    end
    local opened = assert(store.open(path, "read"))
    testing.equal(opened:rows("name_list"), { { id = 1, name = "close" } })
    opened:close()
  end,
  ["rows are read one at a time, and a loop may end early"] = function()
    local opened = assert(store.open(":memory:", "write"))
    for _, name in ipairs { "a", "b", "c" } do
      opened:run("name_add", name)
    end
    for _ = 1, 2 do
      local fine, message = pcall(function()
        for row in opened:each("name_list") do
          error(row, 0)
        end
      end)
      testing.equal({ fine, message }, { false, { id = 1, name = "a" } })
    end
    local names = {}
    for row in opened:each("name_list") do
      names[row.id] = row.name
    end
    testing.equal(names, { "a", "b", "c" })
    local fine, message = pcall(function()
      for _ in opened:each("name_list") do
        opened:close()
      end
    end)
    testing.equal(fine, false)
    testing.contains(message, "the run store has been closed")
  end,
}
