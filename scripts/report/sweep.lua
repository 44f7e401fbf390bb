--- The report of a sweep: the table in the terminal, pictures, CSV files and an HTML page.
local files = require "report.files"
local fronts = require "report.front"
local html = require "report.html"
local options = require "options"
local plot = require "report.plot"
local render = require "report.render"
local studies = require "report.study"
local text = require "report.text"

local M = {}

local SWEEP = {
  dir = { type = "string", default = "results", help = "folder of the files, made when absent" },
  name = { type = "string", help = "how file names begin; default the study's name" },
  top = { type = "integer", default = 5, min = 1, max = 8, help = "settings drawn in colour" },
  rows = { type = "integer", default = 30, min = 1, help = "lines of the printed table" },
  metrics = { type = "table", help = 'curves to draw, without "val_"; default loss and the objective' },
  table = { type = "boolean", help = "print the table; default unless search.sweep has" },
  terminal = { type = "boolean|string", default = true, help = "print the curves as characters" },
  formats = { type = "table", help = 'default {"png", "svg"}' },
  html = { type = "boolean", default = true },
  quiet = { type = "boolean", default = false, help = "print nothing" },
}

-- The worst value from a fifth of the way on: what comes before would leave the rest flat in so few
-- lines of text.
local function worst_later(series, direction)
  local worst
  for _, one in ipairs(series) do
    for i = #one.y // 5 + 1, #one.y do
      local value = one.y[i]
      if plot.finite(value) and (not worst or (direction == "min") == (value > worst)) then
        worst = value
      end
    end
  end
  return worst
end

-- The curves for characters: only the objective's, only its validation, few settings.
local function terminal_curves(view, top)
  local spec = studies.curves(view, math.min(top, 5), { (view.metric:gsub("^val_", "")) })
  if not spec then
    return nil
  end
  spec.panels = { spec.panels[1] } -- the range below is close enough
  for _, panel in ipairs(spec.panels) do
    local named = {}
    for _, series in ipairs(panel.series) do
      if series.name and #series.x > 0 then
        named[#named + 1] = series
      end
    end
    panel.series = named
    panel.y = { label = view.metric }
    panel.y[view.direction == "min" and "max" or "min"] = worst_later(named, view.direction)
  end
  spec.title, spec.panels[1].title = "mean over seeds of the best settings", nil
  return spec
end

-- Writes a file and remembers its name; the first problem is kept and the rest still tried.
local function writer()
  local state = { files = {} }
  function state.add(path, content)
    local ok, message = files.write(path, content)
    if ok then
      state.files[#state.files + 1] = path
    else
      state.message = state.message or message
    end
  end
  function state.save(spec, path, formats)
    spec.file, spec.formats = path, formats
    local written, message = render.save(plot.prepare(spec))
    table.move(written or {}, 1, #(written or {}), #state.files + 1, state.files)
    state.message = state.message or message
    spec.file, spec.formats = nil, nil
  end
  return state
end

local function print_table(view, chosen, stem, columns)
  local shown = studies.table(view, { width = math.max(columns, 100), top = chosen.rows })
  io.stdout:write("\n", shown:text())
  if #view.rows > chosen.rows then
    io.stdout:write(("... and %d more in %s-table.csv\n"):format(#view.rows - chosen.rows, stem))
  end
end

local function print_curves(view, chosen)
  local spec = terminal_curves(view, chosen.top)
  if not spec then
    return
  end
  local drawn, message = render.text(plot.prepare(spec), chosen.terminal)
  if drawn then
    io.stdout:write("\n", drawn)
  else
    render.warn(message)
  end
end

local function print_results(view, chosen, stem)
  local columns = require("core.plot").terminal_size()
  local wanted = chosen.table
  if wanted == nil then
    wanted = not view.study.shown
  end
  if wanted then
    print_table(view, chosen, stem, columns)
  end
  local verdict = fronts.sentence(view.study) or studies.verdict(view)
  local told = view.study.shown and view.study.confirmed -- the sweep's table ends with the same words
  if verdict and not told then
    io.stdout:write("\n", text.wrap(verdict, math.max(60, math.min(columns, 100))), "\n")
  end
  local looks = view.study.looks_text and view.study:looks_text()
  if looks then
    io.stdout:write(looks, "\n")
  end
  if chosen.terminal then
    print_curves(view, chosen)
  end
end

--- Write and print the report of a study.
---@param study table from search.sweep
---@param given table? see SWEEP
---@return table? result {files = {...}, table = table}; nil when a file cannot be written
---@return string? message
function M.report(study, given)
  local chosen = options.check(given, SWEEP, "report.sweep")
  if type(study) ~= "table" or type(study.configs) ~= "table" then
    options.fail("report.sweep: a study (what search.sweep returns) expected, got %s", options.show(study))
  end
  local view = studies.view(study)
  local stem = chosen.dir .. "/" .. text.file_name(chosen.name or view.name)
  local output = writer()
  if not chosen.quiet then
    print_results(view, chosen, stem)
  end
  local curves, parameters = studies.curves(view, chosen.top, chosen.metrics), studies.parameters(view)
  local front = fronts.spec(study)
  local full = studies.table(view)
  output.add(stem .. "-table.csv", full:csv())
  output.add(stem .. "-epochs.csv", files.csv(studies.epochs(view)))
  if curves and not output.message then
    output.save(curves, stem .. "-curves", chosen.formats)
  end
  if front and not output.message then
    output.save(front, stem .. "-front", chosen.formats)
  end
  if parameters and not output.message then
    output.save(parameters, stem .. "-parameters", chosen.formats)
  end
  if chosen.html and not output.message then
    output.add(stem .. ".html", html.page(view, { curves = curves, parameters = parameters, front = front }))
  end
  if output.message then
    return nil, output.message
  end
  if not chosen.quiet then
    io.stdout:write("\nwritten: ", table.concat(output.files, "\n         "), "\n")
  end
  return { files = output.files, table = full }
end

return M
