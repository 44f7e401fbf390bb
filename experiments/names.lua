-- Names, letter by letter: an LSTM learns which letter comes next, and then makes up names of its own. The
-- packaged list holds 400 names of dinosaurs that never were, made of Greek and Latin roots.
--
--   nnrun experiments/names.lua [FILE] [EPOCHS]     a name a line; default the packaged list, 30 epochs
local data, nn, tensor = require "data", require "nn", require "tensor"

local path = arg[1] or (arg[0]:match("^(.*/)") or "") .. "names.txt"
local epochs = math.tointeger(arg[2] or 30)
local file, message = io.open(path)
if not file or not epochs then
  io.stderr:write(("names.lua: %s\n"):format(message or "EPOCHS must be a whole number"))
  os.exit(2)
end

-- Letters count from 1 in the order of their first appearance; 0 stands before a name and ends it.
local names, letters, code, longest = {}, {}, {}, 0
for line in file:lines() do
  local name = line:lower():match("^%s*(.-)%s*$")
  if name ~= "" then
    names[#names + 1] = name
    longest = math.max(longest, #name)
    for letter in name:gmatch(".") do
      if not code[letter] then
        letters[#letters + 1] = letter
        code[letter] = #letters
      end
    end
  end
end
file:close()

-- Inputs (N, T) are the letters so far, targets the next ones; what is behind the end has a class of its own,
-- which the loss gives no weight.
local steps, padding = longest + 1, #letters + 1
local inputs, targets = {}, {}
for i, name in ipairs(names) do
  local row, next_row = { 0 }, {}
  for letter in name:gmatch(".") do
    row[#row + 1], next_row[#next_row + 1] = code[letter], code[letter]
  end
  next_row[#next_row + 1] = 0
  for t = #row + 1, steps do
    row[t], next_row[t] = padding, padding
  end
  inputs[i], targets[i] = row, next_row
end
local set = data.set { x = tensor.new(inputs, "int64"), y = tensor.new(targets, "int64"), name = path }
local weights = {}
for class = 0, padding do
  weights[class + 1] = class == padding and 0 or 1
end

local model = nn.Sequential { nn.Embedding(padding + 1, 24), nn.LSTM(96), nn.Linear(padding + 1) }
local train, held_back = set:split { 0.9, 0.1, seed = 1 }

-- A letter drawn from the chances that `row` of logits gives; a low temperature keeps to the likely ones.
local function draw(row, temperature)
  local chances, sum = {}, 0
  for class = 1, padding do
    chances[class] = math.exp(row[class] / temperature)
    sum = sum + chances[class]
  end
  local left = math.random() * sum
  for class = 1, padding do
    left = left - chances[class]
    if left < 0 then
      return class - 1
    end
  end
  return 0
end

-- `count` names: the letters so far go in, with anything behind them, as an output depends on no later input.
local function invent(count, temperature)
  local rows, made, open = {}, {}, count
  for i = 1, count do
    rows[i], made[i] = {}, ""
    for t = 1, steps do
      rows[i][t] = t == 1 and 0 or padding
    end
  end
  local ended = {}
  for t = 1, steps - 1 do
    local logits = open > 0 and model:predict(tensor.new(rows, "int64")):totable()
    for i = 1, open > 0 and count or 0 do
      local class = not ended[i] and draw(logits[i][t], temperature) or 0
      if class > 0 then
        rows[i][t + 1] = class
        made[i] = made[i] .. letters[class]
      elseif not ended[i] then
        ended[i], open = true, open - 1
      end
    end
  end
  return made
end

print(("%s: %d names of at most %d letters, %d different ones"):format(path, #names, longest, #letters))
math.randomseed(1)
model:fit(train, {
  optimizer = nn.Adam { lr = 0.005 }, loss = nn.loss.cross_entropy { class_weights = weights }, epochs = epochs,
  batch_size = 32, clip_norm = 1, validation = held_back, metrics = {}, seed = 1,
  callback = function(row)
    if row.epoch % math.max(1, epochs // 6) == 0 or row.epoch == 1 then
      print(("epoch %3d  loss %.3f  of names held back %.3f  %s"):format(row.epoch, row.loss, row.val_loss,
        table.concat(invent(4, 0.8), ", ")))
    end
  end,
})
print(("\n%.3f would be the loss of letters drawn blindly. Names at a temperature of"):format(math.log(#letters + 1)))
for _, temperature in ipairs { 0.3, 0.7, 1.2 } do
  print(("  %.1f  %s"):format(temperature, table.concat(invent(8, temperature), ", ")))
end
