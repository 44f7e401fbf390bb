--- Run Lua test files, each in a process of its own, and add up what they report.
---
---   nnrun tests/lua/run.lua [file ...]     default: every tests/lua/test_*.lua
---
--- A file that dies without its closing line counts as one failure. The last line printed is
--- 'N passed, N failed, N skipped'.
local here = arg[0]:match("^(.*)run%.lua$") or ""

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function list_files()
  local files = {}
  for i = 1, #arg do
    files[i] = arg[i]
  end
  if #files > 0 then
    return files
  end
  local pipe = assert(io.popen("ls " .. quote(here == "" and "." or here)))
  for name in pipe:lines() do
    if name:match("^test_.*%.lua$") then
      files[#files + 1] = here .. name
    end
  end
  pipe:close()
  return files
end

local function program()
  local i = 0
  while arg[i - 1] do
    i = i - 1
  end
  return arg[i]
end

local total = { passed = 0, failed = 0, skipped = 0 }
for _, file in ipairs(list_files()) do
  local pipe = assert(io.popen(("%s %s 2>&1 </dev/null"):format(quote(program()), quote(file))))
  local text = pipe:read("a")
  local ok, how, code = pipe:close()
  local body, passed, failed, skipped = text:match("^(.-)(%d+) passed, (%d+) failed, (%d+) skipped\n$")
  if not passed then
    body, passed, failed, skipped = text, 0, 1, 0
    print(("FAIL %s ended early (%s %s)"):format(file, how, code))
  elseif not ok and tonumber(failed) == 0 then
    failed = 1
    print(("FAIL %s ended with %s %s after its tests"):format(file, how, code))
  end
  if body:match("%S") then
    io.write(file, ":\n", (body:gsub("\n*$", "\n")))
  end
  total.passed = total.passed + passed
  total.failed = total.failed + failed
  total.skipped = total.skipped + skipped
end
print(("%d passed, %d failed, %d skipped"):format(total.passed, total.failed, total.skipped))
os.exit(total.failed == 0, true)
