--- Data: readers, generators, named sets. Everything here gives data sets (see data.Set) or tensors.
---
--- Files that cannot be read raise an error with the script's line, the file, and what is wrong.
local core = require "core.data"
local options = require "options"
local scaler = require "data.scaler"
local seals = require "data.seal"
local sets = require "data.set"
local text = require "data.text"

local M = {}

M.scaler = scaler
M.csv = require "data.csv"
M.text = text.text
M.characters = text.characters
M.set = sets.new
M.seal = seals.seal

local function check_path(path, where)
  if type(path) ~= "string" then
    options.fail("%s: expected the path of a file, got %s", where, options.show(path))
  end
  return path
end

-- The result of a reader, or an error at the script's line.
local function must(where, result, more)
  if result == nil then
    options.fail("%s: %s", where, more)
  end
  return result, more
end

local function exists(path)
  local file = io.open(path, "rb")
  return file and file:close()
end

-- ---- arrays ----

local ARRAY = {
  dtype = { type = "string", choices = { "float32", "float64", "int64" }, help = "default: as in the file" },
}

--- One array from an NPY file of numpy's: float32 and float64 stay what they are, whole numbers and
--- booleans become int64, unless `dtype` says otherwise.
---@param path string
---@param given? table
---@options ARRAY
---@return userdata tensor
function M.npy(path, given)
  local o = options.check(given, ARRAY, "data.npy")
  return must("data.npy", core.read_npy(check_path(path, "data.npy"), o.dtype))
end

--- All arrays of an NPZ file of numpy's, stored or compressed.
---@param path string
---@return table<string, userdata> tensors by name
---@return string[] names in the file's order
function M.npz(path)
  return must("data.npz", core.read_npz(check_path(path, "data.npz")))
end

--- All datasets of an HDF5 file by their path ("group/name"): tensors, or lists of strings. Needs
--- libhdf5 (Debian: libhdf5-103).
---@param path string
---@return table<string, any> values by name
---@return string[] names in the file's order
function M.hdf5(path)
  return must("data.hdf5", core.read_hdf5(check_path(path, "data.hdf5")))
end

--- Write a tensor as an NPY file.
---@param path string
---@param tensor userdata
function M.write_npy(path, tensor)
  must("data.write_npy", core.write_npy(check_path(path, "data.write_npy"), tensor))
end

--- Write tensors as an NPZ file (stored), in the order of their names; equal tensors give equal bytes.
---@param path string
---@param tensors table<string, userdata>
function M.write_npz(path, tensors)
  if type(tensors) ~= "table" then
    options.fail("data.write_npz: expected a table of tensors by name, got %s", options.show(tensors))
  end
  must("data.write_npz", core.write_npz(check_path(path, "data.write_npz"), tensors))
end

-- ---- pictures ----

local IDX = {
  classes = { type = "table", help = "names of the classes" },
  divide = { type = "number", default = 255, above = 0, help = "pixels are divided by this; 1 keeps them" },
  dtype = { type = "string", choices = { "float32", "float64" }, default = "float32" },
  name = { type = "string", help = "default: the file's name" },
}

local function read_idx(images, labels, o)
  local x = must("data.idx", core.read_idx(images, o.dtype))
  if o.divide ~= 1 then
    core.divide(x, o.divide)
  end
  return sets.new {
    x = x, y = labels and must("data.idx", core.read_idx(labels, "int64")), classes = o.classes,
    name = o.name or images:match("([^/]+)$"),
  }
end

--- Pictures and labels from IDX files (the format of MNIST), plain or gzip. Pixels are divided by 255.
---@param images string path
---@param labels? string path
---@param given? table
---@options IDX
---@return data.Set x (N, rows, columns)
function M.idx(images, labels, given)
  check_path(images, "data.idx")
  return read_idx(images, labels and check_path(labels, "data.idx"), options.check(given, IDX, "data.idx"))
end

