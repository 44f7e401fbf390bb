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
--- `rows` of the printed table (30), `metrics` to draw, `table` (true unless search.sweep has printed
--- it), `terminal`, `html` (both true), `formats` ({"png", "svg"}), `quiet` (false).
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
---
--- Options: `classes` (names), `title`, `file`, `formats`, `terminal` (a table of the counts).
---@param matrix table|userdata what nn.metrics.confusion_matrix returns, or counts: rows are true
---classes, columns predicted ones
---@param options table?
---@return {files: string[]}? result nil when a file cannot be written
---@return string? message
function M.confusion(matrix, options)
  return require("report.classes").confusion(matrix, options)
end

--- Draw which class a model gives to each point of the plane, with the data on top.
---
--- Options: `title`, `file`, `formats`, `steps` points along each axis (160), `threshold` between
--- classes 0 and 1 where the model gives one number (0, as for logits), `margin` around the data (0.1
--- of its extent), `labels` of the two axes (the set's column names, or x1 and x2).
---@param predict function|table a function from a tensor of points (N, 2) to a tensor of labels (N),
---numbers (N) or (N, 1), or scores (N, C); or an object with such a method `predict`
---@param set table a data set with x (N, 2) and labels y (N)
---@param options table?
---@return {files: string[]}? result nil when a file cannot be written
---@return string? message
function M.boundary(predict, set, options)
  return require("report.classes").boundary(predict, set, options)
end

return M
