--- The objectives of a sweep, "max val_accuracy", and what a trial is worth under them.
local options = require "options"

local M = {}

local Objective = { __name = "search.objective" }
Objective.__index = Objective

--- Parse "max NAME" or "min NAME".
---@param text string
---@return {direction: "max"|"min", metric: string}? objective nil when the text is neither
function M.parse(text)
  local direction, metric = text:match("^%s*(%a+)%s+(%S+)%s*$")
  if direction ~= "max" and direction ~= "min" then
    return nil
  end
  return setmetatable({ direction = direction, metric = metric }, Objective)
end

--- Read one objective or several: "max a", "max a, min b" or { "max a", "min b" }.
---@param given any
---@return table[]? goals nil when it is none of these
---@return string text as parse reads it again; why it is none of these when there are no goals
function M.read(given)
  local words, goals, seen, texts = {}, {}, {}, {}
  if type(given) == "table" then
    words = given
  else
    for word in tostring(given):gmatch("[^,]+") do
      words[#words + 1] = word
    end
  end
  for i, word in ipairs(words) do
    local goal = type(word) == "string" and not word:find(",", 1, true) and M.parse(word)
    if not goal then
      return nil, ('must be "max METRIC" or "min METRIC", or a list of them; got %s'):format(options.show(word))
    elseif seen[goal.metric] then
      return nil, ("names '%s' twice"):format(goal.metric)
    end
    goals[i], seen[goal.metric], texts[i] = goal, true, tostring(goal)
  end
  if #goals == 0 then
    return nil, ('must be "max METRIC" or "min METRIC", or a list of them; got %s'):format(options.show(given))
  end
  return goals, table.concat(texts, ", ")
end

--- Whether `a` is better than `b`; anything is better than nil and NaN.
---@param a number?
---@param b number?
function Objective:better(a, b)
  if not a or a ~= a then
    return false
  elseif not b or b ~= b then
    return true
  elseif self.direction == "max" then
    return a > b
  end
  return a < b
end

function Objective:__tostring()
  return self.direction .. " " .. self.metric
end

-- A whole number of epochs is shown and stored as one.
local function epoch_of(row, i)
  return math.tointeger(row.epoch) or i
end

--- What a trial with these rows of metrics is worth: its last and its best value, and where.
---@param rows table[] one per epoch, with `epoch` and metrics
---@return number? last nil when no row has the metric
---@return number? best
---@return integer? best_epoch
function Objective:value_of(rows)
  local last, best, best_epoch
  for i, row in ipairs(rows) do
    local value = row[self.metric]
    if type(value) == "number" then
      last = value + 0.0
      if self:better(last, best) or best == nil then
        best, best_epoch = last, epoch_of(row, i)
      end
    end
  end
  return last, best, best_epoch
end

-- The names of all metrics in the rows, sorted.
local function names_of(rows)
  local seen = {}
  for _, row in ipairs(rows) do
    for name, value in pairs(row) do
      if type(value) == "number" and name ~= "epoch" then
        seen[name] = true
      end
    end
  end
  return options.keys(seen)
end

--- Why there may be no value, when a fit will report these columns; nil when the metric is among them.
---@param columns string[]
---@return string?
function Objective:doubt(columns)
  for _, name in ipairs(columns) do
    if name == self.metric or self.metric == "seconds" or self.metric == "lr" then
      return nil
    end
  end
  return ("fit reports %s, and not the objective '%s'%s; unless run returns it, trials will fail"):format(
    table.concat(columns, ", "), self.metric, options.suggestion(self.metric, columns))
end

--- Why there is no value: for the trial's message.
---@param rows table[]
function Objective:missing(rows)
  local names = names_of(rows)
  if #names == 0 then
    return ("run returned no number and no history, and reported nothing: '%s' is unknown")
      :format(self.metric)
  end
  local near = options.nearest(self.metric, names)
  return ("the objective '%s' is not among the metrics of the trial (%s)%s"):format(self.metric,
    table.concat(names, ", "), near and ("; did you mean '%s'?"):format(near) or "")
end

return M
