---@meta data
-- Written by `make docs`; do not edit it.

---
---@class data.Scaler
---@field kind string "standard", "min_max" or "imputer"
---@field shift? userdata float64 tensor, one value per column
---@field scale? userdata float64 tensor, one value per column
local data_Scaler = {}

--- A set scaled with what was measured; the one given stays as it is.
---@param set data.Set with the same number of columns
---@return data.Set
function data_Scaler:apply(set) end

---
---@class data.Set
---@field x any tensor (N, ...), or several by place or name
---@field y any tensor (N) int64 labels, or (N, K) numbers; or several
---@field classes? string[] names of the classes; label i belongs to classes[i + 1]
---@field columns? string[] names of the columns of x
---@field name string what messages and reports call it
local data_Set = {}

--- Raise an error that names row and column when x or y holds NaN or an infinity, when a label lies
--- outside the classes, or when x and y differ in length.
---@param missing? string "keep" allows NaN in x; default "error"
---@return data.Set self
function data_Set:check(missing) end

--- The number of classes, or nil when y holds no labels.
---@return integer?
function data_Set:class_count() end

--- The rows with these numbers, in this order.
---@param rows integer[] from 1; a row may come several times
---@return data.Set
function data_Set:take(rows) end

--- Rows `first` to `last`; shares memory with this set.
---@param first integer from 1
---@param last? integer default the last row
---@return data.Set
function data_Set:rows(first, last) end

--- All rows in another order, which depends on the seed and epoch alone.
---@param given? table
---@return data.Set
function data_Set:shuffle(given) end

--- The rows of some classes. Labels are numbered anew, in the order given.
---@param classes (string|integer)[] names, or labels from 0
---@return data.Set
function data_Set:subset(classes) end

--- Deal the rows out at random: each is in exactly one part. Sizes go by largest remainder.
---
--- `local train, val, test = set:split { 0.8, 0.1, 0.1, stratify = true, seed = 1 }`
---@param given table a list of shares that sum to 1, or of numbers of rows that sum to all
---@return data.Set ... one for each share
function data_Set:split(given) end

--- Go through the rows in batches: `for x, y in set:batches { batch_size = 64 } do ... end`.
---
--- Without shuffling, batches share memory with the set. With it, the order depends on seed and
--- epoch alone.
---@param given? table
---@return fun(): userdata?, userdata? next x and y of the next batch
function data_Set:batches(given) end

--- x as (N, columns).
---@return data.Set
function data_Set:flatten() end

--- The target as (N, classes) with a 1 at each row's label.
---@return data.Set
function data_Set:one_hot() end

--- x, and y where it is not labels, in another type. Of several inputs those of whole numbers stay.
---@param dtype string "float32" or "float64"
---@return data.Set
function data_Set:to(dtype) end

--- Bring each column to mean 0 and standard deviation 1, measured on this set, and the same to others:
--- `train, val, test = train:standardize(val, test)`.
---@param ... data.Set
---@return data.Set ... this set and the others, scaled
function data_Set:standardize(...) end

--- Bring each column to the range 0 to 1, measured on this set, and the same to others.
---@param ... data.Set
---@return data.Set ... this set and the others, scaled
function data_Set:min_max(...) end

--- SHA-256 of types, shapes, contents and class names, as 64 hex digits.
---@return string
function data_Set:hash() end

--- Print the size, the classes with their shares, and minimum, mean and maximum of the columns.
function data_Set:describe() end

local data = {}

--- Normal clouds around random centres, one for each class.
---@param given? table
---@return data.Set set x (n, features)
function data.blobs(given) end

--- The cat pictures of A. Ng's "Neural Networks and Deep Learning": 209 + 50, two classes.
---@param dir string folder with train_catvnoncat.h5 and test_catvnoncat.h5
---@param given? table
---@return data.Set train x (209, 64, 64, 3), from 0 to 1
---@return data.Set test x (50, 64, 64, 3)
function data.cats(dir, given) end

--- A text in windows: x holds `length` characters (bytes) as int64 numbers from 0, y the ones that follow
--- each. What is left at the end is dropped. `set.vocabulary` lists the characters and has `encode` and
--- `decode`.
---@param text string
---@param given? table
---@return data.Set set x (N, length), y (N, length)
function data.characters(text, given) end

--- A circle of radius 1 and one inside it.
---@param given? table
---@return data.Set set x (n, 2), labels 0 (outer) and 1
function data.circles(given) end

