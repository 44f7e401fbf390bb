--- Continuing a study: its command again, in its folder.
local args = require "search.args"
local proc = require "core.proc"
local recorded = require "search.recorded"
local store = require "core.store"

local M = {}

--- Run the script of a study as it was started last. Its sweep finds what is done in the store.
---@param file string the store
---@param name? string of the study, or "name@version"; default the newest
---@return string? text nil when it cannot be run
---@return string? message
function M.resume(file, name)
  local opened, message = store.open(file, "read")
  if not opened then
    return nil, message
  end
  local study = recorded.study(opened, name)
  local sessions = study and opened:rows("session_list", study.id) or {}
  local session = sessions[#sessions]
  opened:close()
  if not session then
    return nil, ("run store '%s' has no study%s"):format(file, name and (" '%s'"):format(name) or "")
  end
  local path = recorded.absolute(file)
  local entered
  entered, message = proc.enter(session.folder or ".")
  if not entered then
    return nil, ("%s, where the sweep ran; if its script is elsewhere now, run that with --store %s"):format(message,
      path)
  end
  local chunk
  chunk, message = loadfile(study.script, "t")
  if not chunk then
    return nil, message
  end
  local words = { [0] = study.script, [-1] = "nnrun" }
  local skip
  for _, word in ipairs(args.split_words(session.arguments or "")) do
    local old = word == "--store" or word:find("^%-%-store=") or word == "--fresh"
    if not old and not skip then
      words[#words + 1] = word
    end
    skip = word == "--store"
  end
  words[#words + 1] = "--store=" .. path
  _G.arg = words
  local result = chunk(table.unpack(words))
  local status = type(result) == "table" and math.tointeger(result.exit_status) or 0
  if status ~= 0 then
    os.exit(status, true)
  end
  return ""
end

return M
