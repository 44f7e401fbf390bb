--- Training: `model:fit(train, { ... })` and its form as an iterator, `model:epochs(train, { ... })`.
local bundle = require "bundle"
local checkpoints = require "nn.checkpoint"
local options = require "options"
local proc = require "core.proc"
local layers = require "nn.layers"
local runs = require "nn.run"

local M = {}

---@class Layer
local Layer = layers.Layer

local SPEC = {
  loss = { type = "any", help = "name, nn.loss.NAME { ... } or function; of several outputs a table of them; "
    .. "default by the targets" },
  loss_weights = { type = "table", help = "of several outputs: what each loss counts; default 1" },
  optimizer = { type = "any", default = "adam", help = "nn.Adam { ... } or a name" },
  schedule = { type = "any", help = "learning rate: nn.schedule.NAME { ... } or function" },
  epochs = { type = "integer", min = 0, default = 10, help = "times through the data" },
  batch_size = { type = "integer|string", default = 64, help = "rows a step, or \"full\"",
    check = function(value)
      if value ~= "full" and not (type(value) == "number" and value >= 1) then
        return 'must be at least 1, or "full"'
      end
    end },
  shuffle = { type = "boolean", default = true, help = "new order every epoch" },
  drop_last = { type = "boolean", default = false, help = "leave out a last, shorter batch" },
  validation = { type = "table", help = "data set to evaluate on after each epoch" },
  metrics = { type = "table", help = "names, or lists of names by output; default { \"accuracy\" } for class labels" },
  seed = { type = "integer", help = "of starting values, order and dropout; default the trial's, or 0" },
  dtype = { type = "string", choices = { "float32", "float64" }, help = "default: that of the data" },
  clip_norm = { type = "number", above = 0, help = "largest Euclidean norm of all gradients" },
  clip_value = { type = "number", above = 0, help = "largest absolute gradient" },
  l1 = { type = "number", min = 0, default = 0, help = "penalty l1 * sum |w| on weights" },
  l2 = { type = "number", min = 0, default = 0, help = "penalty l2/2 * sum w^2 on weights" },
  max_norm = { type = "number", above = 0, help = "largest Euclidean norm of a unit's or filter's weights" },
  ema = { type = "number|table", help = "running mean of weights: decay, or { decay, warm_up }; see nn.average" },
  swa = { type = "table", help = "mean of the weights of late epochs: { start, every }; see nn.average" },
  early_stopping = { type = "integer|table", help = "patience in epochs, or { metric, patience, min_delta, mode }" },
  best_weights = { type = "boolean", help = "end with the weights of the best epoch; default with early_stopping" },
  callback = { type = "callable", help = "called as (row, history) after each epoch; \"stop\" ends training" },
  checkpoint = { type = "string", help = "file to continue from when it is there, and to keep up to date: "
    .. "an interrupted script, run again, goes on to the same result" },
  trial = { type = "any", help = "of a sweep: gets every epoch's row" },
  threads = { type = "integer", min = 1, max = 64, help = "of this training; default the trial's, or 1" },
  verbose = { type = "boolean", default = false, help = "print a line an epoch" },
  off = { type = "integer", min = 0, default = 0, help = "switch optimisations of the plan off (bits)" },
}

-- What belongs to the optimizer, and is looked for here.
local OF_OPTIMIZER = { lr = "lr", learning_rate = "lr", momentum = "momentum", weight_decay = "weight_decay" }

--- A run that has not begun, for those who drive it themselves.
---@param model Layer
---@param set table a data set
---@param given? table what fit takes
---@return Run
function M.new_run(model, set, given)
  for _, key in ipairs(type(given) == "table" and options.keys(given) or {}) do
    if OF_OPTIMIZER[key] then
      options.fail("fit: '%s' is an option of the optimizer, e.g. optimizer = nn.SGD { %s = %s }", key,
        OF_OPTIMIZER[key], options.show(given[key]))
    end
  end
  return runs.new(model, set, options.check(given or {}, SPEC, "fit"))
end

