--- help(thing): what a function, module, object or name is for, at the prompt.
---
--- `help()` lists the topics, `help(nn.Adam)` explains a value, `help "dropout"` a name, and words
--- that are no name are searched for in all help texts.
local docs = require "docs"
local engine = require "help.engine"
local names = require "help.names"
local options = require "options"

local M = {}

local WIDTH = 80

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

local add_items

local function row_text(row, title, name)
  local lines = { engine.signature(row, title, name), wrap(row.help or "", "  ") }
  add_items(lines, "options", engine.items(row, title))
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
  local entry, file = names.entry_of(name, f)
  if entry then
    return M.entry_text(entry, file, name)
  elseif standard then
    return ("%s is part of Lua 5.4: https://www.lua.org/manual/5.4/manual.html#pdf-%s"):format(name, name)
  end
  local row, title = engine.find(name)
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

-- The name under which a module was required: nn.init is "nn.init", nn.op is "core.op".
local function module_name(value)
  for _, name in ipairs(options.keys(package.loaded)) do
    if rawequal(package.loaded[name], value) and package.preload[name] then
      return name
    end
  end
  return nil
end

local function head_of(value)
  local module = module_name(value)
  local file = module and docs.of_source("=[nnrun]" .. module:gsub("%.", "/") .. ".lua")
  local summary = engine.SUMMARIES[module]
  return file and file.head or summary, file and file.summary or summary
end

---The first sentence of a public name's help.
---@param name string
---@param value any
---@return string
function M.summary(name, value)
  local entry = names.entry_of(name, value)
  if entry then
    return entry.summary
  elseif type(value) == "table" and select(2, head_of(value)) then
    return select(2, head_of(value))
  end
  local row = engine.find(name)
  return row and row.help or ""
end

local function module_text(name, module)
  local lines = { name }
  local head = head_of(module)
  if head then
    lines[#lines + 1] = body(head, "  ")
  end
  local width, list = 0, {}
  for _, key in ipairs(options.keys(module)) do
    local value = rawget(module, key)
    if value ~= nil and key:sub(1, 1) ~= "_" then
      list[#list + 1] = { name = name .. "." .. key, value = value }
      width = math.max(width, #list[#list].name)
    end
  end
  lines[#lines + 1] = ""
  for _, item in ipairs(list) do
    lines[#lines + 1] = summary_line(item.name, M.summary(item.name, item.value), math.min(width, 28))
  end
  return table.concat(lines, "\n")
end

-- The methods of an object, from the functions its metatable leads to.
local function object_text(value)
  local meta = getmetatable(value)
  local index = type(meta) == "table" and (rawget(meta, "__methods") or rawget(meta, "__index"))
  if type(index) ~= "table" then
    return nil
  end
  local title = rawget(meta, "__name") or type(value)
  local lines, width = { ("%s, with the methods"):format(title) }, 0
  local keys = {}
  for _, key in ipairs(options.keys(index)) do
    local internal = key:find("_$") or key:find("_grad$") and not names.method_entry(title, key)
    if type(index[key]) == "function" and key:find("^%a") and not internal then
      keys[#keys + 1] = key
      width = math.max(width, #key + 1)
    end
  end
  for _, key in ipairs(keys) do
    local entry = docs.of_function(index[key]) or names.method_entry(title, key)
    local row = engine.find(key)
    local summary = entry and entry.summary or row and row.help or M.summary(names.name_of(index[key]), index[key])
    lines[#lines + 1] = summary_line(":" .. key, summary, width)
  end
  return table.concat(lines, "\n")
end

local function topics_text()
  local lines = {
    "help(thing) explains a function, a module or an object; help \"word\" searches.",
    "",
    "The modules:",
  }
  for _, name in ipairs(names.MODULES) do
    if names.module(name) then
      local file = docs.of_source("=[nnrun]" .. name .. ".lua")
      local summary = file and file.summary or ({ tensor = "Arrays of numbers, and arithmetic on them." })[name] or ""
      lines[#lines + 1] = summary_line(name, summary, 8)
    end
  end
  lines[#lines + 1] = "\nFor example: help(nn), help(data.csv), help \"learning rate\". Tab completes names."
  return table.concat(lines, "\n")
end

-- All doc entries people can use: functions of modules, methods of classes.
local function each_entry(visit)
  for _, item in ipairs(names.all()) do
    if names.is_callable(item.value) then
      local entry, file = names.entry_of(item.name, item.value)
      if entry then
        visit(entry, file, item.name)
      end
    end
  end
  for _, class in ipairs(names.classes()) do
    for _, entry in ipairs(class.methods) do
      visit(entry, entry.file, class.name .. (entry.method and ":" or ".") .. entry.name)
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
  for _, item in ipairs(names.all()) do
    local summary = M.summary(item.name, item.value)
    if not names.entry_of(item.name, item.value) then
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
  for _, list in ipairs(engine.tables()) do
    for _, row in ipairs(list.rows) do
      add(list.prefix .. (row.title or row.name), row.help or "", row.name .. " " .. (row.help or ""))
    end
  end
  return found
end

-- Help on a name: public ones first, then methods, then engine rows, then a search.
local function word_text(word)
  for _, item in ipairs(names.all()) do
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
  local row, title, public = engine.find(word)
  if row then
    return row_text(row, title, public)
  end
  local found = M.search(word)
  if #found > 0 then
    return table.concat(found, "\n")
  end
  local known = {}
  for _, item in ipairs(names.all()) do
    known[#known + 1] = item.name
    known[#known + 1] = item.name:match("[^.]+$")
  end
  local near = options.nearest(word, known)
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
  local name, standard = names.name_of(thing)
  if type(thing) == "function" then
    return function_text(thing, name, standard)
  end
  local entry, file = names.entry_of(name, thing)
  if entry then
    return M.entry_text(entry, file, name)
  elseif type(thing) == "table" and name and not names.is_callable(thing) then
    if standard then
      return ("%s is a library of Lua 5.4: https://www.lua.org/manual/5.4/manual.html#6"):format(name)
    end
    return module_text(name, thing)
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
