--- The program is a complete Lua 5.4: language and libraries, untouched by what nnrun adds.
local testing = require "testing"

return testing.run {
  ["integers and floats are two kinds of number"] = function()
    testing.equal({ 7 // 2, 7 / 2, -7 // 2, -7 % 3, 7 % -3, 2 ^ 10 }, { 3, 3.5, -4, 2, -2, 1024.0 })
    testing.equal({ math.type(1), math.type(1.0), math.type "1" }, { "integer", "float" })
    testing.equal(math.maxinteger + 1, math.mininteger)
    testing.ok(1 == 1.0 and math.ult(1, -1))
    testing.equal({ 3 | 4, 6 & 3, 5 ~ 1, ~0, 1 << 62, -1 >> 63 }, { 7, 2, 4, -1, 2 ^ 62, 1 })
    testing.raises("no integer representation", function() return 1.5 | 1 end)
    testing.raises("attempt to", function() return 1 // 0 end)
    testing.equal({ math.tointeger(3.0), tostring(1e15), tostring(2 ^ 53) }, { 3, "1e+15", "9.007199254741e+15" })
  end,
  ["locals may be constant or closed at the end of their block"] = function()
    local log = {}
    do
      local a <close> = setmetatable({}, { __close = function(_, err) log[#log + 1] = tostring(err) end })
      local b <const> = 3
      testing.ok(a and b == 3)
    end
    pcall(function()
      local c <close> = setmetatable({}, { __close = function(_, err) log[#log + 1] = err end })
      testing.ok(c)
      error("out", 0)
    end)
    testing.equal(log, { "nil", "out" })
    testing.contains(select(2, load "local x <const> = 1; x = 2"), "attempt to assign to const variable 'x'")
  end,
  ["goto, closures in loops and varargs"] = function()
    local out, fns = {}, {}
    for i = 1, 3 do
      if i == 2 then
        goto continue
      end
      out[#out + 1] = i
      ::continue::
      fns[i] = function() i = i + 1 return i end
    end
    testing.equal({ out[1], out[2], fns[1](), fns[1](), fns[2]() }, { 1, 3, 2, 3, 3 })
    local function f(...)
      return select("#", ...), (select(-1, ...))
    end
    testing.equal({ f(nil, nil, 5) }, { 3, 5 })
    testing.equal(table.pack(table.unpack({ 1, nil, 3 }, 1, 3)).n, 3)
  end,
  ["metamethods are honoured"] = function()
    local meta = {
      __index = function(_, k) return k .. "!" end, __call = function(_, a) return a * 2 end,
      __len = function() return 42 end, __concat = function() return "cat" end, __unm = function() return "neg" end,
      __eq = function() return true end, __lt = function() return true end, __le = function() return false end,
      __idiv = function() return "idiv" end, __band = function() return "band" end,
      __name = "Thing", __pairs = function() return function(_, k) return not k and 1 or nil end end,
    }
    local a, b = setmetatable({}, meta), setmetatable({}, meta)
    testing.equal({ a.x, a(4), #a, a .. 1, -a, a // 1, a & 1 }, { "x!", 8, 42, "cat", "neg", "idiv", "band" })
    testing.ok(a == b and a < b and not (a <= b))
    testing.matches(tostring(a), "^Thing: ")
    for k in pairs(a) do
      testing.equal(k, 1)
    end
  end,
  ["coroutines yield across pcall, and close"] = function()
    local co = coroutine.wrap(function(x)
      local ok, y = pcall(function() return coroutine.yield(x + 1) end)
      return ok, y
    end)
    testing.equal(co(1), 2)
    testing.equal({ co "in" }, { true, "in" })
    local closed = false
    local thread = coroutine.create(function()
      local c <close> = setmetatable({}, { __close = function() closed = true end })
      coroutine.yield(c)
    end)
    coroutine.resume(thread)
    testing.ok(coroutine.close(thread) and closed)
    testing.equal({ select(2, coroutine.running()), coroutine.isyieldable() }, { true, false })
  end,
  ["strings: patterns, formats, packing, UTF-8"] = function()
    testing.equal(("key = value"):match "^(%w+)%s*=%s*(%w+)$", "key")
    testing.equal({ ("hello"):gsub("l", { l = "L" }) }, { "heLLo", 2 })
    testing.equal(("%5.1f|%-5s|%q|%a|%i"):format(3.14159, "ab", "a\nb", 1, 3), '  3.1|ab   |"a\\\nb"|0x1p+0|3')
    testing.equal({ string.unpack("<i4 s1 z", string.pack("<i4 s1 z", -2, "abc", "de")) }, { -2, "abc", "de", 12 })
    testing.equal({ utf8.len "añ€", utf8.codepoint("€"), utf8.char(8364), #utf8.charpattern }, { 3, 8364, "€", 14 })
    testing.equal(("%f[%w]%w+"):len(), 9)
    testing.equal(("THE (quick) fox"):find "%((%a+)%)", 5)
  end,
  ["tables: sort, move, concat, and errors that name what is wrong"] = function()
    local t = { 3, 1, 2 }
    table.sort(t, function(a, b) return a > b end)
    testing.equal(t, { 3, 2, 1 })
    testing.equal(table.move({ 1, 2, 3 }, 2, 3, 1), { 2, 3, 3 })
    testing.raises("invalid value", table.concat, { {} })
    testing.raises("attempt to index a nil value (field 'y')", function()
      local x = {}
      return x.y.z
    end)
    testing.raises("bad argument #1 to 'ipairs' (value expected)", ipairs)
  end,
  ["load takes text and compiled chunks, with an environment"] = function()
    local dumped = string.dump(function() return 5 end)
    testing.equal(load(dumped)(), 5)
    testing.contains(select(2, load(dumped, "x", "t")), "attempt to load a binary chunk")
    local env = {}
    load("y = 3", "chunk", "t", env)()
    testing.equal(env, { y = 3 })
    local parts, i = { "return ", "7" }, 0
    testing.equal(load(function() i = i + 1 return parts[i] end)(), 7)
  end,
  ["the debug library sees the program"] = function()
    local lines = 0
    debug.sethook(function() lines = lines + 1 end, "l")
    local x = 1
    x = x + 1
    debug.sethook()
    testing.ok(lines >= 2 and x == 2)
    local info = debug.getinfo(1, "Sl")
    testing.matches(info.short_src, "test_lua54.lua$")
    testing.ok(info.currentline > 0)
    testing.equal({ debug.getlocal(1, 1) }, { "lines", lines })
    testing.matches(debug.traceback("msg", 1), "^msg\nstack traceback:\n\t")
  end,
  ["the collector runs finalizers and clears weak tables in both modes"] = function()
    for _, mode in ipairs { "generational", "incremental" } do
      collectgarbage(mode)
      local collected = false
      local weak = setmetatable({}, { __mode = "v" })
      weak[1] = {}
      setmetatable({}, { __gc = function() collected = true end })
      collectgarbage()
      collectgarbage()
      testing.ok(collected and weak[1] == nil, mode)
    end
    testing.ok(collectgarbage "isrunning")
    testing.equal(collectgarbage "incremental", "incremental")
  end,
  ["files: lines, seek, numbers, buffering, errors with codes"] = function()
    local name = testing.folder() .. "/f"
    local file <close> = assert(io.open(name, "w+"))
    file:setvbuf "full"
    testing.ok(file:write("12 0x1F 3.5e1\nline\n", "last"))
    file:seek "set"
    testing.equal({ file:read("n", "n", "n", "l", "L", "a", "l") }, { 12, 31, 35.0, "", "line\n", "last" })
    testing.equal(select(3, io.open "/no/such/file"), 2)
    testing.matches(tostring(file), "^file %(0x")
    testing.equal(io.type(file), "file")
    local pipe = io.popen "exit 3"
    testing.equal({ pipe:close() }, { nil, "exit", 3 })
  end,
  ["os: dates, environment, temporary names"] = function()
    testing.equal(os.date("!%Y-%m-%d %H:%M:%S", 0), "1970-01-01 00:00:00")
    testing.equal(os.time { year = 2000, month = 1, day = 1, hour = 12, isdst = false }
      - os.time { year = 1999, month = 12, day = 31, hour = 12, isdst = false }, 86400)
    testing.equal(os.getenv "NO_SUCH_VARIABLE_AT_ALL", nil)
    testing.raises("invalid conversion specifier '%Ez'", os.date, "%Ez")
  end,
  ["require: preload, searchers, path, loaded and its second value"] = function()
    package.preload["made.up"] = function(name, extra)
      return name .. extra
    end
    testing.equal({ require "made.up" }, { "made.up:preload:", ":preload:" })
    local folder = testing.folder()
    testing.write(folder .. "/mod.lua", "return { ... }")
    local before = package.path
    package.path = folder .. "/?.lua"
    local module, file = require "mod"
    package.path = before
    testing.equal({ module, file }, { { "mod", folder .. "/mod.lua" }, folder .. "/mod.lua" })
    local message = testing.raises("module 'no.such' not found:", require, "no.such")
    testing.contains(message, "no field package.preload['no.such']")
    testing.contains(message, "no file './no/such.lua'")
  end,
  ["deep recursion is an error, not a crash"] = function()
    local function f()
      return 1 + f()
    end
    testing.raises("stack overflow", f)
    testing.contains(select(2, pcall(string.rep, "x", math.maxinteger)), "resulting string too large")
    testing.contains(select(2, load(("("):rep(300) .. "1" .. (")"):rep(300))), "overflow")
  end,
}
