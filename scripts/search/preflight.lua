--- Before the first trial: does the script work at all, everywhere in the space, and how long will it take?
---
--- Configurations at the corners of the space, one with each value of every choice, and random ones are
--- probed in a worker of their own: `run` is called with a trial whose fit builds the model, runs a few
--- steps on real data and then ends the run (worker.lua). Nothing of it is recorded as a result.
local deaths = require "search.death"
local json = require "search.json"
local options = require "options"
local proc = require "core.proc"
local progress = require "search.progress"
local random = require "core.random"

local M = {}

local MOST_POINTS = 16
local RANDOM_POINTS = 3
local PATIENCE = 5 -- seconds for a point whose run neither fits nor reports

-- Parameters with every domain at the same place, but for one of them.
local function at(space, u, name_of, u_of)
  return space:fill(function(name, domain)
    return domain:at(name == name_of and u_of or u)
  end)
end

-- Places in [0, 1) at which a domain has its values, if they are few.
local function places(domain)
  local list = {}
  for i = 1, domain.values and #domain.values <= 8 and #domain.values or 0 do
    list[i] = (i - 0.5) / #domain.values
  end
  return list
end

-- Every domain of a space, those of branches too.
local function domains_of(space, found)
  for _, name in ipairs(space.names) do
    local domain = space.domains[name]
    found[#found + 1] = { name, domain }
    for _, value in ipairs(domain.branches and options.keys(domain.branches) or {}) do
      domains_of(domain.branches[value], found)
    end
  end
  return found
end

--- The configurations to try, different ones that the constraint allows.
---@param plan table space, constraint, seed, label
---@return table[] params
function M.points(plan)
  local points, seen = {}, {}
  local function add(params)
    local label = json.encode(params)
    local allowed = not plan.constraint or plan.constraint(params)
    if allowed and not seen[label] and #points < MOST_POINTS then
      seen[label] = true
      points[#points + 1] = params
    end
  end
  add(at(plan.space, 0))
  add(at(plan.space, 1 - 1e-9))
  for _, entry in ipairs(domains_of(plan.space, {})) do
    for _, u in ipairs(places(entry[2])) do
      add(at(plan.space, 0.5, entry[1], u))
    end
  end
  for k = 1, RANDOM_POINTS do
    add(plan.space:fill(function(name, domain)
      return domain:at(random.uniform(plan.seed, "probe " .. name, k))
    end))
  end
  return points
end

-- ---- probing ----

-- Wait for what becomes of a probe: its message, or a table that says how the worker ended.
local function await(crew, deadline)
  local crash
  while true do
    local kind, _, value = crew:next(math.max(0, deadline - proc.now()))
    if not kind or kind == "lost" then
      error(value or deaths.LOST, 0)
    elseif kind == "message" and type(value) == "table" and value.kind == "done" then
      return value
    elseif kind == "crash" then
      crash = value
    elseif kind == "signal" then
      return { interrupted = value }
    elseif kind == "exit" or kind == "refused" then
      local how = kind == "exit" and (value.signal or ("status " .. tostring(value.code))) or tostring(value)
      return { state = "failed", gone = true, line = crash,
        message = ("%sthe worker ended with %s"):format(crash and crash ~= "" and crash .. ": " or "", how) }
    elseif proc.now() >= deadline then
      return { state = "unknown" }
    end
  end
end

-- Let the worker go, and wait until it is gone. Returns the name of a signal that came meanwhile.
local function dismiss(crew, kill)
  if kill then
    crew:kill(1, "SIGKILL")
  else
    crew:dismiss(1)
  end
  local kind, _, value, signal
  repeat
    kind, _, value = crew:next(1)
    signal = kind == "signal" and value or signal
  until kind == "exit" or kind == "timeout" or kind == "lost" or not kind
  return signal
end

--- Probe the points, one after the other.
---@param crew userdata
---@param plan table
---@return table[] results one a point: params, state "probed", "failed" or "unknown", message, seconds
--- (of a whole trial, estimated), kilobytes
---@return string? interrupted name of the signal
function M.probe(crew, plan)
  local results, there = {}, false
  for i, params in ipairs(M.points(plan)) do
    if not there then
      local fine, message = crew:spawn(1)
      if not fine then
        error(message, 0)
      end
    end
    crew:send(1, { probe = true, number = i, config = i, ["repeat"] = 1, params = params, seed = plan.seed_of(1) })
    local done = await(crew, proc.now() + PATIENCE)
    if done.interrupted then
      dismiss(crew, true)
      return results, done.interrupted
    end
    done.params = params
    results[i] = done
    local signal
    if done.state == "unknown" or done.state == "failed" and not done.gone then -- this ends by itself after an error
      signal = dismiss(crew, done.state == "unknown")
    end
    there = done.state ~= "unknown" and done.state ~= "failed"
    if signal then
      return results, signal
    end
  end
  return results, there and dismiss(crew) or nil
end

-- ---- saying it ----

local function first_line(text)
  return (text or "?"):match("[^\n]*")
end

--- What the probes say: lines for people, and the message when nothing works.
---@param plan table total, workers, label
---@param results table[] of probe
---@param remaining integer trials
---@return string[] lines
---@return string? hopeless every configuration fails, and why
---@return integer? failed how many do
function M.describe(plan, results, remaining)
  local lines, failed, messages, sum, known, most, doubt = {}, 0, {}, 0, 0, 0, nil
  for _, result in ipairs(results) do
    if result.state == "failed" then
      failed = failed + 1
      messages[first_line(result.message)] = true
      lines[#lines + 1] = ("pre-flight: %s fails: %s"):format(plan.label(result.params), first_line(result.message))
    elseif result.seconds then
      sum, known = sum + result.seconds, known + 1
      most = math.max(most, result.kilobytes or 0)
      doubt = doubt or result.doubt
    end
  end
  if failed > 0 and failed == #results then
    local same = #options.keys(messages) == 1
    return lines, ("pre-flight: none of %d configurations tried works%s: %s"):format(#results,
      same and "" or "; the first fails with", first_line(results[1].message))
  end
  lines[#lines + 1] = doubt and "pre-flight: " .. doubt
  if known > 0 then
    lines[#lines + 1] = ("pre-flight: %d configurations tried%s; the sweep takes about %s, "
      .. "and %.0f MB a worker"):format(
      #results, failed > 0 and (", %d fail%s"):format(failed, failed == 1 and "s" or "") or "",
      progress.duration(sum / known * remaining / math.min(plan.workers, remaining)), most / 1024)
  else
    lines[#lines + 1] = ("pre-flight: %d configurations tried; how long a trial takes is not known "
      .. "before one has ended"):format(#results)
  end
  return lines, nil, failed
end

return M
