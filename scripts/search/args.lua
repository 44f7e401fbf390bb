--- The command line of a sweep script: what follows the script's name.
local json = require "search.json"
local options = require "options"
local space = require "search.space"

local M = {}

-- name -> how its value is read, the field it sets, and the words for --help.
local OPTIONS = {
  { "-j", "workers", "integer", "N", "train N models at a time (default: all cores)" },
  { "--trials", "trials", "integer", "N", "number of trials in all, repeats included" },
  { "--seed", "seed", "integer", "N", "what all random numbers follow from" },
  { "--seeds", "seeds", "integer", "N", "repeats of each configuration" },
  { "--threads", "threads", "integer", "N", "threads within one trial (results depend on it)" },
  { "--set", "set", "list", "NAME=VALUE", "set an option, or a parameter (space.lr) to a value or a,b,c" },
  { "--store", "store", "string", "FILE", "the run store" },
  { "--fresh", "fresh", "flag", nil, "begin again, as a new version of the study" },
  { "--resume", "resume", "flag", nil, "continue although the script has changed" },
  { "--retry", "retry", "flag", nil, "run failed trials again" },
  { "--dry-run", "dry_run", "flag", nil, "try the corners of the space, say how long the sweep takes, and end" },
  { "--quiet", "quiet", "flag", nil, "no progress" },
  { "--help", "help", "flag", nil, "this text" },
}
local ALIASES = { ["--workers"] = "-j", ["-h"] = "--help", ["-q"] = "--quiet" }

-- Options of a sweep that --set may change.
local SETTABLE = {
  seed = "integer", seeds = "integer", store = "string", threads = "integer", timeout = "number",
  trials = "integer", workers = "integer", sampler = "string", select = "string", pruner = "string",
  lag = "integer", stall = "number", memory = "string", retries = "integer", preflight = "boolean",
  budget = "string", confirm = "integer", race = "boolean", checkpoints = "string", checkpoint_every = "number",
}

local function find(word)
  word = ALIASES[word] or word
  for _, row in ipairs(OPTIONS) do
    if row[1] == word then
      return row
    end
  end
end

local function read(row, text)
  if row[3] == "integer" then
    return math.tointeger(tonumber(text)), "a whole number"
  end
  return text
end

-- "-j4" and "--trials=4" as two words; nil when the word is no option.
local function split(word)
  if word:find("^%-j.") then
    return "-j", word:sub(3)
  end
  local name, value = word:match("^(%-%-[%w-]+)=(.*)$")
  return name or word, value
end

--- Words as one line that a shell, or `split_words`, takes apart again.
---@param words string[]
---@return string
function M.join(words)
  local parts = {}
  for i, word in ipairs(words) do
    parts[i] = word:find("^[%w_./=,:+-]+$") and word or "'" .. word:gsub("'", "'\\''") .. "'"
  end
  return table.concat(parts, " ")
end

