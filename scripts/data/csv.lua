--- data.csv: from a table of numbers, words and gaps to a data set.
local core = require "core.data"
local options = require "options"
local sets = require "data.set"

local POLICIES = { "error", "drop", "mean", "median", "mode", "category", "keep" }

local CSV = {
  target = { type = "string|integer|boolean|table",
    help = "column to predict, by name or number (-1: last); a list for several; false: none" },
  task = { type = "string", choices = { "auto", "classes", "regression" }, default = "auto",
    help = "what the target is" },
  missing = { type = "string|number|table", default = "error", help = "what to do about missing cells" },
  na = { type = "table", help = "cells that mean missing, besides the empty one" },
  header = { type = "boolean", help = "whether the first row holds names; default: found out" },
  separator = { type = "string", help = "default: found out among comma, semicolon, tab and |",
    check = function(value) return #value ~= 1 and "must be a single character" or nil end },
  skip = { type = "integer", default = 0, min = 0, help = "lines to leave out at the beginning" },
  types = { type = "table", help = "column -> \"text\" or \"number\"" },
  columns = { type = "table", help = "columns to use as inputs; default: all but the target" },
  drop = { type = "table", help = "columns to leave out" },
  classes = { type = "table", help = "names of the classes, in order" },
  max_categories = { type = "integer", default = 100, min = 1, help = "most distinct words of an input column" },
  dtype = { type = "string", choices = { "float32", "float64" }, default = "float32", help = "of x" },
  name = { type = "string", help = "for messages and reports; default the file's name" },
}

---@class CsvReader what the steps of reading share
---@field path string
---@field o table options
---@field table userdata
---@field columns table[]

-- A column's number from its name or number; negative numbers count from the end.
local function resolve(reader, key, what)
  local count = #reader.columns
  local index = math.tointeger(key)
  if index and index < 0 then
    index = count + 1 + index
  end
  if index and index >= 1 and index <= count then
    return index
  end
  local names = {}
  for i, column in ipairs(reader.columns) do
    if column.name == key then
      return i
    end
    names[i] = column.name
  end
  local near = type(key) == "string" and options.nearest(key, names)
  local listed = table.concat(names, ", ", 1, math.min(#names, 20)) .. (#names > 20 and ", ..." or "")
  options.fail("data.csv: %s: there is no column %s (%s)%s; the columns are %s", reader.path, options.show(key),
    what, near and (", did you mean '%s'?"):format(near) or "", listed)
end

local function resolve_all(reader, keys, what)
  local found, list = {}, {}
  for _, key in ipairs(keys or {}) do
    local index = resolve(reader, key, what)
    found[index] = true
    list[#list + 1] = index
  end
  return found, list
end

local function type_list(types)
  local list = {}
  for key, kind in pairs(types or {}) do
    if kind ~= "text" and kind ~= "number" then
      options.fail("data.csv: types: column %s must be \"text\" or \"number\", got %s", options.show(key),
        options.show(kind))
    end
    list[#list + 1] = { key, kind }
  end
  table.sort(list, function(a, b) return tostring(a[1]) < tostring(b[1]) end)
  return list
end

-- What to do about missing cells of a column.
local function policy_of(reader, index)
  local missing = reader.o.missing
  if type(missing) == "table" then
    missing = reader.policies[index] or "error"
  end
  return missing
end

local function check_policies(reader)
  local given = type(reader.o.missing) == "table" and reader.o.missing or { reader.o.missing }
  reader.policies = {}
  for _, key in ipairs(options.keys(given)) do
    local policy = given[key] or given[tonumber(key)]
    local known = type(policy) == "number"
    for _, name in ipairs(POLICIES) do
      known = known or policy == name
    end
    if not known then
      options.fail("data.csv: missing = %s; it can be a number, or one of %s", options.show(policy),
        table.concat(POLICIES, ", "))
    end
    if given == reader.o.missing then
      reader.policies[resolve(reader, given[key] and key or tonumber(key), "option missing")] = policy
    end
  end
end

local function fail_missing(reader, index, advice)
  local column = reader.columns[index]
  options.fail("data.csv: %s:%d:%d: a cell of column '%s' is missing, as %d of its %d are; %s", reader.path,
    column.missing_line, column.missing_at, column.name, column.missing, reader.table:rows(), advice)
end

-- Leave out rows in which a column with the policy "drop" is missing.
local function drop_rows(reader, used)
  local list = {}
  for index in ipairs(reader.columns) do
    if used[index] and policy_of(reader, index) == "drop" and reader.columns[index].missing > 0 then
      list[#list + 1] = index
    end
  end
  if #list == 0 then
    return
  end
  reader.table:drop(list)
  reader.columns = reader.table:columns()
  if reader.table:rows() == 0 then
    options.fail("data.csv: %s: every row has a missing cell, so none is left to use", reader.path)
  end
end

local NO_POLICY = 'set missing = "drop", "mean", "median", "mode", "category" (words), "keep" or a number, '
  .. "or a table of these by column"

-- Numbers and booleans: the cell itself, and what stands in for a missing one.
local function number_field(reader, index, fields, names)
  local column, policy = reader.columns[index], policy_of(reader, index)
  local fill = type(policy) == "number" and policy or 0 / 0
  if column.missing > 0 then
    if policy == "error" then
      fail_missing(reader, index, NO_POLICY)
    elseif policy == "category" then
      fail_missing(reader, index, 'missing = "category" is for words; this column holds numbers')
    elseif policy ~= "keep" and type(policy) ~= "number" then
      fill = reader.table:summary(index)[policy]
      if fill ~= fill then
        fail_missing(reader, index, "it has no value to take the " .. policy .. " of; leave it out with drop")
      end
    end
  end
  fields[#fields + 1] = { index, -1, fill }
  names[#names + 1] = column.name
end

-- Words: one column for each, with a 1 where the cell is that word.
local function text_fields(reader, index, fields, names)
  local column, policy = reader.columns[index], policy_of(reader, index)
  if #column.texts > reader.o.max_categories then
    options.fail("data.csv: %s: column '%s' has %d different words, more than max_categories = %d; "
      .. "leave it out with drop = {\"%s\"}, or raise the limit", reader.path, column.name, #column.texts,
      reader.o.max_categories, column.name)
  elseif column.missing > 0 and policy == "error" then
    fail_missing(reader, index, NO_POLICY)
  elseif column.missing > 0 and type(policy) == "number" then
    fail_missing(reader, index, 'a number cannot stand in for a word; use "mode", "category" or "drop"')
  end
  local by_word = policy == "mean" or policy == "median" or policy == "mode"
  local mode = by_word and reader.table:summary(index).mode
  for i, word in ipairs(column.texts) do
    local fill = policy == "keep" and 0 / 0 or mode == i - 1 and 1 or 0
    fields[#fields + 1] = { index, i - 1, fill }
    names[#names + 1] = column.name .. "=" .. word
  end
  if policy == "category" and column.missing > 0 then
    fields[#fields + 1] = { index, #column.texts, 1 } -- a code no cell has, so only missing ones are 1
    names[#names + 1] = column.name .. "=missing"
  end
end

local function read_inputs(reader, inputs)
  local fields, names = {}, {}
  for index, column in ipairs(reader.columns) do
    if inputs[index] then
      local add = column.kind == "text" and text_fields or number_field
      add(reader, index, fields, names)
    end
  end
  if #fields == 0 then
    options.fail("data.csv: %s: no column is left as input", reader.path)
  end
  return reader.table:matrix(fields, reader.o.dtype), names
end

-- ---- target ----

local function format_number(value)
  return math.tointeger(value) and ("%d"):format(value) or ("%.17g"):format(value)
end

-- Labels renumbered to the order in which the user lists the classes.
local function order_classes(reader, y, names, wanted)
  local places = {}
  for place, name in ipairs(wanted) do
    places[tostring(name)] = place - 1
  end
  local labels = {}
  for i, name in ipairs(names) do
    if not places[name] then
      options.fail("data.csv: %s: class '%s' of the target is not in classes", reader.path, name)
    end
    labels[i] = places[name]
  end
  local list = y:totable()
  for i, label in ipairs(list) do
    list[i] = labels[label + 1]
  end
  return core.tensor(list, "int64"), wanted
end

-- Numbers 0, 1, ... without a gap are labels already; other numbers count as classes only on request.
local function is_class_column(reader, index)
  local column, task = reader.columns[index], reader.o.task
  if column.kind == "text" or column.kind == "boolean" then
    if task == "regression" then
      options.fail("data.csv: %s: the target '%s' holds words, which regression cannot predict", reader.path,
        column.name)
    end
    return true
  elseif task ~= "auto" then
    return task == "classes"
  end
  local summary = reader.table:summary(index)
  return column.kind == "integer" and summary.distinct >= 2 and summary.min == 0
    and summary.max == summary.distinct - 1
end

local function read_labels(reader, index)
  local column, wanted = reader.columns[index], reader.o.classes
  local y, count, values = reader.table:labels(index)
  if not y then
    options.fail("data.csv: %s: %s", reader.path, count)
  end
  if column.kind ~= "text" and column.kind ~= "boolean" and wanted and #wanted >= count
    and values[1] == 0 and values[count] == count - 1 then
    return y, wanted -- labels 0, 1, ... get these names in turn
  end
  local names = column.texts or column.kind == "boolean" and { "False", "True" } or {}
  for i, value in ipairs(values or {}) do
    names[i] = format_number(value)
  end
  if wanted then
    return order_classes(reader, y, names, wanted)
  end
  return y, names
end

local function read_target(reader, list)
  if #list == 0 then
    return nil
  end
  local fields, classes = {}, 0
  for i, index in ipairs(list) do
    local column = reader.columns[index]
    if column.missing > 0 then
      fail_missing(reader, index, 'it is the target; set missing = "drop" to leave such rows out')
    end
    fields[i] = { index, -1, 0 }
    classes = classes + (is_class_column(reader, index) and 1 or 0)
  end
  if #list == 1 and classes == 1 then
    return read_labels(reader, list[1])
  elseif #list > 1 and reader.o.task == "classes" then
    options.fail("data.csv: %s: one target column is needed for classes, not %d", reader.path, #list)
  end
  return reader.table:matrix(fields, reader.o.dtype)
end

local function target_list(reader)
  local target = reader.o.target
  if target == nil or target == true then
    local last = reader.columns[#reader.columns].name
    options.fail('data.csv: %s: say which column is the target: target = "%s", target = -1 for the last, or '
      .. "target = false for none", reader.path, last)
  elseif target == false then
    return {}, {}
  end
  return resolve_all(reader, type(target) == "table" and target or { target }, "option target")
end

--- Read a table from a CSV file, plain or gzip, into a data set.
---
--- Columns of numbers are taken as they are, booleans as 0 and 1, and columns of words become one
--- column for each word (`sex=male`). The target is read as class labels when it holds words,
--- booleans or the numbers 0, 1, ... without a gap, and as numbers (N, 1) otherwise. An error names
--- the file, line and column of the cell.
---
--- Missing cells (empty, `?`, `NA`, `NaN`, `null`, or those in `na`) are an error unless `missing`
--- says what to do: "drop" the row, put the "mean", "median" or "mode" (the most frequent value; for
--- words always this one) or a number in their place, give words a "category" of their own, or "keep"
--- them as NaN for a data.scaler.imputer. The mean is that of the whole file: to learn it from the
--- training part alone, keep and impute after splitting.
---@param path string
---@param given table
---@options CSV
---@return data.Set
local function csv(path, given)
  if type(path) ~= "string" then
    options.fail("data.csv: expected the path of a file, got %s", options.show(path))
  end
  local o = options.check(given, CSV, "data.csv")
  local read, message = core.read_csv(path, {
    header = o.header, separator = o.separator, skip = o.skip, missing = o.na, types = type_list(o.types),
  })
  if not read then
    options.fail("data.csv: %s", message)
  end
  local reader = { path = path, o = o, table = read, columns = read:columns() }
  check_policies(reader)
  local is_target, targets = target_list(reader)
  local dropped = resolve_all(reader, o.drop, "option drop")
  local chosen = o.columns and resolve_all(reader, o.columns, "option columns")
  local inputs, used = {}, {}
  for index in ipairs(reader.columns) do
    inputs[index] = not is_target[index] and not dropped[index] and (not chosen or chosen[index]) or nil
    used[index] = inputs[index] or is_target[index]
  end
  drop_rows(reader, used)
  local x, names = read_inputs(reader, inputs)
  local y, classes = read_target(reader, targets)
  local keeps = false
  for index in ipairs(reader.columns) do
    keeps = keeps or inputs[index] and policy_of(reader, index) == "keep"
  end
  return sets.new {
    x = x, y = y, classes = classes, columns = names, missing = keeps and "keep" or nil,
    name = o.name or path:match("([^/]+)$"),
  }
end

return csv
