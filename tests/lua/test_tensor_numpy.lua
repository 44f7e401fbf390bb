--- Tensors against NumPy: every function on float64, float32 and int64, with odd, empty and lone shapes.
--- tests/golden/make_tensor.py makes inputs and answers; a case here has the name it has there.
local testing = require "testing"
local data = require "data"
local tensor = require "tensor"

local golden = data.npz "tests/golden/tensor.npz"
local cases = {}

-- A function of the module under names of its own: the same case for several inputs.
local function same(names, f)
  for name in names:gmatch "%S+" do
    cases[name] = f
  end
end

for name in ("add sub mul maximum minimum equal not_equal less less_equal greater greater_equal"):gmatch "%a[%a_]*" do
  same(("%s %s_int %s_mixed"):format(name, name, name), tensor[name])
end
for name in ("neg abs sign square sum prod max min"):gmatch "%a+" do
  same(("%s %s_int"):format(name, name), tensor[name])
end
for name in ("sum prod max min"):gmatch "%a+" do
  same(("%s_axis %s_axis_int"):format(name, name), function(x) return x[name](x, -2) end)
  same(("%s_axes %s_axes_int"):format(name, name), function(x) return x[name](x, { 1, 3 }) end)
  same(("%s_keep %s_keep_int"):format(name, name), function(x) return x[name](x, 2, true) end)
