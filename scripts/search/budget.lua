--- Budgets: how much a sweep may cost, in seconds, epochs or samples.
---
--- Epochs and samples are counted in the logical order of the sweep (order.lua), so such a budget ends it
--- at the same trial for any number of workers. Seconds are the clock's: when no further trial would fit,
--- that is written down as a decision, and a sweep that is continued keeps to it.
local json = require "search.json"
local options = require "options"

local M = {}

local UNITS = { -- in seconds
  s = 1, sec = 1, second = 1, m = 60, min = 60, minute = 60, h = 3600, hour = 3600, d = 86400, day = 86400,
}

-- Seconds of "90", "10m", "1h30m"; nil for anything else.
local function seconds_of(text)
  if tonumber(text) then
    return tonumber(text)
  end
  local total, rest = 0, text
  while rest ~= "" do
    local number, word, more = rest:match("^(%d+%.?%d*)%s*(%a+)%s*(.*)$")
    local unit = word and (UNITS[word] or UNITS[word:match("^(%a%a+)s$")])
    if not unit then
      return nil
    end
    total, rest = total + tonumber(number) * unit, more
  end
  return total
end

--- Read a budget: "10m", "1h30m", seconds, { epochs = N } or { samples = N }.
---@param given any
---@return {kind: "seconds"|"epochs"|"samples", amount: number, text: string}? budget nil when it is none of these
function M.parse(given)
  if type(given) == "table" then
    for _, kind in ipairs { "epochs", "samples" } do
      local amount = math.tointeger(given[kind])
      if amount and amount > 0 and next(given, next(given)) == nil then
        return { kind = kind, amount = amount, text = ("%d %s"):format(amount, kind) }
      end
    end
    return nil
  end
  local amount = seconds_of(tostring(given))
  return amount and amount > 0 and { kind = "seconds", amount = amount, text = ("%g s"):format(amount) } or nil
end

--- Why a value is no budget, for options.check; nil when it is one.
---@param given any
---@return string?
function M.problem(given)
  return not M.parse(given) and ('must be "10m", "1h30m", seconds, { epochs = N } or { samples = N }; got %s')
    :format(options.show(given)) or nil
end

--- Whether one more configuration fits a budget of epochs or samples.
---@param budget table
---@param spent number by the trials that are known
---@param known integer how many those are, at least one
---@param coming integer trials that are not known, those of the configuration included
---@return boolean
function M.fits(budget, spent, known, coming)
  return spent + spent / known * coming <= budget.amount
end

--- What earlier runs of the program have used of a budget of seconds.
---@param opened userdata the store
---@param study integer its row there
---@return number seconds
function M.used(opened, study)
  local last, used = {}, 0
  for session in opened:each("session_used", study) do -- when its last trial ended: it may have been killed
    last[session.id or 0] = session.last
  end
  for session in opened:each("session_list", study) do
    used = used + math.max(0, (session.ended or last[session.id] or session.started) - session.started)
  end
  return used
end

--- The trials a recorded decision leaves, if it was for the same budget.
---@param budget table
---@param events table[] rows of the store
---@return integer?
function M.decided(budget, events)
  local trials
  for _, event in ipairs(events) do
    local fine, decision = pcall(json.decode, event.kind == "decision" and event.detail or "{}")
    if fine and decision.budget == budget.text then
      trials = decision.trials
    end
  end
  return trials
end

--- The text of the decision to start no more than so many trials.
---@param budget table
---@param trials integer
---@param left number seconds
---@param needed number seconds a trial is expected to take
---@return string
function M.decision(budget, trials, left, needed)
  return json.encode { budget = budget.text, trials = trials, left = left, needed = needed }
end

return M
