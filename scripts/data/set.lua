--- Data sets: inputs, targets, and what can be done with their rows.
---
--- A set holds `x`, a tensor (N, ...), and `y`, a tensor (N) of int64 class labels counted from 0, or
--- (N, K) of numbers, or nil. Models of several inputs or outputs take several tensors in their place,
--- by place (x = { a, b }) or by name (x = { image = a, meta = b }), all with the same rows. Methods that
--- change something return a new set and leave the old one as it is. Rows count from 1.
local bundle = require "bundle"
local core = require "core.data"
local options = require "options"

local M = {}

---@class data.Set
---@field x any tensor (N, ...), or several by place or name
---@field y any tensor (N) int64 labels, or (N, K) numbers; or several
---@field classes string[]? names of the classes; label i belongs to classes[i + 1]
---@field columns string[]? names of the columns of x
---@field name string what messages and reports call it
local Set = { __name = "data.Set" }
Set.__index = Set
M.Set = Set

local function is_labels(y)
  return type(y) == "userdata" and y:dtype() == "int64" and #y:shape() == 1
end

-- A set with some fields replaced.
local function with(set, fields)
  local new = { x = set.x, y = set.y, classes = set.classes, columns = set.columns, name = set.name }
  for key, value in pairs(fields) do
    new[key] = value
  end
  return setmetatable(new, Set)
end

local function tensor(value, dtype, what)
  if type(value) ~= "table" and type(value) ~= "userdata" then
    options.fail("data.set: %s must be a tensor or a table of numbers, got %s", what, options.show(value))
  end
  return core.tensor(value, dtype)
end

-- Labels written as a table of whole numbers become int64.
local function target(value, what)
  if type(value) ~= "table" then
    return tensor(value, nil, what)
  end
  for _, item in ipairs(value) do
    if math.type(item) ~= "integer" then
      return tensor(value, "float32", what)
    end
  end
  return tensor(value, "int64", what)
end

local SET = {
  x = { type = "tensor|table", required = true, help = "inputs (N, ...), or several: { a, b }, { image = a }" },
  y = { type = "tensor|table", help = "int64 labels (N), or numbers (N, K); or several, as x" },
  classes = { type = "table", help = "names of the classes" },
  columns = { type = "table", help = "names of the columns of x" },
  name = { type = "string", default = "data", help = "for messages and reports" },
  dtype = { type = "string", choices = { "float32", "float64" }, help = "of x; default float32 for tables" },
  missing = { type = "string", choices = { "error", "keep" }, default = "error",
    help = "\"error\" refuses NaN in x, \"keep\" lets it pass" },
}

--- A data set from tensors or tables. Whole numbers in a table `y` are class labels. Several inputs or
--- targets are tensors by place or name: `data.set { x = { image = a, size = b }, y = { class = c } }`.
---@param given table
---@options SET
---@return data.Set
function M.new(given)
  local o = options.check(given, SET, "data.set")
  local x = bundle.map(o.x, function(part, key)
    return tensor(part, o.dtype or type(part) == "table" and "float32" or nil, bundle.name("x", key))
  end)
  local y = bundle.map(o.y, function(part, key)
    return target(part, bundle.name("y", key))
  end)
  local set = setmetatable({ x = x, y = y, classes = o.classes, columns = o.columns, name = o.name }, Set)
  for _, given_part in ipairs { { "x", x }, { "y", y } } do
    bundle.map(given_part[2], function(part, key)
      if #part:shape() == 0 then
        options.fail("%s: %s must have rows, but it is a single number", o.name, bundle.name(given_part[1], key))
      end
    end)
  end
  return set:check(o.missing)
end

