--- A plot as data: options checked, numbers cleaned, ranges and legend worked out.
--
-- plot.prepare(spec) makes what report.gnuplot writes as a script: a list of panels, each with
-- axes whose ranges are known and series whose style is complete. Nothing here knows gnuplot.
local options = require "options"
local text = require "report.text"

local M = {}

-- Okabe & Ito's colours, told apart by colour-blind people; black is left to axes and text, yellow
-- is last because it is faint on white.
M.COLORS = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#F0E442" }
M.MUTED = "#B4B4B4"
-- gnuplot's point types, filled ones first; dash patterns in pixels.
M.MARKERS = { 7, 5, 9, 13, 11, 4, 6, 8 }
M.DASHES = { solid = "solid", dashed = "(7,4)", dotted = "(2,3)", dashdot = "(8,3,2,3)" }
local DASH_CYCLE = { "solid", "dashed", "dashdot", "dotted" }

local AXIS = {
  label = { type = "string", default = "", help = "what is shown, with its unit" },
  min = { type = "number" }, max = { type = "number" },
  log = { type = "boolean", default = false, help = "logarithmic" },
  integer = { type = "boolean", default = false, help = "whole numbers only, as for epochs" },
  tics = { type = "table", help = "{{value, label}, ...}, or labels for 1, 2, ..." },
  reverse = { type = "boolean", default = false, help = "largest first" },
}

local SERIES = {
  name = { type = "string", help = "in the legend; none when absent" },
  x = { type = "table|userdata" }, y = { type = "table|userdata" },
  low = { type = "table|userdata", help = "lower edge of a band around the line" },
  high = { type = "table|userdata", help = "upper edge" },
  z = { type = "table|userdata", help = "rows of an image: z[row][column] at (x[column], y[row])" },
  style = { type = "string", default = "line",
    choices = { "line", "points", "linepoints", "steps", "bars", "image", "classes" } },
  dash = { type = "string", choices = { "solid", "dashed", "dotted", "dashdot" } },
  color = { type = "string|integer", help = '"#rrggbb", or a number in the palette' },
  width = { type = "number", default = 2, above = 0, help = "of the line, pixels" },
  size = { type = "number", default = 1, above = 0, help = "of the points" },
  marker = { type = "integer", help = "gnuplot point type" },
  muted = { type = "boolean", default = false, help = "thin and grey: background to the others" },
  palette = { type = "string", default = "viridis", choices = { "viridis", "diverging", "grey" } },
  labels = { type = "boolean", default = false, help = "write the value into each cell of an image" },
}

local PANEL = {
  title = { type = "string" }, x = { type = "table" }, y = { type = "table" },
  series = { type = "table", required = true },
  log_x = { type = "boolean" }, log_y = { type = "boolean" },
  equal = { type = "boolean", default = false, help = "same scale on both axes" },
  color_label = { type = "string", help = "of an image's colour scale" },
}

local PLOT = {
  panels = { type = "table", help = "several small plots: {title=, x=, y=, series=} each" },
  columns = { type = "integer", min = 1, help = "panels in a row" },
  series = { type = "table" },
  size = { type = "table", help = "{width, height} of one panel in pixels" },
  legend = { type = "boolean", default = true },
  file = { type = "string", help = "path without ending, or with the ending of one format" },
  formats = { type = "table", help = 'default {"png", "svg"}' },
  terminal = { type = "boolean|string", help = 'true or "dumb": text; "sixel": graphics' },
  timeout = { type = "number", default = 30, above = 0, help = "seconds for gnuplot" },
}
for name, row in pairs(PANEL) do
  PLOT[name] = PLOT[name] or row
end

local function finite(value)
  return type(value) == "number" and value == value and value ~= math.huge and value ~= -math.huge
end

--- A list of numbers from a list or a tensor.
---@param values table|userdata
---@return number[]
function M.list(values)
  return type(values) == "userdata" and values:totable() or values
end

local function check_numbers(values, where)
  for i, value in ipairs(values) do
    if type(value) ~= "number" then
      options.fail("%s: value %d must be a number, got %s", where, i, options.show(value))
    end
  end
end

