-- Training: what fit promises about order, seeds, stopping, histories and divergence.
local testing = require "testing"
local data = require "data"
local nn = require "nn"
local tensor = require "tensor"

local tests = {}

local moons = data.moons { n = 230, noise = 0.2, seed = 1 }
local new_points = data.moons { n = 90, noise = 0.2, seed = 2 }

local function network(dropout)
  return nn.Sequential { nn.Linear(8, "tanh"), nn.Dropout(dropout or 0), nn.Linear(1) }
end

-- Everything of a history but the time it took.
local function rows_of(history)
  local rows = {}
  for i, row in ipairs(history.epochs) do
    rows[i] = {}
    for key, value in pairs(row) do
      rows[i][key] = key ~= "seconds" and value or nil
    end
  end
  return rows
end

-- Train a new network; returns rows, weights, history, model.
local function train(given, set, model)
  model = model or network(0.2)
  local with = { epochs = 4, batch_size = 32, optimizer = nn.Adam { lr = 0.01 }, seed = 7 }
  for key, value in pairs(given or {}) do
    with[key] = value
  end
  local history = model:fit(set or moons, with)
  return rows_of(history), testing.weights(model), history, model
end

-- ---- what is said ----

tests["an option of the optimizer given to fit is sent where it belongs"] = function()
  testing.raises("'learning_rate' is an option of the optimizer, e.g. optimizer = nn.SGD { lr = 0.1 }", train,
    { learning_rate = 0.1 })
end

tests["a history and an evaluation print their numbers"] = function()
  local _, _, history, model = train()
  testing.matches(tostring(history), "^4 epochs, ok, accuracy 0%.%d+, loss 0%.%d+, lr 0.01$")
  testing.matches(tostring(model:evaluate(new_points)), "^accuracy 0%.%d+, loss 0%.%d+, rows 90$")
end

-- ---- the same again ----

tests["the same seed gives the same bits, another seed others"] = function()
  local rows, weights = train { validation = new_points }
  local again, same = train { validation = new_points }
  testing.equal(again, rows)
  testing.equal(same, weights)
  local _, others = train { validation = new_points, seed = 8 }
  testing.differ(others, weights)
end

tests["a validation set changes nothing of the training"] = function()
  local _, with = train { validation = new_points }
  local _, without = train()
  testing.equal(with, without)
end

tests["the iterator form is fit in a loop"] = function()
  local rows, weights = train { validation = new_points }
  local model, seen, count = network(0.2), nil, 0
  for row, history in model:epochs(moons, { epochs = 4, batch_size = 32, optimizer = nn.Adam { lr = 0.01 }, seed = 7,
    validation = new_points }) do
    seen, count = history, count + 1
    testing.equal(row.epoch, count)
  end
  testing.equal(rows_of(seen), rows)
  testing.equal(testing.weights(model), weights)
end

