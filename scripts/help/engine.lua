--- The engine's tables as help and the reference page read them: layers, optimisers, initialisers,
--- metrics, operations. A row describes itself; nothing about it is written twice.
local M = {}

-- `prefix`: what stands before a row's title or name where people write it.
local TABLES = {
  { module = "core.layer", title = "layer", prefix = "nn." },
  { module = "nn.optim", title = "optimizer", prefix = "nn." },
  { module = "core.init", title = "initializer", prefix = "nn.init." },
  { module = "core.metrics", title = "metric", prefix = "nn.metrics." },
  { module = "core.op", title = "operation", prefix = "nn.op." },
  { module = "search.pruners", title = "pruner", prefix = "search.pruner." },
}

-- Modules of the engine that people meet and that have no script to hold their comment.
M.SUMMARIES = {
  ["core.op"] = "Operations on tensors and on values of a model that is being built.",
  ["core.tensor"] = "Arrays of numbers, and arithmetic on them.",
}

-- What every layer of the engine takes beside its own options.
M.LAYER_EXTRAS = {
  { name = "activation", type = "string | function", text = 'applied to the output: "relu", "tanh", ...' },
  { name = "<parameter>_init", type = "Initializer | string | table",
    text = 'starting values, e.g. weight_init = "he_normal"' },
  { name = "name", type = "string", text = "in messages and saved weights; default the kind and a number" },
  { name = "lr_scale", type = "number", default = "1", text = "multiplies the learning rate of its parameters" },
  { name = "weight_decay", type = "number", text = "of its weights, in place of the optimizer's" },
  { name = "max_norm", type = "number", text = "largest norm of a unit's or filter's weights, kept after each step" },
}

---@return table[] lists {title = "operation", prefix = "nn.op.", rows = {{name=, help=, ...}, ...}}
function M.tables()
  local lists = {}
  for _, item in ipairs(TABLES) do
    local ok, module = pcall(require, item.module)
    local rows = ok and type(module) == "table" and (module.rows or module.describe)
    if rows then
      lists[#lists + 1] = { title = item.title, prefix = item.prefix, rows = rows() }
    end
  end
  return lists
end

---The row of a public name ("nn.op.relu") or, failing that, of a bare one ("relu").
---@param name string?
---@return table? row
---@return string? title of its table
---@return string? public the public name
function M.find(name)
  local bare_row, bare_title, bare_public
  if not name then
    return nil
  end
  name = name:gsub("^tensor%.", "nn.op.") -- the same operations under another name
  for _, list in ipairs(M.tables()) do
    for _, row in ipairs(list.rows) do
      local public = list.prefix .. (row.title or row.name)
      if public == name then
        return row, list.title, public
      elseif not bare_row and (row.title == name or row.name == name) then
        bare_row, bare_title, bare_public = row, list.title, public
      end
    end
  end
  if name:find(".", 1, true) then
    return nil -- a public name of something else
  end
  return bare_row, bare_title, bare_public
end

local TYPES = {
  int = "integer", bool = "boolean", real = "number", float = "number", axes = "integer | integer[]",
  ints = "integer[]", shape = "integer[]", index = "integer", axis = "integer",
}

---What a row takes.
---@param row table
---@param title string of its table
---@param own? boolean leave out what all rows of the table take
---@return table[] items {name=, type=, default = text, text=} each
function M.items(row, title, own)
  local items = {}
  for _, item in ipairs(row.hypers or row.args or row.options or {}) do
    local default = item.default
    if math.type(default) == "float" then
      default = ("%.6g"):format(default)
    elseif item.required then
      default = "required"
    end
    items[#items + 1] = {
      name = item.name, type = TYPES[item.type] or item.type, text = item.help or "",
      default = default ~= nil and tostring(default) or nil,
    }
  end
  if title == "layer" and not own then
    table.move(M.LAYER_EXTRAS, 1, #M.LAYER_EXTRAS, #items + 1, items)
  end
  return items
end

local OPERANDS = { { "x" }, { "a", "b" }, { "a", "b", "c" } }

---How a row is called: "nn.Linear(out, bias?, options?)".
---@param row table
---@param title string of its table
---@param name string public name
---@return string
function M.signature(row, title, name)
  local words = {}
  if title == "operation" then
    local operands = OPERANDS[row.operands] or { "a", "b", "c", "d" }
    for i, operand in ipairs(operands) do
      local optional = #operands > 1 and i > #operands - (row.optional or 0)
      words[i] = operand .. (optional and "?" or "")
    end
    if #(row.options or {}) > 0 then
      words[#words + 1] = "options?"
    end
  elseif title == "layer" then
    for _, item in ipairs(row.options) do
      words[#words + 1] = item.name .. (item.required and "" or "?")
    end
    words[#words + 1] = "activation?"
    words[#words + 1] = "options?"
  elseif title == "metric" then
    words = { "prediction", "target" }
  elseif #M.items(row, title) > 0 then
    words = { "options?" }
  end
  return ("%s(%s)"):format(name, table.concat(words, ", "))
end

return M
