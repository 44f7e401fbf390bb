--- Write docs/reference.md from the doc comments of the embedded scripts and the engine's tables.
---
---   nnrun tests/tools/reference.lua           write it
---   nnrun tests/tools/reference.lua --check   fail when the file is not what would be written
local docs = require "docs"
local engine = require "help.engine"
local help = require "help"
local names = require "help.names"

local PATH = "docs/reference.md"
local out = {}

local function add(format, ...)
  out[#out + 1] = select("#", ...) > 0 and format:format(...) or format
end

-- Text in a cell of a table.
local function cell(text)
  return (tostring(text or ""):gsub("\n", " "):gsub("|", "\\|"))
end

local function code(text)
  return text and text ~= "" and "`" .. cell(text) .. "`" or ""
end

-- A doc text as Markdown; its indented lines are code.
local function prose(text)
  local lines, in_code = {}, false
  local before = ""
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local is_code = line:find("^  +%S") and (in_code or before == "")
    if is_code and not in_code then
      lines[#lines + 1] = "```lua"
    elseif in_code and not is_code and line ~= "" then
      lines[#lines + 1] = "```\n"
    end
    in_code = is_code or (in_code and line == "")
    lines[#lines + 1] = is_code and line:gsub("^    ?", "") or line
    before = line
  end
  if in_code then
    while lines[#lines] == "" do
      lines[#lines] = nil
    end
    lines[#lines + 1] = "```"
  end
  add("%s\n", (table.concat(lines, "\n")))
end

local function list_items(title, items)
  if #items == 0 then
    return
  end
  add("%s\n", title)
  add("| name | type | default | |\n|---|---|---|---|")
  for _, item in ipairs(items) do
    local default = item.default and (item.default == "required" and "required" or code(item.default))
      or item.optional and "optional" or ""
    add("| %s | %s | %s | %s |", code(item.name), code(item.type), default, cell(item.text))
  end
  add("")
end

local function list_arguments(params)
  for _, item in ipairs(params) do
    local optional = item.optional and ", optional" or ""
    add("- %s: %s%s%s", code(item.name), code(item.type), optional,
      (item.text or "") ~= "" and ", " .. item.text or "")
  end
  if #params > 0 then
    add("")
  end
end

local function returns_text(entry)
  for i, item in ipairs(entry.returns) do
    local text = (item.text or "") ~= "" and ": " .. item.text or ""
    add("%s %s%s\n", i == 1 and "Returns" or "and", code(item.type), text)
  end
end

local function function_section(entry, file, name, level)
  add("%s `%s`\n", ("#"):rep(level), help.signature(entry, name))
  prose(entry.text)
  list_arguments(entry.params)
  list_items("Options:", docs.option_rows(entry, file))
  returns_text(entry)
end

local function row_section(row, title, name, level)
  add("%s `%s`\n", ("#"):rep(level), engine.signature(row, title, name))
  add("%s\n", row.help or "")
  list_items("Options:", engine.items(row, title, true))
end

local function module_section(module_name, list)
  local file = docs.of_source("=[nnrun]" .. module_name .. ".lua")
  add("## %s\n", module_name)
  prose(file and file.head or "")
  if module_name == "nn" then
    list_items("Every layer takes these options beside its own:", engine.LAYER_EXTRAS)
  end
  for _, item in ipairs(list) do
    local inside = item.name:sub(1, #module_name + 1) == module_name .. "."
    local entry, source = names.entry_of(item.name, item.value)
    if inside and entry then
      function_section(entry, source, item.name, 3)
    elseif inside and type(item.value) == "function" then
      local row, title = engine.find(item.name)
      if row and title ~= "operation" then
        row_section(row, title, item.name, 3)
      end
    elseif inside then
      local summary = help.summary(item.name, item.value)
      if summary ~= "" then
        add("### `%s`\n\n%s\n", item.name, summary)
      end
    end
  end
end

local function class_sections(module_name)
  for _, class in ipairs(names.classes()) do
    if class.root == module_name and (#class.methods > 0 or #class.entry.fields > 0) then
      add("### %s\n", class.name)
      prose(class.entry.text)
      list_items("Fields:", class.entry.fields)
      for _, entry in ipairs(class.methods) do
        local owner = class.name:match("[^.]+$"):lower()
        function_section(entry, entry.file, owner .. (entry.method and ":" or ".") .. entry.name, 4)
      end
    end
  end
end

local function operations_section()
  for _, list in ipairs(engine.tables()) do
    if list.title == "operation" then
      add("## Operations\n\nOne row of the engine's table each; inputs broadcast where that makes sense.\n")
      add("| operation | options | |\n|---|---|---|")
      for _, row in ipairs(list.rows) do
        local items = {} -- its options, for one cell
        for i, item in ipairs(engine.items(row, list.title)) do
          local default = item.default ~= "required" and item.default
          items[i] = item.name .. (default and " = " .. default or "")
        end
        local signature = engine.signature(row, list.title, list.prefix .. row.name)
        add("| %s | %s | %s |", code(signature), code(table.concat(items, ", ")), cell(row.help))
      end
      add("")
    end
  end
end

add("# Reference\n")
add("Every public function, from the same texts that `help()` shows at the prompt. This page is written "
  .. "by `make docs`;\ndo not edit it.\n")
local public = names.all()
for _, module_name in ipairs(names.MODULES) do
  local loaded, module = pcall(require, module_name)
  if loaded and type(module) == "table" then
    module_section(module_name, public)
    class_sections(module_name)
  end
end
operations_section()

local text = table.concat(out, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s*$", "\n")
if arg[1] == "--check" then
  local file = io.open(PATH, "rb")
  local current = file and file:read("a") or ""
  if file then
    file:close()
  end
  if current ~= text then
    io.stderr:write(PATH, " is stale: run `make docs` and commit it\n")
    os.exit(1)
  end
else
  local file = assert(io.open(PATH, "wb"))
  assert(file:write(text))
  assert(file:close())
end
