--- Write docs/annotations/*.lua: what editors with a Lua language server read about the library.
---
---   nnrun tests/tools/annotations.lua           write them
---   nnrun tests/tools/annotations.lua --check   fail when a file is not what would be written
local engine = require "help.engine"
local names = require "help.names"

local FOLDER = "docs/annotations/"

local function comment(lines, text)
  for line in ((text or "") .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = line == "" and "---" or "--- " .. line
  end
end

local function flat(text)
  return (text or ""):gsub("%s+", " ")
end

local function add_function(lines, entry, name)
  comment(lines, entry.text)
  for _, item in ipairs(entry.params) do
    local mark = item.optional and "?" or ""
    lines[#lines + 1] = ("---@param %s%s %s %s"):format(item.name, mark, item.type, flat(item.text))
  end
  for _, item in ipairs(entry.returns) do
    lines[#lines + 1] = ("---@return %s %s"):format(item.type, flat(item.text))
  end
  lines[#lines + 1] = ("function %s(%s) end\n"):format(name, entry.arguments)
end

local RETURNS = {
  layer = "Layer", optimizer = "Optimizer", initializer = "Initializer", operation = "Tensor", metric = "number",
  pruner = "table",
}

-- The type of an item of a row, as the language server writes types.
local function type_of(item)
  return item.type and item.type:find("^[%w_%[%]|. ]+$") and item.type:gsub("two numbers", "number[]") or "any"
end

local function add_row(lines, row, title, name)
  local signature = engine.signature(row, title, name)
  comment(lines, row.help)
  local arguments = {}
  for argument in signature:match("%((.*)%)$"):gmatch("[^, ]+") do
    local word = argument:gsub("%?$", "")
    local kind = "any"
    if word == "options" then
      local fields = {}
      for _, item in ipairs(engine.items(row, title)) do
        if item.name:find("^[%a_]") then
          fields[#fields + 1] = ("%s?: %s"):format(item.name, type_of(item))
        end
      end
      kind = "{" .. table.concat(fields, ", ") .. "}"
    elseif word == "activation" then
      kind = "string|function"
    else
      for _, item in ipairs(engine.items(row, title)) do
        kind = item.name == word and type_of(item) or kind
      end
    end
    lines[#lines + 1] = ("---@param %s%s %s"):format(word, argument:find("%?$") and "?" or "", kind)
    arguments[#arguments + 1] = word
  end
  lines[#lines + 1] = "---@return " .. RETURNS[title]
  lines[#lines + 1] = ("function %s(%s) end\n"):format(name, table.concat(arguments, ", "))
end

local function add_classes(lines, module)
  for _, class in ipairs(names.classes()) do
    if class.root == module then
      local variable = class.name:gsub("%.", "_")
      comment(lines, class.entry.text)
      lines[#lines + 1] = ("---@class %s%s"):format(class.name, class.entry.parent and ": " .. class.entry.parent or "")
      for _, item in ipairs(class.entry.fields) do
        local mark = item.optional and "?" or ""
        lines[#lines + 1] = ("---@field %s%s %s %s"):format(item.name, mark, item.type, flat(item.text))
      end
      lines[#lines + 1] = ("local %s = {}\n"):format(variable)
      for _, entry in ipairs(class.methods) do
        add_function(lines, entry, variable .. (entry.method and ":" or ".") .. entry.name)
      end
    end
  end
end

local function module_text(module, all)
  local lines = { "---@meta " .. module, "-- Written by `make docs`; do not edit it.", "" }
  add_classes(lines, module)
  lines[#lines + 1] = ("local %s = {}\n"):format(module)
  for _, item in ipairs(all) do
    if item.name:sub(1, #module + 1) == module .. "." then
      local entry = names.entry_of(item.name, item.value)
      if names.is_callable(item.value) and entry and entry.kind == "function" then
        add_function(lines, entry, item.name)
      elseif type(item.value) == "function" then
        local row, title = engine.find(item.name)
        if row and not row.name:find("_grad$") then
          add_row(lines, row, title, item.name)
        end
      elseif type(item.value) == "table" then
        lines[#lines + 1] = item.name .. " = {}\n"
      end
    end
  end
  lines[#lines + 1] = "return " .. module .. "\n"
  return (table.concat(lines, "\n"):gsub(" +\n", "\n"))
end

local stale = {}
local all = names.all()
for _, module in ipairs(names.MODULES) do
  local path = FOLDER .. module .. ".lua"
  local text = module_text(module, all)
  if arg[1] == "--check" then
    local file = io.open(path, "rb")
    if not file or file:read("a") ~= text then
      stale[#stale + 1] = path
    end
    if file then
      file:close()
    end
  else
    os.execute("mkdir -p " .. FOLDER)
    local file = assert(io.open(path, "wb"))
    assert(file:write(text))
    assert(file:close())
  end
  assert(load(text, "=" .. path))
end
if #stale > 0 then
  io.stderr:write(table.concat(stale, ", "), ": stale, run `make docs` and commit\n")
  os.exit(1)
end
