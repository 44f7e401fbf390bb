--- Text as data: files, and windows of characters for models that predict the next one.
local core = require "core.data"
local options = require "options"
local sets = require "data.set"
local tensors = require "core.tensor"

local M = {}

--- The text of a file, plain or gzip.
---@param path string
---@return string
function M.text(path)
  if type(path) ~= "string" then
    options.fail("data.text: expected the path of a file, got %s", options.show(path))
  end
  local text, message = core.read_text(path)
  if not text then
    options.fail("data.text: %s", message)
  end
  return text
end

-- ---- vocabulary ----

---@class Vocabulary
---@field [integer] string the characters, in the order of their numbers, which begin at 0
local Vocabulary = { __name = "Vocabulary" }
Vocabulary.__index = Vocabulary

--- The bytes of a text as numbers from 0, a list.
---@param text string
---@return integer[]
function Vocabulary:encode(text)
  local numbers, known = {}, self.numbers
  for i = 1, #text do
    local number = known[text:byte(i)]
    if not number then
      options.fail("the character %q is not in the vocabulary", text:sub(i, i))
    end
    numbers[i] = number
  end
  return numbers
end

--- Numbers as a text.
---@param numbers integer[]
---@return string
function Vocabulary:decode(numbers)
  local characters = {}
  for i, number in ipairs(numbers) do
    characters[i] = self[number + 1] or options.fail("there is no character number %s", options.show(number))
  end
  return table.concat(characters)
end

-- The characters a text has, in the order of their codes.
local function vocabulary_of(text)
  local seen, vocabulary = {}, { numbers = {} }
  for i = 1, #text do
    seen[text:byte(i)] = true
  end
  for code = 0, 255 do
    if seen[code] then
      vocabulary.numbers[code] = #vocabulary
      vocabulary[#vocabulary + 1] = string.char(code)
    end
  end
  return setmetatable(vocabulary, Vocabulary)
end

local CHARACTERS = {
  length = { type = "integer", min = 1, default = 64, help = "characters in a row" },
  vocabulary = { type = "table", help = "that of another set; default the characters of the text" },
  name = { type = "string", default = "text", help = "for messages and reports" },
}

--- A text in windows: x holds `length` characters (bytes) as int64 numbers from 0, y the ones that follow
--- each. What is left at the end is dropped. `set.vocabulary` lists the characters and has `encode` and
--- `decode`.
---@param text string
---@param given? table
---@return data.Set set x (N, length), y (N, length)
---@options CHARACTERS
function M.characters(text, given)
  local o = options.check(given, CHARACTERS, "data.characters")
  if type(text) ~= "string" or #text <= o.length then
    options.fail("data.characters: expected a text of more than %d characters, got %s", o.length, options.show(text))
  end
  local vocabulary = o.vocabulary or vocabulary_of(text)
  local numbers = Vocabulary.encode(vocabulary, text)
  local x, y = {}, {}
  for row = 1, (#numbers - 1) // o.length do
    local first = (row - 1) * o.length + 1
    x[row] = table.move(numbers, first, first + o.length - 1, 1, {})
    y[row] = table.move(numbers, first + 1, first + o.length, 1, {})
  end
  local set = sets.new { x = tensors.new(x, "int64"), y = tensors.new(y, "int64"), name = o.name }
  set.vocabulary = vocabulary
  return set
end

return M
