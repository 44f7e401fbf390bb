--- Every Lua block of the tutorial, the README and other pages runs, and prints what the page shows.
---
--- A section's blocks are one script. Below them, in blocks marked `output`, stands what it prints:
--- words must be the same and numbers near, since last digits depend on the processor's instructions.
--- `<!-- needs PACKAGE -->` in a section names what it cannot do without.
local testing = require "testing"

local ROOT = (testing.here or "tests/lua/") .. "../../"
local NEEDS = {
  ["dataset-fashion-mnist"] = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz",
}
-- The pages were written on a machine with these. Elsewhere another setting may win a sweep, so there
-- the scripts are only run.
local SAME = require("core.train").kernel() == "avx2"
-- How far a number of a training's result may be from the page's: relative, or absolute below 1.
local TOLERANCE = 0.15

-- Sections with code: { title, code, outputs, needs }, in order.
local function read_sections(path)
  local sections, section, kind, block = {}, nil, nil, nil
  for line in (testing.read(path) .. "\n"):gmatch("(.-)\n") do
    if kind then
      if line == "```" then
        if kind == "lua" then
          section.code = section.code .. table.concat(block, "\n") .. "\n"
        elseif kind == "output" then
          table.insert(section.outputs, block)
        end
        kind = nil
      else
        block[#block + 1] = line
      end
    elseif line:find("^```") then
      kind, block = line:sub(4), {}
    elseif line:find("^## ") then
      section = { title = line:sub(4), code = "", outputs = {} }
      sections[#sections + 1] = section
    elseif section then
      section.needs = line:match("^<!%-%- needs ([%w-]+) %-%->$") or section.needs
    end
  end
  return sections
end

-- A line as its words and its numbers. Rows of a plot drawn with characters are left out: a number
-- that differs in its last digit moves them. Where a gradient check disagrees most is rounding.
local function split_line(line)
  line = line:gsub("worst error .*", "worst error")
  if line:find("^ *[%d.]* [|+]") then
    return "", {}
  end
  local numbers = {}
  local words = line:gsub("[+-]?%d[%d.,]*e?[+-]?%d*", function(text)
    numbers[#numbers + 1] = tonumber((text:gsub(",", ""):gsub("%.$", ""))) or 0
    return "#"
  end)
  return words:gsub("%s+", " "):gsub("─+", "─"):gsub("^ ", ""):gsub(" $", ""), numbers
end

local function near(a, b)
  return math.abs(a - b) <= TOLERANCE * math.max(1, math.abs(a), math.abs(b))
end

local function agrees(shown, printed)
  local words, numbers = split_line(shown)
  local other_words, other_numbers = split_line(printed)
  if words ~= other_words then
    return false
  end
  for i, number in ipairs(numbers) do
    if not near(number, other_numbers[i]) then
      return false
    end
  end
  return true
end

-- Where the block stands in what was printed, from line `first` on; or the line that is missing.
local function find_block(block, lines, first)
  local furthest, missing = 0, block[1]
  for start = first, #lines do
    local count = 0
    while count < #block and lines[start + count] and agrees(block[count + 1], lines[start + count]) do
      count = count + 1
    end
    if count == #block then
      return start + count
    elseif count >= furthest then
      furthest, missing = count, ("%s\n  printed is: %s"):format(block[count + 1], lines[start + count])
    end
  end
  return nil, missing
end

local function run_section(section)
  if section.needs and not testing.exists(assert(NEEDS[section.needs], section.needs)) then
    testing.skip(section.needs .. " is not installed")
  end
  local folder = testing.folder()
  testing.write(folder .. "/try.lua", section.code)
  local out, err, status = testing.sh(("cd '%s' && COLUMNS=80 {nnrun} try.lua"):format(folder))
  testing.equal(status, 0, err)
  if not SAME then
    return
  end
  local lines, at = {}, 1
  for line in out:gmatch("(.-)\n") do
    lines[#lines + 1] = line
  end
  for _, block in ipairs(section.outputs) do
    local after, missing = find_block(block, lines, at)
    if not after then
      testing.fail("'%s' does not print: %s", section.title, missing)
    end
    at = after
  end
end

local tests = {
  ["lines agree when their words do and their numbers nearly"] = function()
    testing.ok(agrees("epoch  10  loss 0.4177", "epoch 10 loss 0.42"))
    testing.ok(not agrees("epoch  10  loss 0.4177", "epoch 10 loss 0.82"))
    testing.ok(not agrees("epoch  10  loss 0.4177", "step 10 loss 0.4177"))
  end,
  ["a block that is not printed is missed"] = function()
    local lines = { "one 1", "two 2", "three 3" }
    testing.equal(find_block({ "two 2", "three 3" }, lines, 1), 4)
    testing.equal(find_block({ "two 2", "four 3" }, lines, 1), nil)
    testing.equal(find_block({ "one 1" }, lines, 2), nil)
  end,
}

for _, page in ipairs { "README.md", "docs/tutorial.md", "docs/layers.md", "docs/training.md", "docs/search.md",
  "docs/sweeps.md" } do
  local found = 0
  for _, section in ipairs(read_sections(ROOT .. page)) do
    if section.code ~= "" then
      found = found + 1
      tests[("%s: '%s' runs and prints what it shows"):format(page, section.title)] = function()
        run_section(section)
      end
    end
  end
  tests[page .. " has scripts"] = function()
    testing.ok(found > 0)
  end
end

return testing.run(tests)
