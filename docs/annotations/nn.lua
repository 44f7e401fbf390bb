---@meta nn
-- Written by `make docs`; do not edit it.

---
---@class Initializer
---@field name string the engine's name, or "values"
---@field args? number[] arguments in the order of the engine's row
---@field values? any the tensor, with name "values"
local Initializer = {}

---
---@class Layer
local Layer = {}

--- Leave parameters as they are in training: they get no gradient, no update, no decay, and cost no time.
--- Running statistics of frozen layers still change, as in PyTorch.
---
--- `model:freeze("conv*")` takes names of layers or parameters, `*` standing for anything and `?` for one
--- character; of a layer `layer:freeze()` means all parameters in it, also those that are made later. It
--- works between epochs, in fit's callback, too: what the optimiser remembers of a parameter is kept.
---@param match? string|Layer|table pattern, layer, or a list of them; default all
---@return Layer self
function Layer:freeze(match) end

--- Train parameters again that were frozen.
---@param match? string|Layer|table as freeze takes it; default all
---@return Layer self
function Layer:unfreeze(match) end

--- Make a layer a part of this one, under a name: its parameters are called "owner.key.weight" instead
--- of having a number of their own.
---@param key string e.g. "norm1"
---@param layer Layer
---@return Layer layer
function Layer:part(key, layer) end

--- In a custom layer's forward: a parameter of this layer, made on first use.
---@param name string e.g. "weight"
---@param shape integer[]
---@param initializer? any an initializer, its name or values; default "torch_default"
---@param given? { decay: boolean? } decay (default true): weight decay and penalties apply
---@return userdata value
function Layer:param(name, shape, initializer, given) end

--- In a custom layer's forward: state that is not trained, such as a running mean. It is saved with the
--- weights, and changes by `update`.
---@param name string e.g. "running_mean"
---@param shape integer[]
---@param initializer? any an initializer, its name or values; default "zeros"
---@return userdata value
function Layer:buffer(name, shape, initializer) end

--- In a custom layer's forward: the value a buffer has after this training step. Evaluation leaves
--- buffers as they are.
---@param name string of a buffer this layer has
---@param value userdata
function Layer:update(name, value) end

--- In a forward: a parameter of this layer for another one to use, such as the table of an embedding for the
--- last layer (tied weights). The layer must have been called before in this forward.
---@param name? string default "weight"
---@return userdata value
function Layer:weight(name) end

--- What the layers of a built model put out for some rows, and the gradients that reach them.
---
--- `print(model:inspect(train))` shows a line for each call of a layer: mean and deviation of its output, the
--- share of zeros, and the deviation of the loss's gradient by its output (of a row's loss) and its weights (of
--- the mean loss). Entries hold the tensors `output` and `gradient` for histograms.
---@param set table a data set
---@param given? table
---@return Inspection
function Layer:inspect(set, given) end

--- Make the parameters, for inputs of a shape or like those of a data set. `fit` does it by itself.
---
--- Starting values depend on the seed and the order in which the layers are first used, alone.
---@param like any a data set, a tensor, or a shape with the batch first: { 1, 784 }, of whole numbers { 1, 12, dtype = "int64" }; of several inputs a table of them
---@param given? { seed: integer?, dtype: string? } seed 0; dtype that of the data, or "float32"
---@return Layer self
function Layer:build(like, given) end

--- The parameters in order of first use: { name, tensor, decay, buffer, frozen }. Tensors are the model's
--- own; `buffer` marks state that is not trained, such as running statistics.
---@return table[]
function Layer:parameters() end

--- The weights as copies by name: { ["linear_1.weight"] = tensor, ... }.
---@return table<string, userdata>
function Layer:weights() end

--- Set weights by name; all of the model's must be there, with their shapes, and no others. With
--- `strict = false` those that fit are taken: a new last layer keeps its starting values.
---@param weights table<string, any> tensors, or tables of numbers
---@param given? table
---@return Layer self
---@return string[] kept names of weights that stayed as they were
function Layer:set_weights(weights, given) end

--- Write the weights to a `.npz` file, by name.
---@param path string
---@return boolean? ok nil and a message when the file cannot be written
---@return string? message
function Layer:save(path) end

--- Read weights that `save` wrote. The model must have been built. With `strict = false` those that fit
--- by name and shape are taken, as when a trained body gets a new last layer.
---@param path string
---@param given? table
---@return Layer? self nil and a message when the file cannot be read or holds other weights
---@return any kept names of weights that stayed as they were; or the message
function Layer:load(path, given) end

--- The model's output for every row.
---@param source any a data set, a tensor (N, ...), or a table of them for a model of several inputs
---@return any tensor (N, outputs); of a model of several outputs several, or a table by name
function Layer:predict(source) end

--- Loss and metrics on a data set, without dropout and the like. Of several outputs also the loss of each.
---@param set table a data set
---@param given? { loss: any?, loss_weights: table?, metrics: table?, batch_size: integer? } loss: that of the last fit; metrics { "accuracy" } for class labels; batch_size 500
---@return table { loss, rows, accuracy ... }
function Layer:evaluate(set, given) end

--- Train. Starting values, the order of rows and dropout depend on `seed` alone; the loss of an epoch is
--- the mean over its rows as they were met, penalties included. A loss or gradient that is not finite
--- ends training with history.status "diverged" and a message naming step, layer and line.
---
--- `loss`: by default cross_entropy for class labels (binary_cross_entropy for a single output), mse for
--- numbers. See help(nn.loss), help(nn.schedule), help(nn.metrics). Of several outputs, by place or name,
--- `loss = { class = "cross_entropy", size = "mse" }, loss_weights = { size = 0.3 }` and `metrics` are
--- tables by output, and columns are called class_loss, val_size_mae and so on (output1_loss by place);
--- a function as `loss` gets all outputs and all targets.
---@param set table a data set
---@param given? table
---@return History
function Layer:fit(set, given) end

--- The same as a loop of one's own: `for row, history in model:epochs(train, { ... }) do ... end`.
---@param set table a data set
---@param given? table what fit takes
---@return fun(): table?, History?
function Layer:epochs(set, given) end

---
---@class Optimizer
---@field name string the engine's name, "adam"
---@field title string as written, "Adam"
---@field lr number learning rate before any schedule
---@field momentum? number SGD's, RMSprop's momentum, or the first of betas
---@field searches boolean whether it evaluates the loss again within a step
---@field groups table[] parameters with options of their own
---@field hyper number[] all hyper-parameters, in the order of the engine's row
---@field options table the options with defaults filled in
local Optimizer = {}

---
---@class Schedule
---@field name string
---@field per "epoch"|"step" what n counts
---@field options table the options with defaults filled in
---@field momentum_value? function of options, k, history, per: the momentum it drives
---@field adaptive? boolean whether it looks at the epochs in `history`, or may
local Schedule = {}

--- The momentum of epoch (or step) n, if the schedule drives it.
---@param n integer from 1
---@param history? table
---@return number? momentum
function Schedule:momentum(n, history) end

---
---@class MetricSet
---@field names string[]
local MetricSet = {}

--- Add a batch.
---@param predicted any tensor of scores or numbers
---@param target any tensor of labels or numbers
---@return MetricSet self
function MetricSet:add(predicted, target) end

--- The values over all batches since the last reset.
---@return table<string, number>
function MetricSet:values() end

--- Forget the batches.
---@return MetricSet self
function MetricSet:reset() end

---
---@class ConfusionMatrix
---@field counts integer[][] counts[i][j]: samples of the i-th class predicted to be of the j-th
---@field classes table[] by class: precision, recall, f1, support (number of samples), name
---@field accuracy number
local ConfusionMatrix = {}

---
---@class Loss
---@field name string
---@field target "labels"|"column"|"numbers"|"any" what fit makes of y
---@field options table
---@field apply fun(prediction: userdata, target: userdata, options: table): userdata
local Loss = {}

---
---@class Inspection
---@field [integer] LayerView in the order of the calls
---@field loss number
local Inspection = {}

---
---@class LrRange
---@field lr number[] learning rate of each step
---@field loss number[] smoothed loss of each step, before its update
---@field raw number[] loss of each step's batch
---@field suggestion? number the learning rate where the loss falls fastest
---@field lowest? number the learning rate of the lowest smoothed loss: training should stay below
---@field stopped boolean whether the loss grew beyond the limit, or stopped being a number
local LrRange = {}

