-- Learning curves and the report of a sweep, on a study made by hand.
local testing = require "testing"
local curves = require "report.curves"
local html = require "report.html"
local plot = require "report.plot"
local report = require "report"
local studies = require "report.study"

local NAN = 0 / 0
local tests = {}

-- A trial whose validation accuracy grows to `best` and ends at `last`.
local function trial(number, seed, last, best, state)
  local finished = (state or "finished") == "finished"
  return {
    number = number, seed = seed, state = state or "finished", last = finished and last or nil,
    best = finished and best or nil, message = not finished and "diverged at step 8 in <linear_2>" or nil,
    epochs = {
      { epoch = 1, loss = 2, val_loss = 2.1, accuracy = 0.5, val_accuracy = 0.4, seconds = 1.5 },
      { epoch = 2, loss = 1, val_loss = 1.2, accuracy = 0.8, val_accuracy = best, seconds = 1.5 },
      { epoch = 3, loss = 0.5, val_loss = finished and 1.3 or NAN, accuracy = 0.9, val_accuracy = last, seconds = 1 },
    },
  }
end

local function make_study()
  local study = {
    name = "a <study> & 'more'", objective = { direction = "max", metric = "val_accuracy" },
    info = { kernel = "Zen" }, script = "if a < b then\n\tprint '&'\nend\n", configs = {},
  }
  local function add(params, best, spread, states)
    local config = { number = #study.configs + 1, params = params, label = "?", trials = {} }
    local bests, lasts = {}, {}
    for seed = 1, 3 do
      local value = best + (seed - 2) * spread
      config.trials[seed] = trial(3 * config.number + seed, seed, value - 0.01, value, states and states[seed])
      if config.trials[seed].best then
        bests[#bests + 1], lasts[#lasts + 1] = value, value - 0.01
      end
    end
    config.n = #bests
    config.best = { mean = report.stats.mean(bests), std = report.stats.std(bests) }
    config.last = { mean = report.stats.mean(lasts), std = report.stats.std(lasts) }
    study.configs[config.number] = config
  end
  add({ hidden = 32, lr = 0.01, optimizer = { name = "sgd", momentum = 0.9 }, epochs = 3 }, 0.80, 0.01)
  add({ hidden = 64, lr = 0.01, optimizer = { name = "adam" }, epochs = 3 }, 0.90, 0.0102)
  add({ hidden = 64, lr = 0.1, optimizer = { name = "adam" }, epochs = 3 }, 0.95, 0.01, { "finished", "diverged" })
  add({ hidden = 128, lr = 0.1, optimizer = { name = "adam" }, epochs = 3 }, 0.5, 0, { "failed", "failed", "failed" })
  return study
end

tests["settings are ranked: whole ones first, then by their mean, failures last"] = function()
  local view = studies.view(make_study())
  local order = {}
  for i, row in ipairs(view.rows) do
    order[i] = row.number
  end
  testing.equal(order, { 2, 1, 3, 4 })
  testing.equal(view.rows[3].states, "1 diverged")
  testing.equal(view.rows[1].mark, true)
end

tests["the smaller value wins where the objective is to be small"] = function()
  local study = make_study()
  study.objective.direction = "min"
  testing.equal(studies.view(study).rows[1].number, 1)
end

tests["the last value ranks when the sweep selects by it"] = function()
  local study = make_study()
  study.select = "last"
  study.configs[1].last.mean = 0.99
  testing.equal(studies.view(study).rows[1].number, 1)
end

tests["parameters that differ make the columns, with those of branches by their path"] = function()
  local view = studies.view(make_study())
  testing.equal(view.varying, { "hidden", "lr", "optimizer", "optimizer.momentum" })
  testing.equal(view.fixed, { "epochs" })
  testing.equal(view.rows[2].label, "hidden=32 lr=0.01 optimizer=sgd optimizer.momentum=0.9")
  local study = make_study()
  study.names = { "optimizer", "optimizer.momentum", "hidden" }
  testing.equal(studies.view(study).varying, { "optimizer", "optimizer.momentum", "hidden", "lr" })
  local lines = {}
  for line in studies.table(view):text():gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  testing.matches(lines[1], "^#  config  hidden")
  testing.matches(lines[3], "^1 +2 +64 +0%.01 +adam +3 +0%.890 ± 0%.010 +0%.900 ± 0%.010$")
  testing.matches(lines[5], "0%.950 ± 0%.014 +1 diverged$")
  testing.matches(lines[6], "0 +%- +%- +3 failed$")
  local study_of_many = make_study()
  for _, config in ipairs(study_of_many.configs) do
    for i = 1, 9 do
      config.params["a_parameter_with_a_long_name_" .. i] = i == config.number and 1 or nil
    end
  end
  local short = studies.table(studies.view(study_of_many), { width = 60 }):text()
  testing.contains(short, "a_parameter_with_a_long_name_1=1 hidden=32 lr=0.01")
end

tests["the winner's lead is stated with an interval and a corrected p"] = function()
  local view = studies.view(make_study())
  local comparisons = studies.compare(view)
  testing.equal(#comparisons, 1, "the third setting has too few seeds")
  testing.near(comparisons[1].mean, 0.1, 1e-12)
  testing.matches(studies.verdict(view), "^#1 against #2 over 3 shared seeds: difference of best val_accuracy 0%.1")
  testing.contains(studies.verdict(view), "a real difference")
  local study = make_study()
  study.configs[1].trials[1].best = 1.2
  testing.contains(studies.verdict(studies.view(study)), "do not tell them apart")
  study.configs[1].trials[1].state = "failed"
  testing.equal(studies.verdict(studies.view(study)), nil)
end

tests["a band is the mean and range over seeds, epoch by epoch"] = function()
  local band = curves.band({
    { epochs = { { epoch = 1, a = 1 }, { epoch = 2, a = NAN }, { epoch = 4, a = 3 } } },
    { epochs = { { epoch = 1, a = 3 }, { epoch = 2, a = 5 } } }, {},
  }, "a")
  testing.equal(band, { x = { 1, 2, 4 }, y = { 2, 5, 3 }, low = { 1, 5, 3 }, high = { 3, 5, 3 } })
  testing.equal(curves.band({ { epochs = { { a = 1 } } } }, "a").low, nil)
end

tests["curves take a history, a list, names, or repeats"] = function()
  local one = make_study().configs[1].trials[1]
  local function names(histories, options)
    local list = {}
    for i, entry in ipairs(plot.prepare(curves.spec(histories, options)).legend) do
      list[i] = entry.name
    end
    return table.concat(list, ", ")
  end
  testing.equal(names(one), "training, validation")
  testing.equal(names { b = one, a = one }, "a, b, validation (solid), training (dashed)")
  testing.equal(names { one, one }, "run 1, run 2, validation (solid), training (dashed)")
  local rest = { name = "rest", histories = { one }, muted = true }
  testing.equal(names { { name = "x", histories = { one, one } }, rest },
    "x, validation (solid), training (dashed), rest")
  testing.equal(#curves.spec(one).panels, 2)
  testing.equal(curves.spec(one, { metrics = { "accuracy" } }).panels[1].y.label, "accuracy (fraction)")
  testing.raises("a history (what fit returns)", report.curves, 5)
  testing.raises("hold no epochs", report.curves, { epochs = {} })
  testing.raises("did you mean 'metrics'", report.curves, one, { metric = { "loss" } })
end

tests["the end of training is shown close up when there are epochs enough"] = function()
  local study = make_study()
  testing.equal(#studies.curves(studies.view(study), 2).panels, 2)
  for _, config in ipairs(study.configs) do
    for _, one in ipairs(config.trials) do
      for epoch = 4, 10 do
        one.epochs[epoch] = { epoch = epoch, accuracy = 0.97, val_accuracy = 0.9 + epoch / 1000, loss = 1 }
      end
    end
  end
  local panel = studies.curves(studies.view(study), 2).panels[3]
  testing.contains(panel.title, "accuracy, close up")
  testing.equal(panel.x.min, 5)
  testing.near({ panel.y.min, panel.y.max }, { 0.9046, 0.9104 }, 1e-9)
  for _, series in ipairs(panel.series) do
    testing.ok(series.dash ~= "dashed", "training is left out")
  end
end

local function run_sweep(study, options)
  local out = {}
  local write = io.stdout
  io.stdout = { write = function(_, ...) -- luacheck: ignore 122
    out[#out + 1] = table.concat { ... }
    return io.stdout
  end, flush = function() end }
  local fine, result, message = pcall(report.sweep, study, options)
  io.stdout = write -- luacheck: ignore 122
  if not fine then
    error(result, 0)
  end
  return result, message, table.concat(out)
end

tests["a sweep's report prints the table and curves, and writes all files"] = function()
  testing.need_gnuplot()
  local folder = testing.folder() .. "/results"
  local result, message, out = run_sweep(make_study(), { dir = folder })
  testing.ok(result, message)
  testing.contains(out, "best val_accuracy")
  testing.contains(out, "A #1  hidden=64 lr=0.01 optimizer=adam")
  local stem = folder .. "/a-study-more"
  testing.equal(result.files, { stem .. "-table.csv", stem .. "-epochs.csv", stem .. "-curves.png",
    stem .. "-curves.svg", stem .. "-parameters.png", stem .. "-parameters.svg", stem .. ".html" })
  for _, file in ipairs(result.files) do
    testing.ok(#testing.read(file) > 100, file)
  end
end

tests["the same study gives the same bytes"] = function()
  testing.need_gnuplot()
  local first, second = testing.folder(), testing.folder()
  local a = run_sweep(make_study(), { dir = first, formats = { "svg" } })
  local b = run_sweep(make_study(), { dir = second, formats = { "svg" } })
  for i, file in ipairs(a.files) do
    testing.ok(testing.read(file) == testing.read(b.files[i]), file .. " differs")
  end
end

tests["quiet prints nothing, and parts can be left out"] = function()
  testing.need_gnuplot()
  local result, _, out = run_sweep(make_study(), { dir = testing.folder(), quiet = true, html = false,
    formats = { "svg" }, name = "short" })
  testing.equal(out, "")
  testing.equal(#result.files, 4)
  testing.contains(result.files[1], "/short-table.csv")
end

tests["the epochs file has every number and no clock"] = function()
  local header, rows = studies.epochs(studies.view(make_study()))
  testing.equal(table.concat(header, " "), "configuration trial seed state hidden lr optimizer optimizer.momentum "
    .. "epoch accuracy loss val_accuracy val_loss")
  testing.equal(#rows, 36)
  testing.near(table.move(rows[2], 9, 13, 1, {}), { 2, 0.8, 1, 0.79, 1.2 })
end

tests["the page escapes, needs no other file, and shares no ids"] = function()
  testing.need_gnuplot()
  local view = studies.view(make_study())
  local page = html.page(view, { curves = studies.curves(view, 2), parameters = studies.parameters(view) })
  testing.contains(page, "a &lt;study&gt; &amp; &#39;more&#39;")
  testing.contains(page, "if a &lt; b then\n  print &#39;&amp;&#39;\nend")
  testing.contains(page, "diverged at step 8 in &lt;linear_2&gt;")
  testing.ok(not page:find("<study>", 1, true))
  for _, loading in ipairs { "<script", "<link", "@import", "url(http" } do
    testing.ok(not page:find(loading, 1, true), loading)
  end
  for reference in page:gmatch("%s[%w:]*href=[\"']([^\"']*)") do
    testing.matches(reference, "^#")
  end
  for reference in page:gmatch("%ssrc=[\"']([^\"']*)") do
    testing.matches(reference, "^data:")
  end
  local seen = {}
  for id in page:gmatch("%sid=[\"']([^\"']*)") do
    testing.ok(not seen[id], "id twice: " .. id)
    seen[id] = true
  end
  testing.ok(not page:find("#ffffff\"/>", 1, true), "a white ground would show on a dark page")
end

tests["a study of one setting, of failures only, or of nothing can be reported"] = function()
  testing.need_gnuplot()
  local all = make_study().configs
  for _, configs in ipairs { { all[1] }, { all[4] }, {} } do
    local study = make_study()
    study.configs = configs
    local result, message = run_sweep(study, { dir = testing.folder(), formats = { "svg" } })
    testing.ok(result, message)
  end
  testing.contains(html.page(studies.view { name = "e", configs = {} }, {}), "No setting has a value")
end

tests["what cannot be written, or is no study, is said"] = function()
  local result, message = run_sweep(make_study(), { dir = "/proc/none", terminal = false })
  testing.equal(result, nil)
  testing.contains(message, "/proc/none")
  testing.raises("a study (what search.sweep returns) expected", report.sweep, 3)
  testing.raises("did you mean 'dir'", report.sweep, make_study(), { dirr = "x" })
end

tests["what the winner did on fresh seeds is said once, by the sweep's table or by the report"] = function()
  local folder = testing.folder()
  local script = testing.write(folder .. "/fresh.lua", [[
local search, report = require "search", require "report"
local study = search.sweep { name = "fresh", objective = "max score", seeds = 2, trials = 24, sampler = "random",
  confirm = 3, quiet = true, store = ":memory:", table = #arg == 0, space = { x = search.float(0, 1) },
  run = function(trial) return { score = trial.params.x + trial.seed % 97 * 1e-3 } end }
report.sweep(study, { dir = arg[1] or "." , formats = { "svg" } })
]])
  for _, words in ipairs { "", "." } do
    local out = testing.sh(("cd %s && {nnrun} %s %s"):format(folder, script, words))
    testing.equal(select(2, out:gsub("fresh seeds the winner", "")), 1, "arguments: " .. words)
  end
end

return testing.run(tests)
