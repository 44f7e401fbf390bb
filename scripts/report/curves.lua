--- Learning curves: histories of training as plots, repeats of one setting as a line with a band.
local options = require "options"
local plot = require "report.plot"
local stats = require "report.stats"
local text = require "report.text"

local M = {}

local INK = "#303030"
local UNITS = {
  accuracy = "accuracy (fraction)", error = "error (fraction)", seconds = "time (s)",
  lr = "learning rate", r2 = "R² (fraction)",
}
local NOT_METRICS = { epoch = true, lr = true, seconds = true, step = true, samples = true }

--- The words beside an axis that shows a metric.
---@param metric string with or without "val_"
---@return string
function M.axis_label(metric)
  local name = metric:gsub("^val_", "")
  return UNITS[name] or text.clean(name)
end

-- Metrics worth drawing, loss first, the others by name; "val_x" counts as x.
local function metrics_of(groups)
  local seen, names = {}, {}
  for _, group in ipairs(groups) do
    for _, history in ipairs(group.histories) do
      for _, row in ipairs(history.epochs or {}) do
        for key, value in pairs(row) do
          local name = type(key) == "string" and key:gsub("^val_", "")
          if name and type(value) == "number" and not NOT_METRICS[name] then
            seen[name] = true
          end
        end
      end
    end
  end
  for _, name in ipairs(text.keys(seen)) do
    table.insert(names, name == "loss" and 1 or #names + 1, name)
  end
  return names
end

--- Mean and range of a metric over repeats, epoch by epoch; epochs nobody measured are left out.
---@param histories table[] each with `epochs`
---@param metric string e.g. "val_loss"
---@return {x: number[], y: number[], low: number[]?, high: number[]?} low and high when any epoch has
---two or more repeats
function M.band(histories, metric)
  local values, epochs = {}, {}
  for _, history in ipairs(histories) do
    for i, row in ipairs(history.epochs or {}) do
      local epoch, value = row.epoch or i, row[metric]
      if type(value) == "number" then
        if not values[epoch] then
          values[epoch] = {}
          epochs[#epochs + 1] = epoch
        end
        table.insert(values[epoch], plot.finite(value) and value or nil)
      end
    end
  end
  table.sort(epochs)
  local result, repeats = { x = epochs, y = {}, low = {}, high = {} }, 0
  for i, epoch in ipairs(epochs) do
    local summary = stats.summary(values[epoch])
    result.y[i], result.low[i], result.high[i] = summary.mean, summary.min, summary.max
    repeats = math.max(repeats, summary.n)
  end
  if repeats < 2 then
    result.low, result.high = nil, nil
  end
  return result
end

local function is_history(value)
  return type(value) == "table" and type(value.epochs) == "table"
end

-- Every accepted form as a list of {name=, histories={...}}.
local function as_groups(given)
  if is_history(given) then
    return { { histories = { given } } }
  end
  local groups = {}
  for i, item in ipairs(type(given) == "table" and given or {}) do
    if is_history(item) then
      groups[i] = { name = item.name or ("run %d"):format(i), histories = { item } }
    elseif type(item) == "table" and type(item.histories) == "table" then
      groups[i] = { name = item.name or ("setting %d"):format(i), histories = item.histories,
        muted = item.muted }
    else
      options.fail("report.curves: item %d must be a history or {name=, histories={...}}, got %s", i,
        options.show(item))
    end
  end
  if #groups == 0 and type(given) == "table" then
    for _, name in ipairs(text.keys(given)) do
      if is_history(given[name]) then
        groups[#groups + 1] = { name = tostring(name), histories = { given[name] } }
      end
    end
  end
  if #groups == 0 then
    options.fail("report.curves: a history (what fit returns), or a list of them, expected; got %s",
      options.show(given))
  end
  return groups
end

local function has_values(band)
  return #band.x > 0
end

-- One setting: training and validation differ by colour and dash. Several: a colour for each
-- setting, training dashed, validation solid.
local function panel_of(groups, metric)
  local series, training, validation = {}, false, false
  local alone = #groups == 1
  for index, group in ipairs(groups) do
    local val, train = M.band(group.histories, "val_" .. metric), M.band(group.histories, metric)
    local both = has_values(val)
    if group.muted then
      local shown = both and val or train
      series[#series + 1] = { name = group.name, x = shown.x, y = shown.y, muted = true }
    else
      if has_values(train) then
        training = training or both
        series[#series + 1] = { name = alone and "training" or not both and group.name or nil, x = train.x,
          y = train.y, color = index, dash = both and "dashed" or "solid", width = both and 1.4 or 2,
          style = both and not alone and "line" or nil, low = not both and train.low or nil,
          high = not both and train.high or nil, marker = plot.MARKERS[1] }
      end
      if both then
        validation = true
        series[#series + 1] = { name = alone and "validation" or group.name, x = val.x, y = val.y,
          low = val.low, high = val.high, color = alone and 2 or index }
      end
    end
  end
  if not alone and training and validation then
    series[#series + 1] = { name = "validation (solid)", color = INK, x = {}, y = {} }
    series[#series + 1] = { name = "training (dashed)", color = INK, dash = "dashed", width = 1.4, x = {}, y = {} }
  end
  return { title = metric, x = { label = "epoch", integer = true }, y = { label = M.axis_label(metric) },
    series = series }
end

local CURVES = {
  metrics = { type = "table", help = 'names without "val_"; default loss and every other one' },
  title = { type = "string" }, file = { type = "string" }, formats = { type = "table" },
  terminal = { type = "boolean|string" }, size = { type = "table" }, columns = { type = "integer", min = 1 },
  log_y = { type = "boolean", default = false }, timeout = { type = "number", default = 30, above = 0 },
}

--- The plot of learning curves, as report.plot takes it.
---@param histories table a history; a list of histories; a table name -> history; or a list of
---{name=, histories={...}, muted=} whose histories are repeats drawn as mean and range
---@param given table? metrics, title, file, formats, terminal, size, columns, log_y
---@return table spec
function M.spec(histories, given)
  local chosen = options.check(given, CURVES, "report.curves")
  local groups, panels = as_groups(histories), {}
  local metrics = chosen.metrics or metrics_of(groups)
  if #metrics == 0 then
    options.fail("report.curves: the histories hold no epochs")
  end
  for i, metric in ipairs(metrics) do
    panels[i] = panel_of(groups, metric)
    panels[i].log_y = chosen.log_y
  end
  local spec = { title = chosen.title, file = chosen.file, formats = chosen.formats, timeout = chosen.timeout,
    terminal = chosen.terminal, size = chosen.size, columns = chosen.columns or math.min(#panels, 2) }
  if #panels == 1 then
    spec.title, panels[1].title = spec.title or metrics[1], nil
  end
  spec.panels = panels
  return spec
end

return M
