--- The command line: options, scripts, exit statuses, messages.
local testing = require "testing"

local folder = testing.folder()

local function script(text)
  return testing.quote(testing.write(folder .. "/script.lua", text))
end

return testing.run {
  ["-e runs code, in order with other options"] = function()
    testing.equal(testing.sh "{nnrun} -e 'x = 1' -e 'print(x + 1)'", "2\n")
    testing.equal(testing.sh "{nnrun} -e'print(3)'", "3\n")
    testing.equal(testing.sh "{nnrun} -l m=math -e 'print(m.type(1))'", "integer\n")
  end,
  ["-v and --version name the program and Lua"] = function()
    local out, _, status = testing.sh "{nnrun} -v"
    testing.matches(out, "^nnrun %d+%.%d+%.%d+ .*Lua 5%.4")
    testing.equal(status, 0)
    testing.equal(testing.sh "{nnrun} --version", out)
  end,
  ["-h explains on standard output"] = function()
    local out, err, status = testing.sh "{nnrun} -h"
    testing.contains(out, "usage: nnrun")
    testing.equal({ err, status }, { "", 0 })
  end,
  ["an unknown option is a usage error that suggests the nearest"] = function()
    local out, err, status = testing.sh "{nnrun} --versoin"
    testing.equal({ out, status }, { "", 2 })
    testing.contains(err, "unrecognized option '--versoin' (did you mean '--version'?)")
    local _, _, bad = testing.sh "{nnrun} -ix"
    testing.equal(bad, 2)
    local _, missing, code = testing.sh "{nnrun} -e"
    testing.contains(missing, "'-e' needs argument")
    testing.equal(code, 2)
  end,
  ["a script gets its arguments as ... and arg"] = function()
    local name = script "print(..., #arg, arg[1], arg[2], arg[0], arg[-1] ~= nil, arg[-2])"
    testing.equal(testing.sh("{nnrun} " .. name .. " a 'b c'"),
      ("a\tb c\t2\ta\tb c\t%s/script.lua\ttrue\tnil\n"):format(folder):gsub("^a\tb c\t2", "a\t2"))
    testing.equal(testing.sh("{nnrun} -E -- " .. name .. " -x"):match("%-x"), "-x")
  end,
  ["a script may begin with #!"] = function()
    testing.equal(testing.sh("{nnrun} " .. script "#!/usr/bin/env nnrun\nprint(1)"), "1\n")
  end,
  ["- and a piped script read standard input"] = function()
    testing.equal(testing.sh("{nnrun} - a b", "print(...)"), "a\tb\n")
    testing.equal(testing.sh("{nnrun}", "print(7)"), "7\n")
  end,
  ["exit statuses: done, error, usage, the script's own"] = function()
    local function status(text)
      return select(3, testing.sh("{nnrun} " .. script(text)))
    end
    testing.equal(status "return 5", 0)
    testing.equal(status "error 'x'", 1)
    testing.equal(status "os.exit(7)", 7)
    testing.equal(status "return { exit_status = 3 }", 3)
    testing.equal(status "return { code = 4, exit_status = function(self) return self.code end }", 4)
  end,
  ["a missing script is one clear message"] = function()
    local _, err, status = testing.sh "{nnrun} no/such.lua"
    testing.matches(err, "cannot open no/such.lua")
    testing.equal(status, 1)
  end,
  ["a script that does not parse names file and line"] = function()
    local _, err, status = testing.sh("{nnrun} " .. script "x = 1\ny = = 2")
    testing.matches(err, "script.lua:2: unexpected symbol near '='\n$")
    testing.equal(status, 1)
  end,
  ["compiled chunks are refused"] = function()
    local _, err, status = testing.sh("{nnrun} " .. script(string.dump(function() end)))
    testing.contains(err, "attempt to load a binary chunk")
    testing.equal(status, 1)
  end,
  ["an error in the script's own line has no traceback"] = function()
    local _, err = testing.sh("{nnrun} " .. script "local x = nil\nx()")
    testing.matches(err, "^[^\n]*script.lua:2: attempt to call a nil value %(local 'x'%)\n$")
  end,
  ["a traceback shows the script's frames and none of the library's"] = function()
    local _, err = testing.sh("{nnrun} " .. script [[
local options = require "options"
local function f()
  options.check({ lrr = 1 }, { lr = {} }, "fit")
end
f()]])
    testing.matches(err, "script.lua:3: fit: unknown option 'lrr' %(did you mean 'lr'%?%)\nstack traceback:")
    testing.contains(err, "script.lua:5: in main chunk")
    testing.equal(err:find("[nnrun]", 1, true), nil)
  end,
  ["an error object that is no string is described"] = function()
    local _, err = testing.sh("{nnrun} " .. script "error {}")
    testing.contains(err, "(error object is a table value)")
    local _, text = testing.sh("{nnrun} "
      .. script "error(setmetatable({}, {__tostring = function() return 'mine' end}))")
    testing.matches(text, ": mine\n$")
  end,
  ["Ctrl-C in a running script ends it with status 130"] = function()
    local name = script "io.stdout:write('on\\n'):flush() while true do end"
    local _, err, status = testing.sh("{nnrun} " .. name .. " >" .. folder .. "/on & pid=$!\n"
      .. "while [ ! -s " .. folder .. "/on ]; do sleep 0.02; done\nkill -INT $pid\nwait $pid")
    testing.contains(err, "interrupted!")
    testing.equal(status, 130)
  end,
  ["modules beside the script are found from any folder"] = function()
    testing.write(folder .. "/beside.lua", "return 'found ' .. ...")
    local out = testing.sh("cd / && {nnrun} " .. script "print((require 'beside'))")
    testing.equal(out, "found beside\n")
  end,
  ["LUA_INIT runs first, and -E ignores it"] = function()
    testing.equal(testing.sh "LUA_INIT='io.write(1)' {nnrun} -e 'print(2)'", "12\n")
    testing.equal(testing.sh "LUA_INIT='io.write(1)' {nnrun} -E -e 'print(2)'", "2\n")
  end,
  ["warnings are off until -W"] = function()
    local _, quiet = testing.sh "{nnrun} -e 'warn(\"x\")'"
    local _, loud = testing.sh "{nnrun} -W -e 'warn(\"x\")'"
    testing.equal({ quiet, loud }, { "", "Lua warning: x\n" })
  end,
  ["no global is added to those of Lua"] = function()
    local out = testing.sh("{nnrun} " .. script [[
      local names = {}
      for name in pairs(_G) do
        names[#names + 1] = name
      end
      table.sort(names)
      print(table.concat(names, " "))]])
    testing.equal(out, "_G _VERSION arg assert collectgarbage coroutine debug dofile error getmetatable io ipairs "
      .. "load loadfile math next os package pairs pcall print rawequal rawget rawlen rawset require select "
      .. "setmetatable string table tonumber tostring type utf8 warn xpcall\n")
  end,
  ["what -e does to arg reaches the script"] = function()
    testing.equal(testing.sh("{nnrun} -e 'arg[1] = 100' -", "print(...)"), "100\n")
    local _, err, status = testing.sh("{nnrun} -e 'arg = 1' -", "")
    testing.contains(err, "'arg' is not a table")
    testing.equal(status, 1)
  end,
  ["LUA_PATH and LUA_CPATH are honoured, ;; stands for the default"] = function()
    local name = script "print(package.path) print(package.cpath)"
    local plain = testing.sh("{nnrun} -E " .. name)
    testing.equal(testing.sh("LUA_PATH=x LUA_CPATH=y {nnrun} " .. name), "x\ny\n")
    testing.equal(testing.sh("LUA_PATH='a;;b' {nnrun} " .. name):match("[^\n]+"),
      "a;" .. plain:match("[^\n]+") .. ";b")
    testing.equal(testing.sh("LUA_PATH=x LUA_PATH_5_4=z LUA_CPATH=y {nnrun} " .. name), "z\ny\n")
    testing.equal(testing.sh("LUA_PATH=x {nnrun} -E " .. name), plain)
  end,
  ["LUA_INIT sees arg, names a file with @, and its errors name it"] = function()
    testing.equal(testing.sh("LUA_INIT='X = arg[1]' {nnrun} " .. script "print(X)" .. " 3.2"), "3.2\n")
    testing.equal(testing.sh("LUA_INIT=@" .. script "io.write 'init '" .. " {nnrun} -e 'print(1)'"), "init 1\n")
    local _, err, status = testing.sh "LUA_INIT='error [[msg]]' {nnrun} -e 'print(1)'"
    testing.contains(err, "LUA_INIT:1: msg")
    testing.equal(status, 1)
  end,
  ["files are flushed, variables closed and finalizers run at the end"] = function()
    testing.sh("{nnrun} " .. script(("io.output(%q) io.write 'text'"):format(folder .. "/left-open")))
    testing.equal(testing.read(folder .. "/left-open"), "text")
    testing.equal(testing.sh("{nnrun} " .. script [[
      setmetatable({}, { __gc = function() print "collected" end })
      local x <close> = setmetatable({}, { __close = function() print "closed" end })
      if arg[1] then os.exit(true, true) end]] .. " exit"), "closed\ncollected\n")
  end,
  ["an error in a finalizer at the end is a warning"] = function()
    local name = script "setmetatable({}, { __gc = function() error 'late' end })"
    local _, err, status = testing.sh("{nnrun} -W " .. name)
    testing.matches(err, "Lua warning: .*late")
    testing.equal(status, 0)
  end,
  ["a script can catch Ctrl-C and go on"] = function()
    local name = script "pcall(function() print(12) io.stdout:flush() while true do end end) print(42)"
    local _, _, status = testing.sh("{nnrun} " .. name .. " >" .. folder .. "/caught & pid=$!\n"
      .. "while [ ! -s " .. folder .. "/caught ]; do sleep 0.02; done\nkill -INT $pid\nwait $pid")
    testing.equal(testing.read(folder .. "/caught"), "12\n42\n")
    testing.equal(status, 0)
  end,
  ["a first line that is a comment counts as a line"] = function()
    testing.equal(testing.sh("{nnrun} " .. script "# comment\nprint(debug.getinfo(1).currentline)"), "2\n")
    testing.equal(testing.sh("{nnrun} " .. script "#only this, without an end of line"), "")
  end,
}
