local testing = require "testing"
local schedule = require "nn.schedule"

local EPOCHS, BASE = 50, 0.5
local tests = {}

-- The history of the golden plateau: epochs with a metric, as make_schedule.py has it.
local function history_of(name)
  local history = { epochs = {} }
  for i = 0, EPOCHS - 1 do
    history.epochs[i + 1] = { epoch = i + 1, [name] = 2 + math.cos(0.7 * i) - 0.02 * i }
  end
  return history
end

tests["schedules give the learning rates of PyTorch"] = function()
  local mine = {
    step = schedule.step { every = 7, gamma = 0.3 },
    milestones = schedule.milestones { at = { 3, 10, 11 }, gamma = 0.5 },
    exponential = schedule.exponential { gamma = 0.9 },
    cosine = schedule.cosine { total = EPOCHS, min = 0.01 },
    warmup = schedule.warmup { total = 6, start = 0.2 },
    plateau = schedule.plateau { mode = "min", metric = "m", factor = 0.5, patience = 2,
      threshold = 0.01, cooldown = 1, min = 0.05 },
    plateau_max = schedule.plateau { mode = "max", metric = "m", factor = 0.3, patience = 1 },
    constant = schedule.constant { factor = 0.3, total = 7 },
    linear = schedule.linear { start = 0.2, stop = 0.7, total = 20 },
    polynomial = schedule.polynomial { total = 35, power = 1.7 },
    multiplicative = schedule.multiplicative { factor = function(n) return 0.9 + 0.1 * math.cos(n - 1) end },
    restarts = schedule.cosine_restarts { first = 6, factor = 2, min = 0.01 },
    restarts_even = schedule.cosine_restarts { first = 9 },
    sequence = schedule.sequence { schedule.linear { start = 0.1, total = 5 }, schedule.exponential { gamma = 0.9 },
      schedule.step { every = 4, gamma = 0.5 }, at = { 5, 20 } },
    chain = schedule.chain { schedule.constant { factor = 0.1, total = 4 }, schedule.exponential { gamma = 0.95 } },
    one_cycle = schedule.one_cycle { max_lr = 0.8, total = EPOCHS },
    one_cycle_linear = schedule.one_cycle { total = EPOCHS, pct_start = 0.25, anneal_strategy = "linear",
      base_momentum = 0.6, max_momentum = 0.9, div_factor = 10, final_div_factor = 100, three_phase = true },
    cyclic = schedule.cyclic { max_lr = 2, step_size_up = 7 },
    cyclic_halved = schedule.cyclic { max_lr = 2, step_size_up = 5, step_size_down = 3, mode = "triangular2",
      base_momentum = 0.5, max_momentum = 0.7 },
    cyclic_decayed = schedule.cyclic { max_lr = 3, step_size_up = 6, mode = "exp_range", gamma = 0.97,
      cycle_momentum = false },
  }
  local history = history_of("m")
  local lines = testing.golden "schedule.csv"
  for name, one in pairs(mine) do
    testing.near(schedule.values(one, 1, EPOCHS, BASE, history), lines[name], 1e-12, name)
    local momenta, expected = schedule.momenta(one, 1, EPOCHS, history), lines[name .. "_momentum"]
    testing.ok((momenta ~= nil) == (expected ~= nil), name)
    if momenta then
      testing.near(momenta, expected, 1e-12, name)
    end
    lines[name], lines[name .. "_momentum"] = nil, nil
  end
  mine = lines
  testing.equal(next(mine), nil, "golden values without a schedule")
end

tests["a warm-up is followed by the other schedule from its beginning"] = function()
  local tail = schedule.exponential { gamma = 0.5 }
  local both = schedule.warmup { total = 2, start = 0.5, next = tail }
  testing.near(schedule.values(both, 1, 5, 1), { 0.5, 0.75, 1, 0.5, 0.25 })
  local plain = schedule.warmup { total = 2, next = function(n, lr) return lr * n end }
  testing.near(schedule.values(plain, 3, 3, 0.1), { 0.1, 0.2, 0.3 })
end

tests["schedules answer the same in any order"] = function()
  for _, one in ipairs { schedule.cosine_restarts { first = 3, factor = 2 }, schedule.one_cycle { total = 20 },
    schedule.multiplicative { factor = function(n) return 1 / n end } } do
    local forwards = schedule.values(one, 1, 20, 1)
    for n = 20, 1, -1 do
      testing.equal(one(n, 1), forwards[n])
    end
  end
end

tests["one cycle stays at its end, and takes its length from the training"] = function()
  local cycle = schedule.one_cycle { total = 10 }
  testing.near(cycle(25, 1), 1 / 25 / 1e4)
  testing.near(cycle:momentum(25), 0.95)
  local history = { epochs = {}, planned_epochs = 4, planned_steps = 10 }
  testing.equal(schedule.one_cycle()(7, 1, history), cycle(7, 1))
  testing.equal(cycle.per, "step")
end

tests["a warm-up or a sequence hands on the momentum of what follows"] = function()
  local cycle = schedule.one_cycle { total = 10 }
  local both = schedule.warmup { total = 3, next = cycle }
  testing.equal(both:momentum(2), nil)
  testing.equal(both:momentum(5), cycle:momentum(2))
  testing.equal(schedule.momenta(both, 3, 2), { 0, cycle:momentum(1) })
  local list = schedule.sequence { schedule.constant { per = "step" }, cycle, at = { 4 } }
  testing.equal(list:momentum(5), cycle:momentum(1))
  testing.equal(list.per, "step")
