--- Reports: plots, tables, statistics, learning curves, and the report of a sweep.
local M = {}

--- Statistics: means, intervals, tests and corrections (see report.stats).
M.stats = require "report.stats"

--- Draw a plot, to files and to the terminal.
---@param spec table title, x, y, series (or panels), file, terminal ...
---@return table? result {files = {...}, text = "..."}
---@return string? message
function M.plot(spec)
  return require("report.render").draw(spec)
end

return M
