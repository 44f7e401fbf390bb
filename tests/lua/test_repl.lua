--- The prompt: what it reads, shows, completes and explains.
local testing = require "testing"
local pretty = require "pretty"
local repl = require "repl"

local function session(text, before)
  return testing.sh("{nnrun} -e \"_PROMPT='' _PROMPT2=''\" " .. (before or "") .. " -i", text)
end

-- Output after the two lines of the version.
local function shown(text)
  local out, err = session(text)
  return (out:gsub("^[^\n]*\n[^\n]*\n", "")), err
end

return testing.run {
  ["an expression shows its values"] = function()
    testing.equal(shown "1 + 1", "2\n")
    testing.equal(shown "= 3, nil, 'x'", "3\tnil\tx\n")
    testing.equal(shown "local x = 3", "")
    testing.equal(shown "(function() end)()", "")
    testing.equal(shown "2 -- a comment", "2\n")
  end,
  ["a statement may span lines"] = function()
    testing.equal(shown "for i = 1, 2 do\nprint(i)\nend\na =\n5\na", "1\n2\n5\n")
    testing.equal(shown "a = [[x\ny]]\n=a", "x\ny\n")
  end,
  ["an error leaves the session and its variables alive"] = function()
    local out, err = shown "x = 7\nerror 'boom'\nx y\nx"
    testing.equal(out, "7\n")
    testing.contains(err, "stdin:1: boom\n")
    testing.contains(err, "stdin:1: syntax error near 'y'\n")
  end,
  ["a statement cut off by the end of input is an error, not lost"] = function()
    local _, err = shown "for i = 1, 2 do"
    testing.contains(err, "'end' expected near <eof>")
  end,
  ["values go through the global print"] = function()
    local _, err = session("10", "-e 'print = nil'")
    testing.contains(err, "error calling 'print'")
  end,
  ["prompts are _PROMPT and _PROMPT2, strings or not"] = function()
    local out = testing.sh("{nnrun} -i", "a = 1\n")
    testing.matches(out, "\n> > $")
    local text = testing.sh(
      "{nnrun} -e 'n = 0 _PROMPT = setmetatable({}, {__tostring = function() n = n + 1 return \"p\" .. n end})' -i",
      "a =\n1\n")
    testing.matches(text, "\np1>> p2$")
  end,
  ["tables are shown with sorted keys"] = function()
    testing.equal(shown "{b = 1, a = {2, 3}, [10] = true, ['x y'] = 'q', 7}",
      "{ 7, [10] = true, a = { 2, 3 }, b = 1, [\"x y\"] = \"q\" }\n")
  end,
  ["deep, long and self-containing tables are cut"] = function()
    local loop = {}
    loop.self = loop
    testing.contains(pretty.format(loop), "self = {...}")
    testing.equal(pretty.format { { { { { 1 } } } } }, "{ { { { {...} } } } }")
    local long = {}
    for i = 1, 1000 do
      long[i] = i
    end
    testing.contains(pretty.format(long), "... 900 more")
    for line in pretty.format(long):gmatch("[^\n]+") do
      testing.ok(#line <= 80, "a line fits the terminal")
    end
  end,
  ["text with control characters stays on one line"] = function()
    testing.equal(pretty.format { "a\nb\t\27\0" }, '{ "a\\nb\\9\\27\\0" }')
  end,
  ["modules are globals when first named"] = function()
    testing.equal(shown "type(report.plot)\nnonsense", "function\nnil\n")
    testing.equal(testing.sh "{nnrun} -e 'print(report)'", "nil\n")
  end,
  ["the exit status is 0 when the session ends"] = function()
    local _, _, status = session "error 'x'"
    testing.equal(status, 0)
    local _, _, own = session "os.exit(9)"
    testing.equal(own, 9)
  end,
  ["fields and methods complete, functions with a bracket"] = function()
    testing.equal(repl.complete("string.re", 1), { "string.rep(", "string.reverse(" })
    testing.equal(repl.complete("x = math.ab", 5), { "math.abs(" })
    testing.equal(repl.complete("1/math.hu", 1), { "1/math.huge" })
    _G.word = "text" -- luacheck: ignore
    testing.equal(repl.complete("word:up", 1), { "word:upper(" })
    _G.word = nil -- luacheck: ignore
    testing.equal(repl.complete("nothing.at.all", 1), {})
  end,
  ["names and keywords complete"] = function()
    testing.equal(repl.complete("tonu", 1), { "tonumber(" })
    testing.equal(repl.complete("whi", 1), { "while" })
    testing.equal(repl.complete("   ", 4), { "  " })
  end,
  ["inside a string file names complete, after require modules"] = function()
    testing.equal(repl.complete("io.open('/et", 10), nil)
    testing.contains(table.concat(repl.complete("require 'rep", 10), " "), "report")
  end,
  ["a terminal session edits lines and keeps history for its user only"] = function()
    if not os.execute("script -qec true /dev/null >/dev/null 2>&1 </dev/null") then
      testing.skip("no terminal can be had: no program 'script', or no /dev/pts")
    end
    local home = testing.folder()
    local out = testing.sh(("HOME=%s XDG_STATE_HOME= TERM=xterm script -qec {nnrun} /dev/null"):format(home),
      "print('typed')\nos.exit(0)\n")
    testing.contains(out, "typed")
    if testing.exists(home .. "/.nnrun_history") then -- not with plain input
      testing.contains(testing.read(home .. "/.nnrun_history"), "print('typed')\n")
      testing.matches(testing.sh("ls -l " .. home .. "/.nnrun_history"), "^%-rw%-%-%-%-%-%-%-")
    end
  end,
}
