--- Acts on a running sweep from another process: one line each in a file beside the store.
---
--- `nnrun attach` appends lines; the sweep's coordinator reads what is new a few times a second, acts, and
--- writes every act down as an event of kind "control". The store has one writer all the same.
local json = require "search.json"

local M = {}

--- The file for a store.
---@param store string
---@return string
function M.path(store)
  return store .. "-control"
end

--- Ask for something.
---@param store string
---@param act table { act = "pause"|"resume"|"stop"|"trials"|"workers", count? }
---@return boolean? ok
---@return string? message
function M.ask(store, act)
  local file, message = io.open(M.path(store), "ab")
  if not file then
    return nil, message
  end
  local done
  done, message = file:write(json.encode(act), "\n")
  file:close()
  return done and true, message
end

--- Begin to listen: what was asked of an earlier run is forgotten.
---@param store string
---@return table? listener nil for a store without a file
function M.listen(store)
  if store == ":memory:" then
    return nil
  end
  os.remove(M.path(store))
  return { path = M.path(store), position = 0 }
end

--- What has been asked since the last time.
---@param listener table
---@return table[] acts
function M.take(listener)
  local file, acts = io.open(listener.path, "rb"), {}
  if not file then
    return acts
  end
  file:seek("set", listener.position)
  for line in file:lines("L") do
    if line:sub(-1) == "\n" then -- a line still being written is read next time
      listener.position = listener.position + #line
      local fine, act = pcall(json.decode, line)
      if fine and type(act) == "table" and type(act.act) == "string" then
        acts[#acts + 1] = act
      end
    end
  end
  file:close()
  return acts
end

--- End.
---@param listener table?
function M.close(listener)
  if listener then
    os.remove(listener.path)
  end
end

return M
