--- The tree-structured Parzen estimator: proposes where good results are dense and bad ones are not
--- (core/search/tpe.h). After `startup` evenly spread points, the best `gamma` * sqrt(n) of n results
--- are the good ones, at most `most`; of the others the newest `window` are looked at. So a proposal
--- costs the same after a million results as after a thousand.
local codecs = require "search.codec"
local search = require "core.search"
local sequence = require "search.sampler.sequence"

local OPTIONS = {
  startup = { type = "integer", default = 10, min = 1, help = "points of Sobol's sequence at first" },
  candidates = { type = "integer", default = 64, min = 1, help = "draws the best one is taken of" },
  gamma = { type = "number", default = 1, above = 0, help = "good results, as a multiple of sqrt(n)" },
  most = { type = "integer", default = 25, min = 1, help = "good results at most" },
  window = { type = "integer", default = 1000, min = 1, help = "other results looked at" },
  prior = { type = "number", default = 1, above = 0, help = "weight of the whole space, in results" },
}

local function new(problem, given)
  local codec = codecs.new(problem.space)
  local results = search.table(codec.columns)
  return {
    tell = function(_, result)
      results:add(codec:encode(result.params), result.loss)
    end,
    ask = function(k, pending, attempt)
      local known = #results
      if k <= given.startup or known == 0 then
        return codec:decode(sequence.row("sobol", codec, problem.seed, k, attempt))
      end
      local rows = {}
      for i, params in ipairs(pending) do
        rows[i] = codec:encode(params)
      end
      return codec:decode(results:tpe({
        below = math.min(math.ceil(given.gamma * math.sqrt(known)), given.most),
        window = given.window, candidates = given.candidates, prior = given.prior,
      }, rows, problem.seed, "tpe", (k << 16) + attempt))
    end,
  }
end

return { help = "tree-structured Parzen estimator", options = OPTIONS, new = new }
