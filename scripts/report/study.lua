--- A sweep's results put in order: which settings differ in what, who is ahead, and by how much.
--
-- Reads a study as search.sweep returns it: name, objective {direction, metric}, select ("best" or
-- "last": which of a trial's two values ranks), and configs, a list in order of {number, params,
-- trials, label, n, last {mean, std}, best {mean, std}}; trials have seed, state, last, best, epochs.
-- Nothing here depends on the clock or on the order in which trials ended.
local curves = require "report.curves"
local configs = require "search.config"
local confirm = require "search.confirm"
local fronts = require "search.front"
local plot = require "report.plot"
local special = require "report.special"
local stats = require "report.stats"
local tables = require "report.table"
local text = require "report.text"

local M = {}

local NAN = 0 / 0

-- {optimizer = {name = "sgd", momentum = 0.9}} becomes optimizer = "sgd", ["optimizer.momentum"] = 0.9.
local function flatten(params, prefix, into)
  for _, key in ipairs(text.keys(params)) do
    local value, name = params[key], prefix .. tostring(key)
    if type(value) == "table" and #value == 0 and next(value) ~= nil then
      if prefix == "" or key ~= "name" then
        flatten(value, name .. ".", into)
        into[name], into[name .. ".name"] = value.name, nil
      end
    else
      into[name] = value
    end
  end
  return into
end