--- Raise an error that names row and column when x or y holds NaN or an infinity, when a label lies
--- outside the classes, or when x and y differ in length.
---@param missing? string "keep" allows NaN in x; default "error"
---@return data.Set self
function Set:check(missing)
  local function same_rows(part, key, what)
    if #part ~= #self then
      options.fail("%s: x has %d rows, but %s has %d", self.name, #self, bundle.name(what, key), #part)
    end
  end
  local function check(ok, message, key)
    if not ok then
      options.fail("%s: %s%s", self.name, key == "" and "" or tostring(key) .. ": ", message)
    end
  end
  bundle.map(self.x, function(part, key)
    same_rows(part, key, "x")
  end)
  bundle.map(self.y, function(part, key)
    same_rows(part, key, "y")
  end)
  if missing ~= "keep" then
    bundle.map(self.x, function(part, key)
      local ok, message = core.check_finite(part, key == "" and self.columns or nil)
      check(ok, message, key)
    end)
  end
  bundle.map(self.y, function(part, key)
    local ok, message
    if is_labels(part) then
      ok, message = core.check_labels(part, key == "" and self.classes and #self.classes or math.maxinteger)
    else
      ok, message = core.check_finite(part)
      message = message and "target: " .. message
    end
    check(ok, message, key)
  end)
  return self
end

--- The number of classes, or nil when y holds no labels.
---@return integer?
function Set:class_count()
  if not is_labels(self.y) then
    return nil
  elseif self.classes then
    return #self.classes
  elseif #self.y == 0 then
    return 0
  end
  local stats = core.stats(self.y:view { #self.y, 1 })
  return math.tointeger(stats:get(4, 1)) + 1
end

local function need_labels(set, what)
  if not is_labels(set.y) then
    options.fail("%s: %s needs class labels, but y holds %s", set.name, what,
      set.y == nil and "nothing" or bundle.several(set.y) and "several targets" or "numbers")
  end
end

-- ---- rows ----

local function take(set, rows, fields)
  local function chosen(part)
    return core.take(part, rows)
  end
  fields = fields or {}
  fields.x = bundle.map(set.x, chosen)
  fields.y = fields.y or bundle.map(set.y, chosen)
  return with(set, fields)
end

--- The rows with these numbers, in this order.
---@param rows integer[] from 1; a row may come several times
---@return data.Set
function Set:take(rows)
  local zero_based = {}
  for i, row in ipairs(rows) do
    if math.tointeger(row) == nil or row < 1 or row > #self then
      options.fail("%s: take: row %s is outside 1 to %d", self.name, tostring(row), #self)
    end
    zero_based[i] = row - 1
  end
  if #zero_based == 0 then
    return self:rows(1, 0)
  end
  return take(self, core.tensor(zero_based, "int64"))
end

--- Rows `first` to `last`; shares memory with this set.
---@param first integer from 1
---@param last? integer default the last row
---@return data.Set
function Set:rows(first, last)
  last = last or #self
  local function rows(part)
    return part:rows(first, last)
  end
  return with(self, { x = bundle.map(self.x, rows), y = bundle.map(self.y, rows) })
end

local SHUFFLE = {
  seed = { type = "integer", default = 0, help = "of the random order" },
  epoch = { type = "integer", default = 0, min = 0, help = "another order for each" },
}

--- All rows in another order, which depends on the seed and epoch alone.
---@param given? table
---@options SHUFFLE
---@return data.Set
function Set:shuffle(given)
  local o = options.check(given, SHUFFLE, "shuffle")
  return take(self, core.permutation(#self, o.seed, o.epoch))
end

--- The rows of some classes. Labels are numbered anew, in the order given.
---@param classes (string|integer)[] names, or labels from 0
---@return data.Set
function Set:subset(classes)
  need_labels(self, "subset")
  local labels, names = {}, {}
  for i, class in ipairs(classes) do
    local label = math.tointeger(class)
    for k, name in ipairs(self.classes or {}) do
      if name == class then
        label = k - 1
      end
    end
    if not label or label < 0 or label >= self:class_count() then
      options.fail("%s: subset: there is no class %s%s", self.name, options.show(class),
        options.suggestion(class, self.classes or {}))
    end
    labels[i], names[i] = label, self.classes and self.classes[label + 1]
  end
  local rows, places = core.rows_in(self.y, labels)
  return take(self, rows, { y = places, classes = self.classes and names })
end

local SPLIT = {
  { help = "shares that sum to 1, or numbers of rows that sum to all" },
  stratify = { type = "boolean|string|integer", default = false,
    help = "keep the shares of the classes in each part; of several targets, the name or place of one" },
  seed = { type = "integer", default = 0, help = "of the random order" },
}

local function check_shares(set, shares)
  local sum, fractions = 0, true
  for i, share in ipairs(shares) do
    if type(share) ~= "number" or not (share > 0) or share == math.huge then
      options.fail("%s: split: share %d must be a positive number, got %s", set.name, i, options.show(share))
    end
    sum = sum + share
    fractions = fractions and share <= 1
  end
  if #shares == 0 then
    options.fail("%s: split: give the shares of the parts, for example {0.8, 0.1, 0.1}", set.name)
  elseif math.abs(sum - #set) < 0.5 and not (fractions and #shares > 1 and #set == 1) then
    return
  elseif not fractions or math.abs(sum - 1) > 1e-6 then
    options.fail("%s: split: the shares sum to %.6g; they must sum to 1, or to the %d rows there are",
      set.name, sum, #set)
  end
end

--- Deal the rows out at random: each is in exactly one part. Sizes go by largest remainder.
---
--- `local train, val, test = set:split { 0.8, 0.1, 0.1, stratify = true, seed = 1 }`
---@param given table a list of shares that sum to 1, or of numbers of rows that sum to all
---@options SPLIT
---@return data.Set ... one for each share
function Set:split(given)
  local o = options.check(given, SPLIT, "split")
  check_shares(self, o)
  local labels, classes
  if o.stratify then
    local part = self
    if o.stratify ~= true then
      local y = bundle.several(self.y) and self.y[o.stratify]
      if not y then
        options.fail("%s: split: stratify: there is no target %s", self.name, options.show(o.stratify))
      end
      part = with(self, { y = y, classes = false })
    end
    need_labels(part, "a stratified split")
    labels, classes = part.y, part:class_count()
  end
  local shares = table.move(o, 1, #o, 1, {})
  local parts = { core.split_rows(#self, shares, o.seed, labels, classes) }
  for i, rows in ipairs(parts) do
    parts[i] = take(self, rows, { name = ("%s, part %d of %d"):format(self.name, i, #parts) })
  end
  return table.unpack(parts)
end

local BATCHES = {
  batch_size = { type = "integer", default = 64, min = 1, help = "rows of a batch" },
  shuffle = { type = "boolean", default = false, help = "go through the rows in random order" },
  seed = { type = "integer", default = 0, help = "of the random order" },
  epoch = { type = "integer", default = 0, min = 0, help = "another order for each" },
  drop_last = { type = "boolean", default = false, help = "leave out a last batch that is not full" },
}

--- Go through the rows in batches: `for x, y in set:batches { batch_size = 64 } do ... end`.
---
--- Without shuffling, batches share memory with the set. With it, the order depends on seed and
--- epoch alone.
---@param given? table
---@options BATCHES
---@return fun(): userdata?, userdata? next x and y of the next batch
function Set:batches(given)
  local o = options.check(given, BATCHES, "batches")
  local order = o.shuffle and core.permutation(#self, o.seed, o.epoch)
  local first, count = 1, #self
  return function()
    local last = math.min(first + o.batch_size - 1, count)
    if first > last or (o.drop_last and last - first + 1 < o.batch_size) then
      return nil
    end
    local part = order and take(self, order:rows(first, last)) or self:rows(first, last)
    first = last + 1
    return part.x, part.y
  end
end

-- ---- columns ----

--- x as (N, columns).
---@return data.Set
function Set:flatten()
  return with(self, { x = bundle.map(self.x, function(part)
    local columns = 1
    for i, size in ipairs(part:shape()) do
      columns = i == 1 and 1 or columns * size
    end
    return part:view { #self, columns }
  end) })
end

--- The target as (N, classes) with a 1 at each row's label.
---@return data.Set
function Set:one_hot()
  need_labels(self, "one_hot")
  local dtype = self.x:dtype() == "float64" and "float64" or "float32"
  return with(self, { y = core.one_hot(self.y, self:class_count(), dtype) })
end

--- x, and y where it is not labels, in another type. Of several inputs those of whole numbers stay.
---@param dtype string "float32" or "float64"
---@return data.Set
function Set:to(dtype)
  local function numbers(part)
    return is_labels(part) and part or part:to(dtype)
  end
  return with(self, {
    x = bundle.map(self.x, function(part, key)
      return key ~= "" and part:dtype() == "int64" and part or part:to(dtype)
    end),
    y = bundle.map(self.y, numbers),
  })
end

-- Of several inputs each is scaled by itself, and those of whole numbers stay.
local function scaled(kind, set, others)
  local sets = { set, table.unpack(others) }
  local results = table.move(sets, 1, #sets, 1, {})
  for _, key in ipairs(bundle.keys(set.x)) do
    local part = bundle.at(set.x, key)
    if key == "" or part:dtype() ~= "int64" then
      local scaler = require("data.scaler")[kind](with(set, { x = part }))
      for i, other in ipairs(sets) do
        local x = scaler:apply(with(other, { x = bundle.at(other.x, key) })).x
        results[i] = with(results[i], { x = bundle.map(results[i].x, function(old, at)
          return at == key and x or old
        end) })
      end
    end
  end
  return table.unpack(results)
end

--- Bring each column to mean 0 and standard deviation 1, measured on this set, and the same to others:
--- `train, val, test = train:standardize(val, test)`.
---@param ... data.Set
---@return data.Set ... this set and the others, scaled
function Set:standardize(...)
  return scaled("standard", self, { ... })
end

--- Bring each column to the range 0 to 1, measured on this set, and the same to others.
---@param ... data.Set
---@return data.Set ... this set and the others, scaled
function Set:min_max(...)
  return scaled("min_max", self, { ... })
end

-- ---- about the set ----

--- SHA-256 of types, shapes, contents and class names, as 64 hex digits.
---@return string
function Set:hash()
  local parts = {}
  local function add(value)
    for _, key in ipairs(value == nil and {} or bundle.keys(value)) do
      parts[#parts + 1] = key ~= "" and tostring(key) or nil
      parts[#parts + 1] = bundle.at(value, key)
    end
  end
  add(self.x)
  parts[#parts + 1] = self.y and "y" or "no y"
  add(self.y)
  parts[#parts + 1] = table.concat(self.classes or {}, "\n")
  return core.hash(parts)
end

--- Print the size, the classes with their shares, and minimum, mean and maximum of the columns.
function Set:describe()
  io.write(require "data.describe"(self))
end

function Set:__len()
  return #bundle.at(self.x, bundle.keys(self.x)[1])
end

local function parts_text(value, what, with_type)
  local texts = {}
  for i, part in ipairs((bundle.list(value))) do
    texts[i] = ("%s (%s)%s"):format(bundle.name(what, bundle.keys(value)[i]), table.concat(part:shape(), ", "),
      with_type and " " .. part:dtype() or "")
  end
  return table.concat(texts, ", ")
end

function Set:__tostring()
  local classes = self:class_count()
  return ("%s: %s%s"):format(self.name, parts_text(self.x, "x", true), classes and (", %d classes"):format(classes)
    or self.y and ", " .. parts_text(self.y, "y", bundle.several(self.y)) or "")
end

M.is_labels = is_labels
M.with = with
return M
