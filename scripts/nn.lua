--- Networks: layers, models, losses, optimisers, training.
---
--- `local model = nn.Sequential { nn.Flatten(), nn.Linear(128, "relu"), nn.Linear(10) }`,
--- `model:fit(train, { epochs = 5, validation = val })`, `model:evaluate(test).accuracy`.
local layers = require "nn.layers"
local optim = require "nn.optim"
local structure = require "nn.structure"
require "nn.model"
require "nn.fit"
require "nn.freeze"
require "nn.inspect"

local M = {
  layer = layers.layer,
  Sequential = layers.sequential,
  Residual = structure.residual,
  Parallel = structure.parallel,
  init = require "nn.init",
  loss = require "nn.loss",
  metrics = require "nn.metrics",
  schedule = require "nn.schedule",
  optimizer = optim.optimizer,
  op = require "core.op",
}

for _, constructors in ipairs { layers.constructors, optim.constructors, (require "nn.attention"),
  (require "nn.embedding"), (require "nn.recurrent"), (require "nn.resize") } do
  for name, constructor in pairs(constructors) do
    M[name] = constructor
  end
end

M.gradcheck = require("nn.gradcheck").check
M.lr_find = require("nn.lr_find").lr_find

return M
