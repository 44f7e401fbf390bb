--- help(thing): what a function, module, object or name is for, at the prompt.
---
--- `help()` lists the topics, `help(nn.Adam)` explains a value, `help "dropout"` a name, and words
--- that are no name are searched for in all help texts.
local docs = require "docs"
local options = require "options"

local M = {}

--- Modules people use, in the order of a first reading.
M.MODULES = { "nn", "data", "search", "report", "tensor" }

local WIDTH = 80
local STANDARD = { "string", "table", "math", "io", "os", "coroutine", "debug", "utf8", "package" }

-- Wrap a paragraph at WIDTH, every line after `indent`.
local function wrap(text, indent, first)
  local lines, line = {}, first or indent
  local empty = true
  for word in text:gmatch("%S+") do
    if not empty and #line + 1 + #word > WIDTH then
      lines[#lines + 1] = line
      line, empty = indent, true
    end
    line = empty and line .. word or line .. " " .. word
    empty = false
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

-- A doc text: paragraphs are wrapped, indented lines (code) kept as they are.
local function body(text, indent)
  local out = {}
  for paragraph in (text .. "\n\n"):gmatch("(.-)\n%s*\n") do
    if paragraph:find("^%s%s") or paragraph:find("\n%s%s+") or paragraph:find("^```") then
      out[#out + 1] = indent .. paragraph:gsub("```%w*\n?", ""):gsub("\n", "\n" .. indent)
    elseif paragraph ~= "" then
      out[#out + 1] = wrap(paragraph, indent)
    end
  end
  return table.concat(out, "\n\n")
end

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and rawget(meta, "__call") ~= nil
end

-- The loaded module of a name; those people use are loaded when asked for.
local function module_of(name)
  if package.loaded[name] == nil and package.preload[name] then
    local ok, module = pcall(require, name)
    return ok and module or nil
  end
  return package.loaded[name]
end

local function add_names(list, prefix, t, depth)
  for _, key in ipairs(options.keys(t)) do
    local value = rawget(t, key)
    if value ~= nil and key:find("^%a") then
      list[#list + 1] = { name = prefix .. key, value = value }
      if type(value) == "table" and getmetatable(value) == nil and depth > 0 then
        add_names(list, prefix .. key .. ".", value, depth - 1)
      end
    end
  end
end

-- Parts of a module that are loaded when first named (report.stats) become fields.
local function touch_parts(name, module)
  for _, key in ipairs(options.keys(package.preload)) do
    local part = key:match("^" .. name .. "%.([%w_]+)$")
    local value = part and module[part]
    if value ~= nil and rawget(module, part) == nil and type(value) == "table" then
      rawset(module, part, value)
    end
  end
end

---Every public name with its value: { {name = "nn.Adam", value = f}, ... } in a fixed order.
---@return table[]
function M.names()
  local list = {}
  for _, name in ipairs(M.MODULES) do
    local module = module_of(name)
    if type(module) == "table" then
      list[#list + 1] = { name = name, value = module }
      touch_parts(name, module)
      add_names(list, name .. ".", module, 1)
    end
  end
  return list
end

local function name_of(value)
  for _, item in ipairs(M.names()) do
    if rawequal(item.value, value) then
      return item.name
    end
  end
  for _, name in ipairs(STANDARD) do
    if rawequal(_G[name], value) then
      return name, true
    end
    for key, field in pairs(_G[name] or {}) do
      if rawequal(field, value) then
        return name .. "." .. key, true
      end
    end
  end
  for key, field in pairs(_G) do
    if rawequal(field, value) and type(value) == "function" and type(key) == "string" then
      return key, debug.getinfo(value, "S").what == "C"
    end
  end
  return nil
end

local TABLES = {
  { module = "core.layer", title = "layer" }, { module = "nn.optim", title = "optimizer" },
  { module = "core.init", title = "initializer" }, { module = "core.metrics", title = "metric" },
  { module = "core.op", title = "operation" },
}

---Rows of the engine's tables that describe themselves: operations, layers, optimizers, ...
---@return table[] lists {title = "operation", rows = {{name = "relu", help = "one line", ...}, ...}}
function M.tables()
  local lists = {}
  for _, item in ipairs(TABLES) do
    local module = module_of(item.module)
    if type(module) == "table" and module.rows then
      lists[#lists + 1] = { title = item.title, rows = module.rows() }
    end
  end
  return lists
end

local function row_of(name)
  for _, list in ipairs(M.tables()) do
    for _, row in ipairs(list.rows) do
      if row.title == name or row.name == name then
        return row, list.title
      end
    end
  end
  return nil
end

---What a row of the engine's tables takes: { name, default (text), text, type } each.
---@param row table
---@return table[]
function M.row_items(row)
  local items = {}
  for _, item in ipairs(row.hypers or row.args or row.attributes or row.options or {}) do
    local default = item.default
    if math.type(default) == "float" then
      default = ("%.6g"):format(default)
    end
    if item.domain == "FLAG" then
      default = item.default ~= 0
    end
    items[#items + 1] = { name = item.name, default = default ~= nil and tostring(default) or nil,
      text = item.help or "", type = item.type }
  end
  return items
end

local add_items

local function row_text(row, title, name)
  local lines = { ("%s (%s)"):format(name or row.title or row.name, title), wrap(row.help or "", "  ") }
  add_items(lines, "options", M.row_items(row))
  return table.concat(lines, "\n")
end

---How a function is called: "nn.Adam(options)", "model:fit(train, options)".
---@param entry table doc entry
---@param name string? public name
---@return string
function M.signature(entry, name)
  local shown = name
  if not shown then
    local owner = entry.owner ~= "" and entry.owner ~= "M" and entry.owner:lower() or ""
    shown = owner ~= "" and owner .. (entry.method and ":" or ".") .. entry.name or entry.name
  end
  if entry.kind ~= "function" then
    return shown
  end
  local arguments = {}
  for argument in entry.arguments:gmatch("[^,%s]+") do
    local optional = false
    for _, param in ipairs(entry.params) do
      optional = optional or param.name == argument and param.optional
    end
    arguments[#arguments + 1] = argument .. (optional and "?" or "")
  end
  return ("%s(%s)"):format(shown, table.concat(arguments, ", "))
end

function add_items(lines, title, items)
  if #items == 0 then
    return
  end
  lines[#lines + 1] = "\n  " .. title .. ":"
  for _, item in ipairs(items) do
    local label = "    " .. (item.name or "")
    if (item.type or "") ~= "" then
      label = label .. (item.name and ": " or "") .. item.type
    end
    if item.default then
      label = label .. (item.default == "required" and " (required)" or " = " .. item.default)
    elseif item.optional then
      label = label .. " (optional)"
    end
    local text = item.text or ""
    if #label + 2 + #text <= WIDTH then
      lines[#lines + 1] = label .. (text ~= "" and "  " .. text or "")
    else
      lines[#lines + 1] = label .. "\n" .. wrap(text, "        ")
    end
  end
end

---The help text of a doc entry.
---@param entry table
---@param file table the file it is from
---@param name string? public name
---@return string
function M.entry_text(entry, file, name)
  local lines = { M.signature(entry, name) }
  if entry.text ~= "" then
    lines[#lines + 1] = body(entry.text, "  ")
  end
  add_items(lines, "arguments", entry.params)
  add_items(lines, "options", docs.option_rows(entry, file))
  add_items(lines, "returns", entry.returns)
  return table.concat(lines, "\n")
end

-- One line for a list: the name and the first sentence.
local function summary_line(name, text, width)
  return wrap(text, "    " .. (" "):rep(width), ("  %-" .. width .. "s  "):format(name))
end

local function function_text(f, name, standard)
  local entry, file = docs.of_function(f)
  if entry then
    return M.entry_text(entry, file, name)
  elseif standard then
    return ("%s is part of Lua 5.4: https://www.lua.org/manual/5.4/manual.html#pdf-%s"):format(name, name)
  end
  local row, title = row_of((name or ""):match("[^.]+$"))
  if row then
    return row_text(row, title, name)
  end
  local info = debug.getinfo(f, "S")
  if info.what == "C" then
    return ("%s: a function of the engine; no help text"):format(name or "function")
  end
  return ("%s: a function of %s:%d; it has no '---' comment to show"):format(
    name or "function", info.short_src, info.linedefined)
end

-- Documentation of a value kept in a module: `--- text` above `M.name = ...`, or a callable table.
local function field_entry(name)
  local module, field = name:match("^([^.]+)%.(.+)$")
  local file = module and docs.of_source("=[nnrun]" .. module .. ".lua")
  for _, entry in ipairs(file and file.entries or {}) do
    if entry.owner == "M" and entry.name == field then
      return entry, file
    end
  end
  return nil
end

---The first sentence of a public name's help.
---@param name string
---@param value any
---@return string
function M.summary(name, value)
  if type(value) == "function" then
    local entry = docs.of_function(value)
    if entry then
      return entry.summary
    end
  end
  local entry = field_entry(name)
  if entry then
    return entry.summary
  end
  local row = row_of(name:match("[^.]+$"))
  return row and row.help or ""
end

local function module_text(name, module)
  local file = docs.of_source("=[nnrun]" .. name:gsub("%.", "/") .. ".lua")
  local lines = { name }
  if file then
    lines[#lines + 1] = body(file.head, "  ")
  end
  local width, names = 0, {}
  for _, key in ipairs(options.keys(module)) do
    local value = rawget(module, key)
    if value ~= nil and key:sub(1, 1) ~= "_" then
      names[#names + 1] = { name = name .. "." .. key, value = value }
      width = math.max(width, #names[#names].name)
    end
  end
  lines[#lines + 1] = ""
  for _, item in ipairs(names) do
    lines[#lines + 1] = summary_line(item.name, M.summary(item.name, item.value), math.min(width, 28))
  end
  return table.concat(lines, "\n")
end

-- The methods of an object, from the functions its metatable leads to.
local function object_text(value)
  local meta = getmetatable(value)
  local index = type(meta) == "table" and rawget(meta, "__index")
  if type(index) ~= "table" then
    return nil
  end
  local title = rawget(meta, "__name") or type(value)
  local lines, width = { ("%s, with the methods"):format(title) }, 0
  local keys = {}
  for _, key in ipairs(options.keys(index)) do
    if type(index[key]) == "function" and key:sub(1, 1) ~= "_" then
      keys[#keys + 1] = key
      width = math.max(width, #key + 1)
    end
  end
  for _, key in ipairs(keys) do
    local entry = docs.of_function(index[key])
    local row = row_of(key)
    lines[#lines + 1] = summary_line(":" .. key, entry and entry.summary or row and row.help or "", width)
  end
  return table.concat(lines, "\n")
end

local function topics_text()
  local lines = {
    "help(thing) explains a function, a module or an object; help \"word\" searches.",
    "",
    "The modules:",
  }
  for _, name in ipairs(M.MODULES) do
    if module_of(name) then
      local file = docs.of_source("=[nnrun]" .. name .. ".lua")
      local summary = file and file.summary or ({ tensor = "Arrays of numbers, and arithmetic on them." })[name] or ""
      lines[#lines + 1] = summary_line(name, summary, 8)
    end
  end
  lines[#lines + 1] = "\nFor example: help(nn), help(data.csv), help \"learning rate\". Tab completes names."
  return table.concat(lines, "\n")
end

---The classes of the modules people use: those with a `---@class` line.
---@return table[] list {name=, entry=, file=, methods = entries}, in the order of the files
function M.classes()
  local list, by_name = {}, {}
  for _, module in ipairs(require("core.embedded").modules()) do
    local root = module.name:match("^[^.]+")
    local file = module.text and docs.of_source("=[nnrun]" .. module.file)
    local used = root == "meta"
    for _, known in ipairs(M.MODULES) do
      used = used or known == root
    end
    for _, entry in ipairs(used and file and file.entries or {}) do
      if entry.class and not entry.private and (#entry.fields == 0 or entry.name) then
        by_name[entry.class] = { name = entry.class, entry = entry, file = file, methods = {}, root = root }
        list[#list + 1] = by_name[entry.class]
        by_name[module.file .. (entry.name or entry.class)] = by_name[entry.class]
      elseif entry.kind == "function" and not entry.private and entry.name:find("^%a") then
        local class = by_name[module.file .. entry.owner]
        if class then
          table.insert(class.methods, entry)
        end
      end
    end
  end
  return list
end

-- All doc entries people can use: functions of modules, methods of classes.
local function each_entry(visit)
  for _, item in ipairs(M.names()) do
    if type(item.value) == "function" then
      local entry, file = docs.of_function(item.value)
      if entry then
        visit(entry, file, item.name)
      end
    end
  end
  for _, class in ipairs(M.classes()) do
    for _, entry in ipairs(class.methods) do
      visit(entry, class.file, class.name .. (entry.method and ":" or ".") .. entry.name)
    end
  end
end

---Search names and help texts for words.
---@param words string all must occur, in any case
---@return string[] lines one per match
function M.search(words)
  local found, seen = {}, {}
  local function add(name, summary, text)
    local haystack = (name .. " " .. text):lower()
    for word in words:lower():gmatch("%S+") do
      if not haystack:find(word, 1, true) then
        return
      end
    end
    if not seen[name] then
      seen[name] = true
      found[#found + 1] = summary_line(name, summary, 28)
    end
  end
  for _, item in ipairs(M.names()) do
    local summary = M.summary(item.name, item.value)
    if type(item.value) ~= "function" or not docs.of_function(item.value) then
      add(item.name, summary, summary)
    end
  end
  each_entry(function(entry, file, name)
    local text = { entry.text }
    for _, row in ipairs(docs.option_rows(entry, file)) do
      text[#text + 1] = row.name .. " " .. (row.text or "")
    end
    add(name, entry.summary, table.concat(text, " "))
  end)
  for _, list in ipairs(M.tables()) do
    for _, row in ipairs(list.rows) do
      add(row.name .. " (" .. list.title .. ")", row.help or "", row.help or "")
    end
  end
  return found
end

-- Help on a name: public ones first, then methods, then engine rows, then a search.
local function word_text(word)
  for _, item in ipairs(M.names()) do
    if item.name == word or item.name:match("[^.]+$") == word then
      return M.text(item.value)
    end
  end
  local text
  each_entry(function(entry, file, name)
    if not text and (name == word or entry.name == word) then
      text = M.entry_text(entry, file, name)
    end
  end)
  if text then
    return text
  end
  local row, title = row_of(word)
  if row then
    return row_text(row, title)
  end
  local found = M.search(word)
  if #found > 0 then
    return table.concat(found, "\n")
  end
  local names = {}
  for _, item in ipairs(M.names()) do
    names[#names + 1] = item.name
    names[#names + 1] = item.name:match("[^.]+$")
  end
  local near = options.nearest(word, names)
  return ("nothing about %q%s"):format(word, near and ("; did you mean %q?"):format(near) or "")
end

---The help text of a thing.
---@param thing any function, module, object, or a name or words as a string
---@return string
function M.text(thing)
  if thing == nil then
    return topics_text()
  elseif type(thing) == "string" then
    return word_text(thing)
  elseif rawequal(thing, M) then
    return topics_text()
  end
  local name, standard = name_of(thing)
  if type(thing) == "function" then
    return function_text(thing, name, standard)
  end
  local entry, file
  if name then
    entry, file = field_entry(name)
  end
  if entry then
    return M.entry_text(entry, file, name)
  elseif type(thing) == "table" and name and not is_callable(thing) then
    if standard then
      return ("%s is a library of Lua 5.4: https://www.lua.org/manual/5.4/manual.html#6"):format(name)
    end
    return module_text(name, thing)
  end
  local row, title = row_of((name or ""):match("[^.]+$"))
  if row then
    return row_text(row, title, name)
  end
  return object_text(thing) or ("a %s: %s"):format(type(thing), options.show(thing))
end

return setmetatable(M, {
  __call = function(_, ...)
    if select("#", ...) > 0 and (...) == nil then
      print("help(nil): that name has no value; help \"word\" searches the help texts")
    else
      print(M.text((...)))
    end
  end,
  __tostring = function()
    return "Type help() for the topics, help(thing) for one of them, help \"word\" to search."
  end,
})
