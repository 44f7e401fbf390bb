--- What training leaves behind: a row of numbers for every epoch.
local options = require "options"

---@class History
---@field epochs table[] one row an epoch: epoch, loss, metrics, val_loss, val_metrics, lr, seconds
---@field status "ok"|"diverged"|"stopped"
---@field message? string why it stopped early
---@field best_epoch? integer
local History = { __name = "History" }
History.__index = History

--- The values of one column: history:column("val_accuracy").
---@param name string
---@return number[]
function History:column(name)
  local values = {}
  for i, row in ipairs(self.epochs) do
    values[i] = row[name] or 0 / 0
  end
  return values
end

--- Draw the curves: `history:plot { file = "results/curve" }`; see report.curves.
---@param given? table
function History:plot(given)
  return require("report").curves(self, given)
end

--- "accuracy 0.9, loss 0.25": the numbers of a row by name.
---@private
---@param row table
---@return string
function History.row_text(row)
  local parts = {}
  for _, key in ipairs(options.keys(row)) do
    if key ~= "epoch" and key ~= "seconds" and type(row[key]) == "number" then
      parts[#parts + 1] = ("%s %.6g"):format(key, row[key])
    end
  end
  return table.concat(parts, ", ")
end

function History:__tostring()
  local count = #self.epochs
  local parts = { ("%d epochs, %s"):format(count, self.status) }
  parts[#parts + 1] = next(self.epochs) and History.row_text(self.epochs[count])
  parts[#parts + 1] = self.message
  return table.concat(parts, ", ")
end

return History
