-- Models of several inputs and outputs: by place, by name, their losses, weights, metrics and predictions.
local testing = require "testing"
local data = require "data"
local nn = require "nn"
local tensor = require "tensor"

local tests = {}

local blobs = data.blobs { n = 303, features = 5, classes = 3, noise = 2, seed = 1 }
local half = tensor.zeros { 303, 1 }
for i = 1, 303 do
  half:set(i, 1, blobs.x:get(i, 1) / 2)
end
local named = data.set { x = { left = blobs.x, right = blobs.x * -1 }, y = { class = blobs.y, size = half } }
local listed = data.set { x = { named.x.left, named.x.right }, y = { named.y.class, named.y.size } }

local Named = nn.layer("Named", {
  init = function(self)
    self.left, self.right = nn.Linear(8, "tanh"), nn.Linear(4, "tanh")
    self.class, self.size = nn.Linear(3), nn.Linear(1)
  end,
  forward = function(self, x)
    local hidden = nn.op.concat(self.left(x.left), self.right(x.right), 2)
    return { class = self.class(hidden), size = self.size(hidden) }
  end,
})

local Listed = nn.layer("Listed", {
  init = function(self)
    self.inner = Named()
  end,
  forward = function(self, left, right)
    local both = self.inner { left = left, right = right }
    return both.class, both.size
  end,
})

local GIVEN = { epochs = 3, optimizer = nn.Adam { lr = 0.01 }, batch_size = 32, seed = 4 }

local function with(given)
  local all = {}
  for key, value in pairs(GIVEN) do
    all[key] = value
  end
  for key, value in pairs(given or {}) do
    all[key] = value
  end
  return all
end

tests["the same model by name and by place trains the same way"] = function()
  local first, second = Named(), Listed()
  local a = first:fit(named, with { loss_weights = { size = 0.3 } })
  local b = second:fit(listed, with { loss = { "cross_entropy", "mse" }, loss_weights = { 1, 0.3 } })
  testing.equal(b:column "loss", a:column "loss")
  testing.equal(b:column "output1_accuracy", a:column "class_accuracy")
  testing.equal(b:column "output2_loss", a:column "size_loss")
  local row = a.epochs[3]
  testing.near(row.loss, row.class_loss + 0.3 * row.size_loss, 1e-6)
  local by_name = first:predict(named)
  local class, size = second:predict(listed)
  testing.equal(class:totable(), by_name.class:totable())
  testing.equal(size:totable(), by_name.size:totable())
  testing.equal(first(named.x).size:totable(), size:totable())
  testing.equal(second(listed.x[1], listed.x[2]):totable(), class:totable())
end

tests["evaluation gives each output's loss and metrics"] = function()
  local model = Named()
  local metrics = { class = { "accuracy", "f1" }, size = { "mae", "r2" } }
  local history = model:fit(named:rows(1, 200), with { metrics = metrics, validation = named:rows(201, 303) })
  local result = model:evaluate(named:rows(201, 303), { metrics = metrics })
  local row = history.epochs[3]
  for _, key in ipairs { "loss", "class_loss", "size_loss", "class_accuracy", "class_f1", "size_mae", "size_r2" } do
    testing.equal(row["val_" .. key], result[key], key)
  end
  local out = model:predict(named:rows(201, 303))
  testing.equal(result.class_f1, nn.metrics.f1(out.class, blobs.y:rows(201, 303)))
  testing.near(result.size_mae, nn.metrics.mae(out.size, half:rows(201, 303)), 1e-6)
  testing.near(result.loss, result.class_loss + result.size_loss, 1e-6)
  testing.equal(nn.metrics.better "val_size_mae", "min")
  testing.equal(nn.metrics.better "val_class_f1", "max")
end

tests["one loss of two outputs trains as the output alone"] = function()
  local One = nn.layer("One", {
    init = function(self) self.body = Named() end,
    forward = function(self, x) return self.body(x).class end,
  })
  local alone = One():fit(data.set { x = named.x, y = blobs.y }, with())
  local both = Named():fit(named, with { loss = { class = "cross_entropy" } })
  testing.near(both:column "loss", alone:column "loss", 1e-6)
  local single = Named():fit(data.set { x = named.x, y = blobs.y }, with { loss = { class = "cross_entropy" } })
  testing.equal(single:column "loss", both:column "loss")
end

tests["a function gets all outputs and targets"] = function()
  local joint = Named():fit(named, with { metrics = { class = { "accuracy" } }, loss = function(out, y)
    return nn.loss.cross_entropy()(out.class, y.class) + nn.loss.mse()(out.size, y.size) * 0.3
  end })
  local parts = Named():fit(named, with { loss_weights = { size = 0.3 } })
  testing.near(joint:column "loss", parts:column "loss", 1e-6)
  testing.equal(joint:column "class_accuracy", parts:column "class_accuracy")
  testing.equal(joint.epochs[1].class_loss, nil)
end

