--- Running gnuplot: pictures to files, characters to the terminal, and what happens without it.
--
-- gnuplot goes on after an error and ends with status 0, so a picture counts only when it is
-- complete and standard error names no error. When no picture can be had, the plot's numbers are
-- written as CSV beside where it would be, and the reason is said once per program run.
local files = require "report.files"
local gnuplot = require "report.gnuplot"
local options = require "options"
local plot = require "report.plot"
local text = require "report.text"

local M = {}

local COMPLETE = { -- what the last bytes of a whole picture look like
  png = "IEND\xAEB`\x82$", svg = "</svg>%s*$", pdf = "%%%%EOF%s*$", sixel = "\27\\%s*$",
}
local said = {} -- messages already shown

local function warn(message)
  if not said[message] then
    said[message] = true
    io.stdout:flush()
    io.stderr:write("nnrun: ", message, "\n")
  end
end

--- Forget which messages were shown, so that the next problem is told again.
function M.reset()
  said = {}
end

-- The first error in what gnuplot wrote: "line 3: ..." that is not a warning.
local function first_error(errors)
  for line in errors:gmatch("[^\n]+") do
    local problem = line:match("line %d+: (.*)")
    if problem and not problem:find("^warning") then
      return problem
    end
  end
end

--- Run gnuplot on a script and collect what it draws.
---@param script string
---@param timeout number? seconds, default 30
---@return string? picture nil when gnuplot is absent, fails or takes too long
---@return string? message
function M.run(script, timeout)
  local program = os.getenv("NNRUN_GNUPLOT")
  program = program and program ~= "" and program or "gnuplot"
  -- --default-settings: no start-up file of the user's may change the picture. From standard
  -- input gnuplot reads byte by byte, which takes longer than drawing; from a file it reads blocks.
  local path = os.tmpname()
  local file, problem_writing = io.open(path, "w")
  if not file then
    return nil, "nothing is drawn: " .. problem_writing
  end
  file:write(script):close()
  local result, message, status = require("core.plot").run({ program, "--default-settings", path }, "", timeout or 30)
  os.remove(path)
  if not result and status == "NOT_FOUND" then
    return nil, ("'%s' was not found, so nothing is drawn: install the Debian package gnuplot-nox, "
      .. "or set NNRUN_GNUPLOT to the program"):format(program)
  elseif not result then
    return nil, "nothing is drawn: " .. message
  end
  local problem = first_error(result.errors)
  if not problem and (result.status ~= 0 or result.output == "") then
    local last = result.errors:match("([^\n]+)%s*$") or "it drew nothing"
    problem = result.signal ~= 0 and ("signal %d ended it"):format(result.signal)
      or ("exit status %d, %s"):format(result.status, last)
  end
  if problem then
    return nil, ("nothing is drawn: '%s' failed: %s"):format(program, problem)
  end
  return result.output
end

