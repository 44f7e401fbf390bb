-- Data from files: what becomes of them, and what is said about bad ones, at the script's line.
local testing = require "testing"
local data = require "data"
local tensor = require "core.tensor"
local equal, raises = testing.equal, testing.raises

local tests = {}

local function csv_file(text)
  return testing.write(testing.folder() .. "/t.csv", text)
end

local function csv(text, options)
  return data.csv(csv_file(text), options)
end

local PEOPLE = "age,sex,member,city\n20,male,True,Oslo\n30,female,False,Rome\n,male,True,Oslo\n50,,False,Oslo\n"

tests["columns of numbers, booleans and words become inputs, words of the target classes"] = function()
  local set = csv("age,sex,member,kind\n20,m,True,b\n30,f,False,a\n40,m,True,b\n", { target = "kind" })
  equal(set.columns, { "age", "sex=f", "sex=m", "member" })
  equal(set.x:totable(), { { 20, 0, 1, 1 }, { 30, 1, 0, 0 }, { 40, 0, 1, 1 } })
  equal(set.y:totable(), { 1, 0, 1 })
  equal(set.classes, { "a", "b" })
  equal(set.name, "t.csv")
end

tests["the target is a column by name or number, several, or none"] = function()
  local text = "a,b,c\n1,2.5,0\n3,4.5,1\n"
  equal(csv(text, { target = "b" }).y:totable(), { { 2.5 }, { 4.5 } })
  equal(csv(text, { target = 2 }).columns, { "a", "c" })
  equal(csv(text, { target = -1 }).y:totable(), { 0, 1 })
  equal(csv(text, { target = { "a", "b" } }).y:totable(), { { 1, 2.5 }, { 3, 4.5 } })
  equal(csv(text, { target = false }).y, nil)
  equal(csv(text, { target = -1, task = "regression" }).y:totable(), { { 0 }, { 1 } })
  equal(csv(text, { target = "a", task = "classes" }).classes, { "1", "3" })
end

tests["a missing or mistyped target is explained"] = function()
  local path = csv_file("age,weight\n1,2\n")
  raises('say which column is the target: target = "weight", target = -1', function() data.csv(path) end)
  raises("no column \"wieght\" (option target), did you mean 'weight'?", function()
    data.csv(path, { target = "wieght" })
  end)
  raises("no column 3", function() data.csv(path, { target = 3 }) end)
  raises("unknown option 'targt' (did you mean 'target'?)", function() data.csv(path, { targt = 1 }) end)
end

tests["class names can be given for labels and for words"] = function()
  equal(csv("1,0\n2,1\n", { target = -1, classes = { "no", "yes" } }).classes, { "no", "yes" })
  local set = csv("1,lo\n2,hi\n3,lo\n", { target = -1, classes = { "lo", "hi" } })
  equal(set.y:totable(), { 0, 1, 0 })
  raises("class 'hi' of the target is not in classes", function()
    csv("1,lo\n2,hi\n", { target = -1, classes = { "lo", "high" } })
  end)
end

tests["missing cells are an error that names line and column"] = function()
  raises("t.csv:4:1: a cell of column 'age' is missing, as 1 of its 4 are; set missing =", function()
    csv(PEOPLE, { target = "city" })
  end)
  raises("t.csv:3:3: a cell of column 'b' is missing, as 1 of its 2 are; it is the target", function()
    csv("a,b\n1,2\n3,\n", { target = "b", missing = 0 })
  end)
end

tests["missing cells follow the policy"] = function()
  local function inputs(missing)
    return csv(PEOPLE, { target = "city", missing = missing }).x:totable()
  end
  equal(inputs("drop"), { { 20, 0, 1, 1 }, { 30, 1, 0, 0 } })
  equal(inputs("median")[3], { 30, 0, 1, 1 })
  testing.near(inputs("mean")[3][1], 100 / 3)
  equal(inputs("mode")[4], { 50, 0, 1, 0 })
  equal(inputs({ age = -1, sex = "category" })[3], { -1, 0, 1, 0, 1 })
  equal(inputs({ age = -1, sex = "category" })[4], { 50, 0, 0, 1, 0 })
  local kept = csv(PEOPLE, { target = "city", missing = "keep", drop = { "sex" } })
  testing.ok(kept.x:get(3, 1) ~= kept.x:get(3, 1))
  equal(data.scaler.imputer(kept:take { 1, 2 }):apply(kept).x:get(3, 1), 25.0)
  raises("missing = \"avg\"; it can be a number, or one of", function() inputs("avg") end)
  raises("a number cannot stand in for a word", function() inputs(0) end)
  raises("there is no column \"agee\"", function() inputs({ agee = "drop" }) end)
