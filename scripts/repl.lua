--- The prompt's manners: how values are shown, what Tab offers, which modules are at hand.
local pretty = require "pretty"

local M = {}

-- Modules that are globals at the prompt, loaded when first named.
local AT_HAND = { "nn", "data", "search", "report", "tensor", "help" }

local function is_at_hand(name)
  for _, known in ipairs(AT_HAND) do
    if known == name then
      return package.preload[name] ~= nil
    end
  end
  return false
end

---Prepare a session: name the modules at hand, and say how to get help.
function M.open()
  if getmetatable(_G) == nil then
    setmetatable(_G, {
      __index = function(globals, name)
        if is_at_hand(name) then
          local module = require(name)
          rawset(globals, name, module)
          return module
        end
      end,
    })
  end
end

---Show the values of a statement, through the global `print`.
---@param ... any
function M.print(...)
  local shown = table.pack(...)
  for i = 1, shown.n do
    local value = shown[i]
    local meta = getmetatable(value)
    local own = type(meta) == "table" and (meta.__tostring or meta.__name)
    if type(value) == "table" and not own then
      shown[i] = pretty.format(value)
    end
  end
  print(table.unpack(shown, 1, shown.n))
end

-- The value a dotted prefix names, without calling anything of the user's. nil when unknown.
local function resolve(path)
  local value = _G
  for name in path:gmatch("[%a_][%w_]*") do
    local found
    if type(value) == "table" then
      found = rawget(value, name)
    end
    if found == nil and value == _G and is_at_hand(name) then
      found = require(name)
    elseif found == nil then
      local meta = getmetatable(value)
      local index = type(meta) == "table" and (rawget(meta, "__methods") or rawget(meta, "__index"))
      found = type(index) == "table" and index[name] or nil
    end
    if found == nil then
      return nil
    end
    value = found
  end
  return value
end

-- Names in a value and in the tables its metatable points to.
local function each_field(value, visit)
  for _ = 1, 10 do
    if type(value) == "table" then
      for name, field in next, value do
        visit(name, field)
      end
    end
    local meta = getmetatable(value)
    local index = type(meta) == "table" and (rawget(meta, "__methods") or rawget(meta, "__index"))
    if type(index) ~= "table" or index == value then
      return
    end
    value = index
  end
end

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and rawget(meta, "__call") ~= nil
end

-- Names that begin with `start`, after `prefix`, as a sorted list without repetitions.
local function collect(value, prefix, start, methods_only)
  local seen, list = {}, {}
  local function add(name, suffix)
    if not seen[name] and name:sub(1, #start) == start then
      seen[name] = true
      list[#list + 1] = prefix .. name .. suffix
    end
  end
  each_field(value, function(name, field)
    local shown = pretty.is_name(name) and (name:sub(1, 1) ~= "_" or start ~= "")
    if shown and (not methods_only or is_callable(field)) then
      add(name, type(field) == "function" and "(" or "")
    end
  end)
  if value == _G then
    for _, name in ipairs(AT_HAND) do
      if is_at_hand(name) then
        add(name, name == "help" and "(" or "")
      end
    end
    for word in pairs(start ~= "" and pretty.KEYWORDS or {}) do
      add(word, "")
    end
  end
  table.sort(list)
  return list
end

local function inside_string(text)
  local quote
  local i = 1
  while i <= #text do
    local c = text:sub(i, i)
    if quote and c == "\\" then
      i = i + 1
    elseif quote == c then
      quote = nil
    elseif not quote and (c == '"' or c == "'") then
      quote = c
    end
    i = i + 1
  end
  return quote ~= nil
end

local function modules_at_hand(start)
  local names = {}
  for _, name in ipairs(AT_HAND) do
    if is_at_hand(name) and name:sub(1, #start) == start then
      names[#names + 1] = name
    end
  end
  return names
end

---What may complete the word that begins at `first` and ends with the line.
---@param line string the line up to the cursor
---@param first integer where the word begins
---@return string[]? candidates whole words; nil inside a string, where file names complete
function M.complete(line, first)
  local before = line:sub(1, first - 1)
  if inside_string(before) then
    return before:find("require%s*%(?%s*[\"']$") and modules_at_hand(line:sub(first)) or nil
  end
  local divided, word = line:sub(first):match("^(.*/)(.*)$") -- "a/b": the editor gives both
  divided, word = divided or "", word or line:sub(first)
  if word == "" and line:find("^%s*$") then
    return { "  " }
  end
  local path, separator, start = word:match("^(.-)([.:]?)([%w_]*)$")
  if separator == "" then
    return path == "" and collect(_G, divided, start, false) or {}
  end
  if not path:find("^[%a_][%w_]*[%w_.]*$") then
    return {}
  end
  local value = resolve(path)
  if value == nil then
    return {}
  end
  return collect(value, divided .. path .. separator, start, separator == ":")
end

return M
