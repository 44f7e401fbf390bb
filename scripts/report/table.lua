--- Tables of results: one list of rows, shown as aligned text, Markdown, HTML, CSV or JSON.
local files = require "report.files"
local text = require "report.text"

local M = {}

local Table = {}
Table.__index = Table
Table.__name = "report.table"

local COLUMN = {
  key = { type = "string|number", required = true, help = "field of a row" },
  title = { type = "string", help = "heading; default the key" },
  align = { type = "string", choices = { "left", "right" }, help = "default: numbers right, others left" },
  decimals = { type = "integer", min = 0, max = 15, help = "of a number; default four significant digits" },
  spread = { type = "string", help = "field with the spread shown after ±" },
  format = { type = "callable", help = "function(value, row) -> string" },
}

local function all_keys(rows)
  local seen = {}
  for _, row in ipairs(rows) do
    for key in pairs(row) do
      seen[key] = true
    end
  end
  return text.keys(seen)
end

local function make_column(given, rows)
  local column = type(given) ~= "table" and { key = given }
    or require("options").check(given, COLUMN, "report.table column")
  local numbers, others, means, spreads = 0, 0, {}, {}
  for _, row in ipairs(rows) do
    local value = row[column.key]
    if type(value) == "number" then
      numbers = numbers + 1
      means[#means + 1] = value
      spreads[#spreads + 1] = column.spread and row[column.spread] or 0 / 0
    elseif value ~= nil then
      others = others + 1
    end
  end
  column.title = text.clean(column.title or column.key)
  column.align = column.align or (numbers > 0 and others == 0 and "right" or "left")
  if column.spread and not column.decimals then
    column.decimals = text.decimals(means, spreads)
  end
  return column
end

-- What one cell shows; a mean whose spread is unknown is followed by blanks, so means stay in line.
local function show(column, row, blank)
  local value = row[column.key]
  if column.format then
    return text.clean(column.format(value, row))
  elseif value == nil then
    return ""
  elseif column.spread and type(value) == "number" then
    local shown = text.with_spread(value, row[column.spread], column.decimals)
    return shown:find("±", 1, true) and shown or shown .. (blank or "")
  elseif type(value) == "number" and column.decimals then
    return text.number(value, column.decimals)
  elseif type(value) == "number" then
    return text.number(value)
  end
  return text.value(value)
end

local function blank_spread(column, rows)
  local widest = 0
  for _, row in ipairs(rows) do
    local spread = column.spread and row[column.spread]
    if spread and spread == spread then
      widest = math.max(widest, #text.number(spread, column.decimals) + 3)
    end
  end
  return (" "):rep(widest)
end

-- Cells of every row as text, column by column, with headings.
local function cells_of(self, blanks)
  local heads, body = {}, {}
  for c, column in ipairs(self.columns) do
    local blank = blanks and blank_spread(column, self.rows) or ""
    heads[c] = column.title
    for r, row in ipairs(self.rows) do
      body[r] = body[r] or {}
      body[r][c] = show(column, row, blank)
    end
  end
  return heads, body
end

--- Aligned text, for a terminal: headings, a rule, one line per row.
---@param options {width: integer?}? lines longer than `width` columns are cut
---@return string text ends with a line feed
function Table:text(options)
  local heads, body = cells_of(self, true)
  local widths, lines, rules = {}, {}, {}
  for c in ipairs(self.columns) do
    widths[c] = text.width(heads[c])
    for _, cells in ipairs(body) do
      widths[c] = math.max(widths[c], text.width(cells[c]))
    end
    rules[c] = ("─"):rep(widths[c])
  end
  local function add(cells)
    local padded = {}
    for c, column in ipairs(self.columns) do
      padded[c] = text.pad(cells[c], widths[c], column.align)
    end
    local line = table.concat(padded, "  "):gsub("%s+$", "")
    lines[#lines + 1] = options and options.width and text.cut(line, options.width) or line
  end
  add(heads)
  add(rules)
  for _, cells in ipairs(body) do
    add(cells)
  end
  return table.concat(lines, "\n") .. "\n"
end

--- A Markdown table.
---@return string
function Table:markdown()
  local heads, body = cells_of(self)
  local lines, rules = {}, {}
  local function add(cells)
    local escaped = {}
    for i, cell in ipairs(cells) do
      escaped[i] = cell:gsub("[\\|]", "\\%0"):gsub("<", "&lt;")
    end
    lines[#lines + 1] = "| " .. table.concat(escaped, " | ") .. " |"
  end
  for c, column in ipairs(self.columns) do
    rules[c] = column.align == "right" and "---:" or "---"
  end
  add(heads)
  lines[#lines + 1] = "| " .. table.concat(rules, " | ") .. " |"
  for _, cells in ipairs(body) do
    add(cells)
  end
  return table.concat(lines, "\n") .. "\n"
end

--- An HTML table element; rows with a true `mark` field get the class "mark".
---@return string
function Table:html()
  local heads, body = cells_of(self)
  local lines = { "<table>", "<thead><tr>" }
  local function class(c)
    return self.columns[c].align == "right" and ' class="num"' or ""
  end
  for c, head in ipairs(heads) do
    lines[#lines + 1] = ("<th%s>%s</th>"):format(class(c), text.escape(head))
  end
  lines[#lines + 1] = "</tr></thead>\n<tbody>"
  for r, cells in ipairs(body) do
    local parts = {}
    for c, cell in ipairs(cells) do
      parts[c] = ("<td%s>%s</td>"):format(class(c), text.escape(cell))
    end
    lines[#lines + 1] = (self.rows[r].mark and '<tr class="mark">' or "<tr>")
      .. table.concat(parts) .. "</tr>"
  end
  lines[#lines + 1] = "</tbody></table>"
  return table.concat(lines, "\n") .. "\n"
end

--- CSV text with numbers at full precision; a spread gets a column of its own.
---@return string
function Table:csv()
  local header, keys, rows = {}, {}, {}
  for _, column in ipairs(self.columns) do
    for _, key in ipairs { column.key, column.spread } do
      keys[#keys + 1] = key
      header[#header + 1] = key == column.key and column.title or column.title .. " spread"
    end
  end
  for r, row in ipairs(self.rows) do
    rows[r] = {}
    for c, key in ipairs(keys) do
      rows[r][c] = row[key]
    end
  end
  return files.csv(header, rows)
end

--- JSON text: a list of objects with the columns' fields, one row a line.
---@return string
function Table:json()
  local lines = {}
  for r, row in ipairs(self.rows) do
    local object = {}
    for _, column in ipairs(self.columns) do
      object[column.key] = row[column.key]
      if column.spread then
        object[column.spread] = row[column.spread]
      end
    end
    lines[r] = files.json(object)
  end
  return "[" .. table.concat(lines, ",\n ") .. "]\n"
end

Table.__tostring = Table.text

--- Make a table of rows.
---@param rows table[] records
---@param columns (string|table)[]? field names, or {key=, title=, align=, decimals=, spread=, format=};
---default: every field, sorted by name
---@return table table with methods text, markdown, html, csv, json; tostring gives the text
function M.new(rows, columns)
  local options = require "options"
  if type(rows) ~= "table" then
    options.fail("report.table: rows must be a list of tables, got %s", options.show(rows))
  end
  for i, row in ipairs(rows) do
    if type(row) ~= "table" then
      options.fail("report.table: row %d must be a table, got %s", i, options.show(row))
    end
  end
  local self = setmetatable({ rows = rows, columns = {} }, Table)
  for c, given in ipairs(columns or all_keys(rows)) do
    self.columns[c] = make_column(given, rows)
  end
  return self
end

return M