tests["full batches in one call equal epochs one by one, to the bit"] = function()
  for _, dtype in ipairs { "float32", "float64" } do
    local given = { batch_size = "full", epochs = 50, metrics = {}, schedule = "cosine" }
    local at_once, weights = train(given, moons:to(dtype))
    given.callback = function() end -- has to be called after each epoch
    local one_by_one, same = train(given, moons:to(dtype))
    testing.equal(one_by_one, at_once)
    testing.equal(same, weights)
    testing.equal(#at_once, 50)
  end
end

tests["training goes on from where the weights are"] = function()
  local plain = nn.Sequential { nn.Linear(8, "tanh"), nn.Linear(1) }
  local twice = nn.Sequential { nn.Linear(8, "tanh"), nn.Linear(1) }
  local given = { optimizer = nn.SGD { lr = 0.1 }, shuffle = false, batch_size = 32, seed = 7 }
  given.epochs = 6
  plain:fit(moons, given)
  given.epochs = 3
  twice:fit(moons, given)
  twice:fit(moons, given)
  testing.equal(testing.weights(twice), testing.weights(plain))
end

tests["two threads come close to one"] = function()
  local wide = data.blobs { n = 600, features = 40, classes = 4, seed = 1 }
  local function run(threads)
    local model = nn.Sequential { nn.Linear(64, "relu"), nn.Linear(4) }
    return model:fit(wide, { epochs = 3, batch_size = 128, threads = threads, optimizer = nn.SGD { lr = 0.01 } })
  end
  local one, two = run(1), run(2)
  testing.near(two:column "loss", one:column "loss", 1e-4)
  testing.equal(rows_of(run(2)), rows_of(two))
end

tests["optimisations of the plan change rounding alone"] = function()
  for _, dtype in ipairs { "float32", "float64" } do
    local on = train({ epochs = 3 }, moons:to(dtype))
    local off = train({ epochs = 3, off = 31 }, moons:to(dtype))
    for i, row in ipairs(on) do
      testing.near(off[i].loss, row.loss, dtype == "float32" and 1e-4 or 1e-10)
    end
  end
end

-- ---- batches ----

tests["rows are shuffled unless that is switched off"] = function()
  local _, shuffled = train { epochs = 1 }
  local _, in_order = train { epochs = 1, shuffle = false }
  testing.differ(shuffled, in_order)
  -- In file order, swapping rows within a batch changes rounding, swapping batches the result.
  local _, same = train { epochs = 1, shuffle = false, seed = 7 }
  testing.equal(same, in_order)
end

tests["the loss of an epoch is the mean over rows, a shorter last batch included"] = function()
  local set = data.set { x = { { 1 }, { 2 }, { 3 }, { 4 }, { 5 } },
    y = tensor.new { { 1 }, { 0 }, { 2 }, { 1 }, { 6 } } }
  local still = nn.Sequential { nn.Linear(1, { weight_init = "zeros", bias_init = "zeros" }) }
  local given = { optimizer = nn.SGD { lr = 0 }, epochs = 1, batch_size = 2, shuffle = false,
    metrics = { "mse", "mae" } }
  local row = still:fit(set, given).epochs[1]
  testing.near(row.loss, (1 + 0 + 4 + 1 + 36) / 5)
  testing.near(row.mse, row.loss)
  testing.near(row.mae, 10 / 5)
  given.drop_last = true
  testing.near(still:fit(set, given).epochs[1].loss, (1 + 0 + 4 + 1) / 4)
end

tests["a batch larger than the data is the data"] = function()
  local large = train { batch_size = 5000, epochs = 2 }
  local full = train { batch_size = "full", epochs = 2 }
  testing.equal(large, full)
end

tests["accuracy counts exactly"] = function()
  local _, _, history, model = train { validation = new_points }
  local last = history.epochs[4]
  testing.equal(last.accuracy * 230, math.floor(last.accuracy * 230 + 0.5))
  local right = 0
  local logits = model:predict(new_points)
  for i = 1, 90 do
    right = right + ((logits:get(i, 1) > 0 and 1 or 0) == new_points.y:get(i) and 1 or 0)
  end
  testing.equal(last.val_accuracy, right / 90)
  testing.equal(model:evaluate(new_points).accuracy, right / 90)
end

-- ---- what changes the update ----

-- One weight, from `start`, one step on a loss whose gradient is `slope`.
local function one_step(given, start, slope)
  local set = data.set { x = tensor.full({ 1, 1 }, slope, "float64"), y = tensor.zeros({ 1, 1 }, "float64") }
  local model = nn.Sequential { nn.Linear { out = 1, bias = false, weight_init = { { start } } } }
  given.loss = given.loss or function(prediction) return nn.op.mean(prediction) end
  given.epochs, given.optimizer = given.epochs or 1, given.optimizer or nn.SGD { lr = 0.1 }
  local history = model:fit(set, given)
  return model:parameters()[1].tensor:item(), history
end

tests["gradients are clipped by norm and by value"] = function()
  testing.near(one_step({}, 1, 30), 1 - 0.1 * 30, 1e-12)
  testing.near(one_step({ clip_norm = 5 }, 1, 30), 1 - 0.1 * 5, 1e-6)
  testing.near(one_step({ clip_value = 2 }, 1, -30), 1 + 0.1 * 2, 1e-12)
  testing.near(one_step({ clip_norm = 50 }, 1, 30), 1 - 0.1 * 30, 1e-12)
end

tests["penalties are part of the loss and its gradient"] = function()
  local weight, history = one_step({ l2 = 0.5 }, 2, 3)
  testing.near(weight, 2 - 0.1 * (3 + 0.5 * 2), 1e-12)
  testing.near(history.epochs[1].loss, 6 + 0.25 * 4, 1e-12)
  weight, history = one_step({ l1 = 0.5 }, -2, 3)
  testing.near(weight, -2 - 0.1 * (3 - 0.5), 1e-12)
  testing.near(history.epochs[1].loss, -6 + 0.5 * 2, 1e-12)
end

tests["penalties leave biases alone"] = function()
  local model = nn.Sequential { nn.Linear(1, { weight_init = { { 1 } }, bias_init = { 3 } }) }
  local set = data.set { x = { { 0 } }, y = tensor.zeros { 1, 1 } }
  model:fit(set, { l2 = 1, l1 = 1, loss = function(p) return nn.op.mean(p * 0) end, optimizer = nn.SGD { lr = 0.5 },
    epochs = 1 })
  testing.near(model:weights()["linear_1.bias"]:item(), 3)
  testing.near(model:weights()["linear_1.weight"]:item(), 1 - 0.5 * 2)
end

tests["a schedule sets the learning rate of each epoch"] = function()
  local _, history = one_step({ epochs = 4, schedule = nn.schedule.exponential { gamma = 0.5 } }, 1, 1)
  testing.near(history:column "lr", { 0.1, 0.05, 0.025, 0.0125 }, 1e-12)
  local weight
  weight, history = one_step({ epochs = 3, schedule = function(epoch, lr) return lr * epoch end }, 1, 1)
  testing.near(history:column "lr", { 0.1, 0.2, 0.3 }, 1e-12)
  testing.near(weight, 1 - 0.6, 1e-12)
end

tests["a layer may learn at a rate of its own"] = function()
  local model = nn.Sequential { nn.Linear { out = 1, bias = false, weight_init = { { 1 } }, lr_scale = 0.5 } }
  model:fit(data.set { x = { { 2 } }, y = tensor.zeros { 1, 1 } }, {
    loss = function(p) return nn.op.mean(p) end, optimizer = nn.SGD { lr = 0.1 }, epochs = 1,
  })
  testing.near(model:parameters()[1].tensor:item(), 1 - 0.05 * 2)
end

tests["float64 data trains in float64"] = function()
  local _, _, _, model = train({}, moons:to "float64")
  testing.equal(model:parameters()[1].tensor:dtype(), "float64")
  local _, _, _, small = train({ dtype = "float32" }, moons:to "float64")
  testing.equal(small:parameters()[1].tensor:dtype(), "float32")
  testing.raises("the model is float32, the data float64", function()
    small:fit(moons, { dtype = "float64" })
  end)
end

-- ---- stopping ----

tests["early stopping waits, and gives back the best weights"] = function()
  local model = network()
  local history = model:fit(moons, { optimizer = nn.SGD { lr = 8 }, epochs = 200, batch_size = 32,
    validation = new_points, early_stopping = { patience = 3, metric = "val_loss" }, seed = 3 })
  testing.equal(history.status, "stopped")
  testing.equal(#history.epochs, history.best_epoch + 3)
  local best = math.huge
  for _, row in ipairs(history.epochs) do
    best = math.min(best, row.val_loss)
  end
  testing.equal(history.epochs[history.best_epoch].val_loss, best)
  testing.equal(model:evaluate(new_points).loss, best)
  testing.contains(history.message, "no better val_loss for 3 epochs")
end

tests["best_weights alone trains to the end and goes back"] = function()
  local model = network()
  local history = model:fit(moons, { optimizer = nn.SGD { lr = 8 }, epochs = 12, batch_size = 32,
    validation = new_points, best_weights = true })
  testing.equal(#history.epochs, 12)
  testing.equal(history.status, "ok")
  testing.equal(model:evaluate(new_points).loss, history.epochs[history.best_epoch].val_loss)
end

tests["early stopping on accuracy wants more of it"] = function()
  local history = network():fit(moons, { epochs = 60, validation = new_points,
    early_stopping = { patience = 2, metric = "val_accuracy" } })
  local best = 0
  for _, row in ipairs(history.epochs) do
    best = math.max(best, row.val_accuracy)
  end
  testing.equal(history.epochs[history.best_epoch].val_accuracy, best)
end

tests["a callback sees every epoch and may stop"] = function()
  local seen = {}
  local _, _, history = train { epochs = 10, callback = function(row, so_far)
    seen[#seen + 1] = row.epoch
    testing.equal(#so_far.epochs, row.epoch)
    return row.epoch == 3 and "stop" or nil
  end }
  testing.equal(seen, { 1, 2, 3 })
  testing.equal(history.status, "stopped")
  testing.contains(history.message, "stopped after epoch 3")
end

tests["a trial gets each row, gives the seed, and may stop"] = function()
  local rows = {}
  local trial = { seed = 7, report = function(_, epoch, row)
    rows[epoch] = row.loss
    return epoch == 2 and "stop" or nil
  end }
  local _, _, history = train { trial = trial }
  testing.equal(#history.epochs, 2)
  testing.equal(rows, history:column "loss")
end

-- ---- metrics ----

tests["metrics of classes and of numbers are in each row"] = function()
  local _, _, history = train { metrics = { "accuracy", "f1" }, validation = new_points }
  local row = history.epochs[4]
  testing.ok(row.accuracy and row.val_accuracy and row.val_f1 and row.val_loss)
  testing.ok(row.val_f1 > 0.5 and row.val_f1 <= 1)
  local set = data.regression { n = 300, features = 2, seed = 1 }
  local numbers = nn.Sequential { nn.Linear(1) }:fit(set, { epochs = 60, validation = set, metrics = { "mae", "r2" },
    optimizer = nn.Adam { lr = 0.05 } })
  testing.ok(numbers.epochs[60].val_r2 > 0.9, tostring(numbers))
  testing.ok(numbers.epochs[60].mae < 0.2)
end

tests["classes are learnt"] = function()
  local set = data.blobs { n = 300, classes = 4, noise = 0.5, seed = 3 }
  local model = nn.Sequential { nn.Linear(16, "relu"), nn.Linear(4) }
  model:fit(set, { epochs = 30, optimizer = nn.Adam { lr = 0.02 } })
  testing.ok(model:evaluate(set).accuracy > 0.95)
end

-- ---- divergence ----

tests["a diverging loss ends training as a result, with step, layer and line"] = function()
  local set = data.regression { n = 40, features = 3, seed = 1 }
  local line = debug.getinfo(1, "l").currentline + 1
  local model = nn.Sequential { nn.Linear(4), nn.Linear(1) }
  local history = model:fit(set, { optimizer = nn.SGD { lr = 1e30 }, epochs = 5, batch_size = 10 })
  testing.equal(history.status, "diverged")
  testing.matches(history.message, "^diverged at step %d+ in linear_%d: ")
  testing.contains(history.message, ("test_nn_fit.lua:%d"):format(line))
  testing.equal(#history.epochs, 0)
end

tests["divergence in the midst of full-batch training keeps the epochs before it"] = function()
  local set = data.regression { n = 40, features = 3, seed = 1 }
  local function run(callback)
    local model = nn.Sequential { nn.Linear(4), nn.Linear(1) }
    return model:fit(set, { optimizer = nn.SGD { lr = 0.3 }, epochs = 900, batch_size = "full", metrics = {},
      callback = callback })
  end
  local at_once, one_by_one = run(), run(function() end)
  testing.equal(at_once.status, "diverged")
  testing.ok(#at_once.epochs > 3 and #at_once.epochs < 900)
  testing.equal(one_by_one.message, at_once.message)
  testing.equal(rows_of(one_by_one), rows_of(at_once))
  testing.contains(at_once.message, ("step %d "):format(#at_once.epochs + 1))
end

tests["a gradient that is not finite is caught in its step, with the parameter"] = function()
  local model = nn.Sequential { nn.Linear(2), function(x) return nn.op.sqrt(x - x) end, nn.Linear(1) }
  local history = model:fit(moons, { optimizer = nn.SGD { lr = 0.1 }, epochs = 2 })
  testing.equal(history.status, "diverged")
  testing.matches(history.message, "^diverged at step 1 in linear_1: the gradient of %a+ is not finite")
end

tests["a run that diverged gives back its best weights when they were asked for"] = function()
  local set = data.regression { n = 40, features = 3, seed = 1 }
  local model = nn.Sequential { nn.Linear(1) }
  local history = model:fit(set, { optimizer = nn.SGD { lr = 0.5 }, epochs = 80, batch_size = "full",
    best_weights = true, schedule = function(epoch) return epoch < 10 and 0.05 or 1e20 end, validation = set })
  testing.equal(history.status, "diverged")
  testing.equal(history.best_epoch, 9)
  testing.equal(model:evaluate(set).loss, history.epochs[9].val_loss)
end

tests["a trial is told that training diverged"] = function()
  local told
  local trial = { seed = 1, report = function() end, diverged = function(_, message) told = message end }
  nn.Sequential { nn.Linear(4), nn.Linear(1) }:fit(data.regression { n = 40, features = 3 },
    { optimizer = nn.SGD { lr = 1e30 }, epochs = 5, batch_size = 10, trial = trial })
  testing.contains(told, "diverged at step")
end

-- ---- mistakes ----

tests["mistakes in the options are met with an answer"] = function()
  local function fit(given, set)
    return function() network():fit(set or moons, given) end
  end
  testing.raises("did you mean 'epochs'?", fit { epoch = 3 })
  testing.raises('must be at least 1, or "full"', fit { batch_size = 0 })
  testing.raises("did you mean 'accuracy'?", fit { metrics = { "acuracy" } })
  testing.raises("did you mean 'adam'?", fit { optimizer = "adan" })
  testing.raises("there is no metric 'val_los'", fit { early_stopping = { metric = "val_los" }, epochs = 1 })
  testing.raises("expected a data set", fit({}, 3))
  testing.raises("has no targets", fit({}, data.set { x = { { 1, 2 } } }))
  testing.raises("has no rows", fit({}, moons:rows(1, 0)))
  local message = testing.raises(fit { seed = "one" })
  testing.contains(message, "test_nn_fit.lua:")
end

tests["NaN in the data is refused where the set is made"] = function()
  testing.raises("row 1, column 2 is NaN", function() data.set { x = { { 1, 0 / 0 } }, y = { 0 } } end)
  local set = data.set { x = { { 1, 0 / 0 }, { 2, 1 } }, y = { 0, 1 }, missing = "keep" }
  local history = network():fit(set, { epochs = 3 })
  testing.equal(history.status, "diverged")
  testing.matches(history.message, "^diverged at step 1: x is not finite")
end

return testing.run(tests)
