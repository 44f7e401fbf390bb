--- One training run: what fit prepares once, and the epochs.
---
--- A run keeps the engine's step for full and for last, shorter batches, the optimiser, and the order
--- of rows, which depends on seed and epoch alone. One call to the engine is one epoch, or many of
--- them when nothing has to happen in between.
local averages = require "nn.average"
local bundle = require "bundle"
local core = require "core.train"
local gradcheck = require "nn.gradcheck"
local groups = require "nn.groups"
local metric_module = require "nn.metrics"
local models = require "nn.model"
local optimizers = require "nn.optim"
local options = require "options"
local proc = require "core.proc"
local schedules = require "nn.schedule"
local seals = require "data.seal"
local step_module = require "nn.step"
local tensors = require "core.tensor"
local History = require "nn.history"

local M = {}

local STOPPING = {
  metric = { type = "string", help = "default val_loss, or loss without validation" },
  patience = { type = "integer", min = 0, default = 5, help = "epochs without improvement" },
  min_delta = { type = "number", min = 0, default = 0, help = "smallest improvement that counts" },
  mode = { type = "string", choices = { "min", "max" }, help = "default: that of the metric" },
}

local function stopping_of(given)
  local value = given.early_stopping
  if value == nil then
    return given.best_weights and { patience = math.huge, min_delta = 0 } or nil
  end
  return options.check(type(value) == "table" and value or { patience = value }, STOPPING, "fit: early_stopping")
end

---@class Run
local Run = {}
Run.__index = Run

local pools = {}

local function pool_of(threads)
  if threads == 1 then
    return nil
  end
  pools[threads] = pools[threads] or core.pool(threads)
  return pools[threads]
end

-- Steps for batches of `rows`, made when first needed.
local function step_of(run, rows)
  local made = run.steps[rows]
  if not made then
    local o = run.options
    made = step_module.make(run.model, {
      x = run.x, y = run.set.y, rows = rows, criterion = run.criterion, loss = o.loss, loss_weights = o.loss_weights,
      metrics = o.metrics, training = true, grads = run.grads, pool = run.pool, off = o.off, l1 = o.l1, l2 = o.l2,
    })
    run.steps[rows] = made
  end
  return made
end

local function check_data(set, what)
  local function check_part(part, key, name)
    if not tensors.is_tensor(part) then
      options.fail("%s: %s must be a tensor, got %s", what, bundle.name(name, key), options.show(part))
    end
  end
  if type(set) ~= "table" or set.x == nil then
    options.fail("%s: expected a data set, got %s", what, options.show(set))
  end
  if set.y == nil then
    options.fail("%s: the data set has no targets", what)
  end
  local rows
  for i, parts in ipairs { set.x, set.y } do
    bundle.map(parts, function(part, key)
      check_part(part, key, i == 1 and "x" or "y")
      rows = rows or part:shape()[1]
      if rows == 0 then
        options.fail("%s: the data set has no rows", what)
      elseif part:shape()[1] ~= rows then
        options.fail("%s: the data set has %d rows, but %s %d", what, rows,
          i == 2 and key == "" and "targets for" or bundle.name(i == 1 and "x" or "y", key), part:shape()[1] or 0)
      end
    end)
  end
  return rows
end

-- What a model needs before it can train: parameters of the right type, and their gradients.
local function prepare_model(run, dtype)
  local model, o = run.model, run.options
  if model.book and dtype ~= model.book.dtype then
    options.fail("fit: the model is %s, the data %s; convert one with :to(...)", model.book.dtype, dtype)
  end
  if not model.book then
    model:build(run.set, { seed = run.seed, dtype = dtype })
  end
  local book = model.book
  run.grads = tensors.zeros(book.flat:shape(), book.dtype)
  run.optim = core.optim(run.optimizer, groups.segments(book, run.optimizer, o.max_norm), book.flat, run.grads)
  run.frozen = groups.frozen_text(book)
  run.average = run.averaging and averages.new(run.averaging, book.flat, run.optim)
  run.pool = pool_of(o.threads or (o.trial and o.trial.threads) or 1)