tests["labels of every step of a sequence are learnt and counted"] = function()
  local x, y, flat = tensor.zeros { 40, 3, 2 }, tensor.zeros({ 40, 3 }, "int64"), {}
  for i = 1, 40 do
    for t = 1, 3 do
      x:set(i, t, 1, (i * t) % 5 - 2)
      y:set(i, t, (i * t) % 5 > 2 and 1 or 0)
      flat[#flat + 1] = y:get(i, t)
    end
  end
  local set = data.set { x = x, y = y }
  local model = nn.Sequential { nn.Linear(2) }
  model:fit(set, { epochs = 50, optimizer = nn.Adam { lr = 0.1 } })
  local result = model:evaluate(set, { metrics = { "accuracy", "f1" } })
  testing.equal(result.accuracy, 1)
  testing.equal(result.f1, 1)
  local scores = model:predict(set):view { 120, 2 }
  testing.near(result.loss, nn.loss.cross_entropy()(scores, tensor.new(flat, "int64")):item(), 1e-5)
end

tests["progress is printed by output"] = function()
  local lines, print_before = {}, print
  print = function(line) lines[#lines + 1] = line end -- luacheck: ignore
  local fine, message = pcall(Named().fit, Named(), named, with { verbose = true, epochs = 1 })
  print = print_before -- luacheck: ignore
  testing.ok(fine, message)
  testing.matches(lines[1], "^epoch 1/1  loss [%d.]+  class_loss [%d.]+")
  testing.matches(lines[1], "size_loss [%d.]+  class_accuracy [%d.]+  %d+%.%d s$")
end

tests["gradients of several inputs and outputs are right"] = function()
  for _, like in ipairs { named:rows(1, 7), { left = { 3, 5 }, right = { 3, 2 } } } do
    local check = nn.gradcheck(Named(), like)
    testing.ok(check.ok, tostring(check))
  end
  testing.ok(nn.gradcheck(Listed(), { { 3, 5 }, { 3, 2 } }).ok)
end

tests["whole numbers among the inputs stay whole"] = function()
  local Pick = nn.layer("Pick", { forward = function(self, x, which)
    return nn.op.take(self:param("table", { 4, 1 }), which) * x
  end })
  local set = data.set { x = { tensor.ones { 6, 1 }, tensor.new({ 0, 1, 2, 3, 0, 1 }, "int64") },
    y = tensor.new { { 0 }, { 1 }, { 2 }, { 3 }, { 0 }, { 1 } } }
  local model = Pick()
  model:fit(set, { epochs = 300, optimizer = nn.SGD { lr = 0.5 } })
  testing.near(model:weights()["pick_1.table"], { 0, 1, 2, 3 }, 1e-3)
  testing.ok(nn.gradcheck(Pick(), { { 5, 1 }, { 5, below = 4 } }).ok)
  testing.equal(Pick():build({ { 1, 1 }, { 1, dtype = "int64" } }):predict(set.x):shape(), { 6, 1 })
end

tests["an expanded model prints its outputs"] = function()
  local text = tostring(Named():build(named))
  testing.matches(text, "linear_1 +%(N, 8%) +48 +40 +32 B")
  testing.contains(text, "124 parameters, float32")
  testing.contains(text, "for each row: 108 multiply-adds forwards, 64 B of outputs")
  testing.matches(tostring(Listed():build(listed)), "\nnamed_1 +%(N, 3%) %(N, 1%)")
end

tests["what does not fit is said by name"] = function()
  local function fit(given, set, model)
    return function() (model or Named()):fit(set or named, with(given)) end
  end
  testing.raises("no output \"clas\" (did you mean 'class'?)", fit { loss = { clas = "mse" } })
  testing.raises("loss_weights: the model has no output \"sizes\"", fit { loss_weights = { sizes = 1 } })
  testing.raises("expected a number that is 0 or more for output size", fit { loss_weights = { size = -1 } })
  testing.raises("the model has one output only", fit({ loss_weights = { 1 } }, blobs, nn.Linear(3)))
  testing.raises("a function gives the whole loss", fit { loss = function() end, loss_weights = { size = 2 } })
  testing.raises("no loss: the model's outputs are class, size", fit({}, data.set { x = named.x, y = blobs.y }))
  testing.raises("but no targets: y holds class", fit({ loss = { size = "mse" } },
    data.set { x = named.x, y = { class = blobs.y } }))
  testing.raises("nn.Linear takes one value, got several by name: left, right", fit({}, named, nn.Linear(3)))
  testing.raises("y.size must be a tensor", fit({}, { x = named.x, y = { size = 3 } }))
  testing.raises("400 rows, but x[2] 303", fit({}, { x = { tensor.ones { 400, 5 }, blobs.x }, y = blobs.y }))
  testing.raises("did you mean 'accuracy'?", fit { metrics = { class = { "acuracy" } } })
  testing.raises("the model's output 2 is 3", fit({}, blobs, nn.layer("Odd", {
    forward = function(_, x) return x, 3 end })()))
end

return testing.run(tests)
