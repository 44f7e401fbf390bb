local testing = require "testing"
local optim = require "nn.optim"
local init = require "nn.init"

local tests = {}
local new = optim.constructors

tests["there is a constructor for every row, with help"] = function()
  for _, row in ipairs(require("core.optim").rows()) do
    local made = new[row.title] {}
    testing.equal(made.name, row.name)
    testing.equal(#made.hyper, #row.hypers)
    testing.equal(made.hyper[1], made.lr)
    testing.ok(row.help ~= "")
  end
end

tests["rows tell their options as they are written"] = function()
  local adam
  for _, row in ipairs(optim.rows()) do
    for _, item in ipairs(row.options) do
      testing.ok(item.name and item.type and item.default ~= nil and item.help ~= "", row.name)
    end
    adam = row.name == "adam" and row or adam
  end
  testing.equal(adam.options[1], { name = "lr", type = "number", default = "0.001", help = "learning rate" })
  testing.equal(adam.options[2].name, "betas")
  testing.equal(adam.options[2].default, "{ 0.9, 0.999 }")
end

tests["options reach the engine's row in order"] = function()
  testing.equal(new.SGD { lr = 0.5, momentum = 0.9, nesterov = true }.hyper, { 0.5, 0.9, 0, 1, 0, 0, 0 })
  testing.equal(new.Adam { betas = { 0.8, 0.95 } }.hyper, { 1e-3, 0.8, 0.95, 1e-8, 0, 0, 0 })
  testing.equal(new.AdamW().options.weight_decay, 0.01)
end

tests["an optimiser is found by either name"] = function()
  testing.equal(optim.optimizer("adam", { lr = 0.1 }).lr, 0.1)
  testing.equal(optim.optimizer("RMSprop").name, "rmsprop")
  testing.equal(optim.optimizer("ADAM").name, "adam")
  local made = new.Adam()
  testing.ok(optim.optimizer(made) == made and optim.is(made) and not optim.is {})
end

tests["an optimiser shows as it was written"] = function()
  testing.equal(tostring(new.SGD { momentum = 0.9, nesterov = true }),
    "nn.SGD { lr = 0.01, momentum = 0.9, nesterov = true }")
  testing.equal(tostring(new.Adam { lr = 2e-3, betas = { 0.5, 0.9 } }), "nn.Adam { lr = 0.002, betas = { 0.5, 0.9 } }")
end

tests["mistakes in an optimiser name what is wrong"] = function()
  testing.raises("did you mean 'momentum'", function() new.SGD { momentun = 0.9 } end)
  testing.raises("must be less than 1", function() new.SGD { momentum = 1 } end)
  testing.raises("the second at least 0 and less than 1; it is 1", function() new.Adam { betas = { 0.9, 1 } } end)
  testing.raises("it is nil", function() new.Adam { betas = { 0.9 } } end)
  testing.raises("two numbers", function() new.Adam { betas = { 0.9, 0.99, 0.999 } } end)
  testing.raises("greater than 0", function() new.Adam { eps = 0 } end)
  testing.raises("nesterov needs a momentum", function() new.SGD { nesterov = true } end)
  testing.raises("must be a boolean", function() new.RMSprop { centered = 1 } end)
  testing.raises("did you mean 'rmsprop'", function() optim.optimizer("rmspop") end)
  local message = testing.raises("lr", function() new.Adam { lr = -1 } end)
  testing.matches(message, "^[^:]*test_optim%.lua:%d+: nn%.Adam")
end

tests["there is an initialiser for every row, with help"] = function()
  for _, row in ipairs(require("core.init").rows()) do
    local made = init[row.name]()
    testing.equal(made.name, row.name)
    testing.equal(#made.args, #row.args)
    testing.ok(row.help ~= "")
  end
end

tests["an initialiser is given by name, by constructor or by values"] = function()
  testing.equal(init.from("he_normal", "Linear").args, { 1.0 })
  testing.equal(init.from(init.normal { std = 0.01 }, "Linear").args, { 0.0, 0.01 })
  testing.equal(init.constant(0.5).args, { 0.5 })
  local given = init.from({ { 1, 2 }, { 3, 4 } }, "Linear")
  testing.equal(given.name, "values")
  testing.equal(given.values, { { 1, 2 }, { 3, 4 } })
  testing.equal(tostring(init.normal { std = 0.01 }), "nn.init.normal { std = 0.01 }")
  testing.equal(tostring(init.zeros()), "nn.init.zeros()")
end

tests["mistakes in an initialiser name what is wrong"] = function()
  testing.raises("Linear: unknown initializer \"he_norml\" (did you mean 'he_normal'?)", function()
    init.from("he_norml", "Linear")
  end)
  testing.raises("did you mean 'std'", function() init.normal { sdt = 1 } end)
  testing.raises("got true", function() init.from(true, "Linear") end)
  testing.raises("expected a tensor", function() init.values() end)
end

return testing.run(tests)
