--- The report of a sweep as one HTML page: no scripts, no files beside it, light and dark.
local fronts = require "report.front"
local gnuplot = require "report.gnuplot"
local plot = require "report.plot"
local render = require "report.render"
local studies = require "report.study"
local tables = require "report.table"
local text = require "report.text"

local M = {}

local TRIAL_ROWS = 2000 -- beyond this the page would be slow; the CSV has them all

local STYLE = [[
:root { --ink: #1c1e21; --soft: #5c636b; --paper: #ffffff; --card: #f5f6f8; --line: #d9dde2;
  --mark: #e3f1fb; --accent: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e6ea; --soft: #9aa2ac; --paper: #15181c; --card: #1d2126; --line: #343a42;
    --mark: #17344a; --accent: #56b4e9; }
  figure svg { filter: brightness(1.35); } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 76rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 1.7rem; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.2rem; }
p { margin: .4rem 0; max-width: 48rem; }
.soft, figcaption { color: var(--soft); font-size: .93rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0; }
.tile { flex: 1 1 9rem; padding: .7rem 1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
.tile b { display: block; font-size: 1.35rem; font-weight: 600; white-space: nowrap; }
.tile span { color: var(--soft); font-size: .85rem; }
figure { margin: 0 0 1rem; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 40rem; height: auto; color: var(--ink); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .35rem .8rem; text-align: left; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { background: var(--card); font-weight: 600; }
tbody tr:last-child td { border-bottom: 0; }
tr.mark td { background: var(--mark); }
.num { text-align: right; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--accent); font-weight: 600; }
pre { overflow-x: auto; padding: 1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; font: .85rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
@media print { details:not([open]) { display: none; } figure svg { min-width: 0; } }
]]

--- An SVG picture as an element of a page: names of its own, and ink that follows the page's colours.
---@param svg string from render.picture
---@param prefix string put before every id, so that several pictures do not share them
---@return string
function M.inline(svg, prefix)
  local ink = "currentColor"
  local function faint(opacity)
    return ("stroke='%s' stroke-opacity='%g'"):format(ink, opacity)
  end
  return (svg:gsub("^.-(<svg)", "%1", 1)
    :gsub("(<svg%s+)width=\"%d+\" height=\"%d+\"", "%1role=\"img\"", 1)
    :gsub("(<rect x=\"0\" y=\"0\" width=\"%d+\" height=\"%d+\" fill=)\"#%x+\"", "%1\"none\"", 1)
    :gsub("<desc>.-</desc>", "", 1)
    :gsub("(%sid=['\"])", "%1" .. prefix)
    :gsub("(href=['\"]#)", "%1" .. prefix)
    :gsub("(url%(#)", "%1" .. prefix)
    :gsub(' color="black"', "")
    :gsub("(fill%s*=%s*)([\"'])black%2", "%1%2" .. ink .. "%2")
    :gsub("(stroke%s*=%s*)([\"'])black%2", "%1%2" .. ink .. "%2")
    :gsub("([\"'])rgb%(%s*48,%s*48,%s*48%)%1", "%1" .. ink .. "%1")
    :gsub("stroke=([\"'])rgb%(%s*217,%s*217,%s*217%)%1", faint(0.17))
    :gsub("stroke=([\"'])rgb%(%s*180,%s*180,%s*180%)%1", faint(0.4)))
end

-- A figure of a plot, or the reason why there is none.
local function figure(spec, caption, prefix)
  local prepared = plot.prepare(spec)
  local svg, message = render.picture(prepared, "svg")
  if not svg then
    render.warn(message)
    return ("<p class=\"soft\">%s</p>\n"):format(text.escape(message))
  end
  local size = gnuplot.size(prepared)
  return ("<figure style=\"max-width:%dpx\">\n%s\n<figcaption>%s</figcaption></figure>\n"):format(
    size.width * 1.25 // 1, M.inline(svg, prefix), text.escape(caption))
end

local function tile(value, words)
  return ("<div class=\"tile\"><b>%s</b><span>%s</span></div>"):format(text.escape(value), text.escape(words))
end

local function plural(count, word)
  return count == 1 and word or word .. "s"
end

local function tiles(view)
  local trials, bad = 0, {}
  for _, row in ipairs(view.rows) do
    for _, trial in ipairs(row.config.trials or {}) do
      trials = trials + 1
      if trial.state and trial.state ~= "finished" then
        bad[trial.state] = (bad[trial.state] or 0) + 1
      end
    end
  end
  local best, parts = view.rows[1], {}
  if best and best.mark then
    local decimals = text.decimals({ best.value }, { best.value_std })
    parts[1] = tile(text.with_spread(best.value, best.value_std, decimals),
      ("%s %s (mean%s)"):format(view.select, view.metric, best.n > 1 and " ± std over seeds" or ""))
  end
  parts[#parts + 1] = tile(#view.rows, plural(#view.rows, "setting"))
  parts[#parts + 1] = tile(trials, plural(trials, "trial"))
  for _, state in ipairs(text.keys(bad)) do
    parts[#parts + 1] = tile(bad[state], state)
  end
  return "<div class=\"tiles\">" .. table.concat(parts, "\n") .. "</div>\n"
end

local function definitions(values)
  local parts = {}
  for _, key in ipairs(text.keys(values)) do
    local value = values[key]
    if type(value) ~= "function" and type(value) ~= "userdata" then
      parts[#parts + 1] = ("<dt>%s</dt><dd>%s</dd>"):format(text.escape(key), text.escape(text.value(value)))
    end
  end
  return "<dl>" .. table.concat(parts, "\n") .. "</dl>\n"
end

local function chosen_setting(view)
  local best = view.rows[1]
  if not best or not best.mark then
    return "<p>No setting has a value: every trial failed or measured nothing.</p>\n"
  end
  local verdict = fronts.sentence(view.study) or studies.verdict(view)
  local title = #(view.study.objectives or {}) > 1 and "The best setting by " .. view.metric or "The best setting"
  return "<h2>" .. text.escape(title) .. "</h2>\n" .. definitions(best.flat)
    .. (verdict and "<p class=\"soft\">" .. text.escape(verdict) .. "</p>\n" or "")
end

-- Every trial with how it ended; messages of failures are the point of it.
local function trial_list(view)
  local rows, ordered = {}, table.move(view.rows, 1, #view.rows, 1, {})
  table.sort(ordered, function(a, b) return a.order < b.order end)
  for _, row in ipairs(ordered) do
    for t, trial in ipairs(row.config.trials or {}) do
      rows[#rows + 1] = {
        trial = trial.number or t, setting = row.label, seed = trial.seed, state = trial.state,
        epochs = trial.epochs and #trial.epochs, last = trial.last, best = trial.best or trial.value,
        message = trial.message and text.cut(text.clean(trial.message), 160) or nil,
      }
    end
  end
  local total = #rows
  rows = table.move(rows, 1, math.min(total, TRIAL_ROWS), 1, {})
  local list = tables.new(rows, { "trial", "setting", { key = "seed", format = function(value)
    return value == nil and "" or tostring(value)
  end }, "state", "epochs", { key = "last", title = "last " .. view.metric },
  { key = "best", title = "best " .. view.metric }, "message" })
  return ("<details><summary>All trials (%d)</summary>\n<div class=\"scroll\">%s</div>%s</details>\n"):format(
    total, list:html(), total > TRIAL_ROWS and ("<p>The first %d are shown.</p>"):format(TRIAL_ROWS) or "")
end

-- What the study says about how it was made, when it does.
local function background(view)
  local study, parts = view.study, {}
  local fixed = {}
  for _, name in ipairs(view.fixed) do
    fixed[name] = view.rows[1].flat[name]
  end
  if next(fixed) then
    parts[#parts + 1] = "<h2>The same for all</h2>\n" .. definitions(fixed)
  end
  if type(study.info) == "table" and next(study.info) then
    parts[#parts + 1] = "<details><summary>How it was run</summary>\n" .. definitions(study.info) .. "</details>\n"
  end
  if type(study.script) == "string" and study.script:find("\n") then
    local lines = {}
    for line in (study.script .. "\n"):gmatch("(.-)\r?\n") do
      lines[#lines + 1] = text.escape((line:gsub("\t", "  ")))
    end
    parts[#parts + 1] = "<details><summary>The script</summary><pre>" .. table.concat(lines, "\n")
      .. "</pre></details>\n"
  end
  return table.concat(parts)
end

--- The page.
---@param view table from report.study
---@param options {curves: table?, parameters: table?, front: table?} plots as report.plot takes them
---@return string html
function M.page(view, options)
  local goal = view.direction == "min" and "smaller" or "larger"
  local parts = {
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      .. "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      .. "<meta name=\"color-scheme\" content=\"light dark\">\n",
    "<title>", text.escape(view.name), "</title>\n<style>\n", STYLE, "</style>\n</head>\n<body>\n",
    "<h1>", text.escape(view.name), "</h1>\n",
    "<p class=\"soft\">Settings are compared by the ", view.select, " ", text.escape(view.metric), "; ", goal,
    " is better. The best value of a trial is that of its best epoch, the last that of its last epoch; ",
    "the table has their means over the seeds that finished.</p>\n", tiles(view), chosen_setting(view),
  }
  local function add(content)
    parts[#parts + 1] = content
  end
  if options.front then
    add("<h2>The front</h2>\n" .. figure(options.front,
      "Every dot is a setting, at the mean of its seeds. Those on the line are best: whoever is better in one "
      .. "objective is worse in another.", "front-"))
  end
  if options.curves then
    add("<h2>Learning curves</h2>\n" .. figure(options.curves,
      "Validation solid, training dashed. A line is the mean over seeds, its band reaches from the lowest "
      .. "to the highest seed. Settings outside the best few are grey.", "curves-"))
  end
  if #view.rows > 0 then
    add("<h2>Settings</h2>\n<div class=\"scroll\">" .. studies.table(view):html() .. "</div>\n")
  end
  if options.parameters then
    add("<h2>What each parameter does</h2>\n" .. figure(options.parameters,
      "Every dot is a setting, at the mean of its seeds. The other parameters differ between the dots of "
      .. "one place, so a trend here is an average over them.", "parameters-"))
  end
  local looks = view.study.looks_text and view.study:looks_text()
  if looks then
    add("<p>" .. text.escape(looks) .. "</p>\n")
  end
  add(background(view))
  add(trial_list(view))
  add("<p class=\"soft\">Made by nnrun.</p>\n</body>\n</html>\n")
  return table.concat(parts)
end

return M
