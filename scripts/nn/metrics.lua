--- Metrics: how good predictions are. `fit(train, { metrics = { "accuracy" } })`, or by hand
--- `nn.metrics.accuracy(model(x), y)`.
---
--- There is a function for every row of the engine's table (core.metrics.rows()): accuracy, precision,
--- recall, f1, mse, rmse, mae, r2; each takes predictions and targets and returns a number, NaN for
--- no samples. Class labels count from 0. Predictions of a classifier are scores, one per class and
--- sample (N, C); a binary one may have a single logit per sample (N, 1), class 1 above 0; with
--- probabilities give `{ threshold = 0.5 }`.
local core = require "core.metrics"
local options = require "options"

local M = {}

-- Rows by name.
local rows = {}

local OPTIONS = {
  threshold = { type = "number", default = 0, help = "a single output above this says class 1" },
}

for _, row in ipairs(core.rows()) do
  rows[row.name] = row
  M[row.name] = function(predicted, target, given)
    local checked = options.check(given, OPTIONS, "nn.metrics." .. row.name)
    return core.new({ row.name }, checked.threshold):add(predicted, target):value(row.name)
  end
end

--- The names of all metrics, sorted.
---@return string[]
function M.names()
  return options.keys(rows)
end

--- Which way a metric is better, also with prefixes such as "val_" and an output's name. Of names that are
--- not in the table those that end in "loss" or "error" are better when smaller, others when larger.
---@param name string
---@return "max"|"min"
function M.better(name)
  local rest = name
  while rest do
    if rows[rest] then
      return rows[rest].better
    end
    rest = rest:match("^[^_]*_(.*)$")
  end
  return (name:find("loss$") or name:find("error$")) and "min" or "max"
end

---@class MetricSet
---@field names string[]
local MetricSet = { __name = "MetricSet" }
MetricSet.__index = MetricSet

--- Several metrics that are added up batch by batch, as fit and evaluate use them.
---@param names string[] e.g. { "accuracy", "f1" }
---@param given? { threshold: number? } threshold 0
---@return MetricSet
function M.set(names, given)
  local checked = options.check(given, OPTIONS, "nn.metrics.set")
  for _, name in ipairs(names) do
    if not rows[name] then
      options.fail("unknown metric %s%s", options.show(name),
        options.suggestion(name, M.names(), "; there are " .. table.concat(M.names(), ", ")))
    end
  end
  return setmetatable({ names = names, state = core.new(names, checked.threshold) }, MetricSet)
end

--- Add a batch.
---@param predicted any tensor of scores or numbers
---@param target any tensor of labels or numbers
---@return MetricSet self
function MetricSet:add(predicted, target)
  self.state:add(predicted, target)
  return self
end

--- The values over all batches since the last reset.
---@return table<string, number>
function MetricSet:values()
  local values = {}
  for _, name in ipairs(self.names) do
    values[name] = self.state:value(name)
  end
  return values
end

--- Forget the batches.
---@return MetricSet self
function MetricSet:reset()
  self.state:reset()
  return self
end

-- ---- confusion matrix ----

---@class ConfusionMatrix
---@field counts integer[][] counts[i][j]: samples of the i-th class predicted to be of the j-th
---@field classes table[] by class: precision, recall, f1, support (number of samples), name
---@field accuracy number
local ConfusionMatrix = { __name = "ConfusionMatrix" }
ConfusionMatrix.__index = ConfusionMatrix

local function pad(text, width)
  return (" "):rep(width - utf8.len(text)) .. text
end

--- The matrix as a text table: a line for each true class, a column for each predicted one.
function ConfusionMatrix:__tostring()
  local width, first = 6, 10
  for i, class in ipairs(self.classes) do
    first = math.max(first, utf8.len(class.name))
    width = math.max(width, math.min(utf8.len(class.name) + 2, 12))
    for _, count in ipairs(self.counts[i]) do
      width = math.max(width, #tostring(count) + 1)
    end
  end
  local head = { pad("true \\ predicted", math.max(first, 16)) }
  first = utf8.len(head[1])
  for _, class in ipairs(self.classes) do
    local name = class.name
    if utf8.len(name) >= width then
      name = name:sub(1, utf8.offset(name, width - 1) - 1)
    end
    head[#head + 1] = pad(name, width)
  end
  local lines = { table.concat(head) .. "  recall  precision" }
  for i, class in ipairs(self.classes) do
    local line = { pad(class.name, first) }
    for _, count in ipairs(self.counts[i]) do
      line[#line + 1] = pad(tostring(count), width)
    end
    lines[#lines + 1] = ("%s  %6.3f  %9.3f"):format(table.concat(line), class.recall, class.precision)
  end
  return table.concat(lines, "\n")
end

--- Count which class is taken for which.
---@param predicted any tensor of scores (N, C), or logits (N, 1)
---@param target any tensor of labels (N), or a data set
---@param given? { threshold: number?, classes: string[]? } threshold 0; names of the classes, default
--- those of the data set
---@return ConfusionMatrix
function M.confusion_matrix(predicted, target, given)
  local checked = options.check(given, {
    threshold = OPTIONS.threshold,
    classes = { type = "table", help = "names of the classes" },
  }, "nn.metrics.confusion_matrix")
  local names = checked.classes
  if type(target) == "table" and target.y then
    target, names = target.y, names or target.classes
  end
  local state = core.new({ "accuracy" }, checked.threshold):add(predicted, target)
  local counts = state:confusion()
  local classes = state:classes()
  for i, class in ipairs(classes) do
    class.name = names and tostring(names[i]) or tostring(i - 1)
  end
  return setmetatable({ counts = counts, classes = classes, accuracy = state:value("accuracy") }, ConfusionMatrix)
end

return M
