--- Several objectives at once: which results no other one beats, and how much they cover. A result is a
--- list of losses, each smaller for better.
local options = require "options"

local M = {}

-- Points must be lists of losses, as many each as another one has.
local function check_points(where, points, like)
  for i = 1, 2 do
    local list = select(i, points, like)
    if type(list) ~= "table" then
      options.fail("%s: needs lists of losses, got %s", where, options.show(list))
    end
  end
  for i, point in ipairs(points) do
    if type(point) ~= "table" or #point ~= #like then
      options.fail("%s: point %d must be a list of %d losses, got %s", where, i, #like,
        type(point) == "table" and #point .. " of them" or options.show(point))
    end
  end
end

--- Whether `a` dominates `b`: nowhere worse, somewhere better.
---@param a number[]
---@param b number[]
---@return boolean
function M.dominates(a, b)
  local better = false
  for i = 1, #a do
    if a[i] > b[i] then
      return false
    end
    better = better or a[i] < b[i]
  end
  return better
end

--- Ranks by non-dominated sorting (Deb et al., 2002): 1 for the Pareto front, 2 for the front of the
--- rest, and so on.
---@param points number[][]
---@return integer[] ranks
function M.ranks(points)
  local count, ranks, beaten, beats = #points, {}, {}, {}
  local front = {}
  for i = 1, count do
    beaten[i], beats[i] = 0, {}
  end
  for i = 1, count do
    for j = i + 1, count do
      local first = M.dominates(points[i], points[j]) and i or M.dominates(points[j], points[i]) and j
      if first then
        local second = first == i and j or i
        table.insert(beats[first], second)
        beaten[second] = beaten[second] + 1
      end
    end
  end
  for i = 1, count do
    if beaten[i] == 0 then
      front[#front + 1] = i
    end
  end
  local rank = 1
  while #front > 0 do
    local following = {}
    for _, i in ipairs(front) do
      ranks[i] = rank
      for _, j in ipairs(beats[i]) do
        beaten[j] = beaten[j] - 1
        if beaten[j] == 0 then
          following[#following + 1] = j
        end
      end
    end
    front, rank = following, rank + 1
  end
  return ranks
end

--- The numbers of the points no other one dominates, in order.
---@param points number[][]
---@return integer[] front
function M.front(points)
  check_points("pareto_front", points, type(points) == "table" and points[1] or {})
  local front = {}
  for i, point in ipairs(points) do
    local free = true
    for _, other in ipairs(points) do
      if M.dominates(other, point) then
        free = false
        break
      end
    end
    if free then
      front[#front + 1] = i
    end
  end
  return front
end

--- Crowding distances of points of one front (Deb et al., 2002): how far apart the neighbours of a point
--- are, added up over objectives, each in units of its range; infinite at the ends.
---@param points number[][]
---@return number[] distances
function M.crowding(points)
  local distances, order = {}, {}
  for i = 1, #points do
    distances[i], order[i] = 0, i
  end
  for m = 1, points[1] and #points[1] or 0 do
    table.sort(order, function(i, j)
      local a, b = points[i][m], points[j][m]
      if a == b then
        return i < j
      end
      return a < b
    end)
    local low, high = points[order[1]][m], points[order[#order]][m]
    distances[order[1]], distances[order[#order]] = math.huge, math.huge
    for place = 2, #order - 1 do
      local gap = points[order[place + 1]][m] - points[order[place - 1]][m]
      if high > low and gap == gap then
        local i = order[place]
        distances[i] = distances[i] + gap / (high - low)
      end
    end
  end
  return distances
end

-- The points that count: better than the reference everywhere, and dominated by no other (once each).
local function inside(points, reference)
  local kept = {}
  for _, point in ipairs(points) do
    local counts = true
    for i = 1, #reference do
      counts = counts and point[i] < reference[i]
    end
    for _, other in ipairs(kept) do
      counts = counts and not M.dominates(other, point)
    end
    if counts then
      local rest = {}
      for _, other in ipairs(kept) do
        local same = true
        for i = 1, #point do
          same = same and other[i] == point[i]
        end
        if not same and not M.dominates(point, other) then
          rest[#rest + 1] = other
        end
      end
      rest[#rest + 1] = point
      kept = rest
    end
  end
  return kept
end

-- The volume of a union of boxes: each point's own share is its box less what the limited others cover.
local function volume(points, reference)
  points = inside(points, reference)
  if #reference == 2 then
    table.sort(points, function(a, b) return a[1] < b[1] end)
    local sum, top = 0, reference[2]
    for _, point in ipairs(points) do
      sum = sum + (reference[1] - point[1]) * (top - point[2])
      top = point[2]
    end
    return sum
  end
  local sum = 0
  for i, point in ipairs(points) do
    local box, others = 1, {}
    for m = 1, #reference do
      box = box * (reference[m] - point[m])
    end
    for j = i + 1, #points do
      local limited = {}
      for m = 1, #reference do
        limited[m] = math.max(points[j][m], point[m])
      end
      others[#others + 1] = limited
    end
    sum = sum + box - (#others > 0 and volume(others, reference) or 0)
  end
  return sum
end

--- The volume that is dominated, up to a reference point that is worse than all of interest (WFG: While,
--- Bradstreet, Barone, "A fast way of calculating exact hypervolumes", 2012).
---@param points number[][] losses
---@param reference number[] as long as a point
---@return number
function M.hypervolume(points, reference)
  check_points("hypervolume", points, reference)
  return volume(points, reference)
end

return M