--- The numbers of a plot as CSV: panel, series, x, y, low, high; images as cells x, y, z.
---@param prepared table from plot.prepare
---@return string
function M.data(prepared)
  local rows = {}
  for p, panel in ipairs(prepared.panels) do
    local title = panel.title or prepared.title or tostring(p)
    for s, series in ipairs(panel.series) do
      local name = series.name or tostring(s)
      for r, cells in ipairs(series.z or {}) do
        for c, value in ipairs(cells) do
          rows[#rows + 1] = { title, name, series.x[c], series.y[r], nil, nil, value }
        end
      end
      for i, y in ipairs(not series.z and series.y or {}) do
        rows[#rows + 1] = { title, name, series.x[i], y, series.low and series.low[i],
          series.high and series.high[i] }
      end
    end
  end
  return files.csv({ "panel", "series", "x", "y", "low", "high", "z" }, rows)
end

--- One picture in a format.
---@param prepared table from plot.prepare
---@param format string "png", "svg", "pdf" or "sixel"
---@return string? picture
---@return string? message
function M.picture(prepared, format)
  local bytes, message = M.run(gnuplot.picture(prepared, format), prepared.timeout)
  if not bytes then
    return nil, message
  elseif not bytes:sub(-64):find(COMPLETE[format]) then
    return nil, "nothing is drawn: gnuplot's picture is incomplete"
  elseif format == "svg" then -- named after what it shows; images keep their cells sharp
    local title = text.escape(prepared.title or prepared.panels[1].title or "plot")
    bytes = bytes:gsub("<title>Gnuplot</title>", function() return "<title>" .. title .. "</title>" end, 1)
      :gsub("preserveAspectRatio='none'", "%0 style='image-rendering:pixelated'")
  end
  return bytes
end

-- "results/x.png" asks for one format; "results/x" for all of the given ones.
local function targets(prepared)
  local stem, ending = prepared.file:match("^(.*)%.(%w+)$")
  if stem and COMPLETE[ending] and not prepared.formats then
    return stem, { ending }
  end
  stem = stem and COMPLETE[ending] and stem or prepared.file
  return stem, prepared.formats or { "png", "svg" }
end

--- Write a plot's files. Problems with gnuplot are told on standard error and leave the data as CSV.
---@param prepared table with `file`
---@return string[]? files what was written; nil when files cannot be written
---@return string? message
function M.save(prepared)
  local stem, formats = targets(prepared)
  local written = {}
  for _, format in ipairs(formats) do
    if not COMPLETE[format] or format == "sixel" then
      options.fail('report.plot: formats can be "png", "svg" and "pdf", got %s', options.show(format))
    end
    local bytes, message = M.picture(prepared, format)
    local path = stem .. "." .. format
    if not bytes then
      warn(message)
      path, bytes = stem .. ".csv", M.data(prepared)
    end
    local ok, problem = files.write(path, bytes)
    if not ok then
      return nil, problem
    end
    if written[#written] ~= path then
      written[#written + 1] = path
    end
  end
  return written
end

-- Which sign stands for which series, as many on a line as fit.
local function character_legend(panel, width)
  local lines, line = {}, ""
  for _, shown in ipairs(gnuplot.signs(panel)) do
    if shown.sign then
      local entry = shown.sign .. " " .. text.cut(text.clean(shown.series.name), width - 8)
      if line ~= "" and text.width(line) + text.width(entry) + 3 > width - 4 then
        lines[#lines + 1], line = line, ""
      end
      line = line == "" and "    " .. entry or line .. "   " .. entry
    end
  end
  lines[#lines + 1] = line ~= "" and line or nil
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

local function character_title(prepared, panel, width)
  local title = panel.title or prepared.title
  local parts = { title, panel.y.label ~= "" and panel.y.label ~= title and panel.y.label or nil }
  if not title then
    parts = { panel.y.label }
  end
  return text.cut("  " .. table.concat(parts, ": "), width) .. "\n"
end

--- A plot as text for the terminal: its panels one below the other, each with its legend.
---@param prepared table from plot.prepare
---@param kind string? "dumb" (default) or "sixel"
---@return string? text
---@return string? message
function M.text(prepared, kind)
  if kind == "sixel" then
    return M.picture(prepared, "sixel")
  end
  local columns, rows = require("core.plot").terminal_size()
  columns, rows = math.max(40, math.min(columns - 1, 110)), math.max(12, math.min(rows - 4, 22))
  local parts = {}
  for i, panel in ipairs(prepared.panels) do
    local drawn, message = M.run(gnuplot.characters(prepared, i, columns, rows), prepared.timeout)
    if not drawn then
      return nil, message
    end
    drawn = drawn:gsub("\f", ""):gsub("[ \t]+\n", "\n"):gsub("^\n+", ""):gsub("%s+$", "\n")
    parts[#parts + 1] = character_title(prepared, panel, columns) .. drawn
      .. character_legend(panel, columns)
  end
  return table.concat(parts, "\n")
end

--- Do all that a plot's options ask for.
---@param spec table see report.plot
---@return table? result {files = {...}, text = "..."}; nil when files cannot be written
---@return string? message
function M.draw(spec)
  local prepared = plot.prepare(spec)
  local result = { files = {} }
  if prepared.terminal then
    local drawn, message = M.text(prepared, prepared.terminal)
    if drawn then
      result.text = drawn
      io.stdout:write(drawn)
    else
      warn(message)
    end
  end
  if prepared.file then
    local written, message = M.save(prepared)
    if not written then
      return nil, message
    end
    result.files = written
  end
  return result
end

M.warn = warn

return M
