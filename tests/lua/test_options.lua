--- options: what a user sees when an options table is wrong.
local testing = require "testing"
local options = require "options"

local SPEC = {
  lr = { type = "number", default = 0.1, above = 0 },
  epochs = { type = "integer", min = 1, help = "passes over the data" },
  loss = { type = "string|callable", choices = { "mse", "cross_entropy" }, default = "mse" },
  name = { type = "string" },
}

local function check(given)
  local checked = options.check(given, SPEC, "fit") -- not a tail call: the message names this line
  return checked
end

local function message(given)
  return testing.raises("test_options.lua:", check, given)
end

return testing.run {
  ["defaults fill in what was not given"] = function()
    testing.equal(check(nil), { lr = 0.1, loss = "mse" })
    testing.equal(check { epochs = 3 }, { lr = 0.1, loss = "mse", epochs = 3 })
  end,
  ["the given table is left alone"] = function()
    local given = { epochs = 3 }
    check(given)
    testing.equal(given, { epochs = 3 })
  end,
  ["an unknown option suggests the nearest known one"] = function()
    testing.contains(message { epoch = 3 }, "fit: unknown option 'epoch' (did you mean 'epochs'?)")
    testing.contains(message { Lr = 3 }, "did you mean 'lr'?")
    testing.contains(message { eopchs = 3 }, "did you mean 'epochs'?")
  end,
  ["an option unlike any other lists what there is"] = function()
    testing.contains(message { zzzzzzzz = 3 }, "the options are epochs, loss, lr and name")
  end,
  ["a wrong type says what is wanted and what was given"] = function()
    testing.contains(message { lr = "fast" }, "option 'lr' must be a number, got \"fast\"")
    testing.contains(message { epochs = 1.5 }, "option 'epochs' must be a whole number, got 1.5")
    testing.contains(message { loss = {} }, "must be a string or callable, got a table")
  end,
  ["limits are enforced"] = function()
    testing.contains(message { lr = 0 }, "must be greater than 0")
    testing.contains(message { epochs = 0 }, "must be at least 1")
    testing.contains(message { lr = 0 / 0 }, "NaN")
  end,
  ["a choice that is not among the choices is refused"] = function()
    testing.contains(message { loss = "mes" }, "it can be \"mse\" or \"cross_entropy\" (did you mean \"mse\"?)")
    testing.ok(check { loss = print })
  end,
  ["a value without a name is refused unless the spec takes positions"] = function()
    testing.contains(message { 3 }, "unexpected value without a name")
    testing.equal(options.check({ 3, 4 }, { [1] = {} }, "f"), { 3, 4 })
  end,
  ["a required option that is missing is named"] = function()
    local text = testing.raises("option 'x' is missing (the input)", function()
      options.check({}, { x = { required = true, help = "the input" } }, "f")
    end)
    testing.matches(text, "^[^\n]*test_options.lua:%d+: f: ")
  end,
  ["options that are no table are refused"] = function()
    testing.contains(message(3), "fit: options must be a table, got 3")
  end,
  ["edit distance counts swaps of neighbours once"] = function()
    testing.equal(options.distance("epochs", "eopchs"), 1)
    testing.equal(options.distance("", "abc"), 3)
    testing.equal(options.distance("kitten", "sitting"), 3)
  end,
}
