--- JSON in one canonical form: keys sorted, no spaces, every number read back as it was. Equal values
--- give equal text, so configurations can be compared and hashed as text.
local M = {}

local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t",
}

local function escape(char)
  return ESCAPES[char] or ("\\u%04x"):format(char:byte())
end

local function encode_string(text)
  return '"' .. text:gsub('[%c"\\\127]', escape) .. '"'
end

-- A float always shows that it is one; NaN and infinities, which JSON lacks, become strings.
local function encode_number(value)
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif value ~= value then
    return '"NaN"'
  elseif value == math.huge or value == -math.huge then
    return value > 0 and '"Infinity"' or '"-Infinity"'
  end
  for digits = 15, 17 do
    local text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then
      return text:find("[.e]") and text or text .. ".0"
    end
  end
end

local encode

local function encode_table(value, depth)
  if depth > 50 then
    error("a table nested too deep for JSON (does it contain itself?)", 0)
  end
  local parts, count = {}, 0
  for _ in pairs(value) do
    count = count + 1
  end
  if count == #value and count > 0 then
    for i = 1, count do
      parts[i] = encode(value[i], depth + 1)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local keys = {}
  for key in pairs(value) do
    if type(key) ~= "string" then
      error("a table with both a list and names, or with other keys, has no JSON form", 0)
    end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    parts[i] = encode_string(key) .. ":" .. encode(value[key], depth + 1)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

encode = function(value, depth)
  local kind = type(value)
  if kind == "string" then
    return encode_string(value)
  elseif kind == "number" then
    return encode_number(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind == "nil" then
    return "null"
  elseif kind == "table" then
    return encode_table(value, depth)
  end
  error(("a %s has no JSON form"):format(kind), 0)
end

--- Canonical text of nil, booleans, numbers, strings, lists, and tables with string keys.
--- An empty table is an empty object. Raises an error for anything else.
---@param value any
---@return string
function M.encode(value)
  return encode(value, 0)
end

local decode

local function fail(text, at, wanted)
  local line = select(2, text:sub(1, at):gsub("\n", "\n")) + 1
  error(("JSON, line %d: expected %s at '%s'"):format(line, wanted, text:sub(at, at + 15)), 0)
end

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local UNESCAPES = {
  b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/",
}

local function decode_string(text, at)
  local parts = {}
  local from = at + 1
  while true do
    local stop = text:find('["\\]', from)
    if not stop then
      fail(text, at, "a closed string")
    end
    parts[#parts + 1] = text:sub(from, stop - 1)
    if text:sub(stop, stop) == '"' then
      return table.concat(parts), stop + 1
    end
    local letter = text:sub(stop + 1, stop + 1)
    from = stop + 2
    if letter == "u" then
      local code = tonumber(text:match("^%x%x%x%x", from), 16) or fail(text, from, "four hex digits")
      from = from + 4
      local low = text:match("^\\u(%x%x%x%x)", from)
      if code >= 0xD800 and code < 0xDC00 and low then
        code = 0x10000 + (code - 0xD800) * 0x400 + (tonumber(low, 16) - 0xDC00)
        from = from + 6
      end
      parts[#parts + 1] = utf8.char(code)
    else
      parts[#parts + 1] = UNESCAPES[letter] or fail(text, stop, "an escape")
    end
  end
end

local function decode_list(text, at)
  local list = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "]" then
    return list, at + 1
  end
  while true do
    list[#list + 1], at = decode(text, at)
    at = skip(text, at)
    local mark = text:sub(at, at)
    if mark == "]" then
      return list, at + 1
    elseif mark ~= "," then
      fail(text, at, "',' or ']'")
    end
    at = at + 1
  end
end

local function decode_object(text, at)
  local object = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then
    return object, at + 1
  end
  while true do
    at = skip(text, at)
    if text:sub(at, at) ~= '"' then
      fail(text, at, "a name in quotes")
    end
    local key
    key, at = decode_string(text, at)
    at = skip(text, at)
    if text:sub(at, at) ~= ":" then
      fail(text, at, "':'")
    end
    object[key], at = decode(text, at + 1)
    at = skip(text, at)
    local mark = text:sub(at, at)
    if mark == "}" then
      return object, at + 1
    elseif mark ~= "," then
      fail(text, at, "',' or '}'")
    end
    at = at + 1
  end
end

local WORDS = { { "true", true }, { "false", false }, { "null", nil } }

decode = function(text, at)
  at = skip(text, at)
  local first = text:sub(at, at)
  if first == "{" then
    return decode_object(text, at)
  elseif first == "[" then
    return decode_list(text, at)
  elseif first == '"' then
    return decode_string(text, at)
  end
  for _, word in ipairs(WORDS) do
    if text:sub(at, at + #word[1] - 1) == word[1] then
      return word[2], at + #word[1]
    end
  end
  local number = text:match("^-?%d[%d.eE+-]*", at)
  local value = number and tonumber(number)
  if not value then
    fail(text, at, "a value")
  end
  return value, at + #number
end

--- The value of a JSON text. Numbers without point or exponent become integers; null becomes nil.
---@param text string
---@return any
function M.decode(text)
  local value, at = decode(text, 1)
  if skip(text, at) <= #text then
    fail(text, skip(text, at), "the end")
  end
  return value
end

return M