end

tests["other markers of missing cells can be said"] = function()
  equal(csv("a,b\n1,0\n-9,1\n", { target = -1, na = { "-9" }, missing = 5 }).x:totable(), { { 1 }, { 5 } })
end

tests["columns are chosen and left out"] = function()
  local text = "a,b,c\n1,2,0\n3,4,1\n"
  equal(csv(text, { target = "c", drop = { "a" } }).columns, { "b" })
  equal(csv(text, { target = "c", columns = { 1 } }).columns, { "a" })
  raises("no column is left as input", function() csv(text, { target = "c", drop = { 1, 2 } }) end)
end

tests["a column of too many words is not spread out"] = function()
  local lines = { "name,y" }
  for i = 1, 101 do
    lines[#lines + 1] = ("n%d,%d"):format(i, i % 2)
  end
  raises("column 'name' has 101 different words, more than max_categories = 100; leave it out with drop",
    function() csv(table.concat(lines, "\n"), { target = "y" }) end)
end

tests["bad cells name file, line and column at the script's line"] = function()
  local message = raises("t.csv:3:3: '4x' is not a number", function()
    csv("a,b\n1,2\n3,4x\n5,6\n", { target = "a" })
  end)
  testing.matches(message, "^%S*test_data_files.lua:%d+: data.csv: ")
  raises("t.csv:3:1: this row has fewer than the 2 cells", function() csv("a,b\n1,2\n3\n", { target = "a" }) end)
end

tests["columns can be read as text"] = function()
  local set = csv("zip,y\n02139,0\n10001,1\n", { target = "y", types = { zip = "text" } })
  equal(set.columns, { "zip=02139", "zip=10001" })
end

tests["separators, headers and lines to skip can be said"] = function()
  equal(csv("# made by hand\n1:2:0\n3:4:1\n", { target = -1, skip = 1, header = false, separator = ":" }).x:totable(),
    { { 1, 2 }, { 3, 4 } })
end

tests["missing files, folders and other kinds of file are one sentence"] = function()
  local folder = testing.folder()
  local function read_csv(path)
    return data.csv(path, { target = 1 })
  end
  for _, read in ipairs { data.npy, data.npz, data.idx, data.hdf5, read_csv } do
    raises("/nowhere/x: cannot open: No such file", function() read("/nowhere/x") end)
    raises(folder .. ": ", function() read(folder) end)
    raises("expected the path", function() read(3) end)
  end
  local text = testing.write(folder .. "/text", "hello, world, this is text")
  raises("not an NPY file", function() data.npy(text) end)
  raises("not a ZIP archive", function() data.npz(text) end)
  raises("not an IDX file", function() data.idx(text) end)
  raises("not an HDF5 file", function() data.hdf5(text) end)
end

tests["pictures are divided by 255 and matched with labels"] = function()
  local folder = testing.folder()
  local images = testing.write(folder .. "/i", "\0\0\8\3\0\0\0\2\0\0\0\1\0\0\0\2\0\255\51\102")
  local labels = testing.write(folder .. "/l", "\0\0\8\1\0\0\0\2\1\0")
  local set = data.idx(images, labels, { classes = { "a", "b" } })
  testing.near(set.x, { { { 0, 1 } }, { { 0.2, 0.4 } } })
  equal(set.y:totable(), { 1, 0 })
  equal(data.idx(images, nil, { divide = 1, dtype = "float64" }).x:totable(), { { { 0, 255 } }, { { 51, 102 } } })
  local short = testing.write(folder .. "/s", "\0\0\8\1\0\0\0\1\1")
  raises("x has 2 rows, but y has 1", function() data.idx(images, short) end)
  raises("label of row 1 is 1, outside the 1 classes", function() data.idx(images, labels, { classes = { "a" } }) end)
  local huge = testing.write(folder .. "/h", "\0\0\8\2\0\16\0\0\0\16\0\0")
  raises("h: cut off: the header says shape (1048576, 1048576), that is 1099511627776 bytes", function()
    data.idx(huge)
  end)
end

tests["arrays are written and read back"] = function()
  local folder = testing.folder()
  local w = tensor.new({ { 1.5, 2.5, 3.5 } }, "float64")
  local b = tensor.new({ 1, 2 }, "int64")
  data.write_npy(folder .. "/w.npy", w)
  equal(data.npy(folder .. "/w.npy"):totable(), w:totable())
  equal(data.npy(folder .. "/w.npy"):dtype(), "float64")
  equal(data.npy(folder .. "/w.npy", { dtype = "float32" }):dtype(), "float32")
  data.write_npz(folder .. "/m.npz", { W1 = w, b1 = b })
  local arrays, names = data.npz(folder .. "/m.npz")
  equal(names, { "W1", "b1" })
  equal(arrays.b1:totable(), { 1, 2 })
  data.write_npz(folder .. "/n.npz", { b1 = b, W1 = w })
  equal(testing.read(folder .. "/m.npz"), testing.read(folder .. "/n.npz"))
  raises("/nowhere/w.npy: cannot create", function() data.write_npy("/nowhere/w.npy", w) end)
  raises("array 'a' must be a tensor, got number", function() data.write_npz(folder .. "/o.npz", { a = 1 }) end)
end

tests["weights that numpy wrote are read"] = function()
  local arrays, names = data.npz(testing.shared("data/course/init_planar_h4.npz"))
  equal(names, { "W1", "b1", "W2", "b2" })
  equal(arrays.W1:shape(), { 4, 2 })
  equal(arrays.W1:dtype(), "float64")
end

tests["the course's planar points are read"] = function()
  local set = data.csv(testing.shared("data/course/data_planar.csv"), { target = "y", dtype = "float64" })
  equal(set.x:shape(), { 400, 2 })
  equal(set.x:get(1, 1), 1.204442292254319)
  equal(set:class_count(), 2)
end

tests["tables met in practice are read"] = function()
  local adult = data.csv(testing.shared("data/tabular/adult-train.csv.gz"), { target = -1, missing = "drop" })
  equal(#adult, 30162)
  equal(adult.classes, { "<=50K", ">50K" })
  local iris = data.csv(testing.shared("data/tabular/iris-sklearn.csv"), { target = -1, skip = 1 })
  equal({ #iris, iris:class_count() }, { 150, 3 })
  raises(":1:7: 'setosa' is not a number", function()
    data.csv(testing.shared("data/tabular/iris-sklearn.csv"), { target = -1 })
  end)
  local titanic = data.csv(testing.shared("data/tabular/titanic.csv"),
    { target = "survived", missing = { age = "median", embarked = "mode", embark_town = "mode", deck = "category" } })
  equal(#titanic, 891)
  equal(titanic.classes, { "0", "1" })
end

tests["cats are read where HDF5 is installed"] = function()
  local dir = testing.shared("data/cats/train_catvnoncat.h5"):match("^(.*)/")
  local fine, train, test = pcall(data.cats, dir)
  if not fine and train:find("libhdf5", 1, true) then
    testing.skip("libhdf5 is not installed")
  end
  testing.ok(fine, train)
  equal(train.x:shape(), { 209, 64, 64, 3 })
  equal(test:flatten().x:shape(), { 50, 12288 })
  equal(train.classes, { "non-cat", "cat" })
  testing.near(train.x:get(1, 1, 1, 1), 17 / 255)
end

tests["Fashion-MNIST is read where installed, and its package named where not"] = function()
  raises("install Debian's package dataset-fashion-mnist", function() data.fashion_mnist { dir = "/nowhere" } end)
  if not testing.exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz") then
    testing.skip("dataset-fashion-mnist is not installed")
  end
  local train, test = data.fashion_mnist()
  equal(train.x:shape(), { 60000, 28, 28 })
  equal(#test, 10000)
  equal(train.classes[10], "Ankle boot")
  equal(train.y:rows(1, 5):totable(), { 9, 0, 0, 3, 0 })
end

tests["a text becomes windows of characters, and those that follow"] = function()
  local path = testing.write(testing.folder() .. "/t.txt", "abacabad")
  local set = data.characters(data.text(path), { length = 3 })
  equal(table.concat(set.vocabulary), "abcd")
  equal(set.x:totable(), { { 0, 1, 0 }, { 2, 0, 1 } })
  equal(set.y:totable(), { { 1, 0, 2 }, { 0, 1, 0 } })
  equal(set.x:dtype(), "int64")
  equal(set.vocabulary:decode(set.vocabulary:encode "bad"), "bad")
  equal(data.characters("cabc", { length = 2, vocabulary = set.vocabulary }).x:totable(), { { 2, 0 } })
  raises("the character \"x\" is not in the vocabulary", set.vocabulary.encode, set.vocabulary, "ax")
  raises("a text of more than 9 characters", data.characters, "abcabcabc", { length = 9 })
  raises("no/such.txt", data.text, "no/such.txt")
end

return testing.run(tests)
