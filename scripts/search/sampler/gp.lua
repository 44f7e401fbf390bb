--- Expected improvement under a Gaussian process (core/search/gp.h): for small budgets of expensive
--- trials. After `startup` evenly spread points, the model is fitted anew with every result up to 40, then
--- each time their number has grown by a tenth: what it costs grows with their cube, until at 128
--- results only the better half and the newest are looked at.
local codecs = require "search.codec"
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

local function new(problem, given)
  local codec = codecs.new(problem.space)
  local results = search.table(codec.columns)
  local startup = given.startup or math.min(#codec.columns + 2, 10)
  local model, count
  return {
    tell = function(_, result)
      results:add(codec:encode(result.params), result.loss)
    end,
    ask = function(k, pending, attempt)
      local known = #results
      if k <= startup or known == 0 then
        return codec:decode(sequence.row("sobol", codec, problem.seed, k, attempt))
      end
      if count ~= fitted(known) then
        count = fitted(known)
        model = results:gp_fit(count)
      end
      local rows = {}
      for i, params in ipairs(pending) do
        rows[i] = codec:encode(params)
      end
      return codec:decode(results:gp(model, given.candidates, rows, problem.seed, "gp",
        (k << 16) + attempt))
    end,
  }
end

return { help = "Gaussian process, expected improvement", options = OPTIONS, new = new }
