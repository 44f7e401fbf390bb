--- The end of a worker's process, as the result of the trial it was running.
local M = {}

--- The end of the process that starts workers, and with it of all of them.
M.LOST = "the process that starts workers is gone; run the same command again to continue"

local LAST_WORDS = 2000 -- bytes of output kept for the message of a crashed trial

-- The last lines a worker printed, for the message of a trial that did not end by itself.
local function last_words(worker)
  local text = table.concat(worker.output):sub(-LAST_WORDS):gsub("%s+$", "")
  return text ~= "" and "; last output: " .. text:match("[^\n]*\n?[^\n]*\n?[^\n]*$") or ""
end

--- Why a trial ended with its process.
---@param worker table what the coordinator knows of it
---@param death table code or signal, rss_kb
---@return table result as a worker would have sent it
function M.of(worker, death)
  local result = {
    state = "failed", epochs = worker.epochs, line = worker.crash, rss_kb = death.rss_kb,
    signal = death.signal,
  }
  if worker.late then
    result.reason, result.message = "time-out", worker.overdue
  elseif worker.exit then
    result.reason, result.line = "exit", worker.exit.line
    result.message = ("run called os.exit(%s)"):format(worker.exit.code)
  elseif death.signal then
    result.reason = "signal"
    result.message = ("the worker was killed by %s"):format(death.signal)
    if death.signal == "SIGKILL" then
      result.message = result.message .. " (out of memory, or by someone)"
    end
  else
    result.reason = "exit"
    result.message = ("the worker ended with status %d"):format(death.code)
  end
  if result.line and result.line ~= "" then
    result.message = result.line .. ": " .. result.message
  else
    result.line = nil
  end
  result.message = result.message .. last_words(worker)
  return result
end

return M
