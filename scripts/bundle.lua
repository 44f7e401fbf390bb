--- Bundles: one tensor, or several by place ({ a, b }) or by name ({ image = a, meta = b }).
---
--- The x and y of a data set, the inputs and outputs of a model, and losses and metrics by output have
--- this form. Their parts are always gone through in one order: by place, or by sorted name.
local options = require "options"

local M = {}

--- Whether a value is a list or table of tensors, values or shapes, and not a single one.
---@param value any
---@return boolean
function M.several(value)
  if type(value) ~= "table" or getmetatable(value) ~= nil then
    return false
  end
  local key, first = next(value)
  return type(key) == "string" or (key ~= nil and type(first) ~= "number" and not M.numbers(first))
end

--- Whether a table is (nested) rows of numbers.
---@param value any
---@return boolean
function M.numbers(value)
  while type(value) == "table" and getmetatable(value) == nil do
    value = value[1]
  end
  return type(value) == "number" or type(value) == "boolean"
end

--- The keys in order: 1 to n, or sorted names; of a single value the key "".
---@param value any
---@return any[]
function M.keys(value)
  if not M.several(value) then
    return { "" }
  end
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    return tostring(a) < tostring(b)
  end)
  if #value == #keys then
    table.sort(keys)
  elseif #value > 0 then
    options.fail("a table of several tensors has either places or names, not both")
  end
  return keys
end

--- The part at a key that `keys` gave.
---@param value any
---@param key any
---@return any
function M.at(value, key)
  if key == "" then
    return value
  end
  return value[key]
end

--- The parts in order.
---@param value any
---@return any[] parts, any[] keys
function M.list(value)
  local keys, parts = M.keys(value), {}
  for i, key in ipairs(keys) do
    parts[i] = M.at(value, key)
  end
  return parts, keys
end

--- How many rows the tensors have: the first size of the first part.
---@param value any bundle of tensors
---@return integer
function M.rows(value)
  return M.at(value, M.keys(value)[1]):shape()[1]
end

--- Put parts in the order of `keys` back into the form of `like`.
---@param parts any[]
---@param keys any[] as M.keys gave them
---@return any
function M.form(parts, keys)
  if keys[1] == "" then
    return parts[1]
  end
  local value = {}
  for i, key in ipairs(keys) do
    value[key] = parts[i]
  end
  return value
end

--- The same form with `change(part, key)` in place of each part; nil stays nil.
---@param value any
---@param change fun(part: any, key: any): any
---@return any
function M.map(value, change)
  if value == nil then
    return nil
  end
  local parts, keys = M.list(value)
  for i, part in ipairs(parts) do
    parts[i] = change(part, keys[i])
  end
  return M.form(parts, keys)
end

--- How messages call a part: "x", "x[2]" or "x.image".
---@param name string
---@param key any
---@return string
function M.name(name, key)
  return key == "" and name or type(key) == "string" and name .. "." .. key or ("%s[%d]"):format(name, key)
end

return M
