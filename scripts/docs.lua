--- Doc comments read from source text: what help() shows and the reference page is made of.
---
--- A comment of `---` lines right above a function documents it. Beside LuaLS's tags (@param,
--- @return, @class, @field) one more is known: `---@options NAME` lists the rows of the table NAME
--- of the same file, a specification for options.check.
local M = {}

-- Split off a type: up to the first space outside of brackets, "fun(a: b): c" and "a | b" whole.
local function split_type(text)
  local depth, i = 0, 1
  while i <= #text do
    local c = text:sub(i, i)
    if c:find("[%(%[{<]") then
      depth = depth + 1
    elseif c:find("[%)%]}>]") then
      depth = depth - 1
    elseif c == " " and depth <= 0 then
      local before, after = text:sub(i - 1, i - 1), text:match("^%s*([|:])", i)
      local results = before == "," and text:find("^fun%(")
      if before ~= ":" and before ~= "|" and not after and not results then
        break
      end
    end
    i = i + 1
  end
  return text:sub(1, i - 1), (text:sub(i):gsub("^%s*#?%s*", ""))
end

local TAGS = {}

function TAGS.param(entry, text)
  local name, rest = text:match("^(%S+)%s*(.*)$")
  if not name then
    return nil
  end
  local kind, words = split_type(rest)
  local item = { name = name:gsub("%?$", ""), type = kind, text = words, optional = name:find("%?$") ~= nil }
  if kind:find("%?$") then
    item.type, item.optional = kind:gsub("%?$", ""), true
  end
  table.insert(entry.params, item)
  return item
end

TAGS["return"] = function(entry, text)
  local kind, words = split_type(text)
  local item = { type = kind, text = words }
  table.insert(entry.returns, item)
  return item
end

function TAGS.class(entry, text)
  local name, parent = text:match("^([%w_.]+)%s*:?%s*([%w_.]*)")
  entry.class, entry.parent = name, parent ~= "" and parent or nil
  return nil
end

function TAGS.field(entry, text)
  local item = TAGS.param({ params = {} }, (text:gsub("^public%s+", "")))
  table.insert(entry.fields, item)
  return item
end

function TAGS.options(entry, text)
  entry.options = text:match("^([%w_]+)")
  return nil
end

function TAGS.private(entry)
  entry.private = true
  return nil
end

local function first_sentence(text)
  local from = 1
  while true do
    local stop = text:find("[.!?]%s+%S", from)
    if not stop then
      return text
    elseif not text:sub(1, stop):find("%f[%a][ei]%.[ge]%.$") and text:sub(stop):find("^.%s+[%u`]") then
      return text:sub(1, stop)
    end
    from = stop + 1
  end
end

