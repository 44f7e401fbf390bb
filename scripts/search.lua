--- Search: spaces of settings, samplers, and sweeps that train many models side by side.
local space = require "search.space"
local studies = require "search.study"
local sweep = require "search.sweep"

local M = {
  float = space.float,
  int = space.int,
  choice = space.choice,
  ordered = space.ordered,
  bool = space.bool,
  fixed = space.fixed,
  space = space.new,
  sweep = sweep.sweep,
  load = studies.load,
  pruner = require("search.pruners").constructors,
}

return M
