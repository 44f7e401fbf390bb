-- Transfer: a network that has learnt some clothes learns others from few pictures. Its layers below the last
-- are saved, loaded into a new model, and frozen or trained on. What filters see is of use for other clothes,
-- too; what the layer behind them makes of it is less so.
--
--   nnrun experiments/transfer.lua [PICTURES] [BEFORE]     of each new class, default 10; after 30000 pictures
local data, nn, report = require "data", require "nn", require "report"

local few = tonumber(arg[1]) or 10
local train, test = data.fashion_mnist()

local function pictures(set)
  local n, height, width = table.unpack(set.x:shape())
  return data.set { x = set.x:view { n, 1, height, width }, y = set.y, classes = set.classes }
end
local OLD = { "T-shirt/top", "Pullover", "Coat", "Sandal", "Ankle boot" }
local NEW = { "Dress", "Shirt", "Trouser", "Sneaker", "Bag" }
local old = pictures(train:rows(1, tonumber(arg[2]) or 30000):subset(OLD))
local new, new_test = pictures(train:rows(30001, 60000):subset(NEW)), pictures(test:subset(NEW):rows(1, 1500))

-- The same layers for both; only the last has another name, and so starts anew.
local function network(head)
  return nn.Sequential {
    nn.Conv2d(8, 5, { padding = 2, activation = "relu", name = "conv1" }), nn.MaxPool2d(2),
    nn.Conv2d(16, 5, { activation = "relu", name = "conv2" }), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(64, "relu", { name = "hidden" }), nn.Linear(5, { name = head }),
  }
end

local model = network "old"
local history = model:fit(old, { epochs = 3, optimizer = nn.Adam { lr = 0.002 } })
print(("learnt %s from %d pictures: accuracy %.1f %%"):format(table.concat(OLD, ", "), #old,
  100 * history.epochs[3].accuracy))
local FILE = os.tmpname()
assert(model:save(FILE))

-- A few pictures of each new class, others in each draw.
local DRAWS = 4
local function draw(number)
  local rows, seen = {}, {}
  for i, label in ipairs(new.y:totable()) do
    seen[label] = (seen[label] or 0) + 1
    if seen[label] > (number - 1) * few and seen[label] <= number * few then
      rows[#rows + 1] = i
    end
  end
  return new:take(rows)
end

local body = { "conv*", "hidden" }
local WAYS = {
  { name = "from scratch", lr = 0.002 },
  { name = "body frozen", load = true, freeze = body, lr = 0.02 },
  { name = "filters frozen", load = true, freeze = "conv*", lr = 0.002 },
  { name = "body slower", load = true, lr = 0.01, groups = { { match = body, lr = 0.0005 } } },
}

-- Accuracy on the test pictures every four epochs, added to `sums`.
local function learn(way, number, sums)
  local pupil = network("new"):build(new, { seed = number })
  if way.load then
    assert(pupil:load(FILE, { strict = false }))
  end
  if way.freeze then
    pupil:freeze(way.freeze)
  end
  pupil:fit(draw(number), {
    epochs = 40, batch_size = 10, optimizer = nn.Adam { lr = way.lr, groups = way.groups }, seed = number,
    callback = function(row)
      local at = row.epoch / 4
      if at == math.floor(at) then
        sums[at] = (sums[at] or 0) + pupil:evaluate(new_test).accuracy / DRAWS
      end
    end,
  })
  return pupil
end

print(("\n%s from %d pictures each, mean of %d draws:"):format(table.concat(NEW, ", "), few, DRAWS))
local curves, frozen = {}, nil
for _, way in ipairs(WAYS) do
  local accuracy, x = {}, {}
  for number = 1, DRAWS do
    local pupil = learn(way, number, accuracy)
    frozen = way.freeze == body and pupil or frozen
  end
  for i = 1, #accuracy do
    x[i] = 4 * i
  end
  print(("  %-15s test accuracy %.1f %%"):format(way.name, 100 * accuracy[#accuracy]))
  curves[#curves + 1] = { name = way.name, x = x, y = accuracy, style = "linepoints" }
end
print(("\nthe model with a frozen body:\n%s\n"):format(frozen))
os.remove(FILE)

report.plot {
  title = ("New classes from %d pictures each"):format(few), file = "results/transfer",
  x = { label = "epoch" }, y = { label = "test accuracy (fraction)" }, series = curves,
}
print("curves: results/transfer.png and .svg")
