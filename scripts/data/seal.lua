--- Sealed data: a set that counts who looks at it. Test data answers one question once; every further look,
--- above all one that a choice follows from, makes its answer rosier than the truth.
---
--- A sealed set works as before, but each use (a fit, an evaluation, a prediction, a new set made from it, a
--- reading of its tensors) is counted, with the line of the script, and a sweep records it.
local options = require "options"

local M = {}

local Sealed = { __name = "data.Sealed" }
local INNER, LOOKS = {}, {} -- keys nobody else has

-- Methods that tell nothing of what rows hold.
local HARMLESS = { hash = true, class_count = true }
local FIELDS = { name = true, classes = true, columns = true }

local listener

local function look(sealed, what)
  local looks = rawget(sealed, LOOKS)
  local seen = { what = what, where = options.where() }
  looks[#looks + 1] = seen
  if listener then
    listener(seen)
  end
  return rawget(sealed, INNER)
end

function Sealed.__index(sealed, key)
  local inner = rawget(sealed, INNER)
  if key == "looks" then
    return function(self)
      return rawget(self, LOOKS)
    end
  elseif FIELDS[key] then
    return inner[key]
  end
  local method = getmetatable(inner)[key]
  if type(method) ~= "function" then
    return inner[key] ~= nil and look(sealed, key)[key] or nil
  end
  return function(self, ...)
    if self ~= sealed then
      return method(self, ...)
    end
    return method(HARMLESS[key] and inner or look(sealed, key), ...)
  end
end

function Sealed.__len(sealed)
  return #rawget(sealed, INNER)
end

function Sealed.__tostring(sealed)
  local count = #rawget(sealed, LOOKS)
  return ("sealed %s, looked at %d time%s"):format(tostring(rawget(sealed, INNER)), count, count == 1 and "" or "s")
end

--- Seal a data set, in place: every use of it is counted from now on.
---@param set data.Set
---@return data.Set set the same one, now with `set:looks()`: a list of { what, where }
function M.seal(set)
  local Set = require("data.set").Set -- not above: nn asks `open` of sets that may be no data.Set
  if getmetatable(set) == Sealed then
    return set
  elseif getmetatable(set) ~= Set then
    options.fail("data.seal: expected a data set, got %s", options.show(set))
  end
  local inner = setmetatable({}, Set)
  for key, value in pairs(set) do
    inner[key] = value
  end
  for key in pairs(inner) do
    set[key] = nil
  end
  set[INNER], set[LOOKS] = inner, {}
  return setmetatable(set, Sealed)
end

--- What to use instead of a set that may be sealed: one look, however much is read then.
---@param set any
---@param what string "evaluate", "fit" ...
---@return any
function M.open(set, what)
  return getmetatable(set) == Sealed and look(set, what) or set
end

--- Whom to tell of every look, in this process.
---@param fn fun(seen: {what: string, where: string})?
function M.listen(fn)
  listener = fn
end

return M
