--- A model as a table: layers, output shapes, parameters, multiply-adds and memory.
---
--- Rows are calls of layers in order, those a layer makes indented below it; what a layer that calls others
--- does by itself stands in its own row. Multiply-adds are those of products, convolutions and recurrences
--- for one row of the batch; memory is that of the outputs, for one row.
local bundle = require "bundle"

local M = {}

local BYTES = { float32 = 4, float64 = 8, int64 = 8 }

local function bytes_of(node)
  local count = 1
  for i, size in ipairs(node:shape()) do
    count = i == 1 and 1 or count * size
  end
  return node:is_view() and 0 or count * BYTES[node:dtype()]
end

--- What the table is made from: one row for each call of a layer in a trace of one row of data.
---@param current Trace
---@return table[]
function M.rows(current)
  local rows, parents = {}, {}
  for i, record in ipairs(current.layers) do
    local row = { name = record.name, layer = record.layer, depth = record.depth, shapes = {}, bytes = 0,
      cost = current.graph:cost(record.first, record.last) }
    for k, node in ipairs((bundle.list(record.output))) do
      row.shapes[k] = node:shape()
      row.bytes = row.bytes + (record.last >= record.first and bytes_of(node) or 0) -- else its input
    end
    rows[i], parents[record.depth] = row, row
    row.own_cost = row.cost
    local parent = parents[record.depth - 1]
    if record.depth > 0 and parent then
      parent.own_cost, parent.calls = parent.own_cost - row.cost, true
    end
  end
  return rows
end

local function grouped(number)
  local text = ("%d"):format(number):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end

local UNITS = { "B", "KiB", "MiB", "GiB" }

local function bytes_text(bytes)
  local unit = 1
  while bytes >= 1024 and unit < #UNITS do
    bytes, unit = bytes / 1024, unit + 1
  end
  return unit == 1 and ("%d B"):format(bytes) or ("%.1f %s"):format(bytes, UNITS[unit])
end

local function shape_text(shapes)
  local texts = {}
  for i, shape in ipairs(shapes) do
    texts[i] = "(N" .. (#shape > 1 and ", " or "") .. table.concat(shape, ", ", 2) .. ")"
  end
  return table.concat(texts, " ")
end

-- Trained, frozen and buffered numbers of a layer's own parameters.
local function counts_of(params)
  local counts = { trained = 0, frozen = 0, buffers = 0 }
  for _, param in pairs(params) do
    local kind = param.buffer and "buffers" or param.frozen and "frozen" or "trained"
    counts[kind] = counts[kind] + param.tensor:size()
  end
  return counts
end

local function params_text(counts, again)
  local own = counts.trained + counts.frozen
  if again and own > 0 then
    return "shared"
  end
  return own == 0 and "" or grouped(own) .. (counts.frozen > 0 and " frozen" or "")
end

local function cells_of(model)
  local rows, seen, total = { { "layer", "output", "parameters", "multiply-adds", "memory" } }, {}, 0
  local outer = #model.summary > 0 and model.summary[1].calls and 1 or 0
  local cost = 0
  for i, row in ipairs(model.summary) do
    local counts = counts_of(model.book.by_layer[row.layer] or {})
    local quiet = row.calls and counts.trained + counts.frozen == 0
    cost = cost + row.own_cost
    if not row.calls then
      total = total + row.bytes
    end
    if i > outer or not quiet or row.own_cost > 0 then
      rows[#rows + 1] = {
        ("  "):rep(math.max(row.depth - outer, 0)) .. row.name, shape_text(row.shapes),
        params_text(counts, seen[row.layer]), row.own_cost > 0 and grouped(row.own_cost) or "",
        not row.calls and row.bytes > 0 and bytes_text(row.bytes) or "",
      }
    end
    seen[row.layer] = true
  end
  return rows, cost, total
end

--- The table as text.
---@param model Layer
---@return string
function M.text(model)
  if not model.book then
    return ("nn.%s (not built yet)"):format(model.kind)
  end
  local rows, cost, memory = cells_of(model)
  local widths = { 0, 0, 0, 0, 0 }
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i], #cell)
    end
  end
  local format = ("%%-%ds  %%-%ds  %%%ds  %%%ds  %%%ds"):format(table.unpack(widths))
  local lines = {}
  for _, row in ipairs(rows) do
    lines[#lines + 1] = format:format(table.unpack(row)):gsub("%s+$", "")
  end
  local counts = counts_of(model.book.params)
  local own = counts.trained + counts.frozen
  lines[#lines + 1] = ("%s parameters, %s%s%s"):format(grouped(own), model.book.dtype,
    counts.frozen > 0 and (", %s of them frozen"):format(grouped(counts.frozen)) or "",
    counts.buffers > 0 and (", and %s numbers of state"):format(grouped(counts.buffers)) or "")
  lines[#lines + 1] = ("for each row: %s multiply-adds forwards, %s of outputs"):format(grouped(cost),
    bytes_text(memory))
  return table.concat(lines, "\n")
end

return M
