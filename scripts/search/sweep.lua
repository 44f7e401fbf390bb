--- search.sweep: checks what was asked, forks the workers' template, opens the store, runs the trials.
local args = require "search.args"
local budgets = require "search.budget"
local configs = require "search.config"
local confirm = require "search.confirm"
local control = require "search.control"
local coordinator = require "search.coordinator"
local json = require "search.json"
local objectives = require "search.objective"
local options = require "options"
local proc = require "core.proc"
local past = require "search.past"
local preflight = require "search.preflight"
local progress = require "search.progress"
local proposals = require "search.proposals"
local pruners = require "search.pruners"
local races = require "search.race"
local random = require "core.random"
local record = require "search.record"
local seals = require "data.seal"
local samplers = require "search.samplers"
local spaces = require "search.space"
local studies = require "search.study"
local worker = require "search.worker"

local M = {}

local EXIT = { usage = 2, failed = 3, SIGINT = 130, SIGTERM = 143 }
local PREFLIGHT_TRIALS = 8 -- from so many on the space is tried first

local function positive(help, more)
  local row = { type = "integer", min = 1, help = help }
  for key, value in pairs(more or {}) do
    row[key] = value
  end
  return row
end

local function check_objective(given)
  local goals, problem = objectives.read(given)
  return not goals and problem or nil
end

local function check_name(text)
  return not text:find("^[%w_.-]+$")
    and "must consist of letters, digits, '_', '-' and '.', got " .. options.show(text) or nil
end

local function check_gradcheck(value)
  return type(value) == "string" and value ~= "auto"
    and ("must be true, false or \"auto\", got %s"):format(options.show(value)) or nil
end

local UNITS = { K = 1 << 10, M = 1 << 20, G = 1 << 30 }

-- Bytes of "2G" or a number; nil for anything else.
local function bytes_of(value)
  local number, unit = tostring(value):upper():match("^(%d+%.?%d*)([KMG]?)B?$")
  number = number and tonumber(number) * (UNITS[unit] or 1)
  return number and number >= 1 and math.floor(number) or nil
end

local function check_memory(value)
  return not bytes_of(value)
    and ("must be bytes, or e.g. \"500M\" or \"2G\"; got %s"):format(options.show(value)) or nil
end

