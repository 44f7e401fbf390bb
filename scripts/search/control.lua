--- Acts on a running sweep from another process: one line each in a file beside the store.
---
--- `nnrun attach` appends lines; the sweep's coordinator reads what is new a few times a second, acts, and
--- writes every act down as an event of kind "control". The store has one writer all the same.
local json = require "search.json"

local M = {}

M.MOST_WORKERS = 512

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

local ACTS = {}

function ACTS.pause(loop)
  loop.held = true
end

function ACTS.resume(loop)
  loop.held = false
end

function ACTS.stop()
end

function ACTS.workers(loop, count)
  loop.plan.workers = math.min(count, M.MOST_WORKERS)
  loop.most = math.max(loop.most, loop.plan.workers)
end

function ACTS.trials(loop, count)
  loop.order:extend(count)
  loop.progress.setup.total = loop.order.total
  loop.record:set_trials(loop.order.total)
end

local COUNTED = { workers = true, trials = true }

--- Change a coordinator's loop as asked, and write it down.
---@param loop table
---@param asked table
---@return boolean done false when it is no act, or lacks its number
function M.act(loop, asked)
  local act, count = ACTS[asked.act], math.tointeger(asked.count)
  if not act or COUNTED[asked.act] and not (count and count > 0) then
    return false
  end
  if asked.act == "trials" and not loop.order.extend then -- stages and races have their size from the start
    asked.refused = "the number of trials of this sweep is fixed: it is in stages, a race, or at its end"
    loop.record:event(nil, "control", json.encode(asked))
    loop.progress:note("asked from outside: trials " .. count .. "; refused: " .. asked.refused)
    return true
  end
  act(loop, count)
  if asked.act == "trials" then -- what has begun is not taken back; and of how many by the command
    asked.count, asked.of = loop.order.total, loop.plan.asked
  end
  loop.record:event(nil, "control", json.encode(asked))
  loop.progress:note("asked from outside: " .. asked.act .. (count and " " .. asked.count or ""))
  return true
end

--- End.
---@param listener table?
function M.close(listener)
  if listener then
    os.remove(listener.path)
  end
end

return M
