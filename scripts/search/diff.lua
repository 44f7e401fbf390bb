--- What differs between two trials, or two studies: parameters, code, data, environment, curves.
local json = require "search.json"
local options = require "options"
local store = require "core.store"
local studies = require "search.study"
local tables = require "report.table"

local M = {}

local CONTEXT = 2      -- lines around a changed one
local MOST_LINES = 4000 -- of a file; longer ones are only said to differ

-- ---- lines of text ----

local function lines_of(text)
  local lines = {}
  for line in (text .. (text:sub(-1) == "\n" and "" or "\n")):gmatch("(.-)\n") do
    lines[#lines + 1] = line
  end
  return lines
end

-- Lengths of the longest common subsequences of all tails: table[i][j] for a[i..], b[j..].
local function common_tails(a, b)
  local length = {}
  for i = #a + 1, 1, -1 do
    length[i] = {}
    for j = #b + 1, 1, -1 do
      if i > #a or j > #b then
        length[i][j] = 0
      elseif a[i] == b[j] then
        length[i][j] = length[i + 1][j + 1] + 1
      else
        length[i][j] = math.max(length[i + 1][j], length[i][j + 1])
      end
    end
  end
  return length
end

-- Every line of both texts, marked " ", "-" or "+", with its number in the first.
local function marked_lines(a, b)
  local length, list, i, j = common_tails(a, b), {}, 1, 1
  while i <= #a or j <= #b do
    if i <= #a and j <= #b and a[i] == b[j] then
      list[#list + 1] = { " ", a[i], i }
      i, j = i + 1, j + 1
    elseif j > #b or i <= #a and length[i + 1][j] >= length[i][j + 1] then
      list[#list + 1] = { "-", a[i], i }
      i = i + 1
    else
      list[#list + 1] = { "+", b[j], i }
      j = j + 1
    end
  end
  return list
end

--- The lines that differ between two texts, with some around them: "- old", "+ new", "  same".
---@param before string
---@param after string
---@return string
function M.text(before, after)
  local a, b = lines_of(before), lines_of(after)
  if #a > MOST_LINES or #b > MOST_LINES then
    return ("  %d and %d lines, not compared line by line\n"):format(#a, #b)
  end
  local list, near = marked_lines(a, b), {}
  for k, entry in ipairs(list) do
    for around = k - CONTEXT, entry[1] ~= " " and k + CONTEXT or k - CONTEXT - 1 do
      near[around] = true
    end
  end
  local out, last = {}, nil
  for k, entry in ipairs(list) do
    if near[k] then
      if last ~= k - 1 then
        out[#out + 1] = ("  line %d:"):format(entry[3])
      end
      out[#out + 1] = ("  %s %s"):format(entry[1], entry[2])
      last = k
    end
  end
  return #out > 0 and table.concat(out, "\n") .. "\n" or ""
end

-- ---- what a study consists of ----

local function load_side(file, word)
  local number = math.tointeger(tonumber(word))
  local study, message = studies.load(file, not number and word or nil)
  if not study then
    return nil, message
  end
  local side = { study = study, files = {}, data = {}, title = ("%s@%d"):format(study.name, study.version) }
  local opened = assert(store.open(file, "read"))
  for _, row in ipairs(opened:rows("file_list", study.id)) do
    side.files[row.path == study.info.script and "the script" or row.path] = row.text
  end
  for _, row in ipairs(opened:rows("data_list", study.id)) do
    side.data[row.name] = row.sha256
  end
  local sessions = opened:rows("session_list", study.id)
  opened:close()
  side.session = sessions[#sessions] or {}
  for _, trial in ipairs(number and study.trials or {}) do
    side.trial = trial.number == number and trial or side.trial
  end
  if number and not side.trial then
    return nil, ("study '%s' has no trial %d; it has %d"):format(study.name, number, #study.trials)
  end
  side.title = number and ("trial %d"):format(number) or side.title
  return side
end

-- ---- sections ----

local function value_text(value)
  return value == nil and "-" or type(value) == "string" and value or json.encode(value)
end

-- Rows for the names whose values differ.
local function different(a, b)
  local names, rows = {}, {}
  for _, side in ipairs { a, b } do
    for name in pairs(side) do
      names[name] = true
    end
  end
  for _, name in ipairs(options.keys(names)) do
    if value_text(a[name]) ~= value_text(b[name]) then
      rows[#rows + 1] = { name = name, a = value_text(a[name]), b = value_text(b[name]) }
    end
  end
  return rows
end

local function section(out, title, a, b, titles)
  local rows = different(a, b)
  if #rows == 0 then
    out[#out + 1] = title .. ": the same\n"
    return
  end
  out[#out + 1] = title .. ":\n" .. tables.new(rows, { { key = "name", title = "" }, { key = "a", title = titles[1] },
    { key = "b", title = titles[2] } }):text()
end

local function settings_of(side)
  local study, session = side.study, side.session
  return { objective = study.info.objective, sampler = study.info.sampler, seed = study.info.seed,
    seeds = study.info.seeds, threads = study.info.threads, nnrun = session.nnrun, kernel = session.kernel,
    instructions = session.isa, host = session.host, git = session.git }
end

local function code_section(out, a, b)
  local changed = different(a.files, b.files)
  if #changed == 0 then
    out[#out + 1] = "code: the same\n"
  end
  for _, row in ipairs(changed) do
    local before, after = a.files[row.name], b.files[row.name]
    if before and after then
      out[#out + 1] = ("code, %s:\n%s"):format(row.name, M.text(before, after))
    else
      out[#out + 1] = ("code: %s is in %s only\n"):format(row.name, before and a.title or b.title)
    end
  end
end

local function columns_of(rows)
  local seen = {}
  for _, row in ipairs(rows) do
    for name, value in pairs(row) do
      seen[name] = name ~= "epoch" and type(value) == "number" or nil
    end
  end
  return options.keys(seen)
end

-- For every metric the first epoch whose values are not the same bits, and the last values.
local function curves_section(out, a, b)
  local names, rows = {}, {}
  for _, side in ipairs { a, b } do
    for _, name in ipairs(columns_of(side.trial.epochs)) do
      names[name] = true
    end
  end
  for _, name in ipairs(options.keys(names)) do
    local first
    local left, right = a.trial.epochs, b.trial.epochs
    for i = 1, math.max(#left, #right) do
      local x, y = (left[i] or {})[name], (right[i] or {})[name]
      if not first and name ~= "seconds" and value_text(x) ~= value_text(y) then
        first = (left[i] or right[i]).epoch
      end
    end
    if name ~= "seconds" then
      rows[#rows + 1] = { name = name, first = first or "never", a = (left[#left] or {})[name],
        b = (right[#right] or {})[name] }
    end
  end
  out[#out + 1] = "curves:\n" .. tables.new(rows, { { key = "name", title = "metric" },
    { key = "first", title = "differs from epoch" }, { key = "a", title = "last of " .. a.title },
    { key = "b", title = "last of " .. b.title } }):text()
end

local function results_section(out, a, b)
  local rows = {}
  for _, side in ipairs { a, b } do
    local best = side.study:best()
    rows[#rows + 1] = { study = side.title, trials = #side.study.trials, failed = side.study.failed,
      best = best and best.label or "-", mean = best and best.mean, std = best and best.std }
  end
  out[#out + 1] = "results:\n" .. tables.new(rows, { "study", "trials", "failed", { key = "best",
    title = "best configuration" }, { key = "mean", title = a.study.objective.metric, spread = "std" } }):text()
end

--- What differs between two trials of a study, or two studies of a store.
---@param file string the store of A
---@param first string a trial's number, a study's name or "name@version"
---@param second string the same, of the same store or of `other`
---@param other? string the store of B
---@return string? text
---@return string? message
function M.diff(file, first, second, other)
  local a, message = load_side(file, first)
  local b
  if a then
    b, message = load_side(other or file, second)
  end
  if not b then
    return nil, message
  elseif (a.trial == nil) ~= (b.trial == nil) then
    return nil, "one is a trial, the other a study: give two numbers, or two names"
  end
  local out, titles = {}, { a.title, b.title }
  if a.trial then
    section(out, "parameters", a.trial.params, b.trial.params, titles)
    section(out, "outcome", { state = a.trial.state, seed = a.trial.seed, message = a.trial.message,
      [a.study.objective.metric] = a.trial.value }, { state = b.trial.state, seed = b.trial.seed,
      message = b.trial.message, [b.study.objective.metric] = b.trial.value }, titles)
  else
    results_section(out, a, b)
  end
  section(out, "settings", settings_of(a), settings_of(b), titles)
  section(out, "data", a.data, b.data, titles)
  code_section(out, a, b)
  if a.trial then
    curves_section(out, a, b)
  end
  return table.concat(out)
end

return M