local SPEC = {
  name = { type = "string", required = true, check = check_name,
    help = "of the study; also names its store" },
  objective = { type = "string|table", required = true, check = check_objective,
    help = "\"max val_accuracy\": what a good trial has; or several: "
      .. "{ \"max val_accuracy\", \"min parameters\" }" },
  space = { type = "table", required = true, help = "name -> search.float(...), list, or constant" },
  run = { type = "function", required = true,
    help = "function(trial) that returns a history, a number, or a table of metrics" },
  sampler = { type = "string|table|function",
    help = "grid, random, sobol, halton, tpe, gp, cmaes, de, evolution or nsga2; with options: "
      .. "{ \"tpe\", startup = 20 }; or your own; default: grid if the space has one of up to a million points, "
      .. "else random", choices = options.keys(samplers.table) },
  pruner = { type = "string|table", help = "\"median\", \"asha\", search.pruner.hyperband { ... } or your own: "
    .. "ends poor trials early; default none", choices = options.keys(pruners.constructors) },
  lag = positive("a proposal knows the results of all but the last so many configurations before it; "
    .. "no more workers than lag x seeds can be busy when the sampler or pruner learns", { default = 8 }),
  trials = positive("in all, repeats included; default: the whole grid"),
  seeds = positive("repeats of each configuration", { default = 1, max = 10000 }),
  race = { type = "boolean", default = false, help = "run repeats round by round, and drop configurations that "
    .. "paired tests show to be worse" },
  seed = { type = "integer", default = 1, help = "what all random numbers follow from" },
  confirm = { type = "integer", min = 0, max = confirm.MOST, help = "fresh seeds that winner and runner-up are run on "
    .. "at the end, to say what the winner is worth; default 3 to 5, none in sweeps of less than 24 trials, "
    .. "of several objectives, or with a budget" },
  constraint = { type = "function", help = "function(params): false for what must not be run" },
  select = { type = "string", choices = { "best", "last" },
    help = "which epoch of a trial ranks it; default \"best\", and \"last\" with several objectives" },
  workers = positive("trials trained at a time; default: all cores", { max = control.MOST_WORKERS }),
  threads = positive("threads within one trial; results depend on it", { default = 1, max = 64 }),
  timeout = { type = "number", above = 0, help = "seconds a trial may take" },
  stall = { type = "number", above = 0, help = "seconds that may pass in a trial without a reported epoch" },
  memory = { type = "string|integer", check = check_memory,
    help = "\"2G\", \"500M\" or bytes that a trial may take beside what the script has loaded" },
  checkpoints = { type = "string", default = "none", choices = { "none", "last", "best" },
    help = "whether the store keeps a trial's state after its end: of its last or its best epoch" },
  checkpoint_every = { type = "number", min = 0, default = 2,
    help = "seconds from one checkpoint of a running trial to the next, at least; after a crash it goes on there" },
  budget = { type = "string|number|table", check = budgets.problem,
    help = "\"10m\", or { epochs = N } or { samples = N } in all: trials that would exceed it are not started" },
  retries = { type = "integer", min = 0, default = 0, help = "times a trial that fails is tried again" },
  store = { type = "string", help = "file of the run store; default results/NAME.db" },
  gradcheck = { type = "boolean|string", default = "auto", check = check_gradcheck,
    help = "check gradients of the script's own layers and losses where they are first used, in under a second: "
      .. "\"auto\" prints what is wrong, true fails the trial" },
  data = { type = "table", help = "data sets whose hashes are recorded; default: none" },
  test = { type = "table", help = "the test data set: it is sealed (see data.seal), and every look at it recorded" },
  quiet = { type = "boolean", default = false, help = "no progress" },
  table = { type = "boolean", default = true, help = "print the results at the end" },
  preflight = { type = "boolean", help = "try the corners of the space before the first trial; default: when "
    .. "the script uses nn and there are at least 8 trials" },
  dry_run = { type = "boolean", default = false, help = "end after that" },
  fresh = { type = "boolean", default = false, help = "begin a new version of the study" },
  resume = { type = "boolean", default = false, help = "continue although something changed" },
  retry = { type = "boolean", default = false, help = "run failed trials again" },
  arguments = { type = "table", help = "command line; default: arg, that of the script" },
}

-- In a worker a second sweep would fork its own: refuse.
local in_worker = false

local function usage(message)
  io.stderr:write("nnrun: ", message, "\n")
  os.exit(EXIT.usage, true)
end

-- The script's options with those of the command line on top, checked.
local function read_options(given)
  if type(given) ~= "table" then
    options.fail("search.sweep: options must be a table, got %s", options.show(given))
  end
  local copy = {}
  for key, value in pairs(given) do
    copy[key] = value
  end
  local words = given.arguments or rawget(_G, "arg") or {}
  local line, message = args.parse(words)
  if not line then
    usage(message)
  end
  for _, flag in ipairs { "fresh", "resume", "retry", "quiet", "dry_run" } do
    copy[flag] = line[flag] or copy[flag]
  end
  if type(copy.space) == "table" then
    copy.space = spaces.new(copy.space)
    if #copy.space.names == 0 then
      options.fail("search.sweep: the space is empty; give at least one parameter, e.g. "
        .. "space = { lr = search.float(1e-4, 1e-1, { log = true }) }")
    end
    local done
    done, message = args.apply(copy, line, SPEC)
    if not done then
      usage(message)
    end
  end
  local checked = options.check(copy, SPEC, "search.sweep")
  checked.goals, checked.objective = objectives.read(checked.objective)
  if #checked.goals > 1 and checked.select == "best" then
    options.fail("search.sweep: with several objectives a trial counts with its last epoch; leave out "
      .. "select = \"best\"")
  end
  local problem = checked.race and races.problem(checked)
  if problem then
    options.fail("search.sweep: %s", problem)
  end
  checked.select = checked.select or #checked.goals > 1 and "last" or "best"
  if line.help then
    io.stdout:write(args.help(checked, words[0] or "script.lua"))
    os.exit(0, true)
  end
  return checked, words
