--- What every Lua test file shares: assertions that say what they saw, skipping, and the runner.
---
--- A test file is `local testing = require "testing"`, a table of named functions, and
--- `return testing.run(tests)`. Run one with `nnrun tests/lua/test_x.lua [name part]`, or all with
--- `nnrun tests/lua/run.lua`. Each file prints one line per failing test and a closing line.
local M = {}

local SKIP = setmetatable({}, { __name = "skip" })

-- Position of the assertion that failed: the first frame outside this file.
local function position()
  local level = 3
  while true do
    local frame = debug.getinfo(level, "Sl")
    if not frame then
      return "?"
    end
    if frame.currentline > 0 and not frame.short_src:find("testing.lua", 1, true) then
      return ("%s:%d"):format(frame.short_src, frame.currentline)
    end
    level = level + 1
  end
end

local function show(value, depth)
  if type(value) == "string" then
    return ("%q"):format(#value > 300 and value:sub(1, 300) .. "..." or value)
  elseif type(value) == "number" then
    return math.type(value) == "float" and ("%.17g"):format(value) or tostring(value)
  elseif type(value) ~= "table" or (depth or 0) > 2 then
    return tostring(value)
  end
  local parts, keys = {}, {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    parts[#parts + 1] = ("[%s]=%s"):format(show(key), show(value[key], (depth or 0) + 1))
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

--- Fail the test, at the line that called the assertion.
---@param format string
---@param ... any
function M.fail(format, ...)
  local message = select("#", ...) > 0 and format:format(...) or format
  error(position() .. ": " .. message, 0)
end

--- Skip the rest of the test.
---@param reason string shown beside the test's name
function M.skip(reason)
  error(setmetatable({ reason = reason, kind = SKIP }, { __tostring = function() return reason end }), 0)
end

--- Skip the rest of the test where there is no gnuplot.
function M.need_gnuplot()
  local drawn, message = require("report.render").run "set terminal dumb\nplot x\n"
  if not drawn then
    M.skip(message)
  end
end

local function note(message)
  return message and " (" .. message .. ")" or ""
end

--- Tables are compared by content, NaN equals NaN, 1 equals 1.0.
local function same(a, b)
  if a == b or (a ~= a and b ~= b) then
    return true
  elseif type(a) ~= "table" or type(b) ~= "table" then
    return false
  end
  for key, value in pairs(a) do
    if not same(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

--- The value is not false or nil.
---@param value any
---@param message? string
function M.ok(value, message)
  if not value then
    M.fail("expected a true value, got %s%s", show(value), note(message))
  end
  return value
end

--- Equal, tables by content.
function M.equal(actual, expected, message)
  if not same(actual, expected) then
    M.fail("expected %s, got %s%s", show(expected), show(actual), note(message))
  end
end

--- Not equal.
function M.differ(actual, other, message)
  if same(actual, other) then
    M.fail("expected something else than %s%s", show(other), note(message))
  end
end

-- A tensor or nested table as a flat list; numbers as a list of one.
local function flatten(value, list)
  if type(value) == "userdata" and value.totable then
    value = value:totable()
  end
  if type(value) == "table" then
    for _, item in ipairs(value) do
      flatten(item, list)
    end
  else
    list[#list + 1] = value
  end
  return list
end

--- Numbers, tensors or nested tables of numbers within a tolerance: |actual - expected| <= tolerance
--- * max(1, |expected|).
---@param tolerance? number default 1e-6
function M.near(actual, expected, tolerance, message)
  tolerance = tolerance or 1e-6
  local a, b = flatten(actual, {}), flatten(expected, {})
  if #a ~= #b then
    M.fail("expected %d numbers, got %d%s", #b, #a, note(message))
  end
  for i = 1, #b do
    if type(a[i]) ~= "number" then
      M.fail("expected a number near %s, got %s%s", show(b[i]), show(a[i]), note(message))
    end
    local both_nan = a[i] ~= a[i] and b[i] ~= b[i]
    local limit = tolerance * math.max(1, math.abs(b[i]))
    if not both_nan and a[i] ~= b[i] and not (math.abs(a[i] - b[i]) <= limit) then
      local place = #b > 1 and (" at number %d"):format(i) or ""
      M.fail("expected %.17g within %g, got %.17g%s%s", b[i], limit, a[i], place, note(message))
    end
  end
end

--- The string contains a plain text (or the pattern, with `pattern = true`).
function M.contains(text, part, message, pattern)
  if type(text) ~= "string" or not text:find(part, 1, not pattern) then
    M.fail("expected a text with %s, got %s%s", show(part), show(text), note(message))
  end
end

--- The text matches a Lua pattern.
function M.matches(text, pattern, message)
  return M.contains(text, pattern, message, true)
end

--- The function raises; its message contains `part` (plain text). Returns the message.
---@param part? string
---@param fn function
---@return string message
function M.raises(part, fn, ...)
  if type(part) == "function" then
    part, fn = fn, part
  end
  local ok, message = pcall(fn, ...)
  if ok then
    M.fail("expected an error%s, but none was raised", part and " with " .. show(part) or "")
  end
  message = tostring(message)
  if part and not message:find(part, 1, true) then
    M.fail("expected an error with %s, got %s", show(part), show(message))
  end
  return message
end

--- A folder of its own, removed when the program ends.
---@return string path
function M.folder()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute(("mkdir -p '%s'"):format(path)))
  M.folders = M.folders or setmetatable({}, {
    __gc = function(list)
      for _, folder in ipairs(list) do
        os.execute(("rm -rf '%s'"):format(folder))
      end
    end,
  })
  table.insert(M.folders, path)
  return path
end

--- Write a file.
---@param path string
---@param text string
---@return string path
function M.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

--- Read a whole file.
---@param path string
---@return string
function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

--- The rows of a golden CSV file, each a name and numbers, as lists by name.
---@param file string below tests/golden/
---@return table<string, number[]>
function M.golden(file)
  local rows = {}
  for line in io.lines((M.here or "tests/lua/") .. "../golden/" .. file) do
    local name, numbers = line:match("^([^,]+),(.*)$")
    rows[name] = {}
    for number in numbers:gmatch("[^,]+") do
      table.insert(rows[name], tonumber(number))
    end
  end
  return rows
end

--- The weights of a model as tables of numbers by name, to compare to the bit.
---@param model Layer
---@return table<string, table>
function M.weights(model)
  local weights = model:weights()
  for name, weight in pairs(weights) do
    weights[name] = weight:totable()
  end
  return weights
end

--- Whether a file can be read.
function M.exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

--- A path below the shared data folder (NNRUN_SHARED, default ../shared), or skip the test.
---@param path string e.g. "data/course/expected.json"
---@return string
function M.shared(path)
  local full = (os.getenv("NNRUN_SHARED") or "../shared") .. "/" .. path
  if not M.exists(full) then
    M.skip(full .. " is not here")
  end
  return full
end

--- A word quoted for the shell.
function M.quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

--- The program under test, quoted for the shell.
---@return string
function M.program()
  local i = 0
  while arg[i - 1] do
    i = i - 1
  end
  local path = arg[i]
  if path:find("/", 1, true) and path:sub(1, 1) ~= "/" then -- tests may change the folder
    path = os.getenv("PWD") .. "/" .. path
  end
  return M.quote(path)
end

--- Run a shell command; `{nnrun}` stands for the program under test. Returns its standard output,
--- standard error and exit status (128 + signal when it was killed).
---@param command string
---@param input? string standard input; default none
---@return string out, string err, integer status
function M.sh(command, input)
  local folder = M.folder()
  local program = M.program()
  command = command:gsub("{nnrun}", function() return program end)
  M.write(folder .. "/in", input or "")
  local _, how, code = os.execute(("{ %s\n} <%s/in >%s/out 2>%s/err"):format(command, folder, folder, folder))
  return M.read(folder .. "/out"), M.read(folder .. "/err"), how == "signal" and 128 + code or code
end

local function sorted_names(tests)
  local names = {}
  for name, fn in pairs(tests) do
    if type(fn) == "function" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local function handler(problem)
  if type(problem) == "table" and problem.kind == SKIP then
    return problem
  end
  local text = tostring(problem)
  if not text:match("^[^\n]-:%d+: ") or text:match("^%[nnrun%]") then
    text = position() .. ": " .. text
  end
  if text:find("[nnrun]", 1, true) or os.getenv("NNRUN_TRACE") then
    text = text .. "\n" .. debug.traceback("", 2)
  end
  return text
end

--- Totals of one or several runs.
M.total = { passed = 0, failed = 0, skipped = 0 }

--- Run a table of tests, in the order of their names. Prints one line per failing or skipped test
--- and, unless run.lua collects several files, the closing line.
---@param tests table<string, function> name -> test
---@return table result with `exit_status`
function M.run(tests)
  local filter = not M.collecting and arg[1] or nil
  for _, name in ipairs(sorted_names(tests)) do
    if not filter or name:find(filter, 1, true) then
      local ok, problem = xpcall(tests[name], handler)
      if ok then
        M.total.passed = M.total.passed + 1
      elseif type(problem) == "table" then
        M.total.skipped = M.total.skipped + 1
        print(("SKIP %s: %s"):format(name, problem.reason))
      else
        M.total.failed = M.total.failed + 1
        print(("FAIL %s\n  %s"):format(name, problem))
      end
    end
  end
  if not M.collecting then
    M.close()
  end
  return { exit_status = M.total.failed > 0 and 1 or 0 }
end

--- Print the closing line.
function M.close()
  local total = M.total
  print(("%d passed, %d failed, %d skipped"):format(total.passed, total.failed, total.skipped))
end

-- Test files find this one, whatever folder the program is started in.
local here = debug.getinfo(1, "S").source:match("^@(.*)testing%.lua$")
if here then
  M.here = here
end

--- Whether long tests should run shortened: where every instruction is checked (`make san`).
---@return boolean
function M.reduced()
  return os.getenv "NNRUN_REDUCED" == "1"
end

return M
