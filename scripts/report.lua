--- Reports: plots, tables, statistics, learning curves, and the report of a sweep.
---
--- Pictures are drawn by gnuplot (Debian's gnuplot-nox; NNRUN_GNUPLOT names another program). Without
--- it the program goes on: one message says so, and the numbers are written as CSV instead.
local M = {}

-- Parts are loaded when first used: a script that draws nothing should not pay for drawing.
setmetatable(M, {
  __index = function(_, key)
    if key == "stats" then
      M.stats = require "report.stats"
      return M.stats
    end
  end,
})

--- Draw a plot, to files, to the terminal, or both.
---
--- Options: `title`; `series`, or `panels` for several small plots, `columns` of them in a row; `x`
--- and `y` (`label` with its unit, `min`, `max`, `log`, `integer`, `tics`, `reverse`); `log_x`,
--- `log_y`; `equal` scales; `size` {width, height} of one panel in pixels; `legend` (true);
--- `color_label`; `file` ("results/x" for all formats, "x.png" for one) and `formats` ({"png",
--- "svg"}; also "pdf"); `terminal` (true for characters, "sixel" for graphics); `timeout` (30 s).
---
--- A series has `y` and `x` (lists or tensors; x counts from 1 when absent), `name` for the legend,
--- `low` and `high` for a band, `style` ("line", "points", "linepoints", "steps", "bars"; "image"
--- and "classes" show the rows of `z`), `color` ("#rrggbb" or a number in the palette), `dash`
--- ("solid", "dashed", "dotted", "dashdot"), `width`, `size`, `marker`, `muted` (thin, grey, not
--- allowed to stretch the axes much), and for images `palette` and `labels`. NaN leaves a gap.
---@param spec table
---@return {files: string[], text: string?}? result nil when a file cannot be written
---@return string? message which file and why
function M.plot(spec)
  return require("report.render").draw(spec)
end

--- Draw learning curves: training dashed, validation solid; repeats as a mean with its range.
---
--- Options: `metrics` (names without "val_"; default loss and all others), `title`, `file`,
--- `formats`, `terminal`, `size`, `columns`, `log_y`.
---@param histories table what fit returns; a list of those (with `name`); a table name -> history; or
---a list of {name=, histories={...}} whose histories are repeats of one setting
---@param options table?
---@return {files: string[], text: string?}? result nil when a file cannot be written
---@return string? message
function M.curves(histories, options)
  return M.plot(require("report.curves").spec(histories, options))
end

--- Report a sweep: a table of its settings, learning curves with a band over seeds, the effect of
--- each parameter, CSV files with all numbers, and an HTML page that needs no other file.
---
--- Options: `dir` ("results"), `name` of the files (the study's), `top` settings in colour (5),
--- `rows` of the printed table (30), `metrics` to draw, `table`, `terminal`, `html` (all true),
--- `formats` ({"png", "svg"}), `quiet` (false).
---@param study table what search.sweep returns
---@param options table?
---@return {files: string[], table: table}? result nil when a file cannot be written
---@return string? message
function M.sweep(study, options)
  return require("report.sweep").report(study, options)
end

--- A table of records, as aligned text (`tostring`), Markdown, HTML, CSV or JSON.
---@param rows table[] records
---@param columns (string|table)[]? field names, or {key=, title=, align=, decimals=, spread=,
---format=}; `spread` names the field shown after ±; default: every field, sorted by name
---@return table table with methods text, markdown, html, csv and json
function M.table(rows, columns)
  return require("report.table").new(rows, columns)
end

--- Draw a confusion matrix.
---@param matrix table|userdata rows are true classes, columns predicted ones; counts
---@param options {classes: string[]?, title: string?, file: string?, formats: table?, terminal: boolean?}?
---@return {files: string[]}? result
---@return string? message
function M.confusion(matrix, options)
  local given = require("options").check(options, {
    classes = { type = "table" }, title = { type = "string", default = "confusion matrix" },
    file = { type = "string" }, formats = { type = "table" }, terminal = { type = "boolean" },
  }, "report.confusion")
  local rows = require("report.plot").list(matrix)
  if given.terminal then
    local classes, lines, columns = given.classes or {}, {}, { { key = "true class" } }
    for r, row in ipairs(rows) do
      local name = classes[r] or tostring(r - 1)
      columns[r + 1] = { key = r, title = name }
      lines[r] = table.move(row, 1, #row, 1, { ["true class"] = name })
    end
    io.stdout:write(M.table(lines, columns):text())
  end
  local side = math.max(420, math.min(900, 60 * #rows + 200))
  return M.plot {
    title = given.title, file = given.file, formats = given.formats, size = { side + 100, side },
    color_label = "samples", x = { label = "predicted class", tics = given.classes },
    y = { label = "true class", tics = given.classes, reverse = true },
    series = { { style = "image", labels = #rows <= 20, z = rows } },
  }
end

return M