end

local function data_of(sets)
  local list = {}
  for i, set in ipairs(sets or {}) do
    local hash = type(set) == "string" and record.hash(set) or set.hash
    if type(hash) == "function" then
      hash = set:hash()
    end
    list[i] = {
      name = type(set) == "table" and set.name or tostring(i), sha256 = tostring(hash),
      detail = nil,
    }
    list[i].name = ("%d %s"):format(i, list[i].name)
  end
  return list
end

-- Facts about the engine that results depend on, for the record. Asking a script's engine loads BLAS
-- here, once, on one thread, instead of in every worker.
local function engine_facts()
  local facts = { version = proc.version }
  if package.loaded["core.train"] then
    facts.isa, facts.kernel = require("core.train").kernel()
  end
  return facts
end

-- How many trials there are in all, by what is asked and what the sampler has.
local function total_of(asked, sampler)
  local all = sampler.count and sampler.count * asked.seeds
  if not asked.trials and not all then
    options.fail("search.sweep: sampler '%s' needs trials = N, the number of trials in all "
      .. "(repeats included)", sampler.name)
  end
  return math.min(asked.trials or all, all or asked.trials)
end

-- The command that continues this sweep.
local function resume_command(words)
  local parts = { words[-1] or "nnrun", words[0] or "SCRIPT" }
  for _, word in ipairs(words) do
    parts[#parts + 1] = word ~= "--fresh" and word or nil
  end
  return args.join(parts)
end

local function make_plan(asked, words)
  local space = asked.space
  local names = space:varying()
  local function label(params)
    return configs.label(params, names)
  end
  local sampler = proposals.new { space = space, seed = asked.seed, constraint = asked.constraint,
    sampler = asked.sampler, goals = asked.goals }
  local pruner = pruners.make(asked.pruner, asked.goals[1])
  local budget = asked.budget and budgets.parse(asked.budget)
  if budget and pruner and pruner.order and budget.kind ~= "seconds" then
    options.fail("search.sweep: pruner '%s' trains its configurations in stages, which a budget of %s cannot end; "
      .. "give trials, or a budget in seconds", pruner.name, budget.kind)
  end
  local files, script = record.files(asked.run)
  return {
    name = asked.name, objective = asked.objective, goal = asked.goals[1], goals = asked.goals,
    select = asked.select, space_text = json.encode(space:describe()), sampler = sampler,
    pruner = pruner, lag = asked.lag, names = names, label = label, seed = asked.seed, seeds = asked.seeds,
    trials = asked.trials,
    checkpoints = asked.checkpoints, budget = budget, space = space,
    constraint = asked.constraint, dry_run = asked.dry_run,
    threads = asked.threads, timeout = asked.timeout, stall = asked.stall, retries = asked.retries,
    memory = asked.memory and bytes_of(asked.memory), memory_text = tostring(asked.memory),
    quiet = asked.quiet, retry = asked.retry,
    fresh = asked.fresh, resume = asked.resume, run = asked.run, files = files, script = script,
    data = data_of(asked.data), engine = engine_facts(),
    store = asked.store or ("results/%s.db"):format(asked.name),
    workers = asked.workers or proc.cores(), total = total_of(asked, sampler),
    most = pruner and pruner.most and pruner.most(total_of(asked, sampler)) or total_of(asked, sampler),
    arguments = args.join(words), command = resume_command(words),
    recorded = {}, confirmed = {}, -- trials the store had, by configuration; those on fresh seeds by number
    -- Seeds are shared by all configurations, so that they can be compared in pairs.
    seed_of = function(part)
      return random.below(asked.seed, "trial", part, 1 << 31)
    end,
    fresh_seed_of = function(part)
      return random.below(asked.seed, "confirm", part, 1 << 31)
    end,
    confirm = asked.confirm, order = asked.race and races.new or nil,
    race = asked.race or nil,
  }
end

local function count(trials, total)
  local done, failed = 0, 0
  for number = 1, total do
    local state = trials[number] and trials[number].state
    done = done + (state and 1 or 0)
    failed = failed + (state == "failed" and 1 or 0)
  end
  return done, failed
end

local function announce(plan, view, journal, done)
  for _, note in ipairs(journal.notes) do
    view:note(note)
  end
  local proposed = (plan.total + plan.seeds - 1) // plan.seeds
  view:note(("sweep '%s'%s: %d configuration%s x %d seed%s = %d trial%s, %d worker%s, store %s"):format(
    plan.name, journal.version > 1 and " version " .. journal.version or "", proposed,
    proposed == 1 and "" or "s", plan.seeds, plan.seeds == 1 and "" or "s", plan.total,
    plan.total == 1 and "" or "s", plan.workers, plan.workers == 1 and "" or "s", plan.store))
  if plan.sampler.count and plan.sampler.count * plan.seeds > plan.total then
    view:note(("only the first of %d points of the grid: sampler = \"random\" would spread them"):format(
      plan.sampler.count))
  end
  if plan.sampler.share then
    view:note(("the constraint allows about %.3g%% of the space"):format(100 * plan.sampler.share))
  end
  if plan.sampler.tell and plan.lag * plan.seeds < plan.workers then
    view:note(("sampler '%s' has at most %d trials in work; lag = %d would use all workers"):format(
      plan.sampler.name, plan.lag * plan.seeds, (plan.workers + plan.seeds - 1) // plan.seeds))
  end
  if done > 0 then
    view:note(("%d of them are done already"):format(done))
  end
end

-- The study as it stands, in trial order.
local function make_study(plan, journal, trials, total)
  local list = {}
  for number = 1, total do
    local trial = trials[number]
    if trial and trial.state then
      trial.id = nil
      list[#list + 1] = trial
    end
  end
  local script
  for _, file in ipairs(plan.files) do
    script = file.path == plan.script and file.text or script
  end
  return studies.new {
    name = plan.name, version = journal.version, id = journal.id, store = plan.store,
    store_handle = journal.store, objective = plan.goal, objectives = plan.goals, select = plan.select,
    race = plan.race,
    names = plan.names, trials = list, script = script,
    info = {
      script = plan.script, objective = plan.objective, sampler = plan.sampler.name, seed = plan.seed,
      seeds = plan.seeds, threads = plan.threads, kernel = plan.engine.kernel,
      isa = plan.engine.isa, store = plan.store,
    },
  }
end

-- Pre-flight, the trials, and the winner once more. Returns the study, too, when it came to trials.
local function fly(crew, plan, trials, journal, view, done)
  if plan.preflight and done < plan.total then
    local results, interrupted = preflight.probe(crew, plan)
    if interrupted then
      return { stopped = interrupted, total = plan.total }
    end
    local lines, hopeless, failed = preflight.describe(plan, results, plan.total - done)
    for _, line in ipairs(lines) do
      view:note(line)
    end
    if hopeless or plan.dry_run then
      return { hopeless = hopeless, dry = true, total = plan.total, failed = failed }
    end
  end
  local outcome = coordinator.run(crew, plan, trials, journal, view)
  local study = make_study(plan, journal, trials, outcome.total)
  if not outcome.stopped and not outcome.hopeless then
    outcome.stopped = confirm.run(crew, plan, journal, view, study, outcome.total)
  end
  return outcome, study
end

-- Everything after the fork, in the coordinator. Returns the study or raises.
local function coordinate(crew, plan, journal)
  past.honour(plan, journal)
  local trials = past.trials(plan, journal)
  if plan.test then
    journal:event(nil, "sealed", plan.test.name)
  end
  local done, failed = count(trials, plan.most)
  local view = progress.new {
    name = plan.name, total = plan.total, done = done, failed = failed, workers = plan.workers,
    quiet = plan.quiet, objective = plan.goal, label = plan.label,
  }
  announce(plan, view, journal, done)
  local begun = proc.now()
  local fine, outcome, study = pcall(fly, crew, plan, trials, journal, view, done)
  crew:close()
  view:close()
  if not fine then
    pcall(journal.close, journal, "error: " .. tostring(outcome))
    error(outcome, 0)
  end
  local finished
  finished, failed = count(trials, outcome.total)
  journal:close(outcome.stopped or outcome.hopeless and "hopeless" or outcome.dry and "dry run" or "done")
  view:note(("%d trial%s in %s%s"):format(finished - done, finished - done == 1 and "" or "s",
    progress.duration(proc.now() - begun), failed > 0 and (", %d of %d failed"):format(failed,
      outcome.total) or ""))
  study = study or make_study(plan, journal, trials, outcome.total)
  study.store_handle = journal.store -- nil: it has been closed
  seals.listen(function(seen)
    study:looked(seen)
  end)
  return study, outcome
end

--- Train many models side by side, record all of it, and return what came out.
---
--- Every configuration of the space (or `trials` of them) is run on the same `seeds` seeds by worker
--- processes; `run(trial)` (see search.Trial) trains one model from `trial.params` and returns its
--- history (what fit returns), a number, or a table of metrics. With `trial = trial` fit takes seed
--- and threads from the trial and reports every epoch. Results do not depend on the number
--- of workers. The same command again continues where it stopped. A trial that crashes is recorded
--- as failed with its message, and the others go on. On the command line of the script: -j N,
--- --trials N, --seed N, --seeds N, --set space.lr=0.01, --store FILE, --fresh, --help, ...
--- Ends the program with status 130 when interrupted. Errors begin with the script's line.
---@param given table
---@return search.Study study
---@options SPEC
function M.sweep(given)
  if in_worker then
    options.fail("search.sweep: a sweep cannot run inside a trial of another one")
  end
  local asked, words = read_options(given)
  local plan = make_plan(asked, words)
  if asked.test then
    plan.test = seals.seal(asked.test)
  end
  plan.preflight = asked.dry_run or asked.preflight
    or asked.preflight == nil and package.loaded["nn"] ~= nil and plan.total >= PREFLIGHT_TRIALS
  if M.instead then -- rerun: one trial only
    return M.instead(plan)
  end
  collectgarbage() -- workers share what is left
  local role, link = proc.start()
  if not role then
    options.fail("search.sweep: %s", link)
  elseif role == "worker" then
    in_worker = true
    worker.serve(link, { run = plan.run, objective = plan.goal, threads = plan.threads, memory = plan.memory,
      memory_text = plan.memory_text, gradcheck = asked.gradcheck, checkpoints = asked.checkpoints,
      checkpoint_every = asked.checkpoint_every })
  end
  local opened, journal, message = pcall(record.open, plan)
  if not opened or not journal then
    link:close()
    options.fail("%s", opened and message or journal)
  end
  local study, outcome = coordinate(link, plan, journal)
  if outcome.stopped then
    io.stderr:write("finished trials are recorded; continue with:\n  ", plan.command, "\n")
    os.exit(EXIT[outcome.stopped], true)
  elseif outcome.hopeless and outcome.dry then
    options.fail("search.sweep: %s", outcome.hopeless)
  elseif outcome.dry then
    os.exit((outcome.failed or 0) > 0 and EXIT.failed or 0, true)
  elseif outcome.hopeless then
    options.fail("search.sweep: the first trials all failed the same way (--retry runs them again):\n%s",
      outcome.hopeless)
  end
  if asked.table then
    io.stdout:write(study:text())
    io.stdout:flush()
    study.shown = true -- a report need not print the table again
  end
  return study
end

return M
