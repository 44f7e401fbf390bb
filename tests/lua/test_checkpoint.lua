--- Checkpoints: training that is interrupted after any epoch and continued comes to the same bits.
local testing = require "testing"

local nn = require "nn"
local optim = require "nn.optim"
local options = require "options"
local tensors = require "core.tensor"
local core_init = require "core.init"

local folder = testing.folder()
local counter = 0

local function random(shape, seed)
  local x = tensors.zeros(shape, "float32")
  core_init.fill(x, "normal", 1, 1, seed, 0)
  return x
end

local set = { x = random({ 37, 5 }, 1), y = random({ 37, 1 }, 2) }
local validation = { x = random({ 11, 5 }, 3), y = random({ 11, 1 }, 4) }

local function model_of(given)
  return nn.Sequential { nn.Linear(7, "tanh"), given.norm and nn.BatchNorm1d() or nn.Tanh(), nn.Dropout(0.3),
    nn.Linear(1) }
end

local function path()
  counter = counter + 1
  return ("%s/%d.checkpoint"):format(folder, counter)
end

-- Everything that must come out the same: rows less the clock, weights, status.
local function outcome(model, history)
  local rows = {}
  for i, row in ipairs(history.epochs) do
    local words = {}
    for _, key in ipairs(options.keys(row)) do
      words[#words + 1] = key ~= "seconds" and ("%s=%a"):format(key, row[key]) or nil
    end
    rows[i] = table.concat(words, " ")
  end
  return { rows = rows, status = history.status, best = history.best_epoch, weights = model.book.flat:hash() }
end

-- Train in one go, and with a stop after every `cut` epochs, each time with a new model.
local function compare(given, label)
  local fit = {}
  for key, value in pairs { epochs = 6, batch_size = 8, validation = validation, seed = 3 } do
    fit[key] = value
  end
  for key, value in pairs(given.fit or {}) do
    fit[key] = value
  end
  local whole = model_of(given)
  local expected = outcome(whole, whole:fit(set, fit))
  for _, cut in ipairs(given.cuts or { 2, 3 }) do
    local file, epochs = path(), 0
    local model, history
    fit.checkpoint = file
    repeat
      epochs = epochs + 1
      model = model_of(given)
      fit.callback = epochs % cut == 0 and epochs < 6 and function(row)
        if row.epoch == epochs then
          error("interrupted", 0)
        end
      end or nil
      local fine, result = pcall(model.fit, model, set, fit)
      history = fine and result or nil
      testing.ok(fine or result == "interrupted", tostring(result))
    until history and epochs >= 6
    testing.equal(outcome(model, history), expected, ("%s, interrupted every %d epochs"):format(label, cut))
    fit.checkpoint, fit.callback = nil, nil
  end
end

local tests = {
  ["with momentum, dropout, running statistics and a schedule"] = function()
    compare({ norm = true, fit = { optimizer = nn.SGD { lr = 0.05, momentum = 0.9, nesterov = true },
      schedule = nn.schedule.cosine { total = 6 } } }, "sgd")
  end,
  ["with averaged weights"] = function()
    compare({ norm = true, fit = { ema = 0.9 } }, "ema")
    compare({ norm = true, fit = { swa = { start = 2 } } }, "swa")
  end,
  ["with early stopping and best weights"] = function()
    compare({ fit = { optimizer = nn.Adam { lr = 0.3 }, early_stopping = 2, epochs = 6 } }, "early stopping")
  end,
  ["with a schedule that looks at the past"] = function()
    compare({ fit = { optimizer = nn.SGD { lr = 1 }, schedule = nn.schedule.plateau { patience = 1 } } }, "plateau")
  end,
  ["a checkpoint of another training is refused, and a damaged one"] = function()
    local file = path()
    local model = model_of {}
    model:fit(set, { epochs = 1, checkpoint = file })
    testing.raises("another training: batch_size was 37, is 8", function()
      model_of({}):fit(set, { epochs = 2, checkpoint = file, batch_size = 8 })
    end)
    testing.raises("another training: the optimizer was nn.Adam", function()
      model_of({}):fit(set, { epochs = 2, checkpoint = file, optimizer = nn.SGD {} })
    end)
    local text = testing.read(file)
    local bit = string.char(text:byte(#text - 100) ~ 1) -- of the weights, or what the optimiser remembers
    for _, bad in ipairs { "", "hello", text:sub(1, 40), text:sub(1, -2), text .. "x", text:sub(1, 30) .. text:sub(32),
      text:sub(1, #text - 101) .. bit .. text:sub(#text - 99) } do
      testing.write(file, bad)
      testing.raises("remove the file, or name another", function()
        model_of({}):fit(set, { epochs = 2, checkpoint = file })
      end)
    end
  end,
  ["more epochs may be asked for later"] = function()
    local file = path()
    model_of({}):fit(set, { epochs = 2, checkpoint = file, batch_size = 8 })
    local more, whole = model_of {}, model_of {}
    local expected = outcome(whole, whole:fit(set, { epochs = 5, batch_size = 8 }))
    testing.equal(outcome(more, more:fit(set, { epochs = 5, checkpoint = file, batch_size = 8 })), expected)
  end,
}

for name, constructor in pairs(optim.constructors) do
  tests["to the same bits with " .. name] = function()
    local full = name == "LBFGS"
    compare({ cuts = { 2 }, fit = { optimizer = constructor {}, batch_size = full and "full" or 8 } }, name)
  end
end

return testing.run(tests)
