--- What has a name people can write: modules, their functions, classes, and where each is documented.
local docs = require "docs"
local options = require "options"

local M = {}

--- Modules people use, in the order of a first reading.
M.MODULES = { "nn", "data", "search", "report", "tensor" }
local STANDARD = { "string", "table", "math", "io", "os", "coroutine", "debug", "utf8", "package" }

---@return boolean
function M.is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and rawget(meta, "__call") ~= nil
end

---The module of a name; those people use are loaded when asked for.
---@param name string
---@return any
function M.module(name)
  if package.loaded[name] == nil and package.preload[name] then
    local ok, module = pcall(require, name)
    return ok and module or nil
  end
  return package.loaded[name]
end

local function add_names(list, prefix, t, depth)
  for _, key in ipairs(options.keys(t)) do
    local value = rawget(t, key)
    local own = key == "rows" and type(value) == "function" -- a table's rows, for help itself
    if value ~= nil and key:find("^%a") and not own then
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
function M.all()
  local list = {}
  for _, name in ipairs(M.MODULES) do
    local module = M.module(name)
    if type(module) == "table" then
      list[#list + 1] = { name = name, value = module }
      touch_parts(name, module)
      add_names(list, name .. ".", module, 1)
    end
  end
  return list
end

---The public name of a value.
---@param value any
---@return string? name
---@return boolean? standard it is Lua's own
function M.name_of(value)
  for _, item in ipairs(M.all()) do
    if rawequal(item.value, value) then
      return item.name
    end
  end
  for key, field in pairs(require("core.tensor").methods) do
    if rawequal(field, value) then
      return (M.module("tensor")[key] and "tensor." or "tensor:") .. key
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

-- Documentation of a field of a module by its name: `--- text` above `M.name = ...` in its file. A
-- function documented so is called with its @params.
local function field_entry(name, value)
  local module, field = (name or ""):match("^(.+)%.([^.]+)$")
  local file = module and docs.of_source("=[nnrun]" .. module:gsub("%.", "/") .. ".lua")
  for _, entry in ipairs(file and file.entries or {}) do
    if entry.owner == "M" and entry.name == field then
      if entry.kind == "value" and M.is_callable(value) then
        local names = {}
        for i, param in ipairs(entry.params) do
          names[i] = param.name
        end
        entry.kind, entry.arguments = "function", table.concat(names, ", ")
      end
      return entry, file
    end
  end
  return nil
end

---The doc entry of a public value.
---@param name string? its public name
---@param value any
---@return table? entry
---@return table? file
function M.entry_of(name, value)
  if type(value) == "function" then
    local entry, file = docs.of_function(value)
    if entry then
      return entry, file
    end
  end
  local method = name and name:match "^tensor:(.*)$"
  if method then
    return M.method_entry("Tensor", method), docs.of_source "=[nnrun]tensor/methods.lua"
  end
  return field_entry(name, value)
end

local known_classes

-- Every class with a `---@class` line in the files of the modules people use, methods gathered over
-- all files that name it.
local function all_classes()
  if known_classes then
    return known_classes
  end
  local list, by_name = {}, {}
  for _, module in ipairs(require("core.embedded").modules()) do
    local root = module.name:match("^[^.]+")
    local file = module.text and docs.of_source("=[nnrun]" .. module.file)
    local used = false
    for _, known in ipairs(M.MODULES) do
      used = used or known == root
    end
    for _, entry in ipairs(used and file and file.entries or {}) do
      if entry.class and not entry.private then
        local class = by_name[entry.class]
        if not class then
          class = { name = entry.class, entry = entry, methods = {}, root = root }
          list[#list + 1] = class
        end
        by_name[entry.class], by_name[module.file .. (entry.variable or entry.class)] = class, class
      elseif entry.kind == "function" and not entry.private and entry.name:find("^%a") then
        local class = by_name[module.file .. entry.owner]
        if class then
          entry.file = file
          table.insert(class.methods, entry)
        end
      end
    end
  end
  known_classes = list
  return list
end

---The doc entry of a method of the engine, by the type's name as its metatable has it.
---@param type_name string "nnrun.tensor"
---@param key string
---@return table? entry
function M.method_entry(type_name, key)
  local wanted = type_name:match("[^.]+$"):lower()
  for _, class in ipairs(all_classes()) do
    for _, entry in ipairs(class.name:lower() == wanted and class.methods or {}) do
      if entry.name == key then
        return entry
      end
    end
  end
  return nil
end

local function mentions(entries, class)
  for _, entry in ipairs(entries) do
    if entry.text:find("see " .. class, 1, true) then
      return true
    end
    for _, item in ipairs(entry.returns) do
      if (" " .. item.type .. " "):find("[^%w_.]" .. class:gsub("%.", "%%.") .. "[^%w_.]") then
        return true
      end
    end
  end
  return false
end

---The classes people meet: what a public function or a method of such a class returns, or says to see.
---@return table[] list {name=, entry=, methods = entries, each with its file, root = module}
function M.classes()
  local entries = {}
  for _, item in ipairs(M.all()) do
    entries[#entries + 1] = M.is_callable(item.value) and M.entry_of(item.name, item.value) or nil
  end
  local left, list = all_classes(), {}
  local found = true
  while found do
    found = false
    for i, class in ipairs(left) do
      if not class.public and (mentions(entries, class.name) or class.root == "tensor") then
        table.move(class.methods, 1, #class.methods, #entries + 1, entries)
        left[i].public, found = true, true
      end
    end
  end
  for _, class in ipairs(left) do
    list[#list + 1] = class.public and class or nil
  end
  return list
end

return M
