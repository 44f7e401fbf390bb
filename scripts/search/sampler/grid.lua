--- Every point of the space's grid, in the order of sorted names, the last varying fastest.
local options = require "options"

local MAX_POINTS = 1000000 -- kept in memory

local function new(problem)
  local size = problem.space:size()
  if size and size > MAX_POINTS then
    options.fail("the grid has %.7g points, more than %d; use sampler = \"random\"", size, MAX_POINTS)
  end
  local points = {}
  problem.space:each(function(params)
    if problem.allowed(params) then
      local point = {}
      for name, value in pairs(params) do
        point[name] = value
      end
      points[#points + 1] = point
    end
  end)
  if #points == 0 then
    options.fail("the constraint allows none of the %d points of the grid", size)
  end
  return {
    count = #points,
    ask = function(k)
      return points[k]
    end,
  }
end

return { help = "every point of the grid", options = {}, new = new, most = MAX_POINTS }
