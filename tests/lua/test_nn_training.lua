-- What surrounds the optimiser: groups, freezing, averaged weights, limits on norms, driven momentum.
local testing = require "testing"
local data = require "data"
local nn = require "nn"
local tensor = require "tensor"

local tests = {}
local STEPS = 50

-- ---- the network of make_training.py ----

local function wave(count, phase, scale, shape)
  local values = {}
  for i = 1, count do
    values[i] = scale * math.sin(phase + 1.7 * (i - 1))
  end
  return tensor.new(values, "float64"):view(shape or { count })
end

local set = data.set { x = wave(36, 0.3, 1, { 12, 3 }), y = wave(12, 0.9, 0.8, { 12, 1 }) }

local function network(first, second)
  local function linear(given, more)
    for key, value in pairs(more or {}) do
      given[key] = value
    end
    return nn.Linear(given)
  end
  return nn.Sequential {
    linear({ out = 4, weight_init = wave(12, 0.1, 0.7, { 4, 3 }), bias_init = wave(4, 0.2, 0.1) }, first),
    nn.Tanh(),
    linear({ out = 1, weight_init = wave(4, 0.5, 0.6, { 1, 4 }), bias_init = wave(1, 0.7, 0.1) }, second),
  }
end

local function flat(model)
  local list = {}
  for _, param in ipairs(model:parameters()) do
    for _, value in ipairs(param.tensor:view { param.tensor:size() }:totable()) do
      list[#list + 1] = value
    end
  end
  return list
end

local function train(given, model)
  model = model or network()
  local with = { batch_size = "full", epochs = STEPS, metrics = {}, loss = "mse", optimizer = nn.Adam { lr = 0.02 } }
  for key, value in pairs(given) do
    with[key] = value
  end
  return model, model:fit(set, with)
end

local function sgd(lr, given)
  given = given or {}
  given.lr, given.momentum = lr, given.momentum or 0.9
  return nn.SGD(given)
end

local CASES = {
  groups = function()
    return train { optimizer = nn.AdamW { lr = 0.02, weight_decay = 0.05, groups = {
      { match = "linear_1", lr = 0.004, weight_decay = 0.3 },
      { match = { "*.bias", "nothing*" }, weight_decay = 0 } } } }
  end,
  layer_options = function()
    return train({ optimizer = sgd(0.1) }, network { lr_scale = 0.5, weight_decay = 0.1 })
  end,
  frozen = function()
    local model = network()
    model[1]:freeze()
    return train({}, model)
  end,
  thawed = function()
    local model = network()
    return train({ optimizer = sgd(0.1, { weight_decay = 0.01 }), callback = function(row)
      if row.epoch == 10 then
        model:freeze("linear_1")
      elseif row.epoch == 30 then
        model:unfreeze()
      end
    end }, model)
  end,
  ema = function() return train { ema = 0.9 } end,
  swa = function() return train { swa = { start = 20, every = 3 } } end,
  max_norm = function() return train { max_norm = 0.7 } end,
  lbfgs = function() return train { optimizer = nn.LBFGS { max_iter = 1 } } end,
  one_cycle = function() return train { optimizer = sgd(0.5), schedule = "one_cycle" } end,
  one_cycle_adam = function() return train { schedule = nn.schedule.one_cycle { max_lr = 0.05 } } end,
  cyclic = function()
    return train { optimizer = sgd(0.02), schedule = nn.schedule.cyclic { max_lr = 0.2, step_size_up = 8 } }
  end,
  restarts = function() return train { schedule = nn.schedule.cosine_restarts { first = 7, factor = 2 } } end,
  radam = function() return train { optimizer = nn.RAdam { lr = 0.02, weight_decay = 0.01 } } end,
}

tests["fifty steps end where PyTorch's do"] = function()
  local expected = testing.golden "training.csv"
  for name, run in pairs(CASES) do
    testing.near(flat((run())), expected[name], name == "lbfgs" and 1e-9 or 1e-10, name)
    expected[name] = nil
  end
  testing.equal(next(expected), nil, "golden values without a case")
end

-- ---- groups ----

tests["groups are checked where they are written and where they are used"] = function()
  testing.raises("group 1: unknown option 'learning_rate'", function()
    nn.Adam { groups = { { match = "*", learning_rate = 1 } } }
  end)
  testing.raises("group 1: option 'match' is missing", function() nn.Adam { groups = { { lr = 1 } } } end)
  testing.raises('must be a pattern such as "conv*"', function() nn.Adam { groups = { { match = { 3 } } } } end)
  testing.raises("did you mean 'linear_1'", function()
    train { optimizer = nn.Adam { groups = { { match = "liner_1", lr = 1 } } } }
  end)
  testing.raises("unknown option 'groups'", function() nn.LBFGS { groups = {} } end)
  testing.raises("lr_scale must be a number", function() nn.Linear(3, { lr_scale = "fast" }) end)
end

tests["the first group that matches counts, and a layer may stand for its parameters"] = function()
  local model = network()
  train({ epochs = 1, optimizer = nn.SGD { lr = 1, groups = { { match = model[1], lr = 0 },
    { match = "linear_1.weight", lr = 100 }, { match = "*_2.we?ght", lr = 0 } } } }, model)
  local before, after = flat(network():build(set)), flat(model)
  for i = 1, 20 do
    testing.equal(after[i], before[i])
  end
  testing.differ(after[21], before[21])
end

tests["an optimiser with groups shows as it was written"] = function()
  testing.equal(tostring(nn.SGD { lr = 0.5, groups = { { match = "a*", lr = 0.25 } } }),
    'nn.SGD { lr = 0.5, groups = { { lr = 0.25, match = "a*" } } }')
end

-- ---- freezing ----

tests["freezing reaches layers within layers, before and after they are built"] = function()
  local Block = nn.layer("Block", {
    init = function(self) self.inner = { nn.Linear(3), nn.Linear(3) } end,
    forward = function(self, x)
      return self.inner[2](nn.op.tanh(self.inner[1](x))) + x * self:param("gate", { 1 }, "ones")
    end,
  })
  local block = Block()
  local model = nn.Sequential { block, nn.Linear(1) }
  block:freeze()
  train({ epochs = 3 }, model)
  local trained = flat(model)
  block:unfreeze()
  model:freeze { "linear_2", "*.gate", "linear_3" }
  train({ epochs = 3 }, model)
  local names = {}
  for _, param in ipairs(model:parameters()) do
    names[#names + 1] = param.name .. (param.frozen and " frozen" or "")
  end
  testing.equal(names, { "linear_1.weight", "linear_1.bias", "linear_2.weight frozen", "linear_2.bias frozen",
    "block_1.gate frozen", "linear_3.weight frozen", "linear_3.bias frozen" })
  local after = flat(model)
  for i = 1, #after do
    testing.equal(after[i] == trained[i], i > 12, "number " .. i)
  end
end

tests["a layer that is part of another is frozen with it, or alone"] = function()
  local Pair = nn.layer("Pair", {
    init = function(self)
      self.first, self.second = self:part("first", nn.Linear(2)), self:part("second", nn.Linear(1))
    end,
    forward = function(self, x) return self.second(self.first(x)) end,
  })
  local pair = Pair()
  local model = nn.Sequential { pair, nn.Linear(1) }
  local function frozen()
    local names = {}
    for _, param in ipairs(model:parameters()) do
      names[#names + 1] = param.frozen and param.name or nil
    end
    return names
  end
  pair.first:freeze()
  model:build(set)
  testing.equal(frozen(), { "pair_1.first.weight", "pair_1.first.bias" })
  model:freeze("pair_1")
  testing.equal(#frozen(), 4)
  model:unfreeze("pair_1.*.bias")
  testing.equal(frozen(), { "pair_1.first.weight", "pair_1.second.weight" })
  pair:unfreeze()
  testing.equal(frozen(), {})
end

tests["a model whose parameters are all frozen stays as it is"] = function()
  local model = network():build(set):freeze()
  local before = flat(model)
  train({ epochs = 2, optimizer = nn.AdamW { lr = 1, weight_decay = 0.5 } }, model)
  testing.equal(flat(model), before)
end

tests["freezing names that do not exist is met with the nearest one"] = function()
  testing.raises("did you mean 'linear_1'", function() network():build(set):freeze("linear_3") end)
  testing.raises("has no parameters yet", function() network():freeze("linear_1") end)
  testing.raises('must be a pattern such as "conv*"', function() network():build(set):freeze(7) end)
end

-- ---- averages ----

tests["with averages, evaluation, callbacks and the end see them"] = function()
  for _, given in ipairs { { ema = 0.8 }, { swa = { start = 2 } }, { ema = { decay = 0.99, warm_up = true } },
    { ema = 1 } } do
    local model, seen = network(), nil
    given.epochs, given.validation = 6, set
    given.callback = function(row)
      testing.near(model:evaluate(set).loss, row.val_loss, 1e-12)
      seen = row.val_loss
    end
    train(given, model)
    testing.near(model:evaluate(set).loss, seen, 1e-12)
    local plain = train { epochs = 6 }
    testing.differ(flat(plain), flat(model))
  end
end

tests["averages change nothing of the training itself"] = function()
  local _, with = train { ema = 0.9 }
  local _, without = train {}
  testing.equal(with:column "loss", without:column "loss")
  local _, late = train { swa = { start = 3 }, batch_size = 5, seed = 4 }
  local _, never = train { batch_size = 5, seed = 4 }
  testing.equal(late:column "loss", never:column "loss")
end

tests["the best weights of a run with averages are averages"] = function()
  local model = network()
  local _, history = train({ ema = 0.9, validation = set, best_weights = true, optimizer = sgd(0.5) }, model)
  testing.near(model:evaluate(set).loss, history.epochs[history.best_epoch].val_loss, 1e-12)
end

tests["running statistics are averaged, or computed anew"] = function()
  local Meter = nn.layer("Meter", { forward = function(self, x)
    local mean = self:buffer("mean", { 1 })
    self:update("mean", mean * 0.9 + nn.op.mean(x) * 0.1)
    return x - mean
  end })
  local function meter(given)
    local model = nn.Sequential { nn.Linear { out = 1, bias = false }, Meter() }
    given.batch_size = 4
    train(given, model)
    local weights = model:weights()
    local output = tensor.matmul(set.x, weights["linear_1.weight"], { trans_b = true })
    return weights["meter_1.mean"]:item(), output:mean():item()
  end
  -- The statistics of the averaged weights: 50 steps or more with 0.9 forget where they began.
  local found, wanted = meter { swa = { start = 2 }, epochs = 4 }
  testing.near(found, wanted, 0.03)
  local averaged = meter { ema = 0.5, epochs = 4 }
  local last = meter { epochs = 4 }
  testing.ok(averaged ~= last and averaged ~= 0)
end

tests["batch normalisation gets the statistics of averaged weights"] = function()
  local wide = data.blobs { n = 400, features = 5, classes = 3, seed = 4 }
  local model = nn.Sequential { nn.Linear(8), nn.BatchNorm1d(), nn.ReLU(), nn.Linear(3) }
  model:fit(wide, { swa = { start = 3 }, epochs = 6, batch_size = 100, optimizer = nn.Adam { lr = 0.03 } })
  local weights = model:weights()
  local z = tensor.matmul(wide.x, weights["linear_1.weight"], { trans_b = true }) + weights["linear_1.bias"]
  local means, kept = z:mean(1):totable(), weights["batchnorm1d_1.running_mean"]:totable()
  for i, mean in ipairs(means) do
    testing.near(kept[i], mean, 0.15 * (1 + math.abs(mean)))
  end
  testing.ok(model:evaluate(wide).accuracy > 0.9)
end

tests["a convolution's filters are limited one by one, and frozen by name"] = function()
  local images = data.set { x = wave(2 * 3 * 5 * 5, 0.4, 1, { 2, 3, 5, 5 }), y = { 0, 1 } }
  local model = nn.Sequential { nn.Conv2d { out_channels = 4, kernel_size = 3, max_norm = 0.3 }, nn.Flatten(),
    nn.Linear(2) }
  model:fit(images, { epochs = 5, optimizer = sgd(0.5) })
  local name = model:parameters()[1].name
  local filters = model:weights()[name]:view { 4, 27 }:totable()
  for _, filter in ipairs(filters) do
    local sum = 0
    for _, value in ipairs(filter) do
      sum = sum + value ^ 2
    end
    testing.ok(math.sqrt(sum) <= 0.3 + 1e-9)
  end
  model:freeze("conv*"):fit(images, { epochs = 5, optimizer = sgd(0.5) })
  testing.equal(model:weights()[name]:view { 4, 27 }:totable(), filters)
end

tests["an embedding's vectors stay below its max_norm"] = function()
  local words = data.set { x = tensor.new({ { 0, 1 }, { 2, 3 }, { 1, 2 } }, "int64"), y = { 0, 1, 1 } }
  local model = nn.Sequential { nn.Embedding { num = 5, dim = 3, max_norm = 0.5 }, nn.Flatten(), nn.Linear(2) }
  model:fit(words, { epochs = 3 })
  for _, vector in ipairs(model:weights()["embedding_1.weight"]:totable()) do
    testing.ok(math.sqrt(vector[1] ^ 2 + vector[2] ^ 2 + vector[3] ^ 2) <= 0.5 + 1e-6)
  end
end

tests["full batches in one call average as epochs one by one do"] = function()
  local at_once = train { ema = 0.9 }
  local one_by_one = train { ema = 0.9, callback = function() end }
  testing.equal(flat(at_once), flat(one_by_one))
end

tests["mistakes about averages are named"] = function()
  testing.raises("choose one", function() train { ema = 0.9, swa = {} } end)
  testing.raises("ema: option 'decay' must be at most 1", function() train { ema = 1.5 } end)
  testing.raises("did you mean 'start'", function() train { swa = { strat = 3 } } end)
end

-- ---- limits, searches, momentum ----

tests["max_norm of a layer limits its rows and no others"] = function()
  local model = network({ max_norm = 0.25 }, { max_norm = 0 })
  train({ max_norm = 0.1 }, model)
  for _, row in ipairs(model:weights()["linear_1.weight"]:totable()) do
    testing.ok(math.sqrt(row[1] ^ 2 + row[2] ^ 2 + row[3] ^ 2) <= 0.25 + 1e-9)
  end
  local free = 0
  for _, value in ipairs(model:weights()["linear_2.weight"]:totable()[1]) do
    free = free + value ^ 2
  end
  testing.ok(math.sqrt(free) > 0.1)
end

tests["L-BFGS fits in a few steps what descent needs many for"] = function()
  local line = data.regression { n = 60, features = 5, noise = 0, seed = 1 }
  local model = nn.Sequential { nn.Linear(1) }
  local history = model:fit(line, { optimizer = "lbfgs", epochs = 6, batch_size = "full", loss = "mse" })
  testing.equal(history.status, "ok")
  testing.ok(model:evaluate(line).loss < 1e-5, tostring(model:evaluate(line).loss))
  testing.raises("leave out clip_norm", function() model:fit(line, { optimizer = "lbfgs", clip_norm = 1 }) end)
  testing.raises("of their own", function()
    nn.Sequential { nn.Linear { out = 1, lr_scale = 2 } }:fit(line, { optimizer = "lbfgs" })
  end)
end

tests["a search without a line that runs away says where"] = function()
  local model = nn.Sequential { nn.Linear(4), function(x) return nn.op.exp(x) end, nn.Linear(1) }
  local history = model:fit(set, { optimizer = nn.LBFGS { lr = 1e8, strong_wolfe = false }, epochs = 3,
    batch_size = "full" })
  testing.equal(history.status, "diverged")
  testing.matches(history.message, "^diverged at step 1 in ")
end

tests["a schedule that drives momentum needs an optimiser that has some"] = function()
  testing.raises("nn.Adagrad has none; set cycle_momentum = false", function()
    train { optimizer = nn.Adagrad(), schedule = "one_cycle" }
  end)
  testing.raises("nn.SGD has momentum 0", function() train { optimizer = nn.SGD(), schedule = "one_cycle" } end)
  local _, history = train { optimizer = nn.SGD(), schedule = nn.schedule.one_cycle { cycle_momentum = false } }
  testing.equal(history.status, "ok")
end

return testing.run(tests)