--- Read a table from a CSV file, plain or gzip, into a data set.
---
--- Columns of numbers are taken as they are, booleans as 0 and 1, and columns of words become one
--- column for each word (`sex=male`). The target is read as class labels when it holds words,
--- booleans or the numbers 0, 1, ... without a gap, and as numbers (N, 1) otherwise. An error names
--- the file, line and column of the cell.
---
--- Missing cells (empty, `?`, `NA`, `NaN`, `null`, or those in `na`) are an error unless `missing`
--- says what to do: "drop" the row, put the "mean", "median" or "mode" (the most frequent value; for
--- words always this one) or a number in their place, give words a "category" of their own, or "keep"
--- them as NaN for a data.scaler.imputer. The mean is that of the whole file: to learn it from the
--- training part alone, keep and impute after splitting.
---@param path string
---@param given table
---@return data.Set
function data.csv(path, given) end

--- Fashion-MNIST: 60000 pictures of clothes for training and 10000 for testing, ten classes (Xiao,
--- Rasul, Vollgraf, 2017). From Debian's package dataset-fashion-mnist.
---@param given? table
---@return data.Set train x (60000, 28, 28), from 0 to 1
---@return data.Set test x (10000, 28, 28)
function data.fashion_mnist(given) end

--- All datasets of an HDF5 file by their path ("group/name"): tensors, or lists of strings. Needs
--- libhdf5 (Debian: libhdf5-103).
---@param path string
---@return table<string, any> values by name
---@return string[] names in the file's order
function data.hdf5(path) end

--- Pictures and labels from IDX files (the format of MNIST), plain or gzip. Pixels are divided by 255.
---@param images string path
---@param labels? string path
---@param given? table
---@return data.Set x (N, rows, columns)
function data.idx(images, labels, given) end

--- MNIST: 60000 + 10000 handwritten digits (LeCun, Cortes, Burges) from the four original files.
---@param dir string folder with train-images-idx3-ubyte.gz and the other three
---@param given? table
---@return data.Set train x (60000, 28, 28), from 0 to 1
---@return data.Set test x (10000, 28, 28)
function data.mnist(dir, given) end

--- Two interleaved half circles.
---@param given? table
---@return data.Set set x (n, 2), labels 0 and 1
function data.moons(given) end

--- One array from an NPY file of numpy's: float32 and float64 stay what they are, whole numbers and
--- booleans become int64, unless `dtype` says otherwise.
---@param path string
---@param given? table
---@return userdata tensor
function data.npy(path, given) end

--- All arrays of an NPZ file of numpy's, stored or compressed.
---@param path string
---@return table<string, userdata> tensors by name
---@return string[] names in the file's order
function data.npz(path) end

--- Two classes on the petals of a flower, which no straight line can part: the planar data of A. Ng's
--- "Neural Networks and Deep Learning". The radius is petal * sin(4 angle) + noise.
---@param given? table
---@return data.Set set x (n, 2), labels 0 and 1
function data.planar_flower(given) end

--- A linear relation: x standard normal, y = x w + noise.
---@param given? table
---@return data.Set set x (n, features), y (n, 1)
function data.regression(given) end

data.scaler = {}

--- Measure what to put in place of missing cells (NaN in x): the mean of each column.
---@param set data.Set the training part, read with `missing = "keep"`
---@return data.Scaler
function data.scaler.imputer(set) end

--- Measure minimum and maximum; applying it brings each column to the range 0 to 1.
---@param set data.Set the training part
---@param given? table
---@return data.Scaler
function data.scaler.min_max(set, given) end

--- Measure mean and standard deviation (dividing by N); applying it gives columns of mean 0 and
--- standard deviation 1. NaN cells are left out and stay.
---@param set data.Set the training part
---@param given? table
---@return data.Scaler
function data.scaler.standard(set, given) end

--- Seal a data set, in place: every use of it is counted from now on.
---@param set data.Set
---@return data.Set set the same one, now with `set:looks()`: a list of { what, where }
function data.seal(set) end

--- A data set from tensors or tables. Whole numbers in a table `y` are class labels. Several inputs or
--- targets are tensors by place or name: `data.set { x = { image = a, size = b }, y = { class = c } }`.
---@param given table
---@return data.Set
function data.set(given) end

--- Spiral arms, one for each class.
---@param given? table
---@return data.Set set x (n, 2)
function data.spiral(given) end

--- The text of a file, plain or gzip.
---@param path string
---@return string
function data.text(path) end

--- Write a tensor as an NPY file.
---@param path string
---@param tensor userdata
function data.write_npy(path, tensor) end

--- Write tensors as an NPZ file (stored), in the order of their names; equal tensors give equal bytes.
---@param path string
---@param tensors table<string, userdata>
function data.write_npz(path, tensors) end

--- Points of the square [-1, 1] x [-1, 1]; class 1 where the signs differ.
---@param given? table
---@return data.Set set x (n, 2), labels 0 and 1
function data.xor(given) end

return data
