--- What goes wrong in a sweep: trials that crash, hang or take too much, kills and interrupts, stores that cannot be
--- written. Each is recorded with its reason, and costs no other trial.
local testing = require "testing"

local search = require "search"
local store = require "core.store"
local sweeping = require "sweeping"
local view = require "search.store_view"

local dump, fresh, run, script, sweep = sweeping.dump, sweeping.fresh, sweeping.run, sweeping.toy, sweeping.small

return testing.run {
  ["a store that cannot grow any more ends the sweep with a message; what is recorded is kept"] = function()
    local file = testing.write(fresh ".lua", [[
local search = require "search"
return search.sweep { name = "full", objective = "max score", sampler = "random", trials = 3000, table = false,
  space = { x = search.float(0, 1) }, run = function(trial)
    for epoch = 1, 5 do
      trial:report(epoch, { score = trial.params.x * epoch })
    end
  end }
]])
    local path, whole = fresh ".db", fresh ".db"
    local _, err, status = testing.sh(("ulimit -f 400; {nnrun} %s --quiet -j 2 --store %s"):format(file, path))
    testing.equal(status, 1)
    testing.matches(err, "run store '.-': .*; what is recorded is kept")
    testing.contains(assert(view.show(path)), "the last run ended with an error: run store '")
    for line in assert(view.list(path)):gmatch("[^\n]+") do
      testing.ok(utf8.len(line) < 250, line) -- the state's column is cut
    end
    local _, again, code = run(file, "--quiet -j 2 --store " .. path)
    testing.equal(code, 0, again)
    run(file, "--quiet -j 1 --store " .. whole)
    testing.equal(dump(path), dump(whole))
  end,
  ["a folder that cannot be written is found out before anything is trained"] = function()
    local folder_path = fresh ".folder"
    testing.sh(("mkdir -p %s && chmod 555 %s"):format(folder_path, folder_path))
    if testing.sh(("touch %s/x && echo yes"):format(folder_path)):find "yes" then
      testing.skip "this user may write everywhere"
    end
    testing.raises("choose another with --store FILE", function()
      sweep { store = folder_path .. "/x.db", run = function() error "trained" end }
    end)
  end,
  ["a trial that takes too much memory fails alone, with the limit in its message"] = function()
    if testing.reduced() then
      testing.skip "under a sanitizer a process ends when memory is refused"
    end
    local kinds = { "table", "fine", "tensor" }
    local study = sweep { memory = "80M", workers = 1, space = { kind = kinds }, run = function(trial)
      local kept = {}
      for i = 1, trial.params.kind == "fine" and 0 or 1e7 do
        kept[i] = trial.params.kind == "tensor" and require("tensor").ones { 1000, 1000 } or ("x"):rep(1000) .. i
      end
      return { loss = #kept }
    end }
    for i, trial in ipairs(study.trials) do
      testing.equal(trial.state, i == 2 and "finished" or "failed")
      testing.equal(trial.reason, i ~= 2 and "memory" or nil)
      testing.contains(trial.message or "80M per trial", "80M per trial")
    end
    testing.raises('must be bytes, or e.g. "500M"', function() sweep { memory = "many" } end)
  end,
  ["an error that is no text still names its line, and one of odd bytes can be read and exported"] = function()
    local told = setmetatable({}, { __tostring = function() return "told" end })
    local study = sweep { space = { kind = { "table", "nil", "text", "bytes" } }, run = function(trial)
      error(({ table = {}, text = told, bytes = "a\0b\27[1m\xff\nthe \u{e4} next" })[trial.params.kind], 0)
    end }
    testing.equal(study.trials[4].message, "a b [1m?\nthe \u{e4} next")
    for i, wanted in ipairs { "a table", "a nil" } do
      testing.matches(study.trials[i].message, "failures.lua:%d+: %(error object is " .. wanted .. " value%)")
    end
    testing.equal(study.trials[3].message, "told")
  end,
  ["of a trial that prints without end the last is kept, here and in the store"] = function()
    local path = fresh ".db"
    local proc = require "core.proc"
    local before = proc.resident()
    sweep { space = { x = { 1 } }, store = path, run = function()
      for i = 1, 400000 do
        io.stdout:write(("line %07d %s\n"):format(i, ("x"):rep(86)))
      end
      return { loss = 1 }
    end }
    local opened = assert(store.open(path, "read"))
    local text = opened:rows("output_of_trial", 1)[1].text
    opened:close()
    testing.equal(#text, 65536)
    testing.matches(text, "\nline 0400000 x+\n$")
    testing.ok(testing.reduced() or proc.resident() - before < 20000, "40 MB of output were kept in memory")
  end,
  ["a trial of which nothing is heard is ended, also inside a loop, and its line named"] = function()
    local study = sweep { stall = 1.5, run = function(trial)
      for epoch = 1, 4 do
        trial:report(epoch, { loss = 1 })
        local stop = os.clock() + 0.02
        repeat until os.clock() > stop
      end
      while trial.params.x == 2 do -- for ever
      end
    end }
    testing.equal({ study.trials[1].state, study.trials[2].reason }, { "finished", "time-out" })
    testing.matches(study.trials[2].message, "^tests/lua/test_search_failures.lua:%d+: no epoch was reported for 1.5 s")
  end,
  ["failed trials are tried again as often as asked, and each attempt is recorded"] = function()
    local path, tried = fresh ".db", fresh ".txt"
    local study = sweep { retries = 2, store = path, workers = 1, run = function(trial)
      local file = assert(io.open(tried, "a+"))
      local attempts = #file:read("a")
      file:write("x")
      file:close()
      if trial.params.x == 1 and attempts < 2 or trial.params.x == 3 then
        error("flaky " .. attempts)
      end
      return { loss = 1 }
    end }
    testing.equal({ study.trials[1].state, study.trials[3].state }, { "finished", "failed" })
    local opened = assert(store.open(path, "read"))
    local retries = {}
    for _, event in ipairs(opened:rows("event_list", 1)) do
      retries[#retries + 1] = event.kind == "retry" and event.detail:match("attempt %d of 3") or nil
    end
    local attempts = opened:rows("trial_get", 1, 3)[1].attempt
    opened:close()
    testing.equal(retries, { "attempt 1 of 3", "attempt 2 of 3", "attempt 1 of 3", "attempt 2 of 3" })
    testing.equal(attempts, 3)
  end,
  ["a crash of any kind is a failed trial with its reason, and the others go on"] = function()
    local study = sweep { space = { how = { "a", "exit", "kill", "ok", "raise", "segv", "table" } },
      run = function(trial)
        local how = trial.params.how
        if how == "raise" then
          error "boom"
        elseif how == "table" then
          error { code = 1 }
        elseif how == "exit" then
          os.exit(9)
        elseif how == "kill" then
          print "last words"
          os.execute "kill -KILL $PPID"
        elseif how == "segv" then
          os.execute "kill -SEGV $PPID"
        end
        return 1
      end }
    testing.equal(study.exit_status, 3)
    local by = {}
    for _, trial in ipairs(study.trials) do
      by[trial.params.how] = trial
    end
    local here = "test_search_failures.lua:"
    testing.equal({ by.a.state, by.ok.state }, { "finished", "finished" })
    for _, how in ipairs { "exit", "kill", "raise", "segv", "table" } do
      testing.equal(by[how].state, "failed")
    end
    testing.contains(by.raise.message, "boom")
    testing.contains(by.raise.line, here)
    testing.contains(by.exit.message, "os.exit(9)")
    testing.contains(by.exit.line, here)
    testing.equal(by.kill.signal, "SIGKILL")
    testing.contains(by.kill.message, "last output: last words")
    testing.equal(by.segv.signal, "SIGSEGV")
    testing.contains(by.segv.line, here)
    testing.contains(by.table.message, "error object is a table value")
  end,
  ["the end of the process that starts workers is told, also in the pre-flight"] = function()
    for _, preflight in ipairs { true, false } do
      testing.raises("the process that starts workers is gone; run the same command again to continue", function()
        sweep { preflight = preflight, run = function()
          local file = assert(io.open "/proc/self/stat")
          os.execute("kill -9 " .. file:read("a"):match("^%d+ %b() %S (%d+)"))
          require("core.proc").sleep(5)
        end }
      end)
    end
  end,
  ["a place that attach takes away gets no more workers"] = function()
    local proc, control, path = require "core.proc", require "search.control", fresh ".db"
    local start, spawned = proc.start, 0
    proc.start = function() -- luacheck: ignore 122
      local role, crew = start()
      return role, role == "worker" and crew or setmetatable({}, { __index = function(_, name)
        return function(_, ...)
          spawned = spawned + (name == "spawn" and 1 or 0)
          return crew[name](crew, ...)
        end
      end })
    end
    local numbers = {}
    for i = 1, 16 do
      numbers[i] = i
    end
    local fine, study = pcall(sweep, { workers = 3, store = path, space = { x = numbers }, run = function(trial)
      if trial.number == 1 then
        assert(control.ask(path, { act = "workers", count = 1 }))
      end
      proc.sleep(0.1)
      return { loss = 1 }
    end })
    proc.start = start -- luacheck: ignore 122
    testing.ok(fine, study)
    testing.equal({ #study.trials, spawned }, { 16, 3 })
  end,
  ["a worker after a crash begins from clean memory"] = function()
    _G.dirt = nil
    local study = sweep { workers = 1, run = function(trial)
      if trial.params.x == 1 then
        _G.dirt = true -- luacheck: ignore 122
        error "x"
      end
      return _G.dirt and 1 or 0
    end }
    testing.equal({ study.trials[2].last, study.trials[3].last }, { 0.0, 0.0 })
  end,
  ["a trial that hangs is ended by its time-out and names its line"] = function()
    local study = sweep { timeout = 0.3, space = { x = { 1, 2 } }, run = function(trial)
      while trial.params.x == 2 do end -- luacheck: ignore 542
      return 1
    end }
    testing.equal({ study.trials[1].state, study.trials[2].state, study.trials[2].reason },
      { "finished", "failed", "time-out" })
    testing.matches(study.trials[2].message, "test_search_failures%.lua:%d+: no result within 0%.3 s")
  end,
  ["when the first trials all fail alike the sweep stops and says why"] = function()
    local calls = fresh ".txt"
    local message = testing.raises("first trials all failed the same way", sweep, {
      space = { x = search.int(1, 100) }, workers = 1, run = function()
        local file = io.open(calls, "a")
        file:write "x"
        file:close()
        error "no such layer"
      end })
    testing.contains(message, "no such layer")
    testing.ok(#testing.read(calls) < 10)
  end,
  ["kill -9 at any moment loses no finished trial and changes no result"] = function()
    local file, db = script(), fresh ".db"
    local calm = run(file, "--store " .. fresh ".db")
    local finished = 0
    for i = 1, 8 do
      run(file, ("-j 2 --store %s & p=$!; sleep 0.%d; kill -9 $p"):format(db, i), "SLOW=0.02")
      local opened = store.open(db, "read")
      if opened then
        local now = 0
        for _, row in ipairs(opened:rows("trial_list", 1) or {}) do
          now = now + (row.state == "finished" and 1 or 0)
        end
        opened:close()
        testing.ok(now >= finished, "a finished trial was lost")
        finished = now
      end
    end
    local out, err, status = run(file, "-j 2 --store " .. db)
    testing.equal(status, 0, err)
    testing.equal(out, calm)
  end,
  ["a trial whose worker is killed from outside is run again, with the same result"] = function()
    local flag, calm = fresh ".flag", run(script(), "--store " .. fresh ".db")
    local once = ("if trial.number == 3 and not io.open(%q) then io.open(%q, 'w'):close() "
      .. "os.execute 'kill -9 $PPID' end"):format(flag, flag)
    local out, err, status = run(script(once), "-j 2 --store " .. fresh ".db")
    testing.equal({ out, status }, { calm, 0 })
    testing.contains(err, "trying again")
  end,
  ["a trial whose worker is always killed fails; the sweep ends"] = function()
    local _, err, status = run(script "if trial.number == 3 then os.execute 'kill -9 $PPID' end",
      "-j 2 --store " .. fresh ".db")
    testing.equal(status, 3)
    testing.contains(err, "the worker was killed by SIGKILL")
  end,
  ["an interrupt finishes running trials, says how to go on, and exits with 130"] = function()
    local db = fresh ".db"
    local file = script()
    local _, err, status = testing.sh(("SLOW=0.05 timeout --preserve-status -s INT 0.6 {nnrun} %s -j 1 --store %s")
      :format(file, db))
    if status == 130 then -- a slow machine may not have come to the sweep: then the signal killed it
      testing.contains(err, "continue with:")
      testing.contains(err, file .. " -j 1 --store " .. db)
      local _, rest, again = run(file, "-j 1 --store " .. db)
      testing.equal(again, 0)
      testing.contains(rest, "done already")
    end
    local _, terminated, code = testing.sh(
      ("SLOW=0.05 timeout --preserve-status -s TERM 0.6 {nnrun} %s -j 1 --store %s"):format(file, fresh ".db"))
    testing.ok(code == 143, terminated)
  end,
  ["--retry runs failed trials again"] = function()
    local db, flag = fresh ".db", fresh ".flag"
    local file = script(("if trial.number == 2 and not io.open(%q) then error 'once' end"):format(flag))
    testing.equal(select(3, run(file, "--store " .. db)), 3)
    testing.write(flag, "")
    testing.equal(select(3, run(file, "--store " .. db)), 3)
    testing.equal(select(3, run(file, "--retry --store " .. db)), 0)
  end,
  ["a store in use by another sweep is refused before training"] = function()
    local db = fresh ".db"
    local held = assert(store.open(db, "write"))
    local _, err, status = run(script(), "--store " .. db)
    held:close()
    testing.equal(status, 1)
    testing.contains(err, "being written by another sweep")
  end,
}
