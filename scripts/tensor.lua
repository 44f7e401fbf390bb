--- Tensors: arrays of numbers, and arithmetic on them, `tensor.new {{1, 2}, {3, 4}}:matmul(x) + 1`.
---
--- A tensor has a dtype ("float32", the default, "float64" or "int64"), a shape, and elements in row
--- order. Operators and operations broadcast as numpy's do; every operation of the engine is also a
--- function here (`tensor.exp(x)`) and a method (`x:exp()`), and so is every function below that takes a
--- tensor first. `+ - * / ^ // %` work on elements, `& | ~` on truth (0 or not), `..` puts rows together.
---
--- Numbers and axes count from 1, or from the end when negative. `x[2]` is a row (or, of one axis, a
--- number), `x[{ 2, { 1, 3 } }]` the first three elements of row 2, `x[{ {}, -1 }]` or `x[":, -1"]` the
--- last column, `x["::2"]` every other row, `x[x:greater(0)]` the elements where a mask is not 0. Places,
--- which are int64 tensors as argmax, sort and labels give them, count from 0: `x[x:argsort()]`. The same
--- with `= value` writes, and the value broadcasts. Rows and ranges of rows (`x[2]`, `x[{ { 2, 5 } }]`),
--- detach, and other shapes of the same elements (view, reshape, flatten, squeeze, unsqueeze) share
--- memory with x; everything else is a copy.
---
--- Types meet so: float64 with anything is float64, int64 with float32 is float32, a Lua number takes the
--- tensor's type (a fraction makes int64 float32). int64 stays so in `+ - * // % ^`, sums, extremes,
--- sorting and indexing, and wraps around; other operations, as `/` and mean, read it as float32.
--- Comparisons and masks are 1 and 0 in a float type.
local core = require "core.tensor"
local einsum = require "tensor.einsum"
local gradient = require "tensor.gradient"
local graphs = require "core.graph"
local linalg = require "tensor.linalg"
local op = require "core.op"
local shapes = require "tensor.shapes"
local tape = require "core.tape"

local M = {}

--- A tensor of zeros.
---@param shape integer[] e.g. {2, 3}
---@param dtype? string default "float32"
---@return Tensor
M.zeros = core.zeros

--- A tensor of ones.
---@param shape integer[]
---@param dtype? string default "float32"
---@return Tensor
M.ones = core.ones

--- A tensor of one value.
---@param shape integer[]
---@param value number
---@param dtype? string default "float32"
---@return Tensor
M.full = core.full

--- A tensor of given numbers: a number, a nested table, or a copy of a tensor.
---@param values number|table|Tensor nested tables must be rectangular
---@param dtype? string default "float32", or that of the tensor
---@return Tensor
M.new = core.new

--- Ones on the main diagonal of a matrix, zeros elsewhere.
---@param rows integer
---@param columns? integer default: as many as rows
---@param dtype? string default "float32"
---@return Tensor
M.eye = core.eye

--- first, first + step, ... up to and including last.
---@param first number
---@param last number
---@param step? number default 1
---@param dtype? string default "float32"
---@return Tensor
M.arange = core.arange

--- Numbers spread evenly from first to last, both included.
---@param first number
---@param last number
---@param count? integer default 50
---@param dtype? string default "float32"
---@return Tensor
M.linspace = core.linspace

--- Set the seed of rand, randn, randint and randperm, and begin its numbers anew. It is 0 at the start.
---@param seed integer
M.manual_seed = core.manual_seed

--- Random numbers, uniform in [0, 1).
---@param shape integer[]
---@param dtype? string default "float32"
---@return Tensor
M.rand = core.rand

--- Random numbers from the standard normal distribution.
---@param shape integer[]
---@param dtype? string default "float32"
---@return Tensor
M.randn = core.randn

--- Random whole numbers from low up to, but less than, high.
---@param low integer
---@param high integer
---@param shape integer[]
---@param dtype? string default "int64"
---@return Tensor
M.randint = core.randint

--- 0, 1 ... count - 1 in random order, int64: places to index with.
---@param count integer
---@return Tensor
M.randperm = core.randperm

--- Whether a value is a tensor.
---@param value any
---@return boolean
M.is_tensor = core.is_tensor

for _, row in ipairs(op.rows()) do
  if not row.name:find("_grad$") then
    M[row.name] = op[row.name]
  end
end

-- Functions of the parts, and methods of those that take a tensor first; what changes shapes is a method of a
-- model's values, too.
local NO_METHODS = { stack = true, meshgrid = true }
for name, f in pairs(shapes) do
  M[name] = f
  if not NO_METHODS[name] then
    core.methods[name], graphs.methods[name] = f, f
  end
end
graphs.methods.view = op.reshape
for name, f in pairs(linalg) do
  core.methods[name] = f
end
M.einsum = einsum.einsum
M.grad = gradient.grad
M.value_and_grad = gradient.value_and_grad

--- Call f(...) without remembering what it does to tensors, and return what it returns. Only here may
--- tensors that require a gradient be written to: `tensor.no_grad(function() w:sub_(w:grad() * lr) end)`.
---@param f fun(...): any
---@return any ...
M.no_grad = tape.no_grad

--- The x with a x = b, for square a. Raises when a is singular. This, inv, det and cholesky have gradients.
---@param a Tensor (..., n, n)
---@param b Tensor (..., n) or (..., n, k)
---@return Tensor x of b's shape
M.solve = linalg.solve

--- The inverse of square matrices. Raises when one is singular.
---@param x Tensor (..., n, n)
---@return Tensor
M.inv = linalg.inv

--- The determinants of square matrices.
---@param x Tensor (..., n, n)
---@return Tensor (...)
M.det = linalg.det

--- The lower triangle L with x = L L^T. Raises when x is not positive definite.
---@param x Tensor (..., n, n), symmetric: only its lower triangle is read
---@return Tensor
M.cholesky = linalg.cholesky

--- x = q r with orthonormal columns in q and an upper triangle r; k = min(m, n).
---@param x Tensor (..., m, n)
---@return Tensor q (..., m, k)
---@return Tensor r (..., k, n)
M.qr = linalg.qr

--- x = u diag(s) vh, singular values s in descending order.
---@param x Tensor (..., m, n)
---@param full? boolean default true: u (m, m) and vh (n, n); false: (m, k) and (k, n), k = min(m, n)
---@return Tensor u
---@return Tensor s (..., k)
---@return Tensor vh
M.svd = linalg.svd

--- Eigenvalues, ascending, and eigenvectors, the columns of v, of symmetric matrices.
---@param x Tensor (..., n, n): only its lower triangle is read
---@return Tensor w (..., n)
---@return Tensor v (..., n, n)
M.eigh = linalg.eigh

--- Least squares: the x of least norm that makes |a x - b| least.
---@param a Tensor (m, n)
---@param b Tensor (m) or (m, k)
---@param rcond? number singular values below rcond times the largest count as 0; default: the type's precision
---@return Tensor x (n) or (n, k)
---@return integer rank of a
---@return Tensor s its singular values
M.lstsq = linalg.lstsq

return M