local NAMED = {
  dtype = { type = "string", choices = { "float32", "float64" }, default = "float32" },
}
local FASHION = {
  dir = { type = "string", default = "/usr/share/datasets/fashion-mnist", help = "folder with the four files" },
  dtype = NAMED.dtype,
}

-- A file of the MNIST family under one of its usual names.
local function find_idx(dir, stem, kind, absent)
  for _, pattern in ipairs { "%s-%s-ubyte.gz", "%s-%s-ubyte", "%s.%s-ubyte", "%s.%s-ubyte.gz" } do
    local path = dir .. "/" .. pattern:format(stem, kind)
    if exists(path) then
      return path
    end
  end
  options.fail(absent, dir .. "/" .. ("%s-%s-ubyte.gz"):format(stem, kind))
end

local function mnist_like(o, name, classes, absent)
  local parts = {}
  for i, part in ipairs { "train", "t10k" } do
    local images = find_idx(o.dir, part .. "-images", "idx3", absent)
    local labels = find_idx(o.dir, part .. "-labels", "idx1", absent)
    parts[i] = read_idx(images, labels, {
      dtype = o.dtype, divide = 255, classes = classes, name = name .. (i == 1 and " train" or " test"),
    })
  end
  return parts[1], parts[2]
end

local GARMENTS = {
  "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
}

--- Fashion-MNIST: 60000 pictures of clothes for training and 10000 for testing, ten classes (Xiao,
--- Rasul, Vollgraf, 2017). From Debian's package dataset-fashion-mnist.
---@param given? table
---@options FASHION
---@return data.Set train x (60000, 28, 28), from 0 to 1
---@return data.Set test x (10000, 28, 28)
function M.fashion_mnist(given)
  local o = options.check(given, FASHION, "data.fashion_mnist")
  return mnist_like(o, "fashion-mnist", GARMENTS,
    "data.fashion_mnist: there is no %s; install Debian's package dataset-fashion-mnist "
      .. "(apt-get install dataset-fashion-mnist), or give its folder as dir")
end

local function dir_options(dir, given, where)
  if type(dir) ~= "string" then
    options.fail("%s: expected the folder with the files, got %s", where, options.show(dir))
  end
  local o = options.check(given, NAMED, where)
  o.dir = dir
  return o
end

--- MNIST: 60000 + 10000 handwritten digits (LeCun, Cortes, Burges) from the four original files.
---@param dir string folder with train-images-idx3-ubyte.gz and the other three
---@param given? table
---@options NAMED
---@return data.Set train x (60000, 28, 28), from 0 to 1
---@return data.Set test x (10000, 28, 28)
function M.mnist(dir, given)
  local o = dir_options(dir, given, "data.mnist")
  local digits = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }
  return mnist_like(o, "mnist", digits, "data.mnist: there is no %s; the folder must hold MNIST's four files")
end

--- The cat pictures of A. Ng's "Neural Networks and Deep Learning": 209 + 50, two classes.
---@param dir string folder with train_catvnoncat.h5 and test_catvnoncat.h5
---@param given? table
---@options NAMED
---@return data.Set train x (209, 64, 64, 3), from 0 to 1
---@return data.Set test x (50, 64, 64, 3)
function M.cats(dir, given)
  local o = dir_options(dir, given, "data.cats")
  local parts = {}
  for i, part in ipairs { "train", "test" } do
    local path = ("%s/%s_catvnoncat.h5"):format(o.dir, part)
    local arrays = must("data.cats", core.read_hdf5(path))
    local x, y = arrays[part .. "_set_x"], arrays[part .. "_set_y"]
    if not x or not y then
      options.fail("data.cats: %s has no %s_set_x and %s_set_y", path, part, part)
    end
    parts[i] = sets.new {
      x = core.divide(x:to(o.dtype), 255), y = y, classes = arrays.list_classes, name = "cats " .. part,
    }
  end
  return parts[1], parts[2]
end

-- ---- generators ----

