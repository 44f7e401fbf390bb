-- LeNet-5 (LeCun et al. 1998, with relu and max-pooling) reads clothes: convolutions share their weights over
-- the picture, so its 61706 numbers do better than as many in a hidden layer.
--
--   nnrun experiments/lenet.lua [EPOCHS] [PICTURES]     default 5, all 60000; 10 epochs reach about 90 %
local data, nn, report = require "data", require "nn", require "report"

local epochs, pictures = tonumber(arg[1]) or 5, tonumber(arg[2]) or 60000
local train, test = data.fashion_mnist()
train = train:rows(1, pictures)

-- One channel; grey values with mean 0 and deviation 1 over all training pictures.
local mean, deviation = train.x:mean():item(), math.sqrt(train.x:variance():item())
local function images(set)
  return data.set { x = ((set.x - mean) / deviation):view { #set, 1, 28, 28 }, y = set.y, classes = set.classes }
end
train, test = images(train), images(test)

local model = nn.Sequential {
  nn.Conv2d(6, 5, { padding = "same" }, "relu"), nn.MaxPool2d(2),
  nn.Conv2d(16, 5, "relu"), nn.MaxPool2d(2),
  nn.Flatten(), nn.Linear(120, "relu"), nn.Linear(84, "relu"), nn.Linear(10),
}
local history = model:fit(train, {
  optimizer = nn.Adam { lr = 1e-3 }, batch_size = 64, epochs = epochs, validation = test, seed = 1,
})
print(model)
for i, row in ipairs(history.epochs) do
  print(("epoch %2d: loss %.4f, test accuracy %.2f %%"):format(i, row.loss, 100 * row.val_accuracy))
end
report.curves(history, { title = "LeNet-5 on Fashion-MNIST", file = "results/lenet", terminal = true })
