--- NSGA-II (Deb, Pratap, Agarwal, Meyarivan, 2002), for several objectives: the population is the best
--- results by Pareto rank, then by distance from their neighbours. Children by tournaments of two,
--- simulated binary crossover and polynomial mutation. Every `population` results the next population
--- is chosen from the present one and them.
local codecs = require "search.codec"
local pareto = require "search.pareto"
local random = require "core.random"
local sequence = require "search.sampler.sequence"

local OPTIONS = {
  population = { type = "integer", default = 24, min = 4, help = "results that have children" },
  crossover = { type = "number", default = 0.9, min = 0, max = 1, help = "probability of two parents" },
}

local CROSSOVER_INDEX, MUTATION_INDEX = 15, 20 -- eta_c, eta_m: larger is nearer to the parents

-- Fronts one after another until the population is full; of the last those that stand apart.
local function survivors(members, population)
  local losses = {}
  for i, member in ipairs(members) do
    losses[i] = member.losses
  end
  local ranks, kept, rank = pareto.ranks(losses), {}, 1
  while #kept < population and #kept < #members do
    local front, points = {}, {}
    for i, member in ipairs(members) do
      if ranks[i] == rank then
        member.rank = rank
        front[#front + 1], points[#points + 1] = member, member.losses
      end
    end
    local distances = pareto.crowding(points)
    for i, member in ipairs(front) do
      member.distance = distances[i]
    end
    table.sort(front, function(a, b)
      if a.distance == b.distance then
        return a.k < b.k
      end
      return a.distance > b.distance
    end)
    table.move(front, 1, math.min(#front, population - #kept), #kept + 1, kept)
    rank = rank + 1
  end
  return kept
end

local function tournament(self, what, index)
  local members = self.members
  local a = members[random.below(self.seed, what .. " a", index, #members) + 1]
  local b = members[random.below(self.seed, what .. " b", index, #members) + 1]
  if a.rank ~= b.rank then
    return a.rank < b.rank and a or b
  end
  return a.distance >= b.distance and a or b
end

-- How far a child is from the middle of its parents, as a share of their distance.
local function spread(u)
  local power = 1 / (CROSSOVER_INDEX + 1)
  return u <= 0.5 and (2 * u) ^ power or (1 / (2 * (1 - u))) ^ power
end

local function mutation(u)
  local power = 1 / (MUTATION_INDEX + 1)
  return u < 0.5 and (2 * u) ^ power - 1 or 1 - (2 * (1 - u)) ^ power
end

local function child(self, k, attempt)
  local index, columns = (k << 16) + attempt, self.codec.columns
  local function uniform(what, c)
    return random.uniform(self.seed, ("nsga2 %s %d"):format(what, c), index)
  end
  local first, second = tournament(self, "nsga2 first", index), tournament(self, "nsga2 second", index)
  local two, genes = uniform("two", 0) < self.crossover, {}
  for c, column in ipairs(columns) do
    local a, b = first.genes[c], second.genes[c]
    local swap = uniform("swap", c) < 0.5
    if swap and two then
      a, b = b, a
    end
    local place = a
    if two and column.ordered then
      place = 0.5 * (a + b) + 0.5 * spread(uniform("spread", c)) * (a - b)
    end
    if uniform("mutate", c) < 1 / #columns then
      place = column.ordered and place + mutation(uniform("mutation", c)) or uniform("mutation", c)
    end
    genes[c] = math.min(math.max(place, 0), 1 - 0x1p-53)
  end
  return genes
end

local function genes_of(self, k, row)
  local genes = {}
  for c = 1, #row do
    genes[c] = row[c] or random.uniform(self.seed, "nsga2 unused " .. c, k)
  end
  return genes
end

local function new(problem, given)
  local codec = codecs.new(problem.space)
  local self = { codec = codec, seed = problem.seed, crossover = given.crossover, members = {} }
  local fresh = {}
  return {
    ask = function(k, _, attempt)
      if k <= given.population or #self.members == 0 or #codec.columns == 0 then
        return codec:decode(sequence.row("sobol", codec, self.seed, k, attempt))
      end
      return codec:decode(codec:row(child(self, k, attempt)))
    end,
    tell = function(k, result)
      fresh[#fresh + 1] = { k = k, losses = result.losses or { result.loss },
        genes = genes_of(self, k, codec:encode(result.params)) }
      if #fresh == given.population then
        self.members = survivors(table.move(fresh, 1, #fresh, #self.members + 1, self.members),
          given.population)
        fresh = {}
      end
    end,
  }
end

return { help = "NSGA-II, for several objectives", options = OPTIONS, new = new }
