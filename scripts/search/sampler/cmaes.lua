--- CMA-ES (core/search/cmaes.h) for the numbers of a space; its categories are drawn by shares that
--- move towards the better half of each generation, and never vanish. It starts in the middle, with a
--- step of `sigma` of each domain, and with fewer points a generation than is usual for long runs. When
--- it has settled, it starts again at a random place with twice the population (Auger, Hansen: "A
--- restart CMA evolution strategy with increasing population size", 2005).
---
--- Results are learned from in generations of `population`, as they come: with a lag a proposal may be
--- from the distribution before the present one.
local codecs = require "search.codec"
local random = require "core.random"
local search = require "core.search"

local OPTIONS = {
  population = { type = "integer", min = 4, help = "of a generation; default 4 + 1.5 log(parameters)" },
  sigma = { type = "number", default = 0.15, above = 0, max = 1, help = "first step, in domains" },
  restarts = { type = "boolean", default = true, help = "start again once it has settled" },
}

local SETTLED = 1e-7     -- of a domain: narrower than that is settled
local CONDITION = 1e7    -- longest axis over shortest: a covariance too thin to go on with
local MARGIN = 0.22      -- of a cell: least deviation, which leaves a cell once in some 50 draws
local LEAST_SHARE = 0.5  -- of even shares: what a category keeps

local Search = {}
Search.__index = Search

-- Forget everything; the first start is in the middle.
local function start(self, population)
  self.population, self.starts, self.results = population, self.starts + 1, {}
  local mean, least = {}, {}
  for i, c in ipairs(self.numbers) do
    local cells = self.codec.columns[c].cells
    mean[i] = self.starts == 1 and 0.5 or random.uniform(self.seed, "cmaes start " .. i, self.starts)
    least[i] = cells > 0 and MARGIN / cells or 0
  end
  self.normal = #self.numbers > 0 and search.cmaes {
    mean = mean, least = least, sigma = self.sigma, lambda = population } or nil
  for _, c in ipairs(self.categories) do
    local cells = self.codec.columns[c].cells
    self.shares[c] = {}
    for cell = 1, cells do
      self.shares[c][cell] = 1 / cells
    end
  end
end

local function draw_category(shares, u)
  local cells = #shares
  for cell = 1, cells - 1 do
    u = u - shares[cell]
    if u < 0 then
      return (cell - 0.5) / cells
    end
  end
  return (cells - 0.5) / cells
end

local function ask(self, k, attempt)
  local index, genes = (k << 16) + attempt, {}
  local point = self.normal and self.normal:draw(self.seed, "cmaes", index)
  for i, c in ipairs(self.numbers) do
    genes[c] = point[i]
  end
  for _, c in ipairs(self.categories) do
    genes[c] = draw_category(self.shares[c], random.uniform(self.seed, "cmaes " .. c, index))
  end
  return self.codec:decode(self.codec:row(genes))
end

-- Shares move towards those of the better half, half of the way in a generation of all categories seen.
local function learn_categories(self, rows)
  local half = #rows // 2
  for _, c in ipairs(self.categories) do
    local shares, counts, seen = self.shares[c], {}, 0
    for i = 1, half do
      local place = rows[i][c]
      if place then
        local cell = self.codec:cell(c, place)
        counts[cell], seen = (counts[cell] or 0) + 1, seen + 1
      end
    end
    local rate, sum = 0.3 * seen / half, 0
    for cell, share in ipairs(shares) do
      share = (1 - rate) * share + (seen > 0 and rate * (counts[cell] or 0) / seen or 0)
      shares[cell] = math.max(share, LEAST_SHARE / (#shares * #shares))
      sum = sum + shares[cell]
    end
    for cell, share in ipairs(shares) do
      shares[cell] = share / sum
    end
  end
end

local function settled(self)
  return self.normal and (self.normal:spread() < SETTLED or self.normal:condition() > CONDITION)
end

local function learn(self, k)
  table.sort(self.results, function(a, b)
    if a.loss == b.loss then
      return a.k < b.k
    end
    return a.loss < b.loss
  end)
  local rows, points = {}, {}
  for i, result in ipairs(self.results) do
    rows[i], points[i] = result.row, {}
    for j, c in ipairs(self.numbers) do
      points[i][j] = result.row[c]
    end
  end
  if self.normal then
    self.normal:update(points, self.seed, "cmaes unused", k)
  end
  learn_categories(self, rows)
  self.results = {}
  if self.restarts and settled(self) then
    start(self, 2 * self.population)
  end
end

local function new(problem, given)
  local codec = codecs.new(problem.space)
  local self = setmetatable({ codec = codec, seed = problem.seed, sigma = given.sigma,
    restarts = given.restarts, numbers = {}, categories = {}, shares = {}, starts = 0 }, Search)
  for c, column in ipairs(codec.columns) do
    local list = column.ordered and self.numbers or self.categories
    list[#list + 1] = c
  end
  start(self, given.population or 4 + math.floor(1.5 * math.log(math.max(#self.numbers, 1))))
  return {
    ask = function(k, _, attempt)
      return ask(self, k, attempt)
    end,
    tell = function(k, result)
      self.results[#self.results + 1] = { k = k, loss = result.loss, row = codec:encode(result.params) }
      if #self.results == self.population then
        learn(self, k)
      end
    end,
  }
end

return { help = "covariance matrix adaptation, with restarts", options = OPTIONS, new = new }
