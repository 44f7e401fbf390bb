--- Options tables: check them, fill in defaults, and say what is wrong where the user wrote it.
local M = {}

--- The script's position, for messages: the first stack frame outside the embedded library.
---@return string where "file:line", or "" when there is none
function M.where()
  local level = 2
  while true do
    local frame = debug.getinfo(level, "Sl")
    if not frame then
      return ""
    end
    if frame.currentline > 0 and frame.short_src:sub(1, 7) ~= "[nnrun]" then
      return ("%s:%d"):format(frame.short_src, frame.currentline)
    end
    level = level + 1
  end
end

--- Raise an error that begins with the script's position.
---@param format string as for string.format
---@param ... any
function M.fail(format, ...)
  local where = M.where()
  local message = select("#", ...) > 0 and format:format(...) or format
  error(where == "" and message or where .. ": " .. message, 0)
end

--- Number of single-letter edits between two words (Levenshtein, with swaps of neighbours as one).
---@param a string
---@param b string
---@return integer
function M.distance(a, b)
  local before, previous, current = {}, {}, {}
  for j = 0, #b do
    previous[j] = j
  end
  for i = 1, #a do
    current[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, before[j - 2] + 1)
      end
      current[j] = best
    end
    before, previous, current = previous, current, before
  end
  return previous[#b]
end

--- The known name nearest to a mistyped one.
---@param word string
---@param names string[] known names
---@return string? name nil when nothing is near enough to suggest
function M.nearest(word, names)
  local best, best_distance
  local lower = word:lower()
  for _, name in ipairs(names) do
    local distance = M.distance(lower, name:lower())
    if not best or distance < best_distance or (distance == best_distance and name < best) then
      best, best_distance = name, distance
    end
  end
  local limit = math.max(1, #word // 3)
  if best and best_distance <= limit then
    return best
  end
  for _, name in ipairs(names) do
    if #word >= 3 and (name:find(word, 1, true) == 1 or word:find(name, 1, true) == 1) then
      return name
    end
  end
  return nil
end

--- The end of a message about a name that is not known: the nearest one that is.
---@param word any what was given; only of a string something is near
---@param names string[] known names
---@param otherwise? string what to say when none is near; default nothing
---@return string
function M.suggestion(word, names, otherwise)
  local near = type(word) == "string" and M.nearest(word, names)
  return near and (" (did you mean '%s'?)"):format(near) or otherwise or ""
end

--- The keys of a table as sorted strings.
---@param t table
---@return string[]
function M.keys(t)
  local keys = {}
  for key in pairs(t) do
    keys[#keys + 1] = tostring(key)
  end
  table.sort(keys)
  return keys
end

--- A value as messages show it: strings quoted and cut, tables by type.
---@param value any
---@return string
function M.show(value)
  local kind = type(value)
  if kind == "string" then
    if #value > 40 then
      value = value:sub(1, 37) .. "..."
    end
    return (("%q"):format(value):gsub("\\\n", "\\n"))
  elseif kind == "number" or kind == "boolean" or kind == "nil" then
    return tostring(value)
  end
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return "a " .. (type(name) == "string" and name or kind)
end

--- A value as one writes it in Lua; what can be printed, as it prints itself.
---@param value any
---@return string
function M.literal(value)
  if type(value) == "number" then
    return ("%.14g"):format(value)
  elseif type(value) == "string" then
    return ("%q"):format(value)
  elseif type(value) ~= "table" or getmetatable(value) then
    return tostring(value)
  end
  local parts = {}
  for _, entry in ipairs(value) do
    parts[#parts + 1] = M.literal(entry)
  end
  for _, key in ipairs(M.keys(value)) do
    if value[key] ~= nil then
      parts[#parts + 1] = key .. " = " .. M.literal(value[key])
    end
  end
  return #parts > 0 and "{ " .. table.concat(parts, ", ") .. " }" or "{}"
end

-- Whether a value is of one of the types in "number|string"; "integer" takes 3.0 too, "positive"
-- etc. are fields of the row, not types.
local function has_type(value, types)
  for kind in types:gmatch("[^|]+") do
    if kind == "any" or type(value) == kind then
      return true
    elseif kind == "integer" and type(value) == "number" and math.tointeger(value) then
      return true
    elseif kind == "callable" then
      local meta = getmetatable(value)
      if type(value) == "function" or type(meta) == "table" and meta.__call then
        return true
      end
    elseif kind == "tensor" and type(value) == "userdata" then
      local meta = getmetatable(value)
      if type(meta) == "table" and meta.__name == "nnrun.tensor" then
        return true
      end
    end
  end
  return false
end

local function join_words(words, last)
  if #words < 2 then
    return words[1] or "nothing"
  end
  return table.concat(words, ", ", 1, #words - 1) .. " " .. last .. " " .. words[#words]
end

--- What is wrong with a value given for a row of a spec (see check), or nil.
---@param value any
---@param row table
---@return string? complaint "must be at least 1, got 0"
function M.problem(value, row)
  if row.type and not has_type(value, row.type) then
    local wanted = {}
    for kind in row.type:gmatch("[^|]+") do
      wanted[#wanted + 1] = kind == "integer" and "whole number" or kind
    end
    return ("must be a %s, got %s"):format(join_words(wanted, "or"), M.show(value))
  end
  if type(value) == "number" then
    if value ~= value then
      return "is not a number (NaN)"
    elseif row.min and value < row.min then
      return ("must be at least %s, got %s"):format(row.min, value)
    elseif row.max and value > row.max then
      return ("must be at most %s, got %s"):format(row.max, value)
    elseif row.above and value <= row.above then
      return ("must be greater than %s, got %s"):format(row.above, value)
    elseif row.below and value >= row.below then
      return ("must be less than %s, got %s"):format(row.below, value)
    end
  end
  if row.choices and type(value) == "string" then
    for _, choice in ipairs(row.choices) do
      if choice == value then
        return nil
      end
    end
    local near = M.nearest(value, row.choices)
    local shown = {}
    for i, choice in ipairs(row.choices) do
      shown[i] = M.show(choice)
    end
    return ("is %s; it can be %s%s"):format(
      M.show(value), join_words(shown, "or"),
      near and (" (did you mean %s?)"):format(M.show(near)) or "")
  end
  return row.check and row.check(value)
end

--- Check the arguments of a constructor: values by position are options of these names, tables hold
--- options by name.
---@param names string[]
---@param spec table<string, table> as check takes it
---@param where string what the options belong to
---@param ... any the arguments
---@return table options a new table
function M.arguments(names, spec, where, ...)
  local given, position = {}, 0
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if type(value) == "table" and getmetatable(value) == nil then
      for key, entry in pairs(value) do
        given[key] = entry
      end
    else
      position = position + 1
      if value ~= nil and not names[position] then
        M.fail("%s: too many arguments", where)
      elseif value ~= nil then
        given[names[position]] = value
      end
    end
  end
  return M.check(given, spec, where)
end

--- Check an options table and fill in its defaults.
---
--- A row of `spec` may hold: `type` (Lua type names, "integer", "callable", "tensor", "any", several
--- joined by "|"), `default`, `required`, `min`, `max` (inclusive), `above`, `below` (exclusive),
--- `choices` (list of strings), `check` (function that returns a complaint, "must be ...", or nil)
--- and `help`. Positional entries (1, 2, ...) are copied when `spec[1]` is a row, and refused
--- otherwise. An error begins with the script's file and line.
---@param given table? what the user wrote; nil is an empty table
---@param spec table<string|integer, table> name -> row
---@param where string what the options belong to, e.g. "fit" or "nn.Adam"
---@return table options a new table
function M.check(given, spec, where)
  if given == nil then
    given = {}
  elseif type(given) ~= "table" then
    M.fail("%s: options must be a table, got %s", where, M.show(given))
  end
  local result = {}
  for _, key in ipairs(M.keys(given)) do
    if given[key] == nil then -- not a string key
      if not spec[1] then
        M.fail("%s: unexpected value without a name, %s", where, M.show(given[1] or given[tonumber(key)]))
      end
    elseif not spec[key] then
      M.fail("%s: unknown option '%s'%s", where, key,
        M.suggestion(key, M.keys(spec), "; the options are " .. join_words(M.keys(spec), "and")))
    end
  end
  for i, value in ipairs(given) do
    result[i] = value
  end
  for _, key in ipairs(M.keys(spec)) do
    local row = spec[key]
    local value = given[key]
    if row and value == nil then
      value = row.default
      if row.required then
        M.fail("%s: option '%s' is missing%s", where, key, row.help and " (" .. row.help .. ")" or "")
      end
    elseif row then
      local problem = M.problem(value, row)
      if problem then
        M.fail("%s: option '%s' %s", where, key, problem)
      end
    end
    if row then
      result[key] = value
    end
  end
  return result
end

return M
