-- A GPT that reads characters: two transformer layers, 64 wide, that see what came before and say what comes
-- next. The text is made by a small grammar, in which numbers add up, animals have their colours and verbs agree
-- with their nouns, so one can see in what it writes how much it has learned.
--
--   nnrun experiments/tiny_gpt.lua [EPOCHS [FILE]]      default 20; another text, plain or gzip
local data, nn, report, tensor = require "data", require "nn", require "report", require "tensor"

local LENGTH, WIDTH = 64, 64

-- ---- the text ----

local NUMBERS = { "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten" }
local COLOURS = { cat = "black", dog = "brown", frog = "green", fox = "red", bird = "blue", mouse = "grey" }
local ANIMALS = { "cat", "dog", "frog", "fox", "bird", "mouse" }
local PLURAL = { cat = "cats", dog = "dogs", frog = "frogs", fox = "foxes", bird = "birds", mouse = "mice" }
local VERBS = { { "sees", "see" }, { "follows", "follow" }, { "hears", "hear" }, { "likes", "like" } }

local function any(list)
  return list[math.random(#list)]
end

local SENTENCES = {
  function()
    local a, b = math.random(5), math.random(5)
    return ("%s and %s make %s."):format(NUMBERS[a], NUMBERS[b], NUMBERS[a + b])
  end,
  function()
    local animal = any(ANIMALS)
    return ("the %s is %s."):format(animal, COLOURS[animal])
  end,
  function()
    local animal, verb = any(ANIMALS), any(VERBS)
    return ("the %s %s %s %s %s."):format(COLOURS[animal], animal, verb[1], NUMBERS[math.random(2, 9)],
      PLURAL[any(ANIMALS)])
  end,
  function()
    local number, verb = math.random(2, 9), any(VERBS)
    return ("%s %s %s the %s."):format(NUMBERS[number], PLURAL[any(ANIMALS)], verb[2], any(ANIMALS))
  end,
}

local function grammar(sentences)
  math.randomseed(7)
  local written = {}
  for i = 1, sentences do
    written[i] = any(SENTENCES)()
  end
  return table.concat(written, "\n") .. "\n"
end

local epochs, file = tonumber(arg[1]) or 20, arg[2]
local text = file and data.text(file) or grammar(4000)
local set = data.characters(text, { length = LENGTH })
local train, held_out = set:split { 0.9, 0.1, seed = 1 }
local vocabulary = set.vocabulary
print(("%d characters, %d different; %d windows of %d to learn from"):format(#text, #vocabulary, #train, LENGTH))

-- ---- the model ----

local model = nn.Sequential {
  nn.Embedding(#vocabulary, WIDTH, { weight_init = nn.init.normal { std = 0.02 } }),
  nn.PositionalEmbedding(LENGTH),
  nn.TransformerEncoder { num_layers = 2, num_heads = 4, dim_feedforward = 4 * WIDTH, dropout = 0,
    activation = "gelu", norm_first = true, norm = true, causal = true },
  nn.Linear(#vocabulary),
}

-- The characters that follow a prompt: the likeliest, or drawn with a temperature.
local function continue(prompt, count, temperature)
  local numbers = vocabulary:encode(prompt)
  for _ = 1, count do
    local window = table.move(numbers, math.max(1, #numbers - LENGTH + 1), #numbers, 1, {})
    local last = #window
    for i = last + 1, LENGTH do
      window[i] = 0 -- not seen by what is before
    end
    local logits = model:predict(tensor.new({ window }, "int64")):view({ LENGTH, #vocabulary }):rows(last, last)
    local next_one = logits:argmax():get(1)
    if temperature then
      local left = math.random()
      for i, p in ipairs((logits / temperature):softmax():totable()[1]) do
        left = left - p
        if left < 0 then
          next_one = i - 1
          break
        end
      end
    end
    numbers[#numbers + 1] = next_one
  end
  return vocabulary:decode(numbers)
end

-- ---- training ----

local history = model:fit(train, {
  optimizer = nn.AdamW { lr = 0.003, weight_decay = 0.01 }, schedule = "cosine",
  epochs = epochs, batch_size = 32, clip_norm = 1, validation = held_out, seed = 1,
  callback = function(row)
    print(("epoch %2d  loss %.3f  of unseen text %.3f, %.1f %% of its characters right"):format(row.epoch, row.loss,
      row.val_loss, 100 * row.val_accuracy))
  end,
})
print(model)
report.curves(history, { title = "A small GPT", file = "results/tiny_gpt" })

if not file then
  print "\nasked for the likeliest end:"
  for _, prompt in ipairs { "two and three make ", "five and four make ", "the fox is ", "the green " } do
    print("  " .. continue("\n" .. prompt, 16):sub(2):match "[^\n]*")
  end
end
math.randomseed(1)
print("\nwritten freely:\n" .. continue(text:sub(1, 1), file and 400 or 250, 0.8))
