--- Plots as gnuplot scripts. Text is single-quoted with quotes doubled, so that no part of it can
--- become a command; numbers go in data blocks; the layout is in pixels, worked out here.
local plot = require "report.plot"
local text = require "report.text"

local M = {}

-- Pixels at the font sizes below: one character on average, one line, room beside a panel.
local CHAR, LINE = 7.2, 19
local LEFT, RIGHT, BOTTOM, TOP = 82, 22, 58, 14
local TITLE, PANEL_TITLE, COLORS = 34, 24, 106
local SAMPLE, GAP = 38, 26
local LEGEND_LIMIT = 40
local GRID, INK = "#D9D9D9", "#303030"

local PALETTES = { -- position, colour; viridis by Smith & van der Walt, diverging by Brewer (PuOr)
  viridis = "0 '#440154', 1 '#472D7B', 2 '#3B528B', 3 '#2C728E', 4 '#21918C', 5 '#28AE80', "
    .. "6 '#5EC962', 7 '#ADDC30', 8 '#FDE725'",
  diverging = "0 '#542788', 1 '#998EC3', 2 '#D8DAEB', 3 '#F7F7F7', 4 '#FEE0B6', 5 '#F1A340', 6 '#B35806'",
  grey = "0 '#FFFFFF', 1 '#303030'",
}

--- A text as a gnuplot string that means exactly this text: single-quoted, where nothing but the
--- quote itself has a meaning. gnuplot 5.4 takes a doubled quote at the very beginning for an empty
--- string, so quotes there are put before it, in a double-quoted string of their own.
---@param value string
---@return string
function M.quote(value)
  local quotes, rest = text.clean(value):match("^('*)(.*)$")
  local quoted = "'" .. rest:gsub("'", "''") .. "'"
  return quotes == "" and quoted or ('"%s".%s'):format(quotes, quoted)
end

-- Labels of tics are format strings too.
local function quote_tic(value)
  return (M.quote(value):gsub("%%", "%%%%"))
end

local function number(value)
  return ("%.10g"):format(value)
end

local Script = {}
Script.__index = Script

local function new_script()
  return setmetatable({ lines = {}, blocks = 0 }, Script)
end

