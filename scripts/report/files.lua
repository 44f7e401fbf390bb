--- Reports as files: whole files in folders made on the way, and data as CSV and JSON.
local text = require "report.text"

local M = {}

--- Write a file whole or not at all; its folder is made when absent.
---@param path string
---@param content string
---@return boolean? ok nil when it cannot be written
---@return string? message which path and why
function M.write(path, content)
  local plot = require "core.plot"
  local folder = path:match("^(.*)/[^/]*$")
  if folder and folder ~= "" then
    local ok, message = plot.make_folder(folder)
    if not ok then
      return nil, message
    end
  end
  return plot.write_file(path, content)
end

--- One CSV cell: quoted when it holds a comma, a quote or a line end; numbers at full precision.
---@param value any nil is an empty cell
---@return string
function M.cell(value)
  if value == nil then
    return ""
  elseif type(value) == "number" then
    return text.exact(value)
  elseif type(value) == "table" then
    value = M.json(value)
  end
  value = tostring(value)
  if value:find('[,"\r\n]') or value:find("^%s") or value:find("%s$") then
    return '"' .. value:gsub('"', '""') .. '"'
  end
  return value
end

--- CSV text (RFC 4180, with line feeds) of rows given as lists.
---@param header string[] its length is the number of columns
---@param rows any[][]
---@return string
function M.csv(header, rows)
  local lines = {}
  local function add(row)
    local cells = {}
    for i = 1, #header do
      cells[i] = M.cell(row[i])
    end
    lines[#lines + 1] = table.concat(cells, ",")
  end
  add(header)
  for _, row in ipairs(rows) do
    add(row)
  end
  return table.concat(lines, "\n") .. "\n"
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function json_string(value)
  return '"' .. value:gsub('[%c"\\]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

--- A value as JSON on one line, keys sorted; NaN and infinities become null. A table with a first
--- element, or an empty one, is a list.
---@param value any nil, boolean, number, string or table of these
---@return string
function M.json(value)
  if type(value) == "string" then
    return json_string(value)
  elseif type(value) == "number" then
    local finite = value == value and value ~= math.huge and value ~= -math.huge
    return finite and text.exact(value) or "null"
  elseif type(value) ~= "table" then
    return type(value) == "boolean" and tostring(value) or "null"
  end
  local parts = {}
  if #value > 0 or next(value) == nil then
    for i, item in ipairs(value) do
      parts[i] = M.json(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for i, key in ipairs(text.keys(value)) do
    parts[i] = json_string(tostring(key)) .. ":" .. M.json(value[key])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

return M