-- The columns of numbers that an epoch's row will have.
local function columns_of(run)
  local names = { "loss", table.unpack(run.names) }
  for i = 1, run.options.validation and #names or 0 do
    names[#names + 1] = "val_" .. names[i]
  end
  return names
end

-- In a sweep's pre-flight: a few real steps, from which the time of the whole run is told. An evaluation
-- is reckoned as a third of training on as many rows: forward without backward.
local function probe(run)
  local first = proc.now()
  run:single(1, 0)
  local began, steps = proc.now(), 0
  while steps < 1 or steps < 5 and proc.now() - began < 0.02 do
    run:single(1, 0)
    steps = steps + 1
  end
  local step = math.min((proc.now() - began) / steps, began - first)
  local rows = run.rows + (run.options.validation and bundle.rows(run.options.validation.x) / 3 or 0)
  run.options.trial:probed { seconds = step * rows / run.batch * run.options.epochs, columns = columns_of(run) }
end

-- In a sweep: go on where the trial was when it was interrupted. A run may fit more than once.
local function take_up(run, trial)
  trial.fits = trial.fits + 1
  run.index = trial.fits
  run.take = function()
    return checkpoints.take(run)
  end
  local saved = trial.states[run.index]
  if saved then
    local done, message = checkpoints.put(run, saved, trial.copied)
    if not done then
      options.fail("fit: the trial's checkpoint: %s", message)
    end
  end
end

local CHECKPOINT_SECONDS = 1 -- from one checkpoint to the next; longer where writing takes long
local CHECKPOINT_SHARE = 0.02 -- of the time, at most

-- Write the checkpoint when it is time, or now.
local function keep_checkpoint(run, path, now)
  local began = proc.now()
  if not now and run.checkpoint_due and began < run.checkpoint_due then
    return
  end
  local done, message = checkpoints.write(run, path)
  if not done then
    options.fail("fit: checkpoint '%s': %s", path, message)
  end
  run.checkpoint_due = proc.now() + math.max(CHECKPOINT_SECONDS, (proc.now() - began) / CHECKPOINT_SHARE)
end

--- Train. Starting values, the order of rows and dropout depend on `seed` alone; the loss of an epoch is
--- the mean over its rows as they were met, penalties included. A loss or gradient that is not finite
--- ends training with history.status "diverged" and a message naming step, layer and line.
---
--- `loss`: by default cross_entropy for class labels (binary_cross_entropy for a single output), mse for
--- numbers. See help(nn.loss), help(nn.schedule), help(nn.metrics). Of several outputs, by place or name,
--- `loss = { class = "cross_entropy", size = "mse" }, loss_weights = { size = 0.3 }` and `metrics` are
--- tables by output, and columns are called class_loss, val_size_mae and so on (output1_loss by place);
--- a function as `loss` gets all outputs and all targets.
---@param set table a data set
---@param given? table
---@return History
---@options SPEC
function Layer:fit(set, given)
  local run = M.new_run(self, set, given)
  local path, trial = run.options.checkpoint, run.options.trial
  if trial and trial.probe then
    probe(run)
  elseif trial and trial.keep then
    take_up(run, trial)
  elseif path then
    local found, message = checkpoints.read(run, path)
    if found == nil then
      options.fail("fit: %s", message)
    end
  end
  if runs.can_chunk(run) then
    while not run.stop and run.done < run.options.epochs do
      runs.chunk(run)
    end
  else
    while run:epoch() do
      if path then
        keep_checkpoint(run, path)
      elseif run.index then
        trial:keep(run.index, run.take)
      end
    end
  end
  if path then
    keep_checkpoint(run, path, true)
  elseif run.index and not run.paused then
    trial:keep(run.index, run.take, true)
  end
  return run:finish()
end

--- The same as a loop of one's own: `for row, history in model:epochs(train, { ... }) do ... end`.
---@param set table a data set
---@param given? table what fit takes
---@return fun(): table?, History?
function Layer:epochs(set, given)
  local run = M.new_run(self, set, given)
  return function()
    local row = run:epoch()
    if row then
      return row, run.history
    end
    run:finish()
  end
end

return M
