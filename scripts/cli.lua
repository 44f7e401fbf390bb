--- The commands of the program: `nnrun WORD [arguments]`.
local M = {}

---Run a command.
---@param file_exists boolean whether a file of that name exists: it is then a script
---@param word string the command
---@param ... string its arguments
---@return integer? status exit status; nil when `word` is no command
function M.run(file_exists, word, ...) -- luacheck: ignore 212
  return nil
end

return M