-- Names of parameters that differ between settings, and of those that do not; in the study's own
-- order (a branch before its parameters) where it has one, then by name.
local function parameter_names(rows, known)
  local seen, names, varying, fixed = {}, {}, {}, {}
  for _, row in ipairs(rows) do
    for name in pairs(row.flat) do
      seen[name] = true
    end
  end
  for _, list in ipairs { known or {}, text.keys(seen) } do
    for _, name in ipairs(list) do
      if seen[name] then
        seen[name], names[#names + 1] = nil, name
      end
    end
  end
  for _, name in ipairs(names) do
    local first, differs = text.value(rows[1].flat[name]), false
    for _, row in ipairs(rows) do
      differs = differs or text.value(row.flat[name]) ~= first
    end
    table.insert(differs and varying or fixed, name)
  end
  return varying, fixed
end

local function label_of(flat, names)
  local parts = {}
  for _, name in ipairs(names) do
    if flat[name] ~= nil then
      parts[#parts + 1] = name .. "=" .. text.value(flat[name])
    end
  end
  return table.concat(parts, " ")
end

-- How trials ended, when not all of them well: "1 diverged, 2 failed".
local function states(trials)
  local counts, parts = {}, {}
  for _, trial in ipairs(trials) do
    local state = trial.state or "finished"
    if state ~= "finished" then
      counts[state] = (counts[state] or 0) + 1
    end
  end
  for _, state in ipairs(text.keys(counts)) do
    parts[#parts + 1] = counts[state] .. " " .. state
  end
  return table.concat(parts, ", ")
end

-- What ranks the finished trials of a setting, by seed: the pairs of a comparison.
local function values_by_seed(config, select)
  local values = {}
  for i, trial in ipairs(config.trials or {}) do
    if plot.finite(trial[select]) and (trial.state or "finished") == "finished" then
      values[trial.seed or i] = trial[select]
    end
  end
  return values
end

-- Settings all of whose trials finished come first, then by the mean that ranks, then in order.
local function rank_rows(rows, select, direction)
  local sign = direction == "min" and 1 or -1
  local function key(row)
    return plot.finite(row[select]) and sign * row[select] or math.huge
  end
  table.sort(rows, function(a, b)
    if a.whole ~= b.whole then
      return a.whole
    elseif key(a) ~= key(b) then
      return key(a) < key(b)
    end
    return a.order < b.order
  end)
end

-- With several objectives: what each setting is worth by the others, and which are on the front.
local function add_objectives(rows, study)
  local points = {}
  for _, point in ipairs(#(study.objectives or {}) > 1 and fronts.points(study) or {}) do
    points[point.config.number] = point
  end
  for _, row in ipairs(rows) do
    local point = points[row.number]
    row.front = point and point.front and "*" or ""
    for i, value in ipairs(point and point.values or {}) do
      row["objective " .. i] = value
    end
  end
end

--- Read a study.
---@param study table from search.sweep
---@return table view {name, metric, direction, rows, varying, fixed, trials}; rows best first, each with
---rank, config, number, flat, label, n, last, last_std, best, best_std, value, states, order
function M.view(study)
  local objective = study.objective or { direction = "min", metric = "val_loss" }
  local rows, select = {}, study.select or "best"
  for i, config in ipairs(study.configs) do
    local last, best = config.last or {}, config.best or {}
    rows[i] = {
      order = i, number = config.number or i, config = config, flat = flatten(config.params or {}, "", {}),
      n = config.n or #(config.trials or {}), states = states(config.trials or {}),
      last = last.mean or NAN, last_std = last.std or NAN,
      best = best.mean or NAN, best_std = best.std or NAN,
    }
    rows[i].value, rows[i].value_std = rows[i][select], rows[i][select .. "_std"]
    rows[i].whole = rows[i].states == "" and rows[i].value == rows[i].value and not config.raced
    rows[i].states = config.raced and rows[i].states == "" and "out of the race" or rows[i].states
  end
  local varying, fixed = {}, {}
  if #rows > 0 then
    varying, fixed = parameter_names(rows, study.names)
  end
  rank_rows(rows, "value", objective.direction)
  add_objectives(rows, study)
  for rank, row in ipairs(rows) do
    row.rank = rank
    row.mark = rank == 1 and row.value == row.value
    row.label = #varying > 0 and label_of(row.flat, varying) or row.config.label or "setting " .. row.order
  end
  return { name = study.name or "sweep", metric = objective.metric, direction = objective.direction,
    select = select, rows = rows, varying = varying, fixed = fixed, study = study }
end

--- The table of settings, best first.
---@param view table from view
---@param options {width: integer?, top: integer?}? parameters share one column when the table is wider
---than `width` and that makes it narrower; `top` rows at most
---@return table table
function M.table(view, options)
  options = options or {}
  local rows, columns = {}, { { key = "rank", title = "#" }, { key = "number", title = "config" } }
  local any_states = false
  for i = 1, math.min(options.top or #view.rows, #view.rows) do
    local row = view.rows[i]
    rows[i] = setmetatable({ label = row.label }, { __index = row })
    any_states = any_states or row.states ~= ""
    for _, name in ipairs(view.varying) do
      local value = row.flat[name]
      rows[i]["param " .. name] = type(value) == "table" and text.value(value) or value
    end
  end
  local function add_results()
    columns[#columns + 1] = { key = "n", title = "seeds" }
    columns[#columns + 1] = { key = "last", spread = "last_std", title = "last " .. view.metric }
    columns[#columns + 1] = { key = "best", spread = "best_std", title = "best " .. view.metric }
    for i = 2, #(view.study.objectives or {}) do
      columns[#columns + 1] = { key = "objective " .. i, title = view.study.objectives[i].metric }
    end
    if #(view.study.objectives or {}) > 1 then
      columns[#columns + 1] = { key = "front", title = "front" }
    end
    columns[#columns + 1] = any_states and { key = "states", title = "notes" } or nil
  end
  for _, name in ipairs(view.varying) do
    columns[#columns + 1] = { key = "param " .. name, title = name,
      format = function(value) return value == nil and "" or text.value(value) end }
  end
  add_results()
  local result = tables.new(rows, columns)
  local function width_of(t)
    return text.width(t:text():match("[^\n]*\n([^\n]*)"))
  end
  if options.width and width_of(result) > options.width then
    columns = { columns[1], columns[2], { key = "label", title = "parameters" } }
    add_results()
    local short = tables.new(rows, columns)
    result = width_of(short) < width_of(result) and short or result
  end
  return result
end

--- Every epoch of every trial: one row each, parameters and metrics in columns.
---@param view table
---@return string[] header
---@return any[][] rows
function M.epochs(view)
  local metrics, header = {}, { "configuration", "trial", "seed", "state" }
  local ordered = table.move(view.rows, 1, #view.rows, 1, {})
  table.sort(ordered, function(a, b) return a.order < b.order end)
  for _, row in ipairs(ordered) do
    for _, trial in ipairs(row.config.trials or {}) do
      for _, epoch in ipairs(trial.epochs or {}) do
        for name in pairs(epoch) do
          metrics[name] = true
        end
      end
    end
  end
  metrics.epoch, metrics.seconds = nil, nil -- the clock is no result
  local names = text.keys(metrics)
  for _, list in ipairs { view.varying, { "epoch" }, names } do
    table.move(list, 1, #list, #header + 1, header)
  end
  local rows = {}
  for _, row in ipairs(ordered) do
    for t, trial in ipairs(row.config.trials or {}) do
      for e, epoch in ipairs(trial.epochs or {}) do
        local line = { row.number, trial.number or t, trial.seed, trial.state }
        local at = 4
        for _, name in ipairs(view.varying) do
          at = at + 1
          line[at] = row.flat[name]
        end
        line[at + 1] = epoch.epoch or e
        for i, name in ipairs(names) do
          line[at + 1 + i] = epoch[name]
        end
        rows[#rows + 1] = line
      end
    end
  end
  return header, rows
end

--- Is the best setting better than the others? Paired over the seeds both have, by t-test, with
--- Holm's correction for all comparisons.
---@param view table
---@return table[]? comparisons {row, mean, low, high, p, adjusted, n}, in rank order; nil with fewer
---than three shared seeds everywhere or fewer than two settings
function M.compare(view)
  local winner = view.rows[1]
  if not winner or winner.value ~= winner.value then
    return nil
  end
  local ours, results, p = values_by_seed(winner.config, view.select), {}, {}
  for i = 2, #view.rows do
    local theirs = values_by_seed(view.rows[i].config, view.select)
    local test = configs.paired_test(ours, theirs, 3)
    if test and test.p == test.p then
      test.row = view.rows[i]
      results[#results + 1] = test
      p[#p + 1] = test.p
    end
  end
  for i, adjusted in ipairs(stats.holm(p)) do
    results[i].adjusted = adjusted
  end
  return #results > 0 and results or nil
end

--- The comparison with the runner-up in words, or nil: on fresh seeds, where there were such, else on
--- those of the search, with an interval that holds for all comparisons together (Bonferroni).
---@param view table
---@return string?
function M.verdict(view)
  local fresh = confirm.sentence(view.study)
  if fresh then
    return fresh
  end
  local results = M.compare(view)
  local test = results and results[1]
  if not test or test.row ~= view.rows[2] then
    return nil
  end
  local reach = (test.high - test.low) / 2 / special.t_quantile(0.975, test.df)
    * special.t_quantile(1 - 0.025 / #results, test.df)
  local low, high = test.mean - reach, test.mean + reach
  local decimals = text.decimals({ test.mean }, { (high - low) / 4 })
  return ("#1 against #2 over %d shared seeds: difference of %s %s %s (95 %% interval %s to %s "
    .. "for all comparisons together), p = %.2g after Holm's correction for %d comparison%s: %s"):format(
    test.n, view.select, view.metric, text.number(test.mean, decimals), text.number(low, decimals),
    text.number(high, decimals), test.adjusted, #results, #results == 1 and "" or "s",
    test.adjusted < 0.05 and "a real difference at the 5 % level."
      or "these seeds do not tell them apart.")
end

-- A panel again, near its end and without training curves: where settings can be told apart. Nil when
-- there are too few epochs to look closer at.
local function close_up(panel)
  local last, series, low, high = 0, {}, math.huge, -math.huge
  for _, one in ipairs(panel.series) do
    if one.muted or one.name and #one.x > 0 then
      series[#series + 1] = one
      last = math.max(last, one.x[#one.x] or 0)
    end
  end
  local first = last - last // 2
  for _, one in ipairs(series) do
    for i, x in ipairs(not one.muted and one.x or {}) do
      for _, value in ipairs(x >= first and { one.y[i], one.low and one.low[i], one.high and one.high[i] } or {}) do
        if plot.finite(value) then
          low, high = math.min(low, value), math.max(high, value)
        end
      end
    end
  end
  if last < 4 or low >= high then
    return nil
  end
  local margin = 0.08 * (high - low)
  return { title = panel.title .. ", close up (validation)", series = series,
    x = { label = "epoch", integer = true, min = first, max = last + 0.02 * (last - first) },
    y = { label = panel.y.label, min = low - margin, max = high + margin } }
end

--- Learning curves of the best settings, with a band over seeds; the others grey. The last panel
--- comes a second time, close up.
---@param view table
---@param top integer how many in colour
---@param metrics string[]? without "val_"; default loss and the objective
---@return table spec for report.plot, without file
function M.curves(view, top, metrics)
  local groups = {}
  local hidden = math.max(0, #view.rows - top)
  for i, row in ipairs(view.rows) do
    local name = "#" .. row.rank .. "  " .. row.label
    if i > top then
      name = hidden == 1 and "the other one" or ("the %d others"):format(hidden)
    end
    groups[i] = { name = name, muted = i > top, histories = row.config.trials or {} }
  end
  if not metrics then
    local wanted = view.metric:gsub("^val_", "")
    metrics = wanted == "loss" and { "loss" } or { "loss", wanted }
  end
  local present = {}
  for _, metric in ipairs(metrics) do
    for _, row in ipairs(view.rows) do
      local trials = row.config.trials or {}
      if #curves.band(trials, metric).x + #curves.band(trials, "val_" .. metric).x > 0 then
        present[#present + 1] = metric
        break
      end
    end
  end
  if #present == 0 then
    return nil
  end
  local spec = curves.spec(groups, { metrics = present,
    title = view.name .. ": mean over seeds, band from lowest to highest" })
  spec.panels[1].title = spec.panels[1].title or present[1]
  spec.panels[#spec.panels + 1] = close_up(spec.panels[#spec.panels])
  spec.columns = math.min(#spec.panels, 3)
  spec.size = ({ { 860, 460 }, { 560, 420 }, { 470, 400 } })[spec.columns]
  return spec
end

-- Numbers go on a number line, everything else on places 1, 2, ... in order of appearance.
local function parameter_scale(view, name)
  local numeric, positive, low, high, places, labels = true, true, math.huge, -math.huge, {}, {}
  local ordered = table.move(view.rows, 1, #view.rows, 1, {})
  table.sort(ordered, function(a, b) return a.order < b.order end)
  for _, row in ipairs(ordered) do
    local value = row.flat[name]
    if value ~= nil and not places[text.value(value)] then
      labels[#labels + 1] = text.value(value)
      places[labels[#labels]] = #labels
    end
    if type(value) == "number" then
      positive = positive and value > 0
      low, high = math.min(low, value), math.max(high, value)
    elseif value ~= nil then
      numeric = false
    end
  end
  return { numeric = numeric, log = numeric and positive and high / low >= 8, places = places, labels = labels }
end

local function parameter_panel(view, name)
  local scale = parameter_scale(view, name)
  local xs, ys, lists, order, count = {}, {}, {}, {}, 0
  for _, row in ipairs(view.rows) do
    local value = row.flat[name]
    if value ~= nil and plot.finite(row.value) then
      local x = scale.numeric and value or scale.places[text.value(value)]
      if not lists[x] then
        lists[x] = {}
        order[#order + 1] = x
      end
      table.insert(lists[x], row.value)
      count = count + 1
      -- Beside one another where values coincide, so that dots can be counted.
      local shift = scale.numeric and 0 or ((#lists[x] * 5) % 9 - 4) * 0.05
      xs[count], ys[count] = x + shift, row.value
    end
  end
  local series = { { name = "one setting (mean over its seeds)", x = xs, y = ys, style = "points", color = 1 } }
  if #order <= math.max(2, count / 1.5) then
    table.sort(order)
    local means = {}
    for i, x in ipairs(order) do
      means[i] = stats.mean(lists[x])
    end
    table.insert(series, 1, { name = "mean of the settings with this value", x = order, y = means, color = 2,
      size = 1.3, style = scale.numeric and "linepoints" or "points", width = 1.5, marker = 9 })
  end
  local x = { label = name, log = scale.log, tics = not scale.numeric and scale.labels or nil }
  if scale.numeric and #order <= 6 then -- few values: mark exactly these
    x.tics = {}
    for i, value in ipairs(order) do
      x.tics[i] = { value, text.value(value) }
    end
  end
  return { x = x, y = { label = view.select .. " " .. view.metric }, series = series }
end

--- How each parameter bears on the result: one small plot for each that varies.
---@param view table
---@return table? spec for report.plot; nil when nothing varies or nothing was measured
function M.parameters(view)
  local panels, measured = {}, false
  for i, name in ipairs(view.varying) do
    panels[i] = parameter_panel(view, name)
    measured = measured or #panels[i].series[#panels[i].series].x > 0
  end
  if #panels == 0 or not measured then
    return nil
  end
  return { title = view.name .. ": effect of each parameter", panels = panels,
    columns = math.min(3, #panels), size = { #panels == 1 and 640 or 440, 330 } }
end

return M