function Script:add(format, ...)
  self.lines[#self.lines + 1] = select("#", ...) > 0 and format:format(...) or format
end

-- A block of rows; false is an empty line, which ends a line or an area. Returns its name.
function Script:data(rows)
  self.blocks = self.blocks + 1
  local name = "$d" .. self.blocks
  self:add("%s << EOD", name)
  for _, row in ipairs(rows) do
    self:add(row and table.concat(row, " ") or "")
  end
  self:add("EOD")
  return name
end

-- Rows of finite numbers; a gap in the data is a gap in the line.
local function rows_of(panel, columns)
  local rows = {}
  for i = 1, #columns[1] do
    local row = {}
    for c, column in ipairs(columns) do
      local log = panel[c == 1 and "x" or "y"].log
      if not plot.finite(column[i]) or log and column[i] <= 0 then
        row = false
        break
      end
      row[c] = number(column[i])
    end
    if row or #rows > 0 and rows[#rows] then
      rows[#rows + 1] = row
    end
  end
  if rows[#rows] == false then
    rows[#rows] = nil
  end
  return rows
end

local function image_rows(series)
  local rows = {}
  for r, cells in ipairs(series.z) do
    for c, value in ipairs(cells) do
      local row = { number(series.x[c]), number(series.y[r]) }
      if series.style == "classes" then -- a light tint of the class's colour
        local color = plot.COLORS[math.floor(value) % #plot.COLORS + 1]
        for i = 0, 2 do
          row[3 + i] = ("%d"):format(255 - (255 - tonumber(color:sub(2 + 2 * i, 3 + 2 * i), 16)) * 0.35 // 1)
        end
      else
        row[3] = plot.finite(value) and number(value) or "NaN"
      end
      rows[#rows + 1] = row
    end
  end
  return rows
end

-- Plot elements of one series, bottom layer first: lists of {layer, text}.
local function elements(script, panel, series, into)
  local function add(layer, format, ...)
    into[#into + 1] = { layer, format:format(...), #into }
  end
  if series.z then
    local rows = image_rows(series)
    -- Images of one row or column have no cell size; a copy beside it lies outside the range.
    local block = script:data(rows)
    if series.style == "classes" then
      add(0, "%s using 1:2:3:4:5 with rgbimage notitle", block)
    else
      add(0, "%s using 1:2:3 with image%s notitle", block, #rows <= 1000 and " pixels" or "")
    end
    return
  end
  local line = ("lc rgb '%s' lw %g dt %s"):format(series.color, series.width, plot.DASHES[series.dash])
  local point = ("lc rgb '%s' pt %d ps %g"):format(series.color, series.marker, 0.8 * series.size)
  if series.low and series.high then
    local rows = rows_of(panel, { series.x, series.low, series.high })
    if #rows > 0 then
      add(1, "%s using 1:2:3 with filledcurves fs transparent solid 0.18 noborder lc rgb '%s' notitle",
        script:data(rows), series.color)
    end
  end
  local rows = rows_of(panel, { series.x, series.y })
  if #rows == 0 then
    return
  end
  local block, layer = script:data(rows), series.muted and 0.5 or 2
  if series.style == "bars" then
    add(layer, "%s using 1:2:(0.7) with boxes fs solid 0.75 noborder lc rgb '%s' notitle", block,
      series.color)
  elseif series.style == "points" then
    add(layer, "%s using 1:2 with points %s notitle", block, point)
  elseif series.style == "steps" then
    add(layer, "%s using 1:2 with steps %s notitle", block, line)
  else
    add(layer, "%s using 1:2 with lines %s notitle", block, line)
    if series.style == "linepoints" then
      add(layer + 0.5, "%s using 1:2 with points %s notitle", block, point)
    end
  end
end

local function add_axis(script, panel, name, offset)
  local axis = panel[name]
  script:add("set %slabel %s offset %s", name, M.quote(axis.label), offset or "0,0")
  script:add(axis.log and "set logscale %s" or "unset logscale %s", name)
  local first, last = axis.low, axis.high
  if axis.reverse then
    first, last = last, first
  end
  script:add("set %srange [%s:%s]", name, number(first), number(last))
  if axis.tics then
    local tics = {}
    for i, tic in ipairs(axis.tics) do
      tics[i] = quote_tic(tic[2]) .. " " .. number(tic[1])
    end
    script:add("set %stics (%s)", name, table.concat(tics, ", "))
  elseif axis.step then
    script:add("set %stics autofreq %s format '%%g'", name, number(axis.step))
  else
    script:add("set %stics autofreq format '%%g'", name)
  end
end

-- Long labels under the axis are turned, and need room.
local function tic_room(axis, width)
  local longest = 0
  for _, tic in ipairs(axis.tics or {}) do
    longest = math.max(longest, text.width(tic[2]) * CHAR)
  end
  if axis.tics and longest * #axis.tics > width * 0.9 then
    return math.min(longest * 0.55, 120) + 4, true
  end
  return 0, false
end

-- Room left of a panel: its tic labels and the axis label.
local function left_room(axis)
  local longest = 0
  for _, tic in ipairs(axis.tics or {}) do
    longest = math.max(longest, text.width(tic[2]) * CHAR)
  end
  return math.max(LEFT, math.min(longest, 220) + (axis.label ~= "" and 44 or 24))
end

local function add_cell_labels(script, panel)
  for _, series in ipairs(panel.series) do
    if series.z and series.labels then
      local low, high = math.huge, -math.huge
      for _, row in ipairs(series.z) do
        for _, value in ipairs(row) do
          low, high = math.min(low, value), math.max(high, value)
        end
      end
      local dark_end = series.palette == "grey"
      for r, row in ipairs(series.z) do
        for c, value in ipairs(row) do
          local light = (value - low) / (high > low and high - low or 1) < 0.55
          script:add("set label %s at first %s, first %s center front tc rgb '%s'",
            M.quote(text.number(value)), number(series.x[c]), number(series.y[r]),
            light ~= dark_end and "#FFFFFF" or "#000000")
        end
      end
    end
  end
end

local function add_panel(script, panel, box, size, format)
  script:add("unset label")
  script:add("unset arrow")
  local into, colored = {}, false
  for _, series in ipairs(panel.series) do
    elements(script, panel, series, into)
    if series.style == "image" then
      colored = true
      script:add("set palette defined (%s)", PALETTES[series.palette])
    end
  end
  script:add(colored and "set colorbox" or "unset colorbox")
  script:add("set cblabel %s", M.quote(panel.color_label))
  add_axis(script, panel, "x", format == "svg" and "0,0.4") -- SVG's lines are taller
  add_axis(script, panel, "y")
  local right = box.right - (colored and COLORS or 0)
  local room, turned = tic_room(panel.x, right - box.left)
  script:add("set xtics nomirror %s", turned and "rotate by 30 right" or "norotate center")
  script:add(panel.equal and "set size ratio -1" or "set size noratio")
  script:add("set title %s offset 0,-0.4", M.quote(panel.title or ""))
  script:add("set lmargin at screen %.6f", box.left / size.width)
  script:add("set rmargin at screen %.6f", right / size.width)
  script:add("set tmargin at screen %.6f", 1 - box.top / size.height)
  script:add("set bmargin at screen %.6f", 1 - (box.bottom - room) / size.height)
  add_cell_labels(script, panel)
  table.sort(into, function(a, b) -- of equals the first is drawn last: it is the one to be seen
    return a[1] < b[1] or a[1] == b[1] and a[3] > b[3]
  end)
  local parts = {}
  for i, element in ipairs(into) do
    parts[i] = element[2]
  end
  -- An empty panel still shows its axes: a function without values draws nothing.
  script:add("plot %s", #parts > 0 and table.concat(parts, ", \\\n  ") or "NaN notitle")
end

-- Entries in columns below the panels: a sample of the line, then the name.
local function legend_layout(entries, width)
  local shown, widest = math.min(#entries, LEGEND_LIMIT), 1
  for i = 1, shown do
    widest = math.max(widest, SAMPLE + text.width(entries[i].name) * CHAR + GAP)
  end
  local columns = math.max(1, math.min(shown, (width - 40) // widest, shown > 4 and 4 or shown))
  local rows = math.ceil(shown / columns)
  local more = #entries > shown and 1 or 0
  return {
    shown = shown, rows = rows, step = widest, more = #entries - shown,
    height = shown > 0 and (rows + more) * LINE + 10 or 0,
    left = math.max(20, (width - math.ceil(shown / rows) * widest + GAP) / 2),
  }
end

local function add_legend(script, entries, layout, size)
  local function at(x, y)
    return ("screen %.6f, screen %.6f"):format(x / size.width, 1 - y / size.height)
  end
  local top = size.height - layout.height
  for i = 1, layout.shown do
    local series = entries[i].series
    local x = layout.left + (i - 1) // layout.rows * layout.step
    local y = top + ((i - 1) % layout.rows + 0.5) * LINE
    local color = ("lc rgb '%s'"):format(series.color)
    if series.style == "bars" then
      script:add("set object %d rectangle from %s to %s fs solid 0.75 noborder fc rgb '%s' front", i,
        at(x, y - 5), at(x + SAMPLE - 12, y + 5), series.color)
    else
      if series.style ~= "points" then
        script:add("set arrow from %s to %s nohead %s lw %g dt %s front", at(x, y),
          at(x + SAMPLE - 8, y), color, series.width, plot.DASHES[series.dash])
      end
      if series.style == "points" or series.style == "linepoints" then
        script:add("set label '' at %s point %s pt %d ps 0.9 front", at(x + SAMPLE / 2 - 4, y), color,
          series.marker)
      end
    end
    script:add("set label %s at %s left front", M.quote(entries[i].name), at(x + SAMPLE, y))
  end
  if layout.more > 0 then
    script:add("set label 'and %d more' at %s left front", layout.more,
      at(layout.left + SAMPLE, size.height - LINE))
  end
end

-- Width and height of one panel with its axes.
local function cell_size(prepared)
  return prepared.size[1] or prepared.size.width or 820, prepared.size[2] or prepared.size.height or 460
end

--- Pixels of the whole picture.
---@param prepared table from plot.prepare
---@return {width: integer, height: integer, legend: table}
function M.size(prepared)
  local width, height = cell_size(prepared)
  local total = math.floor(width * prepared.columns)
  local legend = legend_layout(prepared.legend, total)
  local rows = math.ceil(#prepared.panels / prepared.columns)
  return {
    width = total, legend = legend,
    height = math.floor(height * rows + (prepared.title and TITLE or 8) + legend.height),
  }
end

--- The script of a picture in colours.
---@param prepared table from plot.prepare
---@param format string "png", "svg", "pdf" or "sixel"
---@param scale number? pixels of a PNG per pixel of the layout, default 1.6
---@return string
function M.picture(prepared, format, scale)
  scale = scale or 1.6
  local size, script = M.size(prepared), new_script()
  local cell_width, cell_height = cell_size(prepared)
  script:add("set encoding utf8")
  if format == "png" then
    script:add("set terminal pngcairo noenhanced background '#FFFFFF' size %d,%d font 'sans,9.5' "
      .. "fontscale %g linewidth %g pointscale %g", size.width * scale // 1, size.height * scale // 1, scale,
      scale, scale)
  elseif format == "sixel" then
    script:add("set terminal sixelgd noenhanced size %d,%d font 'DejaVuSans,9.5'", size.width, size.height)
  elseif format == "pdf" then -- inches, at 96 pixels each
    script:add("set terminal pdfcairo noenhanced size %.3fin,%.3fin font 'sans,9.5'", size.width / 96,
      size.height / 96)
  else
    script:add("set terminal svg noenhanced size %d,%d font 'DejaVu Sans, Verdana, sans-serif,12.5' "
      .. "background '#FFFFFF'", size.width, size.height)
  end
  script:add("set border 3 lc rgb '%s' lw 1", INK)
  script:add("set tics nomirror out scale 0.6")
  script:add("set grid xtics ytics lt 1 lw 0.6 lc rgb '%s'", GRID)
  script:add("unset key")
  script:add("set multiplot")
  if prepared.title then
    script:add("set label %s at screen 0.5, screen %.6f center front font ',%s'", M.quote(prepared.title),
      1 - TITLE / 2 / size.height, format == "svg" and "15" or "11.5")
  end
  add_legend(script, prepared.legend, size.legend, size)
  local top = prepared.title and TITLE or 8
  for i, panel in ipairs(prepared.panels) do
    local left = (i - 1) % prepared.columns * cell_width
    local upper = top + (i - 1) // prepared.columns * cell_height
    if i == 1 then -- an invisible plot carries title and legend, which the panels then leave out
      script:add("set lmargin at screen 0\nset rmargin at screen 1\nset bmargin at screen 0\n"
        .. "set tmargin at screen 1\nunset border\nunset tics\nunset grid\nplot [0:1][0:1] NaN notitle")
      script:add("unset object\nset border 3 lc rgb '%s' lw 1\nset tics nomirror out scale 0.6", INK)
      script:add("set xtics nomirror\nset ytics nomirror\nset grid xtics ytics lt 1 lw 0.6 lc rgb '%s'", GRID)
    end
    add_panel(script, panel, {
      left = left + left_room(panel.y), right = left + cell_width - RIGHT,
      top = upper + (panel.title and PANEL_TITLE or 0) + TOP, bottom = upper + cell_height - BOTTOM,
    }, size, format)
  end
  script:add("unset multiplot")
  return table.concat(script.lines, "\n") .. "\n"
end

--- Which series of a panel characters can show: those with numbers, and the sign of each. A series
--- without a name has no sign of its own and is drawn in dots; muted ones and images are left out.
---@param panel table
---@return {series: table, rows: table, sign: string?}[]
function M.signs(panel)
  local shown, letters = {}, 0
  for _, series in ipairs(panel.series) do
    local rows = not series.z and not series.muted and rows_of(panel, { series.x, series.y }) or {}
    if #rows > 0 then
      letters = letters + (series.name and 1 or 0)
      shown[#shown + 1] = { series = series, rows = rows,
        sign = series.name and string.char(65 + (letters - 1) % 26) or nil }
    end
  end
  return shown
end

--- The script of one panel as characters; title, y label and legend are the caller's to write.
---@param prepared table from plot.prepare
---@param index integer which panel
---@param columns integer
---@param rows integer
---@return string
function M.characters(prepared, index, columns, rows)
  local panel, script, parts, named = prepared.panels[index], new_script(), {}, 0
  script:add("set encoding utf8")
  script:add("set terminal dumb noenhanced mono size %d,%d", columns, rows)
  script:add("unset key\nset border 3\nset tics nomirror scale 0\nunset colorbox")
  add_axis(script, panel, "x")
  add_axis(script, panel, "y")
  script:add("set ylabel ''")
  for _, shown in ipairs(M.signs(panel)) do
    local style, block = shown.series.style, script:data(shown.rows)
    local point = shown.sign and shown.sign:byte() - 64
    local with = style == "bars" and "impulses lt 1" or not point and "dots"
      or style == "points" and "points pt " .. point or "linespoints lt 1 pt " .. point
    -- The first series ends up on top, dots at the bottom.
    table.insert(parts, point and #parts - named + 1 or 1, ("%s using 1:2 with %s notitle"):format(block, with))
    named = named + (point and 1 or 0)
  end
  script:add("plot %s", #parts > 0 and table.concat(parts, ", ") or "NaN notitle")
  return table.concat(script.lines, "\n") .. "\n"
end

return M
