--- Search: spaces of settings, samplers, and sweeps that train many models side by side.
local domain = require "search.domain"
local pareto = require "search.pareto"
local space = require "search.space"
local studies = require "search.study"
local sweep = require "search.sweep"

local M = {
  float = domain.float,
  int = domain.int,
  choice = domain.choice,
  ordered = domain.ordered,
  bool = domain.bool,
  fixed = domain.fixed,
  list = domain.list,
  space = space.new,
  sweep = sweep.sweep,
  load = studies.load,
  pruner = require("search.pruners").constructors,
  pareto_front = pareto.front,
  hypervolume = pareto.hypervolume,
}

return M