end

-- After freeze or unfreeze between epochs: other gradients are wanted, and other parameters change.
local function follow_freezing(run)
  local book = run.model.book
  local frozen = groups.frozen_text(book)
  if frozen ~= run.frozen then
    run.frozen, run.steps = frozen, {}
    run.optim:segments(groups.segments(book, run.optimizer, run.options.max_norm))
  end
end

local function check_search(o, optimizer)
  if optimizer.searches and (o.clip_norm or o.clip_value) then
    options.fail("fit: nn.%s compares losses along a line, where gradients must not be clipped; leave out %s",
      optimizer.title, o.clip_norm and "clip_norm" or "clip_value")
  end
end

--- Begin a run: everything is checked and planned, nothing trained.
---@param model Layer
---@param set table a data set
---@param o table fit's options, checked
---@return Run
function M.new(model, set, o)
  set, o.validation = seals.open(set, "fit"), seals.open(o.validation, "validation")
  local rows = check_data(set, "fit")
  local run = setmetatable({ model = model, set = set, options = o, steps = {}, done = 0, rows = rows }, Run)
  run.seed = o.seed or (o.trial and o.trial.seed) or 0
  run.optimizer = optimizers.optimizer(o.optimizer)
  check_search(o, run.optimizer)
  run.averaging = averages.settings(o)
  run.schedule = schedules.from(o.schedule)
  run.batch = o.batch_size == "full" and rows or math.min(o.batch_size, rows)
  local dtype = o.dtype or (model.book and model.book.dtype) or models.dtype_of(set.x)
  run.x = models.inputs_as(set.x, dtype)
  prepare_model(run, dtype)
  local full = step_of(run, run.batch)
  run.criterion, run.names, run.data = full.criterion, full.names, bundle.list(run.x)
  table.move(full.targets, 1, #full.targets, #run.data + 1, run.data)
  model.criterion = run.criterion
  if o.trial and o.trial.gradcheck then
    gradcheck.in_trial(model, set, run.criterion, o.trial)
  end
  run.shuffled = o.shuffle and run.batch < rows
  run.order = run.shuffled and tensors.zeros({ rows }, "int64") or nil
  if o.validation then
    check_data(o.validation, "fit: validation")
    run.validate = models.evaluator(model, o.validation, { criterion = run.criterion, metrics = o.metrics,
      pool = run.pool })
  end
  run.stopping = stopping_of(o)
  run.keep_best = o.best_weights == nil and o.early_stopping ~= nil or o.best_weights
  run.history = setmetatable({ epochs = {}, status = "ok", planned_epochs = o.epochs,
    planned_steps = o.epochs * (o.drop_last and rows // run.batch or math.ceil(rows / run.batch)) }, History)
  schedules.check_momentum(run.schedule, run.optimizer, run.history)
  return run
end

-- Learning rates and momenta from epoch or step `first` on, as tensors for the engine.
local function rates_of(run, first, count)
  local momenta = schedules.momenta(run.schedule, first, count, run.history)
  return tensors.new(schedules.values(run.schedule, first, count, run.optimizer.lr, run.history), "float64"),
    momenta and tensors.new(momenta, "float64")
end

-- What the engine says of a divergence: the value that is not finite, or whose gradient.
local function describe_divergence(run, sums)
  if sums.message then
    return sums.message
  end
  local param = run.model.book.params[sums.segment]
  local layer, key = param.name:match("^(.*)%.([^.]*)$")
  return ("diverged at step %d in %s: the gradient of %s is not finite"):format(run.optim:steps(), layer, key)
end

-- Compute the model's running statistics in at least so many steps over the training data.
local function refresh_statistics(run, steps)
  local buffers = false
  for _, param in ipairs(run.model.book.params) do
    buffers = buffers or param.buffer
  end
  local batches = run.rows // run.batch
  for _ = 1, buffers and math.ceil(steps / batches) or 0 do
    step_of(run, run.batch).step:run { data = run.data, order = run.order, batches = batches, seed = run.seed }
  end
end

-- Run the batches of one epoch; returns sums, or nil and a message when training diverged.
local function run_batches(run, epoch)
  local whole, rest = run.rows // run.batch, run.rows % run.batch
  if run.options.drop_last then
    rest = 0
  end
  run.steps_per_epoch = whole + (rest > 0 and 1 or 0)
  local per_step = run.schedule.per == "step"
  local rates, momenta = rates_of(run, per_step and (epoch - 1) * run.steps_per_epoch + 1 or epoch,
    per_step and run.steps_per_epoch or 1)
  run.lr = rates:get(rates:size())
  if run.order then
    core.permute(run.order, run.seed, epoch)
  end
  local total = { loss = 0, metrics = {}, rows = whole * run.batch + rest }
  for _, part in ipairs { { run.batch, whole, 0 }, { rest, 1, whole } } do
    local rows, batches, before = part[1], part[2], part[3]
    if rows > 0 and batches > 0 then
      local o = run.options
      local sums = step_of(run, rows).step:run {
        data = run.data, order = run.order, first = before * run.batch, batches = batches,
        optim = run.optim, lr = run.lr, momentum = not per_step and momenta and momenta:get(1) or nil,
        rates = per_step and rates:rows(before + 1, before + batches) or nil,
        momenta = per_step and momenta and momenta:rows(before + 1, before + batches) or nil,
        clip_norm = o.clip_norm, clip_value = o.clip_value, seed = run.seed,
      }
      if sums.diverged then
        return nil, describe_divergence(run, sums)
      end
      total.loss = total.loss + sums.loss
      for i in ipairs(run.names) do
        total.metrics[i] = (total.metrics[i] or 0) + sums.metrics[i]
      end
    end
  end
  return total
end

-- Better than the best so far? Keeps count of epochs without improvement.
local function watch(run, row)
  local s = run.stopping
  if not s then
    return
  end
  local name = s.metric or (row.val_loss and "val_loss" or "loss")
  local value = row[name]
  if type(value) ~= "number" then
    options.fail("fit: early_stopping: there is no metric '%s'", name)
  end
  local better = (s.mode or metric_module.better(name)) == "max" and function(a, b)
    return a > b + s.min_delta
  end or function(a, b)
    return a < b - s.min_delta
  end
  if run.best == nil or better(value, run.best) then
    run.best, run.waited = value, 0
    run.history.best_epoch = row.epoch
    if run.keep_best then
      run.best_flat = run.best_flat or tensors.zeros(run.model.book.flat:shape(), run.model.book.dtype)
      run.best_flat:copy(run.model.book.flat)
    end
  else
    run.waited = run.waited + 1
  end
  if run.waited >= s.patience and s.patience < math.huge then
    run.history.status = "stopped"
    run.history.message = ("no better %s for %d epochs; the best was epoch %d"):format(name, run.waited,
      run.history.best_epoch)
    run.stop = true
  end
end

local function print_row(row, planned, names)
  local parts = { ("epoch %d/%d"):format(row.epoch, planned) }
  for _, prefix in ipairs { "", "val_" } do
    for i = 0, #names do
      local key = prefix .. (names[i] or "loss")
      if row[key] then
        parts[#parts + 1] = ("%s %.4f"):format(key, row[key])
      end
    end
  end
  parts[#parts + 1] = ("%.1f s"):format(row.seconds)
  print(table.concat(parts, "  "))
end

local function diverged(run, message)
  run.history.status, run.history.message, run.stop = "diverged", message, true
end

-- Full batches with nothing to do in between: many epochs in one call.
local CHUNK = 1000

--- Train many epochs in one call; only where can_chunk says so.
---@param run Run
function M.chunk(run)
  local o = run.options
  local count = math.min(CHUNK, o.epochs - run.done)
  local losses_of = tensors.zeros({ count }, "float64")
  local rates, momenta = rates_of(run, run.done + 1, count)
  local started = proc.now()
  if run.average then
    run.average:enter()
  end
  local sums = step_of(run, run.batch).step:run {
    data = run.data, batches = 1, repeated = count, optim = run.optim, rates = rates, momenta = momenta,
    losses = losses_of, clip_norm = o.clip_norm, clip_value = o.clip_value, seed = run.seed,
  }
  local seconds = (proc.now() - started) / math.max(sums.steps, 1)
  local values, lrs, epochs = losses_of:totable(), rates:totable(), run.history.epochs
  for i = 1, sums.steps do
    epochs[run.done + i] = { epoch = run.done + i, loss = values[i], lr = lrs[i], seconds = seconds }
  end
  run.done = run.done + sums.steps
  if run.average and not sums.diverged then
    run.average:leave(run.done)
  end
  if sums.diverged then
    diverged(run, describe_divergence(run, sums))
  end
end

--- Whether nothing has to happen between epochs.
---@param run Run
---@return boolean
function M.can_chunk(run)
  local o = run.options
  return run.batch == run.rows and #run.names == 0 and not (o.validation or run.stopping or o.callback
    or o.trial or o.checkpoint or o.verbose or o.swa or run.schedule.adaptive)
end

--- Train one epoch.
---@return table? row nil when training has ended
function Run:epoch()
  local o, history = self.options, self.history
  if self.stop or self.paused or self.done >= o.epochs then
    return nil
  end
  local started = proc.now()
  local epoch = self.done + 1
  follow_freezing(self)
  if self.average then
    self.average:enter()
  end
  local total, message = run_batches(self, epoch)
  if total and self.average then
    self.average:leave(epoch, function(steps)
      refresh_statistics(self, steps)
    end)
  end
  if not total then
    diverged(self, message)
    if o.trial and o.trial.diverged then
      o.trial:diverged(message)
    end
    return nil
  end
  self.done = epoch
  local row = { epoch = epoch, loss = total.loss / total.rows, lr = self.lr }
  for i, name in ipairs(self.names) do
    row[name] = total.metrics[i] / total.rows
  end
  if self.validate then
    for name, value in pairs(self.validate()) do
      if name ~= "rows" then
        row["val_" .. name] = value
      end
    end
  end
  row.seconds = proc.now() - started
  history.epochs[epoch] = row
  watch(self, row)
  if o.verbose then
    print_row(row, o.epochs, self.names)
  end
  local asked = o.callback and o.callback(row, history)
  if o.trial then
    o.trial.samples = (o.trial.samples or 0) + total.rows
  end
  local told = o.trial and o.trial:report(epoch, row)
  if asked == "stop" or told == "stop" then
    history.status, history.message = "stopped", ("stopped after epoch %d"):format(epoch)
    self.stop = true
  end
  self.paused = told == "pause"
  return row
end

--- One step on a full batch, with a learning rate of its own: the `index`-th, from 1, of as many epochs
--- as it takes.
---@param index integer
---@param lr number
---@return number? loss of the batch before the update; nil when it or a gradient is not finite
function Run:single(index, lr)
  local batches = self.rows // self.batch
  local epoch, place = (index - 1) // batches + 1, (index - 1) % batches
  if self.order and place == 0 then
    core.permute(self.order, self.seed, epoch)
  end
  local sums = step_of(self, self.batch).step:run {
    data = self.data, order = self.order, first = place * self.batch, batches = 1, optim = self.optim, lr = lr,
    clip_norm = self.options.clip_norm, clip_value = self.options.clip_value, seed = self.seed,
  }
  return not sums.diverged and sums.last_loss or nil
end

function Run:finish()
  local trial = self.options.trial
  if self.keep_best and self.best_flat then
    self.model.book.flat:copy(self.best_flat)
  end
  if trial then
    trial.weights = self.model.book.flat:hash() -- what running the trial again must come to
  end
  return self.history
end

return M