end

tests["the cosine stays at its minimum after the end"] = function()
  local cosine = schedule.cosine { total = 4, min = 0.25 }
  testing.near(schedule.values(cosine, 1, 7, 1), { 1, 0.8901650429449552, 0.625, 0.3598349570550448, 0.25, 0.25, 0.25 })
end

tests["the cosine takes its length from the training when none is given"] = function()
  local history = { epochs = {}, planned_epochs = 4, planned_steps = 8 }
  testing.near(schedule.cosine()(3, 1, history), 0.5)
  testing.near(schedule.cosine { per = "step" }(5, 1, history), 0.5)
  testing.raises("'total' is missing", function() return schedule.cosine()(1, 1, { epochs = {} }) end)
end

tests["inverse time divides by the epochs done"] = function()
  testing.near(schedule.values(schedule.inverse_time { decay = 1 }, 1, 4, 0.6), { 0.6, 0.3, 0.2, 0.15 })
  testing.near(schedule.values(schedule.inverse_time { decay = 1, every = 2 }, 1, 5, 0.6), { 0.6, 0.6, 0.3, 0.3, 0.2 })
end

tests["a plateau answers the same in any order and with any history table"] = function()
  local history = history_of("val_loss")
  local plateau = schedule.plateau { patience = 1, factor = 0.5 }
  local forwards = schedule.values(plateau, 1, EPOCHS, BASE, history)
  for n = EPOCHS, 1, -1 do
    testing.equal(plateau(n, BASE, history), forwards[n])
  end
  local growing = { epochs = {} }
  for n = 1, EPOCHS do
    testing.equal(plateau(n, BASE, growing), forwards[n])
    growing.epochs[n] = history.epochs[n]
  end
  testing.ok(forwards[EPOCHS] < BASE)
end

tests["a plateau watches the validation loss, else the loss, in the metric's own direction"] = function()
  local plateau = schedule.plateau { patience = 0, factor = 0.5 }
  local rows = { { loss = 1, val_loss = 1 }, { loss = 0.5, val_loss = 2 } }
  testing.equal(plateau(3, 1, { epochs = rows }), 0.5)
  testing.equal(plateau(3, 1, { epochs = { { loss = 1 }, { loss = 0.5 } } }), 1)
  local accuracy = schedule.plateau { patience = 0, factor = 0.5, metric = "val_accuracy" }
  testing.equal(accuracy(3, 1, { epochs = { { val_accuracy = 0.5 }, { val_accuracy = 0.6 } } }), 1)
  testing.equal(accuracy(3, 1, { epochs = { { val_accuracy = 0.6 }, { val_accuracy = 0.5 } } }), 0.5)
end

tests["a metric that is NaN counts as no better"] = function()
  local plateau = schedule.plateau { patience = 0, factor = 0.5, metric = "loss" }
  testing.equal(plateau(4, 1, { epochs = { { loss = 1 }, { loss = 0 / 0 }, { loss = 0 / 0 } } }), 0.25)
end

tests["a schedule that may look at the past says so"] = function()
  testing.ok(schedule.plateau().adaptive)
  testing.ok(schedule.warmup { total = 2, next = schedule.plateau() }.adaptive)
  testing.ok(schedule.from(function() return 1 end).adaptive)
  testing.ok(not schedule.warmup { total = 2, next = schedule.cosine() }.adaptive)
end

tests["mistakes are reported with the nearest name"] = function()
  testing.raises("did you mean 'gamma'", function() schedule.step { every = 3, gama = 0.5 } end)
  testing.raises("'every' is missing", function() schedule.step {} end)
  testing.raises("entry 2 is 1.5", function() schedule.milestones { at = { 1, 1.5 } } end)
  testing.raises("needs a list of schedules, two or more", function() schedule.chain { schedule.cosine() } end)
  testing.raises("must be 1 growing numbers of epochs for 2 schedules", function()
    schedule.sequence { schedule.cosine(), schedule.constant(), at = { 3, 2 } }
  end)
  testing.raises("'at' is missing", function() schedule.sequence { schedule.cosine(), schedule.constant() } end)
  testing.raises("is less than the optimizer's lr", function() schedule.cyclic { max_lr = 0.1 } (1, 0.5) end)
  testing.raises("in epochs, but step in steps", function()
    schedule.warmup { total = 2, per = "epoch", next = schedule.step { every = 1, per = "step" } }
  end)
  testing.raises("did you mean 'val_loss'", function()
    schedule.plateau { metric = "val_los" }(2, 1, { epochs = { { val_loss = 1 } } })
  end)
  testing.raises("a schedule is", function() schedule.from("cosin") end)
  testing.raises("gave -1 as the learning rate of epoch 2", function()
    schedule.values(schedule.from(function(n) return n == 2 and -1 or 1 end), 1, 3, 1)
  end)
end

tests["what a schedule counts is inherited, and shown"] = function()
  local inner = schedule.cosine { total = 10, per = "step" }
  local both = schedule.warmup { total = 3, next = inner }
  testing.equal(both.per, "step")
  testing.equal(tostring(inner), "nn.schedule.cosine { min = 0, per = \"step\", total = 10 }")
  testing.equal(schedule.from("cosine").name, "cosine")
  testing.equal(schedule.from(nil)(7, 0.3), 0.3)
end

return testing.run(tests)
