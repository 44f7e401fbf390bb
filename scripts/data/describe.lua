--- Data sets described in words and tables.
local bundle = require "bundle"
local core = require "core.data"
local table_module = require "report.table"

local MOST = 30 -- lines for columns or classes

local function summary_rows(set, part, key)
  local stats = core.stats(part):totable()
  local rows = {}
  for i, mean in ipairs(stats[1]) do
    rows[i] = {
      column = key ~= "" and ("%s %d"):format(bundle.name("x", key), i) or set.columns and set.columns[i]
        or ("x%d"):format(i),
      min = stats[3][i], mean = mean, max = stats[4][i], std = stats[2][i],
      missing = math.tointeger(stats[5][i]),
    }
  end
  return rows
end

-- Pictures and other wide inputs: one line for all columns.
local function pooled(rows, key)
  local all = { min = math.huge, max = -math.huge, mean = 0, std = 0, missing = 0 }
  all.column = ("all %d columns%s"):format(#rows, key ~= "" and " of " .. bundle.name("x", key) or "")
  for _, row in ipairs(rows) do
    all.min, all.max = math.min(all.min, row.min), math.max(all.max, row.max)
    all.mean = all.mean + row.mean / #rows
    all.missing = all.missing + row.missing
  end
  for _, row in ipairs(rows) do
    all.std = all.std + (row.std ^ 2 + (row.mean - all.mean) ^ 2) / #rows
  end
  all.std = all.std ^ 0.5
  return { all }
end

local function table_text(rows, columns)
  return "\n" .. table_module.new(rows, columns):text()
end

local function class_text(set)
  local counts = core.count_labels(set.y, set:class_count())
  local rows = {}
  for i, count in ipairs(counts) do
    if i <= MOST then
      rows[i] = {
        class = set.classes and set.classes[i] or tostring(i - 1), rows = count,
        share = ("%.1f %%"):format(100 * count / #set),
      }
    end
  end
  local text = table_text(rows, { "class", "rows", { key = "share", align = "right" } })
  return #counts > MOST and ("%sand %d more classes\n"):format(text, #counts - MOST) or text
end

--- What set:describe() prints, as text.
---@param set data.Set
---@return string
local function describe(set)
  local parts = { tostring(set) .. "\n" }
  if #set == 0 then
    return parts[1]
  end
  local rows = {}
  for _, key in ipairs(bundle.keys(set.x)) do
    local part = summary_rows(set, bundle.at(set.x, key), key)
    part = #part > MOST and pooled(part, key) or part
    table.move(part, 1, #part, #rows + 1, rows)
  end
  parts[2] = table_text(rows, { "column", "min", "mean", "max", "std", "missing" })
  if set:class_count() then
    parts[3] = class_text(set)
  else
    bundle.map(set.y, function(part, key)
      local stats = core.stats(part):totable()
      parts[#parts + 1] = ("\ntarget%s: min %.6g, mean %.6g, max %.6g\n"):format(
        key == "" and "" or " " .. tostring(key), stats[3][1], stats[1][1], stats[4][1])
    end)
  end
  return table.concat(parts)
end

return describe
