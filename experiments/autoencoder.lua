-- An autoencoder: pictures of clothes (28 x 28) squeezed through a few numbers and drawn again. The target is
-- the picture itself; a part of the input is left out in training, so that what is drawn is what such
-- pictures have in common (Vincent et al. 2008, "denoising autoencoders").
--
--   nnrun experiments/autoencoder.lua [CODE] [PICTURES]     how many numbers, default 16; from 20000 pictures
local data, nn, report = require "data", require "nn", require "report"

local code = tonumber(arg[1]) or 16
local train, test = data.fashion_mnist()
train, test = train:rows(1, tonumber(arg[2]) or 20000):flatten(), test:rows(1, 2000):flatten()

local encoder = nn.Sequential { nn.Dropout(0.2), nn.Linear(128, "relu"), nn.Linear(code), name = "encoder" }
local decoder = nn.Sequential { nn.Linear(128, "relu"), nn.Linear(784, "sigmoid"), name = "decoder" }
local model = nn.Sequential { encoder, decoder }

local function to_itself(set)
  return data.set { x = set.x, y = set.x }
end

local history = model:fit(to_itself(train), {
  optimizer = nn.Adam { lr = 0.002 }, schedule = "cosine", epochs = 12, batch_size = 100, validation = to_itself(test),
  verbose = true,
})
print(model)

-- What a constant answer, the mean picture, would cost.
local mean = train.x:mean(1, true)
print(("\nsquared error of a test pixel: %.4f drawn from %d numbers; %.4f by the mean picture"):format(
  model:evaluate(to_itself(test)).loss, code, ((test.x - mean) * (test.x - mean)):mean():item()))

-- Pictures side by side as one: originals in the first row, drawings below.
local SHOWN = 10
local drawn = model:predict(test:rows(1, SHOWN))
local pixels = {}
for row, pictures in ipairs { test.x:rows(1, SHOWN), drawn } do
  for i, picture in ipairs(pictures:view({ SHOWN, 28, 28 }):totable()) do
    for y = 1, 28 do
      local line = (row - 1) * 28 + y
      pixels[line] = pixels[line] or {}
      table.move(picture[y], 1, 28, (i - 1) * 28 + 1, pixels[line])
    end
  end
end
report.plot {
  title = ("Test pictures, and what %d numbers keep of them"):format(code), file = "results/autoencoder",
  series = { { style = "image", z = pixels, palette = "grey" } }, equal = true, size = { 900, 260 },
  x = { tics = { { 280, "" } } }, y = { reverse = true, tics = { { 14, "picture" }, { 42, "drawing" } } },
}
report.curves(history, { title = "Autoencoder", file = "results/autoencoder_curve" })
print("pictures: results/autoencoder.png, results/autoencoder_curve.png")
