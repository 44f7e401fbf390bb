--- The whole state of a training run as a string, to the bit, and back.
---
--- Training that is interrupted after any epoch and continued from its checkpoint has the same history
--- and weights as if nothing had happened: parameters and running statistics, what the optimiser and
--- averages remember, history, best weights and patience are in it. Order of rows, dropout and schedules
--- need nothing: they are functions of seed, epoch and step. It is data, in the machine's byte order; no
--- code is ever run from it.
local proc = require "core.proc"
local store = require "core.store"

local M = {}

local MAGIC = "nnrun checkpoint 2\n"
local HASH = 64 -- bytes at the end of a file: the SHA-256 of the rest

-- What a checkpoint must belong to.
local function identity(run)
  local book, names = run.model.book, {}
  for i, param in ipairs(book.params) do
    names[i] = ("%s (%s)"):format(param.name, table.concat(param.tensor:shape(), ", "))
  end
  return {
    { "the model", table.concat(names, ", ") .. " " .. book.dtype }, { "the optimizer", tostring(run.optimizer) },
    { "batch_size", run.batch }, { "the number of rows", run.rows }, { "seed", run.seed },
    { "averaging", run.averaging and run.averaging.kind or "none" },
  }
end

local function frozen_of(book)
  local list = {}
  for i, param in ipairs(book.params) do
    list[i] = param.frozen and true or false
  end
  return list
end

--- The state of a run between two epochs.
---@param run table of fit
---@return string
function M.take(run)
  local average, history = run.average, run.history
  return MAGIC .. proc.encode {
    identity = identity(run), done = run.done, stop = run.stop, epochs = history.epochs, status = history.status,
    message = history.message, best_epoch = history.best_epoch, best = run.best, waited = run.waited,
    flat = run.model.book.flat:bytes(), best_flat = run.best_flat and run.best_flat:bytes(),
    frozen = frozen_of(run.model.book), optimizer = run.optim:save(),
    average = average and { count = average.count, shown = average.shown, mean = average.mean:bytes(),
      training = average.training:bytes() },
  }
end

-- Why a state does not belong to a run, or nil. A copy of a trial may have other settings, but must have the
-- same model.
local function other(run, state, copied)
  for i, entry in ipairs(identity(run)) do
    local saved = (state.identity or {})[i] or {}
    if saved[2] ~= entry[2] and not (copied and i > 1) then
      return ("it is of another training: %s was %s, is %s"):format(entry[1], tostring(saved[2]), tostring(entry[2]))
    end
  end
end

--- Put a run where a checkpoint left it.
---@param run table of fit, just begun
---@param text string
---@param copied? boolean the state is another trial's, whose settings may be others
---@return boolean? ok nil when the checkpoint is damaged or of another training: nothing is changed
---@return string? message
function M.put(run, text, copied)
  if text:sub(1, #MAGIC) ~= MAGIC then
    return nil, "it is no checkpoint, or of another version"
  end
  local fine, state = pcall(proc.decode, text:sub(#MAGIC + 1))
  if not fine or type(state) ~= "table" then
    return nil, "it is damaged"
  end
  local problem = other(run, state, copied)
  if problem then
    return nil, problem
  end
  local restored, message = run.optim:restore(state.optimizer)
  if not restored then
    return nil, message
  end
  local book, history, average = run.model.book, run.history, run.average
  book.flat:set_bytes(state.flat)
  if state.best_flat then
    run.best_flat = require("core.tensor").zeros(book.flat:shape(), book.dtype)
    run.best_flat:set_bytes(state.best_flat)
  end
  for i, param in ipairs(book.params) do
    param.frozen = state.frozen[i] or nil
  end
  if average and state.average then -- a copied trial's may not have been averaged
    average.count, average.shown = state.average.count, state.average.shown
    average.mean:set_bytes(state.average.mean)
    average.training:set_bytes(state.average.training)
  end
  run.done, run.best, run.waited, run.stop = state.done, state.best, state.waited, state.stop
  history.epochs, history.status, history.message = state.epochs, state.status, state.message
  history.best_epoch = state.best_epoch
  return true
end

--- Write a run's checkpoint to a file, whole or not at all.
---@param run table
---@param path string
---@return boolean? ok
---@return string? message
function M.write(run, path)
  local text = M.take(run)
  return require("report.files").write(path, text .. store.sha256(text))
end

--- Read a checkpoint from a file into a run.
---@param run table
---@param path string
---@return boolean? found false when there is no such file; nil when it cannot be used
---@return string? message
function M.read(run, path)
  local file = io.open(path, "rb")
  if not file then
    return false
  end
  local text = file:read("a")
  file:close()
  local body, hash = text:sub(1, -HASH - 1), text:sub(-HASH)
  local whole = text:sub(1, #MAGIC) ~= MAGIC or store.sha256(body) == hash
  local done, message = nil, "it is damaged"
  if whole then
    done, message = M.put(run, body)
  end
  if not done then
    return nil, ("checkpoint '%s': %s; remove the file, or name another"):format(path, message)
  end
  return true
end

return M
