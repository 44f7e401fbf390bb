--- Expected improvement under a Gaussian process (core/search/gp.h): for small budgets of expensive
--- trials. After `startup` evenly spread points, the model is fitted anew with every result up to 40, then
--- each time their number has grown by a tenth: what it costs grows with their cube, until at 128
--- results only the better half and the newest are looked at.
local codecs = require "search.codec"
local random = require "core.random"
local search = require "core.search"
local sequence = require "search.sampler.sequence"

local OPTIONS = {
  startup = { type = "integer", min = 1,
    help = "points of Sobol's sequence at first; default: 2 more than parameters, at most 10" },
  candidates = { type = "integer", default = 1000, min = 1, help = "places looked at for a proposal" },
}

local ALWAYS = 40 -- results up to which each is followed by a fit

-- The number of results the model is fitted to when there are `known`. It depends on that number alone,
-- so that a search that is continued fits the same models.
local function fitted(known)
  local count = math.min(known, ALWAYS)
  while count + count // 10 <= known and count >= ALWAYS do
    count = count + count // 10
  end
  return count
end

-- A row about on the way from one to another. The best that a constraint allows is often at its edge; beyond,
-- the model would propose again and again. Columns go more or less far, so that it is found along the edge, too.
local function between(codec, from, to, share, seed, address)
  local row = {}
  for i, column in ipairs(codec.columns) do
    local numbers = from[i] and to[i] and (column.ordered or column.cells == 0)
    local far = share * (3 * random.uniform(seed, "gp way " .. i, address) - 1)
    row[i] = numbers and math.max(0, math.min(1, from[i] + far * (to[i] - from[i]))) or from[i]
  end
  return row
end

local WAY = 4 -- attempts: a proposal, and if it is not allowed, places around 1/2, 1/8 and 1/32 of the way to it

local function new(problem, given)
  local codec = codecs.new(problem.space)
  local results = search.table(codec.columns)
  local startup = given.startup or math.min(#codec.columns + 2, 10)
  local model, count, wanted
  local best, least = nil, math.huge
  return {
    tell = function(_, result)
      local row = codec:encode(result.params)
      results:add(row, result.loss)
      if result.loss < least then
        best, least = row, result.loss
      end
    end,
    ask = function(k, pending, attempt)
      local known = #results
      if k <= startup or known == 0 then
        return codec:decode(sequence.row("sobol", codec, problem.seed, k, attempt))
      end
      if best and attempt % WAY > 0 and not problem.allowed(codec:decode(wanted)) then
        return codec:decode(between(codec, best, wanted, 2 * 0.25 ^ (attempt % WAY), problem.seed,
          (k << 16) + attempt))
      end
      if count ~= fitted(known) then
        count = fitted(known)
        model = results:gp_fit(count)
      end
      local rows = {}
      for i, params in ipairs(pending) do
        rows[i] = codec:encode(params)
      end
      wanted = results:gp(model, given.candidates, rows, problem.seed, "gp", (k << 16) + attempt)
      return codec:decode(wanted)
    end,
  }
end

return { help = "Gaussian process, expected improvement", options = OPTIONS, new = new }