--- Draw loss over learning rate.
---@param given? table file, formats, terminal, title, size, as report.plot takes them
---@return table? result
---@return string? message
function LrRange:plot(given) end

---
---@class History
---@field epochs table[] one row an epoch: epoch, loss, metrics, val_loss, val_metrics, lr, seconds
---@field status "ok"|"diverged"|"stopped"
---@field message? string why it stopped early
---@field best_epoch? integer
local History = {}

--- The values of one column: history:column("val_accuracy").
---@param name string
---@return number[]
function History:column(name) end

--- Draw the curves: `history:plot { file = "results/curve" }`; see report.curves.
---@param given? table
function History:plot(given) end

---
---@class GradientCheck
---@field ok boolean whether the worst error is below the tolerance
---@field error number |analytic - numeric| / max(1, |analytic|, |numeric|), the worst one
---@field param string which parameter, or which input ("x", "x[2]", "x.image")
---@field index integer flat index in it, from 1
---@field analytic number
---@field numeric number
local GradientCheck = {}

local nn = {}

--- Descent with a falling rate, meant for averaged weights: fit { ema = 1 }.
---@param options? {lr?: number, lambd?: number, alpha?: number, weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.ASGD(options) end

--- Steps as large as the recent ones, divided by the root of a mean of squared gradients.
---@param options? {lr?: number, rho?: number, eps?: number, weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.Adadelta(options) end

--- Steps divided by the root of the sum of all squared gradients so far.
---@param options? {lr?: number, lr_decay?: number, initial_accumulator_value?: number, eps?: number, weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.Adagrad(options) end

--- Adaptive moments: running means of the gradient and of its square, corrected for their start.
---@param options? {lr?: number, betas?: number[], eps?: number, amsgrad?: boolean, weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.Adam(options) end

--- Adam with weight decay applied to the weights themselves, not through the gradient.
---@param options? {lr?: number, betas?: number[], eps?: number, amsgrad?: boolean, weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.AdamW(options) end

--- Adam with the largest recent gradient in place of the root of mean squares.
---@param options? {lr?: number, betas?: number[], eps?: number, weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.Adamax(options) end

--- Means of output_size windows that share the length evenly; 1: of the whole.
---@param output_size integer[]
---@param activation? string|function
---@param options? {output_size?: integer[], activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.AdaptiveAvgPool1d(output_size, activation, options) end

--- Means of output_size windows that share height and width evenly; 1: global average pooling.
---@param output_size integer[]
---@param activation? string|function
---@param options? {output_size?: integer[], activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.AdaptiveAvgPool2d(output_size, activation, options) end

--- Largest elements of output_size windows that share the length evenly; 1: of the whole.
---@param output_size integer[]
---@param activation? string|function
---@param options? {output_size?: integer[], activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.AdaptiveMaxPool1d(output_size, activation, options) end

--- Largest elements of output_size windows that share height and width evenly; 1: of whole planes.
---@param output_size integer[]
---@param activation? string|function
---@param options? {output_size?: integer[], activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.AdaptiveMaxPool2d(output_size, activation, options) end

--- Dropout for SELU networks: dropped elements take its least value, and mean and variance stay. Klambauer et al. 2017.
---@param p? number
---@param activation? string|function
---@param options? {p?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.AlphaDropout(p, activation, options) end

--- Mean of every window of (n, channels, length); padding counts as zeros or is left out.
---@param kernel_size integer[]
---@param stride? integer[]
---@param padding? integer[]
---@param ceil_mode? boolean
---@param count_include_pad? boolean
---@param activation? string|function
---@param options? {kernel_size?: integer[], stride?: integer[], padding?: integer[], ceil_mode?: boolean, count_include_pad?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.AvgPool1d(kernel_size, stride, padding, ceil_mode, count_include_pad, activation, options) end

--- Mean of every window of (n, channels, height, width); padding counts as zeros or is left out.
---@param kernel_size integer[]
---@param stride? integer[]
---@param padding? integer[]
---@param ceil_mode? boolean
---@param count_include_pad? boolean
---@param activation? string|function
---@param options? {kernel_size?: integer[], stride?: integer[], padding?: integer[], ceil_mode?: boolean, count_include_pad?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.AvgPool2d(kernel_size, stride, padding, ceil_mode, count_include_pad, activation, options) end

--- Mean 0 and variance 1 in every channel over the batch, (n, channels) or (n, channels, length); evaluation takes running averages, in which a batch has the share momentum or, cumulative, all have the same. Ioffe and Szegedy 2015.
---@param eps? number
---@param momentum? number
---@param affine? boolean
---@param track_running_stats? boolean
---@param cumulative? boolean
---@param activation? string|function
---@param options? {eps?: number, momentum?: number, affine?: boolean, track_running_stats?: boolean, cumulative?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.BatchNorm1d(eps, momentum, affine, track_running_stats, cumulative, activation, options) end

--- Mean 0 and variance 1 in every channel over the batch (n, channels, height, width); evaluation takes running averages, as BatchNorm1d.
---@param eps? number
---@param momentum? number
---@param affine? boolean
---@param track_running_stats? boolean
---@param cumulative? boolean
---@param activation? string|function
---@param options? {eps?: number, momentum?: number, affine?: boolean, track_running_stats?: boolean, cumulative?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.BatchNorm2d(eps, momentum, affine, track_running_stats, cumulative, activation, options) end

--- x where positive, else alpha * (exp(x / alpha) - 1).
---@param alpha? number
---@param activation? string|function
---@param options? {alpha?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.CELU(alpha, activation, options) end

--- Convolution of (n, channels, length) to out_channels; padding "same" keeps the length.
---@param out_channels integer
---@param kernel_size integer[]
---@param stride? integer[]
---@param padding? integer[]
---@param dilation? integer[]
---@param groups? integer
---@param bias? boolean
---@param activation? string|function
---@param options? {out_channels?: integer, kernel_size?: integer[], stride?: integer[], padding?: integer[], dilation?: integer[], groups?: integer, bias?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Conv1d(out_channels, kernel_size, stride, padding, dilation, groups, bias, activation, options) end

--- Convolution of (n, channels, height, width) to out_channels; padding "same" keeps the size.
---@param out_channels integer
---@param kernel_size integer[]
---@param stride? integer[]
---@param padding? integer[]
---@param dilation? integer[]
---@param groups? integer
---@param bias? boolean
---@param activation? string|function
---@param options? {out_channels?: integer, kernel_size?: integer[], stride?: integer[], padding?: integer[], dilation?: integer[], groups?: integer, bias?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Conv2d(out_channels, kernel_size, stride, padding, dilation, groups, bias, activation, options) end

--- Transposed convolution of (n, channels, length): to the size a Conv1d would have come from.
---@param out_channels integer
---@param kernel_size integer[]
---@param stride? integer[]
---@param padding? integer[]
---@param output_padding? integer[]
---@param groups? integer
---@param bias? boolean
---@param dilation? integer[]
---@param activation? string|function
---@param options? {out_channels?: integer, kernel_size?: integer[], stride?: integer[], padding?: integer[], output_padding?: integer[], groups?: integer, bias?: boolean, dilation?: integer[], activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.ConvTranspose1d(out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, activation, options) end

--- Transposed convolution of (n, channels, height, width): to what a Conv2d would have come from.
---@param out_channels integer
---@param kernel_size integer[]
---@param stride? integer[]
---@param padding? integer[]
---@param output_padding? integer[]
---@param groups? integer
---@param bias? boolean
---@param dilation? integer[]
---@param activation? string|function
---@param options? {out_channels?: integer, kernel_size?: integer[], stride?: integer[], padding?: integer[], output_padding?: integer[], groups?: integer, bias?: boolean, dilation?: integer[], activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.ConvTranspose2d(out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, activation, options) end

--- In training, zeros with probability p and the rest divided by 1 - p; else nothing. Srivastava et al. 2014.
---@param p? number
---@param activation? string|function
---@param options? {p?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Dropout(p, activation, options) end

--- Dropout of whole channels of (n, channels, length). Tompson et al. 2015.
---@param p? number
---@param activation? string|function
---@param options? {p?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Dropout1d(p, activation, options) end

--- Dropout of whole channels of (n, channels, height, width). Tompson et al. 2015.
---@param p? number
---@param activation? string|function
---@param options? {p?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Dropout2d(p, activation, options) end

--- x where positive, else alpha * (exp(x) - 1).
---@param alpha? number
---@param activation? string|function
---@param options? {alpha?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.ELU(alpha, activation, options) end

--- A table of vectors, read at indices: int64 x (N, ...) to (N, ..., dim). Indices are data and count
--- from 0; one outside the table is refused before training when x is the model's input, and gives NaN
--- otherwise.
---@param num integer|table rows of the table, or a table of options
---@param dim? integer size of a vector
---@param given? table
---@return Layer
function nn.Embedding(num, dim, given) end

--- All axes after the first as one: (n, ...) to (n, m).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Flatten(activation, options) end

--- x times the normal distribution function of x (exact form).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.GELU(activation, options) end

--- GELU with the distribution function approximated by a tanh, as in GPT-2.
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.GELUTanh(activation, options) end

--- The first half along an axis times the sigmoid of the second. Dauphin et al. 2017.
---@param axis? integer
---@param activation? string|function
---@param options? {axis?: integer, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.GLU(axis, activation, options) end

--- Gated recurrent unit over sequences (N, T, F), used as nn.LSTM; its state is h alone.
---
--- PyTorch's form: n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h = (1 - z) n + z h. Gates r z n.
--- Cho et al. 2014.
---@param hidden integer|table units of a direction, or a table of options
---@param given? table
---@return Layer
function nn.GRU(hidden, given) end

--- One step of a GRU: `h = cell(x, h)` with x (N, F), h (N, hidden), 0 when absent.
---@param hidden integer|table units, or a table of options
---@param given? table
---@return Layer
function nn.GRUCell(hidden, given) end

--- In training, adds normal noise of standard deviation std.
---@param std? number
---@param activation? string|function
---@param options? {std?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.GaussianNoise(std, activation, options) end

--- Mean 0 and variance 1 over num_groups groups of channels of each row, then a weight and a bias for each channel. Wu and He 2018.
---@param num_groups integer
---@param eps? number
---@param affine? boolean
---@param activation? string|function
---@param options? {num_groups?: integer, eps?: number, affine?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.GroupNorm(num_groups, eps, affine, activation, options) end

--- x, but 0 where |x| <= lambd.
---@param lambd? number
---@param activation? string|function
---@param options? {lambd?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Hardshrink(lambd, activation, options) end

--- x / 6 + 1/2 limited to [0, 1].
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Hardsigmoid(activation, options) end

--- x * hardsigmoid(x).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Hardswish(activation, options) end

--- x limited to [min_val, max_val].
---@param min_val? number
---@param max_val? number
---@param activation? string|function
---@param options? {min_val?: number, max_val?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Hardtanh(min_val, max_val, activation, options) end

--- Mean 0 and variance 1 over the length, in every channel of each row; track_running_stats: in evaluation by running averages, as BatchNorm1d. Ulyanov et al. 2016.
---@param eps? number
---@param momentum? number
---@param affine? boolean
---@param track_running_stats? boolean
---@param cumulative? boolean
---@param activation? string|function
---@param options? {eps?: number, momentum?: number, affine?: boolean, track_running_stats?: boolean, cumulative?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.InstanceNorm1d(eps, momentum, affine, track_running_stats, cumulative, activation, options) end

--- Mean 0 and variance 1 over every plane of (n, channels, height, width); running averages on demand, as InstanceNorm1d. Ulyanov et al. 2016.
---@param eps? number
---@param momentum? number
---@param affine? boolean
---@param track_running_stats? boolean
---@param cumulative? boolean
---@param activation? string|function
---@param options? {eps?: number, momentum?: number, affine?: boolean, track_running_stats?: boolean, cumulative?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.InstanceNorm2d(eps, momentum, affine, track_running_stats, cumulative, activation, options) end

--- Quasi-Newton steps from the last gradients (L-BFGS); for full or large batches.
---@param options? {lr?: number, max_iter?: integer, max_eval?: number, tolerance_grad?: number, tolerance_change?: number, history_size?: integer, strong_wolfe?: boolean}
---@return Optimizer
function nn.LBFGS(options) end

--- Long short-term memory over sequences (N, T, F): outputs (N, T, hidden), or (N, hidden) with `last`.
---
--- `local y, state = lstm(x, { state = { h, c }, lengths = lengths })` in a forward of one's own; in
--- Sequential y goes on. States are (num_layers * directions, N, hidden), 0 when none are given. With lengths
--- (N) int64, a row's steps behind its length leave its state as it is and give outputs of 0, and the
--- reverse direction begins at the row's own last step, as PyTorch's packed sequences do. `last` gives
--- each row's output at its last step, that of the reverse direction at the first. Gates i f g o.
--- Hochreiter and Schmidhuber 1997; with forget gate: Gers et al. 2000.
---@param hidden integer|table units of a direction, or a table of options
---@param given? table
---@return Layer
function nn.LSTM(hidden, given) end

--- One step of an LSTM: `h, c = cell(x, { h, c })` with x (N, F), states (N, hidden), 0 when absent.
--- Parameters weight_ih (4 hidden, F), weight_hh, bias_ih, bias_hh, as nn.LSTM's. Over whole sequences
--- nn.LSTM gives the same numbers and is faster.
---@param hidden integer|table units, or a table of options
---@param given? table
---@return Layer
function nn.LSTMCell(hidden, given) end

--- Mean 0 and variance 1 over the last dims axes, then a weight and a bias for each element. Ba et al. 2016.
---@param dims? integer
---@param eps? number
---@param elementwise_affine? boolean
---@param bias? boolean
---@param activation? string|function
---@param options? {dims?: integer, eps?: number, elementwise_affine?: boolean, bias?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.LayerNorm(dims, eps, elementwise_affine, bias, activation, options) end

--- x where positive, else slope * x.
---@param slope? number
---@param activation? string|function
---@param options? {slope?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.LeakyReLU(slope, activation, options) end

--- Fully connected: y = x W^T + b for x (n, ..., in), weight W (out, in), bias b (out).
---@param out integer
---@param bias? boolean
---@param activation? string|function
---@param options? {out?: integer, bias?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Linear(out, bias, activation, options) end

--- Steps of one size in the direction of the sign of a running mean of gradients.
---@param options? {lr?: number, betas?: number[], weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.Lion(options) end

--- x / (k + alpha * mean of x^2 over size channels around)^beta. Krizhevsky et al. 2012.
---@param size integer
---@param alpha? number
---@param beta? number
---@param k? number
---@param activation? string|function
---@param options? {size?: integer, alpha?: number, beta?: number, k?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.LocalResponseNorm(size, alpha, beta, k, activation, options) end

--- log(sigmoid(x)), without overflow.
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.LogSigmoid(activation, options) end

--- log(softmax(x)) along an axis.
---@param axis? integer
---@param activation? string|function
---@param options? {axis?: integer, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.LogSoftmax(axis, activation, options) end

--- Largest element of every window of (n, channels, length).
---@param kernel_size integer[]
---@param stride? integer[]
---@param padding? integer[]
---@param dilation? integer[]
---@param ceil_mode? boolean
---@param activation? string|function
---@param options? {kernel_size?: integer[], stride?: integer[], padding?: integer[], dilation?: integer[], ceil_mode?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.MaxPool1d(kernel_size, stride, padding, dilation, ceil_mode, activation, options) end

--- Largest element of every window of (n, channels, height, width).
---@param kernel_size integer[]
---@param stride? integer[]
---@param padding? integer[]
---@param dilation? integer[]
---@param ceil_mode? boolean
---@param activation? string|function
---@param options? {kernel_size?: integer[], stride?: integer[], padding?: integer[], dilation?: integer[], ceil_mode?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.MaxPool2d(kernel_size, stride, padding, dilation, ceil_mode, activation, options) end

--- x * tanh(softplus(x)).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Mish(activation, options) end

--- Attention of several heads (Vaswani et al. 2017): queries from one sequence (N, T, E), keys and values
--- from the same or another one (N, S, ...).
---
--- In a forward: `attention(x)`, `attention(x, memory)` or `attention(query, key, value, { ... })`; the last
--- table holds attn_mask, key_padding_mask and need_weights. A row whose keys are all hidden gives the
--- bias of the output projection.
---@param num_heads integer|table heads, which share the columns of x, or a table of options
---@param given? table
---@return Layer
function nn.MultiheadAttention(num_heads, given) end

--- Adam that looks ahead along its momentum (Nesterov).
---@param options? {lr?: number, betas?: number[], eps?: number, momentum_decay?: number, weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.NAdam(options) end

--- x where positive, else a learned multiple of it, one in all or one for each channel. He et al. 2015.
---@param num_parameters? integer
---@param activation? string|function
---@param options? {num_parameters?: integer, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.PReLU(num_parameters, activation, options) end

--- Branches side by side: each gets the input (or, of several inputs, its own), and their results are joined.
---
--- `nn.Parallel { nn.Linear(8), nn.Linear(8, "tanh") }` gives 16 features; `join = "none"` leaves several
--- outputs, one for each branch.
---@param given table a list of layers; with join ("concat", "add" or "none"; default "concat"), axis (of concat, default 2: features or channels) and name
---@return Layer
function nn.Parallel(given) end

--- Adds a learned vector for each position to x (N, T, E), T <= max_len.
---@param max_len integer|table the longest sequence, or a table of options
---@param given? table
---@return Layer
function nn.PositionalEmbedding(max_len, given) end

--- Adds sines and cosines of the position to x (N, T, E), in wavelengths from 2 pi to 10000 * 2 pi
--- (Vaswani et al. 2017). Nothing is learned.
---@return Layer
function nn.PositionalEncoding() end

--- Adam whose first steps are smaller, while its mean of squares is still uncertain.
---@param options? {lr?: number, betas?: number[], eps?: number, weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.RAdam(options) end

--- Mean square 1 over the last dims axes, then a weight for each element. Zhang and Sennrich 2019.
---@param dims? integer
---@param eps? number
---@param elementwise_affine? boolean
---@param activation? string|function
---@param options? {dims?: integer, eps?: number, elementwise_affine?: boolean, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.RMSNorm(dims, eps, elementwise_affine, activation, options) end

--- Steps divided by the root of a running mean of squared gradients.
---@param options? {lr?: number, alpha?: number, momentum?: number, centered?: boolean, eps?: number, weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.RMSprop(options) end

--- Plain recurrent net over sequences (N, T, F): h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu.
---
--- Used as nn.LSTM; its state is h alone. Elman 1990.
---@param hidden integer|table units of a direction, or a table of options
---@param given? table
---@return Layer
function nn.RNN(hidden, given) end

--- One step of a plain recurrent net: `h = cell(x, h)` with x (N, F), h (N, hidden), 0 when absent.
---@param hidden integer|table units, or a table of options
---@param given? table
---@return Layer
function nn.RNNCell(hidden, given) end

--- max(x, 0).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.ReLU(activation, options) end

--- x limited to [0, 6].
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.ReLU6(activation, options) end

--- A residual block: activation(shortcut(x) + layers(x)), the layers one after the other. He et al. 2016.
---
--- `nn.Residual { nn.Linear(64, "relu"), nn.Linear(64), activation = "relu" }`. Without a `shortcut` layer
--- x itself is added; the shapes must agree.
---@param given table a list of layers; with shortcut (a layer), activation (a name) and name
---@return Layer
function nn.Residual(given) end

--- A step size for each weight that grows while its gradient keeps its sign; for full batches.
---@param options? {lr?: number, etas?: number[], step_sizes?: number[], weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.Rprop(options) end

--- Self-normalising ELU; start its weights with lecun_normal.
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.SELU(activation, options) end

--- Stochastic gradient descent, with momentum (also Nesterov's) if asked for.
---@param options? {lr?: number, momentum?: number, dampening?: number, nesterov?: boolean, ema?: boolean, weight_decay?: number, l1?: number, groups?: table}
---@return Optimizer
function nn.SGD(options) end

--- Layers one after the other. A function of values may stand between them.
---@param layers table a list of layers; may have a `name`
---@return Layer
function nn.Sequential(layers) end

--- x * sigmoid(x), also called swish.
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.SiLU(activation, options) end

--- 1 / (1 + exp(-x)).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Sigmoid(activation, options) end

--- exp(x) / sum exp(x) along an axis.
---@param axis? integer
---@param activation? string|function
---@param options? {axis?: integer, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Softmax(axis, activation, options) end

--- log(1 + exp(x)).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Softplus(activation, options) end

--- x moved towards 0 by lambd; 0 near it.
---@param lambd? number
---@param activation? string|function
---@param options? {lambd?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Softshrink(lambd, activation, options) end

--- x / (1 + |x|).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Softsign(activation, options) end

--- Dropout of whole rows of the batch, for the branch of a residual block: x + nn.StochasticDepth(0.1)(branch). Huang et al. 2016.
---@param p? number
---@param activation? string|function
---@param options? {p?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.StochasticDepth(p, activation, options) end

--- Hyperbolic tangent.
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Tanh(activation, options) end

--- x - tanh(x).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Tanhshrink(activation, options) end

--- x where above the threshold, else value.
---@param threshold number
---@param value number
---@param activation? string|function
---@param options? {threshold?: number, value?: number, activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.Threshold(threshold, value, activation, options) end

--- Self-attention, attention to an encoder's output, then two linear layers, each with a residual sum and
--- LayerNorm (Vaswani et al. 2017). Give `causal = true` to predict the next element.
---
--- In a forward: `decoder(x, memory)` or `decoder(x, memory, { tgt_mask =, memory_mask =,
--- tgt_key_padding_mask =, memory_key_padding_mask = })`.
---@param num_heads integer|table heads, which share the columns of x, or a table of options
---@param given? table
---@return Layer
function nn.TransformerDecoderLayer(num_heads, given) end

--- TransformerEncoderLayers one after the other, each with weights of its own. Takes their options as well, and is
--- called as they are.
---@param num_layers integer|table how many, or a table of options
---@param num_heads? integer
---@param given? table
---@return Layer
function nn.TransformerEncoder(num_layers, num_heads, given) end

--- Self-attention, then two linear layers, each with a residual sum and LayerNorm (Vaswani et al. 2017).
---
--- In a forward: `encoder(x)` or `encoder(x, { src_mask =, src_key_padding_mask = })`.
---@param num_heads integer|table heads, which share the columns of x, or a table of options
---@param given? table
---@return Layer
function nn.TransformerEncoderLayer(num_heads, given) end

--- Resize (n, channels, length) or (n, channels, height, width) by a factor or to a size, with PyTorch's
--- coordinates: `nn.Upsample(2)`, `nn.Upsample { size = { 32, 32 }, mode = "bilinear" }`.
---@param scale_factor number|table how many times as large, or a table of options
---@param given? table
---@return Layer
function nn.Upsample(scale_factor, given) end

--- Zeros before and after the length of (n, channels, length): a number, or { left, right }.
---@param padding integer[]
---@param activation? string|function
---@param options? {padding?: integer[], activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.ZeroPad1d(padding, activation, options) end

--- Zeros around the planes of (n, channels, height, width): a number, or { left, right, top, bottom }.
---@param padding integer[]
---@param activation? string|function
---@param options? {padding?: integer[], activation?: string | function, name?: string, lr_scale?: number, weight_decay?: number, max_norm?: number}
---@return Layer
function nn.ZeroPad2d(padding, activation, options) end

--- Check the gradients of a model or layer in all its parameters and inputs, or of a loss in its prediction.
---
--- With a data set the loss is a real one; with tensors or shapes, whose numbers are drawn at random, it is
--- the mean square of the output. A shape with `below = n` is one of whole numbers from 0 to n - 1, such as
--- words or labels; several inputs are a table of shapes: `nn.gradcheck(layer, { { 3, 5 }, { 3, below = 7 } })`.
--- Parameters are built anew, or taken over when the model is built. A loss takes the shapes of predictions
--- and targets: `nn.gradcheck(loss, { { 4, 3 }, { 4, below = 3 } })`.
---@param model any a model or layer; or a loss: nn.loss.NAME { ... }, or a function of prediction and target
---@param like any data set, tensor, shape with the batch first: { 3, 5 }, or a table of tensors and shapes
---@param given? table
---@return GradientCheck
function nn.gradcheck(model, like, given) end

nn.init = {}

--- All one value.
---@param options? {value?: any}
---@return Initializer
function nn.init.constant(options) end

--- An initialiser from what a layer's option holds: an initialiser, a name, or given values (a tensor
--- or a table of numbers).
---@param value any
---@param where string what the option belongs to, for messages
---@return Initializer
function nn.init.from(value, where) end

--- Normal, variance 2 / (fan_in + fan_out); for tanh and sigmoid (Glorot, Bengio 2010).
---@param options? {gain?: any}
---@return Initializer
function nn.init.glorot_normal(options) end

--- Uniform, variance 2 / (fan_in + fan_out); for tanh and sigmoid (Glorot, Bengio 2010).
---@param options? {gain?: any}
---@return Initializer
function nn.init.glorot_uniform(options) end

--- Normal, variance 2 / fan_in; for relu (He et al. 2015).
---@param options? {gain?: any}
---@return Initializer
function nn.init.he_normal(options) end

--- Uniform, variance 2 / fan_in; for relu (He et al. 2015).
---@param options? {gain?: any}
---@return Initializer
function nn.init.he_uniform(options) end

--- Ones on the diagonal of a matrix, zeros elsewhere.
---@param options? {gain?: any}
---@return Initializer
function nn.init.identity(options) end

--- Normal, variance 1 / fan_in; for selu and linear layers (LeCun et al. 1998).
---@param options? {gain?: any}
---@return Initializer
function nn.init.lecun_normal(options) end

--- Uniform, variance 1 / fan_in; for selu and linear layers (LeCun et al. 1998).
---@param options? {gain?: any}
---@return Initializer
function nn.init.lecun_uniform(options) end

--- Independent normal numbers.
---@param options? {mean?: any, std?: any}
---@return Initializer
function nn.init.normal(options) end

--- All ones.
---@return Initializer
function nn.init.ones() end

--- Orthonormal rows or columns, the axes after the first taken as one (Saxe et al. 2014).
---@param options? {gain?: any}
---@return Initializer
function nn.init.orthogonal(options) end

--- Uniform within 1 / sqrt(fan_in), as PyTorch's layers start.
---@return Initializer
function nn.init.torch_default() end

--- Independent uniform numbers.
---@param options? {low?: any, high?: any}
---@return Initializer
function nn.init.uniform(options) end

--- Given values: a tensor, or a `.npy` or `.npz` file.
---@param source any a tensor, a (nested) table of numbers, or a path
---@param name? string which array of the `.npz` file
---@return Initializer
function nn.init.values(source, name) end

--- All zeros.
---@return Initializer
function nn.init.zeros() end

--- A new kind of layer, written in Lua.
---
--- `local Residual = nn.layer("Residual", { init = function(self, size) ... end,
--- forward = function(self, x) ... end })`
--- makes a constructor: `Residual(64)` calls init, and the layer's forward runs when the model is
--- built. Ops, operators, other layers, indices (`x[":, 1"]`) and a tensor's ways with shapes (`x:unsqueeze(2)`,
--- `x:split(4, 2)`, tensor.stack) work on x; `self:param(name, shape, initializer)` is a parameter. What
--- forward does is traced once and as fast as a layer of the engine. It may take several values,
--- forward(self, a, b), or a table of them by name, and return several or a table: as a model these are its
--- inputs and outputs.
---@param kind string its name, e.g. "Residual"
---@param methods { init: function?, forward: function }
---@return fun(...): Layer
function nn.layer(kind, methods) end

nn.loss = {}

--- Binary cross-entropy of logits (N, 1) and labels 0 or 1.
---@return Loss
function nn.loss.binary_cross_entropy() end

--- Cross-entropy of logits (N, C) and labels (N), or of sequences: (N, T, C) and (N, T). Options:
--- label_smoothing (0), class_weights (C).
---@param given? { label_smoothing: number?, class_weights: number[]? }
---@return Loss
function nn.loss.cross_entropy(given) end

--- Logits (N, ..., C) and labels (N, ...) as (M, C) and (M): every place of a sequence is a sample.
---@param prediction userdata
---@param target userdata
---@return userdata, userdata
function nn.loss.flat(prediction, target) end

--- A loss from what fit's option holds: a loss, its name, or a function of prediction and target.
---@param value any
---@return Loss
function nn.loss.from(value) end

--- Hinge loss of scores (N, 1) and labels 0 or 1 (taken as -1 and 1).
---@return Loss
function nn.loss.hinge() end

--- Huber's loss: quadratic up to `delta`, linear beyond (Huber 1964).
---@param given? { delta: number? } delta 1
---@return Loss
function nn.loss.huber(given) end

--- Whether a value is a loss of this module.
---@param value any
---@return boolean
function nn.loss.is(value) end

--- Kullback-Leibler divergence of log-probabilities (N, C) from probabilities (N, C), per sample.
---@return Loss
function nn.loss.kl() end

--- Mean absolute error.
---@return Loss
function nn.loss.mae() end

--- Mean squared error.
---@return Loss
function nn.loss.mse() end

--- Learning-rate range test (Smith 2017): train with a rate that grows from step to step, and see where
--- the loss falls fastest. The model is left as it was, to the bit: weights, running statistics, and
--- whether it had been built.
---
--- The loss is smoothed, and the test ends when it has grown to `diverge` times the lowest or is no number.
--- `suggestion` is where the batches' loss falls fastest per decade; a tenth of `lowest` is another
--- rule. The result draws itself: `range:plot { file = "results/range" }`.
---@param model Layer
---@param set table a data set
---@param given? table
---@return LrRange
function nn.lr_find(model, set, given) end

nn.metrics = {}

--- Share of samples whose class is predicted right.
---@param prediction any
---@param target any
---@return number
function nn.metrics.accuracy(prediction, target) end

--- Which way a metric is better, also with prefixes such as "val_" and an output's name. Of names that are
--- not in the table those that end in "loss" or "error" are better when smaller, others when larger.
---@param name string
---@return "max"|"min"
function nn.metrics.better(name) end

--- Count which class is taken for which.
---@param predicted any tensor of scores (N, C), or logits (N, 1)
---@param target any tensor of labels (N), or a data set
---@param given? { threshold: number?, classes: string[]? } threshold 0; names of the classes, default those of the data set
---@return ConfusionMatrix
function nn.metrics.confusion_matrix(predicted, target, given) end

--- Harmonic mean of a class's precision and recall; mean over classes.
---@param prediction any
---@param target any
---@return number
function nn.metrics.f1(prediction, target) end

--- Mean absolute error, in the target's units.
---@param prediction any
---@param target any
---@return number
function nn.metrics.mae(prediction, target) end

--- Mean squared error.
---@param prediction any
---@param target any
---@return number
function nn.metrics.mse(prediction, target) end

--- The names of all metrics, sorted.
---@return string[]
function nn.metrics.names() end

--- Of the samples predicted to be of a class, the share that are; mean over classes.
---@param prediction any
---@param target any
---@return number
function nn.metrics.precision(prediction, target) end

--- Share of the target's variance explained (R squared); mean over outputs.
---@param prediction any
---@param target any
---@return number
function nn.metrics.r2(prediction, target) end

--- Of the samples of a class, the share predicted to be; mean over classes.
---@param prediction any
---@param target any
---@return number
function nn.metrics.recall(prediction, target) end

--- Square root of the mean squared error, in the target's units.
---@param prediction any
---@param target any
---@return number
function nn.metrics.rmse(prediction, target) end

--- Several metrics that are added up batch by batch, as fit and evaluate use them.
---@param names string[] e.g. { "accuracy", "f1" }
---@param given? { threshold: number? } threshold 0
---@return MetricSet
function nn.metrics.set(names, given) end

nn.op = {}

--- Absolute value of x; gradient 0 at 0.
---@param x any
---@return Tensor
function nn.op.abs(x) end

--- |a - b|, element by element.
---@param a any
---@param b any
---@return Tensor
function nn.op.absolute_error(a, b) end

--- Mean of windows that share the axes evenly.
---@param x any
---@param options? {output_size?: integer[]}
---@return Tensor
function nn.op.adaptive_avg_pool(x, options) end

--- Largest element of windows that share the axes evenly; second, its place in the plane.
---@param x any
---@param options? {output_size?: integer[]}
---@return Tensor
function nn.op.adaptive_max_pool(x, options) end

--- Sum of a and b.
---@param a any
---@param b any
---@return Tensor
function nn.op.add(a, b) end

--- 0-based index of the first largest element along an axis (int64).
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.argmax(x, options) end

--- 0-based index of the first smallest element along an axis (int64).
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.argmin(x, options) end

--- softmax(scale q k^T + mask) v of heads side by side in q, k, v (n, length, columns), and statistics of its rows. Then an additive mask, a padding mask (n, keys). Without v, or k and v, these stand beside k, or q, in one. scale 0: 1 / sqrt(size of a head).
---@param a? any
---@param b? any
---@param c? any
---@param d? any
---@param options? {heads?: integer, causal?: boolean, scale?: number, dropout?: number, stream?: integer}
---@return Tensor
function nn.op.attention(a, b, c, d, options) end

--- Mean of every window, with padding counted as zeros or left out.
---@param x any
---@param options? {kernel_size?: integer[], stride?: integer[], padding?: integer[], ceil_mode?: boolean, count_include_pad?: boolean}
---@return Tensor
function nn.op.avg_pool(x, options) end

--- (n, channels, ...) normalised by channel over the batch, then scaled. Ioffe and Szegedy 2015.
---@param a any
---@param b? any
---@param c? any
---@param options? {eps?: number}
---@return Tensor
function nn.op.batch_norm(a, b, c, options) end

--- Binary cross-entropy of logits a and targets b in [0, 1], element by element.
---@param a any
---@param b any
---@return Tensor
function nn.op.bce_with_logits(a, b) end

--- The smallest whole number that is not below x.
---@param x any
---@return Tensor
function nn.op.ceil(x) end

--- x where positive, else alpha * (exp(x / alpha) - 1). Barron 2017.
---@param x any
---@param options? {alpha?: number}
---@return Tensor
function nn.op.celu(x, options) end

--- x limited to [min, max].
---@param x any
---@param options? {min?: number, max?: number}
---@return Tensor
function nn.op.clip(x, options) end

--- a followed by b along an axis.
---@param a any
---@param b any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.concat(a, b, options) end

--- Convolution of x (n, c, h, w) or (n, c, l) with weight (o, c / groups, kh, kw), bias (o).
---@param a any
---@param b any
---@param c? any
---@param options? {stride?: integer[], padding?: integer[], dilation?: integer[], groups?: integer}
---@return Tensor
function nn.op.conv(a, b, c, options) end

--- Transposed convolution of x (n, c, h, w) with weight (c, o / groups, kh, kw), bias (o).
---@param a any
---@param b any
---@param c? any
---@param options? {stride?: integer[], padding?: integer[], dilation?: integer[], groups?: integer, output_padding?: integer[]}
---@return Tensor
function nn.op.conv_transpose(a, b, c, options) end

--- 1 where the largest of logits (n, c) is at the label (n), else 0; (n, 1) logits are right when x > 0 matches.
---@param a any
---@param b any
---@return Tensor
function nn.op.correct(a, b) end

--- Cosine of x (radians).
---@param x any
---@return Tensor
function nn.op.cos(x) end

--- Products of all elements up to each along an axis; the gradient needs elements that are not 0.
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.cumprod(x, options) end

--- Sums of all elements up to each along an axis; reverse: from each to the last.
---@param x any
---@param options? {axis?: integer, reverse?: boolean}
---@return Tensor
function nn.op.cumsum(x, options) end

--- Quotient a / b.
---@param a any
---@param b any
---@return Tensor
function nn.op.div(a, b) end

--- Zeros with probability p, the rest divided by 1 - p; its own gradient. Srivastava et al. 2014.
---@param x any
---@param options? {p?: number, stream?: integer}
---@return Tensor
function nn.op.dropout(x, options) end

--- x where positive, else alpha * (exp(x) - 1). Clevert et al. 2016.
---@param x any
---@param options? {alpha?: number}
---@return Tensor
function nn.op.elu(x, options) end

--- 1 where a == b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.equal(a, b) end

--- Exponential of x.
---@param x any
---@return Tensor
function nn.op.exp(x) end

--- x repeated to a shape it broadcasts to.
---@param x any
---@param options? {shape?: integer[]}
---@return Tensor
function nn.op.expand(x, options) end

--- exp(x) - 1, exact for small x.
---@param x any
---@return Tensor
function nn.op.expm1(x) end

--- Elements in reverse order along axes.
---@param x any
---@param options? {axes?: integer | integer[]}
---@return Tensor
function nn.op.flip(x, options) end

--- The largest whole number that is not above x.
---@param x any
---@return Tensor
function nn.op.floor(x) end

--- The quotient a / b rounded down.
---@param a any
---@param b any
---@return Tensor
function nn.op.floor_divide(a, b) end

--- Elements of a at the 0-based int64 places b along an axis; the other axes are the same.
---@param a any
---@param b any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.gather(a, b, options) end

--- x plus normal noise of standard deviation std.
---@param x any
---@param options? {std?: number, stream?: integer}
---@return Tensor
function nn.op.gaussian_noise(x, options) end

--- x times the normal distribution function of x, exact form. Hendrycks and Gimpel 2016.
---@param x any
---@return Tensor
function nn.op.gelu(x) end

--- gelu with the distribution function approximated by a tanh, as in GPT-2.
---@param x any
---@return Tensor
function nn.op.gelu_tanh(x) end

--- 1 where a > b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.greater(a, b) end

--- 1 where a >= b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.greater_equal(a, b) end

--- (n, channels, ...) normalised over groups of channels of a row, then scaled by channel. Wu and He 2018.
---@param a any
---@param b? any
---@param c? any
---@param options? {groups?: integer, eps?: number}
---@return Tensor
function nn.op.group_norm(a, b, c, options) end

--- GRU over x (n, t, f), with w_ih (3h, f), w_hh (3h, h) and optionally b_ih, b_hh (3h), lengths (n), h0 (n, h): outputs (n, t, h), last state (n, 1, h), gates. Cho et al. 2014.
---@param a? any
---@param b? any
---@param c? any
---@param d? any
---@param options? {reverse?: boolean}
---@return Tensor
function nn.op.gru(a, b, c, d, options) end

--- x, but 0 where |x| <= lambd.
---@param x any
---@param options? {lambd?: number}
---@return Tensor
function nn.op.hardshrink(x, options) end

--- x / 6 + 1/2 limited to [0, 1]. Howard et al. 2019.
---@param x any
---@return Tensor
function nn.op.hardsigmoid(x) end

--- x * hardsigmoid(x). Howard et al. 2019.
---@param x any
---@return Tensor
function nn.op.hardswish(x) end

--- x limited to [min_val, max_val].
---@param x any
---@param options? {min_val?: number, max_val?: number}
---@return Tensor
function nn.op.hardtanh(x, options) end

--- max(0, 1 - a b) for targets b of -1 or 1.
---@param a any
---@param b any
---@return Tensor
function nn.op.hinge_error(a, b) end

--- (a-b)^2/2 where |a-b| <= delta, else delta (|a-b| - delta/2). Huber 1964.
---@param a any
---@param b any
---@param options? {delta?: number}
---@return Tensor
function nn.op.huber_error(a, b, options) end

--- The axes after (n, channels) resized to a size or by a factor, by nearest or (bi)linear interpolation.
---@param x any
---@param options? {size?: integer[], scale_factor?: number, linear?: boolean, align_corners?: boolean}
---@return Tensor
function nn.op.interpolate(x, options) end

--- 1 where x is neither infinite nor NaN, else 0.
---@param x any
---@return Tensor
function nn.op.isfinite(x) end

--- 1 where x is not a number, else 0.
---@param x any
---@return Tensor
function nn.op.isnan(x) end

--- b (log b - a) for log-probabilities a and probabilities b: Kullback-Leibler divergence.
---@param a any
---@param b any
---@return Tensor
function nn.op.kl_error(a, b) end

--- (x - mean) / sqrt(variance + eps) over the last dims axes, times a weight, plus a bias. Ba et al. 2016.
---@param a any
---@param b? any
---@param c? any
---@param options? {dims?: integer, eps?: number}
---@return Tensor
function nn.op.layer_norm(a, b, c, options) end

--- x where positive, else slope * x. Maas et al. 2013.
---@param x any
---@param options? {slope?: number}
---@return Tensor
function nn.op.leaky_relu(x, options) end

--- 1 where a < b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.less(a, b) end

--- 1 where a <= b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.less_equal(a, b) end

--- x / (k + alpha * mean of x^2 over size channels around)^beta. Krizhevsky et al. 2012.
---@param x any
---@param options? {size?: integer, alpha?: number, beta?: number, k?: number}
---@return Tensor
function nn.op.local_response_norm(x, options) end

--- Natural logarithm of x.
---@param x any
---@return Tensor
function nn.op.log(x) end

--- log(1 + x), exact for small x.
---@param x any
---@return Tensor
function nn.op.log1p(x) end

--- log(softmax(x)) along an axis, without overflow.
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.log_softmax(x, options) end

--- 1 where neither a nor b is 0, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.logical_and(a, b) end

--- 1 where x is 0, else 0.
---@param x any
---@return Tensor
function nn.op.logical_not(x) end

--- 1 where a or b is not 0, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.logical_or(a, b) end

--- log(sigmoid(x)), without overflow.
---@param x any
---@return Tensor
function nn.op.logsigmoid(x) end

--- LSTM over x (n, t, f), with w_ih (4h, f), w_hh (4h, h) and optionally b_ih, b_hh (4h), lengths (n), h0, c0 (n, h): outputs (n, t, h), last states (n, 2, h), gates i f g o, cells. Hochreiter and Schmidhuber 1997.
---@param a? any
---@param b? any
---@param c? any
---@param d? any
---@param options? {reverse?: boolean}
---@return Tensor
function nn.op.lstm(a, b, c, d, options) end

--- Matrix product of a (..., m, k) and b (k, n) or (..., k, n); either may be read transposed.
---@param a any
---@param b any
---@param options? {trans_a?: boolean, trans_b?: boolean}
---@return Tensor
function nn.op.matmul(a, b, options) end

--- Largest element over axes; ties share the gradient.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function nn.op.max(x, options) end

--- Largest element of every window; second, packed, where it was (the first of equal ones).
---@param x any
---@param options? {kernel_size?: integer[], stride?: integer[], padding?: integer[], dilation?: integer[], ceil_mode?: boolean}
---@return Tensor
function nn.op.max_pool(x, options) end

--- The larger of a and b; ties share the gradient.
---@param a any
---@param b any
---@return Tensor
function nn.op.maximum(a, b) end

--- Mean over axes.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function nn.op.mean(x, options) end

--- Smallest element over axes; ties share the gradient.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function nn.op.min(x, options) end

--- The smaller of a and b; ties share the gradient.
---@param a any
---@param b any
---@return Tensor
function nn.op.minimum(a, b) end

--- x * tanh(softplus(x)). Misra 2019.
---@param x any
---@return Tensor
function nn.op.mish(x) end

--- Product of a and b.
---@param a any
---@param b any
---@return Tensor
function nn.op.mul(a, b) end

--- Negative of x.
---@param x any
---@return Tensor
function nn.op.neg(x) end

--- p-norm over axes, p >= 1.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean, p?: number}
---@return Tensor
function nn.op.norm(x, options) end

--- 1 where a ~= b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.not_equal(a, b) end

--- Zeros before and after along an axis.
---@param x any
---@param options? {axis?: integer, before?: integer, after?: integer}
---@return Tensor
function nn.op.pad(x, options) end

--- a to the power b.
---@param a any
---@param b any
---@return Tensor
function nn.op.pow(a, b) end

--- a where positive, else b * a, with a learned slope b. He et al. 2015.
---@param a any
---@param b any
---@return Tensor
function nn.op.prelu(a, b) end

--- Product over axes; the gradient needs elements that are not 0.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function nn.op.prod(x, options) end

--- 1 / x.
---@param x any
---@return Tensor
function nn.op.reciprocal(x) end

--- max(x, 0). Nair and Hinton 2010.
---@param x any
---@return Tensor
function nn.op.relu(x) end

--- x limited to [0, 6]. Howard et al. 2017.
---@param x any
---@return Tensor
function nn.op.relu6(x) end

--- a - b floor(a / b): what is left of a division rounded down, with the sign of b.
---@param a any
---@param b any
---@return Tensor
function nn.op.remainder(a, b) end

--- The same elements in another shape; one size may be -1.
---@param x any
---@param options? {shape?: integer[]}
---@return Tensor
function nn.op.reshape(x, options) end

--- x / sqrt(mean of x^2 + eps) over the last dims axes, times a weight. Zhang and Sennrich 2019.
---@param a any
---@param b? any
---@param options? {dims?: integer, eps?: number}
---@return Tensor
function nn.op.rms_norm(a, b, options) end

--- Plain recurrent net h = tanh(x w_ih^T + b_ih + h w_hh^T + b_hh), or relu, with operands as lstm's: outputs (n, t, h), last state (n, 1, h). Elman 1990.
---@param a? any
---@param b? any
---@param c? any
---@param d? any
---@param options? {reverse?: boolean, relu?: boolean}
---@return Tensor
function nn.op.rnn(a, b, c, d, options) end

--- Elements moved `shift` places on along an axis; those beyond the end come in at the beginning.
---@param x any
---@param options? {shift?: integer, axis?: integer}
---@return Tensor
function nn.op.roll(x, options) end

--- The nearest whole number; halves go to the even one.
---@param x any
---@return Tensor
function nn.op.round(x) end

--- a with the elements of c added at the 0-based int64 places b along an axis.
---@param a any
---@param b any
---@param c any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.scatter_add(a, b, c, options) end

--- Self-normalising ELU. Klambauer et al. 2017.
---@param x any
---@return Tensor
function nn.op.selu(x) end

--- 1 / (1 + exp(-x)).
---@param x any
---@return Tensor
function nn.op.sigmoid(x) end

--- Sign of x: -1, 0 or 1.
---@param x any
---@return Tensor
function nn.op.sign(x) end

--- x * sigmoid(x), also called swish. Elfwing et al. 2018.
---@param x any
---@return Tensor
function nn.op.silu(x) end

--- Sine of x (radians).
---@param x any
---@return Tensor
function nn.op.sin(x) end

--- Elements first to last (1-based, inclusive, negative from the end) along an axis.
---@param x any
---@param options? {axis?: integer, first?: integer, last?: integer}
---@return Tensor
function nn.op.slice(x, options) end

--- exp(x) / sum exp(x) along an axis, without overflow.
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.softmax(x, options) end

--- Cross-entropy (n) of logits (n, c) and 0-based int64 labels (n), optionally with class weights (c).
---@param a any
---@param b any
---@param c? any
---@param options? {label_smoothing?: number}
---@return Tensor
function nn.op.softmax_cross_entropy(a, b, c, options) end

--- log(1 + exp(x)), without overflow.
---@param x any
---@return Tensor
function nn.op.softplus(x) end

--- x moved towards 0 by lambd; 0 near it.
---@param x any
---@param options? {lambd?: number}
---@return Tensor
function nn.op.softshrink(x, options) end

--- x / (1 + |x|).
---@param x any
---@return Tensor
function nn.op.softsign(x) end

--- Elements in order along an axis, NaN as the largest, and their 0-based places there (int64); stable.
---@param x any
---@param options? {axis?: integer, descending?: boolean}
---@return Tensor
function nn.op.sort(x, options) end

--- Square root of x.
---@param x any
---@return Tensor
function nn.op.sqrt(x) end

--- Square of x.
---@param x any
---@return Tensor
function nn.op.square(x) end

--- (a - b)^2, element by element.
---@param a any
---@param b any
---@return Tensor
function nn.op.squared_error(a, b) end

--- Difference a - b.
---@param a any
---@param b any
---@return Tensor
function nn.op.sub(a, b) end

--- Sum over axes.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function nn.op.sum(x, options) end

--- x summed down to a shape that broadcasts to it: the gradient of expand.
---@param x any
---@param options? {shape?: integer[]}
---@return Tensor
function nn.op.sum_to(x, options) end

--- Rows of table a (n, ...) at the 0-based int64 indices b; row padding_idx gets no gradient.
---@param a any
---@param b any
---@param options? {padding_idx?: integer}
---@return Tensor
function nn.op.take(a, b, options) end

--- Tangent of x (radians).
---@param x any
---@return Tensor
function nn.op.tan(x) end

--- Hyperbolic tangent of x.
---@param x any
---@return Tensor
function nn.op.tanh(x) end

--- x - tanh(x).
---@param x any
---@return Tensor
function nn.op.tanhshrink(x) end

--- x where above the threshold, else value.
---@param x any
---@param options? {threshold?: number, value?: number}
---@return Tensor
function nn.op.threshold(x, options) end

--- Axes in another order; default: reversed.
---@param x any
---@param options? {axes?: integer | integer[]}
---@return Tensor
function nn.op.transpose(x, options) end

--- Matrices (..., m, n) with 0 above a diagonal: 0 the main one, 1 the one above it.
---@param x any
---@param options? {diagonal?: integer}
---@return Tensor
function nn.op.tril(x, options) end

--- Matrices (..., m, n) with 0 below a diagonal: 0 the main one, 1 the one above it.
---@param x any
---@param options? {diagonal?: integer}
---@return Tensor
function nn.op.triu(x, options) end

--- Variance over axes, divided by count - correction.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean, correction?: integer}
---@return Tensor
function nn.op.variance(x, options) end

--- b where the condition a is not 0, c elsewhere.
---@param a any
---@param b any
---@param c any
---@return Tensor
function nn.op.where(a, b, c) end

--- An optimiser by name, for sweeps: `nn.optimizer(p.optimizer, { lr = p.lr })`.
---@param name string|Optimizer "adam" or "Adam"; an optimiser is returned as it is
---@param given? table its options
---@return Optimizer
function nn.optimizer(name, given) end

nn.schedule = {}

--- Several at once: their factors multiplied (PyTorch's ChainedScheduler).
---@param given table a list of schedules
---@return Schedule
function nn.schedule.chain(given) end

--- Refuse a schedule that drives momentum for an optimiser that has none.
---@param schedule Schedule
---@param optimizer Optimizer
---@param history? table
function nn.schedule.check_momentum(schedule, optimizer, history) end

--- The optimiser's learning rate throughout; or `factor` times it for the first `total` epochs (PyTorch's
--- ConstantLR).
---@param given? { factor: number?, total: integer?, per: string? } factor 1; total: always
---@return Schedule
function nn.schedule.constant(given) end

--- Half a cosine from the base rate down to `min` over `total` epochs, then `min` (Loshchilov, Hutter
--- 2017). PyTorch's CosineAnnealingLR, which rises again after `total`.
---@param given? { total: integer?, min: number?, per: string? } total: the whole training; min 0
---@return Schedule
function nn.schedule.cosine(given) end

--- Half cosines down to `min`, each cycle `factor` times as long as the one before (Loshchilov, Hutter 2017;
--- PyTorch's CosineAnnealingWarmRestarts).
---@param given { first: integer, factor: integer?, min: number?, per: string? } first: epochs of the first cycle; factor 1; min 0
---@return Schedule
function nn.schedule.cosine_restarts(given) end

--- Up and down between the optimiser's lr and max_lr, again and again; momentum goes the other way
--- (Smith 2017; PyTorch's CyclicLR). `mode`: "triangular"; "triangular2", each cycle half as high as the
--- one before; "exp_range", heights times gamma^step.
---@param given table max_lr: number; step_size_up: steps (2000); step_size_down: steps (as up); mode: string ("triangular"); gamma: number (1); cycle_momentum: boolean (true); base_momentum: number (0.8); max_momentum: number (0.9); per: "step" or "epoch" ("step")
---@return Schedule
function nn.schedule.cyclic(given) end

--- Multiplied by `gamma` every epoch (PyTorch's ExponentialLR).
---@param given { gamma: number, per: string? }
---@return Schedule
function nn.schedule.exponential(given) end

--- A schedule from what fit's option holds: a schedule, a function (n, base_lr, history) -> lr, or the
--- name of one that needs no options ("cosine").
---@param value Schedule|function|string|nil nil: constant
---@return Schedule
function nn.schedule.from(value) end

--- Divided by 1 + decay * k, where k counts the epochs done, or every `every`-th of them. (PyTorch has
--- none of this form.)
---@param given { decay: number, every: integer?, per: string? } every 1
---@return Schedule
function nn.schedule.inverse_time(given) end

--- A straight line from `start` to `stop` times the base rate over `total` epochs, then constant
--- (PyTorch's LinearLR).
---@param given? { total: integer?, start: number?, stop: number?, per: string? } total: the whole training; start 1/3; stop 1
---@return Schedule
function nn.schedule.linear(given) end

--- Multiplied by `gamma` after each of the epochs in `at` (PyTorch's MultiStepLR).
---@param given { at: integer[], gamma: number?, per: string? } gamma 0.1
---@return Schedule
function nn.schedule.milestones(given) end

--- The momenta of `length` epochs (or steps) from `first` on, 0 where the optimiser's own counts.
---@param schedule Schedule
---@param first integer from 1
---@param length integer
---@param history? table
---@return number[]? momenta nil when the schedule drives none
function nn.schedule.momenta(schedule, first, length, history) end

--- Multiplied every epoch by what a function of the epoch (2, 3, ...) returns (PyTorch's
--- MultiplicativeLR, whose function counts from 1 there). A plain function as a schedule is PyTorch's
--- LambdaLR.
---@param given { factor: fun(n: integer): number, per: string? }
---@return Schedule
function nn.schedule.multiplicative(given) end

--- One cycle: up from max_lr / div_factor to max_lr, and down to max_lr / div_factor / final_div_factor;
--- momentum goes the other way (Smith, Topin 2018; PyTorch's OneCycleLR). After `total` the last values
--- stay, where PyTorch raises an error.
---@param given? table max_lr: number (the optimiser's lr); total: steps (the whole training); pct_start: number (0.3); anneal_strategy: "cos" or "linear" ("cos"); cycle_momentum: boolean (true); base_momentum: number (0.85); max_momentum: number (0.95); div_factor: number (25); final_div_factor: number (1e4); three_phase: boolean (false); per: "step" or "epoch" ("step")
---@return Schedule
function nn.schedule.one_cycle(given) end

--- Multiplied by `factor` whenever a metric has not become better for more than `patience` epochs
--- (PyTorch's ReduceLROnPlateau, threshold relative; for a negative metric, too, better means better:
--- PyTorch's threshold there points the wrong way).
---@param given? table metric: string (val_loss, or loss without validation); mode: "min" or "max" (the metric's own); factor: number (0.1); patience: epochs (10); threshold: number (1e-4); cooldown: epochs (0); min: number (0)
---@return Schedule
function nn.schedule.plateau(given) end

--- The base rate times (1 - k / total)^power, down to 0 after `total` epochs (PyTorch's PolynomialLR).
---@param given? { total: integer?, power: number?, per: string? } total: the whole training; power 1
---@return Schedule
function nn.schedule.polynomial(given) end

--- One schedule after the other, each from its beginning: the second after `at[1]` epochs, and so on
--- (PyTorch's SequentialLR).
---@param given table a list of schedules; at: integer[], after how many epochs the next one begins; per: that of the schedules
---@return Schedule
function nn.schedule.sequence(given) end

--- Multiplied by `gamma` every `every` epochs (PyTorch's StepLR).
---@param given { every: integer, gamma: number?, per: string? } gamma 0.1
---@return Schedule
function nn.schedule.step(given) end

--- The learning rates of `length` epochs (or steps) from `first` on.
---@param schedule Schedule
---@param first integer from 1
---@param length integer
---@param base_lr number
---@param history? table
---@return number[]
function nn.schedule.values(schedule, first, length, base_lr, history) end

--- A straight line from `start` times the base rate up to the whole of it over `total` epochs, then
--- the schedule `next` from its beginning. (PyTorch's LinearLR and SequentialLR.)
---@param given { total: integer, start: number?, next: Schedule|function|string?, per: string? } start 1/3; next constant; per that of `next`
---@return Schedule
function nn.schedule.warmup(given) end

return nn
