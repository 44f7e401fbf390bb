--- help() and the doc comments it reads.
local testing = require "testing"
local docs = require "docs"
local help = require "help"
local names = require "help.names"

local SOURCE = [[
--- What this file is for.
--
-- More of it.
local M = {}

local SPEC = {
  lr = { type = "number", default = 1e-3, help = "step size" },
  loss = { type = "string|callable", choices = { "mse", "mae" }, required = true },
  odd = { type = "number", check = somewhere.else_entirely("x" .. y) },
}

--- Train. The loss goes down, e.g. to zero. Then it
--- is done.
---
---     code(here)
---
---@param model table<string, number> the model
---@param given? fun(a: number): boolean called
--- after each epoch
---@param kind "a"|"b"? one of two
---@return number loss the last one
---@return {a: number,
--- b: integer}[]? rows of it
---@options SPEC
function M.train(model, given, kind)
end

---@class Opts
---@field size integer pixels
---@field color? string

--- Not public.
local function hidden() end

function M.silent() end

--- Goes home.
function Robot:go(where) end

--- A constant.
M.LIMIT = 3
]]

local file = docs.parse(SOURCE)

local function entry(name)
  for _, item in ipairs(file.entries) do
    if item.name == name then
      return item
    end
  end
end

return testing.run {
  ["a file's first comment is its head"] = function()
    testing.equal(file.head, "What this file is for.\n\nMore of it.")
    testing.equal(file.summary, "What this file is for.")
  end,
  ["a function's comment is its entry, found by its line"] = function()
    local train = entry "train"
    testing.equal(train.arguments, "model, given, kind")
    testing.equal(train.summary, "Train.")
    testing.equal(file.by_line[train.line], train)
    testing.equal({ entry("go").owner, entry("go").method }, { "Robot", true })
    testing.equal(entry("hidden").is_local, true)
    testing.equal(entry("silent"), nil)
    testing.equal(entry("LIMIT").kind, "value")
  end,
  ["types with spaces, optional marks and continued lines are read"] = function()
    testing.equal(entry("train").params, {
      { name = "model", type = "table<string, number>", text = "the model", optional = false },
      { name = "given", type = "fun(a: number): boolean", text = "called after each epoch", optional = true },
      { name = "kind", type = '"a"|"b"', text = "one of two", optional = true },
    })
    testing.equal(entry("train").returns, { { type = "number", text = "loss the last one" },
      { type = "{a: number, b: integer}[]?", text = "rows of it" } })
  end,
  ["abbreviations do not end the first sentence"] = function()
    testing.equal(docs.parse("\n--- Draws e.g. Circles of i.e. Size. More.\nfunction M.f() end").entries[1].summary,
      "Draws e.g. Circles of i.e. Size.")
  end,
  ["options come from the specification in the file, whatever else it mentions"] = function()
    testing.equal(docs.option_rows(entry "train", file), {
      { name = "loss", type = '"mse" | "mae" | callable', default = "required", text = "" },
      { name = "lr", type = "number", default = "0.001", text = "step size" },
      { name = "odd", type = "number", text = "" },
    })
  end,
  ["options are found in the function when its comment names none"] = function()
    local source = docs.parse [[
local LIST = { a = { type = "number", default = 1 } }
--- One.
function M.one(given)
  local o = options.check(given, LIST, "one")
  return o
end

--- Two.
function M.two(given)
  return options.check(given, { b = { type = "boolean", default = false } }, "two")
end

--- Three.
function M.three(given)
  return given
end
]]
    testing.equal(docs.option_rows(source.entries[1], source)[1].name, "a")
    testing.equal(docs.option_rows(source.entries[2], source)[1].default, "false")
    testing.equal(docs.option_rows(source.entries[3], source), {})
  end,
  ["options are read through names the specification mentions"] = function()
    local source = docs.parse [[
local ROWS = 400
local SEED = { type = "integer", default = 0 }
local function number(default, help)
  return { type = "number", default = default, help = help }
end
local LIST = {
  n = { type = "integer", default = ROWS }, seed = SEED, noise = number(0.2, "spread"),
  other = elsewhere.row(1),
}
--- One.
---@options LIST
function M.one(given)
end
]]
    testing.equal(docs.option_rows(source.entries[1], source), {
      { name = "n", type = "integer", default = "400", text = "" },
      { name = "noise", type = "number", default = "0.2", text = "spread" },
      { name = "seed", type = "integer", default = "0", text = "" },
    })
  end,
  ["options are found through a module the function calls"] = function()
    testing.contains(help.text "report.sweep", "top: integer = 5")
  end,
  ["fields of a class are read"] = function()
    testing.equal(#file.classes.Opts.fields, 2)
    testing.equal(file.classes.Opts.fields[2].optional, true)
  end,
  ["help explains a function of the library"] = function()
    local text = help.text(require("report").plot)
    testing.matches(text, "^report.plot%(spec%)\n")
    testing.contains(text, "arguments:")
  end,
  ["help explains a user's own commented function"] = function()
    local name = testing.write(testing.folder() .. "/own.lua", "\n--- Mine.\nfunction own(a) end\nreturn own")
    testing.contains(help.text(dofile(name)), "Mine.")
  end,
  ["help on Lua's own functions points to the manual"] = function()
    testing.contains(help.text(string.rep), "manual.html#pdf-string.rep")
  end,
  ["help on a word finds the name, or searches, or suggests"] = function()
    testing.matches(help.text "report.plot", "^report.plot%(")
    testing.contains(help.text "draw terminal", "report.plot")
    testing.contains(help.text "reprot", 'did you mean "report"?')
  end,
  ["help() lists the modules"] = function()
    testing.contains(help.text(), "report")
  end,
  ["every method of a tensor has a line in its help"] = function()
    local text = help.text(require("tensor").zeros { 2 })
    testing.contains(text, "The inverse of square matrices")
    testing.equal(text:match "\n(  :[%w_]+ *)\n", nil)
  end,
  ["every public function of the modules has help"] = function()
    local missing = {}
    for _, item in ipairs(names.all()) do
      if type(item.value) == "function" then
        local text = help.text(item.value)
        if text:find("no help text", 1, true) or text:find("it has no '---'", 1, true) then
          missing[#missing + 1] = item.name
        end
      end
    end
    testing.equal(missing, {})
  end,

  ["methods of a tensor have the help of their operation"] = function()
    local x = require("tensor").ones { 2 }
    testing.contains(help.text(x.sum), "tensor.sum(x, options?)\n  Sum over axes.")
    testing.contains(help.text(x.topk), "tensor.topk(x, k, axis?, largest?)")
    testing.contains(help.text(x.backward), "Add d self / d x")
    testing.contains(help.text(x.mul_), "no help text")
  end,
}
