--- Run pieces of Lua's own test-suite under this program and under the plain interpreter.
---
---   nnrun tests/tools/lua_suite.lua FOLDER [PLAIN]
---
--- FOLDER holds *.lua files of the suite, or *.test.js files that carry its pieces as template
--- literals (the npm package fengari does). PLAIN is the interpreter to compare with ("lua5.4"): what
--- passes there has to pass here. A piece that fails in both, because it was written for another
--- version of Lua, is counted apart.
local folder, plain = arg[1], arg[2] or "lua5.4"
local work = os.tmpname()
os.remove(work)
assert(os.execute("mkdir -p " .. work))

local program = arg[-1]
if program:find("/", 1, true) and program:sub(1, 1) ~= "/" then
  program = os.getenv("PWD") .. "/" .. program
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

-- A template literal's text: \` \\ \${ stand for themselves without the backslash, others keep it.
local function unescape(text)
  return (text:gsub("\\([\\`$])", "%1"))
end

local function pieces_of(name)
  local text = read(folder .. "/" .. name)
  if name:find("%.lua$") then
    return { { name = name, text = text } }
  end
  local pieces, shared = {}, {}
  for constant, value in text:gmatch("\nconst ([%w_]+) = `(.-[^\\])`;") do
    shared[constant] = value
  end
  for title, body in text:gmatch('\ntest%("([^\n]-)",%s*%(%)%s*=>%s*(%b{})') do
    local code = body:match("luaCode = `(.-[^\\])`;")
    if code and not body:find("toThrow", 1, true) then
      for constant in body:match("to_luastring%(([%w_ +]*)luaCode"):gmatch("[%w_]+") do
        code = (shared[constant] or "") .. code
      end
      pieces[#pieces + 1] = { name = title, text = unescape(code) }
    end
  end
  return pieces
end

local function run(interpreter, file)
  return (os.execute(("cd %s && timeout 60 %s %s >%s.out 2>&1 </dev/null"):format(work, interpreter, file, file)))
end

local listing = assert(io.popen("ls '" .. folder .. "'"))
local passed, failed, other = 0, 0, 0
for name in listing:lines() do
  -- api needs a build of Lua with its internal tests; main tests the options of `lua` itself
  local wanted = name:find("%.test%.js$") or name:find("%.lua$")
  if wanted and not name:find("^api%.") and not name:find("^main%.") and not name:find("^all%.") then
    for i, piece in ipairs(pieces_of(name)) do
      local file = ("%s/piece%d.lua"):format(work, i)
      local handle = assert(io.open(file, "wb"))
      handle:write(piece.text)
      handle:close()
      local here = run("'" .. program .. "'", file)
      if here then
        passed = passed + 1
      elseif run(plain, file) then
        failed = failed + 1
        print(("FAIL %s: %s\n  %s"):format(name, piece.name, read(file .. ".out"):match("^[^\n]*")))
      else
        other = other + 1
      end
    end
  end
end
listing:close()
os.execute("rm -rf " .. work)
print(("%d pieces failed under %s as well: they are for another version"):format(other, plain))
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0)
