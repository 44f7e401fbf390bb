--- Independent points: each parameter uniform over its domain, or over its magnitude with `log`.
local random = require "core.random"

local function new(problem)
  return {
    ask = function(k, _, attempt)
      -- The address of a number holds the parameter's name: a new parameter changes no other.
      return problem.space:fill(function(name, domain)
        return domain:at(random.uniform(problem.seed, name, (k << 16) + attempt))
      end)
    end,
  }
end

return { help = "independent points", options = {}, new = new }
