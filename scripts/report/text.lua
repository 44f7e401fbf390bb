--- Words and numbers as reports show them: widths in columns, digits that mean something.
local M = {}

--- Replaces control characters but tabs and ends of lines with spaces, and bytes that are no UTF-8 with "?".
---@param text any converted with tostring
---@return string
function M.lines(text)
  text = tostring(text):gsub("[^%C\n\t]", " ")
  while true do
    local length, bad = utf8.len(text)
    if length then
      return (text:gsub("\xC2[\x80-\x9F]", " ")) -- C1 controls are valid UTF-8
    end
    text = text:sub(1, bad - 1) .. "?" .. text:sub(bad + 1)
  end
end

--- The same on one line, so that text can go into a table, a plot script or a page.
---@param text any converted with tostring
---@return string
function M.clean(text)
  return (M.lines(text):gsub("[\n\t]", " "):gsub("\u{2028}", " "):gsub("\u{2029}", " "))
end

-- Columns of one character: 0 for combining marks, 2 for East Asian wide ranges and emoji.
local function columns(code)
  if code >= 0x300 and code <= 0x36F or code >= 0x200B and code <= 0x200F or code == 0xFEFF
    or code >= 0xFE00 and code <= 0xFE0F then
    return 0
  elseif code >= 0x1100 and (code <= 0x115F or code >= 0x2E80 and code <= 0xA4CF
    or code >= 0xAC00 and code <= 0xD7A3 or code >= 0xF900 and code <= 0xFAFF
    or code >= 0xFE30 and code <= 0xFE6F or code >= 0xFF00 and code <= 0xFF60
    or code >= 0xFFE0 and code <= 0xFFE6 or code >= 0x1F300 and code <= 0x1FAFF
    or code >= 0x20000 and code <= 0x3FFFD) then
    return 2
  end
  return 1
end

--- Width of a text in terminal columns.
---@param text string UTF-8
---@return integer
function M.width(text)
  if not utf8.len(text) then
    return #text
  end
  local width = 0
  for _, code in utf8.codes(text) do
    width = width + columns(code)
  end
  return width
end

--- Cuts a text to at most `width` columns; what was cut leaves an ellipsis.
---@param text string
---@param width integer
---@return string
function M.cut(text, width)
  if M.width(text) <= width then
    return text
  end
  local used, stop = 0, 0
  for place, code in utf8.codes(M.clean(text)) do
    used = used + columns(code)
    if used > width - 1 then
      stop = place - 1
      break
    end
  end
  return width > 0 and text:sub(1, stop) .. "…" or ""
end

--- Breaks a text into lines of at most `width` columns, at spaces.
---@param text string
---@param width integer
---@return string
function M.wrap(text, width)
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if line ~= "" and M.width(line) + 1 + M.width(word) > width then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

--- Pads a text with spaces to `width` columns.
---@param text string
---@param width integer
---@param align string? "left" (default), "right" or "center"
---@return string
function M.pad(text, width, align)
  local missing = math.max(0, width - M.width(text))
  local before = align == "right" and missing or align == "center" and missing // 2 or 0
  return (" "):rep(before) .. text .. (" "):rep(missing - before)
end

--- A number at full precision, in as few digits as read back to the same bits.
---@param value number
---@return string e.g. "0.1", "3", "nan", "inf"
function M.exact(value)
  if value ~= value then
    return "nan"
  elseif value == math.huge or value == -math.huge then
    return value > 0 and "inf" or "-inf"
  elseif math.tointeger(value) and math.abs(value) < 1e15 then
    return ("%d"):format(value)
  end
  for digits = 15, 16 do
    local text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then
      return text
    end
  end
  return ("%.17g"):format(value)
end

--- A number for people: fixed decimals, or four significant digits; "-" for NaN.
---@param value number?
---@param decimals integer?
---@return string
function M.number(value, decimals)
  if value == nil or value ~= value then
    return "-"
  elseif value == math.huge or value == -math.huge then
    return value > 0 and "inf" or "-inf"
  elseif decimals and math.abs(value) < 1e15 then
    local text = ("%." .. decimals .. "f"):format(value)
    return (text:gsub("^%-([0.]+)$", "%1")) -- no negative zero
  elseif math.tointeger(value) and math.abs(value) < 1e7 then
    return ("%d"):format(value)
  end
  return ("%.4g"):format(value)
end

--- How many decimals a column of means deserves: two digits of the typical spread, or four
--- significant digits when no spread is known.
---@param means number[]
---@param spreads number[] NaN where unknown
---@return integer decimals 0 to 6
function M.decimals(means, spreads)
  local known, largest = {}, 0
  for _, spread in ipairs(spreads) do
    if spread > 0 and spread < math.huge then
      known[#known + 1] = spread
    end
  end
  for _, mean in ipairs(means) do
    if math.abs(mean) < math.huge then
      largest = math.max(largest, math.abs(mean))
    end
  end
  table.sort(known)
  local decimals
  if #known > 0 then
    decimals = 1 - math.floor(math.log(known[(#known + 1) // 2], 10))
  elseif largest > 0 then
    decimals = 3 - math.floor(math.log(largest, 10))
  else
    decimals = 4
  end
  return math.max(0, math.min(6, decimals))
end

--- "mean ± spread" with fixed decimals; where the spread is unknown, blanks of the same width.
---@param mean number?
---@param spread number?
---@param decimals integer
---@return string
function M.with_spread(mean, spread, decimals)
  if mean == nil or mean ~= mean then
    return "-"
  elseif spread == nil or spread ~= spread then
    return M.number(mean, decimals)
  end
  return M.number(mean, decimals) .. " ± " .. M.number(spread, decimals)
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    if math.type(a) and math.type(b) then
      return a < b
    end
    return tostring(a) < tostring(b)
  end)
  return keys
end

--- The keys of a table, sorted: numbers by value, others as strings.
M.keys = sorted_keys

--- A parameter's value in short form: 0.001, relu, true, [128, 64], {beta=0.9 name=adam}.
---@param value any
---@return string
function M.value(value)
  if type(value) == "number" then
    return math.type(value) == "integer" and tostring(value) or ("%.4g"):format(value)
  elseif type(value) ~= "table" then
    return M.clean(value)
  end
  local parts = {}
  if #value > 0 then
    for i, item in ipairs(value) do
      parts[i] = M.value(item)
    end
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  for i, key in ipairs(sorted_keys(value)) do
    parts[i] = M.clean(key) .. "=" .. M.value(value[key])
  end
  return "{" .. table.concat(parts, " ") .. "}"
end

--- Text as part of an HTML or XML page.
---@param text any
---@return string
function M.escape(text)
  return (M.clean(text):gsub("[&<>\"']", {
    ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;",
  }))
end

--- A file name made of a title: letters, digits, dots, dashes and underscores.
---@param text string
---@return string
function M.file_name(text)
  local name = M.clean(text):gsub("[^%w%.%-_]+", "-"):gsub("^[%-%.]+", ""):gsub("%-+$", "")
  return name == "" and "report" or name:sub(1, 100)
end

return M
