--- The written side of a sweep: which study of the store it is, what is done already, and every
--- result as it comes. Only the coordinator writes, in transactions of at most BATCH seconds.
local json = require "search.json"
local proc = require "core.proc"
local store = require "core.store"

local M = {}

local Record = { __name = "search.record" }
Record.__index = Record

local BATCH = 0.1          -- seconds results may wait for their commit
local GIT_SECONDS = 5      -- git may take to describe the working folder
local LONGEST_DIFF = 1 << 20 -- bytes kept of what was not committed

-- A store that fails ends the sweep; what was committed remains.
local function check(result, message)
  if result == nil then
    error(message, 0)
  end
  return result
end

--- Hash of a text.
M.hash = store.sha256

local function read_file(path)
  local file = io.open(path, "rb")
  local text = file and file:read("a")
  if file then
    file:close()
  end
  return text
end

--- The files a sweep consists of: the script, the file of `run`, and required modules.
---@param run function
---@return table[] files sorted list of {path, sha256, text}
---@return string script the path of the script
function M.files(run)
  local texts = {}
  local function add(path)
    if path and not texts[path] then
      texts[path] = read_file(path)
    end
  end
  local script = rawget(_G, "arg") and arg[0]
  if type(script) == "string" then
    add(script)
  end
  local source = debug.getinfo(run, "S").source
  if source:sub(1, 1) == "@" then
    add(source:sub(2))
  else
    texts[debug.getinfo(run, "S").short_src] = source
  end
  for name in pairs(package.loaded) do
    if not package.preload[name] then
      add(package.searchpath(name, package.path))
    end
  end
  local files = {}
  for path, text in pairs(texts) do
    files[#files + 1] = { path = path, sha256 = store.sha256(text), text = text }
  end
  table.sort(files, function(a, b) return a.path < b.path end)
  return files, type(script) == "string" and script or source:sub(2)
end

--- The parts a study's results depend on, by name, each as a hash or short text.
local function parts_of(plan)
  local hashes = {}
  for i, file in ipairs(plan.files) do
    hashes[i] = file.sha256
  end
  table.sort(hashes) -- by content: a script may be called by another path
  local data = {}
  for i, set in ipairs(plan.data) do
    data[i] = set.sha256
  end
  return {
    script = store.sha256(table.concat(hashes, " ")),
    data = store.sha256(table.concat(data, " ")),
    space = store.sha256(plan.space_text),
    sampler = plan.sampler.name,
    pruner = plan.pruner and plan.pruner.name,
    lag = (plan.pruner or plan.sampler.tell) and plan.lag or nil,
    objective = plan.objective .. " " .. plan.select,
    seed = plan.seed,
    seeds = plan.seeds,
    race = plan.race,
    threads = plan.threads,
  }
end

local PARTS = { "script", "data", "space", "sampler", "pruner", "lag", "objective", "seed", "seeds", "race", "threads" }

-- What differs between a recorded study and this sweep: "the script and the space".
local function changes(recorded, parts)
  local old = json.decode(recorded.settings)
  local names = {}
  for _, name in ipairs(PARTS) do
    if old[name] ~= parts[name] then
      names[#names + 1] = "the " .. name
    end
  end
  return #names > 0 and table.concat(names, ", ") or nil
end

local function add_study(self, plan, version, parts)
  self.id = check(self.store:run("study_add", plan.name, version, store.sha256(json.encode(parts)),
    plan.script, plan.objective, plan.space_text, plan.sampler.name, json.encode(parts), plan.seed,
    plan.seeds, plan.total, plan.threads, proc.wall(), plan.pruner and plan.pruner.name))
  self.version = version
  for _, file in ipairs(plan.files) do
    check(self.store:run("file_add", self.id, file.path, file.sha256, file.text))
  end
  for _, set in ipairs(plan.data) do
    check(self.store:run("data_add", self.id, set.name, set.sha256, set.detail))
  end
end

local function continue_study(self, study, plan, changed)
  self.id, self.version = study.id, study.version
  if changed then
    self:event(nil, "continued", "although changed: " .. changed)
  end
  if plan.total ~= study.trials then
    check(self.store:run("study_set_trials", plan.total, study.id))
  end
end

--- Open the store and find or begin the study.
---@param plan table name, objective, select, space_text, sampler, seed, seeds, trials, threads,
--- files, data, script, workers, arguments, engine; fresh and resume from the command line
---@return table? record
---@return string? message why the store cannot be used
function M.open(plan)
  local opened, message = store.open(plan.store, "write")
  if not opened then
    return nil, message
  end
  local self = setmetatable({
    store = opened, path = plan.store, names = {}, epochs = {}, notes = {}, committed = proc.now(),
  }, Record)
  check(opened:begin())
  local parts = parts_of(plan)
  local latest = opened:rows("study_latest", plan.name)[1]
  local same = opened:rows("study_same", plan.name, store.sha256(json.encode(parts)))[1]
  local study = not plan.resume and same or latest
  local changed = study and changes(study, parts)
  if study and not plan.fresh and (not changed or plan.resume) then
    continue_study(self, study, plan, changed)
  else
    add_study(self, plan, latest and latest.version + 1 or 1, parts)
    if changed and not plan.fresh then
      self.notes[1] = ("%s changed since version %d of '%s': beginning version %d "
        .. "(--resume continues version %d instead)"):format(changed:gsub("^t", "T"), latest.version,
        plan.name, self.version, latest.version)
    end
  end
  for _, row in ipairs(opened:rows("name_list")) do
    self.names[row.name] = row.id
  end
  local engine = plan.engine
  self.session = check(opened:run("session_add", self.id, proc.wall(), proc.pid(), proc.hostname(),
    plan.workers, plan.threads, engine.version, _VERSION, engine.kernel, engine.isa,
    plan.arguments, proc.folder()))
  check(opened:commit())
  return self
end

--- Record the git commit of the folder a script lies in, and what was not committed there, once for a session.
--- Nothing where there is no repository, or no git. It takes milliseconds, or many in a large folder: a sweep
--- asks when its workers are busy.
---@param script string
function Record:note_repository(script)
  if self.noted_repository then
    return
  end
  self.noted_repository = true
  local run = require("core.plot").run
  local folder = script:match("^(.*)/[^/]*$") or "."
  local function git(...)
    local result = run({ "git", "-c", "core.fsmonitor=false", "-C", folder, ... }, "", GIT_SECONDS)
    return result and result.status == 0 and result.output or nil
  end
  local commit = git("rev-parse", "HEAD")
  local diff = commit and git("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", "--", ".")
  if diff and #diff > LONGEST_DIFF then
    diff = diff:sub(1, LONGEST_DIFF) .. "\n[cut]\n"
  end
  if commit then
    self:write("session_set_git", commit:match("%x+"), diff ~= "" and diff or nil, self.session)
  end
end

--- Note that something happened that is no result.
---@param trial integer? its row in the store
---@param kind string
---@param detail string?
function Record:event(trial, kind, detail)
  self:write("event_add", self.id, trial, proc.wall(), kind, detail)
end

-- Something waits for the next commit.
local function begin(self)
  if not self.dirty then
    check(self.store:begin())
    self.dirty = true
  end
end

--- Run a statement inside the current transaction.
function Record:write(name, ...)
  begin(self)
  return check(self.store:run(name, ...))
end

local function write_epochs(self)
  local epochs = self.epochs
  self.epochs = {}
  for _, epoch in ipairs(epochs) do
    local trial, row = epoch[1], epoch[2]
    for name, value in pairs(row) do
      if name ~= "epoch" then
        self.names[name] = self.names[name] or self:write("name_add", name)
        self:write("metric_add", trial, row.epoch, self.names[name], value + 0.0)
      end
    end
  end
end

--- A trial has been given to a worker. `trial.id` is its row.
function Record:start(trial, worker)
  if trial.id and trial.at_rung then
    self:write("trial_continue", self.session, worker, trial.id)
  elseif trial.id then
    write_epochs(self) -- maybe its own of before
    self:write("trial_restart", proc.wall(), self.session, worker, trial.id)
    self:write("metric_clear", trial.id)
    self:write("output_clear", trial.id)
  else
    local params = json.encode(trial.params)
    trial.id = self:write("trial_start", self.id, trial.number, trial.config, trial["repeat"],
      store.sha256(params):sub(1, 16), params, trial.seed, proc.wall(), self.session, worker)
  end
end

--- Metrics of one epoch: a row with `epoch`. Written with the next commit, since they often come just before the
--- result of a trial, whose worker waits for its next one.
function Record:metrics(trial, row)
  begin(self)
  self.epochs[#self.epochs + 1] = { trial.id, row }
end

--- A trial that begins as a copy of another: with its parent's number and state.
---@param child table
---@param parent table
function Record:adopt(child, parent)
  self:start(child, nil)
  self:write("trial_set_parent", parent.number, child.id)
  local state, epoch = self:recall(parent, "last")
  if state then
    self:write("checkpoint_set", child.id, "last", epoch, state)
  end
  child.at_rung = true
end

--- What a trial can go on from.
---@param trial table
---@param name string "last" or "best"
---@param epoch integer
---@param data string
function Record:checkpoint(trial, name, epoch, data)
  self:write("checkpoint_set", trial.id, name, epoch, data)
end

--- What `checkpoint` kept, or nil; and its epoch.
function Record:recall(trial, name)
  local found = trial.id and self.store:rows("checkpoint_get", trial.id, name)[1]
  if found then
    return found.data, found.epoch
  end
end

--- The epochs of the trials that can go on from one, by their rows in the store.
---@return table<integer, integer>
function Record:resumable()
  local epochs = {}
  for _, row in ipairs(self.store:rows("checkpoint_list")) do
    epochs[row.trial] = row.kind == "last" and row.epoch or epochs[row.trial]
  end
  return epochs
end

--- Forget it.
function Record:forget(trial, name)
  self:write("checkpoint_clear", trial.id, name)
end

--- There are to be so many trials in all.
function Record:set_trials(total)
  self:write("study_set_trials", total, self.id)
end

--- The end of a trial.
---@param trial table
---@param result table state, last, best, best_epoch, epochs, seconds, reason, message, line, signal,
--- rss_kb, output
function Record:finish(trial, result)
  self:write("trial_finish", result.state, result.epochs, result.last, result.best,
    result.best_epoch, result.seconds, result.reason, result.message, result.line, result.signal,
    result.rss_kb, result.weights, result.samples, trial.id)
  if result.output and result.output ~= "" then
    self:write("output_set", trial.id, result.output)
  end
end

--- Seconds until the next commit is due, or nil when nothing waits for one.
function Record:due()
  return self.dirty and math.max(0, self.committed + BATCH - proc.now()) or nil
end

--- Commit when it is time, or at once.
---@param now boolean?
function Record:commit(now)
  if self.dirty and (now or proc.now() - self.committed >= BATCH) then
    write_epochs(self)
    check(self.store:commit())
    self.dirty = false
    self.committed = proc.now()
  end
end

--- The end of this run of the program; closes the store.
---@param outcome string
function Record:close(outcome)
  self:write("session_end", proc.wall(), outcome, self.session)
  self:commit(true)
  if self.path ~= ":memory:" then
    check(self.store:close())
    self.store = nil
  end
end

return M
