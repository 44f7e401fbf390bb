--- Schedules that drive momentum along with the learning rate: one cycle, and cyclic ones.
---
--- Options have PyTorch's names. Where it has `momentum`, an optimiser with `betas` has the first of them
--- driven (PyTorch's CyclicLR refuses those).
local options = require "options"

local M = {}

local MOMENTUM = {
  cycle_momentum = { type = "boolean", default = true, help = "drive momentum (or betas[1]) against the rate" },
}

-- Specifications with the momentum's options.
local function with_momentum(spec, base, max)
  spec.cycle_momentum = MOMENTUM.cycle_momentum
  spec.base_momentum = { type = "number", above = 0, below = 1, default = base, help = "momentum at the largest rate" }
  spec.max_momentum = { type = "number", above = 0, below = 1, default = max, help = "momentum at the smallest rate" }
  spec.per = { type = "string", choices = { "epoch", "step" }, default = "step", help = "what it counts" }
  return spec
end

local ANNEAL = {
  cos = function(from, to, share)
    return to + (from - to) / 2 * (math.cos(math.pi * share) + 1)
  end,
  linear = function(from, to, share)
    return (to - from) * share + from
  end,
}

-- The phases of one cycle of `total` steps: last step, rates and momenta at its ends, by name.
local function phases_of(o, total)
  local up = o.pct_start * total - 1
  local phases = { { up, "initial", "max", "max_momentum", "base_momentum" } }
  if o.three_phase then
    phases[2] = { 2 * o.pct_start * total - 2, "max", "initial", "base_momentum", "max_momentum" }
    phases[3] = { total - 1, "initial", "min", "max_momentum", "max_momentum" }
  else
    phases[2] = { total - 1, "max", "min", "base_momentum", "max_momentum" }
  end
  return phases
end

-- The phase step k is in, and how far it is through it.
local function place_in(phases, k)
  local first = 0
  for i, phase in ipairs(phases) do
    if k <= phase[1] or i == #phases then
      return phase, phase[1] > first and (k - first) / (phase[1] - first) or 1
    end
    first = phase[1]
  end
end

--- Add one_cycle and cyclic to the schedules.
---@param schedules table nn.schedule
---@param make fun(name: string, given: table?, spec: table, value: function, momentum: function?): Schedule
---@param total_of fun(o: table, history: table?, per: string, name: string): integer
function M.install(schedules, make, total_of)
  --- One cycle: up from max_lr / div_factor to max_lr, and down to max_lr / div_factor / final_div_factor;
  --- momentum goes the other way (Smith, Topin 2018; PyTorch's OneCycleLR). After `total` the last values
  --- stay, where PyTorch raises an error.
  ---@param given? table max_lr: number (the optimiser's lr); total: steps (the whole training); pct_start:
  --- number (0.3); anneal_strategy: "cos" or "linear" ("cos"); cycle_momentum: boolean (true); base_momentum:
  --- number (0.85); max_momentum: number (0.95); div_factor: number (25); final_div_factor: number (1e4);
  --- three_phase: boolean (false); per: "step" or "epoch" ("step")
  ---@return Schedule
  function schedules.one_cycle(given)
    local spec = with_momentum({
      max_lr = { type = "number", above = 0, help = "largest rate; default the optimiser's lr" },
      total = { type = "integer", min = 2, help = "steps of the cycle; default all of fit's" },
      pct_start = { type = "number", min = 0, max = 1, default = 0.3, help = "share of the steps that go up" },
      anneal_strategy = { type = "string", choices = { "cos", "linear" }, default = "cos", help = "the slopes" },
      div_factor = { type = "number", above = 0, default = 25, help = "max_lr over the first rate" },
      final_div_factor = { type = "number", above = 0, default = 1e4, help = "first rate over the last" },
      three_phase = { type = "boolean", default = false, help = "down to the first rate before the last phase" },
    }, 0.85, 0.95)
    local function at(o, k, history, per)
      local total = total_of(o, history, per, "one_cycle")
      return place_in(phases_of(o, total), math.min(k, total - 1))
    end
    return make("one_cycle", given, spec, function(o, k, base_lr, history, per)
      local phase, share = at(o, k, history, per)
      local max = o.max_lr or base_lr
      local rates = { max = max, initial = max / o.div_factor, min = max / o.div_factor / o.final_div_factor }
      return ANNEAL[o.anneal_strategy](rates[phase[2]], rates[phase[3]], share)
    end, function(o, k, history, per)
      local phase, share = at(o, k, history, per)
      return ANNEAL[o.anneal_strategy](o[phase[4]], o[phase[5]], share)
    end)
  end

  --- Up and down between the optimiser's lr and max_lr, again and again; momentum goes the other way
  --- (Smith 2017; PyTorch's CyclicLR). `mode`: "triangular"; "triangular2", each cycle half as high as the
  --- one before; "exp_range", heights times gamma^step.
  ---@param given table max_lr: number; step_size_up: steps (2000); step_size_down: steps (as up); mode: string
  --- ("triangular"); gamma: number (1); cycle_momentum: boolean (true); base_momentum: number (0.8);
  --- max_momentum: number (0.9); per: "step" or "epoch" ("step")
  ---@return Schedule
  function schedules.cyclic(given)
    local spec = with_momentum({
      max_lr = { type = "number", above = 0, required = true, help = "largest rate" },
      step_size_up = { type = "integer", min = 1, default = 2000, help = "steps from the lowest to the largest" },
      step_size_down = { type = "integer", min = 1, help = "steps back; default as many" },
      mode = { type = "string", choices = { "triangular", "triangular2", "exp_range" }, default = "triangular",
        help = "how heights change" },
      gamma = { type = "number", above = 0, default = 1, help = "of exp_range" },
    }, 0.8, 0.9)
    local function height(o, k)
      local length = o.step_size_up + (o.step_size_down or o.step_size_up)
      local cycle, inside = k // length, k % length
      local share = inside <= o.step_size_up and inside / o.step_size_up
        or (length - inside) / (length - o.step_size_up)
      if o.mode == "triangular2" then
        return share / 2 ^ cycle
      end
      return o.mode == "exp_range" and share * o.gamma ^ k or share
    end
    return make("cyclic", given, spec, function(o, k, base_lr)
      if o.max_lr < base_lr then
        options.fail("nn.schedule.cyclic: max_lr, %g, is less than the optimizer's lr, %g", o.max_lr, base_lr)
      end
      return base_lr + (o.max_lr - base_lr) * height(o, k)
    end, function(o, k)
      return o.max_momentum - (o.max_momentum - o.base_momentum) * height(o, k)
    end)
  end
end

return M
