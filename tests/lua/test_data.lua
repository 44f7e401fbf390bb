-- Data sets: rows, splits, batches, scaling, and generated data.
local testing = require "testing"
local data = require "data"
local tensor = require "tensor"
local equal, near, raises, ok = testing.equal, testing.near, testing.raises, testing.ok

local tests = {}

-- Ten rows whose first column is the row's number; labels 0, 1, 0, 1, ...
local function ten()
  local x, y = {}, {}
  for i = 1, 10 do
    x[i], y[i] = { i, 10 * i, i % 3 }, (i - 1) % 2
  end
  return data.set { x = x, y = y, classes = { "even", "odd" }, columns = { "n", "tens", "rest" }, name = "ten" }
end

local function first_column(set)
  local list = {}
  for i, row in ipairs(set.x:totable()) do
    list[i] = math.tointeger(row[1])
  end
  return list
end

local function sorted(list)
  table.sort(list)
  return list
end

local ALL = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }

tests["a table of whole numbers becomes labels, of fractions a target to predict"] = function()
  local set = ten()
  equal(#set, 10)
  equal(set.y:dtype(), "int64")
  equal(set:class_count(), 2)
  equal(tostring(set), "ten: x (10, 3) float32, 2 classes")
  local numbers = data.set { x = { { 1 }, { 2 } }, y = { { 0.5 }, { 1.0 } } }
  equal(numbers.y:dtype(), "float32")
  equal(numbers:class_count(), nil)
  equal(tostring(numbers), "data: x (2, 1) float32, y (2, 1)")
  equal(data.set({ x = { { 1 } }, dtype = "float64" }).x:dtype(), "float64")
end

tests["labels without names count up to the largest"] = function()
  equal(data.set({ x = { { 1 }, { 2 } }, y = { 0, 4 } }):class_count(), 5)
end

tests["bad values are named by row and column"] = function()
  raises("test_data.lua:", function() data.set { x = { { 1, 0 / 0 } } } end)
  raises("data: row 1, column 2 is NaN", function() data.set { x = { { 1, 0 / 0 } } } end)
  raises("row 2, column 1 ('age') is infinity", function()
    data.set { x = { { 1 }, { math.huge } }, columns = { "age" } }
  end)
  raises("label of row 2 is 3, outside the 2 classes 0 to 1", function()
    data.set { x = { { 1 }, { 2 } }, y = { 0, 3 }, classes = { "a", "b" } }
  end)
  raises("label of row 1 is -1", function() data.set { x = { { 1 } }, y = { -1 } } end)
  raises("target: row 1, column 1 is NaN", function() data.set { x = { { 1 } }, y = { { 0 / 0 } } } end)
  raises("x has 2 rows, but y has 1", function() data.set { x = { { 1 }, { 2 } }, y = { 0 } } end)
  raises("unknown option 'clases' (did you mean 'classes'?)", function()
    data.set { x = { { 1 } }, clases = {} }
  end)
  equal(#data.set { x = { { 1, 0 / 0 } }, missing = "keep" }, 1)
end

tests["every row is in exactly one part of a split"] = function()
  local a, b, c = ten():split { 0.5, 0.3, 0.2, seed = 3 }
  equal({ #a, #b, #c }, { 5, 3, 2 })
  local rows = first_column(a)
  table.move(first_column(b), 1, 3, 6, rows)
  table.move(first_column(c), 1, 2, 9, rows)
  equal(sorted(rows), ALL)
  equal(a.name, "ten, part 1 of 3")
  equal(a.columns, { "n", "tens", "rest" })
end

tests["rows keep their labels through splits and shuffles"] = function()
  for _, set in ipairs { ten():shuffle { seed = 1 }, (ten():split { 0.7, 0.3 }) } do
    for i, n in ipairs(first_column(set)) do
      equal(set.y:get(i), (n - 1) % 2)
    end
  end
end

tests["a split depends on its seed alone"] = function()
  local a = ten():split { 0.5, 0.5, seed = 3 }
  local b = ten():split { 0.5, 0.5, seed = 3 }
  local c = ten():split { 0.5, 0.5, seed = 4 }
  equal(a:hash(), b:hash())
  ok(a:hash() ~= c:hash())
end

tests["a stratified split keeps the shares of classes"] = function()
  for _, part in ipairs { ten():split { 0.6, 0.4, stratify = true } } do
    local ones = 0
    for i = 1, #part do
      ones = ones + part.y:get(i)
    end
    equal(ones * 2, #part)
  end
end

tests["a split can be given in numbers of rows"] = function()
  local a, b = ten():split { 9, 1 }
  equal({ #a, #b }, { 9, 1 })
end

tests["shares that leave rows out are refused"] = function()
  raises("shares sum to 0.9; they must sum to 1, or to the 10 rows", function() ten():split { 0.8, 0.1 } end)
  raises("shares sum to 9;", function() ten():split { 8, 1 } end)
  raises("share 2 must be a positive number", function() ten():split { 1, 0 } end)
  raises("give the shares", function() ten():split {} end)
  raises("unknown option 'stratified' (did you mean 'stratify'?)", function()
    ten():split { 0.5, 0.5, stratified = true }
  end)
  raises("a stratified split needs class labels, but y holds nothing", function()
    data.set({ x = { { 1 }, { 2 } } }):split { 0.5, 0.5, stratify = true }
  end)
end

tests["batches go through all rows once"] = function()
  local sizes, rows = {}, {}
  for x, y in ten():batches { batch_size = 4 } do
    sizes[#sizes + 1] = #x
    equal(#x, #y)
    for _, row in ipairs(x:totable()) do
      rows[#rows + 1] = math.tointeger(row[1])
    end
  end
  equal(sizes, { 4, 4, 2 })
  equal(rows, ALL)
end

tests["a last batch that is not full can be left out"] = function()
  local count = 0
  for x in ten():batches { batch_size = 4, drop_last = true } do
    equal(#x, 4)
    count = count + 1
  end
  equal(count, 2)
end

tests["shuffled batches follow seed and epoch"] = function()
  local function order(seed, epoch)
    local rows = {}
    for x, y in ten():batches { batch_size = 3, shuffle = true, seed = seed, epoch = epoch } do
      for i, row in ipairs(x:totable()) do
        rows[#rows + 1] = math.tointeger(row[1])
        equal(y:get(i), (rows[#rows] - 1) % 2)
      end
    end
    return rows
  end
  equal(order(1, 1), order(1, 1))
  testing.differ(order(1, 1), order(1, 2))
  testing.differ(order(1, 1), order(2, 1))
  equal(sorted(order(1, 1)), ALL)
  equal(order(5, 2), first_column(ten():shuffle { seed = 5, epoch = 2 }))
end

tests["rows are taken by number"] = function()
  equal(first_column(ten():take { 10, 1, 1 }), { 10, 1, 1 })
  equal(first_column(ten():rows(3, 5)), { 3, 4, 5 })
  equal(first_column(ten():rows(9)), { 9, 10 })
  equal(#ten():take {}, 0)
  raises("row 11 is outside 1 to 10", function() ten():take { 11 } end)
  raises("row 0 is outside", function() ten():take { 0 } end)
end

tests["a subset of classes has its labels numbered anew"] = function()
  local set = data.set { x = { { 1 }, { 2 }, { 3 }, { 4 } }, y = { 2, 0, 1, 2 }, classes = { "a", "b", "c" } }
  local part = set:subset { "c", "a" }
  equal(part.x:totable(), { { 1 }, { 2 }, { 4 } })
  equal(part.y:totable(), { 0, 1, 0 })
  equal(part.classes, { "c", "a" })
  equal(set:subset({ 1 }).classes, { "b" })
  raises("there is no class \"d\"", function() set:subset { "d" } end)
  raises("there is no class 3", function() set:subset { 3 } end)
end

tests["standardizing is measured on the first set alone"] = function()
  local train, test = ten():rows(1, 5), ten():rows(6)
  local a, b = train:standardize(test)
  local std = 2 ^ 0.5
  near(a.x:rows(1, 1), { -2 / std, -2 / std, -0.2 / 0.56 ^ 0.5 }, 1e-6)
  near(b.x:get(1, 1), (6 - 3) / std, 1e-6)
  equal(train.x:get(1, 1), 1.0)
  equal(a.y:totable(), train.y:totable())
end

tests["min-max brings the first set to the range 0 to 1"] = function()
  local a, b = ten():rows(1, 5):min_max(ten():rows(6))
  equal({ a.x:get(1, 1), a.x:get(5, 2) }, { 0, 1 })
  equal(b.x:get(5, 1), 2.25)
end

tests["columns that do not vary are only moved"] = function()
  local set = data.set { x = { { 7, 1 }, { 7, 3 } } }
  equal(set:standardize().x:totable(), { { 0, -1 }, { 0, 1 } })
  equal(set:min_max().x:totable(), { { 0, 0 }, { 0, 1 } })
end

tests["one scale can serve all columns"] = function()
  local set = data.set { x = { { 0, 4 }, { 8, 12 } } }
  local scaler = data.scaler.min_max(set, { per = "all" })
  near(scaler:apply(set).x, { { 0, 1 / 3 }, { 2 / 3, 1 } })
  near(data.scaler.standard(set, { per = "all" }):apply(set).x:get(1, 1), -6 / 20 ^ 0.5)
end

tests["a scaler refuses sets of other widths"] = function()
  local scaler = data.scaler.standard(ten())
  raises("made for 3 columns, but data has 1", function() scaler:apply(data.set { x = { { 1 } } }) end)
  raises("expected a data set", function() data.scaler.standard({}) end)
  raises("column 2 of data has no values", function()
    data.scaler.standard(data.set { x = { { 1, 0 / 0 } }, missing = "keep" })
  end)
end

tests["an imputer fills gaps with means of the training part"] = function()
  local nan = 0 / 0
  local train = data.set { x = { { 1, nan }, { 3, 5 }, { nan, 7 } }, missing = "keep" }
  local test = data.set { x = { { nan, 1 } }, missing = "keep" }
  local imputer = data.scaler.imputer(train)
  equal(imputer:apply(train).x:totable(), { { 1, 6 }, { 3, 5 }, { 2, 7 } })
  equal(imputer:apply(test).x:totable(), { { 2, 1 } })
end

tests["one-hot targets have a one at the label"] = function()
  local set = data.set { x = { { 1 }, { 2 } }, y = { 2, 0 } }
  equal(set:one_hot().y:totable(), { { 0, 0, 1 }, { 1, 0, 0 } })
end

tests["sets change type and shape"] = function()
  equal(ten():to("float64").x:dtype(), "float64")
  equal(ten():to("float64").y:dtype(), "int64")
  equal(data.regression():to("float64").y:dtype(), "float64")
  local pictures = data.set { x = { { { 1, 2 }, { 3, 4 } } } }
  equal(pictures:flatten().x:totable(), { { 1, 2, 3, 4 } })
end

tests["the hash tells contents, shapes and class names apart"] = function()
  equal(#ten():hash(), 64)
  equal(ten():hash(), ten():hash())
  local other = ten()
  other.x:set(1, 1, 99)
  testing.differ(other:hash(), ten():hash())
  other = ten()
  other.classes = { "a", "b" }
  testing.differ(other:hash(), ten():hash())
  testing.differ(ten():to("float64"):hash(), ten():hash())
end

tests["describe shows size, columns and classes"] = function()
  local text = require "data.describe"(ten())
  testing.contains(text, "ten: x (10, 3) float32, 2 classes")
  testing.matches(text, "tens +10 +55 +100 +28.72 +0")
  testing.matches(text, "odd +5 +50.0 %%")
  testing.contains(require "data.describe"(data.regression { n = 3 }), "target: min")
  testing.contains(require "data.describe"(ten():rows(1, 0)), "x (0, 3)")
end

tests["generated sets have the shape that is asked for"] = function()
  local expected = {
    planar_flower = { 2, 2 }, moons = { 2, 2 }, circles = { 2, 2 }, spiral = { 2, 3 }, blobs = { 2, 3 }, xor = { 2, 2 },
  }
  for kind, want in pairs(expected) do
    local set = data[kind] { n = 31, seed = 2 }
    equal({ #set, set.x:shape()[2], set:class_count() }, { 31, want[1], want[2] }, kind)
    equal(set:hash(), data[kind]({ n = 31, seed = 2 }):hash(), kind)
    testing.differ(set:hash(), data[kind]({ n = 31, seed = 3 }):hash(), kind)
    equal(data[kind]({ n = 31, dtype = "float64" }).x:dtype(), "float64", kind)
  end
  equal(data.blobs({ n = 8, classes = 4, features = 5 }).x:shape(), { 8, 5 })
  equal(data.regression({ n = 8, features = 3 }).y:shape(), { 8, 1 })
  raises("unknown option 'nois' (did you mean 'noise'?)", function() data.moons { nois = 1 } end)
  raises("must be at least 0, got -1", function() data.moons { noise = -1 } end)
  raises("2 rows are too few for 3 classes", function() data.blobs { n = 2 } end)
end

tests["the flower has the course's shape"] = function()
  local set = data.planar_flower { noise = 0 }
  equal(#set, 400)
  local longest = 0
  for _, point in ipairs(set.x:totable()) do
    longest = math.max(longest, (point[1] ^ 2 + point[2] ^ 2) ^ 0.5)
  end
  near(longest, 4, 0.01)
end

-- ---- several inputs and targets ----

local function several()
  local rows = {}
  for i = 1, 10 do
    rows[i] = { i, -i }
  end
  return data.set {
    x = { place = rows, kind = tensor.new({ 3, 1, 4, 1, 5, 9, 2, 6, 5, 3 }, "int64") },
    y = { class = { 0, 1, 0, 1, 0, 1, 0, 1, 2, 2 }, size = tensor.ones { 10, 3 } },
  }
end

tests["a set may hold several inputs and targets, whose rows stay together"] = function()
  local set = several()
  equal(#set, 10)
  equal(tostring(set), "data: x.kind (10) int64, x.place (10, 2) float32, y.class (10) int64, y.size (10, 3) float32")
  local function together(part)
    for i = 1, #part do
      local row = part.x.place:get(i, 1)
      near(part.x.place:get(i, 2), -row)
      equal(part.x.kind:get(i), set.x.kind:get(math.tointeger(row)))
      equal(part.y.class:get(i), set.y.class:get(math.tointeger(row)))
    end
  end
  local first, second = set:split { 0.7, 0.3, seed = 3 }
  equal({ #first, #second }, { 7, 3 })
  together(first)
  together(set:shuffle { seed = 1 })
  together(set:take { 7, 2, 2 })
  together(set:rows(4, 8))
  local seen = 0
  for x, y in set:batches { batch_size = 4, shuffle = true } do
    equal(#x.place, #y.class)
    together(data.set { x = x, y = y })
    seen = seen + #x.kind
  end
  equal(seen, 10)
end

tests["one of several targets can be kept in shares"] = function()
  local first, second = several():split { 0.5, 0.5, stratify = "class", seed = 2 }
  for _, part in ipairs { first, second } do
    local counts = { 0, 0, 0 }
    for _, label in ipairs(part.y.class:totable()) do
      counts[label + 1] = counts[label + 1] + 1
    end
    equal(counts[3], 1)
    ok(counts[1] == 2 or counts[2] == 2)
  end
  raises("there is no target \"clas\"", function() several():split { 0.5, 0.5, stratify = "clas" } end)
  raises("needs class labels, but y holds numbers", function()
    several():split { 0.5, 0.5, stratify = "size" }
  end)
end

tests["several inputs are scaled and converted each by itself"] = function()
  local set, others = several():standardize(several():rows(1, 5))
  near(set.x.place:mean():item(), 0, 1e-6)
  equal(set.x.kind:totable(), several().x.kind:totable())
  near(others.x.place, set:rows(1, 5).x.place)
  local double = several():to "float64"
  equal({ double.x.place:dtype(), double.x.kind:dtype(), double.y.class:dtype(), double.y.size:dtype() },
    { "float64", "int64", "int64", "float64" })
  testing.differ(several():hash(), double:hash())
  local a, b = tensor.ones { 3, 2 }, tensor.zeros { 3, 4 }
  testing.differ(data.set({ x = { a, b } }):hash(), data.set({ x = { b, a } }):hash())
  equal(data.set({ x = { tensor.ones { 3, 2, 2 }, b } }):flatten().x[1]:shape(), { 3, 4 })
end

tests["parts that do not belong together are refused by name"] = function()
  local a = tensor.ones { 3, 2 }
  raises("x has 3 rows, but x[2] has 4", function() data.set { x = { a, tensor.ones { 4 } } } end)
  raises("x has 3 rows, but y.b has 2", function() data.set { x = a, y = { a = { 1, 2, 3 }, b = { 1, 2 } } } end)
  raises("both", function() data.set { x = { a, name = a } } end)
  raises("x.b must have rows", function() data.set { x = { a = a, b = a:sum() } } end)
  raises("needs class labels, but y holds several targets", function()
    several():split { 0.5, 0.5, stratify = true }
  end)
end

return testing.run(tests)