local DTYPE = { type = "string", choices = { "float32", "float64" }, default = "float32", help = "of x" }
local SEED = { type = "integer", default = 0, help = "other seeds give other points" }
local ROWS = { type = "integer", default = 400, min = 1, help = "number of rows" }
local CLASSES = { type = "integer", default = 3, min = 1, help = "number of classes" }

local function number(default, help)
  return { type = "number", default = default, min = 0, help = help }
end

-- `shape` is the option whose value the generator knows as its shape.
local function generate(kind, shape, spec, given)
  local o = options.check(given, spec, "data." .. kind)
  o.shape = shape and o[shape]
  local x, y = core.generate(kind, o)
  return sets.new { x = x, y = y, name = kind }
end

local PLANAR_FLOWER = {
  n = ROWS, seed = SEED, dtype = DTYPE,
  noise = number(0.2, "standard deviation of the radius"),
  petal = number(4, "length of the petals"),
}

--- Two classes on the petals of a flower, which no straight line can part: the planar data of A. Ng's
--- "Neural Networks and Deep Learning". The radius is petal * sin(4 angle) + noise.
---@param given? table
---@options PLANAR_FLOWER
---@return data.Set set x (n, 2), labels 0 and 1
function M.planar_flower(given)
  return generate("planar_flower", "petal", PLANAR_FLOWER, given)
end

local MOONS = { n = ROWS, seed = SEED, dtype = DTYPE, noise = number(0.1, "standard deviation") }

--- Two interleaved half circles.
---@param given? table
---@options MOONS
---@return data.Set set x (n, 2), labels 0 and 1
function M.moons(given)
  return generate("moons", nil, MOONS, given)
end

local CIRCLES = {
  n = ROWS, seed = SEED, dtype = DTYPE,
  noise = number(0.05, "standard deviation"),
  factor = number(0.5, "radius of the inner circle"),
}

--- A circle of radius 1 and one inside it.
---@param given? table
---@options CIRCLES
---@return data.Set set x (n, 2), labels 0 (outer) and 1
function M.circles(given)
  return generate("circles", "factor", CIRCLES, given)
end

local SPIRAL = {
  n = ROWS, seed = SEED, dtype = DTYPE, classes = CLASSES,
  noise = number(0.2, "standard deviation of the angle, in radians"),
  turn = number(4, "radians from the centre to the end"),
}

--- Spiral arms, one for each class.
---@param given? table
---@options SPIRAL
---@return data.Set set x (n, 2)
function M.spiral(given)
  return generate("spiral", "turn", SPIRAL, given)
end

local BLOBS = {
  n = ROWS, seed = SEED, dtype = DTYPE, classes = CLASSES,
  features = { type = "integer", default = 2, min = 1, help = "columns of x" },
  noise = number(1, "standard deviation of a cloud"),
  spread = number(10, "centres are uniform in [-spread, spread]"),
}

--- Normal clouds around random centres, one for each class.
---@param given? table
---@options BLOBS
---@return data.Set set x (n, features)
function M.blobs(given)
  return generate("blobs", "spread", BLOBS, given)
end

local XOR = {
  n = ROWS, seed = SEED, dtype = DTYPE,
  noise = number(0, "standard deviation; moves points after they got their class"),
}

--- Points of the square [-1, 1] x [-1, 1]; class 1 where the signs differ.
---@param given? table
---@options XOR
---@return data.Set set x (n, 2), labels 0 and 1
function M.xor(given)
  return generate("xor", nil, XOR, given)
end

local REGRESSION = {
  n = ROWS, seed = SEED, dtype = DTYPE,
  features = { type = "integer", default = 1, min = 1, help = "columns of x" },
  noise = number(0.1, "standard deviation"),
  scale = number(1, "the weights are standard normal times this"),
}

--- A linear relation: x standard normal, y = x w + noise.
---@param given? table
---@options REGRESSION
---@return data.Set set x (n, features), y (n, 1)
function M.regression(given)
  return generate("regression", "scale", REGRESSION, given)
end

return M