end
same("add empty_add one_add", function(a, b) return a + b end)
same("sub", function(a, b) return a - b end)
same("mul", function(a, b) return a * b end)
same("floor_divide floor_divide_int", function(a, b) return a // b end)
same("remainder remainder_int", function(a, b) return a % b end)
same("div div_int", function(a, b) return a / b end)
same("pow pow_int", function(a, b) return a ^ b end)
same("neg neg_int", function(x) return -x end)
same("clip clip_int", function(x) return x:clip(-2, 2) end)
same("where where_int", function(x) return tensor.where(x:greater(0), x, -x) end)
same("round", tensor.round)
same("floor", tensor.floor)
same("ceil", tensor.ceil)
same("isnan", tensor.isnan)
same("exp_int", tensor.exp)
same("logic", function(a, b) return a & b | ~a end)

same("sum_empty sum_empty_int", function(x) return x:sum(1) end)
same("sum_one sum_one_int", function(x) return x:sum() end)
same("mean mean_int", function(x) return x:mean(2) end)
same("variance variance_int", function(x) return x:variance(1) end)
same("std std_int", function(x) return x:std(2) end)
same("norm norm_int", function(x) return x:norm(-1) end)
same("argmax argmax_int", function(x) return x:argmax(2) end)
same("argmin argmin_int", function(x) return x:argmin(-2) end)
same("cumsum cumsum_int", function(x) return x:cumsum(1) end)
same("cumprod cumprod_int", function(x) return x:cumprod(-1) end)
same("all_axis all_axis_int", function(x) return x:round():all(2) end)
same("any_axis any_axis_int", function(x) return x:round():any(1) end)

same("sort sort_int", function(x) return (x:sort()) end)
same("sort_first sort_first_int", function(x) return (x:sort(1)) end)
same("argsort argsort_int", function(x) return x:argsort() end)
same("topk topk_int", function(x) return x:topk(3) end)
same("unique unique_int unique_float_ties", function(x) return x:unique() end)
same("bincount", function(x) return x:bincount() end)
same("bincount_weights", function(x, w) return x:bincount(w, 6) end)
same("nonzero", function(x) return x:nonzero() end)
same("one_hot", function(x) return x:one_hot(4) end)

same("flip flip_int", function(x) return x:flip() end)
same("flip_axis flip_axis_int", function(x) return x:flip(-2) end)
same("roll roll_int", function(x) return x:roll(2, 1) end)
same("tile tile_int", function(x) return x:tile { 2, 1, 3 } end)
same("repeat_interleave repeat_interleave_int", function(x) return x:repeat_interleave(3, 2) end)
same("repeat_flat repeat_flat_int", function(x) return x:repeat_interleave(2) end)
same("tril tril_int", function(x) return x:tril(1) end)
same("triu triu_int", function(x) return x:triu(-1) end)
same("diag diag_int diag_of diag_of_int", function(x) return x:diag() end)
same("squeeze squeeze_int", function(x) return x:squeeze() end)
same("unsqueeze unsqueeze_int", function(x) return x:unsqueeze(2) end)
same("split split_int", function(x) return table.unpack(x:split(3)) end)
same("chunk chunk_int", function(x) return table.unpack(x:chunk(3, 2)) end)
same("transpose transpose_int", function(x) return x:transpose { 3, 1, 2 } end)
same("stack", function(...) return tensor.stack({ ... }, -1) end)
same("concat", function(...) return tensor.concat({ ... }, 2) end)
same("concat_mixed", function(a, b) return a .. b end)
same("meshgrid", tensor.meshgrid)
same("gather gather_int", function(x)
  return x:gather(tensor.new({ { 0, 4 }, { 1, 1 }, { 3, 2 } }, "int64"))
end)

local places = tensor.new({ 3, 0, -1 }, "int64")
same("index_row", function(x) return x[2] end)
same("index_last", function(x) return x[-1] end)
same("index_range", function(x) return x[{ { 2, 4 } }] end)
same("index_step", function(x) return x["::2"] end)
same("index_reverse", function(x) return x[{ { -1, 1, -1 } }] end)
same("index_column", function(x) return x[":, 3"] end)
same("index_part", function(x) return x[{ { 2, 3 }, 1, { 2, -1 } }] end)
same("index_mask", function(x) return x[x:greater(1)] end)
same("index_places", function(x) return x[places] end)
same("index_grid", function(x) return x[tensor.new({ { 0, 1 }, { 4, 2 } }, "int64")] end)
same("index_mask_rows", function(x) return x[tensor.new { 1, 0, 1, 1, 0 }] end)
same("index_middle_places", function(x) return x[{ {}, tensor.new({ 2, 0 }, "int64") }] end)
same("index_nothing", function(x) return x[{ { 4, 3 } }] end)
same("index_write index_write_int", function(given)
  local x = tensor.new(given)
  x[1] = 7
  x[2][3] = { 1, 2, 3 }
  x[{ { 3, 4 }, {}, 2 }] = tensor.arange(0, 7):view { 2, 4 }
  x[x:less(-2)] = 0
  x[{ tensor.new({ 4, 4 }, "int64"), 1 }] = 5
  x["-1, :, ::2"] = x["-2, :, 1:2"]
  return x
end)

same("matmul matmul_int", function(x) return x:matmul(x:transpose()) end)
same("matmul_batch matmul_int_batch", tensor.matmul)
same("dot_vectors dot_matrix dot_left", tensor.dot)
same("outer", tensor.outer)
for i, spec in ipairs { "ij,jk->ik", "ij,jk", "ij,kj->ik", "ji,jk->ki", "bij,bjk->bik", "bij,bkj->kbi",
  "i,j->ij", "i,i->", "ij,ij->i", "ijk,jl->il", "bhqd, bhkd -> bhqk", "ij,k->kj" } do
  same("einsum_" .. i - 1, function(a, b) return tensor.einsum(spec, a, b) end)
end
same("einsum_sum", function(a) return tensor.einsum("ij->j", a) end)
same("einsum_transpose", function(a) return tensor.einsum("ijk->kij", a) end)
same("einsum_int", function(a, b) return tensor.einsum("ij,jk->ki", a, b) end)

same("solve solve_many solve_stack", tensor.solve)
same("inv inv_stack", tensor.inv)
same("det det_empty det_int", tensor.det)
same("cholesky", tensor.cholesky)
same("qr_tall qr_wide qr_stack qr_one", function(x)
  local q, r = x:qr()
  testing.near(q:matmul(r), x, x:dtype() == "float64" and 1e-12 or 1e-5)
  return r:abs()
end)
same("svd_tall svd_wide svd_stack svd_one", function(x)
  local u, s, vh = x:svd(false)
  testing.near((u * s:unsqueeze(-2)):matmul(vh), x, x:dtype() == "float64" and 1e-12 or 1e-5)
  local full_u, _, full_v = x:svd()
  testing.equal({ full_u:shape()[#full_u:shape()], full_v:shape()[#full_v:shape()] },
    { x:shape()[#x:shape() - 1], x:shape()[#x:shape()] })
  return s
end)
same("eigh", function(x)
  local w, v = x:eigh()
  return w, v * tensor.where(v[{ {}, { 1, 1 } }]:less(0), -1, 1)
end)
same("lstsq_tall lstsq_wide", function(a, b) return (a:lstsq(b)) end)

same("eye", function() return tensor.eye(3, 4, "float64") end)
same("linspace", function() return tensor.linspace(-1, 2, 7, "float64") end)
same("arange_int", function() return tensor.arange(3, 19, 4, "int64") end)

-- ---- tensors of no elements, of one, of one axis ----

local edges = {
  sort = function(x) return (x:sort()) end,
  argsort = function(x) return x:argsort() end,
  neg = function(x) return -x end,
  cumsum = function(x) return x:cumsum(1) end,
  cumprod = function(x) return x:cumprod(-1) end,
  flip = function(x) return x:flip() end,
  sum = function(x) return x:sum() end,
  prod = function(x) return x:prod() end,
  sum_last = function(x) return x:sum(-1) end,
  transpose = function(x) return x:transpose() end,
  flatten = function(x) return x:flatten() end,
  round = function(x) return x:round() end,
  where = function(x) return tensor.where(x:greater(0), x, 0) end,
  tile = function(x) return x:tile(2) end,
  repeat_interleave = function(x) return x:repeat_interleave(2, -1) end,
  roll = function(x) return x:roll(1) end,
  square = function(x) return x:square() end,
  nonzero = function(x) return x:nonzero() end,
  concat = function(x) return tensor.concat({ x, x }, -1) end,
  stack = function(x) return tensor.stack { x, x } end,
  unsqueeze = function(x) return x:unsqueeze(-1) end,
  greater = function(x) return x:greater(0) end,
  mask = function(x) return x[x:greater(0)] end,
}

-- ---- running them ----

local function arrays(name, kind)
  local list = {}
  while golden[("%s.%s%d"):format(name, kind, #list)] do
    list[#list + 1] = golden[("%s.%s%d"):format(name, kind, #list)]
  end
  return list
end

-- Inputs of float64 as another type; the rest as they are.
local function inputs(name, dtype)
  local list = arrays(name, "in")
  for i, x in ipairs(list) do
    list[i] = x:dtype() == "float64" and x:to(dtype) or x
  end
  return list
end

local function run(name, dtype, tolerance)
  local given = inputs(name, dtype)
  local hashes = {}
  for i, x in ipairs(given) do
    hashes[i] = x:hash()
  end
  local got, expected = { cases[name](table.unpack(given)) }, arrays(name, "out")
  testing.equal(#got, #expected, name)
  for i, want in ipairs(expected) do
    testing.ok(tensor.is_tensor(got[i]), name .. " gives a tensor")
    testing.equal(got[i]:shape(), want:shape(), name .. ": shape")
    testing.near(got[i], want, want:dtype() == "float32" and 1e-5 or tolerance, name .. " " .. dtype)
    if want:dtype() == "int64" then
      testing.equal(got[i]:dtype(), "int64", name)
    end
  end
  for i, x in ipairs(given) do
    testing.equal(x:hash(), hashes[i], name .. " leaves its operands alone")
  end
end

local tests = {}
local names = {}
for key in pairs(golden) do
  names[key:match "^([^.]*)%.out0$" or false] = true
end
names[false] = nil

tests["every case of NumPy is tried"] = function()
  for name in pairs(names) do
    testing.ok(cases[name], name .. " has no function here")
  end
  for name in pairs(cases) do
    testing.ok(names[name], name .. " has no numbers in the golden file")
  end
end

tests["empty and lone tensors give what NumPy's do"] = function()
  local tried = {}
  for key, want in pairs(golden) do
    local name, label, kind = key:match "^edge_out%.([%w_]+)%.([%w_]+)%.(%a+)$"
    if name then
      local got = edges[name](golden[("edge.%s.%s"):format(label, kind)])
      testing.equal(got:shape(), want:shape(), key)
      testing.near(got, want, 1e-12, key)
      testing.equal(got:dtype() == "int64", want:dtype() == "int64", key .. " " .. got:dtype())
      tried[name] = true
    end
  end
  for name in pairs(edges) do
    testing.ok(tried[name], name)
  end
end

local function all_in(dtype, tolerance)
  return function()
    local failed = {}
    for name in pairs(names) do
      local ok, message = pcall(run, name, dtype, tolerance)
      failed[#failed + 1] = not ok and name .. ": " .. tostring(message) or nil
    end
    table.sort(failed)
    testing.equal(table.concat(failed, "\n"), "")
  end
end

tests["float64 and int64 results equal NumPy's"] = all_in("float64", 1e-9)
tests["float32 results equal NumPy's up to rounding"] = all_in("float32", 2e-4)

return testing.run(tests)
