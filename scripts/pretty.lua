--- Values as a person reads them: tables with sorted keys, cut at a depth, a length and a width.
local M = {}

local WIDTH, DEPTH, ITEMS = 80, 4, 100

--- Lua's reserved words, as a set.
M.KEYWORDS = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat "
  .. "return then true until while"):gmatch("%a+") do
  M.KEYWORDS[word] = true
end

---Whether a string can be written as a name, `t.name`.
---@param text any
---@return boolean
function M.is_name(text)
  return type(text) == "string" and text:find("^[%a_][%w_]*$") ~= nil and not M.KEYWORDS[text]
end

local ORDER = { number = 1, string = 2, boolean = 3 }

local function key_before(a, b)
  local kind_a, kind_b = ORDER[type(a)] or 9, ORDER[type(b)] or 9
  if kind_a ~= kind_b then
    return kind_a < kind_b
  elseif kind_a <= 2 then
    return a < b
  end
  return tostring(a) < tostring(b)
end

---The keys of a table, numbers first, then strings, each in order.
---@param t table
---@return any[]
function M.sorted_keys(t)
  local keys = {}
  for key in next, t do
    keys[#keys + 1] = key
  end
  table.sort(keys, key_before)
  return keys
end

local function quote(text)
  return (("%q"):format(text):gsub("\\\n", "\\n"))
end

local format_value

local function has_tostring(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and (rawget(meta, "__tostring") or rawget(meta, "__name")) ~= nil
end

local function key_text(key, state)
  if M.is_name(key) then
    return key .. " = "
  end
  return "[" .. format_value(key, state, DEPTH, "") .. "] = "
end

-- The parts of a table: a list of texts, and whether all of them are short enough for one line.
local function table_parts(t, state, depth, indent)
  local parts, count = {}, 0
  local length = rawlen(t)
  for i = 1, length do
    count = count + 1
    if count > ITEMS then
      break
    end
    parts[#parts + 1] = format_value(rawget(t, i), state, depth + 1, indent)
  end
  local keys, left = M.sorted_keys(t), 0
  for _, key in ipairs(keys) do
    local listed = math.type(key) == "integer" and key >= 1 and key <= length
    if not listed then
      count = count + 1
    end
    if count > ITEMS then
      left = #keys - ITEMS
      break
    elseif not listed then
      local text = key_text(key, state)
      parts[#parts + 1] = text .. format_value(rawget(t, key), state, depth + 1, indent)
    end
  end
  if count > ITEMS and left == 0 then
    left = #keys - ITEMS
  end
  if left > 0 then
    parts[#parts + 1] = ("... %d more"):format(left)
  end
  return parts
end

local function format_table(t, state, depth, indent)
  if state.inside[t] then
    return "{...} --[[ itself ]]"
  elseif next(t) == nil then
    return "{}"
  elseif depth >= DEPTH then
    return "{...}"
  end
  state.inside[t] = true
  local inner = indent .. "  "
  local parts = table_parts(t, state, depth, inner)
  state.inside[t] = nil
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if #line + #indent <= WIDTH and not line:find("\n", 1, true) then
    return line
  end
  -- Short items share lines; the rest stand alone.
  local lines, current = {}, inner
  for i, part in ipairs(parts) do
    local text = part .. (i < #parts and "," or "")
    local fits = #current + 1 + #text <= WIDTH and not text:find("\n", 1, true)
    local short = #part <= 14
    if current == inner then
      current = inner .. text
    elseif fits and short then
      current = current .. " " .. text
    else
      lines[#lines + 1] = current
      current = inner .. text
    end
    if not short or text:find("\n", 1, true) then
      lines[#lines + 1] = current
      current = inner
    end
  end
  if current ~= inner then
    lines[#lines + 1] = current
  end
  return "{\n" .. table.concat(lines, "\n") .. "\n" .. indent .. "}"
end

function format_value(value, state, depth, indent)
  local kind = type(value)
  if kind == "string" then
    return quote(value)
  elseif kind == "table" and not has_tostring(value) then
    return format_table(value, state, depth, indent)
  end
  local text = tostring(value)
  if text:find("\n", 1, true) then
    text = text:gsub("\n", "\n" .. indent)
  end
  return text
end

---A value as text: tables written out, strings quoted.
---@param value any
---@return string
function M.format(value)
  return format_value(value, { inside = {} }, 0, "")
end

return M
