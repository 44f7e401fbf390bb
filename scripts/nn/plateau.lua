--- The schedule that waits for a metric to stop becoming better: nn.schedule.plateau.
local options = require "options"

local M = {}

-- What a plateau has seen of a history: history -> { [options] = state }. Only speeds things up: the
-- state is a function of history.epochs.
local seen = setmetatable({}, { __mode = "k" })

local function plateau_state(o, history, base_lr)
  local states = seen[history] or setmetatable({}, { __mode = "k" })
  seen[history] = states
  local state = states[o]
  if not state or state.base_lr ~= base_lr or state.done > #history.epochs then
    state = { base_lr = base_lr, lr = base_lr, done = 0, bad = 0, cooldown = 0 }
    states[o] = state
  end
  return state
end

local function metric_of(o, row)
  local name = o.metric or (row.val_loss and "val_loss" or "loss")
  if type(row[name]) ~= "number" then
    local known = {}
    for _, key in ipairs(options.keys(row)) do
      if type(row[key]) == "number" then
        known[#known + 1] = key
      end
    end
    options.fail("nn.schedule.plateau: epochs have no metric '%s'%s", name,
      options.suggestion(name, known, "; they have " .. table.concat(known, ", ")))
  end
  return name, row[name]
end

local function is_better(o, name, value, best)
  local mode = o.mode or require("nn.metrics").better(name)
  if mode == "max" then
    return value > best * (1 + (best < 0 and -o.threshold or o.threshold))
  end
  return value < best * (1 - (best < 0 and -o.threshold or o.threshold))
end

-- One epoch, as PyTorch's ReduceLROnPlateau.step takes it.
local function plateau_epoch(o, state, row)
  local name, value = metric_of(o, row)
  if state.best == nil and value == value or state.best and is_better(o, name, value, state.best) then
    state.best, state.bad = value, 0
  else
    state.bad = state.bad + 1
  end
  if state.cooldown > 0 then
    state.cooldown, state.bad = state.cooldown - 1, 0
  end
  if state.bad > o.patience then
    local lr = math.max(state.lr * o.factor, math.min(o.min, state.lr))
    state.lr = state.lr - lr > 1e-8 and lr or state.lr -- PyTorch's eps: smaller changes are left out
    state.cooldown, state.bad = o.cooldown, 0
  end
end

--- Add plateau to the schedules.
---@param schedules table nn.schedule
---@param make fun(name: string, given: table?, spec: table, value: function): Schedule
function M.install(schedules, make)
  --- Multiplied by `factor` whenever a metric has not become better for more than `patience` epochs
  --- (PyTorch's ReduceLROnPlateau, threshold relative; for a negative metric, too, better means better:
  --- PyTorch's threshold there points the wrong way).
  ---@param given? table metric: string (val_loss, or loss without validation); mode: "min" or "max" (the
  --- metric's own); factor: number (0.1); patience: epochs (10); threshold: number (1e-4); cooldown:
  --- epochs (0); min: number (0)
  ---@return Schedule
  function schedules.plateau(given)
    local spec = {
      metric = { type = "string", help = "the metric that should become better" },
      mode = { type = "string", choices = { "min", "max" }, help = "which way is better" },
      factor = { type = "number", above = 0, below = 1, default = 0.1, help = "factor of each reduction" },
      patience = { type = "integer", min = 0, default = 10, help = "epochs to wait" },
      threshold = { type = "number", min = 0, default = 1e-4, help = "smallest relative change that counts" },
      cooldown = { type = "integer", min = 0, default = 0, help = "epochs after a reduction that do not count" },
      min = { type = "number", min = 0, default = 0, help = "lowest learning rate" },
      per = { type = "string", choices = { "epoch" }, default = "epoch" },
    }
    local schedule = make("plateau", given, spec, function(o, k, base_lr, history)
      if k == 0 or not history then
        return base_lr
      end
      local state = plateau_state(o, history, base_lr)
      if state.done > k then
        state = { base_lr = base_lr, lr = base_lr, done = 0, bad = 0, cooldown = 0 }
      end
      while state.done < k and history.epochs[state.done + 1] do
        state.done = state.done + 1
        plateau_epoch(o, state, history.epochs[state.done])
      end
      return state.lr
    end)
    schedule.adaptive = true
    return schedule
  end
end

return M