local function check_image(series, where)
  if not series.z or type(series.z[1]) ~= "table" then
    options.fail("%s: style '%s' needs z, a list of rows of numbers", where, series.style)
  end
  local rows, columns = #series.z, #series.z[1]
  for r, row in ipairs(series.z) do
    if #row ~= columns then
      options.fail("%s: row %d of z has %d values, the first has %d", where, r, #row, columns)
    end
    check_numbers(row, where .. ": z, row " .. r)
  end
  for name, count in pairs { x = columns, y = rows } do
    series[name] = series[name] or {}
    for i = 1, #series[name] == 0 and count or 0 do
      series[name][i] = i
    end
    if #series[name] ~= count then
      options.fail("%s: z has %d x %d cells, but %s has %d values", where, rows, columns, name,
        #series[name])
    end
  end
end

local function prepare_series(given, index, where)
  local series = options.check(given, SERIES, where)
  for _, name in ipairs { "x", "y", "low", "high", "z" } do
    series[name] = series[name] and M.list(series[name])
  end
  if series.style == "image" or series.style == "classes" then
    check_image(series, where)
  else
    series.y = series.y or {}
    if not series.x then
      series.x = {}
      for i = 1, #series.y do
        series.x[i] = i
      end
    end
    for _, name in ipairs { "x", "low", "high" } do
      if series[name] and #series[name] ~= #series.y then
        options.fail("%s: %s has %d values, y has %d", where, name, #series[name], #series.y)
      end
    end
    check_numbers(series.x, where .. ": x")
    check_numbers(series.y, where .. ": y")
  end
  local slot = type(series.color) == "number" and series.color or index
  if type(series.color) ~= "string" then
    series.color = series.muted and M.MUTED or M.COLORS[(slot - 1) % #M.COLORS + 1]
  elseif not series.color:match("^#%x%x%x%x%x%x$") then
    options.fail('%s: color must be "#rrggbb", got %s', where, options.show(series.color))
  end
  series.marker = series.marker or M.MARKERS[(slot - 1) % #M.MARKERS + 1]
  series.dash = series.dash or (series.muted or given.color) and "solid"
    or DASH_CYCLE[(index - 1) // #M.COLORS % #DASH_CYCLE + 1]
  if series.muted and given.width == nil then
    series.width = 1
  end
  return series
end

-- Unless a style was asked for, few points are shown as points too; a lone one would be invisible
-- without.
local function complete_style(series, given)
  if given.style then
    return
  end
  local shown = 0
  for _, value in ipairs(series.y) do
    shown = shown + (finite(value) and 1 or 0)
  end
  if not series.muted and not series.z and shown > 0 and shown <= 15 then
    series.style = "linepoints"
  end
end

-- Values that stretch an axis: of series that matter, and of muted ones apart.
local function collect(panel, axis)
  local main, muted = {}, {}
  for _, series in ipairs(panel.series) do
    local into = series.muted and muted or main
    local image = series.z ~= nil
    for _, name in ipairs(axis == "x" and { "x" } or { "y", "low", "high" }) do
      for _, value in ipairs(series[name] or {}) do
        if finite(value) and (value > 0 or not panel[axis].log) then
          into[#into + 1] = value
        end
      end
    end
    local cells = image and series[axis]
    if cells and #cells > 1 then -- half a cell beyond the outer centres
      local half = (cells[#cells] - cells[1]) / (#cells - 1) / 2
      into[#into + 1] = cells[1] - half
      into[#into + 1] = cells[#cells] + half
    elseif series.style == "bars" then
      into[#into + 1] = axis == "x" and (series.x[1] or 1) - 0.6 or not panel.y.log and 0 or nil
      into[#into + 1] = axis == "x" and (series.x[#series.x] or 1) + 0.6 or nil
    end
  end
  return main, muted
end

local function extent(values)
  local low, high = math.huge, -math.huge
  for _, value in ipairs(values) do
    low, high = math.min(low, value), math.max(high, value)
  end
  return low, high
end

-- Range of an axis in its own scale (log10 when logarithmic): all of the main series; of the muted
-- ones no more than the main span again on either side, so that one bad curve cannot flatten all.
local function natural_range(panel, axis)
  local main, muted = collect(panel, axis)
  if #main == 0 then
    main, muted = muted, main
  end
  if #main == 0 then
    return 0, 1
  end
  local low, high = extent(main)
  local log = panel[axis].log
  if log then
    low, high = math.log(low, 10), math.log(high, 10)
  end
  if #muted > 0 then
    local below, above = extent(muted)
    if log then
      below, above = math.log(below, 10), math.log(above, 10)
    end
    local span = high > low and high - low or math.abs(high) + 1e-3
    low, high = math.max(math.min(low, below), low - span), math.min(math.max(high, above), high + span)
  end
  return low, high
end

local function has_style(panel, styles)
  for _, series in ipairs(panel.series) do
    if styles[series.style] then
      return true
    end
  end
  return false
end

local EXACT = { image = true, classes = true }
local BARS = { bars = true }

local function set_range(panel, axis)
  local row = panel[axis]
  local low, high = natural_range(panel, axis)
  local margin = axis == "y" and 0.05 or 0.02
  if axis == "x" and has_style(panel, { points = true }) then
    margin = 0.05
  end
  if row.tics and type(row.tics[1]) ~= "table" and axis == "x" and not has_style(panel, EXACT) then
    low, high, margin = math.min(low, 0.5), math.max(high, #row.tics + 0.5), 0
  elseif has_style(panel, EXACT) then
    margin = 0
  end
  if low == high then
    local reach = row.log and 0.5 or math.max(math.abs(low) * 0.05, row.integer and 1 or 1e-3)
    low, high = low - reach, high + reach
  end
  local span = high - low
  local bars = axis == "y" and has_style(panel, BARS)
  row.low = bars and low == 0 and 0 or low - margin * span
  row.high = bars and high == 0 and 0 or high + margin * span
  if row.log then
    row.low, row.high = 10 ^ row.low, 10 ^ row.high
  end
  row.low, row.high = row.min or row.low, row.max or row.high
  if row.low >= row.high then
    row.high = row.low + (row.log and row.low or math.abs(row.low) * 0.1 + 1e-3)
  end
end

-- A step of 1, 2 or 5 times a power of ten that puts at most about `count` tics on a span.
local function nice_step(span, count)
  local raw = span / count
  local power = 10 ^ math.floor(math.log(raw, 10))
  for _, factor in ipairs { 1, 2, 5 } do
    if factor * power >= raw * 0.999 then
      return factor * power
    end
  end
  return 10 * power
end

-- On a logarithmic axis of few decades, 1, 2 and 5 of each are named: powers of ten alone are too few.
local function log_tics(row)
  local low, high = math.log(row.low, 10), math.log(row.high, 10)
  if high - low > 2.2 then
    return nil
  end
  local tics = {}
  for power = math.floor(low), math.ceil(high) do
    for _, factor in ipairs { 1, 2, 5 } do
      local value = factor * 10.0 ^ power
      if value >= row.low * 0.999 and value <= row.high * 1.001 then
        tics[#tics + 1] = { value, ("%g"):format(value) }
      end
    end
  end
  return #tics >= 2 and tics or nil
end

local function set_tics(row)
  if row.tics then
    local pairs_of = {}
    for i, tic in ipairs(row.tics) do
      pairs_of[i] = type(tic) == "table" and { tic[1], text.clean(tic[2] or tic[1]) }
        or { i, text.clean(tic) }
    end
    row.tics = pairs_of
  elseif row.log then
    row.tics = log_tics(row)
  elseif row.integer then
    row.step = math.max(1, nice_step(row.high - row.low, 10))
  end
end

local function prepare_panel(given, where)
  local panel = {
    title = given.title and text.clean(given.title), equal = given.equal,
    color_label = text.clean(given.color_label or ""), series = {},
  }
  for _, axis in ipairs { "x", "y" } do
    panel[axis] = options.check(given[axis], AXIS, where .. ": " .. axis)
    panel[axis].label = text.clean(panel[axis].label)
    panel[axis].log = panel[axis].log or given["log_" .. axis] == true
  end
  for i, series in ipairs(given.series) do
    local place = ("%s: series %d"):format(where, i)
    if type(series) ~= "table" then
      options.fail("%s must be a table, got %s", place, options.show(series))
    end
    panel.series[i] = prepare_series(series, i, place)
    complete_style(panel.series[i], series)
  end
  for _, axis in ipairs { "x", "y" } do
    set_range(panel, axis)
    set_tics(panel[axis])
  end
  return panel
end

-- One legend for all panels: the first series of each name, muted ones last.
local function make_legend(panels)
  local entries, late, seen = {}, {}, {}
  for _, panel in ipairs(panels) do
    for _, series in ipairs(panel.series) do
      local name = series.name and text.clean(series.name)
      if name and not seen[name] then
        seen[name] = true
        local into = series.muted and late or entries
        into[#into + 1] = { name = text.cut(name, 90), series = series }
      end
    end
  end
  return table.move(late, 1, #late, #entries + 1, entries)
end

--- Check a plot's options and complete them.
---@param spec table see report.plot
---@return table plot {title, panels, columns, legend, size, file, formats, terminal, timeout}
function M.prepare(spec)
  local given = options.check(spec, PLOT, "report.plot")
  if (given.series == nil) == (given.panels == nil) then
    options.fail("report.plot: give either 'series' or 'panels'")
  end
  local panels = {}
  for i, panel in ipairs(given.panels or {}) do
    local where = ("report.plot: panel %d"):format(i)
    panels[i] = prepare_panel(options.check(panel, PANEL, where), where)
  end
  if given.series then
    panels[1] = prepare_panel(given, "report.plot")
    panels[1].title = nil -- it is the plot's
  end
  if #panels == 0 then
    options.fail("report.plot: 'panels' is empty")
  end
  local columns = given.columns or math.ceil(math.sqrt(#panels))
  return {
    title = given.title and text.clean(given.title), panels = panels,
    columns = math.min(columns, #panels), legend = given.legend and make_legend(panels) or {},
    size = given.size or (#panels == 1 and { 820, 460 } or { 480, 340 }),
    file = given.file, formats = given.formats, terminal = given.terminal, timeout = given.timeout,
  }
end

M.finite = finite

return M
