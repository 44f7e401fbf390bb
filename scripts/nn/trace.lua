--- Tracing: running a model's `forward` once on a value of a graph, so that the engine can plan it.
---
--- While a trace is on, layers find here the graph, the names and the parameters of the model. Traces
--- may nest (a custom layer may evaluate another model), so there is a stack of them.
local graphs = require "core.graph"
local options = require "options"

local M = {}

---@class Trace
---@field graph userdata
---@field training boolean
---@field book table the model's book: names, parameters, in order of first use
---@field layers table[] what was called, for the summary
---@field lookups table[] values read as indices, and of what: { value, limit, layer }
local stack = {}

--- The trace that is on; an error at the script's line when there is none.
---@param what string who asks
---@return Trace
function M.current(what)
  local trace = stack[#stack]
  if not trace then
    options.fail("%s: a layer works on values of a model that is being built; "
      .. "call the model on a tensor instead", what)
  end
  return trace
end

--- Whether a trace is on.
---@return boolean
function M.active()
  return #stack > 0
end

-- Streams of a layer's later calls are so far apart that they never meet another layer's.
local NEXT_CALL = 1 << 32

--- The stream of random numbers for this call of a layer. Layers of a model have different ones, and so
--- have the calls of one layer: dropout called twice draws two masks.
---@param current Trace
---@param layer any what the stream belongs to
---@return integer
function M.stream(current, layer)
  local book, calls = current.book, current.stream_calls
  if not book.streams[layer] then
    book.stream_count = (book.stream_count or 0) + 1
    book.streams[layer] = book.stream_count
  end
  calls[layer] = (calls[layer] or 0) + 1
  return book.streams[layer] + (calls[layer] - 1) * NEXT_CALL
end

--- Run `body(trace)` with a new graph; the trace ends however body ends.
---@param book table
---@param training boolean
---@param body fun(trace: Trace): any
---@return any ... what body returns
function M.run(book, training, body)
  local trace = { graph = graphs.new(), training = training, book = book, layers = {}, calls = {},
    updates = {}, lookups = {}, stream_calls = {} }
  stack[#stack + 1] = trace
  local results = table.pack(pcall(body, trace))
  stack[#stack] = nil
  if not results[1] then
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

return M
