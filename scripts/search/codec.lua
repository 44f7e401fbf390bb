--- A space as columns of numbers, for samplers that calculate: each parameter that varies is a column,
--- those of branches and the entries of lists, too, and a configuration is a row of places in [0, 1]
--- with false where a column is not active. Columns come after those that decide about them.
local M = {}

local Codec = { __name = "search.codec" }
Codec.__index = Codec

local ORDERED = { float = true, int = true, ordered = true }

-- Items are leaves of the space: {name, index or "length" in a list, domain, column (nil: fixed),
-- parent, from, to: the column and its cells that make it active}.
local function add(codec, item, when)
  item.parent, item.from, item.to = when.parent, when.from, when.to
  codec.items[#codec.items + 1] = item
  if item.domain.kind ~= "fixed" then
    codec.columns[#codec.columns + 1] = {
      cells = item.domain:cells(), ordered = ORDERED[item.domain.kind] or false, parent = when.parent,
      from = when.from, to = when.to, key = item.key,
    }
    item.column = #codec.columns
  end
  return item
end

local visit

local function visit_list(codec, name, path, domain, when)
  local length = add(codec, { name = name, part = "length", domain = domain.length,
    key = path .. ".length" }, when)
  local low, high = domain.length.low, domain.length.high
  for i = 1, high do
    add(codec, { name = name, part = i, domain = domain.item, key = path .. "." .. i },
      { parent = length.column, from = math.max(i - low + 1, 1), to = high - low + 1 })
  end
end

visit = function(codec, space, prefix, when)
  for _, name in ipairs(space.names) do
    local domain, path = space.domains[name], prefix .. name
    if domain.kind == "list" then
      visit_list(codec, name, path, domain, when)
    else
      local item = add(codec, { name = name, domain = domain, key = path }, when)
      for i, value in ipairs(domain.values or {}) do
        local branch = domain.branches and domain.branches[value]
        if branch then
          visit(codec, branch, ("%s.%s."):format(path, value),
            { parent = item.column, from = i, to = i })
        end
      end
    end
  end
end

--- The columns of a space.
---@param space table
---@return table codec with `columns`, each {cells, ordered, parent, from, to, key}
function M.new(space)
  local codec = setmetatable({ items = {}, columns = {} }, Codec)
  visit(codec, space, "", {})
  return codec
end

--- The cell (from 1) of a place in a column with cells.
---@param column integer
---@param place number
function Codec:cell(column, place)
  local cells = self.columns[column].cells
  return math.min(math.floor(place * cells) + 1, cells)
end

--- Whether a column (or item) has a place in a row, by the columns before it.
function Codec:active(column, row)
  local parent = column.parent
  if not parent then
    return true
  elseif not row[parent] then
    return false
  end
  local cell = self:cell(parent, row[parent])
  return cell >= column.from and cell <= column.to
end

--- A row with nothing where no column is active, and the middle of its cell where a column has cells.
---@param genes number[] a place for every column
---@return (number|false)[] row
function Codec:row(genes)
  local row = {}
  for c, column in ipairs(self.columns) do
    if not self:active(column, row) then
      row[c] = false
    elseif column.cells > 0 then
      row[c] = (self:cell(c, genes[c]) - 0.5) / column.cells
    else
      row[c] = genes[c]
    end
  end
  return row
end

--- The configuration of a row.
---@param row (number|false)[]
---@return table<string, any> params
function Codec:decode(row)
  local params = {}
  for _, item in ipairs(self.items) do
    if self:active(item, row) then
      local value = item.domain:at(item.column and math.min(row[item.column], 1 - 0x1p-53) or 0)
      if item.part == "length" then
        params[item.name] = {}
      elseif item.part then
        params[item.name][item.part] = value
      else
        params[item.name] = value
      end
    end
  end
  return params
end

--- The row of a configuration: places of the values, false where nothing is or does not fit.
---@param params table<string, any>
---@return (number|false)[] row
function Codec:encode(params)
  local row = {}
  for _, item in ipairs(self.items) do
    if item.column then
      local value = params[item.name]
      if item.part and type(value) == "table" then
        value = item.part == "length" and #value or value[item.part]
      end
      row[item.column] = self:active(item, row) and value ~= nil and item.domain:place(value) or false
    end
  end
  return row
end

return M