-- Lines with those of each tag put together while its brackets are open: a type may need several.
local function joined(lines)
  local list = {}
  for _, line in ipairs(lines) do
    local last = list[#list]
    local tag = last and not line:find("^%s*@") and last:find("^%s*@")
    if tag and select(2, last:gsub("[%(%[{]", "")) > select(2, last:gsub("[%)%]}]", "")) then
      list[#list] = last .. " " .. line:match("^%s*(.-)%s*$")
    else
      list[#list + 1] = line
    end
  end
  return list
end

-- A block of comment lines (without the dashes) as an entry.
local function read_block(lines)
  local entry = { params = {}, returns = {}, fields = {} }
  local body, item = {}, nil
  for _, line in ipairs(joined(lines)) do
    local tag, rest = line:match("^%s*@([%w_]+)%s*(.*)$")
    if tag then
      item = TAGS[tag] and TAGS[tag](entry, rest) or nil
      if not TAGS[tag] then
        item = { text = "" } -- its continuation lines belong to nobody
      end
    elseif item then
      local more = line:match("^%s*(.-)%s*$")
      item.text = item.text == "" and more or item.text .. " " .. more
    else
      body[#body + 1] = (line:gsub("^ ", ""))
    end
  end
  while body[1] and body[1]:find("^%s*$") do
    table.remove(body, 1)
  end
  while body[#body] and body[#body]:find("^%s*$") do
    body[#body] = nil
  end
  entry.text = table.concat(body, "\n")
  local flat = entry.text:match("^(.-)\n%s*\n") or entry.text
  flat = flat:gsub("%s+", " ")
  entry.summary = first_sentence(flat)
  return entry
end

-- What the line under a block defines.
local function read_definition(entry, line)
  entry.variable = line:match("^%s*local%s+([%w_]+)%s*=")
  local owner, separator, name, arguments = line:match("^%s*function%s+([%w_.]-)([.:]?)([%w_]+)%s*(%b())")
  if not name then
    owner, separator, name, arguments = line:match("^%s*([%w_.]-)([.:]?)([%w_]+)%s*=%s*function%s*(%b())")
  end
  if not name and line:find("^%s*local%s+function") then
    entry.is_local = true
    name, arguments = line:match("function%s+([%w_]+)%s*(%b())")
    owner, separator = "", ""
  end
  if name then
    entry.kind, entry.owner, entry.name = "function", owner, name
    entry.method = separator == ":"
    entry.arguments = arguments:sub(2, -2)
    return
  end
  owner, name = line:match("^%s*([%w_.]-)%.?([%w_]+)%s*=")
  if name then
    entry.kind, entry.owner, entry.name = "value", owner, name
  end
end

---Read the doc comments of a source text.
---@param source string
---@return table file {head = text of the first comment, entries = list, by_line = entries by the
---line of their function, classes = entries with @class by name}
function M.parse(source)
  local file = { head = "", entries = {}, by_line = {}, classes = {}, source = source }
  local block, number, first = {}, 0, true
  for line in (source .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    local comment = line:match("^%s*%-%-%-(.*)$")
    if comment and not comment:find("^%-") then
      block[#block + 1] = comment
    elseif first and #block > 0 and line:match("^%-%-") then
      block[#block + 1] = line:match("^%-%-(.*)$") -- a file's head may go on in plain comments
    elseif #block > 0 then
      local entry = read_block(block)
      entry.line = number
      read_definition(entry, line)
      if first and (not entry.name or line:find("^local%s") or line == "") and not entry.class then
        file.head = entry.text
        file.summary = entry.summary
      elseif entry.name or entry.class then
        file.entries[#file.entries + 1] = entry
        file.by_line[number] = entry
      end
      if entry.class then
        file.classes[entry.class] = entry
      end
      block, first = {}, false
    elseif line:find("%S") and not line:find("^#!") then
      first = false
    end
  end
  return file
end

local files = {}

---The doc comments of a function's file.
---@param source string as debug.getinfo(f, "S").source
---@return table? file nil when the source cannot be read
function M.of_source(source)
  if files[source] == nil then
    local text
    local embedded = source:match("^=%[nnrun%](.*)$")
    if embedded then
      text = require("core.embedded").text(embedded)
    elseif source:sub(1, 1) == "@" then
      local handle = io.open(source:sub(2), "r")
      text = handle and handle:read("a")
      if handle then
        handle:close()
      end
    end
    files[source] = text and M.parse(text) or false
  end
  return files[source] or nil
end

---The doc entry of a Lua function.
---@param f function
---@return table? entry
---@return table? file
function M.of_function(f)
  local info = debug.getinfo(f, "S")
  if info.what == "C" then
    return nil
  end
  local file = M.of_source(info.source)
  return file and file.by_line[info.linedefined], file
end

-- Stands for whatever a specification mentions beside plain values.
local UNKNOWN = setmetatable({}, {})
getmetatable(UNKNOWN).__index = function() return UNKNOWN end
getmetatable(UNKNOWN).__call = function() return UNKNOWN end
getmetatable(UNKNOWN).__concat = function() return "" end

-- What a name means to a specification: a table, number, string or small function written at the
-- margin of the same file.
local function definition(source, name)
  local start = "\nlocal%s+" .. name .. "%s*=%s*"
  local text = source:match(start .. "(%b{})") or source:match(start .. "(%-?[%d.]+)[^\n]*\n")
    or source:match(start .. "(%b\"\")[ \t]*\n")
  local body = not text and source:match("\nlocal function " .. name .. "(%b()\n.-\nend)\n")
  return text or body and "function" .. body
end

local function environment(file)
  local values = { math = math, pairs = pairs, ipairs = ipairs, type = type }
  local source = "\n" .. file.source .. "\n"
  return setmetatable(values, { __index = function(_, name)
    values[name] = UNKNOWN -- should it mention itself
    local text = definition(source, name)
    local chunk = text and load("return " .. text, "=options", "t", values)
    local ok, value = pcall(chunk or error)
    values[name] = ok and value or UNKNOWN
    return values[name]
  end })
end

-- The rows of a specification written as a table literal, sorted by name.
local function read_spec(literal, file)
  local chunk = literal and load("return " .. literal, "=options", "t", environment(file))
  local ok, spec = pcall(chunk or error)
  local rows = {}
  for key, row in pairs(ok and type(spec) == "table" and spec or {}) do
    if type(key) == "string" and type(row) == "table" and row ~= UNKNOWN then
      local copy = { name = key }
      for field, value in pairs(row) do
        if value ~= UNKNOWN then
          copy[field] = value
        end
      end
      rows[#rows + 1] = copy
    end
  end
  table.sort(rows, function(x, y) return x.name < y.name end)
  return rows
end

---The rows of an options specification written in a file, sorted by name.
---@param file table as M.parse returns it
---@param name string the table's name in the file
---@return table[] rows {name=, type=, default=, help=, choices=, required=}
function M.options(file, name)
  return read_spec(("\n" .. file.source):match("\nlocal%s+" .. name .. "%s*=%s*(%b{})"), file)
end

-- The text of a function, from its line to the `end` below it.
local function body_of(entry, file)
  local lines, number, indent = {}, 0, nil
  for line in (file.source .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if number >= entry.line then
      indent = indent or line:match("^%s*")
      lines[#lines + 1] = line
      if line == indent .. "end" or line:find("%f[%w]end$") and #lines == 1 then
        break
      end
    end
  end
  return table.concat(lines, "\n")
end

-- The specification a function checks its options against: the one its comment names, or the one it
-- hands to options.check itself or through the function of another module that it returns.
local function spec_rows(entry, file)
  if entry.options then
    return M.options(file, entry.options)
  elseif entry.kind ~= "function" then
    return {}
  end
  local body = body_of(entry, file)
  local name = body:match("options%.check%([^\n]-,%s*(%u[%u_]+)%s*,")
  if name then
    return M.options(file, name)
  end
  local literal = body:match("options[%w_\"%)]*%.check%([%w_]+,%s*(%b{})")
  if literal then
    return read_spec(literal, file)
  end
  local module, called = body:match("return%s+[%w_.(]-require%(?%s*\"([%w_.]+)\"%)?%.([%w_]+)%(")
  local other = module and M.of_source("=[nnrun]" .. module:gsub("%.", "/") .. ".lua")
  for _, candidate in ipairs(other and other.entries or {}) do
    if candidate.owner == "M" and candidate.name == called and candidate ~= entry then
      return spec_rows(candidate, other)
    end
  end
  return {}
end

-- A row of a specification as help shows it.
local function shown_row(row)
  local kind = row.type and row.type:gsub("|", " | ") or ""
  if row.choices then
    local quoted = {}
    for i, choice in ipairs(row.choices) do
      quoted[i] = type(choice) == "string" and ("%q"):format(choice) or tostring(choice)
    end
    local choices = table.concat(quoted, " | ")
    kind = kind == "string" and choices or kind:gsub("string", function() return choices end)
  end
  local default
  if row.required then
    default = "required"
  elseif type(row.default) == "string" then
    default = ("%q"):format(row.default)
  elseif row.default ~= nil and type(row.default) ~= "table" and type(row.default) ~= "function" then
    default = tostring(row.default)
  end
  return { name = row.name, type = kind, default = default, text = row.help or "" }
end

---The options of a function: the rows it checks them against, or the fields of the @class its
---parameter has as type.
---@param entry table
---@param file table
---@return table[] rows each with name, type, default (text), text
function M.option_rows(entry, file)
  local rows = {}
  for _, row in ipairs(spec_rows(entry, file)) do
    rows[#rows + 1] = shown_row(row)
  end
  for _, param in ipairs(entry.params) do
    local class = param.name ~= "..." and file.classes[param.type]
    for _, field in ipairs(class and class.fields or {}) do
      rows[#rows + 1] = { name = field.name, type = field.type, text = field.text,
        default = not field.optional and "required" or nil }
    end
  end
  return rows
end

return M
