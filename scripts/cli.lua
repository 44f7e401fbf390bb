--- The commands of the program: `nnrun list`, `nnrun show results/sweep.db 3`, ...
---
--- A command is a row of COMMANDS: what it takes, one line of help, and a function that returns text
--- to print, or nil and a message. With `store` its first word is a run store, which the function gets
--- beside the rest; it may be named by its folder if it is the only one there, and need not be in results/.
local options = require "options"

local M = {}

local USAGE = 2 -- exit status

local function exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

local function view()
  return require "search.store_view"
end

-- Take the store off the front of the words, or find the only one in a folder: the one that is named, or results/.
local function take_store(words)
  local first = words[1] or ""
  local path, folder = first:find("[./]"), view().FOLDER
  local files = view().files(first)
  if files and (path or #files > 0) then -- a study may have the name of some other folder
    folder = table.remove(words, 1)
  elseif not files and (path or exists(first)) then
    return table.remove(words, 1)
  else
    files = view().files(folder) or {}
  end
  if #files == 1 then
    return files[1]
  elseif #files == 0 then
    return nil, ("no run store (*.db) in folder '%s': name the file"):format(folder)
  end
  return nil, "there are several run stores, name one: " .. table.concat(files, ", ")
end

local COMMANDS = {
  {
    name = "list", takes = "[FILE | FOLDER]", most = 1,
    help = "the studies of a run store, or of all in a folder; default results/",
    run = function(words)
      return view().list(words[1])
    end,
  },
  {
    name = "show", takes = "[FILE] [STUDY | TRIAL]", store = true, most = 2,
    help = "a study's configurations with their results, or one trial with its epochs",
    run = function(words, _, file)
      return view().show(file, words[1])
    end,
  },
  {
    name = "best", takes = "[FILE] [STUDY]", store = true, most = 2,
    help = "the best configuration of a study",
    run = function(words, _, file)
      return view().best(file, words[1])
    end,
  },
  {
    name = "report", takes = "[FILE] [STUDY] [--dir DIR]", store = true, most = 2, values = { dir = true },
    help = "draw a study's curves and write its report, by default beside the store",
    run = function(words, given, file)
      local study, problem = require("search.study").load(file, words[1])
      if not study then
        return nil, problem
      end
      local dir = given.dir or file:match("^(.*)/[^/]*$") or "."
      local result, failure = require("report").sweep(study, { dir = dir })
      if not result then
        return nil, failure
      end
      return ""
    end,
  },
  {
    name = "export", takes = "[FILE] [STUDY] [--format csv|json|tensorboard|mlflow] [--dir DIR]", store = true,
    most = 2, values = { format = true, dir = true },
    help = "all trials of a study on standard output, or as files that other programs read",
    run = function(words, given, file)
      return view().export(file, given.format, words[1], given.dir)
    end,
  },
  {
    name = "diff", takes = "[FILE] A B [--other FILE]", store = true, most = 3, values = { other = true },
    help = "what differs between two trials (by number) or studies (NAME@VERSION): parameters, code, curves",
    run = function(words, given, file)
      if #words < 2 then
        return nil, "give two trials or two studies to compare"
      end
      return require("search.diff").diff(file, words[1], words[2], given.other)
    end,
  },
  {
    name = "rerun", takes = "[FILE] TRIAL [STUDY] [--verify]", store = true, most = 3, flags = { verify = true },
    help = "run a recorded trial again from what the store holds; --verify compares every epoch and the weights",
    run = function(words, given, file)
      local number = math.tointeger(tonumber(words[1]))
      if not number then
        return nil, "give the number of a trial"
      end
      return require("search.rerun").rerun(file, number, { study = words[2], verify = given.verify })
    end,
  },
  {
    name = "resume", takes = "[FILE] [STUDY]", store = true, most = 2,
    help = "continue a study with the command and in the folder it was started with",
    run = function(words, _, file)
      return require("search.resume").resume(file, words[1])
    end,
  },
  {
    name = "attach", takes = "[FILE]", store = true, most = 1,
    help = "a prompt on a running sweep: look, pause, stop, add trials, change the number of workers",
    run = function(_, _, file)
      return require("search.attach").attach(file)
    end,
  },
  {
    name = "merge", takes = "INTO FROM...", most = 99,
    help = "add the studies of other run stores to one",
    run = function(words)
      if #words < 2 then
        return nil, "give the store to add to, and those to read"
      end
      local out = {}
      for i = 2, #words do
        local text, message = require("search.merge").merge(words[1], words[i])
        if not text then
          return nil, message
        end
        out[#out + 1] = text
      end
      return table.concat(out)
    end,
  },
  {
    name = "doctor", takes = "[FILE] [--to NEW]", store = true, most = 1, values = { to = true },
    help = "check a run store; of a damaged one, or with --to, save what can be read into a new file",
    run = function(_, given, file)
      return require("search.doctor").doctor(file, given.to, given.to ~= nil)
    end,
  },
  {
    name = "help", takes = "[NAME | WORDS]", most = 9,
    help = "explain a function or module, or search the help texts",
    run = function(words)
      return require("help").text(#words > 0 and table.concat(words, " ") or nil) .. "\n"
    end,
  },
}

local function find(word)
  for _, command in ipairs(COMMANDS) do
    if command.name == word then
      return command
    end
  end
  return nil
end

--- The commands, one line each.
---@return string
function M.usage()
  local lines = {}
  for _, command in ipairs(COMMANDS) do
    lines[#lines + 1] = ("  %s %s\n      %s"):format(command.name, command.takes, command.help)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function complain(format, ...)
  io.stderr:write("nnrun: ", format:format(...), "\n")
end

-- Words, --options VALUE and --flags of a command line; nil and a message for an option it does not have.
local function parse(command, arguments)
  local words, given, i = {}, {}, 1
  while i <= #arguments do
    local word = arguments[i]
    local name, value = word:match("^%-%-([%w-]+)=?(.*)$")
    if word == "-h" or name == "help" then
      given.help = true
    elseif name and command.flags and command.flags[name] then
      given[name] = true
    elseif name and command.values and command.values[name] then
      if not word:find("=", 1, true) then
        i = i + 1
        value = arguments[i]
      end
      if not value then
        return nil, ("option '--%s' needs a value"):format(name)
      end
      given[name] = value
    elseif word:find("^%-[^%d]") then -- trials on fresh seeds have numbers below 0
      local known = options.keys(command.values or command.flags or {})
      known[#known + 1] = "help"
      local near = options.nearest(name or word, known)
      return nil, ("unknown option '%s'%s"):format(word, near and (" (did you mean '--%s'?)"):format(near) or "")
    else
      words[#words + 1] = word
    end
    i = i + 1
  end
  if #words > command.most then
    return nil, ("unexpected argument '%s'"):format(words[command.most + 1])
  end
  return words, given
end

---Run a command.
---@param file_exists boolean whether a file of that name exists: a word that is no command is then a script
---@param word string the command
---@param ... string its arguments
---@return integer? status exit status; nil when `word` is a script
function M.run(file_exists, word, ...)
  local command = find(word)
  if not command then
    if file_exists then
      return nil
    end
    local names = {}
    for i, known in ipairs(COMMANDS) do
      names[i] = known.name
    end
    local near = options.nearest(word, names)
    complain("there is no script or command '%s'%s", word,
      near and (" (did you mean '%s'?)"):format(near) or "; the commands are\n" .. M.usage():gsub("\n$", ""))
    return USAGE
  end
  local words, given = parse(command, { ... })
  if not words then
    complain("%s: %s\nusage: nnrun %s %s", word, given, word, command.takes)
    return USAGE
  elseif given.help then
    print(("usage: nnrun %s %s\n\n%s."):format(word, command.takes, (command.help:gsub("^%l", string.upper))))
    return 0
  end
  local text, file, message
  if command.store then
    file, message = take_store(words)
  end
  if file or not command.store then
    text, message = command.run(words, given, file)
  end
  if not text then
    complain("%s: %s", word, message)
    return 1
  end
  local written, failure = io.write(text)
  if written then
    written, failure = io.stdout:flush()
  end
  if not written then
    complain("%s: cannot write the output: %s", word, failure)
    return 1
  end
  return 0
end

return M
