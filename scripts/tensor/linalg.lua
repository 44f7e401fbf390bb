--- Gradients of solve, inv, det and cholesky, which LAPACK computes: of a tensor that takes part in a gradient the
--- result is written as its value plus its differential, an expression in a - a0 and b - b0, which are 0.
---
--- So the value is LAPACK's to the bit, and backward goes through products. a0 is a without its past.
local core = require "core.tensor"
local linalg = require "core.linalg"
local op = require "core.op"

local M = {}
for name, f in pairs(linalg) do
  M[name] = f
end

local function tracked(x)
  return core.is_tensor(x) and x:is_tracked()
end

-- x0, and x - x0: zeros that pass the gradient on.
local function base(x)
  local x0 = core.is_tensor(x) and x:detach() or x
  return x0, tracked(x) and x - x0 or x0 * 0
end

local function turned(x)
  local axes = {}
  for i = 1, #x:shape() do
    axes[i] = i
  end
  axes[#axes - 1], axes[#axes] = axes[#axes], axes[#axes - 1]
  return op.transpose(x, { axes = axes })
end

-- d(a^-1 b) = a^-1 (db - da x)
function M.solve(a, b)
  if not tracked(a) and not tracked(b) then
    return linalg.solve(a, b)
  end
  local a0, da = base(a)
  local b0, db = base(b)
  local x0 = linalg.solve(a0, b0)
  local shape = x0:shape()
  local columns = { table.unpack(shape) }
  columns[#a0:shape()] = columns[#a0:shape()] or 1 -- a vector is a matrix of one column
  local change = op.reshape(db, columns) - op.matmul(da, op.reshape(x0, columns))
  return x0 + op.reshape(op.matmul(linalg.inv(a0), change), shape)
end

-- M[name] for a function of one matrix: value plus differential(x0, dx, value).
local function of_one(name, differential)
  M[name] = function(x)
    if not tracked(x) then
      return linalg[name](x)
    end
    local x0, dx = base(x)
    local y0 = linalg[name](x0)
    return y0 + differential(x0, dx, y0)
  end
end

-- d(a^-1) = -a^-1 da a^-1
of_one("inv", function(_, dx, y0)
  return -op.matmul(op.matmul(y0, dx), y0)
end)

-- d det a = det a tr(a^-1 da)
of_one("det", function(x0, dx, y0)
  return y0 * op.sum(turned(linalg.inv(x0)) * dx, { axes = { -1, -2 } })
end)

-- dl = l F(l^-1 da l^-T), where F keeps the lower triangle and half the diagonal; da made symmetric, as PyTorch does.
of_one("cholesky", function(_, dx, y0)
  local inverse = linalg.inv(y0)
  local inner = op.matmul(op.matmul(inverse, dx), inverse, { trans_b = true })
  local half = (inner + turned(inner)) * 0.25
  return op.matmul(y0, op.tril(half) + op.tril(half, -1))
end)

return M