--- The words of a recorded line.
---@param line string
---@return string[]
function M.split_words(line)
  local words, word, place = {}, nil, 1
  while place <= #line do
    local text, after = line:match("^'([^']*)'()", place)
    if not text then
      text, after = line:match("^\\?([^%s])()", place)
    end
    if text then
      word, place = (word or "") .. text, after
    else
      words[#words + 1], word, place = word, nil, place + 1
    end
  end
  words[#words + 1] = word
  return words
end

--- Read the words after the script's name. Words that are no options are left to the script.
---@param words string[]
---@return table? given field -> value; `set` is a list of {name, value}
---@return string? message what is wrong, when `given` is nil
function M.parse(words)
  local given = { set = {} }
  local i = 1
  while i <= #words do
    local word = words[i]
    local name, value = split(word)
    local row = find(name)
    if word == "--" then
      break
    elseif not row and word:find("^%-.") then
      local names = {}
      for k, known in ipairs(OPTIONS) do
        names[k] = known[1]
      end
      local near = options.nearest(name, names)
      return nil, ("unknown option '%s'%s; --help lists them"):format(name,
        near and (" (did you mean '%s'?)"):format(near) or "")
    elseif row and row[3] == "flag" then
      given[row[2]] = true
    elseif row then
      if not value then
        i = i + 1
        value = words[i]
      end
      if not value then
        return nil, ("option '%s' needs %s"):format(name, row[4])
      end
      local result, wanted = read(row, value)
      if result == nil then
        return nil, ("option '%s' needs %s, got '%s'"):format(name, wanted, value)
      elseif row[3] == "list" then
        local key, text = value:match("^([%w_.]+)=(.*)$")
        if not key then
          return nil, ("--set needs NAME=VALUE, got '%s'"):format(value)
        end
        given.set[#given.set + 1] = { key, text }
      else
        given[row[2]] = result
      end
    end
    i = i + 1
  end
  return given
end

local WORDS = { ["true"] = true, ["false"] = false }

-- One value as typed, for a domain: "0.01", "relu", "true".
local function read_value(text, domain)
  local candidates = { tonumber(text), WORDS[text], text }
  if WORDS[text] == false then
    candidates = { false, text }
  elseif text:find("^%[") then
    local fine, list = pcall(json.decode, text)
    candidates = { fine and list or text, text }
  end
  local wanted
  for k = 1, 3 do
    local value = candidates[k]
    if value ~= nil then
      local fine, expected = domain:accepts(value)
      wanted = expected
      if fine then
        if domain.kind == "int" then
          value = math.tointeger(value)
        elseif domain.kind == "float" or (domain.kind == "fixed" and type(value) == "number"
          and math.type(domain.values[1]) == "float") then
          value = value + 0.0
        end
        return value
      end
    end
  end
  return nil, wanted
end

-- "a,b,[1,2]" -> { "a", "b", "[1,2]" }
local function pieces(text)
  local list, piece, depth = {}, "", 0
  for char in (text .. ","):gmatch(".") do
    depth = depth + (char == "[" and 1 or char == "]" and -1 or 0)
    if char == "," and depth == 0 then
      list[#list + 1], piece = piece, ""
    else
      piece = piece .. char
    end
  end
  return list
end

local function set_parameter(given, path, text)
  local domain = given.space:find(path)
  if not domain then
    local paths = given.space:paths()
    local near
    for _, known in ipairs(paths) do -- of a branch: "momentum" for "optimizer.sgd.momentum"
      near = near or known:sub(-#path - 1) == "." .. path and known
    end
    near = near or options.nearest(path, paths)
    return nil, ("--set space.%s: there is no such parameter%s"):format(path,
      near and (" (did you mean 'space.%s'?)"):format(near)
        or "; the parameters are " .. table.concat(paths, ", "))
  end
  local values = {}
  for _, piece in ipairs(pieces(text)) do
    local value, wanted = read_value(piece, domain)
    if value == nil then
      return nil, ("--set space.%s: expected %s, got '%s'"):format(path, wanted, piece)
    end
    values[#values + 1] = value
  end
  given.space = given.space:replace(path, domain:only(values))
  return true
end

--- Put what the command line says into the options of a sweep.
---@param given table the script's options; changed
---@param line table from M.parse
---@param spec table<string, table> rows of the options, as options.check takes them
---@return boolean? done
---@return string? message
function M.apply(given, line, spec)
  for _, row in ipairs(OPTIONS) do
    local value = line[row[2]]
    if SETTABLE[row[2]] and value ~= nil then
      local problem = options.problem(value, spec[row[2]])
      if problem then
        return nil, ("option '%s' %s"):format(row[1], problem)
      end
      given[row[2]] = value
    end
  end
  for _, pair in ipairs(line.set) do
    local name, text = pair[1], pair[2]
    given.space = space.new(given.space)
    local path = name:match("^space%.(.+)$")
    if not path and not SETTABLE[name] and given.space:find(name) then
      path = name -- "epochs=10" is clear enough
    end
    if path then
      local done, message = set_parameter(given, path, text)
      if not done then
        return nil, message
      end
    elseif not SETTABLE[name] then
      local known = given.space:paths()
      for option in pairs(SETTABLE) do
        known[#known + 1] = option
      end
      local near = options.nearest(name, known)
      return nil, ("--set %s: there is no such option%s"):format(name,
        near and (" (did you mean '%s'?)"):format(near)
          or "; it can be space.PARAMETER, " .. table.concat(options.keys(SETTABLE), ", "))
    else
      local kind, value = SETTABLE[name], text
      if kind == "boolean" then
        value = WORDS[text]
        if value == nil then
          return nil, ("--set %s: expected true or false, got '%s'"):format(name, text)
        end
      elseif kind ~= "string" then
        value = tonumber(text)
        value = kind == "integer" and math.tointeger(value) or kind == "number" and value or nil
        if not value then
          return nil, ("--set %s: expected a %s, got '%s'"):format(name,
            kind == "integer" and "whole number" or "number", text)
        end
      end
      local problem = options.problem(value, spec[name])
      if problem then
        return nil, ("--set %s: %s"):format(name, problem)
      end
      given[name] = value
    end
  end
  return true
end

--- The text of --help: options and what can be set.
---@param given table options of the sweep, with `space` made
---@param script string
---@return string
function M.help(given, script)
  local lines = { ("usage: nnrun %s [options]"):format(script), "", ("Sweep '%s', %s."):format(
    given.name, given.objective), "" }
  for _, row in ipairs(OPTIONS) do
    lines[#lines + 1] = ("  %-18s %s"):format(row[4] and row[1] .. " " .. row[4] or row[1], row[5])
  end
  lines[#lines + 1] = "\nOptions, for --set:\n  " .. table.concat(options.keys(SETTABLE), ", ")
  lines[#lines + 1] = "\nParameters, for --set (a list as [64,32]):"
  for _, path in ipairs(given.space:paths()) do
    lines[#lines + 1] = ("  space.%-18s %s"):format(path, given.space:find(path))
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
