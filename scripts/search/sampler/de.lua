--- Differential evolution (Storn, Price, 1997), with steps towards the better ones as in JADE (Zhang,
--- Sanderson, 2009), one member after the other: trial k competes for slot k modulo the population.
---
--- A child is parent + F (good - parent) + F (a - b), with F and the share of genes it takes drawn anew.
local codecs = require "search.codec"
local random = require "core.random"
local sequence = require "search.sampler.sequence"

local OPTIONS = {
  population = { type = "integer", min = 4, help = "default: 6 + parameters, at most 30" },
  greed = { type = "number", default = 0.25, above = 0, max = 1,
    help = "share of the population that counts as good" },
}

local Evolver = {}
Evolver.__index = Evolver

local function uniform(self, what, index)
  return random.uniform(self.seed, "de " .. what, index)
end

-- Places for all columns: where the result has none, one that belongs to the trial's number.
local function genes_of(self, k, row)
  local genes = {}
  for c = 1, #row do
    genes[c] = row[c] or uniform(self, "unused " .. c, k)
  end
  return genes
end

-- A place outside is folded back to halfway between the border and the parent.
local function inside(place, parent)
  return place < 0 and parent / 2 or place >= 1 and (parent + 1) / 2 or place
end

-- Members that have a result, from the best.
local function sorted(self)
  local members = {}
  for slot = 1, self.population do
    members[#members + 1] = self.members[slot]
  end
  table.sort(members, function(a, b)
    if a.loss == b.loss then
      return a.k < b.k
    end
    return a.loss < b.loss
  end)
  return members
end

local function child(self, k, attempt)
  local members, index = sorted(self), (k << 16) + attempt
  local parent = self.members[(k - 1) % self.population + 1] or members[1]
  local good = members[random.below(self.seed, "de good", index,
    math.max(1, math.ceil(self.greed * #members))) + 1]
  local a = members[random.below(self.seed, "de a", index, #members) + 1]
  local b = members[random.below(self.seed, "de b", index, #members) + 1]
  local scale, share = 0.3 + 0.6 * uniform(self, "scale", index), 0.5 + 0.5 * uniform(self, "share", index)
  local forced = random.below(self.seed, "de forced", index, #parent.genes) + 1
  local genes = {}
  for c, place in ipairs(parent.genes) do
    genes[c] = place
    if c == forced or uniform(self, "cross " .. c, index) < share then
      if self.codec.columns[c].ordered then
        genes[c] = inside(place + scale * (good.genes[c] - place + a.genes[c] - b.genes[c]), place)
      else -- a category is taken from one of the others, seldom from nobody
        local u = uniform(self, "category " .. c, index)
        genes[c] = u < 0.1 and uniform(self, "new " .. c, index) or u < 0.6 and good.genes[c] or a.genes[c]
      end
    end
  end
  return genes
end

local function new(problem, given)
  local codec = codecs.new(problem.space)
  local self = setmetatable({ codec = codec, seed = problem.seed, greed = given.greed, members = {},
    population = given.population or math.min(6 + #codec.columns, 30) }, Evolver)
  return {
    ask = function(k, _, attempt)
      if k <= self.population or not next(self.members) or #codec.columns == 0 then
        return codec:decode(sequence.row("sobol", codec, self.seed, k, attempt))
      end
      return codec:decode(codec:row(child(self, k, attempt)))
    end,
    tell = function(k, result)
      local slot = (k - 1) % self.population + 1
      local old = self.members[slot]
      if not old or result.loss <= old.loss then
        self.members[slot] = { k = k, loss = result.loss,
          genes = genes_of(self, k, codec:encode(result.params)) }
      end
    end,
  }
end

return { help = "differential evolution", options = OPTIONS, new = new }
