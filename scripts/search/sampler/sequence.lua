--- Points that fill the space more evenly than random ones: scrambled sequences of Sobol and Halton.
--- A point the constraint refuses is replaced by a random one.
local codecs = require "search.codec"
local options = require "options"
local random = require "core.random"
local search = require "core.search"

local M = {}

local MAX_COLUMNS = 128

--- Point k (1, 2, ...) of a sequence as a row of `codec`; attempts after the first are random.
---@param kind "sobol"|"halton"
---@param codec table
---@param seed integer
---@param k integer
---@param attempt integer from 0
function M.row(kind, codec, seed, k, attempt)
  local genes
  if attempt == 0 then
    genes = search[kind](seed, kind, k - 1, #codec.columns)
  else
    genes = {}
    for c = 1, #codec.columns do
      genes[c] = random.uniform(seed, kind .. " " .. c, (k << 16) + attempt)
    end
  end
  return codec:row(genes)
end

local function sampler(kind, help)
  return {
    help = help, options = {},
    new = function(problem)
      local codec = codecs.new(problem.space)
      if #codec.columns > MAX_COLUMNS then
        options.fail("sampler '%s' has %d parameters at most, the space has %d; use random", kind,
          MAX_COLUMNS, #codec.columns)
      end
      return {
        ask = function(k, _, attempt)
          return codec:decode(M.row(kind, codec, problem.seed, k, attempt))
        end,
      }
    end,
  }
end

M.sobol = sampler("sobol", "Sobol's sequence, scrambled: even in every direction")
M.halton = sampler("halton", "Halton's sequence, scrambled: even, for any number of points")

return M
