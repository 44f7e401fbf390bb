--- An evolution strategy, one child at a time: (mu + 1) with the best `parents` results as parents. A
--- child mixes two of them and moves by a normal step, whose length follows the 1/5 success rule
--- (Rechenberg, 1973): longer when more than a fifth of the results enter the parents, shorter else.
--- Categories change with a probability that falls with the step.
local codecs = require "search.codec"
local random = require "core.random"
local sequence = require "search.sampler.sequence"

local OPTIONS = {
  parents = { type = "integer", default = 2, min = 1, help = "the best so many results" },
  startup = { type = "integer", default = 10, min = 1, help = "points of Sobol's sequence at first" },
  sigma = { type = "number", default = 0.1, above = 0, max = 1, help = "first step, in domains" },
}

local LEAST_STEP, GROW = 1e-6, 1.22 -- success; a failure shrinks by the fourth root of it

-- A place outside comes back in, as from a mirror.
local function inside(place)
  place = place % 2
  return math.min(place < 1 and place or 2 - place, 1 - 0x1p-53)
end

local function mutate(self, k, attempt)
  local index, seed = (k << 16) + attempt, self.seed
  local first = self.parents[random.below(seed, "es first", index, #self.parents) + 1]
  local second = self.parents[random.below(seed, "es second", index, #self.parents) + 1]
  local columns, row = self.codec.columns, {}
  local forced = random.below(seed, "es forced", index, #columns) + 1
  for c, column in ipairs(columns) do
    local from = first.row[c] or second.row[c]
    local other = second.row[c] or from
    if not self.codec:active(column, row) then
      row[c] = false
    else
      local place = from or random.uniform(seed, "es new " .. c, index)
      if from and column.ordered then
        local weight = random.uniform(seed, "es mix " .. c, index)
        local reach = column.cells > 0 and math.max(self.step, 0.5 / column.cells) or self.step
        place = inside(from + weight * (other - from) + reach * random.normal(seed, "es " .. c, index))
      elseif from then
        local change = c == forced and 0.3 or self.step
        place = random.uniform(seed, "es change " .. c, index) < change
          and random.uniform(seed, "es new " .. c, index)
          or random.uniform(seed, "es mix " .. c, index) < 0.5 and other or from
      end
      row[c] = column.cells > 0 and (self.codec:cell(c, place) - 0.5) / column.cells or place
    end
  end
  return row
end

local function new(problem, given)
  local codec = codecs.new(problem.space)
  local self = { codec = codec, seed = problem.seed, step = given.sigma, parents = {} }
  return {
    ask = function(k, _, attempt)
      if k <= given.startup or #self.parents == 0 or #codec.columns == 0 then
        return codec:decode(sequence.row("sobol", codec, self.seed, k, attempt))
      end
      return codec:decode(mutate(self, k, attempt))
    end,
    tell = function(k, result)
      local place = #self.parents + 1
      while place > 1 and result.loss < self.parents[place - 1].loss do
        place = place - 1
      end
      local enters = place <= given.parents and result.loss < math.huge
      if enters then
        table.insert(self.parents, place, { loss = result.loss, row = codec:encode(result.params) })
        self.parents[given.parents + 1] = nil
      end
      if k > given.startup then
        local factor = enters and GROW or GROW ^ -0.25
        self.step = math.min(math.max(self.step * factor, LEAST_STEP), given.sigma)
      end
    end,
  }
end

return { help = "evolution strategy with the 1/5 rule", options = OPTIONS, new = new }
